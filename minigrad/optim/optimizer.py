"""What every optimizer shares, so that a rule can be its formula and nothing else.

The parameters are laid end to end in one vector theta, their gradients in a second, g, and each thing a rule
keeps (v, m, ...) in one more. A layer's weight is then a view of theta. `Optimizer.step` hands these vectors
to the rule: on a CPU in slices that stay in the cache, on a GPU whole. Rules work element by element, so they
cannot tell.
"""

from __future__ import annotations

import inspect
import itertools
import math
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.tensor import Home, ShapeError, Tensor, forget_gradient, next_on_tape

Rate = float | Callable[[int], float]
"""A learning rate: a number, or a function of the number of steps already taken (see `minigrad.optim.lr`)."""

SLICE_BYTES = 128_000
"""How much of each vector a rule is given at a time on a CPU: it and the temporaries then stay in the cache."""

RANGES: dict[str, tuple[float, float, str]] = {
    "lr": (0, math.inf, "at least 0"),
    "eps": (0, math.inf, "at least 0"),
    "weight_decay": (0, math.inf, "at least 0"),
    "momentum": (0, math.inf, "at least 0"),
    "alpha": (0, 1, "from 0 to 1"),
    "rho": (0, 1, "from 0 to 1"),
    "betas": (0, math.nextafter(1, 0), "from 0 to below 1"),
}
"""What values a hyperparameter of that name can have."""


class Optimizer:
    """The base of all rules.

    A subclass names in `state` the vectors it keeps, which start at 0, and defines `rule`, which gets theta, g
    and those vectors and changes them in place. What else the rule names, after a ``*``, it is given by name:
    its hyperparameters, `lr` being the rate in force, and `t`, the number of this step, 1 for the first (``self.lr``
    and the like, inside the rule, say the same).
    Their defaults may stand in the rule's own signature::

        class Heavy(Optimizer):
            state = ("v",)

            def rule(self, theta, g, v, *, lr=0.1, mu=0.9):
                v[:] = mu * v + g
                theta -= lr * v

    Args:
        params: the tensors to change, or dictionaries ``{"params": tensors, "lr": ...}``, groups with
            hyperparameters of their own.
        hyperparameters: by name. `lr` is a number or a function of the number of steps already taken.
            `weight_decay` adds weight_decay * theta to g before the rule sees it (an L2 penalty, as in PyTorch),
            unless the rule names it and decays in its own way.

    A parameter that got no gradient since `zero_grad` is left alone: its values, its state, and its own t.

    Raises:
        ValueError: no parameters, one that comes twice, a hyperparameter that is out of range.
        TypeError: something that is no tensor, or does not require gradients, or is no leaf; tensors of several
            dtypes or devices; a hyperparameter the rule does not know.
    """

    state: ClassVar[tuple[str, ...]] = ()

    def rule(self, theta: Array, g: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` and the state in place, given the gradient `g`."""
        raise NotImplementedError(f"{type(self).__name__} must define rule(self, theta, g, ...)")

    def __init__(self, params: Iterable[Any], **hyperparameters: Any) -> None:
        self._wants, defaults = self._signature()
        unknown = [name for name in hyperparameters if name not in defaults]
        if unknown and type(self).__init__ is Optimizer.__init__:  # a constructor of its own knows what it takes
            raise TypeError(
                f"{type(self).__name__} has no hyperparameter {', '.join(unknown)}; it has {', '.join(defaults)}"
            )
        self.defaults = {**defaults, **hyperparameters}
        self.param_groups = self._groups(params)
        self._params: list[Tensor] = [p for group in self.param_groups for p in group["params"]]
        self._check_params()
        self.t = 0  # steps taken
        self.stepped: list[tuple[int, int, int]] = []  # the stretches (start, stop, t) of theta the last one changed
        self._counts = [0] * len(self._params)  # each parameter's own t
        self._shapes: list[tuple[int, ...]] = []
        self._in_force: tuple[dict[str, Any], float] | None = None  # the group and rate a rule is at work on
        self._lay()

    # Reading the rule and the arguments.

    def _signature(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The names that the rule wants, and the hyperparameters with their defaults."""
        parameters = list(inspect.signature(self.rule).parameters.values())
        vectors = tuple(p.name for p in parameters[2:] if p.kind is not p.KEYWORD_ONLY)
        if len(parameters) < 2 or (vectors != self.state and not any(p.kind is p.VAR_POSITIONAL for p in parameters)):
            raise TypeError(
                f"{type(self).__name__}.rule must take ({', '.join(('theta', 'g', *self.state))}) and after a * its "
                f"hyperparameters: its state is {self.state}, its arguments are {inspect.signature(self.rule)}"
            )
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        common = {"lr": 0.01, "weight_decay": 0.0}
        own = {p.name: common.get(p.name) if p.default is p.empty else p.default for p in named if p.name != "t"}
        return tuple(p.name for p in named), common | own

    def _groups(self, params: Iterable[Any]) -> list[dict[str, Any]]:
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__} wants an iterable of tensors: write [tensor] for a single one")
        listed = list(params)
        if not listed:
            raise ValueError(f"{type(self).__name__} was given no parameters")
        if not isinstance(listed[0], dict):
            listed = [{"params": listed}]
        groups = []
        for given in listed:
            if not isinstance(given, dict) or "params" not in given:
                raise TypeError(f"{type(self).__name__}: a group is a dictionary with 'params' in it, not {given!r}")
            tensors = [given["params"]] if isinstance(given["params"], Tensor) else list(given["params"])
            if not tensors:
                raise ValueError(f"{type(self).__name__} was given a group without parameters")
            unknown = [name for name in given if name not in self.defaults and name != "params"]
            if unknown:
                raise TypeError(f"{type(self).__name__} has no hyperparameter {', '.join(unknown)}")
            group = {**self.defaults, **given, "params": tensors}
            for name, value in group.items():
                self._check_hyperparameter(name, value)
            groups.append(group)
        return groups

    def _check_hyperparameter(self, name: str, value: Any) -> None:
        if name in self._wants and value is None:
            raise TypeError(f"{type(self).__name__} needs a value for {name}")
        if name not in RANGES or callable(value):
            return
        low, high, words = RANGES[name]
        pair = name == "betas"
        numbers = value if pair and isinstance(value, (tuple, list)) else (value,)
        if len(numbers) != 1 + pair or not all(isinstance(n, Real) for n in numbers):
            raise TypeError(
                f"{type(self).__name__}: {name} must be {'two numbers' if pair else 'a number'}, not {value!r}"
            )
        if not all(low <= n <= high for n in numbers):
            raise ValueError(f"{type(self).__name__}: {name} must be {words}, not {value}")

    def _check_params(self) -> None:
        seen = set()
        for i, p in enumerate(self._params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__}: parameter {i} must be a tensor, not {type(p).__name__}")
            if not p.is_leaf or not p.requires_grad:
                why = "was computed from others" if not p.is_leaf else "does not require gradients"
                raise TypeError(
                    f"{type(self).__name__}: parameter {i} (shape {p.shape}) {why}: there is nothing to learn in it"
                )
            if id(p) in seen:
                raise ValueError(f"{type(self).__name__}: parameter {i} (shape {p.shape}) was given twice")
            seen.add(id(p))

    # Laying parameters end to end.

    def _lay(self) -> None:
        """Lay the parameters end to end, or find that they lie so already; state goes along."""
        shapes = [p.shape for p in self._params]
        if self._shapes and shapes != self._shapes:
            changed = next(i for i, shape in enumerate(shapes) if shape != self._shapes[i])
            raise ShapeError(
                f"{type(self).__name__}: parameter {changed} had shape {self._shapes[changed]} and now has "
                f"{shapes[changed]}: build a new optimizer for it"
            )
        self._shapes = shapes
        self._vectors = Vectors.of(self._params, type(self).__name__)
        self.theta = self._vectors.theta
        self._homes = self._vectors.homes
        self._pairs = list(zip(self._params, self._homes, strict=True))
        held: dict[str, Array] = getattr(self, "state_vectors", {})
        where, dtype = backend.device_of(self.theta), self.theta.dtype
        xp = backend.get_array_module(self.theta)
        self.state_vectors = {
            name: backend.to_device(held[name], where).astype(dtype, copy=False) if held else xp.zeros_like(self.theta)
            for name in self.state
        }
        self._ends = [home.start + p.numel() for p, home in self._pairs]
        self._slice = max(1, SLICE_BYTES // dtype.itemsize) if where == backend.CPU else max(1, self._ends[-1])
        self._cuts: dict[tuple[int, int], tuple[Any, list[tuple[Array, ...]]]] = {}

    @property
    def g(self) -> Array:
        """The gradients of all parameters, end to end: one vector, of which each parameter's grad is a view."""
        return self._vectors.g

    def _cut(self, start: int, stop: int) -> list[tuple[Array, ...]]:
        """theta, g and the state from `start` to `stop`, in slices."""
        cut = self._vectors.cut(start, stop, self._slice)
        of, slices = self._cuts.get((start, stop), (None, []))
        if of is not cut:
            state = self.state_vectors.values()
            bounds = _bounds(start, stop, self._slice)
            slices = [(*both, *(v[a:b] for v in state)) for both, (a, b) in zip(cut, bounds, strict=True)]
            self._cuts[start, stop] = (cut, slices)
        return slices

    # Using it.

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or set them to 0, with ``set_to_none=False``)."""
        for p in self._params:
            if not set_to_none and p._grad is not None:
                p.grad = p.detach() * 0
            elif p._grad is not None:
                forget_gradient(p)

    def settle(self) -> None:
        """Lay anew what has left its place in theta (by assignment, ``.to()`` or another optimizer), values and all."""
        for p, home in self._pairs:
            if p.data is not home.theta or p._home is not home:
                self._lay()
                return

    def step(self) -> None:
        """Apply the rule once, to every parameter that has a gradient."""
        self.settle()
        complete = True
        for p, home in self._pairs:
            if p._grad is not home.g:
                if p._grad is None:
                    complete = False
                else:  # assigned by hand, or kept aside
                    self._vectors.take_in(p, home)
        now = self.t
        self.t += 1
        self.stepped = []
        first = 0
        for group in self.param_groups:
            last = first + len(group["params"])
            rate = group["lr"](now) if callable(group["lr"]) else group["lr"]
            for start, stop, t in self._runs(first, last, complete):
                self._apply(group, rate, start, stop, t)
                self.stepped.append((start, stop, t))
            first = last

    def _runs(self, first: int, last: int, complete: bool) -> Iterator[tuple[int, int, int]]:
        """Stretches (start, stop, t) of the vectors: neighbours that have gradients and are at the same step."""
        run: tuple[int, int, int] | None = None
        number = next_on_tape()
        for i in range(first, last):
            home = self._homes[i]
            if not complete and self._params[i]._grad is None:
                continue
            self._counts[i] = t = self._counts[i] + 1
            home.changed = number
            if run is not None and run[1] == home.start and run[2] == t:
                run = (run[0], self._ends[i], t)
            else:
                if run is not None:
                    yield run
                run = (home.start, self._ends[i], t)
        if run is not None:
            yield run

    def _apply(self, group: dict[str, Any], rate: float, start: int, stop: int, t: int) -> None:
        """The rule, on one stretch of the vectors."""
        given = {name: group[name] for name in self._wants if name in group}
        if "lr" in given:
            given["lr"] = rate
        if "t" in self._wants:
            given["t"] = t
        decay = 0 if "weight_decay" in self._wants else group["weight_decay"]
        self._in_force = (group, rate)
        try:
            for theta, g, *state in self._cut(start, stop):
                self.rule(theta, g + decay * theta if decay else g, *state, **given)
        finally:
            self._in_force = None

    @property
    def lr(self) -> float:
        """The learning rate in force (of the first group): that of the next step, or, inside a rule, of this one."""
        if self._in_force is not None:
            return self._in_force[1]
        rate = self.param_groups[0]["lr"]
        return float(rate(self.t) if callable(rate) else rate)

    @lr.setter
    def lr(self, rate: Rate) -> None:
        self._check_hyperparameter("lr", rate)
        for group in self.param_groups:
            group["lr"] = rate

    def __getattr__(self, name: str) -> Any:
        """Inside a rule, ``self.mu`` is the hyperparameter mu of the group at hand; outside, of the first group."""
        groups = self.__dict__.get("param_groups")
        if groups is not None:
            group = self._in_force[0] if self._in_force is not None else groups[0]
            if name in group:
                return group[name]
        raise AttributeError(f"{type(self).__name__} has no attribute or hyperparameter {name!r}")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.param_groups[0].items() if name != "params")
        return f"{type(self).__name__}({sum(p.numel() for p in self._params)} parameters, {shown})"

    # Saving and loading.

    def state_dict(self) -> dict[str, Any]:
        """All that decides the steps to come: t, hyperparameters, and copies of the state, parameter by parameter.

        A learning rate that is a function is not in it: it needs t alone, and is given again by who loads.
        """
        state = {
            i: {"t": self._counts[i]}
            | {name: Tensor(v[home.start : end].reshape(p.shape).copy()) for name, v in self.state_vectors.items()}
            for i, (p, home, end) in enumerate(zip(self._params, self._homes, self._ends, strict=True))
        }
        groups, i = [], 0
        for group in self.param_groups:
            n = len(group["params"])
            kept = {name: value for name, value in group.items() if name != "params" and not callable(value)}
            groups.append({**kept, "params": list(range(i, i + n))})
            i += n
        return {"rule": type(self).__name__, "t": self.t, "state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Raises:
            ValueError: it is the state of another rule, or of other parameters; nothing is changed then.
        """
        mine = type(self).__name__
        if state_dict.get("rule") != mine:
            raise ValueError(f"{mine} cannot go on from the state of {state_dict.get('rule')}")
        check_keys(mine, state_dict, ("t", "state", "param_groups"))
        state, groups = state_dict["state"], state_dict["param_groups"]
        sizes, own = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ValueError(f"{mine}: this state has groups of {sizes} parameters, the optimizer of {own}")
        for i, p in enumerate(self._params):
            there = state.get(i, {})
            if set(there) != {"t", *self.state}:
                has = ", ".join(there) or "nothing"
                raise ValueError(f"{mine} keeps {', '.join(('t', *self.state))}, but here parameter {i} has {has}")
            for name in self.state:
                if tuple(state[i][name].shape) != p.shape:
                    shape = tuple(state[i][name].shape)
                    raise ShapeError(f"{mine}: {name} of parameter {i} has shape {shape}, the parameter {p.shape}")
        self.settle()
        self.t = int(state_dict["t"])
        for group, saved in zip(self.param_groups, groups, strict=True):
            kept = {name: tuple(v) if isinstance(v, list) else v for name, v in saved.items() if name != "params"}
            group.update({name: v for name, v in kept.items() if not callable(group.get(name))})
        for i, home in enumerate(self._homes):
            self._counts[i] = int(state[i]["t"])
            for name, vector in self.state_vectors.items():
                saved = state[i][name]
                value = saved.data if isinstance(saved, Tensor) else saved
                vector[home.start : self._ends[i]] = backend.to_device(value, backend.device_of(vector)).reshape(-1)


def check_keys(rule: str, state_dict: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Raise a ValueError unless the state of an optimizer has all that belongs into it."""
    missing = [key for key in keys if key not in state_dict]
    if missing:
        raise ValueError(f"{rule}: this is no whole state of an optimizer: it lacks {', '.join(missing)}")


def _bounds(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Where to cut `start` to `stop` into slices of `size`."""
    return list(itertools.pairwise([*range(start, stop, size), stop]))


class Vectors:
    """theta and g: tensors laid end to end, and their gradients."""

    def __init__(self, params: list[Tensor]) -> None:
        xp = backend.get_array_module(params[0].data)
        self.theta: Array = xp.concatenate([p.data.reshape(-1) for p in params])
        self.g: Array = xp.zeros_like(self.theta)
        self.homes: list[Home] = []
        self._cuts: dict[tuple[int, int, int], list[tuple[Array, Array]]] = {}
        me = weakref.ref(self)
        start = 0
        for p in params:
            stop = start + p.data.size
            home = Home(self.theta[start:stop].reshape(p.shape), self.g[start:stop].reshape(p.shape), start, me)
            if p._home is not None:
                home.changed = p._home.changed  # the tape may remember the old place, as it was before that change
            p.data, p._home = home.theta, home
            self.homes.append(home)
            start = stop

    @staticmethod
    def of(params: list[Tensor], rule: str) -> Vectors:
        """The vectors that hold just these tensors in this order: another optimizer's, or else new ones.

        Raises:
            TypeError: the tensors are of several dtypes, or live on several devices.
        """
        home = params[0]._home
        found: Vectors | None = home.vectors() if home is not None else None
        if (
            found is not None
            and len(found.homes) == len(params)
            and all(p._home is h and p.data is h.theta for p, h in zip(params, found.homes, strict=True))
        ):
            return found
        kinds = {(str(p.dtype), str(p.device)) for p in params}
        if len(kinds) > 1:
            told = " and ".join(f"{dtype} on {where}" for dtype, where in sorted(kinds))
            raise TypeError(f"{rule}: all parameters must have one dtype and device, not {told}")
        return Vectors(params)

    def take_in(self, p: Tensor, home: Home) -> None:
        """Copy a gradient that lies elsewhere (assigned by hand, say) to its place in g."""
        gradient = p._grad.data if isinstance(p._grad, Tensor) else p._grad
        if home.shown:
            self.release()
        home.g[...] = backend.to_device(gradient, backend.device_of(home.g))
        p._grad = home.g

    def cut(self, start: int, stop: int, size: int) -> list[tuple[Array, Array]]:
        """theta and g from `start` to `stop`, in slices of `size`: made once, for all optimizers at work on them."""
        key = (start, stop, size)
        if key not in self._cuts:
            if len(self._cuts) >= 256:  # parameters that come and go in ever new patterns
                self._cuts.clear()
            self._cuts[key] = [(self.theta[a:b], self.g[a:b]) for a, b in _bounds(start, stop, size)]
        return self._cuts[key]

    def release(self) -> None:
        """Leave g to those who have kept hold of a view of it, if there are any, and go on with a copy.

        For a gradient that someone looks at must not change under their eyes when the next one is computed. Whether
        they have kept it is told by the number of references to g: each view of an array holds one, and those of
        the homes, of the slices, of this object and of the call below are known.
        """
        known = 2 + len(self.homes) + sum(len(cut) for cut in self._cuts.values())
        kept = sys.getrefcount(self.g) > known
        if kept:
            self.g = self.g.copy()
            self._cuts.clear()
        for home in self.homes:
            home.shown = False
            if kept:
                stop = home.start + home.theta.size
                home.g = self.g[home.start : stop].reshape(home.theta.shape)
