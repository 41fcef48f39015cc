"""Vector environments of gymnasium as legacy vectorized environments."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from stable_baselines_tf2.common.vec_env import DummyVecEnv, GymnasiumVecEnv, NotSteppingError, VecCheckNan
from tests.common.vec_env_cases import Counter, DictCounter, NotANumber

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def carts(n=3):
    return [lambda: gymnasium.make("CartPole-v1", max_episode_steps=25)] * n


def rollout(env, steps=80):
    """Everything that happens under fixed actions."""
    env.seed(5)
    actions = np.random.default_rng(1).integers(0, 2, (steps, env.num_envs))
    history = [env.reset()]
    ends = []
    for action in actions:
        obs, rewards, dones, infos = env.step(action)
        history += [obs, rewards, dones]
        ends += [
            (info["terminal_observation"].tolist(), info.get("TimeLimit.truncated", False))
            for info in infos
            if "terminal_observation" in info
        ]
        assert [("terminal_observation" in info) for info in infos] == dones.tolist()
    env.close()
    return np.concatenate([np.ravel(item) for item in history]), ends


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cls", [SyncVectorEnv, AsyncVectorEnv])
def test_same_transitions_as_dummy_vec_env(cls, mode):
    expected, expected_ends = rollout(DummyVecEnv(carts()))
    found, ends = rollout(GymnasiumVecEnv(cls(carts(), autoreset_mode=mode)))
    np.testing.assert_array_equal(found, expected)
    assert ends == expected_ends and {truncated for _, truncated in ends} == {False, True}


@pytest.mark.parametrize("mode", MODES)
def test_arrays_that_the_environment_reuses(mode):
    env = GymnasiumVecEnv(SyncVectorEnv([Counter, lambda: Counter(1)], copy=False, autoreset_mode=mode))
    first = env.reset()
    second = env.step([2, 3])[0]
    env.step([1, 1])
    _, _, dones, infos = env.step([4, 4])
    assert first.tolist() == [[0, -1, -1], [1, -1, -1]] and second.tolist() == [[1, 2, -1], [2, 3, -1]]
    assert dones.all() and infos[0]["t"] == 3
    if mode is AutoresetMode.NEXT_STEP:  # in the other mode it is gone before gymnasium returns
        assert infos[0]["terminal_observation"].tolist() == [3, 4, -1]


@pytest.mark.parametrize("mode", MODES)
def test_dict_observations_and_infos(mode):
    env = GymnasiumVecEnv(RecordEpisodeStatistics(SyncVectorEnv([DictCounter] * 2, autoreset_mode=mode)))
    env.reset()
    for _ in range(3):
        obs, rewards, dones, infos = env.step([2, 1])
    assert obs["a"].tolist() == [0, 0] and infos[0]["terminal_observation"]["a"] == 3 and dones.all()
    assert (infos[0]["episode"]["r"], infos[1]["episode"]["r"], infos[0]["episode"]["l"]) == (6, 3, 3)
    assert env.step([0, 0])[0]["a"].tolist() == [1, 1]
    env.step([3, 3])
    assert env.step([4, 0])[3][0]["episode"]["r"] == 7  # of the second episode, whole


@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_episodes_that_go_on(mode):
    vector_env = SyncVectorEnv([lambda: Counter(length=2), lambda: Counter(length=5)], autoreset_mode=mode)
    env = GymnasiumVecEnv(RecordEpisodeStatistics(vector_env))
    env.reset()
    for _ in range(5):
        infos = env.step([1, 3])[3]
    assert infos[1]["episode"]["r"] == 15 and infos[1]["episode"]["l"] == 5


def test_environment_that_ignores_the_mask_is_refused():
    env = GymnasiumVecEnv(gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"))
    env.seed(0)
    env.reset()
    with pytest.raises(RuntimeError, match="reset_mask.*SAME_STEP"):
        for _ in range(100):
            env.step([0, 1, 0])


def test_refusals():
    with pytest.raises(ValueError, match="DISABLED"):
        GymnasiumVecEnv(SyncVectorEnv([Counter], autoreset_mode=AutoresetMode.DISABLED))
    with pytest.raises(TypeError, match="Counter"):
        GymnasiumVecEnv(Counter())
    env = GymnasiumVecEnv(SyncVectorEnv([Counter]))
    env.reset()
    with pytest.raises(NotSteppingError):
        env.step_wait()


def test_attributes_methods_images():
    makers = [lambda start=start: Counter(start, render_mode="rgb_array") for start in (0, 1)]
    env = GymnasiumVecEnv(SyncVectorEnv(makers))
    assert env.get_attr("start") == [0, 1] and env.get_attr("start", 1) == [1] and callable(env.get_attr("add")[0])
    env.set_attr("start", 8, indices=0)
    assert env.get_attr("start") == [8, 1]
    assert env.env_method("add", 1, times=2) == [10, 3] and env.env_method("add", 1, indices=1) == [2]
    assert env.render("rgb_array").shape == (8, 6, 3)
    env.close()


def test_async_attributes_and_methods():
    env = GymnasiumVecEnv(AsyncVectorEnv([Counter, lambda: Counter(1)]))
    assert env.get_attr("start", 1) == [1] and env.env_method("add", 1) == [1, 2]
    env.set_attr("start", 5, indices=1)
    assert env.get_attr("start") == [0, 5]
    with pytest.raises(NotImplementedError, match="indices"):
        env.env_method("add", 1, indices=0)
    env.close()


def test_nan_is_caught():
    env = VecCheckNan(GymnasiumVecEnv(SyncVectorEnv([Counter, NotANumber])), raise_exception=True)
    env.reset()
    env.step([0, 0])
    with pytest.raises(ValueError, match="nan in observations of environment 1"):
        env.step([0, 0])


@pytest.mark.parametrize("mode", MODES)
def test_native_atari(mode):
    atari = pytest.importorskip("ale_py.vector_env").AtariVectorEnv
    env = GymnasiumVecEnv(atari("breakout", 3, autoreset_mode=mode, episodic_life=True))
    assert env.seed(2) == [2, 3, 4]
    obs = env.reset()
    assert obs.shape == (3, 4, 84, 84) and obs.dtype == np.uint8
    rng = np.random.default_rng(0)
    kept, ended = obs.copy(), 0
    for _ in range(150):
        new, rewards, dones, infos = env.step(rng.integers(0, 4, 3))
        for index in np.flatnonzero(dones):
            assert infos[index]["terminal_observation"].shape == (4, 84, 84)
            assert not np.array_equal(infos[index]["terminal_observation"], new[index])
        ended += int(dones.sum() < 3 and dones.any())
    np.testing.assert_array_equal(obs, kept)
    assert ended > 2 and rewards.dtype == np.float32 and infos[0]["lives"] in range(6)
    env.close()


def test_batches_of_some_environments_are_refused():
    atari = pytest.importorskip("ale_py.vector_env").AtariVectorEnv
    with pytest.raises(ValueError, match="batch_size is 2"):
        GymnasiumVecEnv(atari("pong", 4, batch_size=2))
