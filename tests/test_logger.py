"""What is logged is read back from the files and from the terminal."""

import io
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from stable_baselines_tf2 import logger


@pytest.fixture(autouse=True)
def terminal_logger():
    yield
    logger.reset()
    logger.set_level(logger.INFO)
    logger.getkvs().clear()


def dump(**values):
    logger.logkvs(values)
    logger.dumpkvs()


def test_importing_has_no_side_effects(tmp_path):
    code = (
        "import sys, stable_baselines_tf2.logger\n"
        "assert not {'tensorflow', 'pandas', 'tensorboard', 'mpi4py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert os.listdir(tmp_path) == []


def test_table(capsys):
    dump(loss=0.123456, updates=12, name="a value that is much too long to show", b=np.float32(2.0))
    assert capsys.readouterr().out.splitlines() == [
        "-" * 37,
        "| b       | 2                       |",
        "| loss    | 0.123                   |",
        "| name    | a value that is much... |",
        "| updates | 12                      |",
        "-" * 37,
    ]


def test_table_keeps_long_names_with_the_same_start(capsys):
    dump(**{"a" * 30 + "1": 1, "a" * 30 + "2": 2})
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()[1:-1]] == ["1", "2"]


def test_empty_table_warns():
    with pytest.warns(UserWarning, match="nothing to write"):
        logger.dumpkvs()


def test_levels(capsys):
    logger.debug("hidden")
    logger.info("shown", 1)
    logger.set_level(logger.DEBUG)
    logger.debug("now", "shown")
    logger.set_level(logger.ERROR)
    logger.warn("hidden")
    logger.error("bad")
    logger.set_level(logger.DISABLED)
    logger.error("hidden")
    dump(a=1)
    assert capsys.readouterr().out == "shown 1\nnow shown\nbad\n"
    assert (logger.get_level(), dict(logger.getkvs())) == (50, {})


def test_mean():
    for value in (1.0, np.float32(2.0), 6):
        logger.logkv_mean("m", value)
    assert logger.getkvs()["m"] == 3.0
    logger.logkv_mean("m", None)
    assert logger.getkvs()["m"] is None
    logger.logkv_mean("m", 5)
    logger.logkv_mean("m", 6)
    logger.logkv_mean("i", math.inf)
    assert (logger.getkvs()["m"], logger.getkvs()["i"]) == (5.5, math.inf)


def test_logkv_keeps_the_last_value():
    logger.record_tabular("a", 1)
    logger.logkv("a", 2)
    assert logger.getkvs()["a"] == 2


def test_configure_writes_every_format(tmp_path, capsys):
    logger.configure(tmp_path / "logs", ["stdout", "log", "json", "csv", "tensorboard"])
    assert logger.get_dir() == str(tmp_path / "logs")
    dump(a=1, b=0.5)
    dump(a=2, b=math.nan)
    logger.reset()
    assert logger.get_dir() is None
    assert sorted(os.listdir(tmp_path / "logs")) == ["log.txt", "progress.csv", "progress.json", "tb"]
    out = capsys.readouterr().out
    assert out.startswith(f"Logging to {tmp_path / 'logs'}\n") and out.endswith("Reset logger\n")
    assert (tmp_path / "logs" / "log.txt").read_text().count("| a | ") == 2
    for frame in (
        logger.read_json(tmp_path / "logs" / "progress.json"),
        logger.read_csv(tmp_path / "logs" / "progress.csv"),
        logger.read_tb(tmp_path / "logs" / "tb"),
    ):
        assert list(frame.columns) == ["a", "b"]
        np.testing.assert_array_equal(frame.to_numpy(float), [[1, 0.5], [2, np.nan]])


def test_json_values(tmp_path):
    import tensorflow as tf

    with logger.ScopedConfigure(tmp_path, ["json"]):
        dump(
            scalar=np.float32(0.5),
            integer=np.int64(3),
            one=np.array([[2.0]]),
            many=np.arange(3),
            text=b"x\xff",
            none=None,
            flag=np.True_,
            tensor=tf.constant(1.5),
            vector=tf.constant([1, 2]),
            other=tmp_path,
        )
    assert json.loads((tmp_path / "progress.json").read_text()) == {
        "scalar": 0.5,
        "integer": 3,
        "one": 2.0,
        "many": [0, 1, 2],
        "text": "x\ufffd",
        "none": None,
        "flag": True,
        "tensor": 1.5,
        "vector": [1, 2],
        "other": str(tmp_path),
    }


def test_csv_columns_may_come_late(tmp_path):
    with logger.ScopedConfigure(tmp_path, ["csv"]):
        dump(a=1, text='comma, "quote"\nand line')
        dump(a=2, late=0.25)
        dump(late=None, later=np.float64(3))
        dump(a=4)
    frame = logger.read_csv(tmp_path / "progress.csv")
    assert list(frame.columns) == ["a", "text", "late", "later"]
    assert frame.text[0] == 'comma, "quote"\nand line'
    np.testing.assert_array_equal(
        frame[["a", "late", "later"]].to_numpy(),
        [[1, np.nan, np.nan], [2, 0.25, np.nan], [np.nan, np.nan, 3], [4, np.nan, np.nan]],
    )
    assert os.listdir(tmp_path) == ["progress.csv"]


def test_read_csv_skips_comments_at_the_top(tmp_path):
    (tmp_path / "x.csv").write_text('#{"t_start": 1}\na,b\n1,x#y\n')
    assert logger.read_csv(tmp_path / "x.csv").to_dict("list") == {"a": [1], "b": ["x#y"]}


def test_tensorboard_leaves_out_what_is_no_number(tmp_path):
    output = logger.TensorBoardOutputFormat(tmp_path)
    output.writekvs({"a": 1, "text": "x", "none": None, "many": np.zeros(2)})
    output.close()
    assert logger.read_tb(output.writer.path).to_dict("list") == {"a": [1.0]}
    with pytest.raises(ValueError, match="closed"):
        output.writekvs({"a": 1})


def test_read_tb_rejects_other_files(tmp_path):
    with pytest.raises(ValueError, match="events"):
        logger.read_tb(tmp_path / "progress.csv")


def test_environment_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_LOGDIR", str(tmp_path))
    monkeypatch.setenv("OPENAI_LOG_FORMAT", "json,,csv")
    logger.configure()
    logger.reset()
    assert sorted(os.listdir(tmp_path)) == ["progress.csv", "progress.json"]
    monkeypatch.setattr(logger.distributed, "rank", lambda: 2)
    logger.configure()
    logger.reset()
    assert "log-rank002.txt" in os.listdir(tmp_path)
    monkeypatch.delenv("OPENAI_LOGDIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    logger.configure()
    folder, name = os.path.split(logger.get_dir())
    assert folder == str(tmp_path) and name.startswith("openai-")


def test_scoped_configure_restores_after_an_error(tmp_path):
    before = logger.Logger.CURRENT
    with pytest.raises(KeyError), logger.ScopedConfigure(str(tmp_path), []):
        assert logger.Logger.CURRENT is not before
        raise KeyError
    assert logger.Logger.CURRENT is before


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="unknown log format 'xml'.*tensorboard"):
        logger.configure(tmp_path, ["xml"])
    with pytest.raises(TypeError, match="folder"):
        logger.configure(3)
    with pytest.raises(TypeError, match="filename_or_file"):
        logger.HumanOutputFormat(3)


def test_human_output_to_an_open_file():
    file = io.StringIO()
    output = logger.HumanOutputFormat(file)
    output.writeseq(["a", "b"])
    output.close()
    assert file.getvalue() == "a b\n"


def test_profile(monkeypatch):
    times = iter([1.0, 3.5, 10.0, 10.25])
    monkeypatch.setattr(logger.time, "perf_counter", lambda: next(times))

    @logger.profile("work")
    def work(x):
        return x + 1

    assert (work(1), work.__name__) == (2, "work")
    with logger.ProfileKV("work"):
        pass
    assert logger.getkvs()["wait_work"] == 2.75


def test_summary_val_and_valid_float_value():
    value = logger.summary_val("a", np.float32(0.5))
    assert (value.tag, value.simple_value) == ("a", 0.5)
    assert all(map(logger.valid_float_value, (1, np.float32(1), math.nan, "2.5")))
    assert not any(map(logger.valid_float_value, ("x", None, [1])))
