"""Who runs: the built-in optimizers with the notebook's rates, and a learner's own, by ``path/to/file.py:Class``."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import math
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy

import minigrad
from minigrad import optim
from minigrad.optim import Optimizer
from minigrad.tensor import Tensor

from .. import UsageError
from ..console.style import GUESTS, LOOKS, Dash
from . import network, pool
from .cell14 import Cell14

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

    @property
    def usual(self) -> Usual:
        """What it is if nothing else is asked for."""
        return usual(self.spec)


@dataclass(frozen=True)
class Usual:
    """An optimizer made from parameters alone: what it prints as, its rate, and those settings that are numbers."""

    text: str
    lr: float
    settings: dict[str, Any]


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


def _muon(params: Iterable[Any], lr: float = 0.02) -> Optimizer:
    """Matrices by Muon, the rest by AdamW, at one rate."""
    params = list(params)
    matrices = [p for p in params if p.ndim == 2]
    rest = [p for p in params if p.ndim != 2]
    both = ([optim.Muon(matrices, lr=lr)] if matrices else []) + ([optim.AdamW(rest, lr=lr)] if rest else [])
    return optim.Combined(*both)


def _sam(params: Iterable[Any], lr: float = 0.1, rho: float = 0.05) -> Optimizer:
    return optim.SAM(optim.SGD(params, lr=lr), rho=rho)


def _ema(params: Iterable[Any], lr: float = 0.001, decay: float = 0.999) -> Optimizer:
    return optim.EMA(optim.Adam(params, lr=lr), decay=decay)


BEYOND = {
    entrant.name: entrant
    for entrant in (
        _built_in("amsgrad", "AMSGrad", partial(optim.AMSGrad, lr=0.001)),
        _built_in("nadam", "NAdam", partial(optim.NAdam, lr=0.002)),
        _built_in("lion", "Lion", partial(optim.Lion, lr=0.0001)),
        _built_in("lamb", "LAMB", partial(optim.LAMB, lr=0.001)),
        _built_in("muon", "Muon and AdamW", _muon),
        _built_in("sam", "SAM(SGD)", _sam),
        _built_in("ema", "EMA(Adam)", _ema),
        _built_in("schedulefree", "schedule-free AdamW", partial(optim.ScheduleFreeAdamW, lr=0.0025)),
    )
}
"""The built-in optimizers that the notebook has not, with their papers' or packages' usual rates."""

REPLAYS = {
    entrant.name: entrant
    for entrant in (
        _built_in("mini-batch", "SGD, mini-batches", partial(optim.SGD, lr=0.1)),
        _built_in("cell14", "cell 14's AdamW", partial(Cell14, lr=0.01)),
    )
}
"""What the notebook runs besides: SGD a second time (its cell 18), and what its cell 14 calls RAdam. Not in
`ENTRANTS`, since they only mean something beside the notebook's figures."""


def named(specs: Iterable[str], notebook: Iterable[str] = ENTRANTS) -> list[str]:
    """The names that `specs` stand for: "notebook" for those of the `notebook`, "all" for these and all others."""
    sets = {"notebook": list(notebook), "all": list(dict.fromkeys([*notebook, *ENTRANTS, *BEYOND]))}
    return [name for spec in specs for name in sets.get(spec, [spec])]


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
    known = ENTRANTS | BEYOND | REPLAYS
    if spec in known:
        return known[spec]
    file, name = file_and_name(spec, known, "optimizer", "class", "Mine")
    usual(f"{file}:{name}")
    return Entrant(name, name, Own(file, name), *GUESTS[0], spec=f"{file}:{name}")


@dataclass(frozen=True)
class Own:
    """Makes a learner's optimizer, in whose file one looks only when the first is made."""

    file: Path
    name: str

    def __call__(self, params: Iterable[Any], **hyperparameters: Any) -> Optimizer:
        """Make one."""
        return self._rule(params, **hyperparameters)

    @cached_property
    def _rule(self) -> type[Optimizer]:
        return _optimizer_class(load_file(self.file), self.file, self.name)


def usual(spec: str) -> Usual:
    """What the optimizer of that name, or in that file of a learner's, is if nothing else is asked for.

    A learner's file is run in a process of its own (if this one is not such a process), since it may do anything.

    Raises:
        UsageError: as `entrant`.
    """
    known = ENTRANTS | BEYOND | REPLAYS
    if spec in known:
        return _usual(known[spec].make)
    file, name = file_and_name(spec, known, "optimizer", "class", "Mine")
    return _own(file, name, digest(file))


@lru_cache
def _own(file: Path, name: str, content: str) -> Usual:
    """As `usual`; the file is run again only if its content has changed."""
    found = alone(_usual_of_own, (file, name), file)
    if isinstance(found, str):
        raise UsageError(found)
    return found


def _usual_of_own(named: tuple[Path, str]) -> Usual | str:
    """As `_own`, or what is wrong with it."""
    file, name = named
    try:
        rule = _optimizer_class(load_file(file), file, name)
        with blamed(file, f"{file}: {name}, tried on a tiny model, raises"):
            return _usual(rule)
    except UsageError as error:
        text = str(error)
        return text if str(file) in text else f"{file}: {text}"


def _usual(make: Callable[..., Optimizer]) -> Usual:
    made = rehearsed(make)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(made))  # where something lies is no part of what it is
    settings = {name: value for name, value in made.param_groups[0].items() if name != "params" and _is_number(value)}
    return Usual(plain(text), float(made.lr), settings)


def rehearsed(make: Callable[..., Optimizer]) -> Optimizer:
    """An optimizer that was tried on a tiny model: it steps, moves its parameters, and goes on from its own state.

    Raises:
        UsageError: it does not; and what the optimizer raises.
    """

    def tiny() -> list[Tensor]:
        weight, bias = numpy.linspace(-1, 1, 6).reshape(2, 3), numpy.array([0.25, -0.5])
        return [minigrad.tensor(part, dtype="float32", requires_grad=True) for part in (weight, bias)]

    def trained(params: list[Tensor], made: Optimizer, steps: int) -> list[bytes]:
        images = minigrad.tensor([[0.5, -1.0, 2.0], [1.5, 0.5, -0.5]])
        for _ in range(steps):
            network.step(made, lambda: ((images @ params[0].T + params[1]) ** 2).mean())
        return [p.numpy().tobytes() for p in params]

    params, others = tiny(), tiny()
    before = [p.numpy().tobytes() for p in params]
    made, again = make(params), make(others)
    with numpy.errstate(all="ignore"):
        if trained(params, made, 3) == before:
            raise UsageError(f"{type(made).__name__} does not move its parameters: in three steps nothing has changed")
        with network.testing(made):
            repr(made)
        for p, other in zip(params, others, strict=True):
            other.data = p.numpy().copy()
        again.load_state_dict(made.state_dict())
        if trained(others, again, 2) != trained(params, made, 2):
            raise UsageError(
                f"{type(made).__name__} does not go on from its own state_dict(): "
                "what it keeps outside of `state` is lost"
            )
    return make(tiny())


def _is_number(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_number, value))
    return type(value) in (int, bool) or (type(value) is float and math.isfinite(value))


def alone(work: Callable[[Any], Any], task: Any, file: Path) -> Any:
    """``work(task)``, which runs a learner's `file`, in a process of its own, if this one is not such a process.

    Raises:
        UsageError: the process did not survive it.
    """
    ((_, found),) = pool.outcomes(work, [task], 1, apart=True)
    if isinstance(found, pool.Died):
        raise UsageError(f"{file}: {found.at(str(file))}")
    return found


def digest(file: Path) -> str:
    """The SHA-256 of a learner's file.

    Raises:
        UsageError: it is not there, or cannot be read.
    """
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


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
        if not name.isidentifier():
            raise UsageError(f"{spec}: {name!r} is no name of a {what}; say which, as {path}:{example}")
        return Path(path).expanduser().absolute(), name
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which {what}, as {spec}:{example}")
    names = list(known)
    near = difflib.get_close_matches(spec.lower(), names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"there is no {kind} {spec!r}{hint}: there are {', '.join(names)}, or path/to/mine.py:{example}")


def load_file(file: Path) -> ModuleType:
    """Run a learner's file as a module. It may import what lies beside it, as a script may.

    Raises:
        UsageError: there is no such file, or it raises.
    """
    digest(file)
    described = importlib.util.spec_from_file_location(f"_learners_{file.stem}", file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    with blamed(file, f"{file} raises"), _on_path(file.parent):
        described.loader.exec_module(module)
    return module


@contextmanager
def blamed(file: str | Path, raises: str = "") -> Iterator[None]:
    """Whatever is raised in here, the code in a learner's `file` (or the file of a `spec`) is blamed for.

    That may be any exception at all. Ctrl-C is no fault of theirs; but a worker process does not hear it, so there a
    KeyboardInterrupt is of their own making.

    Raises:
        UsageError: something was raised. It begins with `raises`, or says that `file` does.
    """
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not pool.in_worker():
            raise
        raise UsageError(f"{raises or f'{file} raises'} {explain(error, file)}") from None


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


LONGEST = 300
"""Characters of a message that are shown."""


def explain(error: BaseException, file: str | Path) -> str:
    """An error in a sentence: its type, its message, and the last line of `file` that was being run, if any was.

    `file` is a learner's, or the `spec` of an entrant.
    """
    path = path_of(file)
    kind = type.__getattribute__(type(error), "__name__")
    message = _message(error)
    if isinstance(error, SyntaxError):
        elsewhere = "" if error.filename in (None, path) else f"{error.filename}, "
        where = f" ({elsewhere}line {error.lineno})" if error.lineno is not None else ""
    else:
        last = _last_line(error, path)
        where = f" (line {last})" if last is not None else ""
    return plain(f"{kind}: {message}{where}" if message else f"{kind}{where}")


def entrant_name(spec: str) -> str:
    """The name of the entrant that `spec` makes, without making it."""
    return spec.rpartition(":")[2]


def path_of(spec: str | Path) -> str:
    """The file in the `spec` of a learner's optimizer or surface."""
    return str(spec).partition(".py:")[0].removesuffix(".py") + ".py"


def _message(error: BaseException) -> str:
    """The error's message in a line; errors may have a `str` that raises."""
    try:
        message = str(error.msg if isinstance(error, SyntaxError) and error.msg else error)
    except BaseException as other:
        return f"(its message cannot be shown: {type.__getattribute__(type(other), '__name__')})"
    message = " ".join(plain(message).split())
    return message if len(message) <= LONGEST else message[:LONGEST] + "..."


def plain(text: str) -> str:
    """`text` without what cannot be printed: terminal controls, halves of characters, ends of lines."""
    return "".join(c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in str.__str__(text))


def _last_line(error: BaseException, path: str) -> int | None:
    """The line of the file `path` that was being run last."""
    trace: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == path]
    return lines[-1] if lines else None


def _optimizer_class(module: ModuleType, file: Path, name: str) -> type[Optimizer]:
    """The class `name` in `module`: an optimizer, and one that can be made from parameters alone."""
    with blamed(file):
        rule = getattr(module, name, None)
        if rule is None:
            offered = _names_of_optimizers(module)
            raise UsageError(f"{file} has no class {name}: it has {', '.join(offered) or 'no optimizer at all'}")
        if not (inspect.isclass(rule) and issubclass(rule, Optimizer)):
            raise UsageError(f"{file}: {name} is not a subclass of minigrad.optim.Optimizer")
    return rule


def _names_of_optimizers(module: ModuleType) -> Sequence[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Optimizer) and value.__module__ == module.__name__
    ]
