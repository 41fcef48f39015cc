"""What the algorithms share, under the import paths of Stable Baselines."""
