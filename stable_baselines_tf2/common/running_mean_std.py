"""Running mean and variance of a stream of batches."""

from __future__ import annotations

import numpy as np


class RunningMeanStd:
    """Mean and variance over everything seen so far, merged batch by batch (Chan's parallel algorithm).

    Args:
        epsilon: initial count, the weight of the initial mean 0 and variance 1.
        shape: shape of one item.

    Attributes:
        mean: mean so far, float64 of ``shape``.
        var: population variance so far, float64 of ``shape``.
        count: number of items so far, plus ``epsilon``.
    """

    def __init__(self, epsilon: float = 1e-4, shape: tuple[int, ...] = ()):
        self.mean = np.zeros(shape, np.float64)
        self.var = np.ones(shape, np.float64)
        self.count: float = epsilon

    def update(self, arr: np.ndarray) -> None:
        """Takes a batch into account.

        Args:
            arr: the batch, ``[B, *shape]``.
        """
        self.update_from_moments(np.mean(arr, axis=0), np.var(arr, axis=0), arr.shape[0])

    def update_from_moments(self, batch_mean: np.ndarray, batch_var: np.ndarray, batch_count: float) -> None:
        """Takes a batch into account of which only the moments are known.

        Args:
            batch_mean: its mean.
            batch_var: its population variance.
            batch_count: its number of items.
        """
        total = self.count + batch_count
        delta = batch_mean - self.mean
        spread = self.var * self.count + batch_var * batch_count + np.square(delta) * (self.count * batch_count / total)
        self.mean = self.mean + delta * (batch_count / total)
        self.var = spread / total
        self.count = total
