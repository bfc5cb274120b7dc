"""Tensors: arrays that remember the operation they were computed by.

`minigrad.operation` has what is recorded, `minigrad.backward` goes through the record, from the last operation to the
first, and `minigrad.ops` has the operations and makes them methods of `Tensor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from numpy import ndarray

from minigrad import backend
from minigrad.backend import Array, ShapeError
from minigrad.methods import Methods
from minigrad.recording import Memory, Slot

float16 = numpy.dtype("float16")
float32 = numpy.dtype("float32")
float64 = numpy.dtype("float64")
int64 = numpy.dtype("int64")
bool_ = numpy.dtype("bool")


class Tensor(Methods):
    """An array, and how it came about.

    Arithmetic broadcasts as NumPy's does, and dtypes follow NumPy's rules (a Python number keeps the tensor's
    dtype). Make tensors with `minigrad.tensor`.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_data",
        "_grad",
        "_memory",
        "_op",
        "_order",
        "_requires_grad",
        "_slot",
        "_values",
        "_wanted",
    )

    # NumPy and CuPy leave a binary operation with a tensor to the tensor's reflected method.
    __array_ufunc__ = None
    __array_priority__ = 1000

    _data: Array
    _requires_grad: bool
    _grad: Any  # None, an array that the user has not seen, or a Tensor
    _slot: Slot | None
    _memory: Memory | None  # made when it is first shared or changed
    _op: Any  # the Operation that made it; None for a leaf
    _args: tuple[Any, ...]  # what the operation was called with, tensors as tensors ...
    _values: list[Any] | None  # ... and as arrays; None once the graph is freed
    _wanted: int  # which of them required gradients then: bit i for argument i
    _order: int

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._memory = None
        if isinstance(data, Tensor):
            self._data, self._memory = data._data, data._shared_memory()
        else:
            self._data = backend.plain(data)
        self._grad = None
        self._slot = None
        self._op = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad_()

    @property
    def data(self) -> Array:
        """The NumPy or CuPy array itself.

        What is assigned takes its place: an array, which is then shared, a tensor, whose array it is, or numbers of
        this tensor's shape. What was recorded with the old array keeps it, and stays right.

        Raises:
            TypeError: what is assigned does not hold numbers, or integers where gradients are required.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        before = self._memory
        if isinstance(value, Tensor):
            array, memory = value._data, value._shared_memory()
        elif backend.is_array(value):
            array, memory = backend.plain(value, what="data"), None
        else:
            array, memory = backend.plain(value, self._data.dtype, what="data"), None
            if array.shape != self._data.shape:
                raise ShapeError(f"data: numbers of shape {array.shape} do not fit a tensor of shape {self.shape}")
            array = backend.to_device(array, self.device)
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: a tensor that requires gradients is floating-point, and cannot hold {array.dtype}")
        if array is self._data:
            return
        if before is not None and before.changed:  # the tape may have recorded the old array before that change
            memory = Memory() if memory is None else memory
            memory.changed = max(memory.changed, before.changed)
        self._data, self._memory = array, memory

    def _shared_memory(self) -> Memory:
        """The `Memory` of its array, made if need be, since another tensor will share it."""
        if self._memory is None:
            self._memory = Memory()
        return self._memory

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are wanted for this tensor. What is recorded already keeps what it was then."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    # What it is.

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self._data.ndim

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """The type of its elements, a NumPy dtype."""
        return self._data.dtype

    @property
    def device(self) -> backend.device:
        """Where its array lives."""
        return backend.device_of(self.data)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not by a recorded operation."""
        return self._op is None

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of the axis `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of its elements."""
        return int(self._data.size)

    def dim(self) -> int:
        """The number of its axes."""
        return self._data.ndim

    # Values out of it.

    def item(self) -> Any:
        """Its only element, as a Python number.

        Raises:
            ValueError: it has more than one element, or none.
        """
        if self._data.size != 1:
            raise ValueError(f"item() wants a tensor with one element, not one of shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """Its elements as (nested) lists of Python numbers."""
        return self._data.tolist()

    def numpy(self) -> ndarray:
        """Its array, which it shares.

        Raises:
            TypeError: the tensor lives on a GPU; take ``.cpu()`` first.
        """
        if not isinstance(self.data, numpy.ndarray):
            raise TypeError(f"this tensor lives on {self.device}: use .cpu().numpy() to copy it to the host")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        return numpy.array(self.numpy(), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise TypeError(f"only a tensor of integers can be an index, not one of {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is not one value: use .any() or .all()")
        return bool(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("a tensor without axes has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = numpy.array2string(backend.to_numpy(self.data), separator=", ", prefix="tensor(")
        if self.dtype not in (float32, int64, bool_):
            text += f", dtype={self.dtype}"
        if self.device.type != "cpu":
            text += f", device='{self.device}'"
        if self._op is not None:
            text += f", made by {self._op.__name__}"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return f"tensor({text})"

    __hash__ = object.__hash__  # by identity, though == compares elements

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._op is not None:
            raise RuntimeError("only a leaf can be deep-copied: detach() this tensor first")
        twin = type(self).__new__(type(self))
        Tensor.__init__(twin, self._data.copy(), self._requires_grad)
        memo[id(self)] = twin
        if self._grad is not None:
            twin._grad = self._grad.detach().clone() if isinstance(self._grad, Tensor) else self._grad.copy()
        return twin

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.data, self.requires_grad))

    # Gradients.

    @property
    def grad(self) -> Tensor | None:
        """After `backward`, the gradient of the root with respect to this tensor; None before, and after `zero_grad`.

        A `Tensor` of the same shape. Changing it changes the gradient that the optimizer takes, while what is
        computed later never changes a gradient that was read before. An assigned one may be a tensor, an array or
        numbers.

        Raises:
            ValueError: what is assigned has another shape.
            TypeError: it does not hold floating-point numbers.
        """
        g = self._grad
        if g is None or isinstance(g, Tensor):
            return g
        self._grad = shown = Tensor(
            g if g.base is None else g.copy()
        )  # the user gets a copy, not a view of the optimizer's vector
        return shown

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self._grad = None
            return
        if value is self:
            raise ValueError("a tensor cannot be its own gradient: clone() it")
        if not isinstance(value, Tensor):
            given = backend.plain(value, None if backend.is_array(value) else self.dtype, what="a gradient")
            value = Tensor(given if backend.is_array(value) else backend.to_device(given, self.device))
        if value.shape != self.shape:
            raise ShapeError(f"a gradient of shape {value.shape} does not fit a tensor of shape {self.shape}")
        if value.dtype.kind != "f":
            raise TypeError(f"a gradient is floating-point, not {value.dtype}")
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients (or not), in place; returns the tensor.

        Raises:
            TypeError: its elements are not floating point.
            RuntimeError: it is not a leaf, and gradients are to be switched off.
        """
        if requires_grad and self._data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require gradients, not {self.dtype}")
        if not requires_grad and self._op is not None:
            raise RuntimeError("only a leaf can stop requiring gradients: use detach()")
        self._requires_grad = bool(requires_grad)
        return self

    def write(self, values: Array) -> None:
        """Change the elements in place, also those of every tensor that shares the memory.

        Args:
            values: an array that broadcasts to this tensor's shape; its elements are cast to its dtype.

        Raises:
            RuntimeError: its array cannot be written to, as one that was made by broadcasting.
        """
        try:
            self._data[...] = values
        except ValueError as error:
            if getattr(self._data, "flags", None) is not None and not getattr(self._data.flags, "writeable", True):
                raise RuntimeError(
                    f"the elements of this tensor of shape {self.shape} cannot be changed in place "
                    "(its array is read-only, or shows one element in several places): clone() it first"
                ) from None
            raise error
        Memory.change([self._shared_memory()])

    def detach(self) -> Tensor:
        """The same array as a new leaf that asks for no gradient: a change in place is seen in both."""
        return Tensor(self)

    def clone(self) -> Tensor:
        """A copy, through which gradients flow."""
        return self * 1 if self._data.dtype.kind == "f" else Tensor(self._data.copy())

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor with respect to every leaf that requires one to that leaf's `grad`.

        Args:
            gradient: what to start from, of this tensor's shape; 1 if the tensor is a scalar.
            retain_graph: keep the graph, so that it can be gone through again (default: as `create_graph`);
                otherwise it is freed on the way, operation by operation.
            create_graph: make the gradients differentiable themselves.

        Raises:
            RuntimeError: the tensor does not require gradients; it is no scalar and `gradient` is missing; the
                graph was freed; or values that a derivative needs were changed in place since they were used.
            ValueError: `gradient` has another shape.
            TypeError: `gradient` does not hold floating-point numbers.
        """
        from minigrad.backward import backpropagate

        backpropagate(self, gradient, retain_graph, create_graph, None)


def _rebuild(kind: type[Tensor], data: Array, requires_grad: bool) -> Tensor:
    twin = kind.__new__(kind)
    Tensor.__init__(twin, data, requires_grad)
    return twin
