"""Run optimizers on a surface, and record what the pictures of it need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy
from numpy import ndarray

from minigrad.optim import Optimizer
from minigrad.tensor import Tensor

from .. import UsageError
from ..training.optimizers import Entrant
from ..training.user_code import errors_of
from .surface import Surface, crossing, leaves, user_errors

RELATIVES = {
    **dict.fromkeys(
        ("adamw", "adamax", "lookahead", "amsgrad", "nadam", "lion", "lamb", "ema", "schedulefree"), "adam"
    ),
    "ranger": "radam",
    "sam": "sgd",
}
"""The optimizer whose hyperparameters another one gets on a surface that has none for it."""

NO_RACERS = {"muon": "it makes matrices orthogonal, and a surface has only two numbers"}
"""The optimizers that cannot race, and why."""

SYMBOLS = {
    "momentum": "μ",
    "alpha": "\N{GREEK SMALL LETTER ALPHA}",
    "rho": "\N{GREEK SMALL LETTER RHO}",
    "eps": "ε",
}
"""The symbols of hyperparameters in pictures."""


@dataclass(frozen=True)
class Trajectory:
    """The way of one optimizer over a surface. Row t of each array is after t steps: row 0 is the start.

    Attributes:
        entrant: the optimizer.
        caption: its hyperparameters, as pictures show them.
        path: the points (x, y), (steps + 1, 2), finite and on the surface. If it left, the last one is where it
            crossed the edge, or, if it became infinite at once, the last one before.
        losses: the function along the path, (steps + 1,).
        gradients: its gradient along the path, (steps + 1, 2).
        states: the optimizer's state, by the names of its vectors, each (steps + 1, 2).
        hyperparameters: of the optimizer, by name.
        fate: "" if it stayed to the end; "left" if it left a surface that falls away, as it should; "diverged" if
            it left any other or became infinite.
    """

    entrant: Entrant
    caption: str
    path: ndarray
    losses: ndarray
    gradients: ndarray
    states: Mapping[str, ndarray]
    hyperparameters: Mapping[str, Any]
    fate: str = ""

    @property
    def steps(self) -> int:
        """The number of its steps, including the one with which it left."""
        return len(self.path) - 1

    def at(self, step: int) -> int:
        """The row for `step`: the last one, if it ended before."""
        return min(step, self.steps)


def race(
    surface: Surface,
    entrants: Sequence[Entrant],
    steps: int,
    rates: Mapping[str, float],
    tick: Callable[[float], None] = lambda part: None,
) -> list[Trajectory]:
    """Run every entrant on the surface; `rates` has learning rates, by name, in place of the surface's.

    `tick` is called now and then with the fraction that is done, from 0 to 1.

    Raises:
        UsageError: a user's function or optimizer raises.
    """
    return [
        optimize(
            surface,
            one,
            steps,
            hyperparameters(surface, one, rates),
            lambda part, number=number: tick((number + part) / len(entrants)),  # type: ignore[misc]
        )
        for number, one in enumerate(entrants)
    ]


def hyperparameters(surface: Surface, entrant: Entrant, rates: Mapping[str, float]) -> dict[str, Any]:
    """The surface's hyperparameters for `entrant` or its nearest relative, with its learning rate from `rates`, if any.

    A user's own optimizer has its defaults.
    """
    name = entrant.name if entrant.name in surface.rates else RELATIVES.get(entrant.name, "")
    found = dict(surface.rates.get(name, {}))
    if entrant.name in rates:
        found["lr"] = rates[entrant.name]
    return found


def optimize(
    surface: Surface,
    entrant: Entrant,
    steps: int,
    given: Mapping[str, Any],
    tick: Callable[[float], None] = lambda part: None,
) -> Trajectory:
    """Run `entrant`, with hyperparameters `given`, from the surface's start until it has made `steps` or left.

    Raises:
        UsageError: a user's function or optimizer raises.
    """
    x, y = leaves(surface.start)
    optimizer = _made(entrant, [x, y], given)
    log = _Log(surface, x, y, optimizer)
    with numpy.errstate(all="ignore"):  # a run that diverges overflows
        log.note()
        while len(log.rows) <= steps and not log.fate:
            with user_errors(entrant.spec):
                optimizer.step(*([log.compute_gradient] if optimizer.needs_closure else []))
            if not (surface.contains((x.item(), y.item())) and math.isfinite(log.note())):
                log.leave()
            if len(log.rows) % 100 == 0:
                tick(len(log.rows) / steps)
    with user_errors(entrant.spec):  # the hyperparameters may be objects of the user's own
        return Trajectory(
            entrant,
            caption(optimizer, given),
            numpy.array([row.point for row in log.rows]),
            numpy.array([row.loss for row in log.rows]),
            numpy.array([row.gradient for row in log.rows]),
            {name: numpy.array([row.state[name] for row in log.rows]) for name in log.rows[0].state},
            {name: value for name, value in optimizer.param_groups[0].items() if name != "params"},
            log.fate,
        )


class _Row(NamedTuple):
    """One row of a trajectory."""

    point: tuple[float, float]
    loss: float
    gradient: list[float]
    state: dict[str, ndarray]


@dataclass
class _Log:
    """The rows of a trajectory, as they are recorded while `optimizer` changes `x` and `y`."""

    surface: Surface
    x: Tensor
    y: Tensor
    optimizer: Optimizer
    rows: list[_Row] = field(default_factory=list)
    fate: str = ""

    def compute_gradient(self) -> float:
        """Put the gradient at (x, y) into x.grad and y.grad; returns the function's value there."""
        self.x.grad = self.y.grad = None
        with self.surface.evaluating():
            f = self.surface.function(self.x, self.y)
            f.backward()
        return f.item()

    def note(self) -> float:
        """Compute the loss at (x, y) and return it. If it is finite, or this is the start, add a row."""
        loss = self.compute_gradient()
        if math.isfinite(loss) or not self.rows:
            gradient = [0.0 if c.grad is None else c.grad.item() for c in (self.x, self.y)]
            state = {name: vector.copy() for name, vector in state_of(self.optimizer).items()}
            self.rows.append(_Row((self.x.item(), self.y.item()), loss, gradient, state))
        return loss

    def leave(self) -> None:
        """Add the last row, where the line to (x, y) crosses the edge of the surface, and note how the run ended."""
        last, to = self.rows[-1], (self.x.item(), self.y.item())
        self.fate = "left" if self.surface.falls_away and all(map(math.isfinite, to)) else "diverged"
        point = crossing(last.point, to, self.surface.x_range, self.surface.y_range)
        loss = self.surface.value(point)
        if not math.isfinite(loss):  # on the edge the function is not finite either
            point, loss = last.point, last.loss
        now = {name: vector.copy() for name, vector in state_of(self.optimizer).items() if numpy.isfinite(vector).all()}
        self.rows.append(_Row(point, loss, last.gradient, last.state | now))


def _made(entrant: Entrant, params: list[Tensor], given: Mapping[str, Any]) -> Optimizer:
    if entrant.name in NO_RACERS:
        raise UsageError(f"{entrant.name} cannot race on a surface: {NO_RACERS[entrant.name]}")
    with errors_of(entrant.spec, f"{entrant.spec} does not take {dict(given)}:" if given else ""):
        return entrant.make(params, **given)


def state_of(optimizer: Any) -> dict[str, ndarray]:
    """The vectors of an optimizer's state, by name, with the slow weights of Lookahead."""
    vectors = dict(optimizer.state_vectors)
    if hasattr(optimizer, "base_optimizer"):
        vectors.setdefault("slow", optimizer.theta)  # before the first step they are the same
    return vectors


def caption(optimizer: Optimizer, given: Mapping[str, Any]) -> str:
    """Its learning rate, and the other hyperparameters that were `given`: "lr 0.1, μ 0.9"."""
    parts = [f"lr {optimizer.lr:g}"]
    parts += [f"{SYMBOLS.get(name, name)} {value:g}" for name, value in given.items() if name != "lr"]
    return ", ".join(parts)


def summary(surface: Surface, trajectory: Trajectory) -> dict[str, Any]:
    """The numbers of a trajectory, for the table and for the result file."""
    distances = None if surface.minimum is None else numpy.hypot(*(trajectory.path - surface.minimum).T)
    close = [] if distances is None else numpy.flatnonzero(distances < 0.1).tolist()
    return {
        "optimizer": trajectory.entrant.name,
        "hyperparameters": trajectory.caption,
        "steps": trajectory.steps,
        "fate": trajectory.fate or "stayed",
        "loss": float(trajectory.losses[-1]),
        "lowest_loss": float(trajectory.losses.min()),
        "end": trajectory.path[-1].tolist(),
        "distance_to_minimum": None if distances is None else float(distances[-1]),
        "first_within_a_tenth": close[0] if close else None,
        "path": trajectory.path.tolist(),
        "losses": trajectory.losses.tolist(),
    }
