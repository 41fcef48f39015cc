"""Many images in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tile_images(img_nhwc: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Lays images out on a grid that is as square as possible, never wider than high; what is left over stays black.

    Args:
        img_nhwc: images of one size, ``[n, height, width, channels]``.

    Returns:
        One image, ``[rows * height, columns * width, channels]``, of the same dtype.

    Raises:
        ValueError: there is no image, or they are not four-dimensional together.
    """
    images = np.asarray(img_nhwc)
    if images.ndim != 4 or not len(images):
        raise ValueError(f"img_nhwc must be images of shape [n, height, width, channels], got shape {images.shape}")
    count, height, width, channels = images.shape
    rows = int(np.ceil(np.sqrt(count)))
    columns = int(np.ceil(count / rows))
    grid = np.zeros((rows * columns, height, width, channels), images.dtype)
    grid[:count] = images
    grid = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)  # [rows, height, columns, width, ...]
    return grid.reshape(rows * height, columns * width, channels)
