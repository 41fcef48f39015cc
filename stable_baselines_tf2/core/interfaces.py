"""What callbacks, evaluation and the training loop ask of a model."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np


class Predictor(Protocol):
    """Something that acts."""

    def predict(
        self, observation: Any, state: Any = None, mask: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, Any]:
        """Actions for observations, and the recurrent state; see `BaseRLModel.predict`."""


class CallbackModel(Predictor, Protocol):
    """A model as callbacks see it."""

    num_timesteps: int  # environment steps so far

    def get_env(self) -> Any:
        """The environment it is trained on."""

    def save(self, save_path: Any) -> None:
        """Writes it to a file."""


class TrainedModel(CallbackModel, Protocol):
    """A model as the training loop sees it."""

    verbose: int
    tensorboard_log: str | None
    ep_info_buf: deque[dict[str, Any]]  # what Monitor reported of the last episodes

    @property
    def wrapper(self) -> CallbackModel | None:
        """A model around this one, which callbacks see."""

    @property
    def rank(self) -> int:
        """Number of this process among the MPI workers that train it, from 0."""

    @property
    def timesteps_per_step(self) -> int:
        """Environment steps that one step of the vectorized environment counts for, over all workers."""

    def check_can_learn(self) -> None:
        """Raises ValueError where there is no environment."""

    def sync(self) -> None:
        """Brings the Keras variables up to date."""
