import numpy as np
import pytest

from stable_baselines_tf2.common.mpi_running_mean_std import RunningMeanStd


def test_statistics_of_everything_so_far():
    rng = np.random.default_rng(0)
    data = 5 + 3 * rng.normal(size=(40, 2, 2))
    rms = RunningMeanStd(epsilon=1e-9, shape=(2, 2))
    for part in np.split(data, [3, 20]):
        rms.update(part)
    np.testing.assert_allclose(rms.mean, data.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(rms.std, data.std(axis=0), rtol=1e-4)
    assert rms.mean.dtype == rms.std.dtype == np.float32


def test_starts_with_mean_zero_and_never_has_a_tiny_deviation():
    rms = RunningMeanStd()
    assert (rms.mean, rms.std) == (0.0, 1.0)
    rms.update(np.full(1000, 2.0))
    assert rms.std == pytest.approx(0.1)


def test_data_of_another_shape():
    rms = RunningMeanStd(shape=(3,))
    for wrong in (np.zeros(3), np.zeros((2, 4)), 1.0):
        with pytest.raises(ValueError, match="data"):
            rms.update(wrong)


def test_state():
    rms, copy = RunningMeanStd(shape=(2,)), RunningMeanStd(shape=(2,))
    rms.update([[1.0, 2.0], [3.0, 5.0]])
    copy.set_state(rms.get_state())
    rms.update([[9.0, 9.0]])
    np.testing.assert_allclose(copy.mean, np.array([4.0, 7.0]) / 2.01)
    assert rms.get_state()["count"] == pytest.approx(3.01)
    with pytest.raises(ValueError, match="shape"):
        RunningMeanStd(shape=(3,)).set_state(rms.get_state())
