"""Base class of the algorithms that learn from a replay buffer: DQN, SAC, TD3 and DDPG."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.buffers import ReplayBuffer, check_rewards
from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.graph_policies import make_policy, one_graph
from stable_baselines_tf2.common.policies import BasePolicy
from stable_baselines_tf2.common.schedules import get_schedule_fn
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core.checks import check_number, check_usual, take_whole, warn_caller
from stable_baselines_tf2.core.collect import OffPolicyCollector, monitor_records
from stable_baselines_tf2.core.hooks import hook
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.core.phases import (
    Batch,
    CompiledPhase,
    PhaseResult,
    TrainingState,
    consecutive_steps,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import random_actions
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.loop_names import LoopNames, TransitionNames
from stable_baselines_tf2.models.replay_files import ReplayBufferFiles
from stable_baselines_tf2.models.training import SetVerbosity, Training

PHASE_BYTES = 2**26  # of observations, for the gradient steps of one compiled call
Actions = tuple[np.ndarray, np.ndarray]


class OffPolicyRLModel(ReplayBufferFiles, BaseRLModel):
    """Base of the algorithms that learn from a replay buffer.

    The loop, training phases, logs, callbacks and files are here. A subclass builds its networks (`build_networks`)
    and says what one gradient step does (`gradient_step`, compiled), which random numbers it needs (`noise_inputs`) and
    how it explores (`explore`). A constructor sets ``learning_rate``, a number or a function of the remaining progress.

    Training always runs on a vectorized environment, with any number of environments. Where there is one, ``env`` and
    `get_env` give it without the axis of environments, as scripts expect of a single environment.

    Attributes:
        tables_by_episodes: whether the interval between two tables counts episodes, rather than training phases.
        rollouts_in_warm_up: whether rollouts also end where a training phase would be due before ``learning_starts``.
        shared_inputs: names of the inputs that are the same for all gradient steps of a phase.
        policy_tf: the policy that is trained.
        n_updates: gradient steps of this call of `learn`.

    Args:
        policy: a policy class, or the name of a registered one.
        env: an environment, a vectorized one, the id of a registered one, or None (for a model that only predicts).
        replay_buffer: a buffer to use; one of ``buffer_size`` is made if None.
        _init_setup_model: build the networks in the constructor.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        requires_vec_env: keep the axis of environments of a single one in ``model.env``.
        policy_base: the kind of policy that the algorithm uses; any if None.
        policy_kwargs: further arguments of the policy.
        seed: seed of all random generators; None for a random one.
        n_cpu_tf_sess: TensorFlow's threads.
    """

    loop_names: ClassVar[type[LoopNames]] = TransitionNames
    resets_first: ClassVar[bool] = True  # whether the environment is reset before callbacks hear of the training
    tables_by_episodes: ClassVar[bool] = True
    rollouts_in_warm_up: ClassVar[bool] = False
    shared_inputs: ClassVar[tuple[str, ...]] = ("learning_rate",)
    learning_rate: float | Callable[[float], float] = 3e-4
    policy_tf: Any = None
    all_parameters: JoinedParameters
    n_updates = 0
    current_learning_rate: Any = 0.0

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: EnvLike | None,
        replay_buffer: ReplayBuffer | None = None,
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
        # Statistics of the gradient steps of the last training phase, in chunks, and their `step_numbers`.
        self.last_phase: tuple[list[dict[str, np.ndarray]], np.ndarray] | None = None
        self.shown_phase: Any = None  # the one whose statistics a table has shown
        self.single_step_phase: CompiledPhase
        self.multi_step_phase: CompiledPhase

    # ------------------------------------------------------------ environment
    def use_env(self, env: VecEnv) -> None:
        super().use_env(env)
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
        with SetVerbosity(self.verbose), one_graph(self.seed):
            self.set_random_seed(self.seed)
            self.check_arguments()
            self.build_networks()
            small = self.acting_policy.is_small
            # XLA takes seconds to compile; in loops it earns them back.
            several = self.n_workers > 1  # XLA cannot reach other processes
            fast = small and not several
            self.single_step_phase = CompiledPhase(self.training_phase, jit_compile=False, in_caller=fast)
            self.multi_step_phase = CompiledPhase(self.training_phase, jit_compile=fast, in_caller=fast)
            if self.vec_env is not None and self.replay_buffer is None:
                self.replay_buffer = self.make_replay_buffer()

    @hook
    def check_arguments(self) -> None:
        """Checks hyperparameters.

        Raises:
            ValueError: an invalid argument.
        """
        check_usual("gamma", self.gamma, 0.0, 1.0)
        for name in ("buffer_size", "batch_size", "train_freq"):
            take_whole(self, name, 1)
        take_whole(self, "gradient_steps", 0)
        check_usual("learning_starts", self.learning_starts, 0)
        if self.batch_size > self.buffer_size:
            warn_caller(f"batch_size={self.batch_size} is more than buffer_size={self.buffer_size}: nothing is learned")
        self.check_rates()

    @hook
    def check_rates(self) -> None:
        """Checks learning rates; by default the one of ``learning_rate``."""
        if not callable(self.learning_rate):
            check_number("learning_rate", self.learning_rate, 0.0)

    @abstractmethod
    @hook
    def build_networks(self) -> None:
        """Creates policies and optimizer: sets ``policy_tf``, ``all_parameters`` and ``target_parameters``."""

    def make_network(self, name: str = "model", **attributes: object) -> Any:
        """A policy whose variables are called ``name/…``, built.

        Args:
            name: what the names of its variables begin with.
            attributes: attributes to set before it is built.

        Raises:
            ValueError: its constructor has built it already, under another name.
        """

        def prepare(network: Any) -> None:
            if network.built and network.name != name:
                raise ValueError(
                    f"policy: {type(network).__name__} builds its variables in the constructor, where they cannot be "
                    f"called {name}/…: leave that to the algorithm"
                )
            network.name, network.generator = name, self.generator
            for attribute, value in attributes.items():
                setattr(network, attribute, value)

        spaces = self.observation_space, self.action_space
        return make_policy(self.policy, None, *spaces, 1, 1, None, prepare=prepare, **self.policy_kwargs)

    def link_targets(self, target: Parameters) -> slice:
        """Copies weights to a target network; says where those that it follows are among the trained ones."""
        own = self.acting_policy.name
        place = self.trainable.place([f"{own}/{name.partition('/')[2]}" for name in target.names])
        target.advance(self.trainable.vector[place])
        return place

    @property
    @hook
    def acting_policy(self) -> Any:
        return self.require_built(self.policy_tf)

    @property
    @hook
    def trainable(self) -> Parameters:
        return self.acting_policy.params

    @property
    @hook
    def parameters(self) -> JoinedParameters:
        self.require_built(self.acting_policy)
        return self.all_parameters

    @hook
    def make_replay_buffer(self) -> ReplayBuffer:
        return ReplayBuffer(self.buffer_size, self.observation_space)

    # ------------------------------------------------------------ the update
    @abstractmethod
    @hook
    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One gradient step on a batch of transitions, in TensorFlow.

        Args:
            vector: the trained weights, [n].
            state: the optimizer's moments, the weights of ``target_parameters``, and ``extra_parameters``.
            batch: ``obs``, ``actions``, ``rewards``, ``next_obs``, ``dones``, [B, …], ``learning_rate``, and what
                `noise_inputs` gives.

        Returns:
            New weights, the whole new state, and statistics by name.
        """

    def training_phase(
        self, vector: Tensor, state: TrainingState, inputs: Batch, variant: Hashable = None
    ) -> PhaseResult:
        """The compiled phase: K of `gradient_step` on batches [K, B, …]."""
        batches = {name: array for name, array in inputs.items() if name not in self.shared_inputs}
        shared = {name: inputs[name] for name in self.shared_inputs}
        one_step: Callable[..., PhaseResult] = self.gradient_step
        if variant is not None:
            one_step = partial(one_step, variant=variant)

        def step(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            return one_step(vector, state, batch | shared)

        return consecutive_steps(step, vector, state, batches)

    def sample(self, n_steps: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Transitions for K gradient steps, [K, B, …], and their rows in the buffer, [K, B]."""
        rows = self.replay_buffer.sample_indices(n_steps, self.batch_size, generator=self.generator)
        arrays = self.replay_buffer.gather(rows, env=self._vec_normalize_env)
        return dict(zip(("obs", "actions", "rewards", "next_obs", "dones"), arrays, strict=True)), rows

    def chunks(self, steps: np.ndarray) -> list[np.ndarray]:
        """The gradient steps of a phase in even chunks, each of which has all of its batches in memory."""
        inputs = self.acting_policy.preprocessor
        fitting = max(PHASE_BYTES // (2 * self.batch_size * math.prod(inputs.shape) * inputs.dtype.itemsize), 1)
        return [steps] if len(steps) <= fitting else np.array_split(steps, -(-len(steps) // fitting))

    def run_phase(self, batches: dict[str, Any], variant: Hashable = None) -> dict[str, np.ndarray]:
        """Runs the compiled phase.

        Args:
            batches: K batches [K, B, …], and ``shared_inputs``.
            variant: what `step_variant` gives.

        Returns:
            Statistics of the gradient steps by name, [K, …].

        Raises:
            FloatingPointError: a statistic or a new weight is not finite; the weights stay as they were.
        """
        obs_dtype = self.acting_policy.preprocessor.dtype
        inputs = {
            **batches,
            "obs": batches["obs"].astype(obs_dtype, copy=False),
            "next_obs": batches["next_obs"].astype(obs_dtype, copy=False),
            "rewards": batches["rewards"].astype(np.float32, copy=False),
            "dones": batches["dones"].astype(np.float32, copy=False),
        }
        phase = self.single_step_phase if len(inputs["rewards"]) == 1 else self.multi_step_phase
        return self.run_update(phase, inputs, variant)

    @hook
    def noise_inputs(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """What `gradient_step` takes besides transitions, for the steps of these `step_numbers` [K], [K, …]."""
        return {}

    @hook
    def step_variant(self, numbers: np.ndarray) -> Hashable:
        """What is decided for all gradient steps of a phase when it is compiled, which gets it as ``variant``.

        By default None: there is nothing to decide, and `gradient_step` takes no ``variant``.
        """
        return None

    def step_numbers(self, n_steps: int) -> np.ndarray:
        """For each gradient step, the environment step that it is due to, from 0, plus its place among those of it."""
        n_due = n_steps // self.gradient_steps
        due = self.num_timesteps // self.train_freq * self.train_freq - np.arange(n_due)[::-1] * self.train_freq
        return (due[:, np.newaxis] - 1 + np.arange(self.gradient_steps)).ravel()

    @hook
    def learning_rate_at(self, progress_remaining: float) -> Any:
        """What `gradient_step` takes as ``learning_rate``, when this fraction of the training remains."""
        return float(get_schedule_fn(self.learning_rate)(progress_remaining))

    def update(
        self, batches: dict[str, Any], learning_rate: np.ndarray | float, variant: Hashable = None
    ) -> dict[str, np.ndarray]:
        """Makes K gradient steps.

        Args:
            batches: obs, actions, rewards, next_obs and dones, and what `noise_inputs` gives, [K, B, …].
            learning_rate: learning rate.
            variant: what `step_variant` gives.

        Returns:
            Statistics by name, [K, …].
        """
        return self.run_phase(batches | {"learning_rate": np.float32(learning_rate)}, variant)

    @hook
    def train(self, n_steps: int, training: Training) -> None:
        """Makes ``n_steps`` gradient steps and logs them."""
        self.current_learning_rate = self.learning_rate_at(training.progress_remaining)
        numbers = self.step_numbers(n_steps)
        found = [
            self.update(
                self.sample(len(chunk))[0] | self.noise_inputs(chunk),
                self.current_learning_rate,
                self.step_variant(chunk),
            )
            for chunk in self.chunks(numbers)
        ]
        self.last_phase = found, numbers
        self.n_updates += n_steps
        if training.writer is not None:
            values = {**self.last_statistics, "learning_rate": self.current_learning_rate}
            training.log_update({f"loss/{name}": value for name, value in values.items()})

    @property
    def last_statistics(self) -> dict[str, float]:
        """What is logged of the last training phase, by name; nothing before the first."""
        if self.last_phase is None:
            return {}
        chunks, numbers = self.last_phase
        return self.summarize(joined(chunks), numbers)

    @hook
    def summarize(self, statistics: dict[str, np.ndarray], numbers: np.ndarray) -> dict[str, float]:
        """What is logged of a training phase; by default means.

        Args:
            statistics: of its gradient steps, [K, …].
            numbers: their `step_numbers`, [K].
        """
        return {name: float(values.mean()) for name, values in statistics.items()}

    # ------------------------------------------------------------ experience
    @hook
    def explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        """Actions for training; by default random ones until ``learning_starts``, then those of the policy's ``act``.

        Args:
            obs: observations, [N, …].
            starts: whether an episode starts with them, [N].

        Returns:
            The actions as they are stored and as the environments take them, [N, …].
        """
        if self.num_timesteps < self.learning_starts:
            actions = random_actions(self.action_space, len(obs), self.generator)
        else:
            actions, _ = self.acting_policy.act(obs)
        return actions, actions

    @hook
    def store(
        self,
        obs: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_obs: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Stores the transitions of one step, [N, …]."""
        check_rewards(rewards)
        extra = (infos,) if self.is_using_her() else ()
        self.replay_buffer.extend(obs, actions, rewards, next_obs, dones, *extra)

    def is_using_her(self) -> bool:
        """Whether the replay buffer is one of hindsight experience replay, which relabels goals."""
        return getattr(self.replay_buffer, "relabels_goals", False)

    def replay_buffer_add(
        self,
        obs_t: ArrayLike,
        action: ArrayLike,
        reward: float,
        obs_tp1: ArrayLike,
        done: bool,
        info: Mapping[str, Any],
    ) -> None:
        """Stores one transition.

        Args:
            obs_t: observation before the step.
            action: the action, as the algorithm stores it.
            reward: the reward.
            obs_tp1: observation after the step.
            done: whether the episode ended.
            info: what the environment returned besides; only hindsight experience replay uses it.
        """
        extra = {"info": info} if self.is_using_her() else {}
        self.replay_buffer.add(obs_t, action, reward, obs_tp1, float(done), **extra)

    # ------------------------------------------------------------ learning
    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
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
            self,
            total_timesteps,
            callback,
            log_interval,
            tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
        ) as training:
            if self.replay_buffer is None:
                self.replay_buffer = self.make_replay_buffer()
            if replay_wrapper is not None and not self.is_using_her():
                self.replay_buffer = replay_wrapper(self.replay_buffer)
            self.start_training(training)
            history = EpisodeHistory()
            collector = self._collector() if self.resets_first else None
            training.begin(history=history, collector=collector, replay_wrapper=replay_wrapper)
            training.on_rollout_start()
            training.names.collector = collector = collector or self._collector()
            for _ in range(-(-training.total_timesteps // self.n_envs)):
                first_step = self.num_timesteps
                episodes = collector.step(training.on_step)
                if episodes is None:
                    break
                n_due = self.num_timesteps // self.train_freq - first_step // self.train_freq
                trains = n_due * self.gradient_steps > 0 and self.may_train()
                if trains or (n_due and self.rollouts_in_warm_up):
                    training.on_rollout_end()
                    if trains:
                        self.train(n_due * self.gradient_steps, training)
                        training.on_update({})
                    training.on_rollout_start()
                if episodes:
                    self.record_episodes(episodes, history, first_step, training)
                self.after_step(first_step, training, history)
        return self

    def _collector(self) -> OffPolicyCollector:
        """Plays the environment, which it resets."""
        return OffPolicyCollector(
            self.vec_env,
            self.explore,
            self.store,
            self._vec_normalize_env,
            bootstrap_timeouts=self.bootstrap_timeouts,
        )

    @hook
    def start_training(self, training: Training) -> None:
        """Prepares a call of `learn`, once its environment and callbacks are ready."""
        self.n_updates, self.last_phase, self.shown_phase = 0, None, None
        self.current_learning_rate = self.learning_rate_at(1.0)

    @hook
    def may_train(self) -> bool:
        """Whether the warm-up is over and there are enough transitions."""
        return self.num_timesteps >= self.learning_starts and self.replay_buffer.can_sample(self.batch_size)

    @hook
    def after_step(self, first_step: int, training: Training, history: EpisodeHistory) -> None:
        """What happens by the count of steps, which was ``first_step`` before this one; by default nothing."""

    @hook
    def table(self, training: Training, n_episodes: int, mean_return: float) -> dict[str, Any]:
        """What the logger prints."""
        return {
            "episodes": n_episodes,
            "mean 100 episode reward": mean_return,
            "n_updates": self.n_updates,
            "current_lr": self.current_learning_rate,
            "fps": training.fps,
            "time_elapsed": int(training.elapsed),
            **({} if self.shown_phase is self.last_phase else self.last_statistics),
            "total timesteps": self.num_timesteps,
        }

    def record_episodes(
        self, episodes: list[dict[str, Any]], history: EpisodeHistory, first_step: int, training: Training
    ) -> None:
        """Logs the episodes that ended with the last step."""
        n_before = history.n_episodes
        for episode in episodes:
            history.add(episode)
            self.ep_info_buf.extend(monitor_records([episode["info"]]))
        training.log_episodes([(self.n_envs, episode["return"]) for episode in episodes], first_step)
        if training.writer is not None and history.successes:
            training.writer.scalar("rollout/success_rate", history.success_rate, self.num_timesteps)
        if self.tables_by_episodes and self.passed_interval(training, n_before, history.n_episodes):
            self.log_table(training, history, self.table(training, history.n_episodes, history.mean_return))
            self.shown_phase = self.last_phase  # its statistics are shown once

    def passed_interval(self, training: Training, before: int, now: int) -> bool:
        """Whether a table is due, by a count (of episodes or training phases) and what it was before."""
        interval = self.table_interval(training)
        return interval is not None and now // interval > before // interval

    def table_interval(self, training: Training) -> int | None:
        """The interval between two tables, None for no tables; MPI workers make them together."""
        several = self.n_workers > 1
        return training.log_interval if self.verbose >= 1 or several else None

    @staticmethod
    def log_table(training: Training, history: EpisodeHistory, table: dict[str, Any]) -> None:
        if history.successes:
            table["success rate"] = history.success_rate
        training.log_table(table, "ep_rewmean", "eplenmean")

    @hook
    def step_locals(self, get_step: Callable[[], dict[str, Any]], history: EpisodeHistory) -> dict[str, Any]:
        """What callbacks may look at besides the names of `TransitionNames`.

        Args:
            get_step: gives the step: ``obs``, ``new_obs``, ``actions``, ``rewards``, ``dones`` [N, …], ``infos``.
            history: the episodes so far.
        """
        return {}


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Statistics of consecutive gradient steps, [K, …], from those of parts of them."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class EpisodeHistory:
    """The episodes of one call of `learn`."""

    def __init__(self) -> None:
        # Returns of the episodes, and last what the one under way (of the first environment) has given before this
        # step; up to date where a callback looks.
        self.rewards = [0.0]
        self.lengths: list[int] = []
        self.successes: list[float] = []
        self.last_success: Any = None  # ``is_success`` of the last episode

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
        """Of the last 100 episodes that reported ``is_success``."""
        return float(np.mean(self.successes[-100:]))

    def add(self, episode: Mapping[str, Any]) -> None:
        self.rewards[-1:] = [episode["return"], 0.0]
        self.lengths.append(episode["length"])
        success = self.last_success = episode["info"].get("is_success")
        if success is not None:
            self.successes.append(float(success))
