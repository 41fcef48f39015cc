"""Policies of SAC: a stochastic actor, two action-value networks and a state-value network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.policies import ActFun, nature_cnn, register_policy
from stable_baselines_tf2.common.tf_layers import dense
from stable_baselines_tf2.core.graph_layers import GraphNeeded
from stable_baselines_tf2.core.naming import variable_scope
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.continuous_policies import (
    CnnVariant,
    ContinuousPolicy,
    FeedForwardNetworks,
    LayerNormVariant,
    MlpVariant,
)

EPS = 1e-6  # keeps divisions and logarithms finite
LOG_STD_MAX = 2
LOG_STD_MIN = -20


def gaussian_likelihood(input_: Tensor, mu_: Tensor, log_std: Tensor) -> Tensor:
    """Log-density [B] of values [B, n] under independent normal distributions.

    Args:
        input_: the values.
        mu_: means, [B, n].
        log_std: logarithms of the standard deviations, [B, n].
    """
    standardized = (input_ - mu_) / (tf.exp(log_std) + EPS)
    return tf.reduce_sum(-0.5 * (tf.square(standardized) + 2.0 * log_std + np.log(2.0 * np.pi)), axis=1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy [B] of independent normal distributions with these logarithms of standard deviations, [B, n]."""
    return tf.reduce_sum(log_std + 0.5 * np.log(2.0 * np.pi * np.e), axis=-1)


def clip_but_pass_gradient(input_: Tensor, lower: float = -1.0, upper: float = 1.0) -> Tensor:
    """Clips values, but passes gradients where they are out of bounds (straight-through)."""
    return input_ + tf.stop_gradient(tf.clip_by_value(input_, lower, upper) - input_)


def apply_squashing_func(mu_: Tensor, pi_: Tensor, logp_pi: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squashes actions with the hyperbolic tangent.

    Args:
        mu_: means, [B, n].
        pi_: sampled actions, [B, n].
        logp_pi: log-density of these, [B].

    Returns:
        Squashed means, squashed samples, and the log-density of the latter.
    """
    policy = tf.tanh(pi_)
    return tf.tanh(mu_), policy, logp_pi - tf.reduce_sum(tf.math.log(1.0 - tf.square(policy) + EPS), axis=1)


class SACPolicy(ContinuousPolicy):
    """A stochastic actor whose standard deviations depend on the observation, and critics.

    For networks of your own override `gaussian` and `make_critics`. The policy named ``target`` has the state-value
    network only.
    """

    def gaussian(self, processed_obs: Tensor, scope: str = "pi") -> tuple[Tensor, Tensor]:
        """Means and logarithms of standard deviations of actions before squashing, [B, n] each.

        Args:
            processed_obs: network inputs, [B, …].
            scope: where the variables are; training calls with ``"pi"``.
        """
        raise NotImplementedError(f"{type(self).__name__} must override gaussian()")

    def make_critics(
        self,
        obs: Tensor = None,
        action: Tensor = None,
        reuse: bool = False,
        scope: str = "values_fn",
        create_vf: bool = True,
        create_qf: bool = True,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Two values Q(s, a) and the value V(s), [B, 1] each.

        Args:
            obs: processed observations, [B, …].
            action: actions between -1 and 1, [B, n]; not needed without ``create_qf``.
            reuse: ignored; a policy object owns its variables.
            scope: where the variables are.
            create_vf: compute V(s); None is given otherwise.
            create_qf: compute Q(s, a), after V(s).
        """
        raise NotImplementedError(f"{type(self).__name__} must override make_critics()")

    # ------------------------------------------------------------ in a graph
    entropy: Any = None
    qf1: Any = None
    qf2: Any = None
    value_fn: Any = None
    policy: Any = None
    deterministic_policy: Any = None
    act_mu: Any = None
    std: Any = None
    log_std: Any = None

    @property
    def samples_in_graph(self) -> bool:
        """Whether ``make_actor`` is a graph's: it samples, where `gaussian` gives the distribution."""
        return self.in_graph and self.is_overridden("make_actor")

    @property
    def graph_tensors(self) -> list[Any]:
        return [*super().graph_tensors, *self._graph_critics]

    def build_graph(self) -> None:
        obs = self.processed_obs
        if self.name == "target":
            self._graph_critics = self.make_critics(obs, create_qf=False, create_vf=True)
            return
        if self.samples_in_graph:
            self._graph_actor, *sampled = self.make_actor(obs)
            self._graph_sample = [*sampled, tf.reduce_mean(self.entropy)]
        else:
            self._graph_actor = tf.concat(self.gaussian(obs), axis=-1)
        self._graph_critics = self.make_critics(obs, self._actions_ph, create_qf=True, create_vf=True)

    def sample(self, processed_obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sampled actions [B, n], their log-density [B], and the mean entropy of the distributions before squashing."""
        if self.samples_in_graph:
            function = self.graph_function("sample", self._graph_sample, [self.processed_obs])
            return tuple(function({self.part: self._weights}, [processed_obs], noise=noise))
        if self.in_graph:
            mean, log_std = tf.split(self.actions(processed_obs), 2, axis=-1)
        else:
            mean, log_std = self.gaussian(processed_obs)
        _, actions, logp = self.squashed(mean, log_std, noise)
        return actions, logp, tf.reduce_mean(gaussian_entropy(log_std))

    def critics(self, processed_obs: Tensor, actions: Tensor = None, *, create_vf: bool = True) -> Any:
        """What `make_critics` gives, however the critics are written; without ``actions`` only V(s)."""
        create_qf = actions is not None
        if not self.in_graph:
            return self.make_critics(processed_obs, actions, create_vf=create_vf, create_qf=create_qf)
        wanted = [i for i, create in enumerate((create_qf, create_qf, create_vf)) if create]
        inputs, values = [self.processed_obs], [processed_obs]
        if create_qf:
            inputs, values = [*inputs, self._actions_ph], [*values, actions]
        outputs = [self._graph_critics[i] for i in wanted]
        found = dict(zip(wanted, self.in_the_graph(f"critics {wanted}", outputs, inputs, values), strict=True))
        return tuple(found.get(i) for i in range(3))

    def build(self, input_shape: object = None) -> None:
        if self.is_overridden("make_actor") and not self.is_overridden("gaussian"):
            raise GraphNeeded(f"{type(self).__name__}.make_actor() makes a graph that samples actions")
        super().build(input_shape)

    # ------------------------------------------------------------ the networks
    def build_networks(self, processed_obs: Tensor, actions: Tensor) -> None:
        if self.name == "target":
            self.make_critics(processed_obs, create_qf=False)
        else:
            self.gaussian(processed_obs)
            self.make_critics(processed_obs, actions)

    def make_actor(
        self, obs: Tensor = None, reuse: bool = False, scope: str = "pi", noise: Tensor = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The actor.

        Args:
            obs: processed observations, [B, …].
            reuse: ignored; a policy object owns its variables.
            scope: where the variables are.
            noise: standard normals to sample with, [B, n]; drawn by TensorFlow if None.

        Returns:
            Actions without exploration and sampled ones, [B, n] between -1 and 1, and the log-density of the latter
            [B].
        """
        mean, log_std = self.gaussian(obs, scope)
        return self.squashed(mean, log_std, tf.random.normal(tf.shape(mean)) if noise is None else noise)

    @staticmethod
    def squashed(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `make_actor` returns, from what `gaussian` does."""
        sampled = mean + noise * tf.exp(log_std)
        return apply_squashing_func(mean, sampled, gaussian_likelihood(sampled, mean, log_std))

    def actor_outputs(self, processed_obs: Tensor) -> Tensor:
        return tf.concat(self.gaussian(processed_obs), axis=-1)

    def deterministic_actions(self, outputs: Tensor) -> Tensor:
        if self.samples_in_graph:
            return outputs
        return tf.tanh(outputs[:, : self.n_actions])

    def step(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> np.ndarray:
        """Actions between -1 and 1, [B, n].

        Args:
            obs: raw observations, [B, …].
            state: ignored, as is ``mask``.
            mask: ignored.
            deterministic: squashed means instead of samples.
        """
        outputs = self.act_outputs(obs)
        mean = outputs[:, : self.n_actions]
        if deterministic:
            return np.tanh(mean)
        return np.tanh(mean + self._std(outputs) * self.generator.standard_normal(mean.shape, dtype=np.float32))

    def proba_step(
        self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of actions before squashing, [B, n] each."""
        outputs = self.act_outputs(obs)
        return outputs[:, : self.n_actions], self._std(outputs)

    def _std(self, outputs: np.ndarray) -> np.ndarray:
        # The network in NumPy does not clip the logarithms. (np.clip would take as long as the layer.)
        return np.exp(np.minimum(np.maximum(outputs[:, self.n_actions :], LOG_STD_MIN), LOG_STD_MAX))


class FeedForwardPolicy(FeedForwardNetworks, SACPolicy):
    """Dense or convolutional networks; their arguments are those of `FeedForwardNetworks`.

    Args:
        reg_weight: ignored.
    """

    actor_heads = ("dense", "dense_1")
    actor_head_activation: ClassVar[str | None] = None
    network_functions = (*FeedForwardNetworks.network_functions, "gaussian", "make_critics")

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Box,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        layers: Sequence[int] | None = None,
        cnn_extractor: Callable[..., Tensor] = nature_cnn,
        feature_extraction: str = "cnn",
        reg_weight: float = 0.0,
        layer_norm: bool = False,
        act_fun: ActFun = tf.nn.relu,
        **kwargs: object,
    ) -> None:
        super().__init__(
            sess,
            ob_space,
            ac_space,
            n_env,
            n_steps,
            n_batch,
            reuse,
            layers,
            cnn_extractor,
            feature_extraction,
            layer_norm=layer_norm,
            act_fun=act_fun,
            **kwargs,
        )
        self.reg_weight = reg_weight

    def gaussian(self, processed_obs: Tensor, scope: str = "pi") -> tuple[Tensor, Tensor]:
        with variable_scope(scope):
            hidden = self.hidden(self.features(processed_obs))
            mean, log_std = (dense(hidden, head, self.n_actions) for head in self.actor_heads)
        return mean, tf.clip_by_value(log_std, LOG_STD_MIN, LOG_STD_MAX)

    def make_critics(
        self,
        obs: Tensor = None,
        action: Tensor = None,
        reuse: bool = False,
        scope: str = "values_fn",
        create_vf: bool = True,
        create_qf: bool = True,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        q1 = q2 = value = None
        with variable_scope(scope):
            features = self.features(obs)
            if create_vf:
                value = self.critic(features, "vf")
            if create_qf:
                inputs = tf.concat([features, action], axis=-1)
                q1, q2 = self.critic(inputs, "qf1"), self.critic(inputs, "qf2")
        return q1, q2, value


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
