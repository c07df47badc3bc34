"""The supernova profiles of wilks beside brute force and the published values.

    python benchmarks/supernova_check.py [--nodes 61] [--seed 1]

prints best fits, standard errors, intervals and the audit beside the check values, and the largest difference to
brute force over all cells that were visited. Takes about two minutes, nearly all of it brute force.
"""

import argparse

import numpy as np

import wilks
from benchmarks.supernova_brute_force import best_fits, brute_force_map, one_dimensional_profiles
from wilks import problems

THRESHOLD = 4.0


def profile(problem, over, nodes, seed):
    grid = (nodes,) * len(over)
    return wilks.profile(problem, over=over, grid=grid, roi_threshold=THRESHOLD, seed=seed, callbacks=[])


def compare(title, result, truth):
    """Largest difference over the visited cells, and the cells of the true region that were not."""
    found = result.log_likelihood_map
    visited = np.isfinite(found)
    region = truth > result.log_likelihood - THRESHOLD
    difference = np.abs(found[visited] - truth[visited]).max()
    print(
        f"{title}: {visited.sum()} of {found.size} cells visited, {region.sum()} in the true region, "
        f"{(region & ~visited).sum()} of them missing; largest difference to brute force {difference:.1e}"
    )
    print(f"    {result.n_evaluations} evaluations. {result.audit.summary() if result.audit else ''}")


def pieces(result, name, level):
    return " or ".join(map(str, result.intervals(name, level)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=61)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    problem = problems.supernova()
    flat = problem.fix(w=-1.0)
    point, chi2, constant, constant_chi2 = best_fits()

    fits = {"w free": wilks.fit(problem, seed=arguments.seed, callbacks=[])}
    fits["w = -1"] = wilks.fit(flat, seed=arguments.seed, callbacks=[])
    checks = {"w free": (chi2, point[0], point[1]), "w = -1": (constant_chi2, constant, -1.0)}
    for title, fit in fits.items():
        expected = checks[title]
        print(
            f"{title}: chi-squared {-2 * fit.log_likelihood:.4f} (brute force {expected[0]:.4f}), "
            f"omega_m {fit.best['omega_m']:.5f} ({expected[1]:.5f}), w {fit.best['w']:.5f} ({expected[2]:.5f})"
        )
        errors = ", ".join(f"{name} {error:.5f}" for name, error in fit.standard_errors.items())
        print(f"    standard errors: {errors}")

    plane = profile(problem, ("omega_m", "w"), arguments.nodes, arguments.seed)
    alone = {name: profile(problem, (name,), arguments.nodes, arguments.seed) for name in ("omega_m", "w")}
    lambda_only = profile(flat, ("omega_m",), arguments.nodes, arguments.seed)
    for title, result, name in (
        ("w = -1, omega_m alone", lambda_only, "omega_m"),
        ("omega_m alone", alone["omega_m"], "omega_m"),
        ("w alone", alone["w"], "w"),
        ("plane, omega_m", plane, "omega_m"),
        ("plane, w", plane, "w"),
    ):
        print(f"{title}: 68 % {pieces(result, name, 0.6827)}, 95 % {pieces(result, name, 0.95)}")
    print("    published (Suzuki et al. 2012), w = -1: omega_m = 0.278 +- 0.014 (statistical)")

    omega_m, w = plane.axes["omega_m"], plane.axes["w"]
    compare("plane", plane, brute_force_map(omega_m, w)[0])
    for name, truth in zip(("omega_m", "w"), one_dimensional_profiles(omega_m, w), strict=True):
        compare(f"{name} alone", alone[name], truth)
    compare("w = -1", lambda_only, brute_force_map(omega_m, [-1.0])[0][:, 0])


if __name__ == "__main__":
    main()
