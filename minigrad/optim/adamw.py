"""AdamW: Adam, with the weight decay separate from the gradient.

A penalty weight_decay / 2 |theta|^2 in the loss would be divided by Adam's denominator like any gradient, so that the
weights with small gradients would decay most. In AdamW every weight shrinks by the same proportion instead, and then
makes Adam's step.

    theta <- theta - lr weight_decay theta
    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    m_hat  = m / (1 - beta1**t)
    v_hat  = v / (1 - beta2**t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

Paper: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
PyTorch: the same. As in PyTorch, the decay is multiplied by the learning rate, which it is not in the paper.
Keeps m and v, two numbers per parameter.

When to use it: in place of Adam whenever weights should decay; it is the usual rule for transformers. A step removes
the fraction lr weight_decay of each weight, so changing the rate changes the decay too. Too large a decay keeps the
weights away from the minimum. Usual rates: 1e-4 to 1e-3, to fine-tune 1e-5, with a weight decay of 0.01 to 0.1.
To see it: ``python -m benchmarks surfaces --optimizers adam,adamw``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class AdamW(Optimizer):
    state = ("m", "v")
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
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        t: int,
    ) -> None:
        """Shrink the weights, then make Adam's step."""
        beta1, beta2 = betas
        theta -= lr * weight_decay * theta
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta -= lr * m_hat / (sqrt(v_hat) + eps)
