"""Record what PyTorch does, for the tests: run by hand, with PyTorch 2.13 (CPU) and NumPy.

    python tests/record_torch.py

It writes into `tests/data/`, which is committed so that the tests need no PyTorch:

    torch_trajectories.npz   55 steps of every optimizer of PyTorch that minigrad has too, in float64
    torch_draws.npz          what the seeded generator gives: initial weights, uniforms, normals, permutations
    torch_functions.npz      losses and activations, values and gradients, in float64
    torch_schedules.json     learning rates of 30 steps under PyTorch's schedulers
    torch_schedulers.json    rates and momentum of two groups under schedulers that are stepped

Each says in itself which PyTorch made it and what its arrays are: the .npz files in an array `about`, a JSON
string (`json.loads(str(numpy.load(path)["about"]))`). No pickled objects. The script draws its own random
inputs from a fixed seed and records them too; running it again gives the same files.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]
from torch.nn import functional  # type: ignore[import-not-found, unused-ignore]

DATA = Path(__file__).resolve().parent / "data"
TORCH = str(torch.__version__)


def save(name: str, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write one .npz: the arrays, and `about` as a JSON string among them."""
    arrays = {"about": np.array(json.dumps({"torch": TORCH, **about})), **arrays}
    np.savez_compressed(DATA / name, **arrays)  # type: ignore[arg-type, unused-ignore]


# --- Optimizers --------------------------------------------------------------------------------------

STEPS = 55
SHAPES = [(2, 3), (4,), (1,)]


def trajectory_inputs() -> tuple[np.ndarray, np.ndarray]:
    """Return theta_0 (11,) and gradients (55, 11) that leave no term of a rule without effect.

    Coordinate by coordinate: ordinary ones of several scales, one whose gradients are so small (about
    1e-8) that every default eps shows, one that is zero for ever, one that is zero for the first twelve
    steps; and zeros strewn among the rest.
    """
    random = np.random.default_rng(2024)
    size = sum(int(np.prod(shape)) for shape in SHAPES)
    theta0 = random.normal(size=size)
    scale = np.array([1.0, 0.1, 10.0, 1e-3, 1e-8, 0.0, 1.0, 3.0, 1e-2, 1.0, 1.0])
    gradients = (random.normal(size=(STEPS, size)) + 0.3) * scale
    gradients[random.random((STEPS, size)) < 0.1] = 0.0
    gradients[:12, 9] = 0.0
    return theta0, gradients + 0.0  # + 0.0: no negative zeros


def cases() -> dict[str, dict[str, Any]]:
    """Return every recorded run: the rule by minigrad's name, its arguments, and PyTorch's for the same."""
    found: dict[str, dict[str, Any]] = {}

    def case(name: str, hyper: dict[str, Any], **more: Any) -> None:
        rule = name.split("/")[0]
        torch_class, torch_hyper = rule, dict(hyper)
        if rule in ("Momentum", "Nesterov"):
            torch_class = "SGD"
            torch_hyper = {"momentum": 0.9, "nesterov": rule == "Nesterov", **hyper}
        found[name] = {
            "rule": rule,
            "hyper": hyper,
            "torch_class": torch_class,
            "torch_hyper": torch_hyper,
            "rates": None,
            "missing": [],
            **more,
        }

    case("SGD/default", {})
    case("Momentum/default", {})
    case("Nesterov/default", {})
    case("Adagrad/default", {})
    case("RMSprop/default", {})
    case("Adam/default", {})
    case("AdamW/default", {})
    case("Adadelta/default", {})
    case("Adamax/default", {})
    case("RAdam/default", {})
    case("SGD/unusual", {"lr": 0.05})
    case("SGD/weight_decay", {"lr": 0.02, "weight_decay": 0.3})
    case("Momentum/unusual", {"lr": 0.02, "momentum": 0.5})
    case("Momentum/weight_decay", {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.2})
    case("Nesterov/unusual", {"lr": 0.02, "momentum": 0.5})
    case("Nesterov/weight_decay", {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.2})
    case("Adagrad/unusual", {"lr": 0.1, "eps": 0.1})
    case("Adagrad/weight_decay", {"lr": 0.05, "eps": 1e-3, "weight_decay": 0.2})
    case("RMSprop/unusual", {"lr": 0.02, "alpha": 0.7, "eps": 0.1})
    case("RMSprop/weight_decay", {"lr": 0.005, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.2})
    case("Adam/unusual", {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1})
    case("Adam/weight_decay", {"lr": 0.02, "betas": [0.5, 0.99], "eps": 1e-3, "weight_decay": 0.2})
    case("Adam/no_memory", {"lr": 0.02, "betas": [0.0, 0.0], "eps": 0.01})
    case("AdamW/unusual", {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1, "weight_decay": 0.3})
    case("AdamW/no_decay", {"lr": 0.01, "weight_decay": 0.0})
    case("Adadelta/unusual", {"lr": 0.5, "rho": 0.7, "eps": 0.01})
    case("Adadelta/weight_decay", {"lr": 2.0, "rho": 0.95, "eps": 1e-4, "weight_decay": 0.2})
    case("Adamax/unusual", {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1})
    case("Adamax/weight_decay", {"lr": 0.02, "betas": [0.5, 0.99], "eps": 1e-3, "weight_decay": 0.2})
    # Rectified from step 6 at the default beta2 = 0.999; later the shorter the average, and never at 0.65,
    # whose rho_inf of 4.7 is above the paper's threshold of 4 and below PyTorch's of 5.
    case("RAdam/unusual", {"lr": 0.05, "betas": [0.7, 0.9], "eps": 0.1})
    case("RAdam/late", {"lr": 0.02, "betas": [0.8, 0.7], "eps": 1e-3})
    case("RAdam/never", {"lr": 0.01, "betas": [0.9, 0.65]})
    case("RAdam/weight_decay", {"lr": 0.02, "betas": [0.5, 0.99], "eps": 1e-3, "weight_decay": 0.2})

    # The rate changes at every step, and not smoothly: a rate kept inside a state would show.
    rates = [0.02 / (1 + 0.2 * t) * (0.3 if t % 7 == 3 else 1.0) for t in range(STEPS)]
    for rule in ("Momentum", "Nesterov", "Adam", "AdamW", "Adadelta", "RAdam"):
        case(f"{rule}/scheduled", {}, rates=rates)

    # The second parameter (coordinates 6 to 9) has no gradient at these steps, counted from 1.
    for rule in ("Momentum", "Adam", "RAdam"):
        case(f"{rule}/missing", {"lr": 0.02}, missing=[1, 2, 3, 10, 11, 25, 54])

    # PyTorch has neither of these: its Adam and RAdam, with Lookahead's lines around them in `run`.
    inner = {"rule": "Adam", "hyper": {"lr": 0.02}}
    case("Lookahead/adam", {"k": 5, "alpha": 0.5}, inner=inner, torch_class="Adam", torch_hyper={"lr": 0.02})
    inner = {"rule": "Momentum", "hyper": {"lr": 0.02}}
    torch_hyper = {"lr": 0.02, "momentum": 0.9}
    around = {"k": 3, "alpha": 0.8}
    case("Lookahead/momentum", around, inner=inner, torch_class="SGD", torch_hyper=torch_hyper)
    case("Ranger/default", {}, torch_class="RAdam", torch_hyper={})
    hyper = {"lr": 0.02, "betas": [0.95, 0.99], "eps": 0.01, "weight_decay": 0.1}
    case("Ranger/unusual", {**hyper, "k": 6, "alpha": 0.3}, torch_class="RAdam", torch_hyper=hyper)
    return found


def run(case: dict[str, Any], theta0: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Run one case; return theta after every step, its parameters laid end to end, (55, 11)."""
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES])[:-1]

    def split(vector: np.ndarray) -> list[Any]:
        parts = zip(np.split(vector, ends), SHAPES, strict=True)
        return [torch.tensor(part.reshape(shape), dtype=torch.float64) for part, shape in parts]

    parameters = [torch.nn.Parameter(part) for part in split(theta0)]
    slow = split(theta0)
    optimizer = getattr(torch.optim, case["torch_class"])(parameters, **case["torch_hyper"])
    around = case["rule"] in ("Lookahead", "Ranger")
    path = []
    for t, g in enumerate(gradients, start=1):
        for i, (parameter, gradient) in enumerate(zip(parameters, split(g), strict=True)):
            parameter.grad = None if i == 1 and t in case["missing"] else gradient
        if case["rates"]:
            optimizer.param_groups[0]["lr"] = case["rates"][t - 1]
        optimizer.step()
        if around and t % case["hyper"].get("k", 5) == 0:
            for parameter, s in zip(parameters, slow, strict=True):
                s += case["hyper"].get("alpha", 0.5) * (parameter.data - s)
                parameter.data.copy_(s)
        path.append(np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters]))
    return np.array(path)


def record_trajectories() -> None:
    """Write torch_trajectories.npz: `theta0` (11,), `gradients` (55, 11), and each case's thetas (55, 11)."""
    theta0, gradients = trajectory_inputs()
    all_cases = cases()
    arrays = {name: run(case, theta0, gradients) for name, case in all_cases.items()}
    about = {
        "what": "Thetas after every step, float64, parameters laid end to end, one array per case.",
        "shapes": SHAPES,
        "keys": {
            "rule": "the public class in minigrad.optim",
            "hyper": "its keyword arguments; what is not named is at its default",
            "inner": "for Lookahead, the inner rule and its arguments",
            "rates": "null, or the learning rate of each step",
            "missing": "steps, from 1, at which the second parameter (coordinates 6 to 9) has no gradient",
            "torch_class": "the class of torch.optim that ran, with torch_hyper",
        },
        "cases": all_cases,
    }
    save("torch_trajectories.npz", about, {"theta0": theta0, "gradients": gradients, **arrays})


# --- Draws -------------------------------------------------------------------------------------------

SEEDS = [0, 1, 42, 2**31 - 1, 123456789]


def sha256(tensor: Any) -> str:
    """Return the SHA-256 of a tensor's bytes (of its own dtype, little-endian), in row order."""
    return hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()


def two_layers() -> dict[str, Any]:
    """Make the notebook's two layers, drawing from the global generator."""
    first, second = torch.nn.Linear(784, 100), torch.nn.Linear(100, 10)
    return {
        "linear1.weight": first.weight,
        "linear1.bias": first.bias,
        "linear2.weight": second.weight,
        "linear2.bias": second.bias,
    }


def draw_64() -> Any:
    """Take the 64-bit draw with which PyTorch's DataLoader starts to iterate."""
    return torch.empty((), dtype=torch.int64).random_()


def record_draws() -> None:
    """Write torch_draws.npz: what each seed gives, freshly seeded for each entry."""
    arrays: dict[str, np.ndarray] = {}
    hashes: dict[str, str] = {}
    draws: dict[str, Callable[[], Any]] = {
        "rand": lambda: torch.rand(20),
        "rand_float64": lambda: torch.rand(5, dtype=torch.float64),
        "randn_64": lambda: torch.randn(64),
        "randn_5": lambda: torch.randn(5),
        "randperm_1": lambda: torch.randperm(1),
        "randperm_2": lambda: torch.randperm(2),
        "randperm_10": lambda: torch.randperm(10),
        "randperm_1000": lambda: torch.randperm(1000),
        "random_int64": draw_64,
    }
    for seed in SEEDS:
        torch.manual_seed(seed)
        for name, tensor in two_layers().items():
            arrays[f"{seed}/{name}"] = tensor.detach().numpy().ravel()[:20]
            hashes[f"{seed}/{name}"] = sha256(tensor)
        for name, draw in draws.items():
            torch.manual_seed(seed)
            arrays[f"{seed}/{name}"] = draw().numpy()
        torch.manual_seed(seed)
        hashes[f"{seed}/randperm_60000"] = sha256(torch.randperm(60000))
        torch.manual_seed(seed)
        arrays[f"{seed}/mixed/1_rand_3"] = torch.rand(3).numpy()
        arrays[f"{seed}/mixed/2_randperm_7"] = torch.randperm(7).numpy()
        arrays[f"{seed}/mixed/3_random_int64"] = draw_64().numpy()
        arrays[f"{seed}/mixed/4_rand_float64_2"] = torch.rand(2, dtype=torch.float64).numpy()
        # Fewer than 16 normals are drawn in pairs; the half of a pair left over is kept for the next call.
        arrays[f"{seed}/mixed/5_randn_3"] = torch.randn(3).numpy()
        arrays[f"{seed}/mixed/6_rand_2"] = torch.rand(2).numpy()
        arrays[f"{seed}/mixed/7_randn_2"] = torch.randn(2).numpy()

    # The notebook's PyTorch: its DataLoader took one 64-bit draw, then the permutation, both from the
    # global generator. Today's sampler seeds a generator of its own, so its calls are made here by hand.
    torch.manual_seed(0)
    two_layers()
    draw_64()
    order = torch.randperm(60000)
    arrays["notebook/epoch1"], hashes["notebook/epoch1"] = order[:300].numpy(), sha256(order)
    draw_64()  # the test images are gone through once: one draw, no permutation
    draw_64()
    order = torch.randperm(60000)
    arrays["notebook/epoch2"], hashes["notebook/epoch2"] = order[:300].numpy(), sha256(order)

    about = {
        "what": "Draws of the global generator. Arrays are '<seed>/<entry>', the generator freshly seeded "
        "for each entry, but for the two layers, made one after the other, and 'mixed/<i>_...', drawn in the "
        "order of i. Of the layers (784 to 100, 100 to 10; weight, then bias) only the first 20 values are "
        "kept, float32. 'notebook/epoch1': seed 0, the two layers, one 64-bit draw, randperm(60000), its "
        "first 300 entries; 'epoch2' goes on with two more 64-bit draws (test images, training images) and "
        "the next randperm(60000).",
        "sha256_of": "the whole array's bytes in row order, little-endian; layers float32, the rest int64",
        "seeds": SEEDS,
        "sha256": hashes,
    }
    save("torch_draws.npz", about, arrays)


# --- Functions ---------------------------------------------------------------------------------------


def record_functions() -> None:
    """Write torch_functions.npz: values and gradients of losses and activations."""
    random = np.random.default_rng(7)
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any] = {}

    def case(name: str, function: Callable[..., Any], inputs: dict[str, np.ndarray], **arguments: Any) -> None:
        tensors = {key: torch.tensor(value) for key, value in inputs.items()}
        for tensor in tensors.values():
            if tensor.is_floating_point():
                tensor.requires_grad_()
        out = function(*tensors.values(), **arguments)
        upstream = torch.tensor(random.normal(size=tuple(out.shape))) if out.ndim else torch.ones_like(out)
        out.backward(upstream)
        for key, tensor in tensors.items():
            arrays[f"{name}/in/{key}"] = tensor.detach().numpy()
            if tensor.requires_grad:
                arrays[f"{name}/grad/{key}"] = tensor.grad.numpy()
        arrays[f"{name}/out"] = out.detach().numpy()
        arrays[f"{name}/upstream"] = upstream.numpy()
        described[name] = {"function": name.split("/")[0], "inputs": list(inputs), "arguments": arguments}

    logits, labels = random.normal(size=(6, 4)) * 3, np.array([0, 3, 1, 1, 2, 0])
    extreme = np.array([[1000.0, -1000.0, 0.0], [0.0, 0.0, 0.0], [-800.0, 700.0, 700.0], [1e-9, 0.0, -1e-9]])
    extreme_labels = np.array([1, 2, 0, 0])
    for reduction in ("mean", "sum", "none"):
        case(
            f"cross_entropy/{reduction}",
            functional.cross_entropy,
            {"input": logits, "target": labels},
            reduction=reduction,
        )
        case(
            f"mse_loss/{reduction}",
            functional.mse_loss,
            {"input": random.normal(size=(3, 4)), "target": random.normal(size=(3, 4))},
            reduction=reduction,
        )
    case("cross_entropy/extreme", functional.cross_entropy, {"input": extreme, "target": extreme_labels})
    for name in ("softmax", "log_softmax"):
        function = getattr(functional, name)
        case(f"{name}/last", function, {"input": logits}, dim=-1)
        case(f"{name}/first", function, {"input": logits}, dim=0)
        case(f"{name}/middle", function, {"input": random.normal(size=(2, 3, 4))}, dim=1)
        case(f"{name}/extreme", function, {"input": extreme}, dim=1)
    points = np.concatenate([[0.0, -0.0, 800.0, -800.0, 40.0, -40.0, 1e-12], random.normal(size=9) * 2])
    for name in ("tanh", "sigmoid", "relu"):
        case(name, getattr(torch, name), {"input": points})
    x, weight, bias = random.normal(size=(5, 3)), random.normal(size=(2, 3)), random.normal(size=2)
    case("linear/bias", functional.linear, {"input": x, "weight": weight, "bias": bias})
    case("linear/no_bias", functional.linear, {"input": x, "weight": weight})
    about = {
        "what": "For each case, all float64 but the labels: '<case>/in/<input>', '<case>/out', "
        "'<case>/upstream' (the gradient handed to out.backward) and '<case>/grad/<input>' for each input "
        "that has one. The call was function(*inputs in the order named, **arguments).",
        "cases": described,
    }
    save("torch_functions.npz", about, arrays)


# --- Schedules ---------------------------------------------------------------------------------------


def record_schedules() -> None:
    """Write torch_schedules.json: the rate in force at each of 30 steps."""
    schedulers = torch.optim.lr_scheduler
    wanted: dict[str, tuple[str, float, dict[str, Any]]] = {
        "StepLR": ("StepLR", 0.1, {"step_size": 7, "gamma": 0.5}),
        "StepLR/default": ("StepLR", 0.1, {"step_size": 10}),
        "ExponentialLR": ("ExponentialLR", 0.1, {"gamma": 0.9}),
        "CosineAnnealingLR": ("CosineAnnealingLR", 0.1, {"T_max": 29}),
        "CosineAnnealingLR/eta_min": ("CosineAnnealingLR", 0.1, {"T_max": 40, "eta_min": 0.01}),
        "CosineAnnealingLR/past_T_max": ("CosineAnnealingLR", 0.1, {"T_max": 12, "eta_min": 0.01}),
        "LinearLR": ("LinearLR", 0.1, {"start_factor": 0.1, "total_iters": 10}),
        "LinearLR/default": ("LinearLR", 0.1, {}),
    }
    found: dict[str, Any] = {}

    def rates(make: Callable[[Any], Any], lr: float) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
        scheduler = make(optimizer)
        seen = []
        for _ in range(30):
            seen.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        return seen

    for name, (kind, lr, arguments) in wanted.items():
        chosen = getattr(schedulers, kind)
        found[name] = {
            "torch_class": kind,
            "lr": lr,
            "arguments": arguments,
            "rates": rates(partial(chosen, **arguments), lr),
        }

    def warm_cosine(optimizer: Any) -> Any:
        warm = schedulers.LinearLR(optimizer, start_factor=0.1, total_iters=5)
        cosine = schedulers.CosineAnnealingLR(optimizer, T_max=25)
        return schedulers.SequentialLR(optimizer, [warm, cosine], milestones=[5])

    found["LinearLR then CosineAnnealingLR"] = {
        "torch_class": "SequentialLR",
        "lr": 0.1,
        "arguments": {
            "LinearLR": {"start_factor": 0.1, "total_iters": 5},
            "CosineAnnealingLR": {"T_max": 25},
            "milestones": [5],
        },
        "rates": rates(warm_cosine, 0.1),
    }
    about = {
        "torch": TORCH,
        "what": "rates[t] is the rate after t scheduler steps, t = 0..29, from base rate lr.",
        "schedules": found,
    }
    (DATA / "torch_schedules.json").write_text(json.dumps(about, indent=1) + "\n")


METRICS = [1.0, 0.9, 0.9, 0.89999, 0.9, 0.95, 0.8, 0.81, 0.82, 0.83, 0.79999, 0.8, 0.9, 0.9, 0.9, 0.7, 0.71, 0.72, 0.73]
"""What `ReduceLROnPlateau` gets, again and again."""


def record_schedulers() -> None:
    """Write torch_schedulers.json: rates (and momentum) of the groups under schedulers that are stepped."""
    schedulers = torch.optim.lr_scheduler
    once = {"max_lr": 0.5, "total_steps": 30}
    cases: list[tuple[str, list[tuple[str, dict[str, Any]]]]] = [
        ("SGD", [("StepLR", {"step_size": 7, "gamma": 0.5})]),
        ("SGD", [("MultiStepLR", {"milestones": [3, 11, 12], "gamma": 0.2})]),
        ("SGD", [("MultiStepLR", {"milestones": [20, 5]})]),
        ("SGD", [("ExponentialLR", {"gamma": 0.9})]),
        ("SGD", [("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01})]),
        ("SGD", [("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 10})]),
        ("SGD", [("LinearLR", {})]),
        ("SGD", [("LinearLR", {"total_iters": 4}), ("ExponentialLR", {"gamma": 0.9})]),
        ("SGD", [("OneCycleLR", once)]),
        ("Adam", [("OneCycleLR", {**once, "anneal_strategy": "linear", "pct_start": 0.4, "div_factor": 10.0})]),
        ("SGD", [("OneCycleLR", {"max_lr": 0.5, "epochs": 5, "steps_per_epoch": 6, "cycle_momentum": False})]),
        ("SGD", [("ReduceLROnPlateau", {"patience": 2})]),
        ("SGD", [("ReduceLROnPlateau", {"mode": "max", "factor": 0.5, "patience": 3, "cooldown": 2, "min_lr": 0.02})]),
        ("SGD", [("ReduceLROnPlateau", {"threshold": 0.05, "threshold_mode": "abs", "patience": 1, "eps": 0.002})]),
    ]
    found = []
    for kind, stepped in cases:
        momentum = {"momentum": 0.9} if kind == "SGD" else {}
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.03)]
        optimizer = getattr(torch.optim, kind)(groups, **momentum)
        made = [getattr(schedulers, name)(optimizer, **arguments) for name, arguments in stepped]
        rates, momenta = [], []
        for t in range(30):
            rates.append([float(group["lr"]) for group in optimizer.param_groups])
            group = optimizer.param_groups[0]
            momenta.append(float(group["momentum"] if "momentum" in group else group["betas"][0]))
            optimizer.step()
            for scheduler in made if t < 29 else []:
                plateau = isinstance(scheduler, schedulers.ReduceLROnPlateau)
                scheduler.step(*([METRICS[t % len(METRICS)]] if plateau else []))
        found.append({"optimizer": kind, "schedulers": stepped, "rates": rates, "momentum": momenta})
    about = {
        "torch": TORCH,
        "what": "rates[t] and momentum[t] after t steps of the schedulers, of groups with the rates 0.1 and 0.03.",
        "metrics": METRICS,
        "cases": found,
    }
    (DATA / "torch_schedulers.json").write_text(json.dumps(about, indent=1) + "\n")


def main() -> None:
    """Write all five files and say how large they are."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    DATA.mkdir(exist_ok=True)
    record_trajectories()
    record_draws()
    record_functions()
    record_schedules()
    record_schedulers()
    for path in sorted(DATA.glob("torch_*")):
        print(f"{path.name:24} {path.stat().st_size:7d} bytes")


if __name__ == "__main__":
    main()
