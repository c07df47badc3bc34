"""Commands of `wilks xpcs` that fit nothing, and what the command line loads."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from wilks import xpcs
from wilks.cli.main import app
from wilks.xpcs import files
from wilks.xpcs.configuration import load

RUNNER = CliRunner()
HOMODYNE = Path(__file__).parents[1] / "xpcs" / "homodyne_configuration.yaml"
SIMULATION = """\
model: {mode: static}
simulation: {values: {D0: 20000, alpha: -0.5, D_offset: 0}, n_frames: 30, dt: 0.1, q: 0.0054, phi: [0, 90], sigma: 0.02}
"""
OPTIONS = [
    *("--mode", "static", "--value", "D0=20000", "--value", "alpha=-0.5", "--value", "D_offset=0"),
    *("--frames", "30", "--dt", "0.1", "--q", "0.0054", "--phi", "-5,90", "--sigma", "0.02"),
]


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A file with two wave vectors, sheared."""
    path = tmp_path_factory.mktemp("data") / "sample.h5"
    phi = np.array([-30.0, 0.0, 30.0])
    values = {
        "D0": 2e4,
        "alpha": -0.5,
        "D_offset": 0.0,
        "gamma_dot_0": 4e-3,
        "beta": -0.2,
        "gamma_dot_offset": 0.0,
        "phi0": -5.0,
    }
    measured = [
        xpcs.simulate(values, xpcs.Geometry(0.1 * np.arange(30), 0.1, q, 2e6, phi), sigma=0.02, seed=1)
        for q in (0.0054, 0.008)
    ]
    return files.write(path, measured)


class TestSimulate:
    @pytest.mark.parametrize("layout", ["aps_u", "aps_old", "npz"])
    def test_every_layout(self, layout):
        answer = invoke("simulate", *OPTIONS, "--layout", layout, "-o", "made.h5")
        assert answer.exit_code == 0, answer.output
        assert f"2 matrices, layout {layout}, 30 frames, one every 0.1 s" in answer.output
        assert answer.output.endswith("made.h5\n")
        np.testing.assert_array_equal(files.read("made.h5").phi, [-5, 90])

    def test_of_a_configuration_with_options_over_it(self, here):
        (here / "made.yaml").write_text(SIMULATION)
        assert invoke("simulate", "made.yaml", "-o", "a.h5", "--frames", "20").exit_code == 0
        assert files.describe("a.h5").n_t == 20

    def test_the_seed_is_what_decides(self):
        for name, seed in (("a.h5", 1), ("b.h5", 1), ("c.h5", 2)):
            assert invoke("simulate", *OPTIONS, "--seed", seed, "-o", name).exit_code == 0
        a, b, c = (files.read(name).read_c2(0) for name in ("a.h5", "b.h5", "c.h5"))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)

    def test_a_file_is_replaced_only_if_that_is_wanted(self, here):
        (here / "made.h5").write_text("precious")
        answer = invoke("simulate", *OPTIONS, "-o", "made.h5")
        assert (answer.exit_code, answer.stderr) == (1, "made.h5: exists; use --overwrite to replace it\n")
        assert (here / "made.h5").read_text() == "precious"
        assert invoke("simulate", *OPTIONS, "-o", "made.h5", "--overwrite").exit_code == 0
        assert files.describe("made.h5").n_t == 30

    def test_what_is_missing_is_named_by_its_option(self, here):
        answer = invoke("simulate", "-o", "made.h5", "--dt", "0.1", "--value", "D0=3")
        assert answer.exit_code == 2
        assert "here --frames, --q, --phi are missing" in answer.stderr
        answer = invoke("simulate", "-o", "made.h5", *OPTIONS[:4], *OPTIONS[6:])
        assert answer.exit_code == 2
        assert answer.stderr == (
            "the command line: simulation.values: expected a value for every parameter, alpha is missing\n"
        )
        assert not list(here.iterdir())

    def test_a_configuration_without_simulation(self, here):
        (here / "fit.yaml").write_text("data: {file: sample.h5}")
        answer = invoke("simulate", "fit.yaml", "-o", "made.h5")
        assert answer.exit_code == 2
        assert "simulation: this section is required" in answer.stderr


class TestInfo:
    def test_of_a_file_and_of_a_configuration_that_names_it(self, sample, here):
        (here / "fit.yaml").write_text(f"data: {{file: {sample}}}")
        answers = [invoke("info", source) for source in (sample, "fit.yaml")]
        assert [answer.exit_code for answer in answers] == [0, 0]
        assert answers[0].output == answers[1].output
        for words in ("0.0054", "0.008", "-30, 0, 30", "6 matrices, layout aps_u, 30 frames, one every 0.1 s"):
            assert words in answers[0].output

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("nothing.h5", "nothing.h5: there is no such file"),
            ("nothing.yaml", "nothing.yaml: cannot be read: No such file or directory"),
            (".", ".: there is no run in this folder"),
            ("text.h5", "text.h5: this is neither an HDF5 nor an NPZ file; its first bytes are b'text'"),
        ],
    )
    def test_of_nothing(self, here, source, words):
        (here / "text.h5").write_text("text")
        answer = invoke("info", source)
        assert answer.exit_code in (1, 2)
        assert words in answer.stderr
        assert not answer.stdout


class TestPlot:
    def test_of_data_needs_no_model(self, sample, here):
        answer = invoke("plot", sample, "--q", "0.008", "--angles", "-40:10")
        assert (answer.exit_code, answer.output) == (0, "sample-pictures/data-01.png\n"), answer.output
        assert (here / "sample-pictures" / "data-01.png").read_bytes().startswith(b"\x89PNG")

    def test_folder_and_diagonal(self, sample):
        answer = invoke("plot", sample, "--q", "0.008", "--angles", "0", "--out", "p", "--diagonal", "median")
        assert (answer.exit_code, answer.output) == (0, "p/data-01.png\n")

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            ([], 1, "there are matrices at 2 wave vectors; choose one of them with q (1/Å): 0.0054, 0.008"),
            (["--q", "0.008", "--angles", "5:9"], 1, "no angle lies in 5:9; there are (degrees): -30, 0, 30"),
            (["--q", "0.008", "--diagonal", "x"], 2, "diagonal: expected one of 'measured', 'masked', 'neighbours'"),
        ],
    )
    def test_wrong(self, sample, here, arguments, code, words):
        answer = invoke("plot", sample, *arguments)
        assert answer.exit_code == code
        assert words in answer.stderr
        assert not list(here.iterdir())


class TestConvert:
    def test_to_a_file_that_can_be_loaded(self, here):
        answer = invoke("convert", HOMODYNE, "-o", "ours.yaml")
        assert answer.exit_code == 0, answer.output
        assert answer.output.startswith("Taken over from ")
        assert answer.output.endswith("ours.yaml\nNow run: wilks xpcs fit ours.yaml\n")
        configuration = load(here / "ours.yaml").configuration
        assert configuration.convention().shear_power == 4
        assert configuration.parameters()["alpha"] == -0.4

    def test_to_the_terminal_the_configuration_alone_goes_to_the_output(self):
        answer = invoke("convert", HOMODYNE)
        assert answer.exit_code == 0
        assert answer.stderr.startswith("Taken over from ")
        assert answer.stdout.startswith("# Translated from homodyne_configuration.yaml.\n")
        (Path() / "again.yaml").write_text(answer.stdout)
        assert load("again.yaml").configuration.data.q == 0.006

    def test_refused(self, here):
        (here / "ours.yaml").write_text("data: {file: sample.h5}\n")
        answer = invoke("convert", "ours.yaml")
        assert answer.exit_code == 2
        assert answer.stderr.startswith("ours.yaml: expected a configuration of homodyne or xpcsjax, with keys such as")
        answer = invoke("convert", HOMODYNE, "-o", "ours.yaml")
        assert (answer.exit_code, answer.output) == (1, "ours.yaml: exists; use --overwrite to replace it\n")
        assert invoke("convert", HOMODYNE, "-o", "ours.yaml", "--overwrite").exit_code == 0
        answer = invoke("convert", "nothing.yaml")
        assert (answer.exit_code, answer.stderr) == (2, "nothing.yaml: cannot be read: No such file or directory\n")


class TestInit:
    @pytest.mark.parametrize("mode", ["static", "laminar_flow"])
    def test_the_template_lacks_nothing_but_the_data(self, here, mode):
        answer = invoke("init", "new/my.yaml", "--mode", mode)
        assert answer.exit_code == 0
        assert answer.output == "new/my.yaml\nNow set data.file in it, and run: wilks xpcs fit new/my.yaml\n"
        assert load(here / "new/my.yaml").configuration.model.mode == mode
        answer = invoke("fit", "new/my.yaml")
        assert answer.exit_code == 1
        assert answer.stderr.startswith("new/my.yaml:9: data: ")
        assert "new/measurement.h5: there is no such file" in answer.stderr

    def test_refused(self, here):
        answer = invoke("init", "--mode", "statik")
        assert answer.exit_code == 2
        assert "expected 'static' or 'laminar_flow', got 'statik' (did you mean 'static'?)" in answer.stderr
        (here / "xpcs.yaml").write_text("precious")
        answer = invoke("init")
        assert (answer.exit_code, answer.stderr) == (1, "xpcs.yaml: exists; use --overwrite to replace it\n")
        assert (here / "xpcs.yaml").read_text() == "precious"
        (here / "file").write_text("")
        answer = invoke("init", "file/xpcs.yaml")
        assert (answer.exit_code, answer.stderr) == (1, "file/xpcs.yaml: cannot be written: File exists\n")


def test_a_command_line_that_only_asks_loads_nothing_heavy():
    code = """
        import sys
        from typer.testing import CliRunner
        from wilks.cli.main import app
        for words in ("--version", "--help", "xpcs --help", "xpcs fit --help", "xpcs fit --nonsense"):
            assert CliRunner().invoke(app, words.split()).exit_code in (0, 2)
        heavy = ("wilks.xpcs", "scipy", "pandas", "h5py", "matplotlib", "numba", "jax", "yaml", "psutil")
        print([name for name in heavy if name in sys.modules])
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
