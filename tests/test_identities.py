"""What must be the same, and what must not be quite: identities between the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimizer_tools import UNUSUAL, beale, flat, give, optimizer, parameters, rosenbrock

from minigrad import optim

Run = Callable[[Any], Any]
Rate = Callable[[int], float]
SHAPES = [(2, 3), (4,), (1,)]
SIZE = 11
START = np.array([-1.0, 1.2])


def random_gradients(steps: int = 50, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    gradients = random.normal(size=(steps, SIZE)) * 10.0 ** random.integers(-3, 3, SIZE)
    gradients[random.random(gradients.shape) < 0.1] = 0.0
    return gradients


def theta0(seed: int = 4) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=SIZE) * 10.0 ** random.integers(-6, 3, SIZE)


def path_of(make: Run, gradients: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    """Thetas after each step on given gradients."""
    params = parameters(theta0(), SHAPES, dtype)
    run = make(params)
    thetas = []
    for g in gradients:
        give(params, g)
        run.step()
        thetas.append(flat(params))
    return np.array(thetas)


def path_on(surface: Callable[[Any, Any], Any], make: Run, steps: int) -> np.ndarray:
    """Thetas after each step down a surface, from START."""
    params = parameters(START, [(), ()])
    run = make(params)
    thetas = []
    for _ in range(steps):
        run.zero_grad()
        surface(*params).backward()
        run.step()
        thetas.append(flat(params))
    return np.array(thetas)


def gradient_at(surface: Callable[[Any, Any], Any], theta: np.ndarray) -> np.ndarray:
    """The gradient of a surface anywhere, by minigrad."""
    x, y = parameters(theta, [(), ()])
    surface(x, y).backward()
    return np.array([x.grad.item(), y.grad.item()])


def gap(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one - other).max())


def halving(start: float) -> Rate:
    """A rate that is halved after every twenty steps."""
    return lambda taken: start * 0.5 ** (taken // 20)


SURFACES = pytest.mark.parametrize("surface", [rosenbrock, beale])

# --- Momentum and Nesterov -----------------------------------------------------------------------------


def notebook_momentum(surface: Callable[[Any, Any], Any], rate: Rate, steps: int) -> np.ndarray:
    """v <- mu v + lr g; theta <- theta - v, as the notebook writes it: the rate inside v."""
    theta, v, thetas = START.copy(), np.zeros(2), []
    for t in range(steps):
        v = 0.9 * v + rate(t) * gradient_at(surface, theta)
        theta = theta - v
        thetas.append(theta)
    return np.array(thetas)


def notebook_nesterov(surface: Callable[[Any, Any], Any], rate: Rate, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """v <- mu v + lr grad(theta - mu v); theta <- theta - v: the thetas, and phi = theta - mu v of each."""
    theta, v, thetas, phis = START.copy(), np.zeros(2), [], []
    for t in range(steps):
        v = 0.9 * v + rate(t) * gradient_at(surface, theta - 0.9 * v)
        theta = theta - v
        thetas.append(theta)
        phis.append(theta - 0.9 * v)
    return np.array(thetas), np.array(phis)


@SURFACES
def test_the_two_forms_of_momentum_agree_at_a_constant_rate(surface: Any) -> None:
    ours = path_on(surface, lambda p: optim.Momentum(p, lr=2e-4), 100)
    assert gap(ours[:1], ours[-1:]) > 0.1
    assert gap(ours, notebook_momentum(surface, lambda t: 2e-4, 100)) < 1e-12


@SURFACES
def test_the_two_forms_of_momentum_part_under_a_schedule(surface: Any) -> None:
    ours = path_on(surface, lambda p: optim.Momentum(p, lr=halving(2e-4)), 100)
    theirs = notebook_momentum(surface, halving(2e-4), 100)
    assert gap(ours[:20], theirs[:20]) < 1e-12
    assert gap(ours[20:21], theirs[20:21]) > 1e-4


def test_the_two_forms_part_as_worked_out_by_hand() -> None:
    # g = 1, mu = 0.5, rates 1 and then 0.1.  Outside: v = 1, theta = -1; v = 1.5, theta = -1.15.
    # Inside it would be v = 1, theta = -1; v = 0.5 + 0.1, theta = -1.6.
    (p,) = params = parameters(np.zeros(1), [(1,)])
    run = optim.Momentum(params, lr=lambda taken: [1.0, 0.1][taken], momentum=0.5)
    for expected in (-1.0, -1.15):
        give(params, np.ones(1))
        run.step()
        assert p.item() == pytest.approx(expected, rel=1e-15)


@SURFACES
def test_nesterov_is_the_notebooks_look_ahead_at_phi(surface: Any) -> None:
    # Our theta is the notebook's phi = theta - mu v, its v being lr times ours.
    ours = path_on(surface, lambda p: optim.Nesterov(p, lr=2e-4), 100)
    thetas, phis = notebook_nesterov(surface, lambda t: 2e-4, 100)
    assert gap(ours, phis) < 1e-12
    assert gap(ours, thetas) > 1e-3


@SURFACES
def test_nesterov_gives_back_the_notebooks_theta(surface: Any) -> None:
    # The other way round: theta = phi + lr mu v, v from the optimizer's own state.
    params = parameters(START, [(), ()])
    run = optim.Nesterov(params, lr=2e-4)
    thetas, _ = notebook_nesterov(surface, lambda t: 2e-4, 60)
    for theta in thetas:
        run.zero_grad()
        surface(*params).backward()
        run.step()
        assert np.abs(flat(params) + 2e-4 * 0.9 * run.state_vectors["v"] - theta).max() < 1e-12


@SURFACES
def test_nesterov_and_the_look_ahead_part_under_a_schedule(surface: Any) -> None:
    ours = path_on(surface, lambda p: optim.Nesterov(p, lr=halving(2e-4)), 100)
    _, phis = notebook_nesterov(surface, halving(2e-4), 100)
    assert gap(ours[:20], phis[:20]) < 1e-12
    assert gap(ours, phis) > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", [optim.Momentum, optim.Nesterov])
def test_momentum_0_is_sgd_bit_for_bit(kind: Any, decay: float, dtype: Any) -> None:
    gradients = random_gradients()
    sgd = path_of(lambda p: optim.SGD(p, lr=0.07, weight_decay=decay), gradients, dtype)
    assert np.array_equal(path_of(lambda p: kind(p, lr=0.07, momentum=0, weight_decay=decay), gradients, dtype), sgd)
    assert gap(path_of(lambda p: kind(p, lr=0.07, momentum=0.1, weight_decay=decay), gradients, dtype), sgd) > 1e-3


def test_pytorchs_spelling_of_momentum_and_nesterov() -> None:
    params = parameters(theta0(), SHAPES)
    assert type(optim.SGD(params, 0.1)) is optim.SGD
    assert type(optim.SGD(params, 0.1, 0)) is optim.SGD
    assert type(optim.SGD(params, lr=0.1, momentum=0.9)) is optim.Momentum
    assert type(optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True)) is optim.Nesterov
    gradients = random_gradients()
    hyper = {"lr": 0.03, "momentum": 0.8, "weight_decay": 0.1}
    for kind, nesterov in ((optim.Momentum, False), (optim.Nesterov, True)):
        spelled = path_of(lambda p, n=nesterov: optim.SGD(p, nesterov=n, **hyper), gradients)  # type: ignore[misc]
        assert np.array_equal(spelled, path_of(lambda p, k=kind: k(p, **hyper), gradients))  # type: ignore[misc]
    assert optim.SGD(params, 0.1, 0.9).param_groups[0]["momentum"] == 0.9


def test_momentum_and_nesterov_differ() -> None:
    gradients = random_gradients()
    one, other = (path_of(lambda p, k=k: k(p, lr=0.1), gradients) for k in (optim.Momentum, optim.Nesterov))  # type: ignore[misc]
    assert gap(one, other) > 1e-2


# --- Weight decay --------------------------------------------------------------------------------------

COUPLED = sorted(set(UNUSUAL) - {"AdamW", "Lion", "ScheduleFreeAdamW"})


@pytest.mark.parametrize("name", COUPLED)
def test_weight_decay_is_the_gradient_of_a_penalty(name: str) -> None:
    # To decay by w is to be handed g + w theta in place of g.
    plain = {k: v for k, v in UNUSUAL[name].items() if k != "weight_decay"}
    decaying = dict(UNUSUAL[name])
    if name == "Lookahead":
        inner, hyper = plain["inner"]
        plain["inner"] = (inner, {k: v for k, v in hyper.items() if k != "weight_decay"})
    ours, theirs = (parameters(theta0(), SHAPES) for _ in range(2))
    ours_run, theirs_run = optimizer(name, ours, decaying), optimizer(name, theirs, plain)
    for g in random_gradients(20):
        give(ours, g)
        give(theirs, g + 0.2 * flat(theirs))
        ours_run.step()
        theirs_run.step()
        assert np.array_equal(flat(ours), flat(theirs))
    assert gap(flat(ours), theta0()) > 1e-3


@pytest.mark.parametrize("name", COUPLED)
def test_weight_decay_leaves_the_gradient_as_it_was(name: str) -> None:
    params = parameters(theta0(), SHAPES)
    run = optimizer(name, params, UNUSUAL[name])
    g = random_gradients(1)[0]
    give(params, g)
    run.step()
    assert np.array_equal(np.concatenate([p.grad.data.ravel() for p in params]), g)


def test_adamw_decays_apart_from_the_gradient() -> None:
    # One step: theta (1 - lr w), and beside it Adam's step, which knows nothing of the decay.
    start, (g,) = theta0(), random_gradients(1)
    adam, adamw = parameters(start, SHAPES), parameters(start, SHAPES)
    give(adam, g)
    give(adamw, g)
    optim.Adam(adam, lr=0.01).step()
    run = optim.AdamW(adamw, lr=0.01, weight_decay=0.3)
    run.step()
    step = flat(adam) - start
    np.testing.assert_allclose(flat(adamw), start * (1 - 0.01 * 0.3) + step, rtol=1e-14, atol=1e-14)
    # Its m and v are those of the bare gradient.
    np.testing.assert_allclose(run.state_vectors["m"], 0.1 * g, rtol=1e-15)
    np.testing.assert_allclose(run.state_vectors["v"], 0.001 * g**2, rtol=1e-12)


def test_adamw_without_gradients_only_shrinks() -> None:
    params = parameters(theta0(), SHAPES)
    run = optim.AdamW(params, lr=0.1, weight_decay=0.5)
    for t in range(1, 6):
        give(params, np.zeros(SIZE))
        run.step()
        np.testing.assert_allclose(flat(params), theta0() * 0.95**t, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adamw_without_decay_is_adam_bit_for_bit(dtype: Any) -> None:
    gradients = random_gradients()
    adam = path_of(lambda p: optim.Adam(p, lr=0.01), gradients, dtype)
    assert np.array_equal(path_of(lambda p: optim.AdamW(p, lr=0.01, weight_decay=0), gradients, dtype), adam)
    assert gap(path_of(lambda p: optim.AdamW(p, lr=0.01), gradients, dtype), adam) > 1e-3


# --- Lookahead -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_lookahead_with_alpha_1_is_its_inner_optimizer_bit_for_bit(name: str, dtype: Any) -> None:
    gradients = random_gradients()
    inner = path_of(lambda p: optimizer(name, p, UNUSUAL[name]), gradients, dtype)
    around = path_of(lambda p: optim.Lookahead(optimizer(name, p, UNUSUAL[name]), k=3, alpha=1), gradients, dtype)
    assert np.array_equal(around, inner)
    halfway = path_of(lambda p: optim.Lookahead(optimizer(name, p, UNUSUAL[name]), k=3), gradients, dtype)
    assert gap(halfway, inner) > 1e-4


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_k_steps_of_lookahead(k: int, alpha: float) -> None:
    # An inner optimizer of the same kind is led by hand: k steps, then set back to the slow weights.
    params, led = parameters(theta0(), SHAPES), parameters(theta0(), SHAPES)
    run, inner = optim.Lookahead(optim.Momentum(params, lr=0.05), k=k, alpha=alpha), optim.Momentum(led, lr=0.05)
    slow = theta0()  # before the first fast step, and not after it
    for t, g in enumerate(random_gradients(23), start=1):
        give(params, g)
        give(led, g)
        run.step()
        inner.step()
        if t % k == 0:
            slow = slow + alpha * (flat(led) - slow)
            for p, q in zip(led, parameters(slow, SHAPES), strict=True):
                p.data[...] = q.data
        np.testing.assert_allclose(flat(params), flat(led), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(run.slow, slow, rtol=1e-13, atol=1e-13)
        # The inner optimizer's state is kept when theta is set back.
        np.testing.assert_allclose(run.state_vectors["v"], inner.state_vectors["v"], rtol=1e-13, atol=1e-13)
        assert run.t == t


def test_slow_is_theta_0_when_the_first_step_begins() -> None:
    # Not what theta was when the optimizer was built: weights loaded in between are where it starts.
    params = parameters(theta0(), SHAPES)
    run = optim.Lookahead(optim.SGD(params, lr=0.1), k=2, alpha=0.25)
    for p in params:
        p.data[...] = 1.0
    for _ in range(2):
        give(params, np.ones(SIZE))
        run.step()
    # 1, 0.9, 0.8; slow = 1 + 0.25 (0.8 - 1) = 0.95
    np.testing.assert_allclose(flat(params), 0.95, rtol=1e-15)


def test_lookahead_in_lookahead() -> None:
    # SGD, g = 1, lr = 1: inner k = 2, alpha = 1/2: -1, -2 -> -1; -2, -3 -> -2. Outer k = 4: 0.5 * -2 = -1.
    (p,) = params = parameters(np.zeros(1), [(1,)])
    run = optim.Lookahead(optim.Lookahead(optim.SGD(params, lr=1.0), k=2), k=4)
    seen = []
    for _ in range(5):
        give(params, np.ones(1))
        run.step()
        seen.append(p.item())
    assert seen == [-1.0, -1.0, -2.0, -1.0, -2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranger_is_radam_inside_lookahead_bit_for_bit(dtype: Any) -> None:
    gradients = random_gradients()
    hyper: dict[str, Any] = {"lr": 0.02, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.1}
    ranger = path_of(lambda p: optim.Ranger(p, **hyper, k=4, alpha=0.3), gradients, dtype)
    built = path_of(lambda p: optim.Lookahead(optim.RAdam(p, **hyper), k=4, alpha=0.3), gradients, dtype)
    assert np.array_equal(ranger, built)
    default = path_of(lambda p: optim.Ranger(p), gradients, dtype)
    assert np.array_equal(default, path_of(lambda p: optim.Lookahead(optim.RAdam(p)), gradients, dtype))


# --- Adam's relatives ----------------------------------------------------------------------------------


def test_adams_first_step_is_as_long_as_the_rate() -> None:
    # m_hat = g and v_hat = g^2, whatever the betas: lr g / (|g| + eps).
    start, g = theta0(), random_gradients(1, seed=9)[0]
    g[g == 0] = 1.0
    for betas in ((0.9, 0.999), (0.2, 0.3)):
        params = parameters(start, SHAPES)
        run = optim.Adam(params, lr=0.5, betas=betas, eps=0.0)
        give(params, g)
        run.step()
        np.testing.assert_allclose(flat(params) - start, -0.5 * np.sign(g), rtol=1e-9)


def test_radam_does_not_divide_before_step_6() -> None:
    # Until then lr m_hat = lr g for a constant g, however large g is; at step 6 a short first division.
    start = np.zeros(2)
    params = parameters(start, [(2,)])
    run = optim.RAdam(params, lr=0.1)
    before = start
    for t in range(1, 8):
        give(params, np.array([1.0, 1000.0]))
        run.step()
        step, before = flat(params) - before, flat(params)
        if t <= 5:
            np.testing.assert_allclose(step, [-0.1, -100.0], rtol=1e-12)
        else:
            assert step[0] == pytest.approx(step[1], rel=1e-6)
            assert 0 < -step[0] < 0.1 * 0.1


def test_adamax_takes_no_step_where_there_never_is_a_gradient() -> None:
    params = parameters(np.ones(SIZE), SHAPES)
    run = optim.Adamax(params)
    for _ in range(5):
        give(params, np.zeros(SIZE))
        run.step()
    assert np.array_equal(flat(params), np.ones(SIZE))


def test_adadelta_averages_steps_without_the_rate() -> None:
    # So on given gradients a rate of 2 takes exactly twice the steps of 1.
    gradients = random_gradients()
    once = path_of(lambda p: optim.Adadelta(p, lr=1.0), gradients) - theta0()
    twice = path_of(lambda p: optim.Adadelta(p, lr=2.0), gradients) - theta0()
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-9, atol=1e-11)
