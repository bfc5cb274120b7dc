"""What every library is to train: a training set, mini-batches, initial weights, and an optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Layer = tuple[np.ndarray, np.ndarray]
"""The weight (out, in) and the bias (out,) of a layer, float32."""


@dataclass(frozen=True)
class Workload:
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
    def load(cls, folder: Path) -> Workload:
        """Read what `save` wrote."""
        count = len(list(folder.glob("weight*.npy")))
        layers = [tuple(np.load(folder / f"{part}{i}.npy") for part in ("weight", "bias")) for i in range(count)]
        pixels, labels, order = (np.load(folder / f"{name}.npy") for name in ("pixels", "labels", "order"))
        return cls(pixels, labels, order, layers)

    def reshaped(self, hidden: Sequence[int], batch: int) -> Workload:
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
    """The description of an optimizer, which can be sent to another process.

    Attributes:
        name: what tables call it, and peers know it by.
        spec: what `benchmarks.training.optimizers.entrant` makes minigrad's from.
        settings: its hyperparameters, under PyTorch's names: peers are given the same.
    """

    name: str
    spec: str
    settings: Mapping[str, Any]
