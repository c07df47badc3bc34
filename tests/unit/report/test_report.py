import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import wilks
from tests.unit.plots import examples, searches
from tests.unit.plots.test_pictures import comparison
from wilks.core.status import Outcome, Status
from wilks.report import write_report
from wilks.report.run import headline
from wilks.report.searches import readings
from wilks.report.searches import warnings as search_warnings

EVIL = "<script>alert('x')</script>\"&"


class Page(HTMLParser):
    """Tags with their attributes, and the visible text; scripts and styles are kept apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.styles, self.ids, self._raw = [], "", "", [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag in ("script", "style"):
            self._raw = tag

    def handle_endtag(self, tag):
        if tag == self._raw:
            self._raw = None

    def handle_data(self, data):
        if self._raw is None:
            self.text += data
        elif self._raw == "style":
            self.styles += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


DISAGREEMENT = "w: the 95 % interval of the profile is wider than the fit of omega_m says."


def compared(disagreements=(DISAGREEMENT,)):
    return comparison(disagreements=disagreements)


def log(text="ValueError: bad point"):
    failure = SimpleNamespace(values={"w": -1.0}, status="failed", error=f"Traceback:\n  a line\n{text}")
    return SimpleNamespace(counts=lambda: {"ok": 1234, "failed": 1, "lost": 0}, failures=lambda limit=10: [failure])


def entries():
    return [
        ("Fit", examples.fit()),
        ("Map", examples.audited(examples.gaussian_2d((21, 21), cut=6))),
        ("Curve", examples.gaussian_1d()),
        ("Comparison", compared()),
    ]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = write_report(tmp_path_factory.mktemp("report") / "new" / "report.html", entries(), title="A run", log=log())
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def without_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)


def write(tmp_path, *args, **kwargs):
    return write_report(tmp_path / "report.html", *args, title=kwargs.pop("title", "A run"), **kwargs).read_text(
        "utf-8"
    )


def test_nothing_is_fetched(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            target = attributes.get(name, "#")
            assert target.startswith(("#", "data:image/png;base64,")), f"{tag} {name}={target[:80]}"
    assert "@import" not in page.styles
    assert "url(" not in page.styles
    policy = next(a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_plotly_is_embedded_once(text, page):
    assert text.count("Copyright 2012-") <= text.count("plotly.js v")
    assert len([a for a in page.of("script") if a.get("class") != "plot-data"]) == 2
    plots = [a["id"] for a in page.of("div") if (a.get("class") or "").startswith("plot")]
    assert plots == [a["data-plot"] for a in page.of("script") if a.get("class") == "plot-data"]
    assert "stage-2-map-1" in plots
    assert "stage-3-curve-1" in plots


def test_page_is_accessible(page):
    assert page.of("html") == [{"lang": "en"}]
    assert all(a.get("alt") for a in page.of("img"))
    assert all(a.get("aria-label") for a in page.of("div") if a.get("role") == "img")
    assert all(a.get("scope") in ("row", "col") for a in page.of("th"))
    assert len(page.ids) == len(set(page.ids))
    targets = {a["href"][1:] for a in page.of("a")}
    assert targets <= set(page.ids)


@pytest.mark.parametrize(
    "words",
    [
        "A run",
        "Problem: supernova",
        "0.280 ± 0.060",
        "Every stage reached its goal.",
        "5 cells were optimised again from scratch: 2 improved",
        "Audited cells that improved",
        "not converged",
        "the 95 % interval of the profile is wider",
        "3f2a9c0d51e8",
        "Versions: wilks 0.1.0",
        "first pass over the grid",
        "ProcessExecutor(n_workers=2)",
        "1,234",
        "failed: ValueError: bad point",
        "The standard errors change by 12 % with the step.",
        "The 3 optima found",
    ],
)
def test_report_says(page, words):
    assert words in page.text


def test_disagreeing_parameters_stand_out(text):
    assert re.search(r'<tr class="marked"><th scope="row">w <strong>', text)
    assert not re.search(r'<tr class="marked"><th scope="row">omega_m', text)
    assert text.count("is wider than the fit") == 1


def test_results_that_agree_are_said_to(tmp_path, unpainted):
    text = write(tmp_path, [("Comparison", compared(disagreements=()))])
    assert "The results agree." in text
    assert 'class="marked"' not in text


def test_without_plotly_the_printed_pictures_are_used(tmp_path, without_plotly, unpainted):
    text = write(tmp_path, entries())
    page = Page(text)
    assert "Interactive pictures need plotly: pip install 'wilks[report]'" in page.text
    assert page.of("script") == []
    assert page.of("noscript") == []
    assert len(page.of("img")) >= 8


def test_every_interactive_figure_has_a_printed_twin(page):
    plots = [a for a in page.of("div") if (a.get("class") or "").startswith("plot")]
    assert len(page.of("noscript")) == len(plots) == 7


def test_words_of_the_user_are_escaped(tmp_path, without_plotly, unpainted):
    domains = wilks.Space({EVIL: wilks.Real(-3, 0, label=EVIL, unit=EVIL)})
    nodes = np.linspace(-3, 0, 9)
    result = examples.profile((EVIL,), (nodes,), -((nodes + 1) ** 2), best={EVIL: -1.125}, domains=domains)
    result = replace(result, status=Status(Outcome.CONVERGED, EVIL))
    page = Page(write(tmp_path, [(EVIL, result)], title=EVIL, log=log(EVIL)))
    assert page.of("script") == []
    assert page.text.count(EVIL) >= 6


def test_data_of_the_user_cannot_end_the_script(tmp_path, unpainted):
    domains = wilks.Space(kind=wilks.Categorical([EVIL, "</script>"]))
    result = examples.profile(("kind",), (np.arange(2.0),), -np.arange(2.0), best={"kind": EVIL}, domains=domains)
    page = Page(write(tmp_path, [("Curve", result)]))
    assert len(page.of("script")) == 3


def test_same_results_give_the_same_file(tmp_path, without_plotly):
    entry = [("Map", examples.gaussian_2d((11, 11)))]
    assert write(tmp_path, entry) == write(tmp_path, entry)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_run_that_failed_is_reported(tmp_path, without_plotly):
    status = Status(Outcome.ALL_FAILED, "ValueError: bad point")
    covariance = np.full((2, 2), np.nan)
    fit = examples.fit(covariance, status=status, log_likelihood=-np.inf, best={}, basins=None)
    fit = replace(fit, basins=())
    empty = examples.profile(
        ("w",),
        (np.linspace(-3, 0, 5),),
        np.full(5, np.nan),
        best={},
        maximum=-np.inf,
        argmax={"omega_m": np.full(5, np.nan)},
    )
    page = Page(write(tmp_path, [("Fit", fit), ("Curve", replace(empty, status=status))]))
    assert "Stopped: every evaluation failed. ValueError: bad point" in page.text
    assert "Every stage reached" not in page.text


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(examples.banana, marks=pytest.mark.slow),
        examples.two_islands,
        examples.discrete,
        pytest.param(examples.volume, marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_profile_is_reported(tmp_path, make, unpainted):
    assert "main" in [tag for tag, _ in Page(write(tmp_path, [("Profile", make())])).tags]


@pytest.mark.slow
def test_a_profile_of_three_parameters_has_all_pairs_and_cuts(tmp_path):
    page = Page(write(tmp_path, [("Profile", examples.volume())]))
    plots = [a["id"] for a in page.of("div") if (a.get("class") or "").startswith("plot")]
    assert plots == [f"stage-1-{kind}-{number}" for kind in ("map", "curve") for number in (1, 2, 3)]
    assert "Cuts along offset" in page.text
    assert any("cuts through their joint region" in a["alt"] for a in page.of("img"))


def test_nothing_to_report(tmp_path):
    assert "There is no result to report." in write(tmp_path, [])


def test_other_things_are_refused(tmp_path):
    with pytest.raises(
        wilks.InvalidConfigurationError,
        match="expected results of search, fit, profile, sample, sample_volume or compare, got a dict",
    ):
        write_report(tmp_path / "report.html", [("Stage", {})], title="A run")
    assert list(tmp_path.iterdir()) == []


def test_headline_names_the_first_stage_that_found_the_best_point(tmp_path, without_plotly, unpainted):
    fit = examples.fit(log_likelihood=-20.0)
    repeats = replace(examples.gaussian_1d(), log_likelihood=-20.0 + 1e-9)
    better = replace(examples.gaussian_1d(), log_likelihood=-19.0)
    assert "from “Fit”" in Page(write(tmp_path, [("Fit", fit), ("Curve", repeats)])).text
    assert "from “Curve”" in Page(write(tmp_path, [("Fit", fit), ("Curve", better)])).text


def test_headline_takes_no_standard_error_of_a_fit_with_other_fixed_values():
    space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: -(v["a"] ** 2 + v["b"] ** 2 - 1.8 * v["a"] * v["b"]) / 0.38)
    fixed, free = wilks.fit(problem.fix(b=0.0), seed=1), wilks.fit(problem, seed=1)
    assert fixed.standard_errors["a"] == pytest.approx(0.19**0.5, rel=1e-3)
    assert free.standard_errors["a"] == pytest.approx(1.0, rel=1e-3)
    text = headline([("fixed", replace(fixed, log_likelihood=-1.0)), ("free", free)])
    assert "0.0 ± 1.0" in text
    assert "0.44" not in text


def test_a_search_is_reported(tmp_path, without_plotly, unpainted):
    result = searches.search(tempering=searches.tempering())
    page = Page(write(tmp_path, [("Search", result)]))
    for words in (
        "4 parameters of supernova were searched by ParallelTempering.",
        "The best was found at evaluation 850.",
        "flat",
        "4 of 1000 evaluations failed",
        "Swap rate below 0.2 between the rungs 0 and 1 (0.08): replicas hardly exchange there; more rungs",
        "Some neighbours never tried to exchange",
        "12 round trips between the coldest rung and the hottest: one in 20 sweeps.",
        "On rung 0 less than 2 % of the moves were accepted",
        "n restarts",
    ):
        assert words in page.text, words
    assert len(page.of("img")) == 5
    assert all(a.get("alt") for a in page.of("img"))
    assert "The best rose" not in page.text


def test_a_portfolio_says_what_its_methods_took(tmp_path, without_plotly, unpainted):
    details = {"n_restarts": 2, "n_evaluations_kicks": 240, "n_evaluations_polish": 700}
    page = Page(write(tmp_path, [("Search", searches.search(details=details))]))
    assert "Evaluations by method: polish 700, kicks 240, first and random points 60." in page.text
    assert "n restarts" in page.text
    assert "n evaluations kicks" not in page.text  # said once


def test_points_that_violated_a_constraint_are_no_evaluations(tmp_path, unpainted):
    counts = SimpleNamespace(counts=lambda: {"ok": 1234, "violated": 5678}, failures=lambda limit=10: [])
    page = Page(write(tmp_path, [("Fit", examples.fit())], log=counts))
    assert "Points that violated a constraint and were not evaluated: 5,678." in page.text
    rows = re.findall(r"violated", page.text)
    assert len(rows) == 1


@pytest.mark.slow
def test_a_search_that_sampled_shows_its_draws(tmp_path, without_plotly, unpainted):
    page = Page(write(tmp_path, [("Search", searches.sampled(300))]))
    assert "Log-evidence -3.21 ± 0.12, from 300 draws at T = 1." in page.text
    assert "flat in " in page.text
    assert "effective draws" in page.text
    assert len(page.of("img")) == 6


def test_a_search_without_a_value_is_reported(tmp_path, without_plotly):
    status = Status(Outcome.ALL_FAILED, "ValueError: bad point")
    empty = searches.search(status=status, best={}, log_likelihood=-np.inf, history=np.empty((0, 2)))
    page = Page(write(tmp_path, [("Search", empty)]))
    assert "Stopped: every evaluation failed. ValueError: bad point" in page.text
    assert page.of("img") == []


def test_warnings_of_a_search():
    best = searches.BEST | {"x": 5.0, "rate": 1e-3}
    late = np.array([[1, -50.0], [950, -1.0]])
    found = list(search_warnings(searches.search(best=best, history=late, stats={})))
    assert found == [
        "The best rose by 49 in the last tenth of the evaluations: more of them may raise it further.",
        "x is best at the upper end of its range: a wider range may hold a better point.",
        "rate is best at the lower end of its range: a wider range may hold a better point.",
    ]


@pytest.mark.parametrize(
    ("rates", "trips", "words"),
    [
        (
            [0.5, 0.4, 0.3],
            0,
            ["All neighbours exchange well: swap rates from 0.30 to 0.50.", "No round trip: no replica"],
        ),
        ([0.9, 0.95, 0.85], 1, ["All swap rates are above 0.8: fewer rungs would do", "1 round trip between"]),
        ([], 0, ["A single rung: nothing is exchanged, this is annealing."]),
    ],
)
def test_what_replicas_did_in_words(rates, trips, words):
    n = len(rates) + 1
    diagnostics = searches.tempering(swap_rates=np.array(rates), acceptance=np.full(n, 0.3), round_trips=trips)
    found = list(readings(diagnostics))
    assert len(found) == len(words)
    for text, beginning in zip(found, words, strict=True):
        assert text.startswith(beginning)


def test_what_results_cannot_say_is_reported(tmp_path, without_plotly, unpainted):
    remark = "No intervals from search: a search has a best point only; fit or profile from there."
    page = Page(write(tmp_path, [("Comparison", replace(compared(disagreements=()), remarks=(remark,)))]))
    assert remark in page.text
