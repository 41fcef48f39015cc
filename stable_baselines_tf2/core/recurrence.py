"""The recurrent part of an LSTM over a sequence, with a gradient of its own.

Automatic differentiation adds a share to the gradient of the large recurrent matrix at every time step, which costs
more than everything else together. Here the steps backwards only carry the small gradients, and one product over the
whole sequence gives the matrix's.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor


def normalize(x: Tensor, gain: Tensor, bias: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Zero mean and unit variance over the last axis, then a gain and a bias."""
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + epsilon) * gain + bias


def lstm_step(
    cell: Tensor, product: Tensor, share: Tensor, keep: Tensor, norms: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM; gates stand in the order input, forget, output, candidate.

    Args:
        cell: [N, H].
        product: hidden state (zeroed where an episode starts) times recurrent weights, [N, 4H].
        share: the input's share of the gates, bias included, [N, 4H].
        keep: 0 where an episode starts, [N, 1].
        norms: gain and bias of the product's and of the cell's layer normalization; empty for none.

    Returns:
        New cell and hidden state, [N, H] each.
    """
    if norms:
        product = normalize(product, *norms[:2])
    i, f, o, candidate = tf.split(share + product, 4, axis=1)
    cell = tf.sigmoid(f) * (cell * keep) + tf.sigmoid(i) * tf.tanh(candidate)
    return cell, tf.sigmoid(o) * tf.tanh(normalize(cell, *norms[2:]) if norms else cell)


@tf.custom_gradient
def lstm_sequence(share: Tensor, keep: Tensor, cell: Tensor, hidden: Tensor, wh: Tensor, *norms: Tensor) -> Any:
    """T steps of an LSTM.

    Args:
        share: the inputs' shares of the gates, bias included, [T, N, 4H].
        keep: 0 where an episode starts, [T, N, 1]; gets no gradient.
        cell: before the first step, [N, H].
        hidden: before the first step, [N, H].
        wh: recurrent weights, [H, 4H].
        norms: see `lstm_step`.

    Returns:
        Hidden states [T, N, H] and the last cell [N, H].
    """

    def forward(carry: tuple[Tensor, ...], inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        (cell, hidden, _), (share, keep) = carry, inputs
        product = tf.matmul(hidden * keep, wh)
        return *lstm_step(cell, product, share, keep, norms), product

    cells, hiddens, products = tf.scan(forward, (share, keep), initializer=(cell, hidden, tf.zeros_like(share[0])))

    def gradient(d_hiddens: Tensor, d_last_cell: Tensor) -> tuple[Tensor, ...]:
        transposed = tf.transpose(wh)  # once: XLA is slow at products with a transposed matrix
        previous_cells = tf.concat([cell[tf.newaxis], cells[:-1]], axis=0)
        previous_hiddens = tf.concat([hidden[tf.newaxis], hiddens[:-1]], axis=0)

        def backward(carry: tuple[Tensor, ...], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            d_cell, d_hidden = carry[:2]
            share, keep, product, previous_cell, d_output = inputs
            with tf.GradientTape() as tape:
                tape.watch([previous_cell, product, share, *norms])
                outputs = lstm_step(previous_cell, product, share, keep, norms)
            d_previous_cell, d_product, d_share, *d_norms = tape.gradient(
                outputs, [previous_cell, product, share, *norms], output_gradients=[d_cell, d_hidden + d_output]
            )
            d_previous_hidden = tf.matmul(d_product, transposed) * keep
            return d_previous_cell, d_previous_hidden, d_product, d_share, *d_norms

        first = (d_last_cell, tf.zeros_like(hidden), tf.zeros_like(share[0]), tf.zeros_like(share[0]))
        d_cells, d_hidden_states, d_products, d_shares, *d_norms = tf.scan(
            backward,
            (share, keep, products, previous_cells, d_hiddens),
            initializer=(*first, *(tf.zeros_like(norm) for norm in norms)),
            reverse=True,
        )
        size = wh.shape[0]
        kept = tf.reshape(previous_hiddens * keep, (-1, size))
        d_wh = tf.matmul(kept, tf.reshape(d_products, (-1, 4 * size)), transpose_a=True)
        sums = (tf.reduce_sum(d_norm, axis=0) for d_norm in d_norms)
        return d_shares, tf.zeros_like(keep), d_cells[0], d_hidden_states[0], d_wh, *sums

    return (hiddens, cells[-1]), gradient
