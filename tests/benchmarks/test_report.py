"""Tables, result files, pictures, and the commands around them."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numba
import numpy
import pytest
from picture_tools import labels
from rich.console import Console

import minigrad
from benchmarks import UsageError
from benchmarks import __main__ as command
from benchmarks.console import options, report, style
from minigrad.optim import compiled

ROOT = Path(__file__).parents[2]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


# python -m benchmarks


def test_the_list_has_a_line_for_each_benchmark_and_imports_nothing_heavy():
    told = python(
        "import sys; from benchmarks.__main__ import main; main([]);"
        "print({'numpy', 'minigrad', 'rich', 'matplotlib', 'joblib'} & set(sys.modules))"
    )
    lines = told.stdout.splitlines()
    assert told.stderr == ""
    assert lines[-1] == "set()"
    for name in command.BENCHMARKS:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert len(line.split()) > 5


def test_an_unknown_benchmark(capsys):
    assert command.main(["mist"]) == 2
    assert (
        capsys.readouterr().err
        == f"benchmarks: there is no benchmark 'mist': there are {', '.join(command.BENCHMARKS)}\n"
    )


def test_a_missing_package_is_told_before_anything_runs():
    told = python(
        "import sys; sys.modules['joblib'] = sys.modules['sklearn'] = None;"
        "from benchmarks.__main__ import main; sys.exit(main(['mnist']))"
    )
    assert told.returncode == 2
    assert told.stderr == ("benchmarks: joblib, scikit-learn are not installed: python -m pip install -e '.[bench]'\n")


def test_the_packages_that_are_checked_are_those_of_the_extra():
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    extra = [line for line in extras["bench"].split() if line not in extras["fast"].split()]  # these may be missing
    assert sorted(command.EXTRAS.values()) == sorted([line.partition(">")[0] for line in extra] + ["numpy"])


@pytest.mark.parametrize("name", ["mnist", "batch_size"])
def test_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main([name, "--help"])
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


# Options


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (options.positive, "3000", 3000),
        (options.seed, "0", 0),
        (options.seed, str(2**32 - 1), 2**32 - 1),
        (options.rate, "1e-3", 0.001),
        (options.named(options.rate), "sgd=0.5", ("sgd", 0.5)),
    ],
)
def test_values_of_options(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "argument --seed: must be a whole number from 0 to 4294967295, not '-1'"),
        (["--seed", str(2**32)], "not '4294967296'"),
        (["--jobs", "0"], "argument --jobs: must be a whole number from 1 on, not '0'"),
        (["--jobs", "many"], "not 'many'"),
        (["--lr", "sgd"], "argument --lr: must be NAME=VALUE, as sgd=1, not 'sgd'"),
        (["--lr", "sgd=fast"], "argument --lr: must be a number from 0 on, not 'fast'"),
        (["--lr", "sgd=-1"], "not '-1'"),
        (["--lr", "sgd=inf"], "not 'inf'"),
        (["--lr", "sgd=nan"], "not 'nan'"),
        (["--see", "1"], "unrecognized arguments: --see 1"),
        (["--data", "letters"], "argument --data: invalid choice: 'letters'"),
    ],
)
def test_options_that_are_wrong(arguments, message):
    parser = options.Parser("mnist", "a test")
    parser.add_seed()
    parser.add_jobs()
    parser.add_data()
    parser.add_named("--lr", options.rate, "RATE", "a rate")
    with pytest.raises(UsageError) as caught:
        parser.parse_args(arguments)
    assert message in str(caught.value)
    assert str(caught.value).endswith("(see python -m benchmarks mnist --help)")


def test_jobs():
    assert options.jobs_for(3, "cupy") == 3
    assert options.jobs_for(None, "cupy") == 1
    assert options.jobs_for(None, "numpy") >= 1


# Files


def test_json_takes_what_results_are_made_of(tmp_path):
    value = {"a": numpy.float32(0.5), 3: (1, numpy.arange(2)), "nan": [float("nan"), -numpy.inf], "p": Path("x")}
    path = report.write_json(tmp_path / "deep" / "r.json", value)
    assert json.loads(path.read_text()) == {"a": 0.5, "3": [1, [0, 1]], "nan": [None, None], "p": "x"}
    assert "NaN" not in path.read_text()


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = report.write_json(tmp_path / "r.json", [1])
    with pytest.raises(TypeError):
        report.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_results_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(UsageError, match=r"results cannot be written to .*taken: File exists"):
        report.results_folder(tmp_path / "taken")
    assert report.results_folder(tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_environment():
    told = report.environment(threads=1)
    assert told["minigrad"] == minigrad.__version__
    assert told["numpy"] == numpy.__version__
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["blas_threads"] == 1
    assert told["blas"] not in ("", "unknown")
    assert all(told[key] for key in ("device", "cores", "machine"))


def test_the_environment_names_the_compiler_of_the_formulas(monkeypatch):
    assert report.environment()["compiler"] == f"numba {numba.__version__}"
    monkeypatch.setattr(compiled, "WANTED", False)
    assert report.environment()["compiler"] is None


def test_commit(tmp_path, monkeypatch):
    def git(*arguments):
        done = subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments],
            cwd=tmp_path, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(report, "__file__", str(tmp_path / "report.py"))
    assert report.commit() is None
    git("init", "-q")
    assert report.commit() is None
    (tmp_path / "report.py").write_text("1\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert report.commit() == git("rev-parse", "HEAD")
    (tmp_path / "report.py").write_text("2\n")
    assert report.commit() == git("rev-parse", "HEAD") + "+"


# Tables and pictures


def test_a_table_loses_no_figure_on_a_narrow_terminal():
    made = report.table("Title", ["run", *(str(i) for i in range(20))])
    made.add_row("a name", *(f"{i + 0.25:.2f}" for i in range(20)))
    out = Console(file=io.StringIO(), width=40)
    report.show(made, out)
    told = out.file.getvalue()
    assert "…" not in told
    (row,) = [line for line in told.splitlines() if "a name" in line]
    assert row.split()[2:] == [f"{i + 0.25:.2f}" for i in range(20)]


@pytest.mark.parametrize("width", [60, 200])
def test_title_and_caption_of_a_small_table_are_as_wide_as_the_console(width):
    made = report.table("A title " * 5, ["a", "b"], caption="A caption " * 20)
    made.add_row("1", "2")
    out = Console(file=io.StringIO(), width=width)
    report.show(made, out)
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert lines[0] == ("A title " * 5).strip()
    assert [line.split() for line in lines[1:6]] == [[], ["a", "b"], ["-----"], ["1", "2"], []]
    assert lines[6] == ("A caption " * (min(width, report.WIDTH) // 10)).strip()
    assert " ".join(" ".join(lines[6:]).split()) == ("A caption " * 20).strip()
    assert (made.title, made.caption) == ("A title " * 5, "A caption " * 20)


def test_a_table_without_title_or_caption():
    made = report.table("", ["a", "b"])
    made.add_row("1", "2")
    out = Console(file=io.StringIO(), width=60)
    report.show(made, out)
    assert [line.split() for line in out.file.getvalue().splitlines()] == [
        [],
        ["a", "b"],
        ["-----"],
        ["1", "2"],
        [],
    ]


class Terminal(io.StringIO):
    """A terminal that keeps what is written on it."""

    def isatty(self):
        return True


@pytest.mark.parametrize("plain", [True, False])
def test_a_table_has_colours_only_if_the_console_has(plain, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = report.table("Title", ["run"])
    made.add_row("[red]failed[/]")
    out = Console(file=Terminal(), width=40, no_color=plain)
    report.show(made, out)
    assert ("\x1b[31m" in out.file.getvalue()) is not plain


def test_columns_of_text_are_to_the_left_and_of_numbers_to_the_right():
    assert [column.justify for column in report.table("T", "abcd").columns] == ["left", "right", "right", "right"]
    assert [column.justify for column in report.table("T", "abc", text=2).columns] == ["left", "left", "right"]
    assert {column.no_wrap for column in report.table("T", "abc").columns} == {True}


def test_what_is_piped_is_120_columns_wide(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert report.console().width == 120


def test_a_picture(tmp_path):
    fig, axes = style.figure(1, 2, height=3)
    axes[0].plot([1, 2], [0.02, 4])
    style.log_scale(axes[0].yaxis)
    assert axes[0].get_yscale() == "log"
    path = style.save(fig, tmp_path / "new" / "p.png")
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(head[i : i + 4]) for i in (16, 20)] == [1800, 540]
    assert [file.name for file in path.parent.iterdir()] == ["p.png"]
    assert {"0.03", "0.1", "0.3", "1", "3"} <= set(labels(axes[0].get_yticklabels()))
    assert set(labels(axes[0].get_yticklabels(minor=True))) <= {""}


def test_a_logarithmic_axis_across():
    _, axes = style.figure()
    axes.plot([0.02, 4], [1, 2])
    style.log_scale(axes.xaxis)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert {"0.03", "0.1", "0.3", "1", "3"} <= set(labels(axes.get_xticklabels()))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.02, 4, "0.03 0.1 0.3 1 3"),
        (0.1, 10, "0.1 0.3 1 3 10"),
        (0.06, 0.4, "0.1 0.2 0.3"),
        (0.05, 0.4, "0.05 0.1 0.2"),
        (0.3, 0.9, "0.3 0.4 0.5 0.6 0.7 0.8 0.9"),
        (2, 2.5, "2 2.2 2.4"),
        (5, 5.0000002, "5 5.0000001 5.0000002"),
        (0.00001, 10, "0.00001 0.0001 0.001 0.01 0.1 1 10"),
        (1, 3e6, "1 10 100 1000 10000 100000 1000000"),
        (1e-9, 1e4, "0.000000001 0.0000001 0.00001 0.001 0.1 10 1000"),
    ],
)
def test_a_logarithmic_axis_has_at_least_three_plain_numbers(low, high, shown):
    fig, axes = style.figure()
    axes.plot([1, 2], [low, high])
    style.log_scale(axes.yaxis)
    axes.set_ylim(low, high)
    fig.draw_without_rendering()
    assert labels(axes.get_yticklabels()) == shown.split()


def test_a_picture_that_cannot_be_drawn_leaves_the_old_file(tmp_path):
    fig, axes = style.figure()
    path = style.save(fig, tmp_path / "p.png")
    before = path.read_bytes()
    axes.set_title("$\\frac$")  # what is no mathematics is found out when it is drawn
    with pytest.raises(ValueError, match="frac"):
        style.save(fig, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_suffix_is_the_format(tmp_path):
    fig, _ = style.figure()
    assert b"<svg" in style.save(fig, tmp_path / "new" / "and" / "deep" / "p.svg").read_bytes()
    assert style.save(fig, tmp_path / "p").read_bytes()[:4] == b"\x89PNG"


def test_no_two_optimizers_look_alike():
    from matplotlib.colors import is_color_like
    from matplotlib.lines import Line2D

    looks = [*style.LOOKS.values(), *style.GUESTS]
    assert all(is_color_like(look.color) and look.color.startswith("#") for look in looks)
    for look in looks:
        Line2D([], [], linestyle=look.dash)  # raises for what is no dash
    assert len(set(looks)) == len(looks)
    assert {look.color for look in style.GUESTS} == {style.BLACK, style.GREY}
    assert not {style.BLACK, style.GREY} & {look.color for look in style.LOOKS.values()}


def lightness(color: str) -> float:
    """L* of CIELAB, from 0 to 100: what remains of a colour for those who see no colours."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb(color)))
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def rgb(color: str) -> bytes:
    return bytes.fromhex(color[1:])


@pytest.mark.parametrize(
    "related",
    [
        ("sgd", "nesterov"),
        ("momentum", "nesterov", "muon"),
        ("adagrad", "rmsprop", "adadelta"),
        ("adam", "adamw", "adamax"),
        ("radam", "cell14"),
        ("lookahead", "ema", "ranger"),
        ("sgd", "sam"),
    ],
)
def test_related_optimizers_have_shades_that_are_told_apart_without_seeing_colours(related):
    found = sorted(lightness(style.LOOKS[name].color) for name in related)
    assert min(b - a for a, b in itertools.pairwise(found)) > 12
    assert 20 < found[0] < found[-1] < 78  # neither black nor too pale on white


def test_every_optimizer_has_one_family():
    assert sorted(name for family in style.FAMILIES.values() for name in family) == sorted(style.LOOKS)
