"""The race: a surface in three dimensions and from above, with everybody's path on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy import ndarray

from ..console.style import figure
from .landscapes import Surface, crossing
from .race import Run
from .stage import (
    FAINT,
    INK,
    NORMAL,
    SMALL,
    Stage,
    colormap,
    draw_map,
    ground,
    heights,
    mark_minimum,
    window,
)

WIDTH = 800
PANEL = 312
"""Height of the two panels in pixels."""
PIECES = 8
"""Into which a step is cut in the 3-D panel, so that a path lies on the surface instead of tunnelling through it."""
COLUMNS, CELL = 4, 54
"""Of the legend: how many, and how high one entry is."""

MARKERS = {
    "sgd": "o",
    "momentum": "s",
    "nesterov": "D",
    "adagrad": "^",
    "rmsprop": "v",
    "adadelta": "P",
    "adam": "o",
    "adamw": "s",
    "adamax": "D",
    "radam": "o",
    "lookahead": "o",
    "ranger": "s",
}
"""Relatives share a colour; the mark at the head of its path tells an optimizer from them, where dashes are short."""


class Scene:
    """The picture of a race at any step.

    Args:
        surface: where it is.
        runs: of those who race.
        steps: of the race.
        sharpness: see `Stage`.
    """

    def __init__(self, surface: Surface, runs: Sequence[Run], steps: int, sharpness: float = 1) -> None:
        self.surface = surface
        self.runs = runs
        self.steps = steps
        self.signs: list[tuple[float, float]] = []
        self.legend_top = 66 + PANEL + 46
        self.stage = Stage(WIDTH, self.legend_top + CELL * -(-len(runs) // COLUMNS), sharpness)
        self.stage.title(f"{surface.title}", surface.formula)
        self.counter = self.stage.text(WIDTH - 14, 24, "", 11, ha="right", weight="bold", animated=True)
        self._draw_places()
        self.racers = [_Racer(self, run, i) for i, run in enumerate(runs)]

    def _draw_places(self) -> None:
        """The two panels, and what is said about them."""
        stage, surface = self.stage, self.surface
        self.solid, self.base = draw_solid(stage, surface, (8, 56, 372, 372))
        self.map = stage.axes(430, 74, WIDTH - 430 - 14, PANEL)
        stage.figure.draw_without_rendering()  # settles where the points of the 3-D panel are
        self.seen = window(surface, [run.path for run in self.runs if run.fate != "diverged"])
        draw_map(self.map, surface, *self.seen)
        self.map.plot(*surface.start, marker="o", ms=6, mfc="none", color=INK, mew=1.2, zorder=3)
        mark_minimum(self.map, surface)
        said = "seen from above:  ○ start" + ("  ★ minimum" if surface.minimum is not None else "")
        stage.text(14, 66, f"height: {self._height()}", SMALL, color=FAINT)
        self.box = _outline(*self.map.get_xlim(), *self.map.get_ylim())
        stage.over.plot(*self.on_solid(self.box, self.values(self.box)).T, color=FAINT, lw=0.7, ls=(0, (2, 2)))
        stage.text(WIDTH - 14, 66, said, SMALL, ha="right", color=FAINT)

    def _height(self) -> str:
        """What the third dimension is."""
        if not self.surface.logarithmic:
            return "f"
        return "log₁₀(1 + f)" if self.base == 0 else f"log₁₀(1 + f - ({self.base:.3g}))"

    def values(self, points: ndarray) -> ndarray:
        """The surface at points (n, 2)."""
        return self.surface.values(*points.T)

    def on_map(self, points: ndarray) -> ndarray:
        """Pixels (n, 2) of points (n, 2) on the map."""
        return self.stage.pixels(self.map, points)

    def on_solid(self, points: ndarray, losses: ndarray) -> ndarray:
        """Pixels (n, 2) of points (n, 2) at the height of `losses` in the 3-D panel."""
        from mpl_toolkits.mplot3d import proj3d

        z = heights(self.surface, losses, self.base)
        low, high = self.solid.get_zlim()
        flat = proj3d.proj_transform(*points.T, numpy.clip(z, low, high), self.solid.get_proj())
        return self.stage.pixels(self.solid, numpy.stack(flat[:2], axis=1))

    def sign(self, run: Run) -> list[Any]:
        """A cross where a run left the map, and words beside it: not on those of others that left there."""
        look = {"color": run.entrant.color, "animated": True}
        ((x, y),) = self.on_map(numpy.array([exit_of(run.path, *self.seen)]))
        cross = self.stage.line(marker="x", markersize=7, markeredgewidth=2, zorder=6, **look)
        cross.set_data([x], [y])
        top, bottom, right = 74, 74 + PANEL, WIDTH - 14
        room = 62 if run.fate == "left" else 82
        x = min(x + 9, right - room)
        y = min(max(y + 3, top + 12), bottom - 6)
        away = 12 if y < (top + bottom) / 2 else -12
        while any(abs(x - other_x) < room and abs(y - other_y) < 12 for other_x, other_y in self.signs):
            y += away
        self.signs.append((x, y))
        return [cross, self.stage.sign(x, y, f"{run.fate} at {run.steps}", SMALL, weight="bold", **look)]

    def frame(self, step: int) -> ndarray:
        """The picture after `step` steps."""
        self.counter.set_text(f"step {step} of {self.steps}")
        marks = [mark for racer in reversed(self.racers) for mark in racer.moved(step)]
        lines = [line for racer in reversed(self.racers) for line in racer.lines]
        return self.stage.frame([self.counter, *lines, *marks])


def exit_of(path: ndarray, x_range: tuple[float, float], y_range: tuple[float, float]) -> tuple[float, float]:
    """Where a path (n, 2) first crosses the edge of a rectangle; its end, if it does not."""
    (x0, x1), (y0, y1) = x_range, y_range
    inside = (path[:, 0] >= x0) & (path[:, 0] <= x1) & (path[:, 1] >= y0) & (path[:, 1] <= y1)
    out = int(numpy.argmin(inside))
    end = path[-1] if inside.all() else crossing(path[max(out - 1, 0)], path[out], x_range, y_range)
    return float(end[0]), float(end[1])


def _outline(x0: float, x1: float, y0: float, y1: float, n: int = 50) -> ndarray:
    """The points of a rectangle's sides, (4 n, 2)."""
    there, up = numpy.linspace(x0, x1, n), numpy.linspace(y0, y1, n)
    x = numpy.concatenate([there, numpy.full(n, x1), there[::-1], numpy.full(n, x0)])
    y = numpy.concatenate([numpy.full(n, y0), up, numpy.full(n, y1), up[::-1]])
    return numpy.stack([x, y], axis=1)


class _Racer:
    """One run's lines and marks on both panels, and its place in the legend."""

    def __init__(self, scene: Scene, run: Run, number: int) -> None:
        self.run = run
        stage = scene.stage
        look = {"color": run.entrant.color, "animated": True, "solid_capstyle": "round"}
        mark = {**look, "marker": marker(run), "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.8}
        fine = between(run.path)
        clip = {"clip_on": True, "clip_box": scene.map.bbox}
        self.tracks = [scene.on_solid(fine, scene.values(fine)), scene.on_map(run.path)]
        self.pieces = [PIECES, 1]
        self.lines = [stage.line(linestyle=run.entrant.dash, linewidth=1.8, **look) for _ in self.tracks]
        self.heads = [stage.line(zorder=5, **mark) for _ in self.tracks]
        if run.fate == "diverged":  # the map is of where the others are
            self.lines[1].set(**clip)
            self.heads[1].set(**clip)
        self._draw_legend(stage, number, scene.legend_top)
        self.out = scene.sign(run) if run.fate else []

    def _draw_legend(self, stage: Stage, number: int, top: float) -> None:
        run, width = self.run, (stage.width - 28) / COLUMNS
        x, y = 14 + width * (number % COLUMNS), top + CELL * (number // COLUMNS) + 12
        stage.over.plot([x, x + 22], [y - 4, y - 4], color=run.entrant.color, ls=run.entrant.dash, lw=1.8)
        stage.over.plot(
            [x + 11], [y - 4], color=run.entrant.color, marker=marker(run), ms=6, mec="white", mew=0.8, ls="none"
        )
        stage.text(x + 29, y, run.entrant.label, NORMAL, weight="bold")
        stage.text(x + 29, y + 14, run.caption, SMALL, color=FAINT)
        self.loss = stage.text(x + 29, y + 28, "", SMALL, animated=True)

    def moved(self, step: int) -> list[Any]:
        """Its artists, as they are after `step` steps."""
        run, t = self.run, self.run.at(step)
        for track, pieces, line, head in zip(self.tracks, self.pieces, self.lines, self.heads, strict=True):
            end = t * pieces
            line.set_data(*track[: end + 1].T)
            head.set_data(*track[end : end + 1].T)
        gone = bool(run.fate) and t == run.steps
        self.loss.set_text(f"{run.fate} at step {run.steps}" if gone else f"loss {run.losses[t]:.2g}")
        self.loss.set_weight("bold" if gone else "normal")
        return [*self.heads, self.loss, *(self.out if gone else [])]


def between(path: ndarray) -> ndarray:
    """A path (n + 1, 2) with every step cut into `PIECES`: (n PIECES + 1, 2)."""
    n = len(path) - 1
    t = numpy.linspace(0, n, n * PIECES + 1)
    return numpy.stack([numpy.interp(t, numpy.arange(n + 1), column) for column in path.T], axis=1)


def marker(run: Run) -> str:
    """The mark at the head of a run's path."""
    return MARKERS.get(run.entrant.name, "X")


def draw_solid(stage: Stage, surface: Surface, place: tuple[float, float, float, float]) -> tuple[Any, float]:
    """The surface in three dimensions; returns its axes, and what its heights are counted from."""
    import mpl_toolkits.mplot3d  # noqa: F401 (it makes the projection known)

    axes = stage.axes(*place, projection="3d", computed_zorder=False)
    x, y, f = surface.grid(surface.x_range, surface.y_range, 81)
    f = numpy.where(numpy.isfinite(f), f, numpy.nan)
    base = ground(f)
    z = heights(surface, f, base)
    axes.plot_surface(
        x, y, z, rcount=80, ccount=80, cmap=colormap(), edgecolor="#7F93AA", linewidth=0.15, antialiased=True
    )
    low, high = float(numpy.nanmin(z)), float(numpy.nanmax(z))
    axes.set(xlim=surface.x_range, ylim=surface.y_range, zlim=(low, max(high, low + 1e-9)))
    axes.view_init(*surface.camera)
    axes.set_box_aspect((1, 1, 0.55), zoom=1.0)
    axes.set(xlabel="x", ylabel="y")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set(color="#B0B0B0", linewidth=0.6)
        axis._axinfo["grid"].update(color="#E4E4E4", linewidth=0.5)
        axis.label.set(fontsize=SMALL, color=FAINT)
        axis.labelpad = -8
        axis.set_tick_params(labelsize=SMALL - 1, pad=-4, labelcolor=FAINT)
        axis.set_major_locator(_ticks())
    return axes, base


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 4, 5, 10], prune="both")


def _entry(run: Run) -> str:
    """What a legend says of a run."""
    fate = f"\n{run.fate} at step {run.steps}" if run.fate else ""
    return f"{run.entrant.label}\n{run.caption}{fate}"


def draw_losses(surface: Surface, runs: Sequence[Run], steps: int) -> Any:
    """Loss against step, for all runs: a figure."""
    fig, axes = figure(width=8, height=4.4)
    best = surface.value(surface.minimum) if surface.minimum is not None else 0.0
    above = [run.losses - best for run in runs]
    for run, losses in zip(runs, above, strict=True):
        entrant = run.entrant
        look = {"color": entrant.color, "ls": entrant.dash, "marker": marker(run), "mec": "white", "ms": 7}
        axes.plot(losses, **look, markevery=[run.steps], label=_entry(run))
    if all(losses.min() >= 0 for losses in above) and max(losses.max() for losses in above) > 0:
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(1e-9, 0.5 * min(losses[losses > 0].min() for losses in above if losses.any())))
    stayed = [losses for run, losses in zip(runs, above, strict=True) if run.fate != "diverged"]
    if stayed and len(stayed) < len(runs):  # who diverged does not set the scale
        axes.set_ylim(top=1.3 * max(float(losses.max()) for losses in stayed))
    axes.set(xlim=(0, steps), xlabel="step", ylabel=f"loss above the minimum, {best:g}" if best else "loss")
    axes.set_title(f"{surface.title}: loss after each step")
    fig.legend(loc="outside right upper")
    return fig
