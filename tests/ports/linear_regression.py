"""A line through noisy points, by hand and with nn.Linear."""

import torch
import torch.nn as nn

torch.manual_seed(0)
X = torch.linspace(-2, 2, 80).unsqueeze(1)
y = 3 * X - 1 + 0.3 * torch.randn(X.size())

w = torch.zeros(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for step in range(100):
    loss = ((X * w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad.zero_()
print(f"by hand: w = {w.item():.3f}, b = {b.item():.3f}, loss = {loss:.4f}")

model = nn.Linear(1, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(100):
    prediction = model(X)
    loss = criterion(prediction, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (epoch + 1) % 25 == 0:
        print(f"epoch {epoch + 1:3d}: {loss.item():.4f}")
print(model)
print(model.weight.data.shape, model.bias.shape, list(model.state_dict().keys()))
A = torch.cat([X, torch.ones_like(X)], dim=1)
gram, moment = A.t().mm(A), A.t() @ y
determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
print(f"exact slope: {((moment[0, 0] * gram[1, 1] - moment[1, 0] * gram[0, 1]) / determinant).item():.3f}")
