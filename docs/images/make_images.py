"""Draw the pictures of the documentation from the supernova example: ``python docs/images/make_images.py``."""

from pathlib import Path

import numpy as np

import wilks

FOLDER = Path(__file__).parent


def main() -> None:
    """Make the profiles and write one picture for each."""
    problem = wilks.problems.supernova()
    plane = wilks.profile(
        problem, over=("omega_m", "w"), grid=(np.linspace(0.0, 0.5, 76), np.linspace(-2.0, -0.4, 81)), seed=1
    )
    wilks.plots.save(wilks.plots.profile_2d(plane), FOLDER / "supernova-map.png")
    line = wilks.profile(problem, over="omega_m", grid=[np.linspace(0.0, 0.5, 61)], start=plane, seed=1)
    wilks.plots.save(wilks.plots.profile_1d(line), FOLDER / "supernova-profile.png")


if __name__ == "__main__":
    main()
