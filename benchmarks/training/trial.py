"""One training: its configuration, and the function that does it, on whatever machine."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy

import minigrad
from minigrad import nn, random
from minigrad.backend import Array
from minigrad.optim import Optimizer
from minigrad.optim.lr import cosine
from minigrad.tensor import Tensor
from minigrad.utils.data import DataLoader

from . import network
from .network import ImageDataset, Test
from .optimizers import entrant_name, unchecked

HELD_OUT = 6
"""One training image in so many, the last ones of the file, is held out to choose the learning rate with."""

TARGET = 97.0
"""An accuracy in percent. How soon a training reaches it is one of its results."""

REPORTED = 50
"""Progress is reported every so many iterations; on a GPU the loss is looked at as often, since that makes it wait."""


@dataclass(frozen=True)
class Trial:
    """The configuration of one training.

    Attributes:
        optimizer: the `spec` of an entrant (see `benchmarks.training.optimizers`).
        rate: its learning rate; None for the optimizer's own.
        schedule: "constant", or "cosine" for a rate that falls from `rate` to 0 along half a cosine.
        seed: of the initial weights and the order of the mini-batches.
        member: 0 for those weights as they are. Any other number seeds a second generator, which shifts each weight
            by one unit in the last place, up or down or not at all.
        often: shift the weights again after every so many iterations; 0 for the start alone.
        data: a name in `benchmarks.training.network.DATA`.
        part: what is trained on and tested on. "all": all training images, and the test images. "tune": five in six
            of the training images, and the sixth that is held out. "final": as "tune", but after the last
            iteration, once, the test images.
        iterations: steps of the optimizer.
        batch_size: images in a mini-batch; 0 for all images at every step.
        every: iterations from one test to the next; the last iteration is always followed by a test. As in the
            notebook, these tests draw random numbers, so they change which mini-batches come later.
        tests: the iterations after which to test, in place of `every`; 0 is before the first. These tests draw no
            random numbers.
        trace: keep the training loss of every so many iterations; 0 for none.
        watch: check every so many iterations whether the accuracy is at `TARGET`; 0 for never.
        device: "cpu" or "cuda".
    """

    optimizer: str
    rate: float | None = None
    schedule: str = "constant"
    seed: int = 0
    member: int = 0
    often: int = 0
    data: str = "mnist"
    part: str = "all"
    iterations: int = 3000
    batch_size: int = 100
    every: int = 500
    tests: tuple[int, ...] = ()
    trace: int = 0
    watch: int = 0
    device: str = "cpu"

    def __str__(self) -> str:
        """What messages and progress bars call it."""
        name = entrant_name(self.optimizer)
        rate = f", rate {self.rate:g}" if self.rate is not None else ""
        member = f", member {self.member}" if self.member else ""
        return f"{name}{rate}, seed {self.seed}{member}"

    @property
    def points(self) -> list[int]:
        """The iterations after which the network is tested."""
        return list(self.tests) or [*range(self.every, self.iterations, self.every), self.iterations]


# The training.


def run(trial: Trial, tick: Callable[[int], Any] | None = None) -> dict[str, Any]:
    """Train as `trial` says. Random numbers are drawn as in the notebook, the weights first.

    A training ends as soon as its loss is infinite or nan. What would have come after that is None.

    Args:
        trial: the configuration.
        tick: called with the number of iterations that are done, every `REPORTED` iterations.

    Returns:
        losses, accuracies, test_losses: at each test the training loss of the mini-batch, and the accuracy in percent
            and mean loss over the images tested on.
        loss, accuracy: mean loss and accuracy at the end ("final": over the test images).
        trace: the training losses of every `trial.trace` iterations.
        reached: the first iteration after which the accuracy was found to be at `TARGET`, or None.
        diverged: whether the loss became infinite or nan, or ended higher by a tenth than the first mini-batch's,
            or the network has died and gives every image the same class.
        timing: seconds of training without the tests: in all, until `reached`, and at each test. No two runs have
            the same.

    Raises: whatever the optimizer raises.
    """
    train, test, once = _images(trial)
    model = network.seeded(train, trial.seed)
    shift = Shift(trial.member)
    shift([weight.data for weight in model.parameters()])
    optimizer = _optimizer(trial, model.parameters())
    with numpy.errstate(all="ignore"):  # a training that diverges shows that in its figures
        course = Course(trial, model, optimizer, test)
        for iteration, loss in _steps(trial, model, optimizer, train):
            if not course.note(iteration, loss):
                break
            if trial.often and iteration % trial.often == 0:
                shift([optimizer.theta])
            if tick is not None and iteration % REPORTED == 0:
                tick(iteration)
        course.end(once)
    return course.result()


def _steps(
    trial: Trial, model: nn.Module, optimizer: Optimizer, data: ImageDataset
) -> Iterator[tuple[int, Array | float]]:
    if trial.batch_size:
        return network.steps(model, optimizer, DataLoader(data, trial.batch_size, shuffle=True), trial.iterations)
    return network.full_batch_steps(model, optimizer, data, trial.iterations)


@dataclass
class Course:
    """What is recorded of a training while it goes on; see `run`."""

    trial: Trial
    model: nn.Module
    optimizer: Optimizer
    test: ImageDataset
    figures: dict[int, tuple[float, Test, float]] = field(default_factory=dict)
    trace: list[Array | float] = field(default_factory=list)
    first: float = math.nan
    final: Test | None = None
    reached: int | None = None
    to_target: float | None = None
    testing: float = 0.0

    def __post_init__(self) -> None:
        trial = self.trial
        self.points = set(trial.points)
        self.looked_at = 1 if trial.device == "cpu" else REPORTED
        if 0 in self.points:
            self.figures[0] = math.nan, self.tested(self.test), 0.0
        self.start = time.perf_counter()

    def seconds(self) -> float:
        """What training has taken so far, without the tests."""
        return time.perf_counter() - self.start - self.testing

    def note(self, iteration: int, loss: Array | float) -> bool:
        """Record what is wanted after `iteration`, whose mini-batch had `loss`; False if that is infinite or nan."""
        trial = self.trial
        tested = iteration in self.points
        if (iteration % self.looked_at == 0 or tested) and not math.isfinite(loss):
            return False
        if iteration == 1:
            self.first = float(loss)
        if trial.trace and iteration % trial.trace == 0:
            self.trace.append(loss)  # an array: on a GPU, asking for its value would make the GPU wait
        watched = trial.watch and iteration % trial.watch == 0 and self.reached is None
        if tested or watched:
            minigrad.cuda.synchronize()
            so_far = self.seconds()
            found = self.tested(self.test, 0.0 if tested else TARGET, drawing=tested and not trial.tests)
            if tested:
                self.final = found
                self.figures[iteration] = float(loss), found, so_far
            if found.accuracy >= TARGET and self.reached is None:
                self.reached, self.to_target = iteration, so_far
            self.testing += self.seconds() - so_far
        return True

    def end(self, once: ImageDataset | None) -> None:
        """After the last iteration: test on the images that are kept for it, if there are such."""
        so_far = self.seconds()
        if once is not None or self.trial.iterations not in self.figures:
            self.final = self.tested(once or self.test)
        self.testing += self.seconds() - so_far

    def tested(self, images: ImageDataset, least: float = 0.0, drawing: bool = False) -> Test:
        """Test the weights that the optimizer wants tested; `drawing` as the notebook's tests do, or not at all."""
        with network.testing(self.optimizer), nullcontext() if drawing else draws_restored():
            return network.evaluate(self.model, images, least)

    def result(self) -> dict[str, Any]:
        """What `run` returns."""
        assert self.final is not None
        accuracy, loss, dead = self.final
        found = [self.figures.get(point) for point in self.trial.points]
        return {
            "losses": [None if each is None else _finite(each[0]) for each in found],
            "accuracies": [None if each is None else each[1].accuracy for each in found],
            "test_losses": [None if each is None else _finite(each[1].loss) for each in found],
            "loss": _finite(loss),
            "accuracy": accuracy,
            "trace": list(itertools.takewhile(math.isfinite, map(float, self.trace))),
            "reached": self.reached,
            "diverged": dead or not loss <= 1.1 * self.first,
            "timing": {
                "seconds": self.seconds(),
                "to_target": self.to_target,
                "tests": [None if each is None else each[2] for each in found],
            },
        }


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


def _images(trial: Trial) -> tuple[ImageDataset, ImageDataset, ImageDataset | None]:
    """The images to train on, those to test on along the way, and those for a test at the end alone."""
    train, test = (network.load(trial.data, part, trial.device) for part in (True, False))
    if trial.part == "all":
        return train, test, None
    kept = len(train) - len(train) // HELD_OUT
    tuned, held_out = _cut(train, slice(kept)), _cut(train, slice(kept, None))
    return tuned, held_out, (test if trial.part == "final" else None)


def _cut(images: ImageDataset, part: slice) -> ImageDataset:
    some = copy.copy(images)
    some.data, some.targets = images.data[part], images.targets[part]
    return some


def _optimizer(trial: Trial, parameters: Iterable[Tensor]) -> Optimizer:
    """The optimizer of a trial, with its learning rate and schedule."""
    made = unchecked(trial.optimizer).make(parameters)
    rate = made.lr if trial.rate is None else trial.rate
    if trial.schedule == "cosine":
        made.lr = cosine(rate, trial.iterations)
    elif trial.rate is not None:
        made.lr = rate
    return made


class Shift:
    """Shifts weights by one unit in the last place, up, down or not at all; not at all if `member` is 0."""

    def __init__(self, member: int) -> None:
        self.generator = numpy.random.Generator(numpy.random.PCG64(member)) if member else None

    def __call__(self, weights: Iterable[Array]) -> None:
        """Shift each element, in place."""
        if self.generator is None:
            return
        for weight in weights:
            way = self.generator.integers(-1, 2, weight.shape, numpy.int8).astype(weight.dtype)
            weight[...] = numpy.nextafter(weight, weight + way)


@contextmanager
def draws_restored() -> Iterator[None]:
    """Restore the generator when the block ends: later draws are as if there had been none in the block."""
    state = random.default_generator.get_state()
    try:
        yield
    finally:
        random.default_generator.set_state(state)
