"""Hindsight experience replay."""

from stable_baselines_tf2.her.her import HER
from stable_baselines_tf2.her.replay_buffer import GoalSelectionStrategy, HindsightExperienceReplayWrapper
from stable_baselines_tf2.her.utils import HERGoalEnvWrapper

__all__ = ["HER", "GoalSelectionStrategy", "HERGoalEnvWrapper", "HindsightExperienceReplayWrapper"]
