"""Optimizers with TensorFlow 1's arithmetic, as pure functions of flat vectors.

An optimizer's state is a dictionary of tensors; ``step`` maps (weights, gradient, state, learning rate) to (weights,
state), returns the whole state, and works inside compiled functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor

State = dict[str, Tensor]


class Optimizer(Protocol):
    """What every optimizer does."""

    def initial_state(self, size: int) -> State:
        """State before the first step, for ``size`` weights."""

    def step(self, vector: Tensor, gradient: Tensor, state: State, learning_rate: Tensor) -> tuple[Tensor, State]:
        """Weights and the whole state after one step."""


class Adam(NamedTuple):
    """Adam (https://arxiv.org/abs/1412.6980) with epsilon outside of the bias correction."""

    epsilon: float = 1e-8
    beta1: float = 0.9
    beta2: float = 0.999
    name: str = "adam"  # what the names of its state begin with

    def initial_state(self, size: int) -> State:
        return {
            f"{self.name}/m": tf.zeros(size),
            f"{self.name}/v": tf.zeros(size),
            f"{self.name}/beta1_power": tf.constant(self.beta1),
            f"{self.name}/beta2_power": tf.constant(self.beta2),
        }

    def step(self, vector: Tensor, gradient: Tensor, state: State, learning_rate: Tensor) -> tuple[Tensor, State]:
        power1, power2 = state[f"{self.name}/beta1_power"], state[f"{self.name}/beta2_power"]
        rate = learning_rate * tf.sqrt(1.0 - power2) / (1.0 - power1)
        # Rounded as TensorFlow's own kernel rounds: tiny gradients magnify every difference.
        one = np.float32(1.0)
        m, v = state[f"{self.name}/m"], state[f"{self.name}/v"]
        m = m + (gradient - m) * (one - np.float32(self.beta1))
        v = v + (tf.square(gradient) - v) * (one - np.float32(self.beta2))
        vector = vector - rate * m / (tf.sqrt(v) + self.epsilon)
        state = state | {
            f"{self.name}/m": m,
            f"{self.name}/v": v,
            f"{self.name}/beta1_power": power1 * self.beta1,
            f"{self.name}/beta2_power": power2 * self.beta2,
        }
        return vector, state


class RMSProp(NamedTuple):
    """RMSProp whose mean square starts at one and has epsilon inside of the root."""

    decay: float = 0.99
    epsilon: float = 1e-5
    momentum: float = 0.0

    def initial_state(self, size: int) -> State:
        return {"rmsprop/mean_square": tf.ones(size), "rmsprop/momentum": tf.zeros(size)}

    def step(self, vector: Tensor, gradient: Tensor, state: State, learning_rate: Tensor) -> tuple[Tensor, State]:
        mean_square = self.decay * state["rmsprop/mean_square"] + (1.0 - self.decay) * tf.square(gradient)
        step = learning_rate * gradient * tf.math.rsqrt(mean_square + self.epsilon)
        momentum = self.momentum * state["rmsprop/momentum"] + step
        return vector - momentum, state | {"rmsprop/mean_square": mean_square, "rmsprop/momentum": momentum}


def polyak_average(target: Tensor, source: Tensor, tau: Tensor) -> Tensor:
    """Weights that follow others by a share ``tau`` of the distance: ``(1 - τ) target + τ source``."""
    return (1.0 - tau) * target + tau * source


def clip_by_global_norm(gradient: Tensor, max_norm: float | None) -> Tensor:
    """Shrinks a flat gradient to at most this Euclidean norm; None leaves it alone."""
    if max_norm is None:
        return gradient
    if max_norm == 0.0:
        return tf.zeros_like(gradient)
    norm = tf.norm(gradient)
    return gradient * (max_norm * tf.minimum(1.0 / norm, 1.0 / max_norm))


def clip_by_norms(gradient: Tensor, sizes: Sequence[int], max_norm: float) -> Tensor:
    """Shrinks each part of a flat gradient to at most this Euclidean norm.

    Args:
        gradient: [n].
        sizes: lengths of the parts (variables), which sum to n.
        max_norm: maximum norm.
    """
    squares = [tf.reduce_sum(part) for part in tf.split(tf.square(gradient), sizes)]
    scales = tf.unstack(max_norm / tf.maximum(tf.sqrt(tf.stack(squares)), max_norm))
    # Filling a constant for each part is cheaper than gathering a scale for each weight.
    return gradient * tf.concat([tf.fill([size], scale) for size, scale in zip(sizes, scales, strict=True)], axis=0)
