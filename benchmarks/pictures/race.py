"""Run optimizers on a surface, and record what the pictures of it need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy
from numpy import ndarray

from minigrad.optim import Optimizer
from minigrad.tensor import Tensor

from .. import UsageError
from ..training.optimizers import Entrant
from ..training.user_code import errors_of, is_own
from .moves import Moves, moves
from .slopes import slopes_of
from .surface import Range, Surface, crossing, leaves, user_errors

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
        fate: "" if it stayed to the end; "left" if it went out of the picture downhill: from a surface that falls
            away, or at a place that is lower than its start; "diverged" if it went out uphill or became infinite.
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


Settings = Mapping[str, Mapping[str, Any]]
"""Hyperparameters by the name of the entrant and their own."""


def race(
    surface: Surface,
    entrants: Sequence[Entrant],
    steps: int,
    rates: Mapping[str, float],
    tick: Callable[[float], None] = lambda part: None,
    noise: ndarray | None = None,
    settings: Settings = MappingProxyType({}),
    bounds: tuple[Range, Range] | None = None,
) -> list[Trajectory]:
    """Run every entrant on the surface; `rates` has learning rates, by name, in place of the surface's.

    `settings` has other hyperparameters, by the name of the entrant and their own; `bounds` is as for `optimize`.

    A user's own optimizer that has no rate there gets one that is searched for: see `searched`. `tick` is called now
    and then with the fraction that is done, from 0 to 1. `noise` is added to the gradients: see `noise_of`.

    Raises:
        UsageError: a user's function or optimizer raises.
    """

    def given(one: Entrant) -> dict[str, Any]:
        found = {**hyperparameters(surface, one, rates), **settings.get(one.name, {})}
        return found if "lr" in found or not is_own(one.spec) else searched(surface, one, steps, found, noise)

    return [
        optimize(
            surface,
            one,
            steps,
            given(one),
            lambda part, number=number: tick((number + part) / len(entrants)),  # type: ignore[misc]
            noise,
            bounds,
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


SEARCHED = (*(float(f"{digit}e{power}") for power in range(-5, 1) for digit in (1, 3)), 10.0)
"""The learning rates that are tried for a user's own optimizer on a surface."""


def searched(
    surface: Surface, entrant: Entrant, steps: int, settings: Mapping[str, Any], noise: ndarray | None = None
) -> dict[str, Any]:
    """`settings`, with the learning rate at which a user's own optimizer ends lowest: its default or one of `SEARCHED`.

    Of a race of many steps the first 500 count. No rate is returned if it has none, or its default is the best.
    """
    found = dict(settings)
    x, y = leaves(surface.start)
    default = _made(entrant, [x, y], settings)
    if not isinstance(default.param_groups[0].get("lr"), (int, float)):
        return found
    best = math.inf
    for given in (settings, *({**settings, "lr": rate} for rate in SEARCHED)):
        with suppress(UsageError) if given is not settings else nullcontext():  # at another rate it may well raise
            run = optimize(surface, entrant, min(steps, 500), given, noise=noise)
            # Of the last tenth, so that a path which swings is not judged by where it happens to be at the end.
            loss = float(run.losses[-max(1, len(run.losses) // 10) :].mean())
            if run.fate != "diverged" and loss < best:
                best, found = loss, dict(given)
    return found


ROOM = 2.5
"""The window on a user's surface grows to at most so many widths on each side."""


def with_room(
    surface: Surface,
    entrants: Sequence[Entrant],
    steps: int,
    rates: Mapping[str, float],
    noise: ndarray | None = None,
    settings: Settings = MappingProxyType({}),
) -> Surface:
    """The surface with a window that is wide enough for the paths that go out of it downhill."""
    (x0, x1), (y0, y1) = surface.x_range, surface.y_range
    x, y = ROOM * (x1 - x0), ROOM * (y1 - y0)
    bounds = (x0 - x, x1 + x), (y0 - y, y1 + y)
    runs = race(surface, entrants, steps, rates, noise=noise, settings=settings, bounds=bounds)
    points = numpy.concatenate([numpy.array([surface.start]), *(one.path for one in runs if one.fate == "")])
    found = []
    for column, (low, high) in zip(points.T, (surface.x_range, surface.y_range), strict=True):
        room = 0.08 * (max(column.max(), high) - min(column.min(), low))
        low = low if column.min() >= low else float(column.min() - room)
        found.append((low, high if column.max() <= high else float(column.max() + room)))
    return replace(surface, x_range=found[0], y_range=found[1])


def noise_of(surface: Surface, level: float, seed: int, steps: int) -> ndarray | None:
    """What is added to the gradient at each step, (steps + 1, 2), the same for all optimizers; None for no noise.

    It is normally distributed, and its standard deviation is `level` times the length of the gradient at the start.
    """
    if not level:
        return None
    _, dx, dy = slopes_of(surface)(*surface.start)
    return level * math.hypot(dx, dy) * numpy.random.default_rng(seed).standard_normal((steps + 1, 2))


def optimize(
    surface: Surface,
    entrant: Entrant,
    steps: int,
    given: Mapping[str, Any],
    tick: Callable[[float], None] = lambda part: None,
    noise: ndarray | None = None,
    bounds: tuple[Range, Range] | None = None,
) -> Trajectory:
    """Run `entrant`, with hyperparameters `given`, from the surface's start until it has made `steps` or left.

    It has left if it is not on the part of the surface that is drawn, or not within `bounds`, if they are given.

    Raises:
        UsageError: a user's function or optimizer raises.
    """
    x, y = leaves(surface.start)
    optimizer = _made(entrant, [x, y], given)
    made = moves(optimizer, x, y, is_own(entrant.spec))
    with numpy.errstate(all="ignore"), user_errors(entrant.spec):  # a run that diverges overflows
        run = _Run(surface, made, noise, bounds or (surface.x_range, surface.y_range))
        while run.steps < steps and not run.fate:
            run.step()
            if run.steps % 100 == 0:
                tick(run.steps / steps)
    with user_errors(entrant.spec):  # the hyperparameters may be objects of the user's own
        return Trajectory(
            entrant,
            caption(optimizer, given),
            numpy.array(run.points),
            numpy.array(run.losses),
            numpy.array(run.gradients),
            {name: numpy.array(rows) for name, rows in run.states.items()},
            {name: getattr(optimizer, name) for name in optimizer.hyperparameters()},
            run.fate,
        )


Point = tuple[float, float]


class _Run:
    """A trajectory while it is made: its rows, in lists of numbers, and how it ended. The first row is the start."""

    def __init__(self, surface: Surface, moves: Moves, noise: ndarray | None, bounds: tuple[Range, Range]) -> None:
        self.surface, self.moves, self.bounds = surface, moves, bounds
        self.noise = None if noise is None else noise.tolist()
        self.slopes = slopes_of(surface)
        self.fate = ""
        self.steps = 0
        self.points: list[Point] = []
        self.losses: list[float] = []
        self.gradients: list[Point] = []
        self.states: dict[str, list[list[float]]] = {name: [] for name in moves.state}
        self.add(moves.point, *self.look(*moves.point))

    def look(self, x: float, y: float) -> tuple[float, Point]:
        """The loss and the gradient there, with the noise of the next step."""
        loss, dx, dy = self.slopes(x, y)
        if self.noise is None:
            return loss, (dx, dy)
        more = self.noise[min(self.steps, len(self.noise) - 1)]
        return loss, (dx + more[0], dy + more[1])

    def gradient(self, x: float, y: float) -> Point:
        """The gradient there, for an optimizer that needs it at other places."""
        return self.look(x, y)[1]

    def add(self, point: Point, loss: float, g: Point) -> None:
        """Add a row, with the state as it is."""
        self.points.append(point)
        self.losses.append(loss)
        self.gradients.append(g)
        for name, vector in self.moves.state.items():
            self.states[name].append(vector.tolist())

    def step(self) -> None:
        """Make a step, and add its row; at the step with which it leaves, `fate` is set."""
        self.moves.step(self.gradients[-1], self.gradient)
        self.steps += 1
        x, y = to = self.moves.point
        (x0, x1), (y0, y1) = self.bounds
        if not (x0 <= x <= x1 and y0 <= y <= y1):  # so it is if one of them is nan
            self.leave(to)
            return
        loss, g = self.look(x, y)
        if not math.isfinite(loss):
            self.leave(to)
            return
        self.add(to, loss, g)

    def leave(self, to: Point) -> None:
        """Add the last row, where the line to `to` crosses the edge of the surface, and note how the run ended."""
        point, loss, g = self.points[-1], self.losses[-1], self.gradients[-1]
        before = {name: rows[-1] for name, rows in self.states.items()}
        place = crossing(point, to, *self.bounds)
        there = self.surface.value(place)
        # Who is lower than at the start where it goes out of the picture has not diverged: it goes on outside.
        downhill = self.surface.falls_away or there < self.losses[0]
        self.fate = "left" if downhill and all(map(math.isfinite, (there, *to))) else "diverged"
        if math.isfinite(there):
            point, loss = place, there
        self.add(point, loss, g)
        for name, rows in self.states.items():
            if not all(map(math.isfinite, rows[-1])):
                rows[-1] = before[name]


def _made(entrant: Entrant, params: list[Tensor], given: Mapping[str, Any]) -> Optimizer:
    """The optimizer, with hyperparameters `given`: those of its constructor, or any other that it has."""
    if entrant.name in NO_RACERS:
        raise UsageError(f"{entrant.name} cannot race on a surface: {NO_RACERS[entrant.name]}")
    with errors_of(entrant.spec, f"{entrant.spec} does not take {dict(given)}:" if given else ""):
        if not is_own(entrant.spec):
            made = entrant.make(params)
            for name, value in given.items():
                if name not in made.hyperparameters():
                    raise UsageError(
                        f"{entrant.name} has no hyperparameter {name}; it has {', '.join(made.hyperparameters())}"
                    )
                setattr(made, name, value)
            return made
        return entrant.make(params, **given)


def caption(optimizer: Optimizer, given: Mapping[str, Any]) -> str:
    """Its learning rate, and the other hyperparameters that were `given`: "lr 0.1, μ 0.9"."""
    parts = [f"lr {optimizer.lr:g}"]
    parts += [f"{SYMBOLS.get(name, name)} {in_words(value)}" for name, value in given.items() if name != "lr"]
    return ", ".join(parts)


def in_words(value: Any) -> str:
    """The value of a hyperparameter, short: 0.9, or 0.9/0.999 for a pair."""
    return "/".join(map(in_words, value)) if isinstance(value, tuple) else f"{value:g}"


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
