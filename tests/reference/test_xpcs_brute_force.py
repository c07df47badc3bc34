"""Whole fits of small measurements against scipy's least squares over every parameter, contrasts and offsets included.

The other side knows nothing of folding, Gram matrices or projections: it lists all pixels above the diagonal, has a
model of its own (checked against the pixel loop of the unit tests), derivatives by complex steps, and lets scipy find
the minimum of the explicit sum of squares from the true parameters.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import least_squares

import wilks
from tests.unit.xpcs import brute_force
from wilks import xpcs
from wilks.xpcs import Convention, FitOptions, Scaling, ShearWeights, Shrinkage

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0,
}  # fmt: skip
REST = {name: FLOW[name] for name in ("D0", "alpha", "D_offset")}
PHI = np.array([80.0, -15.0, 30.0, 5.0])
CONTRAST, OFFSET = np.array([0.32, 0.27, 0.30, 0.35]), np.array([1.0, 1.01, 0.99, 1.005])
N_T, SIGMA = 28, np.array([0.004, 0.005, 0.006, 0.005])
UPPER = np.triu_indices(N_T, 1)
STEP = 1e-30
TIGHT = {"n_starts": 300, "n_refined": 4, "tolerance": 1e-10}


def place(convention, n_angles=4):
    return xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, 2e6, PHI[:n_angles], convention)


def measurement(mode, convention, n_angles=4, outliers=0):
    values = FLOW if mode == "laminar_flow" else REST
    made = xpcs.simulate(
        values, place(convention, n_angles), contrast=CONTRAST[:n_angles], offset=OFFSET[:n_angles],
        sigma=SIGMA[:n_angles], mode=mode, seed=5,
    )  # fmt: skip
    if not outliers:
        return made
    c2 = np.array([made.matrix(k) for k in range(n_angles)])
    rng = np.random.default_rng(8)
    i, j = (each[rng.choice(len(UPPER[0]), outliers, replace=False)] for each in UPPER)
    c2[:, np.minimum(i, j), np.maximum(i, j)] += 0.1
    c2[:, np.maximum(i, j), np.minimum(i, j)] = c2[:, np.minimum(i, j), np.maximum(i, j)]
    return xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, made.dt, sigma=made.sigma)


def decays(values, geometry):
    """f of all pixels above the diagonal, shape (n_angles, n_pixels); any value may be complex."""
    i, j = UPPER
    t, age = geometry.t, np.maximum(geometry.t, geometry.dt / 2)
    step = np.arange(N_T - 1)
    inside = ((step >= i[:, None]) & (step < j[:, None])) * np.diff(t)  # trapezoids of each pixel

    def integral(amplitude, exponent, offset):
        rate = amplitude * age**exponent + offset
        return inside @ (0.5 * (rate[1:] + rate[:-1]))

    kind = geometry.convention
    fall = np.exp(-2 * kind.diffusion_factor * geometry.q**2 * integral(*(values[name] for name in REST)))
    if "gamma_dot_0" not in values:
        return np.broadcast_to(fall, (len(geometry.phi), len(i)))
    strain = integral(values["gamma_dot_0"], values["beta"], values["gamma_dot_offset"])
    scale = kind.shear_argument * geometry.q * geometry.gap
    x = scale * np.cos(np.pi / 180 * (values["phi0"] - geometry.phi))[:, None] * strain
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    sinc = np.where(small, 1 - x**2 / 6 * (1 - x**2 / 20 * (1 - x**2 / 42)), np.sin(safe) / safe)
    return fall * sinc**kind.shear_power


@dataclass
class Explicit:
    """The whole sum of squares: physical parameters first, then the coefficients of contrast and offset."""

    truth: dict
    geometry: xpcs.Geometry
    y: np.ndarray
    sigma: np.ndarray
    names: tuple
    to_contrast: np.ndarray
    to_offset: np.ndarray
    known: tuple = (0.0, 0.0)
    weights: np.ndarray = 1.0
    extra: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def parts(self, p):
        values = self.truth | dict(zip(self.names, p[: len(self.names)], strict=True))
        c = p[len(self.names) :]
        return values, self.known[0] + self.to_contrast @ c, self.known[1] + self.to_offset @ c

    def residual(self, p):
        values, contrast, offset = self.parts(p)
        r = self.y - offset[:, None] - contrast[:, None] * decays(values, self.geometry).real
        extra = self.extra @ p[len(self.names) :] if len(self.extra) else np.empty(0)
        return np.concatenate([(r * np.sqrt(self.weights)[:, None] / self.sigma[:, None]).ravel(), extra])

    def jacobian(self, p):
        values, contrast, _ = self.parts(p)
        f = decays(values, self.geometry).real
        columns = []
        for name in self.names:
            shifted = decays(values | {name: complex(values[name], STEP)}, self.geometry)
            columns.append(-contrast[:, None] * shifted.imag / STEP)
        columns += [-o[:, None] - b[:, None] * f for o, b in zip(self.to_offset.T, self.to_contrast.T, strict=True)]
        scale = np.sqrt(self.weights)[:, None] / self.sigma[:, None]
        dense = np.stack([(column * scale).ravel() for column in columns], axis=1)
        if not len(self.extra):
            return dense
        return np.concatenate([dense, np.pad(self.extra, ((0, 0), (len(self.names), 0)))])

    def minimum(self, start, **options):
        scale = np.maximum(np.abs(start), 1e-3)
        found = least_squares(
            self.residual, start, self.jacobian, x_scale=scale, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=2000,
            **options,
        )  # fmt: skip
        return found.x, 2 * found.cost

    def covariance(self, p, free, weights_of_pixels=None):
        j = self.jacobian(p)[:, free]
        size = np.linalg.norm(j, axis=0)
        inverse = np.linalg.inv((j / size).T @ (j / size)) / np.outer(size, size)
        return inverse if weights_of_pixels is None else inverse @ ((j.T * weights_of_pixels) @ j) @ inverse


def explicit(data, mode, convention, matrices, fixed=None, **more):
    """`matrices` map coefficients to contrast and offset."""
    truth = dict(FLOW if mode == "laminar_flow" else REST) | (fixed or {})
    names = tuple(name for name in truth if name not in (fixed or {}))
    y = np.array([data.matrix(k)[UPPER] for k in range(data.n_phi)])
    geometry = place(convention, data.n_phi)
    if "weights" not in more:
        more["weights"] = np.ones(data.n_phi)
    return Explicit(truth, geometry, y, np.asarray(data.sigma), names, *matrices, **more)


def individual(n):
    return np.hstack([np.eye(n), np.zeros((n, n))]), np.hstack([np.zeros((n, n)), np.eye(n)])


def averaged(n):
    return np.tile([1.0, 0.0], (n, 1)), np.tile([0.0, 1.0], (n, 1))


def fourier(n):
    angle = PHI[:n] * np.pi / 180
    waves = np.stack([np.ones(n), np.cos(angle), np.sin(angle)], axis=1)
    return np.hstack([waves, 0 * waves]), np.hstack([0 * waves, waves])


def coefficients(matrices):
    """Those that come nearest to the true contrasts and offsets."""
    n = len(matrices[0])
    return np.linalg.lstsq(np.vstack(matrices), np.concatenate([CONTRAST[:n], OFFSET[:n]]), rcond=None)[0]


def compare(result, other, start, *, cost=None, covariance=None, options=None):
    """The minimum, the parameters and, where it is least squares, the covariance."""
    p, lowest = other.minimum(np.array(start), **(options or {}))
    assert result.status.success, result.status.message
    names = (*other.names, *result.names[len(other.names) :])
    assert result.names == names
    assert (result.chi_squared if cost is None else cost) == pytest.approx(lowest, rel=1e-8)
    free = np.array([name not in result.at_bounds for name in names])
    wanted = other.covariance(p, free) if covariance is None else covariance(p, free)
    errors = np.sqrt(np.diag(wanted))
    ours = np.array([result.values[name] for name in names])
    np.testing.assert_allclose((ours - p)[free] / errors, 0.0, atol=1e-3)
    np.testing.assert_allclose(ours[~free], p[~free], rtol=1e-9)
    given = result.covariance[np.ix_(free, free)] / np.outer(errors, errors)
    np.testing.assert_allclose(given, wanted / np.outer(errors, errors), rtol=0, atol=1e-4)
    assert np.isnan(result.covariance[~free]).all()
    return p


def fit(data, mode, convention, **keywords):
    options = FitOptions(**TIGHT, **keywords.pop("options", {}))
    return xpcs.fit(data, mode, convention=convention, options=options, seed=3, callbacks=(), **keywords)


def test_the_other_model_is_that_of_the_pixel_loop():
    for convention in (Convention(), Convention.homodyne()):
        for values in (FLOW, REST):
            where = place(convention)
            wanted = brute_force.c2(values, where, [1.0] * 4, [0.0] * 4)
            np.testing.assert_allclose(decays(values, where), wanted[:, *UPPER], rtol=1e-11, atol=1e-15)


SCALINGS = {"individual": individual, "averaged": averaged, "fourier": fourier}


@pytest.mark.parametrize("convention", [Convention(), Convention.homodyne()], ids=["default", "homodyne"])
@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
@pytest.mark.parametrize("kind", SCALINGS)
def test_every_scaling_finds_the_minimum_of_all_parameters(kind, mode, convention):
    data, matrices = measurement(mode, convention), SCALINGS[kind](4)
    scaling = Scaling.fourier(1) if kind == "fourier" else kind
    result = fit(data, mode, convention, scaling=scaling)
    other = explicit(data, mode, convention, matrices)
    start = [*other.truth.values(), *coefficients(matrices)]
    p = compare(result, other, start)
    dof = other.y.size - len(p)
    assert result.dof == dof
    assert result.n_used == other.y.size
    np.testing.assert_allclose(result.contrast, matrices[0] @ p[len(other.names) :], rtol=1e-6)
    np.testing.assert_allclose(result.offset, matrices[1] @ p[len(other.names) :], rtol=1e-7)
    whole = other.covariance(p, np.ones(len(p), dtype=bool))[len(other.names) :, len(other.names) :]
    for errors, matrix in ((result.contrast_errors, matrices[0]), (result.offset_errors, matrices[1])):
        np.testing.assert_allclose(errors, np.sqrt(np.diag(matrix @ whole @ matrix.T)), rtol=1e-4)


def test_two_angles():
    data, matrices = measurement("laminar_flow", Convention(), 2), individual(2)
    fixed = {"D_offset": 800.0, "gamma_dot_offset": 1e-4}
    result = fit(data, "laminar_flow", Convention(), parameters=fixed)
    other = explicit(data, "laminar_flow", Convention(), matrices, fixed)
    compare(result, other, [FLOW[name] for name in other.names] + [*CONTRAST[:2], *OFFSET[:2]])


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_given_contrast_and_offset(mode):
    data = measurement(mode, Convention())
    scaling = Scaling.constant(CONTRAST, 1.0)
    result = fit(data, mode, Convention(), scaling=scaling)
    nothing = np.empty((4, 0))
    other = explicit(data, mode, Convention(), (nothing, nothing), known=(CONTRAST, np.ones(4)))
    compare(result, other, list(other.truth.values()))
    assert result.contrast.tolist() == CONTRAST.tolist()
    assert np.isnan(result.contrast_errors).all()


def test_contrast_and_offset_of_the_quantiles():
    data = measurement("static", Convention())
    result = fit(data, "static", Convention(), scaling="constant")
    nothing = np.empty((4, 0))
    known = (result.contrast, result.offset)  # what they are is not the question here
    other = explicit(data, "static", Convention(), (nothing, nothing), known=known)
    compare(result, other, list(REST.values()))


def test_bounds_of_contrast_hold():
    data, matrices = measurement("laminar_flow", Convention()), individual(4)
    boxes = {"contrast": wilks.Real(0.0, 0.31), "offset": wilks.Real(0.995, 1.5)}
    result = fit(data, "laminar_flow", Convention(), parameters=boxes)
    other = explicit(data, "laminar_flow", Convention(), matrices)
    held = result.at_bounds
    assert held == {"contrast_3": "upper", "offset_2": "lower"}
    # scipy stays within its bounds, and never gets onto one: the active ones are fixed for it.
    names = (*other.names, *result.names[7:])
    fixed = np.array([name in held for name in names])
    start = np.array([*FLOW.values(), *np.clip(CONTRAST, 0, 0.31), *np.clip(OFFSET, 0.995, 1.5)])
    whole = SimpleNamespace(
        names=other.names,
        covariance=other.covariance,
        minimum=lambda start: _with_fixed(other, start, fixed),
    )
    p = compare(result, whole, start)
    pull = other.jacobian(p).T @ other.residual(p)
    for i in np.flatnonzero(fixed):  # and they are active: the sum of squares would fall beyond
        assert pull[i] * (1 if held[names[i]] == "lower" else -1) > 0


def _with_fixed(other, start, fixed):
    def widened(free):
        p = start.copy()
        p[~fixed] = free
        return p

    found = least_squares(
        lambda free: other.residual(widened(free)), start[~fixed],
        lambda free: other.jacobian(widened(free))[:, ~fixed],
        x_scale=np.abs(start[~fixed]), xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    return widened(found.x), 2 * found.cost


def test_regularisation_is_rows_that_are_added():
    data, matrices = measurement("laminar_flow", Convention()), individual(4)
    result = fit(data, "laminar_flow", Convention(), options={"regularisation": Shrinkage(0.02, 0.004)})
    centred = np.eye(4) - 0.25
    extra = np.vstack([centred @ matrices[0] / 0.02, centred @ matrices[1] / 0.004])
    other = explicit(data, "laminar_flow", Convention(), matrices, extra=extra)
    p = compare(result, other, [*FLOW.values(), *CONTRAST, *OFFSET], cost=-2 * result.log_likelihood)
    assert result.chi_squared == pytest.approx(float(np.square(other.residual(p)[:-8]).sum()), rel=1e-6)
    assert np.square(other.residual(p)[-8:]).sum() > 1


def weighted(result, data, matrices, weights, fixed=None):
    """Compare a fit with weights of the angles: minimum of the weighted sum, sandwich, and plain chi-squared."""
    other = explicit(data, "laminar_flow", Convention(), matrices, fixed, weights=weights)
    each = np.repeat(weights, len(UPPER[0]))
    start = [*(FLOW[name] for name in other.names), *CONTRAST, *OFFSET]
    p = compare(
        result, other, start, cost=-2 * result.log_likelihood,
        covariance=lambda p, free: other.covariance(p, free, each),
    )  # fmt: skip
    plain = np.square(other.residual(p)) @ (1 / each)
    assert result.chi_squared == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("weights", [(0.5, 2.0, 1.0, 3.0), (2.0, 2.0, 2.0, 2.0)], ids=["different", "equal"])
def test_weights_of_the_angles(weights):
    data = measurement("laminar_flow", Convention())
    result = fit(data, "laminar_flow", Convention(), options={"weights": weights})
    weighted(result, data, individual(4), np.array(weights))


def test_weights_by_shear():
    data, kind = measurement("laminar_flow", Convention()), ShearWeights(2.0, 0.2)
    fixed = {"phi0": 4.0}
    result = fit(data, "laminar_flow", Convention(), options={"weights": kind}, parameters=fixed)
    raw = np.maximum(np.cos(np.pi / 180 * (4.0 - PHI)) ** 2, 0.2)
    weighted(result, data, individual(4), raw / raw.mean(), fixed)


PULLS = {  # the derivative of half of the loss, of residuals in units of its scale
    "soft_l1": lambda r: r / np.sqrt(1 + r**2),
    "huber": lambda r: np.clip(r, -1, 1),
    "cauchy": lambda r: r / (1 + r**2),
    "arctan": lambda r: r / (1 + r**4),
}


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
@pytest.mark.parametrize("loss", PULLS)
def test_robust_losses(loss, mode):
    data, matrices = measurement(mode, Convention(), outliers=12), individual(4)
    scale = 3.0 if loss == "arctan" else 1.5
    result = fit(data, mode, Convention(), options={"loss": wilks.Loss(loss, scale)})
    other = explicit(data, mode, Convention(), matrices)
    start = np.array([*other.truth.values(), *CONTRAST, *OFFSET])
    p, lowest = other.minimum(start, loss=loss, f_scale=scale)
    assert -2 * result.log_likelihood == pytest.approx(lowest, rel=1e-8)
    residual = other.residual(p)
    assert result.chi_squared == pytest.approx(float(np.square(residual).sum()), rel=1e-5)
    # The estimate is a zero of the sum of pulls: its covariance follows from theirs and from how they change.
    pull, r, step = PULLS[loss], residual / scale, 1e-6
    change = (pull(r + step) - pull(r - step)) / (2 * step)
    jacobian = other.jacobian(p)
    size = np.linalg.norm(jacobian, axis=0)
    jacobian = jacobian / size
    inverse = np.linalg.inv((jacobian.T * change) @ jacobian)
    wanted = inverse @ (jacobian.T * (scale * pull(r)) ** 2) @ jacobian @ inverse / np.outer(size, size)
    errors = np.sqrt(np.diag(wanted))
    ours = np.array([result.values[name] for name in result.names])
    np.testing.assert_allclose((ours - p) / errors, 0.0, atol=1e-3)
    outer = np.outer(errors, errors)
    np.testing.assert_allclose(result.covariance / outer, wanted / outer, rtol=0, atol=2e-3)
