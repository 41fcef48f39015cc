"""What A2C and ACKTR share: one step for each rollout, with a step size that follows a schedule."""

from __future__ import annotations

from typing import Any, ClassVar

from stable_baselines_tf2.common.math_util import explained_variance
from stable_baselines_tf2.common.schedules import SCHEDULES, Scheduler
from stable_baselines_tf2.core.checks import check_choice
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.training import Training


class OneStepRLModel(ActorCriticRLModel):
    """Base of algorithms that make one step for each rollout.

    A subclass's constructor sets ``learning_rate``, the step size at the start, and ``lr_schedule``, a key of
    ``common.schedules.SCHEDULES``.
    """

    _shown: ClassVar[tuple[str, ...]]  # statistics that tables show
    learning_rate: float
    lr_schedule: str
    learning_rate_schedule: Scheduler | None = None  # since the start of training

    def _check_arguments(self, n_envs: int | None) -> None:
        super()._check_arguments(n_envs)
        check_choice("lr_schedule", self.lr_schedule, SCHEDULES)

    def _start_training(self, training: Training) -> None:
        self.learning_rate_schedule = Scheduler(self.learning_rate, training.total_timesteps, self.lr_schedule)

    def _next_learning_rate(self) -> float:
        assert self.learning_rate_schedule is not None  # since the start of training
        return self.learning_rate_schedule.last_value(self.n_batch)  # it advances with every sample

    def _told(self, rollout: Rollout, training: Training, learning_rate: float) -> dict[str, float]:
        """What TensorBoard shows of a rollout, where it is written."""
        if training.writer is None:
            return {}
        return {
            "returns": float(rollout.returns.mean()),
            "learning_rate": learning_rate,
            "advantages": float((rollout.returns - rollout.values).mean()),
        }

    def _table(self, rollout: Rollout, training: Training, statistics: dict[str, float]) -> dict[str, Any]:
        return {
            "nupdates": training.update,
            "total_timesteps": self.num_timesteps,
            "fps": training.fps,
            **{name: statistics[name] for name in self._shown},
            "explained_variance": float(
                explained_variance(rollout.flat(rollout.values), rollout.flat(rollout.returns))
            ),
        }
