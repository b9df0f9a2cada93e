"""The nouns of the world: what can be in a scene or a photograph, and what a person may call it.

Choices:
- One table, `sprites/nouns.tsv`, written by hand: a noun a line, in normal singular English, with its category,
  article, other words for it, and the emoji that show it. Nouns without a picture (`fire hydrant`, `fence`) are
  there because real photographs show them.
- COCO's names are used wherever they fit ("couch", "cell phone"), so that sprites and photographs share words.
- About one noun in twenty is held out: it is never drawn for training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gar.errors import InputError

__all__ = ["CATEGORIES", "COCO_NOUNS", "NOUNS", "Noun", "canonical_noun", "imagenet_noun", "noun_entry"]

_HERE = Path(__file__).parent

_COCO = """
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,
bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,
bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,
teddy bear,hair drier,toothbrush
"""

COCO_NOUNS: dict[str, str] = {
    name: "computer mouse" if name == "mouse" else name for name in _COCO.replace("\n", "").split(",")
}
"""COCO's 80 class names, in COCO's order, with our noun for each: the same word, but for COCO's "mouse",
which is the computer's."""


@dataclass(frozen=True)
class Noun:
    """A thing that can be named."""

    name: str
    category: str
    """One of `CATEGORIES`."""
    article: str
    """"a" or "an"; "the" for what exists once; "" for plurals, names and what is not counted ("bread")."""
    plural: bool
    """Takes a plural verb, as "scissors" does."""
    held_out: bool
    """Never drawn for training."""
    pictures: tuple[str, ...]
    """The emoji that show it; () for a noun that only photographs show."""
    synonyms: tuple[str, ...]
    """Other words that count as right."""

    @property
    def phrase(self) -> str:
        """The noun with its article: "an owl", "scissors"."""
        return f"{self.article} {self.name}".lstrip()


def _cells(text: str, separator: str) -> tuple[str, ...]:
    return () if text == "-" else tuple(text.split(separator))


def _read_table(path: Path) -> dict[str, Noun]:
    nouns: dict[str, Noun] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, category, article, number, split, pictures, synonyms = line.split("\t")
        nouns[name] = Noun(
            name=name,
            category=category,
            article="" if article == "-" else article,
            plural=number == "plural",
            held_out=split == "held_out",
            pictures=_cells(pictures, " "),
            synonyms=_cells(synonyms, ","),
        )
    return nouns


NOUNS: dict[str, Noun] = _read_table(_HERE / "sprites" / "nouns.tsv")
"""Every noun by its name."""

CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(noun.category for noun in NOUNS.values()))
"""animal, plant, food, …"""

_ARTICLES = ("a ", "an ", "the ", "some ")
_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "man": "men", "woman": "women", "child": "children", "person": "people",
    "foot": "feet", "tooth": "teeth", "ox": "oxen", "wolf": "wolves", "leaf": "leaves", "knife": "knives",
    "loaf": "loaves", "sheep": "sheep", "fish": "fish", "deer": "deer", "shrimp": "shrimp", "squid": "squid",
    "policeman": "policemen", "fireman": "firemen", "snowman": "snowmen", "potato": "potatoes",
    "tomato": "tomatoes", "mango": "mangoes", "mosquito": "mosquitoes", "die": "dice", "cactus": "cacti",
    "scarf": "scarves", "calf": "calves", "thief": "thieves",
}  # fmt: skip


def _plural_of(phrase: str) -> str:
    """A simple plural: of the head before " of ", else of the last word."""
    head, of, rest = phrase.partition(" of ")
    before, space, word = head.rpartition(" ")
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        word += "es"
    elif word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        word = word[:-1] + "ies"
    else:
        word += "s"
    return before + space + word + of + rest


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    """Every accepted word with its noun. What comes first wins: names, synonyms, then plurals of either."""
    said = [(noun.name, noun.name) for noun in NOUNS.values()]
    said += [(word, noun.name) for noun in NOUNS.values() for word in noun.synonyms]
    words: dict[str, str] = {}
    for word, name in said + [(_plural_of(word), name) for word, name in said]:
        words.setdefault(word, name)
    return words


def noun_entry(noun: str) -> Noun:
    """Returns the entry of a noun.

    Raises:
        InputError: A word that is not a noun of the world, with the noun it stands for where it is a synonym.
    """
    if noun not in NOUNS:
        known = canonical_noun(noun)
        hint = (
            f"; did you mean {known!r}?" if known else f"; there are {len(NOUNS)} nouns in gar.graspworld.nouns.NOUNS"
        )
        raise InputError(f"{noun!r} is not a noun of the world{hint}")
    return NOUNS[noun]


def canonical_noun(text: str) -> str | None:
    """Finds the noun that a word or phrase stands for, with or without article, singular or plural.

    >>> canonical_noun("The sofas"), canonical_noun("mobile phone"), canonical_noun("quark")
    ('couch', 'cell phone', None)
    """
    words = " ".join(text.lower().replace("_", " ").strip(" .,!?;:\"'").split())
    if words in _words():
        return _words()[words]
    bare = next((words.removeprefix(article) for article in _ARTICLES if words.startswith(article)), words)
    return _words().get(bare)


@lru_cache(maxsize=1)
def _imagenet() -> dict[str, str | None]:
    return json.loads((_HERE / "imagenet_nouns.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _imagenet_ids() -> tuple[str, ...]:
    return tuple(_imagenet())


def imagenet_noun(which: int | str) -> str | None:
    """Returns the noun that one of ImageNet's 1000 classes is a kind of, by WordNet; None where there is none.

    >>> imagenet_noun(281), imagenet_noun("n02123045")  # tabby
    ('cat', 'cat')

    Args:
        which: The number of the class, 0 to 999 in the order of WordNet ids, or its WordNet id.

    Raises:
        InputError: No such class.
    """
    if isinstance(which, str):
        if which not in _imagenet():
            raise InputError(f"{which!r} is not the WordNet id of one of ImageNet's 1000 classes, such as 'n02123045'")
        return _imagenet()[which]
    if not 0 <= which < len(_imagenet_ids()):
        raise InputError(f"ImageNet class {which} does not exist; classes are 0 to {len(_imagenet_ids()) - 1}")
    return _imagenet()[_imagenet_ids()[which]]
