"""The only file that knows MPI. In a single process, everything here works without ``mpi4py``.

``mpi4py`` is imported only where the process was started by an MPI launcher (``mpirun``) with more than one process,
or where the program has imported it already. Functions take an optional communicator; without one they use
``COMM_WORLD``.
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.optional import require

if TYPE_CHECKING:
    from mpi4py import MPI

    from stable_baselines_tf2.core.types import Tensor

# Number of processes, as Open MPI, MPICH, Intel MPI and MVAPICH2 pass it to the processes that they start.
LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def require_mpi() -> ModuleType:
    """The module ``mpi4py.MPI``.

    Raises:
        ImportError: mpi4py is not installed.
    """
    return require("mpi4py.MPI", "mpi")


def _launched() -> bool:
    return any(os.environ.get(name, "1") != "1" for name in LAUNCHER_VARIABLES)


def communicator(comm: MPI.Comm | None = None) -> Any:
    """``comm`` itself if there is one, ``COMM_WORLD`` where MPI is in use, otherwise None.

    Raises:
        ImportError: an MPI launcher started this process as one of several, but mpi4py is not installed.
    """
    if comm is None and ("mpi4py.MPI" in sys.modules or _launched()):
        return require_mpi().COMM_WORLD
    return comm


def rank(comm: MPI.Comm | None = None) -> int:
    """Number of this process, from 0."""
    comm = communicator(comm)
    return 0 if comm is None else comm.Get_rank()


def size(comm: MPI.Comm | None = None) -> int:
    """Number of processes."""
    comm = communicator(comm)
    return 1 if comm is None else comm.Get_size()


def allreduce_sum(array: ArrayLike, comm: MPI.Comm | None = None) -> np.ndarray:
    """Element-wise sum of every process's array; the same new array in each of them."""
    local = np.array(array, order="C")
    comm = communicator(comm)
    if comm is None or comm.Get_size() == 1:
        return local
    total = np.empty_like(local)
    comm.Allreduce(local, total, op=require_mpi().SUM)
    return total


def allreduce_mean(array: ArrayLike, comm: MPI.Comm | None = None) -> np.ndarray:
    """Element-wise mean of every process's array; the same new array in each of them."""
    return allreduce_sum(array, comm) / size(comm)


def allreduce_sum_tensor(tensor: Tensor) -> Any:
    """`allreduce_sum` inside of a compiled function: one that XLA does not compile, if there are several processes."""
    if size() == 1:
        return tensor
    import tensorflow as tf

    total = tf.numpy_function(allreduce_sum, [tensor], tensor.dtype)
    total.set_shape(tensor.shape)
    return total


def allreduce_mean_tensor(tensor: Tensor) -> Any:
    """`allreduce_mean`, in the way of `allreduce_sum_tensor`."""
    n_processes = size()
    return tensor if n_processes == 1 else allreduce_sum_tensor(tensor) / n_processes


def allgather(value: object, comm: MPI.Comm | None = None) -> list[Any]:
    """What every process passed, ordered by rank."""
    comm = communicator(comm)
    return [value] if comm is None else comm.allgather(value)


def broadcast(array: ArrayLike, root: int = 0, comm: MPI.Comm | None = None) -> np.ndarray:
    """The array of process ``root``, as a new array in each process; all must pass the same shape and dtype."""
    result = np.array(array, order="C")
    comm = communicator(comm)
    if comm is not None:
        comm.Bcast(result, root=root)
    return result


def any_of(flag: bool, comm: MPI.Comm | None = None) -> bool:
    """Whether some process passed True."""
    return bool(allreduce_sum(np.float32(flag), comm) > 0)


def end_together() -> None:
    """From now on an unhandled error ends all MPI workers: the others would wait for this one for ever."""
    if size() > 1 and sys.excepthook is not _end_all:
        global _own_excepthook
        _own_excepthook, sys.excepthook = sys.excepthook, _end_all


_own_excepthook = sys.__excepthook__
_READING = 0.5  # seconds until an abort: launchers drop what they have not read by then


def _end_all(error_type: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(f"Process {rank()} of {size()} failed and ends the others with it:", file=sys.stderr)
    _own_excepthook(error_type, error, trace)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(_READING)
    communicator().Abort(1)


def barrier(comm: MPI.Comm | None = None) -> None:
    """Waits until every process has come here."""
    comm = communicator(comm)
    if comm is not None:
        comm.Barrier()
