"""Hyperparameters and parameters as JSON and bytes, under their legacy import path."""

from __future__ import annotations

from stable_baselines_tf2.files.hyperparameters import (
    bytes_to_params,
    data_to_json,
    is_json_serializable,
    json_to_data,
    params_to_bytes,
)

__all__ = ["bytes_to_params", "data_to_json", "is_json_serializable", "json_to_data", "params_to_bytes"]
