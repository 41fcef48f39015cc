"""Policies are recognised by the names and shapes of their parameters, or by shapes alone."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

import stable_baselines_tf2
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.files.legacy_model import algorithm_of, named_parameters, policy_family
from stable_baselines_tf2.files.pickle_tree import Call, Global, UnsafePickle
from stable_baselines_tf2.files.pickled_functions import function_code
from stable_baselines_tf2.files.recognise import NotRecognised, recognise_policy
from tests.helpers import RandomEnv, box

USER = Global("my_project.policies", "CustomPolicy")
IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)
CASES = [
    ("PPO2", "MlpPolicy", {}, box(3), spaces.Discrete(4)),
    ("PPO2", "MlpPolicy", {"net_arch": [7]}, box(3), box(2)),
    ("PPO2", "MlpPolicy", {"net_arch": [9, 8, {"pi": [6], "vf": [5, 4]}]}, box(2, 2), spaces.MultiDiscrete([2, 3])),
    ("A2C", "MlpPolicy", {"net_arch": [{"pi": [7, 6], "vf": []}]}, spaces.Discrete(5), spaces.MultiBinary(3)),
    ("A2C", "MlpLstmPolicy", {"n_lstm": 5, "layers": [9, 7]}, box(3), spaces.Discrete(4)),
    ("PPO2", "MlpLnLstmPolicy", {"n_lstm": 5, "layers": [6]}, box(3), box(2)),
    ("A2C", "CnnPolicy", {}, IMAGE, spaces.Discrete(4)),
    ("A2C", "CnnLnLstmPolicy", {"n_lstm": 5}, IMAGE, box(2)),
    ("DQN", "MlpPolicy", {"layers": [8, 7]}, box(3), spaces.Discrete(4)),
    ("DQN", "MlpPolicy", {"layers": [8], "dueling": False}, box(3), spaces.Discrete(4)),
    ("DQN", "LnMlpPolicy", {"layers": [8, 7, 6]}, spaces.MultiDiscrete([3, 2]), spaces.Discrete(4)),
    ("DQN", "CnnPolicy", {"layers": [8]}, IMAGE, spaces.Discrete(4)),
    ("SAC", "MlpPolicy", {}, box(3), box(2)),
    ("SAC", "LnMlpPolicy", {"layers": [8, 7]}, box(3), box(2)),
    ("SAC", "CnnPolicy", {"layers": [8]}, IMAGE, box(2)),
    ("TD3", "LnMlpPolicy", {"layers": [8]}, box(3), box(2)),
    ("DDPG", "MlpPolicy", {"layers": [8, 7]}, box(3), box(2)),
    ("DDPG", "LnMlpPolicy", {"layers": [8]}, box(3), box(2)),
]


def build(algorithm, policy, kwargs, observation_space, action_space):
    env = DummyVecEnv([lambda: RandomEnv(observation_space, action_space)])
    small = {} if algorithm in ("PPO2", "A2C") else {"buffer_size": 200}
    small |= {"nminibatches": 1} if algorithm == "PPO2" else {}
    return getattr(stable_baselines_tf2, algorithm)(policy, env, policy_kwargs=kwargs, **small)


@pytest.mark.filterwarnings("ignore:layers is the older way:DeprecationWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_built_in_policies(case):
    algorithm, policy, kwargs, observation_space, action_space = case
    model = build(*case)
    data, parameters = model.hyperparameters(), model.get_parameters()
    assert algorithm_of(data) == algorithm
    for given in (parameters, list(parameters.values())):
        found = recognise_policy(USER, given, data, policy_family(data))
        assert (found.name, found.kwargs) == (policy, kwargs), type(given)
        assert found.module == model.policy.__module__


def test_what_no_built_in_policy_has():
    model = build(*CASES[0])
    data, parameters = model.hyperparameters(), model.get_parameters()
    for changed in (
        {**parameters, "model/extra:0": np.zeros(3)},
        {name: value for name, value in parameters.items() if name != "model/q/b:0"},
        {name.replace("pi_fc", "policy_"): value for name, value in parameters.items()},
        dict(reversed(parameters.items())),
        {},
    ):
        with pytest.raises(NotRecognised, match="no built-in policy has the parameters"):
            recognise_policy(USER, changed, data, "common")
    with pytest.raises(NotRecognised, match="observation_space of the file is missing"):
        recognise_policy(USER, parameters, {}, "common")
    with pytest.raises(NotRecognised, match="not a class"):
        recognise_policy(Call(Global("posix", "system"), ("true",)), parameters, data, "common")


@pytest.mark.parametrize(("constants", "names"), [((), 5), (None, ()), ("x", ("y",))])
def test_damaged_code_of_a_constructor(constants, names):
    code = Call(Global("types", "CodeType"), (1, 0, b"S", constants, names, (), ()))
    with pytest.raises(UnsafePickle, match="is damaged: .*must be tuples"):
        function_code(Call(Global("types", "FunctionType"), (code,)))


def test_shapes_alone_may_not_tell():
    """Without names, three layers of one size could be shared or not."""
    model = build("PPO2", "MlpPolicy", {"net_arch": [{"pi": [3, 3, 3], "vf": [3]}]}, box(3), spaces.Discrete(4))
    data, parameters = model.hyperparameters(), model.get_parameters()
    assert recognise_policy(USER, parameters, data, "common").kwargs == model.policy_kwargs
    found = recognise_policy(USER, list(parameters.values()), data, "common")
    assert found.kwargs == {"net_arch": [{"pi": [3, 3], "vf": [3, 3]}]}  # what people had
    odd = build("PPO2", "MlpPolicy", {"net_arch": [3, {"pi": [3], "vf": [3]}]}, box(3), spaces.Discrete(4))
    with pytest.raises(NotRecognised, match="several built-in policies"):
        recognise_policy(USER, list(odd.get_parameters().values()), odd.hyperparameters(), "common")


def test_lists_that_are_longer_than_the_parameters():
    """Versions before 2.6 stored more: statistics come last, other networks before them."""
    names, shapes = ["model/a:0", "model/b:0", "input/obs_rms/count:0"], [(2,), (3,), ()]
    first, second, other, count = np.ones(2), np.ones(3), np.zeros(4), np.float64(5)
    for arrays in ([first, second, count], [first, second, other, other, count]):
        found = named_parameters([np.asarray(array) for array in arrays], names, shapes)
        assert list(found) == names and found["input/obs_rms/count:0"] == 5
    twice = named_parameters([first, second, first, second], names[:2], shapes[:2])
    np.testing.assert_array_equal(twice["model/b:0"], second)
    for arrays, message in (
        ([first], "it has 1 arrays of weights, such a model has 3"),
        ([second, first, count], "model/a:0 has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            named_parameters([np.asarray(array) for array in arrays], names, shapes)
