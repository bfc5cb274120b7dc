"""Write frames as a small GIF, and as an MP4 where ffmpeg is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
from numpy import ndarray
from PIL import Image

from ..console import report
from ..console.style import GUESTS, LOOKS

COLORS = 255
"""In the palette that all frames of a GIF share; the 256th stands for "as in the frame before"."""

KEPT = sorted({look.color for look in (*LOOKS.values(), *GUESTS)})
"""The colours of the optimizers, which every palette has: they are the same in every picture."""


def animate(
    path: Path,
    frame: Callable[[int], ndarray],
    steps: Sequence[int],
    samples: Sequence[int],
    fps: float = 25,
    hold: float = 3.0,
    tick: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Write a GIF at `path`, and an MP4 beside it if ffmpeg is installed. Returns what was written.

    Args:
        path: ends in .gif; the folder exists.
        frame: called with a step, returns its picture: bytes of shape (height, width, 3), all of one size.
        steps: what is shown, in this order.
        samples: a few steps for the palette, whose pictures together have about all the colours.
        fps: frames per second.
        hold: how many seconds the last frame stays.
        tick: called with the number of frames that have been drawn.
    """
    small = palette([frame(step) for step in samples])
    reduced = []
    with Mp4(path.with_suffix(".mp4"), fps) as film:
        for done, step in enumerate(steps):
            drawn = frame(step)
            reduced.append(reduce(drawn, small))
            film.add(drawn, 1 if done < len(steps) - 1 else 1 + round(hold * fps))
            tick(done + 1)
    duration = round(100 / fps) * 10  # milliseconds; a GIF counts hundredths of a second
    durations = [duration] * (len(reduced) - 1) + [round(hold * 1000)]
    options = {"save_all": True, "append_images": reduced[1:], "duration": durations, "loop": 0, "disposal": 1}
    with report.beside(path) as part:
        reduced[0].save(part, format="GIF", optimize=True, **options)
    return [path, *film.written]


def palette(samples: Sequence[ndarray], count: int = COLORS) -> Image.Image:
    """An image whose palette has `count` colours: white, the `KEPT` ones, and those that render the samples best.

    Pillow alone would replace the colour of a thin line, which few pixels have, by a similar one.
    """
    kept = numpy.array([list(bytes.fromhex(color[1:])) for color in KEPT])
    tall = Image.fromarray(numpy.concatenate(samples))
    reduced = tall.quantize(count - len(kept) - 1, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    found = numpy.array(reduced.getpalette()).reshape(-1, 3)[: count - len(kept) - 1]
    far = numpy.abs(found[:, None] - kept).max(2).min(1) > 12  # a similar colour could be chosen in place of a kept one
    holder = Image.new("P", (1, 1))
    holder.putpalette([255, 255, 255, *kept.ravel().tolist(), *found[far].ravel().tolist()])
    return holder


def reduce(frame: ndarray, small: Image.Image) -> Image.Image:
    """The frame in the palette of `small`. It is not dithered: equal pixels stay equal from frame to frame."""
    reduced = numpy.array(Image.fromarray(frame).quantize(palette=small, dither=Image.Dither.NONE))
    reduced[frame.min(2) == 255] = 0  # Pillow may take another colour that is almost white
    image = Image.fromarray(reduced)
    image.putpalette(small.getpalette() or [])
    return image


class Mp4:
    """Frames that are passed to ffmpeg one by one, which makes an MP4 of them: a context manager.

    Without ffmpeg, or with one that cannot write H.264, no MP4 is written, silently.
    (matplotlib's writer for ffmpeg takes figures only, and draws all of a figure for every frame.)
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.part = path, path.with_name(f".{path.name}.part.mp4")
        self.fps = fps
        self.program = shutil.which("ffmpeg")
        self.process: subprocess.Popen[bytes] | None = None
        self.written: list[Path] = []

    def add(self, frame: ndarray, times: int = 1) -> None:
        """Pass on a frame, to be shown so many times."""
        if self.program is None:
            return
        if self.process is None:
            self.process = subprocess.Popen(self.command(self.program, frame.shape), stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        try:
            for _ in range(times):
                self.process.stdin.write(frame.tobytes())
        except BrokenPipeError:
            pass  # ffmpeg has ended already; its exit status is looked at in the end

    def command(self, program: str, shape: tuple[int, ...]) -> list[str]:
        """The command that reads frames of this shape from standard input."""
        size = f"{shape[1]}x{shape[0]}"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{self.fps:g}", "-i", "-"]
        # In the usual pixel format four neighbouring pixels share a colour, so width and height must be even.
        target = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p"]
        return [program, "-loglevel", "quiet", "-y", *source, *target, "-movflags", "+faststart", os.fspath(self.part)]

    def __enter__(self) -> Mp4:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Wait for ffmpeg, and give the file its name; if an error was raised, end ffmpeg and remove the file."""
        if self.process is not None:
            if kind is not None:
                self.process.kill()
            self.process.communicate()
            if kind is None and self.process.returncode == 0:
                self.written.append(self.part.replace(self.path))
        self.part.unlink(missing_ok=True)
