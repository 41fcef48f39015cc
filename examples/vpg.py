"""Vanilla policy gradient with a learned baseline: an on-policy algorithm of one's own, complete.

Each update collects ``n_steps`` steps of every environment, estimates advantages A by GAE (Schulman et al. 2016,
https://arxiv.org/abs/1506.02438), and makes one step of Adam on

    L = -E[A log π(a|s)] + c_value · E[(R - V(s))²] - c_entropy · E[H(π(·|s))].

The guide explains every line: *Writing an algorithm*. From the command line::

    stable-baselines-tf2 train --algo examples/vpg.py:VPG --env CartPole-v1 -n 400000 --n-envs 8
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import check_number
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.phases import Batch, Statistics
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.training import Training


class VPG(ActorCriticRLModel):
    """Vanilla policy gradient.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        n_steps: steps of each environment in a rollout.
        learning_rate: Adam's learning rate; it falls linearly to zero.
        lam: λ of GAE.
        vf_coef: weight of the value loss.
        ent_coef: weight of the entropy bonus.
        max_grad_norm: maximum gradient norm (global clipping); None disables it.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        kwargs: arguments of every model: ``verbose``, ``policy_kwargs``, ``seed``, ``n_cpu_tf_sess``.
    """

    saved = ("gamma", "n_steps", "learning_rate", "lam", "vf_coef", "ent_coef", "max_grad_norm")
    log_tags = {
        "policy_loss": "loss/policy_gradient_loss",
        "value_loss": "loss/value_function_loss",
        "entropy": "loss/entropy_loss",
        "learning_rate": "input_info/learning_rate",
    }

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        n_steps: int = 64,
        learning_rate: float = 5e-3,
        lam: float = 0.95,
        vf_coef: float = 0.5,
        ent_coef: float = 0.0,
        max_grad_norm: float | None = 0.5,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, env, _init_setup_model, requires_vec_env=True, **kwargs)
        self.gamma, self.n_steps, self.learning_rate, self.lam = gamma, n_steps, learning_rate, lam
        self.vf_coef, self.ent_coef, self.max_grad_norm = vf_coef, ent_coef, max_grad_norm
        self.tensorboard_log = tensorboard_log
        if _init_setup_model:
            self.setup_model()

    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        check_number("lam", self.lam, 0.0, 1.0)
        check_number("learning_rate", self.learning_rate, 0.0)

    def loss(self, vector: Tensor, batch: Batch) -> tuple[Tensor, Statistics]:
        outputs = self.policy_outputs(vector, batch)
        policy_loss = losses.policy_gradient(outputs.distribution.neglogp(batch["actions"]), batch["advantages"])
        value_loss = losses.squared_error(outputs.value, batch["returns"])
        entropy = tf.reduce_mean(outputs.distribution.entropy())
        loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * entropy
        return loss, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        advantages = rollout.flat(rollout.advantages(self.gamma, self.lam))
        learning_rate = self.learning_rate * progress_remaining
        statistics = self.run_update(
            self.phase,
            {
                **rollout.batch("obs", "actions", "returns"),
                "advantages": (advantages - advantages.mean()) / (advantages.std() + 1e-8),
                "learning_rate": np.float32(learning_rate),
            },
        )
        return {name: float(value) for name, value in statistics.items()} | {"learning_rate": learning_rate}


def main() -> None:
    """Trains VPG on CartPole, saves it, and plays with the model from the file."""
    model = VPG("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=0), seed=0)
    model.learn(400_000)
    model.save("vpg_cartpole")
    model = VPG.load("vpg_cartpole")
    mean_return, std_return = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1), n_eval_episodes=20)
    print(f"mean return {mean_return:.1f} +/- {std_return:.1f}")


if __name__ == "__main__":
    main()
