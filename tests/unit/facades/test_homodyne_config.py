"""The settings of homodyne: its defaults, its keys, and errors where it is silent."""

from pathlib import Path

import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne import ConfigManager, HybridRecoveryConfig, NLSQConfig, safe_bool, safe_float, safe_int
from wilks.facades.homodyne.config_keys import KEYS, WITHOUT_FIELD, nested
from wilks.facades.homodyne.question import asked

TEXT = """
analysis_mode: laminar_flow
initial_parameters:
  parameter_names: [D0, alpha, gamma_dot_0]
  values: [2000.0, 0.5, null]
  fixed_parameters: {beta: 0.0}
parameter_space:
  bounds:
    - {name: D0, min: 100, max: 10000}
    - {name: gamma_dot_t0, min: 1.0e-4, max: 1.0e-2}
optimization:
  nlsq:
    tolerance: 1.0e-6
    multi_start: {enable: true, n_starts: 20}
    diagnostics: {enabled: false}
"""


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "config.yaml"
    found.write_text(TEXT)
    return found


def test_example_of_the_page(path, capsys):
    config = NLSQConfig.from_yaml(str(path))
    print(f"Tolerance: {config.tolerance}")  # noqa: T201 - the example
    print(f"Max iterations: {config.max_iterations}")  # noqa: T201 - the example
    assert capsys.readouterr().out == "Tolerance: 1e-06\nMax iterations: 1000\n"
    assert (config.enable_multi_start, config.multi_start_n_starts, config.enable_diagnostics) == (True, 20, False)
    assert config.not_default() == ["ftol", "enable_diagnostics", "enable_multi_start", "multi_start_n_starts"]


def test_defaults_of_the_page():
    config = NLSQConfig()
    assert config.is_valid()
    assert (config.loss, config.max_iterations, config.x_scale, config.per_angle_mode) == (
        "soft_l1",
        1000,
        "jac",
        "auto",
    )
    assert (config.cmaes_max_restarts, config.hybrid_chunk_size, config.multi_start_seed) == (9, 10000, 42)
    assert config.to_workflow_kwargs() == {
        "ftol": 1e-8,
        "gtol": 1e-8,
        "xtol": 1e-8,
        "max_nfev": 1000,
        "loss": "soft_l1",
    }


def test_every_field_has_a_key_and_goes_round():
    config = NLSQConfig()
    fields = {name for name in vars(config) if not name.startswith("_")}
    assert fields == set(KEYS.values())
    for key, name in KEYS.items():
        value = getattr(config, name)
        changed = (not value) if isinstance(value, bool) else "x" if isinstance(value, str) else (value or 0) + 1
        again = NLSQConfig.from_dict(nested({key: changed}))
        assert getattr(again, name) == changed
        assert NLSQConfig.from_dict(again.to_dict()) == again


@pytest.mark.parametrize("key", sorted(WITHOUT_FIELD))
def test_keys_without_a_field_are_known(key):
    assert NLSQConfig.from_dict(nested({key: None})) == NLSQConfig()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"los": "linear"}, "unknown key 'los'; did you mean 'loss'"),
        ({"multi_start": {"n_start": 3}}, "unknown key 'multi_start.n_start'; did you mean 'multi_start.n_starts'"),
        ({"cmaes": 3}, "cmaes: expected a mapping, got 3"),
    ],
)
def test_misspelt_keys(given, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        NLSQConfig.from_dict(given)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("loss", "cauchi", "loss: expected one of"),
        ("per_angle_mode", "each", "per_angle_mode: expected one of"),
        ("ftol", 0.0, "ftol: expected a positive number, got 0"),
        ("max_iterations", 1.5, "max_iterations: expected a whole number, got 1.5"),
        ("max_iterations", True, "max_iterations: expected a whole number, got True"),
        ("gtol", "tiny", "gtol: expected a number, got 'tiny'"),
        ("enable_cmaes", 1, "enable_cmaes: expected true or false, got 1"),
        ("multi_start_screen_keep_fraction", 1.5, "expected a fraction"),
        ("max_recovery_attempts", -1, "max_recovery_attempts: expected a number >= 0"),
    ],
)
def test_values_that_cannot_be_used(field, value, message):
    config = NLSQConfig(**{field: value})
    assert not config.is_valid()
    (found,) = config.validate()
    assert message in found


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.yaml"):
        NLSQConfig.from_yaml(str(tmp_path / "gone.yaml"))
    for text, message in [
        ("analysis_mode: static", "expected a section optimization.nlsq"),
        ("optimization: {nlsq: {ftol: -1}}", "ftol: expected a positive number"),
    ]:
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ValueError, match=message):
            NLSQConfig.from_yaml(str(tmp_path / "bad.yaml"))


def test_conversions():
    assert (safe_float("3.14", 0.0), safe_float(None, 1.0), safe_float("invalid", 2.5)) == (3.14, 1.0, 2.5)
    assert (safe_int("42", 0), safe_int(None, 10), safe_int("invalid", 5), safe_int(float("inf"), 1)) == (42, 10, 5, 1)
    assert (safe_bool("False", True), safe_bool(True, False), safe_bool(None, True)) == (False, True, True)


def test_retries_become_more_careful():
    recovery = HybridRecoveryConfig(lr_decay=0.1)
    assert recovery.get_retry_settings(0) == {"lr_multiplier": 1, "lambda_multiplier": 1, "trust_multiplier": 1}
    assert recovery.get_retry_settings(1) == {"lr_multiplier": 0.1, "lambda_multiplier": 2, "trust_multiplier": 0.5}


def test_manager_reads_a_file(path):
    manager = ConfigManager(path)
    assert manager.config["optimization"]["nlsq"]["tolerance"] == 1e-6
    assert manager.get_config() is manager.config
    assert not manager.is_static_mode_enabled()
    assert manager.get_target_angle_ranges() == {"enabled": False}
    assert manager.get_active_parameters() == [
        "D0",
        "alpha",
        "D_offset",
        "gamma_dot_t0",
        "gamma_dot_t_offset",
        "phi0",
    ]
    values = manager.get_initial_parameters()
    assert list(values) == manager.get_active_parameters()
    assert (values["D0"], values["alpha"]) == (2000.0, 0.5)
    assert values["gamma_dot_t0"] == pytest.approx(1e-3)  # the middle of the logarithms
    assert values["D_offset"] == values["phi0"] == 0.0
    with pytest.raises(ValueError, match="no value of D_offset"):
        manager.get_initial_parameters(use_midpoint_defaults=False)
    assert manager.get_parameter_bounds(["D0", "contrast"]) == [
        {"name": "D0", "min": 100, "max": 10000, "type": "TruncatedNormal"},
        {"name": "contrast", "min": 0.0, "max": 1.0, "type": "TruncatedNormal"},
    ]


def test_manager_keeps_its_own_copy():
    given = {"optimization": {"nlsq": {}}}
    manager = ConfigManager(config_override=given)
    manager.update_config("optimization.nlsq.loss", "huber")
    assert manager.nlsq() == {"loss": "huber"}
    assert given == {"optimization": {"nlsq": {}}}
    assert manager.get_cmc_config() == {}


def test_manager_reads_json(tmp_path):
    (tmp_path / "config.json").write_text('{"analysis_mode": "static_isotropic"}')
    manager = ConfigManager(tmp_path / "config.json")
    assert manager.is_static_mode_enabled()
    assert manager.analysis_mode == "static"


@pytest.mark.parametrize(
    ("config", "call", "message"),
    [
        ({"analysis_mode": "flow"}, lambda m: m.analysis_mode, "mode"),
        ({"optimization": 3}, lambda m: m.nlsq(), "optimization: expected a mapping, got 3"),
        ({}, lambda m: m.get_parameter_bounds(["D1"]), "'D1' is no parameter"),
        ({"parameter_space": {"bounds": [{"name": "D1"}]}}, lambda m: m.get_parameter_bounds(), "'D1' is no parameter"),
        (
            {"initial_parameters": {"parameter_names": ["D0"], "values": [1, 2]}},
            lambda m: m.get_initial_parameters(),
            "1 parameter_names, but 2 values",
        ),
        (
            {"initial_parameters": {"parameter_names": ["D0", "alhpa"], "values": [1, 2]}},
            lambda m: m.get_initial_parameters(),
            "'alhpa' is no parameter; .*did you mean 'alpha'",
        ),
        ({"a": 1}, lambda m: m.update_config("a.b", 2), "'a' in 'a.b' is a value"),
    ],
)
def test_manager_refuses(config, call, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        call(ConfigManager(config_override=config))


def test_manager_of_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidConfigurationError, match="cannot be read"):
        ConfigManager(tmp_path / "gone.yaml")


def test_a_file_with_every_key_of_homodyne():
    manager = ConfigManager(Path(__file__).parents[1] / "xpcs" / "homodyne_configuration.yaml")
    boxes = {box["name"]: (box["min"], box["max"]) for box in manager.get_parameter_bounds()}
    assert boxes["D0"] == (1000.0, 1e5)  # the file has "1e5", in quotes
    assert manager.get_active_parameters() == ["D0", "D_offset", "gamma_dot_t0", "beta", "phi0"]
    assert manager.get_initial_parameters()["gamma_dot_t0"] == 0.005
    question = asked(manager)
    assert (question.mode, question.dt, question.gap, question.q) == ("laminar_flow", 0.2, 1.5e6, 0.006)
    assert question.space.constants == {"alpha": -0.4, "gamma_dot_offset": 0.0}
    assert (question.nlsq.multi_start_sampling_strategy, question.options.loss.name) == ("sobol", "soft_l1")


def test_a_bound_that_is_no_number():
    config = {"parameter_space": {"bounds": [{"name": "D0", "min": "low", "max": 1e5}]}}
    with pytest.raises(InvalidConfigurationError, match="min of D0: expected a number, got 'low'"):
        ConfigManager(config_override=config).get_parameter_bounds()
