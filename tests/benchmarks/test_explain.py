"""The explanations: their numbers, against scalar rules and formulas written out here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy
import pytest
from PIL import Image
from reference_rules import REFERENCES, NesterovLookAhead, descend

import minigrad
from benchmarks import explain
from benchmarks.__main__ import main
from benchmarks.pictures import local_minimum, memory, nesterov_step, ravine, slow_and_fast, warm_up
from benchmarks.training import network
from benchmarks.training.optimizers import ENTRANTS
from minigrad import optim
from minigrad.utils.data import DataLoader


def ask(*arguments: str, folder: Path) -> int:
    return main(["explain", "--jobs", "1", "--results", str(folder), *arguments])


def ravine_gradient(theta, t=0):
    x, y = theta
    a, b = (12 * x + 5 * y) / 13, (12 * y - 5 * x) / 13
    return [(12 * a - 5 * 25 * b) / 13, (5 * a + 12 * 25 * b) / 13]


def ravine_loss(theta):
    x, y = theta
    return (((12 * x + 5 * y) / 13) ** 2 + 25 * ((12 * y - 5 * x) / 13) ** 2) / 2


# The ravine.


def steps_by_hand(rule, part=1e-3, steps=120):
    """How many steps a scalar rule takes until the loss is below a part of the first for good."""
    path = [[-8.0, -1.0], *descend(rule, [-8.0, -1.0], ravine_gradient, steps)]
    above = [t for t, theta in enumerate(path) if ravine_loss(theta) > part * ravine_loss(path[0])]
    return above[-1] + 1


def test_steps_in_the_ravine_are_those_of_the_scalar_rules():
    runs = ravine.race(1.0, 25.0)
    rates = [one.hyperparameters["lr"] for one in runs]
    assert rates == pytest.approx([1.02 * 0.08, 2 / 26, 0.5 / 26, 1 / 9], rel=1e-12)
    by_hand = [
        steps_by_hand(lambda: REFERENCES["SGD"](lr=2 / 26)),
        steps_by_hand(lambda: REFERENCES["Momentum"](lr=0.5 / 26, momentum=0.8)),
        steps_by_hand(lambda: REFERENCES["Momentum"](lr=1 / 9, momentum=4 / 9)),  # Polyak's, for 1 and 25
    ]
    assert [ravine.steps_to(one, 1e-3) for one in runs] == [None, *by_hand]
    assert by_hand == sorted(by_hand, reverse=True)
    assert runs[0].losses[-1] > runs[0].losses[0]  # beyond 2 / lambda_max it swings higher


def test_the_ravine_is_explained_with_the_engines_curvatures(tmp_path):
    assert ask("ravine", folder=tmp_path) == 0
    numbers = json.loads((tmp_path / "explain" / "explain.json").read_text())["explanations"]["ravine"]
    assert numbers["curvatures"] == pytest.approx([1, 25], rel=1e-12)
    assert numbers["condition_number"] == pytest.approx(25, rel=1e-12)
    assert numbers["largest_stable_rate"] == pytest.approx(0.08, rel=1e-12)
    with Image.open(tmp_path / "explain" / "ravine.gif") as gif:
        assert gif.n_frames == ravine.SHOWN + 1
    assert (tmp_path / "explain" / "ravine.gif").stat().st_size < 1_500_000


# The local minimum.


def test_sgd_stays_in_the_dip_and_momentum_leaves_it():
    def slope(theta, t):
        (x,) = theta
        return [x * (x**2 - 4) / 2 + 0.5]

    rules = {"sgd": ("SGD", {}), "momentum": ("Momentum", {"momentum": 0.9})}
    trajectories = local_minimum.race()
    assert [one.entrant.name for one in trajectories] == list(rules)
    for one, (name, given) in zip(trajectories, rules.values(), strict=True):
        rule = REFERENCES[name]
        by_hand = descend(lambda rule=rule, given=given: rule(lr=0.02, **given), [3.2], slope, local_minimum.STEPS)
        numpy.testing.assert_allclose(one.path[1:, 0], numpy.array(by_hand)[:, 0], rtol=0, atol=1e-10)
        numpy.testing.assert_array_equal(one.path[:, 1], 0)
        assert (one.path[-1, 0] > 0) == (name == "SGD")
    dip, ridge, lower = (local_minimum.stationary(x) for x in (2.0, 0.2, -2.0))
    roots = sorted(numpy.roots([0.5, 0, -2, 0.5]).real)  # of the slope, x^3 / 2 - 2 x + 1 / 2
    numpy.testing.assert_allclose([lower, ridge, dip], roots, rtol=1e-12)
    assert local_minimum.derivatives(dip)[2] == pytest.approx(1.5 * dip**2 - 2)


# Nesterov's step.


def test_the_two_steps_are_the_notebooks_formulas():
    theta, v = numpy.array([-6.0, -3.5]), numpy.array([-30.0, 45.0])
    lr, mu = nesterov_step.LR, nesterov_step.MU
    one, two = nesterov_step.step(optim.Momentum, theta, v), nesterov_step.step(optim.Nesterov, theta, v)
    numpy.testing.assert_allclose(one.end, theta - lr * (mu * v + ravine_gradient(theta)), rtol=1e-12)
    rules = [NesterovLookAhead(lr=lr, momentum=mu) for _ in theta]
    for rule, velocity in zip(rules, v, strict=True):
        rule.v = lr * velocity
    ahead = [rule.where(x) for rule, x in zip(rules, theta, strict=True)]
    ends = [rule.step(x, g) for rule, x, g in zip(rules, theta, ravine_gradient(ahead), strict=True)]
    numpy.testing.assert_allclose(two.gradient_at, ahead, rtol=1e-12)
    numpy.testing.assert_allclose(two.end, ends, rtol=1e-12)


# Warm-up.


def test_radams_factor():
    r = warm_up.factors()
    assert r.shape == (3000,)
    assert numpy.isnan(r[:5]).all()
    for t in (6, 100, 3000):
        infinite = 2 / (1 - 0.999) - 1
        now = infinite - 2 * t * 0.999**t / (1 - 0.999**t)
        expected = math.sqrt((now - 4) * (now - 2) * infinite / ((infinite - 4) * (infinite - 2) * now))
        assert r[t - 1] == pytest.approx(expected, rel=1e-12)
    assert r[5] == pytest.approx(0.0258, abs=1e-4)
    assert (numpy.diff(r[5:]) > 0).all()


def first_gradient(images, labels, parameters):
    """The gradient of the notebook's network on a mini-batch, worked out in NumPy."""
    w1, b1, w2, b2 = (p.astype(float) for p in parameters)
    x = images.reshape(len(images), -1).astype(float)
    a = x @ w1.T + b1
    h = numpy.maximum(a, 0)
    z = h @ w2.T + b2
    p = numpy.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[numpy.arange(len(p)), labels] -= 1
    p /= len(p)
    da = (p @ w2) * (a > 0)
    return numpy.concatenate([(da.T @ x).ravel(), da.sum(0), (p.T @ h).ravel(), p.sum(0)])


def test_the_first_gradients_are_measured_right(monkeypatch):
    monkeypatch.setattr(warm_up, "SHOWN", (1, 2))
    data = network.load("mnist", True)
    minigrad.manual_seed(3)
    model = network.Net.for_data(data)
    parameters = [p.numpy().copy() for p in model.parameters()]
    images, labels = next(iter(DataLoader(data, 100, shuffle=True)))
    g = numpy.abs(first_gradient(images.numpy(), labels.numpy(), parameters))
    seen = [warm_up.watch(make, seed=3) for _, _, make in warm_up.RUNS]
    for one in seen:
        assert one[1].zero == pytest.approx((g == 0).mean(), abs=1e-4)
        assert one[1].median == pytest.approx(numpy.median(numpy.log10(g[g > 0])), abs=1e-3)
    without, warm, rectified = (one[2] for one in seen)
    assert without.zero > warm.zero + 0.03  # at once, more gradients are exactly 0
    assert without.loss < warm.loss
    assert rectified.zero == pytest.approx(warm.zero, abs=0.01)


# Slow and fast weights.


def test_slow_weights_go_half_the_way(monkeypatch):
    for name, value in {"FIRST": 5, "ROUNDS": 2, "GRID": 3, "IMAGES": 40}.items():
        monkeypatch.setattr(slow_and_fast, name, value)
    seen = slow_and_fast.watch(seed=0)
    assert seen.fast.shape == (2, 6, 79510)
    numpy.testing.assert_array_equal(seen.fast[:, 0], seen.slow[:-1])
    half = seen.slow[:-1] + 0.5 * (seen.fast[:, -1] - seen.slow[:-1])
    numpy.testing.assert_allclose(seen.slow[1:], half, rtol=1e-5, atol=1e-7)
    numpy.testing.assert_allclose(seen.plane @ seen.plane.T, numpy.eye(2), atol=1e-5)
    assert 0.3 < seen.share <= 1
    a, b, values = seen.grid
    assert values.shape == (3, 3)
    low, high = seen.on_plane(seen.fast).min((0, 1)), seen.on_plane(seen.fast).max((0, 1))
    assert a[0] < low[0] < high[0] < a[-1]
    assert b[0] < low[1] < high[1] < b[-1]
    images, labels = network.load("mnist", True).batch(numpy.arange(40))
    model = network.Net.for_data(network.load("mnist", True))
    theta = optim.SGD(model.parameters()).theta
    theta[:] = seen.slow[1]
    expected = minigrad.nn.functional.cross_entropy(model(images), labels).item()
    assert seen.slow_losses[1] == pytest.approx(expected, rel=1e-6)


# Memory.


class Hoarder(optim.Optimizer):
    """It keeps a copy of g that it does not name."""

    def rule(self, theta, g, *, lr=0.1):
        theta -= lr * g

    def step(self):
        super().step()
        self.hidden = self.g.copy()


@pytest.mark.parametrize(
    ("name", "size"), [("sgd", 0), ("momentum", 4), ("adagrad", 4), ("adam", 8), ("adadelta", 8), ("ranger", 12)]
)
def test_bytes_of_state(name, size):
    assert memory.measured(ENTRANTS[name].make)[0] == pytest.approx(size, abs=0.2)


def test_state_that_is_not_named_is_counted():
    assert memory.measured(Hoarder) == (pytest.approx(4, abs=0.2), [])


# The command line.


def test_stills_of_what_is_quick(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(memory, "PARAMETERS", 100_000)
    assert ask("local-minimum", "nesterov-step", "memory", "--stills", folder=tmp_path) == 0
    out = capsys.readouterr().out
    written = sorted(path.name for path in (tmp_path / "explain").iterdir())
    assert written == ["explain.json", "local-minimum.png", "memory.png", "nesterov-step.png"]
    assert all(name in out for name in written)
    assert "4 bytes: Momentum, Nesterov, Adagrad, RMSprop" in " ".join(out.split())


def test_what_is_explained(tmp_path, capsys):
    assert set(explain.EXPLANATIONS) == {"ravine", "local-minimum", "nesterov-step", "warm-up", "lookahead", "memory"}
    for name in ("ravin", "look-ahead"):
        assert ask(name, folder=tmp_path) == 2
        names = ", ".join(explain.EXPLANATIONS)
        assert capsys.readouterr().err == f"benchmarks: there is no explanation {name!r}: there are {names}\n"
