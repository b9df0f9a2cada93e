"""What all GAR models share: names, capabilities, and loading that refuses what it cannot trust."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from gar.errors import CheckpointError
from gar.model.checkpoints import refuse_incomplete, refuse_other_files
from gar.model.configuration import GARConfig

__all__ = ["GARPreTrainedModel"]


class GARPreTrainedModel(PreTrainedModel):
    """What all GAR models share: names and capabilities."""

    config_class = GARConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["GARVisionBlock", "LlamaDecoderLayer"]  # noqa: RUF012 (the library's own type)
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any):
        """Loads a model from safetensors; nothing is unpickled, and nothing is filled in for what is missing.

        Args:
            pretrained_model_name_or_path: Folder or hub id, in our layout or the published one.
            args: As in transformers.
            kwargs: As in transformers. With `output_loading_info=True` tensors that are missing or of another shape
                are told in the second value returned, not refused.

        Raises:
            CheckpointError: Tensors are missing or of another shape, a file is not safetensors or lies outside the
                folder, or `use_safetensors=False` was given.
        """
        if kwargs.pop("use_safetensors", None) is False:
            raise CheckpointError(
                "use_safetensors=False was given; pickled weights are never loaded, as they can run code"
            )
        kwargs.pop("weights_only", None)  # it is about pickled weights
        told = kwargs.pop("output_loading_info", False)
        ignored = kwargs.pop("ignore_mismatched_sizes", False)
        model, info = super().from_pretrained(
            pretrained_model_name_or_path,
            *args,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=ignored or told,
            **kwargs,
        )
        if told:
            return model, info
        refuse_incomplete(str(pretrained_model_name_or_path), info, shapes_too=not ignored)
        return model

    # Two steps of transformers' loading, each refused before it is taken.

    @staticmethod
    def _load_pretrained_model(model: Any, state_dict: Any, checkpoint_files: Any, load_config: Any, *args: Any):
        refuse_other_files(str(load_config.pretrained_model_name_or_path), checkpoint_files or ())
        return PreTrainedModel._load_pretrained_model(model, state_dict, checkpoint_files, load_config, *args)

    @staticmethod
    def _finalize_model_loading(model: Any, load_config: Any, loading_info: Any):
        if not load_config.ignore_mismatched_sizes:  # else memory would be filled with what is missing first
            lacking = loading_info.missing_keys - model.all_tied_weights_keys.keys()
            told = {"missing_keys": lacking, "mismatched_keys": loading_info.mismatched_keys, "unexpected_keys": ()}
            refuse_incomplete(str(load_config.pretrained_model_name_or_path), told)
        return PreTrainedModel._finalize_model_loading(model, load_config, loading_info)
