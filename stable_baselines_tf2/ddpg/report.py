"""The report of DDPG: a table that covers some training phases, and the evaluation that is part of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stable_baselines_tf2.common.math_util import safe_mean
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.ddpg.statistics import RunningStatistics
from stable_baselines_tf2.models.off_policy import EpisodeHistory


class Evaluation:
    """Episodes without exploration, which continue from one evaluation to the next.

    Args:
        env: a vectorized environment; it is reset.
        act: ``(obs) -> actions``, as the environments take them.
    """

    def __init__(self, env: VecEnv, act: Callable[[np.ndarray], np.ndarray]) -> None:
        self._env, self._act, self.obs = env, act, env.reset()
        self._totals = np.zeros(env.num_envs)
        self.returns: list[float] = []  # of all episodes that ended

    def run(self, n_steps: int, *, render: bool) -> np.ndarray:
        """Takes steps, and renders them if ``render``; returns the observations before them, [B, …]."""
        seen = []
        for _ in range(n_steps):
            seen.append(self.obs)
            self.obs, rewards, dones, _ = self._env.step(self._act(self.obs))
            if render:
                self._env.render()
            self._totals += rewards
            self.returns += self._totals[dones].tolist()
            self._totals[dones] = 0.0
        return np.concatenate(seen)


@dataclasses.dataclass
class Report:
    """Data of the next table, gathered since the last one."""

    sample: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)  # a batch, the same for all tables
    last_update: int = 0  # training phases before
    first_episode: int = 0  # episodes before
    first_evaluated: int = 0  # episodes of evaluations before
    n_epochs: int = 1
    obs: list[np.ndarray] = dataclasses.field(default_factory=list)  # of the rollout under way
    actions: list[np.ndarray] = dataclasses.field(default_factory=list)
    q_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    eval_q_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    losses: dict[str, float] = dataclasses.field(default_factory=dict)  # of the last phase
    distances: list[float] = dataclasses.field(default_factory=list)  # of the last phase

    def add_step(self, obs: np.ndarray, actions: np.ndarray) -> None:
        """Adds a step of the rollout: raw observations [N, …], and actions between -1 and 1 [N, n]."""
        self.obs.append(obs)
        self.actions.append(actions)

    def end_rollout(self, critic_values: Callable[[np.ndarray], np.ndarray]) -> None:
        """Evaluates Q(s, π(s)) for the observations of the rollout, before the networks are trained."""
        self.q_values.append(critic_values(np.concatenate(self.obs)))
        self.obs = []

    def end_phase(
        self,
        batches: Mapping[str, np.ndarray],
        losses: dict[str, float],
        distances: list[float],
        eval_q_values: np.ndarray | None,
    ) -> None:
        """Adds a training phase.

        Args:
            batches: transitions, [K, B, …].
            losses: statistics of the gradient steps by name.
            distances: effects of the parameter noise on the actions.
            eval_q_values: Q(s, π(s)) for the observations of an evaluation, [B]; None without evaluation.
        """
        self.sample = self.sample or {name: batches[name][0] for name in ("obs", "actions")}
        self.losses, self.distances = losses, distances
        if eval_q_values is not None:
            self.eval_q_values.append(eval_q_values)

    def next(self, n_updates: int, n_episodes: int, n_evaluated: int) -> Report:
        """An empty report for the following training phases, given the counts so far."""
        return Report(self.sample, n_updates, n_episodes, n_evaluated, self.n_epochs + 1, self.obs)

    def table(
        self,
        history: EpisodeHistory,
        measured: Mapping[str, np.ndarray],
        statistics: Mapping[str, RunningStatistics | None],
        evaluated: Sequence[float] | None,
        further: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The table; means over the MPI workers.

        Args:
            history: the episodes of this training.
            measured: arrays of which mean and standard deviation are shown.
            statistics: running statistics; None where there are none.
            evaluated: returns of all episodes of evaluations; None without evaluation.
            further: further entries of the table.
        """
        table: dict[str, Any] = {f"{name}_mean": array.mean() for name, array in measured.items()}
        table |= {f"{name}_std": array.std() for name, array in measured.items()}
        for name, sums in statistics.items():
            if sums is not None:
                table |= {f"{name}_mean": sums.mean.mean(), f"{name}_std": sums.std.mean()}
        first = self.first_episode
        table |= {
            "rollout/return": safe_mean(history.returns[first:]),
            "rollout/return_history": safe_mean(history.returns[-100:]),
            "rollout/episode_steps": safe_mean(history.lengths[first:]),
            "rollout/episodes": history.n_episodes - first,
            "rollout/Q_mean": np.concatenate(self.q_values).mean(),
            "train/loss_actor": self.losses["actor_loss"],
            "train/loss_critic": self.losses["critic_loss"],
            "total/episodes": history.n_episodes,
            **further,
        }
        table["train/param_noise_distance"] = np.mean(self.distances or [0.0])  # there is none without noise
        if evaluated is not None:
            table |= {
                "eval/return": safe_mean(evaluated[self.first_evaluated :]),
                "eval/return_history": safe_mean(evaluated[-100:]),
                "eval/episodes": len(evaluated) - self.first_evaluated,
                "eval/Q": np.concatenate(self.eval_q_values).mean(),
            }
        means = distributed.allreduce_mean(np.array(list(table.values()), np.float64))
        return dict(zip(table, means.tolist(), strict=True)) | {"total/epochs": self.n_epochs}
