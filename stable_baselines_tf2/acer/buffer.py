"""Replay buffer of trajectories of ``n_steps`` steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.core.replay import check_memory, checked_array, is_ring_state

Sequences = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NAMES = ("obs", "actions", "rewards", "mus", "dones", "masks")


class Buffer:
    """Keeps the newest rollouts of N environments, in arrays that are allocated once.

    Data types are kept, ``uint8`` among them; floats are stored in single precision.

    Args:
        env: a vectorized environment, of which the number of environments and the observation space are used.
        n_steps: T, steps of each environment in a rollout.
        size: steps of each environment that the buffer keeps.

    Raises:
        ValueError: ``size`` is less than a rollout.
        MemoryError: the observations would need more than this machine's memory.
    """

    def __init__(self, env: VecEnv, n_steps: int, size: int = 50000) -> None:
        self.n_env, self.n_steps = env.num_envs, n_steps
        self.n_batch = self.n_env * n_steps
        self.size = int(size) // n_steps  # rollouts
        if self.size < 1:
            raise ValueError(f"size must be at least n_steps ({n_steps}), not {size}")
        self.next_idx = 0
        self.num_in_buffer = 0
        space = env.observation_space
        self._obs_shape = tuple(space.shape or ())
        n_bytes = int(np.prod(self._obs_shape)) * np.dtype(space.dtype).itemsize
        n_observations = self.size * self.n_env * (n_steps + 1)
        check_memory(n_observations * n_bytes, f"a replay buffer of {size} steps of {self.n_env} environments")
        self._arrays: dict[str, np.ndarray] = {}

    def has_atleast(self, frames: int) -> bool:
        """Whether so many steps of each environment are stored, to whole rollouts."""
        return self.num_in_buffer >= frames // self.n_steps

    def can_sample(self) -> bool:
        """Whether anything is stored."""
        return self.num_in_buffer > 0

    def decode(self, enc_obs: np.ndarray) -> np.ndarray:
        """Stored observations as the policy takes them, [N, T + 1, …]."""
        return np.reshape(enc_obs, (self.n_env, self.n_steps + 1, *self._obs_shape))

    def put(
        self,
        enc_obs: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        mus: np.ndarray,
        dones: np.ndarray,
        masks: np.ndarray,
    ) -> None:
        """Stores a rollout, in place of the oldest if there is no room.

        Args:
            enc_obs: observations, [N, T + 1, …].
            actions: [N, T].
            rewards: [N, T].
            mus: probabilities of all actions when they were taken, [N, T, n].
            dones: whether a step ended its episode, [N, T].
            masks: whether an episode starts with an observation, [N, T + 1].

        Raises:
            ValueError: an array has another shape, or a type that would lose values.
        """
        given = dict(zip(_NAMES, map(np.asarray, (enc_obs, actions, rewards, mus, dones, masks)), strict=True))
        if not self._arrays:
            for name, array in given.items():
                dtype = np.float32 if array.dtype.kind == "f" else array.dtype
                self._arrays[name] = np.empty((self.size, *self._shape(name, array)), dtype)
        for name, array in given.items():
            kept = self._arrays[name]
            if array.shape != kept.shape[1:] or not np.can_cast(array.dtype, kept.dtype, "same_kind"):
                raise ValueError(
                    f"{name} must be {kept.dtype}{list(kept.shape[1:])}, got {array.dtype}{list(array.shape)}"
                )
        for name, array in given.items():
            self._arrays[name][self.next_idx] = array
        self.next_idx = (self.next_idx + 1) % self.size
        self.num_in_buffer = min(self.size, self.num_in_buffer + 1)

    def _shape(self, name: str, array: np.ndarray) -> tuple[int, ...]:
        """The shape of an array of one rollout; the number of actions is taken from the first one."""
        if name == "obs":
            return self.n_env, self.n_steps + 1, *self._obs_shape
        if name == "masks":
            return self.n_env, self.n_steps + 1
        return self.n_env, self.n_steps, *(array.shape[2:] if name == "mus" else ())

    def take(self, arr: np.ndarray, idx: np.ndarray, envx: np.ndarray) -> np.ndarray:
        """Of an array [size, N, …] the entries at rollouts ``idx`` and environments ``envx``, a copy."""
        return arr[idx, envx]

    def newest(self) -> np.ndarray:
        """The rollout stored last, as indices for `gather`, [1, N]."""
        return np.full((1, self.n_env), (self.next_idx - 1) % self.size)

    def sample_indices(self, n_batches: int, generator: np.random.Generator | None = None) -> np.ndarray:
        """Samples one rollout for each environment, ``n_batches`` times.

        Args:
            n_batches: K.
            generator: random generator; NumPy's global one if None.

        Returns:
            Indices for `gather`, [K, N].

        Raises:
            ValueError: nothing is stored.
        """
        if not self.can_sample():
            raise ValueError("the replay buffer is empty: there is nothing to sample")
        draw = np.random.randint if generator is None else generator.integers
        return draw(0, self.num_in_buffer, (n_batches, self.n_env))

    def gather(self, idx: np.ndarray) -> Sequences:
        """Reads rollouts of single environments.

        Args:
            idx: of each environment the rollout, [K, N].

        Returns:
            Copies of what `put` was given, [K, N, …].
        """
        envx = np.arange(self.n_env)
        obs, actions, rewards, mus, dones, masks = (self.take(self._arrays[name], idx, envx) for name in _NAMES)
        return obs, actions, rewards, mus, dones, masks

    def get(self, generator: np.random.Generator | None = None) -> Sequences:
        """One of the stored rollouts for each environment, sampled uniformly.

        Args:
            generator: random generator; NumPy's global one if None.

        Returns:
            Observations, actions, rewards, probabilities, dones and masks, as `put` takes them.

        Raises:
            ValueError: nothing is stored.
        """
        obs, *rest = (array[0] for array in self.gather(self.sample_indices(1, generator)))
        actions, rewards, mus, dones, masks = rest
        return self.decode(obs), actions, rewards, mus, dones, masks

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What is stored, as JSON values and named arrays, which may be views."""
        state = {name: getattr(self, name) for name in ("size", "n_env", "n_steps", "next_idx", "num_in_buffer")}
        return state, {name: array[: self.num_in_buffer] for name, array in self._arrays.items()}

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Restores exactly what `get_state` returned, in place of what is stored.

        Raises:
            ValueError: the state is of a buffer of another size, or it is damaged. This buffer stays as it was.
        """
        own, _ = self.get_state()
        if set(state) != set(own):
            raise ValueError(f"the state of a {type(self).__name__} has {sorted(own)}, got {sorted(state)}")
        for name in ("size", "n_env", "n_steps"):
            if state[name] != own[name]:
                raise ValueError(f"the state is of a buffer with {name} {state[name]}, this one's is {own[name]}")
        length, next_idx = state["num_in_buffer"], state["next_idx"]
        if not is_ring_state(length, next_idx, self.size):
            raise ValueError(f"a state with num_in_buffer {length}, next_idx {next_idx}, size {self.size} is damaged")
        new: dict[str, np.ndarray] = {}
        try:
            for name in _NAMES if length else ():
                shape, dtype = self._shape(name, arrays[name][0]), arrays[name].dtype
                new[name] = np.empty((self.size, *shape), dtype)
                new[name][:length] = checked_array(arrays, name, (length, *shape), dtype)
        except KeyError as error:
            raise ValueError(f"the state lacks the array {error}") from error
        self._arrays, self.next_idx, self.num_in_buffer = new, next_idx, length
