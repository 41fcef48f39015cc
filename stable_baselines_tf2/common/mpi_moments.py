"""Mean and standard deviation of data that is spread over the processes of MPI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core import distributed

if TYPE_CHECKING:
    from mpi4py import MPI


def mpi_mean(
    arr: ArrayLike, axis: int | Sequence[int] = 0, comm: MPI.Comm | None = None, keepdims: bool = False
) -> tuple[np.ndarray, int]:
    """Mean over an axis and over all processes.

    Args:
        arr: this process's data, at least one dimension.
        axis: axis or axes to average over; their length may differ between processes.
        comm: MPI communicator, by default all processes.
        keepdims: keep the averaged axes, with length 1.

    Returns:
        The mean, and the number of values behind each of its entries.

    Raises:
        ValueError: ``arr`` has no dimension.
    """
    array = np.asarray(arr)
    if array.ndim == 0:
        raise ValueError(f"arr must have at least one dimension, got the number {arr!r}")
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    total = distributed.allreduce_sum(array.sum(axis=axes, keepdims=keepdims), comm)
    count = int(distributed.allreduce_sum(np.array(math.prod(array.shape[a] for a in axes)), comm))
    return total / count, count


def mpi_moments(
    arr: ArrayLike, axis: int | Sequence[int] = 0, comm: MPI.Comm | None = None, keepdims: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and standard deviation over an axis and over all processes.

    Args:
        arr: this process's data, at least one dimension.
        axis: axis or axes to reduce; their length may differ between processes.
        comm: MPI communicator, by default all processes.
        keepdims: keep the reduced axes, with length 1.

    Returns:
        Mean, standard deviation, and the number of values behind each of their entries.

    Raises:
        ValueError: ``arr`` has no dimension.
    """
    mean, count = mpi_mean(arr, axis, comm, keepdims=True)
    variance, _ = mpi_mean(np.square(np.asarray(arr) - mean), axis, comm, keepdims=keepdims)
    if not keepdims:
        mean = np.squeeze(mean, axis=axis if isinstance(axis, int) else tuple(axis))
    return mean, np.sqrt(variance), count
