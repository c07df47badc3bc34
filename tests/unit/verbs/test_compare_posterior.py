"""`compare` with posteriors: agreement where there is one, and every cause where it is the only one."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.unit.verbs.drawn import FAILED, drawn
from wilks import LikelihoodProblem, Normal, Real, Space
from wilks.verbs.causes import Place, split

QUIET = {"seed": 1, "callbacks": ()}
TIED = [[1, 1], [1, 1.25]]
TITLES = ("fit", "profile", "posterior")


def tied(v):
    """Gaussian with unit standard deviation of a, and b around a."""
    return -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2 / 0.25)


def pair(**options):
    return LikelihoodProblem(Space(a=Real(-9, 9, **options), b=Real(-9, 9)), tied)


GAUSS, INFORMED = pair(), pair(prior=Normal(2.0, 1.0))
VOLUME = LikelihoodProblem(
    Space(a=Real(-6, 6), b=Real(-15, 15)), lambda v: -0.5 * (v["a"] ** 2 + v["b"] ** 2 * math.exp(-v["a"]))
)


def fitted(problem):
    return wilks.fit(problem, **QUIET)


def profiled(problem, over="a", **options):
    return wilks.profile(problem, over=over, audit=0, **QUIET, **options)


@pytest.fixture(scope="module")
def gauss():
    return fitted(GAUSS), profiled(GAUSS), drawn(GAUSS, [0, 0], TIED)


@pytest.fixture(scope="module")
def informed():
    """A fit and a profile do not know a prior."""
    return fitted(INFORMED), profiled(INFORMED)


def sentences(*results, name="a"):
    """Explanations of the disagreements of one parameter, by the two results in question."""
    found = {}
    for text in wilks.compare(*results, titles=TITLES).disagreements:
        if text.startswith(f"{name}: "):
            which = tuple(
                title for title in TITLES if re.search(rf"the {title}\b", text.partition(" standard errors")[0])
            )
            found[which] = text
    return found


def moved(text):
    """Every amount that a cause moves the end by."""
    return [float(number) for number in re.findall(r"moves it by ([+-][\d.]*\d)", text)]


def test_all_three_agree_on_a_gaussian(gauss):
    compared = wilks.compare(*gauss)
    assert compared.disagreements == ()
    assert compared.columns == ("fit", "profile over a", "posterior")
    assert compared.remarks == (
        "Of the posterior: the mean, the standard deviation, and credible sets with equal tails.",
    )
    of_fit, _, of_posterior = compared.entries["a"]
    assert (of_fit.kind, of_posterior.kind) == ("fit", "posterior")
    assert of_posterior.best == gauss[2].means["a"]
    assert of_posterior.standard_error == pytest.approx(1.0, abs=0.05)
    (piece,) = of_posterior.intervals_95
    assert piece[:2] == gauss[2].interval("a", 0.95)
    wilks.plots.comparison(compared).canvas.draw()


def test_the_table_says_what_stands_where(gauss):
    lines = repr(wilks.compare(*gauss)).splitlines()
    assert lines[1].split() == ["parameter", "result", "best", "error", "68", "%", "95", "%"]
    assert lines[2].split()[3] == "1"
    assert lines[3].split()[5] == "-"


def test_a_prior(informed):
    """Posterior N(1, 1/2): its lower end at 95 % lies 1.57 above -1.96."""
    found = sentences(*informed, drawn(INFORMED, [1, 1], TIED))
    for against in ("fit", "profile"):
        text = found[against, "posterior"]
        assert re.search(r"contraction 0\.(29|30)\)\.$", text)
        assert moved(text) == [pytest.approx(1.57, abs=0.03)]


@pytest.mark.parametrize(("power", "part"), [(2.0, 0.6), (0.5, -0.56)])
def test_a_wrong_power_of_the_prior_has_no_cause(informed, power, part):
    found = sentences(*informed, drawn(INFORMED, [1, 1], TIED, prior_power=power))
    for against in ("fit", "profile"):
        text = found[against, "posterior"]
        assert text.endswith(": at least one of the two is wrong.")
        (left,) = re.findall(r"for ([+-][\d.]+) of it no cause was found", text)
        assert float(left) == pytest.approx(part, abs=0.1)


def test_a_prior_that_was_left_out_is_missed(informed):
    found = sentences(*informed, drawn(INFORMED, [0, 0], TIED, prior_power=0.0))
    for against in ("fit", "profile"):
        text = found["posterior", against] if ("posterior", against) in found else found[against, "posterior"]
        assert text.startswith("a: the prior should move the lower end at 68 % of the posterior by +1.2")


def test_a_prior_far_from_the_likelihood_accuses_nobody():
    """N(10, 1) and a prior N(0, 1): the posterior is N(5, 1/2), which neither the fit nor the profile can reach."""
    problem = LikelihoodProblem(Space(a=Real(-50, 50, prior=Normal(0, 1))), lambda v: -0.5 * (v["a"] - 10) ** 2)
    found = sentences(fitted(problem), profiled(problem), drawn(problem, [5], [[0.5]]))
    for against in ("fit", "profile"):
        assert found[against, "posterior"].endswith(": the prior is too far from the likelihood for more to be said.")


def test_a_prior_that_takes_another_parameter_far_accuses_nobody():
    """The prior moves b by five of its errors, and a follows along a curve where the profile has not been."""

    def log_likelihood(v):
        return -0.5 * ((v["b"] - 4) / 0.3) ** 2 - 0.5 * ((v["a"] - 0.5 * v["b"]) / 0.1) ** 2

    problem = LikelihoodProblem(Space(a=Real(-10, 10), b=Real(-5, 10, prior=Normal(1, 0.3))), log_likelihood)
    cov = [[0.25 * 0.045 + 0.01, 0.5 * 0.045], [0.5 * 0.045, 0.045]]
    found = sentences(fitted(problem), profiled(problem), drawn(problem, [1.25, 2.5], cov))
    for against in ("fit", "profile"):
        assert "is wrong" not in found[against, "posterior"]
        assert "the prior is too far from the likelihood for more to be said" in found[against, "posterior"]


def test_a_prior_on_a_log_scale_is_a_prior():
    """Flat in log(a): density 1/a, which the profile does not have."""
    problem = LikelihoodProblem(Space(a=Real(1.0, 100.0, "log")), lambda v: -0.5 * ((v["a"] - 20) / 4) ** 2)
    (text,) = (
        sentences(fitted(problem), profiled(problem, grid=(61,)), drawn(problem, [19], [[16]]))["profile", "posterior"],
    )
    assert "the prior moves it by -" in text
    assert "no cause" not in text


def test_a_bound():
    problem = LikelihoodProblem(Space(a=Real(-1, 9), b=Real(-9, 9)), tied)
    posterior = drawn(problem, [0, 0], TIED)
    results = fitted(problem), profiled(problem), posterior
    found = sentences(*results)
    text = found["fit", "posterior"]
    assert "the bound at -1 is within reach, which moves it by" in text
    low, high = posterior.interval("a", 0.95)
    assert moved(text) == [pytest.approx(low + 1.96, abs=0.05)]
    assert "the bound at -1 is within reach" in found["profile", "posterior"]
    assert "the bound of a (correlation +0." in sentences(*results, name="b")["fit", "posterior"]
    assert all("no cause" not in sentence for sentence in found.values())
    assert high < 2.2


def test_a_volume():
    """b is as wide as exp(a / 2), so its integral moves the posterior of a by 1/2, and no maximum over it knows."""
    fit, profile, posterior = fitted(VOLUME), profiled(VOLUME), drawn(VOLUME, [0.5, 0], [[1, 0], [0, 4]])
    found = sentences(fit, profile, posterior)
    assert ("fit", "profile") not in found
    for against in ("fit", "profile"):
        text = found[against, "posterior"]
        assert text.endswith("a maximum over them does not.")
        assert moved(text) == [pytest.approx(0.5, abs=0.15)]
    parts = split(posterior, profile, Place("a", 0.68, 1), (posterior.interval("a")[1], 0.9945))
    assert (parts.prior, parts.shape) == pytest.approx((0, 0), abs=0.01)
    assert parts.volume == pytest.approx(0.5, abs=0.15)


def test_skewness():
    """Three counts: the posterior is a Gamma distribution, equal tails of which are not where Wilks' theorem cuts."""
    problem = LikelihoodProblem(Space(a=Real(0.01, 30)), lambda v: 3 * math.log(v["a"]) - v["a"])
    found = sentences(fitted(problem), profiled(problem, grid=(121,)), drawn(problem, [4], [[9]]))
    assert "the profile is skewed: 95 % reach 2.25 down and 4.78 up" in found["fit", "profile"]
    assert "the profile is skewed" in found["profile", "posterior"]
    assert moved(found["profile", "posterior"]) == [pytest.approx(8.7673 - 7.7795 - 0.25, abs=0.1)]
    assert "the posterior is skewed" in found["fit", "posterior"]
    assert all("no cause" not in text and "bound" not in text for text in found.values())


def test_several_modes():
    def two(v):
        return float(np.logaddexp(-0.5 * ((v["a"] - 2) / 0.4) ** 2, -0.2 - 0.5 * ((v["a"] + 2) / 0.4) ** 2))

    problem = LikelihoodProblem(Space(a=Real(-6, 6)), two)
    profile, posterior = profiled(problem, grid=(161,)), drawn(problem, [0], [[4]])
    assert wilks.compare(fitted(problem), profile, posterior, titles=TITLES).disagreements == (
        "a: the 68 % set of the profile has 2 pieces, a standard error has one.",
        "a: the 68 % set of the posterior has 2 pieces, a standard error has one.",
    )
    assert wilks.compare(posterior).remarks[0].endswith("; of a the smallest sets.")
    one_mode = replace(posterior, weighted=_above(posterior.weighted, 0.0))
    (text,) = wilks.compare(profile, one_mode, titles=TITLES[1:]).disagreements
    assert re.search(r"there are several modes, and the posterior has 0 % and 6\d % of its draws in these pieces", text)


def _above(weighted, limit):
    """The draws of one mode alone."""
    log_weights = np.where(weighted.thetas[:, 0] > limit, weighted.log_weights, -np.inf)
    return replace(weighted, log_weights=log_weights - np.logaddexp.reduce(log_weights))


def test_monte_carlo_error(gauss):
    few = drawn(GAUSS, [0, 0], TIED, n=40, seed=3)
    found = sentences(*gauss[:2], few)
    assert found
    assert all("no more than the Monte Carlo error of the draws" in text for text in found.values())


def test_a_coarse_grid(gauss):
    fit, _, posterior = gauss
    coarse = profiled(GAUSS, grid=([-9.0, -5.0, -1.4, 1.1, 5.0, 9.0],))
    assert coarse.coarse_axes == ("a",)
    found = sentences(fit, coarse, replace(posterior, weighted=_scaled(posterior.weighted, 1.4)))
    assert found["profile", "posterior"].endswith("the grid of the profile is too coarse, make it finer.")


def _scaled(weighted, factor):
    return replace(weighted, thetas=factor * weighted.thetas)


def test_a_certificate_that_failed(gauss):
    fit, profile, posterior = gauss
    bad = replace(posterior, certificate=FAILED, weighted=_scaled(posterior.weighted, 1.4))
    compared = wilks.compare(fit, profile, bad)
    assert len(compared.disagreements) == 3
    assert all(
        text.endswith("the certificate of the posterior fails (R-hat of a is 1.3, expected at most 1.01).")
        for text in compared.disagreements
    )
    assert "The certificate of the posterior fails: R-hat of a is 1.3" in compared.remarks[1]


def test_draws_that_are_wrong_without_a_cause(gauss):
    fit, profile, posterior = gauss
    found = sentences(fit, profile, replace(posterior, weighted=_scaled(posterior.weighted, 1.4)))
    assert "no cause was found among prior, marginalisation, bounds" in found["profile", "posterior"]


def test_two_posteriors(gauss):
    posterior = gauss[2]
    assert wilks.compare(posterior, drawn(GAUSS, [0, 0], TIED, seed=2)).disagreements == ()
    wrong = replace(posterior, weighted=_scaled(posterior.weighted, 1.4))
    found = wilks.compare(posterior, wrong).disagreements
    assert found
    assert all(text.endswith("at least one of them is wrong.") for text in found)


def test_heights_of_another_likelihood_are_not_compared(gauss):
    """A marginal likelihood has parameters integrated out, so its values say nothing of those of a fit."""
    fit, _, posterior = gauss
    higher = replace(posterior, log_likelihood=fit.log_likelihood + 5)
    assert wilks.compare(fit, higher).disagreements[0].startswith("The posterior reaches a log-likelihood 5 above")
    other = replace(higher, provenance=replace(higher.provenance, fingerprint="another"))
    assert wilks.compare(fit, other).disagreements == ()
    assert wilks.compare(fit, replace(posterior, log_likelihood=-99.0)).disagreements == ()


def test_choices_are_counted():
    space = Space(kind=wilks.Categorical(["x", "y", "z"]), a=Real(-5, 5))
    problem = LikelihoodProblem(space, lambda v: -0.5 * v["a"] ** 2)
    base = drawn(LikelihoodProblem(Space(k=Real(0, 2), a=Real(-5, 5)), lambda v: -0.5 * v["a"] ** 2), [1, 0], np.eye(2))
    kinds = np.repeat([0.0, 1.0, 2.0], [1400, 500, 100]).reshape(4, 500)
    posterior = replace(
        base,
        space=space,
        names=("kind", "a"),
        draws={"kind": kinds, "a": base.draws["a"]},
        weighted=None,
        best={"kind": "x", "a": 0.0},
    )
    compared = wilks.compare(posterior, wilks.profile(problem, over="kind", audit=0, **QUIET))
    entry, _ = compared.entries["kind"]
    assert entry.best == "x"
    assert math.isnan(entry.standard_error)
    assert [piece.lower for piece in entry.intervals_68] == [0.0]
    assert [piece.lower for piece in entry.intervals_95] == [0.0, 1.0]
    assert compared.disagreements == ()
