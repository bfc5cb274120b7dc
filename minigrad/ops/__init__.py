"""Every differentiable operation, with its derivatives beside it.

Above each function are its vector-Jacobian products, one for each input: given the gradient `g` of the result `y`, they
return the gradient of that input. They use only operators and other operations, so they work on arrays (in ordinary
training) and on tensors (for gradients of gradients). If an input was broadcast, the backward pass sums its gradient
back to the shape of the input.

The operations are in `elementwise`, `shapes`, `reductions`, `products` and `losses`; `methods` makes them methods and
operators of `Tensor`.
"""

from minigrad.ops import methods as _methods  # noqa: F401 (it completes Tensor)
from minigrad.ops.elementwise import (
    abs,
    add,
    cos,
    div,
    exp,
    log,
    maximum,
    mul,
    neg,
    pow,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    sub,
    tanh,
    where,
)
from minigrad.ops.losses import log_softmax, mean_cross_entropy, nll, softmax
from minigrad.ops.products import linear, matmul
from minigrad.ops.reductions import max, mean, sum
from minigrad.ops.shapes import broadcast_to, cat, flatten, getitem, reshape, stack, transpose

__all__ = [
    "abs",
    "add",
    "broadcast_to",
    "cat",
    "cos",
    "div",
    "exp",
    "flatten",
    "getitem",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "mean_cross_entropy",
    "mul",
    "neg",
    "nll",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "tanh",
    "transpose",
    "where",
]
