import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from stable_baselines_tf2.common import identity_env

ENVS = [
    lambda: identity_env.IdentityEnv(3),
    lambda: identity_env.IdentityEnv(space=spaces.Box(-1.0, 1.0, (2, 2))),
    identity_env.IdentityEnvBox,
    lambda: identity_env.IdentityEnvMultiDiscrete(3),
    lambda: identity_env.IdentityEnvMultiBinary(4),
]


@pytest.mark.parametrize("make", ENVS)
@pytest.mark.filterwarnings("ignore")
def test_follows_gymnasium(make):
    check_env(make(), skip_render_check=True)


@pytest.mark.parametrize("make", ENVS)
def test_repeating_the_observation_is_rewarded(make):
    env = make()
    obs, _ = env.reset(seed=0)
    for step in range(1, env.ep_length + 1):
        obs, reward, terminated, truncated, _ = env.step(obs)
        assert (reward, terminated, truncated) == (1.0, False, step == env.ep_length)
    assert env.num_resets == 1


def test_other_actions_are_not_rewarded():
    env = identity_env.IdentityEnv(5, None, 10)
    obs, _ = env.reset(seed=1)
    assert env.step((obs + 1) % 5)[1] == 0.0
    box = identity_env.IdentityEnvBox(-2, 2, 0.1)
    obs, _ = box.reset(seed=1)
    assert box.step(obs + 0.09)[1] == 1.0
    assert box.step(box.state - 0.11)[1] == 0.0
    assert box.observation_space == spaces.Box(-2, 2, (1,), np.float32)


def test_seed_decides_the_observations_and_sampled_actions_do_not():
    env = identity_env.IdentityEnv(1000)
    seen = []
    for _ in range(2):
        obs, _ = env.reset(seed=7)
        seen.append([obs] + [env.step(env.action_space.sample())[0] for _ in range(5)])
    assert seen[0] == seen[1]


def test_dim_and_space_exclude_each_other():
    assert identity_env.IdentityEnv().action_space.n == 1
    with pytest.raises(ValueError, match="dim or space"):
        identity_env.IdentityEnv(2, spaces.Discrete(2))
