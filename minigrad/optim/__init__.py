"""The optimizers, a file for each, and the schedules of their rate in `lr`."""

from minigrad.optim import lr
from minigrad.optim.adadelta import Adadelta
from minigrad.optim.adagrad import Adagrad
from minigrad.optim.adam import Adam
from minigrad.optim.adamax import Adamax
from minigrad.optim.adamw import AdamW
from minigrad.optim.lookahead import Lookahead
from minigrad.optim.momentum import Momentum
from minigrad.optim.nesterov import Nesterov
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.radam import RAdam
from minigrad.optim.ranger import Ranger
from minigrad.optim.rmsprop import RMSprop
from minigrad.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lookahead",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Ranger",
    "lr",
]
