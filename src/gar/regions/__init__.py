"""Regions: what a user points at in a picture.

    region.py   `Region`, its constructors and what it can be turned into: the only public name
    checks.py   what users give, as plain numbers or an error that says what was wrong with it
    shapes.py   each shape's numbers, and the pixels that they fill
    rle.py      COCO's run-length codes, read carefully

numpy only; pycocotools is imported where a polygon is filled or a run-length string written.
"""

from gar.regions.region import Kind, Region

__all__ = ["Kind", "Region"]
