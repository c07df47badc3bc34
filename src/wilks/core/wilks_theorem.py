r"""Wilks' theorem (1938): the drop of the log-likelihood that bounds a confidence region.

When the data are many, twice the drop of the profile log-likelihood below its maximum follows a chi-squared law with
k degrees of freedom at the true values of the k profiled parameters. The confidence set is

.. math:: \{\theta : L_{max} - L(\theta) \le \chi^2_k(confidence) / 2\}
"""

from __future__ import annotations

from wilks.core.errors import InvalidConfigurationError


def wilks_depth(confidence: float, n_parameters: int) -> float:
    """Half the chi-squared quantile for as many degrees of freedom as there are profiled parameters.

    Raises
    ------
    InvalidConfigurationError
        If `confidence` is not strictly between 0 and 1.

    Examples
    --------
    >>> round(wilks_depth(0.95, 1), 4), round(wilks_depth(0.95, 2), 4)
    (1.9207, 2.9957)
    """
    from scipy.special import gammaincinv  # noqa: PLC0415 - scipy loads on use

    if not 0 < confidence < 1:
        raise InvalidConfigurationError(
            f"confidence: expected a number between 0 and 1, such as 0.95, got {confidence!r}"
        )
    return float(gammaincinv(n_parameters / 2, confidence))
