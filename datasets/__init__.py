"""The data sets that the benchmarks train on, with torchvision's names.

A data set keeps its images in memory as bytes and hands them out a mini-batch at a time; a transform
(`datasets.transforms`) acts on the whole batch at once:

    import datasets
    train = datasets.MNIST(root="./data", train=True, transform=datasets.transforms.ToTensor())
    images, labels = train.batch([0, 1, 2])      # tensors of shape (3, 1, 28, 28) and (3,)
"""

from . import transforms
from .digits import Digits
from .mnist import MNIST, FashionMNIST

__all__ = ["MNIST", "Digits", "FashionMNIST", "transforms"]
