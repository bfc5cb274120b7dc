"""Data sets, and the loader that cuts them into mini-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from minigrad import random
from minigrad.tensor import ShapeError, Tensor


class Dataset:
    """Samples by number. A subclass gives ``__len__`` and ``__getitem__``; `batch` too if it can fetch many at once."""

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must say how many samples it has: define __len__")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must give sample {index}: define __getitem__")

    def batch(self, indices: numpy.ndarray) -> tuple[Any, ...]:
        """The samples `indices` (int64), each part of a sample stacked into one tensor with a new first axis."""
        samples = [self[int(i)] for i in indices]
        parts = zip(*(s if isinstance(s, tuple) else (s,) for s in samples), strict=True)
        return tuple(Tensor(numpy.stack([numpy.asarray(part) for part in each])) for each in parts)


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

    def batch(self, indices: numpy.ndarray) -> tuple[Tensor, ...]:
        """Rows `indices` of every tensor."""
        return tuple(Tensor(t.data.take(indices, axis=0)) for t in self.tensors)


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
        order = generator.permutation(len(self.dataset)) if self.shuffle else numpy.arange(len(self.dataset))
        fetch = getattr(self.dataset, "batch", None) or (lambda indices: Dataset.batch(self.dataset, indices))
        return (fetch(order[k * self.batch_size : (k + 1) * self.batch_size]) for k in range(len(self)))
