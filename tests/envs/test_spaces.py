"""Spaces: description, conversion, comparison."""

from __future__ import annotations

import json
import types
from collections import OrderedDict

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.envs.spaces import (
    as_gymnasium_space,
    space_from_dict,
    space_kind,
    space_to_dict,
    spaces_equal,
)

EXAMPLES = [
    spaces.Box(-1, 1, (2, 3), np.float32),
    spaces.Box(np.array([-1, -np.inf]), np.array([np.inf, 2]), dtype=np.float64),
    spaces.Box(0, 255, (4, 4, 1), np.uint8),
    spaces.Box(-np.inf, np.inf, (3,), np.float32),
    spaces.Discrete(3),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.Dict(OrderedDict(z=spaces.Discrete(2), a=spaces.Tuple([spaces.MultiBinary(2), spaces.Box(0, 1, ())]))),
]


@pytest.mark.parametrize("space", EXAMPLES, ids=str)
def test_description_survives_json(space):
    described = json.loads(json.dumps(space_to_dict(space), allow_nan=False))
    again = space_from_dict(described)
    assert again == space and again.shape == space.shape and again.dtype == space.dtype
    assert spaces_equal(again, space)
    if isinstance(space, spaces.Dict):
        assert list(again.spaces) == ["z", "a"]


def test_description_of_bounds():
    assert space_to_dict(EXAMPLES[0]) == {"type": "Box", "shape": [2, 3], "low": -1, "high": 1, "dtype": "float32"}
    assert space_to_dict(EXAMPLES[1])["low"] == [-1, "-inf"] and space_to_dict(EXAMPLES[1])["high"] == ["inf", 2]
    assert space_to_dict(spaces.Discrete(3)) == {"type": "Discrete", "n": 3}


@pytest.mark.parametrize("bad", [{}, {"type": "Graph"}, {"type": "Box", "shape": [1]}, {"type": "Tuple", "spaces": 3}])
def test_bad_description_is_refused(bad):
    with pytest.raises(ValueError):
        space_from_dict(bad)


def old_space(kind, **attributes):
    return types.new_class(kind)().__class__ and _filled(types.new_class(kind)(), attributes)


def _filled(thing, attributes):
    vars(thing).update(attributes)
    return thing


def test_spaces_of_old_gym_are_converted():
    box = old_space("Box", shape=(2,), low=np.zeros(2, "f4"), high=np.ones(2, "f4"), dtype=np.dtype("f4"))
    both = old_space("Dict", spaces={"x": box, "n": old_space("Discrete", n=4)})
    converted = as_gymnasium_space(both)
    assert converted == spaces.Dict(OrderedDict(x=spaces.Box(0, 1, (2,)), n=spaces.Discrete(4)))
    assert as_gymnasium_space(EXAMPLES[0]) is EXAMPLES[0]
    assert spaces_equal(box, spaces.Box(0, 1, (2,)))
    with pytest.raises(TypeError, match="int"):
        as_gymnasium_space(3)


def test_equality():
    largest = np.finfo(np.float32).max
    assert spaces_equal(spaces.Box(-largest, largest, (2,)), spaces.Box(-np.inf, np.inf, (2,)))
    assert not spaces_equal(spaces.Box(0, 1, (2,)), spaces.Box(0, 2, (2,)))
    assert spaces_equal(spaces.Box(0, 1, (2,)), spaces.Box(0, 2, (2,)), bounds=False)
    assert not spaces_equal(spaces.Box(0, 1, (2,)), spaces.Box(0, 1, (3,)))
    assert not spaces_equal(spaces.Box(0, 1, (2,), np.float32), spaces.Box(0, 1, (2,), np.float64))
    assert not spaces_equal(spaces.Discrete(2), spaces.MultiBinary(2))
    assert not spaces_equal(spaces.Discrete(2), spaces.Discrete(3))
    assert not spaces_equal(spaces.Tuple([spaces.Discrete(2)]), spaces.Tuple([spaces.Discrete(2)] * 2))


def test_kind_of_a_subclass():
    class Angle(spaces.Box):
        pass

    assert space_kind(Angle(0, 1, ())) == "Box"
