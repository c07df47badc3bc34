"""Diagnostics of the gradient, from the engine's own derivatives."""

from types import SimpleNamespace

import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.config_manager import ConfigManager
from wilks.facades.homodyne.gradient_diagnostics import (
    compute_gradient_norms,
    compute_optimal_x_scale,
    diagnose_gradient_imbalance,
    print_gradient_report,
)

TRUTH = {
    "D0": 1.5e4,
    "alpha": -0.2,
    "D_offset": 10.0,
    "gamma_dot_t0": 6e-3,
    "beta": 0.1,
    "gamma_dot_t_offset": 1e-4,
    "phi0": -5.0,
}
OURS = {"gamma_dot_t0": "gamma_dot_0", "gamma_dot_t_offset": "gamma_dot_offset"}
NAMES = list(TRUTH)
CONVENTION = xpcs.Convention.homodyne()
T = 0.1 * np.arange(40)
GEOMETRY = xpcs.Geometry(t=T, dt=0.1, q=0.0054, gap=2e6, phi=[0.0, 30.0, 75.0], convention=CONVENTION)
MEASURED = xpcs.simulate(
    {OURS.get(name, name): value for name, value in TRUTH.items()},
    GEOMETRY,
    contrast=[0.2, 0.3, 0.4],
    sigma=0.01,
    seed=1,
)
DATA = {
    "phi_angles_list": GEOMETRY.phi,
    "c2_exp": np.stack([MEASURED.matrix(k) for k in range(3)]),
    "t1": T,
    "t2": T,
    "wavevector_q_list": [0.0054],
    "sigma": np.full((3, 40, 40), 0.01),
}
RESULT = SimpleNamespace(parameters=TRUTH)


def config_of():
    analyzer = {"dt": 0.1, "geometry": {"stator_rotor_gap": 2e6}}
    return ConfigManager(
        config_override={
            "analysis_mode": "laminar_flow",
            "analyzer_parameters": analyzer,
            "optimization": {"nlsq": {"anti_degeneracy": {"per_angle_mode": "individual"}}},
        }
    )


def test_usage_of_the_page():
    result, data, config = RESULT, DATA, config_of()
    # Compute from fitted parameters
    x_scale_map = compute_optimal_x_scale(
        parameters=result.parameters,
        data=data,
        config=config,
        analysis_mode="laminar_flow",
    )

    # Add to config for next optimization
    config.config["optimization"]["nlsq"]["x_scale_map"] = x_scale_map

    assert list(x_scale_map) == NAMES
    assert [x_scale_map[name] for name in ("D0", "D_offset", "phi0")] == [1.0, 1.0, 1.0]


def test_norms_example_of_the_page_are_those_of_the_residuals():
    result, data, config = RESULT, DATA, config_of()
    gradient_norms = compute_gradient_norms(
        parameters=result.parameters,
        data=data,
        config=config,
        analysis_mode="laminar_flow",
    )
    # Output: {'D0': 26.98, 'alpha': 42365.33, ..., 'gamma_dot_t_offset': 346934800.0}

    assert list(gradient_norms) == NAMES
    for name in NAMES:
        assert gradient_norms[name] == pytest.approx(norm_by_differences(name), rel=1e-4)


def norm_by_differences(name):
    """Change of the model, contrast and offset projected out of it, over sigma."""
    step = 1e-4 * (abs(TRUTH[name]) or 1.0)
    curves = []
    for sign in (1, -1):
        values = {OURS.get(key, key): value for key, value in {**TRUTH, name: TRUTH[name] + sign * step}.items()}
        bare = xpcs.simulate(values, GEOMETRY, contrast=1.0, offset=0.0)
        curves.append([bare.matrix(k)[np.triu_indices(40, 1)] for k in range(3)])
    fit = xpcs.problem(MEASURED, convention=CONVENTION).projection(
        {OURS.get(key, key): value for key, value in TRUTH.items()}
    )
    total = 0.0
    for k, contrast in enumerate(fit.contrast):
        slope = contrast * (curves[0][k] - curves[1][k]) / (2 * step)
        basis = np.column_stack([np.ones_like(slope), (curves[0][k] + curves[1][k]) / 2])
        left = slope - basis @ np.linalg.lstsq(basis, slope, rcond=None)[0]
        total += float(left @ left)
    return np.sqrt(total) / 0.01


def test_x_scale_example_of_the_page():
    data, config = DATA, config_of()
    x_scale_map = compute_optimal_x_scale(
        parameters={**TRUTH, "contrast": 0.3, "offset": 1.0},
        data=data,
        config=config,
        analysis_mode="laminar_flow",
    )
    # Output: {'D0': 1.0, 'alpha': 0.001, ..., 'gamma_dot_t_offset': 1e-7}

    norms = compute_gradient_norms(TRUTH, data, config, "laminar_flow")
    reference = np.prod([norms[name] for name in ("D0", "D_offset", "phi0")]) ** (1 / 3)
    assert x_scale_map["alpha"] == pytest.approx(reference / norms["alpha"])
    wide = compute_optimal_x_scale(
        TRUTH, data, config, "laminar_flow", ["gamma_dot_t0"], safety_factor=2.0, min_scale=1e-3, max_scale=500.0
    )
    assert wide["gamma_dot_t0"] == 1.0
    assert wide["D0"] == 500.0
    assert wide["beta"] == pytest.approx(2 * norms["gamma_dot_t0"] / norms["beta"])


def test_imbalance_example_of_the_page(capsys):
    result, data, config = RESULT, DATA, config_of()
    diag = diagnose_gradient_imbalance(
        parameters=result.parameters,
        data=data,
        config=config,
        analysis_mode="laminar_flow",
    )
    if diag["imbalance_detected"]:
        print(f"Gradient imbalance detected: max ratio = {diag['max_ratio']:.0f}x")  # noqa: T201 - as on the page
        print("Recommendations:")  # noqa: T201 - as on the page
        print(diag["recommendations"]["summary"])  # noqa: T201 - as on the page

    norms = diag["gradient_norms"].values()
    assert diag["max_ratio"] == pytest.approx(max(norms) / min(norms))
    assert "a matter of units" in capsys.readouterr().out
    assert 1 < diag["condition_number"] < 1e8
    assert diag["recommendations"]["x_scale_map"]["D0"] == 1.0
    calm = diagnose_gradient_imbalance(TRUTH, data, config, "laminar_flow", threshold=1e30)
    assert not calm["imbalance_detected"]


def test_report_example_of_the_page(capsys):
    result, data, config = RESULT, DATA, config_of()
    # After NLSQ optimization
    print_gradient_report(
        parameters=result.parameters,
        data=data,
        config=config,
        analysis_mode="laminar_flow",
    )
    # Prints detailed gradient analysis and recommendations
    text = capsys.readouterr().out
    assert all(name in text for name in NAMES)
    assert "condition number" in text


def test_vectors_of_a_result_and_data_of_the_engine():
    expected = compute_gradient_norms(TRUTH, DATA, config_of(), "laminar_flow")
    vector = np.r_[np.full(3, 0.3), np.ones(3), list(TRUTH.values())]
    assert compute_gradient_norms(vector, MEASURED, config_of(), "laminar_flow") == pytest.approx(expected)
    static = compute_gradient_norms([2e4, 0.0, 0.0], MEASURED, config_of(), "static_isotropic")
    assert list(static) == ["D0", "alpha", "D_offset"]


def test_a_parameter_that_moves_nothing_is_named():
    still = {**TRUTH, "gamma_dot_t0": 0.0, "gamma_dot_t_offset": 0.0}
    found = diagnose_gradient_imbalance(still, DATA, config_of(), "laminar_flow")
    assert found["max_ratio"] == found["condition_number"] == np.inf
    assert found["imbalance_detected"]
    assert "Nothing changes with" in found["recommendations"]["summary"]
    assert "beta" in found["recommendations"]["summary"]
    assert found["recommendations"]["x_scale_map"]["beta"] == 1e2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"D0": 1.0}, "missing alpha, D_offset, gamma_dot_t0"),
        ({**TRUTH, "gamma": 1.0}, "no gamma"),
        (np.ones(8), r"expected the 7 physical parameters, .* shape \(8,\)"),
        ({**TRUTH, "alpha": -1e9}, "not finite"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        compute_gradient_norms(parameters, DATA, config_of(), "laminar_flow")


def test_options_of_the_scales_are_checked():
    with pytest.raises(InvalidConfigurationError, match="baseline_params: got 'gama'"):
        compute_optimal_x_scale(TRUTH, DATA, config_of(), "laminar_flow", ["gama"])
    with pytest.raises(InvalidConfigurationError, match="min_scale <= max_scale"):
        compute_optimal_x_scale(TRUTH, DATA, config_of(), "laminar_flow", min_scale=1.0, max_scale=0.1)
