"""Record what the scripts in tests/ports print with PyTorch. Run by hand, with PyTorch 2.13, scikit-learn, matplotlib.

python tests/record_scripts.py        writes tests/data/port_outputs.json
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

SCRIPTS = sorted((Path(__file__).resolve().parent / "ports").glob("*.py"))
DATA = Path(__file__).resolve().parent / "data" / "port_outputs.json"


def printed(path: Path, change: Callable[[str], str] = lambda code: code) -> list[str]:
    """The lines that a script prints, run in an empty folder, after a change of its code."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(out):
        code = compile(change(path.read_text(encoding="utf-8")), str(path), "exec")
        exec(code, {"__name__": "__main__"})
    return out.getvalue().splitlines()


def main() -> None:
    """Write the file."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    warnings.simplefilter("ignore")
    outputs = {path.stem: printed(path) for path in SCRIPTS}
    text = json.dumps({"torch": str(torch.__version__), "outputs": outputs}, indent=1)
    DATA.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
