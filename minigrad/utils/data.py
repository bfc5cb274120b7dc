"""Data sets, and the loader that divides them into mini-batches."""

from __future__ import annotations

import bisect
import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy

from minigrad import backend, conversion, ops, random
from minigrad.backend import Array
from minigrad.missing import missing_from
from minigrad.tensor import ShapeError, Tensor


class Dataset:
    """A sequence of samples. A subclass defines ``__len__`` and ``__getitem__``, and `batch` if that can be faster."""

    @property
    def index_device(self) -> backend.device:
        """The device for the indices that `batch` gets: for a data set on a GPU a whole epoch's are moved at once."""
        return backend.CPU

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__, the number of its samples")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__, to return sample {index}")

    def batch(self, indices: numpy.ndarray) -> Any:
        """The samples `indices` (int64) as one mini-batch, combined by `default_collate`."""
        return default_collate([self[int(i)] for i in indices])

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


def default_collate(batch: Sequence[Any]) -> Any:
    """Combine samples of the same structure into one mini-batch of that structure (PyTorch's ``default_collate``).

    Tensors, arrays and numbers become a tensor with a new first axis. They keep their dtype; Python floats become
    float64, integers int64 and bools bool, as in PyTorch. Strings and bytes become a list. Dictionaries, lists and
    named tuples become one of their type, whose parts are mini-batches. Tuples become a tuple (in PyTorch a list).

    Samples that do not fit together are refused (PyTorch would follow the first one): dictionaries with different keys,
    parts of different types, integers among floats.

    Raises:
        ValueError: there are no samples, or their shapes, lengths or keys differ.
        TypeError: a part is of a type that cannot be in a mini-batch (None, for example), or the types differ.
    """
    samples = list(batch)
    if not samples:
        raise ValueError("a mini-batch needs at least one sample")
    try:
        return _collate(samples, "")
    except RecursionError:
        raise ValueError("samples that are nested too deeply, or hold themselves, cannot be collated") from None


def _collate(parts: list[Any], place: str) -> Any:
    """Combine one part of all samples; `place` describes it for messages, as ``['x'][0]``."""
    kind = _same("kind", [_kind(part, f"sample {i}{place}") for i, part in enumerate(parts)], place, TypeError)
    if kind == "numbers":
        return _stack(parts, place)
    if kind in ("a string", "bytes"):
        return parts
    first = parts[0]
    if kind == "a dictionary":
        _same("keys", [set(part) for part in parts], place)
        columns = {key: _collate([part[key] for part in parts], f"{place}[{key!r}]") for key in first}
        if not isinstance(first, MutableMapping):
            return columns
        twin = copy.copy(first)  # keeps the type, for example OrderedDict
        twin.update(columns)
        return twin
    _same("number of parts", [len(part) for part in parts], place)
    values = [_collate(list(column), f"{place}[{i}]") for i, column in enumerate(zip(*parts, strict=True))]
    if hasattr(first, "_make"):
        return first._make(values)
    try:
        return type(first)(values)
    except TypeError:  # for example a range
        return values


def _kind(part: Any, name: str) -> str:
    if isinstance(part, str):
        return "a string"
    if isinstance(part, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(part, (bool, int, float)) or hasattr(type(part), "__array__"):
        return "numbers"
    if isinstance(part, Mapping):
        return "a dictionary"
    if isinstance(part, Sequence):
        named = isinstance(part, tuple) and hasattr(part, "_make")
        return f"a named tuple {type(part).__name__}" if named else "a tuple" if isinstance(part, tuple) else "a list"
    what = "None" if part is None else f"of type {type(part).__name__}"
    raise TypeError(
        f"{name} is {what}: a mini-batch is made of tensors, arrays, numbers, strings, bytes, and dictionaries, lists "
        "and tuples of these"
    )


def _stack(parts: list[Any], place: str) -> Tensor:
    arrays = [_as_array(part, f"sample {i}{place}") for i, part in enumerate(parts)]
    _same("type of numbers", [_NUMBERS[array.dtype.kind] for array in arrays], place, TypeError)
    _same("shape", [tuple(array.shape) for array in arrays], place)
    _same("device", [str(backend.device_of(array)) for array in arrays], place)
    if any(isinstance(part, Tensor) and part.requires_grad for part in parts):
        return ops.stack(
            [part if isinstance(part, Tensor) else Tensor(a) for part, a in zip(parts, arrays, strict=True)]
        )
    stacked = backend.get_array_module(arrays[0]).stack(arrays)
    return Tensor(stacked.astype(stacked.dtype.newbyteorder("="), copy=False))


_NUMBERS = {"b": "bool", "i": "integers", "u": "unsigned integers", "f": "floating-point numbers"}


def _as_array(part: Any, name: str) -> Array:
    """A number, an array or a tensor as an array of numbers."""
    array = part.data if isinstance(part, Tensor) else part
    if not backend.is_array(array):
        try:
            array = numpy.asarray(
                array, numpy.int64 if isinstance(array, int) and not isinstance(array, bool) else None
            )
        except OverflowError:
            raise ValueError(f"{name} is an integer that does not fit into 64 bits") from None
    if array.dtype.kind not in _NUMBERS or isinstance(array, numpy.ma.MaskedArray):
        masked = "a masked array" if isinstance(array, numpy.ma.MaskedArray) else f"of dtype {array.dtype}"
        raise TypeError(f"{name} is {masked}: a mini-batch is made of real numbers")
    return numpy.asarray(array) if isinstance(array, numpy.ndarray) else array


def _same(what: str, features: list[Any], place: str, error: type[Exception] = ValueError) -> Any:
    """The feature that all samples have in common; raises if they differ."""
    for i, feature in enumerate(features):
        if feature != features[0]:
            raise error(
                f"the samples of a mini-batch must have the same {what}: sample 0{place} has {features[0]}, "
                f"sample {i}{place} has {feature}"
            )
    return features[0]


class TensorDataset(Dataset):
    """A data set of tensors, in each of which the first axis is the number of the sample.

    Raises:
        ValueError: there are no tensors, or their first axes differ in length.
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        lengths = {t.shape[0] if t.ndim else None for t in self.tensors}
        if len(lengths) != 1 or None in lengths:
            raise ShapeError(
                f"TensorDataset: first axes must have the same length; shapes are {[t.shape for t in self.tensors]}"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    @property
    def index_device(self) -> backend.device:
        """The device of the (first) tensor."""
        return self.tensors[0].device

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(f'{t.shape} {t.dtype}' for t in self.tensors)})"

    def batch(self, indices: Array) -> tuple[Tensor, ...]:
        """Rows `indices` of every tensor.

        Indices on a GPU are not checked, since the CPU would have to wait for that; one out of range wraps around.

        Raises:
            IndexError: an index is out of range (if the indices are on the CPU).
        """
        return tuple(Tensor(_rows(t.data, indices)) for t in self.tensors)


def _rows(array: Array, indices: Array) -> Array:
    if type(array) is not numpy.ndarray and isinstance(indices, numpy.ndarray):
        # CuPy does not check whether indices are in range, so check them here.
        wrong = indices[(indices < -len(array)) | (indices >= len(array))]
        if wrong.size:
            raise IndexError(f"index {wrong[0]} is out of range for a data set of {len(array)} samples")
        indices = backend.to_device(indices, backend.device_of(array))
    return array.take(indices, axis=0)


class Subset(Dataset):
    """Some samples of a data set: those at `indices`.

    Raises:
        IndexError: the data set has no such sample.
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = [int(i) for i in indices]
        count = len(dataset)
        if wrong := [i for i in self.indices if not -count <= i < count]:
            raise IndexError(f"Subset: index {wrong[0]} is out of range for a data set of {count} samples")
        self._places = numpy.array(self.indices, dtype=numpy.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def batch(self, indices: numpy.ndarray) -> Any:
        """The samples at these places of the subset."""
        places = self._places[indices]
        fetch = getattr(self.dataset, "batch", None)
        return fetch(places) if callable(fetch) else default_collate([self.dataset[int(i)] for i in places])

    def __repr__(self) -> str:
        return f"Subset(of {len(self)} samples of {_shown(self.dataset)})"


class ConcatDataset(Dataset):
    """Data sets one after the other.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: there are no data sets to join")
        self.cumulative_sizes = numpy.cumsum([len(d) for d in self.datasets]).tolist()

    def __len__(self) -> int:
        return int(self.cumulative_sizes[-1])

    def __getitem__(self, index: int) -> Any:
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(f"index {index} is out of range for a data set of {len(self)} samples")
        k = bisect.bisect_right(self.cumulative_sizes, i)
        return self.datasets[k][i - (self.cumulative_sizes[k - 1] if k else 0)]

    def __repr__(self) -> str:
        return f"ConcatDataset({', '.join(map(_shown, self.datasets))})"


def random_split(dataset: Any, lengths: Sequence[float], generator: random.Generator | None = None) -> list[Subset]:
    """Divide a data set at random into parts of these lengths, or of these fractions, which add up to 1.

    Of what the fractions leave over, the first parts get one sample more, as in PyTorch, and its draws are used.

    Raises:
        ValueError: the lengths do not add up to that of the data set, or the fractions to 1.
    """
    total = len(dataset)
    counts = [int(n) for n in lengths] if all(conversion.is_whole(n) for n in lengths) else []
    if not counts and math.isclose(sum(lengths), 1) and all(0 <= part <= 1 for part in lengths):
        counts = [math.floor(total * part) for part in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    if sum(counts) != total or min(counts, default=0) < 0:
        raise ValueError(f"random_split: {list(lengths)} do not add up to the {total} samples of the data set, or to 1")
    order = (random.default_generator if generator is None else generator).permutation(total)
    ends = numpy.cumsum(counts).tolist()
    return [Subset(dataset, order[end - n : end].tolist()) for n, end in zip(counts, ends, strict=True)]


def _shown(dataset: Any) -> str:
    """A data set in one line."""
    if isinstance(dataset, Dataset) and type(dataset).__repr__ is not object.__repr__:
        return repr(dataset)
    return f"{type(dataset).__name__} of {len(dataset)} samples"


class DataLoader:
    """Mini-batches of a data set, in order or shuffled.

    Samples are fetched by the data set's `batch`, or one by one and then combined by `collate_fn`.

    Each iteration begins with a 64-bit draw from the generator and, with `shuffle`, a permutation. This is what PyTorch
    did in the course notebook ("6. Optimizers"), so that testing during an epoch changes the order of later epochs.
    (Today's PyTorch shuffles by a generator that it seeds with that draw.)

    Args:
        dataset: a `Dataset`, or anything with ``len`` and ``[i]``.
        batch_size: the number of samples in a mini-batch; the last one may be smaller. With None there are no
            mini-batches, but single samples, as they are.
        shuffle: draw a new order for every epoch.
        num_workers: only 0: this process loads the data.
        collate_fn: makes a mini-batch from a list of samples; by default `default_collate`.
        pin_memory: accepted, and of no effect.
        drop_last: leave out the last mini-batch if it is smaller.
        generator: draw from this one instead of the default generator.

    Raises:
        ValueError: the batch size is not a positive integer, or the data set is empty.
        TypeError: an argument that PyTorch has and minigrad has not.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = False,
        *,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        generator: random.Generator | None = None,
        **others: Any,
    ) -> None:
        if used := [name for name, value in others.items() if value is not None and value is not False]:
            raise TypeError(f"DataLoader: {', '.join(used)} is not in minigrad: it has no samplers and no workers")
        if num_workers:
            raise TypeError(f"DataLoader: num_workers={num_workers} is not in minigrad: this process loads the data")
        if batch_size is not None and (not conversion.is_whole(batch_size) or batch_size < 1):
            raise ValueError(f"batch_size must be a positive integer, not {batch_size!r}")
        if not len(dataset):
            raise ValueError("the data set is empty: there is nothing to load")
        self.dataset = dataset
        self.batch_size = None if batch_size is None else int(batch_size)
        self.shuffle = bool(shuffle)
        self.num_workers = 0
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.generator = generator

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size or 1)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        # This is not a generator function, so the random numbers are drawn when iter() is called.
        generator = random.default_generator if self.generator is None else self.generator
        generator.outputs64(1)
        order: Array = generator.permutation(len(self.dataset)) if self.shuffle else numpy.arange(len(self.dataset))
        if self.batch_size is None:
            keep = self.collate_fn or (lambda sample: sample)
            return (keep(self.dataset[int(i)]) for i in order)
        fetch = self._fetch()
        if isinstance(self.dataset, Dataset) and self.collate_fn is None:
            order = backend.to_device(order, self.dataset.index_device)
        size = self.batch_size
        return (fetch(order[k * size : (k + 1) * size]) for k in range(len(self)))

    def _fetch(self) -> Callable[[Any], Any]:
        """The function that makes a mini-batch from the numbers of its samples."""
        fetch = getattr(self.dataset, "batch", None)
        if self.collate_fn is None and callable(fetch):
            return fetch
        # A list, an object that uses the name for something else, or a collate_fn of the user's.
        collate = self.collate_fn or default_collate
        return lambda indices: collate([self.dataset[int(i)] for i in indices])

    def __repr__(self) -> str:
        options = "".join(f", {name}=True" for name in ("shuffle", "drop_last") if getattr(self, name))
        return f"DataLoader({_shown(self.dataset)}, batch_size={self.batch_size}{options})"


__all__ = ["ConcatDataset", "DataLoader", "Dataset", "Subset", "TensorDataset", "default_collate", "random_split"]
__getattr__ = missing_from(__name__, __all__)
