import dataclasses
import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wilks
from wilks import xpcs
from wilks.store.document import parse
from wilks.xpcs.config_sections import Data, Fit, Model, Output, ProfileTask, Simulation
from wilks.xpcs.configuration import Configuration, Override, load, load_document, load_text, minimal
from wilks.xpcs.files import ReadOptions
from wilks.xpcs.parameters import DEFAULTS

GOOD = """\
data:
  file: sample.h5
  q: 0.0054
  q_tolerance: 0.02
  angles: "-10:10,80"
  frames: [11, null]
  dt: 0.1
  gap: 2e6
  sigma: 0.02
  cache: cached
model:
  mode: laminar_flow
  convention: {shear_power: 4}
  scaling: {fourier: 2}
  parameters:
    D0: {bounds: [1e3, 1e5]}
    gamma_dot_t0: {bounds: [0.001, 0.1], scale: linear}
    alpha: -0.5
    offset: {bounds: [-0.5, 0.5]}
  start: {D0: 2e4, D_offset: 0, gamma_dot_0: 0.01, beta: 0, gamma_dot_offset: 0, phi0: -5}
fit:
  method: cma_es
  loss: {name: huber, scale: 2}
  weights: {shear: {minimum: 0.5}}
  regularisation: {contrast: 0.05}
  memory_limit: 2GB
seed: 7
output: {folder: results, formats: [json], report: false}
simulation:
  values: {D0: 2e4, alpha: 0, D_offset: 0, gamma_dot_t0: 0.01, beta: 0, gamma_dot_offset: 0, phi0: -5}
  n_frames: 20
  dt: 0.1
  q: 0.0054
  gap: 2e6
  phi: [0, 45, 90]
  contrast: [0.1, 0.2, 0.3]
  sigma: 0.01
"""


def configured(text, overrides=(), path="here/analysis.yaml"):
    return load_text(text, path, overrides).configuration


def message_of(text, overrides=()):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        configured(text, overrides)
    return str(error.value)


def with_data(text):
    return f"data: {{file: a.h5}}\n{text}"


def test_defaults_are_those_of_the_fit():
    configuration = configured("data: {file: a.h5}")
    assert configuration.options() == xpcs.FitOptions()
    assert configuration.convention() == xpcs.Convention()
    assert configuration.scaling() == xpcs.Scaling.individual()
    assert configuration.start() is None
    assert configuration.seed == 1
    boxes = configuration.parameters()
    assert {name: (box.lower, box.upper, box.scale) for name, box in boxes.items() if name in DEFAULTS} == {
        name: (box.lower, box.upper, box.scale) for name, box in DEFAULTS.items()
    }
    assert (boxes["contrast"], boxes["offset"]) == (wilks.Real(0, 1), wilks.Real(0.5, 1.5))
    read = ReadOptions()
    assert {name: getattr(configuration.data, name) for name in ("layout", "q_tolerance", "angle_tolerance")} == {
        name: getattr(read, name) for name in ("layout", "q_tolerance", "angle_tolerance")
    }


def test_every_option_of_the_fit_is_a_key():
    assert list(Fit.model_fields) == [field.name for field in dataclasses.fields(xpcs.FitOptions)]


def test_every_section():
    configuration = configured(GOOD)
    assert configuration.convention() == xpcs.Convention(shear_power=4)
    assert configuration.scaling() == xpcs.Scaling.fourier(2)
    boxes = configuration.parameters()
    assert boxes["D0"] == wilks.Real(1e3, 1e5, scale="log")
    assert boxes["gamma_dot_0"] == wilks.Real(0.001, 0.1)
    assert boxes["alpha"] == -0.5
    assert boxes["offset"] == wilks.Real(-0.5, 0.5)
    options = configuration.options()
    assert (options.method, options.loss, options.memory_limit) == ("cma_es", wilks.Loss("huber", 2.0), "2GB")
    assert options.weights == xpcs.ShearWeights(minimum=0.5)
    assert options.regularisation == xpcs.Shrinkage(contrast=0.05)
    assert configuration.seed == 7
    assert configuration.start()["phi0"] == -5.0
    assert configuration.data.chosen_angles() == ((-10.0, 10.0), 80.0)


def test_the_fit_takes_the_arguments():
    text = """\
        data: {file: a.h5}
        model: {mode: static, parameters: {D_offset: 0}, start: {D0: 2e4, alpha: 0}}
        simulation:
          {values: {D0: 2e4, alpha: -0.3, D_offset: 0}, n_frames: 40, dt: 0.1, q: 0.0054, phi: [0, 90], sigma: 0.01}
        """
    configuration = configured(text)
    data = configuration.simulate()
    result = xpcs.fit(data, **configuration.arguments(), start=configuration.start(), seed=1, callbacks=())
    assert result.status.success
    assert abs(result.values["alpha"] + 0.3) < 4 * result.standard_errors["alpha"]
    by_hand = xpcs.fit(
        data, "static", parameters={"D_offset": 0.0}, start={"D0": 2e4, "alpha": 0.0}, seed=1, callbacks=()
    )
    assert result.values == by_hand.values
    problem = xpcs.problem(data, **configuration.arguments())
    assert problem.space.free == ("D0", "alpha")


def test_the_same_seed_simulates_the_same():
    first, second = configured(GOOD).simulate(), configured(GOOD).simulate()
    other = configured(GOOD, ["seed=8"]).simulate()
    np.testing.assert_array_equal(first.read_c2(1), second.read_c2(1))
    assert not np.array_equal(first.read_c2(1), other.read_c2(1))
    assert first.gap == 2e6
    assert other.phi.tolist() == [0, 45, 90]


@pytest.fixture
def measured(tmp_path):
    """An NPZ file in a folder beside that of the configuration, and the path of the configuration."""
    t = 0.1 * np.arange(30)
    c2 = np.random.default_rng(1).normal(1.2, 0.01, (4, 30, 30))
    c2 = (c2 + c2.transpose(0, 2, 1)) / 2
    file = tmp_path / "data" / "sample.npz"
    file.parent.mkdir()
    np.savez(file, c2_exp=c2, phi_angles_list=[0.0, 45.0, 90.0, 175.0], wavevector_q_list=[0.0054], t1=t, t2=t)
    config = tmp_path / "configs" / "analysis.yaml"
    config.parent.mkdir()
    return file, c2, config


def test_reading(measured):
    file, c2, config = measured
    config.write_text(
        "data: {file: ../data/sample.npz, q: 0.0054, angles: [45, [170, -170]], frames: [11, 25], gap: 2e6, sigma: 0.1}"
    )
    loaded = load(config)
    data = loaded.read()
    assert loaded.configuration.file == file
    assert data.phi.tolist() == [45.0, 175.0]
    np.testing.assert_allclose(data.t, 0.1 * np.arange(10, 25))
    np.testing.assert_array_equal(data.read_c2(1), c2[3][10:25, 10:25])
    assert (data.q, data.gap, data.dt) == (0.0054, 2e6, pytest.approx(0.1))
    assert data.read_sigma(0) == 0.1


def test_what_the_file_does_not_have_is_refused_with_the_line(measured):
    _, _, config = measured
    config.write_text("model: {mode: static}\ndata:\n  file: ../data/sample.npz\n  q: 0.1\n")
    with pytest.raises(wilks.InvalidDataError, match=re.escape(f"{config}:2: data: ")):
        load(config).read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model:\n  mode: laminar_flow", "2: data.gap: expected the width of the sheared gap in Å"),
        ("model:\n  mode: static\n  scaling: {fourier: 2}", "5: model.scaling: a Fourier series of order 2"),
        (
            "model:\n  mode: static\n  scaling: {constant: {contrast: [0.1, 0.2, 0.3]}}",
            "5: model.scaling: Scaling.constant has 3 values, but the data have 4 angles",
        ),
        (
            "model:\n  mode: static\nfit:\n  weights: [1, 2]",
            "6: fit.weights: expected one for each of the 4 angles",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused_with_the_line(measured, text, expected):
    _, _, config = measured
    config.write_text(f"data:\n  file: ../data/sample.npz\n{text}\n")
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        load(config).read()
    line, _, rest = expected.partition(":")
    assert f"{config}:{int(line) - (1 if 'gap' in rest else 0)}:{rest}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: {}", "1: data.file: this key is required"),
        ("model: {mode: static}", "1: data: this section is required"),
        ("data: {file: a.h5, qq: 1}", "1: data.qq: unknown key, did you mean 'q'?"),
        ("data: {file: a.h5, q: 0}", "1: data.q: expected a number > 0, got 0"),
        ("data: {file: a.h5, q: '1'}", "1: data.q: expected a number, got '1'"),
        ("data:\n  file: a.h5\n  layout: aps", "3: data.layout: 'aps' is unknown, did you mean 'aps_u'?"),
        ("data: {file: a.h5, layout: 3}", "1: data.layout: 3 is unknown; expected one of auto, aps_u, aps_old, npz"),
        ("data: {file: a.h5, frames: 20}", "1: data.frames: expected the first and the last frame"),
        ("data: {file: a.h5, frames: [0, 5]}", "1: data.frames.0: expected a whole number >= 1, got 0"),
        ("data: {file: a.h5, frames: [1, 2.5]}", "1: data.frames.1: expected a whole number >= 1, got 2.5"),
        (
            "data: {file: a.h5, frames: [9, 5]}",
            "1: data.frames: expected a last frame after the first one, got 9",
        ),
        ("data: {file: a.h5, angles: 'x'}", "1: data.angles: expected angles and ranges in degrees"),
        ("data: {file: a.h5, angles: []}", "1: data.angles: expected at least one angle or range"),
        ("data: {file: a.h5, angles: [1, [2, 3, 4]]}", "1: data.angles.1: expected an angle, or a range [from, to]"),
        ("data: {file: a.h5, angles: [[2, a]]}", "1: data.angles.0.1: expected a number, got 'a'"),
        (with_data("model: {mode: statik}"), "2: model.mode: expected 'static' or 'laminar_flow', got 'statik'"),
        (with_data("model: {mode: 3}"), "2: model.mode: expected 'static' or 'laminar_flow', got 3"),
        (with_data("model: {convention: other}"), "2: model.convention: expected physical or homodyne, or a mapping"),
        (with_data("model: {convention: {shear_powr: 2}}"), "unknown key, did you mean 'shear_power'?"),
        (with_data("model: {convention: {shear_power: 3}}"), "2: model.convention.shear_power: expected 2"),
        (with_data("model: {scaling: [1]}"), "2: model.scaling: expected individual, averaged, constant, auto"),
        (with_data("model: {scaling: indivdual}"), "got 'indivdual', did you mean 'individual'?"),
        (
            with_data("model: {scaling: {fourier: -1}}"),
            "2: model.scaling.fourier: expected an integer order >= 0",
        ),
        (with_data("model: {scaling: {fourier: 1, constant: {}}}"), "2: model.scaling: expected individual"),
        (with_data("model: {scaling: {constant: 3}}"), "2: model.scaling.constant: expected a mapping"),
        (with_data("model: {scaling: {constant: {contrast: x}}}"), "constant.contrast: expected a number, got 'x'"),
        (with_data("model: {parameters: [1]}"), "2: model.parameters: expected a mapping of names"),
        (with_data("model: {parameters: {D1: 3}}"), "2: model.parameters.D1: 'D1' is unknown"),
        (with_data("model: {parameters: {gama_dot_0: 3}}"), "(did you mean 'gamma_dot_0'?)"),
        (
            with_data("model:\n  mode: static\n  parameters:\n    gamma_dot_t0: 3"),
            "5: model.parameters.gamma_dot_0: 'gamma_dot_0' belongs to mode='laminar_flow', but mode is 'static'",
        ),
        (
            with_data("model: {parameters: {phi0: {bounds: [5, 1]}}}"),
            "2: model.parameters.phi0.bounds: expected lower < upper, got (5.0, 1.0)",
        ),
        (with_data("model: {parameters: {phi0: {bounds: 5}}}"), "phi0.bounds: expected bounds: [lower, upper], got 5"),
        (with_data("model: {parameters: {phi0: {bound: [1, 2]}}}"), "phi0.bound: unknown key, did you mean 'bounds'?"),
        (with_data("model: {parameters: {phi0: }}"), "phi0: expected a number, which fixes it, or {bounds"),
        (
            with_data("model: {parameters: {D_offset: {bounds: [-1, 1], scale: log}}}"),
            "model.parameters.D_offset.bounds: lower > 0 is needed for scale='log'",
        ),
        (with_data("model: {parameters: {D0: {bounds: [1, 2], scale: lin}}}"), "D0.scale: expected linear or log"),
        (with_data("model: {parameters: {D0: .inf}}"), "model.parameters.D0: expected a number, got inf"),
        (
            with_data("model: {parameters: {phi0: 1, phi_0: 2}}"),
            "model.parameters.phi_0: 'phi0' and 'phi_0' are the same parameter; give one",
        ),
        (
            with_data("model: {parameters: {contrast: 0.3}}"),
            "contrast: expected bounds; to fix it, write scaling: {constant: {contrast: 0.3}}",
        ),
        (
            with_data("model: {mode: static, parameters: {D0: 1e3, alpha: 0, D_offset: 0}}"),
            "2: model.parameters: all of D0, alpha, D_offset are fixed, nothing is left to fit",
        ),
        (
            with_data("model:\n  mode: static\n  start: {D0: 1e9, alpha: 0, D_offset: 0}"),
            "4: model.start.D0: expected a value in [100.0, 100000.0], got 1000000000.0",
        ),
        (with_data("model: {mode: static, start: {D0: 1e3}}"), "2: model.start: expected a value for every free"),
        (with_data("model: {mode: static, start: {beta: 0}}"), "start.beta: 'beta' belongs to the mode laminar_flow"),
        (with_data("model: {start: {alfa: 0}}"), "model.start.alfa: 'alfa' is unknown, did you mean 'alpha'?"),
        (with_data("model: {start: {D0: big}}"), "2: model.start.D0: expected a number, got 'big'"),
        (with_data("model: {start: {contrast: 0.1}}"), "start.contrast: it follows from the other parameters"),
        (with_data("fit: {method: best}"), "2: fit.method: expected one of 'multi_start'"),
        (with_data("fit: {n_starts: 0}"), "2: fit.n_starts: expected an integer >= 1, got 0"),
        (with_data("fit: {n_starts: 20.0}"), "2: fit.n_starts: expected a whole number, got 20.0"),
        (with_data("fit: {design: sobl}"), "got 'sobl' (did you mean 'sobol'?)"),
        (with_data("fit: {loss: hubr}"), "2: fit.loss: expected one of 'linear'"),
        (with_data("fit: {loss: {nam: huber}}"), "2: fit.loss.nam: unknown key, did you mean 'name'?"),
        (with_data("fit: {loss: {scale: 2}}"), "2: fit.loss: expected a name, or a mapping with name and scale"),
        (with_data("fit: {loss: {name: huber, scale: 0}}"), "2: fit.loss: expected a positive scale"),
        (with_data("fit: {weights: 3}"), "2: fit.weights: expected a list with one weight for every angle"),
        (with_data("fit: {weights: [1, -1]}"), "2: fit.weights: expected positive numbers, one for each angle"),
        (with_data("fit: {weights: {shear: {minimum: 2}}}"), "2: fit.weights.shear: expected exponent >= 0"),
        (
            with_data("model: {mode: static}\nfit: {weights: {shear: }}"),
            "3: fit.weights: weights by the shear need the mode laminar_flow",
        ),
        (with_data("fit: {method: local}"), "2: fit.method: local goes from model.start alone, and there is none"),
        (with_data("fit: {regularisation: {}}"), "2: fit.regularisation: expected a width for contrast"),
        (with_data("fit: {regularisation: {contrast: 0}}"), "fit.regularisation.contrast: expected a number > 0"),
        (with_data("fit: {memory_limit: -1}"), "2: fit.memory_limit: expected a size"),
        (with_data("fit: {kernel: cuda}"), "2: fit.kernel: expected one of 'auto', 'numpy', 'numba', got 'cuda'"),
        (with_data("fit: {n_threads: 0}"), "2: fit.n_threads: expected an integer >= 1, got 0"),
        (with_data("fit: {tolerance: 2}"), "2: fit.tolerance: expected 0 < tolerance < 1, got 2"),
        (with_data("seed: -1"), "2: seed: expected a number >= 0, got -1"),
        (with_data("output: {formats: [yaml]}"), "2: output.formats.0: 'yaml' is unknown"),
        (with_data("output: {pictures: 3}"), "2: output.pictures: expected true or false, got 3"),
        (with_data("profile: [{over: [D9]}]"), "2: profile.0.over.0: 'D9' is unknown; expected one of D0"),
        (with_data("profile: [{over: [[D0]]}]"), "2: profile.0.over.0: expected text, got a list of length 1"),
        (with_data("profile: [{over: [D0, D0]}]"), "2: profile.0.over.1: 'D0' is there twice"),
        (with_data("profile: [{over: [D0], grid: [4, 4]}]"), "2: profile.0.grid: expected 1 numbers of nodes"),
        (with_data("profile: [{over: [D0], grid: [1]}]"), "2: profile.0.grid.0: expected a number >= 2, got 1"),
        (
            with_data("model: {parameters: {D0: 2e4}}\nprofile:\n  - over: [D0]"),
            "4: profile.0.over.0: 'D0' is fixed in model.parameters, it cannot be profiled too",
        ),
        (with_data("fit: {loss: huber}\nprofile: [{over: [D0]}]"), "3: profile.0: a profile is one of chi-squared"),
        (
            "simulation: {values: {D0: 1e4}, n_frames: 9, dt: 1, q: 1, phi: [0], gap: 1}",
            "1: simulation.values: expected a value for every parameter, alpha, D_offset",
        ),
        (
            "model: {mode: static}\nsimulation: {values: {beta: 1}, n_frames: 2, dt: 1, q: 1, phi: [0]}",
            "2: simulation.n_frames: expected a number >= 3, got 2",
        ),
        (
            "model: {mode: static}\nsimulation: {values: {beta: 1}, n_frames: 3, dt: 1, q: 1, phi: [0]}",
            "2: simulation.values.beta: 'beta' belongs to the mode laminar_flow, and the mode is static",
        ),
        ("simulation: {values: {}, n_frames: 9, dt: 1, q: 1, phi: [0]}", "1: simulation: expected gap"),
        (
            "simulation: {values: {}, n_frames: 9, dt: 1, q: 1, phi: [0], contrast: [1, 2]}",
            "1: simulation.contrast: expected one number, or one for each of the 1 angles, got 2",
        ),
        ("simulation: {values: {}, n_frames: 9, dt: 1, q: 1, phi: [0], sigma: -1}", "1: simulation.sigma: expected"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(text, expected):
    message = message_of(text)
    if expected[0].isdigit():
        expected = f"here/analysis.yaml:{expected}"
    assert expected in message.replace("gamma_dot_t0:", "gamma_dot_0:")


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file():
    text = "data: {file: a.h5}\nmodel:\n  parameters:\n    phi0: {bounds: [3, 1]}\n    D1: 2\n"
    lines = message_of(text).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["here/analysis.yaml:4", "here/analysis.yaml:5"]


def test_aliases_keep_their_line():
    text = "data: {file: a.h5}\nmodel:\n  parameters:\n    D0: 1e4\n    gamma_dot_t0: {bounds: [3, 1]}\n"
    assert message_of(text).startswith("here/analysis.yaml:5: ")


def test_aliases_are_understood_everywhere():
    text = """\
        data: {file: a.h5}
        model:
          start: {D0: 2e4, alpha: 0, D_offset: 0, gamma_dot_t0: 0.01, beta: 0, gamma_dot_t_offset: 0, phi_0: -5}
        profile: [{over: [gamma_dot_t0, phi0]}]
        """
    configuration = configured(text)
    assert set(configuration.start()) == set(DEFAULTS)
    assert configuration.profile[0].over == ["gamma_dot_0", "phi0"]


def test_a_section_whose_keys_are_all_commented_out_is_empty():
    text = "data: {file: a.h5}\nmodel:\nfit:\noutput:\nprofile:\nsimulation:\n"
    assert configured(text) == configured("data: {file: a.h5}")


def test_scale_of_a_box_without_one():
    text = with_data(
        "model: {parameters: {D0: {bounds: [1, 9]}, phi0: {bounds: [1, 9]}, gamma_dot_0: {bounds: [0, 1]}}}"
    )
    boxes = configured(text).parameters()
    assert [boxes[name].scale for name in ("D0", "phi0", "gamma_dot_0")] == ["log", "linear", "linear"]


def test_overrides():
    overrides = [
        "model.mode=static",
        "fit.loss={name: cauchy, scale: 3}",
        "fit.n_starts=5",
        "data.angles=-10:10",
        Override("data.q", 0.01, "--q 0.01"),
    ]
    configuration = configured("data: {file: a.h5, q: 0.02}", overrides)
    assert configuration.model.mode == "static"
    assert configuration.options().loss == wilks.Loss("cauchy", 3.0)
    assert configuration.options().n_starts == 5
    assert configuration.data.angles == "-10:10"
    assert configuration.data.q == 0.01


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("fit.n_starts=x", "--set fit.n_starts=x: fit.n_starts: expected a whole number, got 'x'"),
        ("fit.nstarts=3", "--set fit.nstarts=3: fit.nstarts: unknown key, did you mean 'n_starts'?"),
        ("fit", "--set: expected KEY=VALUE, such as model.mode=static, got 'fit'"),
        ("=3", "--set: expected KEY=VALUE"),
        ("data..q=3", "--set: expected KEY=VALUE, such as model.mode=static, got 'data..q=3'"),
        ("data.frames.0=5", "--set data.frames.0=5: data.frames: expected the first and the last frame"),
        ("seed=[", "--set seed=[: not valid YAML"),
        (Override("data.q", -1, "--q -1"), "--q -1: data.q: expected a number > 0, got -1"),
        (Override("model.mode", "statc", "--mode statc"), "--mode statc: model.mode: expected 'static'"),
    ],
)
def test_a_wrong_override_is_named(override, expected):
    assert expected in message_of("data: {file: a.h5}", [override])


def test_paths_are_relative_to_the_file_and_in_options_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "data: {file: ../a.h5, cache: kept}\noutput: {folder: out}"
    configuration = configured(text)
    assert configuration.file == tmp_path / "a.h5"
    assert configuration.data.cache == str(tmp_path / "here/kept")
    assert configuration.folder == tmp_path / "here/out"
    overridden = configured(text, ["data.file=b.h5", Override("output.folder", "there", "--out there")])
    assert overridden.file == tmp_path / "b.h5"
    assert overridden.folder == tmp_path / "there"
    whole = configured(text, ["data={file: c.h5}"])
    assert whole.file == tmp_path / "c.h5"


def test_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert configured("data: {file: ~/a.h5}").file == Path("/somewhere/a.h5")


def test_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configured("data: {file: deep/sample.2.h5}").folder == tmp_path / "sample.2-fit"
    assert configured(GOOD.partition("model:")[0] + "output: {}").output.folder is None


def test_what_is_not_there_is_asked_for():
    only = configured("simulation:" + GOOD.partition("simulation:")[2])
    with pytest.raises(wilks.InvalidConfigurationError, match="data: this section is required"):
        only.read()
    with pytest.raises(wilks.InvalidConfigurationError, match="data: this section is required"):
        _ = only.file
    with pytest.raises(wilks.InvalidConfigurationError, match="simulation: this section is required"):
        configured("data: {file: a.h5}").simulate()


def test_a_command_line_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_document(minimal("data/sample.h5"), ["model.mode=static", "data.q=0.0054"])
    assert loaded.configuration == configured("data: {file: ../data/sample.h5, q: 0.0054}\nmodel: {mode: static}")
    assert loaded.configuration.file == tmp_path / "data/sample.h5"
    with pytest.raises(wilks.InvalidConfigurationError, match=r"^the command line: model\.start: expected a value for"):
        load_document(minimal("sample.h5"), [Override("model", {"start": {"D0": 1e4}}, "the command line")])


def test_json(tmp_path):
    path = tmp_path / "analysis.json"
    plain = {"data": {"file": "a\tb.h5"}, "model": {"mode": "static"}, "fit": {"tolerance": 1e-7}}
    path.write_text(json.dumps(plain, indent="\t"))
    configuration = load(path).configuration
    assert configuration.file == tmp_path / "a\tb.h5"
    assert configuration.options().tolerance == 1e-7
    path.write_text(json.dumps({"data": {"file": "a.h5", "q": -1}}, indent="\t"))
    with pytest.raises(wilks.InvalidConfigurationError, match=re.escape(f"{path}:4: data.q: expected a number > 0")):
        load(path)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(wilks.InvalidConfigurationError, match=r"missing\.yaml: cannot be read: No such file"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\x89HDF\xff")
    with pytest.raises(wilks.InvalidConfigurationError, match=r"binary\.yaml: expected YAML or JSON in UTF-8"):
        load(tmp_path / "binary.yaml")
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbfdata: {file: a.h5}")
    assert load(tmp_path / "marked.yaml").configuration.file.name == "a.h5"
    (tmp_path / "marked.json").write_bytes(b'\xef\xbb\xbf{"data": {"file": "b.h5"}}')
    assert load(tmp_path / "marked.json").configuration.file.name == "b.h5"
    (tmp_path / "broken.json").write_text('{"data":\n {"file": }}')
    with pytest.raises(wilks.InvalidConfigurationError, match=r"broken\.json:2: not valid JSON: Expecting value"):
        load(tmp_path / "broken.json")


def test_the_resolved_configuration_reads_back():
    configuration = configured(GOOD)
    assert configured(configuration.resolved(), path="elsewhere/x.yaml") == configuration


def test_the_resolved_configuration_moves_with_its_data(tmp_path):
    configuration = configured("data: {file: ../data/a.h5}\noutput: {folder: .}", path=tmp_path / "run/x.yaml")
    text = configuration.resolved(tmp_path / "run")
    assert parse(text, Path("x")).data["data"]["file"] == "../data/a.h5"
    assert configured(text, path=tmp_path / "run/config.yaml") == configuration
    assert configured(text, path=tmp_path / "moved/run/config.yaml").file == tmp_path / "moved/data/a.h5"
    far = configuration.resolved(tmp_path / "deep/inside/run")
    assert parse(far, Path("x")).data["data"]["file"] == str(tmp_path / "data/a.h5")


def _box():
    low, width = st.floats(1e-3, 1e3), st.floats(1e-2, 1e3)
    scales = st.sampled_from(["linear", "log", None])
    return st.builds(lambda a, b, s: {"bounds": [a, a + b], "scale": s}, low, width, scales)


_PER_ANGLE = st.one_of(st.none(), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=1, max_size=4))
_NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"], blacklist_characters="~/"), min_size=1)
_PLAIN = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"file": _NAMES.filter(str.strip)},
            optional={
                "layout": st.sampled_from(["auto", "aps_u", "aps_old", "npz"]),
                "q": st.none() | st.floats(1e-4, 1),
                "q_tolerance": st.floats(0.001, 0.5),
                "angles": st.sampled_from([None, "-10:10,80", [1, [2, 3]], 80, [[170, -170]]]),
                "frames": st.sampled_from([[1, None], [5, 9]]),
                "gap": st.none() | st.floats(1, 1e8),
                "cache": st.none() | _NAMES.filter(str.strip),
            },
        ),
        "model": st.fixed_dictionaries(
            {
                "parameters": st.dictionaries(
                    st.sampled_from(["D0", "alpha", "gamma_dot_t0", "phi_0"]), _box() | st.floats(1, 2)
                )
            },
            optional={
                "convention": st.sampled_from(["physical", "homodyne", {"diffusion_factor": 1}]),
                "scaling": st.sampled_from(["individual", "auto", {"fourier": 3}])
                | st.builds(lambda a, b: {"constant": {"contrast": a, "offset": b}}, _PER_ANGLE, _PER_ANGLE),
            },
        ),
        "fit": st.fixed_dictionaries(
            {},
            optional={
                "n_starts": st.integers(1, 10**6),
                "loss": st.sampled_from(["linear", "huber"]) | st.just({"name": "cauchy"}),
                "weights": st.sampled_from([None, {"shear": None}, {"shear": {"exponent": 2}}]) | st.just([1, 2.5]),
                "regularisation": st.none() | st.builds(lambda w: {"offset": w}, st.floats(1e-3, 1)),
                "memory_limit": st.sampled_from([None, "2GB", 0.5, 10**9]),
                "tolerance": st.floats(1e-12, 0.5),
            },
        ),
        "seed": st.integers(0, 2**40),
        "output": st.fixed_dictionaries({}, optional={"formats": st.lists(st.sampled_from(["json", "npz", "hdf5"]))}),
    }
)


@settings(max_examples=40)
@given(_PLAIN)
def test_a_resolved_configuration_is_complete_and_reads_back(plain):
    configuration = configured(json.dumps(plain, indent="\t"), path="here/x.json")
    text = configuration.resolved()
    assert configured(text, path="there/x.yaml") == configuration
    for name, section in (("data", Data), ("model", Model), ("fit", Fit), ("output", Output)):
        assert set(parse(text, Path("x")).data[name]) == set(section.model_fields)


def _template(mode):
    return (resources.files("wilks.xpcs") / "templates" / f"{mode}.yaml").read_text("utf-8")


_DIFFERS = {
    "static": {("data", "file"), ("model", "mode")},
    "laminar_flow": {("data", "file"), ("data", "gap")},
}
"""Keys for which a template has no default."""


def _required(mode):
    smallest = {"static": "data: {file: a.h5}\nmodel: {mode: static}", "laminar_flow": "data: {file: a.h5, gap: 2e6}"}
    return configured(smallest[mode], path="x.yaml")


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_a_template_holds_the_defaults(mode):
    found, default = configured(_template(mode), path="x.yaml"), _required(mode)
    written = parse(_template(mode), Path("x.yaml")).data
    assert set(written) == set(Configuration.model_fields)
    for name in ("data", "model", "fit", "output"):
        section, expected = getattr(found, name), getattr(default, name)
        assert set(written[name]) == set(type(section).model_fields)
        for key in type(section).model_fields:
            if (name, key) not in _DIFFERS[mode]:
                assert getattr(section, key) == getattr(expected, key), (name, key)
    assert set(written["model"]["parameters"]) == set(default.model.parameters)
    assert (found.model.mode, found.seed, found.profile, found.simulation) == (mode, default.seed, [], None)


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_the_examples_of_a_template_work_when_they_are_commented_in(mode):
    plain, _, examples = _template(mode).partition("profile: []\n")
    shown = re.sub(r"^#(?! \S)", "", examples.replace("simulation: null\n", ""), flags=re.MULTILINE)
    configuration = configured(plain + shown)
    (task,) = configuration.profile
    assert task.arguments() == {"over": tuple(task.over), "grid": (41, 41)}
    written = parse(shown, Path("x")).data
    assert set(written["profile"][0]) == set(ProfileTask.model_fields)
    assert set(written["simulation"]) == set(Simulation.model_fields)
    assert configuration.simulate().n_t == 300


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_a_template_says_something_about_every_key(mode):
    lines = _template(mode).splitlines()
    for number, line in enumerate(lines):
        if re.match(r"  \w+: ", line):
            above = lines[number - 1]
            together = re.match(r"  \w+: ", above)
            assert "#" in line or above.lstrip().startswith("#") or together, line


def test_sections_have_no_key_without_a_word_in_the_page():
    page = (Path(__file__).parents[3] / "docs/concepts/xpcs-configuration.md").read_text("utf-8")
    sections = [Data, Model, Fit, Output, ProfileTask, Simulation]
    missing = [key for section in sections for key in section.model_fields if f"`{key}`" not in page]
    assert not missing
