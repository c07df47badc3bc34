"""Messages about the course of a run, on the standard error stream, with the rank in front.

Only this facade logs: the verbs of wilks show a progress bar in a terminal and return what there is to say.
"""

from __future__ import annotations

import logging
import sys

from wilks.facades.gfo.options import guess
from wilks.facades.paraprof.exceptions import ConfigurationError

NAME = "paraprof"
_chosen: dict[str, int] = {}


def setup_logger(
    name: str = NAME, level: int | str | None = None, rank: int | None = None, log_file: str | None = None
) -> logging.Logger:
    """Return a logger that writes to the standard error stream, and to a file when one is named.

    Parameters
    ----------
    name
        Name of the logger; this facade writes to ``"paraprof"``.
    level
        A level of `logging` or its name; by default what `set_log_level` was given last, or else INFO.
    rank
        Rank shown in front of every message, 0 by default.
    log_file
        A file to which messages are appended.

    Raises
    ------
    ConfigurationError
        If there is no such level.
    """
    chosen = _chosen.get(name, logging.INFO) if level is None else _number(level)
    logger = logging.getLogger(name)
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    handlers: list[logging.Handler] = [_ToStandardError()]
    if log_file is not None:
        handlers.append(logging.FileHandler(log_file))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(f"[Rank {rank or 0}] %(levelname)s - %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(chosen)
    logger.propagate = False
    return logger


def get_logger(name: str = NAME) -> logging.Logger:
    """Return the logger of this name, set up by default values when nobody has."""
    logger = logging.getLogger(name)
    return logger if logger.handlers else setup_logger(name)


def set_log_level(level: int | str, name: str = NAME) -> None:
    """Set the level of a logger, also for a later `setup_logger`.

    Raises
    ------
    ConfigurationError
        If there is no such level.

    Examples
    --------
    >>> set_log_level("WARNING")
    >>> get_logger().level == logging.WARNING
    True
    """
    _chosen[name] = _number(level)
    logging.getLogger(name).setLevel(_chosen[name])


class _ToStandardError(logging.StreamHandler):  # type: ignore[type-arg]  # not generic at run time
    """Writes to what the standard error stream is at that moment: it may be replaced during a run."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        logging.StreamHandler.emit(self, record)


def _number(level: int | str) -> int:
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    known = logging.getLevelNamesMapping()
    if not isinstance(level, str) or level.upper() not in known:
        raise ConfigurationError(f"level: got {level!r}; {guess(str(level).upper(), known)}", "level", level)
    return known[level.upper()]
