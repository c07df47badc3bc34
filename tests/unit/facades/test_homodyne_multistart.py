"""Starts, their screening, the basins of their fits, and CMA-ES for any function."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import (
    CMAESWrapper,
    CMAESWrapperConfig,
    HomodyneWarning,
    MultiStartConfig,
    NLSQConfig,
    NoEffectWarning,
    SingleStartResult,
    check_zero_volume_bounds,
    create_multistart_warmup_func,
    detect_degeneracy,
    fit_with_cmaes,
    generate_lhs_starts,
    generate_random_starts,
    get_n_workers,
    include_custom_starts,
    run_multistart_nlsq,
    screen_starts,
    validate_n_starts_for_lhs,
)
from wilks.facades.homodyne.curve import Curve

BOUNDS = np.array([[0.0, 4.0], [-10.0, 10.0]])
X = np.linspace(0.0, 2.0, 40)


def model(x, a, b):
    return a * np.exp(-b * x)


Y = model(X, 2.0, 3.0) + 0.01 * np.random.default_rng(1).standard_normal(40)


def single(number=0, params=(1.0, 1.0), chi_squared=10.0, *, success=True, **more):
    return SingleStartResult(number, np.zeros(2), np.array(params), chi_squared, success=success, **more)


def test_defaults_of_the_page():
    config = MultiStartConfig()
    assert (config.enable, config.n_starts, config.seed, config.sampling_strategy) == (
        False,
        10,
        42,
        "latin_hypercube",
    )
    assert (config.use_screening, config.screen_keep_fraction, config.refine_top_k) == (True, 0.5, 3)
    taken = MultiStartConfig.from_nlsq_config(NLSQConfig(enable_multi_start=True, multi_start_n_starts=7))
    assert (taken.enable, taken.n_starts, taken.degeneracy_threshold) == (True, 7, 0.1)
    options = MultiStartConfig(n_starts=20).to_nlsq_global_config()
    assert (options.method, options.n_screened, options.n_refined) == ("screening", 20, 10)
    assert single().reduced_chi_squared == np.inf


def test_latin_hypercube_fills_every_slice():
    starts = generate_lhs_starts(BOUNDS, 8)
    assert starts.shape == (8, 2)
    for column, (lower, upper) in enumerate(BOUNDS):
        assert sorted(np.floor(8 * (starts[:, column] - lower) / (upper - lower))) == list(range(8))
    assert np.array_equal(starts, generate_lhs_starts((BOUNDS[:, 0], BOUNDS[:, 1]), 8, 42))
    assert not np.array_equal(starts, generate_lhs_starts(BOUNDS, 8, seed=1))


def test_random_starts_are_in_the_bounds():
    starts = generate_random_starts(BOUNDS, 200)
    assert ((BOUNDS[:, 0] <= starts) & (starts <= BOUNDS[:, 1])).all()
    assert starts[:, 1].std() == pytest.approx(20 / np.sqrt(12), rel=0.15)


def test_bounds_without_volume():
    assert check_zero_volume_bounds(np.array([[1.0, 1.0], [2.0, 2.0]]))
    assert not check_zero_volume_bounds(BOUNDS)
    for bad in (np.array([[1.0, 0.0]]), np.ones(3)):
        with pytest.raises(InvalidConfigurationError, match="lower <= upper"):
            check_zero_volume_bounds(bad)


def test_number_of_starts_is_judged_in_the_words_of_the_page():
    with pytest.warns(HomodyneWarning, match=r"n_starts \(5\) < n_params \(9\): LHS coverage may be inadequate"):
        assert validate_n_starts_for_lhs(5, 9) == 5
    with pytest.warns(HomodyneWarning, match="very large"):
        validate_n_starts_for_lhs(1001, 1)
    assert validate_n_starts_for_lhs(5, 9, warn=False) == 5
    with pytest.raises(InvalidConfigurationError, match="n_starts"):
        validate_n_starts_for_lhs(0, 9)


def test_custom_starts_come_first():
    starts = generate_lhs_starts(BOUNDS, 3)
    both = include_custom_starts(starts, [[1.0, 2.0]], BOUNDS)
    assert both[0].tolist() == [1.0, 2.0]
    assert np.array_equal(both[1:], starts)
    assert np.array_equal(include_custom_starts(starts, None, BOUNDS), starts)
    with pytest.raises(InvalidConfigurationError, match="expected 2 numbers"):
        include_custom_starts(starts, [[1.0]], BOUNDS)
    with pytest.raises(InvalidConfigurationError, match="outside the bounds"):
        include_custom_starts(starts, [[9.0, 0.0]], BOUNDS)


@pytest.mark.parametrize("n_workers", [0, 1, 3])
def test_screening_keeps_the_best(n_workers):
    starts = np.arange(10.0)[::-1, None]
    costs = {0.0: np.nan, 1.0: 50.0}
    kept, values = screen_starts(lambda p: costs.get(p[0], p[0]), starts, 0.4, 3, n_workers)
    assert kept[:, 0].tolist() == [2.0, 3.0, 4.0, 5.0]
    assert values.tolist() == [2.0, 3.0, 4.0, 5.0]
    assert len(screen_starts(lambda p: 0.0, starts, 0.1)[0]) == 3
    with pytest.raises(InvalidConfigurationError, match="keep_fraction"):
        screen_starts(lambda p: 0.0, starts, 0.0)


def test_basins():
    same = [single(params=(1.0, 100.0)), single(params=(1.01, 101.0))]
    assert detect_degeneracy(same)[:2] == (False, 1)
    # Parameters of very different sizes: the small one tells the two apart.
    other = single(params=(2.0, 100.0), chi_squared=10.5)
    found, n, labels = detect_degeneracy([*same, other, single(chi_squared=12.0), single(success=False)])
    assert (found, n) == (True, 2)
    assert labels.tolist() == [0, 0, 1, -1, -1]
    assert detect_degeneracy([single()]) == (False, 1, None)
    assert detect_degeneracy([*same, other], chi_sq_threshold=0.01)[:2] == (False, 1)
    assert detect_degeneracy([*same, other], param_threshold=0.6)[:2] == (False, 1)


def test_parameters_within_their_errors_are_the_same():
    wide = np.diag([1.0, 1e-6])
    pair = [single(params=(1.0, 5.0), covariance=wide), single(params=(2.5, 5.0), covariance=wide)]
    assert detect_degeneracy(pair)[:2] == (False, 1)
    pair[0].covariance = pair[1].covariance = 1e-4 * wide
    assert detect_degeneracy(pair)[:2] == (True, 2)


def test_number_of_workers(monkeypatch):
    monkeypatch.setattr("wilks.facades.homodyne.multistart.n_usable_cores", lambda: 6)
    assert get_n_workers(MultiStartConfig(), 10) == 6
    assert get_n_workers(MultiStartConfig(), 4) == 4
    assert get_n_workers(MultiStartConfig(n_workers=2), 10) == 2


def two_wells(params):
    """Chi-squared with a minimum of 1 at (1, 0) and of 1.05 at (3, 0)."""
    a, b = params
    return float(1 + min((a - 1) ** 2, 0.05 + (a - 3) ** 2) + b**2)


def into_a_well(data, start):
    assert data == "data"
    a = 1.0 if abs(start[0] - 1) < abs(start[0] - 3) else 3.0
    return SingleStartResult(0, start, np.array([a, 0.0]), two_wells((a, 0.0)), success=True)


@pytest.mark.parametrize("n_workers", [1, 4])
def test_multistart_with_functions_of_the_user(n_workers):
    config = MultiStartConfig(n_starts=12, n_workers=n_workers, custom_starts=[[3.5, 0.0]])
    result = run_multistart_nlsq("data", BOUNDS, config, into_a_well, two_wells)
    assert result.strategy_used == "full"
    assert result.best.chi_squared == 1.0
    assert len(result.all_results) == 1 + 6
    assert result.all_results[0].initial_params.tolist() == [3.5, 0.0]
    assert (np.diff(result.screening_costs) >= 0).all()
    assert (result.n_successful, result.n_unique_basins, result.degeneracy_detected) == (7, 2, True)
    assert set(result.basin_labels) == {0, 1}
    plain = result.to_optimization_result()
    assert plain.parameters.tolist() == [1.0, 0.0]
    assert plain.quality_flag == "marginal"
    assert plain.nlsq_diagnostics["multi_start"]["n_unique_basins"] == 2


def test_quality_suffers_only_from_what_chance_cannot_tell_apart():
    def far(data, start):
        found = into_a_well(data, start)
        found.chi_squared = 100.0 if found.final_params[0] == 1.0 else 108.0
        return found

    result = run_multistart_nlsq("data", BOUNDS, MultiStartConfig(n_starts=12), far)
    assert result.degeneracy_detected
    assert result.to_optimization_result().quality_flag == "good"


def test_multistart_without_screening_and_with_other_starts():
    config = MultiStartConfig(n_starts=3, use_screening=False, sampling_strategy="random", custom_starts=[[9.0, 9.0]])
    result = run_multistart_nlsq("data", BOUNDS, config, into_a_well, two_wells, custom_starts=[[0.0, 0.0]])
    assert len(result.all_results) == 4
    assert result.screening_costs is None
    with pytest.raises(InvalidConfigurationError, match="sampling_strategy: expected one of"):
        run_multistart_nlsq("data", BOUNDS, MultiStartConfig(sampling_strategy="sobel"), into_a_well)


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol", "random"])
def test_designs_fill_the_box(design):
    config = MultiStartConfig(n_starts=64, sampling_strategy=design)
    starts = config.design([[0.0, 4.0], [-10.0, 10.0], [2.0, 2.0]])
    assert starts.shape == (64, 3)
    assert (starts[:, 2] == 2.0).all()
    counts = np.histogram2d(starts[:, 0], starts[:, 1], bins=2, range=[[0, 4], [-10, 10]])[0]
    assert counts.sum() == 64
    assert (counts > 5).all()
    if design == "sobol":
        assert (counts == 16).all()
    assert config.to_nlsq_global_config().design == design


def test_multistart_of_fixed_parameters_is_one_fit():
    fixed = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert len(run_multistart_nlsq("data", fixed, MultiStartConfig(), into_a_well).all_results) == 1


def test_multistart_where_nothing_is_finite():
    with pytest.raises(InvalidConfigurationError, match="none of 10 starts gave a finite chi-squared"):
        run_multistart_nlsq("data", BOUNDS, MultiStartConfig(), lambda data, start: single(chi_squared=np.inf))


def test_warmup_example_of_the_page():
    my_model, x_data, y_data = model, X, Y
    lower, upper = np.array([0.0, 0.0]), np.array([10.0, 10.0])
    my_data, bounds, config = {"y": Y}, (lower, upper), MultiStartConfig(n_starts=5)
    calls = []

    def full_fit_func(data, initial_params):
        calls.append(initial_params)
        curve = Curve(model, X, Y)
        return SingleStartResult(0, initial_params, initial_params, curve.chi_squared(initial_params), success=True)

    # Create warmup function
    warmup_func = create_multistart_warmup_func(
        model_func=my_model,
        xdata=x_data,
        ydata=y_data,
        bounds=(lower, upper),
    )

    # Use with multi-start
    result = run_multistart_nlsq(
        data=my_data,
        bounds=bounds,
        config=config,
        single_fit_func=full_fit_func,
        warmup_fit_func=warmup_func,  # For Phase 1 strategy
    )
    assert result.strategy_used == "phase1"
    assert len(result.all_results) == 6
    assert len(calls) == 1
    assert np.allclose(result.best.final_params, [2.0, 3.0], rtol=0.05)


def test_warmup_makes_few_evaluations():
    few = create_multistart_warmup_func(model, X, Y, ([0, 0], [10, 10]), chunk_size=7)(None, [9.0, 9.0], 2)
    many = create_multistart_warmup_func(model, X, Y, ([0, 0], [10, 10]))(None, [9.0, 9.0], 60)
    assert few.n_fev <= 6
    assert many.chi_squared < few.chi_squared
    with pytest.raises(InvalidConfigurationError, match="chunk_size"):
        create_multistart_warmup_func(model, X, Y, chunk_size=0)


def test_warmup_needs_no_bounds_and_says_what_fails():
    found = create_multistart_warmup_func(model, X, Y)(None, [1.0, 1.0], 30)
    whole = create_multistart_warmup_func(model, X, Y, ([0, 0], [10, 10]), chunk_size=7)(None, [1.0, 1.0], 30)
    np.testing.assert_allclose(found.final_params, whole.final_params, rtol=1e-5)
    assert found.success
    lost = create_multistart_warmup_func(lambda x, a, b: np.nan * x, X, Y)(None, [1.0, 1.0], 3)
    assert (lost.success, lost.chi_squared, lost.final_params.tolist()) == (False, np.inf, [1.0, 1.0])
    assert "residuals are not finite" in lost.message


def test_curve_in_pieces_is_the_whole_curve():
    whole, pieces = Curve(model, X, Y, 0.5), Curve(model, X, Y, np.full(40, 0.5), 7)
    assert (whole.is_chunked, pieces.is_chunked) == (False, True)
    np.testing.assert_array_equal(np.concatenate(list(pieces.residual(1.0, 2.0))), whole.residual(1.0, 2.0))
    np.testing.assert_allclose(whole.residual(1.0, 2.0), 2 * (model(X, 1.0, 2.0) - Y))
    assert pieces.chi_squared([1.0, 2.0]) == pytest.approx(whole.chi_squared([1.0, 2.0]))
    assert whole.chi_squared([np.nan, 1.0]) == np.inf


def test_curve_refuses():
    for given, message in [
        ((model, X, Y[:3], None, 2), r"xdata has shape \(40,\), expected one entry for each of 3 values"),
        ((model, X, Y, 0.0), "sigma: expected positive"),
        ((model, X, Y, [1.0, 2.0]), "sigma: expected positive numbers, one or one for each of 40 points"),
        ((model, X, Y, None, 0), "chunk_size: expected an integer >= 1, got 0"),
    ]:
        with pytest.raises((InvalidConfigurationError, InvalidDataError), match=message):
            Curve(*given)
    with pytest.raises(InvalidDataError, match="returned 1 values for 40 points"):
        Curve(lambda x, a, b: 1.0, X, Y).chi_squared([1.0, 1.0])


def test_scale_ratio_of_the_page():
    wrapper = CMAESWrapper()
    lower = np.array([0, 0.001, 100])
    upper = np.array([1, 0.01, 10000])
    # The page prints 11000.0 for (10000-100) / (0.01-0.001), which is 1.1e6.
    assert wrapper.compute_scale_ratio((lower, upper)) == pytest.approx(9900 / 0.009)
    assert wrapper.should_use_cmaes((lower, upper))
    assert not wrapper.should_use_cmaes((lower, upper), scale_threshold=2e6)
    assert wrapper.compute_scale_ratio(([1.0, 0.0], [1.0, 5.0])) == 1.0
    assert wrapper.is_available


def test_cmaes_example_of_the_page(capsys):
    model_func, xdata, ydata, p0 = model, X, Y, np.array([1.0, 1.0])
    bounds = (np.array([0.0, 0.0]), np.array([10.0, 20000.0]))
    # Create wrapper with custom config
    wrapper = CMAESWrapper(
        CMAESWrapperConfig(
            preset="cmaes",
            refine_with_nlsq=True,
            refinement_ftol=1e-10,
        )
    )
    wrapper.config.max_restarts = 1

    # Check if CMA-ES is appropriate for this problem
    if wrapper.should_use_cmaes(bounds, scale_threshold=1000):
        result = wrapper.fit(model_func, xdata, ydata, p0, bounds)
        print(f"Chi²: {result.chi_squared:.4e}")  # noqa: T201 - the example
        print(f"Refined: {result.nlsq_refined}")  # noqa: T201 - the example
        print(f"Improvement: {result.diagnostics.get('chi_squared_improvement', 0):.2%}")  # noqa: T201 - the example
    assert "Refined: True" in capsys.readouterr().out
    assert np.allclose(result.parameters, [2.0, 3.0], rtol=0.05)
    errors = np.sqrt(np.diag(result.covariance))
    assert (np.abs(result.parameters - [2.0, 3.0]) < 4 * errors).all()
    assert errors[0] < 0.02  # without sigma, errors follow from the residuals
    assert 0 <= result.diagnostics["chi_squared_improvement"] < 1
    assert result.success
    assert result.method_used == "cmaes"


def test_settings_without_effect_are_named():
    wrapper = CMAESWrapper(CMAESWrapperConfig("cmaes-fast", max_generations=2, max_restarts=0, tol_x=1e-3))
    with pytest.warns(NoEffectWarning, match="no effect: tol_x"):
        wrapper.fit(model, X, Y, [1.0, 1.0], ([0.0, 0.0], [10.0, 10.0]))


def test_cmaes_wants_a_box_and_says_what_fails():
    wrapper = CMAESWrapper(CMAESWrapperConfig("cmaes-fast", max_generations=2, restart_strategy="none"))
    with pytest.raises(InvalidConfigurationError, match="expected finite lower and upper bounds"):
        wrapper.fit(model, X, Y, [1.0, 1.0], ([0.0, 0.0], [10.0, np.inf]))
    fixed = wrapper.fit(model, X, Y, [2.0, 3.0], ([2.0, 3.0], [2.0, 3.0]), 0.01)
    assert (fixed.parameters.tolist(), fixed.success, fixed.message) == ([2.0, 3.0], True, "All parameters are fixed.")
    assert fixed.chi_squared == pytest.approx(Curve(model, X, Y, 0.01).chi_squared([2.0, 3.0]))
    lost = wrapper.fit(lambda x, a, b: np.zeros(3), X, Y, [1.0, 1.0], ([0.0, 0.0], [10.0, 10.0]))
    assert (lost.success, lost.chi_squared) == (False, np.inf)
    assert "model_func returned 3 values for 40 points" in lost.message


def test_convenience_function_of_the_page(capsys):
    config = CMAESWrapperConfig(preset="cmaes-fast", restart_strategy="none", refine_with_nlsq=False)
    bounds = (np.array([0.0, 3.0]), np.array([10.0, 3.0]))
    result = fit_with_cmaes(model, X, Y, [1.0, 3.0], bounds, 0.01, config)
    print(f"Best params: {result.parameters}")  # noqa: T201 - the example
    assert capsys.readouterr().out.startswith("Best params: [2.")
    assert result.parameters[1] == 3.0
    assert (result.nlsq_refined, result.covariance) == (False, None)
    assert result.diagnostics["evaluations"] <= config.budget(2)


def test_a_search_that_is_much_worse_than_the_warm_start_is_not_refined():
    steps = []

    class Noted(CMAESWrapperConfig):
        def to_cmaes_config(self, n_params, *, sigma_override=None):
            steps.append(sigma_override)
            return CMAESWrapperConfig.to_cmaes_config(self, n_params, sigma_override=sigma_override)

    config = Noted(preset="cmaes-fast", max_restarts=1, restart_strategy="none")
    result = CMAESWrapper(config).fit(model, X, Y, [9.0, 0.1], ([0, 0], [10, 20]), 0.01, warmstart_chi2=1e-9)
    assert not result.nlsq_refined
    assert not result.success
    assert result.diagnostics["warmstart"]
    assert 0.05 in steps  # a narrow search
    assert "10 times the chi-squared of the warm start" in result.message


def test_settings_of_the_search():
    config = CMAESWrapperConfig.from_nlsq_config(NLSQConfig(cmaes_preset="cmaes-global", cmaes_popsize=20))
    assert (config.preset, config.popsize, config.max_restarts) == ("cmaes-global", 20, 9)
    assert config.to_cmaes_config(7, sigma_override=0.05).sigma == 0.05
    assert config.budget(7) == 20 * 200 * 10
    assert CMAESWrapperConfig(max_generations=3, max_restarts=0).budget(7) == 9 * 3
    with pytest.raises(InvalidConfigurationError, match="preset: expected one of"):
        CMAESWrapperConfig(preset="cma")


@pytest.mark.parametrize(("reduced", "flag"), [(1.0, "good"), (10.0, "marginal")])
def test_another_basin_counts_by_the_size_of_the_noise(reduced, flag):
    def single(data, start):
        a = 1.0 if start[0] < 0.5 else 3.0
        return SingleStartResult(0, start, np.array([a]), 1000.0 + 10 * (a > 2), reduced, success=True)

    found = run_multistart_nlsq(None, [[0.0, 1.0]], MultiStartConfig(n_starts=4), single)
    assert found.degeneracy_detected
    assert found.to_optimization_result().quality_flag == flag


def test_budget_of_the_warmup_is_iterations():
    found = create_multistart_warmup_func(model, X, Y, ([0, 0], [10, 10]))(None, [9.0, 9.0], 2)
    assert (found.n_iterations, found.n_fev) == (2, 3)
