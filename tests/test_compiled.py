"""An elementwise rule gives the same bits as it is written, by NumPy's functions with buffers, and compiled."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_tools import COMPILER, cpp_loop, framed, nvrtc, ptx
from optimizer_tools import UNUSUAL, flat, give, optimizer, parameters, public_optimizers
from test_rules import inputs

import minigrad as mg
from minigrad.optim import Optimizer, buffered, compiled, lr, program

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")

TRANSLATED = program.translated
STEPS = 50
SIZE = 12
SHAPES = [(2, 3), (4,), (2,)]
GROUPS: dict[str, Any] = {
    "one vector": lambda t: [],
    "ragged": lambda t: [0] if t % 5 == 1 else [1] if t % 7 == 0 else [0, 1, 2] if t == 9 else [],
}
DTYPES = ["float16", "float32", "float64"]


class Way:
    """Chooses how rules are applied, and counts how often a compiled formula was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.runs = 0

    def __call__(self, name: str) -> None:
        TRANSLATED.cache_clear()
        self.runs = 0
        self.monkeypatch.undo()
        patch = self.monkeypatch.setattr
        if name == "as written":
            patch(program, "translated", lambda *_: None)
            return
        patch(compiled, "WANTED", name != "buffers")
        patch(compiled, "COMPILED_AFTER", 0)
        patch(buffered, "SLICE_BYTES", 3 * 8)
        if name == "threads":
            patch(compiled, "THREADED_FROM", 1)
            patch(compiled, "threads", lambda: 3)
        make = cpp if name == "kernel" else compiled.compiled_loop
        patch(compiled, "compiled_loop", lambda formula: self.counted(make(formula)))

    def counted(self, loop: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any) -> None:
            self.runs += 1
            loop(*args)

        return run


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Choose how rules are applied from then on."""
    yield Way(monkeypatch)
    TRANSLATED.cache_clear()


def parameters_of(formula: program.Program) -> tuple[list[list[str]], list[list[str]]]:
    """What the kernel of a formula takes: what it is given, and what it changes."""
    vectors = [[formula.dtype.name, f"v{i}"] for i in range(formula.count)]
    numbers = [["float64", f"n{k}"] for k in range(formula.numbers)]
    changed = [vectors[i] for i in formula.written]
    return [one for one in vectors if one not in changed] + numbers, changed


def cpp(formula: program.Program) -> Callable[..., None]:
    """The GPU's kernel, compiled by the C++ compiler and taking what numba's loop takes."""
    given, changed = parameters_of(formula)
    loop = cpp_loop(given, changed, compiled.cuda_body(formula))
    names = [name for _, name in (*given, *changed)]

    def run(*args: Any) -> None:
        by_name = dict(zip([f"v{i}" for i in range(formula.count)], args, strict=False))
        by_name |= {f"n{k}": number for k, number in enumerate(args[formula.count :])}
        loop(*(by_name[name] for name in names))

    return run


WAYS = ["buffers", pytest.param("loop", marks=needs_numba), pytest.param("kernel", marks=needs_compiler)]


def path(
    name: str, dtype: str, missing: Callable[[int], list[int]], hyper: dict[str, Any], grouped: bool = False
) -> np.ndarray:
    """Thetas and all that is kept after each step."""
    theta0, gradients = inputs(name)
    params = parameters(theta0, SHAPES, dtype)
    given = [{"params": params[:1], "lr": 0.004}, {"params": params[1:]}] if grouped else params
    run = optimizer(name, given, hyper)
    seen = []
    for t, g in enumerate(gradients[:STEPS], start=1):
        run.zero_grad()
        give(params, g, missing(t))
        run.step()
        seen.append(np.concatenate([flat(params), *run.state_vectors.values()]))
    assert seen[0].dtype == dtype
    return np.array(seen)


def bits(a: np.ndarray) -> Any:
    """The bits themselves: -0 is not 0."""
    assert not np.isnan(a).any()
    return a.view(f"u{a.itemsize}")


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", sorted(public_optimizers()))
def test_the_same_bits(name: str, how: str, dtype: str, groups: str, way: Way) -> None:
    hyper = dict(UNUSUAL[name])
    schedule = {} if "inner" in hyper or name == "ScheduleFreeAdamW" else {"lr": lr.exponential(hyper["lr"], 0.97)}
    for more in ({}, schedule):
        paths = []
        for each in ("as written", how):
            way(each)
            with np.errstate(under="ignore"):
                paths.append(path(name, dtype, GROUPS[groups], {**hyper, **more}, groups == "ragged"))
            assert (way.runs > 0) == (each not in ("as written", "buffers") and dtype != "float16")
        np.testing.assert_array_equal(bits(paths[1]), bits(paths[0]))
    assert not np.array_equal(paths[0][-1], paths[0][0])


# --- Any formula --------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 1e30, 3e38, 0.1, -7.25]


def applied(
    how: str, way: Way, rule: Callable[..., None], dtype: str, kept: int = 1, size: int = 41
) -> list[np.ndarray]:
    """theta and what a rule keeps, after three calls on mixed numbers, special ones among them."""

    class Own(Optimizer):
        state = tuple(f"v{i}" for i in range(kept))

    Own.rule = lambda self, theta, g, *state, lr=0.1, t: rule(theta, g, *state, lr, t)  # type: ignore[method-assign]
    way(how)
    random = np.random.default_rng(5)
    theta, *gradients = random.permutation(np.resize([*SPECIAL, *random.normal(size=20)], (4, size)), axis=1)
    with np.errstate(all="ignore"):
        p = mg.tensor(theta.astype(dtype), requires_grad=True)
        run = Own([p])
        for g in gradients:
            p.grad = mg.tensor(g.astype(dtype))
            run.step()
    return [p.data, *run.state_vectors.values()]


def where_signs_differ(theta, g, v, lr, t):
    v[:] = np.where(np.sign(g) * np.sign(v) < 0, 0.5 * v, np.where(g == 0, v, v + g))
    theta -= lr * v


def masks(theta, g, v, lr, t):
    v += (g > 0) * 0.3 - (g <= 0.1) * g
    theta[...] = np.where(np.isnan(v), theta, theta - lr * v)


def logic(theta, g, v, lr, t):
    v[:] = np.where(np.logical_and(g > 0, np.logical_not(v > 1)), g, v)
    theta -= lr * np.where(np.logical_or(g != v, theta >= 0), v, 1.0)


def extremes(theta, g, v, lr, t):
    v[:] = np.maximum(0.9 * v, np.abs(g)) + np.minimum(g, 0.0)
    theta -= lr * np.clip(v, -1, 1) - np.minimum(-g, theta)


def zeros_of_both_signs(theta, g, v, lr, t):
    v[:] = np.maximum(g * 0.0, -(g * 0.0)) + np.minimum(v, -v)
    theta[:] = np.maximum(theta, g)


def powers(theta, g, v, lr, t):
    v += g**2 - abs(g) ** 0.5 + (v + 3) ** -1 - g**1
    v **= 2
    theta -= lr * +g / (1.0 / v)


def aliases(theta, g, v, lr, t):
    same = v
    before = v.copy()
    step = lr * g
    other = step
    other += same
    v[:] = step * 2
    theta -= step + same - before


def dtypes_mixed(theta, g, v, lr, t):
    wide = np.float64(lr) * g
    v[:] = wide + 1
    theta -= np.float32(0.3) * wide


def the_same_vector_on_both_sides(theta, g, v, lr, t):
    v += v
    v -= v * v
    theta *= theta
    theta /= -theta + 2 * g


def numbers_alone(theta, g, v, lr, t):
    v[:] = 3
    v -= 1e-3
    theta[:] = lr * t


def long(theta, g, v, lr, t):
    for i in range(40):
        v[:] = 0.5 * v + g / (i + 1)
        theta -= lr * v * (0.1 if i % 2 else g)


def other_functions(theta, g, v, lr, t):
    v[:] = np.exp(-abs(g)) + np.tanh(v) + abs(g) ** 1.5
    theta -= lr * np.arctan2(g, v)


def other_ways_to_write(theta, g, v, lr, t):
    scaled = np.multiply(g, 2.0, dtype=theta.dtype)
    np.add(v, scaled, out=v)
    np.nan_to_num(v)
    np.subtract(theta, lr * v, out=theta)


def another_one_at_each_step(theta, g, v, lr, t):
    v[:] = g * t if t % 2 else v - g
    if t > 2:
        theta -= lr * v


KINDS = [
    where_signs_differ,
    masks,
    logic,
    extremes,
    zeros_of_both_signs,
    powers,
    aliases,
    dtypes_mixed,
    the_same_vector_on_both_sides,
    numbers_alone,
    long,
    other_functions,
    other_ways_to_write,
    another_one_at_each_step,
]
NOT_COMPILED = {masks, other_functions, other_ways_to_write}
"""What a mask times a number is depends on whether that is an integer; the others have other functions in them."""


def same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """The bits, but that any NaN is as good as another."""
    for a, b in zip(one, other, strict=True):
        nan = np.isnan(a)
        np.testing.assert_array_equal(nan, np.isnan(b))
        np.testing.assert_array_equal(np.where(nan, 0, bits_of(a)), np.where(nan, 0, bits_of(b)))


def bits_of(a: np.ndarray) -> Any:
    return a.view(f"u{a.itemsize}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("rule", KINDS)
def test_formulas_of_many_kinds(rule: Callable[..., None], how: str, dtype: str, way: Way) -> None:
    expected = applied("as written", way, rule, dtype)
    found = applied(how, way, rule, dtype)
    same(found, expected)
    assert (way.runs == 3) == (how != "buffers" and dtype != "float16" and rule not in NOT_COMPILED)


OPERATIONS: list[Callable[[Any, Any, float], Any]] = [
    lambda a, b, x: a + b,
    lambda a, b, x: a - x,
    lambda a, b, x: x * a,
    lambda a, b, x: a * b,
    lambda a, b, x: a / b,
    lambda a, b, x: x - b,
    lambda a, b, x: np.sqrt(abs(a)),
    lambda a, b, x: np.maximum(a, b),
    lambda a, b, x: np.minimum(x, b),
    lambda a, b, x: np.where(a < b, a, x),
    lambda a, b, x: np.where(a > x, b, a),
    lambda a, b, x: np.sign(a) * b,
    lambda a, b, x: a**2,
    lambda a, b, x: -a,
    lambda a, b, x: a.copy(),
]


@st.composite
def rules(draw: st.DrawFn) -> Callable[..., None]:
    """A rule of random operations on random vectors and temporaries, with results written here and there."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(OPERATIONS) - 1),
                st.integers(0, 20),
                st.integers(0, 20),
                st.floats(-3, 3, width=16),
                st.sampled_from(["new", "theta", "v0", "v1", "into"]),
            ),
            min_size=1,
            max_size=12,
        )
    )

    def rule(theta: Any, g: Any, v0: Any, v1: Any, lr: float, t: int) -> None:
        vectors = [theta, g, v0, v1]
        for operation, a, b, x, where in steps:
            result = OPERATIONS[operation](vectors[a % len(vectors)], vectors[b % len(vectors)], x)
            if where == "new":
                vectors.append(result)
            elif where == "into":
                target = vectors[b % len(vectors)]
                if target is not g:
                    target += result
            else:
                {"theta": theta, "v0": v0, "v1": v1}[where][:] = result
        v0 += theta
        v1 += g
        theta -= lr * v1

    return rule


@pytest.mark.parametrize("how", WAYS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=rules(), dtype=st.sampled_from(["float32", "float64"]))
def test_random_formulas(how: str, rule: Callable[..., None], dtype: str, way: Way) -> None:
    same(applied(how, way, rule, dtype, 2), applied("as written", way, rule, dtype, 2))


@needs_numba
@pytest.mark.parametrize("size", [1, 15, 16, 33, 1000, 1003])
def test_threads_share_the_vectors(size: int, way: Way) -> None:
    def rule(theta, g, v, lr, t):  # type: ignore[no-untyped-def]
        v[:] = 0.9 * v + g
        theta -= lr * v / (np.sqrt(abs(g)) + 1e-8)

    same(
        applied("threads", way, rule, "float32", size=size),
        applied("as written", way, rule, "float32", size=size),
    )
    assert way.runs == 0
    applied("threads", way, rule, "float32", size=size)
    assert way.runs == 9  # three steps, each on three parts


# --- The GPU's kernels --------------------------------------------------------------------------------------


def formulas(monkeypatch: pytest.MonkeyPatch) -> list[program.Program]:
    """The formulas of all public rules, in both dtypes."""
    found: dict[Any, program.Program] = {}

    def translated(*key: Any) -> program.Program | None:
        one = TRANSLATED(*key)
        assert one is not None
        return found.setdefault(key, one)

    monkeypatch.setattr(program, "translated", translated)
    for name in sorted(public_optimizers()):
        for dtype in ("float32", "float64"):
            path(name, dtype, GROUPS["one vector"], UNUSUAL[name])
    return list(found.values())


@pytest.mark.skipif(nvrtc() is None, reason="NVRTC is not installed")
def test_every_kernel_is_compiled_for_a_gpu_and_joins_no_product_and_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    every = formulas(monkeypatch)
    assert len(every) > 2 * len(public_optimizers())  # two branches of RAdam, a step of Lookahead with and without
    for formula in every:
        if formula.statements:
            given, changed = parameters_of(formula)
            made = ptx(framed(given, changed, compiled.cuda_body(formula), cuda=True))
            assert ".target sm_90" in made
            assert not re.search(r"\bfma\b|\bfma\.|mad\.f|\.ftz|approx", made), made


@pytest.mark.skipif(nvrtc() is None, reason="NVRTC is not installed")
def test_a_kernel_that_is_no_cpp_is_found() -> None:
    with pytest.raises(ValueError, match="undefined"):
        ptx(framed([], [["float32", "v0"]], "v0 = nothing;", cuda=True))
