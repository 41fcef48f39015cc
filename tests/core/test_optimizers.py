"""Optimizers against TensorFlow 1's formulas, written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core.optimizers import Adam, RMSProp, clip_by_global_norm, polyak_average

GRADIENTS = np.random.default_rng(0).normal(0, 1, (5, 4)).astype(np.float32)


def run(optimizer, rate):
    vector, state = tf.ones(4), optimizer.initial_state(4)
    for gradient in GRADIENTS:
        vector, state = optimizer.step(vector, tf.constant(gradient), state, tf.constant(rate))
    return vector.numpy(), {name: value.numpy() for name, value in state.items()}


def test_adam():
    vector, state = run(Adam(epsilon=1e-2, beta1=0.8, beta2=0.95), 0.1)
    x, m, v = np.ones(4), np.zeros(4), np.zeros(4)
    for t, g in enumerate(GRADIENTS.astype(np.float64), 1):
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        x -= 0.1 * np.sqrt(1 - 0.95**t) / (1 - 0.8**t) * m / (np.sqrt(v) + 1e-2)
    np.testing.assert_allclose(vector, x, rtol=1e-5)
    np.testing.assert_allclose(state["adam/m"], m, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(state["adam/beta1_power"], 0.8**6, rtol=1e-5)


def test_first_step_of_adam_is_the_learning_rate():
    optimizer = Adam()
    vector, _ = optimizer.step(
        tf.zeros(3), tf.constant([5.0, -0.1, 30.0]), optimizer.initial_state(3), tf.constant(0.01)
    )
    np.testing.assert_allclose(vector, [-0.01, 0.01, -0.01], rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop(momentum):
    vector, state = run(RMSProp(decay=0.9, epsilon=1e-3, momentum=momentum), 0.1)
    x, mean_square, velocity = np.ones(4), np.ones(4), np.zeros(4)
    for g in GRADIENTS.astype(np.float64):
        mean_square = 0.9 * mean_square + 0.1 * g * g
        velocity = momentum * velocity + 0.1 * g / np.sqrt(mean_square + 1e-3)
        x -= velocity
    np.testing.assert_allclose(vector, x, rtol=1e-5)
    np.testing.assert_allclose(state["rmsprop/mean_square"], mean_square, rtol=1e-5)
    np.testing.assert_allclose(state["rmsprop/momentum"], velocity, rtol=1e-4)


def test_clipping_by_norm():
    gradient = tf.constant([3.0, 4.0])
    np.testing.assert_allclose(clip_by_global_norm(gradient, 0.5), [0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(clip_by_global_norm(gradient, 7.0), [3, 4], rtol=1e-6)
    np.testing.assert_array_equal(clip_by_global_norm(gradient, None), gradient)
    np.testing.assert_array_equal(clip_by_global_norm(tf.zeros(2), 0.5), [0, 0])


def test_polyak_average():
    target, source = tf.constant([1.0, -2.0]), tf.constant([3.0, 6.0])
    np.testing.assert_allclose(polyak_average(target, source, 0.25), [1.5, 0.0])
    np.testing.assert_array_equal(polyak_average(target, source, 0.0), target)
    np.testing.assert_array_equal(polyak_average(target, source, 1.0), source)
