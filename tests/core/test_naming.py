"""Layers by their legacy names."""

import keras
import pytest
import tensorflow as tf

from stable_baselines_tf2.common.tf_layers import dense, linear
from stable_baselines_tf2.core.naming import NamedLayers, legacy_name, named_layer, variable_scope


class Net(keras.Model):
    def __init__(self):
        super().__init__(name="model")
        self.named = NamedLayers(self)

    def build(self, input_shape):
        self.call(tf.zeros(input_shape))

    def call(self, x):
        with self.named.active():
            x = linear(x, "one", 3)
            with variable_scope("inner"):
                x = linear(x, "two", 2)
            return linear(x, "three", 1)


def test_paths_order_and_reuse():
    net = Net()
    first = net(tf.ones((2, 4)))
    names = [legacy_name(variable) for variable in net.variables]
    assert names == [f"model/{layer}/{part}:0" for layer in ("one", "inner/two", "three") for part in "wb"]
    assert list(net.named_layers) == ["one", "inner/two", "three"]
    assert tf.reduce_all(net(tf.ones((2, 4))) == first)
    assert len(net.variables) == 6


def test_layers_of_two_kinds_with_one_name():
    class Both(Net):
        def call(self, x):
            with self.named.active():
                return linear(dense(linear(x, "fc1", 3), "fc1", 2), "fc2", 1)

    net = Both()
    first = net(tf.ones((1, 4)))
    shapes = {legacy_name(variable): tuple(variable.shape) for variable in net.variables}
    assert shapes == {
        **{"model/fc1/w:0": (4, 3), "model/fc1/b:0": (3,), "model/fc1/kernel:0": (3, 2), "model/fc1/bias:0": (2,)},
        **{"model/fc2/w:0": (2, 1), "model/fc2/b:0": (1,)},
    }
    assert tf.reduce_all(net(tf.ones((1, 4))) == first) and len(net.variables) == 6


def test_networks_do_not_share_layers():
    first, second = Net(), Net()
    first(tf.ones((1, 4)))
    second(tf.ones((1, 4)))
    assert not {id(v) for v in first.variables} & {id(v) for v in second.variables}


def test_outside_of_a_network():
    with pytest.raises(RuntimeError, match="layer 'one' was asked for outside"):
        linear(tf.ones((1, 2)), "one", 3)
    with pytest.raises(RuntimeError, match="variable scope 'x' was opened outside"):
        with variable_scope("x"):
            pass


def test_a_failing_network_leaves_nothing_open():
    net = Net()
    with pytest.raises(ZeroDivisionError), net.named.active(), variable_scope("x"):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="outside"):
        named_layer("one", lambda: None)
    with net.named.active():
        assert named_layer("y", lambda: keras.layers.Dense(1, name="y")).name == "y"
    assert list(net.named_layers) == ["y"]
