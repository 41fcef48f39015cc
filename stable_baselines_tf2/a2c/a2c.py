"""Advantage actor-critic, the synchronous variant of A3C (Mnih et al. 2016, https://arxiv.org/abs/1602.01783).

Each update collects ``n_steps`` steps of every environment, computes n-step returns, and makes one step of RMSProp on
L = L_policy - c_entropy · H + c_value · L_value.
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
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.optimizers import Optimizer, RMSProp
from stable_baselines_tf2.core.phases import Batch, Statistics
from stable_baselines_tf2.core.returns import discount_with_dones
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.graph_access import Acting
from stable_baselines_tf2.models.loop_names import A2CNames
from stable_baselines_tf2.models.one_step import OneStepRLModel
from stable_baselines_tf2.models.runners import A2CRunner
from stable_baselines_tf2.models.training import Training


class A2C(OneStepRLModel):
    """Advantage actor-critic.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        n_steps: steps of each environment in a rollout.
        vf_coef: weight of the value loss.
        ent_coef: weight of the entropy in the loss.
        max_grad_norm: maximum gradient norm (global clipping); None disables it.
        learning_rate: initial learning rate of RMSProp.
        alpha: decay of RMSProp's mean square.
        momentum: RMSProp's momentum.
        epsilon: RMSProp's epsilon, inside the square root.
        lr_schedule: schedule of the learning rate: a key of ``common.schedules.SCHEDULES``.
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

    step_model = Acting()
    saved = (
        "gamma",
        "n_steps",
        "vf_coef",
        "ent_coef",
        "max_grad_norm",
        "learning_rate",
        "alpha",
        "momentum",
        "epsilon",
        "lr_schedule",
        "bootstrap_timeouts",
    )
    shown_statistics: ClassVar[tuple[str, ...]] = ("policy_entropy", "value_loss")
    loop_names = A2CNames
    runner_class = A2CRunner
    log_tags: ClassVar[Mapping[str, str]] = {
        "policy_entropy": "loss/entropy_loss",
        "policy_loss": "loss/policy_gradient_loss",
        "value_loss": "loss/value_function_loss",
        "loss": "loss/loss",
        "learning_rate": "input_info/learning_rate",
    }

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        n_steps: int = 5,
        vf_coef: float = 0.25,
        ent_coef: float = 0.01,
        max_grad_norm: float | None = 0.5,
        learning_rate: float = 7e-4,
        alpha: float = 0.99,
        momentum: float = 0.0,
        epsilon: float = 1e-5,
        lr_schedule: str = "constant",
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
        self.gamma, self.n_steps = gamma, n_steps
        self.vf_coef, self.ent_coef, self.max_grad_norm = vf_coef, ent_coef, max_grad_norm
        self.learning_rate, self.lr_schedule = learning_rate, lr_schedule
        self.alpha, self.momentum, self.epsilon = alpha, momentum, epsilon
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts
        if _init_setup_model:
            self.setup_model()

    def make_optimizer(self) -> Optimizer:
        return RMSProp(self.alpha, self.epsilon, self.momentum)

    # ------------------------------------------------------------ the update
    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        outputs = self.policy_outputs(vector, batch)
        advantages = batch["returns"] - batch["values"]
        policy_loss = losses.policy_gradient(outputs.distribution.neglogp(batch["actions"]), advantages)
        value_loss = losses.squared_error(outputs.value, batch["returns"])
        entropy = tf.reduce_mean(outputs.distribution.entropy())
        loss = policy_loss - self.ent_coef * entropy + self.vf_coef * value_loss
        return loss, {"policy_loss": policy_loss, "value_loss": value_loss, "policy_entropy": entropy, "loss": loss}

    def train(self, batch: dict[str, np.ndarray], learning_rate: float) -> dict[str, float]:
        """Runs the compiled step.

        Args:
            batch: obs, actions, returns, values [B, …]; with a recurrent policy also starts [B] and states [N, 2H].
            learning_rate: learning rate.
        """
        statistics = self.run_update(self.phase, {**batch, "learning_rate": np.float32(learning_rate)})
        return {name: float(value) for name, value in statistics.items()}

    def estimated_returns(self, rollout: Rollout) -> np.ndarray:
        """The returns that the update takes, [N, T]."""
        return rollout.discounted_returns(self.gamma)

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        self.estimated_returns(rollout)
        learning_rate = self.next_learning_rate()
        statistics = self.train(rollout.batch("obs", "actions", "returns", "values"), learning_rate)
        return statistics | {"learning_rate": learning_rate}

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "A2C",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> A2C:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)


__all__ = ["A2C", "discount_with_dones"]
