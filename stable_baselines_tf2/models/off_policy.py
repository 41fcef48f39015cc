"""Base class of the algorithms that learn from a replay buffer: DQN, SAC, TD3 and DDPG."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from stable_baselines_tf2.common.buffers import ReplayBuffer, check_rewards
from stable_baselines_tf2.common.policies import BasePolicy
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.core.checks import check_number
from stable_baselines_tf2.core.collect import OffPolicyCollector
from stable_baselines_tf2.core.optimizers import State
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.core.phases import Batch, CompiledPhase, consecutive_steps
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.replay_files import ReplayBufferFiles
from stable_baselines_tf2.models.training import Training

Tensor = Any
PHASE_BYTES = 2**26  # of observations, for the gradient steps of one compiled call
Actions = tuple[np.ndarray, np.ndarray]


class OffPolicyRLModel(ReplayBufferFiles, BaseRLModel):
    """Base of the algorithms that learn from a replay buffer.

    The loop, logs, callbacks and files are here. A subclass builds its networks (`_build_networks`), says how it
    explores (`_explore`), what one gradient step does (`_gradient_step`, compiled), and draws and logs for it
    (`_train`).

    Training always runs on a vectorized environment, with any number of environments. Where there is one, ``env`` and
    `get_env` give it without the axis of environments, as scripts expect of a single environment.

    Args:
        policy: a policy class, or the name of a registered one.
        env: an environment, a vectorized one, the id of a registered one, or None (for a model that only predicts).
        replay_buffer: a buffer to use; one of ``buffer_size`` is made if None.
        _init_setup_model: build the networks at once.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        requires_vec_env: keep the axis of environments of a single one in ``model.env``.
        policy_base: the kind of policy that the algorithm uses; any if None.
        policy_kwargs: further arguments of the policy.
        seed: seed of all random generators; None for a random one.
        n_cpu_tf_sess: TensorFlow's threads.
    """

    _tables_by_episodes: ClassVar[bool] = True  # what the interval between two tables counts
    _rollouts_in_warm_up: ClassVar[bool] = False  # whether rollouts end where a training phase is due, without one too
    _shared_inputs: ClassVar[tuple[str, ...]] = ()  # inputs that are the same for all gradient steps of a phase
    # Networks besides the trained one that gradient steps change, by the name under which their weights are among the
    # state that `_gradient_step` takes and returns.
    _companions: Mapping[str, Parameters]

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: Any,
        replay_buffer: Any = None,
        _init_setup_model: bool = False,
        verbose: int = 0,
        *,
        requires_vec_env: bool = False,
        policy_base: type[BasePolicy] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = None,
    ) -> None:
        super().__init__(
            policy,
            env,
            verbose,
            requires_vec_env=requires_vec_env,
            policy_base=policy_base or BasePolicy,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.replay_buffer = replay_buffer
        self.gamma: float = 0.99
        self.buffer_size: int = 50000
        self.batch_size: int = 32
        self.learning_starts: int = 0
        self.train_freq: int = 1
        self.gradient_steps: int = 1
        self.bootstrap_timeouts = False
        self._companions = {}
        self._single_step: CompiledPhase
        self._several_steps: CompiledPhase

    # ------------------------------------------------------------ environment
    def _take_env(self, env: VecEnv) -> None:
        super()._take_env(env)
        normalizer = self._vec_normalize_env
        if normalizer is not None and normalizer.observation_space.shape != env.observation_space.shape:
            raise ValueError("env: VecNormalize must be outside of wrappers that change the shape of observations")

    # ------------------------------------------------------------ building
    def setup_model(self) -> None:
        """Creates the networks, the compiled training phase and, where there is an environment, the replay buffer.

        Raises:
            ValueError: the spaces or arguments do not fit.
            MemoryError: the replay buffer would be larger than this machine's memory.
        """
        with self._verbosity():
            self.set_random_seed(self.seed)
            self._check_arguments()
            self._build_networks()
            small = self._policy.is_dense
            # XLA takes seconds to compile; in loops it earns them back.
            several = self._n_workers > 1  # XLA knows no way to other processes
            fast = small and not several
            self._single_step = CompiledPhase(self._training_phase, jit_compile=False, in_caller=fast)
            self._several_steps = CompiledPhase(self._training_phase, jit_compile=fast, in_caller=fast)
            if self._vec_env is not None and self.replay_buffer is None:
                self.replay_buffer = self._make_replay_buffer()

    def _check_arguments(self) -> None:
        """Raises ValueError where the constructor's arguments make no sense."""
        check_number("gamma", self.gamma, 0.0, 1.0)
        for name in ("buffer_size", "batch_size", "train_freq", "gradient_steps"):
            check_number(name, getattr(self, name), 1, integer=True)
        check_number("learning_starts", self.learning_starts, 0)
        if self.batch_size > self.buffer_size:
            raise ValueError(f"batch_size must be at most buffer_size ({self.buffer_size}), not {self.batch_size}")

    @abstractmethod
    def _build_networks(self) -> None:
        """Creates the policies and the optimizer."""

    def _make_replay_buffer(self) -> ReplayBuffer:
        return ReplayBuffer(self.buffer_size, self.observation_space)

    # ------------------------------------------------------------ the update
    @abstractmethod
    def _gradient_step(self, vector: Tensor, state: State, batch: Batch) -> tuple[Tensor, State, Tensor]:
        """One gradient step on a batch of transitions, in TensorFlow.

        Args:
            vector: the trained weights.
            state: the optimizer's state.
            batch: ``obs``, ``actions``, ``rewards``, ``next_obs``, ``dones``, [B, …], and what `_train` adds.

        Returns:
            New weights, new state and statistics.
        """

    @abstractmethod
    def _n_statistics(self, batch_size: int) -> int:
        """Number of statistics of a gradient step."""

    def _training_phase(self, vector: Tensor, state: State, inputs: Batch) -> tuple[Tensor, State, Tensor]:
        batches = {name: array for name, array in inputs.items() if name not in self._shared_inputs}
        shared = {name: inputs[name] for name in self._shared_inputs}

        def step(vector: Tensor, state: State, batch: Batch) -> tuple[Tensor, State, Tensor]:
            return self._gradient_step(vector, state, batch | shared)

        return consecutive_steps(step, vector, state, batches, self._n_statistics(inputs["rewards"].shape[1]))

    def _sample(self, n_steps: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Transitions for K gradient steps, [K, B, …], and their rows in the buffer, [K, B]."""
        rows = self.replay_buffer.sample_indices(n_steps, self.batch_size, generator=self.generator)
        arrays = self.replay_buffer.gather(rows, env=self._vec_normalize_env)
        return dict(zip(("obs", "actions", "rewards", "next_obs", "dones"), arrays, strict=True)), rows

    def _parts(self, steps: np.ndarray) -> list[np.ndarray]:
        """The gradient steps of a phase in even parts, each of which has all of its batches in memory."""
        inputs = self._policy.preprocessor
        fitting = max(PHASE_BYTES // (2 * self.batch_size * math.prod(inputs.shape) * inputs.dtype.itemsize), 1)
        return [steps] if len(steps) <= fitting else np.array_split(steps, -(-len(steps) // fitting))

    def _run_phase(self, batches: dict[str, Any]) -> np.ndarray:
        """Runs the compiled phase on K batches [K, B, …] (and shared inputs); returns their statistics, [K, n].

        Raises:
            FloatingPointError: a statistic or a new weight is not finite; the weights stay as they were.
        """
        obs_dtype = self._policy.preprocessor.dtype
        inputs = {
            **batches,
            "obs": batches["obs"].astype(obs_dtype, copy=False),
            "next_obs": batches["next_obs"].astype(obs_dtype, copy=False),
            "rewards": batches["rewards"].astype(np.float32, copy=False),
            "dones": batches["dones"].astype(np.float32, copy=False),
        }
        phase = self._single_step if len(inputs["rewards"]) == 1 else self._several_steps
        companions = {name: parameters.vector for name, parameters in self._companions.items()}
        vector, state, statistics = phase(self._trained.vector, self._optimizer_state | companions, inputs)
        moved = {name: state.pop(name) for name in companions}
        self._advance(vector, state, {"the loss": statistics}, f"the update at step {self.num_timesteps}")
        for name, companion in moved.items():
            self._companions[name].advance(companion)
        return statistics

    # ------------------------------------------------------------ experience
    @abstractmethod
    def _explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        """Actions for training.

        Args:
            obs: observations, [N, …].
            starts: whether an episode starts with them, [N].

        Returns:
            The actions as they are stored and as the environments take them, [N, …].
        """

    def _store(
        self,
        obs: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_obs: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        check_rewards(rewards)
        told = (infos,) if self.is_using_her() else ()
        self.replay_buffer.extend(obs, actions, rewards, next_obs, dones, *told)

    def is_using_her(self) -> bool:
        """Whether the replay buffer is one of hindsight experience replay, which relabels goals."""
        return getattr(self.replay_buffer, "relabels_goals", False)

    def replay_buffer_add(
        self, obs_t: Any, action: Any, reward: float, obs_tp1: Any, done: bool, info: Mapping[str, Any]
    ) -> None:
        """Stores one transition.

        Args:
            obs_t: observation before the step.
            action: the action, as the algorithm stores it.
            reward: the reward.
            obs_tp1: observation after the step.
            done: whether the episode ended.
            info: what the environment told besides; only hindsight experience replay uses it.
        """
        told = {"info": info} if self.is_using_her() else {}
        self.replay_buffer.add(obs_t, action, reward, obs_tp1, float(done), **told)

    # ------------------------------------------------------------ learning
    def learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        log_interval: int | None = 100,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = True,
        replay_wrapper: Callable[[Any], Any] | None = None,
        progress_bar: bool = False,
    ) -> Any:
        """Trains the model.

        Args:
            total_timesteps: number of environment steps, over all environments.
            callback: a callback object, a list of them, or a function of ``(locals, globals)`` that is called after
                every step and stops training by returning False.
            log_interval: number of episodes between two tables; None for no tables.
            tb_log_name: name of the run in ``tensorboard_log``.
            reset_num_timesteps: count from zero and start a new run; False continues both.
            replay_wrapper: function that wraps the replay buffer, for hindsight experience replay.
            progress_bar: show a progress bar.

        Returns:
            The model.

        Raises:
            ValueError: no environment, an argument out of range, or a reward that is not finite.
            FloatingPointError: the loss is NaN or infinite; the weights are those from before that update.
        """
        with Training(
            self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        ) as training:
            if self.replay_buffer is None:
                self.replay_buffer = self._make_replay_buffer()
            if replay_wrapper is not None and not self.is_using_her():
                self.replay_buffer = replay_wrapper(self.replay_buffer)
            self._start_training(training)
            collector = OffPolicyCollector(
                self._vec_env, self._explore, self._store, self._vec_normalize_env, self.bootstrap_timeouts
            )
            history, start_time, start = _History(), time.time(), self.num_timesteps

            def get_locals(get_step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
                step = (self.num_timesteps - start) // self.n_envs - 1
                told = {"step": step, "start_time": start_time, "replay_wrapper": replay_wrapper}
                return told | self._locals(get_step, history)

            def on_step(get_step: Callable[[], dict[str, Any]]) -> bool:
                return training.on_step(partial(get_locals, get_step))

            training.on_rollout_start()
            for _ in range(-(-training.total_timesteps // self.n_envs)):
                first_step = self.num_timesteps
                episodes = collector.step(on_step)
                if episodes is None:
                    break
                n_due = self.num_timesteps // self.train_freq - first_step // self.train_freq
                trains = n_due > 0 and self._may_train()
                if trains or (n_due and self._rollouts_in_warm_up):
                    training.on_rollout_end()
                    if trains:
                        self._train(n_due * self.gradient_steps, training)
                    training.on_rollout_start()
                if episodes:
                    self._note_episodes(episodes, history, first_step, training)
                self._after_step(first_step, training, history)
        return self

    def _start_training(self, training: Training) -> None:
        """Hook for what a subclass sets up at the start of `learn`."""

    def _may_train(self) -> bool:
        """Whether the warm-up is over and there are enough transitions."""
        return self.num_timesteps >= self.learning_starts and self.replay_buffer.can_sample(self.batch_size)

    @abstractmethod
    def _train(self, n_steps: int, training: Training) -> None:
        """Makes ``n_steps`` gradient steps and logs them."""

    def _after_step(self, first_step: int, training: Training, history: _History) -> None:
        """Hook for what happens by the count of steps, which was ``first_step`` before this one."""

    @abstractmethod
    def _table(self, training: Training, n_episodes: int, mean_return: float) -> dict[str, Any]:
        """What the logger prints."""

    def _note_episodes(
        self, episodes: list[dict[str, Any]], history: _History, first_step: int, training: Training
    ) -> None:
        """Logs the episodes that ended with the last step."""
        n_before = history.n_episodes
        for episode in episodes:
            history.add(episode)
            if "episode" in episode["info"]:
                self.ep_info_buf.append(episode["info"]["episode"])
        training.log_episodes([(self.n_envs, episode["return"]) for episode in episodes], first_step)
        if training.writer is not None and history.successes:
            training.writer.scalar("rollout/success_rate", history.success_rate, self.num_timesteps)
        if self._tables_by_episodes and self._passed_interval(training, n_before, history.n_episodes):
            self._log_table(training, history, self._table(training, history.n_episodes, history.mean_return))

    def _passed_interval(self, training: Training, before: int, now: int) -> bool:
        """Whether a table is due, by a count (of episodes or training phases) and what it was before."""
        interval = self._table_interval(training)
        return interval is not None and now // interval > before // interval

    def _table_interval(self, training: Training) -> int | None:
        """The interval between two tables, None for no tables; processes that learn together make them together."""
        several = self._n_workers > 1
        return training.log_interval if self.verbose >= 1 or several else None

    @staticmethod
    def _log_table(training: Training, history: _History, table: dict[str, Any]) -> None:
        if history.successes:
            table["success rate"] = history.success_rate
        training.log_table(table, "ep_rewmean", "eplenmean")

    def _locals(self, get_step: Callable[[], dict[str, Any]], history: _History) -> dict[str, Any]:
        """What callbacks may look at, under legacy names; of a single environment without the axis of environments."""
        step = get_step()
        names = {
            **{"obs": "obs", "new_obs": "new_obs", "action": "actions", "env_action": "taken", "done": "dones"},
            **{"unscaled_action": "taken", "rew": "rewards", "reward": "rewards", "reset": "starts", "info": "infos"},
        }
        single = self.n_envs == 1
        given = {name: step[key][0] if single else step[key] for name, key in names.items()}
        given |= {name: step[name] for name in ("actions", "rewards", "dones", "infos")}
        history.rewards[-1] = float(step["returns"][0])
        return given | {"episode_rewards": history.rewards, "episode_successes": history.successes}


class _History:
    """The episodes of one call of `learn`."""

    def __init__(self) -> None:
        # Returns of the episodes, and last what the one under way (of the first environment) has given before this
        # step; up to date where a callback looks.
        self.rewards = [0.0]
        self.lengths: list[int] = []
        self.successes: list[float] = []

    @property
    def n_episodes(self) -> int:
        return len(self.lengths)

    @property
    def returns(self) -> list[float]:
        """Of the episodes, in the order in which they ended."""
        return self.rewards[:-1]

    @property
    def mean_return(self) -> float:
        """Of the last 100 episodes, rounded as the tables show it."""
        return round(float(np.mean(self.returns[-100:])), 1) if self.lengths else -np.inf

    @property
    def success_rate(self) -> float:
        """Of the last 100 episodes that told ``is_success``."""
        return float(np.mean(self.successes[-100:]))

    def add(self, episode: Mapping[str, Any]) -> None:
        self.rewards[-1:] = [episode["return"], 0.0]
        self.lengths.append(episode["length"])
        success = episode["info"].get("is_success")
        if success is not None:
            self.successes.append(float(success))
