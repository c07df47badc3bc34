"""Ctrl-C and SIGTERM take effect only where nothing can be torn in half.

While the loop updates its state or writes the run file, a signal is kept; while it waits for the user's function, the
signal's own handler runs at once. So the last state is always whole, and can be written as the checkpoint.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptGate:
    """Context manager around a run; `open()` marks the parts in which signals may act."""

    def __init__(self) -> None:
        self._previous: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._is_open = False
        self._kept: int | None = None

    def __enter__(self) -> InterruptGate:
        """Take over the handlers; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._previous[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_open:
            self._previous[number](number, frame)
        else:
            self._kept = number

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let signals act within; one that was kept acts now."""
        self._is_open = True
        try:
            if self._kept is not None:
                number, self._kept = self._kept, None
                self._previous[number](number, None)
            yield
        finally:
            self._is_open = False
