"""Segment trees: arrays that know the sum (or minimum) of any range, for prioritized replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def unique(sorted_array: np.ndarray) -> np.ndarray:
    """The different values of a sorted array, as ``np.unique`` but without sorting again."""
    last = np.ones(len(sorted_array), dtype=bool)  # marks the last of each run of equal values
    last[:-1] = sorted_array[1:] != sorted_array[:-1]
    return sorted_array[last]


class SegmentTree:
    """An array in whose tree every node holds the reduction of its two children; node 1 is the root.

    Reading and writing take an index or an array of indices. Where an index is written several times at once, the
    last value stays.

    Args:
        capacity: number of items, a power of two.
        operation: associative function that combines two arrays element by element, e.g. ``np.add``.
        neutral_element: value that the operation ignores, which all items have at first, e.g. 0 for a sum.

    Raises:
        ValueError: ``capacity`` is not a power of two.
    """

    def __init__(self, capacity: int, operation: Callable[[Any, Any], Any], neutral_element: float):
        if capacity <= 0 or capacity & (capacity - 1):
            raise ValueError(f"capacity must be a power of two, got {capacity}")
        self._capacity = capacity
        self._operation = operation
        self._value = np.full(2 * capacity, neutral_element, dtype=np.float64)  # the items are its second half
        self.neutral_element = neutral_element

    def reduce(self, start: int = 0, end: int | None = None) -> Any:
        """Reduction of the items from ``start`` up to ``end``.

        Args:
            start: first index.
            end: index after the last one; None for the capacity; negative ones count from the capacity.

        Returns:
            The reduction, the neutral element for an empty range.

        Raises:
            IndexError: the range reaches out of the array.
        """
        if end is None:
            end = self._capacity
        elif end < 0:
            end += self._capacity
        if not 0 <= start <= end <= self._capacity:
            raise IndexError(f"range from {start} to {end} is not within a capacity of {self._capacity}")
        if start == 0 and end == self._capacity:
            return self._value[1]
        left = right = self.neutral_element
        first, last = start + self._capacity, end + self._capacity
        while first < last:  # go up, taking in the nodes whose parent reaches beyond the range
            if first & 1:
                left = self._operation(left, self._value[first])
                first += 1
            if last & 1:
                last -= 1
                right = self._operation(self._value[last], right)
            first >>= 1
            last >>= 1
        return self._operation(left, right)

    def __setitem__(self, idx: int | np.ndarray, val: ArrayLike) -> None:
        self._check_index(idx)
        node = idx + self._capacity
        self._value[node] = val
        for _ in range(self._capacity.bit_length() - 1):
            node = node >> 1
            self._value[node] = self._operation(self._value[2 * node], self._value[2 * node + 1])

    def __getitem__(self, idx: int | np.ndarray) -> Any:
        self._check_index(idx)
        return self._value[idx + self._capacity]

    def _check_index(self, idx: int | np.ndarray) -> None:
        if isinstance(idx, np.ndarray):
            low, high = (idx.min(), idx.max()) if idx.size else (0, 0)
        else:
            low = high = idx
        if low < 0 or high >= self._capacity:
            raise IndexError(f"index {low if low < 0 else high} is not within a capacity of {self._capacity}")


class SumSegmentTree(SegmentTree):
    """A segment tree of sums.

    Args:
        capacity: number of items, a power of two.
    """

    def __init__(self, capacity: int):
        super().__init__(capacity, np.add, 0.0)

    def sum(self, start: int = 0, end: int | None = None) -> float:
        """Sum of the items from ``start`` up to ``end``, see `reduce`."""
        return self.reduce(start, end)

    def find_prefixsum_idx(self, prefixsum: ArrayLike) -> np.ndarray:
        """Where cumulative sums fall: for each mass the highest ``i`` with ``sum(items[:i]) <= mass``.

        With masses drawn evenly from 0 to ``sum()``, this draws indices in proportion to their items.

        Args:
            prefixsum: masses between 0 and ``sum()``, a number or ``[B]``.

        Returns:
            Indices, ``[B]``.

        Raises:
            ValueError: a mass is negative or larger than the sum.
        """
        mass = np.array(prefixsum, dtype=np.float64, ndmin=1)
        if mass.size and not (mass.min() >= 0 and mass.max() <= self._value[1] + 1e-5):
            raise ValueError(f"prefixsum must be between 0 and {self._value[1]}, got {mass.min()} to {mass.max()}")
        node = np.ones(len(mass), dtype=np.int64)
        for _ in range(self._capacity.bit_length() - 1):
            node *= 2
            left = self._value[node]
            go_right = left <= mass
            mass -= left * go_right
            node += go_right
        return node - self._capacity


class MinSegmentTree(SegmentTree):
    """A segment tree of minima.

    Args:
        capacity: number of items, a power of two.
    """

    def __init__(self, capacity: int):
        super().__init__(capacity, np.minimum, float("inf"))

    def min(self, start: int = 0, end: int | None = None) -> float:
        """Minimum of the items from ``start`` up to ``end``, see `reduce`."""
        return self.reduce(start, end)
