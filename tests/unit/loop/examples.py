"""Small algorithms and problems that show what the driver loop does with them."""

import math
from dataclasses import dataclass

import numpy as np

import wilks
from wilks.core.proposal import Phase, Proposals
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive

SPACE = wilks.Space(x=wilks.Real(-1, 1), y=wilks.Real(-1, 1))


@dataclass(frozen=True)
class RandomBatches:
    """Random points, in batches; each batch lies around the best point so far, so order and completeness matter."""

    n_batches: int = 5
    size: int = 10
    generational: bool = True
    width: float = 0.5

    def init(self, space, seed, starts):
        return {
            "seed": seed,
            "batch": 0,
            "unsent": 0,
            "open": [],
            "centre": np.zeros(space.dimension),
            "best": -math.inf,
            "told": [],
        }

    def ask(self, state, limit):
        if not state["unsent"] and not state["open"] and state["batch"] < self.n_batches:
            state["batch"] += 1
            state["unsent"] = self.size
        n = min(limit, state["unsent"])
        if not n:
            return Proposals.empty(len(state["centre"])), state
        first = (state["batch"] - 1) * self.size + self.size - state["unsent"]
        ids = np.arange(first, first + n)
        draws = [keyed_generator(state["seed"], int(i)).uniform(-self.width, self.width, 2) for i in ids]
        thetas = np.clip(state["centre"] + np.array(draws), -1, 1)
        state["unsent"] -= n
        state["open"] += ids.tolist()
        return Proposals(ids, thetas, np.full(n, Phase.SEARCH, dtype=np.int8)), state

    def tell(self, state, evaluations):
        state["told"].append(evaluations.ids.tolist())
        for i, theta, value in zip(evaluations.ids, evaluations.thetas, evaluations.log_likelihoods, strict=True):
            state["open"].remove(int(i))
            if value > state["best"]:
                state["best"], state["centre"] = float(value), theta.copy()
        return state

    def terminate(self, state):
        if state["batch"] == self.n_batches and not state["unsent"] and not state["open"]:
            return Status(Outcome.CONVERGED)
        return None

    def describe(self, state):
        return f"batch {state['batch']}", state["batch"] / self.n_batches


def hill(values):
    return -((values["x"] - 0.3) ** 2) - (values["y"] + 0.6) ** 2


class Counted:
    """A likelihood that records its calls, and does something at one of them."""

    def __init__(self, function=hill, at=None, action=None):
        self.calls = []
        self.function, self.at, self.action = function, at, action

    def __call__(self, values):
        if self.at is not None and len(self.calls) == self.at:
            self.at = None
            self.action()
        self.calls.append((values["x"], values["y"]))
        return self.function(values)


def interrupt():
    raise KeyboardInterrupt


def problem_of(function=hill, **more):
    return wilks.LikelihoodProblem(SPACE, function, name="hill", **more)


def run(algorithm=None, function=hill, *, log=None, executor=None, rules=(), callbacks=(), problem=None, **more):
    problem = problem or problem_of(function)
    if log is None:
        log = wilks.EvaluationLog()
    log._backend.read_header() or log.bind(problem)
    evaluator = Evaluator(problem, as_executor(executor))
    watch = Watch("test", tuple(rules), tuple(callbacks), **more)
    stage = log.stage("key", "test")
    return drive(algorithm or RandomBatches(), evaluator, stage, watch, seed=1, starts=np.empty((0, 2)))
