"""What callbacks, evaluation and the training loop ask of a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.archive import PathOrFile

if TYPE_CHECKING:  # callbacks do without TensorFlow
    pass


class Predictor(Protocol):
    """Something that acts."""

    def predict(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions for observations, and the recurrent state; see `BaseRLModel.predict`."""


class ExpertData(Protocol):
    """An expert's observations and actions, in minibatches; as ``ExpertDataset`` gives them."""

    @property
    def train_loader(self) -> Sized:
        """Minibatches to train on; their number counts."""

    @property
    def val_loader(self) -> Sized:
        """Minibatches to validate on; their number counts."""

    def get_next_batch(self, split: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Observations and actions of the next minibatch of ``"train"`` or ``"val"``."""


class ExportableModel(Protocol):
    """A model whose deterministic policy is exported."""

    @property
    def acting_policy(self) -> Any:
        """The policy that acts."""

    def deterministic_actions(self, vector: Any, obs: ArrayLike, *memory: Any) -> tuple[Any, ...]:
        """Actions for weights and observations, in TensorFlow; see `BaseRLModel.deterministic_actions`."""


class CallbackModel(Predictor, Protocol):
    """A model as callbacks see it."""

    num_timesteps: int  # environment steps so far

    def get_env(self) -> Any:
        """The environment it is trained on."""

    def save(self, save_path: PathOrFile) -> None:
        """Writes it to a file."""


class TrainedModel(CallbackModel, Protocol):
    """A model as the training loop sees it."""

    verbose: int
    tensorboard_log: str | None
    ep_info_buf: deque[dict[str, Any]]  # what Monitor reported of the last episodes

    @property
    def loop_names(self) -> Any:
        """The `LoopNames` of its training loop: what callbacks find in ``locals``."""

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
