"""Policies as people wrote them for Stable Baselines 2, as graphs of TensorFlow 1; imports as in their programs.

The original and this library run this very file: ``register()`` makes the policies known by name, for the cases of
``graph_data``.
"""

import numpy as np
import tensorflow as tf
from stable_baselines.common.policies import (
    ActorCriticPolicy,
    FeedForwardPolicy,
    LstmPolicy,
    RecurrentActorCriticPolicy,
    register_policy,
)
from stable_baselines.common.tf_layers import linear, lstm
from stable_baselines.common.tf_util import batch_to_seq, seq_to_batch
from stable_baselines.ddpg.policies import DDPGPolicy
from stable_baselines.deepq.policies import DQNPolicy
from stable_baselines.deepq.policies import FeedForwardPolicy as DQNFeedForward
from stable_baselines.sac.policies import (
    SACPolicy,
    apply_squashing_func,
    gaussian_entropy,
    gaussian_likelihood,
)
from stable_baselines.td3.policies import TD3Policy


class FeedForward(ActorCriticPolicy):
    """A network in the constructor, ``sess.run`` in the methods."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=True)
        with tf.variable_scope("model", reuse=reuse):
            pi_latent, vf_latent = self.make_network(self.processed_obs, **kwargs)
            self._value_fn = tf.layers.dense(vf_latent, 1, name="vf")
            self._proba_distribution, self._policy, self.q_value = self.pdtype.proba_distribution_from_latent(
                pi_latent, vf_latent, init_scale=0.1
            )
        self._setup_init()

    def make_network(self, obs, width=12):
        hidden = tf.layers.dense(tf.layers.flatten(obs), width, activation=tf.tanh, name="first")
        hidden = tf.layers.dense(hidden, 11, activation=tf.nn.relu, name="second")
        return hidden, hidden

    def step(self, obs, state=None, mask=None, deterministic=False):
        chosen = self.deterministic_action if deterministic else self.action
        action, value, neglogp = self.sess.run([chosen, self.value_flat, self.neglogp], {self.obs_ph: obs})
        return action, value, self.initial_state, neglogp

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs})


class Attention(FeedForward):
    """Normalizations, a gate, a residual block, contrib's layers, an own variable, a masked branch."""

    def make_network(self, obs):
        x = tf.contrib.layers.fully_connected(obs, 10, activation_fn=None, scope="in")
        x = tf.nn.relu(tf.contrib.layers.layer_norm(x, scope="norm"))
        x = tf.layers.batch_normalization(x, training=False, name="batch_norm")
        gate = tf.nn.softmax(tf.layers.dense(x, 10, name="gate"))
        with tf.variable_scope("residual"):
            weights = tf.get_variable("weights", [10, 10], initializer=tf.random_normal_initializer(stddev=0.2))
            bias = tf.get_variable("bias", [10], initializer=tf.constant_initializer(0.1))
            x = x * gate + tf.nn.leaky_relu(tf.matmul(x, weights) + bias)
        positive = tf.cast(obs[:, :1] > 0.0, tf.float32)
        return x * positive + 0.5 * x * (1.0 - positive), tf.stop_gradient(x) * 2.0


class KerasLayers(FeedForward):
    """Layers of tf.keras."""

    def make_network(self, obs):
        x = tf.keras.layers.Dense(9, activation="tanh", name="pi_fc")(tf.keras.layers.Flatten()(obs))
        return x, tf.keras.layers.Dense(8, activation="relu", name="vf_fc")(obs)


def small_cnn(scaled_images, n_features=9, **kwargs):
    x = tf.nn.relu(tf.layers.conv2d(scaled_images, 4, 5, strides=3, name="conv"))
    x = tf.layers.max_pooling2d(x, 2, 2)
    return tf.layers.dense(tf.contrib.layers.flatten(x), n_features, activation=tf.nn.relu, name="features")


class Extractor(FeedForwardPolicy):
    """A built-in policy around an extractor made of graph layers."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, cnn_extractor=small_cnn, feature_extraction="cnn", **kwargs)


class Recurrent(RecurrentActorCriticPolicy):
    """What the recurrent ones share."""

    n_units, size = 8, 16

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(
            sess, ob_space, ac_space, n_env, n_steps, n_batch, state_shape=(self.size,), reuse=reuse, scale=False
        )
        with tf.variable_scope("model", reuse=reuse):
            latent, self.snew = self.remember(tf.layers.flatten(self.processed_obs))
            self._value_fn = linear(latent, "vf", 1)
            self._proba_distribution, self._policy, self.q_value = self.pdtype.proba_distribution_from_latent(
                latent, latent
            )
        self._setup_init()

    def step(self, obs, state=None, mask=None, deterministic=False):
        chosen = self.deterministic_action if deterministic else self.action
        feed = {self.obs_ph: obs, self.states_ph: state, self.dones_ph: mask}
        return self.sess.run([chosen, self.value_flat, self.snew, self.neglogp], feed)

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs, self.states_ph: state, self.dones_ph: mask})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs, self.states_ph: state, self.dones_ph: mask})


class OwnLstm(Recurrent):
    """An LSTM over `batch_to_seq`."""

    def remember(self, obs):
        hidden = tf.layers.dense(obs, 12, activation=tf.tanh, name="before")
        sequence = batch_to_seq(hidden, self.n_env, self.n_steps)
        masks = batch_to_seq(self.dones_ph, self.n_env, self.n_steps)
        outputs, state = lstm(sequence, masks, self.states_ph, "lstm1", n_hidden=self.n_units)
        return seq_to_batch(outputs), state


class Gru(Recurrent):
    """A cell of tf.nn.rnn_cell, step by step."""

    size = 8

    def remember(self, obs):
        x = tf.reshape(obs, [self.n_env, self.n_steps, obs.shape[-1].value])
        masks = tf.reshape(self.dones_ph, [self.n_env, self.n_steps])
        cell, state, outputs = tf.nn.rnn_cell.GRUCell(self.n_units, name="gru"), self.states_ph, []
        for t in range(self.n_steps):
            output, state = cell(x[:, t], state * (1.0 - masks[:, t : t + 1]))
            outputs.append(output)
        return tf.reshape(tf.stack(outputs, axis=1), [-1, self.n_units]), state


class DynamicRnn(Recurrent):
    """tf.nn.dynamic_rnn; the memory is cleared at the start of a sequence only."""

    size = 8

    def remember(self, obs):
        x = tf.reshape(obs, [self.n_env, self.n_steps, obs.get_shape()[-1].value])
        masks = tf.reshape(self.dones_ph, [self.n_env, self.n_steps])
        cell = tf.nn.rnn_cell.GRUCell(self.n_units)
        start = self.states_ph * (1.0 - masks[:, :1])
        outputs, state = tf.nn.dynamic_rnn(cell, x, initial_state=start, dtype=tf.float32)
        return tf.reshape(outputs, [-1, self.n_units]), state


class ExtractorLstm(LstmPolicy):
    """A built-in recurrent policy around an extractor made of graph layers."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm=8, reuse=False, **_kwargs):
        super().__init__(
            sess,
            ob_space,
            ac_space,
            n_env,
            n_steps,
            n_batch,
            n_lstm,
            reuse,
            cnn_extractor=small_cnn,
            feature_extraction="cnn",
            **_kwargs,
        )


class Values(DQNPolicy):
    """A Q-network."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, obs_phs=None, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=False, obs_phs=obs_phs)
        with tf.variable_scope("model", reuse=reuse):
            hidden = tf.layers.dense(self.processed_obs, 20, activation=tf.nn.relu, name="one")
            self.q_values = tf.layers.dense(hidden, self.n_actions, name="two")
        self._setup_init()

    def step(self, obs, state=None, mask=None, deterministic=True):
        q_values, _ = self.sess.run([self.q_values, self.policy_proba], {self.obs_ph: obs})
        return np.argmax(q_values, axis=1), q_values, None

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})


class ValuesOfImages(DQNFeedForward):
    """The built-in Q-network around an extractor made of graph layers."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, cnn_extractor=small_cnn, feature_extraction="cnn", layers=[7], **kwargs)


class SacGraph(SACPolicy):
    """An actor that samples in the graph, and critics."""

    def make_actor(self, obs=None, reuse=False, scope="pi"):
        obs = self.processed_obs if obs is None else obs
        with tf.variable_scope(scope, reuse=reuse):
            hidden = tf.layers.dense(tf.layers.flatten(obs), 16, activation=tf.nn.relu, name="hidden")
            self.act_mu = mean = tf.layers.dense(hidden, self.ac_space.shape[0], name="mean")
            log_std = tf.clip_by_value(tf.layers.dense(hidden, self.ac_space.shape[0], name="log_std"), -20, 2)
        self.std = std = tf.exp(log_std)
        sampled = mean + tf.random_normal(tf.shape(mean)) * std
        self.entropy = gaussian_entropy(log_std)
        log_prob = gaussian_likelihood(sampled, mean, log_std)
        self.deterministic_policy, self.policy, log_prob = apply_squashing_func(mean, sampled, log_prob)
        return self.deterministic_policy, self.policy, log_prob

    def make_critics(self, obs=None, action=None, reuse=False, scope="values_fn", create_vf=True, create_qf=True):
        obs = tf.layers.flatten(self.processed_obs if obs is None else obs)
        with tf.variable_scope(scope, reuse=reuse):
            if create_vf:
                with tf.variable_scope("vf", reuse=reuse):
                    self.value_fn = head(obs, "vf")
            if create_qf:
                both = tf.concat([obs, action], axis=-1)
                with tf.variable_scope("qf1", reuse=reuse):
                    self.qf1 = head(both, "qf1")
                with tf.variable_scope("qf2", reuse=reuse):
                    self.qf2 = head(both, "qf2")
        return self.qf1, self.qf2, self.value_fn

    def step(self, obs, state=None, mask=None, deterministic=False):
        return self.sess.run(self.deterministic_policy if deterministic else self.policy, {self.obs_ph: obs})

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run([self.act_mu, self.std], {self.obs_ph: obs})


def head(x, name):
    return tf.layers.dense(tf.layers.dense(x, 14, activation=tf.nn.relu, name="hidden"), 1, name=name)


class Td3Graph(TD3Policy):
    """An actor and two critics."""

    def make_actor(self, obs=None, reuse=False, scope="pi"):
        obs = self.processed_obs if obs is None else obs
        with tf.variable_scope(scope, reuse=reuse):
            hidden = tf.layers.dense(tf.layers.flatten(obs), 16, activation=tf.nn.relu, name="hidden")
            self.policy = tf.layers.dense(hidden, self.ac_space.shape[0], activation=tf.tanh)
        return self.policy

    def make_critics(self, obs=None, action=None, reuse=False, scope="values_fn"):
        obs = self.processed_obs if obs is None else obs
        with tf.variable_scope(scope, reuse=reuse):
            both = tf.concat([tf.layers.flatten(obs), action], axis=-1)
            with tf.variable_scope("qf1", reuse=reuse):
                self.qf1 = head(both, "qf1")
            with tf.variable_scope("qf2", reuse=reuse):
                self.qf2 = head(both, "qf2")
        return self.qf1, self.qf2

    def step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy, {self.obs_ph: obs})

    proba_step = step


class DdpgGraph(DDPGPolicy):
    """An actor and a critic that takes the action after its first layer."""

    def make_actor(self, obs=None, reuse=False, scope="pi"):
        obs = self.processed_obs if obs is None else obs
        with tf.variable_scope(scope, reuse=reuse):
            hidden = tf.layers.dense(tf.layers.flatten(obs), 16, activation=tf.nn.relu, name="hidden")
            self.policy = tf.nn.tanh(tf.layers.dense(hidden, self.ac_space.shape[0], name=scope))
        return self.policy

    def make_critic(self, obs=None, action=None, reuse=False, scope="qf"):
        obs = self.processed_obs if obs is None else obs
        action = self.action_ph if action is None else action
        with tf.variable_scope(scope, reuse=reuse):
            hidden = tf.layers.dense(tf.layers.flatten(obs), 12, activation=tf.nn.relu, name="hidden")
            self.value_fn = tf.layers.dense(tf.concat([hidden, action], axis=-1), 1, name="qf_output")
            self._qvalue = self.value_fn[:, 0]
        return self.value_fn

    def step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy, {self.obs_ph: obs})

    proba_step = step

    def value(self, obs, action, state=None, mask=None):
        return self.sess.run(self._qvalue, {self.obs_ph: obs, self.action_ph: action})


def register():
    """Makes the policies known by the names of their classes."""
    for policy in (
        FeedForward,
        Attention,
        KerasLayers,
        Extractor,
        OwnLstm,
        Gru,
        DynamicRnn,
        ExtractorLstm,
        Values,
        ValuesOfImages,
        SacGraph,
        Td3Graph,
        DdpgGraph,
    ):
        register_policy(policy.__name__, policy)
