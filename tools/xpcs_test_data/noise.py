r"""Which noise the files have: how the number of pixels and photons of `samples.py` were chosen.

A pair of frames has the noise of the photons, which is white, and that of the speckles, which is not: a pixel that
happens to be bright at one time is bright some frames later too. With n pixels, m photons per pixel and frame, the
contrast b and K frames in which c2 decays, the variance of one pair is

.. math:: \frac{1 + b f}{n m^2} + O(\tfrac{b}{n m}) + O(\tfrac{b^2}{n})                                            (1)

of which the second and third term are common to K and K^2 pairs. In sums over many pairs, which a fit is made of, they
have the parts K b m and (K b m)^2 of the first. The standard errors of a fit know the first term only, so K b m must be
small; photons are then few, and pixels must be many.

This script draws small samples, applies the linearised joint fit of all parameters, contrasts and offsets to each, and
prints the variances over those that white noise would have; also what the discretisation (trapezoid rule of the model,
layers of the simulation) moves the parameters by. The ratios do not depend on the number of pixels. It checks the sum
over layers, drawn one by one, against the covariance that is used. Run with numpy only::

    python noise.py [replicates]
"""

from __future__ import annotations

import sys

import numpy as np
from samples import DT, N_PIXELS, N_T, PHOTONS, TIMES, VALUES, bins
from speckle import Bin, Source, correlate, covariance, layered_fields

UPPER = np.triu_indices(N_T, 1)
FEW_PIXELS = 4000
_STEP = 1e-5


def cumulative(rate: np.ndarray) -> np.ndarray:
    """Integral by the trapezoid rule from the first frame."""
    return np.concatenate([[0.0], np.cumsum(0.5 * DT * (rate[1:] + rate[:-1]))])


def model(values: dict[str, float], pixels: Bin) -> np.ndarray:
    """Return |g1|^2 above the diagonal, with the trapezoid rule and the sinc of a continuous gap."""
    age = np.maximum(TIMES, DT / 2)
    moved = pixels.q**2 * cumulative(values["D0"] * age ** values["alpha"] + values["D_offset"])
    found = np.exp(moved[UPPER[0]] - moved[UPPER[1]])
    if pixels.gap is not None:
        strain = cumulative(values["gamma_dot_0"] * age ** values["beta"] + values["gamma_dot_offset"])
        phase = pixels.q * pixels.gap / 2 * np.cos(np.deg2rad(values["phi0"] - pixels.phi))
        found = found * np.sinc(phase * (strain[UPPER[1]] - strain[UPPER[0]]) / np.pi) ** 2
    return found


def linear_fit(values: dict[str, float], chosen: list[Bin]) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix that makes parameters of data, and the errors for white noise of variance 1.

    Columns are contrast and offset of each bin, then the physical parameters.
    """
    n_pairs, n_bins = len(UPPER[0]), len(chosen)
    design = np.zeros((n_bins * n_pairs, 2 * n_bins + len(values)))
    for b, pixels in enumerate(chosen):
        rows = slice(b * n_pairs, (b + 1) * n_pairs)
        design[rows, 2 * b], design[rows, 2 * b + 1] = model(values, pixels), 1.0
        for k, (name, value) in enumerate(values.items()):
            step = _STEP * abs(value)
            sides = [model({**values, name: value + sign * step}, pixels) for sign in (1, -1)]
            design[rows, 2 * n_bins + k] = pixels.contrast * (sides[0] - sides[1]) / (2 * step)
    size = np.sqrt(np.sum(design**2, axis=0))
    solver = np.linalg.pinv(design / size) / size[:, None]
    return solver, np.sqrt(np.sum(solver**2, axis=1))


def white_variance(c2: np.ndarray) -> float:
    """Return the variance of a pair by second differences along the age."""
    second = c2[:-2, :-2] - 2 * c2[1:-1, 1:-1] + c2[2:, 2:]
    return float(np.mean(second[np.triu_indices(len(second), 1)] ** 2) / 6)


def report(title: str, values: dict[str, float], chosen: list[Bin], replicates: int) -> None:
    """Print errors and ratios of variances of one joint fit."""
    solver, unit_errors = linear_fit(values, chosen)
    names = [f"{what} {each.phi:g}" for each in chosen for what in ("contrast", "offset")] + list(values)
    truth = np.concatenate([1 + p.contrast * covariance(values, TIMES, DT, p)[UPPER] ** 2 for p in chosen])
    fitted = np.concatenate([1 + p.contrast * model(values, p) for p in chosen])
    sources = [Source(values, TIMES, DT, each) for each in chosen]
    rng = np.random.default_rng(1)
    estimates, variances = [], []
    for _ in range(replicates):
        drawn = [correlate(source.photons(rng, FEW_PIXELS)) for source in sources]
        variances += [white_variance(c2) for c2 in drawn]
        estimates.append(solver @ (np.concatenate([c2[UPPER] for c2 in drawn]) - truth))
    variance = float(np.mean(variances))
    ratios = np.var(estimates, axis=0) / (variance * unit_errors**2)
    errors = np.sqrt(variance * FEW_PIXELS / N_PIXELS) * unit_errors
    shifts = solver @ (truth - fitted) / errors
    sigma = np.sqrt(variance * FEW_PIXELS / N_PIXELS)
    print(f"{title}: {N_PIXELS} pixels of {PHOTONS} photons, sigma of a pair {sigma:.5f}")
    for name, error, ratio, shift in zip(names, errors, ratios, shifts, strict=True):
        print(f"  {name:17s} error {error:9.3g}, variance over white {ratio:5.2f}, discretisation {shift:+5.2f} errors")
    print(f"  mean ratio {ratios.mean():.2f} from {replicates} replicates", flush=True)


def check_layers() -> None:
    """Compare fields that are drawn layer by layer with the covariance of the simulation."""
    values, n_pixels = VALUES["flow"], 4000
    for phi in (-5.0, 50.0):
        pixels = next(each for each in bins("flow", n_pixels) if each.phi == phi)
        fields = layered_fields(np.random.default_rng(2), values, TIMES, DT, pixels, 24)
        difference = fields @ fields.conj().T / (2 * n_pixels) - covariance(values, TIMES, DT, pixels)
        squared = np.abs(covariance(values, TIMES, DT, pixels, 24) ** 2 - covariance(values, TIMES, DT, pixels) ** 2)
        print(
            f"24 layers one by one at {phi:g} degrees: root mean square difference of the covariance "
            f"{np.sqrt(np.mean(np.abs(difference) ** 2)):.4f}, expected {1 / np.sqrt(n_pixels):.4f}; 24 instead of 64 "
            f"layers change |g1|^2 by at most {squared.max():.1e}"
        )


def main() -> None:
    """Check the layers, then report on the three joint fits."""
    check_layers()
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    at_rest = bins("rest")
    for q in sorted({each.q for each in at_rest}):
        report(f"at rest, q = {q:g}", VALUES["rest"], [each for each in at_rest if each.q == q], replicates)
    report("sheared", VALUES["flow"], bins("flow"), replicates)


if __name__ == "__main__":
    main()
