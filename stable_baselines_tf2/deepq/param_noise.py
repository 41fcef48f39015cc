"""Noise on the weights of a Q-network, for exploration."""

from __future__ import annotations

import numpy as np

from stable_baselines_tf2.core.param_noise import WeightNoise
from stable_baselines_tf2.core.sampling import CategoricalSampler
from stable_baselines_tf2.deepq.policies import DQNPolicy

GROWTH = 1.01  # factor by which the scale changes at each step


class ParameterNoise:
    """Keeps a perturbed copy of a network, and adapts the scale of the noise.

    A second copy measures the effect: the scale grows while the divergence between the softmax of its values and that
    of the unperturbed ones is below a threshold, and shrinks otherwise. Only fully connected layers are perturbed.

    Args:
        policy: the network.
        perturbed: the copy to act with.
        adaptive: the copy to measure with.
    """

    def __init__(self, policy: DQNPolicy, perturbed: DQNPolicy, adaptive: DQNPolicy) -> None:
        self.policy, self.perturbed, self.adaptive = policy, perturbed, adaptive
        self.scale, self.threshold = 0.01, 0.05
        self._noise = WeightNoise(policy.params, perturbed.params, lambda name: "fully_connected" in name)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """Standard normals for all weights that are perturbed, in order."""
        return self._noise.draw(generator)

    def perturb(self, copy: DQNPolicy, noise: np.ndarray) -> None:
        """Sets a copy's weights to the network's plus the scaled noise."""
        self._noise.perturb(copy.params, noise, self.scale)

    def adapt(self, obs: np.ndarray, noise: np.ndarray) -> float:
        """Measures the effect of the scale on a batch of observations and adapts it; returns the mean divergence."""
        self.perturb(self.adaptive, noise)
        softmax = CategoricalSampler().probabilities
        p, q = softmax(self.policy.action_values(obs)), softmax(self.adaptive.action_values(obs))
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 · log 0 counts as 0
            mean_kl = float(np.mean(np.nansum(p * (np.log(p) - np.log(q)), axis=-1)))
        self.scale = self.scale * GROWTH if mean_kl < self.threshold else self.scale / GROWTH
        return mean_kl
