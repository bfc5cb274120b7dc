"""Two clouds of points, told apart by a line."""

import torch
from torch import nn, optim

torch.manual_seed(1)
n = 100
points = torch.cat((torch.randn(n, 2) + 1.5, torch.randn(n, 2) - 1.5), 0).type(torch.FloatTensor)
labels = torch.cat((torch.ones(n), torch.zeros(n))).view(-1, 1)
permutation = torch.randperm(2 * n)
points, labels = points[permutation], labels[permutation]


class LogisticRegression(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.linear = nn.Linear(inputs, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


model = LogisticRegression(2)
criterion = nn.BCELoss()
optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for epoch in range(60):
    out = model(points)
    loss = criterion(out, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 20 == 19:
        accuracy = out.round().eq(labels).sum().item() / len(labels)
        print(f"{epoch + 1}: loss {loss.item():.4f}, accuracy {accuracy:.3f}")

logits = model.linear(points)
print(f"{nn.BCEWithLogitsLoss()(logits, labels):.4f}", f"{nn.functional.softplus(-logits)[labels == 1].mean():.4f}")
print((out > 0.5).float().sum(), labels.sum().int(), out.min() < out.max())
print(torch.allclose(torch.sigmoid(logits), model(points)), tuple(model.linear.weight.shape))
