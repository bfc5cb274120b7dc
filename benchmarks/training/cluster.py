"""A cluster of machines, through Dask's distributed: connecting to it, and what makes it slow."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from .. import UsageError

LOW_THRESHOLD = 2**20
"""Bytes. A C library that returns free memory above so little to the system does it several times a training step."""


def connect(address: str) -> Any:
    """A client of the cluster at `address`, once a worker is there."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--dask needs Dask's distributed: python -m pip install -e '.[cluster]'") from None
    try:
        _knock(address)
        with _quiet("distributed"):  # which prints a traceback of its own, too
            client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from None
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        client.close()
        raise UsageError(f"the Dask scheduler at {address} has no workers: start them as --help says") from None
    return client


def _knock(address: str) -> None:
    """Check that something listens at an address such as tcp://localhost:8786.

    Raises:
        ValueError: it is not an address of that form.
        OSError: nothing listens there.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls", "ws", "wss") or not parts.hostname or not parts.port:
        raise ValueError("it must be of the form tcp://HOST:PORT")
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=10).close()
    except UnicodeError:
        raise ValueError("it has no name of a machine") from None


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Do not show what is logged under that name in this block."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def warnings(client: Any) -> Iterator[str]:
    """What makes the cluster's workers slow, a sentence each."""
    thresholds = client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
    low = [value for value in thresholds if value is not None and int(value) < LOW_THRESHOLD]
    if low:
        yield f"{len(low)} workers have MALLOC_TRIM_THRESHOLD_={low[0]} and will be slow: start them as --help says"
    threaded = [address for address, threads in client.nthreads().items() if threads > 1]
    if threaded:
        yield f"{len(threaded)} workers have several threads, of which one will work: start them with --nthreads 1"
