"""Data sets and loaders, where PyTorch has them."""

from minigrad.utils import data

__all__ = ["data"]
