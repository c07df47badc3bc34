"""The result of a search."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidDataError
from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.store.tables import EXTRAS, column_names

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics
    from wilks.searchers.tempering.sample import TemperedSample


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SearchResult(Result):
    """The result of `wilks.search`.

    Attributes
    ----------
    algorithm
        What searched, as it would be written.
    history
        Number of evaluations and best log-likelihood at every rise of the best, shape (n, 2).
    tempering
        Acceptance, swaps, ladder and replicas of parallel tempering; None for other algorithms.
    sample
        Draws, weights and log-evidence of tempering in its sampling mode; None otherwise.
    details
        What else the algorithm counted, by name.
    stage
        Key of the search in its log.
    """

    algorithm: str
    history: NDArray[np.float64]
    details: dict[str, object]
    stage: str
    tempering: TemperingDiagnostics | None = None
    sample: TemperedSample | None = None

    @property
    def swap_rates(self) -> NDArray[np.float64] | None:
        """Mean probability of a swap between neighbouring rungs, coldest first; None without tempering."""
        return None if self.tempering is None else self.tempering.swap_rates

    @property
    def ladder(self) -> NDArray[np.float64] | None:
        """Temperatures of the rungs, coldest first; None without tempering."""
        return None if self.tempering is None else self.tempering.ladder

    @property
    def round_trips(self) -> int | None:
        """Journeys of replicas from the coldest rung to the hottest and back; None without tempering."""
        return None if self.tempering is None else self.tempering.round_trips

    @property
    def draws(self) -> dict[str, NDArray[np.float64]] | None:
        """Name -> draws at T = 1, shape (chain, draw), the index of a choice; None unless tempering sampled."""
        return None if self.sample is None else self.sample.draws

    @property
    def log_evidence(self) -> float | None:
        """Log of the mean likelihood under the prior; None unless tempering sampled."""
        return None if self.sample is None else self.sample.log_evidence

    def to_dataframe(self) -> pd.DataFrame:
        """Every evaluation of this search in order: values by name, log-likelihood, status and so on.

        Points that violate a constraint were not evaluated, and are in ``result.log.to_dataframe()`` only.

        Raises
        ------
        InvalidDataError
            If the result was loaded from a file: the evaluations are in the log.
        """
        if self.log is None:
            raise InvalidDataError(
                "this result was loaded without its log; open the run file with wilks.EvaluationLog(path)"
            )
        table: pd.DataFrame = self.log.to_dataframe(stage=self.stage)
        status = column_names(self.space.free)[len(self.space.free) + EXTRAS.index("status")]
        return table[table[status] != "violated"].reset_index(drop=True)

    def draws_dataframe(self) -> pd.DataFrame | None:
        """The draws as a table: a row for each, with the values as the likelihood sees them; None without draws."""
        if self.sample is None:
            return None
        import pandas as pd

        columns = {
            name: draws.ravel()
            if self.space[name].n_values is None
            else [self.space[name].decode(x) for x in draws.flat]
            for name, draws in self.sample.draws.items()
        }
        return pd.DataFrame({**columns, "log_likelihood": self.sample.log_likelihoods.ravel()})

    def table(self) -> Table:
        """The best value of every parameter with its unit."""
        constants = self.space.constants
        rows = [
            (name, show(value), "fixed" if name in constants else self.space[name].unit)
            for name, value in self.best.items()
        ]
        title = f"Search: log-likelihood {self.log_likelihood:.6g}"
        return Table(title, ("parameter", "best value", ""), tuple(rows), self.cost)

    def __repr__(self) -> str:
        """Return the status, the best point and what it cost."""
        lines = [f"Search of {self.provenance.problem!r} with {self.algorithm}", self.status.message]
        return "\n".join([*lines, self.table().text(), *self._remarks()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(text)}</p>" for text in [self.status.message, *self._remarks()])
        return f"{self.table().html()}{notes}"

    def _remarks(self) -> list[str]:
        if self.tempering is None:
            return []
        t = self.tempering
        rates = ", ".join(f"{rate:.2f}" for rate in t.swap_rates.tolist())
        trips = f"{t.round_trips} round trips in {t.n_sweeps} sweeps"
        return [f"{len(t.ladder)} rungs, swap rates {rates or 'none'}, {trips}."]
