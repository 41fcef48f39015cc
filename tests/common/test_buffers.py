import json
import random

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer, check_rewards
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines_tf2.core import replay
from tests.helpers import RandomEnv, box

IMAGE, VECTOR = (16, 16, 4), (3,)  # kept once, kept twice


class Reference:
    """What a ring of transitions means, without any trick."""

    def __init__(self, size):
        self.size, self.rows, self.next = size, [], 0

    def extend(self, *columns):
        for row in zip(*columns, strict=True):
            row = tuple(np.array(value) for value in row)
            self.rows[self.next : self.next + 1] = [row]
            self.next = (self.next + 1) % self.size


def assert_same(buffer, reference):
    assert len(buffer) == len(reference.rows)
    if reference.rows:
        expected = [np.array(column) for column in zip(*reference.rows, strict=True)]
        for got, wanted in zip(buffer.gather(np.arange(len(buffer))), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


class Stream:
    """Steps of N environments; by chance an episode ends, or something comes that follows nothing."""

    def __init__(self, shape, n, seed):
        self.shape, self.n, self.rng = shape, n, np.random.default_rng(seed)
        self.obs = self.observe()

    def observe(self):
        return self.rng.integers(0, 256, (self.n, *self.shape), np.uint8)

    def step(self, p_break=0.2):
        obs, next_obs = self.obs, self.observe()
        if self.rng.random() < 0.1:
            next_obs[0] = obs[0]  # nothing moved
        done = self.rng.random(self.n) < p_break
        self.obs = np.where(done.reshape(-1, *[1] * len(self.shape)), self.observe(), next_obs)
        return obs, self.rng.integers(0, 5, self.n), self.rng.normal(size=self.n), next_obs, done


@pytest.mark.parametrize("shape", [IMAGE, VECTOR])
@pytest.mark.parametrize(("size", "n"), [(1, 1), (2, 3), (7, 1), (7, 2), (7, 7), (7, 5), (20, 3), (7, 16)])
def test_every_transition_reads_as_it_was_stored(shape, size, n):
    buffer, reference, stream = ReplayBuffer(size), Reference(size), Stream(shape, n, seed=size)
    for number in range(60):
        columns = stream.step()
        if number % 17 == 16:  # from elsewhere, in another number
            columns = tuple(np.concatenate([column, column[::-1]]) for column in columns)
        if len(columns[0]) == 1:
            buffer.add(*(column[0] for column in columns))
        else:
            buffer.extend(*columns)
        reference.extend(*columns)
        assert_same(buffer, reference)
    assert buffer.is_full()


def test_arrays_that_change_after_they_were_stored():
    buffer, reference = ReplayBuffer(5), Reference(5)
    obs, next_obs = np.zeros(IMAGE, np.uint8), np.zeros(IMAGE, np.uint8)
    for step in range(12):  # an environment that always returns the same two arrays
        obs[:], next_obs[:] = step, step + 1
        buffer.add(obs, step, 0.5, next_obs, False)
        reference.extend([obs.copy()], [step], [0.5], [next_obs.copy()], [False])
    obs[:] = next_obs[:] = 99
    assert_same(buffer, reference)


def test_images_are_kept_once():
    buffer, stream = ReplayBuffer(50), Stream(IMAGE, 2, seed=0)
    for _ in range(100):
        buffer.extend(*stream.step(p_break=0.05))
    _, arrays = buffer.get_state()
    n_ends = int(arrays["dones"].sum())
    assert arrays["obs"].shape == (50, *IMAGE)
    assert 48 <= len(buffer)
    assert n_ends - 2 <= len(arrays["apart_obs"]) <= n_ends
    assert n_ends < 10
    assert len(arrays["last_obs"]) == 2
    for row in range(50):  # batches of rows, of any shape
        batch = buffer.gather(np.array([[row, 0], [row, row]]))
        assert batch[0].shape == (2, 2, *IMAGE)
        np.testing.assert_array_equal(batch[3][0, 0], batch[3][1, 1])


def test_images_of_floats_compare_by_bytes():
    buffer = ReplayBuffer(4)
    image = np.full((300,), np.nan)
    zero, minus_zero = np.zeros(300), -np.zeros(300)
    buffer.add(image, 0, 0.0, image, False)
    buffer.add(image, 0, 0.0, minus_zero, False)
    buffer.add(zero, 0, 0.0, zero, False)
    assert len(buffer.get_state()[1]["apart_obs"]) == 1  # the second: -0 is equal to 0, but not the same
    next_obs = buffer.gather(np.arange(3))[3]
    assert np.isnan(next_obs[0]).all()
    assert np.signbit(next_obs[1]).all()
    assert not np.signbit(next_obs[2]).any()


@pytest.mark.parametrize("shape", [IMAGE, VECTOR])
def test_dtypes_are_those_of_what_was_added(shape):
    obs = np.ones(shape, np.uint8)
    buffer = ReplayBuffer(6)
    buffer.add(obs, 2, 1, obs, False)
    assert [column.dtype for column in buffer.sample(2)] == [np.uint8, np.int64, np.int64, np.uint8, bool]
    buffer.add(obs, 3, 0.5, obs / 2, 1.0)  # what needs more gets it
    obs_t, actions, rewards, obs_tp1, dones = buffer.gather(np.arange(2))
    assert [column.dtype for column in (obs_t, rewards, dones)] == [np.float64, np.float64, np.float64]
    assert (rewards.tolist(), actions.tolist(), dones.tolist()) == ([1.0, 0.5], [2, 3], [0.0, 1.0])
    assert [column.flat[0] for column in obs_tp1] == [1.0, 0.5]
    assert [column.flat[0] for column in obs_t] == [1.0, 1.0]


def test_a_space_fixes_the_dtype():
    buffer = ReplayBuffer(3, gymnasium.spaces.Box(-1, 1, (2,), np.float32))
    buffer.add(np.array([0.1, 0.2]), np.zeros(1, np.float32), 1.0, [0.3, 0.4], True)
    obs, _, rewards, next_obs, _ = buffer.sample(1)
    assert (obs.dtype, next_obs.dtype, rewards.dtype) == (np.float32, np.float32, np.float64)
    np.testing.assert_array_equal(next_obs, np.array([[0.3, 0.4]], np.float32))


def test_storage_reads_like_a_list():
    buffer = ReplayBuffer(3)
    assert list(buffer.storage) == []
    for number in range(4):
        buffer.add(number, 10 * number, 0.5 * number, number + 1, number == 2)
    assert [int(row[0]) for row in buffer.storage] == [3, 1, 2]
    assert buffer.storage[-1] == (2, 20, 1.0, 3, True)
    assert buffer.storage[1:] == [buffer.storage[1], buffer.storage[2]]
    with pytest.raises(IndexError, match="holds 3 transitions, got the index 3"):
        buffer.storage[3]


def filled(cls=ReplayBuffer, *args, n=10, shape=()):
    buffer = cls(n, *args)
    rows = np.arange(n)
    obs = np.broadcast_to(rows.reshape(-1, *[1] * len(shape)), (n, *shape))
    buffer.extend(obs, rows, rows / 2, obs + 1, rows == 5)
    return buffer


def test_draws_are_those_of_random_randint():
    for n in (1, 2, 7, 64, 100):
        buffer = filled(n=n)
        random.seed(n)
        expected = [random.randint(0, n - 1) for _ in range(50)]
        random.seed(n)
        assert buffer.sample(30)[0].tolist() == expected[:30]
        assert buffer.sample_indices(4, 5).tolist() == np.reshape(expected[30:], (4, 5)).tolist()


def test_a_generator_drives_the_draws_alone():
    buffer, state = filled(), random.getstate()
    first = buffer.sample(20, generator=np.random.default_rng(1))[0]
    np.testing.assert_array_equal(first, buffer.sample(20, generator=np.random.default_rng(1))[0])
    idxes = buffer.sample_indices(1000, 10, np.random.default_rng(2))
    assert idxes.shape == (1000, 10)
    np.testing.assert_allclose(np.bincount(idxes.ravel()) / 10_000, 0.1, atol=0.01)
    assert random.getstate() == state


def test_normalization():
    env = VecNormalize(DummyVecEnv([lambda: RandomEnv(box(2), gymnasium.spaces.Discrete(2))]), clip_obs=2.0)
    env.obs_rms.mean, env.obs_rms.var = np.array([1.0, 2.0]), np.array([4.0, 0.25])
    env.ret_rms.var = np.array(4.0)
    buffer = ReplayBuffer(1)
    buffer.add(np.array([2.0, 2.5], np.float32), 1, 3.0, np.array([1.0, 9.0], np.float32), False)
    obs, _, rewards, next_obs, _ = buffer.sample(1, env=env)
    np.testing.assert_allclose(obs, [[0.5, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(next_obs, [[0.0, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(rewards, [1.5], rtol=1e-6)
    np.testing.assert_array_equal(buffer.sample(1)[0], [[2.0, 2.5]])


# ----------------------------------------------------------------------------------------------------------- priorities
def test_priorities_decide_the_draws():
    buffer = filled(PrioritizedReplayBuffer, 0.5)
    buffer.update_priorities(np.arange(10), np.arange(1, 11) ** 2.0)
    idxes = buffer.sample_indices(2000, 5, np.random.default_rng(0))
    frequencies = np.arange(1, 10) / 45  # the last row is out, as in the original
    np.testing.assert_allclose(np.bincount(idxes.ravel(), minlength=10) / 10_000, [*frequencies, 0.0], atol=0.01)
    np.testing.assert_allclose(buffer.weights(np.arange(10), 1.0), 1 / np.arange(1, 11))
    np.testing.assert_allclose(buffer.weights(np.array([[3], [0]]), 0.5), [[0.5], [1.0]])
    np.testing.assert_array_equal(buffer.weights(np.arange(10), 0.0), np.ones(10))


def test_new_transitions_get_the_highest_priority():
    buffer = PrioritizedReplayBuffer(4, 1.0)
    buffer.extend(*[np.arange(3)] * 5)
    buffer.update_priorities([0, 1, 1], [0.25, 9.0, 2.0])
    buffer.extend(*[np.arange(6)] * 5)  # replaces everything at once
    np.testing.assert_array_equal(buffer.weights(np.arange(4), 1.0), np.ones(4))
    buffer.update_priorities([0], [3.0])
    np.testing.assert_allclose(buffer.weights(np.arange(4), 1.0), [1.0, 1 / 3, 1 / 3, 1 / 3])


def test_prioritized_draws_are_those_of_the_masses():
    buffer = filled(PrioritizedReplayBuffer, 0.7)
    np.random.seed(3)
    masses = np.random.random(8) * 9
    np.random.seed(3)
    obs, _, _, _, _, weights, idxes = buffer.sample(8, beta=0.4)
    np.testing.assert_array_equal(idxes, masses.astype(int))
    np.testing.assert_array_equal(obs, idxes)
    np.testing.assert_array_equal(weights, np.ones(8))
    assert filled(PrioritizedReplayBuffer, 0.7, n=1).sample(3)[-1].tolist() == [0, 0, 0]


# ---------------------------------------------------------------------------------------------------------------- state
@pytest.mark.parametrize("shape", [IMAGE, VECTOR])
@pytest.mark.parametrize("steps", [0, 1, 30])
@pytest.mark.parametrize("alpha", [None, 0.6])
def test_a_restored_buffer_goes_on_bit_for_bit(shape, steps, alpha):
    def make():
        return ReplayBuffer(20) if alpha is None else PrioritizedReplayBuffer(20, alpha)

    def go_on(buffer, stream, rng):
        batches = []
        for _ in range(30):
            buffer.extend(*stream.step())
            batches.append(buffer.sample(5, generator=rng))
            if alpha is not None:
                buffer.update_priorities(batches[-1][-1], rng.random(5) + 0.1)
        return batches

    buffer = make()
    stream = Stream(shape, 3, seed=0)
    for _ in range(steps):
        buffer.extend(*stream.step())
    if alpha is not None and steps:
        buffer.update_priorities(np.arange(len(buffer)), np.linspace(0.5, 2.0, len(buffer)))
    state, arrays = buffer.get_state()
    state, arrays = json.loads(json.dumps(state)), {name: array.copy() for name, array in arrays.items()}
    assert all(len(array) <= len(buffer) for array in arrays.values())
    restored = make()
    restored.extend(*Stream(shape, 3, seed=9).step())  # what was there before is forgotten
    restored.set_state(state, arrays)
    expected = go_on(buffer, Stream(shape, 3, seed=1), np.random.default_rng(1))
    got = go_on(restored, Stream(shape, 3, seed=1), np.random.default_rng(1))
    for first, second in zip(expected, got, strict=True):
        for wanted, array in zip(first, second, strict=True):
            assert wanted.dtype == array.dtype
            np.testing.assert_array_equal(wanted, array)


def test_damaged_states_are_refused_and_change_nothing():
    buffer, stream = PrioritizedReplayBuffer(8, 0.5), Stream(IMAGE, 2, seed=0)
    for _ in range(7):
        buffer.extend(*stream.step())
    state, arrays = buffer.get_state()
    before = buffer.gather(np.arange(8))
    next_row = arrays["next_row"].copy()
    next_row[0] = 8
    for wrong, message in [
        (({**state, "size": 9}, arrays), "of size 9, this one's is 8"),
        (({**state, "alpha": 0.4}, arrays), "alpha 0.4, this one's is 0.5"),
        (({**state, "length": 7}, arrays), r"priorities must be float64\[7\]"),
        (({**state, "next_row": 8}, arrays), "damaged"),
        (({**state, "more": 1}, arrays), "more"),
        (({**state, "next_row": 1.0}, arrays), "damaged"),
        ((state, {**arrays, "obs": arrays["obs"][:5]}), r"obs must be uint8\[8, 16, 16, 4\]"),
        ((state, {**arrays, "next_row": next_row}), "contradict"),
        ((state, {**arrays, "last_rows": arrays["last_rows"] + 1}), "contradict"),
        ((state, {**arrays, "priorities": -arrays["priorities"]}), "must be positive"),
        ((state, {name: array for name, array in arrays.items() if name != "dones"}), "lacks the array 'dones'"),
        (ReplayBuffer(8).get_state(), "priorities"),
    ]:
        with pytest.raises(ValueError, match=message):
            buffer.set_state(*wrong)
        for array, wanted in zip(buffer.gather(np.arange(8)), before, strict=True):
            np.testing.assert_array_equal(array, wanted)
    with pytest.raises(ValueError, match="state of a ReplayBuffer"):
        ReplayBuffer(8).set_state(state, arrays)


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ReplayBuffer(0), ValueError, "size must be positive, got 0"),
        (lambda: ReplayBuffer(-1), ValueError, "size must be positive, got -1"),
        (lambda: ReplayBuffer(2.5), TypeError, "size must be an integer, got 2.5"),
        (lambda: ReplayBuffer(3, gymnasium.spaces.Dict(a=box(1))), TypeError, "must be of arrays"),
        (lambda: PrioritizedReplayBuffer(3, -0.1), ValueError, "alpha must be .* at least 0, got -0.1"),
        (lambda: PrioritizedReplayBuffer(3, float("nan")), ValueError, "alpha must be .*, got nan"),
        (lambda: ReplayBuffer(3).sample(1), ValueError, "empty"),
        (lambda: PrioritizedReplayBuffer(3, 0.5).sample(1), ValueError, "empty"),
        (lambda: filled().sample(0), ValueError, "batch_size must be positive, got 0"),
        (lambda: filled().sample_indices(-2, 4), ValueError, "n_batches must be positive, got -2"),
        (lambda: filled().gather(np.array([10])), IndexError, r"in \[0, 9\], got 10 to 10"),
        (lambda: filled().gather([-1, 2]), IndexError, r"in \[0, 9\], got -1 to 2"),
        (lambda: ReplayBuffer(3).gather(np.zeros(0, int)), IndexError, "empty"),
        (lambda: filled().gather(np.zeros(2)), TypeError, "must be integers, got dtype float64"),
        (lambda: filled().add([1, 2], 0, 0, 0, 0), ValueError, r"each obs_t must have the shape \[\], got \[2\]"),
        (lambda: filled().add(1, 0, 0, [3], 0), ValueError, r"each obs_tp1 must have the shape \[\], got \[1\]"),
        (lambda: filled().add(1, [0, 1], 0, 3, 0), ValueError, r"each action must have the shape \[\], got \[2\]"),
        (lambda: filled().add(1, 0, [0.5], 3, 0), ValueError, r"each reward must have the shape \[\], got \[1\]"),
        (lambda: filled().add("one", 0, 0.5, 3, 0), TypeError, "obs_t must be numeric"),
        (lambda: filled().add(1, None, 0.5, 3, 0), TypeError, "action must be numeric, got dtype object"),
        (lambda: filled().extend([1], [1, 2], [1], [1], [1]), ValueError, "as many values of each kind"),
        (lambda: filled().extend(1, 1, 1, 1, 1), ValueError, "as many values of each kind"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("idxes", "priorities", "error", "message"),
    [
        ([0, 1], [1.0], ValueError, "one priority per row"),
        ([0], [0.0], ValueError, "positive and finite, got 0.0"),
        ([0, 1], [1.0, float("nan")], ValueError, "positive and finite"),
        ([0], [float("inf")], ValueError, "positive and finite, got inf"),
        ([10], [1.0], IndexError, r"in \[0, 9\]"),
        ([-1], [1.0], IndexError, r"in \[0, 9\]"),
    ],
)
def test_bad_priorities(idxes, priorities, error, message):
    buffer = filled(PrioritizedReplayBuffer, 0.5)
    with pytest.raises(error, match=message):
        buffer.update_priorities(idxes, priorities)
    with pytest.raises(ValueError, match="beta must be .* at least 0, got -1"):
        buffer.sample(2, beta=-1)
    np.testing.assert_array_equal(buffer.weights(np.arange(10), 1.0), np.ones(10))


def test_a_refused_transition_leaves_no_trace():
    buffer, reference = ReplayBuffer(4), Reference(4)
    columns = Stream(IMAGE, 2, seed=0).step()
    buffer.extend(*columns)
    reference.extend(*columns)
    with pytest.raises(ValueError, match="obs_t"):
        buffer.add(np.zeros(3), 0, 0.0, np.zeros(3), False)
    buffer.extend([], [], [], [], [])
    assert_same(buffer, reference)


def test_rewards_must_be_finite():
    check_rewards(1.5)
    check_rewards(np.array([1.0, -3.0]))
    for rewards, message in [
        (float("inf"), "environment 0 returned inf"),
        (np.float32("nan"), "environment 0 returned nan"),
        (np.array([0.0, 1.0, -np.inf]), "environment 2 returned -inf"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_rewards(rewards)


def test_more_samples_than_transitions_is_no_error():
    assert sorted(set(filled(n=3).sample(64)[0].tolist())) == [0, 1, 2]
    assert filled(n=3).can_sample(3)
    assert not filled(n=3).can_sample(4)


# --------------------------------------------------------------------------------------------------------------- memory
def test_memory_is_checked_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(replay, "system_memory", lambda: (2**20, 2**18))
    image = gymnasium.spaces.Box(0, 255, (32, 32), np.uint8)
    ReplayBuffer(256, image)  # just fits, as each image counts once
    with pytest.warns(UserWarning, match=r"size 257 with observations uint8\[32, 32\]"):
        ReplayBuffer(257, image)
    with pytest.raises(MemoryError, match="size 1025 "):
        ReplayBuffer(1025, image)
    with pytest.raises(MemoryError, match="size 20000 "):
        PrioritizedReplayBuffer(20_000, 0.5, box(8))  # each observation counts twice
    with pytest.raises(MemoryError, match="size 20000 "):  # without a space it shows later
        ReplayBuffer(20_000).add(np.zeros(8), 0, 0.0, np.zeros(8), False)
    monkeypatch.setattr(replay, "system_memory", lambda: None)
    assert ReplayBuffer(20_000, image).buffer_size == 20_000


def test_system_memory():
    total, free = replay.system_memory()
    assert 2**27 < free <= total < 2**50


def test_system_memory_where_proc_is_missing(monkeypatch):
    def no_file(*_args, **_kwargs):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", no_file)
    total, free = replay.system_memory()
    assert 2**27 < free <= total < 2**50
    monkeypatch.delattr(replay.os, "sysconf")
    assert replay.system_memory() is None
