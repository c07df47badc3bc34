"""The model of c2 pixel by pixel with the standard library alone: it shares nothing with the package, and is slow.

`geometry` is anything with the attributes t, dt, q, gap, phi and convention, `values` the physical parameters by name;
without gamma_dot_0 among them there is no flow. Derivatives come from complex steps, which are exact to rounding: every
function below takes complex parameters.
"""

import cmath
import math

import numpy as np

STEP = 1e-30
DIFFUSION = ("D0", "alpha", "D_offset")
FLOW = ("gamma_dot_0", "beta", "gamma_dot_offset")


def sinc(x):
    """sin(x) / x of a complex number: near 0 by its series, where the quotient would lose the derivative."""
    if abs(x) > 3:
        return cmath.sin(x) / x
    total, term = 0, 1
    for k in range(1, 30):
        total += term
        term *= -x * x / (2 * k * (2 * k + 1))
    return total


def integral(amplitude, exponent, offset, geometry, i, j):
    """Of amplitude * tau^exponent + offset from time i to time j > i, by trapezoids."""

    def rate(m):
        return amplitude * max(float(geometry.t[m]), geometry.dt / 2) ** exponent + offset

    return sum((float(geometry.t[m + 1]) - float(geometry.t[m])) * (rate(m) + rate(m + 1)) / 2 for m in range(i, j))


def decay(values, geometry, i, j):
    """Exponent of f."""
    j_integral = integral(*(values[name] for name in DIFFUSION), geometry, i, j)
    return 2 * geometry.convention.diffusion_factor * geometry.q**2 * j_integral


def strain(values, geometry, i, j):
    return integral(*(values[name] for name in FLOW), geometry, i, j)


def phase(values, geometry, k):
    """Factor of the strain in the argument of the sinc."""
    angle = (values["phi0"] - float(geometry.phi[k])) * math.pi / 180
    return geometry.convention.shear_argument * geometry.q * geometry.gap * cmath.cos(angle)


def f(values, geometry, k, i, j):
    """c2 of a pixel without contrast and offset."""
    i, j = min(i, j), max(i, j)
    value = cmath.exp(-decay(values, geometry, i, j))
    if "gamma_dot_0" in values:
        x = phase(values, geometry, k) * strain(values, geometry, i, j)
        value *= sinc(x) ** geometry.convention.shear_power
    return value if any(isinstance(v, complex) for v in values.values()) else value.real


def slope(function, values, name):
    """Derivative of function(values) with respect to one of them."""
    return complex(function({**values, name: complex(values[name], STEP)})).imag / STEP


def c2(values, geometry, contrast, offset):
    """Matrices of all angles; contrast and offset are lists with one number for each."""
    n_t = len(geometry.t)
    return np.array(
        [
            [[offset[k] + contrast[k] * f(values, geometry, k, i, j) for j in range(n_t)] for i in range(n_t)]
            for k in range(len(geometry.phi))
        ]
    )


def columns(values, geometry, k, i, j):
    """What the kernels sum up for a pixel i < j: 1, f, f dE for each parameter of the decay, and h dG of the strain."""
    value = f(values, geometry, k, i, j)
    row = [1.0, value, *(value * slope(lambda v: decay(v, geometry, i, j), values, name) for name in DIFFUSION)]
    if "gamma_dot_0" in values:
        x = phase(values, geometry, k).real * strain(values, geometry, i, j)
        power = geometry.convention.shear_power
        h = math.exp(-decay(values, geometry, i, j)) * (sinc(complex(x, STEP)) ** power).imag / STEP
        row += [h * slope(lambda v: strain(v, geometry, i, j), values, name) for name in FLOW]
    return row


def gram(values, geometry, k, y, weights=None):
    """Sums of products of the columns and y over all pixels i < j; y and weights are matrices of one angle."""
    n_t = len(geometry.t)
    rows, factors = [], []
    for i in range(n_t):
        for j in range(i + 1, n_t):
            rows.append([*columns(values, geometry, k, i, j), float(y[i][j])])
            factors.append(1.0 if weights is None else float(weights[i][j]))
    size = range(len(rows[0]))
    return np.array(
        [[math.fsum(w * row[a] * row[b] for w, row in zip(factors, rows, strict=True)) for b in size] for a in size]
    )
