"""``gym.wrappers``: the time limit, the recorder, and gymnasium's wrappers with the old interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
from gymnasium import spaces, wrappers
from numpy.typing import ArrayLike

from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, render_env
from stable_baselines_tf2.migration.gym.core import ObservationWrapper, OldStep, Wrapper, as_old

# Names that stayed, and those that changed; all take the environment first.
_MODERN = {
    name: name
    for name in (
        "AtariPreprocessing",
        "ClipAction",
        "FilterObservation",
        "FlattenObservation",
        "NormalizeObservation",
        "NormalizeReward",
        "RecordEpisodeStatistics",
        "RecordVideo",
        "RescaleAction",
        "ResizeObservation",
        "TransformObservation",
        "TransformReward",
    )
} | {
    "FrameStack": "FrameStackObservation",
    "GrayScaleObservation": "GrayscaleObservation",
    "PixelObservationWrapper": "AddRenderObservation",
}
_KEYWORDS = {
    "a": "min_action",
    "b": "max_action",
    "deque_size": "buffer_length",
    "f": "func",
    "num_stack": "stack_size",
}  # that changed
_VIDEOS = "rl-video"  # what the names of videos begin with


def __getattr__(name: str) -> Any:
    if name not in _MODERN:
        raise AttributeError(f"module 'gym.wrappers' has no attribute {name!r}")
    modern = getattr(wrappers, _MODERN[name])

    def wrap(env: gymnasium.Env, *args: object, **kwargs: object) -> Any:
        kwargs = {_KEYWORDS.get(key, key): value for key, value in kwargs.items()}
        if name == "TransformObservation" and len(args) < 2:
            kwargs.setdefault("observation_space", None)  # the space stays
        return as_old(modern(ensure_gymnasium(env), *args, **kwargs))

    wrap.__name__ = wrap.__qualname__ = name
    wrap.__doc__ = modern.__doc__
    return wrap


class TimeLimit(Wrapper):
    """Ends an episode after a number of steps; the last one's info then says ``TimeLimit.truncated``.

    Args:
        env: the environment.
        max_episode_steps: number of steps; by default what the environment was registered with.
    """

    def __init__(self, env: gymnasium.Env, max_episode_steps: int | None = None) -> None:
        super().__init__(env)
        if max_episode_steps is None and self.env.spec is not None:
            max_episode_steps = self.env.spec.max_episode_steps
        self._max_episode_steps = max_episode_steps
        self._elapsed_steps: int | None = None

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`."""
        if self._elapsed_steps is None:
            raise gymnasium.error.ResetNeeded("the environment needs a reset() before this step()")
        obs, reward, done, info = self.env.step(action)
        self._elapsed_steps += 1
        if self._max_episode_steps is not None and self._elapsed_steps >= self._max_episode_steps:
            info = {**info, "TimeLimit.truncated": not done}
            done = True
        return obs, reward, done, info

    def reset(self, **kwargs: object) -> Any:
        """See `Env.reset`."""
        self._elapsed_steps = 0
        return self.env.reset(**kwargs)


class FlattenDictWrapper(ObservationWrapper):
    """Puts parts of Dict observations into one vector.

    Args:
        env: the environment.
        dict_keys: the parts, in their order in the vector.

    Raises:
        ValueError: the observations have no such part.
    """

    def __init__(self, env: gymnasium.Env, dict_keys: Sequence[str]) -> None:
        super().__init__(env)
        self.dict_keys = list(dict_keys)
        parts = getattr(self.observation_space, "spaces", {})
        missing = [key for key in self.dict_keys if key not in parts]
        if missing:
            raise ValueError(f"dict_keys: {missing} is not among the observations, which are {self.observation_space}")
        self._parts = spaces.Tuple([parts[key] for key in self.dict_keys])
        self.observation_space = spaces.flatten_space(self._parts)

    def observation(self, observation: Any) -> Any:
        """The parts, one after the other."""
        return spaces.flatten(self._parts, tuple(observation[key] for key in self.dict_keys))


class Monitor(Wrapper):
    """Films episodes. Needs the extra ``video``.

    Args:
        env: the environment.
        directory: where the videos go.
        video_callable: function of an episode's number that says whether to record it; by default the cubes up to 1000
            and every 1000th. False for no videos.
        force: delete videos that are there.
        resume: leave videos that are there.
        write_upon_reset: not used.
        uid: part of the videos' names.
        mode: not used.

    Raises:
        gymnasium.error.Error: there are videos, and neither ``force`` nor ``resume`` says what to do with them.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        directory: str | os.PathLike,
        video_callable: Callable[[int], bool] | bool | None = None,
        force: bool = False,
        resume: bool = False,
        write_upon_reset: bool = False,
        uid: str | None = None,
        mode: str | None = None,
    ) -> None:
        folder = os.fspath(directory)
        os.makedirs(folder, exist_ok=True)
        videos = [name for name in os.listdir(folder) if name.startswith(_VIDEOS)]
        if videos and not (force or resume):
            raise gymnasium.error.Error(
                f"there are videos in {folder}: force=True deletes them, resume=True adds to them"
            )
        if force:
            for name in videos:
                os.remove(os.path.join(folder, name))
        inner = wrappers.RecordEpisodeStatistics(ensure_gymnasium(env))
        if video_callable is False:
            super().__init__(inner)
        else:
            trigger = video_callable if callable(video_callable) else None
            prefix = _VIDEOS if uid is None else f"{_VIDEOS}-{uid}"
            super().__init__(wrappers.RecordVideo(_Filmed(inner), folder, trigger, name_prefix=prefix))
        self._statistics = inner
        self.directory = folder

    def get_total_steps(self) -> int:
        """Number of steps in finished episodes."""
        return sum(self.get_episode_lengths())

    def get_episode_rewards(self) -> list[float]:
        """Returns of finished episodes, at most the last hundred."""
        return [float(value) for value in self._statistics.return_queue]

    def get_episode_lengths(self) -> list[int]:
        """Lengths of finished episodes, at most the last hundred."""
        return [int(value) for value in self._statistics.length_queue]


class _Filmed(gymnasium.Wrapper):
    """Always renders images, whatever the environment was made with."""

    @property
    def render_mode(self) -> str:  # type: ignore[override]
        return "rgb_array"

    def render(self) -> Any:
        return render_env(self.env, "rgb_array")
