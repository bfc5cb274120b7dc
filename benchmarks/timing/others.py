"""The other libraries: PyTorch, JAX, HIPS autograd and scikit-learn."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .library import Library, Repeat, Way, alternate, chain, constant_gradient
from .workload import Layer, Rule, Workload

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
"""PyTorch's class for each rule, and the arguments it needs besides the hyperparameters."""


class Torch(Library):
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

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
        """As a PyTorch programmer would; rows by index_select, which is faster than indexing."""
        torch = self.torch
        model = torch.nn.Sequential(*alternate(work.layers, torch.nn.Linear, torch.nn.ReLU))
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

    def _gathered(self, work: Workload) -> Iterator[Any]:
        images, labels, order = map(self.torch.from_numpy, (work.images, work.labels, work.order))
        for indices in itertools.cycle(order.unbind(0)):
            yield images.index_select(0, indices), labels.index_select(0, indices)

    def _loader(self, work: Workload) -> Iterator[Any]:
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

    def update(self, way: str, rule: Rule, size: int) -> Repeat:
        """`optimizer.step()`, one parameter."""
        theta = self.torch.zeros(size, requires_grad=True)
        theta.grad = self.torch.from_numpy(constant_gradient(size))
        optimizer = self._optimizer(way, rule, [theta])

        def run(n: int) -> float:
            for _ in range(n):
                optimizer.step()
            return 0.0

        return run

    def operations(self, way: str, name: str) -> Repeat:
        """A chain on PyTorch's tape."""
        return chain(self.torch, self.torch.full((4, 4), 0.5, requires_grad=True), self.torch.eye(4), way, name)


class Jax(Library):
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
        self._held: tuple[Workload, tuple[Any, Any, Any]] | None = None

    def _arrays(self, work: Workload) -> tuple[Any, Any, Any]:
        """Images, labels and order as JAX's arrays: one copy for all optimizers."""
        if self._held is None or self._held[0] is not work:
            put = self.jax.device_put
            self._held = work, (put(work.images), put(work.labels.astype(np.int32)), put(work.order))
        return self._held[1]

    def wake(self, work: Workload) -> None:
        """Read the images' copy."""
        images, *_ = self._arrays(work)
        np.asarray(images).ravel()[::1024].sum()

    def _transformation(self, rule: Rule) -> Any:
        """optax's rule, with arguments that make it the same as PyTorch's.

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

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
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


class Autograd(Library):
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

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
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


class Sklearn(Library):
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

    def training(self, way: str, rule: Rule, work: Workload) -> Repeat:
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
