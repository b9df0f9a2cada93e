"""How two objects stand to each other in the picture, what else is true of them, and what is certainly not so.

Choices:
- There is at most one answer to "how does A stand to B". A reflection of B is that and nothing else; so is what is
  inside B. Two objects of which one visibly covers part of the other are "in front of" and "behind". Two that do
  not overlap are left, right, above or below if one direction clearly dominates.
- Two that were staged together have that to do with each other (`ties.py`) and no relation besides; nor has a ground.
- More may be true (`true_relations`): what is up and to the left is above, and to the left. A relation that is not
  the answer is not thereby false: `false_relations` names only those that nobody would claim.
- Directions are judged by centroids and boxes of what can be seen. In a photograph it is not known which of two
  things is nearer, so that two that touch have no relation there.
"""

from __future__ import annotations

from gar.graspworld.scene import Scene, WorldObject
from gar.graspworld.vocabulary import RELATIONS

__all__ = ["false_relations", "relation", "true_relations"]

_DOMINANT = 2.0  # the larger distance of two centroids, along x or y, over the smaller
_FAR = 0.12  # least distance of two centroids, in longest sides of the picture
_SHARED = 0.25  # largest overlap of two boxes along the axis, in sides of the smaller
_COVERED = 0.10  # least part of the smaller object that is seen to overlap
_ASIDE = 0.04  # a distance of centroids that can be seen, in longest sides of the picture


def _overlap(a: WorldObject, b: WorldObject) -> float:
    """Area where the nearer object is seen to cover the other, as a part of the smaller object."""
    front, back = (a, b) if (a.depth or 0) < (b.depth or 0) else (b, a)
    smaller = min(int(a.full_mask.sum()), int(b.full_mask.sum()))
    return float((front.mask & back.full_mask).sum() / smaller)


def _boxes_meet(a: WorldObject, b: WorldObject) -> bool:
    return all(min(a.box[2 + axis], b.box[2 + axis]) > max(a.box[axis], b.box[axis]) for axis in (0, 1))


def _overlaps(a: WorldObject, b: WorldObject) -> bool:
    """Whether one could cover the other; where objects hide others, their visible boxes touch at least."""
    near = a.box[0] <= b.box[2] and b.box[0] <= a.box[2] and a.box[1] <= b.box[3] and b.box[1] <= a.box[3]
    return near and bool((a.full_mask & b.full_mask).any())


def _directions(a: WorldObject, b: WorldObject) -> list[str]:
    """The directions in which `a` plainly lies from `b`, the farther one first."""
    longest = max(a.mask.shape)
    found: list[tuple[float, str]] = []
    for axis in (0, 1):
        distance = a.centroid[axis] - b.centroid[axis]
        shared = min(a.box[2 + axis], b.box[2 + axis]) - max(a.box[axis], b.box[axis])
        side = min(a.box[2 + axis] - a.box[axis], b.box[2 + axis] - b.box[axis])
        most = 0.0 if a.depth is None else _SHARED * side
        if abs(distance) >= _FAR * longest and shared <= most:
            found.append((abs(distance), RELATIONS[2 * axis + int(distance > 0)]))
    return [word for _, word in sorted(found, reverse=True)]


def _dominates(a: WorldObject, b: WorldObject) -> bool:
    across, down = (abs(a.centroid[axis] - b.centroid[axis]) for axis in (0, 1))
    return max(across, down) >= _DOMINANT * min(across, down)


def _linked(scene: Scene, a: int, b: int) -> bool:
    """Whether one of two objects is seen in the other."""
    one, other = scene.objects[a], scene.objects[b]
    return a in (other.reflection_of, other.inside) or b in (one.reflection_of, one.inside)


def relation(scene: Scene, a: int, b: int) -> str | None:
    """Says how object `a` stands to object `b`: one of `RELATIONS`, or None if more than one could be claimed.

    Args:
        scene: A scene.
        a: Index of an object in `scene.objects`.
        b: Index of another.
    """
    one, other = scene.objects[a], scene.objects[b]
    if one.reflection_of == b:
        return "a reflection of"
    if one.inside == b and one.reflection_of is None:
        return "inside"
    if _linked(scene, a, b) or any({tie.a, tie.b} == {a, b} for tie in scene.ties):
        return None
    if "ground" in (one.style, other.style):
        return None
    if _overlaps(one, other):
        if one.depth is None or other.depth is None or _overlap(one, other) < _COVERED:
            return None
        return "in front of" if one.depth < other.depth else "behind"
    directions = _directions(one, other)
    return directions[0] if directions and _dominates(one, other) else None


def true_relations(scene: Scene, a: int, b: int) -> tuple[str, ...]:
    """Lists all that a person may truly say of how object `a` stands to object `b`."""
    word = relation(scene, a, b)
    found = _directions(scene.objects[a], scene.objects[b])
    return tuple(found if word is None or word in found else [word, *found])


def false_relations(scene: Scene, a: int, b: int) -> tuple[str, ...]:
    """Lists the relations of `RELATIONS` that object `a` certainly does not have to object `b`."""
    one, other = scene.objects[a], scene.objects[b]
    false: list[str] = []
    for axis in (0, 1):
        distance = one.centroid[axis] - other.centroid[axis]
        if abs(distance) >= _ASIDE * max(one.mask.shape):
            false.append(RELATIONS[2 * axis + int(distance < 0)])
    nearer = None if one.depth is None or other.depth is None else one.depth < other.depth
    apart = nearer is not None or not _boxes_meet(one, other)  # what overlaps in a photograph may be anything
    if not _linked(scene, a, b) and apart:
        if not _overlaps(one, other):
            false.extend(("in front of", "behind"))
        elif _overlap(one, other) >= _COVERED:
            false.append("behind" if nearer else "in front of")
    if one.inside != b and apart:
        false.append("inside")
    if one.reflection_of != b and other.reflection_of != a:
        false.append("a reflection of")
    return tuple(false)
