"""The tape: a `Tensor` remembers the operation that made it, and `backward` walks from the last to the first.

An `Operation` is a function on arrays with, for each input, one function that turns the gradient of its result
into the gradient of that input (a vector-Jacobian product). Those functions are written with operators and
with other operations, and both work on arrays as well as on tensors. So one text serves twice: ordinary
training hands it bare arrays, and nothing is recorded; ``create_graph=True`` hands it tensors, and the
gradient becomes a tensor that can be differentiated again.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import types
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, ClassVar

import numpy
from numpy import ndarray

from minigrad import backend
from minigrad.backend import Array, ShapeError

float16 = numpy.dtype("float16")
float32 = numpy.dtype("float32")
float64 = numpy.dtype("float64")
int64 = numpy.dtype("int64")
bool_ = numpy.dtype("bool")

_tape_order = itertools.count(1)
"""Numbers operations as they are recorded. An operation's inputs were made before it, so going through the
numbers downwards visits every operation after all the ones that used its result. A change in place draws a number
too (see `Memory`)."""


class _Mode(threading.local):
    recording = True


_mode = _Mode()


class no_grad:
    """Record nothing inside a ``with`` block, or inside the function it decorates (PyTorch's ``no_grad``).

    ``@no_grad()`` and ``@no_grad`` both decorate. Inside a generator or a coroutine nothing is recorded whenever it
    runs; what happens between, in the code that uses it, is recorded as usual.

    Raises:
        TypeError: what it is to decorate cannot be called, or is an asynchronous generator.
    """

    recording: ClassVar[bool] = False  # inside
    _before: list[bool]  # what was the case outside, for each block entered: the same object may be entered twice

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """A block, or, given a function, that function decorated."""
        block = super().__new__(cls)
        block._before = []
        return block if function is None else block(function)

    def __enter__(self) -> None:
        self._before.append(_mode.recording)
        _mode.recording = self.recording

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator."""
        block = type(self)
        if not callable(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{block.__name__}() decorates a function, not {function!r}: use it in a with block")
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def inside(*args: Any, **kwargs: Any) -> Any:
                return _driven(function(*args, **kwargs), block)

        elif inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def inside(*args: Any, **kwargs: Any) -> Any:
                return await types.coroutine(_driven)(function(*args, **kwargs), block)

        else:

            @functools.wraps(function)
            def inside(*args: Any, **kwargs: Any) -> Any:
                with block():
                    return function(*args, **kwargs)

        return inside


class enable_grad(no_grad):
    """Record inside a ``with`` block, or the function it decorates, also where `no_grad` is in force around it."""

    recording = True


def _driven(running: Any, block: type[no_grad]) -> Generator[Any, Any, Any]:
    """Run a generator or a coroutine, entering `block` only while its own code runs."""
    resume, value = running.send, None
    while True:
        try:
            with block():
                yielded = resume(value)
        except StopIteration as stop:
            return stop.value
        try:
            value = yield yielded
            resume = running.send
        except GeneratorExit:
            with block():
                running.close()
            raise
        except BaseException as error:  # what is thrown in belongs to the generator inside
            value, resume = error, running.throw


def is_grad_enabled() -> bool:
    """Whether operations are being recorded (they are, outside `no_grad`)."""
    return _mode.recording


class Memory:
    """Notes when the values in one piece of memory were last changed in place.

    All tensors that look into the memory (views, what `Tensor.detach` returns) share one. An operation recorded
    before the change cannot be differentiated after it, if its derivative needs the values that were there.
    """

    __slots__ = ("changed",)

    latest: ClassVar[int] = 0  # when anything was last changed: what was recorded later needs no closer look

    def __init__(self, changed: int = 0) -> None:
        self.changed = changed  # the number on the tape

    @staticmethod
    def change(memories: Iterable[Memory]) -> None:
        """Note that the values in these are changed now."""
        Memory.latest = now = next(_tape_order)
        for memory in memories:
            memory.changed = now


class Slot:
    """The place of a parameter in an optimizer: a view of its vector theta, and beside it the view of its vector g.

    It is valid as long as the parameter's array is this very view; gradients are then written straight into `g`.
    When the array has been replaced (by assignment, ``.to()`` or another optimizer), the optimizer, which checks
    before each step, lays its parameters anew.
    """

    __slots__ = ("g", "start", "theta", "vectors")

    def __init__(self, theta: Array, g: Array, start: int, vectors: Callable[[], Any]) -> None:
        self.theta = theta
        self.g = g
        self.start = start  # the place of its first element in the vectors
        self.vectors = vectors  # a weak reference to what holds them


class Tensor:
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
    _grad: Any  # None, an array that nobody has been shown, or a Tensor
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
        if before is not None and before.changed:  # the tape may remember the old array, from before it was changed
            memory = Memory() if memory is None else memory
            memory.changed = max(memory.changed, before.changed)
        self._data, self._memory = array, memory

    def _shared_memory(self) -> Memory:
        """The `Memory` of its array, which another tensor is about to share."""
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
        self._grad = shown = Tensor(g if g.base is None else g.copy())  # what is shown leaves the optimizer's vector
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
        """Change the elements in place: every tensor that looks into the same memory sees it.

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
        _backpropagate(self, gradient, retain_graph, create_graph, None)

    # The operations are in ops.py, which makes them methods of this class.

    __add__: Any
    __radd__: Any
    __sub__: Any
    __rsub__: Any
    __mul__: Any
    __rmul__: Any
    __truediv__: Any
    __rtruediv__: Any
    __pow__: Any
    __rpow__: Any
    __matmul__: Any
    __rmatmul__: Any
    __neg__: Any
    __getitem__: Any
    __lt__: Any
    __le__: Any
    __gt__: Any
    __ge__: Any
    exp: Any
    log: Any
    sqrt: Any
    sin: Any
    cos: Any
    tanh: Any
    sigmoid: Any
    relu: Any
    abs: Any
    sum: Any
    mean: Any
    max: Any
    argmax: Any
    softmax: Any
    log_softmax: Any
    reshape: Any
    view: Any
    flatten: Any
    transpose: Any
    T: Any
    to: Any
    cpu: Any
    cuda: Any
    any: Any
    all: Any


def _rebuild(kind: type[Tensor], data: Array, requires_grad: bool) -> Tensor:
    twin = kind.__new__(kind)
    Tensor.__init__(twin, data, requires_grad)
    return twin


class Operation:
    """A differentiable function of arrays.

    ``op(*inputs, *settings)``: the first positional arguments, one for each function in `vjps`, are its inputs
    and may be tensors, arrays or numbers; what follows are settings. Called with at least one tensor it
    returns a tensor, recorded if one of the inputs requires gradients; called with arrays alone, an array.

    ``vjps[i](g, y, *inputs, *settings)`` is the gradient of input i, given the gradient `g` of the result `y`.
    It may have the shape of the broadcast result (the tape sums it back), and it is only called if wanted.
    The ones that are marked `writes` also take ``out=``, an array of the input's shape to write into.

    Where a vjp names an argument with an underscore in front (`_y`, `_a`), it does not use its values, at most its
    shape: these may then be changed in place between `op` and backward().

    Args:
        forward: the function.
        vjps: one for each input.
        view: whether the result may look into the memory of the first input.
        name: what a tensor's repr and error messages call it; the function's name by default.
    """

    def __init__(
        self,
        forward: Callable[..., Array],
        vjps: Sequence[Callable[..., Any]],
        view: bool = False,
        name: str | None = None,
    ) -> None:
        functools.update_wrapper(self, forward)
        self.__name__: str = name or forward.__name__.strip("_")
        self.forward = forward
        self.view = view
        self.vjps: tuple[tuple[int, Callable[..., Any], bool, _Needs], ...] = tuple(
            (i, vjp, getattr(vjp, "writes", False), _needs(vjp)) for i, vjp in enumerate(vjps)
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Compute, and record if gradients will be wanted."""
        if options:
            args = self._in_order(args, options)
        seen = False
        wanted = 0
        values = list(args)
        for i, x in enumerate(args):
            if isinstance(x, Tensor):
                values[i] = x._data
                seen = True
                if x._requires_grad:
                    wanted |= 1 << i
        try:
            y = self.forward(*values)
        except (ValueError, TypeError) as error:
            raise _explained(self, values, error) from None
        if not seen:
            return y
        result = Tensor.__new__(Tensor)
        result._data = numpy.asarray(y) if isinstance(y, numpy.generic) else y
        result._memory = _memory_of_view(args[0], result._data) if self.view else None
        result._grad = None
        result._slot = None
        if wanted and _mode.recording:
            result._requires_grad = True
            result._op = self
            result._args = args
            result._values = values
            result._wanted = wanted
            result._order = next(_tape_order)
        else:
            result._requires_grad = False
            result._op = None
        return result

    def _in_order(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments as if all had been given by place: a tensor given by name is an input like any other."""
        bound = inspect.signature(self.forward).bind(*args, **options)
        bound.apply_defaults()
        return bound.args

    def __get__(self, instance: Tensor | None, owner: type) -> Callable[..., Any]:
        """An operation stored in a class is a method of it."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"


_Needs = tuple[bool, tuple[int, ...] | None]
"""Which values a vjp uses: whether the result's, and those of which inputs (None: of all)."""


def _needs(vjp: Callable[..., Any]) -> _Needs:
    """Read off the names of its arguments which values a vjp uses."""
    used = [not p.name.startswith("_") for p in inspect.signature(vjp).parameters.values()]
    anything = [p.kind is p.VAR_POSITIONAL for p in inspect.signature(vjp).parameters.values()]  # ``*args``
    result = used[1] if len(used) > 1 else True
    if any(use and any_of_them for use, any_of_them in zip(used, anything, strict=True)):
        return result, None
    return result, tuple(i for i, use in enumerate(used[2:]) if use)


def _memory_of_view(a: Any, y: Array) -> Memory | None:
    """The memory of `a`, if `y` looks into it (a reshape, say, may have had to copy)."""
    if isinstance(a, Tensor) and (
        y is a._data or (y.base is not None and (y.base is a._data or y.base is a._data.base))
    ):
        return a._shared_memory()
    return None


def operation(
    *vjps: Callable[..., Any], view: bool = False, name: str | None = None
) -> Callable[[Callable[..., Array]], Operation]:
    """Decorate a function of arrays with its vector-Jacobian products, one for each input: see `Operation`."""
    return lambda forward: Operation(forward, vjps, view, name)


def writes(vjp: Any) -> Any:
    """Mark a vector-Jacobian product that takes ``out=``."""
    vjp.writes = True
    return vjp


def _explained(op: Operation, values: Sequence[Any], error: ValueError | TypeError) -> Exception:
    """A library's complaint about shapes, or about another library's arrays, in words that name the operation."""
    if isinstance(error, ShapeError):
        return error
    if isinstance(error, TypeError):
        places = sorted({str(backend.device_of(v)) for v in values if backend.is_array(v)})
        if len(places) < 2:
            return error
        return TypeError(f"{op.__name__}: its inputs live on {' and '.join(places)}: move one of them with .to()")
    shapes = [str(tuple(v.shape)) for v in values if backend.is_array(v)]
    return ShapeError(
        f"{op.__name__}: {'shapes' if len(shapes) > 1 else 'shape'} {' and '.join(shapes)} do not fit ({error})"
    )


def _backpropagate(
    root: Tensor,
    gradient: Any,
    retain_graph: bool | None,
    create_graph: bool,
    wanted: dict[int, Any] | None,
) -> None:
    """Send `gradient` from `root` down the tape: into the leaves' grad, or into `wanted` (by id of the tensor)."""
    if not root._requires_grad:
        raise RuntimeError("backward() needs a tensor that was computed from one with requires_grad=True")
    if gradient is None:
        if root.data.size != 1:
            raise RuntimeError(
                f"backward() starts at a scalar: this tensor has shape {root.shape}; "
                "reduce it (to a loss) or pass the gradient to start from"
            )
        gradient = backend.ones_like(root.data)
    else:
        if not isinstance(gradient, Tensor):
            given = backend.is_array(gradient)
            gradient = backend.plain(gradient, None if given else root.dtype, what="the gradient to start from")
            gradient = gradient if given else backend.to_device(gradient, root.device)
        if gradient.shape != root.shape:
            raise ShapeError(
                f"backward() from a tensor of shape {root.shape} cannot start at a gradient of {gradient.shape}"
            )
        if gradient.dtype.kind != "f":
            raise TypeError(f"backward() starts at a floating-point gradient, not at one of {gradient.dtype}")
    if create_graph:
        gradient = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    elif isinstance(gradient, Tensor):
        gradient = gradient.data
    retain = create_graph if retain_graph is None else retain_graph
    before = _mode.recording
    _mode.recording = create_graph
    try:
        if root._op is None:
            _deliver(root, gradient, gradient, wanted)
        else:
            _walk(root, gradient, retain, create_graph, wanted)
    finally:
        _mode.recording = before


def _walk(root: Tensor, gradient: Any, retain: bool, create_graph: bool, wanted: dict[int, Any] | None) -> None:
    heap = [-root._order]
    waiting = {root._order: root}
    gradients = {root._order: gradient}
    while heap:
        order = -heappop(heap)
        node = waiting.pop(order)
        g = gradients.pop(order)
        op = node._op
        inputs = node._args
        if node._values is None:
            raise RuntimeError(
                "this graph was freed by an earlier backward(): record it again, or keep it with "
                "backward(retain_graph=True)"
            )
        if wanted is not None and id(node) in wanted:
            _deliver(node, g, g, wanted)
        changed = Memory.latest > order  # something was changed in place since: look whether it matters here
        used: list[Any] = node._values
        values: Sequence[Any] = used
        y: Any = node._data
        if create_graph:
            _check_same_data(op, inputs, used)
            values, y = inputs, node
        gets = node._wanted
        for i, vjp, into, needs in op.vjps:
            if not gets >> i & 1:
                continue
            if changed:
                _check_unchanged(node, needs, order)
            x = inputs[i]
            leaf = x._op is None
            if (
                into
                and leaf
                and x._grad is None
                and (slot := x._slot) is not None
                and slot.theta is x._data
                and wanted is None
                and not create_graph
            ):
                vjp(g, y, *values, out=slot.g)
                x._grad = slot.g
                continue
            part = vjp(g, y, *values)
            if part.shape != used[i].shape:
                part = _sum_to(part, used[i].shape)
            if part.dtype != x._data.dtype:
                part = _cast(part, x._data.dtype)
            if leaf:
                _deliver(x, part, g, wanted)
            elif x._order in gradients:
                gradients[x._order] = gradients[x._order] + part
            else:
                heappush(heap, -x._order)
                waiting[x._order] = x
                gradients[x._order] = part
        if not retain:  # the node lets go of its inputs now, so a long graph comes down link by link
            node._args = ()
            node._values = None


def _check_same_data(op: Operation, inputs: Sequence[Any], used: Sequence[Any]) -> None:
    """Gradients of gradients differentiate the tensors themselves, which must still hold the arrays that were used."""
    for x, values in zip(inputs, used, strict=True):
        if isinstance(x, Tensor) and x._data is not values:
            raise RuntimeError(
                f"a tensor of shape {x.shape} was given other data after {op.__name__} had used it: "
                "record the graph anew before backward(create_graph=True)"
            )


def _check_unchanged(node: Tensor, needs: _Needs, order: int) -> None:
    """Raise if values that a vjp needs have been changed in place since the operation `order` used them."""
    result, inputs = needs
    suspects = list(node._args if inputs is None else [node._args[i] for i in inputs if i < len(node._args)])
    if result:
        suspects.append(node)
    for x in suspects:
        if isinstance(x, Tensor) and x._memory is not None and x._memory.changed > order:
            name = node._op.__name__
            what = f"the result of {name}, of shape {x.shape}," if x is node else f"a tensor of shape {x.shape}"
            raise RuntimeError(
                f"{what} was changed in place (by an optimizer's step, load_state_dict or an operator like +=) after "
                f"{name} had used it: compute the loss anew before backward()"
            )


def _deliver(x: Tensor, part: Any, g: Any, wanted: dict[int, Any] | None) -> None:
    """Add a gradient to a leaf's `grad`, or to what `wanted` has for it."""
    if wanted is not None:
        if id(x) in wanted:
            held = wanted[id(x)]
            wanted[id(x)] = _own(part, g) if held is None else held + part
        return
    slot = x._slot
    if slot is not None and slot.theta is x._data and not isinstance(part, Tensor):
        if x._grad is None:
            slot.g[...] = part
            x._grad = slot.g
            return
        if x._grad is slot.g:
            slot.g += part
            return
    if x._grad is None:
        x._grad = _own(part, g)
    elif isinstance(part, Tensor):
        x._grad = (x._grad if isinstance(x._grad, Tensor) else Tensor(x._grad)) + part
    else:
        x._grad = (x._grad._data if isinstance(x._grad, Tensor) else x._grad) + part


def _own(part: Any, g: Any) -> Any:
    """A copy, if `part` may be, or look into, what another tensor holds."""
    return part.copy() if not isinstance(part, Tensor) and (part is g or part.base is not None) else part


def grad(
    outputs: Tensor,
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` with respect to `inputs`, as new tensors; no ``.grad`` is touched.

    Args:
        outputs: a scalar tensor, or any tensor together with `grad_outputs` of its shape.
        inputs: a tensor or several, leaves or results on the way; all that require gradients.
        grad_outputs: the gradient to start from.
        retain_graph: keep the graph for another walk (default: as `create_graph`).
        create_graph: make the results differentiable, for gradients of gradients.
        allow_unused: give zeros for an input that `outputs` does not depend on, instead of raising.

    Raises:
        RuntimeError: an input does not require gradients, or has no part in `outputs`; and as `Tensor.backward`.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(inputs):
        if not x._requires_grad:
            raise RuntimeError(f"grad(): input {i} (shape {x.shape}) does not require gradients")
    wanted: dict[int, Any] = {id(x): None for x in inputs}
    _backpropagate(outputs, grad_outputs, retain_graph, create_graph, wanted)
    results = []
    for i, x in enumerate(inputs):
        part = wanted[id(x)]
        if part is None:
            if not allow_unused:
                raise RuntimeError(f"grad(): input {i} (shape {x.shape}) has no part in the output")
            part = backend.get_array_module(x.data).zeros_like(x.data)
        results.append(part if isinstance(part, Tensor) else Tensor(part))
    return tuple(results)


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes that broadcasting from `shape` added or stretched."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    return (g.sum(axes) if isinstance(g, Tensor) else backend.sums(g, axes)).reshape(shape)


def _cast(g: Any, dtype: Any) -> Any:
    return g.to(dtype) if isinstance(g, Tensor) else g.astype(dtype)
