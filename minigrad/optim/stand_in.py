"""Stand-ins for a rule's vectors, which record what the rule does with them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy

from minigrad.optim.formula import (
    ELEMENTWISE,
    NAMES,
    NEW,
    NUMBER,
    OPERATORS,
    POWERS,
    short,
    shown_number,
)

if TYPE_CHECKING:
    from minigrad.optim.recorder import Recorder

ALL = slice(None)


class StandIn:
    """Stands in for a vector, or for what was computed from vectors, inside a rule."""

    __slots__ = ("recorder", "slot")

    def __init__(self, recorder: Recorder, slot: int) -> None:
        self.recorder = recorder
        self.slot = slot  # its number: see `Entry`

    @property
    def text(self) -> str:
        """Its value as a Python expression."""
        return self.recorder.texts()[self.slot]

    @property
    def dtype(self) -> Any:
        """The dtype of the rule's vectors."""
        return self.recorder.dtype

    # Elementwise operations (the operators are added below).

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        recorder = self.recorder
        name = NAMES.get(ufunc)
        if name is not None and method == "__call__" and not out and not options:  # the usual case
            return recorder.add(name, inputs)
        name = ufunc.__name__
        if method != "__call__" or ufunc.signature is not None or options.keys() - {"dtype", "casting", "order"}:
            recorder.refuse(f"numpy.{name}{'' if method == '__call__' else '.' + method}({self.text})")
        if options or ufunc not in NAMES:
            recorder.translatable = False
        if out:
            return recorder.write(name, out[0], inputs)
        result = recorder.add(name, inputs)
        return (result,) * ufunc.nout if ufunc.nout > 1 else result

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        recorder = self.recorder
        name = f"numpy.{function.__name__}"
        if function.__module__ not in ("numpy", None):
            name = f"{function.__module__}.{function.__name__}"
        if function not in ELEMENTWISE or kwargs.keys() - {"out"}:
            recorder.refuse(f"{name}({', '.join(map(_shown, args))})")
        name = function.__name__
        if function is numpy.clip and len(args) == 3 and not any(bound is None for bound in args[1:]):
            # As NumPy's clip computes it.
            name, args = "minimum", (recorder.add("maximum", args[:2]), args[2])
        elif function is numpy.copy and len(args) == 1:
            name = "copy"
        elif function is not numpy.where or len(args) != 3:
            recorder.translatable = False
        if kwargs.get("out") is not None:
            return recorder.write(name, kwargs["out"], args)
        return recorder.add(name, args)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not (index is Ellipsis or (type(index) is slice and index == ALL)):
            self.recorder.refuse(f"{self.text}[{_shown(index)}]")
        recorder = self.recorder
        if type(value) is StandIn and value.recorder is recorder and self.slot != recorder.g:
            recorder.entries.append(("copy", self.slot, value.slot))
        else:
            recorder.write("copy", self, (value,))

    def __getitem__(self, index: Any) -> Any:
        if index is Ellipsis or (type(index) is slice and index == ALL):
            return self
        return self.recorder.refuse(f"{self.text}[{_shown(index)}]")

    def copy(self) -> StandIn:
        """A new vector with the same elements."""
        return self.recorder.add("copy", (self,))

    # Everything else is refused.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.recorder.refuse(f"{self.text}.{name}")

    def __len__(self) -> int:
        return self.recorder.refuse(f"len({self.text})")

    def __bool__(self) -> bool:
        return self.recorder.refuse(f"the truth of {self.text}")

    def __float__(self) -> float:
        return self.recorder.refuse(f"float({self.text})")

    def __int__(self) -> int:
        return self.recorder.refuse(f"int({self.text})")

    def __index__(self) -> int:
        return self.recorder.refuse(f"the use of {self.text} as an index")

    def __iter__(self) -> Any:
        return self.recorder.refuse(f"going through the elements of {self.text}")

    def __contains__(self, value: Any) -> bool:
        return self.recorder.refuse(f"the use of in with {self.text}")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.recorder.refuse(f"making an array of {self.text}")

    def __matmul__(self, other: Any) -> Any:
        return self.recorder.refuse(f"{self.text} @ {_shown(other)}")

    def __rmatmul__(self, other: Any) -> Any:
        return self.recorder.refuse(f"{_shown(other)} @ {self.text}")

    __hash__ = object.__hash__


def _operator(name: str, method: str) -> None:
    """Give `StandIn` a binary operator, which records the ufunc `name`.

    A run spends most of its time here, so the two usual operands, a vector and a Python number, are handled first.
    """

    def forward(self: StandIn, other: Any) -> Any:
        recorder = self.recorder
        if type(other) is StandIn and other.recorder is recorder:
            recorder.entries.append((name, NEW, self.slot, other.slot))
        elif type(other) is float or type(other) is int:
            recorder.entries.append((name, NEW, self.slot, NUMBER))
            recorder.numbers.append(other)
        else:
            return recorder.add(name, (self, other)) if _operand(other) else NotImplemented
        try:
            return recorder.results[len(recorder.entries) - 1]
        except IndexError:
            return recorder.result()

    def reflected(self: StandIn, other: Any) -> Any:
        recorder = self.recorder
        if type(other) is float or type(other) is int:
            recorder.entries.append((name, NEW, NUMBER, self.slot))
            recorder.numbers.append(other)
        else:
            return recorder.add(name, (other, self)) if _operand(other) else NotImplemented
        try:
            return recorder.results[len(recorder.entries) - 1]
        except IndexError:
            return recorder.result()

    def in_place(self: StandIn, other: Any) -> Any:
        recorder = self.recorder
        if type(other) is StandIn and other.recorder is recorder and self.slot != recorder.g:
            recorder.entries.append((name, self.slot, self.slot, other.slot))
            return self
        return recorder.write(name, self, (self, other))

    setattr(StandIn, f"__{method}__", forward)
    if method not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(StandIn, f"__r{method}__", reflected)
        setattr(StandIn, f"__i{method}__", in_place)


def _operand(value: Any) -> bool:
    """Whether `value` is a possible operand; for strings and the like Python raises its own error."""
    return isinstance(value, (StandIn, Number, numpy.generic, numpy.ndarray))


for _name, _function, _symbol in OPERATORS:
    _operator(_name, _function.__name__.strip("_"))


def _to_the_power(self: StandIn, other: Any) -> Any:
    if (type(other) is int or type(other) is float) and other in POWERS:
        return self.recorder.add(POWERS[other], (self,))
    return _general_power(self, other)


def _to_the_power_in_place(self: StandIn, other: Any) -> Any:
    if (type(other) is int or type(other) is float) and other in POWERS:
        return self.recorder.write(POWERS[other], self, (self,))
    return self.recorder.write("power", self, (self, other))


_general_power = vars(StandIn)["__pow__"]
setattr(StandIn, "__pow__", _to_the_power)  # noqa: B010 (mypy does not know the operators that `_operator` has set)
setattr(StandIn, "__ipow__", _to_the_power_in_place)  # noqa: B010
for _name, _ufunc in (("neg", "negative"), ("pos", "positive"), ("abs", "absolute"), ("invert", "invert")):
    setattr(StandIn, f"__{_name}__", lambda self, _ufunc=_ufunc: self.recorder.add(_ufunc, (self,)))


def _shown(value: Any) -> str:
    return short(value.text) if isinstance(value, StandIn) else shown_number(value)
