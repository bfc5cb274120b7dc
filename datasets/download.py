"""Fetching a data file: all of it, and the right one, or nothing at all."""

from __future__ import annotations

import http.client
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 16


def fetch(
    url: str,
    path: Path,
    check: Callable[[bytes, str], None],
    advice: str = "check the network",
    timeout: float = 30.0,
) -> None:
    """Download `url` to `path`, showing progress on the standard error.

    The data are written into a file beside `path`, which takes its name only when it is complete and
    `check(contents, url)` has not raised: a failure leaves neither `path` nor the file beside it.

    timeout: how many seconds the server may stay silent.
    Raises ConnectionError, one sentence that ends with `advice`, when the data cannot be had, and whatever
    `check` raises when they are not the right ones.
    """
    try:
        response = urllib.request.urlopen(url, timeout=timeout)
    except urllib.error.HTTPError as error:  # an answer, but not the file
        error.close()
        raise _failed(url, error, advice) from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, error, advice) from error
    with response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file, _progress(path.name, total) as advance:
                received = 0
                while chunk := _read(response, url, advice):
                    file.write(chunk)
                    received += len(chunk)
                    advance(len(chunk))
            if total is not None and received < total:
                raise _failed(url, f"the connection ended after {received} of {total} bytes", advice)
            check(Path(beside).read_bytes(), url)
            os.chmod(beside, 0o644)  # mkstemp makes a file that nobody else may read
            os.replace(beside, path)
        except BaseException:  # Ctrl-C too
            os.unlink(beside)
            raise


def _read(response: http.client.HTTPResponse, url: str, advice: str) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, error, advice) from error


def _failed(url: str, why: object, advice: str) -> ConnectionError:
    if isinstance(why, urllib.error.URLError) and not isinstance(why, urllib.error.HTTPError):
        why = why.reason  # urllib wraps the error that says what happened
    return ConnectionError(f"could not download {url} ({str(why) or type(why).__name__}): {advice}")


@contextmanager
def _progress(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that rich draws, or one line where rich is not installed."""
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:
        size = f" ({total / 1e6:.1f} MB)" if total else ""
        print(f"downloading {name}{size}", file=sys.stderr)
        yield lambda count: None
        return
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
    with progress.Progress(*columns, progress.TransferSpeedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)
