"""What replay buffers stand on: the memory they may use, and two ways of keeping pairs of observations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Protocol

import numpy as np

SHARED_BYTES = 1024  # from this size of an observation on, one that follows another is kept once


def system_memory() -> tuple[int, int] | None:
    """Total and free memory of this machine in bytes; None where the system does not tell."""
    try:
        with open("/proc/meminfo") as file:
            sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in file)}
        return sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else total
        return page * total, page * free
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(n_bytes: int, what: str) -> None:
    """Compares what is about to be allocated with what there is; silent where the system does not tell.

    Args:
        n_bytes: bytes needed once everything is filled.
        what: the argument to blame, e.g. ``"buffer_size=1000000"``.

    Raises:
        MemoryError: this machine does not have that much memory at all.

    Warns:
        UserWarning: it has, but not free now.
    """
    memory = system_memory()
    if memory is None or n_bytes <= memory[1]:
        return
    total, free = memory
    message = f"{what} needs {n_bytes / 2**30:.1f} GiB of memory when full, but this machine has "
    if n_bytes > total:
        raise MemoryError(f"{message}{total / 2**30:.1f} GiB")
    warnings.warn(f"{message}{free / 2**30:.1f} GiB free", UserWarning, stacklevel=4)


def ring_rows(start: int, n: int, size: int) -> slice | np.ndarray:
    """Index of the ``n`` rows from ``start`` on in a ring of ``size`` rows, ``n <= size``."""
    if start + n <= size:
        return slice(start, start + n)
    return np.arange(start, start + n) % size


class ObservationPairs(Protocol):
    """Observations before and after each transition of a ring of transitions."""

    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        """Stores [N, …] pairs at the N rows from ``start`` on, where the last write ended."""

    def obs(self, idxes: np.ndarray) -> np.ndarray:
        """The observations before the transitions in these rows, a copy."""

    def next_obs(self, idxes: np.ndarray) -> np.ndarray:
        """The observations after the transitions in these rows, a copy."""

    def get_state(self, n: int) -> dict[str, np.ndarray]:
        """Everything about the first ``n`` rows, which are all that are filled."""

    def set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes up what `get_state` gave.

        Raises:
            ValueError: the arrays contradict each other.
        """


class SeparateObservations:
    """Keeps both observations of every transition: fastest, and right for small ones.

    Args:
        size: number of transitions.
        shape: shape of one observation.
        dtype: its dtype.
    """

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._size = size
        self._obs = np.empty((size, *shape), dtype)
        self._next_obs = np.empty((size, *shape), dtype)

    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        rows = ring_rows(start, len(obs), self._size)
        self._obs[rows] = obs
        self._next_obs[rows] = next_obs

    def obs(self, idxes: np.ndarray) -> np.ndarray:
        return self._obs.take(idxes, axis=0)

    def next_obs(self, idxes: np.ndarray) -> np.ndarray:
        return self._next_obs.take(idxes, axis=0)

    def get_state(self, n: int) -> dict[str, np.ndarray]:
        return {"obs": self._obs[:n], "next_obs": self._next_obs[:n]}

    def set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        _fill(self._obs, arrays["obs"], "obs")
        _fill(self._next_obs, arrays["next_obs"], "next_obs")


class SharedObservations:
    """Keeps an observation once where it ends one transition and begins another: half the memory for images.

    Each row knows the row whose observation is its next one. That is found out by comparing the bytes: row i of a
    write follows row i of the write before if it begins with the observation that the other ended with. So one
    environment may be stored step by step, N of them N rows at a time, and anything else in any order. Next observations that
    nothing follows (the end of an episode) are kept apart, as are those of the last write.

    A row can only be followed by a younger one, and rows are overwritten from the oldest on: what a row refers to
    outlives it.

    Args:
        size: number of transitions.
        shape: shape of one observation.
        dtype: its dtype.
    """

    _APART, _LAST = -1, -2  # in the place of a row: in the dictionary, or of the last write

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._size = size
        self._obs = np.empty((size, *shape), dtype)
        self._next_row = np.zeros(size, np.int64)  # row of the next observation in `_obs`, or one of the two above
        self._apart: dict[int, np.ndarray] = {}  # next observations by row
        self._last_obs = np.empty((0, *shape), dtype)  # next observations of the last write
        self._last_rows = np.empty(0, np.int64)

    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        n = len(obs)
        rows = np.arange(start, start + n) % self._size
        follows = _same_rows(self._last_obs, obs.astype(self._obs.dtype, copy=False))
        self._next_row[self._last_rows[follows]] = rows[follows[:n]]
        for i in np.flatnonzero(~follows):
            self._next_row[self._last_rows[i]] = self._APART
            self._apart[int(self._last_rows[i])] = self._last_obs[i].copy()
        for row in rows[self._next_row[rows] == self._APART]:
            self._apart.pop(int(row), None)
        self._obs[rows] = obs
        self._next_row[rows] = self._LAST
        self._last_obs = np.array(next_obs, self._obs.dtype)
        self._last_rows = rows

    def obs(self, idxes: np.ndarray) -> np.ndarray:
        return self._obs.take(idxes, axis=0)

    def next_obs(self, idxes: np.ndarray) -> np.ndarray:
        next_row = self._next_row[idxes]
        found = self._obs.take(np.maximum(next_row, 0), axis=0)
        for place in zip(*np.nonzero(next_row < 0), strict=True):
            row = int(idxes[place])
            if next_row[place] == self._APART:
                found[place] = self._apart[row]
            else:
                found[place] = self._last_obs[(row - self._last_rows[0]) % self._size]
        return found

    def get_state(self, n: int) -> dict[str, np.ndarray]:
        apart = np.array(sorted(self._apart), np.int64)
        return {
            "obs": self._obs[:n],
            "next_row": self._next_row[:n],
            "apart_rows": apart,
            "apart_obs": np.array([self._apart[row] for row in apart], self._obs.dtype).reshape(-1, *self._obs.shape[1:]),
            "last_rows": self._last_rows,
            "last_obs": self._last_obs,
        }

    def set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        n, next_row = len(arrays["obs"]), arrays["next_row"]
        apart, last = arrays["apart_rows"], arrays["last_rows"]
        consistent = (
            all(np.asarray(rows).dtype == np.int64 and rows.ndim == 1 for rows in (next_row, apart, last))
            and len(next_row) == n
            and (n == 0 or (next_row.min() >= self._LAST and next_row.max() < n))
            and np.array_equal(np.flatnonzero(next_row == self._APART), apart)
            and np.array_equal(np.flatnonzero(next_row == self._LAST), np.sort(last))
            and np.array_equal(last, last[:1] + np.arange(len(last)) - n * (last[:1] + np.arange(len(last)) >= n))
            and arrays["apart_obs"].shape == (len(apart), *self._obs.shape[1:])
            and arrays["last_obs"].shape == (len(last), *self._obs.shape[1:])
        )
        if not consistent:
            raise ValueError("the rows of next observations in this replay buffer's state contradict each other")
        _fill(self._obs, arrays["obs"], "obs")
        self._next_row[:n] = next_row
        self._apart = {int(row): obs.copy() for row, obs in zip(apart, arrays["apart_obs"], strict=True)}
        self._last_obs, self._last_rows = arrays["last_obs"].copy(), last.copy()
