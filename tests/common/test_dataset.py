import numpy as np
import pytest

from stable_baselines_tf2.common.dataset import Dataset, iterbatches


def test_rows_stay_together_and_the_given_arrays_unchanged():
    np.random.seed(0)
    given = {"x": np.arange(10), "y": 10 * np.arange(10)}
    data = Dataset(given)
    assert given["x"].tolist() == list(range(10))
    assert data.data_map["x"].tolist() != list(range(10)) and sorted(data.data_map["x"]) == list(range(10))
    np.testing.assert_array_equal(data.data_map["y"], 10 * data.data_map["x"])


def test_shuffles_as_np_random_does():
    np.random.seed(5)
    expected = np.arange(6)
    np.random.shuffle(expected)
    np.random.seed(5)
    assert Dataset({"x": np.arange(6)}).data_map["x"].tolist() == expected.tolist()


def test_next_batch_ends_short_and_starts_over():
    data = Dataset({"x": np.arange(5)}, shuffle=False)
    assert [data.next_batch(2)["x"].tolist() for _ in range(4)] == [[0, 1], [2, 3], [4], [0, 1]]


def test_iterate_once_drops_the_rest_and_always_begins_at_the_start():
    data = Dataset({"x": np.arange(5)}, shuffle=False)
    data.next_batch(3)
    for _ in range(2):
        assert [batch["x"].tolist() for batch in data.iterate_once(2)] == [[0, 1], [2, 3]]
    assert list(data.iterate_once(6)) == []


def test_subset():
    data = Dataset({"x": np.arange(5)}, shuffle=False).subset(3, shuffle=False)
    assert (data.n_samples, data.data_map["x"].tolist()) == (3, [0, 1, 2])


def test_arrays_must_match():
    for wrong in ({"x": np.zeros(3), "y": np.zeros(4)}, {}):
        with pytest.raises(ValueError, match="data_map"):
            Dataset(wrong)
    with pytest.raises(ValueError, match="number of rows"):
        list(iterbatches([np.zeros(3), np.zeros(4)], batch_size=2))
    for wrong in ({}, {"num_batches": 2, "batch_size": 3}):
        with pytest.raises(ValueError, match="num_batches"):
            list(iterbatches([np.zeros(3)], **wrong))


@pytest.mark.parametrize(
    "arguments, sizes",
    [
        ({"batch_size": 2}, [2, 2, 1]),
        ({"batch_size": 2, "include_final_partial_batch": False}, [2, 2]),
        ({"batch_size": 9}, [5]),
        ({"num_batches": 2}, [3, 2]),
        ({"num_batches": 2, "include_final_partial_batch": False}, [3]),
        ({"num_batches": 5, "include_final_partial_batch": False}, [1] * 5),
    ],
)
def test_iterbatches(arguments, sizes):
    batches = list(iterbatches([np.arange(5), 2 * np.arange(5)], **arguments))
    assert [len(x) for x, _ in batches] == sizes
    assert all((y == 2 * x).all() for x, y in batches)
    ordered = list(iterbatches([np.arange(5)], shuffle=False, **arguments))
    assert np.concatenate([x for (x,) in ordered]).tolist() == list(range(sum(sizes)))
