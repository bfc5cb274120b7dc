"""Finite differences: what a gradient must agree with before anyone should believe it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from minigrad import backend
from minigrad.backward import grad
from minigrad.tensor import Tensor


class GradcheckError(AssertionError):
    """A gradient that finite differences do not confirm; the message says which input and by how much."""


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    directions: int = 3,
    seed: int = 0,
    second: bool = False,
) -> bool:
    """Hold the gradients of `function` against central differences (f(x + eps d) - f(x - eps d)) / 2 eps.

    The result of `function`, of any shape, is weighted by a random cotangent. Each input that requires
    gradients is then checked along random directions through all of it, and element by element.

    Args:
        function: of the tensors in `inputs`; gives one tensor.
        inputs: float64 tensors, away from kinks.
        eps: half the distance of the two points, in the units of the input.
        atol, rtol: what difference is allowed, absolutely and in proportion to the finite difference.
        directions: how many random directions.
        seed: of the cotangent and the directions.
        second: check the gradients of the gradients too (that of their sum weighted at random).

    Returns:
        True.

    Raises:
        GradcheckError: a gradient is wrong; the message has the input, the place and both values.
        TypeError: an input is not float64, in which differences would drown in rounding.
    """
    tensors = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(tensors):
        if x.requires_grad and x.dtype != numpy.float64:
            raise TypeError(f"gradcheck(): input {i} must be float64, not {x.dtype}")
    checked = [i for i, x in enumerate(tensors) if x.requires_grad]
    if not checked:
        raise ValueError("gradcheck(): no input requires gradients")
    draws = numpy.random.RandomState(seed)

    def weighted(values: Tensor, weights: numpy.ndarray) -> Tensor:
        return (values * backend.to_device(weights, values.device)).sum()

    weights = draws.uniform(0.5, 1.5, function(*tensors).shape)

    def scalar(*points: Tensor) -> Tensor:
        return weighted(function(*points), weights)

    _compare(scalar, tensors, checked, draws, eps, atol, rtol, directions, "gradient")
    if second:
        cotangents = [draws.uniform(0.5, 1.5, tensors[i].shape) for i in checked]

        def slope(*points: Tensor) -> Tensor:
            value = scalar(*points)
            if not value.requires_grad:
                return value
            firsts = grad(value, [points[i] for i in checked], create_graph=True, allow_unused=True)
            terms = [weighted(g, c) for g, c in zip(firsts, cotangents, strict=True)]
            return sum(terms[1:], start=terms[0])

        _compare(slope, tensors, checked, draws, eps, atol, rtol, directions, "second derivative")
    return True


def _compare(
    scalar: Callable[..., Tensor],
    tensors: list[Tensor],
    checked: list[int],
    draws: Any,
    eps: float,
    atol: float,
    rtol: float,
    directions: int,
    what: str,
) -> None:
    points = [Tensor(x.data.copy(), requires_grad=x.requires_grad) for x in tensors]
    value = scalar(*points)
    if value.requires_grad:
        found = grad(value, [points[i] for i in checked], allow_unused=True)
        gradients = [backend.to_numpy(g.data) for g in found]
    else:  # the second derivative of something linear: nothing depends on the inputs any more
        gradients = [numpy.zeros(points[i].shape) for i in checked]

    def difference(i: int, direction: numpy.ndarray) -> float:
        ends = []
        for side in (eps, -eps):
            moved = list(points)
            step = backend.to_device(side * direction, points[i].device)
            moved[i] = Tensor(points[i].data + step, requires_grad=True)
            ends.append(float(scalar(*moved)))
        return (ends[0] - ends[1]) / (2 * eps)

    def hold(i: int, where: str, ours: float, theirs: float) -> None:
        if not numpy.abs(ours - theirs) <= atol + rtol * numpy.abs(theirs):
            raise GradcheckError(
                f"{what} of input {i} (shape {points[i].shape}) {where}: "
                f"backward says {ours:.8g}, finite differences {theirs:.8g}, off by {numpy.abs(ours - theirs):.3g}"
            )

    for i, gradient in zip(checked, gradients, strict=True):
        for n in range(directions if gradient.size else 0):
            direction = draws.standard_normal(points[i].shape)
            direction /= numpy.sqrt((direction**2).sum())
            hold(i, f"along random direction {n}", float((gradient * direction).sum()), difference(i, direction))
        for place in numpy.ndindex(points[i].shape):
            unit = numpy.zeros(points[i].shape)
            unit[place] = 1.0
            hold(i, f"at element {place}", float(gradient[place]), difference(i, unit))
