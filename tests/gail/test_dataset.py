"""Expert data: what is read, checked and handed out."""

import io
import os
import pickle
import threading
import time
import zipfile

import numpy as np
import pytest

from stable_baselines_tf2.gail import DataLoader, ExpertDataset


def expert_data(lengths=(3, 4, 5), n_obs=2):
    n = sum(lengths)
    starts = np.zeros(n, bool)
    starts[np.cumsum((0, *lengths[:-1]))] = True
    return {
        "obs": np.arange(n * n_obs, dtype=np.float32).reshape(n, n_obs),
        "actions": np.arange(n).reshape(n, 1) % 2,
        "rewards": np.ones(n),
        "episode_returns": np.array(lengths, float),
        "episode_starts": starts,
    }


def dataset(**arguments):
    return ExpertDataset(traj_data=expert_data(), verbose=0, **arguments)


def rows_of(batches):
    return np.concatenate([obs[:, 0] for obs, _ in batches]) / 2


@pytest.mark.parametrize("sequential", [True, False])
def test_each_pass_gives_every_row_once_and_the_two_sets_are_disjoint(sequential):
    data = dataset(train_fraction=0.75, batch_size=4, sequential_preprocessing=sequential)
    assert (len(data.train_loader), len(data.val_loader)) == (3, 1)
    passes = [rows_of([data.get_next_batch("train") for _ in range(3)]) for _ in range(3)]
    validation = rows_of([data.get_next_batch("val")])
    for rows in passes:
        assert sorted([*rows, *validation]) == list(range(12))
    assert not np.array_equal(passes[0], passes[1])
    data.init_dataloader(12)
    obs, actions = data.get_next_batch()
    np.testing.assert_array_equal(actions[:, 0], obs[:, 0] / 2 % 2)


def test_order_stays_without_shuffling_and_comes_back_with_the_seed():
    loader = DataLoader(np.arange(5), np.arange(5)[:, None], np.arange(5), 2, start_process=False, sequential=True)
    assert [list(actions) for _, actions in loader] == [[0, 1], [2, 3], [4]]
    assert [list(actions) for _, actions in loader] == [[0, 1], [2, 3], [4]]
    orders = []
    for seed in (1, 1, 2):
        data = dataset(sequential_preprocessing=True)
        data.init_dataloader(4, seed=seed)
        orders.append(rows_of([data.get_next_batch() for _ in range(6)]).tolist())
    assert orders[0] == orders[1] != orders[2]


def test_a_loader_may_drop_the_rest_and_end():
    arguments = {"partial_minibatch": False, "infinite_loop": False}
    for sequential in (True, False):
        loader = DataLoader(np.arange(5), np.zeros((5, 1)), np.arange(5), 2, sequential=sequential, **arguments)
        assert [list(actions) for _, actions in loader] == [[0, 1], [2, 3]]
        assert list(loader) == []


def test_the_thread_ends_with_its_loader():
    before = threading.active_count()
    loader = DataLoader(np.arange(5), np.zeros((5, 1)), np.arange(5), 2)
    next(loader)
    assert threading.active_count() == before + 1
    del loader
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() == before


def test_episodes_can_be_limited():
    data = dataset(traj_limitation=2)
    assert (data.num_traj, data.num_transition, data.avg_ret) == (2, 7, 3.5)
    assert (dataset().num_traj, dataset(traj_limitation=9).num_transition) == (3, 12)


def test_files(tmp_path, capsys):
    np.savez(tmp_path / "expert.npz", **expert_data())
    data = ExpertDataset(str(tmp_path / "expert"))
    np.testing.assert_array_equal(data.observations, expert_data()["obs"])
    assert "3 episodes, 12 steps" in capsys.readouterr().out
    copy = pickle.loads(pickle.dumps(data))
    assert copy.num_traj == 3
    with pytest.raises(ValueError, match="init_dataloader"):
        copy.get_next_batch("train")


def test_flags_that_the_original_kept_as_objects(tmp_path):
    data = expert_data()
    flags = np.empty(12, object)
    flags[:] = [True, *(np.array([flag]) for flag in data["episode_starts"][1:])]
    np.savez(tmp_path / "expert.npz", **{**data, "episode_starts": flags})
    assert ExpertDataset(tmp_path / "expert.npz", verbose=0).num_traj == 3


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hostile_files_run_nothing(tmp_path):
    trap = tmp_path / "trap"
    np.savez(tmp_path / "a.npz", **{**expert_data(), "obs": np.array([Hostile(str(trap))] * 12, object)})
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as members:
        members.writestr("obs.npy", pickle.dumps(Hostile(str(trap))))
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Hostile(str(trap))))
    for name in "abc":
        with pytest.raises(ValueError, match=f"{name}.npz"):
            ExpertDataset(tmp_path / f"{name}.npz")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": None}, "lacks obs"),
        ({"actions": np.zeros((11, 1))}, "the same number of rows"),
        ({key: np.zeros((0, 1)) for key in ("obs", "actions", "episode_starts")}, "at least one"),
        ({"obs": np.full((12, 2), np.nan)}, "finite, but row 0"),
        ({"episode_starts": np.zeros(12, bool)}, "begin with the start"),
        ({"episode_returns": np.ones(4)}, "4 episode_returns for 3 episodes"),
        ({"obs": np.array([{}] * 12)}, "array of numbers"),
    ],
)
def test_bad_data(change, message):
    data = {key: value for key, value in {**expert_data(), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        ExpertDataset(traj_data=data)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="exactly one"):
        ExpertDataset()
    with pytest.raises(ValueError, match="train_fraction must be"):
        dataset(train_fraction=1.0)
    with pytest.raises(ValueError, match="leaves one of the two sets empty"):
        dataset(train_fraction=0.01)
    with pytest.raises(ValueError, match="traj_limitation"):
        dataset(traj_limitation=0)
    with pytest.raises(ValueError, match="batch_size"):
        dataset(batch_size=0)
    with pytest.raises(ValueError, match="split"):
        dataset().get_next_batch("test")
    with pytest.raises(FileNotFoundError):
        ExpertDataset(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="start_process"):
        next(DataLoader(np.arange(2), np.zeros(2), np.zeros(2), 1, start_process=False))
    with pytest.raises(ValueError, match="backend"):
        DataLoader(np.arange(2), np.zeros(2), np.zeros(2), 1, backend="fork")


def test_an_array_that_claims_to_be_larger_than_its_file(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "large.npz", "w") as members:
        members.writestr("obs.npy", file.getvalue())
    with pytest.raises(ValueError, match="shorter than it says"):
        ExpertDataset(tmp_path / "large.npz")


@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_images_are_read_from_files(tmp_path, backend):
    cv2 = pytest.importorskip("cv2")
    images = np.random.default_rng(0).integers(0, 255, (6, 5, 4, 3), np.uint8)
    paths = np.array([str(tmp_path / f"{i}.png") for i in range(6)])
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    loader = DataLoader(np.arange(6), paths, np.arange(6), 6, n_workers=2, backend=backend)
    assert loader.load_images
    np.testing.assert_array_equal(next(loader)[0], images)
    paths[2] = str(tmp_path / "x.png")
    loader = DataLoader(np.arange(6), paths, np.arange(6), 6)
    for _ in range(2):  # and it stays so
        with pytest.raises(FileNotFoundError, match=r"x\.png"):
            next(loader)
