"""Actor-critic policies: Keras models with the legacy constructors, variable names and behaviour."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.distributions import (
    ProbabilityDistribution,
    make_proba_dist_type,
)
from stable_baselines_tf2.common.graph_policies import ActorCriticTensors, GraphTensors, SessionActor
from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc, linear, lstm
from stable_baselines_tf2.core.acting import Actor, CompiledActor, NumpyActor
from stable_baselines_tf2.core.activations import resolve_activation
from stable_baselines_tf2.core.architecture import DenseArchitecture, Stage, parse_net_arch
from stable_baselines_tf2.core.checks import check_extraction, layer_size, warn_caller
from stable_baselines_tf2.core.graph import NUMPY_WEIGHT_LIMIT
from stable_baselines_tf2.core.policy_registry import get_policy_from_name as get_policy_from_name
from stable_baselines_tf2.core.policy_registry import register_policy, saved_classes
from stable_baselines_tf2.core.sampling import (
    Sampler,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor
from stable_baselines_tf2.envs.spaces import is_box, is_discrete, kind_of

ActFun = str | Callable[[Tensor], Tensor]


def nature_cnn(scaled_images: Tensor, **kwargs: Any) -> Tensor:
    """The convolutional network of Mnih et al. (https://www.nature.com/articles/nature14236), 512 features.

    Args:
        scaled_images: [B, height, width, channels], in [0, 1].
        kwargs: further arguments of the convolutions.
    """
    scale = np.sqrt(2)
    layer = scaled_images
    for name, filters, size, stride in (("c1", 32, 8, 4), ("c2", 64, 4, 2), ("c3", 64, 3, 1)):
        layer = tf.nn.relu(
            conv(layer, name, n_filters=filters, filter_size=size, stride=stride, init_scale=scale, **kwargs)
        )
    return tf.nn.relu(linear(conv_to_fc(layer), "fc1", n_hidden=512, init_scale=scale))


def _dense(x: Tensor, stage: Stage, act_fun: Callable[[Tensor], Tensor]) -> Tensor:
    return act_fun(linear(x, stage.name, stage.size, init_scale=np.sqrt(2)))


def mlp_extractor(flat_observations: Tensor, net_arch: Sequence[Any] | None, act_fun: ActFun) -> tuple[Tensor, Tensor]:
    """Shared layers, then a branch for the policy and one for the value function.

    Args:
        flat_observations: [B, n].
        net_arch: sizes of shared layers, then optionally ``dict(pi=[…], vf=[…])``.
        act_fun: activation function.

    Returns:
        Features for the policy and for the value function.
    """
    return _branches(flat_observations, parse_net_arch(net_arch), resolve_activation(act_fun).tensor)


def _branches(x: Tensor, architecture: DenseArchitecture, act_fun: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    for stage in architecture.shared:
        x = _dense(x, stage, act_fun)
    policy = value = x
    # In turns, since this is the order in which the variables are listed.
    for pi_stage, vf_stage in itertools.zip_longest(architecture.policy, architecture.value):
        if pi_stage is not None:
            policy = _dense(policy, pi_stage, act_fun)
        if vf_stage is not None:
            value = _dense(value, vf_stage, act_fun)
    return policy, value


class Features(NamedTuple):
    """What a network extracts from a batch of observations."""

    policy: Tensor  # [B, n]
    value: Tensor  # [B, m]
    state: Tensor | None = None  # [N, 2H] recurrent state after the last step


class PolicyOutputs(NamedTuple):
    """What a policy computes for a batch of observations."""

    distribution: ProbabilityDistribution  # of actions, B of them
    value: Tensor  # [B]
    q_value: Tensor  # [B, n_actions]
    state: Tensor | None  # [N, 2H]
    policy: Tensor  # [B, n] output of the head: logits or means


class BasePolicy(GraphTensors):
    """What all policies have: spaces, observation processing, named layers and a random generator.

    Args:
        sess: ignored; there are no sessions any more. Always None.
        ob_space: observation space.
        ac_space: action space.
        n_env: number of environments.
        n_steps: number of steps of each environment in a training batch.
        n_batch: rows of a training batch.
        reuse: ignored; a policy object owns its variables.
        scale: scale bounded observations to [0, 1].
        obs_phs: ignored, as are all placeholders.
        add_action_ph: ignored.
    """

    recurrent = False
    sampler: Sampler  # of actions from the parameters of their distributions
    of_many_kinds: ClassVar[bool] = True  # in a class body: the class belongs to no single kind of policy

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        scale: bool = False,
        obs_phs: tuple[Tensor, Tensor] | None = None,
        add_action_ph: bool = False,
    ) -> None:
        super().__init__("model")
        self.n_env, self.n_steps, self.n_batch = n_env, n_steps, n_batch
        self.ob_space, self.ac_space = ob_space, ac_space
        self.reuse = reuse
        self.preprocessor = Preprocessor(ob_space, scale)
        self.generator = np.random.default_rng()
        self.open_graph(sess, n_batch, obs_phs, add_action_ph=add_action_ph)

    @property
    def is_discrete(self) -> bool:
        """Whether the action space is Discrete."""
        return is_discrete(self.ac_space)

    @property
    def initial_state(self) -> np.ndarray | None:
        """Recurrent state at the start of an episode, [n_env, …]; None if the policy has none."""
        return None

    @property
    def is_small(self) -> bool:
        """Whether the network is small and consists of dense or recurrent layers.

        XLA then compiles its training, and `ActorCriticPolicy`, `DQNPolicy` and `ContinuousPolicy` run it in NumPy to
        act. These families find out; a policy that derives from this class alone states it.

        Raises:
            NotImplementedError: it does not.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must state whether it is small: is_small = True for dense or recurrent networks of "
            "up to a few million weights, whose training XLA compiles; is_small = False for any other network"
        )

    # ------------------------------------------------------------ the network, in TensorFlow
    def network(self, processed_obs: Tensor) -> Any:
        """What the network gives for processed observations [B, …], made of the layers of ``common.tf_layers``."""
        raise NotImplementedError(f"{type(self).__name__} must override network(), or call()")

    def call(self, obs: Tensor) -> Any:
        """What the network gives for raw observations [B, …]."""
        with self._named.active():
            return self.network(self.preprocessor.tensor(obs))

    def build(self, input_shape: object = None) -> None:
        """Creates the variables, by one pass over a row of zeros."""
        self.call(self.example_obs)

    @property
    def example_obs(self) -> Tensor:
        """A batch of one raw observation."""
        dtype = self.preprocessor.dtype
        return tf.constant(np.zeros((1, *self.preprocessor.shape), dtype) + np.asarray(self.preprocessor.start, dtype))

    def ensure_built(self) -> None:
        """Creates the variables, if that has not been done."""
        self.params  # noqa: B018 (building is the point)

    def _setup_init(self) -> None:
        """Builds the network; the last call of a constructor (it would be built at its first use otherwise)."""
        self.ensure_built()

    # ------------------------------------------------------------ acting, outside of TensorFlow
    def step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> Any:
        """One step of acting."""
        raise NotImplementedError

    def distribution_parameters(
        self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Parameters of the action distributions as the sampler takes them, [B, n], for raw observations [B, …]."""
        raise NotImplementedError(f"{type(self).__name__} must override distribution_parameters(), or act()")

    def act(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions [B, …] for raw observations [B, …], and a recurrent policy's new state (None for others)."""
        flat = self.distribution_parameters(obs, state, mask)
        if deterministic:
            return self.sampler.mode(flat), None
        return self.sampler.sample(flat, self.sampler.draw_noise(self.generator, flat)), None

    def proba_step(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> Any:
        """Parameters of the action distributions, as probabilities; see `Sampler.probabilities`."""
        return self.sampler.probabilities(self.distribution_parameters(obs, state, mask))


class ActorCriticPolicy(ActorCriticTensors, BasePolicy):
    """A policy with a value function.

    To write a network of your own, subclass this and override `extract`; the layers come from ``common.tf_layers``. The
    heads (``vf``, ``pi``, ``q``) are added here.
    """

    head_scale = 0.01  # scale of the initial weights of the policy head

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        scale: bool = False,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)
        self.pdtype = self._pdtype = make_proba_dist_type(ac_space)
        self.sampler = make_sampler(ac_space)
        self._actor: Actor | None = None

    # ------------------------------------------------------------ the network, in TensorFlow
    def extract(self, processed_obs: Tensor, states: Tensor, masks: Tensor, n_steps: int) -> Features:
        """Features for the heads, from processed observations [B, …].

        Args:
            processed_obs: network inputs, float32; ``n_steps`` consecutive rows belong to one environment.
            states: recurrent states before the first step, [B / n_steps, 2H] (None unless recurrent).
            masks: 1 where an episode starts, [B] (None unless recurrent).
            n_steps: length of the sequences.
        """
        raise NotImplementedError(f"{type(self).__name__} must override extract()")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables, by one pass over a row of zeros."""
        states = masks = None
        if self.initial_state is not None:
            states, masks = tf.zeros((1, self.initial_state.shape[1])), tf.zeros((1,))
        self.call(self.example_obs, states, masks)

    def call(self, obs: Tensor, states: Tensor = None, masks: Tensor = None, n_steps: int = 1) -> PolicyOutputs:
        """The whole network on raw observations [B, …]; see `extract` for the arguments."""
        with self._named.active():
            return self._outputs(self.preprocessor.tensor(obs), states, masks, n_steps)

    def _outputs(self, processed_obs: Tensor, states: Tensor, masks: Tensor, n_steps: int) -> PolicyOutputs:
        features = Features(*self.extract(processed_obs, states, masks, n_steps))
        value = linear(features.value, "vf", 1)
        distribution, policy, q_value = self.pdtype.proba_distribution_from_latent(
            features.policy, features.value, init_scale=self.head_scale
        )
        return PolicyOutputs(distribution, value[:, 0], q_value, features.state, policy)

    def graph_results(
        self, vector: Tensor, obs: Tensor, states: Tensor = None, masks: Tensor = None, n_steps: int = 1
    ) -> PolicyOutputs:
        flat, value, q_value, policy, state = self.graph_heads(vector, obs, states, masks, n_steps)
        return PolicyOutputs(self.pdtype.proba_distribution_from_flat(flat), value[:, 0], q_value, state, policy)

    # ------------------------------------------------------------ acting, outside of TensorFlow
    def architecture(self) -> tuple[DenseArchitecture, ActFun] | None:
        """Layers and activation of a network that NumPy can run; None for any other network."""
        return None

    @property
    def is_small(self) -> bool:
        if self.in_graph:
            return self.is_simple_graph([self._proba_distribution.flatparam(), self._value_fn], self.graph_inputs)
        return self.architecture() is not None

    @property
    def actor(self) -> Actor:
        """Runs the network for `step`, `value` and `proba_step`."""
        if self._actor is None and self.in_graph:
            self._actor = SessionActor(self)
        if self._actor is None:
            self._actor = self._numpy_actor() or CompiledActor(
                self._forward, self.params, self.preprocessor.spec, self.initial_state
            )
        return self._actor

    def _numpy_actor(self) -> NumpyActor | None:
        description = self.architecture()
        if description is None or sum(self.params.sizes) > NUMPY_WEIGHT_LIMIT:
            return None
        architecture, act_fun = description
        activation = resolve_activation(act_fun).numpy
        if activation is None:
            return None
        gaussian = is_box(self.ac_space)
        return NumpyActor(architecture, self.params, activation, self.preprocessor.flat_array, gaussian=gaussian)

    def _forward(self, vector: Tensor, obs: Tensor, state: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `CompiledActor` compiles: distribution parameters, value and state after one step."""
        outputs = self.with_weights(vector, obs, state, mask) if self.recurrent else self.with_weights(vector, obs)
        return outputs.distribution.flatparam(), outputs.value, outputs.state if self.recurrent else state

    def network_inputs(
        self, obs: ArrayLike, state: np.ndarray | None, mask: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Arguments of `actor`: arrays of its types, with zeros for a recurrent state or mask that is None."""
        obs = np.asarray(obs, self.preprocessor.dtype)
        initial_state = self.initial_state
        if initial_state is None:
            return obs, None, None
        state = np.zeros((len(obs), initial_state.shape[1])) if state is None else state
        mask = np.zeros(len(obs)) if mask is None else mask
        return obs, np.asarray(state, np.float32), np.asarray(mask, np.float32)

    def act(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions [B, …] and the recurrent state after the step: `step` without what only training needs."""
        if self.in_graph and self.is_overridden("step"):
            return self._act_by_step(obs, state, mask, deterministic)
        outputs = self.actor(*self.network_inputs(obs, state, mask))
        if deterministic:
            return self.sampler.mode(outputs.flat), outputs.state
        return self.sampler.sample(outputs.flat, self.sampler.draw_noise(self.generator, outputs.flat)), outputs.state

    def _act_by_step(
        self, obs: ArrayLike, state: np.ndarray | None, mask: ArrayLike | None, deterministic: bool
    ) -> tuple[np.ndarray, Any]:
        if self.recurrent:
            state = self.initial_state if state is None else state
            mask = np.zeros(len(np.asarray(obs))) if mask is None else mask
        actions, _, new_state, *_ = self.step(obs, state, mask, deterministic=deterministic)
        return actions, new_state

    def step(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
        noise: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        """One step of acting.

        Args:
            obs: raw observations, [B, …].
            state: recurrent state, [B, 2H]; zeros if None.
            mask: 1 (or True) where an episode starts, [B].
            deterministic: take the most probable actions.
            noise: the raw random numbers to sample with; drawn from the policy's generator if None.

        Returns:
            Actions [B, …], values [B], new state, and the negative log-probability [B] of the *sampled* actions.
        """
        return self.step_and_distribution(obs, state, mask, deterministic, noise)[:4]

    def step_and_distribution(
        self,
        obs: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
        noise: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
        """What `step` returns, and the parameters of the action distributions as the sampler takes them, [B, n]."""
        outputs = self.actor(*self.network_inputs(obs, state, mask))
        if noise is None:
            noise = self.sampler.draw_noise(self.generator, outputs.flat)
        sampled = self.sampler.sample(outputs.flat, noise)
        actions = self.sampler.mode(outputs.flat) if deterministic else sampled
        return actions, outputs.value, outputs.state, self.sampler.neglogp(outputs.flat, sampled), outputs.flat

    def distribution_parameters(
        self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Parameters of the action distributions as the sampler takes them, [B, n]."""
        return self.actor(*self.network_inputs(obs, state, mask)).flat

    def value(self, obs: ArrayLike, state: np.ndarray | None = None, mask: ArrayLike | None = None) -> np.ndarray:
        """Values of observations, [B]."""
        return self.actor(*self.network_inputs(obs, state, mask)).value


def make_sampler(ac_space: object) -> Sampler:
    """The NumPy side of the distribution type for an action space (see `distributions.make_proba_dist_type`)."""
    sampler = kind_of(ac_space).sampler
    if sampler is None:
        raise NotImplementedError(f"policies do not act in {ac_space}")
    return sampler(ac_space)


class RecurrentActorCriticPolicy(ActorCriticPolicy):
    """A recurrent policy.

    Args:
        state_shape: shape of one environment's state.
    """

    recurrent = True

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int,
        n_steps: int,
        n_batch: int | None,
        state_shape: tuple[int, ...],
        reuse: bool = False,
        scale: bool = False,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)
        self._initial_state = np.zeros((n_env, *state_shape), np.float32)
        self.open_memory(n_batch)

    @property
    def initial_state(self) -> np.ndarray:
        """Zeros, [n_env, …]."""
        return self._initial_state


class LstmPolicy(RecurrentActorCriticPolicy):
    """A policy with a long short-term memory.

    Args:
        n_lstm: size of the cell.
        layers: sizes of the layers before the memory (the older way; [64, 64] if neither this nor ``net_arch`` is
            given).
        net_arch: shared layers with ``"lstm"`` among them, then optionally ``dict(pi=[…], vf=[…])``; MLP only.
        act_fun: activation function.
        cnn_extractor: network of images, for ``feature_extraction="cnn"``.
        layer_norm: layer normalization inside the memory.
        feature_extraction: ``"cnn"`` or ``"mlp"``.
        kwargs: further arguments of the ``cnn_extractor``.

    Raises:
        ValueError: unknown arguments, or a ``net_arch`` without exactly one LSTM.
        NotImplementedError: ``net_arch`` with ``feature_extraction="cnn"``.
    """

    head_scale = 1.0

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        n_lstm: int = 256,
        reuse: bool = False,
        layers: Sequence[int] | None = None,
        net_arch: Sequence[Any] | None = None,
        act_fun: ActFun = tf.tanh,
        cnn_extractor: Callable[..., Tensor] = nature_cnn,
        layer_norm: bool = False,
        feature_extraction: str = "cnn",
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
            (2 * n_lstm,),
            reuse=reuse,
            scale=feature_extraction == "cnn",
        )
        if layers is not None:
            warnings.warn(
                "layers is the older way to describe a network; use net_arch", DeprecationWarning, stacklevel=2
            )
        if net_arch is not None and feature_extraction == "cnn":
            raise NotImplementedError("net_arch describes MLP networks; with images pass a cnn_extractor")
        self.n_lstm, self.layer_norm, self.act_fun = n_lstm, layer_norm, act_fun
        self.cnn_extractor = cnn_extractor if feature_extraction == "cnn" else None
        self.extractor_kwargs = kwargs
        if net_arch is not None:
            self.dense_architecture = parse_net_arch(net_arch, n_lstm)
        else:
            sizes = [] if self.cnn_extractor else [64, 64] if layers is None else layers
            shared = [Stage(f"pi_fc{i}", layer_size("net_arch", size)) for i, size in enumerate(sizes)]
            self.dense_architecture = DenseArchitecture([*shared, Stage("lstm1", n_lstm, recurrent=True)], [], [])
        self._setup_init()

    def extract(self, processed_obs: Tensor, states: Tensor, masks: Tensor, n_steps: int) -> Features:
        if self.cnn_extractor is not None:
            latent = self.cnn_extractor(processed_obs, **self.extractor_kwargs)
        else:
            latent = conv_to_fc(processed_obs)
        act_fun = resolve_activation(self.act_fun).tensor
        state = None
        for stage in self.dense_architecture.shared:
            if stage.recurrent:
                latent, state = self._remember(latent, states, masks, n_steps, stage)
            else:
                latent = _dense(latent, stage, act_fun)
        policy = value = latent
        for stage in self.dense_architecture.policy:
            policy = _dense(policy, stage, act_fun)
        for stage in self.dense_architecture.value:
            value = _dense(value, stage, act_fun)
        return Features(policy, value, state)

    def _remember(
        self, latent: Tensor, states: Tensor, masks: Tensor, n_steps: int, stage: Stage
    ) -> tuple[Tensor, Tensor]:
        """The LSTM over rows [N·T, F] that are ordered by environment; its outputs in the same order."""
        sequence = tf.transpose(tf.reshape(latent, (-1, n_steps, latent.shape[-1])), (1, 0, 2))  # [T, N, F]
        starts = tf.transpose(tf.reshape(masks, (-1, n_steps)))  # [T, N]
        outputs, state = lstm(sequence, starts, states, stage.name, stage.size, layer_norm=self.layer_norm)
        return tf.reshape(tf.transpose(outputs, (1, 0, 2)), (-1, stage.size)), state

    def architecture(self) -> tuple[DenseArchitecture, ActFun] | None:
        if self.cnn_extractor is not None or type(self).extract is not LstmPolicy.extract:
            return None
        return self.dense_architecture, self.act_fun


class FeedForwardPolicy(ActorCriticPolicy):
    """A policy without memory.

    Args:
        layers: sizes of the layers of both branches (the older way).
        net_arch: sizes of shared layers, then optionally ``dict(pi=[…], vf=[…])``; two branches of [64, 64] if neither
            this nor ``layers`` is given.
        act_fun: activation function.
        cnn_extractor: network of images, for ``feature_extraction="cnn"``.
        feature_extraction: ``"cnn"`` or ``"mlp"``.
        kwargs: further arguments of the ``cnn_extractor``.

    Raises:
        ValueError: unknown arguments, both ``layers`` and ``net_arch``, or a wrong ``net_arch``.
    """

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        layers: Sequence[int] | None = None,
        net_arch: Sequence[Any] | None = None,
        act_fun: ActFun = tf.tanh,
        cnn_extractor: Callable[..., Tensor] = nature_cnn,
        feature_extraction: str = "cnn",
        **kwargs: object,
    ) -> None:
        check_extraction(feature_extraction, kwargs)
        super().__init__(
            sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=feature_extraction == "cnn"
        )
        if layers is not None:
            warnings.warn(
                "layers is the older way to describe a network; use net_arch", DeprecationWarning, stacklevel=2
            )
            if net_arch is not None:
                warn_caller(f"layers={layers!r} beside net_arch={net_arch!r} has no effect: give one of them")
        if net_arch is None:
            sizes = [64, 64] if layers is None else list(layers)
            net_arch = [{"vf": sizes, "pi": sizes}]
        self.act_fun = act_fun
        self.cnn_extractor = cnn_extractor if feature_extraction == "cnn" else None
        self.extractor_kwargs = kwargs
        self.dense_architecture = parse_net_arch(net_arch)
        self._setup_init()

    def extract(self, processed_obs: Tensor, states: Tensor, masks: Tensor, n_steps: int) -> Features:
        if self.cnn_extractor is not None:
            latent = self.cnn_extractor(processed_obs, **self.extractor_kwargs)
            return Features(latent, latent)
        return Features(
            *_branches(conv_to_fc(processed_obs), self.dense_architecture, resolve_activation(self.act_fun).tensor)
        )

    def architecture(self) -> tuple[DenseArchitecture, ActFun] | None:
        if self.cnn_extractor is not None or type(self).extract is not FeedForwardPolicy.extract:
            return None
        return self.dense_architecture, self.act_fun


class _NamedFeedForwardPolicy(FeedForwardPolicy):
    """A feed-forward policy whose class decides about some of the arguments."""

    _fixed: ClassVar[dict[str, Any]]

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        **_kwargs: Any,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, **self._fixed, **_kwargs)


class _NamedLstmPolicy(LstmPolicy):
    """A policy with memory whose class decides about some of the arguments."""

    _fixed: ClassVar[dict[str, Any]]

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.Space,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        n_lstm: int = 256,
        reuse: bool = False,
        **_kwargs: Any,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm, reuse, **self._fixed, **_kwargs)


class CnnPolicy(_NamedFeedForwardPolicy):
    """A convolutional policy for images (see `nature_cnn`)."""

    _fixed = {"feature_extraction": "cnn"}


class CnnLstmPolicy(_NamedLstmPolicy):
    """A convolutional policy with memory."""

    _fixed = {"feature_extraction": "cnn", "layer_norm": False}


class CnnLnLstmPolicy(_NamedLstmPolicy):
    """A convolutional policy with layer-normalized memory."""

    _fixed = {"feature_extraction": "cnn", "layer_norm": True}


class MlpPolicy(_NamedFeedForwardPolicy):
    """A dense policy: two layers of 64 in each branch by default."""

    _fixed = {"feature_extraction": "mlp"}


class MlpLstmPolicy(_NamedLstmPolicy):
    """A dense policy with memory."""

    _fixed = {"feature_extraction": "mlp", "layer_norm": False}


class MlpLnLstmPolicy(_NamedLstmPolicy):
    """A dense policy with layer-normalized memory."""

    _fixed = {"feature_extraction": "mlp", "layer_norm": True}


for _policy in (CnnPolicy, CnnLstmPolicy, CnnLnLstmPolicy, MlpPolicy, MlpLstmPolicy, MlpLnLstmPolicy):
    register_policy(_policy.__name__, _policy)

saved_classes.append(BasePolicy)
