"""Actor-critic with experience replay (Wang et al. 2016, https://arxiv.org/abs/1611.01224).

Each update collects ``n_steps`` steps of every environment and learns from them, then from a random number of rollouts
out of a replay buffer. Action values are fitted to Retrace targets. The policy ascends importance-weighted advantages,
truncated and corrected for the truncation, within a trust region around an average policy. The gradient steps of one
update are one compiled call.

As in the original, the value of an observation is that of its actions, Σ_a π(a|s) Q(s, a), and the head ``vf`` is not
trained; within the trust region the entropy has no gradient, so that ``ent_coef`` only counts with
``trust_region=False``; and recurrent policies learn from every rollout with a recurrent state that starts at zero.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.acer.buffer import Buffer, Sequences
from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy, PolicyOutputs
from stable_baselines_tf2.common.schedules import SCHEDULES, Scheduler
from stable_baselines_tf2.common.tf_util import avg_norm, q_explained_variance
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.acting import CompiledActor
from stable_baselines_tf2.core.checks import check_choice, check_number, check_usual, take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.optimizers import Optimizer, RMSProp, clip_by_global_norm, polyak_average
from stable_baselines_tf2.core.parameters import FlatWeights
from stable_baselines_tf2.core.phases import (
    Batch,
    CompiledPhase,
    PhaseResult,
    Statistics,
    TrainingState,
    consecutive_steps,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import is_box, is_discrete
from stable_baselines_tf2.models.graph_access import Acting
from stable_baselines_tf2.models.loop_names import ACERNames
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.replay_files import ReplayBufferFiles
from stable_baselines_tf2.models.runners import Runner
from stable_baselines_tf2.models.training import Training

AVERAGE = "average"  # the average policy, a moving average of the policy's weights


class Estimates(NamedTuple):
    """Outputs of the network for a batch of sequences, without the last observation of each; and Retrace targets."""

    pi: Tensor  # π(·|s), [B, n]
    q: Tensor  # Q(s, ·), [B, n]
    v: Tensor  # V(s) = Σ_a π(a|s) Q(s, a), [B]
    q_taken: Tensor  # Q(s, a) of the actions taken, [B]
    q_target: Tensor  # Retrace targets of these, [B], not differentiated
    entropy: Tensor  # sum of the entropies of the policy, over all observations


class _Runner(Runner):
    """ACER's `Runner`."""


class EpisodeStats:
    """Returns and lengths of the last 40 episodes."""

    def __init__(self) -> None:
        self.rewbuffer: deque[float] = deque(maxlen=40)
        self.len_buffer: deque[int] = deque(maxlen=40)

    def feed(self, rollout: Rollout) -> None:
        """Takes the episodes that ended in a rollout."""
        self.rewbuffer.extend(total for _, total in rollout.episodes)
        self.len_buffer.extend(rollout.episode_lengths)

    def mean_length(self) -> float:
        """Mean length of the episodes, 0 before the first has ended."""
        return float(np.mean(self.len_buffer)) if self.len_buffer else 0.0

    def mean_reward(self) -> float:
        """Mean return of the episodes, 0 before the first has ended."""
        return float(np.mean(self.rewbuffer)) if self.rewbuffer else 0.0


class ACER(ReplayBufferFiles, ActorCriticRLModel):
    """Actor-critic with experience replay, for discrete actions.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        n_steps: steps of each environment in a rollout.
        num_procs: deprecated name of ``n_cpu_tf_sess``.
        q_coef: weight of the action values' loss.
        ent_coef: weight of the entropy in the loss; without effect within the trust region.
        max_grad_norm: maximum gradient norm (global clipping); None disables it.
        learning_rate: initial learning rate of RMSProp.
        lr_schedule: schedule of the learning rate: a key of ``common.schedules.SCHEDULES``.
        rprop_alpha: decay of RMSProp's mean square.
        rprop_epsilon: RMSProp's epsilon, inside the square root.
        buffer_size: steps of each environment that the replay buffer keeps.
        replay_ratio: mean number of replayed rollouts for each new one (a Poisson distribution); 0 replays nothing.
        replay_start: steps of each environment before replay starts.
        correction_term: c, at which the importance weight of the action taken is truncated.
        trust_region: keep the policy within a trust region around the average policy.
        alpha: decay of the average policy's weights.
        delta: bound δ of the trust region.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: also log histograms of observations and weights (slow, large).
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads; None, for all cores, is faster with images.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated. The value is that of the time at which it was collected.

    Raises:
        NotImplementedError: continuous actions.
        ValueError: an invalid argument, an action space that is not Discrete, or an unknown policy.
        MemoryError: the replay buffer would be larger than this machine's memory.

    Warns:
        UserWarning: replay never starts, as the buffer is too small.
    """

    step_model = Acting()
    saved = (
        "gamma",
        "n_steps",
        "q_coef",
        "ent_coef",
        "max_grad_norm",
        "learning_rate",
        "lr_schedule",
        "rprop_alpha",
        "rprop_epsilon",
        "buffer_size",
        "replay_ratio",
        "replay_start",
        "correction_term",
        "trust_region",
        "alpha",
        "delta",
        "bootstrap_timeouts",
    )
    not_saved = frozenset(("num_procs",))
    loop_names = ACERNames
    runner_class = _Runner
    names_ops: Sequence[str] = ()  # names of the statistics that tables show, once there has been an update
    may_be_nan = ("explained_variance",)  # where all targets are the same, as a single one is
    n_replayed = 0  # updates from the replay buffer after the last rollout
    log_tags: ClassVar[Mapping[str, str]] = {
        "entropy": "loss/entropy_loss",
        "loss_policy": "loss/policy_gradient_loss",
        "loss_q": "loss/value_function_loss",
        "loss": "loss/loss",
        "learning_rate": "input_info/learning_rate",
        "advantage": "input_info/advantage",
    }

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        n_steps: int = 20,
        num_procs: int | None = None,
        q_coef: float = 0.5,
        ent_coef: float = 0.01,
        max_grad_norm: float | None = 10,
        learning_rate: float = 7e-4,
        lr_schedule: str = "linear",
        rprop_alpha: float = 0.99,
        rprop_epsilon: float = 1e-5,
        buffer_size: int = 5000,
        replay_ratio: float = 4,
        replay_start: int = 1000,
        correction_term: float = 10.0,
        trust_region: bool = True,
        alpha: float = 0.99,
        delta: float = 1,
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = 1,
        bootstrap_timeouts: bool = False,
    ) -> None:
        if num_procs is not None:
            warnings.warn("num_procs is deprecated; use n_cpu_tf_sess", DeprecationWarning, stacklevel=2)
            n_cpu_tf_sess = num_procs
        self.replay_buffer: Buffer | None = None
        super().__init__(
            policy,
            env,
            _init_setup_model,
            verbose,
            requires_vec_env=True,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.n_steps = gamma, n_steps
        self.q_coef, self.ent_coef, self.max_grad_norm = q_coef, ent_coef, max_grad_norm
        self.learning_rate, self.lr_schedule = learning_rate, lr_schedule
        self.rprop_alpha, self.rprop_epsilon = rprop_alpha, rprop_epsilon
        self.buffer_size, self.replay_ratio, self.replay_start = buffer_size, replay_ratio, replay_start
        self.correction_term, self.trust_region, self.alpha, self.delta = correction_term, trust_region, alpha, delta
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        self.learning_rate_schedule: Scheduler | None = None
        self._first_step = 0  # of this call of learn()
        self.episode_stats = EpisodeStats()  # since training started
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        if is_box(self.action_space):
            raise NotImplementedError(f"ACER needs Discrete actions, not the continuous ones of {self.action_space}")
        if not is_discrete(self.action_space):
            raise ValueError(f"ACER needs Discrete actions, not {self.action_space}")
        check_choice("lr_schedule", self.lr_schedule, SCHEDULES)
        for name in ("rprop_alpha", "alpha"):
            check_usual(name, getattr(self, name), 0.0, 1.0)
        for name in ("rprop_epsilon", "replay_ratio"):
            check_number(name, getattr(self, name), 0.0)
        for name in ("replay_start", "correction_term", "delta"):
            check_usual(name, getattr(self, name), 0.0)
        take_whole(self, "buffer_size", self.n_steps if self.replay_ratio else 0)
        if self.replay_ratio and self.replay_start // self.n_steps > self.buffer_size // self.n_steps:
            warnings.warn(
                f"replay_start={self.replay_start} is more than buffer_size={self.buffer_size}: nothing is replayed",
                stacklevel=2,
            )

    def setup_model(self) -> None:
        """Creates the policy, the optimizer, the compiled update and, where there is an environment, the replay buffer.

        Raises:
            NotImplementedError: continuous actions.
            ValueError: the spaces or arguments do not fit.
            MemoryError: the replay buffer would be larger than this machine's memory.
        """
        super().setup_model()
        if self.env is not None and self.replay_ratio:
            self.replay_buffer = self.make_replay_buffer()

    def use_env(self, env: VecEnv) -> None:
        super().use_env(env)
        if self.replay_buffer is not None and self.replay_buffer.n_env != env.num_envs:
            self.replay_buffer = None

    def make_replay_buffer(self) -> Buffer:
        if self.env is None:
            raise ValueError(
                "env: the size of the replay buffer depends on the number of environments; call set_env() first"
            )
        return Buffer(self.env, self.n_steps, self.buffer_size)

    def make_optimizer(self) -> Optimizer:
        return RMSProp(self.rprop_alpha, self.rprop_epsilon)

    def build_networks(self) -> None:
        self.target_parameters = {AVERAGE: FlatWeights(self.trainable.vector)}

    def on_new_weights(self) -> None:
        self.target_parameters[AVERAGE].advance(self.trainable.vector)

    @property
    def n_act(self) -> int:
        """Number of actions."""
        return int(self.action_space.n)

    @property
    def average_parameters(self) -> dict[str, np.ndarray]:
        """The weights of the average policy, by legacy name."""
        return self.trainable.as_dict(self.target_parameters[AVERAGE].vector)

    # ------------------------------------------------------------ the update
    def build_update(self) -> None:
        policy = self.train_model
        # With XLA, the number of steps in a call is fixed (each other one would be compiled): the mean and some more.
        several = policy.is_small and self.replay_ratio > 0
        self.steps_per_call = 1 + int(np.ceil(self.replay_ratio + 4 * np.sqrt(self.replay_ratio))) if several else 1
        self.phase = CompiledPhase(
            self.training_phase,
            jit_compile=several or (policy.is_small and policy.recurrent),
            in_caller=policy.is_small,
        )

    def training_phase(self, vector: Tensor, state: TrainingState, inputs: Batch) -> PhaseResult:
        batches = dict(inputs)
        shared = {name: batches.pop(name) for name in ("learning_rate", "states") if name in batches}
        n_steps = batches.pop("n_steps")

        def step(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            return self.gradient_step(vector, state, batch | shared)

        return consecutive_steps(step, vector, state, batches, n_steps)

    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One step of RMSProp, and of the average of the weights; statistics are from before it."""
        network = batch["obs"], batch.get("states"), batch.get("starts"), self.n_steps + 1
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(vector)
            estimates = self._estimates(self.train_model.with_weights(vector, *network), batch)
            pi = estimates.pi
            loss_q = 0.5 * losses.squared_error(estimates.q_taken, estimates.q_target)
            weighted_loss_q = self.q_coef * loss_q
            truncated, correction = losses.importance_truncation(
                pi, batch["mus"], batch["actions"], estimates.q_target, estimates.q, estimates.v, self.correction_term
            )
            gain = (truncated + correction) / (pi + losses.ACER_EPSILON)  # gradient of the gain by the probabilities
            kept = gain
            trust_region: Statistics = {}
            if self.trust_region:
                average = self.train_model.with_weights(state.targets[AVERAGE], *network)
                kept, trust_region = self._within_trust_region(gain, self._without_last(average.policy), pi)
            # Its gradient by the probabilities is what the trust region keeps of the gain's.
            surrogate = -tf.reduce_mean(tf.reduce_sum(tf.stop_gradient(kept) * pi, axis=1))
            if not self.trust_region:
                surrogate -= self.ent_coef * estimates.entropy
        gradient_policy, gradient_q = tape.gradient(surrogate, vector), tape.gradient(weighted_loss_q, vector)
        gradient = gradient_policy + gradient_q
        statistics = self._statistics(estimates, truncated, correction, loss_q) | {"norm_grads": tf.norm(gradient)}
        if self.trust_region:
            statistics |= {"norm_grads_q": tf.norm(gradient_q), "norm_grads_policy": tf.norm(gradient_policy)}
            statistics |= trust_region
        statistics["advantage"] = tf.reduce_mean(estimates.q_target - estimates.v)
        gradient = clip_by_global_norm(gradient, self.max_grad_norm)
        vector, moments = self.optimizer.step(vector, gradient, state.moments, batch["learning_rate"])
        average = polyak_average(vector, state.targets[AVERAGE], self.alpha)
        return vector, state._replace(moments=moments, targets={AVERAGE: average}), statistics

    def _without_last(self, logits: Tensor) -> Tensor:
        """Probabilities of actions [N · T, n] from logits [N · (T + 1), n], without the last observations."""
        return strip(tf.nn.softmax(logits), logits.shape[0] // (self.n_steps + 1), self.n_steps)

    def _estimates(self, outputs: PolicyOutputs, batch: Batch) -> Estimates:
        """Probabilities, values and Retrace targets, from the outputs for all T + 1 observations."""
        sequences = batch["rewards"].shape[0] // self.n_steps, self.n_steps
        probabilities = tf.nn.softmax(outputs.policy)
        values = tf.reduce_sum(probabilities * outputs.q_value, axis=1)
        pi, q = strip(probabilities, *sequences), strip(outputs.q_value, *sequences)
        q_taken, pi_taken, mu_taken = (get_by_index(x, batch["actions"]) for x in (q, pi, batch["mus"]))
        rho = pi_taken / (mu_taken + losses.ACER_EPSILON)
        q_target = q_retrace(batch["rewards"], batch["dones"], q_taken, values, rho, *sequences, self.gamma)
        entropy = tf.reduce_sum(outputs.distribution.entropy())
        return Estimates(pi, q, strip(values, *sequences, flat=True), q_taken, tf.stop_gradient(q_target), entropy)

    def _within_trust_region(self, gain: Tensor, average: Tensor, pi: Tensor) -> tuple[Tensor, Statistics]:
        """What the trust region keeps of the gain's gradient, and statistics.

        Args:
            gain: gradient of the gain by the probabilities, [B, n].
            average: probabilities of the average policy, [B, n].
            pi: probabilities of the policy, [B, n].
        """
        adjustment, k = losses.trust_region_adjustment(gain, average, pi, self.delta)
        kept = gain - adjustment[:, tf.newaxis] * k
        return kept, {
            "avg_norm_grads_f": avg_norm(kept),
            "avg_norm_k": avg_norm(k),
            "avg_norm_g": avg_norm(gain),
            "avg_norm_k_dot_g": tf.reduce_mean(tf.abs(tf.reduce_sum(k * gain, axis=1))),
            "avg_norm_adj": tf.reduce_mean(tf.abs(adjustment)),
        }

    def _statistics(self, estimates: Estimates, truncated: Tensor, correction: Tensor, loss_q: Tensor) -> Statistics:
        """The losses, entropy and explained variance; for the weights of `importance_truncation` [B, n]."""
        log_pi = tf.math.log(estimates.pi + losses.ACER_EPSILON)
        loss_f, loss_bc = (-tf.reduce_mean(tf.reduce_sum(x * log_pi, axis=1)) for x in (truncated, correction))
        q_taken, q_target = (tf.reshape(x, (-1, self.n_steps)) for x in (estimates.q_taken, estimates.q_target))
        return {
            "loss": loss_f + loss_bc + self.q_coef * loss_q - self.ent_coef * estimates.entropy,
            "loss_q": loss_q,
            "entropy": estimates.entropy,
            "loss_policy": loss_f + loss_bc,
            "loss_f": loss_f,
            "loss_bc": loss_bc,
            "explained_variance": q_explained_variance(q_taken, q_target),
        }

    def train(self, batches: dict[str, np.ndarray], learning_rate: float) -> dict[str, float]:
        """Makes the compiled steps; returns the statistics of the first.

        Args:
            batches: one for each of K steps, at most ``steps_per_call``: obs [K, N · (T + 1), …], actions, rewards,
                dones [K, N · T], mus [K, N · T, n]; with a recurrent policy also starts [K, N · (T + 1)] and, for all
                steps, states [N, 2H].
            learning_rate: learning rate.
        """
        n_steps = len(batches["rewards"])
        inputs: dict[str, np.ndarray | np.generic] = {
            name: array if name == "states" else _padded(array, self.steps_per_call) for name, array in batches.items()
        }
        inputs |= {"learning_rate": np.float32(learning_rate), "n_steps": np.int32(n_steps)}
        statistics = self.run_update(self.phase, inputs)
        self.names_ops = [name for name in statistics if name != "advantage"]
        return {name: float(values[0]) for name, values in statistics.items()}

    def _probabilities(self, rollout: Rollout) -> np.ndarray:
        """Probabilities of all actions when the rollout was collected, [N, T, n]."""
        logits = rollout.distributions
        assert logits is not None  # `acting` gives them
        return self.train_model.sampler.probabilities(rollout.flat(logits)).reshape(logits.shape)

    def sequences(self, rollout: Rollout) -> Sequences:
        """A rollout in the form of the replay buffer."""
        mus = self._probabilities(rollout)
        obs = np.concatenate([rollout.obs, rollout.last_obs[:, np.newaxis]], axis=1)
        masks = np.concatenate([rollout.starts, rollout.last_dones[:, np.newaxis]], axis=1)
        return obs, rollout.actions, rollout.rewards, mus, rollout.dones, masks

    def _batches(self, sequences: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
        """What `train` takes, from the arrays [K, N, …] of `Buffer.gather`."""
        obs, actions, rewards, mus, dones, masks = (
            array.reshape(len(array), -1, *array.shape[3:]) for array in sequences
        )
        batches = {"obs": obs, "actions": actions, "rewards": rewards, "mus": mus, "dones": dones.astype(np.float32)}
        if self.initial_state is not None:
            batches |= {"starts": masks.astype(np.float32), "states": self.initial_state}
        return batches

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        self.episode_stats.feed(rollout)
        schedule, buffer = self.learning_rate_schedule, self.replay_buffer
        assert schedule is not None  # since the start of training
        learning_rate = schedule.value_steps(min(self.num_timesteps - self._first_step, training.total_timesteps))
        new = self.sequences(rollout)
        # Values that are not finite stop training now, and must not enter the replay buffer.
        if buffer is None or not all(np.isfinite(array).all() for array in new if array.dtype.kind == "f"):
            statistics = self.train(self._batches(array[np.newaxis] for array in new), learning_rate)
        else:
            buffer.put(*new)
            which = buffer.newest()
            if buffer.has_atleast(self.replay_start):
                replayed = buffer.sample_indices(self.generator.poisson(self.replay_ratio), self.generator)
                which = np.concatenate([which, replayed])
                self.n_replayed = len(replayed)
            calls = np.split(which, range(self.steps_per_call, len(which), self.steps_per_call))
            statistics, *_ = [self.train(self._batches(buffer.gather(idx)), learning_rate) for idx in calls]
        return statistics | {"learning_rate": float(learning_rate)}

    def rollout_scalars(self, rollout: Rollout, statistics: Mapping[str, float]) -> dict[str, float]:
        return {
            "input_info/rewards": float(np.mean(rollout.rewards)),
            "input_info/action_probability": float(np.mean(self._probabilities(rollout))),
        }

    # ------------------------------------------------------------ learning
    def acting(self) -> tuple[Callable[..., tuple[Any, ...]], Callable[..., np.ndarray]]:
        policy = self.train_model
        if not self.bootstrap_timeouts:
            return policy.step_and_distribution, policy.value
        actor = CompiledActor(self._forward, policy.params, policy.preprocessor.spec, policy.initial_state)
        return policy.step_and_distribution, lambda *inputs: actor(*policy.network_inputs(*inputs)).value

    def _forward(self, vector: Tensor, obs: Tensor, state: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `CompiledActor` compiles, with the values of observations as the update sees them."""
        recurrent = self.train_model.recurrent
        outputs = self.train_model.with_weights(vector, obs, *((state, mask) if recurrent else ()))
        value = tf.reduce_sum(tf.nn.softmax(outputs.policy) * outputs.q_value, axis=1)
        return outputs.policy, value, outputs.state if recurrent else state

    def start_training(self, training: Training) -> None:
        self.learning_rate_schedule = Scheduler(self.learning_rate, training.total_timesteps, self.lr_schedule)
        self._first_step = self.num_timesteps
        self.episode_stats = EpisodeStats()
        if self.replay_buffer is None and self.replay_ratio:
            self.replay_buffer = self.make_replay_buffer()

    def count_updates(self, total_timesteps: int) -> int:
        return -(-total_timesteps // self.n_batch)

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        return {
            "total_timesteps": self.num_timesteps,
            "fps": training.fps,
            "mean_episode_length": self.episode_stats.mean_length(),
            "mean_episode_reward": self.episode_stats.mean_reward(),
            **{name: value for name, value in statistics.items() if name not in ("advantage", "learning_rate")},
        }

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "ACER",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> ACER:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    """The array padded with zeros, [length, …]."""
    if len(array) == length:
        return array
    padded = np.zeros((length, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded


def get_by_index(input_tensor: Tensor, idx: Tensor) -> Tensor:
    """The entries of ``input_tensor`` [B, n] at ``idx`` [B]."""
    return losses.gather_actions(input_tensor, idx)


def strip(var: Tensor, n_envs: int, n_steps: int, flat: bool = False) -> Tensor:
    """Removes the last step of every environment.

    Args:
        var: rows of ``n_steps + 1`` steps, environment by environment, [n_envs · (n_steps + 1), n].
        n_envs: number of environments.
        n_steps: number of steps that remain.
        flat: one number per row, not a vector.

    Returns:
        [n_envs · n_steps, n], or without n if ``flat``.
    """
    rest = () if flat else var.shape[1:]
    return tf.reshape(tf.reshape(var, (n_envs, n_steps + 1, *rest))[:, :-1], (-1, *rest))


def q_retrace(
    rewards: Tensor, dones: Tensor, q_i: Tensor, values: Tensor, rho_i: Tensor, n_envs: int, n_steps: int, gamma: float
) -> Tensor:
    """Retrace targets of action values: `losses.retrace` on flat batches, environment by environment.

    Args:
        rewards: [n_envs · n_steps], as are the others but one.
        dones: 1 where a step ended its episode.
        q_i: values of the actions taken.
        values: values of observations, [n_envs · (n_steps + 1)].
        rho_i: importance weights of the actions taken.
        n_envs: number of environments.
        n_steps: number of steps.
        gamma: discount γ.

    Returns:
        Targets, [n_envs · n_steps].
    """

    def time_major(flat: Tensor, n: int) -> Tensor:
        return tf.transpose(tf.reshape(flat, (n_envs, n)))

    targets = losses.retrace(
        time_major(rewards, n_steps),
        time_major(dones, n_steps),
        time_major(q_i, n_steps),
        time_major(values, n_steps + 1),
        time_major(rho_i, n_steps),
        gamma,
    )
    return tf.reshape(tf.transpose(targets), (-1,))


__all__ = ["ACER", "get_by_index", "q_retrace", "strip"]
