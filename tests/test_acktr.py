"""ACKTR: what goes into its updates, its phases, decomposition in a thread."""

import io

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import ACKTR, logger
from stable_baselines_tf2.acktr import kfac, kfac_utils
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.optimizers.kfac import Kfac
from tests.helpers import box
from tests.on_policy_cases import Failing, Scripted, make, random_env, same

WARM = 12 * 8  # environment steps of twelve updates


def noting(model):
    """The model notes the arguments of its updates instead of training."""
    model.noted = []

    def train(batch, learning_rate, noise):
        model.noted.append((batch, learning_rate, noise))
        return dict.fromkeys(ACKTR.log_tags, 0.0)

    model.train = train
    return model


def test_defaults():
    model = ACKTR("MlpPolicy", random_env())
    assert (model.gamma, model.n_steps, model.max_grad_norm, model.gae_lambda) == (0.99, 20, 0.5, None)
    assert (model.vf_coef, model.ent_coef, model.vf_fisher_coef) == (0.25, 0.01, 1.0)
    assert (model.learning_rate, model.lr_schedule, model.n_cpu_tf_sess) == (0.25, "linear", 1)
    assert (model.kfac_clip, model.kfac_update, model.async_eigen_decomp) == (0.001, 1, False)
    optimizer = model.optimizer
    assert (optimizer.clip, optimizer.interval, optimizer.max_grad_norm) == (0.001, 1, 0.5)
    assert (optimizer.momentum, optimizer.decay, optimizer.damping, optimizer.cold_updates) == (0.9, 0.99, 0.01, 10)


def test_legacy_names():
    assert kfac.KfacOptimizer is Kfac
    np.testing.assert_array_equal(kfac_utils.clipout_neg(tf.constant([-1.0, 1.0])), [0, 1])
    with pytest.warns(DeprecationWarning, match="nprocs is deprecated; use n_cpu_tf_sess"):
        model = ACKTR("MlpPolicy", None, nprocs=1, _init_setup_model=False)
    assert model.n_cpu_tf_sess == 1


def test_returns():
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2)
    model = noting(make("ACKTR", env=env, gamma=0.5))
    model.learn(8)
    batch, _, noise = model.noted[0]
    value = model.value(np.float32([[1, 1]]))[0]
    np.testing.assert_allclose(batch["returns"].reshape(2, 4)[0], [1 + 1 + 1, 2 + 2, 4, 1 + 0.5 * value], rtol=1e-5)
    assert noise.shape == (8,) and noise.dtype == np.float32 and len(set(noise)) == 8


def test_generalized_advantages():
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])])
    model = noting(make("ACKTR", env=env, gamma=0.5, gae_lambda=0.8))
    model.learn(4)
    batch = model.noted[0][0]
    v, last = batch["values"], model.value(np.float32([[1, 1]]))[0]
    errors = [1 + 0.5 * v[1] - v[0], 2 + 0.5 * v[2] - v[1], 4 - v[2], 1 + 0.5 * last - v[3]]
    advantages = [errors[0] + 0.4 * (errors[1] + 0.4 * errors[2]), errors[1] + 0.4 * errors[2], errors[2], errors[3]]
    np.testing.assert_allclose(batch["returns"], v + advantages, rtol=1e-4)


def test_the_rate_falls_with_every_sample():
    model = noting(make("ACKTR", learning_rate=0.5))
    model.learn(32)
    np.testing.assert_allclose([rate for _, rate, _ in model.noted], [0.5 * (1 - n / 32) for n in (7, 15, 23, 31)])


def test_table(tmp_path):
    model = noting(make("ACKTR", verbose=1))
    logger.configure(str(tmp_path), ["csv"])
    try:
        model.learn(32, log_interval=2)
    finally:
        logger.reset()
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    names = ["nupdates", "total_timesteps", "fps", "policy_entropy", "policy_loss", "value_loss", "explained_variance"]
    assert header.split(",") == names and [row.split(",")[0] for row in rows] == ["1", "2", "4"]


def test_phases():
    """When the factors are decomposed, and which momentum moves."""
    model = make("ACKTR", kfac_update=4)
    decompositions, cold, natural = [], [], []
    for _ in range(16):
        model.learn(8, reset_num_timesteps=False)
        state = model.moments
        decompositions.append(int(state["kfac/decompositions"]))
        cold.append(bool(np.any(state["kfac/cold_momentum"])))
        natural.append(bool(np.any(state["kfac/momentum"])))
    assert decompositions == [0] * 11 + [1] * 4 + [2]
    assert cold == [True] * 11 + [False] * 5
    assert natural == [False] * 9 + [True] * 7


# ------------------------------------------------------------------------------------------- decomposition in a thread
def test_a_decomposition_in_a_thread_is_one_update_behind():
    model = make("ACKTR", async_eigen_decomp=True, kfac_update=5)
    model.learn(8 * 10)
    state = model.moments
    assert int(state["kfac/updates"]) == 10 and int(state["kfac/decompositions"]) == 0
    factor = state["kfac/factor/0"].numpy()
    model.learn(8, reset_num_timesteps=False)
    state = model.moments
    assert int(state["kfac/decompositions"]) == 1
    values, vectors = (state[f"kfac/{part}/0"].numpy() for part in ("eigenvalues", "eigenvectors"))
    np.testing.assert_allclose(vectors * values @ vectors.T, factor, atol=1e-5 * np.abs(factor).max())
    model.learn(8 * 4, reset_num_timesteps=False)
    assert int(model.moments["kfac/decompositions"]) == 1
    model.learn(8, reset_num_timesteps=False)
    assert int(model.moments["kfac/decompositions"]) == 2


def test_a_thread_changes_nothing_from_run_to_run():
    models = [make("ACKTR", async_eigen_decomp=True) for _ in range(2)]
    for model in models:
        model.learn(3 * WARM)
    assert same(models[0].get_parameters(), models[1].get_parameters())


def test_a_pending_decomposition_is_resumed():
    model = make("ACKTR", async_eigen_decomp=True)
    model.learn(WARM)
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    loaded = ACKTR.load(buffer)
    loaded.set_env(random_env())  # load(env=…) would seed it
    assert loaded.async_eigen_decomp and loaded._decomposition is None and model._decomposition is not None
    model.set_env(random_env())
    for one in (model, loaded):
        one.learn(WARM, reset_num_timesteps=False)
    assert same(model.get_parameters(), loaded.get_parameters())
    assert same(model.training_state()[1], loaded.training_state()[1])


# ------------------------------------------------------------------------------------------------ networks, bad numbers
@pytest.mark.parametrize("policy", ["CnnLstmPolicy", "CnnLnLstmPolicy"])
def test_convolutional_memory(policy):
    """The original cannot build these."""

    def network(images, **_):
        from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc

        return conv_to_fc(tf.nn.relu(conv(images, "c", n_filters=3, filter_size=4, stride=4)))

    env = random_env(observation_space=box(16, 16, 1, low=0, high=255, dtype=np.uint8))
    model = make("ACKTR", policy, env, policy_kwargs=dict(n_lstm=4, cnn_extractor=network))
    before = model.get_parameters()
    model.learn(WARM)
    names, blocks = model.train_model.params.names, model.optimizer.blocks
    assert {"model/c/w:0", "model/lstm1/wh:0"} < {names[block.weights] for block in blocks}
    for name, array in model.get_parameters().items():
        assert np.isfinite(array).all() and (name.startswith("model/q/") or (array != before[name]).all(axis=None))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("how", ["nan", "nan_obs"])
def test_nan_among_the_updates_of_kfac(how, asynchronous):
    env = DummyVecEnv([lambda: Failing(how, 14 * 4 + 2)] * 2)
    model = make("ACKTR", env=env, async_eigen_decomp=asynchronous)
    noted = []
    with pytest.raises(FloatingPointError, match="is nan in the update at step 120: .* before the weights changed"):
        model.learn(400, callback=lambda *_: noted.append(model.get_parameters()))
    assert same(model.get_parameters(), noted[-1])
    assert all(np.isfinite(value).all() for value in model.training_state()[1].values())


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLnLstmPolicy"])
def test_hundreds_of_updates(policy):
    model = make("ACKTR", policy, DummyVecEnv([lambda: Scripted([1.0, -2.0, 4.0, 0.5])] * 2), n_steps=6)
    model.learn(12 * 200)
    assert int(model.moments["kfac/updates"]) == 200
    assert all(np.isfinite(value).all() for value in model.training_state()[1].values())
