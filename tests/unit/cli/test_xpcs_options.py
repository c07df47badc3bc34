import re

import pytest
from typer.testing import CliRunner

from wilks.cli.main import app
from wilks.cli.xpcs import analysis
from wilks.cli.xpcs.loading import Maps, load
from wilks.cli.xpcs.options import DATA, FIT, MODEL, OUTPUT, SIMULATION
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.configuration import load_document, minimal

RUNNER = CliRunner()

SETS = {
    "--q": ("0.0054", "data.q", 0.0054),
    "--q-tolerance": ("0.05", "data.q_tolerance", 0.05),
    "--angles": ("-10:10,80,170:-170", "data.angles", "-10:10,80,170:-170"),
    "--frames": ("11:90", "data.frames", [11, 90]),
    "--dt": ("0.1", "data.dt", 0.1),
    "--gap": ("2000000.0", "data.gap", 2e6),
    "--sigma": ("0.02", "data.sigma", 0.02),
    "--layout": ("aps_u", "data.layout", "aps_u"),
    "--cache": ("folder", "data.cache", "folder"),
    "--mode": ("static", "model.mode", "static"),
    "--scaling": ("averaged", "model.scaling", "averaged"),
    "--convention": ("homodyne", "model.convention", "homodyne"),
    "--fix": ("D_offset=-3", "model.parameters.D_offset", -3),
    "--bounds": ("D0=1e3:1e5", "model.parameters.D0", {"bounds": [1e3, 1e5]}),
    "--start": ("alpha=-0.5", "model.start.alpha", -0.5),
    "--multi-start": (None, "fit.method", "multi_start"),
    "--cmaes": (None, "fit.method", "cma_es"),
    "--local": (None, "fit.method", "local"),
    "--starts": ("200", "fit.n_starts", 200),
    "--loss": ("huber", "fit.loss", "huber"),
    "--memory": ("2GB", "fit.memory_limit", "2GB"),
    "--seed": ("4", "seed", 4),
    "--out": ("folder", "output.folder", "folder"),
    "--formats": ("json, hdf5", "output.formats", ["json", "hdf5"]),
    "--pictures/--no-pictures": (None, "output.pictures", True),
    "--report/--no-report": (None, "output.report", True),
    "--set": ("fit.n_refined=7", "fit.n_refined", 7),
}
SIMULATION_SETS = {
    "--mode": ("static", "model.mode", "static"),
    "--convention": ("homodyne", "model.convention", "homodyne"),
    "--value": ("D0=2e4", "simulation.values.D0", 2e4),
    "--frames": ("50", "simulation.n_frames", 50),
    "--dt": ("0.1", "simulation.dt", 0.1),
    "--q": ("0.0054", "simulation.q", 0.0054),
    "--gap": ("2e6", "simulation.gap", 2e6),
    "--phi": ("-30,0,45.5", "simulation.phi", [-30, 0, 45.5]),
    "--contrast": ("0.2", "simulation.contrast", 0.2),
    "--offset": ("1.1", "simulation.offset", 1.1),
    "--sigma": ("0.02", "simulation.sigma", 0.02),
    "--layout": ("npz", "simulation.layout", "npz"),
    "--seed": ("4", "seed", 4),
    "--set": ("seed=3", "seed", 3),
}


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


@pytest.fixture
def given(monkeypatch):
    """Function that returns what a command line hands to the analysis."""

    def parse(*arguments, command="fit"):
        found = []
        monkeypatch.setattr(analysis, "carry_out", lambda *args, **keywords: found.append((args, keywords)) or 0)
        answer = invoke(command, "sample.h5", *arguments)
        assert answer.exit_code == 0, answer.output
        return found[0]

    return parse


def typed(flag, text):
    on = flag.split("/")[0]
    return [on] if text is None else [on, text]


def test_the_lists_of_this_file_are_complete():
    assert set(SETS) == {option.flag for option in [*DATA, *MODEL, *FIT, *OUTPUT]}
    assert set(SIMULATION_SETS) == {option.flag for option in SIMULATION}


@pytest.mark.parametrize("flag", SETS)
def test_an_option_sets_the_key_that_it_says(given, flag):
    text, key, value = SETS[flag]
    arguments, keywords = given(*typed(flag, text))
    overrides = arguments[1].overrides()
    assert [(each.key, each.value, each.option) for each in overrides] == [(key, value, " ".join(typed(flag, text)))]
    assert keywords == {"resume": False, "quiet": False}


@pytest.mark.parametrize("flag", SIMULATION_SETS)
def test_an_option_of_the_simulation_sets_the_key_that_it_says(monkeypatch, flag):
    text, key, value = SIMULATION_SETS[flag]
    found = []
    monkeypatch.setattr(
        "wilks.cli.xpcs.simulating.simulate", lambda config, given, *_, **__: found.extend(given.overrides())
    )
    answer = invoke("simulate", "-o", "made.h5", *typed(flag, text))
    assert answer.exit_code == 0, answer.output
    assert [(each.key, each.value) for each in found] == [(key, value)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--no-pictures"], [("output.pictures", False)]),
        (["--no-report"], [("output.report", False)]),
        (["--frames", "101:"], [("data.frames", [101, None])]),
        (["--frames", ":50"], [("data.frames", [1, 50])]),
        (["--scaling", "fourier:2"], [("model.scaling", {"fourier": 2})]),
        (
            ["--fix", "alpha=0", "--fix", "D_offset=1e2"],
            [("model.parameters.alpha", 0), ("model.parameters.D_offset", 1e2)],
        ),
        (["--set", "fit.weights=[1, 2]", "--set", "seed=2"], [("fit.weights", [1, 2]), ("seed", 2)]),
        ([], []),
    ],
)
def test_forms_of_options(given, arguments, expected):
    (_, found, *_), _ = given(*arguments)
    assert [(each.key, each.value) for each in found.overrides()] == expected


def test_flags_of_the_run(given):
    assert given("--resume", "-q")[1] == {"resume": True, "quiet": True}


def test_all_options_together_reach_the_objects_of_the_fit(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left_out = ("--multi-start", "--local", "--start", "--pictures/--no-pictures", "--report/--no-report")
    arguments = [part for flag, row in SETS.items() if flag not in left_out for part in typed(flag, row[0])]
    starts = ["--start", "D0=2e4", "--start", "alpha=-0.5"]
    (source, found, *_), _ = given(*arguments, *starts, "--no-pictures", "--no-report")
    configuration = load(source, found).configuration
    assert configuration.file == tmp_path / "sample.h5"
    assert configuration.folder == tmp_path / "folder"
    data = configuration.data
    assert (data.q, data.q_tolerance, data.dt, data.gap, data.sigma) == (0.0054, 0.05, 0.1, 2e6, 0.02)
    assert (data.layout, data.cache, data.frames) == ("aps_u", str(tmp_path / "folder"), [11, 90])
    assert data.chosen_angles() == ((-10, 10), 80, (170, -170))
    assert configuration.model.mode == "static"
    assert configuration.scaling().kind == "averaged"
    assert configuration.convention().shear_power == 4
    assert configuration.parameters()["D_offset"] == -3
    assert (configuration.parameters()["D0"].lower, configuration.parameters()["D0"].upper) == (1e3, 1e5)
    assert configuration.start() == {"D0": 2e4, "alpha": -0.5}
    options = configuration.options()
    assert (options.method, options.n_starts, options.n_refined) == ("cma_es", 200, 7)
    assert (options.loss.name, options.memory_limit) == ("huber", "2GB")
    assert configuration.seed == 4
    output = configuration.output
    assert (output.formats, output.pictures, output.report) == (["json", "hdf5"], False, False)


WRONG = {
    "--q 0": "--q 0.0: data.q: expected a number > 0, got 0.0",
    "--q abc": "Invalid value for '--q'",
    "--q-tolerance 3": "--q-tolerance 3.0: data.q_tolerance: expected a number < 1, got 3.0",
    "--angles a:b": "--angles a:b: data.angles: expected angles and ranges in degrees such as '-10:10,80,170:-170'",
    "--angles 5:": "--angles 5:: data.angles: expected angles and ranges",
    "--frames 5": "--frames 5: expected FIRST:LAST, counted from 1, such as 1:500 or 101:",
    "--frames a:b": "--frames a:b: expected FIRST:LAST",
    "--frames 0:9": "--frames 0:9: data.frames.0: expected a whole number >= 1, got 0",
    "--frames 5:1": "--frames 5:1: data.frames: expected a last frame after the first one, got 5 and 1",
    "--dt 0": "--dt 0.0: data.dt: expected a number > 0",
    "--gap -1": "--gap -1.0: data.gap: expected a number > 0",
    "--sigma 0": "--sigma 0.0: data.sigma: expected a number > 0",
    "--layout aps": "--layout aps: data.layout: 'aps' is unknown",
    "--mode flow": "--mode flow: model.mode: expected 'static' or 'laminar_flow', got 'flow'",
    "--scaling fourier:x": "--scaling fourier:x: model.scaling.fourier: expected an integer order >= 0, got 'x'",
    "--scaling mean": "--scaling mean: model.scaling: expected individual, averaged, constant, auto",
    "--convention mine": "--convention mine: model.convention: expected physical or homodyne",
    "--fix D0": "--fix D0: expected NAME=VALUE, such as --fix phi0=-5",
    "--fix D1=3": "--fix D1=3: model.parameters.D1: 'D1' is unknown; they are D0, alpha, D_offset",
    "--fix D0=x": "--fix D0=x: model.parameters.D0: expected a number, got 'x'",
    "--bounds D0=5": "--bounds D0=5: expected NAME=LOWER:UPPER, such as --bounds D0=100:1e6",
    "--bounds D0=5:1": "--bounds D0=5:1: model.parameters.D0.bounds: expected lower < upper, got (5.0, 1.0)",
    "--start D0": "--start D0: expected NAME=VALUE, such as --start D0=20000",
    "--start D0=1e9": "--start D0=1e9: model.start.D0: expected a value in [100.0, 100000.0], got 1000000000.0; start",
    "--starts 0": "--starts 0: fit.n_starts: expected an integer >= 1, got 0",
    "--loss square": "--loss square: fit.loss: expected one of 'linear', 'soft_l1', 'huber', 'cauchy', 'arctan', got",
    "--memory much": "--memory much: fit.memory_limit: memory_limit must be a number of bytes",
    "--seed -1": "--seed -1: seed: expected a number >= 0, got -1",
    "--formats txt": "--formats txt: output.formats.0: 'txt' is unknown; expected one of json, npz, hdf5",
    "--set seed": "--set seed: expected KEY=VALUE, such as --set fit.n_starts=2000",
    "--set fit.los=huber": "--set fit.los=huber: fit.los: unknown key, did you mean 'loss'?",
    "--set model.mode.x=3": "--set model.mode.x=3: model.mode is 'static', which has no entries, got 'x'",
    "--cmaes --local": "--cmaes and --local both set fit.method; give one of them",
    "--fix D0=1 --bounds D0=1:2": "--fix D0=1 and --bounds D0=1:2 both set model.parameters.D0; give one of them",
    "--fix D0=1 --fix D0=2": "--fix D0=1 and --fix D0=2 both set model.parameters.D0; give one of them",
    "--nonsense": "No such option: --nonsense",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_value_is_said_with_its_option_before_anything_is_read(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    mode = [] if "--mode" in arguments else ["--mode", "static"]
    answer = invoke("fit", "sample.h5", *mode, *arguments.split())
    assert answer.exit_code == 2, answer.output
    assert WRONG[arguments] in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "options"),
    [("fit", [*DATA, *MODEL, *FIT, *OUTPUT]), ("profile", [*DATA, *MODEL, *FIT, *OUTPUT]), ("simulate", SIMULATION)],
)
def test_help_lists_every_option_with_its_words(command, options):
    answer = invoke(command, "--help")
    assert answer.exit_code == 0
    text = re.sub(r"\s+", " ", answer.output)
    for option in options:
        assert re.search(rf" {option.flag.split('/')[0]}[ /]", text), option.flag
        assert option.help in text, option.flag


def test_help_lists_the_commands():
    answer = invoke("--help")
    for command in ("fit", "profile", "plot", "info", "simulate", "convert", "init"):
        assert f"  {command} " in answer.output


class TestMaps:
    def tasks(self, over, grid=None, before=()):
        document = minimal("sample.h5")
        document.data |= {"model": {"mode": "static"}, "profile": list(before)}
        known = load_document(document).configuration.profile
        changed = load_document(document, Maps.of(over, grid).overrides(known)).configuration.profile
        return [(task.over, task.grid) for task in changed]

    def test_of_options(self):
        assert self.tasks(["D0,alpha"], "41,31") == [(["D0", "alpha"], [41, 31])]
        assert self.tasks(["D0", " alpha "]) == [(["D0"], None), (["alpha"], None)]

    def test_maps_of_the_configuration_are_kept(self):
        before = [{"over": ["D0"], "grid": [9]}]
        assert self.tasks(["alpha"], None, before) == [(["D0"], [9]), (["alpha"], None)]

    def test_the_same_parameters_are_the_same_map(self):
        before = [{"over": ["D0"], "grid": [9]}, {"over": ["alpha"]}]
        assert self.tasks(["D0"], None, before) == [(["D0"], [9]), (["alpha"], None)]
        assert self.tasks(["D0"], "21", before) == [(["D0"], [21]), (["alpha"], None)]
        assert self.tasks(["D0", "D0"], "21") == [(["D0"], [21])]

    @pytest.mark.parametrize(
        ("over", "grid", "words"),
        [
            (["D0,alhpa"], None, "--over D0,alhpa: profile.0.over.1: 'alhpa' is unknown, did you mean 'alpha'?"),
            (["D0"], "4,4", "--over D0 --grid 4,4: profile.0.grid: expected 1 numbers of nodes, one for each of D0"),
            (["D0"], "1", "--over D0 --grid 1: profile.0.grid.0: expected a number >= 2, got 1"),
            (["D0,alpha,a,b"], None, "--over D0,alpha,a,b: expected one to 3 parameters for a map"),
            (["D0"], "x", "--grid x: expected numbers of nodes, such as 41,41"),
            (["D0,D0"], None, "--over D0,D0: profile.0.over.1: 'D0' is there twice"),
        ],
    )
    def test_wrong(self, over, grid, words):
        with pytest.raises(InvalidConfigurationError, match=re.escape(words)):
            self.tasks(over, grid)

    def test_names_of_homodyne(self):
        assert Maps.of(["gamma_dot_t0"], None).over == (("gamma_dot_0",),)
