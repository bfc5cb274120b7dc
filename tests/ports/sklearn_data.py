"""A scikit-learn pipeline around a network: scaling, folds, a regression with the Huber loss."""

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

iris = load_iris()
X = StandardScaler().fit_transform(iris.data)
scores = []
for fold, (train, test) in enumerate(KFold(3, shuffle=True, random_state=0).split(X)):
    torch.manual_seed(fold)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    inputs, labels = torch.FloatTensor(X[train]), torch.tensor(iris.target[train])
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(inputs), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        predicted = net(torch.tensor(X[test], dtype=torch.float32)).argmax(axis=1).numpy()
    scores.append(accuracy_score(iris.target[test], predicted))
    print(f"fold {fold}: loss {loss.item():.3f}")
print(np.mean(scores) > 0.93)

diabetes = load_diabetes()
X = torch.from_numpy(diabetes.data).to(torch.float32)
y = torch.from_numpy(diabetes.target).float().reshape(-1, 1)
y = (y - y.mean()) / y.std(unbiased=False)
torch.manual_seed(0)
model = nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for _ in range(200):
    optimizer.zero_grad()
    loss = nn.HuberLoss(delta=1.5)(model(X), y)
    loss.backward()
    optimizer.step()
print(f"{loss.item():.4f}", round(r2_score(y.numpy(), model(X).detach().numpy()), 3))
print(np.asarray(model.weight.detach()).shape, np.exp(model.bias.detach()).shape, isinstance(y.numpy(), np.ndarray))
