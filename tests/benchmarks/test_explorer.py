"""The explorer without a browser: what its address says, what its sliders do, and what it computes."""

from __future__ import annotations

import math
import re
import shlex
import time
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from benchmarks import UsageError, surfaces
from benchmarks.__main__ import main

pytest.importorskip("bokeh")

from bokeh.document import Document

from benchmarks.explorer import knobs
from benchmarks.explorer.core import Core
from benchmarks.explorer.live_training import Task, train
from benchmarks.explorer.page import Page
from benchmarks.explorer.remote import Library
from benchmarks.explorer.state import KNOWN, Offer, State
from benchmarks.pictures.landscapes import SURFACES
from benchmarks.pictures.race import hyperparameters, optimize, race
from benchmarks.pictures.surface import leaves
from benchmarks.rules.arithmetic import arithmetic, formula_of_code
from benchmarks.training import trial
from benchmarks.training.optimizers import BEYOND, ENTRANTS, entrants

MINE = """
from minigrad.optim import Optimizer

class Mine(Optimizer):
    state = ("v",)

    def rule(self, theta, g, v, *, lr=0.05, mu=0.5):
        v[:] = mu * v + g
        theta -= lr * v

def bowl(x, y):
    return x**2 + 4 * y**2
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


@pytest.fixture
def library(mine):
    made = Library(Offer({"Mine": f"{mine}:Mine"}, {"bowl": f"{mine}:bowl"}), limit=60)
    yield made
    made.end()


@pytest.fixture
def page():
    return Page(Document(), Library(Offer()), "surface=ravine&steps=40&at=10&o=sgd&o=momentum&o=adam&follow=momentum")


# The address.


STATES = [
    State(),
    State(surface="himmelblau", start=(-1.5, 2.25), view=(-2.0, 3.0, -1.0, 4.5), steps=77, at=12, speed=5, noise=0.25),
    State(surface="x**2 + 10*y**2", racers={"adam": {"betas": (0.5, 0.9), "lr": 0.3}, "sgd": {}}, follow="sgd", seed=3),
    State(tab="train", data="mnist", train=("adam", "muon"), rates=(0.001, 0.01), iterations=120),
    State(racers={"lookahead": {"k": 3, "alpha": 0.25}}, follow="lookahead"),
]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_an_address_gives_the_state_back(state):
    query = state.query()
    assert re.fullmatch(r"[A-Za-z0-9%&=:,./_+*-]*", query)
    assert State.from_query(query, Offer()) == state


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("surface=/etc/passwd.py:f", "names a surface '/etc/passwd.py:f', which is not here"),
        ("surface=__import__('os')", "the formula cannot have"),
        ("surface=beal", "names a surface 'beal'"),
        ("o=/tmp/x.py:Mine", "names an optimizer '/tmp/x.py'"),
        ("o=muon", "names an optimizer 'muon'"),
        ("o=adam:lr=fast", "has lr=fast, which is no number"),
        ("o=adam:lr=nan", "has lr=nan, which is no number"),
        ("o=adam:__class__.x=1", "has a setting '__class__.x=1', which is none"),
        ("steps=100000000", "steps=100000000, which must be from 1 to 1000"),
        ("steps=1.5", "which must be from 1 to 1000"),
        ("noise=-1", "which must be from 0 to 5"),
        ("start=1", "which must be 2 numbers"),
        ("view=1,0,0,1", "whose ends are the wrong way round"),
        ("tab=secret", "must be one of surface, train"),
        ("evil=1", "has 'evil' in it, which is nothing that a page shows"),
        ("train=sgd,nobody", "names an optimizer 'nobody'"),
        ("follow=nobody", "names an optimizer 'nobody'"),
        ("seed=99999999999", "which must be from 0 to"),
    ],
)
def test_an_address_that_is_wrong_is_refused_with_a_sentence(query, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        State.from_query(query, Offer())
    shown = Page(Document(), Library(Offer()), query)
    assert sentence.replace("'", "&#x27;") in shown.message.text
    assert shown.surface.state.surface == "beale"


def test_settings_that_a_rule_does_not_have_are_told_on_the_page():
    for query, sentence in [
        ("o=sgd:k=3", "sgd has no hyperparameter k"),
        ("o=sgd:lr=-1", "lr must be at least 0"),
        ("o=adam:betas=2/3", "betas must be from 0 to below 1"),
    ]:
        shown = Page(Document(), Library(Offer()), query)
        assert sentence in shown.message.text, shown.message.text


def test_only_files_of_the_command_line_can_be_named(mine):
    offer = Offer({"Mine": f"{mine}:Mine"}, {"bowl": f"{mine}:bowl"})
    state = State.from_query("surface=bowl&o=Mine:mu=0.1", offer)
    assert (state.surface, state.racers) == ("bowl", {"Mine": {"mu": 0.1}})
    with pytest.raises(UsageError, match="not here"):
        State.from_query("o=Mine", Offer())


def test_the_command_line_draws_the_same_race(tmp_path, monkeypatch, page):
    page.surface.click(-7.5, -2.0)
    slider = page.surface.sliders["adam", "beta1"]
    slider.value = "0.5"
    page.surface.noise.value = 0.3
    page.show_share()
    command = re.search(r"<code[^>]*>(.*)</code>", page.share.text)[1]
    words = shlex.split(command.replace("&#x27;", "'"))
    assert words[:4] == ["python", "-m", "benchmarks", "surfaces"]
    asked = surfaces._parser().parse_args(surfaces._joined(words[4:]))
    (drawing,) = surfaces._drawings(asked, tmp_path)
    place, runs = drawing.run()
    assert place.start == (-7.5, -2.0)
    for one in runs:
        shown = page.surface.runs[one.entrant.name]
        kept = len(one.path) - bool(one.fate)  # on the command line a path ends at the edge of the picture
        assert kept > 10
        numpy.testing.assert_array_equal(one.path[:kept], shown.path[:kept])
        assert one.hyperparameters == shown.hyperparameters
    assert page.surface.runs["adam"].hyperparameters["betas"] == (0.5, 0.999)


def test_no_path_gets_in_by_a_widget(page, mine):
    """A widget's value comes from the browser, and so from anyone who can open the page."""
    tab = page.surface
    before = tab.state
    tab.formula.value = f"{mine}:bowl"
    assert "cannot be read" in page.message.text
    tab.surface.value = f"{mine}:bowl"
    assert "the formula" in page.message.text
    tab.racers.value = ["sgd", f"{mine}:Mine"]
    assert "there is no optimizer" in page.message.text
    tab.follow.value = f"{mine}:Mine"
    assert tab.state == before
    page.train.racers.value = [f"{mine}:Mine"]
    page.train.toggle()
    assert page.train.live is None
    assert "there is no optimizer" in page.message.text
    for name in ("bowl", "Mine"):
        with pytest.raises(UsageError):
            Core(Offer(), {}).place(f"{mine}:{name}")
        with pytest.raises(UsageError):
            Core(Offer(), {}).entrant(f"{mine}:{name}")


# Sliders.


@pytest.mark.parametrize("name", [*KNOWN])
def test_every_number_of_a_rule_has_a_slider_with_its_usual_value(name):
    card = Core(Offer(), {}).card("beale", name)
    numbers = {key: value for key, value in card.usual.items() if isinstance(value, (int, float, tuple))}
    assert {knob.name for knob in card.knobs} == set(numbers)
    for knob in card.knobs:
        usual = knobs.number_at(card.usual, knob)
        assert knob.number(knob.nearest(usual)) == usual
        assert list(knob.values) == sorted(set(knob.values))
        assert len(set(knob.words)) == len(knob.words) > 10
        assert [float(word) for word in knob.words] == pytest.approx(knob.values, rel=1e-5)


def test_the_scales_of_sliders():
    by_name = {knob.label: knob for knob in Core(Offer(), {}).card("beale", "lookahead").knobs}
    assert list(by_name) == ["k", "alpha", "lr", "beta1", "beta2", "eps", "weight_decay"]
    lr = by_name["lr"].values  # usually 0.3
    assert (lr[0], lr[-1]) == (1e-4, 10.0)
    ratios = numpy.array(lr[1:]) / lr[:-1]
    assert numpy.median(ratios) == pytest.approx(10 ** (1 / 20), rel=0.01)
    assert by_name["k"].values == tuple(range(1, 21))
    assert by_name["alpha"].values[0] == 0
    assert by_name["alpha"].values[-1] == 1
    assert by_name["weight_decay"].values[:2] == (0, 1e-5)
    beta = by_name["beta2"].values
    assert (beta[0], beta[-1]) == (0, 0.9999)
    assert 0.99 in beta
    assert max(beta) < 1
    assert knobs.knobs({"flag": True, "name": "x", "limit": -2.0, "count": 3}, {})[0].values[0] == -4


# What is computed.


def test_a_slider_runs_its_own_optimizer_alone_and_the_path_is_that_of_the_rule(page, monkeypatch):
    tab = page.surface
    before = {name: one.path for name, one in tab.runs.items()}
    asked = []
    make = tab.library.core._make_run
    tab.library.core._run.cache_clear()
    tab.show_races()
    monkeypatch.setattr(
        "benchmarks.explorer.core.optimize", lambda *a, **k: asked.append(a[1].name) or optimize(*a, **k)
    )
    tab.sliders["momentum", "momentum"].value = "0.5"
    assert asked == ["momentum"]
    assert make
    place = SURFACES["ravine"]
    wanted = race(place, entrants(["momentum"]), 40, {}, settings={"momentum": {"momentum": 0.5}})[0]
    numpy.testing.assert_array_equal(tab.runs["momentum"].path, wanted.path)
    assert (tab.runs["sgd"].path == before["sgd"]).all()
    assert (tab.runs["momentum"].path[2:] != before["momentum"][2:]).any()
    assert "o=momentum:momentum=0.5" in page.address.value


def test_clicking_and_typing_move_the_start(page):
    tab = page.surface
    tab.click(2.0, 1.5)
    assert (tab.x.value, tab.y.value) == (2.0, 1.5)
    assert all(one.path[0].tolist() == [2.0, 1.5] for one in tab.runs.values())
    tab.x.value = -1.0
    assert all(one.path[0].tolist() == [-1.0, 1.5] for one in tab.runs.values())
    assert "start=-1,1.5" in page.address.value


def test_steps_and_what_is_shown_at_them(page):
    tab = page.surface
    tab.go(10_000)
    assert (tab.state.at, tab.at.value) == (40, 40)
    tab.go(-3)
    assert tab.state.at == 0
    assert tab.rule.source.data["line"][0] == "no step has been made yet"
    tab.go(7)
    one = tab.runs["momentum"]
    trail = tab.map.trails.data
    numpy.testing.assert_array_equal(trail["xs"][1], one.path[:8, 0])
    assert tab.standings.data["loss"][1] == f"{one.losses[7]:.4g}"
    shown = tab.rule.source.data
    rows = {line: (x, y) for line, x, y in zip(shown["line"], shown["x"], shown["y"], strict=True)}
    assert rows["theta, before step 7"] == tuple(f"{number:.6g}" for number in one.path[6])
    assert rows["v[:] = mu * v + g"] == tuple(f"{number:.6g}" for number in one.states["v"][7])
    assert rows["theta -= lr * v"] == tuple(f"{number:.6g}" for number in one.path[7])
    # The arrows lead from here to the next point: what the velocity does, and what the gradient adds.
    arrows = tab.map.arrows.data
    assert (arrows["x0"][0], arrows["x1"][1]) == pytest.approx((one.path[7, 0], one.path[8, 0]))
    assert arrows["x1"][0] == pytest.approx(one.path[7, 0] - 0.05 * 0.8 * one.states["v"][7, 0])


def test_playing_keeps_the_time_and_waits_for_the_browser(page, monkeypatch):
    tab = page.surface
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ticks = []
    monkeypatch.setattr(page, "every", lambda work, ms: ticks.append((work, ms)) or (lambda: ticks.clear()))
    before = page.address.value
    tab.toggle()
    ((tick, milliseconds),) = ticks
    assert milliseconds == 50
    now[0] += 0.05
    tick()
    assert tab.state.at == 11
    tick()  # the browser has not drawn step 11 yet
    assert tab.state.at == 11
    tab.drawn.value = 11
    now[0] += 0.5
    tick()
    assert tab.state.at == 21  # 0.55 s at 20 steps a second
    assert page.address.value == before
    for _ in range(40):
        tab.drawn.value = tab.state.at
        now[0] += 0.05
        if ticks:
            tick()
    assert (tab.state.at, ticks, tab.stop) == (40, [], None)
    assert "at=40" in page.address.value


def test_surfaces_formulas_and_those_that_are_refused(page):
    tab = page.surface
    tab.formula.value = "x**2 + 10*y**2"
    assert (tab.state.surface, tab.surface.value) == ("x**2 + 10*y**2", "a formula")
    assert tab.state.start is None
    assert tab.runs["sgd"].losses[0] == pytest.approx(44.0)  # at (-2, 2)
    good = tab.runs
    for wrong in ("open('x')", "x +", "1", "x.data", "9**9**9**9*x"):
        tab.formula.value = wrong
        assert "the formula" in page.message.text
        assert tab.state.surface == "x**2 + 10*y**2"
        assert tab.runs is good
    tab.surface.value = "saddle"
    assert page.message.text == ""
    assert tab.state.surface == "saddle"
    assert tab.map.plot.title.text == "A saddle point"
    assert (tab.map.plot.x_range.start, tab.map.plot.x_range.end) == (-1, 1)


def test_paths_go_on_outside_of_the_picture_and_the_map_can_be_moved(page):
    tab = page.surface
    tab.surface.value = "saddle"
    one = tab.runs["momentum"]
    assert numpy.abs(one.path).max() > 1.5  # the saddle's picture ends at 1
    tab.move(((-4.0, 4.0), (-3.0, 3.0)))
    assert "view=-4,4,-3,3" in page.address.value
    data = tab.map.field.data
    assert (data["x"], data["y"], data["w"], data["h"]) == ([-4.0], [-3.0], [8.0], [6.0])
    assert data["image"][0].shape == (140, 140)
    tab.sliders["momentum", "lr"].value = tab.sliders["momentum", "lr"].categories[-1]
    assert tab.runs["momentum"].fate in ("left", "diverged")
    assert numpy.isfinite(tab.runs["momentum"].path).all()


def test_optimizers_come_and_go_but_one_stays(page):
    tab = page.surface
    tab.racers.value = ["sgd", "lookahead"]
    assert list(tab.runs) == ["sgd", "lookahead"]
    assert tab.state.follow == "lookahead"
    assert [option[0] for option in tab.follow.options] == ["sgd", "lookahead"]
    tab.go(4)
    assert tab.map.places.data["marker"] == ["square"]  # the slow weights
    tab.racers.value = []
    assert tab.racers.value == ["sgd", "lookahead"]
    assert "at least one" in page.message.text


def test_noise_is_that_of_surfaces(page):
    tab = page.surface
    quiet = tab.runs["sgd"].path
    tab.noise.value = 0.5
    tab.seed.value = 3
    noisy = tab.runs["sgd"].path
    assert (noisy[1:] != quiet[1:]).all()
    tab.noise.value = 0.0
    numpy.testing.assert_array_equal(tab.runs["sgd"].path, quiet)


def test_a_followed_optimizer_shows_its_formula_state_and_series(page):
    tab = page.surface
    assert tab.rule.formula.text.startswith("$$\\begin{aligned}\nv &\\leftarrow \\mu v + g")
    assert tab.rule.about.text.endswith("SGD with a velocity, like a ball that rolls downhill.")
    assert tab.strips.sources[0].data["name"] == ["gradient g", "velocity v"]
    tab.follow.value = "adam"
    assert "\\hat m" in tab.rule.formula.text
    assert tab.strips.sources[1].data["name"] == ["gradient g", "mean m̂"]
    assert len(tab.strips.bands[0].data["high"]) == 40
    assert len(tab.map.ellipse.data["x"]) == 1
    tab.follow.value = "sgd"
    assert tab.map.ellipse.data["x"] == [] or len(tab.map.ellipse.data["x"]) == 0


# The arithmetic of a step.


@pytest.mark.parametrize("name", [name for name in (*ENTRANTS, *BEYOND) if name not in ("muon", "sam")])
@pytest.mark.parametrize("step", [1, 7, 10])
def test_the_numbers_beside_the_lines_end_at_the_next_point(name, step):
    place = SURFACES["beale"]
    known = ENTRANTS | BEYOND
    one = optimize(place, known[name], 12, hyperparameters(place, known[name], {}))
    optimizer = known[name].make(leaves((0.0, 0.0)))
    for key, value in one.hyperparameters.items():
        setattr(optimizer, key, value)
    state = {key: rows[step - 1] for key, rows in one.states.items()}
    found = arithmetic(optimizer, one.path[step - 1], one.gradients[step - 1], state, step)
    assert found.after == tuple(one.path[step])
    assert found.before["theta"] == tuple(one.path[step - 1])
    assert found.before["g"] == tuple(one.gradients[step - 1])
    # Each vector of the state: the last line that has computed it has what it is after the step.
    last = {line.name: line.numbers for line in found.lines if len(line.numbers) == 2}
    for key, rows in one.states.items():
        assert last.get(key, found.before[key]) == tuple(rows[step])
    assert last["theta"] == found.after or name in ("ema",)


def test_adams_lines_by_hand():
    optimizer = ENTRANTS["adam"].make(leaves((0.0, 0.0)), lr=0.5)
    state = {"m": numpy.array([1.0, -2.0]), "v": numpy.array([4.0, 9.0])}
    found = arithmetic(optimizer, numpy.array([3.0, 5.0]), numpy.array([10.0, 20.0]), state, 2)
    values = {line.name: line.numbers for line in found.lines if line.name}
    assert [line.text for line in found.lines][1] == "m[:] = beta1 * m + (1 - beta1) * g"
    assert values["beta1, beta2"] == (0.9, 0.999)
    assert values["m"] == pytest.approx((1.9, 0.2))
    assert values["v"] == pytest.approx((4.096, 9.391))
    assert values["m_hat"] == pytest.approx((1.9 / 0.19, 0.2 / 0.19))
    assert values["v_hat"] == pytest.approx((4.096 / 0.001999, 9.391 / 0.001999))
    assert values["theta"] == pytest.approx(
        (3 - 0.5 * 10 / math.sqrt(4.096 / 0.001999), 5 - 0.5 * (0.2 / 0.19) / math.sqrt(9.391 / 0.001999))
    )
    assert found.given == {"lr": 0.5, "betas": (0.9, 0.999), "eps": 1e-8, "t": 2}


def test_lines_that_do_not_run_have_no_numbers():
    optimizer = ENTRANTS["lookahead"].make(leaves((0.0, 0.0)))
    state = {name: numpy.ones(2) for name in ("m", "v", "slow")}
    texts = {}
    for step in (4, 5):
        found = arithmetic(optimizer, numpy.ones(2), numpy.ones(2), state, step)
        texts[step] = [line.name for line in found.lines if line.numbers][-2:]
    assert texts == {4: ["v_hat", "theta"], 5: ["slow", "theta"]}
    assert arithmetic(BEYOND["sam"].make(leaves((0.0, 0.0))), numpy.ones(2), numpy.ones(2), {}, 1) is None


# The learner's file.


def test_a_learners_rule_is_followed_from_its_code(library):
    library.begin()
    page = Page(Document(), library, "")
    tab = page.surface
    assert (tab.state.follow, tab.state.surface) == ("Mine", "bowl")
    rows = [r"v &\leftarrow \mu v + g \\", r"\theta &\leftarrow \theta - \mathrm{lr} \, v"]
    assert tab.rule.formula.text.splitlines() == [r"$$\begin{aligned}", *rows, r"\end{aligned}$$"]
    tab.go(3)
    lines = dict(zip(tab.rule.source.data["line"], tab.rule.source.data["x"], strict=True))
    assert lines["theta -= lr * v"] == f"{tab.runs['Mine'].path[3, 0]:.6g}"
    assert ("Mine", "mu") in tab.sliders


def test_each_save_is_taken_and_an_error_keeps_the_last_good_version(library, mine):
    library.begin()
    page = Page(Document(), library, "surface=ravine&o=Mine:lr=0.01&o=sgd&steps=20")
    first = page.surface.runs["Mine"].path

    def save(text: str) -> None:
        mine.write_text(text)
        library.stamps[str(mine)] = (0, 0)  # two saves may come within the clock's resolution
        page.watch()

    save(MINE.replace("theta -= lr * v", "theta -= lr * w"))
    assert f"{mine}: Mine, tried on a tiny model, raises NameError: name" in page.message.text
    assert "(line 9)" in page.message.text
    page.surface.go(5)
    page.surface.sliders["Mine", "mu"].value = "0.2"  # the last good version still runs
    assert "(line 9)" in page.message.text
    assert (page.surface.runs["Mine"].path[2:] != first[2:]).any()
    page.surface.sliders["Mine", "mu"].value = "0.5"
    numpy.testing.assert_array_equal(page.surface.runs["Mine"].path, first)
    save(MINE.replace("mu * v + g", "g"))
    assert page.message.text == ""
    sgd = optimize(SURFACES["ravine"], ENTRANTS["sgd"], 20, {"lr": 0.01})
    numpy.testing.assert_allclose(page.surface.runs["Mine"].path, sgd.path)
    save(MINE.replace("class Mine", "class Other"))
    assert "has no class Mine: it has Other" in page.message.text
    save("def broken(:")
    assert "SyntaxError: " in page.message.text
    assert "(line 1)" in page.message.text
    mine.unlink()
    page.watch()
    assert "there is no such file" in page.message.text
    save(MINE)
    assert page.message.text == ""
    numpy.testing.assert_array_equal(page.surface.runs["Mine"].path, first)


def test_code_that_hangs_or_ends_its_process_is_told(library, mine):
    library.begin()
    good = library.ask("card", "ravine", "Mine")
    library.limit = 3
    mine.write_text(MINE.replace("v[:] = mu * v + g", "\n        while True: pass\n"))
    library.look()
    assert library.wrong == f"{mine}: its code took longer than 3 seconds, and was stopped"
    mine.write_text(MINE + "\nimport os\nos._exit(3)\n")
    library.limit = 60
    library.look()
    assert library.wrong == f"{mine}: its code has ended the process that it ran in"
    assert library.ask("card", "ravine", "Mine") == good


def test_what_a_learners_formula_of_code_needs():
    class Loop:
        def rule(self, theta, g, *, lr=0.1):
            for _ in range(3):
                theta -= lr * g

    class Named:
        def rule(self, theta, g, *, lr=0.1, trust=0.01):
            """Words."""
            step_size = lr * trust / 2
            theta -= step_size * g + 1

    assert formula_of_code(Loop()) == ""
    assert r"\mathrm{step\_size} &= \frac{\mathrm{lr} \, \mathrm{trust}}{2}" in formula_of_code(Named())
    assert r"\theta &\leftarrow \theta - \left(\mathrm{step\_size} \, g + 1\right)" in formula_of_code(Named())


# Training.


def test_trainings_by_turns_are_those_of_the_benchmarks():
    tasks = [Task("adam", 0.01), Task("sgd", None)]
    reports = list(train(Offer(), {}, "digits", tasks, 60))
    assert [report.number for report in reports[:4]] == [0, 1, 0, 1]
    for number, (name, rate) in enumerate(tasks):
        mine = [report for report in reports if report.number == number]
        alone = trial.run(trial.Trial(name, rate=rate, data="digits", iterations=60, tests=(50, 60), trace=1))
        means = numpy.reshape(alone["trace"], (6, 10)).mean(1)
        numpy.testing.assert_allclose([report.loss for report in mine], means, rtol=1e-6)
        found = [report.accuracy for report in mine if report.accuracy is not None]
        assert found == alone["accuracies"]
        assert mine[-1].weights.shape == (100, 64)
        assert all(report.microseconds > 0 for report in mine)


def test_a_training_that_fails_or_diverges_ends_alone(mine):
    mine.write_text(MINE.replace("theta -= lr * v", "theta -= lr * v + 1 / (mu - 0.5)"))
    offer = Offer({"Mine": f"{mine}:Mine"})
    tasks = [Task("Mine", None), Task("sgd", 1e30), Task("adam", None)]
    with numpy.errstate(all="ignore"):
        reports = list(train(offer, {str(mine): mine.read_text()}, "digits", tasks, 30))
    by_number = [[report for report in reports if report.number == number] for number in range(3)]
    assert "ZeroDivisionError" in by_number[0][-1].wrong
    assert not math.isfinite(by_number[1][-1].loss)
    assert by_number[2][-1].iteration == 30


def test_the_tab_trains_shows_and_stops():
    page = Page(Document(), Library(Offer()), "tab=train&train=sgd,adam&rates=0.1&iterations=40")
    tab = page.train
    tab.toggle()
    deadline = time.monotonic() + 120
    while tab.live is not None and time.monotonic() < deadline:
        tab.poll()
        time.sleep(0.05)
    assert [each[-1].iteration for each in tab.reports] == [40, 40]
    assert [len(ys) for ys in tab.lines.data["ys"]] == [4, 4]
    assert "Adam, 0.1" in tab.table.text
    assert tab.mosaic.data["image"][0].shape == (80, 80)
    assert tab.begin.label == "▶ train"
    tab.rates.value = "0.1, fast"
    assert "must be numbers from 0 on" in page.message.text
    tab.rates.value = "0.1 0.2 0.3 0.4 0.5 0.6 0.7"
    tab.toggle()
    assert "14 trainings" in page.message.text
    tab.rates.value = ""
    tab.iterations.value = 100_000
    tab.toggle()
    process = tab.live.process
    assert process.is_alive()
    tab.toggle()
    assert not process.is_alive()
    assert "iterations=100000" in page.address.value


# The command.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "x"], "--port: must be a port, from 0 to 65535"),
        (["--port", "70000"], "--port: must be a port"),
        (["--optimizer", "adam"], "--optimizer: adam is on the page already"),
        (["--optimizer", "none.py:Mine"], "none.py: there is no such file"),
        (["--optimizer", "{mine}:Gone"], "has no class Gone: it has Mine"),
        (["--optimizer", "{mine}:Mine", "--optimizer", "{mine}:Mine"], "two optimizers called Mine"),
        (["--surface", "{mine}:gone"], "has no function gone"),
        (["--host", "256.0.0.1"], "256.0.0.1 port"),
    ],
)
def test_wrong_commands(mine, capsys, arguments, sentence):
    assert main(["explore", "--no-browser", *(word.format(mine=mine) for word in arguments)]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken(capsys):
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        assert main(["explore", "--no-browser", "--port", str(port)]) == 2
    assert f"port {port} of 127.0.0.1 is taken" in capsys.readouterr().err


def test_without_bokeh(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.explore.find_spec", lambda name: None)
    assert main(["explore"]) == 2
    assert "bokeh is not installed: python -m pip install -e '.[explore]'" in capsys.readouterr().err


def test_the_state_of_a_replaced_racer_is_usual(page):
    assert replace(page.surface.state, racers={"sgd": {}}).query().endswith("o=sgd")
