"""Layers and losses, under PyTorch's names."""

from minigrad.nn import functional, init, utils
from minigrad.nn.layers import CrossEntropyLoss, Dropout, Flatten, Linear, MSELoss, ReLU, Sigmoid, Tanh
from minigrad.nn.module import Module, Parameter
from minigrad.nn.sequential import Sequential

__all__ = [
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
    "init",
    "utils",
]
