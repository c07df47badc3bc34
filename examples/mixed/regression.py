"""Which curve lies behind forty noisy points, how many terms does it need, and how smooth is it?

The curve is a sum of basis functions whose weights are integrated out, so its log-likelihood is the marginal one of
Bayesian linear regression: every further term has to pay for itself. The parameters are of all kinds:

    family         a choice: polynomials, waves, or bumps
    order          a whole number: how many basis functions
    decay          real: the weight of the k-th function is of size amplitude / k**decay
    amplitude      real, on a log scale
    noise          real, on a log scale
"""

from __future__ import annotations

import numpy as np

import wilks

N_DATA = 40
TRUE_NOISE = 0.15
WIDTH = 0.15

x = np.linspace(-1, 1, N_DATA)
y = (
    0.9 * np.sin(np.pi * x)
    - 0.5 * np.cos(2 * np.pi * x)
    + 0.3 * np.sin(3 * np.pi * x)
    + TRUE_NOISE * np.random.default_rng(4).normal(size=N_DATA)
)


def basis(family: str, order: int) -> np.ndarray:
    """Values of the basis functions at the data, shape (N_DATA, order)."""
    k = np.arange(1, order + 1)
    if family == "polynomial":
        return np.polynomial.legendre.legvander(x, order)[:, 1:]
    if family == "waves":
        turns = np.pi * np.ceil(k / 2) * x[:, None]
        return np.where(k % 2 == 1, np.sin(turns), np.cos(turns))
    centres = np.linspace(-1, 1, order) if order > 1 else np.zeros(1)
    return np.exp(-0.5 * ((x[:, None] - centres) / WIDTH) ** 2)


def log_likelihood(values: dict) -> float:
    """Log of the density of the data, all weights integrated out."""
    order = values["order"]
    sizes = values["amplitude"] / np.arange(1, order + 1) ** values["decay"]
    weighted = basis(values["family"], order) * sizes
    covariance = weighted @ weighted.T + values["noise"] ** 2 * np.eye(N_DATA)
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, y)
    return float(-0.5 * white @ white - np.log(np.diag(factor)).sum() - 0.5 * N_DATA * np.log(2 * np.pi))


space = wilks.Space(
    family=wilks.Categorical(["polynomial", "waves", "bumps"]),
    order=wilks.Integer(1, 12),
    decay=wilks.Real(0, 3),
    amplitude=wilks.Real(1e-2, 1e2, scale="log"),
    noise=wilks.Real(1e-2, 1, scale="log"),
)
problem = wilks.LikelihoodProblem(space, log_likelihood, name="regression")
