"""The layers and the losses as modules."""

from __future__ import annotations

import math
from typing import Any

from minigrad import ops, random
from minigrad.nn import functional
from minigrad.nn.module import Module, Parameter
from minigrad.tensor import Tensor, float32


class Linear(Module):
    """x @ weight.T + bias, with weight (out_features, in_features) and bias (out_features,).

    Both are drawn uniformly from [-b, b) with b = 1/sqrt(in_features): first the weight, row by row, then the bias.
    With the same seed PyTorch draws the same numbers, to the bit (its kaiming_uniform_ with a = sqrt(5) is this range).

    Raises:
        ValueError: a number of features is not positive.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = float32) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear: features must be positive, not {in_features} in and {out_features} out")
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features)
        draw = random.default_generator.uniform
        self.weight = Parameter(draw(-bound, bound, (out_features, in_features), dtype))
        self.bias = Parameter(draw(-bound, bound, (out_features,), dtype)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) gives (..., out_features)."""
        return ops.linear(x, self.weight, self.bias) if self.bias is not None else ops.linear(x, self.weight)

    def extra_repr(self) -> str:
        """The features, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.relu(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.sigmoid(x)


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`; by default all but the first, which counts samples."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) gives (N, product of the rest)."""
        return ops.flatten(x, self.start_dim, self.end_dim)


class Dropout(Module):
    """While training, set each element to 0 with probability `p` and scale the rest; see `functional.dropout`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: the probability must be in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class _Loss(Module):
    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in functional.REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(functional.REDUCTIONS)}, not {reduction!r}"
            )
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """Softmax and the negative log-likelihood of the labels: see `functional.cross_entropy`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Logits (N, C), labels (N,)."""
        return functional.cross_entropy(input, target, self.reduction)


class MSELoss(_Loss):
    """The mean squared difference: see `functional.mse_loss`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Two tensors of one shape."""
        return functional.mse_loss(input, target, self.reduction)
