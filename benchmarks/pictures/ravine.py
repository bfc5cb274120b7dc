"""A ravine, without and with momentum: why SGD is slow there, and how much faster momentum is.

The curvature is the second derivative in some direction; lambda_min and lambda_max are the smallest and the largest
one. lambda_max limits the learning rate: above 2 / lambda_max, SGD oscillates across the ravine with growing
amplitude. Below it SGD is slow along the ravine, where the curvature is lambda_min; how slow depends on the condition
number kappa = lambda_max / lambda_min. On a quadratic surface the best learning rate of SGD is
2 / (lambda_min + lambda_max); each step then multiplies the slowest part of the distance to the minimum by
(kappa - 1) / (kappa + 1). Momentum, with Polyak's lr = 4 / (sqrt(lambda_min) + sqrt(lambda_max))^2 and
mu = ((sqrt(kappa) - 1) / (sqrt(kappa) + 1))^2, multiplies it by (sqrt(kappa) - 1) / (sqrt(kappa) + 1).

Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, section 2.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy
from numpy import ndarray

from ..console.style import DASHED, DOTTED, SOLID
from ..training.optimizers import ENTRANTS
from .animation import animate
from .explanation import Explanation, Request
from .landscapes import SURFACES
from .race import Trajectory, optimize
from .race_picture import marker
from .stage import FAINT, INK, NORMAL, Rect, Stage, draw_map, mark_minimum, save_png, with_aspect
from .surface import hessian

SURFACE = SURFACES["ravine"]
STEPS, SHOWN = 120, 50
"""The number of steps of each run, and how many of them are drawn."""

SEEN = ((-9.5, 2.0), (-6.6, 2.4))
"""What the maps show: all of the paths, but for the end of the one that swings higher and higher."""

PART = 1e-3
"""The part of the first loss to which steps are counted."""

WIDTH = 800
NAMES = ("SGD, 2 % above its limit", "SGD at its best", "Momentum, a quarter of the rate", "Momentum at its best")
DASHES = (DOTTED, SOLID, DASHED, SOLID)


def draw(request: Request) -> Explanation:
    """Draw ravine.png, and ravine.gif if `animated`."""
    low, high = numpy.linalg.eigvalsh(hessian(SURFACE.function, SURFACE.minimum)).tolist()
    runs = race(low, high)
    written = [save_png(request.folder / "ravine.png", still(runs, low, high), 200)]
    if request.animated:
        frame = RavineAnimation([(runs[i], NAMES[i]) for i in (1, 2)]).frame
        written += animate(request.folder / "ravine.gif", frame, range(SHOWN + 1), [SHOWN], fps=8)
    steps = [steps_to(one, PART) for one in runs]
    lr, mu = ([one.hyperparameters.get(name) for one in runs] for name in ("lr", "momentum"))
    return Explanation(
        "A ravine, without and with momentum",
        [
            f"The curvatures are {low:.3g} and {high:.3g} (second derivatives, from minigrad's engine), the condition "
            f"number is {high / low:.3g}. Above the learning rate 2 / {high:.3g} = {2 / high:.3g}, SGD oscillates with "
            "growing amplitude.",
            f"To reach a thousandth of the first loss SGD takes {steps[1]} steps at its best rate, {lr[1]:.3g}. "
            f"Momentum takes {steps[2]} at a quarter of that rate with mu = {mu[2]:g}, and {steps[3]} at its "
            f"own best, {lr[3]:.3g} with mu = {mu[3]:.3g}.",
        ],
        {
            "curvatures": [low, high],
            "condition_number": high / low,
            "largest_stable_rate": 2 / high,
            "runs": [
                {"optimizer": one.entrant.name, "hyperparameters": one.caption, "steps_to_a_thousandth": n}
                for one, n in zip(runs, steps, strict=True)
            ],
        },
        written,
    )


def race(low: float, high: float) -> list[Trajectory]:
    """The runs of `NAMES`, on a ravine with these curvatures."""
    wide = replace(SURFACE, x_range=(-200, 200), y_range=(-200, 200))
    sgd, momentum = ENTRANTS["sgd"], ENTRANTS["momentum"]
    root, best = math.sqrt(high / low), 2 / (low + high)
    polyak = {"lr": 4 / (math.sqrt(low) + math.sqrt(high)) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2}
    return [
        optimize(wide, sgd, STEPS, {"lr": 1.02 * 2 / high}),
        optimize(wide, sgd, STEPS, {"lr": best}),
        optimize(wide, momentum, STEPS, {"lr": best / 4, "momentum": 0.8}),
        optimize(wide, momentum, STEPS, polyak),
    ]


def steps_to(one: Trajectory, part: float) -> int | None:
    """The number of steps after which the loss stays below `part` of the first one; None if it does not."""
    above = numpy.flatnonzero(one.losses > part * one.losses[0])
    return None if above[-1] == one.steps else int(above[-1]) + 1


def _caption(one: Trajectory) -> str:
    values = one.hyperparameters
    return f"lr {values['lr']:.3g}" + (f", μ {values['momentum']:.3g}" if "momentum" in values else "")


def still(runs: list[Trajectory], low: float, high: float) -> ndarray:
    """Four maps, and the losses below."""
    stage = Stage(WIDTH, 760, 2)
    steps = [steps_to(one, PART) for one in runs]
    curved = f"curvatures {low:.3g} and {high:.3g}, κ = {high / low:.3g}, limit 2/λmax = {2 / high:.3g}"
    stage.title(_title(steps[1], steps[3]), f"{SURFACE.formula};  {curved}")
    for i, (one, name) in enumerate(zip(runs, NAMES, strict=True)):
        drawn = inside(one)
        more = f", drawn up to step {drawn}" if drawn < SHOWN else ""
        axes = _map(stage, (36 + 390 * (i % 2), 86 + 236 * (i // 2), 366, 190), one, name, more)
        axes.plot(*one.path[: drawn + 1].T, color=one.entrant.color, lw=1.2, marker="o", ms=2.8, alpha=0.9)
    lowest = min(float(one.losses[: SHOWN + 1].min()) for one in runs)
    highest = max(float(one.losses[: SHOWN + 1].max()) for one in runs)
    losses = stage.panel(
        58, 572, 442, 146, "Loss", xlabel="step", yscale="log", xlim=(0, SHOWN), ylim=(0.3 * lowest, 3 * highest)
    )
    losses.xaxis.label.set_fontsize(NORMAL)
    losses.axhline(PART * runs[0].losses[0], color=INK, lw=0.8, ls=(0, (2, 3)), zorder=1)
    for i, (one, name, dash) in enumerate(zip(runs, NAMES, DASHES, strict=True)):
        losses.plot(one.losses, color=one.entrant.color, ls=dash, lw=1.8)
        y = 586 + 38 * i
        stage.over.plot([514, 540], [y - 4, y - 4], color=one.entrant.color, ls=dash, lw=1.8)
        stage.text(548, y, name, NORMAL, weight="bold")
        words = "swings higher and higher" if steps[i] is None else f"a thousandth of the loss after {steps[i]} steps"
        stage.text(548, y + 15, words, NORMAL, color=FAINT)
    stage.text(548, 586 + 38 * 4, "dotted: a thousandth of the first loss", NORMAL, color=FAINT)
    return stage.frame([])


def _title(sgd: int | None, momentum: int | None) -> str:
    return f"To the bottom of a ravine SGD takes {sgd} steps, with momentum {momentum}"


def inside(one: Trajectory) -> int:
    """How many steps of a trajectory are drawn: `SHOWN`, or those up to where it leaves the maps."""
    (x0, x1), (y0, y1) = SEEN
    x, y = one.path[: SHOWN + 1].T
    out = numpy.flatnonzero((x < x0) | (x > x1) | (y < y0) | (y > y1))
    return int(out[0]) - 1 if len(out) else SHOWN


def _map(stage: Stage, place: Rect, one: Trajectory, name: str, more: str = "") -> Any:
    """Draw the ravine from above, with the `name` of a run and its hyperparameters as a title; returns the axes."""
    left, top, width, height = place
    axes = stage.axes(*place)
    draw_map(axes, SURFACE, *with_aspect(SEEN, width / height), levels=14)
    mark_minimum(axes, SURFACE)
    stage.text(left, top - 8, name, NORMAL, weight="bold", color=one.entrant.color)
    stage.text(left + width, top - 8, _caption(one) + more, NORMAL, ha="right", color=FAINT)
    return axes


class RavineAnimation:
    """Runs side by side, after any number of steps, each with its name."""

    def __init__(self, runs: list[tuple[Trajectory, str]]) -> None:
        self.runs = [one for one, _ in runs]
        self.stage = Stage(WIDTH, 300)
        self.stage.title("In a ravine SGD swings from side to side, momentum less", SURFACE.formula)
        self.counter = self.stage.text(WIDTH - 14, 24, "", 11, ha="right", weight="bold", animated=True)
        self.lines, self.heads, self.losses = [], [], []
        for i, (one, name) in enumerate(runs):
            place = (36.0 + 390 * i, 86.0, 366.0, 180.0)
            axes = _map(self.stage, place, one, name)
            look = {"color": one.entrant.color, "animated": True}
            self.lines.append(self.stage.line(axes, lw=1.4, marker="o", ms=2.5, **look))
            self.heads.append(self.stage.line(axes, marker=marker(one), ms=8, mec="white", mew=0.8, **look))
            self.losses.append(self.stage.sign(place[0] + 10, place[1] + 20, "", NORMAL, animated=True))

    def frame(self, step: int) -> ndarray:
        """The picture after `step` steps."""
        self.counter.set_text(f"step {step} of {SHOWN}")
        for one, line, head, loss in zip(self.runs, self.lines, self.heads, self.losses, strict=True):
            line.set_data(*one.path[: step + 1].T)
            head.set_data(*one.path[step : step + 1].T)
            loss.set_text(f"loss {one.losses[step]:.2g}")
        return self.stage.frame([self.counter, *self.lines, *self.heads, *self.losses])
