"""Functions of arrays that every training step uses, each in the form that is fastest in NumPy.

They are measured on matrices of some hundred rows, as mini-batches are. CuPy's own functions are used as they are.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

from minigrad.backend import Array, get_array_module


def _keep_freed_memory() -> None:
    """Make the C library keep freed memory, instead of returning it to the system and asking for it again.

    glibc maps every block of 128 KB or more anew and unmaps it when it is freed. For one mini-batch of MNIST that is
    some 80 page faults, which take longer than the arithmetic. But its thresholds adapt: once a block has been freed,
    blocks of up to that size are taken from the heap, and the heap keeps twice as much (mallopt(3), M_MMAP_THRESHOLD;
    the largest size that counts is 32 MB). Any program that frees a large array has this effect; here it is done at
    import. The block is never written to, so it uses no memory. With other C libraries nothing changes.
    """
    block = numpy.empty(32 * 2**20 - 2**16, dtype=numpy.uint8)
    del block


_keep_freed_memory()


@functools.lru_cache(maxsize=64)
def _zeros(shape: tuple[int, ...], dtype: Any) -> numpy.ndarray:
    return numpy.zeros(shape, dtype)


def ones_like(a: Array) -> Array:
    """An array of ones of the shape and dtype of `a`."""
    if type(a) is numpy.ndarray and a.shape == ():  # a loss
        return numpy.array(1, a.dtype)
    return get_array_module(a).ones_like(a)


def positive_part(a: Array) -> Array:
    """max(a, 0) elementwise. NumPy takes half as long with a row of zeros as with the number 0."""
    return numpy.maximum(a, _zeros(a.shape[-1:], a.dtype) if type(a) is numpy.ndarray else 0)


def maxima(a: Array, axis: int) -> Array:
    """The largest elements of `a` along `axis`, which stays as an axis of length 1.

    Along the short last axis of a matrix NumPy compares numbers one by one, but along the first axis many at once. So
    transposing first is faster.
    """
    if type(a) is numpy.ndarray and a.ndim == 2 and axis in (1, -1) and 0 < a.shape[1] <= 128:
        return numpy.ascontiguousarray(a.T).max(axis=0)[:, None]
    return a.max(axis=axis, keepdims=True)


_FLOAT32, _INT64 = numpy.dtype("float32"), numpy.dtype("int64")

_WIDER = {numpy.dtype("float16"): _FLOAT32, **{numpy.dtype(f"uint{bits}"): _INT64 for bits in (8, 16, 32)}}
"""The dtype that sums are computed in where it is not the array's own, as in PyTorch. (NumPy computes sums of bools and
of smaller integers in int64 too, but those of unsigned integers in uint64.)"""

LONG = 2**17
"""How many float32 numbers are added one after the other at most; longer sums are computed in float64."""


def sums(a: Array, axis: Any, keepdims: bool = False, out: Array | None = None) -> Array:
    """The sums of `a` along `axis`: as ``a.sum``, but without that method's overhead.

    Sums of integers are int64 (of uint64: uint64). Sums of float16 are computed in float32 and rounded once. Very long
    sums that NumPy would add number by number, with an error that grows with the length, are computed in float64.

    For small matrices, products with vectors of ones would be faster still. But they add in another order, and
    reproduce fewer figures of the course notebook ("6. Optimizers", whose MNIST comparison this project repeats).
    """
    wider: Any = _WIDER.get(a.dtype)
    if type(a) is numpy.ndarray:
        if a.size > LONG and a.dtype.kind == "f" and a.dtype.itemsize < 8 and _one_by_one(a, axis) > LONG:
            wider = numpy.float64
        if wider is None:
            return numpy.add.reduce(a, axis=axis, keepdims=keepdims, out=out)  # type: ignore[arg-type]
        found: Any = numpy.add.reduce(a, axis=axis, dtype=wider, keepdims=keepdims)  # type: ignore[call-overload]
    elif wider is None:
        return a.sum(axis=axis, keepdims=keepdims, out=out)
    else:
        found = a.sum(axis=axis, dtype=wider, keepdims=keepdims)
    if out is not None:
        out[...] = found
        return out
    return found.astype(a.dtype) if a.dtype.kind == "f" else found


def _one_by_one(a: numpy.ndarray, axis: Any) -> int:
    """How many numbers NumPy adds one after the other for one sum.

    Only along the axis whose elements are closest in memory does it add pairwise, with an error that hardly grows.
    """
    if axis is None and (a.flags.c_contiguous or a.flags.f_contiguous):
        return 1
    axes = range(a.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    summed = {i % a.ndim for i in axes if -a.ndim <= i < a.ndim}
    count = math.prod(a.shape[i] for i in summed)
    step, closest = min((abs(a.strides[i]), i) for i in range(a.ndim) if a.shape[i] > 1)
    return count // a.shape[closest] if step and closest in summed else count
