import numpy as np
import pytest

from stable_baselines_tf2.common.mpi_adam import MpiAdam


def test_changes_variables_of_all_kinds_alike():
    import keras
    import tensorflow as tf

    start = [np.arange(3, dtype=np.float32), np.ones((2, 2), np.float32)]
    lists = [[a.copy() for a in start], [keras.Variable(a) for a in start], [tf.Variable(a) for a in start]]
    for variables in lists:
        adam = MpiAdam(variables, beta1=0.5, epsilon=1e-5)
        assert adam.getflat().tolist() == [0, 1, 2, 1, 1, 1, 1]
        for k in range(3):
            adam.update(np.arange(7.0) - k, 0.1)
    for variables in lists[1:]:
        for variable, array in zip(variables, lists[0], strict=True):
            np.testing.assert_array_equal(np.asarray(variable), array)


def test_first_step_has_the_size_of_the_learning_rate():
    theta = np.zeros(3, np.float32)
    MpiAdam([theta]).update(np.array([2.0, -50.0, 0.0]), 0.1)
    np.testing.assert_allclose(theta, [-0.1, 0.1, 0.0], rtol=1e-5)


def test_gradient_of_another_size():
    theta = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="local_grad"):
        MpiAdam([theta]).update(np.zeros(2), 0.1)
    assert theta.tolist() == [0, 0, 0]
