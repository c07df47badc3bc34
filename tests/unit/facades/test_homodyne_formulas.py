from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from wilks.facades.homodyne import (
    FourierReparamConfig,
    FourierReparameterizer,
    HierarchicalConfig,
    HierarchicalOptimizer,
    ResultBuilder,
    StratifiedResidualFunctionJIT,
    combine_angle_results,
    compute_consistent_per_angle_init,
    compute_g2_batch,
    estimate_gradient_noise,
)
from wilks.facades.homodyne.question import asked


def test_bounds_keep_the_logarithmic_scale():
    boxes = asked({"analysis_mode": "static"}).with_bounds(([1e3, -1.0, 0.0], [1e5, 0.0, 1.0]), 1).parameters
    assert (boxes["D0"].scale, boxes["alpha"].scale) == ("log", "linear")


def test_exact_angle_alone_counts():
    exact = {"parameters": [1.0], "covariance": [[0.0]], "cost": 2.0, "n_points": 10}
    other = {"parameters": [4.0], "covariance": [[2.0]], "cost": 3.0, "n_points": 10}
    assert combine_angle_results([exact, other])[0].tolist() == [1.0]


def test_settled_is_in_widths_of_the_box():
    def loss(p):
        return (p[0] - 2) ** 2 + (p[1] - 3) ** 2 + (p[2] - 500) ** 2 + 1.0 * (p[0] + p[1] + p[2] - 400) ** 2

    for width, success in ((1e7, True), (1e3, False)):
        optimizer = HierarchicalOptimizer(HierarchicalConfig(max_outer_iterations=2, outer_tolerance=1e-5), 1, 1)
        found = optimizer.fit(loss, None, np.ones(3), (np.full(3, -100.0), np.full(3, width)))
        assert found.success == success, found.message


def test_sigma_of_points_weighs():
    t, truth = 0.1 * np.arange(20), [1e4, -0.3, 0.0]
    g2 = compute_g2_batch(truth, t, t, [0.0], 0.0054, 2e6, 0.1, contrast=0.25, offset=1.02)
    sigma = np.full(g2.shape, 0.01)
    g2[0, 3, 9] = g2[0, 9, 3] = 2.0
    sigma[0, 3, 9] = sigma[0, 9, 3] = 1e6
    data = SimpleNamespace(phi=np.zeros(1), t1=t, t2=t, g2=g2, sigma=sigma, q=0.0054, L=2e6, dt=0.1)
    contrast, offset = compute_consistent_per_angle_init(data, truth, ["D0", "alpha", "D_offset"])
    assert np.allclose([contrast[0], offset[0]], [0.25, 1.02], atol=1e-6)


def test_gradient_noise_is_a_coefficient_of_variation():
    found = estimate_gradient_noise(lambda x, a: a**2 * x, np.ones(3), [3.0], n_samples=400, perturbation=0.01)
    assert abs(found - 0.01) < 0.002


def test_unknown_variances_stay_where_they_are():
    series = FourierReparameterizer(np.linspace(0, 3, 8), FourierReparamConfig(mode="fourier", fourier_order=1))
    covariance = np.eye(9)
    covariance[-1, :] = covariance[:, -1] = np.nan
    made = ResultBuilder().with_covariance(covariance).with_fourier_covariance_transform(series, 8, 3).covariance
    assert np.isfinite(made[:-1, :-1]).all()
    assert np.isnan(made[-1]).all()


def test_chunks_may_be_dictionaries():
    chunk = {"phi": np.zeros(3), "t1": np.arange(3.0), "t2": np.arange(3.0) + 1, "g2": np.full(3, 1.2)}
    data = SimpleNamespace(chunks=[chunk | {"q": 0.01, "L": 2e6, "dt": 1.0}])
    residual = StratifiedResidualFunctionJIT(data, True, ["D0", "alpha", "D_offset"])
    assert residual.get_diagnostics()["chunk_angle_counts"] == [1]
    assert residual([0.0, 1.0, 1e3, 0.0, 0.0]).tolist() == pytest.approx([0.2] * 3)
