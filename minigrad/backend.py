"""Which library owns an array, where arrays live, and how they move.

There is no global mode: the array decides. ``get_array_module(a)`` answers ``numpy`` or ``cupy``, and code
says ``xp.`` only where an operator will not do. CuPy is imported when a GPU is first asked for, never before.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

import numpy

Array = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``: the engine never asks which."""

INSTALL_CUPY = "pip install -e '.[cuda13]' (or '.[cuda12]') on a machine with an NVIDIA GPU"


def _keep_freed_memory() -> None:
    """Let the C library keep what is freed, instead of handing it back and asking for it again.

    glibc maps every block of 128 KB or more afresh and unmaps it when it is freed: some 80 page faults for one
    mini-batch of MNIST, dearer than the arithmetic done on it. Its thresholds adapt, though: once a block has
    been freed, blocks up to that size come from the heap, and the heap keeps twice as much (mallopt(3),
    M_MMAP_THRESHOLD; the largest size that counts is 32 MB). Any program that frees a large array sets them so;
    we do it first thing. The block is never touched, so it costs no memory. Other C libraries do not mind.
    """
    block = numpy.empty(32 * 2**20 - 2**16, dtype=numpy.uint8)
    del block


_keep_freed_memory()


def get_array_module(array: Array) -> ModuleType:
    """The library that owns `array`: ``cupy`` for a CuPy array, ``numpy`` for anything else."""
    if type(array) is numpy.ndarray:
        return numpy
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(array, cupy.ndarray):
        return cupy
    return numpy


def is_array(value: object) -> bool:
    """Whether `value` is an array of either library (a NumPy scalar is not)."""
    if isinstance(value, numpy.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(value, cupy.ndarray)


def import_cupy() -> ModuleType:
    """CuPy, with a GPU behind it.

    Raises:
        RuntimeError: CuPy is not installed, or it finds no GPU; the sentence says what to install.
    """
    try:
        import cupy
    except ImportError:
        raise RuntimeError(f"a GPU was asked for, but CuPy is not installed: {INSTALL_CUPY}") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own classes for a missing driver or library
        raise RuntimeError(f"a GPU was asked for, but CuPy finds no working CUDA driver ({error})") from None
    if not count:
        raise RuntimeError("a GPU was asked for, but CuPy finds none on this machine")
    return cupy


class device:
    """Where a tensor lives: ``device("cpu")``, ``device("cuda")`` or ``device("cuda:1")``.

    Raises:
        ValueError: the name is not one of those.
    """

    __slots__ = ("index", "type")

    type: str
    index: int

    def __init__(self, name: str | device) -> None:
        if isinstance(name, device):
            self.type, self.index = name.type, name.index
            return
        kind, colon, index = str(name).partition(":")
        if (
            kind not in ("cpu", "cuda")
            or (colon and not index.isdecimal())
            or (kind == "cpu" and index not in ("", "0"))
        ):
            raise ValueError(f"a device is 'cpu', 'cuda' or 'cuda:0', not {name!r}")
        self.type = kind
        self.index = int(index or 0)

    def __str__(self) -> str:
        return "cpu" if self.type == "cpu" else f"cuda:{self.index}"

    def __repr__(self) -> str:
        return f"device('{self}')"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                other = device(other)
            except ValueError:
                return False
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


CPU = device("cpu")


# What training does at every step to matrices of some hundred rows, done the way that is quickest in NumPy. (On a
# GPU there is nothing to choose.)


@functools.lru_cache(maxsize=64)
def _zeros(shape: tuple[int, ...], dtype: Any) -> numpy.ndarray:
    return numpy.zeros(shape, dtype)


def positive_part(a: Array) -> Array:
    """max(a, 0) elementwise: against a row of zeros it takes NumPy half the time of against the number 0."""
    return numpy.maximum(a, _zeros(a.shape[-1:], a.dtype) if type(a) is numpy.ndarray else 0)


def maxima(a: Array, axis: int) -> Array:
    """The largest elements of `a` along `axis`, which is kept, with length 1.

    Along the short last axis of a matrix NumPy compares one by one, across rows many at once; it pays to transpose.
    """
    if type(a) is numpy.ndarray and a.ndim == 2 and axis in (1, -1) and 0 < a.shape[1] <= 128:
        return numpy.ascontiguousarray(a.T).max(axis=0)[:, None]
    return a.max(axis=axis, keepdims=True)


def sums(a: Array, axis: Any, keepdims: bool = False, out: Array | None = None) -> Array:
    """The sums of `a` along `axis`: ``a.sum``, without what that method costs on the way to the ufunc.

    Products with vectors of ones would be quicker still for small matrices, but they add in another order, and
    with them fewer of the notebook's figures come back.
    """
    if type(a) is numpy.ndarray:
        return numpy.add.reduce(a, axis=axis, keepdims=keepdims, out=out)  # type: ignore[arg-type]
    return a.sum(axis=axis, keepdims=keepdims, out=out)


def device_of(array: Array) -> device:
    """The device that holds `array`."""
    if get_array_module(array) is numpy:
        return CPU
    return device(f"cuda:{array.device.id}")


def to_device(array: Array, where: device | str) -> Array:
    """`array` on the device `where`; itself if it is there already.

    Raises:
        RuntimeError: `where` is a GPU that is not there, or CuPy is missing.
    """
    where = device(where)
    if device_of(array) == where:
        return array
    if where.type == "cpu":
        return array.get()
    cupy = import_cupy()
    if where.index >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise RuntimeError(f"{where} was asked for, but the GPUs of this machine are cuda:0 to cuda:{count - 1}")
    with cupy.cuda.Device(where.index):
        return cupy.asarray(array)


def to_numpy(array: Array) -> numpy.ndarray:
    """`array` as a NumPy array, copied from the GPU if it lives there."""
    return numpy.asarray(to_device(array, CPU))


def plain(value: Any, dtype: Any = None, what: str = "a tensor") -> Array:
    """`value` as an array of numbers."""
    if is_array(value):
        return value if dtype is None else value.astype(dtype)
    try:
        array = numpy.asarray(value)
    except ValueError:
        raise ValueError("a tensor is made from lists of equal length, not from ragged ones") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} holds numbers, not {array.dtype} from {type(value).__name__}")
    if dtype is None and array.dtype == numpy.float64 and not isinstance(value, (numpy.ndarray, numpy.generic)):
        return array.astype(numpy.float32)
    return array if dtype is None else array.astype(dtype)
