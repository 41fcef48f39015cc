"""Evaluate, checkpoint and stop early while training; log a value of one's own."""

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnRewardThreshold,
)
from stable_baselines_tf2.common.cmd_util import make_vec_env


class CountEpisodes(BaseCallback):
    """Counts finished episodes."""

    def __init__(self):
        super().__init__()
        self.episodes = 0

    def _on_step(self) -> bool:
        self.episodes += sum("episode" in info for info in self.locals["infos"])
        return True  # False would stop the training


counter = CountEpisodes()
evaluation = EvalCallback(
    make_vec_env("CartPole-v1", seed=1),
    callback_on_new_best=StopTrainingOnRewardThreshold(300),
    eval_freq=500,
    best_model_save_path="callbacks_demo",
    log_path="callbacks_demo",
)
checkpoints = CheckpointCallback(save_freq=1000, save_path="callbacks_demo")

model = PPO2("MlpPolicy", make_vec_env("CartPole-v1", n_envs=4, seed=0), seed=0)
model.learn(20_000, callback=[counter, evaluation, checkpoints])
print(f"{counter.episodes} episodes, best mean return {evaluation.best_mean_reward:.1f}")
