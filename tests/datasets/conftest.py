"""What the tests of the data sets share: IDX files made by hand, and a server on the loopback interface."""

from __future__ import annotations

import gzip
import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def to_idx() -> Callable[[np.ndarray], bytes]:
    """An array as the bytes of an IDX file, written from the format's description, not from the reader."""
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}

    def write(array: np.ndarray) -> bytes:
        header = bytes([0, 0, codes[array.dtype.name], array.ndim])
        header += b"".join(struct.pack(">I", length) for length in array.shape)
        return header + array.astype(array.dtype.newbyteorder(">")).tobytes()

    return write


@pytest.fixture(scope="session")
def small_files(to_idx: Callable[[np.ndarray], bytes]) -> dict[str, bytes]:
    """The four (unpacked) files of a data set of 30 + 20 random images."""
    files = {}
    for split, seed, n in (("train", 1, 30), ("t10k", 2, 20)):
        random = np.random.default_rng(seed)
        files[f"{split}-images-idx3-ubyte"] = to_idx(random.integers(0, 256, (n, 28, 28)).astype(np.uint8))
        files[f"{split}-labels-idx1-ubyte"] = to_idx(random.integers(0, 10, n).astype(np.uint8))
    return files


@pytest.fixture(scope="session")
def lay(small_files: dict[str, bytes]) -> Callable[..., Path]:
    """Write the small files, or those given, into a folder, packed or not."""

    def write(folder: Path, files: dict[str, bytes] = small_files, packed: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in files.items():
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(contents, mtime=0) if packed else contents)
        return folder

    return write


@dataclass
class Server:
    """Serves `answers` (path without the slash: body) and notes what it was asked for."""

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    claimed_length: int | None = None  # a Content-Length other than the true one


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")  # a proxy cannot reach the loopback interface of this machine

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            state.asked.append(name)
            if name not in state.answers:
                self.send_error(404)
                return
            body = state.answers[name]
            self.send_response(200)
            self.send_header("Content-Length", str(state.claimed_length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(f"http://127.0.0.1:{httpd.server_address[1]}/")
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address where nobody listens: what a machine without a network gets."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as held:  # bound, so that nobody else takes the port, and not listening
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"
