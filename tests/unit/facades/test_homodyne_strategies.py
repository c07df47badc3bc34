"""Chunks that hold all angles, residuals of them, fits of single angles, and solvers."""

import logging
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import curve_fit

from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError, WilksError
from wilks.facades.homodyne.fit_computation import compute_g2_batch_with_per_angle_scaling
from wilks.facades.homodyne.memory import NLSQStrategy
from wilks.facades.homodyne.notices import HomodyneWarning, NoEffectWarning
from wilks.facades.homodyne.strategies import executors
from wilks.facades.homodyne.strategies.chunking import (
    StratifiedIndexIterator,
    analyze_angle_distribution,
    compute_stratification_diagnostics,
    create_angle_stratified_data,
    create_angle_stratified_indices,
    format_diagnostics_report,
    get_stratified_chunk_iterator,
    should_use_stratification,
)
from wilks.facades.homodyne.strategies.executors import OptimizationExecutor, StreamingExecutor, get_executor
from wilks.facades.homodyne.strategies.residual import (
    StratifiedResidualFunction,
    create_stratified_residual_function,
)
from wilks.facades.homodyne.strategies.residual_jit import StratifiedResidualFunctionJIT
from wilks.facades.homodyne.strategies.sequential import (
    AngleSubset,
    SequentialFailedError,
    combine_angle_results,
    optimize_per_angle_sequential,
    optimize_single_angle,
    restore_fixed_parameters,
    split_data_by_angle,
    strip_fixed_parameters,
)

# Chunks


def load_data():
    """3 angles of 200 points each."""
    rng = np.random.default_rng(1)
    return np.repeat([0.0, 45.0, 90.0], 200), *rng.random((3, 600))


def test_example_of_the_module():
    # Reorganize 3M point dataset with 3 angles
    phi, t1, t2, g2 = load_data()
    phi_s, t1_s, t2_s, g2_s = create_angle_stratified_data(phi, t1, t2, g2, target_chunk_size=100_000)
    assert {*zip(phi_s, t1_s, t2_s, g2_s, strict=True)} == {*zip(phi, t1, t2, g2, strict=True)}
    assert len(phi_s) == len(phi)


def test_example_of_the_distribution():
    phi = np.array([0, 0, 45, 45, 90])  # 2 @ 0°, 2 @ 45°, 1 @ 90°
    stats = analyze_angle_distribution(phi)
    assert f"Imbalance ratio: {stats.imbalance_ratio:.1f}" == "Imbalance ratio: 2.0"
    assert f"Balanced: {stats.is_balanced}" == "Balanced: True"
    assert stats.counts == {0.0: 2, 45.0: 2, 90.0: 1}
    assert stats.fractions == {0.0: 0.4, 45.0: 0.4, 90.0: 0.2}
    assert (stats.n_angles, stats.unique_angles.tolist()) == (3, [0, 45, 90])
    assert (stats.min_angle, stats.max_angle) == (90.0, 0.0)
    assert not analyze_angle_distribution([0] * 5 + [1]).is_balanced
    with pytest.raises(InvalidDataError, match="finite angle of every point"):
        analyze_angle_distribution([])


def test_example_of_the_decision():
    should, reason = should_use_stratification(
        n_points=3_000_000, n_angles=3, per_angle_scaling=True, imbalance_ratio=2.5
    )
    assert (should, reason) == (True, "Large dataset with balanced angles")


@pytest.mark.parametrize("change", [{"n_points": 99_999}, {"per_angle_scaling": False}, {"imbalance_ratio": 5.1}])
def test_no_stratification(change):
    given = {"n_points": 100_000, "n_angles": 3, "per_angle_scaling": True, "imbalance_ratio": 5.0}
    assert should_use_stratification(**given)[0]
    assert not should_use_stratification(**{**given, **change})[0]


def test_example_of_the_diagnostics():
    _, t1, t2, g2 = load_data()
    phi = np.repeat([0, 45, 90], 200)
    start = time.perf_counter()
    phi_s, _t1_s, _t2_s, _g2_s = create_angle_stratified_data(phi, t1, t2, g2)
    exec_time_ms = (time.perf_counter() - start) * 1000
    diagnostics = compute_stratification_diagnostics(phi, phi_s, exec_time_ms, use_index_based=False)
    assert f"Chunks: {diagnostics.n_chunks}" == "Chunks: 1"
    assert f"Throughput: {diagnostics.throughput_points_per_sec:,.0f} pts/s".startswith("Throughput: ")
    report = format_diagnostics_report(diagnostics)
    assert "1 chunk of 600 points" in report
    assert "100 %" in report


def test_every_chunk_holds_as_many_of_each_angle():
    phi = np.repeat([0.0, 45.0, 90.0], [400, 300, 50])
    value = np.arange(750.0)
    found = create_angle_stratified_data(phi, value, value, value, target_chunk_size=120)
    assert set(found.g2) == set(value)  # nothing is lost
    assert sum(found.chunk_sizes) == len(found.phi) == 3 * 400  # the others begin anew
    for chunk in np.split(found.phi, np.cumsum(found.chunk_sizes)[:-1]):
        counts = np.unique(chunk, return_counts=True)[1]
        assert len(counts) == 3
        assert len(set(counts)) == 1
    np.testing.assert_array_equal(found.phi, phi[found.g2.astype(int)])  # the pairing is kept
    with pytest.raises(InvalidDataError, match="same number of values"):
        create_angle_stratified_data(phi, value, value, value[1:])


def test_indices_repeat_nothing():
    phi = np.repeat([0.0, 45.0, 90.0], [400, 300, 50])
    indices, sizes = create_angle_stratified_indices(phi, target_chunk_size=150)
    assert sorted(indices.tolist()) == list(range(750))
    assert (len(sizes), sum(sizes)) == (5, 750)
    for chunk in get_stratified_chunk_iterator(phi, 150):
        assert np.unique(phi[chunk], return_counts=True)[1].tolist() == [80, 60, 10]
        assert np.ptp(chunk[phi[chunk] == 0.0]) > 390  # from all over the points of an angle
    with pytest.raises(InvalidConfigurationError, match="target_chunk_size"):
        create_angle_stratified_indices(phi, 0)


def test_an_iterator_begins_anew():
    iterator = StratifiedIndexIterator(np.arange(5), [2, 3])
    assert [list(chunk) for chunk in iterator] == [list(chunk) for chunk in iterator] == [[0, 1], [2, 3, 4]]
    assert len(iterator) == 2
    with pytest.raises(InvalidConfigurationError, match="expected a sum of 5, the number of indices, got 4"):
        StratifiedIndexIterator(np.arange(5), [2, 2])


def test_diagnostics_see_an_angle_that_is_missing():
    phi = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    found = compute_stratification_diagnostics(phi, phi, 2.0, use_index_based=True, chunk_sizes=[2, 3])
    assert (found.n_chunks, found.chunk_sizes, found.angles_per_chunk) == (2, [2, 3], [1, 1])
    assert found.angle_coverage == {"mean": 0.5, "min": 0.5, "complete_fraction": 0.0}
    assert found.chunk_balance["ratio"] == 1.5
    assert found.throughput_points_per_sec == 2500.0
    assert found.memory_efficiency == pytest.approx(0.8)  # four arrays, and one of positions
    assert compute_stratification_diagnostics(phi, phi, 2.0, target_chunk_size=4).chunk_sizes == [4, 1]
    with pytest.raises(InvalidDataError, match="positive sizes with the sum 5"):
        compute_stratification_diagnostics(phi, phi, 2.0, chunk_sizes=[2, 2])


# Residuals

FLOW = ["D0", "alpha", "D_offset", "gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]
TRUTH = np.array([1.6e4, -0.5, 3.0, 2e-3, -0.2, 1e-4, -5.0])
PHI = np.array([-30.0, 10.0, 80.0])
CONTRAST, OFFSET = np.array([0.3, 0.25, 0.35]), np.array([1.0, 1.01, 0.99])
T = 0.1 * np.arange(20)


def stratified(sigma=0.01, n_chunks=3, noise=0.01):
    g2 = compute_g2_batch_with_per_angle_scaling(TRUTH, T, T, np.deg2rad(PHI), 0.0054, 2e6, 0.1, CONTRAST, OFFSET)
    g2 += noise * np.random.default_rng(1).standard_normal(g2.shape)
    phi, t1, t2 = (each.ravel() for each in np.meshgrid(PHI, T, T, indexing="ij"))
    parts = [np.arange(first, phi.size, n_chunks) for first in range(n_chunks)]
    place = {"q": 0.0054, "L": 2e6, "dt": 0.1}
    chunks = [SimpleNamespace(phi=phi[p], t1=t1[p], t2=t2[p], g2=g2.ravel()[p], **place) for p in parts]
    return SimpleNamespace(chunks=chunks, sigma=sigma)


def test_example_of_the_residual(caplog):
    stratified_data = stratified()
    residual_fn = create_stratified_residual_function(
        stratified_data=stratified_data,
        per_angle_scaling=True,
        physical_param_names=["D0", "alpha", "D_offset"],
        validate=True,
    )
    with caplog.at_level(logging.INFO, "homodyne"):
        residual_fn.log_diagnostics()
    assert "n_total_points: 1200" in caplog.text


def test_residuals_are_noise_at_the_truth():
    residual = StratifiedResidualFunction(stratified(), True, FLOW)
    found = residual(np.concatenate([CONTRAST, OFFSET, TRUTH]))
    used = found[found != 0]
    assert len(found) == 1200
    assert len(used) == residual.get_diagnostics()["n_points_used"] == 1200 - 3 * 20  # without the diagonal
    assert used.std() == pytest.approx(1.0, abs=0.06)
    chunk = residual.chunks[1]
    k, model = np.searchsorted(PHI, chunk.phi), compute_g2_batch_with_per_angle_scaling(
        TRUTH, T, T, np.deg2rad(PHI), 0.0054, 2e6, 0.1, CONTRAST, OFFSET
    )  # fmt: skip
    i, j = np.round(chunk.t1 / 0.1).astype(int), np.round(chunk.t2 / 0.1).astype(int)
    np.testing.assert_allclose(found[400:800], np.where(i != j, (chunk.g2 - model[k, i, j]) / 0.01, 0.0), atol=1e-9)


def test_residuals_by_sigma():
    vector = np.concatenate([CONTRAST, OFFSET, TRUTH])
    plain = StratifiedResidualFunction(stratified(), True, FLOW)(vector)
    undivided = StratifiedResidualFunction(stratified(sigma=None), True, FLOW)
    np.testing.assert_allclose(undivided(vector), 0.01 * plain, rtol=1e-12)
    assert not undivided.get_diagnostics()["sigma_is_given"]
    each = np.full((3, 20, 20), 0.01)
    each[1] = 0.02
    by_angle = StratifiedResidualFunction(stratified(sigma=each), True, FLOW)(vector)
    phi = np.concatenate([chunk.phi for chunk in stratified().chunks])
    np.testing.assert_allclose(by_angle, np.where(phi == 10.0, plain / 2, plain), rtol=1e-12)
    with pytest.raises(InvalidDataError, match=r"sigma has shape \(3, 20, 19\), expected \(3, 20, 20\)"):
        StratifiedResidualFunction(stratified(sigma=each[:, :, :-1]), True, FLOW)


def test_residuals_with_one_contrast():
    together = StratifiedResidualFunction(stratified(), False, FLOW)
    apart = StratifiedResidualFunction(stratified(), True, FLOW)
    one, three = [0.3, 1.0, *TRUTH], [*[0.3] * 3, *[1.0] * 3, *TRUTH]
    np.testing.assert_array_equal(together(one), apart(three))
    with pytest.raises(InvalidConfigurationError, match=r"expected 9 numbers \(contrast, offset, D0.*got 13"):
        together(three)


def test_a_chunk_that_lacks_an_angle_is_refused():
    data = stratified()
    whole = data.chunks[2]
    keep = whole.phi != 80.0
    data.chunks[2] = SimpleNamespace(
        **{name: getattr(whole, name)[keep] for name in ("phi", "t1", "t2", "g2")}, q=0.0054, L=2e6, dt=0.1
    )
    with pytest.raises(InvalidDataError, match="chunk 2 has no points of 1 of 3 angles, the first is 80"):
        create_stratified_residual_function(data, True, FLOW)
    made = create_stratified_residual_function(data, True, FLOW, validate=False)
    assert made.get_diagnostics()["chunk_angle_counts"] == [3, 3, 2]
    for bad, message in (
        (SimpleNamespace(chunks=[]), "at least one chunk, got none"),
        (SimpleNamespace(chunks=[SimpleNamespace(phi=[0.0])]), "chunk 0 has no t1, t2, g2"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            create_stratified_residual_function(bad, True, FLOW)
    with pytest.raises(InvalidConfigurationError, match="physical_param_names"):
        create_stratified_residual_function(stratified(), True, ["D0"])


def test_padded_residuals_are_the_same_ones():
    data = stratified(n_chunks=7)
    plain = StratifiedResidualFunction(data, True, FLOW)
    padded = StratifiedResidualFunctionJIT(data, True, FLOW)
    assert padded.validate_chunk_structure()
    assert padded.phi_padded.shape == padded.mask.shape == (7, 172)
    assert (padded.n_chunks, padded.max_chunk_size, padded.n_real_points) == (7, 172, 1200)
    np.testing.assert_array_equal(padded.g2_padded[2, : padded.mask[2].sum()], data.chunks[2].g2)
    vector = np.concatenate([CONTRAST, OFFSET, TRUTH])
    found = padded(vector)
    assert found.shape == (7 * 172,)
    np.testing.assert_array_equal(found[padded.mask.ravel()], plain(vector))
    assert not found[~padded.mask.ravel()].any()


def test_padded_residuals_with_fixed_scaling():
    plain = StratifiedResidualFunctionJIT(stratified(), True, FLOW)
    fixed = StratifiedResidualFunctionJIT(stratified(), True, FLOW, None, CONTRAST, OFFSET)
    np.testing.assert_array_equal(fixed(TRUTH), plain(np.concatenate([CONTRAST, OFFSET, TRUTH])))
    assert fixed.get_diagnostics()["scaling_is_fixed"]
    with pytest.raises(InvalidConfigurationError, match="contrast and offset are fixed, expected 7 physical"):
        fixed(np.concatenate([CONTRAST, OFFSET, TRUTH]))
    for pair in ((CONTRAST, None), (None, OFFSET), (CONTRAST[:2], OFFSET)):
        with pytest.raises(InvalidConfigurationError, match="expected both, with 3 numbers each"):
            StratifiedResidualFunctionJIT(stratified(), True, FLOW, None, *pair)


# One angle after another


def test_example_of_the_split():
    phi = np.array([0, 0, 90, 90, 180, 180])
    t1 = np.linspace(0, 1, 6)
    t2 = np.linspace(0, 1, 6)
    g2 = np.ones(6)
    with pytest.warns(HomodyneWarning, match="fewer than 10 points of an angle"):
        subsets = split_data_by_angle(phi, t1, t2, g2)
    assert len(subsets) == 3
    assert subsets[0].phi_angle == 0.0
    assert subsets[0].n_points == 2
    assert subsets[2].phi_indices.tolist() == [4, 5]
    assert subsets[1].t1.tolist() == t1[2:4].tolist()
    with pytest.raises(InvalidDataError, match="at least 3 points of every angle, but angle 0 has 2, 90 has 2"):
        split_data_by_angle(phi, t1, t2, g2, min_points_per_angle=3)


def test_example_of_fixed_parameters():
    p = np.array([1.0, 2.0, 3.0])
    lo = np.array([0.0, 2.0, 0.0])
    hi = np.array([5.0, 2.0, 5.0])
    free, fl, fu, mask = strip_fixed_parameters(p, lo, hi)
    assert free.tolist() == [1.0, 3.0]
    assert (fl.tolist(), fu.tolist()) == ([0.0, 0.0], [5.0, 5.0])
    assert mask.tolist() == [True, False, True]
    assert restore_fixed_parameters(free, p, mask).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(InvalidConfigurationError, match="expected 2 free values"):
        restore_fixed_parameters([1.0], p, mask)


def test_example_of_the_sequence():
    # Simple example with 3 angles
    phi = np.array([0] * 100 + [90] * 100 + [180] * 100)
    t1 = np.tile(np.linspace(0, 1, 100), 3)
    t2 = np.tile(np.linspace(0, 1, 100), 3)
    g2 = np.ones(300)

    def residuals(params, phi, t1, t2, g2):
        # Simple model
        return g2 - (1.0 + params[0] * np.exp(-params[1] * t1))

    result = optimize_per_angle_sequential(
        phi,
        t1,
        t2,
        g2,
        residuals,
        initial_params=np.array([0.5, 1.0]),
        bounds=(np.array([0.0, 0.0]), np.array([1.0, 10.0])),
    )
    assert result.success_rate == 1.0
    assert len(result.per_angle_results) == 3
    assert result.combined_parameters[0] == pytest.approx(0.0, abs=1e-9)


def curves(noise=0.01, n=200):
    """Points of three angles whose amplitudes differ, the last with little noise."""
    rng = np.random.default_rng(5)
    phi, t = np.repeat([0.0, 90.0, 180.0], n), np.tile(np.linspace(0, 2, n), 3)
    sigma = noise * np.repeat([1.0, 2.0, 0.5], n)
    return phi, t, 1.0 + 0.4 * np.exp(-1.2 * t) + sigma * rng.standard_normal(3 * n)


def residual_5(params, phi, t1, t2, g2):
    return g2 - (1.0 + params[0] * np.exp(-params[1] * t1))


BOUNDS = ([0.0, 0.0], [1.0, 10.0])


def test_one_angle_is_fitted_as_curve_fit_does():
    phi, t, g2 = curves()
    subset = split_data_by_angle(phi, t, t, g2)[0]
    found = optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS)
    best, covariance = curve_fit(lambda x, a, b: 1 + a * np.exp(-b * x), subset.t1, subset.g2_exp, [0.5, 1.0])
    np.testing.assert_allclose(found["parameters"], best, rtol=1e-6)
    np.testing.assert_allclose(found["covariance"], covariance, rtol=1e-4)
    residual = residual_5(best, None, subset.t1, None, subset.g2_exp)
    assert found["cost"] == pytest.approx(0.5 * residual @ residual)
    assert (found["success"], found["n_points"], found["phi_angle"]) == (True, 200, 0.0)
    assert found["n_iterations"] > 0
    assert "Converged" in found["message"]


def test_a_residual_may_know_its_values():
    phi, t, g2 = curves()
    subset = split_data_by_angle(phi, t, t, g2)[0]

    def residual_4(params, phi, t1, t2):
        return residual_5(params, phi, t1, t2, subset.g2_exp)

    with_values = optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS)
    without = optimize_single_angle(subset, residual_4, [0.5, 1.0], BOUNDS)
    assert with_values["parameters"].tolist() == without["parameters"].tolist()


def test_options_of_the_solver():
    phi, t, g2 = curves()
    g2[:200:17] += 3.0
    subset = split_data_by_angle(phi, t, t, g2)[0]
    robust = optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, loss="cauchy", f_scale=0.02, x_scale="jac")
    plain = optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, x_scale=[1.0, 2.0])
    assert abs(robust["parameters"][0] - 0.4) < 0.02 < abs(plain["parameters"][0] - 0.4)
    assert not optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, max_nfev=2)["success"]
    with pytest.warns(NoEffectWarning, match="ftol, verbose: no effect"):
        optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, ftol=1e-8, verbose=2)
    with pytest.raises(InvalidConfigurationError, match=r"no option 'f_tol'.*did you mean 'ftol'"):
        optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, f_tol=1e-8)
    with pytest.raises(InvalidConfigurationError, match="x_scale"):
        optimize_single_angle(subset, residual_5, [0.5, 1.0], BOUNDS, x_scale=[1.0, 2.0, 3.0])


def test_equal_bounds_fix_a_parameter():
    phi, t, g2 = curves()
    subset = split_data_by_angle(phi, t, t, g2)[0]
    found = optimize_single_angle(subset, residual_5, [0.5, 1.3], ([0.0, 1.3], [1.0, 1.3]))
    assert found["parameters"][1] == 1.3
    assert found["covariance"][0, 0] > 0
    assert found["covariance"][1].tolist() == [0.0, 0.0]
    design = np.exp(-1.3 * subset.t1)
    assert found["parameters"][0] == pytest.approx(design @ (subset.g2_exp - 1) / (design @ design), rel=1e-6)


def test_combination_by_inverse_variances():
    one = {
        "parameters": np.array([1.0, 2.0]),
        "covariance": np.array([[1.0, 0.5], [0.5, 4.0]]),
        "cost": 1,
        "n_points": 10,
    }
    two = {
        "parameters": np.array([4.0, 5.0]),
        "covariance": np.array([[0.5, 0.1], [0.1, 1.0]]),
        "cost": 2,
        "n_points": 30,
    }
    lost = {**two, "success": False, "parameters": np.array([99.0, 99.0])}
    combined, covariance, cost = combine_angle_results([one, two, lost])
    np.testing.assert_allclose(combined, [(1 / 1 + 4 / 0.5) / 3, (2 / 4 + 5 / 1) / 1.25])
    np.testing.assert_allclose(np.diag(covariance), [1 / 3, 1 / 1.25])
    assert covariance[0, 1] == pytest.approx(1 / 3 * 0.2 * 0.5 + 2 / 3 * 0.8 * 0.1)
    assert cost == 3
    np.testing.assert_allclose(combine_angle_results([one, two], "uniform")[0], [2.5, 3.5])
    combined, covariance, _ = combine_angle_results([one, two], "n_points")
    np.testing.assert_allclose(combined, [3.25, 4.25])
    np.testing.assert_allclose(covariance[0, 0], 0.25**2 * 1.0 + 0.75**2 * 0.5)
    with pytest.raises(InvalidConfigurationError, match="weighting: expected one of"):
        combine_angle_results([one], "best")
    with pytest.raises(InvalidConfigurationError, match="none of 1 angles converged"):
        combine_angle_results([lost])


def test_an_angle_without_error_of_a_parameter_has_no_weight_in_it():
    sure = {"parameters": [1.0, 2.0], "covariance": [[1.0, 0.0], [0.0, 1.0]], "cost": 0, "n_points": 10}
    open_ = {"parameters": [3.0, 9.0], "covariance": [[1.0, np.nan], [np.nan, np.inf]], "cost": 0, "n_points": 10}
    combined, covariance, _ = combine_angle_results([sure, open_])
    assert combined.tolist() == [2.0, 2.0]
    assert covariance.tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert combine_angle_results([open_, open_])[0].tolist() == [3.0, 9.0]
    assert not np.isfinite(combine_angle_results([open_, open_])[1][1, 1])


def test_the_sequence_weighs_the_angles():
    phi, t, g2 = curves()
    found = optimize_per_angle_sequential(phi, t, t, g2, residual_5, [0.5, 1.0], BOUNDS)
    errors = np.sqrt(np.diag(found.combined_covariance))
    assert (abs(found.combined_parameters - [0.4, 1.2]) < 4 * errors).all()
    singles = np.array([np.diag(each["covariance"]) for each in found.per_angle_results])
    np.testing.assert_allclose(errors, (1 / singles).sum(axis=0) ** -0.5, rtol=1e-9)
    assert found.total_cost == pytest.approx(sum(each["cost"] for each in found.per_angle_results))
    assert (found.n_angles_optimized, found.n_angles_failed) == (3, 0)
    expected = np.linalg.norm(np.column_stack([-np.exp(-t), 0.5 * t * np.exp(-t)]), axis=0)
    np.testing.assert_allclose(found.initial_jacobian_norms, expected, rtol=1e-6)
    assert found.final_jacobian_norms.shape == (2,)


def test_angles_that_fail_count_against_the_rate():
    phi, t, g2 = curves()

    def failing(params, phi, t1, t2, g2):
        if phi[0] == 90.0:
            raise ArithmeticError("this angle has no model")
        return residual_5(params, phi, t1, t2, g2)

    found = optimize_per_angle_sequential(phi, t, t, g2, failing, [0.5, 1.0], BOUNDS, min_success_rate=0.6)
    assert (found.n_angles_optimized, found.n_angles_failed) == (2, 1)
    assert found.success_rate == pytest.approx(2 / 3)
    lost = found.per_angle_results[1]
    assert (lost["success"], lost["parameters"].tolist()) == (False, [0.5, 1.0])
    assert "ArithmeticError: this angle has no model" in lost["message"]
    assert found.initial_jacobian_norms is None
    with pytest.raises(SequentialFailedError, match="2 of 3 angles converged, 90% are needed") as error:
        optimize_per_angle_sequential(phi, t, t, g2, failing, [0.5, 1.0], BOUNDS, min_success_rate=0.9)
    assert isinstance(error.value, RuntimeError)
    assert isinstance(error.value, WilksError)


def test_scales_by_name():
    phi, t, g2 = curves()
    names = ["amplitude", "rate"]
    found = optimize_per_angle_sequential(
        phi, t, t, g2, residual_5, [0.5, 1.0], BOUNDS, parameter_names=names, x_scale={"rate": 2.0}
    )
    assert found.success_rate == 1.0
    with pytest.raises(InvalidConfigurationError, match="'rates' is no parameter; they are amplitude, rate"):
        optimize_per_angle_sequential(
            phi, t, t, g2, residual_5, [0.5, 1.0], BOUNDS, parameter_names=names, x_scale={"rates": 2.0}
        )
    with pytest.raises(InvalidConfigurationError, match="parameter_names: expected 2 names, got 1"):
        optimize_per_angle_sequential(phi, t, t, g2, residual_5, [0.5, 1.0], BOUNDS, parameter_names=["a"])
    with pytest.raises(InvalidConfigurationError, match="weighting"):
        optimize_per_angle_sequential(phi, t, t, g2, residual_5, [0.5, 1.0], BOUNDS, weighting="best")


def test_a_subset_is_made_of_fields():
    subset = AngleSubset(0.0, np.arange(2), 2, np.zeros(2), np.zeros(2), np.ones(2), np.ones(2))
    assert (subset.phi_angle, subset.n_points, subset.t2.sum()) == (0.0, 2, 2.0)


# Solvers

X = np.linspace(0, 2, 1500)
Y = 1.5 * np.exp(-0.7 * X) + 0.01 * np.random.default_rng(1).standard_normal(X.size)


def model(x, a, b):
    return a * np.exp(-b * x)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(executors, "_CHUNK", 400)


@pytest.mark.parametrize("name", ["standard", "large", "streaming"])
@pytest.mark.parametrize("bounds", [None, ([0, 0], [5, 5]), ([0, -np.inf], [np.inf, np.inf])])
def test_executors_find_what_curve_fit_finds(name, bounds, small_pieces):
    executor = get_executor(name)
    assert isinstance(executor, OptimizationExecutor)
    assert (executor.name, executor.supports_progress) == (name, True)
    found = executor.execute(model, X, Y, np.array([1.0, 1.0]), bounds, "linear", "jac", logging.getLogger("test"))
    best, covariance = curve_fit(model, X, Y, [1.0, 1.0])
    np.testing.assert_allclose(found.popt, best, rtol=1e-6)
    np.testing.assert_allclose(found.pcov, covariance, rtol=1e-4)
    assert (found.convergence_status, found.recovery_actions) == ("converged", [])
    assert found.info["success"]
    assert found.info["cost"] == pytest.approx(0.5 * np.sum((model(X, *best) - Y) ** 2))


def test_parameters_of_any_size_need_no_bounds():
    """Derivatives follow the parameters, not the width of a box that nobody gave."""

    def small(x, a, b):
        return 1e3 * a * np.exp(-1e4 * b * x)

    best, covariance = curve_fit(small, X, Y, [1e-3, 1e-4])
    found = get_executor("standard").execute(small, X, Y, [1e-3, 1e-4], None, "linear", 1.0, None)
    np.testing.assert_allclose(found.popt, best, rtol=1e-6)
    np.testing.assert_allclose(found.pcov, covariance, rtol=1e-4)


@pytest.mark.parametrize("width", [0.05, 1e3, 1e6, 1e8])
def test_the_width_of_the_bounds_does_not_matter(width):
    best, covariance = curve_fit(model, X, Y, [1.5, 0.7])
    box = (best - width, best + 2 * width)
    found = get_executor("standard").execute(model, X, Y, [1.4995, 0.7005], box, "linear", "jac", None)
    np.testing.assert_allclose(found.popt, best, rtol=1e-6)
    np.testing.assert_allclose(found.pcov, covariance, rtol=1e-4)


def test_derivatives_in_a_tiny_box_stay_inside():
    seen = []

    def line(x, a, b):
        seen.append(a)
        return 1e8 * a * x + b

    bounds = ([0, -5], [1e-8, 5])
    found = get_executor("standard").execute(line, X, 0.4 * X + 1, [0.0, 0.0], bounds, "linear", "jac", None)
    np.testing.assert_allclose(found.popt, [4e-9, 1.0], rtol=1e-6)
    assert 0 <= min(seen) <= max(seen) <= 1e-8


@pytest.mark.parametrize("bounds", [None, ([0, -np.inf], [np.inf, np.inf]), ([-1e9, -1e9], [1e9, 1e9])])
def test_an_optimum_far_from_the_start_is_found_without_bounds(bounds):
    y = 1e7 * Y
    best, covariance = curve_fit(model, X, y, [1.0, 1.0])
    found = get_executor("standard").execute(model, X, y, [1.0, 1.0], bounds, "linear", "jac", None)
    np.testing.assert_allclose(found.popt, best, rtol=1e-6)
    np.testing.assert_allclose(found.pcov, covariance, rtol=1e-4)
    assert found.info["nfev"] > found.info["result"].n_evaluations  # several boxes


def test_a_parameter_that_runs_away_has_not_converged():
    def slow(x, a):
        return np.log1p(abs(a)) + 0 * x  # 100 at e^100

    found = get_executor("standard").execute(slow, X, np.full(X.size, 100.0), [1.0], None, "linear", "jac", None)
    assert (found.convergence_status, found.info["success"]) == ("partial", False)
    assert "No end in sight: p0 still moves away from the start" in found.info["message"]


def test_derivatives_stay_within_the_bounds_that_were_given():
    def root(x, a, b):
        return np.sqrt(a) + b * x  # defined for a >= 0 only

    bounds = ([0, -np.inf], [1, np.inf])
    found = get_executor("standard").execute(root, X, 0.3 + 0.5 * X, [0.0, 1.0], bounds, "linear", 1, None)
    np.testing.assert_allclose(found.popt, [0.09, 0.5], rtol=1e-6)
    assert found.info["result"].stats["n_failed"] == 0


def test_several_variables_come_in_either_order(small_pieces):
    def plane(x, a, b):
        return a * x[0] + b * x[1]

    xdata = np.vstack([X, np.cos(X)])
    found = get_executor("large").execute(plane, xdata, plane(xdata, 2.0, 3.0), [1, 1], None, "linear", "jac", None)
    np.testing.assert_allclose(found.popt, [2.0, 3.0], rtol=1e-8)
    with pytest.raises(InvalidDataError, match=r"xdata has shape \(2, 1500\), expected one entry for each of 10"):
        get_executor("large").execute(plane, xdata, np.zeros(10), [1, 1], None, "linear", "jac", None)


@pytest.mark.parametrize("name", ["standard", "large"])
def test_a_robust_loss(name, small_pieces):
    y = Y.copy()
    y[::20] += 2.0
    plain = get_executor(name).execute(model, X, y, [1.0, 1.0], ([0, 0], [5, 5]), "linear", "jac", None)
    robust = get_executor(name).execute(model, X, y, [1.0, 1.0], ([0, 0], [5, 5]), "cauchy", "jac", None)
    assert abs(robust.popt[0] - 1.5) < abs(plain.popt[0] - 1.5)
    with pytest.raises(ValueError, match="loss"):
        get_executor(name).execute(model, X, y, [1.0, 1.0], None, "gauss", "jac", None)


def test_a_model_that_fails_is_a_result(caplog):
    def failing(x, a):
        raise ArithmeticError("no")

    with caplog.at_level(logging.INFO):
        found = get_executor("standard").execute(failing, X, Y, [1.0], None, "linear", "jac", logging.getLogger("test"))
    assert found.convergence_status == "failed"
    assert not found.info["success"]
    assert np.isnan(found.pcov).all()
    assert "At the start: ArithmeticError: no" in caplog.text


def test_a_stream_goes_on_from_its_file(tmp_path, small_pieces):
    folder = tmp_path / "checkpoints"
    config = {"checkpoint_dir": folder, "enable_checkpoints": True}
    answers = [
        get_executor("streaming", config).execute(model, X, Y, [1, 1], ([0, 0], [5, 5]), "linear", "jac", None)
        for _ in range(2)
    ]
    assert answers[0].info["result"].stats["n_reused"] == 0
    assert answers[1].info["result"].stats["n_reused"] > 0
    assert answers[0].popt.tolist() == answers[1].popt.tolist()
    assert list(folder.iterdir())
    with pytest.raises(CheckpointError, match="another problem than 'curve'"):
        get_executor("streaming", config).execute(model, X, 2 * Y, [1, 1], ([0, 0], [5, 5]), "linear", "jac", None)


def test_options_of_the_checkpoints(tmp_path):
    assert StreamingExecutor(None)._folder is None
    assert StreamingExecutor(tmp_path)._folder == tmp_path
    assert StreamingExecutor({"enable_checkpoints": False})._folder is None
    with pytest.warns(NoEffectWarning, match="checkpoint_frequency: no effect"):
        StreamingExecutor({"checkpoint_dir": tmp_path, "checkpoint_frequency": 5})
    with pytest.raises(InvalidConfigurationError, match="no option 'folder'"):
        StreamingExecutor({"folder": tmp_path})
    with pytest.raises(InvalidConfigurationError, match="'checkpoint_dir' is missing"):
        StreamingExecutor({})
    with pytest.warns(NoEffectWarning, match="checkpoint_config: no effect"):
        get_executor("large", {"checkpoint_dir": tmp_path})


def test_strategies_have_executors():
    assert [get_executor(each.value).name for each in NLSQStrategy] == ["standard", "large", "streaming"]
    with pytest.raises(InvalidConfigurationError, match="strategy_name: expected one of standard, large"):
        get_executor("quick")
