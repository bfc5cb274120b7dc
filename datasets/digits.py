"""Digits: the 1797 small handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .images import ImageDataset

TRAIN_IMAGES = 1400


class Digits(ImageDataset):
    """1797 handwritten digits of 8x8 pixels (E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten
    Digits", UCI Machine Learning Repository, 1998; its test set), from `sklearn.datasets.load_digits`.

    Small enough to try an idea in a second. scikit-learn is imported when a Digits is made, not before.

    Args:
        root, download: not used; they are here so that all data sets are made alike.
        train: the first 1400 images in scikit-learn's order, or else the last 397, for testing.
        transform: applied to every batch; see `ImageDataset`.

    scikit-learn counts 0 to 16 in a pixel. Here, as in the other data sets, an image is bytes from 0 to 255,
    and so `ToTensor` gives numbers from 0 to 1: count c becomes the byte nearest to 255 c / 16.

    Raises:
        ImportError: scikit-learn is not installed.
    """

    classes: ClassVar[Sequence[str]] = tuple("0123456789")

    def __init__(
        self,
        root: object = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise ImportError(
                "Digits comes with scikit-learn, which is not installed: python -m pip install scikit-learn"
            ) from None
        bunch = load_digits()
        part = slice(None, TRAIN_IMAGES) if train else slice(TRAIN_IMAGES, None)
        counts = bunch.images[part].astype(np.int64)
        data = ((counts * 255 + 8) // 16).astype(np.uint8)
        targets = bunch.target[part].astype(np.int64)
        data.flags.writeable = targets.flags.writeable = False
        super().__init__(data, targets, train, transform)
