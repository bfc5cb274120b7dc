"""`Module`, the base class of layers and models, and `Parameter`, what a module learns."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy

from minigrad import backend
from minigrad.missing import Missing
from minigrad.tensor import ShapeError, Tensor, float16, float32, float64


class Parameter(Tensor):
    """A tensor that a module learns: it requires gradients, and `Module.parameters` finds it."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Keys(NamedTuple):
    """What `Module.load_state_dict` found: names without a value, and values without a name."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A function with parameters. Subclasses assign parameters and modules to attributes and define `forward`.

    `forward` is called by calling the module. Attributes that are parameters or modules are found by `parameters`,
    `state_dict` and the like; other tensors that belong to the state are registered by `register_buffer`.
    """

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

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every module below this one, and at last with this one; returns the module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name; "" is the module itself.

        Raises:
            AttributeError: there is none.
        """
        found: Any = self
        for name in target.split(".") if target else ():
            found = getattr(found, name)
        if not isinstance(found, Module):
            raise AttributeError(f"{type(self).__name__}: {target} is a {type(found).__name__}, not a module")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name.

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"{type(self).__name__}: {target} is a {type(found).__name__}, not a parameter")
        return found

    # What it holds.

    def register_module(self, name: str, module: Module | None) -> None:
        """Assign a module to an attribute whose name is only known when the program runs."""
        self._register(name, module, Module)

    add_module = register_module

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Assign a parameter, or None, to an attribute whose name is only known when the program runs."""
        self._register(name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Assign a tensor that belongs to the state but is not learned: it moves with the module and is saved with it.

        Args:
            name: the name of the attribute.
            tensor: the tensor, or None.
            persistent: whether it is in the `state_dict`.
        """
        self._register(name, tensor, Tensor)
        vars(self).setdefault("_buffer_names", {})[name] = persistent

    def _register(self, name: str, value: Any, kind: type) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{type(self).__name__}: a name is a string without a dot, not {name!r}")
        before = vars(self).get(name)
        same = name in vars(self) and (before is None or isinstance(before, kind))
        if kind is Tensor and isinstance(before, Parameter):  # a parameter is a tensor, but no buffer
            same = False
        if hasattr(self, name) and not same:
            raise KeyError(f"{type(self).__name__} has an attribute {name} already")
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{type(self).__name__}: {name} must be a {kind.__name__}, not a {type(value).__name__}")
        setattr(self, name, value)

    def _own_buffers(self, saved_only: bool = False) -> dict[str, Tensor]:
        names = vars(self).get("_buffer_names", {})
        return {
            name: value
            for name, persistent in names.items()
            if (persistent or not saved_only) and isinstance(value := vars(self).get(name), Tensor)
        }

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Pairs of a dotted name and a buffer, each once."""
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in module._own_buffers().items():
                if id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Its buffers and those of the modules below it, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Pairs of a dotted name and a parameter, in the order of assignment; a shared one appears once.

        Without `recurse`, only those of this module, not of those below it.
        """
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def _all_names(self, known: dict[int, dict[str, Tensor]]) -> dict[str, Tensor]:
        """The parameters and buffers under all of their names. `known` holds the results for modules visited before."""
        if id(self) in known:
            return known[id(self)]
        known[id(self)] = {}  # if a module below holds this one, the recursion ends here
        found: dict[str, Tensor] = {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}
        found |= self._own_buffers(saved_only=True)
        for name, child in self._children():
            for below, parameter in child._all_names(known).items():
                found[f"{name}.{below}"] = parameter
        known[id(self)] = found
        return found

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Its parameters and, with `recurse`, those of the modules below it, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    # Its state.

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all parameters and buffers by name. Training does not change the copies.

        A shared parameter is included under each of its names, as in PyTorch.
        """
        return {name: Tensor(parameter.data.copy()) for name, parameter in self._all_names({}).items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
        """Copy the values of a state into the parameters and buffers; an optimizer built before continues with them.

        All entries are checked before the first parameter is changed. Values of another dtype are converted.

        Args:
            state_dict: what `state_dict` returned.
            strict: raise if names are missing or unknown.

        Returns:
            The names that are missing, and those that are unknown.

        Raises:
            ValueError: names are missing or unknown (if `strict`), or a shape differs.
            TypeError: `state` is not a dictionary, or an entry is not an array or a tensor of real numbers.
        """
        model, state = type(self).__name__, state_dict
        if not isinstance(state, Mapping):
            raise TypeError(f"the state of {model} is a dictionary of tensors by name, not a {type(state).__name__}")
        own = self._all_names({})
        missing, unknown = [n for n in own if n not in state], [str(n) for n in state if n not in own]
        if strict and (missing or unknown):
            faults = [
                f"{what} {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
            ]
            raise ValueError(f"this state is for another model than {model}: {'; '.join(faults)}")
        known = {name: own[name] for name in own if name in state}
        values = [_fitting(name, parameter, state[name], model) for name, parameter in known.items()]
        for parameter, value in zip(known.values(), values, strict=True):
            parameter.write(value)
        return Keys(missing, unknown)

    # Where it is, and in which mode.

    def to(self, *targets: Any, **named: Any) -> Self:
        """Move all parameters and buffers to a device or dtype (see `Tensor.to`), in place; returns the module.

        Buffers of integers and bools keep their dtype.

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
        for buffer in self.buffers():
            found = buffer.detach().to(*targets, **named)
            buffer.data = (found if buffer.dtype.kind == "f" else buffer.detach().to(found.device)).data
        return self

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self, index: int = 0) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self.to(f"cuda:{index}")

    def double(self) -> Self:
        """Convert all parameters and floating-point buffers to float64."""
        return self.to(float64)

    def float(self) -> Self:
        """Convert all parameters and floating-point buffers to float32."""
        return self.to(float32)

    def half(self) -> Self:
        """Convert all parameters and floating-point buffers to float16."""
        return self.to(float16)

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode or, with False, to evaluation mode (no dropout); returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode; returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Make all parameters require gradients, or none; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or, without `set_to_none`, those that there are to 0."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def extra_repr(self) -> str:
        """The text between the brackets of the module's repr."""
        return ""

    @reprlib.recursive_repr()  # a module that holds one above it shows that as "..."
    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._children()]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


for _name in (
    *("bfloat16", "compile", "register_backward_hook", "register_forward_hook", "register_forward_pre_hook"),
    *("register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook"),
    *("register_state_dict_post_hook", "share_memory"),
):
    setattr(Module, _name, Missing(_name))


def _fitting(name: str, parameter: Tensor, value: Any, model: str) -> Any:
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
