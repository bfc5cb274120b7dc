"""A layer's weight is a view of theta, and whatever is done to it, no step is ever lost silently.

Each scene is played twice: by minigrad's optimizers, whose parameters lie in one vector and move house, and by
`Plain`, which keeps an array for each parameter and can lose nothing. They must end at the same values.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import random as python_random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from optimizer_tools import (
    UNUSUAL,
    Plain,
    assert_same,
    flat,
    give,
    optimizer,
    parameters,
    reference,
)

import minigrad as mg
from minigrad import nn, optim

SHAPES = [(2, 3), (4,), (), (0,), (1, 2)]
SIZE = 13
# One that keeps nothing, one that keeps state and counts, and one around another.
NAMES = ["SGD", "Adam", "Lookahead"]
EACH = pytest.mark.parametrize("name", NAMES)


class Scene:
    """Parameters, an optimizer on them, and the plain optimizer beside it."""

    def __init__(self, name: str, shapes: Any = SHAPES, seed: int = 0, hyper: dict[str, Any] | None = None) -> None:
        self.random = np.random.default_rng(seed)
        self.name = name
        self.hyper = UNUSUAL[name] if hyper is None else hyper
        self.params = parameters(self.random.normal(size=sum(int(np.prod(s)) for s in shapes)), shapes)
        self.plain = Plain([p.data for p in self.params], lambda i: reference(name, self.hyper))
        self.run = optimizer(name, self.params, self.hyper)

    def backward(self, missing: Sequence[int] = ()) -> list[np.ndarray | None]:
        """Gradients for all parameters but the missing ones, by the tape: those of sum(c * p) are c."""
        loss, gradients = mg.zeros(dtype=self.params[0].dtype), []
        for i, p in enumerate(self.params):
            c = None if i in missing else self.random.normal(size=p.shape).astype(p.dtype)
            gradients.append(c)
            if c is not None:
                loss = loss + (mg.tensor(c) * p).sum()
        if loss.requires_grad:
            loss.backward()
        return gradients

    def step(self, missing: Sequence[int] = ()) -> None:
        """Both take a step, and arrive at the same place."""
        self.run.zero_grad()
        gradients = self.backward(missing)
        self.run.step()
        self.plain.step(gradients)
        self.check()

    def check(self, tolerance: float = 1e-12) -> None:
        assert_same(self.params, self.plain, tolerance)
        assert np.array_equal(flat(self.params), self.run.theta)
        assert all(np.shares_memory(p.data, self.run.theta) for p in self.params if p.numel())


# --- Views ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_plain_steps(name: str) -> None:
    scene = Scene(name)
    for _ in range(7):
        scene.step()


@EACH
def test_parameters_and_gradients_lie_end_to_end(name: str) -> None:
    scene = Scene(name)
    before = flat(scene.params)
    assert np.array_equal(scene.run.theta, before)
    assert scene.run.theta.shape == (SIZE,)
    scene.backward()
    assert np.array_equal(np.concatenate([p.grad.data.ravel() for p in scene.params]), scene.run.g)
    scene.run.g[:] = 5.0  # what is written to g is in the gradients
    assert all((p.grad.data == 5.0).all() for p in scene.params)
    scene.run.theta[:] = 7.0  # what is written to theta is in the layers
    assert all((p.data == 7.0).all() for p in scene.params)
    assert all(vector.shape == (SIZE,) for vector in scene.run.state_vectors.values())


def test_a_layer_sees_the_step() -> None:
    mg.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    weight, bias = (p.data.copy() for p in (model[2].weight, model[2].bias))
    run = optim.SGD(model.parameters(), lr=0.5)
    x = mg.tensor(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    hidden = model[1](model[0](x)).data
    model(x).sum().backward()
    run.step()
    # The gradient of the sum with respect to the last layer: sums over the rows, of hidden and of 1.
    weight -= np.float32(0.5) * np.tile(hidden.sum(0), (2, 1))
    bias -= np.float32(0.5) * 5
    np.testing.assert_allclose(model[2].weight.data, weight, rtol=1e-5)
    np.testing.assert_allclose(model[2].bias.data, bias, rtol=1e-5)
    again = model[1](model[0](x)).data
    assert np.abs(again - hidden).max() > 1e-2
    np.testing.assert_allclose(model(x).data, again @ weight.T + bias, rtol=1e-5, atol=1e-6)


# --- Moving house --------------------------------------------------------------------------------------


@EACH
def test_an_assignment_to_data(name: str) -> None:
    scene = Scene(name)
    scene.step()
    for i in (0, 2, 4):
        values = scene.random.normal(size=SHAPES[i])
        scene.params[i].data = np.asarray(values)
        scene.plain.values[i][...] = values
        scene.step()
    scene.step()


@EACH
def test_an_assignment_to_data_between_backward_and_step(name: str) -> None:
    scene = Scene(name)
    scene.step()
    for i in range(3):
        scene.run.zero_grad()
        gradients = scene.backward()
        values = scene.random.normal(size=SHAPES[i])
        scene.params[i].data = np.asarray(values)
        scene.plain.values[i][...] = values
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()


@EACH
def test_a_change_of_data_in_place(name: str) -> None:
    scene = Scene(name)
    scene.step()
    scene.params[0].data[...] = 2.0
    scene.plain.values[0][...] = 2.0
    scene.params[1].data *= 3.0
    scene.plain.values[1] *= 3.0
    scene.step()


@EACH
def test_in_place_operators_on_a_parameter(name: str) -> None:
    scene = Scene(name)
    scene.step()
    for moved in (False, True):
        if moved:
            scene.params[0].data = scene.params[0].data.copy()
        with mg.no_grad():
            p = scene.params[0]
            p *= 0.5
            p -= mg.ones(2, 3, dtype=mg.float64)
            p += 0.25
            p /= 2.0
        scene.plain.values[0][...] = (scene.plain.values[0] * 0.5 - 1.0 + 0.25) / 2.0
        scene.step()


@EACH
def test_an_assigned_array_is_not_written_to(name: str) -> None:
    # What was assigned belongs to someone else; the parameter moves back into theta.
    scene = Scene(name)
    mine = np.ones((2, 3))
    scene.params[0].data = mine
    scene.plain.values[0][...] = mine
    scene.step()
    assert np.array_equal(mine, np.ones((2, 3)))


def test_an_array_in_another_order() -> None:
    scene = Scene("Adam")
    scene.step()
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    scene.params[0].data = values
    scene.plain.values[0][...] = values
    scene.step()


class Net(nn.Module):
    """Two layers' worth of parameters for the scenes that need a module."""

    def __init__(self, params: list[mg.Tensor]) -> None:
        for i, p in enumerate(params):
            setattr(self, f"p{i}", nn.Parameter(p.data))


def net_scene(name: str, dtype: Any = np.float64) -> tuple[Scene, Net]:
    scene = Scene(name)
    net = Net([mg.tensor(p.data.astype(dtype)) for p in scene.params])
    scene.params = list(net.parameters())
    scene.plain = Plain([p.data for p in scene.params], lambda i: reference(name, scene.hyper))
    scene.run = optimizer(name, net.parameters(), scene.hyper)
    return scene, net


@EACH
def test_load_state_dict(name: str) -> None:
    scene, net = net_scene(name)
    early = net.state_dict()
    kept = {key: value.data.copy() for key, value in early.items()}
    scene.step()
    scene.step()
    net.load_state_dict(early)
    for value, p in zip(scene.plain.values, kept.values(), strict=True):
        value[...] = p
    scene.check()
    scene.step()
    scene.step()
    assert all(np.array_equal(early[key].data, kept[key]) for key in kept)  # copies, both ways


@EACH
def test_load_state_dict_between_backward_and_step(name: str) -> None:
    scene, net = net_scene(name)
    scene.step()
    early = net.state_dict()
    scene.step()
    scene.run.zero_grad()
    gradients = scene.backward()
    net.load_state_dict(early)
    for value, p in zip(scene.plain.values, early.values(), strict=True):
        value[...] = p.data
    scene.run.step()
    scene.plain.step(gradients)
    scene.check()


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_to_float64(name: str) -> None:
    scene, net = net_scene(name, np.float32)
    for _ in range(4):
        scene.run.zero_grad()
        gradients = scene.backward()
        scene.run.step()
        scene.plain.step(gradients)
    scene.check(1e-5)
    net.to(mg.float64)
    for value, p in zip(scene.plain.values, scene.params, strict=True):
        value[...] = p.data  # from here on both are in float64, but for the state from before
    for _ in range(6):
        scene.run.zero_grad()
        gradients = scene.backward()
        scene.run.step()
        scene.plain.step(gradients)
        scene.check(1e-5)
        assert {p.dtype for p in scene.params} == {scene.run.theta.dtype} == {np.dtype(np.float64)}
    assert all(vector.dtype == np.float64 for vector in scene.run.state_vectors.values())


@EACH
def test_to_float64_between_backward_and_step(name: str) -> None:
    scene, net = net_scene(name, np.float32)
    gradients = scene.backward()
    net.to(mg.float64)
    assert all(p.grad.dtype == np.float64 for p in scene.params)
    scene.run.step()
    scene.plain.step(gradients)
    scene.check(1e-6)


@EACH
def test_the_first_gradient_after_a_move_is_of_the_new_type(name: str) -> None:
    # The optimizer still has its float32 vectors then: only the next step rebuilds them.
    layer = nn.Linear(3, 2)
    run = optimizer(name, layer.parameters(), UNUSUAL[name])
    layer.to(mg.float64)
    x = np.random.default_rng(0).normal(size=(5, 3))
    layer(mg.tensor(x)).sum().backward()
    expected = {"weight": np.tile(x.sum(0), (2, 1)), "bias": np.full(2, 5.0)}
    for key, p in layer.named_parameters():
        assert p.grad.dtype == np.float64
        np.testing.assert_allclose(p.grad.data, expected[key], rtol=1e-14)
    run.step()
    np.testing.assert_allclose(run.g, np.concatenate([expected["weight"].ravel(), expected["bias"]]), rtol=1e-14)


def test_moving_a_part_of_the_parameters_is_told_at_every_step() -> None:
    scene = Scene("Momentum")
    scene.step()
    scene.params[1].data = scene.params[1].data.astype(np.float32)
    for _ in range(2):
        give(scene.params, np.ones(SIZE))
        with pytest.raises(
            TypeError, match="Momentum: all parameters must have one dtype and device, not float32 on cpu"
        ):
            scene.run.step()
    scene.params[1].data = scene.params[1].data.astype(np.float64)
    scene.plain.values[1][...] = scene.params[1].data
    scene.step()


@pytest.mark.parametrize("name", ["Momentum", "Adam", "Ranger"])
def test_another_shape_is_told_at_every_step(name: str) -> None:
    # The state has no meaning for it. Told once and then stepping on dead copies would be worst of all.
    scene = Scene(name)
    scene.step()
    scene.params[1].data = np.zeros((2, 2))
    for _ in range(2):
        before = flat(scene.params)
        give(scene.params, np.ones(SIZE))
        with pytest.raises(ValueError, match=r"parameter 1 had shape \(4,\) and now has \(2, 2\)"):
            scene.run.step()
        assert np.array_equal(flat(scene.params), before)


# --- Several optimizers on the same parameters ---------------------------------------------------------

OTHERS = {
    "same order": [0, 1, 2, 3, 4],
    "other order": [4, 2, 0, 1, 3],
    "the first": [0],
    "a part": [1, 2],
    "a part in another order": [4, 0],
}


@EACH
@pytest.mark.parametrize("others", OTHERS)
def test_a_second_optimizer_in_turn_with_the_first(name: str, others: str) -> None:
    scene = Scene(name)
    scene.step()
    chosen = OTHERS[others]
    mine = [scene.params[i] for i in chosen]
    second = optimizer("RMSprop", mine, UNUSUAL["RMSprop"])
    second_plain = Plain([scene.plain.values[i] for i in chosen], lambda i: reference("RMSprop", UNUSUAL["RMSprop"]))
    second_plain.values = [scene.plain.values[i] for i in chosen]  # the same arrays
    for turn in (0, 1, 1, 0, 0, 1, 0):
        scene.run.zero_grad()
        gradients = scene.backward()
        if turn:
            second.step()
            second_plain.step([gradients[i] for i in chosen])
        else:
            scene.run.step()
            scene.plain.step(gradients)
        assert_same(scene.params, scene.plain)
    # Both on one and the same gradient.
    gradients = scene.backward(missing=range(5))
    scene.run.zero_grad()
    gradients = scene.backward()
    scene.run.step()
    second.step()
    scene.plain.step(gradients)
    second_plain.step([gradients[i] for i in chosen])
    assert_same(scene.params, scene.plain)


@EACH
@pytest.mark.parametrize("others", OTHERS)
def test_a_second_optimizer_built_between_backward_and_step(name: str, others: str) -> None:
    scene = Scene(name)
    scene.step()
    scene.run.zero_grad()
    gradients = scene.backward()
    second = optim.SGD([scene.params[i] for i in OTHERS[others]], lr=0.0)
    scene.run.step()
    scene.plain.step(gradients)
    scene.check()
    second.step()
    scene.step()


@EACH
@pytest.mark.parametrize("others", OTHERS)
def test_a_second_optimizer_that_comes_and_goes(name: str, others: str) -> None:
    scene = Scene(name)
    scene.step()
    second = optim.Momentum([scene.params[i] for i in OTHERS[others]], lr=0.0)
    scene.backward()
    second.step()
    second.zero_grad()
    del second
    gc.collect()
    for _ in range(3):
        scene.step()


def test_an_optimizer_for_each_layer() -> None:
    scene = Scene("SGD", hyper={"lr": 0.1})
    runs = [optim.SGD([p], lr=0.1) for p in scene.params]
    scene.run = None
    for _ in range(4):
        for p in scene.params:
            p.grad = None
        gradients = scene.backward()
        for run in runs:
            run.step()
        scene.plain.step(gradients)
        assert_same(scene.params, scene.plain)


@EACH
def test_a_loss_computed_before_a_second_optimizer_was_built(name: str) -> None:
    # Building one changes no value, so the tape is as good as it was.
    scene = Scene(name)
    scene.step()
    scene.run.zero_grad()
    c = [scene.random.normal(size=shape) for shape in SHAPES]
    loss = sum(((mg.tensor(a) * p * p).sum() for a, p in zip(c, scene.params, strict=True)), mg.tensor(np.array(0.0)))
    gradients = [2 * a * p.data for a, p in zip(c, scene.params, strict=True)]
    second = optim.Adam(scene.params[::-1])
    loss.backward()
    scene.run.step()
    scene.plain.step(gradients)
    scene.check()
    del second


@pytest.mark.parametrize("move", ["a second optimizer", "an assignment", "to float32", "no optimizer", "nothing"])
def test_a_loss_from_before_a_step_is_never_differentiated_wrongly(move: str) -> None:
    # The step changed the very arrays that the tape remembers, and then the parameter moved elsewhere.
    scene, net = net_scene("SGD")
    p = scene.params[0]
    gradient = 2 * p.data
    loss = (p * p).sum()
    give(scene.params, np.ones(SIZE))
    scene.run.step()
    if move == "a second optimizer":
        scene.run = optim.SGD(scene.params[::-1])
    elif move == "an assignment":
        p.data = p.data.copy()
    elif move == "to float32":
        net.to(mg.float32)
    elif move == "no optimizer":
        scene.run = None
        gc.collect()
    p.grad = None
    with contextlib.suppress(RuntimeError):  # "changed in place": to refuse is right, and so is the right gradient
        loss.backward()
        np.testing.assert_allclose(p.grad.data, gradient, rtol=1e-6)


@pytest.mark.parametrize("change", ["load_state_dict", "an operator", "a step"])
def test_a_loss_from_before_a_change_in_place_is_refused(change: str) -> None:
    scene, net = net_scene("SGD")
    p = scene.params[0]
    scene.step()
    other = {name: mg.zeros(*value.shape, dtype=mg.float64) for name, value in net.state_dict().items()}
    loss = (p * p).sum()
    if change == "load_state_dict":
        net.load_state_dict(other)
    elif change == "an operator":
        with mg.no_grad():
            p *= 2
    else:
        scene.run.step()
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(2, 3\) was changed in place"):
        loss.backward()
    (p * p).sum().backward()  # computed again it is fine


# --- Copies --------------------------------------------------------------------------------------------


@EACH
def test_a_deep_copy_of_the_model_is_another_model(name: str) -> None:
    scene, net = net_scene(name)
    scene.step()
    twin = copy.deepcopy(net)
    before = flat(list(twin.parameters()))
    assert np.array_equal(before, flat(scene.params))
    scene.step()  # the optimizer is the original's
    assert np.array_equal(flat(list(twin.parameters())), before)
    assert not np.array_equal(flat(scene.params), before)

    run = optim.SGD(twin.parameters(), lr=0.5)
    give(list(twin.parameters()), np.ones(SIZE))
    run.step()
    assert np.array_equal(flat(list(twin.parameters())), before - 0.5)
    scene.check()
    scene.step()


@EACH
def test_a_deep_copy_of_model_and_optimizer_goes_on_by_itself(name: str) -> None:
    scene, net = net_scene(name)
    scene.step()
    scene.step()
    twin_net, twin_run = copy.deepcopy((net, scene.run))
    twins = list(twin_net.parameters())
    for g in np.random.default_rng(5).normal(size=(4, SIZE)):
        for params, run in ((scene.params, scene.run), (twins, twin_run)):
            run.zero_grad()
            give(params, g)
            run.step()
        assert np.array_equal(flat(twins), flat(scene.params))
        assert not any(np.shares_memory(p.data, q.data) for p, q in zip(twins, scene.params, strict=True))


# --- Parameters without a gradient ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_without_a_gradient_a_parameter_is_left_alone(name: str) -> None:
    # Its values, its state, and its own t: the plain optimizer does not call its rules at all.
    scene = Scene(name)
    for missing in ([0], [0, 1], [], [2, 4], [], [0, 1, 2, 3, 4], [1], [3], []):
        scene.step(missing)


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_without_a_gradient_values_and_state_keep_their_bits(name: str) -> None:
    # Lookahead and Ranger among them, at every one of their k steps.
    scene = Scene(name)
    scene.step()
    for _ in range(4):
        before = scene.params[1].data.copy()
        state = {key: value.data.copy() for key, value in state_of(scene.run, 1).items()}
        scene.run.zero_grad()
        scene.backward(missing=[1])
        scene.run.step()
        assert np.array_equal(scene.params[1].data, before)
        after = state_of(scene.run, 1)
        assert set(after) == set(state)
        assert all(np.array_equal(after[key].data, state[key]) for key in state)


def state_of(run: Any, i: int) -> dict[str, mg.Tensor]:
    """The state vectors of parameter i, from the state dictionary of the (innermost) optimizer."""
    state = run.state_dict()
    state = state.get("base_optimizer", state)["state"][i]
    return {name: value for name, value in state.items() if name != "t"}


def test_each_parameter_has_its_own_t() -> None:
    scene = Scene("Adam")
    for missing in ([], [1], [1, 4], []):
        scene.step(missing)
    assert scene.run.t == 4
    assert [entry["t"] for entry in scene.run.state_dict()["state"].values()] == [4, 2, 4, 4, 3]


@EACH
def test_no_gradients_at_all(name: str) -> None:
    scene = Scene(name)
    before = flat(scene.params)
    scene.run.step()
    scene.run.zero_grad()
    scene.run.step()
    assert np.array_equal(flat(scene.params), before)
    assert scene.run.t == 2


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_frozen_and_unfrozen(name: str) -> None:
    scene = Scene(name)
    scene.step()
    scene.params[0].requires_grad_(False)
    for _ in range(2):
        scene.run.zero_grad()
        gradients = scene.backward()
        assert scene.params[0].grad is None
        gradients[0] = None
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()
    scene.params[0].requires_grad_(True)
    scene.step()


@EACH
def test_a_zero_gradient_is_a_gradient(name: str) -> None:
    # Momentum goes on, decay goes on: zeros are not "no gradient".
    scene = Scene(name)
    scene.step()
    give(scene.params, np.zeros(SIZE))
    scene.run.step()
    scene.plain.step([np.zeros(shape) for shape in SHAPES])
    scene.check()


@EACH
def test_zero_grad_to_zeros(name: str) -> None:
    scene = Scene(name)
    scene.step()
    scene.run.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.data.any() for p in scene.params)
    scene.run.step()
    scene.plain.step([np.zeros(shape) for shape in SHAPES])
    scene.check()
    scene.run.zero_grad(set_to_none=False)
    gradients = scene.backward()
    scene.run.step()
    scene.plain.step(gradients)
    scene.check()
    scene.run.zero_grad()
    assert all(p.grad is None for p in scene.params)


# --- Gradients by hand ---------------------------------------------------------------------------------


@EACH
def test_a_gradient_assigned_by_hand(name: str) -> None:
    scene = Scene(name)
    scene.step()
    for make in (mg.tensor, np.asarray, lambda g: mg.tensor(g.astype(np.float32)), lambda g: g.copy("F")):
        gradients = [np.round(scene.random.normal(size=shape) * 8) / 8 for shape in SHAPES]  # exact in float32
        for p, g in zip(scene.params, gradients, strict=True):
            p.grad = make(g)
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()
        assert np.array_equal(np.concatenate([g.ravel() for g in gradients]), scene.run.g)


@EACH
def test_an_assigned_gradient_is_not_written_to(name: str) -> None:
    scene = Scene(name)
    mine = mg.tensor(np.ones((2, 3)))
    for _ in range(3):
        scene.params[0].grad = mine
        scene.run.step()
        scene.run.zero_grad()
        scene.backward()
        scene.backward()
    assert np.array_equal(mine.data, np.ones((2, 3)))


@EACH
def test_one_gradient_assigned_the_others_computed(name: str) -> None:
    scene = Scene(name)
    for _ in range(3):
        scene.run.zero_grad()
        gradients = scene.backward(missing=[1])
        gradients[1] = scene.random.normal(size=4)
        scene.params[1].grad = mg.tensor(gradients[1])
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()


def test_a_gradient_of_another_shape_is_refused() -> None:
    scene = Scene("SGD")
    with pytest.raises(ValueError, match=r"a gradient of shape \(3,\) does not fit a tensor of shape \(4,\)"):
        scene.params[1].grad = mg.zeros(3)
    assert scene.params[1].grad is None


@EACH
@pytest.mark.parametrize("how", ["new tensor", "in place", "augmented", "only some"])
def test_clipping_the_gradient(name: str, how: str) -> None:
    scene = Scene(name)
    for _ in range(4):
        scene.run.zero_grad()
        gradients = scene.backward()
        norm = float(np.sqrt(sum((g**2).sum() for g in gradients)))
        clip = 0.5 / norm
        for i, p in enumerate(scene.params):
            if how == "new tensor":
                p.grad = p.grad * clip
            elif how == "in place":
                p.grad.data *= clip
            elif how == "augmented":
                p.grad *= clip
            elif i == 1:
                p.grad = mg.tensor(np.clip(p.grad.data, -0.1, 0.1))
        if how == "only some":
            gradients[1] = np.clip(gradients[1], -0.1, 0.1)
        else:
            gradients = [g * clip for g in gradients]
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()


@EACH
def test_gradients_add_up_over_several_backwards(name: str) -> None:
    scene = Scene(name)
    for _ in range(3):
        scene.run.zero_grad()
        parts = [scene.backward(), scene.backward(missing=[0]), scene.backward(missing=[1, 2])]
        gradients = [sum(part[i] for part in parts if part[i] is not None) for i in range(len(SHAPES))]
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()


def test_two_steps_on_one_gradient() -> None:
    # PyTorch steps again on the gradient that is still there.
    scene = Scene("Adam")
    gradients = scene.backward()
    for _ in range(3):
        scene.run.step()
        scene.plain.step(gradients)
        scene.check()


# --- A gradient that someone keeps ---------------------------------------------------------------------


def forget_all(scene: Scene, how: str) -> None:
    if how == "zero_grad":
        scene.run.zero_grad()
    else:
        for p in scene.params:
            p.grad = None


@EACH
@pytest.mark.parametrize("how", ["zero_grad", "None"])
@pytest.mark.parametrize("what", ["tensor", "array", "part of it", "asarray"])
def test_a_kept_gradient_stays_as_it_was(name: str, how: str, what: str) -> None:
    scene = Scene(name)
    kept = []
    for i in (0, 1, 4, 1, 0, 2):
        scene.step()
        g = scene.params[i].grad
        held = {
            "tensor": g,
            "array": g.data,
            "part of it": g.data[..., :1] if g.ndim else g.data,
            "asarray": np.asarray(g),
        }
        kept.append((held[what], np.array(held[what])))
        del g, held
        forget_all(scene, how)
        scene.backward()
        assert all(np.array_equal(np.asarray(now), then) for now, then in kept)
    scene.step()


def test_a_kept_gradient_after_only_looking_at_others() -> None:
    scene = Scene("Adam")
    scene.step()
    for p in scene.params:
        assert float(np.abs(p.grad.data).sum()) >= 0
    kept = scene.params[1].grad
    copied = kept.data.copy()
    scene.params[0].grad = None
    scene.run.zero_grad()
    scene.backward()
    assert np.array_equal(kept.data, copied)
    assert not np.array_equal(scene.params[1].grad.data, copied)
    scene.step()


def test_a_kept_gradient_while_another_optimizer_takes_over() -> None:
    # The usual way to change the optimizer: the new one is built, then the old one goes.
    scene = Scene("Adam")
    scene.step()
    kept = scene.params[0].grad
    copied = kept.data.copy()
    scene.run = optim.SGD(scene.params, lr=0.1)
    gc.collect()
    scene.run.zero_grad()
    scene.backward()
    assert np.array_equal(kept.data, copied)


def test_a_kept_gradient_after_its_optimizer_has_gone() -> None:
    scene = Scene("SGD")
    scene.step()
    scene.run = None
    gc.collect()
    for p in scene.params:
        p.grad = None
    scene.backward()
    kept = [p.grad for p in scene.params]
    copied = [g.data.copy() for g in kept]
    for p in scene.params:
        p.grad = None
    scene.backward()
    assert all(np.array_equal(g.data, c) for g, c in zip(kept, copied, strict=True))


def test_a_kept_gradient_while_the_whole_of_g_is_let_go() -> None:
    scene = Scene("SGD")
    scene.step()
    whole = scene.run.g
    kept = scene.params[0].grad
    copied = kept.data.copy()
    assert np.array_equal(whole[: kept.numel()], kept.data.ravel())
    whole[:] = 3.0
    assert np.array_equal(kept.data, copied)
    scene.run.zero_grad()
    scene.backward()
    assert np.array_equal(kept.data, copied)


def test_a_kept_gradient_and_one_assigned_in_its_place() -> None:
    scene = Scene("Momentum")
    scene.step()
    kept = scene.params[0].grad
    copied = kept.data.copy()
    gradients: list[np.ndarray | None] = [
        g.data.copy() if g is not None else None for g in (p.grad for p in scene.params)
    ]
    scene.params[0].grad = mg.tensor(np.full((2, 3), 5.0))
    gradients[0] = np.full((2, 3), 5.0)
    scene.run.step()
    scene.plain.step(gradients)
    scene.check()
    assert np.array_equal(kept.data, copied)


def test_a_gradient_no_one_keeps_costs_no_new_memory() -> None:
    # Looking is free: g stays where it is.
    scene = Scene("Adam")
    scene.step()
    places = set()
    for _ in range(6):
        assert all(np.isfinite(p.grad.data).all() for p in scene.params)
        scene.step()
        places.add(scene.run.g.ctypes.data)
    assert len(places) == 1


# --- Groups, and parameters of odd shapes --------------------------------------------------------------


def test_groups_with_hyperparameters_of_their_own() -> None:
    random = np.random.default_rng(1)
    params = parameters(random.normal(size=SIZE), SHAPES)
    own = [{"lr": 0.1}, {"betas": (0.5, 0.6), "weight_decay": 0.3}, {"eps": 0.1, "lr": 0.02}]
    common = {"lr": 0.05, "betas": (0.8, 0.9)}
    groups = [params[:2], params[2:3], params[3:]]
    run = optim.Adam([{"params": g, **h} for g, h in zip(groups, own, strict=True)], **common)
    assert [len(group["params"]) for group in run.param_groups] == [2, 1, 2]
    of = [0, 0, 1, 2, 2]
    plain = Plain([p.data for p in params], lambda i: reference("Adam", {**common, **own[of[i]]}))
    for t in range(8):
        gradients = [random.normal(size=shape) for shape in SHAPES]
        missing = [[], [1], [2], [0, 1], []][t % 5]
        give(params, np.concatenate([g.ravel() for g in gradients]), missing)
        run.step()
        plain.step([None if i in missing else g for i, g in enumerate(gradients)])
        assert_same(params, plain)


def test_a_group_may_be_a_single_tensor() -> None:
    a, b = parameters(np.zeros(2), [(1,), (1,)])
    run = optim.SGD([{"params": a, "lr": 1.0}, {"params": [b], "lr": 2.0}])
    give([a, b], np.ones(2))
    run.step()
    assert (a.item(), b.item()) == (-1.0, -2.0)


@EACH
@pytest.mark.parametrize("shapes", [[(0,), (3,)], [(3,), (0, 5)], [(0,), (0,), (2, 2), (0,)], [(), ()], [(1,)]])
def test_empty_and_tiny_parameters(name: str, shapes: Any) -> None:
    scene = Scene(name, shapes)
    for missing in ([], [], [], [0], [len(shapes) - 1], []):
        scene.step(missing)


def test_nothing_but_empty_parameters() -> None:
    scene = Scene("Adam", [(0,), (3, 0)])
    scene.step()
    scene.step()


def test_a_parameter_used_twice_in_the_model() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    run = optim.SGD(model.parameters(), lr=0.1)
    assert run.theta.shape == (12,)
    before = shared.weight.data.copy()
    mg.manual_seed(0)
    model(mg.rand(4, 3)).sum().backward()
    g = shared.weight.grad.data.copy()
    run.step()
    np.testing.assert_allclose(shared.weight.data, before - np.float32(0.1) * g, rtol=1e-6)


# --- Everything at once --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_events(seed: int) -> None:
    """Steps by several optimizers on parts of the parameters, in between whatever users do to parameters."""
    chance = python_random.Random(seed)
    random = np.random.default_rng(seed)
    net = Net(parameters(random.normal(size=SIZE), SHAPES))
    params = list(net.parameters())
    values = [p.data.copy() for p in params]
    numbers = range(len(params))
    runs: list[tuple[list[int], Any, Plain]] = []
    kept: list[tuple[Any, np.ndarray]] = []

    def build() -> None:
        name = chance.choice(sorted(set(UNUSUAL) - {"ScheduleFreeAdamW"}))  # its theta is part of its state
        chosen = chance.sample(numbers, chance.randint(1, len(params))) if chance.random() < 0.6 else list(numbers)
        run = optimizer(name, [params[i] for i in chosen], UNUSUAL[name])
        plain = Plain([values[i] for i in chosen], lambda i: reference(name, UNUSUAL[name]))
        plain.values = [values[i] for i in chosen]
        runs.append((chosen, run, plain))

    def disturb() -> None:
        event = chance.choice(["assign", "in place", "load", "build", "drop", "look", "copy", "nothing"])
        i = chance.choice(numbers)
        if event == "assign":
            new = random.normal(size=SHAPES[i])
            params[i].data = np.array(new)
            values[i][...] = new
        elif event == "in place":
            params[i].data[...] = 0.5
            values[i][...] = 0.5
        elif event == "load":
            state = {name: random.normal(size=p.shape) for name, p in net.named_parameters()}
            net.load_state_dict({name: mg.tensor(value) for name, value in state.items()})
            for value, new in zip(values, state.values(), strict=True):
                value[...] = new
        elif event == "build" and len(runs) < 4:
            build()
        elif event == "drop" and len(runs) > 1:
            runs.pop(chance.randrange(len(runs)))
        elif event == "look":
            assert all(p.grad is None or np.isfinite(p.grad.data).all() for p in params)
        elif event == "copy":
            copy.deepcopy(net)

    build()
    for _ in range(25):
        if chance.random() < 0.5:
            i = chance.choice(numbers)
            if params[i].grad is not None:
                kept.append((params[i].grad, params[i].grad.data.copy()))
        for p in params:
            p.grad = None
        disturb()
        chosen, run, plain = chance.choice(runs)
        # Lookahead's slow weights are those before its first step, whichever parameters take part in that; those of
        # its reference, which knows one number only, are those before that number's first. Hence none is missing.
        wrapped = isinstance(run, optim.Lookahead)
        missing = [] if wrapped or chance.random() < 0.5 else chance.sample(chosen, chance.randint(0, len(chosen)))
        gradients: list[np.ndarray | None] = [None if i in missing else random.normal(size=SHAPES[i]) for i in numbers]
        loss = mg.tensor(np.array(0.0))
        for p, g in zip(params, gradients, strict=True):
            if g is not None:
                loss = loss + (p * mg.tensor(g)).sum()
        if loss.requires_grad:
            loss.backward()
        if chance.random() < 0.3:
            i = chance.choice(numbers)
            gradients[i] = random.normal(size=SHAPES[i])
            params[i].grad = mg.tensor(gradients[i])
        disturb()
        if all(run is not other for _, other, _ in runs):
            continue  # it was dropped
        run.step()
        plain.step([gradients[i] for i in chosen])
        for i in numbers:
            np.testing.assert_allclose(params[i].data, values[i], rtol=1e-11, atol=1e-11)
        assert all(np.array_equal(g.data, copied) for g, copied in kept)
