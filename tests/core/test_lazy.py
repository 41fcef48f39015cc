"""Dictionaries that compute values when somebody looks."""

import copy
import pickle

from stable_baselines_tf2.core.lazy import LazyDict


def made():
    asked = []

    def read(source):
        asked.append(source)
        return len(asked)

    values = LazyDict(given=0)
    values.offer({"one": read, "other": read}, "source")
    return values, asked


def test_values_are_computed_once_when_they_are_wanted():
    values, asked = made()
    assert list(values) == ["given", "one", "other"] and "one" in values and len(values) == 3 and not asked
    assert values["one"] == values["one"] == 1 and asked == ["source"]
    assert values.get("other") == 2 and values.get("missing") is None and values.get("missing", 5) == 5
    values.offer({"one": lambda source: source * 2}, 4)
    assert values["one"] == 8


def test_all_ways_to_look():
    for look in (
        dict,
        lambda values: {**values},
        lambda values: values | {},
        lambda values: {} | values,
        lambda values: dict(values.items()),
        lambda values: dict(zip(values, values.values(), strict=True)),
        LazyDict.copy,
        copy.copy,
        lambda values: pickle.loads(pickle.dumps(values)),
        lambda values: {name: values.pop(name) for name in list(values)},
        lambda values: {name: values.setdefault(name, None) for name in values},
    ):
        values, _ = made()
        seen = look(values)
        assert seen == {"given": 0, "one": 1, "other": 2}, look
    values, _ = made()
    assert values == {"given": 0, "one": 1, "other": 2} and repr(values) == "{'given': 0, 'one': 1, 'other': 2}"


def test_one_takes_from_another_without_looking():
    values, asked = made()
    other = LazyDict()
    other.update(values, further=3)
    assert not asked and other["further"] == 3 and other["one"] == 1 and asked == ["source"]
