"""Files: atomic writing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import IO


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
