"""Schedulers that are stepped: PyTorch's rates, states that go on, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import minigrad
from minigrad import optim
from minigrad.optim import lr_scheduler
from minigrad.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

RECORDED = json.loads((Path(__file__).parent / "data" / "torch_schedulers.json").read_text(encoding="utf-8"))
CASES = RECORDED["cases"]


def made(kind: str = "SGD", **more: Any) -> optim.Optimizer:
    groups = [{"params": [minigrad.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.03)]
    return getattr(optim, kind)(groups, **({"momentum": 0.9} if kind == "SGD" else {}), **more)


def stepped(optimizer: optim.Optimizer, schedulers: list[Any], t: int) -> None:
    for scheduler in schedulers:
        plateau = isinstance(scheduler, ReduceLROnPlateau)
        scheduler.step(*([RECORDED["metrics"][t % len(RECORDED["metrics"])]] if plateau else []))


def momentum_of(optimizer: optim.Optimizer) -> float:
    group = optimizer.param_groups[0]
    return group["momentum"] if "momentum" in group else group["betas"][0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(name for name, _ in case["schedulers"]))
def test_rates_and_momentum_are_pytorchs(case: dict[str, Any]) -> None:
    optimizer = made(case["optimizer"])
    schedulers = [getattr(lr_scheduler, name)(optimizer, **arguments) for name, arguments in case["schedulers"]]
    for t, (rates, momentum) in enumerate(zip(case["rates"], case["momentum"], strict=True)):
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(rates, rel=1e-13)
        assert schedulers[0].get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        assert momentum_of(optimizer) == pytest.approx(momentum, rel=1e-13)
        if t < 29:
            stepped(optimizer, schedulers, t)


def test_all_of_them_are_compared() -> None:
    kinds = {
        name
        for name, kind in vars(lr_scheduler).items()
        if isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler)
    }
    compared = {name for case in CASES for name, _ in case["schedulers"]}
    assert kinds - {"LRScheduler", "LambdaLR"} == compared


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(name for name, _ in case["schedulers"]))
def test_a_state_goes_on(case: dict[str, Any]) -> None:
    def fresh() -> tuple[optim.Optimizer, list[Any]]:
        optimizer = made(case["optimizer"])
        return optimizer, [getattr(lr_scheduler, name)(optimizer, **args) for name, args in case["schedulers"]]

    (optimizer, schedulers), (other, others) = fresh(), fresh()
    for t in range(12):
        stepped(optimizer, schedulers, t)
    other.load_state_dict(optimizer.state_dict())
    for scheduler, one in zip(others, schedulers, strict=True):
        scheduler.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for t in range(12, 29):
        assert [group["lr"] for group in other.param_groups] == [group["lr"] for group in optimizer.param_groups]
        assert momentum_of(other) == momentum_of(optimizer)
        stepped(optimizer, schedulers, t)
        stepped(other, others, t)


def test_a_function_of_the_step_and_one_for_each_group() -> None:
    optimizer = made()
    scheduler = LambdaLR(optimizer, lambda epoch: epoch / 4)
    assert scheduler.get_last_lr() == [0, 0]
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.025, 0.0075])
    scheduler = LambdaLR(made(), [lambda epoch: 1.0, lambda epoch: 0.5**epoch])
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.1, 0.015])
    with pytest.raises(ValueError, match="1 functions for 2 parameter groups"):
        LambdaLR(made(), [lambda epoch: 1.0])


def test_a_rate_that_the_user_changes_stays_changed() -> None:
    optimizer = made()
    scheduler = StepLR(optimizer, 2)
    scheduler.step()
    optimizer.lr = 1.0
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.1, 0.1])


def test_the_optimizer_steps_with_the_rate() -> None:
    w = minigrad.zeros(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    scheduler = MultiStepLR(optimizer, [1], gamma=0.25)
    for _ in range(2):
        w.grad = minigrad.ones(1)
        optimizer.step()
        scheduler.step()
    assert w.item() == -1.25


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StepLR([], 2), TypeError, "StepLR schedules an optimizer, not list"),
        (lambda: StepLR(made(), 0), ValueError, "every must be at least 1"),
        (lambda: StepLR(made(), 2, last_epoch=3), ValueError, "use load_state_dict"),
        (lambda: StepLR(optim.SGD([minigrad.zeros(1)], lr=lambda t: 0.1), 2), TypeError, "needs no scheduler"),
        (lambda: LinearLR(made(), start_factor=0), ValueError, "start_factor must be above 0"),
        (lambda: LinearLR(made(), end_factor=2), ValueError, "end_factor must be from 0 to 1"),
        (lambda: CosineAnnealingLR(made(), 0), ValueError, "T_max must be at least 1"),
        (lambda: OneCycleLR(made(), 0.1), ValueError, "total_steps, or both epochs and steps_per_epoch"),
        (lambda: OneCycleLR(made("Adagrad"), 0.1, 5), TypeError, "cycle_momentum=False"),
        (lambda: OneCycleLR(made(), 0.1, 5, anneal_strategy="quick"), ValueError, "must be cos or linear"),
        (lambda: OneCycleLR(made(), 0.1, 5, pct_start=2), ValueError, "pct_start 2 from 0 to 1"),
        (lambda: ReduceLROnPlateau(made(), factor=1), ValueError, "factor must be below 1"),
        (lambda: ReduceLROnPlateau(made(), mode="low"), ValueError, "mode is min or max"),
        (lambda: ReduceLROnPlateau(made()).step(), TypeError, "takes the measured value"),
        (lambda: StepLR(made(), 2).load_state_dict({"gamma": 1}), ValueError, "state of another scheduler"),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_cycle_ends() -> None:
    scheduler = OneCycleLR(made(), 0.5, 3)
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="step 4 of a cycle of 3 steps"):
        scheduler.step()
