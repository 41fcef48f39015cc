"""Hindsight experience replay around each algorithm."""

import io
import json
import subprocess
import sys
import zipfile

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import DQN, HER, PPO2, SAC
from stable_baselines_tf2.cli import main
from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv, UnvecWrapper, VecNormalize
from stable_baselines_tf2.core.tensorboard import read_scalars
from stable_baselines_tf2.her import GoalSelectionStrategy, HERGoalEnvWrapper, HindsightExperienceReplayWrapper
from stable_baselines_tf2.her.utils import GoalLayout
from stable_baselines_tf2.models.base import BaseRLModel
from tests.her.goal_envs import Line
from tests.migration.zoo import ZOO, index, needs_zoo
from tests.on_policy_cases import same

N_BITS = 4
SMALL = {
    "DQN": dict(learning_starts=8, target_network_update_freq=6),
    "SAC": dict(learning_starts=8),
    "TD3": dict(learning_starts=8, train_freq=2, gradient_steps=2),
    "DDPG": dict(nb_rollout_steps=6, nb_train_steps=1, tau=0.1, actor_lr=1e-2, critic_lr=1e-2),
}


def bits(name="DQN", n_envs=None, seed=5, **arguments):
    """One goal environment, or several."""
    arguments = {"n_bits": N_BITS, "continuous": name != "DQN", **arguments}
    env = DummyVecEnv([lambda: BitFlippingEnv(**arguments)] * (n_envs or 1))
    env.seed(seed)
    return env if n_envs else env.envs[0]


def make_her(name="DQN", env=None, **arguments):
    """A small model."""
    defaults = dict(policy_kwargs=dict(layers=[8]), seed=1, buffer_size=200, batch_size=4, **SMALL[name])
    env = bits(name) if env is None else env
    return HER("MlpPolicy", env, name, **{**defaults, **arguments})


def reloaded(model, **arguments):
    file = io.BytesIO()
    model.save(file)
    return HER.load(io.BytesIO(file.getvalue()), **arguments)


# ------------------------------------------------------------------------------------------------------------ training
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("strategy", ["future", "final", "episode", "random"])
def test_every_algorithm_and_strategy(name, strategy):
    model = make_her(name, goal_selection_strategy=strategy)
    before = model.get_parameters()
    assert model.learn(40) is model and model.num_timesteps == 40
    assert not same(before, model.get_parameters())
    assert model.goal_selection_strategy is GoalSelectionStrategy[strategy.upper()]
    assert model.is_using_her() and isinstance(model.replay_buffer, HindsightExperienceReplayWrapper)
    n = len(model.replay_buffer)
    assert n == 200 or n % 5 == 0 and n > 40


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("discrete", [False, True])
def test_kinds_of_observations(name, discrete):
    model = make_her(name, bits(name, discrete_obs_space=discrete))
    model.learn(20)
    assert model.replay_buffer.sample(3)[0].shape == (3, 3 if discrete else 3 * N_BITS)


@pytest.mark.parametrize("name", SMALL)
def test_an_episode_that_is_longer_than_the_warm_up(name):
    """The buffer is still empty when training could begin."""
    at_once = {"nb_rollout_steps": 5} if name == "DDPG" else {"learning_starts": 0}
    model = make_her(name, bits(name, n_bits=8, max_steps=30), **at_once)
    model.learn(40)
    assert model.num_timesteps == 40


def test_it_learns():
    env = BitFlippingEnv(5)
    options = dict(learning_starts=100, target_network_update_freq=50, learning_rate=2e-3)
    model = HER("MlpPolicy", env, DQN, seed=0, policy_kwargs=dict(layers=[64]), **options)
    model.learn(1500)
    rewards, lengths = evaluate_policy(model, env, 100, return_episode_rewards=True)
    assert np.mean(rewards) > -2  # half of the five bits are to be flipped, and the last flip costs nothing
    assert np.mean(np.array(rewards) > -5) > 0.95


@pytest.mark.parametrize("n_envs", [2, 3])
def test_several_environments(n_envs):
    model = make_her(env=bits(n_envs=n_envs))
    model.learn(20 * n_envs)
    assert model.num_timesteps == 20 * n_envs and model.n_envs == n_envs
    assert model.get_env().reset().shape == (n_envs, 12)
    first = model.replay_buffer.gather(np.arange(0, 5))[0]  # a transition and its copies
    assert (first[:, :8] == first[0, :8]).all()


def test_environments_in_other_processes():
    env = SubprocVecEnv([lambda: BitFlippingEnv(2)] * 2)
    try:
        model = make_her(env=env)
        model.learn(16)
        assert len(model.replay_buffer) > 16
    finally:
        env.close()


@pytest.mark.parametrize("bootstrap", [False, True])
def test_time_limits(bootstrap):
    model = make_her(env=Line(2, truncates=True), bootstrap_timeouts=bootstrap, n_sampled_goal=1, learning_starts=1000)
    model.learn(5)
    dones = [bool(done) for *_, done in model.replay_buffer.storage]
    assert dones == [False, False, not bootstrap, False] * 2
    assert [int(next_obs[0]) for _, _, _, next_obs, _ in model.replay_buffer.storage] == [1, 1, 2, 2] * 2


def test_the_last_transition_is_relabelled():
    for relabel_last, rewards in ((True, [-1, -1, -1, 0]), (False, [-1, 0, -1])):
        model = make_her(env=Line(2), relabel_last=relabel_last, n_sampled_goal=1, goal_selection_strategy="future")
        model.model.generator.bit_generator.state = np.random.default_rng(2).bit_generator.state
        model.learn(2)
        assert len(model.replay_buffer) == len(rewards)
        assert model.replay_buffer.storage[-1][2] == rewards[-1]


def test_an_episode_that_training_breaks_off_is_dropped():
    model = make_her(env=Line(3), learning_starts=1000)
    model.learn(5)
    assert len(model.replay_buffer) == 15
    model.learn(3)
    assert len(model.replay_buffer) == 30


def test_success_rates_are_logged(capsys, tmp_path):
    model = make_her(env=Line(2), verbose=1, tensorboard_log=tmp_path, learning_starts=1000)
    model.learn(8, log_interval=4)
    assert "| success rate            | 0.5" in capsys.readouterr().out
    (path,) = tmp_path.glob("HER_1/*")
    rates = [(step, value) for step, tag, value in read_scalars(path) if tag == "rollout/success_rate"]
    assert rates == [(2, 1.0), (4, 0.5), (6, pytest.approx(2 / 3)), (8, 0.5)]


# --------------------------------------------------------------------------------------- what callbacks and users see
def test_attributes_are_those_of_the_algorithm():
    model = make_her()
    assert isinstance(model, BaseRLModel) and isinstance(model.model, DQN) and model.model_class is DQN
    assert model.gamma == 0.99 and model.batch_size == 4
    model.gamma = 0.5
    model.note = "x"
    assert model.model.gamma == 0.5 and model.model.note == "x"
    assert set(model.observation_space.spaces) == {"observation", "achieved_goal", "desired_goal"}
    assert model.model.observation_space.n == 12 and model.action_space.n == N_BITS
    with pytest.raises(AttributeError, match="no_such"):
        model.no_such  # noqa: B018


def test_parameters_are_those_of_the_algorithm():
    model, other = make_her(), make_her(seed=2)
    assert "deepq/eps:0" in model.get_parameters() and len(model.get_parameter_list()) == len(model.get_parameters())
    other.load_parameters(model.get_parameters())
    assert same(model.get_parameters(), other.get_parameters())
    model.set_random_seed(3)
    assert model.generator.random() == np.random.default_rng(3).random()
    assert model.get_vec_normalize_env() is None


@pytest.mark.parametrize("name", ["DQN", "SAC"])
def test_export(name, tmp_path):
    model = make_her(name)
    model.export(tmp_path / "policy")
    obs = np.random.default_rng(0).integers(0, 2, (5, 12), np.int8)
    actions = tf.saved_model.load(tmp_path / "policy").signatures["serving_default"](observation=tf.constant(obs))
    np.testing.assert_allclose(actions["action"].numpy(), model.predict(obs)[0], rtol=1e-5, atol=1e-6)


def test_evaluation_of_ddpg(tmp_path):
    env = HERGoalEnvWrapper(bits("DDPG", max_steps=3))
    model = make_her("DDPG", eval_env=env, nb_eval_steps=7, verbose=1)
    model.learn(12)
    assert model.num_timesteps == 12


@pytest.mark.parametrize("name", SMALL)
def test_prediction(name):
    model = make_her(name)
    env = bits(name)
    obs = env.reset(seed=1)[0]
    flat = model.env.convert_dict_to_obs(obs)
    action, state = model.predict(obs)
    assert state is None and env.action_space.contains(action)
    np.testing.assert_array_equal(action, model.predict(flat)[0])
    np.testing.assert_array_equal(action, model.model.predict(flat)[0])
    batch = {key: np.stack([part] * 3) for key, part in obs.items()}
    np.testing.assert_allclose(model.predict(batch)[0], np.stack([action] * 3), rtol=1e-6)
    if name == "DQN":
        assert model.action_probability(batch).shape == (3, 4) and model.action_probability(obs).sum() == pytest.approx(
            1
        )


def test_the_environment():
    model = make_her()
    env = model.get_env()
    assert isinstance(env, HERGoalEnvWrapper) and env is model.env and isinstance(model.model.get_env(), UnvecWrapper)
    obs = env.reset()
    assert obs.shape == (12,) and env.convert_obs_to_dict(obs)["desired_goal"].tolist() == [1] * 4
    obs, reward, done, info = env.step(model.predict(obs)[0])
    assert obs.shape == (12,) and reward == -1 and done is False and info == {"is_success": False}
    rewards, lengths = evaluate_policy(model, env, 3, return_episode_rewards=True)
    assert len(rewards) == 3 and max(lengths) <= N_BITS


def test_the_command_line(tmp_path, capsys):
    gymnasium.register("cli-bits-v0", entry_point=BitFlippingEnv, kwargs={"n_bits": 2})
    arguments = ["--algo", "her", "--env", "cli-bits-v0"]
    options = [
        "--hyperparams",
        "model_class:dqn",
        "n_sampled_goal:2",
        "learning_starts:8",
        "--save",
        str(tmp_path / "m"),
    ]
    assert main(["train", *arguments, "-n", "30", "--eval-episodes", "2", *options]) == 0
    assert main(["enjoy", *arguments, "--load", str(tmp_path / "m"), "--episodes", "1"]) == 0
    assert capsys.readouterr().out.count("mean return") == 2
    for wrong in ([], ["--hyperparams", "model_class:ppo2"], ["--hyperparams", "model_class:dqn", "no_such:1"]):
        with pytest.raises(SystemExit):
            main(["train", *arguments, "-n", "30", *wrong])
        error = capsys.readouterr().err
        assert "model_class" in error or "no_such" in error


@pytest.mark.parametrize("wrap", [HERGoalEnvWrapper, lambda env: HERGoalEnvWrapper(DummyVecEnv([lambda: env])), str])
def test_ways_to_give_an_environment(wrap):
    env = "bits-v0" if wrap is str else wrap(bits())
    if wrap is str:
        gymnasium.register("bits-v0", entry_point=BitFlippingEnv, kwargs={"n_bits": N_BITS}, max_episode_steps=3)
    model = make_her(env=env)
    model.learn(8)
    other = make_her(env=model.get_env())
    assert other.model.vec_env.venv is model.model.vec_env.venv


def test_replacing_the_environment():
    model = make_her()
    model.learn(22)
    stored = len(model.replay_buffer)
    model.set_env(bits(n_envs=2))
    assert model.get_env().num_envs == 2 and len(model.replay_buffer) == stored
    assert model.replay_buffer.env is model.get_env() and not model.replay_buffer._episodes
    model.learn(20, reset_num_timesteps=False)
    assert model.num_timesteps == 42
    before = model.env
    for env, message in [
        (None, "cannot be replaced with None"),
        (Line(2), "observation and goals have the lengths 2 and 1, but the model was made for 4 and 4"),
        (bits(n_bits=5), "the lengths 5 and 5"),
        ("CartPole-v1", "must be a goal environment"),
        (bits(discrete_obs_space=True), "the lengths 1 and 1"),
        (bits(continuous=True), "its action space"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.set_env(env)
        assert model.env is before and model.replay_buffer.env is before


def test_callbacks(tmp_path):
    """They see the whole: observations may be dicts, and files are those of HER."""
    evaluation = EvalCallback(
        DummyVecEnv([bits]), n_eval_episodes=2, eval_freq=10, best_model_save_path=tmp_path / "best", verbose=0
    )
    flat = EvalCallback(HERGoalEnvWrapper(DummyVecEnv([bits])), n_eval_episodes=2, eval_freq=10, verbose=0)
    seen = []

    def note(locals_, globals_):
        seen.append((locals_["self"], np.shape(locals_["obs"]), locals_["info"]["is_success"]))

    model = make_her()
    model.learn(20, [evaluation, flat, CheckpointCallback(10, tmp_path)])
    assert evaluation.model is model and evaluation.last_mean_reward >= -N_BITS <= flat.last_mean_reward
    model.learn(4, note)
    assert seen[0] == (model, (12,), False)
    for path in ("best/best_model", "rl_model_10_steps"):
        assert HER.load(tmp_path / path).model_class is DQN


# --------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("name", SMALL)
def test_saving_and_loading(name):
    model = make_her(name, n_sampled_goal=3, goal_selection_strategy="episode", relabel_last=False)
    model.learn(30)
    loaded = reloaded(model, env=bits(name))
    assert same(loaded.get_parameters(), model.get_parameters()) and loaded.num_timesteps == 30
    assert type(loaded.model).__name__ == name and loaded.n_sampled_goal == 3 and not loaded.relabel_last
    assert loaded.goal_selection_strategy is GoalSelectionStrategy.EPISODE
    assert loaded.replay_buffer.n_sampled_goal == 3 and loaded.replay_buffer.env is loaded.model.vec_env
    loaded.learn(10, reset_num_timesteps=False)
    assert loaded.num_timesteps == 40


def test_loading_without_an_environment():
    model = make_her()
    loaded = reloaded(model)
    obs = bits().reset()[0]
    assert loaded.env is None and loaded.predict(obs)[0] == model.predict(obs)[0]
    assert loaded.observation_space == model.observation_space
    with pytest.raises(ValueError, match="without environment cannot be trained"):
        loaded.learn(5)
    loaded.set_env(bits())
    loaded.learn(20)
    again = reloaded(reloaded(model))
    assert again.predict(obs)[0] == model.predict(obs)[0]


def test_settings_that_change_on_loading():
    model = make_her()
    loaded = reloaded(model, env=bits(n_envs=2), n_sampled_goal=1, goal_selection_strategy="final", gamma=0.5)
    assert loaded.n_sampled_goal == loaded.replay_buffer.n_sampled_goal == 1 and loaded.gamma == 0.5
    assert loaded.goal_selection_strategy is GoalSelectionStrategy.FINAL
    with pytest.warns(UserWarning, match="no hyperparameters named no_such"):
        assert reloaded(model, no_such=1).no_such == 1
    with pytest.raises(ValueError, match="the lengths 5 and 5"):
        reloaded(model, env=bits(n_bits=5))


def test_files_hold_no_pickles(tmp_path):
    make_her().save(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model.zip") as members:
        data = members.read("data").decode()
    assert ":serialized:" not in data
    assert json.loads(data)["goal_selection_strategy"] == "future"
    inner = DQN.load(tmp_path / "model")  # also the file of a DQN
    assert inner.observation_space.n == 12
    inner.save(tmp_path / "inner")
    with pytest.raises(ValueError, match="holds a model of DQN, not of HER"):
        HER.load(tmp_path / "inner")


IN_ANOTHER_PROCESS = """
import sys
from stable_baselines_tf2 import HER
from tests.her.test_her import bits, go_on

for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    model = HER.load(path)
    model.set_env(bits(name, n_envs=2, seed=77))
    model.load_replay_buffer(path + "-buffer")
    go_on(model, path + "-there.npz")
"""


def go_on(model, target):
    model.learn(30, reset_num_timesteps=False)
    np.savez(
        target, *model.get_parameters().values(), model.generator.random(3), *model.replay_buffer.gather(np.arange(150))
    )


def test_resumption_in_another_process(tmp_path):
    arguments = []
    for name in SMALL:
        model = make_her(name, bits(name, n_envs=2))
        model.learn(30)
        model.save(tmp_path / name)
        model.save_replay_buffer(tmp_path / f"{name}-buffer")
        arguments += [name, str(tmp_path / name)]
        model.set_env(bits(name, n_envs=2, seed=77))
        go_on(model, tmp_path / f"{name}-here.npz")
        assert model.num_timesteps == 60
    done = subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in SMALL:
        with np.load(tmp_path / f"{name}-here.npz") as here, np.load(tmp_path / f"{name}-there.npz") as there:
            assert here.files == there.files
            for key in here.files:
                np.testing.assert_array_equal(here[key], there[key])


def legacy_files():
    made = [(agent, "made", file["file"]) for agent in index("made")["agents"] for file in agent["files"]]
    zoo = [(agent, ".", agent["files"][0]) for agent in index()["agents"]]
    return [
        pytest.param(agent, ZOO / folder / path, ZOO / folder / agent["expected"], id=path.replace("/", "-"))
        for agent, folder, path in made + zoo
        if agent["algo"].upper() == "HER" and "params_only" not in path
    ]


@needs_zoo
@pytest.mark.parametrize("agent, path, expected", legacy_files())
def test_files_of_the_original(agent, path, expected):
    model = HER.load(path)
    assert [[name, list(value.shape)] for name, value in model.get_parameters().items()] == [
        row[:2] for row in agent["parameters"]
    ]
    expected = np.load(expected)
    obs, actions = expected["obs"], expected["actions"]
    layout = GoalLayout(model.observation_space)
    for given in (obs, layout.split(obs)):
        np.testing.assert_allclose(model.predict(given)[0], actions, rtol=1e-5, atol=1e-5)


@needs_zoo
@pytest.mark.parametrize("name, settings", [("her_dqn", (DQN, 2, "FINAL")), ("her_sac_box", (SAC, 4, "FUTURE"))])
def test_going_on_with_files_of_the_original(name, settings):
    path = ZOO / "made" / "agents" / f"{name}.zip"
    before = HER.load(path)
    assert (before.model_class, before.n_sampled_goal, before.goal_selection_strategy.name) == settings
    env = BitFlippingEnv(before.observation_space["observation"].n, continuous=settings[0] is SAC)
    model = HER.load(path, env=env, learning_starts=8, batch_size=4)
    model.learn(30)
    assert not same(before.get_parameters(), model.get_parameters())


# ----------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(env="CartPole-v1"), ValueError, "env must be a goal environment, its observation space a Dict"),
        (dict(env=5), TypeError, "env must be an environment"),
        (dict(env=VecNormalize(HERGoalEnvWrapper(bits(n_envs=1)))), ValueError, "not inside a VecEnvWrapper"),
        (dict(goal_selection_strategy="past"), ValueError, "must be one of future, final, episode, random, not 'past'"),
        (dict(goal_selection_strategy=3), ValueError, "goal_selection_strategy must be one of"),
        (dict(n_sampled_goal=-1), ValueError, "n_sampled_goal must be an integer of at least 0"),
        (dict(prioritized_replay=True), ValueError, "prioritized_replay"),
        (dict(buffer_size=10**13), MemoryError, "a replay buffer of size 10000000000000 .* GiB"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make_her(**arguments)


@pytest.mark.parametrize("model_class", [PPO2, "ppo2", "no_such", None, HERGoalEnvWrapper])
def test_what_is_wrapped_must_learn_off_policy(model_class):
    with pytest.raises(TypeError, match="model_class must be an off-policy algorithm .* not "):
        HER("MlpPolicy", bits(), model_class)
    with pytest.raises(TypeError, match="no_such"):
        HER("MlpPolicy", bits(), "dqn", no_such=1)
