"""Data sets and loaders, under the same name as in PyTorch."""

from minigrad.utils import data

__all__ = ["data"]
