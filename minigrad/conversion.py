"""Checks and conversions of what users pass in: numbers, lists, arrays, dtypes and shapes."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Sequence
from typing import Any

import numpy

from minigrad.backend import Array, is_array


class ShapeError(ValueError):
    """Shapes that do not fit; the message names the operation and the shapes."""


DTYPES = frozenset(numpy.dtype(name) for name in ("bool", *"bhilqBHILQ", *"efd"))
"""The types that elements can have, in this machine's byte order: bool, integers, and float16, float32, float64."""

_FLOAT32 = numpy.dtype("float32")
_INT64 = numpy.dtype("int64")


def as_dtype(dtype: Any) -> numpy.dtype[Any]:
    """`dtype` (a dtype, a type or a name) as a NumPy dtype that a tensor's elements can have, in native byte order.

    Raises:
        TypeError: it is not a dtype, or one that tensors cannot have: complex, strings, objects, longdouble, ...
    """
    try:
        found = numpy.dtype(dtype)
    except Exception:  # NumPy raises several kinds of exception here
        raise TypeError(f"{dtype!r} is no dtype: use 'bool', 'int64', 'float32', 'float64', ...") from None
    found = found.newbyteorder("=")
    if dtype is None or found not in DTYPES:
        raise TypeError(f"a tensor's elements are bools, integers or floats up to 64 bits, not {dtype!r}")
    return found


def plain(value: Any, dtype: Any = None, what: str = "a tensor") -> Array:
    """`value` as a plain array of numbers: exactly ``numpy.ndarray`` (or CuPy's), with a dtype in `DTYPES`.

    Such an array is returned as it is, not copied. Other values are converted:

    - numbers and (nested) lists or tuples: Python floats become float32, integers int64, bools bool; NumPy scalars,
      arrays and tensors in a list keep their precision;
    - objects with ``__array__`` (pandas, PyTorch on the CPU, NumPy scalars): the array which that method returns;
    - ``numpy.matrix``, ``memmap`` and other subclasses: the plain array in the same memory;
    - a masked array in which nothing is masked: the plain array (a masked element has no value);
    - an array in another byte order: a copy in native order.

    A longdouble has more digits than a tensor can store, so it is refused unless `dtype` is given.

    Args:
        value: the elements.
        dtype: their type, if another is wanted; Python numbers must fit it.
        what: the name of the result, for error messages.

    Raises:
        TypeError: `value` holds something other than real numbers, or tensors cannot have `dtype`.
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
    masked = sys.modules.get("numpy.ma")  # if there is a masked array, this has been imported
    if masked is not None and isinstance(value, masked.MaskedArray) and masked.is_masked(value):
        raise ValueError(
            f"{what} holds numbers, but {int(masked.count_masked(value))} of the {value.size} elements of this "
            "masked array are masked: fill them first, with .filled()"
        )


def _of_python(value: Any, wanted: numpy.dtype[Any] | None, what: str) -> numpy.ndarray:
    """Python numbers, and lists of them and of arrays."""
    found: set[Any] = set()  # the Python types and NumPy dtypes of the elements
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
        wanted = _INT64  # NumPy would choose uint64 or float64; numbers that do not fit are reported below
    if wanted is None and array.dtype.kind == "f":
        floats = [each for each in found if isinstance(each, numpy.dtype) and each.kind == "f"]
        wanted = as_dtype(numpy.result_type(*floats)) if floats else _FLOAT32
    if wanted is not None and wanted.kind in "iu" and array.dtype.kind in "iuf":
        must_fit(array, wanted, what)
    return _of_numbers(array, wanted, what, type(value))


def _kinds(values: Sequence[Any], found: set[Any], what: str, depth: int = 1) -> None:
    """Add to `found` the types of the Python numbers in nested lists, and the dtypes of everything else there."""
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
    """Raise unless all numbers are finite and in the range of this integer dtype (fractions are then cut off)."""
    if not array.size:
        return
    limits = numpy.iinfo(dtype)
    for number in (array.min().item(), array.max().item()):
        if not math.isfinite(number) or not limits.min <= int(number) <= limits.max:
            raise ValueError(f"{what} of {dtype} cannot hold {number}")


def sizes(name: str, given: tuple[Any, ...], least: int = 0) -> tuple[int, ...]:
    """The lengths of axes, given as integers of any kind or as one list, tuple, array or tensor of them.

    Raises:
        TypeError: one of them is not an integer.
        ShapeError: one is below `least` (-1 where one length may be left to be computed).
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
        raise ShapeError(f"{name}: an axis cannot have a negative length, as in {found}")
    return found


def _is_row(value: Any) -> bool:
    return hasattr(value, "ndim") and value.ndim == 1


def is_whole(number: Any) -> bool:
    """Whether it is one integer of any kind; bools and lists of one integer do not count."""
    if type(number) is int:
        return True
    if isinstance(number, (bool, numpy.bool_)) or (hasattr(number, "ndim") and number.ndim):
        return False
    try:
        operator.index(number)
    except (TypeError, ValueError):
        return False
    return True
