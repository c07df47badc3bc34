"""The errors of paraprof, which are errors of wilks at the same time."""

from __future__ import annotations

from typing import Any

from wilks.core.errors import InvalidConfigurationError, WilksError


class ParaProfError(WilksError):
    """Root of the errors of this facade."""


class InvalidProjectionError(ParaProfError, InvalidConfigurationError):
    """A projection cannot be used; ``projection`` is what was given."""

    def __init__(self, message: str, projection: Any = None) -> None:  # noqa: ANN401 - what the user gave
        super().__init__(message)
        self.projection = projection

    def __reduce__(self) -> tuple[type[InvalidProjectionError], tuple[str, Any]]:
        """Rebuild from what was given: an error may have to travel between processes."""
        return type(self), (str(self), self.projection)


class InvalidBoundsError(ParaProfError, InvalidConfigurationError):
    """The bounds cannot be used; ``bounds`` is what was given."""

    def __init__(self, message: str, bounds: Any = None) -> None:  # noqa: ANN401 - what the user gave
        super().__init__(message)
        self.bounds = bounds

    def __reduce__(self) -> tuple[type[InvalidBoundsError], tuple[str, Any]]:
        """Rebuild from what was given, as above."""
        return type(self), (str(self), self.bounds)


class ConfigurationError(ParaProfError, InvalidConfigurationError):
    """An argument cannot be used: ``parameter`` is its name, ``value`` what was given."""

    def __init__(self, message: str, parameter: str | None = None, value: Any = None) -> None:  # noqa: ANN401 - as above
        super().__init__(message)
        self.parameter = parameter
        self.value = value

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[str, str | None, Any]]:
        """Rebuild from what was given, as above."""
        return type(self), (str(self), self.parameter, self.value)
