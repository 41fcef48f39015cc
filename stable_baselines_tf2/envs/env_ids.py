"""Ids of environments: which package has them, and which current id stands for an old one."""

from __future__ import annotations

import importlib
import re
import warnings
from typing import Any, NamedTuple

import gymnasium

_PACKAGES = (  # ids, the module that registers them, how to install it
    (r"ALE/|\w+(NoFrameskip|Deterministic|-ram)\w*-v[04]$", "ale_py", '"stable-baselines-tf2[atari]"'),
    (r"(Fetch|Hand|AntMaze|PointMaze|Adroit|FrankaKitchen)\w*-v\d+$", "gymnasium_robotics", "gymnasium-robotics"),
    (
        r"(parking|highway|merge|roundabout|intersection|racetrack|two-way|exit|u-turn)\b[\w-]*-v\d+$",
        "highway_env",
        "highway-env",
    ),
    (r"(MiniGrid|BabyAI)-", "minigrid", "minigrid"),
)
# What the suffixes of Atari ids meant, as arguments of the ids of today.
_ATARI = re.compile(r"(?P<game>[A-Z]\w*?)(?P<ram>-ram)?(?P<kind>NoFrameskip|Deterministic)?-v(?P<version>[04])$")
_FRAMES: dict[str | None, Any] = {"NoFrameskip": 1, "Deterministic": 4, None: (2, 5)}


class CurrentId(NamedTuple):
    """An id for ``gymnasium.make`` and the arguments that belong to it."""

    id: str
    kwargs: dict[str, Any]


def current_id(env_id: str) -> CurrentId:
    """Finds the environment that an id means today.

    An id that is registered means itself, unless what it stands for can no longer be made. Otherwise the latest
    version of the same name takes its place.

    Args:
        env_id: an id of gymnasium, or of the packages that extend it, in any version.

    Returns:
        The closest id that is registered; ``env_id`` itself where none is.
    """
    if ":" in env_id or _usable(env_id):
        return CurrentId(env_id, {})
    for pattern, module, _ in _PACKAGES:
        if re.match(pattern, env_id) and _register(module) and _usable(env_id):
            return CurrentId(env_id, {})
    atari = _ATARI.match(env_id)
    if atari and f"ALE/{atari['game']}-v5" in gymnasium.registry:
        return CurrentId(
            f"ALE/{atari['game']}-v5",
            {
                "obs_type": "ram" if atari["ram"] else "rgb",
                "frameskip": _FRAMES[atari["kind"]],
                "repeat_action_probability": 0.25 if atari["version"] == "0" else 0.0,
            },
        )
    name, separator, version = env_id.rpartition("-v")
    if separator and version.isdigit():
        same_name = re.compile(re.escape(name) + r"-v(\d+)")
        versions = [int(found[1]) for found in map(same_name.fullmatch, gymnasium.registry) if found]
        if versions and max(versions) > int(version):
            return CurrentId(f"{name}-v{max(versions)}", {})
    if re.fullmatch(r"[A-Z][A-Za-z]+-v[04]", env_id):  # perhaps an Atari game
        _register("ale_py")
    return CurrentId(env_id, {})


def make(env_id: str, **kwargs: object) -> gymnasium.Env:
    """``gymnasium.make`` that also understands old ids; a warning names an environment that replaces another.

    Args:
        env_id: the id, in any version.
        **kwargs: arguments of ``gymnasium.make``.

    Returns:
        The environment.

    Raises:
        ImportError: the package that has it is not installed.
        gymnasium.error.Error: there is no such environment.
    """
    current = current_id(env_id)
    if current.id != env_id:
        warnings.warn(
            f"{env_id} has been replaced by {current.id}; its rewards, observations or dynamics may differ",
            stacklevel=2,
        )
    elif env_id not in gymnasium.registry:
        for pattern, module, package in _PACKAGES:
            if re.match(pattern, env_id) and not _register(module):
                raise ImportError(f"{env_id} is an environment of {module}: pip install {package}")
    return gymnasium.make(current.id, **{**current.kwargs, **kwargs})


def _usable(env_id: str) -> bool:
    spec = gymnasium.registry.get(env_id)
    if spec is None:
        return False
    # gymnasium keeps the ids of its first MuJoCo environments, with a function of its own that only raises an error.
    removed = callable(spec.entry_point) and getattr(spec.entry_point, "__module__", "") == "gymnasium.envs"
    return not removed


def _register(module: str) -> bool:
    """Imports a package that registers environments; False where it is not installed."""
    try:
        package = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    gymnasium.register_envs(package)
    return True
