"""One training among many: all that decides what comes of it, and how it is done, on whatever machine."""

from __future__ import annotations

import copy
import functools
import hashlib
import math
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy

import minigrad
from datasets.images import ImageDataset
from minigrad import nn, random
from minigrad.backend import Array
from minigrad.nn import functional
from minigrad.optim import Optimizer
from minigrad.optim.lr import cosine
from minigrad.tensor import Tensor
from minigrad.utils.data import DataLoader

from . import network
from .optimizers import digest, entrant, entrant_name, usual

HELD_OUT = 6
"""One training image in so many, the last ones of the file, is held out to choose the learning rate with."""

TARGET = 97.0
"""The accuracy in percent that a run is to reach: how soon is one of its results."""

SOURCES = (
    "minigrad/**/*.py",
    "datasets/*.py",
    "benchmarks/training/cell14.py",
    "benchmarks/training/optimizers.py",
    "benchmarks/training/network.py",
    "benchmarks/training/trial.py",
)
"""The files whose code decides a result. A result that other code gave is not used again."""


@dataclass(frozen=True)
class Trial:
    """A training, told by its choices.

    Attributes:
        optimizer: the `spec` of an entrant (see `benchmarks.training.optimizers`).
        rate: its learning rate; None for its own.
        schedule: "constant", or "cosine" for a rate that falls from `rate` to 0 along half a cosine.
        seed: of the initial weights and the order of the mini-batches.
        member: 0 for those weights as they are; another number shifts each of them by one unit in the last place,
            up or down or not at all, as a generator of its own seeded with that number says.
        often: shift the weights of such a member again after every so many iterations; 0 for the start alone.
        data: a name in `benchmarks.training.network.DATA`.
        part: what is trained on and tested on. "all": all training images, and the test images. "tune": five in six
            of the training images, and the sixth that is held out. "final": as "tune", but after the last
            iteration, once, the test images.
        iterations, batch_size, every: as in `benchmarks.training.network.Settings`.
        trace: keep the training loss of every so many iterations; 0 for none.
        watch: look every so many iterations whether the accuracy is at `TARGET`; 0 for not at all.
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
    trace: int = 0
    watch: int = 0

    def __str__(self) -> str:
        """What it is called when it fails."""
        name = entrant_name(self.optimizer)
        rate = f", rate {self.rate:g}" if self.rate is not None else ""
        member = f", member {self.member}" if self.member else ""
        return f"{name}{rate}, seed {self.seed}{member}"


def key(trial: Trial, circumstances: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides the result of a trial: its choices, the rule, and the `circumstances`."""
    return {**asdict(trial), "optimizer": entrant_name(trial.optimizer), **rule(trial.optimizer), **circumstances}


def rule(spec: str) -> dict[str, str]:
    """An entrant's hyperparameters; for a learner's own rule also the SHA-256 of its file (not of what it imports)."""
    described = {"hyperparameters": usual(spec).text}
    file = spec.rpartition(":")[0]
    return described | ({"file": digest(Path(file))} if file else {})


@functools.lru_cache
def circumstances(data: str) -> dict[str, Any]:
    """What decides a result besides the trial: the code, the data, and who does the arithmetic.

    Sums of floating-point numbers depend on their order, which NumPy and its BLAS choose by the processor. So
    their versions belong to it, the BLAS's choice of kernels, and the processor's vector instructions.
    """
    simd: Any = numpy.show_config(mode="dicts")
    return {
        "code": _digest_of_sources(),
        "images": _digest_of_data(data),
        "numpy": numpy.__version__,
        "blas": _blas(),
        "simd": " ".join(simd.get("SIMD Extensions", {}).get("found", [])),
        "machine": platform.machine(),
    }


def _digest_of_sources() -> str:
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _digest_of_data(data: str) -> str:
    digest = hashlib.sha256()
    for part in (True, False):
        images = network.load(data, part)
        digest.update(images.data)
        digest.update(images.targets)
    return digest.hexdigest()


def _blas() -> str:
    """NumPy's BLAS: library, version and the kernels it chose for this processor."""
    from threadpoolctl import threadpool_info

    found = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    own = [lib for lib in found if "numpy" in lib["filepath"]] or found  # SciPy brings another one
    return ", ".join(sorted({f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}" for lib in own}))


def run(trial: Trial) -> dict[str, Any]:
    """Train as `trial` says. Everything random is drawn as in the notebook (see `benchmarks.training.network.train`).

    A run stops as soon as its loss is infinite or nan: what would come after that is None.

    Returns:
        losses, accuracies: training loss of the mini-batch and accuracy in percent at each point of testing.
        loss, accuracy: the mean loss and the accuracy at the end ("final": over the test images).
        trace: the losses of every `trial.trace` iterations.
        reached: the first iteration after which `TARGET` was seen to be reached, or None.
        diverged: whether the loss became infinite or nan, or ended higher by a tenth than the first mini-batch's,
            or the network has died and takes every image for the same.
        timing: seconds of training without the tests, in all and until `reached`. No two runs have the same.

    Raises: whatever the optimizer raises.
    """
    train, test, once = _images(trial)
    model = network.seeded(train, trial.seed)
    shift = Shift(trial.member)
    shift([weight.data for weight in model.parameters()])
    optimizer = _optimizer(trial, model.parameters())
    loader = DataLoader(train, trial.batch_size, shuffle=True)
    course = Course(trial, model, optimizer, test)
    with numpy.errstate(all="ignore"):  # a run that diverges shows that by its figures
        for iteration, loss in network.steps(model, optimizer, loader, trial.iterations):
            if not math.isfinite(loss):
                break
            course.note(iteration, float(loss))
            if trial.often and iteration % trial.often == 0:
                shift([optimizer.theta])
        course.end(once)
    return course.result()


class Test(NamedTuple):
    """What a test gives: the accuracy in percent, the mean loss, and whether the network calls every image the same."""

    accuracy: float
    loss: float
    dead: bool


@dataclass
class Course:
    """What is seen of a run on its way; see `run`."""

    trial: Trial
    model: nn.Module
    optimizer: Optimizer
    test: ImageDataset
    losses: dict[int, float] = field(default_factory=dict)
    accuracies: dict[int, float] = field(default_factory=dict)
    trace: list[float] = field(default_factory=list)
    first: float = math.nan
    final: Test | None = None
    reached: int | None = None
    to_target: float | None = None
    start: float = field(default_factory=time.perf_counter)
    testing: float = 0.0

    @functools.cached_property
    def points(self) -> list[int]:
        """The iterations after which the notebook would test."""
        return network.Settings(iterations=self.trial.iterations, every=self.trial.every).points

    def seconds(self) -> float:
        """What training has taken up to now, without the tests."""
        return time.perf_counter() - self.start - self.testing

    def note(self, iteration: int, loss: float) -> None:
        """Look at the run after `iteration`, whose mini-batch had `loss`."""
        so_far = self.seconds()
        if iteration == 1:
            self.first = loss
        if self.trial.trace and iteration % self.trial.trace == 0:
            self.trace.append(loss)
        seen = 0.0
        if iteration in self.points:
            self.final = self.tested(self.test)
            self.losses[iteration], self.accuracies[iteration] = loss, self.final.accuracy
            seen = self.final.accuracy
        elif self.trial.watch and iteration % self.trial.watch == 0 and self.reached is None:
            with undrawn():
                seen = self.tested(self.test, TARGET).accuracy
        if seen >= TARGET and self.reached is None:
            self.reached, self.to_target = iteration, so_far
        self.testing += self.seconds() - so_far

    def end(self, once: ImageDataset | None) -> None:
        """After the last iteration: test on the images that are kept for it, if there are such."""
        so_far = self.seconds()
        if once is not None or self.trial.iterations not in self.losses:
            self.final = self.tested(once or self.test)
        self.testing += self.seconds() - so_far

    def tested(self, images: ImageDataset, least: float = 0.0) -> Test:
        """As `measured`, of the weights that the optimizer would have tested."""
        with network.testing(self.optimizer):
            return measured(self.model, images, least)

    def result(self) -> dict[str, Any]:
        """What `run` returns."""
        assert self.final is not None
        accuracy, loss, dead = self.final
        return {
            "losses": [self.losses.get(point) for point in self.points],
            "accuracies": [self.accuracies.get(point) for point in self.points],
            "loss": loss if math.isfinite(loss) else None,
            "accuracy": accuracy,
            "trace": self.trace,
            "reached": self.reached,
            "diverged": dead or not loss <= 1.1 * self.first,
            "timing": {"seconds": self.seconds(), "to_target": self.to_target},
        }


def _images(trial: Trial) -> tuple[ImageDataset, ImageDataset, ImageDataset | None]:
    """The images to train on, those to test on along the way, and those for a test at the end alone."""
    train, test = network.load(trial.data, True), network.load(trial.data, False)
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
    """The optimizer of a trial, at its rate and schedule."""
    made = entrant(trial.optimizer).make(parameters)
    rate = made.lr if trial.rate is None else trial.rate
    if trial.schedule == "cosine":
        made.lr = cosine(rate, trial.iterations)
    elif trial.rate is not None:
        made.lr = rate
    return made


class Shift:
    """Shifts weights by one unit in the last place, as the number of a member says; by nothing if that is 0."""

    def __init__(self, member: int) -> None:
        self.generator = numpy.random.Generator(numpy.random.PCG64(member)) if member else None

    def __call__(self, weights: Iterable[Array]) -> None:
        """Shift each element up, down or not at all, in place."""
        if self.generator is None:
            return
        for weight in weights:
            way = self.generator.integers(-1, 2, weight.shape, numpy.int8).astype(weight.dtype)
            weight[...] = numpy.nextafter(weight, weight + way)


@contextmanager
def undrawn() -> Iterator[None]:
    """Give back what is drawn meanwhile, so that the draws to come are as if nothing had been."""
    state = random.default_generator.get_state()
    try:
        yield
    finally:
        random.default_generator.set_state(state)


def measured(model: nn.Module, images: ImageDataset, least: float = 0.0) -> Test:
    """Test on all `images`, with the draw that the notebook's test takes.

    Once so many are wrong that the accuracy cannot be `least` any more, it stops looking: the accuracy is 0 then.
    """
    loss, wrong, seen = 0.0, 0, set[int]()
    with minigrad.no_grad():
        for batch, labels in DataLoader(images, network.TEST_BATCH):
            logits = model(batch)
            classes = logits.data.argmax(1)
            loss += functional.cross_entropy(logits, labels, reduction="sum").item()
            wrong += int((classes != labels.data).sum())
            seen.update(classes.tolist())
            if 100 * (len(images) - wrong) / len(images) < least:
                return Test(0.0, math.nan, False)
    return Test(100 * (len(images) - wrong) / len(images), loss / len(images), len(seen) == 1)
