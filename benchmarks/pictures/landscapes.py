"""The surfaces that optimizers race on: functions of two tensors, where to start, and at which rates.

A learner's own surface is such a function, in a file of their own::

    def bowl(x, y):
        return x**2 + 10 * y**2

``python -m benchmarks surfaces --surface path/to/mine.py:bowl``. It is called with two tensors without axes and
with two of shape (rows, columns), and must return one of the same shape. Gradients and second derivatives come
from minigrad.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy
from numpy import ndarray

import minigrad
from minigrad.tensor import Tensor

from .. import UsageError
from ..training.user_code import errors_of, file_and_name, load_file

Function = Callable[[Tensor, Tensor], Tensor]
Rates = Mapping[str, Mapping[str, Any]]
"""The hyperparameters of each optimizer, by its name in `benchmarks.training.optimizers`."""


def beale(x: Tensor, y: Tensor) -> Tensor:
    """(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: a flat cross between steep corners.

    Its minimum is 0, at (3, 0.5). E. M. L. Beale, "On an iterative method for finding a local minimum of a
    function of more than one variable", 1958.
    """
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def valley(x: Tensor, y: Tensor) -> Tensor:
    """12.5 y^2 + 1.5 cos(pi x / 4): a gutter with steep walls, whose floor sinks from a ridge at x = 0 to x = 4.

    Across it the curvature is 25, along it never more than 0.93, and on the ridge the slope along it is 0. In the
    style of the "long valley" of the well-known animations, whose formula is not known.
    """
    return 12.5 * y**2 + 1.5 * minigrad.cos(x * (math.pi / 4))


def saddle(x: Tensor, y: Tensor) -> Tensor:
    """x^3 - 3xy^2, the monkey saddle: three ways down, three up, and a plateau with no slope between them.

    In the style of the "saddle point" of the well-known animations, which looks like it.
    """
    return x**3 - 3 * x * y**2


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    """(1 - x)^2 + 100 (y - x^2)^2: a bent valley, easy to get into and slow to follow.

    Its minimum is 0, at (1, 1). H. H. Rosenbrock, "An automatic method for finding the greatest or least value
    of a function", 1960.
    """
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def ravine(x: Tensor, y: Tensor) -> Tensor:
    """(a^2 + 25 b^2) / 2, where a is the place along a line that rises 5 in 12, and b the distance from it.

    Its curvature is 25 across that line and 1 along it. Since the line is no axis, a rule that treats x and y
    each by itself sees much the same steepness in both. Its minimum is 0, at (0, 0).
    """
    along, across = (12 * x + 5 * y) / 13, (12 * y - 5 * x) / 13
    return (along**2 + 25 * across**2) / 2


@dataclass(frozen=True)
class Surface:
    """A function of two tensors, and how the race on it is set up.

    Attributes:
        name: what the command line and the result files call it.
        title, formula: what pictures call it, and its formula in TeX.
        function: ``function(x, y)``.
        x_range, y_range: what is drawn; who leaves it is out of the race.
        start: of the race.
        minimum: the place of its minimum, if it has one that is known.
        steps: of the race.
        rates: the hyperparameters of those who race.
        logarithmic: whether pictures draw its height as log10(1 + f).
        falls_away: whether it has no minimum, so that leaving it downhill is what an optimizer should do.
        camera: elevation and azimuth of the eye in the 3-D picture, in degrees.
        spec: what `surface` makes it from.
    """

    name: str
    title: str
    formula: str
    function: Function
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    start: tuple[float, float]
    minimum: tuple[float, float] | None
    steps: int
    rates: Rates
    logarithmic: bool = False
    falls_away: bool = False
    camera: tuple[float, float] = (42, -60)
    spec: str = ""

    @contextmanager
    def errors_of(self) -> Iterator[None]:
        """What is raised in here is told to a learner whose function this is. Overflows are no one's fault."""
        with errors_of(self.spec) if ".py:" in self.spec else nullcontext(), numpy.errstate(all="ignore"):
            yield

    def value(self, point: Any) -> float:
        """The function at `point`, (x, y)."""
        return float(self.values(*numpy.array(point, dtype=float).reshape(2, 1))[0])

    def values(self, x: ndarray, y: ndarray) -> ndarray:
        """The function at many points: x, y and what is returned are of one shape."""
        with self.errors_of():
            return evaluate(self.function, x, y)

    def contains(self, point: Any) -> bool:
        """Whether `point`, (x, y), is on the part that is drawn (a nan is not)."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return bool(x0 <= point[0] <= x1 and y0 <= point[1] <= y1)

    def grid(
        self, x_range: tuple[float, float], y_range: tuple[float, float], n: int = 100
    ) -> tuple[ndarray, ndarray, ndarray]:
        """X, Y and f(X, Y), each of shape (n, n), over a part of the plane."""
        x, y = numpy.meshgrid(numpy.linspace(*x_range, n), numpy.linspace(*y_range, n))
        return x, y, self.values(x, y)


# The rules that divide set off with a step along each axis that does not depend on how steep the surface is, so one
# rate suits them on surfaces of one size; SGD and its kin need one that fits the steepness. Momentum is mu = 0.95, as
# in the well-known animations, but on the saddle, where it would carry Nesterov over as well, and in the ravine.
#
# Beale's function, as measured off its animation: SGD 0.001, momentum and Nesterov 0.001 with 0.95, Adagrad 1,
# and a first step of RMSprop of about 0.32 along each axis. That step is lr / sqrt(1 - alpha): 0.1 with Hinton's
# alpha = 0.9 makes it 0.316. (So would 0.0316 with PyTorch's 0.99, but then it does not jitter at the end as it
# does there.) What the animation had for Adadelta is not known, and it has no Adam: these rates are ours. RAdam, which
# races if asked to, needs a small rate too: its first five steps are in proportion to the gradient.
SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            name="beale",
            title="Beale's function",
            formula=r"$f = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2$",
            function=beale,
            x_range=(-5, 5),
            y_range=(-5, 5),
            start=(1.0, 1.6),
            minimum=(3.0, 0.5),
            steps=199,
            rates={
                "sgd": {"lr": 1e-3},
                "momentum": {"lr": 1e-3, "momentum": 0.95},
                "nesterov": {"lr": 1e-3, "momentum": 0.95},
                "adagrad": {"lr": 1.0},
                "rmsprop": {"lr": 0.1, "alpha": 0.9},
                "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-3},
                "adam": {"lr": 0.3},
                "radam": {"lr": 0.01},
            },
            logarithmic=True,
            camera=(50, -52),
        ),
        Surface(
            name="valley",
            title="A long valley",
            formula=r"$f = 12.5\,y^2 + 1.5\,\cos(\pi x/4)$",
            function=valley,
            x_range=(-1.5, 6.5),
            y_range=(-1, 1),
            start=(1e-4, 0.8),
            minimum=(4.0, 0.0),
            steps=120,
            rates={
                "sgd": {"lr": 0.07},
                "momentum": {"lr": 0.02, "momentum": 0.95},
                "nesterov": {"lr": 0.02, "momentum": 0.95},
                "adagrad": {"lr": 0.4},
                "rmsprop": {"lr": 0.03, "alpha": 0.9},
                "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-4},
                "adam": {"lr": 0.1},
                "radam": {"lr": 0.03},
            },
            camera=(48, -70),
        ),
        Surface(
            name="saddle",
            title="A saddle point",
            formula=r"$f = x^3 - 3xy^2$",
            function=saddle,
            x_range=(-1, 1),
            y_range=(-1, 1),
            start=(-0.27, -0.5),
            minimum=None,
            steps=120,
            rates={
                "sgd": {"lr": 0.01},
                "momentum": {"lr": 0.01, "momentum": 0.9},
                "nesterov": {"lr": 0.01, "momentum": 0.9},
                "adagrad": {"lr": 0.1},
                "rmsprop": {"lr": 0.01, "alpha": 0.9},
                "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-5},
                "adam": {"lr": 0.02},
                "radam": {"lr": 0.02},
            },
            falls_away=True,
            camera=(38, -35),
        ),
        Surface(
            name="rosenbrock",
            title="Rosenbrock's function",
            formula=r"$f = (1 - x)^2 + 100\,(y - x^2)^2$",
            function=rosenbrock,
            x_range=(-2.5, 2.5),
            y_range=(-1, 3.5),
            start=(-2.0, 2.0),
            minimum=(1.0, 1.0),
            steps=400,
            rates={
                "sgd": {"lr": 5e-4},
                "momentum": {"lr": 2e-4, "momentum": 0.95},
                "nesterov": {"lr": 2e-4, "momentum": 0.95},
                "adagrad": {"lr": 0.5},
                "rmsprop": {"lr": 0.03, "alpha": 0.9},
                "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-3},
                "adam": {"lr": 0.3},
                "radam": {"lr": 5e-4},
            },
            logarithmic=True,
            camera=(48, -72),
        ),
        Surface(
            name="ravine",
            title="A ravine",
            formula=r"$f = (a^2 + 25\,b^2)/2,\ a = (12x + 5y)/13,\ b = (12y - 5x)/13$",
            function=ravine,
            x_range=(-10, 5),
            y_range=(-6, 5),
            start=(-8.0, -1.0),
            minimum=(0.0, 0.0),
            steps=60,
            rates={
                "sgd": {"lr": 0.07},
                "momentum": {"lr": 0.05, "momentum": 0.8},
                "nesterov": {"lr": 0.05, "momentum": 0.8},
                "adagrad": {"lr": 2.0},
                "rmsprop": {"lr": 0.3, "alpha": 0.9},
                "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-2},
                "adam": {"lr": 0.8},
                "radam": {"lr": 0.05},
            },
            camera=(45, -75),
        ),
    )
}
"""The built-in surfaces by name."""

RACES = ("beale", "valley", "saddle", "rosenbrock")
"""Those that are raced on unless others are asked for."""


def surface(spec: str, x_range: tuple[float, float] = (-3, 3), y_range: tuple[float, float] = (-3, 3)) -> Surface:
    """The built-in surface of that name, or the function in a learner's file: ``path/to/mine.py:function``.

    Args:
        spec: which.
        x_range, y_range: where a learner's surface is drawn.

    Raises:
        UsageError: there is no such surface, file or function; the file raises when it is run.
    """
    if spec in SURFACES:
        return replace(SURFACES[spec], spec=spec)
    file, name = file_and_name(spec, SURFACES, "surface", "function", "f")
    module = load_file(file)
    with errors_of(file):
        function = getattr(module, name, None)
        if not callable(function):
            offered = [each for each, value in vars(module).items() if inspect.isfunction(value)]
            raise UsageError(f"{file} has no function {name}: it has {', '.join(offered) or 'none at all'}")
    return Surface(
        name=name,
        title=name,
        formula=f"{file.name}, function {name}",
        function=function,
        x_range=x_range,
        y_range=y_range,
        start=(x_range[0] + (x_range[1] - x_range[0]) / 6, y_range[1] - (y_range[1] - y_range[0]) / 6),
        minimum=None,
        steps=200,
        rates={},
        spec=f"{file}:{name}",
    )


def prepared(one: Surface) -> Surface:
    """A learner's surface, tried out at its start, with rates that fit its steepness there.

    SGD and its kin get rates below 2 / lambda_max, where lambda_max is the largest curvature at the start; the
    adaptive rules a hundredth or so of the surface's width. Built-in surfaces are as they should be.

    Raises:
        UsageError: the function raises, or does not return a scalar that depends on x and y; the start is not on
            the surface.
    """
    if not one.contains(one.start):
        (x0, x1), (y0, y1) = one.x_range, one.y_range
        raise UsageError(
            f"the start {one.start[0]:g},{one.start[1]:g} is not on the surface {one.name}: "
            f"it reaches from {x0:g} to {x1:g} in x and from {y0:g} to {y1:g} in y"
        )
    if one.rates:
        return one
    check(one)
    _, _, f = one.grid(one.x_range, one.y_range)
    finite = f[numpy.isfinite(f)]
    if not finite.size:
        raise UsageError(f"the surface {one.name} is not finite anywhere in its range")
    low, middle, high = numpy.quantile(finite, [0, 0.5, 1])
    return replace(one, rates=_fitting_rates(one), logarithmic=bool(high - low > 20 * (middle - low)))


def _fitting_rates(one: Surface) -> Rates:
    """See `prepared`."""
    with one.errors_of():
        curvatures = numpy.abs(numpy.linalg.eigvalsh(numpy.nan_to_num(hessian(one.function, one.start))))
    steepest = float(curvatures.max())
    lr = _rounded(0.5 / steepest) if steepest > 0 else 0.01
    width = max(one.x_range[1] - one.x_range[0], one.y_range[1] - one.y_range[0])
    return {
        "sgd": {"lr": lr},
        "momentum": {"lr": _rounded(lr / 2), "momentum": 0.9},
        "nesterov": {"lr": _rounded(lr / 2), "momentum": 0.9},
        "adagrad": {"lr": _rounded(width / 15)},
        "rmsprop": {"lr": _rounded(width / 100), "alpha": 0.9},
        "adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-3},
        "adam": {"lr": _rounded(width / 50)},
    }


def _rounded(number: float) -> float:
    """To two figures: a rate that can be read in a legend."""
    return float(f"{number:.2g}")


def check(one: Surface) -> None:
    """Try a learner's function out at the start.

    Raises:
        UsageError: it raises, or does not return a finite scalar tensor that was computed from x and y.
    """
    x, y = _leaves(one.start)
    where = one.spec or one.name
    with one.errors_of():
        f = one.function(x, y)
        f = f if isinstance(f, Tensor) else type(f).__name__
    if not isinstance(f, Tensor):
        raise UsageError(f"{where} returns a {f}, not a tensor: use the tensors' own operations")
    if f.numel() != 1:
        raise UsageError(f"{where} must return a scalar for two scalars, not a tensor of shape {f.shape}")
    if not math.isfinite(float(f)):
        raise UsageError(f"{where} is {float(f)} at the start, {one.start[0]:g},{one.start[1]:g}")
    if not f.requires_grad:
        raise UsageError(f"{where} returns what does not depend on x and y: it has no slope to go down")


def _leaves(point: Any) -> tuple[Tensor, Tensor]:
    x, y = (minigrad.tensor(numpy.float64(c), requires_grad=True) for c in point)
    return x, y


def value_and_gradient(function: Function, point: Any) -> tuple[float, ndarray]:
    """The function and its gradient, of shape (2,), at `point`, (x, y); from the engine, in float64."""
    x, y = _leaves(point)
    f = function(x, y)
    slopes = minigrad.grad(f, (x, y), allow_unused=True)
    return float(f), numpy.array([float(slope) for slope in slopes])


def hessian(function: Function, point: Any) -> ndarray:
    """The second derivatives at `point`, of shape (2, 2): the engine's gradients of its own gradients, in float64."""
    x, y = _leaves(point)
    slopes = minigrad.grad(function(x, y), (x, y), create_graph=True, allow_unused=True)
    rows = [
        [float(c) for c in minigrad.grad(slope, (x, y), retain_graph=True, allow_unused=True)]
        if slope.requires_grad
        else [0.0, 0.0]  # a slope that is constant
        for slope in slopes
    ]
    return numpy.array(rows)


def crossing(
    inside: Sequence[float], to: Sequence[float], x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[float, float]:
    """Where the straight way from `inside` a rectangle `to` a point out of it crosses its edge.

    If that point is not finite there is no way to it, and this is `inside` itself.
    """
    ranges = (x_range, y_range)
    if not all(map(math.isfinite, to)):
        return float(inside[0]), float(inside[1])
    part = 1.0
    for here, there, (low, high) in zip(inside, to, ranges, strict=True):
        if not low <= there <= high:
            part = min(part, ((high if there > high else low) - here) / (there - here))
    x, y = (
        min(max(here + part * (there - here), low), high)
        for here, there, (low, high) in zip(inside, to, ranges, strict=True)
    )
    return float(x), float(y)


def evaluate(function: Function, x: ndarray, y: ndarray) -> ndarray:
    """The function at many points: all at once, or, if it does not take that rightly, one by one."""
    with minigrad.no_grad():
        last = float(function(minigrad.tensor(x.flat[-1]), minigrad.tensor(y.flat[-1])))
        try:
            f = function(minigrad.tensor(x), minigrad.tensor(y))
            if f.shape == x.shape and numpy.isclose(f.data.flat[-1], last, equal_nan=True):
                return f.numpy()
        except Exception:
            pass  # a function with an `if x > 0` in it, which a grid has no one answer to
        points = zip(x.ravel(), y.ravel(), strict=True)
        values = [float(function(minigrad.tensor(a), minigrad.tensor(b))) for a, b in points]
        return numpy.array(values).reshape(x.shape)
