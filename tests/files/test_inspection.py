"""What is told of files: of every kind, without executing them and without TensorFlow."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from stable_baselines_tf2.cli import main
from stable_baselines_tf2.core.archive import Archive, arrays_to_bytes, write_archive
from stable_baselines_tf2.migration import inspect
from tests.migration.zoo import ZOO, index, needs_zoo

DATA = {"gamma": 0.9, "alpha": 0.99, "lr_schedule": "constant", "policy_kwargs": {}, "n_envs": 2}
PARAMETERS = {"model/vf/w:0": np.ones((4, 1), np.float32)}


def archive(data=None, parameters=PARAMETERS, **members):
    buffer = io.BytesIO()
    write_archive(buffer, Archive(json.dumps(DATA | (data or {})), parameters))
    with zipfile.ZipFile(buffer, "a") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    buffer.seek(0)
    return buffer


@needs_zoo
@pytest.mark.parametrize("folder", [".", "made"])
def test_every_model_of_the_zoo(folder):
    for agent in index(folder)["agents"]:
        paths = agent["files"][:1] if folder == "." else [file["file"] for file in agent["files"]]
        for path in paths:
            found = inspect(ZOO / folder / path)
            assert (found.kind, found.algorithm) == ("model", agent["algo"].upper()), path
            assert (found.unrestored, found.suspicious) == ({}, []), path
            for name in ("observation_space", "action_space"):
                space, expected = getattr(found, name), agent["inner_" + name if name[0] == "o" else name]
                assert type(space).__name__ == expected["type"]
                assert list(space.shape) == expected.get("shape", list(space.shape)), path
            shapes = [tuple(shape) for _, shape, _ in agent["parameters"]]
            if "list" not in found.format:
                assert list(found.parameters.items()) == [
                    (name, tuple(shape)) for name, shape, _ in agent["parameters"]
                ]
            else:
                assert list(found.parameters.values())[: len(shapes) - 3] == shapes[:-3]
            assert str(found).startswith(f"{ZOO / folder / path}: model, ") and json.dumps(found.to_dict())


@needs_zoo
def test_other_files_of_the_zoo():
    for path, kind in (
        ("made/agents/sac_auto__params_only.zip", "parameters"),
        ("made/vec_normalize/default/vec_normalize.pkl", "VecNormalize"),
        ("made/vec_normalize/default/obs_rms.pkl", "running statistics"),
    ):
        found = inspect(ZOO / path)
        assert found.kind == kind and not found.suspicious and json.dumps(found.to_dict())


def test_without_tensorflow(tmp_path):
    (tmp_path / "model.zip").write_bytes(archive().getvalue())
    code = (
        "import sys; from stable_baselines_tf2.cli import main; code = main(['inspect', sys.argv[1]]);"
        "assert not {'tensorflow', 'keras', 'cloudpickle'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.zip"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("model.zip: model, zip of Stable Baselines 2.8 to 2.10, or exported")
    assert "  algorithm: A2C" in lines and "    gamma: 0.9" in lines and "    model/vf/w:0 [4, 1]" in lines


@needs_zoo
def test_old_pickles_without_tensorflow():
    code = (
        "import sys; from stable_baselines_tf2.migration import inspect; print(inspect(sys.argv[1]).policy);"
        "assert not {'tensorflow', 'keras', 'gym'} & set(sys.modules)"
    )
    path = ZOO / "agents/dqn/CartPole-v1.pkl"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=100)
    assert done.stdout.startswith("deepq.LnMlpPolicy(layers=[64]), recognised"), done.stderr


def test_arrays(tmp_path):
    expert = {name: np.zeros(3) for name in ("actions", "obs", "rewards", "episode_returns", "episode_starts")}
    np.savez(tmp_path / "expert.npz", **expert)
    found = inspect(tmp_path / "expert.npz")
    assert found.kind == "expert data" and found.parameters["obs"] == (3,)
    np.savez(tmp_path / "other.npz", x=np.zeros((2, 3)))
    assert inspect(tmp_path / "other.npz").kind == "arrays"


class Harm:
    def __reduce__(self):
        return os.system, ("true",)


def blob(content):
    import base64

    return {":type:": "x", ":serialized:": base64.b64encode(content).decode()}


def test_what_is_suspicious(tmp_path, capsys):
    found = inspect(archive({"seed": blob(pickle.dumps(Harm()))}))
    assert found.suspicious == ["it refers to posix.system"] and "posix.system" in found.unrestored["seed"]
    found = inspect(archive({"seed": blob(b"junk")}))
    assert "damaged pickle" in found.unrestored["seed"]
    found = inspect(archive({"observation_space": {":kind:": "space", "type": "Box"}}))
    assert "damaged description of kind 'space'" in found.unrestored["observation_space"]
    found = inspect(archive({"observation_space": {":kind:": "space", "type": "Discrete", "n": 10**9}}))
    assert found.suspicious == ["its observation_space has 1000000000 entries, and no weights are that large"]
    found = inspect(archive(parameters={"model/vf/w:0": np.full((4, 1), np.nan)}))
    assert found.suspicious == ["weights that are not finite: model/vf/w:0"]
    found = inspect(archive(**{"../../etc/passwd": b"x"}))
    assert found.suspicious == ["a member called '../../etc/passwd'"]
    found = inspect(io.BytesIO(pickle.dumps(({"gamma": Harm()}, [np.zeros(2)]))))
    assert found.suspicious == ["it refers to posix.system"] and found.settings == {}
    found = inspect(io.BytesIO(pickle.dumps(Harm())))
    assert found.kind == "unknown" and found.suspicious == ["it refers to posix.system"]
    path = tmp_path / "bad.zip"
    path.write_bytes(archive({"seed": blob(pickle.dumps(Harm()))}).getvalue())
    assert main(["inspect", str(path)]) == 1
    assert "SUSPICIOUS:\n    it refers to posix.system" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["algorithm"] == "A2C"


def test_control_characters_do_not_reach_the_terminal():
    text = str(inspect(archive({"gamma": "\x1b[2Jcleared", "\x1b]0;title\x07": 1})))
    assert "\x1b" not in text and "cleared" in text


def test_files_that_are_none(tmp_path):
    for content in (b"", b"nonsense", b"PK\x03\x04", b"\x80\x04", arrays_to_bytes({})[:10]):
        with pytest.raises(ValueError, match="is not a file of Stable Baselines or is damaged"):
            inspect(io.BytesIO(content))
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "nothing")
    with pytest.raises(TypeError, match="path of a model file"):
        inspect(None)


@pytest.mark.parametrize(
    "header, message",
    [
        ({"kind": "VecNormalize", "settings": [1]}, "its settings are a list"),
        ({"kind": "VecNormalize", "settings": {"gamma": json.loads("[" * 200 + "]" * 200)}}, "nested more than 64"),
        ([1], "its data is a list"),
    ],
)
def test_damaged_headers(header, message):
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header)))
    with pytest.raises(ValueError, match=message):
        inspect(io.BytesIO(buffer.getvalue()))
