"""Which one of a row, a column or a grid something is: asked of scenes that were staged in rows, in GAR-Bench's words.

Choices:
- Wrong options are near misses, as GAR-Bench's are: the next one, the same number from the other end, the next row.
- A position is counted from either end, and first and second ones are left out at a rate: they are the most frequent.
"""

from __future__ import annotations

from dataclasses import dataclass

from gar.graspworld.balance import asked
from gar.graspworld.facts import Facts
from gar.graspworld.turn import prompt_name
from gar.graspworld.wording import POSITION_QUESTIONS, ROW_FORMS

__all__ = ["ORDINALS", "offered_positions"]

ORDINALS = (
    ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th"),
)
_HIGH = 5  # from the sixth on ordinals are counted together where they are balanced
_OTHER_WAY = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_ONWARDS = {"left": "to the right", "right": "to the left", "top": "down", "bottom": "up"}


@dataclass(frozen=True)
class _Spot:
    """One way to say where something is: all numbers count from 0."""

    place: int
    """Which one of its line."""
    end: str
    """The end of the line that it is counted from."""
    line: int = 0
    """Which line: of a grid its row, of two columns its column."""
    side: str = "top"
    """The side that lines are counted from."""


def _spots(form: str, across: int, down: int, column: int, row: int) -> list[_Spot]:
    """All true ways to say a place in a grid."""
    if form == "row":
        return [_Spot(column, "left"), _Spot(across - 1 - column, "right")]
    if form == "column":
        return [_Spot(row, "top"), _Spot(down - 1 - row, "bottom")]
    ends = [("left", column), ("right", across - 1 - column)]
    sides = [("top", row), ("bottom", down - 1 - row)]
    if form == "columns":
        ends, sides = sides, ends
    return [_Spot(place, end, line, side) for end, place in ends for side, line in sides]


def _misses(spot: _Spot, lengths: tuple[int, int]) -> list[_Spot]:
    """Near misses of a way to say a place, in a line of the first length and as many lines as the second."""
    found = [
        _Spot(spot.place + step, end, spot.line, spot.side)
        for step in (-1, 0, 1)
        for end in (spot.end, _OTHER_WAY[spot.end])
    ]
    found += [_Spot(spot.place, spot.end, spot.line + step, spot.side) for step in (-1, 1)]
    return [each for each in found if 0 <= each.place < lengths[0] and 0 <= each.line < lengths[1]]


def _form_of(facts: Facts, across: int, down: int) -> str:
    if down == 1:
        return "row"
    if across == 1:
        return "column"
    return "columns" if down > across and facts.flip(0.6) else "rows"


def offered_positions(facts: Facts, count: int) -> tuple[int, str, str, list[str]] | None:
    """Draws a prompt of a scene in rows and words where it is: number, question, what is right, `count` near misses.

    None where the scene has too few places to be wrong.
    """
    rows = facts.scene.rows
    number = facts.pick(facts.numbers)
    row, column = next(
        (row, keys.index(facts.prompts[number])) for row, keys in enumerate(rows) if facts.prompts[number] in keys
    )
    across, down = len(rows[0]), len(rows)
    form = _form_of(facts, across, down)
    lengths = (across, down if form == "rows" else 1)
    if form in ("column", "columns"):
        lengths = (down, across if form == "columns" else 1)
    words, ordinals = facts.pick(ROW_FORMS[form]), facts.pick(ORDINALS)
    true = [spot for spot in _spots(form, across, down, column, row) if _can_say(words, spot)]
    right = facts.pick(true)
    if not facts.flip(asked("position", ORDINALS[0][min(right.place, _HIGH)])):
        return None
    wrong = [spot for spot in dict.fromkeys(_misses(right, lengths)) if spot not in true and _can_say(words, spot)]
    said = [_say(words, ordinals, spot, lengths[1]) for spot in (right, *facts.some(wrong, count))]
    if len(said) <= count:
        return None
    question = facts.pick(POSITION_QUESTIONS).format(p=prompt_name(number))
    return number, question, said[0], said[1:]


def _can_say(words: str, spot: _Spot) -> bool:
    """What names no end counts from the left, what numbers lines and names no side counts them from the top."""
    return ("{end}" in words or spot.end == "left") and (
        "{nth}" not in words or "{side}" in words or spot.side == "top"
    )


def _say(words: str, ordinals: tuple[str, ...], spot: _Spot, lines: int) -> str:
    line = "column" if spot.side in ("left", "right") else "row"
    named = {0: spot.side, lines - 1: _OTHER_WAY[spot.side]}.get(spot.line, "middle" if lines == 3 else "")
    nth = ordinals[spot.line]
    text = words.format(
        n=ordinals[spot.place],
        end=spot.end,
        on=_ONWARDS[spot.end],
        nth=nth,
        side=spot.side,
        along=_ONWARDS[spot.side],
        line=f"{named} {line}" if named else f"{nth} {line} from the {spot.side}",
    )
    return text[0].upper() + text[1:]
