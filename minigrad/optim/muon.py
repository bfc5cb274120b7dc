"""Muon: momentum with steps that are orthogonal matrices.

The step for a weight matrix is a matrix too. Usually a few of its singular values are large and the others tiny. Muon
replaces the matrix U S V^T (its singular value decomposition) by U V^T, the nearest matrix whose singular values are
all 1. A few steps of a Newton-Schulz iteration, which needs only matrix products, compute it closely enough.

    v     <- mu v + (1 - mu) g
    u     <- (1 - mu) g + mu v            (with nesterov; otherwise u is v)
    theta <- theta - lr weight_decay theta
    theta <- theta - lr sqrt(max(1, rows / columns)) orthogonal(u)

    orthogonal(u): X <- u / max(|u|, 1e-7); ns_steps times: A = X X^T, X <- a X + (b A + c A A) X
    with a, b, c = 3.4445, -4.7750, 2.0315; numbers of X below 1e-30 are set to 0

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
PyTorch: the same (``torch.optim.Muon``), but it orthogonalizes in bfloat16. Keeps v, one number per parameter.

When to use it: for the matrices of hidden layers, where it is among the fastest rules known. Biases, embeddings and
often the last layer are trained with AdamW (see `Combined`); parameters that are not matrices are refused. A step needs
matrix products, which take long compared with the rest of a small network. Usual rates: 1e-3 to 5e-2.
To see it: ``python -m benchmarks mnist --optimizers adam,muon``. Tested against a second transcription and
PyTorch in tests/test_rules_beyond.py; the transcription itself in tests/test_references_others.py.
"""

from __future__ import annotations

import math

from numpy import maximum, sqrt, where

from minigrad.backend import Array
from minigrad.optim.hyperparameters import FRACTION, POSITIVE_INTEGER
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor


class Muon(Optimizer):
    state = ("v",)
    scope = "parameter"
    ranges = {"momentum": FRACTION, "ns_steps": POSITIVE_INTEGER}

    def rule(
        self,
        theta: Array,
        g: Array,
        v: Array,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        """Update the velocity, make it orthogonal, then make a step along it."""
        mu = momentum
        rows, columns = theta.shape
        v[:] = mu * v + (1 - mu) * g
        u = (1 - mu) * g + mu * v if nesterov else v
        theta -= lr * weight_decay * theta
        theta -= lr * math.sqrt(max(1, rows / columns)) * orthogonal(u, ns_steps)

    def check_parameter(self, i: int, p: Tensor) -> None:
        """Raise a ValueError if `p` is not a matrix."""
        if p.ndim != 2:
            raise ValueError(
                f"Muon: parameter {i} has shape {p.shape}, and only matrices can be made orthogonal: "
                "train the others with another optimizer, as Combined(Muon(matrices), AdamW(others))"
            )


def orthogonal(u: Array, steps: int) -> Array:
    """Nearly U V^T, where u = U S V^T has the shape (rows, columns); its singular values are from 0.7 to 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = u.T if u.shape[0] > u.shape[1] else u  # so that X X^T is the smaller product
    X = wide / maximum(sqrt((wide**2).sum()), 1e-7)
    X = where(abs(X) < 1e-30, 0, X)  # v can decay to below 1e-38, and arithmetic with such numbers is very slow
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X.T if u.shape[0] > u.shape[1] else X
