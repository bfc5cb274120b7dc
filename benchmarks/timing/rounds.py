"""Rounds of repetitions: what is measured, the samples, and their summary."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

QUIET = 0.95
"""A round in which a process got less than that of a core was disturbed by something else on the machine."""


@dataclass(frozen=True)
class Sample:
    """One round: how often something was done, and what that took.

    Attributes:
        count: how often.
        seconds: by the clock.
        cpu_seconds: of all threads of the process together.
        faults: minor page faults (0 where the system does not count them).
    """

    count: int
    seconds: float
    cpu_seconds: float
    faults: int


@dataclass(frozen=True)
class Timing:
    """What many rounds say: microseconds for doing it once, by median and quartiles.

    Attributes:
        median, low, high: the second, first and third quartile of the rounds.
        cores: how many cores were at work on average.
        faults: page faults for doing it once, the median again.
        rounds: how many there were.
        disturbed: how many of them did not have the core to themselves (see `QUIET`). They are left out of all this,
            unless they are more than two thirds.
    """

    median: float
    low: float
    high: float
    cores: float
    faults: float
    rounds: int
    disturbed: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Timing:
        """The summary of at least one sample."""
        quiet = [s for s in samples if s.cpu_seconds >= QUIET * s.seconds]
        used = quiet if 3 * len(quiet) >= len(samples) else samples
        times = [1e6 * s.seconds / s.count for s in used]
        low, median, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
        cores = sum(s.cpu_seconds for s in used) / max(sum(s.seconds for s in used), 1e-9)
        faults = statistics.median(s.faults / s.count for s in used)
        return cls(median, low, high, cores, faults, len(samples), len(samples) - len(quiet))


@dataclass(frozen=True)
class Measurement:
    """Something to be timed.

    Attributes:
        peer, threads: in which process.
        what: the method of the peer that prepares it: "training", "update" or "operations".
        way: the way of using the library.
        arguments: for that method: a `rule`, a `size`, a `name`, or `hidden` and `batch` for another network.
        unit: it is done a multiple of so many times.
        first: how often it is done once prepared; a training returns the loss of that step.
        rare: a unit is long, and makes a round; it takes part in every `RARELY`-th only.
    """

    peer: str
    threads: int
    what: str
    way: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    unit: int = 1
    first: int = 1
    rare: bool = False

    @property
    def process(self) -> tuple[str, int, str]:
        """The process that does it. A user's optimizer has one to itself, since it may end the process."""
        spec = str(self.arguments.get("rule", {}).get("spec", ""))
        return self.peer, self.threads, spec if ".py:" in spec else ""


@dataclass
class Measured:
    """What came of a task: its samples, what doing it first returned (a training: the loss), or what went wrong."""

    task: Measurement
    samples: list[Sample] = field(default_factory=list)
    loss: float | None = None
    error: str | None = None

    @property
    def timing(self) -> Timing | None:
        """The summary of its samples; None if something went wrong."""
        return Timing.of(self.samples) if self.samples and self.error is None else None
