import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("discrete_obs_space", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_follows_gymnasium(continuous, discrete_obs_space):
    check_env(BitFlippingEnv(4, continuous, None, discrete_obs_space), skip_render_check=True)


def test_flipping_all_zeros_terminates_with_success():
    env = BitFlippingEnv(5, max_steps=50)
    obs, _ = env.reset(seed=0)
    env.state[:] = obs["observation"][:] = [1, 0, 1, 0, 0]
    missing = [1, 3, 4]
    for count, bit in enumerate(missing, start=1):
        before = obs["observation"]
        obs, reward, terminated, truncated, info = env.step(bit)
        assert np.flatnonzero(obs["observation"] != before).tolist() == [bit]
        done = count == len(missing)
        assert (reward, terminated, truncated, info["is_success"]) == (0.0 if done else -1.0, done, False, done)
    np.testing.assert_array_equal(obs["achieved_goal"], obs["desired_goal"])


def test_continuous_actions_flip_several_bits():
    env = BitFlippingEnv(3, continuous=True)
    obs, _ = env.reset(seed=0)
    new = env.step(np.array([0.5, -0.5, 0.1]))[0]["observation"]
    assert (new != obs["observation"]).tolist() == [True, False, True]


def test_is_truncated_after_max_steps():
    env = BitFlippingEnv(8)
    env.reset(seed=0)
    env.state[:] = 0
    ends = [env.step(i % 2)[2:4] for i in range(8)]
    assert ends == [(False, False)] * 7 + [(False, True)]
    assert BitFlippingEnv(8, max_steps=3).max_steps == 3


def test_discrete_observations_are_within_their_space():
    env = BitFlippingEnv(3, discrete_obs_space=True)
    assert env.convert_if_needed(np.array([1, 0, 1])) == 5
    obs, _ = env.reset(seed=0)
    assert obs["desired_goal"] == 7 and env.observation_space.contains(obs)


def test_rewards_of_batches():
    env = BitFlippingEnv(2)
    achieved = np.array([[1, 1], [0, 1], [1, 1]])
    assert env.compute_reward(achieved, np.ones((3, 2)), None).tolist() == [0.0, -1.0, 0.0]
    assert env.compute_reward(achieved[1], np.ones(2), None) == -1.0
    discrete = BitFlippingEnv(2, discrete_obs_space=True)
    assert discrete.compute_reward(3, 3, None) == 0.0
    assert discrete.compute_reward(np.array([3, 1]), 3, None).tolist() == [0.0, -1.0]


def test_render(capsys):
    env = BitFlippingEnv(3)
    image = env.render("rgb_array")
    np.testing.assert_array_equal(image, env.state)
    assert not np.shares_memory(image, env.state)
    assert env.render() is None and str(env.state) in capsys.readouterr().out
    assert BitFlippingEnv(3, render_mode="rgb_array").render().shape == (3,)
