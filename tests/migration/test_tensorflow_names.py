"""Which TensorFlow an import statement of a program gets."""

import subprocess
import sys
import textwrap


def run(code, path=None):
    """Runs code in a process of its own, as a file if a path is given."""
    code = textwrap.dedent(code)
    if path is not None:
        path.write_text(code)
    arguments = [sys.executable, *(["-c", code] if path is None else [str(path)])]
    return subprocess.run(arguments, capture_output=True, text=True)


FORMS = """
    import sys
    from stable_baselines_tf2.migration import use_tensorflow_1
    use_tensorflow_1()
    assert "tensorflow" not in sys.modules
    import tensorflow as tf
    import tensorflow
    import tensorflow.contrib.layers as layers
    from tensorflow.contrib.layers import flatten, layer_norm
    from tensorflow.keras.layers import Dense
    from tensorflow import keras
    import tensorflow.compat.v1 as tf1
    from tensorflow.python.framework import ops
    assert tensorflow is tf is tf1 and layers.flatten is flatten and keras.layers.Dense is Dense
    assert Dense.__module__.startswith("tf_keras")
    assert keras.backend.tensorflow_backend.set_session and keras.backend.set_session
    tf.disable_v2_behavior(), tf.compat.v1.disable_eager_execution()
    assert tf.executing_eagerly() and tf.log(1.0).numpy() == 0.0
    assert tf.logging.ERROR and tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True)) and tf.Summary
    import stable_baselines_tf2.common.tf_layers as own
    assert own.tf is not tf and own.tf is sys.modules["tensorflow"]
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 3])
        assert x.shape[1].value == 3 and x.get_shape().as_list() == [None, 3]
        y = tf.reduce_mean(x, reduction_indices=1, keep_dims=True)
        assert sess.run(tf.losses.mean_squared_error(y, y), {x: [[1.0, 2.0, 3.0]]}) == 0.0
        assert tf.get_default_session() is sess
    print("done")
"""


def test_forms_of_imports(tmp_path):
    for path in (None, tmp_path / "program.py"):
        result = run(FORMS, path)
        assert result.stdout == "done\n", result.stderr


def test_tensorflow_that_was_imported_before():
    result = run(
        """
        import tensorflow as tf
        from stable_baselines_tf2.migration import use_tensorflow_1
        use_tensorflow_1()
        print(tf.log(1.0).numpy(), tf.layers.dense.__name__, hasattr(tf, "no_such_name"))
        """
    )
    assert result.stdout == "0.0 dense False\n", result.stderr


def test_a_default_graph():
    result = run(
        """
        from stable_baselines_tf2.migration import install
        install()
        import tensorflow as tf
        from stable_baselines import PPO2
        x = tf.placeholder(tf.float32, [None, 2])
        y = tf.layers.dense(x, 1, kernel_initializer=tf.zeros_initializer())
        train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(y - 1.0)))
        sess = tf.Session()
        sess.run(tf.global_variables_initializer())
        for _ in range(50):
            sess.run(train, {x: [[1.0, 2.0]]})
        print(abs(sess.run(y, {x: [[1.0, 2.0]]}) - 1.0).max() < 1e-3)
        model = PPO2("MlpPolicy", "CartPole-v1", n_steps=8, nminibatches=1).learn(16)  # amid the graph
        print(model.num_timesteps, tf.train.Saver().save(sess, "/dev/null/no") if False else "")
        """
    )
    assert result.stdout == "True\n16 \n", result.stderr


def test_names_that_cannot_be_given():
    result = run(
        """
        from stable_baselines_tf2.migration import use_tensorflow_1
        use_tensorflow_1()
        import tensorflow as tf
        for name in ("tf.contrib.layers.bow_encoder", "tf.contrib.eager", "tf.estimator"):
            try:
                eval(name)
            except AttributeError as error:
                print(error)
        try:
            import tensorflow.contrib.opt
        except ImportError as error:
            print(error)
        """
    )
    lines = result.stdout.splitlines()
    assert lines[0].startswith(
        "tf.contrib.layers.bow_encoder is not available: tf.contrib ended with TensorFlow 1. Use "
    )
    assert "Use tf.layers, tf.nn, tf.keras" in lines[1] and "tensorflow.estimator is unknown" in lines[2]
    assert "tf.contrib.opt is not available" in lines[3]
