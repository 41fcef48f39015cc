"""Soft actor-critic."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import SAC
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.identity_env import IdentityEnvBox
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core import losses
from stable_baselines_tf2.sac.policies import (
    apply_squashing_func,
    clip_but_pass_gradient,
    gaussian_entropy,
    gaussian_likelihood,
)
from tests.off_policy_cases import OBS, make_off_policy


# ----------------------------------------------------------------------------------------------------------- functions
def test_gaussian():
    mean, log_std, value = np.float32([[0, 1]]), np.float32([[0.5, -1]]), np.float32([[1, 0.8]])
    standardized = (value - mean) / np.exp(log_std)
    expected = (-0.5 * standardized**2 - log_std - 0.5 * np.log(2 * np.pi)).sum()
    assert float(gaussian_likelihood(value, mean, log_std)[0]) == pytest.approx(expected, rel=1e-5)
    assert float(gaussian_entropy(log_std)[0]) == pytest.approx(-0.5 + np.log(2 * np.pi * np.e), rel=1e-6)


def test_squashing_changes_the_density():
    """The densities of squashed actions sum up to one."""
    samples = np.linspace(-6, 6, 4001, dtype=np.float32)[:, np.newaxis]
    mean, log_std = np.full_like(samples, 0.3), np.full_like(samples, -0.2)
    squashed_mean, actions, logp = apply_squashing_func(mean, samples, gaussian_likelihood(samples, mean, log_std))
    assert float(squashed_mean[0, 0]) == pytest.approx(np.tanh(0.3))
    density, x = np.exp(logp), actions[:, 0].numpy()
    total = (0.5 * (density[1:] + density[:-1]) * np.diff(x)).sum()
    assert total == pytest.approx(1.0, abs=2e-3)


def test_clipping_lets_gradients_pass():
    x = tf.constant([-3.0, 0.5, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        clipped = clip_but_pass_gradient(x)
    np.testing.assert_array_equal(clipped, [-1, 0.5, 1])
    np.testing.assert_array_equal(tape.gradient(clipped, x), [1, 1, 1])


def test_value_loss():
    v, q, cost = np.float32([1, 2, 3]), np.float32([0, 1, 5]), np.float32([-1, 0.5, 2])
    pairs = v[:, None] - (q[:, None] - cost[None, :])
    assert float(losses.soft_value_loss(v, q, cost, pairwise=True)) == pytest.approx(0.5 * (pairs**2).mean())
    own = v - q + cost
    assert float(losses.soft_value_loss(v, q, cost, pairwise=False)) == pytest.approx(0.5 * (own**2).mean())


# ---------------------------------------------------------------------------------------------------------- the update
def batch(model, n_steps=1, seed=0):
    generator = np.random.default_rng(seed)
    shape = (n_steps, model.batch_size)
    arrays = {name: generator.normal(0, 1, (*shape, 3)).astype(np.float32) for name in ("obs", "next_obs")}
    arrays |= {"actions": generator.uniform(-1, 1, (*shape, 2)).astype(np.float32)}
    arrays |= {"noise": generator.normal(0, 1, (*shape, 2)).astype(np.float32)}
    return arrays | {"rewards": generator.normal(0, 1, shape), "dones": generator.random(shape) < 0.3}


def test_several_steps_are_single_steps_in_turn():
    models = [make_off_policy("SAC", target_update_interval=2), make_off_policy("SAC", target_update_interval=2)]
    models[1].load_parameters(models[0].get_parameters())
    arrays = batch(models[0], 4)
    arrays["update_target"] = np.array([1, 0, 1, 0], np.float32)
    together = models[0].update(arrays, 1e-2)
    for k in range(4):
        alone = models[1].update({name: array[k : k + 1] for name, array in arrays.items()}, 1e-2)
        assert set(alone) == set(together)
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][k], values[0], rtol=5e-4, atol=1e-5)  # XLA or not
    for name, array in models[0].get_parameters().items():
        np.testing.assert_allclose(array, models[1].get_parameters()[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_targets_follow_at_their_interval():
    model = make_off_policy("SAC", target_update_interval=3, tau=0.5, learning_starts=0, batch_size=1)
    changes, before = [], None

    def note(_locals, _globals):
        nonlocal before
        weights = model.get_parameters()["target/values_fn/vf/fc0/kernel:0"]
        changes.append(before is not None and not np.array_equal(weights, before))
        before = weights

    model.learn(10, callback=note)
    # The callback of step k + 1 sees what the gradient step after step k did; steps 0, 3, 6 ... move the target.
    assert [k for k, changed in enumerate(changes) if changed] == [1, 4, 7]


def test_tau_one_copies():
    model = make_off_policy("SAC", tau=1.0)
    model.update(batch(model), 1e-2)
    weights = model.get_parameters()
    for name in weights:
        if name.startswith("target/"):
            np.testing.assert_array_equal(weights[name], weights[name.replace("target/", "model/", 1)], err_msg=name)


def test_targets_begin_as_copies():
    for policy in ("MlpPolicy", "LnMlpPolicy"):
        weights = make_off_policy("SAC", policy).get_parameters()
        targets = [name for name in weights if name.startswith("target/")]
        assert targets
        for name in targets:
            np.testing.assert_array_equal(weights[name], weights[name.replace("target/", "model/", 1)])


def test_corrected_values():
    models = [make_off_policy("SAC"), make_off_policy("SAC", corrected_value_target=True)]
    models[1].load_parameters(models[0].get_parameters())
    arrays = batch(models[0])
    plain, corrected = (model.update(arrays, 1e-3) for model in models)
    for name in ("policy_loss", "qf1_loss"):
        np.testing.assert_allclose(plain[name], corrected[name], rtol=1e-5)
    assert abs(plain["value_loss"] - corrected["value_loss"]) > 1e-3


# ------------------------------------------------------------------------------------------------- entropy coefficient
@pytest.mark.parametrize("given, start", [("auto", 1.0), ("auto_0.1", 0.1)])
def test_learned_entropy_coefficient(given, start):
    model = make_off_policy("SAC", ent_coef=given)
    assert float(np.exp(model.get_parameters()["model/log_ent_coef:0"])) == pytest.approx(start)
    assert model.target_entropy == -2.0
    model.target_entropy = -50.0  # far below what the policy has: α must fall
    first = model.update(batch(model), 1e-2)
    assert first["ent_coef"][0] == pytest.approx(start)  # that of before the step
    assert float(np.exp(model.get_parameters()["model/log_ent_coef:0"])) < start


def test_fixed_entropy_coefficient():
    model = make_off_policy("SAC", ent_coef=0.3)
    assert "model/log_ent_coef:0" not in model.get_parameters()
    assert "ent_coef" not in model.update(batch(model), 1e-2)
    assert model.ent_coef == 0.3


def test_coefficient_survives_a_file(tmp_path):
    model = make_off_policy("SAC", ent_coef="auto_0.5", target_entropy=-1.5, gradient_steps=2)
    model.learn(20)
    model.save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model")
    assert loaded.ent_coef == "auto_0.5" and loaded.target_entropy == -1.5 and loaded.gradient_steps == 2
    name = "model/log_ent_coef:0"
    assert loaded.get_parameters()[name] == model.get_parameters()[name] != np.log(np.float32(0.5))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(ent_coef="automatic"), "ent_coef must be a number or 'auto'"),
        (dict(ent_coef="auto_x"), "ent_coef must be a number or 'auto'"),
        (dict(ent_coef="auto_0"), "ent_coef must be positive"),
        (dict(ent_coef="auto_-1"), "ent_coef must be positive"),
        (dict(ent_coef=-0.1), "ent_coef must be positive"),
        (dict(ent_coef=None), "ent_coef must be a number"),
        (dict(target_entropy="low"), "target_entropy must be a number or 'auto', not 'low'"),
        (dict(target_update_interval=0), "target_update_interval must be an integer of at least 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_off_policy("SAC", **arguments)


# -------------------------------------------------------------------------------------------------- acting and learning
def test_stochastic_actions():
    model = make_off_policy("SAC")
    obs = np.tile(OBS[0], (4000, 1))
    mean, std = model.policy_tf.proba_step(OBS[:1])
    squashed = model.policy_tf.step(obs)
    before = np.arctanh(np.clip(squashed.astype(np.float64), -0.999999, 0.999999))
    np.testing.assert_allclose(before.mean(axis=0), mean[0], atol=0.1)
    np.testing.assert_allclose(before.std(axis=0), std[0], rtol=0.1)
    assert len(np.unique(model.predict(obs, deterministic=False)[0][:, 0])) > 3000
    assert len(np.unique(model.predict(obs)[0], axis=0)) == 1


def test_learns_to_copy():
    env = DummyVecEnv([lambda: IdentityEnvBox(eps=0.5)])
    model = SAC("MlpPolicy", env, gamma=0.1, learning_rate=3e-3, seed=0, policy_kwargs=dict(layers=[16]))
    before = evaluate_policy(model, env, 4)[0]
    model.learn(600)
    assert evaluate_policy(model, env, 4)[0] > max(before, 7.0)
