"""How long each item of the data is, in tokens, for batches of similar length.

Most of a text is image tokens, whose number hangs on the shape of the picture, so every item is read once, by several
processes. The lengths are kept in a file and measured again only if the number of items or of epochs, or a file that
the data comes from, has changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from gar.files import whole_file
from gar.training.collator import SampleCollator
from gar.training.progress import watched
from gar.training.sources.source import Source

__all__ = ["measure_lengths"]


class _Lengths(Dataset[int]):
    def __init__(self, source: Source, collator: SampleCollator, epochs: int):
        self.source = source
        self.collator = collator
        self.epochs = epochs

    def __len__(self) -> int:
        return self.epochs * len(self.source)

    def __getitem__(self, place: int) -> int:
        epoch, index = divmod(place, len(self.source))
        return self.collator.length(self.source.draw(index, epoch))


def measure_lengths(
    source: Source, collator: SampleCollator, file: Path, *, epochs: int, workers: int, fingerprint: str = ""
) -> NDArray[np.int64]:
    """Measures each item as it is in each of the first epochs.

    Args:
        source: The data.
        collator: Makes texts of samples.
        file: Where the lengths are kept, a `.npz`.
        epochs: How many; what an item is asked differs from one to the next.
        workers: Processes that read; 0 reads in this one.
        fingerprint: Of the files that the data comes from; lengths that were measured of others are not taken.

    Returns:
        (epochs, items) tokens of each; 0 for an item that cannot be used.
    """
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            lengths: NDArray[np.int64] = kept["lengths"]
            if lengths.shape == (epochs, len(source)) and kept["fingerprint"] == fingerprint:
                return lengths
    loader = DataLoader(_Lengths(source, collator, epochs), batch_size=32, num_workers=workers)
    batches = [batch.numpy() for batch in watched(loader, "lengths", total=len(loader))]
    lengths = np.concatenate(batches).astype(np.int64).reshape(epochs, len(source))
    with whole_file(file) as unfinished:
        np.savez(unfinished, lengths=lengths, fingerprint=np.array(fingerprint))
    return lengths
