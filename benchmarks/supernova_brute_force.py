"""Profile likelihoods of the supernova problem by brute force, with nothing of wilks in the computation.

The data are read from the same file. The comoving distance is integrated by scipy.integrate.quad, one redshift at a
time; the offset is optimised out in closed form, and a check with scipy.optimize.minimize_scalar is printed.

    python benchmarks/supernova_brute_force.py [--nodes 61] [--output supernova_brute_force.npz]

writes the map over (omega_m, w), the profile of each alone, and the best fits. Takes about a minute.
"""

import argparse
import csv
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar

DATA = Path(__file__).parents[1] / "src/wilks/problems/data/union2.1.csv"
SPEED_OF_LIGHT, HUBBLE_CONSTANT = 299792.458, 70.0


@lru_cache(maxsize=1)
def read_data():
    """Redshifts, distance moduli and errors, in the order of the file."""
    with DATA.open(newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    columns = ([float(row[name]) for row in rows] for name in ("z", "mu", "mu_err"))
    return tuple(np.array(column) for column in columns)


def model(omega_m, w):
    """Distance modulus at every redshift, for offset 0.

    The integral runs over the scale factor a = 1 / (1 + z), not over the redshift:
    dz / E = da / (a^2 E) with E^2 = omega_m a^-3 + (1 - omega_m) a^(-3 (1 + w)).
    """

    def integrand(a):
        return 1 / math.sqrt(omega_m * a + (1 - omega_m) * a ** (1 - 3 * w))

    redshift = read_data()[0]
    order = np.argsort(redshift)
    distance = np.empty(len(redshift))
    total, previous = 0.0, 1.0
    for index in order:
        a = 1 / (1 + redshift[index])
        if a < previous:
            total += quad(integrand, a, previous, epsabs=1e-15, epsrel=1e-11)[0]
        distance[index], previous = total, a
    luminosity_distance = (1 + redshift) * distance * SPEED_OF_LIGHT / HUBBLE_CONSTANT
    return 5 * np.log10(luminosity_distance) + 25


def profiled_chi_squared(omega_m, w):
    """Chi-squared with the offset optimised out in closed form, and that offset."""
    _, observed, error = read_data()
    difference, weight = observed - model(omega_m, w), error**-2
    # A parabola in the offset: within the box [-1, 1], the nearest point to its vertex is the best one.
    offset = float(np.clip(np.sum(weight * difference) / np.sum(weight), -1, 1))
    return float(np.sum(weight * (difference - offset) ** 2)), offset


def chi_squared(omega_m, w, offset):
    """Chi-squared with all parameters given."""
    _, observed, error = read_data()
    return float(np.sum(((observed - model(omega_m, w) - offset) / error) ** 2))


def brute_force_map(omega_m_nodes, w_nodes):
    """Profile log-likelihood over (omega_m, w) and the offset at every maximum, two arrays."""
    shape = (len(omega_m_nodes), len(w_nodes))
    log_likelihood, offset = np.empty(shape), np.empty(shape)
    for i, omega_m in enumerate(omega_m_nodes):
        for j, w in enumerate(w_nodes):
            chi2, offset[i, j] = profiled_chi_squared(omega_m, w)
            log_likelihood[i, j] = -0.5 * chi2
    return log_likelihood, offset


def offset_by_optimiser(omega_m, w):
    """Chi-squared and offset by a numerical optimiser, to check the closed form."""
    _, observed, error = read_data()
    difference = observed - model(omega_m, w)

    def of_offset(offset):
        return float(np.sum(((difference - offset) / error) ** 2))

    answer = minimize_scalar(of_offset, bounds=(-1, 1), method="bounded", options={"xatol": 1e-10})
    return float(answer.fun), float(answer.x)


def best_fits():
    """Best (omega_m, w) and its chi-squared; best omega_m for w = -1 and its chi-squared."""

    def for_constant(omega_m):
        return profiled_chi_squared(omega_m, -1.0)[0]

    options = {"xatol": 1e-6, "fatol": 1e-8}
    free = minimize(lambda point: profiled_chi_squared(*point)[0], (0.28, -1.0), method="Nelder-Mead", options=options)
    constant = minimize_scalar(for_constant, bounds=(0.1, 0.5), method="bounded", options={"xatol": 1e-8})
    return tuple(free.x), float(free.fun), float(constant.x), float(constant.fun)


def one_dimensional_profiles(omega_m_nodes, w_nodes):
    """Profile log-likelihood over each of omega_m and w alone, by bounded minimisation over the other."""

    def over_w(omega_m):
        return profiled_least(lambda w: profiled_chi_squared(omega_m, w)[0], -3.0, 0.0)

    def over_omega_m(w):
        return profiled_least(lambda omega_m: profiled_chi_squared(omega_m, w)[0], 0.0, 1.0)

    return (
        np.array([-0.5 * over_w(omega_m) for omega_m in omega_m_nodes]),
        np.array([-0.5 * over_omega_m(w) for w in w_nodes]),
    )


def profiled_least(function, lower, upper, n_scan=13):
    """Least value on an interval: a scan, then bounded minimisation around its lowest point."""
    nodes = np.linspace(lower, upper, n_scan)
    values = [function(x) for x in nodes]
    k = int(np.argmin(values))
    around = (nodes[max(k - 1, 0)], nodes[min(k + 1, n_scan - 1)])
    answer = minimize_scalar(function, bounds=around, method="bounded", options={"xatol": 1e-7})
    return min(float(answer.fun), *values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=61)
    parser.add_argument("--output", type=Path, default=Path("supernova_brute_force.npz"))
    arguments = parser.parse_args()
    omega_m, w = np.linspace(0, 1, arguments.nodes), np.linspace(-3, 0, arguments.nodes)

    point, chi2, constant, constant_chi2 = best_fits()
    print(f"w free:  chi2 {chi2:.4f} at omega_m = {point[0]:.5f}, w = {point[1]:.5f}")
    print(f"w = -1:  chi2 {constant_chi2:.4f} at omega_m = {constant:.5f}")
    closed, numerical = profiled_chi_squared(*point), offset_by_optimiser(*point)
    print(f"offset:  closed form {closed[1]:.8f}, optimiser {numerical[1]:.8f}, chi2 {closed[0] - numerical[0]:+.1e}")

    log_likelihood, offset = brute_force_map(omega_m, w)
    over_omega_m, over_w = one_dimensional_profiles(omega_m, w)
    np.savez(
        arguments.output,
        omega_m=omega_m,
        w=w,
        log_likelihood=log_likelihood,
        offset=offset,
        over_omega_m=over_omega_m,
        over_w=over_w,
        best=np.array([*point, -0.5 * chi2]),
    )
    print(f"{arguments.output}: map of {log_likelihood.shape}, largest {log_likelihood.max():.4f}")


if __name__ == "__main__":
    main()
