"""Saving and loading: nested dictionaries and lists of numbers, strings and arrays, in one ``.npz`` file.

The file is a NumPy archive: the arrays, and beside them the structure as JSON. Nothing in it is executed when it
is loaded (no pickle), and it is written beside its place and then moved there, so an interruption leaves the old
file as it was.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy

from minigrad import backend
from minigrad.tensor import Tensor

_STRUCTURE = "structure"


_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What NumPy, zipfile and json raise when they are given damaged bytes."""


class CheckpointError(ValueError):
    """A file that is no checkpoint, or a damaged one; the message has its path and what is wrong."""


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write `obj`, a ``state_dict()`` say, to `path`.

    Dictionaries (with string or integer keys), lists, tuples, None, booleans, numbers, strings, arrays and tensors
    can be nested as one likes. Arrays on a GPU are written like those on the host, and loaded there.

    Raises:
        TypeError: there is something else in it; the message says where.
        OSError: the file cannot be written.
    """
    arrays: list[numpy.ndarray] = []
    structure = _pack(obj, arrays, "the object")
    entries = {str(i): a for i, a in enumerate(arrays)}
    entries[_STRUCTURE] = numpy.frombuffer(json.dumps(structure).encode(), dtype=numpy.uint8)
    path = Path(path)
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


def load(path: str | os.PathLike[str], device: str | backend.device = "cpu") -> Any:
    """Read back what `save` wrote: tensors as tensors on `device`, arrays as NumPy arrays.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is cut short, damaged, or no checkpoint of minigrad's.
    """
    path = Path(path)
    if backend.device(device).type == "cuda":
        backend.import_cupy()  # what that says is not about the file
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with path.open("rb") as file:  # opened here, so that it is closed whatever NumPy makes of it
            archive = numpy.load(file, allow_pickle=False)
            if not isinstance(archive, numpy.lib.npyio.NpzFile) or _STRUCTURE not in archive:
                raise CheckpointError(f"{path} is not a checkpoint written by minigrad.save")
            with archive:
                structure = json.loads(archive[_STRUCTURE].tobytes())
                return _unpack(structure, archive, device)
    except CheckpointError:
        raise
    except _DAMAGE as error:
        raise CheckpointError(f"{path} is cut short, damaged, or no checkpoint of minigrad's ({error})") from None


def _pack(obj: Any, arrays: list[numpy.ndarray], where: str) -> Any:
    """What stands for `obj` in the JSON: [kind, content]."""
    if isinstance(obj, Tensor) or backend.is_array(obj):
        array = backend.to_numpy(obj.data if isinstance(obj, Tensor) else obj)
        if array.dtype.hasobject:
            raise TypeError(f"save: {where} is an array of Python objects")
        arrays.append(array)
        return ["tensor" if isinstance(obj, Tensor) else "array", len(arrays) - 1]
    if isinstance(obj, numpy.generic):
        obj = obj.item()
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return ["value", obj]
    if isinstance(obj, dict):
        wrong = [key for key in obj if isinstance(key, bool) or not isinstance(key, (str, int))]
        if wrong:
            raise TypeError(f"save: {where} has the key {wrong[0]!r}, which is neither a string nor an integer")
        return ["dict", [[key, _pack(value, arrays, f"{where}[{key!r}]")] for key, value in obj.items()]]
    if isinstance(obj, (list, tuple)):
        kind = "tuple" if isinstance(obj, tuple) else "list"
        return [kind, [_pack(value, arrays, f"{where}[{i}]") for i, value in enumerate(obj)]]
    raise TypeError(f"save: {where} is a {type(obj).__name__}, which cannot be saved")


def _unpack(node: Any, archive: Any, device: str | backend.device) -> Any:
    kind, content = node
    if kind == "value":
        return content
    if kind == "array":
        return archive[str(content)]
    if kind == "tensor":
        return Tensor(backend.to_device(archive[str(content)], device))
    if kind == "dict":
        return {key: _unpack(value, archive, device) for key, value in content}
    if kind in ("list", "tuple"):
        values = [_unpack(value, archive, device) for value in content]
        return tuple(values) if kind == "tuple" else values
    raise ValueError(f"unknown kind {kind!r}")
