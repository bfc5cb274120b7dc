"""Functions that create tensors from numbers, arrays, shapes or random draws."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy

from minigrad import backend, conversion
from minigrad import random as draws
from minigrad.random import Generator
from minigrad.tensor import ShapeError, Tensor, bool_, float16, float32, float64, int8, int16, int32, int64, uint8


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | backend.device | None = None
) -> Tensor:
    """A tensor with a copy of `data`: a number, (nested) lists, an array or a tensor.

    An array keeps its dtype; Python floats become float32, integers int64.

    Args:
        data: the elements; what is allowed is described at `conversion.plain`.
        dtype: their type, if another is wanted.
        requires_grad: whether gradients are wanted.
        device: the device of the result; by default that of `data`, and the CPU for lists.

    Raises:
        TypeError: `data` is not numeric, or gradients are required of integers or bools; tensors cannot have `dtype`.
        ValueError: ragged lists, masked elements, or Python numbers that do not fit `dtype`.
    """
    array = conversion.plain(data.data if isinstance(data, Tensor) else data, dtype).copy()
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _made(array: numpy.ndarray, requires_grad: bool, device: str | backend.device | None) -> Tensor:
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def _dtype(dtype: Any) -> numpy.dtype[Any]:
    return float32 if dtype is None else conversion.as_dtype(dtype)


def _number(name: str, value: Any) -> Any:
    """One real number of any kind as a Python number."""
    array = conversion.plain(value.data if isinstance(value, Tensor) else value, what=name)
    if array.ndim:
        raise ShapeError(f"{name} is one number, not {array.size} of shape {tuple(array.shape)}")
    return value if type(value) in (int, float) else array.item()


def _shape(name: str, size: tuple[Any, ...], named: dict[str, Any]) -> tuple[int, ...]:
    """The shape of a new tensor, whose lengths are given one by one, as one list, or as ``size=``."""
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() has no argument {', '.join(named)}")
    return conversion.sizes(name, size)


# Filled with one number.


def zeros(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None, **named: Any) -> Tensor:
    """Zeros of a shape, given as integers, as one list, tuple, array or tensor of them, or as ``size=``.

    Raises:
        TypeError: a length is not an integer, or tensors cannot have this dtype.
        ValueError: a length is negative.
    """
    return _made(numpy.zeros(_shape("zeros", size, named), _dtype(dtype)), requires_grad, device)


def ones(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None, **named: Any) -> Tensor:
    """Ones of a shape, which is given and checked as for `zeros`."""
    return _made(numpy.ones(_shape("ones", size, named), _dtype(dtype)), requires_grad, device)


def empty(*size: Any, dtype: Any = float32, requires_grad: bool = False, device: Any = None, **named: Any) -> Tensor:
    """A tensor to be filled later. Its elements are 0 here; in PyTorch they are whatever is in the memory."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad, device=device, **named)


def full(size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor filled with one number, which decides its dtype unless that is given, and must fit it.

    The shape is checked as for `zeros`.
    """
    shape = conversion.sizes("full", (size,))
    wanted = None if dtype is None else _dtype(dtype)
    number = conversion.plain(_number("full: fill_value", fill_value), wanted, "full: a tensor")
    return _made(numpy.full(shape, number), requires_grad, device)


def eye(n: int, m: int | None = None, dtype: Any = float32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """The matrix (n, m) with ones on its diagonal and zeros elsewhere; by default m is n."""
    rows, columns = conversion.sizes("eye", (n, n if m is None else m))
    return _made(numpy.eye(rows, columns, dtype=_dtype(dtype)), requires_grad, device)


# Numbers at equal distances.


def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False, device: Any = None, **named: Any) -> Tensor:
    """Numbers from start (default 0) up to but excluding end, by step (default 1).

    ``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``, also by name. Integers give int64, floats
    float32.

    Raises:
        TypeError: a bound is not a number, or there are not one to three of them.
        ValueError: the step is 0, a bound is not finite, or the numbers do not fit the dtype.
    """
    if named:
        bounds = _named_bounds(bounds, named)
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"arange: takes end, or start and end, or start, end and step, not {len(bounds)} numbers")
    numbers = [_number("arange: a bound", bound) for bound in bounds]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"arange: its bounds and step are finite, not {', '.join(map(str, numbers))}")
    if len(numbers) == 3 and not numbers[2]:
        raise ValueError("arange: the step must not be 0")
    array = numpy.arange(*numbers)
    wanted = conversion.as_dtype(dtype) if dtype is not None else float32 if array.dtype.kind == "f" else array.dtype
    if wanted.kind in "iu":
        conversion.must_fit(array, wanted, "arange: a tensor")
    return _made(array.astype(wanted), requires_grad, device)


def _named_bounds(bounds: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """The bounds of `arange` by position."""
    found = dict(
        zip(("end",) if len(bounds) == 1 and "end" not in named else ("start", "end", "step"), bounds, strict=False)
    )
    if (unknown := set(named) - {"start", "end", "step"} | set(named) & set(found)) or "end" not in found | named:
        raise TypeError(f"arange: takes start, end and step, each once, not {', '.join(sorted(unknown)) or 'no end'}")
    found |= named
    return (found.get("start", 0), found["end"], found.get("step", 1))


def linspace(
    start: float, end: float, steps: int, dtype: Any = float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers at equal distances, from `start` to `end`, both included.

    Raises:
        ValueError: the number of steps is negative.
    """
    (count,) = conversion.sizes("linspace: steps", (steps,))
    first, last = _number("linspace: start", start), _number("linspace: end", end)
    kind = _dtype(dtype)
    # As in PyTorch: the first half counts from the start, the second from the end, and each number is rounded once.
    if kind.kind == "f":
        first, last = float(kind.type(first)), float(kind.type(last))
    step = (last - first) / max(count - 1, 1)
    step = float(kind.type(step)) if kind.kind == "f" else step
    k = numpy.arange(count, dtype=float64)
    from_end = (k >= count // 2) & (count > 1)
    array = numpy.where(from_end, last - step * (count - 1 - k), first + step * k)
    return _made(array.astype(kind), requires_grad, device)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    dtype: Any = float32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """`steps` numbers from base**start to base**end, both included, each by the same factor larger than the last."""
    exponents = linspace(start, end, steps, float64).data
    return _made((_number("logspace: base", base) ** exponents).astype(_dtype(dtype)), requires_grad, device)


# Random numbers.


def _drawn_from(generator: Generator | None) -> Generator:
    return draws.default_generator if generator is None else generator


def rand(
    *size: Any,
    dtype: Any = float32,
    requires_grad: bool = False,
    device: Any = None,
    generator: Generator | None = None,
    **named: Any,
) -> Tensor:
    """Uniform random numbers from [0, 1), the same as PyTorch's from this seed; the shape is checked as for `zeros`.

    Raises:
        TypeError: the dtype is neither float32 nor float64.
    """
    drawn = _drawn_from(generator).uniform(0.0, 1.0, _shape("rand", size, named), _dtype(dtype))
    return _made(drawn, requires_grad, device)


def randn(
    *size: Any,
    dtype: Any = float32,
    requires_grad: bool = False,
    device: Any = None,
    generator: Generator | None = None,
    **named: Any,
) -> Tensor:
    """Random numbers from the standard normal distribution; shape and dtype as for `rand`."""
    drawn = _drawn_from(generator).normal(_shape("randn", size, named), _dtype(dtype))
    return _made(drawn, requires_grad, device)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    dtype: Any = int64,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Random integers from `low` up to but excluding `high`, the same as PyTorch's from this seed.

    ``randint(high, size)`` starts at 0; ``randint(low, high, size)``.

    Raises:
        ValueError: there is no integer from `low` to `high`.
    """
    if size is None:
        low, high, size = (0, low, high) if isinstance(high, (tuple, list)) else (low, high, ())
    if high is None:
        low, high = 0, low
    if not conversion.is_whole(low) or not conversion.is_whole(high):
        raise TypeError(f"randint: the limits are integers, not {low!r} and {high!r}")
    if low >= high:
        raise ValueError(f"randint: there is no integer from {low} up to but excluding {high}")
    shape = conversion.sizes("randint", (size,))
    drawn = _drawn_from(generator).integers(operator.index(low), operator.index(high), shape)
    return _made(drawn.astype(_dtype(dtype)), False, device)


def randperm(n: int, device: Any = None, generator: Generator | None = None) -> Tensor:
    """A random order of 0 .. n - 1 (int64), the same as PyTorch's from this seed.

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is negative.
    """
    if not conversion.is_whole(n):
        raise TypeError(f"randperm: the count is an integer, not {n!r}")
    if (count := operator.index(n)) < 0:
        raise ValueError(f"randperm: the count is 0 or more, not {count}")
    return _made(_drawn_from(generator).permutation(count), False, device)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Random numbers of normal distributions; `mean` and `std` are numbers, or tensors with one for each element."""
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if size is None and not given:
        raise TypeError("normal: with numbers for mean and std, give the size too")
    shape = (
        conversion.sizes("normal", (size,)) if size is not None else numpy.broadcast_shapes(*(x.shape for x in given))
    )
    dtype = given[0].dtype if given else float32
    drawn = Tensor(_drawn_from(generator).normal(shape, dtype))
    return (drawn.to(given[0].device) if given else drawn) * std + mean


def bernoulli(input: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that the input has at the same place, 0 otherwise; drawn as PyTorch does."""
    p = input if isinstance(input, Tensor) else tensor(input)
    drawn = _drawn_from(generator).uniform(0.0, 1.0, p.shape, p.dtype)
    return Tensor(backend.to_device(drawn, p.device) < p.data).to(p.dtype)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """`num_samples` indices, drawn with probabilities in proportion to the elements of a vector, or of each row.

    The draws are PyTorch's from this seed.

    Raises:
        ShapeError: the input is neither a vector nor a matrix, or has too few elements to draw from.
        ValueError: a weight is negative or not finite, or all are 0.
    """
    given = input if isinstance(input, Tensor) else tensor(input)
    weights = backend.to_numpy(given.data).astype(float64)
    if weights.ndim not in (1, 2):
        raise ShapeError(f"multinomial: takes a vector or a matrix of weights, not the shape {given.shape}")
    if not numpy.isfinite(weights).all() or (weights < 0).any() or not (weights.sum(-1) > 0).all():
        raise ValueError("multinomial: the weights of a row are finite, 0 or more, and not all 0")
    count, source = operator.index(num_samples), _drawn_from(generator)
    if replacement:
        cumulative = numpy.cumsum(weights, -1) / weights.sum(-1, keepdims=True)
        u = source.uniform(0.0, 1.0, (*weights.shape[:-1], count), float64)
        rows = [
            numpy.searchsorted(c, v) for c, v in zip(numpy.atleast_2d(cumulative), numpy.atleast_2d(u), strict=True)
        ]
        return _made(numpy.array(rows).reshape(u.shape).astype(int64), False, given.device)
    if ((weights > 0).sum(-1) < count).any():
        raise ShapeError(f"multinomial: {count} cannot be drawn from a row of shape {given.shape} without replacement")
    # The smallest of exponential variables, each divided by its weight, is a draw in proportion to the weights.
    waiting = -numpy.log1p(-source.uniform(0.0, 1.0, weights.shape, float64))
    order = numpy.argsort(-(weights / waiting), axis=-1, kind="stable")
    return _made(order[..., :count].astype(int64), False, given.device)


# Like another tensor.


def _like(name: str) -> Any:
    """The function that makes a tensor of the shape, dtype and device of another."""
    make = {"zeros": zeros, "ones": ones, "empty": empty, "rand": rand, "randn": randn}[name]

    def like(
        input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, generator: Any = None
    ) -> Tensor:
        named = {} if generator is None else {"generator": generator}
        return make(
            input.shape,
            dtype=input.dtype if dtype is None else dtype,
            requires_grad=requires_grad,
            device=input.device if device is None else device,
            **named,
        )

    like.__name__ = like.__qualname__ = f"{name}_like"
    like.__doc__ = f"`{name}` with the shape and, unless others are given, the dtype and the device of `input`."
    return like


zeros_like, ones_like, empty_like = _like("zeros"), _like("ones"), _like("empty")
rand_like, randn_like = _like("rand"), _like("randn")


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`full` with the shape and, unless others are given, the dtype and the device of `input`."""
    where = input.device if device is None else device
    made = zeros(input.shape, dtype=input.dtype if dtype is None else dtype, device=where)
    made[...] = _number("full_like: fill_value", fill_value)
    return made.requires_grad_(requires_grad)


def randint_like(input: Tensor, low: int, high: Any = None, *, dtype: Any = None) -> Tensor:
    """`randint` with the shape and, unless another is given, the dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=input.dtype if dtype is None else dtype, device=input.device)


# From what there is.


def as_tensor(data: Any, dtype: Any = None, device: str | backend.device | None = None) -> Tensor:
    """A tensor with `data`: the tensor itself, or one that shares the memory of an array, if nothing has to change."""
    if isinstance(data, Tensor):
        return data.to(*(x for x in (dtype, device) if x is not None))
    array = conversion.plain(data, dtype)
    return Tensor(array if device is None else backend.to_device(array, device))


def from_numpy(ndarray: numpy.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array.

    Raises:
        TypeError: it is not a NumPy array.
    """
    if not isinstance(ndarray, numpy.ndarray):
        raise TypeError(f"from_numpy: takes a NumPy array, not {type(ndarray).__name__}: use tensor()")
    return Tensor(ndarray)


class TensorType:
    """PyTorch's old name of a dtype: ``FloatTensor([1, 2])`` makes a tensor, ``x.type(FloatTensor)`` converts one."""

    def __init__(self, name: str, dtype: numpy.dtype[Any]) -> None:
        self.__name__, self.dtype = name, dtype

    def __call__(self, *data: Any) -> Tensor:
        """A tensor of these elements, or of this shape (filled with 0)."""
        if len(data) != 1 or conversion.is_whole(data[0]):
            return empty(*data, dtype=self.dtype)
        return tensor(data[0], dtype=self.dtype)

    def __repr__(self) -> str:
        return f"minigrad.{self.__name__}"


FloatTensor = TensorType("FloatTensor", float32)
DoubleTensor = TensorType("DoubleTensor", float64)
HalfTensor = TensorType("HalfTensor", float16)
LongTensor = TensorType("LongTensor", int64)
IntTensor = TensorType("IntTensor", int32)
ShortTensor = TensorType("ShortTensor", int16)
CharTensor = TensorType("CharTensor", int8)
ByteTensor = TensorType("ByteTensor", uint8)
BoolTensor = TensorType("BoolTensor", bool_)
