"""Noise on the weights of a network, for exploration (Plappert et al. 2017, https://arxiv.org/abs/1706.01905)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.parameters import Parameters


class WeightNoise:
    """Makes perturbed copies of a network.

    Args:
        source: the network's weights. Those that a copy has come first.
        copied: the weights of a copy.
        is_noisy: whether a weight of a copy is perturbed, by its legacy name; the others are copied as they are.
    """

    def __init__(self, source: Parameters, copied: Parameters, is_noisy: Callable[[str], bool]) -> None:
        self._source, self._size = source, sum(copied.sizes)
        noisy = [is_noisy(name) for name in copied.names]
        self._places = np.flatnonzero(np.repeat(noisy, copied.sizes))

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """Standard normals for all weights that are perturbed, in order."""
        return generator.standard_normal(len(self._places), dtype=np.float32)

    def perturb(self, copy: Parameters, noise: np.ndarray, scale: float) -> None:
        """Sets a copy's weights to the network's, with the noise times the scale added."""
        vector = self._source.vector.numpy()[: self._size].copy()
        vector[self._places] += np.float32(scale) * noise
        copy.advance(tf.constant(vector))
