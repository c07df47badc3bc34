"""The nine problems of the search benchmark: losses with minimum zero, shifted anew for every seed.

No optimum lies at the centre or in a corner of its box, so a method that begins on a grid gets nothing for free.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import wilks

Values = Mapping[str, Any]
Loss = Callable[[Values], float]


@dataclass(frozen=True)
class SearchProblem:
    """A loss over a space; the minimum is zero."""

    name: str
    space: wilks.Space
    loss: Loss

    def likelihood(self) -> wilks.LikelihoodProblem:
        """The same as a problem of wilks: the loss is minus the log-likelihood."""
        loss = self.loss
        return wilks.LikelihoodProblem(self.space, lambda values: -loss(values), name=self.name)


def _box(half: tuple[float, float], dimension: int) -> wilks.Space:
    return wilks.Space({f"x{i}": wilks.Real(*half) for i in range(dimension)})


def _continuous(
    name: str, box: tuple[float, float], dimension: int, shift: np.ndarray, f: Callable[[np.ndarray], float]
) -> SearchProblem:
    names = [f"x{i}" for i in range(dimension)]

    def loss(values: Values) -> float:
        return float(f(np.array([values[n] for n in names]) - shift))

    return SearchProblem(name, _box(box, dimension), loss)


def _griewank(z: np.ndarray) -> float:
    return float(z @ z / 4000 - np.prod(np.cos(z / np.sqrt(np.arange(1, len(z) + 1)))) + 1)


def _rastrigin(z: np.ndarray) -> float:
    return float(10 * len(z) + z @ z - 10 * np.cos(2 * np.pi * z).sum())


def _ackley(z: np.ndarray) -> float:
    far = -20 * np.exp(-0.2 * np.sqrt(z @ z / len(z))) - np.exp(np.cos(2 * np.pi * z).mean())
    return float(max(0.0, far + 20 + np.e))


def _schwefel(z: np.ndarray) -> float:
    inside = np.clip(z, -500, 500)
    beyond = z - inside
    return float(418.9828872724338 * len(z) - inside @ np.sin(np.sqrt(np.abs(inside))) + 0.02 * beyond @ beyond)


def _rosenbrock(z: np.ndarray) -> float:
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


def _himmelblau(z: np.ndarray) -> float:
    return float((z[0] ** 2 + z[1] - 11) ** 2 + (z[0] + z[1] ** 2 - 7) ** 2)


# Loss of each pair of categories at its own best numbers: one change away from a good pair is a bad one.
_PAIRS = np.array([[0.9, 1.4, 0.7, 1.1], [1.2, 0.5, 1.3, 0.6], [0.8, 1.0, 0.0, 1.2], [0.4, 1.5, 0.9, 1.0]])


def _mixed(seed: int) -> SearchProblem:
    generator = np.random.default_rng(seed)
    rows, columns = generator.permutation(4), generator.permutation(4)
    a_best = generator.uniform(-3.5, 3.5, (4, 4))
    b_best = generator.uniform(-3.5, 3.5, (4, 4))
    log_c, n_best = generator.uniform(-3.3, -0.7), int(generator.integers(4, 17))
    kinds, modes = ["cubic", "linear", "nearest", "spline"], ["p", "q", "r", "s"]
    row_of = {kind: int(rows[i]) for i, kind in enumerate(kinds)}
    column_of = {mode: int(columns[i]) for i, mode in enumerate(modes)}
    space = wilks.Space(
        a=wilks.Real(-5, 5),
        b=wilks.Real(-5, 5),
        c=wilks.Real(1e-4, 1, scale="log"),
        n=wilks.Integer(1, 20),
        kind=wilks.Categorical(kinds),
        mode=wilks.Categorical(modes),
    )

    def loss(v: Values) -> float:
        i, j = row_of[v["kind"]], column_of[v["mode"]]
        a, b = v["a"] - a_best[i, j], v["b"] - b_best[i, j]
        c, n = np.log10(v["c"]) - log_c, (v["n"] - n_best) / 4
        ripple = 0.3 * (1 - np.cos(3 * np.pi * a))
        return float(_PAIRS[i, j] + 0.3 * a**2 + ripple + 0.5 * (b - 0.4 * a) ** 2 + (c + 0.5 * n) ** 2 + 0.5 * n**2)

    return SearchProblem("mixed", space, loss)


def _shift(seed: int, dimension: int, scale: float) -> np.ndarray:
    generator = np.random.default_rng([seed, dimension])
    return scale * generator.uniform(0.2, 1.0, dimension) * generator.choice([-1.0, 1.0], dimension)


PROBLEMS: dict[str, Callable[[int], SearchProblem]] = {
    "griewank2": lambda s: _continuous("griewank2", (-600, 600), 2, _shift(s, 2, 350), _griewank),
    "griewank10": lambda s: _continuous("griewank10", (-600, 600), 10, _shift(s, 10, 350), _griewank),
    "rastrigin2": lambda s: _continuous("rastrigin2", (-5.12, 5.12), 2, _shift(s, 2, 3.5), _rastrigin),
    "rastrigin10": lambda s: _continuous("rastrigin10", (-5.12, 5.12), 10, _shift(s, 10, 3.5), _rastrigin),
    "ackley10": lambda s: _continuous("ackley10", (-32, 32), 10, _shift(s, 10, 22), _ackley),
    "schwefel5": lambda s: _continuous("schwefel5", (-500, 500), 5, _shift(s, 5, 60), _schwefel),
    "rosenbrock5": lambda s: _continuous("rosenbrock5", (-5, 10), 5, _shift(s, 5, 3), _rosenbrock),
    "himmelblau": lambda s: _continuous("himmelblau", (-6, 6), 2, _shift(s, 2, 1), _himmelblau),
    "mixed": _mixed,
}
"""Name -> function of a seed that makes the problem."""
