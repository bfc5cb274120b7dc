"""`Module`, the base class of layers and models, and `Parameter`, what a module learns."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from minigrad import backend
from minigrad.tensor import ShapeError, Tensor


class Parameter(Tensor):
    """A tensor that a module learns: it requires gradients, and `Module.parameters` finds it."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)


class Module:
    """A function with parameters. Subclasses assign parameters and modules to attributes and define `forward`."""

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the module."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of `forward`."""
        return self.forward(*args, **kwargs)

    def _children(self) -> list[tuple[str, Module]]:
        """The modules among its attributes, in the order of assignment; one with two names appears twice."""
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
        """Pairs of a dotted name and a parameter, in the order of assignment; a shared one appears once."""
        seen = set()
        for path, module in self.named_modules(prefix):
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def _all_names(self, known: dict[int, dict[str, Parameter]]) -> dict[str, Parameter]:
        """The parameters under all of their names. `known` holds the results for the modules visited before."""
        if id(self) in known:
            return known[id(self)]
        known[id(self)] = {}  # if a module below holds this one, the recursion ends here
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
        """Copies of all parameters by name. Training does not change the copies.

        A shared parameter is included under each of its names, as in PyTorch.
        """
        return {name: Tensor(parameter.data.copy()) for name, parameter in self._all_names({}).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy the values of `state` into the parameters; an optimizer built before continues with them.

        All entries are checked before the first parameter is changed. Values of another dtype are converted.

        Raises:
            ValueError: names are missing or unknown, or a shape differs.
            TypeError: `state` is not a dictionary, or an entry is not an array or a tensor of real numbers.
        """
        model = type(self).__name__
        if not isinstance(state, Mapping):
            raise TypeError(f"the state of {model} is a dictionary of tensors by name, not a {type(state).__name__}")
        own = self._all_names({})
        missing, unknown = [n for n in own if n not in state], [str(n) for n in state if n not in own]
        if missing or unknown:
            faults = [
                f"{what} {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
            ]
            raise ValueError(f"this state is for another model than {model}: {'; '.join(faults)}")
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
        """Move all parameters to the CPU."""
        return self.to("cpu")

    def cuda(self, index: int = 0) -> Module:
        """Move all parameters to a GPU."""
        return self.to(f"cuda:{index}")

    def train(self, mode: bool = True) -> Module:
        """Switch to training mode or, with False, to evaluation mode (no dropout); returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation mode; returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Make all parameters require gradients, or none; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def extra_repr(self) -> str:
        """The text between the brackets of the module's repr."""
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
        raise TypeError(f"{name} in the state of {model} is {kind}: it must be an array or a tensor of real numbers")
    if tuple(array.shape) != parameter.shape:
        raise ShapeError(f"{name} has shape {parameter.shape} in {model}, but {tuple(array.shape)} in this state")
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError(f"{name} in the state of {model} is a masked array: fill it first, with .filled()")
    if isinstance(array, numpy.ndarray):
        array = numpy.asarray(array)
    return backend.to_device(array, parameter.device).astype(parameter.dtype, copy=True)
