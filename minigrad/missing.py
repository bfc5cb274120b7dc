"""What is said when a script asks for a name of PyTorch's that minigrad does not have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

OUT_OF_SCOPE: dict[str, str] = {
    r"(lazy_?)?conv(_transpose|transpose)?[123]?d?_?|conv_.*|unfold|fold|pixel_?(un)?shuffle|upsample\w*|interpolate|"
    r"grid_sample|\w*pool[123]d\w*|\w*pad[123]d|zero_?pad\w*": (
        "convolutions are not in minigrad, which is about optimizers: use Flatten and Linear, or PyTorch"
    ),
    r"rnn\w*|lstm\w*|gru\w*|recurrent\w*|pack_\w*sequence|pad_\w*sequence|pad_sequence": (
        "recurrent networks are not in minigrad: use Embedding, Flatten and Linear, or PyTorch"
    ),
    r"(lazy_?|sync_?)?(batch|instance|group|local_?response|weight|spectral)_?norm\w*": (
        "this normalization is not in minigrad: use LayerNorm or RMSNorm"
    ),
    r"transformer\w*|multi_?head_?attention\w*|scaled_dot_product_attention": (
        "attention is not in minigrad: write it with Linear, matmul and softmax"
    ),
    r"\w*hook\w*": "hooks are not in minigrad: compute what you need from the results, or use retain_grad()",
    r"lbfgs": "LBFGS is not in minigrad, whose optimizers look at one gradient a step: use Adam or SGD with momentum",
    r"sparse_?adam|rprop|asgd|adafactor": (
        "this optimizer is not in minigrad: write it as a class with a rule, as the README shows"
    ),
    r"linalg|svd|eig\w*|inverse|pinverse|cholesky\w*|qr|lu\w*|det|logdet|slogdet|lstsq|"
    r"matrix_(exp|power|rank)|solve\w*": ("linear algebra is not in minigrad: use numpy.linalg with tensor.numpy()"),
    r"fft\w*|stft|istft|special|complex\d*|cfloat|cdouble|is_complex|view_as_(real|complex)|real|imag|angle|polar": (
        "complex numbers and Fourier transforms are not in minigrad: use numpy with tensor.numpy()"
    ),
    r"jit|compile|script\w*|trace_module|fx|onnx|export|_dynamo|_inductor|quantiz\w*|ao": (
        "compiling models is not in minigrad; optimizers are compiled by themselves where numba is installed"
    ),
    r"distributed\w*|multiprocessing|rpc|data_parallel|dataparallel|distributed_?data_?parallel|distributed_?sampler": (
        "distributed training is not in minigrad: run several trainings with joblib or Dask"
    ),
    r"amp|autocast\w*|grad_?scaler|bfloat16|float8\w*|bfloat16storage": (
        "mixed precision is not in minigrad: use float32, float64 or float16"
    ),
    r"sparse\w*|to_sparse\w*|is_sparse|coalesce|nested\w*": "sparse tensors are not in minigrad: its tensors are dense",
    r"set_default_(dtype|tensor_type|device)|get_default_(dtype|device)": (
        "there is no global mode in minigrad: pass dtype= or device=, or call model.double()"
    ),
    r"use_deterministic_algorithms|set_float32_matmul_precision|are_deterministic_algorithms_enabled|"
    r"set_deterministic_debug_mode": (
        "there is nothing to switch in minigrad: the same machine and seed give the same bits"
    ),
    r"set_printoptions": "this is not in minigrad: use tensor.numpy() and numpy.set_printoptions()",
    r"utils\.tensorboard|tensorboard|hub|profiler|package|futures|monitor": (
        "this is not in minigrad: use Python's own tools, matplotlib or tensorboard"
    ),
    r"dropout[123]d|alpha_?dropout|feature_alpha_dropout\w*": (
        "this kind of dropout is not in minigrad: use Dropout, for single elements"
    ),
    r"vmap|jvp|vjp|jacfwd|jacrev|func|functorch|forward_ad|function|once_differentiable|detect_anomaly|gradgradcheck": (
        "this is not in minigrad: see autograd.grad, autograd.functional and gradcheck"
    ),
    r"storage\w*|untyped_?storage|typed_?storage|data_ptr|stride|as_strided|memory_format|contiguous_format|"
    r"channels_last\w*|share_memory_?|is_shared|pin_memory|is_pinned|strided|layout|"
    r"resize_|set_": (
        "this is not in minigrad, whose memory is NumPy's or CuPy's: see tensor.data, its strides and flags"
    ),
    r"ctc_?loss|multi_?margin_?loss|multi_?label_?\w+|triplet_margin_with_distance_loss|adaptive_?log_?softmax\w*": (
        "this loss is not in minigrad: write it with the functions of nn.functional"
    ),
    r"(worker|get_worker)_?\w*|iterable_?dataset|chain_?dataset|stack_?dataset|weighted_?random_?sampler|"
    r"\w*sampler": "worker processes and samplers are not in minigrad's DataLoader: choose indices with a Subset",
}
"""Patterns of names that are out of scope, and why and what to use instead."""


def sentence(shown: str, name: str) -> str:
    """The sentence for a name that is out of scope; empty if it is not."""
    for pattern, reason in OUT_OF_SCOPE.items():
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return f"{shown}: {reason}"
    return ""


def nearest(name: str, names: Iterable[str]) -> str:
    """A question with the names that look most like `name`, or nothing."""
    public = {each.lower(): each for each in names if not each.startswith("_")}
    close = difflib.get_close_matches(name.lower(), public, n=3, cutoff=0.6)
    return f"; is {' or '.join(public[each] for each in close)} meant?" if close else ""


class Missing:
    """An attribute of a class of PyTorch's that is not here. Asking for it raises AttributeError, with the sentence.

    (A ``__getattr__`` of the class would answer for every name, but make all attributes slower to read.)
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(sentence(f"{owner.__name__}.{self.name}", self.name))


def missing_from(module: str, names: Iterable[str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module, which says of each name that is not there why, and what there is instead."""

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name.startswith("__"):  # what Python and other libraries look for
            raise AttributeError(f"module {module} has no attribute {name}")
        shown = f"{module}.{name}"
        raise AttributeError(
            sentence(shown, name) or f"{shown} is not in minigrad, which has a part of PyTorch{nearest(name, names)}"
        )

    return __getattr__
