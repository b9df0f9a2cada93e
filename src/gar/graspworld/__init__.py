"""GraspWorld: pictures of shapes with exact masks and truthful text, everything from a seed.

    render_scene(seed)                       Scene: an image and objects, each with its words and its mask
    choose_prompts(scene, rng)               which objects are pointed at, and by which prompt number
    write_turns(scene, prompts, rng)         questions about them with true answers
    read_caption(text), attribute_words(o)   words that a caption uses, words that are true

Needs numpy and Pillow only.
"""

from gar.graspworld.captions import attribute_words, read_caption, read_relation
from gar.graspworld.language import KINDS, Turn, choose_prompts, write_turns
from gar.graspworld.scene import Scene, WorldObject, render_scene
from gar.graspworld.vocabulary import (
    ATTRIBUTES,
    COLORS,
    HELD_OUT_VERSION,
    PATTERNS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
)

__all__ = [
    "ATTRIBUTES",
    "COLORS",
    "HELD_OUT_VERSION",
    "KINDS",
    "PATTERNS",
    "PLACES",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "Scene",
    "Turn",
    "WorldObject",
    "attribute_words",
    "choose_prompts",
    "read_caption",
    "read_relation",
    "render_scene",
    "write_turns",
]
