import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.unit.plots import posteriors
from wilks.samplers.arviz import to_arviz

stats = pytest.importorskip("arviz_stats")


@pytest.fixture(scope="module")
def nuts():
    return posteriors.gaussian(2, 120)


@pytest.fixture(scope="module")
def tree(nuts):
    return to_arviz(nuts)


def test_arviz_finds_what_the_posterior_has(nuts, tree):
    table = stats.summary(tree, round_to="none")
    assert table.index.tolist() == ["a", "rate", "b"]
    for name in nuts.names:
        assert table.loc[name, "mean"] == pytest.approx(nuts.means[name])
        assert float(stats.ess(tree)[name]) == pytest.approx(nuts.ess[name])
        assert float(stats.rhat(tree)[name]) == pytest.approx(1.0, abs=0.05)


def test_groups_hold_draws_records_and_densities(nuts, tree):
    assert list(tree.children) == [
        "posterior", "sample_stats", "log_likelihood", "log_prior", "prior", "constant_data",
    ]  # fmt: skip
    assert tree["posterior"]["rate"].dims == ("chain", "draw")
    assert tree["posterior"]["rate"].values.tolist() == nuts.draws["rate"].tolist()
    assert tree["posterior"]["a"].attrs == {"long_name": "$a$", "units": "m"}
    assert {name: tree["sample_stats"][name].dtype.kind for name in tree["sample_stats"].data_vars} == {
        "lp": "f", "diverging": "b", "energy": "f", "tree_depth": "i", "n_steps": "i", "acceptance_rate": "f",
        "step_size": "f",
    }  # fmt: skip
    lp = tree["sample_stats"]["lp"].values
    assert lp == pytest.approx(nuts.log_likelihoods + nuts.log_priors)
    parts = [tree[group][name].values for group in ("log_likelihood", "log_prior") for name in tree[group].data_vars]
    assert sum(parts) == pytest.approx(lp)
    assert tree["prior"]["b"].values.std() == pytest.approx(3.0, rel=0.1)
    assert float(tree["constant_data"]["scale"]) == 3.0
    assert str(tree["constant_data"]["model"].values) == "flat"


def test_the_tree_says_where_it_comes_from(nuts, tree):
    assert tree.attrs["inference_library"] == tree["posterior"].attrs["inference_library"] == "wilks"
    assert tree.attrs["method"] == "NUTS"
    assert tree.attrs["seed"] == "1"
    assert tree.attrs["certificate_ok"] == 1
    assert json.loads(tree.attrs["certificate"])[0]["limit"] == 1.01
    assert json.loads(tree.attrs["versions"]) == nuts.provenance.versions
    assert tree.attrs["created_at"] == nuts.provenance.started
    assert tree.identical(to_arviz(nuts))


def test_choices_whole_numbers_and_derived_quantities():
    tree = to_arviz(posteriors.mixed(2, 30))
    kind = tree["posterior"]["kind"]
    assert kind.dtype.kind == tree["posterior"]["order"].dtype.kind == "i"
    assert kind.attrs["flag_values"].tolist() == [0, 1, 2]
    assert kind.attrs["flag_meanings"] == "flat slightly_curved open"
    assert tree["posterior"]["square"].dims == ("chain", "draw")
    assert tree["posterior"]["curve"].dims == ("chain", "draw", "curve_dim_0")
    assert tree["posterior"]["curve"].values == pytest.approx(tree["posterior"]["a"].values[..., None] * np.arange(3.0))


def test_names_of_dimensions_and_slashes():
    space = wilks.Space({"draw": wilks.Real(0, 1), "a/b": wilks.Real(0, 1), "nothing": None})
    drawn = {name: np.full((1, 20), 0.5) for name in space.free}
    tree = to_arviz(posteriors.posterior(space, drawn))
    assert set(tree["posterior"].data_vars) == {"draw_", "a_b"}
    nothing = tree["constant_data"]["nothing"].values
    assert (nothing.dtype.kind, str(nothing)) == ("U", "None")  # an object would not go into a file


def test_netcdf_gives_the_same_tree_back(nuts, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    mixed = posteriors.mixed(2, 120)
    space = wilks.Space({name: mixed.space[name] for name in mixed.names}, c="x")
    tree = to_arviz(replace(mixed, space=space, sampling=nuts.sampling))
    tree.to_netcdf(tmp_path / "posterior.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as again:
        assert again.load().identical(tree)
        assert again["sample_stats"]["diverging"].dtype == bool


def test_pictures_of_arviz_are_drawn(tree):
    drawing = pytest.importorskip("arviz_plots")
    names = ("trace", "rank", "autocorr", "forest", "pair", "energy", "ess", "dist")
    for name in names:
        collection = getattr(drawing, f"plot_{name}")(tree, backend="matplotlib")
        assert collection.viz["figure"].item() is not None, name
    from matplotlib import pyplot as plt

    plt.close("all")


def test_without_arviz_base_the_error_says_what_to_install(nuts, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    with pytest.raises(wilks.MissingDependencyError, match=r"arviz-base: pip install 'wilks\[sample\]'"):
        to_arviz(replace(nuts))
