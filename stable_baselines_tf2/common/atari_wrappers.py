"""Wrappers that make Atari games the benchmark of Mnih et al. (https://doi.org/10.1038/nature14236).

``wrap_deepmind(make_atari("PongNoFrameskip-v4"))`` is the usual chain. `make_atari_env` of `cmd_util` also adds the
monitor and the vectorization.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, DTypeLike

from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium

Reset = tuple[Any, dict[str, Any]]
Step = tuple[Any, Any, bool, bool, dict[str, Any]]


def _random_integer(generator: Any, low: int, high: int) -> int:
    """A number from ``low`` up to ``high`` (exclusive), from a ``Generator`` or from old gym's ``RandomState``."""
    draw = generator.integers if hasattr(generator, "integers") else generator.randint
    return int(draw(low, high))


class NoopResetEnv(gymnasium.Wrapper):
    """Starts each episode with a random number of steps that do nothing, so that episodes differ.

    Set ``override_num_noops`` to have always the same number of them.

    Args:
        env: environment whose action 0 is ``NOOP``.
        noop_max: largest number of such steps; the smallest is 1.

    Raises:
        ValueError: action 0 has another meaning, or ``noop_max`` is below 1.
    """

    def __init__(self, env: gymnasium.Env, noop_max: int = 30):
        super().__init__(ensure_gymnasium(env))
        if noop_max < 1:
            raise ValueError(f"noop_max must be at least 1, got {noop_max}")
        self.noop_max = noop_max
        self.override_num_noops: int | None = None
        self.noop_action = 0
        _check_meanings(self, {0: "NOOP"})

    def reset(self, **kwargs: Any) -> Reset:
        obs, info = self.env.reset(**kwargs)
        noops = self.override_num_noops
        if noops is None:
            noops = _random_integer(self.unwrapped.np_random, 1, self.noop_max + 1)
        for _ in range(noops):
            obs, _, terminated, truncated, info = self.env.step(self.noop_action)
            if terminated or truncated:
                obs, info = self.env.reset()
        return obs, info


class FireResetEnv(gymnasium.Wrapper):
    """Starts each episode with actions 1 and 2, for games that wait for the fire button.

    Args:
        env: environment with three actions or more, of which number 1 is ``FIRE``.

    Raises:
        ValueError: the actions are different.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(ensure_gymnasium(env))
        _check_meanings(self, {1: "FIRE", 2: None})

    def reset(self, **kwargs: Any) -> Reset:
        self.env.reset(**kwargs)
        for action in (1, 2):
            obs, _, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:
                obs, info = self.env.reset()
        return obs, info


def _check_meanings(env: gymnasium.Wrapper, expected: dict[int, str | None]) -> None:
    """Raises unless the game has these actions, where None stands for any meaning."""
    meanings = env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
    for action, meaning in expected.items():
        if action >= len(meanings) or meaning not in (None, meanings[action]):
            wanted = f"a game whose action {action} is {meaning or 'anything'}"
            raise ValueError(f"{type(env).__name__} needs {wanted}, got the actions {meanings}")


class EpisodicLifeEnv(gymnasium.Wrapper):
    """Ends the episode at each loss of a life, but starts a new game only when the game is over.

    A life that ends a game early helps value estimation, and the other lives still lead to all later states. A reset
    with a seed always starts a new game.

    Args:
        env: Atari environment.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(ensure_gymnasium(env))
        self.lives = 0
        self.was_real_done = True

    def step(self, action: ArrayLike) -> Step:
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.was_real_done = terminated or truncated
        lives = self._count_lives()
        # Some games (Qbert) stay at 0 lives for some frames before they are over: that is not another loss.
        if 0 < lives < self.lives:
            terminated = True
        self.lives = lives
        return obs, reward, terminated, truncated, info

    def reset(self, **kwargs: Any) -> Reset:
        """Starts the next game, or goes on with this one after the loss of a life."""
        new_game = self.was_real_done or kwargs.get("seed") is not None
        if not new_game:
            obs, _, terminated, truncated, info = self.env.step(0)  # leave the state in which the life was lost
            new_game = terminated or truncated
        if new_game:
            obs, info = self.env.reset(**kwargs)
        self.was_real_done = False
        self.lives = self._count_lives()
        return obs, info

    def _count_lives(self) -> int:
        return self.unwrapped.ale.lives()  # type: ignore[attr-defined]


class MaxAndSkipEnv(gymnasium.Wrapper):
    """Repeats each action, adds up the rewards, and shows the maximum of the last two frames.

    The maximum undoes the flicker of games that draw their sprites on alternate frames. If the episode ends while an
    action is repeated, the observation is that of the step before.

    Args:
        env: environment with array observations.
        skip: how often each action is repeated.

    Raises:
        ValueError: ``skip`` is below 1.
    """

    def __init__(self, env: gymnasium.Env, skip: int = 4):
        super().__init__(ensure_gymnasium(env))
        if skip < 1:
            raise ValueError(f"skip must be at least 1, got {skip}")
        space = self.observation_space
        self._obs_buffer = np.zeros((min(skip, 2), *space.shape), dtype=space.dtype)  # type: ignore[misc]
        self._skip = skip

    def step(self, action: ArrayLike) -> Step:
        total_reward = 0.0
        for left in reversed(range(self._skip)):
            obs, reward, terminated, truncated, info = self.env.step(action)
            if left < 2:
                self._obs_buffer[left] = obs
            total_reward += float(reward)
            if terminated or truncated:
                break
        return self._obs_buffer.max(axis=0), total_reward, terminated, truncated, info


class ClipRewardEnv(gymnasium.RewardWrapper):
    """Replaces each reward by its sign.

    Args:
        env: the environment.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(ensure_gymnasium(env))

    def reward(self, reward: Any) -> Any:
        """-1, 0 or 1."""
        return np.sign(reward)


class WarpFrame(gymnasium.ObservationWrapper):
    """Turns frames into grey images of 84 x 84 pixels. Needs OpenCV.

    Args:
        env: environment with RGB images, uint8 ``[height, width, 3]``.

    Raises:
        ImportError: OpenCV is not installed.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(ensure_gymnasium(env))
        self._cv2 = require("cv2", "atari")
        self.width = 84
        self.height = 84
        self.observation_space = spaces.Box(
            low=0,
            high=255,
            shape=(self.height, self.width, 1),
            dtype=self.env.observation_space.dtype,  # type: ignore[arg-type]
        )

    def observation(self, frame: np.ndarray) -> np.ndarray:
        """The image ``[84, 84, 1]`` of an RGB frame."""
        grey = self._cv2.cvtColor(frame, self._cv2.COLOR_RGB2GRAY)
        return self._cv2.resize(grey, (self.width, self.height), interpolation=self._cv2.INTER_AREA)[:, :, None]


class FrameStack(gymnasium.Wrapper):
    """Shows the last frames together, stacked along the last axis, as `LazyFrames`.

    Args:
        env: environment with images, ``[height, width, channels]``.
        n_frames: how many frames to stack.
    """

    def __init__(self, env: gymnasium.Env, n_frames: int):
        super().__init__(ensure_gymnasium(env))
        self.n_frames = n_frames
        self.frames: deque[np.ndarray] = deque(maxlen=n_frames)
        height, width, channels = self.env.observation_space.shape  # type: ignore[misc]
        self.observation_space = spaces.Box(
            low=0,
            high=255,
            shape=(height, width, channels * n_frames),
            dtype=self.env.observation_space.dtype,  # type: ignore[arg-type]
        )

    def reset(self, **kwargs: Any) -> Reset:
        obs, info = self.env.reset(**kwargs)
        self.frames.extend([obs] * self.n_frames)
        return LazyFrames(list(self.frames)), info

    def step(self, action: ArrayLike) -> Step:
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.frames.append(obs)
        return LazyFrames(list(self.frames)), reward, terminated, truncated, info


class ScaledFloatFrame(gymnasium.ObservationWrapper):
    """Turns bytes into float32 numbers from 0 to 1, which take four times the memory.

    Args:
        env: environment with uint8 observations.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(ensure_gymnasium(env))
        self.observation_space = spaces.Box(0.0, 1.0, shape=self.env.observation_space.shape, dtype=np.float32)

    def observation(self, observation: ArrayLike) -> np.ndarray:
        """The observation divided by 255."""
        return np.asarray(observation).astype(np.float32) / 255.0


class LazyFrames:
    """Frames that are stacked only when they are needed as an array, so that observations can share them in memory.

    Args:
        frames: arrays ``[height, width, channels]``.
    """

    def __init__(self, frames: Sequence[np.ndarray]):
        self._frames = frames

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("stacking frames always makes a new array, copy=False is not possible")
        return np.concatenate(self._frames, axis=2, dtype=dtype)

    def __len__(self) -> int:
        return len(self._frames[0])

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self)[index]


def make_atari(env_id: str, **env_kwargs: Any) -> gymnasium.Env:
    """Makes an Atari game with random no-ops at the start and every action repeated four times. Needs ``ale-py``.

    Args:
        env_id: id of a version that neither skips frames nor repeats actions by itself, e.g. ``"PongNoFrameskip-v4"``.
        **env_kwargs: further arguments of ``gymnasium.make``, e.g. ``render_mode``.

    Returns:
        The wrapped environment.

    Raises:
        ValueError: the id is of another version.
        ImportError: ale-py is not installed.
    """
    if "NoFrameskip" not in env_id:
        raise ValueError(f"env_id must be a NoFrameskip version of a game, e.g. 'PongNoFrameskip-v4', got {env_id!r}")
    gymnasium.register_envs(require("ale_py", "atari"))
    return MaxAndSkipEnv(NoopResetEnv(gymnasium.make(env_id, **env_kwargs), noop_max=30), skip=4)


def wrap_deepmind(
    env: gymnasium.Env,
    episode_life: bool = True,
    clip_rewards: bool = True,
    frame_stack: bool = False,
    scale: bool = False,
) -> gymnasium.Env:
    """Applies the usual preprocessing of Atari games.

    Args:
        env: environment from `make_atari`.
        episode_life: end the episode at each loss of a life.
        clip_rewards: replace rewards by their signs.
        frame_stack: stack four frames.
        scale: turn bytes into numbers from 0 to 1.

    Returns:
        The wrapped environment.
    """
    env = ensure_gymnasium(env)
    if episode_life:
        env = EpisodicLifeEnv(env)
    if "FIRE" in env.unwrapped.get_action_meanings():  # type: ignore[attr-defined]
        env = FireResetEnv(env)
    env = WarpFrame(env)
    if scale:
        env = ScaledFloatFrame(env)
    if clip_rewards:
        env = ClipRewardEnv(env)
    if frame_stack:
        env = FrameStack(env, 4)
    return env
