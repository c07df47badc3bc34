"""`wilks init`: a configuration and a likelihood to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from wilks.core.errors import InvalidConfigurationError

FILES = ("config.yaml", "my_likelihood.py")


def write_templates(folder: Path) -> list[Path]:
    """Write the files of `wilks.cli.starter` into a folder, and return their paths.

    Raises
    ------
    InvalidConfigurationError
        If one of them is there already; then none is written.
    """
    there = [str(folder / name) for name in FILES if (folder / name).exists()]
    if there:
        raise InvalidConfigurationError(
            f"{' and '.join(there)}: already there, and would be overwritten; name another folder: wilks init FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    source = resources.files("wilks.cli") / "starter"
    written = []
    for name in FILES:
        path = folder / name
        path.write_text((source / name).read_text("utf-8"), "utf-8")
        written.append(path)
    return written
