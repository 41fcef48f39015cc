"""Normalization statistics that Stable Baselines pickled."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from tests.helpers import RandomEnv, box
from tests.migration.zoo import ZOO, index, needs_zoo


def environments(n_envs, size):
    space = box(size, low=-np.inf, high=np.inf)
    return DummyVecEnv([lambda: RandomEnv(space, gymnasium.spaces.Discrete(2))] * n_envs)


def check_moments(statistics, expected, prefix):
    for moment in ("mean", "var", "count"):
        np.testing.assert_array_equal(getattr(statistics, moment), expected[f"{prefix}_{moment}"])


@pytest.mark.parametrize("case", index("made")["vec_normalize"], ids=lambda case: case["id"])
def test_vec_normalize(case):
    expected = np.load(ZOO / "made" / case["expected"])
    venv = environments(case["n_envs"], expected["raw_obs"].shape[1])
    folder = ZOO / "made" / "vec_normalize" / case["id"]
    averages = VecNormalize(venv, **case["arguments"])
    with pytest.deprecated_call():
        averages.load_running_average(folder)
    for loaded in (
        VecNormalize.load(folder / "vec_normalize.pkl", venv),
        VecNormalize.load(folder / "vec_normalize_protocol4.pkl", venv),
        averages,
    ):
        check_moments(loaded.obs_rms, expected, "obs")
        check_moments(loaded.ret_rms, expected, "ret")
        for name, value in case["arguments"].items():
            assert getattr(loaded, name) == value
        np.testing.assert_allclose(loaded.normalize_obs(expected["raw_obs"]), expected["normalized_obs"], rtol=1e-12)
        np.testing.assert_allclose(
            loaded.normalize_reward(expected["raw_rewards"]), expected["normalized_rewards"], rtol=1e-6
        )


@needs_zoo
def test_statistics_of_the_zoo():
    agents = [agent for agent in index()["agents"] if agent["uses_obs_rms"]]
    assert agents
    for agent in agents:
        expected = np.load(ZOO / agent["expected"])
        venv = VecNormalize(environments(1, expected["obs_rms_mean"].shape[0]))
        with pytest.deprecated_call():
            venv.load_running_average((ZOO / agent["files"][0]).with_suffix(""))
        check_moments(venv.obs_rms, expected, "obs_rms")
        assert venv.ret_rms.count > 1 and venv.ret_rms.var > 0
        newest = expected["obs"][:, -expected["raw_obs"].shape[1] :]  # one agent stacks frames
        np.testing.assert_allclose(venv.normalize_obs(expected["raw_obs"]), newest, rtol=1e-6)
