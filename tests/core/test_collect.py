"""The on-policy collector on scripted environments."""

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.collect import OnPolicyCollector
from stable_baselines_tf2.core.returns import generalized_advantage_estimation
from tests.helpers import box
from tests.on_policy_cases import Scripted


class Policy:
    """Values are 100·time + episode of the observation; the state counts steps since the episode's start."""

    def __init__(self):
        self.noted = []

    def step(self, obs, states=None, dones=None):
        self.noted.append((obs.copy(), None if states is None else states.copy(), np.array(dones)))
        if states is not None:
            states = np.where(np.asarray(dones)[:, None], 0, states) + 1
        return np.arange(len(obs)) % 2, self.value(obs), states, np.full(len(obs), 0.5)

    def value(self, obs, states=None, dones=None):
        self.asked = obs, states, dones
        return obs @ np.float32([100, 1])


def collector(n_steps=5, truncates=False, state=False, **kwargs):
    env = DummyVecEnv([lambda: Scripted([1, 2, 3], truncates), lambda: Scripted([10, 20, 30, 40, 50, 60], truncates)])
    policy = Policy()
    initial = np.zeros((2, 1), np.float32) if state else None
    return OnPolicyCollector(env, policy.step, policy.value, n_steps, initial, **kwargs), policy


def test_rollout():
    runner, _ = collector()
    rollout = runner.run()
    np.testing.assert_array_equal(rollout.rewards, [[1, 2, 3, 1, 2], [10, 20, 30, 40, 50]])
    np.testing.assert_array_equal(rollout.obs[0], [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(rollout.starts, [[0, 0, 0, 1, 0], [0] * 5])
    np.testing.assert_array_equal(rollout.dones, [[0, 0, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(rollout.values, [[0, 100, 200, 1, 101], [0, 100, 200, 300, 400]])
    np.testing.assert_array_equal(rollout.actions, [[0] * 5, [1] * 5])
    np.testing.assert_array_equal(rollout.last_values, [201, 500])
    np.testing.assert_array_equal(rollout.flat(rollout.rewards), [1, 2, 3, 1, 2, 10, 20, 30, 40, 50])
    assert rollout.flat(rollout.obs).shape == (10, 2)
    assert rollout.episodes == [(6, 6.0)]  # after three steps of two environments
    assert rollout.states is None and rollout.neglogp.dtype == rollout.values.dtype == np.float32
    np.testing.assert_array_equal(rollout.last_obs, [[2, 1], [5, 0]])
    assert rollout.episode_lengths == [3] and rollout.distributions is None


def test_the_next_rollout_goes_on():
    runner, _ = collector()
    runner.run()
    rollout = runner.run()
    np.testing.assert_array_equal(rollout.rewards, [[3, 1, 2, 3, 1], [60, 10, 20, 30, 40]])
    np.testing.assert_array_equal(rollout.starts, [[0, 1, 0, 0, 1], [0, 1, 0, 0, 0]])
    assert rollout.episodes == [(2, 6.0), (2, 210.0), (8, 6.0)] and rollout.episode_lengths == [3, 6, 3]


def test_recurrent_states():
    runner, policy = collector(state=True)
    first, second = runner.run(), runner.run()
    np.testing.assert_array_equal(first.states, [[0], [0]])
    np.testing.assert_array_equal(second.states, [[2], [5]])
    np.testing.assert_array_equal([state[0, 0] for _, state, _ in policy.noted], [0, 1, 2, 3, 1, 2, 3, 1, 2, 3])
    np.testing.assert_array_equal([done[0] for _, _, done in policy.noted], [0, 0, 0, 1, 0, 0, 1, 0, 0, 1])


def test_distributions():
    runner, policy = collector()
    runner._step = lambda *inputs: (*policy.step(*inputs), inputs[0] * 2)
    rollout = runner.run()
    np.testing.assert_array_equal(rollout.distributions, rollout.obs * 2)


def test_stopping():
    runner, _ = collector()
    seen = []

    def on_step(get_locals):
        values = get_locals()
        seen.append((values["step"], values["rewards"].tolist(), values["dones"].tolist(), values["obs"].tolist()))
        return len(seen) < 3

    assert runner.run(on_step) is None and not runner.continue_training
    assert seen[2] == (2, [3.0, 30.0], [True, False], [[0, 1], [3, 0]])
    np.testing.assert_array_equal(runner.run().rewards[1], [40, 50, 60, 10, 20])


def test_actions_are_clipped_for_the_environment_only():
    taken = []

    class Env(Scripted):
        action_space = box(1)

        def step(self, action):
            taken.append(float(action[0]))
            return super().step(action)

    actions = iter([[5.0], [-0.5], [-3.0]])

    def step(obs, states, dones):
        return np.array([next(actions)], np.float32), np.zeros(1), None, np.zeros(1)

    space = Env.action_space
    env = DummyVecEnv([lambda: Env([1.0] * 9)])
    rollout = OnPolicyCollector(env, step, lambda *_: np.zeros(1), 3, action_bounds=(space.low, space.high)).run()
    assert taken == [1.0, -0.5, -1.0]
    np.testing.assert_array_equal(rollout.actions[0, :, 0], [5, -0.5, -3])


@pytest.mark.parametrize("discount", [None, 0.5])
def test_timeouts(discount):
    runner, policy = collector(truncates=True, timeout_discount=discount)
    rollout = runner.run()
    bonus = 0 if discount is None else 0.5 * 300  # half the value of the terminal observation [3, 0]
    np.testing.assert_array_equal(rollout.rewards, [[1, 2, 3 + bonus, 1, 2], [10, 20, 30, 40, 50]])
    assert rollout.episodes == [(6, 6.0)]  # as the environment paid
    np.testing.assert_array_equal(rollout.dones[0], [0, 0, 1, 0, 0])


def test_ends_are_no_timeouts():
    runner, _ = collector(timeout_discount=0.5)
    np.testing.assert_array_equal(runner.run().rewards[0], [1, 2, 3, 1, 2])


def test_timeouts_use_the_state_after_the_last_step():
    runner, policy = collector(n_steps=3, truncates=True, state=True, timeout_discount=1.0)
    value, asked = runner._value, []
    runner._value = lambda *arguments: asked.append(arguments) or value(*arguments)
    runner.run()
    obs, states, dones = asked[0]
    np.testing.assert_array_equal(obs, [[3, 0]])
    np.testing.assert_array_equal(states, [[3]])
    assert not dones.any()


def test_last_observations_can_be_prepared():
    runner, _ = collector(truncates=True, timeout_discount=0.5, prepare_last=lambda obs: obs / 10)
    np.testing.assert_array_equal(runner.run().rewards[0, :3], [1, 2, 3 + 15])


def test_monitors_reports():
    class Env(Scripted):
        def step(self, action):
            *result, info = super().step(action)
            return (*result, {"episode": {"r": 7.0, "l": 3}} if result[2] else info)

    policy = Policy()
    runner = OnPolicyCollector(DummyVecEnv([lambda: Env([1, 2, 3])]), policy.step, policy.value, 7)
    assert runner.run().episode_infos == [{"r": 7.0, "l": 3}] * 2


def test_observations_keep_their_type():
    space = box(2, low=0, high=255, dtype=np.uint8)

    class Env(Scripted):
        observation_space = space

        def __init__(self):
            super().__init__([1, 2, 3])
            self.observation_space = space

        def _observe(self):
            return super()._observe().astype(np.uint8)

    runner = OnPolicyCollector(DummyVecEnv([Env]), *[getattr(Policy(), name) for name in ("step", "value")], 4)
    assert runner.run().obs.dtype == np.uint8
    assert isinstance(Env.action_space, spaces.Discrete)


# ---------------------------------------------------------------------------------------------------- returns
def rollout_of(n_envs, n_steps):
    rng = np.random.default_rng(0)
    env = DummyVecEnv([lambda i=i: Scripted(rng.normal(size=3 + i).tolist()) for i in range(n_envs)])
    policy = Policy()
    return OnPolicyCollector(env, policy.step, lambda obs, *_: policy.value(obs) / 100, n_steps).run()


def test_advantages_set_the_returns():
    rollout = rollout_of(2, 5)
    advantages = rollout.advantages(0.9, 0.8)
    expected, returns = generalized_advantage_estimation(
        rollout.rewards.T, rollout.values.T, rollout.starts.T, rollout.last_values, rollout.last_dones, 0.9, 0.8
    )
    np.testing.assert_array_equal(advantages, expected.T)
    np.testing.assert_array_equal(rollout.returns, returns.T)
    np.testing.assert_array_equal(rollout.batch("returns")["returns"], returns.T.ravel())


def test_discounted_returns():
    rollout = rollout_of(2, 5)
    found = rollout.discounted_returns(0.9)
    for i in range(2):
        running = rollout.last_values[i]
        for t in reversed(range(5)):
            running = rollout.rewards[i, t] + 0.9 * running * (1 - rollout.dones[i, t])
            assert found[i, t] == rollout.returns[i, t] == pytest.approx(running, rel=1e-5)


def test_returns_that_were_not_estimated():
    rollout = rollout_of(2, 5)
    for read in (lambda: rollout.returns, lambda: rollout.batch("obs", "returns")):
        with pytest.raises(
            ValueError, match=r"returns of this rollout have not been estimated: call rollout.advantages"
        ):
            read()


def test_returns_are_not_assigned():
    rollout = rollout_of(2, 5)
    with pytest.raises(AttributeError, match=r"an array of shape \(5, 2\) was.*set_returns\(estimate\)"):
        rollout.returns = np.zeros((5, 2))


@pytest.mark.parametrize("n_envs, n_steps", [(2, 5), (4, 4), (1, 1)])
def test_an_estimator_of_one_s_own(n_envs, n_steps):
    rollout = rollout_of(n_envs, n_steps)

    def estimate(rewards, values, dones, last_values):
        assert rewards.shape == values.shape == dones.shape == (len(rewards), n_envs) and last_values.shape == (n_envs,)
        return rewards + 0.5 * values

    found = rollout.set_returns(estimate)
    np.testing.assert_allclose(found, rollout.rewards + 0.5 * rollout.values)
    assert rollout.returns is found and found.dtype == np.float32


@pytest.mark.parametrize("n_envs, n_steps", [(2, 5), (4, 4)])
def test_an_estimator_with_the_wrong_order_of_axes(n_envs, n_steps):
    rollout = rollout_of(n_envs, n_steps)
    with pytest.raises(ValueError, match=r"shape \[T, N\] = .*its axes are in the wrong order"):
        rollout.set_returns(lambda rewards, *_: rewards.T)
    with pytest.raises(ValueError, match=r"estimate must return an array of shape \[T, N\]"):
        rollout.set_returns(lambda rewards, *_: rewards[0])
    with pytest.raises(ValueError, match="not finite"):
        rollout.set_returns(lambda rewards, *_: rewards * np.nan)
    with pytest.raises(ValueError, match="have not been estimated"):
        rollout.returns  # noqa: B018
