"""Modules: parameters, and the function that uses them."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, SupportsIndex, overload

import numpy

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

    def _children(self) -> list[tuple[str, Module]]:
        """The modules among its attributes, in the order of assignment: one with two names comes twice."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among its attributes and their names, in the order of assignment, each once."""
        seen = set()
        for name, child in self._children():
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules among its attributes, each once."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Pairs of a dotted name and a module, for this module and all below it, each once."""
        seen = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module
                dot = name + "." if name else ""
                stack.extend((dot + below, child) for below, child in reversed(module._children()))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Pairs of a dotted name and a parameter, in the order of assignment; a shared one comes once."""
        seen = set()
        for path, module in self.named_modules(prefix):
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def _all_names(self, known: dict[int, dict[str, Parameter]]) -> dict[str, Parameter]:
        """The parameters under all of their names. `known` has what was found of the modules visited before.

        A module that is being visited is known to have nothing yet: so one that is held by a module below it is
        not followed round in circles.
        """
        if id(self) in known:
            return known[id(self)]
        known[id(self)] = {}
        found = {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}
        for name, child in self._children():
            for below, parameter in child._all_names(known).items():
                found[f"{name}.{below}"] = parameter
        known[id(self)] = found
        return found

    def parameters(self) -> Iterator[Parameter]:
        """Its parameters and those of the modules below it, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all parameters by name (copies, so that what is kept does not change with training).

        A parameter that is shared is in it under each of its names, as in PyTorch.
        """
        return {name: Tensor(parameter.data.copy()) for name, parameter in self._all_names({}).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the values of `state`; an optimizer built before goes on with them.

        All or nothing: whatever is wrong with one entry is found before the first parameter is changed. Values of
        another dtype are converted to the parameter's.

        Raises:
            ValueError: names are missing or unknown, or a shape differs.
            TypeError: `state` is no dictionary, or an entry is not an array or a tensor of real numbers.
        """
        model = type(self).__name__
        if not isinstance(state, Mapping):
            raise TypeError(f"the state of {model} is a dictionary of tensors by name, not a {type(state).__name__}")
        own = self._all_names({})
        missing, unknown = [n for n in own if n not in state], [str(n) for n in state if n not in own]
        if missing or unknown:
            differences = [
                f"{what} {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
            ]
            raise ValueError(f"this state is for another model than {model}: {'; '.join(differences)}")
        values = [_fitting(name, parameter, state[name], model) for name, parameter in own.items()]
        for parameter, value in zip(own.values(), values, strict=True):
            parameter.write(value)

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

    @reprlib.recursive_repr()  # a module that holds one above it shows that as "..."
    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._children()]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


def _fitting(name: str, parameter: Parameter, value: Any, model: str) -> Any:
    """A copy of the array in `value`, of the shape, dtype and device of `parameter`."""
    array = value.data if isinstance(value, Tensor) else value
    if not backend.is_array(array) or array.dtype.kind not in "biuf":
        kind = f"an array of {array.dtype}" if backend.is_array(array) else f"a {type(array).__name__}"
        raise TypeError(f"{name} in the state of {model} is {kind}: an array or tensor of real numbers is wanted")
    if tuple(array.shape) != parameter.shape:
        raise ShapeError(f"{name} has shape {parameter.shape} in {model}, but {tuple(array.shape)} in this state")
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError(f"{name} in the state of {model} is a masked array: fill its gaps first")
    if isinstance(array, numpy.ndarray):
        array = numpy.asarray(array)
    return backend.to_device(array, parameter.device).astype(parameter.dtype, copy=True)


class Sequential(Module):
    """Modules applied one after the other.

    The modules are the attributes "0", "1", ... (or, given one dictionary of modules, its keys): what is assigned
    there, or by ``sequential[i] = module``, is what `forward` applies. As in PyTorch a slice keeps the names; when
    modules are inserted or deleted, those that are numbered are numbered anew.

    Raises:
        TypeError: one of them is not a module.
    """

    def __init__(self, *modules: Any) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else dict(enumerate(modules))
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: argument {name} must be a module, not {type(module).__name__}")
            setattr(self, str(name), module)

    def __setattr__(self, name: str, value: Any) -> None:
        if (name.isdecimal() or isinstance(vars(self).get(name), Module)) and not isinstance(value, Module):
            raise TypeError(f"Sequential: {name} must be a module, not {type(value).__name__}")
        super().__setattr__(name, value)

    def forward(self, x: Any) -> Any:
        """Module after module, applied to x."""
        for module in [*vars(self).values()]:
            if isinstance(module, Module):
                x = module(x)
        return x

    def __len__(self) -> int:
        return len(self._children())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._children()])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        """Module number `index`; a slice is a `Sequential` that shares the modules in it."""
        children = self._children()
        if not isinstance(index, slice):
            return children[self._place(index)][1]
        twin = type(self).__new__(type(self))
        others = {name: value for name, value in vars(self).items() if not isinstance(value, Module)}
        vars(twin).update(others, **dict(children[index]))
        return twin

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        setattr(self, self._children()[self._place(index)][0], module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        children = self._children()
        del children[index if isinstance(index, slice) else self._place(index)]
        self._arrange(children)

    def append(self, module: Module) -> Sequential:
        """Put `module` at the end; returns the sequential."""
        return self.insert(len(self), module)

    def extend(self, modules: Iterable[Module]) -> Sequential:
        """Put all of `modules` at the end; returns the sequential."""
        modules = [*modules]
        for i, module in enumerate(modules):
            self._check(i, module)
        return self._arrange(self._children() + [("0", module) for module in modules])

    def insert(self, index: SupportsIndex, module: Module) -> Sequential:
        """Put `module` before module number `index`, or at the end; returns the sequential."""
        self._check(operator.index(index), module)
        children = self._children()
        children.insert(self._place(index, end=True), ("0", module))
        return self._arrange(children)

    def pop(self, index: SupportsIndex = -1) -> Module:
        """Take out module number `index`, and return it."""
        module = self[index]
        del self[index]
        return module

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *other) if isinstance(other, Sequential) else NotImplemented

    def __iadd__(self, other: Any) -> Sequential:
        return self.extend(other) if isinstance(other, Sequential) else NotImplemented

    @staticmethod
    def _check(i: int, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"Sequential: {i} must be a module, not {type(module).__name__}")

    def _place(self, index: SupportsIndex, end: bool = False) -> int:
        """`index` counted from the front; with `end`, the place behind the last one counts as well."""
        i, n = operator.index(index), len(self)
        if not -n <= i < n + end:
            raise IndexError(f"index {i} is out of range for a Sequential of {n} modules")
        return i % n if i < n else n

    def _arrange(self, children: list[tuple[str, Module]]) -> Sequential:
        """Hold these modules, in this order: names that are numbers become the places, the others stay."""
        for name, _ in self._children():
            delattr(self, name)
        for i, (name, module) in enumerate(children):
            setattr(self, str(i) if name.isdecimal() else name, module)
        return self


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
