"""A local minimum that SGD stays in and momentum leaves.

On a curve with two dips, both start from the same place at the same rate. SGD stops where the slope does, in the
first dip. Momentum arrives there with a velocity that carries it over the ridge, into the lower one. It need not:
with more friction, or from a lower start, it stays as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad.tensor import Tensor

from ..training.optimizers import ENTRANTS, Entrant
from .animation import animate
from .explaining import Explanation, Request
from .stage import FAINT, INK, NORMAL, SMALL, Stage, save_png

FORMULA = r"$f(x) = (x^2 - 4)^2/8 + x/2$"
START, RATE, MU, STEPS = 3.2, 0.02, 0.9, 80
SEEN = (-3.5, 3.7)


def curve(x: Tensor) -> Tensor:
    """(x^2 - 4)^2 / 8 + x / 2: a dip near 2, a lower one near -2, and a ridge between them."""
    return (x**2 - 4) ** 2 / 8 + x / 2


def derivatives(x: float) -> tuple[float, float, float]:
    """The curve's value, slope and curvature at x, from the engine."""
    at = minigrad.tensor(numpy.float64(x), requires_grad=True)
    f = curve(at)
    (slope,) = minigrad.grad(f, at, create_graph=True)
    (curvature,) = minigrad.grad(slope, at)
    return float(f), float(slope), float(curvature)


def level(x: float) -> float:
    """The place near x where the slope is 0, by Newton's method."""
    for _ in range(20):
        _, slope, curvature = derivatives(x)
        x -= slope / curvature
    return x


@dataclass(frozen=True)
class Roll:
    """How an optimizer rolled: where it was and how high, (steps + 1,), and what it is called."""

    entrant: Entrant
    caption: str
    x: ndarray
    f: ndarray


def roll(name: str, **hyperparameters: float) -> Roll:
    """Let an optimizer roll from the start."""
    x = minigrad.tensor(numpy.array([START]), requires_grad=True)
    optimizer = ENTRANTS[name].make([x], **hyperparameters)
    places = [x.item()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        curve(x).sum().backward()
        optimizer.step()
        places.append(x.item())
    mu = f", μ {hyperparameters['momentum']:g}" if "momentum" in hyperparameters else ""
    heights = curve(minigrad.tensor(numpy.array(places))).numpy()
    return Roll(ENTRANTS[name], f"lr {RATE:g}{mu}", numpy.array(places), heights)


def explain(asked: Request) -> Explanation:
    """Draw local-minimum.png, and local-minimum.gif if `animated`."""
    sgd, momentum = rolls = [roll("sgd", lr=RATE), roll("momentum", lr=RATE, momentum=MU)]
    dip, ridge, lower = (level(x) for x in (2.0, 0.2, -2.0))
    film = Film(rolls, (dip, ridge, lower))
    written = [save_png(asked.folder / "local-minimum.png", Film(rolls, (dip, ridge, lower), 2).frame(STEPS), 128)]
    if asked.animated:
        written += animate(asked.folder / "local-minimum.gif", film.frames(), [film.frame(STEPS)], fps=15)
    over = int(numpy.flatnonzero(momentum.x < ridge)[0])
    return Explanation(
        "A local minimum",
        [
            f"Both start at x = {START:g} with the rate {RATE:g}. After {STEPS} steps SGD is at x = {sgd.x[-1]:.3f}, "
            f"in the dip at {dip:.3f} (f = {derivatives(dip)[0]:.3f}, slope 0, curvature {derivatives(dip)[2]:.3g}).",
            f"Momentum is over the ridge at {ridge:.3f} (f = {derivatives(ridge)[0]:.3f}) after {over} steps, and "
            f"ends at x = {momentum.x[-1]:.3f}, by the lower dip at {lower:.3f} (f = {derivatives(lower)[0]:.3f}).",
        ],
        {
            "start": START,
            "rate": RATE,
            "momentum": MU,
            "steps": STEPS,
            "dip": [dip, *derivatives(dip)],
            "ridge": [ridge, *derivatives(ridge)],
            "lower_dip": [lower, *derivatives(lower)],
            "sgd_ends_at": float(sgd.x[-1]),
            "momentum_ends_at": float(momentum.x[-1]),
            "momentum_over_the_ridge_at_step": over,
        },
        written,
    )


class Film:
    """The two, side by side, at any step; the places they have been at stay as dots."""

    def __init__(self, rolls: list[Roll], level: tuple[float, float, float], sharpness: float = 1) -> None:
        self.rolls = rolls
        self.stage = stage = Stage(800, 340, sharpness)
        stage.title("A local minimum: SGD stays, momentum leaves", f"{FORMULA}, from x = {START:g}")
        self.counter = stage.text(786, 24, "", 11, ha="right", weight="bold", animated=True)
        self.moving = [self._draw(one, i, level) for i, one in enumerate(rolls)]

    def _draw(self, one: Roll, number: int, level: tuple[float, float, float]) -> tuple[Any, Any, Any]:
        """One curve; returns what moves on it: the dots, the ball, the words."""
        left = 40 + 392 * number
        axes = self.stage.panel(left, 92, 356, 204, xlabel="x", xlim=SEEN, ylim=(-3, 7))
        axes.grid(False)
        self.stage.text(left, 82, one.entrant.label, 10, weight="bold", color=one.entrant.color)
        self.stage.text(left + 356, 82, one.caption, SMALL, ha="right", color=FAINT)
        x = numpy.linspace(*SEEN, 200)
        f = curve(minigrad.tensor(x)).numpy()
        axes.fill_between(x, -3, f, color="#E6EBF0", lw=0)
        axes.plot(x, f, color="#8AA1BC", lw=1.6)
        for place, words, align in zip(level, ("dip", "ridge", "lower dip"), ("center",) * 3, strict=True):
            height = derivatives(place)[0]
            axes.plot([place], [height], marker="|", ms=8, color=INK)
            axes.annotate(f"{words}\nf = {height:.2f}", (place, height), (0, -6), va="top", ha=align, **_below)
        color = one.entrant.color
        dots = self.stage.line(axes, ls="none", marker="o", ms=4, color=color, alpha=0.3, mew=0, animated=True)
        ball = self.stage.line(axes, marker="o", ms=12, color=color, mec="white", mew=1.2, animated=True)
        words = self.stage.text(left + 120, 110, "", NORMAL, animated=True)
        return dots, ball, words

    def frame(self, step: int) -> ndarray:
        """The picture after `step` steps."""
        self.counter.set_text(f"step {step} of {STEPS}")
        shown = [self.counter]
        for one, (dots, ball, words) in zip(self.rolls, self.moving, strict=True):
            dots.set_data(one.x[: step + 1], one.f[: step + 1])
            ball.set_data(one.x[step : step + 1], one.f[step : step + 1] + 0.28)
            words.set_text(f"x = {one.x[step]:.1f},  f = {one.f[step]:.2f}".replace("-0.0,", "0.0,"))
            shown += [dots, ball, words]
        return self.stage.frame(shown)

    def frames(self) -> Iterator[ndarray]:
        """The pictures of all steps."""
        return (self.frame(step) for step in range(STEPS + 1))


_below = {"textcoords": "offset points", "fontsize": SMALL, "color": FAINT}
