"""The projection against dense least squares over random columns: no model, no angles, only matrices."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from wilks.xpcs.convention import Convention
from wilks.xpcs.model import Geometry, curves
from wilks.xpcs.projection import AngleSums, physical_sums, project, solve_semidefinite, square_root
from wilks.xpcs.scaling import Scaling, Shrinkage, as_scaling, linear_block

PHI = np.array([30.0, -60.0, 100.0, 5.0])
N, M = 40, 3
SCALINGS = ["individual", "averaged", Scaling.fourier(1), Scaling.constant(0.3, 1.02)]
every_scaling = pytest.mark.parametrize("scaling", SCALINGS, ids=["individual", "averaged", "fourier", "constant"])


class Dense:
    """Columns of every angle, and the residual and its Jacobian over (coefficients, physical parameters)."""

    def __init__(self, scaling, seed, *, f=None, bounds=((-9.0, 9.0), (-9.0, 9.0)), regular=None):
        rng = np.random.default_rng(seed)
        self.f = rng.uniform(0, 1, (4, N)) if f is None else f
        self.slopes = rng.normal(size=(4, M, N))
        self.y = 1 + 0.3 * self.f + 0.1 * rng.normal(size=(4, N))
        self.centres = rng.uniform(0.9, 1.1, 4)
        self.scale = rng.uniform(0.5, 2, 4) * np.array([1.0, 3.0, 0.2, 1.0])  # 1 / sigma, weights of angles included
        quantiles = np.full(4, 0.3), np.full(4, 1.0)
        self.block = linear_block(as_scaling(scaling), PHI, np.full(4, N), quantiles, bounds)
        if regular is not None:
            self.block = self.block.with_penalty(regular.penalty(self.block, *quantiles))
        columns = np.concatenate(
            [np.ones((4, 1, N)), self.f[:, None], self.slopes, (self.y - self.centres[:, None])[:, None]], axis=1
        )
        scaled = columns * self.scale[:, None, None]
        self.sums = AngleSums(scaled @ np.swapaxes(scaled, 1, 2), self.centres)

    @property
    def extra(self):
        """Rows of the penalty."""
        return square_root(self.block.penalty) if len(self.block.penalty) else np.empty((0, 0))

    def design(self):
        block = self.block
        rows = block.to_offset[:, None] + self.f[:, :, None] * block.to_contrast[:, None]
        rows = (rows * self.scale[:, None, None]).reshape(4 * N, -1)
        known = block.offset[:, None] + self.f * block.contrast[:, None]
        target = ((self.y - known) * self.scale[:, None]).ravel()
        return np.vstack([rows, self.extra]), np.concatenate([target, np.zeros(len(self.extra))])

    def jacobian(self, contrast):
        """Over coefficients, then physical parameters."""
        linear = -self.design()[0]
        physical = -(contrast * self.scale)[:, None, None] * self.slopes
        physical = np.swapaxes(physical, 1, 2).reshape(4 * N, M)
        return np.hstack([linear, np.vstack([physical, np.zeros((len(self.extra), M))])])


def check(dense, found, c):
    """The projection has these coefficients and everything that follows from them."""
    design, target = dense.design()
    np.testing.assert_allclose(found.coefficients, c, rtol=1e-7, atol=1e-9)
    contrast, offset = dense.block.scaled(c)
    np.testing.assert_allclose(found.contrast, contrast, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.offset, offset, rtol=1e-7)
    residual = target - design @ c
    whole = float(residual @ residual)
    penalty = float(c @ dense.block.penalty @ c)
    assert found.chi_squared == pytest.approx(whole - penalty, rel=1e-9)
    assert found.penalty == pytest.approx(penalty, rel=1e-6, abs=1e-12)
    assert found.log_likelihood == pytest.approx(-0.5 * whole, rel=1e-10)
    both = np.column_stack([dense.jacobian(contrast), residual])
    np.testing.assert_allclose(found.normal, both.T @ both, rtol=1e-7, atol=1e-7)
    rows = found.rows()
    jacobian = dense.jacobian(contrast)
    n = len(c)
    free = np.flatnonzero(found.held == 0)
    within, physical = jacobian[:, free], jacobian[:, n:]
    # What is left of the physical columns when those of the free coefficients are taken out.
    left = physical - within @ np.linalg.lstsq(within, physical, rcond=1e-10)[0] if len(free) else physical
    assert rows.shape == (M + 1, M + 1)
    assert rows[:, 0] @ rows[:, 0] == pytest.approx(whole, rel=1e-9)
    np.testing.assert_allclose(rows[:, 1:].T @ rows[:, 1:], left.T @ left, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rows[:, 1:].T @ rows[:, 0], physical.T @ residual, rtol=1e-7, atol=1e-7)


@every_scaling
@pytest.mark.parametrize("regular", [None, Shrinkage(0.01, 0.02)], ids=["free", "penalty"])
@pytest.mark.parametrize("seed", range(3))
def test_without_active_bounds(scaling, seed, regular):
    dense = Dense(scaling, seed, regular=regular)
    found = project(dense.sums, dense.block)
    design, target = dense.design()
    c = np.linalg.lstsq(design, target, rcond=None)[0] if design.shape[1] else np.empty(0)
    check(dense, found, c)
    assert not found.undetermined
    assert not found.held.any()


@every_scaling
@pytest.mark.parametrize("regular", [None, Shrinkage(0.01, 0.02)], ids=["free", "penalty"])
@pytest.mark.parametrize("seed", range(6))
def test_with_active_bounds(scaling, seed, regular):
    """The bounds are on the wrong side of the free optimum of some coefficients."""
    dense = Dense(scaling, seed, bounds=((0.0, 0.3 - 0.02 * seed), (0.97 + 0.01 * seed, 1.2)), regular=regular)
    found = project(dense.sums, dense.block)
    design, target = dense.design()
    if not design.shape[1]:
        return
    bounds = dense.block.lower, dense.block.upper
    c = lsq_linear(design, target, bounds, method="bvls", tol=1e-15, max_iter=500).x
    check(dense, found, c)
    held = np.where(c <= bounds[0] + 1e-12, -1, np.where(c >= bounds[1] - 1e-12, 1, 0))
    assert found.held.tolist() == held.tolist()


def test_some_bounds_are_active_there():
    found = [
        project(dense.sums, dense.block).held.any()
        for dense in (Dense(s, seed, bounds=((0.0, 0.3 - 0.02 * seed), (0.97 + 0.01 * seed, 1.2)))
                      for s in SCALINGS[:3] for seed in range(6))
    ]  # fmt: skip
    assert 6 < sum(found) <= 18


@pytest.mark.parametrize("level", [0.0, 0.7])
@pytest.mark.parametrize("scaling", ["individual", "averaged"])
def test_f_without_shape_leaves_contrast_open(level, scaling):
    """Where f is constant only a combination of contrast and offset is determined: the rest stays near its start."""
    dense = Dense(scaling, 1, f=np.full((4, N), level))
    found = project(dense.sums, dense.block)
    assert found.undetermined
    design, target = dense.design()
    best = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    assert found.chi_squared == pytest.approx(float(best @ best), rel=1e-10)
    assert (np.abs(found.coefficients - dense.block.start) < 0.5).all()
    if level == 0.0:
        np.testing.assert_allclose(found.contrast, 0.3, rtol=1e-12)
    assert np.isfinite(found.rows()).all()


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_f_without_shape_within_narrow_bounds(level):
    dense = Dense("individual", 2, f=np.full((4, N), level), bounds=((0.0, 0.1), (1.05, 1.4)))
    found = project(dense.sums, dense.block)
    design, target = dense.design()
    best = lsq_linear(design, target, (dense.block.lower, dense.block.upper), method="bvls", tol=1e-15)
    assert found.chi_squared == pytest.approx(2 * best.cost, rel=1e-9)
    assert (found.coefficients >= dense.block.lower).all()
    assert (found.coefficients <= dense.block.upper).all()


def test_an_angle_without_any_pair():
    dense = Dense("individual", 3)
    products = dense.sums.products.copy()
    products[2] = 0.0
    found = project(AngleSums(products, dense.centres), dense.block)
    whole = project(dense.sums, dense.block)
    assert found.undetermined
    assert (found.contrast[2], found.offset[2]) == (dense.block.start[2], dense.block.start[6])
    np.testing.assert_allclose(np.delete(found.contrast, 2), np.delete(whole.contrast, 2), rtol=1e-12)


def test_coefficients_keep_their_digits_where_f_is_nearly_constant():
    """f varies by 1e-3 only: contrast and offset are strongly correlated, and still those of dense least squares."""
    rng = np.random.default_rng(4)
    dense = Dense("individual", 4, f=0.8 + 1e-3 * rng.uniform(size=(4, N)), bounds=((-1e4, 1e4), (-1e4, 1e4)))
    design, target = dense.design()
    found = project(dense.sums, dense.block)
    np.testing.assert_allclose(found.coefficients, np.linalg.lstsq(design, target, rcond=None)[0], rtol=1e-6)


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_sums_over_physical_derivatives(mode):
    """The change of columns from those of the kernels: checked against derivatives by differences of f."""
    names = ("D0", "alpha", "D_offset", "gamma_dot_0", "beta", "gamma_dot_offset", "phi0")
    values = dict(zip(names, (2e4, -0.4, 800.0, 6e-4, 0.3, 1e-4, 4.0), strict=True))
    if mode == "static":
        names = names[:3]
    where = Geometry(0.1 * np.arange(7), 0.1, 0.0054, 2e6, PHI, Convention())
    i, j = np.triu_indices(7, 1)

    def f(at):
        made = curves(at, where, mode)
        g = np.exp(made.decay[i] - made.decay[j])
        return g * np.sinc(made.phases[:, None] * (made.strain[j] - made.strain[i]) / np.pi) ** 2

    def slope(name):
        step = 1e-5 * max(abs(values[name]), 1e-4)
        high, low = ({**values, name: values[name] + sign * step} for sign in (1, -1))
        return (f(high) - f(low)) / (2 * step)

    made = curves(values, where, mode)
    x = made.phases[:, None] * (made.strain[j] - made.strain[i])
    h = np.exp(made.decay[i] - made.decay[j]) * 2 * np.sinc(x / np.pi)
    h = h * np.where(x == 0, 0.0, (np.cos(x) - np.sinc(x / np.pi)) / np.where(x == 0, 1.0, x))
    y = np.random.default_rng(5).normal(size=(4, len(i)))

    def gram(columns):
        return np.einsum("akp,alp->akl", columns, columns)

    kernel = [np.ones_like(y), f(values), *(f(values) * (s[j] - s[i]) for s in made.decay_slopes)]
    kernel += [h * (s[j] - s[i]) for s in made.strain_slopes]
    physical = [np.ones_like(y), f(values), *(slope(name) for name in names), y]
    variances = np.array([1.0, 4.0, 0.5, 2.0])
    sums = physical_sums(gram(np.stack([*kernel, y], axis=1)), made, values, np.zeros(4), variances)
    wanted = gram(np.stack(physical, axis=1)) * variances[:, None, None]
    assert sums.n_derivatives == len(names)
    size = np.sqrt(np.einsum("kii->ki", wanted))
    outer = size[:, :, None] * size[:, None]
    np.testing.assert_allclose(sums.products / outer, wanted / outer, atol=2e-8)
    short = physical_sums(gram(np.stack([kernel[0], kernel[1], y], axis=1)), made, values, np.zeros(4), variances)
    assert short.n_derivatives == 0
    np.testing.assert_allclose(short.products, wanted[:, [0, 1, -1]][:, :, [0, 1, -1]], rtol=1e-12)


def test_semidefinite_solutions():
    rng = np.random.default_rng(6)
    tall = rng.normal(size=(9, 4)) * [1, 1e4, 1e-4, 1]
    a, right = tall.T @ tall, rng.normal(size=(4, 2))
    x, singular = solve_semidefinite(a, right)
    size = np.sqrt(np.diag(a))[:, None]
    wanted = np.linalg.solve(a / (size * size.T), right / size)
    np.testing.assert_allclose(x * size, wanted, rtol=1e-12)
    assert not singular
    flat = np.zeros((5, 5))
    flat[:4, :4] = a
    x, singular = solve_semidefinite(flat, np.append(right[:, 0], 0.0))
    assert singular
    assert x[4] == 0
    np.testing.assert_allclose(x[:4] * size[:, 0], wanted[:, 0], rtol=1e-9)
    assert solve_semidefinite(np.empty((0, 0)), np.empty((0, 3)))[0].shape == (0, 3)


def test_square_root_of_a_matrix_with_rounding():
    matrix = np.array([[1.0, 1.0, 0.0], [1.0, 1.0 - 1e-16, 0.0], [0.0, 0.0, 0.0]])
    rows = square_root(matrix)
    np.testing.assert_allclose(rows.T @ rows, matrix, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_matrices_of_pairs_are_solved_like_any_other(seed):
    """Pairs and single rows in any order, some of them singular."""
    rng = np.random.default_rng(seed)
    a = np.zeros((7, 7))
    for pair, singular in (((0, 4), False), ((5, 2), seed % 2), ((1,), False), ((6, 3), False)):
        factor = rng.normal(size=(len(pair), 1 if singular else 3)) * 10.0 ** rng.uniform(-3, 3, (len(pair), 1))
        a[np.ix_(pair, pair)] = factor @ factor.T
    target = a @ rng.normal(size=(7, 3))
    mixed = np.linalg.qr(rng.normal(size=(7, 7)))[0]  # the same matrix without its zeros
    found, singular = solve_semidefinite(a, target)
    assert singular == bool(seed % 2)
    np.testing.assert_allclose(a @ found, target, rtol=1e-8, atol=1e-10 * np.abs(target).max())
    if not singular:
        other, _ = solve_semidefinite(mixed @ a @ mixed.T, mixed @ target)
        np.testing.assert_allclose(mixed.T @ other, found, rtol=1e-5, atol=1e-8 * np.abs(found).max())
    assert solve_semidefinite(a, target[:, 0])[0].shape == (7,)


def test_a_row_of_zeros_among_pairs_leaves_its_unknown_at_zero():
    a = np.diag([4.0, 0.0, 1.0])
    found, singular = solve_semidefinite(a, np.array([2.0, 0.0, 3.0]))
    assert found.tolist() == [0.5, 0.0, 3.0]
    assert singular
