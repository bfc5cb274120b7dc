"""Lion: steps by the sign of the momentum.

Every parameter moves by the learning rate lr at every step, up or down, according to the sign of an average of the
gradients. One vector m serves for two averages: in the average for the step, u, the current gradient g has more weight
(1 - beta1) than in the average that is kept for the next steps, m (1 - beta2).

    u     <- sign(beta1 m + (1 - beta1) g)
    theta <- theta - lr (u + weight_decay theta)
    m     <- beta2 m + (1 - beta2) g

Paper: X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, program 1 (it was found by a
search over programs).
PyTorch: does not have it; optax has the same. Keeps m, one number per parameter, half as many as Adam.

When to use it: if memory is scarce, with large batches. As all steps are of the same size, it needs a learning rate 3
to 10 times below Adam's, a weight decay as many times above, and a falling rate; otherwise it keeps swinging around the
minimum.
Usual rates: 1e-5 to 1e-3.
To see it: ``python -m benchmarks surfaces --optimizers adam,lion``. Tested against a second transcription in
tests/test_rules.py and against optax in tests/test_rules_beyond.py; the transcription itself in
tests/test_references_others.py.
"""

from __future__ import annotations

from numpy import sign

from minigrad.backend import Array
from minigrad.optim.hyperparameters import BETAS
from minigrad.optim.optimizer import Optimizer


class Lion(Optimizer):
    state = ("m",)
    ranges = {"betas": BETAS}

    def rule(
        self,
        theta: Array,
        g: Array,
        m: Array,
        *,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        """Make a step by the sign of one average, and keep the other."""
        beta1, beta2 = betas
        u = sign(beta1 * m + (1 - beta1) * g)
        theta -= lr * (u + weight_decay * theta)
        m[:] = beta2 * m + (1 - beta2) * g
