"""Base classes of the algorithms: environments, parameters, prediction, files."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import os
import pickle
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
import tensorflow as tf

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common import env_ids
from stable_baselines_tf2.common.gym_compat import ensure_gymnasium
from stable_baselines_tf2.common.misc_util import set_global_seeds
from stable_baselines_tf2.common.policies import ActorCriticPolicy, BasePolicy, get_policy_from_name, make_policy
from stable_baselines_tf2.common.save_util import data_to_json, load_trusted, raise_unrestored, read_data
from stable_baselines_tf2.common.spaces import as_gymnasium_space, space_kind, spaces_equal
from stable_baselines_tf2.common.training import Training, require_finite
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper, VecEnv, VecNormalize, unwrap_vec_normalize
from stable_baselines_tf2.core import distributed, losses
from stable_baselines_tf2.core.archive import Archive, PathOrFile, atomic_write, file_name, read_archive, write_archive
from stable_baselines_tf2.core.collect import OnPolicyCollector, PolicyStep, Rollout
from stable_baselines_tf2.core.optimizers import Adam, Optimizer
from stable_baselines_tf2.core.optimizers import State as OptimizerState
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.core.phases import gradient_step
from stable_baselines_tf2.core.tensorboard import TensorboardWriter as TensorboardWriter

if TYPE_CHECKING:
    from stable_baselines_tf2.common.off_policy import OffPolicyRLModel as OffPolicyRLModel

RANK_STRIDE = 10_000  # between the seeds of the environments of two processes
Parameter = Mapping[str, np.ndarray] | list[np.ndarray] | tuple[np.ndarray, ...]


class BaseRLModel(ABC):
    """What all algorithms have in common.

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

    saved: ClassVar[tuple[str, ...]] = ()  # names of the attributes that a file holds, besides those of all models
    _saved_always: ClassVar[tuple[str, ...]] = (
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

    _over_processes: ClassVar[bool] = False  # whether the processes of MPI, if there are several, learn together

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: Any,
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
        self.env: Any = None
        self._vec_env: VecEnv | None = None  # the same, always with the axis of environments
        self._vec_normalize_env: VecNormalize | None = None
        self.observation_space: Any = None
        self.action_space: Any = None
        self.n_envs: int = 1
        self._vectorize_action = False
        self.num_timesteps = 0
        self.ep_info_buf: deque[dict[str, Any]] = deque(maxlen=100)  # what Monitor told of the last episodes
        self.episode_reward: np.ndarray | None = None
        self.tensorboard_log: str | None = None
        self.full_tensorboard_log = False
        self.generator = np.random.default_rng()
        if self._n_workers > 1:
            distributed.end_together()
        self._optimizer: Optimizer
        self._optimizer_state: OptimizerState = {}
        self._outer: BaseRLModel | None = None  # a model around this one, as HER is: callbacks see it, files hold it
        self._observation_bounds_matter = True  # gymnasium knows other ones than gym did: not for models from there
        self._set_threads()
        if env is not None:
            env = self._wrap_env(env)
            self.observation_space = as_gymnasium_space(env.observation_space)
            self.action_space = as_gymnasium_space(env.action_space)
            self._take_env(env)

    # ------------------------------------------------------------ environment
    def _wrap_env(self, env: Any) -> Any:
        """What the algorithm trains on, from whatever the user gave."""
        return as_vec_env(env, self.verbose, self._requires_vec_env)

    def _take_env(self, env: VecEnv) -> None:
        self._vec_env, self.n_envs = env, env.num_envs
        self.env = env if self._requires_vec_env or self.n_envs > 1 else UnvecWrapper(env)
        self._vec_normalize_env = unwrap_vec_normalize(env)
        self.episode_reward = None
        self.ep_info_buf.clear()

    def get_env(self) -> Any:
        """The environment, vectorized; None if there is none."""
        return self.env

    def get_vec_normalize_env(self) -> VecNormalize | None:
        """The `VecNormalize` among the wrappers of the environment, if there is one."""
        return self._vec_normalize_env

    def set_env(self, env: Any) -> None:
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
        env = self._wrap_env(env)
        for name, own, new in (
            ("observation", self.observation_space, env.observation_space),
            ("action", self.action_space, env.action_space),
        ):
            bounds = name == "action" or self._observation_bounds_matter
            if not spaces_equal(own, as_gymnasium_space(new), bounds):
                raise ValueError(f"env: its {name} space is {new}, but the model was made for {own}")
        self._take_env(env)

    def _check_can_learn(self) -> None:
        if self.env is None:
            raise ValueError("env: a model without environment cannot be trained; give it one with set_env()")
        if self.episode_reward is None:
            self.episode_reward = np.zeros(self.n_envs)

    # ------------------------------------------------------------ random numbers, threads, verbosity
    @property
    def _n_workers(self) -> int:
        """Processes that train this model together."""
        return distributed.size() if self._over_processes else 1

    @property
    def _steps_at_once(self) -> int:
        """Environment steps that count when this process has taken one in every environment."""
        return self.n_envs

    @property
    def _rank(self) -> int:
        """Number of this one among them, from 0."""
        return distributed.rank() if self._over_processes else 0

    def set_random_seed(self, seed: int | None) -> None:
        """Seeds Python, NumPy, TensorFlow, the environment, its action space and the model; None changes nothing.

        Of several processes that train together, each gets random numbers of its own.
        """
        if seed is None:
            return
        set_global_seeds(seed)
        self._set_generator_state(np.random.default_rng(seed).bit_generator.state)
        if self.env is not None:
            self.env.seed(seed + RANK_STRIDE * self._rank)
            self.env.action_space.seed(seed + RANK_STRIDE * self._rank)
        self.action_space.seed(seed)

    def _set_generator_state(self, state: Mapping[str, Any]) -> None:
        """Sets the state of the generator in place: the policy draws from the same one."""
        bits: Any = self.generator.bit_generator
        bits.state = state
        if self._rank > 0:
            bits.state = bits.jumped(self._rank).state

    def _set_threads(self) -> None:
        if self.n_cpu_tf_sess is None:
            return
        try:
            tf.config.threading.set_intra_op_parallelism_threads(self.n_cpu_tf_sess)
            tf.config.threading.set_inter_op_parallelism_threads(self.n_cpu_tf_sess)
        except RuntimeError:
            constructors = (inspect.signature(cls).parameters for cls in type(self).__mro__)
            default = next(p["n_cpu_tf_sess"].default for p in constructors if "n_cpu_tf_sess" in p)  # nobody's wish
            if self.n_cpu_tf_sess not in (default, tf.config.threading.get_intra_op_parallelism_threads()):
                warnings.warn(
                    f"n_cpu_tf_sess={self.n_cpu_tf_sess} has no effect: TensorFlow has already started in this process",
                    stacklevel=2,
                )

    def _verbosity(self) -> contextlib.AbstractContextManager:
        return SetVerbosity(self.verbose)

    # ------------------------------------------------------------ building and learning
    @abstractmethod
    def setup_model(self) -> None:
        """Creates the networks and compiled functions."""

    @abstractmethod
    def learn(
        self,
        total_timesteps: int,
        callback: Any = None,
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

    def _advance(self, vector: Any, state: OptimizerState, statistics: Mapping[str, Any], update: str) -> None:
        """Takes the outcome of an update, unless it went wrong.

        Raises:
            FloatingPointError: a statistic or a new weight is not finite.
        """
        # Gradients can overflow where the loss does not, as the probability ratio's in the clipped half of PPO's loss.
        require_finite({**statistics, "a weight": vector.numpy()}, update)
        self._trained.advance(vector)
        self._optimizer_state = state

    def _behaviour_cloning(self, adam_epsilon: float, train: bool = True) -> Callable[..., float]:
        """A step of behaviour cloning ``(obs, actions, learning_rate) -> loss``; ``train=False`` only measures."""
        optimizer = Adam(epsilon=adam_epsilon)
        optimizer_state = optimizer.initial_state(sum(self._trained.sizes))
        discrete = space_kind(self.action_space) == "Discrete"

        @tf.function(autograph=False)
        def gradient(vector: Any, state: OptimizerState, obs: Any, actions: Any, learning_rate: Any) -> Any:
            def loss(vector: Any) -> Any:
                outputs = self._imitate(vector, obs)
                value = losses.cross_entropy(outputs, actions) if discrete else losses.squared_error(outputs, actions)
                return value, (value,)

            if not train:
                return vector, state, tf.stack(loss(vector)[1])
            return gradient_step(loss, optimizer, vector, state, learning_rate)

        def step(obs: Any, actions: Any, learning_rate: float) -> float:
            nonlocal optimizer_state
            obs, actions = map(tf.constant, self._expert_arrays(obs, actions))
            rate = tf.constant(learning_rate, tf.float32)
            vector, optimizer_state, (loss,) = gradient(self._trained.vector, optimizer_state, obs, actions, rate)
            if train:
                require_finite({"loss": loss.numpy()}, "behaviour cloning")
                self._trained.advance(vector)
            return float(loss)

        return step

    def _expert_arrays(self, obs: Any, actions: Any) -> tuple[np.ndarray, np.ndarray]:
        """An expert's observations and actions as arrays of this model's spaces, [B, …].

        Raises:
            ValueError: they belong to other spaces.
        """
        preprocessor, space = self._policy.preprocessor, self.action_space
        obs, actions = np.asarray(obs), np.asarray(actions)
        discrete = space_kind(space) == "Discrete"
        for what, array, shape in (("observations", obs, preprocessor.shape), ("actions", actions, space.shape)):
            if array.size != len(array) * math.prod(shape):
                raise ValueError(f"dataset: its {what} have the shape {array.shape[1:]}, the model's have {shape}")
        if discrete and not np.isin(actions, np.arange(space.n)).all():
            raise ValueError(f"dataset: it has actions from {actions.min()} to {actions.max()}, the model has {space}")
        obs = obs.reshape(-1, *preprocessor.shape).astype(preprocessor.dtype)
        actions = actions.reshape(-1, *space.shape).astype(np.int64 if discrete else np.float32)
        return obs, actions

    def _imitate(self, vector: Any, obs: Any) -> Any:
        """What behaviour cloning compares with the expert's actions: logits (Discrete) or actions (Box)."""
        raise NotImplementedError

    def _deterministic_actions(self, vector: Any, obs: Any, *memory: Any) -> tuple[Any, ...]:
        """What ``predict(deterministic=True)`` gives, in TensorFlow: actions [B, …] and, with memory, its new state.

        Args:
            vector: weights.
            obs: raw observations, [B, …].
            memory: of recurrent policies the state [B, n] and the episode starts [B].
        """
        outputs = self._imitate(vector, obs)
        return (tf.argmax(outputs, axis=-1) if space_kind(self.action_space) == "Discrete" else outputs,)

    def pretrain(
        self,
        dataset: Any,
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
            learning_rate: Adam's step size.
            adam_epsilon: Adam's epsilon.
            val_interval: epochs between two reports; a tenth of all if None.

        Raises:
            ValueError: the action space is neither Box nor Discrete, or the data belong to other spaces.
            FloatingPointError: the loss is NaN or infinite; the weights are those from before that minibatch.
        """
        if space_kind(self.action_space) not in ("Box", "Discrete"):
            raise ValueError(f"pretrain() needs a Box or Discrete action space, not {self.action_space}")
        interval = val_interval if val_interval is not None else max(n_epochs // 10, 1)
        train, measure = self._behaviour_cloning(adam_epsilon), self._behaviour_cloning(adam_epsilon, train=False)
        try:
            for epoch in range(1, n_epochs + 1):
                train_loss = np.mean(
                    [train(*dataset.get_next_batch("train"), learning_rate) for _ in range(len(dataset.train_loader))]
                )
                if self.verbose > 0 and epoch % interval == 0:
                    val_loss = np.mean(
                        [measure(*dataset.get_next_batch("val"), learning_rate) for _ in range(len(dataset.val_loader))]
                    )
                    print(
                        f"Behaviour cloning, epoch {epoch} of {n_epochs}: "
                        f"training loss {train_loss:.6f}, validation loss {val_loss:.6f}"
                    )
        finally:
            self._on_new_weights()
            self._sync()
        return self

    # ------------------------------------------------------------ parameters
    def _on_new_weights(self) -> None:  # noqa: B027 (most have nothing to do)
        """Hook for what follows from weights that training did not find itself."""

    @property
    @abstractmethod
    def _policy(self) -> Any:
        """The policy that acts.

        Raises:
            ValueError: it has not been built.
        """

    @property
    @abstractmethod
    def _parameters(self) -> Parameters | JoinedParameters:
        """All weights of the model."""

    @property
    @abstractmethod
    def _trained(self) -> Parameters:
        """The weights that the optimizer works on."""

    def _set_optimizer(self, optimizer: Optimizer) -> None:
        self._optimizer, self._optimizer_state = optimizer, optimizer.initial_state(sum(self._trained.sizes))

    @staticmethod
    def _built(network: Any) -> Any:
        if network is None:
            raise ValueError("the model has not been built; call setup_model() first")
        return network

    def _sync(self) -> None:
        """Brings the Keras variables up to date."""
        self._parameters.sync()

    def get_parameter_list(self) -> list[Any]:
        """The variables of the model, in the order of `get_parameters`."""
        self._sync()
        return self._parameters.variables

    def get_parameters(self) -> OrderedDict[str, np.ndarray]:
        """The weights by legacy name, e.g. ``model/pi_fc0/w:0``."""
        return self._parameters.as_dict()

    def load_parameters(self, load_path_or_dict: PathOrFile | Parameter, exact_match: bool = True) -> None:
        """Sets weights; the state of the optimizer stays.

        Args:
            load_path_or_dict: weights by legacy name, a list of all of them in order, or a model file.
            exact_match: every weight of the model must be given.

        Raises:
            KeyError: a name that the model does not have.
            RuntimeError: weights are missing and ``exact_match`` is true.
            ValueError: a shape is wrong, or the file is damaged.
            FileNotFoundError: there is no such file.
        """
        own = self._parameters
        if isinstance(load_path_or_dict, Mapping):
            given = dict(load_path_or_dict)
        elif isinstance(load_path_or_dict, list | tuple):
            warnings.warn(
                "parameters as a list are outdated; use a dictionary by name", DeprecationWarning, stacklevel=2
            )
            if len(load_path_or_dict) != len(own.names):
                raise ValueError(
                    f"load_path_or_dict: a list of {len(load_path_or_dict)} weights, but the model has {len(own.names)}"
                )
            given = dict(zip(own.names, load_path_or_dict, strict=True))
        else:
            given = dict(self._with_names(load_path_or_dict, _read_parameters(load_path_or_dict)))
        shapes = dict(zip(own.names, own.shapes, strict=True))
        unknown = [name for name in given if name not in shapes]
        if unknown:
            raise KeyError(f"the model has no parameters named {', '.join(unknown)}; it has {', '.join(own.names)}")
        missing = [name for name in own.names if name not in given]
        if exact_match and missing:
            raise RuntimeError(f"parameters are missing: {', '.join(missing)}; pass exact_match=False to set only some")
        for name, value in given.items():
            array = np.asarray(value)
            if array.shape != shapes[name] or array.dtype.kind not in "fiub":
                raise ValueError(
                    f"{name} has shape {array.shape} and type {array.dtype}; "
                    f"the model needs numbers of shape {shapes[name]}"
                )
        own.assign(given)
        self._on_new_weights()

    def _with_names(self, load_path: PathOrFile, parameters: Any) -> Mapping[str, np.ndarray]:
        """The parameters of a file by name; the oldest files hold them in order only."""
        if isinstance(parameters, Mapping):
            return parameters
        from stable_baselines_tf2.migration.model_file import named_parameters

        try:
            return named_parameters(parameters, self._parameters.names, self._parameters.shapes)
        except ValueError as error:
            raise ValueError(f"{file_name(load_path)} does not fit: {error}") from error

    # ------------------------------------------------------------ prediction
    def _batched(self, observation: Any, state: Any, mask: Any) -> tuple[np.ndarray, Any, Any, bool]:
        """Observation as a batch, with state and mask; and whether it was one already."""
        policy = self._policy
        observation = np.asarray(observation)
        is_batch = policy.preprocessor.is_batch(observation)
        if not is_batch:
            observation = observation[np.newaxis]
        if policy.recurrent:
            rows = (len(observation),)
            shapes = {"state": (*rows, *policy.initial_state.shape[1:]), "mask": rows}
            for (name, shape), value in zip(shapes.items(), (state, mask), strict=True):
                if value is not None and np.shape(value) != shape:
                    raise ValueError(f"{name} must have shape {shape}, not {np.shape(value)}")
        return observation, state, mask, is_batch

    def predict(
        self, observation: Any, state: np.ndarray | None = None, mask: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions for observations.

        Args:
            observation: one observation, or a batch of any size.
            state: recurrent state that the last call returned; None at the start of episodes.
            mask: True where an episode starts with this observation, [B].
            deterministic: take the most probable actions instead of random ones.

        Returns:
            The action or actions, clipped to the bounds of a Box, and the new recurrent state (None without memory).

        Raises:
            ValueError: the observation's shape fits neither one observation nor a batch.
        """
        observation, state, mask, is_batch = self._batched(observation, state, mask)
        actions, state = self._policy.act(observation, state, mask, deterministic)
        if isinstance(self.action_space, gymnasium.spaces.Box):
            actions = np.clip(actions, self.action_space.low, self.action_space.high)
        return (actions if is_batch else actions[0]), state

    def action_probability(
        self,
        observation: Any,
        state: np.ndarray | None = None,
        mask: Any = None,
        actions: Any = None,
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
        observation, state, mask, is_batch = self._batched(observation, state, mask)
        policy = self._policy
        if actions is None:
            probabilities = policy.proba_step(observation, state, mask)
            if is_batch:
                return probabilities
            if isinstance(probabilities, list | tuple):
                return type(probabilities)(part[0] for part in probabilities)
            return probabilities[0]
        actions = np.asarray(actions).reshape(-1, *self.action_space.shape)
        if len(actions) != len(observation):
            raise ValueError(f"actions: {len(actions)} were given for {len(observation)} observations")
        if space_kind(self.action_space) != "Box":
            given, actions = actions, actions.astype(np.int64)
            if (given != actions).any() or not all(map(self.action_space.contains, actions)):
                raise ValueError(f"actions must be of the space {self.action_space}, not {given.tolist()}")
        flat = policy.distribution_parameters(observation, state, mask)
        log_probability = -policy.sampler.neglogp(flat, actions)[:, np.newaxis]
        result = log_probability if logp else np.exp(log_probability)
        return result if is_batch else result[0]

    # ------------------------------------------------------------ files
    def _training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What exact resumption needs besides parameters: a JSON-able part and named arrays."""
        state = {"num_timesteps": self.num_timesteps, "generator": self.generator.bit_generator.state}
        return state, {f"optimizer/{name}": value.numpy() for name, value in self._optimizer_state.items()}

    def _restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.num_timesteps = int(state["num_timesteps"])
        self._set_generator_state(state["generator"])
        restored = {}
        for name, initial in self._optimizer_state.items():
            array = arrays.get(f"optimizer/{name}")
            if array is None or array.shape != tuple(initial.shape):
                raise ValueError(
                    f"the file's optimizer state is damaged: {name} should have shape {tuple(initial.shape)}"
                )
            restored[name] = tf.constant(array)
        self._optimizer_state = restored

    def _saved_data(self) -> dict[str, Any]:
        """The hyperparameters that a file holds."""
        return {name: getattr(self, name) for name in (*self.saved, *self._saved_always)}

    def save(self, save_path: PathOrFile, cloudpickle: bool = False) -> None:
        """Writes the model to a file: a zip with hyperparameters, weights and what exact resumption needs.

        Args:
            save_path: path (``.zip`` is added where it has no extension) or binary file object.
            cloudpickle: write the pickle of versions before 2.8 instead, without resumption; reading it needs trust.

        Raises:
            OSError: the file cannot be written; an old one of that name stays.
        """
        data = (self._outer or self)._saved_data()
        if cloudpickle:
            _write_pickle(save_path, data, self.get_parameters())
            return
        state, arrays = self._training_state()
        write_archive(save_path, Archive(data_to_json(data), self.get_parameters(), state, arrays))

    def export(self, directory: str | os.PathLike) -> None:
        """Writes the deterministic policy as a TensorFlow SavedModel, to act without this library.

        Its signature ``serving_default`` takes a batch of observations as ``observation`` and gives ``action``, which
        is what ``predict(deterministic=True)`` gives. A recurrent policy also takes ``state`` [B, n] and ``mask`` [B]
        (float32, 1 where an episode starts) and gives the new ``state``.

        Args:
            directory: folder to write; an earlier export there is replaced.

        Raises:
            FileExistsError: the folder exists and is no SavedModel.
            OSError: it cannot be written; an earlier export stays.
        """
        from stable_baselines_tf2.common.export import write_saved_model

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
        from stable_baselines_tf2.common.export import tflite_model

        content = tflite_model(self)
        if path is not None:
            with atomic_write(path) as file:
                file.write(content)
        return content

    @classmethod
    def load(
        cls,
        load_path: PathOrFile,
        env: Any = None,
        custom_objects: dict[str, Any] | None = None,
        allow_pickle: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Reads a model from a file. Nothing in the file is executed unless ``allow_pickle`` is true.

        Args:
            load_path: path (also without its ``.zip``) or binary file object.
            env: environment to go on with; None for a model that only predicts.
            custom_objects: objects to use instead of what the file holds, by name of the hyperparameter.
            allow_pickle: also restore pickled objects; only for files that you trust.
            kwargs: hyperparameters to change.

        Raises:
            FileNotFoundError: there is no such file.
            TypeError: ``kwargs`` that are no hyperparameters.
            ValueError: the file is damaged, or holds something that cannot be restored safely; or ``policy_kwargs``
                differ from the file's.
        """
        archive, data = read_model(load_path, custom_objects, allow_pickle, cls)
        return cls._restore(load_path, archive, data, env, kwargs)

    @classmethod
    def _restore(
        cls, load_path: PathOrFile, archive: Archive, data: dict[str, Any], env: Any, kwargs: dict[str, Any]
    ) -> Any:
        """The model that `read_model` found in a file; for the arguments see `load`."""
        if "policy_kwargs" in kwargs and data_to_json(kwargs["policy_kwargs"]) != data_to_json(data["policy_kwargs"]):
            raise ValueError(
                f"policy_kwargs must equal those of the file, {data['policy_kwargs']}, not {kwargs['policy_kwargs']}"
            )
        construct: Callable[..., BaseRLModel] = cls  # an algorithm's constructor, which takes more than the one here
        model = construct(policy=data["policy"], env=None, _init_setup_model=False)
        unknown = sorted(set(kwargs) - set(vars(model)))
        if unknown:
            raise TypeError(f"{cls.__name__} has no hyperparameters named {', '.join(unknown)}")
        kept = {*cls.saved, *cls._saved_always} - {"policy"}
        vars(model).update({name: item for name, item in data.items() if name in kept})
        vars(model).update(kwargs)
        model._observation_bounds_matter = bool(archive.state)
        try:
            model.observation_space = as_gymnasium_space(model.observation_space)
            model.action_space = as_gymnasium_space(model.action_space)
            model.setup_model()
        except (ValueError, MemoryError, ImportError):
            raise
        except Exception as error:  # settings of wrong types have many ways to fail
            raise ValueError(
                f"{file_name(load_path)}: no model can be made of the settings in it ({error!r})"
            ) from error
        model.set_env(env)
        try:
            model.load_parameters(model._with_names(load_path, archive.parameters))
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"{file_name(load_path)} does not fit: {error.args[0]}") from error
        if archive.state:
            try:
                model._restore_training_state(archive.state, archive.arrays)
            except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
                raise ValueError(
                    f"{file_name(load_path)} is damaged: its training state cannot be restored ({error!r})"
                ) from error
        elif env is not None:
            model.set_random_seed(model.seed)
        return model


def as_vec_env(env: Any, verbose: int = 0, announce: bool = False) -> VecEnv:
    """A vectorized environment, from whatever a user gives as ``env``.

    Args:
        env: an environment, a vectorized one, one that ``get_env`` gave, or the id of one.
        verbose: 0 prints nothing.
        announce: tell that a single environment is wrapped.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(env, str):
        if verbose >= 1:
            print(f"Making environment {env}")
        env = env_ids.make(env)
    if isinstance(env, UnvecWrapper):
        return env.venv
    if isinstance(env, VecEnv):
        return env
    if not hasattr(env, "step") or not hasattr(env, "observation_space"):
        raise TypeError(f"env must be an environment, a VecEnv or the id of an environment, not {env!r}")
    if verbose >= 1 and announce:
        print("Wrapping the environment in a DummyVecEnv")
    single = ensure_gymnasium(env)
    return DummyVecEnv([lambda: single])


def check_algorithm(cls: type, data: Mapping[str, Any]) -> None:
    """Compares an algorithm with the one that has the hyperparameters of a file.

    Raises:
        ValueError: it is another one.
    """
    from stable_baselines_tf2.migration.model_file import algorithm_of

    found, own = algorithm_of(data), {base.__name__ for base in cls.__mro__}
    wrapped = algorithm_of({key: value for key, value in data.items() if key != "model_class"})  # by HER
    fits = not {found, wrapped}.isdisjoint(own) or {found, cls.__name__} == {"GAIL", "TRPO"}
    if found is not None and not fits:
        raise ValueError(f"the file holds a model of {found}, not of {cls.__name__}: use {found}.load()")


def _read_parameters(load_path: PathOrFile) -> Any:
    """The parameters of a model file, by name or in order."""
    from stable_baselines_tf2.migration.model_file import UnsafePickle, read_pickle

    archive = read_archive(load_path)
    try:
        parameters = archive.parameters if archive.pickled is None else read_pickle(archive.pickled, resolve=False)[1]
    except UnsafePickle as error:
        raise ValueError(f"{file_name(load_path)} is no model file or is damaged: {error}") from error
    if parameters is None:
        raise ValueError(f"{file_name(load_path)} holds no parameters")
    return parameters


def read_model(
    load_path: PathOrFile, custom_objects: dict[str, Any] | None, allow_pickle: bool, algorithm: type | None = None
) -> tuple[Archive, dict[str, Any]]:
    """A model file and the hyperparameters in it; for arguments and errors see `BaseRLModel.load`.

    ``algorithm`` is the class whose file it should be; None for any.
    """
    from stable_baselines_tf2.migration import model_file

    archive = read_archive(load_path)
    parameters: Any = archive.parameters
    unrestored: dict[str, Exception]
    if archive.pickled is not None:
        try:
            data, parameters, unrestored = model_file.read_pickle(archive.pickled, custom_objects)
        except model_file.UnsafePickle as error:
            raise ValueError(f"{file_name(load_path)} is no model file or is damaged: {error}") from error
        if allow_pickle and unrestored:
            trusted = load_trusted(archive.pickled)[0]
            data |= {key: trusted[key] for key in unrestored}
            unrestored = {}
    else:
        if archive.data is None:
            raise ValueError(f"{file_name(load_path)} holds parameters only; make a model and use load_parameters()")
        data, unrestored = read_data(archive.data, custom_objects, allow_pickle)
    if not parameters:
        raise ValueError(f"{file_name(load_path)} is damaged: it holds no parameters")
    if algorithm is not None:
        check_algorithm(algorithm, data)
    hint = model_file.complete(data, parameters, unrestored)
    raise_unrestored(unrestored, hint)
    for name in ("policy", "observation_space", "action_space", "policy_kwargs"):
        if name not in data:
            raise ValueError(f"{file_name(load_path)} is no model file or is damaged: {name} is missing")
    try:
        model_file.check_sizes(data, parameters)
    except ValueError as error:
        raise ValueError(f"{file_name(load_path)} is damaged: {error}") from error
    archive.parameters = parameters
    return archive, data


def _write_pickle(target: PathOrFile, data: dict[str, Any], parameters: OrderedDict[str, np.ndarray]) -> None:
    import cloudpickle

    content = cloudpickle.dumps((data, parameters), protocol=pickle.DEFAULT_PROTOCOL)
    if isinstance(target, str | os.PathLike):
        path = os.fspath(target)
        with atomic_write(path if os.path.splitext(path)[1] else f"{path}.pkl") as file:
            file.write(content)
    else:
        target.write(content)


def check_number(name: str, value: Any, low: float, high: float = np.inf, integer: bool = False) -> None:
    """Checks a hyperparameter.

    Raises:
        ValueError: ``value`` is no number (``integer``: no integer) from ``low`` to ``high``.
    """
    kinds = (int, np.integer) if integer else (int, float, np.number)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "an integer" if integer else "a number"
        limits = f"of at least {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        raise ValueError(f"{name} must be {kind} {limits}, not {value!r}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Checks a hyperparameter that names one of a few things.

    Raises:
        ValueError: ``value`` is none of them.
    """
    if value not in list(choices):
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


class ActorCriticRLModel(BaseRLModel):
    """Base of the algorithms with an actor-critic policy that learn from rollouts of their own.

    A subclass gives the optimizer (`_make_optimizer`), builds its compiled update in `_build_update`, and maps a
    rollout to statistics in `_update`. Collection, logs, callbacks, files and prediction are here.
    """

    _loss_tags: ClassVar[dict[str, str]] = {}  # TensorBoard tags of the statistics
    _keep_states: ClassVar[bool] = False  # whether updates need the recurrent states before every step

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: Any,
        _init_setup_model: bool,
        verbose: int = 0,
        policy_base: type[BasePolicy] = ActorCriticPolicy,
        requires_vec_env: bool = False,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = None,
    ) -> None:
        super().__init__(
            policy,
            env,
            verbose,
            requires_vec_env=requires_vec_env,
            policy_base=policy_base,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma: float = 0.99
        self.max_grad_norm: float | None = None
        self.n_steps: int = 1
        self.n_batch: int = 1  # rows of a rollout, once the model is built
        self.bootstrap_timeouts = False
        self.train_model: Any = None
        self._runner: OnPolicyCollector | None = None

    # ------------------------------------------------------------ building
    def setup_model(self) -> None:
        """Creates the policy, the optimizer and the compiled update.

        Raises:
            ValueError: the spaces or arguments do not fit.
        """
        with self._verbosity():
            self.set_random_seed(self.seed)
            self._check_arguments(None if self.env is None else self.n_envs)
            self._size_rollouts()
            self.train_model = self._make_policy()
            self.train_model.generator = self.generator
            self._build_networks()
            self._set_optimizer(self._make_optimizer())
            self._build_update()

    def _size_rollouts(self) -> None:
        """Sets what depends on the number of environments."""
        self.n_batch = self.n_envs * self.n_steps

    def _make_policy(self) -> Any:
        return make_policy(
            self.policy,
            None,
            self.observation_space,
            self.action_space,
            self.n_envs,
            self.n_steps,
            self.n_batch,
            **self.policy_kwargs,
        )

    def _build_networks(self) -> None:
        """Hook for networks besides the policy."""

    def _check_arguments(self, n_envs: int | None) -> None:
        """Raises ValueError where arguments make no sense for a number of environments (None: not known yet)."""
        if isinstance(self.n_steps, bool) or not isinstance(self.n_steps, int | np.integer) or self.n_steps < 1:
            raise ValueError(f"n_steps must be a positive number of steps, not {self.n_steps!r}")
        check_number("gamma", self.gamma, 0.0, 1.0)
        limit = self.max_grad_norm
        if limit is not None and (not isinstance(limit, int | float | np.number) or not limit > 0.0):
            raise ValueError(f"max_grad_norm must be a positive number or None, not {limit!r}")

    def _make_optimizer(self) -> Optimizer:
        raise NotImplementedError

    def _build_update(self) -> None:
        raise NotImplementedError

    def _update(self, rollout: Rollout, training: Training, progress: float) -> dict[str, float]:
        """Learns from a rollout.

        Args:
            rollout: what the environments gave.
            training: the training that this belongs to.
            progress: fraction of the training that remains, 1 at its start.

        Returns:
            Statistics, of which those in ``_loss_tags`` go to TensorBoard.
        """
        raise NotImplementedError

    def _table(self, rollout: Rollout, training: Training, statistics: dict[str, float]) -> dict[str, Any]:
        """What the logger prints."""
        raise NotImplementedError

    @property
    def _policy(self) -> Any:
        return self._built(self.train_model)

    @property
    def _trained(self) -> Parameters:
        return self._policy.params

    @property
    def _parameters(self) -> Parameters | JoinedParameters:
        return self._trained

    @property
    def act_model(self) -> Any:
        """The policy (the same object as ``train_model``, with up-to-date variables)."""
        return self.train_model

    step_model = act_model

    @property
    def params(self) -> list[Any]:
        """The variables of the policy, up to date: `get_parameter_list` under its older name."""
        return self.get_parameter_list()

    @property
    def initial_state(self) -> np.ndarray | None:
        """Recurrent state at the start of episodes, one row for each training environment; None without memory."""
        if self.train_model is None or not self.train_model.recurrent:
            return None
        return np.zeros((self.n_envs, *self.train_model.initial_state.shape[1:]), np.float32)

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """One step of acting: see `ActorCriticPolicy.step`."""
        return self._policy.step(*args, **kwargs)

    def proba_step(self, *args: Any, **kwargs: Any) -> Any:
        """Parameters of the action distribution: see `ActorCriticPolicy.proba_step`."""
        return self._policy.proba_step(*args, **kwargs)

    def value(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Values of observations: see `ActorCriticPolicy.value`."""
        return self._policy.value(*args, **kwargs)

    # ------------------------------------------------------------ learning
    def set_env(self, env: Any) -> None:
        super().set_env(env)
        self._runner = None

    def _take_env(self, env: VecEnv) -> None:
        built = getattr(self, "train_model", None) is not None
        if built:
            self._check_arguments(env.num_envs)
        super()._take_env(env)
        if built:
            self._size_rollouts()

    @property
    def runner(self) -> OnPolicyCollector:
        """Collects rollouts; starts (and resets the environment) when it is first asked for."""
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def _make_runner(self) -> OnPolicyCollector:
        bounds = (self.action_space.low, self.action_space.high) if space_kind(self.action_space) == "Box" else None
        normalizer = self._vec_normalize_env
        timeout_discount = self.gamma if self.bootstrap_timeouts else None
        if timeout_discount and normalizer and normalizer.observation_space.shape != self.observation_space.shape:
            raise ValueError("bootstrap_timeouts: VecNormalize must be outside of wrappers that change observations")
        return OnPolicyCollector(
            self._vec_env,
            *self._acting(),
            self.n_steps,
            self.initial_state,
            bounds,
            timeout_discount,
            normalizer.normalize_obs if normalizer else None,  # infos hold observations as they were
            self._keep_states,
        )

    def _acting(self) -> tuple[PolicyStep, Callable[..., np.ndarray]]:
        """How rollouts act and value observations: see `OnPolicyCollector`."""
        return self.train_model.step, self.train_model.value

    def _n_updates(self, total_timesteps: int) -> int:
        """Number of rollouts in this many environment steps."""
        return total_timesteps // self.n_batch

    def learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        log_interval: int = 100,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Any:
        with Training(
            self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        ) as training:
            self._start_training(training)
            runner = self.runner
            runner.continue_training = True
            n_updates = self._n_updates(training.total_timesteps)
            for update in range(1, n_updates + 1):
                training.update = update
                first_step = self.num_timesteps
                training.on_rollout_start()
                rollout = runner.run(training.on_step)
                training.on_rollout_end(update=update, rollout=rollout)
                if self._somebody_stops(rollout is None) or rollout is None:
                    break
                self.ep_info_buf.extend(rollout.episode_infos)
                statistics = self._update(rollout, training, 1.0 - (update - 1.0) / n_updates)
                training.log_episodes(rollout.episodes, first_step)
                if training.writer is not None:
                    self._log_update(rollout, training, statistics)
                if training.table_is_due():
                    training.log_table(self._table(rollout, training, statistics))
        return self

    def _somebody_stops(self, here: bool) -> bool:
        """Whether a callback wants to stop, in this process (``here``) or another: they can only stop together."""
        return distributed.any_of(here) if self._n_workers > 1 else here

    def _imitate(self, vector: Any, obs: Any) -> Any:
        policy = self.train_model
        states = (
            (tf.zeros((tf.shape(obs)[0], policy.initial_state.shape[1])), tf.zeros(tf.shape(obs)[:1]))
            if policy.recurrent
            else ()
        )
        outputs = policy.with_weights(vector, obs, *states)
        return outputs.policy if space_kind(self.action_space) == "Discrete" else outputs.distribution.mode()

    def _deterministic_actions(self, vector: Any, obs: Any, *memory: Any) -> tuple[Any, ...]:
        outputs = self.train_model.with_weights(vector, obs, *memory)
        actions = outputs.distribution.mode()
        if space_kind(self.action_space) == "Box":
            actions = tf.clip_by_value(actions, self.action_space.low, self.action_space.high)
        return (actions, outputs.state) if memory else (actions,)

    def _start_training(self, training: Training) -> None:
        """Hook for what a subclass sets up at the start of `learn`."""

    def _log_update(self, rollout: Rollout, training: Training, statistics: dict[str, float]) -> None:
        scalars = {tag: statistics[name] for name, tag in self._loss_tags.items() if name in statistics}
        histograms: dict[str, Any] = {}
        if self.full_tensorboard_log:
            histograms["input_info/observation"] = rollout.obs
            histograms |= {name.removesuffix(":0"): array for name, array in self.get_parameters().items()}
        training.log_update(scalars, histograms)


class SetVerbosity:
    """Within this block, less than ``verbose=1`` silences the logger and less than 2 gymnasium's warnings."""

    def __init__(self, verbose: int = 0) -> None:
        self.verbose = verbose

    def __enter__(self) -> None:
        self._logger_level, self._gymnasium_level = logger.get_level(), gymnasium.logger.min_level
        if self.verbose <= 0:
            logger.set_level(logger.DISABLED)
        if self.verbose <= 1:
            gymnasium.logger.min_level = gymnasium.logger.ERROR

    def __exit__(self, *error: object) -> None:
        logger.set_level(self._logger_level)
        gymnasium.logger.min_level = self._gymnasium_level


def __getattr__(name: str) -> Any:
    if name == "OffPolicyRLModel":  # stands on this module
        return importlib.import_module("stable_baselines_tf2.common.off_policy").OffPolicyRLModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
