"""Tensors: arrays that remember the operation by which they were computed.

`minigrad.operation` records operations, `minigrad.backward` goes through the record from the last operation to the
first, and `minigrad.ops` defines the operations and makes them methods of `Tensor`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy
from numpy import ndarray

from minigrad import backend, conversion, printing
from minigrad.backend import Array
from minigrad.conversion import ShapeError
from minigrad.methods import Methods
from minigrad.missing import Missing
from minigrad.recording import Memory, Slot, mode

float16 = numpy.dtype("float16")
float32 = numpy.dtype("float32")
float64 = numpy.dtype("float64")
int8 = numpy.dtype("int8")
int16 = numpy.dtype("int16")
int32 = numpy.dtype("int32")
int64 = numpy.dtype("int64")
uint8 = numpy.dtype("uint8")
bool_ = numpy.dtype("bool")


RETAINED = 1 << 62
"""The bit of `Tensor._wanted` that says: keep the gradient of this result."""


class Tensor(Methods):
    """An array together with the operation that computed it.

    Arithmetic broadcasts as in NumPy, and dtypes follow NumPy's rules (a Python number keeps the tensor's dtype).
    Create tensors with `minigrad.tensor`.
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

    __array_priority__ = 1000  # for NumPy's and CuPy's operators; see also functions/ufuncs.py

    _data: Array
    _requires_grad: bool
    _grad: Any  # None; an array, as long as nobody has read it; or a Tensor
    _slot: Slot | None  # its place in an optimizer
    _memory: Memory | None  # created when the array is first shared or changed in place
    _op: Any  # the Operation that computed it; None for a leaf
    _args: tuple[Any, ...]  # the arguments of that operation, with tensors as tensors ...
    _values: list[Any] | None  # ... and with tensors as arrays; None once the graph is freed
    _wanted: int  # which arguments required gradients when it was computed: bit i for argument i; see also RETAINED
    _order: int  # the number of the operation on the tape

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if type(requires_grad) is not bool:
            raise TypeError(
                f"Tensor({data!r}, {requires_grad!r}): takes the elements; of a shape, make empty() or zeros()"
            )
        self._memory = None
        if isinstance(data, Tensor):
            self._data, self._memory = data._data, data._shared_memory()
        elif isinstance(data, list):  # PyTorch's Tensor([1, 2]) is float32, its tensor([1, 2]) int64
            self._data = conversion.plain(data, float32)
        else:
            self._data = conversion.plain(data)
        self._grad = None
        self._slot = None
        self._op = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad_()

    @property
    def data(self) -> Array:
        """The NumPy or CuPy array itself.

        Assigning replaces it: by an array or the array of a tensor, which is then shared, or by numbers of this
        tensor's shape. Operations recorded before keep the old array, so their gradients stay correct.

        Raises:
            TypeError: the new value is not numeric, or is not floating point although gradients are required.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        before = self._memory
        if isinstance(value, Tensor):
            array, memory = value._data, value._shared_memory()
        elif backend.is_array(value):
            array, memory = conversion.plain(value, what="data"), None
        else:
            array, memory = conversion.plain(value, self._data.dtype, what="data"), None
            if array.shape != self._data.shape:
                raise ShapeError(f"data: numbers of shape {array.shape} do not fit a tensor of shape {self.shape}")
            array = backend.to_device(array, self.device)
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: a tensor that requires gradients is floating-point, and cannot hold {array.dtype}")
        if array is self._data:
            return
        if before is not None and before.changed:  # the old array, used by recorded operations, was changed
            memory = Memory() if memory is None else memory
            memory.changed = max(memory.changed, before.changed)
        self._data, self._memory = array, memory

    def _shared_memory(self) -> Memory:
        """The `Memory` of its array, created if there is none yet."""
        if self._memory is None:
            self._memory = Memory()
        return self._memory

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor. Setting it does not affect operations already recorded."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    # Its properties.

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
        """The device that holds its array."""
        return backend.device_of(self.data)

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed by a recorded operation."""
        return self._op is None

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of the axis `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of its elements."""
        return int(self._data.size)

    nelement = numel

    def dim(self) -> int:
        """The number of its axes."""
        return self._data.ndim

    ndimension = dim

    def element_size(self) -> int:
        """The number of bytes of one element."""
        return self._data.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether its elements are floating-point numbers."""
        return self._data.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Whether its elements lie in memory in the order of its axes."""
        return bool(self._data.flags.c_contiguous)

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a GPU."""
        return self.device.type == "cuda"

    @property
    def grad_fn(self) -> Any:
        """The operation that computed it; None for a leaf."""
        return self._op

    # Its values, as Python and NumPy objects.

    def item(self) -> Any:
        """Its only element, as a Python number.

        Raises:
            ValueError: it has more than one element, or none.
        """
        if self._data.size != 1:
            raise ValueError(f"item() needs a tensor with one element, not one of shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """Its elements as (nested) lists of Python numbers."""
        return self._data.tolist()

    def numpy(self, *, force: bool = False) -> ndarray:
        """Its array, not a copy; with `force`, a tensor on a GPU is copied to the CPU.

        Raises:
            TypeError: the tensor is on a GPU; call ``.cpu()`` first.
        """
        if force:
            return backend.to_numpy(self.data)
        if not isinstance(self.data, numpy.ndarray):
            raise TypeError(f"this tensor is on {self.device}: use .cpu().numpy() to copy it to the CPU")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        return numpy.array(self.numpy(), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        if self._requires_grad and mode.recording:
            # Python calls this for float(tensor), and for math.sqrt(tensor), where the gradient is lost unnoticed.
            warnings.warn(
                "a tensor that requires gradients became a Python number, through which no gradient flows: "
                "use .item() if that is meant, and minigrad's functions instead of those of math if it is not",
                stacklevel=2,
            )
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __round__(self, ndigits: int | None = None) -> Any:
        """A Python number; the elements of a tensor with axes are rounded by its method `round`."""
        return self.round(decimals=ndigits or 0) if self._data.ndim else round(self.item(), ndigits)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self._data.ndim:
            raise TypeError(
                f"{spec!r} formats one number, not a tensor of shape {self.shape}: use .item() or .tolist()"
            )
        return format(self.item(), spec)

    def __contains__(self, element: Any) -> bool:
        return bool((self._data == (element._data if isinstance(element, Tensor) else element)).any())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise TypeError(f"only a tensor of integers can be an index, not one of {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} has no single truth value: use .any() or .all()")
        return bool(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("a tensor without axes has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = printing.elements(backend.to_numpy(self.data), "tensor(")
        if not self.numel() and self.shape != (0,):
            text += f", size={self.shape}"
        if self.dtype not in (float32, int64, bool_):
            text += f", dtype={self.dtype}"
        if self.device.type != "cpu":
            text += f", device='{self.device}'"
        if self._op is not None:
            text += f", made by {self._op.__name__}"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return f"tensor({text})"

    __hash__ = object.__hash__  # by identity, although == compares elements

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
        """After `backward`, the gradient with respect to this tensor; None before that, and after `zero_grad`.

        It is a `Tensor` of the same shape. If you change it in place, the optimizer uses the changed gradient; a later
        `backward` does not change a gradient that was read before. A tensor, an array or numbers can be assigned.

        Raises:
            ValueError: the assigned value has another shape.
            TypeError: the assigned value is not floating point.
        """
        g = self._grad
        if g is None or isinstance(g, Tensor):
            return g
        # A view of the optimizer's vector g is copied, so that the next backward() does not change it.
        self._grad = shown = Tensor(g if g.base is None else g.copy())
        return shown

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self._grad = None
            return
        if value is self:
            raise ValueError("a tensor cannot be its own gradient: clone() it")
        if not isinstance(value, Tensor):
            given = conversion.plain(value, None if backend.is_array(value) else self.dtype, what="a gradient")
            value = Tensor(given if backend.is_array(value) else backend.to_device(given, self.device))
        if value.shape != self.shape:
            raise ShapeError(f"a gradient of shape {value.shape} does not fit a tensor of shape {self.shape}")
        if value.dtype.kind != "f":
            raise TypeError(f"a gradient is floating-point, not {value.dtype}")
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch the computation of gradients for this tensor on or off; returns the tensor.

        Raises:
            TypeError: its elements are not floating point.
            RuntimeError: gradients are switched off for a tensor that is not a leaf.
        """
        if requires_grad and self._data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require gradients, not {self.dtype}")
        if not requires_grad and self._op is not None:
            raise RuntimeError("only a leaf can stop requiring gradients: use detach()")
        self._requires_grad = bool(requires_grad)
        return self

    def write(self, values: Array, index: Any = ...) -> None:
        """Change the elements in place, and so those of every tensor that shares the memory.

        Args:
            values: an array that broadcasts to this tensor's shape; its elements are cast to the tensor's dtype.
            index: change only the elements that this index of the array chooses.

        Raises:
            RuntimeError: the tensor's array cannot be written to, for example because broadcasting made it.
        """
        try:
            self._data[index] = values
        except ValueError as error:
            if getattr(self._data, "flags", None) is not None and not getattr(self._data.flags, "writeable", True):
                raise RuntimeError(
                    f"the elements of this tensor of shape {self.shape} cannot be changed in place "
                    "(its array is read-only, or repeats elements in memory): clone() it first"
                ) from None
            raise error
        Memory.change([self._shared_memory()])

    def detach(self) -> Tensor:
        """A new leaf with the same array, which requires no gradient; changes in place affect both."""
        return Tensor(self)

    def detach_(self) -> Tensor:
        """Forget the operation that computed it, in place: it becomes a leaf, which requires no gradient."""
        self._op, self._requires_grad = None, False
        return self

    def retain_grad(self) -> None:
        """Let `backward` set `grad` for this result of an operation, too, and not only for leaves.

        Raises:
            RuntimeError: it does not require gradients.
        """
        if not self._requires_grad:
            raise RuntimeError("retain_grad() needs a tensor that requires gradients")
        if self._op is not None:
            self._wanted |= RETAINED

    def clone(self) -> Tensor:
        """A copy, through which gradients flow."""
        return self * 1 if self._data.dtype.kind == "f" else Tensor(self._data.copy())

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor with respect to every leaf that requires one to that leaf's `grad`.

        Args:
            gradient: the gradient to start from, of this tensor's shape; by default 1, for a scalar.
            retain_graph: keep the graph for another backward pass (default: as `create_graph`); otherwise it is freed
                operation by operation.
            create_graph: make the gradients themselves differentiable.

        Raises:
            RuntimeError: the tensor does not require gradients; it is not a scalar and `gradient` is missing; the
                graph was freed; or values that a derivative needs were changed in place after they were used.
            ValueError: `gradient` has another shape.
            TypeError: `gradient` does not hold floating-point numbers.
        """
        from minigrad.backward import backpropagate

        backpropagate(self, gradient, retain_graph, create_graph, None)


for _name in (
    *("bfloat16", "cholesky", "data_ptr", "det", "eig", "inverse", "is_pinned", "is_shared", "is_sparse", "layout"),
    *("logdet", "lu", "pin_memory", "pinverse", "qr", "register_hook", "register_post_accumulate_grad_hook", "resize_"),
    *("share_memory_", "slogdet", "stft", "storage", "stride", "svd", "to_sparse", "untyped_storage"),
):
    setattr(Tensor, _name, Missing(_name))


def _rebuild(kind: type[Tensor], data: Array, requires_grad: bool) -> Tensor:
    twin = kind.__new__(kind)
    Tensor.__init__(twin, data, requires_grad)
    return twin
