"""Model files: what they hold, and what happens to damaged ones and full disks."""

import errno
import io
import json
import os
import stat
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from stable_baselines_tf2.core.archive import (
    Archive,
    arrays_to_bytes,
    atomic_write,
    bytes_to_array,
    bytes_to_arrays,
    read_archive,
    write_archive,
)

PARAMETERS = OrderedDict([("model/b:0", np.arange(3.0, dtype=np.float32)), ("model/a:0", np.eye(2, dtype=np.float32))])


def archive():
    return Archive(json.dumps({"gamma": 0.9}), PARAMETERS, {"num_timesteps": 5}, {"optimizer/m": np.ones(4)})


def write(**members):
    """A model file with some members replaced (None: left out)."""
    buffer, changed = io.BytesIO(), io.BytesIO()
    write_archive(buffer, archive())
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = members.get(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    changed.seek(0)
    return changed


def check(read):
    assert read.data == '{"gamma": 0.9}' and read.state == {"num_timesteps": 5}
    assert list(read.parameters) == ["model/b:0", "model/a:0"]
    np.testing.assert_array_equal(read.parameters["model/a:0"], np.eye(2))
    np.testing.assert_array_equal(read.arrays["optimizer/m"], np.ones(4))


def test_round_trip_with_path_and_file(tmp_path):
    write_archive(tmp_path / "model", archive())
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]
    check(read_archive(tmp_path / "model"))
    check(read_archive(str(tmp_path / "model.zip")))
    buffer = io.BytesIO()
    write_archive(buffer, archive())
    buffer.seek(0)
    check(read_archive(buffer))
    write_archive(tmp_path / "model.sb", archive())
    check(read_archive(tmp_path / "model.sb"))


def test_a_folder_of_the_same_name_is_no_hindrance(tmp_path):
    (tmp_path / "model").mkdir()
    write_archive(tmp_path / "model", archive())
    check(read_archive(tmp_path / "model"))


def test_layout_of_the_file():
    with zipfile.ZipFile(write()) as members:
        assert members.namelist() == ["data", "parameters", "parameter_list", "training_state", "training_arrays"]
        assert json.loads(members.read("parameter_list")) == list(PARAMETERS)
        arrays = np.load(io.BytesIO(members.read("parameters")))
        np.testing.assert_array_equal(arrays["model/b:0"], [0, 1, 2])


def test_missing_parts_are_none():
    read = read_archive(write(parameters=None, training_state=None, training_arrays=None))
    assert read.parameters is None and read.state == {} and read.arrays == {}
    assert read_archive(write(data=None)).data is None


@pytest.mark.parametrize(
    "members, message",
    [
        (dict(data=b"\xff\xfe"), "damaged"),
        (dict(parameters=b"junk"), "not an npz file"),
        (dict(parameters=b""), "not an npz file"),
        (dict(parameters=b"PK\x03\x04 and no more"), "damaged arrays"),
        (dict(parameter_list=None), "parameter_list does not name"),
        (dict(parameter_list='["model/a:0"]'), "parameter_list does not name"),
        (dict(parameter_list='[1, "model/a:0"]'), "parameter_list does not name"),
        (dict(parameter_list="{"), "damaged"),
        (dict(training_state="[1]"), "training_state is a list"),
        (dict(training_state="x"), "damaged"),
        (dict(data='{"gamma": %s}' % ("[" * 900 + "]" * 900)), "nested more than 64"),
        (dict(data='{"gamma": %s}' % ("[" * 100_000)), "must be JSON: maximum"),
        (dict(data=json.dumps({"x": [{":serialized:": "gARdlC4="}] * 300})), "300 pickles and arrays"),
        (dict(training_arrays=b"x"), "not an npz file"),
        (dict(data=None, parameters=None, training_state=None), "is not a model file or is damaged: it holds"),
    ],
)
def test_damaged_members(members, message):
    with pytest.raises(ValueError, match=message):
        read_archive(write(**members))


def test_a_file_cut_at_any_length(tmp_path):
    content = write().getvalue()
    outcomes = set()
    for length in range(len(content)):
        with pytest.raises(ValueError, match="not a model file or is damaged") as caught:
            read_archive(io.BytesIO(content[:length]))
        outcomes.add("it holds" in str(caught.value))
    assert outcomes == {True, False}  # some cuts make a valid zip of the arrays inside, which is refused too


def test_single_wrong_bytes_are_refused_or_harmless():
    content = bytearray(write().getvalue())
    refused = 0
    for position in range(0, len(content), 7):
        damaged = content.copy()
        damaged[position] ^= 0xFF
        try:
            read = read_archive(io.BytesIO(damaged))  # in headers: an unused field, or the name of a member
        except ValueError:
            refused += 1
            continue
        assert read.data in (None, '{"gamma": 0.9}') and read.state in ({}, {"num_timesteps": 5})
        for found, expected in ((read.parameters, PARAMETERS), (read.arrays, archive().arrays)):
            assert not found or all(np.array_equal(found[name], expected[name]) for name in expected)
    assert refused > 0.7 * len(content) / 7


def test_an_encrypted_member():
    content = bytearray(write().getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + offset] |= 1
    with pytest.raises(ValueError, match="damaged.*encrypted|damaged"):
        read_archive(io.BytesIO(content))


def test_wrong_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_archive(tmp_path / "nothing")
    for source in (None, 5, ["x"]):
        with pytest.raises(TypeError, match="path of a model file or a binary file object"):
            read_archive(source)
    (tmp_path / "empty.zip").touch()
    with pytest.raises(ValueError, match=r"empty\.zip is not a model file or is damaged"):
        read_archive(tmp_path / "empty")


def test_the_array_of_a_hyperparameter():
    np.testing.assert_array_equal(bytes_to_array(arrays_to_bytes({"array": np.arange(3)})), [0, 1, 2])
    with pytest.raises(ValueError, match="they are .'other'"):
        bytes_to_array(arrays_to_bytes({"other": np.arange(3)}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array=np.zeros(2**20, np.int8))  # as many of these as fit into a file are read
    with pytest.raises(ValueError, match="unfolds"):
        bytes_to_array(buffer.getvalue())
    assert bytes_to_arrays(buffer.getvalue())["array"].size == 2**20


def test_arrays_of_objects_are_refused():
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        arrays_to_bytes({"x": np.array([{}], dtype=object)})
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="object arrays and structures are not read"):
        bytes_to_arrays(buffer.getvalue())


def test_array_types_survive():
    arrays = {"a/b:0": np.float64([1.5]), "file": np.int8([[1, 2]]), "scalar": np.float32(3), "none": np.zeros((0, 2))}
    read = bytes_to_arrays(arrays_to_bytes(arrays))
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["model.zip"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "model.zip"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_archive(path, archive())
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["model.zip"]


def test_a_written_file_is_as_readable_as_others(tmp_path):
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_permissions_and_links_stay(tmp_path):
    script, link = tmp_path / "script", tmp_path / "link"
    script.write_bytes(b"old")
    script.chmod(0o750)
    link.symlink_to("script")
    with atomic_write(link) as file:
        file.write(b"new")
    assert script.read_bytes() == b"new" and link.is_symlink()
    assert stat.S_IMODE(script.stat().st_mode) == 0o750


def test_large_arrays_are_not_held_several_times(tmp_path):
    array = np.ones((256, 2**18), np.uint8)
    tracemalloc.start()
    try:
        write_archive(tmp_path / "buffer", Archive(state={"n": 1}, arrays={"obs": array}))
        assert tracemalloc.get_traced_memory()[1] < array.nbytes / 2
        tracemalloc.reset_peak()
        read = read_archive(tmp_path / "buffer").arrays["obs"]
        assert tracemalloc.get_traced_memory()[1] < 1.5 * array.nbytes
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read, array)
    assert read.flags.writeable


def test_a_wrong_byte_in_an_array_is_noticed(tmp_path):
    content = bytearray(write(training_arrays=arrays_to_bytes({"x": np.zeros(5000)})).getvalue())
    content[content.rindex(bytes(5000)) + 2500] = 1
    with pytest.raises(ValueError, match="CRC"):
        read_archive(io.BytesIO(content))
