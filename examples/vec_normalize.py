"""Normalize observations and rewards; save the running averages with the model and use both again."""

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.vec_env import VecNormalize

env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=4, seed=0), clip_obs=10.0)
model = PPO2("MlpPolicy", env, n_steps=256, nminibatches=8, gamma=0.9, ent_coef=0.0, learning_rate=3e-4, seed=0)
model.learn(20_000)
model.save("ppo2_pendulum")
env.save("ppo2_pendulum_vecnormalize.pkl")

env = VecNormalize.load("ppo2_pendulum_vecnormalize.pkl", make_vec_env("Pendulum-v1", seed=1))
env.training = False  # keep the averages as they are
env.norm_reward = False  # and report true returns
mean_return, std_return = evaluate_policy(PPO2.load("ppo2_pendulum"), env, n_eval_episodes=10)
print(f"mean return {mean_return:.1f} +/- {std_return:.1f}")
