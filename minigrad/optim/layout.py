"""The vectors of an optimizer: its parameters end to end in theta, their gradients in g, and the state likewise.

They are built when the optimizer is made. They are built again when a parameter is no longer a view of theta (someone
has assigned ``p.data``), or when the groups have other parameters.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.groups import Group, Grouped
from minigrad.optim.program import Elementwise, Stretch
from minigrad.optim.vectors import Vectors, copy_gradient
from minigrad.recording import Memory, Slot
from minigrad.tensor import ShapeError, Tensor


class KeptPart(NamedTuple):
    """What is kept for one parameter: its own number of steps t, its shape, its part of each vector of the state."""

    parameter: weakref.ref[Tensor]
    t: int
    shape: tuple[int, ...]
    state: dict[str, Array]


class Vectorized(Grouped):
    """What has its parameters in vectors; the part of `Optimizer` that builds them."""

    state: ClassVar[tuple[str, ...]] = ()
    theta: Array
    state_vectors: dict[str, Array]
    _vectors: Vectors
    _params: list[Tensor]
    _slots: list[Slot]  # the place of each parameter in theta and g
    _ends: list[int]  # where its place ends
    _params_and_slots: list[tuple[Tensor, Slot]]  # each parameter with its place
    _memories: list[Memory]
    _shapes: dict[int, tuple[int, ...]]  # of parameters that are not empty, by where their place starts
    _counts: list[int]  # the number of steps t of each parameter
    _removed: dict[int, KeptPart]  # of parameters that are in no group any more, by their id
    _added_names: tuple[str, ...]  # names of further vectors that start as theta, for a wrapper
    _added: dict[str, Array]  # these vectors
    _stretches: dict[tuple[int, int], Stretch]
    _elementwise: Elementwise

    def check_parameter(self, i: int, p: Tensor) -> None:
        """Raise an error if the rule cannot train `p`, the parameter number `i`. Here: it can."""

    def _check_params(self, params: list[Any]) -> None:
        rule = type(self).__name__
        seen = set()
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{rule}: parameter {i} must be a tensor, not {type(p).__name__}")
            if not p.is_leaf:
                raise TypeError(f"{rule}: parameter {i} (shape {p.shape}) was computed from others: give it the leaves")
            if p.dtype.kind != "f":
                raise TypeError(f"{rule}: parameter {i} (shape {p.shape}) must be floating-point, not {p.dtype}")
            if id(p) in seen:
                raise ValueError(f"{rule}: parameter {i} (shape {p.shape}) was given twice")
            self.check_parameter(i, p)
            seen.add(id(p))

    def add_param_group(self, param_group: Group) -> None:
        """Train further parameters, with hyperparameters of their own or the defaults.

        Raises:
            ValueError, TypeError: as the constructor, for the whole of the groups; nothing is changed then.
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
        """Put the parameters of all groups end to end, unless they are so already. Their state is moved with them."""
        rule = type(self).__name__
        for group in self.param_groups:
            self._completed(group)
        params: list[Tensor] = [p for group in self.param_groups for p in group["params"]]
        self._check_params(params)
        kept = self._kept_parts()
        for i, p in enumerate(params):
            before = kept.get(id(p))
            if before is not None and before.shape != p.shape:
                raise ShapeError(
                    f"{rule}: parameter {i} had shape {before.shape} and now has {p.shape}: "
                    "build a new optimizer for it"
                )
        if params:
            self._vectors = Vectors.of(params, rule)
        self._params, self._slots = params, self._vectors.slots[: len(params)]
        self._params_and_slots = list(zip(self._params, self._slots, strict=True))
        self._memories = [p._shared_memory() for p in params]
        self._shapes = {slot.start: slot.theta.shape for slot in self._slots if slot.theta.size}
        self._ends = [slot.start + slot.theta.size for slot in self._slots]
        self.theta = self._vectors.theta
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
        self._stretches: dict[tuple[int, int], Stretch] = {}
        self._elementwise = Elementwise(rule, ("theta", "g", *self.state))

    def _kept_parts(self) -> dict[int, KeptPart]:
        """What is kept for each parameter, by its id, also for those that were removed from the groups."""
        kept = {key: one for key, one in self._removed.items() if one.parameter() is not None}
        vectors = {**self.state_vectors, **self._added}
        for i, p in enumerate(self._params):
            slot = self._slots[i]
            part = {name: vector[slot.start : self._ends[i]] for name, vector in vectors.items()}
            kept[id(p)] = KeptPart(weakref.ref(p), self._counts[i], slot.theta.shape, part)
        return kept

    def add_vector(self, name: str) -> str:
        """Keep one more vector for a wrapper. It starts as a copy of theta. Returns the name under which it is kept."""
        while name in self._added_names or name in self.state:
            name += "'"
        self._added_names = (*self._added_names, name)
        self._added[name] = self.theta.copy()
        return name

    def remove_vector(self, name: str) -> None:
        """Stop keeping that vector."""
        self._added_names = tuple(other for other in self._added_names if other != name)
        del self._added[name]

    def added_vector(self, name: str) -> Array:
        """The vector that `follow` keeps under that name."""
        return self._added[name]

    def unstepped(self) -> list[tuple[int, int]]:
        """The stretches (start, stop) of theta that belong to parameters without a step so far."""
        return [(h.start, end) for h, end, t in zip(self._slots, self._ends, self._counts, strict=True) if not t]

    @property
    def g(self) -> Array:
        """The gradients of all parameters, end to end, 0 where there is none.

        One vector: changing it changes what the next step takes.
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
    """Whether these are the same objects; == would compare tensors element by element."""
    return all(map(operator.is_, one, other))
