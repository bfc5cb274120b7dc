"""Pictures of an optimizer's state: on a map as vectors, and beside it as a line for each axis.

What the vectors and the ellipse are is in `benchmarks.pictures.step_parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy import ndarray

from ..console.style import DASHED, DOTTED, SOLID
from .race import Trajectory
from .race_picture import marker
from .stage import FAINT, INK, NORMAL, SMALL, Rect, Stage, Window, draw_map, mark_minimum, window, with_aspect
from .step_parts import GRADIENT, StepParts, step_parts
from .surface import Surface

WIDTH = 800
CELL, MAP = 396, (356, 190)
"""Of the still: the height of one optimizer's part, and the size of its map, in pixels."""

TURN = numpy.linspace(0, 2 * numpy.pi, 73)
CIRCLE = numpy.stack([numpy.cos(TURN), numpy.sin(TURN)], axis=1)


def window_of(surface: Surface, trajectories: Sequence[Trajectory], ratio: float) -> Window:
    """The part of the surface where the trajectories and their vectors are, `ratio` times as wide as high.

    A unit has the same length in x and in y: only then is straight downhill perpendicular to the contour lines.
    """
    taken = [step_parts(one) for one in trajectories]
    points = [each for parts in taken for each in (parts.path, parts.gradient_at, parts.path[:-1] + parts.state)]
    return with_aspect(window(surface, points), ratio)


class StateView:
    """One optimizer's state at any step: on the map, and beside it as a line for each axis.

    Args:
        stage: what it is drawn on.
        surface, trajectory: what is drawn.
        place: of the map.
        seen: the part of the surface that the map shows.
        strips: the places of the two lines, along x and along y.
    """

    def __init__(
        self, stage: Stage, surface: Surface, one: Trajectory, place: Rect, strips: Sequence[Rect], seen: Window
    ) -> None:
        self.stage, self.trajectory, self.parts = stage, one, step_parts(one)
        # What stays: the map.
        self.map = stage.axes(*place)
        draw_map(self.map, surface, *seen, levels=14)
        mark_minimum(self.map, surface)
        # What moves, at no place yet.
        color, mark = one.entrant.color, marker(one)
        self.trail = stage.line(self.map, color=color, linestyle=one.entrant.dash, lw=1.3, alpha=0.75, animated=True)
        self.ellipse = stage.line(self.map, color=color, lw=1.0, ls=(0, (3, 2)), animated=True)
        self.spot = stage.line(self.map, color=color, marker=mark, ms=7, mec="white", mew=0.8, zorder=8, animated=True)
        self.gradient_at = stage.line(
            self.map, color=INK, marker="D", ms=6, mfc="white", mew=1.2, zorder=8, animated=True
        )
        self.arrows = [self._arrow(color), self._arrow(FAINT)]
        self.enlarged = self._enlargement()
        self.strips = [_Strip(stage, self, rect, axis) for axis, rect in enumerate(strips)]

    def _arrow(self, color: str) -> Any:
        from matplotlib.patches import FancyArrowPatch

        look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "linewidth": 1.8, "joinstyle": "miter"}
        arrow = FancyArrowPatch((0, 0), (1, 1), shrinkA=0, shrinkB=0, color=color, zorder=7, animated=True, **look)
        self.stage.over.add_patch(arrow)
        arrow.set_clip_box(self.map.bbox)
        return arrow

    def _enlargement(self) -> int:
        """The factor by which the vectors are drawn longer than they are, to be visible."""
        pixels = self.stage.pixels(self.map, self.parts.path)
        lengths = numpy.hypot(*numpy.diff(pixels, axis=0).T)
        usual, longest = numpy.quantile(lengths, [0.8, 0.95]).tolist()
        if usual > (15 if self.parts.chained else 30):
            return 1
        return max(1, round(min(30 / max(usual, 0.6), 120 / max(longest, 0.6))))

    def moved(self, step: int) -> list[Any]:
        """Its artists during the step number `step`, from 1 on."""
        parts, k = self.parts, min(step, self.trajectory.steps) - 1
        here = parts.path[k]
        self.trail.set_data(*parts.path[: k + 1].T)
        self.spot.set_data(*parts.path[k : k + 1].T)
        shown = [self.trail, self.spot]
        if parts.axes is not None:
            self.ellipse.set_data(*(here + self.enlarged * parts.axes[k] * CIRCLE).T)
            shown.insert(0, self.ellipse)
        tip = here + self.enlarged * parts.state[k]
        foot = tip if parts.chained else here
        shown += self._pointed((here, tip), (foot, foot + self.enlarged * parts.gradient[k]))
        if parts.chained and self.enlarged == 1:
            self.gradient_at.set_data(*parts.gradient_at[k : k + 1].T)
            shown.append(self.gradient_at)
        return [*shown, *(artist for strip in self.strips for artist in strip.moved(k))]

    def _pointed(self, *ends: tuple[ndarray, ndarray]) -> list[Any]:
        """The arrows between these pairs of points, without those that are too short to be seen."""
        shown = []
        for arrow, pair in zip(self.arrows, ends, strict=True):
            start, stop = self.stage.pixels(self.map, numpy.stack(pair))
            if 2 < numpy.hypot(*(stop - start)) < 2000:
                arrow.set_positions(start, stop)
                shown.append(arrow)
        return shown[::-1]


class _Strip:
    """The state along one axis, and the gradient along it, against the step."""

    def __init__(self, stage: Stage, view: StateView, rect: Rect, axis: int) -> None:
        parts, color, steps = view.parts, view.trajectory.entrant.color, view.trajectory.steps
        axes = stage.axes(*rect)
        self.steps = numpy.arange(1, steps + 1)
        # The range of the axes, from the largest number in any of the series.
        series = {name: values[:, axis] for name, values in parts.series.items()}
        sizes = [numpy.abs(values[numpy.isfinite(values)]).max(initial=0) for values in series.values()]
        reach = 1.1 * float(max(sizes)) or 1.0
        axes.set(xlim=(1, max(2, steps)), ylim=(-reach, reach))
        axes.tick_params(labelsize=SMALL - 0.5, length=2, pad=2, colors=FAINT)
        axes.grid(False)
        axes.axhline(0, color="#C8C8C8", lw=0.6)
        axes.locator_params(axis="y", nbins=4)
        # A band for what is divided by; for every other series a line, and a dot that moves along it.
        self.columns = []
        looks = [{"color": color, "lw": 1.6, "ls": dash} for dash in (SOLID, DASHED, DOTTED)] * 4
        for name, values in series.items():
            if name == parts.envelope:
                axes.fill_between(self.steps, -values, values, color=color, alpha=0.18, lw=0)
                continue
            look = {"color": FAINT, "lw": 0.9, "ls": SOLID} if name == GRADIENT else looks.pop(0)
            axes.plot(self.steps, values, alpha=0.9, **look)
            dot = stage.line(axes, marker="o", ms=4.5, color=look["color"], mec="white", mew=0.6, animated=True)
            self.columns.append((dot, values))
        self.now = axes.axvline(1, color=INK, lw=0.8, animated=True)

    def moved(self, k: int) -> list[Any]:
        """Its artists at row `k`."""
        self.now.set_xdata([self.steps[k]] * 2)
        for dot, values in self.columns:
            dot.set_data([self.steps[k]], [values[k]])
        return [self.now, *(dot for dot, _ in self.columns)]


def legend(view: StateView) -> list[tuple[str, str, str]]:
    """What the legend says: (symbol, its colour, words)."""
    parts, color = view.parts, view.trajectory.entrant.color
    times = f" (drawn {view.enlarged} times as long)" if view.enlarged != 1 else ""
    entries = [("→", color, parts.words[0] + times), ("→", FAINT, parts.words[1])]
    if parts.chained and view.enlarged == 1:
        entries.append(("◇", INK, "where the gradient g is taken"))
    if parts.axes is not None:
        entries.append(("◌", color, "where a gradient as long, of any direction, would lead"))
    return entries


class StateAnimation:
    """One optimizer's state, as a picture for each step."""

    def __init__(self, surface: Surface, one: Trajectory, sharpness: float = 1) -> None:
        self.trajectory = one
        self.stage = stage = Stage(WIDTH, 470, sharpness)
        stage.title(f"Inside the state: {one.entrant.label}", f"{surface.title}, {surface.formula};  {one.caption}")
        self.counter = stage.text(WIDTH - 14, 24, "", 11, ha="right", weight="bold", animated=True)
        # The map to the left, a line for each axis to the right.
        rects = [(524, 92, 262, 132), (524, 262, 262, 132)]
        place = (40, 74, 430, 320)
        self.view = StateView(stage, surface, one, place, rects, window_of(surface, [one], place[2] / place[3]))
        for axis, rect in zip("xy", rects, strict=True):
            stage.text(rect[0], rect[1] - 8, f"along {axis}:", SMALL, weight="bold")
            _name_series(stage, self.view.parts, one.entrant.color, rect[0] + 52, rect[1] - 8)
        stage.text(524 + 262, 424, "step", SMALL, color=FAINT, ha="right")
        # The legend below, in two rows.
        for i, (symbol, color, words) in enumerate(legend(self.view)):
            x, y = 40 + 380 * (i // 2), 430 + 18 * (i % 2)
            stage.text(x, y, symbol, 11, color=color, weight="bold")
            stage.text(x + 20, y, words, SMALL)

    def frame(self, step: int) -> ndarray:
        """The picture during the step number `step`."""
        self.counter.set_text(f"step {step} of {self.trajectory.steps}")
        return self.stage.frame([self.counter, *self.view.moved(step)])


def _name_series(stage: Stage, parts: StepParts, color: str, x: float, y: float) -> None:
    """The names of the lines in a strip, in their colours."""
    for name in parts.series:
        words = f"± {name}" if name == parts.envelope else name
        look = {"color": FAINT} if name == GRADIENT else {"color": color, "weight": "bold"}
        written = stage.text(x, y, words, SMALL, **look)
        x += written.get_window_extent(stage.canvas.get_renderer()).width / stage.sharpness + 8


def still(surface: Surface, trajectories: Sequence[Trajectory], step: int, sharpness: float = 1.5) -> ndarray:
    """Several optimizers during the step number `step`, two to a row."""
    rows = -(-len(trajectories) // 2)
    stage = Stage(WIDTH, 62 + CELL * rows, sharpness)
    stage.title("Inside the state", f"{surface.title}, step {step}:  {surface.formula}")
    moving: list[Any] = []
    seen = window_of(surface, trajectories, MAP[0] / MAP[1])
    for i, one in enumerate(trajectories):
        moving += _cell(stage, surface, one, (12 + 394 * (i % 2), 58 + CELL * (i // 2)), seen).moved(step)
    return stage.frame(moving)


def _cell(stage: Stage, surface: Surface, one: Trajectory, corner: tuple[float, float], seen: Window) -> StateView:
    """One optimizer's part of the still."""
    left, top = corner
    stage.text(left, top + 20, one.entrant.label, 11, weight="bold", color=one.entrant.color)
    stage.text(left + 382, top + 20, one.caption, SMALL, color=FAINT, ha="right")
    width, height = MAP
    below = top + 30 + height
    rects = [(left + 26, below + 96, 162, 62), (left + 220, below + 96, 162, 62)]
    view = StateView(stage, surface, one, (left + 26, top + 30, width, height), rects, seen)
    for i, (symbol, color, words) in enumerate(legend(view)):
        stage.text(left + 26, below + 32 + 15 * i, symbol, NORMAL, color=color, weight="bold")
        stage.text(left + 46, below + 32 + 15 * i, words, SMALL)
    for axis, rect in zip("xy", rects, strict=True):
        stage.text(rect[0], rect[1] - 6, f"{axis}:", SMALL, weight="bold")
        _name_series(stage, view.parts, one.entrant.color, rect[0] + 16, rect[1] - 6)
    return view
