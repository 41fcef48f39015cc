"""What the commands share: reading arguments, finding algorithms, building environments."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.files.registry import ALGORITHMS, algorithm_class

if TYPE_CHECKING:
    from stable_baselines_tf2.common.vec_env import VecEnv
    from stable_baselines_tf2.models.base import BaseRLModel


class UsageError(Exception):
    """The arguments cannot be carried out; the message goes to the user without a traceback."""


@contextlib.contextmanager
def reported_as_usage() -> Iterator[None]:
    """Turns what the library raises for bad input into a :class:`UsageError`."""
    try:
        yield
    except (ImportError, KeyError, OSError, TypeError, ValueError) as error:
        raise UsageError(str(error) or type(error).__name__) from error


def positive(text: str) -> int:
    """Reads an integer above zero, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def not_negative(text: str) -> int:
    """Reads an integer of zero or more, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return number


def key_value(text: str) -> tuple[str, Any]:
    """Reads ``key:value``, for argparse; a value that is not a Python literal is a string."""
    key, separator, value = text.partition(":")
    if not (separator and key.isidentifier()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key:value")
    try:
        return key, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return key, value


def algorithm_name(text: str) -> str:
    """Reads the name of an algorithm, for argparse: of a built-in one, or ``module:Class``."""
    if ":" not in text and text.upper() not in ALGORITHMS:
        names = ", ".join(sorted(map(str.lower, ALGORITHMS)))
        raise argparse.ArgumentTypeError(f"{text!r} is neither one of {names} nor of the form module:Class")
    return text


def add_agent_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say which algorithm meets which environment."""
    parser.add_argument(
        "--algo",
        required=True,
        type=algorithm_name,
        metavar="NAME",
        help=f"{', '.join(sorted(map(str.lower, ALGORITHMS)))}; or module:Class or path/to/file.py:Class for one of "
        "your own",
    )
    parser.add_argument("--env", required=True, metavar="ID", help="gymnasium id of the environment")
    parser.add_argument(
        "--env-kwargs", nargs="+", type=key_value, default=[], metavar="KEY:VALUE", help="arguments of the environment"
    )
    parser.add_argument("--seed", type=not_negative, help="seed of everything random")


def find_algorithm(name: str) -> type[Any]:
    """Returns the class of an algorithm.

    Args:
        name: a built-in one, e.g. ``"ppo2"``, or ``"module:Class"``; the module by its dotted name or by the path of
            its file.

    Raises:
        UsageError: there is no such module or class, or the class is not an algorithm.
    """
    with _silent_stderr():
        if name.upper() in ALGORITHMS:
            return algorithm_class(name.upper())
        if ":" not in name:
            raise UsageError(
                f"{name.upper()} is not an algorithm of this library, which has {', '.join(sorted(ALGORITHMS))}"
            )
        from stable_baselines_tf2.models.base import BaseRLModel
    return find_class(name, "--algo", BaseRLModel, "an algorithm")


def find_class(name: str, option: str, base: type, kind: str) -> type[Any]:
    """Returns a class of the user's.

    Args:
        name: ``"module:Class"``; the module by its dotted name or by the path of its file.
        option: the command line's name for it.
        base: what it must derive from.
        kind: what that makes it.

    Raises:
        UsageError: there is no such module or class, or the class is of another kind.
    """
    place, _, class_name = name.rpartition(":")
    with _silent_stderr():
        module = _import_module(place, option)
    found = getattr(module, class_name, None)
    if found is None:
        raise UsageError(f"{option} {name}: {place} has no class {class_name!r}")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UsageError(f"{option} {name}: {class_name} is not {kind}, a subclass of {base.__name__}")
    return found


def _import_module(place: str, option: str) -> ModuleType:
    """Imports a module by its dotted name or the path of its file; the current folder is looked in first.

    Raises:
        UsageError: there is no such module.
    """
    path = Path(place)
    if path.suffix == ".py" and not path.is_file():
        raise UsageError(f"{option}: there is no file {place}")
    # A file is imported under its dotted name where it has one, so that model files name the same class either way.
    dotted = ".".join(path.with_suffix("").parts) if path.suffix == ".py" and not path.is_absolute() else place
    sys.path.insert(0, os.getcwd())
    try:
        if path.suffix == ".py" and not all(part.isidentifier() for part in dotted.split(".")):
            sys.path.insert(0, str(path.parent.resolve()))
            dotted = path.stem
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is None or not (dotted == error.name or dotted.startswith(f"{error.name}.")):
            raise  # the module is there, and imports something that is not
        raise UsageError(f"{option}: there is no module {place}") from error


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drops what TensorFlow's libraries print while they are loaded; its log level does not reach that."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_hyperparams(algorithm: type, hyperparams: Iterable[str]) -> None:
    """Raises a :class:`UsageError` for names that the constructor of the algorithm does not take."""
    parameters = inspect.signature(algorithm).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return  # HER hands the others on
    known = [name for name in parameters if not name.startswith("_")]
    unknown = sorted(set(hyperparams) - set(known))
    if unknown:
        raise UsageError(f"{algorithm.__name__} has no hyperparameter {', '.join(unknown)}; it has {', '.join(known)}")


def make_env(
    env_id: str,
    n_envs: int,
    seed: int | None,
    env_kwargs: dict[str, Any],
    *,
    subprocess: bool = False,
    monitor_dir: str | None = None,
) -> VecEnv:
    """Builds monitored environments; Atari games (``…NoFrameskip-v4``) come preprocessed, with four frames stacked.

    Args:
        env_id: gymnasium id, or ``module:id`` to import a module that registers it.
        n_envs: number of environments.
        seed: seed of the first one; each further one has the next number.
        env_kwargs: arguments for ``gymnasium.make``.
        subprocess: one process per environment.
        monitor_dir: folder for the episode logs.

    Raises:
        UsageError: there is no such environment, or it cannot be built; ``env_kwargs`` or ``monitor_dir`` for an Atari
            game.
    """
    import gymnasium

    from stable_baselines_tf2.common.cmd_util import make_atari_env, make_vec_env
    from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack
    from stable_baselines_tf2.envs import env_ids

    with reported_as_usage():
        try:
            if "NoFrameskip" in env_id:
                if env_kwargs or monitor_dir:
                    raise UsageError(f"--env-kwargs and --monitor-dir are not for Atari games such as {env_id}")
                require("ale_py", "atari")
                return VecFrameStack(make_atari_env(env_id, n_envs, seed or 0, use_subprocess=subprocess), n_stack=4)
            gymnasium.spec(env_ids.current_id(env_id).id)
            return make_vec_env(
                env_id,
                n_envs=n_envs,
                seed=seed,
                monitor_dir=monitor_dir,
                env_kwargs=env_kwargs,
                vec_env_cls=SubprocVecEnv if subprocess else DummyVecEnv,
            )
        except gymnasium.error.Error as error:
            raise UsageError(str(error)) from error


def normalization_path(model_path: str | os.PathLike) -> Path:
    """Where ``train`` leaves, and ``enjoy`` finds, the running averages of a model's observations."""
    return Path(os.fspath(model_path).removesuffix(".zip") + "_vecnormalize.pkl")


def play(
    model: BaseRLModel, env: VecEnv, *, deterministic: bool = True, render: bool = False
) -> Iterator[float | None]:
    """Lets a model act in one environment, endlessly.

    Yields:
        After every step None, or the return of the episode that it ended: the monitor's, of a whole game, not
        normalized.
    """
    import numpy as np

    obs, state, done = env.reset(), None, np.zeros(1, dtype=bool)
    while True:
        action, state = model.predict(obs, state=state, mask=done, deterministic=deterministic)
        obs, _, done, infos = env.step(action)
        if render:
            env.render()
        yield float(infos[0]["episode"]["r"]) if "episode" in infos[0] else None


def evaluate(model: BaseRLModel, env: VecEnv, episodes: int, *, deterministic: bool = True) -> list[float]:
    """Returns the returns of whole episodes, played in all environments at once."""
    from stable_baselines_tf2.common.evaluation import evaluate_policy

    returns, _ = evaluate_policy(model, env, episodes, deterministic=deterministic, return_episode_rewards=True)
    return cast("list[float]", returns)


def describe(returns: Iterable[float]) -> str:
    """Says mean and standard deviation of episode returns."""
    import numpy as np

    values = np.asarray(list(returns), dtype=np.float64)
    return f"{values.mean():.1f} +/- {values.std():.1f} over {len(values)} episodes"
