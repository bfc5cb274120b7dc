"""The vectors of an optimizer: its parameters end to end in theta, their gradients in g, and the state likewise.

They are built when the optimizer is created. They are rebuilt when a parameter is no longer a view of theta (because
``p.data`` was assigned, for example), or when the groups have other parameters.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.buffered import Segment
from minigrad.optim.groups import Group, Grouped
from minigrad.optim.program import Elementwise
from minigrad.optim.vectors import Vectors, copy_gradient
from minigrad.recording import Memory, Slot
from minigrad.tensor import ShapeError, Tensor


class ParameterState(NamedTuple):
    """The state of one parameter: its own number of steps t, its shape, and its part of each vector."""

    parameter: weakref.ref[Tensor]
    t: int
    shape: tuple[int, ...]
    state: dict[str, Array]


class Vectorized(Grouped):
    """The part of `Optimizer` that builds the vectors."""

    state: ClassVar[tuple[str, ...]] = ()
    theta: Array
    state_vectors: dict[str, Array]
    _vectors: Vectors
    _params: list[Tensor]
    _slots: list[Slot]  # the place of each parameter in theta and g
    _ends: list[int]  # the end of each place
    _params_and_slots: list[tuple[Tensor, Slot]]  # each parameter with its place
    _memories: list[Memory]
    _shapes: dict[int, tuple[int, ...]]  # the shapes of parameters that are not empty, by the start of their place
    _counts: list[int]  # the number of steps t of each parameter
    _removed: dict[int, ParameterState]  # the state of parameters that are no longer in any group, by their id
    _added_names: tuple[str, ...]  # the names of further vectors that start as copies of theta, for wrappers
    _added: dict[str, Array]  # these vectors
    _segments: dict[tuple[int, int], Segment]
    _elementwise: Elementwise

    def check_parameter(self, i: int, p: Tensor) -> None:
        """Raise an error if the rule cannot train `p`, parameter number `i`. By default it can."""

    def _check_params(self, params: list[Any]) -> None:
        rule = type(self).__name__
        seen = set()
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{rule}: parameter {i} must be a tensor, not {type(p).__name__}")
            if not p.is_leaf:
                raise TypeError(
                    f"{rule}: parameter {i} (shape {p.shape}) was computed from others: pass the leaves instead"
                )
            if p.dtype.kind != "f":
                raise TypeError(f"{rule}: parameter {i} (shape {p.shape}) must be floating-point, not {p.dtype}")
            if id(p) in seen:
                raise ValueError(f"{rule}: parameter {i} (shape {p.shape}) was given twice")
            self.check_parameter(i, p)
            seen.add(id(p))

    def add_param_group(self, param_group: Group) -> None:
        """Train further parameters, with hyperparameters of their own or the defaults.

        Raises:
            ValueError, TypeError: as the constructor, for all groups together; nothing is changed then.
        """
        (group,) = self._groups([param_group])
        self.param_groups.append(group)
        try:
            self._build_vectors()
        except BaseException:
            self.param_groups.pop()
            raise

    def refresh(self) -> None:
        """Rebuild the vectors if a parameter is no longer a view of theta, or if the groups have other parameters."""
        params = self._params
        now = [p for group in self.param_groups for p in group["params"]]
        if len(now) == len(params) and same(now, params):
            for p, slot in self._params_and_slots:
                if p._data is not slot.theta or p._slot is not slot:
                    break
            else:
                return
        self._build_vectors()

    def _build_vectors(self) -> None:
        """Put the parameters of all groups end to end, unless they are so already, and carry their state over."""
        rule = type(self).__name__
        for group in self.param_groups:
            self._completed(group)
        params: list[Tensor] = [p for group in self.param_groups for p in group["params"]]
        self._check_params(params)
        # The state so far, parameter by parameter. A parameter cannot change its shape.
        kept = self._parameter_states()
        for i, p in enumerate(params):
            before = kept.get(id(p))
            if before is not None and before.shape != p.shape:
                raise ShapeError(
                    f"{rule}: parameter {i} had shape {before.shape} and now has {p.shape}: "
                    "build a new optimizer for it"
                )
        # theta and g, and the place of each parameter in them.
        if params:
            self._vectors = Vectors.of(params, rule)
        self._params, self._slots = params, self._vectors.slots[: len(params)]
        self._params_and_slots = list(zip(self._params, self._slots, strict=True))
        self._memories = [p._shared_memory() for p in params]
        self._shapes = {slot.start: slot.theta.shape for slot in self._slots if slot.theta.size}
        self._ends = [slot.start + slot.theta.size for slot in self._slots]
        self.theta = self._vectors.theta
        # New vectors for the state. Each parameter gets its old values back, converted to the dtype and device.
        self._counts = [kept[id(p)].t if id(p) in kept else 0 for p in params]
        where, dtype = backend.device_of(self.theta), self.theta.dtype
        xp = backend.get_array_module(self.theta)
        self.state_vectors = {name: xp.zeros_like(self.theta) for name in self.state}
        self._added = {name: self.theta.copy() for name in self._added_names}
        for p, slot, end in zip(self._params, self._slots, self._ends, strict=True):
            before = kept.pop(id(p), None)
            if before is None:
                continue
            for name, vector in {**self.state_vectors, **self._added}.items():
                if name in before.state:
                    value = backend.to_device(before.state[name], where).astype(dtype, copy=False)
                    vector[slot.start : end] = value.reshape(-1)
        self._removed = kept
        self._segments: dict[tuple[int, int], Segment] = {}
        self._elementwise = Elementwise(rule, ("theta", "g", *self.state))

    def _parameter_states(self) -> dict[int, ParameterState]:
        """The state of each parameter, by its id: of those in the groups, and of those removed from the groups."""
        kept = {key: one for key, one in self._removed.items() if one.parameter() is not None}
        vectors = {**self.state_vectors, **self._added}
        for i, p in enumerate(self._params):
            slot = self._slots[i]
            part = {name: vector[slot.start : self._ends[i]] for name, vector in vectors.items()}
            kept[id(p)] = ParameterState(weakref.ref(p), self._counts[i], slot.theta.shape, part)
        return kept

    def add_vector(self, name: str) -> str:
        """Add a vector for a wrapper, of theta's layout and starting as a copy of theta; returns its name here."""
        while name in self._added_names or name in self.state:
            name += "'"
        self._added_names = (*self._added_names, name)
        self._added[name] = self.theta.copy()
        return name

    def remove_vector(self, name: str) -> None:
        """Remove a vector that `add_vector` added."""
        self._added_names = tuple(other for other in self._added_names if other != name)
        del self._added[name]

    def added_vector(self, name: str) -> Array:
        """The vector that `add_vector` added under that name."""
        return self._added[name]

    def unstepped(self) -> list[tuple[int, int]]:
        """The ranges (start, stop) of theta of the parameters that have had no step yet."""
        return [(slot.start, end) for slot, end, t in zip(self._slots, self._ends, self._counts, strict=True) if not t]

    @property
    def g(self) -> Array:
        """The gradients of all parameters end to end, with 0 where there is none.

        The next step uses this vector, so changing it in place has an effect.
        """
        self.refresh()
        for p, slot in self._params_and_slots:
            if p._grad is None:
                slot.g[...] = 0
            elif p._grad is not slot.g:
                copy_gradient(p, slot)
                p._grad = slot.g
        return self._vectors.g


def same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether these are the same objects (== would compare tensors elementwise, and find 1 and 1.0 equal)."""
    return all(map(operator.is_, one, other))
