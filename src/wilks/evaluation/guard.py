"""Says which process of an MPI job died, and what it was doing; ``mpiexec`` says only that one did.

MPICH's ``mpiexec`` kills a whole job within milliseconds of the death of a process, without a signal that could be
handled, so that no process of the job can say anything. Each of them therefore has a child that runs this file. When
``mpiexec`` kills a process it kills its group, and the child with it; so a child that is left alone knows that its
parent died first, by itself, and says so. It also holds a copy of the connection between its parent and ``mpiexec``,
over which it asks for the end of the job. A parent that ends in good order sends a word of farewell before.

This file runs as a script, without the packages of the environment: it takes the standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

FAREWELL = b"\0"
"""Last message of a process that ends in good order."""
_DYING_SECONDS = 0.5
_MOMENT = 0.05
"""Seconds after which this process would be dead too, had the job been ended by somebody else."""
_FORWARDED = 0.3
"""Seconds that a message may need to the terminal."""
_PATIENCE = 5.0


def watch(inbox: int, connection: int, pid: int, name: str, advice: str) -> None:
    """Wait for the end of a process; if it was its death, say so and end the job.

    Parameters
    ----------
    inbox
        Where the process writes lines about what it does.
    connection
        Its connection to ``mpiexec``.
    pid, name
        Which process it is.
    advice
        What to do after its death.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):  # meant for the parent
        signal.signal(number, signal.SIG_IGN)
    activity, farewell = _last_words(inbox, pid)
    if farewell:
        return
    how, code = _end_of(pid)
    gone = select.poll()
    gone.register(connection, 0)  # tells when the other end is closed
    if gone.poll(1000 * _MOMENT):
        return
    where = f"(process {pid} on {os.uname().nodename})"
    doing = f" while {activity}" if activity else ""
    text = f"wilks: MPI {name} {where} {how}{doing}; the job ends, since MPI cannot do without it. {advice}\n"
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))
    time.sleep(_FORWARDED)
    with suppress(OSError):
        os.write(connection, f"cmd=abort exitcode={code}\n".encode())
        gone.poll(1000 * _PATIENCE)


def _last_words(inbox: int, pid: int) -> tuple[str, bool]:
    """Read until the process has ended; return its last line, and whether it took leave."""
    waiting = select.poll()
    waiting.register(inbox, select.POLLIN)
    process = -1
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            # The pipe alone would not do: a child of the process may keep it open.
            process = os.pidfd_open(pid)
            waiting.register(process, select.POLLIN)
    rest, line = b"", b""
    while True:
        ready = dict(waiting.poll())
        if inbox in ready:
            new = os.read(inbox, 65536)
            *lines, rest = (rest + new).split(b"\n")
            line = lines[-1] if lines else line
            if FAREWELL in new:
                return "", True
            if new:
                continue
        return line.decode(errors="replace"), False


def _end_of(pid: int) -> tuple[str, int]:
    """How a process ended, in words, and the exit code for the job; its parent has not asked yet, so Linux knows."""
    status, before = 0, time.monotonic() + _DYING_SECONDS
    while status == 0 and time.monotonic() < before:  # a process that is still dying has no status yet
        with suppress(OSError, ValueError, IndexError):
            status = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(maxsplit=1)[1])
        time.sleep(0.0 if status else 0.01)
    number = status & 0x7F
    if number:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(number).name}", 1
    code = status >> 8
    return (f"ended by itself with exit code {code}", code) if code else ("died", 1)


if __name__ == "__main__":
    inbox, connection, pid = map(int, sys.argv[1:4])
    watch(inbox, connection, pid, *sys.argv[4:6])
