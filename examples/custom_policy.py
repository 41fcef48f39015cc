"""Three ways to one's own network: ``policy_kwargs``, a policy subclass, a convolutional extractor."""

import gymnasium
import numpy as np
import tensorflow as tf

from stable_baselines_tf2 import A2C, PPO2
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.policies import FeedForwardPolicy, register_policy
from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc, linear

# 1. A shared layer of 64, then 32 for the policy and 64, 32 for the value.
model = PPO2(
    "MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": [64, {"pi": [32], "vf": [64, 32]}], "act_fun": tf.nn.relu}
)
model.learn(1024)


# 2. The same as a class with a name.
class SmallPolicy(FeedForwardPolicy):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, net_arch=[{"pi": [32], "vf": [32]}], feature_extraction="mlp", **kwargs)


register_policy("SmallPolicy", SmallPolicy)
A2C("SmallPolicy", "CartPole-v1").learn(1000)


# 3. An extractor for images.
class Blobs(gymnasium.Env):
    """One pixel of an 8 x 8 image is lit; name its half."""

    observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return self._draw(), {}

    def step(self, action):
        reward = float(action == self._column // 4)
        self._steps += 1
        return self._draw(), reward, False, self._steps == 20, {}

    def _draw(self):
        image = np.zeros((8, 8, 1), np.uint8)
        self._column = int(self.np_random.integers(8))
        image[self.np_random.integers(8), self._column] = 255
        return image


def small_cnn(scaled_images, **kwargs):
    hidden = tf.nn.relu(
        conv(scaled_images, "c1", n_filters=8, filter_size=3, stride=2, init_scale=np.sqrt(2), **kwargs)
    )
    return tf.nn.relu(linear(conv_to_fc(hidden), "fc1", n_hidden=32, init_scale=np.sqrt(2)))


env = make_vec_env(Blobs, n_envs=4, seed=0)
model = PPO2("CnnPolicy", env, n_steps=32, policy_kwargs={"cnn_extractor": small_cnn}, seed=0)
model.learn(2048)
print([name for name in model.get_parameters() if "c1" in name])
