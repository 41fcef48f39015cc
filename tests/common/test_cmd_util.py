import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import logger
from stable_baselines_tf2.bench import Monitor
from stable_baselines_tf2.common import cmd_util
from stable_baselines_tf2.common.identity_env import IdentityEnv
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv


class OldCounter:
    """An environment of old gym."""

    observation_space, action_space = spaces.Box(0.0, 99.0, (1,)), spaces.Discrete(2)
    metadata: dict = {}

    def __init__(self, start=0.0):
        self.start = start

    def seed(self, seed=None):
        self.seeded = seed

    def reset(self):
        return np.array([self.start], np.float32)

    def step(self, action):
        return np.array([self.start + 1], np.float32), 1.0, True, {}

    def close(self):
        pass


def rollout(env, n_steps=5):
    observations = [env.reset()]
    actions = []
    for _ in range(n_steps):
        actions.append([env.action_space.sample() for _ in range(env.num_envs)])
        observations.append(env.step(actions[-1])[0])
    env.close()
    return np.array(observations), actions


def test_each_environment_has_its_own_seed():
    first, actions = rollout(cmd_util.make_vec_env("CartPole-v1", 3, seed=4))
    again, same_actions = rollout(cmd_util.make_vec_env("CartPole-v1", 3, seed=4))
    np.testing.assert_array_equal(first, again)
    assert actions == same_actions
    shifted, _ = rollout(cmd_util.make_vec_env("CartPole-v1", 1, seed=3, start_index=2))
    np.testing.assert_array_equal(shifted[0, 0], first[0, 1])  # seed 5 in both
    assert len(np.unique(first[0], axis=0)) == 3


def test_resets_without_a_seed_go_on_with_the_same_generator():
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=8)
    expected = [env.reset()[0] for _ in range(2)]
    made = cmd_util.make_vec_env("CartPole-v1", seed=8)
    np.testing.assert_array_equal([made.reset()[0] for _ in range(2)], expected)


def test_classes_arguments_and_wrappers(tmp_path):
    folder = tmp_path / "new" / "logs"
    env = cmd_util.make_vec_env(
        IdentityEnv,
        n_envs=2,
        start_index=3,
        monitor_dir=str(folder),
        env_kwargs={"dim": 4, "ep_length": 7},
        wrapper_class=lambda env: gymnasium.wrappers.TimeLimit(env, 2),
    )
    assert isinstance(env, DummyVecEnv) and env.action_space.n == 4
    assert isinstance(env.envs[0], gymnasium.wrappers.TimeLimit) and isinstance(env.envs[0].env, Monitor)
    assert env.get_attr("ep_length") == [7, 7]
    assert sorted(path.name for path in folder.iterdir()) == ["3.monitor.csv", "4.monitor.csv"]
    env.close()


def test_arguments_reach_registered_environments():
    env = cmd_util.make_vec_env("CartPole-v1", env_kwargs={"render_mode": "rgb_array"})
    assert env.envs[0].render_mode == "rgb_array"
    env.close()


def test_old_gym_environments_are_seeded_too():
    env = cmd_util.make_vec_env(OldCounter, n_envs=2, seed=10, env_kwargs={"start": 5.0})
    assert env.get_attr("seeded") == [10, 11]
    assert env.reset().tolist() == [[5.0], [5.0]]
    env.close()


def test_other_vectorized_environments():
    env = cmd_util.make_vec_env(
        "CartPole-v1", 2, seed=4, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"}
    )
    assert isinstance(env, SubprocVecEnv)
    observations = env.reset()
    env.close()
    np.testing.assert_array_equal(observations, cmd_util.make_vec_env("CartPole-v1", 2, seed=4).reset())


def test_at_least_one_environment():
    with pytest.raises(ValueError, match="n_envs"):
        cmd_util.make_vec_env("CartPole-v1", n_envs=0)
    with pytest.raises(ValueError, match="num_env"):
        cmd_util.make_atari_env("PongNoFrameskip-v4", 0, 0)


def test_make_atari_env():
    pytest.importorskip("ale_py")
    env = cmd_util.make_atari_env("PongNoFrameskip-v4", 2, seed=0, wrapper_kwargs={"frame_stack": True})
    observations, _ = rollout(env, 3)
    assert isinstance(env, DummyVecEnv) and observations.shape == (4, 2, 84, 84, 4)
    again, _ = rollout(cmd_util.make_atari_env("PongNoFrameskip-v4", 1, 0, {"frame_stack": True}, start_index=1), 0)
    np.testing.assert_array_equal(again[0, 0], observations[0, 1])


def test_monitors_write_to_the_folder_of_the_logger(tmp_path):
    logger.configure(str(tmp_path), [])
    try:
        env = cmd_util.make_mujoco_env("CartPole-v1", seed=3)
        assert isinstance(env, Monitor) and (tmp_path / "0.monitor.csv").exists()
    finally:
        logger.reset()
    expected = gymnasium.make("CartPole-v1")
    expected.reset(seed=3)
    np.testing.assert_array_equal(env.reset()[0], expected.reset()[0])
    env.close()


class Goals(gymnasium.Env):
    observation_space = spaces.Dict(
        {key: spaces.Box(0, 9, (n,)) for key, n in (("observation", 2), ("desired_goal", 1), ("achieved_goal", 3))}
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        values = {"observation": [1, 1], "desired_goal": [5], "achieved_goal": [0, 0, 0]}
        return {key: np.array(value, np.float32) for key, value in values.items()}, {}

    def step(self, action):
        return self.reset()[0], 1.0, True, False, {"is_success": True}


def test_make_robotics_env():
    gymnasium.register("Goals-v0", lambda: Goals())
    env = cmd_util.make_robotics_env("Goals-v0", seed=0)
    assert env.reset()[0].tolist() == [5.0, 1.0, 1.0]
    assert env.step(0)[4]["episode"]["is_success"] is True


def test_argument_parsers():
    assert vars(cmd_util.arg_parser().parse_args([])) == {}
    for parser, env_id, steps in (
        (cmd_util.atari_arg_parser(), "BreakoutNoFrameskip-v4", 10_000_000),
        (cmd_util.mujoco_arg_parser(), "Reacher-v2", 1_000_000),
        (cmd_util.robotics_arg_parser(), "FetchReach-v0", 1_000_000),
    ):
        arguments = parser.parse_args([])
        assert (arguments.env, arguments.seed, arguments.num_timesteps) == (env_id, 0, steps)
        assert parser.parse_args(["--num-timesteps", "5", "--seed", "2"]).num_timesteps == 5
    assert cmd_util.mujoco_arg_parser().parse_args(["--play"]).play is True
