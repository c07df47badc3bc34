"""Profile maps of a fit, against one fit for each cell and against the profile of the general verb."""

import dataclasses
import time

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.status import Outcome
from wilks.xpcs import maps, preparation
from wilks.xpcs.gram import NUMPY

TRUTH = {"D0": 2e4, "alpha": -0.5, "D_offset": 100.0}
FLOW = {"gamma_dot_0": 2e-3, "beta": -0.2, "gamma_dot_offset": 1e-4, "phi0": -5.0}
HELD = {"alpha": -0.5, "D_offset": 100.0, "beta": -0.2, "gamma_dot_offset": 1e-4}
QUIET = {"seed": 1, "callbacks": ()}
LOCAL = xpcs.FitOptions(method="local")


def data_of(mode="static", n_t=24, sigma=0.01):
    values, gap = (TRUTH, None) if mode == "static" else (TRUTH | FLOW, 2e6)
    geometry = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, gap, [-60.0, 10.0, 80.0])
    return xpcs.simulate(values, geometry, mode=mode, sigma=sigma, seed=2)


@pytest.fixture(scope="module")
def static():
    return xpcs.fit(data_of(), "static", start=TRUTH, options=xpcs.FitOptions(n_starts=100, n_refined=3), **QUIET)


@pytest.fixture(scope="module")
def flowing():
    return xpcs.fit(data_of("laminar_flow", 24, 0.005), start=TRUTH | FLOW, options=LOCAL, **QUIET)


@pytest.fixture
def few_nodes(monkeypatch):
    """Enough to see a region, and quick."""
    monkeypatch.setattr(maps, "_NODES", {2: 9, 3: 5})


@pytest.mark.usefixtures("few_nodes")
def test_every_cell_is_a_fit_with_the_parameters_of_the_cell_held(flowing):
    found = xpcs.profile(flowing, ("D0", "gamma_dot_0"), audit=0, **QUIET)
    cells = np.argwhere(found.in_roi)
    assert len(cells) > 15
    for i, j in np.random.default_rng(1).permutation(cells)[:3]:
        held = {"D0": found.axes["D0"][i], "gamma_dot_0": found.axes["gamma_dot_0"][j]}
        alone = xpcs.fit(flowing.data, parameters=held, start=TRUTH | FLOW | held, options=LOCAL, **QUIET)
        assert found.log_likelihood_map[i, j] == pytest.approx(alone.log_likelihood, abs=2e-3)
        for name, values in found.argmax.items():
            assert values[i, j] == pytest.approx(alone.values[name], abs=0.1 * flowing.standard_errors[name]), name


def test_a_map_agrees_with_that_of_the_general_verb(static):
    axes = {name: np.linspace(*_range(static, name), 9) for name in ("alpha", "D_offset")}
    ours = xpcs.profile(static, tuple(axes), grid=axes, audit=0, **QUIET)
    problem = xpcs.problem(static.data, "static")
    general = wilks.profile(problem, over=tuple(axes), grid=axes, start=static, audit=0, **QUIET)
    assert (ours.in_roi == general.in_roi).all()
    difference = (ours.log_likelihood_map - general.log_likelihood_map)[ours.in_roi]
    assert np.abs(difference).max() < 3e-3
    assert ours.n_evaluations < 0.8 * general.n_evaluations


def _range(fit, name):
    return fit.values[name] - 3 * fit.standard_errors[name], fit.values[name] + 3 * fit.standard_errors[name]


def test_a_map_and_a_problem_take_the_kernel_for_many_passes(flowing, monkeypatch):
    expected = []

    def chosen(_n_pairs, n_passes, **_options):
        expected.append(n_passes)
        return NUMPY

    monkeypatch.setattr(preparation, "choose_kernel", chosen)
    for make in (
        lambda: xpcs.problem(flowing.data),
        lambda: xpcs.profile(flowing, "phi0", audit=0, stop=wilks.MaxEvaluations(1), **QUIET),
    ):
        make()
        assert expected[-1] == preparation.PASSES_OF_A_VERB > expected[0]


def test_intervals_follow_the_standard_errors_where_the_model_is_nearly_linear():
    fit = xpcs.fit(data_of(sigma=1e-3), "static", start=TRUTH, parameters={"D_offset": 100.0}, options=LOCAL, **QUIET)
    found = xpcs.profile(fit, "alpha", audit=0, **QUIET)
    lower, upper, *_ = found.intervals("alpha", 0.6827)[0]
    error = fit.standard_errors["alpha"]
    assert upper - fit.values["alpha"] == pytest.approx(error, rel=0.05)
    assert fit.values["alpha"] - lower == pytest.approx(error, rel=0.05)


def test_the_region_of_interest_lies_within_the_grid(static, monkeypatch):
    monkeypatch.setattr(maps, "_NODES", {2: 13})
    found = xpcs.profile(static, ("alpha", "D_offset"), audit=0, **QUIET)
    for axis, name in enumerate(found.over):
        inside = found.in_roi.any(axis=1 - axis)
        box = static.space[name]
        assert not inside[0] or found.axes[name][0] < box.lower + np.ptp(found.axes[name][:2])
        assert not inside[-1] or found.axes[name][-1] > box.upper - np.ptp(found.axes[name][-2:])
        assert inside.sum() >= 8


@pytest.mark.slow
def test_a_grid_that_is_too_narrow_grows_and_repeats_nothing(static, monkeypatch):
    monkeypatch.setattr(maps, "_NODES", {2: 9})
    narrow = xpcs.profile(static, ("D0", "alpha"), audit=0, **QUIET)
    monkeypatch.setattr(maps, "_MARGIN", 0.5)
    grown = xpcs.profile(static, ("D0", "alpha"), audit=0, **QUIET)
    assert len(grown.axes["D0"]) > maps._NODES[2]
    assert not any(edge.any() for edge in (grown.in_roi[0], grown.in_roi[-1], grown.in_roi[:, 0]))
    for name in ("D0", "alpha"):
        ours, reference = (result.intervals(name, 0.9)[0] for result in (grown, narrow))
        assert ours[:2] == pytest.approx(reference[:2], rel=0.05)
    assert sum("taken over" in step.detail for step in grown.provenance.executed) >= 1


@pytest.mark.usefixtures("few_nodes")
def test_numbers_of_nodes_reach_as_far_as_the_region(static):
    counted = xpcs.profile(static, ("D0", "alpha"), grid=(9, 11), audit=0, **QUIET)
    assert counted.in_roi.sum() >= 5
    assert (len(counted.axes["D0"]), len(counted.axes["alpha"])) == (9, 11)
    assert counted.axes["alpha"][-1] < 1.0  # of a box that ends at 2
    by_name = xpcs.profile(static, "alpha", grid={"alpha": np.int64(21)}, audit=0, **QUIET)
    assert by_name.axes["alpha"][-1] < 1.0
    assert len(by_name.axes["alpha"]) >= 21
    with pytest.raises(wilks.InvalidConfigurationError, match="grid"):
        xpcs.profile(static, ("D0", "alpha"), grid=(9,), audit=0, **QUIET)


def test_a_parameter_without_an_error_has_the_whole_box_as_axis(static):
    unknown = dataclasses.replace(static, standard_errors=static.standard_errors | {"alpha": np.inf})
    found = xpcs.profile(unknown, ("D0", "alpha"), audit=0, **QUIET)
    assert found.axes["alpha"][[0, -1]] == pytest.approx([-2.0, 2.0])


@pytest.mark.usefixtures("few_nodes")
@pytest.mark.parametrize("method", ["multi_start", "local"])
def test_the_audit_is_a_whole_fit_of_each_cell(static, method):
    """Also of a fit that trusted its start, which the audit must not."""
    options = dataclasses.replace(static.options, method=method)
    found = xpcs.profile(dataclasses.replace(static, options=options), ("D0", "alpha"), audit=6, **QUIET)
    assert found.audit.n_evaluations > 600  # 100 points are screened in each cell
    assert found.audit.n_cells == 6
    assert found.audit.n_improved == 0
    assert found.audit.power == 1.0
    assert 0.3 < found.audit.limit_95 < 0.5  # 1 - 0.05^(1/6)
    assert np.allclose(found.audit.found, found.audit.before, atol=2e-3)
    assert found.in_roi[tuple(found.audit.cells.T)].all()


@pytest.mark.usefixtures("few_nodes")
def test_seconds_are_those_of_the_whole_call(static):
    began = time.perf_counter()
    found = xpcs.profile(static, ("D0", "alpha"), audit=6, **QUIET)
    assert found.provenance.seconds == pytest.approx(time.perf_counter() - began, rel=0.2)


def test_the_audit_mends_a_map_that_is_wrong(static, monkeypatch):
    """A planted fault: the map is lowered where alpha is large, as if another branch had been missed."""
    honest, calls = maps.map_of, []

    def wrong(*args, **keywords):
        result = honest(*args, **keywords)
        calls.append(keywords["start"])
        if len(calls) > 1:
            return result
        lowered = np.where(result.in_roi, result.log_likelihood_map - 0.5, result.log_likelihood_map)
        return dataclasses.replace(result, log_likelihood_map=lowered)

    monkeypatch.setattr(maps, "map_of", wrong)
    found = xpcs.profile(static, ("D0", "alpha"), audit=4, **QUIET)
    assert found.audit.n_improved == 4
    assert found.audit.largest_improvement == pytest.approx(0.5, abs=0.01)
    assert found.audit.limit_95 == 1.0
    assert len(calls[1]) == 5  # the map and four better points


def test_weights_by_shear_become_those_of_the_fit(flowing):
    options = xpcs.FitOptions(weights=xpcs.ShearWeights(minimum=0.5), method="local")
    fit = xpcs.fit(flowing.data, options=options, start=TRUTH | FLOW, parameters=HELD, **QUIET)
    found = xpcs.profile(fit, "phi0", audit=0, **QUIET)
    assert found.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-3)
    assert found.log_likelihood != pytest.approx(flowing.log_likelihood, abs=1.0)


def test_fixed_parameters_stay_fixed_and_boxes_are_kept(flowing):
    fit = xpcs.fit(
        flowing.data,
        start=TRUTH | FLOW,
        parameters=HELD | {"contrast": wilks.Real(0.0, 0.2)},
        options=LOCAL,
        **QUIET,
    )
    found = xpcs.profile(fit, "phi0", audit=0, **QUIET)
    assert set(found.argmax) == {"D0", "gamma_dot_0"}
    assert found.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-3)


def test_a_rule_that_stops_the_map(static):
    found = xpcs.profile(static, ("D0", "alpha"), stop=wilks.MaxEvaluations(30), **QUIET)
    assert not found.status.success
    assert found.audit is None or not found.audit.n_cells


@pytest.mark.slow
def test_limits_hold_for_all_parts_of_a_map(static, monkeypatch):
    """The grid grows some times, and cells are audited: each of them might take the limit for its own."""
    monkeypatch.setattr(maps, "_NODES", {2: 5})
    monkeypatch.setattr(maps, "_MARGIN", 0.7)
    whole = xpcs.profile(static, ("D0", "alpha"), audit=4, **QUIET)
    assert sum(step.name == "handed over" for step in whole.provenance.executed) >= 1
    mapping = whole.n_evaluations - whole.audit.n_evaluations
    for n in (mapping // 2, mapping + 3 * whole.audit.n_evaluations // 8, mapping):
        found = xpcs.profile(static, ("D0", "alpha"), audit=4, stop=wilks.MaxEvaluations(n), **QUIET)
        assert found.status.outcome is Outcome.EVALUATION_LIMIT
        assert f"{n} were allowed" in found.status.message
        assert found.n_evaluations <= n
        n_cells = 0 if found.audit is None else found.audit.n_cells
        assert (0 < n_cells < 4) == (n > mapping)
    hurried = xpcs.profile(static, ("D0", "alpha"), stop=wilks.MaxTime(1e-3), **QUIET)
    assert "0.001 s were allowed" in hurried.status.message


@pytest.mark.usefixtures("few_nodes")
def test_an_interruption_during_the_audit_is_told(static, monkeypatch):
    run = maps.Course.run
    calls = []

    def interrupted(self, log):
        ended = run(self, log)
        calls.append(1)
        if len(calls) == 3:
            ended.status = wilks.core.status.Status(Outcome.INTERRUPTED)
        return ended

    monkeypatch.setattr(maps.Course, "run", interrupted)
    found = xpcs.profile(static, ("D0", "alpha"), audit=6, **QUIET)
    assert found.status.outcome is Outcome.INTERRUPTED
    assert found.audit.n_cells == 2


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("beta", "over: expected one to 3 of the free parameters D0, alpha, D_offset, got beta"),
        ((), "over: expected one to 3 of the free parameters D0, alpha, D_offset, got none"),
        ("contrast_0", "got contrast_0"),
    ],
)
def test_names_that_cannot_be_profiled(static, over, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        xpcs.profile(static, over, **QUIET)


def test_a_fit_that_was_loaded_needs_its_data(static, tmp_path):
    loaded = wilks.load(static.save(tmp_path / "fit.wilks"))
    with pytest.raises(wilks.InvalidConfigurationError, match="with_data"):
        xpcs.profile(loaded, "alpha", **QUIET)
    again = xpcs.profile(loaded.with_data(static.data), "alpha", grid=(7,), audit=0, **QUIET)
    assert again.log_likelihood == pytest.approx(static.log_likelihood, abs=1e-3)


def test_a_robust_fit_is_refused(static):
    fit = xpcs.fit(static.data, "static", options=xpcs.FitOptions(loss="huber"), **QUIET)
    with pytest.raises(wilks.InvalidConfigurationError, match="the loss 'huber'"):
        xpcs.profile(fit, "alpha", **QUIET)


def test_three_parameters_of_three_have_no_audit(static):
    grid = {name: np.linspace(*_range(static, name), 5) for name in static.space.free}
    found = xpcs.profile(static, tuple(grid), grid=grid, **QUIET)
    assert found.audit is None or not found.audit.n_cells
    assert found.in_roi.sum() >= 1
