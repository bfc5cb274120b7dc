"""What every optimizer shares, so that a rule can be its formula and nothing else.

The parameters are laid end to end in one vector theta, their gradients in a second, g, and each thing a rule
keeps (v, m, ...) in one more. A layer's weight is then a view of theta. `Optimizer.step` hands these vectors
to the rule. What it hands out at a time, the rule says in its `scope`. One that works element by element gets slices
that stay in the cache of a CPU, or the whole vectors on a GPU: it cannot tell.
"""

from __future__ import annotations

import difflib
import itertools
import operator
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim import formula
from minigrad.optim.hyperparameters import (
    AT_LEAST_0,
    REQUIRED,
    Range,
    by_name,
    checked,
    describe,
    rate_of,
    signature_of,
    unknown,
    with_common,
)
from minigrad.optim.program import Elementwise, Stretch
from minigrad.optim.vectors import Vectors, take_in
from minigrad.tensor import Home, Memory, ShapeError, Tensor, enable_grad

Rate = float | Callable[[int], float]
"""A learning rate: a number, or a function of the number of steps already taken (see `minigrad.optim.lr`)."""

COMMON: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.0}
"""What every rule has, with the values it has if the rule does not say otherwise."""

SCOPES = ("element", "parameter", "all")

TRAINED = "trained"
"""What the trained weights are kept as while the averaged ones are in their place."""

Group = dict[str, Any]
"""Some parameters, under "params", and the hyperparameters they are trained with, each under its name."""


class Kept(NamedTuple):
    """What an optimizer keeps for one parameter: its own t, its shape, and its part of each vector of the state."""

    parameter: weakref.ref[Tensor]
    t: int
    shape: tuple[int, ...]
    state: dict[str, Array]


class Optimizer:
    """The base of all rules.

    A subclass names in `state` the vectors it keeps, which start at 0, and defines `rule`, which gets theta, g
    and those vectors and changes them in place (all but g). What else the rule names, after a ``*``, it is given by
    name: its hyperparameters, whose defaults stand in its signature, `lr` being the rate in force, and `t`, the number
    of this step, 1 for the first (``self.lr`` and the like, inside the rule, say the same). What it needs of `t` alone
    is a function of t (see `running_product` for products); it keeps nothing on ``self``.

    What a rule works on, it says in `scope`. With "element", the default, each number is computed from those at the
    same place alone; this is checked at the first step::

        class Momentum(Optimizer):
            state = ("v",)

            def rule(self, theta, g, v, *, lr=0.1, mu=0.9):
                v[:] = mu * v + g
                theta -= lr * v

    With "parameter" the rule is called once for each parameter that has a gradient, in that parameter's own shape (a
    single number has none: write ``v[...] = `` rather than ``v[:] = ``), here layer-wise adaptive rates (LARS)::

        class LARS(Optimizer):
            scope = "parameter"

            def rule(self, theta, g, *, lr=0.1, trust=0.001):
                theta -= lr * trust * norm(theta) / norm(g) * g

    With "all" it is called once for each group, with one vector of all its parameters that have a gradient (and `t` is
    the optimizer's), here clipping by the norm of the whole gradient::

        class Clipped(Optimizer):
            scope = "all"

            def rule(self, theta, g, *, lr=0.1, longest=1.0):
                theta -= lr * min(1, longest / norm(g)) * g

    One that tests other weights than it trains, an average of them, defines `averaged` (see there); one that needs the
    gradient more than once a step says ``needs_closure = True`` and defines `step`.

    Args:
        params: the tensors to change, or dictionaries ``{"params": tensors, "lr": ...}``, groups with
            hyperparameters of their own.
        hyperparameters: by name. `lr` is a number or a function of the number of steps already taken.
            `weight_decay` adds weight_decay * theta to g before the rule sees it (an L2 penalty, as in PyTorch),
            unless the rule names it and decays in its own way.

    A parameter that got no gradient since `zero_grad` is left alone: its values, its state, and its own t. So a
    model of which a part is frozen can be given whole. What the groups in `param_groups` say holds at the next step,
    also after parameters or hyperparameters in them were changed; setting ``optimizer.momentum`` sets it in all groups.

    Raises:
        ValueError: no parameters, one that comes twice, a hyperparameter that is out of range.
        TypeError: something that is no tensor, or not floating-point, or no leaf; tensors of several dtypes or
            devices; a hyperparameter the rule does not know.
    """

    state: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[str] = "element"
    needs_closure: bool = False
    ranges: ClassVar[Mapping[str, Range]] = {"lr": AT_LEAST_0, "weight_decay": AT_LEAST_0}
    """What values the hyperparameters can have; a subclass adds its own."""

    defaults: dict[str, Any]
    param_groups: list[Group]
    t: int  # steps taken
    theta: Array
    state_vectors: dict[str, Array]
    _vectors: Vectors
    stepped: list[tuple[int, int, int]]  # the stretches (start, stop, t) of theta that the last step changed

    def rule(self, theta: Array, g: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` and the state in place, given the gradient `g`."""
        raise NotImplementedError(f"{type(self).__name__} must define rule(self, theta, g, ...)")

    def averaged(self, theta: Array, *state: Array, **hyperparameters: Any) -> None:
        """Change `theta` in place from the weights that are trained to those that are to be tested.

        `eval` calls it, with the vectors of the state and the hyperparameters it names after a ``*``, and `train` puts
        the trained weights back, bit for bit. Here: the two are the same.
        """

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the class show its page as its help, and the rule's hyperparameters as its signature."""
        super().__init_subclass__(**options)
        describe(cls, Optimizer, COMMON, "params")

    def __init__(self, params: Iterable[Any], *positional: Any, **hyperparameters: Any) -> None:
        name = type(self).__name__
        check_class(type(self))
        self._wants, own = signature_of(self.rule, name, ("theta", "g", *self.state))
        self._average_wants = signature_of(self.averaged, name, ("theta", *self.state), "averaged")[0]
        defaults = with_common(own, COMMON)
        hyperparameters = by_name(name, defaults, positional, hyperparameters)
        if type(self).__init__ is Optimizer.__init__:  # a subclass's constructor may take what no rule names
            for given in hyperparameters:
                if given not in defaults:
                    raise TypeError(unknown(name, given, defaults))
        self._ranges = dict(
            itertools.chain.from_iterable(vars(c).get("ranges", {}).items() for c in reversed(type(self).__mro__))
        )
        self.defaults = {
            n: self._checked(n, value) for n, value in {**defaults, **hyperparameters}.items() if value is not REQUIRED
        }
        self._names = tuple({**defaults, **hyperparameters})
        hidden = [n for n in self._names if n in self.__dict__]
        if hidden:
            raise TypeError(
                f"{name}: {hidden[0]} is a hyperparameter of the rule: hand it to the constructor of Optimizer, as "
                f"super().__init__(params, {hidden[0]}={hidden[0]}), instead of setting it before"
            )
        self.t = 0
        self.stepped = []
        self._params: list[Tensor] = []
        self._counts: list[int] = []  # each parameter's own t
        self._homes: list[Home] = []
        self._left: dict[int, Kept] = {}  # of parameters that are in no group any more, by id
        self._followed: dict[str, Array] = {}  # vectors that start as theta, for a wrapper
        self._in_force: tuple[Group, float] | None = None  # the group and rate a rule is at work on
        self._used: dict[int, tuple[list[Any], dict[str, Any]]] = {}  # what `_given` found, by the id of the group
        self._followers: tuple[str, ...] = ()
        self._evaluating = False  # whether averaged weights stand in place of the trained ones
        self.state_vectors = {}
        self.param_groups = self._groups(params)
        self._lay()

    # The groups.

    def _groups(self, params: Iterable[Any]) -> list[Group]:
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name} wants an iterable of tensors: write [tensor] for a single one")
        listed = list(params)
        if not listed:
            raise ValueError(f"{name} was given no parameters")
        if not isinstance(listed[0], dict):
            listed = [{"params": listed}]
        groups = []
        for given in listed:
            if not isinstance(given, dict) or "params" not in given:
                raise TypeError(f"{name}: a group is a dictionary with 'params' in it, not {given!r}")
            group = self._completed(dict(given))
            if not group["params"]:
                raise ValueError(f"{name} was given a group without parameters")
            groups.append(group)
        return groups

    def _completed(self, group: Group) -> Group:
        """The group itself, with all hyperparameters in it, checked and as the rule gets them."""
        for given in group:
            if given not in self._names and given != "params":
                raise TypeError(unknown(type(self).__name__, given, self._names))
        tensors = group["params"]
        values = {n: self._checked(n, group.get(n, self.defaults.get(n, REQUIRED))) for n in self._names}
        group.update(values)
        if not isinstance(tensors, list):
            group["params"] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        return group

    def _checked(self, name: str, value: Any) -> Any:
        return checked(type(self).__name__, name, value, self._ranges)

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

    def check_parameter(self, i: int, p: Tensor) -> None:
        """Raise an error if the rule cannot train `p`, the parameter number `i`. Here: it can."""

    def add_param_group(self, param_group: Group) -> None:
        """Train further parameters, with hyperparameters of their own or the defaults.

        Raises:
            ValueError, TypeError: as the constructor, for the whole of the groups; nothing is changed then.
        """
        (group,) = self._groups([param_group])
        self.param_groups.append(group)
        try:
            self._lay()
        except BaseException:
            self.param_groups.pop()
            raise

    def _given(self, group: Group) -> dict[str, Any]:
        """The group's hyperparameters as the rule gets them, looked at anew when one was assigned."""
        used = self._used.get(id(group))
        if used is not None and len(group) == len(self._names) + 1 and _same(map(group.get, self._names), used[0]):
            return used[1]
        self._completed(group)
        given = {name: group[name] for name in self._wants if name in group}
        if self.scope == "element" and (used is None or {**used[1], "lr": 0} != {**given, "lr": 0}):
            self._note(group, given)
        self._used[id(group)] = [group[name] for name in self._names], given
        return given

    def _note(self, group: Group, given: dict[str, Any]) -> None:
        """Run the rule on stand-ins, to see that it is elementwise."""
        rate = rate_of(type(self).__name__, group["lr"], self.t)
        self._in_force = (group, rate)
        try:
            if "lr" in given:
                given = {**given, "lr": rate}
            notes = self._elementwise.notes
            formula.check(notes.owner, self.rule, notes.names, given, "t" in self._wants, self.theta.dtype)
        finally:
            self._in_force = None

    # Laying parameters end to end.

    def settle(self) -> None:
        """Rebuild the vectors if a parameter is no longer a view of theta, or if the groups have other parameters."""
        params = self._params
        now = [p for group in self.param_groups for p in group["params"]]
        if len(now) == len(params) and _same(now, params):
            for p, home in self._pairs:
                if p._data is not home.theta or p._home is not home:
                    break
            else:
                return
        self._lay()

    def _lay(self) -> None:
        """Lay the parameters of all groups end to end, or find that they lie so already; what is kept goes along."""
        rule = type(self).__name__
        for group in self.param_groups:
            self._completed(group)
        params: list[Tensor] = [p for group in self.param_groups for p in group["params"]]
        self._check_params(params)
        kept = self._kept()
        for i, p in enumerate(params):
            before = kept.get(id(p))
            if before is not None and before.shape != p.shape:
                raise ShapeError(
                    f"{rule}: parameter {i} had shape {before.shape} and now has {p.shape}: "
                    "build a new optimizer for it"
                )
        if params:
            self._vectors = Vectors.of(params, rule)
        self._params, self._homes = params, self._vectors.homes[: len(params)]
        self._pairs = list(zip(self._params, self._homes, strict=True))
        self._memories = [p._shared_memory() for p in params]
        self._shapes = {home.start: home.theta.shape for home in self._homes if home.theta.size}
        self._ends = [home.start + home.theta.size for home in self._homes]
        self.theta = self._vectors.theta
        self._counts = [kept[id(p)].t if id(p) in kept else 0 for p in params]
        where, dtype = backend.device_of(self.theta), self.theta.dtype
        xp = backend.get_array_module(self.theta)
        self.state_vectors = {name: xp.zeros_like(self.theta) for name in self.state}
        self._followed = {name: self.theta.copy() for name in self._followers}
        for p, home, end in zip(self._params, self._homes, self._ends, strict=True):
            before = kept.pop(id(p), None)
            if before is None:
                continue
            for name, vector in {**self.state_vectors, **self._followed}.items():
                if name in before.state:
                    value = backend.to_device(before.state[name], where).astype(dtype, copy=False)
                    vector[home.start : end] = value.reshape(-1)
        self._left = kept
        self._stretches: dict[tuple[int, int], Stretch] = {}
        self._elementwise = Elementwise(rule, ("theta", "g", *self.state))

    def _kept(self) -> dict[int, Kept]:
        """What is kept for each parameter, by its id: for those in the groups, and those that have left them."""
        kept = {key: one for key, one in self._left.items() if one.parameter() is not None}
        vectors = {**self.state_vectors, **self._followed}
        for i, p in enumerate(self._params):
            home = self._homes[i]
            part = {name: vector[home.start : self._ends[i]] for name, vector in vectors.items()}
            kept[id(p)] = Kept(weakref.ref(p), self._counts[i], home.theta.shape, part)
        return kept

    def parts(self) -> list[Optimizer]:
        """The optimizers that have the parameters, each with vectors of its own: here the optimizer itself."""
        return [self]

    def follow(self, name: str) -> str:
        """Keep one more vector, which starts as theta and is laid as theta is: for a wrapper. Returns its name here."""
        while name in self._followers or name in self.state:
            name += "'"
        self._followers = (*self._followers, name)
        self._followed[name] = self.theta.copy()
        return name

    def unfollow(self, name: str) -> None:
        """Keep that vector no longer."""
        self._followers = tuple(other for other in self._followers if other != name)
        del self._followed[name]

    def followed(self, name: str) -> Array:
        """The vector that `follow` keeps under that name."""
        return self._followed[name]

    def unstepped(self) -> list[tuple[int, int]]:
        """The stretches (start, stop) of theta, of parameters that have not been stepped yet."""
        return [(h.start, end) for h, end, t in zip(self._homes, self._ends, self._counts, strict=True) if not t]

    def hyperparameters(self) -> tuple[str, ...]:
        """The names of the hyperparameters."""
        return self._names

    @property
    def g(self) -> Array:
        """The gradients of all parameters, end to end, 0 where there is none.

        One vector: changing it changes what the next step takes.
        """
        self.settle()
        for p, home in self._pairs:
            if p._grad is None:
                home.g[...] = 0
            elif p._grad is not home.g:
                take_in(p, home)
                p._grad = home.g
        return self._vectors.g

    def _stretch(self, start: int, stop: int) -> Stretch:
        """theta, g and the state from `start` to `stop`."""
        stretch = self._stretches.get((start, stop))
        if stretch is None:
            if len(self._stretches) >= 256:  # parameters that come and go in ever new patterns
                self._stretches.clear()
            stretch = self._stretches[start, stop] = Stretch(tuple(v[start:stop] for v in self._given_vectors()))
        return stretch

    def _given_vectors(self) -> tuple[Array, ...]:
        """theta, g, which a rule cannot write to, and the state."""
        g = self._vectors.g[:]
        if hasattr(g.flags, "writeable"):  # CuPy's arrays can always be written to
            g.flags.writeable = False
        return (self.theta, g, *self.state_vectors.values())

    def _pieces(self, runs: list[tuple[int, int, int]]) -> Iterator[tuple[int, tuple[Array, ...]]]:
        """What a rule that is not elementwise is called with: (t, (theta, g, and the state)) for each call."""
        vectors = self._given_vectors()
        if self.scope == "parameter":
            for start, stop, t in runs:
                yield t, tuple(v[start:stop].reshape(self._shapes[start]) for v in vectors)
        elif len(runs) == 1:
            start, stop, _ = runs[0]
            yield self.t, tuple(v[start:stop] for v in vectors)
        elif runs:  # stretches that do not touch, or are at other steps, are joined, and what came of it is taken apart
            xp = backend.get_array_module(self.theta)
            joined = tuple(xp.concatenate([v[a:b] for a, b, _ in runs]) for v in vectors)
            yield self.t, joined
            first = 0
            for start, stop, _ in runs:
                last = first + stop - start
                for vector, changed in zip((vectors[0], *vectors[2:]), (joined[0], *joined[2:]), strict=True):
                    vector[start:stop] = changed[first:last]
                first = last

    # Using it.

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or set them to 0, with ``set_to_none=False``)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                elif p._home is not None and p._home.theta is p._data:
                    p._home.g[...] = 0
                    p._grad = p._home.g
                else:
                    p._grad = backend.get_array_module(p._data).zeros_like(p._data)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Apply the rule once, to every parameter that has a gradient.

        Args:
            closure: computes the loss anew, and the gradients, and returns the loss; it is called first.

        Returns:
            What the closure returns; None without one.

        Raises:
            ValueError, TypeError: a hyperparameter in a group is out of range or unknown; the schedule of the rate
                gives no rate. Nothing is changed then.
        """
        if self._evaluating:
            raise RuntimeError(f"{type(self).__name__}: eval() has put averaged weights in place: call train() first")
        loss = self.evaluate(closure)
        self.settle()
        complete = True
        for p, home in self._pairs:
            if p._grad is not home.g:
                if p._grad is None:
                    complete = False
                else:  # read by someone, or assigned by hand
                    take_in(p, home)
        work = [
            (group, rate_of(type(self).__name__, group["lr"], self.t), self._given(group))
            for group in self.param_groups
        ]
        before = self.t, list(self._counts)
        self.t += 1
        self.stepped = []
        memories = self._memories
        if not complete:
            memories = [memory for p, memory in zip(self._params, memories, strict=True) if p._grad is not None]
        Memory.change(memories)
        try:
            first = 0
            for group, rate, given in work:
                last = first + len(group["params"])
                runs = list(self._runs(first, last, complete))
                self._apply(group, rate, given, runs)
                self.stepped += runs
                first = last
        except BaseException:
            self.t, self._counts = before
            raise
        return loss

    def evaluate(self, closure: Callable[[], Any] | None) -> Any:
        """Call `closure`, with gradients recorded, and give the loss that it returns; None without one.

        Raises:
            TypeError: there is none, and the optimizer needs one.
        """
        if closure is None:
            if self.needs_closure:
                raise TypeError(f"{type(self).__name__} needs the gradient more than once: give step() a closure")
            return None
        with enable_grad():
            return closure()

    def _runs(self, first: int, last: int, complete: bool) -> Iterator[tuple[int, int, int]]:
        """Stretches (start, stop, t) of the vectors: neighbours that have gradients and are at the same step.

        With the scope "parameter" each parameter is one by itself, and an empty one is none.
        """
        run: tuple[int, int, int] | None = None
        for i in range(first, last):
            home = self._homes[i]
            if not complete and self._params[i]._grad is None:
                continue
            self._counts[i] = t = self._counts[i] + 1
            if self.scope == "parameter":
                if home.theta.size:
                    yield home.start, self._ends[i], t
            elif run is not None and run[1] == home.start and run[2] == t:
                run = (run[0], self._ends[i], t)
            else:
                if run is not None:
                    yield run
                run = (home.start, self._ends[i], t)
        if run is not None:
            yield run

    def _apply(self, group: Group, rate: float, given: dict[str, Any], runs: list[tuple[int, int, int]]) -> None:
        """The rule, on these stretches of the vectors."""
        given = dict(given)
        if "lr" in given:
            given["lr"] = rate
        decay = 0 if "weight_decay" in self._wants else group["weight_decay"]
        counts = "t" in self._wants
        held = vars(self)  # past __setattr__, which looks for hyperparameters
        held["_in_force"] = (group, rate)
        try:
            if self.scope == "element":
                for start, stop, t in runs:
                    if counts:
                        given["t"] = t
                    self._elementwise.apply(self.rule, self._stretch(start, stop), given, decay)
                return
            for t, (theta, g, *state) in self._pieces(runs):
                if counts:
                    given["t"] = t
                self.rule(theta, g + decay * theta if decay else g, *state, **given)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise TypeError(formula.changes_g(type(self).__name__)) from error
        finally:
            held["_in_force"] = None

    # Other weights for testing than for training.

    def train(self, mode: bool = True) -> None:
        """Put the trained weights back in place, after `eval`; with ``mode=False`` the same as `eval`.

        Nothing happens where there are no others, as with most optimizers.
        """
        if not mode:
            self.eval()
            return
        for part in self.parts():
            part._put_trained()

    def eval(self) -> None:
        """Put the weights in place that are to be tested (see `averaged`), until `train` is called."""
        if type(self).averaged is not Optimizer.averaged:
            self._put_averaged(self._averages())

    def _averages(self) -> Iterator[tuple[int, int, Callable[[Array], None]]]:
        """For each parameter that has been stepped, where it is, and what changes its theta to the averaged one."""
        i = 0
        for group in self.param_groups:
            given = {name: group[name] for name in self._average_wants if name in group}
            for _ in group["params"]:
                start, stop, t = self._homes[i].start, self._ends[i], self._counts[i]
                i += 1
                if t:
                    if "t" in self._average_wants:
                        given["t"] = t
                    state = [v[start:stop] for v in self.state_vectors.values()]
                    yield start, stop, partial(self._average, state, dict(given))

    def _average(self, state: list[Array], given: dict[str, Any], theta: Array) -> None:
        self.averaged(theta, *state, **given)

    def _put_averaged(self, averages: Iterable[tuple[int, int, Callable[[Array], None]]]) -> None:
        if self._evaluating:
            return
        self.settle()
        self.follow(TRAINED)
        self._evaluating = True
        Memory.change(self._memories)
        for start, stop, average in averages:
            average(self.theta[start:stop])

    def _put_trained(self) -> None:
        if self._evaluating:
            self.settle()
            self.theta[:] = self._followed[TRAINED]
            self.unfollow(TRAINED)
            self._evaluating = False
            Memory.change(self._memories)

    # Hyperparameters as attributes.

    @property
    def lr(self) -> float:
        """The learning rate in force (of the first group): that of the next step, or, inside a rule, of this one."""
        if self._in_force is not None:
            return self._in_force[1]
        return float(rate_of(type(self).__name__, self.param_groups[0]["lr"], self.t))

    @lr.setter
    def lr(self, rate: Rate) -> None:
        """Never called: `__setattr__` sets hyperparameters. It tells type checkers that this can be set."""

    def __getattr__(self, name: str) -> Any:
        """Inside a rule, ``self.mu`` is the hyperparameter mu of the group at hand; outside, of the first group."""
        groups = self.__dict__.get("param_groups")
        if groups is not None:
            group = self._in_force[0] if self._in_force is not None else groups[0]
            if name in group:
                return group[name]
        raise AttributeError(f"{type(self).__name__} has no attribute or hyperparameter {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a hyperparameter sets it in every group.

        Raises:
            ValueError, TypeError: it is out of range, or no number.
            AttributeError: there is no such hyperparameter (a class of one's own may have further attributes, but
                none whose name is nearly that of a hyperparameter).
        """
        held = self.__dict__
        if held.get("_in_force") is not None and name != "_in_force":
            raise AttributeError(
                f"{type(self).__name__}.rule sets self.{name}: a rule may be called several times in a step, and what "
                "it sets is not saved; keep vectors in `state`, and write numbers as functions of t (running_product)"
            )
        if name in held or "param_groups" not in held:
            object.__setattr__(self, name, value)
        elif name in self._names:
            value = self._checked(name, value)
            for group in self.param_groups:
                group[name] = value
        else:
            check_attribute(self, name, self._names)
            object.__setattr__(self, name, value)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.param_groups[0].items() if name != "params")
        count = sum(p.numel() for group in self.param_groups for p in group["params"])
        return f"{type(self).__name__}({count} parameters, {shown})"

    # Saving and loading.

    def state_dict(self) -> dict[str, Any]:
        """All that decides the steps to come: t, hyperparameters, and copies of the state, parameter by parameter.

        A learning rate that is a function is not in it: it needs t alone, and is given again by who loads.
        """
        self.settle()
        vectors = self._saved_vectors(self._evaluating)
        state = {
            i: {"t": self._counts[i]}
            | {name: Tensor(v[home.start : end].reshape(p.shape).copy()) for name, v in vectors.items()}
            for i, (p, home, end) in enumerate(zip(self._params, self._homes, self._ends, strict=True))
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
        """The state, and while averaged weights are in place the trained ones."""
        return {**self.state_vectors, TRAINED: self._followed[TRAINED]} if evaluating else self.state_vectors

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Raises:
            ValueError, TypeError: it is the state of another rule, or of other parameters, or something in it is
                not what it must be; nothing is changed then.
        """
        self._load(self._read(state_dict))

    def _read(self, state_dict: Mapping[str, Any]) -> Any:
        """What `state_dict` says, checked: t, hyperparameters for each group, and for each parameter t and state."""
        mine = type(self).__name__
        check_state_of(mine, state_dict, ("t", "state", "param_groups"))
        self.settle()
        state, groups = state_dict["state"], state_dict["param_groups"]
        try:
            sizes, own = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
            hyperparameters = [{name: v for name, v in saved.items() if name != "params"} for saved in groups]
            entries = [dict(state.get(i, {})) for i in range(len(self._params))]
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{mine}: this is no state of an optimizer ({type(error).__name__}: {error})") from None
        if sizes != own:
            raise ValueError(f"{mine}: this state has groups of {sizes} parameters, the optimizer of {own}")
        if len(state) != len(entries):
            raise ValueError(f"{mine}: this state is of {len(state)} parameters, the optimizer has {len(entries)}")
        for saved in hyperparameters:
            for name in saved:
                if name not in self._names:
                    raise ValueError(f"this state is of another {mine}: " + unknown(mine, name, self._names))
        values = [{name: self._checked(name, value) for name, value in saved.items()} for saved in hyperparameters]
        counts, vectors = [], []
        evaluating = bool(state_dict.get("evaluating"))
        names = (*self.state, TRAINED) if evaluating else self.state
        for i, (p, there) in enumerate(zip(self._params, entries, strict=True)):
            if set(there) != {"t", *names}:
                has = ", ".join(map(str, there)) or "nothing"
                raise ValueError(f"{mine} keeps {', '.join(('t', *names))}, but here parameter {i} has {has}")
            counts.append(count_in(there["t"], f"{mine}: t of parameter {i}"))
            what = f"{mine}: {{}} of parameter {i}"
            vectors.append({name: vector_in(there[name], p.shape, what.format(name)) for name in names})
        return count_in(state_dict["t"], f"{mine}: t"), values, counts, vectors, evaluating

    def _load(self, read: Any) -> None:
        """Take over what `_read` has found to be right."""
        self.t, values, self._counts, vectors, evaluating = read
        if evaluating != self._evaluating:
            if evaluating:
                self.follow(TRAINED)
            else:
                self.unfollow(TRAINED)
            self._evaluating = evaluating
        for group, saved in zip(self.param_groups, values, strict=True):
            group.update({name: v for name, v in saved.items() if not callable(group.get(name))})
        for home, end, there in zip(self._homes, self._ends, vectors, strict=True):
            for name, vector in self._saved_vectors(evaluating).items():
                vector[home.start : end] = backend.to_device(there[name], backend.device_of(vector)).reshape(-1)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: the parameters and groups themselves, and what is kept for each parameter."""
        self.settle()
        rebuilt = {
            "_vectors",
            "_homes",
            "_pairs",
            "_memories",
            "_shapes",
            "_ends",
            "_stretches",
            "theta",
            "_left",
            "_used",
        }
        rebuilt |= {"_elementwise"}
        return {name: value for name, value in self.__dict__.items() if name not in rebuilt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        held = {**state["state_vectors"], **state["_followed"]}
        counts = state["_counts"]
        self.__dict__.update(state | {"_left": {}, "_used": {}, "_params": [], "_homes": [], "state_vectors": {}})
        self._followed = {}
        self._lay()
        self._counts = counts
        for name, vector in {**self.state_vectors, **self._followed}.items():
            vector[:] = held[name]


def _same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether these are the same objects (tensors compare element by element, and numbers of any type alike)."""
    return all(map(operator.is_, one, other))


def check_class(kind: type[Optimizer]) -> None:
    """Raise a TypeError unless a class says in the right way what it keeps and what it works on."""
    if not isinstance(kind.state, tuple) or not all(isinstance(name, str) for name in kind.state):
        raise TypeError(f'{kind.__name__}.state must be a tuple of names, as ("v",), not {kind.state!r}')
    wrong = [name for name in kind.state if not name.isidentifier() or name in ("t", "theta", "g", TRAINED)]
    if wrong or len(set(kind.state)) < len(kind.state):
        raise TypeError(
            f"{kind.__name__}.state must be different names, none of them t, theta, g or {TRAINED}: {kind.state}"
        )
    if kind.scope not in SCOPES:
        raise TypeError(f"{kind.__name__}.scope must be one of {', '.join(SCOPES)}, not {kind.scope!r}")


def check_attribute(owner: Optimizer, name: str, names: Iterable[str]) -> None:
    """Refuse a new attribute that is most likely a hyperparameter's name, misspelt: it would be without effect."""
    kind = type(owner)
    if name.startswith("_") or name in owner.__dict__ or hasattr(kind, name) or name in Optimizer.__annotations__:
        return
    ours = kind.__module__.partition(".")[0] == "minigrad"
    if ours or difflib.get_close_matches(name, list(names), n=1, cutoff=0.85):
        raise AttributeError(unknown(kind.__name__, name, names))


def check_state_of(rule: str, state_dict: Any, keys: tuple[str, ...]) -> None:
    """Raise a ValueError unless `state_dict` is of that rule and has all that belongs into it."""
    if not isinstance(state_dict, Mapping):
        raise ValueError(
            f"{rule} goes on from a dictionary that state_dict() gave, not from a {type(state_dict).__name__}"
        )
    if state_dict.get("rule") != rule:
        raise ValueError(f"{rule} cannot go on from the state of {state_dict.get('rule')}")
    missing = [key for key in keys if key not in state_dict]
    if missing:
        raise ValueError(f"{rule}: this is no whole state of an optimizer: it lacks {', '.join(missing)}")


def count_in(value: Any, what: str) -> int:
    """A count that was saved: an integer, at least 0."""
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{what} must be an integer, not {value!r}") from None
    if isinstance(value, bool) or count < 0:
        raise ValueError(f"{what} must be at least 0, not {value!r}")
    return count


def vector_in(value: Any, shape: tuple[int, ...], what: str) -> Array:
    """An array that was saved: floating-point, of that shape."""
    array = backend.plain(value.data if isinstance(value, Tensor) else value, what=what)
    if array.shape != shape:
        raise ShapeError(f"{what} has shape {array.shape}, the parameter {shape}")
    if array.dtype.kind != "f":
        raise TypeError(f"{what} must be floating-point, not {array.dtype}")
    return array
