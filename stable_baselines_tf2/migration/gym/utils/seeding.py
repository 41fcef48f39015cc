"""``gym.utils.seeding``: random generators of the kind that old environments draw from."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import numpy as np
from gymnasium.error import Error


class RandomNumberGenerator(np.random.RandomState):
    """A ``RandomState`` that also has the names by which gym 0.22 and later drew integers."""

    def integers(self, low: int, high: int | None = None, size: Any = None, dtype: Any = np.int64) -> Any:
        """Integers from ``low`` up to ``high``, exclusive."""
        return self.randint(low, high, size, dtype)


def np_random(seed: int | None = None) -> tuple[RandomNumberGenerator, int]:
    """Makes a random generator.

    Args:
        seed: an integer that is not negative; None draws one from the operating system.

    Returns:
        The generator and the seed.

    Raises:
        gymnasium.error.Error: the seed is invalid.
    """
    used = create_seed(seed)
    return RandomNumberGenerator(np.random.MT19937(np.random.SeedSequence(used))), used


def create_seed(a: int | str | None = None, max_bytes: int = 8) -> int:
    """A seed from a number or text; a random one for None."""
    if a is None:
        return secrets.randbits(8 * max_bytes)
    if isinstance(a, str):
        return int.from_bytes(hashlib.sha512(a.encode()).digest()[:max_bytes], "little")
    if isinstance(a, bool) or not isinstance(a, (int, np.integer)) or a < 0:
        raise Error(f"a seed must be an integer that is not negative, or None, not {a!r}")
    return int(a) % 2 ** (8 * max_bytes)


def hash_seed(seed: int | None = None, max_bytes: int = 8) -> int:
    """A seed that is far from those of its neighbours."""
    return create_seed(str(create_seed(seed, max_bytes)), max_bytes)
