"""A natural-gradient step within a trust region (Schulman et al. 2015, https://arxiv.org/abs/1502.05477).

The direction solves ``F x = g`` by conjugate gradients, where the Fisher matrix F is known only by its products with
vectors; the step goes as far as a divergence of ``max_kl`` allows, and a line search shortens it where the linear and
quadratic models were too hopeful. All functions work inside compiled functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor

NEGLIGIBLE = 1e-8  # a gradient without a larger entry counts as zero
RESIDUAL_TOLERANCE = 1e-10  # conjugate gradients stop at this squared norm
LINE_SEARCH_TRIES = 10
KL_MARGIN = 1.5  # a step is accepted up to this multiple of max_kl


class TrustRegionStep(NamedTuple):
    """What a step did, for weights of length n."""

    vector: Tensor  # [n] the new weights
    direction: Tensor  # [n] the natural gradient
    n_products: Tensor  # Fisher-vector products that it took
    shs: Tensor  # half of direction · F · direction
    multiplier: Tensor  # what the direction is divided by, so that the divergence is max_kl
    full_step: Tensor  # [n] the longest step
    tried: Tensor  # [LINE_SEARCH_TRIES, L] losses of the tries; zeros after the last one
    n_tried: Tensor
    losses: Tensor  # [L] of the last try
    step_size: Tensor  # fraction of the full step that was accepted; 0 for none


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], b: Tensor, n_iterations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Solves ``A x = b`` for a symmetric positive definite A.

    Args:
        product: computes ``A v``.
        b: [n]; zero has the solution zero.
        n_iterations: largest number of iterations, one product each.

    Returns:
        ``x`` [n], the residual ``b - A x`` [n], and the number of products.
    """

    def goes_on(i: Tensor, x: Tensor, residual: Tensor, direction: Tensor, squared_norm: Tensor) -> Tensor:
        limit = tf.where(i == 0, 0.0, RESIDUAL_TOLERANCE)  # a small b deserves an iteration as well
        return (i < n_iterations) & (squared_norm > 0.0) & (squared_norm >= limit)

    def iteration(i: Tensor, x: Tensor, residual: Tensor, direction: Tensor, squared_norm: Tensor) -> Any:
        image = product(direction)
        step = squared_norm / _dot(direction, image)
        residual = residual - step * image
        new_norm = _dot(residual, residual)
        return i + 1, x + step * direction, residual, residual + new_norm / squared_norm * direction, new_norm

    loop = (tf.constant(0), tf.zeros_like(b), b, b, _dot(b, b))
    i, x, residual, _, _ = tf.while_loop(goes_on, iteration, loop)
    return x, residual, i


def trust_region_step(
    vector: Tensor,
    gradient: Tensor,
    fisher_product: Callable[[Tensor], Tensor],
    evaluate: Callable[[Tensor], Tensor],
    losses_before: Tensor,
    max_kl: Tensor,
    cg_iters: int,
) -> TrustRegionStep:
    """One step that raises an objective.

    Args:
        vector: weights, [n].
        gradient: of the objective, [n].
        fisher_product: product of the (damped) Fisher matrix with a vector.
        evaluate: losses [L] for weights: the objective, the divergence from ``vector``, and others.
        losses_before: ``evaluate(vector)``.
        max_kl: size of the trust region.
        cg_iters: iterations of conjugate gradients.
    """
    gradient = tf.where(tf.reduce_all(tf.abs(gradient) <= NEGLIGIBLE), tf.zeros_like(gradient), gradient)
    direction, residual, n_products = conjugate_gradient(fisher_product, gradient, cg_iters)
    shs = 0.5 * _dot(direction, gradient - residual)  # F · direction without another product
    multiplier = tf.sqrt(tf.abs(shs) / max_kl)
    full_step = tf.math.divide_no_nan(direction, multiplier)

    def goes_on(i: Tensor, size: Tensor, accepted: Tensor, tried: Tensor, losses: Tensor) -> Tensor:
        return (i < LINE_SEARCH_TRIES) & ~accepted

    def attempt(i: Tensor, size: Tensor, accepted: Tensor, tried: Tensor, losses: Tensor) -> Any:
        size = 0.5 * size
        losses = evaluate(vector + full_step * size)
        accepted = (
            tf.reduce_all(tf.math.is_finite(losses))
            & (losses[1] <= KL_MARGIN * max_kl)
            & (losses[0] - losses_before[0] >= 0.0)
        )
        return i + 1, size, accepted, tf.tensor_scatter_nd_update(tried, [[i]], losses[tf.newaxis]), losses

    tried = tf.zeros((LINE_SEARCH_TRIES, losses_before.shape[0]))
    start = (tf.constant(0), tf.constant(2.0), tf.constant(False), tried, losses_before)
    n_tried, size, accepted, tried, losses = tf.while_loop(goes_on, attempt, start)
    size = tf.where(accepted, size, 0.0)
    vector = tf.where(accepted, vector + full_step * size, vector)  # where nothing was good, exactly as before
    return TrustRegionStep(vector, direction, n_products, shs, multiplier, full_step, tried, n_tried, losses, size)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return tf.reduce_sum(x * y)
