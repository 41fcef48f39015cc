"""Base class of the off-policy algorithms with continuous actions: SAC, TD3 and DDPG."""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.math_util import unscale_action
from stable_baselines_tf2.common.noise import ActionNoise
from stable_baselines_tf2.core.checks import check_usual
from stable_baselines_tf2.core.hooks import hook
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.models.continuous_policies import check_continuous_actions
from stable_baselines_tf2.models.loop_names import ContinuousNames, LoopNames
from stable_baselines_tf2.models.off_policy import Actions, OffPolicyRLModel
from stable_baselines_tf2.models.training import Training


class ContinuousControlModel(OffPolicyRLModel):
    """Base of SAC, TD3 and DDPG: an actor whose actions are scaled to a Box, critics, and target networks.

    Replay buffers keep actions as the actor gives them, from -1 to 1.

    Attributes that a subclass's constructor sets: ``tau``, the soft-update (Polyak) coefficient, ``action_noise`` and
    ``random_exploration``.
    """

    loop_names: ClassVar[type[LoopNames]] = ContinuousNames

    rollouts_in_warm_up = True

    tau: float
    action_noise: ActionNoise | None
    random_exploration: float
    target_params: Any = None  # variables of the target networks, once they are built
    _noises: list[Any]  # one for each environment, or none

    # ------------------------------------------------------------ building
    def check_arguments(self) -> None:
        super().check_arguments()
        check_continuous_actions(self.action_space)
        check_usual("tau", self.tau, 0.0, 1.0)
        check_usual("random_exploration", self.random_exploration, 0.0, 1.0)
        self._check_noise()

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

    @property
    def n_actor(self) -> int:
        """Number of weights of the actor, which are the first of the trained ones."""
        policy = self.acting_policy
        is_actor = [name.startswith(f"{policy.name}/pi/") for name in policy.params.names]
        return sum(size for size, own in zip(policy.params.sizes, is_actor, strict=True) if own)

    @property
    def params(self) -> list[Any]:
        """The variables that are trained in `graph`, which `sess` reads and assigns."""
        targets = {id(variable) for variable in self.target_params}
        return self.graph_variables(v for v in self.parameters.variables if id(v) not in targets)

    # ------------------------------------------------------------ exploration
    @hook
    def policy_actions(self, obs: np.ndarray) -> np.ndarray:
        """The actor's actions for training, before any noise on them, from -1 to 1, [N, n]."""
        return self.acting_policy.step(obs)

    def explore(self, obs: np.ndarray, starts: np.ndarray) -> Actions:
        """Random actions until ``learning_starts`` and with probability ``random_exploration``, else the actor's."""
        for i in np.flatnonzero(starts) if self._noises else ():
            self._noises[i].reset()
        shape = (len(obs), *self.action_space.shape)
        if self.num_timesteps < self.learning_starts:
            actions = self.random_actions(shape)
        elif self.random_exploration > 0.0:
            chosen = self.generator.random(len(obs)) < self.random_exploration
            actions = self.random_actions(shape)
            if not chosen.all():
                own = self._noisy(self.policy_actions(obs), ~chosen)
                actions[~chosen] = own[~chosen]
        else:
            actions = self._noisy(self.policy_actions(obs), np.ones(len(obs), bool))
        return actions, unscale_action(self.action_space, actions)

    def random_actions(self, shape: tuple[int, ...]) -> np.ndarray:
        return 2.0 * self.generator.random(shape, dtype=np.float32) - 1.0

    def _noisy(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions with noise, within -1 and 1; only for some rows is it drawn."""
        if self._noises:
            for i in np.flatnonzero(rows):
                actions[i] = np.clip(actions[i] + self._noises[i](), -1.0, 1.0)
        return actions

    def start_training(self, training: Training) -> None:
        super().start_training(training)
        self._check_noise()
        # Noise may remember: each environment has its own, and the only one has what the user gave.
        noise = self.action_noise
        self._noises = [] if noise is None else [noise, *(copy.deepcopy(noise) for _ in range(self.n_envs - 1))]

    obs_target: Any = None  # tensors that the original's graph had, for some policies only
    action_target: Any = None
    value_fn: Any = None

    @property
    def infos_names(self) -> list[str]:
        """Names of the statistics of gradient steps."""
        return list(self.last_statistics)

    # ------------------------------------------------------------ the update
    def standard_normals(self, n_steps: int) -> np.ndarray:
        """[K, B, n], one number for each component of each action of the batches."""
        shape = (n_steps, self.batch_size, *self.action_space.shape)
        return self.generator.standard_normal(shape, dtype=np.float32)

    def imitate(self, vector: Tensor, obs: Tensor) -> Tensor:
        policy = self.acting_policy
        actions = policy.deterministic_actions(policy.with_weights(vector, obs))
        low, high = self.action_space.low.astype(np.float32), self.action_space.high.astype(np.float32)
        return low + 0.5 * (actions + 1.0) * (high - low)

    # ------------------------------------------------------------ logs
    # ------------------------------------------------------------ prediction
    @hook
    def predicted_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        """Actions between -1 and 1 for `predict`, [B, n]."""
        actions = self.acting_policy.step(obs)
        return actions if deterministic else self.with_action_noise(actions)

    def with_action_noise(self, actions: np.ndarray) -> np.ndarray:
        return actions if self.action_noise is None else np.clip(actions + self.action_noise(), -1.0, 1.0)

    @np.errstate(under="ignore")
    def predict(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        deterministic: bool = True,
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
        observation, _, _, is_batch = self.as_batch(observation, state, mask)
        actions = unscale_action(self.action_space, self.predicted_actions(observation, deterministic))
        return (actions if is_batch else actions[0]), None

    @np.errstate(under="ignore")
    def action_probability(
        self,
        observation: ArrayLike,
        state: np.ndarray | None = None,
        mask: ArrayLike | None = None,
        actions: ArrayLike | None = None,
        logp: bool = False,
    ) -> None:
        """None, with a warning: the actions of this algorithm have no usable distribution.

        Raises:
            ValueError: ``actions`` are given.
        """
        name = type(self).__name__
        if actions is not None:
            raise ValueError(f"actions: {name} has no probabilities of actions")
        warnings.warn(f"{name} has no distribution of actions to return; action_probability() is None", stacklevel=2)

    # ------------------------------------------------------------ files
    def training_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super().training_state()
        if self.action_noise is not None:  # it draws from NumPy's global generator
            legacy: Any = np.random.get_state()
            kind, arrays["numpy_random"], *rest = legacy
            state["numpy_random"] = [kind, *rest]
        return state, arrays

    def restore_training_state(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().restore_training_state(state, arrays)
        if "numpy_random" in state:
            kind, *rest = state["numpy_random"]
            np.random.set_state((kind, arrays["numpy_random"], *rest))
