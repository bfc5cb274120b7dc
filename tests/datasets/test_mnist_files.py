"""MNIST: the genuine data, where they are looked for, what is said of wrong files, and batches of them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from datasets import MNIST, Digits, FashionMNIST, transforms
from datasets.idx import DataFileError
from minigrad import backend, cuda, random
from minigrad.tensor import Tensor
from minigrad.utils.data import DataLoader, Dataset

REPOSITORY = Path(__file__).resolve().parents[2]
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.fixture
def small(tmp_path: Path) -> type[MNIST]:
    """Somebody's own data in MNIST's format: no digests, and nothing elsewhere to fall back on."""

    class Small(MNIST):
        digests: ClassVar[dict[str, str]] = {}
        shared_folder = tmp_path / "elsewhere"

    return Small


def images_in(files: dict[str, bytes], split: str = "train") -> bytes:
    return files[f"{split}-images-idx3-ubyte"][16:]


# The data themselves.


@pytest.mark.parametrize("name", DIGESTS)
def test_the_committed_files_are_genuine(name: str) -> None:
    contents = gzip.decompress((REPOSITORY / "datasets" / "mnist" / f"{name}.gz").read_bytes())
    assert hashlib.sha256(contents).hexdigest() == DIGESTS[name] == MNIST.digests[name]


def test_the_readme_beside_them() -> None:
    text = (REPOSITORY / "datasets" / "mnist" / "README.md").read_text()
    for name, digest in DIGESTS.items():
        assert f"`{name}.gz`" in text
        assert digest in text
    for words in ("Yann LeCun and Corinna Cortes hold the copyright", "CC BY-SA 3.0"):
        assert words in " ".join(text.split())


def test_the_training_images(tmp_path: Path) -> None:
    train = MNIST(tmp_path, train=True)
    assert len(train) == 60000
    assert train.train
    assert train.data.shape == (60000, 28, 28)
    assert train.data.dtype == np.uint8
    assert train.targets.shape == (60000,)
    assert train.targets.dtype == np.int64
    assert train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(train.targets).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    pixels = int(train.data.sum())
    assert pixels == 1567298545  # so the mean is 33.3184, or 0.13066 of 255
    assert pixels / train.data.size / 255 == pytest.approx(0.1306604762738429)
    assert np.std(train.data, dtype=np.float64) / 255 == pytest.approx(0.3081078, abs=1e-7)
    assert train.data[0, 5, 12:24].tolist() == [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127]


def test_the_test_images(tmp_path: Path) -> None:
    test = MNIST(tmp_path, train=False)
    assert len(test) == 10000
    assert not test.train
    assert test.targets[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert int(test.data.sum()) == 264923200


def test_what_is_handed_out_cannot_be_spoilt_for_others(tmp_path: Path) -> None:
    first, second = MNIST(tmp_path, train=False), MNIST(tmp_path, train=False)
    assert first.data is second.data  # unpacked once
    for array in (first.data, first.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    images, labels = first.batch([0, 1])
    images.data[...] = 0
    labels.data[...] = 0
    assert second[0][0].data.sum() == int(second.data[0].sum()) > 0
    assert second[0][1] == 7


# Where they are looked for.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", ["MNIST/raw", "."])
def test_root_comes_first(
    tmp_path: Path,
    small: type[MNIST],
    small_files: dict[str, bytes],
    lay: Callable[..., Path],
    layout: str,
    packed: bool,
) -> None:
    small.shared_folder = MNIST.shared_folder
    lay(tmp_path / layout, packed=packed)
    train, test = small(tmp_path, train=True), small(str(tmp_path), train=False, download=True)
    assert train.data.tobytes() == images_in(small_files)
    assert test.data.tobytes() == images_in(small_files, "t10k")
    assert train.targets.tolist() == list(small_files["train-labels-idx1-ubyte"][8:])


def test_raw_comes_before_root_and_unpacked_before_packed(
    tmp_path: Path,
    small: type[MNIST],
    small_files: dict[str, bytes],
    lay: Callable[..., Path],
    to_idx: Callable[[np.ndarray], bytes],
) -> None:
    other = {
        "train-images-idx3-ubyte": to_idx(np.zeros((2, 28, 28), np.uint8)),
        "train-labels-idx1-ubyte": to_idx(np.zeros(2, np.uint8)),
    }
    lay(tmp_path, other)
    assert len(small(tmp_path)) == 2
    lay(tmp_path / "MNIST" / "raw", packed=True)
    assert len(small(tmp_path)) == 30
    lay(tmp_path / "MNIST" / "raw", other)
    assert len(small(tmp_path)) == 2


def test_home_and_working_directory(
    tmp_path: Path, small: type[MNIST], lay: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert len(small("~/data")) == len(small("./data")) == len(small()) == 30


def test_download_does_nothing_when_the_files_are_there(tmp_path: Path, refused: str) -> None:
    class Offline(MNIST):
        base_url = refused

    assert len(Offline(root=tmp_path, train=False, download=True)) == 10000
    assert list(tmp_path.iterdir()) == []


def test_missing_everywhere(tmp_path: Path, small: type[MNIST]) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        small(tmp_path / "root", train=False)
    message = str(caught.value)
    for place in (tmp_path / "root" / "MNIST" / "raw", tmp_path / "root", tmp_path / "elsewhere"):
        assert str(place) in message
    assert "t10k-labels-idx1-ubyte" in message
    assert "restore datasets/mnist" in message


@pytest.mark.parametrize("missing", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_one_of_the_two_is_missing(
    tmp_path: Path, small_files: dict[str, bytes], lay: Callable[..., Path], missing: str
) -> None:
    raw = lay(tmp_path / "MNIST" / "raw")
    (raw / missing).unlink()
    with pytest.raises(FileNotFoundError, match="is missing there") as caught:
        MNIST(tmp_path)  # images from one place and labels from another would be a guess
    assert str(raw) in str(caught.value)
    assert f"{missing}[.gz] is missing" in str(caught.value)
    (there,) = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"} - {missing}
    assert f"{raw} holds {raw / there}, but {missing}" in str(caught.value)


# Wrong files under root: an error, never the files of the package instead.


def test_a_damaged_file_is_not_passed_over(tmp_path: Path) -> None:
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes((MNIST.shared_folder / name).read_bytes())
    assert len(MNIST(tmp_path, train=False)) == 10000
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    packed = path.read_bytes()
    for length in (0, 1, 2, 10, 17, 100, 1000, len(packed) - 8, len(packed) - 1):
        path.write_bytes(packed[:length])
        with pytest.raises(DataFileError) as caught:
            MNIST(tmp_path, train=False, download=True)
        assert str(caught.value).startswith(f"{path}: ")
    contents = bytearray(gzip.decompress(packed))
    contents[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(contents), 1))
    with pytest.raises(DataFileError, match="is not MNIST's t10k-labels-idx1-ubyte: the SHA-256") as caught:
        MNIST(tmp_path, train=False)
    assert DIGESTS["t10k-labels-idx1-ubyte"] in str(caught.value)


def test_one_pixel_changed(tmp_path: Path) -> None:
    images = bytearray(gzip.decompress((MNIST.shared_folder / "t10k-images-idx3-ubyte.gz").read_bytes()))
    images[1000000] ^= 0x80
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images)
    labels = (MNIST.shared_folder / "t10k-labels-idx1-ubyte.gz").read_bytes()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(DataFileError, match="is not MNIST's t10k-images-idx3-ubyte: the SHA-256"):
        MNIST(tmp_path, train=False)


def test_the_test_files_under_the_names_of_the_training_files(tmp_path: Path) -> None:
    for kind in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"):
        (tmp_path / f"train-{kind}").write_bytes((MNIST.shared_folder / f"t10k-{kind}").read_bytes())
    with pytest.raises(DataFileError, match="is MNIST's t10k-images-idx3-ubyte, not MNIST's train-images"):
        MNIST(tmp_path)


def test_cut_at_many_lengths(
    tmp_path: Path, small: type[MNIST], small_files: dict[str, bytes], lay: Callable[..., Path]
) -> None:
    lay(tmp_path)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        path, contents = tmp_path / name, small_files[name]
        for length in [*range(0, 20), *range(20, len(contents), 997), len(contents) - 1]:
            path.write_bytes(contents[:length])
            with pytest.raises(DataFileError, match="cut short") as caught:
                small(tmp_path)
            assert str(caught.value).startswith(f"{path}: ")
        path.write_bytes(contents)
    assert len(small(tmp_path)) == 30


def test_labels_where_images_belong(
    tmp_path: Path, small: type[MNIST], small_files: dict[str, bytes], lay: Callable[..., Path]
) -> None:
    images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
    lay(tmp_path / "a", {images: small_files[labels], labels: small_files[labels]})
    with pytest.raises(DataFileError, match=r"images-idx3-ubyte: holds .* \(30,\), where shape \(N, 28, 28\)"):
        small(tmp_path / "a")
    lay(tmp_path / "b", {images: small_files[images], labels: small_files[images]})
    with pytest.raises(DataFileError, match=r"labels-idx1-ubyte: .* \(30, 28, 28\), where shape \(N,\) belongs"):
        small(tmp_path / "b")


def test_images_of_another_size_or_type(
    tmp_path: Path, small: type[MNIST], lay: Callable[..., Path], to_idx: Callable[[np.ndarray], bytes]
) -> None:
    labels = {"train-labels-idx1-ubyte": to_idx(np.zeros(3, np.uint8))}
    lay(tmp_path / "a", {**labels, "train-images-idx3-ubyte": to_idx(np.zeros((3, 28, 27), np.uint8))})
    with pytest.raises(DataFileError, match=r"shape \(3, 28, 27\)"):
        small(tmp_path / "a")
    lay(tmp_path / "b", {**labels, "train-images-idx3-ubyte": to_idx(np.zeros((3, 28, 28), np.float32))})
    with pytest.raises(DataFileError, match="holds float32 data, where uint8 belong"):
        small(tmp_path / "b")
    images = {"train-images-idx3-ubyte": to_idx(np.zeros((3, 28, 28), np.uint8))}
    lay(tmp_path / "c", {**images, "train-labels-idx1-ubyte": to_idx(np.zeros(3, np.int32))})
    with pytest.raises(DataFileError, match="holds int32 data, where uint8 belong"):
        small(tmp_path / "c")


@pytest.mark.parametrize("label", [10, 255])
def test_a_label_out_of_range(
    tmp_path: Path, small: type[MNIST], small_files: dict[str, bytes], lay: Callable[..., Path], label: int
) -> None:
    labels = bytearray(small_files["train-labels-idx1-ubyte"])
    labels[8 + 17] = label
    lay(tmp_path, {**small_files, "train-labels-idx1-ubyte": bytes(labels)})
    with pytest.raises(DataFileError, match=f"label {label} at position 17 is outside 0..9") as caught:
        small(tmp_path)
    assert "train-labels-idx1-ubyte" in str(caught.value)


def test_more_images_than_labels(
    tmp_path: Path, small: type[MNIST], small_files: dict[str, bytes], lay: Callable[..., Path]
) -> None:
    lay(tmp_path, {**small_files, "train-labels-idx1-ubyte": small_files["t10k-labels-idx1-ubyte"]})
    with pytest.raises(DataFileError, match=r"30 images, and .*train-labels-idx1-ubyte holds 20 labels"):
        small(tmp_path)


# Images and labels out of it.


def test_one_image(tmp_path: Path) -> None:
    plain = MNIST(tmp_path, train=False)
    dataset = MNIST(tmp_path, train=False, transform=transforms.ToTensor())
    image, label = dataset[0]
    assert isinstance(image, Tensor)
    assert image.shape == (1, 28, 28)
    assert image.dtype == np.float32
    assert type(label) is int
    assert label == 7
    assert np.array_equal(image.data[0], plain.data[0].astype(np.float32) / np.float32(255))
    assert plain[0][0].dtype == np.uint8
    assert np.array_equal(plain[0][0].data, plain.data[0])
    assert dataset[-1][1] == dataset[9999][1] == dataset[np.int64(9999)][1] == 6
    for index in (10000, -10001):
        with pytest.raises(IndexError, match=f"index {index} is out of range for MNIST with 10000 images"):
            dataset[index]
    for wrong in (slice(3), 1.0, "1"):
        with pytest.raises(TypeError, match="MNIST is indexed by one integer"):
            dataset[wrong]  # type: ignore[index]


def test_a_batch(tmp_path: Path) -> None:
    dataset = MNIST(tmp_path, train=True, transform=transforms.ToTensor())
    indices = np.random.default_rng(0).integers(-60000, 60000, 100)
    images, labels = dataset.batch(indices)
    assert isinstance(images, Tensor)
    assert isinstance(labels, Tensor)
    assert images.shape == (100, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.shape == (100,)
    assert labels.dtype == np.int64
    for row, index in enumerate(indices):
        expected = dataset.data[index].astype(np.float32) / np.float32(255)
        assert images.data[row, 0].tobytes() == expected.tobytes()
        assert labels.data[row] == dataset.targets[index]
    assert not images.requires_grad


def test_a_batch_without_a_transform_is_bytes(tmp_path: Path) -> None:
    dataset = MNIST(tmp_path, train=False)
    images, labels = dataset.batch([3, 1, 3])
    assert images.dtype == np.uint8
    assert np.array_equal(images.data, dataset.data[[3, 1, 3]])
    assert labels.data.tolist() == [0, 2, 0]


def test_a_transform_sees_the_whole_batch_and_may_return_a_tensor(tmp_path: Path) -> None:
    seen = []

    def transform(images: np.ndarray) -> Tensor:
        seen.append(images.shape)
        return Tensor(images.sum((1, 2)))

    images, _ = MNIST(tmp_path, train=False, transform=transform).batch(np.arange(5))
    assert seen == [(5, 28, 28)]
    assert images.shape == (5,)
    with pytest.raises(TypeError, match="transform is a function of a batch of images, not 3"):
        MNIST(tmp_path, transform=3)  # type: ignore[arg-type]


class Elsewhere(np.ndarray):
    """Stands in for an array of another library, whose indices are checked before they are sent there."""


@pytest.mark.parametrize("kind", [np.ndarray, Elsewhere])
def test_wrong_indices(tmp_path: Path, kind: type[np.ndarray]) -> None:
    dataset = MNIST(tmp_path, train=False)
    dataset.data, dataset.targets = dataset.data.view(kind), dataset.targets.view(kind)
    assert dataset.batch([9999, -10000])[1].data.tolist() == [6, 7]
    for wrong in (10000, -10001):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range for MNIST with 10000 images"):
            dataset.batch([0, wrong, 5])
    mask = dataset.targets == 3
    for indices in ([0.0, 1.0], [True, False], mask, 5, [[1, 2]]):
        with pytest.raises(TypeError, match="MNIST: a batch is a list of integers, not"):
            dataset.batch(indices)


def test_a_loader_gives_every_image_once(tmp_path: Path) -> None:
    dataset = MNIST(tmp_path, train=False, transform=transforms.ToTensor())
    assert isinstance(dataset, Dataset)
    in_order = [labels.data for _, labels in DataLoader(dataset, batch_size=300)]
    assert [len(part) for part in in_order] == [300] * 33 + [100]
    assert np.array_equal(np.concatenate(in_order), dataset.targets)
    random.manual_seed(0)
    total = 0.0
    shuffled = []
    for images, labels in DataLoader(dataset, batch_size=1000, shuffle=True):
        assert images.shape == (1000, 1, 28, 28)
        total += float(images.data.sum(dtype=np.float64))
        shuffled.append(labels.data)
    assert total == pytest.approx(264923200 / 255, rel=1e-6)
    assert not np.array_equal(np.concatenate(shuffled), dataset.targets)
    assert np.array_equal(np.sort(np.concatenate(shuffled)), np.sort(dataset.targets))


def test_to_the_cpu_is_a_matter_of_course(tmp_path: Path) -> None:
    dataset = MNIST(tmp_path, train=False)
    data = dataset.data
    assert dataset.to("cpu") is dataset
    assert dataset.data is data


def test_to_moves_images_and_labels_or_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = MNIST(tmp_path, train=False, transform=transforms.ToTensor())
    monkeypatch.setattr(backend, "to_device", lambda array, device: array.view(Elsewhere))
    assert dataset.to("cuda") is dataset
    assert type(dataset.data) is type(dataset.targets) is Elsewhere
    images, labels = dataset.batch([0])
    assert images.data.shape == (1, 1, 28, 28)
    assert labels.data.tolist() == [7]

    def full(array: np.ndarray, device: object) -> np.ndarray:
        if array.ndim == 1:
            raise RuntimeError("out of memory")
        return np.asarray(array)

    monkeypatch.setattr(backend, "to_device", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        dataset.to("cpu")
    assert type(dataset.data) is type(dataset.targets) is Elsewhere


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_to_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    dataset = MNIST(tmp_path, train=False)
    with pytest.raises(RuntimeError, match="a GPU was asked for"):
        dataset.to("cuda")
    assert type(dataset.data) is np.ndarray
    assert dataset[0][1] == 7


def test_on_a_gpu(tmp_path: Path, gpu: str) -> None:
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    here = MNIST(tmp_path, train=False, transform=transform)
    there = MNIST(tmp_path, train=False, transform=transform).to(gpu)
    indices = np.array([3, 0, -1, 3])
    images, labels = there.batch(indices)
    assert str(images.device) == str(labels.device) == "cuda:0"
    assert images.data.get().tobytes() == here.batch(indices)[0].data.tobytes()
    assert labels.data.get().tolist() == here.batch(indices)[1].data.tolist()
    with pytest.raises(IndexError, match="index 10000 is out of range"):
        there.batch([10000])
    assert type(there.to("cpu").data) is np.ndarray


def test_it_says_what_it_is(tmp_path: Path) -> None:
    assert repr(MNIST(tmp_path, train=False)) == "MNIST(train=False): 10000 images of 28x28 bytes"
    assert MNIST.classes[7] == "7"


def test_importing_the_package_imports_numpy_alone() -> None:
    unwanted = ("sklearn", "cupy", "matplotlib", "rich", "scipy")
    code = f"import sys, datasets; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_public_names() -> None:
    import datasets

    assert set(datasets.__all__) == {"MNIST", "FashionMNIST", "Digits", "transforms"}
    assert (datasets.FashionMNIST, datasets.Digits) == (FashionMNIST, Digits)
