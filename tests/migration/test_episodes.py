"""Agents of the zoo play whole episodes as they did in the original; all of them: see `episodes`."""

from __future__ import annotations

import pytest

from tests.migration.episodes import compare
from tests.migration.zoo import index, needs_zoo


@needs_zoo
@pytest.mark.filterwarnings("ignore:the policy of the file is a class")
@pytest.mark.parametrize("name", ["a2c__Acrobot-v1", "acer__MountainCar-v0", "ppo2__MountainCarContinuous-v0"])
def test_same_episodes_same_returns(name):
    line, within = compare(next(agent for agent in index()["agents"] if agent["id"] == name))
    assert within and "10/10 equal" in line, line
