"""What all tests share: how hypothesis draws, a look at what a test may have left behind, and where tests run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cupy_stand_in
import pytest
from cupy_stand_in import Counts
from hypothesis import HealthCheck, settings

import minigrad
from minigrad import backend
from minigrad.recording import mode

# The same examples at every run and nothing kept between runs: a failure is a failure everywhere.
settings.register_profile(
    "tests",
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Start every test from one seed, and see that it leaves recording switched on."""
    minigrad.manual_seed(0)
    yield
    recording, mode.recording = mode.recording, True  # the next test shall not pay for it
    assert recording, "the test left recording switched off"


# --- Devices -------------------------------------------------------------------------------------------
#
# A test that takes the fixture `device` runs on the CPU, and again on the stand-in for CuPy (cupy_stand_in.py);
# with --device cuda it runs on the GPU instead. What is about GPUs alone takes `gpu`; what counts launches and
# transfers takes `stand_in`.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", choices=["cpu", "cuda"], default="cpu", help="where tests of the engine run (default: cpu)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--device") == "cuda":
        try:
            backend.import_cupy()
        except RuntimeError as error:
            raise pytest.UsageError(f"--device cuda: {error}") from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        on_gpu = metafunc.config.getoption("--device") == "cuda"
        metafunc.parametrize("device", ["cuda"] if on_gpu else ["cpu", "stand-in"], indirect=True)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where the test is to put its tensors: "cpu", or "cuda" with a GPU or the stand-in behind it."""
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
    return "cpu" if request.param == "cpu" else "cuda"


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> str:
    """Always "cuda": the GPU with --device cuda, the stand-in without."""
    if request.config.getoption("--device") != "cuda":
        request.getfixturevalue("stand_in")
    return "cuda"


@pytest.fixture
def stand_in(pytestconfig: pytest.Config) -> Iterator[Counts]:
    """The stand-in in the place of CuPy, and what it counts from here on."""
    if pytestconfig.getoption("--device") == "cuda":
        pytest.skip("counts what the stand-in for CuPy does; this run is on a GPU")
    before = {name: sys.modules.get(name) for name in cupy_stand_in.MODULES}
    sys.modules.update(cupy_stand_in.MODULES)
    counts = cupy_stand_in.counts
    counts.reset()
    try:
        yield counts
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
