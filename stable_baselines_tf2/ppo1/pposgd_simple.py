"""Proximal policy optimization (Schulman et al. 2017, https://arxiv.org/abs/1707.06347), with MPI workers.

Each update collects ``timesteps_per_actorbatch`` steps and makes ``optim_epochs`` passes over them, in minibatches of
``optim_batchsize`` rows, with Adam on L = L_clip - c · H + L_value. One more pass evaluates the losses. All of this is
one compiled call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import check_number, check_usual, take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.distributed import allreduce_mean_tensor
from stable_baselines_tf2.core.optimizers import Adam, Optimizer
from stable_baselines_tf2.core.phases import (
    Batch,
    CompiledPhase,
    PhaseResult,
    Statistics,
    Step,
    TrainingState,
    gradient_step,
    minibatch_steps,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.parallel import Minibatches, ParallelActorCriticRLModel, told
from stable_baselines_tf2.models.training import Training

SCHEDULES = ("constant", "linear")


class PPO1(ParallelActorCriticRLModel):
    """Proximal policy optimization; under MPI, all workers train one model.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        timesteps_per_actorbatch: environment steps for each update, over all environments of this MPI worker.
        clip_param: clip range ε of the probability ratio.
        entcoeff: weight of the entropy in the loss.
        optim_epochs: passes over a batch.
        optim_stepsize: Adam's learning rate.
        optim_batchsize: rows of a minibatch; None or 0 for the whole batch.
        lam: λ of generalized advantage estimation.
        adam_epsilon: Adam's epsilon.
        schedule: schedule of the learning rate and ε: ``"constant"``, or ``"linear"`` towards 0.
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
        ValueError: an invalid argument, or an unknown policy.
    """

    saved = (
        "gamma",
        "timesteps_per_actorbatch",
        "clip_param",
        "entcoeff",
        "optim_epochs",
        "optim_stepsize",
        "optim_batchsize",
        "lam",
        "adam_epsilon",
        "schedule",
        "bootstrap_timeouts",
    )
    loss_names: ClassVar[tuple[str, ...]] = ("pol_surr", "pol_entpen", "vf_loss", "kl", "ent")
    log_tags: ClassVar[Mapping[str, str]] = {
        "pol_entpen": "loss/entropy_loss",
        "pol_surr": "loss/policy_gradient_loss",
        "vf_loss": "loss/value_function_loss",
        "kl": "loss/approximate_kullback-leibler",
        "clip_factor": "loss/clip_factor",
        "loss": "loss/loss",
        "returns": "input_info/discounted_rewards",
        "learning_rate": "input_info/learning_rate",
        "advantages": "input_info/advantage",
        "clip_range": "input_info/clip_range",
    }
    horizon_name = "timesteps_per_actorbatch"
    explained_variance_key = "ev_tdlam_before"

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        timesteps_per_actorbatch: int = 256,
        clip_param: float = 0.2,
        entcoeff: float = 0.01,
        optim_epochs: int = 4,
        optim_stepsize: float = 1e-3,
        optim_batchsize: int | None = 64,
        lam: float = 0.95,
        adam_epsilon: float = 1e-5,
        schedule: str = "linear",
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = 1,
        bootstrap_timeouts: bool = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            _init_setup_model,
            verbose,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.lam, self.timesteps_per_actorbatch = gamma, lam, timesteps_per_actorbatch
        self.clip_param, self.entcoeff, self.schedule = clip_param, entcoeff, schedule
        self.optim_epochs, self.optim_stepsize, self.optim_batchsize = optim_epochs, optim_stepsize, optim_batchsize
        self.adam_epsilon = adam_epsilon
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        if _init_setup_model:
            self.setup_model()

    @property
    def horizon(self) -> int:
        return self.timesteps_per_actorbatch

    @property
    def minibatch_size(self) -> int:
        """Rows of a minibatch."""
        return self.optim_batchsize or (self.n_steps if self.policy.recurrent else self.horizon)

    # ------------------------------------------------------------ building
    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        take_whole(self, "optim_epochs", 1)
        for name in ("clip_param", "entcoeff"):
            check_usual(name, getattr(self, name), 0.0)
        for name in ("optim_stepsize", "adam_epsilon"):
            check_number(name, getattr(self, name), 0.0)
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}")
        limit = self.horizon // (n_envs or 1) if self.policy.recurrent else self.horizon
        if self.optim_batchsize:
            check_number("optim_batchsize", self.optim_batchsize, 1, limit, integer=True)

    def make_optimizer(self) -> Optimizer:
        return Adam(epsilon=self.adam_epsilon)

    def build_update(self) -> None:
        small = self.train_model.is_small and self.n_workers == 1
        self.phase = CompiledPhase(self.training_phase, jit_compile=small, in_caller=small)

    # ------------------------------------------------------------ the update
    def training_phase(self, vector: Tensor, state: TrainingState, inputs: Batch) -> PhaseResult:
        """All minibatches; statistics [K] from before each step, those of the last pass from after all steps."""
        inputs = dict(inputs)
        rows, sequences, rate = (inputs.pop(name) for name in ("rows", "sequences", "rate"))
        clip = inputs.pop("clip")
        chunk_states = {"states": inputs.pop("chunk_states")} if self.train_model.recurrent else {}
        old = self.policy_outputs(vector, inputs, self.sequence_length).distribution
        batch = {name: array for name, array in inputs.items() if name != "states"}
        batch |= {"old": old.flatparam(), "old_neglogp": old.neglogp(inputs["actions"])}

        def step(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            vector, moments, statistics = gradient_step(
                lambda vector: self.loss(vector, batch | {"clip": clip}),
                self.optimizer,
                vector,
                state.moments,
                rate,
                transform=allreduce_mean_tensor,
            )
            return vector, state._replace(moments=moments), statistics

        def evaluate(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            return vector, state, self.loss(vector, batch | {"clip": clip})[1]

        def run(step: Step, chosen: slice) -> PhaseResult:
            return minibatch_steps(step, vector, state, batch, rows[chosen], chunk_states, sequences[chosen])

        n_training = rows.shape[0] // (self.optim_epochs + 1) * self.optim_epochs
        vector, state, training_losses = run(step, slice(0, n_training))
        _, _, final_losses = run(evaluate, slice(n_training, None))
        final = allreduce_mean_tensor(tf.stack([final_losses[name] for name in self.loss_names]))  # [5, K]
        return (
            vector,
            state,
            {
                name: tf.concat([training_losses[name], rest], axis=0)
                for name, rest in zip(self.loss_names, tf.unstack(final), strict=True)
            },
        )

    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        """L, and the losses of ``loss_names``."""
        outputs = self.policy_outputs(vector, batch, self.minibatch_size)
        new = outputs.distribution
        surrogate, _, _ = losses.clipped_surrogate(
            new.neglogp(batch["actions"]), batch["old_neglogp"], batch["advantages"], batch["clip"]
        )
        entropy = tf.reduce_mean(new.entropy())
        penalty = -self.entcoeff * entropy
        value_loss = losses.squared_error(outputs.value, batch["returns"])
        old = self.train_model.pdtype.proba_distribution_from_flat(batch["old"])
        divergence = tf.reduce_mean(old.kl(new))
        found = (surrogate, penalty, value_loss, divergence, entropy)
        return surrogate + penalty + value_loss, dict(zip(self.loss_names, found, strict=True))

    def train(self, batch: dict[str, np.ndarray], minibatches: Minibatches, multiplier: float) -> dict[str, np.ndarray]:
        """Runs the compiled update.

        Args:
            batch: obs, actions, advantages, returns [B, …]; with a recurrent policy also starts [B], states [S, 2H] and
                chunk_states [C, 2H].
            minibatches: of ``optim_epochs`` passes that train and one that evaluates.
            multiplier: factor of the learning rate and of ε.

        Returns:
            The losses of ``loss_names`` for each minibatch, [K].
        """
        inputs: dict[str, np.ndarray | np.generic] = {**batch, **minibatches._asdict()}
        inputs["rate"] = np.float32(self.optim_stepsize * multiplier)
        inputs["clip"] = np.float32(self.clip_param * multiplier)
        return self.run_update(self.phase, inputs)

    @staticmethod
    def standardized(advantages: np.ndarray) -> np.ndarray:
        return (advantages - advantages.mean()) / (advantages.std() or 1.0)

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        self.record_episodes(rollout)
        advantages = self.standardized_advantages(rollout)
        batch = self.training_batch(rollout, advantages, self.minibatch_size)
        minibatches = self.minibatches(self.optim_epochs + 1, self.minibatch_size)
        done = (training.update - 1) * self.n_batch * self.n_workers / max(training.total_timesteps, 1)
        multiplier = max(1.0 - done, 0.0) if self.schedule == "linear" else 1.0
        with told("Optimizing"):
            statistics = self.train(batch, minibatches, multiplier)
        n_training = len(minibatches.rows) // (self.optim_epochs + 1) * self.optim_epochs
        means = {name: float(values[:n_training].mean()) for name, values in statistics.items()}
        return {
            **means,
            **{f"loss_{name}": float(values[n_training:].mean()) for name, values in statistics.items()},
            "loss": means["pol_surr"] + means["pol_entpen"] + means["vf_loss"],
            "clip_factor": self.clip_param * multiplier,
            "clip_range": float(self.clip_param),
            "returns": float(rollout.returns.mean()),
            "advantages": float(advantages.mean()),
            "learning_rate": float(self.optim_stepsize),
        }

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        shown = (f"loss_{name}" for name in self.loss_names)
        return super().table(rollout, training, {name: statistics[name] for name in shown})

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "PPO1",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> PPO1:
        """Trains the model; see `BaseRLModel.learn`. Whole updates are made, the last one possibly beyond the budget.

        ``log_interval`` has no effect: every update prints a table, as in the original.
        """
        return super().learn(total_timesteps, callback, 1, tb_log_name, reset_num_timesteps, progress_bar)


__all__ = ["PPO1"]
