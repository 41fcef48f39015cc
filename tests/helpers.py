"""Small environments that tests share."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


class RandomEnv(gymnasium.Env):
    """Random observations and rewards in any spaces; an episode ends with probability ``p_done`` at each step."""

    def __init__(self, observation_space: gymnasium.Space, action_space: gymnasium.Space, p_done: float = 0.1) -> None:
        self.observation_space, self.action_space, self.p_done = observation_space, action_space, p_done

    def _observe(self) -> Any:
        return self.observation_space.sample()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._observe(), float(self.np_random.normal()), bool(self.np_random.random() < self.p_done), False, {}


def box(*shape: int, low: float = -1.0, high: float = 1.0, dtype: Any = np.float32) -> gymnasium.spaces.Box:
    """A Box with the same bounds everywhere."""
    return gymnasium.spaces.Box(low, high, shape, dtype)
