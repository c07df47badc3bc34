"""`wilks xpcs convert` and `init`: configurations of another package translated, and ours to start from."""

from __future__ import annotations

import sys
from importlib import resources
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.store.document import read, shorten
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from pathlib import Path


def convert(config: Path, output: Path | None, *, overwrite: bool) -> None:
    """Translate a configuration; print what became of every key, and the result where no file is given for it.

    Raises
    ------
    WilksError
        If the configuration cannot be read, or the file not be written.
    """
    from wilks.xpcs.translation import is_reference, translate

    document = read(config)
    if not is_reference(document):
        raise InvalidConfigurationError(
            f"{config}: expected a configuration of homodyne or xpcsjax, with keys such as analysis_mode and "
            f"analyzer_parameters, got {shorten(document.data)}; one of ours needs no translation"
        )
    if output is not None:
        _check_free(output, overwrite=overwrite)
    translation = translate(document)
    if output is None:
        print(translation.text(), file=sys.stderr)
        print(translation.yaml(), end="")
        return
    print(translation.text())
    print(_written(output, translation.yaml(), overwrite=overwrite))
    print(f"Now run: wilks xpcs fit {output}")


def write_template(output: Path, mode: str, *, overwrite: bool) -> Path:
    """Write the commented configuration of a mode, and return its path.

    Raises
    ------
    WilksError
        If there is no such mode, or the file cannot be written.
    """
    template = resources.files("wilks.xpcs").joinpath("templates", f"{check_mode(mode)}.yaml")
    return _written(output, template.read_text("utf-8"), overwrite=overwrite)


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise CheckpointError(f"{path}: exists; use --overwrite to replace it")


def _written(path: Path, text: str, *, overwrite: bool) -> Path:
    _check_free(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path
