r"""Functions of parameters of interest x that get nuisance parameters nu as well, under the names of paraprof.

.. math:: \log L(x, \nu) = \log L_0(T(x, \nu)) + C(\nu)

T is x + M nu (shift and mixed), x (1 + M nu) (scale), rotations by rotation_scale nu_j in the planes (0, 1), (0, 2),
... (rotation), or x (additive). C, of the deviations d = (nu - mean) / sigma, is -d^2 / 2 (gaussian), 0 within one
sigma and minus infinity outside (uniform), or 0 within and -(abs(d) - 1)^2 / 2 outside (soft_uniform).

Away from the maxima of L0 it pays to move nu away from its mean, in all modes but the additive one; so the best nu is
searched for, by `wilks.fit`. The problems of `wilks.problems.with_nuisances` come with exact profiles.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.facades.paraprof import checks
from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.functions import get_test_function
from wilks.facades.paraprof.target import Target
from wilks.verbs.fit import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

_MODES = ("shift", "scale", "rotation", "additive", "mixed")
_CONSTRAINTS = ("gaussian", "uniform", "soft_uniform")
_WIDE = 5.0
_SEED = 42
_SPREAD, _KEPT = 0.3, 0.7
_CASES = (
    ("himmelblau_4d", 4, "shift", 0.5),
    ("himmelblau_4d", 8, "shift", 0.5),
    ("himmelblau_4d", 16, "shift", 0.5),
    ("himmelblau_4d", 8, "shift", 0.2),
    ("himmelblau_4d", 8, "shift", 1.0),
    ("himmelblau_4d", 8, "scale", 0.1),
    ("rosenbrock_4d", 8, "shift", 0.5),
    ("rosenbrock_4d", 16, "shift", 0.5),
    ("rosenbrock_4d", 8, "scale", 0.1),
    ("rastrigin_4d", 8, "shift", 0.5),
    ("rastrigin_4d", 16, "shift", 0.5),
    ("himmelblau_4d", 32, "shift", 0.5),
    ("rosenbrock_6d", 12, "shift", 0.5),
    ("sphere_10d", 20, "shift", 0.5),
)


class NuisanceParameterWrapper:
    """A function of [parameters of interest..., nuisance parameters...].

    Parameters
    ----------
    base_func
        Function of the parameters of interest.
    n_poi, n_nuisance
        Numbers of parameters.
    coupling_mode
        ``"shift"``, ``"scale"``, ``"rotation"``, ``"additive"`` or ``"mixed"``.
    coupling_matrix
        M, shape (n_poi, n_nuisance). By default every nuisance parameter belongs to one parameter of interest, in
        order; for ``"mixed"`` it is a sparse random matrix, always the same.
    constraint_sigma, nuisance_mean
        Width and centre of the constraints, one number or one for each.
    constraint_mode
        ``"gaussian"``, ``"uniform"`` or ``"soft_uniform"``.
    rotation_scale
        Angle for a nuisance parameter of 1.

    Raises
    ------
    ConfigurationError
        If an argument cannot be used.

    Examples
    --------
    >>> function = NuisanceParameterWrapper(lambda x: -(x[0] ** 2), n_poi=1, n_nuisance=1)
    >>> function([2.0, -1.0])
    -1.5
    >>> value, best = function.profile_over_nuisance([2.0])
    >>> [round(value, 4), round(best.item(), 4)]
    [-1.3333, -1.3333]
    """

    def __init__(
        self,
        base_func: Callable[[NDArray[np.float64]], float],
        n_poi: int,
        n_nuisance: int,
        coupling_mode: str = "shift",
        coupling_matrix: ArrayLike | None = None,
        constraint_sigma: ArrayLike = 1.0,
        nuisance_mean: ArrayLike = 0.0,
        constraint_mode: str = "gaussian",
        rotation_scale: float = 0.1,
    ) -> None:
        self.base_func = checks.function("base_func", base_func)
        self.n_poi: int = checks.whole(1)("n_poi", n_poi)
        self.n_nuisance: int = checks.whole(1)("n_nuisance", n_nuisance)
        self.n_total = self.n_poi + self.n_nuisance
        self.coupling_mode: str = checks.one_of(*_MODES)("coupling_mode", coupling_mode)
        self.constraint_mode: str = checks.one_of(*_CONSTRAINTS)("constraint_mode", constraint_mode)
        self.rotation_scale: float = checks.real()("rotation_scale", rotation_scale)
        self.constraint_sigma = self._one_for_each("constraint_sigma", constraint_sigma)
        self.nuisance_mean = self._one_for_each("nuisance_mean", nuisance_mean)
        if not (self.constraint_sigma > 0).all():
            raise ConfigurationError(
                f"constraint_sigma: expected positive widths, got {constraint_sigma!r}", "constraint_sigma"
            )
        shape = (self.n_poi, self.n_nuisance)
        given = self._default_matrix() if coupling_matrix is None else np.array(coupling_matrix, dtype=float)
        if given.shape != shape:
            raise ConfigurationError(
                f"coupling_matrix: expected the shape {shape}, got {given.shape}", "coupling_matrix", coupling_matrix
            )
        self.coupling_matrix = given

    def _one_for_each(self, name: str, given: ArrayLike) -> NDArray[np.float64]:
        numbers = np.array(given, dtype=float)
        if numbers.ndim and numbers.shape != (self.n_nuisance,):
            raise ConfigurationError(f"{name}: expected one number or {self.n_nuisance}, got {given!r}", name, given)
        return np.full(self.n_nuisance, numbers)

    def _default_matrix(self) -> NDArray[np.float64]:
        matrix = np.zeros((self.n_poi, self.n_nuisance))
        if self.coupling_mode in ("shift", "scale"):
            for row, columns in enumerate(np.array_split(np.arange(self.n_nuisance), self.n_poi)):
                matrix[row, columns] = 1.0
        elif self.coupling_mode == "mixed":
            generator = np.random.default_rng(_SEED)
            matrix = _SPREAD * generator.normal(size=matrix.shape)
            matrix[generator.random(matrix.shape) > _KEPT] = 0.0
        return matrix

    def __call__(self, params: ArrayLike) -> float:
        """Log-likelihood of a point, shape (n_poi + n_nuisance,)."""
        point = np.asarray(params, dtype=float)
        if point.shape != (self.n_total,):
            raise ConfigurationError(
                f"expected {self.n_poi} parameters of interest and {self.n_nuisance} nuisance parameters, got an array "
                f"of shape {point.shape}"
            )
        interest, nuisance = point[: self.n_poi], point[self.n_poi :]
        constraint = self._constraint(nuisance)
        if constraint == -np.inf:
            return constraint
        return float(self.base_func(self._moved(interest, nuisance))) + constraint

    def _moved(self, interest: NDArray[np.float64], nuisance: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.coupling_mode == "additive":
            return interest.copy()
        if self.coupling_mode == "scale":
            scaled: NDArray[np.float64] = interest * (1.0 + self.coupling_matrix @ nuisance)
            return scaled
        if self.coupling_mode == "rotation":
            rotated = interest.copy()
            planes = itertools.combinations(range(self.n_poi), 2)
            for (i, j), angle in zip(planes, (self.rotation_scale * nuisance).tolist(), strict=False):
                cosine, sine = np.cos(angle), np.sin(angle)
                rotated[i], rotated[j] = (
                    cosine * rotated[i] - sine * rotated[j],
                    sine * rotated[i] + cosine * rotated[j],
                )
            return rotated
        shifted: NDArray[np.float64] = interest + self.coupling_matrix @ nuisance
        return shifted

    def _constraint(self, nuisance: NDArray[np.float64]) -> float:
        deviation = np.abs(nuisance - self.nuisance_mean) / self.constraint_sigma
        if self.constraint_mode == "gaussian":
            return float(-0.5 * deviation @ deviation)
        if self.constraint_mode == "uniform":
            return 0.0 if (deviation <= 1.0).all() else -np.inf
        beyond = np.maximum(deviation - 1.0, 0.0)
        return float(-0.5 * beyond @ beyond)

    def get_optimal_nuisance(self, poi_values: ArrayLike) -> NDArray[np.float64]:
        """Nuisance parameters that maximise the log-likelihood for given parameters of interest, shape (n_nuisance,).

        They are searched for by a fit within five sigma of the mean, and within one under a uniform constraint. Where
        several points are equally good, it is one of them.
        """
        return self.profile_over_nuisance(poi_values)[1]

    def profile_over_nuisance(
        self, poi_values: ArrayLike, method: str = "numerical"
    ) -> tuple[float, NDArray[np.float64]]:
        """Largest log-likelihood for given parameters of interest, and the nuisance parameters that reach it.

        Parameters
        ----------
        poi_values
            Parameters of interest.
        method
            ``"numerical"`` or ``"analytical"``: both search, since no formula holds in every mode.
        """
        checks.one_of("numerical", "analytical")("method", method)
        interest = np.asarray(poi_values, dtype=float)
        reach = (1.0 if self.constraint_mode == "uniform" else _WIDE) * self.constraint_sigma
        lower, upper = (self.nuisance_mean - reach).tolist(), (self.nuisance_mean + reach).tolist()
        names = [f"nu{number}" for number in range(self.n_nuisance)]
        mean = self.nuisance_mean.tolist()
        domains = [Real(low, high, initial=middle) for low, high, middle in zip(lower, upper, mean, strict=True)]
        space = Space(dict(zip(names, domains, strict=True)))
        problem = LikelihoodProblem(space, Target(lambda nuisance: self(np.concatenate([interest, nuisance])), names))
        found = fit(problem, seed=_SEED, callbacks=[])
        return found.log_likelihood, space.to_theta(found.best)


def create_nuisance_wrapped_function(
    base_func: Callable[[NDArray[np.float64]], float],
    base_bounds: Sequence[Sequence[float]],
    n_poi: int,
    n_nuisance: int,
    coupling_mode: str = "shift",
    coupling_matrix: ArrayLike | None = None,
    constraint_sigma: ArrayLike = 1.0,
    nuisance_mean: ArrayLike = 0.0,
    nuisance_bounds_sigma_multiple: float = _WIDE,
    **wrapper_kwargs: Any,  # noqa: ANN401 - further arguments of the class, checked there
) -> tuple[NuisanceParameterWrapper, list[list[float]], NuisanceParameterWrapper]:
    """Make a `NuisanceParameterWrapper`; return it, the bounds of all parameters, and it again.

    Parameters
    ----------
    base_func, n_poi, n_nuisance, coupling_mode, coupling_matrix, constraint_sigma, nuisance_mean
        As for `NuisanceParameterWrapper`.
    base_bounds
        Bounds of the parameters of interest.
    nuisance_bounds_sigma_multiple
        Bounds of a nuisance parameter: this many sigma on both sides of its mean.
    wrapper_kwargs
        ``constraint_mode`` and ``rotation_scale``.
    """
    wrapper = NuisanceParameterWrapper(
        base_func, n_poi, n_nuisance, coupling_mode, coupling_matrix, constraint_sigma, nuisance_mean, **wrapper_kwargs
    )
    reach = nuisance_bounds_sigma_multiple * wrapper.constraint_sigma
    ends = np.stack([wrapper.nuisance_mean - reach, wrapper.nuisance_mean + reach], axis=1)
    return wrapper, [list(pair) for pair in base_bounds[:n_poi]] + ends.tolist(), wrapper


def register_nuisance_wrapped_test_functions() -> dict[str, tuple[Any, list[list[float]], Any, list[Any]]]:
    """Return the cases of paraprof: name -> (function, bounds, the same function, maxima without nuisances)."""
    registry = {}
    for base, n_nuisance, mode, sigma in _CASES:
        function, bounds, peaks = get_test_function(base)
        wrapped = create_nuisance_wrapped_function(
            function, bounds, len(bounds), n_nuisance, mode, constraint_sigma=sigma
        )
        registry[f"{base}_{mode}_{n_nuisance}nuis_sigma{sigma}"] = (*wrapped, peaks)
    return registry
