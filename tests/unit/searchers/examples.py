"""Spaces, losses and a small driver for tests of gradient-free searches."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import wilks
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import SearchState

REAL = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(1e-3, 10, scale="log"), z=wilks.Real(0, 1))
LINE = wilks.Space(x=wilks.Real(-1, 3))
MIXED = wilks.Space(
    x=wilks.Real(-5, 5),
    c=wilks.Real(1e-4, 1, scale="log"),
    n=wilks.Integer(-3, 8),
    g=wilks.Grid([0.0, 0.5, 2.0, 8.0]),
    kind=wilks.Categorical(["a", "b", "c"]),
    fixed=2.5,
)
INTEGERS = wilks.Space(n=wilks.Integer(0, 9), m=wilks.Integer(-20, 20))
LABELS = wilks.Space(a=wilks.Categorical(list("pqrs")), b=wilks.Categorical([True, False, None]))
SMALL = wilks.Space(n=wilks.Integer(0, 4), kind=wilks.Categorical(["a", "b", "c"]))
SPACES = {"real": REAL, "line": LINE, "mixed": MIXED, "integers": INTEGERS, "labels": LABELS, "small": SMALL}

VIOLATED = "violated"
Loss = Callable[[dict], float]


def bowl(values):
    """A loss on every space: its minimum is 0, the numbers at a quarter of the way, the labels at the first one."""
    total = 0.0
    for name, value in values.items():
        if isinstance(value, (str, bool, type(None))):
            total += value not in ("a", "p", True)
        elif name == "fixed":
            assert value == 2.5
        elif name in ("c", "y"):
            total += (math.log10(value) + 1.5) ** 2
        else:
            total += (value - {"x": 1.25, "n": 2, "m": 7, "g": 0.5, "z": 0.25}[name]) ** 2
    return total


def sphere(dimension, seed=0):
    """A box of edge 2 with a sphere somewhere in its inner half; the typical initial loss is 1."""
    centre = np.random.default_rng(seed).uniform(-0.5, 0.5, dimension)
    space = wilks.Space({f"x{i}": wilks.Real(-1, 1) for i in range(dimension)})
    return space, lambda v: float(((np.array(list(v.values())) - centre) ** 2).sum())


@dataclass
class Course:
    """What a search did: all points in the order of their identities, their losses, and its last state."""

    thetas: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    state: SearchState | None = None
    ended: bool = False

    @property
    def best(self):
        return min(self.losses)


def answered(space, proposals, loss, most=math.inf):
    """Evaluate proposals, no more than `most`; a loss may also return VIOLATED, which does not count."""
    found = []
    for theta in proposals.thetas:
        if len(found) - found.count(VIOLATED) < most:
            found.append(loss(space.to_values(theta)))
    proposals = Proposals(*(getattr(proposals, name)[: len(found)] for name in ("ids", "thetas", "phases")))
    violated = np.array([value == VIOLATED for value in found], dtype=bool)
    values = -np.array([math.inf if value == VIOLATED else value for value in found], dtype=float)
    statuses = np.where(np.isfinite(values), EvaluationStatus.OK, EvaluationStatus.FAILED)
    n = len(proposals)
    return Evaluations(
        proposals.ids,
        proposals.thetas,
        proposals.phases,
        values,
        np.where(violated, EvaluationStatus.VIOLATED, statuses).astype(np.int8),
        np.zeros(n, dtype=np.float32),
        np.zeros(n, dtype=np.int32),
    )


def rows(evaluations, positions):
    fields = ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
    return Evaluations(**{name: getattr(evaluations, name)[positions] for name in fields})


def begin(algorithm: Searcher, space, *, seed=1, starts=()):
    return algorithm.init(space, seed, np.array(starts, dtype=float).reshape(-1, space.dimension))


def play(algorithm: Searcher, space, loss: Loss, n: int, *, seed=1, between=None, shuffled=None, starts=()) -> Course:
    """Run a search by hand for `n` evaluations; `shuffled` is a generator that tells answers singly in any order."""
    course = Course()
    state = begin(algorithm, space, seed=seed, starts=starts)
    while len(course.losses) < n:
        state = between(state) if between else state
        if algorithm.terminate(state) is not None:
            course.ended = True
            break
        proposals, state = algorithm.ask(state, 10**6)
        if not len(proposals):
            course.ended = True
            break
        evaluations = answered(space, proposals, loss, n - len(course.losses))
        counted = evaluations.statuses != EvaluationStatus.VIOLATED
        course.thetas += evaluations.thetas[counted].tolist()
        course.losses += (-evaluations.log_likelihoods[counted]).tolist()
        course.batches.append(len(evaluations))
        pieces = [evaluations]
        if shuffled is not None:
            pieces = [rows(evaluations, [i]) for i in shuffled.permutation(len(evaluations))]
        for piece in pieces:
            state = algorithm.tell(state, piece)
    course.state = state
    return course
