"""Correlate frames that `make.py` kept with scikit-beam, and compare with exact sums of integers.

Run in an environment with scikit-beam (Python 3.11)::

    python check_scikit_beam.py /tmp/frames
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from skbeam.core.correlation import two_time_corr
from speckle import correlate

WIDTH = 1000


def main() -> None:
    """Print the largest difference of every bin, diagonal included."""
    worst = 0.0
    for path in sorted(path for path in Path(sys.argv[1]).glob("*.npy") if not path.stem.endswith("_c2")):
        frames = np.load(path)
        images = frames.reshape(len(frames), -1, WIDTH)
        half = two_time_corr(np.ones(images.shape[1:], int), images, len(images), len(images), 1).g2[0]
        exact = correlate(frames)
        lower = np.tril_indices(len(exact))
        difference = float(np.abs(half[lower] - exact[lower]).max())
        worst = max(worst, difference)
        print(f"{path.stem}: {frames.shape[1]} pixels, largest difference {difference:.1e}", flush=True)
    print(f"scikit-beam and exact sums of integers differ by at most {worst:.1e}, diagonals included")


if __name__ == "__main__":
    main()
