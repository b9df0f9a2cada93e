"""Which option a judge's reply means: DLC-Bench's seven rules, in their order.

In the published verdicts the first rule decides all but one of 992 replies; the others are for judges that talk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gar.benchmarks.items import LETTERS

__all__ = ["match_option"]


def match_option(reply: str, options: Sequence[str]) -> int | None:
    """The index of the option that a reply means, or None.

    1. the reply is an option, `x. option`, or the letter alone (white space around and case do not count);
    2. else exactly one option stands in the reply;
    3. else the reply begins with `x.`;
    4. else, of several options in the reply, the one that begins last, the longest of those;
    5. else, of the options that the reply is a part of, the longest;
    6. else a first letter that stands alone or before a line break;
    7. else none.

    Example:
        >>> options = ["The tail is red.", "The tail is not mentioned."]
        >>> [match_option(reply, options) for reply in ("B", "a. the tail is red.", "Sure: The tail is red.", "?")]
        [1, 0, 0, None]
    """
    said = reply.strip().lower()
    texts = [option.strip().lower() for option in options]
    letters = LETTERS[: len(options)].lower()
    for index, (letter, text) in enumerate(zip(letters, texts, strict=True)):
        if said in (text, f"{letter}. {text}", letter):
            return index
    if not said:
        return None
    inside = [index for index, text in enumerate(texts) if text in said]
    if len(inside) == 1:
        return inside[0]
    begins = re.match(r"([a-z])\.", said)
    if begins and begins[1] in letters:
        return letters.index(begins[1])
    if inside:
        return max(inside, key=lambda index: (said.rfind(texts[index]), len(texts[index])))
    around = [index for index, text in enumerate(texts) if said in text]
    if around:
        return max(around, key=lambda index: len(texts[index]))
    alone = re.match(r"([a-z])(?:\s*$|\n)", said)
    return letters.index(alone[1]) if alone and alone[1] in letters else None
