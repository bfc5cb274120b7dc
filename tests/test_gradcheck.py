"""gradcheck, held to what it is for: right gradients pass, wrong ones of every kind are found and named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import OPERATIONS

import minigrad
from minigrad import GradcheckError, Tensor, gradcheck, ops
from minigrad.operation import operation


def points(*shapes: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(3)
    return [Tensor(rng.uniform(0.5, 1.5, shape), requires_grad=True) for shape in shapes]


def square(vjp: Callable[..., Any]) -> Callable[..., Any]:
    """x**2 with a backward of the test's own."""

    @operation(vjp)
    def squared(a: Any) -> Any:
        return a * a

    return squared


def scaled(vjp_a: Callable[..., Any], vjp_b: Callable[..., Any]) -> Callable[..., Any]:
    """a * b, where b is broadcast along the rows of a, with a backward of the test's own."""

    @operation(vjp_a, vjp_b)
    def product(a: Any, b: Any) -> Any:
        return a * b

    return product


def right_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    return g * b


def right_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    return g * a


# --- What is right passes ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=3)
@given(data=st.data())
def test_the_operations_pass(name: str, data: st.DataObject) -> None:
    case = data.draw(OPERATIONS[name])
    inputs = [Tensor(array, requires_grad=True) for array in case.arrays]
    assert gradcheck(case.function, inputs, second=True) is True


def test_right_ones_of_ones_own_pass() -> None:
    assert gradcheck(square(lambda g, y, a: 2 * g * a), points((2, 3)), second=True)
    assert gradcheck(scaled(right_a, right_b), points((2, 3), (3,)), second=True)


def test_one_tensor_need_not_stand_in_a_list() -> None:
    (x,) = points((3,))
    assert gradcheck(ops.exp, x)
    assert x.grad is None


def test_inputs_that_want_no_gradient_are_left_alone() -> None:
    (a,) = points((2, 3))
    b = Tensor(np.array([1.0, 2.0, 3.0]))
    wrong_b = scaled(right_a, lambda g, y, a, b: -g * a)
    assert gradcheck(wrong_b, [a, b])
    labels = Tensor(np.array([0, 2]))
    assert gradcheck(minigrad.nn.functional.cross_entropy, [a, labels])


# --- What is wrong does not --------------------------------------------------------------------------


def one_sign_wrong(g: Any, y: Any, a: Any) -> Any:
    signs = np.ones(a.shape)
    signs[1, 2] = -1
    return 2 * g * a * signs


def detached(x: Tensor) -> Any:
    return x.detach() * x


WRONG: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], int]] = {
    "wrong factor": (square(lambda g, y, a: g * a), [(2, 3)], 0),
    "slightly wrong factor": (square(lambda g, y, a: 2.002 * g * a), [(2, 3)], 0),
    "wrong sign": (square(lambda g, y, a: -2 * g * a), [(2, 3)], 0),
    "wrong sign in one element": (square(one_sign_wrong), [(2, 3)], 0),
    "no gradient": (square(lambda g, y, a: 0 * g * a), [(2, 3)], 0),
    "nan": (square(lambda g, y, a: 2 * g * a * float("nan")), [(2, 3)], 0),
    "cotangent left out": (square(lambda g, y, a: 2 * a), [(2, 3)], 0),
    "a constant added": (square(lambda g, y, a: 2 * g * a + 0.01), [(2, 3)], 0),
    "half of it cut from the tape": (detached, [(2, 3)], 0),
    "all of it cut from the tape": (lambda x: x.detach() * 2, [(2, 3)], 0),
    "missing broadcast sum": (scaled(right_a, lambda g, y, a, b: (g * a)[0]), [(2, 3), (3,)], 1),
    "broadcast mean for the sum": (scaled(right_a, lambda g, y, a, b: (g * a).mean(0)), [(2, 3), (3,)], 1),
    "inputs confused": (scaled(right_b, right_a), [(3,), (3,)], 0),
    "elements confused": (square(lambda g, y, a: (2 * g * a)[::-1]), [(3,)], 0),
    "a scalar": (square(lambda g, y, a: 3 * g * a), [()], 0),
    "one element": (square(lambda g, y, a: 3 * g * a), [(1, 1)], 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_planted_fault_is_found(name: str) -> None:
    function, shapes, culprit = WRONG[name]
    inputs = points(*shapes)
    with pytest.raises(
        GradcheckError, match=rf"^gradient of input {culprit} \(shape {re.escape(str(shapes[culprit]))}\)"
    ):
        gradcheck(function, inputs)


def test_the_message_has_input_place_both_values_and_the_error() -> None:
    x = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    wrong = scaled(right_a, lambda g, y, a, b: 3 * g * a)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, [x, Tensor(np.array([5.0, 0.5]), requires_grad=True)], directions=0)
    found = re.fullmatch(
        r"gradient of input 1 \(shape \(2,\)\) at element \(0,\): "
        r"backward says (\S+), finite differences (\S+), off by (\S+)",
        str(caught.value),
    )
    assert found is not None
    ours, theirs, off = map(float, found.groups())
    assert ours == pytest.approx(3 * theirs, rel=1e-6)
    assert off == pytest.approx(2 * theirs, rel=1e-2)
    assert 0.5 * 3 <= theirs <= 1.5 * 3  # x[0] times a cotangent from 0.5 to 1.5


def test_a_fault_is_seen_from_a_random_direction_too() -> None:
    with pytest.raises(GradcheckError, match="along random direction 0"):
        gradcheck(square(lambda g, y, a: g * a), points((2, 3)))


def test_a_single_wrong_element_among_many_is_found() -> None:
    def wrong(g: Any, y: Any, a: Any) -> Any:
        factors = np.full(a.shape, 2.0)
        factors[7, 3] = 2.001
        return g * a * factors

    with pytest.raises(GradcheckError, match=r"at element \(7, 3\)"):
        gradcheck(square(wrong), points((10, 10)))


# --- Second derivatives ------------------------------------------------------------------------------


def frozen_slope(g: Any, y: Any, a: Any) -> Any:
    """The right values, cut from the tape: its own derivative comes out too small."""
    return 2 * g * (a.detach() if isinstance(a, Tensor) else a)


def wrong_slope(g: Any, y: Any, a: Any) -> Any:
    """Right on arrays; on tensors with a term whose value is zero and whose derivative is not."""
    return 2 * g * a + (g * (a - a.detach()) if isinstance(a, Tensor) else 0)


@pytest.mark.parametrize("vjp", [frozen_slope, wrong_slope])
def test_a_second_derivative_that_alone_is_wrong(vjp: Callable[..., Any]) -> None:
    function, inputs = square(vjp), points((2, 3))
    assert gradcheck(function, inputs)
    with pytest.raises(GradcheckError, match=r"^second derivative of input 0 \(shape \(2, 3\)\)"):
        gradcheck(function, inputs, second=True)


def test_a_second_derivative_wrong_across_inputs() -> None:
    """a * b: each slope is linear in the other input, and that is where it is cut."""
    cut = scaled(lambda g, y, a, b: g * (b.detach() if isinstance(b, Tensor) else b), right_b)
    inputs = points((2, 3), (3,))
    assert gradcheck(cut, inputs)
    with pytest.raises(GradcheckError, match=r"^second derivative of input 1"):
        gradcheck(cut, inputs, second=True)


def test_linear_functions_have_second_derivatives_zero() -> None:
    assert gradcheck(lambda a, b: 2 * a - b, points((2, 3), (3,)), second=True)
    assert gradcheck(lambda a: a, points((2,)), second=True)


# --- Wrong use ---------------------------------------------------------------------------------------


def test_float32_is_refused() -> None:
    x = minigrad.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="input 0 must be float64, not float32"):
        gradcheck(ops.exp, x)


def test_there_must_be_something_to_check() -> None:
    with pytest.raises(ValueError, match="no input requires gradients"):
        gradcheck(ops.exp, Tensor(np.ones(2)))


def test_tolerances_and_eps_count() -> None:
    slightly = square(lambda g, y, a: 2.002 * g * a)
    assert gradcheck(slightly, points((3,)), rtol=1e-2)
    assert gradcheck(slightly, points((3,)), atol=1.0)
    with pytest.raises(GradcheckError):  # with so wide a step a cube's slope is off by eps**2
        gradcheck(lambda x: x**3, points((3,)), eps=0.5)
