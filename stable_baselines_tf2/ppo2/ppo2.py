"""Proximal policy optimization with a clipped objective (Schulman et al. 2017, https://arxiv.org/abs/1707.06347).

Each update collects ``n_steps`` steps of every environment and makes ``noptepochs`` passes over them, in
``nminibatches`` minibatches each. All these gradient steps are one compiled call. Recurrent policies train on whole
sequences: a minibatch then holds some of the environments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.schedules import get_schedule_fn
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.optimizers import Adam, Optimizer
from stable_baselines_tf2.core.phases import (
    Batch,
    CompiledPhase,
    PhaseResult,
    Statistics,
    TrainingState,
    minibatch_steps,
    shuffled_minibatches,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.graph_access import Acting
from stable_baselines_tf2.models.loop_names import PPO2Names
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.runners import Runner
from stable_baselines_tf2.models.training import Training

Schedule = float | Callable[[float], float]


class PPO2(ActorCriticRLModel):
    """Proximal policy optimization.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        n_steps: steps of each environment in a rollout.
        ent_coef: weight of the entropy in the loss.
        learning_rate: Adam's learning rate, or a function of the remaining progress (from 1 to 0).
        vf_coef: weight of the value loss.
        max_grad_norm: maximum gradient norm (global clipping); None disables it.
        lam: λ of generalized advantage estimation.
        nminibatches: minibatches in each pass; with a recurrent policy the number of environments must be a multiple of
            it.
        noptepochs: passes over a rollout.
        cliprange: clip range ε of the probability ratio, or a function as above.
        cliprange_vf: the same for the value function: None uses ``cliprange``, a negative number disables it.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: also log histograms of observations and weights (slow, large).
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.

    Raises:
        ValueError: an invalid argument, an unknown policy, or minibatches of unequal size.
    """

    act_model = Acting()
    saved = (
        "gamma",
        "n_steps",
        "vf_coef",
        "ent_coef",
        "max_grad_norm",
        "learning_rate",
        "lam",
        "nminibatches",
        "noptepochs",
        "cliprange",
        "cliprange_vf",
        "bootstrap_timeouts",
    )
    loss_names: ClassVar[tuple[str, ...]] = ("policy_loss", "value_loss", "policy_entropy", "approxkl", "clipfrac")
    loop_names = PPO2Names
    log_tags: ClassVar[Mapping[str, str]] = {
        "policy_entropy": "loss/entropy_loss",
        "policy_loss": "loss/policy_gradient_loss",
        "value_loss": "loss/value_function_loss",
        "approxkl": "loss/approximate_kullback-leibler",
        "clipfrac": "loss/clip_factor",
        "loss": "loss/loss",
        "learning_rate": "input_info/learning_rate",
        "cliprange": "input_info/clip_range",
    }

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        n_steps: int = 128,
        ent_coef: float = 0.01,
        learning_rate: Schedule = 2.5e-4,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        lam: float = 0.95,
        nminibatches: int = 4,
        noptepochs: int = 4,
        cliprange: Schedule = 0.2,
        cliprange_vf: Schedule | None = None,
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
            _init_setup_model,
            verbose,
            requires_vec_env=True,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.n_steps, self.lam = gamma, n_steps, lam
        self.ent_coef, self.vf_coef, self.max_grad_norm = ent_coef, vf_coef, max_grad_norm
        self.learning_rate, self.cliprange, self.cliprange_vf = learning_rate, cliprange, cliprange_vf
        self.nminibatches, self.noptepochs = nminibatches, noptepochs
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        if _init_setup_model:
            self.setup_model()

    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        for name in ("nminibatches", "noptepochs"):
            take_whole(self, name, 1)
        if n_envs is None:
            return
        if self.policy.recurrent:
            if n_envs % self.nminibatches:
                raise ValueError(
                    f"nminibatches: with a recurrent policy the number of environments ({n_envs}) must be a multiple "
                    f"of nminibatches ({self.nminibatches})"
                )
        elif n_envs * self.n_steps % self.nminibatches:
            raise ValueError(
                f"nminibatches: n_steps * number of environments ({self.n_steps} * {n_envs} = {n_envs * self.n_steps}) "
                f"must be a multiple of nminibatches ({self.nminibatches})"
            )

    def make_optimizer(self) -> Optimizer:
        return Adam(epsilon=1e-5)

    # ------------------------------------------------------------ the update
    @property
    def _clips_values(self) -> bool:
        return callable(self.cliprange_vf) or self.cliprange_vf is None or self.cliprange_vf >= 0

    def build_update(self) -> None:
        small = self.train_model.is_small
        self.phase = CompiledPhase(self.training_phase, jit_compile=small, in_caller=small)

    def training_phase(self, vector: Tensor, state: TrainingState, inputs: Batch) -> PhaseResult:
        inputs = dict(inputs)
        rows, sequences = inputs.pop("rows"), inputs.pop("sequences")
        shared = {name: inputs.pop(name) for name in ("learning_rate", "cliprange", "cliprange_vf")}
        per_sequence = {"states": inputs.pop("states")} if self.train_model.recurrent else {}

        def step(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            return super(PPO2, self).training_phase(vector, state, batch | shared)

        return minibatch_steps(step, vector, state, inputs, rows, per_sequence, sequences)

    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        """L = L_policy - c_entropy · H + c_value · L_value; and the statistics of ``loss_names``, and L."""
        outputs = self.policy_outputs(vector, batch)
        advantages = losses.standardize(batch["returns"] - batch["values"])
        neglogp = outputs.distribution.neglogp(batch["actions"])
        entropy = tf.reduce_mean(outputs.distribution.entropy())
        policy_loss, approxkl, clipfrac = losses.clipped_surrogate(
            neglogp, batch["neglogp"], advantages, batch["cliprange"]
        )
        value_loss = losses.clipped_value_loss(outputs.value, batch["values"], batch["returns"], batch["cliprange_vf"])
        loss = policy_loss - self.ent_coef * entropy + self.vf_coef * value_loss
        statistics = zip(self.loss_names, (policy_loss, value_loss, entropy, approxkl, clipfrac), strict=True)
        return loss, {**dict(statistics), "loss": loss}

    def minibatches(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows [K, M] of the flattened rollout, and with a recurrent policy the environments [K, S] they belong to."""
        if not self.train_model.recurrent:
            rows = shuffled_minibatches(self.generator, self.noptepochs, self.nminibatches, self.n_batch)
            return rows, np.zeros((len(rows), 0), np.int32)
        sequences = shuffled_minibatches(self.generator, self.noptepochs, self.nminibatches, self.n_envs)
        rows = sequences[:, :, np.newaxis] * self.n_steps + np.arange(self.n_steps, dtype=np.int32)
        return rows.reshape(len(sequences), -1), sequences

    def train(
        self,
        batch: dict[str, np.ndarray],
        rows: np.ndarray,
        sequences: np.ndarray,
        learning_rate: float,
        cliprange: float,
        cliprange_vf: float,
    ) -> dict[str, float]:
        """Runs the compiled training phase; returns the means of its statistics over all minibatches.

        Args:
            batch: obs, actions, returns, values, neglogp [B, …]; with a recurrent policy also starts [B] and states [N,
                2H].
            rows: minibatches, [K, M].
            sequences: their environments, [K, S].
            learning_rate: learning rate.
            cliprange: clip range ε.
            cliprange_vf: clip range of the value function.
        """
        if not self._clips_values:
            cliprange_vf = -1.0
        statistics = self.run_update(
            self.phase,
            {
                **batch,
                "rows": rows,
                "sequences": sequences,
                "learning_rate": np.float32(learning_rate),
                "cliprange": np.float32(cliprange),
                "cliprange_vf": np.float32(cliprange_vf),
            },
        )
        return {name: float(values.mean()) for name, values in statistics.items()}

    def estimated_returns(self, rollout: Rollout) -> np.ndarray:
        """The returns that the update takes, [N, T]."""
        rollout.advantages(self.gamma, self.lam)
        return rollout.returns

    def value_clip_schedule(self) -> Callable[[float], Any]:
        """The range to clip values to, by the fraction of the training that remains."""
        return get_schedule_fn(self.cliprange if self.cliprange_vf is None else self.cliprange_vf)

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        learning_rate = get_schedule_fn(self.learning_rate)(progress_remaining)
        cliprange = get_schedule_fn(self.cliprange)(progress_remaining)
        cliprange_vf = self.value_clip_schedule()(progress_remaining)
        self.estimated_returns(rollout)
        batch = rollout.batch("obs", "actions", "returns", "values", "neglogp")
        statistics = self.train(batch, *self.minibatches(), learning_rate, cliprange, cliprange_vf)
        return statistics | {
            "learning_rate": float(learning_rate),
            "cliprange": float(cliprange),
            "cliprange_vf": float(cliprange_vf),
        }

    def rollout_scalars(self, rollout: Rollout, statistics: Mapping[str, float]) -> dict[str, float]:
        scalars = {
            "input_info/discounted_rewards": rollout.returns,
            "input_info/advantage": rollout.returns - rollout.values,
            "input_info/old_neglog_action_probability": rollout.neglogp,
            "input_info/old_value_pred": rollout.values,
        }
        means = {tag: float(np.mean(array)) for tag, array in scalars.items()}
        return means | ({"input_info/clip_range_vf": statistics["cliprange_vf"]} if self._clips_values else {})

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        return {
            "serial_timesteps": training.update * self.n_steps,
            "n_updates": training.update,
            "total_timesteps": self.num_timesteps,
            "fps": int(self.n_batch / max(training.elapsed - training.rollout_start, 1e-9)),
            "explained_variance": self.explained_variance(rollout),
            "time_elapsed": training.rollout_start,
            **{name: statistics[name] for name in self.loss_names},
        }

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "PPO2",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> PPO2:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)


def swap_and_flatten(arr: np.ndarray) -> np.ndarray:
    """[T, N, …] to [N·T, …], environment by environment."""
    return arr.swapaxes(0, 1).reshape(arr.shape[0] * arr.shape[1], *arr.shape[2:])


__all__ = ["PPO2", "Runner", "swap_and_flatten"]
