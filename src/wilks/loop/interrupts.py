"""Ctrl-C and SIGTERM take effect only where nothing can be torn in half.

While the loop updates its state or writes the run file, a signal is kept; while it waits for the user's function, the
signal's own handler runs at once. So the last state is always whole, and can be written as the checkpoint.
SIGTERM without a handler ends the run in the same way, and then the process, as it would have at once.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import FrameType

    Handler = Callable[[int, FrameType | None], Any]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptGate:
    """Context manager around a run; `open()` marks the parts in which signals may act."""

    def __init__(self) -> None:
        self._previous: dict[int, Handler] = {}
        self._is_open = False
        self._kept: int | None = None
        self._ends_process = False
        self._opening = _Opening(self._begin, self._end)

    def __enter__(self) -> InterruptGate:
        """Take over the handlers; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._previous[number] = handler
                elif number == signal.SIGTERM and handler == signal.SIG_DFL:
                    self._previous[number] = self._terminate
                else:  # a shell ignores Ctrl-C for its background jobs
                    continue
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the handlers back; a signal that is still kept acts now."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler == self._terminate else handler)
        kept, self._kept = self._kept, None
        if self._ends_process or (kept is not None and self._previous[kept] == self._terminate):
            os.kill(os.getpid(), signal.SIGTERM)
        elif kept is not None:
            self._previous[kept](kept, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_open:
            self._previous[number](number, frame)
        else:
            self._kept = number

    def _terminate(self, _: int, __: FrameType | None) -> None:
        self._ends_process = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Let a signal that was kept act now."""
        if self._kept is not None:
            number, self._kept = self._kept, None
            self._previous[number](number, None)

    def open(self) -> AbstractContextManager[None]:
        """Let signals act within; one that was kept acts now."""
        return self._opening

    def _begin(self) -> None:
        self._is_open = True
        while self._kept is not None:
            self._is_open = False  # it stays so when the handler raises
            self.check()
            self._is_open = True

    def _end(self) -> None:
        self._is_open = False


class _Opening:
    """Context manager of two functions; every chunk opens the gate, so it is one object for all of them."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._end()
