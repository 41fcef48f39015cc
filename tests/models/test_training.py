"""What surrounds every training, around a model that only counts."""

import contextlib

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common.callbacks import BaseCallback
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.checks import require_finite
from stable_baselines_tf2.core.tensorboard import read_scalars
from stable_baselines_tf2.models.loop_names import LoopNames
from stable_baselines_tf2.models.training import Training
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import make_off_policy
from tests.on_policy_cases import make


class Names(LoopNames):
    of_step = {"x": lambda names: names.now["x"]}


class Model:
    loop_names = Names

    def __init__(self, tensorboard_log=None, verbose=0):
        self.n_envs, self.num_timesteps, self.verbose, self.tensorboard_log = 3, 7, verbose, tensorboard_log
        self.ep_info_buf, self.synced = [], 0
        self.rank, self.n_workers, self.timesteps_per_step, self.wrapper = 0, 1, 3, None

    def get_env(self):
        return None

    def check_can_learn(self):
        pass

    def sync(self):
        self.synced += 1


class Note(BaseCallback):
    def __init__(self):
        super().__init__()
        self.events = []

    def _on_training_start(self):
        self.events.append("start")

    def _on_step(self):
        self.events.append(dict(self.locals))
        return self.num_timesteps < 10

    def _on_training_end(self):
        self.events.append("end")


@contextlib.contextmanager
def training(model, callback=None, **kwargs):
    with Training(model, 100, callback, 2, "run", **kwargs) as one:
        one.begin()
        yield one


def test_steps_are_counted_and_the_callback_decides():
    model, note = Model(), Note()
    with training(model, note) as one:
        assert model.num_timesteps == 0
        assert [one.on_step(lambda: dict(x=1)) for _ in range(4)] == [True, True, True, False]
    assert model.num_timesteps == 12
    assert note.events[0] == "start" and note.events[-1] == "end" and note.events[1]["x"] == 1
    assert note.events[1]["self"] is model and note.events[1]["total_timesteps"] == 100


def test_counting_goes_on():
    model = Model()
    with training(model, reset_num_timesteps=False) as one:
        one.on_step(dict)
    assert model.num_timesteps == 10


def test_nobody_watches_without_a_callback():
    model = Model()
    with training(model) as one:
        one.on_rollout_start()
        assert one.on_step(lambda: pytest.fail("locals were gathered for nobody"))
        one.on_rollout_end(1, None)
        assert model.synced == 0
    assert model.synced == 1
    with training(model, lambda *_: None) as one:
        one.on_step(dict)
        assert model.synced > 1


def test_the_end_is_told_after_an_interruption_but_not_after_an_error():
    for error, told in ((KeyboardInterrupt, True), (ValueError, False)):
        note = Note()
        with pytest.raises(error), training(Model(), note):
            raise error
        assert ("end" in note.events) == told


def test_log(tmp_path):
    model = Model(str(tmp_path))
    model.ep_info_buf = [dict(r=1.0, l=4), dict(r=3.0, l=6)]
    with training(model) as one:
        one.on_step(dict)
        one.log_episodes([(2, 5.0), (4, 6.0)], first_step=10)
        one.log_update({"loss/loss": 0.5}, {"weights": np.ones(3)})
    (path,) = (tmp_path / "run_1").iterdir()
    found = {(tag, step): value for step, tag, value in read_scalars(path)}
    assert found.pop(("time/fps", 3)) >= 0
    assert found == {
        ("episode_reward", 12): 5.0, ("episode_reward", 14): 6.0, ("loss/loss", 3): 0.5,
        ("rollout/ep_rew_mean", 3): 2.0, ("rollout/ep_len_mean", 3): 5.0}  # fmt: skip


def test_tables():
    due = []
    with training(Model(verbose=1)) as one:
        for one.update in range(1, 7):
            due.append(one.table_is_due())
    assert due == [True, True, False, True, False, True]
    with training(Model(verbose=0)) as one:
        one.update = 1
        assert not one.table_is_due()


def test_table_goes_to_the_logger(tmp_path):
    model = Model(verbose=1)
    model.ep_info_buf = [dict(r=1.0, l=4)]
    logger.configure(str(tmp_path), ["json"])
    try:
        with training(model) as one:
            one.log_table({"n_updates": 3})
    finally:
        logger.reset()
    row = (tmp_path / "progress.json").read_text().strip()
    assert row == '{"n_updates": 3, "ep_reward_mean": 1.0, "ep_len_mean": 4.0}'


def test_finite_or_not():
    require_finite({"loss": 1.0, "weights": np.zeros(3)}, "update 1")
    for bad, text in ((np.nan, "nan"), (np.inf, "inf"), (np.float32([0, -np.inf]), "-inf")):
        with pytest.raises(FloatingPointError, match=f"^value_loss is {text} in update 7"):
            require_finite({"loss": 1.0, "value_loss": bad}, "update 7")


class Order(BaseCallback):
    """Notes events, and with them resets of the environment."""

    def __init__(self, events):
        super().__init__()
        self.events = events

    def _on_training_start(self):
        self.events.append("training")

    def _on_rollout_start(self):
        self.events.append("rollout")


class ToldEnv(RandomEnv):
    def __init__(self, events, action_space):
        super().__init__(box(3), action_space)
        self.events = events

    def reset(self, **kwargs):
        self.events.append("reset")
        return super().reset(**kwargs)


@pytest.mark.parametrize("name", ["PPO2", "A2C", "ACER", "TRPO", "DQN", "SAC", "TD3", "DDPG"])
def test_the_first_reset_is_where_it_was_in_the_original(name):
    events = []
    continuous = name in ("SAC", "TD3", "DDPG")
    env = DummyVecEnv([lambda: ToldEnv(events, box(2) if continuous else spaces.Discrete(4))])
    model = make_off_policy(name, env=env) if continuous or name == "DQN" else make(name, env=env)
    events.clear()
    model.learn(16, Order(events))
    expected = ["reset", "training", "rollout"] if continuous else ["training", "rollout", "reset"]
    assert events[:3] == expected


def test_statistics_of_a_training_phase_are_shown_once(monkeypatch):
    rows, dump = [], logger.dumpkvs
    monkeypatch.setattr(logger, "dumpkvs", lambda: (rows.append(dict(logger.getkvs())), dump()))
    model = make_off_policy("SAC", train_freq=20, gradient_steps=1, learning_starts=0, verbose=1)
    model.learn(60, log_interval=1)
    shown = ["qf1_loss" in row for row in rows]
    assert 2 <= sum(shown) <= 3 and len(shown) > 4 and not shown[0]
