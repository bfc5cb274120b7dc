"""A local minimum that SGD stays in and momentum leaves.

On a curve with two dips, both start from the same place with the same learning rate. SGD stops where the slope is 0,
in the first dip. Momentum arrives there with a velocity that carries it over the ridge, into the lower dip. That
depends on the hyperparameters: with a smaller mu, or from a lower start, it stays as well.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy import ndarray

from minigrad.tensor import Tensor

from ..training.optimizers import ENTRANTS
from .animation import animate
from .explanation import Explanation, Request
from .race import Trajectory, optimize
from .stage import FAINT, INK, NORMAL, SMALL, Stage, save_png
from .surface import Surface, hessian, value_and_gradient

FORMULA = r"$f(x) = (x^2 - 4)^2/8 + x/2$"
START, RATE, MU, STEPS = 3.2, 0.02, 0.9, 80
SEEN = (-3.5, 3.7)


def curve(x: Tensor, y: Tensor) -> Tensor:
    """(x^2 - 4)^2 / 8 + x / 2, for all y: a dip near x = 2, a lower one near -2, and a ridge between them."""
    return (x**2 - 4) ** 2 / 8 + x / 2


SURFACE = Surface("curve", "A local minimum", FORMULA, curve, SEEN, (-1, 1), (START, 0.0), None, STEPS, {})


def derivatives(x: float) -> tuple[float, float, float]:
    """The curve's value, slope and second derivative at x, from minigrad's engine."""
    f, gradient = value_and_gradient(curve, (x, 0))
    return f, float(gradient[0]), float(hessian(curve, (x, 0))[0, 0])


def stationary(near: float) -> float:
    """The place near a given one where the slope is 0."""
    from scipy.optimize import newton

    return float(newton(lambda x: derivatives(x)[1], near, fprime=lambda x: derivatives(x)[2]))


def race() -> list[Trajectory]:
    """SGD and Momentum from the start."""
    sgd, momentum = ENTRANTS["sgd"], ENTRANTS["momentum"]
    return [
        optimize(SURFACE, sgd, STEPS, {"lr": RATE}),
        optimize(SURFACE, momentum, STEPS, {"lr": RATE, "momentum": MU}),
    ]


def draw(request: Request) -> Explanation:
    """Draw local-minimum.png, and local-minimum.gif if `animated`."""
    trajectories = race()
    dip, ridge, lower = places = [stationary(near) for near in (2.0, 0.2, -2.0)]
    still = LocalMinimumAnimation(trajectories, places, 2).frame(STEPS)
    written = [save_png(request.folder / "local-minimum.png", still, 128)]
    if request.animated:
        frame = LocalMinimumAnimation(trajectories, places).frame
        written += animate(request.folder / "local-minimum.gif", frame, range(STEPS + 1), [STEPS], fps=15)
    sgd, momentum = (one.path[:, 0] for one in trajectories)
    over = int(numpy.flatnonzero(momentum < ridge)[0])
    return Explanation(
        "A local minimum",
        [
            f"Both start at x = {START:g} with the learning rate {RATE:g}. After {STEPS} steps SGD is at x = "
            f"{sgd[-1]:.3f}, in the dip at {dip:.3f} (f = {derivatives(dip)[0]:.3f}, slope 0, curvature "
            f"{derivatives(dip)[2]:.3g}).",
            f"Momentum is over the ridge at {ridge:.3f} (f = {derivatives(ridge)[0]:.3f}) after {over} steps, and "
            f"ends at x = {momentum[-1]:.3f}, near the lower dip at {lower:.3f} (f = {derivatives(lower)[0]:.3f}).",
        ],
        {
            "start": START,
            "rate": RATE,
            "momentum": MU,
            "steps": STEPS,
            "dip": [dip, *derivatives(dip)],
            "ridge": [ridge, *derivatives(ridge)],
            "lower_dip": [lower, *derivatives(lower)],
            "sgd_ends_at": float(sgd[-1]),
            "momentum_ends_at": float(momentum[-1]),
            "momentum_over_the_ridge_at_step": over,
        },
        written,
    )


class LocalMinimumAnimation:
    """Two optimizers on the curve, side by side, after any number of steps; dots stay where they have been.

    Args:
        trajectories: of the two.
        places: x of the dip, the ridge and the lower dip.
        sharpness: see `Stage`.
    """

    def __init__(self, trajectories: list[Trajectory], places: list[float], sharpness: float = 1) -> None:
        self.trajectories = trajectories
        self.stage = stage = Stage(800, 340, sharpness)
        stage.title("A local minimum: SGD stays, momentum leaves", f"{FORMULA}, from x = {START:g}")
        self.counter = stage.text(786, 24, "", 11, ha="right", weight="bold", animated=True)
        self.moving = [self._draw(one, 40 + 392 * i, places) for i, one in enumerate(trajectories)]

    def _draw(self, one: Trajectory, left: int, places: list[float]) -> tuple[Any, Any, Any]:
        """Draw one curve; returns what moves on it: the dots, the ball, the words."""
        axes = self.stage.panel(left, 92, 356, 204, xlabel="x", xlim=SEEN, ylim=(-3, 7))
        axes.grid(False)
        color = one.entrant.color
        self.stage.text(left, 82, one.entrant.label, 10, weight="bold", color=color)
        self.stage.text(left + 356, 82, one.caption, SMALL, ha="right", color=FAINT)
        # The curve, and below it the names of the dips and the ridge.
        x = numpy.linspace(*SEEN, 200)
        f = SURFACE.values(x, numpy.zeros_like(x))
        axes.fill_between(x, -3, f, color="#E6EBF0", lw=0)
        axes.plot(x, f, color="#8AA1BC", lw=1.6)
        below = {"textcoords": "offset points", "va": "top", "ha": "center", "fontsize": SMALL, "color": FAINT}
        for place, name in zip(places, ("dip", "ridge", "lower dip"), strict=True):
            height = derivatives(place)[0]
            axes.plot([place], [height], marker="|", ms=8, color=INK)
            axes.annotate(f"{name}\nf = {height:.2f}", (place, height), (0, -6), **below)
        # What moves, at no place yet.
        dots = self.stage.line(axes, ls="none", marker="o", ms=4, color=color, alpha=0.3, mew=0, animated=True)
        ball = self.stage.line(axes, marker="o", ms=12, color=color, mec="white", mew=1.2, animated=True)
        words = self.stage.text(left + 120, 110, "", NORMAL, animated=True)
        return dots, ball, words

    def frame(self, step: int) -> ndarray:
        """The picture after `step` steps."""
        self.counter.set_text(f"step {step} of {STEPS}")
        shown = [self.counter]
        for one, (dots, ball, words) in zip(self.trajectories, self.moving, strict=True):
            x, f = one.path[: step + 1, 0], one.losses[: step + 1]
            dots.set_data(x, f)
            ball.set_data(x[-1:], f[-1:] + 0.28)
            words.set_text(f"x = {x[-1]:.1f},  f = {f[-1]:.2f}".replace("-0.0,", "0.0,"))
            shown += [dots, ball, words]
        return self.stage.frame(shown)
