"""Fast inference for rollouts and ``predict()``.

Small dense and recurrent networks run in NumPy, where a forward pass costs a fraction of a call into TensorFlow;
everything else runs as one compiled TensorFlow function. Both give the same: parameters of the action distribution,
value and recurrent state. Actions are then drawn in NumPy, from the one random generator of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.activations import NumpyFunction
from stable_baselines_tf2.core.architecture import DenseArchitecture, Stage
from stable_baselines_tf2.core.parameters import Parameters


class Outputs(NamedTuple):
    """What a policy network computes for a batch of observations."""

    flat: np.ndarray  # [B, n] parameters of the action distributions
    value: np.ndarray  # [B]
    state: np.ndarray | None  # [B, 2H] recurrent state after the step


class Actor(Protocol):
    """Runs a policy network forward by one step."""

    def __call__(self, obs: np.ndarray, state: np.ndarray | None, mask: np.ndarray | None) -> Outputs:
        """Outputs for raw observations [B, …], recurrent state [B, 2H] and episode starts [B]."""


class NumpyActor:
    """A dense or recurrent network in NumPy, on views of the model's weight vector.

    Args:
        architecture: the layers.
        parameters: the weights; read anew when they have changed.
        activation: activation function of the linear layers.
        preprocess: raw observations to network inputs.
        gaussian: whether the distribution has a ``pi/logstd``.
        prefix: legacy name scope of the layers.
    """

    def __init__(
        self,
        architecture: DenseArchitecture,
        parameters: Parameters,
        activation: NumpyFunction,
        preprocess: Callable[[np.ndarray], np.ndarray],
        *,
        gaussian: bool,
        prefix: str = "model/",
    ) -> None:
        self._architecture, self._parameters, self._activation = architecture, parameters, activation
        self._preprocess, self._gaussian, self._prefix = preprocess, gaussian, prefix
        self._version = -1

    def _refresh(self) -> None:
        weights = dict(zip(self._parameters.names, self._parameters.arrays(), strict=True))

        def get(layer: str, part: str) -> np.ndarray:
            return weights[f"{self._prefix}{layer}/{part}:0"]

        def branch(stages: Sequence[Stage]) -> list[tuple[np.ndarray, np.ndarray]]:
            return [(get(stage.name, "w"), get(stage.name, "b")) for stage in stages]

        shared, self._recurrent = self._architecture.shared, None
        cut = next((i for i, stage in enumerate(shared) if stage.recurrent), len(shared))
        if cut < len(shared):
            name = shared[cut].name
            normalized = f"{self._prefix}{name}/gx:0" in weights
            norms = [get(name, part) for part in ("gx", "bx", "gh", "bh", "gc", "bc")] if normalized else None
            self._recurrent = (get(name, "wx"), get(name, "wh"), get(name, "b"), norms)
        before, after = shared[:cut], shared[cut + 1 :]
        self._before, self._after = branch(before), branch(after)
        self._policy, self._value = branch(self._architecture.policy), branch(self._architecture.value)
        self._heads = (get("pi", "w"), get("pi", "b"), get("vf", "w"), get("vf", "b"))
        self._logstd = get("pi", "logstd") if self._gaussian else None
        self._version = self._parameters.version

    def _dense(self, x: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        for w, b in layers:
            x = x @ w
            x += b
            x = self._activation(x)
        return x

    def __call__(self, obs: np.ndarray, state: np.ndarray | None, mask: np.ndarray | None) -> Outputs:
        if self._version != self._parameters.version:
            self._refresh()
        x = self._dense(self._preprocess(obs), self._before)
        if self._recurrent is not None:
            assert state is not None and mask is not None  # policies fill them in
            x, state = lstm_step(x, state, mask, *self._recurrent)
            x = self._dense(x, self._after)
        policy = self._dense(x, self._policy)
        value = self._dense(x, self._value)
        w_pi, b_pi, w_vf, b_vf = self._heads
        flat = policy @ w_pi
        flat += b_pi
        if self._logstd is not None:
            flat = np.concatenate([flat, np.broadcast_to(self._logstd, flat.shape)], axis=1)
        return Outputs(flat, (value @ w_vf)[:, 0] + b_vf[0], state if self._recurrent is not None else None)


class CompiledActor:
    """Any network, as one compiled TensorFlow function.

    Args:
        forward: ``(vector, obs, state, mask) -> (flat, value, state)``, in TensorFlow.
        parameters: the weights.
        obs: specification of raw observations, [B, …].
        initial_state: recurrent state [N, 2H], or None for a network without memory.
    """

    def __init__(
        self, forward: Callable[..., Any], parameters: Parameters, obs: tf.TensorSpec, initial_state: np.ndarray | None
    ) -> None:
        self._parameters = parameters
        self._recurrent = initial_state is not None
        width = initial_state.shape[1] if initial_state is not None else 0
        self._no_state = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
        self._function = tf.function(
            forward,
            autograph=False,
            input_signature=[
                tf.TensorSpec((sum(parameters.sizes),), tf.float32),
                obs,
                tf.TensorSpec((None, width), tf.float32),
                tf.TensorSpec((None,), tf.float32),
            ],
        )

    def __call__(self, obs: np.ndarray, state: np.ndarray | None, mask: np.ndarray | None) -> Outputs:
        if state is None:
            state, mask = self._no_state
        flat, value, new_state = self._function(self._parameters.vector, obs, state, mask)
        return Outputs(flat.numpy(), value.numpy(), new_state.numpy() if self._recurrent else None)


class DenseLayer(NamedTuple):
    """A linear layer of `NumpyNetwork`, by the legacy names of its variables; several names stand side by side."""

    weights: str | tuple[str, ...]
    bias: str | tuple[str, ...]
    norm: tuple[str, str] | None = None  # gain and bias of the layer normalization that follows
    activation: NumpyFunction | None = None


class NumpyNetwork:
    """A chain of dense layers in NumPy, on views of a weight vector.

    Args:
        layers: the layers.
        parameters: the weights; read anew when they have changed.
    """

    def __init__(self, layers: Sequence[DenseLayer], parameters: Parameters) -> None:
        self._layers, self._parameters = layers, parameters
        self._version = -1

    def _refresh(self) -> None:
        get = self._parameters.reader()

        def joined(names: str | tuple[str, ...]) -> np.ndarray:
            return get(names) if isinstance(names, str) else np.concatenate([get(name) for name in names], axis=-1)

        self._arrays = [
            (
                joined(layer.weights),
                joined(layer.bias),
                (get(layer.norm[0]), get(layer.norm[1])) if layer.norm else None,
                layer.activation,
            )
            for layer in self._layers
        ]
        self._version = self._parameters.version

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs [B, m] for inputs [B, n]."""
        if self._version != self._parameters.version:
            self._refresh()
        for w, b, norm, activation in self._arrays:
            x = x @ w
            x += b
            if norm is not None:
                x = _normalize(x, *norm, epsilon=1e-12)
            if activation is not None:
                x = activation(x)
        return x


class CompiledNetwork:
    """Any network without memory, as one compiled TensorFlow function.

    Args:
        forward: ``(vector, obs) -> outputs``, in TensorFlow.
        parameters: the weights.
        obs: specification of raw observations, [B, …].
    """

    def __init__(self, forward: Callable[..., Any], parameters: Parameters, obs: tf.TensorSpec) -> None:
        self._parameters = parameters
        vector = tf.TensorSpec((sum(parameters.sizes),), tf.float32)
        self._function = tf.function(forward, input_signature=[vector, obs])

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Outputs [B, m] for raw observations [B, …]."""
        return self._function(self._parameters.vector, obs).numpy()


def lstm_step(
    x: np.ndarray,
    state: np.ndarray,
    mask: np.ndarray,
    wx: np.ndarray,
    wh: np.ndarray,
    b: np.ndarray,
    norms: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """One step of an LSTM; see `common.tf_layers.lstm` for the conventions.

    Returns:
        The output [N, H] and the new state [N, 2H].
    """
    n = wh.shape[0]
    state = state * (np.float32(1.0) - np.asarray(mask, np.float32))[:, np.newaxis]
    cell, hidden = state[:, :n], state[:, n:]
    share, recurrent = x @ wx, hidden @ wh
    if norms is not None:
        gx, bx, gh, bh, gc, bc = norms
        share, recurrent = _normalize(share, gx, bx), _normalize(recurrent, gh, bh)
    gates = share + recurrent + b
    sigmoids = np.float32(0.5) * (np.tanh(np.float32(0.5) * gates[:, : 3 * n]) + np.float32(1.0))
    candidate = np.tanh(gates[:, 3 * n :])
    cell = sigmoids[:, n : 2 * n] * cell + sigmoids[:, :n] * candidate
    output = _normalize(cell, gc, bc) if norms is not None else cell
    hidden = sigmoids[:, 2 * n :] * np.tanh(output)
    return hidden, np.concatenate([cell, hidden], axis=1)


def _normalize(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    centered = x - x.mean(axis=1, keepdims=True)
    variance = np.mean(np.square(centered), axis=1, keepdims=True)
    return centered / np.sqrt(variance + np.float32(epsilon)) * gain + bias
