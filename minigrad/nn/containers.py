"""Lists and dictionaries of modules and of parameters, which the module that holds them finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from minigrad.nn.module import Module, Parameter
from minigrad.nn.sequential import ModuleSequence
from minigrad.tensor import Tensor


class ModuleList(ModuleSequence):
    """A list of modules, which the module that holds it finds; it has no `forward`."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(*(modules or ()))


class _Keyed(Module):
    """A dictionary whose values are the attributes that have its keys as names."""

    kind: type = Module

    def __init__(self, values: Any = None) -> None:
        self.update(values or {})

    def _checked(self, key: Any, value: Any) -> Any:
        name, kind = type(self).__name__, self.kind.__name__.lower()
        if not isinstance(key, str) or not key or "." in key or hasattr(type(self), key):
            raise KeyError(f"{name}: a key is a string that is no name of the class, without a dot, not {key!r}")
        if self.kind is Tensor and isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        if not isinstance(value, self.kind):
            raise TypeError(f"{name}: {key} must be a {kind}, not {type(value).__name__}")
        return value

    def _own(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, self.kind)}

    def __getitem__(self, key: str) -> Any:
        return self._own()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, self._checked(key, value))

    def __delitem__(self, key: str) -> None:
        del self._own()[key]  # raises KeyError
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[str]:
        return iter(self._own())

    def __contains__(self, key: object) -> bool:
        return key in self._own()

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._own().keys()

    def values(self) -> Iterable[Any]:
        """What they name."""
        return self._own().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of both."""
        return self._own().items()

    def update(self, values: Any) -> None:
        """Add or replace those of a dictionary, or of pairs."""
        for key, value in values.items() if isinstance(values, (Mapping, _Keyed)) else values:
            self[key] = value

    def pop(self, key: str) -> Any:
        """Remove one and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all."""
        for key in [*self]:
            del self[key]


class ModuleDict(_Keyed):
    """A dictionary of modules, which the module that holds it finds."""


class ParameterDict(_Keyed):
    """A dictionary of parameters, which the module that holds it finds; tensors become parameters."""

    kind = Tensor


class ParameterList(Module):
    """A list of parameters, which the module that holds it finds; tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        self.extend(values or ())

    def _own(self) -> list[Any]:
        return [value for value in vars(self).values() if isinstance(value, Tensor)]

    def append(self, value: Any) -> ParameterList:
        """Put a parameter at the end; returns the list."""
        if not isinstance(value, Tensor):
            raise TypeError(f"ParameterList: an element must be a parameter or a tensor, not {type(value).__name__}")
        setattr(self, str(len(self)), value if isinstance(value, Parameter) else Parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Put all of them at the end; returns the list."""
        for value in values:
            self.append(value)
        return self

    def __getitem__(self, index: Any) -> Any:
        found = self._own()[index]
        return ParameterList(found) if isinstance(found, list) else found

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(range(len(self))[index]), value if isinstance(value, Parameter) else Parameter(value))

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._own())
