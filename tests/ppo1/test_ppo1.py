"""PPO1 beyond what the golden cases show."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import PPO1
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper
from tests.helpers import box
from tests.on_policy_cases import ACTION_SPACES, KWARGS, Scripted, make, random_env

IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)


def noting(model):
    """The multipliers and statistics of each update from now on."""
    noted, original = [], model.train

    def train(batch, minibatches, multiplier):
        statistics = original(batch, minibatches, multiplier)
        noted.append((multiplier, np.stack([statistics[name] for name in model.loss_names], axis=1)))  # [K, 5]
        return statistics

    model.train = train
    return noted


def test_defaults():
    model = PPO1("MlpPolicy", "CartPole-v1")
    assert (model.timesteps_per_actorbatch, model.optim_batchsize, model.optim_epochs) == (256, 64, 4)
    assert (model.adam_epsilon, model.schedule, model.n_cpu_tf_sess) == (1e-5, "linear", 1)
    assert isinstance(model.get_env(), UnvecWrapper) and model.policy_pi is model.train_model


@pytest.mark.parametrize("schedule, multipliers", [("constant", [1, 1, 1]), ("linear", [1, 1 - 8 / 20, 1 - 16 / 20])])
def test_schedules(schedule, multipliers):
    model = make("PPO1", schedule=schedule)
    noted = noting(model)
    model.learn(20)
    assert [multiplier for multiplier, _ in noted] == pytest.approx(multipliers) and model.num_timesteps == 24
    noted.clear()
    model.learn(20, reset_num_timesteps=False)  # each call has a schedule of its own
    assert [multiplier for multiplier, _ in noted] == pytest.approx(multipliers) and model.num_timesteps == 48


def test_step_size_and_clipping_follow_the_multiplier():
    model = make("PPO1")
    rollout = model.make_collector().run()
    batch = model.training_batch(rollout, model.standardized_advantages(rollout), 4)
    before = model.get_parameters()
    model.train(batch, model.minibatches(3, 4), 0.0)
    assert all(np.array_equal(before[name], value) for name, value in model.get_parameters().items())
    model.train(batch, model.minibatches(3, 4), 0.5)
    largest = max(np.abs(before[name] - value).max() for name, value in model.get_parameters().items())
    assert 0 < largest <= 4 * 0.5 * model.optim_stepsize * 1.5


def test_losses_of_the_passes():
    """The first minibatch finds the old policy; the last pass measures without a change."""
    model = make("PPO1", env=random_env(2, ACTION_SPACES["Box"]), optim_epochs=3, entcoeff=0.1)
    noted = noting(model)
    model.learn(8)
    ((_, statistics),) = noted
    assert statistics.shape == (8, 5)  # three passes and one, of two minibatches each
    surrogate, penalty, _, divergence, entropy = statistics.T
    assert divergence[0] == pytest.approx(0, abs=1e-12) and (divergence[1:] > 1e-9).all()
    np.testing.assert_allclose(penalty, -0.1 * entropy, rtol=1e-5)
    np.testing.assert_allclose(entropy[0], 2 * (0.5 * np.log(2 * np.pi * np.e)), rtol=1e-5)
    assert entropy[6] == pytest.approx(entropy[7], rel=1e-6)  # the deviation does not depend on the observation


@pytest.mark.parametrize("policy", ["MlpLstmPolicy", "MlpLnLstmPolicy", "CnnPolicy", "CnnLnLstmPolicy"])
def test_policies_that_the_original_could_not_build_and_images(policy):
    env = random_env(2, None, IMAGE if policy.startswith("Cnn") else None)
    kwargs = {"n_lstm": 4} if policy == "CnnLnLstmPolicy" else KWARGS[policy]
    model = make("PPO1", policy, env, policy_kwargs=kwargs)
    before = model.get_parameters()
    model.learn(8)
    changed = {name for name, value in model.get_parameters().items() if not np.array_equal(before[name], value)}
    assert changed == {name for name in before if not name.startswith("model/q/")}


def test_a_recurrent_minibatch_starts_with_the_state_of_then():
    """At the old weights, what a minibatch computes is what acting computed."""
    model = make("PPO1", "MlpLstmPolicy", timesteps_per_actorbatch=24, optim_batchsize=5)
    rollout = model.make_collector().run()
    model.standardized_advantages(rollout)
    batch = model.training_batch(rollout, np.zeros(24, np.float32), 5)
    rows, chunks = model.minibatches(2, 5)
    assert rows.shape == (8, 5) and rows[:4, 0].tolist() == [0, 5, 12, 17]
    for chosen, chunk in zip(rows, chunks, strict=True):
        minibatch = {name: tf.constant(batch[name][chosen]) for name in ("obs", "actions", "starts")}
        minibatch["states"] = tf.constant(batch["chunk_states"][chunk])
        outputs = model.policy_outputs(model.trainable.vector, minibatch, 5)
        np.testing.assert_allclose(outputs.value, rollout.values.ravel()[chosen], atol=1e-5)
        neglogp = outputs.distribution.neglogp(minibatch["actions"])
        np.testing.assert_allclose(neglogp, rollout.neglogp.ravel()[chosen], atol=1e-5)


def test_the_whole_batch_as_minibatch():
    for size in (None, 0):
        model = make("PPO1", optim_batchsize=size)
        noted = noting(model)
        model.learn(8)
        assert noted[0][1].shape == (3, 5)


def test_advantages_without_variation():
    np.testing.assert_array_equal(PPO1.standardized(np.full(5, 3.0, np.float32)), np.zeros(5))
    advantages = PPO1.standardized(np.array([0.0, 1e-9], np.float32))
    np.testing.assert_allclose(advantages, [-1, 1], rtol=1e-5)  # without an epsilon


def test_table(capsys):
    model = make("PPO1", env=DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])]), verbose=1)
    tables, original = [], model.table
    model.table = lambda *args: tables.append(original(*args)) or tables[-1]
    noted = noting(model)
    model.learn(16)
    assert set(tables[1]) == {
        "loss_pol_surr", "loss_pol_entpen", "loss_vf_loss", "loss_kl", "loss_ent", "ev_tdlam_before", "EpLenMean",
        "EpRewMean", "EpThisIter", "EpisodesSoFar", "TimestepsSoFar", "TimeElapsed",
    }  # fmt: skip
    assert (tables[1]["EpThisIter"], tables[1]["EpisodesSoFar"], tables[1]["EpRewMean"]) == (3, 5, 7)
    assert tables[1]["loss_kl"] == pytest.approx(noted[1][1][4:, 3].mean(), rel=1e-5)  # of the last pass
    assert capsys.readouterr().out.count("EpThisIter") == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(timesteps_per_actorbatch=7), r"timesteps_per_actorbatch must be a multiple of the number of env.*\(2\)"),
        (dict(optim_batchsize=9), "optim_batchsize must be an integer between 1 and 8, not 9"),
        (dict(optim_batchsize=-1), "optim_batchsize must be an integer between 1 and 8, not -1"),
        (dict(optim_epochs=0), "optim_epochs must be an integer of at least 1, not 0"),
        (dict(schedule="middle_drop"), "schedule must be one of constant, linear, not 'middle_drop'"),
        (dict(adam_epsilon="x"), "adam_epsilon must be a number of at least 0, not 'x'"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make("PPO1", **arguments)


def test_minibatches_of_recurrent_policies_are_within_one_environment():
    with pytest.raises(ValueError, match="optim_batchsize must be an integer between 1 and 4, not 8"):
        make("PPO1", "MlpLstmPolicy", optim_batchsize=8)
