"""Parameter groups, freezing, fine-tuning, buffers, two optimizers."""

import torch
import torch.nn as nn

torch.manual_seed(9)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([1.0, -1.0, 0.5, 2.0]))
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.ELU())
        self.head = nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.head(self.backbone(x - self.mean)) * self.scale


model = Model()
x, y = torch.randn(32, 4), torch.randint(0, 2, (32,))
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))

for p in model.backbone.parameters():
    p.requires_grad = False
print([name for name, p in model.named_parameters() if p.requires_grad], list(model.state_dict()))
before = model.backbone[0].weight.clone()
optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2)
for _ in range(20):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
print(f"{loss.item():.4f}", torch.equal(before, model.backbone[0].weight), model.backbone[0].weight.grad)

for p in model.backbone.parameters():
    p.requires_grad_(True)
optimizer = torch.optim.SGD(
    [
        {"params": model.backbone.parameters(), "lr": 1e-3},
        {"params": [model.scale], "weight_decay": 0.1},
        {"params": model.head.parameters()},
    ],
    lr=1e-1,
    momentum=0.9,
)
for group in optimizer.param_groups:
    print(len(group["params"]), group["lr"], group["momentum"], group["weight_decay"])
for epoch in range(20):
    if epoch == 10:
        for group in optimizer.param_groups:
            group["lr"] *= 0.1
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
print(f"{loss.item():.4f}", f"{model.scale.item():.4f}", not torch.equal(before, model.backbone[0].weight))
other = Model()
print(other.load_state_dict(model.state_dict()), torch.equal(other(x), model(x)))
partial = {k: v for k, v in model.state_dict().items() if not k.startswith("head")}
keys = other.load_state_dict(partial, strict=False)
print(keys.missing_keys, keys.unexpected_keys)
