"""Actions of each kind of space, in NumPy, from the parameters of their distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Sampler:
    """Actions of one kind of space, in NumPy, from the parameters of their distributions (`flat`, [B, n])."""

    def draw_noise(self, generator: np.random.Generator, flat: np.ndarray) -> np.ndarray:
        """The raw random numbers that `sample` needs."""
        return generator.random(flat.shape, dtype=np.float32)

    def sample(self, flat: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Random actions."""
        raise NotImplementedError

    def mode(self, flat: np.ndarray) -> np.ndarray:
        """The most probable actions."""
        raise NotImplementedError

    def neglogp(self, flat: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Negative log-probability (density) of actions, [B]."""
        raise NotImplementedError

    def probabilities(self, flat: np.ndarray) -> np.ndarray | list[np.ndarray] | tuple[np.ndarray, np.ndarray]:
        """What ``action_probability`` reports: probabilities, or mean and standard deviation."""
        raise NotImplementedError


class CategoricalSampler(Sampler):
    """For Discrete spaces; ``flat`` holds logits."""

    def sample(self, flat: np.ndarray, noise: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):  # a draw of exactly zero excludes that action
            return (flat - np.log(-np.log(noise))).argmax(axis=1)

    def mode(self, flat: np.ndarray) -> np.ndarray:
        return flat.argmax(axis=1)

    def neglogp(self, flat: np.ndarray, actions: np.ndarray) -> np.ndarray:
        shifted = flat - flat.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(flat)), np.asarray(actions).astype(np.int64)]
        return np.log(np.exp(shifted).sum(axis=1)) - chosen

    def probabilities(self, flat: np.ndarray) -> np.ndarray:
        exponentials = np.exp(flat - flat.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)


class MultiCategoricalSampler(Sampler):
    """For MultiDiscrete spaces with ``nvec`` choices; ``flat`` holds the logits of all parts."""

    def __init__(self, nvec: Sequence[int]) -> None:
        self._cuts = np.cumsum(nvec)[:-1]
        self._part = CategoricalSampler()

    def _split(self, flat: np.ndarray) -> list[np.ndarray]:
        return np.split(flat, self._cuts, axis=1)

    def sample(self, flat: np.ndarray, noise: np.ndarray) -> np.ndarray:
        parts = zip(self._split(flat), self._split(noise), strict=True)
        return np.stack([self._part.sample(logits, draws) for logits, draws in parts], axis=1)

    def mode(self, flat: np.ndarray) -> np.ndarray:
        return np.stack([self._part.mode(logits) for logits in self._split(flat)], axis=1)

    def neglogp(self, flat: np.ndarray, actions: np.ndarray) -> np.ndarray:
        parts = zip(self._split(flat), np.asarray(actions).T, strict=True)
        return np.sum([self._part.neglogp(logits, choice) for logits, choice in parts], axis=0)

    def probabilities(self, flat: np.ndarray) -> list[np.ndarray]:
        return [self._part.probabilities(logits) for logits in self._split(flat)]


class GaussianSampler(Sampler):
    """For Box spaces; ``flat`` holds means and log standard deviations."""

    def draw_noise(self, generator: np.random.Generator, flat: np.ndarray) -> np.ndarray:
        return generator.standard_normal((flat.shape[0], flat.shape[1] // 2), dtype=np.float32)

    def sample(self, flat: np.ndarray, noise: np.ndarray) -> np.ndarray:
        n = flat.shape[1] // 2
        return flat[:, :n] + np.exp(flat[:, n:]) * noise

    def mode(self, flat: np.ndarray) -> np.ndarray:
        return flat[:, : flat.shape[1] // 2].copy()

    def neglogp(self, flat: np.ndarray, actions: np.ndarray) -> np.ndarray:
        n = flat.shape[1] // 2
        mean, logstd = flat[:, :n], flat[:, n:]
        standardized = (actions - mean) / np.exp(logstd)
        return (
            np.float32(0.5) * np.square(standardized).sum(axis=1)
            + logstd.sum(axis=1)
            + np.float32(0.5 * n * np.log(2 * np.pi))
        )

    def probabilities(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = flat.shape[1] // 2
        return flat[:, :n].copy(), np.exp(flat[:, n:])


class BernoulliSampler(Sampler):
    """For MultiBinary spaces; ``flat`` holds logits."""

    def sample(self, flat: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return (noise < self.probabilities(flat)).astype(np.float32)

    def mode(self, flat: np.ndarray) -> np.ndarray:
        return np.round(self.probabilities(flat)).astype(np.float32)

    def neglogp(self, flat: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return (np.logaddexp(np.float32(0), flat) - flat * np.asarray(actions, np.float32)).sum(axis=1)

    def probabilities(self, flat: np.ndarray) -> np.ndarray:
        return np.float32(0.5) * (np.tanh(np.float32(0.5) * flat) + np.float32(1.0))
