"""`wilks export`: all evaluations of a run as one file for other programs, or its profile maps as one file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import wilks
from wilks.cli.config import validate
from wilks.cli.folder import RunFolder
from wilks.cli.run import find_folder, numbered
from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.store.document import read

ENDINGS = {"csv": ".csv", "hdf5": ".h5", "parquet": ".parquet", "netcdf": ".nc"}
"""Format of evaluations -> ending of the file."""
MAP_ENDINGS = {"netcdf": ".nc", "npz": ".npz", "csv": ".csv"}
"""Format of maps -> ending of the file."""


def export_run(run: Path, format: str, output: Path | None, *, overwrite: bool, maps: bool = False) -> list[Path]:  # noqa: A002 - a word of the user
    """Write the evaluations of a run, or its maps, to files, and return their paths.

    Parameters
    ----------
    run
        Run folder, or the configuration that was run.
    format
        One of `ENDINGS`; for maps one of `MAP_ENDINGS`.
    output
        The file; ``samples`` with the ending of the format, in the run folder, by default. Where there are several
        maps, a folder; ``maps`` in the run folder by default.
    overwrite
        Replace files that exist.
    maps
        Write the maps of the profile stages; understood for a format that is one of maps alone.

    Raises
    ------
    InvalidConfigurationError
        If the format is unknown, or a file exists and is not to be replaced.
    CheckpointError
        If the log or a result cannot be read, there is no map, or a file cannot be written.
    """
    from wilks.store.exports import export

    maps = maps or (format in MAP_ENDINGS and format not in ENDINGS)
    known = MAP_ENDINGS if maps else ENDINGS | MAP_ENDINGS
    if format not in known:
        raise InvalidConfigurationError(f"--format: expected one of {', '.join(known)}, got {format!r}")
    folder = find_folder(run)
    if maps:
        return _export_maps(folder, format, output, overwrite=overwrite)
    path = output or folder.path / f"samples{ENDINGS[format]}"
    _check_free(path, overwrite=overwrite)
    with wilks.EvaluationLog(folder.log, read_only=True) as log:
        return [export(log, path, format, overwrite=overwrite)]


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise InvalidConfigurationError(f"{path}: exists already; use --overwrite, or another file with --output")


def _export_maps(folder: RunFolder, format: str, output: Path | None, *, overwrite: bool) -> list[Path]:  # noqa: A002 - see above
    from wilks.store.maps import write_csv, write_netcdf, write_npz

    writers: dict[str, Callable[[Any, Path], Path]] = {"netcdf": write_netcdf, "npz": write_npz, "csv": write_csv}
    results = _profiles(folder)
    if not results:
        raise CheckpointError(f"{folder.path}: no profile stage of this run is finished, there is no map to export")
    names = [folder.file("maps", number, title, MAP_ENDINGS[format]) for number, title, _ in results]
    if output is not None:
        names = [output] if len(results) == 1 else [output / path.name for path in names]
    if output is not None and len(results) > 1 and output.is_file():
        raise InvalidConfigurationError(f"--output: {len(results)} maps need a folder, {output} is a file")
    for path in names:
        _check_free(path, overwrite=overwrite)
    return [writers[format](result, path) for path, (_, _, result) in zip(names, results, strict=True)]


def _profiles(folder: RunFolder) -> list[tuple[int, str, Any]]:
    """Number, title and result of every finished profile stage."""
    config = validate(read(folder.config))
    found = []
    for number, stage, title in numbered(config):
        result = folder.result_of(stage.key(config.seed)) if stage.verb == "profile" else None
        if result is not None:
            found.append((number, title, result))
    return found
