"""The report in a real browser without a network: every figure is drawn, and the console stays silent."""

import re
import subprocess

import pytest

from tests.unit.plots import examples
from wilks.report import write_report

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
    "--enable-logging=stderr",
    # No name resolves and no proxy answers: there is no network.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--window-size=1200,4000",
]


@pytest.fixture
def browse(chromium, tmp_path):
    """Open a file; return the final document and the lines of the console."""

    def opened(path, *flags):
        command = [chromium, *FLAGS, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return opened


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    pytest.importorskip("plotly")
    entries = [
        ("Fit", examples.fit()),
        ("Map", examples.audited(examples.gaussian_2d(cut=6))),
        ("Banana", examples.banana()),
        ("Discrete", examples.discrete()),
        ("Cut", examples.cut_by_box()),
        ("Volume", examples.volume()),
    ]
    return write_report(tmp_path_factory.mktemp("report") / "report.html", entries, title="A run")


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_figure_is_drawn_without_a_network(browse, report, theme):
    flags = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    document, console = browse(report, *flags)
    assert console == []
    body = document[document.index("<body") :]
    figures = re.split(r'<div class="plot(?= )', body)[1:]
    assert len(figures) == 20
    assert all('class="main-svg"' in figure.split("<script", 1)[0] for figure in figures)
    ink = "227, 230, 234" if theme == "dark" else "28, 33, 38"
    assert f"fill: rgb({ink})" in body


@pytest.mark.slow
def test_the_check_notices_what_it_forbids(browse, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<script>console.error('wrong')</script><img src='http://example.org/a.png'>", encoding="utf-8")
    _, console = browse(page)
    assert any("wrong" in line for line in console)
