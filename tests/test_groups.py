"""An optimizer does what its groups say: parameters and hyperparameters changed after it was built, copies, slips."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from optimizer_tools import UNUSUAL, optimizer

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import Optimizer

NAMES = sorted(UNUSUAL)


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values), requires_grad=True)


def give(params: list[mg.Tensor], value: float = 1.0) -> None:
    for p in params:
        p.grad = mg.Tensor(np.full(p.shape, value))


def values(params: list[mg.Tensor]) -> list[list[float]]:
    return [p.tolist() for p in params]


# --- Which parameters a group has --------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_taken_out_is_left_alone(name: str, gone: int) -> None:
    three = [leaf(1.0), leaf(2.0, 3.0), leaf(4.0)]
    two = [mg.Tensor(p.data.copy(), requires_grad=True) for i, p in enumerate(three) if i != gone]
    run, expected = optimizer(name, three, UNUSUAL[name]), optimizer(name, two, UNUSUAL[name])
    for _ in range(2):
        give(three), give(two)
        run.step(), expected.step()
    before = three[gone].tolist()
    run.param_groups[0]["params"].pop(gone)
    for _ in range(3):
        give(three), give(two)
        run.step(), expected.step()
    assert three[gone].tolist() == before
    assert values([p for i, p in enumerate(three) if i != gone]) == values(two)


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_put_in_place_of_another_is_trained(name: str) -> None:
    a, b, new = leaf(1.0), leaf(2.0), leaf(1.0)
    run = optimizer(name, [a, b], UNUSUAL[name])
    give([a, b, new])
    run.step()
    first, second = a.tolist(), b.tolist()
    run.param_groups[0]["params"][0] = new
    run.step()
    assert new.tolist() == first  # its first step, with a state and a t of its own
    assert a.tolist() == first
    assert b.tolist() != second


def test_states_follow_their_parameters() -> None:
    params = [leaf(1.0), leaf(2.0, 3.0), leaf(4.0)]
    twins = [mg.Tensor(p.data.copy(), requires_grad=True) for p in params]
    run, expected = optim.Adam(params, lr=0.1), optim.Adam(twins, lr=0.1)
    for step in range(8):
        for both in (params, twins):
            for i, p in enumerate(both):
                p.grad = mg.Tensor(np.full(p.shape, (-1.0) ** step * (i + step)))
        run.step(), expected.step()
        run.param_groups[0]["params"].reverse()  # in another order at every step
    assert values(params) == values(twins)
    taken = run.param_groups[0]["params"].pop(0)  # out, and in again: it goes on with the state it had
    twin = twins[[p is taken for p in params].index(True)]
    twin.grad = taken.grad = None
    give([p for p in params if p is not taken]), give([p for p in twins if p is not twin])
    run.step(), expected.step()
    run.param_groups[0]["params"].append(taken)
    give(params), give(twins)
    run.step(), expected.step()
    assert values(params) == values(twins)


@pytest.mark.parametrize("how", ["add_param_group", "append", "a new list"])
@pytest.mark.parametrize("name", NAMES)
def test_a_further_group(name: str, how: str) -> None:
    a, b = leaf(1.0), leaf(1.0)
    run = optimizer(name, [a], UNUSUAL[name])
    give([a])
    run.step()
    first = a.tolist()
    group = {"params": b, "weight_decay": 0.0}
    if how == "add_param_group":
        run.add_param_group(group)
    elif how == "append":
        run.param_groups.append(group)
    else:
        run.param_groups = [*run.param_groups, group]
    give([a, b])
    run.step()
    assert len(run.param_groups) == 2
    assert run.param_groups[1]["params"][0] is b
    assert run.param_groups[1]["lr"] == run.param_groups[0]["lr"]
    assert b.tolist() != [1.0]
    assert a.tolist() != first
    assert run.theta.tolist() == [*a.tolist(), *b.tolist()]


def test_a_further_group_that_is_wrong_changes_nothing() -> None:
    a = leaf(1.0)
    run = optim.Adam([a])
    for wrong, kind, message in (
        ({"params": [a]}, ValueError, "parameter 1 .* was given twice"),
        ({"params": []}, ValueError, "a group without parameters"),
        ({"lr": 0.1}, TypeError, "a dictionary with 'params' in it"),
        ({"params": [leaf(1.0)], "lr": -1}, ValueError, "lr must be at least 0, not -1"),
        ({"params": [leaf(1.0)], "momentum": 1}, TypeError, "no hyperparameter momentum"),
        ({"params": [mg.tensor([1])]}, TypeError, "must be floating-point, not int64"),
        ({"params": [mg.tensor([1.0])]}, TypeError, "one dtype and device, not float32 on cpu and float64 on cpu"),
        ({"params": [leaf(1.0) * 2]}, TypeError, "was computed from others"),
        ({"params": ["a"]}, TypeError, "parameter 1 must be a tensor, not str"),
    ):
        with pytest.raises(kind, match=message):
            run.add_param_group(wrong)  # type: ignore[arg-type]
        assert len(run.param_groups) == 1
        give([a])
        run.step()
    assert run.t == 9


def test_what_a_group_cannot_train_is_refused_at_the_next_step_and_every_one() -> None:
    a, b = leaf(1.0), leaf(2.0)
    run = optim.SGD([a], lr=1.0)
    for wrong in (b * 2, "a", mg.tensor([1.0]), a):
        run.param_groups[0]["params"].append(wrong)
        give([a])
        for _ in range(2):
            with pytest.raises((TypeError, ValueError), match=r"SGD: .*parameter"):
                run.step()
        run.param_groups[0]["params"].pop()
        assert (run.t, a.tolist()) == (0, [1.0])
    run.step()
    assert a.tolist() == [0.0]
    run.param_groups[0]["params"].clear()
    run.step()
    assert a.tolist() == [0.0]


def test_a_model_of_which_a_part_is_frozen_is_given_whole() -> None:
    for name in NAMES:
        mg.manual_seed(1)
        model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        model[0].requires_grad_(False)
        run = optimizer(name, list(model.parameters()), UNUSUAL[name])
        before = [p.data.copy() for p in model.parameters()]

        def step(model: Any = model, run: Any = run) -> None:
            run.zero_grad()
            (model(mg.ones(4, 2)) ** 2).sum().backward()
            run.step()

        step()
        moved = [not np.array_equal(p.data, b) for p, b in zip(model.parameters(), before, strict=True)]
        assert moved == [False, False, True, True], name
        model[0].requires_grad_(True)
        step(), step()
        moved = [not np.array_equal(p.data, b) for p, b in zip(model.parameters(), before, strict=True)]
        assert moved == [True] * 4, name
        assert [entry["t"] for entry in inside(run).state_dict()["state"].values()] == [2, 2, 3, 3]


def inside(run: Any) -> Any:
    return run.base_optimizer if isinstance(run, optim.Lookahead) else run


# --- Hyperparameters ---------------------------------------------------------------------------------------


def test_setting_a_hyperparameter_sets_it() -> None:
    for how in ("attribute", "group"):
        a, b = leaf(1.0), leaf(1.0)
        run = optim.Momentum([{"params": [a]}, {"params": [b]}], lr=1.0, momentum=0.9)
        give([a, b])
        run.step()
        if how == "attribute":
            run.momentum = 0.5
            run.lr = 0.25
        else:
            for group in run.param_groups:
                group["momentum"], group["lr"] = 0.5, 0.25
        assert (run.momentum, run.lr) == (0.5, 0.25)
        run.step()  # v = 0.5 * 1 + 1
        assert a.tolist() == b.tolist() == [0 - 0.25 * 1.5]
        run.weight_decay = 2.0
        run.step()  # g = 1 + 2 * -0.375, v = 0.5 * 1.5 + g
        assert a.tolist() == b.tolist() == [-0.375 - 0.25 * (0.75 + 0.25)]


def test_setting_a_hyperparameter_of_what_is_wrapped() -> None:
    run: Any = optim.Ranger([leaf(1.0)])
    run.betas, run.k, run.alpha, run.lr = [0.5, 0.25], 3, 0.25, 0.5
    assert (run.base_optimizer.betas, run.k, run.alpha) == ((0.5, 0.25), 3, 0.25)
    assert (run.base_optimizer.param_groups[0]["lr"], run.param_groups[0]["betas"]) == (0.5, (0.5, 0.25))
    assert repr(run).startswith("Ranger(k=3, alpha=0.25, RAdam(1 parameters, lr=0.5, ")
    run = optim.Lookahead(optim.Lookahead(optim.RMSprop([leaf(1.0)], alpha=0.75), k=2, alpha=0.25), alpha=0.5)
    run.alpha = 0.125  # the nearest of that name
    assert (run.alpha, run.base_optimizer.alpha, run.base_optimizer.base_optimizer.alpha) == (0.125, 0.25, 0.75)
    run.eps = 0.5
    assert run.base_optimizer.base_optimizer.eps == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_hyperparameter_that_is_not_there_cannot_be_set(name: str) -> None:
    run = optimizer(name, [leaf(1.0)], UNUSUAL[name])
    for wrong, near in (("weigth_decay", "weight_decay"), ("learning_rate", None), ("gamma", None)):
        message = f"has no hyperparameter {wrong}" + (rf" \(did you mean {near}\?\)" if near else "")
        with pytest.raises(AttributeError, match=message):
            setattr(run, wrong, 0.5)
        assert not hasattr(run, wrong)


def test_a_class_of_ones_own_may_have_attributes_of_its_own() -> None:
    class Mine(Optimizer):
        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, lr=lr)
            self.seen = 0

        def rule(self, theta: Any, g: Any, *, lr: float, momentum: float = 0.5) -> None:
            theta -= lr * g

        def step(self, closure: Any = None) -> Any:
            self.seen += 1
            self.last = self.lr
            return super().step(closure)

    p = leaf(1.0)
    run = Mine([p])
    give([p])
    run.step()
    run.note = "something"
    assert (run.seen, run.last, run.note) == (1, 0.5, "something")
    with pytest.raises(AttributeError, match=r"no hyperparameter momentun \(did you mean momentum\?\)"):
        run.momentun = 0.1
    for mine in (optim.SGD([leaf(1.0)]), optim.Lookahead(optim.SGD([leaf(1.0)]))):
        with pytest.raises(AttributeError, match="has no hyperparameter seen"):
            mine.seen = 1


@pytest.mark.parametrize("wrong", [-1.0, math.nan, "0.1", None, [0.1], 1j, Decimal("0.1"), True, np.ones(2)])
def test_a_rate_that_is_none_is_refused_wherever_it_is_set(wrong: Any) -> None:
    p = leaf(1.0)
    run = optim.Momentum([p], lr=0.5)
    give([p])
    with pytest.raises((TypeError, ValueError), match="Momentum: lr must be"):
        run.lr = wrong
    assert run.lr == 0.5
    with pytest.raises((TypeError, ValueError), match=r"Momentum: .*lr must"):
        getattr(optim.Momentum([leaf(1.0)], lr=lambda t: wrong), "lr")  # noqa: B009
    run.param_groups[0]["lr"] = wrong
    with pytest.raises((TypeError, ValueError), match="Momentum: lr must be"):
        run.step()
    run.param_groups[0]["lr"] = lambda t: wrong
    with pytest.raises((TypeError, ValueError), match=r"the schedule of lr must return .*\(after 0 steps\)"):
        run.step()
    assert (run.t, p.tolist(), run.state_vectors["v"].tolist()) == (0, [1.0], [0.0])
    run.param_groups[0]["lr"] = 0.5
    run.step()
    assert p.tolist() == [0.5]


@pytest.mark.parametrize("rate", [Fraction(1, 4), np.float32(0.25), np.float64(0.25), np.array(0.25), 0.25, np.int8(1)])
def test_a_rate_may_be_any_real_number(rate: Any) -> None:
    for dtype in (mg.float32, mg.float64):
        for given in (rate, lambda t: rate):
            p = mg.tensor([1.0], dtype=dtype, requires_grad=True)
            run = optim.SGD([p], lr=given)
            p.grad = mg.ones(1)
            run.step()
            assert p.tolist() == [1 - float(rate)]
            assert p.dtype == dtype
            assert type(run.lr) in (float, int)


def test_other_hyperparameters_are_checked_wherever_they_are_set() -> None:
    p = leaf(1.0)
    run = optim.Adam([p], betas=[np.float64(0.5), Fraction(1, 2)])  # type: ignore[list-item, arg-type]
    assert run.betas == (0.5, 0.5)
    give([p])
    for name, wrong in (("betas", (0.1,)), ("betas", (0.1, 0.2, 0.3)), ("betas", (1.0, 0.5)), ("betas", 0.5),
                        ("eps", lambda t: 0.1), ("eps", -1), ("eps", math.nan), ("weight_decay", None)):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=f"Adam: {name} must be"):
            setattr(run, name, wrong)
        run.param_groups[0][name] = wrong
        with pytest.raises((TypeError, ValueError), match=f"Adam: {name} must be"):
            run.step()
        run.param_groups[0][name] = run.defaults[name]
    run.param_groups[0]["beta"] = 0.5
    with pytest.raises(TypeError, match=r"no hyperparameter beta \(did you mean betas\?\)"):
        run.step()
    assert run.t == 0
    for k in (np.int64(5), np.uint8(5)):
        assert optim.Lookahead(run, k=k).k == 5


def test_what_a_learner_names_is_the_learners_business() -> None:
    class Mine(Optimizer):
        def rule(self, theta, g, *, lr, betas=(0.1, 0.2, 0.3), alpha=5, clip=None, eps=-1, momentum="some", rho=2):  # type: ignore[no-untyped-def]
            theta -= lr * g * alpha

    p = leaf(1.0)
    run = Mine([p], lr=0.1)
    give([p])
    run.step()
    assert p.tolist() == [0.5]
    run.clip, run.betas = 3, None
    assert (run.clip, run.betas) == (3, None)
    with pytest.raises(ValueError, match="Mine: lr must be at least 0"):
        run.lr = -1


def test_a_hyperparameter_set_before_the_base_class_knows_of_it_is_refused() -> None:
    class Mine(Optimizer):
        def __init__(self, params: Any, mu: float = 0.5) -> None:
            self.mu = mu
            super().__init__(params)

        def rule(self, theta, g, *, lr, mu=0.1):  # type: ignore[no-untyped-def]
            theta -= lr * mu * g

    with pytest.raises(TypeError, match=r"Mine: mu is a hyperparameter of the rule.*__init__\(params, mu=mu\)"):
        Mine([leaf(1.0)])


def test_an_error_in_a_rule_is_no_step() -> None:
    class Fails(Optimizer):
        state = ("v",)

        def rule(self, theta, g, v, *, lr, t, fails=0):  # type: ignore[no-untyped-def]
            theta -= lr * g / (t != fails)

    a, b = leaf(1.0), leaf(1.0, 2.0)
    run = Fails([{"params": [a]}, {"params": [b], "fails": 2}], lr=0.5)
    give([a, b])
    run.step()
    for _ in range(2):
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            run.step()
        assert run.t == 1
        assert [entry["t"] for entry in run.state_dict()["state"].values()] == [1, 1]
    outer = optim.Lookahead(run, k=1)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        outer.step()
    assert outer.t == 0


# --- The gradients that a rule reads --------------------------------------------------------------------------


def test_g_is_what_the_gradients_are() -> None:
    for wrap in (False, True):
        a, b, c = leaf(1.0), leaf(2.0, 3.0), leaf(4.0)
        run: Any = optim.SGD([a, b, c], lr=1.0)
        run = optim.Lookahead(run) if wrap else run
        (a * 2 + b.sum() * 3 + c * 4).sum().backward()
        run.step()
        run.zero_grad()
        assert run.g.tolist() == [0, 0, 0, 0]
        b.grad = mg.tensor([5.0, 6.0])
        (c * 7).sum().backward()
        assert run.g.tolist() == [0, 5, 6, 7]
        assert a.grad is None
        run.g[:] = run.g / 2  # as one clips: it counts
        before = values([a, b, c])
        run.step()
        assert values([a, b, c]) == [before[0], [before[1][0] - 2.5, before[1][1] - 3.0], [before[2][0] - 3.5]]


def test_a_gradient_that_was_given_another_shape_is_refused_at_the_step() -> None:
    p = leaf(1.0, 2.0, 3.0)
    run = optim.SGD([p], lr=1.0)
    (p * 2).sum().backward()
    p.grad.data = np.ones(1)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"a gradient of shape \(1,\) does not fit a parameter of shape \(3,\)"):
        run.step()
    assert (run.t, p.tolist()) == (0, [1, 2, 3])


def test_a_learners_step_reads_what_the_gradients_are() -> None:
    class Clipped(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            norm = float(np.sqrt((self.g**2).sum()))
            if norm > 1:
                self.g[:] = self.g / norm
            return super().step(closure)

    a, b = leaf(0.0), leaf(0.0)
    run = Clipped([a, b], lr=1.0)
    a.grad = mg.tensor([9.0])
    run.step()
    run.zero_grad()
    a.grad, b.grad = mg.tensor([3.0]), mg.tensor([4.0])
    run.step()
    np.testing.assert_allclose([a.item(), b.item()], [-1.6, -0.8], rtol=1e-15)


def test_a_closure_is_called_with_gradients_and_its_loss_returned() -> None:
    p = leaf(2.0)
    for run in (optim.SGD([p], lr=0.25), optim.Lookahead(optim.SGD([p], lr=0.25))):

        def closure(run: Any = run) -> mg.Tensor:
            run.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        before = p.item()
        with mg.no_grad():
            assert run.step(closure).item() == before**2
        assert p.item() == before - 0.25 * 2 * before


# --- Copies ------------------------------------------------------------------------------------------------


def through_pickle(both: Any) -> Any:
    return pickle.loads(pickle.dumps(both))


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
@pytest.mark.parametrize("name", NAMES)
def test_copies_of_model_and_optimizer_go_on_alike_and_apart(name: str, copied: Callable[[Any], Any]) -> None:
    mg.manual_seed(2)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    run = optimizer(name, list(model.parameters()), UNUSUAL[name])
    if name != "ScheduleFreeAdamW":  # which takes no schedule
        run.lr = optim.lr.linear_warmup(optim.lr.cosine(0.1, 20), 5)

    def step(model: Any, run: Any, t: int) -> None:
        run.zero_grad()
        (model(mg.full((5, 3), float(t))) ** 2).mean().backward()
        run.step()

    for t in range(4):
        step(model, run, t)
    model_copy, run_copy = copied((model, run))
    assert run_copy.param_groups[0]["params"][0] is next(model_copy.parameters())
    before = [p.data.copy() for p in model.parameters()]
    for t in range(4, 12):
        step(model_copy, run_copy, t)
    assert all(np.array_equal(p.data, b) for p, b in zip(model.parameters(), before, strict=True))
    for t in range(4, 12):
        step(model, run, t)
    for p, twin in zip(model.parameters(), model_copy.parameters(), strict=True):
        assert np.array_equal(p.data, twin.data)
        assert not np.shares_memory(p.data, twin.data)
    assert run_copy.t == run.t
    assert np.shares_memory(run_copy.theta, next(model_copy.parameters()).data)


def test_every_schedule_can_be_pickled() -> None:
    lr = optim.lr
    for schedule in (
        lr.constant(0.5),
        lr.step_decay(0.5, 3),
        lr.exponential(0.5, 0.9),
        lr.cosine(0.5, 10, 0.1),
        lr.linear_warmup(0.5, 3),
        lr.linear_warmup(lr.cosine(0.5, 10), 3, 0.25),
        lr.piecewise([2, 5], [0.5, 0.25, 0.125]),
    ):
        again = through_pickle(schedule)
        assert [again(t) for t in range(12)] == [schedule(t) for t in range(12)]


# --- A failed load ---------------------------------------------------------------------------------------------


def bits(run: Any, params: list[mg.Tensor]) -> Any:
    state = {name: vector.tobytes() for name, vector in run.state_vectors.items()}
    hyper = [{k: v for k, v in group.items() if k != "params"} for group in run.param_groups]
    return [p.data.tobytes() for p in params], state, hyper, run.t, repr(run)


def spoil(state: Any, rule: str) -> dict[str, Any]:
    """States that have one thing wrong, mostly at the very end."""
    base = state.get("base_optimizer", state)
    last = max(base["state"])

    def changed(where: str, value: Any, entry: int | None = last) -> Any:
        new = copy.deepcopy(state)
        inner = new.get("base_optimizer", new)
        if entry is None:
            inner[where] = value
        else:
            inner["state"][entry][where] = value
        return new

    cases = {
        f"t of the last is {wrong!r}": changed("t", wrong)
        for wrong in (math.nan, -1, "3", None, 2.5, True, [1], math.inf)
    }
    cases |= {f"t is {wrong!r}": changed("t", wrong, None) for wrong in (math.nan, -1, "3", None, 2.5)}
    cases |= {f"state is {wrong!r}": changed("state", wrong, None) for wrong in (None, 3, [], {}, "state")}
    further = copy.deepcopy(base["state"])
    cases["state of one parameter more"] = changed("state", {**further, last + 1: further[last]}, None)
    cases |= {f"groups are {wrong!r}": changed("param_groups", wrong, None) for wrong in (None, 3, [], [3], [{}], "g")}
    for name in [key for key in base["state"][last] if key != "t"]:
        shape = base["state"][last][name].shape
        for wrong in (
            np.ones(shape, np.int64),
            np.ones((7, 7)),
            None,
            "m",
            np.full(shape, "a"),
            np.ones(shape, complex),
        ):
            cases[f"{name} of the last is {wrong!r}"] = changed(name, wrong)
    hyper = copy.deepcopy(base["param_groups"])
    for name, wrong in (("lr", -1.0), ("lr", math.nan), ("weight_decay", "a"), ("another", 1.0)):
        cases[f"{name} is {wrong!r}"] = changed("param_groups", [{**hyper[0], name: wrong}, *hyper[1:]], None)
    if "slow" in state:
        for name, wrong in (("k", 0), ("k", math.nan), ("alpha", 2.0), ("slow", np.ones(3)), ("slow", "a"), ("t", -1)):
            cases[f"{name} is {wrong!r}"] = {**copy.deepcopy(state), name: wrong}
    return cases


@pytest.mark.parametrize("name", NAMES)
def test_a_failed_load_changes_nothing(name: str) -> None:
    params = [leaf(*np.arange(n + 1.0)) for n in range(10)]
    groups = [{"params": params[:4]}, {"params": params[4:]}]
    hyper = dict(UNUSUAL[name])
    kind, inner = hyper.pop("inner", (None, {}))
    run = (
        optim.Lookahead(getattr(optim, kind)(groups, **inner), **hyper)
        if kind
        else getattr(optim, name)(groups, **hyper)
    )
    other = copy.deepcopy(run)
    for t in range(3):
        for p in params:
            p.grad = mg.Tensor(np.sin(p.data + t))
        run.step()
    before = bits(run, params)
    for p in other.param_groups[0]["params"] + other.param_groups[1]["params"]:
        p.grad = mg.Tensor(np.cos(p.data))
    other.step()
    good = other.state_dict()
    cases = spoil(good, name)
    assert len(cases) > 20
    for what, wrong in cases.items():
        with pytest.raises((ValueError, TypeError)) as caught:
            run.load_state_dict(wrong)
        assert len(str(caught.value)) > 10, what
        assert bits(run, params) == before, what
    run.load_state_dict(good)
    assert run.t == other.t == 1
    assert all(
        np.array_equal(a, b) for a, b in zip(run.state_vectors.values(), other.state_vectors.values(), strict=True)
    )
