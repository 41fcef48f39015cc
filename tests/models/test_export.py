"""Exported policies act as `predict` does, without this library."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

import stable_baselines_tf2
from stable_baselines_tf2 import DDPG, PPO2
from tests.helpers import RandomEnv

BOX = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
IMAGES = gymnasium.spaces.Box(0, 255, (36, 36, 3), np.uint8)
ACTIONS = gymnasium.spaces.Box(-2, 3, (2,), np.float32)
CASES = {
    "PPO2-discrete": ("PPO2", "MlpPolicy", BOX, gymnasium.spaces.Discrete(5)),
    "PPO2-box": ("PPO2", "MlpPolicy", gymnasium.spaces.Discrete(7), ACTIONS),
    "PPO2-multidiscrete": ("PPO2", "MlpPolicy", BOX, gymnasium.spaces.MultiDiscrete([3, 4])),
    "PPO2-multibinary": ("PPO2", "MlpPolicy", BOX, gymnasium.spaces.MultiBinary(3)),
    "PPO2-cnn": ("PPO2", "CnnPolicy", IMAGES, gymnasium.spaces.Discrete(3)),
    "DQN": ("DQN", "MlpPolicy", BOX, gymnasium.spaces.Discrete(5)),
    "DQN-cnn": ("DQN", "LnCnnPolicy", IMAGES, gymnasium.spaces.Discrete(5)),
    "SAC": ("SAC", "LnMlpPolicy", BOX, ACTIONS),
    "TD3": ("TD3", "MlpPolicy", BOX, ACTIONS),
}


def make_model(algorithm, policy, ob_space, ac_space):
    model = getattr(stable_baselines_tf2, algorithm)(policy, RandomEnv(ob_space, ac_space), seed=0)
    generator = np.random.default_rng(0)  # far from the first weights, that actions differ
    weights = {
        name: array + 0.1 * generator.standard_normal(array.shape) for name, array in model.get_parameters().items()
    }
    model.load_parameters(weights)
    return model


def observations(space, n):
    space.seed(0)
    return np.stack([space.sample() for _ in range(n)])


def served(path):
    return tf.saved_model.load(str(path)).signatures["serving_default"]


def interpreted(content):
    return tf.lite.Interpreter(model_content=content).get_signature_runner()


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_actions_are_those_of_predict(case, tmp_path):
    model = make_model(*case)
    obs = observations(case[2], 1000 if len(case[2].shape) < 3 else 50)
    expected, _ = model.predict(obs, deterministic=True)
    model.export(tmp_path / "policy")
    content = model.to_tflite(tmp_path / "policy.tflite")
    assert (tmp_path / "policy.tflite").read_bytes() == content
    obs = obs.astype(model.acting_policy.preprocessor.dtype)
    for actions in (
        served(tmp_path / "policy")(observation=tf.constant(obs))["action"].numpy(),
        interpreted(content)(observation=obs)["action"],
    ):
        assert actions.shape == expected.shape
        np.testing.assert_allclose(actions, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(expected, axis=0)) > 1


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_statistics_of_observations(tmp_path):
    model = DDPG("MlpPolicy", RandomEnv(BOX, ACTIONS), seed=0, normalize_observations=True)
    obs = observations(BOX, 100)
    before, _ = model.predict(obs)
    model.obs_rms.update(5.0 + 0.1 * obs)
    expected, _ = model.predict(obs)
    assert np.abs(expected - before).max() > 1e-3
    model.export(tmp_path / "policy")
    for function in (served(tmp_path / "policy"), interpreted(model.to_tflite())):
        np.testing.assert_allclose(function(observation=obs)["action"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("policy", ["MlpLstmPolicy", "MlpLnLstmPolicy"])
def test_memory(policy, tmp_path):
    arguments = {"n_steps": 4, "nminibatches": 1, "policy_kwargs": {"n_lstm": 16}}
    model = PPO2(policy, RandomEnv(BOX, ACTIONS), seed=0, **arguments)
    model.export(tmp_path / "policy")
    functions = (served(tmp_path / "policy"), interpreted(model.to_tflite()))
    obs = observations(BOX, 1000).reshape(20, 50, 4)
    masks = np.random.default_rng(0).random((20, 50)) < 0.2
    states = [None, *(np.zeros((50, 32), np.float32),) * 2]
    for t in range(20):
        expected, states[0] = model.predict(obs[t], states[0], masks[t], deterministic=True)
        for i, function in enumerate(functions, start=1):
            outputs = function(observation=obs[t], state=states[i], mask=masks[t].astype(np.float32))
            states[i] = np.asarray(outputs["state"])
            np.testing.assert_allclose(outputs["action"], expected, rtol=1e-5, atol=1e-5)


def test_only_exports_are_replaced(tmp_path):
    model = make_model(*CASES["PPO2-discrete"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all my work")
    (tmp_path / "file").write_text("")
    for name in ("mine", "file"):
        with pytest.raises(FileExistsError, match="is not a SavedModel"):
            model.export(tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all my work"
    for _ in range(2):
        model.export(tmp_path / "policy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "policy"]
    with pytest.raises(FileNotFoundError):
        model.export(tmp_path / "none" / "policy")
