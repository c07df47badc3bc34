"""Certificates: what was not measured does not hold, and what fails is said."""

import math

import numpy as np
import pytest

from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.importance_checks import Round, Sample, importance_checks, pooled
from wilks.samplers.psis import k_limit

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [
        (1.0, True, False),
        (2.0, True, True),
        (3.0, False, True),
        (NAN, False, False),
        (math.inf, False, True),
        (-math.inf, True, False),
    ],
)
def test_a_check_holds(value, below, above):
    assert Check.below("x", value, 2.0, "do").ok is below
    assert Check.at_least("x", value, 2.0, "do").ok is above
    assert Check.below("x", 1.0, NAN, "do").ok is False
    assert Check.below("x", value, math.inf, "do").ok is False, "a limit that excludes nothing says nothing"


def test_one_failure_is_enough():
    good, bad = Check.below("R-hat", 1.0, 1.01, "draw more"), Check.at_least("bulk ESS", NAN, 400, "draw more", "a")
    assert Certificate((good,)).ok
    assert Certificate((good,)).message == ""
    assert not Certificate(()).ok
    both = Certificate((good, bad))
    assert not both.ok
    assert both.failures == (bad,)
    assert both["bulk ESS"] is bad
    with pytest.raises(KeyError, match="'E-BFMI' was not checked; checked were R-hat, bulk ESS"):
        both["E-BFMI"]


def test_failures_with_the_same_advice_are_said_together():
    checks = (
        Check.below("R-hat", 1.5, 1.01, "draw more", "a"),
        Check.below("Pareto k-hat", 2.0, 0.5, "use another method"),
        Check.at_least("tail ESS", NAN, 400, "draw more", "b"),
    )
    expected = (
        "R-hat of a is 1.5, expected at most 1.01; tail ESS of b could not be measured: draw more. "
        "Pareto k-hat is 2, expected at most 0.5: use another method."
    )
    certificate = Certificate(checks)
    assert certificate.message == expected
    rows = [" ".join(line.split()) for line in certificate.table().text().splitlines()]
    assert "R-hat a 1.5 <= 1.01 FAILS" in rows
    assert "tail ESS b not measured >= 400 FAILS" in rows
    assert "<table" in certificate._repr_html_()


# The certificate of importance sampling


def population(seed, n=1500, *, shift=0.0, scale=1.0, factor=1.0):
    """Draws of a t with weights that make them draws of a Gaussian, maybe of another one."""
    generator = np.random.default_rng(seed)
    x = 1.2 * generator.standard_t(6, size=(n, 2))
    q = -3.5 * np.log1p((x / 1.2) ** 2 / 6)
    raw = (-0.5 * ((x - [shift, 0.0]) / scale) ** 2 - q).sum(axis=1)
    raw += math.log(factor / n)
    return Sample(x, raw, raw, ("a", "b"))


def test_two_populations_of_one_posterior():
    samples = [population(1), population(2)]
    certificate = importance_checks(samples, 1000)
    assert certificate.ok, certificate
    assert [check.name for check in certificate.checks][:2] == ["Pareto k-hat", "importance ESS"]
    assert certificate["Pareto k-hat"].limit == k_limit(len(samples[0].raw)) < 0.7
    together = pooled(samples)
    assert together.ess == pytest.approx(sum(each.ess for each in samples), rel=0.1)
    assert together.log_evidence == pytest.approx(np.mean([each.log_evidence for each in samples]), abs=0.05)


@pytest.mark.parametrize(
    ("other", "failing", "parameter"),
    [
        ({"shift": 0.4}, "difference of means", "a"),
        ({"scale": 0.7}, "difference of spreads", "a"),
        ({"factor": 1.5}, "difference of log-evidence", ""),
    ],
)
def test_populations_that_disagree(other, failing, parameter):
    certificate = importance_checks([population(1), population(2, **other)], 1000)
    assert failing in [check.name for check in certificate.failures]
    assert certificate[failing].parameter in (parameter, "b" if failing == "difference of spreads" else parameter)
    assert "the two populations found different posteriors" in certificate.message


@pytest.mark.parametrize("dead", [(0,), (0, 1)])
def test_populations_without_any_weight(dead):
    samples = [population(1), population(2)]
    for number in dead:
        each = samples[number]
        samples[number] = Sample(each.thetas, np.full(len(each.raw), -np.inf), each.log_likelihoods, each.names)
    certificate = importance_checks(samples, 1000)
    assert not certificate.ok
    assert not certificate["Pareto k-hat"].ok
    assert not certificate["difference of log-evidence"].ok
    if len(dead) == 2:
        assert certificate["importance ESS"].value == 0
        assert not certificate["importance ESS"].ok


def test_too_few_draws():
    certificate = importance_checks([population(1, 30), population(2, 30)], 1000)
    assert {"importance ESS", "bulk ESS", "tail ESS"} <= {check.name for check in certificate.failures}


def test_a_proposal_without_tails():
    """A Gaussian proposal of half the width: the weights have no variance."""
    samples = []
    for seed in (1, 2):
        x = 0.5 * np.random.default_rng(seed).normal(size=(2000, 2))
        raw = (-0.5 * x**2 + 2 * x**2).sum(axis=1) - math.log(2000)
        samples.append(Sample(x, raw, raw, ("a", "b")))
    assert not importance_checks(samples, 10)["Pareto k-hat"].ok


# The evidence of the rounds


def test_evidence_of_a_round():
    weights = np.array([1.0, 3.0, 0.0, 4.0])
    with np.errstate(divide="ignore"):
        found = Round.of(np.log(weights))
    assert found.log_evidence == pytest.approx(math.log(2))
    assert found.ess == pytest.approx(64 / 26)
    assert found.variance == pytest.approx(np.var(weights) / 4 / 2**2)
    nothing = Round.of(np.full(3, -np.inf))
    assert (nothing.log_evidence, nothing.ess) == (-math.inf, 0.0)


def test_rounds_count_by_their_effective_numbers():
    base = population(1)
    rounds = (Round(math.log(2.0), 100.0, 0.01), Round(math.log(4.0), 300.0, 0.002), Round(-math.inf, 0.0, math.inf))
    sample = Sample(base.thetas, base.raw, base.log_likelihoods, base.names, rounds)
    assert sample.log_evidence == pytest.approx(math.log(3.5))
    assert sample.log_evidence_error == pytest.approx(math.hypot(0.25 * 0.1, 0.75 * math.sqrt(0.002)))
    twice = pooled([sample, sample])
    assert twice.log_evidence == pytest.approx(math.log(3.5))
    assert twice.log_evidence_error == pytest.approx(sample.log_evidence_error / math.sqrt(2))
    assert base.log_evidence == pytest.approx(float(np.logaddexp.reduce(base.raw)))
