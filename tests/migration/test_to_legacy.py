"""Models exported for Stable Baselines: the pickles in them are what its Python would have written, and it agrees."""

from __future__ import annotations

import functools
import io
import json
import os
import pathlib
import pickle
import subprocess
from collections import OrderedDict

import gymnasium
import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

import stable_baselines_tf2
from stable_baselines_tf2.cli import main
from stable_baselines_tf2.common.noise import NormalActionNoise
from stable_baselines_tf2.common.policies import FeedForwardPolicy
from stable_baselines_tf2.common.schedules import LinearFunction
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.archive import read_archive
from stable_baselines_tf2.envs.spaces import spaces_equal
from stable_baselines_tf2.files.pickle_tree import Call, Global, parse
from stable_baselines_tf2.migration import inspect, loads
from stable_baselines_tf2.migration.legacy_zip import write_legacy
from stable_baselines_tf2.migration.pickle_writer import New, dumps
from tests.helpers import RandomEnv, box

# A Python in which Stable Baselines 2.10.2 is installed.
ORIGINAL = os.environ.get("SBTF2_ORIGINAL", "")
ON, OFF = {"n_steps": 8}, {"learning_starts": 8, "batch_size": 4, "buffer_size": 64}
LINEAR = LinearFunction(3e-4)
CASES = {
    "a2c": ("A2C", "MlpPolicy", spaces.Discrete(3), {**ON, "policy_kwargs": {"act_fun": tf.nn.relu}}),
    "a2c_lstm": ("A2C", "MlpLstmPolicy", spaces.Discrete(3), {**ON, "policy_kwargs": {"n_lstm": 8}}),
    "acer": ("ACER", "MlpPolicy", spaces.Discrete(3), {**ON, "replay_start": 10}),
    "acktr": ("ACKTR", "MlpPolicy", spaces.Discrete(3), ON),
    "ddpg": ("DDPG", "MlpPolicy", box(2), {"nb_rollout_steps": 20, "nb_train_steps": 2, "batch_size": 4}),
    "dqn": ("DQN", "LnMlpPolicy", spaces.Discrete(3), {**OFF, "policy_kwargs": {"act_fun": "tanh"}}),
    "gail": ("GAIL", "MlpPolicy", box(2), {"timesteps_per_batch": 16, "hidden_size_adversary": 5}),
    "ppo1": ("PPO1", "MlpPolicy", box(2), {"timesteps_per_actorbatch": 16, "optim_batchsize": 8}),
    "ppo2_box": ("PPO2", "MlpPolicy", box(2), {**ON, "learning_rate": LINEAR, "cliprange_vf": -1}),
    "ppo2_binary": ("PPO2", "MlpPolicy", spaces.MultiBinary(3), {**ON, "policy_kwargs": {"net_arch": [9]}}),
    "ppo2_multi": ("PPO2", "MlpPolicy", spaces.MultiDiscrete([2, 3]), ON),
    "ppo2_ln_lstm": ("PPO2", "MlpLnLstmPolicy", box(1), {**ON, "nminibatches": 1, "policy_kwargs": {"n_lstm": 6}}),
    "sac": ("SAC", "LnMlpPolicy", box(2), {**OFF, "action_noise": NormalActionNoise(np.zeros(2), np.full(2, 0.1))}),
    "td3": ("TD3", "MlpPolicy", box(2), {**OFF, "learning_rate": LINEAR}),
    "trpo": ("TRPO", "MlpPolicy", spaces.Discrete(3), {"timesteps_per_batch": 16}),
}
THERE = [name for name, case in CASES.items() if case[0] in stable_baselines_tf2.__all__]


@functools.cache
def trained(name):
    algorithm, policy, action_space, arguments = CASES[name]
    n_envs = 2 if algorithm in ("A2C", "ACER", "ACKTR", "PPO2") else 1
    env = DummyVecEnv([lambda: RandomEnv(box(3, low=-np.inf, high=np.inf), action_space)] * n_envs)
    model = getattr(stable_baselines_tf2, algorithm)(policy, env, seed=1, **arguments)
    return model if algorithm == "GAIL" else model.learn(32)  # which needs expert data to learn


def trained_her():
    from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv

    model = stable_baselines_tf2.HER(
        "MlpPolicy", BitFlippingEnv(4), stable_baselines_tf2.DQN, learning_starts=8, seed=1
    )
    return model.learn(32)


@pytest.mark.parametrize("name", THERE)
def test_what_is_exported_loads_here(name):
    model = trained(name)
    buffer = io.BytesIO()
    write_legacy(buffer, model)
    buffer.seek(0)
    found = inspect(buffer)
    assert (found.algorithm, found.unrestored, found.suspicious) == (CASES[name][0], {}, [])
    buffer.seek(0)
    loaded = type(model).load(buffer)
    for key, value in model.get_parameters().items():
        np.testing.assert_array_equal(loaded.get_parameters()[key], value)
    obs = np.random.default_rng(3).normal(0, 2, (2, 3))
    first, second = (each.predict(obs, deterministic=True)[0] for each in (model, loaded))
    np.testing.assert_array_equal(first, second)
    if "learning_rate" in CASES[name][3]:
        assert loaded.learning_rate == LINEAR


@pytest.mark.timeout(1500)
@pytest.mark.skipif(not ORIGINAL, reason="SBTF2_ORIGINAL names no Python with Stable Baselines 2.10.2")
def test_the_original_loads_it_and_acts_the_same(tmp_path):
    generator = np.random.default_rng(3)
    models = {name: trained(name) for name in THERE} | {"her": trained_her()}
    for name, model in models.items():
        write_legacy(tmp_path / f"{name}.zip", model)
        recurrent = bool(getattr(model.acting_policy, "recurrent", False))
        shape = (5, 2, 3) if recurrent else (100, 12) if name == "her" else (100, 3)
        obs = generator.integers(0, 2, shape) if name == "her" else generator.normal(0, 2, shape).astype(np.float32)
        np.save(tmp_path / f"{name}_obs.npy", obs)
        about = {"algorithm": type(model).__name__, "recurrent": recurrent}
        (tmp_path / f"{name}.json").write_text(json.dumps(about))
    script = pathlib.Path(__file__).with_name("original.py")
    environment = {key: value for key, value in os.environ.items() if key not in ("TF2_BEHAVIOR", "PYTHONPATH")}
    done = subprocess.run([ORIGINAL, script, tmp_path], capture_output=True, text=True, env=environment, timeout=1000)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, model in models.items():
        obs, actions = np.load(tmp_path / f"{name}_obs.npy"), np.load(tmp_path / f"{name}_actions.npy")
        if obs.ndim == 3:
            expected, state, mask = [], None, np.ones(2, bool)
            for row in obs:
                action, state = model.predict(row, state=state, mask=mask, deterministic=True)
                expected.append(action)
                mask = np.zeros(2, bool)
        else:
            expected = model.predict(obs, deterministic=True)[0]
        print(name, np.abs(np.asarray(expected, np.float64) - actions).max())
        np.testing.assert_allclose(np.asarray(expected), actions, rtol=1e-5, atol=1e-5, err_msg=name)
        answer = json.loads((tmp_path / f"{name}.answer").read_text())
        for key in ("learning_rate", "cliprange"):
            if key in answer:
                here = getattr(model, key)
                assert answer[key] == pytest.approx([here(p) if callable(here) else here for p in (1.0, 0.5, 0.0)])


def test_convert(tmp_path, capsys):
    model = trained("a2c")
    write_legacy(tmp_path / "old", model)
    assert main(["convert", str(tmp_path / "old.zip"), str(tmp_path / "new")]) == 0
    assert inspect(tmp_path / "new").resumable and not inspect(tmp_path / "old").resumable
    assert main(["convert", str(tmp_path / "new"), str(tmp_path / "old_again"), "--to-legacy"]) == 0
    first, second = (read_archive(tmp_path / name) for name in ("old", "old_again"))
    assert first.data == second.data and list(first.parameters) == list(second.parameters)
    assert "A2C for Stable Baselines 2.10" in capsys.readouterr().out
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for arguments, message in (
        (["convert", "missing", "x"], "missing"),
        (["convert", str(tmp_path / "other.npz"), "x"], "holds no model but: arrays"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err


class OwnPolicy(FeedForwardPolicy):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, net_arch=[4], feature_extraction="mlp")


def test_what_has_no_counterpart_is_named(tmp_path):
    env = DummyVecEnv([lambda: RandomEnv(box(3), spaces.Discrete(3))])
    for arguments, message in (
        (dict(policy=OwnPolicy), "policy: it is the class .*OwnPolicy"),
        (dict(policy="MlpPolicy", policy_kwargs={"act_fun": tf.math.sin}), "policy_kwargs: it is <function"),
        (
            dict(policy="MlpPolicy", policy_kwargs={"act_fun": keras.activations.gelu}),
            "policy_kwargs: it is the function",
        ),
    ):
        model = stable_baselines_tf2.A2C(env=env, **arguments)
        with pytest.raises(ValueError, match=message):
            write_legacy(tmp_path / "model", model)
        assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- the writer of pickles
@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**70, 1.5, float("inf"), "é", b"\x00", (), (1, "a"), [], [[1], ()], {"a": {"b": [1]}}],
)
def test_plain_values(value):
    assert pickle.loads(dumps(value)) == value


def test_arrays():
    for array in (np.arange(6, dtype=">i2").reshape(2, 3), np.float32(1.5), np.zeros((0, 2)), np.array(True)):
        for loaded in (pickle.loads(dumps(array)), loads(dumps(array))):
            np.testing.assert_array_equal(loaded, array)
            assert loaded.shape == array.shape and loaded.dtype == array.dtype.newbyteorder("=")


def test_objects():
    made = New(Global("fractions", "Fraction"), (), None)
    assert pickle.loads(dumps(Call(Global("fractions", "Fraction"), (1, 3)))) == 1 / __import__("fractions").Fraction(3)
    assert parse(dumps(made)).names == (Global("fractions", "Fraction"),)
    ordered = Call(Global("collections", "OrderedDict"), (), items=[("b", 1), ("a", 2)])
    assert list(pickle.loads(dumps(ordered)).items()) == list(OrderedDict(b=1, a=2).items())
    with pytest.raises(TypeError, match="object cannot be pickled"):
        dumps([object()])


def test_spaces():
    from stable_baselines_tf2.migration.legacy_zip import _space

    for space in (
        box(2, 3),
        gymnasium.spaces.Box(np.array([-1, -np.inf]), np.array([np.inf, 2]), dtype=np.float64),
        box(4, low=0, high=255, dtype=np.uint8),
        spaces.Discrete(3),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
        spaces.MultiBinary([2, 2]),
        spaces.Dict(OrderedDict(z=spaces.Discrete(2), a=box(1))),
        spaces.Tuple([spaces.Discrete(2), box(1)]),
    ):
        assert spaces_equal(loads(dumps(_space(space))), space)
    with pytest.raises(TypeError, match="does not start at 0"):
        _space(spaces.Discrete(3, start=1))
