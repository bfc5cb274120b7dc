"""Softmax, its logarithm, and the cross entropy."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import arrays
from minigrad.backend import Array, get_array_module
from minigrad.operation import operation
from minigrad.ops.arguments import as_floating, checked_dim, is_half
from minigrad.ops.elementwise import exp
from minigrad.ops.reductions import sum
from minigrad.ops.shapes import _astype
from minigrad.spelling import numpy_names
from minigrad.tensor import float16, float32


@numpy_names
def softmax(a: Any, dim: int = -1) -> Any:
    """exp(a) / sum of exp(a) along `dim`, safe against overflow; for float16 it is computed in float32.

    Raises:
        TypeError: the elements are not floating point.
    """
    a = as_floating("softmax", a)
    if is_half(a):
        return _astype(softmax(_astype(a, float32), dim), float16)
    return exp(_log_softmax(a, dim))


@numpy_names
def log_softmax(a: Any, dim: int = -1) -> Any:
    """a - log(sum of exp(a)) along `dim`, with the largest element subtracted first so that nothing overflows.

    For float16 it is computed in float32.

    Raises:
        TypeError: the elements are not floating point.
    """
    a = as_floating("log_softmax", a)
    if is_half(a):
        return _astype(_log_softmax(_astype(a, float32), dim), float16)
    return _log_softmax(a, dim)


@operation(lambda g, y, _a, dim=-1: g - exp(y) * sum(g, dim, True))
def _log_softmax(a: Array, dim: int = -1) -> Array:
    return _log_softmax_of(a, checked_dim("log_softmax", a, dim))


def _log_softmax_of(a: Array, axis: int) -> Array:
    """log_softmax of an array along `axis`, which has been checked."""
    shifted = a - arrays.maxima(a, axis)
    return shifted - numpy.log(arrays.sums(numpy.exp(shifted), axis, True))


@operation(lambda g, _y, _log_p, labels: _put_in_rows(-g, _log_p.shape, labels))
def nll(log_p: Array, labels: Array) -> Array:
    """-log_p[i, labels[i]] for every row i: log_p (N, C) and labels (N,), integers from 0 to C - 1, give (N,)."""
    return -log_p[get_array_module(log_p).arange(len(labels)), labels]


@operation(lambda g, _y, _a, labels, log_p: _softmax_less_one_hot(_a, g * (1 / len(labels)), labels, log_p))
def mean_cross_entropy(a: Array, labels: Array, log_p: Array) -> Array:
    """The mean over the rows i of -log_p[i, labels[i]], where log_p = log_softmax(a) is (N, C) and labels are (N,).

    It does the same as `_log_softmax`, `nll` and a mean in one operation, because every training step needs it. The
    caller computes log_p, an array, because the gradient needs it too.
    """
    return arrays.sums(log_p[get_array_module(log_p).arange(len(labels)), labels], 0) * (-1 / len(labels))


def _softmax_less_one_hot(a: Any, scale: Any, labels: Array, log_p: Array) -> Any:
    """(softmax(a) - one-hot(labels)) * scale, the gradient of cross entropy."""
    if type(a) is numpy.ndarray:  # in place; on a GPU that would be more launches
        result = numpy.exp(log_p)
        result *= scale
        result[numpy.arange(len(labels)), labels] -= scale
        return result
    return _less_at(_softmax_known(a, log_p) * scale, scale, labels)


@operation(lambda g, y, _a, log_p: y * (g - sum(g * y, 1, True)))
def _softmax_known(a: Array, log_p: Array) -> Array:
    """softmax(a) along axis 1, where its logarithm is known already."""
    return numpy.exp(log_p)


@operation(
    lambda g, _y, _a, _b, labels: g,
    lambda g, _y, _a, _b, labels: sum(nll(g, labels)),
)
def _less_at(a: Array, b: Array, labels: Array) -> Array:
    """`a`, less the number b in each row i at column labels[i]."""
    xp = get_array_module(a)
    return xp.where(labels[:, None] == xp.arange(a.shape[1]), a - b, a)


@operation(lambda g, _y, _a, shape, labels: -nll(g, labels))
def _put_in_rows(a: Array, shape: tuple[int, int], labels: Array) -> Array:
    """Zeros of `shape`, with a[i] in row i at column labels[i]."""
    xp = get_array_module(a)
    result = xp.zeros(shape, dtype=a.dtype)
    result[xp.arange(len(labels)), labels] = a
    return result
