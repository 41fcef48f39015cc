"""Training phases: many gradient steps in one compiled call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.compiled import FlatFunction
from stable_baselines_tf2.core.optimizers import Optimizer, State, clip_by_global_norm

Tensor = Any
Batch = dict[str, Tensor]
Step = Callable[[Tensor, State, Batch], tuple[Tensor, State, Tensor]]


class CompiledPhase:
    """A compiled training phase ``(weights, optimizer state, inputs) -> (weights, optimizer state, statistics)``.

    It is traced once for each combination of input shapes.

    Args:
        function: the phase; ``inputs`` is a dictionary of tensors, the statistics are a tensor or a dictionary of them.
        jit_compile: compile with XLA. Worth its seconds of compilation where the phase loops over minibatches or time.
        in_caller: run in the calling thread. For small networks; without ``jit_compile`` only where the phase has no
            loops.
    """

    def __init__(self, function: Step, jit_compile: bool, in_caller: bool) -> None:
        self._function = tf.function(function, jit_compile=True, autograph=False) if jit_compile else function
        self._in_caller = in_caller
        self._traced: dict[tuple[Any, ...], tuple[_Packing, FlatFunction, list[str] | None]] = {}

    @property
    def n_traces(self) -> int:
        """How often the phase has been traced."""
        return len(self._traced)

    def __call__(
        self, vector: Tensor, state: State, inputs: Mapping[str, np.ndarray | np.generic | Tensor]
    ) -> tuple[Tensor, State, Any]:
        """Runs the phase; the statistics come back as an array or a dictionary of arrays."""
        slots = sorted(state)
        key = tuple((name, value.shape, value.dtype) for name, value in inputs.items())
        if key not in self._traced:
            packing = _Packing(inputs)
            arguments = [vector, *(state[slot] for slot in slots), *packing.pack(inputs)]
            self._traced[key] = packing, *self._trace(slots, packing, [tf.constant(value) for value in arguments])
        packing, function, names = self._traced[key]
        vector, *rest = function([vector, *(state[slot] for slot in slots), *packing.pack(inputs)])
        state, statistics = dict(zip(slots, rest, strict=False)), rest[len(slots) :]
        if names is None:
            return vector, state, statistics[0].numpy()
        return vector, state, {name: array.numpy() for name, array in zip(names, statistics, strict=True)}

    def _trace(
        self, slots: list[str], packing: _Packing, arguments: list[Tensor]
    ) -> tuple[FlatFunction, list[str] | None]:
        """The traced function, and the names of its statistics (None for a single tensor)."""
        names: list[str] | None = None

        def flat(vector: Tensor, *rest: Tensor) -> list[Tensor]:
            nonlocal names
            state = dict(zip(slots, rest[: len(slots)], strict=True))
            inputs = packing.unpack(rest[len(slots) :])
            vector, state, statistics = self._function(vector, state, inputs)
            values = [statistics]
            if isinstance(statistics, dict):
                names, values = list(statistics), list(statistics.values())
            return [vector, *(state[slot] for slot in slots), *values]

        return FlatFunction(flat, arguments, self._in_caller), names


class _Packing:
    """Which inputs of a phase enter it side by side in one flat array, for each array costs 10 microseconds."""

    MAX_BYTES = 1 << 15  # copying more than this costs more than it saves
    UNIT = np.dtype(np.float32)  # of the flat array; wider numbers fill several, bit by bit

    def __init__(self, inputs: Mapping[str, np.ndarray | np.generic | Tensor]) -> None:
        self._packed: list[str] = []
        self._alone: list[str] = []
        for name, value in inputs.items():
            fits = isinstance(value, np.ndarray | np.generic) and value.nbytes <= self.MAX_BYTES
            (self._packed if fits and value.dtype.itemsize % self.UNIT.itemsize == 0 else self._alone).append(name)
        self._specs = {name: (tuple(inputs[name].shape), tf.as_dtype(inputs[name].dtype)) for name in self._packed}

    def pack(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The inputs as few arrays and tensors."""
        alone = [inputs[name] for name in self._alone]
        if not self._packed:
            return alone
        return [np.concatenate([inputs[name].ravel().view(self.UNIT) for name in self._packed]), *alone]

    def unpack(self, tensors: Sequence[Tensor]) -> Batch:
        """The inputs by name, in a compiled function."""
        if not self._packed:
            return dict(zip(self._alone, tensors, strict=True))
        units = {name: dtype.size // self.UNIT.itemsize for name, (_, dtype) in self._specs.items()}
        parts = tf.split(tensors[0], [math.prod(self._specs[name][0]) * units[name] for name in self._packed])
        inputs = dict(zip(self._alone, tensors[1:], strict=True))
        for name, part in zip(self._packed, parts, strict=True):
            shape, dtype = self._specs[name]
            if dtype != self.UNIT:
                part = tf.bitcast(part if units[name] == 1 else tf.reshape(part, (-1, units[name])), dtype)
            inputs[name] = tf.reshape(part, shape)
        return inputs


def gradient_step(
    loss: Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]],
    optimizer: Optimizer,
    vector: Tensor,
    state: State,
    learning_rate: Tensor,
    max_grad_norm: float | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, State, Tensor]:
    """One step of gradient descent on ``loss(vector) -> (scalar, statistics)``; ``transform`` changes its gradient.

    Returns:
        New weights, new optimizer state, and the statistics [k] from before the step.
    """
    with tf.GradientTape() as tape:
        tape.watch(vector)
        value, statistics = loss(vector)
    gradient = tape.gradient(value, vector)
    if transform is not None:
        gradient = transform(gradient)
    gradient = clip_by_global_norm(gradient, max_grad_norm)
    vector, state = optimizer.step(vector, gradient, state, learning_rate)
    return vector, state, tf.stack(list(statistics))


def minibatch_steps(
    step: Step,
    vector: Tensor,
    state: State,
    rollout: Batch,
    rows: Tensor,
    per_sequence: Batch,
    sequences: Tensor,
    n_statistics: int,
) -> tuple[Tensor, State, Tensor]:
    """One step on each of K minibatches, in a loop inside the compiled function.

    Args:
        step: ``(vector, state, minibatch) -> (vector, state, statistics)``.
        vector: weights.
        state: optimizer state.
        rollout: arrays with one row for each transition, [B, …].
        rows: which rows make each minibatch, [K, M].
        per_sequence: arrays with one row for each environment (initial recurrent states); may be empty.
        sequences: which of these rows belong to each minibatch, [K, S].
        n_statistics: number of statistics.

    Returns:
        New weights, new optimizer state, statistics [K, n_statistics].
    """

    def minibatch(k: Tensor) -> Batch:
        chosen = {name: tf.gather(array, rows[k]) for name, array in rollout.items()}
        return chosen | {name: tf.gather(array, sequences[k]) for name, array in per_sequence.items()}

    return _loop(step, vector, state, minibatch, rows.shape[0], n_statistics)


def consecutive_steps(
    step: Step, vector: Tensor, state: State, batches: Batch, n_statistics: int, n_steps: Tensor | None = None
) -> tuple[Tensor, State, Tensor]:
    """One step on each of K batches.

    Args:
        step: ``(vector, state, batch) -> (vector, state, statistics)``.
        vector: weights.
        state: optimizer state.
        batches: what the steps take, each array [K, …].
        n_statistics: number of statistics of one step.
        n_steps: how many of the batches count, 1 to K; the statistics of the others are zeros. All count if None.

    Returns:
        New weights, new optimizer state, statistics [K, n_statistics].
    """
    only = next(iter(batches.values())).shape[0] == 1  # then a slice would be a copy
    return _loop(
        step,
        vector,
        state,
        lambda k: {name: tf.squeeze(array, 0) if only else array[k] for name, array in batches.items()},
        next(iter(batches.values())).shape[0],
        n_statistics,
        n_steps,
    )


def _loop(
    step: Step,
    vector: Tensor,
    state: State,
    batch: Callable[[Any], Batch],
    most: int,
    n_statistics: int,
    n_steps: Tensor | None = None,
) -> tuple[Tensor, State, Tensor]:
    """``n_steps`` steps (``most`` if None), on ``batch(0)`` and so on."""
    if most == 1:
        vector, state, values = step(vector, state, batch(0))
        return vector, state, values[tf.newaxis]

    def body(k: Tensor, vector: Tensor, state: State, statistics: Tensor) -> tuple[Tensor, Tensor, State, Tensor]:
        vector, state, values = step(vector, state, batch(k))
        return k + 1, vector, state, tf.tensor_scatter_nd_update(statistics, [[k]], values[tf.newaxis])

    end = tf.constant(most) if n_steps is None else n_steps
    loop = (tf.constant(0), vector, state, tf.zeros((most, n_statistics)))
    _, vector, state, statistics = tf.while_loop(lambda k, *_: k < end, body, loop)
    return vector, state, statistics


def shuffled_minibatches(generator: np.random.Generator, n_epochs: int, n_minibatches: int, n_items: int) -> np.ndarray:
    """Indices of minibatches that together visit every item once in each epoch.

    Returns:
        [n_epochs · n_minibatches, n_items / n_minibatches].
    """
    order = np.tile(np.arange(n_items, dtype=np.int32), (n_epochs, 1))
    return generator.permuted(order, axis=1).reshape(n_epochs * n_minibatches, -1)
