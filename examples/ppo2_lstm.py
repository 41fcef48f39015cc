"""Train a recurrent policy, and act with it in a single environment."""

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common.cmd_util import make_vec_env

# Minibatches of recurrent policies are made of whole environments: n_envs must be a multiple of nminibatches.
env = make_vec_env("CartPole-v1", n_envs=4, seed=0)
model = PPO2("MlpLstmPolicy", env, n_steps=64, nminibatches=2, policy_kwargs={"n_lstm": 32}, verbose=1, seed=0)
model.learn(10_000)

env = make_vec_env("CartPole-v1", seed=1)
obs, state, done, episode_return = env.reset(), None, [False], 0.0
while not done[0]:
    action, state = model.predict(obs, state=state, mask=done)  # the mask clears the memory where an episode began
    obs, reward, done, _ = env.step(action)
    episode_return += reward[0]
print(f"return {episode_return:.0f}")
