"""Surfaces that are typed: ``x**2 + 10*y**2`` as a function of two tensors, by a small grammar and nothing else.

The text is parsed, never run. It may have numbers, x and y, pi and e, ``+ - * / **`` (or ``^``), parentheses, and the
functions in `FUNCTIONS`, such as ``sin(x)``.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

import minigrad
from minigrad.tensor import Tensor

from .. import UsageError

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": minigrad.sin,
    "cos": minigrad.cos,
    "tan": lambda a: minigrad.sin(a) / minigrad.cos(a),
    "exp": minigrad.exp,
    "log": minigrad.log,
    "sqrt": minigrad.sqrt,
    "tanh": minigrad.tanh,
    "abs": minigrad.abs,
}
OF_NUMBERS: dict[str, Callable[[Any], Any]] = {name: getattr(math, name, abs) for name in FUNCTIONS}
CONSTANTS = {"pi": math.pi, "e": math.e}
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
LONGEST, MOST = 200, 120
"""The most characters and the most parts that a formula can have."""

OFFERED = f"numbers, x, y, pi, e, + - * / ** ( ) and {', '.join(FUNCTIONS)}"


@dataclass(frozen=True)
class Formula:
    """A formula in x and y.

    Attributes:
        text: as it was typed.
        function: of two tensors.
        tex: as mathematics.
        steady: whether it does the same operations everywhere (``abs`` does not), so that it can be recorded once.
    """

    text: str
    function: Callable[[Tensor, Tensor], Tensor]
    tex: str
    steady: bool


def looks_like_one(text: str) -> bool:
    """Whether `text` is meant as a formula, rather than as a name or a path."""
    return ".py" not in text and (text.strip() in ("x", "y") or any(sign in text for sign in "+*/^() ") or "-" in text)


def formula(text: str) -> Formula:
    """Read a formula.

    Raises:
        UsageError: it is too long, has something that is not in the grammar, or depends on neither x nor y.
    """
    if len(text) > LONGEST:
        raise UsageError(f"the formula has {len(text)} characters; at most {LONGEST} are read")
    try:
        with warnings.catch_warnings(action="ignore"):  # of "1if x", for instance
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"the formula {text!r} cannot be read: write it as x**2 + 10*y**2, with {OFFERED}") from None
    parts = list(ast.walk(tree))
    if len(parts) > MOST:
        raise UsageError(f"the formula has {len(parts)} parts; at most {MOST} are read")
    _check(tree, text)
    if not any(isinstance(part, ast.Name) and part.id in ("x", "y") for part in parts):
        raise UsageError(f"the formula {text!r} has neither x nor y in it")

    def function(x: Tensor, y: Tensor) -> Tensor:
        value: Tensor = _value(tree, {"x": x, "y": y, **CONSTANTS})
        return value

    with numpy.errstate(all="ignore"):
        function(minigrad.tensor(0.5), minigrad.tensor(0.5))  # its constants can be computed
    steady = not any(isinstance(part, ast.Name) and part.id == "abs" for part in parts)
    return Formula(text.strip(), function, _tex(tree)[0], steady)


def _check(node: ast.AST, text: str) -> None:
    """Raise a UsageError unless everything in it is in the grammar."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            _check(left, text)
            _check(right, text)
        case ast.UnaryOp(ast.USub() | ast.UAdd(), operand):
            _check(operand, text)
        case ast.Call(ast.Name(name), [argument], []) if name in FUNCTIONS:
            _check(argument, text)
        case ast.Name("x" | "y" | "pi" | "e"):
            pass
        case ast.Constant(value) if type(value) in (int, float) and math.isfinite(_float(value)):
            pass
        case _:
            part = ast.get_source_segment(text.strip().replace("^", "**"), node) or text
            raise UsageError(f"the formula cannot have {part[:40]!r} in it: it can have {OFFERED}")


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _value(node: ast.AST, names: dict[str, Any]) -> Any:
    match node:
        case ast.BinOp(left, operator, right):
            operands = _value(left, names), _value(right, names)
            return _computed(OPERATORS[type(operator)], operands, node)
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand, names)
        case ast.UnaryOp(_, operand):
            return _value(operand, names)
        case ast.Call(ast.Name(name), [argument], []):
            given = _value(argument, names)
            return _computed(FUNCTIONS[name] if isinstance(given, Tensor) else OF_NUMBERS[name], (given,), node)
        case ast.Name(name):
            return names[name]
        case ast.Constant(value):
            return _float(value)
    raise AssertionError(node)


def _computed(function: Callable[..., Any], operands: tuple[Any, ...], node: ast.AST) -> Any:
    """The result; of numbers alone, it may not exist: 1 / 0, 9**9**9, (0 - 8)**(1 / 3), log(0)."""
    try:
        made = function(*operands)
    except (ArithmeticError, ValueError):
        made = math.nan
    if not isinstance(made, Tensor) and (isinstance(made, complex) or not math.isfinite(made)):
        raise UsageError(f"the formula has {ast.unparse(node)} in it, which is not a finite number")
    return made


# As mathematics.

SUM, PRODUCT, POWER, ATOM = range(4)
"""How strongly the parts of a piece of mathematics hold together."""


def _tex(node: ast.AST) -> tuple[str, int]:
    """The mathematics, and how strongly it holds together."""
    match node:
        case ast.BinOp(left, ast.Div(), right):
            return rf"\frac{{{_tex(left)[0]}}}{{{_tex(right)[0]}}}", PRODUCT
        case ast.BinOp(left, ast.Pow(), right):
            return f"{_inside(left, ATOM)}^{{{_tex(right)[0]}}}", POWER
        case ast.BinOp(left, ast.Mult(), right):
            dot = r" \cdot " if _tex(right)[0][0].isdigit() else r"\,"
            first = SUM if isinstance(left, ast.UnaryOp) else PRODUCT  # -a b needs no parentheses
            return f"{_inside(left, first)}{dot}{_inside(right, PRODUCT)}", PRODUCT
        case ast.BinOp(left, operator, right):
            sign = "+" if isinstance(operator, ast.Add) else "-"
            return f"{_inside(left, SUM)} {sign} {_inside(right, SUM if sign == '+' else PRODUCT)}", SUM
        case ast.UnaryOp(operator, operand):
            return ("-" if isinstance(operator, ast.USub) else "") + _inside(operand, PRODUCT), SUM
        case ast.Call(ast.Name("sqrt"), [argument], []):
            return rf"\sqrt{{{_tex(argument)[0]}}}", ATOM
        case ast.Call(ast.Name("abs"), [argument], []):
            return rf"\left|{_tex(argument)[0]}\right|", ATOM
        case ast.Call(ast.Name(name), [argument], []):
            return rf"\{name}\left({_tex(argument)[0]}\right)", POWER
        case ast.Name(name):
            return (r"\pi" if name == "pi" else name), ATOM
        case ast.Constant(value):
            return f"{_float(value):g}", ATOM
    raise AssertionError(node)


def _inside(node: ast.AST, needed: int) -> str:
    made, strength = _tex(node)
    return made if strength >= needed else rf"\left({made}\right)"
