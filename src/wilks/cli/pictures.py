"""The pictures that a run leaves behind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wilks.cli.folder import RunFolder
from wilks.cli.workplace import Done

_SOLID = 3


def draw_pictures(folder: RunFolder, entry: Done, *, is_new: bool) -> list[Path]:
    """Draw the pictures of one result, for a result that is not new only those that are missing; return the files."""
    from wilks import plots

    if entry.stage.resumable and not math.isfinite(entry.result.log_likelihood):
        return []
    drawn = []
    for suffix, draw in _pictures(entry.result):
        path = folder.file("pictures", entry.number, f"{entry.title}{suffix}", ".png")
        if is_new or not path.exists():
            drawn.append(plots.save(draw(), path))
    return drawn


def _pictures(result: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - results have no common shape
    """Yield what to add to the title, and a function that draws."""
    from wilks import plots
    from wilks.plots.output import picture

    if hasattr(result, "disagreements"):
        yield "", lambda: plots.comparison(result)
        return
    if hasattr(result, "over"):
        yield from _of_profile(result)
        return
    if hasattr(result, "certificate"):
        from wilks.plots.posterior.collection import posterior_drawings

        yield from ((f" {name}", draw) for name, draw in posterior_drawings(result))
        return
    yield "", lambda: picture(result)
    if getattr(result, "draws", None):
        yield " draws", lambda: plots.corner(result)
    if hasattr(result, "basins") and sum(basin.n_hits for basin in result.basins) > 1:
        yield " starts", lambda: plots.waterfall(result)


def _of_profile(result: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as above
    """Yield the same for a profile; of three parameters the cuts are drawn too, of more they would be too many."""
    from wilks.plots.collection import profile_drawings

    stem = "-".join(result.over)
    for name, draw in profile_drawings(result, slice_mode="all" if len(result.over) == _SOLID else "max"):
        yield name.removeprefix(stem).replace("-", " "), draw
