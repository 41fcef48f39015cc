"""Building blocks of policy networks: small Keras layers that own their weights under the legacy names.

The functions (`linear`, `conv`, `lstm`, `mlp` …) are what custom networks are written with. They may be called inside
the network function of a policy only: the policy that is being called owns the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.graph_layers import in_graph
from stable_baselines_tf2.core.naming import named_layer
from stable_baselines_tf2.core.probes import copies, listening, report
from stable_baselines_tf2.core.recurrence import lstm_sequence, lstm_step, normalize
from stable_baselines_tf2.core.types import Tensor


class ortho_init:
    """Orthogonal initial weights (Saxe et al., https://arxiv.org/abs/1312.6120), drawn from NumPy's global generator.

    Args:
        scale: factor on the orthonormal matrix.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, shape: Sequence[int], dtype: object = None, partition_info: object = None) -> np.ndarray:
        """A weight array; all axes but the last count as inputs.

        Raises:
            ValueError: the shape has fewer than two axes.
        """
        shape = tuple(int(n) for n in shape)
        if len(shape) < 2:
            raise ValueError(f"shape: orthogonal weights have at least two axes, not {shape}")
        flat = (int(np.prod(shape[:-1])), shape[-1])
        left, _, right = np.linalg.svd(np.random.normal(0.0, 1.0, flat), full_matrices=False)
        matrix = left if left.shape == flat else right
        return (self.scale * matrix.reshape(shape)).astype(np.float32)


class _Linear(keras.layers.Layer):
    """``x w + b``."""

    def __init__(self, name: str, n_hidden: int, init_scale: float, init_bias: float) -> None:
        super().__init__(name=name)
        self.n_hidden, self.init_scale, self.init_bias = n_hidden, init_scale, init_bias

    def build(self, input_shape: Sequence[int]) -> None:
        self.w = self.add_weight((input_shape[-1], self.n_hidden), ortho_init(self.init_scale), name="w")
        self.b = self.add_weight((self.n_hidden,), keras.initializers.Constant(self.init_bias), name="b")

    def call(self, inputs: Tensor) -> Tensor:
        outputs = tf.matmul(inputs, self.w) + self.b
        report(self.w, outputs, inputs)
        report(self.b, outputs)
        return outputs


class _Conv(keras.layers.Layer):
    """Two-dimensional convolution with a bias for each filter."""

    def __init__(
        self,
        name: str,
        n_filters: int,
        filter_size: int | Sequence[int],
        stride: int | Sequence[int],
        pad: str,
        init_scale: float,
        one_dim_bias: bool,
    ) -> None:
        super().__init__(name=name)
        self.n_filters, self.init_scale, self.one_dim_bias, self.pad = n_filters, init_scale, one_dim_bias, pad
        self.filter_size = tuple(filter_size) if isinstance(filter_size, Sequence) else (filter_size, filter_size)
        self.stride = tuple(stride) if isinstance(stride, Sequence) else (stride, stride)

    def build(self, input_shape: Sequence[int]) -> None:
        if len(input_shape) != 4:
            raise ValueError(f"{self.name}: a convolution needs images, not inputs of shape {list(input_shape[1:])}")
        too_small = any(
            size is not None and size < f for size, f in zip(input_shape[1:3], self.filter_size, strict=True)
        )
        if self.pad == "VALID" and too_small:  # oneDNN would abort the process
            raise ValueError(
                f"{self.name}: its input of {input_shape[1]} x {input_shape[2]} is smaller than its filters of "
                f"{self.filter_size[0]} x {self.filter_size[1]}: the images are too small for this network"
            )
        kernel_shape = (*self.filter_size, input_shape[-1], self.n_filters)
        bias_shape = (self.n_filters,) if self.one_dim_bias else (1, self.n_filters, 1, 1)
        self.w = self.add_weight(kernel_shape, ortho_init(self.init_scale), name="w")
        self.b = self.add_weight(bias_shape, "zeros", name="b")

    def call(self, inputs: Tensor) -> Tensor:  # [B, height, width, channels]
        convolved = tf.nn.conv2d(inputs, tf.convert_to_tensor(self.w), strides=self.stride, padding=self.pad)
        if listening():
            sizes, strides = (1, *self.filter_size, 1), (1, *self.stride, 1)
            patches = tf.image.extract_patches(inputs, sizes, strides, rates=(1, 1, 1, 1), padding=self.pad)
            report(self.w, convolved, patches)
        return convolved + tf.reshape(self.b, (1, 1, 1, self.n_filters))


class _Lstm(keras.layers.Layer):
    """Long short-term memory over a sequence, reset where an episode starts; optionally with layer normalization."""

    def __init__(self, name: str, n_hidden: int, init_scale: float, layer_norm: bool) -> None:
        super().__init__(name=name)
        self.n_hidden, self.init_scale, self.layer_norm = n_hidden, init_scale, layer_norm

    def build(self, input_shape: Sequence[int]) -> None:
        n = self.n_hidden
        self.wx = self.add_weight((input_shape[-1], 4 * n), ortho_init(self.init_scale), name="wx")
        self.wh = self.add_weight((n, 4 * n), ortho_init(self.init_scale), name="wh")
        self.b = self.add_weight((4 * n,), "zeros", name="b")
        if self.layer_norm:
            for suffix, size in (("x", 4 * n), ("h", 4 * n), ("c", n)):
                setattr(self, f"g{suffix}", self.add_weight((size,), "ones", name=f"g{suffix}"))
                setattr(self, f"b{suffix}", self.add_weight((size,), "zeros", name=f"b{suffix}"))

    def call(self, sequence: Tensor, masks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Runs over ``sequence`` [T, N, F] with ``masks`` [T, N] (1: an episode starts here) from ``state`` [N, 2H].

        Returns:
            Outputs [T, N, H] and the state after the last step [N, 2H], cell part first.
        """
        n_steps, n_hidden = sequence.shape[0], self.n_hidden
        # The input's share needs no recurrence: one large product instead of T small ones.
        flat = tf.reshape(sequence, (-1, sequence.shape[-1]))
        product = tf.matmul(flat, self.wx)
        share = product
        if self.layer_norm:
            share = normalize(product, copies(self.gx, product), copies(self.bx, product))
        share += self.b
        report(self.wx, product if self.layer_norm else share, flat)
        report(self.b, share)
        shares = tf.reshape(share, (n_steps, -1, 4 * n_hidden))
        wh = tf.convert_to_tensor(self.wh)
        keep = 1.0 - tf.cast(masks, tf.float32)[:, :, tf.newaxis]  # [T, N, 1]
        cell, hidden = state[:, :n_hidden], state[:, n_hidden:]
        if n_steps == 1 or listening() or in_graph():
            return self._step_by_step(shares, share, keep, cell, hidden, wh)
        norms = [tf.convert_to_tensor(norm) for norm in self._norms]
        hiddens, last_cell = lstm_sequence(shares, keep, cell, hidden, wh, *norms)
        return hiddens, tf.concat([last_cell, hiddens[-1]], axis=1)

    @property
    def _norms(self) -> tuple[Any, ...]:
        return (self.gh, self.bh, self.gc, self.bc) if self.layer_norm else ()

    def _step_by_step(
        self, shares: Tensor, share: Tensor, keep: Tensor, cell: Tensor, hidden: Tensor, wh: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same, with the tensors of every step at hand."""
        hiddens, inputs = [], []
        for share_t, keep_t in zip(tf.unstack(shares), tf.unstack(keep), strict=True):
            inputs.append(hidden * keep_t)
            product = tf.matmul(inputs[-1], wh)
            if self.layer_norm:
                report(self.wh, product, inputs[-1])
            normalized = (product, product, cell, cell) if self.layer_norm else ()
            norms = tuple(copies(norm, like) for norm, like in zip(self._norms, normalized, strict=True))
            cell, hidden = lstm_step(cell, product, share_t, keep_t, norms)
            hiddens.append(hidden)
        if not self.layer_norm:  # then the recurrent products have the gradients of the gates, as the input's have
            report(self.wh, share, tf.concat(inputs, axis=0))
        return tf.stack(hiddens), tf.concat([cell, hidden], axis=1)


class _Dense(keras.layers.Layer):
    """``x kernel + bias``, by default with Glorot's uniform initial weights, under the given variable names."""

    def __init__(
        self, name: str, units: int, kernel: str = "kernel", bias: str = "bias", initializer: object = "glorot_uniform"
    ) -> None:
        super().__init__(name=name)
        self.units, self._names, self._initializer = units, (kernel, bias), initializer

    def build(self, input_shape: Sequence[int]) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), self._initializer, name=self._names[0])
        self.bias = self.add_weight((self.units,), "zeros", name=self._names[1])

    def call(self, inputs: Tensor) -> Tensor:
        outputs = tf.matmul(inputs, self.kernel) + self.bias
        report(self.kernel, outputs, inputs, self.bias)
        return outputs


class _LayerNorm(keras.layers.Layer):
    """Layer normalization."""

    def build(self, input_shape: Sequence[int]) -> None:
        self.beta = self.add_weight((input_shape[-1],), "zeros", name="beta")
        self.gamma = self.add_weight((input_shape[-1],), "ones", name="gamma")

    def call(self, inputs: Tensor) -> Tensor:
        return normalize(inputs, self.gamma, self.beta, epsilon=1e-12)


def linear(input_tensor: Tensor, scope: str, n_hidden: int, init_scale: float = 1.0, init_bias: float = 0.0) -> Tensor:
    """A fully connected layer without activation, variables ``scope/w`` and ``scope/b``.

    Args:
        input_tensor: [B, n_inputs].
        scope: name of the layer.
        n_hidden: number of outputs.
        init_scale: scale of the orthogonal initial weights.
        init_bias: initial bias.
    """
    return named_layer(scope, lambda: _Linear(scope, n_hidden, init_scale, init_bias))(input_tensor)


def conv(
    input_tensor: Tensor,
    scope: str,
    n_filters: int,
    filter_size: int | Sequence[int],
    stride: int | Sequence[int],
    pad: str = "VALID",
    init_scale: float = 1.0,
    data_format: str = "NHWC",
    one_dim_bias: bool = False,
) -> Tensor:
    """A convolution without activation, variables ``scope/w`` and ``scope/b``.

    Args:
        input_tensor: images, [B, height, width, channels] (or [B, channels, height, width] for ``NCHW``).
        scope: name of the layer.
        n_filters: number of output channels.
        filter_size: height and width of the filters, or one number for both.
        stride: vertical and horizontal stride, or one number for both.
        pad: ``"VALID"`` or ``"SAME"``.
        init_scale: scale of the orthogonal initial weights.
        data_format: ``"NHWC"`` or ``"NCHW"``.
        one_dim_bias: the bias variable has shape [n_filters] instead of [1, n_filters, 1, 1].

    Raises:
        ValueError: an unknown ``data_format``.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format must be 'NHWC' or 'NCHW', not {data_format!r}")
    layer = named_layer(scope, lambda: _Conv(scope, n_filters, filter_size, stride, pad, init_scale, one_dim_bias))
    if data_format == "NHWC":
        return layer(input_tensor)
    # CPUs convolve with the channels last only.
    return tf.transpose(layer(tf.transpose(input_tensor, (0, 2, 3, 1))), (0, 3, 1, 2))


def conv_to_fc(input_tensor: Tensor) -> Tensor:
    """Flattens feature maps [B, …] to [B, n] for a fully connected layer."""
    return tf.reshape(input_tensor, (-1, int(np.prod(input_tensor.shape.as_list()[1:]))))


def lstm(
    input_tensor: Tensor,
    mask_tensor: Tensor,
    cell_state_hidden: Tensor,
    scope: str,
    n_hidden: int,
    init_scale: float = 1.0,
    layer_norm: bool = False,
) -> tuple[Any, Tensor]:
    """A long short-term memory over a sequence, variables ``scope/wx``, ``scope/wh``, ``scope/b`` (and gains, biases).

    Gates stand in the order input, forget, output, candidate; there is no forget bias.

    Args:
        input_tensor: one tensor [T, N, F], or a list of T tensors [N, F].
        mask_tensor: [T, N] or a list of T tensors [N] (or [N, 1]); 1 resets the state before that step.
        cell_state_hidden: state before the sequence, [N, 2·n_hidden], cell part first.
        scope: name of the layer.
        n_hidden: size of the cell.
        init_scale: scale of the orthogonal initial weights.
        layer_norm: normalize the input's and the state's share of the gates and the cell inside the output.

    Returns:
        The outputs, of the same kind as ``input_tensor`` with n_hidden features, and the state after the sequence.
    """
    layer = named_layer(scope, lambda: _Lstm(scope, n_hidden, init_scale, layer_norm))
    if not isinstance(input_tensor, list | tuple):
        return layer(input_tensor, mask_tensor, cell_state_hidden)
    masks = [tf.reshape(mask, (-1,)) for mask in mask_tensor]
    outputs, state = layer(tf.stack(list(input_tensor)), tf.stack(masks), cell_state_hidden)
    return tf.unstack(outputs), state


def lnlstm(
    input_tensor: Tensor, mask_tensor: Tensor, cell_state: Tensor, scope: str, n_hidden: int, init_scale: float = 1.0
) -> tuple[Any, Tensor]:
    """`lstm` with layer normalization."""
    return lstm(input_tensor, mask_tensor, cell_state, scope, n_hidden, init_scale, layer_norm=True)


def dense(input_tensor: Tensor, scope: str, units: int, initializer: object = "glorot_uniform") -> Tensor:
    """A fully connected layer without activation, variables ``scope/kernel`` and ``scope/bias``.

    Args:
        input_tensor: [B, n_inputs].
        scope: name of the layer.
        units: number of outputs.
        initializer: of the kernel, as Keras takes it.
    """
    return named_layer(scope, partial(_Dense, scope, units, initializer=initializer), "kernel")(input_tensor)


def fully_connected(input_tensor: Tensor, scope: str, num_outputs: int) -> Tensor:
    """A fully connected layer without activation, variables ``scope/weights`` and ``scope/biases``.

    Args:
        input_tensor: [B, n_inputs].
        scope: name of the layer.
        num_outputs: number of outputs.
    """
    return named_layer(scope, partial(_Dense, scope, num_outputs, "weights", "biases"))(input_tensor)


def layer_normalization(input_tensor: Tensor, scope: str) -> Tensor:
    """Layer normalization over the last axis (https://arxiv.org/abs/1607.06450).

    Args:
        input_tensor: [B, n].
        scope: name of the layer; its variables are ``scope/beta`` and ``scope/gamma``.
    """
    return named_layer(scope, partial(_LayerNorm, name=scope))(input_tensor)


def numbered(name: str, i: int) -> str:
    """Name of the i-th layer of one kind: ``name``, ``name_1``, ``name_2`` and so on."""
    return f"{name}_{i}" if i else name


def mlp(
    input_tensor: Tensor,
    layers: Sequence[int],
    activ_fn: Callable[[Tensor], Tensor] = tf.nn.relu,
    layer_norm: bool = False,
    first: int = 0,
) -> Tensor:
    """Fully connected layers ``fc0``, ``fc1`` … with an activation, optionally normalized before it.

    Args:
        input_tensor: [B, n_inputs].
        layers: number of units of each layer.
        activ_fn: activation function.
        layer_norm: whether to apply layer normalization (variables ``LayerNorm``, ``LayerNorm_1`` …).
        first: number of the first layer, where others came before.
    """
    output = input_tensor
    for i, units in enumerate(layers, first):
        output = dense(output, f"fc{i}", units)
        if layer_norm:
            output = layer_normalization(output, numbered("LayerNorm", i))
        output = activ_fn(output)
    return output
