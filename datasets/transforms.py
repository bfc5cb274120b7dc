"""What is done to images before a network sees them, with torchvision's names.

A transform here is a function of a whole batch, a NumPy or CuPy array whose first axis counts the images,
and it returns a new array: one call for a hundred images instead of a hundred calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.backend import Array, get_array_module

__all__ = ["Compose", "Flatten", "Lambda", "Normalize", "ToTensor"]


class ToTensor:
    """Bytes to numbers from 0 to 1: (N, height, width) uint8 becomes (N, 1, height, width) float32.

    Each byte is divided by 255 in float32, correctly rounded (a product with 1/255 is not), as torchvision
    does it. Unlike there, a batch comes in, not one picture. Raises TypeError for elements other than bytes
    and ValueError for another number of axes.
    """

    def __call__(self, images: Array) -> Array:
        """`images`, uint8 of shape (N, height, width), as float32 of shape (N, 1, height, width)."""
        xp = get_array_module(images)
        if images.dtype != np.uint8:
            raise TypeError(f"ToTensor takes bytes (uint8), not {images.dtype}")
        if images.ndim != 3:
            raise ValueError(f"ToTensor takes images of shape (N, height, width), not {images.shape}")
        return xp.divide(images[:, None], 255, dtype=np.float32)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(images - mean) / std for each channel; mean and std are numbers, or sequences of one per channel.

    Takes and returns floating-point images of shape (N, channels, height, width), so it comes after
    `ToTensor`; a single mean and std serve any number of channels, and any shape. Raises ValueError for a
    std that is not positive and for a number of channels that does not fit, TypeError for images of integers.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self.std = np.atleast_1d(np.asarray(std, dtype=np.float64))
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(f"Normalize takes as many means as stds, one per channel, not {mean!r} and {std!r}")
        if not (np.all(self.std > 0) and np.all(np.isfinite(self.std)) and np.all(np.isfinite(self.mean))):
            raise ValueError(f"Normalize takes finite means and positive stds, not {mean!r} and {std!r}")

    def __call__(self, images: Array) -> Array:
        """`images` less the mean, over the standard deviation, in a new array of the same dtype."""
        if images.dtype.kind != "f":
            raise TypeError(f"Normalize takes floating-point images, not {images.dtype}: put ToTensor first")
        mean: Any
        std: Any
        if self.mean.size == 1:
            mean, std = self.mean.item(), self.std.item()  # Python numbers keep the images' dtype
        elif images.ndim != 4 or images.shape[1] != self.mean.size:
            raise ValueError(
                f"Normalize has {self.mean.size} means, and images of shape {images.shape} have no "
                f"{self.mean.size} channels on their second axis"
            )
        else:
            xp = get_array_module(images)
            mean = xp.asarray(self.mean, dtype=images.dtype).reshape(-1, 1, 1)
            std = xp.asarray(self.std, dtype=images.dtype).reshape(-1, 1, 1)
        result = images - mean
        result /= std
        return result

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean.tolist()}, std={self.std.tolist()})"


class Flatten:
    """Every image as one row: (N, ...) becomes (N, the product of the rest). Copies nothing if it can."""

    def __call__(self, images: Array) -> Array:
        """`images` of shape (N, ...) as (N, product)."""
        return images.reshape(len(images), math.prod(images.shape[1:]))

    def __repr__(self) -> str:
        return "Flatten()"


class Lambda:
    """A function of one's own as a transform: takes a batch of images, returns one."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        if not callable(function):
            raise TypeError(f"Lambda takes a function of a batch of images, not {function!r}")
        self.function = function

    def __call__(self, images: Array) -> Any:
        """What the function makes of `images`."""
        return self.function(images)

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.function, '__name__', self.function)})"


class Compose:
    """One transform after the other, the first in the list first."""

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(f"Compose takes functions of a batch of images, not {transform!r}")

    def __call__(self, images: Array) -> Any:
        """What the last transform makes of what the others made of `images`."""
        for transform in self.transforms:
            images = transform(images)
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"
