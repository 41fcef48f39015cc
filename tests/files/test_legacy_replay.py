"""Replay buffers that scripts of Stable Baselines pickled."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import DQN
from stable_baselines_tf2.files.pickle_tree import Global
from stable_baselines_tf2.migration import inspect
from stable_baselines_tf2.migration.pickle_writer import New, dumps
from tests.helpers import RandomEnv, box

MODULES = ("stable_baselines.common.buffers", "stable_baselines.deepq.replay_buffer")


def transition(i):
    obs = np.full(3, i, np.float32)
    return obs, i % 4, float(i), obs + 1, float(i % 5 == 0)


def buffer(n, module=MODULES[0], next_row=0, name="ReplayBuffer"):
    rows = (
        [transition(i) for i in (*range(n - next_row, n), *range(n - next_row))]
        if next_row
        else [*map(transition, range(n))]
    )
    return New(Global(module, name), (), {"_storage": rows, "_maxsize": n, "_next_idx": next_row})


def model(**arguments):
    return DQN("MlpPolicy", RandomEnv(box(3), spaces.Discrete(4)), **{"buffer_size": 64, "batch_size": 4, **arguments})


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("next_row", [0, 7])
def test_pickled_buffers(tmp_path, module, next_row):
    path = tmp_path / "buffer.pkl"
    path.write_bytes(dumps(buffer(20, module, next_row)))
    found = inspect(path)
    assert (found.kind, found.settings["transitions"], found.suspicious) == ("replay buffer", 20, [])
    trained = model(prioritized_replay=True)
    trained.load_replay_buffer(path)
    rewards = [row[2] for row in trained.replay_buffer.storage]
    assert rewards == list(range(20))
    np.testing.assert_array_equal(trained.replay_buffer.storage[3][3], np.full(3, 4))
    small = model(buffer_size=8)
    small.load_replay_buffer(path)
    assert sorted(row[2] for row in small.replay_buffer.storage) == list(range(12, 20))
    small.learn(20)


def test_buffers_within_a_model():
    trained = model()
    data = {key: value for key, value in trained.hyperparameters().items() if key not in ("policy", "policy_kwargs")}
    data |= {
        "policy": Global("stable_baselines.deepq.policies", "MlpPolicy"),
        "observation_space": New(
            Global("gym.spaces.box", "Box"), (), {"low": -np.ones(3, "f4"), "high": np.ones(3, "f4")}
        ),
        "action_space": New(Global("gym.spaces.discrete", "Discrete"), (), {"n": 4}),
        "replay_buffer": buffer(20, name="PrioritizedReplayBuffer"),
    }
    parameters = dict(trained.get_parameters())
    loaded = DQN.load(io.BytesIO(dumps((data, parameters))))
    assert [row[2] for row in loaded.replay_buffer.storage] == list(range(20))


@pytest.mark.parametrize(
    "content, message",
    [
        (pickle.dumps([1]), "holds no replay buffer"),
        (dumps(New(Global(MODULES[0], "ReplayBuffer"), (), {"_storage": []})), "is empty"),
        (dumps(New(Global(MODULES[0], "ReplayBuffer"), (), {"_storage": [1]})), "something else than transitions"),
        (dumps(New(Global(MODULES[0], "ReplayBuffer"), (), {"_storage": [("a", 1, 1, "b", 1)]})), "are not numbers"),
    ],
)
def test_pickles_that_are_none(content, message):
    with pytest.raises(ValueError, match=message):
        model().load_replay_buffer(io.BytesIO(content))
