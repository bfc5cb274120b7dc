"""What is trained: the notebook's network on one of the data sets, and the loops that train it and test it.

The notebook is the course notebook "6. Optimizers", whose MNIST comparison this project reproduces.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import minigrad
from minigrad import backend, nn
from minigrad.backend import Array
from minigrad.nn import functional
from minigrad.optim import Optimizer
from minigrad.tensor import Tensor
from minigrad.utils.data import DataLoader, Dataset

from .. import UsageError

INSTALLED = __name__.startswith("minigrad.") or (Path(__file__).parents[2] / "__init__.py").exists()
"""Whether this is part of an installed minigrad. In a checkout the data sets are the package beside the benchmarks."""

if TYPE_CHECKING or not INSTALLED:
    import datasets
    from datasets.images import ImageDataset
else:
    from minigrad.datasets.images import ImageDataset

    from minigrad import datasets

DATA: dict[str, Callable[..., ImageDataset]] = {
    "mnist": datasets.MNIST,
    "fashion": datasets.FashionMNIST,
    "digits": datasets.Digits,
}
"""The data sets, by their names on the command line."""

TEST_BATCH = 100
"""Images that are tested at a time; as many as in the notebook, though the accuracy does not depend on it."""

CHUNK = 1000
"""Images from which a gradient over all images is accumulated at a time: 1000 are 3 MB of float32."""


class Net(nn.Module):
    """The notebook's network: a hidden layer with ReLU, and one logit for each class."""

    def __init__(self, inputs: int = 784, hidden: int = 100, classes: int = 10) -> None:
        self.fc1 = nn.Linear(inputs, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, ...), of `inputs` pixels each, give logits (N, classes)."""
        return self.fc2(self.relu(self.fc1(images.view(len(images), -1))))

    @classmethod
    def for_data(cls, data: ImageDataset, hidden: int = 100) -> Net:
        """A network for the images and classes of `data`, on the same device."""
        net = cls(data.data[0].size, hidden, len(data.classes))
        net.to(backend.device_of(data.data))
        return net


def seeded(data: ImageDataset, seed: int) -> Net:
    """Seed the generator and make the network for `data`; its weights are drawn first, as in the notebook."""
    minigrad.manual_seed(seed)
    return Net.for_data(data)


def device_for(library: str) -> str:
    """The device of the arrays of `library`, "numpy" or "cupy": "cpu" or "cuda".

    Raises:
        UsageError: CuPy is not installed, or finds no GPU.
    """
    if library == "numpy":
        return "cpu"
    try:
        backend.import_cupy()
    except RuntimeError as error:
        raise UsageError(str(error)) from None
    return "cuda"


def load(name: str, train: bool, device: str = "cpu", download: bool = False) -> ImageDataset:
    """The data set called `name`, for training or for testing, on `device`. It is read once and kept.

    Raises:
        UsageError: its files are missing or damaged, or could not be downloaded; the sentence says which.
    """
    try:
        if download:
            DATA[name]("./data", train=train, download=True)
        return _read(name, train, device)
    except (OSError, ValueError) as error:  # DataFileError is a ValueError, ConnectionError an OSError
        raise UsageError(str(error).replace("pass download=True", "pass --download")) from None


@functools.lru_cache(maxsize=4)
def _read(name: str, train: bool, device: str) -> ImageDataset:
    return DATA[name]("./data", train=train, transform=datasets.transforms.ToTensor()).to(device)


# Training.


def steps(model: nn.Module, optimizer: Optimizer, loader: DataLoader, iterations: int) -> Iterator[tuple[int, Array]]:
    """Train, yielding (iteration, loss of its mini-batch) after each step, from iteration 1 on.

    Between two steps the caller may test, print or look at the optimizer. The loader's next epoch starts, and
    draws random numbers, only when its first mini-batch is asked for.
    """
    criterion = nn.CrossEntropyLoss()
    for iteration, (images, labels) in zip(range(1, iterations + 1), _forever(loader), strict=False):
        yield iteration, step(optimizer, partial(_loss, model, criterion, images, labels))


def _forever(loader: DataLoader) -> Iterator[Any]:
    """The mini-batches of one epoch after the other."""
    while True:
        yield from loader


def _loss(model: nn.Module, criterion: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return criterion(model(images), labels)


def step(optimizer: Optimizer, loss: Callable[[], Tensor]) -> Array:
    """One step of `optimizer` on what `loss` computes; returns the loss before the step.

    An optimizer that needs the gradient more than once gets the closure that computes it.
    """
    losses: list[Tensor] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses.append(loss())
        losses[-1].backward()
        return losses[-1]

    if optimizer.needs_closure:
        optimizer.step(closure)
    else:
        closure()
        optimizer.step()
    return losses[0].data


def full_batch_steps(
    model: nn.Module, optimizer: Optimizer, data: Dataset, iterations: int
) -> Iterator[tuple[int, float]]:
    """As `steps`, but each step takes the gradient over all of `data`."""
    criterion = nn.CrossEntropyLoss()
    for iteration in range(1, iterations + 1):
        optimizer.zero_grad()
        loss = accumulate_gradient(model, criterion, data)
        optimizer.step()
        yield iteration, loss


def accumulate_gradient(model: nn.Module, criterion: nn.Module, data: Dataset, chunk: int = CHUNK) -> float:
    """Add the gradient of the mean loss over all of `data` to the parameters' ``.grad``; returns that loss.

    The data are taken in chunks, so memory holds one chunk at a time. The mean over all samples is the mean of the
    chunks' means, each weighted by the chunk's share of the samples, since the last chunk may be smaller.
    `criterion` takes the mean over its samples.
    """
    mean = 0.0
    for inputs, targets in DataLoader(data, chunk):
        part = criterion(model(inputs), targets) * (len(targets) / len(data))
        part.backward()
        mean += part.item()
    return mean


# Testing.


@contextmanager
def testing(optimizer: Optimizer) -> Iterator[None]:
    """In this block the parameters have the values that `optimizer` wants tested (an average, for some)."""
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()


class Test(NamedTuple):
    """What a test gives: accuracy in percent, mean loss, and whether the network gives every image the same class."""

    accuracy: float
    loss: float
    dead: bool


def evaluate(model: nn.Module, images: Dataset, least: float = 0.0) -> Test:
    """Test the model on all `images`. The loader draws random numbers, as the notebook's does in its tests.

    As soon as so many images are wrong that the accuracy cannot be `least` any more, the test ends with accuracy 0.
    """
    loss, wrong, classes = 0.0, 0, set[int]()
    with minigrad.no_grad():
        for batch, labels in DataLoader(images, TEST_BATCH):
            logits = model(batch)
            found = logits.data.argmax(1)
            loss += functional.cross_entropy(logits, labels, reduction="sum").item()
            wrong += int((found != labels.data).sum())
            classes.update(found.tolist())
            if 100 * (len(images) - wrong) / len(images) < least:
                return Test(0.0, math.nan, False)
    return Test(100 * (len(images) - wrong) / len(images), loss / len(images), len(classes) == 1)
