"""Adam: the average gradient, divided by the average size of the gradient.

m is a running average of the gradient g (as in momentum), and v is one of its square (as in RMSprop). Both start at 0,
so after t steps they are too small by the factor 1 - beta**t; m_hat and v_hat are corrected for this. The step is then
about the learning rate lr for a parameter whose gradient keeps its sign, and small for one whose gradient is noise.

    m     <- beta1 m + (1 - beta1) g
    v     <- beta2 v + (1 - beta2) g**2
    m_hat  = m / (1 - beta1**t)
    v_hat  = v / (1 - beta2**t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

Paper: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
eps is added after the correction. Adding it to sqrt(v) before the correction is another rule (that of PyTorch before
version 1.3). In the course notebook ("6. Optimizers", whose MNIST comparison this project reproduces) the formula lacks
the exponent t.
PyTorch: the same. Keeps m and v, two numbers per parameter.

When to use it: as the first rule to try on a new network, since it needs little tuning. With a constant learning rate
it swings around the minimum: let the rate fall. On images, a well-tuned Momentum often has the better test accuracy.
For weight decay use AdamW; if the loss rises again late, try AMSGrad. Usual rates: 1e-4 to 1e-2.
To see it: ``python -m benchmarks surfaces --optimizers rmsprop,adam``. Tested against a second transcription and
PyTorch in tests/test_rules.py; the transcription itself in tests/test_references.py.
"""

from __future__ import annotations

from numpy import sqrt

from minigrad.backend import Array
from minigrad.optim.hyperparameters import AT_LEAST_0, BETAS
from minigrad.optim.optimizer import Optimizer


class Adam(Optimizer):
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
        t: int,
    ) -> None:
        """Average the gradient and its square, correct both for starting at 0, then divide."""
        beta1, beta2 = betas
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta -= lr * m_hat / (sqrt(v_hat) + eps)
