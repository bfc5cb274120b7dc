"""Record PyTorch's public names. Run by hand, with PyTorch 2.13: ``python tests/record_names.py``."""

from __future__ import annotations

import json
from pathlib import Path

import torch  # type: ignore[import-not-found, unused-ignore]
import torch.utils.data  # type: ignore[import-not-found, unused-ignore]

OBJECTS = {
    "torch": torch,
    "torch.nn": torch.nn,
    "torch.nn.functional": torch.nn.functional,
    "torch.optim": torch.optim,
    "torch.optim.lr_scheduler": torch.optim.lr_scheduler,
    "torch.autograd": torch.autograd,
    "torch.utils.data": torch.utils.data,
    "torch.Tensor": torch.ones(1),
    "torch.nn.Module": torch.nn.Linear(1, 1),
}

if __name__ == "__main__":
    names = {place: [name for name in dir(found) if not name.startswith("_")] for place, found in OBJECTS.items()}
    text = json.dumps({"torch": str(torch.__version__), "names": names}, indent=0)
    (Path(__file__).parent / "data" / "torch_names.json").write_text(text + "\n", encoding="utf-8")
