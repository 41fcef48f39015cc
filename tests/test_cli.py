"""The command line, through ``main``."""

import argparse
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from stable_baselines_tf2.cli import COMMANDS, benchmark, main, support

AGENT = ["--algo", "a2c", "--env", "CartPole-v1"]
TASK = {"id": "tiny", "algorithm": "A2C", "env": "CartPole", "n_envs": 2, "steps": 100, "kwargs": {"ent_coef": 0.0}}


@pytest.fixture
def tasks_file(tmp_path):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"tasks": [TASK, TASK | {"id": "later", "algorithm": "NONE"}]}))
    return str(path)


def line(task="tiny", seed=0, deterministic=(10.0, 20.0), stochastic=(5.0, 5.0)):
    return {"task": task, "seed": seed, "deterministic": list(deterministic), "stochastic": list(stochastic)}


def write_lines(path, lines):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    return str(path)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_needs_no_heavy_imports(command):
    code = f"""
import sys
from stable_baselines_tf2.cli import main
try:
    main({[*command, "--help"]})
finally:
    print([name for name in ("tensorflow", "gymnasium", "numpy") if name in sys.modules], file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr.strip()) == (0, "[]")
    assert result.stdout.startswith("usage: stable-baselines-tf2")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required"),
        (["fly"], "invalid choice: 'fly'"),
        (["train", "--algo", "a2c"], "--env"),
        (["train", "--algo", "dreamer", "--env", "CartPole-v1", "-n", "1"], "'dreamer' is neither one of a2c, acer, "),
        (["train", "--algo", "no.such:Class", "--env", "CartPole-v1", "-n", "1"], "there is no module no.such"),
        (["train", "--algo", "no/such.py:Class", "--env", "CartPole-v1", "-n", "1"], "there is no file no/such.py"),
        (["train", "--algo", "tests.helpers:Nothing", "--env", "CartPole-v1", "-n", "1"], "has no class 'Nothing'"),
        (
            ["train", "--algo", "tests.helpers:box", "--env", "CartPole-v1", "-n", "1"],
            "box is not an algorithm, a subcl",
        ),
        (["train", *AGENT, "-n", "0"], "0 is not above zero"),
        (["train", *AGENT, "-n", "many"], "many"),
        (["train", *AGENT, "-n", "1", "--seed", "-1"], "-1 is below zero"),
        (["train", *AGENT, "-n", "1", "--hyperparams", "gamma=1"], "'gamma=1' is not of the form key:value"),
        (
            ["train", *AGENT, "-n", "1", "--hyperparams", "gama:1"],
            "A2C has no hyperparameter gama; it has policy, env, gamma",
        ),
        (["train", *AGENT, "-n", "1", "--policy", "NoPolicy"], "NoPolicy"),
        (["train", "--algo", "a2c", "--env", "CartPole-v99", "-n", "1"], "CartPole"),
        (["train", "--algo", "a2c", "--env", "NoSuchEnv-v0", "-n", "1"], "NoSuchEnv"),
        (["train", *AGENT, "-n", "1", "--env-kwargs", "wings:2"], "wings"),
        (["train", "--algo", "a2c", "--env", "PongNoFrameskip-v4", "-n", "1", "--env-kwargs", "mode:1"], "Atari"),
        (["enjoy", *AGENT, "--load", "/no/such/model"], "/no/such/model"),
        (["benchmark", "--tasks", "/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_arguments_end_with_code_2_and_a_message(argv, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error


def test_an_atari_game_that_is_missing(capsys):
    pytest.importorskip("ale_py")
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--algo", "a2c", "--env", "NoSuchNoFrameskip-v4", "-n", "1"])
    assert "NoSuch" in capsys.readouterr().err.splitlines()[-1]


def test_algorithms_that_are_missing_are_named():
    with pytest.raises(support.UsageError, match="NONE is not an algorithm of this library, which has A2C"):
        support.find_algorithm("none")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gamma:0.98", ("gamma", 0.98)),
        ("lr_schedule:linear", ("lr_schedule", "linear")),
        ("policy_kwargs:{'net_arch': [64]}", ("policy_kwargs", {"net_arch": [64]})),
        ("cliprange_vf:None", ("cliprange_vf", None)),
        ("path:a:b", ("path", "a:b")),
    ],
)
def test_key_value(text, expected):
    assert support.key_value(text) == expected


@pytest.mark.parametrize("text", ["gamma", ":1", "a b:1"])
def test_key_value_rejects(text):
    with pytest.raises(argparse.ArgumentTypeError, match="key:value"):
        support.key_value(text)


def test_train_and_enjoy(tmp_path, capsys):
    path = tmp_path / "models" / "cartpole"
    agent = [*AGENT, "--seed", "3"]
    arguments = ["-n", "200", "--n-envs", "2", "--vec-normalize", "--eval-episodes", "2", "--hyperparams", "n_steps:10"]
    assert main(["train", *agent, *arguments, "--save", str(path), "--tensorboard-log", str(tmp_path / "tb")]) == 0
    assert "over 2 episodes" in capsys.readouterr().out
    assert (tmp_path / "models" / "cartpole.zip").is_file()
    assert list((tmp_path / "tb" / "A2C_1").glob("events.*"))

    assert main(["enjoy", *agent, "--load", str(path), "--episodes", "3"]) == 0
    first = capsys.readouterr().out
    assert f"observations normalized by {path}_vecnormalize.pkl" in first
    assert first.count("episode ") == 3 and "over 3 episodes" in first
    main(["enjoy", *agent, "--load", f"{path}.zip", "--episodes", "3"])
    assert capsys.readouterr().out == first

    with pytest.raises(SystemExit) as end:
        main(["enjoy", "--algo", "a2c", "--env", "Acrobot-v1", "--load", str(path)])
    assert end.value.code == 2
    assert "was trained with observation space" in capsys.readouterr().err


def test_demo_says_when_it_failed(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path), "--n-timesteps", "256"]) == 1
    output = capsys.readouterr().out
    assert "NOT solved after 256 steps" in output
    assert "acts the same on 1000 observations" in output
    for name in ("ppo2_cartpole.zip", "learning_curve.png", "monitor", "tensorboard"):
        assert str(tmp_path / name) in output
        assert (tmp_path / name).exists()
    assert (tmp_path / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"


def test_benchmark_trains_appends_and_reports(tmp_path, tasks_file, capsys):
    out = tmp_path / "out.jsonl"
    original = write_lines(tmp_path / "original.jsonl", [line(deterministic=[1.0], stochastic=[1.0])])
    arguments = ["benchmark", "--tasks", tasks_file, "--original", original, "--out", str(out), "--seeds", "4"]
    assert main([*arguments, "--only", "tiny"]) == 0
    (result,) = [json.loads(text) for text in out.read_text().splitlines()]
    assert (result["task"], result["seed"], result["steps"]) == ("tiny", 4, 100)
    assert len(result["deterministic"]) == len(result["stochastic"]) == 20
    assert result["episodes"] == sorted(result["episodes"]) and result["episodes"][-1][0] <= 100
    assert capsys.readouterr().out.count("\n") == 4

    assert main([*arguments, "--report"]) == 1  # the other task has no result
    assert "no result" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:n_cpu_tf_sess")  # each run of the command has a process of its own
def test_train_task_repeats_itself():
    first, second = (benchmark.train_task(TASK, 1) for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_unknown_task(tasks_file, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "--tasks", tasks_file, "--only", "large"])
    assert "no task large; it has tiny, later" in capsys.readouterr().err


def test_task_without_steps(tmp_path, capsys):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"tasks": [{key: value for key, value in TASK.items() if key != "steps"}]}))
    with pytest.raises(SystemExit):
        main(["benchmark", "--tasks", str(path)])
    assert "task tiny has no steps" in capsys.readouterr().err


def test_last_result_of_a_seed_counts(tmp_path):
    path = write_lines(
        tmp_path / "r.jsonl", [line(seed=0, deterministic=[1.0]), line(seed=1), line(deterministic=[9.0])]
    )
    results = {entry["seed"]: entry["deterministic"] for entry in benchmark.read_results(path)}
    assert results == {0: [9.0], 1: [10.0, 20.0]}


@pytest.mark.parametrize(
    ("ours", "original", "worse"),
    [
        ([[500.0]], [[500.0]], False),
        ([[499.0]], [[500.0]], True),
        ([[500.0], [500.0], [300.0]], [[500.0]] * 3, False),  # 66.7 below, two standard errors are 133
        ([[480.0], [485.0], [490.0]], [[500.0]] * 3, True),  # 15 below, two standard errors are 5.8
        ([[100.0, 120.0], [110.0]], [[0.0], [50.0]], False),
    ],
)
def test_compare(ours, original, worse):
    assert benchmark.compare(ours, original) is worse


def test_table(capsys):
    ours = [line(seed=seed, deterministic=[value]) for seed, value in enumerate((10.0, 12.0))]
    original = [line(seed=seed, deterministic=[value]) for seed, value in enumerate((20.0, 22.0))]
    assert benchmark.print_table([TASK], ours, original) == 1
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == "tiny 2/2 11.0 +/- 1.4 21.0 +/- 1.4 5.0 +/- 0.0 5.0 +/- 0.0 worse: deterministic".split()
    assert benchmark.print_table([TASK], original, ours) == 0


def test_training_episodes_count_steps_of_all_environments():
    data = {"get_episode_lengths": [[3, 2], [4]], "get_episode_rewards": [[1.0, 2.0], [3.0]]}
    env = SimpleNamespace(num_envs=2, env_method=data.__getitem__)
    assert sorted(benchmark.training_episodes(env)) == [(5, 1.0), (8, 3.0), (9, 2.0)]
