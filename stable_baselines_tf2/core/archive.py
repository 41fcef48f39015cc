"""Model files: a zip with JSON and named arrays, written atomically and read without executing anything.

Members: ``data`` (JSON, the hyperparameters), ``parameters`` (npz), ``parameter_list`` (JSON, their order); and for
    exact
resumption ``training_state`` (JSON) and ``training_arrays`` (npz).
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

PathOrFile = str | os.PathLike | IO[bytes]


@dataclasses.dataclass
class Archive:
    """Contents of a model file; what it does not hold is None (or empty)."""

    data: str | None = None  # JSON
    parameters: OrderedDict[str, np.ndarray] | None = None
    state: dict[str, Any] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Writes a file so that readers see either the old one or the whole new one.

    The data go to a temporary file in the same folder, which is flushed to the disk and renamed at the end. When
    anything fails (a full disk, an exception in the block), the temporary file is removed and the old file stays.

    Args:
        path: the file to (over)write; its folder must exist.

    Yields:
        A binary file object opened for writing and reading.
    """
    path = os.fspath(path)
    folder, name = os.path.split(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes it private; a model file is as readable as any other
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_archive(target: PathOrFile, archive: Archive) -> None:
    """Writes a model file.

    Args:
        target: a path (``.zip`` is added where it has no extension) or a binary file object.
        archive: what to write.

    Raises:
        OSError: the file cannot be written; an old one is left as it was.
    """
    if isinstance(target, str | os.PathLike):
        path = os.fspath(target)
        with atomic_write(path if os.path.splitext(path)[1] else f"{path}.zip") as file:
            write_archive(file, archive)
        return
    with zipfile.ZipFile(target, "w") as members:
        if archive.data is not None:
            members.writestr("data", archive.data)
        if archive.parameters is not None:
            members.writestr("parameters", arrays_to_bytes(archive.parameters))
            members.writestr("parameter_list", json.dumps(list(archive.parameters), indent=4))
        if archive.state:
            members.writestr("training_state", json.dumps(archive.state, indent=4))
        if archive.arrays:
            members.writestr("training_arrays", arrays_to_bytes(archive.arrays))


def read_archive(source: PathOrFile) -> Archive:
    """Reads a model file.

    Args:
        source: a path (tried with ``.zip`` added as well) or a binary file object.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: ``source`` is neither a path nor a file object.
        ValueError: the file is no model file, or it is damaged.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if not os.path.isfile(path) and os.path.exists(f"{path}.zip"):
            path = f"{path}.zip"
        with open(path, "rb") as file:
            return _read_archive(file, path)
    if not hasattr(source, "read"):
        raise TypeError(f"expected the path of a model file or a binary file object, got {source!r}")
    return _read_archive(source, getattr(source, "name", "the file"))


def _read_archive(file: IO[bytes], name: str) -> Archive:
    try:
        with zipfile.ZipFile(file) as members:
            names = set(members.namelist())
            if not names & {"data", "parameters", "training_state"}:
                # A zip whose end is cut off can look like the npz inside of it.
                raise ValueError(f"{name} is no model file or is damaged: it holds {sorted(names)[:5]}")
            archive = Archive()
            if "data" in names:
                archive.data = members.read("data").decode()
            if "parameters" in names:
                arrays = bytes_to_arrays(members.read("parameters"))
                order = json.loads(members.read("parameter_list")) if "parameter_list" in names else None
                if not isinstance(order, list) or sorted(map(str, order)) != sorted(arrays):
                    raise ValueError(f"{name} is damaged: its parameter_list does not name its parameters")
                archive.parameters = OrderedDict((key, arrays[key]) for key in order)
            if "training_state" in names:
                archive.state = json.loads(members.read("training_state"))
                if not isinstance(archive.state, dict):
                    raise ValueError(f"{name} is damaged: its training_state is a {type(archive.state).__name__}")
            if "training_arrays" in names:
                archive.arrays = bytes_to_arrays(members.read("training_arrays"))
            return archive
    except (
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,  # a member is marked as encrypted
        UnicodeDecodeError,
        json.JSONDecodeError,
    ) as error:
        raise ValueError(f"{name} is no model file or is damaged: {error}") from error


def arrays_to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as members:  # np.savez cannot take every name as a keyword
        for name, array in arrays.items():
            with members.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def bytes_to_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Named arrays from the bytes of an npz file; object arrays are refused.

    Raises:
        ValueError: the bytes are no npz file, or hold objects.
    """
    if content[:2] != b"PK":
        raise ValueError("damaged arrays: they are no npz file")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, AttributeError) as error:
        raise ValueError(f"damaged arrays: {error}") from error
