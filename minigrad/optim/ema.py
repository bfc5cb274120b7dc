"""EMA: test an average of the weights.

Near a minimum the weights swing around it, and the average of recent weights is nearer to it than any of them. The
inner optimizer trains theta as usual. The average follows theta, and `eval` puts it in the place of theta.

    theta   <- a step of the inner optimizer
    average <- decay average + (1 - decay) theta       the average starts as theta

Paper: B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992, who average all
weights equally. The exponential average here forgets the first ones.
PyTorch: ``torch.optim.swa_utils.AveragedModel`` with ``get_ema_multi_avg_fn``. Keeps average, one number per parameter,
and the state of the inner optimizer.

When to use it: nearly always, if the learning rate does not fall to 0 at the end. A decay of 0.999 averages about the
last thousand steps; in a training with fewer steps it lags behind. Call ``optimizer.eval()`` before testing and
``train()`` after it.
Usual rates: those of the inner optimizer.
To see it: ``python -m benchmarks mnist --optimizers adam,ema``. Tested against a second transcription and PyTorch in
tests/test_rules_beyond.py; the transcription itself in tests/test_references_others.py.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.optim.hyperparameters import FRACTION
from minigrad.optim.wrapper import Wrapper


class EMA(Wrapper):
    state = ("average",)
    ranges = {"decay": FRACTION}

    def rule(self, theta: Array, average: Array, *, decay: float = 0.999) -> None:
        """Move the average towards theta."""
        average[:] = decay * average + (1 - decay) * theta

    def averaged(self, theta: Array, average: Array) -> None:
        """Test the average."""
        theta[:] = average
