"""Digits: scikit-learn's small digits, as bytes, cut in two."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from datasets import Digits
from datasets.transforms import ToTensor


def sklearn_digits() -> tuple[np.ndarray, np.ndarray]:
    bunch = pytest.importorskip("sklearn.datasets").load_digits()
    return bunch.images, bunch.target


def test_shapes_and_sums() -> None:
    pytest.importorskip("sklearn")
    train, test = Digits(train=True), Digits(train=False)
    assert (len(train), len(test)) == (1400, 397)
    assert train.data.shape == (1400, 8, 8)
    assert test.data.shape == (397, 8, 8)
    for part in (train, test):
        assert part.data.dtype == np.uint8
        assert part.targets.dtype == np.int64
        assert part.data.min() == 0
        assert part.data.max() == 255
    assert (int(train.data.sum()), int(train.targets.sum())) == (6981228, 6277)
    assert (int(test.data.sum()), int(test.targets.sum())) == (1972573, 1793)
    assert np.bincount(train.targets).tolist() == [139, 143, 137, 144, 140, 141, 142, 140, 135, 139]
    assert np.bincount(test.targets).tolist() == [39, 39, 40, 39, 41, 41, 39, 39, 39, 41]


def test_the_two_parts_are_scikit_learns_images_in_their_order() -> None:
    counts, labels = sklearn_digits()
    train, test = Digits(train=True), Digits(train=False)
    both = np.concatenate([train.data, test.data])
    # The 17 counts go to 17 bytes, each the nearest to 255/16 of it, so they can be had back.
    assert np.array_equal(np.rint(both * (16 / 255)), counts)
    assert np.abs(both - counts * (255 / 16)).max() <= 0.5
    assert np.array_equal(np.concatenate([train.targets, test.targets]), labels)


def test_a_batch() -> None:
    counts, labels = sklearn_digits()
    images, targets = Digits(train=False, transform=ToTensor()).batch([0, 396, 0])
    assert images.shape == (3, 1, 8, 8)
    assert images.dtype == np.float32
    assert np.abs(images.data[:, 0] - counts[[1400, 1796, 1400]] / 16).max() < 0.5 / 255 + 1e-6
    assert targets.data.tolist() == labels[[1400, 1796, 1400]].tolist()


def test_it_is_made_like_the_other_data_sets() -> None:
    pytest.importorskip("sklearn")
    assert len(Digits(root="./data", train=True, transform=None, download=True)) == 1400
    assert len(Digits()) == 1400  # the images for training, if nothing else is said
    assert Digits().train
    assert repr(Digits(train=False)) == "Digits(train=False): 397 images of 8x8 bytes"


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)  # how Python itself marks what cannot be imported
    with pytest.raises(ImportError, match="python -m pip install scikit-learn"):
        Digits()
