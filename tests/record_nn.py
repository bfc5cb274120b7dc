"""Record PyTorch's values and gradients of layers, activations and losses. Run by hand, with PyTorch 2.13.

    python tests/record_nn.py        writes tests/data/torch_nn.npz

`EXPRESSIONS` are evaluated with `torch`, `nn` and `F`, which are PyTorch's here and minigrad's in test_nn_vs_torch.py,
and with the tensors of `inputs`. `DRAWS` are evaluated after ``torch.manual_seed(3)``, `TEXTS` are shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from record_tensors import evaluated

DATA = Path(__file__).resolve().parent / "data" / "torch_nn.npz"


def inputs(torch: Any) -> dict[str, Any]:
    """The tensors that the expressions use."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=(3, 4)) * 1.5
    arrays = {
        "x": x,
        "y": rng.normal(size=(3, 4)),
        "kinks": np.array([-1.0, 0.0, 1.0, 6.0, 0.5, 30.0, -30.0, 3.0]),
        "at_kinks": np.array([0.0, 1.0, 2.0, 5.0, 0.5, 29.0, -30.0, 4.0]),
        "p": rng.uniform(0.05, 0.95, (3, 4)),
        "ends": np.array([0.0, 1.0, 1.0, 0.0]),
        "t": rng.uniform(0.05, 0.95, (3, 4)),
        "log_p": np.log(np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        "v": rng.uniform(0.2, 2.0, (3, 4)),
        "c": rng.normal(size=(2, 3, 4)),
        "w": rng.normal(size=(4,)),
        "b": rng.normal(size=(4,)),
        "table": rng.normal(size=(5, 3)),
        "logits": rng.normal(size=(5, 3)) * 2,
        "deep": rng.normal(size=(2, 3, 2, 2)),
        "one": rng.normal(size=(3,)),
    }
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    q = rng.uniform(0.1, 1.0, (5, 3))
    constant = {
        "labels": np.array([0, 2, 1, 1, 2]),
        "some": np.array([0, -100, 1, -100, 2]),
        "grid": np.array([[[0, 1], [2, 2]], [[1, 0], [0, 2]]]),
        "heavy": np.array([0.5, 2.0, 1.5]),
        "q": q / q.sum(1, keepdims=True),
        "ones": np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]]),
        "signs": np.array([[1.0, -1.0, 1.0, 1.0], [-1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, 1.0]]),
        "side": np.array([1.0, -1.0, 1.0]),
        "places": np.array([[0, 4, 2], [2, 1, 0]]),
        "u": np.array([0.3, 2.0, 1.0, 0.5]),
    }
    return tensors | {name: torch.tensor(array) for name, array in constant.items()}


REDUCTIONS = ("mean", "sum", "none")

EXPRESSIONS = """
F.relu(kinks)
F.relu(x, inplace=False)
F.leaky_relu(kinks)
F.leaky_relu(x, 0.2)
F.elu(kinks)
F.elu(x, alpha=0.7)
F.selu(kinks)
F.gelu(x)
F.gelu(kinks, approximate="tanh")
F.silu(x)
F.silu(kinks)
F.mish(kinks)
F.softplus(x)
F.softplus(kinks)
F.softplus(kinks, beta=2, threshold=5)
F.logsigmoid(kinks)
F.softsign(kinks)
F.hardtanh(kinks)
F.hardtanh(x, -0.5, 0.75)
F.relu6(kinks)
F.sigmoid(kinks)
F.tanh(x)
F.softmax(x, dim=1)
F.softmax(x, dim=0)
F.softmax(x, 1, dtype=torch.float32)
F.log_softmax(x, dim=-1)
F.log_softmax(c, dim=1)
F.softmin(x, dim=1)
F.prelu(x, b[:1])
F.prelu(x, w)
F.prelu(c, w[:3])
F.linear(x, table.t()[:, :4], None)
F.linear(x, y, b[:3])
F.layer_norm(x, (4,))
F.layer_norm(x, (4,), w, b)
F.layer_norm(c, (3, 4), eps=0.1)
F.rms_norm(x, (4,), w)
F.rms_norm(c, (3, 4), eps=0.01)
F.normalize(x)
F.normalize(c, p=1.0, dim=2)
F.normalize(x * 0, dim=0)
F.cosine_similarity(x, y)
F.cosine_similarity(x, y, dim=0)
F.cosine_similarity(x, w[None], dim=1)
F.pairwise_distance(x, y)
F.pairwise_distance(x, y, p=1.0, keepdim=True)
F.embedding(places, table)
F.embedding(places, table, padding_idx=2)
F.embedding(labels, table)
F.one_hot(labels)
F.one_hot(places, num_classes=7)
F.dropout(x, 0.5, training=False)
F.dropout(x, p=1.0)
F.mse_loss(kinks, at_kinks)
F.l1_loss(kinks, at_kinks)
F.smooth_l1_loss(kinks, at_kinks)
F.smooth_l1_loss(kinks, at_kinks, beta=0.5)
F.smooth_l1_loss(x, y, beta=0.0)
F.huber_loss(kinks, at_kinks)
F.huber_loss(x, y, delta=0.3)
F.binary_cross_entropy(ends, u.clamp(0, 1))
F.binary_cross_entropy(p, ones)
F.binary_cross_entropy(p, t)
F.binary_cross_entropy(p, ones, weight=u)
F.binary_cross_entropy_with_logits(kinks, at_kinks)
F.binary_cross_entropy_with_logits(x, ones)
F.binary_cross_entropy_with_logits(x, t, pos_weight=u)
F.binary_cross_entropy_with_logits(x, ones, u)
F.kl_div(log_p, t)
F.kl_div(log_p, ones)
F.kl_div(log_p, log_p * 0.5 - 1, log_target=True)
F.kl_div(log_p, t, reduction="batchmean")
F.gaussian_nll_loss(x, y, v)
F.gaussian_nll_loss(x, y, v, full=True, eps=0.5)
F.poisson_nll_loss(x, t)
F.poisson_nll_loss(v, t, log_input=False)
F.soft_margin_loss(x, signs)
F.margin_ranking_loss(x, y, signs, margin=0.3)
F.hinge_embedding_loss(x, signs)
F.hinge_embedding_loss(x, signs, margin=0.5)
F.cosine_embedding_loss(x, y, side)
F.cosine_embedding_loss(x, y, side, margin=0.1)
F.triplet_margin_loss(x, y, p)
F.triplet_margin_loss(x, y, p, margin=0.5, p=1.0, swap=True)
F.cross_entropy(logits, labels)
F.cross_entropy(logits, some)
F.cross_entropy(logits, labels, ignore_index=1)
F.cross_entropy(logits, labels, weight=heavy)
F.cross_entropy(logits, some, heavy)
F.cross_entropy(logits, labels, label_smoothing=0.1)
F.cross_entropy(logits, some, heavy, label_smoothing=0.2)
F.cross_entropy(logits, q)
F.cross_entropy(logits, q, weight=heavy)
F.cross_entropy(logits, q, label_smoothing=0.3)
F.cross_entropy(deep, grid)
F.cross_entropy(deep, grid, heavy, label_smoothing=0.1)
F.cross_entropy(deep, deep.detach().softmax(1))
F.cross_entropy(one, torch.tensor(2))
F.nll_loss(logits, labels)
F.nll_loss(logits, some)
F.nll_loss(logits, labels, heavy, ignore_index=2)
F.nll_loss(deep, grid)
nn.ReLU(inplace=True)(x * 1)
nn.LeakyReLU(0.3)(x)
nn.LeakyReLU(negative_slope=0.3, inplace=False)(x)
nn.ELU(0.5)(x)
nn.SELU()(x)
nn.GELU()(x)
nn.GELU(approximate="tanh")(x)
nn.SiLU()(x)
nn.Mish()(x)
nn.Softplus(beta=2.0)(x)
nn.LogSigmoid()(x)
nn.Softsign()(x)
nn.Hardtanh(-0.5, 0.5)(x)
nn.ReLU6()(kinks)
nn.Sigmoid()(x)
nn.Tanh()(x)
nn.Softmax(dim=1)(x)
nn.LogSoftmax(dim=0)(x)
nn.Softmin(dim=1)(x)
nn.PReLU(init=0.1, dtype=torch.float64)(x)
nn.PReLU(4, dtype=torch.float64)(x)
nn.Identity(54, unused=0.1)(x)
nn.Flatten()(c)
nn.Flatten(0, 1)(c)
nn.Unflatten(1, (2, 2))(x)
nn.LayerNorm(4, dtype=torch.float64)(x)
nn.LayerNorm((3, 4), eps=0.1, elementwise_affine=False)(c)
nn.RMSNorm(4, dtype=torch.float64)(x)
nn.CosineSimilarity()(x, y)
nn.PairwiseDistance(p=1.0)(x, y)
nn.Embedding.from_pretrained(table)(places)
nn.Dropout(0.5).eval()(x)
nn.MSELoss()(x, y)
nn.L1Loss(reduction="sum")(x, y)
nn.SmoothL1Loss(beta=0.5)(x, y)
nn.HuberLoss(delta=0.5)(x, y)
nn.BCELoss(weight=u)(p, ones)
nn.BCEWithLogitsLoss(pos_weight=u)(x, ones)
nn.BCEWithLogitsLoss(u)(x, ones)
nn.NLLLoss(weight=heavy, ignore_index=1)(logits, labels)
nn.CrossEntropyLoss(weight=heavy, label_smoothing=0.1)(logits, some)
nn.CrossEntropyLoss(heavy)(logits, labels)
nn.CrossEntropyLoss(ignore_index=0, reduction="none")(logits, labels)
nn.KLDivLoss(reduction="batchmean")(log_p, t)
nn.KLDivLoss(log_target=True, reduction="sum")(log_p, log_p * 0.5)
nn.GaussianNLLLoss()(x, y, v)
nn.PoissonNLLLoss()(x, t)
nn.SoftMarginLoss()(x, signs)
nn.MarginRankingLoss(0.1)(x, y, signs)
nn.HingeEmbeddingLoss(0.5)(x, signs)
nn.CosineEmbeddingLoss()(x, y, side)
nn.TripletMarginLoss(margin=2.0)(x, y, p)
""".strip().splitlines()
"""One expression a line."""

LOSSES = [line for line in EXPRESSIONS if line.startswith(("F.kl_div", "F.binary", "F.cross")) or "_loss(" in line]
EXPRESSIONS += [
    f'{line[:-1]}, reduction="{reduction}")'
    for line in LOSSES
    if line.startswith("F.") and "reduction" not in line
    for reduction in REDUCTIONS[1:]
]

DRAWS = """
nn.Linear(4, 3).weight
nn.Linear(4, 3, bias=True, dtype=torch.float64).bias
nn.Embedding(5, 3).weight
nn.Embedding(10, 4, padding_idx=-1).weight
nn.PReLU(3).weight
nn.LayerNorm(3).bias
F.dropout(torch.ones(50), 0.3)
nn.Dropout(0.75)(torch.ones(4, 5))
""".strip().splitlines()
"""Random draws, one expression a line."""

TEXTS = """
nn.Linear(4, 3, bias=False)
nn.ReLU()
nn.ReLU(inplace=True)
nn.LeakyReLU(0.2)
nn.ELU(alpha=0.5)
nn.SELU()
nn.GELU()
nn.SiLU()
nn.Softplus()
nn.Hardtanh()
nn.Softmax(dim=1)
nn.LogSoftmax(dim=-1)
nn.PReLU()
nn.Identity()
nn.Flatten()
nn.Dropout(0.25)
nn.Unflatten(1, (2, 2))
nn.Embedding(5, 3)
nn.Embedding(5, 3, padding_idx=0)
nn.LayerNorm(4)
nn.LayerNorm((3, 4), eps=0.1, elementwise_affine=False)
nn.RMSNorm(4)
nn.CrossEntropyLoss()
nn.MSELoss()
nn.BCEWithLogitsLoss()
nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.Tanh()})
nn.ModuleList([nn.Linear(1, 2), nn.Tanh()])
nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.Tanh(), nn.Dropout()))
list(nn.Sequential(nn.Linear(1, 2), nn.LayerNorm(2)).state_dict())
[name for name, _ in nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.Tanh())).named_modules()]
""".strip().splitlines()
"""What is shown, one expression a line."""


def names(torch: Any, nn: Any) -> dict[str, Any]:
    """What the expressions are evaluated with."""
    return {"torch": torch, "nn": nn, "F": nn.functional}


def main() -> None:
    """Write the file."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    arrays: dict[str, np.ndarray] = {}
    gradients = {}
    for expression in EXPRESSIONS:
        (value,), slopes = evaluated(expression, torch, inputs, names(torch, torch.nn))
        arrays[f"{expression}/0"] = value
        gradients[expression] = sorted(slopes)
        arrays |= {f"{expression}/grad/{name}": g for name, g in slopes.items()}
    for expression in DRAWS:
        torch.manual_seed(3)
        arrays[f"draw/{expression}"] = eval(expression, names(torch, torch.nn)).detach().numpy()
    texts = {expression: str(eval(expression, names(torch, torch.nn))) for expression in TEXTS}
    about = {"torch": str(torch.__version__), "gradients": gradients, "texts": texts, "names": list(arrays)}
    numbered = {f"a{k}": array for k, array in enumerate(arrays.values())}
    np.savez_compressed(DATA, about=np.array(json.dumps(about)), **numbered)  # type: ignore[arg-type, unused-ignore]


if __name__ == "__main__":
    main()
