"""The steps of an optimizer whose parameters are two numbers, x and y.

`Direct` calls the rule itself, as it stands in its file, with vectors of two numbers. `Through` uses the optimizer,
with two tensors, as a training does. It takes several times as long, and does what a rule alone cannot: closures,
schedules, the checks of a learner's own rule. Both make the same steps, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy
from numpy import ndarray

import minigrad
from minigrad.optim import Optimizer
from minigrad.optim.wrapper import Wrapper
from minigrad.tensor import Tensor

Gradient = Callable[[float, float], tuple[float, float]]


class Moves(Protocol):
    """What makes the steps."""

    @property
    def point(self) -> tuple[float, float]:
        """(x, y)."""
        ...

    @property
    def state(self) -> Mapping[str, ndarray]:
        """The vectors of the state, by name, each of two numbers; they change with the next step."""
        ...

    def step(self, g: tuple[float, float], gradient: Gradient) -> None:
        """Make a step with the gradient `g`; `gradient` computes others, for an optimizer that needs more."""


def moves(optimizer: Optimizer, x: Tensor, y: Tensor, own: bool) -> Moves:
    """The fastest way to make the steps of `optimizer`, whose parameters are x and y; `own` if it is a learner's."""
    if not own and Direct.can(optimizer):
        return Direct(optimizer, numpy.array([x.item(), y.item()]))
    return Through(optimizer, x, y)


class Direct:
    """Calls the rule of `optimizer`, and that of one around it after it; `theta` is (x, y)."""

    @staticmethod
    def can(optimizer: Any) -> bool:
        """Whether the steps of `optimizer` are calls of its rule and nothing else."""
        if isinstance(optimizer, Wrapper):
            return type(optimizer).step is Wrapper.step and Direct.can(optimizer.base_optimizer)
        return type(optimizer).step is Optimizer.step and not callable(optimizer.param_groups[0]["lr"])

    def __init__(self, optimizer: Any, theta: ndarray) -> None:
        self.optimizer, self.theta, self.t = optimizer, theta, 0
        self.inner = Direct(optimizer.base_optimizer, theta) if isinstance(optimizer, Wrapper) else None
        values = optimizer._own if self.inner else optimizer.param_groups[0]
        self.given = {name: values[name] for name in optimizer._wants if name in values}
        self.counts = "t" in optimizer._wants
        self.decay = 0.0 if self.inner or "weight_decay" in self.given else values["weight_decay"]
        start = theta.copy if self.inner else lambda: numpy.zeros(2)
        self.own = {name: start() for name in optimizer.state}

    @property
    def point(self) -> tuple[float, float]:
        """(x, y)."""
        x, y = self.theta.tolist()
        return x, y

    @property
    def state(self) -> Mapping[str, ndarray]:
        """The vectors of the rules, the inner one's first."""
        return {**self.inner.state, **self.own} if self.inner else self.own

    def step(self, g: tuple[float, float], gradient: Gradient) -> None:
        """Call the rule, after that of the optimizer inside."""
        self.t += 1
        if self.counts:
            self.given["t"] = self.t
        if self.inner:
            self.inner.step(g, gradient)
            self.optimizer.rule(self.theta, *self.own.values(), **self.given)
            return
        slope = numpy.array(g)
        if self.decay:
            slope += self.decay * self.theta
        vectors = (self.theta, slope, *self.own.values())
        if self.optimizer.scope != "parameter":
            self.optimizer.rule(*vectors, **self.given)
            return
        for i in (0, 1):
            self.optimizer.rule(*(vector[i : i + 1].reshape(()) for vector in vectors), **self.given)


class Through:
    """Makes the steps with the optimizer itself."""

    def __init__(self, optimizer: Any, x: Tensor, y: Tensor) -> None:
        self.optimizer, self.x, self.y = optimizer, x, y

    @property
    def point(self) -> tuple[float, float]:
        """(x, y)."""
        return self.x.item(), self.y.item()

    @property
    def state(self) -> Mapping[str, ndarray]:
        """The vectors of its state."""
        return state_of(self.optimizer)

    def step(self, g: tuple[float, float], gradient: Gradient) -> None:
        """Give x and y their gradients, and make the optimizer's step."""

        def closure() -> None:
            self._set(*gradient(*self.point))

        if self.optimizer.needs_closure:
            self.optimizer.step(closure)
        else:
            self._set(*g)
            self.optimizer.step()

    def _set(self, dx: float, dy: float) -> None:
        for parameter, slope in ((self.x, dx), (self.y, dy)):
            parameter.grad = minigrad.tensor(numpy.float64(slope))


def state_of(optimizer: Any) -> dict[str, ndarray]:
    """The vectors of an optimizer's state, by name; those of a wrapper are theta before its first step."""
    vectors = dict(optimizer.state_vectors)
    if isinstance(optimizer, Wrapper) and optimizer.t == 0:
        vectors |= dict.fromkeys(optimizer.state, optimizer.theta)
    return vectors
