"""What A2C and ACKTR share: one step for each rollout, with a learning rate that follows a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from stable_baselines_tf2.common.schedules import SCHEDULES, Scheduler
from stable_baselines_tf2.core.checks import check_choice
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.training import Training


class OneStepRLModel(ActorCriticRLModel):
    """Base of algorithms that make one step for each rollout.

    A subclass's constructor sets ``learning_rate``, the learning rate at the start, and ``lr_schedule``, a key of
    ``common.schedules.SCHEDULES``.

    Attributes:
        shown_statistics: names of the statistics that tables show.
    """

    shown_statistics: ClassVar[tuple[str, ...]]
    learning_rate: float
    lr_schedule: str
    learning_rate_schedule: Scheduler | None = None  # since the start of training

    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        check_choice("lr_schedule", self.lr_schedule, SCHEDULES)

    def start_training(self, training: Training) -> None:
        self.learning_rate_schedule = Scheduler(self.learning_rate, training.total_timesteps, self.lr_schedule)

    def next_learning_rate(self) -> float:
        """The learning rate of the next update."""
        assert self.learning_rate_schedule is not None  # since the start of training
        return self.learning_rate_schedule.last_value(self.n_batch)  # it advances with every sample

    def rollout_scalars(self, rollout: Rollout, statistics: Mapping[str, float]) -> dict[str, float]:
        return {
            "input_info/discounted_rewards": float(rollout.returns.mean()),
            "input_info/advantage": float((rollout.returns - rollout.values).mean()),
        }

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        return {
            "nupdates": training.update,
            "total_timesteps": self.num_timesteps,
            "fps": training.fps,
            **{name: statistics[name] for name in self.shown_statistics},
            "explained_variance": self.explained_variance(rollout),
        }
