"""What posteriors must reach, and what they do reach: one table.

    python benchmarks/sampling_targets.py [--rows static-20k consensus kill ...] [--peers PEERS/bin/python]

Every row is a process of its own that imports what it needs. The posteriors of two-time correlations read a file of
HDF5 that another process has made, fit all physical parameters from nothing, and sample. `wall` and `cpu` are the
seconds of the whole process, `peak` its largest resident memory in MB, `ESS` that of the worst parameter, `evaluations`
those of fit and sampling together, `off` the largest distance of a true value from the middle of its posterior, as a
normal score. Limits of time are for two cores that have nothing else to do; on a machine that is busy a process waits
for its turn, so the smaller one of wall time and half of the processor time is held against them. `--repeats` keeps the
quickest of several runs.

The other rows ask a question each:

recovery     the normal scores of true values over data sets that differ in their noise: mean 0 and spread 1
shards       sums over shards of pairs make the likelihood of all pairs, to 1e-10, and the same posterior on 2 processes
consensus    Gaussian shards are combined to the exact posterior, in any units; of shards of real pairs the combination
             is right (means within 0.15 sd, standard deviations within 15 %) or refused
pictures     all diagnostic pictures are drawn
kill         a run that is killed three times gives the draws of one that nobody killed
backends     the draws of one process come from processes, MPI, Dask and Slurm, and there is a script for PBS; the Slurm
             of `tools/start-slurm.sh` is started if its commands are installed and it does not run

With `--peers`, the interpreter of an environment that has homodyne, the rows of 20 000 points are sampled by it as well
(see `sampling_peers.py`), for `--limit` seconds at most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from xpcs_peers import Cost, measure

import wilks
from wilks import xpcs
from wilks.xpcs.files import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wilks.xpcs.posterior.problem import MarginalProblem

    Child = Callable[..., dict[str, Any]]

DATA = Path(tempfile.gettempdir()) / "wilks-benchmark-sampling"
STATIC = {"D0": 2e4, "alpha": -0.6, "D_offset": 2000.0}
FLOW = STATIC | {"gamma_dot_0": 1e-3, "beta": -0.5, "gamma_dot_offset": 2e-4, "phi0": -4.0}
DT, Q, GAP, SIGMA = 0.1, 0.0054, 2e6, 0.02  # seconds, 1/angstrom, angstrom, of one pixel
NOISY = 0.1  # where shards of 3400 pairs say too little for their posteriors to be Gaussian
N_CONSENSUS = 12  # seeds
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """A measurement, and what its posterior may cost."""

    mode: str
    n_phi: int
    n_t: int
    ess: float
    seconds: float
    megabytes: float = math.inf

    @property
    def truth(self) -> dict[str, float]:
        return STATIC if self.mode == "static" else FLOW

    def simulated(self, seed: int, sigma: float = SIGMA) -> xpcs.TwoTimeData:
        phi = np.linspace(-75.0, 90.0, self.n_phi)
        place = xpcs.Geometry(DT * np.arange(self.n_t), DT, Q, GAP, phi, xpcs.Convention.homodyne())
        scaling = np.random.default_rng(self.n_phi)
        contrast = 0.3 + 0.02 * scaling.standard_normal(self.n_phi)
        return xpcs.simulate(
            self.truth, place, contrast=contrast, sigma=sigma, seed=seed, mode=self.mode, storage="upper",
            dtype=np.float32,
        )  # fmt: skip

    def path(self, folder: Path) -> Path:
        return folder / f"{self.mode}-{self.n_phi}x{self.n_t}.h5"


CASES = {
    "static-20k": Case("static", 3, 117, 1000, 5),
    "laminar-20k": Case("laminar_flow", 3, 117, 400, 10),
    "static-1M": Case("static", 3, 817, 400, 15),
    "laminar-1M": Case("laminar_flow", 3, 817, 400, 30),
    "static-23M": Case("static", 23, 1415, 400, 180, 1024),
    "laminar-23M": Case("laminar_flow", 23, 1415, 400, 300, 1024),
}
PEERS = ("static-20k", "laminar-20k")
NEEDED = (*PEERS, "static-1M")
"""Data sets that other rows need too."""
ONE_THREAD = ("env", "OPENBLAS_NUM_THREADS=1")


# What runs in processes of its own -----------------------------------------------------------------------------------


def read(path: str) -> xpcs.TwoTimeData:
    return xpcs.read(path, gap=GAP, options=xpcs.ReadOptions(sigma=SIGMA))


def sampled(data: xpcs.TwoTimeData, mode: str, **asked: Any) -> xpcs.XpcsPosterior:  # noqa: ANN401 - of wilks.xpcs.sample
    """The posterior as anybody would ask for it."""
    options = xpcs.PosteriorOptions(convention=xpcs.Convention.homodyne())
    return xpcs.sample(data, mode, options=options, **({"seed": 1, "callbacks": ()} | asked))


def scores(posterior: wilks.samplers.result.Posterior, truth: Mapping[str, float]) -> dict[str, float]:
    """Normal score of the posterior probability below each true value."""
    from scipy.special import ndtri  # noqa: PLC0415 - most rows do without

    thetas, weights = posterior._points  # noqa: SLF001 - weighted draws, or chains
    below = {name: weights @ (thetas[:, i] < truth[name]) for i, name in enumerate(posterior.names)}
    least = 0.5 / len(weights)
    return {name: float(ndtri(np.clip(p, least, 1.0 - least))) for name, p in below.items()}


def posterior_of(name: str, folder: str) -> dict[str, Any]:
    case = CASES[name]
    found = sampled(read(str(case.path(Path(folder)))), case.mode)
    return {
        "ess": min(found.ess.values()),
        "evaluations": found.n_evaluations,
        "k_hat": found.certificate["Pareto k-hat"].value if found.weighted is not None else math.nan,
        "method": found.method,
        "certified": found.status.success,
        "message": found.status.message,
        "off": max(map(abs, scores(found, case.truth).values())),
        "means": found.means,
        "sds": found.standard_deviations,
    }


def recovery(mode: str, n_seeds: int) -> dict[str, Any]:
    """Where the truth is in posteriors of data that differ in their noise."""
    case = CASES["static-20k" if mode == "static" else "laminar-20k"]
    rows, refused = [], 0
    for seed in range(1, n_seeds + 1):
        found = sampled(case.simulated(seed), mode, seed=seed)
        rows.append(list(scores(found, case.truth).values()))
        refused += not found.status.success
    middle, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    worst_mean, worst_spread = np.abs(middle).max() * math.sqrt(n_seeds), np.abs(spread - 1).max()
    return {
        "text": f"{n_seeds} data sets: mean {text(middle)}, spread {text(spread)}; {refused} refused",
        "reached": bool(worst_mean < 3.5 and worst_spread < 3.5 / math.sqrt(2 * n_seeds)),
    }


def text(values: Sequence[float]) -> str:
    return "/".join(f"{value:.2f}" for value in values)


def marginal(data: xpcs.TwoTimeData, mode: str) -> MarginalProblem:
    """The marginal likelihood of a measurement, as `wilks.xpcs.sample` has it."""
    from wilks.xpcs.posterior.problem import MarginalProblem  # noqa: PLC0415 - a row that does without is measured

    base = xpcs.problem(data, mode, scaling="individual", convention=xpcs.Convention.homodyne())
    return MarginalProblem(base, "integrated")


@dataclass(frozen=True)
class Shard:
    """The marginal problem of some pairs of some angles, and how their sums go into those of all."""

    problem: MarginalProblem
    angles: list[int]
    centres: np.ndarray = field(repr=False)  # of all data

    def sums(self, thetas: np.ndarray) -> np.ndarray:
        """Sums of products of [1, f, y] of all angles, y less the mean of all data."""
        products = self.problem.products(thetas)
        turn = np.tile(np.eye(3), (len(self.angles), 1, 1))
        turn[:, 0, 2] = self.problem.base.sums.centres - self.centres[self.angles]
        found = np.zeros((len(thetas), len(self.centres), 3, 3))
        found[:, self.angles] = np.swapaxes(turn, 1, 2) @ products @ turn
        return found.reshape(len(thetas), -1)


def thetas_of(values: Mapping[str, Any]) -> np.ndarray:
    return np.stack([np.atleast_1d(values[name]) for name in (STATIC if len(values) == 3 else FLOW)], axis=1)


def additive(whole: MarginalProblem, shards: Sequence[Shard]) -> wilks.AdditiveProblem:
    """The same likelihood as a sum over shards."""
    formula, n_angles = whole.marginal, len(whole.base.sums.centres)
    return wilks.AdditiveProblem(
        whole.space,
        shards,
        lambda values, shard: shard.sums(thetas_of(values)),
        lambda values, total: formula.log_likelihood(total.reshape(-1, n_angles, 3, 3)),  # noqa: ARG005 - interface
        vectorized=True,
        name=whole.name,
    )


def cut(data: xpcs.TwoTimeData, mode: str, whole: MarginalProblem, n: int, by: str) -> list[Shard]:
    """Shards of whole angles, or of bands of frames of all angles."""
    centres = whole.base.sums.centres
    if by == "angles":
        parts = [part.tolist() for part in np.array_split(np.arange(data.n_phi), n)]
        pieces = [(np.asarray(data.c2)[part], part, None) for part in parts]
    else:
        pairs = np.arange(data.n_t - 1, -1, -1)
        band = np.minimum(n * (np.cumsum(pairs) - pairs) // pairs.sum(), n - 1)
        rows = [np.broadcast_to(band[:, None] == k, (data.n_t, data.n_t)) for k in range(n)]
        pieces = [(data.c2, list(range(data.n_phi)), mask) for mask in rows]
    return [
        Shard(
            marginal(xpcs.TwoTimeData(c2, data.t, data.phi[part], Q, GAP, DT, SIGMA, mask), mode), part, centres
        )
        for c2, part, mask in pieces
    ]  # fmt: skip


def differences(mode: str) -> dict[str, Any]:
    """Sharded likelihoods against the one of all data, and the same from two processes.

    This process has one thread of BLAS, as workers do, so that it rounds as they do.
    """
    case = Case(mode, 23, 60, 0, 0)
    data = case.simulated(1)
    whole = marginal(data, mode)
    found = sampled(data, mode)
    names = list(case.truth)
    draws = np.stack([found.draws[name].ravel()[::20] for name in names], axis=1)
    values = dict(zip(names, draws.T, strict=True))
    expected = whole.log_likelihoods(draws)
    worst, apart = {}, 0.0
    for by in ("angles", "frames"):
        for n in (1, 2, 7, 23):
            problem = additive(whole, cut(data, mode, whole, n, by))
            there = np.asarray(problem.log_likelihood(values))
            worst[by, n] = float(np.max(np.abs(there / expected - 1.0)))
            if n == 7:
                start = dict(zip(names, draws[0].tolist(), strict=True))
                asked = {"start": start, "n_starts": 0, "seed": 1, "callbacks": ()}
                alone = wilks.sample(problem, wilks.AdaptiveImportance(), **asked)
                with wilks.ShardedExecutor(wilks.ProcessExecutor(2)) as executor:
                    spread = wilks.sample(problem, wilks.AdaptiveImportance(), executor=executor, **asked)
                sd = alone.standard_deviations
                apart = max(apart, *(abs(spread.means[each] - alone.means[each]) / sd[each] for each in names))
    number = max(worst.values())
    return {
        "text": f"largest relative difference {number:.1e} (angles and bands of frames, 1, 2, 7 and 23 shards, "
        f"{len(draws)} points); means from 2 processes differ from those of one by {apart:.0e} sd",
        "reached": number <= 1e-10 and apart <= 1e-3,
    }


def gaussian_shards(kind: str, scale: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Means and covariances of the likelihoods of shards."""
    rng = np.random.default_rng(2)
    if kind == "rotated":
        turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in np.radians([0, 45, 90, 135])]
        covariances = [turn @ np.diag([9.0, 0.01]) @ turn.T for turn in turns]
    else:
        covariances = [10 * np.array([[1.0, 0.99], [0.99, 1.0]])] * 10
    means = [scale * rng.multivariate_normal([0.0, 0.0], covariance) for covariance in covariances]
    return means, [scale**2 * covariance for covariance in covariances]


def combined(kind: str, scale: float, seed: int = 1) -> tuple[wilks.samplers.result.Posterior, np.ndarray, np.ndarray]:
    """Consensus of Gaussian shards by `wilks.sample`, with the exact mean and covariance."""
    means, covariances = gaussian_shards(kind, scale)
    precisions = [np.linalg.inv(covariance) for covariance in covariances]
    space = wilks.Space(a=wilks.Real(-60 * scale, 60 * scale), b=wilks.Real(-60 * scale, 60 * scale))

    def log_likelihood(k: int) -> Callable[[dict[str, float]], float]:
        def of(values: dict[str, float]) -> float:
            apart = np.array([values["a"], values["b"]]) - means[k]
            return float(-0.5 * apart @ precisions[k] @ apart)

        return of

    parts = [log_likelihood(k) for k in range(len(means))]
    shards = [wilks.LikelihoodProblem(space, part) for part in parts]
    whole = wilks.LikelihoodProblem(space, lambda values: sum(part(values) for part in parts))
    found = wilks.sample(whole, wilks.Consensus(shards), seed=seed, callbacks=())
    covariance = np.linalg.inv(np.sum(precisions, axis=0))
    mean = covariance @ np.sum([p @ m for p, m in zip(precisions, means, strict=True)], axis=0)
    return found, mean, covariance


def consensus(kind: str) -> dict[str, Any]:
    """Correlation, standard deviations and means over some seeds, and what other units change.

    The correlation of 4000 draws alone has a standard error of 0.016 where the true one is 0.
    """
    runs = [combined(kind, 1.0, seed) for seed in range(1, N_CONSENSUS + 1)]
    small, _, _ = combined(kind, 1e-7)
    _, mean, covariance = runs[0]
    posteriors = [found for found, _, _ in runs]
    size = np.sqrt(np.diag(covariance))
    sd = np.mean([np.sqrt(np.diag(found.covariance)) / size for found in posteriors], axis=0)
    off = np.mean([(np.array(list(found.means.values())) - mean) / size for found in posteriors], axis=0)
    errors = [found.correlations[0, 1] - covariance[0, 1] / size.prod() for found in posteriors]
    spread = float(np.std(errors, ddof=1))
    first, n_certified = posteriors[0], sum(found.status.success for found in posteriors)
    units = max(float(np.abs(1e7 * small.draws[name] / first.draws[name] - 1).max()) for name in first.names)
    within = abs(np.mean(errors)) <= 0.01 and (np.abs(sd - 1) <= 0.03).all()
    return {
        "text": f"{len(runs)} seeds: correlation off by {np.mean(errors):+.4f} +- {spread / math.sqrt(len(runs)):.4f} "
        f"({spread:.4f} from run to run), sd ratio {text(sd)}, mean off by {text(off)} sd, "
        f"scale 1e-7 changes draws by {units:.0e}, {n_certified} certified",
        "reached": bool(within and n_certified == len(runs) and units < 1e-3),
    }


def biased(mode: str, sigma: float) -> dict[str, Any]:
    """Consensus of shards of real pairs against the posterior of all."""
    from wilks.facades.homodyne.cmc import fit_mcmc_jax  # noqa: PLC0415 - this row alone

    case = CASES["static-20k" if mode == "static" else "laminar-20k"]
    data = case.simulated(1, sigma)
    first, second = np.triu_indices(data.n_t, 1)
    pooled = np.concatenate([np.asarray(matrix)[first, second] for matrix in np.asarray(data.c2)]).astype(float)
    t1, t2 = (np.tile(data.t[index], data.n_phi) for index in (first, second))
    config = {
        "sharding": {"num_shards": 6, "strategy": "random"},
        "combination": {"method": "consensus_mc"},
        "per_angle_mode": "individual",
    }
    result = fit_mcmc_jax(
        pooled, t1, t2, np.repeat(data.phi, len(first)), Q, GAP, mode, cmc_config=config, progress_bar=False
    )
    found, exact = result.posterior, sampled(data, mode)
    bias = [(found.means[n] - exact.means[n]) / exact.standard_deviations[n] for n in found.names]
    ratio = [found.standard_deviations[n] / exact.standard_deviations[n] for n in found.names]
    is_right = bool(np.abs(bias).max() < 0.15 and np.abs(np.log(ratio)).max() < math.log(1.15))
    said = "; ".join(f"{check.name} {check.value:.3g}" for check in found.certificate.failures)
    return {
        "text": f"6 shards of {len(pooled) // 6}: bias {text(bias)} sd, sd ratio {text(ratio)}; status "
        f"{result.convergence_status!r} ({said or 'every check holds'}); {found.status.message[:200]}",
        "reached": is_right or not found.status.success,
    }


def pictures(folder: str) -> dict[str, Any]:
    """All diagnostic pictures of importance sampling and of chains."""
    from wilks import plots  # noqa: PLC0415 - loads matplotlib

    case = CASES["static-20k"]
    fit = xpcs.fit(
        read(str(case.path(Path(folder)))), "static", convention=xpcs.Convention.homodyne(), seed=1, callbacks=()
    )
    drawn: dict[str, int] = {}
    short = wilks.Nuts(n_chains=2, n_warmup=200, n_draws=200, max_retries=0)
    with tempfile.TemporaryDirectory() as place:
        for title, method in (("importance", None), ("NUTS", short), ("ensemble", wilks.Ensemble())):
            posterior = xpcs.sample(fit, method=method, seed=1, callbacks=())
            for name, figure in plots.posterior_pictures(posterior, fit=fit).items():
                path = Path(place) / f"{title}-{name}.png"
                plots.save(figure, path)
                drawn[f"{title}: {name}"] = path.stat().st_size
    wanted = {"pair", "forest", "energy", "autocorrelation", "rank", "ess", "trace"}
    missing = wanted - {name.partition(": ")[2] for name, size in drawn.items() if size > 5000}
    return {"text": f"drawn {', '.join(drawn)}; missing {', '.join(missing) or 'none'}", "reached": not missing}


def resumable(name: str, folder: str, log: str, method: str) -> dict[str, Any]:
    """A posterior with a run file; a line for each step of the course."""
    case = CASES[name]
    chosen = wilks.Ensemble() if method == "ensemble" else wilks.AdaptiveImportance()
    with wilks.EvaluationLog(log) as kept:
        found = sampled(
            read(str(case.path(Path(folder)))), case.mode, method=chosen, log=kept,
            callbacks=[lambda run: print(run.n_evaluations, flush=True)],
        )  # fmt: skip
    draws = np.stack([found.draws[each] for each in found.names])
    return {"draws": draws.tobytes().hex(), "n": found.n_evaluations, "ess": min(found.ess.values())}


def on_backend(kind: str, folder: str) -> dict[str, Any]:
    """The posterior of 20 000 pairs in three shards on an executor; the draws, to be compared."""
    mpi = wilks.MPIExecutor() if kind == "mpi" else None  # all processes but the first stay here
    case = CASES["static-20k"]
    data = read(str(case.path(Path(folder))))
    whole = marginal(data, "static")
    problem = additive(whole, cut(data, "static", whole, 3, "angles"))
    asked: dict[str, Any] = {"n_jobs": 2, "memory": "800MB", "walltime": "00:05:00", "log_directory": folder}
    with ExitStack() as stack:
        executor = mpi
        if kind == "processes":
            executor = wilks.ProcessExecutor(2)
        elif kind == "dask":
            executor = wilks.DaskExecutor(n_workers=2)
        elif kind == "slurm":
            executor = wilks.DaskExecutor.on_queue("slurm", local_directory=folder, **asked)
        if executor is not None:
            executor = stack.enter_context(wilks.ShardedExecutor(executor))
        start = case.truth
        found = wilks.sample(problem, start=start, n_starts=0, executor=executor, seed=1, callbacks=())
    draws = np.stack([found.draws[each] for each in found.names])
    return {
        "draws": draws.tobytes().hex(),
        "executor": found.provenance.executor,
        "certified": found.status.success,
        "evaluations": found.n_evaluations,
    }


def pbs_script() -> dict[str, Any]:
    """The script of a job for PBS."""
    executor = wilks.DaskExecutor.on_queue(
        "pbs", n_jobs=4, cores=16, memory="64GB", walltime="04:00:00", queue="standard", account="physics"
    )
    script = executor.job_script()
    wanted = ["#PBS -q standard", "#PBS -A physics", "select=1:ncpus=16", "walltime=04:00:00", "--nworkers 16"]
    missing = [line for line in wanted if line not in script]
    return {"text": f"{len(script.splitlines())} lines; missing {missing or 'none'}", "reached": not missing}


def make(names: list[str], folder: str) -> dict[str, Any]:
    """Write the data sets that are not there yet."""
    for name in names:
        path = CASES[name].path(Path(folder))
        if not path.exists():
            write(path, CASES[name].simulated(1))
    return {}


CHILDREN = (posterior_of, recovery, differences, consensus, biased, pictures, resumable, on_backend, pbs_script, make)


# What starts them, and prints the table ------------------------------------------------------------------------------


def command(child: Child, *given: object) -> list[str]:
    return [sys.executable, __file__, "--child", child.__name__, json.dumps(given)]


def ran(child: Child, *given: object, before: Sequence[str] = ()) -> tuple[Cost, dict[str, Any]]:
    """A process, what it cost, and what it found."""
    cost = measure([*before, *command(child, *given)], limit=1200.0)
    if not cost.ended:
        return cost, {"text": f"killed after {cost.wall:.0f} s", "reached": False}
    if cost.exit_code:
        last = (cost.errors.strip().splitlines() or [f"exit code {cost.exit_code}"])[-1]
        return cost, {"text": f"FAILED: {last[:300]}", "reached": False}
    return cost, cost.last_line()


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def print_line(row: str, cost: Cost | None, what: str, *, reached: bool) -> bool:
    spent = f"{cost.wall:7.1f} {cost.cpu:7.1f} {cost.peak_mb:6.0f}" if cost is not None else " " * 22
    print(f"{row:<22} {spent}  {'reached' if reached else 'MISSED ':<8} {what}  [{load()}]", flush=True)
    return reached


def print_answer(row: str, child: Child, *given: object) -> bool:
    cost, found = ran(child, *given, before=ONE_THREAD if child is differences else ())
    return print_line(row, cost, found["text"], reached=found["reached"])


def print_posterior(name: str, options: argparse.Namespace) -> bool:
    case = CASES[name]
    runs = [ran(posterior_of, name, str(options.data)) for _ in range(options.repeats)]
    cost, found = min(runs, key=lambda run: run[0].wall)
    if "ess" not in found:
        return print_line(name, cost, found["text"], reached=False)
    seconds = min(cost.wall, cost.cpu / 2)
    reached = (
        found["certified"]
        and found["ess"] >= case.ess
        and seconds <= case.seconds
        and cost.peak_mb <= case.megabytes
    )  # fmt: skip
    limits = f"ESS >= {case.ess:g} in {case.seconds:g} s"
    limits += "" if math.isinf(case.megabytes) else f", {case.megabytes:g} MB"
    what = (
        f"ESS {found['ess']:.0f}, {found['evaluations']} evaluations, k-hat {found['k_hat']:.2f}, "
        f"{'certified' if found['certified'] else 'REFUSED: ' + found['message'][:100]}, {found['method']}, "
        f"off {found['off']:.1f}; wanted {limits}"
    )
    print_line(name, cost, what, reached=reached)
    if options.peers is not None and name in PEERS:
        print_peer(name, found, options)
    return reached


def print_peer(name: str, ours: Mapping[str, Any], options: argparse.Namespace) -> None:
    """The reference on the same file."""
    case = CASES[name]
    script = str(Path(__file__).with_name("sampling_peers.py"))
    cost = measure([str(options.peers), script, str(case.path(options.data)), case.mode, str(GAP)], options.limit)
    if not cost.ended:
        what = f"did not finish in {options.limit:g} s"
    elif cost.exit_code:
        what = f"failed: {(cost.errors.strip().splitlines() or [''])[-1][:200]}"
    else:
        found = cost.last_line()
        alias = {"gamma_dot_0": "gamma_dot_t0", "gamma_dot_offset": "gamma_dot_t_offset"}
        pairs = [(n, alias.get(n, n)) for n in ours["means"]]
        apart = [(found["means"][there] - ours["means"][n]) / ours["sds"][n] for n, there in pairs]
        ratio = [found["sds"][there] / ours["sds"][n] for n, there in pairs]
        what = (
            f"ESS {found['ess']:.0f}, R-hat {found['r_hat']:.3f}, {found['divergences']} divergences, "
            f"{found['status']}; its means less ours {text(apart)} sd, its sds over ours {text(ratio)}"
        )
    print(
        f"{'  homodyne':<22} {cost.wall:7.1f} {cost.cpu:7.1f} {cost.peak_mb:6.0f}  {'':<8} {what}  [{load()}]",
        flush=True,
    )


def print_kill(name: str, method: str, options: argparse.Namespace) -> bool:
    """Kill a run at several moments, go on, and compare with one that nobody killed."""
    folder = str(options.data)
    with tempfile.TemporaryDirectory() as place:
        cost, whole = ran(resumable, name, folder, f"{place}/whole.db", method)
        if "draws" not in whole:
            return print_line(f"kill -9, {method}", cost, whole["text"], reached=False)
        path, killed = f"{place}/killed.db", []
        for share in (0.2, 0.5, 0.8):
            with subprocess.Popen(  # noqa: S603 - our own
                command(resumable, name, folder, path, method), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                for line in process.stdout or ():
                    if line.strip().isdigit() and int(line) >= share * whole["n"]:
                        process.send_signal(signal.SIGKILL)
                        killed.append(int(line))
                        break
        cost, again = ran(resumable, name, folder, path, method)
    same = again.get("draws") == whole["draws"]
    what = (
        f"{name}, killed after {killed} of {whole['n']} evaluations, went on: draws "
        f"{'identical' if same else 'DIFFER'}, {again.get('n')} evaluations"
    )
    return print_line(f"kill -9, {method}", cost, what, reached=same and len(killed) == 3)


def slurm_answers() -> str:
    """Empty if there is a Slurm that takes jobs, else why there is none; starts it if that is all it takes."""
    if shutil.which("sbatch") is None:
        return "not run: sbatch is not installed"

    def is_there() -> bool:
        done = subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=20, check=False)  # noqa: S607
        return done.returncode == 0

    if not is_there():
        subprocess.run([ROOT / "tools" / "start-slurm.sh"], capture_output=True, timeout=120, check=False)  # noqa: S603
    return "" if is_there() else "not run: Slurm does not answer"


def print_backends(options: argparse.Namespace) -> bool:
    """The same draws from every executor."""
    folder = str(options.data)
    cost, alone = ran(on_backend, "serial", folder, before=ONE_THREAD)
    if "draws" not in alone:
        return print_line("backend serial", cost, alone["text"], reached=False)
    reached = []
    for kind in ("processes", "mpi", "dask", "slurm"):
        missing = slurm_answers() if kind == "slurm" else ""
        if missing:
            reached.append(print_line(f"backend {kind}", None, missing, reached=False))
            continue
        mpiexec = str(Path(sys.executable).parent / "mpiexec")
        before = [*ONE_THREAD, *(["HYDRA_LAUNCHER=fork", mpiexec, "-n", "3"] if kind == "mpi" else [])]
        cost, found = ran(on_backend, kind, folder, before=before)
        same = found.get("draws") == alone["draws"]
        what = found.get("text") or (
            f"{found['executor']}, {found['evaluations']} evaluations, "
            f"{'certified' if found['certified'] else 'REFUSED'}: draws {'those of one process' if same else 'DIFFER'}"
        )
        reached.append(print_line(f"backend {kind}", cost, what, reached=same))
    reached.append(print_answer("backend PBS, script", pbs_script))
    return all(reached)


def rows(options: argparse.Namespace) -> dict[str, Callable[[], bool]]:
    """Name of a row -> what prints it and says whether its target is reached."""
    n, folder = options.n_seeds, str(options.data)
    return {
        **{name: (lambda name=name: print_posterior(name, options)) for name in CASES},
        "recovery-static": lambda: print_answer("recovery, static", recovery, "static", n),
        "recovery-laminar": lambda: print_answer("recovery, laminar", recovery, "laminar_flow", max(2, n // 2)),
        "shards-static": lambda: print_answer("shards, static", differences, "static"),
        "shards-laminar": lambda: print_answer("shards, laminar", differences, "laminar_flow"),
        "consensus-stiff": lambda: print_answer("consensus, rho = .99", consensus, "stiff"),
        "consensus-rotated": lambda: print_answer("consensus, rotated", consensus, "rotated"),
        "consensus-xpcs-static": lambda: print_answer("consensus, static", biased, "static", SIGMA),
        "consensus-xpcs-laminar": lambda: print_answer("consensus, laminar", biased, "laminar_flow", SIGMA),
        "consensus-xpcs-noisy": lambda: print_answer("consensus, noisy", biased, "laminar_flow", NOISY),
        "pictures": lambda: print_answer("pictures", pictures, folder),
        "kill-static": lambda: print_kill("static-1M", "importance", options),
        "kill-laminar": lambda: print_kill("laminar-20k", "importance", options),
        "kill-ensemble": lambda: print_kill("static-20k", "ensemble", options),
        "backends": lambda: print_backends(options),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", help="only these, or those that begin so")
    parser.add_argument("--peers", type=Path, help="interpreter of an environment that has homodyne")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of wall time for homodyne")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each posterior, of which the quickest counts")
    parser.add_argument("--n-seeds", type=int, default=40, help="data sets for the recovery of true values")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data sets are, or are made")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        chosen = next(child for child in CHILDREN if child.__name__ == options.child[0])
        print(json.dumps(chosen(*json.loads(options.child[1]))))
        return
    known = rows(options)
    wanted = [name for name in known if not options.rows or any(name.startswith(part) for part in options.rows)]
    if not wanted:
        parser.error(f"no such row; there are {', '.join(known)}")
    options.data.mkdir(parents=True, exist_ok=True)
    cost = measure(command(make, [name for name in CASES if name in wanted or name in NEEDED], str(options.data)))
    cost.last_line()
    print(f"{os.cpu_count()} cores, {load()}\n")
    print(f"{'':<22} {'wall':>7} {'cpu':>7} {'peak':>6}")
    results = {name: known[name]() for name in wanted}
    missed = [name for name, reached in results.items() if not reached]
    print(
        f"\n{len(results) - len(missed)} of {len(results)} rows reached"
        + (f"; missed {', '.join(missed)}" if missed else "")
    )


if __name__ == "__main__":
    main()
