"""Files that were made to do harm: nothing in them runs, memory stays bounded, and the error says what is wrong."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import A2C, PPO2
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines_tf2.core.archive import arrays_to_bytes, bytes_to_arrays, read_archive
from stable_baselines_tf2.files.pickle_tree import Call, Global
from stable_baselines_tf2.migration import inspect
from stable_baselines_tf2.migration.legacy_zip import write_legacy
from stable_baselines_tf2.migration.pickle_writer import New, dumps
from tests.files import fuzz
from tests.helpers import RandomEnv, box


def env():
    return DummyVecEnv([lambda: RandomEnv(box(3), spaces.Discrete(2))])


@pytest.fixture(scope="module")
def model():
    return A2C("MlpPolicy", env(), policy_kwargs={"net_arch": [4]}, n_steps=4)


@pytest.fixture(scope="module")
def members(model):
    """The members of a legacy zip."""
    buffer = io.BytesIO()
    write_legacy(buffer, model)
    with zipfile.ZipFile(buffer) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    buffer.seek(0)
    return buffer


def with_data(members, **changes):
    return zipped({**members, "data": json.dumps({**json.loads(members["data"]), **changes})})


def old_settings(model):
    """The same model as versions before 2.8 pickled it, as a tree."""
    settings = {"gamma": 0.9, "n_steps": 4, "lr_schedule": "constant", "alpha": 0.99, "epsilon": 1e-5, "n_envs": 1}
    return settings | {
        "policy": Global("stable_baselines.common.policies", "MlpPolicy"),
        "policy_kwargs": {"net_arch": [4]},
        "observation_space": New(
            Global("gym.spaces.box", "Box"), (), {"low": -np.ones(3, "f4"), "high": np.ones(3, "f4")}
        ),
        "action_space": New(Global("gym.spaces.discrete", "Discrete"), (), {"n": 2}),
    }


def old_file(model, **changes):
    return io.BytesIO(dumps(({**old_settings(model), **changes}, list(model.get_parameters().values()))))


def peak(action, match):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_files_below_are_valid_otherwise(model, members):
    for file in (zipped(members), zipped(members, zipfile.ZIP_DEFLATED), old_file(model), with_data(members)):
        loaded = A2C.load(file)
        for name, value in model.get_parameters().items():
            np.testing.assert_array_equal(loaded.get_parameters()[name], value)


def test_calls_in_any_setting_of_an_old_pickle(model, tmp_path):
    marker = tmp_path / "marker"
    command = f"__import__('os').system('touch {marker}')"
    harms = {
        "posix.system": Call(Global("posix", "system"), (f"touch {marker}",)),
        "builtins.eval": Call(Global("builtins", "eval"), (command,)),
        "builtins.exec": Call(
            Call(Global("builtins", "getattr"), (Global("builtins", "exec"), "__call__")), (command,)
        ),
        "subprocess.Popen": New(Global("subprocess", "Popen"), (["touch", str(marker)],)),
    }
    for key in (*old_settings(model), "something_else"):
        for name, harm in harms.items():
            nested = {"deep": [(harm,)]} if key != "policy" else harm
            refused = pytest.raises(ValueError, match=rf"'{key}' of.* file holds.*({name}|getattr).*custom_objects")
            if key == "something_else":  # nobody asks for it
                A2C.load(old_file(model, **{key: nested}))
                continue
            with refused:  # at once where prediction needs it
                A2C.load(old_file(model, **{key: nested})).learn(10)
    for name, harm in harms.items():
        for tree in (harm, (old_settings(model), harm), (old_settings(model), [harm])):
            with pytest.raises(ValueError, match=f"is not a model file or is damaged.*|{name}"):
                A2C.load(io.BytesIO(dumps(tree)))
    assert not marker.exists()


def test_classes_whose_code_does_more_than_choose_arguments(model, tmp_path):
    """Their parameters would fit, but what they compute is not known."""
    import cloudpickle

    from stable_baselines_tf2.common.policies import FeedForwardPolicy

    def __init__(self, *args, **kwargs):
        os.system(f"touch {tmp_path / 'marker'}")
        FeedForwardPolicy.__init__(self, *args, **kwargs, net_arch=[4], feature_extraction="mlp")

    def step(self, obs, state=None, mask=None, deterministic=False):
        return -super(type(self), self).step(obs, state, mask, deterministic)

    for attributes, message in (
        ({"__init__": __init__}, "the constructor of .* uses .*system"),
        ({"step": step}, "defines 'step'"),
    ):
        content = cloudpickle.dumps(type("Policy", (FeedForwardPolicy,), {**attributes, "__module__": "__main__"}))
        tree = old_settings(model)
        del tree["policy"]
        whole = dumps((tree, list(model.get_parameters().values())))
        # Python's own pickler writes the class; it goes into the dictionary of settings.
        start = whole.index(b"X\x05\x00\x00\x00gamma")
        policy = b"X\x06\x00\x00\x00policy" + content[content.index(b"\x95") + 9 if b"\x95" in content[:3] else 2 : -1]
        with pytest.raises(ValueError, match=f"'policy' of the model file holds.*not executed.*{message}"):
            A2C.load(io.BytesIO(whole[:start] + policy + whole[start:]))
    assert not (tmp_path / "marker").exists()


def test_names_in_a_zip_lead_nowhere(members, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("../escaped", "/tmp/escaped", "..\\escaped", "data/../../escaped"):
        A2C.load(zipped({**members, name: b"x"}))
        assert inspect(zipped({**members, name: b"x"})).suspicious
        with pytest.raises(ValueError, match="is not a model file or is damaged: it holds"):
            A2C.load(zipped({name: members["data"]}))
    assert not list(tmp_path.iterdir()) and not (tmp_path.parent / "escaped").exists()


def npy(header, data=b"", version=1):
    text = header.encode() if isinstance(header, str) else repr(header).encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2, "little") + text + data


def test_bombs(members):
    zeros = bytes(2**26)
    bomb = zipped({"parameters": zeros, "data": members["data"]}, zipfile.ZIP_DEFLATED)
    nested = zipped({"x.npy": zeros}, zipfile.ZIP_DEFLATED).getvalue()
    huge = {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
    assert len(bomb.getvalue()) < 1_000_000
    for file, message in (
        (bomb, "unfolds from .* to .* bytes"),
        (zipped({**members, "parameters": nested}), "unfolds from .* to .* bytes"),
        (zipped({**members, "parameters": zipped({"x.npy": npy(huge)}).getvalue()}), "has 0 bytes instead of"),
        (zipped({**members, "data": "[" * 100_000}), "must be JSON"),
        (zipped({**members, "data": '{"a":' * 100_000}), "must be JSON"),
        (zipped({**members, "data": '{"a": ' + "9" * 100_000 + "}"}), "must be JSON"),
        (zipped(members, zipfile.ZIP_LZMA), "compressed in a way"),
        (io.BytesIO(b"\x80\x04" + b"(" * 100_000 + b"."), "pop from empty list"),
    ):
        assert peak(lambda file=file: A2C.load(file), message) < 50_000_000, message


def test_sizes_that_nothing_supports(model, members):
    """Hyperparameters that ask for gigabytes are refused before anything is made of them."""
    box_of = {":kind:": "space", "type": "Box", "low": 0, "high": 1, "dtype": "float32"}
    for changes, message in (
        ({"policy_kwargs": {"net_arch": [10**9]}}, "policy_kwargs name the size 1000000000"),
        ({"policy_kwargs": {"net_arch": [{"pi": [4], "vf": [10**6]}]}}, "policy_kwargs name the size 1000000"),
        ({"action_space": {":kind:": "space", "type": "Discrete", "n": 10**9}}, "action_space has 1000000000 entries"),
        (
            {"observation_space": {":kind:": "space", "type": "MultiDiscrete", "nvec": [10**8] * 9}},
            "observation_space has",
        ),
        ({"observation_space": {**box_of, "shape": [2**20]}}, "observation_space has 1048576 entries"),
        ({"observation_space": {**box_of, "shape": [2**20, 2**20]}}, "is not valid"),
        ({"n_envs": 10**9}, "n_envs is 1000000000"),
        ({"n_envs": "8"}, "n_envs is '8'"),
    ):
        assert peak(lambda changes=changes: A2C.load(with_data(members, **changes)), message) < 50_000_000, message
    with pytest.raises(ValueError, match="policy_kwargs name the size"):
        A2C.load(old_file(model, policy_kwargs={"net_arch": [10**9]}))


def test_settings_of_wrong_types(model, members):
    """Each setting in turn is something else: the file is refused, or the setting does no harm."""
    refused = 0
    for key in json.loads(members["data"]):
        for value in (None, "x", [[1]], 1e400, {":serialized:": "%%%"}):
            try:
                A2C.load(with_data(members, **{key: value}))
            except ValueError as error:
                refused += 1
                assert len(str(error)) < 1500
    assert refused > 40
    for key in old_settings(model):
        for value in ("x", Global("stable_baselines.common.policies", "nature_cnn")):
            try:
                A2C.load(old_file(model, **{key: value}))
            except ValueError as error:
                refused += 1
                assert len(str(error)) < 1500
    assert refused > 55


def test_arrays_of_other_things(members):
    objects = io.BytesIO()
    np.save(objects, np.array([fuzz.Harm()], dtype=object))
    for content, message in (
        (objects.getvalue(), "object arrays and structures are not read"),
        (npy({"descr": [("a", "<f4")], "fortran_order": False, "shape": (1,)}, b"\0" * 4), "structures are not read"),
        (npy({"descr": "<f4", "fortran_order": False, "shape": (-1,)}), "damaged arrays"),
        (npy({"descr": "S0", "fortran_order": False, "shape": (2**60,)}), "are not read"),
        (npy("__import__('os').system('true')"), "damaged arrays"),
        (npy("{'descr': '<f4'}"), "damaged arrays"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"junk", "damaged arrays"),
    ):
        parameters = zipped({"model/vf/w:0.npy": content}).getvalue()
        with pytest.raises(ValueError, match=message):
            A2C.load(zipped({**members, "parameters": parameters}))
        with pytest.raises(ValueError, match=message):
            bytes_to_arrays(parameters)


def test_parameters_that_do_not_fit(model, members):
    own = model.get_parameters()
    transposed = {name: value.T for name, value in own.items()}
    for parameters, message in (
        (transposed, "has shape"),
        ({name: value for name, value in own.items() if "vf" not in name}, "does not fit: parameters are missing"),
        ({**own, "model/more:0": np.zeros(1)}, "does not fit: the model has no parameters named model/more:0"),
        ({name: np.array(value, dtype="U8") for name, value in own.items()}, "needs numbers"),
        ({}, "holds no parameters"),
    ):
        changed = {"parameters": arrays_to_bytes(parameters), "parameter_list": json.dumps(list(parameters))}
        with pytest.raises(ValueError, match=message):
            A2C.load(zipped({**members, **changed}))
    for parameters in (list(own.values())[:-1], [*own.values(), np.zeros(3)][1:]):
        with pytest.raises(ValueError, match="does not fit"):
            A2C.load(io.BytesIO(dumps((old_settings(model), parameters))))


def test_files_that_are_cut(model):
    for file in (old_file(model), io.BytesIO(pickle.dumps(VecNormalizeStandIn()))):
        content = file.getvalue()
        for length in range(0, len(content) - 1, max(1, len(content) // 60)):
            for read in (A2C.load, read_archive, inspect):
                if read is read_archive and content[:length][:1] == b"\x80":
                    continue  # the bytes of a pickle are handed on
                with pytest.raises(ValueError, match="damaged"):
                    read(io.BytesIO(content[:length]))


class VecNormalizeStandIn:
    pass


def test_statistics(tmp_path):
    path = tmp_path / "statistics"
    for content in (
        pickle.dumps(fuzz.Harm()),
        dumps(New(Global("stable_baselines.common.running_mean_std", "RunningMeanStd"), (), {"mean": "x"})),
        zipped({"header.npy": bytes(2**26)}, zipfile.ZIP_DEFLATED).getvalue(),
        b"",
    ):
        path.write_bytes(content)
        assert peak(lambda: VecNormalize.load(path, env()), "holds no normalization statistics") < 50_000_000


def test_a_few_mutations():
    """The whole count is run by hand: see `fuzz`."""
    outcomes, broken = fuzz.run(100, seed=int.from_bytes(b"files", "big"))
    assert broken == []
    assert sum(number for name, number in outcomes.items() if name.endswith("refused")) > 50


def test_another_algorithm_is_named(model, members):
    with pytest.raises(ValueError, match="holds a model of A2C, not of PPO2: use A2C.load"):
        PPO2.load(zipped(members))
