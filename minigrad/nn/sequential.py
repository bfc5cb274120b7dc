"""Modules in a row: what can be edited like a list, and `Sequential`, which applies one after the other."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex, overload

from minigrad.nn.module import Module


class ModuleSequence(Module):
    """Modules in a row, with the names "0", "1", ... or others; the list can be edited.

    A module can be replaced by assigning the attribute, or by ``row[i] = module``. As in PyTorch, a slice keeps the
    names; when modules are inserted or deleted, those whose names are numbers are renumbered.

    Raises:
        TypeError: one of them is not a module.
    """

    def __init__(self, *modules: Any) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else dict(enumerate(modules))
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(f"{type(self).__name__}: argument {name} must be a module, not {type(module).__name__}")
            setattr(self, str(name), module)

    def __setattr__(self, name: str, value: Any) -> None:
        if (name.isdecimal() or isinstance(vars(self).get(name), Module)) and not isinstance(value, Module):
            raise TypeError(f"{type(self).__name__}: {name} must be a module, not {type(value).__name__}")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        return len(self._children())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._children()])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        """Module number `index`; a slice is a row of the same type that shares the modules in it."""
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

    def append(self, module: Module) -> Self:
        """Put `module` at the end; returns the row."""
        return self.insert(len(self), module)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put all of `modules` at the end; returns the row."""
        modules = [*modules]
        for i, module in enumerate(modules):
            self._check(i, module)
        return self._arrange(self._children() + [("0", module) for module in modules])

    def insert(self, index: SupportsIndex, module: Module) -> Self:
        """Put `module` before module number `index`, or at the end; returns the row."""
        self._check(operator.index(index), module)
        children = self._children()
        children.insert(self._place(index, end=True), ("0", module))
        return self._arrange(children)

    def pop(self, index: SupportsIndex = -1) -> Module:
        """Remove module number `index`, and return it."""
        module = self[index]
        del self[index]
        return module

    def __add__(self, other: Any) -> Self:
        if not isinstance(other, ModuleSequence):
            return NotImplemented
        return self[:0].extend([*self, *other])

    def __iadd__(self, other: Any) -> Self:
        return self.extend(other) if isinstance(other, ModuleSequence) else NotImplemented

    def _check(self, i: int, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: {i} must be a module, not {type(module).__name__}")

    def _place(self, index: SupportsIndex, end: bool = False) -> int:
        """`index` counted from the front; with `end`, the place after the last module is allowed too."""
        i, n = operator.index(index), len(self)
        if not -n <= i < n + end:
            raise IndexError(f"index {i} is out of range for a {type(self).__name__} of {n} modules")
        return i % n if i < n else n

    def _arrange(self, children: list[tuple[str, Module]]) -> Self:
        """Hold these modules in this order; numbers as names are replaced by the new places, other names stay."""
        for name, _ in self._children():
            delattr(self, name)
        for i, (name, module) in enumerate(children):
            setattr(self, str(i) if name.isdecimal() else name, module)
        return self


class Sequential(ModuleSequence):
    """Modules applied one after the other.

    The modules are the attributes "0", "1", ... or, if one dictionary of modules is given, its keys.

    Raises:
        TypeError: one of them is not a module.
    """

    def forward(self, x: Any) -> Any:
        """Apply one module after the other to x."""
        for module in [*vars(self).values()]:
            if isinstance(module, Module):
                x = module(x)
        return x
