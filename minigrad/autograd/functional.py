"""Jacobians and Hessians of functions, and their products with vectors (``torch.autograd.functional``).

The functions take tensors and return a tensor. `inputs` may be a tensor or a tuple of tensors, and so are the results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad import backend
from minigrad.arrays import ones_like
from minigrad.backward import grad
from minigrad.ops import stack
from minigrad.tensor import ShapeError, Tensor

Inputs = Tensor | tuple[Tensor, ...]


def jacobian(func: Callable[..., Tensor], inputs: Inputs, create_graph: bool = False) -> Any:
    """All derivatives of ``func(*inputs)``: of shape output.shape + input.shape, for each input.

    Args:
        func: takes the inputs, and returns a tensor.
        inputs: a tensor, or a tuple of tensors.
        create_graph: make the result differentiable.
    """
    given = _as_tuple(inputs)
    xs = given if create_graph else _fresh(given)
    y = func(*xs)
    rows = [_row(y.reshape(-1)[i], xs, create_graph) for i in range(y.numel())]
    found = tuple(_stacked([row[k] for row in rows], y.shape, x.shape) for k, x in enumerate(xs))
    return found if isinstance(inputs, tuple) else found[0]


def hessian(func: Callable[..., Tensor], inputs: Inputs, create_graph: bool = False) -> Any:
    """All second derivatives of a scalar ``func(*inputs)``: for each pair of inputs of shape input.shape + other.shape.

    Raises:
        ShapeError: the function returns more than one number.
    """
    given = _as_tuple(inputs)
    xs = given if create_graph else _fresh(given)
    gradients = grad(_scalar(func, xs), list(xs), create_graph=True, allow_unused=True)
    blocks = []
    for g in gradients:
        rows = [_row(g.reshape(-1)[i], xs, create_graph) for i in range(g.numel())]
        blocks.append(tuple(_stacked([row[k] for row in rows], g.shape, x.shape) for k, x in enumerate(xs)))
    return tuple(blocks) if isinstance(inputs, tuple) else blocks[0][0]


def hvp(func: Callable[..., Tensor], inputs: Inputs, v: Any = None, create_graph: bool = False) -> tuple[Tensor, Any]:
    """(the value of a scalar function, the product of its Hessian with `v`), without computing the Hessian.

    Args:
        func: takes the inputs, and returns a scalar.
        inputs: a tensor, or a tuple of tensors.
        v: of the same form and shapes; may be left out for an input that is one number.
        create_graph: make the results differentiable.

    Raises:
        ShapeError: the function returns more than one number, or `v` has other shapes.
    """
    given = _as_tuple(inputs)
    xs = given if create_graph else _fresh(given)
    vs = _vectors(v, xs)
    y = _scalar(func, xs)
    gradients = grad(y, list(xs), create_graph=True, allow_unused=True)
    along = _sum_of([(g * w).sum() for g, w in zip(gradients, vs, strict=True)])
    products = _row(along, xs, create_graph)
    value = y if create_graph else y.detach()
    return value, (products if isinstance(inputs, tuple) else products[0])


def vhp(func: Callable[..., Tensor], inputs: Inputs, v: Any = None, create_graph: bool = False) -> tuple[Tensor, Any]:
    """As `hvp`: a Hessian is symmetric."""
    return hvp(func, inputs, v, create_graph)


def _as_tuple(inputs: Any) -> tuple[Tensor, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _fresh(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Leaves with the values of the inputs, so that nothing of the user's is touched."""
    return tuple(x.detach().clone().requires_grad_() for x in inputs)


def _scalar(func: Callable[..., Tensor], xs: tuple[Tensor, ...]) -> Tensor:
    y = func(*xs)
    if y.numel() != 1:
        raise ShapeError(f"a Hessian is of a function that returns one number, not the shape {y.shape}")
    return y.reshape(())


def _vectors(v: Any, xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if v is None:
        if any(x.numel() != 1 for x in xs):
            raise ShapeError("v is needed, of the shapes of the inputs, unless each input is one number")
        return tuple(Tensor(ones_like(x.data)) for x in xs)
    vs = _as_tuple(v)
    if [w.shape for w in vs] != [x.shape for x in xs]:
        raise ShapeError(f"v has the shapes {[w.shape for w in vs]}, the inputs {[x.shape for x in xs]}")
    return vs


def _row(y: Tensor, xs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The gradients of one number; zeros where it depends on nothing."""
    if not y.requires_grad:
        return tuple(Tensor(backend.get_array_module(x.data).zeros_like(x.data)) for x in xs)
    return grad(y, list(xs), retain_graph=True, create_graph=create_graph, allow_unused=True)


def _stacked(rows: list[Tensor], *shapes: tuple[int, ...]) -> Tensor:
    return stack(rows).reshape([n for shape in shapes for n in shape])


def _sum_of(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
