"""The interface of old gym over gymnasium."""

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.envs.gym_compat import OldGymAdapter, ensure_gymnasium
from stable_baselines_tf2.migration import gym
from stable_baselines_tf2.migration.gym import spaces
from stable_baselines_tf2.migration.gym.utils import seeding


class Walk(gym.Env):
    """A random walk of three steps, written as in 2019."""

    metadata = {"render.modes": ["human", "rgb_array"]}

    def __init__(self, length=3):
        self.observation_space = spaces.Box(low=-10, high=10, shape=(2,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)
        self.length = length
        self.seed()

    def seed(self, seed=None):
        self.np_random, seed = seeding.np_random(seed)
        return [seed]

    def reset(self):
        self.time = 0
        return self._obs()

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        return self._obs(), float(action), self.time >= self.length, {"time": self.time}

    def _obs(self):
        return np.array([self.time, self.np_random.randint(5)], np.float32)

    def render(self, mode="human"):
        return np.full((4, 4, 3), self.time, np.uint8) if mode == "rgb_array" else f"seen by a {mode}"


class Doubled(gym.RewardWrapper):
    def reward(self, reward):
        return 2 * reward


class Shifted(gym.ObservationWrapper):
    def observation(self, observation):
        return observation + 1


class Flipped(gym.ActionWrapper):
    def action(self, action):
        return 1 - action


def test_make_gives_the_old_interface():
    env = gym.make("CartPole-v1")
    seeds = env.seed(7)
    assert seeds == [7]
    obs = env.reset()
    assert isinstance(obs, np.ndarray) and obs.shape == (4,)
    reference = gymnasium.make("CartPole-v1")
    reference.reset(seed=7)
    np.testing.assert_array_equal(obs, reference.reset()[0])
    obs, reward, done, info = env.step(1)
    np.testing.assert_array_equal(obs, reference.step(1)[0])
    assert (reward, done, info) == (1.0, False, {})
    assert isinstance(env, gym.Env) and env.spec.id == "CartPole-v1" and env._max_episode_steps == 500
    assert "rgb_array" in env.metadata["render.modes"]
    assert env.render(mode="rgb_array").shape == (400, 600, 3)


def test_attributes_are_read_and_written_through():
    env = gym.make("CartPole-v1")
    env.gravity = 5.0
    assert env.unwrapped.gravity == env.env.gravity == 5.0
    env.unwrapped.gravity = 6.0
    assert env.gravity == 6.0
    env._max_episode_steps = 3
    env.reset()
    results = [env.step(step % 2) for step in range(3)]
    assert [done for _, _, done, _ in results] == [False, False, True]
    assert results[2][3] == {"TimeLimit.truncated": True}
    with pytest.raises(AttributeError):
        env.no_such_attribute  # noqa: B018


def test_unwrapped_speaks_old_gym_without_the_time_limit():
    outer = gym.make("Pendulum-v1")
    env = outer.unwrapped
    assert env is outer.unwrapped is env.unwrapped
    assert env.reset().shape == (3,)
    assert not any(env.step([0.0])[2] for _ in range(250))


def test_library_gets_the_gymnasium_environment_itself():
    env = gym.make("CartPole-v1")
    inside = ensure_gymnasium(env)
    assert isinstance(inside, gymnasium.Env) and not isinstance(inside, OldGymAdapter)
    vec = DummyVecEnv([lambda: env])
    vec.reset()
    vec.step([0])
    np.testing.assert_allclose(vec.step([0])[0][0], env.state, atol=1e-6)


def test_own_environment_and_wrappers_in_the_library():
    env = Flipped(Doubled(Shifted(Walk())))
    assert env.seed(3) == [3] and env.length == 3 and isinstance(env.unwrapped, Walk)
    np.testing.assert_array_equal(env.reset()[0], 1.0)
    assert env.step(0)[1:] == (2.0, False, {"time": 1})
    vec = DummyVecEnv([lambda: env])
    vec.seed(3)
    first = vec.reset()
    for _ in range(3):
        obs, rewards, dones, infos = vec.step([0])
    assert rewards.tolist() == [2.0] and dones.tolist() == [True]
    assert infos[0]["terminal_observation"][0] == 4.0 and obs[0, 0] == 1.0
    vec.seed(3)
    np.testing.assert_array_equal(vec.reset(), first)
    assert vec.render("rgb_array").shape == (4, 4, 3)


def test_private_attributes_stay_private():
    env = Doubled(Walk())
    with pytest.raises(AttributeError, match="Doubled has no attribute '_obs'"):
        env._obs  # noqa: B018


def test_wrappers_take_gymnasium_environments():
    env = Doubled(gymnasium.make("CartPole-v1"))
    assert env.reset().shape == (4,)
    assert env.step(0)[1] == 2.0


def test_isinstance_of_both_worlds():
    modern = gymnasium.make("CartPole-v1")
    assert isinstance(modern, gym.Env) and isinstance(modern, gym.Wrapper)
    assert not isinstance(modern, gym.RewardWrapper) and not isinstance(modern, Walk)
    assert not isinstance(Walk(), gym.Wrapper)
    assert spaces.Box is gymnasium.spaces.Box


def test_registered_environments_are_known_everywhere():
    gym.register(id="Walk-v0", entry_point=Walk, max_episode_steps=2, kwargs={"length": 5})
    try:
        assert gym.spec("Walk-v0").max_episode_steps == 2
        assert "Walk-v0" in [spec.id for spec in gym.envs.registry.all()]
        assert "Walk-v0" in gym.envs.registry.env_specs
        env = gym.make("Walk-v0")
        assert isinstance(env.unwrapped, Walk) and env.length == 5
        env.reset()
        assert [env.step(1)[2] for _ in range(2)] == [False, True]
        modern = gymnasium.make("Walk-v0", length=9)
        assert modern.reset(seed=1)[0].shape == (2,) and len(modern.step(0)) == 5
        assert modern.unwrapped.length == 9
    finally:
        del gymnasium.registry["Walk-v0"]


def test_registering_by_name():
    gym.envs.registration.register("Named-v0", entry_point=f"{__name__}:Walk", timestep_limit=1, tags={"old": True})
    try:
        env = gym.make("Named-v0")
        env.reset()
        assert env.step(0)[2:] == (True, {"time": 1, "TimeLimit.truncated": True})
    finally:
        del gymnasium.registry["Named-v0"]


def test_registering_refuses_misspelt_arguments():
    with pytest.raises(TypeError, match="max_episode_step;"):
        gym.register("Walk-v0", Walk, max_episode_step=3)
    assert "Walk-v0" not in gymnasium.registry


def test_time_limit():
    env = gym.wrappers.TimeLimit(Walk(), max_episode_steps=2)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset()
    assert env.step(0)[2:] == (False, {"time": 1})
    assert env.step(0)[2:] == (True, {"time": 2, "TimeLimit.truncated": True})
    env.reset()
    vec = DummyVecEnv([lambda: env])
    vec.reset()
    vec.step([0])
    assert vec.step([0])[3][0]["TimeLimit.truncated"] is True


def test_wrappers_of_gymnasium():
    env = gym.wrappers.FrameStack(Walk(), 4)
    assert env.reset().shape == (4, 2)
    assert gym.wrappers.FrameStack(Walk(), num_stack=3).reset().shape == (3, 2)
    env = gym.wrappers.TransformObservation(Walk(), f=lambda obs: obs + 7)
    assert env.reset()[0] == 7 and env.observation_space == Walk().observation_space
    assert gym.wrappers.RecordEpisodeStatistics(Walk(), deque_size=5).reset().shape == (2,)
    with pytest.raises(AttributeError, match=r"gym\.wrappers"):
        gym.wrappers.NoSuchWrapper  # noqa: B018


def test_flat_goal_observations():
    class Goal(gym.GoalEnv):
        observation_space = spaces.Dict(
            {name: spaces.Box(0, 1, (2,), np.float32) for name in ("observation", "achieved_goal", "desired_goal")}
        )
        action_space = spaces.Discrete(2)

        def reset(self):
            super().reset()
            return {name: np.full(2, index, np.float32) for index, name in enumerate(self.observation_space.spaces)}

        def compute_reward(self, achieved_goal, desired_goal, info):
            return -1.0

    env = gym.wrappers.FlattenDictWrapper(Goal(), ["observation", "desired_goal"])
    np.testing.assert_array_equal(env.reset(), [2, 2, 1, 1])  # the order is the one asked for, not the space's
    assert env.observation_space == spaces.Box(0, 1, (4,), np.float32)
    with pytest.raises(ValueError, match="dict_keys: .'goal'. is not among"):
        gym.wrappers.FlattenDictWrapper(Goal(), ["goal"])
    Goal.observation_space = spaces.Discrete(2)
    with pytest.raises(gym.error.Error, match="GoalEnv"):
        Goal().reset()


def test_monitor_films(tmp_path):
    env = gym.wrappers.Monitor(gym.make("CartPole-v1"), str(tmp_path), video_callable=lambda episode: episode == 1)
    for _ in range(3):
        env.reset()
        steps = 0
        while not env.step(0)[2]:
            steps += 1
    env.close()
    assert [video.name for video in tmp_path.glob("*.mp4")] == ["rl-video-episode-1.mp4"]
    assert env.get_episode_lengths()[-1] == env.get_episode_rewards()[-1] == steps + 1
    with pytest.raises(gym.error.Error, match="force=True"):
        gym.wrappers.Monitor(Walk(), str(tmp_path))
    (tmp_path / "progress.json").write_text("{}")  # of somebody else
    gym.wrappers.Monitor(Walk(), str(tmp_path), force=True, video_callable=False)
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]
    gym.wrappers.Monitor(Walk(), str(tmp_path), video_callable=False)


def test_seeding():
    first, seed = seeding.np_random(5)
    second, _ = seeding.np_random(5)
    assert seed == 5 and first.rand() == second.rand() and first.randint(3, 9) == second.integers(3, 9)
    assert seeding.hash_seed(1) == seeding.hash_seed(1) != seeding.hash_seed(2)
    with pytest.raises(gym.error.Error, match="-1"):
        seeding.np_random(-1)


def test_logger():
    level = gymnasium.logger.min_level
    try:
        gym.logger.set_level(gym.logger.ERROR)
        assert gymnasium.logger.min_level == 40
    finally:
        gymnasium.logger.min_level = level


def test_base_classes_tell_what_is_missing():
    class Empty(gym.Env):
        pass

    for call in (Empty().reset, Empty().render, lambda: Empty().step(0)):
        with pytest.raises(NotImplementedError):
            call()


def test_wrappers_hand_the_render_mode_on_whatever_it_is_called():
    class Drawn(Walk):
        def render(self, style="human"):
            return style

    assert gym.Wrapper(Drawn()).render("rgb_array") == "rgb_array"
