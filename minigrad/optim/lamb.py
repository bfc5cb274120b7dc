"""LAMB: Adam's direction, in steps in proportion to each layer's weights.

With very large batches one wants large steps, but a layer with small weights is thrown about by them. LAMB makes the
step of each parameter tensor lr times as long as that tensor itself, along Adam's direction.

    m, v, m_hat, v_hat as in Adam
    u     <- m_hat / (sqrt(v_hat) + eps) + weight_decay theta
    theta <- theta - lr (|theta| / |u|) u             where |theta| or |u| is 0, the ratio is 1

Paper: Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020, algorithm 2
(with phi the identity).
PyTorch: has none; optax has the same. Keeps m and v, two numbers per parameter.

When to use it: with batches of thousands. |.| is taken over each parameter tensor, so this rule works on parameters in
their own shape. A tensor that starts at 0, as biases do, moves by lr times u, as with Adam, until it is something.
Usual rates: 1e-3 to 1e-2.
To see it: ``python -m benchmarks mnist --optimizers adam,lamb``. Tested against a second transcription and
optax in tests/test_rules_beyond.py; the transcription itself in tests/test_references_others.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class LAMB(Optimizer):
    state = ("m", "v")
    scope = "parameter"
    ranges = {"betas": BETAS, "eps": AT_LEAST_0}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        t: int,
    ) -> None:
        """Find Adam's direction, and go along it in proportion to the length of theta."""
        beta1, beta2 = betas
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        u = m_hat / (sqrt(v_hat) + eps) + weight_decay * theta
        theta -= lr * trust(length(theta), length(u)) * u


def length(a: Array) -> Array:
    """The Euclidean norm of all elements, a scalar array (which on a GPU stays there)."""
    return sqrt((a**2).sum())


def trust(theta: Array, u: Array) -> Array:
    """The ratio of two lengths; 1 if one of them is 0."""
    either = (theta == 0) | (u == 0)
    return (theta + either * (1 - theta)) / (u + either * (1 - u))
