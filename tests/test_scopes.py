"""What a rule works on: each number by itself, each parameter, or all of a group; and what it may not do."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimizer_tools import flat, parameters, split

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import Combined, Optimizer, Wrapper, buffered, running_product

SHAPES = [(3, 4), (4,), (), (0,), (5, 2)]
SIZE = 27
STEPS = 30


def gradients(theta: np.ndarray, t: int) -> np.ndarray:
    return np.sin(3 * theta + t) * np.linspace(0.1, 2, theta.size) + 0.01


def run_it(run: Any, params: list[mg.Tensor], steps: int = STEPS, missing: Callable[[int], Any] = lambda t: ()) -> None:
    for t in range(1, steps + 1):
        for i, (p, g) in enumerate(zip(params, split(gradients(flat(params), t), SHAPES), strict=True)):
            p.grad = None if i in missing(t) else mg.Tensor(g)
        run.step()


def start(seed: int = 3) -> tuple[list[mg.Tensor], np.ndarray]:
    theta = np.random.default_rng(seed).normal(size=SIZE)
    return parameters(theta, SHAPES), theta


def by_hand(theta: np.ndarray, update: Callable[[list[np.ndarray], list[np.ndarray], int], None]) -> np.ndarray:
    """The path of theta under an update of lists of arrays, one for each parameter."""
    for t in range(1, STEPS + 1):
        parts = [p.copy() for p in split(theta, SHAPES)]
        update(parts, split(gradients(theta, t), SHAPES), t)
        theta = np.concatenate([p.ravel() for p in parts])
    return theta


# --- The learner's attempts ---------------------------------------------------------------------------------


class ClippedByNorm(Optimizer):
    scope = "all"

    def rule(self, theta, g, *, lr=0.1, longest=1.0):  # type: ignore[no-untyped-def]
        theta -= lr * min(1, longest / np.linalg.norm(g)) * g


class LARS(Optimizer):
    scope = "parameter"
    state = ("v",)

    def rule(self, theta, g, v, *, lr=0.1, mu=0.9, trust=0.01):  # type: ignore[no-untyped-def]
        v[...] = mu * v + trust * np.linalg.norm(theta) / np.linalg.norm(g) * g
        theta -= lr * v


@pytest.mark.parametrize("slice_bytes", [8, 24, 128_000])
def test_clipping_by_the_norm_of_g(slice_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffered, "SLICE_BYTES", slice_bytes)
    params, theta = start()

    def update(parts: list[np.ndarray], gs: list[np.ndarray], t: int) -> None:
        norm = math.sqrt(math.fsum(float(x) ** 2 for g in gs for x in g.ravel()))
        for p, g in zip(parts, gs, strict=True):
            p -= 0.1 * min(1, 1 / norm) * g

    run_it(ClippedByNorm(params), params)
    np.testing.assert_allclose(flat(params), by_hand(theta, update), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("slice_bytes", [8, 24, 128_000])
def test_lars(slice_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffered, "SLICE_BYTES", slice_bytes)
    params, theta = start()
    v = [np.zeros(shape) for shape in SHAPES]

    def update(parts: list[np.ndarray], gs: list[np.ndarray], t: int) -> None:
        for i, (p, g) in enumerate(zip(parts, gs, strict=True)):
            if p.size:
                ratio = math.sqrt(float((p**2).sum())) / math.sqrt(float((g**2).sum()))
                v[i] = 0.9 * v[i] + 0.01 * ratio * g
                p -= 0.1 * v[i]

    run = LARS(params)
    run_it(run, params)
    np.testing.assert_allclose(flat(params), by_hand(theta, update), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.state_vectors["v"], np.concatenate([x.ravel() for x in v]), rtol=1e-12)


def test_each_parameter_comes_in_its_own_shape_once_a_step() -> None:
    seen: list[Any] = []

    class Looks(Optimizer):
        scope = "parameter"
        state = ("v",)

        def rule(self, theta, g, v, *, t, lr, weight_decay):  # type: ignore[no-untyped-def]
            assert theta.shape == g.shape == v.shape
            seen.append((theta.shape, t))

    params, _ = start()
    run_it(Looks(params), params, 3, lambda t: [0] if t == 2 else [])
    every = [(3, 4), (4,), (), (5, 2)]
    assert seen == [
        *((shape, 1) for shape in every),
        *((shape, 2) for shape in every[1:]),
        *((shape, 2 if shape == (3, 4) else 3) for shape in every),
    ]


@pytest.mark.parametrize("missing", [(), (1,), (0, 2), (1, 2, 4), (0, 1, 2, 3, 4)])
def test_all_parameters_with_a_gradient_come_as_one_vector(missing: tuple[int, ...]) -> None:
    seen: list[Any] = []

    class Looks(Optimizer):
        scope = "all"
        state = ("v",)

        def rule(self, theta, g, v, *, t, lr=1.0):  # type: ignore[no-untyped-def]
            seen.append((theta.shape, t))
            v += 1
            theta -= lr * g.sum() * v

    params, theta = start()
    run = Looks([{"params": params[:3]}, {"params": params[3:], "lr": 0.5}])
    whole = split(np.arange(SIZE) * 1.0, SHAPES)
    for i, (p, g) in enumerate(zip(params, whole, strict=True)):
        p.grad = None if i in missing else mg.Tensor(g)
    run.step()
    run.step()
    halves = [[i for i in half if i not in missing] for half in ((0, 1, 2), (3, 4))]
    sizes = [sum(whole[i].size for i in half) for half in halves]
    assert seen == [((size,), t) for t in (1, 2) for size, half in zip(sizes, halves, strict=True) if half]
    for rate, half in zip((1.0, 0.5), halves, strict=True):
        total = sum(whole[i].sum() for i in half)
        for i in half:
            np.testing.assert_allclose(params[i].data, split(theta, SHAPES)[i] - rate * total * (1 + 2), rtol=1e-12)
    for i in missing:
        np.testing.assert_array_equal(params[i].data, split(theta, SHAPES)[i])
        assert run.state_dict()["state"][i]["t"] == 0


@pytest.mark.parametrize("scope", ["parameter", "all"])
def test_weight_decay_and_schedules_in_every_scope(scope: str) -> None:
    class Plain(Optimizer):
        def rule(self, theta, g, *, lr=0.1):  # type: ignore[no-untyped-def]
            theta -= lr * g

    paths = []
    for kind in (Plain, type("Scoped", (Plain,), {"scope": scope})):
        params, _ = start()
        run_it(kind(params, lr=lambda t: 0.1 / (1 + t), weight_decay=0.3), params)
        paths.append(flat(params))
    np.testing.assert_allclose(paths[1], paths[0], rtol=1e-13)


def test_saving_and_loading_in_every_scope() -> None:
    for kind in (ClippedByNorm, LARS):
        params, _ = start()
        run = kind(params)
        run_it(run, params, 5)
        state, theta = run.state_dict(), flat(params)
        run_it(run, params, 5)
        others = parameters(theta, SHAPES)
        again = kind(others)
        again.load_state_dict(state)
        run_it(again, others, 5)
        assert np.array_equal(flat(others), flat(params))


# --- A product over the steps -------------------------------------------------------------------------------


def test_running_products() -> None:
    calls = []

    @running_product
    def product(t: int, beta: float) -> float:
        """A factor."""
        calls.append(t)
        return 1 - beta**t

    expected = 1.0
    for t in range(1, 50):
        expected *= 1 - 0.5**t
        assert product(t, 0.5) == expected
    assert calls == list(range(1, 50))
    assert product(0, 0.5) == 1
    assert product(3, 0.25) == pytest.approx((1 - 0.25) * (1 - 0.0625) * (1 - 0.015625))
    assert product(2, 0.5) == (1 - 0.5) * (1 - 0.25)
    assert product.__doc__ == "A factor."


def test_a_product_kept_on_self_is_refused_and_as_a_function_it_is_right() -> None:
    class Kept(Optimizer):
        state = ("m", "v")

        def __init__(self, params: Any) -> None:
            super().__init__(params)
            self.product = 1.0

        def rule(self, theta, g, m, v, *, lr, t):  # type: ignore[no-untyped-def]
            self.product *= 0.9 * (1 - 0.5 * 0.96 ** (t * 0.004))
            theta -= lr * g / (1 - self.product)

    params, theta = start()
    with pytest.raises(AttributeError, match=r"Kept\.rule sets self\.product.*not saved.*running_product"):
        run_it(Kept(params), params, 1)
    assert np.array_equal(flat(params), theta)

    class Falling(Optimizer):
        def rule(self, theta, g, *, lr):  # type: ignore[no-untyped-def]
            self.lr = lr * 0.9
            theta -= lr * g

    with pytest.raises(AttributeError, match=r"sets self\.lr"):
        run_it(Falling(params), params, 1)
    # As a function of t it holds for a parameter that has a t of its own.
    params, theta = start()
    run = optim.NAdam(params, lr=0.1)
    run_it(run, params, 9, lambda t: [1] if t % 3 == 0 else [])
    alone = parameters(theta, SHAPES)
    whole = optim.NAdam([alone[1]], lr=0.1)
    twin, _ = start()
    other = optim.NAdam(twin, lr=0.1)
    for t in range(1, 10):
        g = split(gradients(flat(twin), t), SHAPES)
        for i, p in enumerate(twin):
            p.grad = None if i == 1 and t % 3 == 0 else mg.Tensor(g[i])
        if t % 3:
            alone[1].grad = mg.Tensor(g[1])
            whole.step()
        other.step()
    assert np.array_equal(alone[1].data, params[1].data)


# --- Elementwise rules are checked --------------------------------------------------------------------------

NOT_ELEMENTWISE: dict[str, tuple[Callable[..., Any], str]] = {}


def wrong(shown: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def note(rule: Callable[..., Any]) -> Callable[..., Any]:
        NOT_ELEMENTWISE[rule.__name__] = (rule, shown)
        return rule

    return note


# fmt: off
# ruff: noqa: E702
@wrong(r"numpy\.linalg\.norm\(g\)")
def a_norm(self, theta, g, v, *, lr): theta -= lr * g / np.linalg.norm(g)
@wrong(r"\(g \*\* 2\)\.sum")
def a_sum(self, theta, g, v, *, lr): theta -= lr * g / np.sqrt((g**2).sum())
@wrong(r"numpy\.sum\(v\)")
def a_sum_of_state(self, theta, g, v, *, lr): theta -= lr * np.sum(v)
@wrong(r"numpy\.add\.reduce\(g\)")
def a_reduction(self, theta, g, v, *, lr): theta -= np.add.reduce(g)
@wrong(r"g\.mean")
def a_mean(self, theta, g, v, *, lr): theta -= lr * (g - g.mean())
@wrong(r"g\.max")
def a_largest(self, theta, g, v, *, lr): theta -= lr * g / g.max()
@wrong(r"numpy\.sort\(g\)")
def sorting(self, theta, g, v, *, lr): theta -= np.sort(g)
@wrong(r"numpy\.cumsum\(g\)")
def running_sums(self, theta, g, v, *, lr): theta -= np.cumsum(g)
@wrong(r"g\[0\]")
def an_index(self, theta, g, v, *, lr): theta -= g[0]
@wrong(r"theta\[slice\(1, None, None\)\]")
def a_part(self, theta, g, v, *, lr): theta[1:] = 0
@wrong(r"theta\[\(g > 0\)\]|theta\[.*StandIn")
def a_mask(self, theta, g, v, *, lr): theta[g > 0] = 0
@wrong(r"g\.shape")
def a_shape(self, theta, g, v, *, lr): theta -= lr * g * np.random.standard_normal(g.shape)
@wrong(r"len\(theta\)")
def a_length(self, theta, g, v, *, lr): theta -= lr * g / len(theta)
@wrong(r"g\.size")
def a_size(self, theta, g, v, *, lr): theta -= lr * g / g.size
@wrong(r"the truth of \(g > 0\)")
def a_condition(self, theta, g, v, *, lr): theta -= lr * g if g > 0 else 0
@wrong(r"the truth of")
def pythons_max(self, theta, g, v, *, lr): theta -= lr * max(g, 0)
@wrong(r"going through the elements of g")
def a_loop(self, theta, g, v, *, lr): theta -= lr * sum(x for x in g)
@wrong(r"g @ v")
def a_product(self, theta, g, v, *, lr): theta -= lr * (g @ v)
@wrong(r"numpy\.dot\(g, g\)")
def a_dot_product(self, theta, g, v, *, lr): theta -= lr * np.dot(g, g)
@wrong(r"float\(g\)")
def a_number(self, theta, g, v, *, lr): theta -= lr * math.sqrt(g)
@wrong(r"making an array of g")
def an_array(self, theta, g, v, *, lr): theta -= lr * np.asarray(g)
@wrong(r"numpy\.roll\(g, 1\)")
def a_shift(self, theta, g, v, *, lr): theta -= lr * np.roll(g, 1)
@wrong(r"an array of shape \(27,\)")
def numbers_from_elsewhere(self, theta, g, v, *, lr): theta -= lr * np.random.standard_normal(27)
@wrong(r"changes g")
def a_changed_gradient(self, theta, g, v, *, lr): g *= 0.5; theta -= lr * g
@wrong(r"changes g")
def a_gradient_overwritten(self, theta, g, v, *, lr): np.clip(g, -1, 1, out=g); theta -= lr * g
@wrong(r"does not change theta.*theta\[:\] = ")
def theta_bound_anew(self, theta, g, v, *, lr): v[:] = g; theta = theta - lr * v
@wrong(r"does not change v.*v\[:\] = ")
def v_bound_anew(self, theta, g, v, *, lr): v = 0.9 * v + g; theta -= lr * v
@wrong(r"returns something")
def theta_returned(self, theta, g, v, *, lr): return theta - lr * g
@wrong(r"changes nothing")
def nothing(self, theta, g, v, *, lr): pass
@wrong(r"changes nothing")
def all_bound_anew(self, theta, g, v, *, lr): v = 0.9 * v + g; theta = theta - lr * v
@wrong(r"numpy\.linalg\.norm\(g\)")
def at_a_later_step(self, theta, g, v, *, lr, t): theta -= lr * g / (np.linalg.norm(g) if t > 50 else 1)
# fmt: on


@pytest.mark.parametrize("name", NOT_ELEMENTWISE)
def test_what_is_not_elementwise_is_refused(name: str) -> None:
    rule, shown = NOT_ELEMENTWISE[name]
    params, theta = start()
    run = type("Mine", (Optimizer,), {"state": ("v",), "rule": rule})(params)
    for p in params:
        p.grad = mg.Tensor(np.ones(p.shape))
    for _ in range(2):
        with pytest.raises(TypeError, match=rf"Mine\.rule.*{shown}") as caught:
            run.step()
        line = inspect.getsourcelines(rule)[1]
        at_its_place = not any(word in shown for word in ("does not", "returns", "nothing"))
        assert any(entry.lineno + 1 >= line and entry.name == name for entry in caught.traceback) == at_its_place
    assert run.t == 0
    assert np.array_equal(flat(params), theta)


def test_what_is_elementwise_is_not() -> None:
    def everything(self: Any, theta: Any, g: Any, v: Any, *, lr: float, t: int, betas: Any = (0.5, 0.25)) -> None:
        beta1, beta2 = betas
        old = v.copy()
        v *= beta1
        v += (1 - beta1) * np.square(g)
        size = np.maximum(np.sqrt(v + 1e-8), 1e-3)
        move = np.where(g > 0, g, 0.5 * g) / size - np.clip(old, -1, 1) ** 2 % 3
        move = -move + abs(g) * (t % 2) + beta2 * np.sign(theta) * np.tanh(v) // 2
        if t > 3:
            move *= np.exp(-v)
        np.add(move, 0.001, out=move)
        move[:] = move * ((g >= -1) & ~(g > 2) | (v != 0))
        theta[...] = theta - lr * move
        np.subtract(theta, lr * 0.01 * np.array(2.0), theta)

    paths = []
    for scope in ("element", "all"):
        params, _ = start()
        run_it(type("Mine", (Optimizer,), {"state": ("v",), "rule": everything, "scope": scope})(params), params)
        paths.append(flat(params))
    assert np.array_equal(*paths)
    assert not np.array_equal(paths[0], start()[1])


def test_a_rule_is_noted_again_when_a_hyperparameter_makes_it_another() -> None:
    class Mine(Optimizer):
        def rule(self, theta, g, *, lr, clip=None):  # type: ignore[no-untyped-def]
            theta -= lr * (g if clip is None else g * min(1, clip / np.linalg.norm(g)))

    params, _theta = start()
    run = Mine(params)
    run_it(run, params, 2)
    before = flat(params)
    run.clip = 1.0
    with pytest.raises(TypeError, match=r"Mine\.rule: numpy\.linalg\.norm\(g\) needs more than one element"):
        run_it(run, params, 1)
    assert (run.t, flat(params).tolist()) == (2, before.tolist())


@pytest.mark.parametrize("scope", ["parameter", "all"])
def test_a_rule_of_another_scope_cannot_change_g_either(scope: str) -> None:
    def rule(self: Any, theta: Any, g: Any, *, lr: float) -> None:
        g *= 0.5
        theta -= lr * g

    params, _theta = start()
    run = type("Mine", (Optimizer,), {"rule": rule, "scope": scope})(params)
    with pytest.raises(TypeError, match=r"Mine\.rule changes g"):
        run_it(run, params, 1)
    assert run.t == 0


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"state": "v"}, r"Mine\.state must be a tuple of names, as \(\"v\",\), not 'v'"),
        ({"state": ["v"]}, r"must be a tuple of names"),
        ({"state": (1,)}, r"must be a tuple of names"),
        ({"state": ("v", "v")}, r"must be different names"),
        ({"state": ("theta",)}, r"must be different names, none of them t, theta, g"),
        ({"scope": "element "}, r"Mine\.scope must be one of element, parameter, all, not 'element '"),
        ({"scope": None}, r"Mine\.scope must be one of"),
    ],
)
def test_a_class_that_says_wrongly_what_it_is(named: dict[str, Any], message: str) -> None:
    kind = type("Mine", (Optimizer,), {"rule": lambda self, theta, g, *state, lr: None, **named})
    with pytest.raises(TypeError, match=message):
        kind(start()[0])


# --- Wrappers of one's own ----------------------------------------------------------------------------------


class Average(Wrapper):
    state = ("average",)

    def rule(self, theta, average, *, decay=0.5):  # type: ignore[no-untyped-def]
        average += (1 - decay) * (theta - average)

    def averaged(self, theta, average):  # type: ignore[no-untyped-def]
        theta[:] = average


def average_by_hand(theta: np.ndarray, decay: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    average = theta.copy()
    for t in range(1, steps + 1):
        theta = theta - 0.1 * gradients(theta, t)
        average = average + (1 - decay) * (theta - average)
    return theta, average


@pytest.mark.parametrize("parts", [1, 2])
def test_a_wrapper_of_ones_own(parts: int) -> None:
    params, theta = start()
    inside: Any = optim.SGD(params, lr=0.1)
    if parts == 2:
        inside = Combined(optim.SGD(params[:2], lr=0.1), optim.SGD(params[2:], lr=0.1))
    run = Average(inside, decay=0.75)
    run_it(run, params, 20)
    trained, average = average_by_hand(theta, 0.75, 20)
    np.testing.assert_allclose(flat(params), trained, rtol=1e-12)
    np.testing.assert_allclose(run.average, average, rtol=1e-12)
    before = flat(params)
    run.eval()
    np.testing.assert_allclose(flat(params), average, rtol=1e-12)
    with pytest.raises(RuntimeError, match=r"eval\(\) has put averaged weights in place: call train\(\) first"):
        run.step()
    run.eval()
    run.train(False)
    run.train()
    run.train()
    assert np.array_equal(flat(params), before)
    run_it(run, params, 1)
    assert repr(run).startswith("Average(decay=0.75, ")
    assert str(inspect.signature(Average)) == "(base_optimizer, decay=0.5)"
    assert Average(optim.SGD(start()[0]), 0.25).decay == 0.25


@pytest.mark.parametrize("evaluating", [False, True])
@pytest.mark.parametrize("how", ["state_dict", "pickle", "deepcopy"])
@pytest.mark.parametrize("make", [
    lambda params: optim.EMA(optim.Adam(params, lr=0.1), decay=0.75),
    lambda params: optim.ScheduleFreeAdamW(params, lr=0.1, warmup_steps=3),
    lambda params: optim.EMA(optim.Lookahead(optim.SGD(params, lr=0.1), k=2)),
    lambda params: optim.Lookahead(optim.ScheduleFreeAdamW(params, lr=0.1)),
    lambda params: optim.EMA(Combined(optim.LAMB(params[:2], lr=0.1), optim.Lion(params[2:], lr=0.1)), decay=0.5),
])  # fmt: skip
def test_saving_in_either_state_goes_on_right(make: Any, how: str, evaluating: bool) -> None:
    params, _ = start()
    run = make(params)
    run_it(run, params, 7)
    trained = flat(params)
    if evaluating:
        run.eval()
        assert not np.array_equal(flat(params), trained)
    shown = flat(params)
    if how == "state_dict":
        others = parameters(shown, SHAPES)
        again = make(others)
        again.load_state_dict(run.state_dict())
    else:
        copied = copy.deepcopy if how == "deepcopy" else lambda both: pickle.loads(pickle.dumps(both))
        others, again = copied((params, run))
    assert np.array_equal(flat(others), shown)
    for one, its in ((run, params), (again, others)):
        one.train()
        assert np.array_equal(flat(its), trained)
        run_it(one, its, 5)
        one.eval()
    assert np.array_equal(flat(others), flat(params))
    again.load_state_dict(run.state_dict())
    again.train(), run.train()
    assert np.array_equal(flat(others), flat(params))
    state = run.state_dict()
    run.eval()
    run.load_state_dict(state)  # saved while training: what is in place is trained on
    run_it(run, params, 1)


def test_eval_without_an_average_changes_nothing() -> None:
    params, _ = start()
    for run in (optim.Adam(params), optim.Lookahead(optim.SGD(params)), Combined(optim.SGD(params))):
        before = flat(params)
        run.eval()
        run_it(run, params, 1)
        run.eval(), run.train()
        assert not np.array_equal(flat(params), before)


def test_what_was_never_stepped_has_no_average() -> None:
    params, _ = start()
    for run in (optim.ScheduleFreeAdamW(params), optim.EMA(optim.SGD(params))):
        before = flat(params)
        run.eval()
        assert np.array_equal(flat(params), before)
        run.train()


def test_a_graph_from_before_eval_is_not_differentiated_wrongly() -> None:
    params, _ = start()
    run = optim.EMA(optim.SGD(params, lr=0.1))
    run_it(run, params, 2)
    for change in (run.eval, run.train):
        loss = (params[0] * params[0]).sum()
        change()
        with pytest.raises(RuntimeError, match="changed in place"):
            loss.backward()


def test_a_wrappers_rule_is_checked_when_it_is_made() -> None:
    class Wrong(Wrapper):
        state = ("v",)

        def rule(self, theta, v):  # type: ignore[no-untyped-def]
            v[:] = theta.mean()

    with pytest.raises(TypeError, match=r"Wrong\.rule: theta\.mean"):
        Wrong(optim.SGD(start()[0]))
    with pytest.raises(TypeError, match="Average has no hyperparameter dekay"):
        Average(optim.SGD(start()[0]), dekay=0.5)


def test_a_wrapper_follows_groups_that_change() -> None:
    params, _ = start()
    run: Any = optim.EMA(optim.SGD(params[:2], lr=0.1), decay=0.5)
    run_it(run, params, 2, lambda t: [2, 3, 4])
    averages = split(run.average, SHAPES[:2])
    run.add_param_group({"params": params[4:]})
    run.param_groups[0]["params"].reverse()
    assert [p.shape for group in run.param_groups for p in group["params"]] == [(4,), (3, 4), (5, 2)]
    for p in params:
        p.grad = None
    params[4].grad = mg.Tensor(np.ones((5, 2)))
    before = params[4].data.copy()
    run.step()
    found = split(run.average, [(4,), (3, 4), (5, 2)])
    np.testing.assert_array_equal(found[0], averages[1])
    np.testing.assert_array_equal(found[1], averages[0])
    np.testing.assert_allclose(found[2], before - 0.05, rtol=1e-14)


# --- Several as one -----------------------------------------------------------------------------------------


def test_combined_is_each_for_its_part() -> None:
    params, _ = start()
    run = Combined(optim.Muon([params[0], params[4]], lr=0.1), optim.AdamW(params[1:4], lr=0.2))
    twins, _ = start()
    matrices, rest = optim.Muon([twins[0], twins[4]], lr=0.1), optim.AdamW(twins[1:4], lr=0.2)
    for t in range(1, 6):
        for its in (params, twins):
            for p, g in zip(its, split(gradients(flat(its), t), SHAPES), strict=True):
                p.grad = mg.Tensor(g)
        run.step(), matrices.step(), rest.step()
        run.zero_grad()
        assert all(p.grad is None for p in params)
    assert np.array_equal(flat(params), flat(twins))
    assert (run.lr, [group["lr"] for group in run.param_groups], run.t) == (0.1, [0.1, 0.2], 5)
    run.lr = 0.5
    run.betas = (0.5, 0.5)
    assert [group["lr"] for group in run.param_groups] == [0.5, 0.5]
    assert (run.optimizers[1].betas, run.betas) == ((0.5, 0.5), (0.5, 0.5))
    with pytest.raises(AttributeError, match=r"Combined has no hyperparameter weigt_decay \(did you mean weight_decay"):
        run.weigt_decay = 0.1
    state = run.state_dict()
    assert [one["rule"] for one in state["optimizers"]] == ["Muon", "AdamW"]
    state["optimizers"][1]["t"] = math.nan
    before = repr(run), run.optimizers[0].state_dict()["t"]
    with pytest.raises(ValueError, match="AdamW: t must be an integer"):
        run.load_state_dict(state)
    assert (repr(run), run.optimizers[0].state_dict()["t"]) == before


def test_what_cannot_be_combined() -> None:
    params, _ = start()
    with pytest.raises(ValueError, match="given no optimizers"):
        Combined()
    with pytest.raises(TypeError, match="argument 1 must be an optimizer, not list"):
        Combined(optim.SGD(params), params)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"a parameter of shape \(4,\) is in optimizers 0 and 1"):
        Combined(optim.SGD(params[:2]), optim.SGD(params[1:]))
    with pytest.raises(ValueError, match=r"Muon: parameter 1 has shape \(4,\).*Combined\(Muon\(matrices\)"):
        optim.Muon(params[:2])


# --- The gradient more than once ------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["SGD", "Adam"])
def test_sam_by_hand(inner: str) -> None:
    params, theta = start()
    run = optim.SAM(getattr(optim, inner)(params, lr=0.1), rho=0.3)
    assert run.needs_closure
    weights = np.linspace(0.05, 0.2, SIZE)

    def closure() -> mg.Tensor:
        run.zero_grad()
        loss = sum(((p * p * p * p) * mg.Tensor(w)).sum() for p, w in zip(params, split(weights, SHAPES), strict=True))
        loss.backward()
        return loss

    m, v = np.zeros(SIZE), np.zeros(SIZE)
    for t in range(1, 11):
        before = (weights * theta**4).sum()
        with mg.no_grad():
            loss = run.step(closure)
        np.testing.assert_allclose(loss.item(), before, rtol=1e-12)
        g = 4 * weights * theta**3
        g = 4 * weights * (theta + 0.3 * g / math.sqrt(math.fsum(g**2))) ** 3
        if inner == "SGD":
            theta = theta - 0.1 * g
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            theta = theta - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(flat(params), theta, rtol=1e-11, atol=1e-12)


def test_sam_without_a_closure_and_with_one_that_fails() -> None:
    params, theta = start()
    run = optim.SAM(optim.SGD(params, lr=0.1))
    with pytest.raises(TypeError, match=r"SAM needs the gradient more than once: pass a closure to step"):
        run.step()
    calls = []

    def fails() -> None:
        calls.append(flat(params))
        for p in params:
            p.grad = mg.Tensor(np.ones(p.shape))
        if len(calls) == 2:
            raise KeyError("in the second")

    with pytest.raises(KeyError):
        run.step(fails)
    assert not np.array_equal(calls[1], theta)
    assert np.array_equal(flat(params), theta)
    outer = optim.Lookahead(run)
    assert outer.needs_closure
    with pytest.raises(TypeError, match="a closure"):
        outer.step()


# --- What classes show of themselves ---------------------------------------------------------------------------


def test_signatures_show_the_hyperparameters() -> None:
    for name in optim.__all__:
        kind = getattr(optim, name)
        if not inspect.isclass(kind) or name in ("Optimizer", "Wrapper", "Combined"):
            continue
        shown = inspect.signature(kind).parameters
        first = "base_optimizer" if issubclass(kind, Wrapper) and name != "Ranger" else "params"
        assert next(iter(shown)) == first, name
        if not issubclass(kind, Wrapper):
            assert list(shown)[1] == "lr"
            assert "weight_decay" in shown
        page = inspect.getdoc(kind)
        assert page is not None
        assert page.startswith(inspect.getdoc(inspect.getmodule(kind)).splitlines()[0]), name  # type: ignore[union-attr]


def test_hyperparameters_by_place_and_by_name() -> None:
    p = start()[0]
    run = optim.Adam(p, 0.5, (0.25, 0.75), 0.125, 0.0625)
    assert (run.lr, run.betas, run.eps, run.weight_decay) == (0.5, (0.25, 0.75), 0.125, 0.0625)
    with pytest.raises(TypeError, match="Adam got lr twice"):
        optim.Adam(p, 0.5, lr=0.5)
    with pytest.raises(TypeError, match=r"Adam takes 4 hyperparameters \(lr, betas, eps, weight_decay\), not 5"):
        optim.Adam(p, 1, 2, 3, 4, 5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Adam has no amsgrad: .* use optim.AMSGrad"):
        optim.Adam(p, amsgrad=True)


def test_models_train_with_each_of_the_new_ones() -> None:
    for make in (
        optim.AMSGrad, optim.NAdam, optim.Lion, optim.LAMB, optim.ScheduleFreeAdamW,
        lambda ps, lr: optim.SAM(optim.SGD(ps, lr=lr)), lambda ps, lr: optim.EMA(optim.SGD(ps, lr=lr), decay=0.5),
    ):  # fmt: skip
        mg.manual_seed(4)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        run = make(list(model.parameters()), lr=0.01)
        x, y = mg.rand(16, 3), mg.rand(16, 1)

        def closure(run: Any = run, model: Any = model, x: Any = x, y: Any = y) -> mg.Tensor:
            run.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        first = closure().item()
        for _ in range(30):
            run.step(closure)
        run.eval()
        assert closure().item() < 0.9 * first
