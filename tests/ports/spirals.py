"""Three spirals, as in a well-known course: data by formulas, a small net, cross entropy."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(12)
per_class, classes = 60, 3
parts, targets = [], []
for c in range(classes):
    t = torch.linspace(0, 1, per_class)
    angle = t * 4 + c * 2 * math.pi / classes + torch.randn(per_class) * 0.1
    parts.append(torch.stack([t * torch.sin(angle), t * torch.cos(angle)], dim=1))
    targets.append(torch.full((per_class,), c, dtype=torch.long))
X, y = torch.cat(parts), torch.cat(targets)
print(X.shape, y.unique(), torch.bincount(y).tolist())


class Net(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(m, n) for m, n in zip(sizes[:-1], sizes[1:])])
        self.activation = nn.GELU()

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


def init(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


model = Net(2, 40, 40, classes).double()
model.apply(init)
print(len(list(model.children())), [name for name, _ in model.named_modules()][:3])
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1e-3)
for step in range(201):
    logits = model(X.double())
    loss = F.cross_entropy(logits, y, label_smoothing=0.05)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step in (0, 10, 50):
        print(f"{step}: {loss:.4f}")
probabilities = F.softmax(model(X.double()), dim=-1)
confidence, prediction = probabilities.max(dim=1)
print((prediction == y).double().mean() > 0.97, confidence.mean() > 0.8)
print(
    f"{(F.one_hot(y, classes) * probabilities).sum(1).mean().item():.2f}",
    probabilities.sum(dim=1).allclose(torch.ones(180).double()),
)
