"""What the tests of the optimizers share: parameters from flat vectors, a plain optimizer, three surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from reference_rules import REFERENCES, Lookahead, Rule

import minigrad as mg

Shapes = Sequence[tuple[int, ...]]

# Every public optimizer with hyperparameters that leave none of its terms without effect. Lookahead's `inner`
# is the optimizer it wraps, and that one's hyperparameters.
UNUSUAL: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.03, "weight_decay": 0.2},
    "Momentum": {"lr": 0.02, "momentum": 0.7, "weight_decay": 0.2},
    "Nesterov": {"lr": 0.02, "momentum": 0.7, "weight_decay": 0.2},
    "Adagrad": {"lr": 0.1, "eps": 0.05, "weight_decay": 0.2},
    "RMSprop": {"lr": 0.02, "alpha": 0.8, "eps": 0.05, "weight_decay": 0.2},
    "Adam": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2},
    "AdamW": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2},
    "Adadelta": {"lr": 0.7, "rho": 0.8, "eps": 0.01, "weight_decay": 0.2},
    "Adamax": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2},
    "RAdam": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2},
    "Lookahead": {"inner": ("Nesterov", {"lr": 0.02, "momentum": 0.7, "weight_decay": 0.2}), "k": 3, "alpha": 0.3},
    "Ranger": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2, "k": 4, "alpha": 0.7},
    "AMSGrad": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2},
    "NAdam": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "momentum_decay": 0.1, "weight_decay": 0.2},
    "Lion": {"lr": 0.02, "betas": (0.7, 0.8), "weight_decay": 0.2},
    "ScheduleFreeAdamW": {"lr": 0.02, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2, "warmup_steps": 5},
}


BEYOND = {"EMA", "LAMB", "Muon", "SAM"}
"""Optimizers that a rule of one number by itself does not describe: test_rules_beyond.py is about them."""


def public_optimizers() -> set[str]:
    """The names of all others in `minigrad.optim.__all__`: each must stand in every table."""
    return {name for name in mg.optim.__all__ if name[0].isupper()} - {"Combined", "Optimizer", "Wrapper"} - BEYOND


def split(vector: np.ndarray, shapes: Shapes) -> list[np.ndarray]:
    """Cut a vector into arrays of these shapes, one after the other."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    assert ends[-1] == len(vector)
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def parameters(vector: Any, shapes: Shapes, dtype: Any = np.float64) -> list[mg.Tensor]:
    """Tensors that ask for gradients, of these shapes, laid out as in `vector`."""
    return [mg.tensor(part, dtype=dtype, requires_grad=True) for part in split(np.asarray(vector), shapes)]


def flat(params: Sequence[mg.Tensor]) -> np.ndarray:
    """The values of all parameters, end to end: a copy."""
    return np.concatenate([p.data.ravel() for p in params])


def give(params: Sequence[mg.Tensor], gradient: np.ndarray, missing: Sequence[int] = ()) -> None:
    """Hand a flat gradient to the parameters, but for the ones that are to miss theirs: those get None."""
    for i, (p, g) in enumerate(zip(params, split(gradient, [p.shape for p in params]), strict=True)):
        p.grad = None if i in missing else mg.tensor(g.astype(p.dtype))


def optimizer(name: str, params: Any, hyper: dict[str, Any]) -> Any:
    """The public optimizer of that name."""
    hyper = dict(hyper)
    if "inner" in hyper:
        inner, inner_hyper = hyper.pop("inner")
        return getattr(mg.optim, name)(getattr(mg.optim, inner)(params, **inner_hyper), **hyper)
    return getattr(mg.optim, name)(params, **hyper)


def reference(name: str, hyper: dict[str, Any]) -> Rule:
    """The reference rule of the same optimizer, for one coordinate."""
    hyper = dict(hyper)
    if "inner" in hyper:
        inner, inner_hyper = hyper.pop("inner")
        assert name == "Lookahead"
        return Lookahead(REFERENCES[inner](**inner_hyper), **hyper)
    return REFERENCES[name](**hyper)


class Plain:
    """The plainest optimizer: an array for each parameter, a reference rule for each of its elements.

    Nothing is laid end to end here and nothing is a view, so nothing can be lost; minigrad's optimizers must
    arrive where this one does, whatever was done to their parameters between the steps.
    """

    def __init__(self, values: Sequence[np.ndarray], make: Callable[[int], Rule]) -> None:
        """`make(i)` gives a rule for an element of parameter i."""
        self.values = [np.array(value, dtype=np.float64) for value in values]
        self.rules = [[make(i) for _ in range(value.size)] for i, value in enumerate(self.values)]

    def step(self, gradients: Sequence[np.ndarray | None]) -> None:
        """One step; a parameter whose gradient is None is left alone."""
        for value, rules, gradient in zip(self.values, self.rules, gradients, strict=True):
            if gradient is not None:
                assert gradient.shape == value.shape
                pairs = zip(rules, value.ravel().tolist(), gradient.ravel().tolist(), strict=True)
                value[...] = np.reshape([rule.step(theta, g) for rule, theta, g in pairs], value.shape)


def assert_same(params: Sequence[mg.Tensor], plain: Plain, tolerance: float = 1e-12) -> None:
    """Hold the parameters against the plain optimizer's."""
    for i, (p, value) in enumerate(zip(params, plain.values, strict=True)):
        assert p.shape == value.shape
        np.testing.assert_allclose(p.data, value, rtol=tolerance, atol=tolerance, err_msg=f"parameter {i}")


# --- Surfaces ------------------------------------------------------------------------------------------


def quadratic(x: Any, y: Any) -> Any:
    """5/2 (x-1)^2 + 2 (x-1)(y+1/2) + 1/2 (y+1/2)^2, a long bowl that lies across the axes (condition 34)."""
    u, v = x - 1, y + 0.5
    return 2.5 * u**2 + 2 * u * v + 0.5 * v**2


def quadratic_gradient(theta: list[float], t: int = 0) -> list[float]:
    u, v = theta[0] - 1, theta[1] + 0.5
    return [5 * u + 2 * v, 2 * u + v]


def rosenbrock(x: Any, y: Any) -> Any:
    """(1-x)^2 + 100 (y-x^2)^2, a bent valley."""
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def rosenbrock_gradient(theta: list[float], t: int = 0) -> list[float]:
    x, y = theta
    return [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]


def beale(x: Any, y: Any) -> Any:
    """(1.5-x+xy)^2 + (2.25-x+xy^2)^2 + (2.625-x+xy^3)^2, a plain with steep corners."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def beale_gradient(theta: list[float], t: int = 0) -> list[float]:
    x, y = theta
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return [
        2 * a * (y - 1) + 2 * b * (y**2 - 1) + 2 * c * (y**3 - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y**2,
    ]
