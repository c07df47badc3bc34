"""What is installed of the methods."""

from __future__ import annotations

import importlib.util
from typing import Any

__all__ = ["get_optimization_info"]


def get_optimization_info() -> dict[str, Any]:
    """Say which methods there are, and when to use which.

    Returns
    -------
    dict
        ``status``: name -> is it there; ``primary_method``, ``secondary_method``, and ``recommendations``, sentences.

    Examples
    --------
    >>> info = get_optimization_info()
    >>> info["primary_method"], info["status"]["nlsq_available"]
    ('nlsq', True)
    """
    found = {name: importlib.util.find_spec(name) is not None for name in ("jax", "numpyro", "numba", "cmaes")}
    advice = [
        "fit_nlsq_jax fits contrast and offset of every angle exactly, in seconds",
        "fit_mcmc_jax begins with the result of a fit, nlsq_result=",
    ]
    if not (found["jax"] and found["numpyro"]):
        advice.append("pip install 'wilks[sample]' for NUTS, where importance sampling is not enough")
    advice.append("wilks.profile with wilks.xpcs.problem gives intervals that do not rest on a parabola")
    if not found["numba"]:
        advice.append("pip install 'wilks[fast]' for compiled loops")
    return {
        "status": {
            "nlsq_available": True,
            "cmaes_available": found["cmaes"],
            "mcmc_available": True,
            "cmc_available": True,
            "jax_available": found["jax"],
            "numpyro_available": found["numpyro"],
            "numba_available": found["numba"],
        },
        "primary_method": "nlsq",
        "secondary_method": "cmc",
        "recommendations": advice,
    }
