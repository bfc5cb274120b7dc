"""The recorder of a rule's formula: what the rule computes when it is run on stand-ins for its vectors.

A stand-in (see `stand_in`) records each operation it takes part in and returns another stand-in. One run of a rule on
stand-ins gives two lists: the operations, in order, and the numbers in them (such as ``lr`` and ``1 - beta1**t``). The
operations are the same at nearly every step, and are translated once into something fast (see `program`); the numbers
are its arguments. A run costs a few microseconds, so it is repeated at every step. A rule may therefore branch with
``if`` at each step, and may compute its numbers in whatever way it likes.

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

from minigrad.optim.formula import (
    NEW,
    NUMBER,
    OUT_OF_SCOPE,
    SYMBOLS,
    Entry,
    NotElementwiseError,
    changes_g,
    short,
    shown_number,
)
from minigrad.optim.stand_in import StandIn

CHECKED_AT = (1, 2, 3, 10, 100, 1_000, 10_000)
"""The steps t at which a rule is checked: it may do something else at the first ones."""


class Recorder:
    """The operations and numbers of one run of a rule on its stand-ins.

    Args:
        owner: the name of the rule's class, for messages.
        names: the names of the vectors that the rule is given.
        dtype: the dtype of these vectors.
    """

    def __init__(self, owner: str, names: Sequence[str], dtype: Any = None) -> None:
        self.owner = owner
        self.names = tuple(names)
        self.g = self.names.index("g") if "g" in self.names else None  # the one that must not be changed
        self.dtype = dtype
        self.vectors = [StandIn(self, i) for i in range(len(names))]
        self.results: list[StandIn] = []  # the stand-in for the result of each entry; reused in the next run
        self.entries: list[Entry] = []
        self.numbers: list[Any] = []
        self.translatable = True  # whether the entries describe all that the rule does

    def begin(self) -> Sequence[StandIn]:
        """Start another run, and return the stand-ins for the vectors."""
        self.entries.clear()
        self.numbers.clear()
        self.translatable = True
        return self.vectors

    def result(self) -> StandIn:
        """The stand-in for the result of the last entry, created if there is none yet."""
        last = len(self.entries) - 1
        while len(self.results) <= last:
            self.results.append(StandIn(self, len(self.names) + len(self.results)))
        return self.results[last]

    def add(self, name: str, inputs: Sequence[Any], into: int = NEW) -> StandIn:
        """Record an operation with any operands.

        Raises:
            NotElementwiseError: an operand is an array that is not given to the rule, or a vector from another run.
        """
        # The usual case: one vector.
        if len(inputs) == 1 and type(inputs[0]) is StandIn and inputs[0].recorder is self:
            self.entries.append((name, into, inputs[0].slot))
            return self.result()
        operands: list[Any] = []
        numbers = []
        for value in inputs:
            if type(value) is StandIn and value.recorder is self:
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

    def write(self, name: str, target: Any, inputs: Sequence[Any]) -> StandIn:
        """Record an operation whose result is written into `target`."""
        if type(target) is not StandIn or target.recorder is not self:
            raise NotElementwiseError(f"{self.owner}.rule writes into an array that is not one of its vectors")
        if target.slot == self.g:
            raise NotElementwiseError(changes_g(self.owner))
        self.add(name, inputs, target.slot)
        return target

    def refuse_operand(self, name: str, inputs: Sequence[Any], value: Any) -> None:
        """Raise the error about an operand that is neither a number nor one of the rule's vectors."""
        if type(value) is StandIn:
            raise NotElementwiseError(
                f"{self.owner}.rule: numpy.{name} of a vector that was kept from another call of the rule: keep it in "
                "`state` instead"
            )
        ours = next((one.text for one in inputs if type(one) is StandIn and one.recorder is self), "something")
        kind = f"an array of shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise NotElementwiseError(
            f"{self.owner}.rule: numpy.{name} of {ours} and {kind}, which is not one of the rule's vectors (and has "
            "another length where these are given in pieces): keep it in `state`"
        )

    def refuse(self, expression: str) -> Any:
        """Raise the error about something that is not elementwise."""
        raise NotElementwiseError(f"{self.owner}.rule: {expression} {OUT_OF_SCOPE}")

    def texts(self) -> list[str]:
        """Each vector and each result as a Python expression."""
        texts = list(self.names)
        numbers = iter(self.numbers)
        for name, into, *operands in self.entries:
            shown = [shown_number(next(numbers)) if isinstance(o, str) or o < 0 else short(texts[o]) for o in operands]
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


def check(
    owner: str, rule: Callable[..., Any], vectors: Sequence[str], given: dict[str, Any], counts: bool, dtype: Any = None
) -> None:
    """Run `rule` on stand-ins and check it, at several steps t if it `counts` them.

    Args:
        owner: the name of the class, for messages.
        rule: the bound method.
        vectors: the names of its vectors: theta, g if it has one, and the state.
        given: its hyperparameters.
        counts: whether it has the argument t.
        dtype: the dtype of the vectors.

    Raises:
        NotElementwiseError: it is not elementwise, changes g, returns something, or changes no vector in place.
    """
    # Which vectors the rule reads and changes, at each of these steps.
    runs = []
    for t in CHECKED_AT if counts else (1, 2):
        recorder = Recorder(owner, vectors, dtype)
        try:
            returned = rule(*recorder.vectors, **({**given, "t": t} if counts else given))
        except NotElementwiseError:
            raise
        except Exception:  # an error of another kind in the rule will be raised again when the rule is applied
            continue
        finally:
            recorder.vectors, recorder.results = [], []  # ends the circular references
        if returned is not None:
            raise NotElementwiseError(
                f"{owner}.rule returns something: it must change theta in place, as theta -= ... or theta[:] = ..., "
                "and return nothing"
            )
        runs.append(recorder.used())
    if not runs:
        return
    # Each vector of the state that is read must also be changed, and theta must be changed in any case.
    read = functools.reduce(operator.or_, (run[0] for run in runs))
    written = functools.reduce(operator.or_, (run[1] for run in runs))
    if not written and "g" in vectors:
        raise NotElementwiseError(
            f"{owner}.rule changes nothing: it must change theta in place, as theta -= lr * g does"
        )
    kept = [*vectors[2:], "theta"] if "g" in vectors else vectors[1:]  # the rule of a wrapper need not change theta
    for name in kept:
        if name not in written and (name in read or name == "theta"):
            raise NotElementwiseError(
                f"{owner}.rule does not change {name}: {name} = ... only gives a new array that name, and the vector "
                f"stays as it was; write {name}[:] = ... (or {name} -= ... and the like)"
            )
