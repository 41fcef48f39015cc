"""Single environments of every generation behind gymnasium's interface, without old ``gym`` being installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
from numpy.typing import ArrayLike

from stable_baselines_tf2.envs.spaces import as_gymnasium_space
from stable_baselines_tf2.envs.window import show

SPEAKS_OLD_GYM = "_speaks_old_gym"  # attribute of a gymnasium.Env whose reset and step give what old gym's did


def ensure_gymnasium(env: Any) -> gymnasium.Env:
    """Gives an environment of any generation gymnasium's interface.

    A gymnasium environment is returned as it is, so it pays nothing. Everything else is put into an `OldGymAdapter`:
    objects of old gym, and subclasses of ``gymnasium.Env`` that kept the old ``reset(self)`` or old spaces. An object
    that has a gymnasium environment inside and hands it out by ``__gymnasium__()`` is replaced with that.

    An environment whose ``reset`` takes ``seed`` but whose results still have the old form is only found by running it:
    results of an unexpected form go through `step_result` and `reset_result`.

    Args:
        env: the environment.

    Returns:
        ``env`` itself or an adapter around it.

    Raises:
        TypeError: it is not a single environment.
    """
    if hasattr(env, "num_envs"):
        raise TypeError(f"expected a single environment, got the vectorized {type(env).__name__}")
    missing = [name for name in ("reset", "step", "observation_space", "action_space") if not hasattr(env, name)]
    if isinstance(env, type) or missing:
        lacks = "it is a class, not an instance" if isinstance(env, type) else f"it has no {', '.join(missing)}"
        raise TypeError(f"expected an environment of gymnasium or old gym, got {env!r}: {lacks}")
    if hasattr(type(env), "__gymnasium__"):
        return env.__gymnasium__()
    if (
        isinstance(env, gymnasium.Env)
        and not speaks_old_gym(env)
        and isinstance(env.observation_space, gymnasium.Space)
        and isinstance(env.action_space, gymnasium.Space)
        and _reset_takes(env, "seed")
    ):
        return env
    return OldGymAdapter(env)


def speaks_old_gym(env: Any) -> bool:
    """Whether an environment is one of old gym, or gives what those gave; see `ensure_gymnasium` for a limit."""
    return not isinstance(env, gymnasium.Env) or bool(vars(env).get(SPEAKS_OLD_GYM))


class OldGymAdapter(gymnasium.Env):
    """An environment with the interface of gym 0.21 or 0.26, or a mixture, as a gymnasium environment.

    Attributes that it does not have itself are those of the wrapped environment.

    Args:
        env: the old environment.
    """

    def __init__(self, env: gymnasium.Env):
        self.env = env
        self.observation_space = as_gymnasium_space(env.observation_space)
        self.action_space = as_gymnasium_space(env.action_space)
        self.metadata = dict(getattr(env, "metadata", None) or {})
        self.metadata.setdefault("render_modes", self.metadata.get("render.modes", []))
        self._reset_names = [name for name in ("seed", "options") if _reset_takes(env, name)]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium. The seed goes to ``env.seed`` where ``env.reset`` does not take it."""
        given = {name: value for name, value in (("seed", seed), ("options", options)) if value is not None}
        if seed is not None and "seed" not in self._reset_names:
            self._seed(seed)
        arguments: dict[str, Any] = {name: given[name] for name in self._reset_names if name in given}
        return reset_result(self.env.reset(**arguments))

    def step(self, action: ArrayLike) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """See gymnasium."""
        return step_result(self.env.step(action))

    def render(self) -> Any:
        """See gymnasium."""
        return self.env.render()

    def close(self) -> None:
        """See gymnasium."""
        self.env.close()

    @property
    def render_mode(self) -> str | None:
        """The mode that ``env`` was made with; None where the mode is an argument of ``render``."""
        return getattr(self.env, "render_mode", None)

    @render_mode.setter
    def render_mode(self, mode: str | None) -> None:
        self.env.render_mode = mode

    @property
    def spec(self) -> Any:
        """What the environment was registered with, if it was."""
        return getattr(self.env, "spec", None)

    @spec.setter
    def spec(self, spec: Any) -> None:
        self.env.spec = spec

    @property
    def np_random(self) -> Any:
        """The random generator of the wrapped environment."""
        return self.env.np_random

    @np_random.setter
    def np_random(self, value: Any) -> None:
        self.env.np_random = value

    @property
    def unwrapped(self) -> Any:
        """The innermost environment, which is an old one."""
        return getattr(self.env, "unwrapped", self.env)

    def set_wrapper_attr(self, name: str, value: object, *, force: bool = True) -> bool:
        """Sets an attribute of the wrapped environment; see gymnasium."""
        if not force and not hasattr(self.env, name):
            return False
        setattr(self.env, name, value)
        return True

    def __getattr__(self, name: str) -> Any:
        if name == "env" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.env, name)

    def __str__(self) -> str:
        return f"<{type(self).__name__}{self.env}>"

    def _seed(self, seed: int) -> None:
        for layer in _layers(self.env):
            if callable(getattr(layer, "seed", None)):
                layer.seed(seed)
                return
        if isinstance(self.unwrapped, gymnasium.Env):
            gymnasium.Env.reset(self.unwrapped, seed=seed)  # sets np_random and nothing else


def has_own(layer: object, name: str) -> bool:
    """Whether an object has an attribute itself, rather than through ``__getattr__`` from what it wraps."""
    return name in getattr(layer, "__dict__", ()) or hasattr(type(layer), name)


def set_attribute(env: gymnasium.Env, name: str, value: object) -> None:
    """Sets an attribute of the outermost layer of an environment that has it; of the outermost one if none has."""
    layer: Any = env
    while isinstance(layer, gymnasium.Wrapper | OldGymAdapter) and not has_own(layer, name):
        layer = layer.env
    if has_own(layer, name):
        setattr(layer, name, value)
    else:
        env.set_wrapper_attr(name, value)


def step_result(result: tuple) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
    """Brings what ``env.step`` returned to gymnasium's five values.

    Args:
        result: four values (observation, reward, done, info) or five.

    Returns:
        Observation, reward, terminated, truncated and info. In the old form an episode was truncated where
        ``info["TimeLimit.truncated"]`` says so.

    Raises:
        ValueError: there are neither four nor five values.
    """
    if len(result) == 5:
        return result
    if len(result) != 4:
        raise ValueError(f"step() must return 5 values (gymnasium) or 4 (old gym), got {len(result)}")
    obs, reward, done, info = result
    truncated = bool(done) and bool(info.get("TimeLimit.truncated", False))
    return obs, reward, bool(done) and not truncated, truncated, info


def reset_result(result: object) -> tuple[Any, dict[str, Any]]:
    """Brings what ``env.reset`` returned to gymnasium's two values.

    Args:
        result: the observation alone, or observation and info.

    Returns:
        Observation and info.
    """
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
        return result
    return result, {}


def render_env(env: gymnasium.Env, mode: str) -> Any:
    """Renders in the mode asked for, as ``env.render(mode=mode)`` did in old gym.

    gymnasium fixes the mode when an environment is made. One that was made without a mode is switched to the one asked
    for, any number of times, so that old scripts go on working.

    Args:
        env: the environment.
        mode: ``"human"``, ``"rgb_array"`` or whatever else it offers.

    Returns:
        What the environment returns: for ``"rgb_array"`` an image, uint8 ``[height, width, 3]``.

    Raises:
        ValueError: it was made with another mode, or does not know this one.
    """
    for layer in _layers(env):
        if _takes(layer.render, "mode"):
            return layer.render(mode=mode)
    if env.render_mode is None or getattr(env.unwrapped, _SWITCHED, False):
        known = env.metadata.get("render_modes", [])
        if mode not in known:
            raise ValueError(f"render mode {mode!r} is unknown to {env}; it has {known}")
        if mode == "human" and env.render_mode == "rgb_array":  # it would draw on a window that it never opened
            return show(env.render())  # type: ignore[arg-type]
        env.unwrapped.render_mode = mode
        setattr(env.unwrapped, _SWITCHED, True)
    elif env.render_mode != mode:
        raise ValueError(
            f"{env} was made with render_mode={env.render_mode!r} and cannot render {mode!r}: make it with "
            f"render_mode={mode!r}"
        )
    return env.render()


_SWITCHED = "_render_mode_by_call"


def _layers(env: Any) -> Iterator[Any]:
    """The environment and, for wrappers, every one below."""
    while env is not None:
        yield env
        env = getattr(env, "__dict__", {}).get("env")


def _reset_takes(env: gymnasium.Env, name: str) -> bool:
    """True where ``name=`` can be given to ``reset`` and arrives at the innermost environment."""
    return all(_takes(layer.reset, name) for layer in _layers(env))


def _takes(function: Callable, name: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # not a Python function: nothing is known
        return False
    keywords = name != "mode" and any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return name in parameters or keywords
