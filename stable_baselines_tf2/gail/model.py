"""Generative adversarial imitation learning (Ho & Ermon 2016, https://arxiv.org/abs/1606.03476).

A discriminator D learns to distinguish an expert's (s, a) pairs from the policy's, by minimizing
-E_π[log(1 - D(s, a))] - E_E[log D(s, a)] - c H(D). The policy learns by TRPO, with the rewards -log(1 - D(s, a)) in
place of the environment's. ``g_step`` updates of the policy, each on a rollout of its own, are followed by one of the
discriminator, on ``d_step`` minibatches of the last rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.runners import episode_sums
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core.checks import check_number, require_finite, take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.distributed import allreduce_mean_tensor
from stable_baselines_tf2.core.optimizers import Adam
from stable_baselines_tf2.core.parameters import JoinedParameters
from stable_baselines_tf2.core.phases import Batch, CompiledPhase, PhaseResult, TrainingState, gradient_step
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import clip_to_bounds
from stable_baselines_tf2.gail.adversary import TransitionClassifier
from stable_baselines_tf2.gail.dataset.dataset import ExpertDataset
from stable_baselines_tf2.models.cloning import expert_arrays
from stable_baselines_tf2.models.parallel import told
from stable_baselines_tf2.models.training import Training
from stable_baselines_tf2.trpo_mpi.trpo_mpi import TRPO

ADVERSARY = Adam()  # the discriminator's optimizer


class GAIL(TRPO):
    """Generative adversarial imitation learning; under MPI, all workers train one model.

    Args:
        policy: an actor-critic policy or its name.
        env: environment, vectorized environment, or id; None for a model that is loaded. Its rewards are not
            used.
        expert_dataset: an ``ExpertDataset``; needed for `learn`. It is not saved: after `load`, set it, or pass
            ``expert_dataset=`` there.
        hidden_size_adversary: units of the discriminator's hidden layers.
        adversary_entcoeff: weight c of the entropy of the discriminator's outputs.
        g_step: updates of the policy between two of the discriminator.
        d_step: minibatches of each update of the discriminator, into which the last rollout is divided.
        d_stepsize: Adam's learning rate for the discriminator.
        verbose: 0 prints nothing, 1 training tables, 2 more.
        _init_setup_model: build the networks in the constructor.
        kwargs: arguments of `TRPO`.

    Raises:
        ValueError: an invalid argument, or an unknown policy.
        NotImplementedError: a space that the discriminator does not support.
    """

    saved = (
        *TRPO.saved,
        "hidden_size_adversary",
        "adversary_entcoeff",
        "g_step",
        "d_step",
        "d_stepsize",
        "using_gail",
    )
    not_saved = frozenset(("expert_dataset",))

    def __init__(
        self,
        policy: type[ActorCriticPolicy] | str,
        env: EnvLike | None,
        expert_dataset: ExpertDataset | None = None,
        hidden_size_adversary: int = 100,
        adversary_entcoeff: float = 1e-3,
        g_step: int = 3,
        d_step: int = 1,
        d_stepsize: float = 3e-4,
        verbose: int = 0,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, env, verbose=verbose, _init_setup_model=False, **kwargs)
        self.using_gail = True
        self.expert_dataset: Any = expert_dataset
        self.hidden_size_adversary, self.adversary_entcoeff = hidden_size_adversary, adversary_entcoeff
        self.g_step, self.d_step, self.d_stepsize = g_step, d_step, d_stepsize
        self.reward_giver: Any = None  # the discriminator
        if _init_setup_model:
            self.setup_model()

    # ------------------------------------------------------------ building
    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        for name in ("hidden_size_adversary", "g_step", "d_step"):
            take_whole(self, name, 1)
        if self.d_step > self.timesteps_per_batch:
            raise ValueError(f"d_step must be at most timesteps_per_batch ({self.timesteps_per_batch})")
        check_number("adversary_entcoeff", self.adversary_entcoeff, 0.0)
        check_number("d_stepsize", self.d_stepsize, 0.0)

    def build_networks(self) -> None:
        super().build_networks()
        self.reward_giver = TransitionClassifier(
            self.observation_space, self.action_space, self.hidden_size_adversary, self.adversary_entcoeff
        )
        self.all_parameters = JoinedParameters(*self.all_parameters.parts, self.reward_giver.params)
        self._adversary_state = ADVERSARY.initial_state(sum(self.reward_giver.params.sizes))
        self._adversary_phase = CompiledPhase(self._adversary_step, jit_compile=False, in_caller=self.n_workers == 1)

    # ------------------------------------------------------------ the discriminator
    def _adversary_step(self, vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        """One gradient step on the discriminator; statistics are those of ``loss_name``, from before it."""
        vector, moments, statistics = gradient_step(
            lambda vector: self.reward_giver.losses_of(vector, batch),
            ADVERSARY,
            vector,
            state.moments,
            batch["learning_rate"],
            transform=allreduce_mean_tensor,
        )
        return vector, state._replace(moments=moments), statistics

    def train_adversary(
        self, obs: np.ndarray, actions: np.ndarray, expert_obs: np.ndarray, expert_actions: np.ndarray
    ) -> dict[str, np.ndarray]:
        """One gradient step on the discriminator, for raw observations and actions of policy and expert, [B, …].

        Returns:
            The statistics of ``loss_name``, from before the step.
        """
        adversary = self.reward_giver
        adversary.observe(np.concatenate([obs, expert_obs]))
        batch = dict(zip(("obs", "actions"), adversary.inputs(obs, actions), strict=True))
        batch |= zip(("expert_obs", "expert_actions"), adversary.inputs(expert_obs, expert_actions), strict=True)
        batch["learning_rate"] = np.float32(self.d_stepsize)
        before = TrainingState(self._adversary_state)
        vector, state, statistics = self._adversary_phase(adversary.params.vector, before, batch)
        update = f"the discriminator's update at step {self.num_timesteps}"
        require_finite({**statistics, "a weight": vector.numpy()}, update)
        adversary.params.advance(vector)
        self._adversary_state = dict(state.moments)
        return statistics

    def imitation_rewards(self, rollout: Rollout) -> np.ndarray:
        """The discriminator's rewards for a rollout, [N, T]."""
        rewards = self.discriminator_rewards(rollout.flat(rollout.obs), rollout.flat(rollout.actions))
        return rewards.reshape(rollout.rewards.shape)

    def _update_adversary(self, rollout: Rollout) -> dict[str, float]:
        size = self.n_batch // self.d_step
        n_steps = self.n_batch // size  # can be more than d_step, as in the original
        rows = self.generator.permutation(self.n_batch)[: n_steps * size].reshape(n_steps, size)
        obs, actions = rollout.flat(rollout.obs), rollout.flat(rollout.actions)
        statistics = [self.train_adversary(obs[chosen], actions[chosen], *self._next_expert_batch()) for chosen in rows]
        return {name: float(np.mean([found[name] for found in statistics])) for name in self.reward_giver.loss_name}

    def _next_expert_batch(self) -> tuple[np.ndarray, np.ndarray]:
        obs, actions = self.expert_dataset.get_next_batch()
        return expert_arrays(obs, actions, self.acting_policy.preprocessor, self.action_space)

    # ------------------------------------------------------------ learning
    def start_training(self, training: Training) -> None:
        super().start_training(training)
        self.share_weights(self.reward_giver.params)
        size, seed = self.n_batch // self.d_step, int(self.generator.integers(2**31))
        self.expert_dataset.init_dataloader(size, seed=seed)
        self._next_expert_batch()  # whether it fits, before any work is done
        self.expert_dataset.init_dataloader(size, seed=seed)  # from its first batch on
        self._learned_returns = np.zeros(self.n_envs)  # of the episodes that go on
        self._adversary_losses: dict[str, float] = {}

    def count_updates(self, total_timesteps: int) -> int:
        # Whole rounds, each of which ends with an update of the discriminator.
        return self.g_step * super().count_updates(-(-total_timesteps // self.g_step))

    def shows_table(self, training: Training) -> bool:
        return super().shows_table(training) and training.update % self.g_step == 0

    def update(self, rollout: Rollout, training: Training, progress_remaining: float) -> dict[str, float]:
        rewards = self.imitation_rewards(rollout)
        self.record_episodes(rollout, self._returns_of(rewards, rollout.dones))
        rollout.rewards = rewards + rollout.bootstraps
        statistics = self.learn_from(rollout)
        if training.update % self.g_step == 0:
            with told("Optimizing the discriminator"):
                self._adversary_losses = self._update_adversary(rollout)
        return self._adversary_losses | statistics  # ``entropy`` is the policy's

    @property
    def carried_return(self) -> float:  # type: ignore[override]
        return float(self._learned_returns[0])

    def discriminator_rewards(self, obs: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Rewards for raw observations and the policy's actions, [B, …] to [B]."""
        return np.ravel(self.reward_giver.get_reward(obs, clip_to_bounds(actions, self.action_space)))

    def _returns_of(self, rewards: np.ndarray, dones: np.ndarray) -> list[float]:
        """Returns of the episodes that ended in a rollout, in the order in which they did."""
        ended: list[tuple[int, int, float]] = []  # step, environment, return
        for i in range(self.n_envs):
            sums, self._learned_returns[i] = episode_sums(rewards[i], dones[i], self._learned_returns[i])
            ended += [(int(t), i, total) for t, total in zip(np.flatnonzero(dones[i]), sums, strict=True)]
        return [total for *_, total in sorted(ended)]

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        table = super().table(rollout, training, statistics)
        if self._episodes:
            table["EpTrueRewMean"] = np.mean([episode.true_reward for episode in self._episodes])
        return table | {name: statistics[name] for name in self._adversary_losses}

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "GAIL",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Any:
        """Trains the model; see `BaseRLModel.learn`.

        Args:
            total_timesteps: environment steps for each of the ``g_step`` updates of the policy between two of the
                discriminator: as in the original, ``g_step`` times as many are taken.
            callback: see `BaseRLModel.learn`.
            log_interval: has no effect: every update of the discriminator prints a table.
            tb_log_name: name of the run in ``tensorboard_log``.
            reset_num_timesteps: count from zero and start a new run; False continues both.
            progress_bar: show a progress bar.

        Raises:
            ValueError: there are no expert data, or they do not fit the spaces.
        """
        if self.expert_dataset is None:
            raise ValueError("expert_dataset: GAIL needs an ExpertDataset to learn from")
        steps = total_timesteps * self.g_step
        return super(TRPO, self).learn(steps, callback, self.g_step, tb_log_name, reset_num_timesteps, progress_bar)

    # ------------------------------------------------------------ files
    def training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super().training_state()
        arrays |= {f"adversary/{name}": value.numpy() for name, value in self._adversary_state.items()}
        return state, arrays | {f"adversary/{name}": array for name, array in self._statistics().items()}

    def restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().restore_training_state(state, arrays)
        moments = {name: arrays[f"adversary/{name}"] for name in self._adversary_state}
        if any(array.shape != tuple(self._adversary_state[name].shape) for name, array in moments.items()):
            raise ValueError("the file's state of the discriminator's optimizer has other shapes than the model's")
        self.reward_giver.obs_rms.set_state({name: arrays[f"adversary/{name}"] for name in self._statistics()})
        self._adversary_state = {name: tf.constant(array) for name, array in moments.items()}

    def _statistics(self) -> dict[str, np.ndarray]:
        return self.reward_giver.obs_rms.get_state()


__all__ = ["GAIL"]
