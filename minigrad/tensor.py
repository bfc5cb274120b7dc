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
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

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
numbers downwards visits every operation after all the ones that used its result. Optimizers draw a number
too, when they change parameters in place: an operation recorded earlier must not be differentiated later."""


def next_on_tape() -> int:
    """A number later than those of all operations recorded so far."""
    return next(_tape_order)


class _Mode(threading.local):
    recording = True


_mode = _Mode()


class no_grad:
    """Record nothing inside a ``with`` block, or inside a function it decorates (PyTorch's ``no_grad``)."""

    def __init__(self) -> None:
        self._before: list[bool] = []  # one for each block entered: the same object may be entered twice

    def __enter__(self) -> None:
        self._before.append(_mode.recording)
        _mode.recording = False

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator."""

        @functools.wraps(function)
        def quiet(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return function(*args, **kwargs)

        return quiet


def is_grad_enabled() -> bool:
    """Whether operations are being recorded (they are, outside `no_grad`)."""
    return _mode.recording


class Home:
    """Where an optimizer laid a parameter: a view of its vector theta, and beside it the view of its vector g.

    A parameter is at home as long as its ``data`` is this very view; gradients are then written straight into
    `g`. When ``data`` has been replaced (by assignment, ``.to()`` or another optimizer) the home is void, and
    the optimizer, which looks before each step, lays the parameter anew.
    """

    __slots__ = ("changed", "g", "shown", "start", "theta", "vectors")

    def __init__(self, theta: Array, g: Array, start: int, vectors: Callable[[], Any]) -> None:
        self.theta = theta
        self.g = g
        self.start = start  # the place of its first element in the vectors
        self.vectors = vectors  # a weak reference to what holds them
        self.changed = 0  # the number on the tape at which theta was last changed in place
        self.shown = False  # whether someone was given a look at g since it was last forgotten


def mark_changed(home: Home) -> None:
    """Note that a parameter was changed in place: what was recorded before cannot be differentiated any more."""
    home.changed = next(_tape_order)


def forget_gradient(x: Tensor) -> None:
    """Let `x` have no gradient. Its memory will be written to again, unless someone has kept hold of it."""
    x._grad = None
    home = x._home
    if home is None:
        return
    vectors = home.vectors()
    if vectors is None:  # the optimizer is gone, and nobody knows who still looks at its g
        home.theta = None
    elif home.shown:
        vectors.release()


class Tensor:
    """An array, and how it came about.

    Attributes:
        data: the NumPy or CuPy array itself.
        grad: after `backward`, the gradient of the root with respect to this tensor, a `Tensor` of the same
            shape; None before, and after `zero_grad`.
        requires_grad: whether gradients are wanted for this tensor.

    Arithmetic broadcasts as NumPy's does, and dtypes follow NumPy's rules (a Python number keeps the tensor's
    dtype). Make tensors with `minigrad.tensor`.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_grad",
        "_home",
        "_op",
        "_order",
        "_values",
        "data",
        "requires_grad",
    )

    # NumPy and CuPy leave a binary operation with a tensor to the tensor's reflected method.
    __array_ufunc__ = None
    __array_priority__ = 1000

    data: Array
    requires_grad: bool
    _grad: Any  # None, an array, or (after create_graph=True) a Tensor
    _home: Home | None
    _op: Any  # the Operation that made it; None for a leaf
    _args: tuple[Any, ...]  # what the operation was called with, tensors as tensors ...
    _values: list[Any]  # ... and as arrays
    _order: int

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data = data.data if isinstance(data, Tensor) else data if backend.is_array(data) else _as_array(data)
        self._grad = None
        self._home = None
        self._op = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # What it is.

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self.data.ndim

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """The type of its elements, a NumPy dtype."""
        return self.data.dtype

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
        return int(self.data.size)

    def dim(self) -> int:
        """The number of its axes."""
        return self.data.ndim

    # Values out of it.

    def item(self) -> Any:
        """Its only element, as a Python number.

        Raises:
            ValueError: it has more than one element, or none.
        """
        if self.data.size != 1:
            raise ValueError(f"item() wants a tensor with one element, not one of shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """Its elements as (nested) lists of Python numbers."""
        return self.data.tolist()

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
        if self.data.dtype.kind not in "iu":
            raise TypeError(f"only a tensor of integers can be an index, not one of {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is not one value: use .any() or .all()")
        return bool(self.data.item())

    def __len__(self) -> int:
        if not self.data.ndim:
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
        Tensor.__init__(twin, self.data.copy(), self.requires_grad)
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.data, self.requires_grad))

    # Gradients.

    @property
    def grad(self) -> Tensor | None:
        """The gradient, a `Tensor` that shares memory with it, or None.

        What is kept across `zero_grad` stays as it was: the optimizer notices and takes fresh memory.
        """
        if self._grad is None or isinstance(self._grad, Tensor):
            return self._grad
        if self._home is not None:
            self._home.shown = True
        return Tensor(self._grad[...])

    @grad.setter
    def grad(self, value: Tensor | Array | None) -> None:
        if value is None:
            forget_gradient(self)
            return
        if tuple(value.shape) != self.shape:
            raise ShapeError(f"a gradient of shape {tuple(value.shape)} does not fit a tensor of shape {self.shape}")
        self._grad = value if isinstance(value, Tensor) else Tensor(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients (or not), in place; returns the tensor.

        Raises:
            TypeError: its elements are not floating point.
            RuntimeError: it is not a leaf, and gradients are to be switched off.
        """
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require gradients, not {self.dtype}")
        if not requires_grad and self._op is not None:
            raise RuntimeError("only a leaf can stop requiring gradients: use detach()")
        self.requires_grad = requires_grad
        return self

    def set_data(self, values: Array) -> None:
        """Take over `values`, of the same shape and dtype: in place where an optimizer has laid the tensor.

        Elsewhere `data` becomes `values`, and what was recorded with the old array keeps it, and stays right.
        """
        home = self._home
        if home is not None and home.theta is self.data:
            self.data[...] = values
            mark_changed(home)
        else:
            self.data = values

    def detach(self) -> Tensor:
        """The same array as a new leaf that asks for no gradient."""
        return Tensor(self.data)

    def clone(self) -> Tensor:
        """A copy, through which gradients flow."""
        return self * 1 if self.data.dtype.kind == "f" else Tensor(self.data.copy())

    def backward(
        self, gradient: Tensor | Array | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add the gradient of this tensor with respect to every leaf that requires one to that leaf's `grad`.

        Args:
            gradient: what to start from, of this tensor's shape; 1 if the tensor is a scalar.
            retain_graph: keep the graph, so that it can be gone through again (default: as `create_graph`);
                otherwise it is freed on the way, operation by operation.
            create_graph: make the gradients differentiable themselves.

        Raises:
            RuntimeError: the tensor does not require gradients; it is no scalar and `gradient` is missing; the
                graph was freed; or a parameter was changed in place since the graph was recorded.
            ValueError: `gradient` has another shape.
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


def _as_array(data: Any, dtype: Any = None) -> ndarray:
    """Python numbers, lists and whatever else has numbers as an array: see `backend.plain`."""
    return backend.plain(data, dtype)


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
    """

    def __init__(self, forward: Callable[..., Array], vjps: Sequence[Callable[..., Any]]) -> None:
        functools.update_wrapper(self, forward)
        self.__name__: str = forward.__name__
        self.forward = forward
        self.vjps: tuple[tuple[int, Callable[..., Any], bool], ...] = tuple(
            (i, vjp, getattr(vjp, "writes", False)) for i, vjp in enumerate(vjps)
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Compute, and record if gradients will be wanted."""
        if options:
            args = self._in_order(args, options)
        seen = tracked = False
        values = list(args)
        for i, x in enumerate(args):
            if isinstance(x, Tensor):
                values[i] = x.data
                seen = True
                tracked = tracked or x.requires_grad
        try:
            y = self.forward(*values)
        except (ValueError, TypeError) as error:
            raise _explained(self, values, error) from None
        if not seen:
            return y
        result = Tensor.__new__(Tensor)
        result.data = numpy.asarray(y) if isinstance(y, numpy.generic) else y
        result._grad = None
        result._home = None
        if tracked and _mode.recording:
            result.requires_grad = True
            result._op = self
            result._args = args
            result._values = values
            result._order = next(_tape_order)
        else:
            result.requires_grad = False
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


def operation(*vjps: Callable[..., Any]) -> Callable[[Callable[..., Array]], Operation]:
    """Decorate a function of arrays with its vector-Jacobian products, one for each input: see `Operation`."""
    return lambda forward: Operation(forward, vjps)


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


def _freed(*args: Any, **options: Any) -> Any:
    raise RuntimeError(
        "this graph was freed by an earlier backward(): record it again, or keep it with backward(retain_graph=True)"
    )


_FREED = Operation(_freed, ())


def _backpropagate(
    root: Tensor,
    gradient: Any,
    retain_graph: bool | None,
    create_graph: bool,
    wanted: dict[int, Any] | None,
) -> None:
    """Send `gradient` from `root` down the tape: into the leaves' grad, or into `wanted` (by id of the tensor)."""
    if not root.requires_grad:
        raise RuntimeError("backward() needs a tensor that was computed from one with requires_grad=True")
    if gradient is None:
        if root.data.size != 1:
            raise RuntimeError(
                f"backward() starts at a scalar: this tensor has shape {root.shape}; "
                "reduce it (to a loss) or pass the gradient to start from"
            )
        gradient = backend.get_array_module(root.data).ones_like(root.data)
    elif tuple(gradient.shape) != root.shape:
        raise ValueError(
            f"backward() from a tensor of shape {root.shape} cannot start at a gradient of {tuple(gradient.shape)}"
        )
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
        if op is _FREED:
            _freed()
        if wanted is not None and id(node) in wanted:
            _deliver(node, g, g, wanted)
        inputs = node._args
        values: Sequence[Any] = node._values
        y: Any = node.data
        if create_graph:
            for x, used in zip(inputs, values, strict=True):
                if isinstance(x, Tensor) and x.data is not used:
                    raise RuntimeError(
                        f"a tensor of shape {x.shape} was given other data after {op.__name__} had used it: "
                        "record the graph anew before backward(create_graph=True)"
                    )
            values, y = inputs, node
        for i, vjp, into in op.vjps:
            if i >= len(inputs):
                break
            x = inputs[i]
            if not isinstance(x, Tensor) or not x.requires_grad:
                continue
            leaf = x._op is None
            if leaf:
                home = x._home
                if home is not None:
                    if home.changed > order:
                        raise RuntimeError(
                            f"a parameter of shape {x.shape} was changed in place (by an optimizer's step or "
                            f"load_state_dict) after {op.__name__} had used it: compute the loss anew before backward()"
                        )
                    if into and home.theta is x.data and x._grad is None and wanted is None and not create_graph:
                        vjp(g, y, *values, out=home.g)
                        x._grad = home.g
                        continue
            part = vjp(g, y, *values)
            if part.shape != x.data.shape:
                part = _sum_to(part, x.data.shape)
            if part.dtype != x.data.dtype:
                part = _cast(part, x.data.dtype)
            if leaf:
                _deliver(x, part, g, wanted)
            elif x._order in gradients:
                gradients[x._order] = gradients[x._order] + part
            else:
                heappush(heap, -x._order)
                waiting[x._order] = x
                gradients[x._order] = part
        if not retain:  # the node lets go of its inputs now, so a long graph comes down link by link
            node._op = _FREED
            node._args = ()
            node._values = []


def _deliver(x: Tensor, part: Any, g: Any, wanted: dict[int, Any] | None) -> None:
    """Add a gradient to a leaf's `grad`, or to what `wanted` has for it."""
    if wanted is not None:
        if id(x) in wanted:
            held = wanted[id(x)]
            wanted[id(x)] = _own(part, g) if held is None else held + part
        return
    home = x._home
    if home is not None and home.theta is x.data and not isinstance(part, Tensor):
        if x._grad is None:
            home.g[...] = part
            x._grad = home.g
            return
        if x._grad is home.g:
            home.g += part
            return
    if x._grad is None:
        x._grad = _own(part, g)
    elif isinstance(part, Tensor):
        x._grad = (x._grad if isinstance(x._grad, Tensor) else Tensor(x._grad)) + part
    else:
        x._grad = (x._grad.data if isinstance(x._grad, Tensor) else x._grad) + part


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
        if not x.requires_grad:
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
