"""Every public name of PyTorch's is either in minigrad or answered with one sentence; names that are near are told."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import minigrad
from minigrad import autograd, cuda, nn, optim
from minigrad.nn import functional
from minigrad.optim import lr_scheduler
from minigrad.utils import data

NAMES: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "data" / "torch_names.json").read_text(encoding="utf-8")
)["names"]
OURS: dict[str, Any] = {
    "torch": minigrad,
    "torch.nn": nn,
    "torch.nn.functional": functional,
    "torch.optim": optim,
    "torch.optim.lr_scheduler": lr_scheduler,
    "torch.autograd": autograd,
    "torch.utils.data": data,
    "torch.Tensor": minigrad.ones(1, 1),
    "torch.nn.Module": nn.Linear(1, 1),
}


@pytest.mark.parametrize("place", OURS)
def test_every_name_is_there_or_answered(place: str) -> None:
    missing = 0
    for name in NAMES[place]:
        try:
            getattr(OURS[place], name)
        except AttributeError as error:
            missing += 1
            sentence = str(error)
            assert name in sentence
            assert len(sentence) < 220
            assert "\n" not in sentence
            if isinstance(OURS[place], ModuleType):
                assert "in minigrad" in sentence
    assert 0 < missing < len(NAMES[place])


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: nn.Conv2d, "minigrad.nn.Conv2d: convolutions are not in minigrad"),
        (lambda: nn.LSTM, "recurrent networks are not in minigrad"),
        (lambda: nn.BatchNorm1d, "use LayerNorm or RMSNorm"),
        (lambda: optim.LBFGS, "LBFGS is not in minigrad"),
        (lambda: minigrad.linalg, "use numpy.linalg"),
        (lambda: minigrad.set_default_dtype, "pass dtype= or device="),
        (lambda: minigrad.ones(1).register_hook, "hooks are not in minigrad"),
        (lambda: nn.Linear(1, 1).register_forward_hook, "hooks are not in minigrad"),
        (lambda: minigrad.tensr, "is tensor or"),
        (lambda: nn.Lineer, "is Linear meant?"),
        (lambda: functional.crossentropy, "is cross_entropy or"),
        (lambda: minigrad.ones(1).stride, "Tensor.stride: this is not in minigrad"),
        (lambda: nn.Linear(1, 1).bfloat16, "Linear.bfloat16: mixed precision is not in minigrad"),
        (lambda: cuda.amp, "mixed precision is not in minigrad"),
        (lambda: data.WeightedRandomSampler, "choose indices with a Subset"),
    ],
)
def test_what_is_said(ask: Any, sentence: str) -> None:
    with pytest.raises(AttributeError) as caught:
        ask()
    assert sentence in str(caught.value)


def test_what_other_libraries_look_for_is_simply_not_there() -> None:
    for owner in (minigrad, nn, minigrad.ones(1), nn.Linear(1, 1)):
        assert not hasattr(owner, "__array_interface__")
        assert not hasattr(owner, "_repr_png_")


def test_settings_that_scripts_begin_with() -> None:
    torch = minigrad
    torch.manual_seed(3)
    torch.cuda.manual_seed(3)
    torch.cuda.manual_seed_all(3)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.cuda.empty_cache()
    assert not torch.backends.mps.is_available()
    assert torch.initial_seed() == 3
    with pytest.raises(ValueError, match="a seed is an integer"):
        torch.cuda.manual_seed(-1)


def test_flags_that_would_turn_a_rule_into_another() -> None:
    w = [minigrad.ones(1, requires_grad=True)]
    for flag, advice in (("amsgrad", "use optim.AMSGrad"), ("maximize", "the negative of the loss")):
        with pytest.raises(TypeError, match=f"Adam has no {flag}: .*{advice}"):
            optim.Adam(w, **{flag: True})
    assert repr(optim.Adam(w, amsgrad=False, foreach=True, fused=None)) == repr(optim.Adam(w))
    assert isinstance(optim.SGD(w, lr=0.1, momentum=0.9, dampening=0, nesterov=False), optim.Momentum)
    with pytest.raises(TypeError, match="SGD has no dampening"):
        optim.SGD(w, lr=0.1, dampening=0.5)


def test_a_model_is_saved_by_its_state(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"save: the object is a Linear, which cannot be saved: save its state_dict\(\)"
    ):
        minigrad.save(nn.Linear(1, 1), tmp_path / "model.pt")
