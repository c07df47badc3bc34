"""Powers of the sinc against exact rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from wilks.xpcs.sinc import sinc, sinc_power

POINTS = [
    5e-324, 1e-300, 1e-160, 1e-20, 1e-9, 1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.499999, 0.5, 0.500001, 0.7, 1.0, 2.0,
    3.0, math.pi, 4.4934, 5.0, 2 * math.pi, 7.3, 3 * math.pi, 12.0, 19.5, 25.0,
]  # fmt: skip


def series(x, ratio):
    """Sum of a power series in exact arithmetic; `ratio(k)` is that of the terms k and k - 1, over -x^2."""
    square = Fraction(x) ** 2
    total, term, k = Fraction(0), Fraction(1), 0
    while k < abs(x) or abs(term) * 10**25 > abs(total):
        total += term
        k += 1
        term *= -square * ratio(k)
    return total


def exact_sinc(x):
    return series(x, lambda k: Fraction(1, 2 * k * (2 * k + 1)))


@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize("x", POINTS)
def test_powers_are_right_to_rounding(x, power):
    wanted = float(exact_sinc(x) ** power)
    # Absolute where sin(x) goes through 0: no relative accuracy is left in the sine of a rounded multiple of pi.
    assert sinc_power(x, power) == pytest.approx(wanted, rel=2e-15, abs=1e-17)
    assert sinc_power(-x, power) == sinc_power(x, power)


def test_zero():
    assert sinc(0.0) == sinc_power(0.0, 2) == sinc_power(0.0, 4) == 1


def test_shapes_are_kept_and_entries_are_independent():
    x = np.array([[0.0, 1e-3, 0.4], [0.6, 3.0, -40.0]])
    for power in (2, 4):
        assert sinc_power(x, power).tolist() == [[float(sinc_power(v, power)) for v in row] for row in x.tolist()]


def test_what_is_not_finite_is_nan_without_a_warning():
    x = np.array([np.inf, -np.inf, np.nan])
    for power in (2, 4):
        assert np.isnan(sinc_power(x, power)).all()


def test_large_arguments_are_small():
    assert float(sinc_power(1e200, 4)) < 1e-300
