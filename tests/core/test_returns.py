import time

import numpy as np
import pytest

from stable_baselines_tf2.core import returns


def loop(x, decay):
    total = np.array(x, dtype=np.float64)
    for t in reversed(range(len(x) - 1)):
        total[t] += decay[t] * total[t + 1]
    return total


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 2), (5, 8), (8, 1), (127, 3), (1000,)])
def test_discounted_sum_equals_the_loop(shape):
    rng = np.random.default_rng(0)
    x, decay = rng.normal(size=shape), 0.97 * (rng.random(shape) > 0.1)
    np.testing.assert_allclose(returns.discounted_sum(x, decay), loop(x, decay), rtol=1e-12, atol=1e-12)


def test_discounted_sum_leaves_its_arguments_alone():
    x, decay = np.ones(5), np.full(5, 0.5)
    np.testing.assert_allclose(returns.discounted_sum(x, decay), [1.9375, 1.875, 1.75, 1.5, 1.0])
    assert (x == 1).all() and (decay == 0.5).all()


def test_discounted_sum_of_nothing():
    assert returns.discounted_sum(np.zeros((0, 3)), 0.9).shape == (0, 3)


def test_discount_with_dones():
    result = returns.discount_with_dones([1.0, 2.0, 3.0, 4.0], [False, True, False, False], 0.5)
    assert isinstance(result, list)
    assert result == pytest.approx([2.0, 2.0, 5.0, 4.0])


def test_discounted_returns_bootstrap_where_the_episode_goes_on():
    rewards = np.array([[1, 1], [1, 1], [1, 1]], dtype=np.float32)
    dones = np.array([[0, 1], [0, 0], [0, 1]], dtype=bool)
    result = returns.discounted_returns(rewards, dones, np.array([8.0, 8.0]), 0.5)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[2.75, 1.0], [3.5, 1.5], [5.0, 1.0]])


def test_discounted_returns_are_discount_with_dones_of_each_environment():
    rng = np.random.default_rng(1)
    rewards, dones, last = rng.normal(size=(6, 4)), rng.random((6, 4)) < 0.3, rng.normal(size=4)
    for env in range(4):
        r, d = rewards[:, env].tolist(), dones[:, env].tolist()
        if d[-1]:
            expected = returns.discount_with_dones(r, d, 0.9)
        else:
            expected = returns.discount_with_dones([*r, last[env]], [*d, 0], 0.9)[:-1]
        np.testing.assert_allclose(returns.discounted_returns(rewards, dones, last, 0.9)[:, env], expected, rtol=1e-6)


def test_advantages_by_hand():
    rewards = np.array([1.0, 2.0, 3.0])
    values = np.array([0.5, 1.0, 1.5])
    starts = np.array([True, False, True])  # the second step ends an episode
    advantages, total = returns.generalized_advantage_estimation(rewards, values, starts, 4.0, False, 0.5, 0.5)
    last = 3.0 + 0.5 * 4.0 - 1.5
    middle = 2.0 - 1.0
    first = 1.0 + 0.5 * 1.0 - 0.5 + 0.25 * middle
    np.testing.assert_allclose(advantages, [first, middle, last])
    np.testing.assert_allclose(total, advantages + values)
    assert advantages.dtype == total.dtype == np.float32


def test_advantages_ignore_the_last_value_after_the_end_of_an_episode():
    arguments = np.ones((4, 2)), np.zeros((4, 2)), np.zeros((4, 2))
    last_values, last_dones = np.array([5.0, 5.0]), np.array([True, False])
    one, _ = returns.generalized_advantage_estimation(*arguments, last_values, last_dones, 1.0, 1.0)
    np.testing.assert_allclose(one[0], [4.0, 9.0])


def test_lambda_one_gives_returns_minus_values():
    rng = np.random.default_rng(2)
    rewards, values, last = rng.normal(size=(9, 3)), rng.normal(size=(9, 3)), rng.normal(size=3)
    dones = rng.random((9, 3)) < 0.2
    starts = np.concatenate([np.ones((1, 3), dtype=bool), dones[:-1]])
    _, total = returns.generalized_advantage_estimation(rewards, values, starts, last, dones[-1], 0.9, 1.0)
    np.testing.assert_allclose(total, returns.discounted_returns(rewards, dones, last, 0.9), rtol=1e-5, atol=1e-6)


def test_fast_enough_for_five_steps_of_eight_environments():
    rewards, dones, last = np.ones((5, 8), np.float32), np.zeros((5, 8), bool), np.zeros(8)
    best = min(_seconds(lambda: returns.discounted_returns(rewards, dones, last, 0.99)) for _ in range(200))
    assert best < 60e-6


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
