"""How two objects stand to each other in the picture, and what is certainly not so.

Choices:
- Two objects of which one visibly covers part of the other are "in front of" and "behind", nothing else.
- Two that do not overlap are left, right, above or below if one direction clearly dominates, and unrelated
  otherwise. Both are judged by centroids and boxes of what can be seen.
- A relation that was not found is not thereby false: `false_relations` names only those that nobody would
  claim.
"""

from __future__ import annotations

import numpy as np

from gar.graspworld.scene import WorldObject
from gar.graspworld.vocabulary import RELATIONS

__all__ = ["false_relations", "relation"]

_DOMINANT = 2.0  # the larger distance of two centroids, along x or y, over the smaller
_FAR = 0.12  # least distance of two centroids, in longest sides of the picture
_SHARED = 0.25  # largest overlap of two boxes along the axis, in sides of the smaller
_COVERED = 0.10  # least part of the smaller object that is seen to overlap
_ASIDE = 0.04  # a distance of centroids that can be seen, in longest sides of the picture


def _centroid(item: WorldObject) -> np.ndarray:
    """Centroid (x, y) of what can be seen, in pixels."""
    y, x = np.nonzero(item.mask)
    return np.array([x.mean(), y.mean()])


def _overlap(a: WorldObject, b: WorldObject) -> float:
    """Area where the nearer object is seen to cover the other, as a part of the smaller object."""
    front, back = (a, b) if a.depth < b.depth else (b, a)
    smaller = min(a.full_mask.sum(), b.full_mask.sum())
    return float((front.mask & back.full_mask).sum() / smaller)


def relation(a: WorldObject, b: WorldObject) -> str | None:
    """Says how `a` stands to `b`: one of `RELATIONS`, or None if more than one could be claimed.

    Args:
        a: An object.
        b: Another object of the same scene.
    """
    if (a.full_mask & b.full_mask).any():
        if _overlap(a, b) < _COVERED:
            return None
        return "in front of" if a.depth < b.depth else "behind"
    distance = _centroid(a) - _centroid(b)
    axis = int(abs(distance[1]) > abs(distance[0]))
    shared = min(a.box[2 + axis], b.box[2 + axis]) - max(a.box[axis], b.box[axis])
    side = min(a.box[2 + axis] - a.box[axis], b.box[2 + axis] - b.box[axis])
    dominant = abs(distance[axis]) >= _DOMINANT * abs(distance[1 - axis])
    if not dominant or abs(distance[axis]) < _FAR * max(a.mask.shape) or shared > _SHARED * side:
        return None
    return RELATIONS[2 * axis + int(distance[axis] > 0)]


def false_relations(a: WorldObject, b: WorldObject) -> tuple[str, ...]:
    """Lists the relations of `RELATIONS` that `a` certainly does not have to `b`."""
    false: list[str] = []
    for axis, distance in enumerate((_centroid(a) - _centroid(b)).tolist()):
        if abs(distance) >= _ASIDE * max(a.mask.shape):
            false.append(RELATIONS[2 * axis + int(distance < 0)])
    if not (a.full_mask & b.full_mask).any():
        false.extend(("in front of", "behind"))
    elif _overlap(a, b) >= _COVERED:
        false.append("behind" if a.depth < b.depth else "in front of")
    return tuple(false)
