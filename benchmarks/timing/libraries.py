"""Who is timed: minigrad, the libraries beside it, and the floor under them all.

Each lives in a process of its own (`benchmarks.timing.workers`), which imports that library and no other. It makes
functions that do something `n` times: training steps (`Peer.training`), an optimizer's update alone
(`Peer.update`), single operations (`Peer.operations`). All train the same network from the same weights on the
same mini-batches, rows gathered from the whole training set in memory, and return the loss of the last one, so
that one can check that they did. Where a library offers several ways, it is given its better one: rows by
``index_select`` in PyTorch, donated buffers and unchecked indices in JAX, and so on.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

Run = Callable[[int], float]
"""Does something `n` times (n >= 1). If it trains, it returns the loss of the n-th mini-batch, before its step."""

Layer = tuple[np.ndarray, np.ndarray]
"""The weight (out, in) and the bias (out,) of a layer, float32."""


@dataclass(frozen=True)
class Work:
    """What everyone is to train.

    Attributes:
        pixels: the training set, bytes (N, height, width).
        labels: its labels (N,), int64.
        order: row k holds the indices of the k-th mini-batch, (batches, size), int64; after the last, the first.
        layers: the weights to start from; between layers is a ReLU.
    """

    pixels: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    layers: Sequence[Layer]

    @cached_property
    def images(self) -> np.ndarray:
        """The training set as float32 from 0 to 1, (N, height * width)."""
        images = self.pixels.reshape(len(self.pixels), -1).astype(np.float32)
        images /= 255
        return images

    def save(self, folder: Path) -> None:
        """Write it all to `folder`."""
        for name, array in (("pixels", self.pixels), ("labels", self.labels), ("order", self.order)):
            np.save(folder / name, array)
        for i, (weight, bias) in enumerate(self.layers):
            np.save(folder / f"weight{i}", weight)
            np.save(folder / f"bias{i}", bias)

    @classmethod
    def load(cls, folder: Path) -> Work:
        """Read what `save` wrote."""
        count = len(list(folder.glob("weight*.npy")))
        layers = [tuple(np.load(folder / f"{part}{i}.npy") for part in ("weight", "bias")) for i in range(count)]
        pixels, labels, order = (np.load(folder / f"{name}.npy") for name in ("pixels", "labels", "order"))
        return cls(pixels, labels, order, layers)

    def reshaped(self, hidden: Sequence[int], batch: int) -> Work:
        """The same images in mini-batches of `batch`, and a network whose hidden layers have the widths `hidden`.

        Its weights are He's (uniform, of variance 2 / inputs): through a hundred layers they neither blow
        gradients up nor let them shrink until arithmetic on denormal numbers is what is timed.
        """
        draws = np.random.RandomState(0)
        sizes = [self.images.shape[1], *hidden, 10]
        layers = [
            (
                draws.uniform(-1, 1, (m, n)).astype(np.float32) * np.float32((6 / n) ** 0.5),
                np.zeros(m, np.float32),
            )
            for n, m in itertools.pairwise(sizes)
        ]
        count = max(1, len(self.labels) // batch)
        order = draws.permutation(len(self.labels))[: count * batch].reshape(count, -1)
        made = replace(self, order=order, layers=layers)
        made.__dict__["images"] = self.images  # computed once for all shapes
        return made


@dataclass(frozen=True)
class Rule:
    """An optimizer, told in what can be sent to another process.

    Attributes:
        name: what tables call it, and peers know it by.
        spec: what `benchmarks.training.optimizers.entrant` makes minigrad's from.
        settings: its hyperparameters, under PyTorch's names: peers are given the same.
    """

    name: str
    spec: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """One way of using a library.

    Attributes:
        label: what tables and pictures call it.
        rules: the optimizers it has, by name; None for any that minigrad has.
        note: what it does that the label does not say.
        by_epoch: it can only be timed a whole epoch at a time.
        own_draws: it draws its own mini-batches, so its losses cannot be compared.
    """

    label: str
    rules: tuple[str, ...] | None
    note: str
    by_epoch: bool = False
    own_draws: bool = False


class Peer:
    """A library. Making one imports it, and limits it to `threads` threads.

    Class attributes:
        name: what the command line calls it.
        needs: the modules it is made of.
        install: the command that installs them.
        ways: the ways of using it that are timed, "" for the plain one.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("numpy",)
    install: ClassVar[str] = "python -m pip install numpy"
    ways: ClassVar[Mapping[str, Way]]

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @classmethod
    def missing(cls) -> list[str]:
        """The modules it needs that are not installed."""
        return [name for name in cls.needs if find_spec(name) is None]

    @classmethod
    def prepare_process(cls) -> None:
        """Set what is set for a whole process; called in one that is this peer's alone."""

    def wake(self, work: Work) -> None:
        """Come back after other processes have worked: read a number of every page of what is trained.

        Caches and page tables are theirs by now. Whoever then comes first to a page would pay for that, on some
        virtual machines more than for its steps.
        """
        work.images.ravel()[::1024].sum()

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """Training steps: mini-batch gathered, gradients cleared, forward, loss, backward, update."""
        raise NotImplementedError(f"{self.name} is not timed training")

    def update(self, way: str, rule: Rule, size: int) -> Run:
        """The update alone, of one vector of `size` float32 parameters with a gradient that stays."""
        raise NotImplementedError(f"{self.name} is not timed updating")

    def operations(self, way: str, name: str) -> Run:
        """A chain of operations on a 4x4 array, each on the result of the last; see `OPERATIONS` and `CHAINS`."""
        raise NotImplementedError(f"{self.name} is not timed on single operations")


# The floor.


class Floor(Peer):
    """Matrix products into arrays that are there already: what nobody who uses this BLAS can do without."""

    name = "floor"
    ways: ClassVar = {"": Way("floor", (), "the matrix products alone, outputs allocated beforehand")}

    def training(self, way: str, rule: Rule, work: Work) -> Run:
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

    def update(self, way: str, rule: Rule, size: int) -> Run:
        """A plain copy of `size` numbers."""
        there, here = np.zeros(size, np.float32), np.ones(size, np.float32)

        def run(n: int) -> float:
            for _ in range(n):
                np.copyto(there, here)
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Run:
        """NumPy alone: no tensor, no tape."""
        start, other, operation = np.full((4, 4), 0.5, np.float32), np.eye(4, dtype=np.float32), ON_ARRAYS[name]

        def run(n: int) -> float:
            y = start
            for _ in range(n):
                y = operation(y, other)
            return 0.0

        return run


# minigrad.


class Minigrad(Peer):
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

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """The public interface and nothing else."""
        from minigrad import nn, utils

        from ..training.optimizers import entrant

        model = nn.Sequential(*_alternate(work.layers, lambda n, m: nn.Linear(n, m), nn.ReLU))
        for parameter, value in zip(model.parameters(), itertools.chain(*work.layers), strict=True):
            parameter.data[...] = value
        optimizer = entrant(rule.spec).make(model.parameters(), **_rate(rule))
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
    def _loader(work: Work) -> Iterator[Any]:
        from minigrad import utils

        from ..training.network import ImageDataset, datasets

        data = ImageDataset(work.pixels, work.labels, True, datasets.transforms.ToTensor())
        loader = utils.data.DataLoader(data, work.order.shape[1], shuffle=True)
        while True:
            for images, labels in loader:
                yield images.view(len(images), -1), labels

    def update(self, way: str, rule: Rule, size: int) -> Run:
        """`optimizer.step()`, one parameter."""
        import minigrad

        from ..training.optimizers import entrant

        theta = minigrad.zeros(size, requires_grad=True)
        optimizer = entrant(rule.spec).make([theta], **_rate(rule))
        theta.backward(minigrad.Tensor(_gradient(size)))  # one that is assigned would be copied at every step

        def run(n: int) -> float:
            for _ in range(n):
                optimizer.step()
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Run:
        """A chain on the tape."""
        import minigrad

        start = minigrad.tensor(np.full((4, 4), 0.5, np.float32), requires_grad=True)
        return _chain(minigrad, start, minigrad.tensor(np.eye(4, dtype=np.float32)), way, name)


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


# PyTorch.

TORCH: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {}),
    "nesterov": ("SGD", {"nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "adadelta": ("Adadelta", {}),
    "adamax": ("Adamax", {}),
    "radam": ("RAdam", {}),
}
"""PyTorch's class for each rule, and what it must be told besides the settings."""


class Torch(Peer):
    """PyTorch, eager, on the CPU."""

    name = "torch"
    needs = ("torch",)
    install = "python -m pip install torch"
    ways: ClassVar = {
        "": Way("PyTorch", tuple(TORCH), "eager, the optimizers' default implementation"),
        "fused": Way(
            "PyTorch fused",
            ("sgd", "momentum", "nesterov", "adagrad", "adam", "adamw"),
            "eager, with fused=True where its CPU has that",
        ),
        "loader": Way("PyTorch", ("sgd",), "a DataLoader that collates single samples, the notebook's way", True, True),
    }

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        self.torch: Any = torch

    def _optimizer(self, way: str, rule: Rule, parameters: Any) -> Any:
        name, more = TORCH[rule.name]
        fused = {"fused": True} if way == "fused" else {}
        return getattr(self.torch.optim, name)(parameters, **rule.settings, **more, **fused)

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """As a PyTorch programmer would; rows by index_select, which is faster than indexing."""
        torch = self.torch
        model = torch.nn.Sequential(*_alternate(work.layers, torch.nn.Linear, torch.nn.ReLU))
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), itertools.chain(*work.layers), strict=True):
                parameter.copy_(torch.from_numpy(value))
        optimizer = self._optimizer(way, rule, model.parameters())
        criterion = torch.nn.CrossEntropyLoss()
        batches = self._loader(work) if way == "loader" else self._gathered(work)

        def run(n: int) -> float:
            for images, labels in itertools.islice(batches, n):
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
            return float(loss.item())

        return run

    def _gathered(self, work: Work) -> Iterator[Any]:
        images, labels, order = map(self.torch.from_numpy, (work.images, work.labels, work.order))
        for indices in itertools.cycle(order.unbind(0)):
            yield images.index_select(0, indices), labels.index_select(0, indices)

    def _loader(self, work: Work) -> Iterator[Any]:
        """A data set that hands out one image at a time, as torchvision's MNIST does.

        That one makes a PIL image of it first, which takes longer still; and the notebook asks for the gradient
        of the images too, which nobody uses. Both are left out.
        """
        torch = self.torch
        pixels, labels = torch.from_numpy(work.pixels), work.labels.tolist()

        class Images:
            def __len__(self) -> int:
                return len(pixels)

            def __getitem__(self, index: int) -> Any:
                return pixels[index].to(torch.float32).div(255), labels[index]

        loader = torch.utils.data.DataLoader(Images(), batch_size=work.order.shape[1], shuffle=True)
        while True:
            for some, theirs in loader:
                yield some.view(len(some), -1), theirs

    def update(self, way: str, rule: Rule, size: int) -> Run:
        """`optimizer.step()`, one parameter."""
        theta = self.torch.zeros(size, requires_grad=True)
        theta.grad = self.torch.from_numpy(_gradient(size))
        optimizer = self._optimizer(way, rule, [theta])

        def run(n: int) -> float:
            for _ in range(n):
                optimizer.step()
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Run:
        """A chain on PyTorch's tape."""
        return _chain(self.torch, self.torch.full((4, 4), 0.5, requires_grad=True), self.torch.eye(4), way, name)


# JAX.


class Jax(Peer):
    """JAX and optax, compiled by XLA for the CPU.

    XLA has no setting that keeps it to a number of threads: where the system allows it, the process is kept to
    that number of cores.
    """

    name = "jax"
    needs = ("jax", "optax")
    install = "python -m pip install jax optax"
    rules: ClassVar = (
        "sgd",
        "momentum",
        "nesterov",
        "adagrad",
        "rmsprop",
        "adam",
        "adamw",
        "adadelta",
        "adamax",
        "radam",
    )
    ways: ClassVar = {
        "": Way("JAX", rules, "jitted, a call per step; optax; kept to as many cores as threads"),
        "epoch": Way("JAX, epoch", rules, "a whole epoch compiled under lax.scan; optax", by_epoch=True),
    }

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
        import jax
        import optax

        self.jax: Any = jax
        self.optax: Any = optax
        self._held: tuple[Work, tuple[Any, Any, Any]] | None = None

    def _arrays(self, work: Work) -> tuple[Any, Any, Any]:
        """Images, labels and order as JAX's arrays: one copy for all optimizers."""
        if self._held is None or self._held[0] is not work:
            put = self.jax.device_put
            self._held = work, (put(work.images), put(work.labels.astype(np.int32)), put(work.order))
        return self._held[1]

    def wake(self, work: Work) -> None:
        """Read the images' copy."""
        images, *_ = self._arrays(work)
        np.asarray(images).ravel()[::1024].sum()

    def _transformation(self, rule: Rule) -> Any:
        """optax's rule, told to be the same as PyTorch's.

        One is not quite: Adagrad's eps stands inside its square root, so it is given the square of the other.
        """
        optax, s = self.optax, dict(rule.settings)
        lr, eps = s["lr"], s.get("eps", 0.0)
        beta1, beta2 = s.get("betas", (None, None))
        made: dict[str, Callable[[], Any]] = {
            "sgd": lambda: optax.sgd(lr),
            "momentum": lambda: optax.sgd(lr, s["momentum"]),
            "nesterov": lambda: optax.sgd(lr, s["momentum"], nesterov=True),
            "adagrad": lambda: optax.adagrad(lr, initial_accumulator_value=0.0, eps=eps**2),
            "rmsprop": lambda: optax.rmsprop(lr, decay=s["alpha"], eps=eps, eps_in_sqrt=False),
            "adam": lambda: optax.adam(lr, beta1, beta2, eps),
            "adamw": lambda: optax.adamw(lr, beta1, beta2, eps, weight_decay=s["weight_decay"]),
            "adadelta": lambda: optax.adadelta(lr, s["rho"], eps),
            "adamax": lambda: optax.adamax(lr, beta1, beta2, eps),
            "radam": lambda: optax.radam(lr, beta1, beta2, eps),
        }
        return made[rule.name]()

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """A jitted function that gathers, differentiates and updates: of one mini-batch, or of a scan over all."""
        jax, optax, transformation = self.jax, self.optax, self._transformation(rule)

        def loss_of(layers: Any, x: Any, labels: Any) -> Any:
            for weight, bias in layers[:-1]:
                x = jax.nn.relu(x @ weight.T + bias)
            weight, bias = layers[-1]
            logits = x @ weight.T + bias
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        def step(carried: Any, indices: Any, images: Any, labels: Any) -> Any:
            layers, state = carried
            x, y = (rows.at[indices].get(mode="promise_in_bounds") for rows in (images, labels))
            loss, gradients = jax.value_and_grad(loss_of)(layers, x, y)
            updates, state = transformation.update(gradients, state, layers)
            return (optax.apply_updates(layers, updates), state), loss

        def epoch(carried: Any, order: Any, images: Any, labels: Any) -> Any:
            return jax.lax.scan(lambda c, indices: step(c, indices, images, labels), carried, order)

        images, labels, order = self._arrays(work)
        layers = jax.tree.map(jax.numpy.array, list(work.layers))
        carried = (layers, transformation.init(layers))
        compiled = jax.jit(epoch if way == "epoch" else step, donate_argnums=0)
        parts = itertools.cycle([order] if way == "epoch" else list(order))

        def run(n: int) -> float:
            nonlocal carried
            for part in itertools.islice(parts, n if way != "epoch" else -(-n // len(work.order))):
                carried, loss = compiled(carried, part, images, labels)
            loss = jax.block_until_ready(loss)
            return float(loss if way != "epoch" else loss[(n - 1) % len(loss)])

        return run


# HIPS autograd.


class Autograd(Peer):
    """HIPS autograd: gradients of functions written in NumPy."""

    name = "autograd"
    needs = ("autograd",)
    install = "python -m pip install autograd"
    ways: ClassVar = {
        "": Way(
            "autograd",
            ("sgd", "momentum", "adam"),
            "value_and_grad; rules in NumPy, in float32 (its own samples make it float64)",
        )
    }

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """Labels one-hot, since indexing by labels is slow to differentiate; a rule of a line or two per array."""
        import autograd
        import autograd.numpy as anp

        def loss_of(layers: Any, x: Any, targets: Any) -> Any:
            for weight, bias in layers[:-1]:
                x = anp.maximum(anp.dot(x, weight.T) + bias, 0)
            weight, bias = layers[-1]
            z = anp.dot(x, weight.T) + bias
            z = z - anp.max(z, axis=1, keepdims=True)
            log_p = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
            return -anp.sum(log_p * targets) / len(targets)

        loss_and_gradients = autograd.value_and_grad(loss_of)
        targets = np.eye(10, dtype=np.float32)[work.labels]
        layers = [(weight.copy(), bias.copy()) for weight, bias in work.layers]
        update = _plain_rule(rule, layers)
        batches = itertools.cycle(list(work.order))

        def run(n: int) -> float:
            for indices in itertools.islice(batches, n):
                loss, gradients = loss_and_gradients(layers, work.images.take(indices, 0), targets.take(indices, 0))
                update(gradients)
            return float(loss)

        return run


def _plain_rule(rule: Rule, layers: Sequence[Layer]) -> Callable[[Any], None]:
    """SGD, momentum or Adam in plain NumPy, array by array."""
    thetas = list(itertools.chain(*layers))
    zeros = [np.zeros_like(theta) for theta in thetas]
    s, lr = rule.settings, rule.settings["lr"]

    def sgd(gradients: Any) -> None:
        for theta, g in zip(thetas, itertools.chain(*gradients), strict=True):
            theta -= lr * g

    def momentum(gradients: Any) -> None:
        for theta, g, v in zip(thetas, itertools.chain(*gradients), zeros, strict=True):
            v *= s["momentum"]
            v += g
            theta -= lr * v

    averages = [(m, m.copy()) for m in zeros]
    steps = itertools.count(1)

    def adam(gradients: Any) -> None:
        (beta1, beta2), t = s["betas"], next(steps)
        for theta, g, (m, v) in zip(thetas, itertools.chain(*gradients), averages, strict=True):
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            theta -= lr / (1 - beta1**t) * m / (np.sqrt(v / (1 - beta2**t)) + s["eps"])

    rules: dict[str, Callable[[Any], None]] = {"sgd": sgd, "momentum": momentum, "adam": adam}
    return rules[rule.name]


# scikit-learn.


class Sklearn(Peer):
    """scikit-learn's MLPClassifier."""

    name = "sklearn"
    needs = ("sklearn",)
    install = "python -m pip install scikit-learn"
    ways: ClassVar = {
        "": Way(
            "scikit-learn",
            ("sgd", "momentum", "nesterov", "adam"),
            "MLPClassifier.partial_fit on each mini-batch, which also checks the batch and makes the labels one-hot",
        )
    }

    def training(self, way: str, rule: Rule, work: Work) -> Run:
        """partial_fit of one mini-batch is one step (its batch_size being as large); no penalty, no shuffling."""
        from sklearn.neural_network import MLPClassifier

        s = rule.settings
        beta1, beta2 = s.get("betas", (0.9, 0.999))
        model = MLPClassifier(
            hidden_layer_sizes=[len(weight) for weight, _ in work.layers[:-1]],
            solver="adam" if rule.name == "adam" else "sgd",
            alpha=0,
            batch_size=work.order.shape[1],
            shuffle=False,
            learning_rate_init=s["lr"],
            momentum=s.get("momentum", 0),
            nesterovs_momentum=rule.name == "nesterov",
            beta_1=beta1,
            beta_2=beta2,
            epsilon=s.get("eps", 1e-8),
        )
        images, labels = work.images, work.labels
        classes = np.arange(len(work.layers[-1][1]))
        first = work.order[0]
        model.partial_fit(images.take(first, 0), labels.take(first), classes=classes)  # lays out the weights ...
        for i, (weight, bias) in enumerate(work.layers):  # ... which are then set to ours
            model.coefs_[i][...] = weight.T
            model.intercepts_[i][...] = bias
        del model._optimizer  # it starts anew
        batches = itertools.cycle(list(work.order))

        def run(n: int) -> float:
            for indices in itertools.islice(batches, n):
                model.partial_fit(images.take(indices, 0), labels.take(indices))
            return float(model.loss_)

        return run


PEERS: Mapping[str, type[Peer]] = {
    peer.name: peer for peer in (Floor, Minigrad, MinigradUncompiled, Torch, Jax, Autograd, Sklearn)
}
"""All of them by name; the first two are always there."""


# What several of them use.


def _alternate(layers: Sequence[Layer], linear: Callable[[int, int], Any], relu: Callable[[], Any]) -> list[Any]:
    """Modules for these layers, with a ReLU between two."""
    modules = [module for weight, _ in layers for module in (linear(weight.shape[1], weight.shape[0]), relu())]
    return modules[:-1]


def _rate(rule: Rule) -> dict[str, Any]:
    """The learning rate, for a built-in optimizer: it may not be the usual one. A learner's has its own."""
    return {} if ":" in rule.spec else {"lr": rule.settings["lr"]}


def _gradient(size: int) -> np.ndarray:
    """A gradient of `size` numbers, none of them 0: a thousand draws again and again."""
    draws = np.random.RandomState(0).standard_normal(1000).astype(np.float32)
    return np.resize(draws, size)


ON_TENSORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": lambda y, c: y + c,
    "multiply": lambda y, c: y * c,
    "matmul": lambda y, c: y @ c,
    "relu": lambda y, c: y.relu(),
    "tanh": lambda y, c: y.tanh(),
    "sum": lambda y, c: y.sum(0, keepdim=True),
    "log_softmax": lambda y, c: y.log_softmax(1),
    "reshape": lambda y, c: y.reshape(4, 4),
    "index": lambda y, c: y[0:4],
}
"""Operations that can be chained on a 4x4 tensor, `c` being the identity; PyTorch and minigrad spell them alike."""

ON_ARRAYS: Mapping[str, Callable[[Any, Any], Any]] = {
    **ON_TENSORS,
    "relu": lambda y, c: np.maximum(y, 0),
    "tanh": lambda y, c: np.tanh(y),
    "sum": lambda y, c: y.sum(0, keepdims=True),
    "log_softmax": lambda y, c: y - np.log(np.exp(y).sum(1, keepdims=True)),
}
"""The same in NumPy."""

LINKS = 100
"""How many operations there are in a chain: `Peer.operations` are done a multiple of so many times."""

CHAINS = ("", "unrecorded", "backward")
"""Chains are timed as they are (recorded), under no_grad, and together with the way back."""


def _chain(library: Any, start: Any, other: Any, way: str, name: str) -> Run:
    """Chains of operations, `LINKS` long, in a library with PyTorch's names."""
    operation = ON_TENSORS[name]

    def run(n: int) -> float:
        for _ in range(n // LINKS):
            y = start
            for _ in range(LINKS):
                y = operation(y, other)
            if way == "backward":
                start.grad = None
                y.sum().backward()
        return 0.0

    return library.no_grad()(run) if way == "unrecorded" else run
