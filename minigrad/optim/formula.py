"""What the formula of an elementwise rule is: a list of operations, and which operations there are.

`stand_in` records a formula while the rule runs, `recorder` holds and checks it, `program` runs it.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy

NUMBER = -1
"""Stands for a Python number among the operands of an operation; its value is in `Recorder.numbers`."""

NEW = -1
"""Says that the result of an operation is a new vector; otherwise the number of the vector it is written into."""

Entry = tuple[Any, ...]
"""One operation: its name, where its result goes (`NEW`, or the number of a vector), and its operands.

An operand is the number of a vector, `NUMBER` for a Python number, or for a NumPy scalar the name of its dtype. The
vectors that the rule is given are numbered first, then the results of the operations, one for each entry.
"""

OPERATORS = (
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
)
"""Python's binary operators: the ufunc that each one calls, its function, and its symbol."""

SYMBOLS = {name: symbol for name, _, symbol in OPERATORS}

POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}
"""For ``**`` with one of these Python numbers NumPy calls this function instead of `power`."""

ELEMENTWISE = {numpy.where, numpy.clip, numpy.nan_to_num, numpy.zeros_like, numpy.ones_like, numpy.copy, numpy.real}
"""NumPy functions that are elementwise although they are not ufuncs."""

UFUNCS = {
    name: ufunc
    for name, ufunc in vars(numpy).items()
    if isinstance(ufunc, numpy.ufunc) and ufunc.nout == 1 and ufunc.signature is None
}
"""NumPy's elementwise functions with one result, by name."""

NAMES = {ufunc: ufunc.__name__ for ufunc in UFUNCS.values()}

OUT_OF_SCOPE = (
    "needs more than one element at a time, and a rule of scope 'element' is given its vectors in pieces: write in the "
    "class scope = 'parameter' (each parameter in its own shape) or scope = 'all' (one vector for all parameters)"
)
"""The end of the error message for anything that is not elementwise."""


class NotElementwiseError(TypeError):
    """A rule of scope "element" does something that is not elementwise, or changes nothing."""


def changes_g(owner: str) -> str:
    """The error message for a rule that writes to the gradient."""
    return f"{owner}.rule changes g, the gradient, which others may read: assign to a new name instead"


def short(text: str) -> str:
    """A part of an expression, for a message; "(...)" if it is long."""
    return text if len(text) <= 60 else "(...)"


def shown_number(value: Any) -> str:
    """A number of a formula, for a message."""
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
