"""A rule at one step: its source, line by line, with the number that each line has computed.

The rule is called as it stands in its file, with the vectors that it had at that step, and watched by Python's own
tracing. So the numbers beside a line are those that this line gave, for both coordinates.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy
from numpy import ndarray

from ..pictures.moves import Direct
from .mathematics import NotAFormulaError, code_as_formula

Numbers = tuple[float, ...]
"""One number, or those of x and of y."""


@dataclass(frozen=True)
class Line:
    """A line of a rule's source.

    Attributes:
        text: as it stands in the file, less the indentation of the method.
        name: what it assigns to, if it does.
        numbers: what it has computed; empty if it was not run, or computes nothing.
    """

    text: str
    name: str = ""
    numbers: Numbers = ()


@dataclass(frozen=True)
class Arithmetic:
    """A step of an optimizer.

    Attributes:
        before: theta, g and the state before the step, by name.
        given: hyperparameters and t, by name.
        lines: of the rules that were called, the inner optimizer's first, with a line "" between two.
        after: theta after the step.
    """

    before: Mapping[str, Numbers]
    given: Mapping[str, Any]
    lines: list[Line]
    after: Numbers


def arithmetic(
    optimizer: Any, theta: ndarray, g: ndarray, state: Mapping[str, ndarray], step: int
) -> Arithmetic | None:
    """Call the rules of `optimizer` as at `step` (from 1 on), and note what each line computes.

    Args:
        optimizer: of two numbers, with the hyperparameters of that step.
        theta, g: both (2,), before the step.
        state: all vectors before the step, by name, each (2,).
        step: its number.

    Returns:
        None for an optimizer whose step is not a call of its rule.
    """
    if not Direct.can(optimizer):
        return None
    direct = Direct(optimizer, numpy.array(theta, dtype=float))
    before = {"theta": _numbers(direct.theta), "g": _numbers(numpy.array(g))}
    watched: dict[CodeType, _Watch] = {}
    given: dict[str, Any] = {}
    part: Direct | None = direct
    while part is not None:
        part.t = step - 1
        for name, vector in part.own.items():
            vector[:] = state[name]
            before[name] = _numbers(vector)
        rule = type(part.optimizer).rule
        watched[rule.__code__] = _Watch(rule)
        given = {**part.given, **({"t": step} if part.counts else {}), **given}
        part = part.inner
    with numpy.errstate(all="ignore"):
        _traced(watched, lambda: direct.step((float(g[0]), float(g[1])), lambda x, y: (0.0, 0.0)))
    lines: list[Line] = []
    for watch in reversed(watched.values()):
        lines += [Line(""), *watch.lines()] if lines else watch.lines()
    return Arithmetic(before, given, lines, _numbers(direct.theta))


def _traced(watched: Mapping[CodeType, _Watch], work: Callable[[], Any]) -> None:
    """Call `work`, with the frames of the rules watched."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        watch = watched.get(frame.f_code)
        return watch.trace if watch is not None else None

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(earlier)


class _Source:
    """The source of a rule: its lines, less the indentation, its statements, and those at each line that assign."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        source, self.first = inspect.getsourcelines(rule)
        self.lines = textwrap.dedent("".join(source)).splitlines()
        (function,) = ast.parse("\n".join(self.lines)).body
        assert isinstance(function, ast.FunctionDef)
        self.body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        self.statements: dict[int, ast.stmt] = {}
        for node in ast.walk(ast.Module(self.body, [])):
            if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    self.statements[number] = node


_source = functools.lru_cache(64)(_Source)


class _Watch:
    """What is noted of one rule while it runs: of each statement, what it assigned."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.source = _source(rule)
        self.found: dict[int, list[Any]] = {}
        self.running: ast.stmt | None = None

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called by Python at each line, and at the end: what the statement before has assigned is seen now."""
        statement = self.source.statements.get(frame.f_lineno - self.source.first + 1) if event == "line" else None
        if self.running is not None and statement is not self.running and event in ("line", "return"):
            values = [frame.f_locals.get(name) for name in targets(self.running)]
            self.found.setdefault(self.running.lineno, []).append([numpy.copy(v) for v in values if v is not None])
        if event in ("line", "return"):
            self.running = statement
        return self.trace

    def lines(self) -> list[Line]:
        """The source, with the numbers behind the lines that have computed them."""
        made = []
        body = self.source.body
        last = body[-1].end_lineno or 0
        for number, text in enumerate(self.source.lines[body[0].lineno - 1 : last], body[0].lineno):
            statement = self.source.statements.get(number)
            text = text[4:] if text.startswith("    ") else text
            if statement is None or number != statement.lineno or number not in self.found:
                made.append(Line(text))
                continue
            names = targets(statement)
            # A rule that is called for x, and then for y, has noted each line twice.
            calls = self.found[number]
            if len(names) > 1:  # beta1, beta2 = betas: numbers of one kind for both coordinates
                made.append(Line(text, ", ".join(names), tuple(float(v) for v in calls[-1] if v.size == 1)))
            else:
                made.append(Line(text, names[0], tuple(float(n) for call in calls for v in call for n in v.flat)))
        return made


def targets(statement: ast.stmt) -> list[str]:
    """The names that a statement assigns to; of ``v[:] = ...`` that is v."""
    given = statement.targets if isinstance(statement, ast.Assign) else [statement.target]  # type: ignore[attr-defined]
    found: list[str] = []
    waiting: list[ast.expr] = list(given)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Tuple):
            waiting = [*node.elts, *waiting]
        elif isinstance(node, (ast.Subscript, ast.Starred)):
            waiting = [node.value, *waiting]
        elif isinstance(node, ast.Name):
            found.append(node.id)
    return found


def formula_of_code(optimizer: Any) -> str:
    """The rule of a learner's own optimizer as TeX, from its code; "" if it is not made of assignments alone."""
    try:
        return code_as_formula(_source(type(optimizer).rule).body)
    except NotAFormulaError:
        return ""


def _numbers(vector: ndarray) -> Numbers:
    return tuple(vector.astype(float).tolist())
