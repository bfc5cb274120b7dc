"""EMA: test an average of the weights.

Near a minimum the steps swing around it. The average of the last weights lies nearer to it than any of them. The inner
optimizer trains theta as ever; the average follows, and it is what `eval` puts in place.

    theta   <- a step of the inner optimizer
    average <- decay average + (1 - decay) theta       it starts at theta_0

Paper: B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992, who average all
weights alike; the exponential average forgets the first ones.
PyTorch: ``torch.optim.swa_utils.AveragedModel`` with ``get_ema_multi_avg_fn``. Keeps average, one number per parameter,
and what the inner optimizer keeps.

When to use it: nearly always, if the rate does not fall to 0 at the end. A decay of 0.999 averages the last thousand
steps or so: with fewer in all it lags behind. Call ``optimizer.eval()`` before testing and ``train()`` after it.
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
        """The average follows theta."""
        average[:] = decay * average + (1 - decay) * theta

    def averaged(self, theta: Array, average: Array) -> None:
        """The average is what is tested."""
        theta[:] = average
