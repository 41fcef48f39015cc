"""Algorithms that build a graph in `setup_model` and train it in a session of their own, as for Stable Baselines 2.

What such a class finds in its base: see `SessionModel`, whose members are given to it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from stable_baselines_tf2.common.callbacks import BaseCallback, MaybeCallback, as_callback
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core.archive import Archive, PathOrFile, read_archive, write_archive
from stable_baselines_tf2.core.graph_parameters import SessionParameters
from stable_baselines_tf2.files.hyperparameters import data_to_json, json_to_data
from stable_baselines_tf2.files.model import WeightValues

POLICIES = ("act_model", "step_model", "policy_pi", "policy_tf", "train_model")  # where algorithms keep what acts


class SessionModel:
    """What a class that overrides ``setup_model`` gets where its base class leaves something open."""

    act_model: Any = None
    step_model: Any = None
    train_model: Any = None
    policy_tf: Any = None
    params: Any = None
    initial_state: Any = None
    sess: Any = None
    graph: Any = None
    env: Any
    n_envs: int
    num_timesteps: int
    episode_reward: Any
    ep_info_buf: Any

    @property
    def acting_policy(self) -> Any:
        """The policy that acts.

        Raises:
            ValueError: ``setup_model`` has not set one.
        """
        for name in POLICIES:
            policy = getattr(self, name, None)
            if policy is not None:
                return policy
        raise ValueError(f"{type(self).__name__}.setup_model() must set one of {', '.join(POLICIES)}")

    def get_parameter_list(self) -> list[Any]:
        """The variables that files hold; by default ``params``."""
        return list(self.params)

    @property
    def parameters(self) -> SessionParameters:
        """The weights, in the session."""
        return SessionParameters(self.sess, self.get_parameter_list())

    trainable = parameters

    def update(self, *arguments: object) -> Any:
        """Not used: ``learn`` trains.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{type(self).__name__} must override learn()")

    build_networks = gradient_step = explore = noise_inputs = update

    # ------------------------------------------------------------ parts of `learn`
    def _init_num_timesteps(self, reset_num_timesteps: bool = True) -> bool:
        """Starts to count; whether a new TensorBoard run begins."""
        if reset_num_timesteps:
            self.num_timesteps = 0
        return self.num_timesteps == 0

    def _setup_learn(self) -> None:
        """Checks that there is an environment."""
        if self.env is None:
            raise ValueError("the model has no environment to learn in: use set_env()")
        if self.episode_reward is None:
            self.episode_reward = np.zeros(self.n_envs)
        if self.ep_info_buf is None:
            self.ep_info_buf = deque(maxlen=100)

    def _init_callback(self, callback: MaybeCallback) -> BaseCallback:
        """The callback of `learn`, ready for use."""
        found = as_callback(callback)
        found.init_callback(self)  # type: ignore[arg-type]
        return found

    # ------------------------------------------------------------ files
    @staticmethod
    def _save_to_file(
        save_path: PathOrFile,
        data: Mapping[str, Any] | None = None,
        params: Mapping[str, np.ndarray] | None = None,
        cloudpickle: bool = False,
    ) -> None:
        """Writes hyperparameters and weights to a model file."""
        if cloudpickle:
            raise ValueError("cloudpickle: model files are zips; pickles are only read")
        write_archive(save_path, Archive(data_to_json(data or {}), OrderedDict(params or {})))

    @staticmethod
    def _load_from_file(
        load_path: PathOrFile, load_data: bool = True, custom_objects: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any] | None, WeightValues | None]:
        """Hyperparameters and weights of a model file."""
        archive = read_archive(load_path)
        data = json_to_data(archive.data, custom_objects) if load_data and archive.data is not None else None
        return data, archive.parameters

    @classmethod
    def load(
        cls, load_path: PathOrFile, env: EnvLike | None = None, custom_objects: Any = None, **kwargs: object
    ) -> Any:
        """Reads a model from a file; see `BaseRLModel.load`."""
        data, parameters = cls._load_from_file(load_path, custom_objects=custom_objects)
        settings = {**(data or {}), **kwargs}
        construct: Any = cls
        model = construct(policy=settings["policy"], env=None, _init_setup_model=False)
        vars(model).update(settings)
        model.set_env(env)
        model.setup_model()
        model.load_parameters(parameters)
        return model
