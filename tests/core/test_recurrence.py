"""The LSTM's own gradient against automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core.recurrence import lstm_sequence, lstm_step

T, N, H = 5, 3, 4


def unrolled(share, keep, cell, hidden, wh, *norms):
    """The same recurrence, differentiated step by step."""
    hiddens = []
    for t in range(T):
        cell, hidden = lstm_step(cell, tf.matmul(hidden * keep[t], wh), share[t], keep[t], norms)
        hiddens.append(hidden)
    return tf.stack(hiddens), cell


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient(layer_norm, jit_compile):
    generator = np.random.default_rng(0)

    def draw(*shape):
        return tf.constant(generator.standard_normal(shape), tf.float32)

    keep = tf.constant(generator.random((T, N, 1)) > 0.3, tf.float32)
    assert 0 < float(tf.reduce_mean(keep)) < 1
    norms = (draw(4 * H), draw(4 * H), draw(H), draw(H)) if layer_norm else ()
    sources = [draw(T, N, 4 * H), draw(N, H), draw(N, H), draw(H, 4 * H), *norms]
    weights = draw(T, N, H), draw(N, H)

    def gradients(function, share, cell, hidden, wh, *norms):
        arguments = [share, cell, hidden, wh, *norms]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            hiddens, last_cell = function(share, keep, cell, hidden, wh, *norms)
            loss = tf.reduce_sum(hiddens * weights[0]) + tf.reduce_sum(last_cell * weights[1])
        return [loss, hiddens, *tape.gradient(loss, arguments)]

    compiled = tf.function(lambda *a: gradients(lstm_sequence, *a), jit_compile=jit_compile, autograph=False)
    for own, expected in zip(compiled(*sources), gradients(unrolled, *sources), strict=True):
        np.testing.assert_allclose(own, expected, rtol=2e-4, atol=2e-5)
