"""The reference rules of the newer optimizers, held against recordings and against steps worked out by hand.

`test_references.py` goes on here: what was recorded is in `data/other_trajectories.npz`, by `record_others.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import recorded_others
import reference_rules
from recorded_others import Case, reference_run, rows, sam_cases
from reference_rules import (
    EMA,
    LAMB,
    PARAMETER_REFERENCES,
    REFERENCES,
    SGD,
    WRAPPER_REFERENCES,
    Adam,
    AMSGrad,
    Lion,
    Matrix,
    Momentum,
    Muon,
    NAdam,
    ParameterRule,
    Rule,
    ScheduleFreeAdamW,
    descend,
    descend_sam,
    newton_schulz,
)
from test_references import GRADIENTS, THETA0, beale_gradient, close, steps

CASES = recorded_others.cases()


def run(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Run the reference rule of a recorded case."""
    hyper = {**case.hyper, **case.lr()}
    return reference_run(
        case.rule, hyper, case.shapes, case.theta0, case.gradients, inner=case.inner, missing=case.missing
    )


# --- Against the recordings --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_follows_the_recorded_trajectory(name: str) -> None:
    case = CASES[name]
    thetas, averaged = run(case)
    assert np.abs(case.thetas[-1] - case.theta0).max() > 1e-3  # it went somewhere
    assert np.abs(thetas - case.thetas).max() <= case.tolerance
    if case.averaged is not None:
        assert np.abs(averaged - case.averaged).max() <= case.tolerance
        assert np.abs(case.averaged - case.thetas).max() > 1e-3
    else:
        assert np.array_equal(averaged, thetas)


@pytest.mark.parametrize("name", sam_cases())
def test_sam_follows_the_recorded_trajectory(name: str) -> None:
    case = sam_cases()[name]
    inner, hyper = case["inner"]["rule"], case["inner"]["hyper"]
    thetas = descend_sam(lambda: REFERENCES[inner](**hyper), case["theta0"], beale_gradient, 40, **case["hyper"])
    assert np.abs(np.array(thetas) - case["thetas"]).max() <= 1e-10
    without = descend(lambda: REFERENCES[inner](**hyper), case["theta0"], beale_gradient, 40)
    assert np.abs(np.array(without) - case["thetas"]).max() > 1e-3


def test_every_rule_is_recorded_by_default_and_otherwise() -> None:
    recorded = {"AMSGrad", "NAdam", "Lion", "ScheduleFreeAdamW", *PARAMETER_REFERENCES}
    assert {case.rule for case in CASES.values()} == {*WRAPPER_REFERENCES, *recorded}
    for name in recorded:
        of_rule = [case for case in CASES.values() if case.rule == name]
        assert any(not case.hyper and not case.rates for case in of_rule), f"{name} is not recorded with its defaults"
        assert any(case.hyper.get("weight_decay") for case in of_rule), f"{name} is not recorded with weight decay"
        assert any(case.rates for case in of_rule), f"{name} is not recorded under a schedule"


def test_every_rule_for_parameters_is_in_the_table() -> None:
    rules = {
        name
        for name, thing in vars(reference_rules).items()
        if isinstance(thing, type) and issubclass(thing, ParameterRule) and thing is not ParameterRule
    }
    assert rules == set(PARAMETER_REFERENCES)
    assert not set(REFERENCES) & set(WRAPPER_REFERENCES)


def test_the_inputs_are_what_they_are_said_to_be() -> None:
    elements = CASES["AMSGrad/default"]
    assert np.array_equal(elements.theta0, THETA0)
    assert np.array_equal(elements.gradients, GRADIENTS)
    layers = CASES["LAMB/default"]
    assert layers.shapes == [(4, 3), (4,), (2, 4), (2,), (3,)]
    assert not layers.theta0[12:16].any()
    assert not layers.theta0[24:26].any()
    assert not layers.gradients[:4, 24:26].any()
    assert layers.gradients[4:, 24:26].any()
    assert layers.theta0[26:].all()
    assert not layers.gradients[:, 26:].any()
    matrices = CASES["Muon/bfloat16"]
    assert matrices.shapes == [(4, 4), (6, 3), (3, 6), (1, 3), (3, 1)]
    assert not matrices.gradients[:2, 34:52].any()
    assert 0 < np.linalg.norm(matrices.gradients[0, 52:55]) < 1e-7
    with np.load(recorded_others.FILE) as arrays:
        about = json.loads(str(arrays["about"]))
    assert about["torch"].startswith("2.13")
    assert about["schedulefree"] == "1.4.1"


def test_pytorch_keeps_nadams_product_in_float32() -> None:
    for name in ("NAdam/float32_product", "NAdam/float32_product_unusual"):
        assert np.abs(run(CASES[name])[0] - CASES[name].thetas).max() > 1e-12


def test_bfloat16_shows() -> None:
    for name in ("", "_plain", "_decay", "_plain_decay", "_default"):
        exact, rounded = CASES[f"Muon/float64{name}"], CASES[f"Muon/bfloat16{name}"]
        assert exact.hyper == rounded.hyper
        assert 1e-5 < np.abs(exact.thetas - rounded.thetas).max() < rounded.tolerance


# What each "where it goes wrong" of the page warns of, done wrong: the recordings must be able to tell.


class LargestCorrected(AMSGrad):
    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        self.v_max = max(self.v_max, self.v / (1 - self.beta2**self.t))
        return theta - lr * self.m / (1 - self.beta1**self.t) / (math.sqrt(self.v_max) + self.eps)


class MomentumFromZero(NAdam):
    def mu(self, t: int) -> float:
        return super().mu(t - 1)


class NewAverage(Lion):
    def update(self, theta: float, g: float, lr: float) -> float:
        self.m = self.beta2 * self.m + (1 - self.beta2) * g
        c = self.beta1 * self.m + (1 - self.beta1) * g
        return theta - lr * ((c > 0) - (c < 0) + self.decay * theta)


class RateNow(ScheduleFreeAdamW):
    def update(self, theta: float, g: float, lr: float) -> float:
        self.lr_max = 0.0
        return super().update(theta, g, lr)


class DecayBeside(LAMB):
    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        decay, self.decay = self.decay, 0.0
        after = super().update(theta, g, lr)
        self.decay = decay
        return reference_rules.combine(1.0, after, -lr * decay, theta)


class NoZeroes(LAMB):
    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        return super().update(theta, g, lr) if np.any(theta) else theta


class SummedMomentum(Muon):
    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        # All that reaches Newton-Schulz is 1 / (1 - mu) times as large.
        return super().update(theta, reference_rules.combine(1 / (1 - self.mu), g, 0.0, g), lr)


class DecayTaller(Muon):
    def update(self, theta: Matrix, g: Matrix, lr: float) -> Matrix:
        taller = math.sqrt(max(1.0, len(theta) / len(theta[0])))
        self.decay *= taller
        after = super().update(theta, g, lr)
        self.decay /= taller
        return after


WRONG: dict[str, tuple[Any, str]] = {
    "AMSGrad: the largest corrected average": (LargestCorrected, "AMSGrad/default"),
    "NAdam: t from 0": (MomentumFromZero, "NAdam/default"),
    "Lion: the new average": (NewAverage, "Lion/default"),
    "ScheduleFreeAdamW: the rate, not the largest": (RateNow, "ScheduleFreeAdamW/scheduled"),
    "LAMB: the decay beside": (DecayBeside, "LAMB/weight_decay"),
    "LAMB: zeroes stay": (NoZeroes, "LAMB/default"),
    "Muon: summed momentum": (SummedMomentum, "Muon/float64_default"),
    "Muon: the decay times the factor": (DecayTaller, "Muon/float64_default"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_recording_can_tell(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, name = WRONG[what]
    case = CASES[name]
    table = PARAMETER_REFERENCES if case.rule in PARAMETER_REFERENCES else recorded_others.ELEMENT_REFERENCES
    monkeypatch.setitem(table, case.rule, wrong)
    thetas, averaged = run(case)
    gap = np.abs(thetas - case.thetas).max()
    if case.averaged is not None:
        gap = max(gap, np.abs(averaged - case.averaged).max())
    assert gap > 1e-6


# --- By hand, number by number -----------------------------------------------------------------------


def test_amsgrad_by_hand() -> None:
    # betas = (0.5, 0.75), eps = 0, lr = 0.1, g = 2 and then 0: m = 1, 0.5; v = 1, 0.75; v_max = 1, 1.
    # First Adam's step, 0.1.  m_hat = 0.5 / 0.75 = 2/3;  v_hat = 1 / (1 - 0.5625) = 16/7.
    second = 0.1 * (2 / 3) / (4 / math.sqrt(7))
    assert steps(AMSGrad(lr=0.1, betas=(0.5, 0.75), eps=0.0), 1.0, 2.0, 0.0) == close(0.9, 0.9 - second)
    # eps joins the root of the corrected one: 1 + 0.1 * 3 / (3 + 1)
    assert steps(AMSGrad(lr=0.1, eps=1.0), 1.0, -3.0) == close(1.075)
    # While v only grows it is Adam.
    growing = [1.5**t for t in range(30)]
    assert steps(AMSGrad(), 1.0, *growing) == steps(Adam(), 1.0, *growing)


def test_nadam_by_hand() -> None:
    # momentum_decay = 0: mu = 0.5 * 0.5 = 1/4 at every step.  betas = (0.5, 0.75), eps = 0, g = 2 and then 0.
    # m = 1, v_hat = 4:    m_hat = 1/4 / (1 - 1/16) + 3/4 * 2 / (3/4) = 4/15 + 2
    # m = 1/2, v_hat = 12/7:  m_hat = 1/8 / (1 - 1/64) + 0 = 8/63
    first, second = 0.1 * (34 / 15) / 2, 0.1 * (8 / 63) / math.sqrt(12 / 7)
    rule = NAdam(lr=0.1, betas=(0.5, 0.75), eps=0.0, momentum_decay=0.0)
    assert steps(rule, 1.0, 2.0, 0.0) == close(1 - first, 1 - first - second)
    # 0.96^(t momentum_decay) = 2^-t:  mu_1 = 0.5 * 3/4 = 3/8, mu_2 = 0.5 * 7/8 = 7/16;  eps = 1, v_hat = 4:
    # m_hat = 7/16 / (1 - 21/128) + 5/8 * 2 / (5/8) = 56/107 + 2
    rule = NAdam(lr=0.1, betas=(0.5, 0.75), eps=1.0, momentum_decay=-math.log(2) / math.log(0.96))
    assert steps(rule, 1.0, 2.0) == close(1 - 0.1 * (56 / 107 + 2) / 3)


def test_lion_by_hand() -> None:
    # betas = (0.5, 0.75):  g = 4: c = 2, m = 1;  g = -0.5: c = 0.25, m = 0.625;
    # g = -0.625: c = 0, no step, m = 0.3125;  g = -0.5: c = -0.09375.
    rule = Lion(lr=0.1, betas=(0.5, 0.75))
    assert steps(rule, 1.0, 4.0, -0.5, -0.625, -0.5) == close(0.9, 0.8, 0.8, 0.9)
    # The decay is beside the sign and has the theta from before: 1 - 0.1 (1 + 0.5), 0.85 (1 - 0.05)
    assert steps(Lion(lr=0.1, betas=(0.0, 0.0), weight_decay=0.5), 1.0, 2.0, 0.0) == close(0.85, 0.8075)
    assert steps(Lion(), 1.0, *[0.0] * 5) == [1.0] * 5


def test_schedule_free_by_hand() -> None:
    # betas = (0.5, 0.75), eps = 0, g = 2 and then -2, so that v_hat = 4 both times and z moves by lr.
    # z = 0.9, c = 1: x = y = 0.9;  z = 1, c = 1/2: x = 0.95, y = (1 + 0.95) / 2
    rule = ScheduleFreeAdamW(lr=0.1, betas=(0.5, 0.75), eps=0.0)
    assert rule.averaged(1.0) == 1.0
    assert steps(rule, 1.0, 2.0, -2.0) == close(0.9, 0.975)
    assert [rule.averaged(0.975)] == close(0.95)
    # Two steps of warm-up: z = 0.95 = x = y;  z = 1.05, c = 0.01 / (0.0025 + 0.01) = 0.8: x = 1.03, y = 1.04
    rule = ScheduleFreeAdamW(lr=0.1, betas=(0.5, 0.75), eps=0.0, warmup_steps=2)
    assert steps(rule, 1.0, 2.0, -2.0) == close(0.95, 1.04)
    assert [rule.averaged(1.04)] == close(1.03)
    # Decay at y: z = 1 - 0.1 (1 + 0.5) = 0.85;  y = x = 0.85;  z = 0.85 - 0.1 (0 + 0.5 * 0.85) = 0.8075
    rule = ScheduleFreeAdamW(lr=0.1, betas=(0.5, 0.75), eps=1e-300, weight_decay=0.5)
    assert steps(rule, 1.0, 2.0, 0.0) == close(0.85, 0.85 - 0.0425 * 0.75)
    # No rate at all yet: c = 0, and nothing is divided by 0.
    assert steps(ScheduleFreeAdamW(lr=0.0), 1.0, 2.0, 2.0) == [1.0, 1.0]


def test_ema_by_hand() -> None:
    # SGD, lr = 0.1, g = 1: theta = 0.9, 0.8;  average = 0.75 + 0.225 = 0.975, 0.73125 + 0.2 = 0.93125
    rule = EMA(SGD(lr=0.1), decay=0.75)
    assert rule.averaged(1.0) == 1.0
    assert steps(rule, 1.0, 1.0) == close(0.9)
    assert [rule.averaged(0.9)] == close(0.975)
    assert steps(rule, 0.9, 1.0) == close(0.8)
    assert [rule.averaged(0.8)] == close(0.93125)
    rule = EMA(Momentum(), decay=0.0)
    assert rule.averaged(steps(rule, 1.0, 3.0, -2.0, 1.0)[-1]) == steps(Momentum(), 1.0, 3.0, -2.0, 1.0)[-1]


def test_sam_by_hand() -> None:
    # f = (x^2 + y^2) / 2 from (3, 4), rho = 1: g = (3, 4), |g| = 5; at (3.6, 4.8): theta = (3 - 0.36, 4 - 0.48)
    seen = []

    def gradient(theta: list[float], t: int) -> list[float]:
        seen.append(t)
        return list(theta)

    path = descend_sam(lambda: SGD(lr=0.1), [3.0, 4.0], gradient, 2, rho=1.0)
    # Towards the bottom: |theta| = 4.4, and again (theta + theta / 4.4) / 10 less.
    assert path[0] == close(2.64, 3.52)
    assert path[1] == close(2.64 - 0.264 * (1 + 1 / 4.4), 3.52 - 0.352 * (1 + 1 / 4.4))
    assert seen == [1, 1, 2, 2]
    # At the bottom there is no way up; with rho = 0 it is the inner rule.
    assert descend_sam(SGD, [0.0, 0.0], gradient, 3) == [[0.0, 0.0]] * 3
    start = [-1.0, 1.2]
    momentum: Callable[[], Rule] = lambda: Momentum(lr=1e-3)  # noqa: E731
    assert descend_sam(momentum, start, beale_gradient, 20, rho=0.0) == descend(momentum, start, beale_gradient, 20)


# --- By hand, a parameter at a time ------------------------------------------------------------------


def test_lamb_by_hand() -> None:
    # eps = 0, first step: u = the signs, |u| = sqrt(2), |theta| = 5.
    step = 0.1 * 5 / math.sqrt(2)
    (row,) = LAMB(lr=0.1, eps=0.0).step([[3.0, 4.0]], [[5.0, -7.0]])
    assert row == close(3 - step, 4 + step)
    # The same as a column.
    assert LAMB(lr=0.1, eps=0.0).step([[3.0], [4.0]], [[5.0], [-7.0]]) == [[x] for x in row]
    # The decay is inside the length: u = (1 + 0.5 * 3, -1 + 0.5 * 4) = (2.5, 1)
    (row,) = LAMB(lr=0.1, eps=0.0, weight_decay=0.5).step([[3.0, 4.0]], [[5.0, -7.0]])
    assert row == close(3 - 0.5 * 2.5 / math.sqrt(7.25), 4 - 0.5 / math.sqrt(7.25))
    # Zeroes: the ratio is 1.  Without gradients the decay's size does not matter: theta loses lr of itself.
    assert LAMB(lr=0.1, eps=0.0).step([[0.0, 0.0]], [[5.0, -7.0]]) == [[-0.1, 0.1]]
    assert LAMB(lr=0.1).step([[3.0, 4.0]], [[0.0, 0.0]]) == [[3.0, 4.0]]
    for decay in (0.01, 10.0):
        (row,) = LAMB(lr=0.1, weight_decay=decay).step([[3.0, 4.0]], [[0.0, 0.0]])
        assert row == close(2.7, 3.6)


def polynomial(s: Any, count: int = 5) -> Any:
    """Return where Newton-Schulz sends a singular value."""
    for _ in range(count):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return s


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (1, 5), (5, 1), (1, 1)])
def test_newton_schulz_changes_the_singular_values_alone(shape: tuple[int, int]) -> None:
    a = np.random.default_rng(3).normal(size=shape) * 7
    u, s, v = np.linalg.svd(a, full_matrices=False)
    expected = u @ np.diag(polynomial(s / np.linalg.norm(a))) @ v
    np.testing.assert_allclose(newton_schulz(a.tolist()), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(newton_schulz(a.T.tolist()), expected.T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(newton_schulz((a * 1e3).tolist()), expected, rtol=0, atol=1e-12)


def test_newton_schulz_by_hand() -> None:
    # One step, of diag(3, 4) / 5.
    one = newton_schulz([[3.0, 0.0], [0.0, 4.0]], steps=1)
    assert one[0] == close(3.4445 * 0.6 - 4.7750 * 0.216 + 2.0315 * 0.07776, 0.0)
    assert one[1] == close(0.0, 3.4445 * 0.8 - 4.7750 * 0.512 + 2.0315 * 0.32768)
    # Below eps the length is not made 1: 1e-8 / 1e-7.  And 0 stays 0.
    assert newton_schulz([[1e-8]], steps=1)[0] == close(3.4445 * 0.1 - 4.7750 * 0.001 + 2.0315 * 0.00001)
    assert newton_schulz([[0.0, 0.0]]) == [[0.0, 0.0]]
    # What the page says of five steps.
    reached = polynomial(np.linspace(0.002, 1.0, 100001))
    assert 0.68 < reached.min() < 0.69
    assert 1.20 < reached.max() < 1.21


def test_muon_by_hand() -> None:
    # A single number: its sign times the polynomial of 1, whatever its size; decay 0.1 * 0.5 of theta = 2.
    length = float(polynomial(1.0))
    for nesterov in (True, False):
        rule = Muon(lr=0.1, weight_decay=0.5, momentum=0.5, nesterov=nesterov)
        ((first,),) = rule.step([[2.0]], [[-30.0]])
        assert [first] == close(1.9 + 0.1 * length)
        # v = -15, then -7.5 + 0.5 g:  g = 10 gives v = -2.5, and with Nesterov -1.25 + 5 > 0
        ((second,),) = rule.step([[first]], [[10.0]])
        assert [second] == close(first * 0.95 - (0.1 * length if nesterov else -0.1 * length))
    # Four rows and one column: a factor of 2, for the step and not for the decay.  One row: none.
    column = Muon(lr=0.1, weight_decay=0.5).step([[1.0], [0.0], [0.0], [0.0]], [[8.0], [0.0], [0.0], [0.0]])
    assert column[0] == close(0.95 - 0.2 * length)
    ((x, *_),) = Muon(lr=0.1, weight_decay=0.5).step([[1.0, 0.0, 0.0, 0.0]], [[8.0, 0.0, 0.0, 0.0]])
    assert [x] == close(0.95 - 0.1 * length)
    # No gradient, no step.
    assert Muon(weight_decay=0.0).step([[1.0, 2.0]], [[0.0, 0.0]]) == [[1.0, 2.0]]


def test_a_step_changes_no_list_it_was_given() -> None:
    for make in PARAMETER_REFERENCES.values():
        rule, theta, g = make(), [[1.0, 2.0], [3.0, 4.0]], [[0.5, -1.0], [2.0, 0.0]]
        after = rule.step(theta, g)
        assert (theta, g) == ([[1.0, 2.0], [3.0, 4.0]], [[0.5, -1.0], [2.0, 0.0]])
        assert after != theta


def test_rows() -> None:
    assert rows(np.array([[1.0, 2.0], [3.0, 4.0]])) == [[1.0, 2.0], [3.0, 4.0]]
    assert rows(np.array([1.0, 2.0])) == [[1.0, 2.0]]
    assert rows(np.array(1.0)) == [[1.0]]
    assert rows(np.ones((1, 2, 2))) == [[1.0] * 4]
