"""Frames of a video by their numbers: from a folder of pictures, or from a file by PyAV (extra `video`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gar.errors import MediaError, MissingExtraError
from gar.media import load_image

__all__ = ["MAX_FRAMES", "read_frames"]

MAX_FRAMES = 256
"""The most frames of one video that are kept."""
_PICTURES = {".jpg", ".jpeg", ".png"}


def read_frames(path: Path, numbers: Sequence[int]) -> list[Image.Image]:
    """Frames as RGB pictures.

    Args:
        path: A folder whose pictures, sorted by name, are the frames, or a video file.
        numbers: Which frames, from 0, in rising order.

    Raises:
        MediaError: There is no such video, it cannot be decoded, or it has fewer frames.
        MissingExtraError: A file is given and PyAV is not installed.
    """
    if not 0 < len(numbers) <= MAX_FRAMES:
        raise MediaError(f"{path}: {len(numbers)} frames are asked for; allowed are 1 to {MAX_FRAMES}")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _PICTURES)
        if len(files) <= numbers[-1]:
            raise MediaError(f"{path} has {len(files)} frames; frame {numbers[-1]} is asked for")
        return [load_image(files[number]) for number in numbers]
    if not path.is_file():
        raise MediaError(f"{path}: there is no such video")
    return _decode(path, numbers)


def _decode(path: Path, numbers: Sequence[int]) -> list[Image.Image]:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "video") from error
    wanted, found = set(numbers), []
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    found.append(load_image(frame.to_image()))
                if number >= numbers[-1]:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"{path} cannot be decoded: {str(error)[:100]}") from error
    if len(found) != len(wanted):
        raise MediaError(f"{path} has fewer frames than {numbers[-1] + 1}")
    return found
