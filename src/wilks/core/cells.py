"""How the cells of a profile map end."""

from __future__ import annotations

from enum import IntEnum


class CellStatus(IntEnum):
    """How a cell of the map ended. No cell that was begun is without a status."""

    UNVISITED = 0
    """Never begun: it lies away from the region of interest."""
    CONVERGED = 1
    """Optimised over the nuisance parameters to the tolerance."""
    NOT_CONVERGED = 2
    """Its optimisation ended without reaching the tolerance; the value is a lower limit."""
    FAILED = 3
    """No finite value was found in it."""
    PREDICTED = 4
    """Evaluated at the argmax that its neighbours predict, where the value was what they predict too."""
