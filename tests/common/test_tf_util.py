import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2.common import tf_util


def test_sequences_are_environment_major():
    batch = tf.reshape(tf.range(12.0), [6, 2])  # 2 environments, 3 steps
    sequence = tf_util.batch_to_seq(batch, 2, 3)
    assert len(sequence) == 3
    np.testing.assert_array_equal(sequence[1], [[2, 3], [8, 9]])
    np.testing.assert_array_equal(tf_util.seq_to_batch(sequence), batch)


def test_flat_sequences():
    sequence = tf_util.batch_to_seq(tf.range(6), 2, 3, flat=True)
    np.testing.assert_array_equal(sequence[2], [2, 5])
    np.testing.assert_array_equal(tf_util.seq_to_batch(sequence, flat=True), np.arange(6))
    with pytest.raises(ValueError, match="flat=True"):
        tf_util.seq_to_batch(sequence)


def test_losses_and_norms():
    x = tf.constant([[-3.0, 0.5], [4.0, -1.0]])
    np.testing.assert_allclose(tf_util.huber_loss(x), [[2.5, 0.125], [3.5, 0.5]])
    np.testing.assert_allclose(tf_util.huber_loss(x, 2.0), [[4.0, 0.125], [6.0, 0.5]])
    assert float(tf_util.mse(x, x + 2)) == 4.0
    assert float(tf_util.avg_norm(tf.constant([[3.0, 4.0], [0.0, 1.0]]))) == 3.0
    assert float(tf_util.q_explained_variance(x, x)) == 1.0
    assert float(tf_util.q_explained_variance(tf.zeros_like(x), x)) == pytest.approx(0.0)


def test_categorical_distributions():
    logits = tf.math.log([[0.5, 0.25, 0.25], [1.0, 1e-9, 1e-9]])
    np.testing.assert_allclose(tf_util.calc_entropy(logits), [1.5 * np.log(2), 0.0], atol=1e-6)
    tf.random.set_seed(0)
    drawn = tf_util.sample(tf.repeat(logits, 4000, axis=0)).numpy()
    np.testing.assert_allclose(np.bincount(drawn[:4000], minlength=3) / 4000, [0.5, 0.25, 0.25], atol=0.03)
    assert (drawn[4000:] == 0).all()


def test_works_in_compiled_functions():
    @tf.function
    def run(x):
        return tf_util.seq_to_batch(tf_util.batch_to_seq(tf_util.huber_loss(x), 2, 2)), tf_util.sample(x)

    x = tf.constant([[0.0, 2.0]] * 4)
    batch, drawn = run(x)
    np.testing.assert_allclose(batch, tf_util.huber_loss(x))
    assert drawn.shape == (4,)


def test_gradient_add(capsys):
    one, two, variable = tf.constant(1.0), tf.constant(2.0), tf.Variable(0.0, name="weight")
    assert tf_util.gradient_add(None, None, variable) is None
    assert tf_util.gradient_add(None, two, variable) is two and tf_util.gradient_add(one, None, variable) is one
    assert float(tf_util.gradient_add(one, two, variable, verbose=2)) == 3.0
    assert "weight" in capsys.readouterr().out


def test_shapes():
    variable = tf.Variable(np.zeros((2, 3)))
    assert (tf_util.var_shape(variable), tf_util.numel(variable), tf_util.intprod([])) == ([2, 3], 6, 1)
    with pytest.raises(ValueError, match="fully known"):
        tf_util.var_shape(tf.TensorSpec([None, 3]))
    assert tf_util.check_shape([variable, tf.zeros(())], [[2, 3], []]) is None
    with pytest.raises(ValueError, match=r"tensor 1 must have the shape \[1\]"):
        tf_util.check_shape([variable, variable], [[2, 3], [1]])


def test_episode_rewards_are_summed_over_calls(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    total = np.zeros(2)
    rewards = np.array([[1.0, 2.0, 4.0, 8.0], [1.0, 1.0, 1.0, 1.0]])
    masks = np.array([[0, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)
    assert tf_util.total_episode_reward_logger(total, rewards, masks, writer, 100) is total
    assert total.tolist() == [8.0, 4.0]
    tf_util.total_episode_reward_logger(total, rewards[:, :1], np.array([[True], [True]]), writer, 104)
    assert total.tolist() == [1.0, 1.0]
    writer.close()
    events = [event for path in tmp_path.iterdir() for event in tf.compat.v1.train.summary_iterator(str(path))]
    written = [(e.step, float(tf.make_ndarray(v.tensor)), v.tag) for e in events for v in e.summary.value]
    steps_and_rewards = [(101, 1.0), (103, 6.0), (104, 8.0), (104, 4.0)]
    assert written == [(step, reward, "episode_reward") for step, reward in steps_and_rewards]
