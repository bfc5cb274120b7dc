"""Tables of vectors, and labels as vectors."""

from __future__ import annotations

from typing import Any

import numpy

from minigrad import backend, ops
from minigrad.functions.taken import tensor_of
from minigrad.nn.functional.common import refuse
from minigrad.tensor import ShapeError, Tensor, int64


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None, **options: Any) -> Tensor:
    """The rows of a table `weight` (n, m) at the places `input`, integers of any shape (...): (..., m).

    No gradient flows to the row `padding_idx`.

    Raises:
        TypeError: the places are not integers.
        ShapeError: the table is not a matrix, or has no row `padding_idx`.
        IndexError: the table has no such row (on the CPU).
    """
    refuse("embedding", "its gradients are dense and its rows are not rescaled", **options)
    places = tensor_of("embedding", input)
    if places.dtype.kind not in "iu":
        raise TypeError(f"embedding: the places are integers, not {places.dtype}: convert them with .long()")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the table is a matrix, not of shape {weight.shape}")
    _check_rows(places, weight.shape[0])
    rows = weight[places]
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ShapeError(f"embedding: a table of {weight.shape[0]} rows has no row {padding_idx}")
    padded = places.data == padding_idx % weight.shape[0]
    return ops.where(Tensor(padded[..., None]), rows.detach(), rows)


def _check_rows(places: Tensor, count: int) -> None:
    if isinstance(places.data, numpy.ndarray) and places.numel():
        for place in (places.data.min(), places.data.max()):
            if not 0 <= place < count:
                raise IndexError(f"embedding: a table of {count} rows has no row {place}")


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """1 at the place that a label says, and 0 elsewhere: labels of any shape (...) give (..., num_classes), int64.

    Raises:
        TypeError: the labels are not integers.
        ValueError: a label is negative, or not less than the number of classes (by default the largest label + 1).
    """
    labels = tensor_of("one_hot", tensor)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels are integers, not {labels.dtype}: convert them with .long()")
    array = backend.to_numpy(labels.data)
    if not array.size and num_classes < 1:
        raise ValueError("one_hot: without labels, give the number of classes")
    count = int(array.max()) + 1 if num_classes == -1 else num_classes
    if array.size and not 0 <= array.min() <= array.max() < count:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"one_hot: label {wrong} is none of the {count} classes 0 to {count - 1}")
    found = (array[..., None] == numpy.arange(count)).astype(int64)
    return Tensor(backend.to_device(found, labels.device))
