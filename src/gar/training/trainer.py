"""transformers' Trainer with the one loss that is ours.

The auxiliary loss asks each region's features, before the decoder has read them, to point at the words that are true
of the region: their product with the embeddings of all words of an attribute (all colors, say) is trained by
cross-entropy. It grounds a small model in minutes where the language loss alone takes hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerBase, Trainer

from gar.errors import InputError
from gar.processing.processor import IGNORED

__all__ = ["GroundingTrainer", "single_token_words", "word_loss"]


def single_token_words(
    tokenizer: PreTrainedTokenizerBase, vocabulary: Mapping[str, Sequence[str]]
) -> dict[str, list[int]]:
    """The token of each word (with the blank before it) of each attribute.

    Raises:
        InputError: A word is not one token of this tokenizer.
    """
    tokens: dict[str, list[int]] = {}
    for attribute, words in vocabulary.items():
        for word in words:
            ids = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            if len(ids) != 1:
                raise InputError(f"the {attribute} {word!r} is {len(ids)} tokens; it must be one")
            tokens.setdefault(attribute, []).append(ids[0])
    return tokens


def word_loss(
    replay: torch.Tensor, embeddings: torch.Tensor, tokens: Sequence[Sequence[int]], labels: torch.Tensor
) -> torch.Tensor:
    """How badly the regions' features point at their words: mean cross-entropy over attributes.

    Args:
        replay: (R, n, D) replayed features; the last token speaks for the region.
        embeddings: (V, D) word embeddings.
        tokens: Word tokens of each attribute.
        labels: (R, attributes) which word is true, -100 where none is known; 0 is the loss if none is at all.
    """
    spoken = F.layer_norm(replay[:, -1].float(), replay.shape[-1:])
    losses = [
        F.cross_entropy(spoken @ embeddings[list(words)].float().T, labels[:, column], ignore_index=IGNORED)
        for column, words in enumerate(tokens)
        if bool((labels[:, column] != IGNORED).any())
    ]
    return torch.stack(losses).mean() if losses else spoken.sum() * 0.0


class GroundingTrainer(Trainer):
    """Trainer that adds `word_loss` where a batch has `attribute_labels`.

    Args:
        word_tokens: Word tokens of each attribute, in the collator's order.
        word_weight: Weight of the auxiliary loss.
        args: As `Trainer`.
        kwargs: As `Trainer`.
    """

    def __init__(self, *args: Any, word_tokens: Mapping[str, Sequence[int]], word_weight: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.word_tokens = list(word_tokens.values())
        self.word_weight = word_weight

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Language loss plus the weighted auxiliary loss."""
        labels = inputs.pop("attribute_labels", None)
        outputs = model(**inputs, num_items_in_batch=num_items_in_batch)
        loss = outputs.loss
        if labels is not None and self.word_weight:
            embeddings = self.accelerator.unwrap_model(model).get_input_embeddings().weight
            words = word_loss(outputs.replay_hidden_states, embeddings, self.word_tokens, labels)
            loss = loss + self.word_weight * words
        return (loss, outputs) if return_outputs else loss
