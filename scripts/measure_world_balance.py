"""Measures how often each word could be asked about, for `SHARES` in `gar/graspworld/balance.py`.

    python scripts/measure_world_balance.py --scenes 6000 --photographs FOLDER

Prints the table as Python. It is measured with nothing left out, on training scenes, and as many parts of the
photographs with masks in a folder (as for training).
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from pathlib import Path
from pprint import pformat

import numpy as np

from gar.graspworld import ATTRIBUTES, COLORS, FRAMES, RELATIONS, SHAPES, balance, choose_prompts, render_scene
from gar.graspworld.asking_choices import choose_colors, choose_outline
from gar.graspworld.asking_surfaces import ask_usual, choose_near_color
from gar.graspworld.facts import Facts
from gar.graspworld.outlines import OUTLINES
from gar.graspworld.photograph_folder import open_photographs
from gar.graspworld.photographs import photograph_scene
from gar.graspworld.usual import USUAL


def colors_in(choice: str) -> list[str]:
    """The colors that an option says; grey and silver are gray."""
    said = re.sub("grey|silver", "gray", choice.lower())
    return [word for word in COLORS if word in re.findall(r"\w+", said)]


def count_colors(facts: Facts, counts: defaultdict[str, Counter[str]]) -> None:
    """Counts the colors of what is asked of what has none of its own."""
    for table, choose in (("most color", choose_colors), ("near color", choose_near_color)):
        for _ in range(3):
            turn = choose(facts)
            if turn is not None:
                words = colors_in(turn.right_choice)
                counts[facts.table(table if len(words) == 1 else "several colors")].update(words)


def count_photographs(folder: Path, parts: int, first: int, counts: defaultdict[str, Counter[str]]) -> None:
    """Counts the colors of parts of photographs."""
    photographs = open_photographs(folder)
    for seed in range(first, first + parts):
        rng = np.random.default_rng(seed)
        scene = photograph_scene(*photographs[rng.integers(len(photographs))].read(), rng)
        facts = Facts(scene, choose_prompts(scene, rng), rng)
        count_colors(facts, counts)
        drawn = facts.pick_attribute("color")
        if drawn is not None:
            counts[facts.table("color")][drawn[1]] += 1


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=6000, help="how many training scenes to look at")
    parser.add_argument("--first", type=int, default=1_000_000, help="seed of the first")
    parser.add_argument("--photographs", type=Path, help="folder of photographs with masks")
    given = parser.parse_args()
    scenes, first = given.scenes, given.first
    balance.SHARES.clear()  # nothing is left out
    balance.SHARES["outline"] = {}  # of which nothing is left out anyway
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(first, first + scenes):
        rng = np.random.default_rng(seed)
        scene = render_scene(seed, size=(192, 208))
        facts = Facts(scene, choose_prompts(scene, rng), rng)
        for attribute in ("noun", *ATTRIBUTES):
            drawn = facts.pick_attribute(attribute)
            if drawn is not None:
                counts[attribute][drawn[1]] += 1
        count_colors(facts, counts)
        for _ in range(3):
            turn = choose_outline(facts)
            if turn is not None:
                counts["outline"][facts.items[turn.prompts[0]].outline or ""] += 1
            for attribute in USUAL:
                turn = ask_usual(facts, attribute)
                if turn is not None:
                    counts[f"usual {attribute}"][turn.answer] += 1
        related = facts.pick_relation()
        if related is not None:
            counts["relation"][related[2]] += 1
    if given.photographs is not None:
        count_photographs(given.photographs, scenes, first, counts)
    shares = {}
    for name, words in {
        **ATTRIBUTES,
        "most color": COLORS,
        "near color": COLORS,
        "several colors": COLORS,
        "photographed color": COLORS,
        "outline": OUTLINES,
        "relation": RELATIONS,
        **{f"usual {attribute}": tuple(dict.fromkeys(words.values())) for attribute, words in USUAL.items()},
    }.items():
        total = counts[name].total()
        shares[name] = {word: round(counts[name][word] / max(1, total), 4) for word in words}
    nouns = counts["noun"]
    shapes, frames = (sum(nouns[word] for word in group) / nouns.total() for group in (SHAPES, FRAMES))
    print(f"# of nouns: shapes {shapes:.3f}, frames {frames:.3f}, things {1 - shapes - frames:.3f}")
    print(f"SHARES = {pformat(shares, width=110, sort_dicts=False)}")


if __name__ == "__main__":
    main()
