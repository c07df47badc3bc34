import json

import numpy as np
import pytest

from tests.unit.plots import examples
from wilks.core.cells import CellStatus
from wilks.plots import geometry
from wilks.report import interactive

graph_objects = pytest.importorskip("plotly.graph_objects")

FIGURES = {
    "map": lambda: interactive.map_figure(examples.gaussian_2d()),
    "map with unknown cells, log axis": lambda: interactive.map_figure(examples.banana()),
    "discrete map": lambda: interactive.map_figure(examples.discrete()),
    "curve": lambda: interactive.curve_figure(examples.gaussian_1d(), "omega_m"),
    "curve of a map": lambda: interactive.curve_figure(examples.banana(), "tau"),
    "open curve": lambda: interactive.curve_figure(examples.cut_by_box(), "w"),
    "discrete curve": lambda: interactive.curve_figure(examples.discrete(), "shape"),
    "argmax over a log axis": lambda: interactive.argmax_figure(examples.banana(), "rate"),
    "argmax of a choice": lambda: interactive.argmax_figure(examples.two_islands(), "model"),
    "argmax curve": lambda: interactive.argmax_figure(examples.gaussian_1d(), "w"),
}


@pytest.mark.parametrize("case", FIGURES)
def test_figure_is_valid_for_plotly_and_for_json(case):
    figure = FIGURES[case]()
    graph_objects.Figure({"data": figure["data"], "layout": figure["layout"]})
    json.dumps(figure, allow_nan=False)


@pytest.mark.parametrize("case", FIGURES)
def test_no_button_sends_the_data_away(case):
    config = FIGURES[case]()["config"]
    assert config["plotlyServerURL"] == ""
    assert config["modeBarButtons"] == [["toImage", "zoom2d", "pan2d", "resetScale2d"]]


def heat_of(figure):
    return next(trace for trace in figure["data"] if trace["type"] == "heatmap")


def test_map_holds_the_cells_and_what_the_hover_says():
    result = examples.banana()
    heat = heat_of(interactive.map_figure(result))
    z = np.array(heat["z"], dtype=float)
    known = result.in_roi.T
    assert np.array_equal(np.isfinite(z), known)
    assert z[known] == pytest.approx(result.log_likelihood_map.T[known], abs=1e-6)
    assert (len(heat["x"]), len(heat["y"])) == (62, 62)
    i, j = 30, 15
    tau, beta, rate, status = heat["customdata"][j][i]
    assert (tau, beta, rate) == ("0.1", "1", "10")
    assert status == "converged"
    assert "τ [s] = %{customdata[0]}" in heat["hovertemplate"]
    assert "rate [1/s] = %{customdata[2]}" in heat["hovertemplate"]


def test_map_marks_cells_that_went_wrong_and_the_best_point():
    names = {trace.get("name") for trace in interactive.map_figure(examples.banana())["data"]}
    assert {"not converged", "no finite value", "best point", "68 % region", "95 % region"} <= names


def test_curve_marks_nodes_that_went_wrong():
    result = examples.gaussian_1d()
    result.cell_status[[8, 14]] = CellStatus.NOT_CONVERGED
    result.cell_status[11], result.log_likelihood_map[11] = CellStatus.FAILED, -np.inf
    figure = interactive.curve_figure(result, "omega_m")
    marks = {
        trace["name"]: trace for trace in figure["data"] if trace.get("name") in ("not converged", "no finite value")
    }
    nodes = result.axes["omega_m"]
    assert marks["not converged"]["x"] == pytest.approx(nodes[[8, 14]])
    assert marks["no finite value"]["x"] == pytest.approx(nodes[[11]])
    assert marks["no finite value"]["y"] == pytest.approx([-4.19], abs=0.01)


def test_argmax_is_shown_in_the_region_of_interest():
    result = examples.gaussian_2d()
    z = np.array(heat_of(interactive.argmax_figure(result, "offset"))["z"], dtype=float)
    assert np.array_equal(np.isfinite(z), result.in_roi.T)


def test_lines_are_those_of_the_printed_pictures():
    result = examples.gaussian_2d()
    figure = interactive.map_figure(result)
    black = [t for t in figure["data"] if t.get("line", {}).get("color") == "black"]
    for trace, level in zip(black, (0.95, 0.68), strict=True):
        (points,) = geometry.outlines(result, level)
        assert np.array(trace["x"][:-1]) == pytest.approx(points[:, 0])
        assert trace["x"][-1] is None
    curve = interactive.curve_figure(examples.gaussian_1d(), "omega_m")
    heights = [shape["y0"] for shape in curve["layout"]["shapes"]]
    assert heights == pytest.approx([-0.4945, -1.9207], abs=1e-3)


def test_log_axes_are_log():
    layout = interactive.map_figure(examples.banana())["layout"]
    assert layout["xaxis"]["type"] == "log"
    assert layout["xaxis"]["range"] == pytest.approx([-3, 1])
    assert "type" not in layout["yaxis"]


def test_open_ends_are_marked():
    ends = [t for t in interactive.curve_figure(examples.cut_by_box(), "w")["data"] if t.get("name") == "open end"]
    assert ends[0]["x"] == [0.0, 0.0]
    assert ends[0]["marker"]["symbol"] == ["triangle-right", "triangle-right"]


def test_names_of_a_choice_are_on_the_axis_and_escaped():
    import wilks

    space = wilks.Space(kind=wilks.Categorical(["<b>", "plain"]), w=wilks.Real(-3, 0))
    surface = np.array([0.0, -1.0])
    result = examples.profile(("kind",), (np.arange(2.0),), surface, best={"kind": "<b>", "w": -1.0}, domains=space)
    figure = interactive.curve_figure(result, "kind")
    assert figure["layout"]["xaxis"]["ticktext"] == ["&lt;b&gt;", "plain"]
    assert "kind = &lt;b&gt;" in figure["data"][-1]["hovertext"]
