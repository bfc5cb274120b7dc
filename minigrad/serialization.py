"""Saving and loading: nested dictionaries and lists of numbers, strings and arrays, in one ``.npz`` file.

The file is a NumPy archive with the arrays, and the structure as JSON. Nothing in it is executed when it is loaded (it
is no pickle). It is written under another name in the same folder and then renamed, so an interruption does not damage
the old file.

The structure has the dtype, the shape and the SHA-256 digest of every array, and begins with a digest of its own. So
`load` notices if arrays were swapped, or changed together with the checksums of the archive. The digests protect
against accidents; they can be forged too. But a forged file cannot run code, or make `load` use much more memory or
time than is normal for its size: the arrays are not compressed, each is used once, and its length must agree with its
header.
"""

from __future__ import annotations

import ast
import collections
import errno
import hashlib
import json
import math
import os
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy

from minigrad import backend
from minigrad.tensor import Tensor

_STRUCTURE = "structure"
_HEAD = '{"format": 2, "sha256": "%s", '
"""The beginning of the structure; the digest is that of the rest. Format 1 was only the object, without this."""

MAX_DEPTH = 100
"""How deep containers in a checkpoint may be nested. JSON needs three levels for each; Python's stack has 1000."""

_MAX_BITS = 14_000  # of an integer: Python parses up to 4300 digits
_MAX_HEADER = 2**16  # bytes in the header of an array
_MAX_COLLISIONS = 100  # keys with the same hash in one dictionary
_CHUNK = 2**20  # bytes that are read at a time


class CheckpointError(ValueError):
    """A file is not a checkpoint, or is damaged; the message has its path and the reason."""


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write `obj`, for example a ``state_dict()``, to `path`.

    Dictionaries (with string or integer keys), lists, tuples, None, booleans, numbers, strings, arrays and tensors
    can be nested, up to `MAX_DEPTH` deep. Arrays on a GPU are written like those on the CPU, and loaded to the CPU.

    Raises:
        TypeError: `obj` contains something else; the message says where.
        ValueError: a container contains itself, or is nested too deeply.
        OSError: the file cannot be written, or `path` is a folder, a pipe or a device.
    """
    # The entries of the archive: the arrays, and the structure with its digest.
    packing = _Packing()
    content = packing.pack(obj, "the object")
    rest = f'"arrays": {json.dumps(packing.described)}, "object": {json.dumps(content)}}}'
    text = _HEAD % hashlib.sha256(rest.encode()).hexdigest() + rest
    entries = {str(i): a for i, a in enumerate(packing.arrays)}
    entries[_STRUCTURE] = numpy.frombuffer(text.encode(), dtype=numpy.uint8)
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a checkpoint cannot take the place of a folder", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "a checkpoint cannot take the place of a pipe or a device", str(path))
    # Write a temporary file, with the permissions of a new file, and rename it.
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            numpy.savez(file, allow_pickle=False, **entries)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def load(
    f: str | os.PathLike[str],
    map_location: str | backend.device | None = None,
    *,
    device: str | backend.device | None = None,
    weights_only: bool = True,
) -> Any:
    """Read back what `save` wrote: tensors as tensors, arrays as NumPy arrays.

    Args:
        f: the path of the file.
        map_location: the device of the tensors; by default the CPU.
        device: another name of `map_location`.
        weights_only: accepted, and always so: nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `map_location` is a function or a dictionary, which PyTorch accepts too.
        CheckpointError: the file is truncated, damaged, altered, or not a checkpoint of minigrad.
    """
    path = Path(f)
    if callable(map_location) or isinstance(map_location, dict):
        raise TypeError(f"load: map_location is a device, not a {type(map_location).__name__}")
    device = map_location or device or "cpu"
    if backend.device(device).type == "cuda":
        backend.import_cupy()  # raises its own error if there is no GPU
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ValueError("it is a pipe or a device, not a file")
            with zipfile.ZipFile(file) as archive:
                unpacking = _Unpacking(archive, about.st_size)
                obj = unpacking.all()
    except Exception as error:  # on damaged bytes zipfile, json, ast and NumPy raise almost anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path} is cut short, damaged, or no checkpoint of minigrad's ({reason})") from None
    for tensor in unpacking.tensors:
        tensor.data = backend.to_device(tensor.data, device)
    return obj


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file without waiting; opening a pipe would otherwise wait until another process writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _digest(array: numpy.ndarray) -> str:
    """The SHA-256 of the elements in C order."""
    return hashlib.sha256(numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8).data).hexdigest()


def _descr(dtype: numpy.dtype[Any]) -> Any:
    """The dtype in the form that NumPy writes to files, with lists in place of tuples."""
    return json.loads(json.dumps(numpy.lib.format.dtype_to_descr(dtype)))


def _comes_back(dtype: numpy.dtype[Any]) -> bool:
    """Whether arrays of this dtype can be saved (not if elements have no bytes, fields overlap, or for bfloat16)."""
    try:
        descr = numpy.lib.format.dtype_to_descr(dtype)
    except ValueError:
        return False
    return dtype.itemsize > 0 and len(repr(descr)) <= _MAX_HEADER // 2 and _dtype(descr) == dtype


class _Packing:
    """Turns an object into its JSON form and a list of arrays."""

    def __init__(self) -> None:
        self.arrays: list[numpy.ndarray] = []
        self.described: list[Any] = []  # [dtype, shape, digest] of each
        self.above: list[int] = []  # the ids of the containers around the current object

    def pack(self, obj: Any, where: str) -> Any:
        """The JSON form of an object, [kind, content]; `where` describes its place, for messages."""
        if isinstance(obj, Tensor) or backend.is_array(obj):
            return ["tensor" if isinstance(obj, Tensor) else "array", self.add(obj, where)]
        if isinstance(obj, numpy.generic):
            obj = obj.item()
        if obj is None or isinstance(obj, (bool, int, float, str)):
            if isinstance(obj, int) and obj.bit_length() > _MAX_BITS:
                raise ValueError(
                    f"save: {where} is an integer of {obj.bit_length()} bits, and {_MAX_BITS} can be saved"
                )
            return ["value", obj]
        if not isinstance(obj, (dict, list, tuple)):
            advice = ": save its state_dict()" if hasattr(obj, "state_dict") else ""
            raise TypeError(f"save: {where} is a {type(obj).__name__}, which cannot be saved{advice}")
        if id(obj) in self.above:
            raise ValueError(f"save: {where} is a {type(obj).__name__} that holds itself")
        if len(self.above) == MAX_DEPTH:
            raise ValueError(f"save: {where[:60]}... is nested more than {MAX_DEPTH} deep")
        self.above.append(id(obj))
        if isinstance(obj, dict):
            packed = ["dict", [[self.key(key, where), self.pack(obj[key], f"{where}[{key!r}]")] for key in obj]]
        else:
            kind = "tuple" if isinstance(obj, tuple) else "list"
            packed = [kind, [self.pack(value, f"{where}[{i}]") for i, value in enumerate(obj)]]
        self.above.pop()
        return packed

    def key(self, key: Any, where: str) -> Any:
        """A key of a dictionary, after a check."""
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise TypeError(f"save: {where} has the key {key!r}, which is neither a string nor an integer")
        if isinstance(key, int) and key.bit_length() > _MAX_BITS:
            raise ValueError(f"save: {where} has a key of {key.bit_length()} bits, and {_MAX_BITS} can be saved")
        return key

    def add(self, obj: Any, where: str) -> int:
        """Add an array, or that of a tensor, to the list; returns its number."""
        array = obj.data if isinstance(obj, Tensor) else obj
        if isinstance(array, numpy.ma.MaskedArray):
            raise TypeError(f"save: {where} is a masked array, whose mask would be lost")
        array = backend.to_numpy(array)
        if array.dtype.hasobject:
            raise TypeError(f"save: {where} is an array of Python objects")
        if not _comes_back(array.dtype):
            raise TypeError(f"save: {where} is an array whose dtype cannot be saved: {str(array.dtype)[:200]}")
        self.arrays.append(array)
        self.described.append([_descr(array.dtype), list(array.shape), _digest(array)])
        return len(self.arrays) - 1


class _Unpacking:
    """Rebuilds the object from the entries of an archive."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.tensors: list[Tensor] = []
        self.used = 0
        self.described: list[Any] | None = None  # [dtype, shape, digest] of each array; None in old files
        entries = archive.infolist()
        self.lengths = {entry.filename: entry.file_size for entry in entries}
        if f"{_STRUCTURE}.npy" not in self.lengths:
            raise ValueError("it is not a checkpoint written by minigrad.save")
        if len(self.lengths) < len(entries):
            raise ValueError("it has two entries of one name")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or sum(self.lengths.values()) > size:
            raise ValueError("its entries are compressed, or claim to be longer than the file")

    def all(self) -> Any:
        """Read the structure, and return the whole object."""
        text = _text(self.read(_STRUCTURE))
        if text.startswith("["):
            content = json.loads(text)
        else:
            start = len(_HEAD % hashlib.sha256().hexdigest())
            if text[:start] != _HEAD % hashlib.sha256(text[start:].encode()).hexdigest():
                raise ValueError("its structure was altered, or is of a later format")
            structure = json.loads(text)
            content, self.described = structure["object"], structure["arrays"]
        obj = self.unpack(content)
        if self.used != len(self.lengths) - 1 or (self.described is not None and self.used != len(self.described)):
            raise ValueError("it has entries that its structure does not use")
        return obj

    def unpack(self, node: Any) -> Any:
        """The object of the JSON form [kind, content]."""
        kind, content = node
        if kind == "value":
            if content is None or isinstance(content, (bool, int, float, str)):
                return content
        elif kind in ("array", "tensor"):
            array = self.take(content)
            if kind == "array":
                return array
            self.tensors.append(Tensor(array))
            return self.tensors[-1]
        elif isinstance(content, list):
            if kind == "dict":
                return self.dictionary(content)
            if kind in ("list", "tuple"):
                values = [self.unpack(value) for value in content]
                return tuple(values) if kind == "tuple" else values
        raise ValueError("its structure has an unknown part")

    def dictionary(self, pairs: list[Any]) -> dict[Any, Any]:
        """The dictionary of these pairs [key, JSON form of the value]."""
        keys = [key for key, _ in pairs]
        if any(isinstance(key, bool) or not isinstance(key, (str, int)) for key in keys):
            raise ValueError("its structure has a key that is neither a string nor an integer")
        # The time to build a dictionary grows with the square of the number of keys with the same hash, and integers
        # with the same hash are easy to find.
        if pairs and collections.Counter(map(hash, keys)).most_common(1)[0][1] > _MAX_COLLISIONS:
            raise ValueError("its structure has a dictionary of keys with one hash")
        found = {key: self.unpack(node) for key, node in pairs}
        if len(found) < len(pairs):
            raise ValueError("its structure has a key twice")
        return found

    def take(self, number: Any) -> numpy.ndarray:
        """Array `number`, which must be the next one, since `save` numbers arrays in order and uses each once."""
        if type(number) is not int or number != self.used:
            raise ValueError("its structure does not use the arrays one after the other")
        self.used += 1
        array = self.read(str(number))
        if self.described is not None:
            descr, shape, digest = self.described[number]
            if [descr, shape, digest] != [_descr(array.dtype), list(array.shape), _digest(array)]:
                raise ValueError(f"array {number} is not the one that was saved")
        return array

    def read(self, name: str) -> numpy.ndarray:
        """The array of an entry, as by NumPy's read_array, but everything in the header is checked before its use."""
        with self.archive.open(f"{name}.npy") as file:
            magic = file.read(8)
            if magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
                raise ValueError(f"entry {name} is not an array of NumPy's")
            count = 2 if magic[6] == 1 else 4
            header_length = int.from_bytes(file.read(count), "little")
            if header_length > _MAX_HEADER:
                raise ValueError(f"the header of array {name} is too long")
            header = ast.literal_eval(file.read(header_length).decode("utf-8" if magic[6] == 3 else "latin-1"))
            dtype, shape, fortran = _dtype(header["descr"]), header["shape"], header["fortran_order"]
            if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape) or len(header) != 3:
                raise ValueError(f"the header of array {name} is damaged")
            length = math.prod(shape) * dtype.itemsize
            if dtype.hasobject or not dtype.itemsize or type(fortran) is not bool:
                raise ValueError(f"array {name} is of Python objects, or its header is damaged")
            if length != self.lengths[f"{name}.npy"] - 8 - count - header_length:
                raise ValueError(f"array {name} is longer or shorter than its header says")
            # The length is right, so read that many bytes.
            array = numpy.empty(math.prod(shape), dtype)
            room = array.view(numpy.uint8)
            for start in range(0, length, _CHUNK):
                piece = room[start : start + _CHUNK]
                piece[:] = numpy.frombuffer(file.read(len(piece)), numpy.uint8, count=len(piece))
            file.read(1)  # at the end of the entry zipfile checks its checksum
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _dtype(descr: Any) -> numpy.dtype[Any]:
    return numpy.lib.format.descr_to_dtype(descr)


def _text(array: numpy.ndarray) -> str:
    if array.dtype != numpy.uint8 or array.ndim != 1:
        raise ValueError("its structure is not an array of bytes")
    return array.tobytes().decode("ascii")
