"""PyTorch's schedulers, for scripts that step one: ``scheduler.step()`` after each epoch, or after each step.

The functions of `minigrad.optim.lr` need no stepping and no saving, and are what we recommend:
``SGD(params, lr=cosine(0.1, 3000))``. A scheduler sets the ``lr`` of each parameter group to such a function of the
number of its own steps, times the group's rate at the start. Two schedulers on one optimizer multiply, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minigrad.missing import missing_from
from minigrad.optim.lr import exponential, step_decay
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor


class LRScheduler:
    """The base: a subclass says by which `factor` the learning rate is multiplied after so many steps.

    Args:
        optimizer: the optimizer, whose rates are numbers.
        last_epoch: -1, the start. `load_state_dict` resumes a scheduler.

    Attributes:
        last_epoch: how often `step` was called.
        base_lrs: the rates of the groups at the start.

    Raises:
        TypeError: `optimizer` is none, or one of its rates is a function already.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name} schedules an optimizer, not {type(optimizer).__name__}")
        if last_epoch != -1:
            raise ValueError(f"{name}: last_epoch is -1, the start; to go on from a state use load_state_dict()")
        if any(callable(group["lr"]) for group in optimizer.param_groups):
            raise TypeError(f"{name}: the learning rate is a function of the step already, and needs no scheduler")
        self.optimizer = optimizer
        self.last_epoch = 0
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self._set_rates()

    def factor(self, epoch: int, base_lr: float) -> float:
        """The factor after `epoch` steps, of a group whose rate is `base_lr` at the start."""
        raise NotImplementedError

    def _set_rates(self) -> None:
        """Multiply each rate by how much its factor has changed, so that other changes of the rate stay."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            now = self.factor(self.last_epoch, base)
            before = self.factor(self.last_epoch - 1, base) if self.last_epoch else 1.0
            group["lr"] = group["lr"] * (now / before) if before else base * now

    def step(self) -> None:
        """Count a step, and set the rates."""
        self.last_epoch += 1
        self._set_rates()

    def get_last_lr(self) -> list[float]:
        """The rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, and functions, which are given again by who loads it."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name != "optimizer" and not callable(value) and not name.startswith("_")
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; the rates themselves are in the optimizer's state.

        Raises:
            ValueError: it is the state of another scheduler.
        """
        if set(state_dict) != set(self.state_dict()):
            raise ValueError(f"{type(self).__name__}: this is the state of another scheduler: {sorted(state_dict)}")
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """The rate at the start times ``lr_lambda(epoch)``; a list has a function for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self._lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self._lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self._lambdas)} functions for {groups} parameter groups")
        super().__init__(optimizer, last_epoch)

    def _set_rates(self) -> None:
        for group, base, function in zip(self.optimizer.param_groups, self.base_lrs, self._lambdas, strict=True):
            group["lr"] = base * function(self.last_epoch)


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` steps (`minigrad.optim.lr.step_decay`)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self._factor = step_decay(1.0, step_size, gamma)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int, base_lr: float) -> float:
        """`gamma` to the number of times that `step_size` steps are over."""
        return self._factor(epoch)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` after each of the steps `milestones`."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int, base_lr: float) -> float:
        """`gamma` to the number of milestones that are reached."""
        return self.gamma ** sum(epoch >= milestone for milestone in self.milestones)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` after each step (`minigrad.optim.lr.exponential`)."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self._factor = exponential(1.0, gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int, base_lr: float) -> float:
        """`gamma` to the number of steps."""
        return self._factor(epoch)


class LinearLR(LRScheduler):
    """From `start_factor` to `end_factor` times the rate, in equal amounts, in `total_iters` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, not {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be from 0 to 1, not {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int, base_lr: float) -> float:
        """The point on the line."""
        done = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class CosineAnnealingLR(LRScheduler):
    """From the rate to `eta_min` along half a cosine in `T_max` steps, and back in the next (SGDR, equation 5).

    `minigrad.optim.lr.cosine` stays at the end instead.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int, base_lr: float) -> float:
        """The point on the cosine, as a part of the rate."""
        share = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        return (self.eta_min + (base_lr - self.eta_min) * share) / base_lr if base_lr else 1.0


class OneCycleLR(LRScheduler):
    """One cycle: up from ``max_lr / div_factor`` to `max_lr`, and down to ``max_lr / div_factor / final_div_factor``.

    Momentum (or the first beta) goes the other way, from `max_momentum` down to `base_momentum` and back.

    Source: L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018; the names, the defaults and the cosine are PyTorch's.

    Raises:
        ValueError: neither `total_steps` nor both of `epochs` and `steps_per_epoch` are given, or one is out of range;
            a step after the last.
        TypeError: the optimizer has no momentum to cycle, and `cycle_momentum` is not False.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1 or not 0 <= pct_start <= 1:
            raise ValueError(
                f"OneCycleLR: total_steps {total_steps} must be positive, pct_start {pct_start} from 0 to 1"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be cos or linear, not {anneal_strategy!r}")
        self.max_lr, self.total_steps, self.pct_start = max_lr, total_steps, pct_start
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        names = optimizer.param_groups[0]
        self._momentum = "betas" if "betas" in names else "momentum" if "momentum" in names else None
        if cycle_momentum and self._momentum is None:
            raise TypeError("OneCycleLR: the optimizer has no momentum or betas: pass cycle_momentum=False")
        super().__init__(optimizer, last_epoch)

    def _between(self, epoch: int, low: float, high: float, end: float) -> float:
        """From `low` to `high` in the first part of the cycle, then to `end`."""
        top = self.pct_start * self.total_steps - 1
        if epoch <= top:
            start, stop, share = low, high, epoch / top if top else 1.0
        else:
            start, stop, share = high, end, (epoch - top) / (self.total_steps - 1 - top)
        if self.anneal_strategy == "linear":
            return start + (stop - start) * share
        return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2

    def _set_rates(self) -> None:
        if self.last_epoch >= self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch + 1} of a cycle of {self.total_steps} steps")
        low = self.max_lr / self.div_factor
        for group in self.optimizer.param_groups:
            group["lr"] = self._between(self.last_epoch, low, self.max_lr, low / self.final_div_factor)
            if self.cycle_momentum:
                most, least = self.max_momentum, self.base_momentum
                momentum = self._between(self.last_epoch, most, least, most)
                group[str(self._momentum)] = (momentum, *group["betas"][1:]) if self._momentum == "betas" else momentum


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a measured value has not become better for `patience` steps.

    Args:
        optimizer: the optimizer.
        mode: "min" if lower is better (a loss), "max" if higher is (an accuracy).
        factor: below 1.
        patience: steps without an improvement that are tolerated.
        threshold, threshold_mode: what counts as an improvement: by more than that part ("rel") or amount ("abs").
        cooldown: steps after a reduction in which nothing is counted.
        min_lr: the rate is not reduced below it.
        eps: a reduction by less than that is not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: mode is min or max, threshold_mode rel or abs, not {mode}, {threshold_mode}"
            )
        self.mode, self.by, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        super().__init__(optimizer)

    def factor(self, epoch: int, base_lr: float) -> float:
        """1: the rate does not depend on the number of steps."""
        return 1.0

    def step(self, metrics: Any = None) -> None:
        """Note the measured value, and reduce the rates if it is time.

        Raises:
            TypeError: no value is given.
        """
        if metrics is None:
            raise TypeError("ReduceLROnPlateau.step() takes the measured value, as step(loss)")
        value = float(metrics.item() if isinstance(metrics, Tensor) else metrics)
        self.last_epoch += 1
        better = self._is_better(value)
        if better:
            self.best = value
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                reduced = max(group["lr"] * self.by, self.min_lr)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, value: float) -> bool:
        """PyTorch's comparison: with "rel", `best` times (1 - threshold) or (1 + threshold) must be passed."""
        sign = -1 if self.mode == "min" else 1
        part = sign * self.threshold
        bound = self.best * (1 + part) if self.threshold_mode == "rel" else self.best + part
        return sign * value > sign * bound


__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]
__getattr__ = missing_from(__name__, __all__)
