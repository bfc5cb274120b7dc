"""Inside the state: what an optimizer keeps, drawn where it is and as it moves.

A rule of momentum's kind keeps a velocity: two arrows, tip to tail, what the velocity carries and what the
gradient adds, end at the next point. Momentum takes the gradient where the first arrow starts, Nesterov where it
ends, at the look-ahead point.

A rule that divides keeps a step for each axis: on the ellipse end the steps for all gradients that are as long as
the one at hand, whatever their direction. For plain SGD it would be a circle, and the step would go straight
downhill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray, sqrt

from ..console.style import DASHED, DOTTED, SOLID
from .landscapes import Surface
from .race import Run
from .racing import marker
from .stage import FAINT, INK, NORMAL, SMALL, Stage, draw_map, mark_minimum, window

WIDTH = 800
GRADIENT = "gradient g"
"""What it is called among what is kept."""

CELL, MAP = 396, (356, 190)
"""Of the still: the height of one optimizer's part, and the size of its map."""

TURN = numpy.linspace(0, 2 * numpy.pi, 73)
CIRCLE = numpy.stack([numpy.cos(TURN), numpy.sin(TURN)], axis=1)

Rect = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

Window = tuple[tuple[float, float], tuple[float, float]]
"""Ranges of x and y."""


@dataclass(frozen=True)
class Anatomy:
    """A run taken apart. Row t of each array is about the step that leaves ``path[t]``.

    Attributes:
        path: (steps + 1, 2). For Nesterov, of the ball; the run's own points are where it looked ahead.
        state: the first arrow, (steps, 2): what the state does.
        gradient: the second arrow, (steps, 2): what the gradient does.
        chained: whether the second arrow starts at the tip of the first, and so ends at the next point.
        looked: where the gradient was taken, (steps, 2).
        series: what is kept, and the gradient, by name, each (steps, 2) and in the gradient's unit.
        envelope: of `series`, what the steps are divided by: drawn as a band, up and down from 0.
        axes: the half axes of the ellipse, (steps, 2).
        words: what the two arrows are called.
    """

    path: ndarray
    state: ndarray
    gradient: ndarray
    chained: bool
    looked: ndarray
    series: dict[str, ndarray]
    envelope: str = ""
    axes: ndarray | None = None
    words: tuple[str, str] = ("the step", "straight downhill, as far")


def anatomy(run: Run) -> Anatomy:
    """Take a run apart, by what its rule keeps; a rule that is not known shows its step and its state."""
    known = KNOWN.get(run.entrant.name)
    if known is not None:
        return known(run)
    step = numpy.diff(run.path, axis=0)
    return Anatomy(run.path, step, _downhill(run, step), False, run.path[:-1], {**_kept(run), **_gradient(run)})


def momentum(run: Run) -> Anatomy:
    """theta <- theta - lr mu v - lr g: the old velocity, and the gradient at theta."""
    lr, mu, g = run.hyperparameters["lr"], run.hyperparameters["momentum"], run.gradients[:-1]
    series = {"velocity v": run.states["v"][1:], **_gradient(run)}
    carried = -lr * mu * run.states["v"][:-1]
    words = (r"$-lr\,\mu v$, what the velocity carries", r"$-lr\,g$, what the gradient adds")
    return Anatomy(run.path, carried, -lr * g, True, run.path[:-1], series, words=words)


def nesterov(run: Run) -> Anatomy:
    """The ball is at theta + lr mu v; its velocity takes it to theta, and there the gradient is taken."""
    told = momentum(run)
    ball = run.path + run.hyperparameters["lr"] * run.hyperparameters["momentum"] * run.states["v"]
    return Anatomy(ball, told.state, told.gradient, True, run.path[:-1], told.series, words=told.words)


def adagrad(run: Run) -> Anatomy:
    """theta <- theta - lr g / (sqrt(G) + eps)."""
    return _divided(run, "√G", sqrt(run.states["G"][1:]), run.gradients[:-1])


def rmsprop(run: Run) -> Anatomy:
    """theta <- theta - lr g / (sqrt(v) + eps)."""
    return _divided(run, "√v", sqrt(run.states["v"][1:]), run.gradients[:-1])


def adadelta(run: Run) -> Anatomy:
    """theta <- theta - lr sqrt(u + eps) / sqrt(v + eps) g."""
    eps = run.hyperparameters["eps"]
    root = sqrt(run.states["v"][1:] + eps)
    return _divided(run, "√v", root, run.gradients[:-1], scale=sqrt(run.states["u"][:-1] + eps))


def adam(run: Run) -> Anatomy:
    """theta <- theta - lr m_hat / (sqrt(v_hat) + eps)."""
    m_hat, v_hat = (run.states[name][1:] / correction for name, correction in zip("mv", _corrections(run), strict=True))
    return _divided(run, "√v̂", sqrt(v_hat), m_hat, "mean m̂")


def adamax(run: Run) -> Anatomy:
    """theta <- theta - lr m_hat / u."""
    return _divided(run, "u", run.states["u"][1:], run.states["m"][1:] / _corrections(run)[0], "mean m̂")


KNOWN: dict[str, Callable[[Run], Anatomy]] = {
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adam,
    "adamax": adamax,
}
"""How to take a run apart, by the name of its optimizer."""


def _divided(run: Run, name: str, root: ndarray, driving: ndarray, called: str = "", scale: Any = 1.0) -> Anatomy:
    """A rule whose step is lr times `scale` times `driving`, divided by `root`."""
    step = numpy.diff(run.path, axis=0)
    rates = run.hyperparameters["lr"] * scale / (root + 1e-30)
    axes = rates * numpy.hypot(*driving.T)[:, None]
    series = {name: root, **({called: driving} if called else {}), **_gradient(run)}
    return Anatomy(run.path, step, _downhill(run, step), False, run.path[:-1], series, name, axes)


def _corrections(run: Run) -> list[ndarray]:
    """1 - beta**t for both betas, each (steps, 1)."""
    t = numpy.arange(1, run.steps + 1)[:, None]
    return [1 - beta**t for beta in run.hyperparameters["betas"]]


def _gradient(run: Run) -> dict[str, ndarray]:
    return {GRADIENT: run.gradients[:-1]}


def _kept(run: Run) -> dict[str, ndarray]:
    return {name: values[1:] for name, values in run.states.items()}


def _downhill(run: Run, step: ndarray) -> ndarray:
    """Against the gradient, as far as the step goes."""
    g = run.gradients[:-1]
    length = numpy.maximum(numpy.hypot(*g.T), 1e-300)
    return -g * (numpy.hypot(*step.T) / length)[:, None]


def seen_by(surface: Surface, runs: Sequence[Run], shape: float) -> Window:
    """The part of the surface where the runs are and their arrows point, `shape` times as wide as high.

    A unit is as long in y as it is in x: only then is straight downhill across the contour lines.
    """
    taken = [anatomy(run) for run in runs]
    reach = [points for parts in taken for points in (parts.path, parts.looked, parts.path[:-1] + parts.state)]
    return in_shape(window(surface, reach), shape)


def in_shape(seen: Window, shape: float) -> Window:
    """`seen`, with more on both sides, so that it is `shape` times as wide as high."""
    (x0, x1), (y0, y1) = seen
    width, height = max(x1 - x0, shape * (y1 - y0)), max(y1 - y0, (x1 - x0) / shape)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (x - width / 2, x + width / 2), (y - height / 2, y + height / 2)


class Inside:
    """One optimizer's state: on the map, and beside it as a line for each axis; at any step.

    Args:
        stage: on what it is drawn.
        surface, run: of what.
        place: of the map.
        seen: what the map shows, the ranges of x and y.
        strips: of the two lines, along x and along y.
    """

    def __init__(
        self, stage: Stage, surface: Surface, run: Run, place: Rect, strips: Sequence[Rect], seen: Window
    ) -> None:
        self.stage, self.run, self.parts = stage, run, anatomy(run)
        self.map = stage.axes(*place)
        draw_map(self.map, surface, *seen, levels=14)
        mark_minimum(self.map, surface)
        color = run.entrant.color
        self.trail = stage.line(self.map, color=color, linestyle=run.entrant.dash, lw=1.3, alpha=0.75, animated=True)
        self.ellipse = stage.line(self.map, color=color, lw=1.0, ls=(0, (3, 2)), animated=True)
        self.spot = stage.line(
            self.map, color=color, marker=marker(run), ms=7, mec="white", mew=0.8, zorder=8, animated=True
        )
        self.looked = stage.line(self.map, color=INK, marker="D", ms=6, mfc="white", mew=1.2, zorder=8, animated=True)
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
        """How many times longer than they are arrows must be drawn to be seen."""
        pixels = self.stage.pixels(self.map, self.parts.path)
        lengths = numpy.hypot(*numpy.diff(pixels, axis=0).T)
        usual, longest = numpy.quantile(lengths, [0.8, 0.95]).tolist()
        if usual > (15 if self.parts.chained else 30):
            return 1
        return max(1, round(min(30 / max(usual, 0.6), 120 / max(longest, 0.6))))

    def moved(self, step: int) -> list[Any]:
        """Its artists while the step `step` is taken, 1 being the first."""
        parts, k = self.parts, min(step, self.run.steps) - 1
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
            self.looked.set_data(*parts.looked[k : k + 1].T)
            shown.append(self.looked)
        return [*shown, *(artist for strip in self.strips for artist in strip.moved(k))]

    def _pointed(self, *ends: tuple[ndarray, ndarray]) -> list[Any]:
        """The arrows from here to there, but for those that are too short to have a direction."""
        shown = []
        for arrow, pair in zip(self.arrows, ends, strict=True):
            start, stop = self.stage.pixels(self.map, numpy.stack(pair))
            if 2 < numpy.hypot(*(stop - start)) < 2000:
                arrow.set_positions(start, stop)
                shown.append(arrow)
        return shown[::-1]


class _Strip:
    """What is kept for one axis, and the gradient along it, against the step."""

    def __init__(self, stage: Stage, inside: Inside, rect: Rect, axis: int) -> None:
        parts, color = inside.parts, inside.run.entrant.color
        axes = stage.axes(*rect)
        self.steps = numpy.arange(1, inside.run.steps + 1)
        series = {name: values[:, axis] for name, values in parts.series.items()}
        sizes = [numpy.abs(values[numpy.isfinite(values)]).max(initial=0) for values in series.values()]
        reach = 1.1 * float(max(sizes)) or 1.0
        axes.set(xlim=(1, max(2, inside.run.steps)), ylim=(-reach, reach))
        axes.tick_params(labelsize=SMALL - 0.5, length=2, pad=2, colors=FAINT)
        axes.grid(False)
        axes.axhline(0, color="#C8C8C8", lw=0.6)
        axes.locator_params(axis="y", nbins=4)
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


def explanations(inside: Inside) -> list[tuple[str, str, str]]:
    """What stands beside the map: (sign, its colour, words)."""
    parts, color = inside.parts, inside.run.entrant.color
    times = f" (drawn {inside.enlarged} times as long)" if inside.enlarged != 1 else ""
    said = [("→", color, parts.words[0] + times), ("→", FAINT, parts.words[1])]
    if parts.chained and inside.enlarged == 1:
        said.append(("◇", INK, "where the gradient g is taken"))
    if parts.axes is not None:
        said.append(("◌", color, "where a gradient as long, of any direction, would lead"))
    return said


class Film:
    """One optimizer's state as it moves: the picture after any step."""

    def __init__(self, surface: Surface, run: Run, sharpness: float = 1) -> None:
        self.run = run
        self.stage = stage = Stage(WIDTH, 470, sharpness)
        stage.title(f"Inside the state: {run.entrant.label}", f"{surface.title}, {surface.formula};  {run.caption}")
        self.counter = stage.text(WIDTH - 14, 24, "", 11, ha="right", weight="bold", animated=True)
        rects = [(524, 92, 262, 132), (524, 262, 262, 132)]
        place = (40, 74, 430, 320)
        seen = seen_by(surface, [run], place[2] / place[3])
        self.inside = Inside(stage, surface, run, place, rects, seen)
        for axis, rect in zip("xy", rects, strict=True):
            stage.text(rect[0], rect[1] - 8, f"along {axis}:", SMALL, weight="bold")
            _name_series(stage, self.inside.parts, run.entrant.color, rect[0] + 52, rect[1] - 8)
        stage.text(524 + 262, 424, "step", SMALL, color=FAINT, ha="right")
        for i, (sign, color, words) in enumerate(explanations(self.inside)):
            x, y = 40 + 380 * (i // 2), 430 + 18 * (i % 2)
            stage.text(x, y, sign, 11, color=color, weight="bold")
            stage.text(x + 20, y, words, SMALL)

    def frame(self, step: int) -> ndarray:
        """The picture while the step `step` is taken."""
        self.counter.set_text(f"step {step} of {self.run.steps}")
        return self.stage.frame([self.counter, *self.inside.moved(step)])

    def frames(self) -> Iterator[ndarray]:
        """The pictures of all steps."""
        for step in range(1, self.run.steps + 1):
            yield self.frame(step)


def _name_series(stage: Stage, parts: Anatomy, color: str, x: float, y: float) -> None:
    """The names of the lines in a strip, in their colours."""
    for name in parts.series:
        words = f"± {name}" if name == parts.envelope else name
        look = {"color": FAINT} if name == GRADIENT else {"color": color, "weight": "bold"}
        written = stage.text(x, y, words, SMALL, **look)
        x += written.get_window_extent(stage.canvas.get_renderer()).width / stage.sharpness + 8


def still(surface: Surface, runs: Sequence[Run], step: int, sharpness: float = 1.5) -> ndarray:
    """Several optimizers, each while it takes the step `step`: two to a row."""
    rows = -(-len(runs) // 2)
    stage = Stage(WIDTH, 62 + CELL * rows, sharpness)
    stage.title("Inside the state", f"{surface.title}, step {step}:  {surface.formula}")
    moving: list[Any] = []
    seen = seen_by(surface, runs, MAP[0] / MAP[1])
    for i, run in enumerate(runs):
        moving += _cell(stage, surface, run, (12 + 394 * (i % 2), 58 + CELL * (i // 2)), seen).moved(step)
    return stage.frame(moving)


def _cell(stage: Stage, surface: Surface, run: Run, corner: tuple[float, float], seen: Window) -> Inside:
    """One optimizer's part of the still."""
    left, top = corner
    stage.text(left, top + 20, run.entrant.label, 11, weight="bold", color=run.entrant.color)
    stage.text(left + 382, top + 20, run.caption, SMALL, color=FAINT, ha="right")
    width, height = MAP
    below = top + 30 + height
    rects = [(left + 26, below + 96, 162, 62), (left + 220, below + 96, 162, 62)]
    inside = Inside(stage, surface, run, (left + 26, top + 30, width, height), rects, seen)
    for i, (sign, color, words) in enumerate(explanations(inside)):
        stage.text(left + 26, below + 32 + 15 * i, sign, NORMAL, color=color, weight="bold")
        stage.text(left + 46, below + 32 + 15 * i, words, SMALL)
    for axis, rect in zip("xy", rects, strict=True):
        stage.text(rect[0], rect[1] - 6, f"{axis}:", SMALL, weight="bold")
        _name_series(stage, inside.parts, run.entrant.color, rect[0] + 16, rect[1] - 6)
    return inside
