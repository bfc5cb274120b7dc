"""A stand-in for CuPy, made of NumPy, for tests alone: it refuses what CuPy refuses, and counts what a GPU waits for.

Kernels need a GPU, rules of conduct do not. An `ndarray` here wraps a NumPy array that nobody can reach by accident:
no implicit conversion to NumPy, no mixing with NumPy arrays, no keyword that CuPy lacks. NumPy's functions find it
through ``__array_ufunc__`` and ``__array_function__``, in CuPy's manner; an integer index out of range wraps around,
as in CuPy, instead of raising. Only what minigrad uses is here, so whatever passes has used nothing else;
`test_cupy_names.py` holds all of it against CuPy itself.

Written after the sources of CuPy 14.2 (core.pyx, _kernel.pyx, _routines_*.pyx). Launches are counted as they are
made there: one for a ufunc, a reduction, a copy, a fill or a matrix product (a reduction with CUB may take two);
for an index of several arrays one fill, one for each array, and the gather or scatter.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import types
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import kernel_tools
import numpy

SCALARS = (bool, int, float, complex, numpy.generic)
"""What a kernel takes besides arrays: Python numbers and NumPy scalars, passed by value; no transfer."""


class HiddenTraffic(AssertionError):
    """Something in a hot path made the host and the GPU exchange data, or wait for each other."""


class Counts:
    """What was done since the last `reset`.

    Attributes:
        to_device, to_host: copies from the host to the GPU and back.
        waits: times the host waited for the GPU (every copy back, masks and `nonzero`, `synchronize`).
        allocations: arrays that got memory of their own.
        live: of all arrays ever made, those that still have theirs (not reset).
        kernels: launches by name.
    """

    def __init__(self) -> None:
        self.live = 0
        self.forbidden = False
        self.reset()

    def reset(self) -> None:
        self.to_device = self.to_host = self.waits = self.allocations = 0
        self.kernels: Counter[str] = Counter()

    @property
    def launches(self) -> int:
        return self.kernels.total()

    @property
    def traffic(self) -> tuple[int, int, int]:
        return self.to_device, self.to_host, self.waits

    @contextlib.contextmanager
    def no_traffic(self) -> Iterator[Counts]:
        """Inside, a transfer or a wait raises `HiddenTraffic` where it happens; the counts start from 0."""
        self.reset()
        self.forbidden = True
        try:
            yield self
        finally:
            self.forbidden = False

    def _refuse(self, what: str) -> None:
        if self.forbidden:
            raise HiddenTraffic(what)

    def send(self) -> None:
        self._refuse("an array went from the host to the GPU")
        self.to_device += 1

    def fetch(self) -> None:
        self._refuse("a value was read back from the GPU")
        self.to_host += 1
        self.waits += 1

    def wait(self, why: str) -> None:
        self._refuse(why)
        self.waits += 1


counts = Counts()


def _launch(name: str, times: int = 1) -> None:
    counts.kernels[name] += times


def _quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call NumPy without its warnings: a GPU divides by zero in silence."""
    with numpy.errstate(all="ignore"):
        return function(*args, **kwargs)


def _new(array: Any) -> ndarray:
    """An array with memory of its own."""
    made = ndarray.__new__(ndarray)
    made._a = array if type(array) is numpy.ndarray else numpy.asarray(array)
    made.base = None
    counts.allocations += 1
    counts.live += 1
    return made


def _operand(x: Any) -> Any:
    """What a kernel is given for `x`."""
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, SCALARS):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _yields(other: Any) -> bool:
    """Whether CuPy's operator leaves the work to the reflected operator of `other`."""
    absent = object()
    found = getattr(other, "__array_ufunc__", absent)
    if found is not absent:
        return found is None
    return bool(getattr(other, "__array_priority__", 0) > ndarray.__array_priority__)


def _operator(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: ndarray, other: Any) -> Any:
        if isinstance(other, ndarray):
            return UFUNCS[name](*((other, self) if reflected else (self, other)))
        if _yields(other):
            return NotImplemented
        general = getattr(numpy, name)
        return general(other, self) if reflected else general(self, other)

    return method


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    def method(self: ndarray, other: Any) -> Any:
        return UFUNCS[name](self, other, out=self)

    return method


class ndarray:
    __slots__ = ("__weakref__", "_a", "base")
    __array_priority__ = 100
    __hash__ = None

    _a: numpy.ndarray
    base: ndarray | None

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._a = numpy.empty(shape, dtype)
        self.base = None
        counts.allocations += 1
        counts.live += 1

    def __del__(self) -> None:
        if getattr(self, "base", self) is None:
            counts.live -= 1

    def _view(self, array: numpy.ndarray) -> ndarray:
        """A view of this array; its base is the array that has the memory, however long the way there."""
        made = ndarray.__new__(ndarray)
        made._a = array
        made.base = self if self.base is None else self.base
        return made

    # What it is.

    shape = property(lambda self: self._a.shape)
    strides = property(lambda self: self._a.strides)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    flags = property(lambda self: self._a.flags)
    device = property(lambda self: Device(0))

    def __len__(self) -> int:
        if not self._a.ndim:
            raise TypeError("len() of unsized object")
        return len(self._a)

    # To the host.

    def get(self) -> numpy.ndarray:
        counts.fetch()
        return self._a.copy()

    def item(self) -> Any:
        if self._a.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        if self._a.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __reduce__(self) -> Any:
        return array, (self.get(),)

    # Copies and views.

    def copy(self, order: str = "C") -> ndarray:
        _launch("copy")
        return _new(self._a.copy(order))

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> Any:
        if casting is not None or subok is not None:
            raise TypeError("casting is not supported yet")
        if not copy and self._a.dtype == numpy.dtype(dtype):
            return self
        _launch("copy")
        return _new(_quietly(self._a.astype, dtype, order=order, copy=True))

    def view(self, dtype: Any = None) -> ndarray:
        return self._view(self._a.view() if dtype is None else self._a.view(dtype))

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        found = self._a.reshape(tuple(wanted), order=order)
        if not self._a.size or numpy.shares_memory(found, self._a):
            return self._view(found)
        _launch("copy")
        return _new(found)

    def ravel(self, order: str = "C") -> ndarray:
        return self.reshape(-1, order=order)

    def flatten(self, order: str = "C") -> ndarray:
        _launch("copy")
        return _new(self._a.flatten(order))

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return self._view(self._a.swapaxes(axis1, axis2))

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self._a.transpose(*axes))

    @property
    def T(self) -> ndarray:
        return self if self._a.ndim < 2 else self._view(self._a.T)

    # Indexing.

    def _prepared(self, index: Any) -> tuple[Any, int]:
        """The index as NumPy wants it, integers in arrays wrapped into range; and how many arrays are in it."""
        parts = []
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, ndarray):
                parts.append(part._a)
            elif isinstance(part, (list, tuple, numpy.ndarray, bool, numpy.bool_)):
                counts.send()  # CuPy copies it to the GPU without a word
                found = numpy.asarray(part)
                parts.append(found.astype(numpy.int32) if isinstance(part, list) and not found.size else found)
            else:
                parts.append(part)
        taken = sum(
            p.ndim if isinstance(p, numpy.ndarray) and p.dtype == bool else p is not None and p is not Ellipsis
            for p in parts
        )
        axis, arrays = 0, 0
        for i, part in enumerate(parts):
            if part is None:
                continue
            if part is Ellipsis:
                axis += self._a.ndim - taken
            elif isinstance(part, numpy.ndarray) and part.dtype == bool:
                counts.wait("a mask was an index: the host waits to learn how many elements it picks")
                axis += part.ndim
                arrays += 1
            else:
                if isinstance(part, numpy.ndarray):
                    if part.dtype.kind not in "iu":
                        raise IndexError("arrays used as indices must be of integer or boolean type.")
                    if axis < self._a.ndim and self._a.shape[axis]:
                        parts[i] = part.astype(numpy.int64) % self._a.shape[axis]
                    arrays += 1
                axis += 1
        return (tuple(parts) if isinstance(index, tuple) else parts[0]), arrays

    def __getitem__(self, index: Any) -> ndarray:
        prepared, arrays = self._prepared(index)
        found = self._a[prepared]
        if not arrays:
            if not isinstance(found, numpy.ndarray):  # CuPy has no scalars: a view without axes
                found = self._a[(*(prepared if isinstance(prepared, tuple) else (prepared,)), ...)]
            return self._view(found)
        _launch("gather", arrays + 2 if arrays > 1 else 1)
        return _new(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        prepared, arrays = self._prepared(index)
        if arrays:
            _launch("scatter", arrays + 2 if arrays > 1 else 1)
            if not isinstance(value, (ndarray, *SCALARS)):
                counts.send()
            _quietly(operator.setitem, self._a, prepared, value._a if isinstance(value, ndarray) else value)
            return
        place = self[index]
        if not isinstance(value, ndarray):
            place.fill(value)
            return
        same = place._a.shape == value._a.shape and place._a.strides == value._a.strides
        if not (same and place._a.ctypes.data == value._a.ctypes.data):
            _launch("copy")
            _quietly(operator.setitem, self._a, prepared, value._a)

    def fill(self, value: Any) -> None:
        if isinstance(value, ndarray):
            if value._a.shape != ():
                raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
            value = value._a
        else:
            value = numpy.asarray(value, dtype=self._a.dtype)
            if value.shape != ():
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        _launch("fill")
        self._a[...] = value

    def __iter__(self) -> Iterator[ndarray]:
        if not self._a.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._a)))

    def take(self, indices: Any, axis: int | None = None, out: None = None) -> ndarray:
        if isinstance(indices, ndarray):
            indices = indices._a
        elif not isinstance(indices, SCALARS):
            counts.send()
            indices = numpy.asarray(indices, dtype=int)
        _launch("gather")
        return _new(self._a.take(indices, axis=axis, mode="wrap"))

    def nonzero(self) -> tuple[ndarray, ...]:
        counts.wait("nonzero: the host waits to learn how many elements there are")
        _launch("nonzero", 2)
        return tuple(map(_new, self._a.nonzero()))

    # Reductions.

    def _reduced(self, name: str, axis: Any, out: Any, keepdims: bool, **options: Any) -> ndarray:
        _launch(name)
        into = None if out is None else out._a
        found = _quietly(getattr(self._a, name), axis=axis, out=into, keepdims=keepdims, **options)
        return _new(found) if out is None else out

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("sum", axis, out, keepdims, dtype=dtype)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = None) -> ndarray:
        return self._reduced("prod", axis, out, bool(keepdims), dtype=dtype)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("mean", axis, out, keepdims, dtype=dtype)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("max", axis, out, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("min", axis, out, keepdims)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("all", axis, out, keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("any", axis, out, keepdims)

    def argmax(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("argmax", axis, out, keepdims)

    def argmin(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return self._reduced("argmin", axis, out, keepdims)

    def cumsum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> ndarray:
        _launch("cumsum")
        return _new(_quietly(self._a.cumsum, axis, dtype))

    def argsort(self, axis: int = -1) -> ndarray:
        _launch("argsort")
        return _new(self._a.argsort(axis=axis, kind="stable"))

    # Operators.

    __add__, __radd__, __iadd__ = _operator("add"), _operator("add", True), _in_place("add")
    __sub__, __rsub__, __isub__ = _operator("subtract"), _operator("subtract", True), _in_place("subtract")
    __mul__, __rmul__, __imul__ = _operator("multiply"), _operator("multiply", True), _in_place("multiply")
    __truediv__, __rtruediv__ = _operator("true_divide"), _operator("true_divide", True)
    __itruediv__ = _in_place("true_divide")
    __rpow__, __ipow__ = _operator("power", True), _in_place("power")
    __and__, __rand__ = _operator("bitwise_and"), _operator("bitwise_and", True)
    __or__, __ror__ = _operator("bitwise_or"), _operator("bitwise_or", True)
    __xor__, __rxor__ = _operator("bitwise_xor"), _operator("bitwise_xor", True)
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", True)

    def __pow__(self, other: Any) -> Any:
        if type(other) in (int, float) and other == 2:
            return UFUNCS["square"](self)
        if type(other) is float and other in (0.5, -1.0):
            return UFUNCS["sqrt" if other == 0.5 else "reciprocal"](self)
        return _operator("power")(self, other)

    def __neg__(self) -> Any:
        return UFUNCS["negative"](self)

    def __abs__(self) -> Any:
        return UFUNCS["absolute"](self)

    def __invert__(self) -> Any:
        return UFUNCS["invert"](self)

    # What NumPy's functions do with it.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        involved = inputs
        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            involved += kwargs["out"]
            kwargs["out"] = kwargs["out"][0]
        if method not in ("__call__", "outer", "at", "reduce", "accumulate", "reduceat"):
            return NotImplemented
        function: Any = UFUNCS.get(ufunc.__name__)
        if function is None:
            return NotImplemented
        if method != "__call__":
            function = getattr(function, method, None)
            if function is None:
                return NotImplemented
        if not all(isinstance(x, (*SCALARS, ndarray, numpy.ndarray)) for x in involved):
            return NotImplemented
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        try:
            path = [*function.__module__.split(".")[1:], function.__name__]
            found = functools.reduce(getattr, path, module)
        except AttributeError:
            return NotImplemented
        if not all(issubclass(kind, (ndarray, numpy.ndarray)) for kind in kinds):
            return NotImplemented
        return found(*args, **kwargs)


class ufunc:
    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._numpy = getattr(numpy, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out, dtype = kwargs.pop("out", None), kwargs.pop("dtype", None)
        casting = kwargs.pop("casting", "same_kind")
        if kwargs:
            raise TypeError(f"Wrong arguments {kwargs}")
        operands = [_operand(x) for x in args]
        if isinstance(out, tuple):
            (out,) = out
        if out is not None and not isinstance(out, ndarray):
            raise TypeError(f"return arrays must be cupy.ndarray, not {type(out)}")
        if out is None:
            found = _new(_quietly(self._numpy, *operands, dtype=dtype, casting=casting))
        else:
            _quietly(self._numpy, *operands, out=out._a, dtype=dtype, casting=casting)
            found = out
        if found._a.size:
            _launch(self.__name__)
        return found

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if self.__name__ not in ("add", "maximum", "minimum"):
            raise NotImplementedError(f"`{self.__name__}.at` is not supported here")
        prepared, arrays = a._prepared(indices)
        _launch("scatter", arrays + 2 if arrays > 1 else 1)
        self._numpy.at(a._a, prepared, _operand(b))

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        return (array.sum if self.__name__ == "add" else array.prod)(axis, dtype, out, keepdims)


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    for x in (a, b):
        if not isinstance(x, ndarray):
            raise TypeError(f"Argument has incorrect type (expected cupy.ndarray, got {type(x)})")
        if not (x._a.flags.c_contiguous or (x._a.ndim == 2 and x._a.flags.f_contiguous)):
            _launch("copy")  # cuBLAS takes rows or columns that lie one after the other
    if out is not None and not isinstance(out, ndarray):
        raise TypeError(f"Argument 'out' has incorrect type (expected cupy.ndarray, got {type(out)})")
    _launch("matmul")
    if out is None:
        return _new(_quietly(numpy.matmul, a._a, b._a))
    if not out._a.flags.c_contiguous:
        _launch("copy")
    _quietly(numpy.matmul, a._a, b._a, out=out._a)
    return out


_NAMES = (
    "absolute",
    "add",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "invert",
    "isfinite",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "remainder",
    "rint",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
)
UFUNCS: dict[str, Any] = {name: ufunc(name) for name in _NAMES}
UFUNCS["matmul"] = matmul


# --- Functions of the module -----------------------------------------------------------------------------


def array(obj: Any, dtype: Any = None, copy: Any = True) -> ndarray:
    if isinstance(obj, ndarray):
        return obj.astype(obj.dtype if dtype is None else dtype, copy=bool(copy))
    host = numpy.array(obj, dtype=dtype)
    if host.dtype == object:
        raise TypeError("Unsupported dtype object")
    if host.ndim:
        counts.send()
    else:
        _launch("fill")
    return _new(host)


def asarray(a: Any, dtype: Any = None) -> ndarray:
    return array(a, dtype, copy=None)


def empty(shape: Any, dtype: Any = float) -> ndarray:
    return _new(numpy.empty(shape, dtype))


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    _launch("fill")
    return _new(numpy.zeros(shape, dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    _launch("fill")
    return _new(numpy.full(shape, _operand(fill_value), dtype))


def zeros_like(a: ndarray, dtype: Any = None) -> ndarray:
    return zeros(a.shape, a.dtype if dtype is None else dtype)


def ones_like(a: ndarray, dtype: Any = None) -> ndarray:
    return full(a.shape, 1, a.dtype if dtype is None else dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    _launch("arange")
    return _new(numpy.arange(start, dtype=dtype) if stop is None else numpy.arange(start, stop, step, dtype))


def concatenate(tup: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = list(tup)
    if not all(isinstance(part, ndarray) for part in parts):
        raise TypeError("Only cupy arrays can be concatenated")
    if not all(part.ndim for part in parts):
        raise TypeError("zero-dimensional arrays cannot be concatenated")
    _launch("concatenate", len(parts) if len(parts) <= 8 else 1)
    return _new(numpy.concatenate([part._a for part in parts], axis=axis, dtype=dtype, casting=casting))


def stack(tup: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> ndarray:
    parts = [expand_dims(part, axis) for part in tup]
    return concatenate(parts, axis, dtype=dtype, casting=casting)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return condition.nonzero()
    condition = condition.astype("?", copy=False)
    operands = [_operand(part) for part in (condition, x, y)]
    _launch("where")
    return _new(numpy.where(*operands))


def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    return array._view(numpy.broadcast_to(array._a, shape))


def expand_dims(a: ndarray, axis: Any) -> ndarray:
    return a._view(numpy.expand_dims(a._a, axis))


def repeat(a: ndarray, repeats: Any, axis: Any = None) -> ndarray:
    if isinstance(repeats, ndarray):
        raise TypeError("cupy.ndarray of repeats is not supported")
    _launch("repeat")
    return _new(numpy.repeat(a._a, repeats, axis))


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    return a.copy()


def unique(
    ar: ndarray, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: Any = None
) -> Any:
    counts.wait("unique")
    found = numpy.unique(ar._a, return_index, return_inverse, return_counts, axis)
    return tuple(map(_new, found)) if isinstance(found, tuple) else _new(found)


def searchsorted(a: ndarray, v: ndarray, side: str = "left", sorter: Any = None) -> ndarray:
    _launch("searchsorted")
    return _new(numpy.searchsorted(a._a, v._a, side))


def bincount(x: ndarray, weights: Any = None, minlength: Any = None) -> ndarray:
    counts.wait("bincount")
    return _new(numpy.bincount(x._a, None if weights is None else weights._a, minlength or 0))


class ElementwiseKernel:
    """A kernel that is compiled by the C++ compiler, as a loop; the same body, with the same rounding."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str = "kernel", *, options: tuple[str, ...] = ()
    ) -> None:
        assert "--fmad=false" in options, "a product and a sum would be rounded once"
        self.name = name
        self.given = [pair.split() for pair in in_params.split(", ")] if in_params else []
        self.changed = [pair.split() for pair in out_params.split(", ")]
        self.run = kernel_tools.cpp_loop(self.given, self.changed, operation)

    def __call__(self, *args: Any) -> Any:
        arrays = []
        for (kind, name), value in zip((*self.given, *self.changed), args, strict=True):
            if isinstance(value, ndarray):
                if value.dtype != kind or not value._a.flags.c_contiguous:
                    raise TypeError(f"{self.name}: {name} must be a contiguous array of {kind}, not of {value.dtype}")
            elif not isinstance(value, SCALARS) or [kind, name] in self.changed:
                raise TypeError(f"Unsupported type {type(value)}")
            arrays.append(_operand(value))
        _launch(self.name)
        self.run(*arrays)


class Device:
    def __init__(self, device: int | None = None) -> None:
        self.id = 0 if device is None else int(device)
        if self.id != 0:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class Stream:
    def synchronize(self) -> None:
        counts.wait("synchronize")


def _module() -> types.ModuleType:
    made = types.ModuleType("cupy", __doc__)
    names = (array, asarray, empty, zeros, full, zeros_like, ones_like, arange, concatenate, stack, where)
    for function in (
        *names,
        ascontiguousarray,
        bincount,
        broadcast_to,
        expand_dims,
        matmul,
        repeat,
        searchsorted,
        unique,
    ):
        setattr(made, function.__name__, function)
    for name, function in UFUNCS.items():
        setattr(made, name, function)
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1, getDeviceProperties=lambda device: {"name": b"NumPy in the place of a GPU"}
    )
    made.__dict__.update(
        ndarray=ndarray,
        ufunc=ufunc,
        ElementwiseKernel=ElementwiseKernel,
        get_default_memory_pool=lambda: types.SimpleNamespace(free_all_blocks=lambda: None),
        cuda=types.SimpleNamespace(Device=Device, get_current_stream=Stream, runtime=runtime),
        __version__="0",
    )
    return made


def _erf(x: ndarray) -> ndarray:
    _launch("erf")
    return _new(numpy.vectorize(math.erf, otypes=[x.dtype])(x._a))


module = _module()
"""What stands in ``sys.modules["cupy"]`` during a test."""

special = types.ModuleType("cupyx.scipy.special")
special.__dict__["erf"] = _erf
MODULES = {"cupy": module, "cupyx": types.ModuleType("cupyx"), "cupyx.scipy.special": special}
MODULES["cupyx.scipy"] = types.ModuleType("cupyx.scipy")
"""The modules that are there during a test."""
