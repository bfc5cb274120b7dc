"""Whether operations are recorded, and what is noted when values change in place."""

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
"""Numbers operations as they are recorded. An operation's inputs were made before it, so going through the
numbers downwards visits every operation after all the ones that used its result. A change in place draws a number
too (see `Memory`)."""


class _Mode(threading.local):
    recording = True


mode = _Mode()


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
        self._before.append(mode.recording)
        mode.recording = self.recording

    def __exit__(self, *exception: object) -> None:
        mode.recording = self._before.pop()

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
    return mode.recording


class Memory:
    """Notes when the values in one piece of memory were last changed in place.

    All tensors that share the memory (views, what `Tensor.detach` returns) share this object. An operation recorded
    before the change cannot be differentiated after it, if its derivative needs the values that were there.
    """

    __slots__ = ("changed",)

    latest: ClassVar[int] = 0  # the number of the last change of all: what was recorded later is certainly unchanged

    def __init__(self, changed: int = 0) -> None:
        self.changed = changed  # the number on the tape

    @staticmethod
    def change(memories: Iterable[Memory]) -> None:
        """Note that the values in these are changed now."""
        Memory.latest = now = next(tape_order)
        for memory in memories:
            memory.changed = now


class Slot:
    """The slot of a parameter in an optimizer's vectors: a view of theta, and the view of g at the same place.

    It is valid while the parameter's `data` is this view of theta; gradients are then written straight into `g`. When
    `data` has been replaced (by assignment, ``.to()`` or another optimizer), the optimizer, which checks this before
    each step, builds its vectors again.
    """

    __slots__ = ("g", "start", "theta", "vectors")

    def __init__(self, theta: Array, g: Array, start: int, vectors: Callable[[], Any]) -> None:
        self.theta = theta
        self.g = g
        self.start = start  # the index of its first element in the vectors
        self.vectors = vectors  # a weak reference to the `Vectors`
