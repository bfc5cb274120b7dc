"""How races are run: recorded gradients, rules called directly, rates that are searched for, noise, and windows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy
import pytest

from benchmarks import UsageError
from benchmarks.__main__ import main
from benchmarks.pictures.landscapes import SURFACES
from benchmarks.pictures.moves import Direct, Through
from benchmarks.pictures.race import (
    NO_RACERS,
    hyperparameters,
    noise_of,
    optimize,
    race,
    searched,
    with_room,
)
from benchmarks.pictures.slopes import _each_time, recorded, slopes_of
from benchmarks.pictures.surface import leaves
from benchmarks.pictures.user_formula import formula, looks_like_one
from benchmarks.pictures.user_surface import find_surface, prepared
from benchmarks.training.optimizers import BEYOND, ENTRANTS, entrants

RACERS = [name for name in (*ENTRANTS, *BEYOND) if name not in NO_RACERS]


# Gradients from one recording.


@pytest.mark.parametrize("name", SURFACES)
def test_the_recording_gives_the_engines_numbers(name):
    quick, engine = recorded(SURFACES[name]), _each_time(SURFACES[name])
    for point in numpy.random.RandomState(1).uniform(-4, 4, (40, 2)).tolist():
        numpy.testing.assert_allclose(quick(*point), engine(*point), rtol=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "x**2 + 10*y**2",
        "sin(3*x) * exp(-y**2) / 2",
        "sqrt(x) + log(x + y) + tanh(x*y)",
        "tan(x)/y",
        "(0-2)**3*x",
        "-x + y",
        "2*y",
        "x^3 - 3*x*y^2 + pi*e",
        "2**x + y",
    ],
)
def test_the_recording_of_a_formula(text):
    place = find_surface(text, (0.5, 2), (0.5, 2))
    quick, engine = recorded(place), _each_time(place)
    for point in numpy.random.RandomState(1).uniform(0.6, 1.4, (10, 2)).tolist():
        numpy.testing.assert_allclose(quick(*point), engine(*point), rtol=1e-12)


def test_what_cannot_be_recorded_is_computed_each_time():
    place = find_surface("abs(x) + y**2")
    assert not place.steady
    slopes = slopes_of(place)
    assert slopes(-2.0, 1.0) == (3.0, -1.0, 2.0)
    assert slopes(2.0, 1.0) == (3.0, 1.0, 2.0)
    assert recorded(place) is None  # its sign is a tensor of its own
    assert recorded(find_surface("x**y", (1, 2), (1, 2))) is None
    slope = slopes_of(find_surface("x**y", (1, 2), (1, 2)))(1.5, 2.0)
    numpy.testing.assert_allclose(slope, [2.25, 3.0, 2.25 * math.log(1.5)])


def test_where_floats_raise_the_engine_answers():
    slopes = slopes_of(find_surface("log(x) + 1/y + exp(x)"))
    with numpy.errstate(all="ignore"):
        assert math.isnan(slopes(-1.0, 1.0)[0])
        assert slopes(1.0, 0.0)[0] == math.inf
        assert slopes(1e4, 1.0)[0] == math.inf


# Rules called directly.


@pytest.mark.parametrize("name", RACERS)
def test_the_rule_called_directly_makes_the_steps_of_the_optimizer(name):
    gradients = numpy.random.RandomState(2).standard_normal((30, 2)).tolist()
    settings = {"weight_decay": 0.1}
    x, y = leaves((0.5, -1.5))
    whole = ENTRANTS | BEYOND
    optimizer = whole[name].make([x, y])
    for key, value in settings.items():
        if key in optimizer.hyperparameters():
            setattr(optimizer, key, value)
    direct = Direct.can(optimizer)
    assert direct == (name != "sam")
    if not direct:
        return
    one, other = Direct(optimizer, numpy.array([0.5, -1.5])), Through(optimizer, x, y)
    for g in gradients:
        one.step(tuple(g), None)
        other.step(tuple(g), None)
        assert one.point == other.point
        assert set(one.state) == set(other.state)
        for key, vector in one.state.items():
            numpy.testing.assert_array_equal(vector, other.state[key], err_msg=key)


def test_an_optimizer_with_a_schedule_or_a_closure_steps_by_itself():
    from minigrad import optim

    x, y = leaves((1.0, 1.0))
    assert not Direct.can(optim.SGD([x, y], lr=optim.lr.exponential(0.1, 0.5)))
    assert not Direct.can(optim.SAM(optim.SGD([x, y], lr=0.1)))
    assert not Direct.can(optim.Lookahead(optim.SAM(optim.SGD([x, y], lr=0.1))))
    place = SURFACES["himmelblau"]
    one = optimize(place, BEYOND["sam"], 3, {"lr": 0.01})
    # By hand: the gradient at theta + rho g / |g|.
    theta = numpy.array(place.start)
    for row in one.path[1:]:
        g = numpy.array(slopes_of(place)(*theta)[1:])
        theta = theta - 0.01 * numpy.array(slopes_of(place)(*(theta + 0.05 * g / math.hypot(*g)))[1:])
        numpy.testing.assert_allclose(row, theta, rtol=1e-12)


# Hyperparameters, noise.


def test_settings_reach_the_inner_optimizer_and_are_in_the_caption():
    settings = {"lookahead": {"k": 3, "betas": (0.5, 0.9)}}
    (one,) = race(SURFACES["ravine"], entrants(["lookahead"]), 6, {}, settings=settings)
    assert (one.hyperparameters["k"], one.hyperparameters["betas"]) == (3, (0.5, 0.9))
    assert one.caption == "lr 0.8, k 3, betas 0.5/0.9"
    same = (one.path == one.states["slow"]).all(1)
    assert same.tolist() == [True, False, False, True, False, False, True]
    with pytest.raises(UsageError, match="sgd has no hyperparameter k; it has lr, weight_decay"):
        race(SURFACES["ravine"], entrants(["sgd"]), 6, {}, settings={"sgd": {"k": 3}})


def test_noise_is_in_units_of_the_first_gradient_and_the_same_for_all():
    place = SURFACES["beale"]
    assert noise_of(place, 0, 7, 10) is None
    noise = noise_of(place, 0.5, 7, 4000)
    length = math.hypot(*slopes_of(place)(*place.start)[1:])
    assert noise.std() == pytest.approx(0.5 * length, rel=0.03)
    numpy.testing.assert_array_equal(noise, noise_of(place, 0.5, 7, 4000))
    assert (noise[:5] != noise_of(place, 0.5, 8, 4000)[:5]).all()
    two = race(place, entrants(["sgd", "adam"]), 5, {}, noise=noise)
    for one in two:
        quiet = [slopes_of(place)(*point)[1:] for point in one.path]
        numpy.testing.assert_allclose(one.gradients - quiet, noise[:6], rtol=1e-9)


# A learner's rate and surface.

MINE = """
import math
import minigrad
from minigrad.optim import Optimizer

class Plain(Optimizer):
    def rule(self, theta, g, *, lr=5.0):
        theta -= lr * g

class Ratless(Optimizer):
    def rule(self, theta, g):
        theta -= 0.01 * g

class Choosy(Optimizer):
    def rule(self, theta, g, *, lr=0.01):
        if lr > 0.02:
            raise ValueError("too fast")
        theta -= lr * g

def himmelblau(x, y):
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

def far(x, y):
    return (x - 7) ** 2 + y**2

def lost(x, y):
    return x**2 + math.sin(y)

def item(x, y):
    return x**2 + y.item() ** 2

def half(x, y):
    return x**2 + minigrad.tensor(float(y.data)) * y

def kinked(x, y):
    return abs(x) + (y.relu() if float(y.data) > 0.3 else -y)
"""


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def test_a_learners_optimizer_gets_the_rate_with_which_it_ends_lowest(mine):
    place = SURFACES["ravine"]  # its largest curvature is 25
    plain, ratless, choosy = entrants([f"{mine}:{name}" for name in ("Plain", "Ratless", "Choosy")])
    assert searched(place, plain, 60, {}) == {"lr": 0.03}
    assert searched(place, ratless, 60, {}) == {}
    assert searched(place, choosy, 60, {}) == {}  # the rates at which it raises are passed over; its own is the best
    one, other = race(place, [plain, plain], 60, {}), race(place, [plain], 60, {"Plain": 0.001})
    assert one[0].caption == "lr 0.03"
    assert other[0].caption == "lr 0.001"


def test_the_window_follows_the_paths_that_go_down(mine, tmp_path):
    place = prepared(find_surface(f"{mine}:far", (-3, 3), (-3, 3)))
    racers = entrants(["sgd", "adam"])
    assert race(place, racers, 100, {})[0].fate == "left"
    wide = with_room(place, racers, 100, {})
    assert wide.x_range[0] == -3
    assert 7.5 < wide.x_range[1] < 9
    assert wide.y_range == (-3, 3)
    assert [one.fate for one in race(wide, racers, 100, {})] == ["", ""]
    # Who goes up does not widen it.
    assert with_room(place, racers, 100, {"sgd": 1.5, "adam": 0.001}).x_range == (-3, 3)


@pytest.mark.parametrize("start", [(-2, 2), (0, 0), (2, -2), (-2.5, -2.5)])
def test_nobody_diverges_on_himmelblaus_function_of_a_learners(mine, tmp_path, start):
    asked = ["surfaces", "--surface", f"{mine}:himmelblau", f"--start={start[0]},{start[1]}", "--stills"]
    assert main([*asked, "--results", str(tmp_path), "--jobs", "1"]) == 0
    stored = json.loads((tmp_path / "surfaces" / "himmelblau.json").read_text())
    assert {run["fate"] for run in stored["runs"]} == {"stayed"}


def test_with_a_range_the_table_says_who_left_it_and_how_to_see_more(mine, tmp_path, capsys):
    asked = ["surfaces", "--surface", f"{mine}:far", "--range=-3,3,-3,3", "--stills", "--optimizers", "sgd"]
    assert main([*asked, "--results", str(tmp_path), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "left, step" in printed
    assert "left: it went out of the picture, downhill; see --range" in printed
    assert "diverged" not in printed


@pytest.mark.filterwarnings("ignore:a tensor that requires gradients became a Python number")
@pytest.mark.parametrize("name", ["lost", "item", "half"])
def test_a_call_that_loses_the_gradient_is_told(mine, name):
    with pytest.raises(UsageError, match=rf"mine.py:{name}: at \(-2, 2\) its gradient is .* such as math.sin"):
        prepared(find_surface(f"{mine}:{name}"))


def test_a_kink_is_no_lost_gradient(mine):
    assert prepared(find_surface(f"{mine}:kinked")).rates


# Formulas.


@pytest.mark.parametrize(
    ("text", "value", "tex"),
    [
        ("x**2 + 10*y^2", 64.75, r"x^{2} + 10\,y^{2}"),
        ("-(x - 1) * 2", -1.0, r"-\left(x - 1\right) \cdot 2"),
        ("x - (y - 1)", 0.0, r"x - \left(y - 1\right)"),
        ("sqrt(y + 1.5) / pi", 2 / math.pi, r"\frac{\sqrt{y + 1.5}}{\pi}"),
        ("abs(x - y) ** 3", 1.0, r"\left|x - y\right|^{3}"),
        ("exp(x) * e ** (-x)", 1.0, r"\exp\left(x\right)\,e^{-x}"),
        ("(x*y)**2", 14.0625, r"\left(x\,y\right)^{2}"),
        ("+x", 1.5, "x"),
    ],
)
def test_a_formula_is_computed_and_typeset(text, value, tex):
    made = formula(text)
    assert made.function(*leaves((1.5, 2.5))).item() == pytest.approx(value)
    assert made.tex == tex


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.data",
        "().__class__",
        "lambda: x",
        "x if y else 1",
        "[x]",
        "x and y",
        "x < y",
        "x @ y",
        "x // y",
        "'a' * x",
        "f'{x}'",
        "True * x",
        "1j * x",
        "1e999 * x",
        "max(x, y)",
        "sin(x, y)",
        "sin",
        "sin(*x)",
        "x(y)",
        "z + x",
        "eval('x')",
        "open + x",
        "x := 3",
        "x = 3",
        "x; y",
        "x\x00",
        "",
        "3 + 4",
        "9**9**9**9 + x",
        "1 / 0 + x",
        "log(0) * x",
        "(0 - 8)**(1/3) + x",
        "x" * 201,
        "x" + "+x" * 80,
        "-" * 150 + "x",
    ],
)
def test_what_is_no_formula_is_refused_with_a_sentence(text):
    with pytest.raises(UsageError, match="the formula") as refused:
        formula(text)
    assert "\n" not in str(refused.value)


def test_which_words_are_meant_as_formulas():
    assert all(map(looks_like_one, ["x", "x+y", "x^2", "-x", "(x)", "x y"]))
    assert not any(map(looks_like_one, ["beale", "beal", "mine.py:f", "some-folder/mine.py:f", "a b/mine.py:f"]))


def test_a_race_on_a_formula(tmp_path, capsys):
    asked = ["surfaces", "--surface", "x**2 + 10*y**2", "--stills", "--optimizers", "sgd", "--lr", "sgd=0.05"]
    asked += ["--start", "1,1", "--steps", "5", "--noise", "0.1", "--seed", "4", "--set", "sgd:weight_decay=0.5"]
    assert main([*asked, "--results", str(tmp_path), "--jobs", "1"]) == 0
    stored = json.loads((tmp_path / "surfaces" / "formula.json").read_text())
    assert stored["noise"] == {"level": 0.1, "seed": 4}
    assert stored["surface"]["formula"] == r"$f = x^{2} + 10\,y^{2}$"
    theta = numpy.ones(2)
    noise = 0.1 * math.hypot(2, 20) * numpy.random.default_rng(4).standard_normal((6, 2))
    for row, more in zip(stored["runs"][0]["path"][1:], noise, strict=False):
        theta = theta - 0.05 * ([2, 20] * theta + more + 0.5 * theta)
        numpy.testing.assert_allclose(row, theta, rtol=1e-12)
    assert "lr 0.05, weight_decay 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--surface", "x**"], "the formula 'x**' cannot be read"),
        (["--surface", "os.x + 1"], "the formula cannot have 'os.x' in it"),
        (["--set", "adam"], "--set: must be NAME:HYPERPARAMETER=VALUE"),
        (["--set", "adam:betas=a"], "--set: must be NAME:HYPERPARAMETER=VALUE"),
        (["--set", "lion:lr=1"], "--set: lion is not among sgd"),
        (["--set", "sgd:nope=1"], "sgd has no hyperparameter nope; it has lr, weight_decay"),
        (["--set", "adam:betas=2"], "adam does not take {'lr': 0.3, 'betas': 2}: TypeError"),
        (["--noise", "-1"], "--noise: must be a number from 0 on"),
    ],
)
def test_wrong_commands(tmp_path, capsys, arguments, sentence):
    surface = [] if "--surface" in arguments else ["--surface", "beale"]
    assert main(["surfaces", "--stills", "--results", str(tmp_path), "--jobs", "1", *surface, *arguments]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1


def test_himmelblaus_minima():
    place = SURFACES["himmelblau"]
    for minimum in (place.minimum, *place.others):
        assert place.value(minimum) == pytest.approx(0, abs=1e-9)
        numpy.testing.assert_allclose(slopes_of(place)(*minimum)[1:], 0, atol=1e-4)
    assert len({tuple(numpy.sign(m)) for m in (place.minimum, *place.others)}) == 4


def test_a_relative_shares_the_rates_of_an_optimizer_that_a_surface_knows():
    assert hyperparameters(SURFACES["beale"], ENTRANTS["adamw"], {}) == {"lr": 0.3}
    assert hyperparameters(replace(SURFACES["beale"], rates={}), ENTRANTS["adamw"], {}) == {}
