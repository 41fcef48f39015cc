"""``gym.envs.registration``: environments of both interfaces in gymnasium's registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from stable_baselines_tf2.envs import env_ids
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium
from stable_baselines_tf2.migration.gym.core import as_old

load = load_env_creator
_OUTDATED = {
    "apply_api_compatibility",
    "autoreset",
    "disable_env_checker",
    "local_only",
    "new_step_api",
    "order_enforce",
    "tags",
    "timestep_limit",
    "trials",
    "wrapper_config_path",
}  # arguments of register() in some version of gym


def make(id: str | EnvSpec, **kwargs: object) -> Any:
    """Makes an environment.

    Args:
        id: its id, in any version, or what `spec` returned.
        **kwargs: arguments of the environment.

    Returns:
        The environment, with the interface of old gym.
    """
    kwargs.setdefault("disable_env_checker", True)  # it checks for the new interface
    env_id = id.id if isinstance(id, EnvSpec) else id
    return as_old(env_ids.make(env_id, **kwargs))


def register(id: str, entry_point: str | Callable[..., Any] | None = None, **kwargs: Any) -> None:
    """Makes an environment known under an id, to this library and to gymnasium.

    Args:
        id: ``"Name-v0"``.
        entry_point: ``"module:Class"``, or a class or function; the environment may have either interface.
        **kwargs: ``max_episode_steps``, ``reward_threshold``, ``nondeterministic``, ``kwargs``; others, which gym had
            at some time, are left out.

    Raises:
        TypeError: an argument that gym never had.
    """
    names = ("max_episode_steps", "reward_threshold", "nondeterministic", "kwargs")
    unknown = sorted(kwargs.keys() - {*names, *_OUTDATED})
    if unknown:
        raise TypeError(f"register() has no argument {', '.join(unknown)}; it has entry_point, {', '.join(names)}")
    if "timestep_limit" in kwargs:
        kwargs.setdefault("max_episode_steps", kwargs["timestep_limit"])
    known = {name: kwargs[name] for name in names if kwargs.get(name) is not None}
    gymnasium.register(id, partial(_create, entry_point), disable_env_checker=True, **known)


def _create(entry_point: Any, **kwargs: object) -> gymnasium.Env:
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return ensure_gymnasium(creator(**kwargs))


def spec(env_id: str) -> EnvSpec:
    """What an environment was registered with."""
    return gymnasium.spec(env_ids.current_id(env_id).id)


class EnvRegistry:
    """gymnasium's registry under the names of the old one, and still like a dictionary."""

    @property
    def env_specs(self) -> dict[str, EnvSpec]:
        """Everything that is registered, by its id."""
        return gymnasium.registry

    def all(self) -> list[EnvSpec]:
        """Everything that is registered."""
        return list(gymnasium.registry.values())

    make = staticmethod(make)
    spec = staticmethod(spec)
    register = staticmethod(register)

    def __getattr__(self, name: str) -> Any:
        return getattr(gymnasium.registry, name)

    def __contains__(self, env_id: str) -> bool:
        return env_id in gymnasium.registry

    def __getitem__(self, env_id: str) -> EnvSpec:
        return gymnasium.registry[env_id]

    def __delitem__(self, env_id: str) -> None:
        del gymnasium.registry[env_id]

    def __iter__(self) -> Iterator[str]:
        return iter(gymnasium.registry)

    def __len__(self) -> int:
        return len(gymnasium.registry)


registry = EnvRegistry()
