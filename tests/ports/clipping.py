"""Exploding gradients, clipped by norm and by value; parameters as one vector."""

import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters

torch.manual_seed(8)
model = nn.Sequential(nn.Linear(5, 10), nn.Tanh(), nn.Linear(10, 1))
x, y = torch.randn(20, 5), torch.randn(20, 1) * 100
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(5):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    norm = clip_grad_norm_(model.parameters(), max_norm=1.0)
    after = torch.norm(torch.stack([torch.norm(p.grad.detach(), 2) for p in model.parameters()]), 2)
    optimizer.step()
    print(f"{step}: loss {loss.item():.1f}, norm {norm.item():.2f}, clipped to {after.item():.4f}")

model.zero_grad()
nn.functional.l1_loss(model(x), y, reduction="sum").backward()
clip_grad_value_(model.parameters(), 0.5)
print(max(p.grad.abs().max().item() for p in model.parameters()))

vector = parameters_to_vector(model.parameters())
print(vector.shape, f"{vector.norm().item():.4f}")
vector_to_parameters(torch.zeros_like(vector), model.parameters())
print(model(x).abs().max().item(), sum(p.sum() for p in model.parameters()).item())
for p in model.parameters():
    nn.init.constant_(p, 0.1)
print(f"{model(x).mean().item():.4f}", [tuple(p.shape) for p in model.parameters()])
