"""A log in the formats of other programs, and sample files read back.

``csv`` and ``hdf5`` are sample files (see `wilks.store.samples`): numbers only, a `Categorical` parameter as the index
of its value. ``parquet`` and ``netcdf`` hold values under their names, with status, time, worker and stage.
A file appears under its name only when it is complete.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.core.proposal import Phase
from wilks.store import netcdf, parquet, samples, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wilks.core.space import Space
    from wilks.store.log import EvaluationLog
    from wilks.store.rows import Arrays

    Writer = Callable[[EvaluationLog, Space, Path], None]

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".parquet": "parquet",
    ".nc": "netcdf",
    ".netcdf": "netcdf",
}
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
    if path.exists() and not overwrite:
        raise InvalidConfigurationError(f"{path}: exists already; choose another name, or pass overwrite=True")
    if log.space is None:
        raise CheckpointError(f"{path}: nothing to export: the log belongs to no problem yet; run a verb with it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(log, log.space, temporary)
        temporary.replace(path)
    except CheckpointError:  # of the log itself, which says what is wrong
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def import_samples(path: str | Path, names: Sequence[str]) -> Arrays:
    """Read a sample file, csv or hdf5.

    Parameters
    ----------
    path
        The file; the extension tells the format.
    names
        Names of the free parameters, in the order in which their columns are wanted.

    Returns
    -------
    dict
        ``thetas`` (n, number of names), ``log_likelihoods`` (n,) and ``phases`` (n,); the phase is -1 where the file
        has no column for it.

    Raises
    ------
    InvalidConfigurationError
        If the extension is not that of a sample file.
    InvalidDataError
        If the file cannot be read, or its columns are not those of the parameters.
    """
    path = Path(path)
    kind = _format_of(path, None)
    if kind not in ("csv", "hdf5"):
        raise InvalidConfigurationError(f"{path}: sample files are csv or hdf5, and {kind} is not read")
    try:
        if kind == "csv":
            return samples.arrange(samples.read_csv(path), names, None, path)
        rows, columns = samples.read_hdf5(path)
    except InvalidDataError:
        raise
    except OSError as error:
        raise InvalidDataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return samples.arrange(rows, names, columns, path)


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


def _write_csv(log: EvaluationLog, space: Space, path: Path) -> None:  # noqa: ARG001 - all writers take the same
    samples.write_csv(path, map(samples.as_rows, log.iter_batches()))


def _write_hdf5(log: EvaluationLog, space: Space, path: Path) -> None:
    names = tables.column_names(space.free)
    header = log.header
    attributes = {
        "phase_legend": [f"{int(phase)} {phase.name.lower()}" for phase in Phase],
        "problem": header["problem"],
        "fingerprint": header["fingerprint"],
        "wilks_version": header["wilks"],
    }
    columns = names[: space.dimension + 2]
    samples.write_hdf5(path, map(samples.as_rows, log.iter_batches()), columns, attributes)


_WRITERS: dict[str, Writer] = {
    "csv": _write_csv,
    "hdf5": _write_hdf5,
    "parquet": parquet.write,
    "netcdf": netcdf.write,
}
