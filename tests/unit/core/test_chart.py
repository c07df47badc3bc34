"""Charts: there and back, and slopes that are those of the map."""

import numpy as np
import pytest

from wilks.core.chart import BoxChart, LineChart

CHARTS = {"box": BoxChart(), "line": LineChart()}
every = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)


@every
def test_there_and_back(chart):
    u = np.random.default_rng(1).random((50, 3))
    u[0] = [1e-9, 0.5, 1 - 1e-9]
    np.testing.assert_allclose(chart.to_unit(chart.from_unit(u)), u, rtol=1e-9)


@every
def test_slopes_are_those_of_the_map(chart):
    x = chart.from_unit(np.random.default_rng(2).uniform(0.01, 0.99, (50, 3)))
    step = 1e-6
    differences = (chart.to_unit(x + step) - chart.to_unit(x - step)) / (2 * step)  # every coordinate for itself
    np.testing.assert_allclose(chart.log_slope(x), np.log(differences).sum(axis=1), atol=1e-6)


def test_the_line_has_no_walls():
    chart = LineChart()
    walls = chart.from_unit(np.array([[0.0, 1.0]]))
    assert np.isfinite(walls).all()
    assert walls[0, 0] < -30
    assert walls[0, 1] > 30
    far = np.array([[-900.0], [-40.0], [40.0], [900.0]])
    u = chart.to_unit(far)
    assert ((u >= 0) & (u <= 1)).all()
    np.testing.assert_allclose(chart.log_slope(far), -np.abs(far[:, 0]), rtol=1e-12)
    assert np.isnan(chart.to_unit(np.array([[np.nan]]))).all()
