"""The names of TensorFlow 1 that come back."""

import importlib.util
import sys

import pytest

from stable_baselines_tf2.migration import tensorflow_names


def test_names_come_back_although_somebody_looked_for_tensorflow_before(tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text("class random:\n    set_seed = 'seeds'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    finders = list(sys.meta_path)
    tensorflow_names.watch()
    assert importlib.util.find_spec("tensorflow").origin == str(tmp_path / "tensorflow.py")

    module = importlib.import_module("tensorflow")

    assert module.set_random_seed == "seeds"
    with pytest.raises(AttributeError, match="graphs and sessions"):
        _ = module.placeholder
    assert sys.meta_path == finders
