"""The strategy of the package ``cmaes`` as a value: what it knows in numbers and arrays, and how points enter it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.searchers.coordinates import CATEGORICAL, Coordinates, Point

if TYPE_CHECKING:
    from cmaes import CatCMAwM
    from numpy.typing import NDArray

_MOST_VALUES = 1000  # of an ordered coordinate; one with more moves as a real one does


@dataclass
class Parts:
    """Which coordinates the strategy takes for what.

    Attributes
    ----------
    smooth
        Real ones, and ordered ones with very many values.
    stepped
        Ordered ones.
    labelled
        Categorical ones.
    """

    smooth: list[int]
    stepped: list[int]
    labelled: list[int]

    @classmethod
    def of(cls, coordinates: Coordinates) -> Parts:
        """Sort the coordinates of a space; those with a single value belong nowhere."""
        smooth: list[int] = []
        stepped: list[int] = []
        labelled: list[int] = []
        for j, (kind, size) in enumerate(zip(coordinates.kinds, coordinates.sizes, strict=True)):
            if size == 0 or (kind != CATEGORICAL and size > _MOST_VALUES):
                smooth.append(j)
            elif size > 1:
                (labelled if kind == CATEGORICAL else stepped).append(j)
        return cls(smooth, stepped, labelled)

    @property
    def numeric(self) -> list[int]:
        """Components of the normal distribution, in its order."""
        return self.smooth + self.stepped

    @property
    def n(self) -> int:
        """Number of coordinates that can change."""
        return len(self.smooth) + len(self.stepped) + len(self.labelled)


def components_of(coordinates: Coordinates, parts: Parts, point: Point) -> NDArray[np.float64]:
    """Numeric coordinates of a point as components of the normal distribution, each with a range of length one."""
    return np.array([point[j] / coordinates.widths[j] for j in parts.numeric])


def one_hot(coordinates: Coordinates, parts: Parts, point: Point) -> NDArray[np.bool_]:
    """Levels of a point, a row for each categorical coordinate."""
    table = np.zeros((len(parts.labelled), max(coordinates.sizes[j] for j in parts.labelled)), dtype=bool)
    for row, j in enumerate(parts.labelled):
        table[row, int(point[j])] = True
    return table


def begun(coordinates: Coordinates, parts: Parts, size: int, mean: NDArray[np.float64], sigma: float) -> dict[str, Any]:
    """Return the memory of a strategy that begins."""
    from cmaes import CatCMAwM  # noqa: PLC0415 - it loads scipy

    sizes = coordinates.sizes
    n = len(parts.numeric)
    strategy = CatCMAwM(
        x_space=[[-math.inf, math.inf]] * len(parts.smooth) or None,
        z_space=[[i / (sizes[j] - 1) for i in range(sizes[j])] for j in parts.stepped] or None,
        c_space=[sizes[j] for j in parts.labelled] or None,
        population_size=size,
        mean=mean if n else None,
        sigma=sigma if n else None,
        cov=np.eye(n) if n else None,
    )
    memory = memory_of(strategy)
    if n:
        memory["_funhist_values"][:] = 0.0  # it is not initialised there
        memory["_iqhist_values"] = [1.0]  # a scale of penalties, which there are none of, must exist
    return memory


def memory_of(strategy: CatCMAwM) -> dict[str, Any]:
    """Everything that a strategy knows but its generator; a copy in memory must be laid out as one from a file is."""
    return {
        name: np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value
        for name, value in vars(strategy).items()
        if name != "_rng"
    }


def strategy_of(memory: dict[str, Any], seed: int | None = None) -> CatCMAwM:
    """Return the strategy with this memory, and with a generator if it is to draw."""
    from cmaes import CatCMAwM  # noqa: PLC0415 - it loads scipy

    strategy = object.__new__(CatCMAwM)
    vars(strategy).update(memory)
    if seed is not None:
        vars(strategy)["_rng"] = np.random.RandomState(seed)  # what the package draws from
    return strategy


def limited_step(memory: dict[str, Any], raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pull a foreign point towards the mean, to where the distribution could have drawn it (Hansen 2011, injection)."""
    mean = memory["_mean"]
    step = raw - mean
    length = float(np.linalg.norm((memory["_B"].T @ (step / (memory["_sigma"] * memory["_A"]))) / memory["_D"]))
    n = len(mean)
    most = math.sqrt(n) + 2.0 * n / (n + 2.0)
    limited: NDArray[np.float64] = raw if length <= most else mean + step * (most / length)
    return limited
