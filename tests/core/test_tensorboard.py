"""Event files are read back with TensorBoard's own reader."""

import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from stable_baselines_tf2.core.tensorboard import HISTOGRAM_BUCKETS, EventWriter, read_scalars, run_directory


def load(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    return accumulator.Reload()


def test_scalars_of_all_kinds_of_numbers(tmp_path):
    with EventWriter(tmp_path / "new" / "folder") as writer:
        writer.scalar("loss", 0.5, 1)
        writer.scalar("loss", np.float32(0.25), np.int64(3))
        writer.scalars({"lr": 1e-3, "count": 7}, 10**10)
    events = load(tmp_path / "new" / "folder")
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.5), (3, 0.25)]
    assert [(e.step, e.value) for e in events.Scalars("count")] == [(10**10, 7.0)]
    assert list(read_scalars(writer.path)) == [
        (1, "loss", 0.5),
        (3, "loss", 0.25),
        (10**10, "lr", pytest.approx(1e-3)),
        (10**10, "count", 7.0),
    ]


def test_nan_is_kept(tmp_path):
    with EventWriter(tmp_path) as writer:
        writer.scalar("loss", float("nan"), 1)
    assert np.isnan(load(tmp_path).Scalars("loss")[0].value)


def test_histogram_counts_finite_values(tmp_path):
    values = np.concatenate([np.linspace(-1.0, 2.0, 301), [np.nan, np.inf]]).reshape(3, 101)
    with EventWriter(tmp_path) as writer:
        writer.histogram("weights", values, 5)
        writer.histogram("empty", [], 5)
    event = load(tmp_path).Tensors("weights")[0]
    buckets = make_ndarray(event.tensor_proto)
    assert event.step == 5 and buckets.shape == (HISTOGRAM_BUCKETS, 3)
    assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (-1.0, 2.0, 301)
    np.testing.assert_allclose(buckets[1:, 0], buckets[:-1, 1])
    assert make_ndarray(load(tmp_path).Tensors("empty")[0].tensor_proto)[:, 2].sum() == 0


def test_text(tmp_path):
    with EventWriter(tmp_path) as writer:
        writer.text("settings", "gamma = 0.99", 2)
    assert make_ndarray(load(tmp_path).Tensors("settings")[0].tensor_proto).item() == b"gamma = 0.99"


def test_legacy_add_summary_takes_messages_and_bytes(tmp_path):
    from tensorboard.compat.proto.summary_pb2 import Summary

    message = Summary(value=[Summary.Value(tag="custom", simple_value=1.5)])
    with EventWriter(tmp_path) as writer:
        writer.add_summary(message, 4)
        writer.add_summary(message.SerializeToString(), global_step=6)
    assert [(e.step, e.value) for e in load(tmp_path).Scalars("custom")] == [(4, 1.5), (6, 1.5)]


def test_closed_writer_refuses(tmp_path):
    writer = EventWriter(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.scalar("a", 1.0, 1)


def test_an_exception_closes_the_file(tmp_path):
    with pytest.raises(KeyError), EventWriter(tmp_path) as writer:
        writer.scalar("a", 1.0, 1)
        raise KeyError
    assert load(tmp_path).Scalars("a")[0].value == 1.0


def test_two_writers_in_one_folder_write_two_files(tmp_path):
    with EventWriter(tmp_path) as first, EventWriter(tmp_path) as second:
        assert first.path != second.path
    assert len(list(tmp_path.iterdir())) == 2


def test_writing_does_not_import_tensorflow(tmp_path):
    code = (
        "import sys; from stable_baselines_tf2.core.tensorboard import EventWriter\n"
        f"with EventWriter({str(tmp_path)!r}) as w:\n"
        "    w.scalar('a', 1, 1); w.histogram('b', [1, 2], 1); w.text('c', 'd', 1)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_run_directories_are_numbered(tmp_path):
    assert run_directory(tmp_path, "PPO2", new=False) == str(tmp_path / "PPO2_0")
    assert run_directory(tmp_path, "PPO2") == str(tmp_path / "PPO2_1")
    assert run_directory(tmp_path, "PPO2") == str(tmp_path / "PPO2_2")
    assert run_directory(tmp_path, "PPO2", new=False) == str(tmp_path / "PPO2_2")
    (tmp_path / "PPO2_10").mkdir()
    for other in ("PPO2_x_30", "A_PPO2_40", "PPO2_3x", "PPO2_"):
        (tmp_path / other).mkdir()
    assert run_directory(tmp_path, "PPO2") == str(tmp_path / "PPO2_11")
    assert run_directory(tmp_path / "missing", "group/a[b]") == str(tmp_path / "missing" / "group" / "a[b]_1")
    assert run_directory(tmp_path / "missing", "group/a[b]") == str(tmp_path / "missing" / "group" / "a[b]_2")
