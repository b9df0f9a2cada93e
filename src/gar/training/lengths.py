"""How long each item of the data is, in tokens, for batches of similar length.

Most of a text is image tokens, whose number hangs on the shape of the picture, so every item is read once, by several
processes. The lengths are kept in a file and measured again only if the number of items has changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from gar.training.collator import SampleCollator
from gar.training.progress import watched
from gar.training.sources.source import Source

__all__ = ["measure_lengths"]


class _Lengths(Dataset[int]):
    def __init__(self, source: Source, collator: SampleCollator):
        self.source = source
        self.collator = collator

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> int:
        return self.collator.length(self.source.draw(index, 0))


def measure_lengths(source: Source, collator: SampleCollator, file: Path, *, workers: int) -> NDArray[np.int64]:
    """Measures each item as it is in the first epoch.

    Args:
        source: The data.
        collator: Makes texts of samples.
        file: Where the lengths are kept, a `.npy`.
        workers: Processes that read; 0 reads in this one.

    Returns:
        (items,) tokens of each; 0 for an item that cannot be used.
    """
    if file.exists():
        kept: NDArray[np.int64] = np.load(file, allow_pickle=False)
        if len(kept) == len(source):
            return kept
    loader = DataLoader(_Lengths(source, collator), batch_size=32, num_workers=workers)
    batches = [batch.numpy() for batch in watched(loader, "lengths", total=len(loader))]
    lengths = np.concatenate(batches).astype(np.int64)
    partial = file.with_name(f".{file.stem}.partial.npy")
    np.save(partial, lengths)
    partial.replace(file)
    return lengths
