"""Soft actor-critic for Discrete actions (Christodoulou 2019, https://arxiv.org/abs/1910.07207), complete.

An off-policy algorithm of one's own with a policy of its own: an actor π(·|s) and two critics Q_i(s, ·). With discrete
actions the expectations over actions are sums. Each gradient step lowers

    L_Q = Σ_i E[(Q_i(s, a) - y)²],   y = r + γ (1 - done) Σ_a' π(a'|s') (min_i Q'_i(s', a') - α log π(a'|s')),
    L_π = E[Σ_a π(a|s) (α log π(a|s) - min_i Q_i(s, a))],

after which the weights of the target network Q' follow those of Q by a soft update with the coefficient τ. From the
command line::

    stable-baselines-tf2 train --algo examples/discrete_sac.py:DiscreteSAC --env CartPole-v1 -n 16000
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.policies import BasePolicy, register_policy
from stable_baselines_tf2.common.tf_layers import linear
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.acting import DenseLayer, NumpyNetwork
from stable_baselines_tf2.core.activations import resolve_activation
from stable_baselines_tf2.core.optimizers import Adam, polyak_average
from stable_baselines_tf2.core.parameters import JoinedParameters
from stable_baselines_tf2.core.phases import Batch, PhaseResult, TrainingState
from stable_baselines_tf2.core.sampling import CategoricalSampler
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.off_policy import OffPolicyRLModel


class DiscreteSACPolicy(BasePolicy):
    """An actor and two critics, each with two hidden layers of 64 units.

    It gives log π(·|s), Q_1(s, ·) and Q_2(s, ·), [B, n] each.
    """

    is_small = True
    sampler = CategoricalSampler()
    _actor: NumpyNetwork | None = None

    def network(self, processed_obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, q1, q2 = (self._head(processed_obs, scope) for scope in ("pi", "q1", "q2"))
        return tf.nn.log_softmax(logits), q1, q2

    def _head(self, x: Tensor, scope: str) -> Tensor:
        for i in range(2):
            x = tf.nn.relu(linear(x, f"{scope}_fc{i}", 64, init_scale=np.sqrt(2)))
        return linear(x, scope, int(self.ac_space.n), init_scale=0.1)

    def distribution_parameters(self, obs: Any, state: Any = None, mask: Any = None) -> np.ndarray:
        if (
            self._actor is None
        ):  # in NumPy, for small networks faster than TensorFlow (`CompiledNetwork` runs any other)
            relu, scope = resolve_activation("relu").numpy, self.name
            activations = {f"{scope}/pi_fc0": relu, f"{scope}/pi_fc1": relu, f"{scope}/pi": None}
            layers = [DenseLayer(f"{name}/w:0", f"{name}/b:0", None, act) for name, act in activations.items()]
            self._actor = NumpyNetwork(layers, self.params)
        return self._actor(self.preprocessor.flat_array(np.asarray(obs, self.preprocessor.dtype)))


register_policy("MlpPolicy", DiscreteSACPolicy)


class DiscreteSAC(OffPolicyRLModel):
    """Soft actor-critic for Discrete actions.

    Args:
        policy: a `DiscreteSACPolicy` or its name, ``"MlpPolicy"``.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        learning_rate: Adam's learning rate.
        buffer_size: transitions that the replay buffer keeps.
        learning_starts: environment steps with random actions before the first gradient step.
        batch_size: transitions in each gradient step.
        tau: soft-update (Polyak) coefficient τ of the target network.
        ent_coef: entropy coefficient α.
        _init_setup_model: build the networks in the constructor.
        kwargs: arguments of every model: ``verbose``, ``policy_kwargs``, ``seed``, ``n_cpu_tf_sess``.
    """

    saved = ("gamma", "learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "ent_coef")

    def __init__(
        self,
        policy: type[DiscreteSACPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        learning_rate: float = 1e-3,
        buffer_size: int = 50_000,
        learning_starts: int = 500,
        batch_size: int = 64,
        tau: float = 0.01,
        ent_coef: float = 0.2,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, env, policy_base=DiscreteSACPolicy, **kwargs)
        self.gamma, self.learning_rate, self.tau, self.ent_coef = gamma, learning_rate, tau, ent_coef
        self.buffer_size, self.learning_starts, self.batch_size = buffer_size, learning_starts, batch_size
        if _init_setup_model:
            self.setup_model()

    def build_networks(self) -> None:
        self.policy_tf, self.target_policy = self.make_network(), self.make_network("target")
        self.link_targets(self.target_policy.params)
        self.target_parameters = {"target": self.target_policy.params}
        self.all_parameters = JoinedParameters(self.policy_tf.params, self.target_policy.params)
        self.set_optimizer(Adam())

    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        log_pi_t, _, _ = self.policy_tf.with_weights(vector, batch["next_obs"])
        _, q1_t, q2_t = self.target_policy.with_weights(state.targets["target"], batch["next_obs"])
        v_t = tf.reduce_sum(tf.exp(log_pi_t) * (tf.minimum(q1_t, q2_t) - self.ent_coef * log_pi_t), axis=1)  # [B]
        q_target = losses.bellman_target(batch["rewards"], batch["dones"], self.gamma, v_t)
        with tf.GradientTape() as tape:
            tape.watch(vector)
            log_pi, q1, q2 = self.policy_tf.with_weights(vector, batch["obs"])
            taken = tf.one_hot(batch["actions"], q1.shape[1])  # [B, n]
            qf_loss = tf.add_n([losses.squared_error(tf.reduce_sum(taken * q, axis=1), q_target) for q in (q1, q2)])
            q = tf.stop_gradient(tf.minimum(q1, q2))
            policy_loss = tf.reduce_mean(tf.reduce_sum(tf.exp(log_pi) * (self.ent_coef * log_pi - q), axis=1))
            loss = qf_loss + policy_loss
        gradient = tape.gradient(loss, vector)
        vector, moments = self.optimizer.step(vector, gradient, state.moments, batch["learning_rate"])
        targets = {"target": polyak_average(state.targets["target"], vector, self.tau)}
        statistics = {"qf_loss": qf_loss, "policy_loss": policy_loss}
        return vector, state._replace(moments=moments, targets=targets), statistics

    def imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        return self.policy_tf.with_weights(vector, obs)[0]


def main() -> None:
    """Trains discrete SAC on CartPole, saves it, and plays with the model from the file."""
    model = DiscreteSAC("MlpPolicy", make_vec_env("CartPole-v1", seed=0), seed=0)
    model.learn(16_000)
    model.save("discrete_sac_cartpole")
    model = DiscreteSAC.load("discrete_sac_cartpole")
    mean_return, std_return = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1), n_eval_episodes=20)
    print(f"mean return {mean_return:.1f} +/- {std_return:.1f}")


if __name__ == "__main__":
    main()
