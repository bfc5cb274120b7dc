"""Wrong use of the optimizers: one clear sentence, raised where the mistake was made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from optimizer_tools import UNUSUAL, give, optimizer

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import Optimizer

NAMES = sorted(set(UNUSUAL) - {"Lookahead"})
EACH = pytest.mark.parametrize("name", NAMES)


def inner(name: str) -> str:
    """Ranger's complaints about parameters and rates are those of its RAdam."""
    return "RAdam" if name == "Ranger" else name


def one() -> list[mg.Tensor]:
    return [mg.zeros(3, requires_grad=True)]


# --- Parameters ----------------------------------------------------------------------------------------


@EACH
def test_no_parameters(name: str) -> None:
    for nothing in ([], (), iter([]), nn.ReLU().parameters()):
        with pytest.raises(ValueError, match=f"{inner(name)} was given no parameters"):
            getattr(optim, name)(nothing)


def test_a_group_without_parameters() -> None:
    with pytest.raises(ValueError, match="Adam was given a group without parameters"):
        optim.Adam([{"params": one()}, {"params": []}])


@EACH
def test_a_tensor_in_place_of_a_list(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{inner(name)} needs an iterable of tensors: write \[tensor\]"):
        getattr(optim, name)(one()[0])


@pytest.mark.parametrize(
    ("wrong", "kind"), [(np.zeros(3), "ndarray"), ("weight", "str"), (3.0, "float"), (None, "NoneType")]
)
def test_something_that_is_no_tensor(wrong: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"SGD: parameter 1 must be a tensor, not {kind}"):
        optim.SGD([*one(), wrong])


def test_named_parameters_in_place_of_parameters() -> None:
    with pytest.raises(TypeError, match="SGD: parameter 0 must be a tensor, not tuple"):
        optim.SGD(nn.Linear(2, 2).named_parameters())


def test_a_model_in_place_of_its_parameters() -> None:
    with pytest.raises(TypeError):
        optim.SGD(nn.Linear(2, 2))


def test_a_tensor_that_does_not_require_gradients() -> None:
    # As in PyTorch: a model can be given whole, and what is frozen comes in when it is thawed.
    (p,), frozen = one(), mg.zeros(2, 5)
    run = optim.SGD([p, frozen], lr=1.0)
    p.grad = mg.ones(3)
    run.step()
    assert (p.tolist(), frozen.tolist()) == ([-1] * 3, [[0] * 5] * 2)
    frozen.requires_grad_(True)
    (frozen * 2).sum().backward()
    run.step()
    assert frozen.tolist() == [[-2] * 5] * 2
    with pytest.raises(TypeError, match=r"Adam: parameter 1 \(shape \(2,\)\) must be floating-point, not int64"):
        optim.Adam([*one(), mg.tensor([1, 2])])


def test_a_tensor_that_is_no_leaf() -> None:
    with pytest.raises(TypeError, match=r"Adam: parameter 0 \(shape \(3,\)\) was computed from others"):
        optim.Adam([one()[0] * 2])


@EACH
def test_a_parameter_given_twice(name: str) -> None:
    p, q = one() + one()
    with pytest.raises(ValueError, match=rf"{inner(name)}: parameter 2 \(shape \(3,\)\) was given twice"):
        getattr(optim, name)([p, q, p])
    with pytest.raises(ValueError, match=rf"{inner(name)}: parameter 1 \(shape \(3,\)\) was given twice"):
        getattr(optim, name)([{"params": [p]}, {"params": [p, q]}])


def test_mixed_dtypes() -> None:
    before = one()[0].data
    p = mg.zeros(3, requires_grad=True)
    p.data = before
    with pytest.raises(TypeError, match="one dtype and device, not float32 on cpu and float64 on cpu"):
        optim.Momentum([p, mg.zeros(2, dtype=mg.float64, requires_grad=True)])
    assert p.data is before  # and nothing was moved


@pytest.mark.parametrize("wrong", [[{"lr": 0.1}], [{"params": "p"}, {"lr": 0.1}], [{"params": None}, "p"]])
def test_a_group_that_is_none(wrong: Any) -> None:
    groups = [{**g, "params": one()} if isinstance(g, dict) and "params" in g else g for g in wrong]
    with pytest.raises(TypeError, match="SGD: a group is a dictionary with 'params' in it, not"):
        optim.SGD(groups)


# --- Hyperparameters -----------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("lr", [-0.1, -1, math.nan, -math.inf, np.float32(-2)])
def test_a_rate_out_of_range(name: str, lr: float) -> None:
    with pytest.raises(ValueError, match=f"{inner(name)}: lr must be at least 0, not {lr}"):
        getattr(optim, name)(one(), lr=lr)


@EACH
@pytest.mark.parametrize("lr", ["0.1", None, [0.1], {"lr": 0.1}, mg.tensor(0.1)])
def test_a_rate_that_is_no_number(name: str, lr: Any) -> None:
    with pytest.raises(TypeError, match=f"{inner(name)}.* lr"):
        getattr(optim, name)(one(), lr=lr)


@EACH
@pytest.mark.parametrize("decay", [-0.1, math.nan])
def test_a_decay_out_of_range(name: str, decay: float) -> None:
    with pytest.raises(ValueError, match=f"{inner(name)}: weight_decay must be at least 0, not {decay}"):
        getattr(optim, name)(one(), weight_decay=decay)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adamax", "RAdam", "Ranger"])
@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, 1.5), (math.nan, 0.9), (0.9, math.nan)])
def test_betas_out_of_range(name: str, betas: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=rf"{inner(name)}: betas must be from 0 to below 1, not \("):
        getattr(optim, name)(one(), betas=betas)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adamax", "RAdam", "Ranger"])
@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), (), "ab"])
def test_betas_that_are_not_two(name: str, betas: Any) -> None:
    # Told when the optimizer is built, and not by the first step.
    with pytest.raises((TypeError, ValueError), match=f"{inner(name)}: betas must be"):
        getattr(optim, name)(one(), betas=betas)


@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("Momentum", {"momentum": -0.5}, "momentum must be at least 0"),
        ("Nesterov", {"momentum": math.nan}, "momentum must be at least 0"),
        ("Adagrad", {"eps": -1e-8}, "eps must be at least 0"),
        ("RMSprop", {"alpha": 1.5}, "alpha must be from 0 to 1"),
        ("RMSprop", {"alpha": -0.1}, "alpha must be from 0 to 1"),
        ("RMSprop", {"eps": -1.0}, "eps must be at least 0"),
        ("Adadelta", {"rho": 1.5}, "rho must be from 0 to 1"),
        ("Adadelta", {"rho": -0.1}, "rho must be from 0 to 1"),
        ("Adadelta", {"eps": math.nan}, "eps must be at least 0"),
        ("Adam", {"eps": -1.0}, "eps must be at least 0"),
    ],
)
def test_others_out_of_range(name: str, hyper: dict[str, float], words: str) -> None:
    ((_, value),) = hyper.items()
    with pytest.raises(ValueError, match=f"{name}: {words}, not {value}"):
        getattr(optim, name)(one(), **hyper)


@EACH
def test_hyperparameters_of_a_group(name: str) -> None:
    with pytest.raises(ValueError, match=f"{inner(name)}: lr must be at least 0, not -1"):
        getattr(optim, name)([{"params": one()}, {"params": one(), "lr": -1}])
    with pytest.raises(TypeError, match=f"{inner(name)} has no hyperparameter learning_rate"):
        getattr(optim, name)([{"params": one(), "learning_rate": 0.1}])


@EACH
def test_an_unknown_hyperparameter(name: str) -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        getattr(optim, name)(one(), learning_rate=0.1)


class Named(Optimizer):
    """No constructor of its own: what its rule names is what it takes."""

    def rule(self, theta: Any, g: Any, *, lr: float, floor: float = 0.5) -> None:
        theta -= lr * g


class Constructed(Optimizer):
    """A constructor of its own, which says what it takes; its rule names only a part of that."""

    def __init__(self, params: Any, lr: float = 0.1, clip: float = 1.0) -> None:
        super().__init__(params, lr=lr, clip=clip)

    def rule(self, theta: Any, g: Any, *, lr: float) -> None:
        theta -= lr * g


def test_a_constructor_of_its_own_knows_what_it_takes() -> None:
    made = Constructed(one(), clip=2.0)
    assert (made.param_groups[0]["clip"], made.param_groups[0]["lr"]) == (2.0, 0.1)
    first, second = Constructed([{"params": one()}, {"params": one(), "clip": 5.0}]).param_groups
    assert (first["clip"], second["clip"]) == (1.0, 5.0)
    with pytest.raises(TypeError, match="clop"):
        Constructed(one(), clop=2.0)
    with pytest.raises(TypeError, match="Constructed has no hyperparameter clop"):
        Constructed([{"params": one(), "clop": 2.0}])


def test_a_rule_without_a_constructor_takes_what_it_names() -> None:
    assert Named(one(), floor=0.25).param_groups[0]["floor"] == 0.25
    for wrong in ({"flor": 1.0}, {"clip": 1.0}, {"theta": 1.0}, {"g": 1.0}):
        with pytest.raises(TypeError, match=f"Named has no hyperparameter {next(iter(wrong))}"):
            Named(one(), **wrong)
        with pytest.raises(TypeError, match=f"Named has no hyperparameter {next(iter(wrong))}"):
            Named([{"params": one(), **wrong}])


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_the_edges_of_the_ranges_are_allowed(name: str) -> None:
    for extreme in (0, 0.0, math.nextafter(1, 0))[2 * (name == "ScheduleFreeAdamW") :]:
        hyper = {k: v for k, v in UNUSUAL[name].items() if k not in ("lr", "inner", "warmup_steps")}
        hyper = {k: (extreme, extreme) if k == "betas" else v if k == "k" else extreme for k, v in hyper.items()}
        if name == "Lookahead":
            hyper["inner"] = ("SGD", {"lr": extreme})
        params = one()
        run = optimizer(name, params, hyper)
        give(params, np.ones(3, dtype=np.float32))
        if hyper.get("eps") != 0:
            run.step()


def test_nesterov_without_a_momentum() -> None:
    with pytest.raises(ValueError, match="SGD: nesterov=True needs a momentum above 0"):
        optim.SGD(one(), 0.1, nesterov=True)
    with pytest.raises(ValueError, match=r"Momentum: momentum must be at least 0, not -0\.9"):
        optim.SGD(one(), 0.1, momentum=-0.9)


# --- Lookahead -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -5, 2.5, "5", None, True])
def test_lookaheads_k(k: Any) -> None:
    with pytest.raises(ValueError, match=f"Lookahead: k must be a positive integer, not {k!r}"):
        optim.Lookahead(optim.SGD(one()), k=k)
    with pytest.raises(ValueError, match=f"k must be a positive integer, not {k!r}"):
        optim.Ranger(one(), k=k)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, math.nan])
def test_lookaheads_alpha(alpha: float) -> None:
    with pytest.raises(ValueError, match=f"Lookahead: alpha must be from 0 to 1, not {alpha}"):
        optim.Lookahead(optim.SGD(one()), alpha=alpha)
    with pytest.raises(ValueError, match=f"alpha must be from 0 to 1, not {alpha}"):
        optim.Ranger(one(), alpha=alpha)


def test_lookahead_around_what_is_no_optimizer() -> None:
    for wrong, kind in ((one(), "list"), (nn.Linear(2, 2), "Linear"), (optim.SGD, "type"), (None, "NoneType")):
        with pytest.raises(TypeError, match=f"Lookahead wraps an optimizer, not {kind}"):
            optim.Lookahead(wrong)  # type: ignore[arg-type]


def test_a_wrong_rate_given_to_lookahead_later() -> None:
    run = optim.Lookahead(optim.Adam(one(), lr=0.5))
    with pytest.raises(ValueError, match="Adam: lr must be at least 0, not -1"):
        run.lr = -1
    assert run.lr == 0.5


# --- A learner's own rule ------------------------------------------------------------------------------


class Heavy(Optimizer):
    state = ("v",)

    def rule(self, theta, g, v, *, lr=0.1, mu=0.9):  # type: ignore[no-untyped-def]
        v[:] = mu * v + g
        theta -= lr * v


def test_a_rule_of_ones_own() -> None:
    params = one()
    run = Heavy(params, lr=0.5, mu=0.5)
    for _ in range(3):  # v = 1, 1.5, 1.75
        give(params, np.ones(3, dtype=np.float32))
        run.step()
    assert params[0].tolist() == [-2.125] * 3
    assert (Heavy(params).lr, Heavy(params).mu) == (0.1, 0.9)
    assert run.mu == 0.5


def test_hyperparameters_inside_a_rule_of_ones_own() -> None:
    class Signs(Optimizer):
        def __init__(self, params: Any, lr: float = 0.25, scale: float = 2.0) -> None:
            super().__init__(params, lr=lr, scale=scale)

        def rule(self, theta: Any, g: Any, *, t: int, scale: float) -> None:
            theta -= self.lr * self.scale * t * np.sign(g) + 0 * scale

    a, b = one() + one()
    run = Signs([{"params": [a]}, {"params": [b], "scale": 4.0}])
    for _ in range(2):
        give([a, b], np.array([1, -2, 0, 3, 0, 5], dtype=np.float32))
        run.step()
    assert a.tolist() == [-1.5, 1.5, 0.0]
    assert b.tolist() == [-3.0, 0.0, -3.0]


def test_a_rule_of_ones_own_with_unknown_hyperparameters() -> None:
    with pytest.raises(TypeError, match="Heavy has no hyperparameter momentum; it has lr, mu, weight_decay"):
        Heavy(one(), momentum=0.5)
    with pytest.raises(AttributeError, match="Heavy has no attribute or hyperparameter 'momentum'"):
        _ = Heavy(one()).momentum


def test_a_rule_that_wants_a_value_it_is_not_given() -> None:
    class Needy(Optimizer):
        def rule(self, theta: Any, g: Any, *, lr: float, width: float) -> None:
            theta -= lr * width * g

    with pytest.raises(TypeError, match="Needy needs a value for width"):
        Needy(one())
    assert Needy(one(), width=2.0).width == 2.0


def test_a_class_without_a_rule() -> None:
    class Lazy(Optimizer):
        pass

    params = one()
    run = Lazy(params)
    give(params, np.ones(3, dtype=np.float32))
    with pytest.raises(NotImplementedError, match=r"Lazy must define rule\(self, theta, g, ...\)"):
        run.step()


WRONG_RULES = {
    "no g": lambda self, theta: None,
    "state missing": lambda self, theta, g: None,
    "state in another order": lambda self, theta, g, u, v: None,
    "state under another name": lambda self, theta, g, w, u: None,
    "a hyperparameter before the *": lambda self, theta, g, v, u, lr: None,
}


@pytest.mark.parametrize("wrong", WRONG_RULES)
def test_a_rule_with_a_wrong_signature(wrong: str) -> None:
    kind = type("Mine", (Optimizer,), {"state": ("v", "u"), "rule": WRONG_RULES[wrong]})
    with pytest.raises(TypeError, match=r"Mine.rule must take \(theta, g, v, u\).*its state is \('v', 'u'\)"):
        kind(one())


def test_the_repr_shows_the_hyperparameters() -> None:
    params = [mg.zeros(2, 3, requires_grad=True), mg.zeros(4, requires_grad=True)]
    assert repr(optim.Momentum(params, lr=0.25)) == "Momentum(10 parameters, lr=0.25, momentum=0.9, weight_decay=0.0)"
    assert repr(optim.Lookahead(optim.SGD(params, lr=0.5), k=3)) == (
        "Lookahead(k=3, alpha=0.5, SGD(10 parameters, lr=0.5, weight_decay=0.0))"
    )
