"""Several trainings at a time, in a process of their own that reports as they go on, and can be ended at any moment."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy

from minigrad import random, set_num_threads
from minigrad.utils.data import DataLoader

from .. import UsageError
from ..training import network, pool
from ..training.user_code import errors_of
from .core import Core
from .state import Offer

TURN = 10
"""Iterations of one training until it is the next one's turn."""

TEST = 50
"""Iterations from one test to the next."""


class Task(NamedTuple):
    """One training: which optimizer, at which rate (None: its usual one)."""

    name: str
    rate: float | None


@dataclass(frozen=True)
class Report:
    """What a training reports at its turn.

    Attributes:
        number: which training.
        iteration: how many are done.
        loss: the mean loss of the mini-batches of this turn.
        accuracy: in percent over the test images; None between two tests.
        microseconds: a step, the median of this turn.
        weights: of the first layer, (units, pixels), at a test; None between two.
        wrong: how it has failed, in a sentence.
    """

    number: int
    iteration: int
    loss: float
    accuracy: float | None
    microseconds: float
    weights: numpy.ndarray | None = None
    wrong: str = ""


def train(
    offer: Offer, contents: Mapping[str, str], data: str, tasks: Sequence[Task], iterations: int, seed: int = 0
) -> Iterator[Report]:
    """Train the notebook's network, all tasks by turns, from the same weights and with the same mini-batches.

    Each has its own draws of random numbers, as if it were alone.
    """
    core = Core(offer, contents)
    images, test = network.load(data, True), network.load(data, False)
    waiting = [(number, _Training(core, task, images, iterations, seed)) for number, task in enumerate(tasks)]
    while waiting:
        for number, one in list(waiting):
            report = one.turn(number, test)
            yield report
            if one.done >= iterations or report.wrong or not math.isfinite(report.loss):
                waiting.remove((number, one))


class _Training:
    """One of them: it goes on when it is its turn."""

    def __init__(self, core: Core, task: Task, images: Any, iterations: int, seed: int) -> None:
        self.iterations, self.done = iterations, 0
        self.spec = core.offer.optimizer(task.name)
        self.model = network.seeded(images, seed)
        rate = {} if task.rate is None else {"lr": task.rate}
        self.wrong = ""
        try:
            with errors_of(self.spec):
                self.optimizer = core.entrant(task.name).make(self.model.parameters(), **rate)
        except UsageError as error:
            self.wrong = str(error)
            return
        self.steps = network.steps(self.model, self.optimizer, DataLoader(images, 100, shuffle=True), iterations)
        self.draws = random.default_generator.get_state()

    def turn(self, number: int, test: Any) -> Report:
        """The next iterations."""
        if self.wrong:
            return Report(number, 0, math.nan, None, math.nan, wrong=self.wrong)
        random.default_generator.set_state(self.draws)
        losses, times = [], []
        try:
            with errors_of(self.spec), numpy.errstate(all="ignore"):
                for _ in range(min(TURN, self.iterations - self.done)):
                    before = time.perf_counter()
                    self.done, loss = next(self.steps)
                    times.append(time.perf_counter() - before)
                    losses.append(float(loss))
        except UsageError as error:
            return Report(number, self.done, math.nan, None, math.nan, wrong=str(error))
        self.draws = random.default_generator.get_state()
        accuracy = weights = None
        if self.done % TEST == 0 or self.done == self.iterations:
            with network.testing(self.optimizer), numpy.errstate(all="ignore"):
                accuracy = network.evaluate(self.model, test).accuracy
                weights = self.model.fc1.weight.numpy().copy()
        return Report(number, self.done, float(numpy.mean(losses)), accuracy, 1e6 * float(numpy.median(times)), weights)


class LiveTraining:
    """Trainings in another process."""

    def __init__(
        self, offer: Offer, contents: Mapping[str, str], data: str, tasks: Sequence[Task], iterations: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, offer, dict(contents), data, list(tasks), iterations), daemon=True
        )
        self.process.start()
        theirs.close()
        self.over = False

    def reports(self) -> list[Report]:
        """What has been reported since the last call; after the last one `over` is true."""
        found: list[Report] = []
        try:
            while self.line.poll():
                found.append(self.line.recv())
        except (EOFError, OSError):
            self.over = True
        return found

    def end(self) -> None:
        """End it, at whatever it is."""
        self.process.kill()
        self.process.join()
        self.line.close()
        self.over = True


def _serve(
    line: Connection, offer: Offer, contents: Mapping[str, str], data: str, tasks: Sequence[Task], iterations: int
) -> None:
    """What the other process does."""
    pool.be_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_num_threads(1)
    try:
        for report in train(offer, contents, data, tasks, iterations):
            line.send(report)
    except (BrokenPipeError, OSError):
        return  # the page is gone
