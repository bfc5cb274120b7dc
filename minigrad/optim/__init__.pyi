"""What the constructors take. Written by tests/optim_stub.py: do not edit."""

from collections.abc import Iterable
from typing import Any

from minigrad.optim import lr as lr
from minigrad.optim import lr_scheduler as lr_scheduler
from minigrad.optim.combined import Combined as Combined
from minigrad.optim.groups import Rate
from minigrad.optim.optimizer import Optimizer as Optimizer
from minigrad.optim.running_product import running_product as running_product
from minigrad.optim.wrapper import Wrapper as Wrapper

__all__: list[str]

class AMSGrad(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class Adadelta(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-06,
        weight_decay: float = 0.0,
    ) -> None: ...

class Adagrad(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None: ...

class Adam(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class AdamW(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
    ) -> None: ...

class Adamax(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class EMA(Wrapper):
    def __init__(
        self,
        base_optimizer: Optimizer,
        decay: float = 0.999,
    ) -> None: ...

class LAMB(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
    ) -> None: ...

class Lion(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None: ...

class Lookahead(Wrapper):
    def __init__(
        self,
        base_optimizer: Optimizer,
        k: int = 5,
        alpha: float = 0.5,
    ) -> None: ...

class Momentum(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None: ...

class Muon(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None: ...

class NAdam(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        momentum_decay: float = 0.004,
        weight_decay: float = 0.0,
    ) -> None: ...

class Nesterov(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None: ...

class RAdam(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class RMSprop(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
    ) -> None: ...

class Ranger(Wrapper):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        k: int = 5,
        alpha: float = 0.5,
    ) -> None: ...

class SAM(Wrapper):
    def __init__(
        self,
        base_optimizer: Optimizer,
        rho: float = 0.05,
    ) -> None: ...

class SGD(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.001,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None: ...

class ScheduleFreeAdamW(Optimizer):
    def __init__(
        self,
        params: Iterable[Any],
        lr: Rate = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
    ) -> None: ...
