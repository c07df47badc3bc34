"""What runs in a worker process: it receives a problem and chunks of points, and sends the answers back.

A thread receives, so that the worker notices the end of the main process also during a call, and ends with it.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections import OrderedDict
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from wilks.core.errors import EvaluationError, InvalidProblemError, WilksError
from wilks.evaluation.call import ChunkAnswer, evaluate_chunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want

READY = "ready"
"""First message of a worker."""
LOADED = "loaded"
"""Message of a worker that has unpacked a problem: from here on it is the user's function that takes time."""
_KEPT_PROBLEMS = 4
_problems: OrderedDict[str, Problem] = OrderedDict()


class ProblemNotLoadedError(InvalidProblemError):
    """A worker could not unpack the problem."""


def serve(descriptor: int) -> None:
    """Answer what comes through a socket, until the word to end or the end of the main process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the main process
    connection = Connection(descriptor)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    _send(connection, READY)
    problem: Problem | WilksError | None = None
    reply: ChunkAnswer | WilksError | str
    while (message := inbox.get()) is not None:
        if isinstance(message, bytes):
            problem, reply = load(message), LOADED
        else:
            reply = answer(problem, *message)
        _send(connection, reply)


def _send(connection: Connection, message: object) -> None:
    try:
        connection.send(message)
    except OSError:  # the main process is gone
        os._exit(1)


def _receive(connection: Connection, inbox: queue.SimpleQueue[Any]) -> None:
    try:
        while (message := connection.recv()) is not None:
            inbox.put(message)
    except (EOFError, OSError):
        os._exit(1)
    inbox.put(None)


def answer(problem: Problem | WilksError | None, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer | WilksError:
    """Return the answers at some points; what kept them from being evaluated, as a value that can be sent."""
    if problem is None or isinstance(problem, WilksError):
        return problem or ProblemNotLoadedError("a worker process received points before the problem")
    try:
        return evaluate_chunk(problem, thetas, want)
    except WilksError as error:
        return error
    except BaseException as error:  # noqa: BLE001 - whatever else ends a chunk must be told, or the run would wait
        return EvaluationError(
            f"a worker process could not finish its work: {type(error).__name__}", traceback=traceback.format_exc()
        )


def load(blob: bytes) -> Problem | WilksError:
    """Return the problem that `wilks.evaluation.executors.pickled` has packed, or why it cannot be unpacked here."""
    import cloudpickle  # noqa: PLC0415 - loads on use

    try:
        problem: Problem = cloudpickle.loads(blob)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's modules are imported here
        return ProblemNotLoadedError(
            f"the problem cannot be loaded in a worker process: {type(error).__name__}: {error}; everything that "
            "the likelihood needs must be importable there: install its module, add its folder to PYTHONPATH, or call "
            "cloudpickle.register_pickle_by_value(module) before the run"
        )
    return problem


def work(token: str, blob: bytes, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
    """Evaluate one chunk in a worker of somebody else's pool, which keeps the last problems by their token."""
    problem = _problems.get(token)
    if problem is None:
        loaded = load(blob)
        if isinstance(loaded, WilksError):
            raise loaded
        problem = _problems[token] = loaded
        while len(_problems) > _KEPT_PROBLEMS:
            _problems.popitem(last=False)
    return evaluate_chunk(problem, thetas, want)
