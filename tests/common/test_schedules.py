import json
import pickle

import numpy as np
import pytest

from stable_baselines_tf2.common import schedules


def test_get_schedule_fn():
    function = schedules.get_schedule_fn(3)
    assert function == schedules.constfn(3.0) and isinstance(function(0.5), float)
    assert schedules.get_schedule_fn(np.float32(0.5))(0.1) == 0.5
    assert schedules.get_schedule_fn(abs) is abs
    for wrong in ("0.1", None, True):
        with pytest.raises(TypeError, match="value_schedule"):
            schedules.get_schedule_fn(wrong)


def test_functions_of_progress():
    assert repr(schedules.constfn(0.25)) == "ConstantFunction(value=0.25)"
    linear = schedules.LinearFunction(0.3, 0.1)
    assert [linear(p) for p in (1, 0.5, 0)] == pytest.approx([0.3, 0.2, 0.1])
    assert schedules.LinearFunction(2.0)(0.25) == 0.5
    assert pickle.loads(pickle.dumps(linear)) == linear


@pytest.mark.parametrize("function", [schedules.constfn(np.float32(0.5)), schedules.LinearFunction(0.3, 0.1)])
def test_descriptions(function):
    description = json.loads(json.dumps(schedules.schedule_to_dict(function)))
    assert schedules.schedule_from_dict(description) == function


def test_descriptions_of_something_else():
    assert schedules.schedule_to_dict(lambda p: p) is None
    assert schedules.schedule_to_dict(0.5) is None
    for wrong in ({"type": "cosine"}, {}, {"type": "constant"}, {"type": "linear", "initial": 1, "slope": 2}):
        with pytest.raises(ValueError, match="schedule"):
            schedules.schedule_from_dict(wrong)


def test_linear_schedule_stays_at_its_end():
    schedule = schedules.LinearSchedule(10, final_p=0.2)
    assert [schedule.value(s) for s in (0, 5, 10, 99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert schedules.LinearSchedule(0, final_p=0.2).value(0) == pytest.approx(0.2)


def test_piecewise_schedule():
    schedule = schedules.PiecewiseSchedule([(0, 1.0), (10, 0.0), (20, 4.0)])
    assert [schedule.value(s) for s in (0, 5, 10, 15)] == pytest.approx([1.0, 0.5, 0.0, 2.0])
    with pytest.raises(ValueError, match="step 20 is outside"):
        schedule.value(20)
    assert schedules.PiecewiseSchedule([(0, 1.0), (10, 0.0)], outside_value=7).value(-1) == 7
    assert schedules.PiecewiseSchedule([(0, 1.0), (10, 0.0)], lambda left, right, alpha: left).value(9) == 1.0
    with pytest.raises(ValueError, match="order"):
        schedules.PiecewiseSchedule([(10, 1.0), (0, 0.0)])


def test_constant_schedule_and_base_class():
    assert schedules.ConstantSchedule(0.3).value(1000) == 0.3
    with pytest.raises(NotImplementedError):
        schedules.Schedule().value(0)


def test_scheduler_counts_its_calls():
    scheduler = schedules.Scheduler(2.0, 4, "linear")
    assert [scheduler.value() for _ in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.0]
    assert scheduler.value_steps(1) == 1.5
    assert [schedules.double_middle_drop(p) for p in (0.1, 0.25, 0.5, 0.9)] == pytest.approx([0.9, 0.75, 0.075, 0.125])


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_scheduler_without_values_does_not_divide_by_zero(name):
    scheduler = schedules.Scheduler(0.5, 0, name)
    assert [scheduler.value(), scheduler.value(), scheduler.value_steps(3)] == [0.5, 0.5, 0.5]


def test_scheduler_refuses_bad_input():
    with pytest.raises(ValueError, match="'cosine'.*'linear'"):
        schedules.Scheduler(1.0, 10, "cosine")
    with pytest.raises(ValueError, match="n_values"):
        schedules.Scheduler(1.0, -1, "linear")
