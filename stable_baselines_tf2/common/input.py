"""Placeholders of observations, for graphs of TensorFlow 1."""

from __future__ import annotations

import gymnasium
import tensorflow as tf

from stable_baselines_tf2.core.graph_layers import library_shapes
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.preprocessing import Preprocessor
from stable_baselines_tf2.envs.spaces import as_gymnasium_space


def placeholders(preprocessor: Preprocessor, batch_size: int | None, name: str = "Ob") -> tuple[Tensor, Tensor]:
    """What `observation_input` returns, for what a policy does to observations."""
    with library_shapes():
        specification = preprocessor.spec
        placeholder = tf.compat.v1.placeholder(specification.dtype, (batch_size, *specification.shape[1:]), name=name)
        return placeholder, preprocessor.tensor(placeholder)


def observation_input(
    ob_space: gymnasium.Space, batch_size: int | None = None, name: str = "Ob", scale: bool = False
) -> tuple[Tensor, Tensor]:
    """A placeholder of raw observations, and the network inputs made of it.

    Args:
        ob_space: observation space.
        batch_size: rows of a batch; any number if None.
        name: name of the placeholder.
        scale: scale bounded observations to [0, 1].

    Returns:
        The placeholder [B, …] and the network inputs, float32.

    Raises:
        NotImplementedError: a space that networks do not take.
    """
    return placeholders(Preprocessor(as_gymnasium_space(ob_space), scale), batch_size, name)
