"""Hyperparameters as JSON, and what is refused."""

import base64
import json
import os
import pickle
from collections import OrderedDict

import cloudpickle
import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2.common.noise import NormalActionNoise
from stable_baselines_tf2.common.policies import FeedForwardPolicy, LstmPolicy, MlpPolicy, nature_cnn
from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction
from stable_baselines_tf2.files import hyperparameters as save_util
from stable_baselines_tf2.files.hyperparameters import KIND, SERIALIZED, data_to_json, json_to_data
from tests.helpers import box


class OwnPolicy(FeedForwardPolicy):
    """A policy of this module."""


def round_trip(item, **kwargs):
    return json_to_data(data_to_json({"item": item}), **kwargs)["item"]


@pytest.mark.parametrize(
    "item",
    [None, True, 3, 2.5, "text", [1, [2.5, None]], {"a": {"b": [1]}}, float("inf"), 1e-300, {}, []],
)
def test_plain_values(item):
    assert round_trip(item) == item


def test_numbers_and_tuples_become_plain():
    assert round_trip((1, (2,))) == [1, [2]]
    for number in (np.float32(0.5), np.int64(7), np.bool_(True), np.float64(0.1)):
        assert round_trip(number) == number.item() and type(round_trip(number)) is type(number.item())


@pytest.mark.parametrize(
    "space",
    [
        box(2),
        spaces.Box(np.float32([0, -np.inf]), np.float32([1, np.inf])),
        box(4, 4, 1, low=0, high=255, dtype=np.uint8),
        spaces.Discrete(3, start=2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary([2, 3]),
        spaces.Dict(a=box(1), b=spaces.Discrete(2)),
    ],
)
def test_spaces(space):
    assert round_trip(space) == space


@pytest.mark.parametrize("schedule", [ConstantFunction(0.1), LinearFunction(1e-3, 1e-5)])
def test_schedules(schedule):
    assert round_trip(schedule) == schedule


@pytest.mark.parametrize(
    "function",
    [tf.nn.relu, tf.tanh, tf.nn.tanh, tf.nn.elu, tf.sigmoid, tf.nn.leaky_relu, keras.activations.relu, nature_cnn]
    + [keras.activations.gelu, tf.identity],
)
def test_functions(function):
    assert round_trip(function) is function
    assert SERIALIZED not in data_to_json({"item": function})


def test_arrays_and_noise():
    array = np.arange(6, dtype=np.int8).reshape(2, 3)
    restored = round_trip(array)
    assert restored.dtype == np.int8
    np.testing.assert_array_equal(restored, array)
    noise = round_trip(NormalActionNoise(np.zeros(2), np.full(2, 0.3)))
    assert type(noise) is NormalActionNoise
    assert noise.__dict__.keys() == NormalActionNoise(np.zeros(1), np.ones(1)).__dict__.keys()


@pytest.mark.parametrize("policy", [MlpPolicy, LstmPolicy, OwnPolicy])
def test_policy_classes_that_are_known(policy):
    assert round_trip(policy) is policy
    assert (SERIALIZED in data_to_json({"item": policy})) == (policy is OwnPolicy)


def unknown_policy():
    class HiddenPolicy(FeedForwardPolicy):
        pass

    return HiddenPolicy


def test_policy_classes_that_are_not_known():
    text = data_to_json({"policy": unknown_policy()})
    with pytest.raises(ValueError) as caught:
        json_to_data(text)
    for part in ("'policy'", "HiddenPolicy", "custom_objects={'policy'", "allow_pickle=True"):
        assert part in str(caught.value)
    assert json_to_data(text, custom_objects={"policy": OwnPolicy})["policy"] is OwnPolicy
    restored = json_to_data(text, allow_pickle=True)["policy"]
    assert issubclass(restored, FeedForwardPolicy) and restored.__name__ == "HiddenPolicy"


def test_functions_of_the_user():
    text = data_to_json({"learning_rate": lambda progress: sum(3 * progress for _ in range(int(progress)))})
    with pytest.raises(ValueError, match="'learning_rate'.*custom_objects.*allow_pickle=True"):
        json_to_data(text)
    assert json_to_data(text, allow_pickle=True)["learning_rate"](2) == 12
    assert json_to_data(text, {"learning_rate": 0.5})["learning_rate"] == 0.5


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_hostile_pickles_are_not_run(tmp_path, pickler):
    target = str(tmp_path / "made")
    content = base64.b64encode(pickler.dumps(Hostile(target))).decode()
    for item in ({SERIALIZED: content}, {KIND: "policy", "module": "x", "name": "y", SERIALIZED: content}):
        text = json.dumps({"policy_kwargs": {"deep": [item]}})
        with pytest.raises(ValueError, match="'policy_kwargs'"):
            json_to_data(text)
        assert not os.path.exists(target)
    json_to_data(text, allow_pickle=True)
    assert os.path.isdir(target)  # so it would have been run


def test_named_classes_must_be_policies():
    for module, name in (("os", "system"), ("stable_baselines_tf2.cli", "main"), ("stable_baselines_tf2.none", "X")):
        text = json.dumps({"policy": {KIND: "policy", "module": module, "name": name}})
        with pytest.raises(ValueError, match=f"the class {module}.{name}"):
            json_to_data(text)


@pytest.mark.parametrize(
    "item",
    [
        {KIND: "policy"},
        {KIND: "policy", "module": 5, "name": "X"},
        {KIND: [1]},
        {KIND: "nothing"},
        {KIND: "space", "type": "Box"},
        {KIND: "space", "type": "Box", "shape": [-1], "low": 0, "high": 1},
        {KIND: "function", "name": "os.system"},
        {KIND: "function", "name": [1]},
        {KIND: "array", "npz": "AAAA"},
        {KIND: "noise"},
        {KIND: "schedule", "type": [3]},
        {SERIALIZED: 5},
        {SERIALIZED: "%%%"},
    ],
)
def test_damaged_descriptions(item):
    with pytest.raises(ValueError, match="'key' of the model file"):
        json_to_data(json.dumps({"key": item}))


def test_bad_json():
    for text in ("", "{", "[1]", "3"):
        with pytest.raises(ValueError, match="data of a model file must be"):
            json_to_data(text)
    with pytest.raises(ValueError, match="custom_objects must be a dictionary"):
        json_to_data("{}", custom_objects=[1])


def test_parameters_as_bytes():
    parameters = OrderedDict([("b:0", np.ones(2)), ("a:0", np.zeros((1, 2)))])
    restored = save_util.bytes_to_params(save_util.params_to_bytes(parameters), ["a:0", "b:0"])
    assert list(restored) == ["a:0", "b:0"]
    np.testing.assert_array_equal(restored["b:0"], [1, 1])
    assert save_util.is_json_serializable([1, "a"]) and not save_util.is_json_serializable(box(1))


@pytest.mark.parametrize(
    "old, new",
    [
        ("common.spaces.space_to_dict", "envs.spaces"),
        ("common.continuous_policies.FeedForwardNetworks", "models.continuous_policies"),
        ("common.off_policy.OffPolicyRLModel", "models.off_policy"),
        ("common.optional.require", "core.optional"),
        ("common.base_class.ActorCriticRLModel", "models.on_policy"),
    ],
)
def test_pickles_that_name_modules_of_older_versions(old, new):
    module, name = f"stable_baselines_tf2.{old}".rsplit(".", 1)
    content = b"c" + f"{module}\n{name}\n.".encode()
    found = save_util.load_trusted(content)
    assert found.__module__ == f"stable_baselines_tf2.{new}" and found.__name__ == name
