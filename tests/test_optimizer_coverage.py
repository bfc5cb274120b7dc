"""Every public optimizer stands in the tables that the other tests go through, or this fails.

Who adds one to `minigrad.optim` is told here where it is to be added as well.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from optimizer_tools import BEYOND, UNUSUAL, public_optimizers
from recorded_others import cases
from reference_rules import REFERENCES
from test_convergence import CONVERGENCE, STEPS, SURFACES
from test_optimizer_state import STATES
from test_rules import ABOUT, RULES

from benchmarks.__main__ import BENCHMARKS
from benchmarks.console.options import split
from benchmarks.explain import EXPLANATIONS
from benchmarks.training.optimizers import entrants
from minigrad import optim

TABLES: dict[str, Any] = {
    "reference_rules.REFERENCES": REFERENCES,
    "optimizer_tools.UNUSUAL": UNUSUAL,
    "test_rules.RULES": RULES,
    "test_convergence.CONVERGENCE": CONVERGENCE,
    "test_optimizer_state.STATES": STATES,
    "data/torch_trajectories.npz (record_torch.py) or data/other_trajectories.npz (record_others.py)": (
        {case["rule"] for case in ABOUT["cases"].values()} | {case.rule for case in cases().values()} - BEYOND
    ),
}


def test_every_class_of_the_package_is_public() -> None:
    classes = {
        name for name, thing in vars(optim).items() if inspect.isclass(thing) and issubclass(thing, optim.Optimizer)
    } - {"Combined", "Optimizer", "Wrapper"}
    assert classes == public_optimizers() | BEYOND
    assert len(classes) >= 20


@pytest.mark.parametrize("table", TABLES)
def test_every_public_optimizer_is_in_the_table(table: str) -> None:
    missing, unknown = public_optimizers() - set(TABLES[table]), set(TABLES[table]) - public_optimizers()
    assert not missing, f"add {', '.join(sorted(missing))} to {table}"
    assert not unknown, f"{table} has {', '.join(sorted(unknown))}, which minigrad.optim has not"


def test_no_entry_is_empty() -> None:
    for name in public_optimizers():
        assert RULES[name]
        assert STATES[name]
        assert UNUSUAL[name]
        assert set(CONVERGENCE[name]) == set(SURFACES) == set(STEPS)


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_the_unusual_hyperparameters_are_all_of_them_and_none_is_the_default(name: str) -> None:
    given = {key: value for key, value in UNUSUAL[name].items() if key != "inner"}
    parameters = list(inspect.signature(getattr(optim, name)).parameters.values())[1:]
    if name == "SGD":
        parameters = [p for p in parameters if p.name not in ("momentum", "nesterov")]  # they make another class of it
    assert set(given) == {p.name for p in parameters}
    assert all(given[p.name] != p.default for p in parameters)


# --- The page of a rule: the docstring of its module ----------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
PAGES = pytest.mark.parametrize("name", sorted(public_optimizers() | BEYOND))


def end_of_the_page(name: str) -> str:
    """The last paragraph of a rule's page, in one line."""
    page = inspect.getdoc(inspect.getmodule(getattr(optim, name))) or ""
    return " ".join(page.split("\n\n")[-1].split())


@PAGES
def test_the_page_ends_with_when_to_use_the_rule_its_rates_what_draws_it_and_its_tests(name: str) -> None:
    end = end_of_the_page(name)
    assert re.match(r"When to use it: .*\bUsual rates: .*\bTo see it: .*\bTested ", end), end
    files = re.findall(r"tests/[\w/]+\.py", end)
    assert files, f"{name}'s page names no test"
    for file in files:
        assert (ROOT / file).is_file(), f"{name}'s page names {file}, which is not there"
        named = re.search(rf"(?<![a-z]){name}(?![a-z])", (ROOT / file).read_text(), re.IGNORECASE)
        assert named, f"{name}'s page names {file}, which is not about it"


@PAGES
def test_the_commands_of_the_page_are_understood_and_draw_the_rule(name: str) -> None:
    _, _, seen = end_of_the_page(name).partition("To see it: ")
    commands = re.findall("``python -m benchmarks ([^`]+)``", seen)
    assert commands, f"{name}'s page names no command"
    for benchmark, *options in map(shlex.split, commands):
        assert benchmark in BENCHMARKS
        asked = importlib.import_module(f"benchmarks.{benchmark}")._parser().parse_args(options)
        if benchmark == "explain":
            assert set(asked.names) <= set(EXPLANATIONS)
        else:
            assert not asked.optimizer, "that is for a learner's own"
            names = split([asked.optimizers])
            assert entrants(names)
            assert getattr(optim, name).__module__.rpartition(".")[2].replace("_", "") in names
