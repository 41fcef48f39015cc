"""Twin delayed DDPG."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import TD3
from stable_baselines_tf2.common.noise import NormalActionNoise
from stable_baselines_tf2.td3.policies import TD3Policy
from stable_baselines_tf2.td3.td3 import PolicyUpdates
from tests.off_policy_cases import OBS, make_off_policy


def batch(model, n_steps=1, seed=0):
    generator = np.random.default_rng(seed)
    shape = (n_steps, model.batch_size)
    arrays = {name: generator.normal(0, 1, (*shape, 3)).astype(np.float32) for name in ("obs", "next_obs")}
    arrays |= {"actions": generator.uniform(-1, 1, (*shape, 2)).astype(np.float32)}
    arrays |= {"noise": generator.normal(0, 1, (*shape, 2)).astype(np.float32)}
    return arrays | {"rewards": generator.normal(0, 1, shape), "dones": generator.random(shape) < 0.3}


def moved(before, after):
    return {name.split("/")[0] + "/" + name.split("/")[1] for name in before if (before[name] != after[name]).any()}


@pytest.mark.parametrize("flags", [[False], [True], [True, False, True, False], [False, False], [True, True]])
def test_several_steps_are_single_steps_in_turn(flags):
    models = [make_off_policy("TD3"), make_off_policy("TD3")]
    models[1].load_parameters(models[0].get_parameters())
    arrays, flags = batch(models[0], len(flags)), np.array(flags)
    together = models[0].update(arrays | {"update_policy": flags}, 1e-2, PolicyUpdates.of(flags))
    for k in range(len(flags)):
        single = {name: array[k : k + 1] for name, array in arrays.items()}
        alone = models[1].update(single, 1e-2, PolicyUpdates.of(flags[k : k + 1]))
        assert set(alone) == set(together) == {"qf1_loss", "qf2_loss", "policy_loss"}
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][k], values[0], rtol=1e-4, atol=1e-5)
    for name, array in models[0].get_parameters().items():
        np.testing.assert_allclose(array, models[1].get_parameters()[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_the_actor_and_the_targets_wait():
    model = make_off_policy("TD3")
    before = model.get_parameters()
    model.update(batch(model), 1e-2, PolicyUpdates.NONE)
    after = model.get_parameters()
    assert moved(before, after) == {"model/values_fn"}
    model.update(batch(model), 1e-2, PolicyUpdates.ALL)
    assert moved(after, model.get_parameters()) == {"model/pi", "model/values_fn", "target/pi", "target/values_fn"}


def test_targets_follow():
    model = make_off_policy("TD3", tau=0.25)
    before = model.get_parameters()
    model.update(batch(model), 1e-2)
    after = model.get_parameters()
    for name in (name for name in after if name.startswith("target/")):
        source = after[name.replace("target/", "model/", 1)]
        np.testing.assert_allclose(after[name], 0.75 * before[name] + 0.25 * source, rtol=1e-5, atol=1e-7)


def test_delay_goes_by_the_number_of_the_step():
    model = make_off_policy("TD3", policy_delay=3, gradient_steps=4, train_freq=4)
    model.num_timesteps = 8  # step number 7: 7, 8, 9, 10
    numbers = model.step_numbers(4)
    assert model.noise_inputs(numbers)["update_policy"].tolist() == [False, False, True, False]
    assert model.step_variant(numbers) is PolicyUpdates.SOME
    for delay, variant in ((1, PolicyUpdates.ALL), (100, PolicyUpdates.NONE)):
        model.policy_delay = delay
        assert model.step_variant(numbers) is variant and set(model.noise_inputs(numbers)) == {"noise"}


def test_next_actions():
    model = make_off_policy("TD3", target_policy_noise=0.5, target_noise_clip=0.3)
    vector = model.target_policy_tf.params.vector
    plain = model.target_policy_tf.step(OBS)
    noisy = model.target_action(vector, OBS, np.full((5, 2), 0.2, np.float32))
    np.testing.assert_allclose(noisy, np.clip(plain + 0.1, -1, 1), atol=1e-6)
    noisy = model.target_action(vector, OBS, np.full((5, 2), -10.0, np.float32))
    np.testing.assert_allclose(noisy, np.clip(plain - 0.3, -1, 1), atol=1e-6)


def test_noise_in_prediction():
    model = make_off_policy("TD3", action_noise=NormalActionNoise(np.zeros(2), 0.1 * np.ones(2)))
    plain, noisy = model.predict(OBS)[0], model.predict(OBS, deterministic=False)[0]
    assert (plain != noisy).all()
    assert (model.predict(OBS)[0] == plain).all()
    model.action_noise = None
    assert (model.predict(OBS, deterministic=False)[0] == plain).all()


def test_policy_loss_is_told_only_where_there_is_one():
    model = make_off_policy("TD3", policy_delay=1000, gradient_steps=1, train_freq=1)
    model.learn(20)
    assert set(model.last_statistics) == {"qf1_loss", "qf2_loss"}
    model.policy_delay = 2
    model.learn(20)
    model.gradient_steps, model.train_freq = 4, 4
    model.learn(20)
    numbers = model.step_numbers(4)
    assert numbers.tolist() == [19, 20, 21, 22]
    statistics = {"qf1_loss": np.ones(4), "qf2_loss": np.ones(4), "policy_loss": np.array([0.0, 2.0, 0.0, 5.0])}
    assert model.summarize(statistics, numbers)["policy_loss"] == pytest.approx(3.5)  # of the steps that had one
    assert set(model.last_statistics) == {"qf1_loss", "qf2_loss", "policy_loss"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(policy_delay=0), "policy_delay must be an integer of at least 1, not 0"),
        (dict(target_noise_clip=None), "target_noise_clip"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_off_policy("TD3", **arguments)


def test_settings_survive_a_file(tmp_path):
    noise = NormalActionNoise(np.zeros(2), 0.1 * np.ones(2))
    model = make_off_policy("TD3", policy_delay=3, action_noise=noise, target_policy_noise=0.1)
    model.save(tmp_path / "model")
    loaded = TD3.load(tmp_path / "model")
    assert (loaded.policy_delay, loaded.gradient_steps, loaded.target_policy_noise) == (3, 4, 0.1)
    assert repr(loaded.action_noise) == repr(noise)


def test_a_policy_without_networks():
    with pytest.raises(NotImplementedError, match="must override make_actor"):
        make_off_policy("TD3", TD3Policy, policy_kwargs={})


def test_critics_are_twins_with_weights_of_their_own():
    model = make_off_policy("TD3")
    policy, actions = model.policy_tf, tf.zeros((5, 2))
    q1, q2 = model.critic_values(policy, OBS, actions, policy.params.vector)
    assert q1.shape == (5,) and not np.allclose(q1, q2)
