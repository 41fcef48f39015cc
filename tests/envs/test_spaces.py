"""Spaces: description, conversion, comparison."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.envs.spaces import (
    action_bounds,
    as_gymnasium_space,
    clip_to_bounds,
    is_box,
    is_discrete,
    is_image,
    kind_of,
    random_actions,
    space_from_dict,
    space_kind,
    space_to_dict,
    spaces_equal,
    width,
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


# ------------------------------------------------------------------------------------------------------------ the table
ROWS = [  # space, width, one-hot, distribution, sampler
    (spaces.Box(-1, 1, (2, 3)), 6, False, "gaussian", "GaussianSampler"),
    (spaces.Discrete(4, start=2), 4, True, "categorical", "CategoricalSampler"),
    (spaces.MultiDiscrete([2, 3]), 5, True, "multi-categorical", "MultiCategoricalSampler"),
    (spaces.MultiBinary(3), 3, False, "bernoulli", "BernoulliSampler"),
]


@pytest.mark.parametrize("space, n, one_hot, distribution, sampler", ROWS, ids=lambda value: type(value).__name__)
def test_rows_of_the_table(space, n, one_hot, distribution, sampler):
    kind = kind_of(space)
    assert (width(space), kind.one_hot, kind.distribution) == (n, one_hot, distribution)
    assert type(kind.sampler(space)).__name__ == sampler
    assert is_box(space) is (kind.name == "Box") and is_discrete(space) is (kind.name == "Discrete")
    actions = random_actions(space, 50, np.random.default_rng(0))
    assert len(actions) == 50 and all(map(space.contains, actions))
    np.testing.assert_array_equal(actions, random_actions(space, 50, np.random.default_rng(0)))
    assert len(np.unique(actions, axis=0)) > 2


@pytest.mark.parametrize("space", [spaces.Dict(a=spaces.Discrete(2)), spaces.Tuple([spaces.Discrete(2)])])
def test_composite_spaces_are_not_for_networks(space):
    with pytest.raises(TypeError, match="networks do not take a (Dict|Tuple) space"):
        width(space)
    with pytest.raises(TypeError, match="actions of a (Dict|Tuple) space cannot be drawn"):
        random_actions(space, 1, np.random.default_rng(0))


def test_bounds_of_actions():
    space = spaces.Box(np.float32([-1, 0]), np.float32([1, 2]))
    np.testing.assert_array_equal(clip_to_bounds(np.float32([[-5, 5]]), space), [[-1, 2]])
    actions = np.array([7])
    assert clip_to_bounds(actions, spaces.Discrete(2)) is actions and action_bounds(spaces.Discrete(2)) is None
    with pytest.raises(ValueError, match="Box without bounds"):
        random_actions(spaces.Box(-np.inf, np.inf, (1,)), 1, np.random.default_rng(0))


def test_images():
    assert is_image(spaces.Box(0, 255, (8, 8, 3), np.uint8)) and not is_image(spaces.Box(0, 1, (8, 8)))
    assert not is_image(spaces.Discrete(3))


def test_the_table_needs_no_tensorflow():
    modules = "stable_baselines_tf2.envs.spaces, stable_baselines_tf2.files.inspection"
    code = f"import sys, {modules}; print({chr(39)}tensorflow{chr(39)} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
