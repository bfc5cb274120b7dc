"""scikit-learn's digits: a validation set, early stopping by a plateau, a checkpoint of the best model."""

import copy
import os
import tempfile

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(42)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.as_tensor(digits.target).long()
dataset = TensorDataset(images, labels)
train_set, valid_set, test_set = random_split(dataset, [1200, 297, 300])
print(len(train_set), len(valid_set), len(test_set), images.shape, images.max().item(), labels.dtype)
print(test_set.indices[:5], f"{images.mean():.4f}", f"{images.std():.4f}")

train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=0, pin_memory=False)
valid_loader = DataLoader(valid_set, batch_size=99)

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.LeakyReLU(0.1), nn.Dropout(0.2), nn.Linear(64, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1)


def evaluate(loader):
    model.eval()
    correct, total, loss_sum = 0, 0, 0.0
    with torch.no_grad():
        for x, y in loader:
            output = model(x)
            loss_sum += criterion(output, y).item() * y.size(0)
            _, predicted = torch.max(output, 1)
            correct += (predicted == y).sum().item()
            total += y.size(0)
    return loss_sum / total, correct / total


best, best_state = float("inf"), None
for epoch in range(15):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    valid_loss, valid_accuracy = evaluate(valid_loader)
    scheduler.step(valid_loss)
    if valid_loss < best:
        best, best_state = valid_loss, copy.deepcopy(model.state_dict())

path = os.path.join(tempfile.mkdtemp(), "best.pt")
torch.save({"model": best_state, "epoch": epoch, "best": best}, path)
checkpoint = torch.load(path, map_location="cpu", weights_only=True)
missing = model.load_state_dict(checkpoint["model"])
test_loss, test_accuracy = evaluate(DataLoader(test_set, batch_size=len(test_set)))
print(
    test_accuracy > 0.93,
    test_loss < 0.3,
    checkpoint["epoch"],
    missing.missing_keys,
    len(train_loader),
    len(valid_loader),
)
wrong = (model(images[:300]).argmax(1) != labels[:300]).nonzero().squeeze(1)
print(wrong.numel() < 20, sorted(checkpoint["model"]))
