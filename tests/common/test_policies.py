"""Policies: variables, network descriptions, acting."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common import policies as lib
from stable_baselines_tf2.core.policy_registry import policies_of
from stable_baselines_tf2.envs.spaces import space_from_dict
from tests.helpers import box
from tests.on_policy_cases import ALGORITHMS, random_env

VARIABLES = pathlib.Path(__file__).parents[1] / "data" / "variables_on_policy.json"  # as the original has them
ALL = ("MlpPolicy", "MlpLstmPolicy", "MlpLnLstmPolicy", "CnnPolicy", "CnnLstmPolicy", "CnnLnLstmPolicy")


def layers_of(*names):
    return [f"model/{name}/{part}:0" for name in names for part in ("w", "b")]


HEADS = layers_of("vf", "pi", "q")


@pytest.mark.parametrize(
    "policy, arguments, names",
    [
        ("MlpPolicy", {}, layers_of("pi_fc0", "vf_fc0", "pi_fc1", "vf_fc1")),
        (
            "MlpPolicy",
            dict(net_arch=[4, dict(vf=[5], pi=[6, 7])]),
            layers_of("shared_fc0", "pi_fc0", "vf_fc0", "pi_fc1"),
        ),
        ("MlpPolicy", dict(net_arch=[]), []),
        (
            "MlpLstmPolicy",
            dict(n_lstm=4),
            [*layers_of("pi_fc0", "pi_fc1"), *(f"model/lstm1/{part}:0" for part in ("wx", "wh", "b"))],
        ),
        (
            "MlpLstmPolicy",
            dict(n_lstm=4, net_arch=[8, "lstm", 5, dict(pi=[6, 6], vf=[7])]),
            [*layers_of("shared_fc0"), *(f"model/lstm1/{p}:0" for p in ("wx", "wh", "b")),
             *layers_of("shared_fc2", "pi_fc0", "pi_fc1", "vf_fc0")],
        ),
        (
            "MlpLnLstmPolicy",
            dict(n_lstm=4, net_arch=["lstm"]),
            [f"model/lstm1/{p}:0" for p in ("wx", "wh", "b", "gx", "bx", "gh", "bh", "gc", "bc")],
        ),
    ],
)  # fmt: skip
def test_variable_names(policy, arguments, names):
    built = getattr(lib, policy)(None, box(3), spaces.Discrete(2), **arguments)
    assert built.params.names == [*names, *HEADS]


def test_order_of_the_heads_of_a_gaussian():
    built = lib.MlpPolicy(None, box(3), box(2), net_arch=[])
    assert built.params.names == [*layers_of("vf", "pi"), "model/pi/logstd:0", *layers_of("q")]
    shapes = dict(zip(built.params.names, built.params.shapes, strict=True))
    assert shapes["model/pi/logstd:0"] == (1, 2)
    assert shapes["model/pi/w:0"] == (3, 2) and shapes["model/q/w:0"] == (3, 2)


def legacy_models():
    """Every combination of a supported algorithm that the original could build."""
    models = json.loads(VARIABLES.read_text())["models"]
    return [key for key, model in models.items() if key.split("/")[0] in ALGORITHMS and "variables" in model]


@pytest.mark.parametrize("key", legacy_models())
def test_variables_are_the_originals(key):
    recorded = json.loads(VARIABLES.read_text())
    algorithm, policy, action_space = key.split("/")
    spaces_ = [
        space_from_dict(next(s for name, s in recorded["observation_space"].items() if policy.startswith(name))),
        space_from_dict(recorded["action_spaces"][action_space]),
    ]
    kwargs = next((kw for name, kw in recorded["policy_kwargs"].items() if name in policy), {})
    env = random_env(recorded["n_envs"], spaces_[1], spaces_[0])
    arguments = dict(nminibatches=1) if algorithm == "PPO2" else {}
    model = ALGORITHMS[algorithm](policy, env, policy_kwargs=kwargs, **arguments)
    parameters = model.get_parameters()
    expected = [(name, tuple(shape)) for name, shape in recorded["models"][key]["variables"]]
    assert [(name, array.shape) for name, array in parameters.items()] == expected
    assert [variable.path + ":0" for variable in model.get_parameter_list()] == list(parameters)


@pytest.mark.parametrize(
    "net_arch, n_lstm, message",
    [
        (5, None, "net_arch must be a list"),
        ("lstm", 4, "net_arch must be a list"),
        ([0], None, "positive integer, not 0"),
        ([True], None, "positive integer"),
        ([2.5], None, "positive integer"),
        (["lstm"], None, "positive integer, not 'lstm'"),
        ([dict(pi=4)], None, "must be a list of layer sizes, not 4"),
        ([dict(pi=["lstm"])], 4, "positive integer, not 'lstm'"),
        ([4], 4, "'lstm' exactly once, not 0 times"),
        (["lstm", "lstm"], 4, "'lstm' exactly once, not 2 times"),
    ],
)
def test_bad_network_descriptions(net_arch, n_lstm, message):
    with pytest.raises(ValueError, match=message):
        lib.parse_net_arch(net_arch, n_lstm)


def test_bad_policy_arguments():
    make = lambda cls, **kwargs: cls(None, box(3), box(2), **kwargs)  # noqa: E731
    with pytest.raises(ValueError, match="feature_extraction must be 'cnn' or 'mlp', not 'rnn'"):
        make(lib.FeedForwardPolicy, feature_extraction="rnn")
    with pytest.raises(ValueError, match=r"unknown keyword arguments for an MLP policy: \['widht'\]"):
        make(lib.MlpPolicy, widht=3)
    with pytest.warns(UserWarning, match=r"layers=\[5\] beside net_arch=\[4\] has no effect"):
        assert "model/shared_fc0/w:0" in make(lib.MlpPolicy, net_arch=[4], layers=[5]).params.names
    with pytest.raises(NotImplementedError, match="net_arch describes MLP"):
        make(lib.CnnLstmPolicy, net_arch=["lstm"])
    with pytest.raises(NotImplementedError, match="must override extract"):
        make(lib.ActorCriticPolicy).params  # noqa: B018
    with pytest.raises(ValueError, match="act_fun"):
        make(lib.MlpPolicy, act_fun="no")


def test_layers_warns():
    with pytest.warns(DeprecationWarning, match="layers is the older way"):
        policy = lib.MlpPolicy(None, box(3), box(2), layers=[7])
    assert policy.params.names[:4] == layers_of("pi_fc0", "vf_fc0")


def test_initial_weights():
    policy = lib.MlpPolicy(None, box(3), spaces.Discrete(4))
    weights = policy.params.as_dict()
    for name, scale in (("pi_fc1", 2.0), ("pi", 1e-4), ("vf", 1.0), ("q", 1e-4)):
        w = weights[f"model/{name}/w:0"].astype(np.float64)
        np.testing.assert_allclose(w.T @ w, scale * np.eye(w.shape[1]), atol=1e-5 * scale)
        assert not weights[f"model/{name}/b:0"].any()


def test_step_value_and_proba_step():
    policy = lib.MlpPolicy(None, box(3), spaces.Discrete(4), net_arch=[5])
    policy.generator = np.random.default_rng(0)
    obs = np.random.default_rng(1).normal(size=(6, 3))
    actions, values, state, neglogp = policy.step(obs)
    assert actions.shape == values.shape == neglogp.shape == (6,) and state is None
    probabilities = policy.proba_step(obs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(neglogp, -np.log(probabilities[np.arange(6), actions]), rtol=1e-5)
    np.testing.assert_allclose(policy.value(obs), values)
    best, *_, of_a_sample = policy.step(obs, deterministic=True, noise=np.full((6, 4), 0.5, np.float32))
    np.testing.assert_array_equal(best, probabilities.argmax(axis=1))
    np.testing.assert_allclose(of_a_sample, -np.log(probabilities.max(axis=1)), rtol=1e-5)


@pytest.mark.parametrize("name", ["MlpLstmPolicy", "CnnLstmPolicy"])
def test_recurrent_policies(name):
    space = box(36, 36, 1, low=0, high=255, dtype=np.uint8) if "Cnn" in name else box(3)
    policy = getattr(lib, name)(None, space, box(2), n_env=3, n_lstm=4)
    assert policy.recurrent and policy.initial_state.shape == (3, 8) and not policy.initial_state.any()
    obs = np.stack([space.sample() for _ in range(5)])
    first = policy.step(obs, deterministic=True)  # any number of environments
    second = policy.step(obs, first[2], deterministic=True)
    again = policy.step(obs, first[2], np.ones(5), deterministic=True)
    assert first[2].shape == (5, 8) and not np.allclose(first[1], second[1])
    np.testing.assert_allclose(again[1], first[1], atol=1e-6)


def test_sequences_are_steps_in_turn():
    policy = lib.MlpLstmPolicy(None, box(3), spaces.Discrete(2), n_lstm=4)
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(2, 5, 3)).astype(np.float32)  # two environments, five steps
    starts = np.array([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]], np.float32)
    first = rng.normal(size=(2, 8)).astype(np.float32)
    outputs = policy(tf.constant(obs.reshape(10, 3)), tf.constant(first), tf.constant(starts.ravel()), n_steps=5)
    state = first
    for t in range(5):
        _, value, state, _ = policy.step(obs[:, t], state, starts[:, t])
        np.testing.assert_allclose(outputs.value.numpy().reshape(2, 5)[:, t], value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs.state, state, rtol=1e-5, atol=1e-6)


def test_images_are_scaled_by_cnn_policies_only():
    space = box(36, 36, 1, low=0, high=255, dtype=np.uint8)
    assert lib.CnnPolicy(None, space, box(2)).preprocessor._factor is not None
    assert lib.MlpPolicy(None, space, box(2), net_arch=[4]).preprocessor._factor is None


def test_with_weights_takes_them_from_the_vector():
    policy = lib.MlpPolicy(None, box(3), spaces.Discrete(2), net_arch=[4])
    obs = tf.ones((2, 3))
    vector = policy.params.vector * 2.0
    outputs = policy.with_weights(vector, obs)
    assert not np.allclose(outputs.value, policy(obs).value)
    policy.params.advance(vector)
    policy.params.sync()
    np.testing.assert_allclose(outputs.value, policy(obs).value)


def test_keras_views_are_never_behind(tmp_path):
    policy = lib.MlpPolicy(None, box(3), spaces.Discrete(2), net_arch=[4])
    assert isinstance(policy, keras.Model)
    size = sum(policy.params.sizes)
    views = ("weights", "variables", "trainable_weights", "trainable_variables")
    for i, view in enumerate(views):
        policy.params.advance(tf.fill([size], float(i + 1)))
        assert all((variable.numpy() == i + 1).all() for variable in getattr(policy, view))
    policy.params.advance(tf.fill([size], 9.0))
    assert all((array == 9).all() for array in policy.get_weights()) and len(policy.get_weights()) == 8
    policy.params.advance(tf.fill([size], 10.0))
    policy.save_weights(tmp_path / "x.weights.h5")
    policy.params.advance(tf.fill([size], 11.0))
    policy.load_weights(tmp_path / "x.weights.h5")
    assert (policy.params.vector.numpy() == 10).all() and policy.value(np.zeros((1, 3)))[0] == 50
    policy.set_weights([np.zeros(shape) for shape in policy.params.shapes])
    assert not policy.params.vector.numpy().any() and policy.value(np.ones((1, 3)))[0] == 0


class OfKeras(lib.ActorCriticPolicy):
    """Layers of Keras in attributes, one before and one after the base class' constructor."""

    def __init__(self, *args, **kwargs):
        self.net = keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(5)])
        super().__init__(*args, **kwargs)
        self.values = [keras.layers.Dense(4, activation="tanh")]
        self._setup_init()

    def extract(self, processed_obs, states, masks, n_steps):
        return lib.Features(self.net(processed_obs), self.values[0](processed_obs))


def test_keras_layers_in_attributes_are_trained_and_saved(tmp_path):
    model = PPO2(OfKeras, "CartPole-v1", n_steps=16, learning_rate=1e-2, seed=0)
    before = model.get_parameters()
    own = [f"model/{name}:0" for name in ("net/kernel", "net/bias", "net/kernel_1", "net/bias_1")]
    own += ["model/values/kernel:0", "model/values/bias:0"]
    assert list(before) == [*HEADS, *own]
    model.learn(64)
    for name, value in model.get_parameters().items():
        assert name.startswith("model/q/") or not np.array_equal(value, before[name]), name
    model.save(tmp_path / "model")
    loaded = PPO2.load(tmp_path / "model", custom_objects={"policy": OfKeras})
    obs = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(loaded.action_probability(obs), model.action_probability(obs))


def test_policy_names():
    for name in ALL:
        assert lib.get_policy_from_name(lib.ActorCriticPolicy, name) is getattr(lib, name)
    with pytest.raises(ValueError, match="policy: 'Mlp' is unknown; there are CnnLnLstmPolicy.*MlpPolicy"):
        lib.get_policy_from_name(lib.ActorCriticPolicy, "Mlp")
    with pytest.raises(ValueError, match="no policies are registered for MlpPolicy"):
        lib.get_policy_from_name(lib.MlpPolicy, "MlpPolicy")


def test_registering(monkeypatch):
    monkeypatch.setitem(policies_of, lib.ActorCriticPolicy, dict(policies_of[lib.ActorCriticPolicy]))

    class Mine(lib.FeedForwardPolicy):
        pass

    lib.register_policy("Mine", Mine)
    assert lib.get_policy_from_name(lib.ActorCriticPolicy, "Mine") is Mine
    with pytest.raises(ValueError, match="'Mine' is already registered"):
        lib.register_policy("Mine", Mine)
    with pytest.raises(ValueError, match="int is not a subclass of ActorCriticPolicy"):
        lib.register_policy("Other", int)
