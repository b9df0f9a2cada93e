"""Short truths about regions of which no more is known than what they are, and how they relate.

`write_turns` asks what each region is, which region is a thing of a kind, and whether a region is such a thing; and,
where relations are known, how two regions relate. What can't be asked without doubt is not asked:

* "which" only if one region alone is of the kind, and not always, so that the answer is not known from the question;
* "no" only for a kind that is common in the data, as the drawn one is of another region of the same data, so that the
  kind does not give the answer away; half of the answers are "no";
* that two regions do *not* stand in a relation is never said, since annotations are not complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gar.processing.prompts import prompt_name

__all__ = ["Kind", "kind_named", "write_captions", "write_turns"]

_NAMING = ("Name this masked region.", "What is this masked region?", "Say in a few words what this region is.")
_WHAT = ("What is {p}?", "What does {p} show?", "Name {p}.")
_WHICH = ("Which region is {np}?", "Which of the regions shows {np}?")
_IS = ("Is {p} {np}?", "Does {p} show {np}?")
_RELATION = ("How does {p} relate to {q}?", "What is the relation of {p} to {q}?", "How are {p} and {q} related?")
_INCLUDING = ("Describe {p} and its relation to {q}.", "What is {p}, and how does it relate to {q}?")

_UNCOUNTED = {"scissors", "skis", "broccoli", "eyeglasses", "pants", "shorts", "jeans", "sunglasses"}
"""Names of things that take no "a"; among the 80 kinds of COCO, the first three."""

_SOUNDS_LIKE_A_CONSONANT = re.compile(r"(?:uni|use|eu|one\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """What a region can be."""

    name: str
    """In words: "cat", "brick wall"."""
    countable: bool = True
    """A cat is, the sky is not."""

    @property
    def phrase(self) -> str:
        """The name as a noun phrase.

        Example:
            >>> Kind("umbrella").phrase, Kind("sky", countable=False).phrase
            ('an umbrella', 'sky')
        """
        if not self.countable or self.name.lower() in _UNCOUNTED:
            return self.name
        vowel = self.name[0].lower() in "aeiou" and not _SOUNDS_LIKE_A_CONSONANT.match(self.name)
        return f"{'an' if vowel else 'a'} {self.name}"


def kind_named(name: str, *, thing: bool = True) -> Kind:
    """A kind by the name that COCO gives it.

    Names of stuff are put into the order in which people say them: what was merged is not said, and the more special
    word comes first.

    Args:
        name: As in `categories`.
        thing: Whether there is one of it (`isthing`), not a stuff like sky.

    Example:
        >>> [kind_named(name, thing=False).name for name in ("wall-brick", "sky-other-merged", "door-stuff")]
        ['brick wall', 'sky', 'door']
    """
    if thing:
        return Kind(name)
    words = [word for word in name.split("-") if word not in ("other", "merged", "stuff")]
    return Kind(" ".join(reversed(words)) or name, countable=False)


def write_captions(kinds: Sequence[Kind], rng: np.random.Generator) -> tuple[tuple[str, str], ...]:
    """One turn a region that asks for its name.

    Example:
        >>> write_captions([Kind("cat")], np.random.default_rng(0))
        (('Say in a few words what this region is.', 'A cat.'),)
    """
    return tuple((str(rng.choice(_NAMING)), _sentence(kind.phrase)) for kind in kinds)


def write_turns(
    kinds: Mapping[int, Kind],
    relations: Mapping[tuple[int, int], Sequence[str]],
    others: Sequence[Kind],
    rng: np.random.Generator,
) -> tuple[tuple[str, str], ...]:
    """Questions about several regions, each standing for itself.

    Args:
        kinds: What each prompt is.
        relations: How one prompt relates to another, by one predicate or several ("riding", "in front of").
        others: What other regions of the data are, one for each of `kinds`, in its order; asked about where the
            answer is "no".
        rng: Where wordings and the right answers come from.

    Returns:
        Questions and answers, in random order.
    """
    turns: list[tuple[str, str]] = []
    names = [kind.name for kind in kinds.values()]
    for (number, kind), other in zip(kinds.items(), others, strict=True):
        name = prompt_name(number)
        turns.append((str(rng.choice(_WHAT)).format(p=name), _sentence(kind.phrase)))
        if len(kinds) > 1 and names.count(kind.name) == 1 and rng.random() < 0.5:
            turns.append((str(rng.choice(_WHICH)).format(np=kind.phrase), name))
        if other.name != kind.name:
            asked, answer = (kind, "yes") if rng.random() < 0.5 else (other, "no")
            turns.append((str(rng.choice(_IS)).format(p=name, np=asked.phrase), answer))
    for (subject, other_number), predicates in relations.items():
        p, q = prompt_name(subject), prompt_name(other_number)
        doing = _joined(predicates)
        turns.append((str(rng.choice(_RELATION)).format(p=p, q=q), f"{p} is {doing} {q}."))
        turns.append(
            (str(rng.choice(_INCLUDING)).format(p=p, q=q), f"{_sentence(kinds[subject].phrase)[:-1]} {doing} {q}.")
        )
    return tuple(turns[place] for place in rng.permutation(len(turns)))


def _joined(words: Sequence[str]) -> str:
    """Words in a list, each once: "on, beside and looking at"."""
    unique = list(dict.fromkeys(words))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} and {unique[-1]}"


def _sentence(phrase: str) -> str:
    return f"{phrase[0].upper()}{phrase[1:]}."
