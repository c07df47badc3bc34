"""Files of a fit: every number in them is the result's, and other programs can read them."""

import json
import math
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest

import wilks
from tests.unit.store.examples import full_disk, names_in
from wilks import xpcs
from wilks.core.errors import CheckpointError
from wilks.core.table import with_error
from wilks.xpcs import output
from wilks.xpcs.residual_statistics import residual_statistics
from wilks.xpcs.source import Source

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-3, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
FIXED = {"D_offset": 0.0, "gamma_dot_offset": 0.0}
PHI = np.array([80.0, -15.0, 30.0, 5.0])
N_T, DEAD = 24, 2
LOCAL = xpcs.FitOptions(method="local")
SOURCE = Source("runs/rheo_042.hdf", "aps_u", ("c2_00001", "c2_00002", "c2_00003", "c2_00004"), (11, 34), 0.0054,
                (0.00538, 0.00541), cached=True, notes=("Read with a note.",))  # fmt: skip
WRITERS = {"json": output.write_json, "npz": output.write_npz, "h5": output.write_hdf5}


def measured(n_t=N_T, dtype=float):
    """The third angle is dead, and of the first a pixel is not known."""
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, PHI)
    made = xpcs.simulate(FLOW, place, contrast=0.3, sigma=0.005, dtype=dtype, seed=3)
    c2 = np.array([made.matrix(k) for k in range(4)]).astype(dtype)
    c2[DEAD] = np.nan
    c2[0, 3, 7] = c2[0, 7, 3] = np.inf
    return xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, sigma=0.005).with_source(SOURCE)


def fit(data, mode="laminar_flow", **keywords):
    usual = {"parameters": FIXED, "start": FLOW, "options": LOCAL, "seed": 1, "callbacks": ()}
    return xpcs.fit(data, mode, **(usual | keywords))


@pytest.fixture(scope="module")
def data():
    return measured()


@pytest.fixture(scope="module")
def result(data):
    return fit(data)


@pytest.fixture(scope="module")
def open_ended():
    """Nothing flows, so the rates are not determined, and D_offset is at its bound."""
    place = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, 2e6, PHI)
    made = xpcs.simulate(FLOW | {"gamma_dot_0": 1e-9}, place, contrast=0.3, sigma=0.005, seed=3)
    return fit(made, parameters={"D_offset": wilks.Real(500, 1e4), "gamma_dot_offset": 0.0}, start=None,
               options=xpcs.FitOptions(n_starts=30, n_refined=3))  # fmt: skip


@pytest.fixture(scope="module")
def failed(data):
    hopeless = {"alpha": wilks.Real(1e5, 2e5), **FIXED}
    return fit(data, parameters=hopeless, start=None, options=xpcs.FitOptions(n_starts=20, n_refined=2))


def strict(path):
    """Read as any JSON parser does: NaN and Infinity are no JSON."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def same(found, expected):
    np.testing.assert_array_equal(np.array(found, dtype=float), np.array(expected, dtype=float))


def check_numbers(found, result):
    """Numbers of a JSON document, or of an HDF5 file as one."""
    for name in ("chi_squared", "reduced_chi_squared", "dof", "log_likelihood", "n_used", "n_masked", "n_evaluations"):
        same(found[name], getattr(result, name))
    assert set(found["parameters"]) == set(result.space.names)
    for name, entry in found["parameters"].items():
        same(entry["value"], result.values.get(name, math.nan))
        same(entry["standard_error"], result.standard_errors.get(name, math.nan))
        assert entry["fixed"] == (name in result.space.constants)
        assert entry["at_bound"] == result.at_bounds.get(name, "")
        known = result.identifiable.get(name)
        assert bool(entry["identifiable"]) == (known is None or known.ok)
        assert entry["reason"] == ("" if known is None else known.reason)
        if not entry["fixed"]:
            assert (entry["lower"], entry["upper"]) == (result.space[name].lower, result.space[name].upper)
    assert found["parameters"]["D0"]["unit"] == "Å^2/s"
    assert found["parameters"]["gamma_dot_offset"]["unit"] == "1/s"
    coefficients = {name for name in result.names if name not in result.space.free}
    assert set(found["coefficients"]) == coefficients
    for name, entry in found["coefficients"].items():
        same(entry["value"], result.values.get(name, math.nan))
        same(entry["standard_error"], result.standard_errors[name])
    angles = found["angles"]
    for name, expected in {
        "phi": result.phi, "contrast": result.contrast, "contrast_error": result.contrast_errors,
        "offset": result.offset, "offset_error": result.offset_errors, "sigma": result.sigma,
        "n_used": result.diagnostics.pairs_per_angle,
    }.items():  # fmt: skip
        same(angles[name], expected)
    same(found["covariance"]["matrix"], result.covariance)
    same(found["basins"]["log_likelihood"], [basin.log_likelihood for basin in result.basins])
    for name in result.space.names:
        same(found["basins"][name], [basin.values[name] for basin in result.basins])
    convention = found["convention"]
    for name in ("diffusion_factor", "shear_argument", "shear_power"):
        assert convention[name] == getattr(result.convention, name)
    assert convention["model"] == result.convention.describe()
    for name in ("q", "dt"):
        same(found["geometry"][name], getattr(result, name))
    assert found["mode"] == result.mode
    assert found["sigma_source"] == result.noise
    assert found["scaling"]["kind"] == result.scaling.kind
    assert found["quality"]["flag"] == result.quality.flag
    assert found["strategy"]["reason"] == result.strategy.reason
    assert found["provenance"]["seed"] == result.provenance.seed
    assert found["provenance"]["seconds"] == result.provenance.seconds
    assert found["provenance"]["versions"] == result.provenance.versions
    assert (found["format"], found["format_version"]) == ("wilks.xpcs fit", 1)


def as_document(node):
    """An HDF5 group as nested dictionaries: all that plain h5py sees."""
    if isinstance(node, h5py.Dataset):
        value = node[()]
        return [text.decode() for text in value] if h5py.check_string_dtype(node.dtype) else value.tolist()
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in node.attrs.items()} | {
        name: as_document(item) for name, item in node.items()
    }


@pytest.mark.parametrize("which", ["result", "open_ended", "failed"])
def test_numbers_in_json(which, request, tmp_path):
    result = request.getfixturevalue(which)
    path = output.write_json(result, tmp_path / "new" / "fit.json")
    found = strict(path)
    check_numbers(found, result)
    assert found["covariance"]["names"] == list(result.names)
    assert found["quality"]["reasons"] == list(result.quality.reasons)
    assert found["notes"] == list(result.notes)
    assert [step["detail"] for step in found["provenance"]["executed"]] == [
        step.detail for step in result.provenance.executed
    ]


@pytest.mark.parametrize("which", ["result", "open_ended", "failed"])
def test_numbers_in_hdf5(which, request, tmp_path):
    result = request.getfixturevalue(which)
    with h5py.File(output.write_hdf5(result, tmp_path / "fit.h5")) as file:
        found = as_document(file)
        assert file["geometry/q"].attrs["units"] == "1/Å"
        assert file["angles/phi"].attrs["units"] == "deg"
        assert file["geometry/t"].attrs["units"] == "s"
    check_numbers(found, result)
    same(found["geometry"]["t"], result.t)
    assert found["covariance"]["names"] == list(result.names)
    assert found["quality"]["reasons"] == list(result.quality.reasons)
    assert found["provenance"]["executed"]["detail"] == [step.detail for step in result.provenance.executed]


def test_what_json_has_no_number_for(result, open_ended, tmp_path):
    found = strict(output.write_json(result, tmp_path / "fit.json"))
    assert found["angles"]["contrast"][DEAD] is None
    assert found["parameters"]["D_offset"]["standard_error"] is None
    assert found["numbers"] == 'null: not known; "inf" and "-inf": without limit'
    found = strict(output.write_json(open_ended, tmp_path / "open.json"))
    assert found["parameters"]["phi0"]["standard_error"] == "inf"
    assert found["parameters"]["D_offset"]["at_bound"] == "lower"
    assert found["parameters"]["D_offset"]["standard_error"] is None
    same([0.5, None, "inf"], [0.5, math.nan, math.inf])


def test_source(result, tmp_path):
    expected = {
        "path": "runs/rheo_042.hdf", "layout": "aps_u", "keys": list(SOURCE.keys), "first_frame": 11,
        "last_frame": 34, "q_requested": 0.0054, "q_least": 0.00538, "q_largest": 0.00541, "cached": True,
    }  # fmt: skip
    assert strict(output.write_json(result, tmp_path / "fit.json"))["source"] == expected
    with h5py.File(output.write_hdf5(result, tmp_path / "fit.h5")) as file:
        assert as_document(file["source"]) == expected
    assert result.source == SOURCE
    assert result.notes[-1] == "Read with a note."
    assert wilks.load(result.save(tmp_path / "fit.wilks")).source == SOURCE


def test_without_a_file(open_ended, tmp_path):
    assert open_ended.source is None
    assert strict(output.write_json(open_ended, tmp_path / "fit.json"))["source"] is None
    with h5py.File(output.write_hdf5(open_ended, tmp_path / "fit.h5")) as file:
        assert "source" not in file


def matrices(result):
    return {
        "c2": [result.data.matrix(k) for k in range(4)],
        "model": [result.model(k) for k in range(4)],
        "residual": [result.residuals(k) for k in range(4)],
    }


def test_matrices(result, tmp_path):
    npz = np.load(output.write_npz(result, tmp_path / "fit.npz"))
    with h5py.File(output.write_hdf5(result, tmp_path / "fit.h5")) as file:
        for name, expected in matrices(result).items():
            dataset = file[f"matrices/{name}"]
            assert dataset.dtype == npz[name].dtype == np.float32
            assert dataset.compression == ("gzip" if name == "model" else None)
            np.testing.assert_array_equal(npz[name], np.float32(expected))
            np.testing.assert_array_equal(dataset[()], np.float32(expected))
    upper = np.triu(npz["residual"].astype(float), 1)
    assert np.nansum(upper**2) == pytest.approx(result.chi_squared, rel=1e-6)


def test_small_arrays_of_npz(result, tmp_path):
    found = np.load(output.write_npz(result, tmp_path / "fit.npz"))
    assert found["names"].tolist() == list(result.names)
    same(found["values"], [result.values[name] for name in result.names])
    same(found["standard_errors"], list(result.standard_errors.values()))
    same(found["covariance"], result.covariance)
    assert dict(zip(found["fixed_names"].tolist(), found["fixed_values"].tolist(), strict=True)) == FIXED
    for name in ("t", "phi", "contrast", "offset", "sigma", "q", "gap", "dt", "chi_squared", "dof"):
        same(found[name], getattr(result, name))
    same(found["contrast_error"], result.contrast_errors)
    assert found["convention"].tolist() == [0.5, 0.5, 2.0]
    assert found["notes"].tolist() == list(result.notes)
    assert (str(found["mode"]), str(found["quality"])) == ("laminar_flow", result.quality.flag)


def test_nothing_is_pickled(result, tmp_path):
    with zipfile.ZipFile(output.write_npz(result, tmp_path / "fit.npz")) as archive:
        assert archive.testzip() is None
        for member in archive.infolist():
            with archive.open(member) as file:
                np.lib.format.read_array(file, allow_pickle=False)


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    for kind, write in WRITERS.items():
        first, second = write(result, tmp_path / f"a.{kind}"), write(result, tmp_path / f"b.{kind}")
        assert first.read_bytes() == second.read_bytes(), kind


def test_a_result_without_its_data(result, tmp_path):
    loaded = wilks.load(result.save(tmp_path / "fit.wilks"))
    npz = np.load(output.write_npz(loaded, tmp_path / "fit.npz"))
    assert {"model"} == {"c2", "model", "residual"} & set(npz.files)
    assert "loaded without its data: c2 and residual are left out" in npz["notes"].tolist()[-1]
    with h5py.File(output.write_hdf5(loaded, tmp_path / "fit.h5")) as file:
        assert list(file["matrices"]) == ["model"]
        np.testing.assert_array_equal(file["matrices/model"][1], np.float32(result.model(1)))
        assert "loaded without its data" in as_document(file["notes"])[-1]
    alone, whole = (strict(output.write_json(each, tmp_path / "fit.json")) for each in (loaded, result))
    assert alone.pop("residuals") is None
    assert whole.pop("residuals")["white"] in (True, False)
    assert alone == whole


def test_a_fit_without_a_best_point(failed, tmp_path):
    npz = np.load(output.write_npz(failed, tmp_path / "fit.npz"))
    assert {"c2"} == {"c2", "model", "residual"} & set(npz.files)
    assert npz["notes"].tolist()[-1].startswith("The fit has no best point")
    assert np.isnan(npz["values"]).all()
    with h5py.File(output.write_hdf5(failed, tmp_path / "fit.h5")) as file:
        assert list(file["matrices"]) == ["c2"]
    found = strict(output.write_json(failed, tmp_path / "fit.json"))
    assert found["success"] is False
    assert found["chi_squared"] is None
    assert found["log_likelihood"] == "-inf"


def test_one_angle_at_a_time(result, tmp_path, monkeypatch):
    """Never more than one matrix of one angle is asked for before it is written."""
    asked = []
    model = xpcs.XpcsFit.model
    monkeypatch.setattr(xpcs.XpcsFit, "model", lambda self, k: (asked.append(k), model(self, k))[1])
    big = replace(result, data=None)
    output.write_npz(big, tmp_path / "fit.npz")
    output.write_hdf5(big, tmp_path / "fit.h5")
    assert asked == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk(result, tmp_path, kind):
    path = tmp_path / f"fit.{kind}"
    path.write_text("precious")
    with full_disk(5000), pytest.raises(CheckpointError, match=rf"fit\.{kind}: cannot be written: .*File too large"):
        WRITERS[kind](result, path)
    assert names_in(tmp_path) == [path.name]
    assert path.read_text() == "precious"
    assert WRITERS[kind](result, path).stat().st_size > 5000


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_a_failure_half_way_leaves_no_half_file(result, tmp_path, monkeypatch, kind):
    path = tmp_path / f"fit.{kind}"
    path.write_text("precious")
    model = xpcs.XpcsFit.model

    def break_off(fit, angle):
        if angle == 2:
            raise OSError(28, "No space left on device")
        return model(fit, angle)

    monkeypatch.setattr(xpcs.XpcsFit, "model", break_off)
    with pytest.raises(CheckpointError, match=rf"fit\.{kind}: cannot be written: No space left on device"):
        WRITERS[kind](result, path)
    assert names_in(tmp_path) == [path.name]
    assert path.read_text() == "precious"


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_that_is_a_file(result, tmp_path, kind):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CheckpointError, match=rf"taken/fit\.{kind}: cannot be written"):
        WRITERS[kind](result, tmp_path / "taken" / f"fit.{kind}")


def test_json_reads_well(result, tmp_path):
    lines = output.write_json(result, tmp_path / "fit.json").read_text("utf-8").splitlines()
    assert lines[1] == '  "format": "wilks.xpcs fit",'
    assert next(line for line in lines if '"phi":' in line) == '    "phi": [80.0, -15.0, 30.0, 5.0],'
    assert '      "unit": "Å^2/s",' in lines


def rows(table):
    return {row[0]: row[1:] for row in table.rows}


def test_summary(result, open_ended, failed):
    for each in (result, open_ended, failed):
        tables = output.summary(each)
        assert len(tables) == 3
        assert max(len(line) for table in tables for line in table.text().splitlines()) <= 80
    reasons = ("Neighbouring ages are correlated.",)
    seen = replace(residual_statistics(result), reasons=reasons)
    told = output.summary(result, seen)[2]
    assert rows(told)["residuals"] == ("not white",)
    assert reasons[0] in told.note
    parameters, scaling, quality = output.summary(result)
    assert "residuals" not in rows(quality)
    assert parameters.rows == result.table().rows
    assert rows(scaling)["30"] == ("unknown", "unknown")
    assert rows(scaling)["80"][0].startswith(f"{result.contrast[0]:.2f}")
    assert rows(quality)["reduced chi-squared"] == (f"{result.reduced_chi_squared:.4f}",)
    assert rows(quality)["pairs of times used"] == (f"{result.n_used:,}",)
    assert "Read with a note." in quality.note
    parameters = output.summary(open_ended)[0]
    assert "gamma_dot_0: no shear is seen" in parameters.note
    assert rows(parameters)["D_offset"][1] == "Å^2/s, at its lower bound"
    assert rows(output.summary(failed)[1])["5"] == ("unknown", "unknown")


def test_summary_of_many_angles():
    place = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, None, np.linspace(-80, 80, 13))
    values = {name: FLOW[name] for name in ("D0", "alpha", "D_offset")}
    many = xpcs.simulate(values, place, contrast=np.linspace(0.2, 0.32, 13), mode="static", sigma=0.005, seed=3)
    each = fit(many, "static", parameters={"D_offset": 0.0}, start=values)
    text = output.summary(each)[1].text()
    assert "13 angles" in text
    contrast = rows(output.summary(each)[1])["contrast"]
    assert (contrast[1], contrast[3]) == ("-80", "80")
    shared = fit(many, "static", parameters={"D_offset": 0.0}, start=values, scaling="averaged")
    assert list(rows(output.summary(shared)[1])) == ["all"]
    assert with_error(shared.contrast[0], shared.contrast_errors[0]) in output.summary(shared)[1].text()


def test_what_the_residuals_say(result, tmp_path):
    made = json.loads(output.write_json(result, tmp_path / "fit.json").read_text())["residuals"]
    found = residual_statistics(result)
    assert made == {"white": found.is_white, "correlated": False, "error_factor": 1.0, "reasons": list(found.reasons)}
    noise = np.random.default_rng(4).normal(0, 0.01, result.data.c2.shape)
    smooth = (noise + np.roll(noise, 1, (1, 2)) + np.roll(noise, 2, (1, 2))) / 2
    c2 = np.array([result.model(k) for k in range(len(result.phi))]) + smooth
    correlated = replace(result, data=xpcs.TwoTimeData(c2, result.t, result.phi, result.q, result.gap))
    made = json.loads(output.write_json(correlated, tmp_path / "fit.json").read_text())["residuals"]
    assert made["correlated"]
    assert made["error_factor"] == residual_statistics(correlated).inflation > 1.2
    assert made["reasons"]
    bare = json.loads(output.write_json(replace(result, data=None), tmp_path / "fit.json").read_text())
    assert bare["residuals"] is None
