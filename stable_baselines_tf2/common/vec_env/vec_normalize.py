"""Normalization of observations and rewards by running statistics."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.vec_env.base_vec_env import StepResult, VecEnv, VecEnvWrapper
from stable_baselines_tf2.core import wiring
from stable_baselines_tf2.core.archive import atomic_write, bytes_to_arrays
from stable_baselines_tf2.envs.spaces import is_box

_SETTINGS = ("training", "norm_obs", "norm_reward", "clip_obs", "clip_reward", "gamma", "epsilon")
_STATISTICS = ("obs_rms", "ret_rms")
_MOMENTS = ("mean", "var", "count")
_CONTENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # settings and arrays by kind of file
    "VecNormalize": (_SETTINGS, tuple(f"{name}.{key}" for name in _STATISTICS for key in _MOMENTS)),
    "RunningMeanStd": ((), _MOMENTS),
}


class VecNormalize(VecEnvWrapper):
    """Shifts and scales observations to mean 0 and variance 1, and scales rewards by the deviation of the return.

    The reward is divided by the standard deviation of the running discounted return ``R_t = gamma R_{t-1} + r_t``; its
    mean is kept. Statistics cover everything seen while ``training`` is true.

    Pickling and copying leave ``venv`` out: give the copy one by `set_venv`.

    Args:
        venv: the environments to wrap.
        training: whether statistics are updated.
        norm_obs: whether observations are normalized.
        norm_reward: whether rewards are normalized.
        clip_obs: largest absolute value of a normalized observation.
        clip_reward: largest absolute value of a normalized reward.
        gamma: discount factor of the running return.
        epsilon: added to variances, against division by zero.

    Raises:
        TypeError: observations have parts (Dict and Tuple spaces).
    """

    venv: VecEnv

    def __init__(
        self,
        venv: VecEnv,
        training: bool = True,
        norm_obs: bool = True,
        norm_reward: bool = True,
        clip_obs: float = 10.0,
        clip_reward: float = 10.0,
        gamma: float = 0.99,
        epsilon: float = 1e-8,
    ):
        super().__init__(venv, observation_space=_space_of_floats(venv.observation_space) if norm_obs else None)
        if self.observation_space.shape is None:
            raise TypeError(f"VecNormalize needs observations that are one array, got {self.observation_space}")
        self.obs_rms = RunningMeanStd(shape=self.observation_space.shape)
        self.ret_rms = RunningMeanStd(shape=())
        self.clip_obs = clip_obs
        self.clip_reward = clip_reward
        self.gamma = gamma
        self.epsilon = epsilon
        self.training = training
        self.norm_obs = norm_obs
        self.norm_reward = norm_reward
        self.ret = np.zeros(self.num_envs)  # running discounted returns
        self.old_obs: Any = None
        self.old_rews: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("venv", "ret")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, venv=None)

    def set_venv(self, venv: VecEnv) -> None:
        """Gives environments to an object that came out of a pickle or a copy.

        Args:
            venv: the environments to wrap.

        Raises:
            ValueError: it has some already, or the observations of these have another shape.
        """
        if self.venv is not None:
            raise ValueError("this VecNormalize has environments already; make or load another one")
        if self.obs_rms.mean.shape != venv.observation_space.shape:
            raise ValueError(
                f"the statistics are for observations of shape {self.obs_rms.mean.shape}, those of venv have shape "
                f"{venv.observation_space.shape}"
            )
        VecEnvWrapper.__init__(self, venv, _space_of_floats(venv.observation_space) if self.norm_obs else None)
        self.ret = np.zeros(self.num_envs)

    def step_wait(self) -> StepResult:
        obs, rewards, dones, infos = self.venv.step_wait()
        self.old_obs, self.old_rews = obs, rewards
        if self.training:
            self.obs_rms.update(obs)
            self._update_reward(rewards)
        obs, rewards = self.normalize_obs(obs), self.normalize_reward(rewards)
        self.ret[dones] = 0
        return obs, rewards, dones, infos

    def reset(self) -> np.ndarray:
        obs = self.venv.reset()
        self.old_obs = obs
        self.ret = np.zeros(self.num_envs)
        if self.training:
            self._update_reward(self.ret)
        return self.normalize_obs(obs)

    def normalize_obs(self, obs: np.ndarray) -> np.ndarray:
        """Normalizes observations by the statistics so far, which do not change.

        Args:
            obs: observations as the environments return them.

        Returns:
            Normalized and clipped observations, float64; ``obs`` itself without ``norm_obs``.
        """
        if not self.norm_obs:
            return obs
        scaled = (obs - self.obs_rms.mean) / np.sqrt(self.obs_rms.var + self.epsilon)
        return np.clip(scaled, -self.clip_obs, self.clip_obs)

    def normalize_reward(self, reward: np.ndarray) -> np.ndarray:
        """Normalizes rewards by the statistics so far, which do not change.

        Args:
            reward: rewards as the environments return them.

        Returns:
            Scaled and clipped rewards; ``reward`` itself without ``norm_reward``.
        """
        if not self.norm_reward:
            return reward
        deviation = float(np.sqrt(self.ret_rms.var + self.epsilon))  # a Python number leaves float32 as it is
        return np.clip(reward / deviation, -self.clip_reward, self.clip_reward)

    def get_original_obs(self) -> np.ndarray:
        """The observations of the last step or reset, before normalization (a copy)."""
        return self.old_obs.copy()

    def get_original_reward(self) -> np.ndarray:
        """The rewards of the last step, before normalization (a copy)."""
        return self.old_rews.copy()

    def save(self, save_path: str | os.PathLike) -> None:
        """Writes settings and statistics, but not the environments.

        Args:
            save_path: the file, whatever its name ends in.
        """
        arrays = {f"{name}.{key}": getattr(getattr(self, name), key) for name in _STATISTICS for key in _MOMENTS}
        _write(save_path, "VecNormalize", {name: getattr(self, name) for name in _SETTINGS}, arrays)

    @staticmethod
    def load(load_path: str | os.PathLike, venv: VecEnv) -> VecNormalize:
        """Reads what `save` wrote. Nothing in the file is executed.

        Args:
            load_path: the file.
            venv: the environments to wrap.

        Returns:
            A `VecNormalize` with the settings and statistics of the file.

        Raises:
            ValueError: it is not such a file, or made for observations of another shape.
        """
        settings, arrays = _read(load_path, "VecNormalize")
        normalize = VecNormalize.__new__(VecNormalize)
        normalize.__setstate__({name: settings[name] for name in _SETTINGS} | {"old_obs": None, "old_rews": None})
        for name in _STATISTICS:
            setattr(normalize, name, _statistics({key: arrays[f"{name}.{key}"] for key in _MOMENTS}))
        normalize.set_venv(venv)
        return normalize

    def save_running_average(self, path: str | os.PathLike) -> None:
        """Writes the statistics alone, to ``obs_rms.pkl`` and ``ret_rms.pkl``. Deprecated: use `save`.

        Args:
            path: the folder.
        """
        warnings.warn("save_running_average is deprecated: use save", DeprecationWarning, stacklevel=2)
        for name in _STATISTICS:
            moments = {key: getattr(getattr(self, name), key) for key in _MOMENTS}
            _write(os.path.join(path, f"{name}.pkl"), "RunningMeanStd", {}, moments)

    def load_running_average(self, path: str | os.PathLike) -> None:
        """Reads what `save_running_average` wrote. Deprecated: use `load`.

        Args:
            path: the folder.

        Raises:
            ValueError: the files are not such files, or made for observations of another shape.
        """
        warnings.warn("load_running_average is deprecated: use load", DeprecationWarning, stacklevel=2)
        loaded = {}
        for name in _STATISTICS:
            loaded[name] = _statistics(_read(os.path.join(path, f"{name}.pkl"), "RunningMeanStd")[1])
            shape, expected = loaded[name].mean.shape, getattr(self, name).mean.shape
            if shape != expected:
                raise ValueError(f"{name} in {os.fspath(path)} is for shape {shape}, expected {expected}")
        self.__dict__.update(loaded)

    def _update_reward(self, reward: np.ndarray) -> None:
        self.ret = self.ret * self.gamma + reward
        self.ret_rms.update(self.ret)


def _space_of_floats(space: gymnasium.Space) -> gymnasium.Space:
    """A Box of integers as one of floats, which normalized observations are; any other space as it is."""
    if not is_box(space) or np.dtype(space.dtype).kind == "f":
        return space
    low, high = (np.asarray(getattr(space, name), np.float32) for name in ("low", "high"))
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def _statistics(moments: dict[str, np.ndarray]) -> RunningMeanStd:
    statistics = RunningMeanStd()
    statistics.mean, statistics.var, statistics.count = moments["mean"], moments["var"], float(moments["count"])
    return statistics


def _write(path: str | os.PathLike, kind: str, settings: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Writes an npz file: the arrays, and a JSON header that says what they are."""
    header = json.dumps({"kind": kind, "version": 1, "settings": settings}, default=lambda number: number.item())
    with atomic_write(path) as file:
        np.savez(file, header=np.array(header), **arrays)


def _read(path: str | os.PathLike, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads settings and arrays of a file that holds normalization statistics: the one place that knows its formats."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        if content[:1] == b"\x80":  # a pickle of Stable Baselines
            found, settings, arrays = _from_pickle(content)
        else:
            arrays = bytes_to_arrays(content)
            header = json.loads(str(arrays.pop("header")))
            found, settings = header["kind"], header["settings"]
    except Exception as error:  # NumPy and JSON each have their own ways to refuse a file
        raise ValueError(f"{os.fspath(path)} holds no normalization statistics: {error}") from error
    if found != kind:
        raise ValueError(f"{os.fspath(path)} holds a {found}, expected a {kind}")
    missing = {*_CONTENTS[kind][0], *_CONTENTS[kind][1]} - {*settings, *arrays}
    if missing:
        raise ValueError(f"{os.fspath(path)} is incomplete: it lacks {sorted(missing)}")
    for name in _CONTENTS[kind][0]:
        if not isinstance(settings[name], bool | int | float | np.number):
            raise ValueError(f"{os.fspath(path)} is damaged: its {name} is a {type(settings[name]).__name__}")
    return settings, arrays


def _from_pickle(content: bytes) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Kind, settings and arrays of a file of Stable Baselines, read without executing it."""
    found = wiring.use("read_pickle")(content)
    if isinstance(found, RunningMeanStd):
        return "RunningMeanStd", {}, vars(found)
    if getattr(found, "state", None) is None:
        raise ValueError(f"it holds {type(found).__name__}")
    statistics = {name: vars(found.state[name]) for name in _STATISTICS}
    arrays = {f"{name}.{key}": moments[key] for name, moments in statistics.items() for key in _MOMENTS}
    return found.name.rpartition(".")[2], found.state, arrays
