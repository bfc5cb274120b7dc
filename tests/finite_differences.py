"""Derivatives without the engine: differences of values, taken with NumPy alone.

`minigrad.gradcheck` is itself a subject of the tests, so they do not rest on it. The five-point formula used here
has an error of the order of STEP**4; with smooth functions of ordinary size that is some 1e-10, so a gradient that
is off by one part in a million is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import minigrad
from minigrad import Tensor

STEP = 1e-3
RTOL, ATOL = 1e-7, 1e-8


def slope(f: Callable[..., float], arrays: Sequence[np.ndarray], i: int, direction: np.ndarray) -> float:
    """The derivative of the number f(*arrays) when arrays[i] moves along `direction`."""

    def at(distance: float) -> float:
        moved = list(arrays)
        moved[i] = arrays[i] + distance * direction
        return f(*moved)

    near, far = at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


def hold(
    f: Callable[..., float],
    arrays: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    rng: np.random.Generator,
    what: str,
) -> None:
    """Assert that `gradients` are those of f at `arrays`: element by element and along a random direction."""
    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert gradient.shape == array.shape, f"{what} of input {i} has shape {gradient.shape}, not {array.shape}"
        direction = rng.standard_normal(array.shape)
        np.testing.assert_allclose(
            (gradient * direction).sum(),
            slope(f, arrays, i, direction),
            rtol=RTOL,
            atol=ATOL * max(1, array.size),
            err_msg=f"{what} of input {i}, along a random direction",
        )
        expected = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            unit = np.zeros(array.shape)
            unit[place] = 1.0
            expected[place] = slope(f, arrays, i, unit)
        np.testing.assert_allclose(gradient, expected, rtol=RTOL, atol=ATOL, err_msg=f"{what} of input {i}")


def frozen(array: np.ndarray) -> np.ndarray:
    """A copy that nobody can write to: a function that changes its inputs is found out."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def leaves(arrays: Sequence[np.ndarray]) -> list[Tensor]:
    """Tensors of the (frozen) arrays that require gradients."""
    return [Tensor(frozen(array), requires_grad=True) for array in arrays]


def check_gradient(function: Callable[..., Tensor], arrays: Sequence[np.ndarray], seed: int = 0) -> None:
    """Hold what `backward` leaves in the inputs of `function` against differences, for a random cotangent."""
    rng = np.random.default_rng(seed)
    inputs = leaves(arrays)
    y = function(*inputs)
    cotangent = frozen(rng.standard_normal(y.shape))
    y.backward(Tensor(cotangent), retain_graph=True)
    gradients = [np.zeros(x.shape) if x.grad is None else x.grad.data for x in inputs]

    def f(*moved: np.ndarray) -> float:
        return float((function(*map(Tensor, moved)).data * cotangent).sum())

    hold(f, arrays, gradients, rng, "the gradient")
    # A gradient belongs to its tensor alone: whoever writes to it changes nothing else.
    others = [cotangent, *(x.data for x in inputs)]
    for i, gradient in enumerate(gradients):
        assert gradient.flags.writeable
        assert gradient.dtype == np.float64
        assert not any(np.shares_memory(gradient, other) for other in (*others, *gradients[:i]))
    # When a single input wants a gradient, the others' are left out, and its own is the same.
    for i, expected in enumerate(gradients):
        single = [Tensor(x.data, requires_grad=i == k) for k, x in enumerate(inputs)]
        y = function(*single)
        if y.requires_grad:
            y.backward(cotangent)
        for k, x in enumerate(single):
            assert (x.grad is None) or i == k
        found = single[i].grad
        np.testing.assert_array_equal(np.zeros(expected.shape) if found is None else found.data, expected)


def check_second(function: Callable[..., Tensor], arrays: Sequence[np.ndarray], seed: int = 0) -> None:
    """Hold the gradients of a random combination of the gradients against differences of the gradients."""
    rng = np.random.default_rng(seed)
    inputs = leaves(arrays)
    y = function(*inputs)
    cotangent = frozen(rng.standard_normal(y.shape))
    weights = [rng.standard_normal(x.shape) for x in inputs]
    plain = minigrad.grad(y, inputs, cotangent, retain_graph=True, allow_unused=True)
    firsts = minigrad.grad(y, inputs, Tensor(cotangent), create_graph=True, allow_unused=True)
    combined = Tensor(np.zeros(()))
    for first, same, weight in zip(firsts, plain, weights, strict=True):
        # Recorded or not, the first gradient is one and the same.
        np.testing.assert_allclose(first.data, same.data, rtol=1e-13, atol=1e-15)
        combined = combined + (first * weight).sum()
    if combined.requires_grad:
        seconds = [g.data for g in minigrad.grad(combined, inputs, allow_unused=True)]
    else:
        seconds = [np.zeros(x.shape) for x in inputs]

    def f(*moved: np.ndarray) -> float:
        points = [Tensor(array, requires_grad=True) for array in moved]
        found = minigrad.grad(function(*points), points, cotangent, allow_unused=True)
        return float(sum((g.data * w).sum() for g, w in zip(found, weights, strict=True)))

    hold(f, arrays, seconds, rng, "the second derivative")
