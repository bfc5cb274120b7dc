"""What every optimizer shares, so that a rule can be its formula and nothing else.

The parameters are put end to end in one vector theta, their gradients in a second, g, and each thing a rule keeps
(v, m, ...) in one more. A layer's weight is then a view of theta. `Optimizer.step` calls the rule with these vectors,
or with parts of them, as the rule's `scope` says.

The class is made in steps, each in a file of its own: `groups.py` has the parameter groups and hyperparameters,
`layout.py` the vectors, `calls.py` calls the rule, `checkpoint.py` saves and loads. Here is what a user calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.optim.checkpoint import TRAINED, Saved
from minigrad.optim.groups import COMMON
from minigrad.optim.hyperparameters import (
    AT_LEAST_0,
    REQUIRED,
    Range,
    by_name,
    describe,
    rate_of,
    signature_of,
    unknown,
    with_common,
)
from minigrad.optim.vectors import copy_gradient
from minigrad.recording import Memory, enable_grad

SCOPES = ("element", "parameter", "all")


class Optimizer(Saved):
    """The base of all rules.

    A subclass names in `state` the vectors it keeps, which start at 0, and defines `rule`, which gets theta, g and
    those vectors and changes them in place (all but g). What else the rule names, after a ``*``, it is given by
    name: its hyperparameters, whose defaults stand in its signature (`lr` is the rate of this step), and `t`, the
    number of this step, 1 for the first. Inside the rule ``self.lr`` and the like have the same values. A number
    that depends on `t` alone is written as a function of t (see `running_product` for products), not kept on
    ``self``.

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

    An optimizer that tests an average of the weights instead of the weights themselves defines `averaged` (see there).
    One that needs the gradient more than once a step says ``needs_closure = True`` and defines `step`.

    Args:
        params: the tensors to change, or dictionaries ``{"params": tensors, "lr": ...}``, groups with
            hyperparameters of their own.
        hyperparameters: by name. `lr` is a number or a function of the number of steps already taken.
            `weight_decay` adds weight_decay * theta to g before the rule sees it (an L2 penalty, as in PyTorch),
            unless the rule names it and decays in its own way.

    A parameter that got no gradient since `zero_grad` is not changed, and neither are its state and its own t. So all
    parameters of a model can be given, even if some are frozen. The groups in `param_groups` may be changed between
    steps, parameters as well as hyperparameters; setting ``optimizer.momentum`` sets it in all groups.

    Raises:
        ValueError: no parameters, one that comes twice, a hyperparameter that is out of range.
        TypeError: something that is no tensor, or not floating-point, or no leaf; tensors of several dtypes or
            devices; a hyperparameter the rule does not know.
    """

    needs_closure: bool = False
    ranges: ClassVar[Mapping[str, Range]] = {"lr": AT_LEAST_0, "weight_decay": AT_LEAST_0}
    """The values that hyperparameters can have; a subclass adds its own."""

    stepped: list[tuple[int, int, int]]  # the stretches (start, stop, t) of theta that the last step changed
    _average_wants: tuple[str, ...]  # what `averaged` names after its *

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
        self._params = []
        self._counts = []
        self._slots = []
        self._removed = {}
        self._added = {}
        self._in_force = None
        self._used = {}
        self._added_names = ()
        self._evaluating = False
        self.state_vectors = {}
        self.param_groups = self._groups(params)
        self._build_vectors()

    def parts(self) -> list[Optimizer]:
        """The optimizers that have the parameters, each with vectors of its own: here the optimizer itself."""
        return [self]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or set them to 0, with ``set_to_none=False``)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                elif p._slot is not None and p._slot.theta is p._data:
                    p._slot.g[...] = 0
                    p._grad = p._slot.g
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
        self.refresh()
        complete = True
        for p, slot in self._params_and_slots:
            if p._grad is not slot.g:
                if p._grad is None:
                    complete = False
                else:  # read by someone, or assigned by hand
                    copy_gradient(p, slot)
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
                start, stop, t = self._slots[i].start, self._ends[i], self._counts[i]
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
        self.refresh()
        self.add_vector(TRAINED)
        self._evaluating = True
        Memory.change(self._memories)
        for start, stop, average in averages:
            average(self.theta[start:stop])

    def _put_trained(self) -> None:
        if self._evaluating:
            self.refresh()
            self.theta[:] = self._added[TRAINED]
            self.remove_vector(TRAINED)
            self._evaluating = False
            Memory.change(self._memories)


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
