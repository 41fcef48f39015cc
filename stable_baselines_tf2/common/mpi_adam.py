"""Adam in NumPy, with gradients averaged over the processes of MPI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stable_baselines_tf2.common.math_util import flatten_arrays, unflatten_vector
from stable_baselines_tf2.core import distributed

if TYPE_CHECKING:
    from mpi4py import MPI


class MpiAdam:
    """Adam (Kingma and Ba, https://arxiv.org/abs/1412.6980) on float32 vectors, the same step in every process.

    ``theta -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)``

    Args:
        var_list: Keras or TensorFlow variables, or NumPy arrays that are changed in place.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        epsilon: keeps the division finite.
        scale_grad_by_procs: take the mean of the processes' gradients rather than their sum.
        comm: MPI communicator, by default all processes.
        sess: has no effect; old scripts may pass it.
    """

    def __init__(
        self,
        var_list: Sequence[Any],
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        scale_grad_by_procs: bool = True,
        comm: MPI.Comm | None = None,
        sess: None = None,
    ):
        self.var_list = list(var_list)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.scale_grad_by_procs = scale_grad_by_procs
        self.comm = comm
        self._shapes = [tuple(variable.shape) for variable in self.var_list]
        size = sum(math.prod(shape) for shape in self._shapes)
        self.exp_avg = np.zeros(size, dtype=np.float32)
        self.exp_avg_sq = np.zeros(size, dtype=np.float32)
        self.step = 0

    def getflat(self) -> np.ndarray:
        """The values of all variables in one float32 vector."""
        return flatten_arrays([np.asarray(variable, dtype=np.float32) for variable in self.var_list])

    def setfromflat(self, theta: np.ndarray) -> None:
        """Writes a vector, as `getflat` returns it, into the variables."""
        for variable, value in zip(self.var_list, unflatten_vector(theta, self._shapes), strict=True):
            if isinstance(variable, np.ndarray):
                variable[...] = value
            else:
                variable.assign(value)

    def update(self, local_grad: np.ndarray, learning_rate: float) -> None:
        """Makes one step.

        Args:
            local_grad: this process's gradient, flat as in `getflat`.
            learning_rate: learning rate.

        Raises:
            ValueError: the gradient does not have as many entries as the variables.
            RuntimeError: the processes' variables differ (looked at every 100 steps).
        """
        if np.shape(local_grad) != self.exp_avg.shape:
            raise ValueError(f"local_grad must have the shape {self.exp_avg.shape}, got {np.shape(local_grad)}")
        if self.step % 100 == 0:
            self.check_synced()
        grad = distributed.allreduce_sum(np.asarray(local_grad, dtype=np.float32), self.comm)
        if self.scale_grad_by_procs:
            grad /= distributed.size(self.comm)
        self.step += 1
        bias_correction = math.sqrt(1 - self.beta2**self.step) / (1 - self.beta1**self.step)
        self.exp_avg = self.beta1 * self.exp_avg + (1 - self.beta1) * grad
        self.exp_avg_sq = self.beta2 * self.exp_avg_sq + (1 - self.beta2) * np.square(grad)
        step = float(learning_rate) * bias_correction * self.exp_avg / (np.sqrt(self.exp_avg_sq) + self.epsilon)
        self.setfromflat(self.getflat() - step)

    def sync(self) -> None:
        """Gives every process the variables of the first."""
        self.setfromflat(distributed.broadcast(self.getflat(), comm=self.comm))

    def check_synced(self) -> None:
        """Makes sure that this process has the same variables as the first.

        Raises:
            RuntimeError: it does not.
        """
        if distributed.size(self.comm) == 1:
            return
        theta = self.getflat()
        difference = np.abs(theta - distributed.broadcast(theta, comm=self.comm)).max(initial=0.0)
        if difference != 0:
            rank = distributed.rank(self.comm)
            raise RuntimeError(f"variables of process {rank} differ from those of process 0, by up to {difference:g}")
