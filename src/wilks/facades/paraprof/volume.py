"""The answer of the volume sampling in the shape of paraprof, and its files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.paraprof.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.profiles.volume_result import VolumeResult


def as_dictionary(result: VolumeResult) -> dict[str, Any]:
    """A result as the dictionary that paraprof returns, with the result itself as ``volume``."""
    edges, counts = result.histogram
    return {
        "skipped": result.is_skipped,
        "reason": result.status.message if result.is_skipped else None,
        "samples": np.column_stack([result.samples, result.log_likelihoods]),
        "band_lo_final": result.band[0],
        "global_max": result.log_likelihood,
        "stats": {
            "n_walkers": result.n_walkers,
            "n_steps": result.n_steps,
            "n_sweeps": result.n_sweeps,
            "n_evals": result.n_evaluations,
            "n_in_band": result.n_in_band,
            "in_band_fraction": result.in_band_fraction,
            "mean_acceptance": result.mean_acceptance,
            "sigma": result.sigma,
            "global_max_drift": result.best_drift,
            "lnl_histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        },
        "volume": replace(result, log=None),  # can be pickled
    }


def write_files(result: VolumeResult, found: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Write the samples, and the counts as JSON; files of an earlier run are replaced."""
    output = Path(options["output_file"])
    result.write_samples(output, overwrite=True)
    given = options["summary_file"]
    summary = output.with_name(f"{output.stem}_summary.json") if given is None else Path(given)
    content = {"band_lo_final": found["band_lo_final"], "global_max": found["global_max"], **found["stats"]}
    known = {key: _or_null(value) for key, value in content.items()}
    summary.parent.mkdir(parents=True, exist_ok=True)
    summary.write_text(json.dumps(known, indent=2, allow_nan=False) + "\n", "utf-8")
    get_logger().info("%d samples in %s, summary in %s", result.n_in_band, output, summary)


def _or_null(value: Any) -> Any:  # noqa: ANN401 - a number or something that holds none that is not finite
    return None if isinstance(value, float) and not math.isfinite(value) else value
