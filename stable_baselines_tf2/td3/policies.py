"""Policies of TD3: an actor and two critics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


class TD3Policy(ContinuousPolicy):
    """A deterministic actor and two critics; override `make_actor` and `make_critics` for networks of your own."""

    def build_networks(self, processed_obs: Tensor, actions: Tensor) -> None:
        self.make_actor(processed_obs)
        self.make_critics(processed_obs, actions)

    qf1: Any = None
    qf2: Any = None
    policy: Any = None

    @property
    def graph_tensors(self) -> list[Any]:
        return [*super().graph_tensors, *self._graph_critics]

    def build_graph(self) -> None:
        super().build_graph()
        self._graph_critics = self.make_critics(self.processed_obs, self._actions_ph)

    def critics(self, processed_obs: Tensor, actions: Tensor) -> Sequence[Tensor]:
        """What `make_critics` gives, however the critics are written."""
        if not self.in_graph:
            return self.make_critics(processed_obs, actions)
        inputs = [self.processed_obs, self._actions_ph]
        return self.in_the_graph("critics", self._graph_critics, inputs, [processed_obs, actions])

    def make_critics(
        self, obs: Tensor = None, action: Tensor = None, reuse: bool = False, scope: str = "qvalues_fn"
    ) -> tuple[Tensor, Tensor]:
        """The two values Q(s, a), [B, 1] each.

        Args:
            obs: processed observations, [B, …].
            action: actions between -1 and 1, [B, n].
            reuse: ignored; a policy object owns its variables.
            scope: where the variables are; training calls with the default of the subclass.
        """
        raise NotImplementedError(f"{type(self).__name__} must override make_critics()")

    def step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> np.ndarray:
        """Actions between -1 and 1, [B, n], for raw observations [B, …]."""
        return self.act_outputs(obs)

    def proba_step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> np.ndarray:
        """The same as `step`: the policy is deterministic."""
        return self.step(obs, state, mask)


class FeedForwardPolicy(FeedForwardNetworks, TD3Policy):
    """Dense or convolutional networks; their arguments are those of `FeedForwardNetworks`."""

    network_functions = (*FeedForwardNetworks.network_functions, "make_critics")

    def make_actor(self, obs: Tensor = None, reuse: bool = False, scope: str = "pi") -> Tensor:
        with variable_scope(scope):
            return tf.tanh(dense(self.hidden(self.features(obs)), "dense", self.n_actions))

    def make_critics(
        self, obs: Tensor = None, action: Tensor = None, reuse: bool = False, scope: str = "values_fn"
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(scope):
            inputs = tf.concat([self.features(obs), action], axis=-1)
            return self.critic(inputs, "qf1"), self.critic(inputs, "qf2")


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
