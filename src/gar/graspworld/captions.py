"""What is said about one object, and reading it back out of a sentence.

Choices:
- A caption names size, color, pattern, shape, and the place where it has one; that part is hidden only where
  at least a tenth is. It names no other object except as `<PromptK>`, since a reader sees no other names.
- A pattern is said by its word ("striped") or by what it is made of ("with white stripes").
- `read_caption` reads the words of the described object only: it stops at a relation to another prompt.
"""

from __future__ import annotations

import re

import numpy as np

from gar.graspworld.scene import WorldObject
from gar.graspworld.vocabulary import ATTRIBUTES, COLORS, RELATIONS, place_phrase

__all__ = ["attribute_words", "noun_phrase", "read_caption", "read_relation", "with_article", "write_caption"]

_HIDDEN = 0.1
_MADE_OF = {"striped": "stripes", "dotted": "dots", "checkered": "checks"}

_SENTENCES = (
    "{np} {at} of the picture.",
    "{np} {at}.",
    "{at} of the picture, there is {np}.",
    "this is {np} {at}.",
    "the region shows {np} {at} of the picture.",
    "{short} {at}. It is {color} and {pattern}.",
    "{color_shape}, {pattern} and {size}, {at} of the picture.",
)
_SENTENCES_WITHOUT_PLACE = (
    "{np}.",
    "this is {np}.",
    "the region shows {np}.",
    "{short}. It is {color} and {pattern}.",
    "{color_shape}, {pattern} and {size}.",
)

_OTHER_WORDS = {
    "grey": "gray",
    "big": "large",
    "tiny": "small",
    "medium-sized": "medium",
    "solid": "plain",
    "spotted": "dotted",
    "checked": "checkered",
    **{made_of: pattern for pattern, made_of in _MADE_OF.items()},
    "middle": "center",
    "top middle": "top center",
    "bottom middle": "bottom center",
}
_RELATION = re.compile("(" + "|".join(RELATIONS) + r") (?:the )?<Prompt\d>")
_SECOND_COLOR = re.compile(rf"\b(?:{'|'.join(COLORS)}) ({'|'.join(_MADE_OF.values())})\b")


def attribute_words(item: WorldObject) -> dict[str, str]:
    """Returns the words that are true of an object: size, color, pattern, shape, and place if it has one."""
    words = {name: getattr(item, name) for name in ATTRIBUTES}
    return {name: word for name, word in words.items() if word is not None}


def with_article(words: str) -> str:
    """Puts "a" or "an" before a noun phrase of this world."""
    return f"{'an' if words.startswith(('arrow', 'orange', 'object')) else 'a'} {words}"


def _size_word(size: str) -> str:
    return "medium-sized" if size == "medium" else size


def noun_phrase(item: WorldObject, rng: np.random.Generator) -> str:
    """Names an object with all that does not depend on its place: "a large red star with white stripes"."""
    size, color, pattern, shape = _size_word(item.size), item.color, item.pattern, item.shape
    wording = rng.integers(3)
    if wording == 0:
        return with_article(f"{size} {color} {pattern} {shape}")
    if wording == 1 or item.second_color is None:
        return with_article(f"{size} {pattern} {color} {shape}")
    return with_article(f"{size} {color} {shape} with {item.second_color} {_MADE_OF[pattern]}")


def write_caption(item: WorldObject, rng: np.random.Generator) -> str:
    """Describes an object in one to three sentences, in varied order and words."""
    templates = _SENTENCES if item.place else _SENTENCES_WITHOUT_PLACE
    text = templates[rng.integers(len(templates))].format(
        np=noun_phrase(item, rng),
        at=place_phrase(item.place) if item.place else "",
        short=with_article(f"{_size_word(item.size)} {item.shape}"),
        color_shape=with_article(f"{item.color} {item.shape}"),
        color=item.color,
        pattern=item.pattern,
        size=_size_word(item.size),
    )
    text = text[0].upper() + text[1:]
    return f"{text} Part of it is hidden." if item.hidden >= _HIDDEN else text


def _first_of(words: tuple[str, ...], text: str) -> str | None:
    """Returns the word that comes first in a text, in its canonical form; of two at one spot the longer."""
    forms = {word: word for word in words}
    forms |= {other: word for other, word in _OTHER_WORDS.items() if word in words}
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    found = re.search(rf"\b(?:{pattern})\b", text)
    return forms[found.group()] if found else None


def read_caption(text: str) -> dict[str, str]:
    """Reads which words a caption uses of the object that it describes.

    Args:
        text: A caption, by this world or by a model.

    Returns:
        The first size, color, pattern, shape and place word, as in `ATTRIBUTES`; those that are missing are
        left out. Words after a relation to another prompt are not read.

    Example:
        >>> read_caption("A big red star with white stripes. It is above <Prompt1>, a small circle.")
        {'size': 'large', 'color': 'red', 'pattern': 'striped', 'shape': 'star'}
    """
    text = text.lower().replace("<prompt", "<Prompt")
    relation = _RELATION.search(text)
    own = text[: relation.start()] if relation else text
    own = _SECOND_COLOR.sub(r"\1", own)
    own = re.sub(r"\b(top|bottom|middle)-(left|center|right)\b", r"\1 \2", own)
    words = {name: _first_of(vocabulary, own) for name, vocabulary in ATTRIBUTES.items()}
    return {name: word for name, word in words.items() if word is not None}


def read_relation(text: str) -> str | None:
    """Reads the first relation to a prompt that a text claims: one of `RELATIONS`, or None.

    >>> read_relation("<Prompt0> is to the left of <Prompt1>.")
    'to the left of'
    """
    found = _RELATION.search(text)
    return found.group(1) if found else None
