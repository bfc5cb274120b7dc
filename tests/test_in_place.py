"""Changes in place: where they are allowed, what they change, and the sentence where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, functions, nn, optim

IN_PLACE = sorted(name for name in functions.METHODS if name.endswith("_") and not name.startswith("_"))
IN_PLACE.remove("fill_diagonal_")  # of matrices; below
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "add_": (1.0,),
    "sub_": (1.0,),
    "mul_": (2.0,),
    "div_": (2.0,),
    "pow_": (2,),
    "clamp_": (0.6, 0.9),
    "copy_": (0.5,),
    "fill_": (0.5,),
    "lerp_": (2.0, 0.5),
    "addcmul_": (2.0, 3.0),
    "addcdiv_": (2.0, 4.0),
    "masked_fill_": ([True, False], 3.0),
    "random_": (3, 9),
    "scatter_": (0, np.array([1]), 5.0),
}


def test_there_are_many() -> None:
    assert len(IN_PLACE) > 30


@pytest.mark.parametrize("name", [*IN_PLACE, "__setitem__"])
def test_it_changes_the_memory_and_is_refused_where_it_would_be_recorded(name: str) -> None:
    arguments = (0, 5.0) if name == "__setitem__" else ARGUMENTS.get(name, ())

    def change(a: Tensor) -> Any:
        return getattr(a, name)(*arguments)

    x = minigrad.tensor([0.7, 1.6])
    view = x[:]
    returned = change(x)
    assert returned is x or name == "__setitem__"
    assert view.tolist() == x.tolist()
    assert name in ("abs_", "relu_") or x.tolist() != pytest.approx([0.7, 1.6], abs=1e-12)

    leaf = minigrad.tensor([0.7, 1.6], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"would change a leaf that requires gradients \(shape \(2,\)\)"):
        change(leaf)
    result = leaf * 1
    with pytest.raises(RuntimeError, match="would change the result of a recorded operation"):
        change(result)
    assert result.tolist() == leaf.tolist() == pytest.approx([0.7, 1.6])
    with minigrad.no_grad():
        change(leaf)
    assert leaf.is_leaf
    assert leaf.requires_grad


def test_the_diagonal_is_filled() -> None:
    x = minigrad.ones(2, 3)
    assert x.fill_diagonal_(5).tolist() == x.tolist() == [[5, 1, 1], [1, 5, 1]]
    with pytest.raises(RuntimeError, match="would change a leaf"):
        minigrad.ones(2, 2, requires_grad=True).fill_diagonal_(0)
    with pytest.raises(ShapeError, match=r"takes a matrix, not the shape \(2,\)"):
        minigrad.ones(2).fill_diagonal_(0)
    with pytest.raises(ValueError, match="there is no integer from 0 up to"):
        minigrad.ones(2).random_()


def test_values_that_require_gradients_are_not_written() -> None:
    w = minigrad.ones(2, requires_grad=True)
    x = minigrad.zeros(3)
    for call in (lambda: x.__setitem__(slice(0, 2), w), lambda: x.add_(w.sum()), lambda: x.copy_(w.sum())):
        with pytest.raises(RuntimeError, match=r"values that require gradients .* detach\(\) them"):
            call()
    x[:2] = w.detach()
    assert x.tolist() == [1, 1, 0]


def test_a_change_after_an_operation_that_needs_the_values_is_found_by_backward() -> None:
    x, w = minigrad.ones(2), minigrad.ones(2, requires_grad=True)
    y = (x * w).sum()
    x[0] = 5
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    kept = (x.clone() * w).sum()
    x.zero_()
    kept.backward()
    assert w.grad.tolist() == [5, 1]


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    x = minigrad.zeros(2)
    with pytest.raises(ShapeError, match=r"add_: the result has shape \(2, 2\), the tensor \(2,\)"):
        x.add_(minigrad.ones(2, 2))
    with pytest.raises(ShapeError, match=r"x\[...\] = ...: .*shape \(2,\)"):
        x[:] = minigrad.ones(3)
    with pytest.raises(IndexError, match=r"index 5 does not fit a tensor of shape \(2,\)"):
        x[5] = 1
    with pytest.raises(TypeError, match=r"div_: the result is float32, which the tensor, of int64, cannot hold"):
        minigrad.arange(2).div_(2)
    with pytest.raises(TypeError, match="takes tensors, arrays and numbers, not str"):
        x[0] = "1"
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        minigrad.ones(1).expand(3).fill_(2)
    assert x.tolist() == [0, 0]


def test_hand_written_descent_on_parameters_of_an_optimizer() -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    (layer(minigrad.ones(3, 2)) ** 2).sum().backward()
    before, g = layer.weight.detach().clone(), layer.weight.grad.clone()
    with minigrad.no_grad():
        layer.weight -= 0.5 * layer.weight.grad
        layer.weight.sub_(layer.weight.grad, alpha=0.5)
    layer.weight.grad.zero_()
    np.testing.assert_allclose(optimizer.theta, (before - g).numpy().reshape(-1), rtol=1e-6)
    optimizer.step()
    np.testing.assert_allclose(optimizer.theta, (before - g).numpy().reshape(-1), rtol=1e-6)


def test_gradients_of_results_are_kept_if_asked_for() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = y * y
    y.retain_grad()
    z.sum().backward()
    assert y.grad.tolist() == [6, 12]
    assert z.grad is None
    assert x.grad.tolist() == [18, 36]
    with pytest.raises(RuntimeError, match=r"retain_grad\(\) needs a tensor that requires gradients"):
        minigrad.ones(1).retain_grad()
    x.retain_grad()  # a leaf keeps its gradient anyhow
    (h,) = minigrad.grad((x * 2).sum(), x)
    assert h.tolist() == [2, 2]


def test_modes() -> None:
    x = minigrad.ones(1, requires_grad=True)
    with minigrad.set_grad_enabled(False):
        assert not (x * 2).requires_grad
        with minigrad.set_grad_enabled(True):
            assert (x * 2).requires_grad
    assert minigrad.is_grad_enabled()
    minigrad.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    minigrad.set_grad_enabled(True)
    with minigrad.inference_mode():
        assert not (x * 2).requires_grad
    with minigrad.inference_mode(False):
        assert (x * 2).requires_grad

    @minigrad.inference_mode
    def once(a: Tensor) -> Tensor:
        return a * 2

    @minigrad.inference_mode()
    def twice(a: Tensor) -> Tensor:
        return a * 4

    assert not once(x).requires_grad
    assert not twice(x).requires_grad
    y = x * 2
    assert y.detach_().is_leaf
    assert not y.requires_grad


def test_the_number_of_threads_is_set() -> None:
    pytest.importorskip("threadpoolctl")
    before = minigrad.get_num_threads()
    try:
        minigrad.set_num_threads(1)
        assert minigrad.get_num_threads() == 1
    finally:
        minigrad.set_num_threads(before)
    assert minigrad.get_num_threads() == before
    with pytest.raises(ValueError, match="positive integer, not 0"):
        minigrad.set_num_threads(0)


def test_a_shape_is_not_taken_for_elements() -> None:
    with pytest.raises(TypeError, match=r"Tensor\(2, 3\): takes the elements; of a shape, make empty\(\) or zeros\(\)"):
        minigrad.Tensor(2, 3)
    assert minigrad.FloatTensor(2, 3).shape == (2, 3)
    assert minigrad.Tensor([1, 2]).dtype == minigrad.float32


def test_the_state_of_the_generator_is_kept() -> None:
    assert minigrad.manual_seed(9) is minigrad.random.default_generator
    assert minigrad.initial_seed() == 9
    state = minigrad.get_rng_state()
    first = minigrad.rand(3).tolist()
    minigrad.set_rng_state(state)
    assert minigrad.rand(3).tolist() == first
