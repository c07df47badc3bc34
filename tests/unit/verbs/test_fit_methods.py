"""The methods of a fit: what each does, that it resumes, and that nothing depends on the number of workers."""

import itertools
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import wilks
from wilks import LikelihoodProblem, Outcome, Real, ResidualProblem, Space, problems
from wilks.verbs.fit_options import FitOptions

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))
X = np.linspace(0, 3, 25)

METHODS = {
    "multi_start": FitOptions(),
    "screening": FitOptions("screening", n_screened=64, n_refined=6),
    "screening by sobol": FitOptions("screening", "sobol", n_screened=64, n_refined=6),
    "screening at random": FitOptions("screening", "random", n_screened=64, n_refined=6),
    "cma_es": FitOptions("cma_es", n_restarts=1),
    "auto": FitOptions("auto"),
}


def egg_box(v):
    """Many maxima; the best one at (1, 2)."""
    a, b = v["a"] - 1, v["b"] - 2
    return -0.5 * (a**2 + b**2) - 3 * math.sin(1.5 * a) ** 2 - 3 * math.sin(1.5 * b) ** 2


PROBLEM = LikelihoodProblem(SPACE, egg_box)


def fit(problem, **options):
    return wilks.fit(problem, callbacks=(), **({"seed": 1} | options))


def names(result):
    return [step.name for step in result.provenance.executed]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_the_best_point_and_its_errors(name):
    result = fit(PROBLEM, options=METHODS[name])
    assert result.status.success
    assert result.best == pytest.approx({"a": 1.0, "b": 2.0}, abs=1e-5)
    assert result.standard_errors == pytest.approx(dict.fromkeys("ab", 1 / math.sqrt(1 + 6 * 1.5**2)), rel=1e-3)
    assert result.n_evaluations == sum(step.n_evaluations for step in result.provenance.executed)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fits_residuals(name):
    data = 2.3 * np.exp(-1.1 * X)
    space = Space(a=Real(0, 10), b=Real(0, 5))
    result = fit(ResidualProblem(space, lambda v: (data - v["a"] * np.exp(-v["b"] * X)) / 0.05), options=METHODS[name])
    assert result.best == pytest.approx({"a": 2.3, "b": 1.1}, abs=1e-6)
    assert result.dof == 23


def test_the_screening_refines_the_best_points_and_counts_where_they_end():
    result = fit(PROBLEM, options=METHODS["screening"])
    assert names(result) == ["screening", "refinement"]
    assert result.provenance.executed[0].n_evaluations == result.stats["n_screened"] == 64
    assert result.stats["n_starts"] == 6
    assert sum(basin.n_hits for basin in result.basins) == 6
    assert 0 < result.quality.undiscovered <= 1
    assert result.provenance.executed[0].detail == (
        "64 points of a latin hypercube design, the best 6 of them that lie apart go on"
    )


def test_given_starts_are_refined_in_any_case():
    """The start leads to a poor optimum, far below what the screening sees."""
    start = {"a": 4.85, "b": 0.05}
    alone = fit(PROBLEM, start=start, n_starts=0)
    result = fit(PROBLEM, start=start, options=METHODS["screening"])
    assert result.stats["n_starts"] == 7
    assert any(basin.values == pytest.approx(alone.best, abs=0.01) for basin in result.basins)
    assert sum(basin.n_hits for basin in result.basins) == 6
    assert result.best == pytest.approx({"a": 1.0, "b": 2.0}, abs=1e-5)


def test_the_best_point_of_the_log_competes():
    log = wilks.EvaluationLog()
    fit(PROBLEM, log=log)
    options = FitOptions("screening", n_screened=2, n_refined=1)
    assert fit(PROBLEM, log=log, options=options, seed=5).best == pytest.approx({"a": 1.0, "b": 2.0}, abs=1e-4)
    assert fit(PROBLEM, options=options, seed=5).log_likelihood < -1.0


def test_local_is_the_same_as_no_random_starts():
    start = {"a": 0.9, "b": 2.2}
    one, other = fit(PROBLEM, start=start, n_starts=0), fit(PROBLEM, start=start, options=FitOptions("local"))
    assert (one.best, one.n_evaluations) == (other.best, other.n_evaluations)
    assert one.quality == other.quality
    assert "Only the given starts were used: there may be a better optimum elsewhere." in other.quality.warnings


@pytest.mark.parametrize(("width", "method"), [(900.0, "multi_start"), (1100.0, "cma_es")])
def test_auto_goes_by_the_scale_ratio_and_says_so(width, method):
    space = Space(a=Real(0, 1), b=Real(0, width))
    problem = LikelihoodProblem(space, lambda v: -50 * (v["a"] - 0.3) ** 2 - (v["b"] / width - 0.6) ** 2 / 0.02)
    result = fit(problem, options=FitOptions("auto", n_restarts=0))
    relation = "more" if method == "cma_es" else "no more"
    first = result.provenance.executed[0]
    assert first.name == "choice of the method"
    assert first.detail == f"{method}: the bounds differ in width by a factor of {width:g}, {relation} than 1000"
    assert ("CMA-ES" in names(result)) == (method == "cma_es")
    assert result.best == pytest.approx({"a": 0.3, "b": 0.6 * width}, rel=1e-5)


def test_cma_es_makes_as_many_runs_as_it_is_told():
    result = fit(PROBLEM, options=FitOptions("cma_es", n_restarts=2))
    assert names(result) == ["CMA-ES", "refinement"]
    assert result.provenance.executed[0].detail.startswith("3 runs")
    assert result.stats["n_starts"] == 3
    assert math.isnan(result.quality.undiscovered)


def test_screening_replaces_points_that_violate_a_constraint():
    calls = []

    def counted(v):
        calls.append(v)
        return egg_box(v)

    problem = LikelihoodProblem(SPACE, counted, constraints=lambda v: v["a"] > 0)
    result = fit(problem, options=FitOptions("screening", n_screened=40, n_refined=3))
    assert result.stats["n_screened"] == 40
    assert result.provenance.executed[0].n_evaluations == 40
    assert result.n_evaluations == len(calls)
    assert result.stats["n_violated"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_any_number_of_workers_gives_the_same_answer(name):
    serial = fit(PROBLEM, options=METHODS[name])
    with ThreadPoolExecutor(3) as pool:
        threads = fit(PROBLEM, options=METHODS[name], executor=pool)
    assert threads.best == serial.best
    assert threads.n_evaluations == serial.n_evaluations
    assert (threads.covariance == serial.covariance).all()
    assert threads.basins == serial.basins


class Interrupted(LikelihoodProblem):
    """Raises KeyboardInterrupt at one call, once."""

    def __init__(self, at):
        self.at, self.n = at, 0
        super().__init__(SPACE, self._call, name="interrupted")

    def _call(self, v):
        self.n += 1
        if self.n == self.at:
            raise KeyboardInterrupt
        return egg_box(v)

    @property
    def fingerprint(self):
        return "the same in every call"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("share", [0.1, 0.5, pytest.param(0.9, marks=pytest.mark.slow)])
def test_an_interrupted_fit_has_its_best_point_and_goes_on(tmp_path, name, share):
    whole = fit(Interrupted(math.inf), options=METHODS[name])
    problem = Interrupted(int(share * whole.n_evaluations) + 2)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        cut = fit(problem, options=METHODS[name], log=log)
    assert cut.status.outcome is Outcome.INTERRUPTED
    assert set(cut.best) == {"a", "b"}
    assert cut.log_likelihood == egg_box(cut.best)
    assert cut.quality.flag == "poor"
    assert cut.n_evaluations == problem.at - 1
    repr(cut)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        after = fit(problem, options=METHODS[name], log=log)
    assert after.status.success
    assert after.best == whole.best
    assert after.basins == whole.basins
    assert (after.covariance == whole.covariance).all()
    assert problem.n == whole.n_evaluations + 1  # nothing but the interrupted point was evaluated twice


@pytest.mark.parametrize("name", METHODS)
def test_a_limit_holds_over_all_stages(name):
    result = fit(PROBLEM, options=METHODS[name], stop=wilks.MaxEvaluations(75))
    assert result.n_evaluations == 75
    assert result.status.outcome is Outcome.EVALUATION_LIMIT
    assert math.isfinite(result.log_likelihood)


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "run.sqlite"
    with wilks.EvaluationLog(path) as log:
        fit(PROBLEM, options=METHODS["screening"], log=log, stop=wilks.MaxEvaluations(80))
    with sqlite3.connect(path) as database:
        ((state,),) = database.execute("SELECT state FROM checkpoints ORDER BY stage DESC LIMIT 1").fetchall()
        broken = bytearray(state)
        broken[len(state) // 2] ^= 0xFF
        database.execute("UPDATE checkpoints SET state = ? WHERE state = ?", (bytes(broken), state))
    database.close()
    with wilks.EvaluationLog(path) as log, pytest.raises(wilks.CheckpointError, match="damaged"):
        fit(PROBLEM, options=METHODS["screening"], log=log)


def test_discrete_parameters_are_screened_too():
    space = Space(n=wilks.Integer(0, 5), a=Real(-5, 5))
    problem = LikelihoodProblem(space, lambda v: -0.5 * (v["a"] - v["n"]) ** 2 - (v["n"] - 3) ** 2)
    for name, options in itertools.islice(METHODS.items(), 1, 5):
        assert fit(problem, options=options).best == {"n": 3, "a": pytest.approx(3.0, abs=1e-5)}, name


def test_nothing_possible_is_said_by_every_method():
    for name in ("screening", "cma_es"):
        options = FitOptions(name, **({"n_screened": 20} if name == "screening" else {"n_restarts": 0}))
        result = fit(LikelihoodProblem(SPACE, lambda v: -math.inf), options=options)
        assert result.best == {}
        assert not result.status.success
        assert result.quality.flag == "poor"
        assert "has a finite log-likelihood" in result.status.message


def test_pictures_of_a_screened_fit():
    result = fit(problems.two_islands().problem, options=METHODS["screening"])
    assert wilks.plots.waterfall(result) is not None
    assert result._repr_html_()
