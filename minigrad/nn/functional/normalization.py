"""Normalization, and distances of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from minigrad import conversion, ops
from minigrad.functions.elementwise import clamp
from minigrad.functions.reducing import norm
from minigrad.functions.taken import tensor_of
from minigrad.nn.functional.common import as_input
from minigrad.spelling import numpy_names
from minigrad.tensor import ShapeError, Tensor


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the last axes.

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the lengths of the last axes.
        weight, bias: of that shape, or None.
        eps: added to the variance.

    Raises:
        ShapeError: the last axes of the input have other lengths.
    """
    x = as_input("layer_norm", input)
    axes = _last_axes("layer_norm", x, normalized_shape)
    distance = x - x.mean(axes, keepdim=True)
    y = distance / ops.sqrt((distance * distance).mean(axes, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean of x**2 + eps) * weight, with the mean over the last axes (Zhang and Sennrich 2019).

    By default eps is the distance from 1 to the next number of the dtype.
    """
    x = as_input("rms_norm", input)
    axes = _last_axes("rms_norm", x, normalized_shape)
    small = float(numpy.finfo(x.dtype).eps) if eps is None else eps
    y = x / ops.sqrt((x * x).mean(axes, keepdim=True) + small)
    return y if weight is None else y * weight


def _last_axes(name: str, x: Tensor, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = conversion.sizes(name, (normalized_shape,))
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: the last axes of an input of shape {x.shape} are not {shape}")
    return tuple(range(-len(shape), 0))


@numpy_names
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along `dim`, or by eps if that is larger."""
    x = as_input("normalize", input)
    return x / clamp(norm(x, p, dim, keepdim=True), min=eps)


@numpy_names
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`, with lengths of at least eps; shapes are broadcast."""
    a, b = as_input("cosine_similarity", x1), as_input("cosine_similarity", x2)
    lengths = clamp(norm(a, 2, dim, True), min=eps), clamp(norm(b, 2, dim, True), min=eps)
    return ops.sum((a / lengths[0]) * (b / lengths[1]), dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return norm(tensor_of("pairwise_distance", x1) - x2 + eps, p, -1, keepdim)
