"""The discriminator of generative adversarial imitation learning."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.tf_layers import fully_connected, numbered
from stable_baselines_tf2.core.network import NamedNetwork
from stable_baselines_tf2.core.phases import Batch, Statistics
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor


def logsigmoid(input_tensor: Tensor) -> Tensor:
    """``log(sigmoid(x))``, without overflow."""
    return tf.math.log_sigmoid(input_tensor)


def logit_bernoulli_entropy(logits: Tensor) -> Tensor:
    """Entropy of the Bernoulli distributions with these logits, in nats."""
    return (1.0 - tf.nn.sigmoid(logits)) * logits - logsigmoid(logits)


class TransitionClassifier(NamedNetwork):
    """The discriminator: logits of (s, a) pairs, positive for the expert's, negative for the policy's.

    Two hidden layers of tanh units take the observation, normalized by running statistics, and the action. Discrete
    actions and observations are one-hot, those with several axes are flattened.

    Args:
        observation_space: Box, Discrete, MultiDiscrete or MultiBinary.
        action_space: the same.
        hidden_size: units of each hidden layer.
        entcoeff: weight of the entropy of its outputs in the loss.
        scope: what the names of its variables begin with.
        normalize: normalize observations.

    Raises:
        TypeError: another space.
    """

    loss_name = ("generator_loss", "expert_loss", "entropy", "entropy_loss", "generator_acc", "expert_acc")

    def __init__(
        self,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        hidden_size: int,
        entcoeff: float = 0.001,
        scope: str = "adversary",
        normalize: bool = True,
    ) -> None:
        super().__init__(scope)
        self.scope, self.hidden_size, self.entcoeff, self.normalize = scope, hidden_size, entcoeff, normalize
        self.observations, self.actions = Preprocessor(observation_space), Preprocessor(action_space)
        self.observation_shape, self.actions_shape = self.observations.shape, self.actions.shape
        self._example = self._features(self.observations), self._features(self.actions)
        self.obs_rms = RunningMeanStd(shape=self._example[0].shape[1:]) if normalize else None
        self.build()
        self._reward = tf.function(self._reward_of, autograph=False, reduce_retracing=True)

    @staticmethod
    def _features(space: Preprocessor) -> np.ndarray:
        """Network inputs for an example of a space, [1, n]."""
        return space.flat_array(np.zeros((1, *space.shape), space.dtype) + space.start.astype(space.dtype))

    def build(self, input_shape: object = None) -> None:
        """Creates the variables, by one pass over an example."""
        self.call(*map(tf.constant, self._example))

    def call(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Logits [B, 1] for normalized observations [B, n] and actions [B, m], both as features."""
        x = tf.concat([observations, actions], axis=1)
        with self._named.active():
            for i in range(2):
                x = tf.tanh(fully_connected(x, numbered("fully_connected", i), self.hidden_size))
            return fully_connected(x, numbered("fully_connected", 2), 1)

    def inputs(self, obs: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of raw observations and actions, [B, …], observations normalized, both [B, n]."""
        features = self.observations.flat_array(obs)
        if self.obs_rms is not None:
            features = (features - self.obs_rms.mean) / self.obs_rms.std
        return features, self.actions.flat_array(actions).astype(np.float32)

    def observe(self, obs: np.ndarray) -> None:
        """Updates the statistics for normalization with raw observations [B, …]."""
        if self.obs_rms is not None:
            self.obs_rms.update(self.observations.flat_array(obs))

    def losses_of(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        """The loss, and the statistics of ``loss_name``.

        Args:
            vector: weights.
            batch: ``obs``, ``actions``, ``expert_obs`` and ``expert_actions`` as features, see `inputs`.
        """
        generator = self.with_weights(vector, batch["obs"], batch["actions"])
        expert = self.with_weights(vector, batch["expert_obs"], batch["expert_actions"])
        generator_loss = tf.reduce_mean(tf.nn.softplus(generator))  # cross entropies with 0 and with 1
        expert_loss = tf.reduce_mean(tf.nn.softplus(-expert))
        entropy = tf.reduce_mean(logit_bernoulli_entropy(tf.concat([generator, expert], 0)))
        entropy_loss = -self.entcoeff * entropy
        generator_acc = tf.reduce_mean(tf.cast(generator < 0.0, tf.float32))
        expert_acc = tf.reduce_mean(tf.cast(expert > 0.0, tf.float32))
        found = (generator_loss, expert_loss, entropy, entropy_loss, generator_acc, expert_acc)
        return generator_loss + expert_loss + entropy_loss, dict(zip(self.loss_name, found, strict=True))

    def _reward_of(self, vector: Tensor, observations: Tensor, actions: Tensor) -> Tensor:
        return -tf.math.log(1.0 - tf.nn.sigmoid(self.with_weights(vector, observations, actions)) + 1e-8)

    def get_reward(self, obs: ArrayLike, actions: ArrayLike) -> np.ndarray:
        """Rewards ``-log(1 - D(s, a))``: the higher, the more a pair looks like the expert's.

        Args:
            obs: raw observations [B, …], or one.
            actions: actions [B, …], or one.

        Returns:
            [B, 1]; B is 1 for one observation.

        Raises:
            ValueError: the numbers of observations and actions differ, or their shapes do not fit.
        """
        obs, actions = (
            np.asarray(values, space.dtype) for values, space in ((obs, self.observations), (actions, self.actions))
        )
        obs = obs if self.observations.is_batch(obs) else obs[np.newaxis]
        actions = actions.reshape(-1, *self.actions_shape)
        if len(obs) != len(actions):
            raise ValueError(f"there are {len(obs)} observations and {len(actions)} actions")
        return self._reward(self.params.vector, *self.inputs(obs, actions)).numpy()

    def build_graph(self, obs_ph: Tensor, acs_ph: Tensor, reuse: bool = False) -> Tensor:
        """Logits [B, 1] for raw observations and actions [B, …] with the current weights and statistics.

        Args:
            obs_ph: observations.
            acs_ph: actions.
            reuse: ignored; there is one set of weights.
        """
        return self.with_weights(self.params.vector, *self.inputs(np.asarray(obs_ph), np.asarray(acs_ph)))

    def get_trainable_variables(self) -> list[Any]:
        """The variables, up to date."""
        self.params.sync()
        return self.params.variables


__all__ = ["RunningMeanStd", "TransitionClassifier", "logit_bernoulli_entropy", "logsigmoid"]
