"""Two half moons from scikit-learn, mini-batches by hand, a scheduler."""

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from torch.optim.lr_scheduler import StepLR

X, y = make_moons(n_samples=400, noise=0.15, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
X_train, X_test = torch.from_numpy(X_train).float(), torch.from_numpy(X_test.astype(np.float32))
y_train, y_test = torch.tensor(y_train).long(), torch.LongTensor(y_test)

torch.manual_seed(7)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(inplace=True), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)).to(
    device
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = StepLR(optimizer, step_size=20, gamma=0.5)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 41):
    model.train()
    total = 0.0
    for rows in torch.randperm(len(X_train)).split(50):
        xb, yb = X_train[rows].to(device), y_train[rows].to(device)
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * xb.size(0)
    scheduler.step()
    if epoch in (1, 10):
        print(f"epoch {epoch}: {total / len(X_train):.3f}, rate {scheduler.get_last_lr()[0]:.4g}")

model.eval()
with torch.no_grad():
    scores = model(X_test)
    predicted = scores.argmax(dim=1)
    accuracy = (predicted == y_test).float().mean().item()
print("accuracy above 95 %:", accuracy > 0.95)
print(torch.bincount(y_test), y_test.dtype, scores.shape)
print(optimizer.param_groups[0]["lr"])
