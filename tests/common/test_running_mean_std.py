"""Running mean and variance, and tiled images."""

from __future__ import annotations

import numpy as np
import pytest

from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.tile_images import tile_images


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_batches_give_the_moments_of_the_whole(shape):
    rng = np.random.default_rng(0)
    batches = [5 + 3 * rng.standard_normal((size, *shape)) for size in (1, 4, 9)]
    statistics = RunningMeanStd(epsilon=0, shape=shape)
    for batch in batches:
        statistics.update(batch)
    whole = np.concatenate(batches)
    np.testing.assert_allclose(statistics.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.var, whole.var(axis=0), rtol=1e-12)
    assert statistics.count == 14


def test_moments_alone_and_initial_weight():
    statistics = RunningMeanStd(epsilon=1.0)
    statistics.update_from_moments(4.0, 2.0, 3)
    assert statistics.count == 4
    assert statistics.mean == pytest.approx(3.0)  # (1*0 + 3*4) / 4
    assert statistics.var == pytest.approx((1 + 6) / 4 + 3.0)  # within plus between: 16 * 1*3 / 4**2


def test_tiles():
    images = [np.full((1, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    np.testing.assert_array_equal(tile_images(images)[..., 0], [[1, 1, 2, 2], [3, 3, 0, 0]])
    assert tile_images(images[:2]).shape == (2, 2, 3)
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        tile_images(np.zeros((3, 3)))
    with pytest.raises(ValueError):
        tile_images(np.zeros((0, 2, 2, 3)))
