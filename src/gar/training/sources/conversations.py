"""From a record's masks and conversation to a `Sample`: the rules of the published data format.

A conversation comes in one of three forms, told apart as the published loader does (`GraspAnyRegion_Dataset.py` of the
official repository; described in docs/training-data.md):

* **questions**: its text names regions as `<PromptK>`. Mask K of the record is `<PromptK>`; masks that are not named
  are not shown. The numbers stay as they are.
* **captions**: no name in the text. Answer i describes mask i, and the questions of the record are not used. Prompt
  numbers are drawn at random; one number is left free, by which a region that is not there may be asked about
  ("<Prompt2> is not in the image."), before each turn but the first with a chance of 5 %, once at most. With
  `augment` each request asks for a length that suits its caption.
* **no masks**: a conversation about the whole picture.

Where we differ: of more captions than fit, others are drawn in each epoch, where the published loader always takes the
first four. Regions are listed in the order of their numbers, where its order is that of a Python set. A conversation
about the whole picture is asked about a region that covers it, where its regions are not listed at all. What it would
replace by another item (a mask of another size, a missing answer) is an error that names the item.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gar.errors import PromptError
from gar.processing.prompts import DESCRIBE, prompt_name, prompts_in
from gar.training.samples import Sample
from gar.training.sources.files import shown

__all__ = ["Conversation", "length_request", "read_turns", "to_sample"]

_IMAGE = "<image>"
"""Stands for the picture at the beginning of a first question, where it is taken out."""

_RESERVED = re.compile(r"<\|\w+\|>|<NO_Prompt>|<image>")
"""Tokens that would end a turn or stand for a picture or a region, in the special tokens of Llama 3."""

_ABSENT = 0.05
"""Chance of a question about a region that is not there, before each turn but the first (published)."""

_HOW = (
    "Describe this masked region {how}.",
    "Tell me {how} what the mask covers.",
    "What does this masked region show? Answer {how}.",
    "Give a description of the marked area {how}.",
    "Write {how} about what is inside the mask.",
    "Could you describe the masked area {how}?",
    "Say {how} what this region looks like.",
)
"""Ways to ask for a description of a given length."""

_IN_FULL = (
    DESCRIBE,
    "What is in the masked region, down to the details?",
    "Go through everything that the masked area shows.",
    "Give a full account of this masked region.",
    "What can you see inside the mask? Leave nothing out.",
    "Describe the marked region as precisely as you can.",
)
"""Ways to ask for all there is to say."""


@dataclass(frozen=True)
class Conversation:
    """The checked text of a record."""

    turns: tuple[tuple[str, str], ...]
    """Question and answer."""
    form: Literal["questions", "captions", "whole"]
    """How the turns are about the masks, see above."""
    prompts: tuple[int, ...] = ()
    """The numbers that questions and answers name, rising; each is also the index of its mask."""


def read_turns(conversations: Any, masks: int, max_regions: int) -> Conversation:
    """Checks the `conversations` of a record.

    Args:
        conversations: A list of `{"from": "human" or "gpt", "value": text}`, in turns, a human's first.
        masks: How many masks the record has.
        max_regions: How many regions the model can name.

    Raises:
        PromptError: It is not such a list, a text is empty or holds a reserved token, a name has no mask, or there
            are not as many captions as masks.

    Example:
        >>> read_turns([{"from": "human", "value": "What is <Prompt0>?"}, {"from": "gpt", "value": "A cat."}], 1, 5)
        Conversation(turns=(('What is <Prompt0>?', 'A cat.'),), form='questions', prompts=(0,))
    """
    if not isinstance(conversations, list) or not conversations or len(conversations) % 2:
        raise PromptError(
            f"conversations is {shown(conversations)}; it must be a list of questions and answers in turns"
        )
    said: list[str] = []
    for place, message in enumerate(conversations):
        speaker = ("human", "gpt")[place % 2]
        if not isinstance(message, dict) or message.get("from") != speaker or not isinstance(message.get("value"), str):
            raise PromptError(f"message {place} is {shown(message)}; it must be a text from {speaker!r}")
        said.append(message["value"].strip())
    said[0] = said[0].removeprefix(_IMAGE).strip()
    turns = tuple(zip(said[::2], said[1::2], strict=True))
    prompts = _named_prompts(turns, masks, max_regions)
    captions = masks > 0 and not prompts
    for place, text in enumerate(said):
        if place % 2 or not captions:
            _check_text(text, f"message {place}")
    if captions and len(turns) != masks:
        raise PromptError(
            f"{masks} masks and {len(turns)} answers that name no region; needed is an answer for each mask"
        )
    return Conversation(turns, "captions" if captions else "questions" if prompts else "whole", prompts)


def to_sample(
    name: str,
    picture: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    conversation: Conversation,
    rng: np.random.Generator,
    *,
    augment: bool,
    max_regions: int,
    dialogue: bool = True,
) -> Sample:
    """What is learnt from a record.

    Args:
        name: Where it comes from.
        picture: (H, W, 3) RGB.
        masks: (H, W) each.
        conversation: From `read_turns`, for as many masks.
        rng: Where prompt numbers, wordings and regions that are not there come from.
        augment: Whether captions are asked for in varied words and lengths, or always by "Describe this masked
            region in detail."
        max_regions: How many regions the model can name.
        dialogue: Whether a turn sees the turns before it.
    """
    if conversation.form == "captions":
        return _captions(name, picture, masks, conversation, rng, augment, max_regions)
    if conversation.form == "whole":
        masks, prompts = [np.ones(picture.shape[:2], dtype=bool)], (int(rng.integers(max_regions)),)
    else:
        prompts = conversation.prompts
        masks = [masks[number] for number in prompts]
    return Sample(name, tuple(masks), prompts, conversation.turns, "several", dialogue, picture)


def _check_text(text: str, what: str) -> None:
    """Checks that a text has something to say, and no tokens that mean something to the model.

    Raises:
        PromptError: It is empty or holds a reserved token.
    """
    if not text.strip():
        raise PromptError(f"{what} is empty")
    if reserved := _RESERVED.search(text):
        raise PromptError(f"{what} holds the reserved token {reserved.group()!r}")


def _named_prompts(turns: Sequence[tuple[str, str]], masks: int, max_regions: int) -> tuple[int, ...]:
    """The prompt numbers that turns name, rising.

    Raises:
        PromptError: A name has no mask, or the model has no token for it.
    """
    numbers = prompts_in("\n".join(text for turn in turns for text in turn))
    if numbers and numbers[-1] >= masks:
        raise PromptError(f"the text names {prompt_name(numbers[-1])}; there are {masks} masks, numbered from 0")
    if numbers and numbers[-1] >= max_regions:
        raise PromptError(
            f"the text names {prompt_name(numbers[-1])}; the model can name {prompt_name(0)} to "
            f"{prompt_name(max_regions - 1)}"
        )
    return tuple(numbers)


def _captions(
    name: str,
    picture: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    conversation: Conversation,
    rng: np.random.Generator,
    augment: bool,
    max_regions: int,
) -> Sample:
    """Regions described one a turn."""
    most = max(1, max_regions - 1)
    chosen = sorted(rng.permutation(len(masks))[:most].tolist())
    numbers = rng.permutation(max_regions).tolist()
    free = numbers[len(chosen) :]
    turns: list[tuple[str, str]] = []
    for place, index in enumerate(chosen):
        caption = conversation.turns[index][1]
        if place and free and rng.random() < _ABSENT:
            absent = prompt_name(free[0])
            request = length_request(caption, rng) if augment else DESCRIBE
            turns.append((f"{absent}: {request}", f"{absent} is not in the image."))
            free = []
        turns.append((length_request(caption, rng) if augment else DESCRIBE, caption))
    prompts = tuple(numbers[: len(chosen)])
    return Sample(name, tuple(masks[index] for index in chosen), prompts, tuple(turns), "captions", picture=picture)


def length_request(caption: str, rng: np.random.Generator) -> str:
    """A request that the caption fulfils.

    The shares and the rounding are the published ones (after the DAM paper, arXiv 2504.16072); the wordings are ours.
    Three in five ask for detail, one in five for a number of words, one in five for a number of sentences.

    Example:
        >>> length_request("A red cup. It is empty.", np.random.default_rng(5))
        'Describe this masked region in 6 words.'
    """
    kind = rng.random()
    if kind < 0.6:
        return str(rng.choice(_IN_FULL)) if rng.random() < 0.5 else str(rng.choice(_HOW)).format(how="in detail")
    if kind < 0.8:
        count = max(1, len([part for part in re.split(r"[.!?]+(?=\s|$)", caption) if part.strip()]))
        how = (
            str(rng.choice(("in one sentence", "in a sentence", "in 1 sentence")))
            if count == 1
            else f"in {count} sentences"
        )
    else:
        count = max(1, len(caption.split()))
        if count < 10:
            how = "in 1 word" if count == 1 else f"in {count} words"
        elif count > 200:
            how = "in more than 200 words"
        else:
            how = f"in {rng.choice(['about', 'around'])} {round(count / 10) * 10} words"
    return str(rng.choice(_HOW)).format(how=how)
