"""Whether our model makes of a golden sample's inputs what the published model makes, from patches to gradients.

In evaluation the published code gives every prompt the box of the last mask (`buggy` in the data). The library never
does; it is made here by hand, as a test of our understanding.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from golden_data import Sample
from golden_deviation import EXACT, FEATURES, GRADIENTS, LOGITS, LOSS, Deviation, differing, distance, relative
from golden_inputs import Inputs, compare_inputs, published_inputs, sample_processor
from safetensors.torch import load_file
from torch import nn

from gar import GARForConditionalGeneration
from gar.model.base_model import VISION_INPUTS, RegionFeatures
from gar.model.checkpoints import published_name
from gar.model.replay import roi_align
from gar.processing.tiling import split_canvas

__all__ = ["compare_roi_align", "compare_rope", "compare_sample"]

_KEPT_LOGITS = 4
"""The data holds the logits of the last four places of a prompt."""


def compare_sample(model: GARForConditionalGeneration, tokenizer: Any, sample: Sample) -> list[Deviation]:
    """Compares everything that a sample stores; what it does not store is not compared.

    Args:
        model: The sample's model, float32, in evaluation mode.
        tokenizer: The tokenizer of all golden models.
        sample: The sample.
    """
    processor = sample_processor(tokenizer, model.config, sample)
    inputs = published_inputs(processor, sample)
    found = compare_inputs(processor, sample, inputs)
    with torch.no_grad():
        found += _compare_forward(model, sample, inputs)
        found += _compare_generated(model, sample, inputs, sample.facts, "generated")
        if "buggy" in sample.facts:
            found += _compare_buggy(model, sample, inputs)
    if "loss" in sample.facts:
        found += _compare_training(model, sample, inputs)
    return found


# ---- forward -----------------------------------------------------------------------------------------------------


def _compare_forward(model: GARForConditionalGeneration, sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    tower = model.model.vision_tower
    modules = {
        "patch_embed": tower.patch_embed,
        "norm_pre": tower.norm_pre,
        **{f"block{index}": block for index, block in enumerate(tower.blocks)},
        "mask_embed": tower.mask_embed,
    }
    with _outputs_of(modules) as seen:
        features = model.model.get_region_features(**_vision(inputs))
    seen["last_hidden"] = seen[f"block{len(tower.blocks) - 1}"]
    wanted = {f"dbg_{name}_stride16": value[:, ::16] for name, value in seen.items() if name != "mask_embed"}
    wanted["vision_last_hidden_stride16"] = wanted.pop("dbg_last_hidden_stride16")
    wanted["mask_embeds_stride"] = seen["mask_embed"][:, ::4, ::2, ::2]
    for name, ours in wanted.items():
        if name in sample.tensors:
            yield Deviation("vision", name, distance(ours, sample.tensors[name]), FEATURES)
    if "image_features" in sample.tensors:
        yield Deviation(
            "features", "image features", distance(features.cells, sample.tensors["image_features"]), FEATURES
        )
    yield from _compare_replay(model, sample, features, "")
    embeds = model.model.embed(inputs["input_ids"], features, inputs["region_index"])
    yield from _compare_embeds(sample, embeds, "")
    if "loss" not in sample.facts:  # otherwise the logits of the training step are compared
        logits = model(inputs_embeds=embeds, logits_to_keep=_KEPT_LOGITS).logits[0]
        yield from _compare_logits(sample, logits, "")


@contextmanager
def _outputs_of(modules: dict[str, nn.Module]) -> Iterator[dict[str, torch.Tensor]]:
    """Collects the outputs of modules while the context is open."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: seen.__setitem__(name, output)

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(keep(name)).remove)
        yield seen


def _vision(inputs: Inputs) -> Inputs:
    return {name: inputs[name] for name in VISION_INPUTS if name in inputs}


def _compare_replay(
    model: GARForConditionalGeneration, sample: Sample, features: RegionFeatures, prefix: str
) -> Iterator[Deviation]:
    known = [token for token in sample.crop_token_ids if token in model.config.crop_token_ids]
    for token, ours in zip(known, features.replay, strict=True):
        name = f"{prefix}roi_{token}"
        if name in sample.tensors:
            group = "buggy" if prefix else "RoI"
            yield Deviation(group, name, distance(ours, sample.tensors[name]), FEATURES)


def _compare_embeds(sample: Sample, embeds: torch.Tensor, prefix: str) -> Iterator[Deviation]:
    for name, ours in (("inputs_embeds_stride8", embeds[0, ::8]), ("inputs_embeds_last64", embeds[0, -64:])):
        stored = sample.tensors.get(prefix + name)
        if stored is not None:
            yield Deviation("buggy" if prefix else "embeds", prefix + name, distance(ours, stored), FEATURES)


def _compare_logits(sample: Sample, logits: torch.Tensor, prefix: str) -> Iterator[Deviation]:
    last = logits[-_KEPT_LOGITS:]
    ours = {"logits_last4_stride37": last[:, ::37], "logits_last4_logsumexp": last.logsumexp(-1)}
    top = sample.tensors.get(f"{prefix}logits_last4_top64_ids")
    if top is not None:
        ours["logits_last4_top64_values"] = last.gather(1, top.long())
        ours["logits_last4_top64_values (our own top)"] = last.topk(top.shape[1]).values
    positions = sample.tensors.get("label_positions")
    if positions is not None:
        ours["label_position_logits_stride37"] = logits[positions.long() - 1, ::37]
    for name, value in ours.items():
        stored = sample.tensors.get(prefix + name.removesuffix(" (our own top)"))
        if stored is not None:
            yield Deviation("buggy" if prefix else "logits", prefix + name, distance(value, stored), LOGITS)


def _compare_generated(
    model: GARForConditionalGeneration, sample: Sample, inputs: Inputs, stored: dict[str, Any], group: str
) -> Iterator[Deviation]:
    """Greedy ids; from a step on whose two best logits were closer than the tolerance, another id may follow."""
    if "generated_ids" not in stored:
        return
    theirs = stored["generated_ids"]
    inputs = {name: value for name, value in inputs.items() if name != "labels"}
    told = {"max_new_tokens": len(theirs), "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    ours = model.generate(**inputs, **told)[0, inputs["input_ids"].shape[1] :].tolist()
    first = next((step for step, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
    note = ""
    if first is not None:
        margin = stored.get("generated_top2_margin", [float("inf")] * len(theirs))[first]
        note = f"step {first} differs; the published margin there is {margin:.1e}"
        if margin < LOGITS:
            ours = theirs
    yield Deviation(group, f"{group} ids", differing(ours, theirs), EXACT, note)


def _compare_buggy(model: GARForConditionalGeneration, sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    """The published evaluation's fault: every prompt is given the box of the last mask."""
    boxes = inputs["region_boxes"]
    inputs = {**inputs, "region_boxes": boxes[-1:].expand_as(boxes)}
    features = model.model.get_region_features(**_vision(inputs))
    yield from _compare_replay(model, sample, features, "buggy_")
    embeds = model.model.embed(inputs["input_ids"], features, inputs["region_index"])
    yield from _compare_embeds(sample, embeds, "buggy_")
    yield from _compare_logits(sample, model(inputs_embeds=embeds, logits_to_keep=_KEPT_LOGITS).logits[0], "buggy_")
    yield from _compare_generated(model, sample, inputs, sample.facts["buggy"], "buggy")


# ---- training ----------------------------------------------------------------------------------------------------


def _compare_training(model: GARForConditionalGeneration, sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    facts, tensors = sample.facts, sample.tensors
    model.zero_grad()
    output = model(**inputs)
    output.loss.backward()
    yield Deviation("loss", "loss", abs(output.loss.item() - facts["loss"]), LOSS)
    yield from _compare_logits(sample, output.logits[0].detach(), "")
    gradients = {published_name(n): p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    grad = partial(Deviation, "gradients", allowed=GRADIENTS)
    norms = {name: float(gradient.double().norm()) for name, gradient in gradients.items()}
    if "grad_norms" in facts:
        yield grad("parameters with a gradient", float(len(set(norms) ^ set(facts["grad_norms"]))))
        for name, stored in facts["grad_norms"].items():
            yield grad(f"norm of {name}", abs(norms.get(name, 0.0) - stored) / max(stored, 1e-12))
    if "grad_global_norm" in facts:
        ours = sum(norm**2 for norm in norms.values()) ** 0.5
        yield grad("norm of all", abs(ours - facts["grad_global_norm"]) / facts["grad_global_norm"])
    for key, stored in tensors.items():
        name = key.removeprefix("grad.")
        if name != key:
            ours = gradients[name].flatten()
            yield grad(key, relative(ours[:: max(1, ours.numel() // 512)], stored))
    if "grad_embed_rows" in tensors:
        table = gradients["mllm.model.language_model.embed_tokens.weight"]
        rows = table[tensors["grad_embed_rows_index"]]
        yield grad("grad_embed_rows", relative(rows, tensors["grad_embed_rows"]))


# ---- parts -------------------------------------------------------------------------------------------------------


def compare_rope(model: GARForConditionalGeneration, folder: Path) -> list[Deviation]:
    """Compares the vision tower's rotary tables with `vision_rope.safetensors`, where it is stored."""
    file = folder / "vision_rope.safetensors"
    if not file.exists():
        return []
    tower = model.model.vision_tower
    ours = torch.cat([tower.rope_sin, tower.rope_cos], dim=1)
    return [Deviation("vision", name, distance(ours, stored), FEATURES) for name, stored in load_file(file).items()]


def compare_roi_align(root: Path) -> list[Deviation]:
    """Compares RoIAlign, values and gradients, with the single cases in `roi_align/`, where they are stored."""
    file = root / "roi_align" / "roi_align.json"
    if not file.exists():
        return []
    description = json.loads(file.read_text(encoding="utf-8"))
    tensors = load_file(file.with_suffix(".safetensors"))
    size = description["args"]["output_size"][0]
    found = []
    for case in description["cases"]:
        number = case["key"].removeprefix("out_")
        feature = tensors[case["feature"]].reshape(1, *tensors[case["feature"]].shape[-3:]).clone().requires_grad_()
        box = torch.tensor([case["box"]])
        ours = _roi_align(feature, box, size, case["spatial_scale"])
        name = f"{case['feature']} {case['name']} × {case['spatial_scale']:.3g}"
        found.append(Deviation("RoI", name, distance(ours, tensors[case["key"]].view_as(ours)), FEATURES))
        if f"gradin_{number}" in tensors:
            ours.backward(tensors[f"gradout_{number}"].view_as(ours))
            stored = tensors[f"gradin_{number}"].view_as(feature)
            found.append(Deviation("gradients", f"gradient of {name}", relative(feature.grad, stored), GRADIENTS))
    if "batch_out" in tensors:
        ours = _roi_align(tensors["batch_feature"], tensors["batch_boxes"], size, 1.0)
        found.append(Deviation("RoI", "four boxes in a batch of two", distance(ours, tensors["batch_out"]), FEATURES))
    return found


def _roi_align(feature: torch.Tensor, boxes: torch.Tensor, size: int, scale: float) -> torch.Tensor:
    """Our RoIAlign told as torchvision's: (B, C, H, W) and (R, 5) in cells to (R, C, size, size)."""
    height, width = feature.shape[-2:]
    side = math.gcd(height, width)
    columns, rows = width // side, height // side
    tiles = torch.cat([split_canvas(one, columns, rows) for one in feature])  # (B·T, C, g, g)
    sample = boxes[:, 0].long()
    replay = roi_align(
        tiles.flatten(2).transpose(1, 2),
        boxes[:, 1:] / torch.tensor([width, height, width, height]),
        torch.tensor([[columns, rows]]).expand(len(boxes), 2),
        sample * columns * rows,
        size=size,
        spatial_scale=scale,
    )  # (R, size², C)
    return replay.transpose(1, 2).unflatten(2, (size, size))
