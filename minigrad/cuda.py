"""Whether there is a GPU, how many, and waiting for it, under PyTorch's names."""

from __future__ import annotations

from minigrad.backend import import_cupy
from minigrad.missing import missing_from


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    return device_count() > 0


def device_count() -> int:
    """How many GPUs CuPy finds (0 without CuPy)."""
    try:
        return int(import_cupy().cuda.runtime.getDeviceCount())
    except RuntimeError:
        return 0


def synchronize() -> None:
    """Wait until the current GPU has finished its work. Does nothing without a GPU."""
    if is_available():
        import_cupy().cuda.get_current_stream().synchronize()


__getattr__ = missing_from(__name__, ("device_count", "is_available", "synchronize"))
