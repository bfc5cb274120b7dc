"""Pictures of a race: the surface in three dimensions and from above, with all paths on it; and the losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy import ndarray

from ..console.style import figure
from .race import Trajectory
from .stage import (
    FAINT,
    INK,
    NORMAL,
    SMALL,
    Rect,
    Stage,
    colormap,
    draw_map,
    ground,
    heights,
    mark_minimum,
    window,
)
from .surface import Range, Surface, crossing

WIDTH = 800
PANEL = 312
"""Height of the two panels in pixels."""
PIECES = 8
"""The pieces into which a step is cut in the 3-D panel, so that a path follows the surface and does not cut through."""
COLUMNS, CELL = 4, 54
"""Of the legend: the number of columns, and the height of one entry in pixels."""
CAPTION = 8.0
"""The size of its small letters in points: as wide as a README, a picture is hardly larger than it was drawn."""

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
"""The marker at the end of each optimizer's path: relatives have shades of a colour, and on short paths dashes look
alike."""


class RacePicture:
    """The picture of a race, after any number of steps.

    Args:
        surface: the surface of the race.
        trajectories: those of all optimizers.
        steps: the number of steps of the race.
        sharpness: see `Stage`.
    """

    def __init__(self, surface: Surface, trajectories: Sequence[Trajectory], steps: int, sharpness: float = 1) -> None:
        self.surface = surface
        self.trajectories = trajectories
        self.steps = steps
        self.labels: list[tuple[float, float]] = []
        self.legend_top = 66 + PANEL + 46
        self.stage = Stage(WIDTH, self.legend_top + CELL * -(-len(trajectories) // COLUMNS), sharpness)
        self.stage.title(title_of(surface, trajectories), surface.formula)
        self.counter = self.stage.text(WIDTH - 14, 24, "", 11, ha="right", weight="bold", animated=True)
        self._draw_panels()
        self.racers = [_Racer(self, one, i) for i, one in enumerate(trajectories)]

    def _draw_panels(self) -> None:
        """The two panels without the paths, and what stands above them."""
        stage, surface = self.stage, self.surface
        self.solid, self.base = draw_solid(stage, surface, (8, 56, 372, 372))
        self.map = stage.axes(430, 74, WIDTH - 430 - 14, PANEL)
        stage.figure.draw_without_rendering()  # from here on pixels of the 3-D panel can be computed
        self.seen = window(surface, [one.path for one in self.trajectories if one.fate != "diverged"])
        draw_map(self.map, surface, *self.seen)
        self.map.plot(*surface.start, marker="o", ms=6, mfc="none", color=INK, mew=1.2, zorder=3)
        mark_minimum(self.map, surface)
        stage.text(14, 66, f"height: {self._height()}", SMALL, color=FAINT)
        # The part that the map shows, as a dotted outline in the 3-D panel.
        (x0, x1), (y0, y1) = self.seen
        box = between(numpy.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]), 49)
        stage.over.plot(*self.on_solid(box, self.values(box)).T, color=FAINT, lw=0.7, ls=(0, (2, 2)))
        words = "seen from above:  ○ start" + ("  ★ minimum" if surface.minimum is not None else "")
        stage.text(WIDTH - 14, 66, words, SMALL, ha="right", color=FAINT)

    def _height(self) -> str:
        """What the height in the 3-D panel is."""
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

    def mark_exit(self, one: Trajectory) -> list[Any]:
        """A cross where a trajectory left the map, and words beside it that do not cover those of another one."""
        look = {"color": one.entrant.color, "animated": True}
        ((x, y),) = self.on_map(numpy.array([exit_of(one.path, *self.seen)]))
        cross = self.stage.line(marker="x", markersize=7, markeredgewidth=2, zorder=6, **look)
        cross.set_data([x], [y])
        # To the right of the cross, but within the map; and up or down, towards its middle, until there is room.
        top, bottom, right = 74, 74 + PANEL, WIDTH - 14
        room = 62 if one.fate == "left" else 82
        x = min(x + 9, right - room)
        y = min(max(y + 3, top + 12), bottom - 6)
        away = 12 if y < (top + bottom) / 2 else -12
        while any(abs(x - other_x) < room and abs(y - other_y) < 12 for other_x, other_y in self.labels):
            y += away
        self.labels.append((x, y))
        return [cross, self.stage.sign(x, y, f"{one.fate} at {one.steps}", SMALL, weight="bold", **look)]

    def frame(self, step: int) -> ndarray:
        """The picture after `step` steps."""
        self.counter.set_text(f"step {step} of {self.steps}")
        racers = self.racers[::-1]  # the first one is drawn last, on top
        marks = [mark for racer in racers for mark in racer.moved(step)]
        lines = [line for racer in racers for line in racer.lines]
        return self.stage.frame([self.counter, *lines, *marks])


def title_of(surface: Surface, trajectories: Sequence[Trajectory]) -> str:
    """The surface, and who of several is first: the lowest at the end, or the one that leaves a saddle first."""
    key, words = (lambda one: float(one.losses[-1])), "ends lowest"
    running = [one for one in trajectories if one.fate != "diverged"]
    if surface.falls_away:
        key, words = (lambda one: float(one.steps)), "leaves first"
        running = [one for one in running if one.fate]
    first = [one for one in running if key(one) == min(map(key, running))]
    if len(trajectories) == 1 or len(first) != 1:
        return surface.title
    return f"{surface.title}: {first[0].entrant.label} {words}"


def exit_of(path: ndarray, x_range: Range, y_range: Range) -> tuple[float, float]:
    """Where a path (n, 2) first crosses the edge of a rectangle; the end of the path, if it does not."""
    (x0, x1), (y0, y1) = x_range, y_range
    inside = (path[:, 0] >= x0) & (path[:, 0] <= x1) & (path[:, 1] >= y0) & (path[:, 1] <= y1)
    out = int(numpy.argmin(inside))
    end = path[-1] if inside.all() else crossing(path[max(out - 1, 0)], path[out], x_range, y_range)
    return float(end[0]), float(end[1])


class _Racer:
    """One trajectory's line and marker in both panels, and its entry in the legend."""

    def __init__(self, picture: RacePicture, one: Trajectory, number: int) -> None:
        self.trajectory = one
        stage = picture.stage
        look = {"color": one.entrant.color, "animated": True, "solid_capstyle": "round"}
        mark = {**look, "marker": marker(one), "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.8}
        fine = between(one.path, PIECES)
        # The path in pixels of the 3-D panel and of the map, and how many pieces each of its steps has there.
        self.tracks = [picture.on_solid(fine, picture.values(fine)), picture.on_map(one.path)]
        self.pieces = [PIECES, 1]
        self.lines = [stage.line(linestyle=one.entrant.dash, linewidth=1.8, **look) for _ in self.tracks]
        self.heads = [stage.line(zorder=5, **mark) for _ in self.tracks]
        if one.fate == "diverged":  # the map shows where the others are
            for artist in (self.lines[1], self.heads[1]):
                artist.set(clip_on=True, clip_box=picture.map.bbox)
        self._draw_legend(stage, number, picture.legend_top)
        self.out = picture.mark_exit(one) if one.fate else []

    def _draw_legend(self, stage: Stage, number: int, top: float) -> None:
        one, width = self.trajectory, (stage.width - 28) / COLUMNS
        x, y = 14 + width * (number % COLUMNS), top + CELL * (number // COLUMNS) + 12
        stage.over.plot([x, x + 22], [y - 4, y - 4], color=one.entrant.color, ls=one.entrant.dash, lw=1.8)
        stage.over.plot(
            [x + 11], [y - 4], color=one.entrant.color, marker=marker(one), ms=6, mec="white", mew=0.8, ls="none"
        )
        stage.text(x + 29, y, one.entrant.label, NORMAL, weight="bold")
        stage.text(x + 29, y + 14, one.caption, CAPTION, color=FAINT)
        self.loss = stage.text(x + 29, y + 28, "", CAPTION, animated=True)

    def moved(self, step: int) -> list[Any]:
        """Its artists, as they are after `step` steps."""
        one, t = self.trajectory, self.trajectory.at(step)
        for track, pieces, line, head in zip(self.tracks, self.pieces, self.lines, self.heads, strict=True):
            end = t * pieces
            line.set_data(*track[: end + 1].T)
            head.set_data(*track[end : end + 1].T)
        gone = bool(one.fate) and t == one.steps
        self.loss.set_text(f"{one.fate} at step {one.steps}" if gone else f"loss {one.losses[t]:.2g}")
        self.loss.set_weight("bold" if gone else "normal")
        return [*self.heads, self.loss, *(self.out if gone else [])]


def between(path: ndarray, pieces: int) -> ndarray:
    """A path (n + 1, 2) with every step cut into equal pieces: (n pieces + 1, 2)."""
    from matplotlib.path import Path

    return numpy.asarray(Path(path).interpolated(pieces).vertices)


def marker(one: Trajectory) -> str:
    """The marker at the end of a trajectory."""
    return MARKERS.get(one.entrant.name, "X")


def draw_solid(stage: Stage, surface: Surface, place: Rect) -> tuple[Any, float]:
    """Draw the surface in three dimensions; returns its axes, and the base of its heights (see `ground`)."""
    import mpl_toolkits.mplot3d  # noqa: F401 (it registers the projection "3d")
    from matplotlib.ticker import MaxNLocator

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
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 4, 5, 10], prune="both"))
    return axes, base


def draw_losses(surface: Surface, trajectories: Sequence[Trajectory], steps: int) -> Any:
    """Draw the loss against the step, for all trajectories: a figure."""
    fig, axes = figure(width=8, height=4.4)
    best = surface.value(surface.minimum) if surface.minimum is not None else 0.0
    above = [one.losses - best for one in trajectories]
    for one, losses in zip(trajectories, above, strict=True):
        look = {"color": one.entrant.color, "ls": one.entrant.dash, "marker": marker(one), "mec": "white", "ms": 7}
        fate = f"\n{one.fate} at step {one.steps}" if one.fate else ""
        axes.plot(losses, **look, markevery=[one.steps], label=f"{one.entrant.label}\n{one.caption}{fate}")
    if all(losses.min() >= 0 for losses in above) and max(losses.max() for losses in above) > 0:
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(1e-9, 0.5 * min(losses[losses > 0].min() for losses in above if losses.any())))
    stayed = [losses for one, losses in zip(trajectories, above, strict=True) if one.fate != "diverged"]
    if stayed and len(stayed) < len(trajectories):  # the range of the axis is that of the others
        axes.set_ylim(top=1.3 * max(float(losses.max()) for losses in stayed))
    axes.set(xlim=(0, 1.02 * steps), xlabel="step", ylabel=f"loss above the minimum, {best:g}" if best else "loss")
    axes.set_title(f"{surface.title}: loss after each step")
    fig.legend(loc="outside right upper")
    return fig
