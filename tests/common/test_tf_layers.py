"""Layers: initial weights, arithmetic against NumPy, names of variables."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.common import tf_layers
from stable_baselines_tf2.core.acting import lstm_step
from stable_baselines_tf2.core.naming import NamedLayers
from tests.golden import read_case


class Net(keras.Model):
    """A network made of one function."""

    def __init__(self, function):
        super().__init__(name="model")
        self.function, self.named = function, NamedLayers(self)

    def build(self, *shapes):
        with self.named.active(), keras.name_scope("model"):
            self.function()

    def __call__(self, *inputs):
        with self.named.active(), keras.name_scope("model"):
            return self.function(*inputs)

    @property
    def shapes(self):
        return {v.path: tuple(v.shape) for layer in self.named_layers.values() for v in layer.trainable_variables}


@pytest.mark.parametrize("shape, scale", [((6, 4), 1.0), ((4, 6), 0.01), ((3, 3, 2, 5), np.sqrt(2))])
def test_orthogonal_weights(shape, scale):
    np.random.seed(0)
    weights = tf_layers.ortho_init(scale)(shape)
    assert weights.shape == shape and weights.dtype == np.float32
    flat = weights.reshape(-1, shape[-1]).astype(np.float64)
    gram = flat.T @ flat if flat.shape[0] >= flat.shape[1] else flat @ flat.T
    np.testing.assert_allclose(gram, scale**2 * np.eye(len(gram)), atol=1e-6 * scale)
    assert not np.allclose(weights, tf_layers.ortho_init(scale)(shape))


def test_orthogonal_weights_are_the_originals_up_to_signs():
    case = read_case(pathlib.Path(__file__).parents[1] / "golden" / "data" / "function" / "fn_ortho_init.json")
    for i, (number, a) in enumerate(case.argument_sets()):
        np.random.seed(int(case.arrays["arg/seed"]) + i)
        weights = tf_layers.ortho_init(float(a["scale"]))(tuple(a["shape"]))
        expected = case.arrays[f"result/{number}/weights"]
        np.testing.assert_allclose(np.abs(weights), np.abs(expected), rtol=1e-5, atol=1e-6)


def test_orthogonal_weights_need_two_axes():
    with pytest.raises(ValueError, match="two axes"):
        tf_layers.ortho_init()((3,))


def test_linear():
    net = Net(lambda x: tf_layers.linear(x, "fc", 4, init_scale=2.0, init_bias=0.5))
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    output = net(tf.constant(x))
    assert net.shapes == {"model/fc/w": (5, 4), "model/fc/b": (4,)}
    layer = net.named_layers["fc"]
    np.testing.assert_allclose(output, x @ layer.w.numpy() + 0.5, rtol=1e-5)
    np.testing.assert_allclose(layer.w.numpy().T @ layer.w.numpy(), 4 * np.eye(4), atol=1e-5)


@pytest.mark.parametrize("pad", ["VALID", "SAME"])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_conv(pad, data_format):
    def function(x):
        return tf_layers.conv(x, "c", 3, 2, (1, 2), pad, init_scale=1.0, data_format=data_format)

    net = Net(function)
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 2)).astype(np.float32)
    output = np.asarray(net(tf.constant(x if data_format == "NHWC" else x.transpose(0, 3, 1, 2))))
    layer = net.named_layers["c"]
    layer.b.assign(np.arange(3.0).reshape(1, 3, 1, 1))
    output = np.asarray(net(tf.constant(x if data_format == "NHWC" else x.transpose(0, 3, 1, 2))))
    output = output if data_format == "NHWC" else output.transpose(0, 2, 3, 1)
    assert net.shapes == {"model/c/w": (2, 2, 2, 3), "model/c/b": (1, 3, 1, 1)}
    assert output.shape == ((2, 4, 3, 3) if pad == "VALID" else (2, 5, 3, 3))
    expected = np.einsum("bhwc,hwcf->bf", x[:, 1:3, 2:4], layer.w.numpy()) + np.arange(3)
    np.testing.assert_allclose(output[:, 1, 1], expected, rtol=1e-5, atol=1e-6)


def test_conv_variants():
    net = Net(lambda x: tf_layers.conv(x, "c", 3, (2, 3), 1, one_dim_bias=True))
    net(tf.ones((1, 4, 4, 2)))
    assert net.shapes == {"model/c/w": (2, 3, 2, 3), "model/c/b": (3,)}
    with pytest.raises(ValueError, match="data_format must be 'NHWC' or 'NCHW', not 'CHW'"):
        Net(lambda x: tf_layers.conv(x, "c", 3, 2, 1, data_format="CHW"))(tf.ones((1, 4, 4, 2)))


def test_flattening():
    assert tf_layers.conv_to_fc(tf.zeros((2, 3, 4, 5))).shape == (2, 60)
    assert tf_layers.conv_to_fc(tf.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_lstm_is_its_steps_in_turn(layer_norm):
    rng = np.random.default_rng(0)
    x, state = rng.normal(size=(4, 3, 5)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    masks = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]], np.float32)
    net = Net(lambda x, m, s: tf_layers.lstm(x, m, s, "lstm1", 2, layer_norm=layer_norm))
    net(x, masks, state)
    layer = net.named_layers["lstm1"]
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    outputs, last = net(tf.constant(x), tf.constant(masks), tf.constant(state))
    names = ("gx", "bx", "gh", "bh", "gc", "bc")
    norms = [getattr(layer, name).numpy() for name in names] if layer_norm else None
    parts = ("wx", "wh", "b", *names) if layer_norm else ("wx", "wh", "b")
    assert list(net.shapes) == [f"model/lstm1/{part}" for part in parts]
    weights = layer.wx.numpy(), layer.wh.numpy(), layer.b.numpy(), norms
    for t in range(4):
        hidden, state = lstm_step(x[t], state, masks[t], *weights)
        np.testing.assert_allclose(outputs[t], hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last, state, rtol=1e-4, atol=1e-5)


def test_lstm_of_lists():
    def function(x, m, s):
        return tf_layers.lstm(tf.unstack(x), [m_t[:, None] for m_t in tf.unstack(m)], s, "lstm1", 2)

    listed, plain = Net(function), Net(lambda x, m, s: tf_layers.lstm(x, m, s, "lstm1", 2))
    inputs = tf.random.normal((3, 2, 4), seed=1), tf.zeros((3, 2)), tf.zeros((2, 4))
    listed(*inputs), plain(*inputs)
    for first, second in zip(*(net.named_layers["lstm1"].trainable_variables for net in (listed, plain)), strict=True):
        first.assign(second)
    outputs, state = listed(*inputs)
    expected, expected_state = plain(*inputs)
    assert isinstance(outputs, list) and len(outputs) == 3
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    np.testing.assert_allclose(state, expected_state, atol=1e-6)


def test_lnlstm_is_layer_normalized():
    net = Net(lambda x, m, s: tf_layers.lnlstm(x, m, s, "l", 2))
    net(tf.ones((1, 2, 3)), tf.zeros((1, 2)), tf.zeros((2, 4)))
    assert net.shapes["model/l/gc"] == (2,) and net.shapes["model/l/gx"] == (8,)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_mlp(layer_norm):
    net = Net(lambda x: tf_layers.mlp(x, [4, 3], tf.nn.relu, layer_norm))
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    output = net(tf.constant(x))
    names = [f"fc{i}/{part}" for i in range(2) for part in ("kernel", "bias")]
    if layer_norm:
        names = ["fc0/kernel", "fc0/bias", "LayerNorm/beta", "LayerNorm/gamma",
                 "fc1/kernel", "fc1/bias", "LayerNorm_1/beta", "LayerNorm_1/gamma"]  # fmt: skip
    assert list(net.shapes) == [f"model/{name}" for name in names]
    for i in range(2):
        x = x @ net.named_layers[f"fc{i}/kernel"].kernel.numpy()
        if layer_norm:
            x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        x = np.maximum(x, 0)
    np.testing.assert_allclose(output, x, rtol=1e-4, atol=1e-5)
    limit = np.sqrt(6 / (5 + 4))
    assert 0.5 * limit < np.abs(net.named_layers["fc0/kernel"].kernel.numpy()).max() < limit
