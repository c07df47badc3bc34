"""A log in the formats of other programs.

``csv`` and ``hdf5`` are sample files (see `wilks.store.samples`): numbers only, a `Categorical` parameter as the index
of its value. ``parquet`` and ``netcdf`` hold values under their names, with status, time, worker and stage.
A file appears under its name only when it is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.core.proposal import Phase
from wilks.store import netcdf, parquet, samples, tables
from wilks.store.files import written_whole
from wilks.store.sample_formats import SAMPLE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wilks.core.space import Space
    from wilks.store.log import EvaluationLog

    Writer = Callable[[EvaluationLog, Space, Path], None]

FORMATS: dict[str, str] = {**SAMPLE_FORMATS, ".parquet": "parquet", ".nc": "netcdf", ".netcdf": "netcdf"}
"""Extension -> format."""


def export(
    log: EvaluationLog,
    path: str | Path,
    format: str | None = None,  # noqa: A002 - the word that the command line uses
    *,
    overwrite: bool = False,
) -> Path:
    """Write all evaluations of a log to a file of another format, and return its path.

    Parameters
    ----------
    log
        The log.
    path
        The file to write.
    format
        ``"csv"``, ``"hdf5"``, ``"parquet"`` or ``"netcdf"``; chosen from the extension of `path` by default.
    overwrite
        Replace a file of that name.

    Raises
    ------
    InvalidConfigurationError
        If the format is unknown, or the file exists and `overwrite` is False.
    MissingDependencyError
        If the format needs a package that is not installed.
    CheckpointError
        If the log belongs to no problem yet, or the file cannot be written.
    """
    path = Path(path)
    writer = _WRITERS[_format_of(path, format)]
    if log.space is None:
        raise CheckpointError(f"{path}: nothing to export: the log belongs to no problem yet; run a verb with it first")
    with written_whole(path, overwrite=overwrite) as temporary:
        writer(log, log.space, temporary)
    return path


def _format_of(path: Path, chosen: str | None) -> str:
    if chosen is not None:
        if chosen not in _WRITERS:
            raise InvalidConfigurationError(f"format: expected one of {', '.join(_WRITERS)}, got {chosen!r}")
        return chosen
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidConfigurationError(
            f"{path}: expected a name that ends in one of {', '.join(FORMATS)}, got {suffix or 'no extension'!r}"
        )
    return FORMATS[suffix]


def _write_csv(log: EvaluationLog, space: Space, path: Path) -> None:
    samples.write_blocks(path, "csv", map(samples.as_rows, log.iter_batches()), space.dimension + 2)


def _write_hdf5(log: EvaluationLog, space: Space, path: Path) -> None:
    header = log.header
    attributes = {
        "phase_legend": [f"{int(phase)} {phase.name.lower()}" for phase in Phase],
        "problem": header["problem"],
        "fingerprint": header["fingerprint"],
        "wilks_version": header["wilks"],
    }
    n_columns = space.dimension + 2
    names = tables.column_names(space.free)[:n_columns]
    samples.write_blocks(path, "hdf5", map(samples.as_rows, log.iter_batches()), n_columns, names, attributes)


_WRITERS: dict[str, Writer] = {
    "csv": _write_csv,
    "hdf5": _write_hdf5,
    "parquet": parquet.write,
    "netcdf": netcdf.write,
}
