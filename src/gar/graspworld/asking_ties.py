"""What things have to do with each other: asked of scenes that were staged together.

Choices:
- An open question is answered in the plainest words; options say a tie in any of its ways, from either side.
- Of the wrong options some turn the roles round, as GAR-Bench's do.
- What stands on the same ground is asked about in pairs: both, one of them, or neither.
"""

from __future__ import annotations

from gar.graspworld.asking_choices import make_choice
from gar.graspworld.facts import Facts
from gar.graspworld.ties import TIES, Tie, false_claims, meaning, say_claim, true_claims
from gar.graspworld.turn import Turn, listed, prompt_name
from gar.graspworld.wording import CHAIN_QUESTIONS, TIE_QUESTIONS, TIED_QUESTIONS

__all__ = ["ask_tie", "ask_tied", "choose_chain", "choose_on", "choose_tie"]

_OPTIONS = 4


def _prompted(facts: Facts) -> tuple[dict[int, int], list[Tie]]:
    """Object → prompt number, and the ties of which both objects are prompted."""
    number_of = {index: number for number, index in facts.prompts.items()}
    return number_of, [tie for tie in facts.scene.ties if tie.a in number_of and tie.b in number_of]


def _pick_tie(facts: Facts) -> tuple[Tie, int, int] | None:
    """Draws a tie of two prompted objects and their numbers; each verb that there is as likely as any other."""
    number_of, ties = _prompted(facts)
    if not ties:
        return None
    verb = facts.pick([verb for verb in TIES if any(tie.verb == verb for tie in ties)])
    tie = facts.pick([tie for tie in ties if tie.verb == verb])
    return tie, number_of[tie.a], number_of[tie.b]


def _question(facts: Facts, a: int, b: int) -> str:
    first, second = facts.some((a, b))
    return facts.pick(TIE_QUESTIONS).format(a=prompt_name(first), b=prompt_name(second))


def ask_tie(facts: Facts) -> Turn | None:
    """Asks what two things have to do with each other."""
    drawn = _pick_tie(facts)
    if drawn is None:
        return None
    tie, a, b = drawn
    return Turn("tie", (a, b), _question(facts, a, b), say_claim(a, b, (False, tie.verb)), chance=1 / len(TIES))


def choose_tie(facts: Facts) -> Turn | None:
    """Offers what two things have to do with each other, and three things that they have not."""
    drawn = _pick_tie(facts)
    if drawn is None:
        return None
    tie, a, b = drawn
    true = facts.pick(true_claims(tie))
    right, *wrong = (say_claim(a, b, claim) for claim in (true, *_differing(facts, true, false_claims(tie))))
    return make_choice(facts, "choice-tie", (a, b), _question(facts, a, b), right, wrong)


def _differing(facts: Facts, right: tuple[bool, str], claims: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Draws claims for the wrong options, no two of which mean the same: else both could be crossed out."""
    drawn = {meaning(right): right}
    for claim in facts.some(claims):
        drawn.setdefault(meaning(claim), claim)
    return [*drawn.values()][1:_OPTIONS]


def choose_chain(facts: Facts) -> Turn | None:
    """Offers two ties of three things in one sentence; wrong options say one of them wrong, or exchange the things."""
    number_of, ties = _prompted(facts)
    pairs = [
        (one, two)
        for one in ties
        for two in ties
        if one is not two and (one.b == two.a or one.a == two.a) and len({one.a, one.b, two.a, two.b}) == 3
    ]
    if not pairs:
        return None
    one, two = facts.pick(pairs)
    straight = [[words for turned, words in true_claims(tie) if not turned] for tie in (one, two)]
    wrong_words = [[words for turned, words in false_claims(tie) if not turned] for tie in (one, two)]
    join = ", which is " if one.b == two.a else facts.pick((" and ", " while ", " and is "))
    first, middle = prompt_name(number_of[one.a]), prompt_name(number_of[one.b])
    last = prompt_name(number_of[two.b])

    def say(begin: str, words: str, then: str, more: str, end: str) -> str:
        return f"{begin} is {words} {then}{join}{more} {end}."

    ways = facts.pick(straight[0]), facts.pick(straight[1])
    right = say(first, ways[0], middle, ways[1], last)
    wrong = [
        say(first, facts.pick(wrong_words[0]), middle, ways[1], last),
        say(first, ways[0], middle, facts.pick(wrong_words[1]), last),
        say(first, facts.pick(wrong_words[0]), middle, facts.pick(wrong_words[1]), last),
    ]
    exchanged = {words for turned, words in false_claims(one) if turned}
    if ways[0] in exchanged:  # what the other does to the one is certainly not so
        wrong[2] = say(middle, ways[0], first, ways[1], last)
    numbers = tuple(number_of[index] for index in (one.a, one.b, two.b))
    question = f"{facts.pick(CHAIN_QUESTIONS)} {listed([first, middle, last], 'and')}?"
    return make_choice(facts, "choice-chain", numbers, question, right, wrong)


def ask_tied(facts: Facts) -> Turn | None:
    """Asks which prompt another holds, wears, rides, sits on or is on."""
    drawn = _pick_tie(facts)
    if drawn is None or len(facts.numbers) < 3:
        return None
    tie, a, b = drawn
    known = {each.b for each in facts.scene.ties if each.a == tie.a and each.verb == tie.verb}
    if tie.verb in ("over", "beside") or len(known & set(facts.prompts.values())) > 1:
        return None
    others = [number for number in facts.numbers if number != a]
    names = [prompt_name(number) for number in sorted(others)]
    question = facts.pick(TIED_QUESTIONS).format(
        a=prompt_name(a), verb=tie.verb, l=listed(names, "and"), o=listed(names)
    )
    return Turn("tied", (a, *sorted(others)), question, prompt_name(b), chance=1 / len(others))


def choose_on(facts: Facts) -> Turn | None:
    """Offers which of two things are on a third: both, one of them, or neither."""
    bases = {tie.b for tie in facts.scene.ties if tie.verb == "on"} & set(facts.prompts.values())
    if not bases:
        return None
    base = facts.pick(sorted(bases))
    upon = {tie.a for tie in facts.scene.ties if tie.verb == "on" and tie.b == base}
    held = {tie.b for tie in facts.scene.ties if tie.verb in ("holding", "wearing")}
    mounted = {tie.a for tie in facts.scene.ties if tie.verb in ("riding", "sitting on")}
    stacked = {tie.a for tie in facts.scene.ties if tie.verb == "on" and tie.b != base}
    # a rider is hardly "not on the road", nor is what lies on a table there; what somebody on it holds is argued about
    argued = held | mounted | (stacked - upon)
    able = [n for n, index in facts.prompts.items() if index != base and index not in argued]
    if len(able) < 2:
        return None
    a, b = facts.some(able, 2)
    ground = next(number for number, index in facts.prompts.items() if index == base)
    names, on = (prompt_name(a), prompt_name(b)), prompt_name(ground)
    options = {
        (True, True): f"Both {names[0]} and {names[1]} are on {on}.",
        (True, False): f"{names[0]} is on {on}, but {names[1]} is not.",
        (False, True): f"Only {names[1]} is on {on}.",
        (False, False): f"Neither {names[0]} nor {names[1]} is on {on}.",
    }
    right = options.pop((facts.prompts[a] in upon, facts.prompts[b] in upon))
    question = f"{facts.pick(CHAIN_QUESTIONS)} {listed([*names, on], 'and')}?"
    return make_choice(facts, "choice-on", (a, b, ground), question, right, [*options.values()])
