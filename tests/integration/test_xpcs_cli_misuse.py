"""What can be wrong with files, selections and folders: one clear message and an exit code, never a traceback."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.xpcs.files.handmade import corrupt
from wilks import xpcs
from wilks.cli.main import app
from wilks.xpcs import files

RUNNER = CliRunner()
N, PHI, RINGS = 40, np.array([-30.0, 0.0, 45.0]), (0.0054, 0.008)
VALUES = {"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}
FAST = ["--fix", "D_offset=0", "--starts", "50", "--no-pictures", "--no-report", "--formats", "json"]
STATIC = ["--mode", "static", *FAST]


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    measured = [
        xpcs.simulate(
            VALUES,
            xpcs.Geometry(0.1 * np.arange(N), 0.1, q, None, PHI),
            mode="static",
            sigma=0.02,
            seed=1,
        )
        for q in RINGS
    ]
    for layout in ("aps_u", "aps_old"):
        files.write(folder / f"{layout}.h5", measured, layout=layout)
    files.write(folder / "plain.npz", measured[0], layout="npz")
    return folder


@pytest.fixture
def here(good, tmp_path, monkeypatch):
    """A working folder with copies of good files."""
    folder = tmp_path / "work"
    shutil.copytree(good, folder)
    monkeypatch.chdir(folder)
    return folder


def refused(answer, *words, code=1):
    """One message with these words on the error stream, nothing else there."""
    assert answer.exit_code == code, answer.output
    for each in words:
        assert each in answer.stderr
    assert "Traceback" not in answer.output
    assert not answer.exception or isinstance(answer.exception, SystemExit)
    assert answer.stderr.endswith("\n")
    return answer


def without(name):
    def change(path):
        with h5py.File(path, "r+") as file:
            del file[name]

    return change


def put(name, value):
    def change(path):
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            file[name] = value

    return change


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_layout(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["entry/data/frames"] = np.zeros((3, 4))


MATRICES = "xpcs/twotime/correlation_map"
SPOILT = {
    "no such file": ("aps_u.h5", lambda path: path.unlink(), ["there is no such file"]),
    "a folder without a run": (
        "aps_u.h5",
        lambda path: (path.unlink(), path.mkdir()),
        ["there is no run in this folder", "expected a data file, a configuration, or the folder of a run"],
    ),
    "text": ("aps_u.h5", lambda path: path.write_text("q;c2\n"), ["this is neither an HDF5 nor an NPZ file", "q;c2"]),
    "empty": ("aps_u.h5", lambda path: path.write_bytes(b""), ["the file is empty"]),
    "another layout": ("aps_u.h5", other_layout, ["aps_u", "aps_old", "entry/"]),
    "truncated": ("aps_u.h5", truncated, ["damaged"]),
    "truncated npz": ("plain.npz", truncated, ["plain.npz"]),
    "no list of q": (
        "aps_u.h5",
        without("xpcs/qmap/dynamic_v_list_dim0"),
        ["expected a data set xpcs/qmap/dynamic_v_list_dim0, but it is missing; the file holds:"],
    ),
    "no bins": (
        "aps_u.h5",
        without("xpcs/twotime/processed_bins"),
        ["expected a data set xpcs/twotime/processed_bins, but it is missing"],
    ),
    "no matrices": ("aps_u.h5", without(MATRICES), [MATRICES, "found:"]),
    "a matrix too few": ("aps_u.h5", without(f"{MATRICES}/c2_00006"), ["5", "6"]),
    "bins that cannot be": (
        "aps_u.h5",
        put("xpcs/twotime/processed_bins", [1, 2, 3, 4, 5, 99]),
        ["the bins lead", "dynamic_v_list_dim0"],
    ),
    "q is text": ("aps_u.h5", put("xpcs/qmap/dynamic_v_list_dim0", b"many"), ["expected numbers"]),
    "no interval": (
        "aps_u.h5",
        without("entry/instrument/detector_1/frame_time"),
        ["the time between frames is not in the file", "give dt in s"],
    ),
    "no list of q, old": ("aps_old.h5", without("xpcs/dqlist"), ["xpcs/dqlist"]),
    "no list of angles, old": ("aps_old.h5", without("xpcs/dphilist"), ["xpcs/dphilist"]),
    "no matrices, old": ("aps_old.h5", without("exchange/C2T_all"), ["exchange/C2T_all"]),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_file_that_cannot_be_used(here, case):
    name, spoil, words = SPOILT[case]
    spoil(here / name)
    q = [] if name == "plain.npz" else ["--q", "0.0054"]
    refused(invoke("fit", name, *q, *STATIC, "--out", "run"), name.partition(".")[0], *words)
    assert not (here / "run").exists()


@pytest.mark.parametrize("key", ["c2_exp", "phi_angles_list", "t1"])
def test_an_npz_file_without_an_array(here, key):
    with np.load(here / "plain.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != key}
    np.savez(here / "plain.npz", **kept)
    refused(invoke("fit", "plain.npz", *STATIC, "--dt", "0.1"), "plain.npz", key)


def test_a_damaged_chunk_is_found_when_it_is_read(here):
    corrupt(here / "aps_u.h5", f"{MATRICES}/c2_00002")
    answer = invoke("fit", "aps_u.h5", "--q", "0.0054", *STATIC, "--out", "run")
    refused(answer, "aps_u.h5", "c2_00002", "damaged")
    assert invoke("fit", "aps_u.h5", "--q", "0.008", *STATIC, "--out", "run").exit_code == 0  # those are whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there are matrices at 2 wave vectors; choose one of them with q (1/Å): 0.0054, 0.008"),
        (["--q", "0.006"], "no matrix within 1 % of q = 0.006 1/Å; the nearest are at 0.0054, 0.008. Choose one of"),
        (["--q", "0.0067", "--q-tolerance", "0.5"], "several rings lie within 50 %"),
        (["--q", "0.0054", "--angles", "10:20"], "no angle lies in 10:20; there are (degrees): -30, 0, 45"),
        (["--q", "0.0054", "--angles", "12"], "there are (degrees): -30, 0, 45"),
        (["--q", "0.0054", "--frames", "1:90"], "frames 1 to 90 were asked for, and there are 40"),
        (["--q", "0.0054", "--frames", "70:"], "frames 70 to the end were asked for, and there are 40"),
        (["--q", "0.0054", "--layout", "aps_old"], "expected the group exchange/C2T_all with the matrices, but it is"),
    ],
)
def test_a_selection_that_is_not_there(here, arguments, words):
    answer = refused(invoke("fit", "aps_u.h5", *arguments, *STATIC, "--out", "run"), words)
    assert answer.stderr.startswith(f"{here}/aps_u.h5")
    assert not (here / "run").exists()


def test_laminar_flow_without_a_gap(here):
    answer = invoke("fit", "aps_u.h5", "--q", "0.0054", *FAST)
    refused(answer, "data.gap: expected the width of the sheared gap in Å", "laminar_flow", code=2)
    assert not (here / "aps_u-fit").exists()


class TestConfiguration:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("data:\n  file: aps_u.h5\n  qq: 0.0054\n", "my.yaml:3: data.qq: unknown key, did you mean 'q'?"),
            ("data: {file: aps_u.h5}\nmodel:\n  mode: flow\n", "my.yaml:3: model.mode: expected 'static' or"),
            ("data:\n  file: [\n", "my.yaml:3: not valid YAML"),
            (
                "data: {file: aps_u.h5}\nmodel:\n  mode: static\n  parameters:\n    D0: {bounds: [5, 1]}\n",
                "my.yaml:5: model.parameters.D0.bounds: expected lower < upper, got (5.0, 1.0)",
            ),
            (
                "analysis_mode: static\noptimization:\n  nlsq:\n    los: linear\n",
                "my.yaml:4: optimization.nlsq.los: unkno",
            ),
            ("model: {mode: static}\n", "my.yaml:1: data: this section is required, with the key file at least"),
            ("simulation: null\nmodel: {mode: static}\n", "data: this section is required"),
        ],
    )
    def test_wrong(self, here, text, words):
        (here / "my.yaml").write_text(text)
        refused(invoke("fit", "my.yaml"), words, code=2)

    def test_of_a_simulation_only(self, here):
        (here / "my.yaml").write_text(
            "model: {mode: static}\n"
            "simulation: {values: {D0: 1, alpha: 0, D_offset: 0}, n_frames: 9, dt: 1, q: 0.1, phi: [0]}\n"
        )
        refused(invoke("fit", "my.yaml"), "my.yaml: data: this section is required", code=2)

    def test_does_not_exist(self, here):
        refused(invoke("fit", "no.yaml"), "no.yaml: cannot be read: No such file or directory", code=2)

    def test_names_a_file_that_does_not_exist(self, here):
        (here / "my.yaml").write_text("data:\n  file: gone.h5\nmodel: {mode: static}\n")
        refused(invoke("fit", "my.yaml"), f"my.yaml:1: data: {here}/gone.h5: there is no such file")

    def test_of_homodyne_is_fitted_as_it_is(self, here):
        (here / "old.yaml").write_text(
            "analysis_mode: static\n"
            "analyzer_parameters: {dt: 0.1, start_frame: 1, end_frame: -1, scattering: {wavevector_q: 0.0054}}\n"
            "experimental_data: {file_path: aps_old.h5}\n"
        )
        answer = invoke("fit", "old.yaml", *FAST)
        assert answer.exit_code == 0, answer.output
        assert "experimental_data.file_path\n    -> data.file: aps_old.h5" in answer.output
        assert (here / "aps_old-fit" / "result.json").exists()


class TestFolder:
    def fit(self, out, *more):
        return invoke("fit", "aps_u.h5", "--q", "0.0054", *STATIC, "--out", out, *more)

    def test_a_file_in_its_place(self, here):
        (here / "run").write_text("precious")
        refused(self.fit("run"), f"{here}/run: cannot be made: File exists")
        refused(self.fit("run/sub"), f"{here}/run/sub: cannot be made: Not a directory")
        assert (here / "run").read_text() == "precious"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_no_right_to_write(self, here):
        (here / "closed").mkdir(mode=0o555)
        refused(self.fit("closed/run"), "closed/run: cannot be made: Permission denied")

    def test_a_folder_in_the_place_of_a_file(self, here):
        (here / "run" / "result.json").mkdir(parents=True)
        refused(self.fit("run"), "run/result.json: cannot be written: ")
        (here / "run" / "result.json").rmdir()
        assert self.fit("run", "--resume").exit_code == 0
        assert (here / "run" / "result.json").is_file()

    def test_other_things_in_the_folder_stay(self, here):
        (here / "run").mkdir()
        (here / "run" / "notes.txt").write_text("precious")
        assert self.fit("run").exit_code == 0
        assert (here / "run" / "notes.txt").read_text() == "precious"

    @pytest.mark.parametrize(
        ("name", "words"), [("run.sqlite", "run.sqlite"), ("config.resolved.yaml", "config.resolved.yaml:1: ")]
    )
    def test_a_damaged_file_of_the_run(self, here, name, words):
        assert self.fit("run").exit_code == 0
        (here / "run" / name).write_text("nonsense " * 2000)
        answer = invoke("fit", "run", "--set", "fit.n_refined=3")
        assert answer.exit_code in (1, 2), answer.output
        refused(answer, words, code=answer.exit_code)

    def test_the_data_are_deleted_before_it_goes_on(self, here):
        assert self.fit("run").exit_code == 0
        (here / "aps_u.h5").unlink()
        advice = "is not there; bring it back, or say where it is: --set data.file=FILE"
        refused(invoke("fit", "run"), f"run: the data file of this run, {here}/aps_u.h5, {advice}")
        refused(invoke("profile", "run", "--over", "D0"), advice)
        refused(invoke("plot", "run"), advice)
        refused(self.fit("run", "--resume"), "aps_u.h5: there is no such file")


class TestCache:
    @pytest.fixture
    def result(self, here):
        """Function that fits with a cache, and returns the numbers and what the terminal says."""

        def fit(q, out, *more):
            answer = invoke("fit", "aps_u.h5", "--q", q, *STATIC, "--out", out, *more)
            assert answer.exit_code == 0, answer.output
            parameters = json.loads((here / out / "result.json").read_text())["parameters"]
            return {name: found["value"] for name, found in parameters.items()}, answer.output

        return fit

    def test_the_cache_of_another_wave_vector_is_never_used(self, here, result):
        expected = {q: result(q, f"plain-{q}")[0] for q in RINGS}
        assert expected[RINGS[0]] != expected[RINGS[1]]
        cache = here / "cache"
        for number in (1, 2):  # written, and read
            for q in RINGS:
                assert result(q, f"cached-{q}-{number}", "--cache", "cache")[0] == expected[q]
        first, second = sorted(cache.iterdir())
        shutil.move(first, here / "kept")
        shutil.move(second, first)
        shutil.move(here / "kept", second)  # each under the name of the other
        for q in RINGS:
            assert result(q, f"swapped-{q}", "--cache", "cache")[0] == expected[q]

    @pytest.mark.parametrize("how", ["garbage inside", "truncated", "text", "a file in its place"])
    def test_a_damaged_cache(self, here, result, how):
        expected, _ = result(0.0054, "plain")
        cache = here / "cache"
        if how == "a file in its place":
            cache.write_text("precious")
        else:
            result(0.0054, "first", "--cache", "cache")
            (path,) = cache.iterdir()
            if how == "garbage inside":
                with h5py.File(path) as file:
                    (name,) = file
                corrupt(path, name)
            elif how == "truncated":
                truncated(path)
            else:
                path.write_text("nonsense")
        answer = invoke("fit", "aps_u.h5", "--q", "0.0054", *STATIC, "--out", "second", "--cache", "cache")
        if how == "garbage inside":  # which shows only when the matrix is read, in the middle of the fit
            refused(answer, str(path), "a file of a cache may be deleted")
            path.unlink()
        else:
            assert answer.exit_code == 0, answer.output
            assert "cache" in answer.output.partition("Fit\n")[2]  # a note says that it was not used
        assert result(0.0054, "third", "--cache", "cache")[0] == expected
