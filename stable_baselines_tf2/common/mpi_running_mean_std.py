"""Running mean and standard deviation, over all processes of MPI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core import distributed


class RunningMeanStd:
    """Mean and standard deviation of all data so far, from float64 sums.

    Args:
        epsilon: initial count and initial sum of squares.
        shape: shape of one data point.
    """

    def __init__(self, epsilon: float = 1e-2, shape: Sequence[int] = ()):
        self.shape = tuple(shape)
        self._sum = np.zeros(self.shape)
        self._sumsq = np.full(self.shape, float(epsilon))
        self._count = np.array(float(epsilon))

    @property
    def mean(self) -> np.ndarray:
        """The mean, float32."""
        return np.asarray(self._sum / self._count, dtype=np.float32)

    @property
    def std(self) -> np.ndarray:
        """The standard deviation, float32, at least 0.1."""
        mean_square = np.asarray(self._sumsq / self._count, dtype=np.float32)
        return np.sqrt(np.maximum(mean_square - np.square(self.mean), np.float32(1e-2)))

    def update(self, data: ArrayLike) -> None:
        """Takes in a batch.

        Args:
            data: ``[B, *shape]``; the number of rows may differ between processes.

        Raises:
            ValueError: the data points have another shape.
        """
        batch = np.asarray(data, dtype=np.float64)
        if batch.ndim == 0 or batch.shape[1:] != self.shape:
            raise ValueError(f"data must have the shape (batch, *{self.shape}), got {batch.shape}")
        local = np.concatenate([batch.sum(axis=0).ravel(), np.square(batch).sum(axis=0).ravel(), [len(batch)]])
        total = distributed.allreduce_sum(local)  # one message for all three
        size = math.prod(self.shape)
        self._sum = self._sum + total[:size].reshape(self.shape)
        self._sumsq = self._sumsq + total[size : 2 * size].reshape(self.shape)
        self._count = self._count + total[2 * size]

    def get_state(self) -> dict[str, np.ndarray]:
        """The sums and the count, under the names that they have in parameter files."""
        return {"runningsum": self._sum, "runningsumsq": self._sumsq, "count": self._count}

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Takes over what `get_state` returned.

        Raises:
            ValueError: a sum has another shape.
        """
        new = [np.array(state[name], dtype=np.float64) for name in ("runningsum", "runningsumsq", "count")]
        if [array.shape for array in new] != [self.shape, self.shape, ()]:
            raise ValueError(f"sums must have the shape {self.shape}, got {[array.shape for array in new]}")
        self._sum, self._sumsq, self._count = new
