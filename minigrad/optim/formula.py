"""An elementwise rule, noted: run once on stand-ins for its vectors that record what is asked of them.

A rule whose `scope` is "element" may be given its vectors in pieces, so each number must be computed from the numbers
at the same place alone. That is checked here: arithmetic, comparisons, NumPy's elementwise functions and changes in
place are recorded, and whatever else a rule tries raises a TypeError at that place, which says what to write instead.
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
"""The steps t at which a rule is noted: it may do something else at the first ones."""


def changes_g(owner: str) -> str:
    """The sentence about a rule that writes to the gradient."""
    return f"{owner}.rule changes g, the gradient, which others may look at: compute with a new name instead"


class NotElementwiseError(TypeError):
    """What a rule does that is not elementwise, or changes nothing, in a sentence."""


class Noted:
    """Stands in for a vector, or for what was computed from vectors, inside a rule.

    Attributes:
        text: the expression it holds now, as one would write it.
        inputs: the names of the vectors of which it is computed.
    """

    def __init__(self, rule: Rule, text: str, name: str | None = None) -> None:
        self._rule = rule
        self._text = text
        self._name = name  # of a vector that the rule was given

    # What is elementwise.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        name = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        if method != "__call__" or ufunc.signature is not None or options.keys() - {"dtype", "casting", "order"}:
            self._refuse(f"{name}({self._text})")
        result = self._result(name, inputs)
        if ufunc.nout > 1:
            return (result,) * ufunc.nout
        if out:
            return self._rule.write(out[0], result)
        return result

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        name = f"numpy.{function.__name__}"
        if function.__module__ not in ("numpy", None):
            name = f"{function.__module__}.{function.__name__}"
        if function not in ELEMENTWISE or kwargs.keys() - {"out"}:
            self._refuse(f"{name}({', '.join(map(_shown, args))})")
        result = self._result(name, args)
        return self._rule.write(kwargs["out"], result) if kwargs.get("out") is not None else result

    def _result(self, name: str, inputs: Sequence[Any]) -> Noted:
        for value in inputs:
            if isinstance(value, Noted):
                self._rule.read.add(value._name)
            elif not isinstance(value, (Number, numpy.generic)) and not (
                isinstance(value, numpy.ndarray) and value.ndim == 0
            ):
                kind = f"an array of shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
                raise NotElementwiseError(
                    f"{self._rule.owner}.rule: {name} of {self._text} and {kind}, which is none of the rule's vectors "
                    "(and has not their length where they come in pieces): keep it in `state`"
                )
        symbol = SYMBOLS.get(name)
        if symbol and len(inputs) == 2:
            return Noted(self._rule, f"({_shown(inputs[0])} {symbol} {_shown(inputs[1])})")
        return Noted(self._rule, f"{name.removeprefix('numpy.')}({', '.join(map(_shown, inputs))})")

    def __setitem__(self, index: Any, value: Any) -> None:
        if not (index is Ellipsis or (isinstance(index, slice) and index == slice(None))):
            self._refuse(f"{self._text}[{index}]")
        self._rule.write(self, value if isinstance(value, Noted) else self._result("numpy.positive", [value]))

    def copy(self) -> Noted:
        """A new vector with the same elements."""
        return self._result("numpy.positive", [self])

    # What is not.

    def _refuse(self, expression: str) -> Any:
        raise NotElementwiseError(f"{self._rule.owner}.rule: {expression} {ELSEWHERE}")

    def __getitem__(self, index: Any) -> Any:
        if index is Ellipsis or (isinstance(index, slice) and index == slice(None)):
            return self
        return self._refuse(f"{self._text}[{index}]")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse(f"{self._text}.{name}")

    def __len__(self) -> int:
        return self._refuse(f"len({self._text})")

    def __bool__(self) -> bool:
        return self._refuse(f"the truth of {self._text}")

    def __float__(self) -> float:
        return self._refuse(f"float({self._text})")

    def __int__(self) -> int:
        return self._refuse(f"int({self._text})")

    def __index__(self) -> int:
        return self._refuse(f"the use of {self._text} as an index")

    def __iter__(self) -> Any:
        return self._refuse(f"going through the elements of {self._text}")

    def __contains__(self, value: Any) -> bool:
        return self._refuse(f"the use of in with {self._text}")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self._refuse(f"making an array of {self._text}")

    def __matmul__(self, other: Any) -> Any:
        return self._refuse(f"{self._text} @ {_shown(other)}")

    def __rmatmul__(self, other: Any) -> Any:
        return self._refuse(f"{_shown(other)} @ {self._text}")

    __hash__ = object.__hash__


class Rule:
    """One run of a rule on stand-ins: which vectors it read, which it changed, what it returned."""

    def __init__(self, owner: str, vectors: Sequence[str]) -> None:
        self.owner = owner
        self.vectors = [Noted(self, name, name) for name in vectors]
        self.read: set[str | None] = set()
        self.written: set[str] = set()

    def write(self, target: Any, value: Noted) -> Noted:
        """Let `target`, a vector or what was computed before, hold `value`."""
        if not isinstance(target, Noted):
            raise NotElementwiseError(f"{self.owner}.rule writes into an array that is none of its vectors")
        if target._name == "g":
            raise NotElementwiseError(changes_g(self.owner))
        if target._name is not None:
            self.written.add(target._name)
        else:
            target._text = value._text
        return target


def _operator(name: str, function: Callable[..., Any]) -> None:
    def forward(self: Noted, other: Any) -> Any:
        return self._result(f"numpy.{name}", [self, other]) if _operand(other) else NotImplemented

    def reflected(self: Noted, other: Any) -> Any:
        return self._result(f"numpy.{name}", [other, self]) if _operand(other) else NotImplemented

    def in_place(self: Noted, other: Any) -> Any:
        return self._rule.write(self, self._result(f"numpy.{name}", [self, other]))

    plain = function.__name__.strip("_")
    setattr(Noted, f"__{plain}__", forward)
    if plain not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Noted, f"__r{plain}__", reflected)
        setattr(Noted, f"__i{plain}__", in_place)


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
    _operator(_name, _function)
    SYMBOLS[f"numpy.{_name}"] = _symbol
for _name, _ufunc in (("neg", "negative"), ("pos", "positive"), ("abs", "absolute"), ("invert", "invert")):
    setattr(Noted, f"__{_name}__", lambda self, _ufunc=_ufunc: self._result(f"numpy.{_ufunc}", [self]))

ELEMENTWISE = {numpy.where, numpy.clip, numpy.nan_to_num, numpy.zeros_like, numpy.ones_like, numpy.copy, numpy.real}


def _shown(value: Any) -> str:
    if isinstance(value, Noted):
        return value._text if len(value._text) <= 60 else "(...)"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def check(owner: str, rule: Callable[..., Any], vectors: Sequence[str], given: dict[str, Any], counts: bool) -> None:
    """Run `rule` on stand-ins, at several steps if it `counts` them.

    Args:
        owner: the class, for messages.
        rule: the bound method.
        vectors: what it is called with: theta, g if it takes one, and the state.
        given: its hyperparameters.
        counts: whether it wants t.

    Raises:
        NotElementwiseError: it is not elementwise, changes g, returns something, or changes no vector in place.
    """
    runs = []
    for t in NOTED_AT if counts else (1,):
        noted = Rule(owner, vectors)
        try:
            returned = rule(*noted.vectors, **({**given, "t": t} if counts else given))
        except NotElementwiseError:
            raise
        except Exception:  # an error of the rule's own: it comes when the rule is really run
            continue
        if returned is not None:
            raise NotElementwiseError(
                f"{owner}.rule returns something: it must change theta in place, as theta -= ... or theta[:] = ..., "
                "and return nothing"
            )
        runs.append(noted)
        noted.vectors.clear()  # they refer to each other
    if not runs:
        return
    read = functools.reduce(operator.or_, (run.read for run in runs))
    written = functools.reduce(operator.or_, (run.written for run in runs))
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
