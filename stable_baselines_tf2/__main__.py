"""``python -m stable_baselines_tf2``: the same as the command ``stable-baselines-tf2``."""

import sys

from stable_baselines_tf2.cli import main

if __name__ == "__main__":
    sys.exit(main())
