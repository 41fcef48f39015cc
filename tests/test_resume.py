"""Resumption: training that goes on in another process gives the same numbers, bit for bit."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common.vec_env import DummyVecEnv
from tests.helpers import RandomEnv, box
from tests.on_policy_cases import ALGORITHMS, UPDATE, make, random_env, same

ALSO_WARM = 4  # times as many updates for ACKTR: its first ten are of another kind
POLICIES = {
    "PPO2": ("MlpPolicy", "MlpLstmPolicy"),
    "A2C": ("MlpPolicy", "MlpLnLstmPolicy"),
    "ACER": ("MlpPolicy", "MlpLstmPolicy"),
    "ACKTR": ("MlpPolicy", "MlpLstmPolicy"),
    "PPO1": ("MlpPolicy", "MlpLstmPolicy"),
    "TRPO": ("MlpPolicy", "MlpLstmPolicy"),
}

IN_ANOTHER_PROCESS = """
import sys
from tests.test_resume import fresh_env, go_on
from tests.on_policy_cases import ALGORITHMS

for case in sys.argv[1:]:
    name = case.rsplit("/")[-1].split("-")[0]
    model = ALGORITHMS[name].load(case)
    model.set_env(fresh_env(name))  # load(env=…) would seed it
    if hasattr(model, "replay_buffer"):
        model.load_replay_buffer(case + "-buffer")
    go_on(model, case + "-there.npz")
"""


class Recording(RandomEnv):
    """Notes the actions it gets."""

    def __init__(self, actions, action_space):
        super().__init__(box(3), action_space)
        self.actions = actions

    def step(self, action):
        self.actions.append(action)
        return super().step(action)


def fresh_env(name):
    actions, action_space = [], spaces.Discrete(4) if name == "ACER" else box(2)
    env = DummyVecEnv([lambda: Recording(actions, action_space)] * 2)
    env.taken = actions
    env.seed(77)
    return env


def steps_of(model):
    """Of three updates."""
    name = type(model).__name__
    return 3 * UPDATE[name] * (ALSO_WARM if name == "ACKTR" else 1)


def go_on(model, target):
    model.learn(steps_of(model), reset_num_timesteps=False)
    arrays = {f"parameter/{name}": array for name, array in model.get_parameters().items()}
    arrays |= model.training_state()[1]
    draws = model.generator.random(4)
    np.savez(target, actions=model.env.taken, steps=model.num_timesteps, draws=draws, **arrays)


@pytest.mark.parametrize("name", POLICIES)
def test_training_goes_on_in_another_process(tmp_path, name):
    cases = [str(tmp_path / f"{name}-{policy}") for policy in POLICIES[name]]
    for case, policy in zip(cases, POLICIES[name], strict=True):
        model = make(name, policy, fresh_env(name))
        model.learn(steps_of(model))
        model.save(case)
        if hasattr(model, "replay_buffer"):
            model.save_replay_buffer(case + "-buffer")
        model.set_env(fresh_env(name))
        go_on(model, case + "-here.npz")
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *cases], check=True, timeout=250)
    for case, policy in zip(cases, POLICIES[name], strict=True):
        here, there = np.load(case + "-here.npz"), np.load(case + "-there.npz")
        assert here.files == there.files and here["steps"] == there["steps"] == 2 * steps_of(model)
        assert here["actions"].shape == (steps_of(model), *(() if name == "ACER" else (2,)))
        for key in here.files:
            np.testing.assert_array_equal(here[key], there[key], err_msg=f"{case}: {key}")
        n_states = sum(key.startswith("optimizer/") for key in here.files)
        # ACKTR: two counters, two kinds of momentum, and each factor with its eigenvalues and eigenvectors
        factors = {"MlpPolicy": 8, "MlpLstmPolicy": 9}
        assert n_states == {"A2C": 2, "ACER": 3, "ACKTR": 4 + 3 * factors.get(policy, 0)}.get(name, 4)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_optimizer_matters(name):
    """What is tested above is not trivially true: without the optimizer's state the numbers differ."""
    model, steps = make(name), 3 * UPDATE[name]
    model.learn(steps)
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    other = ALGORITHMS[name].load(buffer, env=random_env())
    other.moments |= other.optimizer.initial_state(sum(other.trainable.sizes))
    model.set_env(random_env())
    for one in (model, other):
        one.learn(steps, reset_num_timesteps=False)
    assert not same(model.get_parameters(), other.get_parameters())


def test_saving_changes_nothing():
    models = [make("PPO2"), make("PPO2")]
    for i, model in enumerate(models):
        model.learn(24)
        if i:
            model.save(io.BytesIO())
            model.get_parameters(), model.train_model.get_weights()
        model.learn(24)
    assert same(models[0].get_parameters(), models[1].get_parameters())


@pytest.mark.parametrize("seed, expected", [(1, 1), (None, 99)])
def test_loading_a_seeded_model_seeds_its_environment(seed, expected):
    model = make("A2C", env=random_env(seed=3), seed=seed)
    model.learn(8)
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    loaded = ALGORITHMS["A2C"].load(buffer, env=random_env(seed=99))
    np.testing.assert_array_equal(loaded.runner.obs, random_env(seed=expected).reset())
    np.testing.assert_array_equal(loaded.generator.random(3), model.generator.random(3))  # goes on, all the same


def test_damaged_training_states(tmp_path):
    model = make("PPO2")
    model.save(tmp_path / "model")
    for member, content in (
        ("training_state", json.dumps({"num_timesteps": 1})),
        ("training_state", json.dumps({"num_timesteps": 1, "generator": "x"})),
        ("training_arrays", None),
    ):
        with zipfile.ZipFile(tmp_path / "model.zip") as source, zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
            for name in source.namelist():
                if name != member or content is not None:
                    target.writestr(name, content if name == member else source.read(name))
        with pytest.raises(ValueError, match="damaged"):
            ALGORITHMS["PPO2"].load(tmp_path / "bad")
