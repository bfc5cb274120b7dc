"""The seeded random generator, which draws the same numbers as PyTorch.

They are those of the PyTorch version that ran the course notebook ("6. Optimizers", whose MNIST comparison this project
reproduces). PyTorch's CPU generator is the 32-bit Mersenne Twister (Matsumoto and Nishimura 1998), seeded by the plain
integer, just as ``numpy.random.RandomState(seed)``. This module computes random numbers from its 32-bit outputs. They
are always drawn on the CPU, so that a GPU gets the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy


class Generator:
    """A stream of 32-bit outputs, and random numbers computed from them.

    Raises:
        ValueError: the seed is not an integer from 0 to 2**32 - 1.
    """

    def __init__(self, seed: int = 0) -> None:
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream with `seed`; returns the generator."""
        if isinstance(seed, bool) or not isinstance(seed, (int, numpy.integer)) or not 0 <= seed < 2**32:
            raise ValueError(f"a seed is an integer from 0 to 2**32 - 1, not {seed!r}")
        self._twister = numpy.random.RandomState(int(seed))
        self._leftover: float | None = None  # the second of a pair of normal draws, for the next call
        self.seed = int(seed)
        return self

    def outputs(self, count: int) -> numpy.ndarray:
        """The next `count` 32-bit outputs, as uint64, so that arithmetic on them does not overflow."""
        return self._twister.randint(0, 2**32, size=count, dtype=numpy.uint32).astype(numpy.uint64)

    def outputs64(self, count: int) -> numpy.ndarray:
        """The next `count` 64-bit draws, each from two outputs, of which the first is the higher half."""
        halves = self.outputs(2 * count)
        return (halves[0::2] << numpy.uint64(32)) | halves[1::2]

    def uniform(self, low: float, high: float, shape: tuple[int, ...], dtype: Any = numpy.float32) -> numpy.ndarray:
        """Uniform draws from [low, high): float32 from 24 bits of one output, float64 from 53 bits of two.

        In float32 PyTorch scales with a fused multiply-add: `low`, `high` and their difference are float32, and the
        product and the sum are rounded together, once. Here they are computed in float64 and then rounded.

        Raises:
            TypeError: the dtype is neither float32 nor float64.
        """
        _check_dtype(dtype)
        count = math.prod(shape)
        if numpy.dtype(dtype) == numpy.float64:
            u = (self.outputs64(count) & numpy.uint64(2**53 - 1)).astype(numpy.float64) / 2**53
            return (u * (high - low) + low).reshape(shape)
        u = (self.outputs(count) & numpy.uint64(2**24 - 1)).astype(numpy.float64) / 2**24
        a, b = numpy.float32(low), numpy.float32(high)
        return (u * numpy.float64(b - a) + numpy.float64(a)).astype(numpy.float32).reshape(shape)

    def normal(self, shape: tuple[int, ...], dtype: Any = numpy.float32) -> numpy.ndarray:
        """Draws from the standard normal distribution, by the Box-Muller transform of pairs of uniform draws.

        As in PyTorch there are two cases. Fewer than 16 are computed one by one in float64; the first uniform of a pair
        gives the angle, and an unused second normal of a pair is the first of the next call. 16 or more are computed in
        blocks of 16 uniforms of the dtype, in which 0 and 8, 1 and 9, ... are pairs, radius first. If the last block is
        not complete, the last 16 numbers are drawn again. These agree with PyTorch's up to rounding, as its sines are
        float32.

        Raises:
            TypeError: the dtype is neither float32 nor float64.
        """
        count = math.prod(shape)
        if count < 16:
            _check_dtype(dtype)
            return numpy.array([self._next_normal() for _ in range(count)], dtype).reshape(shape)
        whole = count - count % 16
        values = self.uniform(0.0, 1.0, (count,), dtype)
        values[:whole] = _blocks_to_normal(values[:whole])
        if whole < count:
            values[-16:] = _blocks_to_normal(self.uniform(0.0, 1.0, (16,), dtype))
        return values.reshape(shape)

    def _next_normal(self) -> float:
        if self._leftover is not None:
            value, self._leftover = self._leftover, None
            return value
        angle, u = self.uniform(0.0, 1.0, (2,), numpy.float64) * (2 * math.pi, 1)
        radius = math.sqrt(-2 * math.log1p(-u))
        self._leftover = radius * math.sin(angle)
        return radius * math.cos(angle)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> numpy.ndarray:
        """Integers from `low` up to but excluding `high` (int64): the remainder of one output, or of a 64-bit draw.

        As in PyTorch, 64 bits are drawn if the range is 2**28 or more.
        """
        span, count = high - low, math.prod(shape)
        drawn = self.outputs64(count) if span >= 2**28 else self.outputs(count)
        return (drawn % numpy.uint64(span)).astype(numpy.int64).reshape(shape) + low

    def permutation(self, count: int) -> numpy.ndarray:
        """A random order of 0 .. count - 1 (int64), by the Fisher-Yates shuffle from the front."""
        order = list(range(count))
        if count > 1:
            here = numpy.arange(count - 1, dtype=numpy.uint64)
            partners = here + self.outputs(count - 1) % (numpy.uint64(count) - here)
            for i, j in enumerate(partners.tolist()):
                order[i], order[j] = order[j], order[i]
        return numpy.array(order, dtype=numpy.int64)

    def get_state(self) -> dict[str, Any]:
        """The state of the stream, which `minigrad.save` can save."""
        _, words, position, _, _ = self._twister.get_state()
        key = numpy.asarray(words, dtype=numpy.uint32)
        return {"seed": self.seed, "key": key, "position": int(position), "leftover": self._leftover}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `get_state` returned.

        Raises:
            TypeError, ValueError: `state` is not such a state; the generator is not changed then.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"the state of a generator is a dictionary, not a {type(state).__name__}")
        if set(state) != _STATE:
            raise ValueError(
                f"the state of a generator has {', '.join(sorted(_STATE))}, not {', '.join(map(str, state))}"
            )
        try:
            key, leftover = numpy.asarray(state["key"]), state["leftover"]
        except ValueError:
            key, leftover = numpy.zeros(0), None  # ragged lists
        if key.dtype.kind not in "iu" or key.shape != (624,) or not key.any() or key.min() < 0 or key.max() >= 2**32:
            raise ValueError(
                "the key in the state of a generator is 624 integers from 0 to 2**32 - 1, not all of them 0"
            )
        for name, largest in (("position", 624), ("seed", 2**32 - 1)):
            count = state[name]
            if isinstance(count, bool) or not isinstance(count, (int, numpy.integer)) or not 0 <= count <= largest:
                raise ValueError(f"the {name} in the state of a generator is an integer up to {largest}, not {count!r}")
        if leftover is not None and not (isinstance(leftover, float) and math.isfinite(leftover)):
            raise ValueError(f"the leftover in the state of a generator is a finite float or None, not {leftover!r}")
        self._twister.set_state(("MT19937", key.astype(numpy.uint32), int(state["position"]), 0, 0.0))
        self.seed, self._leftover = int(state["seed"]), leftover


_STATE = {"seed", "key", "position", "leftover"}


def _check_dtype(dtype: Any) -> None:
    if numpy.dtype(dtype) not in (numpy.float32, numpy.float64):
        raise TypeError(f"random numbers are float32 or float64, not {numpy.dtype(dtype)}")


def _blocks_to_normal(u: numpy.ndarray) -> numpy.ndarray:
    """Normal draws from uniform ones, in blocks of 8 for the radii and 8 for the angles."""
    blocks = u.astype(numpy.float64).reshape(-1, 2, 8)
    radius, angle = numpy.sqrt(-2 * numpy.log(1 - blocks[:, 0])), 2 * math.pi * blocks[:, 1]
    return numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], axis=1).reshape(-1)


default_generator = Generator(0)
"""The generator for initial weights, shuffling and dropout. Seed it with `minigrad.manual_seed`."""


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, from which all random numbers of minigrad are drawn."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.seed


def get_rng_state() -> dict[str, Any]:
    """The state of the default generator; see `Generator.get_state`."""
    return default_generator.get_state()


def set_rng_state(new_state: Mapping[str, Any]) -> None:
    """Continue the default generator from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)
