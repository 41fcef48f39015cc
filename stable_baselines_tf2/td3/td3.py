"""Twin delayed DDPG (Fujimoto et al. 2018, https://arxiv.org/abs/1802.09477).

Each gradient step lowers the squared errors of two critics, Q_i(s, a) - [r + γ (1 - done) min_j Q'_j(s', a')], over a
batch from the replay buffer. The next action a' = clip(π'(s') + clip(ε, ±c), ±1), ε ~ N(0, σ²), is that of the
target actor, with noise. Every ``policy_delay`` steps, a step on the actor then raises Q_1(s, π(s)), and a soft update
moves the target networks: θ' <- (1 - τ) θ' + τ θ.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.noise import ActionNoise
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import check_usual, take_whole
from stable_baselines_tf2.core.optimizers import Adam, State, polyak_average
from stable_baselines_tf2.core.parameters import JoinedParameters
from stable_baselines_tf2.core.phases import Batch, PhaseResult, TrainingState
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.continuous_control import ContinuousControlModel
from stable_baselines_tf2.td3.policies import TD3Policy

ACTOR, CRITICS = Adam(name="adam_actor"), Adam(name="adam_critics")


class PolicyUpdates(enum.Enum):
    """Which gradient steps of a training phase update the policy; a condition is compiled for `SOME` only."""

    ALL = enum.auto()
    NONE = enum.auto()
    SOME = enum.auto()

    @classmethod
    def of(cls, flags: np.ndarray) -> PolicyUpdates:
        """Of steps with these flags, [K]."""
        return cls.ALL if flags.all() else cls.SOME if flags.any() else cls.NONE


class TD3(ContinuousControlModel):
    """Twin delayed DDPG, for Box actions.

    Args:
        policy: a TD3 policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        learning_rate: Adam's learning rate, or a function of the remaining progress (from 1 to 0).
        buffer_size: transitions that the replay buffer keeps.
        learning_starts: environment steps with random actions before the first gradient step.
        train_freq: environment steps between two phases of gradient steps.
        gradient_steps: gradient steps in each phase.
        batch_size: transitions in each gradient step.
        tau: soft-update (Polyak) coefficient τ of the target networks.
        policy_delay: gradient steps of the critics for each one of the actor.
        action_noise: noise added to actions for exploration; None disables it.
        target_policy_noise: standard deviation σ of the noise added to target actions.
        target_noise_clip: c, at which this noise is clipped.
        random_exploration: probability of a uniformly random action.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: has no effect for TD3.
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.

    Raises:
        ValueError: an invalid argument, an unknown policy, or an action space that is not a bounded Box.
        TypeError: ``action_noise`` is not an ``ActionNoise``.
    """

    saved = (
        "learning_rate",
        "buffer_size",
        "learning_starts",
        "train_freq",
        "gradient_steps",
        "batch_size",
        "tau",
        "policy_delay",
        "target_noise_clip",
        "target_policy_noise",
        "gamma",
        "action_noise",
        "random_exploration",
        "bootstrap_timeouts",
    )

    def __init__(
        self,
        policy: type[TD3Policy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        learning_rate: float | Callable[[float], float] = 3e-4,
        buffer_size: int = 50000,
        learning_starts: int = 100,
        train_freq: int = 100,
        gradient_steps: int = 100,
        batch_size: int = 128,
        tau: float = 0.005,
        policy_delay: int = 2,
        action_noise: ActionNoise | None = None,
        target_policy_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        random_exploration: float = 0.0,
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = None,
        bootstrap_timeouts: bool = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            verbose=verbose,
            policy_base=TD3Policy,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.learning_rate, self.tau = gamma, learning_rate, tau
        self.buffer_size, self.batch_size = buffer_size, batch_size
        self.learning_starts, self.train_freq, self.gradient_steps = learning_starts, train_freq, gradient_steps
        self.policy_delay = policy_delay
        self.target_policy_noise, self.target_noise_clip = target_policy_noise, target_noise_clip
        self.action_noise, self.random_exploration = action_noise, random_exploration
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        self.target_policy_tf: Any = None  # the target networks
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_arguments(self) -> None:
        super().check_arguments()
        take_whole(self, "policy_delay", 1)
        check_usual("target_policy_noise", self.target_policy_noise, 0.0)
        check_usual("target_noise_clip", self.target_noise_clip, 0.0)

    def build_networks(self) -> None:
        self.policy_tf, self.target_policy_tf = self.make_network(), self.make_network("target")
        targets = self.target_policy_tf.params
        self.link_targets(targets)
        self.target_parameters = {"target": targets}
        self.all_parameters = JoinedParameters(self.policy_tf.params, targets)
        self.target_params = targets.variables
        n_critics = sum(targets.sizes) - self.n_actor
        self.moments = ACTOR.initial_state(self.n_actor) | CRITICS.initial_state(n_critics)

    # ------------------------------------------------------------ the update
    def noise_inputs(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        inputs, updates = {"noise": self.standard_normals(len(numbers))}, self._updates_policy(numbers)
        if PolicyUpdates.of(updates) is PolicyUpdates.SOME:
            inputs["update_policy"] = updates
        return inputs

    def step_variant(self, numbers: np.ndarray) -> PolicyUpdates:
        return PolicyUpdates.of(self._updates_policy(numbers))

    def _updates_policy(self, numbers: np.ndarray) -> np.ndarray:
        """Whether the steps of these numbers update the policy, [K]."""
        return numbers % self.policy_delay == 0

    def target_action(self, vector: Tensor, next_obs: Tensor, noise: Tensor) -> Tensor:
        """The next action a' for standard normals [B, n], [B, n]."""
        noise = tf.clip_by_value(self.target_policy_noise * noise, -self.target_noise_clip, self.target_noise_clip)
        return tf.clip_by_value(self.target_policy_tf.with_weights(vector, next_obs) + noise, -1.0, 1.0)

    @staticmethod
    def critic_values(policy: TD3Policy, obs: Tensor, actions: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        """Q_1 and Q_2 for raw observations, [B] each."""
        with policy.using(*weights):
            q1, q2 = policy.critics(policy.preprocessor.tensor(obs), actions)
        return tf.reshape(q1, (-1,)), tf.reshape(q2, (-1,))

    def gradient_step(
        self, vector: Tensor, state: TrainingState, batch: Batch, variant: PolicyUpdates = PolicyUpdates.ALL
    ) -> PhaseResult:
        """One step; statistics are the losses of the critics and of the actor (0 where it is not updated)."""
        policy, target, rate = self.policy_tf, state.targets["target"], batch["learning_rate"]
        next_actions = self.target_action(target, batch["next_obs"], batch["noise"])
        q_t = tf.minimum(*self.critic_values(self.target_policy_tf, batch["next_obs"], next_actions, target))
        q_target = losses.bellman_target(batch["rewards"], batch["dones"], self.gamma, q_t)  # [B]

        actor, critics = tf.split(vector, [self.n_actor, vector.shape[0] - self.n_actor])
        with tf.GradientTape() as tape:
            tape.watch(critics)
            q1, q2 = self.critic_values(policy, batch["obs"], batch["actions"], actor, critics)
            q1_loss, q2_loss = losses.squared_error(q1, q_target), losses.squared_error(q2, q_target)
            loss = q1_loss + q2_loss
        critics, moments = CRITICS.step(critics, tape.gradient(loss, critics), state.moments, rate)

        def update_policy() -> tuple[Tensor, State, Tensor, Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(actor)
                with policy.using(actor, critics):
                    actions = policy.call(batch["obs"])
                loss = -tf.reduce_mean(self.critic_values(policy, batch["obs"], actions, actor, critics)[0])
            improved, both = ACTOR.step(actor, tape.gradient(loss, actor), moments, rate)
            vector = tf.concat([improved, critics], 0)
            return vector, both, polyak_average(target, vector, self.tau), loss

        def keep_policy() -> tuple[Tensor, State, Tensor, Tensor]:
            return tf.concat([actor, critics], 0), moments, target, tf.constant(0.0)

        if variant is PolicyUpdates.SOME:
            vector, moments, target, policy_loss = tf.cond(batch["update_policy"], update_policy, keep_policy)
        else:
            vector, moments, target, policy_loss = update_policy() if variant is PolicyUpdates.ALL else keep_policy()
        statistics = {"qf1_loss": q1_loss, "qf2_loss": q2_loss, "policy_loss": policy_loss}
        return vector, state._replace(moments=moments, targets={"target": target}), statistics

    def summarize(self, statistics: dict[str, np.ndarray], numbers: np.ndarray) -> dict[str, float]:
        summary, updated = super().summarize(statistics, numbers), self._updates_policy(numbers)
        if updated.any():
            summary["policy_loss"] = float(statistics["policy_loss"][updated].mean())
        else:
            del summary["policy_loss"]
        return summary

    @property
    def infos_names(self) -> list[str]:
        return ["qf1_loss", "qf2_loss"]

    # ------------------------------------------------------------ learning
    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 4,
        tb_log_name: str = "TD3",
        reset_num_timesteps: bool = True,
        replay_wrapper: Callable[[Any], Any] | None = None,
        progress_bar: bool = False,
    ) -> TD3:
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper, progress_bar
        )
