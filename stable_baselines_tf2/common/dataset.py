"""Minibatches of arrays, shuffled with ``np.random``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np


class Dataset:
    """Named arrays with the same number of rows, handed out in minibatches.

    The rows are shuffled on creation, and again whenever all of them were handed out or `iterate_once` begins.

    Args:
        data_map: arrays by name; neither the mapping nor its arrays are changed.
        shuffle: False keeps the order, as recurrent policies need it.

    Raises:
        ValueError: there are no arrays, or they differ in the number of rows.
    """

    def __init__(self, data_map: Mapping[str, np.ndarray], shuffle: bool = True):
        lengths = {key: len(array) for key, array in data_map.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"data_map must hold arrays with the same number of rows, got {lengths}")
        self.data_map = dict(data_map)
        self.shuffle = shuffle
        self.n_samples = next(iter(lengths.values()))
        self._next_id = 0
        if self.shuffle:
            self.shuffle_dataset()

    def shuffle_dataset(self) -> None:
        """Puts the rows of all arrays into the same new random order."""
        order = np.random.permutation(self.n_samples)
        self.data_map = {key: array[order] for key, array in self.data_map.items()}

    def next_batch(self, batch_size: int) -> dict[str, np.ndarray]:
        """The next rows: ``batch_size`` of them, or fewer where the data ends; after that it starts over."""
        if self._next_id >= self.n_samples:
            self._next_id = 0
            if self.shuffle:
                self.shuffle_dataset()
        start, self._next_id = self._next_id, min(self._next_id + batch_size, self.n_samples)
        return {key: array[start : self._next_id] for key, array in self.data_map.items()}

    def iterate_once(self, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        """One pass over the data in minibatches of ``batch_size`` rows, without a last one that is not full."""
        if self.shuffle:
            self.shuffle_dataset()
        self._next_id = 0
        while self._next_id <= self.n_samples - batch_size:
            yield self.next_batch(batch_size)
        self._next_id = 0

    def subset(self, num_elements: int, shuffle: bool = True) -> Dataset:
        """A data set of the first rows.

        Args:
            num_elements: how many of them.
            shuffle: whether the new data set shuffles.
        """
        return Dataset({key: array[:num_elements] for key, array in self.data_map.items()}, shuffle)


def iterbatches(
    arrays: Sequence[np.ndarray],
    *,
    num_batches: int | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    include_final_partial_batch: bool = True,
) -> Iterator[tuple[np.ndarray, ...]]:
    """One pass over the rows of several arrays in minibatches.

    Args:
        arrays: arrays with the same number of rows.
        num_batches: number of minibatches of (nearly) the same size.
        batch_size: rows per minibatch. Exactly one of the two must be given.
        shuffle: whether to take the rows in random order.
        include_final_partial_batch: whether to keep minibatches that are smaller than the others.

    Yields:
        A minibatch of each array.

    Raises:
        ValueError: both or none of ``num_batches`` and ``batch_size`` are given, or the arrays differ in the number
            of rows.
    """
    if (num_batches is None) == (batch_size is None):
        raise ValueError(f"give either num_batches or batch_size, got {num_batches} and {batch_size}")
    columns = [np.asarray(array) for array in arrays]
    n_samples = len(columns[0])
    if any(len(column) != n_samples for column in columns):
        raise ValueError(f"arrays must have the same number of rows, got {[len(column) for column in columns]}")
    order = np.random.permutation(n_samples) if shuffle else np.arange(n_samples)
    if batch_size is None:
        batches = np.array_split(order, num_batches or 1)
        batch_size = len(batches[0])
    else:
        batches = np.split(order, range(batch_size, n_samples, batch_size))
    for rows in batches:
        if include_final_partial_batch or len(rows) == batch_size:
            yield tuple(column[rows] for column in columns)
