"""Behaviour cloning: fits a network to an expert's actions. Knows no model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2.core import losses
from stable_baselines_tf2.core.checks import require_finite
from stable_baselines_tf2.core.interfaces import ExpertData
from stable_baselines_tf2.core.optimizers import Adam, State
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.core.phases import Statistics, gradient_step
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor
from stable_baselines_tf2.envs.spaces import is_discrete


def expert_arrays(
    obs: ArrayLike, actions: ArrayLike, preprocessor: Preprocessor, space: gymnasium.Space
) -> tuple[np.ndarray, np.ndarray]:
    """An expert's observations and actions as arrays of a model's spaces, [B, …].

    Args:
        obs: observations, [B, …] with their axes in any grouping.
        actions: actions, the same.
        preprocessor: what the model does to observations, for their shape and type.
        space: the model's action space.

    Raises:
        ValueError: they belong to other spaces.
    """
    obs, actions = np.asarray(obs), np.asarray(actions)
    discrete = is_discrete(space)
    for what, array, shape in (("observations", obs, preprocessor.shape), ("actions", actions, space.shape)):
        if array.size != len(array) * math.prod(shape or ()):
            raise ValueError(f"dataset: its {what} have the shape {array.shape[1:]}, the model's have {shape}")
    if isinstance(space, gymnasium.spaces.Discrete) and not np.isin(actions, np.arange(space.n)).all():
        raise ValueError(f"dataset: it has actions from {actions.min()} to {actions.max()}, the model has {space}")
    obs = obs.reshape(-1, *preprocessor.shape).astype(preprocessor.dtype)
    actions = actions.reshape(-1, *(space.shape or ())).astype(np.int64 if discrete else np.float32)
    return obs, actions


def cloning_step(
    imitate: Callable[[Tensor, Tensor], Tensor],
    parameters: Parameters,
    preprocessor: Preprocessor,
    space: gymnasium.Space,
    adam_epsilon: float,
    *,
    train: bool = True,
) -> Callable[[np.ndarray, np.ndarray, float], float]:
    """A step of behaviour cloning, ``(obs, actions, learning_rate) -> loss``.

    Args:
        imitate: ``(weights, obs) -> outputs``, in TensorFlow: logits for Discrete actions, actions for a Box.
        parameters: the weights, which the steps change.
        preprocessor: what the model does to observations.
        space: the action space, Discrete or Box.
        adam_epsilon: Adam's epsilon.
        train: make a step; False only measures the loss.
    """
    optimizer = Adam(epsilon=adam_epsilon)
    optimizer_state = optimizer.initial_state(sum(parameters.sizes))
    discrete = is_discrete(space)
    preprocessor.sync()

    @tf.function(autograph=False)
    def gradient(vector: Tensor, state: State, obs: Tensor, actions: Tensor, learning_rate: Tensor) -> Any:
        def loss(vector: Tensor) -> tuple[Tensor, Statistics]:
            outputs = imitate(vector, obs)
            value = losses.cross_entropy(outputs, actions) if discrete else losses.squared_error(outputs, actions)
            return value, {"loss": value}

        if not train:
            return vector, state, loss(vector)[1]
        return gradient_step(loss, optimizer, vector, state, learning_rate)

    def step(obs: np.ndarray, actions: np.ndarray, learning_rate: float) -> float:
        nonlocal optimizer_state
        obs, actions = map(tf.constant, expert_arrays(obs, actions, preprocessor, space))
        rate = tf.constant(learning_rate, tf.float32)
        vector, optimizer_state, statistics = gradient(parameters.vector, optimizer_state, obs, actions, rate)
        loss = statistics["loss"].numpy()
        if train:
            require_finite({"loss": loss}, "behaviour cloning")
            parameters.advance(vector)
        return float(loss)

    return step


def clone(
    train: Callable[[np.ndarray, np.ndarray, float], float],
    measure: Callable[[np.ndarray, np.ndarray, float], float],
    dataset: ExpertData,
    n_epochs: int,
    learning_rate: float,
    val_interval: int | None,
    *,
    verbose: bool,
) -> None:
    """Fits a network to an expert's actions; for the arguments see `BaseRLModel.pretrain`.

    Args:
        train: a `cloning_step` that trains.
        measure: one that only measures.
        dataset: an ``ExpertDataset``.
        n_epochs: passes over the training set.
        learning_rate: Adam's learning rate.
        val_interval: epochs between two reports; a tenth of all if None.
        verbose: print the reports.
    """

    def mean_loss(step: Callable[[np.ndarray, np.ndarray, float], float], part: str, n_batches: int) -> float:
        batches = (dataset.get_next_batch(part) for _ in range(n_batches))
        return float(np.mean([step(obs, actions, learning_rate) for obs, actions in batches]))

    interval = val_interval if val_interval is not None else max(n_epochs // 10, 1)
    for epoch in range(1, n_epochs + 1):
        train_loss = mean_loss(train, "train", len(dataset.train_loader))
        if verbose and epoch % interval == 0:
            val_loss = mean_loss(measure, "val", len(dataset.val_loader))
            print(
                f"Behaviour cloning, epoch {epoch} of {n_epochs}: "
                f"training loss {train_loss:.6f}, validation loss {val_loss:.6f}"
            )
