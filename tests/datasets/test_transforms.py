"""Transforms: exact values, whole batches, and clear words for what they do not take."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from datasets.transforms import Compose, Flatten, Lambda, Normalize, ToTensor

ALL_BYTES = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)


def test_to_tensor_is_the_nearest_float32() -> None:
    numbers = ToTensor()(ALL_BYTES)
    assert numbers.dtype == np.float32
    assert numbers.shape == (4, 1, 8, 8)
    for byte, number in enumerate(numbers.ravel()):
        exact = Fraction(byte, 255)
        error = abs(Fraction(float(number)) - exact)
        for side in (np.float32(-1), np.float32(2)):
            assert error < abs(Fraction(float(np.nextafter(number, side))) - exact)


def test_to_tensor_equals_dividing_in_float32() -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28)).astype(np.uint8)
    expected = images.astype(np.float32) / np.float32(255)
    assert ToTensor()(images).tobytes() == expected.tobytes()


def test_to_tensor_leaves_the_bytes_alone() -> None:
    images = ALL_BYTES.copy()
    numbers = ToTensor()(images)
    numbers[...] = -1
    assert np.array_equal(images, ALL_BYTES)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "int8"])
def test_to_tensor_takes_only_bytes(dtype: str) -> None:
    with pytest.raises(TypeError, match=f"takes bytes .uint8., not {dtype}"):
        ToTensor()(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 3, 3, 1)])
def test_to_tensor_takes_only_batches_of_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape") as caught:
        ToTensor()(np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value)


def test_normalize_with_numbers() -> None:
    images = np.array([[[[0.0, 1.0]]], [[[0.5, 0.25]]]], dtype=np.float32)
    result = Normalize(0.5, 0.25)(images)
    assert result.dtype == np.float32
    assert result.tolist() == [[[[-2.0, 2.0]]], [[[0.0, -1.0]]]]
    assert images.tolist() == [[[[0.0, 1.0]]], [[[0.5, 0.25]]]]
    assert np.array_equal(Normalize([0.5], (0.25,))(images), result)
    assert Normalize(0.1, 0.3)(images.astype(np.float64)).dtype == np.float64


def test_normalize_each_channel() -> None:
    images = np.ones((2, 3, 1, 2), dtype=np.float32)
    result = Normalize([1, 0, -1], [1, 2, 4])(images)
    assert result.dtype == np.float32
    assert result.shape == (2, 3, 1, 2)
    assert result[1, :, 0, 1].tolist() == [0.0, 0.5, 0.5]
    assert (result == result[:1, :, :, :1]).all()


def test_normalize_after_to_tensor() -> None:
    numbers = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])(ALL_BYTES)
    expected = (ALL_BYTES.astype(np.float32) / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    assert numbers.dtype == np.float32
    assert numbers.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("mean", "std"), [(0.0, 0.0), (0.0, -1.0), ([0, 0], [1, 0]), (0.0, float("nan")), (float("inf"), 1.0)]
)
def test_normalize_refuses_such_numbers(mean: object, std: object) -> None:
    with pytest.raises(ValueError, match="positive stds"):
        Normalize(mean, std)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mean", "std"), [([0, 0], 1.0), ([0, 0], [1, 1, 1]), ([[0]], [[1]])])
def test_normalize_wants_as_many_means_as_stds(mean: object, std: object) -> None:
    with pytest.raises(ValueError, match="as many means as stds"):
        Normalize(mean, std)  # type: ignore[arg-type]


def test_normalize_refuses_other_channels_and_integers() -> None:
    with pytest.raises(ValueError, match=r"2 means, and images of shape \(5, 3, 4, 4\)"):
        Normalize([0, 0], [1, 1])(np.zeros((5, 3, 4, 4), np.float32))
    with pytest.raises(ValueError, match="2 channels"):
        Normalize([0, 0], [1, 1])(np.zeros((5, 2), np.float32))
    with pytest.raises(TypeError, match="uint8: put ToTensor first"):
        Normalize(0.5, 0.5)(ALL_BYTES)


def test_flatten() -> None:
    assert Flatten()(ALL_BYTES).tolist() == np.arange(256).reshape(4, 64).tolist()
    assert Flatten()(np.zeros((0, 28, 28))).shape == (0, 784)
    assert Flatten()(np.zeros(3)).shape == (3, 1)


def test_compose_applies_the_first_first() -> None:
    both = Compose([ToTensor(), Lambda(lambda images: images + 1), Flatten()])
    result = both(ALL_BYTES)
    assert result.shape == (4, 64)
    assert result[0, 0] == 1
    assert result[3, 63] == 2
    assert Compose([])(ALL_BYTES) is ALL_BYTES


def test_lambda_and_compose_refuse_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="Lambda takes a function"):
        Lambda(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not 'flat'"):
        Compose([ToTensor(), "flat"])  # type: ignore[list-item]


def test_they_say_what_they_are() -> None:
    text = repr(Compose([ToTensor(), Normalize(0.5, 0.25), Flatten(), Lambda(abs)]))
    assert text == "Compose([ToTensor(), Normalize(mean=[0.5], std=[0.25]), Flatten(), Lambda(abs)])"
    assert repr(Normalize([0, 1], (1, 2))) == "Normalize(mean=[0.0, 1.0], std=[1.0, 2.0])"
