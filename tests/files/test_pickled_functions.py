"""Functions of arithmetic that files hold by value: read from the bytecode of many versions of Python, never run."""

import base64
import dataclasses
import json
import math
from pathlib import Path

import cloudpickle
import pytest

from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction, schedule_from_dict, schedule_to_dict
from stable_baselines_tf2.core.arithmetic import MAX_STEPS, ArithmeticFunction
from stable_baselines_tf2.files.hyperparameters import data_to_json, json_to_data
from stable_baselines_tf2.files.pickle_objects import loads
from stable_baselines_tf2.files.pickle_tree import UnsafePickle

ARGUMENTS = (1.0, 0.9, 0.7, 0.5, 0.33, 0.2, 0.05, 0.0)
# By version of Python (and of cloudpickle): pickled functions and what they give for `ARGUMENTS`; None: not arithmetic.
STORED = json.loads((Path(__file__).parents[1] / "data" / "functions.json").read_text())


def restored(function):
    return loads(cloudpickle.dumps(function))


@pytest.mark.parametrize("version", STORED)
def test_functions_of_other_pythons(version):
    for name, (content, expected) in STORED[version].items():
        if expected is None:
            with pytest.raises(UnsafePickle, match="the code of the function"):
                loads(base64.b64decode(content))
        else:
            function = loads(base64.b64decode(content))
            assert [float(function(value)) for value in ARGUMENTS] == expected, name


def test_they_survive_files_as_data():
    schedule = restored(lambda f: max(1e-5, f**2 * 1e-3) if f > 0.1 else math.pi)
    text = data_to_json({"learning_rate": schedule})
    again = json_to_data(text)["learning_rate"]
    assert again == schedule and ":serialized:" not in text
    assert [again(value) for value in (1.0, 0.05)] == [1e-3, math.pi]


def test_the_simplest_ones_are_the_schedules_of_the_library():
    assert restored(lambda f: f * 0.5) == restored(lambda f: 0.5 * f) == LinearFunction(0.5)
    assert restored(lambda _: 3) == ConstantFunction(3.0)


def test_outcomes_that_are_not_needed_are_not_computed():
    assert restored(lambda f: 1 / f if f > 0 else 7.0)(0.0) == 7.0


@pytest.mark.parametrize(
    "function", [lambda f: open("/none"), lambda f: [f], lambda f: "text", lambda f: f.__class__, lambda f, g: f, print]
)
def test_anything_else_is_refused(function):
    with pytest.raises(UnsafePickle):
        restored(function)


def test_numbers_and_functions_do_not_grow():
    steps = [("argument",), ("number", 2.0), *(("*", i, i) for i in range(1, 100))]
    assert ArithmeticFunction((*steps, ("**", len(steps) - 1, len(steps) - 1)))(1.0) == math.inf
    source = "lambda f: " + "+".join(f"f*{i}.5" for i in range(MAX_STEPS))
    with pytest.raises(UnsafePickle):
        restored(eval(source))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [["argument"], ["+", 0, 1]],
        [["open"]],
        [["number", "1"]],
        [["argument"], ["if", 0, 0]],
        [["argument"], ["+", 0]],
    ],
)
def test_damaged_descriptions(steps):
    with pytest.raises(ValueError, match="steps"):
        schedule_from_dict({"type": "arithmetic", "steps": steps})


def test_descriptions_are_read_back():
    function = ArithmeticFunction((("argument",), ("number", 0.5), ("max", 0, 1)))
    assert schedule_from_dict(json.loads(json.dumps(schedule_to_dict(function)))) == function
    assert dataclasses.is_dataclass(function)
