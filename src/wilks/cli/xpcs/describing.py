"""`wilks xpcs info`: what is in a data file, or what a run has found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import wilks
from wilks.cli.folder import RunFolder
from wilks.cli.xpcs.loading import finished_posterior, finished_results, is_configuration, load
from wilks.cli.xpcs.options import Given
from wilks.cli.xpcs.sampling import tell
from wilks.core.errors import InvalidDataError

if TYPE_CHECKING:
    from wilks.cli.terminal import Terminal


def describe(source: Path, terminal: Terminal) -> None:
    """Print what a file or a folder holds.

    Raises
    ------
    WilksError
        If it holds nothing that is understood.
    """
    from wilks.xpcs import files, output

    if source.is_dir():
        fit, profiles = finished_results(RunFolder(source))
        for table in output.summary(fit):
            terminal.table(table)
            terminal.line()
        for title, profile in profiles:
            terminal.heading(title)
            terminal.table(profile.table())
            terminal.line(profile.status.message)
        posterior = finished_posterior(RunFolder(source))
        if posterior is not None:
            tell(posterior, terminal)
        return
    if source.suffix == ".wilks":
        result = wilks.load(source)
        if not isinstance(result, wilks.xpcs.XpcsFit):
            raise InvalidDataError(f"{source}: expected the result of an XPCS fit, got a {type(result).__name__}")
        for table in output.summary(result):
            terminal.table(table)
        return
    contents = files.describe(load(source, Given(())).configuration.file if is_configuration(source) else source)
    terminal.table(contents.table())
