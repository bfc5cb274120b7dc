"""Methods that give a tensor another dtype, and new tensors like this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad import creation
from minigrad.backend import get_array_module
from minigrad.tensor import Tensor, bool_, float16, float32, float64, int8, int16, int32, int64, uint8


def _to(name: str, dtype: Any) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return self.to(dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The tensor with elements of {dtype}; itself, if they are that already."
    return method


def type(self: Tensor, dtype: Any = None) -> Any:
    """The tensor with elements of another dtype, also given as `minigrad.LongTensor` and the like.

    Without a dtype, the name of its own, such as "minigrad.FloatTensor".
    """
    if dtype is None:
        return next((repr(t) for t in _types() if t.dtype == self.dtype), str(self.dtype))
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        dtype = next((t for t in _types() if t.__name__ == dtype.rpartition(".")[2]), dtype)
    return self.to(dtype.dtype if isinstance(dtype, creation.TensorType) else dtype)


def _types() -> list[creation.TensorType]:
    return [found for found in vars(creation).values() if isinstance(found, creation.TensorType)]


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """With the dtype of `other`."""
    return self.to(other.dtype)


def contiguous(self: Tensor) -> Tensor:
    """The tensor itself if its elements lie in memory in the order of its axes; otherwise a copy in which they do."""
    if self.is_contiguous():
        return self
    copy = self.clone()
    copy._data = get_array_module(copy._data).ascontiguousarray(copy._data)
    return copy


def new_zeros(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of the shape `size` with the dtype and the device of this tensor, unless others are given."""
    return creation.zeros(*size, **_like(self, dtype, requires_grad, device))


def new_ones(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of the shape `size` with the dtype and the device of this tensor, unless others are given."""
    return creation.ones(*size, **_like(self, dtype, requires_grad, device))


def new_empty(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """As `new_zeros`: see `minigrad.empty`."""
    return creation.empty(*size, **_like(self, dtype, requires_grad, device))


def new_full(
    self: Tensor, size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A tensor of the shape `size` filled with one number, with the dtype and the device of this tensor."""
    return creation.full(size, fill_value, **_like(self, dtype, requires_grad, device))


def new_tensor(self: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A copy of `data` with the dtype and the device of this tensor."""
    return creation.tensor(data, **_like(self, dtype, requires_grad, device))


def _like(self: Tensor, dtype: Any, requires_grad: bool, device: Any) -> dict[str, Any]:
    return {
        "dtype": self.dtype if dtype is None else dtype,
        "requires_grad": requires_grad,
        "device": self.device if device is None else device,
    }


METHODS: dict[str, Callable[..., Any]] = {
    name: _to(name, dtype)
    for name, dtype in {
        "bool": bool_,
        "byte": uint8,
        "char": int8,
        "double": float64,
        "float": float32,
        "half": float16,
        "int": int32,
        "long": int64,
        "short": int16,
    }.items()
} | {
    function.__name__: function
    for function in (contiguous, new_empty, new_full, new_ones, new_tensor, new_zeros, type, type_as)
}
