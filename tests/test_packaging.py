"""The project's own files: what they promise must agree with each other and with the package."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stable_baselines_tf2

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PACKAGE = ROOT / "stable_baselines_tf2"
# Of what the extras bring; rich comes with Keras anyway.
OPTIONAL = ("ale_py", "Box2D", "cv2", "matplotlib", "moviepy", "mpi4py", "mujoco", "pandas", "tqdm")
LIGHT = (
    "stable_baselines_tf2",
    "stable_baselines_tf2.bench",
    "stable_baselines_tf2.cli",
    "stable_baselines_tf2.common.atari_wrappers",
    "stable_baselines_tf2.common.bit_flipping_env",
    "stable_baselines_tf2.common.callbacks",
    "stable_baselines_tf2.common.cmd_util",
    "stable_baselines_tf2.common.env_checker",
    "stable_baselines_tf2.common.evaluation",
    "stable_baselines_tf2.common.identity_env",
    "stable_baselines_tf2.common.noise",
    "stable_baselines_tf2.common.schedules",
    "stable_baselines_tf2.common.vec_env",
    "stable_baselines_tf2.logger",
    "stable_baselines_tf2.migration.aliases",
    "stable_baselines_tf2.migration.gym",
    "stable_baselines_tf2.results_plotter",
)


@pytest.fixture(scope="module")
def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    ).stdout


@pytest.mark.parametrize("module", LIGHT)
def test_import_is_light(module):
    found = run_python(
        f"import {module}, sys; print([n for n in {('tensorflow', 'keras', *OPTIONAL)} if n in sys.modules])"
    )
    assert found.strip() == "[]"


def test_every_module_imports_without_extras():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__main__.py"
    ]
    code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({OPTIONAL}))  # None makes an import fail
for name in {modules}:
    importlib.import_module(name)
    print(name)
"""
    assert run_python(code).split() == modules


def test_extras_that_errors_name_exist(setup_cfg):
    named = set()
    for path in PACKAGE.rglob("*.py"):
        named |= set(re.findall(r'require\(\s*"[\w.]+",\s*"(\w+)"', path.read_text()))
    extras = set(setup_cfg["options.extras_require"])
    assert {"atari", "plots"} <= named <= extras
    assert extras == {"atari", "box2d", "docs", "migrate", "mpi", "mujoco", "plots", "progress", "tests", "video"}


def test_ci_runs_the_command_of_the_readme():
    pattern = re.search(r"grep -E '(.+)' README\.md", (ROOT / ".ci" / "run").read_text()).group(1)
    commands = [line for line in README.splitlines() if re.search(pattern, line)]
    assert commands == ["python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox -e ci"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_readme_installs_existing_extras(setup_cfg):
    for extras in re.findall(r"install [^\n]*\[([\w,]+)\]", README):
        assert set(extras.split(",")) <= set(setup_cfg["options.extras_require"])


def test_tox_has_the_documented_environments():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    described = set(re.findall(r"^(\w+):", tox["testenv"]["description"], re.MULTILINE))
    run = {
        name
        for names in re.findall(r"^([\w,]+):", tox["testenv"]["commands"], re.MULTILINE)
        for name in names.split(",")
    }
    assert described == run == {"ci", "demo", "docs", "imports", "lint", "tests", "types"}


def test_python_versions_agree(setup_cfg):
    classifiers = re.findall(r"Python :: 3\.(\d+)", setup_cfg["metadata"]["classifiers"])
    envs = re.search(r"py\{([\d,]+)\}-tests", (ROOT / "tox.ini").read_text()).group(1)
    assert [f"3{minor}" for minor in classifiers] == envs.split(",")
    oldest, newest = int(classifiers[0]), int(classifiers[-1])
    assert setup_cfg["options"]["python_requires"] == f">=3.{oldest},<3.{newest + 1}"
    assert f"Python 3.{oldest} to 3.{newest}" in README
    assert f'target-version = "py3{oldest}"' in (ROOT / "pyproject.toml").read_text()


def test_version_and_types_are_packaged(setup_cfg):
    assert setup_cfg["metadata"]["version"] == "attr: stable_baselines_tf2.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", stable_baselines_tf2.__version__)
    assert (PACKAGE / setup_cfg["options.package_data"]["stable_baselines_tf2"]).is_file()
