"""The optimizers, a file for each, and the schedules of their rate in `lr`."""

from minigrad.missing import missing_from
from minigrad.optim import lr, lr_scheduler, torch_spelling
from minigrad.optim.adadelta import Adadelta
from minigrad.optim.adagrad import Adagrad
from minigrad.optim.adam import Adam
from minigrad.optim.adamax import Adamax
from minigrad.optim.adamw import AdamW
from minigrad.optim.amsgrad import AMSGrad
from minigrad.optim.combined import Combined
from minigrad.optim.ema import EMA
from minigrad.optim.lamb import LAMB
from minigrad.optim.lion import Lion
from minigrad.optim.lookahead import Lookahead
from minigrad.optim.momentum import Momentum
from minigrad.optim.muon import Muon
from minigrad.optim.nadam import NAdam
from minigrad.optim.nesterov import Nesterov
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.radam import RAdam
from minigrad.optim.ranger import Ranger
from minigrad.optim.rmsprop import RMSprop
from minigrad.optim.running_product import running_product
from minigrad.optim.sam import SAM
from minigrad.optim.schedule_free import ScheduleFreeAdamW
from minigrad.optim.sgd import SGD
from minigrad.optim.wrapper import Wrapper

torch_spelling.understand()

__all__ = [
    "EMA",
    "LAMB",
    "SAM",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Combined",
    "Lion",
    "Lookahead",
    "Momentum",
    "Muon",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Ranger",
    "ScheduleFreeAdamW",
    "Wrapper",
    "lr",
    "lr_scheduler",
    "running_product",
]

__getattr__ = missing_from(__name__, __all__)
