"""The audit of a profile map: it sees planted wrong branches, and its limit holds as often as it says."""

import math

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks import LikelihoodProblem, Real, Space, problems
from wilks.profiles import auditing, healing, schedule
from wilks.profiles.audit import AuditLedger, summarise, upper_limit
from wilks.profiles.grid import make_grid
from wilks.profiles.schedule import ProfileMap
from wilks.profiles.state import Optimum
from wilks.solvers.quasi_newton import QuasiNewton


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 12), (1, 12), (3, 12), (11, 12), (0, 59), (5, 59), (58, 59)])
def test_limit_is_that_of_clopper_and_pearson(k, n):
    limit = upper_limit(k, n, 1.0)
    assert limit == pytest.approx(stats.binomtest(k, n).proportion_ci(0.90, method="exact").high, abs=1e-9)
    assert stats.binom.cdf(k, n, limit) == pytest.approx(0.05, abs=1e-9)
    assert upper_limit(k, n, 0.8) == pytest.approx(min(1.0, limit / 0.8))


@pytest.mark.parametrize(("k", "n", "power"), [(0, 0, 1.0), (12, 12, 1.0), (0, 12, 0.0), (5, 12, 0.1)])
def test_an_audit_that_knows_nothing_gives_no_limit(k, n, power):
    assert upper_limit(k, n, power) == 1.0


def test_the_summary_of_a_ledger():
    ledger = AuditLedger(
        5,
        [0, 3, 4, 7, 8],
        before=[-1.0, -2.0, -3.0, -1.0, 0.0],
        found=[-1.0, -1.5, -3.5, -np.inf, 0.005],
        n_evaluations=99,
    )
    best = np.array([-1.0, np.nan, np.nan, -1.5, -3.0, np.nan, np.nan, -1.0, 0.005])
    audit = summarise(ledger, best, (3, 3))
    assert audit.cells.tolist() == [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]]
    assert audit.improvements == pytest.approx([0.0, 0.5, 0.0, 0.0, 0.005])
    assert (audit.n_improved, audit.n_cells, audit.n_evaluations) == (1, 5, 99)
    assert audit.largest_improvement == 0.5
    assert audit.power == pytest.approx(3 / 5), "cell 4 and cell 7 were not reached"
    assert audit.limit_95 == upper_limit(1, 5, 0.6)


def test_cells_whose_search_was_cut_short_are_not_audited():
    ledger = AuditLedger(3, [0, 1, 2], before=[-1.0, -1.0, -1.0], found=[-1.0, np.nan, -np.inf], n_evaluations=9)
    audit = summarise(ledger, np.full(3, -1.0), (3,))
    assert audit.cells.tolist() == [[0], [2]]
    assert audit.power == 0.5, "the search of cell 2 ended and found nothing"


def two_branches(crossing):
    """Two branches of optima that cross at `crossing`; beyond it the one at n = -2 is better."""

    def curves(x):
        return -0.1 * x**2, -0.1 * x**2 + 0.4 * (x - crossing)

    def log_likelihood(v):
        one, two = curves(v["x"])
        return float(max(one - 0.5 * ((v["n"] - 2) / 0.4) ** 2, two - 0.5 * ((v["n"] + 2) / 0.4) ** 2))

    problem = LikelihoodProblem(Space(x=Real(-5, 5), n=Real(-6, 6)), log_likelihood)
    return problem, lambda x: np.maximum(*curves(x))


def flood_then_audit(plan, state):
    """No second chance before or after the audit."""
    if state.stage == "flood":
        state.stage = "audit"
        auditing.begin(plan, state)
    else:
        state.stage = "done"


@pytest.fixture
def one_branch_only(monkeypatch):
    """Maps that are told of the optimum at x = 0 and n = 2 only, without any healing."""
    monkeypatch.setattr(healing, "next_stage", flood_then_audit)

    monkeypatch.setattr(schedule, "lattice_spacing", lambda *_: 1)

    def told_of_one(local, threshold, n_audit, grid, *_):
        u = np.array([0.5, 8 / 12])
        return ProfileMap(local, threshold, n_audit, grid, (Optimum(u, 0.0, np.diag([20.0, 900.0])),))

    monkeypatch.setattr("wilks.verbs.profile.ProfileMap", told_of_one)

    def make(problem, seed, audit):
        return wilks.profile(
            problem, over="x", grid=(41,), roi_threshold=3.0, seed=seed, audit=audit, callbacks=[], stop=None
        )

    return make


def test_a_planted_wrong_branch_is_found_reported_and_propagated(one_branch_only):
    problem, exact = two_branches(1.0)
    bad, audited = one_branch_only(problem, 1, 0), one_branch_only(problem, 1, 12)
    truth = exact(bad.axes["x"])
    region = np.isfinite(bad.log_likelihood_map) & bad.in_roi
    wrong = region & (truth > bad.log_likelihood_map + 0.01)
    assert 0.2 < wrong.sum() / region.sum() < 0.6
    audit = audited.audit
    assert audit.n_improved >= 2
    cells = tuple(audit.cells.T)
    gains = truth[cells] - bad.log_likelihood_map[cells]
    assert audit.improvements == pytest.approx(gains, abs=1e-4)
    assert audit.largest_improvement == pytest.approx(gains.max(), abs=1e-4)
    assert audit.limit_95 == upper_limit(audit.n_improved, 12, audit.power) >= wrong.sum() / region.sum()
    right = np.abs(audited.log_likelihood_map[region] - truth[region]) < 1e-3
    assert right.all(), "what the audit finds in one cell is carried to the others"
    assert f"{audit.n_improved} improved" in audited.summary()


def test_the_limit_holds_on_bad_maps(one_branch_only):
    """40 maps of which a random fraction is wrong. The plain estimate k / n would not do, and this test can see it."""
    generator = np.random.default_rng(5)
    n_holds = n_estimate_holds = 0
    for seed in range(40):
        problem, exact = two_branches(generator.uniform(-2.0, 3.0))
        bad = one_branch_only(problem, seed, 0)
        truth = exact(bad.axes["x"])
        fraction = float((truth > bad.log_likelihood_map + 0.01)[bad.in_roi].mean())
        audit = one_branch_only(problem, seed, 10).audit
        n_holds += fraction <= audit.limit_95
        n_estimate_holds += fraction <= audit.n_improved / audit.n_cells
    assert n_holds >= 38
    assert n_estimate_holds < 33


def test_a_right_map_passes():
    known = problems.himmelblau_4d()
    result = wilks.profile(known.problem, over="x0", grid=(41,), roi_threshold=5.0, seed=1, audit=10, callbacks=[])
    audit = result.audit
    assert (audit.n_cells, audit.n_improved) == (10, 0)
    assert audit.power >= 0.9
    assert audit.limit_95 == pytest.approx((1 - 0.05 ** (1 / 10)) / audit.power)
    assert result.in_roi[tuple(audit.cells.T)].all()


def test_the_power_of_a_blind_search_is_measured():
    """So many ripples that a search from scratch ends in the best one in some of the cells only."""
    known = problems.rippled(amplitude=3.0, wavelength=0.13)
    start = known.best
    result = wilks.profile(
        known.problem, over="x", grid=(41,), roi_threshold=3.0, seed=2, audit=15, start=start, callbacks=[]
    )
    audit = result.audit
    assert 0.0 <= audit.power < 0.9
    expected = 1 - 0.05 ** (1 / 15)
    assert audit.limit_95 == pytest.approx(min(1.0, expected / audit.power) if audit.power else 1.0)


@pytest.mark.parametrize("wanted", [0, 3, 1000])
def test_no_more_cells_are_audited_than_there_are(wanted):
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), n=Real(-4, 4)), lambda v: -0.5 * v["x"] ** 2 - 0.5 * (v["n"] - v["x"]) ** 2
    )
    result = wilks.profile(problem, over="x", grid=(17,), roi_threshold=2.0, seed=1, audit=wanted, callbacks=[])
    if wanted == 0:
        assert result.audit is None
        assert "not audited" in result.summary()
        return
    cells = [tuple(cell) for cell in result.audit.cells.tolist()]
    assert len(cells) == len(set(cells)) == min(wanted, int(result.in_roi.sum()))
    steps = {step.name: step.n_evaluations for step in result.provenance.executed}
    assert steps["audit"] == result.audit.n_evaluations
    assert math.isfinite(result.audit.limit_95)


def test_without_nuisance_parameters_there_is_nothing_to_audit():
    problem = LikelihoodProblem(Space(x=Real(-4, 4)), lambda v: -0.5 * v["x"] ** 2)
    assert wilks.profile(problem, over="x", grid=(17,), seed=1, audit=5, callbacks=[]).audit is None


def test_audited_cells_are_drawn_evenly():
    """Each of the cells of the region as often as any other: chi-squared over 300 maps, 5 of 21 cells each."""
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), n=Real(-1, 1)), lambda v: -0.5 * v["x"] ** 2 - 50 * (v["n"] - 0.1 * v["x"]) ** 2
    )
    counts = np.zeros(33)
    grid = make_grid(problem.space, ("x",), (33,))
    for seed in range(300):
        plan = ProfileMap(QuasiNewton(1e-5), 3.5, 5, grid, ())
        state = plan.init(problem.space, seed, np.empty((0, 2)))
        state.best, state.best_values = 0.0, -0.5 * np.linspace(-4, 4, 33) ** 2
        auditing.begin_ahead(plan, state)
        ahead = {job.cell for job in state.jobs.values()}
        state.stage = "audit"
        auditing.begin(plan, state)
        drawn = state.audit.cells
        assert len(drawn) == len(set(drawn)) == 5
        assert ahead == set(drawn), "what was searched ahead in the region is what is drawn"
        assert {job.cell for job in state.jobs.values()} == ahead
        counts[drawn] += 1
    inside = -0.5 * np.linspace(-4, 4, 33) ** 2 > -3.5
    assert counts[~inside].sum() == 0
    assert stats.chisquare(counts[inside]).pvalue > 1e-3


def test_cells_searched_ahead_outside_the_final_region_are_dropped():
    problem = LikelihoodProblem(Space(x=Real(-4, 4), n=Real(-1, 1)), lambda v: -0.5 * v["x"] ** 2 - v["n"] ** 2)
    grid = make_grid(problem.space, ("x",), (33,))
    plan = ProfileMap(QuasiNewton(1e-5), 3.5, 12, grid, ())
    state = plan.init(problem.space, 1, np.empty((0, 2)))
    state.best, state.best_values = 0.0, np.zeros(33)
    auditing.begin_ahead(plan, state)
    ahead = {job.cell for job in state.jobs.values()}
    state.best_values = np.where(np.arange(33) < 16, -0.5, -9.0)
    state.stage = "audit"
    auditing.begin(plan, state)
    assert len(ahead) == 12
    assert max(ahead) >= 16 > max(state.audit.cells)
    assert {job.cell for job in state.jobs.values()} == set(state.audit.cells) > ahead & set(range(16))
    assert {request.owner for request in state.requests.opened.values()} == set(state.jobs)
