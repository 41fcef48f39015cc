"""What training writes for TensorBoard."""

import os
import pathlib
import re

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from stable_baselines_tf2 import A2C, PPO2
from stable_baselines_tf2.bench import Monitor
from stable_baselines_tf2.common.callbacks import BaseCallback
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.tensorboard import read_scalars
from tests.on_policy_cases import KWARGS, SMALL, UPDATE, Failing, Scripted, make

# The scalars of the original; those of its own graph's histograms appear with full_tensorboard_log.
LEGACY = {
    "PPO2": {
        "episode_reward", "input_info/advantage", "input_info/clip_range", "input_info/discounted_rewards",
        "input_info/learning_rate", "input_info/old_neglog_action_probability", "input_info/old_value_pred",
        "loss/approximate_kullback-leibler", "loss/clip_factor", "loss/entropy_loss", "loss/loss",
        "loss/policy_gradient_loss", "loss/value_function_loss",
    },
    "PPO1": {
        "episode_reward", "input_info/advantage", "input_info/clip_range", "input_info/discounted_rewards",
        "input_info/learning_rate", "loss/approximate_kullback-leibler", "loss/clip_factor", "loss/entropy_loss",
        "loss/loss", "loss/policy_gradient_loss", "loss/value_function_loss",
    },
    "TRPO": {
        "episode_reward", "input_info/advantage", "input_info/discounted_rewards", "input_info/learning_rate",
        "input_info/kl_clip_range", "loss/approximate_kullback-leibler", "loss/entropy_loss", "loss/loss",
        "loss/policy_gradient_loss", "loss/value_function_loss",
    },
    "A2C": {
        "episode_reward", "input_info/advantage", "input_info/discounted_rewards", "input_info/learning_rate",
        "loss/entropy_loss", "loss/loss", "loss/policy_gradient_loss", "loss/value_function_loss",
    },
    "ACER": {
        "episode_reward", "input_info/action_probability", "input_info/advantage", "input_info/learning_rate",
        "input_info/rewards", "loss/entropy_loss", "loss/loss", "loss/policy_gradient_loss",
        "loss/value_function_loss",
    },
}  # fmt: skip
NEW = {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps"}


def scripted_env(monitor=True):
    envs = [Scripted([1.0, 2.0, 4.0]), Scripted([10.0, 20.0])]
    return DummyVecEnv([(lambda env=env: Monitor(env, None)) if monitor else (lambda env=env: env) for env in envs])


def files(folder):
    """Event files in the order in which they were begun: of one second, their names end with a number that counts."""

    def age(path):
        second, count = re.search(r"tfevents\.(\d+)\..*\.(\d+)$", path).groups()
        return os.path.dirname(path), int(second), int(count)

    return sorted(map(str, pathlib.Path(folder).rglob("events*")), key=age)


def scalars(path):
    found = {}
    for step, tag, value in read_scalars(path):
        found.setdefault(tag, []).append((step, value))
    return found


@pytest.mark.parametrize("name", LEGACY)
def test_tags(tmp_path, name):
    update = UPDATE[name]
    make(name, env=scripted_env(), tensorboard_log=str(tmp_path)).learn(4 * update)
    steps = [update * i for i in range(1, 5)]
    found = scalars(*files(tmp_path))
    assert LEGACY[name] | NEW <= set(found) <= LEGACY[name] | NEW | {"input_info/clip_range_vf"}
    for tag in set(found) - {"episode_reward"}:
        assert [step for step, _ in found[tag]] == steps, tag
    if update == 8:
        assert found["rollout/ep_rew_mean"][0][1] == pytest.approx((7 + 30 + 30) / 3)
        assert found["rollout/ep_len_mean"][0][1] == pytest.approx((3 + 2 + 2) / 3)
    rate = {"PPO2": 2.5e-4, "PPO1": 1e-3, "TRPO": 3e-4}.get(name, 7e-4)
    np.testing.assert_allclose(found["input_info/learning_rate"], [(step, rate) for step in steps])


def test_episode_rewards_stand_at_the_steps_where_episodes_ended(tmp_path):
    make("A2C", env=scripted_env(monitor=False), tensorboard_log=str(tmp_path)).learn(32)
    found = scalars(*files(tmp_path))["episode_reward"]
    expected = [(2 * t, value) for t in range(1, 17) for period, value in ((3, 7), (2, 30)) if t % period == 0]
    assert found == expected


def test_value_clipping_is_logged_where_there_is_some(tmp_path):
    make("PPO2", tensorboard_log=str(tmp_path / "a"), cliprange_vf=-1).learn(8)
    make("PPO2", tensorboard_log=str(tmp_path / "b"), cliprange_vf=0.125, cliprange=0.25).learn(8)
    assert "input_info/clip_range_vf" not in scalars(*files(tmp_path / "a"))
    found = scalars(*files(tmp_path / "b"))
    assert found["input_info/clip_range_vf"] == [(8, 0.125)] and found["input_info/clip_range"] == [(8, 0.25)]


def test_numbers_of_runs(tmp_path):
    model = make("PPO2", env=scripted_env(), tensorboard_log=str(tmp_path))
    model.learn(16)
    model.learn(16)
    model.learn(8, tb_log_name="other")
    model.learn(16, reset_num_timesteps=False)
    assert sorted(os.listdir(tmp_path)) == ["PPO2_1", "PPO2_2", "other_1"]
    first, continued = files(tmp_path / "PPO2_2")
    assert len(files(tmp_path / "PPO2_1")) == 1
    assert [step for step, _ in scalars(first)["loss/loss"]] == [8, 16]
    assert [step for step, _ in scalars(continued)["loss/loss"]] == [16, 24]  # the last run had eight steps


def test_a_loaded_model_continues_its_curve(tmp_path):
    model = make("A2C", env=scripted_env(), tensorboard_log=str(tmp_path / "logs"))
    model.learn(16)
    model.save(tmp_path / "model")
    loaded = A2C.load(tmp_path / "model", env=scripted_env(), tensorboard_log=str(tmp_path / "logs"))
    loaded.learn(16, reset_num_timesteps=False)
    assert os.listdir(tmp_path / "logs") == ["A2C_1"]
    steps = [step for path in files(tmp_path) for step, _ in scalars(path)["loss/loss"]]
    assert sorted(steps) == [8, 16, 24, 32]


def is_whole(path):
    """Whether every record of the file can be read, and nothing is left."""
    events = list(EventFileLoader(path).Load())
    return len(events) > 1 and not any(name == path for name in open_files())


def open_files():
    return [os.readlink(fd.path) for fd in os.scandir("/proc/self/fd") if os.path.exists(fd.path)]


def test_files_are_closed_whatever_happens(tmp_path):
    class Raising(BaseCallback):
        def _on_step(self):
            if self.num_timesteps > 10:
                raise ZeroDivisionError
            return True

    class Interrupting(BaseCallback):
        def _on_training_start(self):
            raise KeyboardInterrupt

    model = make("A2C", env=scripted_env(), tensorboard_log=str(tmp_path / "a"))
    with pytest.raises(ZeroDivisionError):
        model.learn(32, callback=Raising())
    model.learn(16, callback=lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        model.learn(32, callback=Interrupting())
    raised, stopped, interrupted = files(tmp_path / "a")
    assert is_whole(raised) and [step for step, _ in scalars(raised)["loss/loss"]] == [8]
    assert not {stopped, interrupted} & set(open_files())
    model = make("A2C", env=DummyVecEnv([lambda: Failing("nan", 7)] * 2), tensorboard_log=str(tmp_path / "b"))
    with pytest.raises(FloatingPointError):
        model.learn(100)
    (path,) = files(tmp_path / "b")
    assert is_whole(path) and [step for step, _ in scalars(path)["loss/loss"]] == [8]
    model.learn(8)
    assert len(files(tmp_path / "b")) == 2 and is_whole(files(tmp_path / "b")[1])


def test_full_log(tmp_path):
    model = make("A2C", tensorboard_log=str(tmp_path), full_tensorboard_log=True)
    model.learn(16)
    model.learn(16, reset_num_timesteps=False)
    for path in files(tmp_path):
        histograms = {
            value.tag for event in EventFileLoader(path).Load() for value in event.summary.value
            if value.metadata.plugin_data.plugin_name == "histograms"}  # fmt: skip
        assert histograms == {"input_info/observation", *(name[:-2] for name in model.get_parameters())}


def test_writers_of_callbacks(tmp_path):
    def write(locals_, globals_):
        locals_["writer"].scalar("mine", locals_["self"].num_timesteps * 2, locals_["self"].num_timesteps)

    make("A2C", tensorboard_log=str(tmp_path)).learn(8, callback=write)
    assert scalars(*files(tmp_path))["mine"] == [(2, 4), (4, 8), (6, 12), (8, 16)]


def test_no_log_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PPO2("MlpPolicy", scripted_env(), policy_kwargs=KWARGS["MlpPolicy"], **SMALL["PPO2"]).learn(8)
    assert os.listdir(tmp_path) == []
