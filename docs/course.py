# %% [markdown]
# # The seven steps, on minigrad
#
# The course notebook "6. Optimizers" trains a network of two linear layers on MNIST in seven steps. Here are the same
# steps, with minigrad in place of PyTorch; then an optimizer of one's own, its figures beside known ones, and its race
# on a surface. This file is made from `docs/course.py` by `python docs/make_notebook.py`.

# %%
from minigrad.datasets import MNIST, transforms

import minigrad as torch
from minigrad import nn, optim
from minigrad.utils.data import DataLoader

# %% [markdown]
# ## Step 1: load the data
#
# The files lie in the repository; nothing is downloaded.

# %%
train_set = MNIST(root="./data", train=True, transform=transforms.ToTensor())
test_set = MNIST(root="./data", train=False, transform=transforms.ToTensor())
len(train_set), len(test_set)

# %% [markdown]
# ## Step 2: make it iterable

# %%
torch.manual_seed(0)
train_loader = DataLoader(train_set, batch_size=100, shuffle=True)
test_loader = DataLoader(test_set, batch_size=100)
images, labels = next(iter(train_loader))
images.shape, labels[:10]

# %% [markdown]
# ## Step 3: a class for the model


# %%
class Net(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


# %% [markdown]
# ## Step 4: make the model

# %%
torch.manual_seed(0)
model = Net(28 * 28, 100, 10)
model

# %% [markdown]
# ## Step 5: the loss

# %%
criterion = nn.CrossEntropyLoss()

# %% [markdown]
# ## Step 6: the optimizer
#
# `help(optim.Adam)` shows the paper's formula; the rule in `minigrad/optim/adam.py` is that formula.

# %%
optimizer = optim.Adam(model.parameters(), lr=0.001)
optimizer

# %% [markdown]
# ## Step 7: train
#
# The first figures are those that the course notebook printed with PyTorch.

# %%
iteration = 0
for images, labels in train_loader:
    optimizer.zero_grad()
    loss = criterion(model(images.view(-1, 28 * 28)), labels)
    loss.backward()
    optimizer.step()
    iteration += 1
    if iteration == 500:
        break

correct = 0
for images, labels in test_loader:
    outputs = model(images.view(-1, 28 * 28))
    predicted = outputs.argmax(dim=1)
    correct += (predicted == labels).sum().item()
print(f"Iteration: {iteration}. Loss: {loss:.4f}. Accuracy: {100 * correct / len(test_set):.2f}")

# %% [markdown]
# ## An optimizer of one's own
#
# A class with one method, `rule`. `theta` is the whole network in one vector, `g` its gradient, and what stands in
# `state` is kept from step to step. This one moves by the sign of a momentum, as Lion does (Chen et al. 2023), with one
# factor instead of two.

# %%
from numpy import sign

from minigrad.optim import Optimizer


class SignMomentum(Optimizer):
    state = ("m",)

    def rule(self, theta, g, m, *, lr=0.0003, beta=0.9):
        m[:] = beta * m + (1 - beta) * g
        theta -= lr * sign(m)


# %% [markdown]
# Its figures beside known ones, over 500 iterations. The class is written to a file, and trained in processes beside
# the others; a second call takes the results that are there.

# %%
from minigrad.benchmarks import inline

inline.mnist(SignMomentum, "sgd", optim.Adam, "momentum", iterations=500, every=250)

# %% [markdown]
# ## Its race
#
# On Beale's function, from one point, beside the same optimizers.

# %%
inline.surfaces(SignMomentum, "sgd", "momentum", "adam", surface="beale", lr={SignMomentum: 0.06}, steps=40)
