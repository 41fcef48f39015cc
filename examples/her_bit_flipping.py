"""Train DQN with hindsight experience replay to flip eight bits to ones, where only success is rewarded."""

import numpy as np

from stable_baselines_tf2 import DQN, HER
from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.evaluation import evaluate_policy

env = BitFlippingEnv(n_bits=8)
model = HER("MlpPolicy", env, DQN, n_sampled_goal=4, goal_selection_strategy="future", learning_starts=500, seed=0)
model.learn(6_000, progress_bar=True)
model.save("her_bit_flipping")

model = HER.load("her_bit_flipping", env=env)
returns, _ = evaluate_policy(model, BitFlippingEnv(n_bits=8), n_eval_episodes=100, return_episode_rewards=True)
print(f"success in {np.mean(np.array(returns) > -8):.0%} of 100 episodes")
