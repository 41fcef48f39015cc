"""Replay of trajectories."""

from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.acer.buffer import Buffer
from tests.helpers import box

N, T = 2, 3


def buffer(space=None, size=13):
    return Buffer(SimpleNamespace(num_envs=N, observation_space=space or box(4)), T, size)


def rollout(k, shape=(4,), dtype=np.float64):
    """A rollout whose numbers tell k, the environment and the step."""
    number = 100 * k + 10 * np.arange(N)[:, None] + np.arange(T + 1)
    obs = np.broadcast_to(number.reshape(N, T + 1, *[1] * len(shape)), (N, T + 1, *shape)).astype(dtype)
    actions, rewards = number[:, 1:] % 3, number[:, 1:] / 2
    mus = np.broadcast_to(number[:, 1:, None] / 1000, (N, T, 3))
    masks = number % 2 == 1
    return obs, actions, rewards, mus, masks[:, 1:], masks


def test_a_ring_of_rollouts():
    stored = buffer()
    assert stored.size == 4 and not stored.can_sample() and stored.has_atleast(2) and not stored.has_atleast(3)
    for k in range(6):
        stored.put(*rollout(k))
        assert stored.num_in_buffer == min(k + 1, 4) and stored.newest().tolist() == [[k % 4] * N]
    assert stored.next_idx == 2 and stored.has_atleast(14) and not stored.has_atleast(15)
    gathered = stored.gather(np.array([[0, 1], [3, 3]]))  # rollouts 4 and 5, and twice 3
    for array, mixed, third in zip(gathered, zip(rollout(4), rollout(5), strict=True), rollout(3), strict=True):
        np.testing.assert_array_equal(array[0, 0], mixed[0][0].astype(array.dtype))
        np.testing.assert_array_equal(array[0, 1], mixed[1][1].astype(array.dtype))
        np.testing.assert_array_equal(array[1], third.astype(array.dtype))
    assert [array.dtype for array in gathered] == [np.float32, np.int64, np.float32, np.float32, bool, bool]


def test_one_rollout_for_each_environment():
    stored = buffer()
    for k in range(3):
        stored.put(*rollout(k))
    np.random.seed(0)
    seen = set()
    for _ in range(60):
        obs, actions, rewards, mus, dones, masks = stored.get()
        first, second = (obs[:, 0, 0] // 100).astype(int)
        for array, one, other in zip(
            (obs, actions, rewards, mus, dones, masks), rollout(first), rollout(second), strict=True
        ):
            np.testing.assert_array_equal(array, np.stack([one[0], other[1]]).astype(array.dtype))
        seen.add((first, second))
    assert len(seen) == 9  # independent of each other
    draws = [stored.sample_indices(5, np.random.default_rng(3)).tolist() for _ in range(2)]
    assert draws[0] == draws[1] and np.shape(draws[0]) == (5, N)
    assert stored.sample_indices(0).shape == (0, N)
    assert [array.shape[:2] for array in stored.gather(stored.sample_indices(0))] == [(0, N)] * 6


@pytest.mark.parametrize(
    "space, shape, dtype, kept",
    [
        (box(8, 6, 2, low=0, high=255, dtype=np.uint8), (8, 6, 2), np.uint8, np.uint8),
        (box(5, dtype=np.float64), (5,), np.float64, np.float32),
        (spaces.Discrete(1000), (), np.int64, np.int64),
        (spaces.MultiBinary(3), (3,), np.int8, np.int8),
    ],
)
def test_types_of_observations(space, shape, dtype, kept):
    stored = buffer(space)
    given = rollout(0, shape, dtype)
    stored.put(*given)
    obs = stored.get()[0]
    assert obs.shape == (N, T + 1, *shape) and obs.dtype == kept
    np.testing.assert_array_equal(obs, given[0])
    np.testing.assert_array_equal(stored.decode(obs.reshape(N * (T + 1), -1)), obs)


def test_a_copy_goes_on_as_the_original():
    stored, other = buffer(), buffer()
    for n in range(7):
        state, arrays = stored.get_state()
        assert all(len(array) == min(n, 4) for array in arrays.values())
        other.set_state(state, {name: array.copy() for name, array in arrays.items()})
        for one in (stored, other):
            one.put(*rollout(n))
        idx = stored.sample_indices(6)
        for a, b in zip(stored.gather(idx), other.gather(idx), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_bad_input():
    with pytest.raises(ValueError, match=r"size must be at least n_steps \(3\), not 2"):
        buffer(size=2)
    with pytest.raises(MemoryError, match="GiB"):
        buffer(box(84, 84, 4, low=0, high=255, dtype=np.uint8), size=10**9)
    stored = buffer()
    with pytest.raises(ValueError, match="empty"):
        stored.get()
    stored.put(*rollout(0))
    before = stored.get_state()[1]["obs"].copy()
    for i, wrong, message in (
        (0, np.zeros((N, T, 4)), r"obs must be float32\[2, 4, 4\], got float64\[2, 3, 4\]"),
        (1, np.zeros((N, T)), r"actions must be int64\[2, 3\], got float64"),
        (3, np.zeros((N, T, 2)), "mus must be"),
        (5, np.zeros((N, T), bool), "masks must be"),
    ):
        given = list(rollout(1))
        given[i] = wrong
        with pytest.raises(ValueError, match=message):
            stored.put(*given)
    assert stored.num_in_buffer == 1
    np.testing.assert_array_equal(stored.get_state()[1]["obs"], before)


def test_damaged_states():
    stored = buffer()
    stored.put(*rollout(0))
    state, arrays = stored.get_state()
    for change, message in (
        (dict(size=5), "with size 5, this one's is 4"),
        (dict(n_env=3), "with n_env 3, this one's is 2"),
        (dict(n_steps=2), "with n_steps 2, this one's is 3"),
        (dict(num_in_buffer=2), "num_in_buffer 2, next_idx 1, size 4 is damaged"),
        (dict(next_idx=-1), "damaged"),
        (dict(num_in_buffer="1"), "damaged"),
        (dict(more=1), "the state of a Buffer has"),
    ):
        with pytest.raises(ValueError, match=message):
            stored.set_state({**state, **change}, arrays)
    with pytest.raises(ValueError, match="lacks the array 'mus'"):
        stored.set_state(state, {name: array for name, array in arrays.items() if name != "mus"})
    with pytest.raises(ValueError, match="masks must be"):
        stored.set_state(state, {**arrays, "masks": arrays["dones"]})
    assert stored.num_in_buffer == 1 and stored.get()[0].shape == (N, T + 1, 4)
