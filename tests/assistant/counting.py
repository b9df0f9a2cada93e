"""Counting what a model does while it answers."""

from contextlib import contextmanager
from types import SimpleNamespace


@contextmanager
def counted(assistant):
    """Counts what the model does: tiles in stem and tower, tokens read by the decoder."""
    done = SimpleNamespace(stem=0, tower=0, read=0)
    model = assistant.model.model

    def stem(module, args):
        done.stem += len(args[0])

    def tower(module, args):
        done.tower += len(args[1])

    def decoder(module, args, kwargs):
        done.read += kwargs["inputs_embeds"].shape[:2].numel()

    hooks = [
        model.vision_tower.patch_embed.register_forward_pre_hook(stem),
        model.vision_tower.register_forward_pre_hook(tower),
        model.language_model.register_forward_pre_hook(decoder, with_kwargs=True),
    ]
    try:
        yield done
    finally:
        for hook in hooks:
            hook.remove()
