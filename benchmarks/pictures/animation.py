"""Frames into a GIF that is small, and into an MP4 where ffmpeg is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy import ndarray
from PIL import Image

from ..console import report
from ..console.style import GUESTS, LOOKS

Frames = Iterable[ndarray]
"""Pictures of one size, each of shape (height, width, 3), in bytes."""

COLORS = 255
"""In the palette that all frames of a GIF share; the 256th stands for "as in the frame before"."""

KEPT = sorted({look.color for look in (*LOOKS.values(), *GUESTS)})
"""The colours of the optimizers: as they are in every picture, so they are in a palette."""


def animate(path: Path, frames: Frames, samples: Sequence[ndarray], fps: float = 25, hold: float = 3.0) -> list[Path]:
    """Write `frames` as a GIF at `path`, and as an MP4 beside it if ffmpeg is installed. Returns what was written.

    Args:
        path: ends in .gif; the folder is there.
        frames: gone through once.
        samples: a few of them, for the palette: together they have about all the colours.
        fps: frames in a second.
        hold: how many seconds the last frame stays.
    """
    film = Mp4(path.with_suffix(".mp4"), fps, hold)
    small = palette(samples)
    reduced = [reduce(frame, small) for frame in film.through(frames)]
    step = round(100 / fps) * 10  # milliseconds; a GIF counts hundredths of a second
    durations = [step] * (len(reduced) - 1) + [round(hold * 1000)]
    options = {"save_all": True, "append_images": reduced[1:], "duration": durations, "loop": 0, "disposal": 1}
    write_beside(path, lambda part: reduced[0].save(part, format="GIF", optimize=True, **options))
    return [path, *film.written]


def palette(samples: Sequence[ndarray], count: int = COLORS) -> Image.Image:
    """An image whose palette has the `count` colours that render the samples best; white and the `KEPT` are among them.

    Without that, the colour of a thin line, which few pixels have, would be replaced by one that is near it.
    """
    kept = numpy.array([list(bytes.fromhex(color[1:])) for color in KEPT])
    tall = Image.fromarray(numpy.concatenate(samples))
    reduced = tall.quantize(count - len(kept) - 1, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    found = numpy.array(reduced.getpalette()).reshape(-1, 3)[: count - len(kept) - 1]
    far = numpy.abs(found[:, None] - kept).max(2).min(1) > 12  # a near double would be taken for the colour itself
    holder = Image.new("P", (1, 1))
    holder.putpalette([255, 255, 255, *kept.ravel().tolist(), *found[far].ravel().tolist()])
    return holder


def reduce(frame: ndarray, small: Image.Image) -> Image.Image:
    """The frame in the palette of `small`. It is not dithered: equal pixels stay equal from frame to frame."""
    reduced = numpy.array(Image.fromarray(frame).quantize(palette=small, dither=Image.Dither.NONE))
    reduced[frame.min(2) == 255] = 0  # paper is white, not what is nearly so
    image = Image.fromarray(reduced)
    image.putpalette(small.getpalette() or [])
    return image


def write_beside(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let `write` make a file beside `path` and rename it, so that `path` is never half a file."""
    with report.beside(path) as part:
        write(part)
    return path


class Mp4:
    """Frames on their way to something else, which ffmpeg makes an MP4 of as they pass by.

    Where there is no ffmpeg, or one that cannot write H.264, there is no MP4, and nothing is said about it.
    """

    def __init__(self, path: Path, fps: float, hold: float) -> None:
        self.path = path
        self.fps = fps
        self.hold = hold
        self.written: list[Path] = []

    def through(self, frames: Frames) -> Iterator[ndarray]:
        """Hand `frames` on, one by one."""
        program = shutil.which("ffmpeg")
        if program is None:
            yield from frames
            return
        part = self.path.with_name(f".{self.path.name}.part.mp4")
        process: subprocess.Popen[bytes] | None = None
        try:
            for frame in frames:
                if process is None:
                    process = subprocess.Popen(self._command(program, frame.shape, part), stdin=subprocess.PIPE)
                _give(process, frame)
                yield frame
            if process is not None:
                _give(process, *[frame] * round(self.hold * self.fps))
                process.communicate()
                if process.returncode == 0:
                    self.written.append(part.replace(self.path))
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()
            part.unlink(missing_ok=True)

    def _command(self, program: str, shape: tuple[int, ...], part: Path) -> list[str]:
        size = f"{shape[1]}x{shape[0]}"
        taken = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{self.fps:g}", "-i", "-"]
        # Two pixels share a colour in what players understand, so width and height must be even.
        made = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p"]
        return [program, "-loglevel", "quiet", "-y", *taken, *made, "-movflags", "+faststart", os.fspath(part)]


def _give(process: subprocess.Popen[bytes], *frames: ndarray) -> None:
    """Hand frames to ffmpeg; if it is gone already, its exit status will tell."""
    assert process.stdin is not None
    try:
        for frame in frames:
            process.stdin.write(frame.tobytes())
    except BrokenPipeError:
        pass
