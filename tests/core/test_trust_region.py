import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.common import cg
from stable_baselines_tf2.core.optimizers.trust_region import conjugate_gradient, trust_region_step


def positive_definite(n, seed=0):
    root = np.random.default_rng(seed).normal(size=(n, n)).astype(np.float32)
    return root @ root.T + np.eye(n, dtype=np.float32)


def test_conjugate_gradient_is_that_of_numpy():
    a, b = positive_definite(6), np.arange(1.0, 7.0, dtype=np.float32)
    for n in (1, 3, 6):
        x, residual, products = conjugate_gradient(lambda v: tf.linalg.matvec(a, v), tf.constant(b), n)
        np.testing.assert_allclose(x, cg.conjugate_gradient(lambda v: a @ v, b, n), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(residual, b - a @ x.numpy(), atol=1e-3)
        assert products == n
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-2)


def test_conjugate_gradient_stops_when_it_is_done():
    x, _, products = conjugate_gradient(lambda v: 2.0 * v, tf.constant([1.0, 2.0]), 10)
    np.testing.assert_allclose(x, [0.5, 1.0])
    assert products == 1
    small, _, products = conjugate_gradient(lambda v: 2.0 * v, tf.constant([1e-6, 0.0]), 10)
    np.testing.assert_allclose(small, [5e-7, 0.0])
    assert products == 1
    zero, _, products = conjugate_gradient(lambda v: 2.0 * v, tf.zeros(2), 10)
    assert zero.numpy().tolist() == [0, 0] and products == 0


def step(evaluate, gradient=(3.0, 4.0), max_kl=0.5):
    fisher = tf.constant([[1.0, 0.0], [0.0, 4.0]])
    vector = tf.constant([1.0, 1.0])

    @tf.function(autograph=False, jit_compile=True)
    def run(vector):
        product = lambda v: tf.linalg.matvec(fisher, v)  # noqa: E731
        return trust_region_step(vector, tf.constant(gradient), product, evaluate, evaluate(vector), max_kl, 10)

    return run(vector)


def test_a_full_step_has_the_wanted_divergence():
    result = step(lambda v: tf.stack([tf.reduce_sum(v), 0.0]))
    np.testing.assert_allclose(result.direction, [3.0, 1.0], rtol=1e-6)
    length = np.sqrt(2 * 0.5 / (3 * 3 + 4 * 1 * 1))  # half of step · F · step is max_kl
    np.testing.assert_allclose(result.full_step, [3 * length, length], rtol=1e-6)
    np.testing.assert_allclose(result.vector, [1 + 3 * length, 1 + length], rtol=1e-6)
    np.testing.assert_allclose([result.shs, result.multiplier], [6.5, np.sqrt(13)], rtol=1e-6)
    assert (result.n_tried, result.step_size) == (1, 1.0)


@pytest.mark.parametrize("kl, tries, size", [(0.75, 1, 1.0), (0.76, 2, 0.5), (0.75 * 2**9, 10, 2**-9)])
def test_the_line_search_halves_until_the_divergence_is_small_enough(kl, tries, size):
    full = step(lambda v: tf.stack([tf.reduce_sum(v), 0.0])).full_step[0]
    result = step(lambda v: tf.stack([tf.reduce_sum(v), kl * (v[0] - 1.0) / full * 0.99999]))
    assert (result.n_tried, result.step_size) == (tries, size)
    np.testing.assert_allclose(result.tried[:tries, 1], kl * 0.5 ** np.arange(tries), rtol=1e-3)
    assert not np.any(result.tried[tries:])


def test_no_good_step_leaves_the_weights_exactly_alone():
    for evaluate in (
        lambda v: tf.stack([-tf.reduce_sum(v), 0.0]),  # worse everywhere
        lambda v: tf.stack([tf.reduce_sum(v), 9.0]),  # too far everywhere
        lambda v: tf.stack([tf.reduce_sum(v), tf.math.log(1.0 - v[0])]),  # not a number
    ):
        result = step(evaluate)
        assert (result.n_tried, result.step_size) == (10, 0.0)
        assert result.vector.numpy().tolist() == [1.0, 1.0]


def test_a_negligible_gradient_changes_nothing():
    result = step(lambda v: tf.stack([tf.reduce_sum(v), 0.0]), gradient=(1e-8, -1e-8))
    assert result.vector.numpy().tolist() == [1.0, 1.0] and result.n_products == 0
    assert np.isfinite(result.full_step).all()
