"""XOR with one hidden layer."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(4)
X = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float)
Y = torch.Tensor([[0], [1], [1], [0]])


class XOR(nn.Module):
    def __init__(self, hidden=8):
        super(XOR, self).__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, 1)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        return self.fc2(x)


model = XOR()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for i in range(301):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(X), Y)
    loss.backward()
    optimizer.step()
    if i % 100 == 0:
        print("step", i, "loss", round(loss.item(), 3))
with torch.no_grad():
    p = torch.sigmoid(model(X))
print(p.round().squeeze().tolist())
print((p > 0.5).long().t())
print(sum(p.numel() for p in model.parameters() if p.requires_grad), "parameters")
for name, parameter in model.named_parameters():
    print(name, tuple(parameter.size()))
