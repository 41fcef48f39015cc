"""The way from a lower wing to a higher one."""

import pytest

import stable_baselines_tf2  # noqa: F401 (provides)
from stable_baselines_tf2.core import wiring
from stable_baselines_tf2.files import pickle_objects


def test_what_the_package_provides():
    assert wiring.use("read_pickle") is pickle_objects.loads


def test_what_nothing_provides():
    with pytest.raises(LookupError, match="nothing provides 'write_pickle'; provided are .*read_pickle"):
        wiring.use("write_pickle")


def test_places_are_imported_when_they_are_used(monkeypatch):
    monkeypatch.setattr(wiring, "_places", {})
    wiring.provide("nothing", "no_such_module:name")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        wiring.use("nothing")
