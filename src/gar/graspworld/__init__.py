"""GraspWorld: pictures of things with exact masks and truthful text, everything from a seed.

    render_scene(seed)                       Scene: an image and objects, each with its words and its mask
    choose_prompts(scene, rng)               which objects are pointed at, and by which prompt number
    write_turns(scene, prompts, rng)         questions about them with true answers
    read_caption(text), attribute_words(o)   words that a caption uses, words that are true
    relation_is_true(scene, index, text)     whether what a caption says of another object is so
    open_photographs(folder)                 real photographs with named masks; photograph_scene makes a Scene of one

Needs numpy and Pillow only.
"""

from gar.graspworld.appearance import Cutout
from gar.graspworld.captions import attribute_words
from gar.graspworld.language import CAPTION_KINDS, DRILLS, KINDS, STAGED_KINDS, Turn, choose_prompts, write_turns
from gar.graspworld.photograph_folder import Photograph, Photographs, open_photographs
from gar.graspworld.photographs import cut_out, photograph_scene
from gar.graspworld.plans import world_nouns
from gar.graspworld.reading import read_caption, read_relation, relation_is_true
from gar.graspworld.scene import Scene, WorldObject, render_scene
from gar.graspworld.vocabulary import (
    ATTRIBUTES,
    COLORS,
    FRAMES,
    HELD_OUT_VERSION,
    MATERIALS,
    PATTERNS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    SPLITS,
    STAGINGS,
)

__all__ = [
    "ATTRIBUTES",
    "CAPTION_KINDS",
    "COLORS",
    "DRILLS",
    "FRAMES",
    "HELD_OUT_VERSION",
    "KINDS",
    "MATERIALS",
    "PATTERNS",
    "PLACES",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "STAGED_KINDS",
    "STAGINGS",
    "Cutout",
    "Photograph",
    "Photographs",
    "Scene",
    "Turn",
    "WorldObject",
    "attribute_words",
    "choose_prompts",
    "cut_out",
    "open_photographs",
    "photograph_scene",
    "read_caption",
    "read_relation",
    "relation_is_true",
    "render_scene",
    "world_nouns",
    "write_turns",
]
