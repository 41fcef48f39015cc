"""Acting: the NumPy actor against the Keras model, samplers against the distributions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2.common.distributions import make_proba_dist_type
from stable_baselines_tf2.common.policies import FeedForwardPolicy, LstmPolicy, make_sampler
from stable_baselines_tf2.core.acting import CompiledActor, NumpyActor
from tests.helpers import box
from tests.on_policy_cases import ACTION_SPACES

OBSERVATION_SPACES = {
    "Box": box(3),
    "scalar": box(),
    "matrix": box(2, 3),
    "float64": box(3, dtype=np.float64),
    "image": box(4, 4, 1, low=0, high=255, dtype=np.uint8),
    "int": box(3, low=-5, high=9, dtype=np.int32),
    "unbounded": box(3, low=-np.inf, high=np.inf),
    "Discrete": spaces.Discrete(5),
    "Discrete from 3": spaces.Discrete(5, start=3),
    "MultiDiscrete": spaces.MultiDiscrete([3, 4]),
    "MultiDiscrete from 1": spaces.MultiDiscrete([3, 4], start=[1, 2]),
    "MultiBinary": spaces.MultiBinary(4),
    "MultiBinary matrix": spaces.MultiBinary([2, 3]),
}
DENSE = {
    "default": {},
    "layers": dict(layers=[7]),
    "none": dict(net_arch=[]),
    "shared": dict(net_arch=[7, 6]),
    "uneven": dict(net_arch=[7, dict(pi=[6, 5, 4], vf=[8])]),
    "policy only": dict(net_arch=[dict(pi=[6])]),
}
RECURRENT = {
    "default": {},
    "layers": dict(layers=[7]),
    "no layers": dict(layers=[]),
    "first": dict(net_arch=["lstm"]),
    "middle": dict(net_arch=[7, "lstm", 6, dict(pi=[5, 4], vf=[8])]),
}
pytestmark = pytest.mark.filterwarnings("ignore:layers is the older way")


def shapes_of(policy):
    return zip(policy.params.names, policy.params.shapes, strict=True)


def compare(policy, batch=5):
    """Plays three steps with random weights; checks everything that acting gives against the Keras model."""
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(0, 0.4, s).astype(np.float32) for n, s in shapes_of(policy)}
    policy.params.assign(weights)
    assert isinstance(policy.actor, NumpyActor)
    state = None
    for _step in range(3):
        obs = np.stack([policy.ob_space.sample() for _ in range(batch)])
        mask = rng.random(batch) < 0.4
        outputs = policy.actor(*policy.network_inputs(obs, state, mask))
        given = ()
        if policy.recurrent:
            state = np.zeros((batch, 2 * policy.n_lstm), np.float32) if state is None else state
            given = tf.constant(state), tf.constant(mask, tf.float32)
        expected = policy(tf.constant(obs.astype(policy.preprocessor.dtype)), *given)
        np.testing.assert_allclose(outputs.flat, expected.distribution.flatparam(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outputs.value, expected.value, rtol=1e-5, atol=1e-6)
        assert outputs.flat.dtype == outputs.value.dtype == np.float32
        assert np.ptp(outputs.value) > 1e-4  # the observation matters
        if policy.recurrent:
            np.testing.assert_allclose(outputs.state, expected.state, rtol=1e-5, atol=1e-6)
            state = outputs.state
        else:
            assert outputs.state is None


@pytest.mark.parametrize("net_arch", DENSE)
def test_dense_architectures(net_arch):
    compare(FeedForwardPolicy(None, box(3), box(2), feature_extraction="mlp", **DENSE[net_arch]))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("net_arch", RECURRENT)
def test_recurrent_architectures(net_arch, layer_norm):
    kwargs = dict(n_lstm=6, layer_norm=layer_norm, feature_extraction="mlp", **RECURRENT[net_arch])
    compare(LstmPolicy(None, box(3), spaces.Discrete(3), **kwargs))


@pytest.mark.parametrize("space", OBSERVATION_SPACES)
def test_observation_spaces(space):
    kwargs = dict(net_arch=[6], feature_extraction="mlp")
    OBSERVATION_SPACES[space].seed(0)
    compare(FeedForwardPolicy(None, OBSERVATION_SPACES[space], spaces.Discrete(3), **kwargs))


@pytest.mark.parametrize("space", ACTION_SPACES)
def test_action_spaces(space):
    compare(FeedForwardPolicy(None, box(3), ACTION_SPACES[space], net_arch=[6], feature_extraction="mlp"))


@pytest.mark.parametrize(
    "act_fun",
    [tf.nn.relu, tf.tanh, tf.nn.elu, tf.sigmoid, tf.nn.leaky_relu, tf.nn.softplus, tf.identity, "relu", "elu", "linear"]
    + [keras.activations.leaky_relu, keras.activations.softplus, keras.activations.sigmoid, keras.activations.tanh],
)
def test_activations(act_fun):
    compare(
        FeedForwardPolicy(None, box(3), spaces.Discrete(3), net_arch=[6], act_fun=act_fun, feature_extraction="mlp")
    )


@pytest.mark.parametrize("act_fun", [tf.nn.gelu, "selu", lambda x: tf.nn.relu(x) - 0.5])
def test_other_activations_act_through_tensorflow(act_fun):
    policy = FeedForwardPolicy(None, box(3), box(2), net_arch=[6], act_fun=act_fun, feature_extraction="mlp")
    assert isinstance(policy.actor, CompiledActor)
    obs = np.array([[0.1, -0.2, 0.3], [1, -1, 0]], np.float32)
    expected = policy(tf.constant(obs))
    outputs = policy.actor(*policy.network_inputs(obs, None, None))
    np.testing.assert_allclose(outputs.flat, expected.distribution.flatparam(), atol=1e-6)
    np.testing.assert_allclose(outputs.value, expected.value, atol=1e-6)


def test_large_networks_act_through_tensorflow(monkeypatch):
    monkeypatch.setattr("stable_baselines_tf2.common.policies.NUMPY_WEIGHT_LIMIT", 30)
    policy = LstmPolicy(None, box(3), box(2), n_lstm=4, net_arch=["lstm"], feature_extraction="mlp")
    assert isinstance(policy.actor, CompiledActor)
    obs, state, mask = np.ones((2, 3), np.float32), np.full((2, 8), 0.5, np.float32), np.array([0, 1], np.float32)
    outputs = policy.actor(obs, state, mask)
    expected = policy(tf.constant(obs), tf.constant(state), tf.constant(mask))
    np.testing.assert_allclose(outputs.state, expected.state, atol=1e-6)
    np.testing.assert_allclose(outputs.value, expected.value, atol=1e-6)


def test_actor_follows_the_weights():
    policy = FeedForwardPolicy(None, box(3), spaces.Discrete(2), net_arch=[], feature_extraction="mlp")
    obs = np.ones((1, 3), np.float32)
    assert policy.value(obs)[0] != 7.0
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes_of(policy)}
    policy.params.assign({**zeros, "model/vf/b:0": np.full(1, 7.0)})
    assert policy.value(obs)[0] == 7.0
    policy.params.advance(policy.params.vector + 1.0)
    assert policy.value(obs)[0] == 3 + 8.0


@pytest.mark.parametrize("kind", ACTION_SPACES)
def test_samplers_agree_with_distributions(kind):
    space, rng = ACTION_SPACES[kind], np.random.default_rng(1)
    sampler, proba_type = make_sampler(space), make_proba_dist_type(space)
    flat = rng.normal(0, 1, (50, proba_type.param_shape()[0])).astype(np.float32)
    distribution = proba_type.proba_distribution_from_flat(tf.constant(flat))
    noise = sampler.draw_noise(rng, flat)
    actions = sampler.sample(flat, noise)
    np.testing.assert_allclose(actions, distribution.sample(tf.constant(noise)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sampler.mode(flat), distribution.mode().numpy())
    np.testing.assert_allclose(sampler.neglogp(flat, actions), distribution.neglogp(actions), rtol=1e-5, atol=1e-5)
    assert actions.shape == (50, *space.shape)
    if kind != "Box":
        assert all(map(space.contains, actions))


@pytest.mark.parametrize("kind", ["Discrete", "MultiDiscrete", "MultiBinary"])
def test_sampled_frequencies_are_the_probabilities(kind):
    space, rng = ACTION_SPACES[kind], np.random.default_rng(2)
    sampler = make_sampler(space)
    row = rng.normal(0, 1, (1, make_proba_dist_type(space).param_shape()[0])).astype(np.float32)
    flat = np.repeat(row, 20000, axis=0)
    actions = sampler.sample(flat, sampler.draw_noise(rng, flat))
    probabilities = sampler.probabilities(row)
    if kind == "MultiBinary":
        np.testing.assert_allclose(actions.mean(axis=0), probabilities[0], atol=0.015)
        return
    parts = probabilities if kind == "MultiDiscrete" else [probabilities]
    for choices, part in zip(actions.reshape(20000, -1).T, parts, strict=True):
        np.testing.assert_allclose(np.bincount(choices, minlength=part.shape[1]) / 20000, part[0], atol=0.015)


def test_gaussian_samples():
    sampler, rng = make_sampler(box(2)), np.random.default_rng(3)
    flat = np.repeat(np.array([[1.0, -2.0, 0.0, np.log(0.5)]], np.float32), 20000, axis=0)
    actions = sampler.sample(flat, sampler.draw_noise(rng, flat))
    np.testing.assert_allclose(actions.mean(axis=0), [1, -2], atol=0.03)
    np.testing.assert_allclose(actions.std(axis=0), [1, 0.5], atol=0.03)
    mean, std = sampler.probabilities(flat[:1])
    np.testing.assert_allclose([mean[0], std[0]], [[1, -2], [1, 0.5]], atol=1e-6)
