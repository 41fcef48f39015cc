"""Training in two processes of MPI."""

import numpy as np
import pytest

from stable_baselines_tf2 import PPO1, TRPO
from tests.mpi import run_processes

TRAIN = """
import sys
import numpy as np
from stable_baselines_tf2.common.callbacks import CheckpointCallback
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.gail import ExpertDataset
import stable_baselines_tf2

name, folder = sys.argv[1:]
rank = distributed.rank()
short = {
    "TRPO": dict(timesteps_per_batch=128, vf_iters=1),
    "PPO1": dict(timesteps_per_actorbatch=64),
    "GAIL": dict(timesteps_per_batch=128, vf_iters=1, g_step=1),
}
if name == "GAIL":
    obs, starts = np.random.default_rng(0).normal(size=(300, 4)), np.arange(300) % 100 == 0
    expert = dict(obs=obs, actions=np.ones((300, 1), int), episode_starts=starts, episode_returns=np.ones(3))
    short[name]["expert_dataset"] = ExpertDataset(traj_data=expert, verbose=0)
arguments = dict(policy_kwargs=dict(net_arch=[8]), seed=3, tensorboard_log=folder or None, verbose=1, **short[name])
model = getattr(stable_baselines_tf2, name)("MlpPolicy", "CartPole-v1", **arguments)
"""

TOGETHER = (
    TRAIN
    + """
model.learn(512)
np.savez(f"{folder}/{rank}", steps=model.num_timesteps, draw=model.generator.random(), obs=model.runner.obs,
         **{name.replace("/", "|"): value for name, value in model.get_parameters().items()})
"""
)

ONE_STOPS = (
    TRAIN
    + """
model.learn(4096, lambda locals_, globals_: rank == 0 or model.num_timesteps < 300)
print("stopped", rank, model.num_timesteps, flush=True)
"""
)

ONE_FAILS = (
    TRAIN
    + """
def fail(locals_, globals_):
    if rank == 1 and model.num_timesteps > 300:
        raise ValueError("out of luck")

model.learn(1 << 30, fail)
"""
)

ONE_DIES = (
    TRAIN
    + """
import os, signal

class Die(CheckpointCallback):
    def _on_step(self):
        if rank == 1 and self.num_timesteps > 600:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._on_step()

model.learn(1 << 30, Die(save_freq=100, save_path=folder))
"""
)


@pytest.mark.parametrize("name", ["TRPO", "PPO1", "GAIL"])
def test_two_processes_end_with_the_same_weights(name, tmp_path):
    done = run_processes(TOGETHER, arguments=[name, str(tmp_path)])
    assert done.returncode == 0, done.stderr
    first, second = np.load(tmp_path / "0.npz"), np.load(tmp_path / "1.npz")
    assert first["steps"] == second["steps"] == 512
    weights = [key for key in first.files if "|" in key]
    assert len(weights) == {"PPO1": 8, "TRPO": 16, "GAIL": 22}[name] and any(
        np.abs(first[key]).max() > 0 for key in weights if key.endswith("b:0")
    )
    for key in weights:
        np.testing.assert_array_equal(first[key], second[key])
    assert first["draw"] != second["draw"] and not np.array_equal(first["obs"], second["obs"])  # each explores
    updates = 4 if name == "PPO1" else 2
    assert done.stdout.count("TimestepsSoFar") == updates  # the first process tells for both
    assert len(list(tmp_path.rglob("events*"))) == 1


def test_one_process_stops_both():
    done = run_processes(ONE_STOPS, arguments=["PPO1", ""])
    assert done.returncode == 0, done.stderr
    assert {line for line in done.stdout.splitlines() if "stopped" in line} == {"stopped 0 384", "stopped 1 300"}


def test_an_error_in_one_process_ends_both():
    done = run_processes(ONE_FAILS, arguments=["PPO1", ""])
    assert done.returncode != 0
    assert "Process 1 of 2 failed and ends the others" in done.stderr and "ValueError: out of luck" in done.stderr


def test_the_death_of_one_process_ends_both_and_leaves_a_checkpoint(tmp_path):
    done = run_processes(ONE_DIES, arguments=["TRPO", str(tmp_path)])
    assert done.returncode != 0 and "TERMINATION" in done.stdout + done.stderr
    checkpoints = sorted(tmp_path.glob("*.zip"), key=lambda path: int(path.stem.split("_")[-2]))
    assert len(checkpoints) >= 2 and not list(tmp_path.glob("*.tmp"))
    model = TRPO.load(checkpoints[-1], env="CartPole-v1")
    model.learn(128, reset_num_timesteps=False)
    assert model.num_timesteps == int(checkpoints[-1].stem.split("_")[-2]) + 128
    assert PPO1.uses_mpi and TRPO.uses_mpi
