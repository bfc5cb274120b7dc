"""Saving and loading in the middle of a run: what comes after is the same to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_tools import UNUSUAL, flat, give, optimizer, parameters

import minigrad as mg
from minigrad import nn, optim

SHAPES = [(2, 3), (4,), (), (0,)]
SIZE = 11

# What is saved and loaded in the middle; the coverage test wants every public optimizer here.
STATES: dict[str, list[dict[str, Any]]] = {
    **{name: [{}, UNUSUAL[name]] for name in UNUSUAL if name != "Lookahead"},
    "Lookahead": [
        UNUSUAL["Lookahead"],
        {"inner": ("Adam", {}), "k": 5},
        {"inner": ("Adadelta", {"lr": 0.5}), "k": 2, "alpha": 0.8},
        {"inner": ("Ranger", {"k": 2}), "k": 3},  # a wrapper in a wrapper
    ],
}
CASES = [
    pytest.param(name, hyper, id=f"{name}-{i}") for name, hypers in STATES.items() for i, hyper in enumerate(hypers)
]
EACH = pytest.mark.parametrize(("name", "hyper"), CASES)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def start(name: str, hyper: dict[str, Any], dtype: Any = np.float64, seed: int = 1) -> tuple[list[mg.Tensor], Any]:
    params = parameters(np.random.default_rng(seed).normal(size=SIZE), SHAPES, dtype)
    return params, optimizer(name, params, hyper)


def go(params: list[mg.Tensor], run: Any, steps: range) -> list[np.ndarray]:
    """Steps of these numbers: each number has its gradients, and its parameters that miss theirs."""
    thetas = []
    for t in steps:
        random = np.random.default_rng(100 + t)
        run.zero_grad()
        give(params, random.normal(size=SIZE), missing=[1] if t % 3 == 1 else [])
        run.step()
        thetas.append(flat(params))
    return thetas


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) > 0 and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def through_memory(state: Any, folder: Path) -> Any:
    return state


def through_a_file(state: Any, folder: Path) -> Any:
    mg.save(state, folder / "run.npz")
    return mg.load(folder / "run.npz")


THROUGH = pytest.mark.parametrize("through", [through_memory, through_a_file])

# --- Going on ------------------------------------------------------------------------------------------


@EACH
@DTYPES
@THROUGH
def test_a_continued_run_is_the_uninterrupted_one(
    name: str, hyper: dict[str, Any], dtype: Any, through: Callable[[Any, Path], Any], tmp_path: Path
) -> None:
    params, run = start(name, hyper, dtype)
    go(params, run, range(7))
    saved = through({"theta": [mg.tensor(p) for p in params], "run": run.state_dict(), "note": "step 7"}, tmp_path)
    uninterrupted = go(params, run, range(7, 20))

    # Other weights, another state, other hyperparameters: all must come from what was saved.
    params, run = start(name, {**hyper, **({"lr": 0.7} if "inner" not in hyper else {"alpha": 0.9})}, dtype, seed=2)
    go(params, run, range(3))
    for p, value in zip(params, saved["theta"], strict=True):
        p.data = value.data
    run.load_state_dict(saved["run"])
    assert run.t == 7
    assert same(go(params, run, range(7, 20)), uninterrupted)
    assert not same(go(*start(name, hyper, dtype), range(7, 20)), uninterrupted)


@EACH
def test_a_run_saved_at_every_step(name: str, hyper: dict[str, Any]) -> None:
    # Lookahead is saved in each phase of its k steps, RAdam before and after it first divides.
    params, run = start(name, hyper)
    whole = go(params, run, range(12))
    params, run = start(name, hyper)
    thetas = []
    for t in range(12):
        kept, state = flat(params), run.state_dict()
        params = parameters(kept, SHAPES)
        run = optimizer(name, params, hyper)
        run.load_state_dict(state)
        thetas += go(params, run, range(t, t + 1))
    assert same(thetas, whole)


@EACH
def test_the_state_is_a_copy(name: str, hyper: dict[str, Any]) -> None:
    params, run = start(name, hyper)
    go(params, run, range(4))
    kept, state = flat(params), run.state_dict()
    frozen = copy.deepcopy(arrays(state))
    once = go(params, run, range(4, 9))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(state), frozen, strict=True))

    twin = parameters(kept, SHAPES)
    twin_run = optimizer(name, twin, hyper)
    for _ in range(2):  # and it may be loaded more than once
        for p, value in zip(twin, parameters(kept, SHAPES), strict=True):
            p.data[...] = value.data
        twin_run.load_state_dict(state)
        assert same(go(twin, twin_run, range(4, 9)), once)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(state), frozen, strict=True))


def arrays(state: Any) -> list[np.ndarray]:
    """All arrays in a nested state, in order."""
    if isinstance(state, mg.Tensor):
        return [np.array(state)]
    if isinstance(state, dict):
        return [array for value in state.values() for array in arrays(value)]
    return []


def test_what_is_in_it() -> None:
    params, run = start("Adam", {"lr": 0.5, "betas": (0.5, 0.75)})
    for missing in ([], [1]):
        give(params, np.full(SIZE, 2.0), missing)
        run.step()
    state = run.state_dict()
    assert (state["rule"], state["t"]) == ("Adam", 2)
    assert [set(entry) for entry in state["state"].values()] == [{"t", "m", "v"}] * 4
    assert [entry["t"] for entry in state["state"].values()] == [2, 1, 2, 2]
    # m = 1, then 1.5; v = 0.25 * 4 = 1, then 1.75
    np.testing.assert_array_equal(state["state"][0]["m"].data, np.full((2, 3), 1.5))
    np.testing.assert_array_equal(state["state"][0]["v"].data, np.full((2, 3), 1.75))
    np.testing.assert_array_equal(state["state"][1]["m"].data, np.full(4, 1.0))
    assert state["param_groups"] == [
        {"lr": 0.5, "betas": (0.5, 0.75), "eps": 1e-8, "weight_decay": 0.0, "params": [0, 1, 2, 3]}
    ]


def test_a_pair_that_went_through_lists_is_a_pair_again() -> None:
    params, run = start("Adam", {"betas": (0.5, 0.75)})
    state = run.state_dict()
    state["param_groups"][0]["betas"] = [0.25, 0.5]  # as a JSON file would have it
    run.load_state_dict(state)
    assert run.param_groups[0]["betas"] == (0.25, 0.5)
    go(params, run, range(1))


def test_lookaheads_state_has_the_slow_weights() -> None:
    params, run = start("Lookahead", {"inner": ("SGD", {"lr": 1.0}), "k": 2})
    begin = flat(params)
    params[0].data[...] += 1  # theta_0 is what theta is when the first step begins
    begin = flat(params)
    np.testing.assert_array_equal(run.state_dict()["slow"].data, begin)
    go(params, run, range(1))
    np.testing.assert_array_equal(run.state_dict()["slow"].data, begin)


# --- Groups, rates, models -----------------------------------------------------------------------------


def two_groups(rates: tuple[Any, Any]) -> tuple[list[mg.Tensor], Any]:
    params = parameters(np.random.default_rng(1).normal(size=SIZE), SHAPES)
    groups = [{"params": params[:1], "lr": rates[0], "weight_decay": 0.25}, {"params": params[1:], "lr": rates[1]}]
    return params, optim.Adam(groups, betas=(0.5, 0.75))


def test_groups_come_back_with_their_own_hyperparameters(tmp_path: Path) -> None:
    params, run = two_groups((0.1, 0.2))
    go(params, run, range(4))
    kept, state = flat(params), through_a_file(run.state_dict(), tmp_path)
    rest = go(params, run, range(4, 9))
    _, run = two_groups((0.7, 0.7))
    params = run.param_groups[0]["params"] + run.param_groups[1]["params"]
    for p, value in zip(params, parameters(kept, SHAPES), strict=True):
        p.data[...] = value.data
    run.load_state_dict(state)
    assert [group["lr"] for group in run.param_groups] == [0.1, 0.2]
    assert run.param_groups[0]["betas"] == (0.5, 0.75)
    assert [group["weight_decay"] for group in run.param_groups] == [0.25, 0.0]
    assert run.param_groups[0]["params"][0] is params[0]
    assert same(go(params, run, range(4, 9)), rest)


def test_a_schedule_goes_on_where_it_was(tmp_path: Path) -> None:
    schedule = optim.lr.exponential(0.5, 0.5)
    params, run = start("Momentum", {"lr": schedule})
    go(params, run, range(4))
    kept, state = flat(params), through_a_file(run.state_dict(), tmp_path)
    rest = go(params, run, range(4, 9))
    params = parameters(kept, SHAPES)
    run = optim.Momentum(params, lr=schedule)  # a function cannot be saved: it is given again
    run.load_state_dict(state)
    assert run.lr == 0.5**5
    assert callable(run.param_groups[0]["lr"])
    assert same(go(params, run, range(4, 9)), rest)


def test_a_schedule_is_not_overwritten_by_a_saved_number() -> None:
    _, constant = start("SGD", {"lr": 0.25})
    _, run = start("SGD", {"lr": lambda taken: 0.5})
    run.load_state_dict(constant.state_dict())
    assert run.lr == 0.5


def test_model_and_optimizer_together(tmp_path: Path) -> None:
    def build(seed: int) -> tuple[nn.Module, Any]:
        mg.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        return model, optim.Ranger(model.parameters(), lr=0.1, k=3)

    x = mg.tensor(np.random.default_rng(0).normal(size=(40, 6, 3)).astype(np.float32))
    y = mg.tensor(np.random.default_rng(1).integers(0, 2, (40, 6)))

    def train(model: nn.Module, run: Any, steps: range) -> list[float]:
        losses = []
        for t in steps:
            loss = nn.CrossEntropyLoss()(model(x[t]), y[t])
            run.zero_grad()
            loss.backward()
            run.step()
            losses.append(loss.item())
        return losses

    model, run = build(0)
    train(model, run, range(17))
    mg.save({"model": model.state_dict(), "optimizer": run.state_dict()}, tmp_path / "both.npz")
    rest = train(model, run, range(17, 40))

    model, run = build(5)
    both = mg.load(tmp_path / "both.npz")
    run.load_state_dict(both["optimizer"])  # in either order
    model.load_state_dict(both["model"])
    assert train(model, run, range(17, 40)) == rest


def test_loading_after_the_model_has_moved() -> None:
    # The state takes on the type the parameters have now.
    params, run = start("Lookahead", {"inner": ("Adam", {}), "k": 2}, np.float32)
    go(params, run, range(3))
    params64, run64 = start("Lookahead", {"inner": ("Adam", {}), "k": 2}, np.float64)
    run64.load_state_dict(run.state_dict())
    assert run64.slow.dtype == np.float64
    assert all(vector.dtype == np.float64 for vector in run64.state_vectors.values())
    go(params64, run64, range(3, 6))


def test_loading_when_the_parameters_have_left_their_place() -> None:
    params, run = start("Momentum", {})
    go(params, run, range(3))
    kept, state = flat(params), run.state_dict()
    rest = go(params, run, range(3, 6))
    for p, value in zip(params, parameters(kept, SHAPES), strict=True):
        p.data = value.data
    other = optim.SGD(params[::-1], lr=0.1)
    run.load_state_dict(state)
    assert same(go(params, run, range(3, 6)), rest)
    assert other.t == 0


# --- What does not fit ---------------------------------------------------------------------------------


def snapshot(params: list[mg.Tensor], run: Any) -> Any:
    state = run.state_dict()
    return [flat(params).tolist(), [a.tolist() for a in arrays(state)], repr(bare(state))]


def bare(state: Any) -> Any:
    """A state without its arrays."""
    if isinstance(state, dict):
        return {key: bare(value) for key, value in state.items() if not isinstance(value, mg.Tensor)}
    return state


def refused(params: list[mg.Tensor], run: Any, state: Any, message: str) -> None:
    """It is refused with this message, and the optimizer is as it was and goes on as if nothing had been."""
    before = snapshot(params, run)
    with pytest.raises(ValueError, match=message):
        run.load_state_dict(state)
    assert snapshot(params, run) == before


@pytest.mark.parametrize("name", sorted(STATES))
def test_the_state_of_another_rule(name: str) -> None:
    params, run = start(name, UNUSUAL[name])
    go(params, run, range(3))
    for other in STATES:
        if other != name:
            state = start(other, UNUSUAL[other])[1].state_dict()
            refused(params, run, state, f"{name} cannot continue from the state of {other}")


@pytest.mark.parametrize("name", sorted(STATES))
def test_the_state_of_other_shapes(name: str) -> None:
    params, run = start(name, UNUSUAL[name])
    go(params, run, range(3))
    if name == "SGD":
        return  # it keeps nothing that has a shape
    others = parameters(np.ones(SIZE), [(2, 3), (2, 2), (), (0,)])
    other = optimizer(name, others, UNUSUAL[name])
    go(others, other, range(6))
    refused(params, run, other.state_dict(), r"of parameter 1 has shape \(2, 2\).* but the parameter has \(4,\)")


@pytest.mark.parametrize("name", sorted(STATES))
def test_the_state_of_another_number_of_parameters(name: str) -> None:
    params, run = start(name, UNUSUAL[name])
    go(params, run, range(3))
    for shapes in ([(2, 3), (4,), ()], [(2, 3), (4,), (), (0,), (1,)]):
        others = parameters(np.ones(sum(int(np.prod(s)) for s in shapes)), shapes)
        other = optimizer(name, others, UNUSUAL[name])
        refused(params, run, other.state_dict(), rf"groups of \[{len(shapes)}\] parameters, the optimizer has \[4\]")


def test_the_state_of_other_groups() -> None:
    params, run = two_groups((0.1, 0.2))
    go(params, run, range(2))
    _, other = start("Adam", {})
    refused(params, run, other.state_dict(), r"groups of \[4\] parameters, the optimizer has \[1, 3\]")


def test_lookahead_refuses_what_its_inner_optimizer_refuses() -> None:
    params, run = start("Lookahead", {"inner": ("Momentum", {}), "k": 2})
    go(params, run, range(3))
    for inner in ("Nesterov", "Adam", "SGD"):
        other_params, other = start("Lookahead", {"inner": (inner, {"lr": 0.5}), "k": 4, "alpha": 0.1})
        go(other_params, other, range(3))
        refused(params, run, other.state_dict(), f"Momentum cannot continue from the state of {inner}")


def test_lookahead_refuses_slow_weights_of_another_number() -> None:
    # One group of two parameters in both, SGD keeps nothing: only the slow weights tell.
    runs = []
    for shapes in ([(2,), (3,)], [(2,), (4,)]):
        params = parameters(np.ones(sum(int(np.prod(s)) for s in shapes)), shapes)
        run = optim.Lookahead(optim.SGD(params))
        give(params, np.ones(len(flat(params))))
        run.step()
        runs.append((params, run))
    refused(*runs[0], runs[1][1].state_dict(), r"slow has shape \(6,\), but the parameter has \(5,\)")


def test_a_state_that_lacks_something() -> None:
    for name, hyper in (("Adam", {}), ("Lookahead", {"inner": ("Adam", {})})):
        params, run = start(name, hyper)
        go(params, run, range(3))
        whole = run.state_dict()
        for gone in whole:
            refused(params, run, {key: value for key, value in whole.items() if key != gone}, name)
    params, run = start("Adam", {})
    go(params, run, range(3))
    whole = run.state_dict()
    for i in range(4):
        refused(params, run, {**whole, "state": {j: entry for j, entry in whole["state"].items() if j != i}}, "Adam")
        for gone in ("t", "m", "v"):
            entry = {key: value for key, value in whole["state"][i].items() if key != gone}
            refused(params, run, {**whole, "state": {**whole["state"], i: entry}}, f"in this state parameter {i} has")


@pytest.mark.parametrize("wrong", [{}, {"rule": "Adam"}, {"model": 1, "optimizer": 2}])
def test_what_is_no_state_of_an_optimizer(wrong: dict[str, Any]) -> None:
    params, run = start("Adam", {})
    go(params, run, range(2))
    refused(params, run, wrong, "Adam")


def test_loading_does_not_touch_the_gradients() -> None:
    params, run = start("Momentum", {})
    go(params, run, range(2))
    state = run.state_dict()
    give(params, np.full(SIZE, 3.0))
    run.load_state_dict(state)
    assert all((p.grad.data == 3.0).all() for p in params)
