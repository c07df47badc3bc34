"""The passes over pairs against sums in extended precision, pair by pair and column by column."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.xpcs import gram as module
from wilks.xpcs import kernel_choice
from wilks.xpcs.coarse import coarsen
from wilks.xpcs.curves import Curves
from wilks.xpcs.gram import Kernel, choose_kernel, coarse_gram, coarse_scan, gram, robust_gram
from wilks.xpcs.pairs import CoarsePairs, Pairs

KERNELS = ("numpy", "numba")
SIZES = (2, 3, 17, 61, 300)


def kernel_of(name: str) -> Kernel:
    if name == "numba":
        pytest.importorskip("numba")
    return choose_kernel(1, 1, force=name)


def curves_of(n_t, *, strength=1.0, power=2, d0=16830.0, alpha=-1.571, flow=True, phases=(470.0, 5400.0, -33.0)):
    """Curves of ageing diffusion and of a shear that slows down; the phases are radians per unit of strain."""
    dt = 0.1
    t = np.arange(n_t) * dt
    tau = np.maximum(t, dt / 2)

    def cumulative(rate):
        return np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2) * dt])

    q2 = 0.0054**2
    to_alpha, to_beta = tau**alpha, tau**-0.2
    diffusion = [to_alpha, d0 * to_alpha * np.log(tau), np.ones(n_t)]
    shear = [to_beta, 2e-3 * to_beta * np.log(tau), np.ones(n_t)]
    curves = Curves(
        decay=q2 * cumulative(d0 * to_alpha + 3.0),
        decay_slopes=q2 * np.array([cumulative(rate) for rate in diffusion]),
        strain=cumulative(2e-3 * to_beta + 1e-4),
        strain_slopes=np.array([cumulative(rate) for rate in shear]),
        phases=strength * np.array(phases),
        phase_slopes=np.ones(len(phases)),
        power=power,
    )
    return curves if flow else without_flow(curves)


def without_flow(curves):
    zero = np.zeros_like(curves.strain)
    return replace(curves, strain=zero, strain_slopes=np.empty((0, len(zero))), phases=0 * curves.phases)


def pairs_of(n_t, n_angles=3, *, weighted=False, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    shape = (n_angles, n_t * (n_t - 1) // 2)
    y, weights = rng.normal(0.1, 0.2, shape).astype(dtype), None
    if weighted:
        weights = rng.uniform(0.5, 2, shape).astype(np.float32)
        weights[rng.uniform(size=shape) < 0.2] = 0.0
        y[weights == 0] = 0.0
    return Pairs(n_t, y, weights, np.full(n_angles, 1.2), np.full(n_angles, 0.02), np.full(n_angles, shape[1]))


def model(curves, k, first, second):
    """Model f and slope h in extended precision."""
    x = np.longdouble(curves.phases[k]) * (curves.strain.astype(np.longdouble)[second] - curves.strain[first])
    small = np.abs(x) < 0.05
    safe, q = np.where(small, 1, x), x * x
    series = 1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110))))
    slopes = -x / 3 * (1 - q / 10 * (1 - q / 28 * (1 - q / 54 * (1 - q / 88 * (1 - q / 130)))))
    sinc = np.where(small, series, np.sin(safe) / safe)
    slope = np.where(small, slopes, (np.cos(safe) - sinc) / safe)
    decay = np.exp(curves.decay.astype(np.longdouble)[first] - curves.decay[second])
    return decay * sinc**curves.power, decay * curves.power * sinc ** (curves.power - 1) * slope


def columns(curves, k, first, second, y):
    f, h = model(curves, k, first, second)

    def difference(curve):
        return curve.astype(np.longdouble)[second] - curve[first]

    return np.array(
        [np.ones_like(f), f]
        + [f * difference(curve) for curve in curves.decay_slopes]
        + [h * difference(curve) for curve in curves.strain_slopes]
        + [y.astype(np.longdouble)]
    )


def expected(pairs, curves, angles, weights=None):
    first, second = np.triu_indices(pairs.n_t, 1)
    weights = pairs.weights if weights is None else weights
    found = []
    for row, k in enumerate(angles):
        V = columns(curves, k, first, second, pairs.y[row])
        W = V if weights is None else V * weights[row].astype(np.longdouble)
        found.append([[np.sum(a * b) for b in V] for a in W])
    return np.array(found).astype(float)


def error(found, wanted):
    """Largest error of an element, in units of the norms of its two columns."""
    norms = np.sqrt(np.einsum("kii->ki", wanted))
    norms[norms < 1e-90] = 1.0
    return np.abs((found - wanted) / (norms[:, :, None] * norms[:, None, :])).max()


def cost_part(grams):
    return grams[:, [0, 1, -1]][:, :, [0, 1, -1]]


@pytest.mark.parametrize("n_t", SIZES)
@pytest.mark.parametrize("strength", [1.0, 1e-3, 1e-7, 0.0])
@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_those_of_extended_precision(name, strength, n_t):
    weighted, power, dtype = n_t % 2 == 1, 4 if n_t > 17 and n_t % 2 else 2, np.float32 if n_t == 300 else np.float64
    curves = curves_of(n_t, strength=strength, power=power)
    pairs, angles = pairs_of(n_t, weighted=weighted, dtype=dtype), np.arange(3)
    wanted = expected(pairs, curves, angles)
    kernel = kernel_of(name)
    assert error(gram(pairs, curves, angles, kernel=kernel), wanted) < 1e-11
    assert error(gram(pairs, curves, angles, kernel=kernel, derivatives=False), cost_part(wanted)) < 1e-13


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_t", [2, 3, 17, 600])
def test_sums_without_flow(n_t, weighted):
    curves, pairs, angles = curves_of(n_t, flow=False), pairs_of(n_t, weighted=weighted), np.arange(3)
    wanted = expected(pairs, curves, angles)
    assert error(gram(pairs, curves, angles), wanted) < 1e-13
    assert error(gram(pairs, curves, angles, derivatives=False), cost_part(wanted)) < 1e-13


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    "options",
    [{"d0": 1e7}, {"alpha": 2.0, "d0": 1e5}, {"d0": -5e4}, {"phases": (1e-170, 0.0, 1e-9)}, {"d0": 1e9, "alpha": 0.0}],
    ids=["steep", "accelerating", "growing", "hardly any shear", "over at once"],
)
def test_extreme_curves(name, options):
    curves, pairs, angles = curves_of(150, **options), pairs_of(150), np.arange(3)
    wanted = expected(pairs, curves, angles)
    assert error(gram(pairs, curves, angles, kernel=kernel_of(name)), wanted) < 1e-10


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("power", [2, 4])
def test_phases_near_multiples_of_pi_and_strain_that_turns_back(name, power):
    t = np.arange(90)
    strain = np.where(t < 45, t, 90 - t) * 1e-3
    steps = np.array([np.pi, 3 * np.pi * (1 + 1e-9), np.pi * (1 - 1e-13)]) / 2e-3  # even lags: multiples of pi
    curves = replace(curves_of(90, power=power), strain=strain, phases=steps)
    pairs, angles = pairs_of(90), np.arange(3)
    assert error(gram(pairs, curves, angles, kernel=kernel_of(name)), expected(pairs, curves, angles)) < 1e-10


@pytest.mark.parametrize("name", KERNELS)
def test_a_phase_of_thousands_of_turns_keeps_its_decimals(name):
    curves, pairs, angles = (
        curves_of(200, strength=200.0, d0=1.0, phases=(470.0, 1e4, -5e3)),
        pairs_of(200),
        np.arange(3),
    )
    curves = replace(curves, strain=1.0 + 0.01 * curves.strain)
    assert error(gram(pairs, curves, angles, kernel=kernel_of(name)), expected(pairs, curves, angles)) < 1e-11


@pytest.mark.parametrize("name", KERNELS)
def test_data_in_any_order_of_memory(name):
    curves, pairs, angles = curves_of(30), pairs_of(30, weighted=True), np.arange(3)
    turned = replace(pairs, y=np.asfortranarray(pairs.y), weights=np.asfortranarray(pairs.weights))
    found, wanted = (gram(each, curves, angles, kernel=kernel_of(name)) for each in (turned, pairs))
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("name", KERNELS)
def test_batches_of_angles_in_any_order(name):
    curves, pairs = curves_of(40), pairs_of(40)
    angles, kernel = np.array([2, 0, 2]), kernel_of(name)
    found = gram(pairs, curves, angles, kernel=kernel)
    assert error(found, expected(pairs, curves, angles)) < 1e-11
    one = replace(pairs, y=pairs.y[1:2])
    assert np.allclose(gram(one, curves, np.array([0]), kernel=kernel)[0], found[1], rtol=1e-13)


@pytest.mark.parametrize("name", KERNELS)
def test_columns_of_derivatives_are_derivatives(name):
    """A data set that is f itself makes the sums f' f, whose differences are the columns of the derivatives."""
    n_t, kernel, angles = 25, kernel_of(name), np.arange(3)
    curves, pairs = curves_of(n_t, d0=2e6, phases=(40.0, -15.0, 3.0)), pairs_of(n_t)

    def with_y(changed):
        return gram(pairs, changed, angles, kernel=kernel)[:, 1, 8]

    base = gram(pairs, curves, angles, kernel=kernel)
    step = 1e-5
    for a in range(3):
        unit = curves.decay_slopes[a] / np.abs(curves.decay_slopes[a]).max()
        up, down = (with_y(replace(curves, decay=curves.decay + s * step * unit)) for s in (1, -1))
        slope = -base[:, 2 + a, 8] / np.abs(curves.decay_slopes[a]).max()
        assert np.allclose((up - down) / (2 * step), slope, rtol=1e-6)
        unit = curves.strain_slopes[a] / np.abs(curves.strain_slopes[a]).max()
        up, down = (with_y(replace(curves, strain=curves.strain + s * 1e-2 * step * unit)) for s in (1, -1))
        slope = curves.phases * base[:, 5 + a, 8] / np.abs(curves.strain_slopes[a]).max()
        assert np.allclose((up - down) / (2e-2 * step), slope, rtol=1e-5)


@pytest.mark.parametrize("derivatives", [True, False])
@pytest.mark.parametrize("options", [{}, {"d0": 1e9, "alpha": 0.0}], ids=["few blocks", "more blocks than shares"])
def test_any_number_of_threads_gives_the_same_bits(options, derivatives):
    curves, pairs, angles, kernel = curves_of(300, **options), pairs_of(300), np.arange(3), kernel_of("numba")
    one, two, many = (
        gram(pairs, curves, angles, derivatives=derivatives, kernel=kernel, n_threads=n) for n in (1, 2, 5)
    )
    assert np.array_equal(one, two)
    assert np.array_equal(one, many)


@pytest.mark.parametrize("flow", [True, False])
@pytest.mark.parametrize("name", KERNELS)
def test_infinite_curves_make_infinite_sums_without_a_warning(name, flow):
    curves, pairs = curves_of(30, flow=flow), pairs_of(30)
    decay = curves.decay.copy()
    decay[10:] = np.nan
    for bad in (replace(curves, decay=decay), replace(curves, decay_slopes=curves.decay_slopes + np.inf)):
        assert not np.isfinite(gram(pairs, bad, np.arange(3), kernel=kernel_of(name))).all()
        assert not np.isfinite(coarse_gram(coarsen(pairs, 5, 5), bad)).all()


@pytest.mark.parametrize("loss", [Loss("linear"), Loss("soft_l1"), Loss("huber", 2.0), Loss("cauchy"), Loss("arctan")])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_robust_sums(name, weighted, loss):
    curves, pairs, angles = curves_of(40, power=4), pairs_of(40, weighted=weighted), np.array([1, 0, 2])
    contrast, offset = np.array([0.2, 0.3, 0.1]), np.array([1.0, 1.3, 1.2])
    found = robust_gram(pairs, curves, angles, contrast, offset, loss, kernel=kernel_of(name))
    first, second = np.triu_indices(40, 1)
    f = np.array([model(curves, k, first, second)[0] for k in angles]).astype(float)
    weights = np.ones(f.shape) if pairs.weights is None else pairs.weights.astype(float)
    measured = pairs.y + pairs.centres[:, None]
    residual = (measured - offset[:, None] - contrast[:, None] * f) * np.sqrt(weights) / pairs.sigma[:, None]
    rho, slope, _ = loss.rho((residual / loss.scale) ** 2)
    assert np.allclose(found.value, loss.scale**2 * rho.sum(axis=1), rtol=1e-11)
    assert error(found.gram, expected(pairs, curves, angles, weights * slope)) < 1e-11
    assert error(found.meat, expected(pairs, curves, angles, weights * (slope * residual) ** 2)) < 1e-11


def test_robust_sums_without_flow():
    curves, pairs, angles, loss = curves_of(40, flow=False), pairs_of(40, weighted=True), np.arange(3), Loss("linear")
    found = robust_gram(pairs, curves, angles, np.full(3, 0.2), np.full(3, 1.0), loss)
    sums = gram(pairs, curves, angles)
    assert np.allclose(found.gram, sums, rtol=1e-12)
    d = np.array([0.2, -0.2, 1.0])  # centre - offset, -contrast, 1 for [1, f, y]
    assert np.allclose(found.value, np.einsum("i,kij,j->k", d, cost_part(sums), d) / 0.02**2, rtol=1e-12)


@pytest.mark.parametrize("flow", [True, False])
@pytest.mark.parametrize("strength", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("power", [2, 4])
def test_coarse_sums_over_all_pairs_are_those_of_the_pass(power, strength, flow):
    curves, pairs, angles = (
        curves_of(61, strength=strength, power=power, flow=flow),
        pairs_of(61, weighted=True),
        np.arange(3),
    )
    first, second = np.triu_indices(61, 1)
    coarse = CoarsePairs(first, second, pairs.y, pairs.weights.astype(float), pairs.centres, pairs.sigma)
    wanted = expected(pairs, curves, angles)
    assert error(coarse_gram(coarse, curves), wanted) < 1e-11
    assert error(coarse_gram(coarse, curves, derivatives=False), cost_part(wanted)) < 1e-12


def test_a_scan_is_one_coarse_gram_after_another():
    coarse = coarsen(pairs_of(80, weighted=True), 12, 12)
    many = [curves_of(80, strength=strength, d0=d0) for strength in (1.0, 0.01) for d0 in (1e3, 1e6)]
    found = coarse_scan(coarse, many)
    assert found.shape == (4, 3, 3, 3)
    for sums, curves in zip(found, many, strict=True):
        assert error(sums, cost_part(coarse_gram(coarse, curves))) < 1e-12
    assert np.array_equal(found, np.swapaxes(found, 2, 3))


@pytest.mark.parametrize("n_t", [17, 61])
def test_data_of_one_precision_read_like_the_same_numbers_of_the_other(n_t):
    curves, pairs = curves_of(n_t), pairs_of(n_t, dtype=np.float32)
    same = replace(pairs, y=pairs.y.astype(np.float64))
    for name in KERNELS:
        found, wanted = (gram(each, curves, np.arange(3), kernel=kernel_of(name)) for each in (pairs, same))
        assert np.allclose(found, wanted, rtol=1e-13)


def test_the_choice_weighs_what_is_saved_against_what_it_costs(monkeypatch):
    monkeypatch.setattr(kernel_choice, "find_spec", lambda _name: SimpleNamespace())
    monkeypatch.setattr(kernel_choice, "is_compiled", lambda: True)
    assert choose_kernel(100_000, 10).name == "numpy"
    assert choose_kernel(10_000_000, 20).name == "numba"
    monkeypatch.setattr(kernel_choice, "is_compiled", lambda: False)
    chosen = choose_kernel(10_000_000, 20)
    assert chosen.name == "numpy"
    assert "to compile" in chosen.reason
    assert "cannot be kept" not in chosen.reason
    monkeypatch.setattr(kernel_choice.os, "access", lambda *_: False)
    assert "cannot be kept" in choose_kernel(10_000_000, 20).reason
    assert choose_kernel(10_000_000, 20_000).name == "numba"
    assert choose_kernel(10_000_000, 20_000, has_flow=False, force="numba").name == "numpy"
    monkeypatch.setattr(kernel_choice, "find_spec", lambda _name: None)
    assert "not installed" in choose_kernel(10_000_000, 20_000).reason
    with pytest.raises(ImportError, match="wilks\\[fast\\]"):
        choose_kernel(1, 1, force="numba")
    with pytest.raises(InvalidConfigurationError, match="'numpy' or 'numba', got 'fortran'"):
        choose_kernel(1, 1, force="fortran")


@pytest.mark.parametrize(("name", "n_t", "flow"), [("numba", 40, True), ("numpy", 300, True), ("numpy", 300, False)])
def test_no_thread_is_started_where_it_does_not_help(monkeypatch, name, n_t, flow):
    monkeypatch.setattr(module, "ThreadPoolExecutor", None)
    found = gram(pairs_of(n_t), curves_of(n_t, flow=flow), np.arange(3), kernel=kernel_of(name), n_threads=2)
    assert found.shape == ((3, 9, 9) if flow else (3, 6, 6))


def test_an_interruption_ends_all_threads_after_a_piece(monkeypatch):
    called = []

    def broken(_lines, _edges, which, *_):
        called.append(which)
        if which[0] == 0:
            raise KeyboardInterrupt
        time.sleep(0.1)

    curves, pairs, angles, kernel = curves_of(1000), pairs_of(1000), np.arange(3), kernel_of("numba")
    whole = gram(pairs, curves, angles, kernel=kernel, n_threads=2)
    monkeypatch.setattr(module, "_PIECE", 100_000)
    assert np.array_equal(gram(pairs, curves, angles, kernel=kernel, n_threads=2), whole)
    monkeypatch.setattr("wilks.xpcs.kernel_numba.full_sums", broken)
    for n_threads in (1, 2):
        called.clear()
        with pytest.raises(KeyboardInterrupt):
            gram(pairs, curves, angles, kernel=kernel, n_threads=n_threads)
        assert len(called) <= 2 * n_threads - 1  # of at least five pieces for each


def test_compiled_code_is_that_of_the_constants_in_memory(monkeypatch):
    before = kernel_choice.compiled_from()
    monkeypatch.setattr("wilks.xpcs.kernel_blocks.SMALL", 0.3)
    assert kernel_choice.compiled_from() != before
    monkeypatch.setattr(kernel_choice, "__file__", "/nowhere/kernel_choice.py")
    assert kernel_choice.compiled_from() is None


def test_an_exception_in_a_thread_is_raised(monkeypatch):
    def broken(_lines, _edges, which, *_):
        if which[0] == 1:
            raise MemoryError("no room")

    pairs, curves, kernel = pairs_of(300), curves_of(300), kernel_of("numba")
    monkeypatch.setattr("wilks.xpcs.kernel_numba.full_sums", broken)
    with pytest.raises(MemoryError, match="no room"):
        gram(pairs, curves, np.arange(3), kernel=kernel, n_threads=2)
