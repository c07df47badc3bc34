"""Accuracy and cost of profile maps on problems whose profiles are known exactly.

    python benchmarks/profile_accuracy.py [--seeds 1 2 3 4 5] [--problems levy_4d himmelblau_4d] [--gradient] [--paths]

The projections of a problem are made one after the other, each with what the earlier ones hand over. For every
projection and for their sum the median and the worst over the seeds are printed. Every call of the likelihood counts,
failed ones too: those of the search for the optima, of the maps, and, in a column of their own and in no sum, those of
the audits. A cell of the true region of interest (true profile above the maximum minus the threshold) is right when
its log-likelihood is within 0.01 of the truth; a cell that is missing is wrong. `above` is the largest amount by which
any cell lies above the truth. `wrong` is the true share of wrong cells beside the audit's 95 % limit on it, `held` in
how many maps the limit held. `--gradient` takes the problems with analytic gradients, one call giving value and
gradient. `--paths` makes profiles of one parameter whose nodes are chosen by path following, and adds the search for
the optima to each.
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
    """One problem: its projections with the nodes on each axis, and the depth of the region of interest."""

    make: object
    projections: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
    threshold: float
    has_gradient: bool = True

    @property
    def known(self):
        """The problem without its gradient."""
        return self.make()


@dataclass(frozen=True)
class Score:
    """What one map reached; also the sum of several."""

    n_search: int
    n_map: int
    n_audit: int
    n_cells: int
    n_wrong: int
    missing: int
    error: float
    above: float
    n_improved: int
    limits: tuple[float, ...]
    held: int
    seconds: float

    @property
    def cost(self):
        """Evaluations without those of the audit."""
        return self.n_search + self.n_map


CASES = {
    "himmelblau_4d": Case(
        problems.himmelblau_4d,
        ((("x0",), (241,)), (("x0", "x1"), (121, 121)), (("x0", "x2"), (121, 121))),
        5.0,
    ),
    "rosenbrock_4d": Case(
        lambda **more: problems.rosenbrock(4, **more),
        ((("x0",), (241,)), (("x0", "x1"), (121, 121)), (("x1", "x3"), (121, 121))),
        10.0,
    ),
    "levy_4d": Case(
        problems.levy_4d,
        ((("x0",), (241,)), (("x0", "x1"), (121, 121)), (("x0", "x3"), (121, 121))),
        5.0,
    ),
    "gaussian_10d": Case(
        lambda **more: problems.gaussian(10, **more), ((("x0",), (61,)), (("x0", "x1"), (41, 41))), 4.0
    ),
    "rosenbrock_8d": Case(
        lambda **more: problems.rosenbrock(8, **more), ((("x0",), (121,)), (("x0", "x1"), (61, 61))), 4.0
    ),
    "rastrigin_4d": Case(
        lambda **more: problems.rastrigin(4, **more), ((("x0",), (121,)), (("x0", "x1"), (61, 61))), 4.0
    ),
    "bounded_4d": Case(problems.bounded, ((("x0",), (121,)), (("x0", "x1"), (61, 61))), 4.0),
    "rotated_4d": Case(problems.rotated_4d, ((("x0", "x1"), (41, 41)),), 4.0, False),
    "bounded_coupled_4d": Case(problems.bounded_coupled_4d, ((("x0", "x1"), (41, 41)),), 4.0, False),
    "rippled_coupled_4d": Case(problems.rippled_coupled_4d, ((("x0", "x1"), (41, 41)),), 4.0, False),
    "two_islands": Case(problems.two_islands, ((("x",), (121,)), (("x", "y"), (61, 61))), 4.0, False),
    "rippled": Case(problems.rippled, ((("x",), (121,)), (("nuisance",), (121,))), 4.0, False),
    "banana": Case(problems.banana, ((("x",), (121,)), (("y",), (121,)), (("x", "y"), (61, 61))), 4.0, False),
}
PATHS = (
    ("rosenbrock_4d", "x0", 10.0),
    ("himmelblau_4d", "x0", 4.0),
    ("levy_4d", "x0", 5.0),
    ("gaussian_10d", "x0", 4.0),
)


def score(known, over, nodes, threshold, seed, truth, start=(), options=None):
    """Make one map and compare it with the truth."""
    began = time.process_time()
    result = wilks.profile(
        known.problem, over=over, grid=nodes, roi_threshold=threshold, seed=seed, start=list(start), options=options
    )
    seconds = time.process_time() - began
    if nodes is None:
        truth = known.profile(over, [result.axes[name] for name in over])
    region = truth > known.maximum - threshold
    found = result.log_likelihood_map
    low = np.where(np.isfinite(found), truth - found, np.inf)[region]
    reached = low[np.isfinite(low)]
    above = np.where(np.isfinite(found), found - truth, 0.0)
    audit, n_wrong = result.audit, int((~(np.abs(low) < RIGHT)).sum())
    n_audit = audit.n_evaluations if audit else 0
    n_search = sum(step.n_evaluations for step in result.provenance.executed if step.name not in ("map", "audit"))
    limit = audit.limit_95 if audit else 1.0
    return result, Score(
        n_search,
        result.n_evaluations - n_search - n_audit,
        n_audit,
        int(region.sum()),
        n_wrong,
        int(np.isinf(low).sum()),
        float(reached.max(initial=0.0)),
        float(above.max()),
        audit.n_improved if audit else 0,
        (limit,),
        int(n_wrong / max(1, region.sum()) <= limit),
        seconds,
    )


def added(scores):
    """The sum over the projections of one run."""
    return Score(
        *(sum(getattr(s, name) for s in scores) for name in ("n_search", "n_map", "n_audit", "n_cells", "n_wrong")),
        sum(s.missing for s in scores),
        max(s.error for s in scores),
        max(s.above for s in scores),
        sum(s.n_improved for s in scores),
        tuple(limit for s in scores for limit in s.limits),
        sum(s.held for s in scores),
        sum(s.seconds for s in scores),
    )


def exact(known, over, nodes):
    """The true profile on the nodes that a map of this size has."""
    space = known.problem.space
    axes = [space[name].from_unit(np.linspace(0.0, 1.0, n)) for name, n in zip(over, nodes, strict=True)]
    return known.profile(over, axes)


HEAD = (
    f"{'problem':18s} {'over':9s} {'cells':>6s} {'evals':>7s} {'worst':>7s} {'search':>6s} {'audit':>6s} {'right':>7s} "
    f"{'worst':>7s} {'missing':>7s} {'error':>8s} {'worst':>8s} {'above':>8s} {'improved':>8s} {'limit':>5s} "
    f"{'held':>7s} {'us':>5s}"
)


def line(name, over, scores):
    """Median and worst over the seeds, as text."""
    cost = np.array([s.cost for s in scores])
    right = np.array([1 - s.n_wrong / max(1, s.n_cells) for s in scores])
    error = np.array([s.error for s in scores])
    limits = [limit for s in scores for limit in s.limits]
    micro = [1e6 * s.seconds / (s.cost + s.n_audit) for s in scores]
    return (
        f"{name:18s} {over:9s} {scores[0].n_cells:6d} {np.median(cost):7.0f} {cost.max():7d} "
        f"{np.median([s.n_search for s in scores]):6.0f} {np.median([s.n_audit for s in scores]):6.0f} "
        f"{np.median(right):7.4f} {right.min():7.4f} {max(s.missing for s in scores):7d} {np.median(error):8.1e} "
        f"{error.max():8.1e} {max(s.above for s in scores):8.1e} {sum(s.n_improved for s in scores):8d} "
        f"{np.median(limits):5.2f} {sum(s.held for s in scores):3d}/{len(limits):<3d} {np.median(micro):5.0f}"
    )


def maps(names, seeds, options, *, gradient):
    """All projections of the problems, and their sums."""
    for name in names:
        case = CASES[name]
        if gradient and not case.has_gradient:
            continue
        known = case.make(with_gradient=True) if gradient else case.make()
        truths = [exact(known, over, nodes) for over, nodes in case.projections]
        table = []
        for seed in seeds:
            done, scores = [], []
            for (over, nodes), truth in zip(case.projections, truths, strict=True):
                result, reached = score(known, over, nodes, case.threshold, seed, truth, done, options)
                done.append(result)
                scores.append(reached)
            table.append(scores)
        for at, (over, _) in enumerate(case.projections):
            print(line(name, ",".join(over), [scores[at] for scores in table]), flush=True)
        if len(case.projections) > 1:
            print(line(name, "all", [added(scores) for scores in table]), flush=True)


def paths(seeds, options):
    """Profiles of one parameter along their paths."""
    for name, parameter, threshold in PATHS:
        known = CASES[name].known
        scores = [score(known, (parameter,), None, threshold, seed, None, (), options)[1] for seed in seeds]
        print(line(name, parameter, scores), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--problems", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--gradient", action="store_true")
    parser.add_argument("--paths", action="store_true")
    parser.add_argument("--accuracy", type=float, default=1e-3)
    arguments = parser.parse_args()
    options = wilks.ProfileOptions(accuracy=arguments.accuracy)
    print(HEAD)
    if arguments.paths:
        paths(arguments.seeds, options)
    else:
        maps(arguments.problems, arguments.seeds, options, gradient=arguments.gradient)


if __name__ == "__main__":
    main()
