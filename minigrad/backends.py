"""What scripts ask of PyTorch's backends: whether there is one, and settings, which have no effect here."""

from __future__ import annotations

from types import SimpleNamespace

from minigrad.cuda import is_available

cudnn = SimpleNamespace(deterministic=True, benchmark=False, enabled=False, is_available=lambda: False)
"""Settings of a library that is not used. The same machine and seed give the same bits anyhow."""

mps = SimpleNamespace(is_available=lambda: False, is_built=lambda: False)
"""Apple's GPUs, which are not used."""

cuda = SimpleNamespace(is_built=is_available)
"""NVIDIA's GPUs: see `minigrad.cuda`."""
