"""Small environments that the tests of vectorized environments share (importable by worker processes)."""

from __future__ import annotations

import os
import sys

import gymnasium
import numpy as np
from gymnasium import spaces


class Counter(gymnasium.Env):
    """Observation [start + t, action, seed]; the episode ends at t = length, truncated for odd starts.

    Its observation array and info dict are one object each, written over and over: callers must not rely on them.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 10}
    observation_space = spaces.Box(-1e6, 1e6, (3,), np.float32)
    action_space = spaces.Discrete(5)

    def __init__(self, start=0, length=3, render_mode=None):
        self.start, self.length, self.render_mode = start, length, render_mode
        self.obs, self.info, self.time, self.resets = np.zeros(3, np.float32), {}, 0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.resets = 0, self.resets + 1
        self.obs[:] = self.start, -1, -1 if seed is None else seed
        return self.obs, {}

    def step(self, action):
        if not self.action_space.contains(action):
            raise ValueError(f"bad action {action!r}")
        self.time += 1
        self.obs[:2] = self.start + self.time, action
        self.info["t"] = self.time
        over = self.time >= self.length
        return self.obs, float(action), over and self.start % 2 == 0, over and self.start % 2 == 1, self.info

    def render(self):
        image = np.full((4, 6, 3), 10 * (self.start + 1), np.uint8)
        return image if self.render_mode == "rgb_array" else self.render_mode

    def add(self, number, times=1):
        return self.start + number * times

    def imported(self, name):
        return name in sys.modules

    def die(self):
        os._exit(7)


class OldCounter:
    """The same behind the interface of gym 0.21, without being a subclass of anything."""

    metadata = {"render.modes": ["rgb_array"]}

    def __init__(self):
        self.observation_space, self.action_space = Counter.observation_space, Counter.action_space
        self.seeds, self.time = [], 0

    def seed(self, seed=None):
        self.seeds.append(seed)
        return [seed]

    def reset(self):
        self.time = 0
        return np.zeros(3, np.float32)

    def step(self, action):
        self.time += 1
        over = self.time >= 2
        info = {"TimeLimit.truncated": True} if over else {}
        return np.full(3, self.time, np.float32), 1.0, over, info

    def render(self, mode="human"):
        return np.full((2, 2, 3), 7, np.uint8) if mode == "rgb_array" else f"old {mode}"

    def close(self):
        self.closed = True


class DictCounter(Counter):
    """Observations in a dict."""

    observation_space = spaces.Dict({"b": spaces.Box(-9, 9, (2,), np.float32), "a": spaces.Discrete(9)})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"a": 0, "b": np.zeros(2, np.float32)}, {}

    def step(self, action):
        _, reward, terminated, truncated, info = super().step(action)
        return {"a": self.time, "b": np.full(2, self.time, np.float32)}, reward, terminated, truncated, info


class TupleCounter(DictCounter):
    """Observations in a tuple."""

    observation_space = spaces.Tuple([spaces.Box(-9, 9, (2,), np.float32), spaces.Discrete(9)])

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        return (obs["b"], obs["a"]), info

    def step(self, action):
        obs, *rest = super().step(action)
        return (obs["b"], obs["a"]), *rest


class Failing(Counter):
    """Fails at its second step."""

    def step(self, action):
        if self.time == 1:
            raise ZeroDivisionError("the bridge is out")
        return super().step(action)


class NotANumber(Counter):
    """Returns a reward and an observation that are not numbers at its second step."""

    def step(self, action):
        obs, reward, *rest = super().step(action)
        return (obs * np.nan, np.nan, *rest) if self.time == 2 else (obs, reward, *rest)
