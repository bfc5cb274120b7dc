"""Every differentiable operation, with its backward beside it.

Above each function stand, one for each input, the vector-Jacobian products: given the gradient `g` of the
result `y`, the gradient of that input. They use operators and other operations only, so they work on arrays
(ordinary training) and on tensors (gradients of gradients) alike. What an input's broadcasting adds, the tape
sums away again. At the end the operations become methods and operators of `Tensor`.
"""

from __future__ import annotations

import builtins
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy

from minigrad import backend
from minigrad.backend import Array, get_array_module
from minigrad.operation import Operation, operation, writes
from minigrad.recording import is_grad_enabled
from minigrad.tensor import ShapeError, Tensor, bool_, float16, float32, float64, int64

# What operations are given.


def _operand(name: str, x: Any, like: Any) -> Any:
    """What stands on the other side of an operator, as operations take it, or NotImplemented.

    Tensors, numbers and plain arrays stay as they are, other arrays become plain; lists become arrays on the device of
    `like`, and if that is floating point, of its dtype: Python numbers do not change the dtype of a result.
    """
    if isinstance(x, (Tensor, float, int)):
        return x
    if isinstance(x, numpy.generic) and x.dtype in backend.DTYPES:
        return x  # not an array: a GPU takes numbers of the host, but no arrays
    if isinstance(x, (list, tuple, range)):
        return _beside(name, x, like)
    if backend.is_array(x) or hasattr(x, "__array__"):
        return backend.plain(x, what=f"{name}: an operand")
    return NotImplemented


def _beside(name: str, x: Any, like: Any) -> Any:
    """Python numbers as an array where `like` is, and of its dtype."""
    floats = getattr(getattr(like, "dtype", None), "kind", "") == "f"
    array = backend.plain(x, like.dtype if floats else None, f"{name}: an operand")
    return backend.to_device(array, backend.device_of(_array(like)))


def _taken(name: str, x: Any, like: Any = None) -> Any:
    """The same for a function, which has nobody to leave it to.

    Raises:
        TypeError: `x` is neither a tensor nor an array, a number or a list of numbers.
    """
    found = _operand(name, x, like)
    if found is NotImplemented:
        raise TypeError(f"{name}: takes tensors, arrays and numbers, not {type(x).__name__}")
    return found


def _given(name: str, a: Any) -> Any:
    """What a function works on: a tensor or an array; lists become arrays."""
    return a if isinstance(a, Tensor) or backend.is_array(a) else backend.plain(a, what=f"{name}: its input")


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _real(name: str, a: Any) -> Any:
    """`a` as a function of real numbers takes it: whole numbers become float32, as in PyTorch."""
    if not hasattr(a, "dtype"):
        return a if isinstance(a, (float, int)) else _real(name, _taken(name, a))
    return a if a.dtype.kind == "f" else a.astype(float32)


def _real_tensor(name: str, a: Any) -> Any:
    """`a`, which must be floating point: where whole numbers would give no whole number PyTorch refuses them too."""
    a = _given(name, a)
    if a.dtype.kind != "f":
        raise TypeError(f"{name}: takes a floating-point tensor, not one of {a.dtype}: convert it with .float()")
    return a


def _is_half(a: Any) -> bool:
    return a.dtype == float16


# Arithmetic.


@operation(
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: g,
)
def add(a: Array, b: Array) -> Array:
    """a + b, elementwise."""
    return a + b


@operation(
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: -g,
)
def sub(a: Array, b: Array) -> Array:
    """a - b, elementwise."""
    return a - b


@operation(
    lambda g, _y, _a, b: g * b,
    lambda g, _y, a, _b: g * a,
)
def mul(a: Array, b: Array) -> Array:
    """a * b, elementwise."""
    return a * b


@operation(
    lambda g, _y, _a, b: g / b,
    lambda g, y, _a, b: -g * y / b,
)
def div(a: Array, b: Array) -> Array:
    """a / b, elementwise."""
    return a / b


@operation(
    lambda g, _y, a, b: g * b * a ** _exponent_less_one(b),
    lambda g, y, a, b: g * y * _log_of_base(a, b),
)
def pow(a: Array, b: Array) -> Array:
    """a to the power b, elementwise (for negative a there is no gradient of b: it is NaN).

    Raises:
        RuntimeError: integers to a negative integer power, as in PyTorch: the result would be no integer.
    """
    try:
        if isinstance(b, int) and b < 0 and not isinstance(a, float) and a.dtype.kind != "f":
            raise ValueError
        return a**b
    except ValueError:
        if _whole(a) and _whole(b):
            raise RuntimeError(
                "pow: integers to negative integer powers are not integers: convert them with .float() first"
            ) from None
        raise


def _whole(a: Any) -> bool:
    return isinstance(a, int) or (hasattr(a, "dtype") and a.dtype.kind != "f")


def _log_of_base(a: Any, b: Any) -> Any:
    """log a, but 0 where a = 0 and b >= 0: there y log a tends to 0."""
    if isinstance(a, (int, float)) and a > 0:
        return math.log(a)
    return log(where((a == 0) * (b >= 0), 1.0, a))


def _exponent_less_one(b: Any) -> Any:
    """b - 1, but 0 for the exponent 0, whose derivative 0 * a**-1 would be 0/0 at a = 0."""
    if isinstance(b, Tensor) or backend.is_array(b):
        return where(b == 0, 0.0, b - 1)
    return b - 1 if b else 0


@operation(lambda g, _y, _a: -g)
def neg(a: Array) -> Array:
    """-a."""
    return -a


# Functions of one number.


@operation(lambda g, y, _a: g * y)
def exp(a: Array) -> Array:
    """e to the power a."""
    return numpy.exp(_real("exp", a))


@operation(lambda g, _y, a: g / a)
def log(a: Array) -> Array:
    """The natural logarithm."""
    return numpy.log(_real("log", a))


@operation(lambda g, y, _a: g / (2 * y))
def sqrt(a: Array) -> Array:
    """The square root."""
    return numpy.sqrt(_real("sqrt", a))


@operation(lambda g, _y, a: g * cos(a))
def sin(a: Array) -> Array:
    """The sine, of radians."""
    return numpy.sin(_real("sin", a))


@operation(lambda g, _y, a: -g * sin(a))
def cos(a: Array) -> Array:
    """The cosine, of radians."""
    return numpy.cos(_real("cos", a))


@operation(lambda g, y, _a: g * (1 - y * y))
def tanh(a: Array) -> Array:
    """The hyperbolic tangent."""
    return numpy.tanh(_real("tanh", a))


@operation(lambda g, y, _a: g * y * (1 - y))
def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), by exp of -|a|, which cannot overflow; small results keep their digits."""
    a = _real("sigmoid", a)
    e = numpy.exp(-numpy.absolute(a))
    return get_array_module(a).where(a >= 0, 1, e) / (1 + e)


@operation(lambda g, y, _a: g * (y != 0))
def relu(a: Array) -> Array:
    """max(a, 0); its derivative at 0 is taken as 0, and at NaN as 1, as in PyTorch."""
    return backend.positive_part(a)


@operation(lambda g, _y, a: g * sign(a))
def abs(a: Array) -> Array:
    """The absolute value; its derivative at 0 is taken as 0, and at NaN too, as in PyTorch."""
    return numpy.absolute(a)


def sign(a: Any) -> Any:
    """-1, 0 or 1, and 0 for NaN, as in PyTorch: no gradient flows through it."""
    if isinstance(a, Tensor):
        return Tensor(sign(a.data))
    if a.dtype.kind == "f":
        return get_array_module(a).where(a == a, numpy.sign(a), a.dtype.type(0))
    return (a != 0).astype(a.dtype) if a.dtype.kind == "b" else numpy.sign(a)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b, elementwise; NaN where one of them is.

    Where they are equal each gets half of the gradient, and where one is NaN each gets all of it, as in PyTorch.
    """
    return _maximum(_taken("maximum", a, b), _taken("maximum", b, a))


@operation(
    lambda g, _y, a, b: where(a == b, 0.5 * g, where(a < b, 0.0, g)),
    lambda g, _y, a, b: where(a == b, 0.5 * g, where(a > b, 0.0, g)),
)
def _maximum(a: Array, b: Array) -> Array:
    return numpy.maximum(a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where `condition` holds, b elsewhere; no gradient flows to the condition."""
    a, b, condition = _taken("where", a, b), _taken("where", b, a), _taken("where", condition, a)
    if not isinstance(condition, Tensor):
        return _where(a, b, condition)
    chosen = _where(a, b, condition.data)
    if isinstance(chosen, Tensor):
        return chosen
    floats = chosen.dtype == float64 and not backend.is_array(a) and not backend.is_array(b)
    return Tensor(chosen.astype(float32) if floats else chosen)


@operation(
    lambda g, _y, _a, _b, condition: where(condition, g, 0.0),
    lambda g, _y, _a, _b, condition: where(condition, 0.0, g),
)
def _where(a: Array, b: Array, condition: Array) -> Array:
    return get_array_module(condition).where(condition, a, b)


# Shape.


@operation(lambda g, _y, _a, shape: g.reshape(_a.shape), view=True)
def _reshape(a: Array, shape: tuple[int, ...]) -> Array:
    known = math.prod(n for n in shape if n != -1)
    left_open = shape.count(-1)
    if left_open > 1 or (not known or a.size % known if left_open else known != a.size):
        raise ShapeError(f"reshape: {a.size} elements of shape {a.shape} do not fit shape {shape}")
    return a.reshape(shape)


def reshape(a: Any, *shape: Any) -> Any:
    """The same elements in another shape; one length may be -1, and is worked out.

    The shape is given as integers, or as one list, tuple, array or tensor of them.

    Raises:
        TypeError: a length that is no integer.
        ShapeError: another number of elements.
    """
    return _reshape(_given("reshape", a), backend.sizes("reshape", shape, least=-1))


def flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the axes from `start_dim` to `end_dim` into one."""
    a = _given("flatten", a)
    n = builtins.max(a.ndim, 1)
    start_dim, end_dim = _axis("flatten", start_dim), _axis("flatten", end_dim)
    if not (-n <= start_dim < n and -n <= end_dim < n and start_dim % n <= end_dim % n):
        raise ShapeError(f"flatten: a tensor of shape {tuple(a.shape)} has no axes from {start_dim} to {end_dim}")
    start, end = start_dim % n, end_dim % n
    return _reshape(a, (*a.shape[:start], math.prod(a.shape[start : end + 1]), *a.shape[end + 1 :]))


@operation(lambda g, _y, _a, dim0, dim1: transpose(g, dim0, dim1), view=True)
def transpose(a: Array, dim0: int, dim1: int) -> Array:
    """Swap two axes."""
    return a.swapaxes(_axis("transpose", dim0), _axis("transpose", dim1))


@operation(lambda g, _y, _a: g.T, view=True, name="T")
def _reverse_axes(a: Array) -> Array:
    return a.T


@operation(lambda g, _y, _a, shape: g, view=True)
def broadcast_to(a: Array, shape: tuple[int, ...]) -> Array:
    """Repeat along new or one-element axes until the shape is `shape`."""
    return get_array_module(a).broadcast_to(a, shape)


@operation(lambda g, _y, _a, index: _scatter(g, _a.shape, index), view=True)
def _getitem(a: Array, index: Any) -> Array:
    part = a[index]
    if isinstance(part, numpy.generic):  # NumPy copies a single element: with an Ellipsis it is a view, as in PyTorch
        return a[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return part


@operation(lambda g, _y, _a, shape, index: _getitem(g, index))
def _scatter(a: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of `shape`, with `a` added at `index`: where an index comes twice, both are added."""
    xp = get_array_module(a)
    result = xp.zeros(shape, dtype=a.dtype)
    if _is_basic(index):
        result[index] = a
    else:
        xp.add.at(result, index, a)
    return result


def _is_basic(index: Any) -> bool:
    """Whether the index picks every element at most once: numbers, slices, None, Ellipsis or a mask."""
    parts = index if isinstance(index, tuple) else (index,)
    return builtins.all(
        p is None or p is Ellipsis or isinstance(p, (int, numpy.integer, slice)) or getattr(p, "dtype", None) == bool_
        for p in parts
    )


def _index_of(places: list[Any]) -> Any:
    return numpy.asarray(places, dtype=None if places else int64)  # NumPy takes an empty list for floats


def getitem(a: Tensor, index: Any) -> Any:
    """a[index]: numbers, slices, None, Ellipsis, masks, integer arrays or tensors."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = tuple(p.data if isinstance(p, Tensor) else _index_of(p) if isinstance(p, list) else p for p in parts)
    try:
        return _getitem(a, arrays if isinstance(index, tuple) else arrays[0])
    except IndexError as error:
        raise IndexError(f"index {index} does not fit a tensor of shape {a.shape} ({error})") from None


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors along the axis `dim`; their other axes must agree."""
    parts = _several("cat", tensors)
    return _cat_of(len(parts))(*parts, _axis("cat", dim))


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors of one shape along a new axis `dim`."""
    tensors, dim = _several("stack", tensors), _axis("stack", dim)
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise ShapeError(f"stack: the tensors must have one shape, not {' and '.join(map(str, sorted(shapes)))}")
    shape = tuple(tensors[0].shape)
    n = len(shape) + 1
    if not -n <= dim < n:
        raise ShapeError(f"stack: there is no axis {dim} once tensors of shape {shape} have a new one")
    dim %= n
    return cat([reshape(t, *shape[:dim], 1, *shape[dim:]) for t in tensors], dim)


def _several(name: str, tensors: Any) -> list[Any]:
    """What is to be joined."""
    if isinstance(tensors, Tensor) or backend.is_array(tensors):
        raise TypeError(f"{name}: takes a list of tensors, not one tensor")
    parts = list(tensors)
    if not parts:
        raise ValueError(f"{name}: there is nothing to join")
    first = next((part for part in parts if hasattr(part, "dtype")), None)
    taken = [_taken(name, part, first) for part in parts]
    return [_beside(name, part, first) if isinstance(part, (int, float)) else part for part in taken]


@functools.cache
def _cat_of(count: int) -> Operation:
    """The operation that joins `count` inputs (an operation has one backward for each)."""

    def cut(i: int, g: Any, _y: Any, *_inputs_and_dim: Any) -> Any:
        *inputs, dim = _inputs_and_dim
        start = builtins.sum(x.shape[dim] for x in inputs[:i])
        return _getitem(g, (slice(None),) * (dim % g.ndim) + (slice(start, start + inputs[i].shape[dim]),))

    def cat(*inputs_and_dim: Any) -> Array:
        *inputs, dim = inputs_and_dim
        return get_array_module(inputs[0]).concatenate(inputs, axis=dim)

    return Operation(cat, [functools.partial(cut, i) for i in range(count)])


@operation(lambda g, _y, _a, dtype: _astype(g, _a.dtype), name="to")
def _astype(a: Array, dtype: Any) -> Array:
    return a.astype(dtype)


@operation(lambda g, _y, _a, where: _to_device(g, backend.device_of(_array(_a))), name="to")
def _to_device(a: Array, where: backend.device) -> Array:
    return backend.to_device(a, where)


# Sums and extremes. `dim` is an axis, several, or None for all of them.


def sum(a: Any, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Any:
    """The sum over the axes `dim`; of bools and integers it is int64, as in PyTorch (of uint64 it stays uint64)."""
    a = _given("sum", a)
    return _sum(a, _checked("sum", a, dim), keepdim)


@operation(lambda g, _y, _a, dim, keepdim: broadcast_to(_with_axes(g, _a.shape, dim, keepdim), _a.shape))
def _sum(a: Array, dim: Any, keepdim: bool) -> Array:
    return backend.sums(a, dim, keepdim)


def mean(a: Any, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Any:
    """The mean over the axes `dim`; of float16 it is taken in float32.

    Raises:
        ShapeError: there are no elements to take it of.
        TypeError: the elements are not floating point.
    """
    a = _real_tensor("mean", a)
    if _is_half(a):
        return _astype(mean(_astype(a, float32), dim, keepdim), float16)
    dim = _checked("mean", a, dim)
    count = math.prod(a.shape[i] for i in _axes(a.ndim, dim))
    if not count:
        raise ShapeError(f"mean: a tensor of shape {tuple(a.shape)} has nothing to take the mean of along {dim}")
    return _sum(a, dim, keepdim) / count


def max(a: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest element; or, along an axis `dim`, the pair (largest elements, their indices).

    Takes arrays as well as tensors, and gives tensors. The gradient goes to the element found; without `dim`
    it is shared evenly among equals, as in PyTorch. NaN counts as larger than any number.
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    dim = _one_axis("max", a, dim)
    if not all(a.shape[i] for i in _axes(a.ndim, dim)):
        raise ShapeError(f"max: a tensor of shape {a.shape} has no element along {dim}")
    if dim is None:
        return _max_of_all(a)
    indices = a.data.argmax(axis=dim)
    xp = get_array_module(a.data)
    grid = [xp.arange(n).reshape([-1 if i == k else 1 for k in range(a.ndim)]) for i, n in enumerate(a.shape)]
    grid[dim] = xp.expand_dims(indices, dim)
    values = _getitem(a, tuple(grid))
    if keepdim:
        return values, Tensor(grid[dim])
    return reshape(values, *indices.shape), Tensor(indices)


@operation(lambda g, _y, a: g * _share_of_max(a), name="max")
def _max_of_all(a: Array) -> Array:
    return a.max()


def _share_of_max(a: Any) -> Any:
    array = a.data if isinstance(a, Tensor) else a
    equal = (array == array.max()) | (array != array)  # if there is a NaN, it is what max() gives
    return (equal / equal.sum().astype(float32 if _is_half(array) else array.dtype)).astype(array.dtype, copy=False)


def argmax(a: Any, dim: int | None = None) -> Tensor:
    """The index of the largest element (of the flattened tensor), or those along the axis `dim`."""
    a = _given("argmax", a)
    dim = _one_axis("argmax", a, dim)
    if not builtins.all(a.shape[i] for i in _axes(a.ndim, dim)):
        raise ShapeError(f"argmax: a tensor of shape {tuple(a.shape)} has no element along {dim}")
    return Tensor((a.data if isinstance(a, Tensor) else a).argmax(axis=dim))


def _axes(ndim: int, dim: Any) -> tuple[int, ...]:
    """The axes that `dim` means, counted from 0."""
    return tuple(range(ndim)) if dim is None else tuple(i % ndim for i in (dim if isinstance(dim, tuple) else (dim,)))


def _checked(name: str, a: Any, dim: Any) -> Any:
    """`dim` as None, an integer or a tuple of integers, each of which is an axis of `a`."""
    if dim is None:
        return None
    dims = tuple(_axis(name, i) for i in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for i in dims:
        if not -a.ndim <= i < a.ndim:
            raise ShapeError(f"{name}: a tensor of shape {tuple(a.shape)} has no axis {i}")
    return dims if isinstance(dim, (tuple, list)) else dims[0]


def _one_axis(name: str, a: Any, dim: Any) -> Any:
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"{name}: takes one axis, or None for all, not {dim}")
    return _checked(name, a, dim)


def _axis(name: str, dim: Any) -> int:
    """The number of an axis: an integer of any kind."""
    if type(dim) is int:
        return dim
    if not backend.is_whole(dim):
        raise TypeError(f"{name}: an axis is an integer, not {dim!r}")
    return operator.index(dim)


def _with_axes(g: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """`g` with the axes that a sum over `dim` dropped put back, of length 1."""
    if keepdim:
        return g
    summed = _axes(len(shape), dim)
    return g.reshape([1 if i in summed else n for i, n in enumerate(shape)])


# Products.


def matmul(a: Any, b: Any) -> Any:
    """The matrix product, as NumPy's: (..., n, k) by (..., k, m); a vector is a row, or on the right a column."""
    a, b = _taken("matmul", a, b), _taken("matmul", b, a)
    if isinstance(a, (int, float)) or isinstance(b, (int, float)):
        raise TypeError("matmul: both sides must have axes; to multiply by a number write *")
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ShapeError(f"matmul: shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    left = reshape(a, 1, -1) if a.ndim == 1 else a
    right = reshape(b, -1, 1) if b.ndim == 1 else b
    y = _matmul(left, right)
    if a.ndim == 1 or b.ndim == 1:
        y = reshape(y, *y.shape[: -1 - (a.ndim == 1)], *y.shape[y.ndim - (a.ndim == 1) : y.ndim - (b.ndim == 1)])
    return y


@operation(
    lambda g, _y, _a, b: _matmul(g, transpose(b, -1, -2)),
    lambda g, _y, a, _b: _matmul(transpose(a, -1, -2), g),
)
def _matmul(a: Array, b: Array) -> Array:
    return a @ b


@operation(
    lambda g, _y, _x, weight, _bias=None: g @ weight,
    writes(lambda g, _y, x, _weight, _bias=None, out=None: _product(_rows(g).T, _rows(x), out)),
    writes(lambda g, _y, _x, _weight, _bias=None, out=None: _column_sums(_rows(g), out)),
)
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x @ weight.T + bias: x (..., n), weight (m, n), bias (m,) or None; the result is (..., m)."""
    try:
        fits = x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    except AttributeError:
        kinds = f"{type(x).__name__} and {type(weight).__name__}"
        raise TypeError(f"linear: its input and its weight are tensors, not {kinds}") from None
    if not fits:
        raise ShapeError(
            f"linear: input of shape {x.shape} does not fit weight of shape {weight.shape}: the last axes must be equal"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: bias of shape {bias.shape} does not fit weight of shape {weight.shape}")
    y = x @ weight.T
    if bias is not None:
        y += bias
    return y


def _rows(a: Any) -> Any:
    return a if a.ndim == 2 else a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))  # -1 will not do when it is empty


def _product(a: Any, b: Any, out: Array | None) -> Any:
    return a @ b if out is None else get_array_module(out).matmul(a, b, out=out)


def _column_sums(a: Any, out: Array | None) -> Any:
    return sum(a, 0) if out is None else backend.sums(a, 0, out=out)


# Softmax and the loss.


def softmax(a: Any, dim: int = -1) -> Any:
    """exp(a) / sum of exp(a) along `dim`, safe against overflow; of float16 it is taken in float32.

    Raises:
        TypeError: the elements are not floating point.
    """
    a = _real_tensor("softmax", a)
    if _is_half(a):
        return _astype(softmax(_astype(a, float32), dim), float16)
    return exp(_log_softmax(a, dim))


def log_softmax(a: Any, dim: int = -1) -> Any:
    """a - log(sum of exp(a)) along `dim`, with the largest element taken out first so that nothing overflows.

    Of float16 it is taken in float32.

    Raises:
        TypeError: the elements are not floating point.
    """
    a = _real_tensor("log_softmax", a)
    if _is_half(a):
        return _astype(_log_softmax(_astype(a, float32), dim), float16)
    return _log_softmax(a, dim)


@operation(lambda g, y, _a, dim=-1: g - exp(y) * sum(g, dim, True))
def _log_softmax(a: Array, dim: int = -1) -> Array:
    return _log_softmax_of(a, _checked("log_softmax", a, dim))


def _log_softmax_of(a: Array, axis: int) -> Array:
    """What `log_softmax` computes, for arrays and an axis that they have."""
    shifted = a - backend.maxima(a, axis)
    return shifted - numpy.log(backend.sums(numpy.exp(shifted), axis, True))


@operation(lambda g, _y, _log_p, labels: _put_in_rows(-g, _log_p.shape, labels))
def nll(log_p: Array, labels: Array) -> Array:
    """-log_p[i, labels[i]] for every row i: log_p (N, C), labels (N,) of integers from 0 to C - 1; gives (N,)."""
    return -log_p[get_array_module(log_p).arange(len(labels)), labels]


@operation(lambda g, _y, _a, labels, log_p: _softmax_less_one_hot(_a, g * (1 / len(labels)), labels, log_p))
def mean_cross_entropy(a: Array, labels: Array, log_p: Array) -> Array:
    """The mean over the rows of -log_p[i, labels[i]], where log_p is log_softmax(a): (N, C), with labels (N,).

    The same as `_log_softmax`, `nll` and a mean, in one operation, since every training step takes it. Whoever calls
    it computes log_p, an array, since the gradient needs it again.
    """
    return backend.sums(log_p[get_array_module(log_p).arange(len(labels)), labels], 0) * (-1 / len(labels))


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


# What the operators and methods of a tensor are.


def _not_differentiated(name: str, function: Any) -> Any:
    """A method that gives a tensor of bools, through which no gradient flows."""

    def method(a: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            found = function(a.data, *(_array(x) for x in args), **kwargs)
        except ValueError as error:
            raise ShapeError(f"{name}: {error}") from None
        return Tensor(found)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _compared(name: str, function: Any) -> Any:
    """A comparison, or a bitwise operator: of a tensor and what an operator takes."""
    method = _not_differentiated(name, function)

    def operator_(a: Tensor, b: Any) -> Any:
        b = _operand(name, b, a)
        return b if b is NotImplemented else method(a, b)

    operator_.__name__ = name
    operator_.__doc__ = function.__doc__
    return operator_


def _arithmetic(op: Any, is_reflected: bool = False) -> Any:
    """An operator of a tensor. A plain function: found and called faster than an `Operation` in the class would be."""
    name = op.__name__

    def method(a: Tensor, b: Any) -> Any:
        if not isinstance(b, Tensor) and type(b) is not float:
            if isinstance(b, (str, bytes)):
                _taken(name, b)  # left to Python, a string times a tensor would be a repeated string
            b = _operand(name, b, a)
            if b is NotImplemented:
                return b
        return op(b, a) if is_reflected else op(a, b)

    method.__name__ = name
    method.__doc__ = op.__doc__
    return method


def _to(a: Tensor, *targets: Any, device: Any = None, dtype: Any = None) -> Tensor:
    """The tensor on another device, or with elements of another type, or both; itself if it is so already."""
    for target in targets:
        if isinstance(target, backend.device) or (isinstance(target, str) and target.startswith(("cpu", "cuda"))):
            device = target
        elif isinstance(target, Tensor):
            device, dtype = target.device, target.dtype
        else:
            dtype = target
    if device is not None and backend.device(device) != a.device:
        a = _to_device(a, backend.device(device))
    if dtype is not None and (dtype := backend.as_dtype(dtype)) != a.dtype:
        whole = dtype.kind != "f"  # no gradient flows through integers and bools
        a = _astype(a.detach() if whole else a, dtype)
    return a


def _in_place(name: str, op: Any) -> Any:
    """``a += b`` and the like: the elements of `a` change, and so does every tensor that looks into its memory.

    Only where the result is to be recorded, `a` becomes a new tensor instead.
    """

    def method(a: Tensor, b: Any) -> Tensor:
        b = _operand(name, b, a)
        if b is NotImplemented:
            return b
        if is_grad_enabled() and (a.requires_grad or (isinstance(b, Tensor) and b.requires_grad)):
            if a.is_leaf and a.requires_grad:
                raise RuntimeError(
                    f"{name} would change a leaf that requires gradients (shape {a.shape}): "
                    "do it under no_grad(), or write it as a new tensor"
                )
            return op(a, b)
        values = op(a.detach(), b).data
        if values.shape != a.shape:
            raise ShapeError(f"{name}: the result has shape {values.shape}, the tensor {a.shape}")
        if not numpy.can_cast(values.dtype, a.dtype, "same_kind"):
            raise TypeError(f"{name}: the result is {values.dtype}, which the tensor, of {a.dtype}, cannot hold")
        a.write(values)
        return a

    method.__name__ = method.__qualname__ = name
    method.__doc__ = op.__doc__
    return method


def _install() -> None:
    def all_of(a: Array, dim: Any = None) -> Array:
        """Whether all elements (along `dim`) are true."""
        return a.all(axis=dim)

    def any_of(a: Array, dim: Any = None) -> Array:
        """Whether any element (along `dim`) is true."""
        return a.any(axis=dim)

    methods: dict[str, Any] = {
        "__add__": _arithmetic(add),
        "__radd__": _arithmetic(add),
        "__sub__": _arithmetic(sub),
        "__rsub__": _arithmetic(sub, is_reflected=True),
        "__mul__": _arithmetic(mul),
        "__rmul__": _arithmetic(mul),
        "__truediv__": _arithmetic(div),
        "__rtruediv__": _arithmetic(div, is_reflected=True),
        "__pow__": _arithmetic(pow),
        "__rpow__": _arithmetic(pow, is_reflected=True),
        "__matmul__": _arithmetic(matmul),
        "__rmatmul__": _arithmetic(matmul, is_reflected=True),
        "__neg__": neg,
        "__iadd__": _in_place("+=", add),
        "__isub__": _in_place("-=", sub),
        "__imul__": _in_place("*=", mul),
        "__itruediv__": _in_place("/=", div),
        "__ipow__": _in_place("**=", pow),
        "__abs__": abs,
        "__getitem__": getitem,
        "exp": exp,
        "log": log,
        "sqrt": sqrt,
        "sin": sin,
        "cos": cos,
        "tanh": tanh,
        "sigmoid": sigmoid,
        "relu": relu,
        "abs": abs,
        "pow": lambda a, exponent: pow(a, _taken("pow", exponent, a)),
        "matmul": matmul,
        "sum": sum,
        "mean": mean,
        "max": max,
        "argmax": argmax,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "reshape": reshape,
        "view": reshape,
        "flatten": flatten,
        "transpose": transpose,
        "T": property(_reverse_axes),
        "to": _to,
        "cpu": lambda a: _to(a, "cpu"),
        "cuda": lambda a, index=0: _to(a, f"cuda:{index}"),
        "float": lambda a: _to(a, float32),
        "double": lambda a: _to(a, float64),
        "long": lambda a: _to(a, int64),
        "bool": lambda a: _to(a, bool_),
        "all": _not_differentiated("all", all_of),
        "any": _not_differentiated("any", any_of),
    }
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        methods[f"__{name}__"] = _compared(name, getattr(operator, name))
    for name in ("and", "or", "xor"):
        methods[f"__{name}__"] = _compared(name, getattr(operator, f"__{name}__"))
    methods["__invert__"] = _not_differentiated("invert", operator.invert)
    for name, method in methods.items():
        setattr(Tensor, name, method)


_install()
