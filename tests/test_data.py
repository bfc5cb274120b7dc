"""Data sets and the loader: what is in each mini-batch, in which order, and what it draws for that."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.random import Generator
from minigrad.utils.data import DataLoader, Dataset, TensorDataset


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
    with pytest.raises(ValueError, match=r"first axes must have one length; shapes are \[\(3, 2\), \(4,\)\]"):
        TensorDataset(mg.zeros(3, 2), mg.zeros(4))
    with pytest.raises(ValueError, match=r"first axes must have one length; shapes are \[\(\)\]"):
        TensorDataset(mg.tensor(1.0))
    with pytest.raises(ValueError, match=r"first axes must have one length; shapes are \[\]"):
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

    ((batch,),) = list(DataLoader(Single(2), batch_size=2))
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


@pytest.mark.parametrize("size", [0, -1, 2.0, 1.5, "3", None, True])
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

    with pytest.raises(NotImplementedError, match="Unmeasured must say how many samples it has: define __len__"):
        DataLoader(Unmeasured())
    with pytest.raises(NotImplementedError, match="Unreadable must give sample 0: define __getitem__"):
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

    with pytest.raises(ValueError, match=r"zip\(\)"):
        next(iter(DataLoader(Uneven(), batch_size=2)))
