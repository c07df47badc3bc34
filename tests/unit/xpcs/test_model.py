"""Curves and f against pixel loops, closed forms, differences and the formulas of the other package."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from tests.unit.xpcs import brute_force
from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.convention import Convention
from wilks.xpcs.model import (
    PHYSICAL_NAMES,
    Geometry,
    cumulative,
    curves,
    decay_function,
    model_matrix,
    negative_transport,
    regularised_times,
    shear_rate,
    transport_coefficient,
)
from wilks.xpcs.sinc import sinc_power

VALUES = {
    "D0": 16830.0, "alpha": -1.571, "D_offset": 3.0,
    "gamma_dot_0": 2e-3, "beta": -0.2, "gamma_dot_offset": 1e-4, "phi0": -5.0,
}  # fmt: skip
NAMES = PHYSICAL_NAMES["laminar_flow"]
CONVENTIONS = [Convention(), Convention.homodyne(), Convention(0.8, 0.3, 4)]
PHI = [110.0, -5.0, 0.0, 33.0, 84.9, -5.0, 265.0]  # unsorted, twice the same, along and across the flow


def geometry(convention=CONVENTIONS[0], *, n_t=12, phi=PHI, gap=2e6, t=None):
    times = 0.1 * np.arange(n_t) if t is None else t
    return Geometry(t=times, dt=0.1, q=0.0054, gap=gap, phi=phi, convention=convention)


def uneven_times():
    """Later start, lost frames."""
    return 0.1 * np.array([3, 4, 5, 7, 8, 12, 13, 14, 20.0])


def static(values):
    return {name: values[name] for name in PHYSICAL_NAMES["static"]}


def test_names_are_those_of_the_modes():
    assert tuple(VALUES) == NAMES
    assert PHYSICAL_NAMES["static"] == NAMES[:3]
    assert len(PHYSICAL_NAMES) == 2


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("times", [None, uneven_times()], ids=["from zero", "uneven"])
@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_model_is_that_of_the_pixel_loop(convention, times, mode):
    where = geometry(convention, t=times)
    values = static(VALUES) if mode == "static" else VALUES
    made = curves(VALUES, where, mode)
    zeros, ones = [0.0] * len(PHI), [1.0] * len(PHI)
    wanted = brute_force.c2(values, where, ones, zeros)
    for k in range(len(PHI)):
        ours = model_matrix(made, k)
        np.testing.assert_allclose(ours, wanted[k], rtol=1e-12, atol=1e-15)
        assert (ours == ours.T).all()
        assert (np.diag(ours) == 1).all()
    assert made.has_flow == (mode == "laminar_flow")
    if mode == "laminar_flow":
        assert wanted.min() < 0.2
        assert np.ptp(wanted, axis=0).max() > 0.1  # the angles differ


def test_without_flow_there_is_none():
    made = curves(VALUES, geometry(gap=None), "static")
    assert made.strain_slopes.shape == (0, 12)
    assert not made.strain.any()
    assert made.phases.tolist() == made.phase_slopes.tolist() == [0.0] * len(PHI)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("times", [None, uneven_times()], ids=["from zero", "uneven"])
def test_slopes_of_the_curves_are_exact(convention, times):
    where = geometry(convention, t=times)
    made = curves(VALUES, where)
    n_t = len(where.t)
    ends = range(1, n_t)

    def wanted(function, name):
        return [0.0] + [brute_force.slope(lambda v, j=j: function(v, where, 0, j), VALUES, name) for j in ends]

    for row, name in enumerate(NAMES[:3]):
        np.testing.assert_allclose(made.decay_slopes[row], wanted(brute_force.decay, name), rtol=1e-12)
    for row, name in enumerate(NAMES[3:6]):
        np.testing.assert_allclose(made.strain_slopes[row], wanted(brute_force.strain, name), rtol=1e-12)
    for k in range(len(PHI)):
        slope = brute_force.slope(lambda v, k=k: brute_force.phase(v, where, k), VALUES, "phi0")
        assert made.phase_slopes[k] == pytest.approx(slope, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_of_the_curves_are_those_of_differences(name):
    where = geometry(n_t=40)
    # The curves are linear in amplitudes and offsets: a long step is exact there.
    step = {"alpha": 1e-5, "beta": 1e-5, "phi0": 1e-3}.get(name, abs(VALUES[name]))
    up, down = (curves({**VALUES, name: VALUES[name] + sign * step}, where) for sign in (1, -1))
    made, row = curves(VALUES, where), NAMES.index(name)
    pairs = {
        "decay": (made.decay_slopes[row] if row < 3 else 0 * made.decay),
        "strain": (made.strain_slopes[row - 3] if 3 <= row < 6 else 0 * made.strain),
        "phases": (made.phase_slopes if name == "phi0" else 0 * made.phases),
    }
    for curve, slope in pairs.items():
        difference = (getattr(up, curve) - getattr(down, curve)) / (2 * step)
        np.testing.assert_allclose(slope, difference, rtol=1e-8, atol=1e-8 * abs(slope).max())


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_slopes_of_f_follow_from_the_curves(convention):
    """Equation (2) of wilks.xpcs.curves, which is what the kernels sum up, and the angle besides."""
    where = geometry(convention)
    made = curves(VALUES, where)
    first, second = np.triu_indices(len(where.t), 1)

    def delta(curve):
        return curve[..., second] - curve[..., first]

    for k in range(len(PHI)):
        f = decay_function(made, first, second, k)
        x = made.phases[k] * delta(made.strain)
        slopes = [(brute_force.sinc(complex(each, brute_force.STEP)) ** made.power).imag for each in x.tolist()]
        h = np.exp(-delta(made.decay)) * np.array(slopes) / brute_force.STEP
        ours = [
            *(-f * delta(made.decay_slopes)),
            *(h * made.phases[k] * delta(made.strain_slopes)),
            h * made.phase_slopes[k] * delta(made.strain),
        ]
        for slope, name in zip(ours, NAMES, strict=True):
            wanted = [
                brute_force.slope(lambda v, i=i, j=j, k=k: brute_force.f(v, where, k, i, j), VALUES, name)
                for i, j in zip(first, second, strict=True)
            ]
            np.testing.assert_allclose(slope, wanted, rtol=1e-10, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("k", [2, 3])
def test_columns_of_the_pixel_loop_are_the_slopes_of_f(k):
    """The reference of the kernels: its columns without the outer factors -1 and p_k are derivatives of its own f."""
    where = geometry(n_t=5)
    p = brute_force.phase(VALUES, where, k).real
    row = brute_force.columns(VALUES, where, k, 1, 4)
    slopes = [brute_force.slope(lambda v: brute_force.f(v, where, k, 1, 4), VALUES, name) for name in NAMES[:6]]
    assert row[:2] == [1, brute_force.f(VALUES, where, k, 1, 4)]
    np.testing.assert_allclose(np.array(row[2:]) * ([-1] * 3 + [p] * 3), slopes, rtol=1e-11)
    y, weights = np.arange(25.0).reshape(5, 5), np.zeros((5, 5))
    weights[1, 4] = 2.5
    full = [*row, y[1, 4]]
    np.testing.assert_allclose(brute_force.gram(VALUES, where, k, y, weights), 2.5 * np.outer(full, full), rtol=1e-15)
    assert brute_force.gram(VALUES, where, k, y)[0, 0] == 10


def test_constant_rates_are_exact():
    """alpha = beta = 0: the trapezoid rule is exact, E = 2 d q^2 (D0 + D_offset) t and so on."""
    where = geometry(n_t=300)
    made = curves({**VALUES, "alpha": 0.0, "beta": 0.0}, where)
    np.testing.assert_allclose(made.decay, 0.0054**2 * 16833 * where.t, rtol=1e-12)
    np.testing.assert_allclose(made.strain, 2.1e-3 * where.t, rtol=1e-12)
    np.testing.assert_allclose(made.decay_slopes[0], 0.0054**2 * where.t, rtol=1e-12)
    np.testing.assert_allclose(made.decay_slopes[0], made.decay_slopes[2], rtol=1e-12)


def test_linear_rate_is_exact_after_the_first_frame():
    """alpha = 1: J = D0 tau + D_offset is a straight line but for the first time, where tau is dt / 2."""
    where = geometry(n_t=300)
    made = curves({**VALUES, "alpha": 1.0}, where)
    wanted = 16830 * (where.t**2 / 2 + 0.1 * 0.05 / 2) + 3 * where.t
    np.testing.assert_allclose(made.decay[1:], 0.0054**2 * wanted[1:], rtol=1e-12)


def test_exponent_slope_is_the_integral_with_a_logarithm():
    """Int t^alpha log t dt in closed form; on a fine grid that starts late the trapezoid rule gives its digits."""
    where = Geometry(t=1 + 1e-3 * np.arange(4000), dt=1e-3, q=0.01, gap=None, phi=[0.0])
    slope = curves({"D0": 50.0, "alpha": -0.5, "D_offset": 7.0}, where, "static").decay_slopes[1]
    t = where.t
    wanted = 50 * 0.01**2 * (2 * np.sqrt(t) * (np.log(t) - 2) + 4)
    np.testing.assert_allclose(slope, wanted, atol=1e-6 * wanted[-1])


def test_brownian_motion():
    """|<exp(i q x)>|^2 for normal displacements of variance 2 D t, of a diffusion coefficient D = J / 2."""
    d, q, lag = 1.3e4, 0.0054, 0.7
    shares = (np.arange(20_000) + 0.5) / 20_000
    displacements = np.sqrt(2 * d * lag) * np.array([NormalDist().inv_cdf(share) for share in shares])
    wanted = abs(np.exp(1j * q * displacements).mean()) ** 2
    where = Geometry(t=[0.0, lag], dt=lag, q=q, gap=None, phi=[0.0])
    made = curves({"D0": 2 * d, "alpha": 0.0, "D_offset": 0.0}, where, "static")
    assert float(decay_function(made, np.array(0), np.array(1), 0)) == pytest.approx(wanted, rel=1e-3)
    diffusion = Geometry(t=[0.0, lag], dt=lag, q=q, gap=None, phi=[0.0], convention=Convention(diffusion_factor=1.0))
    made = curves({"D0": d, "alpha": 0.0, "D_offset": 0.0}, diffusion, "static")
    assert float(decay_function(made, np.array(0), np.array(1), 0)) == pytest.approx(wanted, rel=1e-3)


def test_first_zero_is_where_the_phase_across_the_gap_is_a_full_turn():
    """q L cos() G t / 2 = pi, along the flow and at 60 degrees to it."""
    q, gap, rate = 0.0054, 2e6, 1e-3
    zero = 2 * math.pi / (q * gap * rate)
    where = Geometry(t=np.arange(5) * zero / 2, dt=zero / 2, q=q, gap=gap, phi=[20.0, 80.0])
    values = {"D0": 0.0, "alpha": 0.0, "D_offset": 0.0, "gamma_dot_0": rate, "beta": 0.0, "gamma_dot_offset": 0.0}
    made = curves({**values, "phi0": 20.0}, where)
    along, oblique = model_matrix(made, 0)[0], model_matrix(made, 1)[0]
    assert along[1] == pytest.approx((2 / math.pi) ** 2, rel=1e-12)
    assert along[2] == pytest.approx(0, abs=1e-25)
    assert along[3] == pytest.approx((2 / (3 * math.pi)) ** 2, rel=1e-12)
    assert oblique[2] == pytest.approx((2 / math.pi) ** 2, rel=1e-12)
    assert oblique[4] == pytest.approx(0, abs=1e-25)


def test_homodyne_convention_gives_its_numbers():
    """Its formulas, in units of frames, with floors and smoothing; the values are such that these change nothing."""
    n_t, dt, q, gap = 60, 0.1, 0.0054, 2e4
    values = {**VALUES, "gamma_dot_0": 0.3, "gamma_dot_offset": 0.02}
    t = dt * np.arange(n_t)
    tau = np.maximum(t, max(dt / 2, 1e-8))

    def smoothed(rate):
        rate = np.maximum(rate, 1e-10)
        summed = np.concatenate([[0.0], np.cumsum((rate[:-1] + rate[1:]) / 2)])
        return np.sqrt((summed[:, None] - summed[None, :]) ** 2 + 1e-12)

    diffusion = smoothed(values["D0"] * tau ** values["alpha"] + values["D_offset"])
    flow = smoothed(values["gamma_dot_0"] * tau ** values["beta"] + values["gamma_dot_offset"])
    where = Geometry(t=t, dt=dt, q=q, gap=gap, phi=PHI, convention=Convention.homodyne())
    made = curves(values, where)
    for k, phi in enumerate(PHI):
        argument = q * gap * dt / (2 * math.pi) * math.cos(math.radians(values["phi0"] - phi)) * flow
        shear = np.sinc(argument / math.pi) ** 2
        c1 = np.maximum(np.exp(np.clip(-(q**2) * dt / 2 * diffusion, -700, 0)) * shear, 1e-10)
        np.testing.assert_allclose(1.02 + 0.3 * model_matrix(made, k), 1.02 + 0.3 * c1**2, atol=1e-9)
        if abs(math.cos(math.radians(values["phi0"] - phi))) > 0.1:
            assert shear.min() < 0.95
    assert np.exp(-(q**2) * dt * diffusion).min() < 0.2


def test_units():
    """Seconds by thousands of milliseconds, Å by tenths of nm: f does not change."""
    here = curves(VALUES, geometry(n_t=30))
    per_time = 1e-3  # of 1/s, in 1/ms
    there = Geometry(t=1e3 * 0.1 * np.arange(30), dt=100.0, q=0.054, gap=2e5, phi=PHI)
    values = {
        **VALUES,
        "D0": VALUES["D0"] * per_time ** (1 + VALUES["alpha"]) / 100,
        "D_offset": VALUES["D_offset"] * per_time / 100,
        "gamma_dot_0": VALUES["gamma_dot_0"] * per_time ** (1 + VALUES["beta"]),
        "gamma_dot_offset": VALUES["gamma_dot_offset"] * per_time,
    }
    for k in range(len(PHI)):
        np.testing.assert_allclose(model_matrix(curves(values, there), k), model_matrix(here, k), rtol=1e-9)


def test_power_laws_in_their_units():
    times = regularised_times([0.0, 0.04, 0.05, 2.0], 0.1)
    assert times.tolist() == [0.05, 0.05, 0.05, 2.0]
    np.testing.assert_allclose(transport_coefficient(times[2:], 100.0, -1.0, 3.0), [2003.0, 53.0], rtol=1e-14)
    np.testing.assert_allclose(shear_rate(times[2:], 0.5, 2.0, -0.25), [0.5 * 0.0025 - 0.25, 1.75], rtol=1e-14)


def test_integrals_of_straight_lines_are_exact():
    t = np.array([0.5, 1.0, 3.0, 3.25])
    both = cumulative(np.array([2 * t + 1, 0 * t + 4]), t)
    np.testing.assert_allclose(both, [t**2 + t - 0.75, 4 * (t - 0.5)], rtol=1e-14)


def test_negative_rates_are_smooth():
    """No floor: where J and G are negative, f exceeds 1 and the slopes lead out."""
    values = {**VALUES, "D_offset": -1e6, "gamma_dot_offset": -0.1}
    where = geometry()
    made = curves(values, where)
    assert made.decay[-1] < 0
    wanted = brute_force.f(values, where, 3, 2, 11)
    assert float(decay_function(made, np.array(2), np.array(11), 3)) == pytest.approx(wanted, rel=1e-12)
    assert brute_force.f({**values, "gamma_dot_offset": 0.0, "gamma_dot_0": 1e-9}, where, 3, 2, 11) > 1
    assert made.decay_slopes[2, -1] == pytest.approx(0.0054**2 * 1.1, rel=1e-12)


def test_negative_transport_is_told():
    t = 0.1 * np.arange(10)
    assert not negative_transport(VALUES, t, 0.1).size
    values = {"D0": 10.0, "alpha": -1.0, "D_offset": -20.0}  # 10 / t < 20 from t = 0.5 on
    np.testing.assert_allclose(negative_transport(values, t, 0.1), t[6:])
    # At t = 0 the age is half a frame, so that a growing power law is negative there and not undefined.
    np.testing.assert_allclose(negative_transport({**values, "alpha": 1.0, "D_offset": -1.2}, t, 0.1), t[:2])


@pytest.mark.parametrize("change", [{"alpha": 1e4}, {"alpha": -1e4}, {"D0": 1e308, "alpha": -2.0}, {"beta": 1e5}])
def test_overflow_is_infinite_without_a_warning(change):
    made = curves({**VALUES, **change}, geometry(n_t=40))
    assert not (np.isfinite(made.decay).all() and np.isfinite(made.strain).all())
    model_matrix(made, 0)


def test_strong_decay_is_zero():
    made = curves({**VALUES, "D0": 1e30}, geometry())
    assert model_matrix(made, 0)[0, 1:].tolist() == [0.0] * 11


def test_sinc_power_of_the_convention_is_used():
    f = {power: model_matrix(curves(VALUES, geometry(Convention(shear_power=power))), 2)[0] for power in (2, 4)}
    made = curves(VALUES, geometry())
    x = made.phases[2] * made.strain
    np.testing.assert_allclose(f[2] / f[4], 1 / sinc_power(x, 2), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": [0.0]}, "at least two times"),
        ({"t": [0.0, 0.2, 0.1]}, "strictly ascending"),
        ({"t": [0.0, 0.1, 0.1]}, "strictly ascending"),
        ({"t": [-0.1, 0.0, 0.1]}, "times >= 0"),
        ({"t": [[0.0, 0.1]]}, "t: expected finite numbers in one dimension"),
        ({"t": [0.0, math.nan]}, "t: expected finite numbers"),
        ({"phi": []}, "phi: expected finite numbers"),
        ({"phi": 3.0}, "phi: expected finite numbers in one dimension"),
        ({"phi": ["east"]}, "phi: expected finite numbers.*east"),
        ({"q": 0.0}, "q: expected a positive number, in 1/Å, got 0.0"),
        ({"dt": None}, "dt: expected a positive number, in s, got None"),
        ({"gap": -1.0}, "gap: expected a positive number, in Å, got -1.0"),
        ({"q": math.inf}, "q: expected"),
    ],
)
def test_geometry_is_refused(change, message):
    given = {"t": [0.0, 0.1], "dt": 0.1, "q": 0.0054, "gap": 2e6, "phi": [0.0], **change}
    with pytest.raises(InvalidDataError, match=message):
        Geometry(**given)


def test_flow_needs_a_gap():
    where = geometry(gap=None)
    assert curves(VALUES, where, "static").decay[-1] > 0
    with pytest.raises(InvalidDataError, match="gap between rotor and stator in Å"):
        curves(VALUES, where)


def test_values_and_mode_are_checked():
    with pytest.raises(InvalidConfigurationError, match="alpha, D_offset is missing"):
        curves({"D0": 1.0}, geometry(), "static")
    with pytest.raises(InvalidConfigurationError, match="phi0 is missing"):
        curves({name: VALUES[name] for name in NAMES[:6]}, geometry())
    with pytest.raises(InvalidConfigurationError, match="expected 'static' or 'laminar_flow', got 'turbulent'"):
        curves(VALUES, geometry(), "turbulent")
