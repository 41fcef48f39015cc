"""Deep Q-learning (Mnih et al. 2013, https://arxiv.org/abs/1312.5602), with its extensions.

Each gradient step lowers the Huber loss of Q(s, a) - [r + γ (1 - done) Q'(s', a')] over a batch from the replay buffer,
where Q' is the target network of Q, and a' the greedy action under Q (double Q-learning) or under Q'. Gradients are
clipped for each variable. Exploration is ε-greedy, or by noise on the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.graph_policies import make_policy
from stable_baselines_tf2.common.schedules import LinearSchedule
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import check_number, check_usual, take_whole
from stable_baselines_tf2.core.optimizers import Adam, clip_by_norms
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.core.phases import Batch, PhaseResult, TrainingState
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.deepq.param_noise import ParameterNoise
from stable_baselines_tf2.deepq.policies import DQNPolicy
from stable_baselines_tf2.envs.spaces import is_discrete
from stable_baselines_tf2.models.loop_names import DQNNames
from stable_baselines_tf2.models.off_policy import Actions, EpisodeHistory, OffPolicyRLModel
from stable_baselines_tf2.models.training import Training

MAX_GRAD_NORM = 10.0  # of each variable


class DQN(OffPolicyRLModel):
    """Deep Q-learning, for Discrete actions.

    Args:
        policy: a DQN policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        learning_rate: Adam's learning rate.
        buffer_size: transitions that the replay buffer keeps.
        exploration_fraction: fraction of training over which ε is annealed.
        exploration_final_eps: final exploration probability ε.
        exploration_initial_eps: initial exploration probability ε.
        train_freq: environment steps between two gradient steps.
        batch_size: transitions in each gradient step.
        double_q: double Q-learning: select the next action by Q instead of Q' (https://arxiv.org/abs/1509.06461).
        learning_starts: environment steps before the first gradient step.
        target_network_update_freq: environment steps between two updates of the target network.
        prioritized_replay: sample transitions by their TD errors (https://arxiv.org/abs/1511.05952).
        prioritized_replay_alpha: exponent of the priorities; 0 samples uniformly.
        prioritized_replay_beta0: initial exponent of the importance weights, which is annealed to 1.
        prioritized_replay_beta_iters: environment steps over which it is annealed; None for the whole training.
        prioritized_replay_eps: constant added to absolute TD errors to give priorities.
        param_noise: explore by noise on the weights instead of random actions (https://arxiv.org/abs/1706.01905).
        n_cpu_tf_sess: TensorFlow's threads.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: also log histograms of each batch (slow, large).
        seed: seed of all random generators.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.

    Raises:
        ValueError: an invalid argument, an unknown policy, or an action space that is not Discrete.
    """

    loop_names = DQNNames
    resets_first = False
    last_batch: Any = None  # of the last training phase: what it learned from [K, B, …], and its rows in the buffer
    saved = (
        "gamma",
        "learning_rate",
        "buffer_size",
        "exploration_fraction",
        "exploration_final_eps",
        "exploration_initial_eps",
        "train_freq",
        "batch_size",
        "double_q",
        "learning_starts",
        "target_network_update_freq",
        "prioritized_replay",
        "prioritized_replay_alpha",
        "prioritized_replay_beta0",
        "prioritized_replay_beta_iters",
        "prioritized_replay_eps",
        "param_noise",
        "bootstrap_timeouts",
    )
    shared_inputs = (*OffPolicyRLModel.shared_inputs, "target")

    def __init__(
        self,
        policy: type[DQNPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        learning_rate: float = 5e-4,
        buffer_size: int = 50000,
        exploration_fraction: float = 0.1,
        exploration_final_eps: float = 0.02,
        exploration_initial_eps: float = 1.0,
        train_freq: int = 1,
        batch_size: int = 32,
        double_q: bool = True,
        learning_starts: int = 1000,
        target_network_update_freq: int = 500,
        prioritized_replay: bool = False,
        prioritized_replay_alpha: float = 0.6,
        prioritized_replay_beta0: float = 0.4,
        prioritized_replay_beta_iters: int | None = None,
        prioritized_replay_eps: float = 1e-6,
        param_noise: bool = False,
        n_cpu_tf_sess: int | None = None,
        verbose: int = 0,
        tensorboard_log: str | None = None,
        _init_setup_model: bool = True,
        policy_kwargs: dict[str, Any] | None = None,
        full_tensorboard_log: bool = False,
        seed: int | None = None,
        bootstrap_timeouts: bool = False,
    ) -> None:
        if isinstance(policy, partial):
            policy, policy_kwargs = policy.func, {**policy.keywords, **(policy_kwargs or {})}
        super().__init__(
            policy,
            env,
            verbose=verbose,
            policy_base=DQNPolicy,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        self.gamma, self.learning_rate, self.double_q = gamma, learning_rate, double_q
        self.buffer_size, self.batch_size = buffer_size, batch_size
        self.train_freq, self.learning_starts = train_freq, learning_starts
        self.target_network_update_freq = target_network_update_freq
        self.exploration_fraction = exploration_fraction
        self.exploration_initial_eps, self.exploration_final_eps = exploration_initial_eps, exploration_final_eps
        self.prioritized_replay, self.prioritized_replay_alpha = prioritized_replay, prioritized_replay_alpha
        self.prioritized_replay_beta0 = prioritized_replay_beta0
        self.prioritized_replay_beta_iters = prioritized_replay_beta_iters
        self.prioritized_replay_eps = prioritized_replay_eps
        self.param_noise = param_noise
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts

        self.step_model: Any = None  # Q
        self.target_model: Any = None  # Q'
        self.exploration: Any = None  # a schedule, once training has started
        self.beta_schedule: LinearSchedule | None = None
        self._eps: Parameters
        self.parameter_noise: ParameterNoise | None = None
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_arguments(self) -> None:
        super().check_arguments()
        if not is_discrete(self.action_space):
            raise ValueError(f"DQN needs a Discrete action space, not {self.action_space}")
        take_whole(self, "target_network_update_freq", 1)
        for name in ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"):
            check_usual(name, getattr(self, name), 0.0, 1.0)
        if self.prioritized_replay:
            check_number("prioritized_replay_alpha", self.prioritized_replay_alpha, 0.0)
            check_number("prioritized_replay_beta0", self.prioritized_replay_beta0, 0.0)
            check_usual("prioritized_replay_eps", self.prioritized_replay_eps, float(np.finfo(np.float32).tiny))
            if self.prioritized_replay_beta_iters is not None:
                take_whole(self, "prioritized_replay_beta_iters", 0)

    def make_replay_buffer(self) -> ReplayBuffer:
        if self.prioritized_replay:
            return PrioritizedReplayBuffer(self.buffer_size, self.prioritized_replay_alpha, self.observation_space)
        return super().make_replay_buffer()

    def build_networks(self) -> None:
        def network() -> DQNPolicy:
            arguments = (None, self.observation_space, self.action_space, 1, 1, None)
            policy = make_policy(self.policy, *arguments, **self.policy_kwargs)
            policy.ensure_built()  # within the name scope, where a custom policy has not done so
            return policy

        def copy(scope: str) -> DQNPolicy:
            with keras.name_scope(scope):
                return network()

        with keras.name_scope("deepq"):
            self._eps = Parameters([keras.Variable(np.float32(0.0), name="eps")])
            self.step_model = network()
            perturbed = [copy("perturbed_model"), copy("adaptive_model")] if self.param_noise else []
            self.target_model = copy("target_q_func")
        self.step_model.generator = self.generator
        self.parameter_noise = ParameterNoise(self.step_model, *perturbed) if perturbed else None
        networks = [self.step_model, *perturbed, self.target_model]
        self.all_parameters = JoinedParameters(self._eps, *(network.params for network in networks))
        self.update_target()
        self.set_optimizer(Adam())

    @property
    def acting_policy(self) -> Any:
        return self.require_built(self.step_model)

    @property
    def params(self) -> list[Any]:
        """All variables in `graph`, which `sess` reads and assigns."""
        return self.graph_variables(self.get_parameter_list())

    def act(self, obs: np.ndarray, stochastic: bool = True, update_eps: float = -1.0, **noise: object) -> np.ndarray:
        """Actions [B] for raw observations [B, …].

        Args:
            obs: the observations.
            stochastic: whether to explore.
            update_eps: a new ε, unless it is negative.
            noise: arguments for noise on the weights, which follow training.
        """
        if update_eps >= 0.0:
            self._eps.advance(tf.constant([update_eps], tf.float32))
        if not stochastic:
            return self.acting_policy.best_actions(obs)
        return self._epsilon_greedy(self.acting_policy, obs, self._eps.vector.numpy()[0])

    def proba_step(self, *args: object, **kwargs: object) -> Any:
        """Probabilities of actions: see `DQNPolicy.proba_step`."""
        return self.acting_policy.proba_step(*args, **kwargs)

    def update_target(self) -> None:
        """Copies the weights of Q to Q'."""
        self.target_model.params.copy_from(self.step_model.params)

    # ------------------------------------------------------------ the update
    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One step of Adam; statistics are the loss and the TD errors [B]."""
        q = self.step_model.with_weights
        q_t = q(batch["target"], batch["next_obs"])  # [B, n]
        selector = q(vector, batch["next_obs"]) if self.double_q else q_t
        target = losses.bellman_target(
            batch["rewards"], batch["dones"], self.gamma, losses.double_q_value(q_t, selector)
        )
        with tf.GradientTape() as tape:
            tape.watch(vector)
            errors = losses.q_learning_error(q(vector, batch["obs"]), batch["actions"], target)  # [B]
            loss = tf.reduce_mean(batch["weights"] * losses.huber_loss(errors))
        gradient = clip_by_norms(tape.gradient(loss, vector), self.trainable.sizes, MAX_GRAD_NORM)
        vector, moments = self.optimizer.step(vector, gradient, state.moments, batch["learning_rate"])
        return vector, state._replace(moments=moments), {"loss": loss, "td_errors": errors}

    def update(
        self, batches: dict[str, Any], learning_rate: np.ndarray | float, variant: Hashable = None
    ) -> dict[str, np.ndarray]:
        """Makes K gradient steps; batches also hold importance ``weights``. See `OffPolicyRLModel.update`."""
        target = self.target_model.params.vector
        weights = batches["weights"].astype(np.float32)
        return super().update(batches | {"weights": weights, "target": target}, learning_rate, variant)

    def train(self, n_steps: int, training: Training) -> None:
        batches, rows = self.sample(n_steps)
        buffer = self.replay_buffer
        if self.beta_schedule is not None:
            batches["weights"] = buffer.weights(rows, self.beta_schedule.value(self.num_timesteps))
        else:
            batches["weights"] = np.ones(rows.shape, np.float32)
        self.current_learning_rate = self.learning_rate_at(training.progress_remaining)
        statistics = self.update(batches, self.current_learning_rate)
        self.last_batch = batches | {"td_errors": statistics["td_errors"]}, rows
        self.n_updates += n_steps
        if self.beta_schedule is not None:
            errors = np.abs(statistics["td_errors"]).ravel()
            buffer.update_priorities(rows.ravel(), errors + self.prioritized_replay_eps)
        if training.writer is not None:
            self._log(training, batches, statistics)

    def _log(self, training: Training, batches: dict[str, np.ndarray], statistics: dict[str, np.ndarray]) -> None:
        values = {
            "loss/td_error": statistics["td_errors"],
            "loss/loss": statistics["loss"],
            "input_info/rewards": batches["rewards"],
            "input_info/importance_weights": batches["weights"],
        }
        histograms = {}
        if self.full_tensorboard_log:
            histograms = {f"{tag}_distribution": array for tag, array in values.items()}
            histograms["input_info/observation"] = batches["obs"]
        training.log_update({tag: float(np.mean(array)) for tag, array in values.items()}, histograms)

    def imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        return self.step_model.with_weights(vector, obs)

    # ------------------------------------------------------------ learning
    def start_training(self, training: Training) -> None:
        super().start_training(training)
        # Schedules run over all calls of `learn`: another one continues where the last one stopped.
        horizon = self.num_timesteps + training.total_timesteps
        self.exploration = LinearSchedule(
            int(self.exploration_fraction * horizon), self.exploration_final_eps, self.exploration_initial_eps
        )
        self.beta_schedule = None
        if self.prioritized_replay:
            iterations = self.prioritized_replay_beta_iters
            self.beta_schedule = LinearSchedule(
                horizon if iterations is None else iterations, 1.0, self.prioritized_replay_beta0
            )

    def may_train(self) -> bool:
        return super().may_train() and self.num_timesteps > self.learning_starts

    def after_step(self, first_step: int, training: Training, history: EpisodeHistory) -> None:
        interval = self.target_network_update_freq
        if self.num_timesteps // interval > first_step // interval and self.may_train():
            self.update_target()

    def explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        eps = self._eps.vector.numpy()[0]  # from the step before, as in the original
        scheduled = np.float32(self.exploration.value(self.num_timesteps))
        policy = self.step_model
        if self.parameter_noise is not None:
            policy, scheduled = self._perturbed(self.parameter_noise, obs, starts, float(scheduled)), np.float32(0.0)
        if scheduled != eps:
            self._eps.advance(tf.constant([scheduled]))
        actions = self._epsilon_greedy(policy, obs, eps)
        return actions, actions

    def _epsilon_greedy(self, policy: DQNPolicy, obs: np.ndarray, eps: float) -> np.ndarray:
        """Actions [B] of a network, or random ones with probability ``eps``."""
        uniform = self.generator.random(len(obs), dtype=np.float32)
        random_actions = self.generator.integers(self.step_model.n_actions, size=len(obs))
        return epsilon_greedy(lambda: policy.best_actions(obs), eps, uniform, random_actions)

    def _perturbed(self, noise: ParameterNoise, obs: np.ndarray, starts: np.ndarray, eps: float) -> DQNPolicy:
        """The perturbed network, drawn anew when an episode starts, with a divergence like that of ε-greedy actions."""
        # The divergence of ε-greedy actions from greedy ones (appendix C.1 of the paper).
        noise.threshold = -math.log(1.0 - eps + eps / self.step_model.n_actions)
        if starts.any():
            noise.perturb(noise.perturbed, noise.draw(self.generator))
        noise.adapt(obs, noise.draw(self.generator))
        return noise.perturbed

    def table(self, training: Training, n_episodes: int, mean_return: float) -> dict[str, Any]:
        return {
            "steps": self.num_timesteps,
            "episodes": n_episodes,
            "mean 100 episode reward": mean_return,
            "% time spent exploring": int(100 * self.exploration.value(self.num_timesteps)),
        }

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "DQN",
        reset_num_timesteps: bool = True,
        replay_wrapper: Callable[[Any], Any] | None = None,
        progress_bar: bool = False,
    ) -> DQN:
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper, progress_bar
        )

    @np.errstate(under="ignore")
    def predict(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        return super().predict(observation, state, mask, deterministic)

    # ------------------------------------------------------------ files
    def training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super().training_state()
        if self.parameter_noise is not None:
            state["param_noise"] = {
                "scale": self.parameter_noise.scale,
                "threshold": float(self.parameter_noise.threshold),
            }
        return state, arrays

    def restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().restore_training_state(state, arrays)
        if self.parameter_noise is not None:
            self.parameter_noise.scale = float(state["param_noise"]["scale"])
            self.parameter_noise.threshold = float(state["param_noise"]["threshold"])


def epsilon_greedy(
    best: Callable[[], np.ndarray], eps: float, uniform: np.ndarray, random_actions: np.ndarray
) -> np.ndarray:
    """Random actions with probability ``eps``, otherwise greedy ones.

    Args:
        best: computes the greedy actions [B]; called only if one is needed.
        eps: ε.
        uniform: uniform random numbers between 0 and 1, one for each decision, [B].
        random_actions: [B].
    """
    chose_random = uniform < eps
    return random_actions if chose_random.all() else np.where(chose_random, random_actions, best())
