"""Layers: linear maps, tables of vectors, dropout, normalization, and changes of shape."""

from __future__ import annotations

import math
from typing import Any

from minigrad import backend, conversion, creation, ops, random
from minigrad.functions.shaping import unflatten
from minigrad.nn import functional
from minigrad.nn.module import Module, Parameter
from minigrad.tensor import Tensor, float32


def _uniform(bound: float, shape: tuple[int, ...], device: Any, dtype: Any) -> Parameter:
    """A parameter drawn uniformly from [-bound, bound)."""
    drawn = random.default_generator.uniform(-bound, bound, shape, float32 if dtype is None else dtype)
    return Parameter(drawn if device is None else backend.to_device(drawn, device))


class Linear(Module):
    """x @ weight.T + bias, with weight (out_features, in_features) and bias (out_features,).

    Both are drawn uniformly from [-b, b) with b = 1/sqrt(in_features): first the weight, row by row, then the bias.
    With the same seed PyTorch draws the same numbers, to the bit (its kaiming_uniform_ with a = sqrt(5) is this range).

    Raises:
        ValueError: a number of features is not positive.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear: features must be positive, not {in_features} in and {out_features} out")
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = _uniform(bound, (out_features, in_features), device, dtype)
        self.bias = _uniform(bound, (out_features,), device, dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) gives (..., out_features)."""
        return ops.linear(x, self.weight, self.bias) if self.bias is not None else ops.linear(x, self.weight)

    def extra_repr(self) -> str:
        """The features, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`; by default all but the first, which counts samples."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) gives (N, product of the rest)."""
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` as several axes, of the lengths `unflattened_size`."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """(..., product, ...) gives (..., *unflattened_size, ...)."""
        return unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The axis and the lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """The input, unchanged; any arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def forward(self, x: Tensor) -> Tensor:
        """The input."""
        return x


class Dropout(Module):
    """While training, set each element to 0 with probability `p` and scale the rest; see `functional.dropout`."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: the probability must be in [0, 1], not {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Embedding(Module):
    """A table of `num_embeddings` vectors of `embedding_dim` numbers, drawn from the normal distribution.

    With the same seed PyTorch draws the same numbers, up to rounding. The row `padding_idx` is 0, and is not learned.

    Raises:
        ValueError: a number is not positive, or there is no row `padding_idx`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        functional.common.refuse("Embedding", "its gradients are dense and its rows are not rescaled", **options)
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(f"Embedding: the numbers must be positive, not {num_embeddings} and {embedding_dim}")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: a table of {num_embeddings} rows has no row {padding_idx}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        table = creation.randn(num_embeddings, embedding_dim, dtype=float32 if dtype is None else dtype, device=device)
        if padding_idx is not None:
            table[padding_idx] = 0
        self.weight = Parameter(table)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A table with these rows (n, m), which are not learned if `freeze`."""
        count, length = embeddings.shape
        table = cls(count, length, padding_idx)
        table.weight = Parameter(embeddings, requires_grad=not freeze)
        return table

    def forward(self, x: Tensor) -> Tensor:
        """Integers of any shape (...) give (..., embedding_dim)."""
        return functional.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The size of the table."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class LayerNorm(Module):
    """`functional.layer_norm` with a weight, at first 1, and a bias, at first 0, for each number of the last axes."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = conversion.sizes("LayerNorm", (normalized_shape,))
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        like: dict[str, Any] = {"dtype": float32 if dtype is None else dtype, "device": device}
        self.weight = Parameter(creation.ones(self.normalized_shape, **like)) if elementwise_affine else None
        self.bias = Parameter(creation.zeros(self.normalized_shape, **like)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., *normalized_shape), kept."""
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(Module):
    """`functional.rms_norm` with a weight, at first 1, for each number of the last axes."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = conversion.sizes("RMSNorm", (normalized_shape,))
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = creation.ones(self.normalized_shape, dtype=float32 if dtype is None else dtype, device=device)
        self.weight = Parameter(made) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., *normalized_shape), kept."""
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class CosineSimilarity(Module):
    """See `functional.cosine_similarity`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two tensors of one shape; the result does not have the axis `dim`."""
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """See `functional.pairwise_distance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two tensors of one shape; the result does not have the last axis."""
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
