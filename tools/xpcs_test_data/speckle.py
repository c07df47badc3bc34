r"""Photon counts of a speckle pattern, from the process that moves the scatterers.

*A sample at rest.* The field of a pixel is a complex Gaussian process. Diffusion with the transport coefficient J(t)
makes it an Ornstein-Uhlenbeck process in the time :math:`\frac{q^2}{2} \int J\,dt`, which has exact steps,

.. math:: E_{k+1} = a_k E_k + \sqrt{1 - a_k^2}\; \xi_k, \quad a_k = \exp(-\tfrac{q^2}{2} \int_{t_k}^{t_{k+1}} J\,dt) (1)

*A sample between plates that shear it.* The gap is cut into N layers. Every layer has a field of its own, which obeys
(1) and, at the height y, turns by the phase that the flow has carried it through; a pixel sees their sum,

.. math:: E(t) = N^{-1/2} \sum_y E_y(t) \; e^{i q \cos(\phi_0 - \phi) \, y \int_0^t G\,dt}                          (2)

With heights that are symmetric about the middle the covariance of (2) is real. A sum of Gaussian processes is one, and
is drawn from its covariance by a Cholesky factor in place of N processes for every pixel: the same law at a fraction of
the work. `layered_fields` draws (2) term by term, to check that. No sinc is put in anywhere.

*Intensities.* Modes of weights w, :math:`\sum w = 1`, that do not interfere: :math:`I = \sum_m w_m |E_m|^2`, of
contrast :math:`\sum w^2`; then photons by Poisson's law. Exposures are instantaneous.

J and G are power laws of the age, which keep the value of half a frame before that, D0 max(t, dt/2)^alpha + D_offset
and likewise for G; their integrals are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 4000
"""Pixels that are drawn at a time: the arrays of a block stay in the cache of a processor."""
N_LAYERS = 64
_DIFFUSION = ("D0", "alpha", "D_offset")
_FLOW = ("gamma_dot_0", "beta", "gamma_dot_offset")


@dataclass(frozen=True)
class Bin:
    """Pixels of one wave vector and angle: what they see, and how many photons.

    Attributes
    ----------
    q, phi, gap
        In 1/Å, degrees and Å; gap None for a sample at rest.
    weights
        Of the modes, with sum 1.
    photons
        Mean number per pixel and frame.
    n_pixels
        Number of pixels.
    """

    q: float
    phi: float
    gap: float | None
    weights: tuple[float, ...]
    photons: float
    n_pixels: int

    @property
    def contrast(self) -> float:
        """Contrast that the modes leave."""
        return float(np.sum(np.square(self.weights)))


def modes(ratio: float, count: int = 4) -> tuple[float, ...]:
    """Return weights that fall like a geometric series, as those of a partially coherent beam do."""
    powers = ratio ** np.arange(count)
    return tuple((powers / powers.sum()).tolist())


def integral(t: np.ndarray, dt: float, amplitude: float, exponent: float, offset: float) -> np.ndarray:
    """Integral from 0 to each time of ``amplitude * max(t, dt / 2)**exponent + offset``; the exponent is not -1."""
    half = dt / 2
    late = np.maximum(t, half)
    power = (late ** (exponent + 1) - half ** (exponent + 1)) / (exponent + 1)
    return amplitude * (np.minimum(t, half) * half**exponent + power) + offset * t


def steps(values: dict[str, float], t: np.ndarray, dt: float, q: float) -> np.ndarray:
    """Return the factors a of equation (1) for every step from frame to frame, shape (n_t - 1,)."""
    transported = integral(t, dt, *(values[name] for name in _DIFFUSION))
    return np.exp(-(q**2) / 2 * np.diff(transported))


def phases(values: dict[str, float], t: np.ndarray, dt: float, pixels: Bin, n_layers: int) -> np.ndarray:
    """Return the phases of equation (2) for every layer and time, shape (n_layers, n_t)."""
    strain = integral(t, dt, *(values[name] for name in _FLOW))
    heights = pixels.gap * ((np.arange(n_layers) + 0.5) / n_layers - 0.5)
    return pixels.q * np.cos(np.deg2rad(values["phi0"] - pixels.phi)) * heights[:, None] * strain


def covariance(values: dict[str, float], t: np.ndarray, dt: float, pixels: Bin, n_layers: int = N_LAYERS) -> np.ndarray:
    """Return the covariance of the field of a pixel at all pairs of times, shape (n_t, n_t), g1 in other words."""
    log_steps = np.concatenate([[0.0], np.cumsum(np.log(steps(values, t, dt, pixels.q)))])
    g1 = np.exp(-np.abs(log_steps[:, None] - log_steps))
    if pixels.gap is None:
        return g1
    turned = np.exp(1j * phases(values, t, dt, pixels, n_layers)) / np.sqrt(n_layers)
    return g1 * (turned.T @ turned.conj()).real


def fields_at_rest(rng: np.random.Generator, a: np.ndarray, n_pixels: int) -> np.ndarray:
    """Draw real or imaginary parts by equation (1), of variance 1, shape (n_t, n_pixels)."""
    fields = rng.standard_normal((len(a) + 1, n_pixels), dtype=np.float32)
    new = np.sqrt(1 - a**2)
    for k, factor in enumerate(a):
        fields[k + 1] *= np.float32(new[k])
        fields[k + 1] += np.float32(factor) * fields[k]
    return fields


def layered_fields(
    rng: np.random.Generator, values: dict[str, float], t: np.ndarray, dt: float, pixels: Bin, n_layers: int
) -> np.ndarray:
    """Draw complex fields by equation (2), layer by layer, of variance 2, shape (n_t, n_pixels)."""
    a = steps(values, t, dt, pixels.q)
    total = np.zeros((len(t), pixels.n_pixels), complex)
    for turn in np.exp(1j * phases(values, t, dt, pixels, n_layers)):
        parts = [fields_at_rest(rng, a, pixels.n_pixels) for _ in range(2)]
        total += turn[:, None] * (parts[0] + 1j * parts[1])
    return total / np.sqrt(n_layers)


class Source:
    """Draws photon counts of some pixels, block by block."""

    def __init__(self, values: dict[str, float], t: np.ndarray, dt: float, pixels: Bin) -> None:
        self._pixels = pixels
        self._n_t = len(t)
        self._steps = steps(values, t, dt, pixels.q)
        self._factor = None
        if pixels.gap is not None:
            g1 = covariance(values, t, dt, pixels) + 1e-10 * np.eye(len(t))
            self._factor = np.linalg.cholesky(g1).astype(np.float32)

    def intensities(self, rng: np.random.Generator, n_pixels: int) -> np.ndarray:
        """Draw intensities of mean 1, shape (n_t, n_pixels)."""
        total = np.zeros((self._n_t, n_pixels), np.float32)
        for weight in np.repeat(self._pixels.weights, 2):  # real and imaginary part
            if self._factor is None:
                fields = fields_at_rest(rng, self._steps, n_pixels)
            else:
                fields = self._factor @ rng.standard_normal((self._n_t, n_pixels), dtype=np.float32)
            fields *= fields
            fields *= np.float32(weight / 2)
            total += fields
        return total

    def photons(self, rng: np.random.Generator, n_pixels: int) -> np.ndarray:
        """Draw photon counts, shape (n_t, n_pixels), 8 bits each."""
        frames = np.empty((self._n_t, n_pixels), np.uint8)
        for first in range(0, n_pixels, BLOCK):
            count = min(BLOCK, n_pixels - first)
            expected = self._pixels.photons * self.intensities(rng, count)
            frames[:, first : first + count] = rng.poisson(expected)
        return frames


def correlate(frames: np.ndarray) -> np.ndarray:
    """Two-time correlation <I1 I2> / (<I1> <I2>) with sums of integers, so without any rounding until the division.

    Products of two photon counts are summed in single precision, in blocks whose sums stay below 2^24.
    """
    products = np.zeros((len(frames), len(frames)), np.int64)
    for first in range(0, frames.shape[1], 50_000):
        block = frames[:, first : first + 50_000].astype(np.float32)
        found = block @ block.T
        if found.max() >= 2**24:
            raise OverflowError(f"sums of {found.max():.0f} are not exact in single precision; take smaller blocks")
        products += found.astype(np.int64)
    totals = frames.sum(axis=1, dtype=np.int64).astype(float)
    return products * float(frames.shape[1]) / np.outer(totals, totals)
