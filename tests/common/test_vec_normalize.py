"""VecNormalize: arithmetic against the formulas, files, copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from tests.common.vec_env_cases import Counter, DictCounter


class Wide(Counter):
    """Observations of another shape."""

    observation_space = spaces.Box(-1, 1, (4,), np.float32)


def venv(n=2, **kwargs):
    return DummyVecEnv([lambda start=start: Counter(start, **kwargs) for start in range(n)])


def trained(**kwargs):
    env = VecNormalize(venv(), **kwargs)
    env.reset()
    for _ in range(5):
        env.step([1, 4])
    return env


def test_statistics_and_scaling():
    env = VecNormalize(venv(), gamma=0.5, epsilon=0.1, clip_obs=1.2, clip_reward=0.9)
    first = env.reset()
    np.testing.assert_allclose(first, np.clip(np.array([[0, -1, -1], [1, -1, -1]]) / np.sqrt(1.1), -1.2, 1.2))
    assert env.ret_rms.count == pytest.approx(2 + 1e-4) and env.obs_rms.count == 1e-4
    obs, rewards, _, _ = env.step([1, 4])
    raw, returns = np.array([[1.0, 1, -1], [2, 4, -1]]), RunningMeanStd()
    returns.update(np.zeros(2)), returns.update(np.array([1.0, 4.0]))
    np.testing.assert_allclose(env.obs_rms.mean, raw.mean(axis=0), rtol=1e-4)
    scaled = (raw - env.obs_rms.mean) / np.sqrt(env.obs_rms.var + 0.1)
    np.testing.assert_allclose(obs, np.clip(scaled, -1.2, 1.2))
    np.testing.assert_allclose(rewards, np.clip(np.array([1, 4]) / np.sqrt(returns.var + 0.1), -0.9, 0.9))
    assert env.ret.tolist() == [1, 4]
    env.step([0, 0])
    assert env.ret.tolist() == [0.5, 2]
    assert env.step([0, 0])[2].all() and env.ret.tolist() == [0, 0]
    np.testing.assert_array_equal(env.get_original_obs(), [[0, -1, -1], [1, -1, -1]])
    assert env.get_original_reward().tolist() == [0, 0]
    env.get_original_obs()[:] = 7
    assert env.get_original_obs().max() == 1


def test_switches():
    env = trained()
    env.training = False
    before = env.obs_rms.mean.copy(), env.ret_rms.count
    env.step([0, 0]), env.reset()
    np.testing.assert_array_equal(env.obs_rms.mean, before[0])
    assert env.ret_rms.count == before[1]
    env.norm_obs = env.norm_reward = False
    assert env.reset().tolist() == [[0, -1, -1], [1, -1, -1]]
    assert env.step([1, 4])[1].tolist() == [1, 4]


@pytest.mark.parametrize("name", ["vec_normalize.pkl", "statistics", "a.npz"])
def test_save_and_load(tmp_path, name):
    env = trained(clip_obs=3.0, norm_reward=False, gamma=np.float32(0.5))
    env.training = False
    env.save(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    again = VecNormalize.load(str(tmp_path / name), venv())
    assert (again.clip_obs, again.gamma) == (3.0, 0.5)
    assert (again.norm_obs, again.norm_reward, again.training) == (True, False, False)
    for statistics in ("obs_rms", "ret_rms"):
        for moment in ("mean", "var", "count"):
            np.testing.assert_array_equal(
                getattr(getattr(again, statistics), moment), getattr(getattr(env, statistics), moment)
            )
    np.testing.assert_array_equal(again.reset(), env.reset())
    np.testing.assert_array_equal(again.step([1, 2])[0], env.step([1, 2])[0])
    more = VecNormalize.load(tmp_path / name, venv(5))
    assert more.reset().shape == (5, 3) and more.ret.shape == (5,)


class Bomb:
    """Must never be called by a loader."""

    def __reduce__(self):
        return (pytest.fail, ("a file was executed",))


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="no normalization statistics.*not among what is restored"):
        VecNormalize.load(path, venv())
    for content in (b"", b"nonsense", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no normalization statistics"):
            VecNormalize.load(path, venv())
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="no normalization statistics"):
        VecNormalize.load(tmp_path / "other.npz", venv())
    np.savez(tmp_path / "bomb.npz", header=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="no normalization statistics"):
        VecNormalize.load(tmp_path / "bomb.npz", venv())
    header = np.array('{"kind": "VecNormalize", "settings": {}}')
    np.savez(tmp_path / "part.npz", header=header)
    with pytest.raises(ValueError, match="incomplete.*clip_obs"):
        VecNormalize.load(tmp_path / "part.npz", venv())
    trained().save(path)
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        VecNormalize.load(path, DummyVecEnv([Wide]))
    with pytest.raises(FileNotFoundError):
        VecNormalize.load(tmp_path / "absent", venv())


def test_running_averages_alone(tmp_path):
    env, other = trained(), VecNormalize(venv())
    with pytest.deprecated_call():
        env.save_running_average(str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["obs_rms.pkl", "ret_rms.pkl"]
    with pytest.deprecated_call():
        other.load_running_average(tmp_path)
    np.testing.assert_array_equal(other.obs_rms.var, env.obs_rms.var)
    assert other.ret_rms.count == env.ret_rms.count and isinstance(other.ret_rms.count, float)
    other.step([1, 1])
    with pytest.deprecated_call(), pytest.raises(ValueError, match=r"\(3,\), expected \(4,\)"):
        VecNormalize(DummyVecEnv([Wide])).load_running_average(tmp_path)
    with pytest.raises(ValueError, match="holds a RunningMeanStd"):
        VecNormalize.load(tmp_path / "obs_rms.pkl", venv())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_come_without_environments(duplicate):
    env = trained()
    again = duplicate(env)
    assert again.venv is None and env.venv is not None
    with pytest.raises(ValueError, match="already"):
        env.set_venv(venv())
    with pytest.raises(ValueError, match=r"\(4,\)"):
        again.set_venv(DummyVecEnv([Wide]))
    again.set_venv(venv(3))
    assert again.num_envs == 3
    np.testing.assert_array_equal(again.reset()[:2], env.reset())


def test_dict_observations_are_refused():
    with pytest.raises(TypeError, match="one array"):
        VecNormalize(DummyVecEnv([DictCounter]))


def test_normalized_rewards_are_float32():
    env = trained()
    assert env.step([0] * env.num_envs)[1].dtype == np.float32
