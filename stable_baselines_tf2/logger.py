"""Diagnostics of training: collected by name, written to the terminal and to files in several formats.

``logkv`` keeps the last value of a name, ``logkv_mean`` the mean of its values, and ``dumpkvs`` writes all of them as
one row and forgets them. Without ``configure`` everything goes to the terminal only.

Environment variables: ``OPENAI_LOGDIR`` is the default folder, ``OPENAI_LOG_FORMAT`` the default formats separated by
commas (``OPENAI_LOG_FORMAT_MPI`` on MPI ranks other than 0).
"""

from __future__ import annotations

import csv
import datetime
import functools
import glob
import io
import json
import os
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.archive import atomic_write
from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.core.tensorboard import EventWriter, read_scalars

if TYPE_CHECKING:
    import pandas

DEBUG = 10
INFO = 20
WARN = 30
ERROR = 40

DISABLED = 50

MAX_WIDTH = 23  # characters of a name or value that the table shows


def _plain(value: object) -> Any:
    """A logged value as a Python number, string, list or None; arrays and tensors of one element become numbers."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if hasattr(value, "numpy"):  # a tensor
        value = value.numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.item()) if value.size == 1 else value.tolist()
    return value


class KVWriter:
    """What can write a row of named values."""

    def writekvs(self, kvs: Mapping[str, Any]) -> None:
        """Writes one row."""
        raise NotImplementedError


class SeqWriter:
    """What can write a line of text."""

    def writeseq(self, seq: Iterable[str]) -> None:
        """Writes the strings as one line, separated by spaces."""
        raise NotImplementedError


class HumanOutputFormat(KVWriter, SeqWriter):
    """Tables and lines for people.

    Args:
        filename_or_file: path of a text file to (over)write, or an open one, which is never closed here. ``sys.stdout``
            means whatever it is at the time of writing.
    """

    def __init__(self, filename_or_file: str | os.PathLike | IO[str]) -> None:
        self._file: IO[str] | None = None
        self.own_file = isinstance(filename_or_file, (str, os.PathLike))
        if isinstance(filename_or_file, (str, os.PathLike)):
            self._file = open(filename_or_file, "w", encoding="utf-8")
        elif filename_or_file is sys.stdout:
            pass
        elif hasattr(filename_or_file, "write"):
            self._file = filename_or_file
        else:
            raise TypeError(f"filename_or_file must be a path or a file open for writing, not {filename_or_file!r}")

    @property
    def file(self) -> IO[str]:
        """The file written to."""
        return sys.stdout if self._file is None else self._file

    def writekvs(self, kvs: Mapping[str, Any]) -> None:
        if not kvs:
            warnings.warn("there is nothing to write: no value was logged since the last dump", stacklevel=2)
            return
        rows = [(self._truncate(str(key)), self._show(_plain(kvs[key]))) for key in sorted(kvs, key=str)]
        left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
        line = "-" * (left + right + 7)
        table = "".join(f"| {key:<{left}} | {value:<{right}} |\n" for key, value in rows)
        self.file.write(f"{line}\n{table}{line}\n")
        self.file.flush()

    @classmethod
    def _show(cls, value: object) -> str:
        return f"{value:<8.3g}" if isinstance(value, float) else cls._truncate(str(value))

    @staticmethod
    def _truncate(text: str) -> str:
        return text[: MAX_WIDTH - 3] + "..." if len(text) > MAX_WIDTH else text

    def writeseq(self, seq: Iterable[str]) -> None:
        self.file.write(" ".join(seq) + "\n")
        self.file.flush()

    def close(self) -> None:
        """Closes the file if it was opened here."""
        if self.own_file:
            self.file.close()


class JSONOutputFormat(KVWriter):
    """One JSON object per line.

    Args:
        filename: the file to (over)write.
    """

    def __init__(self, filename: str | os.PathLike) -> None:
        self.file = open(filename, "w", encoding="utf-8")

    def writekvs(self, kvs: Mapping[str, Any]) -> None:
        row = {str(key): _plain(value) for key, value in kvs.items()}
        self.file.write(json.dumps(row, default=str) + "\n")
        self.file.flush()

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class CSVOutputFormat(KVWriter):
    """A table with one column per name; names that appear late get a column then, empty in the rows before.

    Args:
        filename: the file to (over)write.
    """

    def __init__(self, filename: str | os.PathLike) -> None:
        self.filename = os.fspath(filename)
        self.keys: list[str] = []
        self.file = open(self.filename, "w+", newline="", encoding="utf-8")

    def writekvs(self, kvs: Mapping[str, Any]) -> None:
        row = {str(key): _plain(value) for key, value in kvs.items()}
        new = [key for key in row if key not in self.keys]
        if new:
            self._add_columns(new)
        csv.writer(self.file, lineterminator="\n").writerow([row.get(key) for key in self.keys])
        self.file.flush()

    def _add_columns(self, new: list[str]) -> None:
        """Rewrites the file with more columns; an interruption leaves the old file."""
        self.file.seek(0)
        rows = list(csv.reader(self.file))[1:]
        self.file.close()
        try:
            with atomic_write(self.filename) as binary:
                text = io.TextIOWrapper(binary, "utf-8", newline="")
                writer = csv.writer(text, lineterminator="\n")
                writer.writerow(self.keys + new)
                writer.writerows(row + [""] * len(new) for row in rows)
                text.detach()  # flushes, and leaves the binary file open
            self.keys += new
        finally:
            self.file = open(self.filename, "r+", newline="", encoding="utf-8")
            self.file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class TensorBoardOutputFormat(KVWriter):
    """TensorBoard scalars; rows are numbered from 1, values that are not numbers are left out.

    Args:
        folder: the folder of the event file, created where missing.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.dir = os.fspath(folder)
        self.step = 1
        self.writer = EventWriter(self.dir)

    def writekvs(self, kvs: Mapping[str, Any]) -> None:
        plain = {str(key): _plain(value) for key, value in kvs.items()}
        self.writer.scalars({key: float(value) for key, value in plain.items() if valid_float_value(value)}, self.step)
        self.writer.flush()
        self.step += 1

    def close(self) -> None:
        """Closes the file."""
        self.writer.close()


def summary_val(key: str, value: float) -> Any:
    """One number as TensorBoard's ``Summary.Value`` message."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=key, simple_value=float(value))


def valid_float_value(value: Any) -> bool:
    """Whether ``float(value)`` works."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def make_output_format(_format: str, ev_dir: str | os.PathLike, log_suffix: str = "") -> Any:
    """Creates one output.

    Args:
        _format: ``"stdout"``, ``"log"`` (tables in ``log.txt``), ``"json"`` and ``"csv"`` (``progress.json`` and
            ``progress.csv``) or ``"tensorboard"`` (folder ``tb``).
        ev_dir: the folder of the files, created where missing.
        log_suffix: goes into the file names before the extension.

    Returns:
        A `KVWriter`.

    Raises:
        ValueError: there is no such format.
    """
    makers: dict[str, Callable[[], KVWriter]] = {
        "stdout": lambda: HumanOutputFormat(sys.stdout),
        "log": lambda: HumanOutputFormat(os.path.join(ev_dir, f"log{log_suffix}.txt")),
        "json": lambda: JSONOutputFormat(os.path.join(ev_dir, f"progress{log_suffix}.json")),
        "csv": lambda: CSVOutputFormat(os.path.join(ev_dir, f"progress{log_suffix}.csv")),
        "tensorboard": lambda: TensorBoardOutputFormat(os.path.join(ev_dir, f"tb{log_suffix}")),
    }
    if _format not in makers:
        raise ValueError(f"unknown log format {_format!r}; there are {', '.join(makers)}")
    os.makedirs(ev_dir, exist_ok=True)
    return makers[_format]()


class Logger:
    """Collects named values and writes them to its outputs.

    ``Logger.CURRENT`` is the one that the functions of this module use, ``Logger.DEFAULT`` the one that writes to the
    terminal only.

    Args:
        folder: what ``get_dir`` returns.
        output_formats: the outputs, `KVWriter` or `SeqWriter` objects.
    """

    DEFAULT: Logger
    CURRENT: Logger

    def __init__(self, folder: str | None, output_formats: Sequence[Any]) -> None:
        self.name2val: dict[str, Any] = defaultdict(float)
        self.name2cnt: dict[str, int] = defaultdict(int)
        self.level = INFO
        self.dir = folder
        self.output_formats = list(output_formats)

    def logkv(self, key: str, val: object) -> None:
        """Sets a value of the next row; the last one counts."""
        self.name2val[key] = val

    def logkv_mean(self, key: str, val: object) -> None:
        """Sets a value of the next row to the mean of all values given here; None empties it."""
        if val is None:
            self.name2val[key], self.name2cnt[key] = None, 0
            return
        val, count = _plain(val), self.name2cnt[key]
        self.name2val[key] = (self.name2val[key] * count + val) / (count + 1) if count else val
        self.name2cnt[key] = count + 1

    def dumpkvs(self) -> None:
        """Writes the row and starts the next one; at level ``DISABLED`` the row is dropped."""
        if self.level < DISABLED:
            for output in self.output_formats:
                if isinstance(output, KVWriter):
                    output.writekvs(self.name2val)
        self.name2val.clear()
        self.name2cnt.clear()

    def log(self, *args: object, level: int = INFO) -> None:
        """Writes a line, unless ``level`` is below the logger's."""
        if self.level <= level:
            for output in self.output_formats:
                if isinstance(output, SeqWriter):
                    output.writeseq(map(str, args))

    def set_level(self, level: int) -> None:
        """Sets the lowest level that is written."""
        self.level = level

    def get_dir(self) -> str | None:
        """The folder of the log files, None without one."""
        return self.dir

    def close(self) -> None:
        """Closes the outputs."""
        for output in self.output_formats:
            output.close()


Logger.DEFAULT = Logger.CURRENT = Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout)])


def logkv(key: str, val: object) -> None:
    """Sets a value of the next row; the last one counts."""
    Logger.CURRENT.logkv(key, val)


def logkv_mean(key: str, val: object) -> None:
    """Sets a value of the next row to the mean of all values given here."""
    Logger.CURRENT.logkv_mean(key, val)


def logkvs(key_values: Mapping[str, Any]) -> None:
    """Sets several values of the next row."""
    for key, value in key_values.items():
        logkv(key, value)


def dumpkvs() -> None:
    """Writes the row and starts the next one."""
    Logger.CURRENT.dumpkvs()


def getkvs() -> dict[str, Any]:
    """The values of the next row, as they stand."""
    return Logger.CURRENT.name2val


def log(*args: object, level: int = INFO) -> None:
    """Writes the arguments as one line, unless ``level`` is below the logger's."""
    Logger.CURRENT.log(*args, level=level)


def debug(*args: object) -> None:
    """Writes a line at level ``DEBUG``."""
    log(*args, level=DEBUG)


def info(*args: object) -> None:
    """Writes a line at level ``INFO``."""
    log(*args, level=INFO)


def warn(*args: object) -> None:
    """Writes a line at level ``WARN``."""
    log(*args, level=WARN)


def error(*args: object) -> None:
    """Writes a line at level ``ERROR``."""
    log(*args, level=ERROR)


def set_level(level: int) -> None:
    """Sets the lowest level that the current logger writes."""
    Logger.CURRENT.set_level(level)


def get_level() -> int:
    """The lowest level that the current logger writes."""
    return Logger.CURRENT.level


def get_dir() -> str | None:
    """The folder of the log files, None unless ``configure`` was called."""
    return Logger.CURRENT.get_dir()


record_tabular = logkv
dump_tabular = dumpkvs


class ProfileKV:
    """Context manager that adds the seconds spent inside to the value ``wait_{name}`` of the next row."""

    def __init__(self, name: str) -> None:
        self.name = "wait_" + name

    def __enter__(self) -> None:
        self.start_time = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        Logger.CURRENT.name2val[self.name] += time.perf_counter() - self.start_time


def profile(name: str) -> Callable[[Callable], Callable]:
    """Decorator that adds the seconds spent in a function to the value ``wait_{name}`` of the next row."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def timed(*args: object, **kwargs: object) -> Any:
            with ProfileKV(name):
                return function(*args, **kwargs)

        return timed

    return decorate


def configure(folder: str | os.PathLike | None = None, format_strs: Sequence[str] | None = None) -> None:
    """Starts a new current logger that writes to a folder.

    Args:
        folder: where the files go, created where missing; None means ``OPENAI_LOGDIR``, or else a new folder
            among the temporary files.
        format_strs: the formats, see `make_output_format`; None means ``OPENAI_LOG_FORMAT``, or else stdout, log and
            csv. On MPI ranks other than 0: ``OPENAI_LOG_FORMAT_MPI``, or else log, with the rank in the file names.

    Raises:
        TypeError: ``folder`` is not a path.
        ValueError: a format is unknown.
    """
    if folder is None:
        stamp = datetime.datetime.now().strftime("openai-%Y-%m-%d-%H-%M-%S-%f")
        folder = os.getenv("OPENAI_LOGDIR") or os.path.join(tempfile.gettempdir(), stamp)
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder must be a path or None, not {folder!r}")
    folder = os.fspath(folder)
    suffix = ""
    if format_strs is None:
        rank = distributed.rank()
        if rank == 0:
            format_strs = os.getenv("OPENAI_LOG_FORMAT", "stdout,log,csv").split(",")
        else:
            suffix = f"-rank{rank:03d}"
            format_strs = os.getenv("OPENAI_LOG_FORMAT_MPI", "log").split(",")
    os.makedirs(folder, exist_ok=True)
    outputs = [make_output_format(name, folder, suffix) for name in format_strs if name]
    Logger.CURRENT = Logger(folder=folder, output_formats=outputs)
    log(f"Logging to {folder}")


def reset() -> None:
    """Closes the current logger and goes back to the one that writes to the terminal only."""
    if Logger.CURRENT is not Logger.DEFAULT:
        Logger.CURRENT.close()
        Logger.CURRENT = Logger.DEFAULT
        log("Reset logger")


class ScopedConfigure:
    """Context manager: `configure` at its start, the logger from before at its end.

    Args:
        folder: see `configure`.
        format_strs: see `configure`.
    """

    def __init__(self, folder: str | os.PathLike | None = None, format_strs: Sequence[str] | None = None) -> None:
        self.dir = folder
        self.format_strs = format_strs
        self.prevlogger: Logger | None = None

    def __enter__(self) -> None:
        self.prevlogger = Logger.CURRENT
        configure(folder=self.dir, format_strs=self.format_strs)

    def __exit__(self, *error: object) -> None:
        if self.prevlogger is not None:
            Logger.CURRENT.close()
            Logger.CURRENT = self.prevlogger


def read_json(fname: str | os.PathLike) -> pandas.DataFrame:
    """Reads a ``progress.json``: one row per line."""
    with open(fname, encoding="utf-8") as file:
        return require("pandas", "plots").DataFrame([json.loads(line) for line in file])


def read_csv(fname: str | os.PathLike) -> pandas.DataFrame:
    """Reads a ``progress.csv``; lines at its top that start with ``#`` are comments."""
    with open(fname, encoding="utf-8") as file:
        comments = 0
        while file.readline().startswith("#"):
            comments += 1
    return require("pandas", "plots").read_csv(fname, index_col=None, skiprows=comments)


def read_tb(path: str | os.PathLike) -> pandas.DataFrame:
    """Reads the scalars of a TensorBoard event file, or of all event files in a folder.

    Returns:
        One row per step from 1 to the last (row 0 is step 1), one column per tag; NaN where nothing was written.

    Raises:
        ValueError: ``path`` is neither a folder nor an event file.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        names = sorted(glob.glob(os.path.join(glob.escape(path), "events.*")))
    elif os.path.basename(path).startswith("events."):
        names = [path]
    else:
        raise ValueError(f"path must be a folder or a TensorBoard file (events.*), not {path!r}")
    points = [point for name in names for point in read_scalars(name) if point[0] > 0]
    tags = sorted({tag for _, tag, _ in points})
    column = {tag: i for i, tag in enumerate(tags)}
    data = np.full((max((step for step, _, _ in points), default=0), len(tags)), np.nan)
    for step, tag, value in points:
        data[step - 1, column[tag]] = value
    return require("pandas", "plots").DataFrame(data, columns=tags)
