"""Train A2C with four environments, each in a process of its own."""

from stable_baselines_tf2.common.cmd_util import make_vec_env
from stable_baselines_tf2.common.vec_env import SubprocVecEnv


def main() -> None:
    from stable_baselines_tf2 import A2C  # here: the processes import this file too, and need no TensorFlow

    env = make_vec_env("CartPole-v1", n_envs=4, seed=0, vec_env_cls=SubprocVecEnv)
    model = A2C("MlpPolicy", env, ent_coef=0.0, verbose=1, seed=0)
    model.learn(10_000)
    env.close()


if __name__ == "__main__":
    main()
