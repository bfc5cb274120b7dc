"""Gradients clipped, and parameters as one vector (``torch.nn.utils``)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from minigrad import backend
from minigrad.ops import cat
from minigrad.tensor import ShapeError, Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale the gradients, in place, so that the norm of all of them together is at most `max_norm`.

    Args:
        parameters: those without a gradient are left out.
        max_norm: the largest norm.
        norm_type: which norm: 2, 1, or ``inf`` for the largest absolute value.
        error_if_nonfinite: raise if the norm is infinite or nan.

    Returns:
        The norm before.

    Raises:
        RuntimeError: the norm is not finite, and `error_if_nonfinite`.
    """
    gradients = _gradients(parameters)
    if not gradients:
        return Tensor(0.0)
    xp = backend.get_array_module(gradients[0])
    norms = xp.stack([_norm(g, norm_type) for g in gradients])
    total = norms[0] if len(norms) == 1 else _norm(norms, norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {float(total)}, and cannot be clipped")
    factor = xp.minimum(max_norm / (total + 1e-6), 1.0).astype(gradients[0].dtype)
    for g in gradients:
        g *= factor
    return Tensor(xp.asarray(total))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each number of the gradients, in place, to the range from -`clip_value` to `clip_value`."""
    for g in _gradients(parameters):
        xp = backend.get_array_module(g)
        g[...] = xp.minimum(xp.maximum(g, -clip_value), clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The parameters end to end in one vector, through which gradients flow."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the parameters, one after the other, to the numbers of a vector. An optimizer's vector keeps its place.

    Raises:
        ShapeError: the vector has more numbers than the parameters, or fewer.
    """
    listed = list(parameters)
    count = sum(p.numel() for p in listed)
    if vec.shape != (count,):
        raise ShapeError(f"vector_to_parameters: a vector of shape {vec.shape} for {count} parameters")
    start = 0
    for p in listed:
        p.write(vec.data[start : start + p.numel()].reshape(p.shape))
        start += p.numel()


def _gradients(parameters: Any) -> list[Any]:
    """The arrays of the gradients that there are, to be changed in place; one vector if an optimizer holds them all."""
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    found = [p._grad.data if isinstance(p._grad, Tensor) else p._grad for p in listed if p._grad is not None]
    base = found[0].base if found else None
    whole = base is not None and base.ndim == 1 and base.size == sum(g.size for g in found)
    return [base] if whole and all(g.base is base for g in found) else found


def _norm(a: Any, kind: float) -> Any:
    """The norm of all numbers in an array."""
    xp = backend.get_array_module(a)
    if kind == math.inf:
        return abs(a).max()
    if kind == 2:
        return xp.sqrt((a * a).sum())
    return (abs(a) ** kind).sum() ** (1 / kind)
