"""The replay buffer of hindsight experience replay. Its draws are compared with the original's in the golden cases."""

import copy

import numpy as np
import pytest

from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv
from stable_baselines_tf2.her import GoalSelectionStrategy, HERGoalEnvWrapper, HindsightExperienceReplayWrapper
from stable_baselines_tf2.her.replay_buffer import KEY_TO_GOAL_STRATEGY
from tests.her.goal_envs import Line


def replay_of(env, strategy="future", n_sampled_goal=2, relabel_last=True, size=100, seed=0):
    return HindsightExperienceReplayWrapper(
        ReplayBuffer(size),
        n_sampled_goal,
        KEY_TO_GOAL_STRATEGY[strategy],
        HERGoalEnvWrapper(env),
        relabel_last,
        np.random.default_rng(seed),
    )


def play(replay, env, n_steps):
    """Starts an episode of a `Line`, steps on and adds what happens, as a single environment."""
    obs = None
    for _ in range(n_steps):
        obs = env.reset()[0] if obs is None else obs
        next_obs, reward, terminated, truncated, info = env.step(0)
        flat = [replay.env.convert_dict_to_obs(one) for one in (obs, next_obs)]
        replay.add(flat[0], env.time % 2, reward, flat[1], terminated or truncated, info)
        obs = None if terminated or truncated else next_obs


def goals(replay):
    """(step, goal, reward, done) of what is stored, by row."""
    return [(int(o[0]), int(n[-1]), r, bool(d)) for o, _, r, n, d in replay.storage if o[-1] == n[-1]]


# ------------------------------------------------------------------------------------------------------------ the goals
def test_nothing_is_stored_before_the_episode_is_over():
    env = Line(3)
    replay = replay_of(env)
    play(replay, env, 2)
    assert len(replay) == 0 and not replay.can_sample(1)
    replay.drop_episodes()
    play(replay, env, 5)
    assert len(replay) == 9 and replay.can_sample(9)


def test_order_and_content():
    env = Line(3)
    replay = replay_of(env, "final")
    play(replay, env, 3)
    assert goals(replay) == [
        *[(0, 100, -1, False), (0, 3, -1, False), (0, 3, -1, False)],
        *[(1, 100, -1, False), (1, 3, -1, False), (1, 3, -1, False)],
        *[(2, 100, -1, True), (2, 3, 0, False), (2, 3, 0, False)],
    ]
    obs, action, _, next_obs, _ = replay.storage[4]
    assert obs.tolist() == [1, 0, 1, 3] and next_obs.tolist() == [2, 0, 2, 3] and action == 0


@pytest.mark.parametrize("relabel_last", [True, False])
def test_future(relabel_last):
    env = Line(6)
    replay = replay_of(env, n_sampled_goal=50, relabel_last=relabel_last, size=1000)
    play(replay, env, 6)
    found = {}
    for step, goal, reward, _ in goals(replay):
        if goal != 100:
            found.setdefault(step, set()).add(goal)
            assert reward == (0 if goal == step + 1 else -1)
    last = 6 if relabel_last else 5
    assert found == {step: set(range(step + 1, last + 1)) for step in range(last)}
    assert len(replay) == 6 + 50 * last


@pytest.mark.parametrize("strategy, relabel_last, expected", [
    ("episode", True, {1, 2, 3, 4}),
    ("episode", False, {0, 1, 2, 3}),
    ("final", True, {4}),
    ("final", False, {3}),
])  # fmt: skip
def test_goals_within_the_episode(strategy, relabel_last, expected):
    env = Line(4)
    replay = replay_of(env, strategy, n_sampled_goal=40, relabel_last=relabel_last, size=1000)
    play(replay, env, 4)
    assert len(replay) == 4 * 41
    assert {goal for _, goal, _, _ in goals(replay)} == expected | {100}


@pytest.mark.parametrize("relabel_last", [True, False])
def test_goals_from_the_whole_buffer(relabel_last):
    env = Line(2, 7)
    replay = replay_of(env, "random", n_sampled_goal=40, relabel_last=relabel_last, size=1000)
    play(replay, env, 2)
    shift = int(relabel_last)
    assert {goal for step, goal, *_ in goals(replay) if step == 0} == {shift, 100}  # nothing else is there yet
    play(replay, env, 7)
    later = {goal for step, goal, *_ in goals(replay)[2 * 41 :]}
    assert set(range(shift, 4 + shift)) | {100} <= later <= set(range(shift, 7 + shift)) | {100}
    assert 1 + shift in {goal for step, goal, *_ in goals(replay)[-41:]}  # of steps long before


def test_no_copies():
    env = Line(3)
    replay = replay_of(env, n_sampled_goal=0)
    play(replay, env, 6)
    assert goals(replay) == [(0, 100, -1, False), (1, 100, -1, False), (2, 100, -1, True)] * 2


@pytest.mark.parametrize("strategy", KEY_TO_GOAL_STRATEGY)
@pytest.mark.parametrize("relabel_last", [True, False])
def test_episodes_of_one_step(strategy, relabel_last):
    env = Line(1)
    replay = replay_of(env, strategy, relabel_last=relabel_last)
    play(replay, env, 2)
    assert len(replay) == (2 if strategy == "future" and not relabel_last else 6)


def test_an_episode_larger_than_the_buffer():
    env = Line(9)
    replay = replay_of(env, "final", size=7)
    with pytest.warns(UserWarning, match="for buffer_size=7 steps.*needs a time limit"):
        play(replay, env, 9)
    assert len(replay) == 7 and {step for step, *_ in goals(replay)} == {6, 7, 8}


def test_draws_come_from_the_generator():
    stored = []
    for seed in (3, 3, 4):
        env = Line(8)
        replay = replay_of(env, seed=seed)
        play(replay, env, 16)
        stored.append(goals(replay))
    assert stored[0] == stored[1] != stored[2]


# ------------------------------------------------------------------------------------------------------------- rewards
def test_rewards_are_computed_at_once():
    env = Line(3)
    replay = replay_of(env)
    play(replay, env, 3)
    assert env.calls == [1] * 6 + [2]  # the first time both ways, to compare
    play(replay, env, 6)
    assert env.calls == [1] * 6 + [2] * 3


def test_rewards_that_tell_nothing_are_not_trusted():
    env = Line(3)
    replay = replay_of(env, "final", relabel_last=False)  # the goal is always that before the last step
    env.compute_reward = lambda achieved, desired, info: -np.ones(np.shape(achieved)[:-1])
    play(replay, env, 6)
    assert replay._takes_batches is None


def test_an_environment_that_takes_one_goal_at_a_time():
    env = Line(3, takes_batches=False)  # fails on a list of infos
    replay = replay_of(env, "final")
    play(replay, env, 6)
    assert env.calls == [1] * 6 + [2] + [1] * 6
    assert [reward for _, goal, reward, _ in goals(replay) if goal == 3] == [-1, -1, -1, -1, 0, 0] * 2
    assert replay.storage[1][2] == -1


def test_the_info_of_the_step_is_given():
    env = Line(2, takes_batches=False)
    replay = replay_of(env, "final", n_sampled_goal=1)
    obs = np.zeros(4, np.float32)
    replay.add(obs, 0, -1.0, obs, False, {"bonus": 5})
    replay.add(obs, 0, -1.0, obs, True, {"bonus": 7})
    assert [reward for *_, reward, _ in goals(replay)] == [-1, 5, -1, 7]


def test_wrong_results_for_batches_are_noticed():
    class Deceptive(Line):
        def compute_reward(self, achieved_goal, desired_goal, info):
            wrong = np.ndim(achieved_goal) == 2
            return super().compute_reward(achieved_goal, desired_goal, info) - wrong

    env = Deceptive(4)
    replay = replay_of(env)
    play(replay, env, 8)
    assert all(reward == (0 if goal == step + 1 else -1) for step, goal, reward, _ in goals(replay))


def test_rewards_keep_their_fractions():
    env = Line(2)
    env.compute_reward = lambda achieved, desired, info: -0.25
    replay = replay_of(env, "final", n_sampled_goal=1)
    for t in range(2):
        replay.add(np.float32([t, 0, t, 9]), 0, -1, np.float32([t + 1, 0, t + 1, 9]), t == 1, {})
    assert [reward for _, _, reward, *_ in replay.storage] == [-1, -0.25, -1, -0.25]


def test_numbers_as_goals():
    env = BitFlippingEnv(3, discrete_obs_space=True)
    replay = replay_of(env, "final", n_sampled_goal=1)
    for t, (before, after) in enumerate([(0, 1), (1, 3), (3, 2)]):
        replay.add(np.array([before, before, 7]), 0, -1.0, np.array([after, after, 7]), t == 2, {})
    assert [(obs.tolist(), reward) for obs, _, reward, *_ in replay.storage] == [
        *[([0, 0, 7], -1), ([0, 0, 2], -1), ([1, 1, 7], -1), ([1, 1, 2], -1), ([3, 3, 7], -1), ([3, 3, 2], 0)]
    ]
    assert replay._takes_batches


def test_rewards_must_be_finite():
    env = Line(2)
    env.compute_reward = lambda achieved, desired, info: np.full(np.shape(achieved)[:-1], np.nan)
    with pytest.raises(ValueError, match=r"rewards must be finite, compute_reward\(\) of environment 0"):
        play(replay_of(env), env, 2)


# ------------------------------------------------------------------------------------------------- several environments
def step_all(replay, venv, obs, n_steps):
    for _ in range(n_steps):
        next_obs, rewards, dones, infos = venv.step([0] * venv.num_envs)
        last = next_obs.copy()
        for i in np.flatnonzero(dones):
            last[i] = infos[i]["terminal_observation"]
        replay.extend(obs, np.zeros(len(obs)), rewards, last, dones, infos)
        obs = next_obs


def test_episodes_of_several_environments_are_kept_apart():
    venv = HERGoalEnvWrapper(DummyVecEnv([lambda: Line(2), lambda: Line(3)]))
    replay = HindsightExperienceReplayWrapper(ReplayBuffer(100), 1, GoalSelectionStrategy.FINAL, venv, True)
    step_all(replay, venv, venv.reset(), 4)
    assert [(int(obs[0]), int(obs[3])) for obs, *_ in replay.storage] == [
        *[(0, 100), (0, 2), (1, 100), (1, 2)],
        *[(0, 100), (0, 3), (1, 100), (1, 3), (2, 100), (2, 3)],
        *[(0, 100), (0, 2), (1, 100), (1, 2)],
    ]
    assert [len(env.calls) > 0 for env in venv.venv.envs] == [True, True]


def test_environments_in_other_processes_are_asked_one_by_one():
    venv = HERGoalEnvWrapper(SubprocVecEnv([lambda: Line(3, takes_batches=False)] * 2))
    try:
        replay = HindsightExperienceReplayWrapper(ReplayBuffer(100), 2, GoalSelectionStrategy.FINAL, venv, True)
        step_all(replay, venv, venv.reset(), 3)
        assert len(replay) == 18 and [r for _, goal, r, _ in goals(replay) if goal == 3] == [-1, -1, -1, -1, 0, 0] * 2
        assert venv.get_attr("calls") == [[1] * 6] * 2
    finally:
        venv.close()


def test_a_time_limit_that_is_no_end_still_ends_the_episode():
    env = Line(2)
    replay = replay_of(env, "final", n_sampled_goal=1)
    obs = np.zeros(4, np.float32)
    replay.add(obs, 0, -1.0, obs, False, {})
    replay.add(obs, 0, -1.0, obs, False, {"terminal_observation": obs})
    assert [done for *_, done in goals(replay)] == [False] * 4


def test_what_is_given_may_change_afterwards():
    env = Line(2)
    replay = replay_of(env, "final", n_sampled_goal=0)
    obs, next_obs = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    for done in (False, True):
        replay.extend(obs, np.zeros(1), np.zeros(1), next_obs, np.array([done]), [{}])
        obs += 5
        next_obs += 5
    assert [(row[0][0], row[3][0]) for row in replay.storage] == [(0, 1), (5, 6)]


# --------------------------------------------------------------------------------------------------------------- states
def test_states():
    env = Line(5)
    replay = replay_of(env)
    play(replay, env, 12)
    state, arrays = replay.get_state()
    assert state["takes_batches"] is True
    other = replay_of(env)
    other.set_state(state, {name: array.copy() for name, array in arrays.items()})
    assert goals(other) == goals(replay) and other._takes_batches is True and not other._episodes
    with pytest.raises(ValueError, match="size 100, this one's is 50"):
        replay_of(env, size=50).set_state(state, arrays)
    plain = ReplayBuffer(100)
    plain.extend(np.zeros((2, 4)), np.zeros(2), np.zeros(2), np.zeros((2, 4)), np.zeros(2))
    other.set_state(*plain.get_state())
    assert len(other) == 2 and other._takes_batches is True


def test_what_is_the_buffers_own():
    env = Line(3)
    replay = replay_of(env, size=50)
    play(replay, env, 6)
    assert replay.buffer_size == 50 and not replay.is_full() and replay.relabels_goals
    rows = replay.sample_indices(2, 3, generator=np.random.default_rng(0))
    assert replay.gather(rows)[0].shape == (2, 3, 4) and replay.sample(5)[0].shape == (5, 4)
    assert len(copy.deepcopy(replay)) == len(replay) == 18
    with pytest.raises(AttributeError, match="no_such"):
        replay.no_such  # noqa: B018


def test_bad_arguments():
    env = HERGoalEnvWrapper(Line(2))
    for arguments, message in [
        (
            (ReplayBuffer(5), -1, GoalSelectionStrategy.FUTURE),
            "n_sampled_goal must be an integer of at least 0, not -1",
        ),
        ((ReplayBuffer(5), 1.5, GoalSelectionStrategy.FUTURE), "n_sampled_goal must be an integer"),
        ((ReplayBuffer(5), 2, "future"), "goal_selection_strategy must be one of .*FUTURE.*not 'future'"),
        ((PrioritizedReplayBuffer(5, 0.6), 2, GoalSelectionStrategy.FUTURE), "prioritized_replay"),
    ]:
        with pytest.raises(ValueError, match=message):
            HindsightExperienceReplayWrapper(*arguments, env)
