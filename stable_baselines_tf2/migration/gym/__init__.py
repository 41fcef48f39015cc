"""The interface of old gym (0.9 to 0.21) over gymnasium, for scripts that import ``gym``.

`stable_baselines_tf2.migration.install` makes ``import gym`` mean this package. What is not here is gymnasium's own
module of that name, as ``gym.spaces``.
"""

from __future__ import annotations

from gymnasium import spaces
from gymnasium.spaces import Space

from stable_baselines_tf2.migration.gym import envs, error, logger, utils, wrappers
from stable_baselines_tf2.migration.gym.core import (
    ActionWrapper,
    Env,
    GoalEnv,
    ObservationWrapper,
    RewardWrapper,
    Wrapper,
)
from stable_baselines_tf2.migration.gym.envs.registration import make, register, spec

__version__ = "0.21.0"  # the interface that this is
__all__ = [
    "ActionWrapper",
    "Env",
    "GoalEnv",
    "ObservationWrapper",
    "RewardWrapper",
    "Space",
    "Wrapper",
    "envs",
    "error",
    "logger",
    "make",
    "register",
    "spaces",
    "spec",
    "utils",
    "wrappers",
]
