"""What the pictures draw: their lines, markers and words, as matplotlib's artists before they become pixels."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy
import pytest
from picture_tools import data_of, labels
from PIL import Image

from benchmarks import UsageError
from benchmarks.console.style import LOOKS
from benchmarks.pictures import (
    animation,
    inside,
    local_minimum,
    memory,
    nesterov_step,
    race_picture,
    ravine,
    slow_and_fast,
    stage,
    warm_up,
)
from benchmarks.pictures.explanation import Request
from benchmarks.pictures.landscapes import SURFACES
from benchmarks.pictures.race import optimize, race
from benchmarks.pictures.stage import Stage
from benchmarks.pictures.step_parts import nesterov, step_parts
from benchmarks.training.optimizers import ENTRANTS, entrants
from minigrad import optim


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """The stages on which something is drawn from here on."""
    made: list[Stage] = []

    class Kept(Stage):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

        def frame(self, moving):
            moving = list(moving)
            assert all(artist.get_animated() for artist in moving)  # or it would stay where it was first drawn
            return super().frame(moving)

    for module in (inside, local_minimum, nesterov_step, memory, race_picture, ravine, slow_and_fast, warm_up):
        monkeypatch.setattr(module, "Stage", Kept)
    return made


def words(it: Stage) -> list[str]:
    """All that is written on a stage, but for the axes' own numbers."""
    return [text for text in labels(it.over.texts) if text]


def panels(it: Stage) -> list:
    """The axes of a stage that are not its overlay."""
    return [axes for axes in it.figure.axes if axes is not it.over]


def assert_legible(it: Stage) -> None:
    """All that is written on a stage lies within the picture, and no two texts lie on each other."""
    renderer = it.canvas.get_renderer()
    written = [text for text in it.over.texts if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent(renderer) for text in written]
    for text, box in zip(written, boxes, strict=True):
        inside_it = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= it.figure.bbox.x1 and box.y1 <= it.figure.bbox.y1
        assert inside_it, text.get_text()
    for (one, a), (other, b) in itertools.combinations(zip(written, boxes, strict=True), 2):
        across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 1 or down < 0.3 * min(a.height, b.height), (one.get_text(), other.get_text())


def close(found, expected) -> None:
    numpy.testing.assert_allclose(numpy.array(found, float), numpy.array(expected, float), rtol=1e-9, atol=1e-12)


# The stage.


@pytest.mark.parametrize("sharpness", [1, 2])
def test_a_stage_is_laid_out_in_pixels_from_the_upper_left_corner(sharpness):
    it = Stage(200, 100, sharpness)
    axes = it.axes(20, 10, 100, 50)
    close(axes.get_position().bounds, (0.1, 0.4, 0.5, 0.5))
    axes.set(xlim=(0, 10), ylim=(0, 5))
    close(it.pixels(axes, numpy.array([[0.0, 0.0], [10.0, 5.0], [5.0, 5.0]])), [[20, 60], [120, 10], [70, 10]])
    assert it.frame([]).shape == (100 * sharpness, 200 * sharpness, 3)
    mark = it.line(marker="s", ms=10, color="black", animated=True)
    mark.set_data([150], [80])
    assert it.frame([mark])[80 * sharpness, 150 * sharpness].tolist() == [0, 0, 0]
    assert it.frame([])[80 * sharpness, 150 * sharpness].tolist() == [255, 255, 255]  # it was not left behind


def test_titles_and_panels_of_a_stage():
    it = Stage(200, 100)
    it.title("Title", "below")
    axes = it.panel(20, 40, 100, 50, "Panel", xlabel="x", ylim=(0, 7))
    assert [(text.get_text(), text.get_position()) for text in it.over.texts] == [
        ("Title", (14, 24)),
        ("below", (14, 44)),
        ("Panel", (20, 32)),
    ]
    assert (axes.get_xlabel(), axes.get_ylim()) == ("x", (0, 7))
    inside_axes = it.line(axes, color="red")
    assert inside_axes.axes is axes
    assert (inside_axes.get_clip_on(), it.line().get_clip_on()) == (True, False)


def test_heights_are_logarithms_above_the_ground_where_a_surface_wants_them():
    logarithmic, plain = SURFACES["beale"], SURFACES["saddle"]
    assert (logarithmic.logarithmic, plain.logarithmic) == (True, False)
    close(stage.heights(logarithmic, [0.0, 9.0, -5.0], 0.0), [0, 1, 0])
    close(stage.heights(logarithmic, [101.0], 2.0), [2])
    close(stage.heights(plain, [-3.0, 9.0], 5.0), [-3, 9])
    for lowest, ground in ((0.0, 0.0), (0.99, 0.0), (1.0, 1.0), (-0.5, -0.5)):
        assert stage.ground(numpy.array([7.0, lowest, math.nan])) == ground


def test_a_map_shows_what_is_asked_for_and_is_palest_where_it_is_low():
    it = Stage(200, 100)
    axes = it.axes(0, 0, 200, 100)
    place = SURFACES["ravine"]
    stage.draw_map(axes, place, (-2.0, 2.0), (-1.0, 1.0), levels=9)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-2, 2), (-1, 1))
    filled, lines = axes.collections
    assert len(lines.levels) == 8
    close(filled.levels, numpy.linspace(0, 1, 9) * filled.levels[-1])  # equal rings around the minimum of a bowl
    frame = it.frame([])
    assert frame[50, 100].min() > frame[3, 3].min() + 20
    other = it.axes(0, 0, 200, 100)
    stage.draw_map(other, SURFACES["saddle"], (-1.0, 1.0), (-1.0, 1.0), levels=9)
    close(other.collections[1].levels, numpy.linspace(-2, 2, 9)[1:])  # and elsewhere equal steps of height
    stage.mark_minimum(axes, place)
    star = axes.get_lines()[-1]
    assert (data_of(star), star.get_marker()) == (([0], [0]), "*")
    stage.mark_minimum(axes, replace(place, minimum=None))
    assert axes.get_lines()[-1] is star


def test_the_window_holds_paths_start_and_minimum_with_room_around_them():
    place = replace(
        SURFACES["ravine"], x_range=(-10.0, 10.0), y_range=(-5.0, 5.0), start=(-4.0, 1.0), minimum=(0.0, 0.0)
    )
    path = numpy.array([[-4.0, 1.0], [6.0, 2.0]])
    (x0, x1), (y0, y1) = stage.window(place, [path])
    close([x0, x1], [-4 - 0.8, 6 + 0.8])  # 8 % of what is between
    close([y0, y1], [-0.3, 2.3])  # or 3 % of the surface
    (x0, x1), _ = stage.window(replace(place, minimum=None), [path[1:]])
    close([x0, x1], [-4.8, 6.8])
    (x0, x1), _ = stage.window(place, [numpy.array([[-9.9, 0.0], [9.9, 0.0]])])
    assert (x0, x1) == (-10, 10)  # no further than the surface goes
    away = replace(place, falls_away=True)
    assert stage.window(away, [path]) == (away.x_range, away.y_range)


@pytest.mark.parametrize(
    ("shape", "wide", "high"), [(1.0, 4.0, 4.0), (2.0, 4.0, 2.0), (4.0, 8.0, 2.0), (0.5, 4.0, 8.0)]
)
def test_a_window_is_brought_into_shape_around_its_middle(shape, wide, high):
    (x0, x1), (y0, y1) = stage.with_aspect(((0.0, 4.0), (1.0, 3.0)), shape)
    close([x1 - x0, y1 - y0, x0 + x1, y0 + y1], [wide, high, 4, 4])


# The race.


def test_the_losses_of_a_race_are_drawn_above_the_minimum():
    place = replace(SURFACES["beale"], steps=12)
    runs = race(place, entrants(["sgd", "adam"]), 12, {})
    fig = race_picture.draw_losses(place, runs, 12)
    (axes,) = fig.axes
    lines = axes.get_lines()
    assert [data_of(line) for line in lines] == [(list(range(13)), list(one.losses)) for one in runs]
    assert [(line.get_color(), line.get_marker()) for line in lines] == [
        (LOOKS["sgd"].color, "o"),
        (LOOKS["adam"].color, "o"),
    ]
    assert [line.get_markevery() for line in lines] == [[12], [12]]
    assert (axes.get_yscale(), axes.get_xlim()) == ("log", (0, pytest.approx(12.24)))  # room for the marks
    assert axes.get_ylim()[0] == pytest.approx(0.5 * min(one.losses.min() for one in runs))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")
    assert axes.get_title("left") == f"{place.title}: loss after each step"
    assert labels(fig.legends[0].get_texts()) == [f"{one.entrant.label}\n{one.caption}" for one in runs]


def test_losses_that_are_below_0_have_no_logarithmic_axis_and_a_minimum_is_taken_off():
    place = replace(SURFACES["saddle"], steps=300)
    runs = race(place, entrants(["adam"]), 300, {})
    (axes,) = race_picture.draw_losses(place, runs, 300).axes
    assert min(runs[0].losses) < 0
    assert axes.get_yscale() == "linear"
    assert list(axes.get_lines()[0].get_ydata()) == list(runs[0].losses)
    raised = replace(SURFACES["ravine"], function=lambda x, y: SURFACES["ravine"].function(x, y) + 3)
    runs = race(raised, entrants(["sgd"]), 5, {})
    (axes,) = race_picture.draw_losses(raised, runs, 5).axes
    close(axes.get_lines()[0].get_ydata(), runs[0].losses - 3)
    assert axes.get_ylabel() == "loss above the minimum, 3"


def test_who_diverged_does_not_set_the_scale():
    place = replace(SURFACES["ravine"], steps=20)
    stayed, gone = race(place, entrants(["adam"]), 20, {})[0], optimize(place, ENTRANTS["sgd"], 20, {"lr": 0.2})
    assert (stayed.fate, gone.fate) == ("", "diverged")
    fig = race_picture.draw_losses(place, [stayed, gone], 20)
    assert fig.axes[0].get_ylim()[1] == pytest.approx(1.3 * stayed.losses.max())
    assert labels(fig.legends[0].get_texts())[1].endswith(f"diverged at step {gone.steps}")
    alone = race_picture.draw_losses(place, [gone], 20)
    assert alone.axes[0].get_ylim()[1] >= gone.losses.max()


def test_on_a_saddle_the_title_says_who_leaves_it_first():
    place = replace(SURFACES["saddle"], steps=120)
    runs = race(place, entrants(["sgd", "adagrad", "adam"]), 120, {})
    assert [one.fate for one in runs] == ["", "left", "left"]
    first = min(runs[1:], key=lambda one: one.steps)
    assert race_picture.title_of(place, runs) == f"{place.title}: {first.entrant.label} leaves first"
    assert race_picture.title_of(place, [runs[0], runs[0]]) == place.title  # none does


def test_a_scene_has_two_tracks_for_each_run_and_a_legend(stages):
    place = replace(SURFACES["ravine"], steps=20)
    runs = [*race(place, entrants(["adam", "momentum"]), 20, {}), optimize(place, ENTRANTS["sgd"], 20, {"lr": 0.2})]
    picture = race_picture.RacePicture(place, runs, 20)
    gone = runs[2].steps
    assert_legible(picture.stage)
    written = words(picture.stage)
    low = min(runs[:2], key=lambda one: one.losses[-1])  # the third has diverged
    assert written[:2] == [f"{place.title}: {low.entrant.label} ends lowest", place.formula]
    assert race_picture.title_of(place, runs[:1]) == race_picture.title_of(place, runs[2:] * 2) == place.title
    assert race_picture.title_of(place, [runs[0], runs[0]]) == place.title  # both are
    assert "seen from above:  ○ start  ★ minimum" in written
    for one in runs:
        assert written[written.index(one.entrant.label) + 1] == one.caption
    for step in (0, 7, 20):
        picture.frame(step)
        assert picture.counter.get_text() == f"step {step} of 20"
        for one, racer in zip(runs, picture.racers, strict=True):
            t = min(step, one.steps)
            solid, flat = racer.lines
            close(flat.get_xydata(), picture.on_map(one.path[: t + 1]))
            assert len(solid.get_xydata()) == t * race_picture.PIECES + 1
            close(solid.get_xydata()[-1:], picture.on_solid(one.path[t : t + 1], one.losses[t : t + 1]))
            close([head.get_xydata()[0] for head in racer.heads], [solid.get_xydata()[-1], flat.get_xydata()[-1]])
            assert {line.get_color() for line in (*racer.lines, *racer.heads)} == {one.entrant.color}
            assert {head.get_marker() for head in racer.heads} == {race_picture.MARKERS[one.entrant.name]}
            left = one.fate and step >= gone
            assert racer.loss.get_text() == (f"diverged at step {gone}" if left else f"loss {one.losses[t]:.2g}")
            assert racer.loss.get_weight() == ("bold" if left else "normal")
    assert len(picture.racers[2].moved(gone)) == len(picture.racers[2].moved(gone - 1)) + 2  # the cross and its words
    assert f"diverged at {gone}" in words(picture.stage)
    # It diverged, so the map is of where the others are.
    assert picture.seen == stage.window(place, [one.path for one in runs[:2]])
    assert picture.racers[2].lines[1].get_clip_on()


def test_the_third_dimension_says_what_it_is():
    for name, base, said in (
        ("saddle", 0, "f"),
        ("beale", 0, "log₁₀(1 + f)"),
        ("beale", -2.5, "log₁₀(1 + f - (-2.5))"),
    ):
        picture = race_picture.RacePicture.__new__(race_picture.RacePicture)
        picture.surface, picture.base = SURFACES[name], base
        assert picture._height() == said


def test_where_a_path_leaves():
    window = (0.0, 10.0), (0.0, 5.0)
    assert race_picture.exit_of(numpy.array([[5.0, 1.0], [5.0, 3.0], [5.0, 7.0]]), *window) == pytest.approx((5, 5))
    assert race_picture.exit_of(numpy.array([[5.0, 1.0], [-5.0, 1.0], [5.0, 1.0]]), *window) == pytest.approx((0, 1))
    assert race_picture.exit_of(numpy.array([[5.0, 1.0], [6.0, 2.0]]), *window) == (6, 2)
    assert race_picture.exit_of(numpy.array([[5.0, 1.0], [10.0, 5.0]]), *window) == (10, 5)  # the edge belongs to it


def test_a_path_is_cut_into_pieces():
    path = numpy.array([[0.0, 0.0], [8.0, 16.0], [8.0, 0.0]])
    close(race_picture.between(path, 8), [[i, 2 * i] for i in range(9)] + [[8, 16 - 2 * i] for i in range(1, 9)])


def test_the_part_that_the_map_shows_is_outlined_on_the_surface(stages):
    place = SURFACES["ravine"]
    picture = race_picture.RacePicture(place, race(place, entrants(["adam"]), 5, {}), 5)
    (x0, x1), (y0, y1) = picture.seen
    corners = numpy.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    outline = next(line for line in picture.stage.over.get_lines() if len(line.get_xdata()) == 4 * 49 + 1)
    close(outline.get_xydata()[::49], picture.on_solid(corners, place.values(*corners.T)))


# Animations.


def test_a_frame_lasts_as_long_as_the_rate_says_and_the_last_one_longer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no ffmpeg there
    frames = [numpy.full((4, 6, 3), 60 * i, numpy.uint8) for i in range(4)]
    for fps, step in ((25, 40), (8, 120), (4, 250)):
        done = []
        made = animation.animate(
            tmp_path / "a.gif", frames.__getitem__, range(4), range(4), fps=fps, hold=1.5, tick=done.append
        )
        assert (made, done) == ([tmp_path / "a.gif"], [1, 2, 3, 4])
        with Image.open(tmp_path / "a.gif") as gif:
            assert (gif.n_frames, gif.info["loop"]) == (4, 0)
            shown = []
            for i in range(4):
                gif.seek(i)
                shown.append((gif.info["duration"], gif.convert("RGB").getpixel((0, 0))))
        assert [duration for duration, _ in shown] == [step] * 3 + [1500]
        assert [pixel for _, pixel in shown] == [(60 * i,) * 3 for i in range(4)]


def test_a_palette_keeps_white_and_the_optimizers_colours():
    ramp = numpy.arange(256, dtype=numpy.uint8).repeat(3).reshape(16, 16, 3)
    colors = numpy.array(animation.palette([ramp], 64).getpalette()).reshape(-1, 3).tolist()
    assert colors[0] == [255, 255, 255]
    kept = [list(bytes.fromhex(color[1:])) for color in animation.KEPT]
    assert colors[1 : len(kept) + 1] == kept
    assert len(colors) <= 64
    for color in colors[len(kept) + 1 :]:  # none is taken for one of them
        assert min(max(abs(a - b) for a, b in zip(color, other, strict=True)) for other in kept) > 12
    frame = numpy.array([[[255, 255, 255], [254, 255, 255], kept[0]]], numpy.uint8)
    reduced = animation.reduce(frame, animation.palette([ramp], 64))
    assert numpy.array(reduced).ravel()[[0, 2]].tolist() == [0, 1]
    assert numpy.array(reduced.convert("RGB"))[0, 2].tolist() == kept[0]


def test_a_file_that_is_half_written_takes_no_name(tmp_path, monkeypatch):
    def half(image, part, **options):
        part.write_text("half")
        raise OSError("full")

    monkeypatch.setattr(Image.Image, "save", half)
    frame = numpy.zeros((4, 6, 3), numpy.uint8)
    for write in (
        lambda: animation.animate(tmp_path / "a.gif", lambda step: frame, [0], [0]),
        lambda: stage.save_png(tmp_path / "a.png", frame),
    ):
        with pytest.raises(UsageError, match="full"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_what_ffmpeg_is_asked_for(tmp_path):
    command = animation.Mp4(tmp_path / "a.mp4", 12.5).command("ffmpeg", (470, 800, 3))
    given = dict(itertools.pairwise(command))
    assert (given["-s"], given["-r"], given["-i"]) == ("800x470", "12.5", "-")
    assert command[0] == "ffmpeg"
    assert command[-1] == str(tmp_path / ".a.mp4.part.mp4")


@pytest.mark.parametrize("colors", [0, 64])
def test_a_still_is_the_frame(tmp_path, colors):
    frame = numpy.zeros((8, 12, 3), numpy.uint8)
    frame[2:4] = 255
    with Image.open(stage.save_png(tmp_path / "a.png", frame, colors)) as image:
        assert (image.format, image.mode) == ("PNG", "P" if colors else "RGB")
        numpy.testing.assert_array_equal(numpy.array(image.convert("RGB")), frame)


# Inside the state.


@pytest.mark.parametrize(
    ("name", "series", "chained", "ellipse"),
    [
        ("momentum", ["velocity v", "gradient g"], True, False),
        ("nesterov", ["velocity v", "gradient g"], True, False),
        ("adagrad", ["√G", "gradient g"], False, True),
        ("adam", ["√v̂", "mean m̂", "gradient g"], False, True),
        ("sgd", ["gradient g"], False, False),
    ],
)
def test_a_film_shows_the_state_at_each_step(name, series, chained, ellipse, stages):
    place = SURFACES["ravine"]
    (one,) = race(place, entrants([name]), 6, {})
    film = inside.StateAnimation(place, one)
    assert_legible(film.stage)
    written = words(film.stage)
    assert written[:2] == [f"Inside the state: {one.entrant.label}", f"{place.title}, {place.formula};  {one.caption}"]
    named = [f"± {text}" if text == film.view.parts.envelope else text for text in series]
    for axis in ("along x:", "along y:"):
        at = written.index(axis)
        assert written[at + 1 : at + 1 + len(series)] == named
    frames = [film.frame(step) for step in range(1, 7)]
    assert all((a != b).any() for a, b in itertools.pairwise(frames))
    parts = step_parts(one)
    for step in (1, 4, 6, 9):
        shown = film.view.moved(step)
        k = min(step, 6) - 1
        close(film.view.trail.get_xydata(), parts.path[: k + 1])
        close(film.view.spot.get_xydata(), parts.path[k : k + 1])
        assert (film.view.ellipse in shown) is ellipse
        if ellipse:
            around = film.view.ellipse.get_xydata() - parts.path[k]
            close(numpy.abs(around).max(0), film.view.enlarged * parts.axes[k])
        assert (film.view.gradient_at in shown) is (chained and film.view.enlarged == 1)
        for axis, strip in enumerate(film.view.strips):
            assert list(strip.now.get_xdata()) == [k + 1] * 2
            drawn = [dot.get_xydata().tolist() for dot, _ in strip.columns]
            kept = [values for text, values in parts.series.items() if text != parts.envelope]
            assert drawn == [[[k + 1, values[k, axis]]] for values in kept]
    film.frame(3)
    assert film.counter.get_text() == "step 3 of 6"
    signs = [sign for sign, _, _ in inside.legend(film.view)]
    assert signs == ["→", "→", *["◇"] * (chained and film.view.enlarged == 1), *["◌"] * ellipse]


def test_arrows_lead_from_point_to_point(stages):
    place = SURFACES["ravine"]
    (one,) = race(place, entrants(["momentum"]), 6, {})
    film = inside.StateAnimation(place, one)
    view = film.view
    view.moved(3)
    here, there = view.stage.pixels(view.map, one.path[2:4])
    carried, added = (arrow._posA_posB for arrow in view.arrows)
    assert view.enlarged == 1
    close(carried[0], here)
    close(carried[1], added[0])
    close(added[1], there)


def test_a_still_has_a_cell_for_each_optimizer(stages):
    place = SURFACES["ravine"]
    runs = race(place, entrants(["momentum", "adam", "sgd"]), 6, {})
    frame = inside.still(place, runs, 4, 1)
    (it,) = stages
    assert frame.shape == (62 + 2 * inside.CELL, inside.WIDTH, 3)
    assert_legible(it)
    written = words(it)
    assert written[:2] == ["Inside the state", f"{place.title}, step 4:  {place.formula}"]
    for one in runs:
        assert written[written.index(one.entrant.label) + 1] == one.caption
    assert len(panels(it)) == 3 * 3  # a map and two strips each


# The explanations.


def test_the_picture_of_memory_has_a_bar_for_each_optimizer(stages):
    found = {"adam": (8.04, ["m", "v"]), "sgd": (0.0, []), "momentum": (4.0, ["v"])}
    memory.still(found)
    (it,) = stages
    assert_legible(it)
    (axes,) = panels(it)
    bars = [(bar.get_x(), round(bar.get_width(), 2), round(bar.get_y() + bar.get_height() / 2)) for bar in axes.patches]
    assert bars == [(0, 8, 0), (8, 0, 0), (0, 8, 1), (8, 4, 1), (0, 8, 2), (8, 8.04, 2)]
    written = words(it)
    assert written[2:8] == ["SGD", "0:  nothing", "Momentum", "4:  v", "Adam", "8:  m, v"]
    assert written[0] == "For each parameter SGD keeps 0 bytes, Adam 8"
    assert "measured over 1,000,000 float32 parameters after two steps" in written[1]


def test_the_balls_are_at_the_points_of_the_trajectories(stages):
    trajectories = local_minimum.race()
    assert [one.caption for one in trajectories] == ["lr 0.02", "lr 0.02, μ 0.9"]
    places = [local_minimum.stationary(x) for x in (2.0, 0.2, -2.0)]
    film = local_minimum.LocalMinimumAnimation(trajectories, places)
    for step in (0, 10, 80):
        film.frame(step)
        assert film.counter.get_text() == f"step {step} of 80"
        for one, (dots, ball, said) in zip(trajectories, film.moving, strict=True):
            x = one.path[:, 0]
            f = (x**2 - 4) ** 2 / 8 + x / 2
            close(dots.get_xdata(), x[: step + 1])
            close(dots.get_ydata(), f[: step + 1])
            close(ball.get_xydata(), [[x[step], f[step] + 0.28]])
            assert said.get_text() == f"x = {x[step]:.1f},  f = {f[step]:.2f}"
        assert_legible(film.stage)
    for axes in panels(film.stage):
        curve, *marks = [line for line in axes.get_lines() if len(line.get_xdata()) and not line.get_animated()]
        close(curve.get_ydata(), (curve.get_xdata() ** 2 - 4) ** 2 / 8 + curve.get_xdata() / 2)
        assert [list(mark.get_xdata()) for mark in marks] == [[x] for x in places]
        heights = [(x**2 - 4) ** 2 / 8 + x / 2 for x in places]
        assert labels(axes.texts) == [
            f"{what}\nf = {f:.2f}" for what, f in zip(("dip", "ridge", "lower dip"), heights, strict=True)
        ]


def test_the_ravine_is_drawn_four_times_and_its_losses_once(stages):
    runs = ravine.race(1.0, 25.0)
    ravine.still(runs, 1.0, 25.0)
    (it,) = stages
    assert_legible(it)
    *maps, losses = panels(it)
    for axes, one in zip(maps, runs, strict=True):
        path = axes.get_lines()[-1]
        drawn = 13 if one is runs[0] else ravine.SHOWN  # that one leaves the map after step 13
        close(path.get_xydata(), one.path[: drawn + 1])
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        x, y = path.get_xydata().T
        assert x0 < x.min() < x.max() < x1
        assert y0 < y.min() < y.max() < y1
        assert path.get_color() == one.entrant.color
    part, *lines = losses.get_lines()
    assert [list(line.get_ydata()) for line in lines] == [list(one.losses) for one in runs]
    assert set(part.get_ydata()) == {1e-3 * runs[0].losses[0]}
    shown = numpy.concatenate([one.losses[: ravine.SHOWN + 1] for one in runs])
    assert losses.get_ylim()[0] < shown.min() < shown.max() < losses.get_ylim()[1]
    assert (losses.get_yscale(), losses.get_xlim()) == ("log", (0, ravine.SHOWN))
    written = words(it)
    sgd, best = (ravine.steps_to(runs[i], 1e-3) for i in (1, 3))
    assert written[0] == f"To the bottom of a ravine SGD takes {sgd} steps, with momentum {best}"
    assert "curvatures 1 and 25, κ = 25, limit 2/λmax = 0.08" in written[1]
    for one, name in zip(runs, ravine.NAMES, strict=True):
        more = ", drawn up to step 13" if one is runs[0] else ""
        assert written[written.index(name) + 1] == ravine._caption(one) + more
    ends = [written[len(written) - 1 - written[::-1].index(name) + 1] for name in ravine.NAMES]
    assert ends == [
        "swings higher and higher",
        *(f"a thousandth of the loss after {ravine.steps_to(one, 1e-3)} steps" for one in runs[1:]),
    ]
    assert ravine._caption(runs[3]) == "lr 0.111, μ 0.444"


def test_the_film_of_the_ravine_follows_its_runs(stages):
    runs = ravine.race(1.0, 25.0)
    film = ravine.RavineAnimation([(runs[1], "one"), (runs[2], "two")])
    film.frame(9)
    assert film.counter.get_text() == f"step 9 of {ravine.SHOWN}"
    assert_legible(film.stage)
    for one, line, head, loss in zip(runs[1:3], film.lines, film.heads, film.losses, strict=True):
        close(line.get_xydata(), one.path[:10])
        close(head.get_xydata(), one.path[9:10])
        assert loss.get_text() == f"loss {one.losses[9]:.2g}"


def test_the_loss_must_stay_below_its_part():
    (one,) = race(SURFACES["ravine"], entrants(["sgd"]), 4, {})
    cases = (
        ([8, 4, 3, 1, 1], 3),
        ([8, 4, 2, 1, 1], 2),
        ([8, 1, 4, 1, 1], 3),
        ([8, 4, 4, 4, 4], None),
        ([8, 1, 1, 1, 1], 1),
    )
    for losses, expected in cases:
        assert ravine.steps_to(replace(one, losses=numpy.array(losses, float)), 0.25) == expected


def test_the_two_steps_are_drawn_from_theta_to_where_they_end(stages):
    runs = [
        optimize(nesterov_step.SURFACE, ENTRANTS[name], 40, {"lr": 0.03, "momentum": 0.8})
        for name in ("momentum", "nesterov")
    ]
    theta, v = runs[0].path[2], runs[0].states["v"][2]
    steps = [nesterov_step.step(kind, theta, v) for kind in (optim.Momentum, optim.Nesterov)]
    nesterov_step.still(runs, steps, [1.25, 0.5])
    (it,) = stages
    assert_legible(it)
    first, run_of_first, second, run_of_second = panels(it)
    for axes, step, one in ((first, steps[0], runs[0]), (second, steps[1], runs[1])):
        arrows = [(text.xyann, text.xy) for text in axes.texts]
        close(arrows, [(step.start, step.carried), (step.carried, step.end), (step.start, step.end)])
        gradient_at, here = axes.get_lines()
        close([gradient_at.get_xydata()[0], here.get_xydata()[0]], [step.gradient_at, step.start])
        assert (gradient_at.get_marker(), here.get_marker(), here.get_color()) == ("D", "o", one.entrant.color)
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        for x, y in (step.start, step.carried, step.end):
            assert x0 < x < x1
            assert y0 < y < y1
    close(run_of_first.get_lines()[-1].get_xydata(), runs[0].path)
    close(run_of_second.get_lines()[-1].get_xydata(), nesterov(runs[1]).path)
    written = words(it)
    assert [text for text in written if text.startswith("lands at")] == ["lands at f = 1.25", "lands at f = 0.5"]
    assert [text for text in written if text.startswith("ends ")] == [
        f"ends {numpy.hypot(*one.path[-1]):.2g} from the minimum" for one in runs
    ]
    close(steps[0].carried, theta - 0.03 * 0.8 * v)
    close([steps[0].gradient_at, steps[1].gradient_at], [theta, steps[0].carried])


def test_the_gradients_are_drawn_row_by_row(stages):
    rng = numpy.random.default_rng(0)

    def gradients():
        sizes = 10.0 ** rng.normal(-4, 1, 500) * (rng.random(500) > 0.25)
        return warm_up._measured(sizes, 0.5)

    seen = [{t: gradients() for t in warm_up.SHOWN} for _ in warm_up.RUNS]
    r = warm_up.factors()
    warm_up.still(seen, r, 3)
    (it,) = stages
    assert_legible(it)
    *ridges, factors = panels(it)
    written = words(it)
    shares = [f"{100 * one[2].zero:.0f} %" for one in seen[:2]]
    assert written[0] == f"After its first step {shares[0]} of Adam's gradients are 0, with a warm-up {shares[1]}"
    assert "seed 3" in written[1]
    for axes, one in zip(ridges, seen, strict=True):
        lines = axes.get_lines()
        rows, marks = lines[0:-1:2], lines[1:-1:2]
        for row, (line, mark, g) in enumerate(zip(rows, marks, one.values(), strict=True)):
            close(line.get_ydata(), row - g.density / (one[1].density.max() / 1.35))
            close(line.get_xdata(), (warm_up.BINS[1:] + warm_up.BINS[:-1]) / 2)
            assert list(mark.get_xdata()) == [g.median] * 2
            assert f"{100 * g.zero:.0f} %" in written
        assert list(lines[-1].get_xdata()) == [one[1].median] * 2
    assert [text for text in written if text.isdigit()] == [str(t) for t in warm_up.SHOWN]  # at the first panel alone
    one, warm, radam = factors.get_lines()
    assert set(one.get_ydata()) == {1}
    close(warm.get_ydata()[[0, 49, 99, 500]], [0.01, 0.5, 1, 1])
    numpy.testing.assert_array_equal(radam.get_ydata(), r)
    assert list(one.get_xdata()[[0, -1]]) == [1, 3000]
    assert labels(factors.get_xticklabels()) == ["1", "3", "10", "30", "100", "300", "1000", "3000"]
    assert f"{r[5]:.3f} at step 6, {r[99]:.2f} at 100, {r[2999]:.2f} at 3000" in written


def test_gradients_that_are_0_are_counted_and_not_drawn():
    g = warm_up._measured(numpy.array([0.0, 1e-3, 1e-5, 1e-4, 0.0, 1e-20, 0.0, 0.0]), 0.7)
    assert (g.zero, g.loss) == (0.5, 0.7)
    assert g.median == pytest.approx(-4.5)
    assert g.density.sum() == pytest.approx(3 / 8)  # one is smaller than what is drawn


def test_slow_weights_wait_while_fast_ones_go_ahead(stages, monkeypatch):
    for name, value in {"FIRST": 5, "ROUNDS": 2, "K": 3, "GRID": 4}.items():
        monkeypatch.setattr(slow_and_fast, name, value)
    rng = numpy.random.default_rng(0)
    fast, slow = rng.normal(size=(2, 4, 6)), rng.normal(size=(3, 6))
    fast[:, 0] = slow[:2]
    seen = slow_and_fast._mapped(lambda w: float((w**2).sum()), fast, slow)
    close(seen.fast_losses, (fast**2).sum(-1))
    close(seen.slow_losses, (slow**2).sum(-1))
    a, b, values = seen.grid
    close(values[1, 2], ((seen.middle + a[2] * seen.plane[0] + b[1] * seen.plane[1]) ** 2).sum())
    centred = fast.reshape(8, 6) - fast.reshape(8, 6).mean(0)
    spread = numpy.linalg.eigvalsh(centred.T @ centred)
    assert seen.share == pytest.approx(spread[-2:].sum() / spread.sum())

    film = slow_and_fast.LookaheadAnimation(seen, 0)
    filled, lines = (drawn for drawn in film.map.collections if hasattr(drawn, "levels"))
    close(filled.levels, numpy.unique(numpy.quantile(values, numpy.linspace(0, 1, 16))))  # as much of each colour
    close(lines.levels, filled.levels[1::2])
    on = seen.on_plane
    gap = [[math.nan] * 2]
    film.frame(4)  # one round, and a step of the next
    assert_legible(film.stage)
    assert film.counter.get_text() == "iteration 9"
    close(film.fast.get_xydata(), [*on(fast[0]), *gap, *on(fast[1, :2]), *gap])
    close(film.jumps.get_xydata(), [on(fast[0, 3]), on(slow[1]), *gap])
    close(film.slow.get_xydata(), on(slow[:2]))
    close(film.head.get_xydata(), [on(fast[1, 1])])
    close(film.fast_loss.get_xydata()[:4], [[5 + i, seen.fast_losses[0, i]] for i in range(4)])
    close(film.fast_loss.get_xydata()[5:7], [[8 + i, seen.fast_losses[1, i]] for i in range(2)])
    close(film.slow_loss.get_xydata(), [[5, seen.slow_losses[0]], [8, seen.slow_losses[1]]])
    film.frame(0)
    close(film.fast.get_xydata(), gap)
    close(film.head.get_xydata(), [on(slow[0])])
    low, high = film.losses.get_ylim()
    every = [*seen.fast_losses.ravel(), *seen.slow_losses]
    close([low, high], [min(every) - 0.08 * (max(every) - min(every)), max(every) + 0.08 * (max(every) - min(every))])
    assert film.losses.get_xlim() == (4, 12)


# What the explanations say, and the files they write.


def test_an_explanation_has_animations_unless_none_are_wanted(tmp_path):
    assert Request(tmp_path) == Request(tmp_path, True, 0)


def test_the_explanation_of_the_ravine(tmp_path):
    drawn = ravine.draw(Request(tmp_path, False, 0))
    runs = ravine.race(*drawn.numbers["curvatures"])
    steps = [ravine.steps_to(one, 1e-3) for one in runs]
    assert [one["steps_to_a_thousandth"] for one in drawn.numbers["runs"]] == steps
    assert [one["optimizer"] for one in drawn.numbers["runs"]] == ["sgd", "sgd", "momentum", "momentum"]
    assert [one["hyperparameters"] for one in drawn.numbers["runs"]] == [one.caption for one in runs]
    assert drawn.sentences == [
        "The curvatures are 1 and 25 (second derivatives, from minigrad's engine), the condition number is 25. Above "
        "the learning rate 2 / 25 = 0.08, SGD oscillates with growing amplitude.",
        f"To reach a thousandth of the first loss SGD takes {steps[1]} steps at its best rate, 0.0769. Momentum takes "
        f"{steps[2]} at a quarter of that rate with mu = 0.8, and {steps[3]} at its own best, 0.111 with mu = 0.444.",
    ]
    assert drawn.written == [tmp_path / "ravine.png"]
    with Image.open(tmp_path / "ravine.png") as image:
        assert image.size == (1600, 2 * 760)


def test_the_explanation_of_the_local_minimum(tmp_path):
    drawn = local_minimum.draw(Request(tmp_path, True, 0))
    sgd, momentum = (one.path[:, 0] for one in local_minimum.race())
    numbers = drawn.numbers
    lower, ridge, dip = sorted(numpy.roots([0.5, 0, -2, 0.5]).real)
    for name, place in (("dip", dip), ("ridge", ridge), ("lower_dip", lower)):
        height = (place**2 - 4) ** 2 / 8 + place / 2
        numpy.testing.assert_allclose(numbers[name], [place, height, 0, 1.5 * place**2 - 2], atol=1e-9)
    over = next(step for step, x in enumerate(momentum) if x < ridge)
    assert numbers["momentum_over_the_ridge_at_step"] == over
    assert (numbers["sgd_ends_at"], numbers["momentum_ends_at"]) == (sgd[-1], momentum[-1])
    assert drawn.sentences[0].startswith(
        f"Both start at x = 3.2 with the learning rate 0.02. After 80 steps SGD is at x = {sgd[-1]:.3f}, "
    )
    assert drawn.sentences[0].endswith(
        f"in the dip at {dip:.3f} (f = {numbers['dip'][1]:.3f}, slope 0, curvature {1.5 * dip**2 - 2:.3g})."
    )
    assert drawn.sentences[1] == (
        f"Momentum is over the ridge at {ridge:.3f} (f = {numbers['ridge'][1]:.3f}) after {over} steps, and ends at "
        f"x = {momentum[-1]:.3f}, near the lower dip at {lower:.3f} (f = {numbers['lower_dip'][1]:.3f})."
    )
    assert drawn.written[:2] == [tmp_path / "local-minimum.png", tmp_path / "local-minimum.gif"]
    with Image.open(drawn.written[1]) as gif:
        assert gif.n_frames == local_minimum.STEPS + 1
    with Image.open(drawn.written[0]) as image:
        assert image.size == (1600, 680)


def test_the_explanation_of_nesterovs_step(tmp_path):
    drawn = nesterov_step.draw(Request(tmp_path, False, 0))
    numbers = drawn.numbers
    one = optimize(nesterov_step.SURFACE, ENTRANTS["momentum"], 40, {"lr": 0.03, "momentum": 0.8})
    other = optimize(nesterov_step.SURFACE, ENTRANTS["nesterov"], 40, {"lr": 0.03, "momentum": 0.8})
    close(numbers["theta"], one.path[2])
    close(numbers["carried_to"], one.path[2] - 0.03 * 0.8 * one.states["v"][2])
    close(numbers["ends"][0], one.path[3])
    close(numbers["losses"], [nesterov_step.SURFACE.value(end) for end in numbers["ends"]])
    close(numbers["distances_after_all_steps"], [numpy.hypot(*each.path[-1]) for each in (one, other)])
    said = ["({:.2f}, {:.2f})".format(*point) for point in (numbers["theta"], numbers["carried_to"])]
    assert drawn.sentences[0] == (
        f"At step 2 of Momentum's run (lr 0.03, mu 0.8) it is at {said[0]}, and its velocity is about to carry it to "
        f"{said[1]}."
    )
    first, second = (
        "({:.2f}, {:.2f}), f = {:.3g}".format(*end, f)
        for end, f in zip(numbers["ends"], numbers["losses"], strict=True)
    )
    assert f"ends at {first}. Nesterov adds" in drawn.sentences[1]
    assert drawn.sentences[1].endswith(f"ends at {second}.")
    away = numbers["distances_after_all_steps"]
    assert drawn.sentences[2] == f"After 40 steps Momentum is {away[0]:.2g} from the minimum, Nesterov {away[1]:.2g}."


def test_the_explanation_of_the_warm_up(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_up, "SHOWN", (1, 2, 10))
    drawn = warm_up.draw(Request(tmp_path, False, 3))
    seen = [warm_up.watch(make, 3) for _, _, make in warm_up.RUNS]
    names = ["Adam", "Adam, warm-up of 100", "RAdam"]
    assert list(drawn.numbers["runs"]) == names
    for name, one in zip(names, seen, strict=True):
        kept = drawn.numbers["runs"][name]
        assert kept["iterations"] == [1, 2, 10]
        assert kept["loss"] == [g.loss for g in one.values()]
        assert kept["zero"] == [g.zero for g in one.values()]
        assert kept["median_log10"] == [g.median for g in one.values()]
    dead = ", ".join(f"{name} {100 * one[2].zero:.1f} %" for name, one in zip(names, seen, strict=True))
    assert (
        drawn.sentences[0]
        == f"Of the gradients {100 * seen[0][1].zero:.1f} % are exactly 0 at iteration 1; at iteration 2: {dead}."
    )
    moved = ", ".join(f"{name} {one[10].median - one[1].median:+.2f}" for name, one in zip(names, seen, strict=True))
    losses = ", ".join(f"{one[10].loss:.2f}" for one in seen)
    assert (
        drawn.sentences[1]
        == f"The median of log10 |g| changed from iteration 1 to 10 by: {moved}; the losses there are {losses}."
    )
    r = drawn.numbers["r"]
    assert drawn.sentences[2] == (
        f"RAdam divides from step 6 on, with r = {r[6]:.3f}; r is {r[100]:.3f} at step 100, {r[1000]:.3f} at 1000 and "
        f"{r[3000]:.3f} at 3000."
    )
    assert math.isnan(r[5])
    assert (drawn.numbers["seed"], drawn.numbers["rate"], drawn.numbers["warm_up"]) == (3, 0.01, 100)
    assert drawn.written == [tmp_path / "warm-up.png"]


def test_the_explanation_of_slow_and_fast_weights(tmp_path, monkeypatch):
    for name, value in {"FIRST": 5, "ROUNDS": 2, "GRID": 3, "IMAGES": 40}.items():
        monkeypatch.setattr(slow_and_fast, name, value)
    drawn = slow_and_fast.draw(Request(tmp_path, True, 1))
    seen = slow_and_fast.watch(1)
    ends, after = seen.fast_losses[:, 5], seen.slow_losses[1:]
    close(drawn.numbers["loss_of_fast_weights_at_the_ends"], ends)
    close(drawn.numbers["loss_of_slow_weights_after"], after)
    assert drawn.sentences == [
        f"2 rounds from iteration 5 on: over 40 training images the loss of the fast weights at the end of a round is "
        f"{ends.mean():.3f} on average, that of the slow weights then is {after.mean():.3f}. The slow weights are "
        f"better in {(after < ends).sum()} of 2 rounds.",
        f"The plane has {100 * seen.share:.0f} % of the fast weights' variance.",
    ]
    assert drawn.written[:2] == [tmp_path / "lookahead.png", tmp_path / "lookahead.gif"]
    with Image.open(drawn.written[1]) as gif:
        assert gif.n_frames == 11
    with Image.open(drawn.written[0]) as image:
        assert image.size == (1600, 956)


def test_the_explanation_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "PARAMETERS", 100_000)
    drawn = memory.draw(Request(tmp_path, False, 0))
    assert list(drawn.numbers) == list(ENTRANTS)
    assert drawn.numbers["adam"]["keeps"] == ["m", "v"]
    assert drawn.numbers["adam"]["bytes_per_parameter"] == pytest.approx(8, abs=0.2)
    (sentence,) = drawn.sentences
    assert sentence.startswith(
        "For each float32 parameter (4 bytes, and 4 for its gradient), measured over 100,000: 0 bytes: SGD; 4"
    )
    assert "8 bytes: Adam, AdamW, Adadelta, AdaMax, RAdam; 12 bytes: Lookahead(Adam), Ranger." in sentence
