"""The seeded generator makes PyTorch's draws: held against what PyTorch gave for the same seeds."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, random
from minigrad.random import Generator

with np.load(Path(__file__).parent / "data" / "torch_draws.npz") as _recorded:
    DRAWS: dict[str, np.ndarray] = {name: _recorded[name] for name in _recorded.files}
ABOUT = json.loads(str(DRAWS["about"]))
SHA256: dict[str, str] = ABOUT["sha256"]
SEEDS: list[int] = ABOUT["seeds"]
EACH_SEED = pytest.mark.parametrize("seed", SEEDS)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def same_bits(array: Any, expected: np.ndarray) -> bool:
    array = np.asarray(array)
    return array.dtype == expected.dtype and array.shape == expected.shape and array.tobytes() == expected.tobytes()


def draw_64() -> np.ndarray:
    """The 64-bit draw with which a DataLoader starts, as PyTorch hands it out: without the sign bit."""
    (draw,) = random.default_generator.outputs64(1)
    return np.array(int(draw) & (2**63 - 1))


def close(array: Any, expected: np.ndarray) -> bool:
    """Whether normal draws agree: their sines and logarithms differ in the last bits between libraries.

    Blocks of 16 are computed in float32 by PyTorch: an angle there is off by some 2e-7, and its sine is
    multiplied by a radius of up to 5.8. Fewer than 16 are computed in float64 and rounded at the end.
    """
    array = np.asarray(array)
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    return bool(np.abs(array - expected).max() < (2e-6 if array.size >= 16 else 5e-7))


# --- What PyTorch gave ---------------------------------------------------------------------------------


def test_enough_was_recorded() -> None:
    assert len(SEEDS) == 5
    assert 0 in SEEDS
    assert sum(not name.startswith("notebook") for name in SHA256) == 5 * len(SEEDS)


@EACH_SEED
def test_initial_weights(seed: int) -> None:
    # The notebook's two layers, made one after the other; every weight, by its digest.
    mg.manual_seed(seed)
    layers = {"linear1": nn.Linear(784, 100), "linear2": nn.Linear(100, 10)}
    for layer, made in layers.items():
        for part in ("weight", "bias"):
            values = getattr(made, part).data
            name = f"{seed}/{layer}.{part}"
            assert same_bits(values.ravel()[:20], DRAWS[name])
            assert sha256(values) == SHA256[name]
    assert (layers["linear1"].weight.shape, layers["linear2"].weight.shape) == ((100, 784), (10, 100))


@EACH_SEED
def test_uniform_draws(seed: int) -> None:
    mg.manual_seed(seed)
    assert same_bits(mg.rand(20), DRAWS[f"{seed}/rand"])
    mg.manual_seed(seed)
    assert same_bits(mg.rand(4, 5), DRAWS[f"{seed}/rand"].reshape(4, 5))
    mg.manual_seed(seed)
    assert same_bits(mg.rand(5, dtype=mg.float64), DRAWS[f"{seed}/rand_float64"])


@EACH_SEED
@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_permutations(seed: int, n: int) -> None:
    mg.manual_seed(seed)
    assert same_bits(mg.randperm(n), DRAWS[f"{seed}/randperm_{n}"])


@EACH_SEED
def test_a_permutation_of_60000(seed: int) -> None:
    mg.manual_seed(seed)
    assert sha256(mg.randperm(60000).data) == SHA256[f"{seed}/randperm_60000"]


@EACH_SEED
def test_64_bit_draws(seed: int) -> None:
    mg.manual_seed(seed)
    assert draw_64() == DRAWS[f"{seed}/random_int64"]


@EACH_SEED
def test_normal_draws(seed: int) -> None:
    mg.manual_seed(seed)
    assert close(mg.randn(5), DRAWS[f"{seed}/randn_5"])
    mg.manual_seed(seed)
    assert close(mg.randn(64), DRAWS[f"{seed}/randn_64"])
    mg.manual_seed(seed)
    assert close(mg.randn(4, 16), DRAWS[f"{seed}/randn_64"].reshape(4, 16))


@EACH_SEED
def test_draws_of_all_kinds_in_turn(seed: int) -> None:
    # Each takes just as much of the stream as PyTorch's does. The three normals leave half a pair over, which
    # the next normals begin with, whatever was drawn in between.
    mg.manual_seed(seed)
    entry = f"{seed}/mixed/"
    assert same_bits(mg.rand(3), DRAWS[entry + "1_rand_3"])
    assert same_bits(mg.randperm(7), DRAWS[entry + "2_randperm_7"])
    assert draw_64() == DRAWS[entry + "3_random_int64"]
    assert same_bits(mg.rand(2, dtype=mg.float64), DRAWS[entry + "4_rand_float64_2"])
    assert close(mg.randn(3), DRAWS[entry + "5_randn_3"])
    assert same_bits(mg.rand(2), DRAWS[entry + "6_rand_2"])
    assert close(mg.randn(2), DRAWS[entry + "7_randn_2"])


def test_the_notebooks_first_mini_batches() -> None:
    mg.manual_seed(0)
    nn.Linear(784, 100)
    nn.Linear(100, 10)
    loader = mg.utils.data.DataLoader(mg.utils.data.TensorDataset(mg.arange(60000)), batch_size=100, shuffle=True)
    test_loader = mg.utils.data.DataLoader(mg.utils.data.TensorDataset(mg.arange(10000)), batch_size=100)

    batches = [batch.data for (batch,) in loader]
    for i in range(3):
        assert same_bits(batches[i], DRAWS["notebook/epoch1"][100 * i : 100 * (i + 1)])
    assert sha256(np.concatenate(batches)) == SHA256["notebook/epoch1"]

    assert np.array_equal(np.concatenate([batch.data for (batch,) in test_loader]), np.arange(10000))
    batches = [batch.data for (batch,) in loader]
    assert same_bits(batches[0], DRAWS["notebook/epoch2"][:100])
    assert sha256(np.concatenate(batches)) == SHA256["notebook/epoch2"]


# --- What must hold for any seed -----------------------------------------------------------------------


def test_uniform_draws_by_hand() -> None:
    # From the 32-bit outputs: the lower 24 bits over 2^24, and the lower 53 of two over 2^53.
    outputs = [int(x) for x in np.random.RandomState(7).randint(0, 2**32, size=8, dtype=np.uint32)]
    assert [int(x) for x in Generator(7).outputs(8)] == outputs
    assert [int(x) for x in Generator(7).outputs64(4)] == [
        (high << 32) + low for high, low in zip(outputs[::2], outputs[1::2], strict=True)
    ]
    u = Generator(7).uniform(0, 1, (8,))
    assert u.tolist() == [(x % 2**24) / 2**24 for x in outputs]
    u = Generator(7).uniform(-2.0, 6.0, (4,), np.float64)
    assert u.tolist() == [
        ((high << 32) + low) % 2**53 / 2**53 * 8 - 2 for high, low in zip(outputs[::2], outputs[1::2], strict=True)
    ]


def test_uniform_draws_are_rounded_once() -> None:
    # A fused multiply-add: product and sum exact, then one rounding. Rounding twice gives other numbers.
    a, b = np.float32(-1 / 28), np.float32(1 / 28)
    u = Generator(3).uniform(0, 1, (1000,))
    once = Generator(3).uniform(-1 / 28, 1 / 28, (1000,))
    twice = u * (b - a) + a
    assert twice.dtype == np.float32
    assert (once != twice).any()
    exact = u.astype(np.longdouble) * np.longdouble(b - a) + np.longdouble(a)
    assert np.array_equal(once, exact.astype(np.float32))


def test_uniform_draws_lie_in_their_range() -> None:
    for dtype in (np.float32, np.float64):
        u = Generator(1).uniform(-3.0, 5.0, (40, 500), dtype)
        assert u.dtype == dtype
        assert u.shape == (40, 500)
        assert u.min() >= -3.0
        assert u.max() < 5.0
        assert abs(u.mean() - 1.0) < 5 * 8 / np.sqrt(12 * u.size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 31, 32, 33, 100])
def test_normal_draws_of_any_number(n: int, dtype: Any) -> None:
    draws = Generator(5).normal((n,), dtype)
    assert draws.shape == (n,)
    assert draws.dtype == dtype
    assert len(set(draws.tolist())) == n  # none comes twice, at the seam of the last block neither
    if n >= 16:
        # Whole blocks are the same whatever follows; a last one that is not whole is drawn anew.
        whole = n // 16 * 16
        kept = whole if n == whole else max(0, n - 16)
        assert np.array_equal(draws[:kept], Generator(5).normal((whole,), dtype)[:kept])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shape_of_normal_draws(dtype: Any) -> None:
    draws = Generator(2).normal((200, 501), dtype).astype(np.float64)
    n = draws.size
    assert abs(draws.mean()) < 5 / np.sqrt(n)
    assert abs((draws**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert abs((draws**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((draws**4).mean() - 3) < 5 * np.sqrt(96 / n)
    few = np.concatenate([g.normal((7,)) for g in [Generator(2)] for _ in range(2000)])
    assert abs(few.mean()) < 5 / np.sqrt(len(few))
    assert abs((few**2).mean() - 1) < 5 * np.sqrt(2 / len(few))


def test_half_a_pair_is_kept_for_the_next_call() -> None:
    together = Generator(4).normal((6,), np.float64)
    generator = Generator(4)
    one_by_one = [float(generator.normal((), np.float64)) for _ in range(6)]
    assert one_by_one == together.tolist()
    # Seeding anew forgets it.
    generator.normal((1,))
    assert same_bits(generator.manual_seed(4).normal((6,), np.float64), together)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100])
def test_permutations_hold_every_number_once(n: int) -> None:
    order = Generator(9).permutation(n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_every_permutation_comes_up() -> None:
    generator = Generator(0)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(2400):
        order = tuple(generator.permutation(4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert min(counts.values()) > 50
    assert max(counts.values()) < 150


def test_permutations_take_one_output_less_than_their_length() -> None:
    for n in (0, 1, 2, 10):
        generator, other = Generator(3), Generator(3)
        generator.permutation(n)
        other.outputs(max(0, n - 1))
        assert generator.outputs(1) == other.outputs(1)


# --- Seeds and states ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70, 1.0, 0.5, "0", None, True, [1], np.float32(1)])
def test_what_is_no_seed(seed: Any) -> None:
    before = mg.rand(2).tolist()
    mg.manual_seed(0)
    with pytest.raises(ValueError, match=r"a seed is an integer from 0 to 2\*\*32 - 1, not "):
        mg.manual_seed(seed)
    assert mg.rand(2).tolist() == before  # the stream goes on


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(5), np.uint8(3)])
def test_seeds(seed: Any) -> None:
    generator = mg.manual_seed(seed)
    assert generator is random.default_generator
    assert generator.seed == int(seed)
    first = mg.rand(3).tolist()
    mg.manual_seed(int(seed))
    assert mg.rand(3).tolist() == first
    mg.manual_seed(int(seed) ^ 1)
    assert mg.rand(3).tolist() != first


def test_generators_do_not_share_a_stream() -> None:
    mg.manual_seed(0)
    first = mg.rand(3).tolist()
    mg.manual_seed(0)
    Generator(0).uniform(0, 1, (100,))
    np.random.RandomState(0).rand(10)
    assert mg.rand(3).tolist() == first


@pytest.mark.parametrize("normals", [0, 1, 2])
@pytest.mark.parametrize("outputs", [0, 1, 623, 624, 1000])
def test_a_state_is_kept_and_restored(outputs: int, normals: int, tmp_path: Path) -> None:
    generator = Generator(12)
    generator.outputs(outputs)
    generator.normal((normals,))
    state = generator.get_state()
    mg.save(state, tmp_path / "state.npz")

    def draws() -> list[Any]:
        return [generator.normal((3,)).tolist(), generator.outputs(700).tolist(), generator.normal((20,)).tolist()]

    first = draws()
    for kept in (state, mg.load(tmp_path / "state.npz")):
        generator.manual_seed(3).normal((1,))
        generator.set_state(kept)
        assert generator.seed == 12
        assert draws() == first


def without(name: str) -> Any:
    return lambda state: {n: state[n] for n in state if n != name}


def having(name: str, value: Any) -> Any:
    return lambda state: {**state, name: value}


STATE_FAULTS: dict[str, Any] = {
    "no dictionary": lambda s: None,
    "a list": lambda s: list(s.items()),
    **{f"no {name}": without(name) for name in Generator().get_state()},
    "something more": lambda s: {**s, "speed": 1},
    "a short key": lambda s: {**s, "key": s["key"][:-1]},
    "a square key": lambda s: {**s, "key": s["key"].reshape(26, 24)},
    "no numbers": lambda s: {**s, "key": "key"},
    "a ragged key": lambda s: {**s, "key": [[1, 2], [3]]},
    "a key of strings": lambda s: {**s, "key": s["key"].astype(str)},
    "a key of objects": lambda s: {**s, "key": s["key"].astype(object)},
    "a key of floats": lambda s: {**s, "key": s["key"].astype(float)},
    "a key with NaN": lambda s: {**s, "key": np.where(np.arange(624) == 9, np.nan, s["key"])},
    "a key below 0": lambda s: {**s, "key": np.where(np.arange(624) == 9, -1, s["key"].astype(np.int64))},
    "a key beyond 32 bits": lambda s: {**s, "key": s["key"].astype(np.int64) + 2**32},
    "a key of zeros": lambda s: {**s, "key": s["key"] * 0},
    **{
        f"{name} {value!r}": having(name, value)
        for name, values in {
            "position": [math.nan, 1.0, -1, 625, None, "1", True, [1], math.inf, 2**70],
            "seed": [math.nan, 1.5, -1, 2**32, None, "1", True, [1]],
            "leftover": [math.nan, math.inf, "1", [0.5], True, 1j],
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("fault", STATE_FAULTS)
def test_a_state_that_is_none_changes_nothing(fault: str) -> None:
    generator, same, other = Generator(12), Generator(12), Generator(3)
    for g in (generator, same):
        g.outputs(5)
        g.normal((1,))
    other.normal((1,))
    with pytest.raises((ValueError, TypeError), match="state of a generator"):
        generator.set_state(STATE_FAULTS[fault](other.get_state()))
    assert generator.seed == 12
    assert generator.normal((3,)).tolist() == same.normal((3,)).tolist()
    assert generator.outputs(700).tolist() == same.outputs(700).tolist()


def test_states_in_other_clothes() -> None:
    other = Generator(3)
    other.normal((1,))
    state = other.get_state()
    expected = other.normal((5,)).tolist()
    for dressed in (
        {**state, "key": state["key"].tolist()},
        {**state, "key": mg.tensor(state["key"])},
        {**state, "key": state["key"].astype(">u4"), "position": np.int64(state["position"])},
        {**state, "key": state["key"].astype(np.int64), "leftover": np.float64(state["leftover"])},
    ):
        generator = Generator(0)
        generator.set_state(dressed)
        assert (generator.normal((5,)).tolist(), generator.seed) == (expected, 3)


def test_generators_are_copied_whole() -> None:
    generator = Generator(5)
    generator.outputs(7)
    generator.normal((1,))
    twins = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    expected = [generator.normal((3,)).tolist(), generator.outputs(700).tolist()]
    assert [[twin.normal((3,)).tolist(), twin.outputs(700).tolist()] for twin in twins] == [expected] * 2


def test_a_state_is_a_copy() -> None:
    generator = Generator(1)
    state = generator.get_state()
    key = state["key"].copy()
    generator.outputs(2000)
    assert np.array_equal(state["key"], key)


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128, bool])
def test_draws_of_other_types_are_refused(dtype: Any) -> None:
    for draw in (mg.rand, mg.randn):
        for n in (3, 20):
            told = rf"(random numbers are float32 or float64|floats up to 64 bits), not .*{np.dtype(dtype)}"
            with pytest.raises(TypeError, match=told):
                draw(n, dtype=dtype)
