"""Operations: values against NumPy, gradients and second derivatives against differences of values."""

from __future__ import annotations

import fractions
import math
import operator
import re
from typing import Any

import numpy as np
import pytest
from finite_differences import check_gradient, check_second
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import FUNCTIONAL, METHODS, MODULES, OPERATIONS, VALUES

import minigrad
from minigrad import ShapeError, Tensor, arrays, float32, float64, int64, ops
from minigrad.nn import functional
from minigrad.operation import operation

ALL = {
    **OPERATIONS,
    **{f"functional.{name}": cases for name, cases in FUNCTIONAL.items()},
    **{f"nn.{name}": cases for name, cases in MODULES.items()},
}


def leaf(data: Any, dtype: Any = float64) -> Tensor:
    return minigrad.tensor(data, dtype=dtype, requires_grad=True)


def gradient(y: Tensor, x: Tensor) -> np.ndarray:
    (found,) = minigrad.grad(y.sum(), x)
    return found.data


# --- The tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
def test_value_and_gradient(name: str, data: st.DataObject) -> None:
    case = data.draw(ALL[name])
    with np.errstate(all="ignore"):
        expected = case.value(*case.arrays)
    y = case.function(*map(Tensor, case.arrays))
    assert isinstance(y, Tensor)
    assert y.shape == np.shape(expected)
    assert y.dtype == float64
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    check_gradient(case.function, case.arrays)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=8)
@given(data=st.data())
def test_second_derivative(name: str, data: st.DataObject) -> None:
    case = data.draw(ALL[name])
    check_second(case.function, case.arrays)


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    case = METHODS[name]
    np.testing.assert_allclose(
        case.function(*map(Tensor, case.arrays)).data, case.value(*case.arrays), rtol=1e-12, atol=1e-12
    )
    check_gradient(case.function, case.arrays)
    check_second(case.function, case.arrays)


@pytest.mark.parametrize("name", VALUES)
def test_values_without_gradient(name: str) -> None:
    case = VALUES[name]
    y = case.function(*map(Tensor, case.arrays))
    expected = case.value(*case.arrays)
    np.testing.assert_array_equal(y.data, expected)
    assert y.dtype == expected.dtype


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("float", "sign")])
def test_integers_and_bools_carry_no_gradient(name: str) -> None:
    """Their derivative is zero or nothing at all: a graph through them would give wrong numbers silently."""
    case = VALUES[name]
    if all(array.dtype != bool for array in case.arrays):
        y = case.function(*(Tensor(array.astype(float), requires_grad=True) for array in case.arrays))
        assert not y.requires_grad
        assert y.is_leaf
        assert y.dtype in (int64, minigrad.bool)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("astype",)])
@settings(max_examples=5)
@given(data=st.data())
def test_float32_stays_float32(name: str, data: st.DataObject) -> None:
    """Values, gradients and second derivatives: nothing on the way is done in float64, nothing ends up there."""
    case = data.draw(ALL[name])
    inputs = [leaf(array, float32) for array in case.arrays]
    y = case.function(*inputs)
    assert y.dtype == float32
    np.testing.assert_allclose(y.data, case.function(*map(Tensor, case.arrays)).data, rtol=1e-4, atol=1e-5)
    cotangent = np.ones(y.shape, np.float32)
    plain = minigrad.grad(y, inputs, cotangent, retain_graph=True, allow_unused=True)
    firsts = minigrad.grad(y, inputs, cotangent, create_graph=True, allow_unused=True)
    assert [g.dtype for g in (*plain, *firsts)] == [float32] * (2 * len(inputs))
    slope = sum(((g * g).sum() for g in firsts), start=minigrad.zeros(()))
    assert slope.dtype == float32
    if slope.requires_grad:
        assert {g.dtype for g in minigrad.grad(slope, inputs, allow_unused=True)} == {float32}


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "matmul"])
@settings(max_examples=10)
@given(data=st.data())
def test_a_gradient_has_the_dtype_of_its_input(name: str, data: st.DataObject) -> None:
    case = data.draw(OPERATIONS[name])
    exact = [leaf(array) for array in case.arrays]
    case.function(*exact).sum().backward()
    for kinds in ((float32, float64), (float64, float32)):
        mixed = [leaf(array, kind) for array, kind in zip(case.arrays, kinds, strict=True)]
        y = case.function(*mixed)
        assert y.dtype == float64
        y.sum().backward()
        for x, same in zip(mixed, exact, strict=True):
            assert x.grad is not None
            assert same.grad is not None
            assert x.grad.dtype == x.dtype
            np.testing.assert_allclose(x.grad.data, same.grad.data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["add", "exp", "log_softmax", "matmul", "where", "cat", "sum", "linear", "reshape"])
@settings(max_examples=5)
@given(data=st.data())
def test_arrays_alone_give_arrays(name: str, data: st.DataObject) -> None:
    """Backward passes call operations on bare arrays and rely on getting arrays back."""
    case = data.draw(OPERATIONS[name])
    y = case.function(*map(Tensor, case.arrays))
    bare = case.function(*case.arrays)
    if name == "where" and len(case.arrays) == 2:  # its condition is a tensor
        bare = bare.data if isinstance(bare, Tensor) else bare
    assert not isinstance(bare, Tensor)
    np.testing.assert_array_equal(bare, y.data)


# --- Ties and extremes -------------------------------------------------------------------------------


def test_relu_at_zero_has_gradient_zero() -> None:
    x = leaf([-1.0, -0.0, 0.0, 1.0])
    np.testing.assert_array_equal(gradient(x.relu(), x), [0, 0, 0, 1])


def test_abs_at_zero_has_gradient_zero() -> None:
    x = leaf([-2.0, -0.0, 0.0, 3.0])
    np.testing.assert_array_equal(gradient(abs(x), x), [-1, 0, 0, 1])


def test_max_of_all_shares_the_gradient_among_equals() -> None:
    x = leaf([[3.0, 1.0, 3.0], [0.0, 3.0, 3.0]])
    np.testing.assert_array_equal(gradient(x.max(), x), [[0.25, 0, 0.25], [0, 0.25, 0.25]])


def test_max_along_an_axis_gives_the_gradient_to_the_element_it_found() -> None:
    x = leaf([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    values, indices = x.max(1)
    np.testing.assert_array_equal(indices.data, [1, 0])
    np.testing.assert_array_equal(gradient(values, x), [[0, 1, 0], [1, 0, 0]])


def test_maximum_shares_the_gradient_of_a_tie() -> None:
    a, b = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    np.testing.assert_array_equal(gradient(ops.maximum(a, b), a), [0.5, 1])
    np.testing.assert_array_equal(gradient(ops.maximum(a, b), b), [0.5, 0])


@pytest.mark.parametrize("dtype", [float32, float64])
def test_softmax_of_extreme_logits(dtype: Any) -> None:
    x = minigrad.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype=dtype, requires_grad=True)
    third = np.array(1 / 3, dtype)
    expected = np.array([[1, 0, 0], [third, third, third], [0.5, 0.5, 0]], dtype)
    np.testing.assert_allclose(x.softmax(1).data, expected, rtol=1e-6 if dtype == float32 else 1e-15)
    log_third, log_half = -math.log(3), -math.log(2)
    np.testing.assert_allclose(
        x.log_softmax(1).data,
        np.array([[0, -2e4, -1e4], [log_third] * 3, [log_half, log_half, -2e4 + log_half]], dtype),
        rtol=1e-6 if dtype == float32 else 1e-15,
    )
    np.testing.assert_allclose(gradient(x.softmax(1)[:, 0], x)[2], [0.25, -0.25, 0], atol=1e-6)
    np.testing.assert_allclose(gradient(x.log_softmax(1)[:, 1], x)[0], [-1, 1, 0], atol=1e-6)


LOGITS = {
    "1-D": np.array([0.5, -1.0, 2.0, 0.0]),
    "2-D": np.arange(6.0).reshape(2, 3) ** 2 / 5,
    "3-D": np.sin(np.arange(24.0)).reshape(2, 3, 4),
}


@pytest.mark.parametrize("shape", LOGITS)
@pytest.mark.parametrize(
    "call",
    [
        lambda name, x: getattr(ops, name)(x),
        lambda name, x: getattr(minigrad, name)(x),
        lambda name, x: getattr(x, name)(),
    ],
    ids=["ops", "minigrad", "method"],
)
def test_softmax_without_an_axis_is_along_the_last(call: Any, shape: str) -> None:
    """Values, and the gradient of one of them: the backward has a default of its own."""
    logits = LOGITS[shape]
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    x = leaf(logits)
    np.testing.assert_allclose(call("softmax", x).data, expected, rtol=1e-14)
    np.testing.assert_allclose(call("log_softmax", x).data, np.log(expected), rtol=1e-14, atol=1e-15)

    first = (0,) * logits.ndim
    one = np.zeros(logits.shape)
    one[first] = 1
    row = np.zeros(logits.shape)
    row[first[:-1]] = expected[first[:-1]]
    np.testing.assert_allclose(gradient(call("log_softmax", x)[first], x), one - row, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(gradient(call("softmax", x)[first], x), expected[first] * (one - row), rtol=1e-14)


def test_joining_without_an_axis_is_along_the_first() -> None:
    a, b = leaf([[1.0, 2.0, 3.0]]), leaf([[4.0, 5.0, 6.0]])
    for join in (minigrad.stack, ops.stack):
        np.testing.assert_array_equal(join([a, b]).data, [[[1, 2, 3]], [[4, 5, 6]]])
        np.testing.assert_array_equal(gradient(join([a, b])[1], b), [[1, 1, 1]])
        assert join([a, b], -1).shape == (1, 3, 2)
    for join in (minigrad.cat, ops.cat):
        np.testing.assert_array_equal(join([a, b]).data, [[1, 2, 3], [4, 5, 6]])
        np.testing.assert_array_equal(gradient(join([a, b])[1], b), [[1, 1, 1]])


def test_sums_and_extremes_without_an_axis_are_over_all() -> None:
    a = leaf([[1.0, 5.0], [2.0, 4.0]])
    assert (a.sum().item(), a.mean().item(), a.max().item(), a.argmax().item()) == (12, 3, 5, 1)
    assert [found.shape for found in (a.sum(), a.mean(), a.max(), a.argmax(), a.any(), a.all())] == [()] * 6
    assert [found.shape for found in (a.sum(0), a.mean(0), a.sum(0, keepdim=True))] == [(2,), (2,), (1, 2)]
    assert minigrad.zeros(2, 3, 4).flatten().shape == (24,)
    assert functional.mse_loss(a, a + 2).item() == 4


@pytest.mark.parametrize("dtype", [float32, float64])
def test_cross_entropy_of_extreme_logits(dtype: Any) -> None:
    x = minigrad.tensor([[1e4, -1e4], [1e4, -1e4]], dtype=dtype, requires_grad=True)
    loss = functional.cross_entropy(x, np.array([0, 1]))
    assert loss.item() == 1e4  # the mean of 0 and 2e4
    np.testing.assert_array_equal(gradient(loss, x), [[0, 0], [0.5, -0.5]])


@pytest.mark.parametrize("dtype", [float32, float64])
def test_sigmoid_and_tanh_of_extreme_numbers(dtype: Any) -> None:
    x = minigrad.tensor([-1e4, 1e4, 0.0], dtype=dtype, requires_grad=True)
    np.testing.assert_array_equal(x.sigmoid().data, [0, 1, 0.5])
    np.testing.assert_array_equal(gradient(x.sigmoid(), x), [0, 0, 0.25])
    np.testing.assert_array_equal(x.tanh().data, [-1, 1, 0])
    np.testing.assert_array_equal(gradient(x.tanh(), x), [0, 0, 1])


@pytest.mark.parametrize(("dtype", "lowest", "rtol"), [(float32, -80.0, 1e-5), (float64, -700.0, 1e-12)])
def test_small_sigmoids_are_accurate(dtype: Any, lowest: float, rtol: float) -> None:
    """1 / (1 + exp(-a)) is nearly exp(a) there; rounding it to a multiple of eps would lose every digit."""
    a = np.linspace(lowest, -5, 50).astype(dtype)
    expected = [math.exp(v) / (1 + math.exp(v)) for v in a.tolist()]
    np.testing.assert_allclose(minigrad.sigmoid(Tensor(a)).data, expected, rtol=rtol)


def test_powers_at_zero() -> None:
    x = leaf([0.0, 0.0, 2.0])
    for exponent, expected in ((0, [0, 0, 0]), (1, [1, 1, 1]), (2, [0, 0, 4]), (3.0, [0, 0, 12])):
        np.testing.assert_array_equal(gradient(x**exponent, x), expected)
        np.testing.assert_array_equal(gradient(x ** minigrad.tensor([exponent] * 3, dtype=float64), x), expected)
    exponents = leaf([1.0, 2.0, 3.0])  # 0**b does not depend on b, for positive b
    np.testing.assert_allclose(gradient(x**exponents, exponents), [0, 0, 8 * math.log(2)])


nan, inf = math.nan, math.inf

# What PyTorch 2.13 computes: a function, its inputs, its value, and the gradient of the sum of the value for each.
TORCH: dict[str, tuple[Any, list[Any], Any, list[Any]]] = {
    "max with NaN": (lambda x: x.max(), [[1.0, nan, 0.0]], nan, [[0, 1, 0]]),
    "max with two NaNs": (lambda x: x.max(), [[1.0, nan, nan]], nan, [[0, 0.5, 0.5]]),
    "max of infinities": (lambda x: x.max(), [[inf, 1.0, inf]], inf, [[0.5, 0, 0.5]]),
    "max of negative infinities": (lambda x: x.max(), [[-inf, -inf]], -inf, [[0.5, 0.5]]),
    "max of signed zeros": (lambda x: x.max(), [[-0.0, 0.0]], 0, [[0.5, 0.5]]),
    "max along an axis": (
        lambda x: x.max(1)[0],
        [[[1.0, nan, nan], [2.0, 2.0, 1.0], [-inf, -inf, -inf]]],
        [nan, 2, -inf],
        [[[0, 1, 0], [1, 0, 0], [1, 0, 0]]],
    ),
    "maximum": (
        ops.maximum,
        [[1.0, nan, nan, 2.0, inf, -0.0, 0.0, 3.0, -inf], [nan, 1.0, nan, 2.0, inf, 0.0, -0.0, 4.0, 1.0]],
        [nan, nan, nan, 2, inf, 0, 0, 4, 1],
        [[1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0, 0], [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 1, 1]],
    ),
    "relu": (ops.relu, [[nan, -0.0, 0.0, inf, -inf, -1.0]], [nan, 0, 0, inf, 0, 0], [[1, 0, 0, 1, 0, 0]]),
    "abs": (ops.abs, [[nan, -0.0, 0.0, inf, -inf, -1.0]], [nan, 0, 0, inf, inf, 1], [[0, 0, 0, 1, -1, -1]]),
    "sigmoid": (ops.sigmoid, [[nan, -0.0, inf, -inf]], [nan, 0.5, 1, 0], [[nan, 0.25, 0, 0]]),
    "tanh": (ops.tanh, [[nan, -0.0, inf, -inf]], [nan, 0, 1, -1], [[nan, 1, 0, 0]]),
    "exp": (ops.exp, [[nan, -0.0, inf, -inf]], [nan, 1, inf, 0], [[nan, 1, inf, 0]]),
    "log": (ops.log, [[nan, -0.0, 0.0, inf, -1.0]], [nan, -inf, -inf, inf, nan], [[nan, -inf, inf, 0, -1]]),
    "sqrt": (ops.sqrt, [[nan, -0.0, 0.0, inf, -1.0]], [nan, 0, 0, inf, nan], [[nan, -inf, inf, 0, nan]]),
    "pow": (
        ops.pow,
        [[0.0, 0.0, 1.0, nan, -1.0, -2.0, 2.0], [0.0, -1.0, nan, 0.0, 2.0, 0.5, inf]],
        [1, inf, 1, 1, 1, nan, inf],
        [[0, -inf, nan, 0, -2, nan, inf], [0, -inf, 0, nan, nan, nan, inf]],
    ),
    "0 ** x": (lambda x: 0.0**x, [[1.0, 0.0, -1.0]], [0, 1, inf], [[0, 0, -inf]]),
    "x ** 0": (lambda x: x**0, [[nan, 0.0, inf]], [1, 1, 1], [[0, 0, 0]]),
    "x ** 2": (lambda x: x**2, [[nan, 0.0, -inf]], [nan, 0, inf], [[nan, 0, -inf]]),
    "softmax": (
        lambda x: x.softmax(0)[:1],
        [[0.0, -inf, 1.0]],
        [0.2689414213699951],
        [[0.19661193324148185, 0, -0.19661193324148185]],
    ),
    "log_softmax": (
        lambda x: x.log_softmax(0).sum(),
        [[0.0, -inf, 1.0]],
        -inf,
        [[0.19317573589001474, 1, -1.1931757358900147]],
    ),
    "softmax of nothing": (lambda x: x.softmax(0)[:1], [[-inf, -inf]], [nan], [[nan, nan]]),
    "log_softmax of nothing": (lambda x: x.log_softmax(0)[:1], [[-inf, -inf]], [nan], [[nan, nan]]),
    "log_softmax of infinity": (lambda x: x.log_softmax(0)[:1], [[inf, 1.0]], [nan], [[nan, nan]]),
    "log_softmax of NaN": (lambda x: x.log_softmax(0)[1:], [[nan, 1.0]], [nan], [[nan, nan]]),
    "cross_entropy": (
        lambda x: functional.cross_entropy(x, [0, 1]),
        [[[0.0, -inf, 1.0], [0.0, 0.0, 0.0]]],
        1.2059369880931663,
        [[[-0.36552928931500245, 0, 0.36552928931500245], [1 / 6, -1 / 3, 1 / 6]]],
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TORCH)
def test_values_and_gradients_at_the_edge_are_pytorchs(name: str) -> None:
    function, inputs, value, gradients = TORCH[name]
    leaves = [leaf(data) for data in inputs]
    y = function(*leaves)
    np.testing.assert_allclose(y.data, value, rtol=1e-14)
    for create_graph in (False, True):
        found = minigrad.grad(y.sum(), leaves, retain_graph=True, create_graph=create_graph)
        for g, expected in zip(found, gradients, strict=True):
            np.testing.assert_allclose(g.data, expected, rtol=1e-14, atol=1e-16)


def test_indices_of_the_largest_with_nan_are_pytorchs() -> None:
    x = minigrad.tensor([[1.0, nan, nan], [2.0, 2.0, 1.0], [-0.0, 0.0, -inf]])
    assert x.argmax(1).tolist() == x.max(1)[1].tolist() == [1, 0, 0]


def test_signs_are_pytorchs() -> None:
    x = minigrad.tensor([nan, -0.0, 0.0, inf, -inf, -1.0])
    assert ops.sign(x).tolist() == [0, 0, 0, 1, -1, -1]
    assert ops.sign(x).dtype == float32
    assert ops.sign(minigrad.tensor([-3, 0, 2])).tolist() == [-1, 0, 1]
    assert ops.sign(minigrad.tensor([True, False])).tolist() == [True, False]


# --- Integers, and what is no number -----------------------------------------------------------------

WHOLE = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64"]


@pytest.mark.parametrize("dtype", WHOLE)
def test_functions_of_integers_have_pytorchs_dtypes(dtype: str) -> None:
    x = minigrad.tensor([[0, 1], [1, 1]], dtype=dtype)
    for function in (ops.exp, ops.sqrt, ops.sin, ops.cos, ops.tanh, ops.sigmoid):
        y = function(x)
        assert y.dtype == float32
        np.testing.assert_array_equal(y.data, function(x.to(float32)).data)
    assert ops.log(x + x[1:]).dtype == float32
    for y in (x.sum(), x.sum(0), x.sum((0, 1)), minigrad.sum(x, 1, keepdim=True)):
        assert y.dtype == ("uint64" if dtype == "uint64" else "int64")
    for y in (x.relu(), x.abs(), x.max(), x.max(0)[0], ops.maximum(x, x), x.clone()):
        assert y.dtype == x.dtype
    losses = [lambda x: functional.mse_loss(x, x), lambda x: functional.cross_entropy(x, [0, 1]), functional.dropout]
    for function in (ops.mean, lambda x: x.mean(0), ops.softmax, ops.log_softmax, *losses):
        with pytest.raises(TypeError, match=rf"takes a floating-point tensor, not one of {dtype}: .*\.float\(\)"):
            function(x)


def test_sums_of_small_integers_do_not_wrap() -> None:
    assert minigrad.full((1000,), 255, dtype="uint8").sum().item() == 255000
    assert minigrad.full((1000, 2), 127, dtype="int8").sum(0).tolist() == [127000, 127000]
    assert minigrad.full((3,), 2**31 - 1, dtype="int32").sum().item() == 3 * (2**31 - 1)
    assert minigrad.tensor([20], dtype="uint8").exp().item() == pytest.approx(math.exp(20))  # NumPy: inf, in float16
    assert minigrad.tensor([3, 250], dtype="uint8").sigmoid().data[0] == np.float32(1 / (1 + math.exp(-3)))


def test_integers_to_negative_powers() -> None:
    whole = minigrad.tensor([1, 2])
    wrong: list[Any] = [
        lambda: whole**-1,
        lambda: whole.pow(-2),
        lambda: whole ** np.int64(-1),
        lambda: whole ** minigrad.tensor([-1, 2]),
        lambda: whole ** np.array([1, -1]),
        lambda: 2 ** minigrad.tensor([-1]),
        lambda: [1, 2] ** minigrad.tensor([-1, 2]),
        lambda: minigrad.tensor([1, 2], dtype="uint8") ** -1,
        lambda: minigrad.tensor([True]) ** -1,
    ]
    for power in wrong:
        with pytest.raises(RuntimeError, match=r"pow: integers to negative integer powers are not integers: .*float"):
            power()
    assert (whole**-1.0).tolist() == [1, 0.5]
    assert (whole.float() ** -1).tolist() == [1, 0.5]
    assert (whole**2).tolist() == (whole ** minigrad.tensor([2, 2])).tolist() == [1, 4]


@pytest.mark.parametrize("dtype", [float32, float64])
def test_lists_beside_a_tensor(dtype: Any) -> None:
    """They are taken for tensors of its dtype, with their gradients right."""
    x = leaf([2.0, 3.0], dtype)
    other = [0.1, 3]
    t = minigrad.tensor(other, dtype=dtype)
    for op in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b):
        for listed, same in ((op(x, other), op(x, t)), (op(other, x), op(t, x)), (op(tuple(other), x), op(t, x))):
            assert listed.dtype == dtype
            np.testing.assert_array_equal(listed.data, same.data)
            np.testing.assert_array_equal(gradient(listed, x), gradient(same, x))
    for listed, same in (
        (ops.maximum(x, other), ops.maximum(x, t)),
        (minigrad.where([True, False], x, other), minigrad.where(minigrad.tensor([True, False]), x, t)),
        (x @ other, x @ t),
        (other @ x, t @ x),
        (minigrad.cat([x, other]), minigrad.cat([x, t])),
        (minigrad.stack([other, x]), minigrad.stack([t, x])),
        (x.pow(other), x**t),
    ):
        assert listed.dtype == dtype
        np.testing.assert_array_equal(listed.data, same.data)
        np.testing.assert_array_equal(gradient(listed, x), gradient(same, x))
    assert (x == [2.0, 4.0]).tolist() == [True, False]
    assert (x < [3.0, 3.0]).tolist() == [True, False]
    assert minigrad.stack([x[0], 2.0]).dtype == dtype


def test_functions_take_lists() -> None:
    for found, expected in (
        (minigrad.sum([1.0, 2.0]), 3),
        (minigrad.mean([1.0, 2.0]), 1.5),
        (minigrad.exp([0.0]), [1]),
        (minigrad.softmax([1.0, 1.0]), [0.5, 0.5]),
        (minigrad.reshape([1.0, 2.0], 2, 1), [[1], [2]]),
        (minigrad.flatten([[1.0], [2.0]]), [1, 2]),
        (minigrad.maximum([1.0, 2.0], [2.0, 1.0]), [2, 2]),
    ):
        np.testing.assert_array_equal(found, expected)
    assert minigrad.argmax([1.0, 3.0]).item() == 1


class Kept:
    """Knows how to be added to a tensor."""

    def __radd__(self, other: Any) -> str:
        return "kept"


NO_NUMBERS = ["a", None, {1.0}, 1j, object(), fractions.Fraction(1, 2)]
NO_NUMBERS_INSIDE = [np.array([None, 1.0]), np.array(["a", "b"]), [1.0, "a"], [None, 1.0], np.complex128(1)]


OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "matmul": operator.matmul,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operands_that_are_no_numbers(name: str) -> None:
    x, op = t(2), OPERATORS[name]
    for other in NO_NUMBERS:
        told = f"{name}: takes tensors, arrays and numbers, not str" if other == "a" else "unsupported operand"
        if name == "pow" and isinstance(other, fractions.Fraction):
            continue  # it makes a float of itself
        with pytest.raises(TypeError, match=told):
            op(x, other)
        with pytest.raises(TypeError, match=told):
            op(other, x)
        with pytest.raises(TypeError, match=told):
            op(minigrad.tensor(3), other)
    for other in NO_NUMBERS_INSIDE:
        with pytest.raises(TypeError, match=f"{name}: an operand holds"):
            op(x, other)
        with pytest.raises(TypeError, match=f"{name}: an operand holds"):
            op(other, x)


def test_operands_may_have_their_own_idea() -> None:
    assert t(2) + Kept() == "kept"


def test_comparisons_with_what_is_no_number() -> None:
    x = t(2)
    for other in NO_NUMBERS:
        assert (x == other) is False
        assert (x != other) is True
        with pytest.raises(TypeError, match="not supported between"):
            x < other  # noqa: B015
    for other in NO_NUMBERS_INSIDE:
        with pytest.raises(TypeError, match="eq: an operand holds"):
            x == other  # noqa: B015


@pytest.mark.parametrize("other", NO_NUMBERS, ids=lambda other: type(other).__name__)
def test_functions_of_what_is_no_number(other: Any) -> None:
    wrong: list[Any] = [
        lambda: minigrad.maximum(t(2), other),
        lambda: minigrad.maximum(other, t(2)),
        lambda: minigrad.where(t(2) > 0, t(2), other),
        lambda: minigrad.where(t(2) > 0, other, t(2)),
        lambda: minigrad.where(other, t(2), t(2)),
        lambda: minigrad.matmul(t(2), other),
        lambda: minigrad.cat([t(2), other]),
        lambda: minigrad.stack([t(2), other]),
        lambda: minigrad.exp(other),
        lambda: minigrad.sigmoid(other),
        lambda: minigrad.sum(other),
        lambda: minigrad.mean(other),
        lambda: minigrad.softmax(other),
        lambda: minigrad.argmax(other),
        lambda: functional.mse_loss(t(2), other),
        lambda: functional.mse_loss(other, t(2)),
        lambda: functional.cross_entropy(other, [0]),
        lambda: functional.cross_entropy(t(2, 2), other),
        lambda: functional.linear(other, t(2, 2)),
    ]
    for act in wrong:
        with pytest.raises(TypeError, match=r"takes tensors|holds (real )?numbers|input and its weight are tensors"):
            act()


def test_a_tensor_is_no_list_of_tensors() -> None:
    for join in (minigrad.cat, minigrad.stack):
        with pytest.raises(TypeError, match=f"{join.__name__}: takes a list of tensors, not one tensor"):
            join(t(2))
        assert join(each for each in [t(2), t(2)]).numel() == 4


@pytest.mark.parametrize("three", [np.int64(3), np.uint8(3), np.array(3), minigrad.tensor(3)], ids=repr)
def test_shapes_and_axes_are_integers_of_any_kind(three: Any) -> None:
    x = minigrad.arange(6)
    two = three - 1
    for shape in (
        (two, three),
        ((two, three),),
        ([-1, three],),
        (-1, three),
        (np.array([2, 3]),),
        (minigrad.tensor([2, 3]),),
    ):
        assert x.reshape(*shape).shape == x.view(*shape).shape == (2, 3)
    y = t(1, 2, 3, 4)
    assert y.sum(three).shape == (1, 2, 3)
    assert y.sum((three, 0)).shape == (2, 3)
    assert y.argmax(three).shape == (1, 2, 3)
    assert isinstance(three, minigrad.Tensor) or y.max(three)[0].shape == (1, 2, 3)  # a tensor would be compared with
    assert y.softmax(three).shape == (1, 2, 3, 4)
    assert y.transpose(three, 0).shape == (4, 2, 3, 1)
    assert y.flatten(two, three).shape == (1, 2, 12)
    assert minigrad.cat([y, y], three).shape == (1, 2, 3, 8)
    assert minigrad.stack([y, y], three).shape == (1, 2, 3, 2, 4)


@pytest.mark.parametrize("wrong", [1.0, "0", None, True, [0], np.float64(0), np.array([0, 0])], ids=repr)
def test_axes_and_lengths_that_are_no_integers(wrong: Any) -> None:
    x = t(2, 3)
    acts: list[Any] = [
        lambda: x.transpose(0, wrong),
        lambda: x.transpose(wrong, 0),
        lambda: x.flatten(wrong),
        lambda: minigrad.cat([x, x], wrong),
        lambda: minigrad.stack([x, x], wrong),
        lambda: x.sum((wrong,)),
        lambda: x.reshape(6, wrong),
        lambda: x.reshape((6, wrong)),
    ]
    if wrong is not None and not isinstance(wrong, list):
        acts += [lambda: x.sum(wrong), lambda: x.mean(wrong), lambda: x.max(wrong), lambda: x.log_softmax(wrong)]
    for act in acts:
        with pytest.raises(TypeError, match=r"(an axis|the length of an axis) is an integer, not "):
            act()


def test_max_takes_one_axis() -> None:
    with pytest.raises(TypeError, match=r"max: takes one axis, or None for all, not \(0, 1\)"):
        ops.max(t(2, 3), (0, 1))
    with pytest.raises(TypeError, match=r"argmax: an axis is an integer, not \(0, 1\)"):
        minigrad.argmax(t(2, 3), (0, 1))


# --- Sums that keep their digits ---------------------------------------------------------------------

float16 = np.dtype("float16")


def test_float16_is_summed_in_float32() -> None:
    """40000 and 40000 are more than float16 has; their mean is not, and what PyTorch gives."""
    assert minigrad.full((3,), 40000.0, dtype=float16).mean().item() == 40000
    assert minigrad.full((3, 2), 40000.0, dtype=float16).mean(0).tolist() == [40000, 40000]
    assert minigrad.full((2, 3), 40000.0, dtype=float16).mean(1, keepdim=True).tolist() == [[40000], [40000]]
    for total in (minigrad.ones(8193, 2, dtype=float16).sum(0), minigrad.ones(2, 8193, dtype=float16).sum(1)):
        assert total.dtype == float16
        assert total.tolist() == [8192, 8192]  # to the nearest float16; added one by one, it stops at 2048
    x = minigrad.zeros(100_000, dtype=float16, requires_grad=True)
    assert gradient(x.mean(), x)[0] == float16.type(1e-5)
    assert gradient(x.max(), x)[0] == float16.type(1e-5)
    for shape in ((1,), (2,), (1, 2)):
        b = minigrad.zeros(shape, dtype=float16, requires_grad=True)
        g = gradient(b + minigrad.ones(4097, 2, dtype=float16), b)
        assert g.dtype == float16
        np.testing.assert_array_equal(g, np.full(shape, 8192 if shape == (1,) else 4096))
    weight, bias = (minigrad.ones(shape, dtype=float16, requires_grad=True) for shape in ((1, 1), (1,)))
    y = functional.linear(minigrad.ones(4100, 1, dtype=float16), weight, bias)
    np.testing.assert_array_equal(gradient(y, bias), [4100])
    optimizer = minigrad.optim.SGD([bias], lr=1.0)
    functional.linear(minigrad.ones(4100, 1, dtype=float16), weight, bias).sum().backward()
    np.testing.assert_array_equal(optimizer.g, [4100])


def test_softmax_and_losses_of_float16() -> None:
    x = minigrad.zeros(70_000, dtype=float16, requires_grad=True)
    assert x.softmax(0)[:1].tolist() == [1.430511474609375e-05]
    assert x.log_softmax(0)[:1].tolist() == [float16.type(-math.log(70_000))]
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 4
    labels = np.arange(50) % 7
    half, exact = (minigrad.tensor(logits, dtype=dtype, requires_grad=True) for dtype in (float16, float64))
    exact.data[...] = half.data
    squared = np.zeros_like(logits)
    for function in (
        lambda x: x.softmax(1),
        lambda x: x.log_softmax(1),
        lambda x: functional.cross_entropy(x, labels),
        lambda x: functional.cross_entropy(x, labels, reduction="none"),
        lambda x: functional.mse_loss(x, minigrad.tensor(squared, dtype=x.dtype)),
    ):
        y, same = function(half), function(exact)
        assert y.dtype == float16
        np.testing.assert_allclose(y.data, same.data, rtol=6e-4, atol=1e-7)
        g = gradient(y * 8, half)
        assert g.dtype == float16
        np.testing.assert_allclose(g, gradient(same * 8, exact), rtol=2e-3, atol=2e-3)
    assert functional.mse_loss(minigrad.full((3,), 200.0, dtype=float16), np.zeros(3, float16)).item() == 40000
    assert functional.mse_loss(minigrad.tensor([300, 0, 0], dtype=float16), np.zeros(3, float16)).item() == 30000
    large = minigrad.tensor([[0.0, -60000.0]] * 10, dtype=float16)
    assert functional.cross_entropy(large, [1] * 10).item() == 60000


def test_the_same_on_a_gpu(device: str) -> None:
    """What takes another way there than on the CPU."""
    half = minigrad.full((3, 2), 40000.0, dtype=float16, device=device)
    assert half.mean(0).tolist() == [40000, 40000]
    assert half.mean(0).dtype == (half - half).softmax(1).dtype == float16
    whole = minigrad.tensor([200, 100], dtype="uint8", device=device)
    assert (whole.sum().item(), whole.sum().dtype, whole.sigmoid().dtype) == (300, int64, float32)
    with pytest.raises(RuntimeError, match="pow: integers to negative integer powers"):
        whole**-1
    x = minigrad.tensor([1.0, nan, 2.0, -3.0], device=device, requires_grad=True)
    for function, expected in (
        (ops.max, [0, 1, 0, 0]),
        (ops.abs, [1, 0, 1, -1]),
        (lambda x: ops.maximum(x, [1.0, 0.0, 5.0, -5.0]), [0.5, 1, 0, 1]),
        (lambda x: x[2:] ** [2.0, 1.0], [0, 0, 4, 1]),
        (lambda x: [3.0, 2.0] * x[2:] + minigrad.stack([x[2], 0.5]), [0, 0, 4, 2]),
        (lambda x: functional.mse_loss(x[2:], [1, -3], reduction="sum"), [0, 0, 2, 0]),
    ):
        y = function(x)
        assert y.device.type == device
        (g,) = minigrad.grad(y.sum(), x)
        assert g.tolist() == expected
    b = minigrad.zeros(2, dtype=float16, requires_grad=True, device=device)
    (g,) = minigrad.grad((b + minigrad.ones(4097, 2, dtype=float16, device=device)).sum(), b)
    assert g.tolist() == [4096, 4096]


LONG = arrays.LONG + 2**15


@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((LONG, 2), 0),
        ((LONG, 2), -2),
        ((LONG, 1, 3), 0),
        ((1, LONG, 2), 1),
        ((2, LONG // 2, 2), (0, 1)),
        ((LONG // 4, 4, 2), (1, 0)),
        ((2, LONG), 1),
        ((LONG, 2), None),
        ((LONG,), 0),
    ],
)
@pytest.mark.parametrize("value", [0.1, 2.0**-24])
def test_the_error_of_a_sum_does_not_grow_with_its_length(shape: Any, dim: Any, value: float) -> None:
    """The first number is 1: added to it one by one, numbers below its last digit leave no trace."""
    array = np.full(shape, value, np.float32)
    array[(0,) * len(shape)] = 1
    expected = array.sum(dim, dtype=np.float64)
    np.testing.assert_allclose(Tensor(array).sum(dim).data, expected, rtol=1e-6)
    count = array.size / expected.size
    np.testing.assert_allclose(Tensor(array).mean(dim).data, expected / count, rtol=1e-6)
    assert Tensor(array).sum(dim).dtype == float32


def test_long_sums_of_views_and_of_broadcast_gradients() -> None:
    rows = np.full((LONG, 3), 0.1, np.float32)
    expected = rows.sum(0, dtype=np.float64)
    np.testing.assert_allclose(Tensor(rows[:, :2]).sum().data, expected[:2].sum(), rtol=3e-7)
    np.testing.assert_allclose(Tensor(rows[::-1]).sum(0).data, expected, rtol=3e-7)
    np.testing.assert_allclose(Tensor(rows.T).sum(1).data, expected, rtol=3e-7)
    np.testing.assert_allclose(Tensor(np.asfortranarray(rows)).sum(0).data, expected, rtol=3e-7)
    b = leaf([1.0, 2.0, 3.0], float32)
    np.testing.assert_allclose(gradient((b * Tensor(rows)), b), expected, rtol=3e-7)
    weight = leaf(np.ones((3, 2)), float32)
    np.testing.assert_allclose(
        gradient(functional.linear(Tensor(rows[:, :2]), weight, b) * Tensor(rows), b), expected, rtol=3e-7
    )
    repeated = np.broadcast_to(rows[0], (20 * LONG, 3))
    np.testing.assert_allclose(Tensor(repeated).sum(0).data, repeated.sum(0, dtype=np.float64), rtol=1e-6)
    half = rows.astype(float16)
    np.testing.assert_allclose(Tensor(half).sum(0).data, half.sum(0, dtype=np.float64), rtol=5e-4)


@pytest.mark.parametrize(
    ("shape", "dim"),
    [((60_000, 100), 0), ((60_000, 10), None), ((200_000, 4), None), ((300, 500, 3), (0, 2)), ((9, 9), 1)],
)
def test_the_sums_of_training_are_numpys_to_the_bit(shape: Any, dim: Any) -> None:
    """The notebook's figures depend on the order of summation."""
    array = np.random.default_rng(0).standard_normal(shape, np.float32)
    np.testing.assert_array_equal(Tensor(array).sum(dim).data, array.sum(dim))


# --- Largest elements --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.array, minigrad.tensor])
def test_max_gives_values_and_indices_of_arrays_and_tensors(make: Any) -> None:
    data = [[1, 5, 2], [7, 0, 3]]
    values, indices = minigrad.max(make(data), 1)
    assert isinstance(values, Tensor)
    assert values.tolist() == [5, 7]
    assert indices.tolist() == [1, 0]
    assert indices.dtype == int64
    values, indices = minigrad.max(make(data), dim=-2, keepdim=True)
    assert values.tolist() == [[7, 5, 3]]
    assert indices.tolist() == [[1, 0, 1]]
    assert minigrad.max(make(data)).item() == 7
    assert minigrad.argmax(make(data)).item() == 3
    assert minigrad.argmax(make(data), 0).tolist() == [1, 0, 1]
    assert minigrad.argmax(make(data), dim=-1).dtype == int64


def test_max_of_a_vector_along_its_axis() -> None:
    x = leaf([1.0, 4.0, 2.0])
    value, index = x.max(0)
    assert value.shape == index.shape == ()
    assert (value.item(), index.item()) == (4, 1)
    np.testing.assert_array_equal(gradient(value, x), [0, 1, 0])


# --- Indexing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(None, None, -2),
        (slice(1, None), None, -1),
        Ellipsis,
        (Ellipsis, 0),
        None,
        (0, 1, 2),
        np.int64(1),
        [0, 0, 2],
        [True, False, True],
        np.array([2, -1, 2, 2]),
        (np.array([[0], [2]]), slice(None), np.array([0, 0])),
        (np.array([0, 0, 1]), np.array([1, 1, 0])),
        (slice(None), np.array([True, False, True, False])),
    ],
    ids=str,
)
def test_indexing_is_numpys_and_repeats_add_up(index: Any) -> None:
    data = np.random.default_rng(0).standard_normal((3, 4, 5))
    x = leaf(data)
    y = x[index]
    np.testing.assert_array_equal(y.data, data[index])
    weights = np.random.default_rng(1).standard_normal(y.shape)
    (y * weights).sum().backward()
    expected = np.zeros(data.shape)
    np.add.at(expected, index, weights)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14)


def test_indexing_with_tensors() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert x[minigrad.tensor([2, 0])].tolist() == [[5, 6], [1, 2]]
    assert x[minigrad.arange(3), minigrad.tensor([0, 1, 0])].tolist() == [1, 4, 5]
    assert x[x > 2.5].tolist() == [3, 4, 5, 6]
    assert x[minigrad.tensor(1)].tolist() == [3, 4]
    np.testing.assert_array_equal(gradient(x[x > 2.5] * 2, x), [[0, 0], [2, 2], [2, 2]])


def test_indexing_with_an_empty_list() -> None:
    x = leaf([[1.0, 2.0]])
    assert x[[]].shape == (0, 2)


# --- Products and shapes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [
        ((3,), (3,), ()),
        ((3,), (3, 4), (4,)),
        ((2, 3), (3,), (2,)),
        ((2, 3), (3, 4), (2, 4)),
        ((5, 2, 3), (3,), (5, 2)),
        ((3,), (5, 3, 4), (5, 4)),
        ((5, 2, 3), (3, 4), (5, 2, 4)),
        ((5, 1, 2, 3), (6, 3, 4), (5, 6, 2, 4)),
        ((0,), (0,), ()),
        ((2, 0), (0, 3), (2, 3)),
    ],
)
def test_shapes_of_matrix_products(a: Any, b: Any, shape: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    for product in (Tensor(x) @ Tensor(y), Tensor(x) @ y, x @ Tensor(y)):
        assert product.shape == shape
        np.testing.assert_allclose(product.data, x @ y, rtol=1e-13)


def test_view_and_reshape_take_numbers_or_a_tuple() -> None:
    x = minigrad.arange(6)
    for shape in ((2, 3), (3, -1), (1, 6), (-1,)):
        expected = np.arange(6).reshape(shape).tolist()
        assert x.view(*shape).tolist() == x.view(shape).tolist() == expected
        assert x.reshape(*shape).tolist() == minigrad.reshape(x, shape).tolist() == expected
    assert minigrad.tensor(5.0).reshape(1, 1).shape == (1, 1)
    assert minigrad.tensor([5.0]).reshape(()).shape == ()


def test_flatten_joins_axes() -> None:
    x = minigrad.zeros(2, 3, 4, 5)
    assert x.flatten().shape == (120,)
    assert x.flatten(1).shape == (2, 60)
    assert x.flatten(1, 2).shape == (2, 12, 5)
    assert x.flatten(-2).shape == (2, 3, 20)
    assert x.flatten(-3, -2).shape == (2, 12, 5)
    assert minigrad.tensor(1.0).flatten().shape == (1,)


def test_where_gives_a_tensor_when_any_argument_is_one() -> None:
    condition = minigrad.tensor([True, False])
    chosen = minigrad.where(condition, 1.0, 0.0)
    assert isinstance(chosen, Tensor)
    assert chosen.tolist() == [1, 0]
    assert chosen.dtype == float32  # Python floats alone, as everywhere
    assert minigrad.where(condition, 1, 0).dtype == int64
    assert minigrad.where(condition, 0.1, np.ones(2)).tolist() == [0.1, 1]
    assert minigrad.where(np.array([True, False]), leaf([1.0, 2.0]), 0.0).tolist() == [1, 0]


def test_tensors_by_keyword_are_inputs_like_any_other() -> None:
    """PyTorch's spelling linear(x, weight, bias=b): the bias must not drop out of the graph."""
    x, w, b = leaf(np.ones((2, 3))), leaf(np.ones((4, 3))), leaf(np.arange(4.0))
    y = functional.linear(x, w, bias=b)
    np.testing.assert_array_equal(y.data, [[3, 4, 5, 6]] * 2)
    np.testing.assert_array_equal(gradient(y, b), [2, 2, 2, 2])


def test_settings_by_keyword_leave_the_others_at_their_defaults() -> None:
    @operation(lambda g, y, a, factor=2.0, shift=1.0: g * factor)
    def line(a: Any, factor: float = 2.0, shift: float = 1.0) -> Any:
        return a * factor + shift

    x = leaf([1.0, 2.0])
    assert line(x, shift=5.0).tolist() == [7, 9]
    assert line(a=x, factor=3.0).tolist() == [4, 7]
    np.testing.assert_array_equal(gradient(line(shift=5.0, a=x), x), [2, 2])
    with pytest.raises(TypeError, match="scale"):
        line(x, scale=1.0)


@pytest.mark.parametrize("combine", [ops.add, ops.mul, ops.pow, ops.maximum])
def test_a_tensor_by_keyword_is_never_lost_silently(combine: Any) -> None:
    a, b = leaf([2.0, 3.0]), leaf([3.0, 2.0])
    try:
        y = combine(a, b=b)
    except TypeError:
        return
    assert isinstance(y.data, np.ndarray)
    np.testing.assert_array_equal(gradient(y, b), gradient(combine(a, b), b))


# --- Wrong use ---------------------------------------------------------------------------------------

t = minigrad.zeros


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: t(2, 3) + t(4), r"add: shapes \(2, 3\) and \(4,\)"),
        (lambda: t(2, 3) - t(3, 3), r"sub: shapes \(2, 3\) and \(3, 3\)"),
        (lambda: t(2, 3) * np.zeros(2), r"mul: shapes \(2, 3\) and \(2,\)"),
        (lambda: np.zeros(2) / t(2, 3), r"div: shapes \(2,\) and \(2, 3\)"),
        (lambda: t(2, 3) ** t(2), r"pow: shapes \(2, 3\) and \(2,\)"),
        (lambda: t(2, 3) < t(2), r"lt: .*\(2, ?3\).*\(2,\)"),
        (lambda: t(2, 3) == t(2), r"eq: .*\(2, ?3\).*\(2,\)"),
        (lambda: ops.maximum(t(2), t(3)), r"maximum: shapes \(2,\) and \(3,\)"),
        (lambda: minigrad.where(np.ones(4, bool), t(2), t(2)), r"where: .*\(2,\).*\(4,\)"),
        (lambda: t(2, 3) @ t(2, 3), r"matmul: shapes \(2, 3\) and \(2, 3\)"),
        (lambda: t(2, 3) @ t(2), r"matmul: shapes \(2, 3\) and \(2,\)"),
        (lambda: t(3) @ t(2, 3), r"matmul: shapes \(3,\) and \(2, 3\)"),
        (lambda: t(()) @ t(2), r"matmul: shapes \(\) and \(2,\)"),
        (lambda: t(2, 1, 3) @ t(4, 3, 3), r"matmul: shapes \(2, 1, 3\) and \(4, 3, 3\)"),
        (lambda: t(2, 3).view(4), r"reshape: 6 elements of shape \(2, 3\).*\(4,\)"),
        (lambda: t(2, 3).view(4, -1), r"reshape: .*\(2, 3\)"),
        (lambda: t(2, 3).view(-1, -1), r"reshape: .*\(2, 3\)"),
        (lambda: t(2, 3).transpose(0, 2), r"transpose: .*\(2, 3\)"),
        (lambda: ops.broadcast_to(t(2, 3), (2, 4)), r"broadcast_to: .*\(2, 3\)"),
        (lambda: t(2, 3).sum(dim=2), r"sum: .*\(2, 3\) has no axis 2"),
        (lambda: t(2, 3).sum(dim=(0, -3)), r"sum: .*\(2, 3\) has no axis -3"),
        (lambda: t(2, 3).sum(dim=(0, 0)), r"sum: .*\(2, 3\)"),
        (lambda: t(2, 3).mean(dim=-3), r"mean: .*\(2, 3\) has no axis -3"),
        (lambda: t(0, 3).mean(), r"mean: .*\(0, 3\) has no elements"),
        (lambda: t(0, 3).mean(0), r"mean: .*\(0, 3\) has no elements .* along 0"),
        (lambda: t(0, 3).max(), r"max: .*\(0, 3\) has no element"),
        (lambda: t(0, 3).max(dim=0), r"max: .*\(0, 3\) has no element along 0"),
        (lambda: t(2, 3).max(dim=2), r"max: .*\(2, 3\) has no axis 2"),
        (lambda: t(2, 3).argmax(dim=2), r"argmax: .*\(2, 3\) has no axis 2"),
        (lambda: t(0, 3).argmax(), r"argmax: .*\(0, 3\)"),
        (lambda: t(2, 3).softmax(2), r"softmax: .*\(2, 3\) has no axis 2"),
        (lambda: t(2, 3).any(dim=4), "any: .*4"),
        (lambda: t(2, 3, 4).flatten(2, 1), r"flatten: .*\(2, 3, 4\).*2.*1"),
        (lambda: t(2, 3).flatten(0, 5), r"flatten: .*\(2, 3\).*5"),
        (lambda: minigrad.cat([t(2, 3), t(2, 4)]), r"cat: shapes \(2, 3\) and \(2, 4\)"),
        (lambda: minigrad.cat([t(2, 3)], dim=2), r"cat: .*\(2, 3\)"),
        (lambda: minigrad.stack([t(2), t(3)]), r"stack: .*\(2,\) and \(3,\)"),
        (lambda: minigrad.stack([t(2), t(2)], dim=2), r"stack: .* axis 2 .*\(2,\)"),
        (lambda: functional.linear(t(2, 3), t(5, 4)), r"linear: .*\(2, 3\).*\(5, 4\)"),
        (lambda: functional.linear(t(2, 3), t(3)), r"linear: .*\(2, 3\).*\(3,\)"),
        (lambda: functional.linear(t(2, 3), t(5, 3), t(4)), r"linear: bias of shape \(4,\).*\(5, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(wrong: Any, told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        wrong()


@pytest.mark.parametrize("join", [minigrad.cat, minigrad.stack])
def test_nothing_to_join(join: Any) -> None:
    with pytest.raises(ValueError, match=f"{join.__name__}: there are no tensors to join"):
        join([])


@pytest.mark.parametrize("index", [3, (0, 5), np.array([0, 7]), (0, 0, 0), 1.5, "a"], ids=str)
def test_indices_that_do_not_fit(index: Any) -> None:
    with pytest.raises(IndexError, match=r"index .* does not fit a tensor of shape \(2, 3\)"):
        t(2, 3)[index]


@pytest.mark.parametrize("number", [3, 3.0, -1])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_a_matrix_product_with_a_number(shape: tuple[int, ...], number: float) -> None:
    for product in (
        lambda a: a @ number,
        lambda a: number @ a,
        lambda a: a.matmul(number),
        lambda a: ops.matmul(number, a),
    ):
        with pytest.raises(TypeError, match=r"^matmul: both sides must have axes; to multiply by a number write \*$"):
            product(t(*shape))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 2, 3)])
def test_a_matrix_product_with_a_tensor_without_axes(shape: tuple[int, ...]) -> None:
    scalar = minigrad.tensor(2.0)
    with pytest.raises(ShapeError, match=rf"^matmul: shapes {re.escape(str(shape))} and \(\) do not fit$"):
        t(*shape) @ scalar
    with pytest.raises(ShapeError, match=rf"^matmul: shapes \(\) and {re.escape(str(shape))} do not fit$"):
        scalar @ t(*shape)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (2, 3)), ((3,), (2, 3)), ((2, 3), (2,)), ((3,), (2,)), ((4, 2, 3), (4, 2, 3))]
)
def test_a_matrix_product_of_shapes_that_do_not_fit(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=re.escape(f"matmul: shapes {left} and {right} do not fit")):
        t(*left) @ t(*right)
