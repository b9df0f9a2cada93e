"""Scenes of GraspWorld as a source of training data.

Item i is the scene of seed `first_seed` + i; which regions are prompted and what is asked about them is drawn anew in
each epoch. Nothing is read and nothing kept: a scene is rendered when it is asked for. `feature_cache` keeps what a
frozen stem makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from gar.errors import InputError
from gar.graspworld import (
    ATTRIBUTES,
    KINDS,
    SHAPES,
    STAGED_KINDS,
    Scene,
    Turn,
    attribute_words,
    choose_prompts,
    render_scene,
    write_turns,
)
from gar.graspworld.language import DRILLS, MAX_PROMPTS
from gar.graspworld.nouns import NOUNS
from gar.graspworld.photograph_folder import Photograph, open_photographs
from gar.graspworld.photographs import cut_out, photograph_scene
from gar.graspworld.relations import relation
from gar.graspworld.vocabulary import Staging
from gar.processing.prompts import SINGLE_PROMPT
from gar.training.samples import Sample, Skipped
from gar.training.sources.source import Source

__all__ = ["MAX_PROMPTS", "WORDS", "WorldSource", "check_kinds", "choose_turns", "object_words"]

WORDS = {
    "noun": tuple(dict.fromkeys([*SHAPES, "mirror", "picture frame", "screen", *NOUNS])),
    **{name: tuple(words) for name, words in ATTRIBUTES.items() if name not in ("place", "shape")},
    "row": ("top", "middle", "bottom"),
    "column": ("left", "center", "right"),
    "depth": ("front", "behind"),
}
"""The words of each attribute that a region's features are made to point at; a place is two of them."""

_DESCRIBED_ALONE = 0.3
"""Share of the samples that describe one region, alone in the mask, in the single-region wording."""

_COLORLESS = 0.2
"""How often an object of no one color is described, over one that has a color. More than half of them have none, and a
small model that is unsure of a color says none."""

_PHOTOGRAPHED = 1 / 3
"""Share of the scenes that are parts of photographs, where there are any."""

_OFTEN = {
    "noun": 5,
    "color": 5,
    "material": 10,
    "caption": 4,
    "relation": 10,
    "front-or-behind": 3,
    "relation-turned": 4,
    "relation-caption": 6,
    "which": 9,
    "absent": 20,
    "extreme": 2,
    "order-left-right": 6,
    "order-top-bottom": 4,
    "order-size": 2,
    "same": 8,
    "mirror": 4,
    "yes-no-mirror": 4,
    "choice-mirror": 8,
    "yes-no-noun": 4,
    "yes-no-material": 4,
    "yes-no-relation": 5,
    "choice-color": 3,
    "choice-material": 8,
    "choice-colors": 8,
    "choice-near-color": 8,
    "choice-outline": 3,
    "choice-texture": 4,
    "choice-usual-material": 2,
    "usual-material": 2,
    "usual-form": 2,
    "usual-texture": 2,
    "choice-position": 2,
    "choice-relation": 6,
    "choice-which": 2,
    "in-full": 12,
}
"""Kinds of questions that are asked more often than others: those that tell regions apart or relate them, which take a
small model longest to learn. "Which" and "absent" can be asked of few scenes, and so are tried most often."""

_STAGED_OFTEN: dict[Staging, dict[str, int]] = {
    "rows": {
        "choice-position": 3,
        "in-full": 8,
        "noun": 1,
        "color": 1,
        "extreme": 1,
        "order-left-right": 1,
        "order-top-bottom": 1,
        "caption": 1,
    },
    "together": {
        "tie": 4,
        "tied": 3,
        "choice-tie": 4,
        "choice-on": 2,
        "choice-chain": 2,
        "in-full": 8,
        "noun": 1,
        "color": 1,
        "which": 1,
        "caption": 1,
        "yes-no-noun": 1,
        "choice-noun": 1,
    },
}
_ASKED: dict[Staging, tuple[str, ...]] = {
    "free": tuple(kind for kind in (*KINDS, *DRILLS) for _ in range(_OFTEN.get(kind, 1))),
    **{staging: tuple(kind for kind in odds for _ in range(odds[kind])) for staging, odds in _STAGED_OFTEN.items()},
}
"""What is asked of a scene, by its staging."""
_KNOWN = tuple(dict.fromkeys((*KINDS, *(kind for kinds in STAGED_KINDS.values() for kind in kinds), *DRILLS)))


class WorldSource(Source):
    """Scenes of GraspWorld; those that are staged are no photographs.

    Args:
        scenes: How many.
        first_seed: The seed of the first.
        split: "train", or "held-out" for what is never trained on.
        turns: Most questions about one sample.
        kinds: What is asked, of `KINDS` and `DRILLS`, by default all; one that is named twice is asked twice as often.
        photographs: Folders of photographs with named masks: every third scene is a part of one of them, and what is
            cut out of them is pasted into rendered scenes.
        cutouts: Folders of photographs of which only what is cut out of them is used.
        rows: Share of the scenes in which things stand in rows.
        together: Share of the scenes whose things have to do with each other.

    Raises:
        InputError: A number is out of range, or the split or a kind unknown.
    """

    def __init__(
        self,
        scenes: int,
        *,
        first_seed: int = 0,
        split: Literal["train", "held-out"] = "train",
        turns: int = 12,
        kinds: Sequence[str] = (),
        photographs: Sequence[Path] = (),
        cutouts: Sequence[Path] = (),
        rows: float = 0.0,
        together: float = 0.0,
    ):
        super().__init__()
        if scenes < 1 or first_seed < 0 or turns < 1:
            raise InputError(f"scenes={scenes}, first_seed={first_seed}, turns={turns}; needed: from 1, 0 and 1 up")
        if split not in ("train", "held-out"):
            raise InputError(f"split={split!r}; there are 'train' and 'held-out'")
        if not (rows >= 0 and together >= 0 and rows + together <= 1):
            raise InputError(f"rows={rows:g}, together={together:g}; shares of all scenes, not more than 1 together")
        check_kinds(kinds, "kinds")
        self._staged: dict[Staging, float] = {"rows": rows, "together": together}
        self.scenes, self.first_seed, self.split, self.turns = scenes, first_seed, split, turns
        self._kinds = tuple(kinds)
        shown = [each for folder in photographs for each in open_photographs(folder)]
        self._showing, self._noun_shares = _by_noun(shown)
        pasted = [*shown, *(each for folder in cutouts for each in open_photographs(folder))]
        self._cutouts = [cutout for each in pasted for cutout in cut_out(*each.read())]
        self._last: tuple[int, Scene] | None = None

    def __len__(self) -> int:
        return self.scenes

    def draw(self, index: int, epoch: int) -> Sample | Skipped:
        """A scene with the regions and questions of an epoch."""
        seed = self.first_seed + index
        try:
            scene = self._scene(seed)
        except InputError as error:
            return Skipped(f"GraspWorld {self.split} {seed}", str(error))
        prompts, alone, turns = choose_turns(
            scene, np.random.default_rng([seed, 1, epoch]), turns=self.turns, kinds=self._kinds
        )
        return Sample(
            name=f"GraspWorld {self.split} {seed}",
            masks=tuple(scene.objects[index].mask for index in prompts.values()),
            prompts=tuple(prompts),
            turns=tuple((turn.question, turn.answer) for turn in turns),
            kinds=tuple(turn.kind for turn in turns),
            wording="one" if alone else "several",
            dialogue=False,
            picture=np.asarray(scene.image, dtype=np.uint8),
            words=tuple(object_words(scene, index) for index in prompts.values()),
        )

    def _scene(self, seed: int) -> Scene:
        if self._last is None or self._last[0] != seed:  # several epochs of one scene are often drawn in a row
            rng = np.random.default_rng([seed, 2])
            staging = self._draw_staging(seed)
            if staging != "free":
                self._last = seed, render_scene(seed, split=self.split, staging=staging, cutouts=self._cutouts)
            elif self._showing and rng.random() < _PHOTOGRAPHED:
                noun = list(self._showing)[rng.choice(len(self._showing), p=self._noun_shares)]
                showing = self._showing[noun]
                photograph = showing[rng.integers(len(showing))]
                self._last = seed, photograph_scene(*photograph.read(), rng, around=noun)
            else:
                self._last = seed, render_scene(seed, split=self.split, cutouts=self._cutouts)
        return self._last[1]

    def _draw_staging(self, seed: int) -> Staging:
        drawn = np.random.default_rng([seed, 3]).random()
        for staging, share in self._staged.items():
            drawn -= share
            if drawn < 0:
                return staging
        return "free"


def check_kinds(kinds: Sequence[str], setting: str) -> None:
    """Checks kinds of questions.

    Raises:
        InputError: One is unknown; the message begins with the setting's name.
    """
    if unknown := [kind for kind in kinds if kind not in _KNOWN]:
        raise InputError(f"{setting}: there is no {unknown[0]!r}; there are {', '.join(_KNOWN)}")


def _by_noun(photographs: Sequence[Photograph]) -> tuple[dict[str, list[Photograph]], np.ndarray]:
    """The photographs that show each noun, once for each object, and how often to take a part around it.

    A noun is taken as often as the square root of its count says. By the counts themselves, every third part would be
    around a person, and what is learnt first is that whatever is in a photograph is one.
    """
    showing: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        for noun, _ in photograph.items:
            showing.setdefault(noun, []).append(photograph)
    weights = np.sqrt([len(found) for found in showing.values()])
    return showing, weights / max(1.0, weights.sum())


def choose_turns(
    scene: Scene, rng: np.random.Generator, *, turns: int, kinds: Sequence[str] = ()
) -> tuple[dict[int, int], bool, list[Turn]]:
    """Draws which regions of a scene are prompted and what is asked about them.

    Args:
        scene: A scene.
        rng: Where the choice comes from.
        turns: Most questions.
        kinds: What is asked of several regions, by default what suits the scene. One alone is described, also where
            none of these can be asked.

    Returns:
        Prompt number → object, whether the single-region wording is used, and the turns.
    """
    if rng.random() >= _DESCRIBED_ALONE:
        prompts = choose_prompts(scene, rng)
        asked = write_turns(scene, prompts, rng, n=turns, kinds=kinds or _ASKED[scene.staging])
        if asked:
            return prompts, False, asked
    odds = [0.0 if item.style == "ground" else _COLORLESS if item.main_color is None else 1.0 for item in scene.objects]
    weights = np.array(odds)
    prompts = {SINGLE_PROMPT: int(rng.choice(len(weights), p=weights / weights.sum()))}
    # the wording of a caption varies: two of them teach more than one
    drawn = [write_turns(scene, prompts, rng, kinds=["caption"])[0] for _ in range(2)]
    return prompts, True, drawn


def object_words(scene: Scene, index: int) -> dict[str, str]:
    """The words of `WORDS` that are true of an object.

    Its place is two of them: "top left" is row "top", column "left". An object that covers a part of another and is
    covered by none is in "front", one of which the opposite is true "behind".

    Args:
        scene: A scene.
        index: Index of the object in `scene.objects`.
    """
    words = attribute_words(scene.objects[index])
    if "place" in words:
        row, _, column = words.pop("place").rpartition(" ")
        words |= {"row": row or "middle", "column": column}
    found = {relation(scene, index, other) for other in range(len(scene.objects)) if other != index}
    if ("in front of" in found) != ("behind" in found):
        words["depth"] = "front" if "in front of" in found else "behind"
    return words
