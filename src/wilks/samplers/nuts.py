r"""Chains of the No-U-Turn sampler of NumPyro, for any likelihood with a gradient.

NumPyro compiles a trajectory, and so the density too, to one function. Parts of the density that are not written for
JAX are called from within by ``jax.pure_callback``, which has three peculiarities:

* The call comes in a thread of JAX. Here it is handed to the thread that started the run, where Ctrl-C arrives, where
  the user's function may do what it does elsewhere, and where JAX has the precision that the user set.
* Numbers of 64 bits are cut to 32 unless JAX is set to 64 bits in every thread. Here they travel as pairs of 32-bit
  integers, and nothing is set for longer, or for others, than the run.
* An exception within kills the run. Here there is none: once a run is to end, every further call is answered at once
  with a density of zero, so that the trajectory ends, and its block of draws is dropped.

Chains take turns, a block of draws each, so that a run that is ended leaves chains of one length. How long the blocks
are does not change the draws.

The whitened coordinates z are those of `samplers.whitening`, so step size and mass matrix start near the truth; both
are adapted all the same.
"""

from __future__ import annotations

import math
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS

from wilks.core.chart import LineChart
from wilks.core.errors import InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.prior import LogNormal, LogUniform, Normal, Uniform
from wilks.samplers.traced import TracedLikelihood

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.core.prior import Prior
    from wilks.samplers.course import Course
    from wilks.samplers.host import HostLikelihood, Placement, Slopes
    from wilks.samplers.nuts_options import Nuts
    from wilks.samplers.target import Target

_LONGEST_BLOCK = 100
_BLOCK_SECONDS = 0.2
_FIRST_BLOCK = 4
_N_COLUMNS = 6
_PRIORS = (Uniform, LogUniform, Normal, LogNormal)


class Bridge:
    """Runs compiled functions, and answers what they ask of functions that were not written for JAX.

    Parameters
    ----------
    course
        Says when the run is to end.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._functions: list[Callable[[NDArray[np.float64]], Slopes]] = []
        self._requests: queue.SimpleQueue[tuple[int, NDArray[np.float64]] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[NDArray[np.float64] | None] = queue.SimpleQueue()
        self._is_broken = False

    @property
    def has_functions(self) -> bool:
        """Is anything asked at all?"""
        return bool(self._functions)

    def differentiable(
        self, function: Callable[[NDArray[np.float64]], Slopes], n: int, m: int
    ) -> Callable[[jax.Array], jax.Array]:
        """Return a function of an array of shape (n,) for JAX.

        Parameters
        ----------
        function
            Returns values, shape (m,), and derivatives, shape (m, n).
        n, m
            Sizes.
        """
        number = len(self._functions)
        self._functions.append(function)
        shape = jax.ShapeDtypeStruct((m * (n + 1), 2), jnp.uint32)
        nothing = np.concatenate([np.full(m, -np.inf), np.zeros(m * n)])

        def asked(bits: jax.Array) -> NDArray[np.uint32]:
            found = self._ask(number, np.asarray(bits).view(np.float64)[:, 0])
            return (nothing if found is None else found).view(np.uint32).reshape(-1, 2)

        def forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
            answer = jax.pure_callback(asked, shape, bits, vmap_method="sequential")
            numbers = jax.lax.bitcast_convert_type(answer, jnp.float64)
            return numbers[:m], numbers[m:].reshape(m, n)

        def backward(slopes: jax.Array, weights: jax.Array) -> tuple[jax.Array]:
            return (weights @ slopes,)

        found: Any = jax.custom_vjp(lambda x: forward(x)[0])
        found.defvjp(forward, backward)
        return found  # type: ignore[no-any-return]  # JAX has no types

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what it returns
        """Call a function of JAX with 64 bits, and wait for its answer."""

        def call() -> Any:  # noqa: ANN401 - as above
            with jax.enable_x64(True):
                return jax.block_until_ready(function(*arguments))

        if not self.has_functions:
            return call()
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(call)
            future.add_done_callback(lambda _: self._requests.put(None))
            try:
                while (request := self._requests.get()) is not None:
                    self._answers.put(self._answer(*request))
            finally:
                if not future.done():  # an error of a callback: nobody listens any more
                    self._is_broken = True
                    self._answers.put(None)
        return future.result()

    def _answer(self, number: int, x: NDArray[np.float64]) -> NDArray[np.float64] | None:
        found = self._course.attempt(lambda: self._functions[number](x))
        self._course.look()
        return None if found is None else np.concatenate([found[0], found[1].ravel()])

    def _ask(self, number: int, x: NDArray[np.float64]) -> NDArray[np.float64] | None:
        if self._is_broken or self._course.status is not None:
            return None
        self._requests.put((number, x))
        return self._answers.get()


class NutsRun:
    """Chains that go on as long as they are told to.

    Parameters
    ----------
    place
        From whitened coordinates to parameters, with prior and Jacobians.
    likelihood
        For JAX, or with a gradient of its own.
    method
        Options; `n_draws` is not among those that are heeded.
    seeds
        Of the chains.
    starts
        Whitened points to start from, shape (n, d); every chain takes the next that has a density.
    course
        Who watches.

    Raises
    ------
    InvalidProblemError
        If there are not enough points with a density.
    """

    def __init__(
        self,
        place: Placement,
        likelihood: TracedLikelihood | HostLikelihood,
        method: Nuts,
        seeds: list[int],
        starts: NDArray[np.float64],
        course: Course,
    ) -> None:
        self._place, self._method, self._course = place, method, course
        self._bridge = Bridge(course)
        self._counts_itself = not isinstance(likelihood, TracedLikelihood)
        self._block = _FIRST_BLOCK
        self._done = 0
        potential = jax.jit(_potential(place, likelihood, self._bridge))
        self._kernel = NUTS(
            potential_fn=potential,
            target_accept_prob=method.target_accept,
            max_tree_depth=method.max_tree_depth,
            dense_mass=method.dense_mass,
        )
        self._advanced = jax.jit(self._advance_one)
        self._tables: list[list[NDArray[np.float64]]] = [[] for _ in seeds]
        self._states = self._started(seeds, starts)

    def _started(self, seeds: list[int], starts: NDArray[np.float64]) -> list[Any]:
        found: list[Any] = []
        for z in starts:
            self._course.activity = f"{len(found)} of {len(seeds)} chains begun"
            if len(found) == len(seeds) or self._course.status is not None:
                break
            state = self._bridge.run(self._first_state, seeds[len(found)], z)
            self._count(1)
            if np.isfinite(state.potential_energy):
                found.append(state)
        if len(found) < len(seeds) and self._course.status is None:
            raise InvalidProblemError(
                f"NUTS: of {len(starts)} points to start from, {len(found)} have a likelihood and a prior density, "
                f"expected {len(seeds)}; give start= a fit whose optimum lies inside the prior"
            )
        return found

    def _first_state(self, seed: int, z: NDArray[np.float64]) -> Any:  # noqa: ANN401 - NumPyro's
        return self._kernel.init(jax.random.key(seed), self._method.n_warmup, jnp.asarray(z), (), {})

    def _advance_one(self, state: Any, n: jax.Array) -> tuple[Any, jax.Array]:  # noqa: ANN401 - NumPyro's
        """Advance one chain; returns its state, and a row of numbers for every draw."""
        d = len(state.z)

        def step(i: jax.Array, carried: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            old, table = carried
            new = self._kernel.sample(old, (), {})
            numbers = [new.potential_energy, new.energy, new.num_steps, new.accept_prob, new.diverging]
            row = jnp.array([*numbers, old.adapt_state.step_size], dtype=float)
            return new, table.at[i].set(jnp.concatenate([new.z, row]))

        found: tuple[Any, jax.Array] = jax.lax.fori_loop(
            0, n, step, (state, jnp.zeros((_LONGEST_BLOCK, d + _N_COLUMNS)))
        )
        return found

    def advance(self, n_draws: int) -> None:
        """Go on until every chain has this many draws after its warmup, or the course wants an end."""
        n_warmup = self._method.n_warmup
        total = n_warmup + n_draws
        while self._done < total and self._course.status is None:
            end = n_warmup if self._done < n_warmup else total
            n = min(self._block, end - self._done)
            began = time.perf_counter()
            tables = []
            for chain, state in enumerate(self._states):
                self._states[chain], table = self._bridge.run(self._advanced, state, n)
                if self._course.status is not None:
                    return
                tables.append(np.asarray(table)[:n])
                self._count(int(tables[-1][:, -4].sum()))
            for kept, table in zip(self._tables, tables, strict=True):
                kept.append(table)
            first = self._done == 0  # compiled meanwhile: its time says nothing
            self._done += n
            if not first:
                wanted = n * _BLOCK_SECONDS / max(time.perf_counter() - began, 1e-6)
                self._block = int(np.clip(wanted, 1, min(2 * n, _LONGEST_BLOCK)))
            self._report(np.concatenate(tables), total)

    def _count(self, n_gradients: int) -> None:
        if not self._counts_itself:
            self._course.n_evaluations += n_gradients

    def _report(self, table: NDArray[np.float64], total: int) -> None:
        n_warmup = self._method.n_warmup
        warm = self._done > n_warmup
        self._course.activity = "sampling" if warm else "warmup"
        self._course.fraction = self._done / total
        if not self._counts_itself:
            self._course.heard(float(self._log_likelihoods(table).max()))
        self._course.look()

    def _log_likelihoods(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        d = table.shape[1] - _N_COLUMNS
        return np.asarray(-table[:, d] - self._place(table[:, :d])[1])

    @property
    def n_draws(self) -> int:
        """Draws of every chain after its warmup, so far."""
        return max(0, self._done - self._method.n_warmup)

    def thetas(self) -> NDArray[np.float64]:
        """Draws, shape (chain, draw, d)."""
        return np.array([self._place(table[:, :-_N_COLUMNS])[0] for table in self._kept()])

    def log_likelihoods(self) -> NDArray[np.float64]:
        """Log-likelihoods of the draws, shape (chain, draw)."""
        return np.array([self._log_likelihoods(table) for table in self._kept()])

    def sampling(self) -> dict[str, NDArray[np.float64]]:
        """What was recorded of every draw, as in `samplers.chains.Chains`."""
        kept = np.array(self._kept())
        d = kept.shape[2] - _N_COLUMNS
        names = ("energy", "n_steps", "acceptance_rate", "diverging", "step_size")
        found = {name: kept[:, :, d + 1 + i] for i, name in enumerate(names)}
        return {**found, "tree_depth": np.floor(np.log2(np.maximum(found["n_steps"], 1.0))) + 1.0}

    def _kept(self) -> list[NDArray[np.float64]]:
        empty = np.empty((0, self._place.target.dimension + _N_COLUMNS))
        return [np.concatenate([empty, *tables])[self._done - self.n_draws :] for tables in self._tables]


def restore_precision() -> None:
    """Let JAX forget what was compiled with 64 bits, if it is not set to these.

    With JAX 0.10, a function that was compiled with 64 bits and closes over an array of NumPy cannot be called with 32
    bits any more without being compiled: the parts that it shares with its compiled form are taken from there.
    """
    if not jax.config.jax_enable_x64:
        jax.clear_caches()


def _potential(
    place: Placement, likelihood: TracedLikelihood | HostLikelihood, bridge: Bridge
) -> Callable[[jax.Array], jax.Array]:
    """Minus the log-density over whitened coordinates."""
    d = place.target.dimension
    if can_place(place.target):
        placed = _placed(place)
    else:
        both = bridge.differentiable(place.with_slopes, d, d + 1)

        def placed(z: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = both(z)
            return found[:d], found[d]

    value = likelihood if isinstance(likelihood, TracedLikelihood) else bridge.differentiable(likelihood, d, 1)

    def potential(z: jax.Array) -> jax.Array:
        # Infinite or NaN where there is no likelihood: both end a trajectory. To replace one by the other with a
        # `where` makes XLA for the CPU (jaxlib 0.10) return wrong derivatives of parameters of different scales.
        theta, log_prior = placed(z)
        return -(jnp.sum(value(theta)) + log_prior)

    return potential


def can_place(target: Target) -> bool:
    """Are coordinates and priors of a kind that is known to JAX?

    Examples
    --------
    >>> import wilks
    >>> from wilks.samplers.target import Target
    >>> can_place(Target(wilks.Space(a=wilks.Real(0, 1, prior=wilks.Normal(0.0, 1.0))), LineChart()))
    True
    """
    domains = [target.space[name] for name in target.space.free]
    known = all(isinstance(each, Real) and isinstance(each.prior, (*_PRIORS, type(None))) for each in domains)
    return known and isinstance(target.chart, LineChart)


def _placed(place: Placement) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """Parameters, and log of the prior density with all Jacobians, by the formulas of `samplers.target`."""
    target, whitening = place.target, place.whitening
    domains: list[Real] = [target.space[name] for name in target.space.free]  # type: ignore[misc]  # `can_place` says so
    lower, upper = np.array([each.lower for each in domains]), np.array([each.upper for each in domains])
    is_log = np.array([each.scale == "log" for each in domains])
    bottom = np.where(is_log, lower, 1.0)
    log_ratio = np.where(is_log, np.log(np.where(is_log, upper, 1.0) / bottom), 0.0)
    log_priors = _log_priors(domains)

    def placed(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = whitening.centre + whitening.factor @ z
        u = jax.nn.sigmoid(x)
        theta = jnp.where(is_log, bottom * jnp.exp(u * log_ratio), lower + u * (upper - lower))
        theta = jnp.clip(theta, lower, upper)
        slopes = jnp.where(is_log, jnp.log(jnp.where(is_log, theta * log_ratio, 1.0)), np.log(upper - lower))
        priors = [log_prior(theta[i]) for i, log_prior in enumerate(log_priors)]
        edges = jax.nn.log_sigmoid(x) + jax.nn.log_sigmoid(-x)
        return theta, target.power * sum(priors, jnp.zeros(())) + jnp.sum(slopes + edges)

    return placed


def _log_priors(domains: list[Real]) -> list[Callable[[jax.Array], jax.Array]]:
    """Log-densities of the priors; their constants from NumPy, at the medians."""
    found: list[Callable[[jax.Array], jax.Array]] = []
    for domain in domains:
        prior: Any = domain.prior or (LogUniform if domain.scale == "log" else Uniform)(domain.lower, domain.upper)
        median = domain.draw(np.array([0.5]))
        constant = float((domain.log_prior(median) - _shape(prior, median, np))[0])
        found.append(partial(_normalised, prior, constant))
    return found


def _normalised(prior: Prior, constant: float, theta: jax.Array) -> jax.Array:
    return jnp.asarray(_shape(prior, theta, jnp) + constant)


def _shape(prior: Prior, theta: Any, xp: Any) -> Any:  # noqa: ANN401 - an array, and the package that it is of
    """Log-density of a prior up to a constant."""
    positive = theta > 0
    logs = xp.log(xp.where(positive, theta, 1.0))
    if isinstance(prior, Normal):
        return -0.5 * ((theta - prior.mean) / prior.standard_deviation) ** 2
    if isinstance(prior, LogNormal):
        return xp.where(positive, -0.5 * ((logs - math.log(prior.median)) / prior.sigma) ** 2 - logs, -xp.inf)
    if isinstance(prior, LogUniform):
        return xp.where((theta >= prior.lower) & (theta <= prior.upper), -logs, -xp.inf)
    if isinstance(prior, Uniform):
        return xp.where((theta >= prior.lower) & (theta <= prior.upper), 0.0, -xp.inf)
    raise InvalidProblemError(f"NUTS: the prior {prior!r} is not known to JAX")
