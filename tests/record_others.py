"""Record the newer optimizers where they come from, for the tests: run by hand, with the packages below.

    pip install torch==2.13.0 optax==0.2.8 jax==0.10.2 schedulefree==1.4.1 numpy
    python tests/record_others.py

It writes `tests/data/other_trajectories.npz`, which is committed so that the tests need none of them. As
`record_torch.py`, whose inputs the rules that work number by number share: everything is float64, what the
arrays are stands in the array `about`, and running it again gives the same arrays. `recorded_others.py` reads it.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import schedulefree
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from record_torch import DATA, SHAPES, STEPS, trajectory_inputs

jax.config.update("jax_enable_x64", True)

Shapes = list[tuple[int, ...]]
Inputs = tuple[Shapes, np.ndarray, np.ndarray]
Run = tuple[np.ndarray, np.ndarray | None]

RATES = [0.02 / (1 + 0.2 * t) * (0.3 if t % 7 == 3 else 1.0) for t in range(STEPS)]
"""A rate that changes at every step, and not smoothly: a rate kept inside a state would show."""


def split(vector: np.ndarray, shapes: Shapes) -> list[np.ndarray]:
    """Cut a vector into arrays of these shapes, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


# --- Inputs ------------------------------------------------------------------------------------------


def layers() -> Inputs:
    """Return two layers for LAMB: lengths that are zero, and gradients so small that every eps shows.

    Both biases start at 0, and the second has no gradient for the first four steps; the last parameter, which is
    not 0, never has one; the last row of the first matrix has gradients of about 1e-6.
    """
    shapes = [(4, 3), (4,), (2, 4), (2,), (3,)]
    random = np.random.default_rng(1904)
    size = sum(int(np.prod(shape)) for shape in shapes)
    theta0 = random.normal(size=size)
    scale = np.repeat([1.0, 10.0, 1e-6, 0.1, 1.0, 3.0, 0.0], [3, 6, 3, 4, 8, 2, 3])
    gradients = (random.normal(size=(30, size)) + 0.3) * scale
    gradients[random.random(gradients.shape) < 0.1] = 0.0
    theta0[12:16] = theta0[24:26] = 0.0
    gradients[:4, 24:26] = 0.0
    return shapes, theta0, gradients + 0.0


def matrices() -> Inputs:
    """Return matrices for Muon: square, tall, wide, one row, and one column.

    The wide one has no gradient at its first two steps (0 / eps); the row's gradients are about 1e-8, so that its
    length is below the eps of 1e-7; the column's are ordinary.
    """
    shapes = [(4, 4), (6, 3), (3, 6), (1, 3), (3, 1)]
    random = np.random.default_rng(2024)
    sizes = [int(np.prod(shape)) for shape in shapes]
    theta0 = random.normal(size=sum(sizes))
    scale = np.repeat([1.0, 10.0, 0.01, 1e-8, 1.0], sizes)
    gradients = (random.normal(size=(12, sum(sizes))) + 0.3) * scale
    gradients[:2, 34:52] = 0.0
    return shapes, theta0, gradients + 0.0


# --- Runs --------------------------------------------------------------------------------------------


def run_torch(make: Callable[[list[Any]], Any], case: dict[str, Any], inputs: Inputs) -> Run:
    """Run an optimizer of PyTorch's kind; return theta after each step, and the averaged theta if there is one."""
    shapes, theta0, gradients = inputs
    parameters = [torch.nn.Parameter(torch.tensor(part)) for part in split(theta0, shapes)]
    optimizer = make(parameters)
    ema = None
    if case["rule"] == "EMA":
        model = torch.nn.ParameterList(parameters)
        average = torch.optim.swa_utils.get_ema_multi_avg_fn(case["hyper"]["decay"])
        ema = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average)
        ema.update_parameters(model)  # the first call copies: the average starts at theta_0

    def flat(tensors: Any) -> np.ndarray:
        return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])

    path, averaged = [], []
    for t, g in enumerate(gradients, start=1):
        for i, (parameter, gradient) in enumerate(zip(parameters, split(g, shapes), strict=True)):
            parameter.grad = None if i == 1 and t in case["missing"] else torch.tensor(gradient)
        if case["rates"]:
            optimizer.param_groups[0]["lr"] = case["rates"][t - 1]
        optimizer.step()
        path.append(flat(parameters))
        if ema is not None:
            ema.update_parameters(model)
            averaged.append(flat(ema.module))
        if case["rule"] == "ScheduleFreeAdamW":
            optimizer.eval()
            averaged.append(flat(parameters))
            optimizer.train()
    return np.array(path), np.array(averaged) if averaged else None


def run_optax(make: Callable[[Any], Any], case: dict[str, Any], inputs: Inputs) -> Run:
    """Run an optimizer of optax, whose `make` takes the rate or a function of the steps taken."""
    shapes, theta0, gradients = inputs
    rates = case["rates"]
    rule = make((lambda taken: jax.numpy.array(rates)[taken]) if rates else case["hyper"].get("lr", case["lr"]))
    theta = [jax.numpy.array(part) for part in split(theta0, shapes)]
    state = rule.init(theta)
    path = []
    for g in gradients:
        updates, state = rule.update([jax.numpy.array(part) for part in split(g, shapes)], state, theta)
        theta = optax.apply_updates(theta, updates)
        path.append(np.concatenate([np.asarray(part).ravel() for part in theta]))
    return np.array(path), None


def newton_schulz_float64(grad: Any, ns_coefficients: Any, ns_steps: int, eps: float) -> Any:
    """Orthogonalize as torch.optim.Muon does, in float64 and without transposing."""
    assert grad.dtype == torch.float64
    a, b, c = ns_coefficients
    x = grad / max(float(torch.linalg.matrix_norm(grad)), eps)
    for _ in range(ns_steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x


# --- SAM ---------------------------------------------------------------------------------------------


def beale(theta: Any) -> Any:
    """Return (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2."""
    x, y = theta
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def run_sam(outer: Any, rho: float, theta0: list[float], steps: int) -> np.ndarray:
    """Run optax's SAM on Beale's function, its two coordinates being two parameters; return theta after each step."""
    climb = optax.chain(optax.contrib.normalize(), optax.sgd(rho))
    rule = optax.contrib.sam(outer, climb, opaque_mode=True)
    gradient = jax.grad(beale)
    theta = [jax.numpy.array(x) for x in theta0]
    state = rule.init(theta)
    path = []
    for _ in range(steps):
        updates, state = rule.update(gradient(theta), state, theta, grad_fn=lambda theta, _: gradient(theta))
        theta = optax.apply_updates(theta, updates)
        path.append([float(x) for x in theta])
    return np.array(path)


# --- All of it ---------------------------------------------------------------------------------------


def main() -> None:
    """Write the file and say how large it is."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    all_inputs: dict[str, Inputs] = {
        "elements": (SHAPES, *trajectory_inputs()),
        "layers": layers(),
        "matrices": matrices(),
    }
    cases: dict[str, dict[str, Any]] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, (_, theta0, gradients) in all_inputs.items():
        arrays[f"inputs/{name}/theta0"], arrays[f"inputs/{name}/gradients"] = theta0, gradients

    def case(name: str, run: Any, make: Any, hyper: dict[str, Any], inputs: str = "elements", **more: Any) -> None:
        rule = name.split("/")[0]
        about = {"rule": rule, "hyper": hyper, "inputs": inputs, "inner": None, "rates": None, "missing": []}
        about = {**about, "tolerance": 1e-10, **more}
        path, averaged = run(make, about, all_inputs[inputs])
        arrays[name] = path
        if averaged is not None:
            arrays[f"{name}/averaged"] = averaged
        cases[name] = about

    def from_torch(name: str, hyper: dict[str, Any], torch_class: str, extra: Any = (), **more: Any) -> None:
        def make(parameters: list[Any]) -> Any:
            return getattr(torch.optim, torch_class)(parameters, **dict(extra), **hyper)

        case(name, run_torch, make, hyper, ran=f"torch.optim.{torch_class}", **more)

    missing = [1, 2, 3, 10, 11, 25, 54]
    amsgrad = {"torch_class": "Adam", "extra": {"amsgrad": True}}
    from_torch("AMSGrad/default", {}, **amsgrad)
    from_torch("AMSGrad/unusual", {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1}, **amsgrad)
    hyper = {"lr": 0.02, "betas": [0.5, 0.8], "eps": 1e-3, "weight_decay": 0.2}
    from_torch("AMSGrad/weight_decay", hyper, **amsgrad)
    from_torch("AMSGrad/scheduled", {"betas": [0.9, 0.8]}, rates=RATES, **amsgrad)
    from_torch("AMSGrad/missing", {"lr": 0.02, "betas": [0.9, 0.8]}, missing=missing, **amsgrad)

    # NAdam's product has PyTorch's default dtype: in float32 it is off by some 1e-8 of itself, and theta by 1e-10.
    torch.set_default_dtype(torch.float64)
    unusual = {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1, "momentum_decay": 0.1}
    from_torch("NAdam/default", {}, "NAdam")
    from_torch("NAdam/unusual", unusual, "NAdam")
    from_torch("NAdam/weight_decay", {"lr": 0.02, "weight_decay": 0.2}, "NAdam")
    from_torch("NAdam/scheduled", {}, "NAdam", rates=RATES)
    from_torch("NAdam/missing", {"lr": 0.02}, "NAdam", missing=missing)
    torch.set_default_dtype(torch.float32)
    from_torch("NAdam/float32_product", {}, "NAdam", tolerance=1e-8)
    from_torch("NAdam/float32_product_unusual", unusual, "NAdam", tolerance=1e-8)

    # PyTorch's function in place of the one that goes through bfloat16, and then PyTorch as it is.
    module = importlib.import_module("torch.optim._muon")
    bfloat16 = module._zeropower_via_newtonschulz
    for kind, function in (("float64", newton_schulz_float64), ("bfloat16", bfloat16)):
        module._zeropower_via_newtonschulz = function
        for nesterov in (True, False):
            for decay in (0.0, 0.1):
                name = f"Muon/{kind}{'' if nesterov else '_plain'}{'_decay' if decay else ''}"
                hyper = {"lr": 0.02, "nesterov": nesterov, "weight_decay": decay}
                tolerance = 1e-10 if kind == "float64" else 1e-2
                from_torch(name, hyper, "Muon", inputs="matrices", tolerance=tolerance)
        tolerance = 1e-10 if kind == "float64" else 1e-3
        from_torch(f"Muon/{kind}_default", {}, "Muon", inputs="matrices", tolerance=tolerance)
    module._zeropower_via_newtonschulz = newton_schulz_float64
    hyper = {"momentum": 0.5, "weight_decay": 0.3, "ns_steps": 3}
    from_torch("Muon/float64_unusual", {"lr": 0.05, **hyper}, "Muon", inputs="matrices")
    from_torch("Muon/float64_scheduled", hyper, "Muon", inputs="matrices", rates=RATES[:12])
    module._zeropower_via_newtonschulz = bfloat16

    def from_optax(name: str, function: Any, hyper: dict[str, Any], lr: float, **more: Any) -> None:
        named = {key: value for key, value in hyper.items() if key not in ("lr", "betas")}
        if "betas" in hyper:
            named["b1"], named["b2"] = hyper["betas"]
        named.setdefault("weight_decay", 0.0)
        ran = f"optax.{function.__name__}"
        case(name, run_optax, lambda rate: function(rate, **named), hyper, lr=lr, ran=ran, **more)

    from_optax("Lion/default", optax.lion, {}, lr=1e-4)
    from_optax("Lion/unusual", optax.lion, {"lr": 0.02, "betas": [0.6, 0.8]}, lr=0.02)
    from_optax("Lion/weight_decay", optax.lion, {"lr": 0.02, "weight_decay": 0.3}, lr=0.02)
    from_optax("Lion/scheduled", optax.lion, {"weight_decay": 0.1}, lr=1e-4, rates=RATES)
    more: dict[str, Any] = {"inputs": "layers"}
    from_optax("LAMB/default", optax.lamb, {}, lr=1e-3, **more)
    hyper = {"lr": 0.02, "betas": [0.7, 0.9], "eps": 0.1}
    from_optax("LAMB/unusual", optax.lamb, hyper, lr=0.02, **more)
    from_optax("LAMB/weight_decay", optax.lamb, {"lr": 0.02, "weight_decay": 0.1}, lr=0.02, **more)
    from_optax("LAMB/scheduled", optax.lamb, {"weight_decay": 0.1}, lr=1e-3, rates=RATES[:30], **more)

    def from_schedulefree(name: str, hyper: dict[str, Any], **more: Any) -> None:
        def make(parameters: list[Any]) -> Any:
            optimizer = schedulefree.AdamWScheduleFree(parameters, **hyper)
            optimizer.train()
            return optimizer

        case(name, run_torch, make, hyper, ran="schedulefree.AdamWScheduleFree", **more)

    from_schedulefree("ScheduleFreeAdamW/default", {})
    from_schedulefree("ScheduleFreeAdamW/warmup", {"lr": 0.02, "warmup_steps": 5})
    from_schedulefree("ScheduleFreeAdamW/weight_decay", {"lr": 0.02, "weight_decay": 0.1})
    hyper = {"lr": 0.02, "weight_decay": 0.1, "warmup_steps": 5}
    from_schedulefree("ScheduleFreeAdamW/warmup_weight_decay", hyper)
    hyper = {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1, "weight_decay": 0.3, "warmup_steps": 30}
    from_schedulefree("ScheduleFreeAdamW/unusual", hyper)
    from_schedulefree("ScheduleFreeAdamW/scheduled", {"warmup_steps": 8}, rates=RATES[::-1])

    def around(parameters: list[Any]) -> Any:
        return torch.optim.Adam(parameters, lr=0.02)

    inner = {"rule": "Adam", "hyper": {"lr": 0.02}}
    ran = "torch.optim.swa_utils.AveragedModel around torch.optim.Adam"
    case("EMA/adam", run_torch, around, {"decay": 0.9}, inner=inner, ran=ran)
    case("EMA/default", run_torch, around, {"decay": 0.999}, inner=inner, ran=ran)

    # SAM asks for gradients where it goes, and so for a function.
    sam: dict[str, dict[str, Any]] = {}
    start, steps = [-1.0, 1.2], 40
    for name, inner, outer, rho in (
        ("SAM/sgd", {"rule": "SGD", "hyper": {"lr": 1e-3}}, optax.sgd(1e-3), 0.05),
        ("SAM/momentum", {"rule": "Momentum", "hyper": {"lr": 5e-4}}, optax.sgd(5e-4, momentum=0.9), 0.3),
        ("SAM/adam", {"rule": "Adam", "hyper": {"lr": 0.05}}, optax.adam(0.05), 0.1),
    ):
        arrays[name] = run_sam(outer, rho, start, steps)
        sam[name] = {"rule": "SAM", "hyper": {"rho": rho}, "inner": inner, "theta0": start, "ran": "optax.contrib.sam"}

    about = {
        **{package: version(package) for package in ("torch", "optax", "jax", "schedulefree")},
        "what": "Thetas after every step, float64, parameters laid end to end, one array per case; where the rule "
        "has an average, '<case>/averaged' is that, at the same steps. 'inputs/<name>/theta0' and "
        "'inputs/<name>/gradients' are what the cases ran on.",
        "shapes": {name: shapes for name, (shapes, _, _) in all_inputs.items()},
        "keys": {
            "rule": "the class, by the name it has or is to have in minigrad.optim",
            "hyper": "its keyword arguments; what is not named is at its default",
            "inner": "for EMA and SAM, the inner rule and its arguments",
            "inputs": "which theta0, gradients and shapes",
            "rates": "null, or the learning rate of each step",
            "missing": "steps, from 1, at which the second parameter has no gradient",
            "tolerance": "how closely float64 arithmetic can follow",
            "ran": "what ran",
        },
        "cases": cases,
        "sam": sam,
        "sam_surface": "Beale's function, its two coordinates as two parameters",
    }
    arrays["about"] = np.array(json.dumps(about))
    path = DATA / "other_trajectories.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name:24} {path.stat().st_size:7d} bytes")


if __name__ == "__main__":
    main()
