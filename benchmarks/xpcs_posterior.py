"""What posteriors of two-time correlations cost as whole processes, and what the coordinates of the sampler are worth.

    python benchmarks/xpcs_posterior.py [--cases static-20k laminar-20k static-1M laminar-1M static-23M laminar-23M]
    python benchmarks/xpcs_posterior.py --charts

Every measurement is a process of its own that simulates correlations, fits them and samples the posterior, and counts
the time from there on. `wall` and `cpu` are the seconds of fit and sampling together, `evaluations` those of the
sampling alone, `ESS` that of the worst parameter, `peak` the largest resident memory. Limits are for two cores that
have nothing else to do; on a machine that is busy a process waits for its turn, so the smaller one of wall time and
half of the processor time is held against them.

`--charts` samples data of different noise with importance sampling, in the coordinates of the posterior and in the box
of the parameters, and prints k-hat and effective draws per evaluation.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass

RUN = """
import json, resource, sys, time
import numpy as np
import wilks
from wilks import xpcs

mode, n_phi, n_t, sigma, contrast, box = json.loads(sys.argv[1])
truth = {"D0": 2e4, "alpha": -0.4, "D_offset": 800.0}
if mode == "laminar_flow":
    truth |= {"gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0}
place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, np.linspace(-90.0, 80.0, n_phi))
data = xpcs.simulate(
    truth, place, sigma=sigma, contrast=contrast, seed=1, mode=mode, storage="upper", dtype=np.float32
)
began, cpu = time.perf_counter(), time.process_time()
fit = xpcs.fit(data, mode, seed=1, callbacks=())
if box:
    from wilks.xpcs.posterior import sampling
    sampling.chart_of = lambda *anything: None
found = xpcs.sample(fit, seed=1, method=wilks.AdaptiveImportance(), callbacks=())
wall, cpu = time.perf_counter() - began, time.process_time() - cpu
pulls = [(found.means[name] - truth[name]) / found.standard_deviations[name] for name in found.names]
print(json.dumps({
    "wall": wall, "cpu": cpu, "evaluations": found.n_evaluations, "ok": found.certificate.ok,
    "ess": min(found.ess.values()), "k_hat": found.certificate["Pareto k-hat"].value,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "pull": max(map(abs, pulls)),
}))
"""


@dataclass(frozen=True)
class Case:
    """A data set, and what its posterior may cost."""

    mode: str
    n_phi: int
    n_t: int
    ess: float
    seconds: float
    sigma: float = 0.05
    contrast: float = 0.2


CASES = {
    "static-20k": Case("static", 3, 116, 1000, 5),
    "laminar-20k": Case("laminar_flow", 3, 116, 400, 10),
    "static-1M": Case("static", 3, 817, 400, 15),
    "laminar-1M": Case("laminar_flow", 3, 817, 400, 30),
    "static-23M": Case("static", 23, 1414, 400, 180),
    "laminar-23M": Case("laminar_flow", 23, 1414, 400, 300),
}


def run(case: Case, *, box: bool = False) -> dict[str, float]:
    settings = json.dumps([case.mode, case.n_phi, case.n_t, case.sigma, case.contrast, box])
    done = subprocess.run([sys.executable, "-c", RUN, settings], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: dict[str, float], verdict: str) -> str:
    per = found["ess"] / found["evaluations"]
    return (
        f"{name:<22}{found['wall']:8.1f}{found['cpu']:8.1f}{found['evaluations']:13.0f}{found['ess']:8.0f}"
        f"{found['k_hat']:8.2f}{per:8.2f}{found['peak']:8.0f}{found['pull']:7.1f}  {verdict}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--charts", action="store_true")
    arguments = parser.parse_args()
    heads = ("wall", "cpu", "evaluations", "ESS", "k-hat", "per", "peak", "pull")
    widths = (8, 8, 13, 8, 8, 8, 8, 7)
    print(f"{'':<22}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    if arguments.charts:
        for mode in ("static", "laminar_flow"):
            for sigma, contrast in ((0.05, 0.2), (0.02, 0.2), (0.005, 0.3)):
                for box in (False, True):
                    case = Case(mode, 3, 116, 0, 0, sigma, contrast)
                    found = run(case, box=box)
                    name = f"{mode[:7]} {sigma:g} {'box' if box else 'chart'}"
                    print(row(name, found, "certified" if found["ok"] else "refused"), flush=True)
        return
    for name in arguments.cases:
        case, found = CASES[name], run(CASES[name])
        kept = found["ok"] and found["ess"] >= case.ess and min(found["wall"], found["cpu"] / 2) <= case.seconds
        print(row(name, found, f"{'kept' if kept else 'missed'} ({case.seconds:g} s)"), flush=True)


if __name__ == "__main__":
    main()
