"""The parts of each step of a trajectory, computed from the optimizer's state: what its pictures draw as arrows.

The step of an optimizer with momentum is the sum of two vectors: how far the velocity carries it, and what the
gradient adds. Momentum takes the gradient where the first vector starts, Nesterov where it ends.

An adaptive optimizer divides by a root for each axis, so each axis has a learning rate of its own. The steps for
all gradients of the same length, whatever their direction, end on an ellipse. For plain SGD it would be a circle,
and the step would go straight downhill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
from numpy import ndarray, sqrt

from .race import Trajectory

GRADIENT = "gradient g"
"""The name of the gradient among the series."""


@dataclass(frozen=True)
class StepParts:
    """The parts of a trajectory's steps. Row t of each array is about the step that starts at ``path[t]``.

    Attributes:
        path: (steps + 1, 2). For Nesterov these are the notebook's theta, and the trajectory's own points are where
            it takes the gradients; see `nesterov`.
        state: the first vector, (steps, 2): what the state does.
        gradient: the second vector, (steps, 2): what the gradient does.
        chained: whether the second vector starts at the tip of the first, and so ends at the next point.
        gradient_at: where the gradient was taken, (steps, 2).
        series: the state, and the gradient, by name, each (steps, 2) and in the gradient's unit.
        envelope: the name of that one of `series` by which steps are divided; it is drawn as a band around 0.
        axes: the half axes of the ellipse, (steps, 2).
        words: the names of the two vectors.
    """

    path: ndarray
    state: ndarray
    gradient: ndarray
    chained: bool
    gradient_at: ndarray
    series: dict[str, ndarray]
    envelope: str = ""
    axes: ndarray | None = None
    words: tuple[str, str] = ("the step", "straight downhill, as far")


def step_parts(one: Trajectory) -> StepParts:
    """The parts of the steps; of an optimizer that is not in `KNOWN`, the step itself and all of its state."""
    if one.entrant.name in KNOWN:
        return KNOWN[one.entrant.name](one)
    return _whole_step(one, {name: values[1:] for name, values in one.states.items()})


def momentum(one: Trajectory) -> StepParts:
    """theta <- theta - lr mu v - lr g: the old velocity, and the gradient at theta."""
    lr, mu, g = one.hyperparameters["lr"], one.hyperparameters["momentum"], one.gradients[:-1]
    series = {"velocity v": one.states["v"][1:], GRADIENT: g}
    carried = -lr * mu * one.states["v"][:-1]
    words = (r"$-lr\,\mu v$, what the velocity carries", r"$-lr\,g$, what the gradient adds")
    return StepParts(one.path, carried, -lr * g, True, one.path[:-1], series, words=words)


def nesterov(one: Trajectory) -> StepParts:
    """The notebook's theta, theta' + lr mu v: from there the velocity leads to theta', where the gradient is taken.

    theta' is what minigrad's Nesterov, like PyTorch's, calls theta. The notebook is the course notebook
    "6. Optimizers", whose MNIST comparison this project reproduces.
    """
    path = one.path + one.hyperparameters["lr"] * one.hyperparameters["momentum"] * one.states["v"]
    return replace(momentum(one), path=path)


def adagrad(one: Trajectory) -> StepParts:
    """theta <- theta - lr g / (sqrt(G) + eps)."""
    return _divided(one, "√G", sqrt(one.states["G"][1:]), one.gradients[:-1])


def rmsprop(one: Trajectory) -> StepParts:
    """theta <- theta - lr g / (sqrt(v) + eps)."""
    return _divided(one, "√v", sqrt(one.states["v"][1:]), one.gradients[:-1])


def adadelta(one: Trajectory) -> StepParts:
    """theta <- theta - lr sqrt(u + eps) / sqrt(v + eps) g."""
    eps = one.hyperparameters["eps"]
    root = sqrt(one.states["v"][1:] + eps)
    return _divided(one, "√v", root, one.gradients[:-1], scale=sqrt(one.states["u"][:-1] + eps))


def adam(one: Trajectory) -> StepParts:
    """theta <- theta - lr m_hat / (sqrt(v_hat) + eps)."""
    m_hat, v_hat = (one.states[name][1:] / correction for name, correction in zip("mv", _corrections(one), strict=True))
    return _divided(one, "√v̂", sqrt(v_hat), m_hat, "mean m̂")


def adamax(one: Trajectory) -> StepParts:
    """theta <- theta - lr m_hat / u."""
    return _divided(one, "u", one.states["u"][1:], one.states["m"][1:] / _corrections(one)[0], "mean m̂")


KNOWN: dict[str, Callable[[Trajectory], StepParts]] = {
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adam,
    "adamax": adamax,
}
"""How to compute the parts, by the name of the optimizer."""


def _divided(
    one: Trajectory, name: str, root: ndarray, numerator: ndarray, called: str = "", scale: Any = 1.0
) -> StepParts:
    """For steps that are lr times `scale` times `numerator` divided by `root`; their names are `called` and `name`."""
    rates = one.hyperparameters["lr"] * scale / (root + 1e-30)
    axes = rates * numpy.hypot(*numerator.T)[:, None]
    parts = _whole_step(one, {name: root, **({called: numerator} if called else {})})
    return replace(parts, envelope=name, axes=axes)


def _corrections(one: Trajectory) -> list[ndarray]:
    """1 - beta**t for both betas, each (steps, 1)."""
    t = numpy.arange(1, one.steps + 1)[:, None]
    return [1 - beta**t for beta in one.hyperparameters["betas"]]


def _whole_step(one: Trajectory, state: dict[str, ndarray]) -> StepParts:
    """The step itself, and for comparison one of the same length against the gradient."""
    step, g = numpy.diff(one.path, axis=0), one.gradients[:-1]
    length = numpy.maximum(numpy.hypot(*g.T), 1e-300)
    downhill = -g * (numpy.hypot(*step.T) / length)[:, None]
    return StepParts(one.path, step, downhill, False, one.path[:-1], {**state, GRADIENT: g})
