"""GraspWorld: pictures of shapes with exact masks and truthful text, everything from a seed.

render_scene(seed)  →  Scene: image and objects, each with its words and its mask
choose_prompts, write_turns(scene, prompts, rng)  →  questions and answers about prompted objects
contact_sheet(scenes)  →  a picture of many scenes with their captions, to look at
"""

from gar.graspworld.scene import Scene, WorldObject, render_scene

__all__ = ["Scene", "WorldObject", "render_scene"]
