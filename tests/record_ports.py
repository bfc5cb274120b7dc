"""Record PyTorch's values of functions that scripts use besides layers and optimizers. Run by hand, with PyTorch 2.13.

    python tests/record_ports.py        writes tests/data/torch_ports.npz

Initial values (`INITIALIZED`) are of the seed 7, one after the other from one generator. The rest (`computed`) is
called with minigrad too, by the tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parent / "data" / "torch_ports.npz"

INITIALIZED: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "uniform": ("uniform_", (3, 5), {}),
    "uniform/range": ("uniform_", (40,), {"a": -2.0, "b": 0.5}),
    "normal": ("normal_", (7,), {}),
    "normal/large": ("normal_", (5, 9), {"mean": 1.0, "std": 0.02}),
    "xavier_uniform": ("xavier_uniform_", (4, 6), {}),
    "xavier_uniform/gain": ("xavier_uniform_", (4, 6), {"gain": 5 / 3}),
    "xavier_normal": ("xavier_normal_", (5, 4), {}),
    "kaiming_uniform": ("kaiming_uniform_", (6, 3), {}),
    "kaiming_uniform/linear": ("kaiming_uniform_", (6, 3), {"a": 5**0.5}),
    "kaiming_normal": ("kaiming_normal_", (8, 6), {"mode": "fan_out", "nonlinearity": "relu"}),
    "kaiming_normal/axes": ("kaiming_normal_", (3, 2, 3, 3), {"nonlinearity": "relu"}),
    "constant": ("constant_", (2, 2), {"val": 0.3}),
}
"""The function of nn.init, the shape, and its arguments."""

POINTS = {"x": np.array([0.5, -1.25, 2.0]), "y": np.array([[1.5, -0.5], [0.25, 3.0]])}
V = {"x": np.array([1.0, -2.0, 0.5]), "y": np.array([[0.5, 1.0], [-1.0, 2.0]])}
GRADIENTS = [np.array([[3.0, -4.0], [0.5, 1.0]]), np.array([-12.0, 0.25])]


CLIPPED = (("2", 2.0, 2.0), ("1", 5.0, 1.0), ("inf", 1.0, float("inf")), ("3", 4.0, 3.0), ("no", 1e3, 2.0))
"""A name, the largest norm, and which norm."""


def computed(torch: Any) -> dict[str, np.ndarray]:
    """Values of `torch` (PyTorch or minigrad), by name."""
    functional, utils = torch.autograd.functional, torch.nn.utils
    x, y, v, w = (torch.tensor(a) for a in (POINTS["x"], POINTS["y"], V["x"], V["y"]))

    def vector(a: Any) -> Any:
        return (a**2).exp() * a.sum()

    def scalar(a: Any) -> Any:
        return (a**3).sum() * a[0] + a.exp().sum()

    def both(a: Any, b: Any) -> Any:
        return (a.exp().sum() * b**2).sum() + (b @ b).sum() * a[1]

    found = {
        "jacobian": functional.jacobian(vector, x),
        "jacobian/matrix": functional.jacobian(lambda b: b @ b, y),
        "jacobian/scalar": functional.jacobian(scalar, x),
        "hessian": functional.hessian(scalar, x),
        "hvp/value": functional.hvp(scalar, x, v)[0],
        "hvp": functional.hvp(scalar, x, v)[1],
        "vhp": functional.vhp(scalar, x, v)[1],
    }
    for i, part in enumerate(functional.jacobian(lambda a, b: a.sum() * b, (x, y))):
        found[f"jacobian/{i}"] = part
    for i, row in enumerate(functional.hessian(both, (x, y))):
        found |= {f"hessian/{i}{j}": part for j, part in enumerate(row)}
    for i, part in enumerate(functional.hvp(both, (x, y), (v, w))[1]):
        found[f"hvp/{i}"] = part
    for name, norm, kind in (
        ("2", 2.0, 2.0),
        ("1", 5.0, 1.0),
        ("inf", 1.0, float("inf")),
        ("3", 4.0, 3.0),
        ("no", 1e3, 2.0),
    ):
        parameters = [torch.tensor(np.zeros_like(g), requires_grad=True) for g in GRADIENTS]
        for p, g in zip(parameters, GRADIENTS, strict=True):
            p.grad = torch.tensor(g)
        found[f"clip/{name}"] = utils.clip_grad_norm_(parameters, norm, norm_type=kind)
        found |= {f"clip/{name}/{i}": p.grad for i, p in enumerate(parameters)}
    utils.clip_grad_value_(parameters, 1.5)
    found |= {f"clip_value/{i}": p.grad for i, p in enumerate(parameters)}
    found["vector"] = utils.parameters_to_vector([x, y])
    return {name: np.asarray(value.detach()) for name, value in found.items()}


def main() -> None:
    """Write the file."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    torch.manual_seed(7)
    arrays = {}
    for name, (function, shape, arguments) in INITIALIZED.items():
        arrays[f"init/{name}"] = getattr(torch.nn.init, function)(torch.empty(shape), **arguments).numpy()
    arrays |= computed(torch)
    np.savez_compressed(DATA, about=np.array(json.dumps({"torch": str(torch.__version__)})), **arrays)


if __name__ == "__main__":
    main()
