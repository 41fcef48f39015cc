"""Environments and wrappers of this library, given the old interface where a legacy script uses them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
from numpy.typing import ArrayLike

from stable_baselines_tf2.envs.gym_compat import SPEAKS_OLD_GYM, speaks_old_gym

_COMMON = "stable_baselines_tf2.common"
# Wrappers speak the old interface around an environment that does; environments always do.
_CLASSES = {
    "stable_baselines_tf2.bench.monitor": ("Monitor",),
    f"{_COMMON}.atari_wrappers": (
        "ClipRewardEnv",
        "EpisodicLifeEnv",
        "FireResetEnv",
        "FrameStack",
        "MaxAndSkipEnv",
        "NoopResetEnv",
        "ScaledFloatFrame",
        "WarpFrame",
    ),
    f"{_COMMON}.bit_flipping_env": ("BitFlippingEnv",),
    f"{_COMMON}.identity_env": ("IdentityEnv",),
}
_MAKERS = {
    f"{_COMMON}.atari_wrappers": ("make_atari",),
    f"{_COMMON}.cmd_util": ("make_mujoco_env", "make_robotics_env"),
}
_done: set[str] = set()


def adopt_loaded() -> None:
    """Changes those of the modules that are loaded and were not changed before."""
    for module in (_CLASSES.keys() | _MAKERS.keys()) & sys.modules.keys() - _done:
        _done.add(module)
        names = vars(sys.modules[module])
        for name in _CLASSES.get(module, ()):
            _adopt(names[name])
        for name in _MAKERS.get(module, ()):
            names[name] = _returning_old(names[name])


def _adopt(cls: type[gymnasium.Env]) -> None:
    """Lets ``reset`` and ``step`` of a class give what those of old gym gave."""
    construct, reset, step = cls.__init__, cls.reset, cls.step
    is_wrapper = issubclass(cls, gymnasium.Wrapper)

    @functools.wraps(construct)
    def __init__(self: Any, *args: Any, **kwargs: object) -> None:
        construct(self, *args, **kwargs)
        around = args[0] if args else kwargs.get("env")
        vars(self)[SPEAKS_OLD_GYM] = speaks_old_gym(around) if is_wrapper else True

    @functools.wraps(reset)
    def old_reset(self: Any, **kwargs: Any) -> Any:
        result = reset(self, **kwargs)
        return result[0] if vars(self).get(SPEAKS_OLD_GYM) else result

    @functools.wraps(step)
    def old_step(self: Any, action: ArrayLike) -> Any:
        result = step(self, action)
        if not vars(self).get(SPEAKS_OLD_GYM):
            return result
        obs, reward, terminated, truncated, info = result
        if truncated:
            info = {**info, "TimeLimit.truncated": not terminated}
        return obs, reward, bool(terminated or truncated), info

    for name, method in (("__init__", __init__), ("reset", old_reset), ("step", old_step)):
        setattr(cls, name, method)
    if is_wrapper and "seed" not in vars(cls):
        cls.seed = _seed  # type: ignore[attr-defined]


def _seed(self: gymnasium.Wrapper, seed: int | None = None) -> Any:
    from stable_baselines_tf2.migration.gym.core import as_old

    return as_old(self.env).seed(seed)


def _returning_old(make: Callable[..., gymnasium.Env]) -> Callable[..., Any]:
    @functools.wraps(make)
    def make_old(*args: object, **kwargs: object) -> Any:
        from stable_baselines_tf2.migration.gym.core import as_old

        return as_old(make(*args, **kwargs))

    return make_old
