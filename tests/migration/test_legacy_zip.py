"""Models that Stable Baselines wrote load without executing anything, and act as they did there."""

from __future__ import annotations

import base64
import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

import stable_baselines_tf2
from stable_baselines_tf2.common.schedules import LinearFunction
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.envs.spaces import space_kind
from stable_baselines_tf2.migration import loads
from tests.helpers import RandomEnv, box
from tests.migration.zoo import ZOO, index, needs_zoo

ALGORITHMS = tuple(stable_baselines_tf2.__all__)
ON_POLICY = ("A2C", "ACER", "ACKTR", "GAIL", "PPO1", "PPO2", "TRPO")
INPUTS = {"obs", "raw_obs", "obs_rms_mean", "obs_rms_var", "obs_rms_count", "random_scaled_actions"}
UNKNOWN_POLICY = "the policy of the file is a class that is not available"


def files():
    """Every model file of these algorithms, with what is known about it."""
    found = []
    for folder in (".", "made"):
        for agent in index(folder)["agents"]:
            paths = agent["files"][:1] if folder == "." else [file["file"] for file in agent["files"]]
            if agent["algo"].upper() in ALGORITHMS:
                found += [pytest.param(agent, ZOO / folder / path, id=f"{folder}/{path}") for path in paths]
    return found


def check(actual, expected, err_msg=""):
    """Equal to 1e-5. Small values may be sums of some as large as the largest, of which float32 keeps seven digits."""
    atol = 1e-5 + 2e-7 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=atol, err_msg=err_msg)


@needs_zoo
def test_there_are_files():
    formats = {param.values[1].suffix for param in files()}
    assert len(files()) >= 30 and formats == {".zip", ".pkl"}


@pytest.mark.filterwarnings("ignore:layers is the older way:DeprecationWarning")
@pytest.mark.filterwarnings(f"ignore:{UNKNOWN_POLICY}")
@pytest.mark.parametrize("agent, path", files())
def test_acts_as_the_original(agent, path):
    model = getattr(stable_baselines_tf2, agent["algo"].upper()).load(path)
    expected = np.load(path.parents[1 if path.parent.name == "agents" else 2] / agent["expected"])
    parameters = model.get_parameters()
    assert [[name, list(value.shape)] for name, value in parameters.items()] == [row[:2] for row in agent["parameters"]]
    check([value.sum(dtype=np.float64) for value in parameters.values()], [row[2] for row in agent["parameters"]])
    assert model.n_envs == agent["n_envs"] and model.env is None
    if agent["recurrent"]:
        check_recurrent(model, expected)
        return
    check_actions(model, expected["obs"], expected["actions"], expected["action_single"])
    answers = on_policy_answers if agent["algo"].upper() in ON_POLICY else off_policy_answers
    given = answers(getattr(model, "model", model), expected)
    recorded = set(expected.files) - INPUTS - {"actions", "action_single"}
    assert recorded == set(given), "something recorded is not compared"
    for name, value in given.items():
        check(value, expected[name], name)


def check_recurrent(model, expected):
    for t, obs in enumerate(expected["obs"]):
        step = {"state": expected["states_before"][t], "mask": expected["masks"][t]}
        actions, states = model.predict(obs, deterministic=True, **step)
        np.testing.assert_array_equal(actions, expected["actions"][t])
        check(states, expected["states_after"][t])
        check(model.action_probability(obs, **step), expected["action_probability"][t])
        check(model.value(obs, *step.values()), expected["values"][t])


def check_actions(model, obs, actions, single):
    same = check if space_kind(model.action_space) == "Box" else np.testing.assert_array_equal
    same(model.predict(obs, deterministic=True)[0], actions)
    same(model.predict(obs[0], deterministic=True)[0], single)


def on_policy_answers(model, expected):
    obs, distribution = expected["obs"], model.action_probability(expected["obs"])
    logp = model.action_probability(obs, actions=expected["actions"], logp=True)
    kind = space_kind(model.action_space)
    if kind == "Box":
        answers = {"dist_mean": distribution[0], "dist_std": distribution[1]}
    elif kind == "MultiDiscrete":
        answers = {f"action_probability_{i}": part for i, part in enumerate(distribution)}
    else:
        answers = {"action_probability": distribution}
    values = (
        {"values": model.value(obs)}
        if "values" in expected
        else {"q_values": model.train_model(tf.constant(obs)).q_value}
    )
    return {**answers, **values, "logp_of_actions": logp}


def off_policy_answers(model, expected):
    obs, policy = expected["obs"], model.acting_policy
    if "q_values" in expected:
        return {"q_values": policy.q_values(obs), "action_probability": model.action_probability(obs)}
    answers = {"scaled_actions": model.predicted_actions(obs, True)}
    if "q_of_policy" in expected:
        return {**answers, "q_of_policy": model.critic_values(obs)[:, np.newaxis]}
    if "dist_mean" in expected:
        answers["dist_mean"], answers["dist_std"] = policy.proba_step(obs)
    with policy.using(policy.params.vector):
        processed = policy.preprocessor.tensor(obs)
        for name, actions in (("policy", "scaled_actions"), ("random", "random_scaled_actions")):
            q1, q2, *values = policy.make_critics(processed, expected[actions])
            answers |= {f"q1_of_{name}": q1, f"q2_of_{name}": q2}
    return {**answers, **({"values": values[0]} if values else {})}


@needs_zoo
def test_policies_of_users():
    """Classes of which the file has only the name, or the code, which is not executed."""
    for path, name, kwargs in (
        ("agents/dqn/CartPole-v1.pkl", "LnMlpPolicy", {"layers": [64]}),
        ("agents/ppo2/AntBulletEnv-v0.pkl", "MlpPolicy", {"net_arch": [{"pi": [16], "vf": [16]}]}),
        ("made/agents/ppo2_custom_policy.zip", "MlpPolicy", {"net_arch": [{"pi": [24, 12], "vf": [24, 12]}]}),
    ):
        algorithm = stable_baselines_tf2.DQN if "dqn" in path else stable_baselines_tf2.PPO2
        with pytest.warns(UserWarning, match=UNKNOWN_POLICY):
            model = algorithm.load(ZOO / path)
        assert model.policy.__name__ == name and model.policy_kwargs == kwargs
    with pytest.warns(UserWarning, match=UNKNOWN_POLICY):
        model = algorithm.load(ZOO / path, custom_objects={"policy_kwargs": {"act_fun": tf.nn.relu}})
    assert model.policy_kwargs == {**kwargs, "act_fun": tf.nn.relu}


@needs_zoo
def test_functions_that_are_recognised():
    """Lambdas whose bytecode is that of a known function."""
    model = stable_baselines_tf2.PPO2.load(ZOO / "made/agents/ppo2_act_lambda.zip")
    assert model.policy_kwargs == {"act_fun": tf.nn.relu, "net_arch": [12]}
    with pytest.deprecated_call():
        model = stable_baselines_tf2.PPO2.load(ZOO / "made/agents/ppo2_lstm_lambda_lr.pkl")
    assert model.learning_rate == LinearFunction(2.5e-4)


@needs_zoo
def test_files_of_another_algorithm():
    for path, name in (
        ("a2c/CartPole-v1.pkl", "A2C"),
        ("trpo/CartPole-v1.pkl", "TRPO"),
        ("sac/Pendulum-v0.pkl", "SAC"),
    ):
        with pytest.raises(ValueError, match=f"holds a model of {name}, not of PPO2"):
            stable_baselines_tf2.PPO2.load(ZOO / "agents" / path)


@needs_zoo
def test_parameters_of_every_format():
    paths = [
        ZOO / "made/agents" / f"a2c_mlp_discrete{end}"
        for end in (".zip", ".pkl", "__old_list.pkl", "__params_only.zip")
    ]
    model = stable_baselines_tf2.A2C.load(paths[0])
    expected = model.get_parameters()
    for path in paths:
        model.load_parameters({name: np.zeros_like(value) for name, value in expected.items()})
        model.load_parameters(path)
        for name, value in model.get_parameters().items():
            np.testing.assert_array_equal(value, expected[name])
    with pytest.raises(ValueError, match="parameters only"):
        stable_baselines_tf2.A2C.load(paths[-1])
    with pytest.raises(ValueError, match="does not fit: model/pi_fc0/w:0 has shape"):
        model.load_parameters(ZOO / "agents/a2c/Acrobot-v1.pkl")


@needs_zoo
def test_hyperparameters_of_an_archive():
    model = stable_baselines_tf2.PPO2.load(ZOO / "agents" / "ppo2" / "CartPoleBulletEnv-v1.zip")
    assert (model.gamma, model.n_steps, model.lam, model.noptepochs, model.seed) == (0.98, 32, 0.8, 20, None)
    assert [schedule(0.3) for schedule in (model.learning_rate, model.cliprange, model.cliprange_vf)] == [
        3e-4,
        0.1,
        0.1,
    ]


def damage(path, target, **changes):
    """A copy of an archive in which some settings are other pickles."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "data":
                data = json.loads(content)
                for key, pickled in changes.items():
                    data[key] = {":type:": "x", ":serialized:": base64.b64encode(pickled).decode()}
                content = json.dumps(data)
            new.writestr(name, content)
    return target


@needs_zoo
def test_a_hostile_setting_is_named(tmp_path):
    path = ZOO / "made" / "agents" / "ppo2_cnn.zip"
    marker = tmp_path / "marker"
    hostile = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c%c%s\x85R." % (
        len(f"touch {marker}"),
        f"touch {marker}".encode(),
    )
    for key in ("seed", "policy", "observation_space", "learning_rate"):
        with pytest.raises(ValueError, match=f"'{key}' of the model file.*posix.system.*custom_objects"):
            model = stable_baselines_tf2.PPO2.load(damage(path, tmp_path / "bad.zip", **{key: hostile}))
            assert key in ("seed", "learning_rate")  # prediction does without them
            model.learn(1)
    assert not marker.exists()


@needs_zoo
def test_schedules_of_every_cloudpickle():
    blobs = json.loads((ZOO / "made" / "schedule_blobs.json").read_text())
    recovered = 0
    for blob in blobs:
        content = base64.b64decode(blob["base64"])
        try:
            schedule = loads(content)
        except ValueError as error:
            assert blob["kind"] == "opaque" and "code of the class CustomPolicy" in str(error)
            continue
        if isinstance(schedule, dict):  # policy_kwargs with a function among them
            assert schedule["net_arch"] == [16] and schedule["note"](0.5) == pytest.approx(0.00025)
            continue
        assert [schedule(progress) for progress in blob["progress"]] == pytest.approx(blob["value"], rel=1e-12)
        recovered += 1
    assert recovered == sum("value" in blob for blob in blobs) > 0


@needs_zoo
def test_bounds_of_observations_may_differ():
    """As LunarLander's do between gym and gymnasium; other differences are refused."""
    path = ZOO / "agents" / "a2c" / "CartPole-v1.pkl"

    def env(low=-2.0):
        return RandomEnv(box(4, low=low, high=2.0), spaces.Discrete(2))

    model = stable_baselines_tf2.A2C.load(path, env=DummyVecEnv([env] * 8))
    model.learn(40)
    for observation_space, action_space in ((box(5), spaces.Discrete(2)), (box(4), spaces.Discrete(3))):
        with pytest.raises(ValueError, match="but the model was made for"):
            model.set_env(DummyVecEnv([lambda: RandomEnv(observation_space, action_space)]))  # noqa: B023
    model = stable_baselines_tf2.A2C("MlpPolicy", env())
    with pytest.raises(ValueError, match="observation space is .* but the model was made for"):
        model.set_env(env(low=-3.0))
