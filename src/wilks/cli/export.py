"""`wilks export`: all evaluations of a run as one file for other programs, or its maps or draws as one file each."""

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

Writer = Callable[[Any, Path], Path]

ENDINGS = {"csv": ".csv", "hdf5": ".h5", "parquet": ".parquet", "netcdf": ".nc"}
"""Format of evaluations -> ending of the file."""
MAP_ENDINGS = {"netcdf": ".nc", "npz": ".npz", "csv": ".csv"}
"""Format of maps -> ending of the file."""


def export_run(
    run: Path,
    format: str,  # noqa: A002 - a word of the user
    output: Path | None,
    *,
    overwrite: bool,
    maps: bool = False,
    draws: bool = False,
) -> list[Path]:
    """Write the evaluations of a run, its maps, or its draws, to files, and return their paths.

    Parameters
    ----------
    run
        Run folder, or the configuration that was run.
    format
        One of `ENDINGS`; for maps one of `MAP_ENDINGS`.
    output
        The file; ``samples`` with the ending of the format, in the run folder, by default. Where there are several
        maps or posteriors, a folder; ``maps`` or ``draws`` in the run folder by default.
    overwrite
        Replace files that exist.
    maps
        Write the maps of the profile stages; understood for a format that is one of maps alone.
    draws
        Write the draws of the sample stages.

    Raises
    ------
    InvalidConfigurationError
        If the format is unknown, both maps and draws are asked for, or a file exists and is not to be replaced.
    MissingDependencyError
        If the format needs a package that is not installed.
    CheckpointError
        If the log or a result cannot be read, there is nothing to export, or a file cannot be written.
    """
    from wilks.store.exports import export

    if maps and draws:
        raise InvalidConfigurationError("--maps, --draws: these are different files, ask for one of them at a time")
    maps = maps or (format in MAP_ENDINGS and format not in ENDINGS and not draws)
    known = MAP_ENDINGS if maps else ENDINGS if draws else ENDINGS | MAP_ENDINGS
    if format not in known:
        raise InvalidConfigurationError(f"--format: expected one of {', '.join(known)}, got {format!r}")
    folder = find_folder(run)
    if maps:
        return _export_each(folder, "profile", MAP_ENDINGS[format], output, _map_writer(format), overwrite=overwrite)
    if draws:
        return _export_each(folder, "sample", ENDINGS[format], output, _draws_writer(format), overwrite=overwrite)
    path = output or folder.path / f"samples{ENDINGS[format]}"
    _check_free(path, overwrite=overwrite)
    with wilks.EvaluationLog(folder.log, read_only=True) as log:
        return [export(log, path, format, overwrite=overwrite)]


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise InvalidConfigurationError(f"{path}: exists already; use --overwrite, or another file with --output")


def _map_writer(format: str) -> Writer:  # noqa: A002 - see above
    from wilks.store.maps import write_csv, write_netcdf, write_npz

    writers: dict[str, Writer] = {"netcdf": write_netcdf, "npz": write_npz, "csv": write_csv}
    return writers[format]


def _draws_writer(format: str) -> Writer:  # noqa: A002 - see above
    from wilks.samplers.files import write_draws

    return lambda posterior, path: write_draws(posterior, path, format, overwrite=True)


_GROUPS = {"profile": ("maps", "map"), "sample": ("draws", "posterior")}
"""Verb -> folder of its files, and what one of them holds."""


def _export_each(
    folder: RunFolder, verb: str, ending: str, output: Path | None, write: Writer, *, overwrite: bool
) -> list[Path]:
    """One file for every finished stage of a verb."""
    results = _results(folder, verb)
    group, noun = _GROUPS[verb]
    if not results:
        raise CheckpointError(f"{folder.path}: no {verb} stage of this run is finished, there is no {noun} to export")
    names = [folder.file(group, number, title, ending) for number, title, _ in results]
    if output is not None:
        names = [output] if len(results) == 1 else [output / path.name for path in names]
    if output is not None and len(results) > 1 and output.is_file():
        raise InvalidConfigurationError(f"--output: {len(results)} {noun}s need a folder, {output} is a file")
    for path in names:
        _check_free(path, overwrite=overwrite)
    return [write(result, path) for path, (_, _, result) in zip(names, results, strict=True)]


def _results(folder: RunFolder, verb: str) -> list[tuple[int, str, Any]]:
    """Number, title and result of every finished stage of a verb."""
    config = validate(read(folder.config))
    found = []
    for number, stage, title in numbered(config):
        result = folder.result_of(stage.key(config.seed)) if stage.verb == verb else None
        if result is not None:
            found.append((number, title, result))
    return found
