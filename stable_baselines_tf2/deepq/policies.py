"""Policies of DQN: Q-networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.policies import (
    ActFun,
    BasePolicy,
    nature_cnn,
    register_policy,
)
from stable_baselines_tf2.common.tf_layers import conv_to_fc, fully_connected, layer_normalization, numbered
from stable_baselines_tf2.core.acting import CompiledNetwork, DenseLayer, NumpyNetwork
from stable_baselines_tf2.core.activations import resolve_activation
from stable_baselines_tf2.core.checks import check_extraction, layer_size
from stable_baselines_tf2.core.graph import NUMPY_WEIGHT_LIMIT
from stable_baselines_tf2.core.graph_layers import library_shapes
from stable_baselines_tf2.core.naming import variable_scope
from stable_baselines_tf2.core.sampling import CategoricalSampler
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import is_discrete


class DQNPolicy(BasePolicy):
    """A network Q(s, ·) that gives the values of all actions.

    For a network of your own, subclass this and override `q_network`; the layers come from ``common.tf_layers``. The
    distribution of actions is the softmax of the values.

    Args:
        sess: ignored, always None.
        ob_space: observation space.
        ac_space: action space, Discrete.
        n_env: ignored, as are ``n_steps`` and ``n_batch``: the network takes batches of any size.
        n_steps: ignored.
        n_batch: ignored.
        reuse: ignored.
        scale: scale bounded observations to [0, 1].
        obs_phs: ignored.
        dueling: separate streams for state value and advantages (https://arxiv.org/abs/1511.06581).

    Raises:
        ValueError: the action space is not Discrete.
    """

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Discrete,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        scale: bool = False,
        obs_phs: tuple[Tensor, Tensor] | None = None,
        dueling: bool = True,
    ) -> None:
        if not is_discrete(ac_space):
            raise ValueError(f"DQN needs a Discrete action space, not {ac_space}")
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale, obs_phs=obs_phs)
        if ac_space.start != 0:
            raise ValueError(f"actions must be counted from 0, not as in {ac_space}")
        self.n_actions = int(ac_space.n)
        self.dueling = dueling
        self.sampler = CategoricalSampler()
        self._q_function: Callable[[np.ndarray], np.ndarray] | None = None

    # ------------------------------------------------------------ in a graph
    graph_outputs = ("_policy_proba",)

    def _setup_init(self) -> None:
        if not self.in_graph:
            return super()._setup_init()
        if not isinstance(self.q_values, tf.Tensor):  # what `q_network` describes
            with tf.compat.v1.variable_scope("model", reuse=self.reuse), library_shapes():
                self.q_values = self.q_network(self.processed_obs)  # type: ignore[method-assign]
        self._policy_proba = tf.nn.softmax(self.q_values)

    @property
    def policy_proba(self) -> Any:
        """Softmax of the values, [B, n]: a tensor of its graph."""
        return self.graph_tensor("_policy_proba")

    def graph_results(self, vector: Tensor, obs: Tensor) -> Tensor:
        return self.graph_function("q_values", [self.q_values], [self.obs_ph])({self.part: vector}, [obs])[0]

    # ------------------------------------------------------------ the network, in TensorFlow
    def q_network(self, processed_obs: Tensor) -> Tensor:
        """Values of all actions [B, n], from processed observations [B, …]."""
        raise NotImplementedError(f"{type(self).__name__} must override q_network()")

    def call(self, obs: Tensor) -> Tensor:
        """Values of all actions [B, n], from raw observations [B, …]."""
        with self._named.active():
            return self.q_network(self.preprocessor.tensor(obs))

    # ------------------------------------------------------------ acting, outside of TensorFlow
    @property
    def is_small(self) -> bool:
        """Whether the network consists of dense layers only."""
        return self.in_graph and self.is_simple_graph([self.q_values], [self.obs_ph])

    def _numpy_q_function(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The network in NumPy, where that is possible."""
        return None

    def q_values(self, obs: ArrayLike) -> np.ndarray:
        """Values of all actions [B, n], for raw observations [B, …]; a graph policy sets the tensor in its place."""
        return self.action_values(obs)

    def action_values(self, obs: ArrayLike) -> np.ndarray:
        """Values of all actions [B, n], for raw observations [B, …]."""
        if self._q_function is None and self.in_graph:
            self._q_function = lambda obs: self.sess.run(self.q_values, {self.obs_ph: obs})
        if self._q_function is None:
            small = sum(self.params.sizes) <= NUMPY_WEIGHT_LIMIT
            self._q_function = (self._numpy_q_function() if small else None) or CompiledNetwork(
                self.with_weights, self.params, self.preprocessor.spec
            )
        return self._q_function(np.asarray(obs, self.preprocessor.dtype))

    def best_actions(self, obs: ArrayLike) -> np.ndarray:
        """Greedy actions [B], for raw observations [B, …]."""
        return self.action_values(obs).argmax(axis=1)

    def distribution_parameters(
        self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Logits of the sampler: the values, [B, n]."""
        return self.action_values(obs)

    def act(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if self.in_graph and self.is_overridden("step"):
            return self.step(obs, deterministic=deterministic)[0], None
        return super().act(obs, state, mask, deterministic)

    def step(
        self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None, deterministic: bool = True
    ) -> tuple[np.ndarray, np.ndarray, None]:
        """One step of acting.

        Args:
            obs: raw observations, [B, …].
            state: ignored, as is ``mask``.
            mask: ignored.
            deterministic: greedy actions; otherwise samples from the softmax of the values.

        Returns:
            Actions [B], values of all actions [B, n], and None.
        """
        q_values = self.action_values(obs)
        if deterministic:
            return self.sampler.mode(q_values), q_values, None
        return self.sampler.sample(q_values, self.sampler.draw_noise(self.generator, q_values)), q_values, None


class FeedForwardPolicy(DQNPolicy):
    """A dense or convolutional network.

    Args:
        layers: sizes of the hidden layers; [64, 64] if None. With images only the state-value stream has them.
        cnn_extractor: convolutional network, for ``feature_extraction="cnn"``.
        feature_extraction: ``"cnn"`` or ``"mlp"``.
        layer_norm: layer normalization before the activations of the hidden layers.
        dueling: separate streams for state value and advantages.
        act_fun: activation function of the hidden layers.
        kwargs: further arguments of the ``cnn_extractor``.

    Raises:
        ValueError: unknown arguments, or sizes that are not positive integers.
    """

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Discrete,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        layers: Sequence[int] | None = None,
        cnn_extractor: Callable[..., Tensor] = nature_cnn,
        feature_extraction: str = "cnn",
        obs_phs: tuple[Tensor, Tensor] | None = None,
        layer_norm: bool = False,
        dueling: bool = True,
        act_fun: ActFun = tf.nn.relu,
        **kwargs: object,
    ) -> None:
        check_extraction(feature_extraction, kwargs)
        super().__init__(
            sess,
            ob_space,
            ac_space,
            n_env,
            n_steps,
            n_batch,
            reuse=reuse,
            scale=feature_extraction == "cnn",
            obs_phs=obs_phs,
            dueling=dueling,
        )
        self.hidden_sizes = [layer_size("layers", size) for size in ([64, 64] if layers is None else layers)]
        self.cnn_extractor = cnn_extractor if feature_extraction == "cnn" else None
        self.extractor_kwargs = kwargs
        self.layer_norm, self.act_fun = layer_norm, act_fun
        self._numpy_advantages: NumpyNetwork | None = None  # once `q_values` has built the network in NumPy
        self._setup_init()

    def q_network(self, processed_obs: Tensor) -> Tensor:
        with variable_scope("action_value"):
            if self.cnn_extractor is not None:
                features = self.cnn_extractor(processed_obs, **self.extractor_kwargs)
                q_values = self._stream(features, [], self.n_actions)
            else:
                features = conv_to_fc(processed_obs)
                q_values = self._stream(features, self.hidden_sizes, self.n_actions)
        if not self.dueling:
            return q_values
        with variable_scope("state_value"):
            state_value = self._stream(features, self.hidden_sizes, 1)
        return state_value + q_values - tf.reduce_mean(q_values, axis=1, keepdims=True)

    def _stream(self, x: Tensor, hidden_sizes: Sequence[int], n_outputs: int) -> Tensor:
        act_fun = resolve_activation(self.act_fun).tensor
        for i, size in enumerate(hidden_sizes):
            x = fully_connected(x, numbered("fully_connected", i), size)
            if self.layer_norm:
                x = layer_normalization(x, numbered("LayerNorm", i))
            x = act_fun(x)
        return fully_connected(x, numbered("fully_connected", len(hidden_sizes)), n_outputs)

    @property
    def is_small(self) -> bool:
        if self.in_graph:
            return super().is_small
        return self.cnn_extractor is None and type(self).q_network is FeedForwardPolicy.q_network

    def _numpy_q_function(self) -> Callable[[np.ndarray], np.ndarray] | None:
        if not self.is_small or resolve_activation(self.act_fun).numpy is None:
            return None
        action_value = self._numpy_stream("action_value")
        state_value = self._numpy_stream("state_value") if self.dueling else None
        self._numpy_advantages = action_value

        def q_function(obs: np.ndarray) -> np.ndarray:
            features = self.preprocessor.flat_array(obs)
            q_values = action_value(features)
            if state_value is None:
                return q_values
            return state_value(features) + q_values - q_values.mean(axis=1, keepdims=True)

        return q_function

    def best_actions(self, obs: ArrayLike) -> np.ndarray:
        if self._numpy_advantages is None:
            return super().best_actions(obs)
        # The state value is the same for all actions.
        features = self.preprocessor.flat_array(np.asarray(obs, self.preprocessor.dtype))
        return self._numpy_advantages(features).argmax(axis=1)

    def _numpy_stream(self, scope: str) -> NumpyNetwork:
        activation, n_hidden = resolve_activation(self.act_fun).numpy, len(self.hidden_sizes)
        layers = []
        for i in range(n_hidden + 1):
            linear, norm = (f"{self.path}/{scope}/{numbered(kind, i)}" for kind in ("fully_connected", "LayerNorm"))
            hidden = i < n_hidden
            layers.append(
                DenseLayer(
                    f"{linear}/weights:0",
                    f"{linear}/biases:0",
                    (f"{norm}/gamma:0", f"{norm}/beta:0") if hidden and self.layer_norm else None,
                    activation if hidden else None,
                )
            )
        return NumpyNetwork(layers, self.params)


class _NamedPolicy(FeedForwardPolicy):
    """A policy whose class fixes some of the arguments."""

    _fixed: ClassVar[dict[str, Any]]

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Discrete,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        obs_phs: tuple[Tensor, Tensor] | None = None,
        dueling: bool = True,
        **_kwargs: Any,
    ) -> None:
        arguments = {"obs_phs": obs_phs, "dueling": dueling, **self._fixed}
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, **arguments, **_kwargs)


class CnnPolicy(_NamedPolicy):
    """A convolutional network for images (see `nature_cnn`)."""

    _fixed = {"feature_extraction": "cnn", "layer_norm": False}


class LnCnnPolicy(_NamedPolicy):
    """A convolutional network for images, with layer normalization in the state-value stream."""

    _fixed = {"feature_extraction": "cnn", "layer_norm": True}


class MlpPolicy(_NamedPolicy):
    """A dense network: two hidden layers of 64 in each stream by default."""

    _fixed = {"feature_extraction": "mlp", "layer_norm": False}


class LnMlpPolicy(_NamedPolicy):
    """A dense network with layer normalization; always dueling, regardless of ``dueling``."""

    _fixed = {"feature_extraction": "mlp", "layer_norm": True, "dueling": True}


for _policy in (CnnPolicy, LnCnnPolicy, MlpPolicy, LnMlpPolicy):
    register_policy(_policy.__name__, _policy)
