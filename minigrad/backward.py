"""The backward pass: from a tensor back through the recorded operations to the leaves it was computed from.

A leaf is a tensor that was not computed by a recorded operation: a parameter, for example.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from minigrad import arrays, backend, conversion
from minigrad.conversion import ShapeError
from minigrad.operation import Needs, Operation
from minigrad.recording import Memory, mode
from minigrad.tensor import RETAINED, Tensor


def backpropagate(
    root: Tensor,
    gradient: Any,
    retain_graph: bool | None,
    create_graph: bool,
    wanted: dict[int, Any] | None,
) -> None:
    """Check `gradient` and propagate it from `root` back to the leaves.

    The gradients are added to the `grad` of the leaves, or, for `grad()`, collected in `wanted` by the tensors' ids.
    """
    if not root._requires_grad:
        raise RuntimeError("backward() needs a tensor that was computed from one with requires_grad=True")
    if gradient is None:
        if root.data.size != 1:
            raise RuntimeError(
                f"backward() starts at a scalar: this tensor has shape {root.shape}; "
                "reduce it (to a loss) or pass the gradient to start from"
            )
        gradient = arrays.ones_like(root.data)
    else:
        if not isinstance(gradient, Tensor):
            given = backend.is_array(gradient)
            gradient = conversion.plain(gradient, None if given else root.dtype, what="the gradient to start from")
            gradient = gradient if given else backend.to_device(gradient, root.device)
        if gradient.shape != root.shape:
            raise ShapeError(
                f"backward() from a tensor of shape {root.shape} cannot start at a gradient of {gradient.shape}"
            )
        if gradient.dtype.kind != "f":
            raise TypeError(f"backward() starts at a floating-point gradient, not at one of {gradient.dtype}")
    if create_graph:
        gradient = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    elif isinstance(gradient, Tensor):
        gradient = gradient.data
    retain = create_graph if retain_graph is None else retain_graph
    before = mode.recording
    mode.recording = create_graph
    try:
        if root._op is None:
            _deliver(root, gradient, gradient, wanted)
        else:
            _walk(root, gradient, retain, create_graph, wanted)
    finally:
        mode.recording = before


def _walk(root: Tensor, gradient: Any, retain: bool, create_graph: bool, wanted: dict[int, Any] | None) -> None:
    """Go through the recorded operations from `root` back, the latest first, and deliver gradients to the leaves."""
    # The results still to be visited. The number of an operation is higher than those of the operations that computed
    # its inputs. So when the highest number is taken, the gradient of that result is complete.
    heap = [-root._order]  # heapq takes the smallest
    waiting = {root._order: root}
    gradients = {root._order: gradient}
    while heap:
        # Take the latest result, its complete gradient g and the operation that computed it.
        order = -heappop(heap)
        node = waiting.pop(order)
        g = gradients.pop(order)
        op = node._op
        inputs = node._args
        if node._values is None:
            raise RuntimeError(
                "this graph was freed by an earlier backward(): compute it again, or keep it with "
                "backward(retain_graph=True)"
            )
        if wanted is not None and id(node) in wanted:
            _deliver(node, g, g, wanted)
        changed = Memory.latest > order  # something was changed in place since; it may be a value needed here
        # Call the derivatives with arrays; for gradients of gradients, with tensors.
        used: list[Any] = node._values
        values: Sequence[Any] = used
        y: Any = node._data
        if create_graph:
            _check_same_data(op, inputs, used)
            values, y = inputs, node
        gets = node._wanted
        if gets & RETAINED and wanted is None:
            _deliver(node, g, g, None)
        for i, vjp, into, needs in op.vjps:
            if not gets >> i & 1:  # input i requires no gradient
                continue
            if changed:
                _check_unchanged(node, needs, order)
            x = inputs[i]
            leaf = x._op is None
            # The usual case for a weight: it is in an optimizer's vector theta and has no gradient yet. Compute its
            # gradient directly in the vector g, without a temporary array.
            if (
                into
                and leaf
                and x._grad is None
                and (slot := x._slot) is not None
                and slot.theta is x._data
                and wanted is None
                and not create_graph
            ):
                vjp(g, y, *values, out=slot.g)
                x._grad = slot.g
                continue
            # Otherwise compute it as an array of its own, and undo the broadcasting and the dtype conversion.
            part = vjp(g, y, *values)
            if part.shape != used[i].shape:
                part = _sum_to(part, used[i].shape)
            if part.dtype != x._data.dtype:
                part = _cast(part, x._data.dtype)
            # Give it to the leaf, or add it to the gradient of a result that is still to be visited.
            if leaf:
                _deliver(x, part, g, wanted)
            elif x._order in gradients:
                gradients[x._order] = gradients[x._order] + part
            else:
                heappush(heap, -x._order)
                waiting[x._order] = x
                gradients[x._order] = part
        if not retain:  # free the graph operation by operation (all at once, a long one would recurse too deeply)
            node._args = ()
            node._values = None


def _check_same_data(op: Operation, inputs: Sequence[Any], used: Sequence[Any]) -> None:
    """Raise if a tensor no longer holds the array that was used: gradients of gradients are computed from tensors."""
    for x, values in zip(inputs, used, strict=True):
        if isinstance(x, Tensor) and x._data is not values:
            raise RuntimeError(
                f"a tensor of shape {x.shape} was given other data after {op.__name__} had used it: "
                "compute the graph again before backward(create_graph=True)"
            )


def _check_unchanged(node: Tensor, needs: Needs, order: int) -> None:
    """Raise if values that a vjp needs have been changed in place since the operation `order` used them."""
    result, inputs = needs
    suspects = list(node._args if inputs is None else [node._args[i] for i in inputs if i < len(node._args)])
    if result:
        suspects.append(node)
    for x in suspects:
        if isinstance(x, Tensor) and x._memory is not None and x._memory.changed > order:
            name = node._op.__name__
            what = f"the result of {name}, of shape {x.shape}," if x is node else f"a tensor of shape {x.shape}"
            raise RuntimeError(
                f"{what} was changed in place (by an optimizer's step, load_state_dict or an operator like +=) after "
                f"{name} had used it: compute the loss again before backward()"
            )


def _deliver(x: Tensor, part: Any, g: Any, wanted: dict[int, Any] | None) -> None:
    """Add the gradient `part` to the `grad` of `x`, or to its entry in `wanted`; `part` was computed from `g`."""
    if wanted is not None:
        if id(x) in wanted:
            held = wanted[id(x)]
            wanted[id(x)] = _own(part, g) if held is None else held + part
        return
    # A parameter whose array is the view of an optimizer's theta: write into the optimizer's vector g.
    slot = x._slot
    if slot is not None and slot.theta is x._data and not isinstance(part, Tensor):
        if x._grad is None:
            slot.g[...] = part
            x._grad = slot.g
            return
        if x._grad is slot.g:
            slot.g += part
            return
    # Any other leaf, or a gradient that someone has read or assigned: a new array, so that theirs does not change.
    if x._grad is None:
        x._grad = _own(part, g)
    elif isinstance(part, Tensor):
        x._grad = (x._grad if isinstance(x._grad, Tensor) else Tensor(x._grad)) + part
    else:
        x._grad = (x._grad._data if isinstance(x._grad, Tensor) else x._grad) + part


def _own(part: Any, g: Any) -> Any:
    """`part`, or a copy of it if another tensor may share its memory."""
    return part.copy() if not isinstance(part, Tensor) and (part is g or part.base is not None) else part


def grad(
    outputs: Tensor,
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` with respect to `inputs`, as new tensors; no ``.grad`` is touched.

    Args:
        outputs: a scalar tensor, or any tensor together with `grad_outputs` of its shape.
        inputs: one or several tensors that require gradients, leaves or intermediate results.
        grad_outputs: the gradient to start from.
        retain_graph: keep the graph for another backward pass (default: as `create_graph`).
        create_graph: make the results differentiable, for gradients of gradients.
        allow_unused: return zeros for an input that `outputs` does not depend on, instead of raising.

    Raises:
        RuntimeError: an input does not require gradients, or `outputs` does not depend on it; and as
            `Tensor.backward`.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(inputs):
        if not x._requires_grad:
            raise RuntimeError(f"grad(): input {i} (shape {x.shape}) does not require gradients")
    wanted: dict[int, Any] = {id(x): None for x in inputs}
    backpropagate(outputs, grad_outputs, retain_graph, create_graph, wanted)
    results = []
    for i, x in enumerate(inputs):
        part = wanted[id(x)]
        if part is None:
            if not allow_unused:
                raise RuntimeError(f"grad(): the output does not depend on input {i} (shape {x.shape})")
            part = backend.get_array_module(x.data).zeros_like(x.data)
        results.append(part if isinstance(part, Tensor) else Tensor(part))
    return tuple(results)


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes that broadcasting from `shape` added or stretched."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    return (g.sum(axes) if isinstance(g, Tensor) else arrays.sums(g, axes)).reshape(shape)


def _cast(g: Any, dtype: Any) -> Any:
    return g.to(dtype) if isinstance(g, Tensor) else g.astype(dtype)
