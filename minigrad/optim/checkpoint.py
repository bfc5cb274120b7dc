"""Saving and loading the state of an optimizer, and pickling the optimizer itself."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from minigrad import backend, conversion
from minigrad.backend import Array
from minigrad.optim.calls import Calling
from minigrad.optim.hyperparameters import unknown
from minigrad.tensor import ShapeError, Tensor

TRAINED = "trained"
"""The name of the vector that keeps the trained weights while theta has the averaged ones."""


class Saved(Calling):
    """The part of `Optimizer` that saves and loads."""

    _evaluating: bool  # whether theta has averaged weights in place of the trained ones

    def state_dict(self) -> dict[str, Any]:
        """All that determines the further steps: t, hyperparameters, and copies of the state of each parameter.

        A learning rate that is a function is not included. It depends only on t, and is given again to the constructor.
        """
        self.refresh()
        vectors = self._saved_vectors(self._evaluating)
        state = {
            i: {"t": self._counts[i]}
            | {name: Tensor(v[slot.start : end].reshape(p.shape).copy()) for name, v in vectors.items()}
            for i, (p, slot, end) in enumerate(zip(self._params, self._slots, self._ends, strict=True))
        }
        groups, i = [], 0
        for group in self.param_groups:
            n = len(group["params"])
            kept = {name: value for name, value in group.items() if name != "params" and not callable(value)}
            groups.append({**kept, "params": list(range(i, i + n))})
            i += n
        evaluating = {"evaluating": True} if self._evaluating else {}
        return {"rule": type(self).__name__, "t": self.t, "state": state, "param_groups": groups, **evaluating}

    def _saved_vectors(self, evaluating: bool) -> dict[str, Array]:
        """The vectors of the state; while theta has averaged weights, also the trained ones."""
        return {**self.state_vectors, TRAINED: self._added[TRAINED]} if evaluating else self.state_vectors

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue exactly from a state that `state_dict` returned.

        Raises:
            ValueError, TypeError: it is the state of another rule or of other parameters, or something in it is not
                valid; nothing is changed then.
        """
        self._load(self._read(state_dict))

    def _read(self, state_dict: Mapping[str, Any]) -> Any:
        """Check everything in `state_dict`, and return it for `_load`; nothing is changed yet."""
        mine = type(self).__name__
        check_state_of(mine, state_dict, ("t", "state", "param_groups"))
        self.refresh()
        # The form: as many groups, of as many parameters, as here.
        state, groups = state_dict["state"], state_dict["param_groups"]
        try:
            sizes, own = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
            hyperparameters = [{name: v for name, v in saved.items() if name != "params"} for saved in groups]
            entries = [dict(state.get(i, {})) for i in range(len(self._params))]
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{mine}: this is not an optimizer's state ({type(error).__name__}: {error})") from None
        if sizes != own:
            raise ValueError(f"{mine}: this state has groups of {sizes} parameters, the optimizer has {own}")
        if len(state) != len(entries):
            raise ValueError(f"{mine}: this state is of {len(state)} parameters, the optimizer has {len(entries)}")
        # The hyperparameters of each group.
        for saved in hyperparameters:
            for name in saved:
                if name not in self._names:
                    raise ValueError(f"this state is of another {mine}: " + unknown(mine, name, self._names))
        values = [{name: self._checked(name, value) for name, value in saved.items()} for saved in hyperparameters]
        # The number of steps and the state of each parameter.
        counts, vectors = [], []
        evaluating = bool(state_dict.get("evaluating"))
        names = (*self.state, TRAINED) if evaluating else self.state
        for i, (p, there) in enumerate(zip(self._params, entries, strict=True)):
            if set(there) != {"t", *names}:
                has = ", ".join(map(str, there)) or "nothing"
                raise ValueError(f"{mine} keeps {', '.join(('t', *names))}, but in this state parameter {i} has {has}")
            counts.append(count_in(there["t"], f"{mine}: t of parameter {i}"))
            what = f"{mine}: {{}} of parameter {i}"
            vectors.append({name: vector_in(there[name], p.shape, what.format(name)) for name in names})
        return count_in(state_dict["t"], f"{mine}: t"), values, counts, vectors, evaluating

    def _load(self, read: Any) -> None:
        """Set everything to the values that `_read` has checked."""
        self.t, values, self._counts, vectors, evaluating = read
        if evaluating != self._evaluating:
            if evaluating:
                self.add_vector(TRAINED)
            else:
                self.remove_vector(TRAINED)
            self._evaluating = evaluating
        for group, saved in zip(self.param_groups, values, strict=True):
            group.update({name: v for name, v in saved.items() if not callable(group.get(name))})
        for slot, end, there in zip(self._slots, self._ends, vectors, strict=True):
            for name, vector in self._saved_vectors(evaluating).items():
                vector[slot.start : end] = backend.to_device(there[name], backend.device_of(vector)).reshape(-1)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: the groups with their parameters, and the state; the vectors are built again."""
        self.refresh()
        rebuilt = {
            "_vectors",
            "_slots",
            "_params_and_slots",
            "_memories",
            "_shapes",
            "_ends",
            "_segments",
            "theta",
            "_removed",
            "_used",
        }
        rebuilt |= {"_elementwise"}
        return {name: value for name, value in self.__dict__.items() if name not in rebuilt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        held = {**state["state_vectors"], **state["_added"]}
        counts = state["_counts"]
        self.__dict__.update(state | {"_removed": {}, "_used": {}, "_params": [], "_slots": [], "state_vectors": {}})
        self._added = {}
        self._build_vectors()
        self._counts = counts
        for name, vector in {**self.state_vectors, **self._added}.items():
            vector[:] = held[name]


def check_state_of(rule: str, state_dict: Any, keys: tuple[str, ...]) -> None:
    """Raise a ValueError unless `state_dict` is a state of this rule and has all of these keys."""
    if not isinstance(state_dict, Mapping):
        raise ValueError(
            f"{rule} continues from a dictionary that state_dict() returned, not from a {type(state_dict).__name__}"
        )
    if state_dict.get("rule") != rule:
        raise ValueError(f"{rule} cannot continue from the state of {state_dict.get('rule')}")
    missing = [key for key in keys if key not in state_dict]
    if missing:
        raise ValueError(f"{rule}: this state of an optimizer is not complete: it lacks {', '.join(missing)}")


def count_in(value: Any, what: str) -> int:
    """A saved count: an integer, at least 0."""
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{what} must be an integer, not {value!r}") from None
    if isinstance(value, bool) or count < 0:
        raise ValueError(f"{what} must be at least 0, not {value!r}")
    return count


def vector_in(value: Any, shape: tuple[int, ...], what: str) -> Array:
    """A saved array, after a check that it is floating-point and of this shape."""
    array = conversion.plain(value.data if isinstance(value, Tensor) else value, what=what)
    if array.shape != shape:
        raise ShapeError(f"{what} has shape {array.shape}, but the parameter has {shape}")
    if array.dtype.kind != "f":
        raise TypeError(f"{what} must be floating-point, not {array.dtype}")
    return array
