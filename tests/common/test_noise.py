import json

import numpy as np
import pytest

from stable_baselines_tf2.common import noise


def test_normal_noise():
    np.random.seed(0)
    expected = np.random.normal(size=2)
    np.random.seed(0)
    drawn = noise.NormalActionNoise(np.array([1.0, 2.0]), 0.1 * np.ones(2))()
    np.testing.assert_allclose(drawn, [1, 2] + 0.1 * expected)


def test_ornstein_uhlenbeck_without_randomness_decays_to_the_mean():
    start = np.array([8.0])
    source = noise.OrnsteinUhlenbeckActionNoise(np.zeros(1), np.zeros(1), theta=1.0, dt=0.5, initial_noise=start)
    assert [source().item() for _ in range(3)] == [4.0, 2.0, 1.0]
    source.reset()
    assert source().item() == 4.0
    assert source.initial_noise.item() == 8.0


def test_adaptive_parameter_noise():
    spec = noise.AdaptiveParamNoiseSpec(initial_stddev=1.0, desired_action_stddev=0.5, adoption_coefficient=2.0)
    spec.adapt(0.6)
    assert spec.get_stats() == {"param_noise_stddev": 0.5}
    for _ in range(2):
        spec.adapt(0.5)
    assert spec.current_stddev == 2.0


def test_action_noise_is_abstract():
    with pytest.raises(TypeError):
        noise.ActionNoise()


@pytest.mark.parametrize(
    "make",
    [
        lambda: noise.NormalActionNoise(np.zeros(2, np.float32), [0.1, 0.2]),
        lambda: noise.OrnsteinUhlenbeckActionNoise(np.zeros(2, np.float32), 0.3 * np.ones(2), initial_noise=np.ones(2)),
        lambda: noise.OrnsteinUhlenbeckActionNoise(np.zeros(2), 0.3 * np.ones(2), theta=0.2),
    ],
)
def test_description_keeps_the_state(make):
    source = make()
    source()
    copy = noise.noise_from_dict(json.loads(json.dumps(noise.noise_to_dict(source))))
    assert type(copy) is type(source)
    results = []
    for each in (source, copy):
        np.random.seed(3)
        results.append(np.array([each(), each()]))
        each.reset()
        results[-1] = np.append(results[-1], each())
    np.testing.assert_array_equal(*results)


def test_description_of_parameter_noise():
    spec = noise.AdaptiveParamNoiseSpec(0.2, 0.3, 1.5)
    spec.adapt(0.1)
    copy = noise.noise_from_dict(json.loads(json.dumps(noise.noise_to_dict(spec))))
    assert vars(copy) == vars(spec) and copy.current_stddev == pytest.approx(0.3)


def test_only_known_noise_is_described():
    class Mine(noise.NormalActionNoise):
        pass

    assert noise.noise_to_dict(Mine(0.0, 1.0)) is None
    assert noise.noise_to_dict("NormalActionNoise") is None
    for wrong in ({}, {"type": "Mine", "state": {}}, {"type": "NormalActionNoise", "state": {"_mu": 0}}):
        with pytest.raises(ValueError, match="noise|state"):
            noise.noise_from_dict(wrong)
