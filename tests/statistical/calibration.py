r"""Simulation-based calibration: parameters drawn from the prior, data simulated with them, and their posterior.

Given the data the parameters are one more draw of the posterior, so their rank among L independent draws of it is
uniform on 0, ..., L, whatever the model and however few the data (Talts et al. 2018, https://arxiv.org/abs/1804.06788).
Data whose posterior is not certified may be left out without harm: the certificate knows the data alone, and given any
data the statement holds. Four tests are made of the ranks of one parameter:

* `band`: the largest departure of their empirical distribution function, measured at each of its L steps by the tail
  probability of the binomial distribution, against that of simulated uniform ranks: its p-value is below 0.05 where the
  function leaves its simultaneous 95 % band (Säilynoja, Bürkner and Vehtari 2022,
  https://doi.org/10.1007/s11222-022-10090-6);
* `chi_squared`: counts in bins of equal width;
* `shift` and `width`: with u uniform within the step of the rank, :math:`z = \Phi^{-1}(u)` is standard normal, so
  that :math:`\sqrt n \bar z` is too and :math:`\sum z^2` has the chi-squared distribution of n degrees of freedom.
  Of all departures these two see a posterior that is displaced, too narrow or too wide from the fewest simulations.

Several tests share one error probability (Bonferroni), so that the thresholds follow from the numbers of simulations
and of parameters.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import numpy as np
from scipy import stats

import wilks
from wilks import xpcs
from wilks.core.random import keyed_generator
from wilks.samplers.target import Target
from wilks.xpcs.posterior.marginal import PairMarginal, _State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

    Array = NDArray[np.float64]

N_RANKS = 100
"""Possible ranks: 99 draws."""
ERROR = 0.01
"""Probability that any of the tests of one study fails though nothing is wrong."""
LEVELS = np.array([0.68, 0.95])
_N_NULL = 20_000
_BINS, _PER_BIN = (5, 10, 20), 5


class Uniformity(NamedTuple):
    """p-values of the four tests of the ranks of one parameter."""

    band: float
    chi_squared: float
    shift: float
    width: float


def uniformity(ranks: NDArray[np.int64], seed: int = 0) -> Uniformity:
    """Test the ranks of one parameter, shape (n,)."""
    n = len(ranks)
    counts = np.bincount(ranks, minlength=N_RANKS)
    departure = _departure(counts[None], n)[0]
    n_bins = max(each for each in _BINS if each == _BINS[0] or each * _PER_BIN <= n)
    chi = stats.chisquare(counts.reshape(n_bins, -1).sum(axis=1)).pvalue
    u = (ranks + np.random.default_rng([seed, n]).random(n)) / N_RANKS
    z = stats.norm.ppf(u)
    squares = float(z @ z)
    return Uniformity(
        band=float((1 + (_null(n) <= departure).sum()) / (1 + _N_NULL)),
        chi_squared=float(chi),
        shift=float(2 * stats.norm.sf(abs(z.sum()) / math.sqrt(n))),
        width=float(min(1.0, 2 * min(stats.chi2.cdf(squares, n), stats.chi2.sf(squares, n)))),
    )


@cache
def _tails(n: int) -> Array:
    """Smaller tail probability of each count up to each step, shape (n + 1, N_RANKS - 1)."""
    k, p = np.arange(n + 1)[:, None], np.arange(1, N_RANKS) / N_RANKS
    return np.minimum(stats.binom.cdf(k, n, p), stats.binom.sf(k - 1, n, p))


def _departure(counts: NDArray[np.int64], n: int) -> Array:
    """Smallest tail probability over the steps, for counts of shape (m, N_RANKS)."""
    up_to = np.cumsum(counts, axis=1)[:, :-1]
    return np.asarray(_tails(n)[up_to, np.arange(N_RANKS - 1)].min(axis=1))


@cache
def _null(n: int) -> Array:
    """Departures of uniform ranks."""
    counts = np.random.default_rng(n).multinomial(n, np.full(N_RANKS, 1 / N_RANKS), size=_N_NULL)
    return _departure(counts, n)


@dataclass(frozen=True)
class Study:
    """What came of some simulations.

    Attributes
    ----------
    names
        Of the parameters.
    ranks
        Shape (n, n_parameters).
    shares
        Part of the posterior below the truth, the same shape.
    certified
        Shape (n,).
    """

    names: tuple[str, ...]
    ranks: NDArray[np.int64]
    shares: Array
    certified: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of simulations whose posterior is certified."""
        return int(self.certified.sum())

    def uniformities(self) -> dict[str, Uniformity]:
        """Tests by name of the parameter."""
        kept = self.ranks[self.certified]
        return {name: uniformity(kept[:, i], i) for i, name in enumerate(self.names)}

    def covered(self) -> Array:
        """How often equal-tailed intervals of the two levels hold the truth, shape (2, n_parameters)."""
        apart = np.abs(self.shares[self.certified] - 0.5)
        return np.asarray((apart[None] <= 0.5 * LEVELS[:, None, None]).mean(axis=1))

    def worst(self) -> tuple[float, str]:
        """The smallest p-value times the number of tests, and where it is."""
        every = {
            f"{test} of {name}": p for name, found in self.uniformities().items() for test, p in found._asdict().items()
        }
        where = min(every, key=every.__getitem__)
        return min(1.0, every[where] * len(every)), where

    def covers(self) -> tuple[float, str]:
        """The same for the numbers of intervals that hold the truth."""
        found = self.covered()
        ps = [
            (stats.binomtest(round(share * self.n), self.n, level).pvalue, f"{level:.0%} of {name}: {share:.3f}")
            for level, row in zip(LEVELS, found, strict=True)
            for name, share in zip(self.names, row, strict=True)
        ]
        p, where = min(ps)
        return min(1.0, p * len(ps)), where


def placed(truth: Array, draws: Array, rng: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
    """Rank of the truth among 99 of the draws, and the part of all of them below it; draws of shape (n, k)."""
    few = draws[rng.choice(len(draws), N_RANKS - 1, replace=False)]
    return (few < truth).sum(axis=0), (draws < truth).mean(axis=0)


# ---------------------------------------------------------------------- every kind of prior, data in four shards

PRIORS = wilks.Space(
    uniform=wilks.Real(-2.0, 3.0, prior=wilks.Uniform(-2.0, 3.0)),
    log_uniform=wilks.Real(0.1, 10.0, prior=wilks.LogUniform(0.1, 10.0)),
    normal=wilks.Real(-1.0, 6.0, prior=wilks.Normal(0.5, 1.0)),  # its box cuts 7 % off
    log_normal=wilks.Real(0.05, 20.0, scale="log", prior=wilks.LogNormal(1.0, 0.8)),
    gamma=wilks.Real(0.01, 20.0, scale="log", prior=stats.gamma(2.0)),
)
N_SHARDS, _PER_SHARD = 4, 3
_DESIGN = np.random.default_rng(5).standard_normal((N_SHARDS, _PER_SHARD, 5))
_NOISE = 0.7
QUICK = wilks.AdaptiveImportance(ess=400)


def _expected(values: wilks.Values | dict[str, Array], design: Array) -> Array:
    columns = [
        values["uniform"], np.log(values["log_uniform"]), values["normal"], np.log(values["log_normal"]),
        np.sqrt(values["gamma"]),
    ]  # fmt: skip
    return np.stack([np.asarray(column, dtype=float) for column in columns], axis=-1) @ design.T


def _chi_squared(values: dict[str, Array], shard: tuple[Array, Array]) -> Array:
    y, design = shard
    return np.asarray((((y - _expected(values, design)) / _NOISE) ** 2).sum(axis=-1)[..., None])


def _log_likelihood(values: dict[str, Array], total: Array) -> Array:
    return np.asarray(-0.5 * total[..., 0])


def every_prior(number: int, n_shards: int = N_SHARDS) -> tuple[Array, wilks.AdditiveProblem]:
    """Draw parameters, and simulate measurements of them, of which the first shards are used."""
    rng = keyed_generator(101, number)
    (theta,) = PRIORS.draw(rng, 1)
    values = dict(zip(PRIORS.free, theta, strict=True))
    shards = [
        (_expected(values, design) + _NOISE * rng.standard_normal(_PER_SHARD), design) for design in _DESIGN
    ]  # fmt: skip
    problem = wilks.AdditiveProblem(PRIORS, shards[:n_shards], _chi_squared, _log_likelihood, vectorized=True)
    return theta, problem


def study_of_priors(numbers: Sequence[int], n_shards: int = N_SHARDS) -> Study:
    """Ranks of parameters with a prior of every kind."""

    def one(number: int) -> tuple[Array, Array, bool]:
        theta, problem = every_prior(number, n_shards)
        middle = PRIORS.to_values(PRIORS.from_unit(np.full((1, 5), 0.5))[0])
        found = wilks.sample(problem, QUICK, start=middle, n_starts=0, n_draws=1000, seed=number, callbacks=[])
        return theta, _columns(found), found.certificate.ok

    return _study(PRIORS.free, numbers, one)


def _columns(posterior: Posterior) -> Array:
    return np.stack([posterior.draws[name].ravel() for name in posterior.names], axis=1)


def _study(names: Sequence[str], numbers: Sequence[int], one: Callable[[int], tuple[Array, Array, bool]]) -> Study:
    rows = []
    for number in numbers:
        truth, draws, certified = one(number)
        rows.append((*placed(truth, draws, keyed_generator(103, number)), certified))
    ranks, shares, certified = (np.array(each) for each in zip(*rows, strict=True))
    return Study(tuple(names), ranks, shares, certified)


# ---------------------------------------------------------------------- two-time correlations


@dataclass(frozen=True)
class Setup:
    """A measurement of correlations whose parameters are drawn from priors.

    Contrast and offset of every angle have the flat priors of their boxes. The prior 1 / s of the noise factor cannot
    be drawn from, since its integral diverges. Its restriction to an interval can, and the posterior with that prior
    is the posterior with 1 / s on the whole axis, given that the noise lies in the interval: the draws whose noise
    does not are left out, and what remains is exact, for the noise as for everything else.

    Attributes
    ----------
    mode, n_t, phi
        Of the measurement.
    boxes, priors
        Of the parameters.
    noise
        Interval of the standard deviation of a pixel.
    """

    mode: str
    n_t: int
    phi: tuple[float, ...]
    boxes: dict[str, wilks.Real]
    priors: dict[str, wilks.Prior]
    noise: tuple[float, float]
    options: xpcs.FitOptions = field(default_factory=lambda: xpcs.FitOptions(n_starts=200, n_refined=4))

    @property
    def geometry(self) -> xpcs.Geometry:
        """Times from one frame on: the age of the first is known."""
        return xpcs.Geometry(0.1 * np.arange(1, self.n_t + 1), 0.1, 0.0054, 2e6, np.array(self.phi))

    @property
    def space(self) -> wilks.Space:
        """Physical parameters with their priors."""
        return wilks.Space({name: replace(self.boxes[name], prior=prior) for name, prior in self.priors.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Of all that is ranked."""
        angles = range(len(self.phi))
        return (*self.priors, *(f"contrast {k}" for k in angles), *(f"offset {k}" for k in angles), "noise")


_SCALING_BOXES = {"contrast": wilks.Real(0.1, 0.4), "offset": wilks.Real(0.9, 1.1)}
_DIFFUSION_BOXES = {
    "D0": wilks.Real(2e3, 2e5, scale="log"),
    "alpha": wilks.Real(-1.5, 0.7),
    "D_offset": wilks.Real(-1e4, 2e4),
}
_DIFFUSION_PRIORS = {
    "D0": wilks.LogNormal(2e4, 0.3),
    "alpha": wilks.Normal(-0.4, 0.2),
    "D_offset": wilks.Normal(2000.0, 2000.0),
}
STATIC = Setup("static", 30, (-40.0, 50.0), _SCALING_BOXES | _DIFFUSION_BOXES, _DIFFUSION_PRIORS, (0.004, 0.02))
FEW = replace(STATIC, n_t=5, phi=tuple(np.linspace(-80.0, 80.0, 8).tolist()), noise=(0.0003, 0.001))
"""Eight angles of ten pairs: contrasts and offsets take 16 of 80 degrees of freedom."""
LAMINAR = Setup(
    "laminar_flow",
    30,
    (-70.0, 0.0, 60.0),
    _SCALING_BOXES
    | _DIFFUSION_BOXES
    | {
        "gamma_dot_0": wilks.Real(1e-4, 1e-2, scale="log"),
        "beta": wilks.Real(-1.5, 1.5),
        "gamma_dot_offset": wilks.Real(-1e-3, 2e-3),
        "phi0": wilks.Real(-10.0, 10.0),
    },
    _DIFFUSION_PRIORS
    | {
        "gamma_dot_0": wilks.LogNormal(1e-3, 0.3),
        "beta": wilks.Normal(0.3, 0.2),
        "gamma_dot_offset": wilks.Normal(2e-4, 2e-4),
        "phi0": wilks.Normal(0.0, 4.0),
    },
    (0.003, 0.012),
)


def simulated(setup: Setup, number: int, storage: str = "mirrored") -> tuple[Array, xpcs.TwoTimeData]:
    """Draw everything from its prior, and simulate; the data carry a noise that is wrong by an unknown factor."""
    rng = keyed_generator(107, number)
    (theta,) = setup.space.draw(rng, 1)
    n_phi = len(setup.phi)
    contrast, offset = (
        rng.uniform(setup.boxes[name].lower, setup.boxes[name].upper, n_phi) for name in ("contrast", "offset")
    )
    sigma = math.exp(rng.uniform(*np.log(setup.noise)))
    made = xpcs.simulate(
        setup.space.to_values(theta),
        setup.geometry,
        contrast=contrast,
        offset=offset,
        sigma=sigma,
        mode=setup.mode,
        storage=storage,
        seed=number,
    )
    c2 = np.array([made.read_c2(k) for k in range(n_phi)])
    data = xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, made.dt, sigma=0.01)
    return np.concatenate([theta, contrast, offset, [sigma]]), data


def posterior_of(
    setup: Setup, data: xpcs.TwoTimeData, seed: int, method: object = QUICK, n_draws: int = 1000
) -> xpcs.XpcsPosterior:
    """Fit and sample."""
    fit = xpcs.fit(data, setup.mode, parameters=setup.boxes, options=setup.options, seed=seed, callbacks=())
    return xpcs.sample(fit, priors=setup.priors, method=method, n_draws=n_draws, seed=seed, callbacks=())


def all_columns(posterior: xpcs.XpcsPosterior) -> Array:
    """Draws of physical parameters, contrasts, offsets and noise, shape (n, k)."""
    n_phi = len(posterior.phi)
    scaling = [each.reshape(-1, n_phi) for each in (posterior.contrast, posterior.offset)]
    return np.concatenate([_columns(posterior), *scaling, posterior.sigma[..., :1].reshape(-1, 1)], axis=1)


def study_of_correlations(setup: Setup, numbers: Sequence[int], method: object = QUICK) -> Study:
    """Ranks of physical parameters, contrasts, offsets and noise."""

    def one(number: int) -> tuple[Array, Array, bool]:
        truth, data = simulated(setup, number)
        found = posterior_of(setup, data, number, method)
        draws = all_columns(found)
        within = (draws[:, -1] >= setup.noise[0]) & (draws[:, -1] <= setup.noise[1])
        return truth, draws[within], found.certificate.ok and int(within.sum()) >= N_RANKS

    return _study(setup.names, numbers, one)


# ---------------------------------------------------------------------- the same measurement again and again

REPLICATED = replace(STATIC, n_t=40, phi=(-60.0, 0.0, 60.0), boxes=_DIFFUSION_BOXES, priors={}, noise=(0.005, 0.005))
TRUTH = {"D0": 2e4, "alpha": -0.4, "D_offset": 2000.0}


def study_of_replicates(numbers: Sequence[int], storage: str = "mirrored") -> Study:
    """Shares of posteriors below fixed values, with priors that are flat where the data tell anything."""
    setup, n_phi = REPLICATED, len(REPLICATED.phi)
    truth = np.concatenate([list(TRUTH.values()), np.full(n_phi, 0.25), np.full(n_phi, 1.0), [setup.noise[0]]])
    names = (*TRUTH, *setup.names)

    def one(number: int) -> tuple[Array, Array, bool]:
        data = xpcs.simulate(
            TRUTH, setup.geometry, contrast=0.25, sigma=setup.noise[0], mode="static", storage=storage, seed=number
        )
        found = posterior_of(setup, data, number, n_draws=4000)
        return truth, all_columns(found), found.certificate.ok

    return _study(names, numbers, one)


# ---------------------------------------------------------------------- what must be found out

_RIGHT_STATE = PairMarginal._state


def _counted_twice(marginal: PairMarginal, products: Array) -> _State:
    return _RIGHT_STATE(replace(marginal, n_used=2 * marginal.n_used), 2.0 * products)


def _without_log_v(marginal: PairMarginal, products: Array) -> _State:
    state = _RIGHT_STATE(marginal, products)
    return replace(state, log_known=state.log_known + 0.5 * np.log(state.bell.v))


def _one_too_many(marginal: PairMarginal, products: Array) -> _State:
    state = _RIGHT_STATE(marginal, products)
    return replace(state, nu=state.nu + 1.0)


@contextmanager
def _prior_to_the(power: float) -> Iterator[None]:
    wrong = partial(Target, power=power)
    with mock.patch("wilks.verbs.sample.Target", wrong), mock.patch("wilks.xpcs.posterior.sampling.Target", wrong):
        yield


BROKEN: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "pairs counted twice": lambda: mock.patch.object(PairMarginal, "_state", _counted_twice),
    "log v left out": lambda: mock.patch.object(PairMarginal, "_state", _without_log_v),
    "nu too large by the number of angles": lambda: mock.patch.object(PairMarginal, "_state", _one_too_many),
    "prior squared": lambda: _prior_to_the(2.0),
    "prior left out": lambda: _prior_to_the(0.0),
}
"""Errors by name, each a context in which the package makes it."""


def study_of_broken(error: str, study: Callable[[Sequence[int]], Study], numbers: Sequence[int]) -> Study:
    """Make a study while the package makes an error."""
    with BROKEN[error]():
        return study(numbers)
