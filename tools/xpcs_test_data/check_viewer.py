"""Read the APS-U file with pyXPCSviewer of the Advanced Photon Source, and compare with the file.

Run in an environment with xpcs-viewer (Python 3.12)::

    QT_QPA_PLATFORM=offscreen python check_viewer.py ../../examples/xpcs/sheared_aps_u.hdf
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py  # noqa: TID253  # a script
import numpy as np
from pyxpcsviewer.core.twotime_utils import get_all_c2_from_hdf
from pyxpcsviewer.core.xpcs_file import XpcsFile


def main() -> None:
    """Print what the viewer sees, and the largest differences."""
    path = str(Path(sys.argv[1]).resolve())
    with h5py.File(path) as file:
        group = file["xpcs/twotime/correlation_map"]
        halves = np.array([group[name][()] for name in sorted(group)], float)
        bins = file["xpcs/twotime/processed_bins"][()]
    upper = np.triu(halves)
    full = upper + np.triu(halves, 1).transpose(0, 2, 1)
    raw = get_all_c2_from_hdf(path, correct_diag=False)["c2_all"]
    print(f"get_all_c2_from_hdf: {raw.shape}, largest difference {np.abs(raw - full).max():.1e}, diagonals included")
    seen = XpcsFile(path)
    print(f"XpcsFile: {seen.atype}, {seen.c2_t0:g} s between frames, bins {seen.c2_processed_bins.tolist()}")
    for number in bins.tolist():
        print(f"  bin {number}: {seen.get_qbin_label(number)}")
    off = ~np.eye(full.shape[1], dtype=bool)
    differences = []
    for index in range(len(bins)):
        one = seen.get_twotime_c2(selection=index, correct_diag=False, max_size=-1)["c2_mat"]
        differences.append(np.abs(one - full[index])[off].max())
    print(f"get_twotime_c2: largest difference off the diagonal {max(differences):.1e}")


if __name__ == "__main__":
    main()
