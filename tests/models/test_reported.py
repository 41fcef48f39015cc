"""What users of Stable Baselines reported as faults, and what those who come from there do."""

from __future__ import annotations

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from stable_baselines_tf2 import A2C, DQN, PPO2, SAC
from stable_baselines_tf2.bench import Monitor
from stable_baselines_tf2.common.policies import FeedForwardPolicy
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize


class Env(gym.Env):
    def __init__(self, dtype=np.float32, actions=None):
        self.observation_space = gym.spaces.Box(0, 200, (3,), dtype)
        self.action_space = actions or gym.spaces.Discrete(2)
        self.level, self.steps = 0, 0

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps % 10 == 0, False, {"episode": self.steps}


def test_set_attr_reaches_the_environment_in_a_monitor():
    venv = DummyVecEnv([lambda: gym.wrappers.OrderEnforcing(Monitor(Env(), None))])
    venv.set_attr("level", 3)
    assert venv.envs[0].unwrapped.level == 3
    venv.envs[0].env.set_wrapper_attr("level", 4)
    assert venv.envs[0].unwrapped.level == 4
    venv.set_attr("allow_early_resets", False)
    assert venv.envs[0].env.allow_early_resets is False
    venv.set_attr("new", 1)
    assert venv.get_attr("new") == [1]


def test_attributes_of_the_models_environment():
    env = Env(actions=gym.spaces.Box(-1, 1, (1,)))
    normalize = VecNormalize(DummyVecEnv([lambda: env]))
    model = SAC("MlpPolicy", normalize)
    model.env.level = 3
    model.env.training = False
    assert env.level == model.env.level == 3
    assert normalize.training is False and not hasattr(env, "training")


@pytest.mark.parametrize("algorithm", [A2C, DQN])
def test_assigning_the_environment(algorithm):
    first, second = Env(), Env()
    model = algorithm("MlpPolicy", first).learn(20)
    before = first.steps
    model.env = DummyVecEnv([lambda: second])
    model.learn(20, reset_num_timesteps=False)
    assert first.steps == before and second.steps >= 20
    with pytest.raises(ValueError, match="observation space"):
        model.env = gym.make("CartPole-v1")
    model.env = None
    with pytest.raises(ValueError, match="set_env"):
        model.learn(20)


@pytest.mark.parametrize("algorithm", [A2C, DQN])
def test_an_own_entry_episode_in_the_info(algorithm, tmp_path):
    model = algorithm("MlpPolicy", Env(), tensorboard_log=str(tmp_path)).learn(60)
    assert not model.ep_info_buf


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_normalized_integers_are_floats(dtype):
    venv = VecNormalize(DummyVecEnv([lambda: Env(dtype)]))
    assert venv.observation_space == gym.spaces.Box(0, 200, (3,), np.float32)
    stacked = VecFrameStack(venv, 2)
    assert stacked.reset().dtype == np.float32
    model = PPO2("MlpPolicy", venv, n_steps=8, nminibatches=1, noptepochs=1)
    assert model.learn(16).acting_policy.preprocessor.dtype == np.float32
    assert VecNormalize(DummyVecEnv([lambda: Env(dtype)]), norm_obs=False).observation_space.dtype == dtype


def test_actions_of_many_bits_are_floats():
    model = A2C("MlpPolicy", Env(actions=gym.spaces.MultiBinary(4)))
    for deterministic in (True, False):
        action = model.predict(np.zeros(3, np.float32), deterministic=deterministic)[0]
        assert action.dtype == np.float32 and set(action) <= {0.0, 1.0}


@pytest.mark.parametrize("algorithm", [A2C, DQN])
def test_probabilities_may_vanish_where_numpy_raises(algorithm):
    model = algorithm("MlpPolicy", Env())
    heads = ("pi/b:0", "action_value/fully_connected_2/biases:0")
    sure = {name: w + 200.0 * np.arange(2) for name, w in model.get_parameters().items() if name.endswith(heads)}
    model.load_parameters(sure, exact_match=False)
    with np.errstate(all="raise"):
        obs = np.zeros(3, np.float32)
        model.predict(obs, deterministic=False)
        assert model.action_probability(obs).max() == 1.0
        model.learn(20)


def test_load_with_a_policy(tmp_path):
    class Own(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs, net_arch=[8, 8], feature_extraction="mlp")

    A2C(Own, "CartPole-v1").save(tmp_path / "model")
    with pytest.raises(ValueError, match="'policy'.*custom_objects"):
        A2C.load(tmp_path / "model")
    assert A2C.load(tmp_path / "model", policy=Own).policy is Own


class Wave:
    """A schedule that no file can describe."""

    def __call__(self, progress):
        return 1e-3 * progress


def test_what_is_not_restored_is_missed_by_learn_only(tmp_path):
    model = PPO2("MlpPolicy", "CartPole-v1", learning_rate=Wave(), n_steps=16, nminibatches=1)
    model.save(tmp_path / "model")
    loaded = PPO2.load(tmp_path / "model", env="CartPole-v1")
    obs = np.zeros(4, np.float32)
    np.testing.assert_array_equal(loaded.action_probability(obs), model.action_probability(obs))
    for use in (lambda: loaded.learn(16), lambda: loaded.learning_rate(1.0)):
        with pytest.raises(ValueError, match="'learning_rate' of the model file holds a pickled.*allow_pickle"):
            use()
    loaded.save(tmp_path / "again")
    trusted = PPO2.load(tmp_path / "again", env="CartPole-v1", allow_pickle=True)
    assert type(trusted.learning_rate) is Wave
    PPO2.load(tmp_path / "again", env="CartPole-v1", learning_rate=1e-3).learn(16)
    loaded.learning_rate = 1e-3
    loaded.learn(16)


def test_what_is_not_restored_of_an_old_file(tmp_path):
    """In a file of before 2.8, which holds one pickle."""
    A2C("MlpPolicy", "CartPole-v1", learning_rate=0.5).save(tmp_path / "model.pkl", cloudpickle=True)
    model = A2C("MlpPolicy", "CartPole-v1")
    model.lr_schedule = Wave()
    model.save(tmp_path / "model.pkl", cloudpickle=True)
    loaded = A2C.load(tmp_path / "model.pkl")
    loaded.set_env("CartPole-v1")
    loaded.predict(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="'lr_schedule' of the model file holds something.*allow_pickle"):
        loaded.learn(16)
    with pytest.raises(ValueError, match="lr_schedule"):
        loaded.save(tmp_path / "again")


MODES = """
import numpy as np, sys, warnings
import tensorflow as tf
{}
from stable_baselines_tf2 import A2C, DDPG, PPO2
PPO2("MlpPolicy", "CartPole-v1", n_steps=16, nminibatches=1).learn(32)
A2C("MlpPolicy", "CartPole-v1").learn(10)
DDPG("MlpPolicy", "Pendulum-v1", nb_rollout_steps=10, nb_train_steps=1, batch_size=8).learn(20)
"""


@pytest.mark.parametrize(
    "switch, warning",
    [
        ("tf.config.run_functions_eagerly(True)", ""),
        ("tf.debugging.enable_check_numerics()", ""),
        ("tf.compat.v1.disable_v2_behavior()", "disable_v2_behavior"),
    ],
)
def test_modes_of_tensorflow(switch, warning):
    done = subprocess.run([sys.executable, "-c", MODES.format(switch)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert warning in done.stderr
