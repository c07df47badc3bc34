"""What Ctrl-C and SIGTERM do to a run: the first ends it in good order, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Context manager that turns the first signal into a KeyboardInterrupt and remembers which it was."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    @property
    def exit_code(self) -> int:
        """128 + number of the signal, as a shell reports it; that of Ctrl-C when no signal was seen."""
        return 128 + (self.signal or signal.SIGINT)

    def __enter__(self) -> Interruption:
        """Take over the handlers; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # a shell ignores Ctrl-C for its background jobs
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            raise KeyboardInterrupt
        os._exit(128 + number)  # worker processes notice, and end too
