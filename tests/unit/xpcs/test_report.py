"""The report of a fit: what it says, in which order, and that it is a page anybody can open and read."""

import math
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.integration.test_report_browser import FLAGS
from tests.unit.report.test_report import EVIL, Page
from tests.unit.store.examples import full_disk, names_in
from wilks import plots, xpcs
from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.core.status import Outcome, Status
from wilks.core.table import with_error
from wilks.report import write_report as write_general_report
from wilks.xpcs import pictures
from wilks.xpcs.advice import advice
from wilks.xpcs.pictures import collection
from wilks.xpcs.report import write_report
from wilks.xpcs.source import Source

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-3, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
REST = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
FIXED = {"D_offset": 0.0, "gamma_dot_offset": 0.0}
LOCAL = xpcs.FitOptions(method="local")
N_T = 24
SOURCE = Source("runs/rheo_042.hdf", "aps_u", tuple(f"c2_{k:05d}" for k in range(1, 9)), (11, 34), 0.0054,
                (0.00538, 0.00541), notes=("Two bins have the same angle.",))  # fmt: skip


def measured(mode="laminar_flow", phi=(80.0, -15.0, 30.0, 5.0), values=None, sigma=0.005):
    place = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, 2e6, phi)
    return xpcs.simulate(values or (FLOW if mode == "laminar_flow" else REST), place, contrast=0.3, sigma=sigma,
                         mode=mode, seed=3)  # fmt: skip


def with_sigma(data, sigma):
    return xpcs.TwoTimeData(data.c2, data.t, data.phi, data.q, data.gap, sigma=sigma)


def fit(data, mode="laminar_flow", **keywords):
    fixed = FIXED if mode == "laminar_flow" else {"D_offset": 0.0}
    start = FLOW if mode == "laminar_flow" else REST
    usual = {"parameters": fixed, "start": start, "options": LOCAL, "seed": 1, "callbacks": ()}
    return xpcs.fit(data, mode, **(usual | keywords))


@pytest.fixture(scope="module")
def result():
    return fit(measured().with_source(SOURCE))


@pytest.fixture(scope="module")
def static():
    return fit(measured("static", phi=(20.0,)), "static")


@pytest.fixture(scope="module")
def still():
    """Nothing flows, sigma is too small, and D_offset is at its bound."""
    data = with_sigma(measured(values=FLOW | {"gamma_dot_0": 1e-9}), 0.003)
    boxes = {"D_offset": wilks.Real(500, 1e4), "gamma_dot_offset": 0.0}
    return fit(data, parameters=boxes, start=None, options=xpcs.FitOptions(n_starts=30, n_refined=3))


@pytest.fixture(scope="module")
def failed():
    hopeless = {"alpha": wilks.Real(1e5, 2e5), **FIXED}
    return fit(measured(), parameters=hopeless, start=None, options=xpcs.FitOptions(n_starts=20, n_refined=2))


@pytest.fixture
def few_pictures(monkeypatch):
    """One small picture for all: drawing is tested elsewhere."""

    def drawings(result, _=None):
        return [("starts", "Where starts ended.", lambda: pictures.starts(result))]

    monkeypatch.setattr(collection, "drawings", drawings)


def page_of(tmp_path, result, **keywords):
    path = write_report(result, tmp_path / "new" / "report.html", **({"title": "A gel"} | keywords))
    return Page(path.read_text("utf-8"))


def ordered(text, *words):
    places = [text.index(word) for word in words]
    assert places == sorted(places), dict(zip(words, places, strict=True))


@pytest.mark.usefixtures("few_pictures")
def test_verdict_comes_first(result, tmp_path):
    page = page_of(tmp_path, result, timings={"reading": 0.31, "fit": 1.25})
    ordered(page.text, "A gel", "Converged.", "Quality: good. Values and errors can be quoted", "Physical parameters",
            "Where starts ended.", "They are white", "Scaling: individual", "runs/rheo_042.hdf",
            "The physical convention", "Condition number", "reading", "1.6 s", "Versions: ")  # fmt: skip
    assert "What to do" not in page.text
    assert "Why" not in page.text


@pytest.mark.usefixtures("few_pictures")
def test_numbers(result, tmp_path):
    text = page_of(tmp_path, result).text
    for cells in result.table().rows:
        assert "".join(cells) in text
    assert f"reduced chi-squared {result.reduced_chi_squared:.4f}, {result.dof:,} degrees of freedom" in text
    assert f"{result.contrast[1]:.2f}" in text
    correlation = result.correlation[0, 1]
    assert f"{correlation:+.3f}" in text
    names = result.space.free
    strong = re.findall(rf"({'|'.join(names)}) and (\w+) are correlated by ([+-][\d.]+)", text)
    expected = {
        (a, b): f"{result.correlation[i, j]:+.3f}"
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i < j and abs(result.correlation[i, j]) > 0.9
    }
    assert {(a, b): value for a, b, value in strong} == expected


@pytest.mark.usefixtures("few_pictures")
@pytest.mark.parametrize(
    "words",
    [
        "layoutaps_u",
        "c2_00001, c2_00002, c2_00003, c2_00004, c2_00005, ..., c2_00008",
        "11 to 34, counted from 1",
        "0.0054 1/Å, asked for 0.0054, in the file 0.00538 to 0.00541",
        "80, -15, 30, 5 deg",
        "0 s to 2.3 s, every 0.1 s",
        "2e+06 Å",
        "0.005 (given)",
        "1,104 used, 0 not used",
        "Two bins have the same angle.",
        "d = 0.5, s = 0.5, p = 2",
        "G(t) = gamma_dot_0 tbeta + gamma_dot_offset",
    ],
)
def test_report_says(result, tmp_path, words):
    assert words in page_of(tmp_path, result).text


@pytest.mark.usefixtures("few_pictures")
def test_page_is_accessible_and_fetches_nothing(result, tmp_path):
    page = page_of(tmp_path, result)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), f"{tag} {name}"
    assert "url(" not in page.styles
    assert page.of("html") == [{"lang": "en"}]
    assert [image["alt"] for image in page.of("img")] == ["Where starts ended."]
    assert all(each.get("scope") in ("row", "col") for each in page.of("th"))
    assert len(page.ids) == len(set(page.ids))
    assert {each["href"][1:] for each in page.of("a")} == set(page.ids)
    assert not page.of("script")  # nothing here is interactive
    assert "prefers-color-scheme: dark" in page.styles
    assert "details-content" in page.styles  # what is closed on the screen is printed


@pytest.mark.usefixtures("few_pictures")
def test_a_fit_that_is_not_good(still, tmp_path):
    page = page_of(tmp_path, still)
    ordered(page.text, "Converged.", "Quality: poor. Do not quote these numbers.", "The residuals are not the noise",
            "Why", "Reduced chi-squared is", "gamma_dot_0: ", "What to do", "Look at the residuals",
            "Physical parameters")  # fmt: skip
    assert "`" not in page.text
    assert "not determined" in page.text
    assert "Widen the box of D_offset beyond 500" in page.text
    assert "The standard deviation of the residuals is 1." in page.text


@pytest.mark.usefixtures("few_pictures")
def test_residuals_that_contradict_a_good_fit(result, tmp_path, monkeypatch):
    """Reduced chi-squared says nothing of noise that neighbours share: errors are wrong, and the first lines say so."""
    found = replace(xpcs.report.residual_statistics(result), reasons=("Neighbouring ages are correlated.",))
    monkeypatch.setattr(xpcs.report, "residual_statistics", lambda _: found)
    text = page_of(tmp_path, result).text
    assert "can be quoted as they are" not in text
    ordered(
        text,
        "Quality: good. Values can be quoted; read the reasons below",
        "are not the noise",
        "Neighbouring ages are correlated.",
    )


@pytest.mark.usefixtures("few_pictures")
def test_a_fit_without_a_best_point(failed, tmp_path):
    text = page_of(tmp_path, failed).text
    ordered(text, "Finished without convergence.", "Do not quote", "What to do", "The model is finite nowhere",
            "unknown", "pictures of the fitted model are missing")  # fmt: skip
    assert "nan" not in text.lower()
    assert "None" not in text.replace("None of", "")


def test_a_result_without_its_data(static, tmp_path, unpainted):
    loaded = wilks.load(static.save(tmp_path / "fit.wilks"))
    page = page_of(tmp_path, loaded)
    assert "loaded from a file, without its data" in page.text
    names = [caption.split(":")[0].split(" ")[0] for caption in (image["alt"] for image in page.of("img"))]
    assert names == ["Contrast", "Correlations"]
    assert 'id="residuals"' not in page.text
    assert "residuals" not in page.ids


def test_all_pictures_of_one_angle(static, tmp_path, unpainted):
    page = page_of(tmp_path, static)
    expected = [caption for _, caption, _ in pictures.drawings(static)]
    assert [image["alt"] for image in page.of("img")] == expected
    assert "sinc" not in page.text
    assert "1 angles" not in page.text
    assert "The data were given as arrays" in page.text


@pytest.mark.usefixtures("few_pictures")
def test_many_angles(tmp_path):
    many = fit(measured("static", phi=np.linspace(-88, 88, 23)), "static", scaling="averaged")
    text = page_of(tmp_path, many).text
    assert "Scaling: averaged" in text
    assert "23 angles" in text
    own = fit(measured("static", phi=np.linspace(-88, 88, 23)), "static")
    text = page_of(tmp_path, own).text
    for phi, contrast, error in zip(own.phi, own.contrast, own.contrast_errors, strict=True):
        assert f"{phi:g}{with_error(contrast, error)}" in text


@pytest.mark.usefixtures("few_pictures")
@pytest.mark.parametrize(
    ("convention", "words"),
    [
        (
            xpcs.Convention.homodyne(),
            "multiply shear rates by 0.4502 (small phase) to 0.3183 (first zero). Fit again for exact values.",
        ),
        (
            xpcs.Convention(diffusion_factor=1.0),
            "An own convention. To compare with the physical convention multiply transport coefficients by 2.",
        ),
    ],
)
def test_conventions(convention, words, tmp_path):
    assert words in page_of(tmp_path, fit(measured(), convention=convention)).text


@pytest.mark.usefixtures("few_pictures")
def test_another_convention_without_flow(tmp_path):
    text = page_of(tmp_path, fit(measured("static"), "static", convention=xpcs.Convention.homodyne())).text
    assert "In this mode its numbers are those of the physical convention." in text


@pytest.mark.usefixtures("few_pictures")
def test_what_a_user_wrote_is_text(result, tmp_path):
    source = replace(SOURCE, path=EVIL, keys=(EVIL,))
    page = page_of(tmp_path, replace(result, source=source, notes=(EVIL,)), title=EVIL, timings={EVIL: 1.0})
    assert not page.of("script")
    assert page.text.count(EVIL) >= 5


@pytest.mark.usefixtures("few_pictures", "unpainted")
def test_further_results(static, tmp_path):
    problem = xpcs.problem(static.data, "static", parameters={"D_offset": 0.0})
    profile = wilks.profile(problem, over="D0", grid=np.linspace(1.9e4, 2.1e4, 5), start=static, seed=1, audit=0)
    extra = [("Profile of D0", profile), ("Side by side", wilks.compare(static, profile))]
    page = page_of(tmp_path, static, extra=extra)
    ordered(page.text, "Condition number", "Cells of the grid", "The results ", "Versions: ")
    assert page.text.count("Profile of D0") >= 3  # contents, section, provenance
    with pytest.raises(InvalidConfigurationError, match="expected results of search, fit, profile"):
        page_of(tmp_path, static, extra=[("Nonsense", 3)])


@pytest.mark.usefixtures("few_pictures")
def test_a_full_disk(result, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("precious")
    with full_disk(5000), pytest.raises(CheckpointError, match=r"report\.html: cannot be written: .*File too large"):
        write_report(result, path, title="A gel")
    assert names_in(tmp_path) == [path.name]
    assert path.read_text() == "precious"


def test_general_report_and_pictures(static, tmp_path, unpainted):
    """What wilks offers for any fit takes this one too."""
    text = write_general_report(tmp_path / "run.html", [("Fit", static)], title="A run").read_text("utf-8")
    page = Page(text)
    assert f"reduced chi-squared {static.reduced_chi_squared:.4f}" in page.text
    assert len(page.of("img")) == 2
    assert page.text.count(static.table().rows[0][1]) == 2  # headline and section
    assert wilks.compare(static).names == static.space.free
    assert 'alt="Covariance' in plots.picture_html(static)


def test_general_report_of_a_failed_fit(failed, tmp_path):
    text = write_general_report(tmp_path / "run.html", [("Fit", failed)], title="A run").read_text("utf-8")
    assert "Finished without convergence." in text


@pytest.mark.browser
@pytest.mark.usefixtures("few_pictures")
def test_in_a_browser(chromium, still, tmp_path):
    path = write_report(still, tmp_path / "report.html", title="A gel")
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert "Do not quote these numbers." in done.stdout


def test_no_advice_for_a_good_fit(result):
    assert advice(result) == ()


def ended(result, outcome):
    return replace(result, status=Status(outcome))


def judged(result, **changes):
    return replace(result, quality=replace(result.quality, **changes))


def unseen(result, *names):
    verdicts = {name: xpcs.Identifiability(name not in names, "unseen") for name in result.identifiable}
    return replace(result, identifiable=verdicts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: ended(r, Outcome.NOT_CONVERGED), "with more iterations"),
        (lambda r: ended(r, Outcome.TIME_LIMIT), "was stopped before its end"),
        (lambda r: replace(r, chi_squared=2.0 * r.dof), "Look at the residuals"),
        (lambda r: replace(r, chi_squared=2.0 * r.dof), "Leave out sigma"),
        (lambda r: replace(r, chi_squared=0.5 * r.dof), "Leave out sigma"),
        (lambda r: unseen(r, *r.space.free), "Check that the right wave vector"),
        (lambda r: unseen(r, "gamma_dot_0", "beta", "phi0"), "Fit the mode 'static'"),
        (lambda r: unseen(r, "beta"), "at a value that is known (of beta)"),
        (lambda r: replace(r, at_bounds={"phi0": "upper"}), "Widen the box of phi0 beyond 10"),
        (lambda r: replace(r, at_bounds={"contrast_1": "upper"}), "the angles of contrast_1"),
        (lambda r: judged(r, degenerate=True), "Narrow the boxes"),
        (lambda r: judged(r, condition_number=1e12), "correlated most"),
    ],
)
def test_advice(result, change, words):
    assert any(words in text for text in advice(change(result)))


def test_advice_where_no_flow_is_seen(result):
    """A bound that one of its parameters ran to is no second thing to mend."""
    flow = ("gamma_dot_0", "beta", "phi0")
    still = replace(unseen(result, *flow), at_bounds={"phi0": "upper", "D0": "upper"})
    first, second = advice(still)
    assert first.startswith("Fit the mode 'static'")
    assert second.startswith("Widen the box of D0")
    assert "(of alpha)" in advice(unseen(result, *flow, "alpha"))[1]


def test_advice_where_noise_is_shared(result):
    found = replace(xpcs.report.residual_statistics(result), inflation=1.234)
    assert advice(result, replace(found, correlated=False)) == ()
    (text,) = advice(result, replace(found, correlated=True))
    assert "multiply all standard errors by about 1.2" in text
    assert advice(result, replace(found, correlated=True, inflation=0.8)) == ()
    assert advice(result, replace(found, correlated=True, inflation=math.nan)) == ()
    misfit = replace(result, chi_squared=2.0 * result.dof)
    assert not any("multiply" in text for text in advice(misfit, replace(found, correlated=True)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, chi_squared=0.5 * r.dof), "Look at the residuals"),
        (lambda r: replace(r, chi_squared=2.0 * r.dof, noise="estimated from second differences along the age"),
         "Leave out sigma"),
        (lambda r: replace(r, chi_squared=2.0 * r.dof, loss="huber"), "sigma"),
    ],
)  # fmt: skip
def test_advice_that_would_not_help(result, change, words):
    assert not any(words in text for text in advice(change(result)))
