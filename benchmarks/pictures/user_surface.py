"""Surfaces by name: a built-in one, a formula, or a function of the user's own, which are given fitting learning rates.

A surface of the user's own is a function of two tensors in a Python file::

    def bowl(x, y):
        return x**2 + 10 * y**2

``python -m benchmarks surfaces --surface path/to/mine.py:bowl`` races on it. The function is called with two tensors
without axes and with two of shape (rows, columns), and returns a tensor of the same shape. Gradients and second
derivatives come from minigrad. Where they are not those that finite differences give, the function is refused: it has
called something that is not an operation of tensors, such as ``math.sin``.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy
from numpy import ndarray

from minigrad.tensor import Tensor

from .. import UsageError
from ..training.user_code import errors_of, file_and_name, load_file
from .landscapes import SURFACES
from .surface import Range, Rates, Surface, hessian, leaves, rates, value_and_gradient
from .user_formula import formula, looks_like_one


def find_surface(spec: str, x_range: Range = (-3, 3), y_range: Range = (-3, 3)) -> Surface:
    """The built-in surface called `spec`, the formula that it is, or the function in ``path/to/mine.py:function``.

    Args:
        spec: which.
        x_range, y_range: the part of a user's surface that is drawn.

    Raises:
        UsageError: there is no such surface, file or function; the file raises when it is run; the formula cannot be
            read.
    """
    if spec in SURFACES:
        return replace(SURFACES[spec], spec=spec)
    if looks_like_one(spec):
        return surface_of_formula(spec, x_range, y_range)
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
        start=_corner(x_range, y_range),
        minimum=None,
        steps=200,
        rates={},
        spec=f"{file}:{name}",
    )


FORMULA = "formula"
"""The name of a surface that was typed as a formula."""


def surface_of_formula(text: str, x_range: Range = (-3, 3), y_range: Range = (-3, 3)) -> Surface:
    """The surface of a formula, see `benchmarks.pictures.user_formula`.

    Raises:
        UsageError: it cannot be read.
    """
    given = formula(text)
    return Surface(
        name=FORMULA,
        title="A surface of one's own",
        formula=f"$f = {given.tex}$",
        function=given.function,
        x_range=x_range,
        y_range=y_range,
        start=_corner(x_range, y_range),
        minimum=None,
        steps=200,
        rates={},
        spec=given.text,
        steady=given.steady,
    )


def _corner(x_range: Range, y_range: Range) -> tuple[float, float]:
    """Where a race on a user's surface starts: up on the left."""
    return x_range[0] + (x_range[1] - x_range[0]) / 6, y_range[1] - (y_range[1] - y_range[0]) / 6


def prepared(surface: Surface) -> Surface:
    """The surface, after a check of its start; a user's is also evaluated there, and gets hyperparameters that fit.

    Raises:
        UsageError: the function raises, or does not return a scalar that depends on x and y; the start is not on
            the surface.
    """
    if not surface.contains(surface.start):
        (x0, x1), (y0, y1) = surface.x_range, surface.y_range
        raise UsageError(
            f"the start {surface.start[0]:g},{surface.start[1]:g} is not on the surface {surface.name}: "
            f"it reaches from {x0:g} to {x1:g} in x and from {y0:g} to {y1:g} in y"
        )
    if surface.rates:
        return surface
    _check(surface)
    _, _, f = surface.grid(surface.x_range, surface.y_range)
    finite = f[numpy.isfinite(f)]
    if not finite.size:
        raise UsageError(f"the surface {surface.name} is not finite anywhere in its range")
    low, middle, high = numpy.quantile(finite, [0, 0.5, 1])
    return replace(surface, rates=_fitting_rates(surface), logarithmic=bool(high - low > 20 * (middle - low)))


def _check(surface: Surface) -> None:
    """Evaluate a user's function at the start.

    Raises:
        UsageError: it raises, or does not return a finite scalar tensor that was computed from x and y.
    """
    where = surface.spec or surface.name
    with surface.evaluating():
        f = surface.function(*leaves(surface.start))
        f = f if isinstance(f, Tensor) else type(f).__name__
    if not isinstance(f, Tensor):
        raise UsageError(f"{where} returns a {f}, not a tensor: use the tensors' own operations")
    if f.numel() != 1:
        raise UsageError(f"{where} must return a scalar for two scalars, not a tensor of shape {f.shape}")
    if not math.isfinite(f.item()):
        raise UsageError(f"{where} is {f.item()} at the start, {surface.start[0]:g},{surface.start[1]:g}")
    if not f.requires_grad:
        raise UsageError(f"{where} returns what does not depend on x and y: it has no slope to go down")
    _check_gradient(surface, where)


def _check_gradient(surface: Surface, where: str) -> None:
    """Compare the gradient with finite differences, at the start and at places around it.

    Raises:
        UsageError: they differ at more than half of the places, so it is not for a kink that one of them lies on.
    """
    (x0, x1), (y0, y1) = surface.x_range, surface.y_range
    x, y = surface.start
    # The start, and nine places between the edges; the fractions are no simple ones, for kinks lie at round numbers.
    parts = [(a, b) for a in (0.17, 0.43, 0.79) for b in (0.23, 0.57, 0.83)]
    places = [(x, y), *((x0 + a * (x1 - x0), y0 + b * (y1 - y0)) for a, b in parts)]
    wrong: list[str] = []
    compared = 0
    for at in places:
        with surface.evaluating(), numpy.errstate(all="ignore"):
            _, slope = value_and_gradient(surface.function, at)
            there = _differences(surface, at)
        if not (numpy.isfinite(slope).all() and numpy.isfinite(there).all()):
            continue
        compared += 1
        if not numpy.allclose(slope, there, rtol=1e-3, atol=1e-4 * (1 + numpy.abs(there).max())):
            (gx, gy), (fx, fy) = slope, there
            wrong.append(
                f"at ({at[0]:.3g}, {at[1]:.3g}) its gradient is ({gx:.4g}, {gy:.4g}), but by finite differences "
                f"({fx:.4g}, {fy:.4g})"
            )
    if 2 * len(wrong) > compared:
        raise UsageError(
            f"{where}: {wrong[0]}: it calls something that loses the gradient, such as math.sin, float() or .item() of "
            "a tensor; use the operations of tensors, as minigrad.sin"
        )


def _differences(surface: Surface, at: tuple[float, float]) -> ndarray:
    """The slopes at a place, by central differences."""
    h = 1e-5 * (1 + max(map(abs, at)))
    x, y = at
    ends = numpy.array([(x + h, y), (x - h, y), (x, y + h), (x, y - h)])
    f = [surface.value(end) for end in ends]
    return numpy.array([f[0] - f[1], f[2] - f[3]]) / (2 * h)


def _fitting_rates(surface: Surface) -> Rates:
    """Hyperparameters for a user's surface.

    SGD, Momentum and Nesterov get learning rates below 2 / lambda_max, where lambda_max is the largest curvature at the
    start and at places in the window that are lower. Those of the adaptive optimizers are about a hundredth of the
    surface's width.
    """
    x, y, f = surface.grid(surface.x_range, surface.y_range, 8)
    lower = f < surface.value(surface.start)
    steepest = 0.0
    for at in [surface.start, *zip(x[lower].tolist(), y[lower].tolist(), strict=True)]:
        with surface.evaluating(), numpy.errstate(all="ignore"):
            second = numpy.nan_to_num(hessian(surface.function, at), posinf=0, neginf=0)
        steepest = max(steepest, float(numpy.abs(numpy.linalg.eigvalsh(second)).max()))
    lr = _rounded(0.5 / steepest) if steepest > 0 else 0.01
    width = max(surface.x_range[1] - surface.x_range[0], surface.y_range[1] - surface.y_range[0])
    lrs = {"sgd": lr, "momentum": lr / 2, "adagrad": width / 15, "rmsprop": width / 100, "adam": width / 50}
    return rates(mu=0.9, eps=1e-3, **{name: _rounded(lr) for name, lr in lrs.items()})


def _rounded(number: float) -> float:
    """To two significant digits, so that a legend can show it."""
    return float(f"{number:.2g}")
