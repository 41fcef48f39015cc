"""The flat vector and the variables, of which either may be ahead."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core.parameters import Parameters


@pytest.fixture
def variables():
    with keras.name_scope("model"):
        return [
            keras.Variable(np.arange(6.0, dtype=np.float32).reshape(2, 3), name="w"),
            keras.Variable(np.float32([10, 11]), name="b"),
        ]


def test_names_shapes_and_order(variables):
    parameters = Parameters(variables)
    assert parameters.names == ["model/w:0", "model/b:0"]
    assert parameters.shapes == [(2, 3), (2,)] and parameters.sizes == [6, 2]
    np.testing.assert_array_equal(parameters.vector, [0, 1, 2, 3, 4, 5, 10, 11])
    assert list(parameters.as_dict()) == parameters.names


def test_variables_follow_at_sync(variables):
    parameters = Parameters(variables)
    version = parameters.version
    parameters.advance(tf.range(8, dtype=tf.float32) * 2)
    assert parameters.version > version
    np.testing.assert_array_equal(variables[1].numpy(), [10, 11])
    np.testing.assert_array_equal(parameters.as_dict()["model/b:0"], [12, 14])
    parameters.sync()
    np.testing.assert_array_equal(variables[0].numpy(), [[0, 2, 4], [6, 8, 10]])
    np.testing.assert_array_equal(variables[1].numpy(), [12, 14])


def test_assigning_some(variables):
    parameters = Parameters(variables)
    parameters.assign({"model/b:0": np.array([-1, -2])})
    np.testing.assert_array_equal(parameters.vector, [0, 1, 2, 3, 4, 5, -1, -2])
    np.testing.assert_array_equal(variables[1].numpy(), [-1, -2])
    np.testing.assert_array_equal(variables[0].numpy().ravel(), range(6))


def test_reread_takes_what_was_written_to_variables(variables):
    parameters = Parameters(variables)
    parameters.advance(parameters.vector + 1.0)
    variables[0].assign(np.zeros((2, 3)))
    variables[1].assign([3, 4])
    version = parameters.version
    parameters.reread()
    parameters.sync()
    np.testing.assert_array_equal(parameters.vector, [0, 0, 0, 0, 0, 0, 3, 4])
    assert parameters.version > version


def test_copies_are_copies(variables):
    parameters = Parameters(variables)
    parameters.as_dict()["model/w:0"][:] = 99
    np.testing.assert_array_equal(parameters.vector[:6], range(6))


def test_unflatten_is_differentiable(variables):
    parameters = Parameters(variables)
    vector = parameters.vector
    with tf.GradientTape() as tape:
        tape.watch(vector)
        w, b = parameters.unflatten(vector)
        loss = tf.reduce_sum(w[1]) + 3 * b[1]
    assert w.shape == (2, 3) and b.shape == (2,)
    np.testing.assert_array_equal(tape.gradient(loss, vector), [0, 0, 0, 1, 1, 1, 0, 3])
    w, b = parameters.unflatten(vector[:6], vector[6:])
    np.testing.assert_array_equal(w, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(b, vector[6:])


def test_reading_single_arrays(variables):
    parameters = Parameters(variables)
    get = parameters.reader()
    np.testing.assert_array_equal(get(parameters.names[0]), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(get(parameters.names[1]), parameters.vector[6:])


def test_places(variables):
    parameters = Parameters(variables)
    assert parameters.place(parameters.names) == slice(0, 8) and parameters.place(parameters.names[1:]) == slice(6, 8)
    for names in (parameters.names[::-1], ["nothing"]):
        with pytest.raises(ValueError, match="do not stand in this order"):
            parameters.place(names)
