"""The optimizers that work on whole parameters or around another: held against transcriptions and recordings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_tools import BEYOND, beale, flat, give, optimizer, parameters
from recorded_others import Case, cases, reference_run, sam_cases

import minigrad as mg
from minigrad import optim
from minigrad.optim.muon import orthogonal

CASES = cases()
MATRICES = [(3, 4), (5, 2), (1, 3), (2, 2)]
ANY = [(3, 4), (4,), (), (2, 2, 1)]
STEPS = 30

USUAL: dict[str, list[tuple[dict[str, Any], list[tuple[int, ...]]]]] = {
    "LAMB": [
        ({}, ANY),
        ({"lr": 0.05, "betas": (0.7, 0.9), "eps": 0.05, "weight_decay": 0.2}, ANY),
        ({"lr": 0.02}, MATRICES),
    ],
    "Muon": [
        ({}, MATRICES),
        ({"lr": 0.05, "weight_decay": 0.0, "momentum": 0.7, "nesterov": False, "ns_steps": 3}, MATRICES),
    ],
    "EMA": [
        ({"inner": ("Adam", {"lr": 0.05})}, ANY),
        ({"inner": ("Momentum", {"lr": 0.05, "weight_decay": 0.2}), "decay": 0.7}, ANY),
        ({"inner": ("Nesterov", {"lr": 0.05}), "decay": 0.0}, ANY),
    ],
}
EACH = pytest.mark.parametrize(
    ("name", "hyper", "shapes"),
    [pytest.param(name, *case, id=f"{name}-{i}") for name, several in USUAL.items() for i, case in enumerate(several)],
)


def inputs(shapes: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    size = sum(math.prod(shape) for shape in shapes)
    random = np.random.default_rng(size)
    theta0 = random.normal(size=size)
    theta0[math.prod(shapes[0]) :][: math.prod(shapes[1])] = 0  # a parameter that starts at 0, as biases do
    gradients = random.normal(size=(STEPS, size)) * random.choice([0.01, 1, 10], size)
    gradients[5] = 0
    return theta0, gradients


def path(run: Any, params: list[mg.Tensor], gradients: np.ndarray, missing: Any = ()) -> tuple[np.ndarray, np.ndarray]:
    """Theta, and what is tested, after each step."""
    thetas, averaged = [], []
    for t, g in enumerate(gradients, 1):
        give(params, g, missing=[1] if t in missing else [])
        run.step()
        thetas.append(flat(params))
        run.eval()
        averaged.append(flat(params))
        run.train()
        assert np.array_equal(flat(params), thetas[-1])
    return np.array(thetas), np.array(averaged)


def test_all_of_them_are_here() -> None:
    assert {*USUAL, "SAM"} == BEYOND
    assert {case.rule for case in CASES.values()} >= {*USUAL, "AMSGrad", "NAdam", "Lion", "ScheduleFreeAdamW"}


@EACH
def test_follows_the_transcription(name: str, hyper: dict[str, Any], shapes: list[tuple[int, ...]]) -> None:
    theta0, gradients = inputs(shapes)
    params = parameters(theta0, shapes)
    thetas, averaged = path(optimizer(name, params, hyper), params, gradients)
    own = {key: value for key, value in hyper.items() if key != "inner"}
    expected = reference_run(name, own, shapes, theta0, gradients, inner=hyper.get("inner"))
    np.testing.assert_allclose(thetas, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(averaged, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_follows_what_was_recorded(case: Case) -> None:
    if case.rule == "ScheduleFreeAdamW" and case.rates:  # the weights of its average would depend on all rates
        with pytest.raises(TypeError, match="ScheduleFreeAdamW: lr must be a number, not a schedule"):
            optimizer(case.rule, parameters(case.theta0, case.shapes), case.lr())
        return
    hyper = {**case.hyper, **case.lr(), **({"inner": case.inner} if case.inner else {})}
    params = parameters(case.theta0, case.shapes)
    thetas, averaged = path(optimizer(case.rule, params, hyper), params, case.gradients, case.missing)
    assert np.abs(thetas - case.thetas).max() <= case.tolerance
    if case.averaged is not None:
        assert np.abs(averaged - case.averaged).max() <= case.tolerance
        assert np.abs(averaged - thetas).max() > 100 * case.tolerance


@pytest.mark.parametrize("name", sam_cases())
def test_sam_follows_what_was_recorded(name: str) -> None:
    case = sam_cases()[name]
    params = parameters(np.array(case["theta0"]), [(), ()])
    inner = getattr(optim, case["inner"]["rule"])(params, **case["inner"]["hyper"])
    run = optim.SAM(inner, **case["hyper"])

    def closure() -> mg.Tensor:
        run.zero_grad()
        loss = beale(*params)
        loss.backward()
        return loss

    for t, expected in enumerate(case["thetas"]):
        value = beale(*(p.item() for p in params))
        assert run.step(closure).item() == pytest.approx(value, rel=1e-12)
        assert np.abs(flat(params) - expected).max() <= 1e-10, f"step {t + 1}"


@EACH
def test_float32_stays_float32(name: str, hyper: dict[str, Any], shapes: list[tuple[int, ...]]) -> None:
    theta0, gradients = inputs(shapes)
    params = parameters(theta0, shapes, np.float32)
    run = optimizer(name, params, hyper)
    thetas, _ = path(run, params, gradients)
    assert thetas.dtype == np.float32
    assert all(vector.dtype == np.float32 for vector in run.state_vectors.values())
    own = {key: value for key, value in hyper.items() if key != "inner"}
    expected, _ = reference_run(name, own, shapes, theta0, gradients, inner=hyper.get("inner"))
    np.testing.assert_allclose(thetas, expected, rtol=1e-3, atol=1e-3)


@EACH
@pytest.mark.parametrize("saved_in", ["train", "eval"])
def test_a_continued_run_is_the_uninterrupted_one(
    name: str, hyper: dict[str, Any], shapes: list[tuple[int, ...]], saved_in: str, tmp_path: Path
) -> None:
    theta0, gradients = inputs(shapes)
    params = parameters(theta0, shapes)
    run = optimizer(name, params, hyper)
    path(run, params, gradients[:10])
    if saved_in == "eval":
        run.eval()
    mg.save(run.state_dict(), tmp_path / "state")
    others = parameters(flat(params), shapes)
    run.train()
    again = optimizer(name, others, hyper)
    again.load_state_dict(mg.load(tmp_path / "state"))
    again.train()
    rest = path(run, params, gradients[10:])
    assert all(np.array_equal(*both) for both in zip(path(again, others, gradients[10:]), rest, strict=True))


@EACH
def test_a_parameter_without_a_gradient_is_left_alone(
    name: str, hyper: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    theta0, gradients = inputs(shapes)
    params = parameters(theta0, shapes)
    thetas, averaged = path(optimizer(name, params, hyper), params, gradients, missing=range(1, STEPS, 3))
    own = {key: value for key, value in hyper.items() if key != "inner"}
    expected = reference_run(
        name, own, shapes, theta0, gradients, inner=hyper.get("inner"), missing=list(range(1, STEPS, 3))
    )
    np.testing.assert_allclose(thetas, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(averaged, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (6, 3), (3, 6), (1, 4), (4, 1)])
def test_an_orthogonalized_matrix_has_even_singular_values(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(sum(shape)).normal(size=shape) * [[1]] + 0.5
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix, 5)
    assert found.shape == shape
    after = np.linalg.svd(found, compute_uv=False)
    assert (after > 0.6).all()
    assert (after < 1.25).all()
    np.testing.assert_allclose(u.T @ found @ vt.T, np.diag(np.diag(u.T @ found @ vt.T)), atol=1e-10)
    np.testing.assert_array_equal(orthogonal(np.zeros(shape), 5), np.zeros(shape))
    assert s.max() / s.min() >= 1


def test_muon_refuses_what_is_no_matrix_also_later() -> None:
    params = parameters(np.ones(9), [(2, 3), (3,)])
    with pytest.raises(ValueError, match=r"Muon: parameter 1 has shape \(3,\), and only matrices"):
        optim.Muon(params)
    run = optim.Muon(params[:1])
    with pytest.raises(ValueError, match=r"Muon: parameter 1 has shape \(3,\)"):
        run.add_param_group({"params": params[1:]})
    run.param_groups[0]["params"].append(params[1])
    with pytest.raises(ValueError, match=r"Muon: parameter 1 has shape \(3,\)"):
        run.step()


@pytest.mark.parametrize("make", [
    lambda p, lr: optim.LAMB(p, lr=lr(0.05)),
    lambda p, lr: optim.SAM(optim.Adam(p, lr=lr(0.3)), rho=0.01),
    lambda p, lr: optim.EMA(optim.SGD(p, lr=lr(0.3)), decay=0.9),
])  # fmt: skip
def test_converges_on_a_bowl(make: Any) -> None:
    params = parameters(np.array([2.0, -1.5]), [(), ()])  # LAMB's steps are in proportion: it does not change signs
    run = make(params, lambda rate: optim.lr.exponential(rate, 0.99))

    def closure() -> mg.Tensor:
        run.zero_grad()
        x, y = params
        loss = 2.5 * (x - 1) ** 2 + 2 * (x - 1) * (y + 0.5) + 0.5 * (y + 0.5) ** 2
        loss.backward()
        return loss

    for _ in range(800):
        run.step(closure)
    run.eval()
    np.testing.assert_allclose(flat(params), [1, -0.5], atol=0.02)


def test_muon_brings_a_matrix_to_another() -> None:
    target = np.random.default_rng(0).normal(size=(4, 6))
    (p,) = parameters(np.zeros(24), [(4, 6)])
    run = optim.Muon([p], lr=optim.lr.exponential(0.3, 0.98), weight_decay=0.0)
    for _ in range(300):
        p.grad = mg.Tensor(p.data - target)
        run.step()
    np.testing.assert_allclose(p.data, target, atol=0.05)
