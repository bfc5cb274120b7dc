"""The tables of all operations, methods and layers: what the tests of the engine go through.

A new operation gets a line here; `test_coverage_ops.py` fails until it has one. Each entry draws cases (with
hypothesis): a function of tensors, the float64 arrays to call it with, and the same function in NumPy's words.
The arrays stay clear of kinks and poles, so that differences of values make sense: by 0.25 at least.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad
from minigrad import Tensor, backend, nn, ops
from minigrad.nn import functional
from minigrad.ops import arguments
from minigrad.ops import losses as loss_ops
from minigrad.ops import shapes as shape_ops

Function = Callable[..., Any]
Maker = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A function of tensors, where to call it, and what NumPy says its value is."""

    function: Function
    arrays: tuple[np.ndarray, ...]
    value: Function


Cases = st.SearchStrategy[Case]

# --- Values ------------------------------------------------------------------------------------------


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.5, 2.0, shape)


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two elements closer than 0.4."""
    return rng.permutation(math.prod(shape)).reshape(shape) * 0.5 - 1 + rng.uniform(0, 0.1, shape)


def on_halves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-4, 5, shape) * 0.5


def between_halves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-4, 4, shape) * 0.5 + 0.25


# --- Shapes ------------------------------------------------------------------------------------------

randoms = st.integers(0, 2**32 - 1).map(np.random.default_rng)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
with_axes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


def broadcast(count: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Several shapes that NumPy broadcasts together, axes of length 0 and 1 among them."""
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_side=3, max_dims=3)
    return drawn.map(lambda found: found.input_shapes)


@st.composite
def filled_axis(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    """A shape, and an axis of it (counted from either end) that is not empty; others may be."""
    shape = list(draw(with_axes))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    shape[dim] = max(1, shape[dim])
    return tuple(shape), dim


@st.composite
def some_axes(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """None, one axis or several, counted from either end."""
    axes = st.integers(-len(shape), len(shape) - 1)
    several = st.lists(axes, unique_by=lambda i: i % len(shape), min_size=1).map(tuple)
    return draw(st.none() | axes | several if shape else st.none())


# --- Families of operations --------------------------------------------------------------------------


@st.composite
def unary(draw: st.DrawFn, function: Function, value: Function, make: Maker = normal) -> Case:
    return Case(function, (make(draw(randoms), draw(shapes)),), value)


@st.composite
def binary(draw: st.DrawFn, function: Function, value: Function, first: Maker, second: Maker) -> Case:
    rng, (a, b) = draw(randoms), draw(broadcast(2))
    return Case(function, (first(rng, a), second(rng, b)), value)


@st.composite
def power(draw: st.DrawFn) -> Case:
    """Tensors to tensors, to numbers (negative bases with integer exponents), and numbers to tensors."""
    rng, (a, b) = draw(randoms), draw(broadcast(2))
    kind = draw(st.sampled_from(["both", "base", "any base", "exponent"]))
    if kind == "both":
        return Case(minigrad.ops.pow, (positive(rng, a), normal(rng, b)), np.power)
    if kind == "base":
        p = draw(st.sampled_from([-1.5, -1, 0, 0.5, 1, 2, 2.5]))
        return Case(lambda x: x**p, (positive(rng, a),), lambda x: x**p)
    if kind == "any base":
        p = draw(st.sampled_from([-2, -1, 0, 1, 2, 3, 2.0]))
        return Case(lambda x: x**p, (nonzero(rng, a),), lambda x: x**p)
    return Case(lambda x: 2.5**x, (normal(rng, b),), lambda x: 2.5**x)


@st.composite
def chosen(draw: st.DrawFn) -> Case:
    rng, (c, a, b) = draw(randoms), draw(broadcast(3))
    condition = rng.random(c) < 0.5
    if draw(st.booleans()):
        return Case(
            lambda x, y: ops.where(Tensor(condition), x, y), (normal(rng, a), normal(rng, b)), _where(condition)
        )
    return Case(lambda x: ops.where(condition, x, 2.0), (normal(rng, a),), lambda x: np.where(condition, x, 2.0))


def _where(condition: np.ndarray) -> Function:
    return lambda x, y: np.where(condition, x, y)


@st.composite
def reshaped(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    target = list(draw(st.permutations([*shape, 1]))) if draw(st.booleans()) else [math.prod(shape)]
    if math.prod(shape) and draw(st.booleans()):
        target[draw(st.integers(0, len(target) - 1))] = -1
    array = normal(draw(randoms), shape)
    if draw(st.booleans()):
        return Case(lambda x: ops.reshape(x, *target), (array,), lambda x: x.reshape(target))
    return Case(lambda x: ops.reshape(x, tuple(target)), (array,), lambda x: x.reshape(target))


@st.composite
def flattened(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    n = len(shape)
    start = draw(st.integers(0, max(0, n - 1)))
    end = draw(st.integers(start, max(0, n - 1)))
    target = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    array = normal(draw(randoms), shape)
    if n and draw(st.booleans()):
        start, end = start - n, end - n
    return Case(lambda x: ops.flatten(x, start, end), (array,), lambda x: x.reshape(target))


@st.composite
def transposed(draw: st.DrawFn) -> Case:
    shape = draw(with_axes)
    i, j = (draw(st.integers(-len(shape), len(shape) - 1)) for _ in "ij")
    return Case(lambda x: ops.transpose(x, i, j), (normal(draw(randoms), shape),), lambda x: np.swapaxes(x, i, j))


@st.composite
def stretched(draw: st.DrawFn) -> Case:
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=1, min_side=0, max_side=3, max_dims=3))
    (shape,), target = drawn.input_shapes, drawn.result_shape
    target = (*draw(st.sampled_from([(), (2,), (0,)])), *target)
    array = normal(draw(randoms), shape)
    return Case(lambda x: ops.broadcast_to(x, target), (array,), lambda x: np.broadcast_to(x, target))


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Whatever NumPy takes between square brackets."""
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    masks = hnp.arrays(bool, shape)
    kinds = [basic, masks]
    if shape:
        kinds.append(hnp.arrays(bool, shape[:1]))
    if shape and 0 not in shape:
        kinds.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
        rows = hnp.arrays(np.int64, st.integers(0, 4), elements=st.integers(-shape[0], shape[0] - 1))
        kinds.append(rows)
        kinds.append(rows.map(lambda r: (r, slice(None, None, -1))) if len(shape) > 1 else rows)
        kinds.append(rows.map(lambda r: (..., None, r % shape[-1])))
    return draw(st.one_of(kinds))


@st.composite
def indexed(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    index = draw(indices(shape))
    return Case(lambda x: x[index], (normal(draw(randoms), shape),), lambda x: x[index])


@st.composite
def scattered(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    index = draw(indices(shape))
    array = normal(draw(randoms), np.zeros(shape)[index].shape)

    def value(x: np.ndarray) -> np.ndarray:
        result = np.zeros(shape)
        np.add.at(result, index, x)
        return result

    return Case(lambda x: shape_ops._scatter(x, shape, index), (array,), value)


@st.composite
def joined(draw: st.DrawFn) -> Case:
    shape = draw(with_axes)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    rng, i = draw(randoms), dim % len(shape)
    arrays = tuple(normal(rng, (*shape[:i], n, *shape[i + 1 :])) for n in lengths)
    return Case(lambda *xs: ops.cat(xs, dim), arrays, lambda *xs: np.concatenate(xs, dim))


@st.composite
def stacked(draw: st.DrawFn) -> Case:
    shape, rng = draw(shapes), draw(randoms)
    dim = draw(st.integers(-len(shape) - 1, len(shape)))
    arrays = tuple(normal(rng, shape) for _ in range(draw(st.integers(1, 3))))
    return Case(lambda *xs: ops.stack(xs, dim), arrays, lambda *xs: np.stack(xs, dim))


@st.composite
def summed(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    dim, keepdim = draw(some_axes(shape)), draw(st.booleans())
    return Case(
        lambda x: ops.sum(x, dim, keepdim), (normal(draw(randoms), shape),), lambda x: x.sum(dim, keepdims=keepdim)
    )


@st.composite
def averaged(draw: st.DrawFn) -> Case:
    shape = draw(shapes)
    dim, keepdim = draw(some_axes(shape)), draw(st.booleans())
    over = range(len(shape)) if dim is None else [i % len(shape) for i in np.atleast_1d(dim)]
    shape = tuple(max(1, n) if i in over else n for i, n in enumerate(shape))
    return Case(
        lambda x: ops.mean(x, dim, keepdim), (normal(draw(randoms), shape),), lambda x: x.mean(dim, keepdims=keepdim)
    )


@st.composite
def largest(draw: st.DrawFn) -> Case:
    shape, dim = draw(filled_axis())
    rng, keepdim = draw(randoms), draw(st.booleans())
    if draw(st.booleans()):
        filled = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
        return Case(ops.max, (distinct(rng, filled),), np.max)
    return Case(lambda x: ops.max(x, dim, keepdim)[0], (distinct(rng, shape),), lambda x: x.max(dim, keepdims=keepdim))


@st.composite
def along_axis(draw: st.DrawFn, function: Function, value: Function) -> Case:
    shape, dim = draw(filled_axis())
    array = normal(draw(randoms), shape) * 3
    return Case(lambda x: function(x, dim), (array,), lambda x: value(x, dim))


def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """The definition, without precautions."""
    e = np.exp(x)
    return e / e.sum(dim, keepdims=True)


@st.composite
def product(draw: st.DrawFn) -> Case:
    """Vectors, matrices, and stacks of matrices whose leading axes are broadcast."""
    n, k, m = (draw(st.integers(0, 3)) for _ in "nkm")
    before, after = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=2, max_dims=2)
    ).input_shapes
    a = draw(st.sampled_from([(k,), (n, k), (*before, n, k)]))
    b = draw(st.sampled_from([(k,), (k, m), (*after, k, m)]))
    rng = draw(randoms)
    return Case(ops.matmul, (normal(rng, a), normal(rng, b)), np.matmul)


@st.composite
def layer(draw: st.DrawFn) -> Case:
    rng = draw(randoms)
    before = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    n, m = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    arrays = [normal(rng, (*before, n)), normal(rng, (m, n))]
    if draw(st.booleans()):
        arrays.append(normal(rng, (m,)))
    return Case(functional.linear, tuple(arrays), lambda x, w, b=0.0: x @ w.T + b)


@st.composite
def classified(draw: st.DrawFn, function: Function, value: Function, least: int = 0) -> Case:
    """Functions of an array (N, C) and labels (N,)."""
    rng, n, classes = draw(randoms), draw(st.integers(least, 4)), draw(st.integers(1, 4))
    labels = rng.integers(0, classes, n).astype(draw(st.sampled_from([np.int64, np.uint8, np.int32])))
    array = normal(rng, (n, classes)) * 3
    return Case(lambda x: function(x, labels), (array,), lambda x: value(x, labels))


def losses(log_p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.array([row[label] for row, label in zip(log_p, labels, strict=True)]).reshape(len(labels))


def logarithm(x: Any) -> np.ndarray:
    """log_softmax of a tensor's array, or of an array."""
    return loss_ops._log_softmax(arguments.array_of(x), 1)


@st.composite
def subtracted(draw: st.DrawFn) -> Case:
    rng, n, classes = draw(randoms), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    labels = rng.integers(0, classes, n)
    one_hot = np.eye(classes)[labels]
    arrays = normal(rng, (n, classes)), normal(rng, ())
    return Case(lambda a, b: loss_ops._less_at(a, b, labels), arrays, lambda a, b: a - b * one_hot)


REDUCED: dict[str, Function] = {"mean": np.mean, "sum": np.sum, "none": lambda x: x}


@st.composite
def cross_entropies(draw: st.DrawFn, loss: Function | None = None) -> Case:
    reduction = draw(st.sampled_from(list(REDUCED)))

    def function(x: Tensor, labels: np.ndarray) -> Tensor:
        target = labels if len(labels) % 2 else Tensor(labels)
        if loss is not None:
            return loss(reduction=reduction)(x, target)
        return functional.cross_entropy(x, target, reduction=reduction)

    def value(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return REDUCED[reduction](losses(np.log(softmax(x, 1)), labels))

    return draw(classified(function, value, least=int(reduction == "mean")))


@st.composite
def squared_errors(draw: st.DrawFn, loss: Function | None = None) -> Case:
    reduction, rng = draw(st.sampled_from(list(REDUCED))), draw(randoms)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=int(reduction == "mean"), max_side=3))

    def function(x: Tensor, y: Tensor) -> Tensor:
        return loss(reduction=reduction)(x, y) if loss is not None else functional.mse_loss(x, y, reduction=reduction)

    return Case(function, (normal(rng, shape), normal(rng, shape)), lambda x, y: REDUCED[reduction]((x - y) ** 2))


@st.composite
def dropped(draw: st.DrawFn, make: Function | None = None) -> Case:
    """Dropout; the same elements at every call, by the seed. What it drops is tested in test_nn.py."""
    seed, p, training = draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.3, 0.8])), draw(st.booleans())
    shape = draw(shapes)

    def function(x: Tensor) -> Tensor:
        minigrad.manual_seed(seed)
        return make(p).train(training)(x) if make is not None else functional.dropout(x, p, training)

    def value(x: np.ndarray) -> np.ndarray:
        minigrad.manual_seed(seed)
        kept = minigrad.rand(*x.shape, dtype=minigrad.float64).data < 1 - p if training and p else np.ones(x.shape)
        return x * kept / (1 - p if training else 1)

    return Case(function, (normal(draw(randoms), shape),), value)


@st.composite
def put(draw: st.DrawFn) -> Case:
    rng, n, classes = draw(randoms), draw(st.integers(0, 4)), draw(st.integers(1, 4))
    labels = rng.integers(0, classes, n)
    one_hot = np.eye(classes)[labels]
    return Case(
        lambda x: loss_ops._put_in_rows(x, (n, classes), labels), (normal(rng, (n,)),), lambda x: one_hot * x[:, None]
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# --- The tables --------------------------------------------------------------------------------------

OPERATIONS: dict[str, Cases] = {
    "add": binary(ops.add, np.add, normal, normal),
    "sub": binary(ops.sub, np.subtract, normal, normal),
    "mul": binary(ops.mul, np.multiply, normal, normal),
    "div": binary(ops.div, np.divide, normal, nonzero),
    "pow": power(),
    "neg": unary(ops.neg, np.negative),
    "exp": unary(ops.exp, np.exp),
    "log": unary(ops.log, np.log, positive),
    "sqrt": unary(ops.sqrt, np.sqrt, positive),
    "sin": unary(ops.sin, np.sin),
    "cos": unary(ops.cos, np.cos),
    "tanh": unary(ops.tanh, np.tanh),
    "sigmoid": unary(ops.sigmoid, sigmoid),
    "relu": unary(ops.relu, lambda x: np.where(x > 0, x, 0.0), nonzero),
    "abs": unary(ops.abs, np.abs, nonzero),
    "maximum": binary(ops.maximum, np.maximum, on_halves, between_halves),
    "where": chosen(),
    "reshape": reshaped(),
    "flatten": flattened(),
    "transpose": transposed(),
    "reverse_axes": unary(lambda x: x.T, np.transpose),
    "broadcast_to": stretched(),
    "getitem": indexed(),
    "scatter": scattered(),
    "cat": joined(),
    "stack": stacked(),
    "astype": unary(lambda x: shape_ops._astype(x, np.float64), np.array),
    "to_device": unary(lambda x: shape_ops._to_device(x, backend.CPU), np.array),
    "sum": summed(),
    "mean": averaged(),
    "max": largest(),
    "softmax": along_axis(ops.softmax, softmax),
    "log_softmax": along_axis(ops.log_softmax, lambda x, dim: np.log(softmax(x, dim))),
    "matmul": product(),
    "nll": classified(ops.nll, losses),
    "mean_cross_entropy": classified(
        lambda x, labels: ops.mean_cross_entropy(x, labels, logarithm(x)),
        lambda x, labels: losses(np.log(softmax(x, 1)), labels).mean(),
        least=1,
    ),
    "softmax_known": classified(
        lambda x, labels: loss_ops._softmax_known(x, logarithm(x)), lambda x, labels: softmax(x, 1), least=1
    ),
    "less_at": subtracted(),
    "put_in_rows": put(),
    "linear": layer(),
}
"""Everything in minigrad.ops that has a gradient (names in it without the underscore of the inner ones)."""


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log(1 + np.exp(x))


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.exp(x) - 1)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2


def probability(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.3, 0.8, shape)


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice([-1.0, 1.0], shape)


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that differ from those of `normal`, by at least 3, so that a difference is on one side of every kink."""
    return rng.uniform(7.0, 8.0, shape)


def like(array: np.ndarray, x: Tensor) -> Tensor:
    """The array as a tensor of the dtype and on the device of `x`."""
    return minigrad.tensor(array, dtype=x.dtype, device=x.device)


@st.composite
def paired(
    draw: st.DrawFn,
    call: Function,
    value: Function,
    first: Maker = normal,
    second: Maker = normal,
    constant: Maker | None = None,
) -> Case:
    """A loss of two tensors of one shape, and possibly of a target that gets no gradient."""
    reduction, rng = draw(st.sampled_from(list(REDUCED))), draw(randoms)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=int(reduction == "mean"), max_side=3))
    fixed = () if constant is None else (constant(rng, shape),)
    return Case(
        lambda *xs: call(*xs, *(like(a, xs[0]) for a in fixed), reduction=reduction),
        (first(rng, shape), second(rng, shape)),
        lambda *xs: REDUCED[reduction](value(*xs, *fixed)),
    )


@st.composite
def with_target(draw: st.DrawFn, call: Function, value: Function, target: Maker, first: Maker = normal) -> Case:
    """A loss whose target gets no gradient."""
    reduction, rng = draw(st.sampled_from(list(REDUCED))), draw(randoms)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=int(reduction == "mean"), max_side=3))
    t = target(rng, shape)
    return Case(
        lambda x: call(x, like(t, x), reduction=reduction),
        (first(rng, shape),),
        lambda x: REDUCED[reduction](value(x, t)),
    )


@st.composite
def vectors(draw: st.DrawFn, call: Function, value: Function, count: int) -> Case:
    """A function of `count` tensors of vectors along the last axis."""
    rng, n, m = draw(randoms), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Case(call, tuple(nonzero(rng, (n, m)) + k / 8 for k in range(count)), value)


@st.composite
def normalized(draw: st.DrawFn, call: Function, value: Function) -> Case:
    """A function of an input and of weights for its last axes."""
    rng, n, m = draw(randoms), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    return Case(call, (distinct(rng, (n, m)), normal(rng, (m,)), normal(rng, (m,))), value)


@st.composite
def looked_up(draw: st.DrawFn, call: Function) -> Case:
    rng, n, m = draw(randoms), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    places = rng.integers(0, n, draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)))
    return Case(
        lambda w: call(minigrad.tensor(places, device=w.device), w), (normal(rng, (n, m)),), lambda w: w[places]
    )


def bce(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def huber(d: np.ndarray) -> np.ndarray:
    return np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)


def length(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x * x).sum(-1))


def layer_norm(x: np.ndarray, w: Any = 1.0, b: Any = 0.0) -> np.ndarray:
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + 1e-5) * w + b


def rms_norm(x: np.ndarray, w: Any = 1.0) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.finfo(float).eps) * w


def cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(-1) / length(x) / length(y)


def cosine_loss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """With PyTorch's 1e-12, which keeps the square root from 0."""
    squares = ((x * x).sum(-1) + 1e-12) * ((y * y).sum(-1) + 1e-12)
    return (1 - (x * y).sum(-1) / np.sqrt(squares)).mean()


def alike(x: Tensor) -> Tensor:
    """The target that says of each pair that it should be alike."""
    return minigrad.ones(len(x), dtype=x.dtype, device=x.device)


def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return length(x - y + 1e-6)


@st.composite
def likelihoods(draw: st.DrawFn, make: Function) -> Case:
    """The negative log-likelihood of log-probabilities."""
    reduction = draw(st.sampled_from(list(REDUCED)))
    return draw(
        classified(
            lambda x, labels: make(reduction)(x, minigrad.tensor(labels, device=x.device)),
            lambda x, labels: REDUCED[reduction](losses(x, labels)),
            least=1,
        )
    )


FUNCTIONAL: dict[str, Cases] = {
    "binary_cross_entropy": paired(functional.binary_cross_entropy, bce, probability, probability),
    "binary_cross_entropy_with_logits": paired(
        functional.binary_cross_entropy_with_logits, lambda x, t: bce(sigmoid(x), t), normal, probability
    ),
    "cosine_embedding_loss": vectors(lambda x, y: functional.cosine_embedding_loss(x, y, alike(x)), cosine_loss, 2),
    "cosine_similarity": vectors(functional.cosine_similarity, cosine, 2),
    "cross_entropy": cross_entropies(),
    "dropout": dropped(),
    "elu": unary(functional.elu, elu, nonzero),
    "embedding": looked_up(functional.embedding),
    "gaussian_nll_loss": paired(
        lambda x, v, t, reduction: functional.gaussian_nll_loss(x, t, v, reduction=reduction),
        lambda x, v, t: (np.log(v) + (x - t) ** 2 / v) / 2,
        normal,
        positive,
        normal,
    ),
    "gelu": unary(functional.gelu, gelu),
    "hardtanh": unary(functional.hardtanh, lambda x: np.clip(x, -1, 1), between_halves),
    "hinge_embedding_loss": with_target(
        functional.hinge_embedding_loss, lambda x, t: np.where(t == 1, x, np.maximum(0, 1 - x)), signs, between_halves
    ),
    "huber_loss": paired(functional.huber_loss, lambda x, t: huber(x - t), on_halves, between_halves),
    "kl_div": paired(functional.kl_div, lambda x, t: t * (np.log(t) - x), normal, probability),
    "l1_loss": paired(functional.l1_loss, lambda x, t: np.abs(x - t), on_halves, between_halves),
    "layer_norm": normalized(lambda x, w, b: functional.layer_norm(x, w.shape, w, b), layer_norm),
    "leaky_relu": unary(functional.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), nonzero),
    "linear": layer(),
    "log_softmax": along_axis(functional.log_softmax, lambda x, dim: np.log(softmax(x, dim))),
    "logsigmoid": unary(functional.logsigmoid, lambda x: np.log(sigmoid(x))),
    "margin_ranking_loss": paired(
        functional.margin_ranking_loss, lambda x, y, t: np.maximum(0, -t * (x - y)), on_halves, between_halves, signs
    ),
    "mish": unary(functional.mish, lambda x: x * np.tanh(softplus(x))),
    "mse_loss": squared_errors(),
    "nll_loss": likelihoods(lambda reduction: lambda x, t: functional.nll_loss(x, t, reduction=reduction)),
    "normalize": vectors(functional.normalize, lambda x: x / length(x)[:, None], 1),
    "pairwise_distance": vectors(functional.pairwise_distance, distance, 2),
    "poisson_nll_loss": paired(functional.poisson_nll_loss, lambda x, t: np.exp(x) - t * x),
    "prelu": normalized(
        lambda x, w, _b: functional.prelu(x + 0.125, w), lambda x, w, _b: np.where(x + 0.125 > 0, 1, w) * (x + 0.125)
    ),
    "relu": unary(functional.relu, lambda x: np.where(x > 0, x, 0.0), nonzero),
    "relu6": unary(functional.relu6, lambda x: np.clip(x, 0, 6), nonzero),
    "rms_norm": normalized(lambda x, w, _b: functional.rms_norm(x, w.shape, w), lambda x, w, _b: rms_norm(x, w)),
    "selu": unary(
        functional.selu, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * elu(x)), nonzero
    ),
    "sigmoid": unary(functional.sigmoid, sigmoid),
    "silu": unary(functional.silu, lambda x: x * sigmoid(x)),
    "smooth_l1_loss": paired(functional.smooth_l1_loss, lambda x, t: huber(x - t), on_halves, between_halves),
    "soft_margin_loss": with_target(functional.soft_margin_loss, lambda x, t: softplus(-t * x), signs),
    "softmax": along_axis(functional.softmax, softmax),
    "softmin": along_axis(functional.softmin, lambda x, dim: softmax(-x, dim)),
    "softplus": unary(functional.softplus, softplus),
    "softsign": unary(functional.softsign, lambda x: x / (1 + np.abs(x)), nonzero),
    "tanh": unary(functional.tanh, np.tanh),
    "triplet_margin_loss": vectors(
        lambda a, p, n: functional.triplet_margin_loss(a, p, n, margin=9.0),
        lambda a, p, n: (distance(a, p) - distance(a, n) + 9).mean(),
        3,
    ),
}
"""Everything in minigrad.nn.functional."""


def with_parameters(module: nn.Module, x: np.ndarray, value: Function) -> Case:
    """The module as a function of its input and of all its parameters."""
    places = [
        (owner, name)
        for owner in module.modules()
        for name, found in vars(owner).items()
        if isinstance(found, nn.Parameter)
    ]
    values = [np.array(vars(owner)[name].data, dtype=np.float64) for owner, name in places]

    def function(x: Tensor, *parameters: Tensor) -> Any:
        for (owner, name), parameter in zip(places, parameters, strict=True):
            setattr(owner, name, parameter)
        return module(x)

    return Case(function, (x, *values), value)


@st.composite
def linear_modules(draw: st.DrawFn) -> Case:
    n, m, bias = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    before = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    module = nn.Linear(n, m, bias=bias, dtype=minigrad.float64)
    x = normal(draw(randoms), (*before, n))
    return with_parameters(module, x, lambda x, w, b=0.0: x @ w.T + b)


@st.composite
def networks(draw: st.DrawFn) -> Case:
    n, hidden, m = (draw(st.integers(1, 3)) for _ in "nhm")
    module = nn.Sequential(nn.Flatten(), nn.Linear(2 * n, hidden), nn.Tanh(), nn.Linear(hidden, m, bias=False))
    x = normal(draw(randoms), (draw(st.integers(0, 3)), 2, n))
    return with_parameters(module, x, lambda x, w, b, v: np.tanh(x.reshape(len(x), 2 * n) @ w.T + b) @ v.T)


@st.composite
def flatten_modules(draw: st.DrawFn) -> Case:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3))
    x = normal(draw(randoms), shape)
    return with_parameters(nn.Flatten(), x, lambda x: x.reshape(shape[0], math.prod(shape[1:])))


class Scaled(nn.Module):
    """A module as a user writes one: two parameters, one of them used twice."""

    def __init__(self) -> None:
        self.scale = nn.Parameter(np.array([0.5, -1.5]))
        self.shift = nn.Parameter(np.array([0.25]))

    def forward(self, x: Tensor) -> Any:
        return (x * self.scale + self.shift) * self.scale


def called(loss: Function) -> Function:
    """The loss as a function that takes the reduction."""
    return lambda *xs, reduction: loss(reduction=reduction)(*xs)


@st.composite
def layer_norms(draw: st.DrawFn) -> Case:
    rng, n, m = draw(randoms), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    return with_parameters(nn.LayerNorm(m, dtype=minigrad.float64), distinct(rng, (n, m)), layer_norm)


@st.composite
def rms_norms(draw: st.DrawFn) -> Case:
    rng, n, m = draw(randoms), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    return with_parameters(nn.RMSNorm(m, dtype=minigrad.float64), distinct(rng, (n, m)), rms_norm)


def with_parameters_of(make: Function, value: Function) -> Cases:
    return randoms.map(lambda rng: with_parameters(make(), nonzero(rng, (2, 3)), value))


class Holding(nn.Module):
    """A module that uses a container of two linear maps."""

    def __init__(self, container: nn.Module, first: Any, second: Any) -> None:
        self.container, self.first, self.second = container, first, second

    def forward(self, x: Tensor) -> Any:
        parts: Any = self.container
        return parts[self.second](parts[self.first](x))


def containers(make: Function, first: Any, second: Any) -> Cases:
    def case(rng: np.random.Generator) -> Case:
        parts = [nn.Linear(2, 3, bias=False, dtype=minigrad.float64), nn.Linear(3, 1, dtype=minigrad.float64)]
        module = Holding(make(parts), first, second)
        return with_parameters(module, normal(rng, (2, 2)), lambda x, v, w, b: x @ v.T @ w.T + b)

    return randoms.map(case)


class Scaling(nn.Module):
    """A module that uses a container of one parameter."""

    def __init__(self, container: nn.Module, key: Any) -> None:
        self.container, self.key = container, key

    def forward(self, x: Tensor) -> Any:
        parts: Any = self.container
        return x * parts[self.key]


def parameter_containers(make: Function, key: Any) -> Cases:
    def case(rng: np.random.Generator) -> Case:
        module = Scaling(make(minigrad.tensor(normal(rng, (2,)))), key)
        return with_parameters(module, normal(rng, (3, 2)), lambda x, p: x * p)

    return randoms.map(case)


MODULES: dict[str, Cases] = {
    "CrossEntropyLoss": cross_entropies(nn.CrossEntropyLoss),
    "Dropout": dropped(nn.Dropout),
    "Flatten": flatten_modules(),
    "Linear": linear_modules(),
    "MSELoss": squared_errors(nn.MSELoss),
    "Module": randoms.map(
        lambda rng: with_parameters(Scaled(), normal(rng, (3, 2)), lambda x, scale, shift: (x * scale + shift) * scale)
    ),
    "ReLU": unary(nn.ReLU(), lambda x: np.where(x > 0, x, 0.0), nonzero),
    "Sequential": networks(),
    "Sigmoid": unary(nn.Sigmoid(), sigmoid),
    "Tanh": unary(nn.Tanh(), np.tanh),
    "BCELoss": paired(called(nn.BCELoss), bce, probability, probability),
    "BCEWithLogitsLoss": paired(called(nn.BCEWithLogitsLoss), lambda x, t: bce(sigmoid(x), t), normal, probability),
    "CosineEmbeddingLoss": vectors(lambda x, y: nn.CosineEmbeddingLoss()(x, y, alike(x)), cosine_loss, 2),
    "CosineSimilarity": vectors(nn.CosineSimilarity(), cosine, 2),
    "ELU": unary(nn.ELU(), elu, nonzero),
    "Embedding": looked_up(lambda places, w: nn.Embedding.from_pretrained(w, freeze=False)(places) * 0 + w[places]),
    "GELU": unary(nn.GELU(), gelu),
    "GaussianNLLLoss": paired(
        lambda x, v, t, reduction: nn.GaussianNLLLoss(reduction=reduction)(x, t, v),
        lambda x, v, t: (np.log(v) + (x - t) ** 2 / v) / 2,
        normal,
        positive,
        normal,
    ),
    "Hardtanh": unary(nn.Hardtanh(), lambda x: np.clip(x, -1, 1), between_halves),
    "HingeEmbeddingLoss": with_target(
        called(nn.HingeEmbeddingLoss), lambda x, t: np.where(t == 1, x, np.maximum(0, 1 - x)), signs, between_halves
    ),
    "HuberLoss": paired(called(nn.HuberLoss), lambda x, t: huber(x - t), on_halves, between_halves),
    "Identity": unary(nn.Identity(3, any=4), lambda x: x),
    "KLDivLoss": paired(called(nn.KLDivLoss), lambda x, t: t * (np.log(t) - x), normal, probability),
    "L1Loss": paired(called(nn.L1Loss), lambda x, t: np.abs(x - t), on_halves, between_halves),
    "LayerNorm": layer_norms(),
    "LeakyReLU": unary(nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x), nonzero),
    "LogSigmoid": unary(nn.LogSigmoid(), lambda x: np.log(sigmoid(x))),
    "LogSoftmax": along_axis(lambda x, dim: nn.LogSoftmax(dim)(x), lambda x, dim: np.log(softmax(x, dim))),
    "MarginRankingLoss": paired(
        called(nn.MarginRankingLoss), lambda x, y, t: np.maximum(0, -t * (x - y)), on_halves, between_halves, signs
    ),
    "Mish": unary(nn.Mish(), lambda x: x * np.tanh(softplus(x))),
    "ModuleDict": containers(lambda parts: nn.ModuleDict({"a": parts[0], "b": parts[1]}), "a", "b"),
    "ModuleList": containers(nn.ModuleList, 0, 1),
    "NLLLoss": likelihoods(lambda reduction: nn.NLLLoss(reduction=reduction)),
    "PReLU": with_parameters_of(lambda: nn.PReLU(dtype=minigrad.float64), lambda x, w: np.where(x > 0, x, w * x)),
    "PairwiseDistance": vectors(nn.PairwiseDistance(), distance, 2),
    "ParameterDict": parameter_containers(lambda p: nn.ParameterDict({"p": p}), "p"),
    "ParameterList": parameter_containers(lambda p: nn.ParameterList([p]), 0),
    "PoissonNLLLoss": paired(called(nn.PoissonNLLLoss), lambda x, t: np.exp(x) - t * x),
    "RMSNorm": rms_norms(),
    "ReLU6": unary(nn.ReLU6(), lambda x: np.clip(x, 0, 6), nonzero),
    "SELU": FUNCTIONAL["selu"],
    "SiLU": unary(nn.SiLU(), lambda x: x * sigmoid(x)),
    "SmoothL1Loss": paired(called(nn.SmoothL1Loss), lambda x, t: huber(x - t), on_halves, between_halves),
    "SoftMarginLoss": with_target(called(nn.SoftMarginLoss), lambda x, t: softplus(-t * x), signs),
    "Softmax": along_axis(lambda x, dim: nn.Softmax(dim)(x), softmax),
    "Softmin": along_axis(lambda x, dim: nn.Softmin(dim=dim)(x), lambda x, dim: softmax(-x, dim)),
    "Softplus": unary(nn.Softplus(), softplus),
    "Softsign": unary(nn.Softsign(), lambda x: x / (1 + np.abs(x)), nonzero),
    "TripletMarginLoss": vectors(
        nn.TripletMarginLoss(margin=9.0), lambda a, p, n: (distance(a, p) - distance(a, n) + 9).mean(), 3
    ),
    "Unflatten": randoms.map(
        lambda rng: Case(nn.Unflatten(1, (2, 3)), (normal(rng, (2, 6)),), lambda x: x.reshape(2, 2, 3))
    ),
}
"""Every module of minigrad.nn."""

_rng = np.random.default_rng(5)
_a, _b, _v = normal(_rng, (2, 3)), positive(_rng, (3,)), normal(_rng, (3, 2))

METHODS: dict[str, Case] = {
    "__add__": Case(lambda a, b: a + b, (_a, _b), np.add),
    "__radd__": Case(lambda a: 2.5 + a, (_a,), lambda a: 2.5 + a),
    "__sub__": Case(lambda a, b: a - b, (_a, _b), np.subtract),
    "__rsub__": Case(lambda a: 2.5 - a, (_a,), lambda a: 2.5 - a),
    "__mul__": Case(lambda a, b: a * b, (_a, _b), np.multiply),
    "__rmul__": Case(lambda a: 2.5 * a, (_a,), lambda a: 2.5 * a),
    "__truediv__": Case(lambda a, b: a / b, (_a, _b), np.divide),
    "__rtruediv__": Case(lambda a: 2.5 / a, (_b,), lambda a: 2.5 / a),
    "__pow__": Case(lambda a, b: a**b, (_b, _a), np.power),
    "__rpow__": Case(lambda a: 2.5**a, (_a,), lambda a: 2.5**a),
    "__iadd__": Case(lambda a, b: operator.iadd(a * 1, b), (_a, _b), np.add),
    "__isub__": Case(lambda a, b: operator.isub(a * 1, b), (_a, _b), np.subtract),
    "__imul__": Case(lambda a, b: operator.imul(a * 1, b), (_a, _b), np.multiply),
    "__itruediv__": Case(lambda a, b: operator.itruediv(a * 1, b), (_a, _b), np.divide),
    "__ipow__": Case(lambda a, b: operator.ipow(a * a + 0.5, b), (_a, _b), lambda a, b: (a * a + 0.5) ** b),
    "__matmul__": Case(lambda a, b: a @ b, (_a, _v), np.matmul),
    "__rmatmul__": Case(lambda a: _a @ a, (_v,), lambda a: _a @ a),
    "__neg__": Case(lambda a: -a, (_a,), np.negative),
    "__abs__": Case(lambda a: abs(a), (_a,), np.abs),
    "__getitem__": Case(lambda a: a[:, 1], (_a,), lambda a: a[:, 1]),
    "exp": Case(lambda a: a.exp(), (_a,), np.exp),
    "log": Case(lambda a: a.log(), (_b,), np.log),
    "sqrt": Case(lambda a: a.sqrt(), (_b,), np.sqrt),
    "sin": Case(lambda a: a.sin(), (_a,), np.sin),
    "cos": Case(lambda a: a.cos(), (_a,), np.cos),
    "tanh": Case(lambda a: a.tanh(), (_a,), np.tanh),
    "sigmoid": Case(lambda a: a.sigmoid(), (_a,), sigmoid),
    "relu": Case(lambda a: a.relu(), (_a,), lambda a: a * (a > 0)),
    "abs": Case(lambda a: a.abs(), (_a,), np.abs),
    "pow": Case(lambda a: a.pow(3), (_a,), lambda a: a**3),
    "matmul": Case(lambda a, b: a.matmul(b), (_a, _v), np.matmul),
    "sum": Case(lambda a: a.sum(dim=1, keepdim=True), (_a,), lambda a: a.sum(1, keepdims=True)),
    "mean": Case(lambda a: a.mean(dim=(0, 1)), (_a,), np.mean),
    "max": Case(lambda a: a.max(dim=0, keepdim=True)[0], (_a,), lambda a: a.max(0, keepdims=True)),
    "softmax": Case(lambda a: a.softmax(dim=0), (_a,), lambda a: softmax(a, 0)),
    "log_softmax": Case(lambda a: a.log_softmax(dim=0), (_a,), lambda a: np.log(softmax(a, 0))),
    "reshape": Case(lambda a: a.reshape(3, -1), (_a,), lambda a: a.reshape(3, 2)),
    "view": Case(lambda a: a.view(-1, 6), (_a,), lambda a: a.reshape(1, 6)),
    "flatten": Case(lambda a: a.flatten(), (_a,), np.ravel),
    "transpose": Case(lambda a: a.transpose(0, 1), (_a,), np.transpose),
    "T": Case(lambda a: a.T, (_a,), np.transpose),
    "to": Case(lambda a: a.to(minigrad.float64).to("cpu"), (_a,), np.array),
    "cpu": Case(lambda a: a.cpu(), (_a,), np.array),
    "double": Case(lambda a: a.double(), (_a,), np.array),
    "clone": Case(lambda a: a.clone(), (_a,), np.array),
}
"""The operators and methods of a tensor that have a gradient."""

_i, _j = _rng.integers(0, 3, (2, 3)), _rng.integers(0, 3, (3,))

VALUES: dict[str, Case] = {
    "__eq__": Case(lambda a, b: a == b, (_i, _j), np.equal),
    "__ne__": Case(lambda a, b: a != b, (_i, _j), np.not_equal),
    "__lt__": Case(lambda a, b: a < b, (_i, _j), np.less),
    "__le__": Case(lambda a, b: a <= b, (_i, _j), np.less_equal),
    "__gt__": Case(lambda a, b: a > b, (_i, _j), np.greater),
    "__ge__": Case(lambda a, b: a >= b, (_i, _j), np.greater_equal),
    "__and__": Case(lambda a, b: a & b, (_i > 0, _j > 0), np.logical_and),
    "__or__": Case(lambda a, b: a | b, (_i > 0, _j > 0), np.logical_or),
    "__xor__": Case(lambda a, b: a ^ b, (_i > 0, _j > 0), np.logical_xor),
    "__invert__": Case(lambda a: ~a, (_i > 0,), np.logical_not),
    "any": Case(lambda a: a.any(0), (_i > 1,), lambda a: a.any(0)),
    "all": Case(lambda a: a.all(dim=1), (_i < 2,), lambda a: a.all(1)),
    "argmax": Case(lambda a: a.argmax(dim=1), (_a,), lambda a: a.argmax(1)),
    "sign": Case(ops.sign, (_a,), np.sign),
    "float": Case(lambda a: a.float(), (_a,), np.float32),
    "long": Case(lambda a: a.long(), (_a * 3,), lambda a: np.trunc(a).astype(np.int64)),
    "bool": Case(lambda a: a.bool(), (_i,), lambda a: a != 0),
}
"""What gives integers or bools, or another precision: values and dtypes are tested, there is no gradient to test."""
