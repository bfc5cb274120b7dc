"""Whether operations are recorded on the tape, and a record of changes in place."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import types
from collections.abc import Callable, Generator, Iterable
from typing import Any, ClassVar

from minigrad.backend import Array

tape_order = itertools.count(1)
"""Numbers the operations in the order in which they are recorded. The inputs of an operation were computed before it,
so visiting the operations from the highest number down reaches each one after all operations that used its result. A
change in place takes a number too (see `Memory`)."""


class _Mode(threading.local):
    recording = True


mode = _Mode()


class no_grad:
    """Record nothing inside a ``with`` block, or inside the function it decorates (PyTorch's ``no_grad``).

    ``@no_grad()`` and ``@no_grad`` both decorate. In a decorated generator or coroutine nothing is recorded while its
    own code runs; the code that uses it is recorded as usual.

    Raises:
        TypeError: the decorated object is not callable, or is an asynchronous generator.
    """

    recording: ClassVar[bool] = False  # inside the block
    _before: list[bool]  # the mode outside, once for each time the block is entered (it may be entered twice)

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """A block; if a function is given, the decorated function."""
        block = super().__new__(cls)
        block._before = []
        return block if function is None else block(function)

    def __enter__(self) -> None:
        self._before.append(mode.recording)
        mode.recording = self.recording

    def __exit__(self, *exception: object) -> None:
        mode.recording = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function."""
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
    """Record inside a ``with`` block, or inside the function it decorates, even if `no_grad` is active around it."""

    recording = True


_current = mode


class set_grad_enabled:
    """Record from now on if `mode` is true, and not if it is false; as a block, until its end (PyTorch's name)."""

    def __init__(self, mode: bool) -> None:
        self._before = _current.recording
        _current.recording = bool(mode)

    def __enter__(self) -> None:
        """The mode is set already."""

    def __exit__(self, *exception: object) -> None:
        _current.recording = self._before


def inference_mode(mode: Any = True) -> Any:
    """`no_grad` under another name of PyTorch's; with False, a block that changes nothing."""
    if callable(mode):  # @inference_mode
        return no_grad(mode)
    return no_grad() if mode else set_grad_enabled(_current.recording)


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
        except BaseException as error:  # an exception thrown in is passed on to the generator inside
            value, resume = error, running.throw


def is_grad_enabled() -> bool:
    """Whether operations are being recorded (they are, outside `no_grad`)."""
    return mode.recording


class Memory:
    """Remembers when the values in one piece of memory were last changed in place.

    All tensors that share the memory (views, and the results of `Tensor.detach`) share one `Memory`. If the derivative
    of an operation needs values that were changed after the operation was recorded, it cannot be computed any more.
    """

    __slots__ = ("changed",)

    latest: ClassVar[int] = 0  # when any memory was last changed: operations recorded later need no check

    def __init__(self, changed: int = 0) -> None:
        self.changed = changed  # the tape number of the last change

    @staticmethod
    def change(memories: Iterable[Memory]) -> None:
        """Remember that the values in these are changed now."""
        Memory.latest = now = next(tape_order)
        for memory in memories:
            memory.changed = now


class Slot:
    """The place of a parameter in an optimizer: its view of the vector theta, and the same view of the vector g.

    It is valid as long as the parameter's array is this view; gradients are then written directly into `g`. The array
    may be replaced by assignment, by ``.to()`` or by another optimizer. The optimizer checks this before each step, and
    rebuilds its vectors if necessary.
    """

    __slots__ = ("g", "start", "theta", "vectors")

    def __init__(self, theta: Array, g: Array, start: int, vectors: Callable[[], Any]) -> None:
        self.theta = theta
        self.g = g
        self.start = start  # the index of its first element in the vectors
        self.vectors = vectors  # a weak reference to the `Vectors` that hold theta and g
