"""The formula of an elementwise rule, noted: what the rule computes when it is run on stand-ins for its vectors.

A stand-in records each operation it takes part in and returns another stand-in. One run of a rule on stand-ins gives
two lists: the operations, in order, and the numbers in them (as ``lr`` and ``1 - beta1**t``). The operations are the
same at nearly every step, and are translated once into something fast (see `program`); the numbers are its arguments.
A run costs a few microseconds, so it is repeated at every step: the rule's own ``if`` then decides at each step, and
a rule may compute its numbers in whatever way it likes.

A rule whose `scope` is "element" may be given its vectors in pieces, so each number must be computed from the numbers
at the same place alone. Arithmetic, comparisons, NumPy's elementwise functions and changes in place are recorded.
Anything else raises a TypeError at that place, which says what to write instead.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

import numpy

ELSEWHERE = (
    "needs more than one element at a time, and a rule of scope 'element' is given its vectors in pieces: write in the "
    "class scope = 'parameter' (each parameter in its own shape) or scope = 'all' (one vector for all parameters)"
)

NOTED_AT = (1, 2, 3, 10, 100, 1_000, 10_000)
"""The steps t at which a rule is checked: it may do something else at the first ones."""

NUMBER = -1
"""Stands for a Python number among the operands of an operation: its value is in `Notes.numbers`."""

NEW = -1
"""Says that the result of an operation is a new vector; otherwise the number of the vector it is written into."""

Entry = tuple[Any, ...]
"""One operation: its name, where its result goes (`NEW`, or a vector's number), and its operands.

An operand is the number of a vector, `NUMBER`, or for a number of NumPy's the name of its dtype. The vectors that the
rule was given are numbered first, then the results of the operations, one for each entry.
"""

ALL = slice(None)


def changes_g(owner: str) -> str:
    """The sentence about a rule that writes to the gradient."""
    return f"{owner}.rule changes g, the gradient, which others may look at: compute with a new name instead"


class NotElementwiseError(TypeError):
    """What a rule does that is not elementwise, or changes nothing, in a sentence."""


class Notes:
    """What a rule has asked of its stand-ins in one run.

    Args:
        owner: the rule's class, for messages.
        names: of the vectors that the rule is given.
        dtype: of these vectors.
    """

    def __init__(self, owner: str, names: Sequence[str], dtype: Any = None) -> None:
        self.owner = owner
        self.names = tuple(names)
        self.g = self.names.index("g") if "g" in self.names else None  # the one that must not be changed
        self.dtype = dtype
        self.vectors = [Noted(self, i) for i in range(len(names))]
        self.results: list[Noted] = []  # the stand-in that each entry gave; used again in the next run
        self.entries: list[Entry] = []
        self.numbers: list[Any] = []
        self.translatable = True  # whether the entries say all that happened

    def begin(self) -> Sequence[Noted]:
        """Start another run: the stand-ins for the vectors."""
        self.entries.clear()
        self.numbers.clear()
        self.translatable = True
        return self.vectors

    def result(self) -> Noted:
        """The stand-in for the result of the last entry, where there is none yet."""
        last = len(self.entries) - 1
        while len(self.results) <= last:
            self.results.append(Noted(self, len(self.names) + len(self.results)))
        return self.results[last]

    def add(self, name: str, inputs: Sequence[Any], into: int = NEW) -> Noted:
        """Record an operation with any operands.

        Raises:
            NotElementwiseError: one of them is an array from elsewhere, or a vector from another run.
        """
        if len(inputs) == 1 and type(inputs[0]) is Noted and inputs[0].notes is self:
            self.entries.append((name, into, inputs[0].slot))
            return self.result()
        operands: list[Any] = []
        numbers = []
        for value in inputs:
            if type(value) is Noted and value.notes is self:
                operands.append(value.slot)
                continue
            if type(value) is float or type(value) is int:
                operands.append(NUMBER)
            elif isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0):
                operands.append(value.dtype.name)
                value = value.item()
            elif isinstance(value, Number):
                operands.append(NUMBER)
                self.translatable = False
            else:
                self.refuse_operand(name, inputs, value)
            numbers.append(value)
        self.entries.append((name, into, *operands))
        self.numbers += numbers
        return self.result()

    def write(self, name: str, target: Any, inputs: Sequence[Any]) -> Noted:
        """Record an operation whose result is written into `target`."""
        if type(target) is not Noted or target.notes is not self:
            raise NotElementwiseError(f"{self.owner}.rule writes into an array that is none of its vectors")
        if target.slot == self.g:
            raise NotElementwiseError(changes_g(self.owner))
        self.add(name, inputs, target.slot)
        return target

    def refuse_operand(self, name: str, inputs: Sequence[Any], value: Any) -> None:
        """Raise the error about an operand that is no number and none of the rule's vectors."""
        if type(value) is Noted:
            raise NotElementwiseError(
                f"{self.owner}.rule: numpy.{name} of a vector that was kept from another call of the rule: what a rule "
                "keeps goes into its `state`"
            )
        noted = next((one for one in inputs if type(one) is Noted and one.notes is self), None)
        kind = f"an array of shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise NotElementwiseError(
            f"{self.owner}.rule: numpy.{name} of {noted.text if noted is not None else 'something'} and {kind}, which "
            "is none of the rule's vectors (and has not their length where they come in pieces): keep it in `state`"
        )

    def refuse(self, expression: str) -> Any:
        """Raise the error about something that is not elementwise."""
        raise NotElementwiseError(f"{self.owner}.rule: {expression} {ELSEWHERE}")

    def texts(self) -> list[str]:
        """Each vector and each result as one would write it."""
        texts = list(self.names)
        numbers = iter(self.numbers)
        for name, into, *operands in self.entries:
            shown = [_number(next(numbers)) if isinstance(o, str) or o < 0 else _short(texts[o]) for o in operands]
            if name in SYMBOLS and len(shown) == 2:
                text = f"({shown[0]} {SYMBOLS[name]} {shown[1]})"
            elif name == "square":
                text = f"({shown[0]} ** 2)"
            else:
                text = shown[0] if name == "copy" else f"{name}({', '.join(shown)})"
            texts.append(text)
            if into >= len(self.names):
                texts[into] = text
        return texts

    def used(self) -> tuple[set[str], set[str]]:
        """The names of the vectors that were read, and of those that were changed."""
        count = len(self.names)
        read = {self.names[o] for entry in self.entries for o in entry[2:] if isinstance(o, int) and 0 <= o < count}
        return read, {self.names[entry[1]] for entry in self.entries if 0 <= entry[1] < count}


class Noted:
    """Stands in for a vector, or for what was computed from vectors, inside a rule."""

    __slots__ = ("notes", "slot")

    def __init__(self, notes: Notes, slot: int) -> None:
        self.notes = notes
        self.slot = slot  # its number: see `Entry`

    @property
    def text(self) -> str:
        """The expression it holds now, as one would write it."""
        return self.notes.texts()[self.slot]

    @property
    def dtype(self) -> Any:
        """The dtype of the rule's vectors."""
        return self.notes.dtype

    # What is elementwise; for the operators see below.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        notes = self.notes
        name = NAMES.get(ufunc)
        if name is not None and method == "__call__" and not out and not options:
            return notes.add(name, inputs)
        name = ufunc.__name__
        if method != "__call__" or ufunc.signature is not None or options.keys() - {"dtype", "casting", "order"}:
            notes.refuse(f"numpy.{name}{'' if method == '__call__' else '.' + method}({self.text})")
        if options or ufunc not in NAMES:
            notes.translatable = False
        if out:
            return notes.write(name, out[0], inputs)
        result = notes.add(name, inputs)
        return (result,) * ufunc.nout if ufunc.nout > 1 else result

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        notes = self.notes
        name = f"numpy.{function.__name__}"
        if function.__module__ not in ("numpy", None):
            name = f"{function.__module__}.{function.__name__}"
        if function not in ELEMENTWISE or kwargs.keys() - {"out"}:
            notes.refuse(f"{name}({', '.join(map(_shown, args))})")
        name = function.__name__
        if function is numpy.clip and len(args) == 3 and not any(bound is None for bound in args[1:]):
            # As NumPy's clip computes it.
            name, args = "minimum", (notes.add("maximum", args[:2]), args[2])
        elif function is numpy.copy and len(args) == 1:
            name = "copy"
        elif function is not numpy.where or len(args) != 3:
            notes.translatable = False
        if kwargs.get("out") is not None:
            return notes.write(name, kwargs["out"], args)
        return notes.add(name, args)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not (index is Ellipsis or (type(index) is slice and index == ALL)):
            self.notes.refuse(f"{self.text}[{_shown(index)}]")
        notes = self.notes
        if type(value) is Noted and value.notes is notes and self.slot != notes.g:
            notes.entries.append(("copy", self.slot, value.slot))
        else:
            notes.write("copy", self, (value,))

    def __getitem__(self, index: Any) -> Any:
        if index is Ellipsis or (type(index) is slice and index == ALL):
            return self
        return self.notes.refuse(f"{self.text}[{_shown(index)}]")

    def copy(self) -> Noted:
        """A new vector with the same elements."""
        return self.notes.add("copy", (self,))

    # What is not.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.notes.refuse(f"{self.text}.{name}")

    def __len__(self) -> int:
        return self.notes.refuse(f"len({self.text})")

    def __bool__(self) -> bool:
        return self.notes.refuse(f"the truth of {self.text}")

    def __float__(self) -> float:
        return self.notes.refuse(f"float({self.text})")

    def __int__(self) -> int:
        return self.notes.refuse(f"int({self.text})")

    def __index__(self) -> int:
        return self.notes.refuse(f"the use of {self.text} as an index")

    def __iter__(self) -> Any:
        return self.notes.refuse(f"going through the elements of {self.text}")

    def __contains__(self, value: Any) -> bool:
        return self.notes.refuse(f"the use of in with {self.text}")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.notes.refuse(f"making an array of {self.text}")

    def __matmul__(self, other: Any) -> Any:
        return self.notes.refuse(f"{self.text} @ {_shown(other)}")

    def __rmatmul__(self, other: Any) -> Any:
        return self.notes.refuse(f"{_shown(other)} @ {self.text}")

    __hash__ = object.__hash__


def _operator(name: str, method: str) -> None:
    """Give `Noted` a binary operator, which records the ufunc `name`.

    Most of the time of a run is spent here, so the two usual cases, another vector and a Python number, come first.
    """

    def forward(self: Noted, other: Any) -> Any:
        notes = self.notes
        if type(other) is Noted and other.notes is notes:
            notes.entries.append((name, NEW, self.slot, other.slot))
        elif type(other) is float or type(other) is int:
            notes.entries.append((name, NEW, self.slot, NUMBER))
            notes.numbers.append(other)
        else:
            return notes.add(name, (self, other)) if _operand(other) else NotImplemented
        try:
            return notes.results[len(notes.entries) - 1]
        except IndexError:
            return notes.result()

    def reflected(self: Noted, other: Any) -> Any:
        notes = self.notes
        if type(other) is float or type(other) is int:
            notes.entries.append((name, NEW, NUMBER, self.slot))
            notes.numbers.append(other)
        else:
            return notes.add(name, (other, self)) if _operand(other) else NotImplemented
        try:
            return notes.results[len(notes.entries) - 1]
        except IndexError:
            return notes.result()

    def in_place(self: Noted, other: Any) -> Any:
        notes = self.notes
        if type(other) is Noted and other.notes is notes and self.slot != notes.g:
            notes.entries.append((name, self.slot, self.slot, other.slot))
            return self
        return notes.write(name, self, (self, other))

    setattr(Noted, f"__{method}__", forward)
    if method not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Noted, f"__r{method}__", reflected)
        setattr(Noted, f"__i{method}__", in_place)


def _operand(value: Any) -> bool:
    """Not strings and the like, of which Python then says itself that they do not go with it."""
    return isinstance(value, (Noted, Number, numpy.generic, numpy.ndarray))


SYMBOLS = {}
for _name, _function, _symbol in (
    ("add", operator.add, "+"),
    ("subtract", operator.sub, "-"),
    ("multiply", operator.mul, "*"),
    ("divide", operator.truediv, "/"),
    ("floor_divide", operator.floordiv, "//"),
    ("remainder", operator.mod, "%"),
    ("power", operator.pow, "**"),
    ("less", operator.lt, "<"),
    ("less_equal", operator.le, "<="),
    ("greater", operator.gt, ">"),
    ("greater_equal", operator.ge, ">="),
    ("equal", operator.eq, "=="),
    ("not_equal", operator.ne, "!="),
    ("bitwise_and", operator.and_, "&"),
    ("bitwise_or", operator.or_, "|"),
    ("bitwise_xor", operator.xor, "^"),
):
    _operator(_name, _function.__name__.strip("_"))
    SYMBOLS[_name] = _symbol

POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}
"""What an array to the power of such a Python number is: ``**`` gives it to these functions instead of `power`."""


def _to_the_power(self: Noted, other: Any) -> Any:
    if (type(other) is int or type(other) is float) and other in POWERS:
        return self.notes.add(POWERS[other], (self,))
    return _general_power(self, other)


def _to_the_power_in_place(self: Noted, other: Any) -> Any:
    if (type(other) is int or type(other) is float) and other in POWERS:
        return self.notes.write(POWERS[other], self, (self,))
    return self.notes.write("power", self, (self, other))


_general_power = vars(Noted)["__pow__"]
setattr(Noted, "__pow__", _to_the_power)  # noqa: B010 (mypy does not know the operators that `_operator` has set)
setattr(Noted, "__ipow__", _to_the_power_in_place)  # noqa: B010
for _name, _ufunc in (("neg", "negative"), ("pos", "positive"), ("abs", "absolute"), ("invert", "invert")):
    setattr(Noted, f"__{_name}__", lambda self, _ufunc=_ufunc: self.notes.add(_ufunc, (self,)))

ELEMENTWISE = {numpy.where, numpy.clip, numpy.nan_to_num, numpy.zeros_like, numpy.ones_like, numpy.copy, numpy.real}
"""The functions of NumPy's that are no ufuncs and elementwise all the same."""

UFUNCS = {
    name: ufunc
    for name, ufunc in vars(numpy).items()
    if isinstance(ufunc, numpy.ufunc) and ufunc.nout == 1 and ufunc.signature is None
}
"""NumPy's elementwise functions with one result, by name."""
NAMES = {ufunc: ufunc.__name__ for ufunc in UFUNCS.values()}


def _shown(value: Any) -> str:
    return _short(value.text) if isinstance(value, Noted) else _number(value)


def _short(text: str) -> str:
    return text if len(text) <= 60 else "(...)"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def check(
    owner: str, rule: Callable[..., Any], vectors: Sequence[str], given: dict[str, Any], counts: bool, dtype: Any = None
) -> None:
    """Run `rule` on stand-ins, at several steps if it `counts` them.

    Args:
        owner: the class, for messages.
        rule: the bound method.
        vectors: what it is called with: theta, g if it takes one, and the state.
        given: its hyperparameters.
        counts: whether it wants t.
        dtype: of the vectors.

    Raises:
        NotElementwiseError: it is not elementwise, changes g, returns something, or changes no vector in place.
    """
    runs = []
    for t in NOTED_AT if counts else (1, 2):
        notes = Notes(owner, vectors, dtype)
        try:
            returned = rule(*notes.vectors, **({**given, "t": t} if counts else given))
        except NotElementwiseError:
            raise
        except Exception:  # an error of the rule's own: it comes when the rule is really run
            continue
        finally:
            notes.vectors, notes.results = [], []  # they refer to the notes
        if returned is not None:
            raise NotElementwiseError(
                f"{owner}.rule returns something: it must change theta in place, as theta -= ... or theta[:] = ..., "
                "and return nothing"
            )
        runs.append(notes.used())
    if not runs:
        return
    read = functools.reduce(operator.or_, (run[0] for run in runs))
    written = functools.reduce(operator.or_, (run[1] for run in runs))
    if not written and "g" in vectors:
        raise NotElementwiseError(
            f"{owner}.rule changes nothing: it must change theta in place, as theta -= lr * g does"
        )
    kept = [*vectors[2:], "theta"] if "g" in vectors else vectors[1:]  # a wrapper's rule need not change theta
    for name in kept:
        if name not in written and (name in read or name == "theta"):
            raise NotElementwiseError(
                f"{owner}.rule does not change {name}: {name} = ... only gives a new array that name, and the vector "
                f"stays as it was; write {name}[:] = ... (or {name} -= ... and the like)"
            )
