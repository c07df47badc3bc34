"""Driving a local solver by hand in the unit box, and functions to drive it on."""

import numpy as np


class OutsideError(AssertionError):
    """A point outside the unit box was asked for."""


def climb(solver, function, u, *, payload=None, limit=50_000, **known):
    """Advance an ascent to its end; return it with the number of points that it asked for."""
    ascent = solver.start(np.asarray(u, dtype=float), **known)
    n_points = 0
    while len(ascent.points):
        points = ascent.points
        if not ((points >= 0) & (points <= 1)).all():
            raise OutsideError(points)
        n_points += len(points)
        assert n_points < limit, "the ascent does not end"
        values = np.array([function(point) for point in points])
        payloads = None if payload is None else [payload(point) for point in points]
        ascent = solver.advance(ascent, values, payloads)
    return ascent, n_points


def parabola(centre, curvature):
    """Concave quadratic with its maximum 0 at `centre`; `curvature` is a matrix or its diagonal."""
    matrix = np.atleast_1d(np.asarray(curvature, dtype=float))
    matrix = np.diag(matrix) if matrix.ndim == 1 else matrix

    def function(u):
        d = u - centre
        return -0.5 * float(d @ matrix @ d)

    return function


def from_residual(residual):
    """Log-likelihood and payload of a residual function of the unit box; a NaN residual has neither."""

    def value(u):
        r = np.asarray(residual(u), dtype=float)
        return -0.5 * float(r @ r) if np.isfinite(r).all() else -np.inf

    def payload(u):
        r = np.asarray(residual(u), dtype=float)
        return r[:, None] if np.isfinite(r).all() else None

    return value, payload


def positive_definite(rng, m, smallest=1e-3):
    """Random symmetric positive definite matrix with eigenvalues from `smallest` upwards."""
    factor = rng.normal(size=(m, m + 1))
    return factor @ factor.T + smallest * np.eye(m)


def rosenbrock(u):
    x = -2 + 4 * np.asarray(u)
    return -float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def beale(u):
    x, y = -4.5 + 9 * np.asarray(u)
    return -((1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2)


def powell(u):
    a, b, c, d = -4 + 9 * np.asarray(u)
    return -((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4)


def booth(u):
    x, y = -10 + 20 * np.asarray(u)
    return -((x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2)


def wood(u):
    a, b, c, d = -10 + 20 * np.asarray(u)
    return -(
        100 * (a * a - b) ** 2
        + (a - 1) ** 2
        + (c - 1) ** 2
        + 90 * (c * c - d) ** 2
        + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2)
        + 19.8 * (b - 1) * (d - 1)
    )
