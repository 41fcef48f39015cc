"""Compiled functions are traced once: later calls, other rates and other batch sizes of `predict` find them ready."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.common.schedules import LinearFunction
from stable_baselines_tf2.core.acting import CompiledActor
from tests.helpers import box
from tests.on_policy_cases import make, random_env

IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)


@pytest.fixture
def traced(monkeypatch):
    """Counts how often a policy's network is traced (or called eagerly)."""
    from stable_baselines_tf2.common.policies import ActorCriticPolicy

    calls = []
    original = ActorCriticPolicy.call
    monkeypatch.setattr(ActorCriticPolicy, "call", lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    return calls


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_ppo2(policy, traced):
    model = make("PPO2", policy)
    model.learn(16)
    n = len(traced)
    assert model.phase.n_traces == 1
    model.learn(16)
    model.learning_rate, model.cliprange, model.cliprange_vf = 1e-5, 0.05, 0.3
    model.learn(16)
    model.learning_rate, model.cliprange, model.cliprange_vf = LinearFunction(1e-3), LinearFunction(0.3), -1
    model.learn(32)
    model.cliprange_vf = lambda progress: 0.1 * progress
    model.learn(32)
    assert model.phase.n_traces == 1 and len(traced) == n


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLnLstmPolicy"])
def test_a2c(policy, traced):
    model = make("A2C", policy)
    model.learn(16)
    n = len(traced)
    model.learn(16)
    model.learning_rate, model.lr_schedule = 1e-5, "linear"
    model.learn(32)
    assert model.phase.n_traces == 1 and len(traced) == n


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_acer(policy, traced):
    """Whatever the number of replayed rollouts."""
    model = make("ACER", policy, replay_ratio=3, replay_start=0)
    model.learn(16)
    n = len(traced)
    model.learn(80)
    model.learning_rate, model.lr_schedule = 1e-5, "linear"
    model.learn(32)
    assert model.phase.n_traces == 1 and len(traced) == n


@pytest.mark.parametrize(
    "policy, how",
    [("MlpPolicy", {}), ("MlpPolicy", dict(async_eigen_decomp=True)), ("MlpLnLstmPolicy", dict(kfac_update=3))],
)
def test_acktr(policy, how, traced):
    model = make("ACKTR", policy, **how)
    model.learn(96)  # into the updates of K-FAC
    n = len(traced)
    model.learn(32)
    model.learning_rate, model.lr_schedule = 1e-2, "constant"
    model.learn(96)
    assert len(traced) == n
    assert model.phase.n_traces == 1 and model._decomposing_phase.n_traces == (0 if "async_eigen_decomp" in how else 1)


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_ppo1(policy, traced):
    model = make("PPO1", policy)
    model.learn(16)
    n = len(traced)
    model.optim_stepsize, model.clip_param, model.schedule = 1e-5, 0.05, "constant"
    model.learn(32)
    assert model.phase.n_traces == 1 and len(traced) == n


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_trpo(policy, traced):
    model = make("TRPO", policy)
    model.learn(128)
    n = len(traced)
    model.vf_stepsize, model.max_kl = 1e-5, 0.001
    model.learn(256)
    assert model.phase.n_traces == 1 and len(traced) == n


def test_images(traced):
    model = make("PPO2", "CnnPolicy", random_env(observation_space=IMAGE))
    model.learn(8)
    n = len(traced)
    model.learn(8)
    for batch in (1, 2, 5):
        actions, _ = model.predict(np.zeros((batch, 36, 36, 1), np.uint8))
        assert actions.shape == (batch,)
    model.predict(np.zeros((36, 36, 1)))
    assert isinstance(model.train_model.actor, CompiledActor)
    assert model.phase.n_traces == 1 and len(traced) == n
    assert model.train_model.actor._function.experimental_get_tracing_count() == 1


def test_recurrent_prediction_through_tensorflow():
    model = make("PPO2", "MlpLstmPolicy", policy_kwargs=dict(n_lstm=4, net_arch=["lstm"], act_fun=tf.nn.gelu))
    for batch in (1, 3, 2):
        actions, state = model.predict(np.zeros((batch, 3)))
        model.predict(np.zeros((batch, 3)), state, np.ones(batch, bool))
        assert actions.shape == (batch,) and state.shape == (batch, 8)
    assert model.train_model.actor._function.experimental_get_tracing_count() == 1


def test_another_number_of_environments_is_traced_anew_once():
    model = make("PPO2")
    model.learn(8)
    model.set_env(random_env(4))
    model.learn(32)
    model.learn(32)
    assert model.phase.n_traces == 2
