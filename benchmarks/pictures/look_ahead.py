"""Nesterov's look-ahead step beside momentum's: one velocity, two places to ask for the slope.

A ball stands at theta with the velocity v, in the middle of a run of Momentum. Momentum takes the gradient at
theta; Nesterov where the velocity is about to take it, at theta - lr mu v. The steps are made by minigrad's own
two optimizers. (minigrad's Nesterov calls the look-ahead point theta: see `minigrad.optim.nesterov`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad import optim

from ..training.optimizers import ENTRANTS
from .explaining import Explanation, Request
from .inside import Window, in_shape, nesterov
from .landscapes import SURFACES, value_and_gradient
from .race import Run, run
from .stage import FAINT, INK, NORMAL, SMALL, Stage, draw_map, mark_minimum, save_png

SURFACE = SURFACES["ravine"]
LR, MU, STEPS, AT = 0.03, 0.8, 40, 2
"""The run, and how many steps of it are taken when the two part."""

PLACE = (350.0, 226.0)


@dataclass(frozen=True)
class Step:
    """One step of a ball from `here`: carried `to` somewhere by the velocity, the gradient taken at `asked`."""

    here: ndarray
    to: ndarray
    asked: ndarray
    gradient: ndarray
    end: ndarray


def momentum_step(theta: ndarray, v: ndarray) -> Step:
    """A step of minigrad's Momentum from theta with the velocity v."""
    _, g = value_and_gradient(SURFACE.function, theta)
    end, _ = _stepped(optim.Momentum, theta, v)
    return Step(theta, theta - LR * MU * v, theta, g, end)


def nesterov_step(theta: ndarray, v: ndarray) -> Step:
    """A step of minigrad's Nesterov, for the ball at theta with the velocity v: it looks ahead, then corrects."""
    ahead = theta - LR * MU * v
    _, g = value_and_gradient(SURFACE.function, ahead)
    looked, velocity = _stepped(optim.Nesterov, ahead, v)
    return Step(theta, ahead, ahead, g, looked + LR * MU * velocity)


def _stepped(kind: Any, theta: ndarray, v: ndarray) -> tuple[ndarray, ndarray]:
    """theta and v after one step of an optimizer that is given both."""
    x = minigrad.tensor(theta, requires_grad=True)
    optimizer = kind([x], lr=LR, momentum=MU)
    optimizer.state_vectors["v"][:] = v
    SURFACE.function(x[0], x[1]).backward()
    optimizer.step()
    return x.numpy().copy(), optimizer.state_vectors["v"].copy()


def explain(asked: Request) -> Explanation:
    """Draw look-ahead.png."""
    runs = [run(SURFACE, ENTRANTS[name], STEPS, {"lr": LR, "momentum": MU}) for name in ("momentum", "nesterov")]
    theta, v = runs[0].path[AT], runs[0].states["v"][AT]
    steps = [momentum_step(theta, v), nesterov_step(theta, v)]
    losses = [SURFACE.value(step.end) for step in steps]
    written = [save_png(asked.folder / "look-ahead.png", still(runs, steps, losses), 160)]
    away = [float(numpy.hypot(*one.path[-1])) for one in runs]
    return Explanation(
        "Nesterov looks ahead",
        [
            f"At step {AT} of Momentum's run (lr {LR}, mu {MU}) the ball is at {_point(theta)} and its velocity is "
            f"about to take it to {_point(steps[1].asked)}.",
            f"Momentum adds the gradient found where it is, {_point(steps[0].gradient)}, and lands at "
            f"{_point(steps[0].end)}, f = {losses[0]:.3g}. Nesterov adds that found ahead, "
            f"{_point(steps[1].gradient)}, and lands at {_point(steps[1].end)}, f = {losses[1]:.3g}.",
            f"After {STEPS} steps Momentum is {away[0]:.2g} from the minimum, Nesterov {away[1]:.2g}.",
        ],
        {
            "lr": LR,
            "mu": MU,
            "theta": theta,
            "v": v,
            "look_ahead": steps[1].asked,
            "gradients": [step.gradient for step in steps],
            "ends": [step.end for step in steps],
            "losses": losses,
            "distances_after_all_steps": away,
        },
        written,
    )


def _point(at: ndarray) -> str:
    return f"({at[0]:.2f}, {at[1]:.2f})"


def still(runs: list[Run], steps: list[Step], losses: list[float]) -> ndarray:
    """The two steps, and below them the two runs."""
    stage = Stage(800, 664, 2)
    stage.title("Nesterov looks ahead", f"{SURFACE.formula};  lr {LR}, μ {MU};  one step from the same θ and v")
    ends = numpy.concatenate([numpy.stack([s.here, s.to, s.end]) for s in steps])
    low, high = ends.min(0) - 0.5, ends.max(0) + 0.5
    seen = in_shape(((low[0], high[0]), (low[1], high[1])), PLACE[0] / PLACE[1])
    for i, (one, step, loss) in enumerate(zip(runs, steps, losses, strict=True)):
        _draw_step(stage, 44.0 + 392 * i, one, step, loss, seen)
        _draw_run(stage, 44.0 + 392 * i, one)
    _draw_legend(stage, 346)
    return stage.frame([])


def _draw_step(stage: Stage, left: float, one: Run, step: Step, loss: float, seen: Window) -> None:
    width, height = PLACE
    axes = stage.axes(left, 86, width, height)
    draw_map(axes, SURFACE, *seen, levels=40)
    color = one.entrant.color
    stage.text(left, 78, one.entrant.label, 10, weight="bold", color=color)
    stage.text(left + PLACE[0], 78, f"lands at f = {loss:.3g}", SMALL, ha="right", color=FAINT)
    arrow = {"arrowstyle": "-|>", "mutation_scale": 14, "lw": 2.2, "shrinkA": 0, "shrinkB": 0}
    for start, stop, shade in ((step.here, step.to, color), (step.to, step.end, INK)):
        axes.annotate("", stop, start, arrowprops={**arrow, "color": shade})
    axes.annotate("", step.end, step.here, arrowprops={**arrow, "color": FAINT, "lw": 1.2, "ls": (0, (3, 2))})
    axes.plot(*step.asked, marker="D", ms=8, mfc="white", mec=INK, mew=1.4, zorder=9)
    axes.plot(*step.here, marker="o", ms=6, color=color, mec="white", mew=0.8, zorder=10)


def _draw_legend(stage: Stage, top: float) -> None:
    """What the signs in both steps are."""
    color = ENTRANTS["momentum"].color
    words = (
        ("●", color, "θ, where the ball is"),
        ("→", color, r"$-lr\,\mu v$, where its velocity carries it"),
        ("◇", INK, "where the gradient g is taken"),
        ("→", INK, r"$-lr\,g$, what that gradient adds"),
        ("⇢", FAINT, "the step"),
    )
    for i, (sign, shade, said) in enumerate(words):
        x, y = 44 + 250 * (i // 2), top + 17 * (i % 2)
        stage.text(x, y, sign, NORMAL, color=shade, weight="bold")
        stage.text(x + 18, y, said, SMALL)


def _draw_run(stage: Stage, left: float, one: Run) -> None:
    """All of one's run: for Nesterov, of the ball."""
    width, height = PLACE
    axes = stage.axes(left, 412, width, height)
    path = nesterov(one).path if one.entrant.name == "nesterov" else one.path
    draw_map(axes, SURFACE, *in_shape(((-8.5, 1.5), (-4.8, 1.0)), PLACE[0] / PLACE[1]), levels=18)
    mark_minimum(axes, SURFACE)
    axes.plot(*path.T, color=one.entrant.color, ls=one.entrant.dash, lw=1.4)
    axes.plot(*path.T, color=one.entrant.color, ls="none", marker="o", ms=3)
    stage.text(left, 404, f"{one.entrant.label}, {STEPS} steps", NORMAL, weight="bold", color=one.entrant.color)
    away = numpy.hypot(*one.path[-1])
    stage.text(left + PLACE[0], 404, f"ends {away:.2g} from the minimum", SMALL, ha="right", color=FAINT)
