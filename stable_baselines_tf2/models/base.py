"""Base classes of the algorithms: environments, parameters, prediction, files."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.misc_util import set_global_seeds
from stable_baselines_tf2.common.policies import BasePolicy, get_policy_from_name
from stable_baselines_tf2.common.vec_env import UnvecWrapper, VecEnv, VecNormalize, unwrap_vec_normalize
from stable_baselines_tf2.common.vec_env.conversion import EnvLike, as_vec_env
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.archive import Archive, PathOrFile, atomic_write, file_name, write_archive
from stable_baselines_tf2.core.checks import require_finite, warn_caller
from stable_baselines_tf2.core.hooks import check_hooks, check_saved, hook
from stable_baselines_tf2.core.interfaces import ExpertData
from stable_baselines_tf2.core.optimizers import Optimizer, State
from stable_baselines_tf2.core.parameters import FlatWeights, JoinedParameters, Parameters, Weights, check_weights
from stable_baselines_tf2.core.phases import CompiledPhase, TrainingState
from stable_baselines_tf2.core.policy_registry import saved_classes
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import as_gymnasium_space, clip_to_bounds, is_box, is_discrete, spaces_equal
from stable_baselines_tf2.files.hyperparameters import Unrestored, data_to_json, require_restored
from stable_baselines_tf2.files.model import (
    ALGORITHM,
    WeightValues,
    check_policy_kwargs,
    full_name,
    named_weights,
    read_model,
    with_names,
    with_policy,
    write_pickle,
)
from stable_baselines_tf2.models.cloning import clone, cloning_step
from stable_baselines_tf2.models.graph_access import GraphAccess
from stable_baselines_tf2.models.prediction import as_batch, log_probabilities
from stable_baselines_tf2.models.training import set_threads

RANK_STRIDE = 10_000  # between the seeds of the environments of two MPI workers
Model = TypeVar("Model", bound="BaseRLModel")
Network = TypeVar("Network")


class BaseRLModel(GraphAccess, ABC):
    """What all algorithms have in common.

    Methods that are marked as hooks are there to be overridden; *Writing an algorithm* in the guide lists them.

    Attributes:
        saved: names of the attributes that a file holds: every hyperparameter of the constructor.
        not_saved: arguments of the constructor that a file does not hold.
        log_tags: TensorBoard tags of the statistics of an update, by name.
        uses_mpi: whether several MPI workers train one model together.

    Args:
        policy: a policy class, or the name of a registered one.
        env: an environment, a vectorized one, the id of a registered one, or None (for a model that only predicts).
        verbose: 0 prints nothing, 1 training tables, 2 more.
        requires_vec_env: whether the algorithm trains on vectorized environments only; a single one is then wrapped.
        policy_base: the kind of policy that the algorithm uses.
        policy_kwargs: further arguments of the policy.
        seed: seed of all random generators; None for a random one.
        n_cpu_tf_sess: number of threads of TensorFlow, for the whole process; None for all cores.
    """

    saved: ClassVar[tuple[str, ...]] = ()
    not_saved: ClassVar[frozenset[str]] = frozenset(
        ("env", "requires_vec_env", "policy_base", "replay_buffer", "tensorboard_log", "full_tensorboard_log")
    )
    saved_always: ClassVar[tuple[str, ...]] = (
        "verbose",
        "policy",
        "observation_space",
        "action_space",
        "n_envs",
        "n_cpu_tf_sess",
        "seed",
        "_vectorize_action",
        "policy_kwargs",
    )

    log_tags: ClassVar[Mapping[str, str]] = {}
    uses_mpi: ClassVar[bool] = False
    may_be_nan: ClassVar[tuple[str, ...]] = ()  # statistics that tell nothing of the training's health

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Checks a new algorithm: its hooks, and that files hold all of its hyperparameters."""
        super().__init_subclass__(**kwargs)
        check_hooks(cls, ("saved", "not_saved", "log_tags", "uses_mpi"))
        if "save" in vars(cls):
            return  # it writes its files itself
        not_saved = {name for base in cls.__mro__ for name in vars(base).get("not_saved", ())}
        check_saved(cls, (*cls.saved, *cls.saved_always), not_saved)

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: EnvLike | None,
        verbose: int = 0,
        *,
        requires_vec_env: bool,
        policy_base: type[BasePolicy],
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = None,
    ) -> None:
        if isinstance(policy, str):
            policy = get_policy_from_name(policy_base, policy)
        elif not (isinstance(policy, type) and issubclass(policy, policy_base)):
            raise ValueError(f"policy must be a name or a subclass of {policy_base.__name__}, not {policy!r}")
        self.policy: Any = policy
        self.policy_kwargs = dict(policy_kwargs or {})
        self.verbose, self.seed, self.n_cpu_tf_sess = verbose, seed, n_cpu_tf_sess
        self._requires_vec_env = requires_vec_env
        self._env: Any = None
        self.vec_env: VecEnv | None = None  # the same, always with the axis of environments
        self._vec_normalize_env: VecNormalize | None = None
        self.observation_space: Any = None
        self.action_space: Any = None
        self.n_envs, self._vectorize_action = 1, False
        self.num_timesteps = 0
        self.ep_info_buf: deque[dict[str, Any]] = deque(maxlen=100)  # what Monitor reported of the last episodes
        self.episode_reward: np.ndarray | None = None
        self.tensorboard_log: str | None = None
        self.full_tensorboard_log = False
        self.generator = np.random.default_rng()
        if self.n_workers > 1:
            distributed.end_together()
        self.optimizer: Optimizer
        self.moments: State = {}  # of the optimizer
        self.target_parameters: dict[str, Weights] = {}  # of target networks that updates change, by name
        self.extra_parameters: dict[str, Weights] = {}  # what else updates change, by name
        self.wrapper: BaseRLModel | None = None  # a model around this one, as HER is: callbacks see it, files hold it
        self._observation_bounds_matter = True  # gymnasium's differ from gym's, so not for models of Stable Baselines
        defaults = (inspect.signature(base).parameters.get("n_cpu_tf_sess") for base in type(self).__mro__)
        set_threads(n_cpu_tf_sess, next(parameter.default for parameter in defaults if parameter is not None))
        if env is not None:
            env = self.wrap_env(env)
            self.observation_space = as_gymnasium_space(env.observation_space)
            self.action_space = as_gymnasium_space(env.action_space)
            self.use_env(env)

    # ------------------------------------------------------------ environment
    @property
    def env(self) -> Any:
        """The environment, as `get_env` gives it; assigning another one is `set_env`."""
        return self._env

    @env.setter
    def env(self, env: EnvLike | None) -> None:
        if env is None or env is self._env:
            self._env = env
        else:
            self.set_env(env)

    @hook
    def wrap_env(self, env: EnvLike) -> VecEnv:
        """The vectorized environment for what the user gave."""
        return as_vec_env(env, self.verbose, announce=self._requires_vec_env)

    @hook
    def use_env(self, env: VecEnv) -> None:
        """Takes a vectorized environment, whose spaces have been checked, as the one to train on."""
        self.vec_env, self.n_envs = env, env.num_envs
        self._env = env if self._requires_vec_env or self.n_envs > 1 else UnvecWrapper(env)
        self._vec_normalize_env = unwrap_vec_normalize(env)
        self.episode_reward = None
        self.ep_info_buf.clear()

    def get_env(self) -> Any:
        """The environment, vectorized; None if there is none."""
        return self.env

    def get_vec_normalize_env(self) -> VecNormalize | None:
        """The `VecNormalize` among the wrappers of the environment, if there is one."""
        return self._vec_normalize_env

    def set_env(self, env: EnvLike | None) -> None:
        """Replaces the environment.

        Args:
            env: an environment with the same spaces; any number of them if vectorized. The bounds of observations
                may differ if the model comes from a file of Stable Baselines.

        Raises:
            ValueError: None, or other spaces.
        """
        if env is None:
            if self.env is not None:
                raise ValueError("env: an environment cannot be replaced with None")
            if self.verbose >= 1:
                print("The model has no environment: it can predict, but not train until set_env() gives it one")
            return
        env = self.wrap_env(env)
        for name, own, new in (
            ("observation", self.observation_space, env.observation_space),
            ("action", self.action_space, env.action_space),
        ):
            bounds = name == "action" or self._observation_bounds_matter
            if not spaces_equal(own, as_gymnasium_space(new), bounds=bounds):
                raise ValueError(f"env: its {name} space is {new}, but the model was made for {own}")
        self.use_env(env)

    def check_can_learn(self) -> None:
        """Prepares a training; raises ValueError where there is no environment."""
        require_restored(vars(self))
        if self.env is None:
            raise ValueError("env: a model without environment cannot be trained; give it one with set_env()")
        if self.episode_reward is None:
            self.episode_reward = np.zeros(self.n_envs)

    # ------------------------------------------------------------ random numbers, threads, verbosity
    @property
    def n_workers(self) -> int:
        """Number of MPI workers that train this model together."""
        return distributed.size() if self.uses_mpi else 1

    @property
    def timesteps_per_step(self) -> int:
        """Environment steps that count for one step of the vectorized environment: over all MPI workers."""
        return self.n_envs

    @property
    def rank(self) -> int:
        """Rank of this MPI worker among them, from 0."""
        return distributed.rank() if self.uses_mpi else 0

    def set_random_seed(self, seed: int | None) -> None:
        """Seeds Python, NumPy, TensorFlow, the environment, its action space and the model; None changes nothing.

        Each MPI worker gets random numbers of its own.
        """
        if seed is None:
            return
        set_global_seeds(seed)
        self._set_generator_state(np.random.default_rng(seed).bit_generator.state)
        if self.env is not None:
            self.env.seed(seed + RANK_STRIDE * self.rank)
            self.env.action_space.seed(seed + RANK_STRIDE * self.rank)
        self.action_space.seed(seed)

    def _set_generator_state(self, state: Mapping[str, Any]) -> None:
        """Sets the state of the generator in place: the policy draws from the same one."""
        bits: Any = self.generator.bit_generator
        bits.state = state
        if self.rank > 0:
            bits.state = bits.jumped(self.rank).state

    # ------------------------------------------------------------ building and learning
    @abstractmethod
    def setup_model(self) -> None:
        """Creates the networks and compiled functions."""

    @abstractmethod
    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = True,
        *,
        progress_bar: bool = False,
    ) -> BaseRLModel:
        """Trains the model.

        Args:
            total_timesteps: number of environment steps, over all environments.
            callback: a callback object, a list of them, or a function of ``(locals, globals)`` that is called after
                every step and stops training by returning False.
            log_interval: number of updates between two tables.
            tb_log_name: name of the run in ``tensorboard_log``.
            reset_num_timesteps: count from zero and start a new run; False continues both.
            progress_bar: show a progress bar.

        Returns:
            The model.

        Raises:
            ValueError: no environment, or an argument out of range.
            FloatingPointError: the loss is NaN or infinite; the weights are those from before that update.
        """

    def run_update(
        self,
        phase: CompiledPhase,
        inputs: Mapping[str, np.ndarray | np.generic | Tensor],
        variant: Hashable = None,
        checked: Collection[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a compiled phase on the model's weights and takes the outcome, unless it went wrong.

        Args:
            phase: the phase.
            inputs: what it takes.
            variant: see `CompiledPhase`.
            checked: names of the statistics that must be finite; all if None.

        Returns:
            The statistics by name.

        Raises:
            FloatingPointError: a statistic or a new weight is not finite; everything stays as it was.
        """
        targets = {name: parameters.vector for name, parameters in self.target_parameters.items()}
        extra = {name: parameters.vector for name, parameters in self.extra_parameters.items()}
        state = TrainingState(self.moments, targets, extra)
        vector, state, statistics = phase(self.trainable.vector, state, inputs, variant)
        # Gradients can overflow where the loss does not, as the probability ratio's in the clipped half of PPO's loss.
        weights, flat = vector.numpy(), statistics.flat if checked is None else None
        if flat is None or not np.isfinite(flat).all() or not np.isfinite(weights).all():
            names = set(statistics if checked is None else checked) - set(self.may_be_nan)
            found = {name: statistics[name] for name in statistics if name in names}
            require_finite({**found, "a weight": weights}, f"the update at step {self.num_timesteps}")
        self.trainable.advance(vector)
        self.moments = dict(state.moments)
        for name, target in self.target_parameters.items():
            target.advance(state.targets[name])
        for name, extra_weights in self.extra_parameters.items():
            extra_weights.advance(state.extra[name])
        return statistics

    def behaviour_cloning(self, adam_epsilon: float, *, train: bool = True) -> Callable[..., float]:
        """A step of behaviour cloning, see `cloning_step`."""
        preprocessor = self.acting_policy.preprocessor
        return cloning_step(self.imitate, self.trainable, preprocessor, self.action_space, adam_epsilon, train=train)

    @hook
    def imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        """Outputs that behaviour cloning compares with the expert's actions: logits (Discrete) or actions (Box)."""
        raise NotImplementedError(f"{type(self).__name__} must override imitate() for pretrain() and export()")

    @hook
    def deterministic_actions(self, vector: Tensor, obs: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """What ``predict(deterministic=True)`` gives, in TensorFlow: actions [B, …] and a recurrent policy's new state.

        Args:
            vector: weights.
            obs: raw observations, [B, …].
            memory: for recurrent policies the state [B, n] and the episode starts [B].
        """
        outputs = self.imitate(vector, obs)
        return (tf.argmax(outputs, axis=-1) if is_discrete(self.action_space) else outputs,)

    def pretrain(
        self,
        dataset: ExpertData,
        n_epochs: int = 10,
        learning_rate: float = 1e-4,
        adam_epsilon: float = 1e-8,
        val_interval: int | None = None,
    ) -> Any:
        """Behaviour cloning: fits the policy to an expert's actions, starting from the current weights.

        Args:
            dataset: an ``ExpertDataset``: has ``train_loader``, ``val_loader`` and ``get_next_batch("train" or
                "val")``, which gives observations and actions.
            n_epochs: passes over the training set.
            learning_rate: Adam's learning rate.
            adam_epsilon: Adam's epsilon.
            val_interval: epochs between two reports; a tenth of all if None.

        Raises:
            ValueError: the action space is neither Box nor Discrete, or the data belong to other spaces.
            FloatingPointError: the loss is NaN or infinite; the weights are those from before that minibatch.
        """
        if not (is_box(self.action_space) or is_discrete(self.action_space)):
            raise ValueError(f"pretrain() needs a Box or Discrete action space, not {self.action_space}")
        self.acting_policy.before_cloning()
        train, measure = self.behaviour_cloning(adam_epsilon), self.behaviour_cloning(adam_epsilon, train=False)
        try:
            clone(train, measure, dataset, n_epochs, learning_rate, val_interval, verbose=self.verbose > 0)
        finally:
            self.on_new_weights()
            self.sync()
        return self

    # ------------------------------------------------------------ parameters
    @hook
    def on_new_weights(self) -> None:
        """What follows from weights that training did not find itself; by default nothing."""

    @property
    @abstractmethod
    @hook
    def acting_policy(self) -> Any:
        """The policy that acts.

        Raises:
            ValueError: it has not been built.
        """

    @property
    @abstractmethod
    @hook
    def parameters(self) -> Parameters | JoinedParameters:
        """All weights of the model."""

    @property
    @abstractmethod
    @hook
    def trainable(self) -> Parameters:
        """The weights that the optimizer works on."""

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Sets the optimizer of the trained weights, in its initial state."""
        self.optimizer, self.moments = optimizer, optimizer.initial_state(sum(self.trainable.sizes))

    @staticmethod
    def require_built(network: Network | None) -> Network:
        """The network; raises ValueError where the model has not been built."""
        if network is None:
            raise ValueError("the model has not been built; call setup_model() first")
        return network

    def sync(self) -> None:
        """Brings the Keras variables up to date."""
        self.parameters.sync()

    def get_parameter_list(self) -> list[Any]:
        """The variables of the model, in the order of `get_parameters`."""
        self.sync()
        return self.parameters.variables

    def get_parameters(self) -> OrderedDict[str, np.ndarray]:
        """The weights by legacy name, e.g. ``model/pi_fc0/w:0``."""
        return self.parameters.as_dict()

    def load_parameters(self, load_path_or_dict: PathOrFile | WeightValues, exact_match: bool = True) -> None:
        """Sets weights; the state of the optimizer stays.

        Args:
            load_path_or_dict: weights by legacy name, a list of all of them in order, or a model file.
            exact_match: every weight of the model must be given.

        Raises:
            KeyError: an unknown name.
            RuntimeError: weights are missing and ``exact_match`` is true.
            ValueError: a shape is wrong, or the file is damaged.
            FileNotFoundError: there is no such file.
        """
        own = self.parameters
        given = named_weights(load_path_or_dict, own.names, own.shapes)
        check_weights(given, dict(zip(own.names, own.shapes, strict=True)), exact_match=exact_match)
        own.assign(given)
        self.on_new_weights()

    # ------------------------------------------------------------ prediction
    def as_batch(
        self, observation: ArrayLike, state: np.ndarray | None, mask: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray | None, ArrayLike | None, bool]:
        """Observation as a batch, with state and mask; and whether it was one already."""
        return as_batch(self.acting_policy, observation, state, mask)

    @np.errstate(under="ignore")
    def predict(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions for observations.

        Args:
            observation: one observation, or a batch of any size.
            state: recurrent state that the last call returned; None at the start of episodes.
            mask: True where an episode starts with this observation, [B].
            deterministic: take the most probable actions instead of random ones.

        Returns:
            The action or actions, clipped to the bounds of a Box, and a recurrent policy's new state (None for others).

        Raises:
            ValueError: the observation's shape fits neither one observation nor a batch.
        """
        observation, state, mask, is_batch = self.as_batch(observation, state, mask)
        actions, state = self.acting_policy.act(observation, state, mask, deterministic)
        actions = clip_to_bounds(actions, self.action_space)
        return (actions if is_batch else actions[0]), state

    @np.errstate(under="ignore")
    def action_probability(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        actions: ArrayLike | None = None,
        logp: bool = False,
    ) -> Any:
        """The action distribution, or the probability of given actions.

        Args:
            observation: one observation, or a batch.
            state: recurrent state.
            mask: True where an episode starts, [B].
            actions: actions to rate, one for each observation.
            logp: log-probabilities instead of probabilities.

        Returns:
            Without ``actions``: probabilities of all actions (Discrete), a list of them (MultiDiscrete), of ones
            (MultiBinary), or mean and standard deviation (Box). With ``actions``: their probability (density), [B, 1],
            or [1] for one observation.

        Raises:
            ValueError: shapes do not fit.
        """
        observation, state, mask, is_batch = self.as_batch(observation, state, mask)
        policy = self.acting_policy
        if actions is None:
            probabilities = policy.proba_step(observation, state, mask)
            if is_batch:
                return probabilities
            if isinstance(probabilities, list | tuple):
                return type(probabilities)(part[0] for part in probabilities)
            return probabilities[0]
        log_probability = log_probabilities(policy, self.action_space, actions, observation, state, mask)
        result = log_probability if logp else np.exp(log_probability)
        return result if is_batch else result[0]

    # ------------------------------------------------------------ files
    @hook
    def training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What exact resumption needs besides parameters: a JSON-able part and named arrays."""
        state = {"num_timesteps": self.num_timesteps, "generator": self.generator.bit_generator.state}
        tensors = self.moments | {name: weights.vector for name, weights in self._flat_weights().items()}
        return state, {f"optimizer/{name}": value.numpy() for name, value in tensors.items()}

    @hook
    def restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Takes what `training_state` gave.

        Raises:
            KeyError, ValueError: something is missing, or has another shape.
        """
        self.num_timesteps = int(state["num_timesteps"])
        self._set_generator_state(state["generator"])

        def restored(name: str, initial: Tensor) -> Tensor:
            array = arrays.get(f"optimizer/{name}")
            if array is None or array.shape != tuple(initial.shape):
                raise ValueError(
                    f"the file's optimizer state is damaged: {name} should have shape {tuple(initial.shape)}"
                )
            return tf.constant(array)

        self.moments = {name: restored(name, initial) for name, initial in self.moments.items()}
        for name, weights in self._flat_weights().items():
            weights.advance(restored(name, weights.vector))

    def _flat_weights(self) -> dict[str, FlatWeights]:
        """What updates change that is not among the named parameters."""
        changed = {**self.target_parameters, **self.extra_parameters}
        return {name: weights for name, weights in changed.items() if isinstance(weights, FlatWeights)}

    def hyperparameters(self) -> dict[str, Any]:
        """What a file holds of the model besides its weights: hyperparameters, spaces and the policy's class."""
        return {name: getattr(self, name) for name in (*self.saved, *self.saved_always)}

    def save(self, save_path: PathOrFile, cloudpickle: bool = False) -> None:
        """Writes the model to a file: a zip with hyperparameters, weights and the state of training.

        Args:
            save_path: path (``.zip`` is added where it has no extension) or binary file object.
            cloudpickle: write the pickle of versions before 2.8 instead, without resumption; reading it needs trust.

        Raises:
            OSError: the file cannot be written; an old one of that name stays.
        """
        outermost = self.wrapper or self
        data = {ALGORITHM: full_name(type(outermost)), **outermost.hyperparameters()}
        if cloudpickle:
            write_pickle(save_path, data, self.get_parameters())
            return
        write_archive(save_path, Archive(data_to_json(data), self.get_parameters(), *self.training_state()))

    def export(self, directory: str | os.PathLike) -> None:
        """Writes the deterministic policy as a TensorFlow SavedModel, to act without this library.

        Its signature ``serving_default`` takes a batch of observations as ``observation`` and gives ``action``, which
        is what ``predict(deterministic=True)`` gives. A recurrent policy also takes ``state`` [B, n] and ``mask`` [B]
        (float32, 1 where an episode starts) and gives the new ``state``.

        Args:
            directory: folder to write; an earlier export there is replaced.

        Raises:
            FileExistsError: the folder exists and is not a SavedModel.
            OSError: it cannot be written; an earlier export stays.
        """
        from stable_baselines_tf2.models.export import write_saved_model

        write_saved_model(self, directory)

    def to_tflite(self, path: str | os.PathLike | None = None) -> bytes:
        """The deterministic policy as a TensorFlow Lite model, with the signature of `export`.

        Args:
            path: file to write as well; None writes nothing.

        Returns:
            The model's bytes.

        Raises:
            OSError: the file cannot be written; an old one of that name stays.
        """
        from stable_baselines_tf2.models.export import tflite_model

        content = tflite_model(self)
        if path is not None:
            with atomic_write(path) as file:
                file.write(content)
        return content

    @classmethod
    def load(
        cls: type[Model],
        load_path: PathOrFile,
        env: EnvLike | None = None,
        custom_objects: dict[str, Any] | None = None,
        allow_pickle: bool = False,
        **kwargs: object,
    ) -> Model:
        """Reads a model from a file. Nothing in the file is executed unless ``allow_pickle`` is true.

        Args:
            load_path: path (also without its ``.zip``) or binary file object.
            env: environment to go on with; None for a model that only predicts.
            custom_objects: objects to use instead of what the file holds, by name of the hyperparameter.
            allow_pickle: also restore pickled objects; only for files that you trust.
            kwargs: hyperparameters to change; ``policy``: the class to use.

        Raises:
            FileNotFoundError: there is no such file.
            TypeError: ``kwargs`` that are not hyperparameters.
            ValueError: the file is damaged, or holds something that cannot be restored safely; or ``policy_kwargs``
                differ from the file's.
        """
        objects = with_policy(custom_objects, kwargs)
        archive, data = read_model(load_path, objects, cls, allow_pickle=allow_pickle)
        return cls.restore(load_path, archive, data, env, kwargs)

    @classmethod
    def restore(
        cls: type[Model],
        load_path: PathOrFile,
        archive: Archive,
        data: dict[str, Any],
        env: EnvLike | None,
        kwargs: dict[str, Any],
    ) -> Model:
        """The model that `read_model` found in a file; for the arguments see `load`."""
        check_policy_kwargs(data, kwargs)
        construct: Callable[..., Any] = cls  # an algorithm's constructor, which takes more than the one here
        model = construct(policy=data["policy"], env=None, _init_setup_model=False)
        if unknown := sorted(set(kwargs) - set(vars(model))):
            warn_caller(f"{cls.__name__} has no hyperparameters named {', '.join(unknown)}: they become attributes")
        kept = {*cls.saved, *cls.saved_always} - {"policy"}
        given = {name: item for name, item in data.items() if name in kept} | kwargs
        unrestored = {name: item for name, item in given.items() if isinstance(item, Unrestored)}
        vars(model).update({name: item for name, item in given.items() if name not in unrestored})
        model._observation_bounds_matter = bool(archive.state)
        try:
            model.observation_space = as_gymnasium_space(model.observation_space)
            model.action_space = as_gymnasium_space(model.action_space)
            model.setup_model()
        except (ValueError, MemoryError, ImportError):
            raise
        except Exception as error:  # settings of wrong types have many ways to fail
            message = f"{file_name(load_path)}: no model can be made of the settings in it ({error!r})"
            raise ValueError(message) from error
        model.set_env(env)
        if env is not None:
            model.set_random_seed(model.seed)
        try:
            names, shapes = model.parameters.names, model.parameters.shapes
            model.load_parameters(with_names(load_path, archive.parameters, names, shapes))
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"{file_name(load_path)} does not fit: {error.args[0]}") from error
        if archive.state:
            try:
                model.restore_training_state(archive.state, archive.arrays)
            except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
                message = f"{file_name(load_path)} is damaged: its training state cannot be restored ({error!r})"
                raise ValueError(message) from error
        vars(model).update(unrestored)  # until now, the constructor's default did
        return model


saved_classes.append(BaseRLModel)
