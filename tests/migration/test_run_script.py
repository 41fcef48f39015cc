"""Legacy scripts, unchanged: each runs in a process of its own, since the aliases are for a whole process."""

import os
import subprocess
import sys

import pytest

from stable_baselines_tf2.cli import main

SCRIPT = """
import sys
import gym
import numpy as np
from gym import spaces
from gym.envs.registration import register
import stable_baselines
from stable_baselines import A2C, logger
from stable_baselines.bench import Monitor
from stable_baselines.common.policies import FeedForwardPolicy
from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv
from stable_baselines.common.bit_flipping_env import BitFlippingEnv
import helper  # next to the script

class CustomPolicy(FeedForwardPolicy):
    def __init__(self, *args, **kwargs):
        super(CustomPolicy, self).__init__(*args, **kwargs, net_arch=[dict(pi=[8], vf=[8])], feature_extraction="mlp")

env = Monitor(gym.make("CartPole-v0"), sys.argv[1], allow_early_resets=True)
env.seed(0)
model = A2C(CustomPolicy, env, n_steps=4, seed=0).learn(40)
obs = env.reset()
assert obs.shape == (4,), obs
steps, done = 0, False
while not done:
    action, _ = model.predict(obs)
    obs, reward, done, info = env.step(action)
    steps += 1
assert info["episode"]["l"] == steps == env.get_episode_lengths()[-1]
bits = BitFlippingEnv(3)
assert set(bits.reset()) == {"observation", "achieved_goal", "desired_goal"}
assert len(bits.step(0)) == 4 and helper.WORD == "found"
model.save(sys.argv[1] + "/model")
assert A2C.load(sys.argv[1] + "/model", env).get_env().num_envs == 1

def make_env(rank):
    def _init():
        import gym as gym_of_the_worker
        env = gym_of_the_worker.make("CartPole-v1")
        env.seed(rank)
        return env
    return _init

# no guard: the workers must not start the script over
workers = SubprocVecEnv([make_env(rank) for rank in range(2)])
assert workers.reset().shape == (2, 4)
print("steps", steps, __name__, sys.argv[2:])
sys.exit(5)
"""


def run(tmp_path, source, *arguments, options=()):
    path = tmp_path / "legacy.py"
    path.write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "stable_baselines_tf2", "run", *options, str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "SDL_VIDEODRIVER": "dummy"},
    )


def test_script(tmp_path):
    (tmp_path / "helper.py").write_text("WORD = 'found'")
    result = run(tmp_path, SCRIPT, str(tmp_path), "--flag", "x")
    assert result.returncode == 5, result.stderr
    assert result.stdout.split("steps")[-1].split(maxsplit=1)[1] == "__main__ ['--flag', 'x']\n"
    assert (tmp_path / "monitor.csv").read_text().count("\n") >= 3


def test_aliases_are_the_modules_themselves(tmp_path):
    source = """
import sys
import gym.spaces
import stable_baselines.common.vec_env.dummy_vec_env as old
import stable_baselines_tf2.common.vec_env.dummy_vec_env as new
from stable_baselines.common.schedules import LinearSchedule
import stable_baselines_tf2.common.schedules
import gymnasium.spaces
import stable_baselines
import importlib
assert old is new and old.__name__ == new.__spec__.name == "stable_baselines_tf2.common.vec_env.dummy_vec_env"
assert LinearSchedule is stable_baselines_tf2.common.schedules.LinearSchedule
assert gym.spaces is gymnasium.spaces and stable_baselines is stable_baselines_tf2
assert stable_baselines.common.schedules is stable_baselines_tf2.common.schedules
importlib.reload(new)
for name in ("stable_baselines.nothing", "stable_baselines.common.nothing.below", "gym.nothing"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert "nothing" in str(error)
    else:
        raise AssertionError(name)
assert "tensorflow" not in sys.modules
from stable_baselines_tf2.migration import install
install()
print("fine")
"""
    result = run(tmp_path, source)
    assert (result.returncode, result.stdout) == (0, "fine\n"), result.stderr


def test_algorithms_of_scripts_need_not_declare_their_arguments(tmp_path):
    """Neither hyperparameters that files do not hold nor methods that resemble hooks stop a script of the time."""
    script = tmp_path / "script.py"
    script.write_text(
        "from stable_baselines import PPO2\n"
        "class Own(PPO2):\n"
        "    def __init__(self, *args, bonus=1.0, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        self.bonus = bonus\n"
        "    def _loss(self):\n"
        "        return self.bonus\n"
        "print('made', Own('MlpPolicy', 'CartPole-v1', bonus=3.0)._loss())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "stable_baselines_tf2", "run", str(script)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0 and "made 3.0" in done.stdout
    assert "Own.saved does not name bonus" in done.stderr and "Own._loss is not a hook" in done.stderr


def test_guarded_script_is_imported_by_workers(tmp_path):
    source = """
import gym
import numpy as np
from stable_baselines.common.vec_env import SubprocVecEnv

class Own(gym.Env):
    observation_space, action_space = gym.spaces.Box(0, 1, (1,), np.float32), gym.spaces.Discrete(2)
    def reset(self):
        return np.ones(1, np.float32)

gym.register("Own-v0", entry_point=Own)
print("imported as", __name__)
if __name__ == "__main__":
    env = SubprocVecEnv([lambda: gym.make("Own-v0")])
    assert env.reset().tolist() == [[1.0]]
"""
    result = run(tmp_path, source)
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == ["imported as __main__", "imported as __mp_main__"]


GRAPH_POLICY = """
import tensorflow as tf
from stable_baselines import A2C
from stable_baselines.common.policies import ActorCriticPolicy

tf.logging.set_verbosity(tf.logging.ERROR)
tf.set_random_seed(0)
summary = tf.Summary(value=[tf.Summary.Value(tag="x", simple_value=1.0)])
assert not hasattr(tf, "no_such_name")

class Graph(ActorCriticPolicy):
    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=False)
        with tf.variable_scope("model", reuse=reuse):
            hidden = tf.layers.dense(tf.layers.flatten(self.processed_obs), 8, activation=tf.nn.relu)
            self._value_fn = tf.layers.dense(hidden, 1, name="vf")
            self._proba_distribution, self._policy, self.q_value = \
                self.pdtype.proba_distribution_from_latent(hidden, hidden)
        self._setup_init()

model = A2C(Graph, "CartPole-v1").learn(10)
assert list(model.get_parameters())[0] == "model/dense/kernel:0"
"""


def test_graph_policy(tmp_path):
    result = run(tmp_path, GRAPH_POLICY)
    assert result.returncode == 0, result.stderr


def test_real_gym_is_left_alone_where_asked(tmp_path):
    (tmp_path / "gym.py").write_text("REAL = True")
    source = "import gym, stable_baselines\nprint(gym.REAL, stable_baselines.__name__)"
    result = run(tmp_path, source, options=["--keep-gym"])
    assert result.stdout == "True stable_baselines_tf2\n", result.stderr


def test_install_comes_too_late(tmp_path):
    (tmp_path / "gym.py").write_text("")
    code = "import gym\nfrom stable_baselines_tf2.migration import install\ninstall()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"},
        capture_output=True,
        text=True,
    )
    assert "ImportError: install() must come before 'gym' is imported" in result.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [(None, "cannot read"), ("print 'old'\n", "line 1: not Python 3"), ("x = '\0'", "null bytes")],
)
def test_what_cannot_run(tmp_path, capsys, source, message):
    path = tmp_path / "bad.py"
    if source is not None:
        path.write_text(source)
    with pytest.raises(SystemExit) as end:
        main(["run", str(path)])
    assert end.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
