"""Film a model (needs the extra ``video``, and ``pip install pygame`` for CartPole)."""

from stable_baselines_tf2 import A2C
from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.vec_env import VecVideoRecorder

model = A2C("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=0), ent_coef=0.0, seed=0)
model.learn(20_000)

env = make_vec_env("CartPole-v1", seed=1, env_kwargs={"render_mode": "rgb_array"})
env = VecVideoRecorder(env, "videos", record_video_trigger=lambda step: step == 0, video_length=200, name_prefix="a2c")
obs = env.reset()
for _ in range(201):
    action, _ = model.predict(obs)
    obs, _, _, _ = env.step(action)
env.close()
print("the video is in the folder videos")
