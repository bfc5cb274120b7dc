"""Methods that change the elements of a tensor in place, and ``x[index] = values``.

Such a change cannot be recorded. So they work inside `no_grad`, and for tensors that do not require gradients, and
raise an error with the reason otherwise. All tensors that share the memory see the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from minigrad import backend, ops, random
from minigrad.conversion import ShapeError
from minigrad.functions import elementwise
from minigrad.functions.choosing import masked_fill
from minigrad.ops.arguments import array_of, operand
from minigrad.ops.shapes import _index_of
from minigrad.recording import is_grad_enabled
from minigrad.tensor import Tensor


def check_unrecorded(name: str, a: Tensor, *others: Any) -> None:
    """Raise if a change of `a` by these operands would have to be recorded.

    Raises:
        RuntimeError: gradients are recorded, and `a` or an operand requires them.
    """
    if not is_grad_enabled():
        return
    if a.requires_grad:
        kind = "a leaf that requires gradients" if a.is_leaf else "the result of a recorded operation"
        raise RuntimeError(
            f"{name} would change {kind} (shape {a.shape}), and a change in place is not recorded: "
            "do it under no_grad(), or compute a new tensor"
        )
    if any(isinstance(b, Tensor) and b.requires_grad for b in others):
        raise RuntimeError(
            f"{name} would write values that require gradients into a tensor (shape {a.shape}), and a change in place "
            "is not recorded: detach() them, or compute a new tensor, with where(), cat() or stack()"
        )


def _changed(name: str, a: Tensor, values: Any) -> Tensor:
    """`a`, after its elements were replaced by these."""
    if numpy.broadcast_shapes(values.shape, a.shape) != a.shape:
        raise ShapeError(f"{name}: the result has shape {tuple(values.shape)}, the tensor {a.shape}")
    if not numpy.can_cast(values.dtype, a.dtype, "same_kind"):
        raise TypeError(f"{name}: the result is {values.dtype}, which the tensor, of {a.dtype}, cannot hold")
    a.write(values)
    return a


def _in_place(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """The method that does in place what `function` does with a tensor and other arguments."""
    name = f"{function.__name__}_"

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        check_unrecorded(name, self, *args, *options.values())
        return _changed(name, self, function(self.detach(), *args, **options).data)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{function.__name__}` in place; returns the tensor."
    return method


def set_item(self: Tensor, index: Any, values: Any) -> None:
    """``self[index] = values``: the index as for reading; the values are broadcast and cast to the tensor's dtype.

    Raises:
        RuntimeError: the change would have to be recorded.
        IndexError: the index does not fit.
        ShapeError: the values do not fit.
    """
    check_unrecorded("x[...] = ...", self, values)
    parts = index if isinstance(index, tuple) else (index,)
    places = tuple(array_of(_index_of(p) if isinstance(p, list) else p) for p in parts)
    found = operand("x[...] = ...", values, self)
    if found is NotImplemented:
        raise TypeError(f"x[...] = ...: takes tensors, arrays and numbers, not {type(values).__name__}")
    array = array_of(found)
    if self.dtype.kind in "iu" and getattr(array, "dtype", numpy.array(array).dtype).kind == "f":
        array = array.astype(self.dtype) if hasattr(array, "astype") else int(array)  # cut off, as in PyTorch
    try:
        self.write(array, places if isinstance(index, tuple) else places[0])
    except IndexError as error:
        raise IndexError(f"index {index} does not fit a tensor of shape {self.shape} ({error})") from None
    except ValueError as error:
        raise ShapeError(f"x[...] = ...: {error} (the tensor has shape {self.shape})") from None


def fill_(self: Tensor, value: Any) -> Tensor:
    """Replace all elements by one number."""
    check_unrecorded("fill_", self, value)
    self[...] = value
    return self


def zero_(self: Tensor) -> Tensor:
    """Replace all elements by 0."""
    return fill_(self, 0)


def copy_(self: Tensor, src: Any) -> Tensor:
    """Replace the elements by those of `src`, which is broadcast and cast to the tensor's dtype."""
    check_unrecorded("copy_", self, src)
    array = array_of(src)
    self[...] = backend.to_device(array, self.device) if backend.is_array(array) else src
    return self


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, **named: float) -> Tensor:
    """Replace the elements by uniform draws from [from, to), the same as PyTorch's from this seed."""
    low = named.pop("from", from_)
    check_unrecorded("uniform_", self)
    drawn = random.default_generator.uniform(low, to, self.shape, self.dtype)
    self.write(backend.to_device(drawn, self.device))
    return self


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Replace the elements by normal draws, the same as PyTorch's from this seed, up to rounding."""
    from minigrad.nn.init import normal_ as filled

    check_unrecorded("normal_", self)
    return filled(self, mean, std)


def masked_fill_(self: Tensor, mask: Any, value: Any) -> Tensor:
    """Replace the elements where `mask` is true by `value`."""
    return _masked_fill(self, mask, value)


_masked_fill = _in_place(masked_fill)


def scatter_(self: Tensor, dim: int, index: Any, src: Any) -> Tensor:
    """self[index[i][j]][j] = src[i][j] for dim 0, self[i][index[i][j]] = src[i][j] for dim 1; `src` may be a number."""
    from minigrad.functions.taken import dim_of

    i = dim_of("scatter_", self, dim)
    places = index.data if isinstance(index, Tensor) else index
    xp = backend.get_array_module(self.data)
    grid = [xp.arange(n).reshape([-1 if k == j else 1 for j in range(self.ndim)]) for k, n in enumerate(places.shape)]
    grid[i] = places
    self[tuple(grid)] = src[tuple(slice(0, n) for n in places.shape)] if isinstance(src, Tensor) else src
    return self


def fill_diagonal_(self: Tensor, fill_value: Any) -> Tensor:
    """Replace the diagonal of a matrix by one number."""
    if self.ndim != 2:
        raise ShapeError(f"fill_diagonal_: takes a matrix, not the shape {self.shape}")
    k = backend.get_array_module(self.data).arange(min(self.shape))
    self[k, k] = fill_value
    return self


def random_(self: Tensor, from_: int = 0, to: int | None = None) -> Tensor:
    """Replace the elements by random integers below `to`, from 0 or from the first of two numbers on."""
    check_unrecorded("random_", self)
    low, high = (0, from_) if to is None else (from_, to)
    if high <= low:
        raise ValueError(f"random_: there is no integer from {low} up to but excluding {high}: give the limit")
    self.write(backend.to_device(random.default_generator.integers(low, high, self.shape), self.device))
    return self


METHODS: dict[str, Any] = {
    "__setitem__": set_item,
    "copy_": copy_,
    "fill_": fill_,
    "fill_diagonal_": fill_diagonal_,
    "masked_fill_": masked_fill_,
    "normal_": normal_,
    "random_": random_,
    "scatter_": scatter_,
    "uniform_": uniform_,
    "zero_": zero_,
}
METHODS |= {
    f"{function.__name__}_": _in_place(function)
    for function in (
        elementwise.abs,
        elementwise.add,
        elementwise.addcdiv,
        elementwise.addcmul,
        elementwise.ceil,
        elementwise.clamp,
        elementwise.div,
        elementwise.floor,
        elementwise.lerp,
        elementwise.mul,
        elementwise.neg,
        elementwise.pow,
        elementwise.reciprocal,
        elementwise.round,
        elementwise.rsqrt,
        elementwise.sign,
        elementwise.square,
        elementwise.sub,
        elementwise.trunc,
        ops.exp,
        ops.log,
        ops.relu,
        ops.sigmoid,
        ops.sqrt,
        ops.tanh,
    )
}
"""The methods by name."""
