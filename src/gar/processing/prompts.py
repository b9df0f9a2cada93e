"""The text that GAR reads: how regions are listed, how a question is asked, how turns are joined.

Pure functions from strings to strings. Two placeholders are left for the processor to expand: one image token
(to the image tokens of all tiles) and one crop token a region (to its replay tokens). The wording and every
blank and line break are those of the published evaluation and training code; in particular:

* several regions: "…: <Prompt0>; <Prompt1>; " with a blank before the line break, an empty line before the question;
* one region: "…: <Prompt1>;" without that blank, no line break between the crop tokens and the question, and
  prompt number 1 by default;
* captions of several regions in turns (training): the first turn lists all, each later turn names its region.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gar.errors import PromptError

__all__ = [
    "DESCRIBE",
    "SINGLE_PROMPT",
    "SYSTEM_PROMPT",
    "Message",
    "caption_turns",
    "check_question",
    "check_text",
    "follow_up",
    "multiple_choice",
    "one_of_several",
    "one_region",
    "prompt_name",
    "prompts_in",
    "render_chat",
    "several_regions",
]

SYSTEM_PROMPT = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
"""The system sentence of the published chat template."""

DESCRIBE = "Describe this masked region in detail."
"""The published question for one region."""

SINGLE_PROMPT = 1
"""The prompt number that the published single-region code gives to its only region."""

_INTRODUCTION = "There are some objects I am curious about: "
_PROMPT = re.compile(r"<Prompt([0-9]{1,9})>")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CropTokens = Mapping[int, str] | Sequence[str]
"""The crop token's text for each prompt number."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    """Who speaks."""
    text: str
    """What is said, with crop placeholders; the image placeholder is added by `render_chat`."""


def prompt_name(number: int) -> str:
    """The name by which a question speaks of region `number`: `<Prompt0>`, `<Prompt1>` and so on."""
    return f"<Prompt{number}>"


def prompts_in(text: str) -> list[int]:
    """The prompt numbers that a text names, each once, in rising order.

    Example:
        >>> prompts_in("Is <Prompt2> left of <Prompt0>? And <Prompt2>?")
        [0, 2]
    """
    return sorted({int(number) for number in _PROMPT.findall(text)})


def check_text(text: str, what: str) -> str:
    """The text, if it can be written as UTF-8.

    Raises:
        PromptError: It holds half of a surrogate pair, as broken JSON has.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(f"{what} is no valid text: {error.reason} at character {error.start}") from error
    return text


def check_question(question: str, prompts: Iterable[int], reserved: Callable[[str], str | None]) -> str:
    """Checks that a question can be asked about the given regions.

    Args:
        question: The user's text.
        prompts: The prompt numbers of the regions that were given.
        reserved: Returns the first of the tokenizer's reserved tokens found in a text, else None.

    Returns:
        The question without outer white space.

    Raises:
        PromptError: The question is no string, is empty, names a region that was not given, or holds a reserved token.
    """
    if not isinstance(question, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PromptError(f"the question is {question!r:.100}; needed is a string")
    text = check_text(question.strip(), "the question")
    if not text:
        raise PromptError("the question is empty")
    given = sorted(set(prompts))
    for number in prompts_in(text):
        if number not in given:
            names = ", ".join(map(prompt_name, given)) or "none"
            raise PromptError(f"the question names {prompt_name(number)}; regions given: {names}")
    token = reserved(text)
    if token is not None:
        raise PromptError(f"the question holds the reserved token {token!r}")
    return text


def several_regions(question: str, prompts: Sequence[int], crop_tokens: CropTokens) -> str:
    r"""The published wording for several regions and a question.

    Example:
        >>> print(several_regions("Is <Prompt0> red?", [0, 1], ["(0)", "(1)"]).replace("; \n", "; ↵\n"))
        There are some objects I am curious about: <Prompt0>; <Prompt1>; ↵
        <Prompt0>: (0)
        <Prompt1>: (1)
        <BLANKLINE>
        Is <Prompt0> red?
    """
    listed = "".join(f"{prompt_name(n)}; " for n in prompts)
    crops = "".join(f"{prompt_name(n)}: {crop_tokens[n]}\n" for n in prompts)
    return f"{_INTRODUCTION}{listed}\n{crops}\n{question}"


def one_region(question: str, prompt: int, crop_tokens: CropTokens) -> str:
    r"""The published wording for one region described alone.

    Example:
        >>> one_region("Describe it.", 1, {1: "(1)"})
        'There are some objects I am curious about: <Prompt1>;\n<Prompt1>: (1)Describe it.'
    """
    name = prompt_name(prompt)
    return f"{_INTRODUCTION}{name};\n{name}: {crop_tokens[prompt]}{question}"


def one_of_several(question: str, prompt: int, prompts: Sequence[int], crop_tokens: CropTokens) -> str:
    r"""The published training wording for several regions, one of which is asked about: the first turn of several.

    Up to the name before the crop token it is the same text whichever region is asked about.

    Example:
        >>> one_of_several("Describe it.", 1, [0, 1], {1: "(1)"})
        'There are some objects I am curious about: <Prompt0>; <Prompt1>; \n<Prompt1>: (1)Describe it.'
    """
    listed = "".join(f"{prompt_name(n)}; " for n in prompts)
    return f"{_INTRODUCTION}{listed}\n{prompt_name(prompt)}: {crop_tokens[prompt]}{question}"


def caption_turns(captions: Mapping[int, str], crop_tokens: CropTokens, question: str = DESCRIBE) -> list[Message]:
    """The published training conversation that captions several regions one turn each.

    Args:
        captions: Caption for each prompt number, in the order in which they are asked.
        crop_tokens: Crop token for each prompt number.
        question: What each turn asks.

    Returns:
        Two messages a region.
    """
    messages: list[Message] = []
    for turn, (number, caption) in enumerate(captions.items()):
        later = f"{prompt_name(number)}: {crop_tokens[number]}{question}"
        asked = later if turn else one_of_several(question, number, [*captions], crop_tokens)
        messages += [Message("user", asked), Message("assistant", caption)]
    return messages


def multiple_choice(question: str, choices: Sequence[str]) -> str:
    r"""GAR-Bench's wording of a multiple-choice question.

    Example:
        >>> print(multiple_choice("What color is <Prompt0>?", ["red", "blue"]))
        Question: What color is <Prompt0>?
        Options:
        A. red
        B. blue
        Answer with the correct option's letter directly.

    Raises:
        PromptError: Fewer than 2 or more than 26 choices.
    """
    if not 2 <= len(choices) <= len(_LETTERS):
        raise PromptError(f"{len(choices)} choices given; allowed: 2 to {len(_LETTERS)}")
    options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(_LETTERS, choices, strict=False))
    return f"Question: {question}\nOptions:\n{options}\nAnswer with the correct option's letter directly."


_ANSWER_HEADER = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def _turn(role: str, text: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"


def follow_up(question: str) -> str:
    r"""What follows on the end of an answer when another question is asked, as `render_chat` would join it.

    Example:
        >>> follow_up("Why?").replace("<|", "<").replace("|>", ">")
        '<start_header_id>user<end_header_id>\n\nWhy?<eot_id><start_header_id>assistant<end_header_id>\n\n'
    """
    return _turn("user", question.strip()) + _ANSWER_HEADER


def render_chat(
    messages: Sequence[Message],
    *,
    system_prompt: str = SYSTEM_PROMPT,
    image_token: str = "<|image|>",
    answer_prefix: str = "",
    add_generation_prompt: bool = True,
) -> str:
    """Joins turns into the text that the tokenizer reads.

    The image placeholder stands first in the first user turn. Outer white space of each text is stripped.

    Args:
        messages: The turns, a user's first.
        system_prompt: The system sentence; empty leaves the system turn out.
        image_token: The image placeholder.
        answer_prefix: What comes before each answer.
        add_generation_prompt: Whether the header of the answer to come is added.
    """
    parts = ["<|begin_of_text|>"]
    if system_prompt:
        parts.append(_turn("system", system_prompt))
    for turn, message in enumerate(messages):
        before = image_token if turn == 0 else answer_prefix if message.role == "assistant" else ""
        parts.append(_turn(message.role, before + message.text.strip()))
    if add_generation_prompt:
        parts.append(_ANSWER_HEADER)
    return "".join(parts)
