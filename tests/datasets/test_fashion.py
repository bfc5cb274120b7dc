"""Fashion-MNIST: where it is looked for, and what a download leaves behind when it fails: nothing."""

from __future__ import annotations

import gzip
import hashlib
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from datasets import MNIST, FashionMNIST, idx
from datasets.download import fetch
from datasets.idx import DataFileError

NAMES = list(idx.KNOWN["FashionMNIST"])


@pytest.fixture
def small(tmp_path: Path, small_files: dict[str, bytes]) -> type[FashionMNIST]:
    """Fashion-MNIST, only smaller: its digests are those of the small files, and no package is installed."""

    class Small(FashionMNIST):
        digests: ClassVar[dict[str, str]] = {
            name: hashlib.sha256(contents).hexdigest() for name, contents in small_files.items()
        }
        shared_folder = tmp_path / "package"

    return Small


@pytest.fixture
def packed_files(small_files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(contents, mtime=0) for name, contents in small_files.items()}


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def expect(dataset: FashionMNIST, files: dict[str, bytes]) -> None:
    split = "train" if dataset.train else "t10k"
    assert dataset.data.tobytes() == files[f"{split}-images-idx3-ubyte"][16:]
    assert dataset.targets.tolist() == list(files[f"{split}-labels-idx1-ubyte"][8:])


def test_the_labels_and_the_digests() -> None:
    assert len(FashionMNIST.classes) == 10
    assert FashionMNIST.classes[0] == "T-shirt/top"
    assert FashionMNIST.classes[9] == "Ankle boot"
    assert FashionMNIST.digests.keys() == MNIST.digests.keys()
    assert not set(FashionMNIST.digests.values()) & set(MNIST.digests.values())


@pytest.mark.skipif(
    not FashionMNIST.shared_folder.exists(), reason="Debian's package dataset-fashion-mnist is not installed"
)
def test_the_debian_package(tmp_path: Path) -> None:
    train, test = FashionMNIST(tmp_path, train=True), FashionMNIST(tmp_path, train=False, download=True)
    assert np.bincount(train.targets).tolist() == [6000] * 10
    assert np.bincount(test.targets).tolist() == [1000] * 10
    assert train.targets[:8].tolist() == [9, 0, 0, 3, 0, 2, 7, 2]
    assert int(train.data.sum()) == 3431114169
    assert files_below(tmp_path) == []  # it was there, so nothing was downloaded


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["root/FashionMNIST/raw", "root", "package"])
def test_where_it_is_looked_for(
    tmp_path: Path,
    small: type[FashionMNIST],
    small_files: dict[str, bytes],
    lay: Callable[..., Path],
    place: str,
    packed: bool,
) -> None:
    lay(tmp_path / place, packed=packed)
    for train in (True, False):
        expect(small(tmp_path / "root", train=train), small_files)


def test_missing(tmp_path: Path, small: type[FashionMNIST], server: Any) -> None:
    small.base_url = server.url
    with pytest.raises(FileNotFoundError) as caught:
        small(tmp_path / "root")
    message = str(caught.value)
    for place in (tmp_path / "root" / "FashionMNIST" / "raw", tmp_path / "root", tmp_path / "package"):
        assert str(place) in message
    assert "train-images-idx3-ubyte" in message
    assert "download=True" in message
    assert "dataset-fashion-mnist" in message
    assert server.asked == []  # nothing is fetched that was not asked for
    assert not (tmp_path / "root").exists()


def test_mnist_in_its_place(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in MNIST.shared_folder.glob("t10k*.gz"):
        (raw / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataFileError, match="is MNIST's t10k-images-idx3-ubyte, not FashionMNIST's t10k-images"):
        FashionMNIST(tmp_path, train=False)


def test_download(
    tmp_path: Path,
    small: type[FashionMNIST],
    small_files: dict[str, bytes],
    packed_files: dict[str, bytes],
    server: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    small.base_url = server.url
    server.answers = packed_files
    expect(small(tmp_path, train=True, download=True), small_files)
    raw = tmp_path / "FashionMNIST" / "raw"
    assert files_below(tmp_path) == sorted(packed_files)
    for name, contents in packed_files.items():
        assert (raw / name).read_bytes() == contents
        assert (raw / name).stat().st_mode & 0o777 == 0o644
    assert server.asked == [f"{name}.gz" for name in NAMES]
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "t10k-labels-idx1-ubyte.gz" in printed.err
    # The other half came along, and what is there is not fetched again.
    expect(small(tmp_path, train=False), small_files)
    expect(small(tmp_path, train=False, download=True), small_files)
    assert len(server.asked) == 4


def test_only_what_is_missing_is_fetched(
    tmp_path: Path,
    small: type[FashionMNIST],
    packed_files: dict[str, bytes],
    server: Any,
    lay: Callable[..., Path],
) -> None:
    lay(tmp_path / "FashionMNIST" / "raw")
    (tmp_path / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte\[.gz\] is missing there; pass download"):
        small(tmp_path, train=False)
    small.base_url = server.url
    server.answers = packed_files
    assert len(small(tmp_path, train=False, download=True)) == 20
    assert server.asked == ["t10k-labels-idx1-ubyte.gz"]


def test_nothing_is_fetched_if_the_package_is_installed(
    tmp_path: Path,
    small: type[FashionMNIST],
    small_files: dict[str, bytes],
    lay: Callable[..., Path],
    refused: str,
) -> None:
    lay(small.shared_folder, packed=True)
    small.base_url = refused
    expect(small(tmp_path / "root", download=True), small_files)
    assert not (tmp_path / "root").exists()


def test_no_network(tmp_path: Path, small: type[FashionMNIST], refused: str) -> None:
    small.base_url = refused
    with pytest.raises(ConnectionError) as caught:
        small(tmp_path / "root", download=True)
    message = str(caught.value)
    assert message.startswith(f"could not download {refused}train-images-idx3-ubyte.gz (")
    assert "Connection refused" in message
    assert "urlopen error" not in message
    assert "\n" not in message
    assert message.endswith("check the network, or install Debian's package dataset-fashion-mnist")
    assert not (tmp_path / "root").exists()


def test_not_found_on_the_server(tmp_path: Path, small: type[FashionMNIST], server: Any) -> None:
    small.base_url = server.url
    with pytest.raises(ConnectionError, match="HTTP Error 404"):
        small(tmp_path, download=True)
    assert server.asked == ["train-images-idx3-ubyte.gz"]
    assert files_below(tmp_path) == []


def test_the_connection_breaks(
    tmp_path: Path, small: type[FashionMNIST], packed_files: dict[str, bytes], server: Any
) -> None:
    small.base_url = server.url
    body = packed_files["train-images-idx3-ubyte.gz"]
    for length in (0, 1, 10, len(body) // 2, len(body) - 1):
        server.answers = {"train-images-idx3-ubyte.gz": body[:length]}
        server.claimed_length = len(body)
        with pytest.raises(ConnectionError, match=f"ended after {length} of {len(body)} bytes"):
            small(tmp_path, download=True)
        assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"5\r\nhello\r\nnonsense", "IncompleteRead"),  # a length of the next piece that is none
        (b"ffff\r\nhello", "IncompleteRead"),
        (b"", "IncompleteRead"),
    ],
)
def test_an_answer_that_breaks_off_between_its_pieces(tmp_path: Path, sent: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file"
        with pytest.raises(ConnectionError) as caught:
            fetch(url, tmp_path / "file", lambda contents, source: None, "look elsewhere")
        thread.join()
    assert str(caught.value).startswith(f"could not download {url} ({words}")
    assert str(caught.value).endswith("): look elsewhere")
    assert files_below(tmp_path) == []


def test_a_server_that_falls_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file"
        with pytest.raises(ConnectionError, match=r"\(timed out\): check the network$"):  # it never answers at all
            fetch(url, tmp_path / "file", lambda contents, source: None, timeout=0.05)
        listening.accept()[0].close()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                connection.recv(1)  # until the other side gives up

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectionError, match=r"\(timed out\): check the network$"):
            fetch(url, tmp_path / "file", lambda contents, source: None, timeout=1.0)
        thread.join()
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body: b"<html>login first</html>", "is not gzip data"),
        (lambda body: body[:-1], "gzip data are cut short"),
        (lambda body: body[:-5] + bytes([body[-5] ^ 1]) + body[-4:], "gzip data are damaged"),
        (lambda body: body + b"x", "left over"),
        (lambda body: gzip.compress(b"<html>login first</html>"), "not an IDX file"),
        (lambda body: gzip.compress(gzip.decompress(body)[:-1] + b"\0"), "SHA-256"),
    ],
)
def test_wrong_data_from_the_server(
    tmp_path: Path,
    small: type[FashionMNIST],
    packed_files: dict[str, bytes],
    server: Any,
    change: Callable[[bytes], bytes],
    words: str,
) -> None:
    small.base_url = server.url
    second = "train-labels-idx1-ubyte.gz"
    server.answers = {**packed_files, second: change(packed_files[second])}
    with pytest.raises(DataFileError) as caught:
        small(tmp_path, download=True)
    assert str(caught.value).startswith(f"{server.url}{second}: ")
    assert words in str(caught.value)
    assert files_below(tmp_path) == ["train-images-idx3-ubyte.gz"]  # the one that was right, and no other


def test_progress_without_rich(
    tmp_path: Path,
    small: type[FashionMNIST],
    small_files: dict[str, bytes],
    packed_files: dict[str, bytes],
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    small.base_url = server.url
    server.answers = packed_files
    expect(small(tmp_path, download=True), small_files)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "downloading train-images-idx3-ubyte.gz (0.0 MB)"


def test_mnist_can_be_fetched_too(
    tmp_path: Path,
    small_files: dict[str, bytes],
    packed_files: dict[str, bytes],
    server: Any,
) -> None:
    class Lost(MNIST):
        digests: ClassVar[dict[str, str]] = {}
        shared_folder = tmp_path / "deleted"
        base_url = server.url

    server.answers = packed_files
    dataset = Lost(tmp_path / "root", download=True)
    assert dataset.data.tobytes() == small_files["train-images-idx3-ubyte"][16:]
    assert files_below(tmp_path / "root" / "MNIST" / "raw") == sorted(packed_files)
