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


def test_linear_recurrence():
    rng = np.random.default_rng(0)
    for n_steps in (1, 2, 3, 5, 8, 11):
        x, decay = rng.normal(size=(2, n_steps, 3)).astype(np.float32)
        expected, y = np.zeros((n_steps, 3)), 0.0
        for t in reversed(range(n_steps)):
            expected[t] = y = x[t] + decay[t] * y
        solved = losses.linear_recurrence(tf.constant(x), tf.constant(decay))
        np.testing.assert_allclose(solved, expected, rtol=1e-4, atol=1e-5)


def test_retrace_by_hand():
    """Two steps; the second action is now half as probable, the first three times (which does not matter)."""
    r, q, v, rho = c(1, 2), c(5, 6), c(10, 20, 30), c(3, 0.5)
    second = 2 + 0.9 * 30
    first = 1 + 0.9 * (0.5 * (second - 6) + 20)
    np.testing.assert_allclose(losses.retrace(r, c(0, 0), q, v, rho, 0.9), [first, second], rtol=1e-6)
    np.testing.assert_allclose(losses.retrace(r, c(1, 1), q, v, rho, 0.9), [1, 2])
    np.testing.assert_allclose(losses.retrace(r, c(0, 1), q, v, c(1, 1), 1.0), [1 + 2 - 6 + 20, 2])


def test_retrace_on_policy_with_exact_values_is_the_return():
    r, v = c(1, 2, 4), c(7, 6, 4, 0)
    np.testing.assert_allclose(losses.retrace(r, c(0, 0, 1), v[:3], v, c(1, 1, 1), 1.0), [7, 6, 4])


def test_importance_truncation():
    pi, mu = tf.constant([[0.5, 0.25, 0.25]]), tf.constant([[0.1, 0.8, 0.1]])
    with tf.GradientTape() as tape:
        tape.watch(pi)
        truncated, correction = losses.importance_truncation(
            pi, mu, tf.constant([0]), c(3), tf.constant([[1.0, 2.0, 6.0]]), c(2), 2.0
        )
        total = tf.reduce_sum(truncated + correction)
    np.testing.assert_allclose(truncated, [[2 * (3 - 2), 0, 0]], rtol=1e-5)  # the ratio 5 counts as 2
    # Ratios 5, 0.3, 2.5 are beyond 2 by shares 0.6, 0, 0.2.
    np.testing.assert_allclose(correction, [[0.6 * 0.5 * (1 - 2), 0, 0.2 * 0.25 * (6 - 2)]], rtol=1e-4)
    assert tape.gradient(total, pi) is None


def test_trust_region_adjustment():
    gain = tf.constant([[-4.0, 2.0], [0.1, 0.2]])
    average, pi = tf.constant([[0.5, 0.5], [0.5, 0.5]]), tf.constant([[0.5, 0.5], [0.25, 0.75]])
    adjustment, k = losses.trust_region_adjustment(gain, average, pi, 0.5)
    np.testing.assert_allclose(k, [[-1, -1], [-2, -2 / 3]], rtol=1e-5)
    np.testing.assert_allclose(adjustment, [(4 - 2 - 0.5) / 2, 0], rtol=1e-5)  # k·g is 2, and negative
    kept = gain - adjustment[:, tf.newaxis] * k
    np.testing.assert_allclose(tf.reduce_sum(k * kept, axis=1)[0], 0.5, rtol=1e-5)  # now it is δ
