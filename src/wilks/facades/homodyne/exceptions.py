"""The errors of homodyne, which are errors of wilks at the same time.

The functions of this facade raise them where the page of homodyne says so; a fit that does not converge is no error in
wilks, but a result whose status says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.core.errors import CheckpointError, WilksError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["NLSQCheckpointError", "NLSQConvergenceError", "NLSQNumericalError", "NLSQOptimizationError"]


class NLSQOptimizationError(WilksError):
    """Root of the errors of this facade.

    Attributes
    ----------
    message
        What happened.
    error_context
        Numbers and names that belong to it; they are part of the text.

    Examples
    --------
    >>> str(NLSQOptimizationError("no step lowers the cost", {"iteration": 3}))
    'no step lowers the cost (context: iteration=3)'
    """

    def __init__(self, message: str, error_context: Mapping[str, Any] | None = None) -> None:
        self.message = message
        self.error_context: dict[str, Any] = dict(error_context or {})
        context = ", ".join(f"{name}={value}" for name, value in self.error_context.items())
        super().__init__(f"{message} (context: {context})" if context else message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the attributes: an error may have to travel between processes."""
        return _rebuilt, (type(self), str(self), dict(self.__dict__))


class NLSQConvergenceError(NLSQOptimizationError, RuntimeError):
    """A fit did not converge.

    Attributes
    ----------
    iteration_count, final_loss, parameters
        Where it stopped; None for what is not known.
    """

    def __init__(
        self,
        message: str,
        iteration_count: int | None = None,
        final_loss: float | None = None,
        parameters: ArrayLike | None = None,
        error_context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, _joined(error_context, iteration_count=iteration_count, final_loss=final_loss))
        self.iteration_count = iteration_count
        self.final_loss = final_loss
        self.parameters = parameters


class NLSQNumericalError(NLSQOptimizationError, FloatingPointError):
    """A number that must be finite is not, or lies outside its bounds.

    Attributes
    ----------
    detection_point
        ``"gradient"``, ``"parameter"`` or ``"loss"``.
    invalid_values
        A description of what was found.
    """

    def __init__(
        self,
        message: str,
        detection_point: str | None = None,
        invalid_values: Any = None,  # noqa: ANN401 - any description
        error_context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, _joined(error_context, detection_point=detection_point))
        self.detection_point = detection_point
        self.invalid_values = invalid_values


class NLSQCheckpointError(NLSQOptimizationError, CheckpointError):
    """A checkpoint cannot be written, read or used.

    Attributes
    ----------
    checkpoint_path
        The file.
    operation
        ``"save"``, ``"load"``, ``"resume"`` or ``"validate"``.
    io_error
        What the system said, if it was that.
    """

    def __init__(
        self,
        message: str,
        checkpoint_path: str | os.PathLike[str] | None = None,
        operation: str | None = None,
        io_error: Exception | None = None,
        error_context: Mapping[str, Any] | None = None,
    ) -> None:
        path = None if checkpoint_path is None else str(checkpoint_path)
        kind = None if io_error is None else type(io_error).__name__
        super().__init__(message, _joined(error_context, checkpoint_path=path, operation=operation, io_error_type=kind))
        self.checkpoint_path = checkpoint_path
        self.operation = operation
        self.io_error = io_error


def _joined(given: Mapping[str, Any] | None, **known: Any) -> dict[str, Any]:  # noqa: ANN401 - any values
    return {**(given or {}), **{name: value for name, value in known.items() if value is not None}}


def _rebuilt(kind: type[NLSQOptimizationError], text: str, attributes: dict[str, Any]) -> NLSQOptimizationError:
    error = kind(text)
    error.__dict__.update(attributes)
    return error
