"""What the policies of SAC, TD3 and DDPG share: an actor and critics for Box actions, acting, and their networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.policies import ActFun, BasePolicy, nature_cnn
from stable_baselines_tf2.common.tf_layers import conv_to_fc, dense, mlp, numbered
from stable_baselines_tf2.core.acting import CompiledNetwork, DenseLayer, NumpyNetwork
from stable_baselines_tf2.core.activations import resolve_activation
from stable_baselines_tf2.core.checks import check_extraction, layer_size
from stable_baselines_tf2.core.graph import NUMPY_WEIGHT_LIMIT
from stable_baselines_tf2.core.naming import variable_scope
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import as_gymnasium_space

PACKAGE = f"{__name__.split('.')[0]}."


def check_continuous_actions(ac_space: gymnasium.Space) -> None:
    """Checks an action space.

    Raises:
        ValueError: it is not a Box with one axis and finite bounds.
    """
    space = as_gymnasium_space(ac_space)
    if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
        raise ValueError(f"the action space must be a Box with one axis, not {ac_space}")
    if not space.is_bounded():
        raise ValueError(f"the bounds of the action space must be finite, since actions are scaled to them: {ac_space}")


class ContinuousPolicy(BasePolicy):
    """An actor with actions between -1 and 1, and critics.

    A subclass overrides `build_networks`, and `make_actor` with the scope ``pi``; the layers come from
    ``common.tf_layers``.

    Args:
        sess: ignored, always None.
        ob_space: observation space.
        ac_space: action space, a bounded Box with one axis.
        n_env: ignored, as are ``n_steps`` and ``n_batch``: the networks take batches of any size.
        n_steps: ignored.
        n_batch: ignored.
        reuse: ignored.
        scale: scale bounded observations to [0, 1].

    Raises:
        ValueError: the action space does not fit.
    """

    of_many_kinds = True
    has_action_ph: ClassVar[bool] = False  # in a graph
    only_acts = False  # set before the networks are built: without critics

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Box,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        scale: bool = False,
    ) -> None:
        check_continuous_actions(ac_space)
        super().__init__(
            sess,
            ob_space,
            ac_space,
            n_env,
            n_steps,
            n_batch,
            reuse=reuse,
            scale=scale,
            add_action_ph=self.has_action_ph,
        )
        self.n_actions = int(ac_space.shape[0])
        self._actor: Callable[[np.ndarray], np.ndarray] | None = None
        self._weights: Tensor = None  # of `using`, in a graph

    # ------------------------------------------------------------ in a graph
    @property
    def graph_scope(self) -> str:
        return str(self.name)

    def finish_graph(self) -> None:
        """Builds the networks in the graph."""
        with tf.compat.v1.variable_scope(self.name):
            self._actions_ph = self._action_ph
            if self._actions_ph is None:
                self._actions_ph = tf.compat.v1.placeholder(tf.float32, (None, self.n_actions), name="actions_ph")
            self.build_graph()
        super().finish_graph()

    @property
    def graph_tensors(self) -> list[Any]:
        """What training takes of the graph."""
        return [self._graph_actor]

    def build_graph(self) -> None:
        """Makes the tensors of all networks, the actor's first, and keeps what training needs."""
        self._graph_actor = self.make_actor(self.processed_obs)

    @contextlib.contextmanager
    def using(self, *vector: Tensor) -> Iterator[None]:
        if not self.in_graph:
            with super().using(*vector):
                yield
            return
        outer, self._weights = self._weights, tf.concat(vector, 0)
        try:
            yield
        finally:
            self._weights = outer

    def in_the_graph(self, key: str, outputs: Sequence[Any], inputs: Sequence[Any], values: Sequence[Tensor]) -> Any:
        """Tensors of the graph for given values of others, with the weights of `using`."""
        return self.graph_function(key, outputs, inputs)({self.part: self._weights}, values)

    def graph_results(self, vector: Tensor, obs: Tensor) -> Tensor:
        with self.using(vector):
            return self.actions(self.preprocessor.tensor(obs))

    # ------------------------------------------------------------ the networks, in TensorFlow
    def actions(self, processed_obs: Tensor) -> Tensor:
        """What `actor_outputs` gives, however the actor is written."""
        if not self.in_graph:
            return self.actor_outputs(processed_obs)
        return self.in_the_graph("actor", [self._graph_actor], [self.processed_obs], [processed_obs])[0]

    def build_networks(self, processed_obs: Tensor, actions: Tensor) -> None:
        """Calls all networks once, in the order in which their variables are listed: the actor first.

        Args:
            processed_obs: network inputs, [B, …].
            actions: [B, n].
        """
        raise NotImplementedError(f"{type(self).__name__} must override build_networks()")

    def make_actor(self, obs: Tensor = None, reuse: bool = False, scope: str = "pi") -> Any:
        """The actor on processed observations [B, …]: actions between -1 and 1, [B, n]."""
        raise NotImplementedError(f"{type(self).__name__} must override make_actor()")

    def actor_outputs(self, processed_obs: Tensor) -> Tensor:
        """What acting needs of the actor, [B, m]."""
        return self.make_actor(processed_obs)

    def deterministic_actions(self, outputs: Tensor) -> Tensor:
        """Actions between -1 and 1 without exploration, [B, n], from `actor_outputs`."""
        return outputs

    def build(self, input_shape: object = None) -> None:
        """Creates the variables, by one pass over a row of zeros."""
        with self._named.active():
            self.build_networks(self.preprocessor.tensor(self.example_obs), tf.zeros((1, self.n_actions)))

    def call(self, obs: Tensor) -> Tensor:
        """`actor_outputs` for raw observations [B, …]."""
        with self._named.active():
            return self.actions(self.preprocessor.tensor(obs))

    # ------------------------------------------------------------ acting, outside of TensorFlow
    @property
    def is_small(self) -> bool:
        """Whether all networks are known to consist of dense layers only."""
        return self.in_graph and self.is_simple_graph(self.graph_tensors, [self.obs_ph, self._actions_ph])

    def _numpy_actor(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The actor in NumPy, raw observations to `actor_outputs`, where that is possible."""
        return None

    def _compiled_actor(self) -> Callable[[np.ndarray], np.ndarray]:
        """The actor in TensorFlow, raw observations to `actor_outputs`."""
        return CompiledNetwork(self.with_weights, self.params, self.preprocessor.spec)

    def _session_actor(self, obs: np.ndarray) -> np.ndarray:
        self.preprocessor.sync()
        outputs: np.ndarray = self.sess.run(self._graph_actor, {self.processed_obs: self.preprocessor.array(obs)})
        return outputs

    def act_outputs(self, obs: ArrayLike) -> np.ndarray:
        """`actor_outputs` for raw observations [B, …], as an array."""
        if self._actor is None and self.in_graph:
            self._actor = self._session_actor
        if self._actor is None:
            small = sum(self.params.sizes) <= NUMPY_WEIGHT_LIMIT
            self._actor = (self._numpy_actor() if small else None) or self._compiled_actor()
        return self._actor(np.asarray(obs, self.preprocessor.dtype))


class FeedForwardNetworks(ContinuousPolicy):
    """Dense or convolutional networks.

    Args:
        layers: sizes of the hidden layers of each network; [64, 64] if None.
        cnn_extractor: network of images, for ``feature_extraction="cnn"``.
        feature_extraction: ``"cnn"`` or ``"mlp"``.
        layer_norm: normalize the hidden layers before their activation.
        act_fun: activation function of the hidden layers.
        kwargs: further arguments of the ``cnn_extractor``.

    Raises:
        ValueError: unknown arguments, or sizes that are not positive integers.
    """

    of_many_kinds = True
    actor_heads: ClassVar[tuple[str, ...]] = ("dense",)  # names of the actor's output layers
    actor_head_activation: ClassVar[str | None] = "tanh"
    network_functions: ClassVar[tuple[str, ...]] = ("make_actor", "actor_outputs", "features", "hidden", "critic")

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
        layer_norm: bool = False,
        act_fun: ActFun = tf.nn.relu,
        **kwargs: object,
    ) -> None:
        check_extraction(feature_extraction, kwargs)
        super().__init__(
            sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=feature_extraction == "cnn"
        )
        self.hidden_sizes = [layer_size("layers", size) for size in ([64, 64] if layers is None else layers)]
        if not self.hidden_sizes:
            raise ValueError("layers: at least one hidden layer is needed")
        self.cnn_extractor = cnn_extractor if feature_extraction == "cnn" else None
        self.extractor_kwargs = self.cnn_kwargs = kwargs
        self.layer_norm, self.act_fun, self.feature_extraction = layer_norm, act_fun, feature_extraction
        self.activ = self.activ_fn = resolve_activation(act_fun).tensor
        self.reg_loss = None  # no algorithm has one

    def features(self, processed_obs: Tensor) -> Tensor:
        """What the hidden layers of a network start from, [B, n]."""
        if self.cnn_extractor is not None:
            return self.cnn_extractor(processed_obs, **self.extractor_kwargs)
        return conv_to_fc(processed_obs)

    def hidden(self, x: Tensor, sizes: Sequence[int] | None = None, first: int = 0) -> Tensor:
        """The hidden layers (or those of given ``sizes``, numbered from ``first`` on), from features [B, n]."""
        activation = resolve_activation(self.act_fun).tensor
        return mlp(x, self.hidden_sizes if sizes is None else sizes, activation, self.layer_norm, first)

    def critic(self, inputs: Tensor, scope: str) -> Tensor:
        """A value [B, 1] from features (and actions) [B, n]: hidden layers and an output named like their scope."""
        with variable_scope(scope):
            return dense(self.hidden(inputs), scope, 1)

    @property
    def is_small(self) -> bool:
        if self.in_graph:
            return super().is_small
        parts = (getattr(type(self), name) for name in self.network_functions)
        return self.cnn_extractor is None and all(part.__module__.startswith(PACKAGE) for part in parts)

    def _numpy_actor(self) -> Callable[[np.ndarray], np.ndarray] | None:
        activation = resolve_activation(self.act_fun).numpy
        if not self.is_small or activation is None:
            return None
        scope = f"{self.path}/pi"
        layers = []
        for i in range(len(self.hidden_sizes)):
            norm = f"{scope}/{numbered('LayerNorm', i)}"
            norms = (f"{norm}/gamma:0", f"{norm}/beta:0") if self.layer_norm else None
            layers.append(DenseLayer(f"{scope}/fc{i}/kernel:0", f"{scope}/fc{i}/bias:0", norms, activation))
        kernels, biases = (
            tuple(f"{scope}/{head}/{part}:0" for head in self.actor_heads) for part in ("kernel", "bias")
        )
        last = self.actor_head_activation
        layers.append(DenseLayer(kernels, biases, None, resolve_activation(last).numpy if last else None))
        network, flat_array = NumpyNetwork(layers, self.params), self.preprocessor.flat_array
        return lambda obs: network(flat_array(obs))


class MlpVariant(FeedForwardNetworks):
    """Makes dense networks of a class of `FeedForwardNetworks` that follows among the bases."""

    of_many_kinds = True

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Box,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        **_kwargs: Any,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, feature_extraction="mlp", **_kwargs)


class CnnVariant(FeedForwardNetworks):
    """Makes convolutional networks of a class of `FeedForwardNetworks` that follows among the bases."""

    of_many_kinds = True

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Box,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        **_kwargs: Any,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, feature_extraction="cnn", **_kwargs)


class LayerNormVariant(FeedForwardNetworks):
    """Makes normalized networks of a class of `FeedForwardNetworks` that follows among the bases."""

    of_many_kinds = True

    def __init__(
        self,
        sess: None,
        ob_space: gymnasium.Space,
        ac_space: gymnasium.spaces.Box,
        n_env: int = 1,
        n_steps: int = 1,
        n_batch: int | None = None,
        reuse: bool = False,
        **_kwargs: Any,
    ) -> None:
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, layer_norm=True, **_kwargs)
