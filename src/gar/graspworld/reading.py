"""Reads the words back out of a sentence, by this world or by a model, and judges whether a relation is true.

Choices:
- The words of the described object are those before the first relation to something else.
- The noun is the last one of the first phrase that has any: in "a small orange basketball at the top" neither
  "orange" nor "top" counts. Synonyms and plurals count as the noun of the world.
- The words of the noun itself are not read as attributes: "an orange" has no color.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gar.graspworld.captions import MADE_OF, MATERIAL_ADJECTIVES, attribute_words
from gar.graspworld.naming import differ_clearly, find_nouns
from gar.graspworld.relations import true_relations
from gar.graspworld.scene import Scene
from gar.graspworld.vocabulary import ATTRIBUTES, COLORS, MATERIALS, RELATIONS, SHAPES

__all__ = ["read_caption", "read_relation", "relation_is_true"]

_OTHER_WORDS = {
    "grey": "gray",
    "silver": "gray",
    "big": "large",
    "very small": "tiny",
    "medium-sized": "medium",
    "solid": "plain",
    "spotted": "dotted",
    "checked": "checkered",
    **{made_of: pattern for pattern, made_of in MADE_OF.items()},
    **{adjective: material for material, adjective in MATERIAL_ADJECTIVES.items()},
    "metallic": "metal",
    "middle": "center",
    "top middle": "top center",
    "bottom middle": "bottom center",
}
_FORMS = {
    **{relation: relation for relation in RELATIONS},
    "shown on": "inside",
    "shown in": "inside",
    "under": "below",
    "beneath": "below",
}
_RELATION = re.compile(rf"\b({'|'.join(sorted(_FORMS, key=len, reverse=True))}) (?=<prompt\d>|[a-z])")
_SECOND_COLOR = re.compile(rf"\b(?:{'|'.join(COLORS)}) ({'|'.join(MADE_OF.values())})\b")
_PICTURE = re.compile(r"\b(?:of|in) (?:the|this) (?:picture|image|photo)\b(?! frame)")
_REFLECTED = re.compile(r"\breflect|\bin (?:a|the) (?:mirror|water)\b")
_STOPS = frozenset(
    [
        "with",
        "at",
        "in",
        "on",
        "is",
        "are",
        "and",
        "that",
        "which",
        "there",
        "made",
        "of",
        "to",
        "the",
        "a",
        "an",
        "it",
        "they",
        "can",
        "be",
        "seen",
        "here",
        "this",
        "these",
        ",",
        ".",
        ";",
        ":",
        "!",
        "?",
        "located",
        "shown",
        "reflected",
        "region",
        "shows",
    ]
)


def _first_of(words: tuple[str, ...], text: str) -> str | None:
    """Returns the word that comes first in a text, in its canonical form; of two at one spot the longer."""
    forms = {word: word for word in words}
    forms |= {other: word for other, word in _OTHER_WORDS.items() if word in words}
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    found = re.search(rf"\b(?:{pattern})\b", text)
    return forms[found.group()] if found else None


def _is_adjective(words: list[str], start: int, end: int) -> bool:
    """Says whether a word that could be a noun is a color or a material here: "it is orange", "made of wood"."""
    word = words[start]
    if end - start > 1 or word not in (*COLORS, *MATERIALS):
        return False
    following = words[end] if end < len(words) else "."
    if word in MATERIALS or start == 0 or (following not in _STOPS and following.isalpha()):
        return True
    return words[start - 1] in ("is", "are", "and", "looks", "primarily", ",", "it", ">")


def _take_noun(text: str) -> tuple[str | None, str]:
    """Finds the noun of the first phrase that has any, and returns the text without it."""
    words = re.findall(r"[a-z][a-z'-]*|[^\sa-z]", text.replace("can be", "be"))
    found = [span for span in find_nouns(words) if not _is_adjective(words, span[0], span[1])]
    if not found:
        return None, text
    start, end, noun = found[0]
    for following in found[1:]:
        if any(word in _STOPS for word in words[end : following[0]]):
            break
        start, end, noun = following
    return noun, " ".join([*words[:start], ".", *words[end:]])


def _read(text: str) -> dict[str, str]:
    noun, rest = _take_noun(_PICTURE.sub("", text))
    rest = _SECOND_COLOR.sub(r"\1", rest)
    rest = re.sub(r"\b(top|bottom|middle)-(left|center|right)\b", r"\1 \2", rest)
    words = {name: _first_of(vocabulary, rest) for name, vocabulary in ATTRIBUTES.items() if name != "shape"}
    words["noun"] = noun
    words["shape"] = noun if noun in SHAPES else None
    return {name: word for name, word in words.items() if word is not None}


def read_caption(text: str) -> dict[str, str]:
    """Reads which words a caption uses of the object that it describes.

    Args:
        text: A caption, by this world or by a model.

    Returns:
        The noun, and the first size, color, pattern, material and place word, as in `ATTRIBUTES`; the shape where the
        noun is one. Those that are missing are left out. Words after a relation are not read.

    Example:
        >>> words = read_caption("A big red sofa made of wood. It is above <Prompt1>, a small circle.")
        >>> sorted(words.items())
        [('color', 'red'), ('material', 'wood'), ('noun', 'couch'), ('size', 'large')]
    """
    text = text.lower()
    found = _RELATION.search(text)
    return _read(text[: found.start()] if found else text)


def read_relation(text: str) -> str | None:
    """Reads the first relation that a text claims: one of `RELATIONS`, or None.

    >>> read_relation("<Prompt0> is to the left of <Prompt1>."), read_relation("A tree under an owl.")
    ('to the left of', 'below')
    """
    found = _RELATION.search(text.lower())
    return _FORMS[found.group(1)] if found else None


def relation_is_true(scene: Scene, index: int, text: str, prompts: Mapping[int, int] | None = None) -> bool | None:
    """Judges the relation that a caption claims of an object.

    Args:
        scene: The scene that it describes.
        index: Index of the described object in `scene.objects`.
        text: A caption, by this world or by a model.
        prompts: Prompt number → index of the object, where the text may name prompts.

    Returns:
        Whether the relation is true of the object and of something that the words after it fit; None where
        no relation is claimed. That something is reflected counts as a relation.
    """
    text = text.lower()
    found = _RELATION.search(text)
    if found is None:
        claims = _REFLECTED.search(text)
        return scene.objects[index].reflection_of is not None if claims else None
    relation, rest = _FORMS[found.group(1)], text[found.end() :]
    named = re.match(r"<prompt(\d)>", rest)
    if named:
        other = (prompts or {}).get(int(named.group(1)))
        others = [] if other is None else [other]
    else:
        words = _read(re.split(r"[.;]", rest)[0])
        others = [n for n in range(len(scene.objects)) if n != index and "noun" in words and _fits(scene, n, words)]
    return any(relation in true_relations(scene, index, other) for other in others if other != index)


def _fits(scene: Scene, index: int, words: Mapping[str, str]) -> bool:
    own = attribute_words(scene.objects[index])
    if differ_clearly(words["noun"], own["noun"]) or (words["noun"] != own["noun"] and words["noun"] in SHAPES):
        return False
    return all(own.get(name, word) == word for name, word in words.items() if name in ("color", "pattern", "material"))
