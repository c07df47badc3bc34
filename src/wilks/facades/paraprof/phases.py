"""The last column of a sample file: which part of a run asked for a point.

Numbers and names are those of paraprof; `PHASE_AUDIT` and `PHASE_CURVATURE` are evaluations that only wilks makes.
"""

from __future__ import annotations

from wilks.core.proposal import Phase

PHASE_UNKNOWN = int(Phase.UNKNOWN)
PHASE_INITIAL = int(Phase.GLOBAL)
PHASE_SCAN = int(Phase.MAP)
PHASE_REFINE = int(Phase.REFINE)
PHASE_SUSPECT = int(Phase.SUSPECT)
PHASE_VOLUME = int(Phase.VOLUME)
PHASE_AUDIT = int(Phase.AUDIT)
PHASE_CURVATURE = int(Phase.CURVATURE)

PHASE_LEGEND = {
    PHASE_UNKNOWN: "not known: the point came from elsewhere",
    PHASE_INITIAL: "initial optimization: search for all optima",
    PHASE_SCAN: "first pass over the grid of a projection",
    PHASE_REFINE: "refinement of a grid",
    PHASE_SUSPECT: "second chances for cells of a grid",
    PHASE_VOLUME: "volume sampling: ensemble of MCMC walkers",
    PHASE_AUDIT: "audit: cells that are optimized again from scratch",
    PHASE_CURVATURE: "second derivatives at an optimum",
}
"""Number -> what it means."""

_OF_JOB = {
    "INITIAL_POINT_EVAL": PHASE_INITIAL,
    "INITIAL_OPTIMIZATION": PHASE_INITIAL,
    "ACTIVATE_GRID_POINT": PHASE_SCAN,
    "DE_GRID_POINT": PHASE_SCAN,
    "LBFGSB": PHASE_SCAN,
    "LBFGSB_LOOP": PHASE_SCAN,
    "POST_ACTIVATION_LBFGSB": PHASE_SCAN,
    "PATCHING_TEST": PHASE_REFINE,
    "PATCHING_LBFGSB": PHASE_REFINE,
    "REFINEMENT_LBFGSB": PHASE_REFINE,
    "SUSPECT_RECHECK": PHASE_SUSPECT,
    "SUSPECT_RECHECK_LBFGSB": PHASE_SUSPECT,
    "VOLUME": PHASE_VOLUME,
}


def phase_for_job_type(job_type: str) -> int:
    """Phase of a kind of job by the name that it has in paraprof; `PHASE_UNKNOWN` for any other name.

    Examples
    --------
    >>> phase_for_job_type("DE_GRID_POINT") == PHASE_SCAN
    True
    """
    return _OF_JOB.get(job_type, PHASE_UNKNOWN)
