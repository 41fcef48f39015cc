"""Goal environments with flat observations."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv, UnvecWrapper, VecEnv
from stable_baselines_tf2.her import HERGoalEnvWrapper
from stable_baselines_tf2.her.utils import KEY_ORDER, GoalLayout
from tests.helpers import box
from tests.her.goal_envs import Line

BITS = spaces.MultiBinary(3)


def goal_space(**parts):
    return spaces.Dict({"observation": BITS, "achieved_goal": BITS, "desired_goal": BITS, **parts})


class OldBits:
    """A goal environment of old gym."""

    metadata: dict = {}
    observation_space, action_space = goal_space(), spaces.Discrete(3)

    def __init__(self):
        self.seeds = []

    def seed(self, seed=None):
        self.seeds.append(seed)

    def reset(self):
        return {"observation": np.zeros(3), "achieved_goal": np.zeros(3), "desired_goal": np.ones(3)}

    def step(self, action):
        return self.reset(), -1.0, True, {"terminal_observation": self.reset()}

    def compute_reward(self, achieved_goal, desired_goal, info):
        return -float((achieved_goal != desired_goal).any())


# ------------------------------------------------------------------------------------------------------ flat and apart
@pytest.mark.parametrize("batch", [(), (4,)])
def test_flat_observations(batch):
    layout = GoalLayout(goal_space(observation=spaces.MultiBinary(2)))
    assert layout.space == spaces.MultiBinary(8) and (layout.obs_dim, layout.goal_dim) == (2, 3)
    parts = {
        "achieved_goal": np.tile([0, 1, 0], (*batch, 1)),
        "observation": np.tile([1, 1], (*batch, 1)),
        "desired_goal": np.tile([0, 0, 1.0], (*batch, 1)),
    }
    flat = layout.flatten(parts)
    assert flat.dtype == np.int8 and flat.shape == (*batch, 8)
    np.testing.assert_array_equal(flat.reshape(-1, 8)[-1], [1, 1, 0, 1, 0, 0, 0, 1])
    back = layout.split(flat)
    assert list(back) == KEY_ORDER == ["observation", "achieved_goal", "desired_goal"]
    for key, part in back.items():
        np.testing.assert_array_equal(part, parts[key])


@pytest.mark.parametrize("batch", [(), (4,)])
def test_numbers_become_vectors(batch):
    parts = {"observation": spaces.Discrete(3), "achieved_goal": spaces.Discrete(5), "desired_goal": spaces.Discrete(5)}
    layout = GoalLayout(spaces.Dict(parts))
    assert layout.space.nvec.tolist() == [3, 5, 5] and (layout.obs_dim, layout.goal_dim) == (1, 1)
    values = {"observation": 2, "achieved_goal": 4, "desired_goal": 1}
    flat = layout.flatten({key: np.full(batch, value) if batch else value for key, value in values.items()})
    assert flat.shape == (*batch, 3) and flat.reshape(-1, 3)[0].tolist() == [2, 4, 1]
    assert {key: np.ravel(part)[0] for key, part in layout.split(flat).items()} == values
    assert layout.flatten(layout.split(flat)).shape == flat.shape


def test_bounds_follow_the_order_of_the_space():
    """So that they are those of old files."""
    parts = {"observation": box(2, high=2), "achieved_goal": box(1, high=4), "desired_goal": box(1, high=6)}
    assert GoalLayout(spaces.Dict(parts)).space.high.tolist() == [4, 6, 2, 2]
    doubles = {key: spaces.Box(-1, 1, (2,), np.float64) for key in parts}
    assert GoalLayout(spaces.Dict(doubles)).space.dtype == np.float32


# -------------------------------------------------------------------------------------------------------- environments
def test_an_environment_of_gymnasium_keeps_its_interface():
    env = HERGoalEnvWrapper(gymnasium.wrappers.TimeLimit(BitFlippingEnv(3, render_mode="rgb_array"), 9))
    env.seed(4)
    first, info = env.reset()
    np.testing.assert_array_equal(first, env.reset(seed=4)[0])
    assert info == {} and first.shape == (9,) and env.observation_space.contains(first)
    obs, reward, terminated, truncated, info = env.step(0)
    assert obs[0] != first[0] and obs[3] == obs[0] and obs[6:].tolist() == [1, 1, 1]
    assert reward in (-1, 0) and set(info) == {"is_success"} and not truncated and terminated == (reward == 0)
    assert env.compute_reward(np.ones(3), np.ones(3), {}) == 0 and env.compute_reward(np.zeros(3), np.ones(3), {}) == -1
    assert env.is_local and not isinstance(env, VecEnv)
    assert env.render("rgb_array").tolist() == obs[:3].tolist()
    env.close()


def test_an_old_environment_keeps_its_interface():
    old = OldBits()
    env = HERGoalEnvWrapper(old)
    assert env.seed(3) is None and old.seeds == [3]
    assert env.reset().tolist() == [0] * 6 + [1] * 3
    obs, reward, done, info = env.step(1)
    assert obs.shape == (9,) and (reward, done) == (-1, True) and info["terminal_observation"].shape == (9,)
    assert env.compute_reward(np.ones(3), np.ones(3), {}) == 0


def test_a_vectorized_environment_stays_one():
    env = HERGoalEnvWrapper(DummyVecEnv([lambda: Line(2), lambda: Line(3)]))
    assert isinstance(env, VecEnv) and isinstance(env, HERGoalEnvWrapper) and env.num_envs == 2 and env.is_local
    assert env.reset().tolist() == [[0, 0, 0, 100]] * 2
    assert env.step([0, 0])[0].tolist() == [[1, 0, 1, 100]] * 2
    obs, rewards, dones, infos = env.step([0, 0])
    assert obs.tolist() == [[0, 1, 0, 100], [2, 0, 2, 100]] and rewards.tolist() == [-1, -1]
    assert dones.tolist() == [True, False]
    assert infos[0]["terminal_observation"].tolist() == [2, 0, 2, 100] and "terminal_observation" not in infos[1]
    assert env.compute_reward(np.ones(1), np.ones(1), {}, 1) == 0
    assert [one.calls for one in env.venv.envs] == [[], [1]]


def test_environments_in_other_processes():
    env = HERGoalEnvWrapper(SubprocVecEnv([lambda: BitFlippingEnv(3)] * 2))
    try:
        assert env.reset().shape == (2, 9) and not env.is_local
        assert env.compute_reward(np.ones(3), np.ones(3), {}, 1) == 0
    finally:
        env.close()


def test_a_single_vectorized_environment_used_as_one():
    env = HERGoalEnvWrapper(UnvecWrapper(DummyVecEnv([lambda: Line(1)])))
    assert env.reset().tolist() == [0, 0, 0, 100] and not isinstance(env, VecEnv)
    obs, reward, done, info = env.step(0)
    assert obs.tolist() == [0, 1, 0, 100] and (reward, done) == (-1, True)
    assert info["terminal_observation"].tolist() == [1, 0, 1, 100]


# ----------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    "space, error, message",
    [
        (box(3), ValueError, "must be a goal environment, its observation space a Dict with the keys observation, "),
        (spaces.Dict(observation=BITS, achieved_goal=BITS), ValueError, "must be a goal environment"),
        (goal_space(observation=box(3)), ValueError, "must be of one kind"),
        (goal_space(desired_goal=spaces.MultiBinary(2)), ValueError, "the goals of one length"),
        (goal_space(observation=spaces.MultiBinary([2, 2])), ValueError, "must be vectors"),
        (
            spaces.Dict({key: spaces.MultiDiscrete([2]) for key in KEY_ORDER}),
            NotImplementedError,
            "MultiDiscrete spaces",
        ),
    ],
)
def test_spaces_that_are_refused(space, error, message):
    with pytest.raises(error, match=message):
        GoalLayout(space)


@pytest.mark.parametrize("vectorize", [lambda env: env, lambda env: DummyVecEnv([lambda: env])])
def test_rewards_must_be_computable(vectorize):
    class Incomplete(gymnasium.Env):
        observation_space, action_space = goal_space(), spaces.Discrete(2)

    with pytest.raises(ValueError, match="goal environment, but it has no method compute_reward"):
        HERGoalEnvWrapper(vectorize(Incomplete()))
