"""Small off-policy models and environments that their tests share (importable by worker processes)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from stable_baselines_tf2 import DDPG, DQN, SAC, TD3
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from tests.helpers import RandomEnv, box

OFF_POLICY = {
    "DDPG": DDPG,
    "DQN": DQN,
    "SAC": SAC,
    "TD3": TD3,
}
SMALL_OFF_POLICY: dict[str, dict[str, Any]] = {
    "DDPG": dict(nb_rollout_steps=6, nb_train_steps=1, nb_eval_steps=5, actor_lr=1e-2, critic_lr=1e-2, tau=0.1),
    "DQN": dict(learning_starts=8, target_network_update_freq=6, exploration_fraction=0.5),
    "SAC": dict(learning_starts=8),
    "TD3": dict(learning_starts=8, train_freq=5, gradient_steps=4),
}


def off_policy_env(
    n_envs: int = 1, seed: int | None = 5, observation_space: Any = None, name: str = "DQN"
) -> DummyVecEnv:
    """Environments with random observations and rewards, and actions for the algorithm of this name."""
    space = box(3) if observation_space is None else observation_space
    actions = spaces.Discrete(4) if name == "DQN" else spaces.Box(np.float32([-2, -1]), np.float32([1, 3]))
    env = DummyVecEnv([lambda: RandomEnv(space, actions)] * n_envs)
    env.seed(seed)
    return env


def make_off_policy(name: str, policy: str = "MlpPolicy", env: Any = None, **arguments: Any) -> Any:
    """A small model."""
    defaults = dict(policy_kwargs=dict(layers=[8]), seed=1, buffer_size=64, batch_size=4, **SMALL_OFF_POLICY[name])
    return OFF_POLICY[name](policy, off_policy_env(name=name) if env is None else env, **{**defaults, **arguments})


OBS = np.random.default_rng(0).normal(0, 1, (5, 3)).astype(np.float32)
