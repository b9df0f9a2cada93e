"""Sources of training data: whatever format it has, a source gives `Sample`s.

    specs.py          sources as settings of a recipe: `SourceSpec`, `open_source`, `open_mixture`
    published.py      `PublishedSource`: the published data format, as Arrow, Parquet, JSON or JSON lines
    coco.py           `CocoSource`: COCO instance annotations
    panoptic.py       `PanopticSource`: COCO panoptic and PSG annotations, with relations
    folder.py         `FolderSource`: a folder of pictures, masks and texts

    source.py         what they have in common: `Source`; and several as one: `Mixture`
    conversations.py  the rules of the published format: from masks and a conversation to a sample
    segments.py       from named segments to samples; things.py, the text about them
    files.py          reading JSON and pictures that others wrote; arrow.py, Arrow and Parquet

docs/training-data.md says what each reads, with examples.
"""

from gar.training.sources.specs import SourceSpec, open_mixture, open_source

__all__ = ["SourceSpec", "open_mixture", "open_source"]
