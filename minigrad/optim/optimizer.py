"""The base class of all optimizers. It does everything but the formula, so that a rule is only its formula.

The parameters are put end to end in one vector theta, their gradients in a second vector g, and each quantity of the
rule's state (v, m, ...) in a further vector. A layer's weight is then a view of theta. `Optimizer.step` calls the rule
with these vectors, or with parts of them, depending on the rule's `scope`.

The class is built in steps, by inheritance, with a file for each: `groups.py` has the parameter groups and
hyperparameters, `layout.py` the vectors, `calls.py` the calls of the rule, `checkpoint.py` saving and loading. This
file has the methods that a user calls.
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
    without_options,
)
from minigrad.optim.vectors import copy_gradient
from minigrad.recording import Memory, enable_grad

SCOPES = ("element", "parameter", "all")


class Optimizer(Saved):
    """The base class of all rules.

    A subclass names the vectors of its state in `state`; they start at 0. It defines `rule`, which gets theta, g and
    these vectors, and changes theta and the state in place. The arguments after the ``*`` are passed by name: the
    hyperparameters, with their defaults (`lr` is the current learning rate), and `t`, the number of this step, starting
    with 1. Inside the rule ``self.lr`` and so on have the same values. A rule does not set attributes of ``self``;
    numbers that depend on t alone are computed as functions of t (see `running_product` for products).

    `scope` says what the rule needs at a time. With "element", the default, each number is computed only from the
    numbers at the same place; this is checked at the first step::

        class Momentum(Optimizer):
            state = ("v",)

            def rule(self, theta, g, v, *, lr=0.1, mu=0.9):
                v[:] = mu * v + g
                theta -= lr * v

    With "parameter" the rule is called once for each parameter that has a gradient, in that parameter's own shape
    (which may be ``()``, so write ``v[...] = `` rather than ``v[:] = ``). Here are layer-wise adaptive rates (LARS)::

        class LARS(Optimizer):
            scope = "parameter"

            def rule(self, theta, g, *, lr=0.1, trust=0.001):
                theta -= lr * trust * norm(theta) / norm(g) * g

    With "all" it is called once for each group, with one vector of all its parameters that have a gradient, and `t` is
    the number of steps of the optimizer. Here the gradient is clipped by its norm::

        class Clipped(Optimizer):
            scope = "all"

            def rule(self, theta, g, *, lr=0.1, longest=1.0):
                theta -= lr * min(1, longest / norm(g)) * g

    An optimizer that tests an average of the weights it trains defines `averaged` (see there). One that needs the
    gradient more than once in a step sets ``needs_closure = True`` and defines `step`.

    Args:
        params: the tensors to train, or groups with hyperparameters of their own, as dictionaries
            ``{"params": tensors, "lr": ...}``.
        hyperparameters: by name. `lr` is a number or a function of the number of steps already taken.
            `weight_decay` adds weight_decay * theta to g before the rule is called (an L2 penalty, as in PyTorch),
            unless `weight_decay` is an argument of the rule, which then does it in its own way.

    A parameter that has no gradient since `zero_grad` is not changed, nor are its state and its own t. So the
    parameters of a model that is partly frozen can all be given. `param_groups` can be edited, parameters as well as
    hyperparameters; the next step uses the new values. Setting ``optimizer.momentum`` sets it in all groups.

    Raises:
        ValueError: there are no parameters, one is given twice, or a hyperparameter is out of range.
        TypeError: a parameter is not a tensor, not floating-point, or not a leaf; the parameters have several dtypes or
            devices; the rule does not have a hyperparameter of that name.
    """

    needs_closure: bool = False
    ranges: ClassVar[Mapping[str, Range]] = {"lr": AT_LEAST_0, "weight_decay": AT_LEAST_0}
    """The values that are allowed for each hyperparameter; a subclass adds its own."""

    stepped: list[tuple[int, int, int]]  # the ranges (start, stop, t) of theta that the last step changed
    _average_wants: tuple[str, ...]  # the names of the arguments of `averaged` after its *

    def averaged(self, theta: Array, *state: Array, **hyperparameters: Any) -> None:
        """Replace the trained weights in `theta`, in place, by those to be tested (an average, for example).

        `eval` calls it with the vectors of the state, and with the hyperparameters that it names after a ``*``. `train`
        then restores the trained weights exactly. By default the two are the same.
        """

    def __init_subclass__(cls, **options: Any) -> None:
        """Set the class's signature to the rule's hyperparameters, and its help to the text of its module."""
        super().__init_subclass__(**options)
        describe(cls, Optimizer, COMMON, "params")

    def __init__(self, params: Iterable[Any], *positional: Any, **hyperparameters: Any) -> None:
        name = type(self).__name__
        check_class(type(self))
        self._wants, own = signature_of(self.rule, name, ("theta", "g", *self.state))
        self._average_wants = signature_of(self.averaged, name, ("theta", *self.state), "averaged")[0]
        defaults = with_common(own, COMMON)
        hyperparameters = by_name(name, defaults, positional, hyperparameters)
        hyperparameters = without_options(name, hyperparameters, defaults)
        if type(self).__init__ is Optimizer.__init__:  # a subclass with its own __init__ validates its own arguments
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
                f"{name}: {hidden[0]} is a hyperparameter of the rule: pass it to the constructor of Optimizer, as "
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
        """The optimizers that hold the parameters, each with vectors of its own; here only the optimizer itself."""
        return [self]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to None (or to 0, with ``set_to_none=False``)."""
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
            closure: a function that computes the loss and its gradients, and returns the loss; it is called first.

        Returns:
            The result of the closure; None without one.

        Raises:
            ValueError, TypeError: a hyperparameter in a group is out of range or unknown, or the schedule of the
                learning rate does not return a valid rate. Nothing is changed then.
        """
        if self._evaluating:
            raise RuntimeError(f"{type(self).__name__}: eval() has put averaged weights in place: call train() first")
        loss = self.evaluate(closure)
        self.refresh()
        # Most gradients are in the vector g already: backward() has written them there. Copy the others.
        complete = True
        for p, slot in self._params_and_slots:
            if p._grad is not slot.g:
                if p._grad is None:
                    complete = False
                else:  # it was read, or assigned by hand
                    copy_gradient(p, slot)
        # Whatever can be wrong with hyperparameters is found here, before anything is changed.
        work = [
            (group, rate_of(type(self).__name__, group["lr"], self.t), self._given(group))
            for group in self.param_groups
        ]
        # Call the rule, group by group. If it fails, the counts of steps are restored.
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
        """Call `closure` with recording switched on, and return the loss that it returns; None without a closure.

        Raises:
            TypeError: there is no closure, and the optimizer needs one.
        """
        if closure is None:
            if self.needs_closure:
                raise TypeError(f"{type(self).__name__} needs the gradient more than once: pass a closure to step()")
            return None
        with enable_grad():
            return closure()

    def train(self, mode: bool = True) -> None:
        """Restore the trained weights after `eval`; with ``mode=False`` the same as `eval`.

        For optimizers without averaged weights, which are most, this does nothing.
        """
        if not mode:
            self.eval()
            return
        for part in self.parts():
            part._put_trained()

    def eval(self) -> None:
        """Replace the trained weights by those to be tested (see `averaged`), until `train` is called."""
        if type(self).averaged is not Optimizer.averaged:
            self._put_averaged(self._averages())

    def _averages(self) -> Iterator[tuple[int, int, Callable[[Array], None]]]:
        """For each parameter with at least one step: (start, stop, the function that puts its average in place)."""
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
    """Raise a TypeError unless the class declares `state` and `scope` correctly."""
    if not isinstance(kind.state, tuple) or not all(isinstance(name, str) for name in kind.state):
        raise TypeError(f'{kind.__name__}.state must be a tuple of names, as ("v",), not {kind.state!r}')
    wrong = [name for name in kind.state if not name.isidentifier() or name in ("t", "theta", "g", TRAINED)]
    if wrong or len(set(kind.state)) < len(kind.state):
        raise TypeError(
            f"{kind.__name__}.state must be different names, none of them t, theta, g or {TRAINED}: {kind.state}"
        )
    if kind.scope not in SCOPES:
        raise TypeError(f"{kind.__name__}.scope must be one of {', '.join(SCOPES)}, not {kind.scope!r}")
