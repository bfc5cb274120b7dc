"""Whether there is a GPU, how many, and waiting for it, under PyTorch's names."""

from __future__ import annotations

from minigrad.backend import import_cupy
from minigrad.missing import missing_from
from minigrad.random import Generator


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


def manual_seed(seed: int) -> None:
    """Check the seed, and do nothing: arrays on a GPU get the draws of `minigrad.manual_seed`'s generator."""
    Generator(seed)


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Give memory that CuPy keeps for later arrays back to the GPU. Does nothing without a GPU."""
    if is_available():
        import_cupy().get_default_memory_pool().free_all_blocks()


__getattr__ = missing_from(
    __name__, ("device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize")
)
