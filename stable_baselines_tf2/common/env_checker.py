"""`check_env` reports what is wrong with an environment before an algorithm fails because of it."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, reset_result, step_result

N_STEPS = 10  # random steps that are taken
MIN_IMAGE_SIZE = 36  # pixels; what the convolutions of the default CnnPolicy need
GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")

Tell = Callable[[str], None]  # takes a warning


def check_env(env: gymnasium.Env, warn: bool = True, skip_render_check: bool = True) -> None:
    """Checks that an environment keeps gymnasium's interface and suits the algorithms.

    Resets the environment and takes some random steps. What is wrong raises an exception. What works, but probably not
    well, is warned of: among it the interface of old gym, which this library accepts everywhere.

    Args:
        env: the environment.
        warn: whether to warn.
        skip_render_check: whether to leave out ``render()``, which may open a window; the check of it ends with
            ``close()``.

    Raises:
        TypeError: something is of a wrong type: the environment, a space, or what ``reset`` or ``step`` return.
        ValueError: something has a wrong value: an observation outside of its space, NaN, a wrong number of results.
    """
    for name in ("observation_space", "action_space"):
        if isinstance(env, gymnasium.Env) and not isinstance(getattr(env, name, None), spaces.Space):
            raise TypeError(f"{name} must be a space of gymnasium.spaces, not {getattr(env, name, None)!r}")
    checked = ensure_gymnasium(env)
    doubts: list[str] = []
    if checked is not env:
        doubts.append("the environment has the interface of old gym, so an adapter translates every call; gymnasium's "
                      "is reset(*, seed=None, options=None)")  # fmt: skip
    try:
        _check_spaces(checked, doubts.append)
        _check_episode(checked, doubts.append)
        if not skip_render_check:
            _check_render(checked, doubts.append)
    finally:
        for doubt in dict.fromkeys(doubts) if warn else ():
            warnings.warn(doubt, stacklevel=2)


def _check_spaces(env: gymnasium.Env, tell: Tell) -> None:
    observation, action = env.observation_space, env.action_space
    if isinstance(observation, spaces.Dict) and not _is_goal_env(env):
        tell(f"Dict observations only work in goal environments (keys {sorted(GOAL_KEYS)} and compute_reward()) with "
             "HER; others need gymnasium.wrappers.FlattenObservation")  # fmt: skip
    elif isinstance(observation, spaces.Tuple):
        tell("Tuple observations need gymnasium.wrappers.FlattenObservation")
    elif isinstance(observation, spaces.Box) and len(observation.shape) == 3:
        _check_image_space(observation, tell)
    elif isinstance(observation, spaces.Box) and len(observation.shape) != 1:
        tell(f"observations of shape {observation.shape} are neither vectors nor images; flatten them to vectors")
    if isinstance(action, (spaces.Dict, spaces.Tuple)):
        tell(f"no algorithm takes {type(action).__name__} actions")
    elif isinstance(action, spaces.Box):
        if not (np.array_equal(action.low, -action.high) and np.all(action.high <= 1)):
            tell(f"actions should be symmetric and within [-1, 1], as policies start there, not {action}")


def _check_image_space(space: spaces.Box, tell: Tell) -> None:
    if space.dtype != np.uint8:
        tell(f"observations of shape {space.shape} look like images, which should be uint8, not {space.dtype}; if they "
             "are none, flatten them to vectors")  # fmt: skip
    if np.any(space.low != 0) or np.any(space.high != 255):
        tell("images should have the bounds 0 and 255; a CnnPolicy scales them from their bounds to [0, 1]")
    if min(space.shape[:2]) < MIN_IMAGE_SIZE:
        tell(f"images of shape {space.shape} are too small for the default CnnPolicy, which needs {MIN_IMAGE_SIZE} x "
             f"{MIN_IMAGE_SIZE}; give it a cnn_extractor of your own")  # fmt: skip


def _is_goal_env(env: gymnasium.Env) -> bool:
    space = env.observation_space
    has_goals = isinstance(space, spaces.Dict) and set(GOAL_KEYS) <= set(space.spaces)
    return has_goals and env.has_wrapper_attr("compute_reward")


def _check_episode(env: gymnasium.Env, tell: Tell) -> None:
    """Resets and steps, looking at everything that comes back."""
    result = env.reset(seed=0)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        tell("reset() should return (observation, info), where info is a dict; the observation alone is old gym's form")
    _check_observation("reset", reset_result(result)[0], env.observation_space, tell)
    for _ in range(N_STEPS):
        if _check_step(env, env.step(env.action_space.sample()), tell):
            _check_observation("reset", reset_result(env.reset())[0], env.observation_space, tell)


def _check_step(env: gymnasium.Env, result: object, tell: Tell) -> bool:
    """Returns whether the episode is over."""
    if not isinstance(result, tuple) or len(result) not in (4, 5):
        given = f"{len(result)} values" if isinstance(result, tuple) else _short(result)
        raise ValueError(f"step() must return (observation, reward, terminated, truncated, info), not {given}")
    flags, info = result[2:-1], result[-1]
    for flag in flags:
        if not isinstance(flag, (bool, np.bool_)):
            raise TypeError(f"terminated and truncated of step() must be True or False, not {_short(flag)}")
    if not isinstance(info, dict):
        raise TypeError(f"the info of step() must be a dict, not {_short(info)}")
    if len(flags) == 1:
        tell("step() should return (observation, reward, terminated, truncated, info); four values are old gym's form")
    observation, reward, terminated, truncated, _ = step_result(result)
    if not isinstance(reward, numbers.Real):
        raise TypeError(f"the reward of step() must be a number, not {_short(reward)}")
    if not np.isfinite(float(reward)):
        raise ValueError(f"the reward of step() must be finite, not {reward}")
    _check_observation("step", observation, env.observation_space, tell)
    if _is_goal_env(env):
        compute_reward = env.get_wrapper_attr("compute_reward")
        expected = compute_reward(observation["achieved_goal"], observation["desired_goal"], info)
        if reward != expected:
            raise ValueError(f"step() gave the reward {reward}, compute_reward() gives {expected} for its observation")
    return terminated or truncated


def _check_observation(method: str, observation: ArrayLike, space: spaces.Space, tell: Tell) -> None:
    where = f"the observation of {method}()"
    if isinstance(space, spaces.Discrete):
        if not isinstance(observation, (int, np.integer)):
            raise TypeError(f"{where} must be an int, as observation_space is {space}, not {_short(observation)}")
    elif isinstance(space, (spaces.Box, spaces.MultiDiscrete, spaces.MultiBinary)):
        if not isinstance(observation, np.ndarray):
            raise TypeError(f"{where} must be a numpy array, not {_short(observation)}")
        if observation.shape != space.shape:
            raise ValueError(f"{where} has the shape {observation.shape}, observation_space has {space.shape}")
        if not np.can_cast(observation.dtype, space.dtype, "same_kind"):
            raise TypeError(f"{where} has the dtype {observation.dtype}, observation_space has {space.dtype}")
        if not np.can_cast(observation.dtype, space.dtype):
            tell(f"{where} has the dtype {observation.dtype} and is cast to observation_space's {space.dtype}")
        if not np.isfinite(observation).all():
            raise ValueError(f"{where} has values that are not finite: {_short(observation)}")
        observation = observation.astype(space.dtype)
    if not space.contains(observation):
        raise ValueError(f"{where} is outside of observation_space {space}: {_short(observation)}")


def _check_render(env: gymnasium.Env, tell: Tell) -> None:
    modes = env.metadata.get("render_modes")
    if not modes:
        tell("the environment declares no render modes in metadata['render_modes']; render() may not work")
    elif env.render_mode is None:
        tell(f"the environment was made without a render_mode; render() needs one of {modes}")
    elif env.render_mode not in modes:
        raise ValueError(f"render_mode {env.render_mode!r} is not among metadata['render_modes'] {modes}")
    else:
        image = env.render()
        if env.render_mode == "rgb_array":
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
                raise TypeError(f"render() must return a numpy array of uint8 for rgb_array, not {_short(image)}")
            if image.ndim != 3 or image.shape[2] != 3:
                raise ValueError(f"render() must return an image [height, width, 3] for rgb_array, not {image.shape}")
    env.close()


def _short(value: object) -> str:
    """A value and its type for a message, cut off where it is long."""
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:80] + '...'} ({type(value).__name__})"
