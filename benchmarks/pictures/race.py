"""Running optimizers on a surface, and keeping everything that a picture of it may want."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad.optim import Optimizer
from minigrad.tensor import Tensor

from .. import UsageError
from ..training.optimizers import Entrant
from ..training.user_code import errors_of
from .landscapes import Surface, crossing

RELATIVES = {
    **dict.fromkeys(
        ("adamw", "adamax", "lookahead", "amsgrad", "nadam", "lion", "lamb", "ema", "schedulefree"), "adam"
    ),
    "ranger": "radam",
    "sam": "sgd",
}
"""Who races at the rate of another, when a surface has none of its own for it."""

NO_RACERS = {"muon": "it makes matrices orthogonal, and a surface has only two numbers"}
"""Who cannot race, and why."""

SYMBOLS = {
    "momentum": "μ",
    "alpha": "\N{GREEK SMALL LETTER ALPHA}",
    "rho": "\N{GREEK SMALL LETTER RHO}",
    "eps": "ε",
}
"""What a picture calls a hyperparameter, to save room."""


@dataclass(frozen=True)
class Run:
    """One optimizer's way over a surface. Row t of each array is after t steps: row 0 is the start.

    Attributes:
        entrant: who.
        caption: its hyperparameters, as a picture tells them.
        path: where it was, (steps + 1, 2), finite and on the surface. If it left, the last row is where it
            crossed the edge, or, if it became infinite at once, where it was last seen.
        losses: the function along the path, (steps + 1,).
        gradients: its gradient along the path, (steps + 1, 2).
        states: what the optimizer keeps, by the names it gives it, each (steps + 1, 2).
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
        """How many steps it took, the one that led it out included."""
        return len(self.path) - 1

    def at(self, step: int) -> int:
        """The row for `step`: after its end, the last."""
        return min(step, self.steps)


def race(
    surface: Surface,
    entrants: Sequence[Entrant],
    steps: int,
    rates: Mapping[str, float],
    tick: Callable[[float], None] = lambda part: None,
) -> list[Run]:
    """Let every entrant run on the surface; `rates` has learning rates, by name, in place of the surface's.

    `tick` is told now and then what part of it is done, from 0 to 1.

    Raises:
        UsageError: a learner's function or optimizer raises.
    """
    return [
        run(
            surface,
            one,
            steps,
            hyperparameters(surface, one, rates),
            lambda part, number=number: tick((number + part) / len(entrants)),  # type: ignore[misc]
        )
        for number, one in enumerate(entrants)
    ]


def hyperparameters(surface: Surface, entrant: Entrant, rates: Mapping[str, float]) -> dict[str, Any]:
    """What `entrant` races with: the surface's values for it or its nearest relative, and the rate asked for.

    A learner's own optimizer is taken with its defaults.
    """
    name = entrant.name if entrant.name in surface.rates else RELATIVES.get(entrant.name, "")
    found = dict(surface.rates.get(name, {}))
    if entrant.name in rates:
        found["lr"] = rates[entrant.name]
    return found


def run(
    surface: Surface,
    entrant: Entrant,
    steps: int,
    given: Mapping[str, Any],
    tick: Callable[[float], None] = lambda part: None,
) -> Run:
    """Run `entrant`, with hyperparameters `given`, from the surface's start until it has made `steps` or left.

    Raises:
        UsageError: a learner's function or optimizer raises.
    """
    x, y = (minigrad.tensor(numpy.float64(c), requires_grad=True) for c in surface.start)
    optimizer = _made(entrant, [x, y], given)
    log = _Log()
    with numpy.errstate(all="ignore"):  # who diverges, overflows
        log.note(x, y, _slope(surface, x, y), optimizer)
        while len(log.path) <= steps and not log.fate:
            _step(entrant, optimizer, partial(_slope, surface, x, y))
            if surface.contains((x.item(), y.item())):
                log.note(x, y, _slope(surface, x, y), optimizer)
            if not _still_there(surface, x, y, log):
                log.leave(surface, (x.item(), y.item()), optimizer)
            if len(log.path) % 100 == 0:
                tick(len(log.path) / steps)
    with _blamed(entrant):
        return Run(
            entrant,
            caption(optimizer, given),
            numpy.array(log.path),
            numpy.array(log.losses),
            numpy.array(log.gradients),
            {name: numpy.array(values) for name, values in log.states.items()},
            {name: value for name, value in optimizer.param_groups[0].items() if name != "params"},
            log.fate,
        )


@dataclass
class _Log:
    """What is written down on the way."""

    path: list[tuple[float, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    gradients: list[tuple[float, float]] = field(default_factory=list)
    states: dict[str, list[ndarray]] = field(default_factory=dict)
    fate: str = ""

    def note(self, x: Tensor, y: Tensor, loss: float, optimizer: Optimizer) -> None:
        """Write down where it is now, and what it keeps."""
        self.path.append((x.item(), y.item()))
        self.losses.append(loss)
        self.gradients.append(tuple(0.0 if c.grad is None else c.grad.item() for c in (x, y)))  # type: ignore[arg-type]
        for name, vector in kept(optimizer).items():
            self.states.setdefault(name, []).append(vector.copy())

    def leave(self, surface: Surface, to: tuple[float, float], optimizer: Optimizer) -> None:
        """Write down that it left, on its way `to` somewhere, and where."""
        downhill = surface.falls_away and all(map(math.isfinite, to))
        self.fate = "left" if downhill else "diverged"
        if not math.isfinite(self.losses[-1]):  # it is on the surface still, but there is nothing to stand on
            columns: list[list[Any]] = [self.path, self.losses, self.gradients, *self.states.values()]
            for column in columns:
                column.pop()
        place = crossing(self.path[-1], to, surface.x_range, surface.y_range)
        loss = surface.value(place)
        if not math.isfinite(loss):
            place, loss = self.path[-1], self.losses[-1]
        self.path.append(place)
        self.losses.append(loss)
        self.gradients.append(self.gradients[-1])
        for name, vector in kept(optimizer).items():
            self.states[name].append(vector.copy() if numpy.isfinite(vector).all() else self.states[name][-1])


def _blamed(entrant: Entrant) -> AbstractContextManager[None]:
    """What is raised in here is the fault of the learner whose optimizer this is, if it is one's."""
    return errors_of(entrant.spec) if ".py:" in entrant.spec else nullcontext()


def _made(entrant: Entrant, params: list[Tensor], given: Mapping[str, Any]) -> Optimizer:
    if entrant.name in NO_RACERS:
        raise UsageError(f"{entrant.name} cannot race on a surface: {NO_RACERS[entrant.name]}")
    with errors_of(entrant.spec, f"{entrant.spec} does not take {dict(given)}:" if given else ""):
        return entrant.make(params, **given)


def _slope(surface: Surface, x: Tensor, y: Tensor) -> float:
    """Put the gradient at (x, y) into x.grad and y.grad; returns the function's value there."""
    x.grad = y.grad = None
    with surface.errors_of():
        f = surface.function(x, y)
        f.backward()
    return float(f)


def _step(entrant: Entrant, optimizer: Optimizer, slope: Callable[[], float]) -> None:
    with _blamed(entrant):
        optimizer.step(*([slope] if optimizer.needs_closure else []))


def _still_there(surface: Surface, x: Tensor, y: Tensor, log: _Log) -> bool:
    return surface.contains((x.item(), y.item())) and math.isfinite(log.losses[-1])


def kept(optimizer: Any) -> dict[str, ndarray]:
    """The vectors that an optimizer keeps, by name; Lookahead's slow weights are among them."""
    vectors = dict(optimizer.state_vectors)
    if hasattr(optimizer, "base_optimizer"):
        vectors.setdefault("slow", optimizer.theta)  # before the first step they are one
    return vectors


def caption(optimizer: Optimizer, given: Mapping[str, Any]) -> str:
    """Its rate, and those hyperparameters that were `given`: "lr 0.1, μ 0.9"."""
    parts = [f"lr {optimizer.lr:g}"]
    parts += [f"{SYMBOLS.get(name, name)} {value:g}" for name, value in given.items() if name != "lr"]
    return ", ".join(parts)


def summary(surface: Surface, run: Run) -> dict[str, Any]:
    """The numbers of a run: for the table, and for the result file."""
    distances = None if surface.minimum is None else numpy.hypot(*(run.path - surface.minimum).T)
    close = [] if distances is None else numpy.flatnonzero(distances < 0.1).tolist()
    return {
        "optimizer": run.entrant.name,
        "parameters": run.caption,
        "steps": run.steps,
        "fate": run.fate or "stayed",
        "loss": float(run.losses[-1]),
        "lowest_loss": float(run.losses.min()),
        "end": run.path[-1].tolist(),
        "distance_to_minimum": None if distances is None else float(distances[-1]),
        "first_within_a_tenth": close[0] if close else None,
        "path": run.path.tolist(),
        "losses": run.losses.tolist(),
    }
