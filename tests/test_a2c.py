"""A2C: what goes into its updates."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import A2C, logger
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from tests.on_policy_cases import Scripted, make, random_env


def noting(model):
    """The model notes the arguments of its updates instead of training."""
    model.noted = []

    def train(batch, learning_rate):
        model.noted.append((batch, learning_rate))
        return dict.fromkeys(("policy_loss", "value_loss", "policy_entropy", "loss"), 0.0)

    model.train = train
    return model


def test_defaults():
    model = A2C("MlpPolicy", random_env())
    assert (model.gamma, model.n_steps, model.max_grad_norm) == (0.99, 5, 0.5)
    assert (model.vf_coef, model.ent_coef) == (0.25, 0.01)
    assert (model.learning_rate, model.alpha, model.momentum, model.epsilon) == (7e-4, 0.99, 0.0, 1e-5)
    assert model.lr_schedule == "constant" and model.n_batch == 10


def test_returns():
    model = noting(make("A2C", env=DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2), gamma=0.5))
    model.learn(16)
    first, second = (batch for batch, _ in model.noted)
    value = model.value(np.float32([[1, 1]]))[0]
    np.testing.assert_allclose(first["returns"].reshape(2, 4)[0], [1 + 1 + 1, 2 + 2, 4, 1 + 0.5 * value], rtol=1e-5)
    np.testing.assert_array_equal(second["obs"].reshape(2, 4, 2)[0], [[1, 1], [2, 1], [0, 2], [1, 2]])


def test_the_rate_falls_with_every_sample():
    model = noting(make("A2C", learning_rate=0.5, lr_schedule="linear"))
    model.learn(32)
    np.testing.assert_allclose([rate for _, rate in model.noted], [0.5 * (1 - n / 32) for n in (7, 15, 23, 31)])
    model.learn(32)
    np.testing.assert_allclose(model.noted[4][1], 0.5 * (1 - 7 / 32))  # and starts anew


def test_one_update_in_numpy():
    """Value head alone, by hand: RMSProp on the gradient of vf_coef * mean((v - R)²)."""
    model = make("A2C", policy_kwargs=dict(net_arch=[]), max_grad_norm=None, vf_coef=0.5, alpha=0.9, epsilon=1e-3)
    before = model.get_parameters()
    rng = np.random.default_rng(0)
    obs, returns = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    values = (obs @ before["model/vf/w:0"])[:, 0] + before["model/vf/b:0"]
    batch = dict(obs=obs, actions=rng.integers(0, 4, 8), returns=returns, values=values)
    statistics = model.train(batch, 0.1)
    gradient = obs.T @ (values - returns)[:, None] * 2 * 0.5 / 8
    expected = before["model/vf/w:0"] - 0.1 * gradient / np.sqrt(0.9 + 0.1 * gradient**2 + 1e-3)
    np.testing.assert_allclose(model.get_parameters()["model/vf/w:0"], expected, rtol=1e-4, atol=1e-6)
    assert statistics["value_loss"] == pytest.approx(np.mean((values - returns) ** 2), rel=1e-4)
    logits = obs @ before["model/pi/w:0"] + before["model/pi/b:0"]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert statistics["policy_entropy"] == pytest.approx(-np.mean(np.sum(p * np.log(p), axis=1)), rel=1e-4)
    neglogp = -np.log(p[np.arange(8), batch["actions"]])
    assert statistics["policy_loss"] == pytest.approx(np.mean(neglogp * (returns - values)), rel=1e-3, abs=1e-5)
    total = statistics["policy_loss"] - 0.01 * statistics["policy_entropy"] + 0.5 * statistics["value_loss"]
    assert statistics["loss"] == pytest.approx(total, rel=1e-5)
    np.testing.assert_array_equal(model.get_parameters()["model/q/w:0"], before["model/q/w:0"])


def test_recurrent_batches():
    model = noting(make("A2C", "MlpLstmPolicy", DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2)))
    model.learn(16)
    batch, _ = model.noted[1]
    outputs = model.train_model(tf.constant(batch["obs"]), batch["states"], batch["starts"], n_steps=4)
    np.testing.assert_allclose(outputs.value, batch["values"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(batch["starts"].reshape(2, 4)[0], [0, 0, 1, 0])


@pytest.mark.parametrize("bootstrap", [False, True])
def test_timeouts(bootstrap):
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0], truncates=True)])
    model = noting(make("A2C", env=env, bootstrap_timeouts=bootstrap, gamma=0.5))
    model.learn(4)
    end = 2.0 + (0.5 * model.value(np.float32([[2, 0]]))[0] if bootstrap else 0)
    np.testing.assert_allclose(model.noted[0][0]["returns"][:2], [1 + 0.5 * end, end], rtol=1e-5)


def test_table(tmp_path):
    model = noting(make("A2C", verbose=1))
    logger.configure(str(tmp_path), ["csv"])
    try:
        model.learn(32, log_interval=2)
    finally:
        logger.reset()
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    names = ["nupdates", "total_timesteps", "fps", "policy_entropy", "value_loss", "explained_variance"]
    assert header.split(",") == names and [row.split(",")[0] for row in rows] == ["1", "2", "4"]
