"""Every optimizer held against the scalar transcription of its paper, and against PyTorch's trajectories."""

from __future__ import annotations

import functools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_tools import BEYOND, UNUSUAL, flat, give, optimizer, parameters, public_optimizers, reference
from recorded_others import cases
from reference_rules import REFERENCES

from minigrad.optim import buffered, program

# What each optimizer is run with: its defaults, and hyperparameters that are all unlike them. The coverage test
# wants every public optimizer here.
RULES: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, UNUSUAL["SGD"]],
    "Momentum": [{}, UNUSUAL["Momentum"]],
    "Nesterov": [{}, UNUSUAL["Nesterov"]],
    "Adagrad": [{}, UNUSUAL["Adagrad"]],
    "RMSprop": [{}, UNUSUAL["RMSprop"]],
    "Adam": [{}, UNUSUAL["Adam"], {"betas": (0.0, 0.0)}],
    "AdamW": [{}, UNUSUAL["AdamW"], {"weight_decay": 0.0}],
    "Adadelta": [{}, UNUSUAL["Adadelta"]],
    "Adamax": [{}, UNUSUAL["Adamax"]],
    # Rectified from step 6 by default, late with beta2 = 0.7, and never with 0.65.
    "RAdam": [{}, UNUSUAL["RAdam"], {"betas": (0.9, 0.7)}, {"betas": (0.9, 0.65)}],
    "Lookahead": [
        {"inner": ("Adam", {})},
        {"inner": ("SGD", {}), "k": 1},
        UNUSUAL["Lookahead"],
    ],
    "Ranger": [{}, UNUSUAL["Ranger"]],
    "AMSGrad": [{}, UNUSUAL["AMSGrad"]],
    "NAdam": [{}, UNUSUAL["NAdam"], {"momentum_decay": 0.0}],
    "Lion": [{"lr": 0.01}, UNUSUAL["Lion"]],
    "ScheduleFreeAdamW": [{}, UNUSUAL["ScheduleFreeAdamW"]],
}
CASES = [
    pytest.param(name, hyper, id=f"{name}-{i}") for name, hypers in RULES.items() for i, hyper in enumerate(hypers)
]
EACH = pytest.mark.parametrize(("name", "hyper"), CASES)

SHAPES = [
    pytest.param([(12,)], id="a vector"),
    pytest.param([(2, 3), (4,), (1,), (1, 1)], id="layers"),
    pytest.param([(), (3, 1, 2), (0,), (5,)], id="a number, an empty one"),
]
STEPS = 50
SIZE = 12


def inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    """theta_0 (12,) and gradients (50, 12) of several scales, with exact zeros among them, others for each name.

    One coordinate has no gradient ever, one has none for the first ten steps, one has such small ones (1e-8)
    that every default eps shows.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    scale = np.array([1, 1, 10, 0.1, 1e-3, 1e-8, 0, 1, 3, 1, 1, 1])
    gradients = (random.normal(size=(STEPS, SIZE)) + 0.2) * scale
    gradients[random.random((STEPS, SIZE)) < 0.15] = 0.0
    gradients[:10, 7] = 0.0
    assert (gradients[:, 0] == 0).any()
    return random.normal(size=SIZE), gradients


def path(name: str, hyper: dict[str, Any], shapes: Any, dtype: Any = np.float64) -> np.ndarray:
    """Thetas after each step, (50, 12)."""
    theta0, gradients = inputs(name)
    params = parameters(theta0, shapes, dtype)
    run = optimizer(name, params, hyper)
    thetas = []
    for g in gradients:
        run.zero_grad()
        give(params, g)
        run.step()
        assert all(p.dtype == dtype for p in params)
        thetas.append(flat(params))
    return np.array(thetas)


def reference_path(name: str, hyper: dict[str, Any], steps: int = STEPS) -> np.ndarray:
    """The same, number by number in plain Python floats."""
    theta0, gradients = inputs(name)
    thetas = np.empty((steps, SIZE))
    for i, theta in enumerate(theta0.tolist()):
        rule = reference(name, hyper)
        for t, g in enumerate(gradients[:steps, i].tolist()):
            theta = rule.step(theta, g)
            thetas[t, i] = theta
    return thetas


@EACH
@pytest.mark.parametrize("shapes", SHAPES)
def test_follows_the_transcription_of_its_paper(name: str, hyper: dict[str, Any], shapes: Any) -> None:
    expected = reference_path(name, hyper)
    assert np.abs(expected[-1] - inputs(name)[0]).max() > 1e-3  # it went somewhere
    np.testing.assert_allclose(path(name, hyper, shapes), expected, rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("elements", [1, 3, 5])
def test_slices_change_no_bit(name: str, hyper: dict[str, Any], elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(2, 3), (4,), (2,)]
    whole = path(name, hyper, shapes)
    run = optimizer(name, parameters(np.ones(1), [(1,)]), hyper)
    kind = type(getattr(run, "base_optimizer", run))
    rule, lengths = kind.rule, []

    @functools.wraps(rule)
    def noted(self: Any, theta: np.ndarray, *rest: Any, **named: Any) -> None:
        if isinstance(theta, np.ndarray):  # not when it is noted
            lengths.append(len(theta))
        rule(self, theta, *rest, **named)

    monkeypatch.setattr(buffered, "SLICE_BYTES", 8 * elements)
    monkeypatch.setattr(program, "translated", lambda *formula: None)  # for the other ways see test_compiled.py
    monkeypatch.setattr(kind, "rule", noted)
    sliced = path(name, hyper, shapes)
    last = SIZE % elements or elements
    assert lengths == STEPS * ([elements] * ((SIZE - 1) // elements) + [last])
    assert np.array_equal(sliced, whole)


@EACH
def test_float32_stays_float32(name: str, hyper: dict[str, Any]) -> None:
    steps = path(name, hyper, [(2, 3), (4,), (2,)], np.float32)
    assert steps.dtype == np.float32
    np.testing.assert_allclose(steps, reference_path(name, hyper), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["Momentum", "Nesterov", "Adam", "AdamW", "Adadelta", "RAdam", "Ranger", "Adagrad"])
def test_follows_the_transcription_under_a_schedule(name: str) -> None:
    hyper = {**UNUSUAL[name], "lr": lambda taken: 0.05 / (1 + taken) if taken % 7 else 0.002}
    assert np.abs(path(name, hyper, [(12,)]) - path(name, UNUSUAL[name], [(12,)])).max() > 1e-3
    np.testing.assert_allclose(path(name, hyper, [(8,), (4,)]), reference_path(name, hyper), rtol=1e-12, atol=1e-12)


# --- PyTorch -------------------------------------------------------------------------------------------

with np.load(Path(__file__).parent / "data" / "torch_trajectories.npz") as _recorded:
    RECORDED: dict[str, np.ndarray] = {name: _recorded[name] for name in _recorded.files}
ABOUT = json.loads(str(RECORDED["about"]))


@pytest.mark.parametrize("slice_bytes", [None, 32])
@pytest.mark.parametrize("case", ABOUT["cases"])
def test_follows_pytorch(case: str, slice_bytes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if slice_bytes:
        monkeypatch.setattr(buffered, "SLICE_BYTES", slice_bytes)
    about = ABOUT["cases"][case]
    hyper = dict(about["hyper"])
    if about.get("inner"):
        hyper["inner"] = (about["inner"]["rule"], about["inner"]["hyper"])
    if about["rates"]:
        hyper["lr"] = lambda taken: about["rates"][taken]
    params = parameters(RECORDED["theta0"], [tuple(shape) for shape in ABOUT["shapes"]])
    run = optimizer(about["rule"], params, hyper)
    for t, (g, expected) in enumerate(zip(RECORDED["gradients"], RECORDED[case], strict=True), start=1):
        run.zero_grad()
        give(params, g, missing=[1] if t in about["missing"] else [])
        run.step()
        assert np.abs(flat(params) - expected).max() <= 1e-10, f"step {t}"


def test_pytorch_ran_every_rule() -> None:
    """Or, where PyTorch has none, the package that record_others.py names."""
    recorded = {about["rule"] for about in ABOUT["cases"].values()} | {case.rule for case in cases().values()}
    assert recorded - BEYOND == public_optimizers() == set(REFERENCES)
