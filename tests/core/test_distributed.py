import subprocess
import sys
import types

import numpy as np
import pytest

from stable_baselines_tf2.common.mpi_adam import MpiAdam
from stable_baselines_tf2.common.mpi_moments import mpi_moments
from stable_baselines_tf2.core import distributed
from tests.mpi import run_processes


class TwoProcesses:
    """A communicator as process 1 of 2 sees it, where process 0 always passes ten times this process's numbers."""

    def Get_rank(self):
        return 1

    def Get_size(self):
        return 2

    def Allreduce(self, local, total, op):
        assert op == "sum"
        total[...] = 11 * local

    def Bcast(self, array, root):
        if root == 0:
            array *= 10

    def allgather(self, value):
        return [10 * value, value]

    def Barrier(self):
        self.waited = True


@pytest.fixture
def comm(monkeypatch):
    mpi = types.SimpleNamespace(SUM="sum", COMM_WORLD=TwoProcesses())
    monkeypatch.setitem(sys.modules, "mpi4py", types.SimpleNamespace(MPI=mpi))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", mpi)
    return mpi.COMM_WORLD


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # makes its import fail
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    for name in distributed.LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_single_process_needs_no_mpi(alone):
    array = np.array([1.0, 2.0])
    assert (distributed.rank(), distributed.size()) == (0, 1)
    for result in (distributed.allreduce_sum(array), distributed.allreduce_mean(array), distributed.broadcast(array)):
        assert result.tolist() == [1.0, 2.0]
        assert not np.shares_memory(result, array)
    assert distributed.allgather("x") == ["x"]
    assert distributed.barrier() is None


@pytest.mark.parametrize("variable", distributed.LAUNCHER_VARIABLES)
def test_several_processes_without_mpi4py_are_an_error(alone, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    assert distributed.size() == 1
    monkeypatch.setenv(variable, "2")
    with pytest.raises(ImportError, match=r"stable-baselines-tf2\[mpi\]"):
        distributed.size()


def test_an_imported_mpi_is_used(comm):
    assert (distributed.rank(), distributed.size()) == (1, 2)
    assert distributed.allreduce_sum([1.0, 2.0]).tolist() == [11.0, 22.0]
    assert distributed.allreduce_mean([1.0, 2.0]).tolist() == [5.5, 11.0]
    assert distributed.broadcast(np.array([3.0])).tolist() == [30.0]
    assert distributed.allgather(2) == [20, 2]
    distributed.barrier()
    assert comm.waited


def test_adam_with_two_processes(comm):
    theta = np.zeros(2, np.float32)
    summed, averaged = MpiAdam([theta], scale_grad_by_procs=False), MpiAdam([theta.copy()])
    for adam in (summed, averaged):
        adam.update(np.array([1.0, -2.0]), 0.1)
    np.testing.assert_allclose(summed.exp_avg, [1.1, -2.2], rtol=1e-6)
    np.testing.assert_allclose(averaged.exp_avg, [0.55, -1.1], rtol=1e-6)
    np.testing.assert_allclose(theta, [-0.1, 0.1], rtol=1e-5)
    with pytest.raises(RuntimeError, match="variables of process 1 differ"):
        summed.check_synced()
    summed.sync()
    np.testing.assert_allclose(theta, [-1.0, 1.0], rtol=1e-5)


def test_importing_the_library_does_not_import_mpi():
    code = "import sys; from stable_baselines_tf2.common.misc_util import mpi_rank_or_zero as rank"
    code += "; print(rank(), 'mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["0", "False"]


SCRIPT = """
import numpy as np
from stable_baselines_tf2.common.mpi_adam import MpiAdam
from stable_baselines_tf2.common.mpi_moments import mpi_moments
from stable_baselines_tf2.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines_tf2.core import distributed
from tests.mpi import run_processes

rank = distributed.rank()
data = np.arange(6.0).reshape(3, 2)[: 2 + rank] + 10 * rank
everything = np.concatenate([np.arange(6.0).reshape(3, 2)[:2], np.arange(6.0).reshape(3, 2) + 10])
mean, std, count = mpi_moments(data)
assert count == 5 and np.allclose(mean, everything.mean(axis=0)) and np.allclose(std, everything.std(axis=0))
rms = RunningMeanStd(epsilon=0.0, shape=(2,))
rms.update(data)
assert np.allclose(rms.mean, everything.mean(axis=0)) and np.allclose(rms.std, everything.std(axis=0))
theta = np.full(3, float(rank), np.float32)
adam = MpiAdam([theta])
adam.sync()
adam.update(np.full(3, 1.0 + rank), 0.5)
assert np.allclose(adam.exp_avg, 0.15) and np.allclose(theta, -0.5)
assert distributed.allgather(rank) == [0, 1] and distributed.size() == 2
print("right")
"""


def test_two_real_processes():
    done = run_processes(SCRIPT)
    assert done.stdout.count("right") == 2, done.stderr


def test_moments_of_one_process(alone):
    data = np.random.default_rng(0).normal(size=(4, 3, 2))
    for axis in (0, 1, -1, (0, 2)):
        mean, std, count = mpi_moments(data, axis=axis)
        np.testing.assert_allclose(mean, data.mean(axis=axis))
        np.testing.assert_allclose(std, data.std(axis=axis))
        assert count == data.size // mean.size
        assert mpi_moments(data, axis=axis, keepdims=True)[0].ndim == 3
