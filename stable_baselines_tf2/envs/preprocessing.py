"""Raw observations to network inputs (one-hot, floats, scaled images), in TensorFlow and, for acting, in NumPy."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import space_kind


class Preprocessor:
    """Turns observations of one space into float32 network inputs.

    Args:
        space: Box, Discrete, MultiDiscrete or MultiBinary.
        scale: map a bounded Box to [0, 1].

    Raises:
        NotImplementedError: any other space.
        ValueError: a MultiDiscrete with another number of axes than one.
    """

    def __init__(self, space: gymnasium.Space, scale: bool = False) -> None:
        self.kind = space_kind(space)
        if self.kind not in ("Box", "Discrete", "MultiDiscrete", "MultiBinary"):
            raise NotImplementedError(
                f"the observation space is a {type(space).__name__}; "
                "Box, Discrete, MultiDiscrete and MultiBinary are supported"
            )
        self.shape = tuple(space.shape or ())
        self.dtype = np.dtype(np.int64 if self.kind in ("Discrete", "MultiDiscrete") else space.dtype)
        self.start = np.asarray(space.start if isinstance(space, Discrete | MultiDiscrete) else 0, np.int64)
        self._low: np.ndarray | None = None
        self._factor: np.ndarray | None = None
        if isinstance(space, Box):
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
            if scale and np.isfinite(low).all() and np.isfinite(high).all() and (high != low).any():
                # TensorFlow 1 turned divisions by constants into multiplications, whose rounding this keeps.
                self._low, self._factor = low, np.float32(1.0) / (high - low)
        self._sizes: list[int] = []
        if isinstance(space, Discrete):
            self._sizes = [int(space.n)]
        elif isinstance(space, MultiDiscrete):
            if len(self.shape) != 1:
                raise ValueError(f"a MultiDiscrete observation space must have one axis, not shape {self.shape}")
            self._sizes = [int(n) for n in space.nvec]

    @property
    def spec(self) -> tf.TensorSpec:
        """Specification of a batch of raw observations."""
        return tf.TensorSpec((None, *self.shape), tf.as_dtype(self.dtype), name="obs")

    def tensor(self, obs: Tensor) -> Tensor:
        """Network inputs as a tensor, [B, …]."""
        if self.kind == "Discrete":
            return tf.one_hot(obs - self.start, self._sizes[0])
        if self.kind == "MultiDiscrete":
            parts = zip(tf.unstack(obs - self.start, axis=1), self._sizes, strict=True)
            return tf.concat([tf.one_hot(part, size) for part, size in parts], axis=1)
        return self._scaled(tf.cast(obs, tf.float32))

    def array(self, obs: np.ndarray) -> np.ndarray:
        """Network inputs as an array, [B, …]."""
        if self.kind == "Discrete":
            return _one_hot(obs - self.start, self._sizes[0])
        if self.kind == "MultiDiscrete":
            parts = zip((obs - self.start).T, self._sizes, strict=True)
            return np.concatenate([_one_hot(part, size) for part, size in parts], axis=1)
        return self._scaled(obs.astype(np.float32, copy=False))

    def sync(self) -> None:
        """Brings what `tensor` uses besides the observations up to date; call it before a compiled function."""

    def _scaled(self, obs: ArrayLike) -> Any:
        return obs if self._low is None or self._factor is None else (obs - self._low) * self._factor

    def flat_array(self, obs: np.ndarray) -> np.ndarray:
        """`array`, flattened to [B, n]."""
        processed = self.array(obs)
        return processed if processed.ndim == 2 else processed.reshape(len(processed), -1)

    def is_batch(self, obs: np.ndarray) -> bool:
        """Whether an array is a batch of observations rather than one.

        Raises:
            ValueError: it is neither.
        """
        if obs.shape == self.shape:
            return False
        if obs.shape[1:] == self.shape and obs.ndim == len(self.shape) + 1:
            return True
        raise ValueError(
            f"observation has shape {obs.shape}; a {self.kind} observation has shape {self.shape}, a batch of them "
            f"(n_env, {', '.join(map(str, self.shape))})"
        )


def _one_hot(indices: np.ndarray, size: int) -> np.ndarray:
    """One-hot rows; like TensorFlow, all zeros for an index out of range."""
    return (np.asarray(indices)[:, np.newaxis] == np.arange(size)).astype(np.float32)
