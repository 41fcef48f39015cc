"""Policies of DDPG: an actor and a critic, which takes the action after its first hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.policies import register_policy
from stable_baselines_tf2.common.tf_layers import dense
from stable_baselines_tf2.core.naming import variable_scope
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.continuous_policies import (
    CnnVariant,
    ContinuousPolicy,
    FeedForwardNetworks,
    LayerNormVariant,
    MlpVariant,
)


class DDPGPolicy(ContinuousPolicy):
    """A deterministic actor and a critic; override `make_actor` and `make_critic` for networks of your own."""

    def build_networks(self, processed_obs: Tensor, actions: Tensor) -> None:
        self.make_actor(processed_obs)
        if not self.only_acts:
            self.make_critic(processed_obs, actions)

    has_action_ph = True
    qvalue_fn: Any = None
    policy: Any = None

    @property
    def graph_tensors(self) -> list[Any]:
        return [*super().graph_tensors, self._graph_critic]

    def build_graph(self) -> None:
        super().build_graph()
        self._graph_critic = None if self.only_acts else self.make_critic(self.processed_obs, self._actions_ph)

    def critic_outputs(self, processed_obs: Tensor, actions: Tensor) -> Tensor:
        """What `make_critic` gives, however the critic is written."""
        if not self.in_graph:
            return self.make_critic(processed_obs, actions)
        inputs = [self.processed_obs, self._actions_ph]
        return self.in_the_graph("critic", [self._graph_critic], inputs, [processed_obs, actions])[0]

    def make_critic(self, obs: Tensor = None, action: Tensor = None, reuse: bool = False, scope: str = "qf") -> Tensor:
        """The value Q(s, a), [B, 1].

        Args:
            obs: processed observations, [B, …].
            action: actions between -1 and 1, [B, n].
            reuse: ignored; a policy object owns its variables.
            scope: where the variables are; training calls with the default.
        """
        raise NotImplementedError(f"{type(self).__name__} must override make_critic()")

    def _compiled_actor(self) -> Callable[[np.ndarray], np.ndarray]:
        network = super()._compiled_actor()

        def act(obs: np.ndarray) -> np.ndarray:
            self.preprocessor.sync()
            return network(obs)

        return act

    def step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> np.ndarray:
        """Actions between -1 and 1, [B, n], for raw observations [B, …]."""
        return self.act_outputs(obs)

    def proba_step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> np.ndarray:
        """The same as `step`: the policy is deterministic."""
        return self.step(obs, state, mask)

    def value(
        self, obs: ArrayLike, action: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None
    ) -> np.ndarray:
        """The critic's output, [B].

        Args:
            obs: raw observations, [B, …].
            action: actions between -1 and 1, [B, n].
            state: ignored, as is ``mask``.
            mask: ignored.
        """
        self.preprocessor.sync()
        obs = tf.constant(np.asarray(obs, self.preprocessor.dtype))
        with self.using(self.params.vector):
            values = self.critic_outputs(self.preprocessor.tensor(obs), tf.constant(np.asarray(action, np.float32)))
        return values.numpy()[:, 0]


class FeedForwardPolicy(FeedForwardNetworks, DDPGPolicy):
    """Dense or convolutional networks; see `FeedForwardNetworks`."""

    actor_heads: ClassVar[tuple[str, ...]] = ("pi",)

    def make_actor(self, obs: Tensor = None, reuse: bool = False, scope: str = "pi") -> Tensor:
        with variable_scope(scope):
            return tf.tanh(_output(self.hidden(self.features(obs)), scope, self.n_actions))

    def make_critic(self, obs: Tensor = None, action: Tensor = None, reuse: bool = False, scope: str = "qf") -> Tensor:
        with variable_scope(scope):
            x = self.hidden(self.features(obs), self.hidden_sizes[:1])
            x = self.hidden(tf.concat([x, action], axis=-1), self.hidden_sizes[1:], first=1)
            return _output(x, "qf_output", 1)


def _output(x: Tensor, scope: str, size: int) -> Tensor:
    """An output layer, whose initial outputs are close to zero."""
    return dense(x, scope, size, keras.initializers.RandomUniform(-3e-3, 3e-3))


class CnnPolicy(CnnVariant, FeedForwardPolicy):
    """Convolutional networks for images (see `nature_cnn`)."""


class LnCnnPolicy(CnnVariant, LayerNormVariant, FeedForwardPolicy):
    """Convolutional networks for images, with layer normalization in the hidden layers that follow."""


class MlpPolicy(MlpVariant, FeedForwardPolicy):
    """Dense networks: two hidden layers of 64 by default."""


class LnMlpPolicy(MlpVariant, LayerNormVariant, FeedForwardPolicy):
    """Dense networks with layer normalization."""


for _policy in (CnnPolicy, LnCnnPolicy, MlpPolicy, LnMlpPolicy):
    register_policy(_policy.__name__, _policy)
