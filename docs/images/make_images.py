"""Draw the pictures of the documentation with wilks, from its examples: ``python docs/images/make_images.py``."""

import contextlib
import re
import runpy
import tempfile
from pathlib import Path

import numpy as np

import wilks
from wilks.xpcs import pictures

FOLDER = Path(__file__).parent
EXAMPLES = FOLDER.parents[1] / "examples"
SHOWCASE = EXAMPLES / "profiles" / "showcase.py"


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


def xpcs() -> None:
    """Draw the pictures of the guide that goes from a file of correlations to a report."""
    sheared = wilks.xpcs.read(EXAMPLES / "xpcs" / "sheared_aps_u.hdf", gap=2e6)
    fit = wilks.xpcs.fit(sheared, "laminar_flow", seed=1)
    drawn = {
        "maps": pictures.maps(fit, [0, 2]),
        "cuts": pictures.cuts(fit, [0, 2]),
        "residuals": pictures.residuals(fit),
        "scaling": pictures.scaling(fit),
        "correlations": pictures.correlations(fit),
    }
    at_rest = wilks.xpcs.read(EXAMPLES / "xpcs" / "at_rest_aps_old.hdf", q=0.0054)
    plane = wilks.xpcs.profile(wilks.xpcs.fit(at_rest, "static", seed=1), ("D0", "alpha"), seed=1)
    drawn["profile"] = wilks.plots.profile_2d(plane)
    for name, figure in drawn.items():
        wilks.plots.save(figure, FOLDER / f"xpcs-{name}.png")


def posteriors() -> None:
    """Draw the pictures of the guide to posteriors, by its own code."""
    page = (FOLDER.parent / "guides" / "posteriors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?<!-->\n)^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    namespace: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.chdir(folder):
            for block in blocks:
                exec(block, namespace)  # noqa: S102 - our own page
                if "forest.png" in block:
                    break
        for name in ("pair", "forest"):
            (FOLDER / f"posterior-{name}.png").write_bytes((Path(folder) / f"{name}.png").read_bytes())


if __name__ == "__main__":
    supernova()
    posteriors()
    profiles()
    xpcs()
