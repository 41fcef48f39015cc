"""Goal environments that the tests of HER share (importable by worker processes)."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tests.helpers import box


class Line(gymnasium.Env):
    """Observes [t, episode]; after step t the goal t + 1 is achieved. Goal 100 is desired, -1 paid until it is reached.

    It counts how ``compute_reward`` is called. An episode lasts as long as the next of ``lengths`` says.
    """

    def __init__(self, *lengths: int, truncates: bool = False, takes_batches: bool = True) -> None:
        goal = box(1, low=-1, high=200)
        self.observation_space = spaces.Dict(
            observation=box(2, low=-1, high=200), achieved_goal=goal, desired_goal=goal
        )
        self.action_space = spaces.Discrete(2)
        self.lengths, self.truncates, self.takes_batches, self.episode = lengths, truncates, takes_batches, -1
        self.calls: list[int] = []

    def _observe(self) -> dict[str, Any]:
        parts = {"observation": [self.time, self.episode], "achieved_goal": [self.time], "desired_goal": [100]}
        return {name: np.array(part, np.float32) for name, part in parts.items()}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.time, self.episode = 0, self.episode + 1
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        over = self.time == self.lengths[self.episode % len(self.lengths)]
        info = {"is_success": self.episode % 2 == 0}
        return self._observe(), -1.0, over and not self.truncates, over and self.truncates, info

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        self.calls.append(np.ndim(achieved_goal))
        if not self.takes_batches:
            return float(info.get("bonus", 0)) - float(np.linalg.norm(achieved_goal - desired_goal) > 0.5)
        return -(np.abs(achieved_goal - desired_goal).max(axis=-1) > 0.5).astype(float)
