"""Losses on numbers that can be checked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core import losses


def c(*numbers):
    return tf.constant(numbers, tf.float32)


def test_standardize():
    np.testing.assert_allclose(losses.standardize(c(1, 2, 3)), [-1.2247448, 0, 1.2247448], rtol=1e-6)
    np.testing.assert_array_equal(losses.standardize(c(4, 4)), [0, 0])


def test_policy_gradient_and_squared_error():
    assert losses.policy_gradient(c(1, 2), c(3, -1)).numpy() == 0.5  # (3 - 2) / 2
    assert losses.squared_error(c(1, 5), c(2, 2)).numpy() == 5.0  # (1 + 9) / 2


def test_clipped_surrogate():
    # Ratios e^0.1 = 1.105 (within) and e^-1 = 0.368 (below 0.8).
    old, new = c(1.0, 1.0), c(0.9, 2.0)
    loss, approxkl, clipfrac = losses.clipped_surrogate(new, old, c(2, 1), c(0.2)[0])
    np.testing.assert_allclose(loss, -(2 * np.exp(0.1) + np.exp(-1)) / 2, rtol=1e-6)  # min(0.368, 0.8) counts
    np.testing.assert_allclose(approxkl, 0.5 * (0.01 + 1) / 2, rtol=1e-6)
    assert clipfrac.numpy() == 0.5
    loss, *_ = losses.clipped_surrogate(new, old, c(2, -1), c(0.2)[0])
    np.testing.assert_allclose(loss, -(2 * np.exp(0.1) - 0.8) / 2, rtol=1e-6)  # a bad action is not pushed further


def test_clipped_surrogate_has_no_gradient_beyond_the_range():
    new = c(0.0, 5.0)
    with tf.GradientTape() as tape:
        tape.watch(new)
        loss, *_ = losses.clipped_surrogate(new, c(1.0, 1.0), c(1, -1), c(0.2)[0])
    np.testing.assert_array_equal(tape.gradient(loss, new), [0, 0])


@pytest.mark.parametrize(
    "clip, expected",
    [(0.5, (9 + 2.5**2) / 4), (10.0, (9 + 1) / 4), (0.0, (9 + 9) / 4), (-1.0, (9 + 1) / 4)],
)
def test_clipped_value_loss(clip, expected):
    # Errors 3 and 1; the second value moved by 2 towards its return 3, of which only the clipped part counts.
    values, old, returns = c(3, 2), c(3, 0), c(0, 3)
    np.testing.assert_allclose(losses.clipped_value_loss(values, old, returns, c(clip)[0]), expected, rtol=1e-6)


def test_cross_entropy():
    logits = tf.math.log([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(losses.cross_entropy(logits, tf.constant([1, 0])), -np.log(0.75 * 0.5) / 2, rtol=1e-6)
