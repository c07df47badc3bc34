"""A virtual clock: how well an algorithm keeps many workers busy, without having them.

    with virtual_clock.workers(32) as clock:
        wilks.profile(problem, over="x", seed=1)
    print(clock.efficiency, clock.makespan)

Evaluations take a random time (lognormal, mean 1, coefficient of variation 0.3), messages and the algorithm itself take
none. As in the real driver, an algorithm that is not generational may propose some points per worker ahead, and is told
each evaluation when it is back; one worker, and a generational algorithm, are told whole batches. `simulate` runs any
`wilks.core.algorithm.Algorithm`; `workers` lets the verbs of wilks run on such a clock.
"""

import contextlib
import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from unittest import mock

import numpy as np

from wilks.core.proposal import Evaluations, EvaluationStatus
from wilks.core.status import Outcome, Status
from wilks.loop.checkpoint import RunState
from wilks.loop.drive import Outcomes

VARIATION = 0.3
AHEAD = 4
ONE_WORKER = 16


@dataclass
class Clock:
    """Time of `n_workers` workers, over any number of runs one after the other.

    `n_busy` counts evaluations, `busy` is the time that they took, `makespan` the time that passed.
    """

    n_workers: int
    seed: int = 1
    ahead: int = AHEAD
    makespan: float = 0.0
    busy: float = 0.0
    n_evaluations: int = 0
    parts: list = field(default_factory=list)

    @property
    def efficiency(self):
        """Share of the workers' time in which they worked."""
        return self.busy / (self.n_workers * self.makespan)

    def simulate(self, algorithm, problem, *, seed, starts=None):
        """Run an algorithm to its end; return its last state and its status."""
        space = problem.space
        generator = np.random.default_rng([self.seed, len(self.parts)])
        width = np.sqrt(np.log1p(VARIATION**2))
        state = algorithm.init(space, seed, np.empty((0, space.dimension)) if starts is None else starts)
        whole = algorithm.generational or self.n_workers == 1
        waiting, running, ready = deque(), [], []
        numbers = itertools.count()
        now = busy = 0.0
        n = 0
        while True:
            status = algorithm.terminate(state)
            if status is not None:
                break
            outstanding = len(waiting) + len(running)
            room = ONE_WORKER if self.n_workers == 1 else self.ahead * self.n_workers - outstanding
            proposals, state = algorithm.ask(state, 10**6 if algorithm.generational else room)
            values = evaluate(problem, proposals)
            waiting.extend((proposals, row, value) for row, value in enumerate(values))
            if not (waiting or running):
                status = algorithm.terminate(state) or Status(Outcome.STALLED)
                break
            while waiting or running:
                while waiting and len(running) < self.n_workers:
                    seconds = float(np.exp(width * generator.normal() - 0.5 * width**2))
                    busy, n = busy + seconds, n + 1
                    heapq.heappush(running, (now + seconds, next(numbers), waiting.popleft()))
                now, _, answer = heapq.heappop(running)
                ready.append(answer)
                if not whole:
                    break
            state = algorithm.tell(state, joined(sorted(ready, key=lambda answer: answer[0].ids[answer[1]])))
            ready.clear()
        now = max([now, *(end for end, *_ in running)])
        self.parts.append((type(algorithm).__name__, n, busy, now))
        self.makespan += now
        self.busy += busy
        self.n_evaluations += n
        return state, status

    def drive(self, algorithm, evaluator, stage, watch, *, seed, starts):  # noqa: ARG002 - in the place of the driver
        """As `wilks.loop.drive.drive`."""
        before = self.n_evaluations
        state, status = self.simulate(algorithm, evaluator.problem, seed=seed, starts=starts)
        run = RunState(state, n_evaluations=self.n_evaluations - before)
        return Outcomes(state, status, run, self.parts[-1][-1], 0)


def evaluate(problem, proposals):
    """Log-likelihoods at the points of a batch."""
    values = [problem.log_likelihood(problem.space.to_values(theta)) for theta in proposals.thetas]
    return np.where(np.isfinite(values), values, -np.inf)


def joined(answers):
    """Answers as (batch, row, value) in one piece."""
    ids, thetas, phases = (
        np.array([getattr(b, name)[row] for b, row, _ in answers]) for name in ("ids", "thetas", "phases")
    )
    n = len(answers)
    return Evaluations(
        ids,
        thetas,
        phases,
        np.array([value for *_, value in answers]),
        np.full(n, EvaluationStatus.OK, dtype=np.int8),
        np.ones(n, dtype=np.float32),
        np.ones(n, dtype=np.int32),
    )


@contextlib.contextmanager
def workers(n_workers, seed=1, ahead=AHEAD):
    """Let the verbs of wilks run on a virtual clock with so many workers."""
    clock = Clock(n_workers, seed, ahead)
    with mock.patch("wilks.verbs.context.drive", clock.drive):
        yield clock
