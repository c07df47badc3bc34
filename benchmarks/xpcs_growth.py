"""How time and memory of a fit of two-time correlations grow with the number of pixels: whole processes.

    python benchmarks/xpcs_growth.py [--repeats 3] [--data FOLDER]

Data sets like those of `xpcs_peers.py`, from 1e5 pixels to 2.3e7, each in a process of its own that imports what it
needs, loads the file and fits 7 physical parameters with contrast and offset of every angle; the quickest of the
repeats counts. Below the table: straight lines through time and memory, least squares with relative weights, and how
far the points lie from them. `input` is the size of the file, which is loaded whole; `passes` are the evaluations on
all data.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import xpcs_peers
from xpcs_peers import DATA, Case, measure
from xpcs_targets import fit_command

SIZES = (
    Case("growth-100k", 10, 100),
    Case("growth-300k", 10, 173),
    Case("1M", 10, 317),
    Case("growth-3M", 12, 500),
    Case("growth-10M", 16, 791),
    Case("23M", 23, 1001),
)


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Constant, slope, and largest relative distance of a straight line through positive numbers."""
    columns = np.column_stack([np.ones_like(x), x]) / y[:, None]
    constant, slope = np.linalg.lstsq(columns, np.ones_like(y), rcond=None)[0]
    return float(constant), float(slope), float(np.abs((constant + slope * x) / y - 1).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    rows = []
    print(f"{'pixels':>10s} {'angles':>6s} {'wall s':>7s} {'cpu s':>7s} {'peak MB':>8s} {'input MB':>8s}  result")
    for case in SIZES:
        case.write(arguments.data)
        command = fit_command(case, arguments.data)
        best = min((measure(command) for _ in range(arguments.repeats + 1)), key=lambda cost: cost.cpu)
        found = best.last_line()
        pixels, size = case.n_phi * case.n_t**2, case.path(arguments.data).stat().st_size / 1e6
        rows.append((pixels, best.cpu, best.peak_mb - size))
        name, pull = max(xpcs_peers.pulls(found).items(), key=lambda item: abs(item[1]))
        print(
            f"{pixels:10d} {case.n_phi:6d} {best.wall:7.2f} {best.cpu:7.2f} {best.peak_mb:8.0f} {size:8.0f}  "
            f"{found['status']} largest pull {pull:+.2f} ({name})",
            flush=True,
        )
    table = np.array(rows)
    for label, column, unit, small in (("cpu", 1, "s", "ns"), ("memory without the input", 2, "MB", "B")):
        constant, slope, off = line(table[:, 0], table[:, column])
        factor = 1e9 if small == "ns" else 1e6
        print(
            f"{label}: {constant:.2f} {unit} + {slope * factor:.1f} {small} a pixel, off by {100 * off:.0f} % at most"
        )
    print(json.dumps({"pixels": table[:, 0].tolist(), "cpu": table[:, 1].tolist(), "megabytes": table[:, 2].tolist()}))


if __name__ == "__main__":
    main()
