"""Derivatives, with PyTorch's names: `grad`, `backward`, and in `functional` Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.autograd import functional
from minigrad.backward import grad
from minigrad.gradcheck import gradcheck
from minigrad.missing import missing_from
from minigrad.recording import enable_grad, inference_mode, no_grad, set_grad_enabled
from minigrad.tensor import Tensor

__all__ = [
    "backward",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]
__getattr__ = missing_from(__name__, __all__)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Call `Tensor.backward` of each tensor; the gradients of all of them add up in the leaves.

    Args:
        tensors: a tensor, or several.
        grad_tensors: the gradient to start from, or one for each tensor (None for a scalar).
        retain_graph, create_graph: as in `Tensor.backward`.

    Raises:
        ValueError: there are not as many gradients as tensors; and whatever `Tensor.backward` raises.
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    starts = list(grad_tensors) if isinstance(grad_tensors, (list, tuple)) else [grad_tensors] * len(listed)
    if len(starts) != len(listed) or (len(listed) > 1 and isinstance(grad_tensors, Tensor)):
        raise ValueError(f"backward(): {len(listed)} tensors, and not as many gradients to start from")
    for i, (tensor, start) in enumerate(zip(listed, starts, strict=True)):
        # Tensors may share parts of the graph, which only the last of them may free.
        keep = True if i < len(listed) - 1 else retain_graph
        tensor.backward(start, keep, create_graph)
