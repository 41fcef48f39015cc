import numpy as np
import pytest

from stable_baselines_tf2.common.segment_tree import MinSegmentTree, SegmentTree, SumSegmentTree, unique


def test_reductions_equal_those_of_an_array():
    rng = np.random.default_rng(0)
    array, sums, mins = np.zeros(16), SumSegmentTree(16), MinSegmentTree(16)
    for number in range(20):
        index = rng.integers(0, 16, size=5)
        value = rng.random(5)
        if number % 2:
            index, value = int(index[0]), float(value[0])
        array[index] = sums[index] = mins[index] = value
        filled = np.where(np.isin(np.arange(16), np.flatnonzero(array)), array, np.inf)
        for start in range(16):
            for end in range(start, 17):
                np.testing.assert_allclose(sums.sum(start, end), array[start:end].sum(), atol=1e-12)
                assert mins.min(start, end) == filled[start:end].min(initial=np.inf)
    assert sums.sum(2, -3) == pytest.approx(array[2:-3].sum())
    np.testing.assert_array_equal(sums[np.arange(16)], array)


def test_the_last_of_equal_indices_wins():
    tree = SumSegmentTree(4)
    tree[np.array([2, 1, 2])] = np.array([5.0, 1.0, 3.0])
    assert (tree[2], tree.sum()) == (3.0, 4.0)


def test_order_of_operands_is_kept():
    tree = SegmentTree(8, lambda left, right: left * 10.0 ** np.ceil(np.log10(right + 1)) + right, 0.0)  # joins digits
    for i in range(8):
        tree[i] = i + 1
    assert tree.reduce(1, 7) == 234567


def test_find_prefixsum_idx():
    tree = SumSegmentTree(4)
    tree[np.arange(3)] = np.array([1.0, 0.0, 2.0])
    assert tree.find_prefixsum_idx(np.array([0.0, 0.99, 1.0, 2.9])).tolist() == [0, 0, 2, 2]
    assert tree.find_prefixsum_idx(0.5).tolist() == [0]
    assert tree.find_prefixsum_idx([]).tolist() == []
    for wrong in (-0.1, 3.1, float("nan")):
        with pytest.raises(ValueError, match="prefixsum"):
            tree.find_prefixsum_idx(wrong)


def test_draws_in_proportion():
    tree = SumSegmentTree(8)
    tree[np.arange(4)] = np.array([1.0, 2.0, 3.0, 4.0])
    index = tree.find_prefixsum_idx(np.linspace(0, tree.sum(), 10_000, endpoint=False))
    np.testing.assert_allclose(np.bincount(index) / 10_000, [0.1, 0.2, 0.3, 0.4], atol=1e-3)


def test_one_item():
    tree = SumSegmentTree(1)
    tree[0] = 2.0
    assert (tree.sum(), tree[0], tree.find_prefixsum_idx(1.0).tolist()) == (2.0, 2.0, [0])


@pytest.mark.parametrize("capacity", [0, -4, 3, 12])
def test_capacity_must_be_a_power_of_two(capacity):
    with pytest.raises(ValueError, match="power of two"):
        MinSegmentTree(capacity)


def test_indices_out_of_range():
    tree = SumSegmentTree(4)
    for index in (-1, 4, np.array([0, 4]), np.array([-1, 0])):
        with pytest.raises(IndexError):
            tree[index]
        with pytest.raises(IndexError):
            tree[index] = 1.0
    for start, end in ((3, 2), (0, 5), (-1, 2)):
        with pytest.raises(IndexError):
            tree.sum(start, end)


def test_unique():
    assert unique(np.array([1, 1, 2, 5, 5, 5])).tolist() == [1, 2, 5]
    assert unique(np.array([3])).tolist() == [3]
    assert unique(np.array([])).tolist() == []
