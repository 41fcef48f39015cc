"""A window that shows images."""

from __future__ import annotations

import numpy as np

from stable_baselines_tf2.core.optional import require


def show(image: np.ndarray) -> None:
    """Shows an image, in the same window every time.

    Args:
        image: RGB, uint8 ``[height, width, 3]``.

    Raises:
        ImportError: pygame is not installed.
    """
    pygame = require("pygame", "box2d")
    if not pygame.display.get_init():
        pygame.display.init()
    window = pygame.display.get_surface()
    size = image.shape[1], image.shape[0]
    if window is None or window.get_size() != size:
        window = pygame.display.set_mode(size)
    window.blit(pygame.surfarray.make_surface(np.swapaxes(image, 0, 1)), (0, 0))
    pygame.event.pump()
    pygame.display.flip()
