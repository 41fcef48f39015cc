"""Base class of the algorithms with an actor-critic policy that learn from rollouts of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.graph_policies import make_policy, one_graph
from stable_baselines_tf2.common.math_util import explained_variance
from stable_baselines_tf2.common.policies import ActorCriticPolicy, BasePolicy, PolicyOutputs
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.checks import check_usual, take_whole
from stable_baselines_tf2.core.collect import OnPolicyCollector, Rollout
from stable_baselines_tf2.core.hooks import hook
from stable_baselines_tf2.core.optimizers import Adam, Optimizer
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.core.phases import Batch, CompiledPhase, PhaseResult, Statistics, TrainingState, gradient_step
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import action_bounds, is_discrete
from stable_baselines_tf2.files.hyperparameters import Unrestored
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.loop_names import LoopNames, RolloutNames
from stable_baselines_tf2.models.runners import Runner
from stable_baselines_tf2.models.training import SetVerbosity, Training


class ActorCriticRLModel(BaseRLModel):
    """Base of the algorithms with an actor-critic policy that learn from rollouts of their own.

    A subclass gives the optimizer (`make_optimizer`), a loss (`loss`), and maps a rollout to statistics (`update`).
    Collection, the compiled gradient step, logs, callbacks, files and prediction are here.

    Attributes:
        keep_states: whether updates need the recurrent states before every step.
        phase: the compiled update.
    """

    keep_states: ClassVar[bool] = False
    phase: CompiledPhase

    gamma: float = 0.99
    max_grad_norm: float | None = None
    n_steps: int = 1
    n_batch: int = 1  # rows of a rollout, once the model is built
    train_model: Any = None
    runner_class: ClassVar[type[Runner]] = Runner
    loop_names: ClassVar[type[LoopNames]] = RolloutNames
    _env_is_checked = False  # whether the arguments fit the number of environments
    _collector: OnPolicyCollector | None = None
    _runner: Runner | None = None

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: EnvLike | None,
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
        self.bootstrap_timeouts = False

    # ------------------------------------------------------------ building
    def setup_model(self) -> None:
        """Creates the policy, the optimizer and the compiled update.

        Raises:
            ValueError: the spaces or arguments do not fit.
        """
        with SetVerbosity(self.verbose), one_graph(self.seed):
            self.set_random_seed(self.seed)
            self.check_arguments(None if self.env is None else self.n_envs)
            self._env_is_checked = self.env is not None
            self.size_rollouts()
            self.train_model = self.make_policy()
            self.train_model.generator = self.generator
            self.build_networks()
            self.set_optimizer(self.make_optimizer())
            self.build_update()

    @hook
    def size_rollouts(self) -> None:
        """Sets what depends on the number of environments."""
        self.n_batch = self.n_envs * self.n_steps

    @hook
    def make_policy(self) -> Any:
        """A policy for the model's spaces, number of environments and steps."""
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

    @hook
    def build_networks(self) -> None:
        """Creates networks besides the policy; by default none."""

    @hook
    def check_arguments(self, n_envs: int | None) -> None:
        """Checks hyperparameters, for a number of environments (None: not known yet).

        Raises:
            ValueError: an invalid argument.
        """
        take_whole(self, "n_steps", 1)
        check_usual("gamma", self.gamma, 0.0, 1.0)
        limit = self.max_grad_norm
        if limit is not None:
            check_usual("max_grad_norm", limit, float(np.finfo(np.float32).tiny))

    def check_can_learn(self) -> None:
        super().check_can_learn()
        if not self._env_is_checked:
            self.check_arguments(self.n_envs)
            self._env_is_checked = True

    @hook
    def make_optimizer(self) -> Optimizer:
        """The optimizer of the policy's weights; by default Adam."""
        return Adam()

    @hook
    def build_update(self) -> None:
        """Compiles the update; by default `training_phase` as ``phase``.

        XLA fuses the loops over time of small recurrent networks; other single steps are not worth its compilation.
        """
        small = self.train_model.is_small
        self.phase = CompiledPhase(
            self.training_phase, jit_compile=small and self.train_model.recurrent, in_caller=small
        )

    @hook
    def training_phase(self, vector: Tensor, state: TrainingState, inputs: Batch) -> PhaseResult:
        """The compiled update; by default one gradient step on `loss`, with ``inputs["learning_rate"]``.

        Args:
            vector: weights, [n].
            state: what else updates change.
            inputs: what `update` gives to `run_update`.

        Returns:
            New weights, the whole new state, and statistics by name.
        """
        vector, moments, statistics = gradient_step(
            lambda vector: self.loss(vector, inputs),
            self.optimizer,
            vector,
            state.moments,
            inputs["learning_rate"],
            self.max_grad_norm,
        )
        return vector, state._replace(moments=moments), statistics

    @hook
    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        """The loss, in TensorFlow, and statistics by name.

        Args:
            vector: weights, [n]; `policy_outputs` gives the policy's outputs for them.
            batch: rows of rollouts, [B, …].
        """
        raise NotImplementedError(f"{type(self).__name__} must override loss() or training_phase()")

    def policy_outputs(self, vector: Tensor, batch: Batch, n_steps: int | None = None) -> PolicyOutputs:
        """The policy's outputs for ``batch["obs"]``, differentiable in the weights; for use in compiled functions.

        Args:
            vector: weights, [n].
            batch: ``obs`` [B, …]; with a recurrent policy also ``starts`` [B] and ``states`` [B / n_steps, 2H].
            n_steps: consecutive rows that belong to one environment; those of a rollout if None.
        """
        n_steps = self.n_steps if n_steps is None else n_steps
        return self.train_model.with_weights(vector, batch["obs"], batch.get("states"), batch.get("starts"), n_steps)

    @abstractmethod
    @hook
    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        """Learns from a rollout.

        Args:
            rollout: what was collected.
            training: the training that this belongs to.
            progress_remaining: fraction of the training that remains, 1 at its start.

        Returns:
            Statistics by name, among them those of ``log_tags``.
        """

    @hook
    def rollout_scalars(self, rollout: Rollout, statistics: Mapping[str, float]) -> dict[str, float]:
        """What TensorBoard shows besides the statistics of ``log_tags``: numbers by tag. Only called where it logs."""
        return {}

    @hook
    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        """What the logger prints; by default counts, speed, explained variance and the statistics."""
        return {
            "n_updates": training.update,
            "total_timesteps": self.num_timesteps,
            "fps": training.fps,
            "explained_variance": self.explained_variance(rollout),
            **statistics,
        }

    @staticmethod
    def explained_variance(rollout: Rollout) -> float:
        """Fraction of the variance of a rollout's returns that its values explain."""
        return float(explained_variance(rollout.flat(rollout.values), rollout.flat(rollout.returns)))

    @property
    @hook
    def acting_policy(self) -> Any:
        return self.require_built(self.train_model)

    @property
    @hook
    def trainable(self) -> Parameters:
        return self.acting_policy.params

    @property
    @hook
    def parameters(self) -> Parameters | JoinedParameters:
        return self.trainable

    @property
    def params(self) -> list[Any]:
        """The variables of the policy in `graph`, which `sess` reads and assigns."""
        return self.graph_variables(self.get_parameter_list())

    @property
    def initial_state(self) -> np.ndarray | None:
        """Recurrent state at the start of episodes, one row for each training environment; None for other policies."""
        if self.train_model is None or not self.train_model.recurrent:
            return None
        return np.zeros((self.n_envs, *self.train_model.initial_state.shape[1:]), np.float32)

    def step(self, *args: object, **kwargs: object) -> Any:
        """One step of acting: see `ActorCriticPolicy.step`."""
        return self.acting_policy.step(*args, **kwargs)

    def proba_step(self, *args: object, **kwargs: object) -> Any:
        """Parameters of the action distribution: see `ActorCriticPolicy.proba_step`."""
        return self.acting_policy.proba_step(*args, **kwargs)

    def value(self, *args: object, **kwargs: object) -> np.ndarray:
        """Values of observations: see `ActorCriticPolicy.value`."""
        return self.acting_policy.value(*args, **kwargs)

    # ------------------------------------------------------------ learning
    def set_env(self, env: EnvLike | None) -> None:
        super().set_env(env)
        self._collector = self._runner = None

    def use_env(self, env: VecEnv) -> None:
        built = getattr(self, "train_model", None) is not None
        if built and not any(isinstance(value, Unrestored) for value in vars(self).values()):  # else `learn` refuses
            self.check_arguments(None)  # what training asks of the number of environments, `learn` checks
        self._env_is_checked = False
        super().use_env(env)
        if built:
            self.size_rollouts()

    @property
    def collector(self) -> OnPolicyCollector:
        """Collects rollouts; starts (and resets the environment) when it is first asked for."""
        if self._collector is None:
            self._collector = self.make_collector()
        return self._collector

    @property
    def runner(self) -> Runner:
        """The collector in the form of the original, whose `run` returns a tuple."""
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def _make_runner(self) -> Any:  # classes with loops of their own override it
        return self.runner_class.of_collector(self)

    def make_collector(self) -> OnPolicyCollector:
        """A collector of rollouts, which resets the environment."""
        normalizer = self._vec_normalize_env
        timeout_discount = self.gamma if self.bootstrap_timeouts else None
        if timeout_discount and normalizer and normalizer.observation_space.shape != self.observation_space.shape:
            raise ValueError("bootstrap_timeouts: VecNormalize must be outside of wrappers that change observations")
        return OnPolicyCollector(
            self.vec_env,
            *self.acting(),
            self.n_steps,
            self.initial_state,
            action_bounds(self.action_space),
            timeout_discount,
            normalizer.normalize_obs if normalizer else None,  # infos hold observations as they were
            keep_states=self.keep_states,
        )

    @hook
    def acting(self) -> tuple[Callable[..., tuple[Any, ...]], Callable[..., np.ndarray]]:
        """How rollouts act and value observations: see `OnPolicyCollector`."""
        return self.train_model.step, self.train_model.value

    @hook
    def count_updates(self, total_timesteps: int) -> int:
        """Number of rollouts in this many environment steps."""
        return total_timesteps // self.n_batch

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Any:
        with Training(
            self,
            total_timesteps,
            callback,
            log_interval,
            tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
        ) as training:
            self.start_training(training)
            training.begin()
            n_updates = self.count_updates(training.total_timesteps)
            for update in range(1, n_updates + 1):
                training.update = update
                self.before_rollout(training)
                first_step = self.num_timesteps
                training.on_rollout_start()
                collector = self.collector
                collector.continue_training = True
                rollout = collector.run(training.on_step)
                training.on_rollout_end(update, rollout)
                if self.any_worker_stops(rollout is None) or rollout is None:
                    break
                self.ep_info_buf.extend(rollout.episode_infos)
                statistics = self.update(rollout, training, 1.0 - (update - 1.0) / n_updates)
                training.on_update(statistics)
                if update == 1:
                    self._check_statistics(statistics)
                training.log_episodes(rollout.episodes, first_step)
                if training.writer is not None:
                    self.log_update(rollout, training, statistics)
                if self.shows_table(training):
                    training.log_table(self.table(rollout, training, statistics))
        return self

    def any_worker_stops(self, here: bool) -> bool:
        """Whether a callback stops training, in this MPI worker (``here``) or another: they can only stop together."""
        return distributed.any_of(here) if self.n_workers > 1 else here

    def imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        policy = self.train_model
        states = (
            (tf.zeros((tf.shape(obs)[0], policy.initial_state.shape[1])), tf.zeros(tf.shape(obs)[:1]))
            if policy.recurrent
            else ()
        )
        outputs = policy.with_weights(vector, obs, *states)
        return outputs.policy if is_discrete(self.action_space) else outputs.distribution.mode()

    def deterministic_actions(self, vector: Tensor, obs: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        outputs = self.train_model.with_weights(vector, obs, *memory)
        actions = outputs.distribution.mode()
        bounds = action_bounds(self.action_space)
        if bounds is not None:
            actions = tf.clip_by_value(actions, *bounds)
        return (actions, outputs.state) if memory else (actions,)

    def before_rollout(self, training: Training) -> None:
        """What is told before a rollout; by default nothing."""

    def shows_table(self, training: Training) -> bool:
        """Whether the last update prints a table."""
        return training.table_is_due()

    @hook
    def start_training(self, training: Training) -> None:
        """Prepares a call of `learn`, once its environment and callbacks are ready."""

    def _check_statistics(self, statistics: Mapping[str, float]) -> None:
        missing = [name for name in self.log_tags if name not in statistics]
        if missing:
            raise ValueError(
                f"{type(self).__name__}.log_tags names {', '.join(missing)}, but the statistics of update() are "
                f"{', '.join(statistics) or 'none'}: return them, or take them out of log_tags"
            )

    def log_update(self, rollout: Rollout, training: Training, statistics: dict[str, float]) -> None:
        scalars = {tag: statistics[name] for name, tag in self.log_tags.items()}
        scalars |= self.rollout_scalars(rollout, statistics)
        histograms: dict[str, Any] = {}
        if self.full_tensorboard_log:
            histograms["input_info/observation"] = rollout.obs
            histograms |= {name.removesuffix(":0"): array for name, array in self.get_parameters().items()}
        training.log_update(scalars, histograms)
