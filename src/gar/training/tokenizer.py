"""A small tokenizer for small models, with the same special tokens as the published one.

Byte-level BPE, so any text can be read and written, with Llama 3's way of splitting text into pieces, so line breaks
before an answer are one token whatever follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gar.graspworld.language import MAX_PROMPTS

__all__ = ["MAX_PROMPTS", "build_tokenizer", "crop_token"]

_SPLIT = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def crop_token(prompt: int) -> str:
    """The reserved token that is repeated once per replay token of a region."""
    return f"<|crop_{prompt}|>"


def build_tokenizer(texts: Iterable[str], *, vocab_size: int, phrases: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Learns a vocabulary from texts.

    Args:
        texts: What the model will read and write.
        vocab_size: Tokens in all but the phrases; at least 256 bytes plus the special ones.
        phrases: Several words that are one token each, with the blank before them ("fire truck").

    Returns:
        A tokenizer that knows `<|begin_of_text|>`, `<|eot_id|>` (end of turn), `<|image|>`, `<Prompt0>` … and one
        crop token a prompt.
    """
    special = [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|image|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        *(crop_token(prompt) for prompt in range(MAX_PROMPTS)),
        *(f"<Prompt{prompt}>" for prompt in range(MAX_PROMPTS)),
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.add_tokens([AddedToken(f" {phrase}", normalized=False) for phrase in phrases])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|end_of_text|>",
        clean_up_tokenization_spaces=False,
    )
