import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from wilks.cli.config import validate
from wilks.cli.loading import load_problem
from wilks.store.document import read

FOLDER = Path(__file__).parents[3] / "examples" / "profiles"


@pytest.fixture(scope="module")
def showcase():
    return runpy.run_path(str(FOLDER / "showcase.py"))


def test_a_function_is_mapped_and_drawn(showcase):
    settings = next(settings for settings in showcase["SCANS"] if settings.name == "rosenbrock_4d")
    results = showcase["scan"](settings, {1: 41, 2: 21})
    assert [result.over for result in results] == list(settings.over)
    figure = showcase["draw"](results)
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert [sum(isinstance(c, QuadMesh) for c in ax.collections) for ax in panels] == [0, 1, 1]
    n_cells, n_missing, largest = showcase["errors"](settings, results)
    assert (n_cells, n_missing) == (sum(int(result.in_roi.sum()) for result in results), 0)
    assert largest < 0.02
    results[1].log_likelihood_map[results[1].in_roi] -= 1
    results[0].log_likelihood_map[results[0].in_roi] = np.nan
    _, n_missing, largest = showcase["errors"](settings, results)
    assert n_missing == results[0].in_roi.sum()
    assert largest == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", ["himmelblau", "rosenbrock", "levy"])
def test_a_configuration_makes_the_same_scans(showcase, name):
    config = validate(read(FOLDER / f"{name}.yaml"))
    problem = load_problem(config.problem, FOLDER)
    config.check_names(problem)
    settings = next(settings for settings in showcase["SCANS"] if settings.name == f"{name}_4d")
    assert problem.name == settings.name
    stages = [stage for stage in config.stages if stage.verb == "profile"]
    assert [tuple(stage.over) for stage in stages] == list(settings.over)
    assert [stage.grid for stage in stages] == [[showcase["NODES"][len(s.over)]] * len(s.over) for s in stages]
    assert {stage.roi_threshold for stage in stages} == {settings.roi_threshold}
