"""Old ids of environments."""

import gymnasium
import pytest

from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.envs import env_ids


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("CartPole-v0", "CartPole-v0"),
        ("CartPole-v1", "CartPole-v1"),
        ("Pendulum-v0", "Pendulum-v1"),
        ("LunarLander-v2", "LunarLander-v3"),
        ("LunarLanderContinuous-v2", "LunarLanderContinuous-v3"),
        ("BipedalWalker-v2", "BipedalWalker-v3"),
        ("Reacher-v2", "Reacher-v5"),
        ("HalfCheetah-v1", "HalfCheetah-v5"),
        ("FrozenLake-v0", "FrozenLake-v1"),
        ("NoSuchEnv-v0", "NoSuchEnv-v0"),
        ("no version", "no version"),
        ("module:Pendulum-v0", "module:Pendulum-v0"),
    ],
)
def test_current_id(old, current):
    assert env_ids.current_id(old) == (current, {})


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("PongNoFrameskip-v4", ("PongNoFrameskip-v4", {})),
        ("Pong-v4", ("Pong-v4", {})),
        (
            "BreakoutDeterministic-v4",
            ("ALE/Breakout-v5", {"obs_type": "rgb", "frameskip": 4, "repeat_action_probability": 0.0}),
        ),
        (
            "Pong-ramNoFrameskip-v0",
            ("ALE/Pong-v5", {"obs_type": "ram", "frameskip": 1, "repeat_action_probability": 0.25}),
        ),
        ("Pong-ram-v4", ("ALE/Pong-v5", {"obs_type": "ram", "frameskip": (2, 5), "repeat_action_probability": 0.0})),
    ],
)
def test_atari_ids(old, current):
    assert env_ids.current_id(old) == current


def test_what_somebody_registered_comes_first():
    gymnasium.register("Pendulum-v0", "gymnasium.envs.classic_control:CartPoleEnv")
    try:
        assert env_ids.current_id("Pendulum-v0").id == "Pendulum-v0"
    finally:
        del gymnasium.registry["Pendulum-v0"]


def test_make_tells_of_the_other_environment(recwarn):
    with pytest.warns(UserWarning, match="Pendulum-v0 has been replaced by Pendulum-v1"):
        env = env_ids.make("Pendulum-v0", max_episode_steps=7)
    assert (env.spec.id, env.spec.max_episode_steps) == ("Pendulum-v1", 7)
    assert not [warning for warning in recwarn if "no more" in str(warning.message)]
    assert env_ids.make("CartPole-v1").spec.id == "CartPole-v1"
    with pytest.raises(gymnasium.error.NameNotFound):
        env_ids.make("NoSuchEnv-v0")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gymnasium_robotics", None)
    with pytest.raises(ImportError, match="FetchReach-v1 is an environment of gymnasium_robotics: pip install"):
        env_ids.make("FetchReach-v1")


def test_old_ids_for_vectorized_environments():
    with pytest.warns(UserWarning, match="LunarLander-v3"):
        env = make_vec_env("LunarLander-v2", n_envs=2)
    assert env.get_attr("spec")[0].id == "LunarLander-v3"
    env.close()
