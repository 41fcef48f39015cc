"""Train PPO2 on CartPole, evaluate it, save it, load it again."""

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.evaluation import evaluate_policy

env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
model = PPO2(
    "MlpPolicy", env, n_steps=32, nminibatches=1, noptepochs=20, lam=0.8, gamma=0.98, learning_rate=1e-3, seed=0
)
model.learn(30_000, progress_bar=True)
model.save("ppo2_cartpole")

model = PPO2.load("ppo2_cartpole")
mean_return, std_return = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1), n_eval_episodes=20)
print(f"mean return {mean_return:.1f} +/- {std_return:.1f}")
