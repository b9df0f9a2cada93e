"""Finding and loading a model by its name, folder or hub id."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from gar.assistant.gar import GAR
from gar.assistant.sampling import number, whole_number
from gar.errors import CheckpointError, InputError

if TYPE_CHECKING:
    import torch
    from transformers.utils.quantization_config import QuantizationConfigMixin

__all__ = ["check_hub", "load"]


def load(
    model: str | Path = "nano",
    *,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    max_num_tiles: int | None = None,
    replay_spatial_scale: float | None = None,
    quantize: Literal["int8"] | QuantizationConfigMixin | None = None,
    compile: bool = False,
) -> GAR:
    """Loads a model.

    Args:
        model: "nano" for the embedded model, a folder (our layout or the published one), or a hub id.
        device: "cpu", "cuda", "mps", …; by default the best there is.
        dtype: "float32", "bfloat16" or "float16"; by default as the checkpoint is stored, but float32 in place of
            float16 on a CPU.
        max_num_tiles: Most tiles of one picture, the thumbnail not counted; by default the model's.
        replay_spatial_scale: 1.0 replays features where the region is; published checkpoints carry 1/28, as they
            were trained.
        quantize: "int8" for 8-bit linear layers on a CPU (answers may differ, docs/performance.md says how much); on
            CUDA a configuration of transformers, such as `BitsAndBytesConfig` or `GPTQConfig`.
        compile: Whether to decode with compiled graphs over a static cache, for CUDA. The first answers take minutes.

    Raises:
        CheckpointError: There is no such model, or it cannot be loaded.
        InputError: The device or dtype is unknown, a setting is out of range, or the quantisation does not go with
            the device.
    """
    import torch

    from gar.assistant.quantization import check_quantize, quantize_int8
    from gar.model.checkpoints import quiet_transformers, reading
    from gar.model.configuration import GARConfig
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor

    where = _find(str(model))
    try:
        target = torch.device(device or _best_device())
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise InputError(f"device {device!r} is not available: {reason}") from error
    changed: dict[str, Any] = {}
    if replay_spatial_scale is not None:
        scale = number(replay_spatial_scale, "replay_spatial_scale")
        if not 0.0 < scale <= 1.0:
            raise InputError(f"replay_spatial_scale is {replay_spatial_scale}; allowed: above 0, up to 1")
        changed["replay_spatial_scale"] = scale
    settings: dict[str, Any] = {}
    if max_num_tiles is not None:
        settings["max_num_tiles"] = whole_number(max_num_tiles, "max_num_tiles")
    with quiet_transformers():
        with reading(f"cannot read the configuration of {where!r}"):
            stored, _ = GARConfig.get_config_dict(where)
            if not isinstance(stored, dict) or stored.get("model_type") != GARConfig.model_type:  # pyright: ignore
                raise ValueError(f"config.json is not one of model_type {GARConfig.model_type!r}")
            config: Any = GARConfig.from_pretrained(where, **changed)
            precision = _precision(dtype, config.dtype, target)
        quantization = check_quantize(quantize, target, precision)
        with reading(f"cannot read the processor of {where!r}"):
            processor = GARProcessor.from_pretrained(where, config=config, **settings)
        with reading(f"cannot read the weights of {where!r}"):
            loaded = cast(
                "Any",
                GARForConditionalGeneration.from_pretrained(where, config=config, dtype=precision, **quantization),
            )
    loaded.eval().requires_grad_(False)
    if quantize == "int8":
        quantize_int8(loaded)
    elif not quantization:  # what was quantised while it was loaded is where it must be
        loaded.to(target)
    return GAR(loaded, processor, str(model), compile=compile)


def _find(model: str) -> str:
    """The folder of a model, or the hub id as it is."""
    embedded = model == "nano"
    folder: Path | None = Path(str(files("gar") / "weights" / "nano"))
    if not embedded:
        try:
            named = Path(model).expanduser()
            folder = named if named.is_dir() else None
        except (OSError, RuntimeError):  # longer than a path can be, or of a user who is not there
            folder = None
    if folder is not None:
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise CheckpointError(f"{str(folder)!r} is no model folder: it has no {name}")
        return str(folder)
    parts = model.split("/")
    if len(parts) != 2 or not all(parts) or model.startswith((".", "~")):
        raise CheckpointError(f"{model!r:.200} is neither 'nano', nor a folder, nor a hub id such as 'owner/name'")
    from gar.model.checkpoints import reading

    with reading(f"cannot fetch {model!r} from the hub"):
        check_hub(model)
    return model


def check_hub(model: str) -> None:
    """Refuses at once what cannot be fetched; transformers would try for half a minute.

    Raises:
        CheckpointError: The hub has no such model. Where it cannot be asked, huggingface_hub's own errors.
    """
    from huggingface_hub import file_exists, try_to_load_from_cache

    cached = isinstance(try_to_load_from_cache(model, "config.json"), str)
    if not cached and not file_exists(model, "config.json"):
        raise CheckpointError(f"the hub has no model {model!r}, or it is private")


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _precision(asked: str | torch.dtype | None, stored: Any, device: torch.device) -> torch.dtype:
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if asked is not None:
        found = asked if isinstance(asked, torch.dtype) else known.get(str(asked))
        if found is None or found not in known.values():
            raise InputError(f"dtype is {asked!r}; allowed: {', '.join(known)}")
        return found
    kept = stored if isinstance(stored, torch.dtype) else known.get(str(stored), torch.float32)
    return torch.float32 if device.type == "cpu" and kept == torch.float16 else kept
