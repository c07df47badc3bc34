"""`wilks export`: all evaluations of a run as one file for other programs."""

from __future__ import annotations

from pathlib import Path

import wilks
from wilks.cli.run import find_folder
from wilks.core.errors import InvalidConfigurationError

ENDINGS = {"csv": ".csv", "hdf5": ".h5", "parquet": ".parquet", "netcdf": ".nc"}
"""Format -> ending of the file."""


def export_run(run: Path, format: str, output: Path | None, *, overwrite: bool) -> Path:  # noqa: A002 - a word of the user
    """Write the evaluations of a run to a file, and return its path.

    Parameters
    ----------
    run
        Run folder, or the configuration that was run.
    format
        One of `ENDINGS`.
    output
        The file; ``samples`` with the ending of the format, in the run folder, by default.
    overwrite
        Replace the file if it exists.

    Raises
    ------
    InvalidConfigurationError
        If the format is unknown, or the file exists and is not to be replaced.
    CheckpointError
        If the log cannot be read, or the file cannot be written.
    """
    from wilks.store.exports import export

    if format not in ENDINGS:
        raise InvalidConfigurationError(f"--format: expected one of {', '.join(ENDINGS)}, got {format!r}")
    folder = find_folder(run)
    path = output or folder.path / f"samples{ENDINGS[format]}"
    if path.exists() and not overwrite:
        raise InvalidConfigurationError(f"{path}: exists already; use --overwrite, or another file with --output")
    with wilks.EvaluationLog(folder.log, read_only=True) as log:
        export(log, path, format, overwrite=overwrite)
    return path
