"""Map three test functions of four parameters, and draw them: ``python examples/profiles/showcase.py [FOLDER]``.

One picture per function: the profile of one parameter, and two maps; the parameters that are not on an axis are
optimised out. The maps of a function share its optima: each starts from those before it. Then the other kinds of
pictures: nuisance parameters at the maximum, and a map over three parameters.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import wilks
from wilks.plots.style import Picture

if TYPE_CHECKING:
    from wilks.profiles.result import ProfileResult


@dataclass(frozen=True)
class Scan:
    """The projections of one function, and how deep they reach."""

    name: str
    roi_threshold: float
    over: tuple[tuple[str, ...], ...]


SCANS = (
    Scan("himmelblau_4d", 5.0, (("x0",), ("x0", "x1"), ("x0", "x2"))),
    Scan("rosenbrock_4d", 10.0, (("x0",), ("x0", "x1"), ("x1", "x3"))),
    Scan("levy_4d", 5.0, (("x0",), ("x0", "x1"), ("x0", "x3"))),
)
NODES = {1: 241, 2: 121}


def scan(settings: Scan, nodes: dict[int, int] = NODES) -> list[ProfileResult]:
    """Make the profiles of one function."""
    problem = wilks.problems.test_function(settings.name).problem
    results = []
    for over in settings.over:
        grid = (nodes[len(over)],) * len(over)
        threshold = settings.roi_threshold
        results.append(
            wilks.profile(problem, over=over, grid=grid, roi_threshold=threshold, start=results or None, seed=1)
        )
    return results


def draw(results: list[ProfileResult]) -> Picture:
    """Draw a curve and two maps side by side."""
    figure = Picture(figsize=(11.5, 3.7), layout="constrained")
    for result, ax in zip(results, figure.subplots(1, len(results)), strict=True):
        one = len(result.over) == 1
        (wilks.plots.profile_1d if one else wilks.plots.profile_2d)(result, ax=ax)
    return figure


def errors(settings: Scan, results: list[ProfileResult]) -> tuple[int, int, float]:
    """Cells in the true region of interest, how many of them were not visited, and the largest error of the others."""
    known = wilks.problems.test_function(settings.name)
    gaps = []
    for result in results:
        truth = known.profile(result.over, [result.axes[name] for name in result.over])
        inside = truth > known.maximum - settings.roi_threshold
        gaps.append(np.abs(result.log_likelihood_map[inside] - truth[inside]))
    every = np.concatenate(gaps)
    return every.size, int(np.isnan(every).sum()), float(np.nanmax(every))


def solid() -> ProfileResult:
    """Map Himmelblau's function over three of its four parameters."""
    problem = wilks.problems.test_function("himmelblau_4d").problem
    return wilks.profile(problem, over=("x0", "x1", "x2"), grid=(37, 37, 13), roi_threshold=5.0, seed=1)


def main(folder: Path) -> list[str]:
    """Draw everything, and return the rows of a table: what the three functions cost, and how right the maps are."""
    rows = [
        "| function | evaluations | of these for audits | cells in the regions of interest | missing | largest error |",
        "|---|---|---|---|---|---|",
    ]
    scans = {settings.name: scan(settings) for settings in SCANS}
    for settings in SCANS:
        results = scans[settings.name]
        wilks.plots.save(draw(results), folder / f"profile-{settings.name.removesuffix('_4d')}.png")
        n_evaluations = sum(result.n_evaluations for result in results)
        n_audit = sum(result.audit.n_evaluations for result in results if result.audit)
        n_cells, n_missing, largest = errors(settings, results)
        counts = f"{n_evaluations:,} | {n_audit:,} | {n_cells:,} | {n_missing}"
        rows.append(f"| {settings.name} | {counts} | {largest:.1g} |")
    line, plane, _ = scans["rosenbrock_4d"]
    wilks.plots.save(wilks.plots.argmax_maps(line), folder / "profile-argmax-curves.png")
    wilks.plots.save(wilks.plots.argmax_maps(plane), folder / "profile-argmax-maps.png")
    volume = solid()
    wilks.plots.save(wilks.plots.corner(volume), folder / "profile-corner.png")
    wilks.plots.save(wilks.plots.profile_slices(volume, mode="all"), folder / "profile-slices.png")
    return rows


if __name__ == "__main__":
    print(*main(Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")), sep="\n")
