"""Observations as network inputs, in TensorFlow and in NumPy."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2.envs.preprocessing import Preprocessor
from tests.helpers import box


def both(preprocessor, obs):
    obs = np.asarray(obs, preprocessor.dtype)
    array = preprocessor.array(obs)
    assert array.dtype == np.float32
    np.testing.assert_allclose(preprocessor.tensor(tf.constant(obs)), array, rtol=1e-6)
    return array


def test_discrete():
    np.testing.assert_array_equal(both(Preprocessor(spaces.Discrete(3)), [2, 0]), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(both(Preprocessor(spaces.Discrete(3, start=-1)), [1, -1]), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(both(Preprocessor(spaces.Discrete(3)), [3, -1]), np.zeros((2, 3)))


def test_multidiscrete():
    np.testing.assert_array_equal(both(Preprocessor(spaces.MultiDiscrete([2, 3])), [[1, 2]]), [[0, 1, 0, 0, 1]])
    shifted = Preprocessor(spaces.MultiDiscrete([2, 3], start=[5, 1]))
    np.testing.assert_array_equal(both(shifted, [[6, 3], [5, 1]]), [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0]])
    with pytest.raises(ValueError, match="one axis"):
        Preprocessor(spaces.MultiDiscrete([[2, 3], [2, 2]]))


def test_multibinary():
    preprocessor = Preprocessor(spaces.MultiBinary([2, 2]))
    np.testing.assert_array_equal(both(preprocessor, [[[1, 0], [0, 1]]]), [[[1, 0], [0, 1]]])
    np.testing.assert_array_equal(preprocessor.flat_array(np.int8([[[1, 0], [0, 1]]])), [[1, 0, 0, 1]])


def test_scaling():
    image = box(2, low=0, high=255, dtype=np.uint8)
    np.testing.assert_array_equal(both(Preprocessor(image), [[0, 255]]), [[0, 255]])
    np.testing.assert_array_equal(both(Preprocessor(image, scale=True), [[0, 255]]), [[0, 1]])
    uneven = spaces.Box(np.float32([0, -1]), np.float32([4, 1]))
    np.testing.assert_array_equal(both(Preprocessor(uneven, scale=True), [[1, 0.5]]), [[0.25, 0.75]])
    for unbounded in (box(2, low=-np.inf, high=np.inf), spaces.Box(np.float32([0, 0]), np.float32([1, np.inf]))):
        np.testing.assert_array_equal(both(Preprocessor(unbounded, scale=True), [[0.5, 7]]), [[0.5, 7]])


def test_batches():
    preprocessor = Preprocessor(box(2, 3))
    assert not preprocessor.is_batch(np.zeros((2, 3))) and preprocessor.is_batch(np.zeros((5, 2, 3)))
    for shape in ((3,), (3, 2), (5, 3, 2), (1, 5, 2, 3)):
        with pytest.raises(ValueError, match="observation has shape"):
            preprocessor.is_batch(np.zeros(shape))
    scalar = Preprocessor(spaces.Discrete(3))
    assert not scalar.is_batch(np.array(1)) and scalar.is_batch(np.array([1, 2]))
    with pytest.raises(ValueError, match="Discrete observation"):
        scalar.is_batch(np.zeros((2, 1)))


def test_specification():
    spec = Preprocessor(box(4, 4, 3, low=0, high=255, dtype=np.uint8)).spec
    assert spec.shape.as_list() == [None, 4, 4, 3] and spec.dtype == tf.uint8
    assert Preprocessor(spaces.Discrete(3)).spec.dtype == tf.int64


@pytest.mark.parametrize("space", [spaces.Dict(a=box(1)), spaces.Tuple([box(1)])])
def test_other_spaces(space):
    with pytest.raises(NotImplementedError, match="the observation space is a"):
        Preprocessor(space)
    with pytest.raises(TypeError):
        Preprocessor(gymnasium.spaces.Text(3))
