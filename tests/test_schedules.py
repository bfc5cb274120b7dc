"""Rates that change: the schedules themselves, and what the optimizers make of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_tools import flat, give, parameters

import minigrad as mg
from minigrad import optim
from minigrad.optim import lr

SCHEDULES: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "torch_schedules.json").read_text())[
    "schedules"
]


def rates(schedule: lr.Schedule, count: int = 30) -> list[float]:
    return [schedule(taken) for taken in range(count)]


def same(*expected: float) -> Any:
    return pytest.approx(list(expected), rel=1e-12, abs=1e-15)


# --- Against PyTorch -----------------------------------------------------------------------------------


def ours(name: str) -> lr.Schedule:
    """The schedule that PyTorch's scheduler of that entry is called here."""
    entry = SCHEDULES[name]
    base, arguments = entry["lr"], dict(entry["arguments"])
    if entry["torch_class"] == "StepLR":
        return lr.step_decay(base, arguments.pop("step_size"), **arguments)
    if entry["torch_class"] == "ExponentialLR":
        return lr.exponential(base, **arguments)
    if entry["torch_class"] == "CosineAnnealingLR":
        return lr.cosine(base, arguments["T_max"], arguments.get("eta_min", 0.0))
    if entry["torch_class"] == "LinearLR":
        return lr.linear_warmup(base, arguments.get("total_iters", 5), arguments.get("start_factor", 1 / 3))
    assert entry["torch_class"] == "SequentialLR"
    warm, after = lr.linear_warmup(base, 5, 0.1), lr.cosine(base, arguments["CosineAnnealingLR"]["T_max"])
    return lambda taken: warm(taken) if taken < 5 else after(taken - 5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_gives_pytorchs_rates(name: str) -> None:
    expected = SCHEDULES[name]["rates"]
    assert len(expected) == 30
    if name.endswith("past_T_max"):
        # PyTorch's cosine rises again after T_max; ours stays where it ended.
        end = SCHEDULES[name]["arguments"]["T_max"]
        assert expected[end + 1] > expected[end]
        expected = expected[: end + 1] + [0.01] * (29 - end)
    assert rates(ours(name)) == same(*expected)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "LinearLR then CosineAnnealingLR"])
def test_an_optimizer_takes_pytorchs_rates(name: str) -> None:
    (p,) = params = parameters(np.zeros(1), [(1,)])
    run = optim.SGD(params, lr=ours(name))
    seen = []
    for _ in range(30):
        before = p.item()
        give(params, np.ones(1))
        run.step()
        seen.append(before - p.item())
    assert seen == pytest.approx(SCHEDULES[name]["rates"], rel=1e-9)


# --- By hand -------------------------------------------------------------------------------------------


def test_constant() -> None:
    assert rates(lr.constant(0.3), 3) == [0.3, 0.3, 0.3]


def test_step_decay() -> None:
    assert rates(lr.step_decay(8.0, 2, 0.5), 7) == [8, 8, 4, 4, 2, 2, 1]
    assert rates(lr.step_decay(1.0, 1), 3) == same(1.0, 0.1, 0.01)


def test_exponential() -> None:
    assert rates(lr.exponential(16.0, 0.5), 4) == [16, 8, 4, 2]


def test_cosine() -> None:
    # A quarter of the way down the half cosine: (1 + cos 45 degrees) / 2.
    quarter = (1 + math.sqrt(0.5)) / 2
    assert rates(lr.cosine(2.0, 4), 7) == same(2.0, 2 * quarter, 1.0, 2 * (1 - quarter), 0.0, 0.0, 0.0)
    assert rates(lr.cosine(3.0, 2, end=1.0), 4) == same(3.0, 2.0, 1.0, 1.0)


def test_linear_warmup() -> None:
    # From nothing the first step has a quarter already: a step at the rate 0 would be wasted.
    assert rates(lr.linear_warmup(2.0, 4), 6) == same(0.5, 1.0, 1.5, 2.0, 2.0, 2.0)
    # From a start of 0.2 the first step has that.
    assert rates(lr.linear_warmup(2.0, 4, start=0.2), 6) == same(0.4, 0.8, 1.2, 1.6, 2.0, 2.0)
    # What it warms up to may be a schedule, which goes on meanwhile.
    warmed = lr.linear_warmup(lr.step_decay(8.0, 2, 0.5), 4)
    assert rates(warmed, 7) == same(8 / 4, 8 / 2, 4 * 3 / 4, 4.0, 2.0, 2.0, 1.0)


def test_piecewise() -> None:
    assert rates(lr.piecewise([2, 3], [0.5, 0.2, 0.1]), 5) == [0.5, 0.5, 0.2, 0.1, 0.1]
    assert rates(lr.piecewise([], [0.5]), 2) == [0.5, 0.5]


def test_wrong_schedules() -> None:
    with pytest.raises(ValueError, match="step_decay: every must be at least 1, not 0"):
        lr.step_decay(0.1, 0)
    with pytest.raises(ValueError, match="cosine: total must be at least 1, not -3"):
        lr.cosine(0.1, -3)
    with pytest.raises(ValueError, match="linear_warmup: steps must be at least 1, not 0"):
        lr.linear_warmup(0.1, 0)
    for bounds, values in (([5], [0.1]), ([5], [0.1, 0.2, 0.3]), ([5, 3], [0.1, 0.2, 0.3]), ([5, 5], [0.1, 0.2, 0.3])):
        with pytest.raises(ValueError, match="piecewise: needs increasing bounds and one more rate") as wrong:
            lr.piecewise(bounds, values)
        assert str(bounds) in str(wrong.value)
        assert str(values) in str(wrong.value)


# --- In an optimizer -----------------------------------------------------------------------------------


def one() -> list[mg.Tensor]:
    return parameters(np.zeros(1), [(1,)])


def take(run: Any, params: list[mg.Tensor], steps: int = 1) -> list[float]:
    """Steps with a gradient of 1; how far each one went."""
    went = []
    for _ in range(steps):
        before = flat(params)
        give(params, np.ones(len(before)))
        run.step()
        went.append(float((before - flat(params))[0]))
    return went


class Watching(optim.Optimizer):
    """SGD that notes the rate in force while it works (from when `seen` is there: the first run is only a check)."""

    def rule(self, theta: Any, g: Any, *, lr: float) -> None:
        if self.t:  # not when the rule is checked, before the first step
            self.seen.append((self.lr, lr, self.param_groups[0]["lr"]))
        theta -= lr * g


def test_the_rate_in_force_before_inside_and_after_steps() -> None:
    params = one()
    run = Watching(params, lr=lambda taken: [8.0, 4.0, 2.0, 1.0][taken])
    run.seen = []
    assert run.lr == 8.0
    assert isinstance(run.lr, float)
    assert take(run, params) == [8.0]
    assert run.lr == 4.0  # that of the step to come
    assert take(run, params, 2) == [4.0, 2.0]
    assert run.lr == 1.0
    assert [seen[:2] for seen in run.seen] == [(8.0, 8.0), (4.0, 4.0), (2.0, 2.0)]
    assert callable(run.param_groups[0]["lr"])


def test_a_rule_that_raises_leaves_no_rate_in_force() -> None:
    class Broken(optim.Optimizer):
        def rule(self, theta: Any, g: Any, *, lr: float) -> None:
            raise ArithmeticError

    params = one()
    run = Broken([{"params": params, "lr": 0.5}])
    give(params, np.ones(1))
    with pytest.raises(ArithmeticError):
        run.step()
    run.lr = 0.25
    assert run.lr == 0.25


def test_a_constant_rate_in_force() -> None:
    params = one()
    run = optim.SGD(params, lr=0.5)
    assert run.lr == 0.5
    assert take(run, params) == [0.5]
    assert run.lr == 0.5


def test_setting_the_rate_by_either_name() -> None:
    params = one()
    run = optim.Momentum(params, lr=0.5, momentum=0.0)
    take(run, params)
    run.lr = 0.25
    assert run.lr == 0.25 == run.param_groups[0]["lr"]
    assert take(run, params) == [0.25]
    run.param_groups[0]["lr"] = 0.125
    assert run.lr == 0.125
    assert take(run, params) == [0.125]
    run.lr = lambda taken: 1.0 / taken  # three steps were taken
    assert run.lr == pytest.approx(1 / 3)
    assert take(run, params, 2) == pytest.approx([1 / 3, 1 / 4])


def test_setting_the_rate_reaches_every_group() -> None:
    a, b = one(), one()
    run = optim.SGD([{"params": a, "lr": 0.5}, {"params": b}], lr=0.25)
    assert run.lr == 0.5  # of the first group
    run.lr = 0.125
    assert [group["lr"] for group in run.param_groups] == [0.125, 0.125]
    give(a + b, np.ones(2))
    run.step()
    assert (a[0].item(), b[0].item()) == (-0.125, -0.125)


@pytest.mark.parametrize("wrong", [-0.1, math.nan, -math.inf])
def test_a_wrong_rate_is_not_taken(wrong: float) -> None:
    run = optim.SGD(one(), lr=0.5)
    with pytest.raises(ValueError, match="SGD: lr must be at least 0"):
        run.lr = wrong
    assert run.lr == 0.5


def test_groups_with_schedules_of_their_own() -> None:
    a, b, c = one(), one(), one()
    run = optim.SGD([{"params": a, "lr": lambda taken: 0.5**taken}, {"params": b}, {"params": c, "lr": 0.0}], lr=0.25)
    for _ in range(3):
        give(a + b + c, np.ones(3))
        run.step()
    assert (a[0].item(), b[0].item(), c[0].item()) == (-1.75, -0.75, 0.0)


def test_inside_a_rule_the_rate_is_that_of_the_group_at_hand() -> None:
    a, b = one(), one()
    run = Watching([{"params": a, "lr": 0.5}, {"params": b, "lr": lambda taken: 0.25}])
    run.seen = []
    give(a + b, np.ones(2))
    run.step()
    assert [seen[:2] for seen in run.seen] == [(0.5, 0.5), (0.25, 0.25)]
    assert run.lr == 0.5


@pytest.mark.parametrize("wrap", [lambda inner: optim.Lookahead(inner, k=2), lambda inner: inner])
def test_lookahead_has_the_rate_of_its_inner_optimizer(wrap: Any) -> None:
    params = one()
    run = wrap(optim.SGD(params, lr=lambda taken: 0.5**taken))
    assert run.lr == 1.0
    assert take(run, params) == [1.0]
    assert run.lr == 0.5
    run.lr = 0.125
    assert run.lr == 0.125 == run.param_groups[0]["lr"]
    take(run, params)
    assert take(run, params) == [0.125]


def test_the_rate_follows_the_optimizers_steps_and_not_the_parameters() -> None:
    # A parameter that misses a gradient does not hold up the schedule; its own t it does.
    a, b = one(), one()
    run = optim.SGD(a + b, lr=lambda taken: [4.0, 2.0, 1.0][taken])
    for missing in ([], [1], []):
        give(a + b, np.ones(2), missing)
        run.step()
    assert (a[0].item(), b[0].item()) == (-7.0, -5.0)
