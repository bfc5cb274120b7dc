"""What is timed of a library: training steps, an optimizer's update alone, single operations.

Each library is imported in a process of its own (`benchmarks.timing.bench`). It makes functions that do something `n`
times. All train the same network from the same weights on the same mini-batches, rows gathered from the whole training
set in memory, and return the loss of the last one, so that one can check that they did. Where a library offers several
ways, its better one is taken: rows by ``index_select`` in PyTorch, donated buffers and unchecked indices in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from .workload import Layer, Rule, Workload

Repeat = Callable[[int], float]
"""Does something `n` times (n >= 1). If it trains, it returns the loss of the n-th mini-batch, before its step."""


@dataclass(frozen=True)
class Way:
    """One way of using a library.

    Attributes:
        label: what tables and pictures call it.
        rules: the optimizers it has, by name; None for any that minigrad has.
        note: what it does that the label does not say.
        by_epoch: it can only be timed a whole epoch at a time.
        own_draws: it draws its own mini-batches, so its losses cannot be compared.
    """

    label: str
    rules: tuple[str, ...] | None
    note: str
    by_epoch: bool = False
    own_draws: bool = False


class Library:
    """A library. Making one imports it, and limits it to `threads` threads.

    Class attributes:
        name: what the command line calls it.
        needs: the modules it is made of.
        install: the command that installs them.
        ways: the ways of using it that are timed, "" for the plain one.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("numpy",)
    install: ClassVar[str] = "python -m pip install numpy"
    ways: ClassVar[Mapping[str, Way]]

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @classmethod
    def missing(cls) -> list[str]:
        """The modules it needs that are not installed."""
        return [name for name in cls.needs if find_spec(name) is None]

    @classmethod
    def prepare_process(cls) -> None:
        """Set what is set for a whole process; called in one that is this peer's alone."""

    def wake(self, work: Workload) -> None:
        """Come back after other processes have worked: read a number of every page of what is trained.

        Caches and page tables are theirs by now. Whoever then comes first to a page would pay for that, on some
        virtual machines more than for its steps.
        """
        work.images.ravel()[::1024].sum()

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
        """Training steps: mini-batch gathered, gradients cleared, forward, loss, backward, update."""
        raise NotImplementedError(f"{self.name} is not timed training")

    def update(self, way: str, rule: Rule, size: int) -> Repeat:
        """The update alone, of one vector of `size` float32 parameters with a gradient that stays."""
        raise NotImplementedError(f"{self.name} is not timed updating")

    def operations(self, way: str, name: str) -> Repeat:
        """A chain of operations on a 4x4 array, each on the result of the last; see `OPERATIONS` and `CHAINS`."""
        raise NotImplementedError(f"{self.name} is not timed on single operations")


ON_TENSORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": lambda y, c: y + c,
    "multiply": lambda y, c: y * c,
    "matmul": lambda y, c: y @ c,
    "relu": lambda y, c: y.relu(),
    "tanh": lambda y, c: y.tanh(),
    "sum": lambda y, c: y.sum(0, keepdim=True),
    "log_softmax": lambda y, c: y.log_softmax(1),
    "reshape": lambda y, c: y.reshape(4, 4),
    "index": lambda y, c: y[0:4],
}
"""Operations that can be chained on a 4x4 tensor, `c` being the identity; PyTorch and minigrad spell them alike."""


ON_ARRAYS: Mapping[str, Callable[[Any, Any], Any]] = {
    **ON_TENSORS,
    "relu": lambda y, c: np.maximum(y, 0),
    "tanh": lambda y, c: np.tanh(y),
    "sum": lambda y, c: y.sum(0, keepdims=True),
    "log_softmax": lambda y, c: y - np.log(np.exp(y).sum(1, keepdims=True)),
}
"""The same in NumPy."""


LINKS = 100
"""How many operations there are in a chain: `Library.operations` are done a multiple of so many times."""


CHAINS = ("", "unrecorded", "backward")
"""Chains are timed as they are (recorded), under no_grad, and together with the way back."""


def chain(library: Any, start: Any, other: Any, way: str, name: str) -> Repeat:
    """Chains of operations, `LINKS` long, in a library with PyTorch's names."""
    operation = ON_TENSORS[name]

    def run(n: int) -> float:
        for _ in range(n // LINKS):
            y = start
            for _ in range(LINKS):
                y = operation(y, other)
            if way == "backward":
                start.grad = None
                y.sum().backward()
        return 0.0

    return library.no_grad()(run) if way == "unrecorded" else run


def alternate(layers: Sequence[Layer], linear: Callable[[int, int], Any], relu: Callable[[], Any]) -> list[Any]:
    """Modules for these layers, with a ReLU between two."""
    modules = [module for weight, _ in layers for module in (linear(weight.shape[1], weight.shape[0]), relu())]
    return modules[:-1]


def rate_of(rule: Rule) -> dict[str, Any]:
    """The learning rate, for a built-in optimizer: it may not be the usual one. A user's optimizer has its own."""
    return {} if ":" in rule.spec else {"lr": rule.settings["lr"]}


def constant_gradient(size: int) -> np.ndarray:
    """A gradient of `size` numbers, none of them 0: a thousand draws again and again."""
    draws = np.random.RandomState(0).standard_normal(1000).astype(np.float32)
    return np.resize(draws, size)
