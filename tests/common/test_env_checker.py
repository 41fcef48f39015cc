"""Faults of environments: each is told, and a good environment passes in silence."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common.env_checker import check_env


class Good(gymnasium.Env):
    """An environment without faults; the settings of a test bring one in."""

    observation_space: spaces.Space = spaces.Box(-1, 1, (2,), np.float32)
    action_space: spaces.Space = spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"]}

    def __init__(
        self, *, first=None, next=None, reward=0.5, terminated=False, truncated=False, info=None, **attributes
    ):
        vars(self).update(attributes)
        self.first = self.observation_space.sample() if first is None else first
        self.next = self.observation_space.sample() if next is None else next
        self.results = reward, terminated, truncated, {} if info is None else info
        self.closed = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.first, {}

    def step(self, action):
        return self.next, *self.results

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    "env",
    [
        Good(),
        Good(reward=np.float32(1), terminated=np.True_),
        Good(reward=3, truncated=True),
        Good(observation_space=spaces.Discrete(3), action_space=spaces.MultiDiscrete([2, 3])),
        Good(observation_space=spaces.MultiBinary(4), action_space=spaces.Discrete(2)),
        Good(observation_space=spaces.Box(0, 255, (36, 40, 3), np.uint8)),
        gymnasium.make("CartPole-v1"),
    ],
)
def test_good_environments_pass_in_silence(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"observation_space": None, "first": 0, "next": 0}, TypeError, "observation_space must be a space"),
        ({"action_space": 4}, TypeError, "action_space must be a space"),
        ({"first": [0.0, 0.0]}, TypeError, r"reset\(\) must be a numpy array"),
        ({"next": (0.0, 0.0)}, TypeError, r"step\(\) must be a numpy array"),
        ({"first": np.zeros(3, np.float32)}, ValueError, r"shape \(3,\).*\(2,\)"),
        ({"next": np.array([0, 2], np.float32)}, ValueError, r"step\(\) is outside of observation_space"),
        ({"next": np.array([0, np.nan], np.float32)}, ValueError, "not finite"),
        ({"next": np.zeros(2, complex)}, TypeError, "dtype complex128"),
        ({"observation_space": spaces.Discrete(3), "next": 1.0}, TypeError, "must be an int"),
        ({"observation_space": spaces.Discrete(3), "next": 3}, ValueError, "outside"),
        ({"reward": "1"}, TypeError, "reward.*'1'"),
        ({"reward": np.ones(1)}, TypeError, "reward.*ndarray"),
        ({"reward": np.inf}, ValueError, "reward.*inf"),
        ({"terminated": 0}, TypeError, r"terminated and truncated.*0 \(int\)"),
        ({"truncated": None}, TypeError, "terminated and truncated.*None"),
        ({"info": []}, TypeError, r"info.*\[\]"),
    ],
)
def test_faults(settings, error, message):
    with pytest.raises(error, match=message):
        check_env(Good(**settings))


def test_wrong_number_of_results():
    class Three(Good):
        def step(self, action):
            return super().step(action)[:3]

    with pytest.raises(ValueError, match=r"step\(\) must return .*not 3 values"):
        check_env(Three())


@pytest.mark.parametrize("thing", [object(), Good, 3])
def test_what_is_no_environment(thing):
    with pytest.raises(TypeError):
        check_env(thing)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"action_space": spaces.Box(0, 1, (2,))}, "symmetric"),
        ({"action_space": spaces.Box(-2, 2, (2,))}, "symmetric"),
        ({"action_space": spaces.Box(-np.inf, np.inf, (2,))}, "symmetric"),
        ({"action_space": spaces.Tuple([spaces.Discrete(2)])}, "no algorithm takes Tuple actions"),
        ({"observation_space": spaces.Dict(a=spaces.Discrete(2))}, "Dict observations"),
        ({"observation_space": spaces.Tuple([spaces.Discrete(2)])}, "Tuple observations"),
        ({"observation_space": spaces.Box(-1, 1, (2, 2))}, r"\(2, 2\) are neither"),
        ({"observation_space": spaces.Box(0, 255, (40, 40, 1))}, "uint8, not float32"),
        ({"observation_space": spaces.Box(0, 1, (40, 40, 1), np.uint8)}, "0 and 255"),
        ({"observation_space": spaces.Box(0, 255, (40, 35, 1), np.uint8)}, "too small"),
        ({"first": np.zeros(2)}, "float64 and is cast"),
    ],
)
def test_warnings(settings, message):
    with pytest.warns(UserWarning, match=message) as caught:
        check_env(Good(**settings))
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(Good(**settings), warn=False)


def test_old_forms_of_results_are_warned_of():
    class Old(Good):
        def reset(self, *, seed=None, options=None):
            return self.first

        def step(self, action):
            return self.next, 0.0, self.results[1], self.results[3]

    with pytest.warns(UserWarning) as caught:
        check_env(Old())
    assert [str(w.message).split(" should")[0] for w in caught] == ["reset()", "step()"]
    with pytest.raises(TypeError, match=r"1 \(int\)"):
        check_env(Old(terminated=1), warn=False)
    with pytest.raises(ValueError, match="outside"):
        check_env(Old(next=np.full(2, 3, np.float32)), warn=False)


def test_objects_of_old_gym_are_warned_of():
    class Old:
        observation_space, action_space, metadata, spec = Good.observation_space, Good.action_space, {}, None

        def reset(self):
            return np.zeros(2, np.float32)

        def step(self, action):
            return np.zeros(2, np.float32), 0.0, True, {}

    with pytest.warns(UserWarning, match="old gym"):
        check_env(Old())


class Goal(Good):
    observation_space = spaces.Dict({k: spaces.Discrete(3) for k in ("observation", "achieved_goal", "desired_goal")})

    def compute_reward(self, achieved, desired, info):
        return float(achieved == desired)


def test_goal_environment():
    same = {"observation": 0, "achieved_goal": 1, "desired_goal": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(Goal(next=same, reward=1.0))
    with pytest.raises(ValueError, match="reward 0.0, compute_reward.. gives 1.0"):
        check_env(Goal(next=same, reward=0.0))


class Rendered(Good):
    def render(self):
        return self.image


def test_render():
    env = Rendered(render_mode="rgb_array", image=np.zeros((4, 5, 3), np.uint8))
    check_env(env, skip_render_check=False)
    assert env.closed
    check_env(Rendered(render_mode="rgb_array", image=None))  # not rendered by default
    with pytest.raises(TypeError, match="uint8"):
        check_env(Rendered(render_mode="rgb_array", image=np.zeros((4, 5, 3))), skip_render_check=False)
    with pytest.raises(ValueError, match=r"\(4, 5\)"):
        check_env(Rendered(render_mode="rgb_array", image=np.zeros((4, 5), np.uint8)), skip_render_check=False)
    with pytest.raises(ValueError, match="'human' is not among"):
        check_env(Rendered(render_mode="human"), skip_render_check=False)
    with pytest.warns(UserWarning, match="without a render_mode"):
        check_env(Good(), skip_render_check=False)
    with pytest.warns(UserWarning, match="no render modes"):
        check_env(Good(metadata={}), skip_render_check=False)
