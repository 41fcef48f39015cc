"""Callbacks, driven by a loop that does what ``learn()`` does."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EventCallback,
    EveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnRewardThreshold,
    as_callback,
)
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines_tf2.core.tensorboard import EventWriter, read_scalars


class Env(gymnasium.Env):
    """Episodes of four steps that pay the action each."""

    observation_space, action_space = spaces.Box(-10, 10, (1,), np.float32), spaces.Discrete(100)

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(1, self.t, np.float32), float(action), self.t == 4, False, {}


class Model:
    """Acts with the number of its environment steps, so that it gets better and better; saves that number."""

    def __init__(self, n_envs=2, env=None):
        self.env = env or DummyVecEnv([Env] * n_envs)
        self.n_envs, self.num_timesteps, self.actions = self.env.num_envs, 0, None

    def get_env(self):
        return self.env

    def predict(self, observation, state=None, mask=None, deterministic=False):
        action = self.num_timesteps if self.actions is None else self.actions.pop(0)
        return np.full(len(observation), action), None

    def save(self, path):
        with open(path + ".zip", "w") as file:
            file.write(str(self.num_timesteps))

    def learn(self, total_timesteps, callback=None, writer=None, reset=True):
        if reset:
            self.num_timesteps = 0
        callback = as_callback(callback)
        callback.init_callback(self)
        callback.on_training_start(locals(), globals())
        callback.on_rollout_start()
        for step in range(total_timesteps // self.n_envs):
            self.num_timesteps += self.n_envs
            callback.update_locals({"step": step})
            if callback.on_step() is False:
                break
        callback.on_rollout_end()
        callback.on_training_end()
        return self


class Record(BaseCallback):
    """Writes down its calls; stops at call number ``stop``, with the given answer."""

    def __init__(self, stop=None, answer=False):
        super().__init__()
        self.stop, self.answer, self.calls = stop, answer, []

    def _init_callback(self):
        self.calls.append("init")

    def _on_training_start(self):
        self.calls.append("training_start")

    def _on_rollout_start(self):
        self.calls.append("rollout_start")

    def _on_rollout_end(self):
        self.calls.append("rollout_end")

    def _on_training_end(self):
        self.calls.append("training_end")

    def _on_step(self):
        self.calls.append((self.n_calls, self.num_timesteps, self.locals["step"]))
        return self.answer if self.n_calls == self.stop else None


def test_order_of_calls_and_attributes():
    callback, model = Record(), Model()
    model.learn(6, callback)
    steps = [(1, 2, 0), (2, 4, 1), (3, 6, 2)]
    assert callback.calls == ["init", "training_start", "rollout_start", *steps, "rollout_end", "training_end"]
    assert (callback.model, callback.training_env, callback.logger) == (model, model.env, logger.Logger.CURRENT)
    assert callback.locals["total_timesteps"] == 6 and callback.globals["Env"] is Env and callback.parent is None


@pytest.mark.parametrize(("answer", "steps"), [(False, 2), (np.False_, 2), (None, 3), (0, 3), (True, 3)])
def test_only_false_stops(answer, steps):
    callback, after = Record(stop=2, answer=answer), Record()
    assert Model().learn(6, [callback, after]).num_timesteps == 2 * steps
    assert len(after.calls) == 5 + steps  # called even in the step in which the one before stops


def test_functions():
    seen = []
    model = Model()

    def callback(local, global_):
        seen.append((local["self"], local["step"], global_["Env"]))
        return len(seen) < 2

    model.learn(10, callback)
    assert seen == [(model, 0, Env), (model, 1, Env)]
    assert isinstance(as_callback(callback), ConvertCallback)
    assert [type(c) for c in as_callback([callback, Record(), [callback]]).callbacks] == [
        ConvertCallback,
        Record,
        CallbackList,
    ]
    assert Model().learn(4, None).num_timesteps == 4


def test_wrong_callbacks():
    with pytest.raises(TypeError, match="callback must be a function"):
        as_callback(3)
    with pytest.raises(TypeError, match="callbacks must be a list"):
        CallbackList(Record())
    with pytest.raises(TypeError, match="callback must be a BaseCallback"):
        EventCallback(lambda: True)
    with pytest.raises(ValueError, match="save_freq"):
        CheckpointCallback(0, "x")
    with pytest.raises(TypeError, match="save_path"):
        CheckpointCallback(1, None)
    with pytest.raises(ValueError, match="n_steps"):
        EveryNTimesteps("1", Record())
    with pytest.warns(UserWarning, match="n_steps=-1 is unusual"):
        EveryNTimesteps(-1, Record())
    with pytest.warns(UserWarning, match="n_eval_episodes=0 is unusual"):
        EvalCallback(Env(), n_eval_episodes=0)


def test_checkpoints(tmp_path, capsys):
    Model().learn(20, CheckpointCallback(4, tmp_path / "new" / "folder", "agent", verbose=2))
    files = {path.name: path.read_text() for path in (tmp_path / "new" / "folder").iterdir()}
    assert files == {"agent_8_steps.zip": "8", "agent_16_steps.zip": "16"}
    assert "agent_16_steps" in capsys.readouterr().out


def test_every_n_timesteps():
    child, model = Record(), Model(n_envs=4)
    callback = EveryNTimesteps(10, child)
    model.learn(40, callback)
    assert child.calls == ["init", "training_start", (1, 12, 2), (2, 24, 5), (3, 36, 8)] and child.parent is callback
    model.learn(12, callback)  # the count of steps begins at 0 again
    assert child.calls[-1] == (4, 12, 2)
    model.learn(8, callback, reset=False)  # from 12 to 20 steps
    assert child.calls[-1] == "training_start"
    model.learn(4, callback, reset=False)
    assert child.calls[-1] == (5, 24, 0)


def evaluation(**settings):
    return EvalCallback(DummyVecEnv([Env]), **{"n_eval_episodes": 2, "eval_freq": 3, "verbose": 0, **settings})


def test_evaluations_are_written(tmp_path, capsys):
    callback = evaluation(log_path=tmp_path / "logs", best_model_save_path=str(tmp_path / "best"), verbose=1)
    model = Model(n_envs=2)
    model.learn(20, callback)
    with np.load(tmp_path / "logs" / "evaluations.npz") as data:
        assert data["timesteps"].tolist() == [6, 12, 18]
        assert data["results"].tolist() == [[24.0, 24.0], [48.0, 48.0], [72.0, 72.0]]
        assert data["ep_lengths"].tolist() == [[4, 4]] * 3
    assert (tmp_path / "best" / "best_model.zip").read_text() == "18"
    assert (callback.best_mean_reward, callback.last_mean_reward) == (72.0, 72.0)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "Eval num_timesteps=6, episode_reward=24.00 +/- 0.00",
        "Episode length: 4.00 +/- 0.00",
        "New best mean reward!",
    ]


def test_only_a_better_model_is_saved(tmp_path):
    child, model = Record(), Model(n_envs=1)
    callback = evaluation(
        callback_on_new_best=child, n_eval_episodes=1, eval_freq=1, best_model_save_path=tmp_path, deterministic=False
    )
    model.actions = [5] * 4 + [3] * 4 + [5] * 4 + [6] * 4
    model.learn(4, callback)
    assert [call[1] for call in child.calls[2:]] == [1, 4]
    assert (tmp_path / "best_model.zip").read_text() == "4"
    assert (callback.best_mean_reward, callback.last_mean_reward) == (24.0, 24.0)


def test_a_single_environment_and_several_are_evaluated():
    single, several = EvalCallback(Env(), eval_freq=3, verbose=0), evaluation(n_eval_episodes=4)
    several.eval_env = DummyVecEnv([Env] * 3)
    Model().learn(6, [single, several])
    assert single.last_mean_reward == several.last_mean_reward == 24.0


def test_no_evaluation():
    callback = evaluation(eval_freq=0)
    Model().learn(20, callback)
    assert callback.last_mean_reward == -np.inf


def test_reward_threshold_stops_training(capsys):
    stop = StopTrainingOnRewardThreshold(48.0, verbose=1)
    assert Model().learn(100, evaluation(callback_on_new_best=stop)).num_timesteps == 12
    assert "48.00" in capsys.readouterr().out
    assert Model().learn(100, [evaluation(callback_on_new_best=StopTrainingOnRewardThreshold(49))]).num_timesteps == 18


def test_reward_threshold_needs_an_evaluation():
    for callback in (StopTrainingOnRewardThreshold(1), EveryNTimesteps(1, StopTrainingOnRewardThreshold(1))):
        with pytest.raises(ValueError, match="EvalCallback"):
            Model().learn(2, callback)


def test_evaluations_go_to_tensorboard(tmp_path):
    with EventWriter(tmp_path) as writer:
        Model().learn(12, evaluation(), writer=writer)
    assert list(read_scalars(writer.path)) == [
        (6, "eval/mean_reward", 24.0),
        (6, "eval/mean_ep_length", 4.0),
        (12, "eval/mean_reward", 48.0),
        (12, "eval/mean_ep_length", 4.0),
    ]


def test_normalization_is_copied_to_the_evaluation():
    training = VecNormalize(DummyVecEnv([Env] * 2))
    callback = EvalCallback(
        VecNormalize(DummyVecEnv([Env]), training=False, norm_reward=False), eval_freq=2, n_eval_episodes=1, verbose=0
    )
    model = Model(env=training)
    training.obs_rms.mean[:] = 3.0
    model.learn(4, callback)
    assert callback.eval_env.obs_rms.mean.tolist() == [3.0] and callback.last_mean_reward == 16.0


def test_environments_that_do_not_fit_are_told_before_training():
    model = Model(env=VecNormalize(DummyVecEnv([Env])))
    with pytest.warns(UserWarning, match="VecNormalize.*DummyVecEnv"), pytest.raises(ValueError, match="VecNormalize"):
        model.learn(4, evaluation())


def test_progress_bar(capsys):
    callback, model = ProgressBarCallback(), Model()
    shown = []

    class Watch(BaseCallback):
        def _on_step(self):
            shown.append((callback.bar.n, callback.bar.total))

    model.learn(6, [callback, Watch()])
    assert shown == [(2, 6), (4, 6), (6, 6)] and callback.bar is None
    assert "100%" in capsys.readouterr().err
    model.learn(4, [callback, Watch()], reset=False)
    assert shown[3:] == [(2, 4), (4, 4)]


def test_progress_bar_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"stable-baselines-tf2\[progress\]"):
        ProgressBarCallback()


def test_importing_is_light():
    code = (
        "import sys, stable_baselines_tf2.common.callbacks\n"
        "assert not {'tensorflow', 'tqdm', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
