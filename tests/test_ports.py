"""Functions that PyTorch scripts use besides layers and optimizers: PyTorch's values, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from record_ports import DATA, GRADIENTS, INITIALIZED, computed

import minigrad
from minigrad import ShapeError, autograd, nn, optim
from minigrad.autograd import functional
from minigrad.nn import init, utils

RECORDED = np.load(DATA)


@pytest.fixture(scope="module")
def mine() -> dict[str, np.ndarray]:
    return computed(minigrad)


@pytest.mark.parametrize("name", sorted(set(RECORDED) - {"about"} - {n for n in RECORDED if n.startswith("init/")}))
def test_values_are_pytorchs(name: str, mine: dict[str, np.ndarray]) -> None:
    assert mine[name].shape == RECORDED[name].shape
    np.testing.assert_allclose(mine[name], RECORDED[name], rtol=1e-13, atol=1e-15)


def test_everything_is_recorded(mine: dict[str, np.ndarray]) -> None:
    assert set(mine) | {f"init/{name}" for name in INITIALIZED} | {"about"} == set(RECORDED)


def test_initial_values_are_pytorchs_from_the_same_seed() -> None:
    minigrad.manual_seed(7)
    for name, (function, shape, arguments) in INITIALIZED.items():
        weight = minigrad.zeros(shape, requires_grad=True)
        assert getattr(init, function)(weight, **arguments) is weight
        assert weight.is_leaf
        got, wanted = weight.detach().numpy(), RECORDED[f"init/{name}"]
        if "normal" in function:  # it takes a logarithm and a cosine, whose last bits differ
            np.testing.assert_allclose(got, wanted, rtol=3e-6, atol=3e-7, err_msg=name)
        else:
            np.testing.assert_array_equal(got, wanted)


def test_a_parameter_of_an_optimizer_keeps_its_place_and_is_changed() -> None:
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    init.ones_(layer.weight)
    init.zeros_(layer.bias)
    assert optimizer.theta.tolist() == [1] * 6 + [0] * 2
    utils.vector_to_parameters(minigrad.arange(8.0), layer.parameters())
    assert optimizer.theta.tolist() == list(range(8))
    assert layer.bias.tolist() == [6, 7]
    np.testing.assert_array_equal(utils.parameters_to_vector(layer.parameters()).detach().numpy(), np.arange(8.0))


def test_clipped_gradients_are_what_the_optimizer_steps_with() -> None:
    layer = nn.Linear(4, 2)
    unused = minigrad.zeros(3, requires_grad=True)
    optimizer = optim.SGD([*layer.parameters(), unused], lr=1.0)
    before = optimizer.theta.copy()
    (layer(minigrad.ones(5, 4)) ** 2).sum().backward()
    norm = utils.clip_grad_norm_([*layer.parameters(), unused], 0.5).item()
    assert norm > 0.5
    optimizer.step()
    assert np.linalg.norm(optimizer.theta - before) == pytest.approx(0.5, rel=1e-5)
    (p,) = [minigrad.tensor(np.zeros(2), requires_grad=True)]
    p.grad = minigrad.tensor(GRADIENTS[1])
    shown = p.grad
    utils.clip_grad_norm_(p, 1.0)
    assert np.linalg.norm(shown.numpy()) == pytest.approx(1.0, rel=1e-6)
    assert utils.clip_grad_norm_([unused], 1.0).item() == 0


def test_gradients_that_are_not_finite() -> None:
    p = minigrad.zeros(2, requires_grad=True)
    p.grad = minigrad.tensor([np.inf, 1.0])
    with pytest.raises(RuntimeError, match="norm of the gradients is inf"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [np.inf, 1.0]


def test_a_jacobian_and_a_hessian_can_be_differentiated() -> None:
    x = minigrad.tensor(np.array([0.5, 2.0]), requires_grad=True)
    functional.jacobian(lambda a: a**3, x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.detach().numpy())
    x.grad = None
    functional.hessian(lambda a: (a**4).sum(), x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 24 * x.detach().numpy())
    x.grad = None
    assert not functional.jacobian(lambda a: a**3, x).requires_grad
    assert x.grad is None


def test_what_does_not_depend_on_the_input_has_zero_derivatives() -> None:
    x = minigrad.tensor([1.0, 2.0])
    assert functional.jacobian(lambda a: minigrad.tensor([3.0]), x).tolist() == [[0, 0]]
    assert functional.hessian(lambda a: a.sum(), x).tolist() == [[0, 0], [0, 0]]
    assert functional.hvp(lambda a: a.sum(), x, minigrad.ones(2))[1].tolist() == [0, 0]
    assert functional.hvp(lambda a: a**2, minigrad.tensor(3.0))[1].item() == 2


def test_backward_of_several_tensors_adds_up() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    autograd.backward([y.sum(), (y**2).sum()])
    np.testing.assert_allclose(x.grad.numpy(), 2 + 8 * x.detach().numpy())
    x.grad = None
    autograd.backward(x * 3, minigrad.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [3, 30]
    x.grad = None
    autograd.backward([x * 1, x.sum()], [minigrad.tensor([1.0, 1.0]), None])
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.xavier_uniform_(minigrad.zeros(3)), ShapeError, r"xavier_uniform_: .* two axes.*\(3,\)"),
        (lambda: init.kaiming_normal_(minigrad.zeros(3, 2), mode="fan"), ValueError, "fan_in or fan_out"),
        (lambda: init.calculate_gain("swish"), ValueError, "no gain is known for 'swish'"),
        (lambda: utils.vector_to_parameters(minigrad.zeros(3), [minigrad.zeros(2)]), ShapeError, r"\(3,\) for 2"),
        (
            lambda: functional.hessian(lambda a: a * 2, minigrad.zeros(2)),
            ShapeError,
            r"one number, not the shape \(2,\)",
        ),
        (lambda: functional.hvp(lambda a: a.sum(), minigrad.zeros(2)), ShapeError, "v is needed"),
        (
            lambda: functional.hvp(lambda a: a.sum(), minigrad.zeros(2), minigrad.zeros(3)),
            ShapeError,
            "v has the shapes",
        ),
        (lambda: autograd.backward([minigrad.zeros(1), minigrad.zeros(1)], minigrad.ones(1)), ValueError, "2 tensors"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_gradients_that_an_optimizer_holds_are_clipped_as_one_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, apart = nn.Linear(4, 2), nn.Linear(4, 2)
    utils.vector_to_parameters(utils.parameters_to_vector(layer.parameters()).detach(), apart.parameters())
    optimizer = optim.SGD(layer.parameters(), lr=1.0)
    x = minigrad.arange(20.0).reshape(5, 4)
    seen: list[tuple[int, ...]] = []
    norm = utils._norm
    monkeypatch.setattr(utils, "_norm", lambda a, kind: seen.append(a.shape) or norm(a, kind))
    for module in (layer, apart):
        (module(x) ** 2).sum().backward()
        utils.clip_grad_norm_(module.parameters(), 2.0)
    assert seen[0] == optimizer.theta.shape == (10,)
    assert seen[1:] == [(2, 4), (2,), (2,)]
    for p, q in zip(layer.parameters(), apart.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6)
    (layer(x) ** 2).sum().backward()  # gradients that were read are tensors of their own
    assert utils.clip_grad_norm_(layer.parameters(), 2.0).item() > 2
