"""Operations: functions of arrays that know their derivatives, and are recorded when they are called with tensors.

Besides its function an `Operation` has, for each input, a function that turns the gradient of the result into the
gradient of that input (a vector-Jacobian product, vjp). These are written with operators and other operations, which
work on arrays as well as on tensors. So the same code has two uses: in ordinary training it is called with arrays, and
nothing is recorded; with ``create_graph=True`` it is called with tensors, and the gradient is a tensor that can be
differentiated again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from minigrad import backend
from minigrad.backend import Array
from minigrad.conversion import ShapeError
from minigrad.recording import Memory, mode, tape_order
from minigrad.tensor import Tensor


class Operation:
    """A differentiable function of arrays.

    It is called as ``op(*inputs, *settings)``. The first arguments, one for each function in `vjps`, are its inputs,
    which may be tensors, arrays or numbers; the others are settings. If at least one input is a tensor, the result is
    a tensor, which is recorded if an input requires gradients. If there are only arrays, the result is an array.

    ``vjps[i](g, y, *inputs, *settings)`` returns the gradient of input i, given the gradient `g` of the result `y`.
    It may have the shape of the broadcast result (the backward pass then sums it to the shape of the input), and it is
    called only if input i requires a gradient. A vjp marked with `writes` also takes ``out=``, an array of the shape of
    the input to write into.

    If the name of an argument of a vjp begins with an underscore (`_y`, `_a`), the vjp uses only its shape, not its
    values. These values may therefore be changed in place between `op` and backward().

    Args:
        forward: the function.
        vjps: one for each input.
        view: whether the result may share the memory of the first input.
        name: its name in the repr of tensors and in error messages; by default the name of the function.
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
        self.vjps: tuple[tuple[int, Callable[..., Any], bool, Needs], ...] = tuple(
            (i, vjp, getattr(vjp, "writes", False), _needs(vjp)) for i, vjp in enumerate(vjps)
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Compute the result, and record the operation if an input requires gradients."""
        if options:
            args = self._in_order(args, options)
        # The arrays of the tensors among the arguments, and which arguments require gradients (as bits).
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
        # Make the tensor without calling __init__, which would check what is known here.
        result = Tensor.__new__(Tensor)
        result._data = numpy.asarray(y) if isinstance(y, numpy.generic) else y
        result._memory = _memory_of_view(args[0], result._data) if self.view else None
        result._grad = None
        result._slot = None
        if wanted and mode.recording:
            result._requires_grad = True
            result._op = self
            result._args = args
            result._values = values
            result._wanted = wanted
            result._order = next(tape_order)
        else:
            result._requires_grad = False
            result._op = None
        return result

    def _in_order(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, so that a tensor given by keyword is an input like any other."""
        bound = inspect.signature(self.forward).bind(*args, **options)
        bound.apply_defaults()
        return bound.args

    def __get__(self, instance: Tensor | None, owner: type) -> Callable[..., Any]:
        """An operation stored in a class is a method of it."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"


Needs = tuple[bool, tuple[int, ...] | None]
"""Which values a vjp uses: whether it uses the result, and which inputs (their numbers; None for all of them)."""


def _needs(vjp: Callable[..., Any]) -> Needs:
    """The values that a vjp uses, according to the names of its arguments."""
    parameters = inspect.signature(vjp).parameters.values()
    used = [not p.name.startswith("_") for p in parameters]
    anything = [p.kind is p.VAR_POSITIONAL for p in parameters]  # ``*args``
    result = used[1] if len(used) > 1 else True
    if any(use and any_of_them for use, any_of_them in zip(used, anything, strict=True)):
        return result, None
    return result, tuple(i for i, use in enumerate(used[2:]) if use)


def _memory_of_view(a: Any, y: Array) -> Memory | None:
    """The memory of `a`, if `y` shares it (a reshape, for example, sometimes has to copy)."""
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
    """The error to raise: one that names the operation and the shapes (or devices) of its inputs."""
    if isinstance(error, ShapeError):
        return error
    if isinstance(error, TypeError):
        places = sorted({str(backend.device_of(v)) for v in values if backend.is_array(v)})
        if len(places) < 2:
            return error
        return TypeError(f"{op.__name__}: its inputs are on {' and '.join(places)}: move one of them with .to()")
    shapes = [str(tuple(v.shape)) for v in values if backend.is_array(v)]
    return ShapeError(
        f"{op.__name__}: {'shapes' if len(shapes) > 1 else 'shape'} {' and '.join(shapes)} do not fit ({error})"
    )
