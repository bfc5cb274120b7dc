"""See it move: a page in the browser where optimizers race, step by step, and train a network while one looks on.

``python -m benchmarks explore`` serves the page at http://127.0.0.1:5006/ and opens it. There one chooses a surface (or
types a formula), clicks where to start, moves the sliders of the hyperparameters, plays the race, and follows one
optimizer through its formula, line by line. Everything is computed by minigrad's own rules and gradients.

``--optimizer path/to/mine.py:Mine`` takes a rule of one's own, and watches the file: whenever it is saved, the page
takes the new rule. It needs the extra [explore]: ``python -m pip install -e '.[explore]'``.
"""

from __future__ import annotations

import errno
import webbrowser
from argparse import ArgumentTypeError, Namespace
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from . import PROGRAM, UsageError
from .console import options, report
from .pictures.landscapes import SURFACES
from .training.optimizers import KNOWN
from .training.user_code import file_and_name, is_own

if TYPE_CHECKING:
    from .explorer.state import Offer

PORT = 5006


def main(argv: Sequence[str]) -> int:
    """Serve the page until Ctrl-C. Returns 0.

    Raises:
        UsageError: Bokeh is not installed, the port is taken, or a learner's file is wrong.
    """
    asked = _parser().parse_args(argv)
    if find_spec("bokeh") is None:
        packages = "-e '.[explore]'" if PROGRAM.startswith("python") else "bokeh"
        raise UsageError(f"bokeh is not installed: python -m pip install {packages}")
    from .explorer.remote import Library
    from .explorer.server import Server

    library = Library(_offer(asked))
    try:
        library.begin()
        try:
            server = Server(library, asked.host, asked.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(f"port {asked.port} of {asked.host} is taken: choose another with --port") from None
            raise UsageError(f"{asked.host} port {asked.port}: {error.strerror or error}") from None
        out = report.console()
        out.print(f"The page is at {server.url} (Ctrl-C ends it)", markup=False, soft_wrap=True)
        if not asked.no_browser:
            webbrowser.open(server.url)
        server.run()
    finally:
        library.end()
    return 0


def _parser() -> options.Parser:
    parser = options.Parser("explore", "A page in the browser where optimizers race and train while one looks on.")
    parser.add_own_optimizer()
    parser.add_argument(
        "--surface",
        action="append",
        default=[],
        metavar="FILE.py:FUNCTION",
        help="a surface of your own, beside the built-in ones (may be given again)",
    )
    parser.add_argument("--port", type=_port, default=PORT, help="(default: %(default)s; 0: any that is free)")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to serve at (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    return parser


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port < 65536:
        raise ArgumentTypeError(f"must be a port, from 0 to 65535, not {options.shown(text)}")
    return port


def _offer(asked: Namespace) -> Offer:
    """The learner's files, by the names that the page calls them."""
    from .explorer.state import Offer

    optimizers = _named(asked.optimizer, "--optimizer", KNOWN, "optimizer", "class", "Mine")
    surfaces = _named(asked.surface, "--surface", SURFACES, "surface", "function", "f")
    return Offer(optimizers, surfaces)


def _named(
    specs: Sequence[str], option: str, known: Collection[str], kind: str, what: str, example: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    for spec in specs:
        if not is_own(spec) and spec in known:
            raise UsageError(f"{option}: {spec} is on the page already; give a file of your own")
        file, name = file_and_name(spec, known, kind, what, example)
        if name in known or name in found:
            raise UsageError(f"{option}: there are two {kind}s called {name}; rename one")
        found[name] = f"{file}:{name}"
    return found
