import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common import math_util


def test_safe_mean():
    assert math_util.safe_mean([1, 2, 6]) == 3.0
    assert np.isnan(math_util.safe_mean([]))


def test_discount():
    np.testing.assert_allclose(math_util.discount(np.array([1, 1, 1]), 0.5), [1.75, 1.5, 1.0])
    np.testing.assert_allclose(math_util.discount(np.array([[1.0, 2.0], [3.0, 4.0]]), 0.1), [[1.3, 2.4], [3.0, 4.0]])
    with pytest.raises(ValueError, match="vector"):
        math_util.discount(np.array(1.0), 0.5)


def test_discount_with_boundaries_stops_where_an_episode_starts():
    rewards = np.ones((4, 2), dtype=np.float32)
    starts = np.array([[1, 1], [0, 0], [1, 0], [0, 0]], dtype=bool)
    result = math_util.discount_with_boundaries(rewards, starts, 0.5)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[1.5, 1.875], [1.0, 1.75], [1.5, 1.5], [1.0, 1.0]])
    assert (rewards == 1).all()
    assert math_util.discount_with_boundaries(np.array([1, 1]), [1, 0], 0.5).tolist() == [1.5, 1.0]


def test_explained_variance():
    y = np.array([1.0, 2.0, 4.0])
    assert math_util.explained_variance(y, y) == 1.0
    assert math_util.explained_variance(np.zeros(3), y) == pytest.approx(0.0)
    assert math_util.explained_variance(-y, y) == pytest.approx(-3.0)
    assert np.isnan(math_util.explained_variance(y, np.ones(3)))
    with pytest.raises(ValueError, match="y_true"):
        math_util.explained_variance(y, y[:, None])


def test_explained_variance_2d_shares_the_numerator():
    y_true = np.array([[0.0, 0.0, 5.0], [2.0, 4.0, 5.0]])
    np.testing.assert_allclose(math_util.explained_variance_2d(y_true, y_true), [1.0, 1.0, 0.0])
    residual = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])  # variance 1 over all entries
    np.testing.assert_allclose(math_util.explained_variance_2d(y_true - residual, y_true), [0.0, 0.75, 0.0])
    with pytest.raises(ValueError, match="y_pred"):
        math_util.explained_variance_2d(y_true[0], y_true)


def test_flatten_and_unflatten():
    arrays = [np.arange(6.0).reshape(2, 3), np.array(7.0), np.arange(2.0)]
    flat = math_util.flatten_arrays(arrays)
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, 7, 0, 1]
    for part, array in zip(math_util.unflatten_vector(flat, [a.shape for a in arrays]), arrays, strict=True):
        np.testing.assert_array_equal(part, array)
    with pytest.raises(ValueError, match="9 entries"):
        math_util.unflatten_vector(flat, [(2, 3)])


def test_scaling_of_actions():
    space = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))
    np.testing.assert_allclose(math_util.scale_action(space, np.array([[-2.0, 10.0], [1.0, 5.0]])), [[-1, 1], [0.5, 0]])
    np.testing.assert_allclose(math_util.unscale_action(space, [[-1, 1], [0.5, 0]]), [[-2.0, 10.0], [1.0, 5.0]])
