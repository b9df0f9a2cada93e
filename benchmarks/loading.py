"""Peak memory and time to load a checkpoint of GAR-1B's true size, and of one forward pass with it.

A random checkpoint in the published layout (bfloat16, 3.1 GB) is written shard by shard into a temporary folder, loaded
by a fresh process, and deleted at the end. The target: a peak of at most 1.15 × the checkpoint + 0.6 GB.

    python benchmarks/loading.py [--folder DIR] [--dtype bfloat16]

Reported is the kernel's own peak (VmHWM), and the largest anonymous and file-backed parts seen by a thread that looks
every 10 ms: file-backed pages are the checkpoint itself, mapped, which the system may drop and read again at any
time. Linux only (/proc). The picture is noise of 448 × 448 with one region and one tile beside the thumbnail. The
tokenizer is the shared one beside the repository where it is there; without it ids of the same layout are made up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

GB = 1e9
SHARD_BYTES = 400_000_000
TOKENIZER = Path(__file__).resolve().parents[2] / "shared" / "golden" / "tokenizer"

GAR_1B: dict[str, Any] = {
    # The published layout; the numbers are those of PE-Core L/14 (timm 1.0.19) and Llama 3.2 1B as GAR-1B uses them.
    "model_type": "GAR",
    "architectures": ["GARModel"],
    "dtype": "bfloat16",
    "crop_tokens_ids": [128004, 128005, 128008, 128010, 128011],
    "prompt_numbers": 5,
    "kernel_size": [14, 14],
    "mask_path_embedding_out_channels": 1024,
    "mllm_config": {
        "model_type": "perception_lm",
        "image_token_id": 128002,
        "projector_pooling_ratio": 2,
        "vision_use_cls_token": True,
        "tie_word_embeddings": True,
        "vision_config": {
            "model_type": "timm_wrapper",
            "architecture": "vit_pe_core_large_patch14_336",
            "model_args": {
                "embed_dim": 1024,
                "depth": 23,
                "img_size": [448, 448],
                "ref_feat_shape": [32, 32],
                "init_values": 0.1,
                "global_pool": "",
                "use_post_transformer_norm": False,
            },
        },
        "text_config": {
            "model_type": "llama",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "vocab_size": 128262,
            "max_position_embeddings": 11520,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 32.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            },
            "tie_word_embeddings": True,
            "bos_token_id": 128000,
            "eos_token_id": [128001, 128009],
        },
    },
}


def write_checkpoint(folder: Path) -> int:
    """Writes random weights in the published layout, holding one shard at a time; returns their bytes."""
    import torch
    from safetensors.torch import save_file

    from gar import GARConfig, GARForConditionalGeneration
    from gar.model.checkpoints import published_name

    with torch.device("meta"):
        model = GARForConditionalGeneration(GARConfig.from_dict(GAR_1B))
    shapes = {published_name(name): tensor.shape for name, tensor in model.named_parameters()}  # a tied head once
    generator = torch.Generator().manual_seed(0)
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        if shards[-1] and size + 2 * shape.numel() > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += 2 * shape.numel()
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: torch.empty(shapes[name], dtype=torch.bfloat16) for name in names}
        for name, tensor in tensors.items():
            tensor.normal_(mean=float("norm" in name and name.endswith("weight")), std=0.02, generator=generator)
        save_file(tensors, folder / file, metadata={"format": "pt"})
        places.update(dict.fromkeys(names, file))
    total = sum(2 * shape.numel() for shape in shapes.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(GAR_1B), encoding="utf-8")
    return total


class Memory(threading.Thread):
    """Watches this process's memory; `peaks` are bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks = {"RssAnon": 0, "RssFile": 0, "VmHWM": 0}

    def look(self) -> None:
        """Takes the figures of this moment."""
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in self.peaks:
                self.peaks[name] = max(self.peaks[name], int(value.split()[0]) * 1024)

    def run(self) -> None:
        """Looks every 10 ms, for as long as the process lives."""
        while True:
            self.look()
            time.sleep(0.01)


def load_and_run(folder: Path, dtype: str) -> dict[str, Any]:
    """Loads the checkpoint and runs it once, in this process; returns the figures of both steps."""
    import numpy as np
    import torch

    import gar
    from gar import GARForConditionalGeneration, GARProcessor, Region

    memory = Memory()
    memory.look()
    memory.start()
    before = dict(memory.peaks)
    start = time.perf_counter()
    model: Any
    if TOKENIZER.is_dir():
        model = gar.load(folder, device="cpu", dtype=dtype, max_num_tiles=1).model
    else:
        model = GARForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
    loaded = time.perf_counter() - start
    memory.look()
    after_loading = dict(memory.peaks)
    start = time.perf_counter()
    sum(float(parameter.detach().view(-1)[::1024].sum()) for parameter in model.parameters())  # every page of them
    touched = time.perf_counter() - start
    memory.look()
    all_in_memory = dict(memory.peaks)

    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (448, 448, 3), dtype=np.uint8)
    if TOKENIZER.is_dir():
        processor = GARProcessor.from_pretrained(folder, max_num_tiles=1)
        inputs = processor([picture], [processor.describe_text()], [[Region.box(100, 100, 300, 250)]], [[1]])
    else:
        ids = [128000, *[128002] * 512, *[128005] * 256, *range(100, 140)]
        inputs = {
            "input_ids": torch.tensor([ids]),
            "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
            "pixel_values": torch.from_numpy(picture).permute(2, 0, 1).float()[None].expand(2, -1, -1, -1) / 127.5 - 1,
            "mask_values": torch.ones(2, 1, 448, 448),
            "tiles_per_sample": torch.tensor([2]),
            "tile_grid": torch.tensor([[1, 1]]),
            "region_boxes": torch.tensor([[0.2, 0.2, 0.7, 0.6]]),
            "region_index": torch.tensor([[0, 1]]),
        }
    start = time.perf_counter()
    with torch.no_grad():
        logits = model(**inputs, logits_to_keep=1).logits
    ran = time.perf_counter() - start
    memory.look()
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "length": inputs["input_ids"].shape[1],
        "finite": bool(logits.isfinite().all()),
        "steps": [
            ["imports", 0.0, before],
            ["load", loaded, after_loading],
            ["every page read", touched, all_in_memory],
            ["forward", ran, dict(memory.peaks)],
        ],
    }


def main() -> int:
    """Runs the benchmark; exit 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, help="where to write the checkpoint (3.1 GB; default: a temporary one)")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(load_and_run(arguments.child, arguments.dtype)))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="gar-1b-", dir=arguments.folder))
    try:
        # in a process of its own too, so that nothing of it is left in memory here
        subprocess.run([sys.executable, "-c", _WRITE, str(Path(__file__).parent), str(folder)], check=True)
        if TOKENIZER.is_dir():
            shutil.copytree(TOKENIZER, folder, dirs_exist_ok=True)
        command = [sys.executable, __file__, "--child", str(folder), "--dtype", arguments.dtype]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        checkpoint = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report(json.loads(told.splitlines()[-1]), checkpoint, arguments.dtype)


_WRITE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import loading
loading.write_checkpoint(pathlib.Path(sys.argv[2]))
"""


def report(told: dict[str, Any], checkpoint: int, dtype: str) -> int:
    """Prints the table; returns the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    title = f"{told['parameters'] / 1e9:.3f} billion parameters, checkpoint {checkpoint / GB:.2f} GB, loaded as {dtype}"
    table = Table("until the end of", "seconds", "peak, GB", "anonymous, GB", "file-backed, GB", title=title)
    for step, seconds, peaks in told["steps"]:
        table.add_row(step, f"{seconds:.1f}", *(f"{peaks[name] / GB:.2f}" for name in ("VmHWM", "RssAnon", "RssFile")))
    console.print(table)
    peak, allowed = told["steps"][-1][2]["VmHWM"], 1.15 * checkpoint + 0.6 * GB
    finite = "finite" if told["finite"] else "NOT FINITE"
    console.print(f"{told['length']} tokens in the forward pass, logits {finite}")
    if dtype != "bfloat16":
        return 0 if told["finite"] else 1  # the target is for loading as stored
    verdict = "within" if peak <= allowed else "over"
    console.print(f"peak {peak / GB:.2f} GB, {verdict} the target, 1.15 × checkpoint + 0.6 GB = {allowed / GB:.2f} GB")
    return 0 if peak <= allowed and told["finite"] else 1


if __name__ == "__main__":
    sys.exit(main())
