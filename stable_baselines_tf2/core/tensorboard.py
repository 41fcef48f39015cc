"""TensorBoard event files, written without TensorFlow, and the numbered folders of runs."""

from __future__ import annotations

import itertools
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from google.protobuf.message import Message

FLUSH_SECONDS = 5.0  # how far behind someone who watches the training may be
HISTOGRAM_BUCKETS = 30
_file_numbers = itertools.count()  # distinguishes writers that one process opens in one folder within a second


class EventWriter:
    """Writes one TensorBoard event file; a context manager that closes it.

    Args:
        folder: where the file goes; created where missing.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.folder = os.fspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_file_numbers)}"
        self.path = os.path.join(self.folder, name)
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._file = open(self.path, "wb")
        self._records = RecordWriter(self._file)
        self._flushed = 0.0
        self._write(file_version="brain.Event:2")

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Writes one number (anything that ``float`` takes)."""
        self.scalars({tag: value}, step)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes several numbers of one step as one record."""
        point = self._summary.Value
        self.add_summary(self._summary(value=[point(tag=t, simple_value=float(v)) for t, v in values.items()]), step)

    def histogram(self, tag: str, values: ArrayLike, step: int) -> None:
        """Writes the distribution of an array's finite values."""
        from tensorboard.plugins.histogram.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        values = np.asarray(values, np.float64).ravel()
        counts, edges = np.histogram(values[np.isfinite(values)], HISTOGRAM_BUCKETS)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)  # [buckets, (left, right, count)]
        summary = self._summary()
        summary.value.add(
            tag=tag,
            tensor=make_tensor_proto(buckets, np.float64),
            metadata=create_summary_metadata(display_name=None, description=None),
        )
        self.add_summary(summary, step)

    def text(self, tag: str, text: str, step: int) -> None:
        """Writes a text, shown as Markdown."""
        from tensorboard.plugins.text.summary_v2 import text_pb

        self.add_summary(text_pb(tag, text), step)

    def add_summary(self, summary: Message, global_step: int | None = None) -> None:
        """Writes a summary message; scripts of TensorFlow 1 call this with a ``tf.Summary``.

        Args:
            summary: a ``Summary`` message of TensorFlow or TensorBoard, or its bytes.
            global_step: the step that it belongs to.
        """
        if not isinstance(summary, self._summary):
            data = summary if isinstance(summary, bytes) else summary.SerializeToString()
            summary = self._summary.FromString(data)
        self._write(summary=summary, step=int(global_step or 0))

    def flush(self) -> None:
        """Hands everything written so far to the operating system."""
        self._flushed = time.time()
        self._records.flush()

    def close(self) -> None:
        """Flushes and closes the file; closing twice does nothing, writing afterwards raises ``ValueError``."""
        self._records.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, **fields: object) -> None:
        now = time.time()
        self._records.write(self._event(wall_time=now, **fields).SerializeToString())
        if now - self._flushed > FLUSH_SECONDS:
            self.flush()


def read_scalars(path: str | os.PathLike) -> Iterator[tuple[int, str, float]]:
    """Reads the numbers of one event file, whichever program wrote it.

    Yields:
        (step, tag, value) in the order of the file.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    for event in EventFileLoader(os.fspath(path)).Load():
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                yield event.step, value.tag, float(make_ndarray(value.tensor))


def run_directory(root: str | os.PathLike, name: str, new: bool = True) -> str:
    """The folder ``{root}/{name}_{number}`` of a training run.

    Args:
        root: the folder of all runs, ``tensorboard_log`` of an algorithm.
        name: name of the run, ``tb_log_name`` of ``learn()``.
        new: True takes the number after the highest one present and creates that folder, so that runs which start at
            the same time get folders of their own; False continues in the highest one present (0 where there is none).

    Returns:
        Path of the folder.
    """
    parent, base = os.path.split(os.path.join(root, name))
    parent = parent or os.curdir
    os.makedirs(parent, exist_ok=True)
    numbered = re.compile(re.escape(base) + r"_([0-9]+)")
    number = max((int(match[1]) for match in map(numbered.fullmatch, os.listdir(parent)) if match), default=0)
    if not new:
        return os.path.join(parent, f"{base}_{number}")
    while True:
        number += 1
        path = os.path.join(parent, f"{base}_{number}")
        try:
            os.mkdir(path)
            return path
        except FileExistsError:
            continue


class TensorboardWriter:
    """The event file of one run, as a context manager.

    Args:
        graph: ignored; there are no graphs any more.
        tensorboard_log_path: folder of all runs; None for no file.
        tb_log_name: name of the run.
        new_tb_log: start a new run rather than continuing the latest.
    """

    def __init__(
        self, graph: object, tensorboard_log_path: str | None, tb_log_name: str, new_tb_log: bool = True
    ) -> None:
        self.tensorboard_log_path, self.tb_log_name, self.new_tb_log = tensorboard_log_path, tb_log_name, new_tb_log
        self.writer: EventWriter | None = None

    def __enter__(self) -> EventWriter | None:
        if self.tensorboard_log_path is not None:
            self.writer = EventWriter(run_directory(self.tensorboard_log_path, self.tb_log_name, self.new_tb_log))
        return self.writer

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.close()
