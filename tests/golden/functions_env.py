"""Drivers of golden cases: environments, their wrappers and running statistics."""

from __future__ import annotations

import ast
import re
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.tile_images import tile_images
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize
from tests.golden import Case, driver


class ScriptedVecEnv(VecEnv):
    """Plays back recorded steps.

    Args:
        observations: ``[steps + 1, num_envs, ...]``, the first of `reset`.
        rewards: ``[steps, num_envs]``.
        dones: ``[steps, num_envs]``.
        observation_space: its space.
        terminal: ``[steps, num_envs, ...]``, last observations of episodes, used where done.
    """

    def __init__(self, observations, rewards, dones, observation_space, terminal=None):
        super().__init__(observations.shape[1], observation_space, spaces.Discrete(2))
        self.observations, self.rewards, self.dones, self.terminal = observations, rewards, dones, terminal
        self.step_number = 0

    def reset(self):
        self.step_number = 0
        return self.observations[0]

    def step_async(self, actions):
        pass

    def step_wait(self):
        step, self.step_number = self.step_number, self.step_number + 1
        infos = [{} for _ in range(self.num_envs)]
        if self.terminal is not None:
            for index in np.flatnonzero(self.dones[step]):
                infos[index]["terminal_observation"] = self.terminal[step, index]
        return self.observations[step + 1], self.rewards[step], self.dones[step], infos

    def close(self):
        pass

    def seed(self, seed=None):
        return self._seeds(seed)

    def get_attr(self, attr_name, indices=None):
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name, value, indices=None):
        setattr(self, attr_name, value)

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        return [getattr(self, method_name)(*method_args, **method_kwargs) for _ in self._get_indices(indices)]


class Walk(gymnasium.Env):
    """The environment that the notes of the DummyVecEnv cases describe."""

    def __init__(self, start: int):
        self.observation_space = spaces.Box(-9, 9, (2,), np.float32)
        self.action_space = spaces.Discrete(4)
        self.start, self.time, self.episode = start, 0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.episode = 0, self.episode + 1
        return np.array([self.start, self.episode], np.float32), {}

    def step(self, action):
        self.time += 1
        obs = np.array([self.start + self.time, action], np.float32)
        return obs, float(action) - self.time, self.time >= 2 + self.start, False, {"t": self.time}


@driver("function", "stable_baselines.common.vec_env.DummyVecEnv")
def dummy_vec_env(case: Case) -> dict[str, Any]:
    actions = case.arrays["arg/actions"]
    env = DummyVecEnv([lambda start=start: Walk(start) for start in range(actions.shape[1])])
    results = {"result/reset": env.reset()}
    steps = [env.step(action) for action in actions]
    terminal = np.zeros((*actions.shape, 2), np.float32)
    for step, (_, _, _, infos) in enumerate(steps):
        for index, info in enumerate(infos):
            terminal[step, index] = info.get("terminal_observation", 0)
    for position, name in enumerate(("observations", "rewards", "dones")):
        results[f"result/{name}"] = np.array([step[position] for step in steps])
    return {**results, "result/terminal_observation": terminal}


@driver("function", "stable_baselines.common.vec_env.VecFrameStack")
def vec_frame_stack(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    observations, dones = arguments["observations"], arguments["dones"]
    space = spaces.Box(0, 255, observations.shape[2:], observations.dtype.type)
    scripted = ScriptedVecEnv(observations, arguments["rewards"], dones, space, arguments["terminal"])
    env = VecFrameStack(scripted, int(arguments["n_stack"]))
    first = env.reset()
    steps = [env.step(np.zeros(env.num_envs)) for _ in dones]
    terminal = np.zeros((*dones.shape, *env.observation_space.shape), observations.dtype)
    for step, index in np.argwhere(dones):
        terminal[step, index] = steps[step][3][index]["terminal_observation"]
    return {
        "result/reset": first,
        "result/observations": np.array([step[0] for step in steps]),
        "result/terminal_observation": terminal,
        "result/space_shape": np.array(env.observation_space.shape),
    }


@driver("function", "stable_baselines.common.vec_env.VecNormalize")
def vec_normalize(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    observations, rewards, dones = (arguments[name] for name in ("observations", "rewards", "dones"))
    space = spaces.Box(-99, 99, observations.shape[2:], np.float32)
    match = re.search(r"settings: (\[.*?\])", case.spec["notes"])
    assert match, "the notes of the case list the settings"
    results = {}
    for number, settings in enumerate(ast.literal_eval(match[1])):
        env = VecNormalize(ScriptedVecEnv(observations, rewards, dones, space), **settings)
        found = {"reset": env.reset()}
        steps = [env.step(np.zeros(env.num_envs)) for _ in dones]
        found.update(observations=np.array([step[0] for step in steps]), rewards=np.array([step[1] for step in steps]))
        for prefix, statistics in (("obs", env.obs_rms), ("ret", env.ret_rms)):
            found.update({f"{prefix}_{name}": getattr(statistics, name) for name in ("mean", "var", "count")})
        found.update(ret=env.ret, original_obs=env.get_original_obs(), original_reward=env.get_original_reward())
        results.update({f"result/{number}/{name}": value for name, value in found.items()})
    return results


@driver("function", "stable_baselines.common.running_mean_std.RunningMeanStd")
def running_mean_std(case: Case) -> dict[str, Any]:
    results = {}
    for number, batches in case.argument_sets():
        statistics = RunningMeanStd(shape=batches["batch_0"].shape[1:])
        for index in range(len(batches)):
            statistics.update(batches[f"batch_{index}"])
            for name in ("mean", "var", "count"):
                results[f"result/{number}/{name}_{index}"] = getattr(statistics, name)
    return results


@driver("function", "stable_baselines.common.tile_images.tile_images")
def tile(case: Case) -> dict[str, Any]:
    return {f"result/{number}/out": tile_images(arguments["images"]) for number, arguments in case.argument_sets()}
