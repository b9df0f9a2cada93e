"""Multiple choice in GAR-Bench's form: an attribute, a relation, which one, a position among all, the mirror.

Choices:
- The right letter is drawn before the options are placed.
- Options are worded alike within a question: a word, a word with a capital and a point, or a sentence.
- Colors are offered also for what is not of one color: the one, the two or the three that cover much of it, among
  such as cover little or nothing.
- Of what is of metal, or things of its noun usually are, gray is often called silver, whether it is right or wrong.
- Relations are said from either side ("<Prompt1> is below <Prompt0>"), and every relation is offered as a wrong
  option as often as any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from gar.graspworld.asking_one import it_is, split_by_reality
from gar.graspworld.asking_rows import ORDINALS, offered_positions
from gar.graspworld.asking_several import ask_for, describe_nothing, steps, verb_for
from gar.graspworld.balance import SHARES, asked, proportions
from gar.graspworld.captions import MATERIAL_ADJECTIVES
from gar.graspworld.color_names import several_holding_most
from gar.graspworld.facts import Facts, in_words
from gar.graspworld.naming import with_article
from gar.graspworld.outlines import OUTLINES
from gar.graspworld.relations import false_relations
from gar.graspworld.turn import Turn, choice_text, listed, prompt_name, say_turned, shuffled_in
from gar.graspworld.usual import USUAL
from gar.graspworld.vocabulary import COLORS, RELATIONS
from gar.graspworld.wording import (
    CHOICE_QUESTIONS,
    IN_MIRROR,
    OPTION_FORMS,
    POSITION_FORMS,
    POSITION_QUESTIONS,
    QUESTIONS_ON,
    RELATION_QUESTIONS,
    WHICH_IN_MIRROR,
)

__all__ = [
    "choose_attribute",
    "choose_colors",
    "choose_mirror",
    "choose_outline",
    "choose_position",
    "choose_relation",
    "choose_which",
    "in_form",
    "make_choice",
    "offer",
    "pick_colorless",
]

_OPTIONS = 4
_ALIKE = ({"circular", "oval", "hexagonal", "ring-shaped"}, {"square", "rectangular", "diamond-shaped"})
"""Words for outlines that are never offered against each other: what is square is rectangular, too."""
_ADJECTIVES = {**MATERIAL_ADJECTIVES, "metal": "metallic"}
_DRAWS = 8  # of wrong relations or colors, until all are false
_MUCH = 0.25  # least share of something that the color covers which most of it has
_LITTLE = 0.2  # most that a wrong color covers, of what the right one does
_SILVER = 0.5  # how often gray is called silver where it may be
_NONE_OFFERED = 0.3  # how often "none of the above" is an option


def make_choice(
    facts: Facts, kind: str, prompts: tuple[int, ...], question: str, right: str, wrong: list[str], reason: str = ""
) -> Turn:
    """Puts options to a question; with a reason the answer says it before the letter."""
    choices, letter = shuffled_in(right, wrong, facts.rng)
    answer = f"{reason}, so {letter}" if reason else letter
    kind += "-reasoned" if reason else ""
    return Turn(kind, prompts, choice_text(question, choices), answer, choices, 1 / len(choices))


def in_form(form: str, attribute: str, word: str) -> str:
    """Says a word in one of `OPTION_FORMS`: "red", "Red.", "It is red."."""
    said = in_words(attribute, word)
    noun = with_article(word) if attribute in ("noun", "shape", "outline") else said
    return form.format(
        w=said,
        W=said[0].upper() + said[1:],
        a=noun,
        A=noun[0].upper() + noun[1:],
        J=_ADJECTIVES.get(word, word).capitalize(),
        It=it_is(attribute, word),
    )


def choose_attribute(facts: Facts, attribute: str, *, reasoned: bool = False) -> Turn | None:
    """Offers four words of an attribute."""
    drawn = facts.pick_attribute(attribute)
    if drawn is None:
        return None
    number, own = drawn
    wrong = facts.wrong_words(own, attribute, _OPTIONS - 1)
    reason = in_words(attribute, own) if reasoned else ""
    return offer(facts, f"choice-{attribute}", number, [own, *wrong], asked=attribute, forms=attribute, reason=reason)


def offer(facts: Facts, kind: str, number: int, words: list[str], *, asked: str, forms: str, reason: str = "") -> Turn:
    """Offers words, the right one first, for an attribute of a prompt, worded in one of the `forms` of options."""
    question = facts.pick((*QUESTIONS_ON[asked], *CHOICE_QUESTIONS[asked])).format(p=prompt_name(number))
    form = facts.pick(OPTION_FORMS[forms])
    if forms in ("color", "colors"):
        words = _shaded(facts, number, words)
    right, *others = (in_form(form, forms, word) for word in words)
    return make_choice(facts, kind, (number,), question, right, others, reason)


def _shaded(facts: Facts, number: int, words: list[str]) -> list[str]:
    """Says "grey" for gray half of the time, and "silver" of metal."""
    rng = facts.rng.spawn(1)[0]  # a draw of its own, which leaves those of other questions alone
    gray = "grey" if rng.random() < 0.5 else "gray"
    item = facts.items[number]
    if "metal" in (item.material, USUAL["material"].get(item.noun)) and rng.random() < _SILVER:
        gray = "silver"
    return [word.replace("gray", gray) for word in words]


def pick_colorless(facts: Facts) -> int | None:
    """Draws a prompt of what has colors, but none of its own."""
    numbers = [number for number, item in facts.items.items() if item.color is None and item.color_shares]
    return facts.pick(numbers) if numbers else None


def choose_colors(facts: Facts) -> Turn | None:
    """Offers four colors, or four groups of two or three, for what has no color of its own."""
    number = pick_colorless(facts)
    if number is None:
        return None
    shares = facts.items[number].color_shares
    several = facts.flip()
    drawn = _several_colors(facts, shares) if several else _most_color(facts, shares)
    if drawn is None:
        return None
    return offer(facts, "choice-colors", number, drawn, asked="color", forms="colors" if several else "color")


def _most_color(facts: Facts, shares: Mapping[str, float]) -> list[str] | None:
    """The color that covers most, and three that cover little."""
    own = max(shares, key=shares.__getitem__)
    little = [word for word in COLORS if shares[word] <= _LITTLE * shares[own]]
    table = facts.table("most color")
    if shares[own] < _MUCH or len(little) < _OPTIONS - 1 or not facts.flip(asked(table, own)):
        return None
    return [own, *facts.some_of(little, proportions(table), _OPTIONS - 1)]


def _several_colors(facts: Facts, shares: Mapping[str, float]) -> list[str] | None:
    """The colors that something has, and three groups as large; of each at least one covers next to nothing of it."""
    own = several_holding_most(shares)
    table = facts.table("several colors")
    if own is None or not facts.flip(min(asked(table, word) for word in own)):
        return None
    groups = [own]
    for _ in range(_DRAWS):
        drawn = facts.some_of(COLORS, proportions(table), len(own))
        new = all({*drawn} != {*group} for group in groups)
        if new and min(shares[word] for word in drawn) <= _LITTLE * shares[own[-1]] and len(groups) < _OPTIONS:
            groups.append(tuple(drawn))
    return [listed(facts.some(group), "and") for group in groups] if len(groups) == _OPTIONS else None


def choose_outline(facts: Facts) -> Turn | None:
    """Offers four words for the outline of something."""
    numbers = [number for number, item in facts.items.items() if item.outline is not None]
    things = [number for number in numbers if facts.items[number].shape is None]  # few have one, so they come first
    if not numbers:
        return None
    number = facts.pick(things or numbers)
    own = facts.items[number].outline or ""
    alike = next((group for group in _ALIKE if own in group), {own})
    wrong = facts.some_of([word for word in OUTLINES if word not in alike], SHARES["outline"], _OPTIONS - 1)
    return offer(facts, "choice-outline", number, [own, *wrong], asked="shape", forms="outline")


def choose_relation(facts: Facts, *, reasoned: bool = False) -> Turn | None:
    """Offers the true relation and three false ones."""
    drawn = facts.pick_relation()
    if drawn is None:
        return None
    a, b, own = drawn
    false = set(false_relations(facts.scene, facts.prompts[a], facts.prompts[b]))
    drawn_wrong = (facts.some([word for word in RELATIONS if word != own], _OPTIONS - 1) for _ in range(_DRAWS))
    wrong = next((words for words in drawn_wrong if false.issuperset(words)), None)
    if wrong is None:
        return None
    names = prompt_name(a), prompt_name(b)

    def say(word: str) -> str:
        turned = say_turned(a, b, word)
        if turned is not None and facts.flip(0.3):
            return turned
        return f"{names[0]} is {word} {names[1]}."

    question = facts.pick(RELATION_QUESTIONS).format(a=names[0], b=names[1])
    right, *others = (say(word) for word in (own, *wrong))
    reason = f"{names[0]} is {own} {names[1]}" if reasoned else ""
    return make_choice(facts, "choice-relation", (a, b), question, right, others, reason)


def choose_which(facts: Facts) -> Turn | None:
    """Offers prompts for a description; sometimes "none of them", which is then right as often as any."""
    none = facts.flip(_NONE_OFFERED)
    drawn = facts.describe_uniquely()
    if drawn is None:
        return None
    number, words = drawn
    others = facts.some([other for other in facts.numbers if other != number], _OPTIONS - (2 if none else 1))
    among = tuple(sorted([number, *others]))
    right, wrong = prompt_name(number), [prompt_name(other) for other in others]
    if none:
        if facts.flip(1 / (len(among) + 1)):
            nothing = describe_nothing(facts)
            if nothing is None:
                return None
            words = nothing
            right, wrong = "None of the above.", [right, *wrong]
        else:
            wrong.append("None of the above.")
    question = ask_for(facts, facts.description(words), among, verb=verb_for(words.get("noun", "")))
    return make_choice(facts, "choice-which", among, question, right, wrong)


def choose_position(facts: Facts) -> Turn | None:
    """Offers positions of an object among all objects of the scene, counted along a line or in rows."""
    if facts.scene.rows:
        drawn = offered_positions(facts, _OPTIONS - 1)
        return None if drawn is None else make_choice(facts, "choice-position", (drawn[0],), *drawn[1:])
    if facts.scene.seed is None:  # not all that a photograph shows is known
        return None
    objects = dict(enumerate(facts.scene.objects))
    if len(objects) < 3 or any(o.inside is not None or o.reflection_of is not None for o in objects.values()):
        return None
    if any(item.style == "frame" for item in objects.values()):
        return None
    number = facts.pick(facts.numbers)
    index = facts.prompts[number]
    grid = _rows(facts)
    style = facts.rng.spawn(1)[0]  # a draw of its own, which leaves those of other questions alone
    ordinals = ORDINALS[int(style.integers(len(ORDINALS)))]
    forms = POSITION_FORMS["line" if grid is None else "rows"]
    form = forms[int(style.integers(len(forms)))]
    if grid is not None:
        up = bool(style.integers(2))
        said = {
            key: _in_row(form, ordinals, place, len(grid[row]), row=row, rows=len(grid), up=up)
            for key, row, place in _cells(grid)
        }
    else:
        axis = int(facts.flip())
        order = steps(facts, axis, objects)
        if not all(clear for _, clear in order):
            return None
        said = {key: _in_line(form, ordinals, place, len(order), axis) for place, (key, _) in enumerate(order)}
    right = facts.pick(said[index])
    wrong = facts.some([facts.pick(words) for key, words in said.items() if key != index], _OPTIONS - 1)
    if len(wrong) < _OPTIONS - 1:
        wrong += [word for key, words in said.items() if key != index for word in words if word not in wrong]
    question = facts.pick(POSITION_QUESTIONS).format(p=prompt_name(number))
    point = facts.pick(("", "."))
    right, *others = (word[0].upper() + word[1:] + point for word in (right, *wrong[: _OPTIONS - 1]))
    return make_choice(facts, "choice-position", (number,), question, right, others)


def _in_line(form: str, ordinals: tuple[str, ...], place: int, count: int, axis: int, **row: str) -> tuple[str, str]:
    """Words the place of one among `count` along an axis: from the one end and from the other."""
    first, last = (("left", "right"), ("top", "bottom"))[axis]
    on, back = (("to the right", "to the left"), ("down", "up"))[axis]
    return (
        form.format(n=ordinals[place], end=first, on=on, **row),
        form.format(n=ordinals[count - 1 - place], end=last, on=back, **row),
    )


def _in_row(
    form: str, ordinals: tuple[str, ...], place: int, count: int, *, row: int, rows: int, up: bool
) -> tuple[str, str]:
    """Words the place of one among `count` in a row, and which row that is; `up` counts rows from the bottom."""
    line = {0: "top", rows - 1: "bottom"}.get(row, "middle")
    counted, side = (ordinals[rows - 1 - row], "bottom") if up else (ordinals[row], "top")
    return _in_line(form, ordinals, place, count, 0, row=line, nth=ordinals[row], counted=counted, side=side)


def _rows(facts: Facts) -> list[list[int]] | None:
    """Finds two or three rows of two or more objects each: indices from left to right; None if there are none."""
    height, width = facts.scene.image.shape[:2]
    objects = facts.scene.objects
    rows: list[list[int]] = []
    for index in sorted(range(len(objects)), key=lambda index: objects[index].centroid[1]):
        y = objects[index].centroid[1]
        if rows and y - objects[rows[-1][0]].centroid[1] < 0.1 * height:
            rows[-1].append(index)
        elif rows and y - objects[rows[-1][0]].centroid[1] < 0.2 * height:
            return None
        else:
            rows.append([index])
    if not 2 <= len(rows) <= 3 or any(len(row) < 2 for row in rows):
        return None
    for row in rows:
        row.sort(key=lambda index: objects[index].centroid[0])
        places = [objects[index].centroid[0] for index in row]
        if any(b - a < 0.08 * width for a, b in itertools.pairwise(places)):
            return None
    return rows


def _cells(grid: list[list[int]]) -> list[tuple[int, int, int]]:
    return [(key, row, place) for row, keys in enumerate(grid) for place, key in enumerate(keys)]


def choose_mirror(facts: Facts) -> Turn | None:
    """Asks what is in the mirror, in the three forms of GAR-Bench."""
    things, images = split_by_reality(facts, in_mirror=True)
    if not facts.scene.has_mirror or not things:
        return None
    form = facts.pick(("one", "two", "which", "which"))
    if form == "one" and images:
        true = facts.flip()
        number = facts.pick(images if true else things)
        question = facts.pick(IN_MIRROR).format(p=prompt_name(number))
        right, wrong = ("Yes", "No") if true else ("No", "Yes")
        return make_choice(facts, "choice-mirror", (number,), question, right, [wrong])
    if form == "two":
        return _choose_mirrored_pair(facts, things, images)
    among = facts.some(things, 3)
    none = len(among) == 3 or facts.flip() or not images
    if images and not (none and facts.flip(1 / (len(among) + 1))):
        among = [facts.pick(images), *among[: _OPTIONS - 1 - none]]
        right, wrong = prompt_name(among[0]), [prompt_name(n) for n in among[1:]]
        wrong += ["None of the above are in the mirror"] if none else []
    else:
        among = among[: _OPTIONS - 1]
        right, wrong = "None of the above are in the mirror", [prompt_name(n) for n in among]
    if len(among) < 2:
        return None
    question = facts.pick(WHICH_IN_MIRROR).format(l=listed([prompt_name(n) for n in sorted(among)], "and"))
    return make_choice(facts, "choice-mirror", tuple(sorted(among)), question, right, wrong)


def _choose_mirrored_pair(facts: Facts, things: list[int], images: list[int]) -> Turn | None:
    able = [(len(images) > 1, 2), (bool(images), 1), (len(things) > 1, 0)]
    count = facts.pick([count for possible, count in able if possible] or [-1])
    if count < 0:
        return None
    pair = facts.some([*facts.some(images, count), *facts.some(things, 2 - count)])
    if len(pair) < 2:
        return None
    a, b = sorted(pair)
    options = {
        (True, True): f"{prompt_name(a)} and {prompt_name(b)} are both in the mirror",
        (True, False): f"Only {prompt_name(a)} is in the mirror",
        (False, True): f"Only {prompt_name(b)} is in the mirror",
        (False, False): f"Neither {prompt_name(a)} nor {prompt_name(b)} is in the mirror",
    }
    right = options.pop((a in images, b in images))
    ways = ("Are {a} and {b} located within the mirror?", "Is it true that {a} and {b} are in the mirror?")
    question = facts.pick(ways).format(a=prompt_name(a), b=prompt_name(b))
    return make_choice(facts, "choice-mirror", (a, b), question, right, list(options.values()))
