import copy
from pathlib import Path

import pytest

import wilks
from wilks import xpcs
from wilks.store.document import Document, parse
from wilks.xpcs.configuration import load, load_document, load_text
from wilks.xpcs.translation import is_reference, translate
from wilks.xpcs.translation_rules import SECTIONS, keys_of

FILE = Path(__file__).parent / "homodyne_configuration.yaml"
SMALL = """\
analysis_mode: static
analyzer_parameters: {dt: 0.1, start_frame: 1, end_frame: 500}
experimental_data: {file_path: a.h5}
"""


@pytest.fixture(scope="module")
def theirs():
    return parse(FILE.read_text("utf-8"), FILE)


def changed(theirs, **values):
    """The configuration with other values; of a name in the call, __ is the dot of a key."""
    data = copy.deepcopy(theirs.data)
    for name, value in values.items():
        *above, last = name.split("__")
        target = data
        for key in above:
            target = target[key]
        target[last] = value
    return Document(theirs.path, data, theirs.lines)


def ours(document):
    return translate(document).document.data


def message_of(text):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        load_text(text, "old.yaml")
    return str(error.value)


def test_the_whole_of_it(theirs):
    assert is_reference(theirs)
    assert ours(theirs) == {
        "data": {
            "file": "./data/sample.hdf",
            "dt": 0.2,
            "q": 0.006,
            "gap": 1500000,
            "frames": [11, None],
            "angles": [[-10.0, 10.0], [170.0, -170.0]],
            "cache": "./cached/",
        },
        "model": {
            "mode": "laminar_flow",
            "convention": "homodyne",
            "scaling": "individual",
            "parameters": {
                "alpha": -0.4,
                "gamma_dot_offset": 0.0,
                "contrast": {"bounds": [0.0, 0.5]},
                "offset": {"bounds": [0.9, 1.1]},
                "D0": {"bounds": [1e3, 1e5]},
                "gamma_dot_0": {"bounds": [1e-5, 0.1]},
                "phi0": {"bounds": [-20.0, 20.0]},
            },
            "start": {"D0": 2e4, "D_offset": 1.0, "gamma_dot_0": 0.005, "beta": 0.1, "phi0": -5.0},
        },
        "fit": {
            "loss": "soft_l1",
            "max_iterations": 60,
            "method": "multi_start",
            "design": "sobol",
            "n_starts": 1000,
            "n_refined": 30,
            "memory_limit": 0.5,
        },
        "seed": 43,
        "output": {"folder": "./results", "formats": ["hdf5"], "pictures": False},
    }


def test_it_is_a_configuration_of_ours():
    loaded = load(FILE, ["fit.loss=linear"])
    configuration = loaded.configuration
    assert configuration.convention() == xpcs.Convention.homodyne()
    assert configuration.file == FILE.parent / "data/sample.hdf"
    assert configuration.parameters()["D0"] == wilks.Real(1e3, 1e5, scale="log")
    assert configuration.options().loss == wilks.Loss("linear")
    assert loaded.translation is not None
    assert load_text("data: {file: a.h5}", "a.yaml").translation is None


def leaves(value, path=()):
    """Dotted keys, entries of a list of mappings as []; what an open section holds counts as the section."""
    dotted = ".".join(path).replace(".[]", "[]")
    if dotted in SECTIONS and SECTIONS[dotted].is_open:
        yield dotted
    elif isinstance(value, dict) and dotted in SECTIONS:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and f"{dotted}[]" in SECTIONS:
        yield dotted
        for item in value:
            yield from leaves(item, (*path, "[]"))
    else:
        yield dotted


TAKEN_WITH_THEIR_LIST = {"min_angle", "max_angle", "name", "min", "max"}


def test_every_key_is_accounted_for_once(theirs):
    translation = translate(theirs)
    taken = {entry.theirs for entry in translation.translated}
    dropped = [entry.key for entry in translation.dropped]
    assert len(dropped) == len(set(dropped))
    assert not taken & set(dropped)
    expected = {key for key in leaves(theirs.data) if key.rpartition("[].")[2] not in TAKEN_WITH_THEIR_LIST}
    assert expected == taken | set(dropped)
    assert all(entry.why.strip() and not entry.why.endswith(".") for entry in translation.dropped)


def test_the_file_has_every_section_of_the_schema(theirs):
    """So that the tests above see all rules; what only other versions have is named here."""
    present = {key.rpartition(".")[0] for key in leaves(theirs.data)} | set(leaves(theirs.data)) | {""}
    other = {"optimization.angle_filtering", "optimization.nlsq.streaming", "optimization.nlsq.stratified"}
    other |= {"optimization.nlsq.recovery", "preprocessing", "data_filtering", "advanced_features", "v2_features"}
    assert set(SECTIONS) - present == other


def test_lines_are_those_of_their_file(theirs):
    translation = translate(theirs)
    text = FILE.read_text("utf-8").splitlines()

    def line(*place):
        return text[translation.document.order(place) - 1]

    assert "wavevector_q" in line("data", "q")
    assert "max_angle: -170.0" in line("data", "angles", 1)
    assert "name: phi0" in line("model", "parameters", "phi0", "bounds")
    assert "fixed_parameters" in line("model", "parameters", "alpha")
    assert "loss:" in line("fit", "loss")
    assert "values:" in line("model", "start", "D0")
    assert "data_file_name" in line("data")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimization: {nlsq: {los: huber}}", "old.yaml:4: optimization.nlsq.los: unknown key, did you mean 'loss'?"),
        ("optimisation: {}", "old.yaml:4: optimisation: unknown key, did you mean 'optimization'?"),
        ("phi_filtering: {target_ranges: [{min: 1}]}", "4: phi_filtering.target_ranges.0.min: unknown key"),
        (
            "phi_filtering: {enabled: true, target_ranges: [{min_angle: 1}]}",
            "phi_filtering.target_ranges.0: expected min_angle and",
        ),
        ("phi_filtering: {enabled: true, target_ranges: 3}", "4: phi_filtering.target_ranges: expected a list, got 3"),
        (
            "parameter_space: {bounds: [{name: D9, min: 1, max: 2}]}",
            "parameter_space.bounds.0: 'D9' is no parameter",
        ),
        ("parameter_space: {bounds: [{name: D0, min: 1}]}", "bounds.0: expected numbers as min and max of D0"),
        ("parameter_space: {bounds: [D0]}", "4: parameter_space.bounds.0: expected a mapping"),
        ("parameter_space: 3", "4: parameter_space: expected a mapping (key: value), got 3"),
        (
            "parameter_space:\n  bounds:\n    - {name: D0, min: 5, max: 1}",
            "6: model.parameters.D0.bounds: expected lower < upper, got (5.0, 1.0)",
        ),
        ("initial_parameters: {values: [1, 2]}", "4: initial_parameters.values: expected 3 values, of D0, alpha"),
        (
            "initial_parameters: {fixed_parameters: [D0]}",
            "fixed_parameters: expected a mapping (key: value)",
        ),
        ("initial_parameters: {fixed_parameters: {D1: 1}}", "fixed_parameters.D1: 'D1' is no parameter"),
        (
            "initial_parameters: {fixed_parameters: {beta: 1}}",
            "fixed_parameters.beta: 'beta' belongs to the mode laminar_flow, and the mode is static",
        ),
        ("initial_parameters: {fixed_parameters: {contrast: 1}}", "expected contrast and offset together"),
        (
            "initial_parameters: {active_parameters: [D0, alhpa]}",
            "active_parameters.1: 'alhpa' is no parameter, did you mean 'alpha'?",
        ),
        ("initial_parameters: {active_parameters: [D0]}", "alpha, D_offset would be held, at no value"),
        ("initial_parameters: {tied_parameters: {alpha: beta}}", "expected null: parameters cannot be tied"),
        (
            "initial_parameters:\n  values:\n    - 1.0e+9\n    - 0\n    - 0",
            "old.yaml:6: model.start.D0: expected a value in [100.0, 100000.0], got 1000000000.0",
        ),
        ("optimization: {nlsq: {loss: hubr}}", "old.yaml:4: fit.loss: expected one of 'linear'"),
        (
            "optimization: {nlsq: {anti_degeneracy: {per_angle_mode: indiv}}}",
            "per_angle_mode: 'indiv' is unknown, did you mean 'individual'?",
        ),
        (
            "optimization: {nlsq: {multi_start: {enable: true, sampling_strategy: grid}}}",
            "old.yaml:4: fit.design: expected one of 'latin_hypercube', 'sobol', 'random', got 'grid'",
        ),
        ("performance: {memory_limit_gb: much}", "memory_limit_gb: expected a number of GB, got 'much'"),
        (
            "phi_filtering: {enabled: no}",
            "phi_filtering.enabled: expected true or false, got 'no' (yes, no, on and off",
        ),
        (
            "optimization: {nlsq: {cmaes: {enable: 1}}}",
            "4: optimization.nlsq.cmaes.enable: expected true or false, got 1",
        ),
        ("optimization: {nlsq: {multi_start: {enable: yes}}}", "nlsq.multi_start.enable: expected true or false"),
        ("preprocessing: {enabled: true}", "4: preprocessing.enabled: expected false: it would change what is fitted"),
        ("data_filtering: {enabled: true, q_range: {min: 0.1}}", "data_filtering.enabled: expected false"),
        (
            "optimization: {angle_filtering: {enabled: true}}",
            "expected false: it would change what is fitted; phi",
        ),
        ("output: {formats: {json: yes}}", "4: output.formats.json: expected true or false, got 'yes'"),
        (
            "optimization: {nlsq: {anti_degeneracy: {regularization: {enable: true, mode: absolute}}}}",
            "regularization.mode: expected relative, with the width target_cv, got 'absolute'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_their_line(text, expected):
    assert expected in message_of(SMALL + text)


def test_modes():
    def translated(mode):
        return ours(parse(f"analysis_mode: {mode}", Path("old.yaml")))["model"]["mode"]

    assert [translated(mode) for mode in ("static", "static_isotropic", "static_anisotropic", "Laminar_Flow")] == [
        *(["static"] * 3),
        "laminar_flow",
    ]
    assert message_of("analysis_mode: two_component").startswith("old.yaml:1: analysis_mode: expected 'static' or")
    assert message_of("analyzer_parameters: {dt: 1}") == (
        "old.yaml:1: analysis_mode: this key is required: static or laminar_flow"
    )


def test_frame_step_must_be_one():
    text = "analysis_mode: static\nanalyzer_parameters: {frame_step: 2}"
    assert "old.yaml:2: analyzer_parameters.frame_step: expected 1" in message_of(text)


def test_times_are_in_seconds():
    text = "analysis_mode: static\nanalyzer_parameters: {dt: 0.1, time_unit: %s}"
    assert "old.yaml:2: analyzer_parameters.time_unit: expected seconds" in message_of(text % "ms")
    assert ours(parse(text % "seconds", Path("old.yaml")))["data"] == {"dt": 0.1}


def test_what_is_not_named_is_what_it_is_there_or_remarked_upon():
    translation = translate(parse(SMALL, Path("old.yaml")))
    data = translation.document.data
    assert (data["model"]["scaling"], data["fit"]) == ("individual", {"loss": "soft_l1"})
    notes = {entry.ours: entry.note for entry in translation.translated}
    assert notes["fit.loss"].startswith("not in the file, and soft_l1 there: residuals are in units of sigma")
    assert notes["model.scaling"].startswith(
        "not in the file, and auto there: a contrast and an offset for every angle"
    )
    assert notes["model.convention"] == ""  # nothing is sheared


def test_the_scaling_of_a_section_that_is_switched_off_does_not_count(theirs):
    section = {"enable": False, "per_angle_mode": "constant"}
    document = changed(theirs, optimization__nlsq__anti_degeneracy=section)
    assert "scaling" not in ours(document)["model"]
    assert load_document(document).configuration.scaling() == xpcs.Scaling.individual()


def test_values_null_means_no_start(theirs):
    document = changed(theirs, initial_parameters__values=None, initial_parameters__active_parameters=None)
    assert "start" not in ours(document)["model"]


def test_bounds_of_the_flow_do_not_matter_without_it(theirs):
    space = {"bounds": [{"name": "beta", "min": 0, "max": 1}, {"name": "D0", "min": 1, "max": 5}]}
    document = Document(Path("x"), {"analysis_mode": "static", "parameter_space": space})
    assert ours(document)["model"]["parameters"] == {"D0": {"bounds": [1.0, 5.0]}}


def test_fixed_contrast_and_offset_are_a_scaling(theirs):
    document = changed(theirs, initial_parameters__fixed_parameters={"contrast": 0.2, "offset": 1.0})
    assert ours(document)["model"]["scaling"] == {"constant": {"contrast": 0.2, "offset": 1.0}}
    assert load_document(document).configuration.scaling() == xpcs.Scaling.constant(0.2, 1.0)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", "individual"),
        ("individual", "individual"),
        ("constant", "constant"),
        ("fourier", {"fourier": 3}),
        ("auto_averaged", "averaged"),
    ],
)
def test_scaling(theirs, mode, expected):
    document = changed(theirs, optimization__nlsq__anti_degeneracy__per_angle_mode=mode)
    translation = translate(document)
    assert translation.document.data["model"]["scaling"] == expected
    order = "optimization.nlsq.anti_degeneracy.fourier_order"
    assert (order in {entry.theirs for entry in translation.translated}) is (mode == "fourier")


@pytest.mark.parametrize(
    ("several", "evolution", "select", "method"),
    [
        (False, False, True, "multi_start"),
        (True, False, True, "multi_start"),
        (False, True, True, "auto"),
        (True, True, False, "cma_es"),
    ],
)
def test_search(theirs, several, evolution, select, method):
    fit = ours(
        changed(
            theirs,
            optimization__nlsq__multi_start__enable=several,
            optimization__nlsq__cmaes__enable=evolution,
            optimization__nlsq__cmaes__auto_select=select,
        )
    )["fit"]
    assert fit["method"] == method
    assert fit.get("n_restarts") == (7 if evolution else None)
    assert fit.get("design") == ("sobol" if several else None)


def test_the_evolution_strategy_is_chosen_by_the_widths_unless_told_otherwise():
    document = parse(SMALL + "optimization: {nlsq: {cmaes: {enable: true}}}", Path("old.yaml"))
    assert ours(document)["fit"]["method"] == "auto"


def test_a_fixed_value_goes_before_the_initial_one(theirs):
    document = changed(theirs, initial_parameters__active_parameters=["D0", "phi0"])
    parameters = ours(document)["model"]["parameters"]
    assert (parameters["alpha"], parameters["D_offset"], parameters["beta"]) == (-0.4, 1.0, 0.1)


def test_more_starts_than_the_default_are_taken_over(theirs):
    assert ours(changed(theirs, optimization__nlsq__multi_start__n_starts=5000))["fit"]["n_starts"] == 5000


def test_regularisation(theirs):
    document = changed(theirs, optimization__nlsq__anti_degeneracy__regularization__enable=True)
    options = load_document(document).configuration.options()
    assert options.regularisation == xpcs.Shrinkage(contrast=0.2, offset=0.2, relative=True)


def test_memory_and_threads(theirs):
    assert ours(changed(theirs, performance__memory_limit_gb=4))["fit"]["memory_limit"] == "4GB"
    in_gb = changed(theirs, optimization__nlsq__memory_threshold_gb=1.5)
    assert ours(in_gb)["fit"]["memory_limit"] == "1.5GB"
    assert load_document(in_gb).configuration.options().memory_limit == "1.5GB"
    assert ours(changed(theirs, performance__computation__cpu_threads=3))["fit"]["n_threads"] == 3


def test_file_and_cache(theirs):
    section = {"file_path": "b.h5", "cache_directory": "kept", "use_caching": True}
    assert ours(changed(theirs, experimental_data=section))["data"]["cache"] == "kept"
    assert ours(changed(theirs, experimental_data=section))["data"]["file"] == "b.h5"
    section["use_caching"] = False
    assert "cache" not in ours(changed(theirs, experimental_data=section))["data"]


def test_angles_that_are_not_filtered(theirs):
    assert "angles" not in ours(changed(theirs, phi_filtering__enabled=False))["data"]
    assert "angles" not in ours(changed(theirs, phi_filtering__target_ranges=[]))["data"]
    ranges = {"target_ranges": [{"min_angle": -10, "max_angle": 10}]}  # not enabled there by default
    assert "angles" not in ours(changed(theirs, phi_filtering=ranges))["data"]


def test_output_formats_as_a_list(theirs):
    assert ours(changed(theirs, output__formats=["yaml", "npz"]))["output"]["formats"] == ["npz"]
    assert "formats" not in ours(changed(theirs, output__formats=["yaml"]))["output"]
    assert ours(changed(theirs, output__directory=None))["output"]["folder"] == "./homodyne_results/"


def test_what_is_switched_off_is_said_to_be(theirs):
    reasons = {entry.key: entry.why for entry in translate(theirs).dropped}
    assert reasons["optimization.nlsq.cmaes.sigma"] == "switched off in the file"
    assert reasons["optimization.nlsq.multi_start.use_screening"] != "switched off in the file"


def test_a_later_first_frame_is_remarked_upon(theirs):
    notes = {entry.ours: entry.note for entry in translate(theirs).translated if entry.note}
    assert "time is counted from frame 1 of the file here" in notes["data.frames"]
    at_once = translate(changed(theirs, analyzer_parameters__start_frame=1))
    assert all(not entry.note for entry in at_once.translated if entry.ours == "data.frames")


def test_text_for_people(theirs):
    text = translate(theirs).text()
    assert all(len(line) <= 80 for line in text.splitlines()[1:])
    assert "  analyzer_parameters.scattering.wavevector_q\n    -> data.q: 0.006\n" in text
    assert "    -> data.angles: [[-10.0, 10.0], [170.0, -170.0]]\n" in text
    assert "  initial_parameters.fixed_parameters\n    -> model.parameters.alpha: -0.4\n" in text
    assert "accepted there and ignored; it counts here" in text
    assert "  optimization.nlsq.hybrid_streaming (25 keys)\n    -> how much memory" in text
    for entry in translate(theirs).dropped:
        assert entry.key.rpartition(".")[0] in text


def test_the_yaml_is_a_configuration_of_ours(theirs):
    text = translate(theirs).yaml()
    assert text.startswith(f"# Translated from {FILE.name}.\n# model.convention: sinc^4")
    assert load_text(text, FILE).configuration == load(FILE).configuration
    assert all(len(line) <= 80 for line in text.splitlines() if line.startswith("#"))


def test_a_dictionary_can_be_translated(theirs):
    plain = {"analysis_mode": "static", "analyzer_parameters": {"dt": 0.5}}
    assert ours(Document(Path("config"), plain))["data"] == {"dt": 0.5}
    plain["experimental_data"] = {"file_path": "a.h5"}
    assert load_document(Document(Path("config"), plain)).configuration.data.dt == 0.5


def test_keys_of_a_section():
    assert keys_of("performance") == (
        "strategy_override",
        "memory_limit_gb",
        "enable_progress",
        "memory_optimization",
        "computation",
    )
    assert "nlsq" in keys_of("optimization")
    assert "nlsq.cmaes" not in keys_of("optimization")
    assert not any("[" in key for section in SECTIONS for key in keys_of(section))
