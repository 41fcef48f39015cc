"""Hindsight experience replay (Andrychowicz et al. 2017, https://arxiv.org/abs/1707.01495).

For environments with goals and sparse rewards: an off-policy algorithm also learns from copies of its transitions in
which the desired goal is one that was achieved, so that unsuccessful episodes too give a learning signal.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.callbacks import MaybeCallback
from stable_baselines_tf2.common.policies import BasePolicy
from stable_baselines_tf2.common.vec_env import UnvecWrapper, VecEnvWrapper
from stable_baselines_tf2.common.vec_env.conversion import EnvLike, as_vec_env
from stable_baselines_tf2.core.archive import PathOrFile
from stable_baselines_tf2.core.interfaces import ExpertData
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.envs.spaces import as_gymnasium_space
from stable_baselines_tf2.files.model import WeightValues, read_model, with_policy
from stable_baselines_tf2.files.registry import ALGORITHMS, algorithm_class
from stable_baselines_tf2.her.replay_buffer import (
    KEY_TO_GOAL_STRATEGY,
    GoalSelectionStrategy,
    HindsightExperienceReplayWrapper,
)
from stable_baselines_tf2.her.utils import GoalLayout, HERGoalEnvWrapper, VecHERGoalEnvWrapper
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.off_policy import OffPolicyRLModel


class HER(BaseRLModel):
    """Hindsight experience replay around DQN, DDPG, SAC or TD3.

    HER wraps the algorithm, ``model``, and gives it flat observations and a replay buffer that relabels goals.
    Attributes that HER does not have itself are read from the algorithm and set on it.

    Args:
        policy: policy of the algorithm, or its name.
        env: a goal environment, see `HERGoalEnvWrapper`; vectorized, or the id of one; None for a model that is loaded.
        model_class: the algorithm, or its name.
        n_sampled_goal: copies of each transition with other goals.
        goal_selection_strategy: where these come from: ``"future"``, ``"final"``, ``"episode"`` or ``"random"``, see
            `GoalSelectionStrategy`.
        args: further arguments of the algorithm.
        relabel_last: also use what an episode's last transition achieved, which the original leaves out: see
            `HindsightExperienceReplayWrapper`.
        kwargs: further arguments of the algorithm.

    Raises:
        TypeError: ``model_class`` is not an off-policy algorithm, or does not take an argument.
        ValueError: the environment is not a goal environment or is inside a ``VecEnvWrapper``, replay is
            prioritized, or an argument is invalid.
    """

    saved = ("model_class", "n_sampled_goal", "goal_selection_strategy", "relabel_last")
    _own = frozenset(("model", "env", "_env", "observation_space", "_layout", "_goal_env", *saved))

    def __init__(
        self,
        policy: type[BasePolicy] | str,
        env: EnvLike | None,
        model_class: type[OffPolicyRLModel] | str,
        n_sampled_goal: int = 4,
        goal_selection_strategy: GoalSelectionStrategy | str = "future",
        *args: Any,
        relabel_last: bool = True,
        **kwargs: Any,
    ) -> None:
        algorithm: Any = model_class
        if isinstance(model_class, str):
            algorithm = algorithm_class(model_class.upper()) if model_class.upper() in ALGORITHMS else None
        if not (isinstance(algorithm, type) and issubclass(algorithm, OffPolicyRLModel)):
            raise TypeError(f"model_class must be an off-policy algorithm (DQN, DDPG, SAC or TD3), not {model_class!r}")
        if isinstance(goal_selection_strategy, str):
            if goal_selection_strategy not in KEY_TO_GOAL_STRATEGY:
                raise ValueError(
                    f"goal_selection_strategy must be one of {', '.join(KEY_TO_GOAL_STRATEGY)}, "
                    f"not {goal_selection_strategy!r}"
                )
            goal_selection_strategy = KEY_TO_GOAL_STRATEGY[goal_selection_strategy]
        self.model_class, self.n_sampled_goal = algorithm, n_sampled_goal
        self.goal_selection_strategy, self.relabel_last = goal_selection_strategy, relabel_last
        self.observation_space: Any = None
        self._env: Any = None
        self._layout: GoalLayout | None = None
        self._goal_env: Any = None  # the environment of the algorithm, a `VecHERGoalEnvWrapper`
        flat = None if env is None else _flat_env(env, kwargs.get("verbose", 0))
        self._wrap(algorithm(policy, flat, *args, **kwargs), flat)

    def _wrap(self, model: OffPolicyRLModel, env: VecHERGoalEnvWrapper | None) -> None:
        """Wraps an algorithm, with its environment (or None)."""
        self.model = model
        model.wrapper = self
        if env is not None:
            self._take_goal_env(env)

    def _take_goal_env(self, env: VecHERGoalEnvWrapper) -> None:
        self._goal_env = env
        self._env = env if env.num_envs > 1 else HERGoalEnvWrapper(UnvecWrapper(env.venv))
        self.observation_space, self._layout = env.venv.observation_space, env.layout
        buffer = self.model.replay_buffer
        if buffer is None:
            buffer = self.model.make_replay_buffer()
        elif self.model.is_using_her():
            buffer = buffer.replay_buffer
        self.model.replay_buffer = self.replay_wrapper(buffer)

    @property
    def replay_wrapper(self) -> partial[HindsightExperienceReplayWrapper]:
        """Wraps a replay buffer in one that relabels goals."""
        return partial(
            HindsightExperienceReplayWrapper,
            n_sampled_goal=self.n_sampled_goal,
            goal_selection_strategy=self.goal_selection_strategy,
            wrapped_env=self._goal_env,
            relabel_last=self.relabel_last,
            generator=self.model.generator,
        )

    def __getattr__(self, name: str) -> Any:
        if name == "model" or name.startswith("__"):  # during construction or copying
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.model, name)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self if name in self._own else self.model, name, value)

    # ------------------------------------------------------------ delegated to the algorithm
    @property
    def acting_policy(self) -> Any:
        return self.model.acting_policy

    @property
    def parameters(self) -> Parameters | JoinedParameters:
        return self.model.parameters

    @property
    def trainable(self) -> Parameters:
        return self.model.trainable

    def deterministic_actions(self, *arguments: object) -> Any:
        return self.model.deterministic_actions(*arguments)

    def setup_model(self) -> None:
        """Does nothing: the algorithm builds its own networks."""

    def set_random_seed(self, seed: int | None) -> None:
        self.model.set_random_seed(seed)

    def get_parameter_list(self) -> list[Any]:
        return self.model.get_parameter_list()

    def get_parameters(self) -> OrderedDict[str, np.ndarray]:
        return self.model.get_parameters()

    def load_parameters(self, load_path_or_dict: PathOrFile | WeightValues, exact_match: bool = True) -> None:
        self.model.load_parameters(load_path_or_dict, exact_match)

    def pretrain(
        self,
        dataset: ExpertData,
        n_epochs: int = 10,
        learning_rate: float = 1e-4,
        adam_epsilon: float = 1e-8,
        val_interval: int | None = None,
    ) -> HER:
        self.model.pretrain(dataset, n_epochs, learning_rate, adam_epsilon, val_interval)
        return self

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "HER",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> HER:
        if self._goal_env is not None:
            self.model.replay_buffer.drop_episodes()
        self.model.learn(
            total_timesteps,
            callback=callback,
            log_interval=log_interval,
            tb_log_name=tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
        )
        return self

    # ------------------------------------------------------------ environment and observations
    def get_env(self) -> Any:
        """The environment with flat observations (a `HERGoalEnvWrapper`); None if there is none."""
        return self.env

    def set_env(self, env: EnvLike | None) -> None:
        """Replaces the environment. The replay buffer is kept, without unfinished episodes.

        Args:
            env: a goal environment with the same spaces, single or vectorized.

        Raises:
            ValueError: it is not a goal environment, or its spaces differ from the model's.
        """
        if env is None:
            self.model.set_env(None)
            return
        flat = _flat_env(env, self.model.verbose)
        self._check_layout(flat)
        self.model.set_env(flat)
        self._take_goal_env(flat)

    def _check_layout(self, env: VecHERGoalEnvWrapper) -> None:
        own, new = self._layout, env.layout
        if own is not None and (own.obs_dim, own.goal_dim) != (new.obs_dim, new.goal_dim):
            raise ValueError(
                f"env: observation and goals have the lengths {new.obs_dim} and {new.goal_dim}, but the model was made "
                f"for {own.obs_dim} and {own.goal_dim}"
            )

    def _flat(self, observation: ArrayLike) -> Any:
        if not isinstance(observation, dict):
            return observation
        if self._layout is None:
            raise ValueError(
                "observation: a model without an environment takes flat observations only, as it lacks their layout"
            )
        return self._layout.flatten(observation)

    def predict(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions for observations, see `BaseRLModel.predict`; as dicts or flat."""
        return self.model.predict(self._flat(observation), state, mask, deterministic)

    def action_probability(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        actions: ArrayLike | None = None,
        logp: bool = False,
    ) -> Any:
        """See `BaseRLModel.action_probability`; observations as dicts or flat."""
        return self.model.action_probability(self._flat(observation), state, mask, actions, logp)

    # ------------------------------------------------------------ files
    def hyperparameters(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.saved}
        own["goal_selection_strategy"] = self.goal_selection_strategy.name.lower()
        own |= {"her_obs_space": self.observation_space, "her_action_space": self.model.action_space}
        return self.model.hyperparameters() | own

    def save(self, save_path: PathOrFile, cloudpickle: bool = False) -> None:
        self.model.save(save_path, cloudpickle)

    @classmethod
    def load(
        cls,
        load_path: PathOrFile,
        env: EnvLike | None = None,
        custom_objects: dict[str, Any] | None = None,
        allow_pickle: bool = False,
        **kwargs: Any,
    ) -> HER:
        """Reads a model from a file, see `BaseRLModel.load`.

        ``kwargs`` may also change HER's own settings, except the algorithm.
        """
        objects = with_policy(custom_objects, kwargs)
        archive, data = read_model(load_path, objects, cls, allow_pickle=allow_pickle)
        missing = [name for name in (*cls.saved[:3], "her_obs_space") if name not in data]
        if missing:
            raise ValueError(f"{load_path} is not a file of HER: {', '.join(missing)} is missing")
        settings = {name: kwargs.pop(name, data[name]) for name in cls.saved[1:] if name in data or name in kwargs}
        her = cls(data["policy"], None, data["model_class"], **settings, _init_setup_model=False)
        if data["her_obs_space"] is not None:
            her.observation_space = as_gymnasium_space(data["her_obs_space"])
            her._layout = GoalLayout(her.observation_space)
        flat = None
        if env is not None:
            flat = _flat_env(env, data.get("verbose", 0))
            her._check_layout(flat)
        her._wrap(her.model_class.restore(load_path, archive, data, flat, kwargs), flat)
        return her


def _flat_env(env: EnvLike | HERGoalEnvWrapper, verbose: int) -> VecHERGoalEnvWrapper:
    """A goal environment of any kind as a vectorized one with flat observations.

    Raises:
        ValueError: it is not a goal environment, or it is inside a wrapper.
    """
    vec_env = as_vec_env(env.env if isinstance(env, HERGoalEnvWrapper) else env, verbose)
    if isinstance(vec_env, VecEnvWrapper):
        raise ValueError(f"env: HER takes environments that are not inside a VecEnvWrapper, not {type(vec_env)}")
    return VecHERGoalEnvWrapper(vec_env)
