"""Deep deterministic policy gradient (Lillicrap et al. 2015, https://arxiv.org/abs/1509.02971).

Each gradient step lowers the squared error of the critic, Q(s, a) - [r + γ (1 - done) Q'(s', π'(s'))], and raises
Q(s, π(s)) by a step on the actor, over one batch from the replay buffer; both gradients are taken before either
network changes. The target networks follow by soft updates: θ' <- (1 - τ) θ' + τ θ.

Observations may be normalized by their running statistics, and the critic's output by those of its targets, while its
last layer is rescaled so that its outputs are preserved (Pop-Art, https://arxiv.org/abs/1602.07714). Exploration is by
noise on the actions, or on the weights of the actor (parameter noise, https://arxiv.org/abs/1706.01905).

Under MPI (``mpirun -n N``) all workers train the same networks: gradients are averaged and statistics pooled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.math_util import unscale_action
from stable_baselines_tf2.common.noise import ActionNoise, AdaptiveParamNoiseSpec
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core import distributed, losses
from stable_baselines_tf2.core.acting import CompiledNetwork
from stable_baselines_tf2.core.checks import check_number, check_usual, take_whole
from stable_baselines_tf2.core.optimizers import Adam, clip_by_norms, polyak_average
from stable_baselines_tf2.core.param_noise import WeightNoise
from stable_baselines_tf2.core.parameters import JoinedParameters
from stable_baselines_tf2.core.phases import Batch, PhaseResult, TrainingState
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.ddpg.policies import DDPGPolicy
from stable_baselines_tf2.ddpg.report import Evaluation, Report
from stable_baselines_tf2.ddpg.statistics import (
    HasMoments,
    Moments,
    NormalizedObservations,
    RunningStatistics,
    denormalize,
    moments,
    normalize,
    reduce_std,
    reduce_var,
    updated_sums,
)
from stable_baselines_tf2.envs.spaces import as_gymnasium_space, kind_of, spaces_equal
from stable_baselines_tf2.models.continuous_control import ContinuousControlModel
from stable_baselines_tf2.models.loop_names import DDPGNames
from stable_baselines_tf2.models.off_policy import Actions, EpisodeHistory
from stable_baselines_tf2.models.training import Training

__all__ = ["DDPG", "denormalize", "normalize", "reduce_std", "reduce_var"]


class DDPG(ContinuousControlModel):
    """Deep deterministic policy gradient, for Box actions.

    Args:
        policy: a DDPG policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded.
        gamma: discount γ.
        memory_policy: ignored, with a warning.
        eval_env: environment in which the actor is evaluated after each training phase; None for no evaluation.
        nb_train_steps: gradient steps in each training phase.
        nb_rollout_steps: environment steps, over all environments, between two training phases.
        nb_eval_steps: steps of each evaluation.
        param_noise: adaptive noise on the weights of the actor for exploration; None disables it.
        action_noise: noise added to actions for exploration; None disables it.
        normalize_observations: normalize observations by their running mean and standard deviation.
        tau: soft-update (Polyak) coefficient τ of the target networks.
        batch_size: transitions in each gradient step.
        param_noise_adaption_interval: gradient steps between two adaptations of the parameter noise.
        normalize_returns: train the critic on normalized returns.
        enable_popart: keep the statistics of returns up to date, by Pop-Art; needs ``normalize_returns``.
        observation_range: network inputs are clipped to this range (also without normalization).
        critic_l2_reg: L2 regularization: weight of half the sum of the critic's squared weights in its loss.
        return_range: the critic's output and its target are clipped to this range, before normalization is undone.
        actor_lr: Adam's learning rate for the actor.
        critic_lr: Adam's learning rate for the critic.
        clip_norm: maximum gradient norm of each variable; None disables it.
        reward_scale: factor by which rewards are multiplied.
        render: render the environment at each step.
        render_eval: render the evaluation.
        memory_limit: deprecated name of ``buffer_size``.
        buffer_size: transitions that the replay buffer keeps.
        random_exploration: probability of a uniformly random action.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        tensorboard_log: folder of TensorBoard logs; None disables them.
        _init_setup_model: build the networks in the constructor.
        policy_kwargs: further arguments of the policy.
        full_tensorboard_log: also log histograms of the batches (slow, large).
        seed: seed of all random generators.
        n_cpu_tf_sess: TensorFlow's threads.
        bootstrap_timeouts: bootstrap from the last observation of a truncated episode, instead of treating it as
            terminated.

    Raises:
        ValueError: an invalid argument, an unknown policy, or an action space that is not a bounded Box.
        TypeError: an argument of a wrong type.
    """

    saved = (
        "nb_eval_steps",
        "param_noise_adaption_interval",
        "nb_train_steps",
        "nb_rollout_steps",
        "param_noise",
        "action_noise",
        "gamma",
        "tau",
        "normalize_returns",
        "enable_popart",
        "normalize_observations",
        "batch_size",
        "observation_range",
        "return_range",
        "critic_l2_reg",
        "actor_lr",
        "critic_lr",
        "clip_norm",
        "reward_scale",
        "memory_limit",
        "buffer_size",
        "random_exploration",
        "bootstrap_timeouts",
    )
    not_saved = frozenset(("memory_policy", "eval_env", "render", "render_eval"))
    loop_names = DDPGNames
    last_distances: Sequence[float] = ()  # effects of the parameter noise in the last training phase
    stats_sample: Any = None
    tb_seen_steps: Any = None
    old_mean: Any = None
    old_std: Any = None
    renormalize_q_outputs_op: Any = None
    last_evaluation: Evaluation | None = None
    uses_mpi: ClassVar[bool] = True
    tables_by_episodes: ClassVar[bool] = False

    def __init__(
        self,
        policy: type[DDPGPolicy] | str,
        env: EnvLike | None,
        gamma: float = 0.99,
        memory_policy: object = None,
        eval_env: EnvLike | None = None,
        nb_train_steps: int = 50,
        nb_rollout_steps: int = 100,
        nb_eval_steps: int = 100,
        param_noise: AdaptiveParamNoiseSpec | None = None,
        action_noise: ActionNoise | None = None,
        normalize_observations: bool = False,
        tau: float = 0.001,
        batch_size: int = 128,
        param_noise_adaption_interval: int = 50,
        normalize_returns: bool = False,
        enable_popart: bool = False,
        observation_range: tuple[float, float] = (-5.0, 5.0),
        critic_l2_reg: float = 0.0,
        return_range: tuple[float, float] = (-np.inf, np.inf),
        actor_lr: float = 1e-4,
        critic_lr: float = 1e-3,
        clip_norm: float | None = None,
        reward_scale: float = 1.0,
        render: bool = False,
        render_eval: bool = False,
        memory_limit: int | None = None,
        buffer_size: int = 50000,
        random_exploration: float = 0.0,
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
            verbose=verbose,
            policy_base=DDPGPolicy,
            policy_kwargs=policy_kwargs,
            seed=seed,
            n_cpu_tf_sess=n_cpu_tf_sess,
        )
        if memory_policy is not None:
            warnings.warn(
                "memory_policy is ignored: there is one kind of replay buffer", DeprecationWarning, stacklevel=2
            )
        if memory_limit is not None:
            warnings.warn("memory_limit is deprecated; use buffer_size", DeprecationWarning, stacklevel=2)
            buffer_size = memory_limit
        self.gamma, self.tau = gamma, tau
        self.eval_env: Any = eval_env  # vectorized, once the model is built
        self.nb_train_steps, self.nb_rollout_steps, self.nb_eval_steps = nb_train_steps, nb_rollout_steps, nb_eval_steps
        self.param_noise, self.param_noise_adaption_interval = param_noise, param_noise_adaption_interval
        self.action_noise, self.random_exploration = action_noise, random_exploration
        self.normalize_observations, self.observation_range = normalize_observations, observation_range
        self.normalize_returns, self.return_range = normalize_returns, return_range
        self.enable_popart, self.reward_scale = enable_popart, reward_scale
        self.actor_lr, self.critic_lr = actor_lr, critic_lr
        self.critic_l2_reg, self.clip_norm = critic_l2_reg, clip_norm
        self.render, self.render_eval = render, render_eval
        self.memory_limit, self.buffer_size, self.batch_size = memory_limit, buffer_size, batch_size
        self.tensorboard_log, self.full_tensorboard_log = tensorboard_log, full_tensorboard_log
        self.bootstrap_timeouts = bootstrap_timeouts

        self.target_policy: Any = None  # the target networks
        self.param_noise_actor: Any = None  # the perturbed actor, if there is parameter noise
        self.adaptive_param_noise_actor: Any = None  # another one, to measure the effect of the noise
        self.obs_rms: RunningStatistics | None = None
        self.ret_rms: RunningStatistics | None = None
        self._weight_noise: WeightNoise | None = None
        self._observations: NormalizedObservations
        self._value_network: CompiledNetwork | None = None
        self._report: Report | None = None  # data of the next table; None if there are no tables
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_rates(self) -> None:
        check_number("actor_lr", self.actor_lr, 0.0)
        check_number("critic_lr", self.critic_lr, 0.0)

    def check_arguments(self) -> None:
        for name, low in (("nb_train_steps", 0), ("nb_eval_steps", 0), ("nb_rollout_steps", 1)):
            take_whole(self, name, low)
        take_whole(self, "param_noise_adaption_interval", 1)
        self.train_freq, self.gradient_steps = self.nb_rollout_steps, self.nb_train_steps
        super().check_arguments()
        check_usual("critic_l2_reg", self.critic_l2_reg, 0.0)
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, float(np.finfo(np.float32).tiny))
        if not isinstance(self.reward_scale, int | float | np.number) or not np.isfinite(self.reward_scale):
            raise ValueError(f"reward_scale must be a finite number, not {self.reward_scale!r}")
        for name in ("observation_range", "return_range"):
            bounds = np.asarray(getattr(self, name))
            if bounds.shape != (2,) or bounds.dtype.kind not in "fiu" or not bounds[0] < bounds[1]:
                raise ValueError(f"{name} must be two numbers, the lower one first, not {getattr(self, name)!r}")
            setattr(self, name, tuple(bounds.tolist()))
        if not (self.param_noise is None or isinstance(self.param_noise, AdaptiveParamNoiseSpec)):
            raise TypeError(f"param_noise must be an AdaptiveParamNoiseSpec or None, not {self.param_noise!r}")
        if self.normalize_observations and kind_of(self.observation_space).one_hot:
            raise ValueError(
                f"normalize_observations: observations of {self.observation_space} are categories, which have no mean"
            )
        if self.eval_env is not None:
            self.eval_env = self.wrap_env(self.eval_env)
            for kind in ("observation_space", "action_space"):
                own, other = getattr(self, kind), as_gymnasium_space(getattr(self.eval_env, kind))
                if not spaces_equal(own, other):
                    raise ValueError(f"eval_env: its {kind} is {other}, but the model's is {own}")

    def build_networks(self) -> None:
        if self.enable_popart and not self.normalize_returns:
            warnings.warn("enable_popart has no effect without normalize_returns", stacklevel=2)
        shape = self.observation_space.shape or ()
        self.obs_rms = RunningStatistics("obs_rms", shape) if self.normalize_observations else None
        self.ret_rms = RunningStatistics("ret_rms") if self.normalize_returns else None
        self.policy_tf, self.target_policy = self.make_network(), self.make_network("target")
        perturbed = (
            []
            if self.param_noise is None
            else [self.make_network("noise", only_acts=True), self.make_network("noise_adapt", only_acts=True)]
        )
        self._observations = NormalizedObservations(
            self.policy_tf.preprocessor, self.obs_rms, *map(float, self.observation_range)
        )
        for network in (self.policy_tf, self.target_policy, *perturbed):
            network.preprocessor = self._observations
        trained, target = self.trainable, self.target_policy.params
        self.link_targets(target)
        if perturbed:
            self.param_noise_actor, self.adaptive_param_noise_actor = perturbed
            self._weight_noise = WeightNoise(trained, perturbed[0].params, lambda name: "LayerNorm" not in name)
        statistics = [sums for sums in (self.obs_rms, self.ret_rms) if sums is not None]
        networks = [self.policy_tf, *perturbed, self.target_policy]
        self.all_parameters = JoinedParameters(*(network.params for network in networks), *statistics)
        self.target_params = target.variables
        self.target_parameters = {"target": target}
        self.extra_parameters = {} if self.ret_rms is None else {"ret_rms": self.ret_rms}
        self.set_optimizer(Adam())

        regularized = ["b" not in name and "qf_output" not in name and "/qf/" in name for name in trained.names]
        self.regularized_weights = np.repeat(np.array(regularized, np.float32), trained.sizes)
        outputs = [name for name in trained.names if "qf_output" in name]
        if self.enable_popart and self.normalize_returns and len(outputs) != 2:
            raise ValueError("enable_popart: the critic's last layer must be called qf_output, with weights and biases")
        self._critic_output = trained.place(outputs) if outputs else slice(0)

    # ------------------------------------------------------------ the update
    def _normalized_q(self, policy: DDPGPolicy, vector: Tensor, obs: Tensor, actions: Tensor = None) -> Tensor:
        """The critic's output [B] for raw observations and actions; the actor's actions if None."""
        with policy.using(vector):
            inputs = policy.preprocessor.tensor(obs)
            return policy.critic_outputs(inputs, policy.actions(inputs) if actions is None else actions)[:, 0]

    def denormalized_q(self, normalized: Tensor | np.ndarray, returns: HasMoments | None) -> Tensor:
        """The critic's output, clipped and denormalized, [B]."""
        return denormalize(self._clip_return(normalized), returns)

    def _clip_return(self, values: Tensor | np.ndarray) -> Any:
        if np.isinf(self.return_range).all():  # nothing to clip, and TensorFlow's search for infinities would find them
            return values
        clip = np.clip if isinstance(values, np.ndarray) else tf.clip_by_value
        return clip(values, *self.return_range)

    def target_q(self, target: Tensor, batch: Batch, returns: Moments | None) -> Tensor:
        """``r + γ (1 - done) Q'(s', π'(s'))``, [B]."""
        q_t = denormalize(self._normalized_q(self.target_policy, target, batch["next_obs"]), returns)
        return losses.bellman_target(batch["rewards"], batch["dones"], self.gamma, q_t)

    def gradient_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One step; statistics are the two losses and the mean target of the critic."""
        policy, target = self.policy_tf, state.targets["target"]
        returns = moments(state.extra["ret_rms"]) if self.normalize_returns else None
        target_q = self.target_q(target, batch, returns)
        if returns is not None and self.enable_popart:
            sums = updated_sums(state.extra["ret_rms"], target_q)
            state = state._replace(extra={"ret_rms": sums})
            vector, target = (self._rescaled(weights, returns, moments(sums)) for weights in (vector, target))
            returns = moments(sums)
        normalized_target = self._clip_return(normalize(target_q, returns))
        with tf.GradientTape() as tape:
            tape.watch(vector)
            normalized_q = self._normalized_q(policy, vector, batch["obs"], batch["actions"])
            critic_loss = losses.squared_error(normalized_q, normalized_target)
            if self.critic_l2_reg > 0.0:
                critic_loss += 0.5 * self.critic_l2_reg * tf.reduce_sum(self.regularized_weights * tf.square(vector))
            actions = policy.with_weights(vector, batch["obs"])
            # The actor's loss has no gradient with respect to the critic.
            q = self.denormalized_q(
                self._normalized_q(policy, tf.stop_gradient(vector), batch["obs"], actions), returns
            )
            actor_loss = -tf.reduce_mean(q)
            loss = actor_loss + critic_loss  # each weight has a gradient from one of them only
        gradient = tape.gradient(loss, vector)
        if self.clip_norm is not None:
            gradient = clip_by_norms(gradient, self.trainable.sizes, self.clip_norm)
        gradient = distributed.allreduce_sum_tensor(gradient) / distributed.size()
        rates = tf.repeat(batch["learning_rate"], [self.n_actor, vector.shape[0] - self.n_actor])
        vector, adam = self.optimizer.step(vector, gradient, state.moments, rates)
        state = state._replace(moments=adam, targets={"target": polyak_average(target, vector, self.tau)})
        statistics = {"actor_loss": actor_loss, "critic_loss": critic_loss, "critic_target": tf.reduce_mean(target_q)}
        return vector, state, statistics

    def _rescaled(self, vector: Tensor, before: Moments, now: Moments) -> Tensor:
        """Weights that preserve the critic's outputs under new statistics of returns (Pop-Art)."""
        place = self._critic_output
        weights, bias = vector[place][:-1], vector[place][-1:]
        weights = weights * before.std / now.std
        bias = (bias * before.std + before.mean - now.mean) / now.std
        return tf.concat([vector[: place.start], weights, bias, vector[place.stop :]], axis=0)

    def learning_rate_at(self, progress_remaining: float) -> Any:
        return np.array([self.actor_lr, self.critic_lr], np.float32)

    def run_phase(self, batches: dict[str, Any], variant: Hashable = None) -> dict[str, np.ndarray]:
        self._observations.sync()
        return super().run_phase(batches, variant)

    def train(self, n_steps: int, training: Training) -> None:
        report = self._report
        if report is not None:
            report.end_rollout(self.critic_values)
        interval = n_steps if self._weight_noise is None else self.param_noise_adaption_interval
        statistics, distances = [], []
        for first in range(0, n_steps, interval):
            if self._weight_noise is not None:
                distances.append(self.adapt_noise(self.sample(1)[0]["obs"][0]))
            for part in self.chunks(np.arange(first, min(first + interval, n_steps))):
                batches = self.sample(len(part))[0]
                statistics.append(self.update(batches, self.learning_rate_at(training.progress_remaining)))
        self.last_phase, self.last_distances = (statistics, self.step_numbers(n_steps)), distances
        self.n_updates += n_steps
        training.update += n_steps // self.gradient_steps
        if training.writer is not None:
            self._log(training, batches)
        evaluated = (
            None
            if self.last_evaluation is None
            else self.last_evaluation.run(self.nb_eval_steps, render=self.render_eval)
        )
        if report is not None:
            eval_q_values = None if evaluated is None else self.critic_values(evaluated)
            report.end_phase(batches, self.last_statistics, distances, eval_q_values)

    def _log(self, training: Training, batches: dict[str, np.ndarray]) -> None:
        statistics = self.last_statistics
        stddev = 0.0 if self.param_noise is None else self.param_noise.current_stddev
        scalars = {
            "loss/critic_target": statistics["critic_target"],
            "input_info/rewards": float(batches["rewards"].mean()),
            "input_info/param_noise_stddev": stddev,
            "Adam_mpi/actor_loss": statistics["actor_loss"],
            "Adam_mpi/critic_loss": statistics["critic_loss"],
        }
        histograms = {}
        if self.full_tensorboard_log:
            histograms = {
                "input_info/rewards_distribution": batches["rewards"],
                "input_info/observation": batches["obs"],
            }
        training.log_update(scalars, histograms)

    # ------------------------------------------------------------ exploration
    def perturb(self, copy: DDPGPolicy, noise: np.ndarray | None = None) -> None:
        """Sets a copy of the actor to the actor's weights with noise, standard normals that are drawn if None."""
        assert self._weight_noise is not None and self.param_noise is not None
        noise = self._weight_noise.draw(self.generator) if noise is None else noise
        self._weight_noise.perturb(copy.params, noise, self.param_noise.current_stddev)

    def adapt_noise(self, obs: np.ndarray, noise: np.ndarray | None = None) -> float:
        """Measures the effect of the parameter noise on the actions, and adapts its scale.

        Args:
            obs: raw observations, [B, …].
            noise: see `perturb`.

        Returns:
            The root mean square difference of actions, averaged over the MPI workers.
        """
        assert self.param_noise is not None
        self.perturb(self.adaptive_param_noise_actor, noise)
        difference = self.policy_tf.act_outputs(obs) - self.adaptive_param_noise_actor.act_outputs(obs)
        distance = float(distributed.allreduce_mean(np.sqrt(np.mean(np.square(difference)))))
        self.param_noise.adapt(distance)
        return distance

    def policy_actions(self, obs: np.ndarray) -> np.ndarray:
        return (self.policy_tf if self._weight_noise is None else self.param_noise_actor).act_outputs(obs)

    def explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        if self._weight_noise is not None and starts.any():
            self.perturb(self.param_noise_actor)
        actions, taken = super().explore(obs, starts)
        if self._report is not None:
            self._report.add_step(obs, actions)
        return actions, taken

    def predicted_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        if self._weight_noise is None or deterministic:
            return super().predicted_actions(obs, deterministic)
        return self.with_action_noise(self.param_noise_actor.step(obs))

    def store(
        self,
        obs: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_obs: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        super().store(obs, actions, rewards * self.reward_scale, next_obs, dones, infos)
        if self.obs_rms is not None:
            self.obs_rms.update(obs)

    # ------------------------------------------------------------ learning
    def start_training(self, training: Training) -> None:
        self.check_arguments()
        super().start_training(training)
        if distributed.size() > 1:
            for part in self.all_parameters.parts:
                part.advance(tf.constant(distributed.broadcast(part.vector.numpy())))
            state = self.moments.items()
            self.moments = {name: tf.constant(distributed.broadcast(value.numpy())) for name, value in state}
        self.last_evaluation = None if self.eval_env is None else Evaluation(self.eval_env, self._evaluation_actions)
        so_far = self.num_timesteps // self.train_freq
        self._report = None if self.table_interval(training) is None else Report(last_update=so_far)

    def after_step(self, first_step: int, training: Training, history: EpisodeHistory) -> None:
        if self.render and distributed.rank() == 0:
            self.env.render()
        report = self._report
        n_phases = self.num_timesteps // self.train_freq  # those without enough transitions to train on count too
        if report is not None and self.passed_interval(training, report.last_update, n_phases):
            if training.update == 0:
                report.last_update = n_phases
                return
            self.log_table(training, history, self._epoch_table(training, history, report))
            n_evaluated = 0 if self.last_evaluation is None else len(self.last_evaluation.returns)
            self._report = report.next(n_phases, history.n_episodes, n_evaluated)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "DDPG",
        reset_num_timesteps: bool = True,
        replay_wrapper: Callable[[Any], Any] | None = None,
        progress_bar: bool = False,
    ) -> DDPG:
        """Trains the model; ``log_interval`` counts training phases. See `OffPolicyRLModel.learn`."""
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper, progress_bar
        )

    def _evaluation_actions(self, obs: np.ndarray) -> np.ndarray:
        """Actions without exploration, as environments take them, [N, n]."""
        return unscale_action(self.action_space, self.policy_tf.step(obs))

    # ------------------------------------------------------------ logs
    def critic_values(self, obs: np.ndarray) -> np.ndarray:
        """Q(s, π(s)), denormalized, [B], for raw observations [B, …]."""
        if self._value_network is None:
            forward = partial(self._normalized_q, self.policy_tf)
            self._value_network = CompiledNetwork(forward, self.trainable, self._observations.spec)
        self._observations.sync()
        return self.denormalized_q(self._value_network(np.asarray(obs, self._observations.dtype)), self.ret_rms)

    def _epoch_table(self, training: Training, history: EpisodeHistory, report: Report) -> dict[str, Any]:
        """The table of the training phases since the last one."""
        obs, actions = report.sample["obs"], report.sample["actions"]
        measured = {
            "reference_Q": self.denormalized_q(self.policy_tf.value(obs, actions), self.ret_rms),
            "reference_actor_Q": self.critic_values(obs),
            "reference_action": self.policy_tf.step(obs),
            "rollout/actions": np.concatenate(report.actions),
        }
        if self._weight_noise is not None:
            measured["reference_perturbed_action"] = self.param_noise_actor.step(obs)
        further = {"total/duration": training.elapsed, "total/steps_per_second": training.fps}
        if self.param_noise is not None:
            further |= self.param_noise.get_stats()
        evaluated = None if self.last_evaluation is None else self.last_evaluation.returns
        statistics = {"ret_rms": self.ret_rms, "obs_rms": self.obs_rms}
        table = report.table(history, measured, statistics, evaluated, further)
        return dict(sorted((table | {"total/steps": self.num_timesteps}).items()))
