"""Who runs: the built-in optimizers with the notebook's rates, and a learner's own by path.py:Class."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy
import pytest

import minigrad
from benchmarks import UsageError
from benchmarks.console.style import GUESTS, LOOKS
from benchmarks.training.cell14 import Cell14
from benchmarks.training.optimizers import BEYOND, ENTRANTS, REPLAYS, entrant, entrants
from benchmarks.training.user_code import in_a_sentence
from minigrad import optim

SIGN = f"{Path(__file__).with_name('signsgd.py')}:SignSGD"


def parameter(*values: float) -> minigrad.Tensor:
    return minigrad.tensor(numpy.array(values or (0.0,)), requires_grad=True)


def test_everybody_has_the_notebooks_rate():
    rates = {name: one.make([parameter()]).lr for name, one in (ENTRANTS | REPLAYS).items()}
    assert rates == {
        "sgd": 0.1,
        "mini-batch": 0.1,
        "momentum": 0.1,
        "nesterov": 0.1,
        "adagrad": 0.01,
        "rmsprop": 0.01,
        "adam": 0.001,
        "adamw": 0.001,
        "adadelta": 1.0,
        "adamax": 0.002,
        "lookahead": 0.01,
        "radam": 0.01,
        "ranger": 0.01,
        "cell14": 0.01,
    }
    for name in ("momentum", "nesterov"):
        assert ENTRANTS[name].make([parameter()]).param_groups[0]["momentum"] == 0.9
    assert ENTRANTS["lookahead"].make([parameter()], lr=0.5).lr == 0.5


def test_every_public_optimizer_is_an_entrant():
    public = {getattr(optim, name) for name in optim.__all__}
    bases = {optim.Optimizer, optim.Wrapper, optim.Combined}
    rules = {rule for rule in public if isinstance(rule, type)} - bases
    matrix = minigrad.zeros(2, 3, dtype=parameter().dtype, requires_grad=True)
    made = [one.make([parameter(), matrix]) for one in (ENTRANTS | BEYOND).values()]
    assert {type(one) for whole in made for one in getattr(whole, "optimizers", [whole])} == rules


# The rates of the notebook's cells; of those it does not run, what the issue of the main job settled.
@pytest.mark.parametrize(
    ("name", "lr"),
    [
        ("sgd", 0.1),
        ("mini-batch", 0.1),
        ("momentum", 0.1),
        ("nesterov", 0.1),
        ("adagrad", 0.01),
        ("rmsprop", 0.01),
        ("adam", 0.001),
        ("adadelta", 1.0),
        ("adamax", 0.002),
        ("cell14", 0.01),
        ("lookahead", 0.01),
        ("radam", 0.01),
        ("ranger", 0.01),
        ("adamw", 0.001),
    ],
)
def test_rates(name, lr):
    one = entrant(name)
    assert one.make([parameter()]).lr == lr
    assert one.make([parameter()], lr=0.3).lr == 0.3


def test_momentum_and_lookahead_are_the_notebooks():
    for name in ("momentum", "nesterov"):
        assert entrant(name).make([parameter()]).momentum == 0.9
    lookahead = entrant("lookahead").make([parameter()])
    assert (lookahead.k, lookahead.alpha, type(lookahead.base_optimizer)) == (5, 0.5, optim.Adam)


def test_every_entrant_has_a_look_of_its_own_and_a_name_that_finds_it():
    known = ENTRANTS | BEYOND | REPLAYS
    assert set(known) == set(LOOKS)
    assert len({(one.color, one.dash) for one in known.values()} | set(GUESTS)) == len(known) + len(GUESTS)
    assert len({one.label for one in known.values()}) == len(known)
    for name, one in known.items():
        assert one.name == one.spec == name
        assert entrant(name) is one


def test_cell14_adds_eps_before_the_correction():
    """Against the rule in plain floats, with an eps large enough to tell it from Adam."""
    lr, beta1, beta2, eps = 0.01, 0.9, 0.999, 0.1
    p, q = parameter(1.0), parameter(1.0)
    cell14, adam = Cell14([p], lr=lr, eps=eps), optim.Adam([q], lr=lr, eps=eps)
    theta, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate((0.5, -0.2, 0.0, 0.7), 1):
        for tensor, optimizer in ((p, cell14), (q, adam)):
            tensor.grad = minigrad.tensor(numpy.array([g]))
            optimizer.step()
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        theta -= lr * (m / (1 - beta1**t)) * (1 - beta2**t) ** 0.5 / (v**0.5 + eps)
        assert p.item() == pytest.approx(theta, abs=1e-14)
        assert abs(p.item() - q.item()) > 1e-4


def test_a_learners_optimizer():
    one = entrant(SIGN)
    assert (one.name, one.label) == ("SignSGD", "SignSGD")
    p = parameter(1.0, 1.0)
    optimizer = one.make([p], lr=0.25)
    p.grad = minigrad.tensor(numpy.array([3.0, -0.1]))
    optimizer.step()
    assert p.tolist() == [0.75, 1.25]


def test_a_learners_optimizer_is_found_again_from_its_spec(monkeypatch, tmp_path):
    monkeypatch.chdir(Path(__file__).parent)
    one = entrant("signsgd.py:SignSGD")
    monkeypatch.chdir(tmp_path)
    again = entrant(pickle.loads(pickle.dumps(one.spec)))
    assert again.name == "SignSGD"
    assert (again.color, again.dash, again.spec) == (one.color, one.dash, one.spec)


def test_learners_optimizers_have_looks_of_their_own(tmp_path):
    file = tmp_path / "two.py"
    text = "from minigrad.optim import SGD\nclass One(SGD): pass\nclass Two(SGD): pass\n"
    file.write_text(text)
    one, sgd, two = entrants([f"{file}:One", "sgd", f"{file}:Two"])
    assert [(each.color, each.dash) for each in (one, two)] == list(GUESTS[:2])
    assert (sgd.color, sgd.dash) == LOOKS["sgd"]


def test_a_learners_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("RATE = 0.125\n")
    (tmp_path / "mine.py").write_text(
        "from minigrad.optim import Optimizer\nfrom neighbour_of_mine import RATE\n"
        "class Mine(Optimizer):\n    def rule(self, theta, g, *, lr=RATE):\n        theta -= lr * g\n"
    )
    assert entrant(f"{tmp_path}/mine.py:Mine").make([parameter()]).lr == 0.125


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adm", r"there is no optimizer 'adm' \(did you mean adam\?\): there are sgd, .*ranger"),
        ("zzz", r"there is no optimizer 'zzz': there are sgd"),
        ("mine.py", r"mine\.py: say which class, as mine\.py:Mine"),
        ("nowhere.py:Mine", r"/nowhere\.py: there is no such file"),
        ("raises.py:Mine", r"raises\.py raises ZeroDivisionError: division by zero \(line 2\)"),
        ("syntax.py:Mine", r"syntax\.py raises SyntaxError: .* \(line 1\)"),
        ("good.py:Other", r"good\.py has no class Other: it has Good, Greedy"),
        ("good.py:NUMBER", r"good\.py: NUMBER is not a subclass of minigrad\.optim\.Optimizer"),
        ("good.py:Plain", r"good\.py: Plain is not a subclass of minigrad\.optim\.Optimizer"),
        ("good.py:Greedy", r"good\.py: Greedy\(params\) raises TypeError: .*v.* \(line 11\)|Greedy\.rule must take"),
        ("empty.py:Mine", r"empty\.py has no class Mine: it has no optimizer at all"),
    ],
)
def test_what_is_wrong_with_a_spec_is_told_in_a_sentence(spec, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.py").write_text("")
    Path("raises.py").write_text("x = 1\nx / 0\n")
    Path("syntax.py").write_text("def\n")
    Path("good.py").write_text(
        "from minigrad.optim import Optimizer\n"
        "NUMBER = 3\n"
        "class Plain: pass\n"
        "class Good(Optimizer):\n"
        "    def rule(self, theta, g, *, lr):\n"
        "        theta -= lr * g\n"
        "class Greedy(Optimizer):\n"
        "    def rule(self, theta, g, v):\n"
        "        pass\n"
    )
    with pytest.raises(UsageError, match=message) as caught:
        entrant(spec)
    assert "\n" not in str(caught.value)


def test_no_entrant_twice():
    with pytest.raises(UsageError, match="optimizer sgd is named twice"):
        entrants(["sgd", "adam", "sgd"])


def test_explain_names_the_line_in_the_learners_file_alone(tmp_path):
    file = tmp_path / "mine.py"
    code = compile("def fail():\n    raise ValueError('no')\n", str(file), "exec")
    scope: dict = {}
    exec(code, scope)
    with pytest.raises(ValueError, match="no") as caught:
        scope["fail"]()
    assert in_a_sentence(caught.value, f"{file}:Mine") == "ValueError: no (line 2)"
    assert in_a_sentence(caught.value, "sgd") == "ValueError: no"
