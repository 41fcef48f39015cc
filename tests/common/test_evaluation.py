"""Evaluation, with environments whose returns and lengths are known."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.bench import Monitor
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.vec_env import DummyVecEnv


class Steps(gymnasium.Env):
    """Pays ``pay + action`` per step; the k-th episode (from 0) has ``length + growth * k`` steps."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(10)
    metadata = {"render_modes": ["human"]}
    render_mode = "human"

    def __init__(self, length=2, pay=0.0, growth=0, truncate=False):
        self.next_length, self.pay, self.growth, self.truncate = length, pay, growth, truncate
        self.resets = self.renders = 0

    def reset(self, *, seed=None, options=None):
        self.length, self.next_length, self.t = self.next_length, self.next_length + self.growth, 0
        self.resets += 1
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        end = self.t >= self.length
        reward = self.pay + float(action)
        return np.full(1, self.t, np.float32), reward, end and not self.truncate, end and self.truncate, {}

    def render(self):
        self.renders += 1


class Memory:
    """A model whose state counts its own steps since the last mask, and is also its action."""

    def __init__(self):
        self.masks = []

    def predict(self, observation, state=None, mask=None, deterministic=False):
        n = len(observation) if np.ndim(observation) > 1 else 1
        self.masks.append(None if mask is None else mask.tolist())
        state = np.zeros(n, int) if state is None else np.where(np.zeros(n) if mask is None else mask, 0, state)
        action = state if np.ndim(observation) > 1 else state[0]
        return action, state + 1


class Constant:
    """A model without memory that takes neither masks nor more arguments than needed."""

    def __init__(self):
        self.calls = []

    def predict(self, observation, state=None, deterministic=False):
        self.calls.append((np.array(observation), state, deterministic))
        return (np.ones(len(observation), int) if np.ndim(observation) > 1 else 1), None


@pytest.mark.parametrize("truncate", [False, True])
def test_single_environment(truncate):
    env, model = Steps(length=2, pay=0.5, growth=1, truncate=truncate), Constant()
    rewards, lengths = evaluate_policy(model, env, n_eval_episodes=3, return_episode_rewards=True)
    assert (rewards, lengths) == ([3.0, 4.5, 6.0], [2, 3, 4])
    assert env.resets == 3  # none after the last episode
    assert [call[0].tolist() for call in model.calls[:3]] == [[0.0], [1.0], [0.0]]
    assert all(call[1:] == (None, True) for call in model.calls)


def test_mean_and_deviation():
    mean, deviation = evaluate_policy(Constant(), Steps(2, growth=2), n_eval_episodes=2, deterministic=False)
    assert (mean, deviation) == (3.0, 1.0)


def test_vectorized_environments_play_fixed_shares():
    env = DummyVecEnv([lambda: Steps(1), lambda: Steps(10), lambda: Steps(4)])
    rewards, lengths = evaluate_policy(Constant(), env, n_eval_episodes=7, return_episode_rewards=True)
    assert lengths == [1, 1, 4, 4, 10, 4, 10]  # the first 7 to end would be five of length 1
    assert rewards == [float(length) for length in lengths]
    assert len(evaluate_policy(Constant(), env, n_eval_episodes=2, return_episode_rewards=True)[1]) == 2


def test_one_vectorized_environment_equals_a_single_one():
    single = evaluate_policy(Constant(), Steps(3, 0.25, 2), 4, return_episode_rewards=True)
    vec_env = DummyVecEnv([lambda: Steps(3, 0.25, 2)])
    assert single == evaluate_policy(Constant(), vec_env, 4, return_episode_rewards=True)


def test_gymnasium_vector_environment():
    env = gymnasium.vector.SyncVectorEnv([lambda: Steps(2), lambda: Steps(3)])
    assert evaluate_policy(Constant(), env, 4, return_episode_rewards=True)[1] == [2, 3, 2, 3]


def test_memory_starts_afresh_with_every_episode():
    model = Memory()
    rewards, _ = evaluate_policy(model, Steps(3), n_eval_episodes=2, return_episode_rewards=True)
    assert rewards == [0 + 1 + 2] * 2
    assert model.masks == [None, [False], [False]] * 2
    vec_env, model = DummyVecEnv([lambda: Steps(2), lambda: Steps(4)]), Memory()
    rewards, lengths = evaluate_policy(model, vec_env, n_eval_episodes=3, return_episode_rewards=True)
    assert sorted(zip(lengths, rewards, strict=True)) == [(2, 1.0), (4, 6.0), (4, 6.0)]
    assert model.masks[:4] == [None, [False, False], [True, False], [False, False]]


def test_callback_sees_every_step():
    seen = []

    def callback(local, global_):
        seen.append((local["reward"], local["done"], local["episode_reward"].tolist(), "evaluate_policy" in global_))

    evaluate_policy(Constant(), Steps(2), n_eval_episodes=2, callback=callback)
    assert seen == [(1.0, False, [1.0], True), (1.0, True, [2.0], True)] * 2


def test_render():
    env = Steps(3)
    evaluate_policy(Constant(), env, n_eval_episodes=2, render=True)
    assert env.renders == 6


def test_reward_threshold():
    assert evaluate_policy(Constant(), Steps(2), reward_threshold=1.9)[0] == 2.0
    with pytest.raises(RuntimeError, match="2.00 is not above reward_threshold=2"):
        evaluate_policy(Constant(), Steps(2), reward_threshold=2)


def test_monitor_without_early_resets_can_be_evaluated_twice():
    env = Monitor(Steps(2), None, allow_early_resets=False)
    for _ in range(2):
        assert evaluate_policy(Constant(), env, n_eval_episodes=2) == (2.0, 0.0)
    assert env.get_episode_lengths() == [2] * 4


def test_old_api_environment():
    class Old:
        observation_space, action_space, metadata, spec = Steps.observation_space, Steps.action_space, {}, None

        def reset(self):
            self.t = 0
            return np.zeros(1, np.float32)

        def step(self, action):
            self.t += 1
            return np.zeros(1, np.float32), 2.0, self.t == 4, {}

    assert evaluate_policy(Constant(), Old(), n_eval_episodes=2) == (8.0, 0.0)


def test_bad_number_of_episodes():
    with (
        pytest.warns(UserWarning, match="n_eval_episodes=0: the mean of no episodes is NaN"),
        np.errstate(all="ignore"),
    ):
        assert np.isnan(evaluate_policy(Constant(), Steps(2), n_eval_episodes=0)[0])
