"""Running mean and standard deviation of observations and returns, which are part of a model's parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.naming import legacy_name
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor


class HasMoments(Protocol):
    """Mean and standard deviation, for `normalize` and `denormalize`."""

    @property
    def mean(self) -> Tensor: ...

    @property
    def std(self) -> Tensor: ...


class Moments(NamedTuple):
    """Mean and standard deviation as tensors."""

    mean: Tensor
    std: Tensor


def normalize(tensor: Tensor, stats: HasMoments | None) -> Tensor:
    """``(x - mean) / std``.

    Args:
        tensor: x, of the shape of the statistics or [B, …].
        stats: mean and standard deviation; None changes nothing.
    """
    return tensor if stats is None else (tensor - stats.mean) / stats.std


def denormalize(tensor: Tensor, stats: HasMoments | None) -> Tensor:
    """``x std + mean``: undoes `normalize`."""
    return tensor if stats is None else tensor * stats.std + stats.mean


def reduce_var(tensor: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Population variance.

    Args:
        tensor: any shape.
        axis: axis or axes to reduce; all if None.
        keepdims: keep the reduced axes, with length 1.
    """
    return tf.math.reduce_variance(tensor, axis=axis, keepdims=keepdims)


def reduce_std(tensor: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Population standard deviation; see `reduce_var`."""
    return tf.sqrt(reduce_var(tensor, axis=axis, keepdims=keepdims))


class RunningStatistics(RunningMeanStd):
    """Running sums that are part of a model's parameters, as float64 variables.

    Args:
        name: what the legacy names of the variables begin with, after ``input/``.
        shape: shape of one data point.
    """

    def __init__(self, name: str, shape: Sequence[int] = ()) -> None:
        super().__init__(shape=shape)
        self.version = 0  # counts changes
        with keras.name_scope("input"), keras.name_scope(name):
            self.variables = [
                keras.Variable(array, dtype="float64", trainable=False, name=part)
                for part, array in self.get_state().items()
            ]
        self.names = [legacy_name(variable) for variable in self.variables]
        self.shapes = [tuple(variable.shape) for variable in self.variables]

    def update(self, data: ArrayLike) -> None:
        """Updates the sums with a batch, [B, …] from each MPI worker."""
        super().update(data)
        self.version += 1

    def as_dict(self) -> OrderedDict[str, np.ndarray]:
        """Copies of the sums, by legacy name."""
        arrays = self.get_state().values()
        return OrderedDict((name, array.copy()) for name, array in zip(self.names, arrays, strict=True))

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets sums by legacy name; shapes must have been checked."""
        arrays = self.as_dict()
        arrays.update(values)
        self.set_state(dict(zip(self.get_state(), arrays.values(), strict=True)))
        self.version += 1

    def sync(self) -> None:
        """Brings the variables up to date."""
        for variable, array in zip(self.variables, self.get_state().values(), strict=True):
            variable.assign(array)

    # As part of a training state: one vector of a sum, a sum of squares and a count, of single numbers.
    @property
    def vector(self) -> Tensor:
        """The sums as one float64 vector."""
        return tf.constant(np.concatenate([array.ravel() for array in self.get_state().values()]))

    def advance(self, vector: Tensor) -> None:
        """Takes the outcome of a training phase."""
        cuts = np.cumsum([array.size for array in self.get_state().values()])[:-1]
        parts = np.split(vector.numpy(), cuts)
        self.assign(
            {name: part.reshape(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}
        )


def moments(sums: Tensor) -> Moments:
    """Mean and standard deviation, float32, from the vector [3] of running sums of single numbers."""
    mean = tf.cast(sums[0] / sums[2], tf.float32)
    return Moments(mean, tf.sqrt(tf.maximum(tf.cast(sums[1] / sums[2], tf.float32) - tf.square(mean), 1e-2)))


def updated_sums(sums: Tensor, data: Tensor) -> Tensor:
    """The vector [3] of running sums after a batch of numbers [B] from each MPI worker."""
    data = tf.cast(data, tf.float64)
    count = tf.cast(tf.size(data), tf.float64)
    local = tf.stack([tf.reduce_sum(data), tf.reduce_sum(tf.square(data)), count])
    return sums + distributed.allreduce_sum_tensor(local)


class NormalizedObservations(Preprocessor):
    """Network inputs, normalized and clipped.

    Args:
        plain: preprocessor of raw observations.
        statistics: of the observations; None for no normalization.
        low: lowest network input.
        high: highest network input.
    """

    def __init__(self, plain: Preprocessor, statistics: RunningStatistics | None, low: float, high: float) -> None:
        vars(self).update(vars(plain))
        self.statistics, self._bounds = statistics, (np.float32(low), np.float32(high))
        self._version = -1
        if statistics is not None:
            self._moments = Moments(tf.Variable(statistics.mean), tf.Variable(statistics.std))

    def tensor(self, obs: Tensor) -> Tensor:
        """Network inputs as a tensor, [B, …], with the statistics as they were at the last `sync`."""
        processed = super().tensor(obs)
        if self.statistics is not None:
            processed = normalize(processed, self._moments)
        return tf.clip_by_value(processed, *self._bounds)

    def array(self, obs: np.ndarray) -> np.ndarray:
        return np.clip(normalize(super().array(obs), self.statistics), *self._bounds)

    def sync(self) -> None:
        if self.statistics is not None and self._version != self.statistics.version:
            self._moments.mean.assign(self.statistics.mean)
            self._moments.std.assign(self.statistics.std)
            self._version = self.statistics.version
