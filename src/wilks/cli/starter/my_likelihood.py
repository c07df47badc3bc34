"""A likelihood to start from: the decay of a short-lived isotope, counted over a constant background.

The counts are Poisson distributed around

    expected(t) = width * (activity * 2 ** (-t / half_life) + background)

Replace the data, `log_likelihood` and `problem` by your own. Then run: wilks run config.yaml
"""

from collections.abc import Mapping

import numpy as np

import wilks

# Counts in 25 intervals of two minutes, and the middles of these.
WIDTH = 2.0
MINUTES = WIDTH * (np.arange(25) + 0.5)
COUNTS = np.array(
    [233, 219, 164, 122, 109, 90, 95, 68, 68, 70, 49, 44, 45, 41, 29, 26, 32, 39, 28, 34, 28, 28, 29, 23, 19]
)


def log_likelihood(values: Mapping[str, float]) -> float:
    """Return the natural logarithm of the likelihood, up to a constant.

    `values` holds one number per parameter. Return minus infinity where the likelihood is zero; an exception or
    NaN counts as a failed evaluation, which never wins and is listed in the report.
    """
    rate = values["activity"] * 2.0 ** (-MINUTES / values["half_life"]) + values["background"]
    expected = WIDTH * rate
    return float(np.sum(COUNTS * np.log(expected) - expected))


# Every parameter has a finite box; make it wide enough to hold every value of interest.
#   wilks.Real(lower, upper)                  a real number; scale="log" for one that spans decades
#   wilks.Integer(lower, upper)               a whole number
#   wilks.Grid([0.5, 1.0, 2.0])               one of some numbers
#   wilks.Categorical(["a", "b"])             one of some values
#   a plain number                            a constant
# unit= and label= (LaTeX between $ signs) are for tables and pictures, initial= is where a fit may start.
space = wilks.Space(
    activity=wilks.Real(1.0, 1000.0, scale="log", unit="1/min", label="$A_0$"),
    half_life=wilks.Real(2.0, 15.0, unit="min", label="$T_{1/2}$"),
    background=wilks.Real(0.1, 30.0, unit="1/min", label="$b$"),
)

# A constraint is a function of the same dictionary that returns True where a point is allowed:
#   constraints=[lambda values: values["background"] < values["activity"]]
# For residuals (data - model) / sigma use wilks.ResidualProblem(space, residual): fits are then quicker.
problem = wilks.LikelihoodProblem(space, log_likelihood, name="decay")
