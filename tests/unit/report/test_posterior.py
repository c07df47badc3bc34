"""The section of the report about a posterior, and the comparison of all verbs beside it."""

import re
from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.unit.verbs.drawn import CERTIFIED, FAILED, drawn
from wilks.problems.posteriors import log_scale_posterior
from wilks.report import write_report
from wilks.report.posterior import _MEANINGS, posterior_section, remarks
from wilks.report.results import comparison_section
from wilks.samplers.certificate import Certificate, Check

SPACE = wilks.Space(a=wilks.Real(-9, 9, label="$a_0$", prior=wilks.Normal(2.0, 1.5)), b=wilks.Real(-1, 1))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -0.5 * v["a"] ** 2, name="half informed")


class Captions:
    """Keeps the names of the figures that a section has, and draws none."""

    def __init__(self):
        self.names = []

    def figure(self, name, caption, *_, **__):
        self.names.append(name)
        return caption


@pytest.fixture(scope="module")
def posterior():
    return drawn(PROBLEM, [0.6, 0.0], [[0.7, 0], [0, 0.5]])


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL))


def section(posterior):
    return plain(posterior_section(posterior, Captions()))


def test_the_section(posterior, tmp_path, unpainted):
    path = write_report(tmp_path / "report.html", [("the posterior", posterior)], title="t")
    html = path.read_text("utf-8")
    text = plain(html)
    for row in posterior.summary().rows:
        assert " ".join(row[:7]) in text
    assert "weighted draws, resampled to 4 chains of 500 draws with equal weights" in text
    assert "✓ Every check holds." in text
    assert "Pareto k-hat all 0.1 &lt;= 0.7 ok how heavy the tail of the weights is" in text
    assert "The data hardly narrow the prior of b: the posterior is mostly what was assumed." in text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert [caption.split()[0] for caption in captions] == ["Posterior", "Means", "Effective", "Weights"]
    assert html.count("<img alt=") == len(captions)
    assert "draws of a t 8,000" in text


def test_a_certificate_that_fails_says_what_to_do(posterior):
    bad = replace(posterior, certificate=FAILED, attempts={"importance sampling": CERTIFIED}, log_evidence=-3.0)
    text = section(bad)
    assert "! R-hat of a is 1.3, expected at most 1.01: draw longer chains." in text
    assert "R-hat a 1.3 &lt;= 1.01 FAILS 1 when every chain says the same" in text
    assert "Tried before: importance sampling" in text
    assert "Log-evidence -3 ± nan" in text


def test_an_unknown_check_needs_no_explanation(posterior):
    own = Certificate((Check.at_least("shards <used>", 3, 3, "add them"),))
    assert "shards &lt;used&gt; all 3 &gt;= 3 ok" in section(replace(posterior, certificate=own))


def test_chains_have_their_own_pictures(posterior):
    artist = Captions()
    text = plain(posterior_section(replace(posterior, weighted=None, certificate=Certificate(())), artist))
    assert artist.names == ["pair", "forest", "trace", "rank", "ess"]
    assert "Nothing was checked." in text


def test_two_modes_are_remarked():
    problem = wilks.LikelihoodProblem(
        wilks.Space(a=wilks.Real(-6, 6)), lambda v: float(np.logaddexp(-8 * (v["a"] - 2) ** 2, -8 * (v["a"] + 2) ** 2))
    )
    (sentence,) = remarks(drawn(problem, [0], [[4]]))
    assert sentence.startswith("The smallest 95 % set of a has several pieces")


def test_nothing_finite_is_a_status_only(posterior):
    assert "Certificate" not in section(replace(posterior, log_likelihood=-np.inf))


def test_hessian_profile_and_posterior_side_by_side():
    quiet, problem = {"seed": 1, "callbacks": ()}, PROBLEM.fix(b=0.0)
    fit, profile = wilks.fit(problem, **quiet), wilks.profile(problem, over="a", audit=0, **quiet)
    compared = wilks.compare(fit, profile, drawn(problem, [0.6], [[0.7]]))
    html = comparison_section(compared, Captions())
    assert html.count('<tr class="marked">') == 3
    text = plain(html)
    assert "The results disagree." in text
    assert "the prior moves it by +0.9" in text
    assert "Of the posterior (b=0): the mean, the standard deviation, and credible sets with equal tails." in text


@pytest.mark.parametrize("method", [wilks.AdaptiveImportance(), wilks.Ensemble(n_walkers=16)])
def test_every_check_has_its_meaning(method):
    certificate = wilks.sample(log_scale_posterior().problem, method, seed=1, callbacks=[]).certificate
    assert {check.name for check in certificate.checks} <= set(_MEANINGS)
