"""Lookahead: k steps forward, one step back.

Any optimizer runs ahead with the fast weights, theta. Every k steps the slow weights go the fraction alpha of the
way to where it got, and it starts again from there. That averages out what the fast weights swing.

    theta <- a step of the inner optimizer
    every k steps:
        slow  <- slow + alpha (theta - slow)
        theta <- slow

Paper: M. R. Zhang, J. Lucas, G. Hinton, J. Ba, "Lookahead optimizer: k steps forward, 1 step back", NeurIPS
2019, algorithm 1. The slow weights start where theta is before its first step, and the inner optimizer keeps its
state when theta is set back.
PyTorch: has none. Keeps slow, one number per parameter, and what the inner optimizer keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.optimizer import Optimizer, Rate, check_keys
from minigrad.tensor import ShapeError, Tensor


class Lookahead(Optimizer):
    """`k` steps of `base_optimizer`, then slow <- slow + alpha (theta - slow) and theta <- slow.

    Raises:
        TypeError: `base_optimizer` is not an optimizer.
        ValueError: `k` is not a positive integer, or `alpha` not from 0 to 1.
    """

    def __init__(self, base_optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if not isinstance(base_optimizer, Optimizer):
            raise TypeError(f"Lookahead wraps an optimizer, not {type(base_optimizer).__name__}")
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"Lookahead: k must be a positive integer, not {k!r}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"Lookahead: alpha must be from 0 to 1, not {alpha}")
        self.base_optimizer = base_optimizer
        self.k = k
        self.alpha = alpha
        self.t = 0
        self.slow: Array | None = None  # theta_0, once the first step begins

    def step(self) -> None:
        """A step of the inner optimizer, and for those whose own t is a multiple of k one of the slow weights."""
        inner = self.base_optimizer
        inner.settle()
        if self.slow is None:
            self.slow = inner.theta.copy()
        inner.step()
        self.t += 1
        for start, stop, t in inner.stepped:
            if t % self.k == 0:
                theta, slow = inner.theta[start:stop], self._slow_at_home()[start:stop]
                slow[:] = between(slow, theta, self.alpha)
                theta[:] = slow

    def _slow_at_home(self) -> Array:
        """The slow weights where theta is now, and of its type (a module may have been moved)."""
        theta = self.base_optimizer.theta
        self.slow = backend.to_device(self.slow, backend.device_of(theta)).astype(theta.dtype, copy=False)
        return self.slow

    # The rest is the inner optimizer's.

    def settle(self) -> None:
        """See `Optimizer.settle`."""
        self.base_optimizer.settle()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.base_optimizer.zero_grad(set_to_none)

    @property
    def lr(self) -> float:
        """The rate of the inner optimizer."""
        return self.base_optimizer.lr

    @lr.setter
    def lr(self, rate: Rate) -> None:
        self.base_optimizer.lr = rate

    def __getattr__(self, name: str) -> Any:
        """Groups, vectors and hyperparameters are the inner optimizer's."""
        if name.startswith("_") or "base_optimizer" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.base_optimizer, name)

    @property
    def state_vectors(self) -> dict[str, Array]:  # type: ignore[override]
        """What the inner optimizer keeps, and slow."""
        slow = {} if self.slow is None else {"slow": self.slow}
        return {**self.base_optimizer.state_vectors, **slow}

    @property
    def g(self) -> Array:
        """The inner optimizer's vector of gradients."""
        return self.base_optimizer.g

    def __repr__(self) -> str:
        return f"{type(self).__name__}(k={self.k}, alpha={self.alpha}, {self.base_optimizer!r})"

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state, the slow weights, and how far the k steps have got."""
        slow = None if self.slow is None else Tensor(self.slow.copy())
        return {
            "rule": type(self).__name__,
            "t": self.t,
            "k": self.k,
            "alpha": self.alpha,
            "slow": slow,
            "base_optimizer": self.base_optimizer.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Raises:
            ValueError: it is the state of another rule, or of other parameters; nothing is changed then.
        """
        mine = type(self).__name__
        if state_dict.get("rule") != mine:
            raise ValueError(f"{mine} cannot go on from the state of {state_dict.get('rule')}")
        check_keys(mine, state_dict, ("t", "k", "alpha", "slow", "base_optimizer"))
        slow = state_dict["slow"]
        if slow is not None and tuple(slow.shape) != self.theta.shape:
            raise ShapeError(
                f"{mine}: this state has {slow.shape[0]} slow weights, the optimizer {self.theta.shape[0]} parameters"
            )
        self.base_optimizer.load_state_dict(state_dict["base_optimizer"])
        self.t, self.k, self.alpha = int(state_dict["t"]), int(state_dict["k"]), float(state_dict["alpha"])
        self.slow = None if slow is None else (slow.data if isinstance(slow, Tensor) else slow).copy()
        if self.slow is not None:
            self._slow_at_home()


def between(slow: Array, theta: Array, alpha: float) -> Array:
    """slow + alpha (theta - slow), reckoned from the nearer end, so that both ends are met to the bit."""
    way = theta - slow
    return slow + alpha * way if alpha < 0.5 else theta - (1 - alpha) * way
