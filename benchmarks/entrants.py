"""Who runs: the built-in optimizers with the notebook's rates, and a learner's own, by ``path/to/file.py:Class``."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import minigrad
from benchmarks import UsageError
from benchmarks.cell14 import Cell14
from benchmarks.style import GUESTS, LOOKS, Dash
from minigrad import optim
from minigrad.optim import Optimizer

__all__ = ["ENTRANTS", "REPLAYS", "Entrant", "UsageError", "entrant", "entrants", "explain"]


@dataclass(frozen=True)
class Entrant:
    """An optimizer that takes part in a benchmark.

    Attributes:
        name: what the command line and the result files call it.
        label: what tables and pictures call it.
        make: ``make(params)`` is the optimizer at its usual rate; ``make(params, lr=0.3)`` at another.
        color, dash: its line in every picture.
        spec: what `entrant` makes it from. Send this to another process, not the entrant: a learner's class
            cannot be unpickled there.
    """

    name: str
    label: str
    make: Callable[..., Optimizer]
    color: str
    dash: Dash
    spec: str


def _lookahead(params: Iterable[Any], lr: float = 0.01, **hyperparameters: Any) -> Optimizer:
    """The notebook's cell 15: Adam inside Lookahead."""
    return optim.Lookahead(optim.Adam(params, lr=lr, **hyperparameters), k=5, alpha=0.5)


def _built_in(name: str, label: str, make: Callable[..., Optimizer]) -> Entrant:
    return Entrant(name, label, make, *LOOKS[name], spec=name)


ENTRANTS = {
    entrant.name: entrant
    for entrant in (
        _built_in("sgd", "SGD", partial(optim.SGD, lr=0.1)),
        _built_in("momentum", "Momentum", partial(optim.Momentum, lr=0.1, momentum=0.9)),
        _built_in("nesterov", "Nesterov", partial(optim.Nesterov, lr=0.1, momentum=0.9)),
        _built_in("adagrad", "Adagrad", partial(optim.Adagrad, lr=0.01)),
        _built_in("rmsprop", "RMSprop", partial(optim.RMSprop, lr=0.01)),
        _built_in("adam", "Adam", partial(optim.Adam, lr=0.001)),
        _built_in("adamw", "AdamW", partial(optim.AdamW, lr=0.001)),
        _built_in("adadelta", "Adadelta", partial(optim.Adadelta, lr=1.0)),
        _built_in("adamax", "AdaMax", partial(optim.Adamax, lr=0.002)),
        _built_in("lookahead", "Lookahead(Adam)", _lookahead),
        _built_in("radam", "RAdam", partial(optim.RAdam, lr=0.01)),
        _built_in("ranger", "Ranger", partial(optim.Ranger, lr=0.01)),
    )
}
"""The built-in optimizers by name, with the notebook's rates (PyTorch's defaults where it gives none). RAdam and
Ranger, which it does not run, have the 0.01 of its cells 14 (headed RAdam) and 15; AdamW has PyTorch's 0.001."""

REPLAYS = {
    entrant.name: entrant
    for entrant in (
        _built_in("mini-batch", "SGD, mini-batches", partial(optim.SGD, lr=0.1)),
        _built_in("cell14", "cell 14's AdamW", partial(Cell14, lr=0.01)),
    )
}
"""What the notebook runs besides: SGD a second time (its cell 18), and what its cell 14 calls RAdam. Not in
`ENTRANTS`, since they only mean something beside the notebook's figures."""


def entrants(specs: Iterable[str]) -> list[Entrant]:
    """The entrants that `specs` name, a learner's own each with a look of its own; see `entrant`.

    Raises:
        UsageError: as `entrant`, or two of them have one name.
    """
    found: list[Entrant] = []
    looks = iter(GUESTS * 8)
    for spec in specs:
        one = entrant(spec)
        if any(other.name == one.name for other in found):
            raise UsageError(f"optimizer {one.name} is named twice")
        if one.spec not in LOOKS:
            look = next(looks)
            one = replace(one, color=look.color, dash=look.dash)
        found.append(one)
    return found


def entrant(spec: str) -> Entrant:
    """The built-in optimizer of that name, or the class in a learner's file: ``path/to/mine.py:Mine``.

    Raises:
        UsageError: there is no such optimizer, file or class; the file raises when it is run; the class is not
            an `Optimizer`, or cannot be made from parameters alone.
    """
    known = ENTRANTS | REPLAYS
    if spec in known:
        return known[spec]
    file, name = file_and_name(spec, known, "optimizer", "class", "Mine")
    rule = _optimizer_class(load_file(file), file, name)
    return Entrant(name, name, rule, *GUESTS[0], spec=f"{file}:{name}")


def file_and_name(spec: str, known: Iterable[str], kind: str, what: str, example: str) -> tuple[Path, str]:
    """The two halves of ``path/to/mine.py:Mine``, which is none of the `known` names.

    Args:
        spec: what was asked for.
        known: the names that there are.
        kind: what they are names of, for the message.
        what, example: what is wanted from the file, and how it may be called.

    Raises:
        UsageError: it is not of that form.
    """
    path, colon, name = spec.rpartition(":")
    if colon and path.endswith(".py"):
        return Path(path).expanduser().absolute(), name
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which {what}, as {spec}:{example}")
    names = list(known)
    near = difflib.get_close_matches(spec.lower(), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"there is no {kind} {spec!r}{hint}: there are {', '.join(names)}, or path/to/mine.py:{example}")


def load_file(file: Path) -> ModuleType:
    """Run a learner's file as a module. It may import what lies beside it, as a script may."""
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    described = importlib.util.spec_from_file_location(f"_learners_{file.stem}", file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    try:
        with _on_path(file.parent):
            described.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file} raises {explain(error, file)}") from error
    return module


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def explain(error: Exception, file: str | Path) -> str:
    """An error in a sentence: its type, its message, and the last line of `file` that was being run, if any was.

    `file` is a learner's, or the `spec` of an entrant.
    """
    path = str(file).partition(".py:")[0].removesuffix(".py") + ".py"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}" + (f" (line {lines[-1]})" if lines else "")


def _optimizer_class(module: ModuleType, file: Path, name: str) -> type[Optimizer]:
    """The class `name` in `module`: an optimizer, and one that can be made from parameters alone."""
    rule = getattr(module, name, None)
    if rule is None:
        offered = _names_of_optimizers(module)
        raise UsageError(f"{file} has no class {name}: it has {', '.join(offered) or 'no optimizer at all'}")
    if not (inspect.isclass(rule) and issubclass(rule, Optimizer)):
        raise UsageError(f"{file}: {name} is not a subclass of minigrad.optim.Optimizer")
    try:
        rule([minigrad.zeros(1, requires_grad=True)])
    except Exception as error:
        raise UsageError(f"{file}: {name}(params) raises {explain(error, file)}") from error
    return rule


def _names_of_optimizers(module: ModuleType) -> Sequence[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Optimizer) and value.__module__ == module.__name__
    ]
