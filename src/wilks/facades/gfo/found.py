"""What can be read from an optimiser: the best point, the table of all evaluations, times and diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.facades.gfo.diagnostics import DiagnosticsAccessor
from wilks.facades.gfo.records import Records

if TYPE_CHECKING:
    import pandas as pd

    from wilks.facades.gfo.setup import Setup
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics


class Found:
    """Reads the records of an optimiser.

    Parameters
    ----------
    setup
        What the optimiser is made of.
    sign
        1 to maximise, -1 to minimise.
    """

    def __init__(self, setup: Setup, sign: float = 1.0) -> None:
        self._setup = setup
        self._records = Records(setup.space, sign, n_init=setup.n_init)
        self._table: pd.DataFrame | None = None
        self._began = False

    @property
    def best_para(self) -> dict[str, Any] | None:
        """The best parameters, by name; None while there is no finite score."""
        records = self._records
        return records.para(records.best_row) if records.best_row >= 0 else None

    @property
    def best_value(self) -> list[Any] | None:
        """The best parameters as a list, in the order of the search space; None while there is no finite score."""
        best = self.best_para
        return None if best is None else list(best.values())

    @property
    def best_score(self) -> float:
        """The best score, in the user's units; infinite, in the bad direction, while there is no finite one.

        Raises
        ------
        AttributeError
            Before the first evaluation.
        """
        self._require("best_score")
        return self._records.best_score

    @property
    def search_data(self) -> pd.DataFrame:
        """Every evaluation in order: score, metrics and parameters, in the user's units."""
        if self._table is None or len(self._table) != len(self._records):
            self._table = self._records.to_dataframe()
        return self._table

    @property
    def eval_times(self) -> list[float]:
        """Seconds in the objective, for each iteration; 0 where the score was remembered."""
        return self._records.eval_times.tolist()

    @property
    def iter_times(self) -> list[float]:
        """Seconds of each whole iteration."""
        return self._records.iter_times.tolist()

    def eval_time(self) -> list[float]:
        """Seconds in the objective, for each iteration."""
        return self.eval_times

    def iter_time(self) -> list[float]:
        """Seconds of each whole iteration."""
        return self.iter_times

    def init_stats(self) -> dict[str, Any]:
        """What the initialisation brought: number of evaluations, seconds, best score and parameters."""
        records = self._records
        n = min(len(records), records.n_init)
        best = records.best_within(n)
        return {
            "n_init": n,
            "seconds": sum(records.iter_times[:n]),
            "best_score": records.scores[best] if best >= 0 else None,
            "best_para": records.para(best) if best >= 0 else None,
        }

    @property
    def diagnostics(self) -> DiagnosticsAccessor:
        """Diagnostics of what was evaluated.

        Raises
        ------
        AttributeError
            Before the first evaluation.
        """
        self._require("diagnostics")
        return DiagnosticsAccessor(self._records, self._course())

    def _course(self) -> TemperingDiagnostics | None:
        """What the replicas did."""
        return None

    def _require(self, what: str) -> None:
        if not self._began:
            raise AttributeError(f"{what}: nothing was evaluated yet; call search(objective, n_iter) first")
