"""What a visitor can take home: the conversation, the picture with its regions, the regions."""

from __future__ import annotations

import io
import json
from pathlib import PurePath
from typing import Any

from gar import __version__
from gar.drawing import draw_regions
from gar.errors import InputError
from gar.serving.page.conversation import Turn
from gar.serving.page.marks import Mark
from gar.serving.page.picture import Picture
from gar.serving.page.visit import Visit

__all__ = ["coco_file", "conversation_file", "export_name", "overlay_file"]


def export_name(visit: Visit, ending: str) -> str:
    """A file name after the picture's: "cat.jpg" and "-regions.json" make "cat-regions.json"."""
    return f"{PurePath(_picture(visit).name).stem or 'picture'}{ending}"


def conversation_file(visit: Visit) -> bytes:
    """All questions and answers of the visit with their regions, as JSON.

    Raises:
        InputError: No picture is open.
    """
    picture = _picture(visit)
    content = {
        "made_by": f"grasp-any-region {__version__}",
        "picture": _picture_entry(picture),
        "regions": [_region_entry(number, mark, picture) for number, mark in enumerate(visit.marks)],
        "turns": [_turn_entry(turn, picture) for turn in visit.turns if not turn.running],
    }
    return _json(content)


def coco_file(visit: Visit) -> bytes:
    """The regions as a COCO annotation file, each mask in COCO's run-length code.

    Raises:
        InputError: No picture is open.
    """
    picture = _picture(visit)
    height, width = picture.size
    captions = {mark.id: turn.text for turn in visit.turns for mark in turn.marks.values() if _describes(turn)}
    annotations: list[dict[str, Any]] = []
    for number, mark in enumerate(visit.marks):
        x1, y1, x2, y2 = mark.box
        annotations.append(
            {
                "id": number + 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": mark.region.to_rle(picture.size),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": mark.region.area(picture.size),
                "iscrowd": 0,
                "prompt": f"<Prompt{number}>",
                "name": mark.name,
                "caption": captions.get(mark.id, ""),
            }
        )
    content = {
        "info": {"description": f"regions marked with grasp-any-region {__version__}"},
        "images": [{"id": 1, "file_name": picture.name, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "region", "supercategory": ""}],
        "annotations": annotations,
    }
    return _json(content)


def overlay_file(visit: Visit, opacity: float) -> bytes:
    """The picture in all its pixels with all its regions drawn over it, as PNG.

    Raises:
        InputError: No picture is open.
    """
    drawn = draw_regions(_picture(visit).image, [mark.region for mark in visit.marks], opacity=opacity)
    encoded = io.BytesIO()
    drawn.save(encoded, "PNG")
    return encoded.getvalue()


def _picture(visit: Visit) -> Picture:
    if visit.picture is None:
        raise InputError("there is nothing to save yet; open a picture first")
    return visit.picture


def _picture_entry(picture: Picture) -> dict[str, Any]:
    height, width = picture.size
    return {"name": picture.name, "width": width, "height": height}


def _region_entry(number: int, mark: Mark, picture: Picture) -> dict[str, Any]:
    return {
        "prompt": f"<Prompt{number}>",
        "name": mark.name,
        "kind": mark.region.kind,
        "box": mark.box,
        "mask": mark.region.to_rle(picture.size),
    }


def _turn_entry(turn: Turn, picture: Picture) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "model": turn.model,
        "question": turn.question,
        "regions": [_region_entry(number, mark, picture) for number, mark in turn.marks.items()],
        "begins_conversation": turn.begins,
        "state": turn.state,
        "answer": turn.text,
    }
    if turn.choices:
        entry["choices"] = list(turn.choices)
    if turn.error:
        entry["error"] = turn.error
    if turn.answer is not None:
        entry |= {
            "probabilities": turn.answer.probabilities,
            "finish_reason": turn.answer.finish_reason,
            "seconds": round(turn.answer.seconds, 3),
            "prompt_tokens": turn.answer.prompt_tokens,
            "new_tokens": turn.answer.new_tokens,
            "notes": list(turn.answer.notes),
        }
    return entry


def _describes(turn: Turn) -> bool:
    return turn.question is None and turn.state == "done"


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode()
