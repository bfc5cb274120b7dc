"""What the image data sets have in common: bytes kept in memory, handed out a mini-batch at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, SupportsIndex

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.tensor import Tensor
from minigrad.utils.data import Dataset


class ImageDataset(Dataset):
    """Labelled images of one size.

    Attributes:
        data: the images, uint8 of shape (N, height, width), 0 for the background. Read-only on the CPU.
        targets: their labels, int64 of shape (N,).
        classes: the name of each label.
        transform: what is done to a batch of images before it is handed out (see `datasets.transforms`): a
            function of an array of shape (n, height, width), or None to hand out the bytes as they are.
        train: whether these are the images for training.
    """

    classes: ClassVar[Sequence[str]] = ()
    data: Array
    targets: Array

    def __init__(self, data: Array, targets: Array, train: bool, transform: Callable[[Any], Any] | None) -> None:
        if transform is not None and not callable(transform):
            raise TypeError(f"transform is a function of a batch of images, not {transform!r}")
        self.data = data
        self.targets = targets
        self.train = train
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: SupportsIndex) -> tuple[Tensor, int]:
        """Image number `index` (with ToTensor: of shape (1, height, width)) and its label, a Python int.

        Raises IndexError outside -N..N-1 and TypeError for anything but an integer.
        """
        try:
            i = operator.index(index)
        except TypeError:
            raise TypeError(f"{self._name} is indexed by one integer, not {index!r}; see batch()") from None
        images, labels = self.batch(np.array([i]))
        return Tensor(images.data[0]), int(labels.data[0])

    def batch(self, indices: Any) -> tuple[Tensor, Tensor]:
        """The images numbered `indices`, transformed together, and their labels.

        indices: n integers in an array or list; negative ones count from the end. The result is a tensor of
        images, whose first axis has length n, and one of shape (n,) int64.
        Raises IndexError for an index that is out of range and TypeError for indices that are not integers.
        Indices that come on the GPU, as the data are, are not looked at: there one out of range wraps around.
        """
        if not backend.is_array(indices):
            indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(
                f"{self._name}: a batch is a list of integers, not {indices.dtype} of shape {indices.shape}"
            )
        if type(self.data) is np.ndarray:
            try:
                images, labels = self.data.take(indices, axis=0), self.targets.take(indices)
            except IndexError:
                raise self._out_of_range(indices) from None
        else:
            if isinstance(indices, np.ndarray):
                # CuPy does not check the range (it would have to wait for the GPU): look while they are here.
                if indices.size and (indices.min() < -len(self) or indices.max() >= len(self)):
                    raise self._out_of_range(indices)
                indices = backend.to_device(indices, self.index_device)
            images, labels = self.data.take(indices, axis=0), self.targets.take(indices)
        if self.transform is not None:
            images = self.transform(images)
        return Tensor(images), Tensor(labels)  # a transform may return an array or a tensor

    @property
    def index_device(self) -> backend.device:
        """Where the images are."""
        return backend.device_of(self.data)

    def to(self, device: backend.device | str) -> Self:
        """Move all images and labels to `device` ("cpu", "cuda:0"), once; batches are then made there.

        As `Module.to`, it changes the data set itself, and returns it. Raises RuntimeError without a GPU.
        """
        data, targets = backend.to_device(self.data, device), backend.to_device(self.targets, device)
        self.data, self.targets = data, targets  # both or neither
        return self

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _out_of_range(self, indices: np.ndarray) -> IndexError:
        wrong = indices[(indices < -len(self)) | (indices >= len(self))][0]
        return IndexError(f"index {wrong} is out of range for {self._name} with {len(self)} images")

    def __repr__(self) -> str:
        size = "x".join(map(str, self.data.shape[1:]))
        return f"{self._name}(train={self.train}): {len(self)} images of {size} bytes"
