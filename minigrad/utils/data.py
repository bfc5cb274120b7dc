"""Data sets, and the loader that cuts them into mini-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from minigrad import backend, random
from minigrad.backend import Array
from minigrad.tensor import ShapeError, Tensor


class Dataset:
    """Samples by number. A subclass gives ``__len__`` and ``__getitem__``; `batch` too if it can fetch many at once."""

    @property
    def index_device(self) -> backend.device:
        """Where `batch` is to find its indices: a data set on a GPU has those of a whole epoch sent there at once."""
        return backend.CPU

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must say how many samples it has: define __len__")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must give sample {index}: define __getitem__")

    def batch(self, indices: numpy.ndarray) -> tuple[Any, ...]:
        """The samples `indices` (int64), each part of a sample stacked into one tensor with a new first axis."""
        samples = [self[int(i)] for i in indices]
        parts = zip(*(s if isinstance(s, tuple) else (s,) for s in samples), strict=True)
        return tuple(Tensor(numpy.stack([_as_array(part) for part in each])) for each in parts)


def _as_array(part: Any) -> Array:
    array = part.data if isinstance(part, Tensor) else part
    return array if backend.is_array(array) else numpy.asarray(array)


class TensorDataset(Dataset):
    """Tensors whose first axes run over the same samples.

    Raises:
        ValueError: there are none, or their first axes differ in length.
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        lengths = {t.shape[0] if t.ndim else None for t in self.tensors}
        if len(lengths) != 1 or None in lengths:
            raise ShapeError(
                f"TensorDataset: first axes must have one length; shapes are {[t.shape for t in self.tensors]}"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    @property
    def index_device(self) -> backend.device:
        """Where the (first) tensor lives."""
        return self.tensors[0].device

    def batch(self, indices: Array) -> tuple[Tensor, ...]:
        """Rows `indices` of every tensor.

        Indices that come on a GPU are not looked at (the host would have to wait): one out of range wraps around.

        Raises:
            IndexError: an index is out of range.
        """
        return tuple(Tensor(_rows(t.data, indices)) for t in self.tensors)


def _rows(array: Array, indices: Array) -> Array:
    if type(array) is not numpy.ndarray and isinstance(indices, numpy.ndarray):
        # A GPU would not find an index out of range: look while they are here.
        wrong = indices[(indices < -len(array)) | (indices >= len(array))]
        if wrong.size:
            raise IndexError(f"index {wrong[0]} is out of range for a data set of {len(array)} samples")
        indices = backend.to_device(indices, backend.device_of(array))
    return array.take(indices, axis=0)


class DataLoader:
    """Mini-batches of a data set, in order or shuffled.

    Each start of an iteration takes a 64-bit draw, and with `shuffle` a permutation, from the generator, in the
    manner of the PyTorch that made the notebook; so testing in the middle of an epoch shifts later epochs' draws.

    Args:
        dataset: a `Dataset`, or anything with ``len`` and ``[i]``.
        batch_size: samples in a mini-batch; the last one may be smaller.
        shuffle: draw a new order for every epoch.
        drop_last: leave out a last mini-batch that is smaller.

    Raises:
        ValueError: the batch size is not a positive integer, or the data set is empty.
    """

    def __init__(self, dataset: Any, batch_size: int = 1, shuffle: bool = False, drop_last: bool = False) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, numpy.integer)) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer, not {batch_size!r}")
        if not len(dataset):
            raise ValueError("the data set is empty: there is nothing to load")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        # Not a generator function: the draws belong to the call of iter(), before anything else draws.
        generator = random.default_generator
        generator.outputs64(1)
        order: Array = generator.permutation(len(self.dataset)) if self.shuffle else numpy.arange(len(self.dataset))
        if isinstance(self.dataset, Dataset):
            order = backend.to_device(order, self.dataset.index_device)
        fetch = getattr(self.dataset, "batch", None) or (lambda indices: Dataset.batch(self.dataset, indices))
        return (fetch(order[k * self.batch_size : (k + 1) * self.batch_size]) for k in range(len(self)))
