"""DDPG in several processes of MPI."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from stable_baselines_tf2 import DDPG
from stable_baselines_tf2.common.noise import NormalActionNoise
from stable_baselines_tf2.core import distributed
from tests.off_policy_cases import make_off_policy

POOLED = dict(normalize_observations=True, normalize_returns=True, enable_popart=True)
OPTIONS = dict(batch_size=8, nb_rollout_steps=20, nb_train_steps=3, policy_kwargs=dict(layers=[8]))


def batches(rank):
    """Two gradient steps' transitions of a process."""
    rng = np.random.default_rng(100 + rank)
    shapes = {"obs": (2, 4, 3), "actions": (2, 4, 2), "rewards": (2, 4), "next_obs": (2, 4, 3), "dones": (2, 4)}
    drawn = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return drawn | {"dones": (drawn["dones"] > 0.5).astype(np.float32)}


def model_for_steps(**options):
    model = make_off_policy("DDPG", seed=3, **POOLED, **options)
    model.obs_rms.set_state({"runningsum": np.ones(3), "runningsumsq": np.full(3, 9.0), "count": np.array(4.0)})
    return model


def in_one_of_two_processes(folder):
    rank = distributed.rank()
    noise = NormalActionNoise(np.zeros(1), np.full(1, 0.3))
    logs = dict(verbose=int(rank == 0), tensorboard_log=folder)
    model = DDPG("MlpPolicy", "Pendulum-v1", seed=rank, action_noise=noise, **OPTIONS, **POOLED, **logs)
    model.learn(60, log_interval=2)
    seen = model.replay_buffer.gather(np.arange(60))[0]
    trained = dict(model.get_parameters(), **model.training_state()[1], seen=seen)
    stepped = model_for_steps()
    stepped.update(batches(rank), stepped.learning_rate_at(1.0))
    trained |= {f"stepped/{name}": array for name, array in stepped.get_parameters().items()}
    np.savez(pathlib.Path(folder) / f"{rank}.npz", **trained)


def test_two_processes_train_one_model(tmp_path):
    pytest.importorskip("mpi4py")
    launcher = shutil.which("mpirun", path=pathlib.Path(sys.executable).parent) or shutil.which("mpirun")
    if launcher is None:
        pytest.skip("needs mpirun")
    command = [launcher, "-n", "2", sys.executable, "-m", "tests.ddpg.test_mpi", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    assert first.files == second.files and not np.array_equal(first["seen"], second["seen"])
    for name in first.files:
        if name not in ("seen", "numpy_random"):
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert first["input/obs_rms/count:0"] == pytest.approx(120.01)  # of both processes
    assert first["input/ret_rms/count:0"] == pytest.approx(9 * 16 + 0.01)
    sums = first["seen"].sum(axis=0, dtype=np.float64) + second["seen"].sum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(first["input/obs_rms/runningsum:0"], sums, rtol=1e-6)
    assert [path.name for path in tmp_path.glob("DDPG_*")] == ["DDPG_1"]  # the first process logs
    assert done.stdout.count("total/steps ") == 1

    # Two processes with half a batch each do what one does with the whole of it.
    whole = model_for_steps(batch_size=8)
    halves = [batches(rank) for rank in (0, 1)]
    whole.update(
        {name: np.concatenate([half[name] for half in halves], 1) for name in halves[0]}, whole.learning_rate_at(1.0)
    )
    for name, array in whole.get_parameters().items():
        np.testing.assert_allclose(first[f"stepped/{name}"], array, rtol=1e-4, atol=1e-5, err_msg=name)


if __name__ == "__main__":
    in_one_of_two_processes(sys.argv[1])
