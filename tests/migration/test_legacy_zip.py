"""Archives that Stable Baselines wrote load without executing anything, and act as they did there."""

from __future__ import annotations

import base64
import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf

import stable_baselines_tf2
from stable_baselines_tf2.common.policies import FeedForwardPolicy
from stable_baselines_tf2.migration import loads
from tests.migration.zoo import ZOO, index, needs_zoo

ALGORITHMS = ("A2C", "PPO2")


class CustomPolicy(FeedForwardPolicy):
    """What the file of `ppo2_custom_policy` holds as code."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, net_arch=[{"pi": [24, 12], "vf": [24, 12]}], feature_extraction="mlp")


# What cannot be restored without executing the file, by model: the setting, and what the user gives instead.
BY_VALUE = {
    "ppo2_act_lambda": ("policy_kwargs", {"act_fun": tf.nn.relu, "net_arch": [12]}),
    "ppo2_custom_policy": ("policy", CustomPolicy),
    "ppo2_lstm_lambda_lr": ("learning_rate", 2.5e-4),
}


def archives():
    found = []
    for folder in (".", "made"):
        for agent in index(folder)["agents"]:
            algorithm = agent["algo"].upper()
            files = [agent] if folder == "." else agent["files"]
            for file in files:
                if file["format"] == "zip" and algorithm in ALGORITHMS:
                    path = file["files"][0] if folder == "." else file["file"]
                    found.append(pytest.param(algorithm, ZOO / folder / path, agent, id=agent["id"]))
    return found


def load(algorithm, path, name):
    cls = getattr(stable_baselines_tf2, algorithm)
    if name not in BY_VALUE:
        return cls.load(path)
    setting, replacement = BY_VALUE[name]
    with pytest.raises(ValueError, match=f"'{setting}' of the model file.*code of.*custom_objects.*allow_pickle"):
        cls.load(path)
    return cls.load(path, custom_objects={setting: replacement})


def check(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@needs_zoo
def test_there_are_archives():
    assert len(archives()) >= 7


@pytest.mark.parametrize("algorithm, path, agent", archives())
def test_acts_as_the_original(algorithm, path, agent):
    model = load(algorithm, path, agent["id"])
    expected = np.load(path.parents[1 if path.parent.name == "agents" else 2] / agent["expected"])
    parameters = model.get_parameters()
    assert [[name, list(value.shape)] for name, value in parameters.items()] == [row[:2] for row in agent["parameters"]]
    assert model.n_envs == agent["n_envs"] and model.env is None
    if agent["recurrent"]:
        for t, obs in enumerate(expected["obs"]):
            step = {"state": expected["states_before"][t], "mask": expected["masks"][t]}
            actions, states = model.predict(obs, deterministic=True, **step)
            np.testing.assert_array_equal(actions, expected["actions"][t])
            check(states, expected["states_after"][t])
            check(model.action_probability(obs, **step), expected["action_probability"][t])
            check(model.value(obs, *step.values()), expected["values"][t])
        return
    obs, actions = expected["obs"], expected["actions"]
    discrete = actions.dtype.kind in "iu"
    same = np.testing.assert_array_equal if discrete else check
    same(model.predict(obs, deterministic=True)[0], actions)
    same(model.predict(obs[0], deterministic=True)[0], expected["action_single"])
    distribution = model.action_probability(obs)
    if discrete:
        check(distribution, expected["action_probability"])
    else:
        check(distribution[0], expected["dist_mean"])
        check(distribution[1], expected["dist_std"])
    check(model.action_probability(obs, actions=actions, logp=True), expected["logp_of_actions"])
    check(model.value(obs), expected["values"])


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
            stable_baselines_tf2.PPO2.load(damage(path, tmp_path / "bad.zip", **{key: hostile}))
    assert not marker.exists()


@needs_zoo
def test_schedules_of_every_cloudpickle():
    blobs = json.loads((ZOO / "made" / "schedule_blobs.json").read_text())
    recovered = 0
    for blob in blobs:
        content = base64.b64decode(blob["base64"])
        if blob["kind"] == "opaque":
            with pytest.raises(ValueError, match="code of (the class CustomPolicy|the function .* of __main__)"):
                loads(content)
            continue
        schedule = loads(content)
        assert [schedule(progress) for progress in blob["progress"]] == pytest.approx(blob["value"], rel=1e-12)
        recovered += 1
    assert recovered == sum(blob["kind"] in ("constant", "linear") for blob in blobs) > 0
