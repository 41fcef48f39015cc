"""Files of version 0.1.0, written before models had wings and files named their class: they load and act the same."""

from pathlib import Path

import numpy as np
import pytest

import stable_baselines_tf2 as library
from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.vec_env import VecNormalize
from stable_baselines_tf2.migration import inspect

FILES = Path(__file__).parents[1] / "data" / "files_0_1"
ALGORITHM = {
    "a2c": "A2C",
    "a2c_lstm": "A2C",
    "acer": "ACER",
    "acktr": "ACKTR",
    "ddpg": "DDPG",
    "dqn": "DQN",
    "gail": "GAIL",
    "her_sac": "HER",
    "ppo1": "PPO1",
    "ppo2": "PPO2",
    "ppo2_lstm": "PPO2",
    "sac": "SAC",
    "td3": "TD3",
    "trpo": "TRPO",
}
N_ENVS = {"a2c": 2, "a2c_lstm": 2, "ppo2": 2, "ppo2_lstm": 2, "acer": 2, "acktr": 2}
ON_PENDULUM = ("a2c_lstm", "ppo2", "sac", "td3", "ddpg")


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as arrays:
        return dict(arrays)


def env_of(name):
    if name == "her_sac":
        return BitFlippingEnv(4, continuous=True, max_steps=4)
    return make_vec_env("Pendulum-v1" if name in ON_PENDULUM else "CartPole-v1", N_ENVS.get(name, 1), seed=1)


def test_all_are_there():
    assert sorted(path.stem for path in FILES.glob("*.zip") if "buffer" not in path.stem) == sorted(ALGORITHM)


@pytest.mark.parametrize("name", ALGORITHM)
def test_acts_and_goes_on_as_before(name, expected):
    model = getattr(library, ALGORITHM[name]).load(FILES / f"{name}.zip", env=env_of(name))
    actions, state = model.predict(expected[f"{name}/obs"], deterministic=True)
    np.testing.assert_allclose(actions, expected[f"{name}/actions"], rtol=1e-4, atol=1e-5)
    if state is not None:
        np.testing.assert_allclose(state, expected[f"{name}/state"], rtol=1e-4, atol=1e-5)
    assert model.num_timesteps == expected[f"{name}/steps"]
    arrays, prefix = model.training_state()[1], f"{name}/array/"
    assert set(arrays) == {key.removeprefix(prefix) for key in expected if key.startswith(prefix)}
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, expected[prefix + key], err_msg=key)


@pytest.mark.parametrize("name", ["dqn", "sac", "her_sac", "acer"])
def test_buffers_are_read_and_training_goes_on(name):
    model = getattr(library, ALGORITHM[name]).load(FILES / f"{name}.zip", env=env_of(name))
    model.load_replay_buffer(FILES / f"{name}_buffer.zip")
    stored = model.replay_buffer.get_state()[1]
    assert all(np.isfinite(array).all() for array in stored.values()) and sum(map(np.size, stored.values())) > 100
    before, steps = model.get_parameters(), model.num_timesteps
    model.learn(64, reset_num_timesteps=False)
    assert model.num_timesteps == steps + 64
    assert any((array != before[key]).any() for key, array in model.get_parameters().items())


@pytest.mark.parametrize("name", ALGORITHM)
def test_are_told_apart_by_their_hyperparameters(name):
    assert inspect(FILES / f"{name}.zip").algorithm == ALGORITHM[name]
    other = library.PPO1 if ALGORITHM[name] == "DQN" else library.DQN
    with pytest.raises(ValueError, match=f"holds a model of {ALGORITHM[name]}, not of {other.__name__}"):
        other.load(FILES / f"{name}.zip")


def test_statistics(expected):
    env = VecNormalize.load(str(FILES / "vec_normalize.pkl"), make_vec_env("Pendulum-v1", 2))
    np.testing.assert_array_equal(env.obs_rms.mean, expected["vec_normalize/mean"])
    np.testing.assert_array_equal(env.obs_rms.var, expected["vec_normalize/var"])
