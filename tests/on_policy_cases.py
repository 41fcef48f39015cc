"""Small models and environments that the tests of on-policy algorithms share (importable by worker processes)."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from stable_baselines_tf2 import A2C, ACER, ACKTR, PPO1, PPO2, TRPO
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from tests.helpers import RandomEnv, box

ALGORITHMS = {"A2C": A2C, "ACER": ACER, "ACKTR": ACKTR, "PPO1": PPO1, "PPO2": PPO2, "TRPO": TRPO}
SMALL: dict[str, dict[str, Any]] = {
    "A2C": dict(n_steps=4),
    "ACER": dict(n_steps=4, buffer_size=64, replay_ratio=1, replay_start=8, lr_schedule="constant"),
    "ACKTR": dict(n_steps=4),
    "PPO1": dict(timesteps_per_actorbatch=8, optim_batchsize=4, optim_epochs=2),
    "PPO2": dict(n_steps=4, nminibatches=2, noptepochs=2),
    "TRPO": dict(timesteps_per_batch=128, cg_iters=3, vf_iters=2),
}
UPDATE = {
    "A2C": 8,
    "ACER": 8,
    "ACKTR": 8,
    "PPO1": 8,
    "PPO2": 8,
    "TRPO": 128,
}  # steps of two environments for one update
KWARGS: dict[str, dict[str, Any]] = {
    "MlpPolicy": dict(net_arch=[dict(pi=[8], vf=[8])]),
    "MlpLstmPolicy": dict(n_lstm=4, net_arch=[6, "lstm"]),
    "MlpLnLstmPolicy": dict(n_lstm=4, net_arch=[6, "lstm"]),
    "CnnPolicy": {},
}
ACTION_SPACES = {
    "Discrete": spaces.Discrete(4),
    "Box": box(2),
    "MultiDiscrete": spaces.MultiDiscrete([3, 2]),
    "MultiBinary": spaces.MultiBinary(3),
}


def random_env(
    n_envs: int = 2, action_space: Any = None, observation_space: Any = None, seed: int | None = 5
) -> DummyVecEnv:
    """Environments with random observations and rewards."""
    action_space = spaces.Discrete(4) if action_space is None else action_space

    def build() -> RandomEnv:
        return RandomEnv(box(3) if observation_space is None else observation_space, action_space)

    env = DummyVecEnv([build] * n_envs)
    env.seed(seed)
    return env


def make(name: str, policy: str = "MlpPolicy", env: Any = None, **arguments: Any) -> Any:
    """A small model."""
    arguments = {"policy_kwargs": KWARGS.get(policy, {}), "seed": 1, **SMALL[name], **arguments}
    return ALGORITHMS[name](policy, random_env() if env is None else env, **arguments)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two parameter dictionaries are equal, bit for bit and in order."""
    return list(first) == list(second) and all(np.array_equal(first[name], second[name]) for name in first)


class Scripted(gymnasium.Env):
    """Pays ``rewards[t]`` at step t of an episode, which ends after the last of them; observes [t, episode]."""

    action_space = spaces.Discrete(2)

    def __init__(self, rewards: list[float], truncates: bool = False) -> None:
        self.observation_space = box(2, low=-100.0, high=100.0)
        self.rewards, self.truncates, self.episode = rewards, truncates, -1

    def _observe(self) -> np.ndarray:
        return np.array([self.time, self.episode], np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        self.time, self.episode = 0, self.episode + 1
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward, self.time = self.rewards[self.time], self.time + 1
        over = self.time == len(self.rewards)
        return self._observe(), reward, over and not self.truncates, over and self.truncates, {}


class Failing(RandomEnv):
    """A random environment that goes wrong at its ``after``-th step: ``"nan"`` reward, ``"nan_obs"``, or ``"die"``."""

    def __init__(self, how: str, after: int, action_space: Any = None) -> None:
        super().__init__(box(3), spaces.Discrete(4) if action_space is None else action_space)
        self.how, self.left = how, after

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, *rest = super().step(action)
        self.left -= 1
        if self.left == 0:
            if self.how == "die":
                os._exit(9)
            if self.how == "nan_obs":
                obs = np.full_like(obs, np.nan)
            else:
                reward = float("nan")
        return obs, reward, *rest


class OldEnv:
    """An environment of gym 0.21, subclass of nothing: two observations, four-tuples."""

    metadata: dict[str, Any] = {"render.modes": []}
    observation_space, action_space = box(2), spaces.Discrete(2)

    def seed(self, seed: int | None = None) -> list[int | None]:
        self.random = np.random.default_rng(seed)
        return [seed]

    def reset(self) -> np.ndarray:
        if not hasattr(self, "random"):
            self.seed(0)
        self.time, self.obs = 0, self.random.uniform(-1, 1, 2).astype(np.float32)
        return self.obs

    def step(self, action: int) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        reward = float(action == int(self.obs[0] > 0))
        self.time += 1
        over = self.time == 8
        self.obs = self.random.uniform(-1, 1, 2).astype(np.float32)
        return self.obs, reward, over, {"TimeLimit.truncated": True} if over else {}
