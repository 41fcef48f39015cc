"""Trust region policy optimization (Schulman et al. 2015, https://arxiv.org/abs/1502.05477).

Each update collects ``timesteps_per_batch`` steps, takes one natural-gradient step on E[π/π_old · A] + c · H that keeps
E[KL(π_old ‖ π)] within ``max_kl``, and fits the value function to TD(λ) returns by minibatches of Adam. All of this is
one compiled call. Fisher-vector products use every fifth row of the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
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
from stable_baselines_tf2.core.optimizers.trust_region import trust_region_step
from stable_baselines_tf2.core.parameters import JoinedParameters
from stable_baselines_tf2.core.phases import (
    Batch,
    CompiledPhase,
    PhaseResult,
    Statistics,
    TrainingState,
    gradient_step,
    minibatch_steps,
)
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.parallel import Minibatches, ParallelActorCriticRLModel, told
from stable_baselines_tf2.models.training import Training

VALUE_BATCH = 128  # rows of the value function's minibatches
FISHER_STRIDE = 5  # Fisher-vector products use every fifth row


class TRPO(ParallelActorCriticRLModel):
    """Trust region policy optimization; under MPI, all workers train one model.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        timesteps_per_batch: environment steps for each update, over all environments of this MPI worker.
        max_kl: maximum mean Kullback-Leibler divergence between the old policy and the new one.
        cg_iters: iterations of the conjugate gradient method.
        lam: λ of generalized advantage estimation.
        entcoeff: weight of the entropy in the objective.
        cg_damping: damping: multiple of the identity that is added to the Fisher matrix.
        vf_stepsize: Adam's learning rate for the value function.
        vf_iters: passes over a batch for the value function.
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

    saved: ClassVar[tuple[str, ...]] = (
        "gamma",
        "timesteps_per_batch",
        "max_kl",
        "cg_iters",
        "lam",
        "entcoeff",
        "cg_damping",
        "vf_stepsize",
        "vf_iters",
        "bootstrap_timeouts",
    )
    loss_names: ClassVar[tuple[str, ...]] = ("optimgain", "meankl", "entloss", "surrgain", "entropy")
    averaged_episodes = 40
    # What GAIL sets.
    g_step, d_step, d_stepsize = 1, 1, 3e-4
    hidden_size_adversary, adversary_entcoeff = 100, 0.0
    expert_dataset: Any = None
    d_adam: Any = None
    log_tags: ClassVar[Mapping[str, str]] = {
        "entropy": "loss/entropy_loss",
        "optimgain": "loss/policy_gradient_loss",
        "meankl": "loss/approximate_kullback-leibler",
        "loss": "loss/loss",
        "returns": "input_info/discounted_rewards",
        "learning_rate": "input_info/learning_rate",
        "advantages": "input_info/advantage",
        "max_kl": "input_info/kl_clip_range",
    }
    horizon_name = "timesteps_per_batch"

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        timesteps_per_batch: int = 1024,
        max_kl: float = 0.01,
        cg_iters: int = 10,
        lam: float = 0.98,
        entcoeff: float = 0.0,
        cg_damping: float = 1e-2,
        vf_stepsize: float = 3e-4,
        vf_iters: int = 3,
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
        self.gamma, self.lam, self.timesteps_per_batch = gamma, lam, timesteps_per_batch
        self.max_kl, self.entcoeff = max_kl, entcoeff
        self.cg_iters, self.cg_damping = cg_iters, cg_damping
        self.vf_stepsize, self.vf_iters = vf_stepsize, vf_iters
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        if _init_setup_model:
            self.setup_model()

    @property
    def horizon(self) -> int:
        return self.timesteps_per_batch

    # ------------------------------------------------------------ building
    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        if not isinstance(self.max_kl, int | float | np.number) or not self.max_kl > 0.0:
            raise ValueError(f"max_kl must be a positive number, not {self.max_kl!r}")
        take_whole(self, "cg_iters", 1)
        take_whole(self, "vf_iters", 0)
        check_usual("entcoeff", self.entcoeff, 0.0)
        for name in ("cg_damping", "vf_stepsize"):
            check_number(name, getattr(self, name), 0.0)
        if self.timesteps_per_batch < VALUE_BATCH and n_envs is not None:
            warnings.warn(
                f"timesteps_per_batch={self.timesteps_per_batch}: the value function is trained on full minibatches "
                f"of {VALUE_BATCH} steps only, so it will not learn",
                stacklevel=3,
            )

    def build_networks(self) -> None:
        """Creates the weights of the policy before the last update, which files hold."""
        with keras.name_scope("oldpi"):
            old_policy = self.make_policy()
            old_policy.ensure_built()  # within the name scope, where a custom policy has not done so
        self._old_weights = old_policy.params
        self.train_model.twice_differentiable = True  # for products with the Fisher matrix
        self.all_parameters = JoinedParameters(self.train_model.params, self._old_weights)

    @property
    def parameters(self) -> JoinedParameters:
        self.require_built(self.train_model)
        return self.all_parameters

    def make_optimizer(self) -> Optimizer:
        return Adam()

    def build_update(self) -> None:
        params = self.trainable
        policy = [not ("/vf" in name or "/q/" in name) for name in params.names]
        value = [not ("/pi" in name or "/logstd" in name) for name in params.names]
        self.policy_mask, self.value_mask = (
            np.repeat(np.array(mask, np.float32), params.sizes) for mask in (policy, value)
        )  # which weights each of the two objectives changes
        small = self.train_model.is_small and self.n_workers == 1
        self.phase = CompiledPhase(self.training_phase, jit_compile=small, in_caller=small)

    # ------------------------------------------------------------ the update
    def training_phase(self, vector: Tensor, state: TrainingState, inputs: Batch) -> PhaseResult:
        inputs = dict(inputs)
        rows, sequences, vf_stepsize = (inputs.pop(name) for name in ("rows", "sequences", "vf_stepsize"))
        chunk_states = {"states": inputs.pop("chunk_states")} if self.train_model.recurrent else {}
        vector, statistics = self._policy_step(vector, inputs)

        def value_step(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
            def loss(vector: Tensor) -> tuple[Tensor, Statistics]:
                values = self.policy_outputs(vector, batch, VALUE_BATCH).value
                loss = losses.squared_error(values, batch["returns"])
                return loss, {"value_loss": loss}

            def gradient(gradient: Tensor) -> Tensor:
                return allreduce_mean_tensor(gradient * self.value_mask)

            vector, moments, statistics = gradient_step(
                loss, self.optimizer, vector, state.moments, vf_stepsize, transform=gradient
            )
            return vector, state._replace(moments=moments), statistics

        if rows.shape[0]:
            batch = {name: array for name, array in inputs.items() if name in ("obs", "returns", "starts")}
            vector, state, found = minibatch_steps(value_step, vector, state, batch, rows, chunk_states, sequences)
            statistics["value_loss"] = tf.reduce_mean(found["value_loss"])
        return vector, state, statistics

    def _policy_step(self, vector: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The step on the policy; its statistics are those of the trust region and of the objective."""
        pdtype = self.train_model.pdtype
        outputs = self.policy_outputs(vector, batch, self.sequence_length).distribution
        old = pdtype.proba_distribution_from_flat(outputs.flatparam())
        old_neglogp = outputs.neglogp(batch["actions"])

        def evaluate(vector: Tensor) -> Tensor:
            """The losses of ``loss_names``, [5]."""
            new = self.policy_outputs(vector, batch, self.sequence_length).distribution
            ratio = tf.exp(old_neglogp - new.neglogp(batch["actions"]))
            surrogate = tf.reduce_mean(ratio * batch["advantages"])
            entropy = tf.reduce_mean(new.entropy())
            bonus = self.entcoeff * entropy
            return tf.stack([surrogate + bonus, tf.reduce_mean(old.kl(new)), bonus, surrogate, entropy])

        with tf.GradientTape() as tape:
            tape.watch(vector)
            before = evaluate(vector)
            objective = before[0]
        gradient = allreduce_mean_tensor(tape.gradient(objective, vector) * self.policy_mask)
        before = allreduce_mean_tensor(before)
        step = trust_region_step(
            vector,
            gradient,
            self.fisher_product(vector, batch),
            lambda vector: allreduce_mean_tensor(evaluate(vector)),
            before,
            batch["max_kl"],
            self.cg_iters,
        )
        found = step._asdict()
        return found.pop("vector"), {"gradient": gradient, "before": before, **found}

    def fisher_product(self, vector: Tensor, batch: Batch) -> Any:
        """``v -> (F + damping) v``, where F is the Hessian of the divergence at the weights."""
        pdtype = self.train_model.pdtype
        recurrent = self.train_model.recurrent
        if not recurrent:
            batch = {"obs": batch["obs"][::FISHER_STRIDE]}

        def parameters(vector: Tensor) -> Tensor:
            flat = self.policy_outputs(vector, batch, self.sequence_length if recurrent else 1).distribution.flatparam()
            return flat[::FISHER_STRIDE] if recurrent else flat

        old = pdtype.proba_distribution_from_flat(tf.stop_gradient(parameters(vector)))

        def product(tangent: Tensor) -> Tensor:
            with tf.GradientTape() as outer:
                outer.watch(vector)
                with tf.GradientTape() as inner:
                    inner.watch(vector)
                    divergence = tf.reduce_mean(old.kl(pdtype.proba_distribution_from_flat(parameters(vector))))
                slope = tf.reduce_sum(inner.gradient(divergence, vector) * tangent)
            return allreduce_mean_tensor(outer.gradient(slope, vector) * self.policy_mask) + self.cg_damping * tangent

        return product

    def train(self, batch: dict[str, np.ndarray], minibatches: Minibatches) -> dict[str, np.ndarray]:
        """Runs the compiled update.

        Args:
            batch: obs, actions, advantages, returns [B, …]; with a recurrent policy also starts [B], states [S, 2H] and
                chunk_states [C, 2H].
            minibatches: of the value function.

        Returns:
            Losses under the names of ``loss_names``, and those of the trust region.
        """
        vector = self.trainable.vector
        inputs: dict[str, np.ndarray | np.generic] = {**batch, **minibatches._asdict()}
        inputs |= {name: np.float32(getattr(self, name)) for name in ("max_kl", "vf_stepsize")}
        statistics = self.run_update(self.phase, inputs, checked=("before", "gradient", "direction"))
        self._old_weights.advance(vector)
        return statistics | dict(zip(self.loss_names, statistics["losses"], strict=True))

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        self.record_episodes(rollout)
        return self.learn_from(rollout)

    def learn_from(self, rollout: Rollout) -> dict[str, float]:
        advantages = self.standardized_advantages(rollout)
        batch = self.training_batch(rollout, advantages, VALUE_BATCH)
        with told("Optimizing the policy and the value function"):
            statistics = self.train(batch, self.minibatches(self.vf_iters, VALUE_BATCH))
        named = {name: float(statistics[name]) for name in (*self.loss_names, "value_loss") if name in statistics}
        return named | {
            "loss": -named["optimgain"],
            "returns": float(rollout.returns.mean()),
            "advantages": float(advantages.mean()),
            "learning_rate": float(self.vf_stepsize),
            "max_kl": float(self.max_kl),
        }

    def rollout_scalars(self, rollout: Rollout, statistics: Mapping[str, float]) -> dict[str, float]:
        if "value_loss" not in statistics:  # there were no minibatches for the value function
            return {}
        return {"loss/value_function_loss": statistics["value_loss"]}

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        return super().table(rollout, training, {name: statistics[name] for name in self.loss_names})

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "TRPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Any:
        """Trains the model; see `BaseRLModel.learn`. Whole updates are made, the last one possibly beyond the budget.

        ``log_interval`` has no effect: every update prints a table, as in the original.
        """
        return super().learn(total_timesteps, callback, 1, tb_log_name, reset_num_timesteps, progress_bar)


__all__ = ["TRPO"]
