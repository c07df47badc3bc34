r"""What both kernels of the fused pass share: tables of a block of rows, and how its sums become a Gram matrix.

The pass needs, for every angle and with a weight w for every pair, the sums of all products of two columns of

.. math:: V = [1, \; f, \; f \Delta E_a, \; h \Delta G_a, \; y], \qquad a = 1, 2, 3                                (1)

where :math:`\Delta E_a = E_a(j) - E_a(i)` belongs to one of `Curves.decay_slopes` and :math:`\Delta G_a` to one of
`Curves.strain_slopes`. Three identities leave about fifty operations per pair, none of them transcendental:

1. Factors. With the block's reference r, :math:`u_j = e^{-(E_j - E_r) / p}`, :math:`v_i = e^{(E_i - E_r) / p}` and
   :math:`x = P \, (\Gamma_j - \Gamma_i)`,

   .. math:: g = e^{-\Delta E / p} \, \mathrm{sinc}\, x
               = (u_j \sin P\Gamma_j \; v_i \cos P\Gamma_i - u_j \cos P\Gamma_j \; v_i \sin P\Gamma_i)
                 \frac{1}{P \Delta\Gamma}                                                                          (2)

   and likewise :math:`d = e^{-\Delta E / p} (\cos x - \mathrm{sinc}\, x) / \Delta\Gamma`, so that for the power p = 2
   :math:`f = g^2` and :math:`h = (p / P) \, g \, d`; for p = 4, :math:`f = g^4` and :math:`h = (p / P) \, g^3 d`. The
   reciprocal of :math:`\Delta\Gamma` is the same for all angles. Where :math:`|x|` is small, d would lose its digits
   and both are power series in x.

2. Sums by rows and by columns. A sum over pairs of :math:`W_{ij} \, \Delta A \, \Delta B`, with W one of the seven
   products :math:`f^2, fh, h^2, f, h, fy, hy` and A, B two of the six curves, is

   .. math:: \sum_j C_j A_j B_j + \sum_i R_i A_i B_i - \sum_i A_i \Big(\sum_j W_{ij} B_j\Big)
             - \sum_i B_i \Big(\sum_j W_{ij} A_j\Big)                                                              (3)

   with the column sums :math:`C_j = \sum_i W_{ij}` and the row sums :math:`R_i = \sum_j W_{ij}`. Per pair, this costs
   an addition to C, one to R and a multiplication by each curve, instead of one by each product of curves.

3. Curves are taken relative to r, and a block ends where the decay since its first row exceeds a limit: the
   differences in (3) then keep their digits, and u and v neither overflow nor vanish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves

# Of a chunk, the part up to the last piece that holds a small x is computed with the power series.
PIECE = 16

# |x| below which sinc and its derivative are power series; above it the derivative keeps 12 digits.
SMALL = 0.2

# 1 - x^2 / 6 + ... and -1/3 + x^2 / 30 - ...: the coefficients of x^0, x^2, x^4 ... of sinc and of sinc' / x.
SINC_SERIES = (1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880)
SLOPE_SERIES = (-1 / 3, 1 / 30, -1 / 840, 1 / 45360, -1 / 3991680)

# A phase below it is no shear; its square must not underflow.
NO_SHEAR = 1e-100

N_PRODUCTS = 7
N_CURVES = 6

# Of a block: the sums of w, w f, w f^2, w f y, w y, w y^2, or those that `Moments` has.
N_COST = 6
N_MOMENTS = 3 + N_PRODUCTS * (1 + N_CURVES + N_CURVES**2)

# Blocks are added up in so many sums, which are then added up in their order: the same bits for any number of threads.
N_SHARES = 64

# No block may see the decay grow by more, and what has decayed by more than twice as much is zero: no denormal
# numbers, which are slow, and f > 1e-44 is exact.
MAX_DECAY = 100.0

_FIRST, _SECOND = np.triu_indices(N_CURVES)
_SQUARE = np.empty((N_CURVES, N_CURVES), dtype=np.intp)
_SQUARE[_FIRST, _SECOND] = _SQUARE[_SECOND, _FIRST] = np.arange(len(_FIRST))

_E, _G = slice(0, 3), slice(3, 6)  # among the curves
_FE, _HG = slice(2, 5), slice(5, 8)  # among the columns of (1)
_FF, _FH, _HH, _F, _H, _FY, _HY = range(N_PRODUCTS)


class Block(NamedTuple):
    """Tables of the rows ``first ... first + n_rows``, for the columns from ``first + 1`` on in chunks of `width`.

    Attributes
    ----------
    n_t, first, n_rows, power
        Number of times, first row, number of rows, power of the sinc.
    curves
        The six curves less their values at the last row, shape (n_chunks, 6, width); 0 beyond the last time.
    row_curves
        The same at the rows, shape (n_rows, 6).
    strain, row_strain
        Strain relative to the last row, shapes (n_chunks, width) and (n_rows,).
    decay, row_decay
        u and v of equation (2), shapes (n_chunks, width) and (n_rows,).
    inverse
        1 / (strain difference), shape (n_chunks, n_rows, width); 0 where there is no pair or no difference.
    nearest
        Smallest absolute strain difference of every piece, shape (n_rows, n_chunks, width / PIECE).
    waves, row_waves
        u sin and u cos of every angle, shape (n_angles, n_chunks, 2, width), and the factors of the rows to go with
        them: v cos / P, -v sin / P for g and v sin, v cos for the cosine, shape (n_angles, n_rows, 4).
    phases
        P of every angle, 0 where it is as good as 0.
    """

    n_t: int
    first: int
    n_rows: int
    power: int
    curves: NDArray[np.float64]
    row_curves: NDArray[np.float64]
    strain: NDArray[np.float64]
    row_strain: NDArray[np.float64]
    decay: NDArray[np.float64]
    row_decay: NDArray[np.float64]
    inverse: NDArray[np.float64]
    nearest: NDArray[np.float64]
    waves: NDArray[np.float64]
    row_waves: NDArray[np.float64]
    phases: NDArray[np.float64]


class Moments(NamedTuple):
    """Sums over pairs, with h without its factor p / P.

    Attributes
    ----------
    constants
        Sums of w, w y and w y^2, shape (..., 3).
    plain, linear, square
        Sums of the seven products times 1, times the differences of the six curves, and times the products of two of
        them: shapes (..., 7), (..., 7, 6) and (..., 7, 6, 6). Those that no Gram matrix needs may be missing.
    """

    constants: NDArray[np.float64]
    plain: NDArray[np.float64]
    linear: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def views(cls, flat: NDArray[np.float64]) -> Moments:
        """Views of an array of shape (..., `N_MOMENTS`)."""
        low, high = 3 + N_PRODUCTS, 3 + N_PRODUCTS * (1 + N_CURVES)
        shape = flat.shape[:-1]
        return cls(
            flat[..., :3],
            flat[..., 3:low],
            flat[..., low:high].reshape(*shape, N_PRODUCTS, N_CURVES),
            flat[..., high:].reshape(*shape, N_PRODUCTS, N_CURVES, N_CURVES),
        )


class Waves(NamedTuple):
    """Sine and cosine of phase times strain, shape (n_angles, n_t): once per pass."""

    sine: NDArray[np.float64]
    cosine: NDArray[np.float64]
    phases: NDArray[np.float64]


class Lines(NamedTuple):
    """What the blocks of a pass are cut from: all curves at all times.

    Attributes
    ----------
    decay, strain
        Shape (n_t,).
    slopes
        Their derivatives, the six curves of equation (3), shape (6, n_t).
    sine, cosine, phases
        `Waves`.
    power
        Power of the sinc.
    """

    decay: NDArray[np.float64]
    strain: NDArray[np.float64]
    slopes: NDArray[np.float64]
    sine: NDArray[np.float64]
    cosine: NDArray[np.float64]
    phases: NDArray[np.float64]
    power: int


def lines_of(curves: Curves, angles: NDArray[np.intp]) -> Lines:
    """Lines of the given angles, all contiguous: compiled code is made for one kind of array."""
    slopes = np.concatenate([curves.decay_slopes, curves.strain_slopes])
    return Lines(np.array(curves.decay), np.array(curves.strain), slopes, *waves_of(curves, angles), curves.power)


def waves_of(curves: Curves, angles: NDArray[np.intp]) -> Waves:
    """Sine and cosine of the given angles."""
    phases = curves.phases[angles]
    phases = np.where(np.abs(phases) < NO_SHEAR, 0.0, phases)
    argument, lost = _product(phases[:, None], curves.strain)
    sine, cosine = np.sin(argument), np.cos(argument)
    return Waves(sine + lost * cosine, cosine - lost * sine, phases)


def _product(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Product and its rounding error, after Dekker and Veltkamp: a large phase keeps 16 decimals, not 16 digits."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    large = a * 134217729.0  # 2^27 + 1
    upper = large - (large - a)
    return upper, a - upper


def block_edges(decay: NDArray[np.float64], height: int) -> NDArray[np.intp]:
    """First rows of all blocks, and the row after the last one: a block has at most `height` rows."""
    edges, last = [0], len(decay) - 1
    while edges[-1] < last:
        first = edges[-1]
        stop = min(first + height, last)
        far = np.abs(decay[first:stop] - decay[first]) > MAX_DECAY
        edges.append(first + int(far.argmax()) if far.any() else stop)
    return np.array(edges)


def _strain_tables(strain: NDArray[np.float64], inverse: NDArray[np.float64], nearest: NDArray[np.float64]) -> None:
    """Fill `Block.inverse` and `Block.nearest`."""
    (n_chunks, n_rows, width), n_columns = inverse.shape, len(strain) - 1
    difference = strain[1:] - strain[:n_rows, None]
    here = np.arange(1, n_columns + 1) > np.arange(n_rows)[:, None]
    found = np.zeros((n_rows, n_chunks * width))
    # Where there is hardly a difference, x is small for any phase that counts; its reciprocal is not used.
    np.divide(1.0, difference, out=found[:, :n_columns], where=here & (np.abs(difference) > NO_SHEAR))
    inverse[:] = found.reshape(n_rows, n_chunks, width).swapaxes(0, 1)
    found.fill(np.inf)
    np.abs(difference, out=found[:, :n_columns], where=here)
    nearest[:] = found.reshape(n_rows, n_chunks, -1, PIECE).min(axis=-1)


def block_of(lines: Lines, first: int, stop: int, width: int) -> Block:
    """Return the tables of the rows from `first` to before `stop`, in chunks of `width` columns."""
    n_t, power = len(lines.decay), lines.power
    n_rows, n_columns = stop - first, n_t - first - 1
    n_chunks = -(-n_columns // width)
    rows, columns = slice(first, stop), slice(first + 1, n_t)

    def chunked(values: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.zeros((*values.shape[:-1], n_chunks * width))
        padded[..., :n_columns] = values
        return padded.reshape(*values.shape[:-1], n_chunks, width)

    r = stop - 1
    decay = lines.decay - lines.decay[r]
    strain = lines.strain - lines.strain[r]
    column_decay = np.where(decay[columns] > 2 * MAX_DECAY, 0.0, np.exp(-decay[columns] / power))
    row_decay = np.exp(decay[rows] / power)
    sine, cosine = lines.sine[:, rows] * row_decay, lines.cosine[:, rows] * row_decay
    share = 1.0 / np.where(lines.phases == 0.0, 1.0, lines.phases)[:, None]
    inverse, nearest = np.zeros((n_chunks, n_rows, width)), np.full((n_rows, n_chunks, width // PIECE), np.inf)
    _strain_tables(strain[first:], inverse, nearest)
    return Block(
        n_t=n_t,
        first=first,
        n_rows=n_rows,
        power=power,
        curves=np.ascontiguousarray(chunked(lines.slopes[:, columns] - lines.slopes[:, r, None]).swapaxes(0, 1)),
        row_curves=np.ascontiguousarray((lines.slopes[:, rows] - lines.slopes[:, r, None]).T),
        strain=chunked(strain[columns]),
        row_strain=strain[rows],
        decay=chunked(column_decay),
        row_decay=row_decay,
        inverse=inverse,
        nearest=nearest,
        waves=np.stack(
            [chunked(lines.sine[:, columns] * column_decay), chunked(lines.cosine[:, columns] * column_decay)], axis=2
        ),
        row_waves=np.stack([cosine * share, -sine * share, sine, cosine], axis=2),
        phases=lines.phases,
    )


def add_moments(block: Block, by_column: NDArray[np.float64], by_row: NDArray[np.float64], moments: Moments) -> None:
    """Add what follows by equation (3) to the moments of the angles.

    Parameters
    ----------
    block
        The block.
    by_column
        C of the seven products, shape (n_angles, n_chunks, 7, width).
    by_row
        Sums over j of the products times 1 and the six curves, shape (n_angles, n_rows, 7, 7).
    moments
        All but the constants are added to.
    """
    columns, rows = block.curves, block.row_curves
    c = (by_column @ _with_products(columns).swapaxes(1, 2)).sum(axis=1)  # matrices too small for threads of BLAS
    r = by_row[..., 0].swapaxes(1, 2) @ _with_products(rows)
    cross = rows.T @ by_row[..., 1:].reshape(*by_row.shape[:2], -1)
    cross = cross.reshape(-1, N_CURVES, N_PRODUCTS, N_CURVES).swapaxes(1, 2)
    moments.plain[:] += by_row[..., 0].sum(axis=1)
    moments.linear[:] += c[..., :N_CURVES] - r[..., :N_CURVES]
    moments.square[:] += (c + r)[..., N_CURVES + _SQUARE] - cross - cross.swapaxes(2, 3)


def scales(phases: NDArray[np.float64], power: int) -> NDArray[np.float64]:
    """Factor p / P of h for every angle; 0 without shear, where h is 0."""
    none = phases == 0.0
    return np.where(none, 0.0, power / np.where(none, 1.0, phases))


def assembled(moments: Moments, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gram matrices of the columns (1), shape (n_angles, 9, 9), from moments and the factor that h lacks."""
    constants, plain, linear, square = moments
    grams = np.zeros((len(plain), 9, 9))
    s = scale[:, None]
    grams[:, 0, 0], grams[:, 0, 8], grams[:, 8, 8] = constants.T
    grams[:, 0, 1] = plain[:, _F]
    grams[:, 1, 1] = plain[:, _FF]
    grams[:, 1, 8] = plain[:, _FY]
    grams[:, 0, _FE] = linear[:, _F, _E]
    grams[:, 1, _FE] = linear[:, _FF, _E]
    grams[:, _FE, 8] = linear[:, _FY, _E]
    grams[:, 0, _HG] = linear[:, _H, _G] * s
    grams[:, 1, _HG] = linear[:, _FH, _G] * s
    grams[:, _HG, 8] = linear[:, _HY, _G] * s
    grams[:, _FE, _FE] = square[:, _FF, _E, _E]
    grams[:, _FE, _HG] = square[:, _FH, _E, _G] * s[..., None]
    grams[:, _HG, _HG] = square[:, _HH, _G, _G] * s[..., None] ** 2
    return np.triu(grams) + np.triu(grams, 1).swapaxes(1, 2)


def _with_products(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return curves, the axis 1, and after them their products in pairs."""
    return np.concatenate([curves, curves[:, _FIRST] * curves[:, _SECOND]], axis=1)


def polynomial(
    coefficients: tuple[float, ...], x: NDArray[np.float64], out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Value of a polynomial, lowest order first, by Horner's rule and without temporaries."""
    total = np.empty_like(x) if out is None else out
    total.fill(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        np.multiply(total, x, out=total)
        np.add(total, coefficient, out=total)
    return total
