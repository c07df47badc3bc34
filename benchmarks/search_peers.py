"""Other people's search methods, run on a loss over a space of wilks until a number of calls is spent.

They live in an environment of their own:

    python -m venv peers
    peers/bin/pip install gradient-free-optimizers==1.13.0 cma scipy coco-experiment pandas --editable .

Every method is called as its own documentation does it, with its defaults; one that ends before its calls are spent is
started again. A population of 15 for each parameter, SciPy's default, is much for a few thousand calls, so its
differential evolution runs with 5 as well. Methods without logarithmic or categorical parameters get the logarithm and
the index of the value; scipy_DE and cma are told which parameters are integers.
"""

import json
import math
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import differential_evolution, dual_annealing

import wilks

Loss = Callable[[Mapping[str, Any]], float]
Peer = Callable[[wilks.Space, Loss, int], None]


class CallsSpentError(Exception):
    """The loss has been called as often as it may be."""


class Recorder:
    """A loss that remembers the best value after every call, and refuses more than `n_calls` calls."""

    def __init__(self, loss: Loss, n_calls: int) -> None:
        self.loss = loss
        self.n_calls = n_calls
        self.best: list[float] = []
        self.n_refused = 0

    def __call__(self, values: Mapping[str, Any]) -> float:
        if len(self.best) == self.n_calls:
            self.n_refused += 1
            raise CallsSpentError
        value = self.loss(values)
        self.best.append(min(value, self.best[-1]) if self.best else value)
        return value

    def after(self, n_calls: int) -> float:
        """Best value among the first calls."""
        return self.best[min(n_calls, len(self.best)) - 1]


class Vector:
    """A space as a box of numbers: the logarithm where the scale is logarithmic, the index of a discrete value."""

    def __init__(self, space: wilks.Space) -> None:
        self.space = space
        domains = [space[name] for name in space.free]
        self.integrality = ~space.is_continuous
        self.lower, self.upper = np.array([self._bounds(domain) for domain in domains]).T
        self.bounds = list(zip(self.lower, self.upper, strict=True))

    @staticmethod
    def _bounds(domain: Any) -> tuple[float, float]:  # noqa: ANN401 - any kind of domain
        if domain.n_values is not None:
            return -0.5, domain.n_values - 0.5
        scale = math.log if domain.scale == "log" else float
        return scale(domain.lower), scale(domain.upper)

    def values(self, x: np.ndarray) -> dict[str, Any]:
        unit = np.clip((x - self.lower) / (self.upper - self.lower), 0.0, 1.0)
        return self.space.to_values(self.space.from_unit(unit))


def gfo_space(space: wilks.Space) -> dict[str, Any]:
    """The space in the terms of Gradient-Free-Optimizers; a fine grid stands for a logarithmic scale."""

    def dimension(domain: Any) -> Any:  # noqa: ANN401 - any kind of domain
        if isinstance(domain, wilks.Real):
            is_log = domain.scale == "log"
            return np.geomspace(domain.lower, domain.upper, 1000) if is_log else (domain.lower, domain.upper)
        if isinstance(domain, wilks.Integer):
            return np.arange(domain.lower, domain.upper + 1)
        return list(domain.values)

    return {name: dimension(space[name]) for name in space.free}


def gfo(optimizer: str) -> Peer:
    def run(space: wilks.Space, loss: Loss, seed: int) -> None:
        import gradient_free_optimizers  # noqa: PLC0415 - not in the environment of wilks

        search = getattr(gradient_free_optimizers, optimizer)(gfo_space(space), random_state=seed)
        # Points that its memory knows are iterations but no calls: the loss ends the run, the number does not.
        search.search(lambda values: -loss(values), n_iter=10**6, verbosity=False)

    return run


def scipy_dual_annealing(space: wilks.Space, loss: Loss, seed: int) -> None:
    vector, generator = Vector(space), np.random.default_rng(seed)
    while True:
        dual_annealing(lambda x: loss(vector.values(x)), vector.bounds, rng=generator)


def scipy_de(population: int = 15) -> Peer:
    def run(space: wilks.Space, loss: Loss, seed: int) -> None:
        vector, generator = Vector(space), np.random.default_rng(seed)
        while True:
            differential_evolution(
                lambda x: loss(vector.values(x)),
                vector.bounds,
                integrality=vector.integrality,
                popsize=population,
                rng=generator,
            )

    return run


def cma_bipop(space: wilks.Space, loss: Loss, seed: int) -> None:
    import cma  # noqa: PLC0415 - not in the environment of wilks

    vector, generator = Vector(space), np.random.default_rng(seed)
    width = vector.upper - vector.lower
    while True:
        options = {
            "bounds": [list(vector.lower), list(vector.upper)],
            "CMA_stds": list(width),
            "integer_variables": np.flatnonzero(vector.integrality).tolist(),
            "seed": int(generator.integers(1, 2**31)),
            "verbose": -9,
        }
        cma.fmin(
            lambda x: loss(vector.values(x)),
            lambda: vector.lower + width * generator.random(len(width)),
            0.3,
            options,
            restarts=9,
            bipop=True,
        )


def random(space: wilks.Space, loss: Loss, seed: int) -> None:
    generator = np.random.default_rng(seed)
    while True:
        loss(space.to_values(space.from_unit(generator.random(space.dimension))))


PEERS: dict[str, Peer] = {
    "gfo_PT": gfo("ParallelTemperingOptimizer"),
    "gfo_Random": gfo("RandomSearchOptimizer"),
    "scipy_dual_annealing": scipy_dual_annealing,
    "scipy_DE": scipy_de(),
    "scipy_DE_popsize5": scipy_de(population=5),
    "cma_BIPOP": cma_bipop,
    "random": random,
}


def run_peer(name: str, space: wilks.Space, loss: Loss, n_calls: int, seed: int) -> Recorder:
    """Run a peer until its calls are spent."""
    recorder = Recorder(loss, n_calls)
    try:
        PEERS[name](space, recorder, seed)
    except CallsSpentError:
        return recorder
    raise RuntimeError(f"{name} ended after {len(recorder.best)} of {n_calls} calls")


def run_ours(name: str, space: wilks.Space, loss: Loss, n_calls: int, seed: int) -> Recorder:
    """Run `wilks.search`: "wilks" is its default algorithm, "wilks.ParallelTempering" the one of that name."""
    recorder = Recorder(loss, n_calls)
    problem = wilks.LikelihoodProblem(space, lambda values: -recorder(values))
    algorithm = [getattr(wilks, name.removeprefix("wilks."))()] if "." in name else []
    wilks.search(problem, *algorithm, n_evaluations=n_calls, seed=seed, callbacks=())
    if recorder.n_refused:
        raise RuntimeError(f"{name} made {recorder.n_refused} calls more than the {n_calls} it was given")
    return recorder


def versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}


def read_results(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """One line for each key, so that a change is seen where it is."""
    path.parent.mkdir(exist_ok=True)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(results.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
