"""Algorithms of one's own: the two of the examples, complete, and what newcomers get wrong."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from examples.discrete_sac import DiscreteSAC, DiscreteSACPolicy
from examples.vpg import VPG
from stable_baselines_tf2 import PPO2, TD3
from stable_baselines_tf2.cli import main
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.policies import BasePolicy
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.hooks import hooks_of
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.continuous_control import ContinuousControlModel
from stable_baselines_tf2.models.off_policy import OffPolicyRLModel
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from tests.helpers import RandomEnv, box

ROOT = Path(__file__).parents[2]
OBS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def random_env(n_envs=2):
    env = DummyVecEnv([lambda: RandomEnv(box(3), spaces.Discrete(4))] * n_envs)
    env.seed(7)
    return env


def make(cls, **kwargs):
    sizes = dict(n_steps=8) if cls is VPG else dict(learning_starts=8, batch_size=4, buffer_size=100)
    return cls("MlpPolicy", random_env(2 if cls is VPG else 1), seed=1, **sizes, **kwargs)


both = pytest.mark.parametrize("cls", [VPG, DiscreteSAC])


# ------------------------------------------------------------------------------------------------------- the examples
@pytest.mark.parametrize("cls, n_envs, steps, least", [(VPG, 8, 400_000, 475.0), (DiscreteSAC, 1, 16_000, 150.0)])
def test_examples_learn(cls, n_envs, steps, least):
    model = cls("MlpPolicy", make_vec_env("CartPole-v1", n_envs=n_envs, seed=0), seed=0)
    model.learn(steps)
    mean_return, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1), n_eval_episodes=20)
    assert mean_return >= least


@pytest.mark.parametrize("name", ["vpg", "discrete_sac"])
def test_examples_are_short(name):
    source = (ROOT / "examples" / f"{name}.py").read_text()
    code, *rest = source.split('"""')
    lines = [line for part in [code, *rest[1::2]] for line in part.splitlines() if line.strip()]
    assert len(lines) <= 120


@both
def test_examples_need_few_hooks(cls):
    base = cls.__mro__[1]
    assert len([name for name in (*hooks_of(base), "saved", "log_tags") if name in vars(cls)]) <= 8


def steps_of(cls):
    return 48 if cls is VPG else 30


@both
def test_resumption_is_exact(cls, tmp_path):
    straight = make(cls)
    straight.learn(steps_of(cls))
    straight.save(tmp_path / "model")
    if cls is DiscreteSAC:
        straight.save_replay_buffer(tmp_path / "buffer")
    code = f"""
import numpy as np
from tests.models.test_own_algorithms import {cls.__name__} as Own, random_env, steps_of
model = Own.load({str(tmp_path / "model")!r})
model.set_env(random_env({straight.n_envs}))
if hasattr(model, "replay_buffer"):
    model.load_replay_buffer({str(tmp_path / "buffer")!r})
model.learn(steps_of(Own), reset_num_timesteps=False)
np.savez({str(tmp_path / "there.npz")!r}, **model.get_parameters(), **model.training_state()[1])
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=200)
    straight.set_env(random_env(straight.n_envs))
    straight.learn(steps_of(cls), reset_num_timesteps=False)
    with np.load(tmp_path / "there.npz") as there:
        here = straight.get_parameters() | straight.training_state()[1]
        assert set(there.files) == set(here) and any("adam" in name for name in here)
        for name, array in here.items():
            np.testing.assert_array_equal(there[name], array, err_msg=name)


@both
def test_files_prediction_and_export(cls, tmp_path):
    model = make(cls)
    model.learn(steps_of(cls))
    model.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model")
    obs = OBS[:, :3]
    np.testing.assert_array_equal(loaded.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])
    probabilities = loaded.action_probability(obs)
    assert probabilities.shape == (5, 4) and np.allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(obs, deterministic=True)[0])
    compiled = loaded.imitate(loaded.trainable.vector, tf.constant(obs))
    np.testing.assert_allclose(tf.nn.softmax(compiled), probabilities, rtol=1e-4, atol=1e-6)
    loaded.export(tmp_path / "exported")
    exported = tf.saved_model.load(str(tmp_path / "exported")).signatures["serving_default"](tf.constant(obs))
    np.testing.assert_array_equal(exported["action"], model.predict(obs, deterministic=True)[0])


@both
def test_a_second_call_traces_nothing_new(cls):
    model = make(cls)
    model.learn(steps_of(cls))
    phases = [model.phase] if cls is VPG else [model.single_step_phase, model.multi_step_phase]
    traces = [phase.n_traces for phase in phases]
    model.learn(steps_of(cls))
    assert sum(traces) == 1 and [phase.n_traces for phase in phases] == traces


@pytest.mark.parametrize("place", ["examples/vpg.py:VPG", "examples.vpg:VPG"])
def test_the_command_line(place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    agent = ["--algo", place, "--env", "CartPole-v1"]
    saved = str(tmp_path / "model")
    assert (
        main(["train", *agent, "-n", "1024", "--hyperparams", "n_steps:16", "--save", saved, "--eval-episodes", "1"])
        == 0
    )
    assert main(["enjoy", *agent, "--load", saved, "--episodes", "1"]) == 0
    assert capsys.readouterr().out.count("mean return: ") == 2
    assert main(["inspect", saved]) == 0
    assert "VPG" in capsys.readouterr().out


def test_the_command_line_off_policy(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    agent = ["--algo", "examples/discrete_sac.py:DiscreteSAC", "--env", "CartPole-v1"]
    assert main(["train", *agent, "-n", "520", "--eval-episodes", "1"]) == 0
    assert "mean return: " in capsys.readouterr().out


# ------------------------------------------------------------------------------------- hyperparameters of one's own
class Own(VPG):
    """With hyperparameters that other algorithms are told by."""

    saved = (*VPG.saved, "tau", "lr_schedule")

    def __init__(self, policy, env, tau=0.5, lr_schedule="constant", _init_setup_model=True, **kwargs):
        super().__init__(policy, env, _init_setup_model=False, **kwargs)
        self.tau, self.lr_schedule = tau, lr_schedule
        if _init_setup_model:
            self.setup_model()


def test_files_name_their_class(tmp_path):
    model = Own("MlpPolicy", random_env(), tau=0.25, lr_schedule="cubic", seed=0)
    model.save(tmp_path / "model")
    loaded = Own.load(tmp_path / "model")
    assert (loaded.tau, loaded.lr_schedule, type(loaded)) == (0.25, "cubic", Own)
    own = f"{Own.__module__}.Own"
    for other in (TD3, PPO2):
        with pytest.raises(ValueError, match=f"holds a model of {own}, not of {other.__name__}: use Own.load"):
            other.load(tmp_path / "model")
    VPG("MlpPolicy", random_env(), lam=0.5).save(tmp_path / "parent")
    loaded = Own.load(tmp_path / "parent")  # what the file lacks has its default
    assert (loaded.lam, loaded.tau) == (0.5, 0.5)


# ------------------------------------------------------------------------------------------------ newcomers' mistakes
class SilentPolicy(DiscreteSACPolicy):
    is_small = BasePolicy.is_small


def test_a_policy_that_does_not_state_whether_it_is_small():
    with pytest.raises(NotImplementedError, match="SilentPolicy must state whether it is small: is_small = True for"):
        DiscreteSAC(SilentPolicy, random_env(1))


def test_an_optimizer_that_returns_part_of_its_state():
    class Momentum:
        def initial_state(self, size):
            return {"momentum": tf.zeros(size), "steps": tf.constant(0.0)}

        def step(self, vector, gradient, state, learning_rate):
            return vector - learning_rate * gradient, {"momentum": gradient}

    class Forgetful(VPG):
        def make_optimizer(self):
            return Momentum()

    model = Forgetful("MlpPolicy", random_env(), n_steps=8)
    with pytest.raises(
        ValueError, match=r"Momentum.step\(\) returns another state .*: it lacks steps among its moments"
    ):
        model.learn(16)
    np.testing.assert_array_equal(model.moments["steps"], 0)


def test_a_gradient_step_that_returns_part_of_the_state():
    class Forgetful(DiscreteSAC):
        def gradient_step(self, vector, state, batch):
            vector, state, statistics = super().gradient_step(vector, state, batch)
            return vector, state._replace(targets={}), statistics

    with pytest.raises(ValueError, match="a gradient step returns another state .*: it lacks target among its targets"):
        Forgetful("MlpPolicy", random_env(1), learning_starts=4, batch_size=4).learn(20)


def test_one_statistic_too_few():
    class Quiet(VPG):
        def loss(self, vector, batch):
            loss, statistics = super().loss(vector, batch)
            del statistics["entropy"]
            return loss, statistics

    with pytest.raises(
        ValueError, match=r"Quiet.log_tags names entropy, but the statistics of update\(\) are policy_loss"
    ):
        Quiet("MlpPolicy", random_env(), n_steps=8).learn(16)


def test_returns_that_were_not_set():
    class Hasty(VPG):
        def update(self, rollout, training, progress_remaining):
            return self.run_update(self.phase, rollout.batch("obs", "actions", "returns"))

    with pytest.raises(ValueError, match="the returns of this rollout have not been estimated"):
        Hasty("MlpPolicy", random_env(), n_steps=8).learn(16)


@pytest.mark.parametrize("n_steps", [2, 8])  # with two environments
def test_returns_with_the_wrong_order_of_axes(n_steps):
    class Transposed(VPG):
        def update(self, rollout, training, progress_remaining):
            rollout.set_returns(lambda rewards, values, dones, last_values: rewards.T)

    with pytest.raises(ValueError, match="axes are in the wrong order"):
        Transposed("MlpPolicy", random_env(), n_steps=n_steps).learn(16)


def test_a_hyperparameter_that_is_not_saved():
    with pytest.raises(TypeError, match=r"Own.saved does not name beta, .*Write saved = \(\*VPG.saved, 'beta'\)"):

        class Own(VPG):
            def __init__(self, policy, env, beta=0.1, **kwargs):
                super().__init__(policy, env, **kwargs)


@pytest.mark.parametrize("name", ["make_optimiser", "_loss", "build_network"])
def test_an_unknown_hook(name):
    with pytest.raises(TypeError, match=f"Own.{name} is not a hook of its base classes; did you mean"):
        type("Own", (VPG,), {name: lambda self: None})


def test_a_loss_that_is_missing():
    class Empty(ActorCriticRLModel):
        def update(self, rollout, training, progress_remaining):
            self.run_update(self.phase, {"obs": rollout.flat(rollout.obs), "learning_rate": np.float32(0.1)})

    model = Empty("MlpPolicy", random_env(), True)
    model.setup_model()
    with pytest.raises(NotImplementedError, match=r"Empty must override loss\(\) or training_phase\(\)"):
        model.learn(16)


# ------------------------------------------------------------------------------------------------------------ the guide
def test_the_guide_lists_every_hook():
    text = (ROOT / "docs" / "guide" / "writing_an_algorithm.rst").read_text()
    table = text[text.index(".. _hooks:") : text.index("Policies of your own")]
    listed = re.findall(r"^   \* - ``(\w+)``\n     - ([\w, ]+)$", table, re.MULTILINE)
    bases = {"all": BaseRLModel, "on": ActorCriticRLModel, "off": OffPolicyRLModel, "Box": ContinuousControlModel}
    hooks = {name for base in bases.values() for name in hooks_of(base)}
    assert {name for name, _ in listed} == hooks and len(listed) == len(hooks)
    for name, where in listed:
        defining = {key for key, base in bases.items() if name in hooks_of(base)}
        for key in where.split(", "):
            assert key in defining, (name, key)
