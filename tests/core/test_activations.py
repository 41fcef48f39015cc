"""Activation functions and their NumPy twins."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core.activations import NUMPY_ACTIVATIONS, resolve_activation

X = np.array([-30.0, -3.0, -0.5, -1e-6, 0.0, 1e-6, 0.7, 4.0, 40.0], np.float32)


@pytest.mark.parametrize("name", [name for name in NUMPY_ACTIVATIONS if name != "identity"])
def test_twins_of_keras_activations(name):
    activation = resolve_activation(name)
    result = activation.numpy(X)
    np.testing.assert_allclose(result, activation.tensor(tf.constant(X)), rtol=1e-5, atol=1e-6)
    assert result.dtype == np.float32


@pytest.mark.parametrize(
    "function", [tf.nn.relu, tf.nn.tanh, tf.nn.sigmoid, tf.nn.elu, tf.nn.leaky_relu, tf.nn.softplus, tf.identity]
)
def test_twins_of_tensorflow_functions(function):
    np.testing.assert_allclose(resolve_activation(function).numpy(X), function(X), rtol=1e-5, atol=1e-6)


def test_functions_of_the_user_have_no_twin():
    def relu(x):
        return tf.nn.relu(x) + 1

    for function in (relu, functools.partial(tf.nn.leaky_relu, alpha=0.5), tf.nn.gelu, keras.layers.LeakyReLU(0.5)):
        activation = resolve_activation(function)
        assert activation.tensor is function and activation.numpy is None


def test_bad_activations():
    with pytest.raises(ValueError, match="act_fun: 'rilu'"):
        resolve_activation("rilu")
    with pytest.raises(TypeError, match="act_fun must be a function.*not 5"):
        resolve_activation(5)
