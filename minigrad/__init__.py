"""minigrad: what each gradient-descent optimizer does, in code one can read.

A tape autograd engine on NumPy (or CuPy), layers, losses and hand-written optimizers, under PyTorch's names.
"""

from minigrad import autograd, backend, cuda, nn, optim, random, utils
from minigrad.backend import device
from minigrad.backward import grad
from minigrad.creation import arange, full, ones, rand, randn, randperm, tensor, zeros
from minigrad.gradcheck import GradcheckError, gradcheck
from minigrad.ops import (
    abs,
    argmax,
    cat,
    cos,
    exp,
    flatten,
    log,
    log_softmax,
    matmul,
    max,
    maximum,
    mean,
    relu,
    reshape,
    sigmoid,
    sin,
    softmax,
    sqrt,
    stack,
    sum,
    tanh,
    transpose,
    where,
)
from minigrad.random import manual_seed
from minigrad.recording import enable_grad, is_grad_enabled, no_grad
from minigrad.serialization import CheckpointError, load, save
from minigrad.tensor import ShapeError, Tensor, bool_, float32, float64, int64

bool = bool_
__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "GradcheckError",
    "ShapeError",
    "Tensor",
    "abs",
    "arange",
    "argmax",
    "autograd",
    "backend",
    "bool",
    "cat",
    "cos",
    "cuda",
    "device",
    "enable_grad",
    "exp",
    "flatten",
    "float32",
    "float64",
    "full",
    "grad",
    "gradcheck",
    "int64",
    "is_grad_enabled",
    "load",
    "log",
    "log_softmax",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "nn",
    "no_grad",
    "ones",
    "optim",
    "rand",
    "randn",
    "random",
    "randperm",
    "relu",
    "reshape",
    "save",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "stack",
    "sum",
    "tanh",
    "tensor",
    "transpose",
    "utils",
    "where",
    "zeros",
]
