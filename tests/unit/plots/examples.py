"""Results with known answers, built from closed forms, for the tests of pictures and of the report."""

import numpy as np

import wilks
from wilks.core.cells import CellStatus
from wilks.core.result import Provenance, Step
from wilks.core.status import Outcome, Status
from wilks.profiles.result import Audit, ProfileResult
from wilks.solvers.result import Basin, FitResult, Quality

PROVENANCE = Provenance(
    versions={"wilks": "0.1.0", "Python": "3.11.2", "NumPy": "2.4.6", "SciPy": "1.17.1"},
    seed=1,
    problem="supernova",
    fingerprint="3f2a9c0d51e8",
    executed=(
        Step("global search", "24 starts, 3 optima", 1840),
        Step("map", "first pass over the grid", 9120),
        Step("audit", "12 cells from scratch", 2210),
    ),
    executor="ProcessExecutor(n_workers=2)",
    started="2026-03-01T12:00:00+00:00",
    seconds=42.5,
)

MEAN = np.array([0.28, -1.1])
SIGMA = np.array([0.06, 0.25])
RHO = -0.6
COVARIANCE = np.diag(SIGMA) @ np.array([[1, RHO], [RHO, 1]]) @ np.diag(SIGMA)


def space(**more):
    parameters = {
        "omega_m": wilks.Real(0, 1, label=r"$\Omega_m$"),
        "w": wilks.Real(-3, 0, label="$w$"),
        "offset": wilks.Real(-1, 1, unit="mag"),
    }
    return wilks.Space(parameters | more)


def profile(over, axes, surface, *, best, domains=None, roi_threshold=4.0, argmax=None, status=None, maximum=0.0):
    """A profile result around any surface; NaN cells are unvisited."""
    surface = np.asarray(surface, dtype=float)
    if status is None:
        status = np.where(np.isnan(surface), CellStatus.UNVISITED, CellStatus.CONVERGED).astype(np.int8)
    return ProfileResult(
        space=domains or space(),
        status=Status(Outcome.CONVERGED, "3 optima followed."),
        best=best,
        log_likelihood=maximum,
        n_evaluations=13170,
        stats={},
        provenance=PROVENANCE,
        over=tuple(over),
        axes=dict(zip(over, axes, strict=True)),
        log_likelihood_map=surface,
        in_roi=surface >= maximum - roi_threshold,
        argmax=argmax or {},
        cell_status=status,
        audit=None,
        roi_threshold=roi_threshold,
    )


def gaussian_2d(n=(41, 51), *, maximum=-20.0, cut=None):
    """A correlated Gaussian in (omega_m, w), with the offset rising along omega_m; NaN below `cut`."""
    x, y = np.linspace(0, 1, n[0]), np.linspace(-3, 0, n[1])
    d = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1) - MEAN
    surface = maximum - 0.5 * np.einsum("ijk,kl,ijl->ij", d, np.linalg.inv(COVARIANCE), d)
    if cut is not None:
        surface[surface < maximum - cut] = np.nan
    offset = np.where(np.isnan(surface), np.nan, 0.5 * d[..., 0] - 0.05 * d[..., 1])
    return profile(
        ("omega_m", "w"),
        (x, y),
        surface,
        best={"omega_m": 0.28, "w": -1.1, "offset": 0.0},
        argmax={"offset": offset},
        maximum=maximum,
    )


def gaussian_1d(n=41, *, maximum=-20.0, best=0.28):
    x = np.linspace(0, 1, n)
    surface = maximum - 0.5 * ((x - best) / 0.06) ** 2
    argmax = {"offset": 0.5 * (x - best), "w": -1.1 - 0.6 * (x - best) / 0.06 * 0.25}
    return profile(
        ("omega_m",), (x,), surface, best={"omega_m": best, "w": -1.1, "offset": 0.0}, argmax=argmax, maximum=maximum
    )


def banana(n=61):
    """A curved ridge on (log, linear) axes, visited near the region of interest only, with cells that went wrong."""
    domains = wilks.Space(
        tau=wilks.Real(1e-3, 10, scale="log", label=r"$\tau$", unit="s"),
        beta=wilks.Real(0, 4, label=r"$\beta$"),
        rate=wilks.Real(1e-2, 1e2, scale="log", unit="1/s"),
    )
    x, y = np.geomspace(1e-3, 10, n), np.linspace(0, 4, n)
    u, v = np.meshgrid(np.log10(x), y, indexing="ij")
    surface = -0.5 * ((u + 1) / 0.7) ** 2 - 0.5 * ((v - 1 - 0.8 * (u + 1) ** 2) / 0.25) ** 2
    surface[surface < -7] = np.nan
    status = np.where(np.isnan(surface), 0, 1).astype(np.int8)
    status[24, 18:21] = CellStatus.NOT_CONVERGED
    status[38, 20] = CellStatus.FAILED
    surface[38, 20] = -np.inf
    rate = np.where(np.isfinite(surface), 10.0**-u, np.nan)
    return profile(
        ("tau", "beta"),
        (x, y),
        surface,
        best={"tau": 0.1, "beta": 1.0, "rate": 10.0},
        domains=domains,
        argmax={"rate": rate},
        status=status,
    )


def two_islands(n=(61, 61)):
    """Two optima of slightly different height; the nuisance parameter is a choice between two models."""
    domains = space(model=wilks.Categorical(["flat", "curved"]))
    x, y = np.linspace(0, 1, n[0]), np.linspace(-3, 0, n[1])
    u, v = np.meshgrid(x, y, indexing="ij")
    left = -0.5 * (((u - 0.25) / 0.07) ** 2 + ((v + 2.1) / 0.2) ** 2)
    right = -0.3 - 0.5 * (((u - 0.7) / 0.09) ** 2 + ((v + 0.8) / 0.25) ** 2)
    surface = np.maximum(left, right)
    return profile(
        ("omega_m", "w"),
        (x, y),
        surface,
        best={"omega_m": 0.25, "w": -2.1, "offset": 0.0, "model": "flat"},
        domains=domains,
        argmax={"model": (right > left).astype(float), "offset": np.where(right > left, 0.3, -0.2)},
    )


def cut_by_box(n=41):
    """A Gaussian in w whose centre lies near the end of the box."""
    y = np.linspace(-3, 0, n)
    surface = -0.5 * ((y + 0.15) / 0.5) ** 2
    return profile(
        ("w",), (y,), surface, best={"omega_m": 0.3, "w": -0.15, "offset": 0.0}, argmax={"omega_m": 0.3 + 0.1 * y}
    )


def discrete():
    """A choice on one axis and numbers with any spacing on the other."""
    domains = wilks.Space(
        shape=wilks.Categorical(["elliptic", "spiral", "lens", "bar"], label="shape"),
        power=wilks.Grid([0.5, 1.0, 2.0, 5.0, 10.0]),
        order=wilks.Integer(1, 9),
    )
    x, y = np.arange(4.0), np.array([0.5, 1.0, 2.0, 5.0, 10.0])
    surface = -np.array([[5, 2.0, 0.9, 3, 6], [2.5, 0.4, 0.0, 0.7, 3], [6, 3, 1.4, 2, 7], [9, 8, 7, 8, np.nan]])
    order = np.add.outer(np.arange(4.0), np.arange(5.0)) + 1
    return profile(
        ("shape", "power"),
        (x, y),
        surface,
        best={"shape": "spiral", "power": 2.0, "order": 4},
        domains=domains,
        argmax={"order": np.where(np.isnan(surface), np.nan, order)},
    )


def volume(n=(15, 17, 19)):
    """Three independent Gaussians."""
    axes = (np.linspace(0, 1, n[0]), np.linspace(-3, 0, n[1]), np.linspace(-1, 1, n[2]))
    a, b, c = np.meshgrid(*axes, indexing="ij")
    surface = -0.5 * (((a - 0.5) / 0.2) ** 2 + ((b + 1.5) / 0.6) ** 2 + (c / 0.4) ** 2)
    surface[surface < -8] = np.nan
    return profile(("omega_m", "w", "offset"), axes, surface, best={"omega_m": 0.5, "w": -1.5, "offset": 0.0})


def audited(result, improvements=(0.0, 0.0, 0.31, 0.0, 0.012)):
    """The same result with an audit that improved some cells."""
    from dataclasses import replace

    cells = np.argwhere(result.in_roi)[:: max(1, int(result.in_roi.sum()) // len(improvements))][: len(improvements)]
    gains = np.array(improvements)
    audit = Audit(cells, gains, int((gains > 0.01).sum()), float(gains.max()), 0.58, 0.95, 0.01, 2210)
    return replace(result, audit=audit)


def fit(covariance=None, names=("omega_m", "w"), *, domains=None, basins=None, **more):
    covariance = COVARIANCE if covariance is None else np.asarray(covariance)
    best = more.pop("best", {"omega_m": 0.28, "w": -1.1, "offset": 0.0})
    errors = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    basins = basins or (Basin(best, -20.0, 18), Basin(best, -21.4, 5), Basin(best, -27.2, 1))
    settings = {
        "space": domains or space(offset=0.0),
        "status": Status(Outcome.CONVERGED, "24 starts, 3 optima."),
        "best": best,
        "log_likelihood": -20.0,
        "n_evaluations": 1840,
        "stats": {},
        "provenance": PROVENANCE,
        "names": tuple(names),
        "standard_errors": errors,
        "covariance": covariance,
        "quality": Quality(1e-9, 12.0, warnings=("The standard errors change by 12 % with the step.",)),
        "at_bounds": {},
        "basins": tuple(basins),
        "chi_squared": 562.23,
        "dof": 577,
    }
    return FitResult(**(settings | more))
