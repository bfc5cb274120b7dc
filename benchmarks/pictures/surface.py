"""A surface: a function of two tensors with a place to start, and its values and derivatives from minigrad's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad.tensor import Tensor

from ..training.user_code import errors_of, is_own

Function = Callable[[Tensor, Tensor], Tensor]
Range = tuple[float, float]
Rates = Mapping[str, Mapping[str, Any]]
"""The hyperparameters of each optimizer, by its name in `benchmarks.training.optimizers`."""


def rates(
    *, sgd: float, momentum: float, mu: float, adagrad: float, rmsprop: float, eps: float, adam: float, **others: float
) -> Rates:
    """The hyperparameters of the optimizers on a surface: the learning rates that are given, and usual values.

    `momentum` is the learning rate of Momentum and Nesterov, and `mu` their momentum. Adadelta has the learning rate
    1; `eps` determines the size of its first steps.
    """
    return {
        "sgd": {"lr": sgd},
        "momentum": {"lr": momentum, "momentum": mu},
        "nesterov": {"lr": momentum, "momentum": mu},
        "adagrad": {"lr": adagrad},
        "rmsprop": {"lr": rmsprop, "alpha": 0.9},
        "adadelta": {"lr": 1.0, "rho": 0.95, "eps": eps},
        "adam": {"lr": adam},
        **{name: {"lr": lr} for name, lr in others.items()},
    }


@dataclass(frozen=True)
class Surface:
    """A function of two tensors, and the settings of the race on it.

    Attributes:
        name: what the command line and the result files call it.
        title, formula: what pictures call it, and its formula in TeX.
        function: ``function(x, y)``.
        x_range, y_range: the part of the plane that is drawn; an optimizer that leaves it is out of the race.
        start: where the race starts.
        minimum: where its minimum is, if it has one that is known.
        steps: the number of steps of the race.
        rates: the hyperparameters of the optimizers.
        logarithmic: whether pictures draw its height as log10(1 + f).
        falls_away: whether it has no minimum, so that leaving it downhill is what an optimizer should do.
        camera: elevation and azimuth of the viewpoint of the 3-D picture, in degrees.
        spec: its name or, if it is the user's own, ``path/to/mine.py:function`` or a formula in x and y.
        steady: whether the function does the same operations at every point, so that they can be recorded once.
        others: further minima, as low as `minimum`.
    """

    name: str
    title: str
    formula: str
    function: Function
    x_range: Range
    y_range: Range
    start: tuple[float, float]
    minimum: tuple[float, float] | None
    steps: int
    rates: Rates
    logarithmic: bool = False
    falls_away: bool = False
    camera: tuple[float, float] = (42, -60)
    spec: str = ""
    steady: bool = False
    others: tuple[tuple[float, float], ...] = ()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """In this block overflow is ignored, and errors of a user's own function become UsageErrors."""
        with user_errors(self.spec), numpy.errstate(all="ignore"):
            yield

    def value(self, point: Any) -> float:
        """The function at `point`, (x, y)."""
        return float(self.values(*numpy.array(point, dtype=float).reshape(2, 1))[0])

    def values(self, x: ndarray, y: ndarray) -> ndarray:
        """The function at many points: x, y and the result have the same shape."""
        with self.evaluating():
            return evaluate(self.function, x, y)

    def contains(self, point: Any) -> bool:
        """Whether `point`, (x, y), is on the part that is drawn (nan is not)."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return bool(x0 <= point[0] <= x1 and y0 <= point[1] <= y1)

    def grid(self, x_range: Range, y_range: Range, n: int = 100) -> tuple[ndarray, ndarray, ndarray]:
        """X, Y and f(X, Y), each of shape (n, n), over a part of the plane."""
        x, y = numpy.meshgrid(numpy.linspace(*x_range, n), numpy.linspace(*y_range, n))
        return x, y, self.values(x, y)


def user_errors(spec: str) -> AbstractContextManager[None]:
    """In this block errors become UsageErrors, if `spec` names a function or class in a file of the user's own."""
    return errors_of(spec) if is_own(spec) else nullcontext()


def leaves(point: Any) -> tuple[Tensor, Tensor]:
    """x and y of `point` as float64 tensors that gradients are computed for."""
    x, y = (minigrad.tensor(numpy.float64(c), requires_grad=True) for c in point)
    return x, y


def value_and_gradient(function: Function, point: Any) -> tuple[float, ndarray]:
    """The function and its gradient, of shape (2,), at `point`, (x, y); from minigrad's engine, in float64."""
    x, y = leaves(point)
    f = function(x, y)
    slopes = minigrad.grad(f, (x, y), allow_unused=True)
    return f.item(), numpy.array([slope.item() for slope in slopes])


def hessian(function: Function, point: Any) -> ndarray:
    """The second derivatives at `point`, of shape (2, 2): the engine differentiates its own gradients, in float64."""
    x, y = leaves(point)
    slopes = minigrad.grad(function(x, y), (x, y), create_graph=True, allow_unused=True)
    rows = [
        [float(c) for c in minigrad.grad(slope, (x, y), retain_graph=True, allow_unused=True)]
        if slope.requires_grad
        else [0.0, 0.0]  # this slope is a constant
        for slope in slopes
    ]
    return numpy.array(rows)


def crossing(inside: Sequence[float], to: Sequence[float], x_range: Range, y_range: Range) -> tuple[float, float]:
    """Where the straight line from `inside` a rectangle `to` a point outside crosses its edge.

    If that point is not finite there is no such line, and the result is `inside` itself.
    """
    start, end, (low, high) = numpy.array(inside), numpy.array(to), numpy.transpose((x_range, y_range))
    if numpy.isfinite(end).all():
        edge = numpy.clip(end, low, high)
        # For each axis the fraction of the line at which it reaches the edge; 1 if it does not.
        fractions = numpy.divide(edge - start, end - start, where=edge != end, out=numpy.ones(2))
        start = numpy.clip(start + fractions.min() * (end - start), low, high)
    return float(start[0]), float(start[1])


def evaluate(function: Function, x: ndarray, y: ndarray) -> ndarray:
    """The function at many points: all at once, or one by one if the function does not work on whole arrays.

    Whether it does is seen from the last point, which is computed alone as well.
    """
    with minigrad.no_grad():
        last = float(function(minigrad.tensor(x.flat[-1]), minigrad.tensor(y.flat[-1])))
        try:
            f = function(minigrad.tensor(x), minigrad.tensor(y))
            if f.shape == x.shape and numpy.isclose(f.data.flat[-1], last, equal_nan=True):
                return f.numpy()
        except Exception:
            pass  # for instance `if x > 0`, which is ambiguous for an array
        points = zip(x.ravel(), y.ravel(), strict=True)
        values = [float(function(minigrad.tensor(a), minigrad.tensor(b))) for a, b in points]
        return numpy.array(values).reshape(x.shape)
