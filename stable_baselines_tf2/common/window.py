"""A window that shows images, under the import path of rewritten scripts."""

from __future__ import annotations

from stable_baselines_tf2.envs.window import show

__all__ = ["show"]
