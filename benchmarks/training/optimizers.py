"""Who takes part: the built-in optimizers with their usual learning rates, and a user's own, ``path/to/mine.py:Mine``.

The notebook, whose rates these are, is the course notebook "6. Optimizers", whose MNIST comparison this project
reproduces.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy

import minigrad
from minigrad import optim
from minigrad.optim import Optimizer
from minigrad.tensor import Tensor

from .. import UsageError
from ..console.style import GUESTS, LOOKS, Dash
from . import network
from .cell14 import Cell14
from .user_code import digest, errors_of, file_and_name, in_a_process, is_own, load_file, printable


@dataclass(frozen=True)
class Entrant:
    """An optimizer that takes part in a benchmark.

    Attributes:
        name: what the command line and the result files call it.
        label: what tables and pictures call it.
        make: ``make(params)`` is the optimizer at its usual rate; ``make(params, lr=0.3)`` at another.
        color, dash: its line in every picture.
        spec: what `entrant` makes it from. Send this to another process, not the entrant: a user's class
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
        """Its hyperparameters if nothing else is asked for."""
        return usual(self.spec)


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

KNOWN = ENTRANTS | BEYOND | REPLAYS


def named(specs: Iterable[str], notebook: Iterable[str] = ENTRANTS) -> list[str]:
    """The names that `specs` stand for: "notebook" for those of the `notebook`, "all" for these and all others."""
    sets = {"notebook": list(notebook), "all": list(dict.fromkeys([*notebook, *ENTRANTS, *BEYOND]))}
    return [name for spec in specs for name in sets.get(spec, [spec])]


def entrants(specs: Iterable[str]) -> list[Entrant]:
    """The entrants that `specs` name, each of a user's own with a colour and dash of its own; see `entrant`.

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
    """The built-in optimizer of that name, or the class in a user's file, ``path/to/mine.py:Mine``, tried out.

    Raises:
        UsageError: there is no such optimizer, file or class; the file raises when it is run; the class is not
            an `Optimizer`, or cannot be made from parameters alone.
    """
    one = unchecked(spec)
    if is_own(one.spec):
        usual(one.spec)
    return one


def unchecked(spec: str) -> Entrant:
    """As `entrant`, but a user's file is not run before the first optimizer is made.

    Raises:
        UsageError: there is no such optimizer, and `spec` is not of the form ``path/to/mine.py:Mine``.
    """
    if spec in KNOWN:
        return KNOWN[spec]
    file, name = file_and_name(spec, KNOWN, "optimizer", "class", "Mine")
    return Entrant(name, name, Own(file, name), *GUESTS[0], spec=f"{file}:{name}")


@dataclass(frozen=True)
class Own:
    """Makes a user's optimizer. The file is run once for each of these, so a training starts with a fresh module."""

    file: Path
    name: str

    def __call__(self, params: Iterable[Any], **hyperparameters: Any) -> Optimizer:
        """Make one."""
        return self._class(params, **hyperparameters)

    @cached_property
    def _class(self) -> type[Optimizer]:
        return _optimizer_class(load_file(self.file), self.file, self.name)


def entrant_name(spec: str) -> str:
    """The name of the entrant that `spec` makes, without making it."""
    return spec.rpartition(":")[2]


# What an optimizer is that is made from parameters alone.


@dataclass(frozen=True)
class Usual:
    """An optimizer made from parameters alone: its repr, its learning rate, and its numeric hyperparameters."""

    text: str
    lr: float
    settings: dict[str, Any]


def usual(spec: str) -> Usual:
    """The hyperparameters of the optimizer of that name, or in that file of a user's, made from parameters alone.

    This is found out once for each optimizer. A user's file is run in a process of its own (unless this one is
    such a process), since it may do anything, and again only if its content has changed.

    Raises:
        UsageError: as `entrant`.
    """
    if spec in KNOWN:
        return _usual_of_known(spec)
    file, name = file_and_name(spec, KNOWN, "optimizer", "class", "Mine")
    return _usual_of_own(file, name, digest(file))


@lru_cache
def _usual_of_known(name: str) -> Usual:
    return _usual(KNOWN[name].make)


@lru_cache
def _usual_of_own(file: Path, name: str, content: str) -> Usual:
    found = in_a_process(_tried, (file, name), file)
    if isinstance(found, str):
        raise UsageError(found)
    return found


def _tried(named: tuple[Path, str]) -> Usual | str:
    """What a user's optimizer is, or what is wrong with it."""
    file, name = named
    try:
        rule = _optimizer_class(load_file(file), file, name)
        with errors_of(file, f"{file}: {name}, tried on a tiny model, raises"):
            return _usual(rule)
    except UsageError as error:
        text = str(error)
        return text if str(file) in text else f"{file}: {text}"


def _usual(make: Callable[..., Optimizer]) -> Usual:
    made = rehearsed(make)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(made))  # an address in memory is no property of the optimizer
    settings = {name: value for name, value in made.param_groups[0].items() if name != "params" and _is_number(value)}
    return Usual(printable(text), float(made.lr), settings)


def rehearsed(make: Callable[..., Optimizer]) -> Optimizer:
    """An optimizer that was tried on a tiny model: it steps, moves its parameters, and resumes from its own state.

    Raises:
        UsageError: it does not; and whatever the optimizer raises.
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
        # The other one takes over the parameters and the state, and must then do the same steps.
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


def _optimizer_class(module: ModuleType, file: Path, name: str) -> type[Optimizer]:
    """The class `name` in `module`, which must be an optimizer."""
    with errors_of(file):
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
