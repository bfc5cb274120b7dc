"""Who is timed: that all train the same thing, do what they say, and that an absent library is named."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import minigrad
from benchmarks import speed
from benchmarks.timing import library, steps
from benchmarks.timing.libraries import PEERS
from benchmarks.timing.library import CHAINS, LINKS, ON_ARRAYS, ON_TENSORS
from benchmarks.timing.others import TORCH
from benchmarks.timing.workload import Rule, Workload
from benchmarks.training import optimizers
from benchmarks.training.optimizers import ENTRANTS

RULES = {name: speed.rule_of(one) for name, one in ENTRANTS.items()}


@pytest.fixture(scope="module")
def work() -> Workload:
    random = np.random.default_rng(5)
    layers = [
        (random.normal(0, 0.2, shape).astype(np.float32), random.normal(0, 0.1, shape[0]).astype(np.float32))
        for shape in ((12, 36), (8, 12), (10, 8))
    ]
    labels = random.integers(0, 10, 200)
    prototypes = random.integers(0, 256, (10, 6, 6))
    pixels = (prototypes[labels] * 0.8 + random.integers(0, 50, (200, 6, 6))).astype(np.uint8)
    return Workload(pixels, labels, random.permutation(200).reshape(10, 20), layers)


def losses_of_sgd(work: Workload, lr: float, steps: int) -> list[float]:
    """SGD on a network with ReLU, written out in float64: what every peer is to do."""
    layers = [(w.astype(float), b.astype(float)) for w, b in work.layers]
    losses = []
    for indices in itertools.islice(itertools.cycle(work.order), steps):
        values = [work.pixels[indices].reshape(len(indices), -1) / 255]
        for k, (w, b) in enumerate(layers):
            z = values[-1] @ w.T + b
            values.append(np.maximum(z, 0) if k < len(layers) - 1 else z)
        p = np.exp(values[-1]) / np.exp(values[-1]).sum(1, keepdims=True)
        rows = np.arange(len(indices)), work.labels[indices]
        losses.append(-np.log(p[rows]).mean())
        g = p.copy()
        g[rows] -= 1
        g /= len(indices)
        for k in reversed(range(len(layers))):
            w, b = layers[k]
            back = (g @ w) * (values[k] > 0)
            w -= lr * g.T @ values[k]
            b -= lr * g.sum(0)
            g = back
    return losses


def trained(peer: str) -> list[tuple[str, str]]:
    """(way, rule) of all that a library can train."""
    return [
        (name, rule)
        for name, way in PEERS[peer].ways.items()
        if way.rules != ()
        for rule in RULES
        if way.rules is None or rule in way.rules
    ]


def installed(peer: str) -> library.Library:
    if missing := PEERS[peer].missing():
        pytest.skip(f"{', '.join(missing)} is not installed: {PEERS[peer].install}")
    return PEERS[peer](1)


def test_minigrad_trains_what_is_written_out_here(work):
    run = PEERS["minigrad"](1).training("", RULES["sgd"], work)
    expected = losses_of_sgd(work, 0.1, 23)
    assert run(4) == pytest.approx(expected[3], rel=1e-5)
    assert run(1) == pytest.approx(expected[4], rel=1e-5)  # it goes on where it was ...
    assert run(18) == pytest.approx(expected[22], rel=1e-4)  # ... and begins again after the last mini-batch
    assert expected[22] < expected[2] - 0.05  # so the figures differ from step to step


@pytest.mark.parametrize(
    ("peer", "way", "rule"), [(p, *each) for p in PEERS if p not in ("floor", "minigrad") for each in trained(p)]
)
def test_every_peer_trains_the_same_as_minigrad(peer, way, rule, work):
    theirs = installed(peer).training(way, RULES[rule], work)
    if PEERS[peer].ways[way].own_draws:
        assert theirs(30) < 2.6  # its own mini-batches: it learns; that is all one can say
        return
    ours = PEERS["minigrad"](1).training("", RULES[rule], work)
    count = 5 if PEERS[peer].ways[way].by_epoch else 13
    assert theirs(count) == pytest.approx(ours(count), rel=steps.TOLERANCE)


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_comparison_notices_another_learning_rate(rule):
    full = speed.notebook_workload(0)
    some = Workload(full.pixels[:2000], full.labels[:2000], np.arange(2000).reshape(20, 100), full.layers)
    losses = []
    for factor in (1, 1.05):
        changed = Rule(rule, rule, {**RULES[rule].settings, "lr": factor * RULES[rule].settings["lr"]})
        losses.append(PEERS["minigrad"](1).training("", changed, some)(steps.CHECKED))
    assert abs(losses[1] - losses[0]) > steps.TOLERANCE * losses[0]


@pytest.mark.parametrize("rule", RULES)
def test_minigrad_trains_with_every_optimizer(rule, work):
    run = PEERS["minigrad"](1).training("", RULES[rule], work)
    first = run(1)
    assert first == pytest.approx(losses_of_sgd(work, 0, 1)[0], rel=1e-5)
    assert run(10) != first


def test_minigrads_loader_trains_on_all_images(work):
    run = PEERS["minigrad"](1).training("loader", RULES["sgd"], work)
    run(len(work.order))
    assert run(30 * len(work.order)) < 2.0


def test_a_learners_optimizer_keeps_its_own_rate(work):
    spec = f"{Path(__file__).with_name('signsgd.py')}:SignSGD"
    rule = speed.rule_of(optimizers.entrant(spec))
    assert rule.name == "SignSGD"
    run = PEERS["minigrad"](1).training("", rule, work)
    assert run(1) == pytest.approx(losses_of_sgd(work, 0, 1)[0], rel=1e-5)


def test_the_settings_of_a_rule_are_the_entrants():
    assert RULES["adam"].settings == {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    assert RULES["momentum"].settings["momentum"] == 0.9
    assert RULES["lookahead"].settings["lr"] == 0.01


def test_peers_know_only_rules_that_there_are():
    for peer in PEERS.values():
        for way in peer.ways.values():
            assert set(way.rules or ()) <= set(ENTRANTS)
    assert set(PEERS["torch"].ways[""].rules or ()) == set(TORCH)
    assert set(ENTRANTS) - set(TORCH) == {"lookahead", "ranger"}  # PyTorch has neither


@pytest.mark.parametrize("peer", PEERS)
def test_a_missing_library_is_named_with_the_line_that_installs_it(peer, monkeypatch):
    monkeypatch.setattr(PEERS[peer], "needs", ("numpy", "no_such_module_at_all"))
    assert PEERS[peer].missing() == ["no_such_module_at_all"]
    assert PEERS[peer].install.startswith("python -m pip install ")


# The floor.


def test_the_floor_is_five_products_into_arrays_that_are_there(work, monkeypatch):
    two = Workload(
        work.pixels, work.labels, work.order, [work.layers[0], (np.ones((10, 12), np.float32), work.layers[2][1])]
    )
    run = PEERS["floor"](1).training("", RULES["sgd"], two)
    seen = []
    real = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: seen.append((a, b, out)) or real(a, b, out=out))
    run(2)
    shapes = [(a.shape, b.shape) for a, b, _ in seen]
    assert shapes[:5] == [
        ((20, 36), (36, 12)),  # forward
        ((20, 12), (12, 10)),
        ((10, 20), (20, 12)),  # the gradients of the second layer's weight and input
        ((20, 10), (10, 12)),
        ((12, 20), (20, 36)),  # of the first layer's weight
    ]
    assert shapes[5:] == shapes[:5]
    assert all(a.dtype == b.dtype == out.dtype == np.float32 for a, b, out in seen)
    assert [id(out) for *_, out in seen[:5]] == [id(out) for *_, out in seen[5:]]


def test_the_floors_update_is_a_copy(monkeypatch):
    run = PEERS["floor"](1).update("", RULES["sgd"], 7)
    copies = []
    real = np.copyto
    monkeypatch.setattr(np, "copyto", lambda there, here: copies.append(there) or real(there, here))
    run(3)
    assert len(copies) == 3
    assert copies[0].tolist() == [1.0] * 7


# The update alone.


@pytest.mark.parametrize("peer", ["minigrad", "torch"])
def test_an_update_is_a_step_of_all_parameters(peer, monkeypatch):
    made = []
    if peer == "minigrad":
        one = ENTRANTS["adam"]
        keep = optimizers.Entrant(
            "adam", "", lambda p, lr: made.append(one.make(p, lr=lr)) or made[-1], "", "-", one.spec
        )
        monkeypatch.setattr(optimizers, "entrant", lambda spec: keep)
        PEERS[peer](1).update("", RULES["adam"], 2500)(3)
        theta = made[0].theta
    else:
        torch = installed(peer)
        real = torch._optimizer
        monkeypatch.setattr(torch, "_optimizer", lambda *a: made.append(real(*a)) or made[-1])
        torch.update("", RULES["adam"], 2500)(3)
        theta = made[0].param_groups[0]["params"][0].detach().numpy()
    # Adam with a constant gradient goes by the rate at every step, against its sign.
    np.testing.assert_allclose(theta, -3 * 0.001 * np.sign(library.constant_gradient(2500)), rtol=1e-3)


def test_the_gradient_has_no_zeros():
    assert (library.constant_gradient(2500) != 0).all()
    assert len(library.constant_gradient(2500)) == 2500


# Single operations.


@pytest.mark.parametrize("name", ON_TENSORS)
def test_operations_are_the_same_in_numpy_and_on_tensors(name):
    y = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    identity = np.eye(4, dtype=np.float32)
    ours = ON_TENSORS[name](minigrad.tensor(y), minigrad.tensor(identity))
    np.testing.assert_allclose(ours.numpy(), ON_ARRAYS[name](y, identity), rtol=1e-6)


@pytest.mark.parametrize("way", CHAINS)
def test_a_chain_is_recorded_or_not_and_gone_back_through_or_not(way, monkeypatch):
    recorded = []

    def probe(y, c):
        recorded.append(minigrad.is_grad_enabled())
        return y * 1.0

    monkeypatch.setitem(ON_TENSORS, "probe", probe)
    start = minigrad.tensor([2.0, 3.0], requires_grad=True)
    library.chain(minigrad, start, None, way, "probe")(3 * LINKS)
    assert recorded == [way != "unrecorded"] * 3 * LINKS
    assert (start.grad is not None) == (way == "backward")
    if way == "backward":
        assert start.grad.tolist() == [1.0, 1.0]  # of one chain: it is cleared between two


@pytest.mark.parametrize("peer", ["floor", "minigrad", "torch"])
@pytest.mark.parametrize("name", ON_TENSORS)
def test_every_operation_can_be_chained(peer, name):
    for way in CHAINS if peer != "floor" else ("",):
        installed(peer).operations(way, name)(LINKS)


# The work.


def test_work_is_the_same_after_saving_and_loading(work, tmp_path):
    work.save(tmp_path)
    same = Workload.load(tmp_path)
    for name in ("pixels", "labels", "order", "images"):
        np.testing.assert_array_equal(getattr(same, name), getattr(work, name))
        assert getattr(same, name).dtype == getattr(work, name).dtype
    for (w, b), (v, c) in zip(same.layers, work.layers, strict=True):
        np.testing.assert_array_equal(w, v)
        np.testing.assert_array_equal(b, c)


def test_images_are_bytes_over_255_in_float32(work):
    assert work.images.dtype == np.float32
    np.testing.assert_array_equal(work.images, work.pixels.reshape(200, 36).astype(np.float32) / np.float32(255))


def test_work_of_another_shape(work):
    other = work.reshaped([50, 7], 30)
    assert [w.shape for w, _ in other.layers] == [(50, 36), (7, 50), (10, 7)]
    assert other.order.shape == (6, 30)  # of 200; 20 are left out
    assert len(np.unique(other.order)) == 180
    assert other.images is work.images
    weight = other.layers[1][0]
    assert weight.dtype == np.float32
    assert weight.var() == pytest.approx(2 / 50, rel=0.2)  # He's
    assert work.reshaped([5], 200).order.shape == (1, 200)
    assert work.reshaped([5], 1).order.shape == (200, 1)


def test_deep_networks_keep_their_gradients(work):
    run = PEERS["minigrad"](1).training("", Rule("sgd", "sgd", {"lr": 1e-4}), work.reshaped([20] * 60, 20))
    assert np.isfinite(run(3))
