"""Noise on actions and on parameters. All draws come from ``np.random``, which ``set_global_seeds`` seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

Numbers = float | Sequence[float] | np.ndarray


class AdaptiveParamNoiseSpec:
    """Scale of parameter noise, adapted to keep the perturbed actions at a distance (https://arxiv.org/abs/1706.01905).

    Args:
        initial_stddev: standard deviation of the parameter noise at the start.
        desired_action_stddev: wanted distance between perturbed and unperturbed actions.
        adoption_coefficient: factor by which each adaptation changes the standard deviation.
    """

    def __init__(
        self, initial_stddev: float = 0.1, desired_action_stddev: float = 0.1, adoption_coefficient: float = 1.01
    ):
        self.initial_stddev = initial_stddev
        self.desired_action_stddev = desired_action_stddev
        self.adoption_coefficient = adoption_coefficient
        self.current_stddev = initial_stddev

    def adapt(self, distance: float) -> None:
        """Lowers the standard deviation if the distance is above the wanted one, raises it otherwise.

        Args:
            distance: measured distance between perturbed and unperturbed actions.
        """
        if distance > self.desired_action_stddev:
            self.current_stddev /= self.adoption_coefficient
        else:
            self.current_stddev *= self.adoption_coefficient

    def get_stats(self) -> dict[str, float]:
        """The current standard deviation, for logging."""
        return {"param_noise_stddev": self.current_stddev}

    def __repr__(self) -> str:
        return (
            f"AdaptiveParamNoiseSpec(initial_stddev={self.initial_stddev}, "
            f"desired_action_stddev={self.desired_action_stddev}, adoption_coefficient={self.adoption_coefficient})"
        )


class ActionNoise(ABC):
    """Noise that is added to the actions of one environment: call it once per step, `reset` it after each episode."""

    def __init__(self) -> None:
        super().__init__()

    def reset(self) -> None:  # noqa: B027 - most kinds of noise have nothing to forget
        """Forgets what earlier steps left behind."""

    @abstractmethod
    def __call__(self) -> np.ndarray:
        """The noise of the next step, of the shape of one action."""


class NormalActionNoise(ActionNoise):
    """Independent Gaussian noise.

    Args:
        mean: mean of each action component.
        sigma: standard deviation of each action component.
    """

    def __init__(self, mean: Numbers, sigma: Numbers):
        super().__init__()
        self._mu = mean
        self._sigma = sigma

    def __call__(self) -> np.ndarray:
        return np.random.normal(self._mu, self._sigma)

    def __repr__(self) -> str:
        return f"NormalActionNoise(mu={self._mu}, sigma={self._sigma})"


class OrnsteinUhlenbeckActionNoise(ActionNoise):
    """Noise that drifts like a particle with friction, so that neighbouring steps are alike.

    ``x_t = x_tm1 + theta * (mean - x_tm1) * dt + sigma * sqrt(dt) * N(0, 1)``

    Args:
        mean: where the noise drifts to, per action component.
        sigma: scale of the random part, per action component.
        theta: how fast it drifts there.
        dt: time between two steps.
        initial_noise: where each episode starts; zero by default.
    """

    def __init__(
        self,
        mean: Numbers,
        sigma: Numbers,
        theta: float = 0.15,
        dt: float = 1e-2,
        initial_noise: Numbers | None = None,
    ):
        super().__init__()
        self._theta = theta
        self._mu = mean
        self._sigma = sigma
        self._dt = dt
        self.initial_noise = initial_noise
        self.noise_prev: Any = None
        self.reset()

    def __call__(self) -> np.ndarray:
        drift = self._theta * (np.asarray(self._mu) - self.noise_prev) * self._dt
        diffusion = np.asarray(self._sigma) * np.sqrt(self._dt) * np.random.normal(size=np.shape(self._mu))
        self.noise_prev = self.noise_prev + drift + diffusion
        return self.noise_prev

    def reset(self) -> None:
        self.noise_prev = np.zeros_like(self._mu) if self.initial_noise is None else self.initial_noise

    def __repr__(self) -> str:
        return f"OrnsteinUhlenbeckActionNoise(mu={self._mu}, sigma={self._sigma})"


_DESCRIBED = {cls.__name__: cls for cls in (AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise)}


def noise_to_dict(noise: object) -> dict[str, Any] | None:
    """Describes a noise object and its state with JSON types; None when it is not exactly one of this module's."""
    if _DESCRIBED.get(type(noise).__name__) is not type(noise):
        return None
    state = {}
    for key, value in vars(noise).items():
        if isinstance(value, (np.ndarray, np.generic)):
            value = {"dtype": value.dtype.str, "values": value.tolist()}
        state[key] = value
    return {"type": type(noise).__name__, "state": state}


def noise_from_dict(description: dict[str, Any]) -> Any:
    """Builds the noise object that `noise_to_dict` described.

    Raises:
        ValueError: the type is unknown, or its state has missing or unknown members.
    """
    cls = _DESCRIBED.get(description.get("type", ""))
    if cls is None:
        raise ValueError(f"unknown type of noise {description.get('type')!r}, known are {sorted(_DESCRIBED)}")
    noise = cls() if cls is AdaptiveParamNoiseSpec else cls(0.0, 0.0)
    state = description.get("state", {})
    if set(state) != set(vars(noise)):
        raise ValueError(f"the state of {cls.__name__} has {sorted(vars(noise))}, got {sorted(state)}")
    for key, value in state.items():
        setattr(noise, key, np.array(value["values"], dtype=value["dtype"]) if isinstance(value, dict) else value)
    return noise
