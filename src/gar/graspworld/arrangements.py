"""Scenes with something special: a mirror, water, a picture in the picture, a row of the same things.

Choices:
- Each arrangement is put on the stage first, while there is room; ordinary objects come after. One that finds no
  room leaves the scene an ordinary one.
- An object and its reflection are two objects. In a mirror the reflection is flipped, a little smaller and paler, at
  about the height of the object beside the mirror; on water it is upside down right below the object, rippled.
- Rows hold the same thing three to six times, as pictures for counting do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gar.graspworld.appearance import Plan, reflected
from gar.graspworld.frames import draw_frame
from gar.graspworld.plans import Planner, pick
from gar.graspworld.stage import Placed, Stage
from gar.graspworld.vocabulary import size_of

__all__ = ["arrange"]

_TRIES = 30
_FAR = 2.0  # depth of frames; ordinary objects lie between 0 and 1
_IN_FRONT = 1e-3  # how much nearer what is in a frame lies
_PALE, _WATER = np.array((222, 234, 244), np.float32), np.array((70, 120, 150), np.float32)


def arrange(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> int:
    """Puts what is special into a scene.

    Args:
        stage: An empty stage.
        planner: Draws the words of objects.
        photographs: For pictures in pictures.

    Returns:
        How many more objects the scene may have.
    """
    kinds: tuple[Callable[[Stage, Planner, tuple[str, ...]], None] | None, ...]
    kinds = (_mirror, _water, _picture, _row, None)
    kind = kinds[stage.rng.choice(len(kinds), p=(0.16, 0.06, 0.17, 0.14, 0.47))]
    if kind is not None:
        kind(stage, planner, photographs)
    return 0 if kind is _row and stage.placed else 6 - len(stage.placed)


def _put_frame(stage: Stage, kind: str, shares: tuple[float, float], photographs: tuple[str, ...]) -> Placed | None:
    """Puts a frame that covers a share of the picture anywhere."""
    rng = stage.rng
    for _ in range(_TRIES):
        frame = draw_frame(kind, rng.uniform(*shares) * stage.height * stage.width, photographs, rng)
        height, width = frame.patch.cover.shape
        if height > stage.height - 4 or width > stage.width - 4:
            continue
        left, top = int(rng.integers(2, stage.width - width - 1)), int(rng.integers(2, stage.height - height - 1))
        plan = Plan(kind, "frame", size_of(frame.patch.area / (stage.height * stage.width)) or "large")
        item = Placed(plan, frame.patch, _FAR, left, top, frame=frame, clear=True)
        if stage.put_at(item):
            return item
    return None


def _put_inside(stage: Stage, item: Placed, frame: Placed) -> bool:
    """Puts an object into the opening of a frame if it lies wholly within and apart from all others there."""
    assert frame.frame is not None
    height, width = item.patch.cover.shape
    top, left = item.top - frame.top, item.left - frame.left
    opening = frame.frame.opening
    if top < 0 or left < 0 or top + height > opening.shape[0] or left + width > opening.shape[1]:
        return False
    if (item.patch.inside & (opening[top : top + height, left : left + width] < 0.99)).any():
        return False
    return stage.put_at(item)


def _mirror(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> None:
    """A mirror, and one or two objects beside it that are seen in it."""
    mirror = _put_frame(stage, "mirror", (0.14, 0.26), photographs)
    if mirror is None:
        return
    wanted = 2 if stage.rng.random() < 0.3 else 1
    for _ in range(wanted):
        _put_mirrored(stage, planner.object(("small", "small", "medium")), mirror)
    if len(stage.placed) == 1 and stage.rng.random() < 0.5:
        stage.placed.clear()


def _put_mirrored(stage: Stage, plan: Plan, mirror: Placed) -> bool:
    """Puts an object beside a mirror and its reflection into it."""
    rng = stage.rng
    height, width = mirror.patch.cover.shape
    for _ in range(_TRIES):
        patch = stage.draw(plan)
        across = rng.uniform(0.15, 1.0) * width + patch.cover.shape[1] / 2
        middle_x = mirror.left - across if rng.random() < 0.5 else mirror.left + width + across
        middle_y = mirror.top + rng.uniform(0.25, 0.85) * height
        left, top = round(middle_x - patch.cover.shape[1] / 2), round(middle_y - patch.cover.shape[0] / 2)
        item = Placed(plan, patch, _FAR - 1, left, top, clear=True)
        if not stage.put_at(item):
            continue
        for _ in range(6):
            other = reflected(patch, rng.uniform(0.75, 1.0), upside_down=False, tint=_PALE, amount=0.16)
            x = mirror.left + rng.uniform(0.3, 0.7) * width - other.cover.shape[1] / 2
            y = middle_y + rng.uniform(-0.05, 0.05) * height - other.cover.shape[0] / 2
            depth = mirror.depth - _IN_FRONT
            image = Placed(plan, other, depth, round(x), round(y), inside=mirror, reflection_of=item, clear=True)
            if _put_inside(stage, image, mirror):
                return True
        stage.placed.remove(item)
    return False


def _water(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> None:
    """Water in the lower part of the picture, and one or two objects above it that are seen in it."""
    rng = stage.rng
    shore = round(rng.uniform(0.5, 0.64) * stage.height)
    for _ in range(2 if rng.random() < 0.4 else 1):
        plan = planner.object(("small", "medium", "medium", "large"))
        for _ in range(_TRIES):
            patch = stage.draw(plan)
            other = reflected(patch, 1.0, upside_down=True, tint=_WATER, amount=0.34)
            height, width = patch.cover.shape
            left = int(rng.integers(0, max(1, stage.width - width)))
            item = Placed(plan, patch, _FAR - 1, left, shore - height - 1, clear=True)
            shift = (other.cover.shape[1] - width) // 2
            image = Placed(plan, other, _FAR, left - shift, shore + 3, reflection_of=item, clear=True)
            if not stage.put_at(item):
                continue
            if stage.put_at(image):
                stage.water = shore
                break
            stage.placed.remove(item)


def _picture(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> None:
    """A framed picture or a screen that shows one or two objects."""
    rng = stage.rng
    frame = _put_frame(stage, pick(rng, ("picture frame", "screen")), (0.14, 0.28), photographs)
    if frame is None:
        return
    height, width = frame.patch.cover.shape
    for number in range(2 if rng.random() < 0.4 else 1):
        plan = planner.object(("small", "small", "medium", "medium", "tiny"))
        for _ in range(_TRIES):
            patch = stage.draw(plan)
            x = frame.left + rng.uniform(0, max(1, width - patch.cover.shape[1]))
            y = frame.top + rng.uniform(0, max(1, height - patch.cover.shape[0]))
            depth = frame.depth - _IN_FRONT * (number + 1)
            item = Placed(plan, patch, depth, round(x), round(y), inside=frame, clear=True)
            if _put_inside(stage, item, frame):
                break


def _row(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> None:
    """Three to six things alike in a row, a column or two rows."""
    rng = stage.rng
    rows, columns = pick(rng, ((1, 3), (1, 4), (1, 5), (3, 1), (4, 1), (2, 2), (2, 3), (3, 2), (1, 4), (1, 6)))
    model = planner.object(("tiny", "small", "small") if max(rows, columns) > 3 else ("small", "small", "medium"))
    plans = [model] * (rows * columns)
    if rng.random() < 0.4:
        plans[rng.integers(len(plans))] = planner.resized(planner.look_alike(model), model.size)
    left, right = rng.uniform(0.02, 0.15), rng.uniform(0.85, 0.98)
    top, bottom = (0.08, 0.92) if rows > 1 else (lambda y: (y - 0.12, y + 0.12))(rng.uniform(0.2, 0.8))
    if columns == 1:
        left, right = (lambda x: (x - 0.15, x + 0.15))(rng.uniform(0.22, 0.78))
    for number, plan in enumerate(plans):
        for _ in range(_TRIES):
            patch = stage.draw(plan)
            x = left + (right - left) * (number % columns + 0.5 + rng.uniform(-0.07, 0.07)) / columns
            y = top + (bottom - top) * (number // columns + 0.5 + rng.uniform(-0.05, 0.05)) / rows
            corner = round(x * stage.width - patch.middle[0]), round(y * stage.height - patch.middle[1])
            if stage.put_at(Placed(plan, patch, rng.random(), *corner, clear=True)):
                break
        else:
            stage.placed.clear()
            return
