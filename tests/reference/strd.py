"""The nonlinear regression problems of NIST StRD: files, models, and boxes to fit in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import wilks

FOLDER = Path(__file__).parent / "nist"

Array = NDArray[np.float64]


def _rational(degree: int) -> Callable[..., Array]:
    """Polynomials of one degree over each other, the constant of the lower one being 1."""

    def model(b: Array, x: Array) -> Array:
        upper, lower = b[: degree + 1], np.concatenate([[1.0], b[degree + 1 :]])
        return np.polyval(upper[::-1], x) / np.polyval(lower[::-1], x)

    return model


def _peaks(b: Array, x: Array) -> Array:
    first = b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2)
    return b[0] * np.exp(-b[1] * x) + first + b[5] * np.exp(-((x - b[6]) ** 2) / b[7] ** 2)


def _cycles(b: Array, x: Array) -> Array:
    def wave(cosine: float, sine: float, period: float) -> Array:
        angle = 2 * np.pi * x / period
        return cosine * np.cos(angle) + sine * np.sin(angle)

    return b[0] + wave(b[1], b[2], 12.0) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


def _decays(b: Array, x: Array) -> Array:
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def _chwirut(b: Array, x: Array) -> Array:
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def _saturation(b: Array, x: Array) -> Array:
    return b[0] * (1 - np.exp(-b[1] * x))


MODELS: dict[str, Callable[[Array, Array], Array]] = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": _saturation,
    "Chwirut1": _chwirut,
    "Chwirut2": _chwirut,
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": _cycles,
    "Eckerle4": lambda b, x: b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": _peaks,
    "Gauss2": _peaks,
    "Gauss3": _peaks,
    "Hahn1": _rational(3),
    "Kirby2": _rational(2),
    "Lanczos1": _decays,
    "Lanczos2": _decays,
    "Lanczos3": _decays,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Misra1a": _saturation,
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2.0),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[:, 0] * np.exp(-b[2] * x[:, 1]),
    "Rat42": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi,
    "Thurber": _rational(3),
}


LINEAR: dict[str, tuple[str, ...]] = {
    "Bennett5": ("b1",),
    "BoxBOD": ("b1",),
    "DanWood": ("b1",),
    "ENSO": ("b1", "b2", "b3", "b5", "b6", "b8", "b9"),
    "Gauss1": ("b1", "b3", "b6"),
    "Gauss2": ("b1", "b3", "b6"),
    "Gauss3": ("b1", "b3", "b6"),
    "Hahn1": ("b1", "b2", "b3", "b4"),
    "Kirby2": ("b1", "b2", "b3"),
    "Lanczos1": ("b1", "b3", "b5"),
    "Lanczos2": ("b1", "b3", "b5"),
    "Lanczos3": ("b1", "b3", "b5"),
    "MGH09": ("b1",),
    "MGH10": ("b1",),
    "MGH17": ("b1", "b2", "b3"),
    "Misra1a": ("b1",),
    "Misra1b": ("b1",),
    "Misra1c": ("b1",),
    "Misra1d": ("b1",),
    "Nelson": ("b1", "b2"),
    "Rat42": ("b1",),
    "Rat43": ("b1",),
    "Roszman1": ("b1", "b2"),
    "Thurber": ("b1", "b2", "b3", "b4"),
}
"""Parameters in which the model is linear when the others are held."""


@dataclass(frozen=True)
class Dataset:
    """One data set with what NIST certifies."""

    name: str
    x: Array
    y: Array
    starts: tuple[Array, Array]
    certified: Array
    certified_sd: Array
    residual_sum_of_squares: float

    @property
    def names(self) -> tuple[str, ...]:
        """b1, b2, ..."""
        return tuple(f"b{i + 1}" for i in range(len(self.certified)))

    @property
    def sigma(self) -> float:
        """Certified residual standard deviation."""
        return float(np.sqrt(self.residual_sum_of_squares / (len(self.y) - len(self.certified))))

    def residual(self, b: Array) -> Array:
        """Data minus model, in units of `sigma`."""
        with np.errstate(all="ignore"):
            return (self.y - MODELS[self.name](b, self.x)) / self.sigma

    def problem(self, space: wilks.Space, *, linear: tuple[str, ...] = ()) -> wilks.ResidualProblem:
        """Return the problem in a box."""
        return wilks.ResidualProblem(
            space, lambda v: self.residual(np.array([v[name] for name in self.names])), linear=linear, name=self.name
        )

    def box(self, factor: float) -> wilks.Space:
        """From zero, where the sign is known, to `factor` times the largest of starts and certified value.

        The sign counts as known where both starts and the certified value share it; elsewhere the box is symmetric.
        """
        three = np.array([*self.starts, self.certified])
        sizes = factor * np.abs(three).max(axis=0)
        lower = np.where((three > 0).all(axis=0), 0.0, -sizes)
        upper = np.where((three < 0).all(axis=0), 0.0, sizes)
        bounds = zip(self.names, lower.tolist(), upper.tolist(), strict=True)
        return wilks.Space({name: wilks.Real(low, high) for name, low, high in bounds})

    def start(self, number: int) -> dict[str, float]:
        """Starting values 1 or 2."""
        return dict(zip(self.names, self.starts[number - 1].tolist(), strict=True))


def read(name: str) -> Dataset:
    """Read one data set."""
    lines = (FOLDER / f"{name}.dat").read_text(encoding="ascii").splitlines()
    header = "\n".join(lines[:60])
    rows = re.findall(r"^\s*b\d+\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", header, re.MULTILINE)
    one, two, certified, sd = np.array(rows, dtype=float).T
    (rss,) = re.findall(r"Residual Sum of Squares:\s*(\S+)", header)
    ((first, last),) = re.findall(r"^\s*Data\s+\(lines\s+(\d+)\s+to\s+(\d+)\)", header, re.MULTILINE)
    table = np.array([line.split() for line in lines[int(first) - 1 : int(last)]], dtype=float)
    y, x = table[:, 0], table[:, 1] if table.shape[1] == 2 else table[:, 1:]
    if name == "Nelson":
        y = np.log(y)
    return Dataset(name, x, y, (one, two), certified, sd, float(rss))


def digits(values: Array, certified: Array) -> float:
    """Smallest number of correct digits, at most 11 (as many as are certified)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.log10(np.abs(values - certified) / np.abs(certified))
    return float(np.clip(np.nan_to_num(found, nan=0.0, posinf=11.0), 0.0, 11.0).min())
