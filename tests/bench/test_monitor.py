"""Records of episodes, in memory and on disk."""

import copy
import csv
import json
import time
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.bench import LoadMonitorResultsError, Monitor, get_monitor_files, load_results


class Count(gymnasium.Env):
    """Rewards 1, 2, 3 …; terminates after ``length`` steps, or is truncated there."""

    observation_space = spaces.Box(0, 100, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, length=3, truncate=False):
        self.length, self.truncate, self.speed = length, truncate, 7
        self.info = {}

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.zeros(1, np.float32), {"options": options}

    def step(self, action):
        self.t += 1
        end = self.t == self.length
        self.info["level"] = self.t
        return np.full(1, self.t, np.float32), self.t, end and not self.truncate, end and self.truncate, self.info


def play(env, episodes=1, **reset):
    infos = []
    for _ in range(episodes):
        env.reset(**reset)
        ended = False
        while not ended:
            _, _, terminated, truncated, info = env.step(0)
            ended = terminated or truncated
            infos.append(info)
    return infos


def rows(path):
    lines = path.read_text().splitlines()
    return json.loads(lines[0][1:]), list(csv.reader(lines[1:]))


class OldForm(Count):
    """Takes a seed as gymnasium wants, but returns what old gym did."""

    def reset(self, *, seed=None, options=None):
        return super().reset()[0]

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated or truncated, {**info, "TimeLimit.truncated": truncated}


@pytest.mark.parametrize("truncate", [False, True])
def test_results_of_the_old_form(truncate):
    env = Monitor(OldForm(truncate=truncate), None)
    observation, info = env.reset()
    assert observation.tolist() == [0] and info == {}
    steps = [env.step(0) for _ in range(3)]
    assert [step[2:4] for step in steps] == [(False, False)] * 2 + [(not truncate, truncate)]
    assert steps[-1][4]["episode"]["r"] == 6.0


@pytest.mark.parametrize("truncate", [False, True])
def test_episode_is_recorded(tmp_path, truncate):
    start = time.time()
    env = Monitor(Count(truncate=truncate), tmp_path / "run")
    infos = play(env, 2)
    assert [("episode" in info) for info in infos] == [False, False, True] * 2
    record = infos[2]["episode"]
    assert (record["r"], record["l"]) == (6.0, 3) and 0 <= record["t"] < 60
    assert (env.get_episode_rewards(), env.get_episode_lengths(), env.get_total_steps()) == ([6.0, 6.0], [3, 3], 6)
    assert env.get_episode_times() == sorted(env.get_episode_times())
    header, table = rows(tmp_path / "run.monitor.csv")  # readable before close(): every episode is flushed
    assert set(header) == {"t_start", "env_id"} and start <= header["t_start"] <= time.time()
    assert table == [["r", "l", "t"]] + [["6.0", "3", str(infos[i]["episode"]["t"])] for i in (2, 5)]
    env.close()
    assert env.file_handler.closed


def test_file_names(tmp_path):
    for given, written in ((tmp_path, "monitor.csv"), (str(tmp_path / "a"), "a.monitor.csv")):
        Monitor(Count(), given).close()
        assert (tmp_path / written).exists()
    Monitor(Count(), tmp_path / "b.monitor.csv").close()
    assert [name.rsplit("/")[-1] for name in get_monitor_files(tmp_path)] == [
        "a.monitor.csv",
        "b.monitor.csv",
        "monitor.csv",
    ]
    assert play(Monitor(Count(), None))[-1]["episode"]["r"] == 6.0


def test_header_names_the_environment(tmp_path):
    Monitor(gymnasium.make("CartPole-v1"), tmp_path).close()
    assert rows(tmp_path / "monitor.csv")[0]["env_id"] == "CartPole-v1"


def test_keywords(tmp_path):
    env = Monitor(Count(), tmp_path, reset_keywords=["goal"], info_keywords=("level",))
    with env:
        record = play(env, options={"goal": "north, far"})[-1]["episode"]
    assert (record["level"], record["goal"]) == (3, "north, far")
    header, table = rows(tmp_path / "monitor.csv")
    assert table[0] == ["r", "l", "t", "goal", "level"]
    assert table[1][3:] == ["north, far", "3"]
    with pytest.raises(ValueError, match="'goal'"):
        Monitor(Count(), None, reset_keywords=("goal",)).reset()
    with pytest.raises(KeyError, match="'speed'"):
        play(Monitor(Count(), None, info_keywords=("speed",)))
    with pytest.raises(TypeError, match="info_keywords"):
        Monitor(Count(), None, info_keywords="speed")


def test_an_info_that_the_environment_reuses_stays_clean():
    env = Monitor(Count(), None)
    assert [("episode" in info) for info in play(env, 2)] == [False, False, True] * 2


def test_early_resets():
    env = Monitor(Count(), None, allow_early_resets=False)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(0)
    play(env)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(0)
    env.reset()
    with pytest.raises(RuntimeError, match="allow_early_resets"):
        env.reset()
    allowed = Monitor(Count(), None)
    allowed.reset()
    allowed.step(0)
    assert play(allowed)[-1]["episode"]["r"] == 6.0  # the unfinished episode leaves no trace


def test_rewards_are_summed_in_double_precision():
    class Small(Count):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, np.float32(0.1), *rest

    total = play(Monitor(Small(1000), None))[-1]["episode"]["r"]
    assert total == pytest.approx(1000 * float(np.float32(0.1)), abs=1e-6)


def test_attributes_of_the_environment_are_reachable():
    env = Monitor(gymnasium.wrappers.TimeLimit(Count(), 10), None)
    assert env.speed == 7 and not hasattr(env, "missing")
    assert copy.copy(env).speed == 7


def test_old_api_environment():
    class Old:
        """An environment as gym 0.21 had them."""

        observation_space, action_space = Count.observation_space, Count.action_space
        metadata, spec, reward_range = {}, None, (-1, 1)

        def reset(self):
            self.t = 0
            return np.zeros(1, np.float32)

        def step(self, action):
            self.t += 1
            return np.zeros(1, np.float32), 2.0, self.t == 4, {}

        def close(self):
            pass

    assert play(Monitor(Old(), None))[-1]["episode"]["r"] == 8.0


def write(path, start, episodes, header="#"):
    lines = [header + json.dumps({"t_start": start, "env_id": "X"}), "r,l,t"]
    path.write_text("\n".join(lines + [",".join(map(str, e)) for e in episodes]) + "\n")


def test_results_of_several_files_are_merged_by_time(tmp_path):
    write(tmp_path / "0.monitor.csv", 100.0, [(1.5, 10, 1.0), (2.5, 20, 5.0)])
    write(tmp_path / "1.monitor.csv", 102.0, [(3.5, 30, 1.0), (4.5, 40, 2.0)])
    write(tmp_path / "2.monitor.csv", 99.0, [])
    old = [{"t_start": 98.0}, {"r": 9.0, "l": 5, "t": 0.5}]
    (tmp_path / "old.monitor.json").write_text("".join(json.dumps(line) + "\n" for line in old))
    (tmp_path / "new.monitor.json").write_text(json.dumps({"t_start": 120.0}) + "\n")
    frame = load_results(tmp_path)
    assert list(frame.columns) == ["index", "r", "l", "t"]
    assert frame.r.tolist() == [9.0, 1.5, 3.5, 4.5, 2.5]
    assert frame.l.tolist() == [5, 10, 30, 40, 20] and frame.l.dtype.kind == "i"
    assert frame.t.tolist() == [0.5, 3.0, 5.0, 6.0, 7.0]
    assert frame["index"].tolist() == [0, 0, 0, 1, 1]


def test_results_before_the_first_episode(tmp_path):
    with Monitor(Count(), tmp_path) as env:
        assert len(load_results(tmp_path)) == 0
        play(env, 2)
    assert load_results(str(tmp_path)).r.tolist() == [6.0, 6.0]


def test_folder_names_are_no_patterns(tmp_path):
    folder = tmp_path / "run[1]"
    folder.mkdir()
    with Monitor(Count(), folder) as env:
        play(env)
    assert len(load_results(folder)) == 1


START = '#{"t_start": 1}\n'


@pytest.mark.parametrize("content", ["", "r,l,t\n1,2,3\n", "#{}\nr,l,t\n", START, START + "a,b\n1,2\n"])
def test_damaged_files_are_named(tmp_path, content):
    (tmp_path / "monitor.csv").write_text(content)
    with pytest.raises(LoadMonitorResultsError, match="monitor.csv"):
        load_results(tmp_path)


def test_folder_without_monitors(tmp_path):
    with pytest.raises(LoadMonitorResultsError, match="no .*monitor.csv"):
        load_results(tmp_path)


def test_pandas_is_only_needed_for_reading(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with Monitor(Count(), tmp_path) as env:
        play(env)
    with pytest.raises(ImportError, match=r"stable-baselines-tf2\[plots\]"):
        load_results(tmp_path)


def test_overhead_of_a_step_is_small():
    result = (np.zeros(1), 1.0, False, False, {})
    bare = gymnasium.Wrapper(Count())
    bare.env = SimpleNamespace(step=lambda action: result)
    monitor = Monitor(Count(), None)
    monitor.reset()
    monitor.env = bare.env

    def seconds(env):
        start = time.perf_counter()
        for _ in range(20_000):
            env.step(0)
        return time.perf_counter() - start

    cost = min(seconds(monitor) for _ in range(5)) - min(seconds(bare) for _ in range(5))
    assert cost / 20_000 < 2e-6
