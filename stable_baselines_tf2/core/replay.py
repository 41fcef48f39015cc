"""What replay buffers stand on: the memory they may use, and two ways of keeping pairs of observations."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

SHARED_BYTES = 1024  # from this size of an observation on, one that follows another is kept once


def system_memory() -> tuple[int, int] | None:
    """Total and free memory of this machine in bytes; None where the system does not report it."""
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
    """Compares what is about to be allocated with what there is; does nothing where the system does not report it.

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
    warnings.warn(f"{message}{free / 2**30:.1f} GiB free", UserWarning, stacklevel=3)


def ring_rows(start: int, n: int, size: int) -> slice | np.ndarray:
    """Index of the ``n`` rows from ``start`` on in a ring of ``size`` rows, ``n <= size``."""
    if start + n <= size:
        return slice(start, start + n)
    return np.arange(start, start + n) % size


def is_ring_state(length: object, next_row: object, size: int) -> bool:
    """Whether a ring of ``size`` rows can have ``length`` filled ones, with ``next_row`` the next to be written."""
    if not (isinstance(length, int) and isinstance(next_row, int)):
        return False
    return 0 <= next_row < length if length == size else 0 <= next_row == length < size


class Observations(ABC):
    """The observations before and after each transition of a ring of transitions.

    Args:
        size: number of transitions.
        shape: shape of one observation.
        dtype: its dtype.
    """

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype
        self._size = size
        self._obs = np.empty((size, *shape), dtype)

    @abstractmethod
    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        """Stores [N, …] pairs, N <= size, at the N rows from ``start`` on, which is where the last write ended."""

    def obs(self, idxes: np.ndarray) -> np.ndarray:
        """The observations before the transitions in these rows, a copy."""
        return self._obs.take(idxes, axis=0)

    @abstractmethod
    def next_obs(self, idxes: np.ndarray) -> np.ndarray:
        """The observations after the transitions in these rows, a copy."""

    @abstractmethod
    def get_state(self, n: int) -> dict[str, np.ndarray]:
        """All about the first ``n`` rows, which are those that are filled; views where possible."""

    @abstractmethod
    def set_state(self, n: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes up what ``get_state(n)`` gave.

        Raises:
            KeyError: an array is missing.
            ValueError: an array has the wrong shape or dtype, or they contradict each other.
        """

    def _checked(self, arrays: Mapping[str, np.ndarray], name: str, n: int) -> np.ndarray:
        return checked_array(arrays, name, (n, *self.shape), self.dtype)


class SeparateObservations(Observations):
    """Keeps both observations of every transition: fastest, and right for small ones."""

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        super().__init__(size, shape, dtype)
        self._next_obs = np.empty_like(self._obs)

    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        rows = ring_rows(start, len(obs), self._size)
        self._obs[rows] = obs
        self._next_obs[rows] = next_obs

    def next_obs(self, idxes: np.ndarray) -> np.ndarray:
        return self._next_obs.take(idxes, axis=0)

    def get_state(self, n: int) -> dict[str, np.ndarray]:
        return {"obs": self._obs[:n], "next_obs": self._next_obs[:n]}

    def set_state(self, n: int, arrays: Mapping[str, np.ndarray]) -> None:
        obs, next_obs = self._checked(arrays, "obs", n), self._checked(arrays, "next_obs", n)
        self._obs[:n], self._next_obs[:n] = obs, next_obs


class SharedObservations(Observations):
    """Keeps an observation once that ends one transition and begins another: half the memory, for images.

    Each row knows the row whose observation is its next one. That is found out by comparing bytes: row i of a write
    follows row i of the write before if it begins with the observation that the other ended with. So one environment
    may be stored step by step, N of them N rows at a time, and anything else in any order. Next observations that
    nothing follows (at the end of an episode) are kept apart, as are those of the last write.

    Only a younger row can follow, and rows are overwritten from the oldest on: no row outlives the one it refers to.
    """

    _APART, _LAST = -1, -2  # instead of a row: in the dictionary, or among those of the last write

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        super().__init__(size, shape, dtype)
        self._next_row = np.zeros(size, np.int64)  # row of the next observation in `_obs`, or one of the two above
        self._apart: dict[int, np.ndarray] = {}  # next observations by row
        self._last_rows = np.empty(0, np.int64)
        self._last_obs = np.empty((0, *shape), dtype)  # next observations of these rows

    def write(self, start: int, obs: np.ndarray, next_obs: np.ndarray) -> None:
        rows = (start + np.arange(len(obs))) % self._size
        last = self._last_rows
        follows = np.zeros(len(last), bool)
        if len(last) == len(obs):
            follows = _equal_rows(self._last_obs, obs.astype(self.dtype, copy=False))
        for i in np.flatnonzero(~follows):
            self._next_row[last[i]] = self._APART
            self._apart[int(last[i])] = self._last_obs[i].copy()
        self._next_row[last[follows]] = rows[np.flatnonzero(follows)]
        for row in rows[self._next_row[rows] == self._APART]:
            del self._apart[int(row)]
        self._obs[ring_rows(start, len(obs), self._size)] = obs
        self._next_row[rows] = self._LAST
        if len(last) != len(obs):
            self._last_obs = np.empty((len(obs), *self.shape), self.dtype)
        self._last_rows, self._last_obs[:] = rows, next_obs

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
        apart = sorted(self._apart)
        apart_obs = np.empty((len(apart), *self.shape), self.dtype)
        for i, row in enumerate(apart):
            apart_obs[i] = self._apart[row]
        return {
            "obs": self._obs[:n],
            "next_row": self._next_row[:n],
            "apart_obs": apart_obs,
            "last_rows": self._last_rows,
            "last_obs": self._last_obs,
        }

    def set_state(self, n: int, arrays: Mapping[str, np.ndarray]) -> None:
        obs, next_row = self._checked(arrays, "obs", n), checked_array(arrays, "next_row", (n,), np.dtype(np.int64))
        apart, last_rows = np.flatnonzero(next_row == self._APART), arrays["last_rows"]
        apart_obs = self._checked(arrays, "apart_obs", len(apart))
        last_obs = self._checked(arrays, "last_obs", len(last_rows))
        in_order = (last_rows[:1] + np.arange(len(last_rows))) % self._size
        if (
            not np.array_equal(last_rows, in_order)
            or not np.array_equal(np.sort(last_rows), np.flatnonzero(next_row == self._LAST))
            or (n and not self._LAST <= next_row.min() <= next_row.max() < n)
        ):
            raise ValueError("next_row and last_rows of the replay buffer's state contradict each other")
        self._obs[:n], self._next_row[:n] = obs, next_row
        self._apart = {int(row): kept.copy() for row, kept in zip(apart, apart_obs, strict=True)}
        self._last_rows, self._last_obs = last_rows.copy(), last_obs.copy()


def checked_array(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of a saved state, converted to ``dtype``.

    Raises:
        KeyError: it is missing.
        ValueError: it has another shape, or a dtype whose values ``dtype`` cannot hold.
    """
    array = arrays[name]
    if array.shape != shape or not np.can_cast(array.dtype, dtype, "safe"):
        raise ValueError(f"{name} must be {dtype}{list(shape)}, got {array.dtype}{list(array.shape)}")
    return array.astype(dtype, copy=False)


def _equal_rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which rows of two [N, …] arrays of one dtype are the same, byte by byte, [N]."""
    # Two copies and memcmp take a third of the time of an array of comparisons and its reduction.
    return np.array([a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True)])
