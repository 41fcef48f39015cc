"""Drivers of golden cases: hindsight experience replay."""

from __future__ import annotations

import random
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.buffers import ReplayBuffer
from stable_baselines_tf2.her import HERGoalEnvWrapper, HindsightExperienceReplayWrapper
from stable_baselines_tf2.her.replay_buffer import KEY_TO_GOAL_STRATEGY
from tests.golden import Case, driver
from tests.golden.functions_buffers import KEYS
from tests.helpers import box


class Reach(gymnasium.Env):
    """The reward is 0 within ``radius`` of the goal, otherwise -1."""

    def __init__(self, radius: float = 0.1, **parts: gymnasium.Space) -> None:
        self.observation_space = gymnasium.spaces.Dict(parts)
        self.action_space = box(2)
        self.radius = radius

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> float:
        return 0.0 if np.linalg.norm(achieved_goal - desired_goal) < self.radius else -1.0


def reach(arguments: dict[str, Any]) -> Reach:
    """Goals in a Box."""
    obs, goal = int(arguments["obs_dim"]), int(arguments["goal_dim"])
    return Reach(
        float(arguments.get("radius", 0.1)),
        observation=box(obs, low=-1, high=2),
        achieved_goal=box(goal, low=-3, high=4),
        desired_goal=box(goal, low=-5, high=6),
    )


@driver("function", "stable_baselines.her.replay_buffer.HindsightExperienceReplayWrapper")
def relabelling(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    (strategy,) = [s for name, s in KEY_TO_GOAL_STRATEGY.items() if f"trategy: {name}" in case.spec["notes"]]
    env = BitFlippingEnv(int(arguments["n_bits"])) if "n_bits" in arguments else reach(arguments)
    np.random.seed(int(arguments["seed"]))
    random.seed(int(arguments["seed"]))
    buffer = ReplayBuffer(int(arguments["buffer_size"]))
    n_goals = int(arguments["n_sampled_goal"])
    replay = HindsightExperienceReplayWrapper(buffer, n_goals, strategy, HERGoalEnvWrapper(env))
    sizes = []
    for e in range(len(arguments["episode_lengths"])):
        for row in zip(*(arguments[f"episode/{e}/{key}"] for key in KEYS), strict=True):
            replay.add(*row, {})
            sizes.append(len(replay))
    results: dict[str, Any] = {f"result/{key}": [row[i] for row in buffer.storage] for i, key in enumerate(KEYS)}
    results["result/size_after_each_add"] = sizes
    results.update({f"result/sample/{key}": value for key, value in zip(KEYS, replay.sample(7), strict=True)})
    return results


@driver("function", "stable_baselines.her.utils.HERGoalEnvWrapper")
def goal_env_wrapper(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    env = HERGoalEnvWrapper(reach(arguments))
    flat = env.convert_dict_to_obs({key: arguments[key] for key in ("desired_goal", "observation", "achieved_goal")})
    back = env.convert_obs_to_dict(flat)
    number = gymnasium.spaces.Discrete(2 ** int(arguments["n_bits"]) - 1)  # the original's, which lack the last one
    discrete = HERGoalEnvWrapper(Reach(observation=number, achieved_goal=number, desired_goal=number))
    numbers = {key: int(arguments[f"discrete/{key}"]) for key in back}
    return {
        "result/flat": flat,
        "result/keys": np.array(list(back)),
        "result/space_low": env.observation_space.low,
        "result/space_high": env.observation_space.high,
        **{f"result/back/{key}": value for key, value in back.items()},
        "result/discrete/flat": discrete.convert_dict_to_obs(numbers),
        "result/discrete/nvec": discrete.observation_space.nvec,
        "result/multibinary/n": HERGoalEnvWrapper(BitFlippingEnv(int(arguments["n_bits"]))).observation_space.n,
    }
