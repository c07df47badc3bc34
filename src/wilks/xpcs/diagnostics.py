r"""Numbers for those who want to look under the bonnet of a fit.

*Absorption* says how far contrasts and offsets can imitate a physical parameter: of the information on it at fixed
scaling, :math:`N_{ii}`, the projection leaves :math:`H_{ii}` (`wilks.xpcs.projection`, equation 3), and

.. math:: a_i = 1 - H_{ii} / N_{ii}                                                                                (1)

is lost. It is 0 for a parameter that no scaling resembles, and 1 for one that cannot be told from it. With contrast and
offset solved exactly no gradient can be "absorbed" on the way, so this is all there is to watch.

The *standardised gradient* :math:`g_i / \sqrt{H_{ii}}` is the distance to the optimum in standard errors, along one
parameter: far below 1 at the end of a fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """What a fit looks like from within.

    Attributes
    ----------
    absorption
        Physical parameter -> fraction of its information that contrast and offset take, equation (1).
    sensitivity
        Physical parameter -> change of the residual vector in units of sigma for a change of the parameter by itself
        (by 1 for one that is zero), contrast and offset following.
    gradient
        Physical parameter -> standardised gradient.
    quantile_contrast, quantile_offset
        What quantiles of the data say without a model, shape (n_phi,); NaN for an angle without data.
    pairs_per_angle
        Pixels of each angle that were used, shape (n_phi,).
    """

    absorption: dict[str, float]
    sensitivity: dict[str, float]
    gradient: dict[str, float]
    quantile_contrast: NDArray[np.float64]
    quantile_offset: NDArray[np.float64]
    pairs_per_angle: NDArray[np.int64]

    @property
    def imbalance(self) -> float:
        """Ratio of the largest to the smallest number of pixels of an angle that has any."""
        there = self.pairs_per_angle[self.pairs_per_angle > 0]
        return float(there.max() / there.min())


def physical_diagnostics(
    values: dict[str, float],
    own: NDArray[np.float64],
    information: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Absorption, sensitivity and standardised gradient of each parameter.

    Parameters
    ----------
    values
        Free physical parameters, in order.
    own, information
        Information at fixed scaling, shape (n,), and with the scaling projected out, shape (n, n).
    gradient
        Of half of chi-squared, shape (n,).

    Examples
    --------
    >>> found = physical_diagnostics({"a": 2.0}, np.array([4.0]), np.array([[1.0]]), np.array([0.1]))
    >>> found
    ({'a': 0.75}, {'a': 2.0}, {'a': 0.1})
    """
    left = np.maximum(np.diag(information), 0.0)
    roots = np.sqrt(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        absorbed = np.where(own > 0, np.clip(1.0 - left / own, 0.0, 1.0), 1.0)
        standardised = np.where(roots > 0, gradient / roots, 0.0)
    sizes = np.array([abs(value) or 1.0 for value in values.values()])
    columns = (absorbed, roots * sizes, standardised)
    first, second, third = (dict(zip(values, column.tolist(), strict=True)) for column in columns)
    return first, second, third
