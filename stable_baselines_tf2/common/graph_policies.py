"""Policies whose network is a graph of TensorFlow 1: what they find in their constructor, and how algorithms run them.

A constructor that asks for a placeholder, or uses a layer of TensorFlow 1, is called again with a graph and a session.
The tensors that it leaves behind become functions of the model's weight vector (see `core.graph`), so that algorithms
use such a policy like any other. Policies of this library build the same graph when a program asks for their tensors.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.input import placeholders
from stable_baselines_tf2.core.acting import Outputs
from stable_baselines_tf2.core.graph import Derived, GraphFunction, GraphHost, MissingValue
from stable_baselines_tf2.core.graph_layers import GraphNeeded, in_graph, library_shapes
from stable_baselines_tf2.core.graph_parameters import SessionParameters
from stable_baselines_tf2.core.graph_uses import ProbedFunction
from stable_baselines_tf2.core.network import NamedNetwork
from stable_baselines_tf2.core.probes import listening
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor

v1 = tf.compat.v1
PACKAGE = f"{__name__.split('.')[0]}."
Prepare = Callable[[Any], None] | None
_host: contextvars.ContextVar[GraphHost | None] = contextvars.ContextVar("graph_host", default=None)


class Recipe(NamedTuple):
    """How a policy was made, so that it can be made again in a graph."""

    policy: type[Any]
    arguments: tuple[Any, ...]
    kwargs: dict[str, Any]
    prepare: Prepare  # what to do before the networks are built
    scope: tuple[str, ...]  # name scopes around it


@contextlib.contextmanager
def one_graph(seed: int | None) -> Iterator[None]:
    """Policies that are made within this block share a graph, if they need one: those of one model.

    Args:
        seed: of the graph's random numbers.
    """
    token = _host.set(_host.get() or GraphHost(seed))
    try:
        yield
    finally:
        _host.reset(token)


def make_policy(policy: type[GraphTensors], *arguments: Any, prepare: Prepare = None, **kwargs: Any) -> Any:
    """Calls the constructor of a policy; again, in a graph, if that turns out to be what it is written for.

    Args:
        policy: the class.
        arguments: of the constructor; the first is the session.
        prepare: what to do before the networks are built.
        kwargs: of the constructor.

    Raises:
        TypeError: it is a graph, and something is missing.
    """
    recipe = Recipe(policy, arguments, kwargs, prepare, _scope())
    random_state = np.random.get_state()
    try:
        return _made_of_layers(recipe)
    except GraphNeeded:
        failure = None
    except Exception as error:
        # Graph code that finds TensorFlow under another name than that of `migration` fails in its own ways.
        if policy.__module__.startswith(PACKAGE) and "cnn_extractor" not in kwargs:
            raise
        failure = error
    np.random.set_state(random_state)  # weights are drawn as if this had been the first try
    try:
        return _made_of_graph(recipe)
    except Exception:
        if failure is None:
            raise
    raise failure


def _made_of_layers(recipe: Recipe) -> Any:
    created: list[Any] = []

    def creator(create: Callable[..., Any], **options: object) -> Any:
        variable = create(**options)
        created.append(variable)
        return variable

    with tf.variable_creator_scope(creator):
        made: Any = recipe.policy(*recipe.arguments, **recipe.kwargs)
        if recipe.prepare is not None:
            recipe.prepare(made)
        made.ensure_built()
    if sum(variable.trainable for variable in created) > len(made.params.variables):
        raise GraphNeeded(f"{recipe.policy.__name__} makes layers or variables of its own each time that it is called")
    made.recipe = recipe
    made._side.host = _host.get()  # for its tensors, should they be asked for
    return made


def _made_of_graph(recipe: Recipe) -> Any:
    host = _host.get() or GraphHost()
    made = _built_in_graph(host, recipe)
    made.adopt(host)
    return made


def _built_in_graph(host: GraphHost, recipe: Recipe) -> Any:
    policy = recipe.policy
    with tf.init_scope(), host.graph.as_default(), _variable_scopes(recipe.scope):
        made: Any = policy(host.session, *policy.graph_arguments(*recipe.arguments[1:]), **recipe.kwargs)
        if recipe.prepare is not None:
            recipe.prepare(made)
        made.finish_graph()
    made.recipe = recipe
    return made


def _scope() -> tuple[str, ...]:
    """The open name scopes of Keras, which models put their networks in."""
    return tuple(keras.Variable(0.0, name="in_it").path.split("/")[:-1])


@contextlib.contextmanager
def _variable_scopes(names: Sequence[str], **options: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(v1.variable_scope(name, **options))
        yield


def outer_scope_getter(scope: str, new_scope: str = "") -> Callable[..., Any]:
    """A getter of variables for ``tf.variable_scope`` that leaves a scope out of their names.

    Args:
        scope: the scope to leave out.
        new_scope: what to put in its place.
    """

    def getter(getter: Callable[..., Any], name: str, *arguments: object, **kwargs: object) -> Any:
        return getter(name.replace(f"{scope}/", new_scope, 1), *arguments, **kwargs)

    return getter


class SessionActor:
    """Runs a policy forward in the session that it was given.

    Args:
        policy: the policy, in a graph.
    """

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def __call__(self, obs: np.ndarray, state: np.ndarray | None, mask: np.ndarray | None) -> Outputs:
        policy = self._policy
        feed = dict(zip(policy.graph_inputs, (obs, state, mask), strict=False))
        tensors = [policy.proba_distribution.flatparam(), policy.value_flat]
        if policy.recurrent:
            tensors.append(policy.snew)
        return Outputs(*policy.sess.run(tensors, feed), *(() if policy.recurrent else (None,)))


@dataclasses.dataclass
class _GraphSide:
    """What a policy has of graphs; in an object of its own, since Keras looks into attributes of models."""

    session: Any
    host: GraphHost | None = None
    mirror: Any = None
    source: Any = None  # the policy whose random numbers are drawn
    functions: dict[str, GraphFunction] = dataclasses.field(default_factory=dict)
    variants: dict[tuple[int, int], Any] = dataclasses.field(default_factory=dict)


class GraphTensors(NamedNetwork):
    """The part of all policies that belongs to graphs: placeholders, tensors, the session."""

    recurrent: ClassVar[bool] = False
    preprocessor: Preprocessor
    graph_outputs: ClassVar[tuple[str, ...]] = ()  # attributes that hold what training needs

    in_graph: bool  # whether it was built in a graph
    twice_differentiable = False  # what an algorithm sets that takes gradients of gradients
    recipe: Any = None  # the `Recipe`, once it is made
    _action_ph: Any = None  # the placeholder of actions, in a graph

    def open_graph(
        self,
        sess: tf.compat.v1.Session | None,
        n_batch: int | None,
        obs_phs: tuple[Tensor, Tensor] | None,
        *,
        add_action_ph: bool,
    ) -> None:
        """Makes the placeholders, if operations go to a graph: a graph policy's constructor is being called."""
        self.in_graph = in_graph()
        self._side = _GraphSide(sess)
        if not self.in_graph:
            return
        with v1.variable_scope("input", reuse=False), library_shapes():
            if obs_phs is None:
                obs_phs = placeholders(self.preprocessor, n_batch)
            self._obs_ph, self._processed_obs = obs_phs
            self._action_ph = None
            if add_action_ph:
                space = self.ac_space
                self._action_ph = v1.placeholder(space.dtype, (n_batch, *space.shape), name="action_ph")

    # ------------------------------------------------------------ what a program reads
    def graph_tensor(self, name: str) -> Any:
        """An attribute of the policy in its graph; a policy that was not built in one builds it now.

        Raises:
            GraphNeeded: its constructor is being called, outside of a graph.
        """
        if self.in_graph:
            return getattr(self, name)
        if self.recipe is None:
            raise GraphNeeded(f"{type(self).__name__}.{name.lstrip('_')} exists in a graph of TensorFlow 1")
        return getattr(self.mirror(), name)

    @property
    def sess(self) -> Any:
        """The session of its graph."""
        if self.in_graph:
            return self._side.session
        return self.graph_tensor("sess")

    @property
    def graph(self) -> tf.Graph:
        """The graph of its session."""
        return self.sess.graph

    @property
    def obs_ph(self) -> Any:
        """Placeholder of raw observations, [B, …]."""
        return self.graph_tensor("_obs_ph")

    @property
    def processed_obs(self) -> Any:
        """Network inputs made of `obs_ph`, [B, …] float32."""
        return self.graph_tensor("_processed_obs")

    @property
    def action_ph(self) -> Any:
        """Placeholder of actions, [B, …]; None if the constructor was not asked for one."""
        return self.graph_tensor("_action_ph")

    @property
    def graph_inputs(self) -> list[Any]:
        """The placeholders that the network takes its inputs from."""
        return [self.obs_ph]

    @property
    def host(self) -> GraphHost:
        """The graph, with what it shares with models."""
        policy: Any = self if self.in_graph else self.mirror()
        return policy._side.host

    def mirror(self) -> Any:
        """The same policy in a graph, with the same weights."""
        if self._side.mirror is None:
            host = self._side.host = self._side.host or GraphHost()
            mirror = _built_in_graph(host, self.recipe)
            mirror.adopt(host, self)
            self._side.mirror = mirror
        return self._side.mirror

    # ------------------------------------------------------------ what algorithms need
    def _setup_init(self) -> None:
        """Builds the network: the last call of a constructor."""
        raise NotImplementedError

    @classmethod
    def graph_arguments(cls, *arguments: Any) -> tuple[Any, ...]:
        """Arguments for the policy that acts, from those that a model gives (without the session)."""
        return arguments

    def finish_graph(self) -> None:
        """Checks, once the constructor is through, that everything is there.

        Raises:
            TypeError: it is not.
        """
        missing = [name for name in self.graph_outputs if getattr(self, name, None) is None]
        if missing:
            raise TypeError(
                f"{type(self).__name__} builds a graph, but its constructor leaves {', '.join(missing)} unset; "
                "it must set them and call self._setup_init() at its end"
            )

    @property
    def graph_scope(self) -> str:
        """The variable scope whose trainable variables are its weights."""
        return "/".join([*self.recipe.scope, "model"]) if self.recipe else "model"

    def adopt(self, host: GraphHost, eager: GraphTensors | None = None) -> None:
        """Takes the trainable variables within `graph_scope` as weights.

        Args:
            host: the graph.
            eager: the policy whose weights they are; None if they are this policy's own.

        Raises:
            TypeError: there are none.
        """
        scope = self.graph_scope
        variables = host.trainable(scope)
        if not variables:
            raise TypeError(
                f"{type(self).__name__} has no trainable variables within tf.variable_scope({scope!r}); others are "
                "neither trained nor saved"
            )
        others = [v.op.name for v in host.graph.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES) if not host.knows(v)]
        others = [name for name in others if not name.startswith(f"{scope}/")]
        if others and eager is None:
            warnings.warn(
                f"{type(self).__name__}: variables outside of tf.variable_scope({scope!r}) are neither trained nor "
                f"saved: {', '.join(others)}",
                stacklevel=2,
            )
        self._side.host = host
        self._side.source = self if eager is None else eager
        host.owners.append(self if eager is None else eager)
        self._params = host.add_part(variables, None if eager is None else eager.params)
        self.part = len(host.parts) - 1

    def with_weights(self, vector: Tensor, *inputs: Tensor) -> Any:
        return self.graph_results(vector, *inputs) if self.in_graph else super().with_weights(vector, *inputs)

    def graph_results(self, vector: Tensor, *inputs: Tensor) -> Any:
        """What `call` returns, computed by the graph with weights from a flat vector."""
        raise NotImplementedError(f"{type(self).__name__} must override graph_results()")

    @property
    def params(self) -> Any:
        """The weights; of a policy in a session of the program's own, the variables there."""
        if self.in_graph and self._side.host is None:
            variables = self.sess.graph.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES, self.graph_scope)
            return SessionParameters(self.sess, variables)
        return super().params

    def is_simple_graph(self, outputs: Sequence[Any], inputs: Sequence[Any]) -> bool:
        """Whether what training takes of the graph is small and made of common operations."""
        if self.host is None:
            return False
        try:
            return GraphFunction(self.host, outputs, inputs).is_simple
        except MissingValue:  # no error before someone wants the outputs
            return False

    def before_cloning(self) -> None:
        """Draws the initial weights of a graph anew, as behaviour cloning always did; trained or loaded ones stay."""
        if self._side.host is not None and self.in_graph:
            self._side.host.draw_again()

    def graph_function(self, key: str, outputs: Sequence[Any], inputs: Sequence[Any]) -> GraphFunction:
        """Tensors as a function of the weights and placeholders."""
        if key not in self._side.functions:
            self._side.functions[key] = GraphFunction(self.host, outputs, inputs)
        self._side.functions[key].twice_differentiable = self.twice_differentiable
        return self._side.functions[key]

    def is_overridden(self, name: str) -> bool:
        """Whether a method is not this library's."""
        return not getattr(type(self), name).__module__.startswith(PACKAGE)


class ActorCriticTensors(GraphTensors):
    """The part of `ActorCriticPolicy` that belongs to graphs."""

    graph_outputs = ("_proba_distribution", "_value_fn")
    pdtype: Any
    sampler: Any
    initial_state: Any
    reuse: bool
    n_steps: int
    n_env: int
    _outputs: Callable[..., Any]

    _proba_distribution: Any = None
    _policy: Any = None
    _value_fn: Any = None
    _q_value: Any = None
    _action: Any = None
    _snew: Any = None

    @classmethod
    def graph_arguments(cls, *arguments: Any) -> tuple[Any, ...]:
        spaces, n_env = arguments[:2], arguments[2]
        return (*spaces, n_env, 1, n_env if cls.recurrent else None)

    def finish_graph(self) -> None:
        super().finish_graph()
        if self._action is None:
            raise TypeError(f"{type(self).__name__} must call self._setup_init() at the end of its constructor")

    def open_memory(self, n_batch: int | None) -> None:
        """Makes the placeholders of a recurrent policy."""
        if self.in_graph:
            with v1.variable_scope("input", reuse=False):
                self._dones_ph = v1.placeholder(tf.float32, (n_batch,), name="dones_ph")
                self._states_ph = v1.placeholder(tf.float32, self.initial_state.shape, name="states_ph")

    def _setup_init(self) -> None:
        if not self.in_graph:
            return super()._setup_init()
        with library_shapes():
            if self._proba_distribution is None:  # what `extract` describes
                with v1.variable_scope("model", reuse=self.reuse):
                    states, masks = (self.states_ph, self.dones_ph) if self.recurrent else (None, None)
                    outputs = self._outputs(self.processed_obs, states, masks, self.n_steps)
                self._proba_distribution, self._value_fn = outputs.distribution, outputs.value[:, tf.newaxis]
                self._policy, self.q_value, self.snew = outputs.policy, outputs.q_value, outputs.state
            super().finish_graph()
            distribution = self._proba_distribution
            self._action = distribution.sample()
            self._deterministic_action = distribution.mode()
            self._neglogp = distribution.neglogp(self._action)
            self._policy_proba = distribution.parameters()
            self._value_flat = self._value_fn[:, 0]

    def adopt(self, host: GraphHost, eager: GraphTensors | None = None) -> None:
        super().adopt(host, eager)
        self._register(host)

    def _register(self, host: GraphHost) -> None:
        """Tells a session which tensors this library's samplers compute."""
        distribution = self._proba_distribution
        if not type(distribution).__module__.startswith(PACKAGE):
            return
        self._flat = distribution.flatparam()
        host.derived[id(self._action)] = Derived(self._flat, self._derive, "action")
        host.derived[id(self._deterministic_action)] = Derived(self._flat, self._derive, "mode")
        host.derived[id(self._neglogp)] = Derived(self._flat, self._derive, "neglogp")
        if isinstance(self._policy_proba, tf.Tensor):
            host.derived[id(self._policy_proba)] = Derived(self._flat, self._derive, "probabilities")

    def _derive(self, flat: np.ndarray, names: Sequence[str]) -> list[Any]:
        sampler, found = self.sampler, {}
        if "action" in names or "neglogp" in names:
            found["action"] = sampler.sample(flat, sampler.draw_noise(self._side.source.generator, flat))
        for name in names:
            if name == "mode":
                found[name] = sampler.mode(flat)
            elif name == "neglogp":
                found[name] = sampler.neglogp(flat, found["action"])
            elif name == "probabilities":
                found[name] = sampler.probabilities(flat)
        return [found[name] for name in names]

    @property
    def policy(self) -> Any:
        """Output of the policy head: logits or means, [B, n]."""
        return self.graph_tensor("_policy")

    @property
    def q_value(self) -> Any:
        """Values of actions, [B, n]."""
        return self.graph_tensor("_q_value")

    @q_value.setter
    def q_value(self, tensor: Tensor) -> None:
        self._q_value = tensor

    @property
    def snew(self) -> Any:
        """Recurrent states after the steps, [N, …]; None if the constructor keeps them elsewhere."""
        return self.graph_tensor("_snew")

    @snew.setter
    def snew(self, tensor: Tensor) -> None:
        self._snew = tensor

    @property
    def proba_distribution(self) -> Any:
        """Distribution of actions."""
        return self.graph_tensor("_proba_distribution")

    @property
    def value_fn(self) -> Any:
        """Values, [B, 1]."""
        return self.graph_tensor("_value_fn")

    @property
    def value_flat(self) -> Any:
        """Values, [B]."""
        return self.graph_tensor("_value_flat")

    @property
    def action(self) -> Any:
        """Sampled actions, [B, …]."""
        return self.graph_tensor("_action")

    @property
    def deterministic_action(self) -> Any:
        """The most probable actions, [B, …]."""
        return self.graph_tensor("_deterministic_action")

    @property
    def neglogp(self) -> Any:
        """Negative log-probability of `action`, [B]."""
        return self.graph_tensor("_neglogp")

    @property
    def policy_proba(self) -> Any:
        """Parameters of the distribution, as probabilities."""
        return self.graph_tensor("_policy_proba")

    @property
    def states_ph(self) -> Any:
        """Placeholder of recurrent states, [N, …]."""
        return self.graph_tensor("_states_ph")

    @property
    def dones_ph(self) -> Any:
        """Placeholder of episode starts, [B]."""
        return self.graph_tensor("_dones_ph")

    @property
    def graph_inputs(self) -> list[Any]:
        return [self.obs_ph, self.states_ph, self.dones_ph] if self.recurrent else [self.obs_ph]

    def graph_heads(self, vector: Tensor, obs: Tensor, states: Tensor, masks: Tensor, n_steps: int) -> list[Tensor]:
        """Distribution parameters, value [B, 1], and, where the policy has them, q_value, policy and state."""
        variant = self._variant(obs, n_steps) if self.recurrent else self
        optional = (variant.q_value, variant._policy, variant.snew)
        outputs = [variant._proba_distribution.flatparam(), variant._value_fn, *(t for t in optional if t is not None)]
        function = variant.graph_function("outputs", outputs, variant.graph_inputs)
        inputs = [obs, states, masks] if self.recurrent else [obs]
        if listening():
            probed = ProbedFunction(function, self.params.variables)
            results = iter(probed({self.part: vector}, inputs))
        else:
            results = iter(function({self.part: vector}, inputs))
        return [next(results), next(results), *(None if t is None else next(results) for t in optional)]

    def _variant(self, obs: Tensor, n_steps: int) -> Any:
        """The same policy, for sequences of another length or another number of them."""
        n_env = obs.shape[0] // n_steps if obs.shape[0] else self.n_env
        if (n_env, n_steps) == (self.n_env, 1):
            return self
        if (n_env, n_steps) not in self._side.variants:
            recipe = self.recipe
            getter = outer_scope_getter("train_model")
            scopes = _variable_scopes((*recipe.scope, "train_model"), reuse=True, custom_getter=getter)
            with tf.init_scope(), self.host.graph.as_default(), scopes:
                spaces, kwargs = recipe.arguments[1:3], {**recipe.kwargs, "reuse": True}
                made: Any = recipe.policy(self.sess, *spaces, n_env, n_steps, n_env * n_steps, **kwargs)
                made.finish_graph()
            made._side.host, made.part, made._side.source = self.host, self.part, self._side.source
            self._side.variants[n_env, n_steps] = made
        return self._side.variants[n_env, n_steps]
