"""Samples of earlier runs as starts of this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.logger import get_logger
from wilks.facades.paraprof.settings import as_arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.space import Space
    from wilks.facades.paraprof.settings import Settings
    from wilks.store.log import EvaluationLog


ENOUGH = 100
"""Samples per parameter that are taken for those of a whole run, which has looked for the optima in the whole box."""
_LOOKED_AT, _MOST_STARTS, _FAR = 200, 32, 0.1


def import_samples(log: EvaluationLog, problem: Problem, settings: Settings) -> int:
    """Add the rows of the warm-start file to a log, in which every projection looks for starts; return their number.

    The file may be missing, or empty, when it is the one that the samples of this run go to: then this is the first
    run of a series.

    Raises
    ------
    ConfigurationError
        If the file cannot be used.
    """
    path = Path(settings.warm_start_file or "")
    output = settings.samples_output_file
    is_own = output is not None and path.resolve() == Path(output).resolve()
    if is_own and (not path.exists() or not path.stat().st_size):
        return 0
    if not path.exists():
        raise ConfigurationError(f"warm_start_file: there is no file {str(path)!r}", "warm_start_file", str(path))
    try:
        found = log.import_samples(path, problem, skip_invalid=True)
    except (InvalidConfigurationError, InvalidDataError) as error:
        raise ConfigurationError(f"warm_start_file: {error}", "warm_start_file", str(path)) from error
    get_logger().info("%s: %d samples to start from", path, found.n_imported + found.n_known)
    if found.n_skipped:
        get_logger().warning("%s: %d rows outside the bounds, or not finite, were left out", path, found.n_skipped)
    return found.n_imported + found.n_known


def known_starts(log: EvaluationLog, space: Space, depth: float) -> list[dict[str, float]]:
    """The samples of a log in the region of interest that are the best far around: the optima of an earlier run."""
    arrays = log.arrays()
    units, values = space.to_unit(arrays["thetas"]), arrays["log_likelihoods"]
    starts: list[NDArray[np.float64]] = []
    for theta in log.top(_LOOKED_AT, apart=_FAR):
        near = np.abs(units - space.to_unit(theta)).max(axis=1) < _FAR
        best = arrays["thetas"][near][np.argmax(values[near])]
        is_inside = values[near].max() > values.max() - depth
        if is_inside and (best == theta).all():  # else it lies on the slope of a better one
            starts.append(theta)
    return as_arguments(space.free, np.array(starts[:_MOST_STARTS]))
