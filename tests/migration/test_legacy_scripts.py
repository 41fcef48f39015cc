"""The example scripts of the original's user guide, where the shared folder has them."""

import os
import pathlib
import subprocess
import sys

import pytest

from stable_baselines_tf2.migration.rewriter import rewrite

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(os.environ.get("SBTF2_SHARED", ROOT.parent / "shared")) / "legacy_scripts"
SCRIPTS = sorted(FOLDER.glob("[01][0-9]_*.py"))
pytestmark = pytest.mark.skipif(not SCRIPTS, reason=f"no scripts in {FOLDER}")
slow = pytest.mark.skipif(not os.environ.get("SBTF2_SCRIPTS"), reason="takes minutes: set SBTF2_SCRIPTS=1")


def names(*paths):
    return {"argvalues": paths, "ids": [path.stem for path in paths]}


@pytest.mark.parametrize("script", **names(*SCRIPTS))
def test_rewriting_leaves_nothing_open(script):
    old = script.read_bytes()
    new, decisions = rewrite(old)
    compile(new, script.name, "exec")
    assert decisions == []
    assert b"stable_baselines " not in new and b"import gym\n" not in new
    assert rewrite(new).source == new
    assert sum(line not in old.splitlines() for line in new.splitlines()) <= 14


@slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("script", **names(*SCRIPTS))
def test_script_runs_to_its_end(tmp_path, script, rewritten):
    command = [sys.executable, str(FOLDER / "run_all.py"), "--cap", "600", "--renders", "60", script.stem]
    if rewritten:
        (tmp_path / script.name).write_bytes(rewrite(script.read_bytes()).source)
        command += ["--rewritten", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
