"""Base class of the off-policy algorithms with continuous actions: SAC, TD3 and DDPG."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from stable_baselines_tf2.common.math_util import unscale_action
from stable_baselines_tf2.common.policies import make_policy
from stable_baselines_tf2.common.schedules import get_schedule_fn
from stable_baselines_tf2.core.checks import check_number
from stable_baselines_tf2.core.parameters import JoinedParameters, Parameters
from stable_baselines_tf2.models.continuous_policies import check_continuous_actions
from stable_baselines_tf2.models.off_policy import Actions, OffPolicyRLModel, _History
from stable_baselines_tf2.models.training import Training

Tensor = Any


class ContinuousControlModel(OffPolicyRLModel):
    """Base of SAC, TD3 and DDPG: an actor whose actions are scaled to a Box, critics, and slowly following targets.

    A subclass builds its networks with `_network`, says what one gradient step does (`_gradient_step`, compiled) and
    which random numbers it needs (`_draws`). Replay buffers keep actions as the actor gives them, from -1 to 1.

    Attributes that a subclass's constructor sets: ``learning_rate`` (a number or a function of the remaining progress),
    ``tau``, ``action_noise``, ``random_exploration``.
    """

    _rollouts_in_warm_up = True
    _shared_inputs: ClassVar[tuple[str, ...]] = ("learning_rate",)

    learning_rate: Any
    tau: float
    action_noise: Any
    random_exploration: float
    policy_tf: Any = None  # the networks that are trained
    target_params: Any = None  # variables of the target networks, once they are built
    _all_parameters: JoinedParameters
    _n_updates = 0  # gradient steps of this call of `learn`
    _current_rate: Any = 0.0
    _last_phase: tuple[np.ndarray, np.ndarray] | None  # statistics and numbers of its gradient steps
    _noises: list[Any]  # one for each environment, or none

    # ------------------------------------------------------------ building
    def _check_arguments(self) -> None:
        super()._check_arguments()
        check_continuous_actions(self.action_space)
        check_number("tau", self.tau, 0.0, 1.0)
        check_number("random_exploration", self.random_exploration, 0.0, 1.0)
        self._check_rates()
        self._check_noise()

    def _check_rates(self) -> None:
        if not callable(self.learning_rate):
            check_number("learning_rate", self.learning_rate, 0.0)

    def _check_noise(self) -> None:
        noise, shape = self.action_noise, self.action_space.shape
        if noise is None:
            return
        if not (callable(noise) and hasattr(noise, "reset")):
            raise TypeError(f"action_noise must be an ActionNoise or None, not {noise!r}")
        random_state = np.random.get_state()
        drawn = np.shape(copy.deepcopy(noise)())
        np.random.set_state(random_state)  # looking draws nothing
        try:
            fits = np.broadcast_shapes(drawn, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"action_noise gives noise of shape {drawn}, but actions have shape {shape}")

    def _network(self, name: str = "model", only_acts: bool = False) -> Any:
        """A policy whose variables are called ``name/…``; without critics if it ``only_acts``."""
        spaces = self.observation_space, self.action_space
        network = make_policy(self.policy, None, *spaces, 1, 1, None, **self.policy_kwargs)
        network.name, network.only_acts = name, only_acts
        network.generator = self.generator
        network._setup_init()
        return network

    def _followed(self, target: Parameters) -> slice:
        """Where in the trained weights those stand that a target network follows; copies them to it."""
        own = self._policy.name
        place = self._trained.place([f"{own}/{name.partition('/')[2]}" for name in target.names])
        target.advance(self._trained.vector[place])
        return place

    @property
    def _n_actor(self) -> int:
        """Number of weights of the actor, which are the first of the trained ones."""
        policy = self._policy
        is_actor = [name.startswith(f"{policy.name}/pi/") for name in policy.params.names]
        return sum(size for size, own in zip(policy.params.sizes, is_actor, strict=True) if own)

    @property
    def _policy(self) -> Any:
        return self._built(self.policy_tf)

    @property
    def _parameters(self) -> JoinedParameters:
        self._built(self.policy_tf)
        return self._all_parameters

    @property
    def _trained(self) -> Parameters:
        return self._policy.params

    @property
    def params(self) -> list[Any]:
        """The variables that are trained, up to date."""
        self._sync()
        targets = {id(variable) for variable in self.target_params}
        return [variable for variable in self._parameters.variables if id(variable) not in targets]

    # ------------------------------------------------------------ exploration
    def _policy_actions(self, obs: np.ndarray) -> np.ndarray:
        """The actor's actions for training, before any noise on them, from -1 to 1, [N, n]."""
        return self._policy.step(obs)

    def _explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        """Random actions until ``learning_starts`` and with probability ``random_exploration``, else the actor's."""
        for i in np.flatnonzero(starts) if self._noises else ():
            self._noises[i].reset()
        shape = (len(obs), *self.action_space.shape)
        if self.num_timesteps < self.learning_starts:
            actions = self._random_actions(shape)
        elif self.random_exploration > 0.0:
            chosen = self.generator.random(len(obs)) < self.random_exploration
            actions = self._random_actions(shape)
            if not chosen.all():
                own = self._noisy(self._policy_actions(obs), ~chosen)
                actions[~chosen] = own[~chosen]
        else:
            actions = self._noisy(self._policy_actions(obs), np.ones(len(obs), bool))
        return actions, unscale_action(self.action_space, actions)

    def _random_actions(self, shape: tuple[int, ...]) -> np.ndarray:
        return 2.0 * self.generator.random(shape, dtype=np.float32) - 1.0

    def _noisy(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions with noise, within -1 and 1; only for some rows is it drawn."""
        if self._noises:
            for i in np.flatnonzero(rows):
                actions[i] = np.clip(actions[i] + self._noises[i](), -1.0, 1.0)
        return actions

    def _start_training(self, training: Training) -> None:
        self._check_noise()
        self._n_updates, self._last_phase = 0, None
        self._current_rate = self._rate(1.0)
        # Noise may remember: each environment has its own, and the only one has what the user gave.
        noise = self.action_noise
        self._noises = [] if noise is None else [noise, *(copy.deepcopy(noise) for _ in range(self.n_envs - 1))]

    # ------------------------------------------------------------ the update
    @property
    def _loss_names(self) -> tuple[str, ...]:
        """Names of the statistics of a gradient step."""
        raise NotImplementedError

    def _n_statistics(self, batch_size: int) -> int:
        return len(self._loss_names)

    def _draws(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """What `_gradient_step` takes besides transitions, for the steps of these `_step_numbers` [K], [K, …]."""
        return {}

    def _standard_normals(self, n_steps: int) -> np.ndarray:
        """[K, B, n], one number for each component of each action of the batches."""
        shape = (n_steps, self.batch_size, *self.action_space.shape)
        return self.generator.standard_normal(shape, dtype=np.float32)

    def _step_numbers(self, n_steps: int) -> np.ndarray:
        """For each gradient step, the environment step that it is due to, from 0, plus its place among those of it."""
        n_due = n_steps // self.gradient_steps
        due = self.num_timesteps // self.train_freq * self.train_freq - np.arange(n_due)[::-1] * self.train_freq
        return (due[:, np.newaxis] - 1 + np.arange(self.gradient_steps)).ravel()

    def _rate(self, progress: float) -> Any:
        """What `_gradient_step` takes as ``learning_rate``, when a fraction ``progress`` of the training is left."""
        return float(get_schedule_fn(self.learning_rate)(progress))

    def _update(self, batches: dict[str, Any], learning_rate: Any) -> np.ndarray:
        """Makes K gradient steps.

        Args:
            batches: obs, actions, rewards, next_obs and dones, and what `_draws` gives, [K, B, …].
            learning_rate: step size.

        Returns:
            Statistics, [K, n].
        """
        return self._run_phase(batches | {"learning_rate": np.float32(learning_rate)})

    @property
    def _infos(self) -> dict[str, float]:
        """What is logged of the last training phase; nothing before the first."""
        return {} if self._last_phase is None else self._summary(*self._last_phase)

    def _summary(self, statistics: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
        """What is logged of a training phase, from the statistics of its steps [K, n] and their `_step_numbers` [K]."""
        return dict(zip(self._loss_names, statistics.mean(axis=0).tolist(), strict=True))

    def _train(self, n_steps: int, training: Training) -> None:
        self._current_rate = self._rate(training.progress)
        numbers = self._step_numbers(n_steps)
        statistics = [
            self._update(self._sample(len(part))[0] | self._draws(part), self._current_rate)
            for part in self._parts(numbers)
        ]
        self._last_phase = np.concatenate(statistics), numbers
        self._n_updates += n_steps
        if training.writer is not None:
            values = {**self._infos, "learning_rate": self._current_rate}
            training.log_update({f"loss/{name}": value for name, value in values.items()})

    def _imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        policy = self._policy
        actions = policy.deterministic_actions(policy.with_weights(vector, obs))
        low, high = self.action_space.low.astype(np.float32), self.action_space.high.astype(np.float32)
        return low + 0.5 * (actions + 1.0) * (high - low)

    # ------------------------------------------------------------ logs
    def _table(self, training: Training, n_episodes: int, mean_return: float) -> dict[str, Any]:
        return {
            "episodes": n_episodes,
            "mean 100 episode reward": mean_return,
            "n_updates": self._n_updates,
            "current_lr": self._current_rate,
            "fps": training.fps,
            "time_elapsed": int(training.elapsed),
            **self._infos,
            "total timesteps": self.num_timesteps,
        }

    def _locals(self, get_step: Callable[[], dict[str, Any]], history: _History) -> dict[str, Any]:
        infos = {"infos_values": list(self._infos.values()), "current_lr": self._current_rate}
        return super()._locals(get_step, history) | infos | {"n_updates": self._n_updates}

    # ------------------------------------------------------------ prediction
    def _predicted(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        """Actions between -1 and 1 for `predict`, [B, n]."""
        actions = self._policy.step(obs)
        return actions if deterministic else self._with_action_noise(actions)

    def _with_action_noise(self, actions: np.ndarray) -> np.ndarray:
        return actions if self.action_noise is None else np.clip(actions + self.action_noise(), -1.0, 1.0)

    def predict(
        self, observation: Any, state: np.ndarray | None = None, mask: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        """Actions for observations.

        Args:
            observation: one observation, or a batch of any size.
            state: ignored, as is ``mask``.
            mask: ignored.
            deterministic: act without exploration.

        Returns:
            The action or actions, scaled to the action space, and None.

        Raises:
            ValueError: the observation's shape fits neither one observation nor a batch.
        """
        observation, _, _, is_batch = self._batched(observation, state, mask)
        actions = unscale_action(self.action_space, self._predicted(observation, deterministic))
        return (actions if is_batch else actions[0]), None

    def action_probability(
        self,
        observation: Any,
        state: np.ndarray | None = None,
        mask: Any = None,
        actions: Any = None,
        logp: bool = False,
    ) -> None:
        """None, with a warning: the actions of this algorithm have no usable distribution.

        Raises:
            ValueError: ``actions`` are given.
        """
        name = type(self).__name__
        if actions is not None:
            raise ValueError(f"actions: {name} cannot tell how probable actions are")
        warnings.warn(f"{name} has no distribution of actions to return; action_probability() is None", stacklevel=2)

    # ------------------------------------------------------------ files
    def _training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super()._training_state()
        if self.action_noise is not None:  # it draws from NumPy's global generator
            legacy: Any = np.random.get_state()
            kind, arrays["numpy_random"], *rest = legacy
            state["numpy_random"] = [kind, *rest]
        return state, arrays

    def _restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super()._restore_training_state(state, arrays)
        if "numpy_random" in state:
            kind, *rest = state["numpy_random"]
            np.random.set_state((kind, arrays["numpy_random"], *rest))
