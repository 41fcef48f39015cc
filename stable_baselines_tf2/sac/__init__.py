"""Soft actor-critic."""

from stable_baselines_tf2.sac.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy
from stable_baselines_tf2.sac.sac import SAC

__all__ = ["SAC", "CnnPolicy", "LnCnnPolicy", "LnMlpPolicy", "MlpPolicy"]
