"""MNIST and Fashion-MNIST: 60 000 + 10 000 labelled images of 28x28 bytes, in IDX files.

MNIST's files lie beside this module, so it needs no network. Fashion-MNIST is found where torchvision or
Debian put it, and is downloaded only if asked for.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from . import idx
from .download import fetch
from .images import ImageDataset


class MNIST(ImageDataset):
    """Handwritten digits (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
    document recognition", Proc. IEEE 86(11), 1998). `datasets/mnist/README.md` has source and licence.

    Args:
        root: the files are looked for in root/MNIST/raw and in root itself, packed (.gz) or not, as
            torchvision leaves them; and, if neither has any, in the folder `datasets/mnist`.
        train: the 60 000 images for training, or else the 10 000 for testing.
        transform: applied to every batch; see `ImageDataset`.
        download: fetch what is missing, for training and for testing, into root/MNIST/raw. Does nothing when
            the files are there, and those of MNIST are.

    The first folder that holds any file of the set is the one that is used: if a file there is damaged, or
    one of the two is missing, that is an error, and no other folder is tried.

    Raises:
        FileNotFoundError: a file is missing; the message says where it was looked for and how to get it.
        datasets.idx.DataFileError: a file is damaged, or is not what its name says (a ValueError).
        ConnectionError: download=True, and the files could not be fetched.
    """

    classes: ClassVar[Sequence[str]] = tuple("0123456789")
    folder_name: ClassVar[str] = "MNIST"
    # Where the files are if not under root.
    shared_folder: ClassVar[Path] = Path(__file__).resolve().parent / "mnist"
    base_url: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    # What the messages advise: without a file, and without a network to fetch it.
    how_to_get: ClassVar[str] = "restore datasets/mnist, a part of this repository, or pass download=True"
    without_network: ClassVar[str] = "restore datasets/mnist, a part of this repository"
    # SHA-256 of each unpacked file. A subclass for one's own data in the same format may leave it empty.
    digests: ClassVar[Mapping[str, str]] = idx.KNOWN["MNIST"]

    def __init__(
        self,
        root: str | os.PathLike[str] = "./data",
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser().absolute()
        if download:
            self._download()
        images_path, labels_path = self._find(train)
        images_digest, labels_digest = (self.digests.get(name) for name in self._names(train))

        images = idx.read(images_path, dtype=np.uint8, shape=(None, 28, 28))
        labels = idx.read(labels_path, dtype=np.uint8, shape=(None,))
        wrong = np.flatnonzero(labels >= len(self.classes))
        if wrong.size:
            raise idx.DataFileError(
                f"{labels_path}: label {labels[wrong[0]]} at position {wrong[0]} is outside 0..{len(self.classes) - 1}"
            )
        # The digests come after what can be said more plainly. Nothing is read twice.
        idx.read(images_path, sha256=images_digest)
        idx.read(labels_path, sha256=labels_digest)
        if len(images) != len(labels):
            raise idx.DataFileError(
                f"{images_path}: holds {len(images)} images, and {labels_path} holds {len(labels)} labels"
            )
        targets = labels.astype(np.int64)
        targets.flags.writeable = False
        super().__init__(images, targets, train, transform)

    @staticmethod
    def _names(train: bool) -> tuple[str, str]:
        split = "train" if train else "t10k"
        return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"

    @property
    def _raw_folder(self) -> Path:
        """Where torchvision keeps the files, and a download puts them."""
        return self.root / self.folder_name / "raw"

    def _find(self, train: bool) -> tuple[Path, Path]:
        """The files of images and of labels, from the first folder that has any of the two."""
        folders = [self._raw_folder, self.root, self.shared_folder]
        names = self._names(train)
        for folder in folders:
            images, labels = (_present(folder, name) for name in names)
            if images and labels:
                return images, labels
            if images or labels:
                missing = names[0] if labels else names[1]
                raise FileNotFoundError(
                    f"{self._name}: {folder} holds {images or labels}, but {missing}[.gz] is missing there; "
                    f"{self.how_to_get}"
                )
        places = ", ".join(str(folder) for folder in folders)
        raise FileNotFoundError(
            f"{self._name}: {names[0]}[.gz] and {names[1]}[.gz] are in none of {places}; {self.how_to_get}"
        )

    def _download(self) -> None:
        """Fetch the files that are missing, of both splits: the other one is wanted next."""
        for train in (True, False):
            try:
                self._find(train)
            except FileNotFoundError:
                for name in self._names(train):
                    if not _present(self._raw_folder, name):
                        fetch(
                            f"{self.base_url}{name}.gz",
                            self._raw_folder / f"{name}.gz",
                            check=functools.partial(self._check_download, name),
                            advice=f"check the network, or {self.without_network}",
                        )

    def _check_download(self, name: str, packed: bytes, source: str) -> None:
        """Raise DataFileError unless `packed`, which came from `source`, is the file `name`."""
        contents = idx.unpack(packed, source)
        idx.parse(contents, source)
        if name in self.digests:
            idx.check_digest(hashlib.sha256(contents).hexdigest(), self.digests[name], source)


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format (H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image
    dataset for benchmarking machine learning algorithms", arXiv:1708.07747; MIT licence, Zalando SE).

    The arguments are those of `MNIST`. The files are looked for in root/FashionMNIST/raw, in root, and where
    Debian's package dataset-fashion-mnist puts them; only download=True fetches them from the authors' page.
    """

    classes: ClassVar[Sequence[str]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    folder_name: ClassVar[str] = "FashionMNIST"
    shared_folder: ClassVar[Path] = Path("/usr/share/datasets/fashion-mnist")
    # The authors offer plain HTTP only; the digest decides whether what came is what was sent.
    base_url: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    how_to_get: ClassVar[str] = "pass download=True, or install Debian's package dataset-fashion-mnist"
    without_network: ClassVar[str] = "install Debian's package dataset-fashion-mnist"
    digests: ClassVar[Mapping[str, str]] = idx.KNOWN["FashionMNIST"]


def _present(folder: Path, name: str) -> Path | None:
    """The file in the folder, unpacked or packed, if there is one."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    return None
