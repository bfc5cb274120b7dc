"""Nesterov's step beside momentum's: the same velocity, but another place where the gradient is taken.

Both steps start at the same theta with the same velocity v, taken from a run of Momentum. Momentum takes the gradient
at theta; Nesterov at theta - lr mu v, to where the velocity is about to carry it. The steps are made by minigrad's own
two optimizers. (What minigrad's Nesterov, like PyTorch's, calls theta is the place where it takes the gradient: see
`minigrad.optim.nesterov`.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy import ndarray

import minigrad
from minigrad import optim

from ..training.optimizers import ENTRANTS
from .explanation import Explanation, Request
from .landscapes import SURFACES
from .race import Trajectory, optimize
from .stage import FAINT, INK, NORMAL, SMALL, Stage, Window, draw_map, mark_minimum, save_png, with_aspect
from .step_parts import nesterov
from .surface import value_and_gradient

SURFACE = SURFACES["ravine"]
LR, MU, STEPS, AT = 0.03, 0.8, 40, 2
"""The hyperparameters and steps of both runs, and the step of Momentum's at which the two steps start."""

WIDTH, HEIGHT = 350.0, 226.0
"""Of each of the four maps, in pixels."""


@dataclass(frozen=True)
class Step:
    """One step, in points and vectors of shape (2,).

    The velocity carries it from `start` to `carried`. From there the gradient, which is taken at `gradient_at`, leads
    to `end`.
    """

    start: ndarray
    carried: ndarray
    gradient_at: ndarray
    gradient: ndarray
    end: ndarray


def step(optimizer: type[optim.Momentum] | type[optim.Nesterov], theta: ndarray, v: ndarray) -> Step:
    """A step of minigrad's Momentum or Nesterov from theta with the velocity v.

    Nesterov's theta is the one of the course notebook "6. Optimizers", whose MNIST comparison this project reproduces:
    the point from which the velocity leads to where the gradient is taken.
    """
    carried = theta - LR * MU * v
    gradient_at = carried if optimizer is optim.Nesterov else theta
    x = minigrad.tensor(gradient_at, requires_grad=True)
    made = optimizer([x], lr=LR, momentum=MU)
    made.state_vectors["v"][:] = v
    SURFACE.function(x[0], x[1]).backward()
    made.step()
    end = x.numpy() + LR * MU * made.state_vectors["v"] if optimizer is optim.Nesterov else x.numpy()
    return Step(theta, carried, gradient_at, value_and_gradient(SURFACE.function, gradient_at)[1], end)


def draw(request: Request) -> Explanation:
    """Draw nesterov-step.png."""
    momentum, other = (
        optimize(SURFACE, ENTRANTS[name], STEPS, {"lr": LR, "momentum": MU}) for name in ("momentum", "nesterov")
    )
    theta, v = momentum.path[AT], momentum.states["v"][AT]
    one, two = step(optim.Momentum, theta, v), step(optim.Nesterov, theta, v)
    losses = [SURFACE.value(one.end), SURFACE.value(two.end)]
    picture = still([momentum, other], [one, two], losses)
    away = [float(numpy.hypot(*trajectory.path[-1])) for trajectory in (momentum, other)]
    return Explanation(
        "Nesterov's step",
        [
            f"At step {AT} of Momentum's run (lr {LR}, mu {MU}) it is at {_point(theta)}, and its velocity is about to "
            f"carry it to {_point(two.gradient_at)}.",
            f"Momentum adds the gradient where it is, {_point(one.gradient)}, and ends at {_point(one.end)}, "
            f"f = {losses[0]:.3g}. Nesterov adds the gradient where the velocity carries it, {_point(two.gradient)}, "
            f"and ends at {_point(two.end)}, f = {losses[1]:.3g}.",
            f"After {STEPS} steps Momentum is {away[0]:.2g} from the minimum, Nesterov {away[1]:.2g}.",
        ],
        {
            "lr": LR,
            "mu": MU,
            "theta": theta,
            "v": v,
            "carried_to": two.gradient_at,
            "gradients": [one.gradient, two.gradient],
            "ends": [one.end, two.end],
            "losses": losses,
            "distances_after_all_steps": away,
        },
        [save_png(request.folder / "nesterov-step.png", picture, 160)],
    )


def _point(at: ndarray) -> str:
    return f"({at[0]:.2f}, {at[1]:.2f})"


def still(trajectories: list[Trajectory], steps: list[Step], losses: list[float]) -> ndarray:
    """The two steps, and below them the two runs."""
    stage = Stage(800, 664, 2)
    stage.title("Nesterov's step", f"{SURFACE.formula};  lr {LR}, μ {MU};  one step from the same θ and v")
    points = numpy.array([point for each in steps for point in (each.start, each.carried, each.end)])
    low, high = points.min(0) - 0.5, points.max(0) + 0.5
    seen = with_aspect(((low[0], high[0]), (low[1], high[1])), WIDTH / HEIGHT)
    for i, (one, each, loss) in enumerate(zip(trajectories, steps, losses, strict=True)):
        _draw_step(stage, 44.0 + 392 * i, one, each, loss, seen)
        _draw_run(stage, 44.0 + 392 * i, one)
    _draw_legend(stage, 346)
    return stage.frame([])


def _draw_step(stage: Stage, left: float, one: Trajectory, drawn: Step, loss: float, seen: Window) -> None:
    axes = stage.axes(left, 86, WIDTH, HEIGHT)
    draw_map(axes, SURFACE, *seen, levels=40)
    color = one.entrant.color
    stage.text(left, 78, one.entrant.label, 10, weight="bold", color=color)
    stage.text(left + WIDTH, 78, f"lands at f = {loss:.3g}", SMALL, ha="right", color=FAINT)
    arrow = {"arrowstyle": "-|>", "mutation_scale": 14, "lw": 2.2, "shrinkA": 0, "shrinkB": 0}
    for start, stop, shade in ((drawn.start, drawn.carried, color), (drawn.carried, drawn.end, INK)):
        axes.annotate("", stop, start, arrowprops={**arrow, "color": shade})
    axes.annotate("", drawn.end, drawn.start, arrowprops={**arrow, "color": FAINT, "lw": 1.2, "ls": (0, (3, 2))})
    axes.plot(*drawn.gradient_at, marker="D", ms=8, mfc="white", mec=INK, mew=1.4, zorder=9)
    axes.plot(*drawn.start, marker="o", ms=6, color=color, mec="white", mew=0.8, zorder=10)


def _draw_legend(stage: Stage, top: float) -> None:
    """The meaning of the symbols in both steps."""
    color = ENTRANTS["momentum"].color
    words = (
        ("●", color, "θ, where the ball is"),
        ("→", color, r"$-lr\,\mu v$, where its velocity carries it"),
        ("◇", INK, "where the gradient g is taken"),
        ("→", INK, r"$-lr\,g$, what that gradient adds"),
        ("⇢", FAINT, "the step"),
    )
    for i, (symbol, shade, meaning) in enumerate(words):
        x, y = 44 + 250 * (i // 2), top + 17 * (i % 2)
        stage.text(x, y, symbol, NORMAL, color=shade, weight="bold")
        stage.text(x + 18, y, meaning, SMALL)


def _draw_run(stage: Stage, left: float, one: Trajectory) -> None:
    """A whole run; Nesterov's with the notebook's theta."""
    axes = stage.axes(left, 412, WIDTH, HEIGHT)
    path = nesterov(one).path if one.entrant.name == "nesterov" else one.path
    draw_map(axes, SURFACE, *with_aspect(((-8.5, 1.5), (-4.8, 1.0)), WIDTH / HEIGHT), levels=18)
    mark_minimum(axes, SURFACE)
    axes.plot(*path.T, color=one.entrant.color, ls=one.entrant.dash, lw=1.4)
    axes.plot(*path.T, color=one.entrant.color, ls="none", marker="o", ms=3)
    stage.text(left, 404, f"{one.entrant.label}, {STEPS} steps", NORMAL, weight="bold", color=one.entrant.color)
    away = numpy.hypot(*one.path[-1])
    stage.text(left + WIDTH, 404, f"ends {away:.2g} from the minimum", SMALL, ha="right", color=FAINT)
