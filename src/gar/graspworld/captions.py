"""What is said about one object: words that are true of it, and sentences that a person would write.

Choices:
- A caption names what the object has of size, color, pattern and material, its noun, its place, and at most one
  relation, which comes last. A word that the object does not have (`None`) is not said.
- Near the border of two cells the place is the one that the middle of the object lies in: it is true, although no
  question asks for it. Were it left out there, a small model would leave it out wherever it is unsure, which was the
  case for 12 % of those that have a place.
- For the same reason a caption says the color of what is less clearly of one color than what questions ask about
  (`main_color`).
- A region that is described alone may be related to the object nearest to it, by a name that fits nothing else in the
  picture and only if that is large, since what is not prompted is hard to recognise; or to the mirror or picture that
  it is seen in.
- A pattern is said by its word ("striped") or by what it is made of ("with white stripes"), a material by its
  adjective or as "made of wood".
"""

from __future__ import annotations

import numpy as np

from gar.graspworld.naming import category_of, differ_clearly, is_plural, is_uncounted, with_article
from gar.graspworld.plans import pick
from gar.graspworld.relations import relation
from gar.graspworld.scene import Scene, WorldObject
from gar.graspworld.vocabulary import place_phrase

__all__ = ["HIDDEN", "MADE_OF", "MATERIAL_ADJECTIVES", "attribute_words", "noun_phrase", "write_caption"]

HIDDEN = 0.1
"""Least share of an object that is hidden where a caption says so."""
MADE_OF = {"striped": "stripes", "dotted": "dots", "checkered": "checks"}
MATERIAL_ADJECTIVES = {"wood": "wooden", "fur": "furry"}
"""Where the adjective of a material is another word."""

_RELATED = 0.65  # how often a caption names a relation, if it can: a model that is unsure of it then names none
_TEMPLATES = (
    "{np} {at} of the picture.",
    "{np} {at}.",
    "{at} of the picture, there {be} {np}.",
    "{at} of the picture {be} {np}.",
    "this {be} {np} {at}.",
    "the region shows {np} {at} of the picture.",
    "{np} {be} visible {at} of the picture.",
    "{np}, which {be} {at} of the picture.",
    "{short} {at}.{more}",
    "{short}, located {at} of the picture.{more}",
)


def attribute_words(item: WorldObject) -> dict[str, str]:
    """Returns the words that are true of an object: noun, size, color, pattern, material, shape and place it has."""
    names = ("noun", "size", "color", "pattern", "material", "shape", "place")
    words = {name: getattr(item, name) for name in names}
    return {name: word for name, word in words.items() if word is not None}


def _size_word(size: str | None) -> str | None:
    return "medium-sized" if size == "medium" else size


def noun_phrase(item: WorldObject, rng: np.random.Generator) -> str:
    """Names an object with all that does not depend on its place: "a large red wooden star with white stripes"."""
    size = None if is_uncounted(item.noun) else _size_word(item.size)
    color, pattern, material = item.main_color, item.pattern, item.material
    adjective = MATERIAL_ADJECTIVES.get(material, material) if material else None
    tail = ""
    if pattern is not None and item.second_color is not None and rng.random() < 0.5:
        tail, pattern = f" with {item.second_color} {MADE_OF[pattern]}", None
    elif material is not None and rng.random() < 0.3:
        tail, adjective = f" made of {material}", None
    middle = (pattern, color) if rng.random() < 0.5 else (color, pattern)
    return with_article(item.noun, size, *middle, adjective) + tail


def _it_is(item: WorldObject) -> str:
    """Begins a further sentence about something: nobody is called "it"."""
    if is_plural(item.noun):
        return "They are"
    name = _spoken_of(item)
    return f"{name[0].upper()}{name[1:]} is"


def _spoken_of(item: WorldObject) -> str:
    """What stands for something in a further sentence: "them", "it", or who it is."""
    if is_plural(item.noun) or category_of(item.noun) != "person":
        return "them" if is_plural(item.noun) else "it"
    return item.noun if is_uncounted(item.noun) else f"the {item.noun}"


def _more(item: WorldObject) -> str:
    """Says in a sentence of its own what a short phrase leaves out."""
    left = [word for word in (item.main_color, item.pattern) if word]
    if is_uncounted(item.noun) and item.size:
        left.insert(0, _size_word(item.size) or "")
    if item.material:
        left.append(f"made of {item.material}")
    if not left:
        return ""
    listed = left[0] if len(left) == 1 else f"{', '.join(left[:-1])} and {left[-1]}"
    return f" {_it_is(item)} {listed}."


def _short_name(scene: Scene, index: int) -> str | None:
    """Names an object by its noun, or its color and noun, so that nothing else in the scene could be meant."""
    item = scene.objects[index]
    if item.size != "large" or item.reflection_of is not None:
        return None
    rivals = [
        other for n, other in enumerate(scene.objects) if n != index and not differ_clearly(item.noun, other.noun)
    ]
    if not rivals:
        return with_article(item.noun)
    if item.color is None or any(other.color in (None, item.color) for other in rivals):
        return None
    return with_article(item.noun, item.color)


def _neighbor(scene: Scene, index: int) -> tuple[str, str] | None:
    """Finds what an object can be related to: (relation, name); what it is in or overlaps first, then the nearest."""
    found: list[tuple[bool, float, str, str]] = []
    for other in range(len(scene.objects)):
        if other == index:
            continue
        word, name = relation(scene, index, other), _short_name(scene, other)
        if word is None or name is None or word == "a reflection of":
            continue
        x, y = (scene.objects[other].centroid[axis] - scene.objects[index].centroid[axis] for axis in (0, 1))
        found.append((word not in ("inside", "in front of", "behind"), x * x + y * y, word, name))
    return min(found)[2:] if found else None


def _say_relation(word: str, name: str, item: WorldObject, rng: np.random.Generator) -> tuple[str, bool]:
    """Words a relation: text, and whether it is a sentence of its own."""
    it_is = _it_is(item)
    if word == "inside" and name.endswith("screen"):
        return pick(rng, ((f", shown on {name}", False), (f" {it_is} shown on {name}.", True)))
    if word == "behind" and item.hidden >= HIDDEN:
        return f" {it_is} partly hidden behind {name}.", True
    return pick(rng, ((f", {word} {name}", False), (f" {it_is} {word} {name}.", True)))


def write_caption(scene: Scene, index: int, rng: np.random.Generator, *, related: bool = True) -> str:
    """Describes an object in one to three sentences, in varied order and words.

    Args:
        scene: A scene.
        index: Index of the object in `scene.objects`.
        rng: Where order and words come from.
        related: Whether a relation to another object, or that it is a reflection, may be named.
    """
    item = scene.objects[index]
    templates = _TEMPLATES
    if is_uncounted(item.noun):
        templates = tuple(template for template in templates if "{more}" in template)
    text = pick(rng, templates).format(
        np=noun_phrase(item, rng),
        at=place_phrase(item.cell),
        be="are" if is_plural(item.noun) else "is",
        short=with_article(item.noun, None if is_uncounted(item.noun) else _size_word(item.size)),
        more=_more(item),
    )
    text = text.replace("this are", "these are")
    text = text[0].upper() + text[1:]
    it_is = _it_is(item)
    if item.reflection_of is not None:
        ways = (f"{it_is} seen in a mirror.", f"{it_is} a reflection in a mirror.")
        ways = ways if item.inside is not None else (f"{it_is} a reflection in the water.",)
        said = pick(rng, ways)
        # by a draw of its own: what is asked after it stays the same
        return f"{text} {said}" if related and rng.spawn(1)[0].random() < _RELATED else text
    neighbor = _neighbor(scene, index) if related and rng.random() < _RELATED else None
    if neighbor is not None:
        said, own_sentence = _say_relation(*neighbor, item, rng)
        if own_sentence:
            return text + said
        if text.count(".") == 1:
            return text[:-1] + said + "."
    if item.hidden < HIDDEN or item.style in ("frame", "ground"):  # what is in a frame or stands there hides nothing
        return text
    return f"{text} Part of {_spoken_of(item)} is hidden."
