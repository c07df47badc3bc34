"""A multi-start that is stopped in the middle still knows its best optimum."""

import math

import pytest

import wilks


def rosenbrock(v):
    return -(1e5 * (v["b"] - v["a"] ** 2) ** 2 + (1 - v["a"]) ** 2)


@pytest.mark.parametrize(
    "n", [*range(700, 3351, 530), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3880, 5471, 530)), 6000]
)
def test_the_best_of_a_stopped_fit_is_the_best_of_its_optima(n):
    space = wilks.Space(a=wilks.Real(-2, 2), b=wilks.Real(-1, 3))
    problem = wilks.LikelihoodProblem(space, rosenbrock)
    result = wilks.fit(problem, seed=3, stop=wilks.MaxEvaluations(n), callbacks=[])
    values = [basin.log_likelihood for basin in result.basins]
    assert values == sorted(values, reverse=True)
    assert all(math.isfinite(value) for value in values)
    assert result.log_likelihood >= max(values, default=-math.inf)


def test_combinations_of_discrete_values_are_no_discoveries():
    space = wilks.Space(a=wilks.Real(-5, 5), k=wilks.Integer(0, 9))
    problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * v["a"] ** 2 - 0.01 * (v["k"] - 4) ** 2)
    result = wilks.fit(problem, seed=1, callbacks=[])
    assert len(result.basins) == 10
    assert result.quality.undiscovered < 0.05
    assert result.quality.warnings == ()
