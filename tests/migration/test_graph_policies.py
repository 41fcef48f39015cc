"""Custom policies written as a graph of TensorFlow 1: the error, and what the guide says instead."""

import re
import textwrap
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import A2C, DQN
from stable_baselines_tf2.common.policies import ActorCriticPolicy, Features, FeedForwardPolicy
from stable_baselines_tf2.common.tf_layers import conv_to_fc, linear
from stable_baselines_tf2.deepq.policies import DQNPolicy

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "migration.rst"


@pytest.mark.parametrize(("algorithm", "base"), [(A2C, ActorCriticPolicy), (DQN, DQNPolicy)])
@pytest.mark.parametrize("line", ["tf.variable_scope('model')", "self.processed_obs", "tf.placeholder(tf.float32)"])
def test_graph_code_is_told_where_to_read(algorithm, base, line):
    class Graph(base):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            eval(line)

    with pytest.raises(TypeError, match=r"Graph is written for TensorFlow 1 .*docs/guide/migration\.rst"):
        algorithm(Graph, "CartPole-v1")


def test_extractor_with_tf_layers():
    class Layers(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            flat = lambda images, **_: tf.layers.flatten(images)  # noqa: E731
            super().__init__(*args, **kwargs, cnn_extractor=flat, feature_extraction="cnn")

    class Images(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)

    with pytest.raises(TypeError, match="Layers is written for TensorFlow 1 .*'layers'"):
        A2C(Layers, Images())


def test_other_errors_stay_as_they_are():
    class Wrong(ActorCriticPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.no_such_thing  # noqa: B018

    with pytest.raises(AttributeError, match="no_such_thing"):
        A2C(Wrong, "CartPole-v1")


def test_policy_of_the_guide():
    code = re.search(r"   # here\n(.*?)\n\n- ", GUIDE.read_text(), re.DOTALL).group(1)
    names = {"ActorCriticPolicy": ActorCriticPolicy, "Features": Features, "tf": tf}
    exec(textwrap.dedent(code), names | {"conv_to_fc": conv_to_fc, "linear": linear}, names)
    model = A2C(names["CustomPolicy"], "CartPole-v1", n_steps=4)
    model.learn(8)
    assert model.get_parameters()["model/fc/w:0"].shape == (4, 64)
    assert {"model/vf/w:0", "model/pi/w:0", "model/q/w:0"} <= set(model.get_parameters())
