"""What a surface looks like, and what things usually are: multiple choice beyond the words of shapes.

Choices:
- A texture is said of what is painted as a material: fabric is woven, wood has a grain. Plastic, metal and glass are
  all smooth, and none of their words is wrong for another.
- What has no color of its own still comes near to one: a wall that is nearly white is white rather than brown, blue or
  black. The other words are plainly wrong.
- What things usually are (`usual.py`) is asked in the words in which a shape's material and outline are asked.
"""

from __future__ import annotations

from gar.graspworld.asking_choices import offer, pick_colorless
from gar.graspworld.balance import asked, proportions
from gar.graspworld.color_names import fitting_shares
from gar.graspworld.facts import Facts
from gar.graspworld.turn import Turn, prompt_name
from gar.graspworld.usual import USUAL, wrong_usual
from gar.graspworld.vocabulary import COLORS
from gar.graspworld.wording import QUESTIONS_ON

__all__ = ["TEXTURES", "ask_usual", "choose_near_color", "choose_texture", "choose_usual"]

_OPTIONS = 4
_NEAR = 0.7
"""Least share of something for which a color word might do that it comes near to."""
_FAR = 0.07
"""Most for which a wrong one might do."""

TEXTURES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("plastic", "metal", "glass"): ("smooth", "glossy", "smooth and shiny"),
    ("wood",): ("grainy", "wood grain"),
    ("fabric",): ("woven", "cloth-like"),
    ("fur",): ("furry", "shaggy", "plush"),
}
"""Materials and the words for what they look like, each wrong for the other groups."""
_PATTERNS = ("striped", "dotted", "checkered")
"""Also wrong for what is plain."""

_ASKED = {"material": ("material", "material"), "form": ("shape", "outline"), "texture": ("texture", "texture")}
"""In which attribute's questions a usual one is asked, and in which forms of options it is said."""


def choose_texture(facts: Facts) -> Turn | None:
    """Offers four words for the surface of something plain."""
    able = [n for n, item in facts.items.items() if item.material is not None and item.pattern == "plain"]
    if not able:
        return None
    number = facts.pick(able)
    own = next(group for group in TEXTURES if facts.items[number].material in group)
    others = [facts.pick(words) for group, words in TEXTURES.items() if group != own] + [facts.pick(_PATTERNS)]
    words = [facts.pick(TEXTURES[own]), *facts.some(others, _OPTIONS - 1)]
    return offer(facts, "choice-texture", number, words, asked="texture", forms="texture")


def choose_near_color(facts: Facts) -> Turn | None:
    """Offers four colors for what has none of its own, one of which it comes near to."""
    number = pick_colorless(facts)
    if number is None:
        return None
    item = facts.items[number]
    x1, y1, x2, y2 = item.box
    fitting = fitting_shares(facts.scene.image[y1:y2, x1:x2], item.mask[y1:y2, x1:x2])
    near = [word for word in COLORS if fitting[word] >= _NEAR]
    far = [word for word in COLORS if fitting[word] <= _FAR]
    table = facts.table("near color")
    if not near or len(far) < _OPTIONS - 1:
        return None
    own = facts.pick(near)
    if not facts.flip(asked(table, own)):
        return None
    words = [own, *facts.some_of(far, proportions(table), _OPTIONS - 1)]
    return offer(facts, "choice-near-color", number, words, asked="color", forms="color")


def _pick_usual(facts: Facts, attribute: str) -> tuple[int, str] | None:
    """Draws a prompt whose noun has a usual word, and that; frequent words are left out at their rate."""
    usual = USUAL[attribute]
    known = {number: usual[item.noun] for number, item in facts.items.items() if item.noun in usual}
    if not known:
        return None
    own = facts.pick(sorted(set(known.values())))
    number = facts.pick([number for number, word in known.items() if word == own])
    return (number, own) if facts.flip(asked(f"usual {attribute}", own)) else None


def choose_usual(facts: Facts, attribute: str) -> Turn | None:
    """Offers four words for what a thing usually is: its material, form or texture."""
    drawn = _pick_usual(facts, attribute)
    if drawn is None:
        return None
    number, own = drawn
    questions, forms = _ASKED[attribute]
    wrong = facts.some_of(wrong_usual(attribute, own), proportions(f"usual {attribute}"), _OPTIONS - 1)
    return offer(facts, f"choice-usual-{attribute}", number, [own, *wrong], asked=questions, forms=forms)


def ask_usual(facts: Facts, attribute: str) -> Turn | None:
    """Asks what a thing usually is."""
    drawn = _pick_usual(facts, attribute)
    if drawn is None:
        return None
    number, own = drawn
    question = facts.pick(QUESTIONS_ON[_ASKED[attribute][0]]).format(p=prompt_name(number))
    return Turn(f"usual-{attribute}", (number,), question, own, chance=1 / len(set(USUAL[attribute].values())))
