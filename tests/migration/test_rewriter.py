"""Scripts rewritten for this library and gymnasium."""

import subprocess
import sys
import textwrap

import pytest

from stable_baselines_tf2.cli import main
from stable_baselines_tf2.migration.rewriter import Decision, new_lines, rewrite


def rewritten(source):
    result = rewrite(textwrap.dedent(source).encode())
    return result.source.decode(), result.decisions


def check(source, expected, decisions=()):
    text, found = rewritten(source)
    assert text == textwrap.dedent(expected)
    assert [line for line, _ in found] == [line for line, _ in decisions]
    for (_, told), (_, wanted) in zip(found, decisions, strict=True):
        assert wanted in told


def test_formatting_and_comments_stay():
    check(
        """\
        # -*- coding: utf-8 -*-
        import gym, os    # two
        env = gym.make( 'LunarLander-v2' )   # lander
        obs=env.reset()	# first
        obs,  reward , done, info = env.step( 0 ) ; print(done)  # é
        if done: obs = env.reset()

        """,
        """\
        # -*- coding: utf-8 -*-
        import gymnasium as gym, os    # two
        env = gym.make( 'LunarLander-v3' )   # lander
        obs, _=env.reset()	# first
        obs,  reward , terminated, truncated, info = env.step( 0 ) ; done = terminated or truncated; print(done)  # é
        if done: obs, _ = env.reset()

        """,
    )


def test_line_ends_stay():
    source = b"import gym\r\nenv = gym.make('CartPole-v1')\r\nx, r, d, i = env.step(0)\r\n"
    assert rewrite(source).source == (
        b"import gymnasium as gym\r\nenv = gym.make('CartPole-v1')\r\n"
        b"x, r, terminated, truncated, i = env.step(0)\r\nd = terminated or truncated\r\n"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import stable_baselines", "import stable_baselines_tf2"),
        ("import stable_baselines as sb", "import stable_baselines_tf2 as sb"),
        ("import stable_baselines.common.vec_env", "import stable_baselines_tf2.common.vec_env"),
        ("from stable_baselines.common import vec_env as v", "from stable_baselines_tf2.common import vec_env as v"),
        ("x = stable_baselines.common.vec_env.VecEnv", "x = stable_baselines_tf2.common.vec_env.VecEnv"),
        ("import gym.spaces", "import gymnasium as gym"),
        ("import gym.spaces as s", "import gymnasium.spaces as s"),
        ("from gym import spaces, Env", "from gymnasium import spaces, Env"),
        ("from gym.envs.registration import register", "from gymnasium.envs.registration import register"),
        ("from . import gym", "from . import gym"),
        ("import gymtools, my.gym", "import gymtools, my.gym"),
        ("import gym\ngym.logger.set_level(40)", "import gymnasium as gym\ngym.logger.min_level = 40"),
        ("import tensorflow as tf\nx = tf.log(y)", "import tensorflow as tf\nx = tf.math.log(y)"),
        ("x = {'id': 'Pendulum-v0'}", "x = {'id': 'Pendulum-v1'}"),
        ("x = 'Pendulum-v0 is'", "x = 'Pendulum-v0 is'"),
        ("x = 'CartPole-v0', 'version-v2'", "x = 'CartPole-v0', 'version-v2'"),
    ],
)
def test_names(old, new):
    assert rewritten(old) == (new, [])


VECTORIZED = [
    "HERGoalEnvWrapper(make_vec_env('parking-v0'))",
    "make_vec_env('CartPole-v1')",
    "DummyVecEnv([lambda: gym.make('CartPole-v1')])",
    "SubprocVecEnv([make] * 2)",
    "VecNormalize(DummyVecEnv([make]))",
    "VecNormalize.load('path', DummyVecEnv([make]))",
    "PPO2('MlpPolicy', 'CartPole-v1').learn(100).get_env()",
    "PPO2.load('path').env",
    "VecFrameStack(make_atari_env('PongNoFrameskip-v4', 4, 0), 4)",
]


@pytest.mark.parametrize("made", VECTORIZED)
def test_vectorized_environments_stay(made):
    source = f"""\
import gymnasium as gym
from stable_baselines_tf2.common.cmd_util import make_vec_env, make_atari_env
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize, VecFrameStack
from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.her import HERGoalEnvWrapper
def make():
    return gym.make('CartPole-v1')
env = {made}
env.seed(3)
obs = env.reset()
obs, reward, done, info = env.step([0])
env.render(mode='human')
"""
    old = source.replace("gymnasium as gym", "gym").replace("stable_baselines_tf2", "stable_baselines")
    assert rewritten(old) == (source, [])


def test_names_that_change_their_kind():
    check(
        """\
        import gym
        from stable_baselines.common.vec_env import DummyVecEnv
        def evaluate(env, model):
            return env.reset()
        env = gym.make("CartPole-v1")
        first = env.reset()
        vec = DummyVecEnv([lambda: env])
        second = vec.reset()
        env = vec
        third = env.reset()
        evaluate(env, None)
        """,
        """\
        import gymnasium as gym
        from stable_baselines_tf2.common.vec_env import DummyVecEnv
        def evaluate(env, model):
            return env.reset()
        env = gym.make("CartPole-v1")
        first, _ = env.reset()
        vec = DummyVecEnv([lambda: env])
        second = vec.reset()
        env = vec
        third = env.reset()
        evaluate(env, None)
        """,
    )


def test_functions_and_attributes_are_followed():
    check(
        """\
        import gym
        from stable_baselines.bench import Monitor
        def make(seed):
            env = Monitor(gym.make("CartPole-v1"), None)
            env.seed(seed)
            return env
        class Runner:
            def __init__(self):
                self.env = make(seed=1)
            def run(self, test_env):
                self.obs = self.env.reset()
                self.obs, _, self.done, _ = self.env.step(0)
                return len(test_env.reset()), model(self.env.reset())
        """,
        """\
        import gymnasium as gym
        from stable_baselines_tf2.bench import Monitor
        def make(seed):
            env = Monitor(gym.make("CartPole-v1"), None)
            env.reset(seed=seed)
            return env
        class Runner:
            def __init__(self):
                self.env = make(seed=1)
            def run(self, test_env):
                self.obs, _ = self.env.reset()
                self.obs, _, terminated, truncated, _ = self.env.step(0)
                self.done = terminated or truncated
                return len(test_env.reset()), model(self.env.reset()[0])
        """,
        [(13, "is test_env a single environment")],
    )


def test_either_kind_is_left_to_a_human():
    check(
        """\
        import gym
        from stable_baselines.common.cmd_util import make_vec_env
        if many:
            env = make_vec_env("CartPole-v1", 4)
        else:
            env = gym.make("CartPole-v1")
        obs = env.reset()
        """,
        """\
        import gymnasium as gym
        from stable_baselines_tf2.common.cmd_util import make_vec_env
        if many:
            env = make_vec_env("CartPole-v1", 4)
        else:
            env = gym.make("CartPole-v1")
        obs = env.reset()
        """,
        [(7, "env.reset(): is env a single environment")],
    )


def test_step_in_other_forms():
    check(
        """\
        import gym
        env = gym.make("CartPole-v1")
        terminated = 3
        obs, _, _, _ = env.step(0)
        [obs, reward, ends[0], info] = env.step(0)
        env.step(1)
        result = env.step(0)
        done = env.step(0)[2]
        """,
        """\
        import gymnasium as gym
        env = gym.make("CartPole-v1")
        terminated = 3
        obs, _, _, _, _ = env.step(0)
        [obs, reward, terminated_, truncated, info] = env.step(0)
        ends[0] = terminated_ or truncated
        env.step(1)
        result = env.step(0)
        done = env.step(0)[2]
        """,
        [(7, "five values"), (8, "five values")],
    )


@pytest.mark.parametrize(
    ("render", "train", "make", "new"),
    [
        ("env.render()", "", 'render_mode="human"', "env.render()"),
        ("env.render(mode='rgb_array')", "A2C('MlpPolicy', env)", 'render_mode="rgb_array"', "env.render()"),
        ("env.render()", "A2C('MlpPolicy', env)", 'render_mode="rgb_array"', "show(env.render())"),
        ("env.render('ansi')", "", 'render_mode="ansi"', "env.render()"),
    ],
)
def test_rendering(render, train, make, new):
    source = f'import gym\nfrom stable_baselines import A2C\nenv = gym.make("Taxi-v3")\n{train}\n{render}\n'
    text, decisions = rewritten(source)
    lines = text.splitlines()
    assert f'env = gym.make("Taxi-v4", {make})' in lines and lines[-1] == new and decisions == []
    assert ("from stable_baselines_tf2.common.window import show" in lines) == new.startswith("show")


def test_unclear_rendering_is_left_to_a_human():
    source = "import gym\nenv = gym.make('CartPole-v1')\nenv.render(mode)\nenv.render(mode='rgb_array')\n"
    text, decisions = rewritten(source)
    assert text == source.replace("import gym", "import gymnasium as gym")
    assert [line for line, _ in decisions] == [3, 4]


def test_environment_class():
    check(
        """\
        import gym
        from gym.utils import seeding
        class Own(gym.Env):
            metadata = {'render.modes': ['human']}
            def seed(self, seed=None):
                self.np_random, seed = seeding.np_random(seed)
                return [seed]
            def reset(self):
                '''Starts.'''
                self.x = self.np_random.randint(3)
                return self.x  # the state
            def step(self, action):
                if action:
                    return (self.x, 1.0, True, {})
                return self.x, 0.0, self.x > 2, {}
        env = Own()
        obs = env.reset()
        """,
        """\
        import gymnasium as gym
        from gymnasium.utils import seeding
        class Own(gym.Env):
            metadata = {'render_modes': ['human']}
            def seed(self, seed=None):
                self.np_random, seed = seeding.np_random(seed)
                return [seed]
            def reset(self, *, seed=None, options=None):
                '''Starts.'''
                super().reset(seed=seed)
                if seed is not None:
                    self.seed(seed)
                self.x = self.np_random.integers(3)
                return self.x, {}  # the state
            def step(self, action):
                if action:
                    return (self.x, 1.0, True, False, {})
                return self.x, 0.0, self.x > 2, False, {}
        env = Own()
        obs, _ = env.reset()
        """,
    )


def test_wrapper_classes():
    check(
        """\
        import gym
        class Early(gym.Wrapper):
            def reset(self, **kwargs):
                obs = self.env.reset(**kwargs)
                return obs + 1
            def step(self, action):
                obs, reward, done, info = self.env.step(action)
                if reward > 1:
                    done = True
                return obs, reward, done, info
        class Plain(gym.RewardWrapper):
            def reward(self, reward):
                return -reward
            def reset(self, **kwargs):
                return self.env.reset(**kwargs)
            def step(self, action):
                obs, reward, done, info = super().step(action)
                return obs, reward, done, info
        class Thin(gym.Wrapper):
            def step(self, action):
                return self.env.step(action)
        """,
        """\
        import gymnasium as gym
        class Early(gym.Wrapper):
            def reset(self, **kwargs):
                obs, info = self.env.reset(**kwargs)
                return obs + 1, info
            def step(self, action):
                obs, reward, terminated, truncated, info = self.env.step(action)
                done = terminated or truncated
                if reward > 1:
                    done = True
                return obs, reward, done and not truncated, truncated, info
        class Plain(gym.RewardWrapper):
            def reward(self, reward):
                return -reward
            def reset(self, **kwargs):
                return self.env.reset(**kwargs)
            def step(self, action):
                obs, reward, terminated, truncated, info = super().step(action)
                done = terminated or truncated
                return obs, reward, terminated, truncated, info
        class Thin(gym.Wrapper):
            def step(self, action):
                return self.env.step(action)
        """,
    )


DECISIONS = """\
import gym
import tensorflow as tf
from mpi4py import MPI
from gym.wrappers import Monitor
from stable_baselines.common.left_out import Thing
class Goal(gym.GoalEnv):
    def reset(self, hard):
        return self.start()
    def step(self, action):
        return self.outcome(action)
    def render(self, mode="human"):
        pass
env = gym.make("PongDeterministic-v4")
seeds = env.seed(1)
"""


def test_what_needs_a_decision():
    text, decisions = rewritten(DECISIONS)
    told = {}
    for line, words in decisions:
        told.setdefault(line, []).append(words)
    assert sorted(told) == [3, 4, 5, 6, 7, 10, 11, 13, 14]
    for line, words in [
        (4, "RecordVideo"),
        (5, "stable_baselines_tf2.common.left_out does not exist"),
        (6, "GoalEnv"),
        (7, "parameters (self, *, seed=None, options=None)"),
        (10, "five values"),
        (13, "ALE/Pong-v5 with obs_type='rgb', frameskip=4"),
        (14, "reset(seed=...)"),
    ]:
        assert words in told[line][0]
    assert "seeds = env.seed(1)" in text


def test_atari_games_are_registered():
    for made in ("env = gym.make('PongNoFrameskip-v4')", "env_id = 'PongNoFrameskip-v4'\nenv = gym.make(env_id)"):
        text, _ = rewritten(f"import gym\n{made}\n")
        assert text.splitlines()[1] == "import ale_py  # registers the Atari games"


def test_twice_is_once():
    source = "import gym\nenv = gym.make('Pendulum-v0')\nobs = env.reset()\no, r, d, i = env.step(0)\n"
    once = rewrite(source.encode())
    assert rewrite(once.source) == once


def test_numbers_of_lines_follow():
    old, new = "a\nb\nc\nd\n", "a\nb\nnew\nc\nD\n"
    assert new_lines(old, new, [Decision(2, "b"), Decision(3, "c"), Decision(4, "d")]) == [(2, "b"), (4, "c"), (5, "d")]


RUNNABLE = """\
import gym
import numpy as np
from stable_baselines import A2C
from stable_baselines.common.vec_env import DummyVecEnv

class Count(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-1, 9, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
    def reset(self):
        self.time = 0
        return np.zeros(1, np.float32)
    def step(self, action):
        self.time += 1
        return np.full(1, self.time, np.float32), 1.0, self.time == 5, {}

class Half(gym.RewardWrapper):
    def reward(self, reward):
        return reward / 2

env = Half(Count())
env.seed(0)
model = A2C("MlpPolicy", env, n_steps=4).learn(20)
obs, done, total = env.reset(), False, 0
while not done:
    action, _ = model.predict(obs)
    obs, reward, done, info = env.step(action)
    total += reward
vec = model.get_env()
obs = vec.reset()
obs, rewards, dones, infos = vec.step([0])
print(total, obs.tolist(), rewards.tolist(), len(infos))
"""


def test_rewritten_script_does_what_the_old_one_did(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(RUNNABLE)
    old = subprocess.run(
        [sys.executable, "-m", "stable_baselines_tf2", "run", str(path)], capture_output=True, text=True, timeout=200
    )
    assert main(["migrate", str(path), "--write"]) == 0
    new = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=200)
    assert old.stdout.splitlines()[-1] == "2.5 [[1.0]] [0.5] 1", old.stderr
    assert new.stdout.splitlines()[-1] == "2.5 [[1.0]] [0.5] 1", new.stderr


def test_command_loads_no_tensorflow(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("from stable_baselines.her import HERGoalEnvWrapper\nfrom stable_baselines.a2c import nothing\n")
    code = f"""
import sys
from stable_baselines_tf2.cli import main
main(["migrate", {str(path)!r}])
print("tensorflow" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert result.stdout.splitlines()[-1] == "False" and "does not exist" not in result.stdout, result.stderr


def test_command(tmp_path, capsys):
    path = tmp_path / "script.py"
    source = "import gym\nenv = gym.make('CartPole-v1')\nobs, r, done, i = env.step(0)\nx = env.step(1)\n"
    path.write_text(source)
    assert main(["migrate", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "-import gym\n+import gymnasium as gym\n" in shown and f"{path}:4: step() returns five values" in shown
    assert path.read_text() == source
    assert main(["migrate", str(path), "--write"]) == 0
    assert f"{path}:5: step() returns five values" in capsys.readouterr().out
    assert path.read_text().startswith("import gymnasium as gym\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "cannot read"),
        ("print 'old'\n", "line 1: it is not Python 3"),
        ("# coding: x\n", "not Python 3"),
        ("x = '\0'\n", "not Python 3"),
        (f"x = {'(' * 3000}1{')' * 3000}\n", "line 1: it is not Python 3"),
        (f"x = {'-' * 30_000}1\n", "nested too deeply"),
        (f"x = 1{'+ 1' * 600}\n", "nested too deeply"),
    ],
)
def test_what_cannot_be_rewritten(tmp_path, capsys, source, message):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import gym\n")
    if source is not None:
        bad.write_text(source)
    with pytest.raises(SystemExit) as end:
        main(["migrate", "--write", str(good), str(bad)])
    assert end.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert good.read_text() == "import gym\n"  # all or nothing


def test_diff_of_a_script_without_a_last_newline(tmp_path, capsys):
    path = tmp_path / "script.py"
    path.write_text("x = 1\nimport gym")
    assert main(["migrate", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "-import gym",
        "\\ No newline at end of file",
        "+import gymnasium as gym",
        "\\ No newline at end of file",
    ]


GRAPH = """\
\"\"\"A policy.\"\"\"
from __future__ import division
import gym
import tensorflow as tf
from tensorflow.contrib.layers import flatten
from stable_baselines.common.policies import ActorCriticPolicy

class Policy(ActorCriticPolicy):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with tf.variable_scope("model"):
            h = tf.layers.dense(flatten(self.processed_obs), 3) + tf.log(2.0)
        self.sess.run(h)
"""


def test_graphs_stay_as_they_are():
    text, decisions = rewritten(GRAPH)
    lines = text.splitlines()
    assert lines[2:6] == [
        "import stable_baselines_tf2.migration",
        "stable_baselines_tf2.migration.use_tensorflow_1()",
        "import gymnasium as gym",
        "import tensorflow as tf",
    ]
    assert lines[7] == "from stable_baselines_tf2.common.policies import ActorCriticPolicy"
    assert lines[8:] == GRAPH.splitlines()[6:] and not decisions


def test_names_that_moved_are_rewritten_where_nothing_needs_a_graph():
    text, _ = rewritten("import tensorflow as tf\nx = tf.log(2.0)\n")
    assert text == "import tensorflow as tf\nx = tf.math.log(2.0)\n"
