"""The IDX file format, in which MNIST and Fashion-MNIST are kept.

An IDX file is one array: two zero bytes, a byte for the type of an element, a byte for the number of
dimensions, the dimensions as big-endian 32-bit integers, and then the elements, big-endian, the last
dimension running fastest (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits").
The files usually come packed with gzip.

Nothing in a file is taken on trust. Each fault raises `DataFileError` with one sentence that names the
file and says what is wrong with it.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# The byte that names the element type. All but the first two are wider than a byte: big-endian.
ELEMENT_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

GZIP_MAGIC = b"\x1f\x8b"

# SHA-256 of the *unpacked* files: the same array can be packed into different .gz files.
KNOWN = {
    "MNIST": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


class DataFileError(ValueError):
    """A data file is not what it says it is: damaged, cut short, or another file under this name."""


def identify(sha256: str) -> str | None:
    """Which known file has this digest (of its unpacked contents), such as "MNIST's train-images-..."."""
    for dataset, files in KNOWN.items():
        for name, digest in files.items():
            if digest == sha256:
                return f"{dataset}'s {name}"
    return None


def unpack(packed: bytes, name: str) -> bytes:
    """The contents of a gzip file given as bytes; `name` is what messages call it.

    Raises DataFileError when the bytes are not gzip data, are damaged (gzip carries a checksum), end too
    early, or go on after the end of the gzip data.
    """
    if packed[:2] != GZIP_MAGIC[: len(packed)] or not packed:
        raise DataFileError(f"{name}: is not gzip data, which begins with the bytes 1f 8b: it {_beginning(packed)}")
    # zlib rather than the gzip module: one call, and it distinguishes a file that is cut from one with bytes left over.
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        contents = stream.decompress(packed)
    except zlib.error as error:
        raise DataFileError(f"{name}: the gzip data are damaged ({error})") from error
    if not stream.eof:
        raise DataFileError(
            f"{name}: the gzip data are cut short: {len(packed)} bytes do not reach the end of the stream"
        )
    if stream.unused_data:
        raise DataFileError(f"{name}: {len(stream.unused_data)} bytes are left over after the gzip data")
    return contents


def parse(contents: bytes, name: str) -> NDArray[Any]:
    """The array in the (unpacked) contents of an IDX file; `name` is what messages call the file.

    The array is read-only, in the machine's byte order; for one-byte types it is a view of `contents`.
    Raises DataFileError for a wrong magic number, an unknown element type, and a length that is not the
    one the header promises.
    """
    if len(contents) < 4:
        raise DataFileError(
            f"{name}: is cut short: {len(contents)} bytes are too few for the magic number of an IDX file (4)"
        )
    if contents[:2] != b"\0\0":
        raise DataFileError(
            f"{name}: is not an IDX file: the magic number of one begins with two zero bytes, "
            f"and this file {_beginning(contents)}"
        )
    code, ndim = contents[2], contents[3]
    if code not in ELEMENT_TYPES:
        known = ", ".join(f"{c:#04x}" for c in ELEMENT_TYPES)
        raise DataFileError(
            f"{name}: the magic number names element type {code:#04x}, which IDX does not have ({known})"
        )
    if ndim == 0:
        raise DataFileError(f"{name}: the magic number says that the data have no dimensions")
    start = 4 + 4 * ndim
    if len(contents) < start:
        raise DataFileError(
            f"{name}: is cut short: {len(contents)} bytes do not hold the {start}-byte header of an IDX file "
            f"with {ndim} dimensions"
        )
    shape = struct.unpack_from(f">{ndim}I", contents, 4)
    dtype = np.dtype(ELEMENT_TYPES[code])
    promised = start + math.prod(shape) * dtype.itemsize
    if len(contents) != promised:
        fault = "is cut short" if len(contents) < promised else "has bytes left over at its end"
        raise DataFileError(
            f"{name}: {fault}: the header promises {dtype.newbyteorder('=').name} data of shape {shape}, "
            f"{promised} bytes in all, and there are {len(contents)}"
        )
    try:
        array = np.frombuffer(contents, dtype, offset=start).reshape(shape)
    except ValueError as error:  # more than 64 dimensions, or lengths beside a 0 whose product overflows
        raise DataFileError(f"{name}: the shape in the header is beyond NumPy's arrays ({error})") from error
    array = array.astype(dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array


def read(
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike | None = None,
    shape: Sequence[int | None] | None = None,
    sha256: str | None = None,
) -> NDArray[Any]:
    """The array in an IDX file, packed with gzip (a name that ends in .gz) or plain.

    dtype:  the element type the file must have.
    shape:  the shape it must have; None stands for any length, so (None, 28, 28) are 28x28 images.
    sha256: the digest that the unpacked contents must have, in hexadecimal.

    The array is read-only. A process unpacks a file once: asked again for a file that has not changed
    since, it hands out the same array. Raises FileNotFoundError when there is no such file, and
    DataFileError when the file cannot be read or is not what was asked for.
    """
    path = Path(path).absolute()
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from error
    array, digest = _load(path, status.st_mtime_ns, status.st_size)

    if dtype is not None and array.dtype != np.dtype(dtype):
        raise DataFileError(f"{path}: holds {array.dtype.name} data, where {np.dtype(dtype).name} belong")
    if shape is not None:
        fits = len(shape) == array.ndim and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise DataFileError(f"{path}: holds data of shape {array.shape}, where shape {_shape_text(shape)} belongs")
    if sha256 is not None:
        check_digest(digest, sha256, str(path))
    return array


def check_digest(digest: str, expected: str, name: str) -> None:
    """Raise DataFileError unless `digest`, of the unpacked contents of the file `name`, is `expected`.

    Both are SHA-256 in hexadecimal. If it is another known file, the message says which.
    """
    if digest == expected.lower():
        return
    here, wanted = identify(digest), identify(expected.lower()) or "the file that belongs here"
    if here:
        raise DataFileError(f"{name}: is {here}, not {wanted}")
    raise DataFileError(
        f"{name}: is not {wanted}: the SHA-256 of its unpacked contents is {digest}, not {expected.lower()}"
    )


@functools.lru_cache(maxsize=8)  # both data sets: four files each
def _load(path: Path, mtime_ns: int, size: int) -> tuple[NDArray[Any], str]:
    """The array in a file and its digest. The time and the size make the key of a changed file a new one."""
    name = str(path)
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{name}: cannot be read ({error.strerror})") from error
    if path.suffix == ".gz":
        contents = unpack(contents, name)
    elif contents[:2] == GZIP_MAGIC:
        raise DataFileError(f"{name}: is gzip data, and its name does not end in .gz")
    return parse(contents, name), hashlib.sha256(contents).hexdigest()


def _beginning(contents: bytes) -> str:
    """How a file begins, for a message: in hexadecimal and, where it is text, as text."""
    if not contents:
        return "is empty"
    head = contents[:8]
    return f"begins with {head.hex(' ')}{f' ({head.decode()!r})' if head.isascii() else ''}"


def _shape_text(shape: Sequence[int | None]) -> str:
    """(None, 28, 28) as "(N, 28, 28)"."""
    lengths = ["N" if length is None else str(length) for length in shape]
    return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"
