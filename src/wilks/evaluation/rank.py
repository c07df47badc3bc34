"""What runs in a rank of an MPI job other than 0: it receives problems and chunks of points, and sends answers."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import WilksError
from wilks.evaluation import guard as guard_script
from wilks.evaluation.call import ChunkAnswer
from wilks.evaluation.crew import DROP, END, ENDED, POINTS, PROBLEM, SKIPPED, TAG, pause
from wilks.evaluation.worker import answer, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AFTER_SIGNAL = 0.3
"""Seconds in which rank 0, which mpiexec sends the same signal, drops the chunk."""
_MOST_TEXT = 1000
_ADVICE = (
    "What was evaluated is in the run file, if the run has one: go on with wilks run CONFIG --resume, "
    "or run the script again with the same wilks.EvaluationLog(path)."
)


class Guard:
    """A child process that speaks when this one dies; see `wilks.evaluation.guard`.

    Parameters
    ----------
    name
        Which process this is.
    advice
        What to do after its death.
    """

    def __init__(self, name: str, advice: str) -> None:
        connection = int(os.environ["PMI_FD"])
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
                [
                    *(sys.executable, "-I", "-S", str(Path(guard_script.__file__)), str(reader), str(connection)),
                    *(str(os.getpid()), name, advice),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(reader, connection),
            )
        finally:
            os.close(reader)

    def note(self, text: str) -> None:
        """Say what this process does now."""
        self._write(text[:_MOST_TEXT].replace("\n", " ").encode(errors="replace") + b"\n")

    def dismiss(self) -> None:
        """Take leave: from here on, this process may end."""
        self._write(guard_script.FAREWELL)
        os.close(self._writer)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # a guard that is behind, or gone, is no reason to stop
            os.write(self._writer, data)


_guards: dict[int, Guard] = {}
"""The guard of this process, by its identifier: a forked child has none."""


def start_guard(rank: int, size: int, advice: str = _ADVICE) -> Guard | None:
    """Return the guard of this process, started when there is none.

    It needs the ``mpiexec`` of MPICH or one of its relatives, and Linux; that of Open MPI and Slurm's ``srun`` name the
    rank that died themselves.
    """
    known = _guards.get(os.getpid())
    if known is None and sys.platform == "linux" and {"PMI_FD", "HYDI_CONTROL_FD"} <= set(os.environ):
        with contextlib.suppress(OSError, ValueError):
            known = _guards[os.getpid()] = Guard(f"rank {rank} of {size}", advice)
    return known


def dismiss_guard() -> None:
    """Let the guard of this process go, if there is one."""
    guard = _guards.pop(os.getpid(), None)
    if guard is not None:
        guard.dismiss()


def advice(command: list[str], size: int) -> str:
    """Return what a person should do after the death of a process that the command line has started."""
    resume = [] if "--resume" in command else ["--resume"]
    again = shlex.join(["mpiexec", "-n", str(size), *command, *resume])
    return f"What was evaluated is in the run file; go on with: {again}"


@dataclass
class _Points:
    token: str
    thetas: NDArray[np.float64]
    want: Want


class Rank:
    """Serves chunks.

    Parameters
    ----------
    comm
        The mpi4py communicator.
    guard
        Is told what this process does.
    """

    def __init__(self, comm: Any, guard: Guard | None) -> None:  # noqa: ANN401 - mpi4py may be missing
        self._comm = comm
        self._rank = comm.Get_rank()
        self._guard = guard
        self._problems: dict[str, Problem | WilksError] = {}
        self._inbox: deque[_Points] = deque()
        self._interruptible = False
        self._signalled = False
        self._ending = False

    def serve(self) -> None:
        """Answer what comes, until the word to end."""
        if not faulthandler.is_enabled():
            faulthandler.enable(2)  # a segmentation fault shows where it happened
        with _Signals(self._interrupt):
            while True:
                self._fetch()
                if self._inbox:
                    self._answer(self._inbox.popleft())
                elif self._ending:
                    self._send(ENDED)
                    return

    def _fetch(self) -> None:
        """Take all messages that are there, or wait for one if there is nothing to do."""
        began = time.perf_counter()
        while True:
            while (waiting := self._comm.improbe(0, TAG)) is not None:
                self._take(*waiting.recv())
            if self._inbox or self._ending:
                return
            time.sleep(pause(time.perf_counter() - began))

    def _take(self, kind: str, *content: Any) -> None:  # noqa: ANN401 - what a message may hold
        if kind == POINTS:
            self._inbox.append(_Points(*content))
        elif kind == PROBLEM:
            self._load(*content)
        elif kind == DROP:
            for _ in range(len(self._inbox)):
                self._send(SKIPPED)
            self._inbox.clear()
        elif kind == END:
            self._ending = True

    def _load(self, token: str, size: int, forgotten: str | None, path: list[str]) -> None:
        blob = bytearray(size)
        self._comm.Recv(blob, 0, TAG)
        sys.path += [folder for folder in path if folder not in sys.path]
        self._note("it loaded the problem")
        if forgotten is not None:
            del self._problems[forgotten]
        self._problems[token] = load(bytes(blob))

    def _answer(self, points: _Points) -> None:
        problem = self._problems[points.token]
        self._note(_described(problem, points.thetas))
        self._signalled = False
        try:
            self._interruptible = True
            found = answer(problem, points.thetas, points.want)
            self._interruptible = False
        except KeyboardInterrupt:
            found = _nothing()
        if self._signalled:
            time.sleep(_AFTER_SIGNAL)
            if not isinstance(found, ChunkAnswer):  # the signal came close to the user's function, not within
                found = _nothing()
        self._send(found)
        self._note("")

    def _interrupt(self) -> None:
        """End the call that is under way: mpiexec hands Ctrl-C on to every rank."""
        self._signalled = True
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    def _send(self, answer: object) -> None:
        self._comm.send((self._rank, answer), 0, TAG)

    def _note(self, text: str) -> None:
        if self._guard is not None:
            self._guard.note(text)


class _Signals:
    """Context manager that hands signals to a function; only the main thread can."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, _: int, __: FrameType | None) -> None:
        self._act()


def _described(problem: Problem | WilksError, thetas: NDArray[np.float64]) -> str:
    if isinstance(problem, WilksError) or not len(thetas):
        return ""
    n = len(thetas)
    values = ", ".join(f"{name}={value!r}" for name, value in problem.space.to_values(thetas[0]).items())
    return f"it evaluated {f'{n} points, the first at ' if n > 1 else 'the point '}{values}"


def _nothing() -> ChunkAnswer:
    """No answers, because of Ctrl-C."""
    return ChunkAnswer(np.empty(0), np.empty(0, np.int8), np.empty(0, np.float32), os.getpid(), interrupted=True)
