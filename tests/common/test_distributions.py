"""Action distributions in closed form."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2.common import distributions as lib
from tests.helpers import box
from tests.on_policy_cases import ACTION_SPACES

LOGITS = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], np.float32))


def test_types_by_space():
    sizes = {"Discrete": [4], "Box": [4], "MultiDiscrete": [5], "MultiBinary": [3]}
    shapes = {"Discrete": [], "Box": [2], "MultiDiscrete": [2], "MultiBinary": [3]}
    types = {"Discrete": tf.int64, "Box": tf.float32, "MultiDiscrete": tf.int64, "MultiBinary": tf.int32}
    for kind, space in ACTION_SPACES.items():
        proba_type = lib.make_proba_dist_type(space)
        assert proba_type.param_shape() == sizes[kind] and proba_type.sample_shape() == shapes[kind]
        assert proba_type.sample_dtype() == types[kind]
        assert proba_type.param_placeholder([None]).shape.as_list() == [None, *sizes[kind]]
        assert proba_type.sample_placeholder([7]).shape.as_list() == [7, *shapes[kind]]
        noise = proba_type.draw_noise(np.random.default_rng(0), 5)
        assert noise.shape == (5, proba_type.noise_size()) and noise.dtype == np.float32


@pytest.mark.parametrize(
    "space, error, message",
    [
        (box(), ValueError, "one axis"),
        (box(2, 2), ValueError, "one axis"),
        (spaces.MultiBinary([2, 3]), ValueError, "one axis"),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), ValueError, "one axis"),
        (spaces.Discrete(3, start=1), ValueError, "start at 0"),
        (spaces.MultiDiscrete([3, 2], start=[0, 1]), ValueError, "start at 0"),
        (spaces.Tuple([spaces.Discrete(2)]), NotImplementedError, "is a Tuple"),
        (spaces.Dict(a=spaces.Discrete(2)), NotImplementedError, "is a Dict"),
    ],
)
def test_spaces_without_a_distribution(space, error, message):
    with pytest.raises(error, match=message):
        lib.make_proba_dist_type(space)


def test_categorical():
    d = lib.CategoricalProbabilityDistribution(tf.constant(LOGITS))
    np.testing.assert_array_equal(d.mode(), [2, 0])
    np.testing.assert_allclose(d.neglogp(tf.constant([1, 0])), -np.log([0.2, 0.5]), rtol=1e-6)
    np.testing.assert_allclose(d.logp(np.float32([1, 0])), np.log([0.2, 0.5]), rtol=1e-6)  # floats are cast
    np.testing.assert_allclose(d.entropy()[1], 1.5 * np.log(2), rtol=1e-6)
    other = lib.CategoricalProbabilityDistribution.fromflat(tf.zeros((2, 3)))
    p = np.exp(LOGITS)
    np.testing.assert_allclose(d.kl(other), np.sum(p * np.log(p * 3), axis=1), rtol=1e-5)
    np.testing.assert_allclose(d.flatparam(), LOGITS)


def test_categorical_sampling_uses_the_noise_given():
    d = lib.CategoricalProbabilityDistribution(tf.constant(LOGITS))
    noise = np.array([[0.999, 0.5, 0.5], [0.01, 0.01, 0.9]], np.float32)
    np.testing.assert_array_equal(d.sample(tf.constant(noise)), [0, 2])
    assert d.sample().shape == (2,)


def test_gaussian():
    flat = np.array([[1.0, -2.0, np.log(2), 0.0]], np.float32)
    d = lib.DiagGaussianProbabilityDistribution(tf.constant(flat))
    np.testing.assert_array_equal(d.mode(), [[1, -2]])
    np.testing.assert_allclose(d.neglogp(tf.constant([[3.0, -2.0]])), [0.5 + np.log(2) + np.log(2 * np.pi)], rtol=1e-6)
    np.testing.assert_allclose(d.entropy(), [np.log(2) + np.log(2 * np.pi * np.e)], rtol=1e-6)
    np.testing.assert_allclose(d.sample(tf.constant([[1.0, -1.0]])), [[3, -3]], rtol=1e-6)
    other = lib.DiagGaussianProbabilityDistribution.fromflat(tf.constant([[0.0, -2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(d.kl(other), [-np.log(2) + (4 + 1) / 2 - 0.5], rtol=1e-5)


def test_multicategorical():
    flat = np.concatenate([LOGITS, np.log([[0.4, 0.6], [0.9, 0.1]]).astype(np.float32)], axis=1)
    proba_type = lib.MultiCategoricalProbabilityDistributionType([3, 2])
    d = proba_type.proba_distribution_from_flat(tf.constant(flat))
    np.testing.assert_array_equal(d.mode(), [[2, 1], [0, 0]])
    np.testing.assert_allclose(d.neglogp(tf.constant([[0, 1], [1, 0]])), -np.log([0.06, 0.225]), rtol=1e-5)
    np.testing.assert_allclose(d.entropy()[1], 1.5 * np.log(2) - 0.9 * np.log(0.9) - 0.1 * np.log(0.1), rtol=1e-5)
    uniform = proba_type.proba_distribution_from_flat(tf.zeros((2, 5)))
    np.testing.assert_allclose(d.kl(uniform), np.log(6) - d.entropy(), rtol=1e-5)
    assert d.sample().shape == (2, 2)
    with pytest.raises(NotImplementedError, match="how many choices"):
        lib.MultiCategoricalProbabilityDistribution.fromflat(tf.zeros((1, 5)))
    with pytest.raises(ValueError, match="n_vec"):
        lib.MultiCategoricalProbabilityDistributionType([3, 0])


def test_bernoulli():
    p = np.array([[0.2, 0.5, 0.9]])
    d = lib.BernoulliProbabilityDistribution.fromflat(tf.constant(np.log(p / (1 - p)), tf.float32))
    np.testing.assert_array_equal(d.mode()[0, ::2], [0, 1])
    np.testing.assert_allclose(d.neglogp(tf.constant([[1, 0, 1]])), [-np.log(0.2 * 0.5 * 0.9)], rtol=1e-5)
    np.testing.assert_allclose(d.entropy(), [-np.sum(p * np.log(p) + (1 - p) * np.log(1 - p))], rtol=1e-5)
    np.testing.assert_array_equal(d.sample(tf.constant([[0.1, 0.6, 0.8]])), [[1, 0, 1]])
    even = lib.BernoulliProbabilityDistribution(tf.zeros((1, 3)))
    np.testing.assert_allclose(d.kl(even), 3 * np.log(2) - d.entropy(), rtol=1e-4)


def test_extreme_parameters_stay_finite():
    d = lib.CategoricalProbabilityDistribution(tf.constant([[1e4, -1e4, 0.0]]))
    assert np.isfinite(d.neglogp(tf.constant([1]))).all() and np.isfinite(d.entropy()).all()
    d = lib.BernoulliProbabilityDistribution(tf.constant([[1e4, -1e4]]))
    assert np.isfinite(d.neglogp(tf.constant([[0, 1]]))).all() and np.isfinite(d.entropy()).all()


def test_size_of_an_axis():
    assert lib.shape_el(tf.zeros((3, 4)), 1) == 4

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def size(x):
        return lib.shape_el(x, 0)

    assert size(tf.zeros((6, 4))).numpy() == 6
