"""The user's functions of an array of parameters, as wilks calls them and as MPI sends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Function = Callable[["NDArray[np.float64]"], Any]


class Target:
    """A log-likelihood of values by name, made of a function of an array.

    Parameters
    ----------
    function
        The user's function. An array with one number in it is taken for that number.
    names
        Names of the parameters in the order of the array.

    Examples
    --------
    >>> Target(lambda p: -p[0] ** 2 - p[1:], ["a", "b"])({"a": 1.0, "b": 2.0})
    -3.0
    """

    def __init__(self, function: Function, names: Sequence[str]) -> None:
        self._function = function
        self._names = tuple(names)

    def __call__(self, values: Mapping[str, float]) -> Any:  # noqa: ANN401 - the user's answer, judged by the evaluator
        """Call the user's function; every call gets an array of its own."""
        answer = self._function(np.array([values[name] for name in self._names]))
        if isinstance(answer, (list, tuple)) and len(answer) == 1:
            answer = answer[0]
        return answer.reshape(-1)[0].item() if isinstance(answer, np.ndarray) and answer.size == 1 else answer


class Gradient:
    """The same for a gradient: an array with gaps (NaN), or a dictionary from indices to derivatives.

    Parameters
    ----------
    function
        The user's function.
    names
        Names of the parameters in the order of the array.

    Examples
    --------
    >>> Gradient(lambda p: {1: -2.0 * p[1]}, ["a", "b"])({"a": 1.0, "b": 2.0})
    {'b': -4.0}
    """

    def __init__(self, function: Function, names: Sequence[str]) -> None:
        self._function = function
        self._names = tuple(names)

    def __call__(self, values: Mapping[str, float]) -> Any:  # noqa: ANN401 - the user's answer, judged by the evaluator
        """Call the user's function and return its answer with names in the place of indices."""
        answer = self._function(np.array([values[name] for name in self._names]))
        if not isinstance(answer, Mapping):
            return np.asarray(answer, dtype=float).reshape(-1)
        stray = [key for key in answer if key not in range(len(self._names))]
        if stray:
            raise InvalidProblemError(
                f"grad_func: expected the indices 0 to {len(self._names) - 1} as keys, got {stray[0]!r}"
            )
        return {self._names[key]: float(value) for key, value in answer.items()}


class Sendable:
    """A function that any pickler can send, lambdas and functions within functions too; it arrives as it was.

    Parameters
    ----------
    function
        The function.
    """

    def __init__(self, function: Function) -> None:
        self.__wrapped__ = function

    def __call__(self, params: Any) -> Any:  # noqa: ANN401 - the user's function
        """Call the function."""
        return self.__wrapped__(params)

    def __reduce__(self) -> tuple[Callable[[bytes], Function], tuple[bytes]]:
        """For pickle: the function itself, by value where it has no name to be found under."""
        import cloudpickle  # noqa: PLC0415 - loads on use

        return _unpickled, (cloudpickle.dumps(self.__wrapped__),)

    def __repr__(self) -> str:
        """Return the representation of the function."""
        return repr(self.__wrapped__)


def _unpickled(data: bytes) -> Function:
    import cloudpickle  # noqa: PLC0415 - loads on use

    function: Function = cloudpickle.loads(data)
    return function


class OnEveryRank:
    """A function that is not sent: every rank has one of its own, given to `provide`.

    Parameters
    ----------
    name
        Which of the functions of the rank.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, params: NDArray[np.float64]) -> Any:  # noqa: ANN401 - the user's function
        """Call the function of this rank."""
        function = _provided.get(self._name)
        if function is None:
            raise InvalidProblemError(
                f"this rank was not given a {self._name}: with broadcast_target_func=False every worker needs "
                f"worker_main(comm, myrank, {self._name}=...)"
            )
        return function(params)


_provided: dict[str, Function] = {}


def provide(name: str, function: Function) -> None:
    """Set a function of this rank."""
    _provided[name] = function
