"""The reference rules held against PyTorch's recorded trajectories and against steps worked out by hand."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_rules
from recorded_others import cases
from reference_rules import (
    REFERENCES,
    SGD,
    WRAPPER_REFERENCES,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamEpsFirst,
    AdamW,
    Lookahead,
    Momentum,
    MomentumRateInside,
    Nesterov,
    NesterovLookAhead,
    RAdam,
    Ranger,
    RMSprop,
    Rule,
    descend,
)

with np.load(Path(__file__).parent / "data" / "torch_trajectories.npz") as _recorded:
    RECORDED: dict[str, np.ndarray] = {name: _recorded[name] for name in _recorded.files}
ABOUT = json.loads(str(RECORDED["about"]))
CASES: dict[str, dict[str, Any]] = ABOUT["cases"]
GRADIENTS = RECORDED["gradients"]
THETA0 = RECORDED["theta0"]
SECOND = range(6, 10)  # the coordinates of the second parameter, the one whose gradient is missing at times


def reference(case: dict[str, Any]) -> Rule:
    """Make the reference rule of a recorded case."""
    hyper = dict(case["hyper"])
    if case["rates"]:
        hyper["lr"] = lambda taken: case["rates"][taken]
    if case["rule"] == "Lookahead":
        inner = case["inner"]
        return Lookahead(REFERENCES[inner["rule"]](**inner["hyper"]), **hyper)
    return REFERENCES[case["rule"]](**hyper)


def steps(rule: Rule, theta: float, *gradients: float) -> list[float]:
    """Take a step for each gradient; return theta after each."""
    path = []
    for g in gradients:
        theta = rule.step(theta, g)
        path.append(theta)
    return path


def close(*expected: float) -> Any:
    """Compare with numbers worked out by hand: to rounding, and no more."""
    return pytest.approx(list(expected), rel=1e-12, abs=1e-12)


# --- Against PyTorch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_follows_the_recorded_trajectory(name: str) -> None:
    case = CASES[name]
    for coordinate, theta0 in enumerate(THETA0.tolist()):
        rule, theta = reference(case), theta0
        for t, g in enumerate(GRADIENTS[:, coordinate].tolist(), start=1):
            # Without a gradient nothing moves: not theta, not the state, not this parameter's t.
            if not (t in case["missing"] and coordinate in SECOND):
                theta = rule.step(theta, g)
            expected = float(RECORDED[name][t - 1, coordinate])
            assert abs(theta - expected) <= 1e-10, f"{name}: coordinate {coordinate}, step {t}"


def test_every_rule_is_recorded_by_default_and_otherwise() -> None:
    others = {case.rule for case in cases().values()}  # test_references_others.py looks at these
    for name in set(REFERENCES) - {"Lookahead"} - others:
        hypers = [case["hyper"] for case in CASES.values() if case["rule"] == name and not case["rates"]]
        assert {} in hypers, f"{name} is not recorded with its defaults"
        assert any(hyper.get("weight_decay") for hyper in hypers), f"{name} is not recorded with weight decay"
    assert {case["rule"] for case in CASES.values()} == set(REFERENCES) - others


def test_every_rule_of_the_page_is_in_the_table_or_tested_here() -> None:
    rules = {
        name
        for name, thing in vars(reference_rules).items()
        if isinstance(thing, type) and issubclass(thing, Rule) and thing is not Rule
    }
    assert rules - set(REFERENCES) - set(WRAPPER_REFERENCES) == {
        "MomentumRateInside",
        "NesterovLookAhead",
        "AdamEpsFirst",
    }


def test_the_recording_can_tell_rules_apart() -> None:
    # One coordinate has no gradient ever, one has gradients of the size of the default eps, others have
    # zeros among theirs, and no recorded path is that of another case.
    assert GRADIENTS.shape == (55, 11)
    assert ABOUT["shapes"] == [[2, 3], [4], [1]]
    assert not GRADIENTS[:, 5].any()
    assert not GRADIENTS[:12, 9].any()
    assert GRADIENTS[12:, 9].any()
    assert 1e-9 < np.abs(GRADIENTS[:, 4]).max() < 1e-7
    assert (GRADIENTS[:, 0] == 0).any()
    assert (GRADIENTS[:, 0] != 0).any()
    names = list(CASES)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert np.abs(RECORDED[one] - RECORDED[other]).max() > 1e-6, (one, other)


# --- By hand: the gradient, and a memory of it -------------------------------------------------------


def test_sgd_by_hand() -> None:
    # 1 - 0.1 * 2 = 0.8;  0.8 + 0.1 * 3 = 1.1
    assert steps(SGD(lr=0.1), 1.0, 2.0, -3.0) == close(0.8, 1.1)


def test_coupled_weight_decay_by_hand() -> None:
    # g = 2 + 0.5 * 1 = 2.5, theta = 0.75;  then g = 0 + 0.5 * 0.75 = 0.375, theta = 0.7125
    assert steps(SGD(lr=0.1, weight_decay=0.5), 1.0, 2.0, 0.0) == close(0.75, 0.7125)
    # v = 2.5, theta = 0.75;  v = 0.9 * 2.5 + 0.375 = 2.625, theta = 0.4875: decay passes through v
    assert steps(Momentum(lr=0.1, weight_decay=0.5), 1.0, 2.0, 0.0) == close(0.75, 0.4875)


def test_momentum_by_hand() -> None:
    # g = 2, mu = 0.9:  v = 2, 3.8, 5.42;  theta = 1 - 0.2, - 0.38, - 0.542
    assert steps(Momentum(lr=0.1, momentum=0.9), 1.0, 2.0, 2.0, 2.0) == close(0.8, 0.42, -0.122)


def test_nesterov_by_hand() -> None:
    # g = 2, mu = 0.9:  v = 2, 3.8, 5.42;  g + mu v = 3.8, 5.42, 6.878;  theta = 1 - 0.38, - 0.542, - 0.6878
    assert steps(Nesterov(lr=0.1, momentum=0.9), 1.0, 2.0, 2.0, 2.0) == close(0.62, 0.078, -0.6098)


def rosenbrock_gradient(theta: list[float], t: int) -> list[float]:
    """Return the gradient of (1 - x)^2 + 100 (y - x^2)^2."""
    x, y = theta
    return [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]


def beale_gradient(theta: list[float], t: int) -> list[float]:
    """Return the gradient of (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2."""
    x, y = theta
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return [
        2 * a * (y - 1) + 2 * b * (y**2 - 1) + 2 * c * (y**3 - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y**2,
    ]


SURFACES = pytest.mark.parametrize("gradient", [rosenbrock_gradient, beale_gradient])
Gradient = Callable[[list[float], int], list[float]]


def halving(taken: int) -> float:
    """Return a rate that halves every twenty steps."""
    return 2e-4 * 0.5 ** (taken // 20)


def gap(one: list[list[float]], other: list[list[float]]) -> float:
    """Return the largest difference between two paths."""
    assert len(one) == len(other) > 0
    return float(np.abs(np.array(one) - np.array(other)).max())


@SURFACES
def test_the_two_forms_of_momentum(gradient: Gradient) -> None:
    start = [-1.0, 1.2]
    outside = descend(lambda: Momentum(lr=2e-4), start, gradient, 100)
    inside = descend(lambda: MomentumRateInside(lr=2e-4), start, gradient, 100)
    assert np.abs(np.array(outside[-1]) - start).max() > 0.1  # they went somewhere
    assert gap(outside, inside) < 1e-12
    outside = descend(lambda: Momentum(lr=halving), start, gradient, 100)
    inside = descend(lambda: MomentumRateInside(lr=halving), start, gradient, 100)
    assert gap(outside[:20], inside[:20]) < 1e-12
    assert gap(outside, inside) > 1e-3


def test_the_two_forms_of_momentum_part_by_hand() -> None:
    # g = 1, mu = 0.5, rates 1 and then 0.1.
    def rate(taken: int) -> float:
        return [1.0, 0.1][taken]

    # Outside: v = 1, theta = -1;  v = 1.5, theta = -1 - 0.1 * 1.5 = -1.15
    assert steps(Momentum(lr=rate, momentum=0.5), 0.0, 1.0, 1.0) == close(-1.0, -1.15)
    # Inside: v = 1, theta = -1;  v = 0.5 + 0.1 = 0.6, theta = -1.6
    assert steps(MomentumRateInside(lr=rate, momentum=0.5), 0.0, 1.0, 1.0) == close(-1.0, -1.6)


def look_ahead_points(lr: reference_rules.Rate, gradient: Gradient, count: int) -> list[list[float]]:
    """Return phi = theta - mu v, v with the rate inside, after each step of the look-ahead form."""
    rules = [NesterovLookAhead(lr=lr, momentum=0.9) for _ in range(2)]
    theta, points = [-1.0, 1.2], []
    for t in range(1, count + 1):
        g = gradient([x - 0.9 * rule.v for x, rule in zip(theta, rules, strict=True)], t)
        theta = [rule.step(x, g_x) for x, g_x, rule in zip(theta, g, rules, strict=True)]
        points.append([x - 0.9 * rule.v for x, rule in zip(theta, rules, strict=True)])
    return points


@SURFACES
def test_nesterov_is_the_look_ahead_form_in_other_coordinates(gradient: Gradient) -> None:
    # theta of PyTorch's form is phi = theta - lr mu v of the look-ahead form (whose own v is lr v).
    ours = descend(lambda: Nesterov(lr=2e-4), [-1.0, 1.2], gradient, 100)
    assert np.abs(np.array(ours[-1]) - [-1.0, 1.2]).max() > 0.1
    assert gap(ours, look_ahead_points(2e-4, gradient, 100)) < 1e-12
    # The points themselves differ, and under a schedule the identity ends.
    theta = descend(lambda: NesterovLookAhead(lr=2e-4), [-1.0, 1.2], gradient, 100)
    assert gap(ours, theta) > 1e-3
    ours = descend(lambda: Nesterov(lr=halving), [-1.0, 1.2], gradient, 100)
    theirs = look_ahead_points(halving, gradient, 100)
    assert gap(ours[:20], theirs[:20]) < 1e-12
    assert gap(ours, theirs) > 1e-3


def test_descend_takes_the_look_ahead_gradient_where_the_rule_asks() -> None:
    # f = theta^2 / 2, so g is the point it is taken at; lr = 0.1, mu = 0.5, theta = 1.
    # v = 0.1 * 1 = 0.1, theta = 0.9;  at 0.9 - 0.05 = 0.85: v = 0.05 + 0.085 = 0.135, theta = 0.765
    path = descend(lambda: NesterovLookAhead(lr=0.1, momentum=0.5), [1.0], lambda theta, t: theta, 2)
    assert [theta for (theta,) in path] == close(0.9, 0.765)


# --- By hand: a rate for every coordinate ------------------------------------------------------------


def test_adagrad_by_hand() -> None:
    # G = 9, 9 + 16 = 25.  eps = 0: 1 - 0.1 * 3/3 = 0.9, - 0.1 * 4/5 = 0.82
    assert steps(Adagrad(lr=0.1, eps=0.0), 1.0, 3.0, 4.0) == close(0.9, 0.82)
    # eps = 3, outside the root: 1 - 0.1 * 3/6 = 0.95, - 0.1 * 4/8 = 0.9
    assert steps(Adagrad(lr=0.1, eps=3.0), 1.0, 3.0, 4.0) == close(0.95, 0.9)


def test_rmsprop_by_hand() -> None:
    # alpha = 0.75: v = 0.25 * 16 = 4, then 3 + 0.25 * 4 = 4.
    # eps = 0: 1 - 0.1 * 4/2 = 0.8, - 0.1 * 2/2 = 0.7
    assert steps(RMSprop(lr=0.1, alpha=0.75, eps=0.0), 1.0, 4.0, 2.0) == close(0.8, 0.7)
    # eps = 2, outside the root: 1 - 0.1 * 4/4 = 0.9, - 0.1 * 2/4 = 0.85
    assert steps(RMSprop(lr=0.1, alpha=0.75, eps=2.0), 1.0, 4.0, 2.0) == close(0.9, 0.85)
    # The first step at the default alpha is g / sqrt(0.01 g^2) = 10 times lr, whatever g is.
    assert steps(RMSprop(lr=0.1, eps=0.0), 1.0, 1e-3) == close(0.0)


def test_adadelta_by_hand() -> None:
    # rho = 0.75, eps = 5, g = 4 twice.
    # v = 4; delta = sqrt(0 + 5) / sqrt(4 + 5) * 4 = 4 sqrt(5) / 3; u = 0.25 * 16 * 5/9 = 20/9
    # v = 3 + 4 = 7; delta = sqrt(20/9 + 5) / sqrt(12) * 4 = 4 sqrt(65/108)
    first, second = 4 * math.sqrt(5) / 3, 4 * math.sqrt(65 / 108)
    assert steps(Adadelta(rho=0.75, eps=5.0), 1.0, 4.0, 4.0) == close(1 - first, 1 - first - second)
    # The rate scales the step and not what u remembers of it.
    halved = steps(Adadelta(lr=0.5, rho=0.75, eps=5.0), 1.0, 4.0, 4.0)
    assert halved == close(1 - first / 2, 1 - first / 2 - second / 2)
    # By default the first step is tiny: sqrt(eps / (1 - rho)) = sqrt(1e-5), eps beside g^2 left out.
    assert steps(Adadelta(), 0.0, 1e3)[0] == pytest.approx(-math.sqrt(1e-5), rel=1e-6)


# --- By hand: Adam, and what came of it --------------------------------------------------------------


def test_adam_by_hand() -> None:
    # First step: m_hat = g and v_hat = g^2, so -lr g / (|g| + eps), whatever the betas.
    # g = -3, eps = 1, lr = 0.1: 1 + 0.3/4 = 1.075
    assert steps(Adam(lr=0.1, eps=1.0), 1.0, -3.0) == close(1.075)
    assert steps(Adam(lr=0.1, betas=(0.2, 0.3), eps=1.0), 1.0, -3.0) == close(1.075)
    # betas = (0.5, 0.75), eps = 0, g = 2 and then 0:  theta = 1 - 0.1 = 0.9;
    # m = 1, 0.5; v = 1, 0.75;  m_hat = 0.5 / (1 - 0.25) = 2/3;  v_hat = 0.75 / (1 - 0.5625) = 12/7
    second = 0.1 * (2 / 3) / math.sqrt(12 / 7)
    assert steps(Adam(lr=0.1, betas=(0.5, 0.75), eps=0.0), 1.0, 2.0, 0.0) == close(0.9, 0.9 - second)


def test_adam_with_eps_first_is_another_rule() -> None:
    # beta2 = 0.75: v = 0.25 * 9 = 2.25, sqrt 1.5;  rate = 0.1 * sqrt(0.25) / 0.5 = 0.1;  m = -1.5;
    # theta = 1 + 0.1 * 1.5 / (1.5 + 1) = 1.06, where Adam has 1.075
    rule = AdamEpsFirst(lr=0.1, betas=(0.5, 0.75), eps=1.0)
    assert steps(rule, 1.0, -3.0) == close(1.06)
    # With no eps they are one, at the second step too.
    gradients = GRADIENTS[:, 1].tolist()
    assert steps(AdamEpsFirst(eps=0.0), 1.0, *gradients) == close(*steps(Adam(eps=0.0), 1.0, *gradients))
    # Its eps is Adam's divided by sqrt(1 - beta2^t): at t = 2, with v_hat = g^2 = 9, rate 0.1,
    # 0.1 * 3 / (3 + 1 / sqrt(1 - 0.5625)) = 0.3 / (3 + 4 / sqrt(7))
    first, second = steps(AdamEpsFirst(lr=0.1, betas=(0.5, 0.75), eps=1.0), 1.0, -3.0, -3.0)
    assert [second - first] == close(0.3 / (3 + 4 / math.sqrt(7)))


def test_adamw_by_hand() -> None:
    # The decay of theta = 1 is 0.1 * 0.5 * 1 = 0.05 beside Adam's 0.075: 1 - 0.05 + 0.075 = 1.025
    assert steps(AdamW(lr=0.1, weight_decay=0.5, eps=1.0), 1.0, -3.0) == close(1.025)
    # Without gradients theta shrinks by 1 - lr weight_decay = 0.95 a step; m and v know nothing of it.
    rule = AdamW(lr=0.1, weight_decay=0.5)
    assert steps(rule, 1.0, 0.0, 0.0) == close(0.95, 0.9025)
    assert rule.m == 0.0
    assert rule.v == 0.0
    # Through the gradient it is another rule: Adam's first step is lr long, however small the decay.
    assert steps(Adam(lr=0.1, weight_decay=0.5), 1.0, 0.0) == [pytest.approx(0.9, abs=1e-7)]


def test_adamax_by_hand() -> None:
    # betas = (0.5, 0.75), eps = 0.5, lr = 0.1, g = -2 and then 0.
    # m = -1, u = max(0, 2.5) = 2.5:  theta = 1 + 0.1 / 0.5 * 1 / 2.5 = 1.08
    # m = -0.5, u = max(1.875, 0.5) = 1.875:  theta = 1.08 + 0.1 / 0.75 * 0.5 / 1.875 = 1.08 + 0.8/22.5
    rule = Adamax(lr=0.1, betas=(0.5, 0.75), eps=0.5)
    assert steps(rule, 1.0, -2.0, 0.0) == close(1.08, 1.08 + 0.8 / 22.5)
    # A pixel that is black in every image: 0 / eps, and not 0 / 0.
    assert steps(Adamax(), 1.0, *[0.0] * 50) == [1.0] * 50


def rho(t: int, beta2: float) -> float:
    """Return rho_t as RAdam's paper derives it (section 4.1), before the sums are worked out.

    It is the length of the plain average whose centre of mass, (rho_t + 1) / 2, is that of the weights
    beta2^age, the newest gradient being of age 0 and counting as one step back.
    """
    weights = [beta2**age for age in range(t)]
    return 2 * sum((age + 1) * weight for age, weight in enumerate(weights)) / sum(weights) - 1


def test_radam_by_hand() -> None:
    # g = 2 for ever: m_hat = 2 at every step, v = 4 (1 - beta2^t). With beta2 = 0.999, rho_1 = 1 and
    # rho_5 = 4.996 (which the paper would rectify): five plain steps of lr * 2 = 0.2.
    # rho_6 = 5.994: the sixth is 0.2 r sqrt(1 - beta2^6) / (2 sqrt(1 - beta2^6) + eps).
    assert rho(1, 0.999) == 1.0
    assert 4 < rho(5, 0.999) < 5 < rho(6, 0.999)
    r6 = rho(6, 0.999)
    r = math.sqrt((r6 - 4) * (r6 - 2) * 1999 / (1995 * 1997 * r6))
    root = math.sqrt(1 - 0.999**6)
    path = steps(RAdam(lr=0.1, eps=1.0), 1.0, *[2.0] * 6)
    assert path[:5] == close(0.8, 0.6, 0.4, 0.2, 0.0)
    # rho_6 comes as 1999 minus a number near it: the rule's own rounding is worth 1e-9 in r.
    assert path[5] == pytest.approx(-0.2 * r * root / (2 * root + 1.0), rel=1e-8)
    # The rectification grows to 1: in the end it is Adam, with eps = 0 steps of lr.
    late = steps(RAdam(lr=0.1, betas=(0.9, 0.99), eps=0.0), 0.0, *[2.0] * 1500)
    assert late[-2] - late[-1] == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize(("beta2", "first"), [(0.999, 6), (0.99, 6), (0.9, 6), (0.8, 7), (0.7, 10)])
def test_radam_rectifies_from_rho_5_on(beta2: float, first: int) -> None:
    # Unrectified steps have the length of the gradient, rectified ones have not.
    assert rho(first - 1, beta2) <= 5 < rho(first, beta2)
    path = [0.0, *steps(RAdam(lr=1.0, betas=(0.9, beta2)), 0.0, *[1000.0] * 12)]
    lengths = [a - b for a, b in itertools.pairwise(path)]
    assert lengths[: first - 1] == pytest.approx([1000.0] * (first - 1))
    assert all(length <= 1.0 for length in lengths[first - 1 :])


def test_radam_with_a_short_average_never_rectifies() -> None:
    # beta2 = 0.65: rho_inf = 2 / 0.35 - 1 = 4.71, above the paper's threshold and below PyTorch's.
    assert steps(RAdam(lr=0.1, betas=(0.0, 0.65)), 0.0, *[2.0] * 200)[-1] == pytest.approx(-0.2 * 200)


# --- By hand: around another rule --------------------------------------------------------------------


def test_lookahead_by_hand() -> None:
    # SGD, lr = 0.1, g = 1, k = 2, alpha = 0.5:  fast 0.9, 0.8;  slow = 1 + 0.5 (0.8 - 1) = 0.9;
    # fast 0.8, 0.7;  slow = 0.9 + 0.5 (0.7 - 0.9) = 0.8.  (Had slow begun at 0.9, the first would be 0.85.)
    rule = Lookahead(SGD(lr=0.1), k=2, alpha=0.5)
    assert steps(rule, 1.0, 1.0, 1.0, 1.0, 1.0) == close(0.9, 0.9, 0.8, 0.8)
    assert rule.slow == pytest.approx(0.8)
    # Momentum keeps its v through the jump: lr = 0.1, mu = 0.5, g = 1:  v = 1, 1.5, 1.75;
    # 0.9, 0.75 -> slow = 1 + 0.5 (0.75 - 1) = 0.875;  0.875 - 0.175 = 0.7
    rule = Lookahead(Momentum(lr=0.1, momentum=0.5), k=2, alpha=0.5)
    assert steps(rule, 1.0, 1.0, 1.0, 1.0) == close(0.9, 0.875, 0.7)
    # Five steps is the default, and half the way.
    assert steps(Lookahead(SGD(lr=0.1)), 1.0, *[1.0] * 5) == close(0.9, 0.8, 0.7, 0.6, 0.75)


@pytest.mark.parametrize("name", sorted(set(REFERENCES) - {"Lookahead"}))
@SURFACES
def test_lookahead_with_alpha_1_is_its_inner_rule(name: str, gradient: Gradient) -> None:
    start = [-1.0, 1.2]
    inner = descend(lambda: REFERENCES[name](lr=1e-4), start, gradient, 40)
    around = descend(lambda: Lookahead(REFERENCES[name](lr=1e-4), k=3, alpha=1.0), start, gradient, 40)
    assert gap(inner, around) < 1e-12
    halfway = descend(lambda: Lookahead(REFERENCES[name](lr=1e-4), k=3), start, gradient, 40)
    assert gap(inner, halfway) > 1e-8


@SURFACES
def test_lookahead_takes_the_gradient_where_its_inner_rule_asks(gradient: Gradient) -> None:
    start = [-1.0, 1.2]
    inner = descend(lambda: NesterovLookAhead(lr=1e-4), start, gradient, 40)
    around = descend(lambda: Lookahead(NesterovLookAhead(lr=1e-4), k=3, alpha=1.0), start, gradient, 40)
    assert gap(inner, around) < 1e-12


@SURFACES
def test_ranger_is_radam_inside_lookahead(gradient: Gradient) -> None:
    start = [-1.0, 1.2]
    hyper: dict[str, Any] = {"lr": 1e-4, "betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1}
    ranger = descend(lambda: Ranger(**hyper, k=4, alpha=0.3), start, gradient, 40)
    assert ranger == descend(lambda: Lookahead(RAdam(**hyper), k=4, alpha=0.3), start, gradient, 40)
    assert gap(ranger, descend(lambda: RAdam(**hyper), start, gradient, 40)) > 1e-6


# --- The page itself ---------------------------------------------------------------------------------


def test_a_rate_may_be_a_function_of_the_steps_taken() -> None:
    # Rates 1, 0.5, 0.25: theta = -1, -1.5, -1.75.
    assert steps(SGD(lr=lambda taken: 0.5**taken), 0.0, 1.0, 1.0, 1.0) == close(-1.0, -1.5, -1.75)


def test_descend_couples_the_coordinates_and_counts_from_1() -> None:
    # f = x y: the gradient of (x, y) is (y, x). From (1, 2), lr = 0.1: (0.8, 1.9), then (0.61, 1.82).
    seen = []

    def gradient(theta: list[float], t: int) -> list[float]:
        seen.append(t)
        return theta[::-1]

    path = descend(lambda: SGD(lr=0.1), [1.0, 2.0], gradient, 2)
    assert [x for theta in path for x in theta] == close(0.8, 1.9, 0.61, 1.82)
    assert seen == [1, 2]


@SURFACES
def test_surface_gradients(gradient: Gradient) -> None:
    def f(x: float, y: float) -> float:
        if gradient is rosenbrock_gradient:
            return (1 - x) ** 2 + 100 * (y - x**2) ** 2
        return float((1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2)

    x, y, h = -0.7, 1.1, 1e-5
    numeric = [(f(x + h, y) - f(x - h, y)) / (2 * h), (f(x, y + h) - f(x, y - h)) / (2 * h)]
    assert gradient([x, y], 1) == pytest.approx(numeric, rel=1e-6)
