from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.unit.plots import examples
from wilks import plots
from wilks.plots.collection import profile_drawings


@pytest.mark.parametrize(
    ("make", "arguments", "expected"),
    [
        (examples.gaussian_1d, {}, ["omega_m", "omega_m-argmax"]),
        (examples.gaussian_1d, {"argmax": False}, ["omega_m"]),
        (examples.gaussian_2d, {}, ["omega_m-w", "omega_m-w-argmax"]),
        (examples.volume, {}, ["omega_m-w-offset"]),
        (
            examples.volume,
            {"slice_mode": "all"},
            [
                "omega_m-w-offset",
                *(f"omega_m-w-offset-slices-{p}" for p in ("omega_m-w", "omega_m-offset", "w-offset")),
            ],
        ),
    ],
)
def test_what_there_is_to_see(make, arguments, expected):
    figures = plots.profile_pictures(make(), **arguments)
    assert list(figures) == expected
    for figure in figures.values():
        figure.canvas.draw()


def test_many_nuisance_parameters_are_spread_over_several_pictures():
    result = examples.gaussian_1d()
    names = [f"n{i}" for i in range(13)]
    space = wilks.Space({"omega_m": wilks.Real(0, 1)} | {name: wilks.Real(-1, 1) for name in names})
    many = replace(result, space=space, argmax=dict.fromkeys(names, np.zeros(41)))
    drawings = dict(profile_drawings(many))
    assert list(drawings) == ["omega_m", "omega_m-argmax", "omega_m-argmax-2"]
    assert len(drawings["omega_m-argmax-2"]().axes) == 1


def test_levels_and_depth_reach_every_picture():
    figures = plots.profile_pictures(examples.volume(), slice_mode="all", confidence=(0.5,), vmin=-2)
    meshes = [c for figure in figures.values() for ax in figure.axes for c in ax.collections if hasattr(c, "norm")]
    assert {mesh.get_clim()[0] for mesh in meshes if mesh.get_clim()[1] == 0.0} == {-2.0}
    texts = {text.get_text() for figure in figures.values() for legend in figure.legends for text in legend.get_texts()}
    assert "50 % region of 3 parameters" in texts
    assert not any("68 %" in text for text in texts)


def test_an_unknown_mode_is_refused_for_any_number_of_axes():
    with pytest.raises(wilks.InvalidConfigurationError, match="got 'mean'"):
        plots.profile_pictures(examples.gaussian_1d(), slice_mode="mean")


def test_all_are_saved_under_their_names(tmp_path):
    figures = plots.profile_pictures(examples.gaussian_1d())
    paths = plots.save_all(figures, tmp_path / "new", file_type="pdf", dpi=50)
    assert [path.name for path in paths] == ["omega_m.pdf", "omega_m-argmax.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths)
