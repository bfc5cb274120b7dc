"""minigrad, with numba and without, and the floor: the bare matrix products."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .library import ON_ARRAYS, Library, Repeat, Way, alternate, chain, constant_gradient, rate_of
from .workload import Rule, Workload


class Floor(Library):
    """Matrix products into arrays that are there already: what nobody who uses this BLAS can do without."""

    name = "floor"
    ways: ClassVar = {"": Way("floor", (), "the matrix products alone, outputs allocated beforehand")}

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
        """Per layer x W' forward, then y' x and (but for the first layer) y W backward: five products for two layers.

        Where a gradient goes back, the layer's own output stands in for it: it has its shape.
        """
        weights = [weight for weight, _ in work.layers]
        first = work.order[0]
        x = (work.pixels[first].reshape(len(first), -1) / 255).astype(np.float32)
        values = [x, *(np.ones((len(x), len(weight)), np.float32) for weight in weights)]
        backs = [np.empty_like(value) for value in values]
        gradients = [np.empty_like(weight) for weight in weights]
        forward = [(values[i], weight.T, values[i + 1]) for i, weight in enumerate(weights)]
        backward = []
        for i in reversed(range(len(weights))):
            backward.append((values[i + 1].T, values[i], gradients[i]))
            if i:
                backward.append((values[i + 1], weights[i], backs[i]))
        products = forward + backward

        def run(n: int) -> float:
            for _ in range(n):
                for a, b, out in products:
                    np.matmul(a, b, out=out)
            return 0.0

        return run

    def update(self, way: str, rule: Rule, size: int) -> Repeat:
        """A plain copy of `size` numbers."""
        there, here = np.zeros(size, np.float32), np.ones(size, np.float32)

        def run(n: int) -> float:
            for _ in range(n):
                np.copyto(there, here)
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Repeat:
        """NumPy alone: no tensor, no tape."""
        start, other, operation = np.full((4, 4), 0.5, np.float32), np.eye(4, dtype=np.float32), ON_ARRAYS[name]

        def run(n: int) -> float:
            y = start
            for _ in range(n):
                y = operation(y, other)
            return 0.0

        return run


class Minigrad(Library):
    """minigrad, through its public interface."""

    name = "minigrad"
    needs: ClassVar[tuple[str, ...]] = ("minigrad",)
    install = "python -m pip install -e ."
    ways: ClassVar = {
        "": Way("minigrad", None, "TensorDataset.batch, zero_grad, model, criterion, backward, step"),
        "loader": Way("minigrad", ("sgd",), "a DataLoader that fetches whole batches", by_epoch=True, own_draws=True),
    }

    @classmethod
    def prepare_process(cls) -> None:
        """Compile formulas at the first step, which is not timed."""
        from minigrad.optim import compiled

        compiled.COMPILED_AFTER = 0

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
        """The public interface and nothing else."""
        from minigrad import nn, utils

        from ..training.optimizers import entrant

        model = nn.Sequential(*alternate(work.layers, lambda n, m: nn.Linear(n, m), nn.ReLU))
        for parameter, value in zip(model.parameters(), itertools.chain(*work.layers), strict=True):
            parameter.data[...] = value
        optimizer = entrant(rule.spec).make(model.parameters(), **rate_of(rule))
        criterion = nn.CrossEntropyLoss()
        if way == "loader":
            batches = self._loader(work)
        else:
            data = utils.data.TensorDataset(work.images, work.labels)
            batches = (data.batch(indices) for indices in itertools.cycle(list(work.order)))

        def run(n: int) -> float:
            for images, labels in itertools.islice(batches, n):
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
            return float(loss.item())

        return run

    @staticmethod
    def _loader(work: Workload) -> Iterator[Any]:
        from minigrad import utils

        from ..training.network import ImageDataset, datasets

        data = ImageDataset(work.pixels, work.labels, True, datasets.transforms.ToTensor())
        loader = utils.data.DataLoader(data, work.order.shape[1], shuffle=True)
        while True:
            for images, labels in loader:
                yield images.view(len(images), -1), labels

    def update(self, way: str, rule: Rule, size: int) -> Repeat:
        """`optimizer.step()`, one parameter."""
        import minigrad

        from ..training.optimizers import entrant

        theta = minigrad.zeros(size, requires_grad=True)
        optimizer = entrant(rule.spec).make([theta], **rate_of(rule))
        theta.backward(minigrad.Tensor(constant_gradient(size)))  # one that is assigned would be copied at every step

        def run(n: int) -> float:
            for _ in range(n):
                optimizer.step()
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Repeat:
        """A chain on the tape."""
        import minigrad

        start = minigrad.tensor(np.full((4, 4), 0.5, np.float32), requires_grad=True)
        return chain(minigrad, start, minigrad.tensor(np.eye(4, dtype=np.float32)), way, name)


class MinigradUncompiled(Minigrad):
    """minigrad as it is without the extra [fast]."""

    name = "minigrad-numpy"
    needs = ("minigrad", "numba")  # where there is no numba, the other one is this already
    install = "python -m pip install numba"
    ways: ClassVar = {
        "": Way("minigrad, NumPy alone", None, "the same with MINIGRAD_COMPILE=0, as it is without numba"),
    }

    @classmethod
    def prepare_process(cls) -> None:
        """Compile nothing."""
        from minigrad.optim import compiled

        compiled.WANTED = False
