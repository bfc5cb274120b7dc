"""Data sets and the loader: what is in each mini-batch, in which order, and what it draws for that."""

from __future__ import annotations

import collections
import functools
import math
import operator
import types
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.random import Generator
from minigrad.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


def numbered(n: int) -> TensorDataset:
    """Rows (i, 10 i) in float32, and labels i."""
    rows = np.stack([np.arange(n), 10 * np.arange(n)], axis=1).astype(np.float32)
    return TensorDataset(mg.tensor(rows), mg.tensor(np.arange(n)))


def labels(loader: DataLoader) -> list[list[int]]:
    return [batch[-1].tolist() for batch in loader]


class Squares(Dataset):
    """Sample i is (a row, a label), fetched one at a time."""

    def __init__(self, n: int = 7) -> None:
        self.n = n
        self.asked: list[Any] = []

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        self.asked.append(i)
        return mg.tensor([float(i), float(i) ** 2]), i


# --- Lengths and orders --------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "size"), [(10, 5), (10, 3), (10, 1), (10, 10), (10, 11), (1, 1), (7, 4)])
def test_lengths(n: int, size: int, shuffle: bool, drop_last: bool) -> None:
    loader = DataLoader(numbered(n), batch_size=size, shuffle=shuffle, drop_last=drop_last)
    batches = labels(loader)
    whole, rest = n // size, n % size
    assert len(loader) == len(batches) == (whole if drop_last else math.ceil(n / size))
    assert [len(batch) for batch in batches] == [size] * whole + ([rest] if rest and not drop_last else [])
    seen = [label for batch in batches for label in batch]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(n))
    if not shuffle:
        assert seen == list(range(len(seen)))


def test_defaults() -> None:
    assert labels(DataLoader(numbered(3))) == [[0], [1], [2]]


def test_rows_and_labels_stay_together() -> None:
    loader = DataLoader(numbered(20), batch_size=6, shuffle=True)
    for rows, numbers in loader:
        assert isinstance(rows, mg.Tensor)
        assert isinstance(numbers, mg.Tensor)
        assert rows.dtype == np.float32
        assert numbers.dtype == np.int64
        assert rows.shape == (len(numbers), 2)
        assert np.array_equal(rows.data, np.stack([numbers.data, 10 * numbers.data], 1))


def test_mini_batches_are_copies() -> None:
    dataset = numbered(4)
    for shuffle in (False, True):
        for rows, _ in DataLoader(dataset, batch_size=2, shuffle=shuffle):
            rows.data[...] = -1.0
    assert dataset.tensors[0].tolist() == [[0, 0], [1, 10], [2, 20], [3, 30]]


# --- Draws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_the_shuffled_order(n: int) -> None:
    # One 64-bit draw, then the permutation, at every start; so each epoch has its own order.
    mg.manual_seed(42)
    loader = DataLoader(numbered(n), batch_size=3, shuffle=True)
    generator = Generator(42)
    epochs = []
    for _ in range(3):
        generator.outputs(2)
        epochs.append(generator.permutation(n).tolist())
        assert functools.reduce(operator.iadd, labels(loader), []) == epochs[-1]
    assert n < 10 or epochs[0] != epochs[1] != epochs[2]
    assert mg.rand(1).item() == generator.uniform(0, 1, (1,)).item()  # and nothing else was drawn


def test_a_shuffle_worked_out_by_hand() -> None:
    # r = 0, 1, 2; z = output mod 3 swaps r[0] and r[z]; z = output mod 2 swaps r[1] and r[1 + z].
    outputs = [int(x) for x in np.random.RandomState(6).randint(0, 2**32, size=4, dtype=np.uint32)]
    order = [0, 1, 2]
    for i in range(2):
        z = outputs[2 + i] % (3 - i)
        order[i], order[i + z] = order[i + z], order[i]
    mg.manual_seed(6)
    assert labels(DataLoader(numbered(3), batch_size=3, shuffle=True)) == [order]


def test_without_shuffling_there_is_one_64_bit_draw() -> None:
    mg.manual_seed(1)
    assert labels(DataLoader(numbered(5), batch_size=5)) == [[0, 1, 2, 3, 4]]
    generator = Generator(1)
    generator.outputs64(1)
    assert mg.rand(1).item() == generator.uniform(0, 1, (1,)).item()


def test_building_a_loader_draws_nothing() -> None:
    mg.manual_seed(1)
    loader = DataLoader(numbered(5), shuffle=True)
    assert len(loader) == 5
    assert mg.rand(1).item() == Generator(1).uniform(0, 1, (1,)).item()


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_draws_belong_to_the_call_of_iter(shuffle: bool) -> None:
    # Not to the first mini-batch: what is drawn between the two comes later in the stream.
    mg.manual_seed(3)
    generator = Generator(3)
    started = iter(DataLoader(numbered(10), batch_size=10, shuffle=shuffle))
    generator.outputs64(1)
    order = generator.permutation(10).tolist() if shuffle else list(range(10))
    assert mg.rand(1).item() == generator.uniform(0, 1, (1,)).item()
    assert next(started)[1].tolist() == order
    assert mg.rand(1).item() == generator.uniform(0, 1, (1,)).item()


def test_testing_in_the_middle_of_an_epoch_shifts_the_next_one() -> None:
    train, test = DataLoader(numbered(50), batch_size=10, shuffle=True), DataLoader(numbered(5), batch_size=5)

    def epochs(testing: bool) -> list[list[list[int]]]:
        mg.manual_seed(0)
        found = []
        for _ in range(2):
            seen = []
            for i, (_, numbers) in enumerate(train):
                seen.append(numbers.tolist())
                if testing and i == 2:
                    assert labels(test) == [[0, 1, 2, 3, 4]]
            found.append(seen)
        return found

    with_tests, without = epochs(True), epochs(False)
    assert with_tests[0] == without[0]  # the order of the running epoch is settled
    assert with_tests[1] != without[1]


def test_two_iterations_at_once() -> None:
    mg.manual_seed(8)
    loader = DataLoader(numbered(6), batch_size=2, shuffle=True)
    one, other = iter(loader), iter(loader)
    generator = Generator(8)
    orders = []
    for _ in range(2):
        generator.outputs(2)
        orders.append(generator.permutation(6).tolist())
    mixed = [(next(one)[1].tolist(), next(other)[1].tolist()) for _ in range(3)]
    assert [functools.reduce(operator.iadd, part, []) for part in zip(*mixed, strict=True)] == orders
    with pytest.raises(StopIteration):
        next(one)


# --- Data sets -----------------------------------------------------------------------------------------


def test_a_tensor_dataset() -> None:
    dataset = numbered(4)
    assert len(dataset) == 4
    rows, number = dataset[2]
    assert (rows.tolist(), number.item()) == ([2.0, 20.0], 2)
    rows, numbers = dataset.batch(np.array([3, 0, 3]))
    assert rows.tolist() == [[3, 30], [0, 0], [3, 30]]
    assert numbers.tolist() == [3, 0, 3]
    assert rows.dtype == np.float32
    assert numbers.dtype == np.int64
    (only,) = TensorDataset(np.arange(3.0))[1]  # arrays do as well
    assert only.item() == 1.0


def test_a_tensor_dataset_of_more_axes() -> None:
    images = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    (batch,) = TensorDataset(images).batch(np.array([1]))
    assert np.array_equal(batch.data, images[1:])


def test_tensors_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match=r"first axes must have the same length; shapes are \[\(3, 2\), \(4,\)\]"):
        TensorDataset(mg.zeros(3, 2), mg.zeros(4))
    with pytest.raises(ValueError, match=r"first axes must have the same length; shapes are \[\(\)\]"):
        TensorDataset(mg.tensor(1.0))
    with pytest.raises(ValueError, match=r"first axes must have the same length; shapes are \[\]"):
        TensorDataset()


def test_a_dataset_of_ones_own_with_getitem_only() -> None:
    dataset = Squares()
    batches = list(DataLoader(dataset, batch_size=3))
    assert [(rows.tolist(), numbers.tolist()) for rows, numbers in batches] == [
        ([[0, 0], [1, 1], [2, 4]], [0, 1, 2]),
        ([[3, 9], [4, 16], [5, 25]], [3, 4, 5]),
        ([[6, 36]], [6]),
    ]
    rows, numbers = batches[0]
    assert rows.dtype == np.float32
    assert numbers.dtype == np.int64
    assert dataset.asked == list(range(7))
    assert all(type(i) is int for i in dataset.asked)


def test_samples_are_fetched_when_their_mini_batch_is_wanted() -> None:
    dataset = Squares()
    started = iter(DataLoader(dataset, batch_size=2))
    assert dataset.asked == []
    next(started)
    assert dataset.asked == [0, 1]


def test_samples_of_several_kinds() -> None:
    class Odd(Dataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> Any:
            return np.full((2, 2), i, dtype=np.uint8), i, i % 2 == 0, mg.tensor(i / 4)

    images, numbers, even, quarters = next(iter(DataLoader(Odd(), batch_size=4)))
    assert (images.shape, images.dtype) == ((4, 2, 2), np.uint8)
    assert (numbers.tolist(), even.tolist(), quarters.tolist()) == (
        [0, 1, 2, 3],
        [True, False] * 2,
        [0, 0.25, 0.5, 0.75],
    )
    assert (even.dtype, quarters.dtype) == (np.bool_, np.float32)


def test_samples_that_are_no_tuples() -> None:
    class Single(Squares):
        def __getitem__(self, i: int) -> Any:
            return np.full(3, i)

    (batch,) = list(DataLoader(Single(2), batch_size=2))
    assert type(batch) is mg.Tensor
    assert batch.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_dataset_that_fetches_many_at_once() -> None:
    class Bulk(Squares):
        def batch(self, indices: np.ndarray) -> tuple[Any, ...]:
            assert isinstance(indices, np.ndarray)
            assert indices.dtype == np.int64
            self.asked.append(indices.tolist())
            return mg.tensor(indices * 2), mg.tensor(indices)

    mg.manual_seed(5)
    dataset = Bulk(5)
    batches = [(a.tolist(), b.tolist()) for a, b in DataLoader(dataset, batch_size=2, shuffle=True)]
    generator = Generator(5)
    generator.outputs(2)
    order = generator.permutation(5).tolist()
    assert dataset.asked == [order[:2], order[2:4], order[4:]]
    assert batches == [([2 * i for i in part], part) for part in dataset.asked]


def test_a_list_is_a_dataset() -> None:
    samples = [(np.float32(i), i * i) for i in range(5)]
    batches = list(DataLoader(samples, batch_size=2))
    assert [(a.tolist(), b.tolist()) for a, b in batches] == [([0, 1], [0, 1]), ([2, 3], [4, 9]), ([4], [16])]


# --- Wrong use -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2.0, 1.5, "3", True])
def test_a_wrong_batch_size(size: Any) -> None:
    with pytest.raises(ValueError, match=f"batch_size must be a positive integer, not {size!r}"):
        DataLoader(numbered(3), batch_size=size)


def test_an_integer_of_numpys_will_do() -> None:
    assert len(DataLoader(numbered(10), batch_size=np.int64(4))) == 3


def test_an_empty_dataset() -> None:
    for empty in ([], Squares(0), numbered(0)):
        with pytest.raises(ValueError, match="the data set is empty"):
            DataLoader(empty)


def test_a_dataset_that_is_not_finished() -> None:
    class Unmeasured(Dataset):
        pass

    class Unreadable(Dataset):
        def __len__(self) -> int:
            return 2

    with pytest.raises(NotImplementedError, match="Unmeasured must define __len__"):
        DataLoader(Unmeasured())
    with pytest.raises(NotImplementedError, match="Unreadable must define __getitem__, to return sample 0"):
        next(iter(DataLoader(Unreadable())))


def test_samples_that_do_not_fit_together() -> None:
    class Ragged(Squares):
        def __getitem__(self, i: int) -> Any:
            return np.zeros(i + 1), i

    with pytest.raises(ValueError, match="same shape"):
        next(iter(DataLoader(Ragged(), batch_size=2)))

    class Uneven(Squares):
        def __getitem__(self, i: int) -> Any:
            return (i,) * (1 + i)

    with pytest.raises(ValueError, match="same number of parts: sample 0 has 1, sample 1 has 2"):
        next(iter(DataLoader(Uneven(), batch_size=2)))


# --- Putting samples together --------------------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    label: Any


class Other(NamedTuple):
    x: Any
    label: Any


def shown(value: Any) -> Any:
    """Tensors as (dtype, list), in the containers they came in."""
    if isinstance(value, mg.Tensor):
        assert value.dtype.kind in "biuf"
        assert value.data.dtype.isnative
        return str(value.dtype), value.tolist()
    if isinstance(value, collections.abc.Mapping):
        return type(value), {key: shown(part) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value), [shown(part) for part in value]
    if isinstance(value, (list, tuple)):
        return type(value), [shown(part) for part in value]
    return value


INT, FLOAT, X, Y = "int64", "float64", mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0])

# What PyTorch 2.13 gives, but that a tuple is a list there, and big-endian arrays are refused.
COLLATED: dict[str, tuple[list[Any], Any]] = {
    "integers": ([1, 2], (INT, [1, 2])),
    "floats": ([1.5, 2.0], (FLOAT, [1.5, 2.0])),
    "truths": ([True, False], ("bool", [True, False])),
    **{
        t: ([np.dtype(t).type(1)] * 2, (t, [1, 1])) for t in ("int8", "uint16", "float16", "float32", "float64", "bool")
    },
    "tensors": ([X, Y], ("float32", [[1, 2], [3, 4]])),
    "numbers in tensors": ([mg.tensor(1), mg.tensor(2)], (INT, [1, 2])),
    "parameters": ([mg.nn.Parameter([1.0])] * 2, ("float32", [[1], [1]])),
    "arrays": ([np.zeros((1, 2)), np.ones((1, 2))], (FLOAT, [[[0, 0]], [[1, 1]]])),
    "numbers in arrays": ([np.array(1.5)] * 2, (FLOAT, [1.5, 1.5])),
    "big-endian arrays": ([np.array([1], ">i8"), np.array([2], ">i8")], (INT, [[1], [2]])),
    "widths of one kind": ([np.float32(1), 2.0], (FLOAT, [1, 2])),
    "matrices": ([np.array([[1, 2]]).view(np.matrix)], (INT, [[[1, 2]]])),
    "strings": (["a", "b"], (list, ["a", "b"])),
    "NumPy's strings": ([np.str_("a")], (list, ["a"])),
    "bytes": ([b"a", b"b"], (list, [b"a", b"b"])),
    "dictionaries": ([{"x": 1, "y": "a"}, {"y": "b", "x": 2}], (dict, {"x": (INT, [1, 2]), "y": (list, ["a", "b"])})),
    "integer keys": ([{0: 1.0}, {0: 2.0}], (dict, {0: (FLOAT, [1, 2])})),
    "ordered dictionaries": ([collections.OrderedDict(a=1)], (collections.OrderedDict, {"a": (INT, [1])})),
    "dictionaries one cannot change": ([types.MappingProxyType({"a": 1})], (dict, {"a": (INT, [1])})),
    "named tuples": ([Point(1, 2.0), Point(3, 4.0)], (Point, [(INT, [1, 3]), (FLOAT, [2, 4])])),
    "tuples": ([(1, 2.0), (3, 4.0)], (tuple, [(INT, [1, 3]), (FLOAT, [2, 4])])),
    "lists": ([[1, 2.0], [3, 4.0]], (list, [(INT, [1, 3]), (FLOAT, [2, 4])])),
    "ranges": ([range(2), range(2, 4)], (list, [(INT, [0, 2]), (INT, [1, 3])])),
    "one of each": ([(X,), (Y,)], (tuple, [("float32", [[1, 2], [3, 4]])])),
    "nothing in them": ([[], []], (list, [])),
    "no keys": ([{}, {}], (dict, {})),
    "nested": (
        [{"a": [Point((i, str(i)), {"b": np.float32(i)})]} for i in range(2)],
        (
            dict,
            {
                "a": (
                    list,
                    [(Point, [(tuple, [(INT, [0, 1]), (list, ["0", "1"])]), (dict, {"b": ("float32", [0, 1])})])],
                )
            },
        ),
    ),
}


@pytest.mark.parametrize("name", COLLATED)
def test_samples_are_collated_part_by_part(name: str) -> None:
    samples, expected = COLLATED[name]
    kept = repr(samples)
    assert shown(default_collate(samples)) == expected
    assert repr(samples) == kept

    class Samples(Dataset):
        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, i: int) -> Any:
            return samples[i]

    for dataset in (samples, tuple(samples), Samples()):
        (batch,) = DataLoader(dataset, batch_size=len(samples))
        assert shown(batch) == expected


def test_arrays_and_tensors_are_data_sets_of_single_things() -> None:
    for dataset in (np.arange(4.0), mg.tensor(np.arange(4.0))):
        assert [shown(batch) for batch in DataLoader(dataset, batch_size=2)] == [(FLOAT, [0, 1]), (FLOAT, [2, 3])]
    assert [shown(batch) for batch in DataLoader("abc", batch_size=2)] == [(list, ["a", "b"]), (list, ["c"])]


def test_a_tensor_dataset_of_one_tensor_gives_tuples() -> None:
    assert [shown(batch) for batch in DataLoader(TensorDataset(np.arange(3)), batch_size=2)] == [
        (tuple, [(INT, [0, 1])]),
        (tuple, [(INT, [2])]),
    ]


def test_a_data_set_with_another_thing_called_batch() -> None:
    class Numbers(list[int]):
        batch = 32

    assert [shown(batch) for batch in DataLoader(Numbers([1, 2]), batch_size=2)] == [(INT, [1, 2])]


def test_gradients_flow_through_a_mini_batch() -> None:
    a, b = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor([3.0, 4.0])
    batch = default_collate([(a, 0), (b, 1)])[0]
    (batch * mg.tensor([[5.0, 6.0], [7.0, 8.0]])).sum().backward()
    assert a.grad is not None
    assert a.grad.tolist() == [5, 6]


def holding_itself() -> list[Any]:
    sample: list[Any] = []
    sample.append(sample)
    return sample


REFUSED: dict[str, tuple[list[Any], str]] = {
    "None": ([None, None], "sample 0 is None: a mini-batch is made of"),
    "None in one": ([{"x": 1, "y": 1}, {"x": 1, "y": None}], r"sample 1\['y'\] is None: a mini-batch is made of"),
    "None in a list": ([[1, [None]]], r"sample 0\[1\]\[0\] is None"),
    "a set": ([{1, 2}], "sample 0 is of type set"),
    "a function": ([abs], "sample 0 is of type builtin_function_or_method"),
    "a class of ones own": ([object()], "sample 0 is of type object"),
    "complex": ([1j], "sample 0 is of type complex"),
    "complex arrays": ([(1, np.zeros(2, complex))], r"sample 0\[1\] is of dtype complex128: .* real numbers"),
    "arrays of strings": ([np.array(["a"])], "sample 0 is of dtype <U1"),
    "arrays of objects": ([np.array([1, None])], "sample 0 is of dtype object"),
    "arrays of objects that are numbers": ([np.array([1, 2], object)], "sample 0 is of dtype object"),
    "dates": ([np.datetime64("2020")], r"sample 0 is of dtype datetime64\[Y\]"),
    "records": ([np.zeros(2, [("a", int)])], r"sample 0 is of dtype \[\('a', "),
    "masked": ([np.ma.masked_array([1, 2], [True, False])], "sample 0 is a masked array"),
    "too large": ([1, 2**63], "sample 1 is an integer that does not fit into 64 bits"),
    "much too large": ([10**5000], "sample 0 is an integer that does not fit into 64 bits"),
    "a number and a string": ([1, "a"], "same kind: sample 0 has numbers, sample 1 has a string"),
    "a string and a number": (["a", 1], "same kind: sample 0 has a string, sample 1 has numbers"),
    "strings and bytes": (["a", b"a"], "same kind: sample 0 has a string, sample 1 has bytes"),
    "a number and a list": ([(1, 1), (1, [1])], r"same kind: sample 0\[1\] has numbers, sample 1\[1\] has a list"),
    "a list and a tuple": ([[1], (1,)], "same kind: sample 0 has a list, sample 1 has a tuple"),
    "a list and a dictionary": ([[1], {0: 1}], "same kind: sample 0 has a list, sample 1 has a dictionary"),
    "two named tuples": ([Point(1, 2), Other(1, 2)], "a named tuple Point, sample 1 has a named tuple Other"),
    "integers and floats": ([1, 2.5], "type of numbers: sample 0 has integers, sample 1 has floating-point numbers"),
    "floats and integers": ([np.zeros(2), np.zeros(2, int)], "type of numbers: sample 0 has floating-point numbers"),
    "truths and integers": ([True, 2], "type of numbers: sample 0 has bool, sample 1 has integers"),
    "shapes": ([X, mg.ones(3)], r"same shape: sample 0 has \(2,\), sample 1 has \(3,\)"),
    "shapes that would broadcast": ([X, mg.ones(1)], r"same shape: sample 0 has \(2,\), sample 1 has \(1,\)"),
    "shapes deep down": ([{"a": [X]}, {"a": [mg.ones(1, 2)]}], r"same shape: sample 0\['a'\]\[0\] has \(2,\)"),
    "lengths": ([[1], [1, 2]], "same number of parts: sample 0 has 1, sample 1 has 2"),
    "a key more": ([{"x": 1}, {"x": 1, "z": 2}], r"same keys: sample 0 has \{'x'\}, sample 1 has \{"),
    "a key less": ([{"x": 1, "z": 2}, {"x": 1}], r"same keys: sample 0 has \{.*\}, sample 1 has \{'x'\}"),
    "nothing": ([], "at least one sample"),
    "a list that holds itself": ([holding_itself()], "nested too deeply, or hold themselves"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_samples_that_are_no_mini_batch(name: str) -> None:
    samples, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        default_collate(samples)
    assert "\n" not in str(caught.value)
    if samples:
        with pytest.raises((ValueError, TypeError), match=message):
            list(DataLoader(samples, batch_size=len(samples)))


# --- Parts of data sets, and a loader's options ------------------------------------------------------


def test_random_parts_are_pytorchs_from_the_same_seed() -> None:
    """What PyTorch 2.13 prints for the indices."""
    mg.manual_seed(3)
    assert [part.indices for part in random_split(range(10), [7, 3])] == [[6, 0, 3, 7, 8, 5, 1], [9, 2, 4]]
    mg.manual_seed(3)
    fractions = random_split(range(11), [0.5, 0.3, 0.2])
    assert [part.indices for part in fractions] == [[9, 0, 3, 6, 4, 5], [2, 8, 1], [10, 7]]
    own = random_split(range(5), [3, 2], generator=Generator().manual_seed(42))
    assert [part.indices for part in own] == [[2, 4, 3], [0, 1]]
    for lengths in ([7, 4], [0.5, 0.4], [11, -1]):
        with pytest.raises(ValueError, match="do not add up to the 10 samples"):
            random_split(range(10), lengths)


def test_a_part_and_several_together() -> None:
    whole = TensorDataset(mg.arange(5.0), mg.arange(5) * 10)
    part = Subset(whole, [4, 1, 3])
    assert (len(part), part[0][1].item(), part[-1][1].item()) == (3, 40, 30)
    assert [y.tolist() for _, y in DataLoader(part, batch_size=2)] == [[40, 10], [30]]
    with pytest.raises(IndexError, match="Subset: index 5 is out of range for a data set of 5 samples"):
        Subset(whole, [0, 5])
    joined = whole + part
    assert isinstance(joined, ConcatDataset)
    assert [joined[i][1].item() for i in (0, 4, 5, 7, -1)] == [0, 40, 40, 30, 30]
    assert [y.tolist() for _, y in DataLoader(joined, batch_size=4)] == [[0, 10, 20, 30], [40, 40, 10, 30]]
    with pytest.raises(IndexError, match="index 8 is out of range for a data set of 8 samples"):
        joined[8]
    with pytest.raises(ValueError, match="no data sets to join"):
        ConcatDataset([])


def test_a_loader_with_pytorchs_options() -> None:
    whole = TensorDataset(mg.arange(5.0), mg.arange(5))
    loader = DataLoader(
        whole, 2, num_workers=0, pin_memory=True, drop_last=True, collate_fn=len, persistent_workers=False
    )
    assert list(loader) == [2, 2]
    assert [y.item() for _, y in DataLoader(whole, batch_size=None)] == [0, 1, 2, 3, 4]
    order = [y.item() for _, y in DataLoader(whole, shuffle=True, generator=Generator(7))]
    assert order == [y.item() for _, y in DataLoader(whole, shuffle=True, generator=Generator(7))] != [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match="num_workers=2 is not in minigrad: this process loads the data"):
        DataLoader(whole, num_workers=2)
    with pytest.raises(TypeError, match="sampler is not in minigrad"):
        DataLoader(whole, sampler=[0])


def test_what_is_shown() -> None:
    whole = TensorDataset(mg.zeros(5, 2), mg.arange(5))
    assert repr(DataLoader(whole, 2, shuffle=True)) == (
        "DataLoader(TensorDataset((5, 2) float32, (5,) int64), batch_size=2, shuffle=True)"
    )
    assert repr(Subset(range(9), [1, 2])) == "Subset(of 2 samples of range of 9 samples)"
    assert repr(ConcatDataset([whole, [1]])) == (
        "ConcatDataset(TensorDataset((5, 2) float32, (5,) int64), list of 1 samples)"
    )
