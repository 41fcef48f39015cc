"""What off-policy algorithms share: the loop, callbacks, logs, replay buffers, resumption."""

import io
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import A2C, DQN
from stable_baselines_tf2.common import OffPolicyRLModel
from stable_baselines_tf2.common.callbacks import BaseCallback, EvalCallback
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper, VecFrameStack, VecNormalize
from stable_baselines_tf2.core.tensorboard import read_scalars
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import OFF_POLICY, make_off_policy, off_policy_env
from tests.on_policy_cases import Scripted, same


def scripted(n_envs=1, rewards=(1, 2, 3), truncates=False, **arguments):
    env = DummyVecEnv([lambda: Scripted(list(rewards), truncates)] * n_envs)
    return make_off_policy("DQN", env=env, learning_starts=1000, **arguments)


# -------------------------------------------------------------------------------------------------------- environments
def test_a_single_environment_is_used_as_one():
    for env in ("CartPole-v1", gymnasium.make("CartPole-v1"), DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])):
        model = make_off_policy("DQN", env=env)
        assert issubclass(DQN, OffPolicyRLModel) and model.get_env() is model.env
        obs = model.get_env().reset()
        assert obs.shape == (4,)
        action, _ = model.predict(obs)
        obs, reward, done, info = model.get_env().step(action)
        assert obs.shape == (4,) and reward == 1.0 and done is False and isinstance(info, dict)
        assert model.get_env().spec.id == "CartPole-v1"  # an attribute of the environment itself
        rewards, lengths = evaluate_policy(model, model.get_env(), 2, return_episode_rewards=True)
        assert rewards == lengths and len(rewards) == 2
    with pytest.raises(AttributeError):
        model.get_env().no_such_attribute  # noqa: B018


def test_environments_are_handed_on():
    model = make_off_policy("DQN", env=off_policy_env(2))
    assert isinstance(model.get_env(), DummyVecEnv) and model.n_envs == 2
    single = make_off_policy("DQN").get_env()
    model.set_env(single)
    assert isinstance(model.get_env(), UnvecWrapper) and model.get_env().venv is single.venv
    assert A2C("MlpPolicy", single, policy_kwargs=dict(net_arch=[4])).get_env() is single.venv
    with pytest.raises(ValueError, match="one environment, not 2"):
        UnvecWrapper(off_policy_env(2))


def test_normalization_inside_of_stacked_frames_is_refused():
    inner = VecNormalize(off_policy_env())
    assert make_off_policy("DQN", env=inner).get_vec_normalize_env() is inner
    with pytest.raises(ValueError, match="VecNormalize must be outside of wrappers"):
        make_off_policy("DQN", env=VecFrameStack(inner, 2))


# ------------------------------------------------------------------------------------------------------ what is stored
@pytest.mark.parametrize("n_envs", [1, 2])
def test_transitions_are_stored(n_envs):
    model = scripted(n_envs)
    model.learn(5 * n_envs)
    stored = model.replay_buffer.storage
    assert len(stored) == 5 * n_envs
    times = [(int(obs[0]), reward, int(next_obs[0]), bool(done)) for obs, _, reward, next_obs, done in stored[::n_envs]]
    # The observation after the last step is that of the episode which ends, not of the one that begins.
    assert times == [(0, 1, 1, False), (1, 2, 2, False), (2, 3, 3, True), (0, 1, 1, False), (1, 2, 2, False)]


@pytest.mark.parametrize("bootstrap", [False, True])
def test_time_limits(bootstrap):
    model = scripted(truncates=True, bootstrap_timeouts=bootstrap)
    model.learn(6)
    assert [bool(done) for *_, done in model.replay_buffer.storage] == [False, False, not bootstrap] * 2


def test_normalized_experience_is_stored_as_it_was():
    env = VecNormalize(DummyVecEnv([lambda: Scripted([10, 20, 30])]))
    model = make_off_policy("DQN", env=env, learning_starts=1000)
    seen = []
    model.learn(3, callback=lambda locals_, _: seen.append((locals_["rew"], locals_["new_obs"])))
    assert [reward for _, _, reward, _, _ in model.replay_buffer.storage] == [10, 20, 30]
    assert [int(obs[0]) for obs, *_ in model.replay_buffer.storage] == [0, 1, 2]
    assert seen[0][0] != 10
    obs, _, rewards, _, _ = model.replay_buffer.gather(np.arange(3), env=env)
    np.testing.assert_array_equal(rewards, env.normalize_reward(np.float32([10, 20, 30])))
    np.testing.assert_array_equal(obs, env.normalize_obs(np.float32([[0, 0], [1, 0], [2, 0]])))
    model.learning_starts = 0
    model.learn(12)  # on normalized batches


def test_rewards_must_be_finite():
    with pytest.raises(ValueError, match="rewards must be finite"):
        scripted(rewards=(1, np.inf)).learn(5)


# ------------------------------------------------------------------------------------------------------------ the loop
@pytest.mark.parametrize("n_envs, train_freq, expected", [(1, 1, 12), (1, 4, 3), (3, 1, 12), (3, 6, 2), (3, 4, 3)])
def test_gradient_steps_per_environment_step(n_envs, train_freq, expected):
    model = make_off_policy("DQN", env=off_policy_env(n_envs), train_freq=train_freq, learning_starts=0, batch_size=1)
    steps = []
    run = model.run_phase
    model.run_phase = lambda batches, variant: steps.append(len(batches["rewards"])) or run(batches, variant)
    model.may_train = lambda: True
    model.learn(12)
    assert sum(steps) == expected and model.num_timesteps == 12


def test_total_timesteps_are_rounded_up():
    model = make_off_policy("DQN", env=off_policy_env(4))
    model.learn(10)
    assert model.num_timesteps == 12
    model.learn(4, reset_num_timesteps=False)
    assert model.num_timesteps == 16


def test_callback_locals():
    model, noted = scripted(), []
    model.learn(4, callback=lambda locals_, globals_: noted.append(dict(locals_)))
    last = noted[2]
    assert last["self"] is model and last["done"] and last["info"]["terminal_observation"][0] == 3
    assert last["obs"].tolist() == [2, 0] and last["new_obs"].tolist() == [0, 1] and last["rew"] == 3
    assert np.shape(last["action"]) == () and last["env_action"] == last["action"]
    assert [locals_["reset"] for locals_ in noted] == [True, False, False, True]
    assert [locals_["step"] for locals_ in noted] == [0, 1, 2, 3]
    assert 0 <= time.time() - noted[0]["start_time"] < 600 and noted[0]["replay_wrapper"] is None
    model, noted = scripted(2), []
    model.learn(4, callback=lambda locals_, globals_: noted.append(dict(locals_)))
    assert noted[0]["obs"].shape == (2, 2) and len(noted[0]["info"]) == 2 and noted[0]["dones"].shape == (2,)


@pytest.mark.parametrize("n_envs, ended", [(1, [6.0]), (2, [6.0, 6.0])])
def test_callbacks_see_the_returns_with_that_of_the_episode_under_way(n_envs, ended):
    model, noted = scripted(n_envs), []
    model.learn(5 * n_envs, callback=lambda locals_, _: noted.append(list(locals_["episode_rewards"])))
    assert noted == [[0.0], [1.0], [3.0], [*ended, 0.0], [*ended, 1.0]]


def test_names_of_an_algorithm_of_ones_own_for_callbacks(monkeypatch):
    model, noted = scripted(), []
    mine = lambda get_step, history: {"mine": (float(get_step()["rewards"][0]), len(history.lengths))}  # noqa: E731
    monkeypatch.setattr(model, "step_locals", mine)
    model.learn(4, callback=lambda locals_, _: noted.append(locals_["mine"]))
    assert noted == [(1.0, 0), (2.0, 0), (3.0, 0), (1.0, 1)]


class Rollouts(BaseCallback):
    def __init__(self):
        super().__init__()
        self.ends = []

    def _on_rollout_end(self):
        self.ends.append(self.model.num_timesteps)

    def _on_step(self):
        return True


@pytest.mark.parametrize("name, expected", [("SAC", [3, 6, 9, 12]), ("TD3", [3, 6, 9, 12]), ("DQN", [9, 12])])
def test_rollouts_end_where_training_is_due(name, expected):
    model, callback = make_off_policy(name, train_freq=3), Rollouts()
    model.learn(12, callback=callback)
    assert callback.ends == expected


def test_a_callback_stops():
    model = scripted()
    model.learn(100, callback=lambda locals_, _: locals_["self"].num_timesteps < 7)
    assert model.num_timesteps == 7 and len(model.replay_buffer) == 6  # the step that stopped is not stored


def test_order_of_events():
    class Noting(BaseCallback):
        def __init__(self):
            super().__init__()
            self.events = []

        def _on_training_start(self):
            self.events.append("start")

        def _on_rollout_start(self):
            self.events.append("rollout")

        def _on_step(self):
            self.events.append("step")
            return True

        def _on_rollout_end(self):
            self.events.append("end")

        def _on_training_end(self):
            self.events.append("stop")

    noting = Noting()
    make_off_policy("DQN", train_freq=2, learning_starts=3).learn(6, noting)
    steps = ["step"] * 2
    assert noting.events == ["start", "rollout", *steps, *steps, "end", "rollout", *steps, "end", "rollout", "stop"]


def test_weights_in_callbacks_are_new():
    model, noted = make_off_policy("DQN"), []
    held = model.get_parameter_list()

    def note(locals_, globals_):
        noted.append([variable.numpy().copy() for variable in held])
        for variable, array in zip(noted[-1], model.get_parameters().values(), strict=True):
            np.testing.assert_array_equal(variable, array)

    model.learn(14, callback=note)
    assert not np.array_equal(noted[-1][1], noted[-3][1])


def test_evaluation_during_training(recwarn):
    evaluation = EvalCallback(off_policy_env(), n_eval_episodes=2, eval_freq=10, verbose=0)
    make_off_policy("DQN").learn(20, evaluation)
    assert evaluation.last_mean_reward > -np.inf
    assert not [warning for warning in recwarn if "environment" in str(warning.message)]


# ----------------------------------------------------------------------------------------------------------------- logs
def test_episode_returns_at_their_steps(tmp_path):
    model = scripted(tensorboard_log=tmp_path)
    model.learn(7)
    (path,) = tmp_path.glob("DQN_1/*")
    assert [(step, value) for step, tag, value in read_scalars(path) if tag == "episode_reward"] == [(3, 6), (6, 6)]


def test_tables(capsys):
    class Succeeding(Scripted):
        def step(self, action):
            *rest, info = super().step(action)
            return *rest, {**info, "is_success": self.episode % 2}

    model = make_off_policy("DQN", env=DummyVecEnv([lambda: Succeeding([1, 2])]), verbose=1)
    model.learn(11, log_interval=2)
    tables = capsys.readouterr().out
    assert tables.count("| episodes ") == 2 and "| success rate            | 0.5" in tables
    assert "| mean 100 episode reward | 3 " in tables and "| steps                   | 8 " in tables
    model.learn(11, log_interval=None)
    assert "episodes" not in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------------------------- files
IN_ANOTHER_PROCESS = """
import sys
import numpy as np
from tests.off_policy_cases import OFF_POLICY, off_policy_env

for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    algorithm = name.split("-")[0]
    model = OFF_POLICY[algorithm].load(path)
    model.set_env(off_policy_env(seed=77, name=algorithm))
    model.load_replay_buffer(path + "-buffer")
    model.learn(30, reset_num_timesteps=False)
    np.savez(path + "-there.npz", *model.get_parameters().values(), model.generator.random(3))
"""
RESUMED = {
    "DDPG": dict(action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(2), np.full(2, 0.3)), random_exploration=0.1),
    "DDPG-noise": dict(
        policy="LnMlpPolicy",
        nb_train_steps=4,
        param_noise=AdaptiveParamNoiseSpec(0.2, 0.05),
        **dict(normalize_observations=True, normalize_returns=True, enable_popart=True),
    ),
    "DQN": {},
    "DQN-prioritized": dict(prioritized_replay=True),
    "DQN-noise": dict(param_noise=True, policy="LnMlpPolicy"),
    "SAC": dict(train_freq=2, target_update_interval=3),
    "SAC-noise": dict(action_noise=OrnsteinUhlenbeckActionNoise([0.0, 0.0], [0.3, 0.3]), random_exploration=0.3),
    "TD3": dict(action_noise=NormalActionNoise([0.0, 0.0], [0.1, 0.1])),
}


def test_resumption_in_another_process(tmp_path):
    arguments, expected = [], {}
    for name, options in RESUMED.items():
        algorithm = name.split("-")[0]
        model = make_off_policy(algorithm, **options)
        model.learn(30)
        model.save(tmp_path / name)
        model.save_replay_buffer(tmp_path / f"{name}-buffer")
        arguments += [name, str(tmp_path / name)]
        model.set_env(off_policy_env(seed=77, name=algorithm))
        model.learn(30, reset_num_timesteps=False)
        expected[name] = [*model.get_parameters().values(), model.generator.random(3)]
        assert model.num_timesteps == 60 and len(model.replay_buffer) == 60
    done = subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, arrays in expected.items():
        with np.load(tmp_path / f"{name}-there.npz") as there:
            for array, other in zip(arrays, there.values(), strict=True):
                np.testing.assert_array_equal(array, other)


def test_replay_buffer_files(tmp_path):
    model = make_off_policy("DQN")
    model.learn(10)
    model.save_replay_buffer(tmp_path / "buffer")
    before = model.replay_buffer.storage[:]
    with pytest.raises(ValueError, match="size 64, this one's is 32"):
        make_off_policy("DQN", buffer_size=32).load_replay_buffer(tmp_path / "buffer")
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds no replay buffer"):
        model.load_replay_buffer(tmp_path / "model")
    content = (tmp_path / "buffer.zip").read_bytes()
    for damaged in (content[: len(content) // 2], content[:-30]):
        (tmp_path / "bad.zip").write_bytes(damaged)
        with pytest.raises(ValueError):
            model.load_replay_buffer(tmp_path / "bad")
    np.testing.assert_array_equal(model.replay_buffer.storage[3][0], before[3][0])
    with pytest.raises(ValueError, match="holds parameters only"):
        DQN.load(tmp_path / "buffer")
    loaded = DQN.load(tmp_path / "model")
    assert loaded.replay_buffer is None
    with pytest.raises(ValueError, match="no replay buffer before"):
        loaded.save_replay_buffer(tmp_path / "none")
    loaded.load_replay_buffer(tmp_path / "buffer")
    assert len(loaded.replay_buffer) == 10


@pytest.mark.parametrize("name", OFF_POLICY)
def test_saving_and_loading(name):
    model = make_off_policy(name)
    model.learn(20)
    file = io.BytesIO()
    model.save(file)
    loaded = OFF_POLICY[name].load(io.BytesIO(file.getvalue()), env=off_policy_env(3, name=name))
    assert same(loaded.get_parameters(), model.get_parameters()) and loaded.num_timesteps == 20
    for attribute in OFF_POLICY[name].saved:
        assert getattr(loaded, attribute) == getattr(model, attribute)
    loaded.learn(6, reset_num_timesteps=False)
    assert loaded.num_timesteps == 26


def test_adding_by_hand():
    model = make_off_policy("DQN")
    model.replay_buffer_add(np.zeros(3, np.float32), 2, 0.5, np.ones(3, np.float32), True, {"ignored": 1})
    assert not model.is_using_her()
    _, action, reward, next_obs, done = model.replay_buffer.storage[0]
    assert (action, reward, next_obs.tolist(), done) == (2, 0.5, [1, 1, 1], 1)


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(batch_size=0), "batch_size must be an integer of at least 1, not 0"),
        (dict(buffer_size=2.5), "buffer_size must be an integer"),
        (dict(train_freq=0), "train_freq"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_off_policy("DQN", **arguments)


def test_a_buffer_larger_than_memory():
    env = DummyVecEnv([lambda: RandomEnv(box(84, 84, 4, low=0, high=255, dtype=np.uint8), spaces.Discrete(2))])
    with pytest.raises(MemoryError, match="GiB"):
        DQN("CnnPolicy", env, buffer_size=10**9)


def test_learning_needs_an_environment():
    model = make_off_policy("DQN")
    file = io.BytesIO()
    model.save(file)
    with pytest.raises(ValueError, match="without environment"):
        DQN.load(io.BytesIO(file.getvalue())).learn(10)
    with pytest.raises(ValueError, match="total_timesteps"):
        model.learn(float("nan"))


def test_a_loss_that_is_not_finite():
    env = DummyVecEnv([lambda: Scripted([1e38, 1e38])])
    model = make_off_policy("DQN", env=env, gamma=1.0)
    noted = []
    with pytest.raises(FloatingPointError, match="before the weights changed"):
        model.learning_rate = 1e38
        model.learn(100, callback=lambda *_: noted.append(model.get_parameters()))
    assert same(model.get_parameters(), noted[-1])
    assert all(np.isfinite(array).all() for array in noted[-1].values())
