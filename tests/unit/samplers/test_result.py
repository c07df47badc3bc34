"""Posteriors as values: moments in closed form, tables, and files."""

import math
from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.unit.verbs.drawn import CERTIFIED, FAILED, drawn
from wilks.samplers.result import Posterior, Weighted

SPACE = wilks.Space(a=wilks.Real(-9, 9, unit="km"), b=wilks.Real(0.01, 100, scale="log"), c=2.5)


def log_likelihood(values):
    return -0.5 * (values["a"] - 1) ** 2 - 0.5 * (values["b"] - 3) ** 2


PROBLEM = wilks.LikelihoodProblem(SPACE, log_likelihood, name="two")
POINTS = np.array([[1.0, 2.0], [3.0, 2.0], [5.0, 8.0], [0.0, 1.0]])
WEIGHTS = np.array([0.5, 0.2, 0.3, 0.0])


@pytest.fixture(scope="module")
def posterior():
    return drawn(PROBLEM, [1.0, 3.0], np.eye(2))


@pytest.fixture
def small(posterior):
    """Four draws with weights."""
    with np.errstate(divide="ignore"):
        weighted = Weighted(POINTS, np.log(WEIGHTS), np.zeros(4), np.zeros(4, dtype=np.int64))
    return replace(posterior, weighted=weighted)


def chains_only(posterior, **more):
    return replace(posterior, weighted=None, **more)


def test_moments_of_weighted_draws(small):
    means = WEIGHTS @ POINTS
    assert small.means == pytest.approx({"a": means[0], "b": means[1]})
    apart = POINTS - means
    covariance = sum(w * np.outer(x, x) for w, x in zip(WEIGHTS, apart, strict=True)) / (1 - WEIGHTS @ WEIGHTS)
    np.testing.assert_allclose(small.covariance, covariance)
    np.testing.assert_allclose(list(small.standard_deviations.values()), np.sqrt(np.diag(covariance)))
    expected = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
    assert small.correlations[0, 1] == pytest.approx(expected)
    ess = (WEIGHTS @ apart**2) / (WEIGHTS**2 @ apart**2)
    np.testing.assert_allclose(list(small.ess.values()), ess)
    errors = np.sqrt(np.diag(covariance) / ess)
    np.testing.assert_allclose(list(small.standard_errors_of_means.values()), errors)


def test_equal_weights_are_numpys(posterior):
    equal = replace(posterior, weighted=Weighted(POINTS, np.full(4, -math.log(4)), np.zeros(4), np.zeros(4, np.int64)))
    np.testing.assert_allclose(equal.covariance, np.cov(POINTS.T))
    np.testing.assert_allclose(list(equal.ess.values()), 4)
    chains = chains_only(posterior)
    flat = np.stack([posterior.draws[name].ravel() for name in "ab"])
    np.testing.assert_allclose(chains.covariance, np.cov(flat))
    assert chains.means["a"] == pytest.approx(flat[0].mean())
    assert 1000 < chains.ess["a"] < 3000


def test_one_draw_with_all_the_weight(posterior):
    weights = np.array([0.0, -900.0, -900.0, -900.0])
    single = replace(posterior, weighted=Weighted(POINTS, weights, np.zeros(4), np.zeros(4, dtype=np.int64)))
    assert single.means == {"a": 1.0, "b": 2.0}
    assert all(map(math.isnan, single.standard_deviations.values()))
    assert "nan" in repr(single)


def test_means_rest_on_the_weighted_draws(posterior):
    assert posterior.means["a"] == pytest.approx(1.0, abs=0.05)
    assert posterior.standard_deviations["a"] == pytest.approx(1.0, abs=0.03)
    low, high = posterior.interval("a", 0.95)
    assert (low, high) == pytest.approx((1 - 1.96, 1 + 1.96), abs=0.15)
    assert posterior.quantiles("a", [0.025, 0.975]).tolist() == [low, high]
    ((lower, upper),) = posterior.highest_density("a", 0.95)
    assert (lower, upper) == pytest.approx((low, high), abs=0.3)
    shifted = replace(posterior, draws={name: x + 100 for name, x in posterior.draws.items()})
    assert shifted.means == posterior.means


def test_contraction(posterior):
    prior = {"a": 18 / math.sqrt(12), "b": None}
    # A log-uniform parameter: E b = (u - l) / log(u / l), E b^2 = (u^2 - l^2) / (2 log(u / l)).
    log = math.log(1e4)
    prior["b"] = math.sqrt((100**2 - 0.01**2) / (2 * log) - ((100 - 0.01) / log) ** 2)
    assert posterior.prior_standard_deviations == pytest.approx(prior, rel=1e-3)
    # On the scale of the parameter: of the logarithm of b, whose prior is uniform.
    thetas, weights = posterior._points
    logs = np.log(thetas[:, posterior.names.index("b")])
    spread = math.sqrt(weights @ (logs - weights @ logs) ** 2)
    expected = {"a": 1 - posterior.standard_deviations["a"] / prior["a"], "b": 1 - spread / (log / math.sqrt(12))}
    assert posterior.contraction == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["c", "nothing"])
def test_names_that_were_not_sampled(posterior, name):
    for function in (posterior.interval, posterior.highest_density, lambda x: posterior.quantiles(x, 0.5)):
        with pytest.raises(wilks.InvalidConfigurationError, match=f"no free parameter '{name}' was sampled; .* a, b"):
            function(name)
    with pytest.raises(wilks.InvalidConfigurationError, match="sampled were a, b"):
        posterior.summary([name])


def test_texts(posterior):
    text = repr(posterior)
    for part in ("Posterior of 'two' by importance sampling", "km", "contraction", "Pareto k-hat", "evaluations"):
        assert part in text
    assert "log-evidence" not in text
    known = replace(posterior, log_evidence=-2.5, log_evidence_error=0.02)
    assert "log-evidence -2.5000 ± 0.02" in repr(known)
    assert "log-evidence -2.5000 ± 0.02" in known._repr_html_()
    rows = posterior.summary(["b"]).text().splitlines()
    assert not any(row.startswith("a ") for row in rows)
    failed = replace(posterior, certificate=FAILED)
    assert "draw longer chains" in failed.certificate.table().text()
    assert "Every check" not in failed.summary().text()
    assert "Every check" not in repr(failed)
    sharp = replace(posterior, provenance=replace(posterior.provenance, problem="<b>"), method="<i>")
    assert "<i>" not in sharp._repr_html_()


def test_saved_and_loaded(posterior, tmp_path):
    full = replace(
        posterior,
        log_evidence=-2.5,
        log_evidence_error=0.1,
        sampling={"diverging": np.zeros((4, 500), dtype=bool)},
        derived={"a squared": posterior.draws["a"] ** 2},
        attempts={"importance sampling": FAILED},
    )
    loaded = wilks.load(full.save(tmp_path / "posterior.wilks"))
    assert isinstance(loaded, Posterior)
    assert loaded.space == SPACE
    for name in "ab":
        np.testing.assert_array_equal(loaded.draws[name], full.draws[name])
    for field in ("thetas", "log_weights", "log_likelihoods", "populations"):
        np.testing.assert_array_equal(getattr(loaded.weighted, field), getattr(full.weighted, field))
    np.testing.assert_array_equal(loaded.derived["a squared"], full.derived["a squared"])
    assert loaded.sampling["diverging"].dtype == bool
    assert loaded.attempts == {"importance sampling": FAILED}
    assert loaded.certificate == CERTIFIED
    assert (loaded.means, loaded.ess, loaded.best) == (full.means, full.ess, full.best)
    assert repr(loaded) == repr(full)
    chains = wilks.load(chains_only(posterior).save(tmp_path / "chains.wilks"))
    assert chains.weighted is None


def test_table_of_draws(posterior):
    space = wilks.Space(a=wilks.Real(-9, 9), kind=wilks.Categorical(["p", "q"]), n=wilks.Integer(2, 5))
    draws = {"a": np.arange(6.0).reshape(2, 3), "kind": np.array([[0.0, 1, 0], [1, 1, 0]]), "n": np.full((2, 3), 4.0)}
    values = np.arange(6.0).reshape(2, 3)
    mixed = chains_only(
        posterior, space=space, names=space.free, draws=draws, log_likelihoods=values, log_priors=-values
    )
    frame = mixed.to_dataframe()
    assert list(frame.columns) == ["chain", "draw", "a", "kind", "n", "log_likelihood", "log_prior"]
    assert frame["kind"].tolist() == ["p", "q", "p", "q", "q", "p"]
    assert frame["n"].tolist() == [4] * 6
    assert frame["chain"].tolist() == [0, 0, 0, 1, 1, 1]
    assert frame["draw"].tolist() == [0, 1, 2] * 2
    assert frame["log_prior"].tolist() == [-x for x in range(6)]
    assert (mixed.n_chains, mixed.n_draws) == (2, 3)


def test_without_draws(posterior, tmp_path):
    empty = chains_only(
        posterior,
        draws={name: np.empty((1, 0)) for name in "ab"},
        log_likelihoods=np.empty((1, 0)),
        log_priors=np.empty((1, 0)),
        best={},
        log_likelihood=-math.inf,
    )
    assert math.isnan(empty.means["a"])
    assert np.isnan(empty.covariance).all()
    assert all(map(math.isnan, empty.interval("a")))
    assert empty.highest_density("a") == []
    assert "nan" in repr(empty)
    assert empty._repr_html_()
    assert len(empty.to_dataframe()) == 0
    assert wilks.load(empty.save(tmp_path / "empty.wilks")).n_draws == 0
