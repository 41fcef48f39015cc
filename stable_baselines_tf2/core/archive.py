"""Model files: a zip with JSON and named arrays, written atomically and read without executing anything.

Members: ``data`` (JSON, the hyperparameters), ``parameters`` (npz), ``parameter_list`` (JSON, their order); and for
exact resumption ``training_state`` (JSON) and ``training_arrays`` (npz). What Stable Baselines wrote before there was
this format is one pickle: its bytes are handed on as they are.

A small file cannot fill the memory: what members say about their size is compared with the size of the file first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import stat
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any

import numpy as np

PathOrFile = str | os.PathLike | IO[bytes]
ENDINGS = ("", ".zip", ".pkl")  # that a path may lack, in the order in which they are tried
MAX_EXPANSION = 20  # how many times the size of a file its contents may have; weights do not compress better ...
ALWAYS_ALLOWED = 2**24  # ... but a few bytes may well be zeros
CHUNK = 2**20  # bytes of an array that are read at a time
MAX_DEPTH = 64  # of objects within objects among the hyperparameters, which have about ten
MAX_BINARY = 256  # pickles and arrays among the hyperparameters, of which there are about thirty
SERIALIZED = ":serialized:"  # key of a pickle among them; that of an array is "npz"


@dataclasses.dataclass
class Archive:
    """Contents of a model file; what it does not hold is None (or empty)."""

    data: str | None = None  # JSON
    parameters: OrderedDict[str, np.ndarray] | None = None
    state: dict[str, Any] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    pickled: bytes | None = None  # the whole file, where it is a pickle


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Writes a file so that readers see either the old one or the whole new one, with the permissions of the old one.

    The data go to a temporary file in the same folder, which is flushed to the disk and renamed at the end. When
    anything fails (a full disk, an exception in the block), the temporary file is removed and the old file stays.

    Args:
        path: the file to (over)write; its folder must exist.

    Yields:
        A binary file object opened for writing and reading.
    """
    path = os.path.realpath(path)  # a link stays one
    folder, name = os.path.split(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _mode_of(path: str) -> int:
    """The permissions of a file; of one that is not there, those that any new file gets."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


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
            # Replay buffers are large: they go to the file array by array.
            with members.open("training_arrays", "w", force_zip64=True) as member:
                _write_arrays(member, archive.arrays)


def read_archive(source: PathOrFile) -> Archive:
    """Reads a model file.

    Args:
        source: a path (tried with ``.zip`` and ``.pkl`` added as well) or a binary file object.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: ``source`` is neither a path nor a file object.
        ValueError: the file is not a model file, or it is damaged.
    """
    with _opened(source) as (file, name):
        if file.read(1) == b"\x80":
            file.seek(0)
            return Archive(pickled=file.read())
        try:
            with open_zip(file) as members:
                return _from_members(members)
        except Exception as error:  # zipfile, zlib, NumPy and JSON each have their own ways to refuse a file
            raise ValueError(f"{name} is not a model file or is damaged: {error}") from error


def read_file(source: PathOrFile) -> tuple[bytes, str]:
    """All of a file, and what to call it in messages; for arguments and errors see `read_archive`."""
    with _opened(source) as (file, name):
        return file.read(), name


@contextlib.contextmanager
def _opened(source: PathOrFile) -> Iterator[tuple[IO[bytes], str]]:
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        path = next((path + ending for ending in ENDINGS if os.path.isfile(path + ending)), path)
        with open(path, "rb") as file:
            yield file, path
        return
    if not hasattr(source, "read"):
        raise TypeError(f"expected the path of a model file or a binary file object, got {source!r}")
    yield io.BytesIO(source.read()), file_name(source)


def file_name(source: PathOrFile) -> str:
    """What to call a file in messages."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "the file"))


def _from_members(members: zipfile.ZipFile) -> Archive:
    names = set(members.namelist())
    if not names & {"data", "parameters", "training_state"}:
        raise ValueError(
            f"it holds {sorted(names)[:5]}"
        )  # a zip whose end is cut off can look like the npz inside of it
    archive = Archive()
    if "data" in names:
        archive.data = members.read("data").decode()
        check_json(archive.data)
    if "parameters" in names:
        arrays = bytes_to_arrays(members.read("parameters"))
        order = json.loads(members.read("parameter_list")) if "parameter_list" in names else None
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(arrays):
            raise ValueError("its parameter_list does not name its parameters")
        archive.parameters = OrderedDict((key, arrays[key]) for key in order)
    if "training_state" in names:
        archive.state = json.loads(members.read("training_state"))
        if not isinstance(archive.state, dict):
            raise ValueError(f"its training_state is a {type(archive.state).__name__}")
    if "training_arrays" in names:
        with members.open("training_arrays") as member:  # may be as large as a replay buffer
            stored = members.getinfo("training_arrays").compress_type == zipfile.ZIP_STORED
            # In what is compressed, reading here and there would take forever.
            archive.arrays = bytes_to_arrays(member if stored else member.read())
    return archive


def check_json(text: str) -> None:
    """Refuses hyperparameters that are nested too deep, or hold more pickles and arrays than could make sense.

    Raises:
        ValueError: they do, or are not JSON.
    """
    try:
        level = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its data must be JSON: {error}") from error
    n_binary = 0
    for _ in range(MAX_DEPTH):
        n_binary += sum(key in part for part in level if isinstance(part, dict) for key in (SERIALIZED, "npz"))
        level = [
            inner
            for part in level
            if isinstance(part, dict | list)
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
    if level:
        raise ValueError(f"its data is nested more than {MAX_DEPTH} levels deep")
    if n_binary > MAX_BINARY:
        raise ValueError(f"its data holds {n_binary} pickles and arrays")


def open_zip(content: bytes | IO[bytes], always_allowed: int = ALWAYS_ALLOWED) -> zipfile.ZipFile:
    """A zip, after a look at the sizes that its members claim to have.

    Args:
        content: the zip, or a file object that can be read at any place.
        always_allowed: bytes that it may unfold to beyond `MAX_EXPANSION` times its size.

    Raises:
        ValueError: they are much larger than the zip, or compressed in an unusual way.
        zipfile.BadZipFile: it is not a zip.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    members, n_bytes = zipfile.ZipFile(file), file.seek(0, os.SEEK_END)
    size, limit = sum(info.file_size for info in members.infolist()), MAX_EXPANSION * n_bytes + always_allowed
    if size > limit:
        raise ValueError(f"it unfolds from {n_bytes} to {size} bytes, more than the {limit} that are plausible")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members.infolist()):
        raise ValueError("it is compressed in a way that no model file is")
    return members


def arrays_to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    _write_arrays(buffer, arrays)
    return buffer.getvalue()


def _write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as members:  # np.savez cannot take every name as a keyword
        for name, array in arrays.items():
            with members.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def bytes_to_array(content: bytes) -> np.ndarray:
    """The array of a hyperparameter, from the bytes of an npz file that was written without compression.

    Raises:
        ValueError: the bytes are not an npz file with an array.
    """
    arrays = bytes_to_arrays(content, always_allowed=0)
    if "array" not in arrays:
        raise ValueError(f"damaged arrays: they are {sorted(arrays)[:5]}")
    return arrays["array"]


def bytes_to_arrays(
    content: bytes | IO[bytes],
    always_allowed: int = ALWAYS_ALLOWED,
    names: Collection[str] | None = None,
    unpickle: Callable[[bytes], Any] | None = None,
) -> dict[str, np.ndarray]:
    """Named arrays from the bytes of an npz file.

    Args:
        content: the file, or a file object that can be read at any place; then arrays are read one by one.
        always_allowed: see `open_zip`.
        names: read only those of the arrays that have these names; all if None.
        unpickle: what reads arrays of objects; these are refused if None.

    Raises:
        ValueError: the bytes are not an npz file, or hold objects that are refused.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    if file.read(2) != b"PK":
        raise ValueError("damaged arrays: they are not an npz file")
    try:
        with open_zip(file, always_allowed) as members:
            found = {info.filename.removesuffix(".npy"): info for info in members.infolist()}
            return {
                name: _array(members, member, unpickle)
                for name, member in found.items()
                if names is None or name in names
            }
    except Exception as error:  # as above
        raise ValueError(f"damaged arrays: {error}") from error


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _array(
    members: zipfile.ZipFile, member: zipfile.ZipInfo, unpickle: Callable[[bytes], Any] | None = None
) -> np.ndarray:
    """An array from an npy file in a zip; NumPy's own reader would allocate whatever the header says."""
    with members.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"an array is in version {version} of its format, which only structures need")
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.hasobject and unpickle is not None:
            return np.asarray(unpickle(stream.read()), dtype=object)
        if dtype.kind not in "biufcSU" or not dtype.itemsize:
            raise ValueError(f"an array is of type {dtype}; object arrays and structures are not read")
        size, expected = member.file_size - stream.tell(), math.prod(shape) * dtype.itemsize
        if size != expected or min(shape, default=0) < 0:
            which = "shorter" if size < expected else "longer"
            raise ValueError(
                f"an array of shape {shape} has {size} bytes instead of {expected}: it is {which} than it says"
            )
        flat = np.empty(math.prod(shape), dtype)
        content, done = flat.view(np.uint8), 0
        while piece := stream.read(CHUNK):  # to the end, where the checksum is compared
            content[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    return flat.reshape(shape, order="F" if fortran else "C")
