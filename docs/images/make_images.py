"""Draw the pictures of the documentation with wilks, from its examples: ``python docs/images/make_images.py``."""

import runpy
from pathlib import Path

import numpy as np

import wilks

FOLDER = Path(__file__).parent
SHOWCASE = FOLDER.parents[1] / "examples" / "profiles" / "showcase.py"


def supernova() -> None:
    """Draw a map and a curve of the supernova example."""
    problem = wilks.problems.supernova()
    plane = wilks.profile(
        problem, over=("omega_m", "w"), grid=(np.linspace(0.0, 0.5, 76), np.linspace(-2.0, -0.4, 81)), seed=1
    )
    wilks.plots.save(wilks.plots.profile_2d(plane), FOLDER / "supernova-map.png")
    line = wilks.profile(problem, over="omega_m", grid=[np.linspace(0.0, 0.5, 61)], start=plane, seed=1)
    wilks.plots.save(wilks.plots.profile_1d(line), FOLDER / "supernova-profile.png")


def profiles() -> None:
    """Draw the profiles of the test functions, and write the table of what they cost."""
    rows = runpy.run_path(str(SHOWCASE))["main"](FOLDER)
    (FOLDER / "profile-costs.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    supernova()
    profiles()
