"""PyTorch's spelling of momentum: ``SGD(params, lr, momentum=0.9, nesterov=True)``.

In PyTorch momentum and Nesterov's method are options of SGD. Here they are algorithms and classes of their own. This
module makes `SGD` with these options return the right one, so that sgd.py is only about SGD.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from minigrad.optim.groups import Rate
from minigrad.optim.hyperparameters import unknown, without_options
from minigrad.optim.momentum import Momentum
from minigrad.optim.nesterov import Nesterov
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.sgd import SGD


def _new(
    cls: type[SGD],
    params: Any = None,
    lr: Rate = 1e-3,
    momentum: float = 0.0,
    *,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    **options: Any,
) -> Any:
    """An SGD, a Momentum or a Nesterov.

    Raises:
        ValueError: ``nesterov=True`` without a momentum.
    """
    if nesterov and not momentum:
        raise ValueError("SGD: nesterov=True needs a momentum above 0")
    if not momentum:
        return object.__new__(cls)
    return (Nesterov if nesterov else Momentum)(params, lr, momentum, weight_decay=weight_decay, **options)


def _init(
    self: SGD,
    params: Iterable[Any],
    lr: Rate = 1e-3,
    momentum: float = 0.0,
    *,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    **options: Any,
) -> None:
    for name in without_options("SGD", options, ()):
        raise TypeError(unknown("SGD", name, ("lr", "momentum", "nesterov", "weight_decay")))
    Optimizer.__init__(self, params, lr=lr, weight_decay=weight_decay)


def understand() -> None:
    """Make `SGD` accept PyTorch's options. A subclass of SGD with its own constructor is not affected."""
    SGD.__new__ = _new  # type: ignore[method-assign, assignment]
    SGD.__init__ = _init  # type: ignore[method-assign, assignment]
    own = list(inspect.signature(_init).parameters.values())[1:-1]
    SGD.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
