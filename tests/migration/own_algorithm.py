"""An algorithm of one's own as people wrote it: graph and session in setup_model, training by sess.run."""
import sys

import gym
import numpy as np
import tensorflow as tf
from stable_baselines.common import ActorCriticRLModel, SetVerbosity, TensorboardWriter, tf_util
from stable_baselines.common.runners import AbstractEnvRunner


class PolicyGradient(ActorCriticRLModel):
    def __init__(self, policy, env, gamma=0.9, n_steps=8, learning_rate=1e-2, verbose=0, tensorboard_log=None,
                 _init_setup_model=True, policy_kwargs=None, seed=None, n_cpu_tf_sess=None):
        self.gamma, self.n_steps, self.learning_rate = gamma, n_steps, learning_rate
        self.tensorboard_log = tensorboard_log
        self.graph = self.sess = self.params = self.summary = None
        super(PolicyGradient, self).__init__(policy=policy, env=env, verbose=verbose, requires_vec_env=True,
                                             _init_setup_model=_init_setup_model, policy_kwargs=policy_kwargs, seed=seed,
                                             n_cpu_tf_sess=n_cpu_tf_sess)
        self.tensorboard_log = tensorboard_log
        if _init_setup_model:
            self.setup_model()

    def _make_runner(self):
        return Runner(env=self.env, model=self, n_steps=self.n_steps, gamma=self.gamma)

    def _get_pretrain_placeholders(self):
        policy = self.act_model
        return policy.obs_ph, self.action_ph, policy.policy

    def setup_model(self):
        with SetVerbosity(self.verbose):
            self.graph = tf.Graph()
            with self.graph.as_default():
                self.set_random_seed(self.seed)
                self.sess = tf_util.make_session(num_cpu=self.n_cpu_tf_sess, graph=self.graph)
                n_batch = self.n_envs * self.n_steps
                act_model = self.policy(self.sess, self.observation_space, self.action_space, self.n_envs, 1, None,
                                        reuse=False, **self.policy_kwargs)
                with tf.variable_scope("train_model", reuse=True,
                                       custom_getter=tf_util.outer_scope_getter("train_model")):
                    train_model = self.policy(self.sess, self.observation_space, self.action_space, self.n_envs,
                                              self.n_steps, n_batch, reuse=True, **self.policy_kwargs)
                with tf.variable_scope("loss", reuse=False):
                    self.action_ph = train_model.pdtype.sample_placeholder([None], name="action_ph")
                    self.returns_ph = tf.placeholder(tf.float32, [None], name="returns_ph")
                    neglogp = train_model.proba_distribution.neglogp(self.action_ph)
                    advantages = self.returns_ph - tf.stop_gradient(train_model.value_flat)
                    self.pg_loss = tf.reduce_mean(advantages * neglogp)
                    self.vf_loss = tf.reduce_mean(tf.square(train_model.value_flat - self.returns_ph))
                    loss = self.pg_loss + 0.5 * self.vf_loss - 0.01 * tf.reduce_mean(train_model.proba_distribution.entropy())
                    tf.summary.scalar("loss", loss)
                    self.params = tf_util.get_trainable_vars("model")
                    grads = tf.gradients(loss, self.params)
                    grads, _ = tf.clip_by_global_norm(grads, 0.5)
                    grads = list(zip(grads, self.params))
                trainer = tf.train.RMSPropOptimizer(learning_rate=self.learning_rate, decay=0.99, epsilon=1e-5)
                self._train = trainer.apply_gradients(grads)
                self.act_model, self.train_model = act_model, train_model
                self.step, self.proba_step, self.value = act_model.step, act_model.proba_step, act_model.value
                self.initial_state = act_model.initial_state
                tf.global_variables_initializer().run(session=self.sess)
                self.summary = tf.summary.merge_all()

    def learn(self, total_timesteps, callback=None, log_interval=100, tb_log_name="PG", reset_num_timesteps=True):
        new_tb_log = self._init_num_timesteps(reset_num_timesteps)
        callback = self._init_callback(callback)
        with SetVerbosity(self.verbose), TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name, new_tb_log) as writer:
            self._setup_learn()
            callback.on_training_start(locals(), globals())
            for update in range(total_timesteps // (self.n_envs * self.n_steps)):
                callback.on_rollout_start()
                rollout = self.runner.run(callback)
                obs, returns, actions, ep_infos = rollout
                callback.on_rollout_end()
                if not self.runner.continue_training:
                    break
                self.ep_info_buf.extend(ep_infos)
                feed = {self.train_model.obs_ph: obs, self.action_ph: actions, self.returns_ph: returns}
                summary, pg_loss, vf_loss, _ = self.sess.run([self.summary, self.pg_loss, self.vf_loss, self._train], feed)
                if writer is not None:
                    writer.add_summary(summary, self.num_timesteps)
        callback.on_training_end()
        return self

    def get_parameter_list(self):
        return self.params

    def save(self, save_path, cloudpickle=False):
        data = {"gamma": self.gamma, "n_steps": self.n_steps, "learning_rate": self.learning_rate, "verbose": self.verbose,
                "policy": self.policy, "observation_space": self.observation_space, "action_space": self.action_space,
                "n_envs": self.n_envs, "n_cpu_tf_sess": self.n_cpu_tf_sess, "seed": self.seed,
                "_vectorize_action": self._vectorize_action, "policy_kwargs": self.policy_kwargs}
        self._save_to_file(save_path, data=data, params=self.get_parameters(), cloudpickle=cloudpickle)


class Runner(AbstractEnvRunner):
    def __init__(self, env, model, n_steps, gamma):
        super(Runner, self).__init__(env=env, model=model, n_steps=n_steps)
        self.gamma = gamma

    def _run(self):
        all_obs, all_rewards, all_actions, all_dones, infos = [], [], [], [], []
        for _ in range(self.n_steps):
            actions, values, self.states, _ = self.model.step(self.obs, self.states, self.dones, deterministic=True)
            all_obs.append(np.copy(self.obs))
            all_actions.append(actions)
            clipped = actions
            if isinstance(self.env.action_space, gym.spaces.Box):
                clipped = np.clip(actions, self.env.action_space.low, self.env.action_space.high)
            self.obs[:], rewards, self.dones, info = self.env.step(clipped)
            self.model.num_timesteps += self.n_envs
            if self.callback is not None:
                self.callback.update_locals(locals())
                if self.callback.on_step() is False:
                    self.continue_training = False
                    return [None] * 4
            infos += [i["episode"] for i in info if i.get("episode")]
            all_rewards.append(rewards)
            all_dones.append(self.dones)
        last = self.model.value(self.obs, self.states, self.dones)
        returns = np.zeros((self.n_steps, self.n_envs), np.float32)
        for t in reversed(range(self.n_steps)):
            last = all_rewards[t] + self.gamma * last * (1.0 - all_dones[t])
            returns[t] = last
        flat = lambda x: np.asarray(x).swapaxes(0, 1).reshape((-1,) + np.asarray(x).shape[2:])
        return flat(all_obs), flat(returns), flat(all_actions), infos


class Env(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self):
        self.random, self.t = np.random.RandomState(5), 0

    def reset(self):
        self.t = 0
        return self.random.uniform(-1, 1, 4).astype(np.float32)

    def step(self, action):
        self.t += 1
        return self.random.uniform(-1, 1, 4).astype(np.float32), float(action == 1), self.t >= 7, {}


if __name__ == "__main__":
    mode, numbers, folder = sys.argv[1:]  # "make" with the original
    model = PolicyGradient("MlpPolicy", Env(), seed=2, tensorboard_log=folder)
    names = list(model.get_parameters())
    if mode == "make":
        recorded = {"start/%s" % name: value for name, value in model.get_parameters().items()}
    else:
        recorded = np.load(numbers)
        model.load_parameters({name: recorded["start/%s" % name] for name in names})
    model.learn(160)
    if mode == "make":
        recorded.update(("end/%s" % name, value) for name, value in model.get_parameters().items())
        np.savez_compressed(numbers, **recorded)
    for name, value in model.get_parameters().items():
        np.testing.assert_allclose(value, recorded["end/%s" % name], rtol=1e-5, atol=1e-6)
    obs = np.linspace(-1, 1, 12).reshape(3, 4)
    probabilities = model.action_probability(obs)
    model.save(folder + "/model")
    again = PolicyGradient.load(folder + "/model", env=Env())
    np.testing.assert_array_equal(again.action_probability(obs), probabilities)
    again.learn(32)
    print("same weights", again.num_timesteps, model.predict(obs, deterministic=True)[0].tolist())
