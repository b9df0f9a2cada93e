"""The tokens that a text is made of beside words: which a tokenizer must know, and which no user may write.

Tokenizers come with checkpoints, so of strangers; what is wrong with one is said when it is loaded, not when it is
asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gar.errors import CheckpointError
from gar.processing.prompts import prompts_in

__all__ = ["placeholders", "reserved_pattern"]

_TURNS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
"""What `gar.processing.prompts` joins turns with."""


def placeholders(tokenizer: Any, ids: Sequence[int], vocab_size: int) -> list[str]:
    """The tokens that stand for pictures and regions, as they are written.

    Args:
        tokenizer: A transformers tokenizer.
        ids: Those that the configuration names.
        vocab_size: Tokens that the model knows.

    Raises:
        CheckpointError: The tokenizer lacks one, or another that texts need, or has more tokens than the model, or one
            of them is a word or joins turns.
    """
    if max(ids) >= len(tokenizer):
        raise CheckpointError(f"the tokenizer has {len(tokenizer)} tokens; the configuration names {list(ids)}")
    if len(tokenizer) > vocab_size:
        raise CheckpointError(f"the tokenizer has {len(tokenizer)} tokens; the model knows {vocab_size}")
    for role in ("bos_token", "eos_token", "pad_token"):
        if getattr(tokenizer, role) is None:
            raise CheckpointError(f"the tokenizer has no {role}")
    for token in _TURNS:
        if tokenizer(token, add_special_tokens=False)["input_ids"] != [tokenizer.convert_tokens_to_ids(token)]:
            raise CheckpointError(f"the tokenizer has no token {token!r}")
    tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(ids)]
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    taken = {*_TURNS, tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    for token in tokens:
        if token not in added - taken or prompts_in(token):
            raise CheckpointError(f"the configuration names {token!r} to stand for pictures or regions; it is a word")
    return tokens


def reserved_pattern(tokenizer: Any, placeholders: Iterable[str]) -> re.Pattern[str]:
    """What finds a token that no user may write: any special one but the names of prompts.

    Args:
        tokenizer: A transformers tokenizer.
        placeholders: The tokens that stand for pictures and regions, special or not.
    """
    special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    reserved = [re.escape(token) for token in {*special, *placeholders, *_TURNS} if not prompts_in(token)]
    return re.compile("|".join(sorted(reserved, key=len, reverse=True)))
