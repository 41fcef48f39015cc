"""K-FAC: natural gradient descent with Kronecker-factored curvature.

Martens and Grosse 2015, https://arxiv.org/abs/1503.05671; for convolutions Grosse and Martens 2016,
https://arxiv.org/abs/1602.01573. Time steps of recurrent layers count as independent rows.

The Fisher matrix of a layer with the inputs a and the gradients g with respect to its outputs is taken for
E[a aᵀ] ⊗ E[g gᵀ]. In the eigenbases U_a, U_g of these two factors, its damped inverse divides a gradient element by
element: G ↦ U_a ((U_aᵀ G U_g) / (λ_a λ_gᵀ + ε)) U_gᵀ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.optimizers import State, Tensor, clip_by_global_norm
from stable_baselines_tf2.core.probes import Use


class Block(NamedTuple):
    """Weights whose curvature is a product of factors, by their places in the lists of weights and factors."""

    weights: int
    bias: int | None  # the bias that is the last row of the matrix, if there is one
    inputs: int | None  # factor E[a aᵀ]; None for a vector that is applied to every row
    outputs: int  # factor E[g gᵀ]


def curvature(
    uses: Mapping[int, Use], variables: Sequence[Any], gradients: Callable[[list[Tensor]], list[Tensor]]
) -> tuple[list[Block], list[Tensor]]:
    """The blocks of a network's curvature, and its factors over a batch.

    Layers with the same inputs share a factor, as do weights with the same outputs. Variables that have no influence
    or that no layer reports belong to no block.

    Args:
        uses: what the layers report.
        variables: all weights.
        gradients: gives the gradients of the mean Fisher loss with respect to a list of tensors, None where it does not
            depend on one.

    Returns:
        Blocks and factors.
    """
    places = {id(variable): place for place, variable in enumerate(variables)}
    outputs = {id(tensor): tensor for use in uses.values() for tensor in use.outputs}
    of_output = dict(zip(outputs, gradients(list(outputs.values())), strict=True))
    blocks: list[Block] = []
    factors: list[Tensor] = []
    known: dict[tuple[Any, ...], int] = {}

    def factor(key: tuple[Any, ...], compute: Callable[[], Tensor]) -> int:
        if key not in known:
            known[key] = len(factors)
            factors.append(compute())
        return known[key]

    for use in uses.values():
        grads = [of_output[id(tensor)] for tensor in use.outputs]
        if any(gradient is None for gradient in grads):
            continue
        a = None
        if use.inputs:
            homogeneous = use.bias is not None
            key = ("inputs", homogeneous, *map(id, use.inputs))
            a = factor(key, partial(_input_factor, use.inputs, homogeneous))
        g = factor(("outputs", *map(id, use.outputs)), partial(_output_factor, grads))
        blocks.append(Block(places[id(use.weights)], None if use.bias is None else places[id(use.bias)], a, g))
    return blocks, factors


def _input_factor(tensors: list[Tensor], homogeneous: bool) -> Tensor:
    """E[a aᵀ], [m, m], with positions in an image counting as a fraction of a row."""
    rows, batch, positions = _rows(tensors)
    if homogeneous:
        rows = tf.concat([rows, tf.ones((tf.shape(rows)[0], 1))], axis=1)
    return tf.matmul(rows, rows, transpose_a=True) / (batch * positions**2)


def _output_factor(tensors: list[Tensor]) -> Tensor:
    """E[g gᵀ], [n, n], of gradients of a mean over the batch."""
    rows, batch, positions = _rows(tensors)
    return tf.matmul(rows, rows, transpose_a=True) * (batch * positions)


def _rows(tensors: list[Tensor]) -> tuple[Tensor, Tensor, float]:
    """Tensors [B, …, n] as one matrix [B · positions, n], the sum of their B, and the number of positions."""
    size = tensors[0].shape[-1]
    rows = tf.concat([tf.reshape(tensor, (-1, size)) for tensor in tensors], axis=0)
    positions = float(np.prod(tensors[0].shape[1:-1]))
    return rows, tf.cast(tf.shape(rows)[0], tf.float32) / positions, positions


def without_small(vec: Tensor, threshold: float = 1e-6) -> Tensor:
    """A tensor with zeros for what is not larger than the threshold."""
    return tf.where(vec > threshold, vec, 0.0)


@dataclasses.dataclass(frozen=True)
class Kfac:
    """K-FAC with momentum, whose step is shortened to a trust region, after some steps of plain gradient descent.

    One update is `accumulate`, then `decompose` if `is_due`, then `step`. Two of the updates make both kinds of steps.

    Args:
        shapes: of all weights.
        blocks: the structure of the curvature.
        sizes: of its factors.
        clip: largest η² gᵀ F⁻¹ g, an estimate of the Kullback-Leibler divergence.
        interval: updates between two eigendecompositions.
        max_grad_norm: maximum gradient norm (global clipping) in plain descent; None disables it.
        momentum: of both kinds of steps.
        decay: of the running averages of the factors.
        damping: ε.
        cold_updates: number of updates before the first of K-FAC; the factors are averaged over them.
    """

    shapes: Sequence[tuple[int, ...]]
    blocks: Sequence[Block]
    sizes: Sequence[int]
    clip: float = 1e-3
    interval: int = 1
    max_grad_norm: float | None = 0.5
    momentum: float = 0.9
    decay: float = 0.99
    damping: float = 0.01
    cold_updates: int = 10

    def initial_state(self, size: int) -> State:
        state = {
            "kfac/updates": tf.constant(0),
            "kfac/decompositions": tf.constant(0),
            "kfac/cold_momentum": tf.zeros(size),
            "kfac/momentum": tf.zeros(size),
        }
        for i, n in enumerate(self.sizes):
            state[f"kfac/factor/{i}"] = tf.zeros((n, n))
            state[f"kfac/eigenvalues/{i}"] = tf.ones(n)
            state[f"kfac/eigenvectors/{i}"] = tf.eye(n)
        return state

    def is_due(self, updates: int) -> bool:
        """Whether the factors are decomposed when they have been updated this often."""
        return updates >= self.cold_updates and updates % self.interval == 0

    def accumulate(self, state: State, factors: Sequence[Tensor]) -> State:
        """Takes the factors of a batch into the running averages, and counts the update."""
        cold = state["kfac/updates"] < self.cold_updates
        keep = tf.where(cold, 1.0, self.decay)
        take = tf.where(cold, 1.0 / self.cold_updates, 1.0 - self.decay)
        averages = {
            f"kfac/factor/{i}": keep * state[f"kfac/factor/{i}"] + take * factor for i, factor in enumerate(factors)
        }
        return state | averages | {"kfac/updates": state["kfac/updates"] + 1}

    def decompose(self, state: State) -> State:
        """Eigenvalues and eigenvectors of the factors as they are now. Not for XLA, whose decomposition is slow."""
        decomposed = {"kfac/decompositions": state["kfac/decompositions"] + 1}
        for i in range(len(self.sizes)):
            factor = state[f"kfac/factor/{i}"]
            # Of numbers that are not finite there is no decomposition; the check after the update finds them.
            values, vectors = tf.linalg.eigh(tf.where(tf.math.is_finite(factor), factor, 0.0))
            decomposed[f"kfac/eigenvalues/{i}"] = without_small(values)
            decomposed[f"kfac/eigenvectors/{i}"] = vectors
        return state | decomposed

    def step(self, vector: Tensor, gradient: Tensor, state: State, learning_rate: Tensor) -> tuple[Tensor, State]:
        """Weights and state after the step of an update whose factors have been accumulated."""
        updates = state["kfac/updates"]
        cold, warm = updates <= self.cold_updates + 1, updates >= self.cold_updates
        descent = self.momentum * state["kfac/cold_momentum"] + clip_by_global_norm(gradient, self.max_grad_norm)
        descent = tf.where(cold, descent, 0.0)
        natural = self.momentum * state["kfac/momentum"] + self._natural_gradient(gradient, state, learning_rate)
        natural = tf.where(warm, natural, 0.0)
        vector = vector - learning_rate * descent - learning_rate * (1.0 - self.momentum) * natural
        return vector, state | {"kfac/cold_momentum": descent, "kfac/momentum": natural}

    def _natural_gradient(self, gradient: Tensor, state: State, learning_rate: Tensor) -> Tensor:
        """The preconditioned gradient, in the trust region; the plain one as long as there is no decomposition."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = list(tf.split(gradient, sizes))
        for block in self.blocks:
            n_columns = self.sizes[block.outputs]
            places = [block.weights] if block.bias is None else [block.weights, block.bias]
            matrix = tf.concat([tf.reshape(parts[place], (-1, n_columns)) for place in places], axis=0)
            matrix = tf.reshape(self._precondition(matrix, block, state), (-1,))
            for place, part in zip(places, tf.split(matrix, [sizes[place] for place in places]), strict=True):
                parts[place] = part
        natural = tf.concat(parts, axis=0)
        length = tf.reduce_sum(natural * gradient) * tf.square(learning_rate)
        scale = tf.minimum(1.0, tf.sqrt(self.clip / tf.maximum(length, 1e-30)))
        return tf.where(state["kfac/decompositions"] > 0, scale * natural, gradient)

    def _precondition(self, matrix: Tensor, block: Block, state: State) -> Tensor:
        of_rows = state[f"kfac/eigenvectors/{block.outputs}"]
        curvature = state[f"kfac/eigenvalues/{block.outputs}"]
        matrix = tf.matmul(matrix, of_rows)
        if block.inputs is None:
            return tf.matmul(matrix / (curvature + self.damping), of_rows, transpose_b=True)
        of_columns = state[f"kfac/eigenvectors/{block.inputs}"]
        curvature = state[f"kfac/eigenvalues/{block.inputs}"][:, tf.newaxis] * curvature
        matrix = tf.matmul(of_columns, matrix, transpose_a=True) / (curvature + self.damping)
        return tf.matmul(of_columns, tf.matmul(matrix, of_rows, transpose_b=True))
