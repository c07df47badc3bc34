"""Noise that pairs of frames share: scores pair by pair, errors that hold what they say, and the map of the draws."""

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.folding import fold
from wilks.xpcs.model import PHYSICAL_NAMES, curves, model_matrix
from wilks.xpcs.posterior.correlated import block_of, principal_root, spreads, spreads_at
from wilks.xpcs.posterior.problem import MarginalProblem
from wilks.xpcs.posterior.scores import AngleScores, angle_scores

N_T, N_PIXELS, LIFE = 60, 1000, 5.0
PLACE = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.02, None, np.array([0.0, 40.0, 90.0]))
TRUTH = {"D0": 2.0 / (LIFE * 0.1 * 0.02**2), "alpha": 0.0, "D_offset": 0.0}
LOCAL = xpcs.FitOptions(method="local", n_threads=1)
FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 4e-4, "beta": -0.2, "gamma_dot_offset": 1e-4, "phi0": -5.0,
}  # fmt: skip


def speckles(seed):
    """Correlations of pixels that two fields with the life of a few frames light up: nothing else is noise."""
    rng = np.random.default_rng(seed)
    keep, c2 = np.exp(-1.0 / LIFE), []
    for _ in PLACE.phi:
        field = rng.normal(size=(N_T, 2 * N_PIXELS)) + 1j * rng.normal(size=(N_T, 2 * N_PIXELS))
        for i in range(1, N_T):
            field[i] = keep * field[i - 1] + np.sqrt(1.0 - keep**2) * field[i]
        intensity = (np.abs(field) ** 2).reshape(N_T, N_PIXELS, 2).mean(axis=2)
        intensity /= intensity.mean(axis=1, keepdims=True)
        c2.append(intensity @ intensity.T / N_PIXELS)
    return xpcs.TwoTimeData(np.array(c2), PLACE.t, PLACE.phi, PLACE.q)


def white(seed):
    return xpcs.simulate(TRUTH, PLACE, mode="static", contrast=0.3, sigma=0.02, seed=seed)


def fitted(data):
    fixed = {"D_offset": 0.0}
    return xpcs.fit(data, "static", parameters=fixed, start=TRUTH, options=LOCAL, seed=1, callbacks=())


def pulls(make, seeds):
    """(Fit - truth) / error of D0 and alpha, for white and for shared noise; and what the errors differ by."""
    truth, found, factors = np.array([TRUTH["D0"], 0.0]), [], []
    for seed in seeds:
        data = make(seed)
        fit = fitted(data)
        problem = MarginalProblem(
            xpcs.problem(data, "static", parameters={"D_offset": 0.0}, options=LOCAL), "integrated"
        )
        space = problem.space
        theta = space.to_theta({name: fit.values[name] for name in space.free})
        noise = np.full(3, np.sqrt(fit.reduced_chi_squared))
        spread, _ = spreads_at(problem, theta, block_of(fit)[0], noise)
        errors = [np.sqrt(np.diag(each)[:2]) for each in (spread.white, spread.shared)]
        apart = space.to_unit(theta) - space.to_unit(truth)
        found.append([apart / error for error in errors])
        factors.append(errors[1] / errors[0])
    found = np.array(found)
    return found - found.mean(axis=0), np.array(factors)  # a product of means of pixels has a bias of its own


def test_errors_of_speckles_are_as_large_as_they_say():
    found, factors = pulls(speckles, range(16))
    alone, shared = np.sqrt((found**2).mean(axis=(0, 2)))
    assert alone > 2.5
    assert 0.7 < shared < 1.35
    assert factors.mean() > 2.5


def test_white_noise_is_found_to_be_white():
    """The factor is 1 within its error, and it is not put to 1."""
    _, factors = pulls(white, range(8))
    assert factors.mean() == pytest.approx(1.0, abs=0.12)
    assert 0.02 < factors.std() < 0.3


@pytest.mark.slow
def test_coverage_of_intervals():
    """68 % intervals: far too few hold the truth with white noise, as many as they should otherwise (3 % each)."""
    found, _ = pulls(speckles, range(120))
    alone, shared = (np.abs(found) < 0.9945).mean(axis=(0, 2))
    assert alone < 0.3
    assert shared == pytest.approx(0.68, abs=0.08)
    _, factors = pulls(white, range(60))
    assert factors.mean(axis=0) == pytest.approx(1.0, abs=0.1)


@pytest.fixture(scope="module")
def flow():
    """Masked, with a sigma of every value, two angles, four of seven parameters free."""
    rng = np.random.default_rng(3)
    place = xpcs.Geometry(0.1 * np.arange(23), 0.1, 0.0054, 2e6, np.array([-30.0, 70.0]))
    data = xpcs.simulate(FLOW, place, contrast=0.2, sigma=0.02, seed=1, storage="upper")
    c2, mask = np.array(data.c2), np.ones((23, 23), bool)
    mask[4:6], mask[:, 9] = False, False
    sigma = 0.02 * rng.uniform(0.7, 1.4, c2.shape)
    data = xpcs.TwoTimeData(c2, data.t, data.phi, data.q, data.gap, sigma=sigma, mask=mask)
    held = {name: FLOW[name] for name in ("D_offset", "gamma_dot_offset", "beta")}
    return data, xpcs.problem(data, parameters=held, options=xpcs.FitOptions(kernel="numpy"))


@pytest.mark.parametrize("block", [1, 4])
def test_scores_are_those_of_single_pairs(flow, block):
    """Derivatives of every pair by differences, then sums over blocks in loops."""
    data, problem = flow
    free = ("D0", "alpha", "gamma_dot_0", "phi0")
    assert problem.space.free == free
    found, best = angle_scores(problem, FLOW, block), problem.projection(FLOW)
    pairs, n_t = fold(data).pairs, 23

    def model(**values):
        made = curves(FLOW | values, problem.geometry)
        return [model_matrix(made, k) for k in range(2)]

    steps = {name: 1e-5 * max(abs(FLOW[name]), 0.1) for name in free}
    slopes = {
        name: np.subtract(model(**{name: FLOW[name] + h}), model(**{name: FLOW[name] - h})) / (2 * h)
        for name, h in steps.items()
    }
    first, second = np.triu_indices(n_t, 1)
    for k in range(2):
        f = model()[k][first, second]
        u = np.stack([np.ones_like(f), f, *(slopes[name][k][first, second] for name in free)], axis=1)
        residual = pairs.y[k] + pairs.centres[k] - best.offset[k] - best.contrast[k] * f
        worth = pairs.weights[k].astype(float) / pairs.sigma[k] ** 2
        score = (worth * residual)[:, None] * u
        n = -(-n_t // block)
        sums, information, crossed = np.zeros((n, 6)), np.zeros((n, 6, 6)), np.zeros((6, 6))
        between = {}
        for p, (i, j) in enumerate(zip(first // block, second // block, strict=True)):
            for one in {i, j}:
                sums[one] += score[p]
                information[one] += worth[p] * np.outer(u[p], u[p])
            if i != j:
                between[i, j] = between.get((i, j), 0.0) + score[p]
        crossed = sum(np.outer(each, each) for each in between.values())
        size = np.sqrt(np.abs(np.diag(crossed)))
        assert found[k].scores / size == pytest.approx(sums / size, abs=2e-5)
        assert found[k].crossed / np.outer(size, size) == pytest.approx(crossed / np.outer(size, size), abs=2e-5)
        scale = np.sqrt(np.diag(found[k].total))
        whole = (worth[:, None] * u).T @ u
        assert found[k].total / np.outer(scale, scale) == pytest.approx(whole / np.outer(scale, scale), abs=2e-5)
        assert found[k].information / np.outer(scale, scale) == pytest.approx(
            information / np.outer(scale, scale), abs=2e-5
        )


def test_information_is_that_of_the_fit(flow):
    """The Gauss-Newton matrix with contrast and offset, for white noise: the inverse of C but for the boxes."""
    _, base = flow
    problem = MarginalProblem(base, "known")
    theta = problem.space.to_theta({name: FLOW[name] for name in problem.space.free})
    spread, _ = spreads_at(problem, theta, 1, np.ones(2))
    columns = [4 + PHYSICAL_NAMES["laminar_flow"].index(name) for name in problem.space.free]
    order = [*columns, 0, 1, 2, 3]
    turn = np.diag([*problem.space.slope(theta), 1.0, 1.0, 1.0, 1.0])
    normal = turn @ base.projection(FLOW).normal[np.ix_(order, order)] @ turn
    box = np.diag(np.full(8, 12.0))
    expected = np.linalg.inv(normal + box)
    size = np.sqrt(np.diag(expected))
    assert np.sqrt(np.diag(spread.white)) == pytest.approx(size, rel=1e-3)
    assert spread.white / np.outer(size, size) == pytest.approx(expected / np.outer(size, size), abs=2e-3)


def test_principal_root_does_not_depend_on_the_coordinates():
    rng = np.random.default_rng(1)
    white_, shared, turn = (rng.normal(size=(3, 3)) for _ in range(3))
    white_, shared = white_ @ white_.T, shared @ shared.T
    root = principal_root(white_, shared)
    assert root @ white_ @ root.T == pytest.approx(shared)
    there = principal_root(turn @ white_ @ turn.T, turn @ shared @ turn.T)
    assert there == pytest.approx(turn @ root @ np.linalg.inv(turn))


@pytest.fixture(scope="module")
def both():
    fit = fitted(speckles(1))
    method = wilks.AdaptiveImportance(ess=400)
    options = xpcs.PosteriorOptions(noise="correlated")
    common = {"seed": 2, "method": method, "callbacks": (), "priors": {"D0": wilks.LogNormal(1e4, 0.1)}}
    return xpcs.sample(fit, **common), xpcs.sample(fit, **common, options=options)


def test_posterior_is_as_wide_as_its_errors(both):
    alone, shared = both
    found = shared.shared_noise
    assert (shared.noise, alone.noise, alone.shared_noise) == ("correlated", "white", None)
    assert found.block >= 4
    assert found.folded == 0.0
    for name in alone.names:
        ratio = shared.standard_deviations[name] / alone.standard_deviations[name]
        assert ratio == found.widening[name]
        assert ratio > 2.0
        assert abs(shared.means[name] - alone.means[name]) < 0.5 * shared.standard_deviations[name]
        # Equally weighted draws and weighted ones are moved alike.
        assert shared.draws[name].std() == pytest.approx(shared.standard_deviations[name], rel=0.05)
    for which in ("contrast", "offset"):
        assert (getattr(shared, f"{which}_sd") > 1.5 * getattr(alone, f"{which}_sd")).all()
        draws = getattr(shared, which)
        assert draws.mean(axis=(0, 1)) == pytest.approx(getattr(shared, f"{which}_mean"))
    assert np.array_equal(shared.sigma, alone.sigma)
    assert any("moved away from the mode" in remark for remark in shared.remarks)


def test_draws_have_the_covariance_of_their_errors(both):
    """Contrast and offset with the parameters: of the draws, and of equation (2)."""
    _, shared = both
    fit = shared.fit
    base = xpcs.problem(fit.data, "static", parameters={"D_offset": 0.0}, options=LOCAL)
    problem = MarginalProblem(base, "integrated", space=shared.space)
    theta = shared.space.to_theta({name: fit.values[name] for name in shared.names})
    noise = np.full(3, np.sqrt(fit.reduced_chi_squared))
    spread, _ = spreads_at(problem, theta, shared.shared_noise.block, noise)
    units = [shared.space[name].to_unit(shared.draws[name]).ravel() for name in shared.names]
    scaled = [each[..., k].ravel() for each in (shared.contrast, shared.offset) for k in range(3)]
    found = np.cov([*units, *scaled])
    size = np.sqrt(np.diag(spread.shared))
    assert found / np.outer(size, size) == pytest.approx(spread.shared / np.outer(size, size), abs=0.12)


def test_density_of_moved_draws(both):
    """Where draws are moved apart by a linear map, densities differ by a constant, prior included."""
    alone, shared = both
    change = [each.log_likelihoods + each.log_priors for each in both]
    slopes = np.log(alone.draws["D0"]), np.log(shared.draws["D0"])  # D0 is scaled by its logarithm
    constant = change[1] + slopes[1] - change[0] - slopes[0]
    assert np.ptp(constant) < 1e-8


def test_saved_and_loaded(both, tmp_path):
    loaded = wilks.load(both[1].save(tmp_path / "posterior.wilks"))
    assert loaded.shared_noise == both[1].shared_noise


def test_noise_that_is_unknown():
    with pytest.raises(InvalidConfigurationError, match="did you mean 'correlated'"):
        xpcs.PosteriorOptions(noise="corelated")


def test_blocks_that_the_fit_follows_count_for_more():
    """One parameter, blocks that hold 1, 2, 3 and 4 tenths of what is known of it: scores over 1 - share."""
    shares, scores = np.array([0.1, 0.2, 0.3, 0.4]), np.array([5.0, -2.0, 3.0, -6.0])
    angle = AngleScores(scores[:, None], 100.0 * shares[:, None, None], np.array([[0.05]]), np.array([[100.0]]))
    found = spreads([angle], [np.eye(1)], np.zeros((1, 1)))
    assert found.white[0, 0] == pytest.approx(0.01)
    variance = max((((scores / (1 - shares)) ** 2).sum() - 0.05) / 100.0, 0.1)
    assert found.shared[0, 0] == pytest.approx(0.01 * variance)


def test_where_data_say_nothing_the_prior_stays():
    nothing = AngleScores(np.zeros((5, 1)), np.zeros((5, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    found = spreads([nothing], [np.eye(1)], np.array([[4.0]]))
    assert found.white[0, 0] == pytest.approx(0.25)
    assert found.shared[0, 0] == pytest.approx(0.25)
