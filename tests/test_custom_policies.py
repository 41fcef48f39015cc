"""Policies of the user, as the guide of the original shows them."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import A2C, PPO2
from stable_baselines_tf2.common.policies import (
    ActorCriticPolicy,
    FeedForwardPolicy,
    LstmPolicy,
    MlpPolicy,
    nature_cnn,
    register_policy,
)
from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc, linear
from stable_baselines_tf2.core.acting import CompiledActor, NumpyActor
from stable_baselines_tf2.core.naming import variable_scope
from stable_baselines_tf2.core.policy_registry import policies_of
from tests.helpers import box
from tests.on_policy_cases import random_env, same

IMAGE = box(24, 24, 3, low=0, high=255, dtype=np.uint8)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    known = policies_of
    monkeypatch.setitem(known, ActorCriticPolicy, dict(known[ActorCriticPolicy]))


class CustomPolicy(FeedForwardPolicy):
    def __init__(self, *args, **kwargs):
        net_arch = [dict(pi=[12, 11, 10], vf=[9, 8, 7])]
        super().__init__(*args, **kwargs, net_arch=net_arch, feature_extraction="mlp")


class CustomLSTMPolicy(LstmPolicy):
    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm=16, reuse=False, **_kwargs):
        net_arch = [8, "lstm", dict(vf=[5, 10], pi=[10])]
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm, reuse,
                         net_arch=net_arch, layer_norm=True, feature_extraction="mlp", **_kwargs)  # fmt: skip


def modified_cnn(scaled_images, **kwargs):
    activ = tf.nn.relu
    layer_1 = activ(conv(scaled_images, "c1", n_filters=4, filter_size=8, stride=4, init_scale=np.sqrt(2), **kwargs))
    layer_2 = activ(conv(layer_1, "c2", n_filters=6, filter_size=3, stride=2, init_scale=np.sqrt(2), **kwargs))
    return activ(linear(conv_to_fc(layer_2), "fc1", n_hidden=10, init_scale=np.sqrt(2)))


class TwoInputs(ActorCriticPolicy):
    """Its own network: two parts of the observation go through layers of their own, the value sees the first only."""

    def extract(self, processed_obs, states, masks, n_steps):
        with variable_scope("front"):
            first = tf.nn.relu(linear(processed_obs[:, :2], "a", 5))
        second = tf.tanh(linear(processed_obs[:, 2:], "b", 4))
        return tf.concat([first, second], axis=1), first


def shapes(model):
    return {name: array.shape for name, array in model.get_parameters().items()}


def learn_save_load(model, env):
    before = model.get_parameters()
    model.learn(2 * model.n_batch)
    after = model.get_parameters()
    assert all(np.isfinite(array).all() for array in after.values())
    unchanged = [name for name in before if np.array_equal(before[name], after[name])]
    assert set(unchanged) <= {"model/q/w:0", "model/q/b:0"}
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    loaded = type(model).load(buffer)
    assert loaded.policy is model.policy and same(loaded.get_parameters(), after)
    obs = env.reset()
    np.testing.assert_array_equal(loaded.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])


def test_dense_subclass():
    env = random_env()
    register_policy("CustomPolicy", CustomPolicy)
    model = A2C("CustomPolicy", env)
    assert shapes(model)["model/pi_fc2/w:0"] == (11, 10) and shapes(model)["model/vf_fc2/w:0"] == (8, 7)
    assert isinstance(model.train_model.actor, NumpyActor)
    learn_save_load(model, env)


def test_recurrent_subclass():
    env = random_env()
    model = A2C(CustomLSTMPolicy, env)
    names = list(shapes(model))
    assert names[:2] == ["model/shared_fc0/w:0", "model/shared_fc0/b:0"]
    assert shapes(model)["model/lstm1/wx:0"] == (8, 64)
    assert shapes(model)["model/pi/w:0"] == (10, 4) and shapes(model)["model/vf/w:0"] == (10, 1)
    assert isinstance(model.train_model.actor, NumpyActor)
    learn_save_load(model, env)


@pytest.mark.parametrize("base", ["FeedForward", "Lstm"])
def test_custom_extractor(base):
    env = random_env(observation_space=IMAGE)
    kwargs = dict(cnn_extractor=modified_cnn)
    if base == "Lstm":
        kwargs |= dict(n_lstm=4)
    model = A2C("CnnPolicy" if base == "FeedForward" else "CnnLstmPolicy", env, policy_kwargs=kwargs)
    expected = [f"model/{layer}/{part}:0" for layer in ("c1", "c2", "fc1") for part in ("w", "b")]
    assert list(shapes(model))[:6] == expected
    assert shapes(model)["model/c1/w:0"] == (8, 8, 3, 4) and shapes(model)["model/c1/b:0"] == (1, 4, 1, 1)
    before = model.get_parameters()
    model.learn(20)
    assert not np.array_equal(before["model/c1/w:0"], model.get_parameters()["model/c1/w:0"])
    with pytest.raises(ValueError, match="'policy_kwargs' of the model file holds a pickled object"):
        reload(model)
    for way_out in (dict(custom_objects={"policy_kwargs": kwargs}), dict(allow_pickle=True)):
        assert same(reload(model, **way_out).get_parameters(), model.get_parameters())


def test_extractor_of_a_subclass_with_arguments():
    class Policy(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs, cnn_extractor=modified_cnn, feature_extraction="cnn")

    model = A2C(Policy, random_env(observation_space=IMAGE), policy_kwargs=dict(pad="SAME"))
    assert shapes(model)["model/fc1/w:0"] == (3 * 3 * 6, 10)  # 24 -> 6 -> 3 pixels


def test_the_default_extractor_is_known_by_name():
    env = random_env(observation_space=box(36, 36, 1, low=0, high=255, dtype=np.uint8))
    model = A2C("CnnPolicy", env, policy_kwargs=dict(cnn_extractor=nature_cnn))
    assert reload(model).policy_kwargs == dict(cnn_extractor=nature_cnn)


def test_own_network():
    env = random_env()
    model = PPO2(TwoInputs, env, n_steps=4, nminibatches=1, noptepochs=1)
    assert list(shapes(model))[:4] == ["model/front/a/w:0", "model/front/a/b:0", "model/b/w:0", "model/b/b:0"]
    assert shapes(model)["model/vf/w:0"] == (5, 1) and shapes(model)["model/pi/w:0"] == (9, 4)
    assert isinstance(model.train_model.actor, CompiledActor)
    learn_save_load(model, env)


def test_overriding_extract_of_a_known_policy():
    class Doubled(MlpPolicy):
        def extract(self, processed_obs, states, masks, n_steps):
            return super().extract(2.0 * processed_obs, states, masks, n_steps)

    plain, doubled = A2C("MlpPolicy", random_env()), A2C(Doubled, random_env())
    doubled.load_parameters(plain.get_parameters())
    obs = np.float32([[0.1, 0.2, -0.3]])
    np.testing.assert_allclose(doubled.value(obs), plain.value(2 * obs), atol=1e-6)  # not what NumPy would run
    np.testing.assert_allclose(doubled.action_probability(obs), plain.action_probability(2 * obs), atol=1e-6)


def test_registered_classes_of_other_modules(tmp_path):
    """A file names the class; a process that knows it finds it, another is told both ways out."""
    A2C(CustomPolicy, random_env()).save(tmp_path / "model")
    code = """
import sys
import numpy as np
from stable_baselines_tf2 import A2C
try:
    A2C.load(sys.argv[1])
except ValueError as error:
    print(error)
print(type(A2C.load(sys.argv[1], allow_pickle=True).train_model).__name__)
import tests.test_custom_policies
print(A2C.load(sys.argv[1]).predict(np.zeros(3), deterministic=True)[0].shape)
"""
    path = str(tmp_path / "model.zip")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=250)
    lines = done.stdout.splitlines()
    for part in ("the class tests.test_custom_policies.CustomPolicy", "custom_objects={'policy'", "allow_pickle=True"):
        assert part in lines[0]
    assert lines[1:] == ["CustomPolicy", "()"]


def test_action_spaces_of_own_networks():
    for space in (box(2), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)):
        model = A2C(TwoInputs, random_env(action_space=space))
        assert model.predict(np.zeros((5, 3)))[0].shape == (5, 2)


def reload(model, **kwargs):
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    return type(model).load(buffer, **kwargs)
