"""The sample file of a run: every evaluation of its log, written while the run goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.paraprof.phases import PHASE_REFINE, PHASE_SCAN
from wilks.facades.paraprof.sample_io import BatchWriter
from wilks.store.samples import as_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.store.log import EvaluationLog

_LEAST_PAUSE = 1.0
_SHARE = 50.0  # to look through the log must stay cheap however long it gets


class SampleFile:
    """Callback of a verb that writes the new rows of a log to a sample file, once a second at most, and at the end.

    Parameters
    ----------
    path
        The file; rows are appended when it exists.
    log
        The log. The rows that it holds already are not written.
    names
        Names of the parameters.

    Attributes
    ----------
    is_refining
        Are the points of the map, from now on, those of a refined grid?
    """

    def __init__(self, path: str, log: EvaluationLog, names: Sequence[str]) -> None:
        self.is_refining = False
        self._log = log
        self._n_done = len(log)
        self._writer = BatchWriter(path, [*names, "log_likelihood", "phase"])
        self._next = time.perf_counter() + _LEAST_PAUSE

    def __call__(self, info: Any) -> None:  # noqa: ANN401 - the course of the run, which does not matter here
        """Write what is new if the last time is long enough ago."""
        began = time.perf_counter()
        if began >= self._next:
            self.update()
            ended = time.perf_counter()
            self._next = ended + max(_LEAST_PAUSE, _SHARE * (ended - began))

    def update(self) -> None:
        """Write what is new."""
        first = 0
        for block in self._log.iter_batches():
            rows = as_rows(block)
            new = rows[max(0, self._n_done - first) :]
            first += len(rows)
            if len(new):
                if self.is_refining:
                    new[:, -1] = np.where(new[:, -1] == PHASE_SCAN, PHASE_REFINE, new[:, -1])
                self._writer.write_batch(new)
        self._n_done = first
