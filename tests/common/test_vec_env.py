"""DummyVecEnv, SubprocVecEnv and what their wrappers share."""

from __future__ import annotations

import os
import pickle
import signal
import time

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    DummyVecEnv,
    NotSteppingError,
    SubprocVecEnv,
    VecEnvWrapper,
    VecNormalize,
    sync_envs_normalization,
    unwrap_vec_normalize,
)
from stable_baselines_tf2.common.vec_env.util import copy_obs_dict, dict_to_obs, obs_space_info
from tests.common.vec_env_cases import Counter, DictCounter, Failing, OldCounter, TupleCounter


def counters(n=2, cls=Counter, **kwargs):
    return [lambda start=start: cls(start, **kwargs) for start in range(n)]


@pytest.fixture(params=["dummy", "subproc"])
def make(request):
    """Builds a vectorized environment of either kind; closes it afterwards."""
    made = []

    def build(env_fns):
        made.append(DummyVecEnv(env_fns) if request.param == "dummy" else SubprocVecEnv(env_fns))
        return made[-1]

    yield build
    for env in made:
        env.close()


def test_episode(make):
    env = make(counters())
    assert env.num_envs == 2 and env.observation_space == Counter.observation_space
    np.testing.assert_array_equal(env.reset(), [[0, -1, -1], [1, -1, -1]])
    obs, rewards, dones, infos = env.step(np.array([3, 4]))
    np.testing.assert_array_equal(obs, [[1, 3, -1], [2, 4, -1]])
    assert rewards.tolist() == [3, 4] and dones.dtype == bool and not dones.any() and infos == [{"t": 1}, {"t": 1}]
    env.step([0, 1])
    later, _, dones, infos = env.step([2, 1])
    assert dones.tolist() == [True, True]
    np.testing.assert_array_equal(later, [[0, -1, -1], [1, -1, -1]])  # of the new episodes
    np.testing.assert_array_equal(infos[0]["terminal_observation"], [3, 2, -1])
    np.testing.assert_array_equal(infos[1]["terminal_observation"], [4, 1, -1])
    assert [info.get("TimeLimit.truncated") for info in infos] == [None, True] and infos[0]["t"] == 3
    np.testing.assert_array_equal(obs, [[1, 3, -1], [2, 4, -1]])  # what was returned before stays
    assert "terminal_observation" not in env.step([0, 0])[3][0]


@pytest.mark.parametrize("cls", [DictCounter, TupleCounter])
def test_structured_observations(make, cls):
    env = make(counters(cls=cls))
    env.reset()
    obs = env.step([1, 1])[0]
    a, b = (obs["a"], obs["b"]) if cls is DictCounter else (obs[1], obs[0])
    assert list(a) == [1, 1] and b.shape == (2, 2) and b.dtype == np.float32
    assert type(obs).__name__ == ("OrderedDict" if cls is DictCounter else "tuple")
    env.step([1, 1])
    np.testing.assert_array_equal(b, np.ones((2, 2)))


def test_seed_holds_for_one_reset(make):
    env = make(counters(3))
    assert env.seed(7) == [7, 8, 9]
    assert env.reset()[:, 2].tolist() == [7, 8, 9]
    assert env.reset()[:, 2].tolist() == [-1, -1, -1]
    env.seed(np.int64(1))
    assert env.reset()[:, 2].tolist() == [1, 2, 3]
    env.step([0] * 3), env.step([0] * 3)
    assert env.step([0] * 3)[0][:, 2].tolist() == [-1, -1, -1]
    drawn = env.seed(None)
    assert drawn[1] == drawn[0] + 1 and drawn != env.seed(None)
    for bad in (-1, 1.5, "1", True):
        with pytest.raises(ValueError, match="seed"):
            env.seed(bad)


def test_attributes_and_methods(make):
    env = make(counters(3))
    assert env.get_attr("start") == [0, 1, 2] and env.get_attr("start", 1) == [1]
    assert env.get_attr("start", [2, 0]) == [2, 0] and env.get_attr("start", -1) == [2]
    env.set_attr("start", 9, indices=[1])
    assert env.get_attr("start") == [0, 9, 2]
    assert env.env_method("add", 5, times=2, indices=np.int64(1)) == [19]
    assert env.env_method("add", 1) == [1, 10, 3]
    with pytest.raises(AttributeError, match="nonsense"):
        env.get_attr("nonsense")
    with pytest.raises(AttributeError, match="nonsense"):
        env.env_method("nonsense", indices=0)
    assert env.get_attr("start") == [0, 9, 2]  # nothing got out of step
    assert env.metadata["render_fps"] == 10 and env.unwrapped is env


def test_attributes_reach_below_the_wrappers_of_gymnasium(make):
    env = make([lambda: gymnasium.make("CartPole-v1")])
    assert env.get_attr("gravity") == [9.8]
    env.set_attr("gravity", 5.0)
    assert env.get_attr("gravity") == [5.0] and env.get_attr("unwrapped")[0].gravity == 5.0


def test_rendering(make):
    env = make(counters(3, render_mode="rgb_array"))
    assert [image[0, 0, 0] for image in env.get_images()] == [10, 20, 30]
    assert env.render(mode="rgb_array").shape == (8, 12, 3)
    with pytest.raises(ValueError, match="ansi"):
        env.render("ansi")
    assert make(counters(1)).render() == "human"  # switched by the call, as it was made without a mode
    assert make(counters(2, render_mode="human")).render() == "human"
    assert make([OldCounter]).render("ansi") == "old ansi"


def test_window_of_tiled_images(monkeypatch):
    shown = []
    monkeypatch.setattr("stable_baselines_tf2.common.vec_env.base_vec_env.show", shown.append)
    DummyVecEnv(counters(2)).render()
    assert shown[0].shape == (8, 6, 3) and shown[0][5, 0, 0] == 20


def test_old_environment(make):
    env = make([OldCounter])
    env.seed(3)
    env.reset()
    assert env.get_attr("seeds") == [[3]]
    env.step([0])
    assert env.step([0])[3][0]["TimeLimit.truncated"] is True


def test_bad_construction(make):
    with pytest.raises(ValueError, match="at least one"):
        make([])
    with pytest.raises(TypeError, match=r"env_fns\[0\]"):
        make([Counter()])
    with pytest.raises((TypeError, RuntimeError), match="expected an environment"):  # the latter from a worker
        make([lambda: 3])


def test_same_object_twice_is_warned_about():
    env = Counter()
    with pytest.warns(UserWarning, match="same environment twice"):
        assert DummyVecEnv([lambda: env, lambda: env]).num_envs == 2


def test_order_of_calls(make):
    env = make(counters())
    env.reset()
    with pytest.raises(NotSteppingError):
        env.step_wait()
    with pytest.raises(ValueError, match="got 1"):
        env.step([0])
    if isinstance(env, SubprocVecEnv):
        env.step_async([0, 0])
        with pytest.raises(AlreadySteppingError):
            env.step_async([0, 0])
        assert env.reset()[0, 0] == 0  # takes the pending step away


def test_actions_of_gymnasium_and_python():
    env = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * 2)
    env.seed(0)
    results = []
    for actions in ([0, 1], np.array([0, 1]), (np.int32(0), np.int32(1))):
        env.seed(0)
        env.reset()
        results.append(env.step(actions)[0])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert results[0].dtype == np.float32


def test_same_trajectories_in_this_process_and_in_others():
    rollouts = []
    for cls in (DummyVecEnv, SubprocVecEnv):
        env = cls([lambda: gymnasium.make("CartPole-v1")] * 2)
        env.seed(3)
        actions = np.random.default_rng(0).integers(0, 2, (60, 2))
        rows = [env.reset()] + [env.step(action)[0] for action in actions]
        rollouts.append(np.array(rows))
        env.close()
    np.testing.assert_array_equal(*rollouts)


def gone(env):
    """True once all worker processes have ended."""
    return all(not process.is_alive() for process in env.processes)


def test_failing_worker_is_reported_with_its_traceback():
    env = SubprocVecEnv([Counter, Failing, Counter])
    env.reset()
    env.step([0, 0, 0])
    with pytest.raises(RuntimeError, match=r"(?s)environment 1 failed.*in step.*ZeroDivisionError: the bridge is out"):
        env.step([0, 0, 0])
    assert gone(env) and env.closed
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()


def test_environment_that_cannot_be_made():
    def broken():
        raise KeyError("no such robot")

    with pytest.raises(RuntimeError, match=r"(?s)environment 1 failed.*in broken.*no such robot"):
        SubprocVecEnv([Counter, broken])


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_dead_worker_is_reported_with_its_exit_code(way):
    env = SubprocVecEnv([Counter, Counter])
    env.reset()
    with pytest.raises(RuntimeError, match=f"environment 1 died with exit code {7 if way == 'exit' else -9}"):
        if way == "exit":
            env.env_method("die", indices=1)
        else:
            os.kill(env.processes[1].pid, signal.SIGKILL)
            time.sleep(0.1)
            env.step([0, 0])
    assert gone(env)


def test_close_is_idempotent_and_may_interrupt_a_step():
    env = SubprocVecEnv(counters())
    env.reset()
    env.step_async([0, 0])
    env.close()
    env.close()
    assert gone(env) and [process.exitcode for process in env.processes] == [0, 0]


def test_workers_do_not_import_tensorflow():
    env = SubprocVecEnv(counters(1))
    assert env.env_method("imported", "gymnasium") == [True]
    assert env.env_method("imported", "tensorflow") == [False]
    env.close()


def test_start_methods(monkeypatch):
    with pytest.raises(ValueError, match="start_method"):
        SubprocVecEnv(counters(), start_method="teleport")
    monkeypatch.setenv("DEFAULT_START_METHOD", "spawn")
    env = SubprocVecEnv(counters(1))
    assert type(env.processes[0]).__name__ == "SpawnProcess"
    assert env.reset().shape == (1, 3)
    env.close()


def test_util():
    space = DictCounter.observation_space
    keys, shapes, dtypes = obs_space_info(space)
    assert set(keys) == {"a", "b"} and shapes == {"a": (), "b": (2,)} and dtypes["a"] == np.int64
    assert obs_space_info(Counter.observation_space)[0] == [None]
    arrays = {"a": np.zeros(2), "b": np.zeros((2, 2))}
    copied = copy_obs_dict(arrays)
    copied["a"][:] = 5
    assert arrays["a"].sum() == 0 and dict_to_obs(space, arrays) is arrays
    first, second = np.zeros(1), np.ones(1)
    assert dict_to_obs(TupleCounter.observation_space, {0: first, 1: second})[1] is second
    assert dict_to_obs(Counter.observation_space, {None: first}) is first
    with pytest.raises(ValueError, match="keys"):
        dict_to_obs(space, {"a": first})
    with pytest.raises(TypeError):
        copy_obs_dict([first])
    with pytest.raises(ValueError, match="nested"):
        obs_space_info(gymnasium.spaces.Dict({"x": space}))


class Layer(VecEnvWrapper):
    """Adds nothing but attributes."""

    def __init__(self, venv, **attributes):
        super().__init__(venv)
        vars(self).update(attributes)

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()

    @property
    def broken(self):
        raise AttributeError("the reason")


def test_attributes_are_looked_up_through_wrappers():
    inner = DummyVecEnv(counters())
    inner.inside, inner.shared = 1, 2
    env = Layer(Layer(inner, middle=3, shared=4), outside=5)
    assert (env.inside, env.middle, env.outside) == (1, 3, 5)
    with pytest.raises(AttributeError, match="ambiguous.*DummyVecEnv"):
        _ = env.shared
    env.shared = 6
    assert env.shared == 6
    for name in ("nowhere", "__nowhere__"):
        with pytest.raises(AttributeError, match=name):
            getattr(env, name)
    with pytest.raises(AttributeError, match="the reason"):
        _ = Layer(inner).broken
    assert env.unwrapped is inner and env.getattr_depth_check("inside", True).endswith("DummyVecEnv")
    assert env.get_attr("start") == [0, 1] and env.env_method("add", 1, indices=1) == [2]


def test_normalization_is_found_and_synchronized():
    train, evaluate = (VecNormalize(Layer(DummyVecEnv(counters())), training=training) for training in (True, False))
    outer = Layer(train)
    assert unwrap_vec_normalize(outer) is train and unwrap_vec_normalize(Counter()) is None
    outer.reset(), outer.step([1, 2])
    sync_envs_normalization(outer, evaluate)
    np.testing.assert_array_equal(evaluate.obs_rms.mean, train.obs_rms.mean)
    assert evaluate.obs_rms is not train.obs_rms and evaluate.ret_rms.count == train.ret_rms.count > 1
    with pytest.raises(ValueError, match="eval_env 0"):
        sync_envs_normalization(outer, DummyVecEnv(counters()))


def test_cloudpickle_wrapper():
    number = 41
    assert pickle.loads(pickle.dumps(CloudpickleWrapper(lambda: number + 1))).var() == 42
