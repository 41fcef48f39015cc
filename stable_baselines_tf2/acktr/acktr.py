"""Actor-critic with Kronecker-factored trust regions (Wu et al. 2017, https://arxiv.org/abs/1708.05144).

Each update collects ``n_steps`` steps of every environment and makes one step on L = L_policy - c_entropy · H +
c_value · L_value along the natural gradient, which K-FAC approximates and shortens to a trust region. The first ten
updates use the plain gradient while the curvature statistics accumulate.
"""

from __future__ import annotations

import concurrent.futures
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses, probes
from stable_baselines_tf2.core.checks import check_number, check_usual, take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.optimizers import State
from stable_baselines_tf2.core.optimizers.kfac import Block, Kfac, curvature
from stable_baselines_tf2.core.phases import Batch, CompiledPhase, PhaseResult, Statistics, TrainingState
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import is_box
from stable_baselines_tf2.models.graph_access import Acting
from stable_baselines_tf2.models.loop_names import ACKTRNames
from stable_baselines_tf2.models.one_step import OneStepRLModel
from stable_baselines_tf2.models.runners import A2CRunner
from stable_baselines_tf2.models.training import Training


class ACKTR(OneStepRLModel):
    """Actor-critic with Kronecker-factored trust regions.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        nprocs: deprecated name of ``n_cpu_tf_sess``.
        n_steps: steps of each environment in a rollout.
        ent_coef: weight of the entropy in the loss.
        vf_coef: weight of the value loss.
        vf_fisher_coef: weight of the value function in the Fisher loss, whose gradients give the curvature.
        learning_rate: initial learning rate, for both kinds of steps.
        max_grad_norm: maximum gradient norm (global clipping) in the first ten updates; None disables it.
        kfac_clip: trust region: maximum approximate Kullback-Leibler divergence of a step.
        lr_schedule: schedule of the learning rate: a key of ``common.schedules.SCHEDULES``.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        async_eigen_decomp: compute eigendecompositions in a thread while the next rollout is collected, for the update
            after it. Faster for large networks; results stay reproducible.
        kfac_update: updates between two eigendecompositions of the curvature.
        gae_lambda: λ of generalized advantage estimation; None for n-step returns.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: also log histograms of observations and weights (slow, large).
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.

    Raises:
        ValueError: an invalid argument, or an unknown policy.
    """

    step_model = Acting()
    saved = (
        "gamma",
        "gae_lambda",
        "n_steps",
        "vf_coef",
        "ent_coef",
        "vf_fisher_coef",
        "max_grad_norm",
        "learning_rate",
        "kfac_clip",
        "lr_schedule",
        "kfac_update",
        "async_eigen_decomp",
        "bootstrap_timeouts",
    )
    not_saved = frozenset(("nprocs",))
    shown_statistics: ClassVar[tuple[str, ...]] = ("policy_entropy", "policy_loss", "value_loss")
    loop_names = ACKTRNames
    q_runner: Any = None  # nothing is queued
    train_op: Any = None
    runner_class = A2CRunner
    log_tags: ClassVar[Mapping[str, str]] = {
        "policy_entropy": "loss/entropy_loss",
        "policy_loss": "loss/policy_gradient_loss",
        "policy_fisher": "loss/policy_gradient_fisher_loss",
        "value_loss": "loss/value_function_loss",
        "value_fisher": "loss/value_function_fisher_loss",
        "loss": "loss/loss",
        "learning_rate": "input_info/learning_rate",
    }
    optimizer: Kfac

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        nprocs: int | None = None,
        n_steps: int = 20,
        ent_coef: float = 0.01,
        vf_coef: float = 0.25,
        vf_fisher_coef: float = 1.0,
        learning_rate: float = 0.25,
        max_grad_norm: float | None = 0.5,
        kfac_clip: float = 0.001,
        lr_schedule: str = "linear",
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        async_eigen_decomp: bool = False,
        kfac_update: int = 1,
        gae_lambda: float | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        n_cpu_tf_sess: int | None = 1,
        bootstrap_timeouts: bool = False,
    ) -> None:
        if nprocs is not None:
            warnings.warn("nprocs is deprecated; use n_cpu_tf_sess", DeprecationWarning, stacklevel=2)
            n_cpu_tf_sess = nprocs
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
        self.gamma, self.n_steps, self.gae_lambda = gamma, n_steps, gae_lambda
        self.ent_coef, self.vf_coef, self.vf_fisher_coef = ent_coef, vf_coef, vf_fisher_coef
        self.learning_rate, self.lr_schedule, self.max_grad_norm = learning_rate, lr_schedule, max_grad_norm
        self.kfac_clip, self.kfac_update, self.async_eigen_decomp = kfac_clip, kfac_update, async_eigen_decomp
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        if _init_setup_model:
            self.setup_model()

    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        take_whole(self, "kfac_update", 1)
        check_number("kfac_clip", self.kfac_clip, 0.0)
        check_number("vf_fisher_coef", self.vf_fisher_coef, 0.0)
        if self.gae_lambda is not None:
            check_usual("gae_lambda", self.gae_lambda, 0.0, 1.0)

    # ------------------------------------------------------------ the update
    def make_optimizer(self) -> Kfac:
        blocks, factors = self._example_curvature()
        return Kfac(
            self.train_model.params.shapes,
            blocks,
            [factor.shape[0] for factor in factors],
            clip=self.kfac_clip,
            interval=self.kfac_update,
            max_grad_norm=self.max_grad_norm,
        )

    def build_update(self) -> None:
        small = self.train_model.is_small
        self.phase, self._decomposing_phase = (
            CompiledPhase(step, jit_compile=False, in_caller=small)
            for step in (self._step, partial(self._step, decompose=True))
        )
        self._decompose = tf.function(self.optimizer.decompose, autograph=False)
        self._executor = concurrent.futures.ThreadPoolExecutor(1)
        self._decomposition: tuple[State, concurrent.futures.Future[State]] | None = None  # in progress

    def _step(self, vector: Tensor, state: TrainingState, inputs: Batch, *, decompose: bool = False) -> PhaseResult:
        with tf.GradientTape(persistent=True) as tape, probes.listen() as uses:
            tape.watch(vector)
            loss, statistics = self.loss(vector, inputs)
            fisher = statistics["policy_fisher"] + statistics["value_fisher"]
        gradient = tape.gradient(loss, vector)
        factors = self._curvature(tape, fisher, uses)[1]
        moments = self.optimizer.accumulate(state.moments, factors)
        if decompose:
            moments = self.optimizer.decompose(moments)
        vector, moments = self.optimizer.step(vector, gradient, moments, inputs["learning_rate"])
        total = tf.add_n([tf.linalg.trace(factor) for factor in factors])
        return vector, state._replace(moments=moments), statistics | {"curvature": total}

    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        """The loss, and statistics: among them ``policy_fisher`` and ``value_fisher``, whose sum is the Fisher loss."""
        outputs = self.policy_outputs(vector, batch)
        advantages = batch["returns"] - batch["values"]
        if is_box(self.action_space):
            advantages = losses.standardize(advantages)
        neglogp = outputs.distribution.neglogp(batch["actions"])
        entropy = tf.reduce_mean(outputs.distribution.entropy())
        policy_loss = losses.policy_gradient(neglogp, advantages) - self.ent_coef * entropy
        value_loss = losses.squared_error(outputs.value, batch["returns"])
        loss = policy_loss + self.vf_coef * value_loss
        # The log-likelihood of the model's own samples. Actions were sampled from the policy; the value function is the
        # mean of a normal distribution, which is sampled here.
        policy_fisher = -tf.reduce_mean(neglogp)
        sample = tf.stop_gradient(outputs.value + batch["noise"])
        value_fisher = -self.vf_fisher_coef * losses.squared_error(outputs.value, sample)
        return loss, {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "policy_entropy": entropy,
            "loss": loss,
            "policy_fisher": policy_fisher,
            "value_fisher": value_fisher,
        }

    def _curvature(
        self, tape: tf.GradientTape, fisher: Tensor, uses: dict[int, probes.Use]
    ) -> tuple[list[Block], list[Tensor]]:
        def gradients(tensors: list[Tensor]) -> list[Tensor]:
            return tape.gradient(fisher, tensors)

        return curvature(uses, self.train_model.params.variables, gradients)

    def _example_curvature(self) -> tuple[list[Block], list[Tensor]]:
        """The structure of the curvature, found by one pass over an example."""
        policy = self.train_model
        with tf.GradientTape(persistent=True) as tape, probes.listen() as uses:
            states = (tf.zeros((1, policy.initial_state.shape[1])), tf.zeros(1)) if policy.recurrent else ()
            tape.watch(vector := policy.params.vector)
            outputs = policy.with_weights(vector, policy.example_obs, *states)
            actions = tf.zeros([1, *policy.pdtype.sample_shape()], policy.pdtype.sample_dtype())
            fisher = tf.reduce_sum(outputs.distribution.logp(actions)) + tf.reduce_sum(outputs.value)
        return self._curvature(tape, fisher, uses)

    def train(self, batch: dict[str, np.ndarray], learning_rate: float, noise: np.ndarray) -> dict[str, float]:
        """Runs the compiled step.

        Args:
            batch: obs, actions, returns, values [B, …]; with a recurrent policy also starts [B] and states [N, 2H].
            learning_rate: learning rate.
            noise: standard normals that sample the value function for its curvature, [B].
        """
        self.moments = self._decomposed(self.moments)
        decompose = not self.async_eigen_decomp and self.optimizer.is_due(int(self.moments["kfac/updates"]) + 1)
        inputs = {**batch, "learning_rate": np.float32(learning_rate), "noise": noise}
        statistics = self.run_update(self._decomposing_phase if decompose else self.phase, inputs)
        if self._is_pending(self.moments):
            self._decomposition = self.moments, self._executor.submit(self._decompose, self.moments)
        return {name: float(value) for name, value in statistics.items()}

    def _is_pending(self, state: State) -> bool:
        """Whether the next update needs an eigendecomposition that is not part of this one."""
        return self.async_eigen_decomp and self.optimizer.is_due(int(state["kfac/updates"]))

    def _decomposed(self, state: State) -> State:
        """The state after the pending eigendecomposition, which is computed now if the model was just loaded."""
        if not self._is_pending(state):
            return state
        started, self._decomposition = self._decomposition, None
        return started[1].result() if started and started[0] is state else self._decompose(state)

    def estimated_returns(self, rollout: Rollout) -> np.ndarray:
        """The returns that the update takes, [N, T]."""
        if self.gae_lambda is None:
            return rollout.discounted_returns(self.gamma)
        rollout.advantages(self.gamma, self.gae_lambda)
        return rollout.returns

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        self.estimated_returns(rollout)
        learning_rate = self.next_learning_rate()
        noise = self.generator.standard_normal(self.n_batch, dtype=np.float32)
        statistics = self.train(rollout.batch("obs", "actions", "returns", "values"), learning_rate, noise)
        return statistics | {"learning_rate": learning_rate}

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "ACKTR",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> ACKTR:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)


__all__ = ["ACKTR"]
