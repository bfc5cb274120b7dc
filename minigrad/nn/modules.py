"""Modules: parameters, and the function that uses them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from minigrad import backend, ops, random
from minigrad.nn import functional
from minigrad.tensor import ShapeError, Tensor, float32


class Parameter(Tensor):
    """A tensor that a module is to learn: it requires gradients, and `Module.parameters` finds it."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)


class Module:
    """A function with parameters. Subclasses assign parameters and modules to attributes and define `forward`."""

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `forward` computes."""
        return self.forward(*args, **kwargs)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among its attributes, in the order of assignment."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        seen = set()
        stack: list[Module] = [self]
        while stack:
            module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield module
                stack.extend(child for _, child in reversed(list(module.named_children())))

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Pairs of a dotted name and a parameter, in the order of assignment; a shared one comes once."""
        seen = set()
        for name, parameter in self._walk(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        dot = prefix + "." if prefix else ""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield dot + name, value
        for name, child in self.named_children():
            yield from child._walk(dot + name)

    def parameters(self) -> Iterator[Parameter]:
        """Its parameters and those of the modules below it, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all parameters by name (copies, so that what is kept does not change with training)."""
        return {name: Tensor(parameter.data.copy()) for name, parameter in self._walk("")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the values of `state`; an optimizer built before goes on with them.

        Raises:
            ValueError: names are missing or unknown, or a shape differs; nothing is changed then.
        """
        own = dict(self._walk(""))
        missing, unknown = [n for n in own if n not in state], [n for n in state if n not in own]
        if missing or unknown:
            told = [
                f"{what} {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
            ]
            raise ValueError(f"this state is for another model than {type(self).__name__}: {'; '.join(told)}")
        for name, parameter in own.items():
            shape = tuple(state[name].shape)
            if shape != parameter.shape:
                raise ShapeError(
                    f"{name} has shape {parameter.shape} in {type(self).__name__}, but {shape} in this state"
                )
        for name, parameter in own.items():
            value = state[name].data if isinstance(state[name], Tensor) else state[name]
            parameter.write(backend.to_device(value, parameter.device))

    def to(self, *targets: Any, **named: Any) -> Module:
        """Move all parameters to a device or dtype (see `Tensor.to`), in place; returns the module.

        Raises:
            TypeError: the dtype is not floating point.
        """
        parameters = list(self.parameters())
        moved = [parameter.detach().to(*targets, **named) for parameter in parameters]
        for values in moved:
            if values.dtype.kind != "f":
                raise TypeError(f"the parameters of {type(self).__name__} must stay floating-point, not {values.dtype}")
        for parameter, values in zip(parameters, moved, strict=True):
            parameter.data = values.data
            if parameter.grad is not None:
                parameter.grad = parameter.grad.detach().to(*targets, **named)
        return self

    def cpu(self) -> Module:
        """Move all parameters to the host."""
        return self.to("cpu")

    def cuda(self, index: int = 0) -> Module:
        """Move all parameters to a GPU."""
        return self.to(f"cuda:{index}")

    def train(self, mode: bool = True) -> Module:
        """Switch to training (dropout drops) or, with False, to evaluation; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation; returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Let all parameters require gradients, or none; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


class Sequential(Module):
    """Modules applied one after the other."""

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: argument {i} must be a module, not {type(module).__name__}")
            setattr(self, str(i), module)
        self._chain = modules

    def forward(self, x: Any) -> Any:
        """Module after module, applied to x."""
        for module in self._chain:
            x = module(x)
        return x

    def __len__(self) -> int:
        return len(self._chain)

    def __getitem__(self, index: int) -> Module:
        return self._chain[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self._chain)


class Linear(Module):
    """x @ weight.T + bias, with weight (out_features, in_features) and bias (out_features,).

    Both are drawn uniformly from +-1/sqrt(in_features), the weight first, row by row: bit for bit what PyTorch
    draws from the same seed (its kaiming_uniform_ with a = sqrt(5) is that range).

    Raises:
        ValueError: a number of features is not positive.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = float32) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear: features must be positive, not {in_features} in and {out_features} out")
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features)
        draw = random.default_generator.uniform
        self.weight = Parameter(draw(-bound, bound, (out_features, in_features), dtype))
        self.bias = Parameter(draw(-bound, bound, (out_features,), dtype)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) gives (..., out_features)."""
        return ops.linear(x, self.weight, self.bias) if self.bias is not None else ops.linear(x, self.weight)

    def extra_repr(self) -> str:
        """The features, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.relu(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return ops.sigmoid(x)


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`; by default all but the first, which counts samples."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) gives (N, product of the rest)."""
        return ops.flatten(x, self.start_dim, self.end_dim)


class Dropout(Module):
    """While training, set each element to 0 with probability `p` and scale the rest; see `functional.dropout`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: the probability must be in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class _Loss(Module):
    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in functional.REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(functional.REDUCTIONS)}, not {reduction!r}"
            )
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """Softmax and the negative log-likelihood of the labels: see `functional.cross_entropy`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Logits (N, C), labels (N,)."""
        return functional.cross_entropy(input, target, self.reduction)


class MSELoss(_Loss):
    """The mean squared difference: see `functional.mse_loss`."""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """Two tensors of one shape."""
        return functional.mse_loss(input, target, self.reduction)
