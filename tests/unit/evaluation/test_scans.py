"""Scans along the coordinates: their points, and the peaks on them."""

import numpy as np
import pytest

from wilks.evaluation.scans import line_peaks, line_points

U = np.array([0.13, 0.5])


def scanned(function, u=U, n=41):
    return np.array([function(point) for point in line_points(u, n)])


def test_each_line_moves_one_coordinate_from_end_to_end():
    points = line_points(U, 7)
    assert points.shape == (14, 2)
    assert points[:7, 0] == pytest.approx((np.arange(7) + 0.5) / 7)
    assert (points[:7, 1] == U[1]).all()
    assert (points[7:, 0] == U[0]).all()
    assert points[7:, 1] == pytest.approx((np.arange(7) + 0.5) / 7)


def test_peaks_are_the_other_local_maxima_best_first():
    """Maxima at 0.13, 0.38, 0.63 and 0.88 of the first coordinate, the higher the farther, one of the second."""
    values = scanned(lambda p: np.cos(8 * np.pi * (p[0] - 0.13)) + p[0] - (p[1] - 0.5) ** 2)
    peaks = line_points(U, 41)[line_peaks(U, values, 41)]
    assert peaks[:, 0] == pytest.approx([0.88, 0.63, 0.38], abs=0.02)
    assert (peaks[:, 1] == 0.5).all()


def test_the_ends_of_a_line_may_be_peaks():
    u = np.array([0.5])
    assert line_peaks(u, scanned(lambda p: abs(p[0] - 0.45), u, 11), 11) == [10, 0]


def test_only_what_is_high_enough_and_only_the_best_of_each_line():
    values = scanned(lambda p: np.cos(20 * np.pi * p[0]) + p[0] + np.cos(20 * np.pi * p[1]) + p[1])
    everything = line_peaks(U, values, 41)
    lines = [at // 41 for at in everything]
    assert lines.count(0) == 10
    assert lines.count(1) == 10
    best = line_peaks(U, values, 41, per_line=2)
    assert sorted(at // 41 for at in best) == [0, 0, 1, 1]
    assert best == [at for at in everything if at in best]
    lowest = float(np.median(values[everything]))
    assert line_peaks(U, values, 41, lowest=lowest) == [at for at in everything if values[at] > lowest]


def test_what_is_not_defined_is_no_peak():
    values = scanned(lambda p: -np.inf)
    assert line_peaks(U, values, 41) == []
    values[4] = -5.0
    values[40] = -7.0
    assert line_peaks(U, values, 41) == [40]  # the other lies next to the point itself
