"""Which library owns an array, where arrays live, and how they move.

There is no global mode: the array decides. ``get_array_module(a)`` answers ``numpy`` or ``cupy``, and code
says ``xp.`` only where an operator will not do. CuPy is imported when a GPU is first asked for, never before.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Sequence
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


# What comes in from outside.


class ShapeError(ValueError):
    """Shapes that do not fit; the message has the operation and the shapes in it."""


DTYPES = frozenset(numpy.dtype(name) for name in ("bool", *"bhilqBHILQ", *"efd"))
"""The types that elements can have, in this machine's byte order: bool, integers, and float16, float32, float64."""

_FLOAT32 = numpy.dtype("float32")
_INT64 = numpy.dtype("int64")


def as_dtype(dtype: Any) -> numpy.dtype[Any]:
    """`dtype` (a dtype, a type or a name) as a NumPy dtype that a tensor's elements can have, in native byte order.

    Raises:
        TypeError: it is no dtype, or one that no tensor has: complex, strings, objects, longdouble, ...
    """
    try:
        found = numpy.dtype(dtype)
    except Exception:  # NumPy raises many kinds for what is no dtype
        raise TypeError(f"{dtype!r} is no dtype: take 'bool', 'int64', 'float32', 'float64', ...") from None
    found = found.newbyteorder("=")
    if dtype is None or found not in DTYPES:
        raise TypeError(f"a tensor's elements are bools, integers or floats up to 64 bits, not {dtype!r}")
    return found


def plain(value: Any, dtype: Any = None, what: str = "a tensor") -> Array:
    """`value` as an array of numbers: of ``numpy.ndarray`` itself (or CuPy's), with a dtype of `DTYPES`.

    An array that is so already is returned as it is, not copied. Of other things are made

    - numbers and (nested) lists or tuples: Python floats become float32, integers int64, bools bool; NumPy's numbers,
      arrays and tensors in a list keep their precision;
    - anything that gives an array (``__array__``: pandas, PyTorch on the CPU, NumPy's scalars): what it gives;
    - ``numpy.matrix``, ``memmap`` and other subclasses: the plain array in the same memory;
    - a masked array of which nothing is masked: the plain array; a masked element has no number;
    - another byte order: a native copy.

    A longdouble has more digits than a tensor can keep: it is refused, unless `dtype` says what to make of it.

    Args:
        value: the elements.
        dtype: their type, if another is wanted; Python numbers must fit it.
        what: what is being made, for the error's sentence.

    Raises:
        TypeError: there are other things than real numbers in it, or `dtype` is none that a tensor has.
        ShapeError: lists of unequal lengths.
        ValueError: masked elements; Python integers that do not fit the dtype.
    """
    kind = type(value)
    if kind is numpy.ndarray and value.dtype in DTYPES:
        return value if dtype is None else value.astype(as_dtype(dtype), copy=False)
    wanted = None if dtype is None else as_dtype(dtype)
    if kind is not numpy.ndarray and is_array(value) and not isinstance(value, numpy.ndarray):
        return _of_numbers(value, wanted, what, kind)  # CuPy's
    _no_masks(value, what)
    if isinstance(value, numpy.ndarray):
        return _of_numbers(numpy.asarray(value), wanted, what, kind)
    if isinstance(value, (list, tuple)) or (isinstance(value, (int, float)) and not isinstance(value, numpy.generic)):
        return _of_python(value, wanted, what)
    return _of_numbers(numpy.asarray(value), wanted, what, kind)


def _of_numbers(array: Array, wanted: numpy.dtype[Any] | None, what: str, kind: type) -> Array:
    found = array.dtype
    if found.kind not in "biuf" or (wanted is None and found.newbyteorder("=") not in DTYPES):
        numbers = {"c": "real numbers", "f": "numbers of up to 64 bits"}.get(found.kind, "numbers")
        raise TypeError(f"{what} holds {numbers}, not {found} from {kind.__name__}")
    return array.astype(found.newbyteorder("=") if wanted is None else wanted, copy=False)


def _no_masks(value: Any, what: str) -> None:
    masked = sys.modules.get("numpy.ma")  # if there is a masked array, it has been imported
    if masked is not None and isinstance(value, masked.MaskedArray) and masked.is_masked(value):
        raise ValueError(
            f"{what} holds numbers, and {int(masked.count_masked(value))} of the {value.size} elements of this "
            "masked array have none: fill them first, with .filled()"
        )


def _of_python(value: Any, wanted: numpy.dtype[Any] | None, what: str) -> numpy.ndarray:
    """Python numbers, and lists of them and of arrays."""
    found: set[Any] = set()  # of the elements: Python types, and NumPy dtypes
    _kinds(value if isinstance(value, (list, tuple)) else (value,), found, what)
    try:
        array = numpy.asarray(value)
    except ValueError:
        raise ShapeError(f"{what} is made from lists of equal length, not from ragged ones") from None
    except OverflowError as error:
        raise ValueError(f"{what} cannot hold these numbers: {error}") from None
    whole = bool(found) and found <= {bool, int}
    if whole and array.dtype == object:
        raise ValueError(f"{what} cannot hold integers of more than 64 bits")
    if wanted is None and whole and array.dtype.kind in "uf":
        wanted = _INT64  # NumPy would take uint64 or float64; what does not fit is reported below
    if wanted is None and array.dtype.kind == "f":
        floats = [each for each in found if isinstance(each, numpy.dtype) and each.kind == "f"]
        wanted = as_dtype(numpy.result_type(*floats)) if floats else _FLOAT32
    if wanted is not None and wanted.kind in "iu" and array.dtype.kind in "iuf":
        must_fit(array, wanted, what)
    return _of_numbers(array, wanted, what, type(value))


def _kinds(values: Sequence[Any], found: set[Any], what: str, depth: int = 1) -> None:
    """Put into `found` the types of Python's numbers and the dtypes of all else that lies in nested lists."""
    kinds = set(map(type, values))
    if kinds <= {bool, int, float}:
        found |= kinds
        return
    if depth > 64:
        raise ShapeError(f"{what} has at most 64 axes: these lists are nested deeper")
    for value in values:
        if isinstance(value, (list, tuple)):
            _kinds(value, found, what, depth + 1)
        elif type(value) in (bool, int, float):
            found.add(type(value))
        else:
            _no_masks(value, what)
            dtype = getattr(value, "dtype", None)
            found.add(dtype if isinstance(dtype, numpy.dtype) else numpy.asarray(value).dtype)


def must_fit(array: numpy.ndarray, dtype: numpy.dtype[Any], what: str) -> None:
    """Numbers that are to become integers must be finite and in range; they are cut off after the point."""
    if not array.size:
        return
    limits = numpy.iinfo(dtype)
    for number in (array.min().item(), array.max().item()):
        if not math.isfinite(number) or not limits.min <= int(number) <= limits.max:
            raise ValueError(f"{what} of {dtype} cannot hold {number}")


def sizes(name: str, given: tuple[Any, ...], least: int = 0) -> tuple[int, ...]:
    """The lengths of axes, given as integers of any kind or as one list, tuple, array or tensor of them.

    Raises:
        TypeError: something else is among them.
        ShapeError: one is below `least` (-1 where a length may be left open).
    """
    numbers: Any = given
    if len(given) == 1 and not is_whole(given[0]):
        (only,) = given
        numbers = only if isinstance(only, (list, tuple, range)) else only.tolist() if _is_row(only) else given
    for number in numbers:
        if not is_whole(number):
            raise TypeError(f"{name}: the length of an axis is an integer, not {number!r}")
    found = tuple(map(operator.index, numbers))
    if found and min(found) < least:
        raise ShapeError(f"{name}: there are no axes of negative length, as in {found}")
    return found


def _is_row(value: Any) -> bool:
    return hasattr(value, "ndim") and value.ndim == 1


def is_whole(number: Any) -> bool:
    """Whether it is one integer of any kind; a bool is none, nor a list of one."""
    if type(number) is int:
        return True
    if isinstance(number, (bool, numpy.bool_)) or (hasattr(number, "ndim") and number.ndim):
        return False
    try:
        operator.index(number)
    except (TypeError, ValueError):
        return False
    return True


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


def ones_like(a: Array) -> Array:
    """An array of ones of the shape and dtype of `a`."""
    if type(a) is numpy.ndarray and a.shape == ():  # a loss
        return numpy.array(1, a.dtype)
    return get_array_module(a).ones_like(a)


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


_WIDER = {numpy.dtype("float16"): _FLOAT32, **{numpy.dtype(f"uint{bits}"): _INT64 for bits in (8, 16, 32)}}
"""What sums are taken in, where not in the type itself: PyTorch's choice. (NumPy's sums of smaller integers and of
bools are int64 too, but those of unsigned ones uint64.)"""

LONG = 2**17
"""How many float32 numbers are added one after the other at most; beyond, the sum is taken in float64."""


def sums(a: Array, axis: Any, keepdims: bool = False, out: Array | None = None) -> Array:
    """The sums of `a` along `axis`: ``a.sum``, without that method's own overhead.

    Sums of integers are int64 (of uint64: uint64), sums of float16 are taken in float32 and rounded once. Very long
    ones that NumPy would take number by number, with an error that grows with the length, are taken in float64.

    Products with vectors of ones would be quicker still for small matrices, but they add in another order, and
    with them fewer of the notebook's figures come back.
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

    It adds pairwise, with an error that hardly grows, along the axis whose elements lie closest in memory only.
    """
    if axis is None and (a.flags.c_contiguous or a.flags.f_contiguous):
        return 1
    axes = range(a.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    summed = {i % a.ndim for i in axes if -a.ndim <= i < a.ndim}
    count = math.prod(a.shape[i] for i in summed)
    step, closest = min((abs(a.strides[i]), i) for i in range(a.ndim) if a.shape[i] > 1)
    return count // a.shape[closest] if step and closest in summed else count


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
