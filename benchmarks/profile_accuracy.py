"""Accuracy and cost of profile maps on problems whose profiles are known exactly.

    python benchmarks/profile_accuracy.py [--seeds 1 2 3 4 5] [--problems levy_4d himmelblau_4d] [--fine]

prints, for every map, the median and the worst over the seeds. Every call of the likelihood counts, failed ones too;
those of the audit are shown apart. A cell of the true region of interest (true profile above the maximum minus the
threshold) is right when its log-likelihood is within 0.01 of the truth; a cell that is missing is wrong. `above` is
the largest amount by which any cell lies above the truth. `--fine` takes twice as many intervals on an axis.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

import wilks
from wilks import problems

RIGHT = 0.01


@dataclass(frozen=True)
class Case:
    """One problem: its projections with the intervals on each axis, and the depth of the region of interest."""

    known: object
    projections: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
    threshold: float


@dataclass(frozen=True)
class Score:
    """What one map reached."""

    n_evaluations: int
    n_audit: int
    n_cells: int
    right: float
    missing: int
    error: float
    above: float
    n_improved: int
    limit: float
    microseconds: float


CASES = {
    "himmelblau_4d": lambda: Case(
        problems.himmelblau_4d(),
        ((("x0",), (120,)), (("x0", "x1"), (60, 60)), (("x0", "x2"), (60, 60))),
        5.0,
    ),
    "rosenbrock_4d": lambda: Case(
        problems.rosenbrock(4),
        ((("x0",), (120,)), (("x0", "x1"), (60, 60)), (("x1", "x3"), (60, 60))),
        10.0,
    ),
    "levy_4d": lambda: Case(
        problems.levy_4d(),
        ((("x0",), (120,)), (("x0", "x1"), (60, 60)), (("x0", "x3"), (60, 60))),
        5.0,
    ),
    "rastrigin_4d": lambda: Case(problems.rastrigin(4), ((("x0",), (120,)), (("x0", "x1"), (60, 60))), 4.0),
    "rosenbrock_8d": lambda: Case(problems.rosenbrock(8), ((("x0",), (120,)), (("x0", "x1"), (60, 60))), 4.0),
    "gaussian_10d": lambda: Case(problems.gaussian(10), ((("x0",), (60,)), (("x0", "x1"), (40, 40))), 4.0),
    "bounded_4d": lambda: Case(problems.bounded(), ((("x0",), (120,)), (("x0", "x1"), (60, 60))), 4.0),
    "two_islands": lambda: Case(problems.two_islands(), ((("x",), (120,)), (("x", "y"), (60, 60))), 4.0),
    "rippled": lambda: Case(problems.rippled(), ((("x",), (120,)), (("nuisance",), (120,))), 4.0),
    "banana": lambda: Case(problems.banana(), ((("x",), (120,)), (("y",), (120,)), (("x", "y"), (60, 60))), 4.0),
}


def score(case, over, nodes, seed, truth):
    """Make one map and compare it with the truth."""
    began = time.process_time()
    result = wilks.profile(case.known.problem, over=over, grid=nodes, roi_threshold=case.threshold, seed=seed)
    seconds = time.process_time() - began
    region = truth > case.known.maximum - case.threshold
    found = result.log_likelihood_map
    low = np.where(np.isfinite(found), truth - found, np.inf)[region]
    reached = low[np.isfinite(low)]
    above = np.where(np.isfinite(found), found - truth, 0.0)
    audit = result.audit
    return Score(
        result.n_evaluations,
        audit.n_evaluations if audit else 0,
        int(region.sum()),
        float((np.abs(low) < RIGHT).mean()),
        int(np.isinf(low).sum()),
        float(reached.max(initial=0.0)),
        float(above.max()),
        audit.n_improved if audit else 0,
        audit.limit_95 if audit else float("nan"),
        1e6 * seconds / result.n_evaluations,
    )


def exact(case, over, nodes):
    """The true profile on the nodes that a map of this size has."""
    space = case.known.problem.space
    axes = [space[name].from_unit(np.linspace(0.0, 1.0, n)) for name, n in zip(over, nodes, strict=True)]
    return case.known.profile(over, axes)


def line(name, over, scores):
    """Median and worst of one map over the seeds, as text."""

    def column(field):
        return np.array([getattr(score, field) for score in scores], dtype=float)

    cost, audit, right = column("n_evaluations"), column("n_audit"), column("right")
    return (
        f"{name:14s} {','.join(over):9s} {scores[0].n_cells:6d} {np.median(cost):8.0f} {cost.max():8.0f} "
        f"{np.median(audit):7.0f} {np.median(right):7.4f} {right.min():7.4f} {column('missing').max():8.0f} "
        f"{np.median(column('error')):9.1e} {column('error').max():8.1e} {column('above').max():8.1e} "
        f"{column('n_improved').sum():8.0f} {np.median(column('limit')):6.2f} {np.median(column('microseconds')):6.0f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--problems", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--fine", action="store_true")
    arguments = parser.parse_args()
    print(
        f"{'problem':14s} {'over':9s} {'cells':>6s} {'evals':>8s} {'worst':>8s} {'audit':>7s} {'right':>7s} "
        f"{'worst':>7s} {'missing':>8s} {'max error':>9s} {'worst':>8s} {'above':>8s} {'improved':>8s} "
        f"{'limit':>6s} {'us':>6s}"
    )
    for name in arguments.problems:
        case = CASES[name]()
        for over, intervals in case.projections:
            nodes = tuple(n * (2 if arguments.fine else 1) + 1 for n in intervals)
            truth = exact(case, over, nodes)
            scores = [score(case, over, nodes, seed, truth) for seed in arguments.seeds]
            print(line(name, over, scores), flush=True)


if __name__ == "__main__":
    main()
