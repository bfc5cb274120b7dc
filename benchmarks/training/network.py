"""What is trained: the notebook's network on images by name, and the loop that trains and tests it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import datasets
import minigrad
from datasets.images import ImageDataset
from minigrad import backend, nn
from minigrad.backend import Array
from minigrad.optim import Optimizer
from minigrad.tensor import Tensor
from minigrad.utils.data import DataLoader

from .. import UsageError

DATA: dict[str, Callable[..., ImageDataset]] = {
    "mnist": datasets.MNIST,
    "fashion": datasets.FashionMNIST,
    "digits": datasets.Digits,
}
"""The data sets by the name that the command line has for them."""

TEST_BATCH = 100
"""Images that are tested at a time; as many as in the notebook, though the figures do not depend on it."""


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
        """A network for the images and classes of `data`, on the device where they are."""
        net = cls(data.data[0].size, hidden, len(data.classes))
        net.to(backend.device_of(data.data))
        return net


def seeded(data: ImageDataset, seed: int) -> Net:
    """Seed the generator and make the network for `data`; its weights are drawn first, as in the notebook."""
    minigrad.manual_seed(seed)
    return Net.for_data(data)


def device_for(library: str) -> str:
    """Where arrays of `library`, "numpy" or "cupy", live: "cpu" or "cuda".

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


@functools.lru_cache(maxsize=4)
def load(name: str, train: bool, device: str = "cpu", download: bool = False) -> ImageDataset:
    """The data set called `name`, for training or for testing, on `device`; kept, so that it is read only once.

    Raises:
        UsageError: its files are not there, or damaged, or could not be fetched; the sentence says which.
    """
    transform = datasets.transforms.ToTensor()
    try:
        return DATA[name]("./data", train=train, transform=transform, download=download).to(device)
    except (OSError, ValueError) as error:  # DataFileError is a ValueError, ConnectionError an OSError
        raise UsageError(str(error).replace("pass download=True", "pass --download")) from None


@dataclass(frozen=True)
class Settings:
    """What all runs of a comparison have in common; by default, the notebook's.

    Attributes:
        data: a name in `DATA`.
        seed: of the initial weights and the order of the mini-batches.
        iterations: steps of the optimizer.
        batch_size: images in a mini-batch.
        every: iterations from one test to the next; the last iteration is always followed by a test.
        device: "cpu" or "cuda".
    """

    data: str = "mnist"
    seed: int = 0
    iterations: int = 3000
    batch_size: int = 100
    every: int = 500
    device: str = "cpu"

    @property
    def points(self) -> list[int]:
        """The iterations after which the network is tested."""
        return [*range(self.every, self.iterations, self.every), self.iterations]


@dataclass(frozen=True)
class Run:
    """What came of training once.

    Attributes:
        lr: the learning rate at the first step.
        losses: the training loss of each iteration's mini-batch, before its step.
        figures: (iteration, loss of its mini-batch, accuracy over all test images in percent) at each test.
        seconds: what it all took, from the first iteration to the last test.
    """

    lr: float
    losses: list[float]
    figures: list[tuple[int, float, float]]
    seconds: float


def train(make: Callable[[Any], Optimizer], settings: Settings, tick: Callable[[int], Any] | None = None) -> Run:
    """Train the notebook's network as the notebook does, with the optimizer that `make(parameters)` gives.

    Everything random is drawn in the notebook's order: the weights, then for each epoch the order of the
    mini-batches, with a draw for each test in between. `tick` is told the iteration now and then.

    Raises: whatever the optimizer raises.
    """
    data, test = (load(settings.data, part, settings.device) for part in (True, False))
    model = seeded(data, settings.seed)
    optimizer = make(model.parameters())
    lr = optimizer.lr
    loader, test_loader = DataLoader(data, settings.batch_size, shuffle=True), DataLoader(test, TEST_BATCH)
    points = set(settings.points)
    losses: list[Array] = []
    figures = []
    start = time.perf_counter()
    for iteration, loss in steps(model, optimizer, loader, settings.iterations):
        losses.append(loss)  # an array: asking for its value would make a GPU wait
        if iteration in points:
            with testing(optimizer):
                figures.append((iteration, float(loss), accuracy(model, test_loader)))
        if tick is not None and (iteration % 50 == 0 or iteration == settings.iterations):
            tick(iteration)
    return Run(lr, [float(loss) for loss in losses], figures, time.perf_counter() - start)


def steps(model: nn.Module, optimizer: Optimizer, loader: DataLoader, iterations: int) -> Iterator[tuple[int, Array]]:
    """Train, handing out (iteration, loss) after each step: 1 and the first mini-batch's loss, and so on.

    Between two steps the caller may test, print or look at the optimizer; a loader's next epoch starts, and
    draws, only when its first mini-batch is asked for.
    """
    criterion = nn.CrossEntropyLoss()
    for iteration, (images, labels) in zip(range(1, iterations + 1), _forever(loader), strict=False):
        yield iteration, step(optimizer, partial(_loss, model, criterion, images, labels))


def _loss(model: nn.Module, criterion: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return criterion(model(images), labels)


def step(optimizer: Optimizer, loss: Callable[[], Tensor]) -> Array:
    """One step of `optimizer` on what `loss` computes; returns the (first) loss.

    An optimizer that needs the gradient more than once is given the closure that computes it.
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


@contextmanager
def testing(optimizer: Optimizer) -> Iterator[None]:
    """Test inside with the weights that `optimizer` would have tested, and train on with its own."""
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()


def _forever(loader: DataLoader) -> Iterator[Any]:
    """The mini-batches of one epoch after the other."""
    while True:
        yield from loader


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """The percentage of the loader's images whose largest logit is that of their label."""
    return evaluate(model, loader)[1]


def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """(the mean cross entropy, the accuracy in percent) over all of the loader's images; nothing is recorded."""
    criterion = nn.CrossEntropyLoss(reduction="sum")
    loss, correct = 0.0, 0
    with minigrad.no_grad():
        for images, labels in loader:
            logits = model(images)
            loss += criterion(logits, labels).item()
            correct += int((logits.data.argmax(1) == labels.data).sum())
    return loss / len(loader.dataset), 100 * correct / len(loader.dataset)
