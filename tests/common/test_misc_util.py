import argparse
import random
import subprocess
import sys

import numpy as np
import pytest

from stable_baselines_tf2.common import misc_util


def test_zipsame():
    assert list(misc_util.zipsame([1, 2], "ab")) == [(1, "a"), (2, "b")]
    with pytest.raises(ValueError, match=r"\[2, 1\]"):
        misc_util.zipsame([1, 2], [3])


def test_set_global_seeds():
    import tensorflow as tf

    draws = []
    for seed in (3, 3, 4):
        misc_util.set_global_seeds(seed)
        draws.append((random.random(), np.random.rand(), float(tf.random.uniform(()))))
    assert draws[0] == draws[1]
    assert all(a != b for a, b in zip(draws[1], draws[2], strict=True))


def test_seeding_does_not_import_tensorflow():
    code = "import sys; from stable_baselines_tf2.common import misc_util as m; m.set_global_seeds(1)"
    code += "; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_boolean_flag():
    parser = argparse.ArgumentParser()
    misc_util.boolean_flag(parser, "layer-norm", default=True, help_msg="normalize")
    parsed = [parser.parse_args(arguments).layer_norm for arguments in ([], ["--no-layer-norm"], ["--layer-norm"])]
    assert parsed == [True, False, True]


def test_lists_and_rank():
    assert misc_util.flatten_lists([[1], [], [2, 3]]) == [1, 2, 3]
    assert misc_util.mpi_rank_or_zero() == 0
