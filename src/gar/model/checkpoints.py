"""Published checkpoints: their key names, and the way back.

Published GAR folders hold `config.json` (`model_type: "GAR"`, with an `mllm_config`) and safetensors whose keys begin
with `mllm.` and `mask_patch_embedding.`. Loading maps the names one to one (no tensor is changed), streams
safetensors and never unpickles. `export_published` writes such a folder from any model of ours with a patch stem.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.utils import logging

from gar.errors import CheckpointError, GARError
from gar.files import whole_file, write_whole
from gar.model.published import published_config

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration

__all__ = [
    "PUBLISHED_NAMES",
    "export_published",
    "published_name",
    "quiet_transformers",
    "reading",
    "refuse_incomplete",
    "refuse_other_files",
    "register_published_names",
]

PUBLISHED_NAMES = (
    # (published prefix, our prefix)
    ("mask_patch_embedding.", "model.vision_tower.mask_embed."),
    ("mllm.model.vision_tower.timm_model.", "model.vision_tower."),
    ("mllm.model.multi_modal_projector.", "model.projector."),
    ("mllm.model.language_model.", "model.language_model."),
    ("mllm.lm_head.", "lm_head."),
)
"""Which part of a published checkpoint is which part of our model; everything after the prefix is the same."""


def register_published_names(model_class: type) -> None:
    """Tells transformers' loader how published key names map to ours."""
    renamings = [
        WeightRenaming(source_patterns=f"^{re.escape(theirs)}", target_patterns=f"^{re.escape(ours)}")
        for theirs, ours in PUBLISHED_NAMES
    ]
    register_checkpoint_conversion_mapping(model_class.__name__, renamings, overwrite=True)


def published_name(name: str) -> str:
    """The published name of one of our parameters.

    Example:
        >>> published_name("model.projector.linear_1.bias")
        'mllm.model.multi_modal_projector.linear_1.bias'
    """
    for theirs, ours in PUBLISHED_NAMES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise CheckpointError(f"{name!r} has no name in the published layout")


@contextmanager
def quiet_transformers() -> Generator[None]:
    """Keeps transformers from printing bars and reports; what matters in them is raised."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def reading(failure: str) -> Generator[None]:
    """Turns whatever a model's files make the libraries raise (they share no class) into one error of ours.

    Args:
        failure: What could not be done, with the model's name: how the message begins.

    Raises:
        CheckpointError: Something else than an error of ours was raised.
    """
    try:
        yield
    except GARError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or repr(error)
        raise CheckpointError(f"{failure}: {reason}") from error


def refuse_incomplete(name: str, told: Mapping[str, Any], *, shapes_too: bool = True) -> None:
    """Checks that a checkpoint brought every tensor of its model; warns of those that the model has no place for.

    Args:
        name: Folder or hub id, for the message.
        told: transformers' loading information: `missing_keys`, `unexpected_keys` and `mismatched_keys` (name, stored,
            wanted shape).
        shapes_too: Whether tensors of other shapes are refused too.

    Raises:
        CheckpointError: It did not; the message names the first three tensors.
    """
    mismatched = sorted(told["mismatched_keys"]) if shapes_too else []
    other = [f"{tensor}: {list(stored)}, not {list(wanted)}" for tensor, stored, wanted in mismatched]
    faults = {"lacks": sorted(told["missing_keys"]), "has other shapes than its configuration says": other}
    for what, tensors in faults.items():
        if tensors:
            raise CheckpointError(f"the checkpoint {name!r} {what}: {_first_three(tensors)}")
    unknown = sorted(told["unexpected_keys"])
    if unknown:
        text = f"the checkpoint {name!r} has tensors that the model has no place for: {_first_three(unknown)}"
        warnings.warn(text, stacklevel=3)


def refuse_other_files(name: str, files: Iterable[str]) -> None:
    """Checks that all files that a model's weights shall be read from are safetensors of its own.

    Args:
        name: Folder or hub id.
        files: Their paths, as the index in a folder, or its config.json (`transformers_weights`), names them.

    Raises:
        CheckpointError: One is not.
    """
    folder = Path(name)
    for file in files:
        path = Path(file)
        inside = path.is_relative_to(folder) and ".." not in path.parts[len(folder.parts) :]
        if not file.endswith(".safetensors"):
            raise CheckpointError(f"the checkpoint {name!r} names {file!r}; weights are only read from safetensors")
        if folder.is_dir() and not inside:
            raise CheckpointError(f"the checkpoint {name!r} names a file outside its folder: {file!r}")


def _first_three(names: list[str]) -> str:
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def export_published(
    model: GARForConditionalGeneration, folder: str | Path, *, max_shard_size: str | int = "5GB"
) -> None:
    """Writes a model as a folder in the published layout.

    Args:
        model: A model with published settings (patch stem, 16 × 16 replay, `replay_spatial_scale` 1/28, …).
        folder: Where to write; made if absent. Each file is written whole or not at all.
        max_shard_size: Largest safetensors file.

    Raises:
        CheckpointError: The published layout has no room for one of this model's settings.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    config = published_config(model)
    tensors = {
        published_name(name): tensor.detach().contiguous()
        for name, tensor in model.state_dict().items()
        if not (name == "lm_head.weight" and model.config.tie_word_embeddings)
    }
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    split = split_torch_state_dict_into_shards(tensors, max_shard_size=max_shard_size)
    for filename, names in split.filename_to_tensors.items():
        with whole_file(target / filename) as unfinished:
            save_file({name: tensors[name] for name in names}, unfinished, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        _write_json(target / "model.safetensors.index.json", index)
    _write_json(target / "config.json", config)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
