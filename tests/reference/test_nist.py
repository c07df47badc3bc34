"""The nonlinear regression problems of NIST StRD against their certified values.

Residuals are divided by the certified standard deviation, so the standard errors are the certified ones. Every box goes
from zero (where the sign is known) to ten times the largest of both starts and the certified value.
"""

import numpy as np
import pytest

import wilks
from tests.reference.strd import LINEAR, MODELS, digits, read

# Residuals of Lanczos1 are 1e-13: rounding leaves them three digits, and so the errors, which are in units of them.
FEWER_DIGITS_OF_ERRORS = {"Lanczos1": 2.5}
# The first start of MGH17 has no slope in its two rates: both decays are over before the second point. With the
# amplitudes solved for, it ends in an optimum where one of them stays so.
ELSEWHERE = {("MGH17", 1)}


def fit_from(dataset, number):
    problem = dataset.problem(dataset.box(10.0))
    return wilks.fit(problem, start=dataset.start(number), n_starts=0, seed=1, callbacks=())


def arrays(result):
    best = np.array([result.best[name] for name in result.names])
    return best, np.array([result.standard_errors[name] for name in result.names])


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.slow)])  # the second is nearer
@pytest.mark.parametrize("name", MODELS)
def test_certified_values(name, number):
    dataset = read(name)
    result = fit_from(dataset, number)
    best, errors = arrays(result)
    assert result.status.success
    assert digits(best, dataset.certified) > 6
    scaled = errors * np.sqrt(result.reduced_chi_squared)
    assert digits(scaled, dataset.certified_sd) > FEWER_DIGITS_OF_ERRORS.get(name, 6)
    assert result.dof == len(dataset.y) - len(best)
    assert result.reduced_chi_squared == pytest.approx(1.0, rel=3e-3 if name == "Lanczos1" else 1e-8)
    assert not result.at_bounds
    assert not result.quality.flat_directions


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, 1) if (name, 1) not in ELSEWHERE else (name, 2) for name in LINEAR),
        *(pytest.param(name, 2, marks=pytest.mark.slow) for name in LINEAR if (name, 1) not in ELSEWHERE),
    ],
)
def test_certified_values_with_linear_parameters_declared(name, number):
    dataset = read(name)
    problem = dataset.problem(dataset.box(10.0), linear=LINEAR[name])
    result = wilks.fit(problem, start=dataset.start(number), n_starts=0, seed=1, callbacks=())
    best, errors = arrays(result)
    assert result.status.success
    assert digits(best, dataset.certified) > 6
    scaled = errors * np.sqrt(result.reduced_chi_squared)
    assert digits(scaled, dataset.certified_sd) > FEWER_DIGITS_OF_ERRORS.get(name, 6)
    assert result.n_evaluations < 1000


# Found from anywhere in the box, with the default settings. The others are left out for their time (Bennett5, Hahn1,
# Nelson, MGH17), for their box (MGH10), or because their terms may change places (Gauss2, Gauss3, Lanczos).
GLOBAL = [
    "BoxBOD", "Chwirut1", "Chwirut2", "DanWood", "Eckerle4", "Kirby2", "MGH09", "Misra1a", "Misra1b", "Misra1c",
    "Misra1d", "Rat42", "Rat43", "Roszman1",
]  # fmt: skip


@pytest.mark.parametrize("name", GLOBAL)
def test_no_start_is_needed(name):
    dataset = read(name)
    result = wilks.fit(dataset.problem(dataset.box(3.0)), seed=2, callbacks=())
    assert result.status.success
    assert digits(arrays(result)[0], dataset.certified) > 6


# The search of these takes thousands of evaluations per start.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["Gauss1", "Gauss2", "Gauss3", "ENSO", "Thurber", "Hahn1", "Nelson", "MGH17", "Bennett5"]
)
def test_no_start_is_needed_for_the_hard_ones(name):
    dataset = read(name)
    result = wilks.fit(dataset.problem(dataset.box(3.0)), seed=2, callbacks=())
    assert result.chi_squared == pytest.approx(result.dof, rel=1e-6)


@pytest.mark.parametrize("name", ["Lanczos2", "Lanczos3"])
def test_terms_that_may_change_places(name):
    """Sums of three decays: the optimum exists six times over, and in each the decays are the certified ones."""
    dataset = read(name)
    result = fit_from(dataset, 1)
    found = sorted(arrays(result)[0].reshape(3, 2).tolist())
    assert digits(np.array(found), np.array(sorted(dataset.certified.reshape(3, 2).tolist()))) > 6
