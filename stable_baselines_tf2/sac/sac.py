"""Soft actor-critic (Haarnoja et al. 2018, https://arxiv.org/abs/1801.01290), with a state-value network.

Each gradient step works on a batch (s, a, r, s') from the replay buffer and on actions ã, drawn from the policy at s,
with log-density log π. It lowers

- ½ (Q_i(s, a) - [r + γ (1 - done) V'(s')])² for both critics, where V' is the target network of V;
- ½ (V(s) - [min_i Q_i(s, ã) - α log π])²;
- α log π - Q_1(s, ã) for the actor;
- -log α (log π + H) for the entropy coefficient α, if it is learned (https://arxiv.org/abs/1812.05905), where H is the
  target entropy.

All four see the weights from before the step. Every ``target_update_interval`` steps a soft update moves V' towards V:
θ' <- (1 - τ) θ' + τ θ. As in Stable Baselines 2, each V(s) is compared with the entropy terms α log π of all actions of
the batch, unless ``corrected_value_target`` is set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.noise import ActionNoise
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import take_whole
from stable_baselines_tf2.core.optimizers import Adam, polyak_average
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.core.phases import Batch, PhaseResult, Statistics, TrainingState
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.continuous_control import ContinuousControlModel
from stable_baselines_tf2.sac.policies import SACPolicy


class SAC(ContinuousControlModel):
    """Soft actor-critic, for Box actions.

    Args:
        policy: a SAC policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        learning_rate: Adam's learning rate, or a function of the remaining progress (from 1 to 0).
        buffer_size: transitions that the replay buffer keeps.
        learning_starts: environment steps with random actions before the first gradient step.
        train_freq: environment steps between two phases of gradient steps.
        batch_size: transitions in each gradient step.
        tau: soft-update (Polyak) coefficient τ of the target network.
        ent_coef: entropy coefficient α: a number, ``"auto"`` to learn it, or e.g. ``"auto_0.1"`` to learn it from 0.1
            on.
        target_update_interval: gradient steps between two updates of the target network.
        gradient_steps: gradient steps in each phase.
        target_entropy: target entropy H of a learned α; ``"auto"`` for minus the number of action components.
        action_noise: noise added to actions for exploration; None disables it.
        random_exploration: probability of a uniformly random action.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: has no effect for SAC.
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.
        corrected_value_target: compare V(s) with the entropy term of the action at s alone.

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
        "ent_coef",
        "target_entropy",
        "target_update_interval",
        "gamma",
        "action_noise",
        "random_exploration",
        "bootstrap_timeouts",
        "corrected_value_target",
    )

    def __init__(
        self,
        policy: type[SACPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        learning_rate: float | Callable[[float], float] = 3e-4,
        buffer_size: int = 50000,
        learning_starts: int = 100,
        train_freq: int = 1,
        batch_size: int = 64,
        tau: float = 0.005,
        ent_coef: str | float = "auto",
        target_update_interval: int = 1,
        gradient_steps: int = 1,
        target_entropy: str | float = "auto",
        action_noise: ActionNoise | None = None,
        random_exploration: float = 0.0,
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = None,
        bootstrap_timeouts: bool = False,
        corrected_value_target: bool = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            verbose=verbose,
            policy_base=SACPolicy,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.learning_rate, self.tau = gamma, learning_rate, tau
        self.buffer_size, self.batch_size = buffer_size, batch_size
        self.learning_starts, self.train_freq, self.gradient_steps = learning_starts, train_freq, gradient_steps
        self.target_update_interval = target_update_interval
        self.ent_coef, self.target_entropy = ent_coef, target_entropy
        self.action_noise, self.random_exploration = action_noise, random_exploration
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts, self.corrected_value_target = bootstrap_timeouts, corrected_value_target
        self.target_policy: Any = None  # V'
        self.log_ent_coef: Any = None  # the variable log α, where it is learned
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_arguments(self) -> None:
        super().check_arguments()
        take_whole(self, "target_update_interval", 1)
        self._initial_ent_coef()
        if self.target_entropy == "auto":
            self.target_entropy = -float(np.prod(self.action_space.shape))
        self.target_entropy = _number("target_entropy", self.target_entropy, "'auto'")

    def _initial_ent_coef(self) -> tuple[float, bool]:
        """α at the start, and whether it is learned.

        Raises:
            ValueError: ``ent_coef`` is neither a number nor ``"auto"`` nor ``"auto_"`` and a number.
        """
        given, learned = self.ent_coef, isinstance(self.ent_coef, str) and self.ent_coef.startswith("auto")
        start = "1" if given == "auto" else str(given).removeprefix("auto_") if learned else given
        value = _number("ent_coef", start, "'auto', 'auto_' and a number")
        if not 0.0 <= value < np.inf or (learned and value == 0.0):
            raise ValueError(f"ent_coef must be positive (a number that is not learned may be 0), not {given!r}")
        return value, learned

    def build_networks(self) -> None:
        self.policy_tf, self.target_policy = self.make_network(), self.make_network("target")
        targets, (ent_coef, learned) = self.target_policy.params, self._initial_ent_coef()
        self._value_place = self.link_targets(targets)
        self.target_parameters = {"target": targets}
        self.extra_parameters = {}
        log_ent_coef: list[Parameters] = []
        if learned:
            with keras.name_scope("model"):
                self.log_ent_coef = keras.Variable(np.log(np.float32(ent_coef)), name="log_ent_coef")
            log_ent_coef = [Parameters([self.log_ent_coef])]
            self.extra_parameters = {"log_ent_coef": log_ent_coef[0]}
        self.all_parameters = JoinedParameters(self.policy_tf.params, *log_ent_coef, targets)
        self.target_params = targets.variables
        # Actor, critics and α share one Adam, as they share the learning rate and step together.
        self.optimizer = Adam()
        self.moments = self.optimizer.initial_state(sum(self.trainable.sizes) + learned)

    # ------------------------------------------------------------ the update
    def noise_inputs(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        inputs = {"noise": self.standard_normals(len(numbers))}
        if self.target_update_interval > 1:
            inputs["update_target"] = (numbers % self.target_update_interval == 0).astype(np.float32)
        return inputs

    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One step; statistics are from before it."""
        sizes = [self.n_actor, vector.shape[0] - self.n_actor]
        learned = [*tf.split(vector, sizes), *state.extra.values()]  # actor, critics, and log α where it is learned
        with tf.GradientTape() as tape:
            tape.watch(learned)
            loss, statistics = self._losses(*learned, target=state.targets["target"], batch=batch)
        gradient = tf.concat(tape.gradient(loss, learned), 0)
        weights, moments = self.optimizer.step(tf.concat(learned, 0), gradient, state.moments, batch["learning_rate"])
        vector = weights[: vector.shape[0]]
        tau = self.tau * batch["update_target"] if self.target_update_interval > 1 else self.tau
        target = polyak_average(state.targets["target"], vector[self._value_place], tau)
        extra = dict.fromkeys(state.extra, weights[vector.shape[0] :])
        return vector, TrainingState(moments, {"target": target}, extra), statistics

    def _losses(
        self, actor: Tensor, critics: Tensor, log_ent_coef: Tensor = None, *, target: Tensor, batch: Batch
    ) -> tuple[Tensor, Statistics]:
        """The sum of the losses, which has the gradient of each with respect to its own weights; and statistics.

        Args:
            actor: weights of the actor.
            critics: weights of the critics.
            log_ent_coef: log α where it is learned, [1].
            target: weights of V'.
            batch: see `gradient_step`; ``noise`` are standard normals, [B, n].
        """
        policy = self.policy_tf
        with self.target_policy.using(target):
            processed = self.target_policy.preprocessor.tensor(batch["next_obs"])
            v_t = _column(self.target_policy.critics(processed)[2])  # [B]
        q_target = losses.bellman_target(batch["rewards"], batch["dones"], self.gamma, v_t)
        processed = policy.preprocessor.tensor(batch["obs"])
        with policy.using(actor, critics):
            actions, logp, entropy = policy.sample(processed, batch["noise"])
            q1, q2, value = map(_column, policy.critics(processed, batch["actions"]))
        # The actor's loss has no gradient with respect to the critics.
        with policy.using(tf.stop_gradient(actor), tf.stop_gradient(critics)):
            q1_pi, q2_pi = map(_column, policy.critics(processed, actions, create_vf=False)[:2])
        learned = log_ent_coef is not None
        ent_coef = tf.stop_gradient(tf.exp(log_ent_coef[0])) if learned else self._initial_ent_coef()[0]
        parts = {
            "policy_loss": tf.reduce_mean(ent_coef * logp - q1_pi),
            "qf1_loss": 0.5 * losses.squared_error(q1, q_target),
            "qf2_loss": 0.5 * losses.squared_error(q2, q_target),
            "value_loss": losses.soft_value_loss(
                value, tf.minimum(q1_pi, q2_pi), ent_coef * logp, pairwise=not self.corrected_value_target
            ),
        }
        if not learned:
            return tf.add_n(list(parts.values())), {**parts, "entropy": entropy}
        excess = tf.stop_gradient(logp + self.target_entropy)
        ent_coef_loss = -tf.reduce_mean(log_ent_coef[0] * excess)
        statistics = {**parts, "entropy": entropy, "ent_coef_loss": ent_coef_loss, "ent_coef": ent_coef}
        return tf.add_n([*parts.values(), ent_coef_loss]), statistics

    @property
    def infos_names(self) -> list[str]:
        learned = ["ent_coef_loss", "ent_coef"] if self.log_ent_coef is not None else []
        return ["policy_loss", "qf1_loss", "qf2_loss", "value_loss", "entropy", *learned]

    # ------------------------------------------------------------ acting and learning
    def predicted_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        return self.acting_policy.step(obs, deterministic=deterministic)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 4,
        tb_log_name: str = "SAC",
        reset_num_timesteps: bool = True,
        replay_wrapper: Callable[[Any], Any] | None = None,
        progress_bar: bool = False,
    ) -> SAC:
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper, progress_bar
        )


def _column(values: Tensor) -> Tensor:
    """[B, 1] to [B]; a slice would have a slower gradient."""
    return tf.reshape(values, (-1,))


def _number(name: str, value: str | float, others: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or {others}, not {value!r}") from None
