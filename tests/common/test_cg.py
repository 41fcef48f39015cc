import numpy as np

from stable_baselines_tf2.common.cg import conjugate_gradient


def test_solves_in_as_many_iterations_as_dimensions(capsys):
    rng = np.random.default_rng(0)
    half = rng.normal(size=(5, 5))
    matrix, b = half @ half.T + np.eye(5), rng.normal(size=5)
    before = b.copy()
    np.testing.assert_allclose(conjugate_gradient(matrix.dot, b), np.linalg.solve(matrix, b), rtol=1e-6)
    np.testing.assert_array_equal(b, before)
    assert capsys.readouterr().out == ""


def test_callbacks_and_output(capsys):
    seen = []
    b = np.array([2.0, 4.0])
    x = conjugate_gradient(lambda v: 2 * v, b, callback=lambda x: seen.append(x.copy()), verbose=True)
    assert [x.tolist() for x in seen] == [[0.0, 0.0], [1.0, 2.0]]
    assert x.tolist() == [1.0, 2.0]
    assert capsys.readouterr().out.count("iteration") == 2


def test_zero_has_the_solution_zero():
    assert conjugate_gradient(lambda v: v, np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert conjugate_gradient(lambda v: v, np.ones(2), cg_iters=0).tolist() == [0.0, 0.0]
