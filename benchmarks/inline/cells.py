"""Optimizer classes that are defined in a notebook's cells, as files that the commands and their processes take.

A class in a cell cannot be imported by another process. So its source is written to a file, with the imports, the
constants and the other functions and classes of the notebook that it uses. The results are kept by the content of this
file: the class trained again unchanged is taken from the journal.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from minigrad.optim import Optimizer

from .. import UsageError
from ..console import report
from ..training.optimizers import KNOWN

CONSTANTS = (bool, int, float, complex, str, bytes, type(None))


def spec_of(optimizer: Any, folder: str) -> str:
    """The name of an optimizer on the command line: a built-in name, or ``file.py:Class``.

    Args:
        optimizer: a class, or such a name.
        folder: of the results; a class from a cell is written to its folder cells.

    Raises:
        UsageError: it is neither, or the source of the class cannot be found.
    """
    if isinstance(optimizer, str):
        return optimizer
    if not (inspect.isclass(optimizer) and issubclass(optimizer, Optimizer)):
        shown = optimizer.__name__ if inspect.isclass(optimizer) else f"a {type(optimizer).__name__}"
        raise UsageError(f"an optimizer is a subclass of minigrad.optim.Optimizer, or a name, not {shown}")
    for name, entrant in KNOWN.items():
        make = entrant.make
        if (make.func if isinstance(make, partial) else make) is optimizer:
            return name
    name = optimizer.__name__
    file = _file(optimizer)
    if file is not None:
        return f"{file}:{name}"
    written = Path(folder) / "cells" / f"{name}.py"
    text = "\n\n\n".join(_parts(optimizer, {}).values()) + "\n"
    with report.beside(written) as part:
        part.write_text(text, encoding="utf-8")
    return f"{written}:{name}"


def _file(optimizer: type) -> Path | None:
    """The file of a class that stands by itself in one; None for a class in a cell."""
    function = _function(optimizer)
    if function is None:
        return None
    file = Path(function.__code__.co_filename)
    return (
        file.absolute() if file.suffix == ".py" and file.is_file() and optimizer.__qualname__.isidentifier() else None
    )


def _function(found: Any) -> Any:
    """A function, or one that a class defines."""
    if isinstance(found, types.FunctionType):
        return found
    functions = (inspect.unwrap(getattr(value, "__func__", value)) for value in vars(found).values())
    return next((value for value in functions if isinstance(value, types.FunctionType)), None)


def _parts(found: Any, parts: dict[str, str]) -> dict[str, str]:
    """The pieces of the file by name: what `found` uses first, and its own source last."""
    name = found.__name__
    source, tree = _source(found)
    parts.setdefault(name, "")  # one that uses itself is not written again
    needed = _function(found).__globals__
    for used in _names(tree):
        if used in parts or used not in needed or (hasattr(builtins, used) and needed[used] is getattr(builtins, used)):
            continue
        _write_use(name, used, needed[used], parts)
    del parts[name]
    parts[name] = source
    return parts


def _write_use(user: str, name: str, value: Any, parts: dict[str, str]) -> None:
    """Add to the parts what gives `name` its value."""
    if isinstance(value, types.ModuleType):
        parts[name] = f"import {value.__name__} as {name}"
        return
    home, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(value, CONSTANTS) or (isinstance(value, tuple) and all(isinstance(v, CONSTANTS) for v in value)):
        parts[name] = f"{name} = {value!r}"
    elif isinstance(value, numpy.ufunc):
        parts[name] = f"from numpy import {own} as {name}"
    elif home not in (None, "__main__", "builtins") and isinstance(own, str) and own.isidentifier():
        parts[name] = f"from {home} import {own} as {name}"
    elif isinstance(value, (type, types.FunctionType)) and own == name:
        _parts(value, parts)
    else:
        raise UsageError(
            f"{user} uses {name}, a {type(value).__name__} of this notebook, which other processes do not have: "
            "define it in the class, or pass it as a hyperparameter"
        )


def _source(found: Any) -> tuple[str, ast.AST]:
    """The source of a function or class, from its cell, and its tree.

    Raises:
        UsageError: it cannot be found.
    """
    name, function = found.__name__, _function(found)
    lines = linecache.getlines(function.__code__.co_filename) if function is not None else []
    for node in reversed(ast.parse("".join(lines)).body if lines else []):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno]).rstrip(), node
    raise UsageError(
        f"the source of {name} cannot be found: define it in a cell, or in a file, and give path.py:{name}"
    )


def _names(tree: ast.AST) -> Iterator[str]:
    """The names that the code reads."""
    seen = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in seen:
            seen.add(node.id)
            yield node.id
