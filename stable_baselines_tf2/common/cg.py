"""The conjugate gradient method in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def conjugate_gradient(
    f_ax: Callable[[np.ndarray], np.ndarray],
    b_vec: np.ndarray,
    cg_iters: int = 10,
    callback: Callable[[np.ndarray], object] | None = None,
    verbose: bool = False,
    residual_tol: float = 1e-10,
) -> np.ndarray:
    """Solves ``A x = b`` for a symmetric positive definite ``A`` that is known only by its products with vectors.

    Args:
        f_ax: computes ``A v`` for a vector ``v``.
        b_vec: ``b``, ``[D]``.
        cg_iters: largest number of iterations, one product each.
        callback: called with the current ``x`` before each iteration and at the end.
        verbose: print the squared residual norm and the norm of ``x`` at those points.
        residual_tol: stop once the squared norm of the residual is below this.

    Returns:
        ``x``, ``[D]``.
    """
    x = np.zeros_like(b_vec)
    residual = b_vec.copy()
    direction = b_vec.copy()
    squared_norm = residual.dot(residual)

    def report(iteration: int) -> None:
        if callback is not None:
            callback(x)
        if verbose:
            print(f"iteration {iteration:3d}: |residual|^2 = {squared_norm:.3g}, |x| = {np.linalg.norm(x):.3g}")

    iteration = 0
    while iteration < cg_iters and squared_norm > 0:  # b = 0 has the solution 0; no iteration can improve on it
        report(iteration)
        product = f_ax(direction)
        step = squared_norm / direction.dot(product)
        x += step * direction
        residual -= step * product
        previous, squared_norm = squared_norm, residual.dot(residual)
        direction = residual + squared_norm / previous * direction
        iteration += 1
        if squared_norm < residual_tol:
            break
    report(iteration)
    return x
