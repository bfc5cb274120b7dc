"""Dropout."""

from __future__ import annotations

import numpy

from minigrad import backend, random
from minigrad.nn.functional.common import as_input
from minigrad.tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by 1 - p; if not `training`, do nothing.

    Srivastava et al. 2014, but scaled during training ("inverted dropout", as in PyTorch). The same seed drops the same
    elements as PyTorch does on a CPU.

    Raises:
        ValueError: `p` is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: the probability must be in [0, 1], not {p}")
    if not training or p == 0:
        return input
    input = as_input("dropout", input)
    if p == 1:
        return input * 0.0
    kept = random.default_generator.uniform(0.0, 1.0, input.shape, numpy.float64) < 1 - p
    mask = backend.to_device(kept, input.device).astype(input.dtype) / (1 - p)
    return input * mask
