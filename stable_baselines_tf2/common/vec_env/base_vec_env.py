"""What every vectorized environment can do, and the base class of their wrappers."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.tile_images import tile_images
from stable_baselines_tf2.envs.spaces import as_gymnasium_space
from stable_baselines_tf2.envs.window import show

Indices = None | int | Iterable[int]
StepResult = tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]


class AlreadySteppingError(Exception):
    """``step_async()`` was called while a step is under way."""

    def __init__(self) -> None:
        super().__init__("a step is already under way: call step_wait() first")


class NotSteppingError(Exception):
    """``step_wait()`` was called with no step under way."""

    def __init__(self) -> None:
        super().__init__("no step is under way: call step_async() first")


class VecEnv(ABC):
    """Several copies of an environment that are stepped together.

    A finished episode is followed by a new one on its own: the observation returned with ``done`` is the first one of
    the next episode, and ``infos[i]["terminal_observation"]`` holds the last one of the finished episode.
    ``infos[i]["TimeLimit.truncated"]`` is there where a time limit was reached, and says whether that alone ended it.

    Args:
        num_envs: number of environments.
        observation_space: space of the observation of one environment.
        action_space: space of the action of one environment.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render.modes": ["human", "rgb_array"]}

    def __init__(self, num_envs: int, observation_space: gymnasium.Space, action_space: gymnasium.Space):
        self.num_envs = num_envs
        self.observation_space = as_gymnasium_space(observation_space)
        self.action_space = as_gymnasium_space(action_space)

    @abstractmethod
    def reset(self) -> Any:
        """Starts a new episode in every environment.

        Returns:
            Observations ``[num_envs, ...]``; for a Dict or Tuple space a dict or tuple of such arrays.
        """

    @abstractmethod
    def step_async(self, actions: ArrayLike) -> None:
        """Starts a step; `step_wait` gets its results.

        Args:
            actions: one action for each environment, ``[num_envs, ...]``.
        """

    @abstractmethod
    def step_wait(self) -> StepResult:
        """Waits for the step that `step_async` started.

        Returns:
            Observations (see `reset`), rewards ``[num_envs]``, dones ``[num_envs]`` (bool) and infos (a dict for each
            environment).
        """

    @abstractmethod
    def close(self) -> None:
        """Frees what the environments hold."""

    @abstractmethod
    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Reads an attribute of the environments.

        Args:
            attr_name: its name.
            indices: the environments to ask; all by default.

        Returns:
            One value for each environment asked.

        Raises:
            AttributeError: an environment does not have it.
        """

    @abstractmethod
    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> None:
        """Sets an attribute of the environments, in the wrapper that has it.

        Args:
            attr_name: its name.
            value: the value for each of them.
            indices: the environments concerned; all by default.
        """

    @abstractmethod
    def env_method(
        self, method_name: str, *method_args: object, indices: Indices = None, **method_kwargs: object
    ) -> list[Any]:
        """Calls a method of the environments.

        Args:
            method_name: its name.
            *method_args: positional arguments of the call.
            indices: the environments concerned; all by default.
            **method_kwargs: keyword arguments of the call.

        Returns:
            What each call returned.
        """

    @abstractmethod
    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seeds the environments: the i-th gets ``seed + i``, at its next `reset` and only then.

        Args:
            seed: a number that is not negative; None draws one from the operating system.

        Returns:
            The seed of each environment.
        """

    def step(self, actions: ArrayLike) -> StepResult:
        """Takes one step in every environment.

        Args:
            actions: one action for each environment, ``[num_envs, ...]``.

        Returns:
            As `step_wait`.
        """
        self.step_async(actions)
        return self.step_wait()

    def get_images(self) -> Sequence[np.ndarray]:
        """Renders every environment.

        Returns:
            One RGB image, uint8 ``[height, width, 3]``, for each.
        """
        raise NotImplementedError

    def render(self, mode: str = "human") -> np.ndarray | None:
        """Renders all environments in one image.

        Args:
            mode: ``"human"`` shows the image in a window, ``"rgb_array"`` returns it.

        Returns:
            The image, uint8 ``[height, width, 3]``, for ``"rgb_array"``.

        Raises:
            ValueError: the mode is another one.
        """
        if mode not in ("human", "rgb_array"):
            raise ValueError(f"mode must be 'human' or 'rgb_array', got {mode!r}")
        try:
            images = self.get_images()
        except NotImplementedError:
            warnings.warn(f"{type(self).__name__} cannot be rendered", stacklevel=2)
            return None
        image = tile_images(images)
        if mode == "rgb_array":
            return image
        show(image)
        return None

    @property
    def unwrapped(self) -> VecEnv:
        """The innermost vectorized environment."""
        return self

    def getattr_depth_check(self, name: str, already_found: bool) -> str | None:
        """Looks for a second owner of an attribute.

        Args:
            name: the attribute.
            already_found: whether a wrapper further out has it.

        Returns:
            Dotted name of the class that has it too, or None.
        """
        return _class_name(self) if already_found and hasattr(self, name) else None

    def _get_indices(self, indices: Indices) -> Iterable[int]:
        if indices is None:
            return range(self.num_envs)
        return [int(indices)] if isinstance(indices, (int, np.integer)) else indices

    def _seeds(self, seed: int | None) -> list[int | None]:
        """The seed of each environment, for `seed`."""
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0]) // 2
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed must be an integer that is not negative, or None, got {seed!r}")
        return [int(seed) + index for index in range(self.num_envs)]

    def _own_windows(self, mode: str) -> bool:
        """True where `render` is best left to the environments: they open windows themselves, or there is only one."""
        if mode != "human":
            return self.num_envs == 1
        made_with = self.get_attr("render_mode", 0)[0]
        return made_with == "human" or (made_with is None and self.num_envs == 1)


def mark_end(info: dict[str, Any], obs: Any, terminated: Any, truncated: Any) -> None:
    """Adds to a step's info what `VecEnv` promises where an episode ended with it, with the last observation."""
    info["terminal_observation"] = obs
    if truncated:
        info["TimeLimit.truncated"] = not terminated


class VecEnvWrapper(VecEnv):
    """Base class of what changes the behaviour of a vectorized environment.

    Attributes that the wrapper does not have are looked up in what it wraps. An attribute that two layers have is
    refused, as it is unclear which is meant, except where the outermost layer has it.

    Args:
        venv: what to wrap.
        observation_space: space of the observations after wrapping; that of ``venv`` by default.
        action_space: space of the actions before wrapping; that of ``venv`` by default.
    """

    venv: VecEnv

    def __init__(
        self,
        venv: VecEnv,
        observation_space: gymnasium.Space | None = None,
        action_space: gymnasium.Space | None = None,
    ):
        self.venv = venv
        super().__init__(
            venv.num_envs,
            venv.observation_space if observation_space is None else observation_space,
            venv.action_space if action_space is None else action_space,
        )

    @property
    def class_attributes(self) -> dict[str, Any]:
        """What the class of the wrapper has, by name."""
        return dict(inspect.getmembers(type(self)))

    def step_async(self, actions: ArrayLike) -> None:
        self.venv.step_async(actions)

    @abstractmethod
    def reset(self) -> Any:
        """See `VecEnv.reset`."""

    @abstractmethod
    def step_wait(self) -> StepResult:
        """See `VecEnv.step_wait`."""

    def seed(self, seed: int | None = None) -> list[int | None]:
        return self.venv.seed(seed)

    def close(self) -> None:
        self.venv.close()

    def render(self, mode: str = "human") -> np.ndarray | None:
        return self.venv.render(mode=mode)

    def get_images(self) -> Sequence[np.ndarray]:
        return self.venv.get_images()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        return self.venv.get_attr(attr_name, indices)

    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> None:
        self.venv.set_attr(attr_name, value, indices)

    def env_method(
        self, method_name: str, *method_args: object, indices: Indices = None, **method_kwargs: object
    ) -> list[Any]:
        return self.venv.env_method(method_name, *method_args, indices=indices, **method_kwargs)

    @property
    def unwrapped(self) -> VecEnv:
        return self.venv.unwrapped

    def __getattr__(self, name: str) -> Any:
        if name == "venv" or name.startswith("__"):  # while it is being built, copied or unpickled
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        hidden = self.getattr_depth_check(name, already_found=False)
        if hidden is not None:
            raise AttributeError(f"attribute {name!r} of {_class_name(self)} is ambiguous: {hidden} has it too")
        return self.getattr_recursive(name)

    def getattr_recursive(self, name: str) -> Any:
        """Gets an attribute from the outermost layer that has it.

        Args:
            name: the attribute.

        Returns:
            Its value.

        Raises:
            AttributeError: no layer has it.
        """
        if self._has(name):
            return object.__getattribute__(self, name)
        if isinstance(self.venv, VecEnvWrapper):
            return self.venv.getattr_recursive(name)
        return getattr(self.venv, name)

    def getattr_depth_check(self, name: str, already_found: bool) -> str | None:
        has = self._has(name)
        if has and already_found:
            return _class_name(self)
        return self.venv.getattr_depth_check(name, already_found or has)

    def _has(self, name: str) -> bool:
        """True where the wrapper itself has the attribute (nothing is forwarded or computed)."""
        return inspect.getattr_static(self, name, _NOTHING) is not _NOTHING


class CloudpickleWrapper:
    """Makes an object, such as a lambda, picklable by cloudpickle.

    Args:
        var: the object; also the attribute under which it comes back.
    """

    def __init__(self, var: Any):
        self.var = var

    def __getstate__(self) -> bytes:
        return cloudpickle.dumps(self.var)

    def __setstate__(self, state: bytes) -> None:
        self.var = cloudpickle.loads(state)


_NOTHING = object()


def _class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
