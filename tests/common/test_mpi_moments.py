import numpy as np
import pytest

from stable_baselines_tf2.common.mpi_moments import mpi_mean, mpi_moments


def test_mean_and_count():
    mean, count = mpi_mean(np.array([[1, 2], [3, 5]]))
    assert (mean.tolist(), count) == ([2.0, 3.5], 2)
    mean, count = mpi_mean([[1, 2], [3, 5]], axis=[0, 1], keepdims=True)
    assert (mean.tolist(), count) == ([[2.75]], 4)


def test_moments():
    mean, std, count = mpi_moments([1.0, 3.0, 5.0, 7.0])
    assert (mean, count) == (4.0, 4)
    assert std == pytest.approx(np.sqrt(5.0))


def test_a_number_has_no_axis():
    for function in (mpi_mean, mpi_moments):
        with pytest.raises(ValueError, match="arr"):
            function(3.0)
