"""Files that appear under their name only when they are complete, and errors of reading in our own words."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes its name in the end, or is deleted.

    Raises
    ------
    InvalidConfigurationError
        If the file exists and `overwrite` is False.
    CheckpointError
        If the file cannot be written.
    """
    with writing(path):  # a folder that may not be entered
        exists = path.exists()
    if exists and not overwrite:
        raise InvalidConfigurationError(f"{path}: exists already; choose another name, or pass overwrite=True")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):  # what could not be written may be in no state to be deleted either
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the operating system and of HDF5 into a `CheckpointError` that names the file."""
    try:
        yield
    except CheckpointError:  # which is an OSError too, and says already what is wrong
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of the operating system and of HDF5 into an `InvalidDataError` that names the file."""
    try:
        yield
    except OSError as error:
        raise InvalidDataError(f"{path}: cannot be read: {error.strerror or error}") from error
