"""The notebook's training itself: seed 0, the real images, and the first figures that it printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import datasets
import minigrad as mg
from minigrad import nn, optim
from minigrad.utils.data import DataLoader

Data = tuple[Any, Any]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Data:
    nowhere = tmp_path_factory.mktemp("data")
    return tuple(
        datasets.MNIST(nowhere, train=train, transform=datasets.transforms.ToTensor()) for train in (True, False)
    )  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The figures are those of one thread: the order of a sum's terms is part of its rounding."""
    with threadpool_limits(1):
        yield


class Net(nn.Module):
    """784-100-10 with ReLU, as the notebook has it."""

    def __init__(self) -> None:
        self.linear1 = nn.Linear(784, 100)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(100, 10)

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return self.linear2(self.relu(self.linear1(x)))


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """Per cent of the test images, as the notebook counts them."""
    correct = total = 0
    with mg.no_grad():
        for images, labels in loader:
            _, predicted = mg.max(model(images.view(-1, 784)), 1)
            total += labels.size(0)
            correct += int((predicted == labels).sum().item())
    return 100 * correct / total


def train(mnist: Data, make: Callable[[Any], Any], iterations: int = 500) -> tuple[float, float, list[float]]:
    """The loss of the last mini-batch, the accuracy after it, and the loss of each."""
    mg.manual_seed(0)
    train_loader = DataLoader(mnist[0], batch_size=100, shuffle=True)
    test_loader = DataLoader(mnist[1], batch_size=100)
    model, criterion, losses = Net(), nn.CrossEntropyLoss(), []
    optimizer = make(model.parameters())
    for _, (images, labels) in zip(range(iterations), train_loader, strict=False):
        optimizer.zero_grad()
        loss = criterion(model(images.view(-1, 784)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert len(losses) == iterations
    return losses[-1], accuracy(model, test_loader), losses


# Iteration 500 of the notebook's cells, which come back with its draws.
FIGURES = {
    "sgd": (lambda p: optim.SGD(p, lr=0.1), 0.34407174587249756, 91.74),
    "momentum": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), 0.16120119392871857, 96.05),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_notebooks_figures_at_iteration_500(name: str, mnist: Data) -> None:
    make, expected_loss, expected_accuracy = FIGURES[name]
    loss, percent, losses = train(mnist, make)
    assert losses[0] == pytest.approx(np.log(10), abs=0.1)  # that of the untrained net
    assert f"{loss:.4g}" == f"{expected_loss:.4g}"
    assert percent == expected_accuracy


def test_a_learners_optimizer_of_five_lines(mnist: Data) -> None:
    class Mine(optim.Optimizer):
        state = ("v",)

        def rule(self, theta, g, v, *, lr=0.1, mu=0.9):  # type: ignore[no-untyped-def]
            v[:] = mu * v + g
            theta -= lr * v

    # It is Momentum, so it is its run to the last bit.
    mine, momentum = train(mnist, Mine, 100), train(mnist, lambda p: optim.Momentum(p, lr=0.1), 100)
    assert mine == momentum
    assert mine[1] > 85


def test_two_runs_are_the_same(mnist: Data) -> None:
    one, other = (train(mnist, lambda p: optim.Adam(p), 60) for _ in range(2))
    assert one == other
    assert one[2][-1] < one[2][0] / 2
