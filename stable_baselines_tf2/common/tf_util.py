"""Helpers on tensors, eagerly, inside of ``tf.function`` and in graphs; and sessions of TensorFlow 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.graph_policies import outer_scope_getter as outer_scope_getter
from stable_baselines_tf2.common.sessions import ALREADY_INITIALIZED as ALREADY_INITIALIZED
from stable_baselines_tf2.common.sessions import GetFlat as GetFlat
from stable_baselines_tf2.common.sessions import SetFromFlat as SetFromFlat
from stable_baselines_tf2.common.sessions import flatgrad as flatgrad
from stable_baselines_tf2.common.sessions import function as function
from stable_baselines_tf2.common.sessions import get_globals_vars as get_globals_vars
from stable_baselines_tf2.common.sessions import get_trainable_vars as get_trainable_vars
from stable_baselines_tf2.common.sessions import in_session as in_session
from stable_baselines_tf2.common.sessions import initialize as initialize
from stable_baselines_tf2.common.sessions import is_image as is_image
from stable_baselines_tf2.common.sessions import make_session as make_session
from stable_baselines_tf2.common.sessions import single_threaded_session as single_threaded_session
from stable_baselines_tf2.core.losses import huber_loss as huber_loss
from stable_baselines_tf2.core.types import Tensor


def batch_to_seq(tensor_batch: tf.Tensor, n_batch: int, n_steps: int, flat: bool = False) -> list[tf.Tensor]:
    """Splits a batch in environment-major order into one tensor per time step, for recurrent networks.

    Args:
        tensor_batch: ``[n_batch * n_steps, ...]``.
        n_batch: number of sequences (environments).
        n_steps: length of each sequence.
        flat: one number per row, not a vector.

    Returns:
        ``n_steps`` tensors ``[n_batch, D]``, or ``[n_batch]`` if ``flat``.
    """
    shape = [n_batch, n_steps] if flat else [n_batch, n_steps, -1]
    return tf.unstack(tf.reshape(tensor_batch, shape), num=n_steps, axis=1)


def seq_to_batch(tensor_sequence: Sequence[tf.Tensor], flat: bool = False) -> tf.Tensor:
    """Joins one tensor per time step to a batch in environment-major order, the inverse of `batch_to_seq`.

    Args:
        tensor_sequence: ``n_steps`` tensors ``[n_batch, D]``, or ``[n_batch]`` if ``flat``.
        flat: one number per row, not a vector.

    Returns:
        ``[n_batch * n_steps, D]`` or ``[n_batch * n_steps]``.

    Raises:
        ValueError: tensors without a second dimension, but not ``flat``.
    """
    if flat:
        return tf.reshape(tf.stack(tensor_sequence, axis=1), [-1])
    shape = tensor_sequence[0].shape.as_list()
    if len(shape) < 2:
        raise ValueError(f"tensor_sequence must have tensors [n_batch, D] unless flat=True, got the shape {shape}")
    return tf.reshape(tf.stack(tensor_sequence, axis=1), [-1, shape[-1]])


def check_shape(tensors: Iterable[tf.Tensor], shapes: Iterable[Sequence[int | None]]) -> None:
    """Compares static shapes.

    Raises:
        ValueError: a tensor has another shape than the one listed for it, or the lists differ in length.
    """
    for number, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True)):
        if list(tensor.shape) != list(shape):
            raise ValueError(f"tensor {number} must have the shape {list(shape)}, got {list(tensor.shape)}")


def sample(logits: tf.Tensor) -> tf.Tensor:
    """Draws from categorical distributions, as the argmax of logits plus Gumbel noise.

    Args:
        logits: ``[B, n]``.

    Returns:
        Class numbers, int64 ``[B]``.
    """
    noise = tf.random.uniform(tf.shape(logits), dtype=logits.dtype)
    return tf.argmax(logits - tf.math.log(-tf.math.log(noise)), axis=1)


def calc_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Entropy of categorical distributions, in nats.

    Args:
        logits: ``[B, n]``.

    Returns:
        ``[B]``.
    """
    log_probability = tf.nn.log_softmax(logits, axis=1)
    return -tf.reduce_sum(tf.exp(log_probability) * log_probability, axis=1)


def mse(pred: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference, a scalar."""
    return tf.reduce_mean(tf.square(pred - target))


def avg_norm(tensor: tf.Tensor) -> tf.Tensor:
    """Mean of the L2 norms along the last axis, a scalar."""
    return tf.reduce_mean(tf.norm(tensor, axis=-1))


def gradient_add(
    grad_1: tf.Tensor | None, grad_2: tf.Tensor | None, param: Tensor, verbose: int = 0
) -> tf.Tensor | None:
    """Sum of two gradients, where None stands for zero.

    Args:
        grad_1: gradient or None.
        grad_2: gradient or None.
        param: the variable that both belong to.
        verbose: above 1, prints the gradients and the variable's name.

    Returns:
        The sum, None if both are None.
    """
    if verbose > 1:
        print(grad_1, grad_2, param.name)
    if grad_1 is None or grad_2 is None:
        return grad_2 if grad_1 is None else grad_1
    return grad_1 + grad_2


def q_explained_variance(q_pred: tf.Tensor, q_true: tf.Tensor) -> tf.Tensor:
    """Explained variance of Q values over both axes: ``1 - Var[q_true - q_pred] / Var[q_true]``, a scalar.

    Args:
        q_pred: ``[B, n]``.
        q_true: ``[B, n]``.
    """
    return 1.0 - tf.math.reduce_variance(q_true - q_pred) / tf.math.reduce_variance(q_true)


def var_shape(tensor: Tensor) -> list[int]:
    """Static shape of a tensor or variable.

    Raises:
        ValueError: a dimension is unknown.
    """
    shape = list(tensor.shape)
    if not all(isinstance(length, int) for length in shape):
        raise ValueError(f"the shape must be fully known, got {shape}")
    return shape


def numel(tensor: Tensor) -> int:
    """Number of elements of a tensor or variable."""
    return intprod(var_shape(tensor))


def intprod(tensor: Iterable[int]) -> int:
    """Product of numbers, as an int; 1 for none."""
    return int(math.prod(tensor))


def total_episode_reward_logger(
    rew_acc: np.ndarray, rewards: np.ndarray, masks: np.ndarray, writer: tf.summary.SummaryWriter, steps: int
) -> np.ndarray:
    """Writes the total reward of each episode that ended to TensorBoard, under the tag ``episode_reward``.

    Args:
        rew_acc: reward so far of each environment's current episode, ``[N]``; changed in place.
        rewards: ``[N, T]``.
        masks: whether an episode ended *before* step ``t``, ``[N, T]``.
        writer: a TensorFlow 2 summary writer.
        steps: time step of the first column; an episode that ended before column ``t`` is written at ``steps + t``.

    Returns:
        ``rew_acc``.
    """
    for env_index, env_rewards in enumerate(rewards):
        begin = 0
        for end in np.flatnonzero(masks[env_index]).tolist():
            with writer.as_default():
                tf.summary.scalar("episode_reward", rew_acc[env_index] + env_rewards[begin:end].sum(), step=steps + end)
            rew_acc[env_index] = 0.0
            begin = end
        rew_acc[env_index] += env_rewards[begin:].sum()
    return rew_acc
