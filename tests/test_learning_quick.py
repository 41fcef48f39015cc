"""Learning: small tasks that are solved within seconds."""

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import A2C, ACER, ACKTR, PPO2
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.identity_env import IdentityEnv, IdentityEnvBox
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from tests.helpers import RandomEnv, box

PPO = dict(n_steps=32, nminibatches=4, noptepochs=4, learning_rate=3e-3, gamma=0.0, ent_coef=0.0, seed=0)
SMALL = dict(policy_kwargs=dict(net_arch=[16]))


@pytest.mark.parametrize("space", [spaces.Discrete(4), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)])
def test_identity(space):
    env = DummyVecEnv([lambda: IdentityEnv(space=space, ep_length=50)] * 4)
    model = PPO2("MlpPolicy", env, **PPO, **SMALL)
    model.learn(128 * 30)
    assert evaluate_policy(model, env, n_eval_episodes=4)[0] > 49


def test_identity_with_a2c():
    env = DummyVecEnv([lambda: IdentityEnv(4, ep_length=50)] * 4)
    model = A2C("MlpPolicy", env, gamma=0.0, n_steps=8, learning_rate=2e-2, ent_coef=0.0, seed=0, **SMALL)
    model.learn(32 * 150)
    assert evaluate_policy(model, env, n_eval_episodes=4)[0] > 49


def test_identity_with_acer():
    env = DummyVecEnv([lambda: IdentityEnv(4, ep_length=50)] * 4)
    model = ACER("MlpPolicy", env, gamma=0.0, n_steps=8, learning_rate=1e-2, replay_start=100, seed=0, **SMALL)
    model.learn(32 * 60)
    assert evaluate_policy(model, env, n_eval_episodes=4)[0] > 49


@pytest.mark.parametrize("space", [spaces.Discrete(4), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)])
def test_identity_with_acktr(space):
    env = DummyVecEnv([lambda: IdentityEnv(space=space, ep_length=50)] * 4)
    model = ACKTR("MlpPolicy", env, gamma=0.0, n_steps=8, ent_coef=0.0, lr_schedule="constant", seed=0, **SMALL)
    model.learn(32 * 100)
    assert evaluate_policy(model, env, n_eval_episodes=4)[0] > 49


def test_identity_with_continuous_actions():
    env = DummyVecEnv([lambda: IdentityEnvBox(eps=0.1)] * 4)
    model = PPO2("MlpPolicy", env, **{**PPO, "noptepochs": 8}, **SMALL)
    obs = np.linspace(-1, 1, 21, dtype=np.float32)[:, np.newaxis]
    before = np.abs(model.predict(obs, deterministic=True)[0] - obs).mean()
    model.learn(128 * 60)
    assert np.abs(model.predict(obs, deterministic=True)[0] - obs).mean() < 0.3 * before


class Recall(RandomEnv):
    """The first observation of an episode says which action pays at its third step; only a memory helps."""

    def __init__(self):
        super().__init__(box(2), spaces.Discrete(2))

    def _observe(self):
        return np.float32([self.sign if self.time == 0 else 0, self.time / 2])

    def reset(self, *, seed=None, options=None):
        self.time = 0
        if seed is not None or not hasattr(self, "random"):
            self.random = np.random.default_rng(seed)
        self.sign = self.random.choice([-1, 1])
        return self._observe(), {}

    def step(self, action):
        self.time += 1
        paid = self.time == 3 and action == (self.sign > 0)
        return self._observe(), float(paid), self.time == 3, False, {}


def test_memory():
    env = DummyVecEnv([Recall] * 16)
    arguments = {**PPO, "n_steps": 12, "gamma": 0.99, "learning_rate": 1e-2}
    model = PPO2("MlpLstmPolicy", env, **arguments, policy_kwargs=dict(n_lstm=8, net_arch=["lstm"]))
    model.learn(192 * 30)
    assert evaluate_policy(model, env, n_eval_episodes=64)[0] > 0.9  # 0.5 without a memory


def test_cartpole():
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = PPO2("MlpPolicy", env, n_steps=32, nminibatches=1, noptepochs=20, learning_rate=1e-3, lam=0.8, gamma=0.98,
                 ent_coef=0.0, seed=0)  # fmt: skip
    model.learn(25000)
    assert evaluate_policy(model, make_vec_env("CartPole-v1", n_envs=8, seed=100), n_eval_episodes=16)[0] > 300
