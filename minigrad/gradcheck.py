"""A check of gradients by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from minigrad import backend
from minigrad.backward import grad
from minigrad.tensor import Tensor


class GradcheckError(AssertionError):
    """A gradient differs from finite differences; the message says for which input and by how much."""


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
    """Compare the gradients of `function` with central differences (f(x + eps d) - f(x - eps d)) / (2 eps).

    f is the sum of the elements of the result, each multiplied by a random weight. Each input that requires gradients
    is checked along random directions d, and then element by element.

    Args:
        function: a function of the tensors in `inputs` that returns one tensor.
        inputs: float64 tensors, at which the function is differentiable.
        eps: half the distance of the two points, in the units of the input.
        atol, rtol: the allowed difference: atol + rtol * |finite difference|.
        directions: the number of random directions.
        seed: the seed of the weights and directions.
        second: check the second derivatives too (the gradients of a randomly weighted sum of the gradients).

    Returns:
        True.

    Raises:
        GradcheckError: a gradient is wrong; the message has the input, the place and both values.
        TypeError: an input is not float64. (In float32 rounding errors would exceed the differences.)
        ValueError: no input requires gradients.
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
    """Compare the gradients of `scalar` (see `gradcheck` for the arguments); `what` is their name in messages."""
    points = [Tensor(x.data.copy(), requires_grad=x.requires_grad) for x in tensors]
    value = scalar(*points)
    if value.requires_grad:
        found = grad(value, [points[i] for i in checked], allow_unused=True)
        gradients = [backend.to_numpy(g.data) for g in found]
    else:  # the gradient of a linear function does not depend on the inputs any more
        gradients = [numpy.zeros(points[i].shape) for i in checked]

    def difference(i: int, direction: numpy.ndarray) -> float:
        ends = []
        for side in (eps, -eps):
            moved = list(points)
            step = backend.to_device(side * direction, points[i].device)
            moved[i] = Tensor(points[i].data + step, requires_grad=True)
            ends.append(scalar(*moved).item())
        return (ends[0] - ends[1]) / (2 * eps)

    def compare(i: int, where: str, ours: float, theirs: float) -> None:
        if not numpy.abs(ours - theirs) <= atol + rtol * numpy.abs(theirs):
            raise GradcheckError(
                f"{what} of input {i} (shape {points[i].shape}) {where}: "
                f"backward says {ours:.8g}, finite differences {theirs:.8g}, off by {numpy.abs(ours - theirs):.3g}"
            )

    for i, gradient in zip(checked, gradients, strict=True):
        for n in range(directions if gradient.size else 0):
            direction = draws.standard_normal(points[i].shape)
            direction /= numpy.sqrt((direction**2).sum())
            compare(i, f"along random direction {n}", float((gradient * direction).sum()), difference(i, direction))
        for place in numpy.ndindex(points[i].shape):
            unit = numpy.zeros(points[i].shape)
            unit[place] = 1.0
            compare(i, f"at element {place}", float(gradient[place]), difference(i, unit))
