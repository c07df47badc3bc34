"""Read both files with the loader of the package homodyne, and compare with the files.

Run in an environment with homodyne (Python 3.11)::

    python check_homodyne.py ../../examples/xpcs
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

import h5py  # noqa: TID253  # a script
import numpy as np
from homodyne.data.xpcs_loader import XPCSDataLoader

GROUPS = {"aps_old": "exchange/C2T_all", "aps_u": "xpcs/twotime/correlation_map"}


def loaded(path: Path, known: dict, folder: str) -> dict:
    """Return what the loader makes of a copy: it writes beside the file, and its cache does not tell files apart."""
    copied = Path(shutil.copy(path, folder))
    analyzer = {"dt": known["dt"], "start_frame": 1, "end_frame": known["n_t"]}
    config = {
        "analyzer_parameters": {**analyzer, "scattering": {"wavevector_q": 0.0054}},
        "experimental_data": {
            "data_folder_path": folder, "data_file_name": copied.name, "file_path": str(copied),
            "cache_file_path": folder,
        },
    }  # fmt: skip
    return XPCSDataLoader(config_dict=config).load_experimental_data()


def main() -> None:
    """Print the largest difference of each file."""
    logging.disable(logging.CRITICAL)
    folder = Path(sys.argv[1]).resolve()
    for known in json.loads((folder / "truth.json").read_text())["samples"].values():
        path = folder / known["file"]
        with h5py.File(path) as file:
            halves = [each[()] for each in file[GROUPS[known["layout"]]].values()]
        full = {(each["q"], each["phi"]): half for each, half in zip(known["bins"], halves, strict=True)}
        off = np.triu_indices(known["n_t"], 1)
        with tempfile.TemporaryDirectory() as scratch:
            data = loaded(path, known, scratch)
        differences = [
            np.abs(c2 - full[float(q), float(phi)])[off].max()
            for c2, q, phi in zip(data["c2_exp"], data["wavevector_q_list"], data["phi_angles_list"], strict=True)
        ]
        print(f"{path.name}: {len(differences)} matrices, largest difference off the diagonal {max(differences):.1e}")


if __name__ == "__main__":
    main()
