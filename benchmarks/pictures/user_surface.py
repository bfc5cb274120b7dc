"""Surfaces by name: a built-in one, or a function of the user's own, which is tried and given fitting learning rates.

A surface of the user's own is a function of two tensors in a Python file::

    def bowl(x, y):
        return x**2 + 10 * y**2

``python -m benchmarks surfaces --surface path/to/mine.py:bowl`` races on it. The function is called with two tensors
without axes and with two of shape (rows, columns), and returns a tensor of the same shape. Gradients and second
derivatives come from minigrad.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy

from minigrad.tensor import Tensor

from .. import UsageError
from ..training.user_code import errors_of, file_and_name, load_file
from .landscapes import SURFACES
from .surface import Range, Rates, Surface, hessian, leaves, rates


def find_surface(spec: str, x_range: Range = (-3, 3), y_range: Range = (-3, 3)) -> Surface:
    """The built-in surface called `spec`, or the function in a user's file: ``path/to/mine.py:function``.

    Args:
        spec: which.
        x_range, y_range: the part of a user's surface that is drawn.

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


def _fitting_rates(surface: Surface) -> Rates:
    """Hyperparameters for a user's surface.

    SGD, Momentum and Nesterov get learning rates below 2 / lambda_max, where lambda_max is the largest curvature at the
    start. Those of the adaptive optimizers are about a hundredth of the surface's width.
    """
    with surface.evaluating():
        second = numpy.nan_to_num(hessian(surface.function, surface.start))
    steepest = float(numpy.abs(numpy.linalg.eigvalsh(second)).max())
    lr = _rounded(0.5 / steepest) if steepest > 0 else 0.01
    width = max(surface.x_range[1] - surface.x_range[0], surface.y_range[1] - surface.y_range[0])
    lrs = {"sgd": lr, "momentum": lr / 2, "adagrad": width / 15, "rmsprop": width / 100, "adam": width / 50}
    return rates(mu=0.9, eps=1e-3, **{name: _rounded(lr) for name, lr in lrs.items()})


def _rounded(number: float) -> float:
    """To two significant digits, so that a legend can show it."""
    return float(f"{number:.2g}")
