"""Lengths are measured once, and again when the data is no longer what it was."""

import numpy as np

from gar.training.collator import SampleCollator
from gar.training.lengths import measure_lengths
from gar.training.samples import Skipped


def test_lengths_are_measured_again_if_files_have_changed(world, make_processor, tmp_path, monkeypatch):
    collator, read = SampleCollator(make_processor("as the embedded model")), []
    draw = type(world).draw
    monkeypatch.setattr(type(world), "draw", lambda self, *place: read.append(place) or draw(self, *place))

    def measure(fingerprint):
        read.clear()
        return measure_lengths(
            world, collator, tmp_path / "lengths.npz", epochs=1, workers=0, fingerprint=fingerprint
        ), len(read)

    lengths, count = measure("a")
    assert (lengths.shape, lengths.min() > 0, count) == ((1, 40), True, 40)
    again, count = measure("a")
    assert np.array_equal(again, lengths)
    assert count == 0
    assert measure("b")[1] == 40
    assert collator.length(Skipped("a.png", "torn")) == 0
