"""`wilks xpcs simulate`: a data file of known parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.store.document import Document
from wilks.xpcs.configuration import load, load_document

if TYPE_CHECKING:
    from wilks.cli.terminal import Terminal
    from wilks.cli.xpcs.options import Given
    from wilks.xpcs.configuration import Override

_COMMAND_LINE = "the command line"
_NEEDED = {
    f"--{name}": f"simulation.{key}"
    for name, key in (("value", "values"), ("frames", "n_frames"), ("dt", "dt"), ("q", "q"), ("phi", "phi"))
}


def simulate(config: Path | None, given: Given, output: Path, terminal: Terminal, *, overwrite: bool) -> None:
    """Simulate correlations and write them in the layout of a beamline.

    Raises
    ------
    InvalidConfigurationError
        If a value is missing or wrong.
    CheckpointError
        If the file exists and is not to be replaced, or cannot be written.
    """
    from wilks.xpcs import files

    if output.exists() and not overwrite:
        raise CheckpointError(f"{output}: exists; use --overwrite to replace it")
    if config is None:
        loaded = load_document(_empty(), _complete(given.overrides()))
    else:
        loaded = load(config, given.overrides())
    configuration = loaded.configuration
    made = configuration.simulate()
    assert configuration.simulation is not None  # noqa: S101 - it has just been carried out
    layout = configuration.simulation.layout
    files.write(output, made, layout=layout, overwrite=overwrite)  # type: ignore[arg-type]  # it is checked
    terminal.table(files.describe(output).table())
    terminal.line(str(output))


def _empty() -> Document:
    """Return the configuration of a command line that names no file."""
    return Document(Path(_COMMAND_LINE), {"simulation": {}}, {}, {(): _COMMAND_LINE})


def _complete(overrides: list[Override]) -> list[Override]:
    """Refuse options that leave out what no file says."""
    keys = [override.key for override in overrides]
    missing = [flag for flag, needed in _NEEDED.items() if not any(key.startswith(needed) for key in keys)]
    if missing:
        raise InvalidConfigurationError(
            f"without a configuration {', '.join(_NEEDED)} are needed, and here {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing"
        )
    return overrides
