"""Compiled phases: minibatches in one call, traced once for each combination of shapes."""

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.core.optimizers import Adam, RMSProp
from stable_baselines_tf2.core.phases import (
    CompiledPhase,
    TrainingState,
    consecutive_steps,
    gradient_step,
    minibatch_steps,
    shuffled_minibatches,
)


def quadratic(target):
    def loss(vector):
        value = tf.reduce_sum(tf.square(vector - target))
        return value, {"loss": value, "largest": tf.reduce_max(vector)}

    return loss


def test_gradient_step():
    optimizer = RMSProp(decay=0.0, epsilon=0.0)
    state = optimizer.initial_state(2)
    vector, state, statistics = gradient_step(
        quadratic(tf.constant([1.0, 0.0])), optimizer, tf.constant([3.0, -1.0]), state, tf.constant(0.5)
    )
    np.testing.assert_allclose(vector, [2.5, -0.5])  # by the sign of the gradient
    assert {name: float(value) for name, value in statistics.items()} == {"loss": 5, "largest": 3}  # before the step
    np.testing.assert_allclose(state["rmsprop/mean_square"], [16, 4])


def test_gradient_step_clips():
    optimizer = RMSProp(decay=0.0, epsilon=1.0)
    vector, *_ = gradient_step(
        quadratic(0.0), optimizer, tf.constant([30.0, 40.0]), optimizer.initial_state(2), tf.constant(1.0), 5.0
    )
    np.testing.assert_allclose(vector, [30 - 3 / np.sqrt(10), 40 - 4 / np.sqrt(17)], rtol=1e-6)


def test_minibatch_steps_are_single_steps_in_turn():
    rng = np.random.default_rng(0)
    x, per_env = rng.normal(size=(6, 2)).astype(np.float32), np.float32([[10], [20], [30]])
    rows, sequences = np.array([[0, 3], [5, 5], [1, 2]], np.int32), np.array([[0, 1], [2, 2], [1, 0]], np.int32)

    def step(vector, state, batch):
        loss = quadratic(tf.reduce_mean(batch["x"], axis=0) + tf.reduce_mean(batch["states"]))
        vector, moments, statistics = gradient_step(loss, Adam(), vector, state.moments, tf.constant(0.1))
        return vector, state._replace(moments=moments), statistics

    def phase(vector, state, inputs):
        return minibatch_steps(
            step, vector, state, {"x": inputs["x"]}, inputs["rows"], {"states": inputs["s"]}, inputs["sequences"]
        )

    inputs = {"x": x, "rows": rows, "s": per_env, "sequences": sequences}
    vector, state, statistics = CompiledPhase(phase, jit_compile=True, in_caller=True)(
        tf.zeros(2), TrainingState(Adam().initial_state(2)), inputs
    )
    expected, expected_state = tf.zeros(2), TrainingState(Adam().initial_state(2))
    for k in range(3):
        batch = {"x": tf.constant(x[rows[k]]), "states": tf.constant(per_env[sequences[k]])}
        expected, expected_state, values = step(expected, expected_state, batch)
        assert list(values) == list(statistics) == ["loss", "largest"]
        for name, value in values.items():
            np.testing.assert_allclose(statistics[name][k], value, rtol=1e-5)
    np.testing.assert_allclose(vector, expected, rtol=1e-5)
    for name, value in expected_state.moments.items():
        np.testing.assert_allclose(state.moments[name], value, rtol=1e-5)


def test_a_phase_is_traced_once_for_each_combination_of_shapes():
    traces = []

    def phase(vector, state, inputs):
        traces.append(1)
        moved = vector + inputs["b"] * tf.reduce_sum(inputs["a"])
        statistics = {"first": moved[0], "m": state.extra["m"]}
        moments, extra = {"n": state.moments["n"] + 1}, {"m": state.extra["m"] * 2}
        return moved, state._replace(moments=moments, extra=extra), statistics

    compiled = CompiledPhase(phase, jit_compile=False, in_caller=True)
    vector = tf.zeros(2)
    state = TrainingState({"n": tf.constant(0.0)}, {"target": tf.constant([7.0])}, {"m": tf.constant(1.0)})
    for b in (1.0, 2.0, 3.0):
        inputs = {"b": np.float32(b), "a": np.ones(2, np.float32)}
        vector, state, statistics = compiled(vector, state, inputs)
    assert len(traces) == compiled.n_traces == 1
    np.testing.assert_array_equal(vector, [12, 12])
    assert float(state.moments["n"]) == 3 and float(state.extra["m"]) == 8 and float(state.targets["target"][0]) == 7
    assert statistics == {"first": 12, "m": 4}
    compiled(vector, state, {"b": np.float32(1), "a": np.ones(3, np.float32)})
    assert compiled.n_traces == 2
    compiled(vector, state, {"b": np.float32(1), "a": np.ones(3, np.float64).astype(np.float32)})
    assert compiled.n_traces == 2


def test_shuffled_minibatches_visit_everything_once_in_each_epoch():
    rows = shuffled_minibatches(np.random.default_rng(0), n_epochs=3, n_minibatches=4, n_items=20)
    assert rows.shape == (12, 5) and rows.dtype == np.int32
    epochs = rows.reshape(3, 20)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(20), (3, 1)))
    assert not np.array_equal(epochs[0], epochs[1])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_some_of_the_steps(jit_compile):
    """How many of the batches count is a tensor: no number is traced anew."""

    def step(vector, state, batch):
        return vector + batch["x"], state, {"x": batch["x"][0]}

    def phase(vector, state, inputs):
        return consecutive_steps(step, vector, state, {"x": inputs["x"]}, inputs["n"])

    compiled = CompiledPhase(phase, jit_compile=jit_compile, in_caller=jit_compile)
    x = np.float32([[1], [2], [4], [8]])
    for n, total in ((1, 1), (3, 7), (4, 15)):
        vector, _, statistics = compiled(tf.zeros(1), TrainingState({}), {"x": x, "n": np.int32(n)})
        assert vector.numpy() == [total]
        np.testing.assert_array_equal(statistics["x"], [1, 2, 4, 8][:n] + [0] * (4 - n))
    assert compiled.n_traces == 1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_inputs_of_all_types_arrive_bit_by_bit(jit_compile):
    generator = np.random.default_rng(0)
    inputs = {
        "single": generator.standard_normal((2, 3), dtype=np.float32)[:, ::2],
        "double": generator.standard_normal((4, 1)),
        "int64": np.array([[2**62 + 1, -3]]),
        "int32": np.array([-1, 2**30 + 1], np.int32),  # -1 is a NaN among floats
        "flag": np.array([True, False]),
        "byte": np.arange(5, dtype=np.uint8),
        "scalar": np.float32(0.1),
        "empty": np.empty((0, 2), np.float32),
        "tensor": tf.constant([1.5]),
        "large": generator.standard_normal((100, 100), dtype=np.float32),
    }

    def phase(vector, state, batch):
        return vector, state, {name: tf.identity(batch[name]) for name in inputs}

    compiled = CompiledPhase(phase, jit_compile=jit_compile, in_caller=True)
    for _ in range(2):
        found = compiled(tf.zeros(1), TrainingState({}), inputs)[2]
        for name, value in inputs.items():
            assert found[name].dtype == np.asarray(value).dtype, name
            np.testing.assert_array_equal(found[name], value)


def test_a_variant_is_decided_when_the_phase_is_traced():
    seen = []

    def phase(vector, state, inputs, variant):
        seen.append(variant)
        return vector + (1.0 if variant == "up" else -1.0), state, {}

    compiled = CompiledPhase(phase, jit_compile=False, in_caller=True)
    vector = tf.zeros(1)
    for variant in ("up", "up", "down", "up"):
        vector, *_ = compiled(vector, TrainingState({}), {"x": np.float32(0)}, variant)
    assert vector.numpy() == [2] and seen == ["up", "down"] and compiled.n_traces == 2


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize(
    "returned, message",
    [
        (lambda state: state.moments, "must return its state as a TrainingState, not as a dict"),
        (lambda state: state._replace(moments={"m": state.moments["m"]}), "it lacks v among its moments"),
        (lambda state: state._replace(targets={}), "it lacks target among its targets"),
        (lambda state: state._replace(extra={"alpha": tf.constant(0.0)}), "it adds alpha among its extra"),
    ],
)
def test_the_whole_state_must_come_back(n_steps, returned, message):
    def step(vector, state, batch):
        return vector, returned(state), {"x": batch["x"]}

    def phase(vector, state, inputs):
        return consecutive_steps(step, vector, state, inputs)

    state = TrainingState({"m": tf.zeros(1), "v": tf.zeros(1)}, {"target": tf.zeros(1)})
    with pytest.raises(ValueError, match=message):
        CompiledPhase(phase, jit_compile=False, in_caller=False)(
            tf.zeros(1), state, {"x": np.zeros(n_steps, np.float32)}
        )


def test_an_optimizer_returns_its_whole_state():
    class Forgetful:
        def initial_state(self, size):
            return {"momentum": tf.zeros(size), "count": tf.constant(0.0)}

        def step(self, vector, gradient, state, learning_rate):
            return vector - learning_rate * gradient, {"momentum": gradient}

    optimizer = Forgetful()
    with pytest.raises(
        ValueError, match=r"Forgetful.step\(\) returns another state .* it lacks count among its moments"
    ):
        gradient_step(quadratic(0.0), optimizer, tf.ones(2), optimizer.initial_state(2), tf.constant(0.1))


@pytest.mark.parametrize("statistics", [[1.0], {"loss": 1.0}, {1: tf.constant(1.0)}])
def test_statistics_are_tensors_by_name(statistics):
    compiled = CompiledPhase(
        lambda vector, state, inputs: (vector, state, statistics), jit_compile=False, in_caller=True
    )
    with pytest.raises(TypeError, match="must return its statistics as a dictionary of tensors by name"):
        compiled(tf.zeros(1), TrainingState({}), {"x": np.float32(0)})


def test_statistics_of_all_shapes_and_types_come_back():
    def phase(vector, state, inputs):
        return (
            vector,
            state,
            {"n": tf.constant(3), "loss": inputs["x"][0], "errors": inputs["x"], "flag": inputs["x"] > 1},
        )

    x = np.float32([1, 2])
    _, _, found = CompiledPhase(phase, jit_compile=False, in_caller=True)(tf.zeros(1), TrainingState({}), {"x": x})
    assert list(found) == ["n", "loss", "errors", "flag"] and found["n"] == 3 and found["loss"] == 1
    np.testing.assert_array_equal(found["errors"], x)
    np.testing.assert_array_equal(found["flag"], [False, True])
