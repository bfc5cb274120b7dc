"""A picture laid out in pixels, whose background is drawn only once for all frames; and maps of surfaces on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy import ndarray
from PIL import Image

from ..console import report
from ..console.style import SETTINGS
from .animation import palette, reduce
from .surface import Range, Surface

Rect = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

Window = tuple[Range, Range]
"""A part of the plane: the ranges of x and y."""

INK = "#222222"
FAINT = "#6B6B6B"
PAPER = "#FFFFFF"

HEIGHTS = ("#FBFBF8", "#E6EBF0", "#CBD6E2", "#A9BCD0", "#8AA1BC")
"""The colours of a surface, from low to high: pale, so that every optimizer's line is clearly visible on it."""

SMALL, NORMAL, LARGE = 7.5, 8.5, 12.0
"""Sizes of text in points; a picture has 100 pixels to the inch, so a point is 1.4 pixels."""


class Stage:
    """A figure whose axes are placed by pixels, counted from the upper left corner as in a picture.

    Args:
        width, height: in pixels.
        sharpness: 1 for an animation, 2 for a still with twice the pixels and the same proportions.
    """

    def __init__(self, width: int, height: int, sharpness: float = 1) -> None:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        matplotlib.rcParams.update({**SETTINGS, "font.size": NORMAL, "lines.dash_capstyle": "butt"})
        self.width, self.height = width, height
        self.sharpness = sharpness
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100 * sharpness)
        self.canvas = FigureCanvasAgg(self.figure)
        self.over = self.axes(0, 0, width, height, zorder=10)
        self.over.set(xlim=(0, width), ylim=(height, 0))
        self.over.axis("off")
        self._background: Any = None

    def axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Any:
        """Axes in that rectangle."""
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h), **options)

    def panel(self, left: float, top: float, width: float, height: float, title: str = "", **options: Any) -> Any:
        """Axes for a diagram in that rectangle, its title above it; `options` as for ``axes.set``."""
        axes = self.axes(left, top, width, height)
        axes.tick_params(labelsize=SMALL, length=2, pad=2, labelcolor=FAINT)
        for spine in axes.spines.values():
            spine.set(color="#B0B0B0", linewidth=0.6)
        self.text(left, top - 8, title, NORMAL, weight="bold")
        axes.set(**options)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(fontsize=SMALL, color=FAINT)
        return axes

    def text(self, x: float, y: float, words: str, size: float = NORMAL, **options: Any) -> Any:
        """Text on top of everything, at a place in pixels; `y` is its baseline unless `va` says otherwise."""
        options = {"color": INK, "va": "baseline", **options}
        return self.over.text(x, y, words, fontsize=size, **options)

    def sign(self, x: float, y: float, words: str, size: float = NORMAL, **options: Any) -> Any:
        """Text with a white outline, which can be read on top of lines."""
        from matplotlib.patheffects import withStroke

        return self.text(x, y, words, size, path_effects=[withStroke(linewidth=2.5, foreground=PAPER)], **options)

    def title(self, words: str, below: str = "") -> None:
        """The picture's title, and a line below it."""
        self.text(14, 24, words, LARGE, weight="bold")
        self.text(14, 44, below, NORMAL, color=FAINT)

    def pixels(self, axes: Any, points: ndarray) -> ndarray:
        """Convert points (n, 2) in the coordinates of some axes to pixels (n, 2), for lines on `over`."""
        shown = axes.transData.transform(points) / self.sharpness
        return numpy.stack([shown[:, 0], self.height - shown[:, 1]], axis=1)

    def line(self, axes: Any = None, **options: Any) -> Any:
        """A line that has no points yet, on top of everything (in pixels) or in `axes`."""
        return (self.over if axes is None else axes).plot([], [], **{"clip_on": axes is not None, **options})[0]

    def frame(self, moving: Iterable[Any]) -> ndarray:
        """The picture with the artists `moving` drawn over the background: bytes (height, width, 3).

        The background, all artists that are not `animated`, is drawn for the first frame and kept.
        """
        if self._background is None:
            self.canvas.draw()
            self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._background)
        for artist in moving:
            self.figure.draw_artist(artist)
        return numpy.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def save_png(path: Path, frame: ndarray, colors: int = 0) -> Path:
    """Write a frame as a PNG; with `colors`, in a palette of so many, which makes it a third of the size."""
    image = reduce(frame, palette([frame], colors)) if colors else Image.fromarray(frame)
    with report.beside(path) as part:
        image.save(part, format="PNG", optimize=True)
    return path


# Maps of surfaces.


def heights(surface: Surface, f: Any, base: float) -> ndarray:
    """The heights at which pictures draw the values `f` of a surface; logarithmic ones are counted from `base`."""
    f = numpy.asarray(f, dtype=float)
    return numpy.log10(1 + numpy.maximum(f - base, 0)) if surface.logarithmic else f


def ground(f: ndarray) -> float:
    """The base of logarithmic heights of values `f`: 0, or the lowest value if that is below 0 or not below 1."""
    lowest = float(numpy.nanmin(f))
    return 0.0 if 0 <= lowest < 1 else lowest


def colormap() -> Any:
    """`HEIGHTS` as a colormap of matplotlib's."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heights", HEIGHTS)


def draw_map(axes: Any, surface: Surface, x_range: Range, y_range: Range, levels: int = 16) -> None:
    """Draw the surface from above: colours for its height, and contour lines."""
    x, y, f = surface.grid(x_range, y_range, 160)
    f = numpy.where(numpy.isfinite(f), f, numpy.nan)
    z = heights(surface, f, ground(f))
    # Around a minimum the height grows with the square of the distance. So levels that grow with the square of their
    # number give contour lines at equal distances.
    part = numpy.linspace(0, 1, levels) ** (2 if surface.minimum and not surface.logarithmic else 1)
    at = float(numpy.nanmin(z)) + part * max(float(numpy.nanmax(z) - numpy.nanmin(z)), 1e-9)
    axes.contourf(x, y, numpy.sqrt(z - at[0]), levels=numpy.sqrt(at - at[0]), cmap=colormap())
    axes.contour(x, y, z, levels=at[1:], colors="#8496AB", linewidths=0.5, linestyles="solid")
    axes.set(xlim=x_range, ylim=y_range)
    axes.grid(False)
    axes.tick_params(labelsize=SMALL, length=2, pad=2, colors=FAINT)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#B8B8B8", linewidth=0.6)


def mark_minimum(axes: Any, surface: Surface) -> None:
    """Draw a star where the surface has its minimum, if that is known."""
    if surface.minimum is not None:
        axes.plot(*surface.minimum, marker="*", ms=10, color=INK, mec="white", mew=0.6, zorder=6)


def window(surface: Surface, paths: Sequence[ndarray]) -> Window:
    """The part of the surface with all paths, the start and the minimum, and some room around them.

    Of a surface that falls away, it is the whole.
    """
    if surface.falls_away:
        return surface.x_range, surface.y_range
    places = numpy.concatenate([*paths, numpy.array([surface.start, surface.minimum or surface.start])])
    found = []
    for column, (low, high) in zip(places.T, (surface.x_range, surface.y_range), strict=True):
        room = max(0.08 * (column.max() - column.min()), 0.03 * (high - low))
        found.append((max(low, float(column.min() - room)), min(high, float(column.max() + room))))
    return found[0], found[1]


def with_aspect(seen: Window, ratio: float) -> Window:
    """The smallest window around `seen`, with the same centre, that is `ratio` times as wide as high."""
    (x0, x1), (y0, y1) = seen
    width, height = max(x1 - x0, ratio * (y1 - y0)), max(y1 - y0, (x1 - x0) / ratio)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (x - width / 2, x + width / 2), (y - height / 2, y + height / 2)
