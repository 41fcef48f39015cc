"""Environments of every generation behind gymnasium's interface."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.envs.gym_compat import OldGymAdapter, ensure_gymnasium, render_env
from tests.common.vec_env_cases import Counter, OldCounter


class OldStyle(gymnasium.Env):
    """A subclass of gymnasium.Env that was never converted."""

    observation_space, action_space = Counter.observation_space, Counter.action_space

    def reset(self):
        return self.np_random.random(3).astype(np.float32)

    def step(self, action):
        return np.ones(3, np.float32), 2.0, True, {}


class HalfConverted(OldStyle):
    """Takes a seed, but its results have the old form."""

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        return np.zeros(3, np.float32)


def test_right_environment_is_returned_itself():
    env = gymnasium.make("CartPole-v1")
    assert ensure_gymnasium(env) is env
    counter = Counter()
    assert ensure_gymnasium(counter) is counter


@pytest.mark.parametrize("thing", [3, Counter, object()])
def test_other_objects_are_refused(thing):
    with pytest.raises(TypeError, match="expected an environment"):
        ensure_gymnasium(thing)
    with pytest.raises(TypeError, match="vectorized"):
        ensure_gymnasium(DummyVecEnv([Counter]))


def test_gym_021():
    old = OldCounter()
    env = ensure_gymnasium(old)
    assert isinstance(env, OldGymAdapter) and isinstance(env, gymnasium.Env)
    obs, info = env.reset(seed=3)
    assert old.seeds == [3] and obs.shape == (3,) and info == {}
    env.reset()
    assert old.seeds == [3]
    assert env.step(0)[1:4] == (1.0, False, False)
    assert env.step(0)[1:4] == (1.0, False, True)  # info["TimeLimit.truncated"]
    assert env.time == 2 and env.unwrapped is old
    env.set_wrapper_attr("time", 0)
    assert old.time == 0
    env.close()
    assert old.closed


def test_gym_026():
    class Modern(OldCounter):
        def reset(self, *, seed=None, options=None):
            self.given = seed, options
            return np.zeros(3, np.float32), {"fresh": True}

        def step(self, action):
            return np.ones(3, np.float32), 1.0, False, True, {}

    env = ensure_gymnasium(Modern())
    assert env.reset(seed=4, options={"a": 1})[1] == {"fresh": True}
    assert env.given == (4, {"a": 1})
    assert env.step(0)[2:4] == (False, True)


def test_unconverted_subclass_is_adapted_and_seeded():
    env = ensure_gymnasium(OldStyle())
    first, second = (env.reset(seed=5)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, env.reset()[0])
    assert env.step(0)[1:4] == (2.0, True, False)


def test_wrapper_around_an_unconverted_environment():
    class Passing(gymnasium.Wrapper):
        def reset(self, **kwargs):
            return self.env.reset(**kwargs)

    env = ensure_gymnasium(Passing(OldStyle()))
    assert isinstance(env, OldGymAdapter)
    np.testing.assert_array_equal(env.reset(seed=1)[0], env.reset(seed=1)[0])


@pytest.mark.parametrize("make", [OldStyle, HalfConverted, OldCounter])
def test_old_forms_work_in_a_dummy_vec_env(make):
    env = DummyVecEnv([make, make])
    env.seed(0)
    assert env.reset().shape == (2, 3)
    for _ in range(2):
        obs, rewards, dones, infos = env.step([0, 0])
    assert obs.shape == (2, 3) and dones.tolist() == [True, True] and rewards[0] > 0
    assert [info.get("TimeLimit.truncated", False) for info in infos] == [make is OldCounter] * 2
    assert infos[0]["terminal_observation"].shape == (3,)


def test_wrong_number_of_results():
    class Short(HalfConverted):
        def step(self, action):
            return np.ones(3, np.float32), 2.0, True

    env = DummyVecEnv([Short])
    env.reset()
    with pytest.raises(ValueError, match="got 3"):
        env.step([0])


def test_rendering():
    assert render_env(ensure_gymnasium(OldCounter()), "rgb_array")[0, 0, 0] == 7
    assert render_env(ensure_gymnasium(OldCounter()), "human") == "old human"
    assert render_env(Counter(render_mode="rgb_array"), "rgb_array").shape == (4, 6, 3)
    with pytest.raises(ValueError, match="render_mode='human'"):
        render_env(Counter(render_mode="rgb_array"), "human")
    with pytest.raises(ValueError, match="ansi"):
        render_env(Counter(), "ansi")


def test_environment_made_without_mode_is_switched():
    env = gymnasium.make("CartPole-v1")
    env.reset()
    image = render_env(env, "rgb_array")
    assert image.dtype == np.uint8 and image.shape == (400, 600, 3) and image.std() > 0
    env.close()
