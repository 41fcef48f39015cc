"""K-FAC against its formulas, written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.common.policies import CnnPolicy, MlpPolicy
from stable_baselines_tf2.common.tf_layers import mlp
from stable_baselines_tf2.core import probes
from stable_baselines_tf2.core.optimizers.kfac import Block, Kfac, curvature, without_small
from tests.helpers import box

RNG = np.random.default_rng(0)


def observe(policy, obs, loss):
    """The blocks by name of their variables, and the factors, of ``loss(outputs)``."""
    params = policy.params
    with tf.GradientTape(persistent=True) as tape, probes.listen() as uses:
        tape.watch(vector := params.vector)
        outputs = policy.with_weights(vector, tf.constant(obs))
        value = loss(outputs)
    blocks, factors = curvature(uses, params.variables, lambda tensors: tape.gradient(value, tensors))
    return {params.names[block.weights]: block for block in blocks}, [factor.numpy() for factor in factors]


def test_factors_of_dense_layers():
    policy = MlpPolicy(None, box(3), box(2), net_arch=[dict(pi=[4], vf=[5])])
    obs = RNG.normal(size=(7, 3)).astype(np.float32)
    weights = policy.params.as_dict()
    blocks, factors = observe(policy, obs, lambda outputs: tf.reduce_mean(tf.square(outputs.value)))
    # The loss depends on the value function alone.
    assert list(blocks) == ["model/vf_fc0/w:0", "model/vf_fc0/b:0", "model/vf/w:0", "model/vf/b:0"]
    hidden = np.tanh(obs @ weights["model/vf_fc0/w:0"] + weights["model/vf_fc0/b:0"])
    value = hidden @ weights["model/vf/w:0"] + weights["model/vf/b:0"]
    g = 2 * value * weights["model/vf/w:0"].T * (1 - hidden**2)  # [7, 5]: gradients of the squared values
    block, bias = blocks["model/vf_fc0/w:0"], blocks["model/vf_fc0/b:0"]
    np.testing.assert_allclose(factors[block.inputs], obs.T @ obs / 7, rtol=1e-5)
    np.testing.assert_allclose(factors[block.outputs], g.T @ g / 7, rtol=1e-4, atol=1e-6)
    assert bias.inputs is None and bias.outputs == block.outputs
    np.testing.assert_allclose(factors[blocks["model/vf/w:0"].outputs], [[np.mean(4 * value**2)]], rtol=1e-5)


def test_layers_with_the_same_inputs_share_a_factor():
    policy = MlpPolicy(None, box(3), box(2), net_arch=[6, dict(pi=[4], vf=[5])])
    obs = RNG.normal(size=(7, 3)).astype(np.float32)
    blocks, factors = observe(
        policy, obs, lambda outputs: tf.reduce_mean(outputs.value + tf.reduce_sum(outputs.distribution.flatparam(), 1))
    )
    assert blocks["model/pi_fc0/w:0"].inputs == blocks["model/vf_fc0/w:0"].inputs
    assert {name for name, block in blocks.items() if block.inputs is None} == {
        *(f"model/{layer}/b:0" for layer in ("shared_fc0", "pi_fc0", "vf_fc0", "vf", "pi")),
        "model/pi/logstd:0",
    }
    assert len(factors) == 4 + 6  # inputs: observations and three hidden layers; outputs: five layers, logstd


def test_factors_of_convolutions():
    def network(images, **_):
        from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc

        return conv_to_fc(conv(images, "c", n_filters=2, filter_size=3, stride=2))

    policy = CnnPolicy(None, box(7, 7, 1, low=0, high=255), box(1), cnn_extractor=network)
    images = RNG.integers(0, 255, size=(4, 7, 7, 1)).astype(np.float32)
    blocks, factors = observe(policy, images, lambda outputs: tf.reduce_mean(outputs.value))
    assert "model/c/b:0" not in blocks  # keeps the plain gradient
    block = blocks["model/c/w:0"]
    starts = [(i, j) for i in (0, 2, 4) for j in (0, 2, 4)]
    patches = np.stack([[image[i : i + 3, j : j + 3, 0].ravel() for i, j in starts] for image in images / 255])
    flat = patches.reshape(-1, 9)
    np.testing.assert_allclose(factors[block.inputs], flat.T @ flat / 4 / 9**2, rtol=1e-4)
    g = policy.params.as_dict()["model/vf/w:0"].reshape(9, 2)  # of every image alike
    np.testing.assert_allclose(factors[block.outputs], 9**2 * g.T @ g / 9, rtol=1e-4, atol=1e-6)


def test_layers_of_keras_have_homogeneous_coordinates():
    class Policy(MlpPolicy):
        def extract(self, processed_obs, states, masks, n_steps):
            latent = mlp(processed_obs, [4], tf.tanh)
            return latent, latent

    policy = Policy(None, box(3), box(2))
    obs = RNG.normal(size=(7, 3)).astype(np.float32)
    blocks, factors = observe(policy, obs, lambda outputs: tf.reduce_mean(outputs.value))
    names = policy.params.names
    assert "model/fc0/bias:0" not in blocks
    block = blocks["model/fc0/kernel:0"]
    assert names[block.bias] == "model/fc0/bias:0"
    rows = np.concatenate([obs, np.ones((7, 1))], axis=1)
    np.testing.assert_allclose(factors[block.inputs], rows.T @ rows / 7, rtol=1e-5)


def test_nobody_listens():
    policy = MlpPolicy(None, box(3), box(2))
    assert not probes.listening()
    with probes.listen() as uses:
        assert probes.listening()
    policy.with_weights(policy.params.vector, np.zeros((2, 3), np.float32))
    assert uses == {} and not probes.listening()


def positive(n, scale=1.0):
    x = RNG.normal(size=(2 * n, n)).astype(np.float32)
    return scale * x.T @ x / (2 * n)


def run(kfac, size, n_updates, rate=0.1):
    """Weights and state after each update, and what went in."""
    vector, state = tf.constant(RNG.normal(size=size).astype(np.float32)), kfac.initial_state(size)
    history = [(vector.numpy(), state)]
    gradients = RNG.normal(size=(n_updates, size)).astype(np.float32)
    factors = [[positive(n) for n in kfac.sizes] for _ in range(n_updates)]
    for k in range(n_updates):
        state = kfac.accumulate(state, factors[k])
        if kfac.is_due(k + 1):
            state = kfac.decompose(state)
        vector, state = kfac.step(vector, tf.constant(gradients[k]), state, tf.constant(rate))
        history.append((vector.numpy(), state))
    return history, gradients, factors


@pytest.mark.parametrize("interval", [1, 4])
def test_updates(interval):
    """A matrix [2, 3] with a bias, a matrix [2, 2] with its bias as a row, and three weights without a block."""
    blocks = [Block(0, None, 0, 1), Block(1, None, None, 1), Block(2, 3, 2, 3)]
    shapes = [(2, 3), (3,), (2, 2), (2,), (3,)]
    kfac = Kfac(shapes, blocks, [2, 3, 3, 2], clip=0.02, interval=interval, max_grad_norm=1.0)
    history, gradients, factors = run(kfac, 18, 20)
    averages = [np.zeros((n, n)) for n in kfac.sizes]
    descent, natural = np.zeros(18), np.zeros(18)
    used = None
    clipped = 0
    for k, g in enumerate(gradients.astype(np.float64)):
        averages = [a + f / 10 if k < 10 else 0.99 * a + 0.01 * f for a, f in zip(averages, factors[k], strict=True)]
        if k + 1 >= 10 and (k + 1) % interval == 0:
            used = averages
        expected = history[k][0].astype(np.float64)
        if k <= 10:
            descent = 0.9 * descent + g * min(1.0, 1.0 / np.linalg.norm(g))
            expected -= 0.1 * descent
        if k >= 9:
            step = g
            if used is not None:
                a, b, c, d = used
                damped = [np.kron(a, b), b, np.kron(c, d)]
                places = [slice(0, 6), slice(6, 9), slice(9, 15)]
                step = g.copy()
                for fisher, place in zip(damped, places, strict=True):
                    step[place] = np.linalg.solve(fisher + 0.01 * np.eye(len(fisher)), g[place])
                length = step @ g * 0.1**2
                clipped += length > 0.02
                step *= min(1.0, np.sqrt(0.02 / length))
            natural = 0.9 * natural + step
            expected -= 0.1 * 0.1 * natural
        np.testing.assert_allclose(history[k + 1][0], expected, rtol=2e-4, atol=2e-5, err_msg=f"update {k}")
    state = history[-1][1]
    assert clipped > 5 and int(state["kfac/updates"]) == 20
    assert int(state["kfac/decompositions"]) == (11 if interval == 1 else 3)  # after 12, 16 and 20
    for i, average in enumerate(averages):
        np.testing.assert_allclose(state[f"kfac/factor/{i}"], average, rtol=1e-4)


def test_small_eigenvalues_count_as_zero():
    np.testing.assert_array_equal(without_small(tf.constant([-1.0, 1e-7, 1e-6, 1e-5])), np.float32([0, 0, 0, 1e-5]))
    kfac = Kfac([(2,)], [Block(0, None, None, 0)], [2], cold_updates=1, damping=0.5)
    state = kfac.decompose(kfac.accumulate(kfac.initial_state(2), [np.diag([1e-7, 2.0]).astype(np.float32)]))
    np.testing.assert_allclose(state["kfac/eigenvalues/0"], [0, 2])
    vector, _ = kfac.step(tf.zeros(2), tf.ones(2), state, tf.constant(1e-3))
    descent = 0.5 / np.sqrt(2)
    np.testing.assert_allclose(vector, -1e-3 * (descent + 0.1 * np.array([1 / 0.5, 1 / 2.5])), rtol=1e-5)


def test_a_gradient_of_zero_changes_nothing():
    kfac = Kfac([(2,)], [Block(0, None, None, 0)], [2], cold_updates=1)
    state = kfac.decompose(kfac.accumulate(kfac.initial_state(2), [np.eye(2, dtype=np.float32)]))
    vector, state = kfac.step(tf.ones(2), tf.zeros(2), state, tf.constant(0.1))
    np.testing.assert_array_equal(vector, [1, 1])
    assert all(np.isfinite(array.numpy()).all() for array in state.values())


def test_decomposing_what_is_not_finite_raises_nothing():
    kfac = Kfac([(2,)], [Block(0, None, None, 0)], [2])
    state = kfac.accumulate(kfac.initial_state(2), [np.full((2, 2), np.nan, np.float32)])
    assert np.isnan(state["kfac/factor/0"]).all() and np.isfinite(kfac.decompose(state)["kfac/eigenvectors/0"]).all()
