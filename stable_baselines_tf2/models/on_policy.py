"""Base class of the algorithms with an actor-critic policy that learn from rollouts of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.policies import ActorCriticPolicy, BasePolicy, make_policy
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.checks import check_number
from stable_baselines_tf2.core.collect import OnPolicyCollector, PolicyStep, Rollout
from stable_baselines_tf2.core.optimizers import Optimizer
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.envs.spaces import space_kind
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.training import Training


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
