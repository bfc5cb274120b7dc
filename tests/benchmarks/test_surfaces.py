"""The races: paths against scalar rules with gradients by hand, where each one ends, and what a user's own files do."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image
from reference_rules import REFERENCES, descend

from benchmarks import UsageError, surfaces
from benchmarks.__main__ import main
from benchmarks.console.style import GUESTS, LOOKS
from benchmarks.pictures import animation, drawing, race_picture
from benchmarks.pictures.landscapes import SURFACES
from benchmarks.pictures.race import hyperparameters, optimize, race
from benchmarks.pictures.stage import window
from benchmarks.pictures.step_parts import step_parts
from benchmarks.pictures.surface import crossing, evaluate, hessian, value_and_gradient
from benchmarks.pictures.user_surface import find_surface, prepared
from benchmarks.training.optimizers import ENTRANTS, entrants

ROOT = Path(__file__).parents[2]

MINE = """
from minigrad.optim import Optimizer

class Halver(Optimizer):
    def rule(self, theta, g, *, lr=0.25):
        theta -= lr * g

class Tired(Optimizer):
    def rule(self, theta, g, *, lr=0.1, t):
        if t == 8:
            raise ValueError("enough for today")
        theta -= lr * g

def bowl(x, y):
    return x**2 + y**2

def bent(x, y):
    return x**2 + y**2 if float(x) > 0 else 2 * x**2 + y**2

def two(x, y):
    import minigrad
    return minigrad.stack([x, y])

def plain(x, y):
    return 3.0

def flat(x, y):
    import minigrad
    return minigrad.tensor(3.0)

def broken(x, y):
    return x.nothing

def fenced(x, y):
    if float(x) < -1:
        raise RuntimeError("no further")
    return x**2 + y**2 + 3 * x

def cliff(x, y):
    return x.log() + y**2

NUMBER = 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


# The surfaces, by hand.


def beale_gradient(theta, t=0):
    x, y = theta
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return [
        2 * a * (y - 1) + 2 * b * (y**2 - 1) + 2 * c * (y**3 - 1),
        2 * a * x + 2 * b * 2 * x * y + 2 * c * 3 * x * y**2,
    ]


def valley_gradient(theta, t=0):
    x, y = theta
    return [-1.5 * math.pi / 4 * math.sin(math.pi * x / 4), 25 * y]


def saddle_gradient(theta, t=0):
    x, y = theta
    return [3 * x**2 - 3 * y**2, -6 * x * y]


def rosenbrock_gradient(theta, t=0):
    x, y = theta
    return [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]


def ravine_gradient(theta, t=0):
    x, y = theta
    a, b = (12 * x + 5 * y) / 13, (12 * y - 5 * x) / 13
    return [(12 * a - 5 * 25 * b) / 13, (5 * a + 12 * 25 * b) / 13]


def himmelblau_gradient(theta, t=0):
    x, y = theta
    a, b = x**2 + y - 11, x + y**2 - 7
    return [4 * x * a + 2 * b, 2 * a + 4 * y * b]


GRADIENTS = {
    "beale": beale_gradient,
    "valley": valley_gradient,
    "saddle": saddle_gradient,
    "rosenbrock": rosenbrock_gradient,
    "ravine": ravine_gradient,
    "himmelblau": himmelblau_gradient,
}

BEALE = {
    "sgd": ("SGD", {"lr": 1e-3}),
    "momentum": ("Momentum", {"lr": 1e-3, "momentum": 0.95}),
    "nesterov": ("Nesterov", {"lr": 1e-3, "momentum": 0.95}),
    "adagrad": ("Adagrad", {"lr": 1.0}),
    "rmsprop": ("RMSprop", {"lr": 0.1, "alpha": 0.9}),
    "adadelta": ("Adadelta", {"lr": 1.0, "rho": 0.95, "eps": 1e-3}),
    "adam": ("Adam", {"lr": 0.3}),
}
"""The hyperparameters on Beale's function, and the name of the scalar rule."""


def raced(name: str, racers=surfaces.RACERS, **rates):
    place = SURFACES[name]
    return {one.entrant.name: one for one in race(place, entrants(racers), place.steps, rates)}


def test_every_surface_is_tested_here():
    assert set(GRADIENTS) == set(SURFACES)


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_and_curvatures_are_those_by_hand(name):
    one, gradient = SURFACES[name], GRADIENTS[name]
    h = 1e-5
    for point in numpy.random.RandomState(0).uniform(-1.5, 1.5, (5, 2)):
        numpy.testing.assert_allclose(value_and_gradient(one.function, point)[1], gradient(point), rtol=1e-12)
        columns = [(numpy.array(gradient(point + h * e)) - gradient(point - h * e)) / (2 * h) for e in numpy.eye(2)]
        numpy.testing.assert_allclose(hessian(one.function, point), columns, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("beale", (3, 0.5), 0),
        ("rosenbrock", (1, 1), 0),
        ("valley", (4, 0), -1.5),
        ("ravine", (0, 0), 0),
        ("himmelblau", (3, 2), 0),
    ],
)
def test_minima(name, place, value):
    one = SURFACES[name]
    f, g = value_and_gradient(one.function, place)
    assert one.minimum == place
    assert f == pytest.approx(value, abs=1e-12)
    numpy.testing.assert_allclose(g, 0, atol=1e-12)
    assert numpy.linalg.eigvalsh(hessian(one.function, place)).min() > 0


# Beale's function.


def test_beales_start_and_its_slope():
    one = SURFACES["beale"]
    assert one.start == (1.0, 1.6)
    assert (one.x_range, one.y_range, one.steps) == ((-5, 5), (-5, 5), 199)
    first = raced("beale", ["sgd"])["sgd"].gradients[0]
    numpy.testing.assert_allclose(first, (49.8, 116.5), atol=0.05)
    numpy.testing.assert_allclose(first, beale_gradient(one.start), rtol=1e-13)


@pytest.mark.parametrize("name", BEALE)
def test_paths_on_beales_function_are_the_scalar_rules(name):
    rule, given = BEALE[name]
    expected = descend(lambda: REFERENCES[rule](**given), [1.0, 1.6], beale_gradient, 199)
    path = raced("beale", [name])[name].path
    assert path.shape == (200, 2)
    numpy.testing.assert_allclose(path[1:], expected, rtol=0, atol=1e-8)


def test_all_who_race_are_held_against_scalar_rules():
    assert set(surfaces.RACERS) == set(BEALE)


def test_rmsprops_first_step_is_a_third_of_a_unit_on_each_axis():
    step = raced("beale", ["rmsprop"])["rmsprop"].path[1] - [1.0, 1.6]
    numpy.testing.assert_allclose(step, -0.1 / math.sqrt(1 - 0.9), rtol=1e-6)
    numpy.testing.assert_allclose(step, -0.32, atol=0.005)


def test_who_gets_where_on_beales_function():
    runs = raced("beale")
    away = {name: math.dist(one.path[-1], (3, 0.5)) for name, one in runs.items()}
    assert max(away, key=away.get) == "sgd"
    assert away["sgd"] > 1.3
    assert away["adam"] < 0.02
    assert runs["momentum"].path[:, 1].min() < -2  # swept past, as in the animation
    assert not any(one.fate for one in runs.values())


# The others.


@pytest.mark.parametrize("name", ["valley", "saddle", "rosenbrock"])
@pytest.mark.parametrize("racer", ["sgd", "momentum", "nesterov"])
def test_paths_elsewhere(name, racer):
    place = SURFACES[name]
    given = hyperparameters(place, ENTRANTS[racer], {})
    one = optimize(place, ENTRANTS[racer], place.steps, given)
    inner = one.path[: len(one.path) - bool(one.fate)]
    rule = REFERENCES[BEALE[racer][0]]
    expected = descend(lambda: rule(**given), list(place.start), GRADIENTS[name], len(inner) - 1)
    numpy.testing.assert_allclose(inner[1:], expected, rtol=0, atol=1e-8)


def test_who_is_still_at_the_saddle():
    runs = raced("saddle")
    staying = [name for name, one in runs.items() if not one.fate]
    assert staying == ["sgd"]
    assert math.hypot(*runs["sgd"].path[-1]) < 0.3
    assert all(one.fate == "left" for name, one in runs.items() if name != "sgd")
    left = {name: one.steps for name, one in runs.items() if one.fate}
    assert left == {"momentum": 105, "nesterov": 104, "adagrad": 23, "adadelta": 59, "rmsprop": 75, "adam": 63}
    # Momentum is carried over the saddle and goes down on the far side; Nesterov has braked before it.
    assert runs["momentum"].path[-1][1] == 1
    assert {runs[name].path[-1][1] for name in left if name != "momentum"} == {-1}


def test_the_saddle_is_left_when_the_scalar_rule_leaves_it():
    path = descend(lambda: REFERENCES["Adam"](lr=0.02), [-0.27, -0.5], saddle_gradient, 120)
    out = next(t for t, theta in enumerate(path, 1) if max(map(abs, theta)) > 1)
    assert raced("saddle", ["adam"])["adam"].steps == out == 63


def test_sgd_gets_nowhere_along_the_valley_and_momentum_swings():
    runs = raced("valley")
    assert runs["sgd"].path[-1][0] < 0.2
    assert abs(runs["sgd"].path[-1][1]) < 1e-6
    crossings = {name: int((numpy.diff(numpy.sign(one.path[:80, 1])) != 0).sum()) for name, one in runs.items()}
    assert crossings["momentum"] > 12
    assert crossings["adagrad"] <= 1
    for name in ("adagrad", "rmsprop", "adam"):  # as far along the flat direction as down the steep one
        step = numpy.abs(runs[name].path[1] - runs[name].path[0])
        assert step[0] == pytest.approx(step[1], rel=1e-3)
        assert runs[name].path[-1][0] > 3.8


@pytest.mark.parametrize("name", SURFACES)
def test_no_built_in_optimizer_diverges_at_its_rate(name):
    assert [one.entrant.name for one in raced(name, tuple(ENTRANTS)).values() if one.fate == "diverged"] == []


# Who diverges.


def test_a_path_that_leaves_is_kept_to_where_it_left():
    one = raced("beale", ["sgd"], sgd=0.05)["sgd"]
    assert one.fate == "diverged"
    scalar = descend(lambda: REFERENCES["SGD"](lr=0.05), [1.0, 1.6], beale_gradient, one.steps)
    assert max(map(abs, scalar[-1])) > 5
    assert all(max(map(abs, theta)) <= 5 for theta in scalar[:-1])
    assert numpy.isfinite(one.path).all()
    assert numpy.isfinite(one.losses).all()
    assert numpy.abs(one.path).max() == 5  # the edge, where the way to the next point crosses it
    before, there, beyond = one.path[-2], one.path[-1], numpy.array(scalar[-1])
    cross = (there - before)[0] * (beyond - before)[1] - (there - before)[1] * (beyond - before)[0]
    assert abs(cross) < 1e-8 * math.dist(before, beyond)


def test_the_last_state_is_that_after_the_step_out_unless_it_is_not_finite():
    one = raced("saddle", ["momentum"])["momentum"]
    assert one.fate == "left"
    numpy.testing.assert_allclose(one.states["v"][-1], 0.9 * one.states["v"][-2] + one.gradients[-2], rtol=1e-12)
    assert (one.states["v"][-1] != one.states["v"][-2]).all()
    steep = replace(SURFACES["ravine"], function=lambda x, y: 1e308 * (x + y), start=(0.5, 0.5), minimum=None)
    one = optimize(steep, ENTRANTS["momentum"], 5, {"lr": 1e-310, "momentum": 0.9})
    assert (one.fate, one.steps) == ("diverged", 2)
    numpy.testing.assert_array_equal(one.states["v"], [[0, 0], [1e308, 1e308], [1e308, 1e308]])  # not 1.9e308, inf


def test_a_path_that_turns_to_nan_is_kept_to_where_it_was_seen(mine):
    place = replace(find_surface(f"{mine}:cliff", (-1, 3), (-1, 1)), start=(0.5, 0.5))
    one = optimize(prepared(place), ENTRANTS["sgd"], 50, {"lr": 0.2})
    assert one.fate == "diverged"
    assert numpy.isfinite(one.path).all()
    assert numpy.isfinite(one.losses).all()
    assert len(one.path) == len(one.losses) == len(one.gradients)


def test_who_diverges_does_not_set_the_scale():
    place = SURFACES["beale"]
    calm = race(place, entrants(["adam", "adagrad"]), 60, {})
    wild = race(place, entrants(["adam", "adagrad", "sgd"]), 60, {"sgd": 1.0})
    assert wild[2].fate == "diverged"
    seen = race_picture.RacePicture(place, wild, 60).seen
    assert seen == window(place, [one.path for one in calm])
    limits = [race_picture.draw_losses(place, runs, 60).axes[0].get_ylim()[1] for runs in (calm, wild)]
    assert limits[1] < 3 * limits[0]


@pytest.mark.parametrize(
    ("to", "place"),
    [((2.0, 0.0), (1.0, 0.0)), ((2.0, 4.0), (0.5, 1.0)), ((0.0, -3.0), (0.0, -1.0)), ((math.nan, 0.0), (0.0, 0.0))],
)
def test_crossing(to, place):
    assert crossing((0.0, 0.0), to, (-1, 1), (-1, 1)) == place


# Pictures.


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_two_arrows_end_at_the_next_point(name):
    one = optimize(SURFACES["ravine"], ENTRANTS[name], 20, {"lr": 0.05, "momentum": 0.8})
    parts = step_parts(one)
    numpy.testing.assert_allclose(parts.path[:-1] + parts.state + parts.gradient, parts.path[1:], atol=1e-12)
    numpy.testing.assert_allclose(parts.gradient, [-0.05 * numpy.array(ravine_gradient(p)) for p in parts.gradient_at])
    at = parts.path[:-1] if name == "momentum" else parts.path[:-1] + parts.state
    numpy.testing.assert_allclose(parts.gradient_at, at, atol=1e-12)  # Nesterov looks where the velocity leads


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adadelta", "adam", "adamax"])
def test_steps_of_rules_that_divide_end_on_the_ellipse(name):
    place = SURFACES["ravine"]
    one = optimize(place, ENTRANTS[name], 30, hyperparameters(place, ENTRANTS[name], {}))
    parts = step_parts(one)
    numpy.testing.assert_allclose(((parts.state / parts.axes) ** 2).sum(1), 1, rtol=1e-5)


def test_state_is_written_down_under_the_optimizers_own_names():
    names = {name: set(one.states) for name, one in raced("ravine", ("sgd", "adagrad", "adam", "lookahead")).items()}
    assert names == {"sgd": set(), "adagrad": {"G"}, "adam": {"m", "v"}, "lookahead": {"m", "v", "slow"}}
    one = raced("ravine", ["momentum"])["momentum"]
    numpy.testing.assert_array_equal(one.states["v"][:2], [[0, 0], one.gradients[0]])


def test_every_optimizer_has_a_mark_of_its_own_among_those_of_its_colour():
    looks = [(LOOKS[name].color, race_picture.MARKERS[name]) for name in ENTRANTS]
    assert len(set(looks)) == len(looks)


def test_an_animation_has_all_frames_the_colours_and_no_half_files(tmp_path):
    place = replace(SURFACES["beale"], steps=12)
    picture = race_picture.RacePicture(place, race(place, entrants(surfaces.RACERS), 12, {}), 12)
    written = animation.animate(tmp_path / "a.gif", picture.frame, range(1, 13), [12])
    assert written[0] == tmp_path / "a.gif"
    with Image.open(written[0]) as gif:
        assert (gif.n_frames, gif.size[0]) == (12, 800)
        first = gif.convert("RGB")
        gif.seek(11)
        assert gif.info["duration"] == 3000
        colors = {color for _, color in gif.convert("RGB").getcolors(1 << 24)}
        assert first.size == gif.size
    drawn = {LOOKS[name].color for name in surfaces.RACERS}
    assert {tuple(bytes.fromhex(color[1:])) for color in drawn} <= colors
    assert written[0].stat().st_size < 300_000
    assert sorted(tmp_path.iterdir()) == sorted(written)


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Install a program that writes what it is handed to the file that is named last."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nfor last; do :; done\ncat > "$last"\n{ending}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(("ending", "made"), [("exit 0", True), ("exit 1", False)])
def test_ffmpeg_is_handed_every_frame(tmp_path, monkeypatch, ending, made):
    fake_ffmpeg(tmp_path, monkeypatch, ending)
    frames = [numpy.full((4, 6, 3), 40 * i, numpy.uint8) for i in range(5)]
    written = animation.animate(tmp_path / "b.gif", frames.__getitem__, range(5), range(5), fps=10, hold=0.3)
    film = tmp_path / "b.mp4"
    assert written == [tmp_path / "b.gif", *([film] if made else [])]
    if made:  # the last frame is held for three more
        assert film.read_bytes() == b"".join(frame.tobytes() for frame in [*frames, *frames[-1:] * 3])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(p.name for p in written)


def test_an_error_in_a_frame_leaves_no_file(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, "exit 0")
    frames = [numpy.full((4, 6, 3), 40 * i, numpy.uint8) for i in range(3)]
    with pytest.raises(IndexError):
        animation.animate(tmp_path / "c.gif", frames.__getitem__, range(4), [0])
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


# What is wrong, and what lies at the edge.


def test_how_the_built_in_surfaces_are_shown():
    assert [name for name, one in SURFACES.items() if one.logarithmic] == ["beale", "rosenbrock", "himmelblau"]
    assert [name for name, one in SURFACES.items() if one.falls_away] == ["saddle"]


def test_a_hyperparameter_that_an_optimizer_does_not_take():
    with pytest.raises(UsageError, match="sgd has no hyperparameter nope; it has lr, weight_decay"):
        optimize(SURFACES["ravine"], ENTRANTS["sgd"], 3, {"nope": 1})
    with pytest.raises(UsageError, match=r"adam does not take \{'lr': -1\}: ValueError"):
        optimize(SURFACES["ravine"], ENTRANTS["adam"], 3, {"lr": -1})


def test_only_errors_of_a_users_optimizer_become_usage_errors(mine):
    tired = entrants([f"{mine}:Tired"])[0]
    with pytest.raises(UsageError, match=r"Tired raises ValueError: enough for today \(line 11\)"):
        optimize(SURFACES["ravine"], tired, 9, {"lr": 1e-4})
    with pytest.raises(ValueError, match="enough for today"):
        optimize(SURFACES["ravine"], replace(tired, spec="tired"), 9, {"lr": 1e-4})


def test_a_run_ends_at_its_last_point_if_the_loss_is_not_finite_at_the_next_one():
    place = replace(
        SURFACES["ravine"],
        function=lambda x, y: x.log() + y**2,
        x_range=(0.0, 3.0),
        y_range=(-2.0, 2.0),
        start=(1.0, 1.0),
        minimum=None,
    )
    one = optimize(place, ENTRANTS["momentum"], 100, {"lr": 0.05, "momentum": 0.5})
    assert one.fate == "diverged"
    assert 3 < one.steps < 100
    numpy.testing.assert_array_equal(one.path[-1], one.path[-2])  # the edge is at x = 0, where the logarithm is -inf
    assert one.losses[-1] == one.losses[-2]
    assert numpy.isfinite(one.losses).all()
    assert {len(rows) for rows in (one.losses, one.gradients, *one.states.values())} == {one.steps + 1}


def test_a_grid_is_evaluated_at_once_if_that_is_right():
    import minigrad

    x, y = numpy.meshgrid(numpy.linspace(1, 2, 4), numpy.linspace(3, 4, 3))
    called = []

    def noted(function):
        return lambda a, b: called.append(a.shape) or function(a, b)

    numpy.testing.assert_allclose(evaluate(noted(lambda a, b: a * b), x, y), x * y)
    assert called == [(), (3, 4)]
    called.clear()
    numpy.testing.assert_array_equal(evaluate(noted(lambda a, b: minigrad.tensor(3.0)), x, y), numpy.full((3, 4), 3.0))
    assert len(called) == 2 + 12  # one by one
    numpy.testing.assert_allclose(evaluate(lambda a, b: a / a.sum(), x, y), numpy.ones((3, 4)))
    numpy.testing.assert_allclose(evaluate(lambda a, b: a * math.nan, x, y), numpy.full((3, 4), math.nan))


@pytest.mark.parametrize(
    ("to", "edge"),
    [
        ((4.0, 1.0), (2.0, 0.5)),
        ((-4.0, 1.0), (-2.0, 0.5)),
        ((1.0, 4.0), (0.25, 1.0)),
        ((1.0, -4.0), (0.25, -1.0)),
        ((8.0, -8.0), (1.0, -1.0)),  # the nearer edge
        ((math.inf, 0.0), (0.0, 0.0)),
        ((0.0, math.nan), (0.0, 0.0)),
    ],
)
def test_where_the_straight_way_out_crosses_the_edge(to, edge):
    assert crossing((0.0, 0.0), to, (-2.0, 2.0), (-1.0, 1.0)) == pytest.approx(edge)


# The command line.


def ask(*arguments: str, folder: Path) -> int:
    return main(["surfaces", "--jobs", "1", "--results", str(folder), *arguments])


def test_a_users_optimizer_races_on_a_users_surface(mine, tmp_path):
    arguments = ["--surface", f"{mine}:bowl", "--optimizer", f"{mine}:Halver", "--optimizers", "sgd"]
    arguments += [
        "--start",
        "-2,1",
        "--steps",
        "8",
        "--lr",
        "sgd=0.1",
        "--lr",
        "Halver=0.25",
        "--results",
        str(tmp_path / "out"),
    ]
    command = [sys.executable, "-m", "benchmarks", "surfaces", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "out" / "surfaces"
    for name in ("bowl.gif", "bowl.png", "bowl-loss.png", "bowl.json"):
        assert str(folder / name) in done.stdout
    runs = {one["optimizer"]: one for one in json.loads((folder / "bowl.json").read_text())["runs"]}
    assert list(runs) == ["sgd", "Halver"]
    halved = [[-2 * 0.5**t, 0.5**t] for t in range(9)]  # theta - 0.25 * 2 theta
    numpy.testing.assert_allclose(runs["Halver"]["path"], halved, rtol=1e-12)
    numpy.testing.assert_allclose(runs["sgd"]["path"][1], [-1.6, 0.8], rtol=1e-12)
    with Image.open(folder / "bowl.gif") as gif:
        assert gif.n_frames == 8


def test_a_long_race_skips_steps_and_ends_with_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "FRAMES", 5)
    assert ask("--surface", "saddle", "--optimizers", "sgd,adam", "--steps", "13", folder=tmp_path) == 0
    with Image.open(tmp_path / "surfaces" / "saddle.gif") as gif:
        assert gif.n_frames == 5  # steps 3, 6, 9, 12, 13


def test_a_branch_that_a_grid_has_no_answer_to(mine, tmp_path):
    asked = ("--stills", "--optimizers", "adam", "--steps", "5", "--range", "-2,2,-1,3", "--start", "-1.5,2")
    assert ask("--surface", f"{mine}:bent", *asked, folder=tmp_path) == 0
    place = find_surface(f"{mine}:bent")
    x, y = numpy.meshgrid([-1.0, 1.0], [0.0, 2.0])
    numpy.testing.assert_array_equal(place.values(x, y), [[2, 1], [6, 5]])
    stored = json.loads((tmp_path / "surfaces" / "bent.json").read_text())
    assert (stored["surface"]["x_range"], stored["surface"]["start"]) == ([-2, 2], [-1.5, 2])


def test_what_was_written_is_reported_in_whole_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    assert ask("--surface", "saddle", "--optimizers", "sgd", "--steps", "3", "--stills", folder=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    folder = tmp_path / "surfaces"
    for path in folder.iterdir():
        assert f"{path}  {path.stat().st_size / 1e3:.0f} kB" in lines
    assert lines[-1] == f"3 pictures and files of numbers in {folder}"


def test_inside_draws_only_that(mine, tmp_path):
    assert ask("--inside", f"momentum,{mine}:Halver", "--stills", folder=tmp_path) == 0
    assert [path.name for path in (tmp_path / "surfaces").iterdir()] == ["inside-the-state.png"]


def test_inside_moves(tmp_path):
    assert ask("--inside", "adam", "--steps", "4", folder=tmp_path) == 0
    with Image.open(tmp_path / "surfaces" / "inside-adam.gif") as gif:
        assert gif.n_frames == 4


def test_what_runs_if_nothing_is_asked_for(tmp_path):
    drawings = surfaces._drawings(surfaces._parser().parse_args([]), tmp_path)
    assert [(one.surface, one.inside) for one in drawings] == [
        ("beale", False),
        ("valley", False),
        ("saddle", False),
        ("rosenbrock", False),
        ("ravine", True),
    ]
    assert [part.only for part in drawings[-1].split()] == [None, *surfaces.INSIDE]


SLIPS = [
    (["--surface", "beal"], "there is no surface 'beal' (did you mean beale?)"),
    (["--surface", "{mine}"], "say which function"),
    (["--surface", "{mine}:gone"], "has no function gone: it has bowl, bent, two"),
    (["--surface", "{mine}:NUMBER"], "has no function NUMBER"),
    (["--surface", "{folder}/none.py:f"], "there is no such file"),
    (["--surface", "{mine}:two"], "must return a scalar for two scalars, not a tensor of shape (2,)"),
    (["--surface", "{mine}:plain"], "returns a float, not a tensor"),
    (["--surface", "{mine}:flat"], "does not depend on x and y"),
    (["--surface", "{mine}:broken"], "raises AttributeError: 'Tensor' object has no attribute 'nothing' (line 32)"),
    (["--surface", "{mine}:fenced", "--start", "0,0"], "raises RuntimeError: no further (line 36)"),
    (["--surface", "{mine}:cliff", "--start", "-1,0"], "is nan at the start, -1,0"),
    (["--surface", "beale", "--start", "9,9"], "the start 9,9 is not on the surface beale"),
    (["--start", "1"], "--start: must be X,Y"),
    (["--range", "1,0,0,1"], "--range: must be X0,X1,Y0,Y1"),
    (["--steps", "0"], "--steps: must be a whole number from 1 on"),
    (["--optimizers", "sdg"], "there is no optimizer 'sdg' (did you mean sgd?)"),
    (["--optimizers", ","], "no optimizer is to race"),
    (["--optimizer", "{mine}:Gone"], "has no class Gone: it has Halver, Tired"),
    (["--optimizer", "{mine}:Tired"], "Tired raises ValueError: enough for today (line 11)"),
    (["--lr", "adamax=1"], "--lr: adamax is not among sgd"),
    (["--inside", "adm"], "there is no optimizer 'adm' (did you mean adam?)"),
]


@pytest.mark.parametrize(("arguments", "sentence"), SLIPS)
def test_wrong_commands_are_answered_with_a_sentence(mine, tmp_path, capsys, arguments, sentence):
    given = [word.format(mine=mine, folder=tmp_path) for word in arguments]
    assert ask("--stills", *given, folder=tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert (out, err.count("\n")) == ("", 1)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_a_users_surface_gets_rates_that_fit_its_steepness(mine):
    place = prepared(find_surface(f"{mine}:bowl"))
    assert place.rates["sgd"] == {"lr": 0.25}  # a half of 1 / 2, the largest curvature
    assert all(one.fate == "" for one in race(place, entrants(surfaces.RACERS), 50, {}))


def test_usage_errors_are_not_hidden_from_other_programs(mine):
    with pytest.raises(UsageError, match="not on the surface"):
        prepared(replace(SURFACES["beale"], start=(0.0, 5.1)))


def test_guests_are_drawn_in_black_and_grey(mine):
    (one,) = entrants([f"{mine}:Halver"])
    assert one.color == GUESTS[0].color
