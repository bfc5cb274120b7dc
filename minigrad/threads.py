"""How many threads matrix products use, under PyTorch's names, by threadpoolctl (the extra `[threads]`)."""

from __future__ import annotations

from typing import Any

from minigrad import conversion


def _pools() -> Any:
    """What threadpoolctl knows of the BLAS libraries in this process.

    Raises:
        RuntimeError: threadpoolctl is not installed.
    """
    try:
        import threadpoolctl
    except ImportError:
        raise RuntimeError(
            "the number of threads is set by threadpoolctl, which is not installed: python -m pip install threadpoolctl"
        ) from None
    return threadpoolctl.ThreadpoolController()


def set_num_threads(n: int) -> None:
    """Let matrix products use `n` threads from now on. For small networks, 1 is often the fastest.

    Raises:
        ValueError: `n` is not a positive integer.
        RuntimeError: threadpoolctl is not installed.
    """
    if not conversion.is_whole(n) or n < 1:
        raise ValueError(f"set_num_threads: the number of threads is a positive integer, not {n!r}")
    _pools().limit(limits=int(n), user_api="blas")  # as a block it would undo that at its end


def get_num_threads() -> int:
    """How many threads matrix products use.

    Raises:
        RuntimeError: threadpoolctl is not installed.
    """
    return max((int(pool["num_threads"]) for pool in _pools().select(user_api="blas").info()), default=1)
