"""Losses: pure functions of tensors.

Shapes: B rows of a batch. Every function returns scalars unless it says otherwise.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def standardize(x: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Zero mean and unit (population) standard deviation over the batch, [B]."""
    mean, variance = tf.nn.moments(x, axes=[0])
    return (x - mean) / (tf.sqrt(variance) + epsilon)


def policy_gradient(neglogp: Tensor, advantages: Tensor) -> Tensor:
    """Policy-gradient loss ``mean(A · -log π(a|s))`` (Mnih et al. 2016, https://arxiv.org/abs/1602.01783).

    Args:
        neglogp: negative log-probabilities of the actions taken, [B].
        advantages: [B], not differentiated.
    """
    return tf.reduce_mean(advantages * neglogp)


def squared_error(values: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error, without a factor one half."""
    return tf.reduce_mean(tf.square(values - targets))


def clipped_surrogate(
    neglogp: Tensor, old_neglogp: Tensor, advantages: Tensor, clip: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's policy loss ``-mean(min(r A, clip(r, 1 ± ε) A))`` (https://arxiv.org/abs/1707.06347, eq. 7).

    Args:
        neglogp: negative log-probabilities of the actions under the policy, [B].
        old_neglogp: the same under the policy that acted, [B].
        advantages: [B].
        clip: ε.

    Returns:
        The loss, half the mean squared log-ratio (an approximation of the Kullback-Leibler divergence), and the
        fraction of the batch whose ratio was out of bounds.
    """
    log_ratio = old_neglogp - neglogp
    ratio = tf.exp(log_ratio)
    loss = tf.reduce_mean(
        tf.maximum(-advantages * ratio, -advantages * tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip))
    )
    outside = tf.cast(tf.abs(ratio - 1.0) > clip, tf.float32)
    return loss, 0.5 * tf.reduce_mean(tf.square(log_ratio)), tf.reduce_mean(outside)


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: Tensor) -> Tensor:
    """Half the mean squared error, pessimistic about values that moved by more than ``clip`` (negative: plain)."""
    error = tf.square(values - returns)
    near = old_values + tf.clip_by_value(values - old_values, -clip, clip)
    pessimistic = tf.maximum(error, tf.square(near - returns))
    return 0.5 * tf.reduce_mean(tf.where(clip < 0.0, error, pessimistic))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of integer labels [B] under logits [B, n]."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
