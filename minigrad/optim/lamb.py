"""LAMB: steps in Adam's direction, with a length in proportion to each layer's weights.

Very large batches allow large steps, but these are too large for layers with small weights. In LAMB the step of each
parameter tensor has Adam's direction, and its length is the learning rate lr times the length (norm) of the tensor.

    m, v, m_hat, v_hat as in Adam
    u     <- m_hat / (sqrt(v_hat) + eps) + weight_decay theta
    theta <- theta - lr (|theta| / |u|) u             the ratio is 1 if |theta| or |u| is 0

Paper: Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020, algorithm 2
(with phi the identity).
PyTorch: does not have it; optax has the same. Keeps m and v, two numbers per parameter.

When to use it: with batches of thousands. The norm |.| is that of a whole parameter tensor, so the rule is called for
each parameter in its own shape. A tensor that is 0, as biases often are at the start, moves by lr u, as with Adam.
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
        """Compute Adam's direction, and make a step along it in proportion to the length of theta."""
        beta1, beta2 = betas
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        u = m_hat / (sqrt(v_hat) + eps) + weight_decay * theta
        theta -= lr * trust(length(theta), length(u)) * u


def length(a: Array) -> Array:
    """The Euclidean norm of all elements, as a 0-d array (so that on a GPU it stays there)."""
    return sqrt((a**2).sum())


def trust(theta: Array, u: Array) -> Array:
    """The ratio of two lengths; 1 if one of them is 0."""
    either = (theta == 0) | (u == 0)
    return (theta + either * (1 - theta)) / (u + either * (1 - u))
